//! Makes the index of a module's names: a pass over every unit, then sorting.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use gimli::Section;
use rayon::prelude::*;

use super::{BLOCK, CHECKED_HEADER, FNV_START, HEADER, IN_DEBUG_STR, LENGTH_BITS, MAGIC, NameIndex, NameKind};
use super::{hash_of, wide_hash};
use crate::interrupt;
use crate::module::skim::{NamedEntry, Skim};
use crate::module::unit::Unit;
use crate::module::units::DebugInfo;
use crate::module::{Language, R};

/// Entries that are indexed; what has more is not a program that somebody wrote.
const MAX_ENTRIES: usize = 24 << 20;
/// Bytes of a name.
const MAX_NAME: usize = 1 << 14;
/// Bytes of all names.
const MAX_STRINGS: usize = 1 << 30;
/// Entries between a scope and the outermost one, and from one to what it elaborates.
const MAX_STEPS: usize = 128;
/// Hash of the path that is outside of everything: none.
const OUTERMOST: u64 = FNV_START;
/// Fewer units are passed over before anybody could read of it.
const UNITS_FOR_PROGRESS: usize = 64;

/// An entry as it was found.
struct Found {
    /// Hash of scope, name and kind.
    key: u64,
    scope: u64,
    leaf: &'static [u8],
    unit: u32,
    offset: u32,
    kind: NameKind,
}

/// A unit's names, and the scopes that they are in: hash and path.
type OfUnit = (Vec<Found>, Vec<(u64, String)>);

/// The index of all units; shows how far it is on a terminal. `None` where the request to end comes before.
pub fn build(debug: &DebugInfo) -> Option<NameIndex> {
    let starts = debug.unit_starts(0);
    let progress = progress(starts.len());
    let count = AtomicUsize::new(0);
    let whole = AtomicBool::new(true);
    let units: Vec<OfUnit> = (0..starts.len())
        .into_par_iter()
        .filter_map(|number| {
            if interrupt::requested() {
                return None;
            }
            if count.load(Ordering::Relaxed) > MAX_ENTRIES {
                whole.store(false, Ordering::Relaxed);
                return None;
            }
            let found = names_of(debug.unit_holding(*starts.get(number)?)?, u32::try_from(number).ok()?);
            count.fetch_add(found.0.len(), Ordering::Relaxed);
            if let Some(bar) = &progress {
                bar.inc(1);
            }
            Some(found)
        })
        .collect();
    if interrupt::requested() {
        if let Some(bar) = &progress {
            bar.finish_and_clear();
        }
        return None;
    }
    let dwarf = debug.dwarf();
    let (info, debug_str) = (dwarf.debug_info.reader().len(), dwarf.debug_str.reader().slice());
    let index = written(units, info, debug_str, whole.into_inner());
    if let Some(bar) = &progress {
        bar.finish_and_clear();
    }
    Some(index)
}

fn progress(units: usize) -> Option<indicatif::ProgressBar> {
    if units < UNITS_FOR_PROGRESS || !std::io::stderr().is_terminal() {
        return None;
    }
    let target = indicatif::ProgressDrawTarget::stderr();
    let bar = indicatif::ProgressBar::with_draw_target(Some(units as u64), target);
    if let Ok(style) = indicatif::ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len} units") {
        bar.set_style(style);
    }
    Some(bar.with_message("reading names"))
}

/// What a unit's entries outside of functions are called.
fn names_of(unit: &Unit, number: u32) -> OfUnit {
    // What the pass finds is not kept: an index is made of every unit, and few are looked into later.
    let skim = Skim::of(unit.dwarf, &unit.unit);
    let mut paths = Paths { unit, skim: &skim, known: HashMap::new(), scopes: Vec::new() };
    paths.scope(String::new());
    let mut found = Vec::with_capacity(skim.named.len());
    let mut entry = gimli::DebuggingInformationEntry::null();
    for named in &skim.named {
        let Some((leaf, declared_at)) = name_of(unit, named.offset, &mut entry) else { continue };
        if leaf.is_empty() || leaf.len() > MAX_NAME {
            continue;
        }
        let around = skim.enclosing(declared_at);
        let around = match (named.tag, around) {
            (gimli::DW_TAG_enumerator, Some(enumeration)) if !paths.is_scope(enumeration) => {
                skim.enclosing(enumeration)
            }
            (_, around) => around,
        };
        let scope = around.map_or(OUTERMOST, |around| paths.of(around, MAX_STEPS).0);
        let kind = kind_of(named);
        let key = wide_hash(wide_hash(scope, leaf), &[0, kind as u8]);
        found.push(Found { key, scope, leaf, unit: number, offset: named.offset, kind });
    }
    (found, paths.scopes)
}

