//! Makes the index of a module's names: a pass over every unit, then sorting.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use gimli::Section;
use rayon::prelude::*;

use super::{
    BLOCK, CHECKED_HEADER, FNV_START, HEADER, IN_DEBUG_STR, LENGTH_BITS, MAGIC, NAME_ROW, NameIndex, NameKind,
    SCOPE_ROW,
};
use super::{hash_of, wide_hash};
use crate::addr::AddressHash;
use crate::interrupt;
use crate::module::skim::{NameAt, NamedEntry, Skim};
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
/// Parts of .debug_str whose names are brought together at once.
const SHARDS: usize = 256;
/// Names whose entries are written at once.
const NAMES_A_PIECE: usize = 1 << 14;
/// Fewer units are passed over before anybody could read of it.
const UNITS_FOR_PROGRESS: usize = 64;

/// An entry as it was found. In the order of its key, entries with one name come together, and names come as .debug_str
/// has them. Linkers keep equal texts there once, so that few names are at several places.
#[derive(Clone, Copy)]
struct Found {
    leaf: Leaf,
    /// Hash of the scope's path.
    scope: u64,
    kind: NameKind,
    unit: u32,
    offset: u32,
}

impl Found {
    fn key(&self) -> (Leaf, u64, NameKind, u32, u32) {
        (self.leaf, self.scope, self.kind, self.unit, self.offset)
    }
}

/// A name's text: in .debug_str, where its end need not be looked for as long as nobody reads it; or elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Leaf {
    InStr(u32),
    /// Number in the unit's own texts.
    Elsewhere(u32),
}

/// A unit's names, those of a shard together; the scopes that they are in; and the texts that are not in .debug_str.
#[derive(Default)]
struct OfUnit {
    found: Vec<Found>,
    /// Where in `found` each shard begins, and the end.
    starts: Vec<u32>,
    scopes: Vec<ScopeName>,
    texts: Vec<&'static [u8]>,
}

/// A scope: the hash of its path, the one around it in the same unit's list (before it), and its own name.
struct ScopeName {
    hash: u64,
    around: u32,
    name: &'static [u8],
}

