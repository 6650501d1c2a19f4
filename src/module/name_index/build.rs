//! Makes the index of a module's names: a pass over every unit. `written` brings together what it finds.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use gimli::Section;
use rayon::prelude::*;

use super::written::written;
use super::{FNV_START, NameIndex, NameKind, wide_hash};
use crate::addr::AddressHash;
use crate::interrupt;
use crate::module::skim::{NameAt, NamedEntry, Skim};
use crate::module::unit::Unit;
use crate::module::units::DebugInfo;
use crate::module::{Language, R};

/// Entries that are indexed; what has more is not a program that somebody wrote.
const MAX_ENTRIES: usize = 24 << 20;
/// Bytes of a name.
pub(super) const MAX_NAME: usize = 1 << 14;
/// Entries between a scope and the outermost one, and from one to what it elaborates.
const MAX_STEPS: usize = 128;
/// Hash of the path that is outside of everything: none.
const OUTERMOST: u64 = FNV_START;
/// Parts of .debug_str whose names are brought together at once.
pub(super) const SHARDS: usize = 256;
/// Fewer units are passed over before anybody could read of it.
const UNITS_FOR_PROGRESS: usize = 64;

/// An entry as it was found, as one number: to sort numbers is quick. In their order, entries with one name come together,
/// and names come as .debug_str has them. Linkers keep equal texts there once, so that few names are at several places.
///
/// ```text
/// bits 96..128  where its text is: in .debug_str, where its end need not be looked for as long as nobody reads it; or
///               among the texts that its unit has elsewhere
///      64..96   its scope: first among those of its unit, then by its rank among all
///      60..64   kind
///      32..60   unit
///       0..32   offset in the unit
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found(u128);

impl Found {
    /// So many units have numbers of their own.
    const MAX_UNITS: u32 = 1 << 28;

    fn new(text: u32, scope: u32, kind: NameKind, unit: u32, offset: u32) -> Found {
        let entry = u64::from(kind.number()) << 60 | u64::from(unit) << 32 | u64::from(offset);
        Found(u128::from(text) << 96 | u128::from(scope) << 64 | u128::from(entry))
    }

    pub(super) fn text(self) -> u32 {
        (self.0 >> 96) as u32
    }

    pub(super) fn scope(self) -> u32 {
        (self.0 >> 64) as u32
    }

    /// The same, in a scope that is known by another number.
    pub(super) fn in_scope(self, scope: u32) -> Found {
        Found(self.0 & !(u128::from(u32::MAX) << 64) | u128::from(scope) << 64)
    }

    pub(super) fn kind(self) -> u32 {
        (self.0 >> 60) as u32 & 0xf
    }

    pub(super) fn unit(self) -> u32 {
        (self.0 >> 32) as u32 & (Found::MAX_UNITS - 1)
    }

    pub(super) fn offset(self) -> u32 {
        self.0 as u32
    }
}

/// A unit's names, those of a shard together; the scopes that they are in; and those whose texts are not in .debug_str.
#[derive(Default)]
pub(super) struct OfUnit {
    pub(super) found: Vec<Found>,
    /// Where in `found` each shard begins, and the end.
    pub(super) starts: Vec<u32>,
    pub(super) scopes: Vec<ScopeName>,
    pub(super) elsewhere: Vec<Found>,
    pub(super) texts: Vec<&'static [u8]>,
}

/// A scope: the hash of its path, the one around it in the same unit's list (before it), and its own name.
pub(super) struct ScopeName {
    pub(super) hash: u64,
    pub(super) around: u32,
    pub(super) name: &'static [u8],
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
            let Some(number) = u32::try_from(number).ok().filter(|number| *number < Found::MAX_UNITS) else {
                whole.store(false, Ordering::Relaxed);
                return None;
            };
            let found = names_of(unit, number, debug_str, part);
            count.fetch_add(found.found.len() + found.elsewhere.len(), Ordering::Relaxed);
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
    let mut last = (None, 0);
    for named in &skim.named {
        let seen = seen_in(&skim, named).filter(|_| has_same_texts);
        let (text, around) = match seen {
            // An empty name is none.
            Some((at, _)) if debug_str.get(at as usize).is_none_or(|byte| *byte == 0) => continue,
            Some((at, around)) => (Ok(at), around),
            None => {
                let Some((text, declared_at)) = name_of(unit, named.offset, &mut entry) else { continue };
                if text.is_empty() || text.len() > MAX_NAME {
                    continue;
                }
                (place_in(debug_str, text).ok_or(text), skim.enclosing(declared_at))
            }
        };
        let around = match (named.tag, around) {
            (gimli::DW_TAG_enumerator, Some(enumeration)) if !paths.is_scope(enumeration) => {
                skim.enclosing(enumeration)
            }
            (_, around) => around,
        };
        if last.0 != around {
            last = (around, around.map_or(0, |around| paths.of(around, MAX_STEPS).1 as u32));
        }
        let (scope, kind) = (last.1, kind_of(named));
        match text {
            Ok(at) => found.push(Found::new(at, scope, kind, number, named.offset)),
            Err(text) => {
                let at = of_unit.texts.len() as u32;
                of_unit.texts.push(text);
                of_unit.elsewhere.push(Found::new(at, scope, kind, number, named.offset));
            }
        }
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
    let shard_of = |found: &Found| ((found.text() / part.max(1)) as usize).min(SHARDS - 1);
    let mut starts = vec![0u32; SHARDS + 1];
    found.iter().for_each(|found| starts[shard_of(found) + 1] += 1);
    for shard in 0..SHARDS {
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

/// The text at an offset of .debug_str; none where it has no end or is too long.
pub(super) fn text_at(debug_str: &'static [u8], at: u32) -> Option<&'static [u8]> {
    let rest = debug_str.get(at as usize..)?;
    let length = memchr::memchr(0, rest.get(..MAX_NAME + 1).unwrap_or(rest))?;
    rest.get(..length)
}

/// Where in the section the text lies, if it is the section's own.
pub(super) fn place_in(section: &[u8], text: &[u8]) -> Option<u32> {
    let at = text.as_ptr().addr().checked_sub(section.as_ptr().addr())?;
    let is_within = section.get(at..at.checked_add(text.len())?).is_some_and(|own| std::ptr::eq(own, text));
    is_within.then(|| u32::try_from(at).ok())?
}