fn kind_of(named: &NamedEntry) -> NameKind {
    if named.declaration {
        return NameKind::Declaration;
    }
    match named.tag {
        gimli::DW_TAG_subprogram => NameKind::Function,
        gimli::DW_TAG_variable => NameKind::Variable,
        gimli::DW_TAG_union_type => NameKind::Union,
        gimli::DW_TAG_enumeration_type => NameKind::Enum,
        gimli::DW_TAG_typedef => NameKind::Typedef,
        gimli::DW_TAG_base_type | gimli::DW_TAG_unspecified_type => NameKind::Base,
        gimli::DW_TAG_pointer_type => NameKind::Pointer,
        gimli::DW_TAG_enumerator => NameKind::Enumerator,
        gimli::DW_TAG_constant => NameKind::Constant,
        _ => NameKind::Struct,
    }
}

/// An entry's name, and the offset of the entry that has it: its own or the one that it elaborates.
fn name_of(
    unit: &Unit,
    mut offset: u32,
    entry: &mut gimli::DebuggingInformationEntry<R>,
) -> Option<(&'static [u8], u32)> {
    for _ in 0..4 {
        let at = gimli::UnitOffset(offset as usize);
        let mut raw = unit.unit.header.entries_raw(&unit.unit.abbreviations, Some(at)).ok()?;
        if !raw.read_entry(entry).ok()? {
            return None;
        }
        if let Some(name) = entry.attr_value(gimli::DW_AT_name) {
            return Some((unit.dwarf.attr_string(&unit.unit, name).ok()?.slice(), offset));
        }
        let declared =
            entry.attr_value(gimli::DW_AT_specification).or_else(|| entry.attr_value(gimli::DW_AT_abstract_origin))?;
        let gimli::AttributeValue::UnitRef(declared) = declared else { return None };
        offset = u32::try_from(declared.0).ok()?;
    }
    None
}

/// The paths of a unit's scopes, each worked out once.
struct Paths<'u> {
    unit: &'u Unit,
    skim: &'u Skim,
    /// By the entry that is the scope: hash of its path, and index in `scopes`.
    known: HashMap<u32, (u64, usize)>,
    scopes: Vec<(u64, String)>,
}

impl Paths<'_> {
    fn scope(&mut self, path: String) -> u64 {
        let hash = wide_hash(FNV_START, path.as_bytes());
        self.scopes.push((hash, path));
        hash
    }

    /// The path of a scope: its hash, and index in `scopes`. Functions and what has no name add nothing to it.
    fn of(&mut self, scope: u32, steps: usize) -> (u64, usize) {
        if let Some(known) = self.known.get(&scope) {
            return *known;
        }
        let mut entry = gimli::DebuggingInformationEntry::null();
        let name = name_of(self.unit, scope, &mut entry).filter(|_| entry.tag() != gimli::DW_TAG_subprogram);
        let around = self.skim.enclosing(name.map_or(scope, |(_, declared_at)| declared_at));
        let around = around.filter(|around| steps > 0 && *around != scope);
        let (outer, at) = match around {
            Some(around) => self.of(around, steps - 1),
            None => (OUTERMOST, 0),
        };
        let found = match name {
            Some((name, _)) if !name.is_empty() && name.len() <= MAX_NAME => {
                let before = self.scopes.get(at).map_or("", |(_, path)| path);
                let separator = if before.is_empty() { "" } else { "::" };
                let path = format!("{before}{separator}{}", String::from_utf8_lossy(name));
                let hash = self.scope(path);
                (hash, self.scopes.len() - 1)
            }
            _ => (outer, at),
        };
        self.known.insert(scope, found);
        found
    }

    /// Whether an enumeration's enumerators are written with its name before them.
    fn is_scope(&self, enumeration: u32) -> bool {
        let Some(entry) = self.unit.entry(enumeration) else { return false };
        entry.has_attr(gimli::DW_AT_enum_class) || self.unit.language == Language::Rust
    }
}

/// A name with its entries: rank of its scope, and the range of its entries.
struct Name {
    scope: u32,
    leaf: &'static [u8],
    kind: NameKind,
    entries: std::ops::Range<usize>,
}