/// The index of all units; shows how far it is on a terminal. `None` where the request to end comes before.
pub fn build(debug: &DebugInfo) -> Option<NameIndex> {
    let dwarf = debug.dwarf();
    let (info, debug_str) = (dwarf.debug_info.reader().len(), dwarf.debug_str.reader().slice());
    let starts = debug.unit_starts(0);
    let part = part_size(debug_str);
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
            let unit = debug.unit_holding(*starts.get(number)?)?;
            let found = names_of(unit, u32::try_from(number).ok()?, debug_str, part);
            count.fetch_add(found.found.len(), Ordering::Relaxed);
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
fn names_of(unit: &Unit, number: u32, debug_str: &'static [u8], part: u32) -> OfUnit {
    // What the pass finds is not kept: an index is made of every unit, and few are looked into later.
    let skim = Skim::of(unit.dwarf, &unit.unit);
    // A split unit has texts of its own.
    let has_same_texts = std::ptr::eq(unit.dwarf.debug_str.reader().slice(), debug_str);
    let mut paths = Paths { unit, skim: &skim, known: HashMap::default(), scopes: Vec::new() };
    paths.scopes.push(ScopeName { hash: OUTERMOST, around: 0, name: &[] });
    let mut of_unit = OfUnit::default();
    let mut found = Vec::with_capacity(skim.named.len());
    let mut entry = gimli::DebuggingInformationEntry::null();
    // Members of a scope follow each other.
    let mut last = (None, OUTERMOST);
    for named in &skim.named {
        let seen = seen_in(&skim, named).filter(|_| has_same_texts);
        let (leaf, around) = match seen {
            // An empty name is none.
            Some((at, _)) if debug_str.get(at as usize).is_none_or(|byte| *byte == 0) => continue,
            Some((at, around)) => (Leaf::InStr(at), around),
            None => {
                let Some((text, declared_at)) = name_of(unit, named.offset, &mut entry) else { continue };
                if text.is_empty() || text.len() > MAX_NAME {
                    continue;
                }
                let leaf = place_in(debug_str, text).map(Leaf::InStr).unwrap_or_else(|| {
                    of_unit.texts.push(text);
                    Leaf::Elsewhere((of_unit.texts.len() - 1) as u32)
                });
                (leaf, skim.enclosing(declared_at))
            }
        };
        let around = match (named.tag, around) {
            (gimli::DW_TAG_enumerator, Some(enumeration)) if !paths.is_scope(enumeration) => {
                skim.enclosing(enumeration)
            }
            (_, around) => around,
        };
        if last.0 != around {
            last = (around, around.map_or(OUTERMOST, |around| paths.of(around, MAX_STEPS).0));
        }
        let (scope, kind) = (last.1, kind_of(named));
        found.push(Found { leaf, scope, kind, unit: number, offset: named.offset });
    }
    of_unit.scopes = paths.scopes;
    (of_unit.found, of_unit.starts) = by_shard(&found, part);
    of_unit
}

/// Bytes of the parts into which .debug_str is divided.
fn part_size(debug_str: &[u8]) -> u32 {
    (debug_str.len() / SHARDS + 1) as u32
}

/// The entries with those of a shard together, and where each shard begins.
fn by_shard(found: &[Found], part: u32) -> (Vec<Found>, Vec<u32>) {
    let shard_of = |found: &Found| match found.leaf {
        Leaf::InStr(at) => ((at / part.max(1)) as usize).min(SHARDS - 1),
        Leaf::Elsewhere(_) => SHARDS,
    };
    let mut starts = vec![0u32; SHARDS + 2];
    found.iter().for_each(|found| starts[shard_of(found) + 1] += 1);
    for shard in 0..=SHARDS {
        starts[shard + 1] += starts[shard];
    }
    let Some(first) = found.first() else { return (Vec::new(), starts) };
    let mut next = starts.clone();
    let mut ordered = vec![*first; found.len()];
    for found in found {
        let at = &mut next[shard_of(found)];
        ordered[*at as usize] = *found;
        *at += 1;
    }
    (ordered, starts)
}

/// Where in .debug_str an entry's name is, and what encloses the entry that has it, where the pass over the unit saw
/// both.
fn seen_in(skim: &Skim, named: &NamedEntry) -> Option<(u32, Option<u32>)> {
    let mut named = named;
    for _ in 0..4 {
        match named.name {
            NameAt::Str(at) => return Some((at, (named.enclosing != 0).then_some(named.enclosing))),
            NameAt::Of(offset) => {
                let index = skim.named.binary_search_by_key(&offset, |named| named.offset).ok()?;
                named = skim.named.get(index)?;
            }
            NameAt::Elsewhere => return None,
        }
    }
    None
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
    known: HashMap<u32, (u64, usize), AddressHash>,
    scopes: Vec<ScopeName>,
}

impl Paths<'_> {
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
                // The hash of the whole path.
                let before = if outer == OUTERMOST { outer } else { wide_hash(outer, b"::") };
                let hash = wide_hash(before, name);
                self.scopes.push(ScopeName { hash, around: at as u32, name });
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

/// A name with its entries: rank of its scope, its text, and where its entries are.
struct Name {
    scope: u32,
    /// The text's first bytes, so that few texts are looked at when names are sorted.
    beginning: u128,
    leaf: &'static [u8],
    kind: NameKind,
    hash: u32,
    /// The text is well-formed, so that it need not be repeated where .debug_str has it.
    well_formed: bool,
    shard: u32,
    entries: Range<u32>,
    /// Entries of the same name with its text at another place.
    more: Vec<(u32, Range<u32>)>,
}

impl Name {
    /// The shards of its entries, and where in them these are.
    fn ranges(&self) -> impl Iterator<Item = (u32, Range<u32>)> {
        std::iter::once((self.shard, self.entries.clone())).chain(self.more.iter().cloned())
    }
}

/// Names whose texts are in one part of .debug_str, and their entries: units and offsets.
type Shard = (Vec<Name>, Vec<(u32, u32)>);

/// Brings together what the units have in one part of .debug_str: texts are read in the order in which they lie there.
fn shard(units: &[OfUnit], number: usize, ranks: &HashMap<u64, u32, AddressHash>, debug_str: &'static [u8]) -> Shard {
    let own = |unit: &OfUnit| {
        let (Some(start), Some(end)) = (unit.starts.get(number), unit.starts.get(number + 1)) else { return 0..0 };
        *start as usize..*end as usize
    };
    let mut found: Vec<Found> = Vec::with_capacity(units.iter().map(|unit| own(unit).len()).sum());
    let mut texts: HashMap<u32, &[&'static [u8]], AddressHash> = HashMap::default();
    for unit in units {
        let part = unit.found.get(own(unit)).unwrap_or_default();
        if let Some(Found { leaf: Leaf::Elsewhere(_), unit: number, .. }) = part.first() {
            texts.insert(*number, &unit.texts);
        }
        found.extend_from_slice(part);
    }
    found.sort_unstable_by_key(Found::key);
    let mut names: Vec<Name> = Vec::new();
    let mut last: Option<&Found> = None;
    let mut text: Option<(&'static [u8], u32, bool)> = None;
    for (at, entry) in (0u32..).zip(&found) {
        let same_text = last.is_some_and(|before| {
            before.leaf == entry.leaf && (matches!(entry.leaf, Leaf::InStr(_)) || before.unit == entry.unit)
        });
        let same = last.is_some_and(|before| (before.scope, before.kind) == (entry.scope, entry.kind));
        last = Some(entry);
        if let Some(name) = names.last_mut().filter(|_| same && same_text) {
            name.entries.end = at + 1;
            continue;
        }
        if !same_text {
            let leaf = match entry.leaf {
                Leaf::InStr(at) => text_at(debug_str, at),
                Leaf::Elsewhere(number) => texts.get(&entry.unit).and_then(|texts| texts.get(number as usize)).copied(),
            };
            text = leaf.map(|leaf| match std::str::from_utf8(leaf) {
                Ok(_) => (leaf, hash_of(leaf), true),
                Err(_) => (leaf, hash_of(String::from_utf8_lossy(leaf).as_bytes()), false),
            });
        }
        let (leaf, hash, well_formed) = text.unwrap_or((&[], 0, false));
        let mut beginning = [0; 16];
        beginning.iter_mut().zip(leaf).for_each(|(to, from)| *to = *from);
        names.push(Name {
            scope: ranks.get(&entry.scope).copied().unwrap_or(0),
            beginning: u128::from_be_bytes(beginning),
            leaf,
            kind: entry.kind,
            hash,
            well_formed,
            shard: number as u32,
            entries: at..at + 1,
            more: Vec::new(),
        });
    }
    names.retain(|name| !name.leaf.is_empty());
    (names, found.into_iter().map(|found| (found.unit, found.offset)).collect())
}

/// The paths of all scopes by their hashes; each is put together once.
fn paths_of(units: &[OfUnit]) -> HashMap<u64, String, AddressHash> {
    let mut paths: HashMap<u64, String, AddressHash> = HashMap::default();
    for unit in units {
        for scope in &unit.scopes {
            if paths.contains_key(&scope.hash) {
                continue;
            }
            let around = unit.scopes.get(scope.around as usize).and_then(|around| paths.get(&around.hash));
            let name = String::from_utf8_lossy(scope.name);
            let path = match around.filter(|path| !path.is_empty()) {
                Some(around) => format!("{around}::{name}"),
                None => name.into_owned(),
            };
            paths.insert(scope.hash, path);
        }
    }
    paths
}

/// Sorts what was found and writes it down.
fn written(units: Vec<OfUnit>, info: usize, debug_str: &'static [u8], mut whole: bool) -> NameIndex {
    let paths = paths_of(&units);
    let mut scopes: Vec<(String, u64)> = paths.into_iter().map(|(hash, path)| (path, hash)).collect();
    scopes.par_sort_unstable();
    let ranks: HashMap<u64, u32, AddressHash> =
        scopes.iter().enumerate().map(|(rank, (_, hash))| (*hash, u32::try_from(rank).unwrap_or(u32::MAX))).collect();
    let shards: Vec<Shard> =
        (0..=SHARDS).into_par_iter().map(|number| shard(&units, number, &ranks, debug_str)).collect();
    units.into_par_iter().for_each(drop);
    let mut names: Vec<Name> = Vec::with_capacity(shards.iter().map(|(names, _)| names.len()).sum());
    let mut entries = Vec::with_capacity(shards.len());
    for (mut of_shard, its_entries) in shards {
        names.append(&mut of_shard);
        entries.push(its_entries);
    }
    // Small things are quicker moved: names are put into their order at the end.
    let mut order: Vec<(u32, u128, u32)> =
        (0u32..).zip(&names).map(|(number, name)| (name.scope, name.beginning, number)).collect();
    let text_of = |number: u32| names.get(number as usize).map(|name| (name.leaf, name.kind));
    order.par_sort_unstable_by(|a, b| {
        (a.0, a.1).cmp(&(b.0, b.1)).then_with(|| text_of(a.2).cmp(&text_of(b.2))).then(a.2.cmp(&b.2))
    });
    let mut unordered: Vec<Option<Name>> = names.into_iter().map(Some).collect();
    let mut names: Vec<Name> =
        order.iter().filter_map(|(.., number)| unordered.get_mut(*number as usize)?.take()).collect();
    drop(unordered);
    // One text at two places.
    names.dedup_by(|later, earlier| {
        let same = (later.scope, later.kind, later.hash) == (earlier.scope, earlier.kind, earlier.hash)
            && later.leaf == earlier.leaf;
        if same {
            earlier.more.push((later.shard, later.entries.clone()));
            earlier.more.append(&mut later.more);
        }
        same
    });
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
    let mut scope_rows = Vec::with_capacity(scopes.len() * SCOPE_ROW);
    let mut next = 0;
    for (rank, (path, _)) in scopes.iter().enumerate() {
        let [at, length] = add(path.as_bytes(), &mut strings);
        while names.get(next).is_some_and(|name| (name.scope as usize) < rank) {
            next += 1;
        }
        put(&mut scope_rows, &[at, length, next as u32]);
    }
    let mut name_rows = Vec::with_capacity(names.len() * NAME_ROW);
    let mut entry_count = 0u32;
    for name in &names {
        let kind = name.kind.number() << LENGTH_BITS;
        match place_in(debug_str, name.leaf).filter(|_| name.well_formed) {
            Some(at) => put(&mut name_rows, &[at, name.leaf.len() as u32 | kind | IN_DEBUG_STR, entry_count]),
            None => {
                let [at, length] = add(name.leaf, &mut strings);
                put(&mut name_rows, &[at, length | kind, entry_count]);
            }
        }
        entry_count += name.ranges().map(|(_, range)| range.end - range.start).sum::<u32>();
    }
    let mut hashes: Vec<(u32, u32)> = (0u32..).zip(&names).map(|(number, name)| (name.hash, number)).collect();
    let rows_of = |names: &[Name]| {
        let mut rows = Vec::new();
        for name in names {
            let mut own: Vec<(u32, u32)> = Vec::new();
            for (shard, range) in name.ranges() {
                let shard = entries.get(shard as usize).map_or(&[][..], Vec::as_slice);
                let range = shard.get(range.start as usize..range.end as usize).unwrap_or_default();
                if name.more.is_empty() {
                    range.iter().for_each(|(unit, offset)| put(&mut rows, &[*unit, *offset]));
                } else {
                    own.extend(range);
                }
            }
            own.sort_unstable();
            own.iter().for_each(|(unit, offset)| put(&mut rows, &[*unit, *offset]));
        }
        rows
    };
    let entry_rows: Vec<Vec<u8>> = names.par_chunks(NAMES_A_PIECE).map(rows_of).collect();
    hashes.par_sort_unstable();
    let mut payload = scope_rows;
    payload.append(&mut name_rows);
    entry_rows.iter().for_each(|rows| payload.extend_from_slice(rows));
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

/// The text at an offset of .debug_str; none where it has no end or is too long.
fn text_at(debug_str: &'static [u8], at: u32) -> Option<&'static [u8]> {
    let rest = debug_str.get(at as usize..)?;
    let length = memchr::memchr(0, rest.get(..MAX_NAME + 1).unwrap_or(rest))?;
    rest.get(..length)
}

/// Where in the section the text lies, if it is the section's own.
fn place_in(section: &[u8], text: &[u8]) -> Option<u32> {
    let at = text.as_ptr().addr().checked_sub(section.as_ptr().addr())?;
    let is_within = section.get(at..at.checked_add(text.len())?).is_some_and(|own| std::ptr::eq(own, text));
    is_within.then(|| u32::try_from(at).ok())?
}

fn put(bytes: &mut Vec<u8>, words: &[u32]) {
    for word in words {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
}