/// Sorts what was found and writes it down.
fn written(units: Vec<OfUnit>, info: usize, debug_str: &'static [u8], mut whole: bool) -> NameIndex {
    let mut scopes: HashMap<u64, String> = HashMap::new();
    let mut found: Vec<Found> = Vec::with_capacity(units.iter().map(|(found, _)| found.len()).sum());
    for (of_unit, of_scopes) in units {
        found.extend(of_unit);
        for (hash, path) in of_scopes {
            scopes.entry(hash).or_insert(path);
        }
    }
    let mut scopes: Vec<(String, u64)> = scopes.into_iter().map(|(hash, path)| (path, hash)).collect();
    scopes.sort_unstable();
    let ranks: HashMap<u64, u32> =
        scopes.iter().enumerate().map(|(rank, (_, hash))| (*hash, u32::try_from(rank).unwrap_or(u32::MAX))).collect();
    // Most names are in many units. They come together by their hashes, so that few texts are compared.
    found.par_sort_unstable_by_key(|found| (found.key, found.unit, found.offset));
    let mut names: Vec<Name> = Vec::new();
    for (at, entry) in found.iter().enumerate() {
        match names.last_mut() {
            Some(last) if found.get(last.entries.start).is_some_and(|first| first.key == entry.key) => {
                last.entries.end = at + 1;
            }
            _ => names.push(Name {
                scope: ranks.get(&entry.scope).copied().unwrap_or(0),
                leaf: entry.leaf,
                kind: entry.kind,
                entries: at..at + 1,
            }),
        }
    }
    names.par_sort_unstable_by(|a, b| (a.scope, a.leaf, a.kind).cmp(&(b.scope, b.leaf, b.kind)));
    let mut strings: Vec<u8> = Vec::new();
    let mut add = |text: &[u8], strings: &mut Vec<u8>| {
        let text = String::from_utf8_lossy(text);
        if strings.len() + text.len() > MAX_STRINGS {
            whole = false;
            return [0, 0];
        }
        strings.extend_from_slice(text.as_bytes());
        [(strings.len() - text.len()) as u32, text.len() as u32]
    };
    let (mut scope_rows, mut name_rows, mut entry_rows) = (Vec::new(), Vec::new(), Vec::new());
    let mut next = 0;
    for (rank, (path, _)) in scopes.iter().enumerate() {
        let [at, length] = add(path.as_bytes(), &mut strings);
        while names.get(next).is_some_and(|name| (name.scope as usize) < rank) {
            next += 1;
        }
        put(&mut scope_rows, &[at, length, next as u32]);
    }
    let mut hashes = Vec::with_capacity(names.len());
    let mut entry_count = 0u32;
    for (number, name) in names.iter().enumerate() {
        let kind = name.kind.number() << LENGTH_BITS;
        match offset_in(debug_str, name.leaf) {
            Some(at) => put(&mut name_rows, &[at, name.leaf.len() as u32 | kind | IN_DEBUG_STR, entry_count]),
            None => {
                let [at, length] = add(name.leaf, &mut strings);
                put(&mut name_rows, &[at, length | kind, entry_count]);
            }
        }
        hashes.push((hash_of(String::from_utf8_lossy(name.leaf).as_bytes()), number as u32));
        for entry in found.get(name.entries.clone()).unwrap_or_default() {
            put(&mut entry_rows, &[entry.unit, entry.offset]);
            entry_count += 1;
        }
    }
    drop(found);
    hashes.par_sort_unstable();
    let mut payload = scope_rows;
    payload.append(&mut name_rows);
    payload.append(&mut entry_rows);
    for (hash, number) in &hashes {
        put(&mut payload, &[*hash, *number]);
    }
    let string_bytes = strings.len() as u32;
    payload.append(&mut strings);
    let mut bytes = Vec::with_capacity(HEADER + payload.len() / BLOCK * 4 + 4 + payload.len());
    bytes.extend_from_slice(MAGIC);
    for size in [info, debug_str.len()] {
        bytes.extend_from_slice(&(size as u64).to_le_bytes());
    }
    let counts = [scopes.len() as u32, names.len() as u32, entry_count, string_bytes];
    put(&mut bytes, &counts);
    put(&mut bytes, &[u32::from(whole), 0, 0, 0]);
    let sums: Vec<u32> = payload.par_chunks(BLOCK).map(crc32fast::hash).collect();
    let mut sum_bytes = Vec::new();
    put(&mut sum_bytes, &sums);
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(bytes.get(..CHECKED_HEADER).unwrap_or_default());
    hasher.update(&sum_bytes);
    put(&mut bytes, &[hasher.finalize(), 0]);
    bytes.append(&mut sum_bytes);
    let payload_start = bytes.len();
    bytes.append(&mut payload);
    // As mapped files, an index lives until the process ends.
    let bytes: &'static [u8] = Box::leak(bytes.into_boxed_slice());
    NameIndex {
        bytes,
        debug_str,
        scopes: scopes.len() as u32,
        names: names.len() as u32,
        entries: entry_count,
        complete: whole,
        checksums: HEADER..payload_start,
        payload: payload_start,
        checked: None,
        damaged: AtomicBool::new(false),
    }
}

/// Where in the section the text lies, if it is the section's own and needs no repair.
fn offset_in(section: &[u8], text: &[u8]) -> Option<u32> {
    let at = text.as_ptr().addr().checked_sub(section.as_ptr().addr())?;
    let is_within = section.get(at..at.checked_add(text.len())?).is_some_and(|own| std::ptr::eq(own, text));
    (is_within && std::str::from_utf8(text).is_ok()).then(|| u32::try_from(at).ok())?
}

fn put(bytes: &mut Vec<u8>, words: &[u32]) {
    for word in words {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
}
