//! Finding an entry by its name without an index.
//!
//! Compilers put each name once into .debug_str and refer to it by offset. So: find the name's offsets in the string
//! section, then those offsets' bytes in .debug_info, and look only at the units in which they occur. Both searches
//! run at memory speed, on all cores; a full pass over every unit is made only where a name is so common that this
//! does not narrow anything.

use std::sync::atomic::Ordering;

use gimli::Section;
use memchr::memmem;
use rayon::prelude::*;

use super::DieRef;
use super::name_index::{self, IndexedEntry, NameIndex, hash_of};
use super::skim::{NamedEntry, Skim};
use super::unit::Unit;

use super::units::{DebugInfo, OWN};
use crate::addr::FileAddr;
use crate::interrupt;
use crate::parallel;

/// Offsets of a name in the string section up to which each is searched for by itself.
const FEW_STRING_OFFSETS: usize = 12;
/// Offsets of a name in the string section beyond which all units are passed over instead.
const MAX_STRING_OFFSETS: usize = 200_000;
/// Bytes of .debug_info that one task searches.
const SEARCH_CHUNK: usize = 4 << 20;
/// Units that are passed over before it is asked whether enough was found.
const UNITS_AT_ONCE: usize = 16;
/// Searches of a module after which an index of all its names pays.
const SEARCHES_BEFORE_INDEX: usize = 24;
/// As how many a search for a name counts that is the end of many others.
const COSTLY_SEARCH: usize = 10;
/// What the index of all names is called in the cache.
const KEPT_NAMES: &str = "names";
/// Larger indexes are made anew in every session.
const LARGEST_KEPT: usize = 512 << 20;
/// From an entry to the one that has its name, itself among them; as many as the index of names follows.
const MAX_ORIGINS: usize = 4;
/// Entries of one name that are looked at.
const MAX_FOUND: usize = 4096;

impl DebugInfo {
    /// Entries outside of functions whose DW_AT_name is `name` (unqualified), that `wanted` picks and `accepted`
    /// takes, in order; no more are looked for when there are `enough`.
    pub fn entries_named(
        &self,
        name: &str,
        wanted: impl Fn(&NamedEntry) -> bool + Sync,
        accepted: impl Fn(DieRef) -> bool + Sync,
        enough: usize,
    ) -> Vec<DieRef> {
        let mut found = Vec::new();
        if name.is_empty() || name.contains('\0') {
            return found;
        }
        for headers in self.units_mentioning(name).chunks(UNITS_AT_ONCE) {
            if interrupt::requested() {
                break;
            }
            let in_units = parallel::map(headers, |offset| {
                let mut entries = self.unit_holding(*offset).map(|unit| entries_in(unit, name, &wanted))?;
                entries.retain(|die| accepted(*die));
                Some(entries)
            });
            found.extend(in_units.into_iter().flatten().flatten());
            if found.len() >= enough.min(MAX_FOUND) {
                break;
            }
        }
        found
    }

    /// The variable outside of functions whose location is just that address (DW_OP_addr). Compilers that put data into
    /// .debug_aranges (LLVM does) say which unit has it; else all units are searched.
    pub fn variable_at(&self, address: FileAddr) -> Option<DieRef> {
        let location = [&[gimli::constants::DW_OP_addr.0][..], &address.0.to_le_bytes()].concat();
        let is_meant = |entry: &gimli::DebuggingInformationEntry<super::R>| {
            let found = entry.attr_value(gimli::DW_AT_location);
            entry.tag() == gimli::DW_TAG_variable
                && matches!(found, Some(gimli::AttributeValue::Exprloc(found)) if found.0.slice() == location)
        };
        let info = self.dwarf().debug_info.reader().slice();
        let listed = self.units_listing(address).into_iter().find_map(|(start, unit)| {
            let end = start.saturating_add(unit.unit.header.length_including_self());
            let hits = search(info.get(start..end.min(info.len()))?, &location);
            hits.into_iter().take(MAX_FOUND).find_map(|hit| named_entry(unit, hit, is_meant))
        });
        listed.or_else(|| self.entry_with(&location, is_meant))
    }

    /// The type whose description Go's runtime has at that offset from its first one (DW_AT_go_runtime_type, of form
    /// DW_FORM_addr all the same; go `cmd/internal/dwarf/dwarf.go`, Go 1.18 to 1.27).
    pub fn go_type_at(&self, offset: u64) -> Option<DieRef> {
        const GO_RUNTIME_TYPE: gimli::DwAt = gimli::DwAt(0x2904);
        self.entry_with(&offset.to_le_bytes(), |entry| {
            matches!(entry.attr_value(GO_RUNTIME_TYPE), Some(gimli::AttributeValue::Addr(found)) if found == offset)
        })
    }

    /// The named entry outside of functions that holds the bytes and is the one that is meant.
    fn entry_with(
        &self,
        bytes: &[u8],
        is_meant: impl Fn(&gimli::DebuggingInformationEntry<super::R>) -> bool,
    ) -> Option<DieRef> {
        let starts = self.unit_starts(0);
        search(self.dwarf().debug_info.reader().slice(), bytes).into_iter().take(MAX_FOUND).find_map(|hit| {
            let index = starts.partition_point(|start| *start <= hit).checked_sub(1)?;
            let start = *starts.get(index)?;
            named_entry(self.unit_holding(start)?, hit - start, &is_meant)
        })
    }

    /// All names. Made at the first call, unless an earlier run left them: this reads every unit. None, and nothing is
    /// kept, where the request to end comes before they are all read.
    pub fn names(&self) -> &NameIndex {
        if let Some(index) = self.names_at_hand() {
            return index;
        }
        // What was not finished is no index; whoever asked sees the request to end too.
        let Some(index) = name_index::build(self) else { return &name_index::NO_NAMES };
        self.own_names.get_or_init(|| {
            // What is in other files may be found or changed the next time.
            let is_split = |unit: &&Unit| unit.skeleton.is_some() || unit.missing_split.is_some();
            if self.file().elf.debugaltlink().is_none() && !self.all_units().iter().any(is_split) {
                let place = self.file().elf.kept(KEPT_NAMES).filter(|_| index.as_bytes().len() <= LARGEST_KEPT);
                if let Some(place) = place {
                    place.store_aside(index.as_bytes());
                }
            }
            index
        })
    }

    /// All names, where they are there already: found by this run or left by an earlier one.
    pub fn names_at_hand(&self) -> Option<&NameIndex> {
        if let Some(index) = self.own_names.get() {
            return Some(index);
        }
        let load = || {
            let bytes = self.file().elf.kept(KEPT_NAMES)?.load()?;
            let dwarf = self.dwarf();
            NameIndex::open(bytes, dwarf.debug_info.reader().len(), dwarf.debug_str.reader().slice())
        };
        self.kept_names.get_or_init(load).as_ref().filter(|index| !index.is_damaged())
    }

    /// The entry that the index of names means, where it is there and has that name.
    pub fn indexed(&self, found: IndexedEntry, leaf: &str) -> Option<DieRef> {
        let (unit, offset) = self.unit_around(OWN, found.at)?;
        let entry = unit.entry(offset)?;
        is_named(unit, &entry, leaf).then(|| unit.die(entry.offset()))
    }

    /// Units that have that name themselves: a package of Go's.
    pub fn units_of_name(&self, name: &str) -> Vec<&Unit> {
        // An index of names has none of units; a Go program has a unit a package.
        let is_named = |unit: &&Unit| unit.unit.name.as_ref().is_some_and(|own| own.slice() == name.as_bytes());
        self.all_units().into_iter().filter(is_named).collect()
    }

    /// Offsets of the headers of the units that may have an entry of that name, ascending.
    fn units_mentioning(&self, name: &str) -> Vec<usize> {
        let dwarf = self.dwarf();
        let starts = self.unit_starts(0);
        if let Some(index) = self.names_at_hand().filter(|index| index.is_complete())
            && let Some(numbers) = index.with_leaf(name)
        {
            let entries = numbers.into_iter().flat_map(|number| index.entries_of(number));
            let unit_of = |entry: IndexedEntry| {
                let next = starts.partition_point(|start| *start <= entry.at);
                starts.get(next.checked_sub(1)?).copied()
            };
            let mut units: Vec<usize> = entries.filter_map(unit_of).collect();
            units.sort_unstable();
            units.dedup();
            if !index.is_damaged() {
                return units;
            }
        }
        if self.name_index.get().is_some() || self.name_searches.load(Ordering::Relaxed) >= SEARCHES_BEFORE_INDEX {
            let index = match self.name_index.get() {
                Some(index) => index,
                None => {
                    let index = self.index_names(&starts);
                    if interrupt::requested() {
                        return Vec::new();
                    }
                    self.name_index.get_or_init(|| index)
                }
            };
            let hash = hash_of(name.as_bytes());
            let first = index.partition_point(|(known, _)| *known < hash);
            let units = index[first..].iter().take_while(|(known, _)| *known == hash);
            return units.filter_map(|(_, unit)| starts.get(*unit as usize).copied()).collect();
        }
        if dwarf.sup().is_some() || !dwarf.debug_str_offsets.reader().is_empty() || self.has_split_units() {
            return starts.to_vec();
        }
        let info = dwarf.debug_info.reader().slice();
        let needle = [name.as_bytes(), b"\0"].concat();
        // Tail merging lets a name begin inside a longer string, so what stands before does not matter.
        let offsets: Vec<u32> = memmem::find_iter(dwarf.debug_str.reader().slice(), &needle)
            .take(MAX_STRING_OFFSETS + 1)
            .filter_map(|offset| u32::try_from(offset).ok())
            .collect();
        if offsets.len() > MAX_STRING_OFFSETS {
            return starts.to_vec();
        }
        // Short names stand in .debug_info itself (DW_FORM_string).
        let mut hits = search(info, &needle);
        let few = offsets.len() <= FEW_STRING_OFFSETS;
        self.name_searches.fetch_add(if few { 1 } else { COSTLY_SEARCH }, Ordering::Relaxed);
        if few {
            hits.extend(offsets.iter().flat_map(|offset| search(info, &offset.to_le_bytes())));
        } else {
            hits.extend(search_any(info, &offsets));
        }
        for hit in &mut hits {
            *hit = starts.partition_point(|start| start <= hit);
        }
        hits.sort_unstable();
        hits.dedup();
        hits.iter().filter_map(|index| starts.get(index.checked_sub(1)?).copied()).collect()
    }

    /// Of every name outside of functions its hash and the number of a unit that has it, ascending.
    fn index_names(&self, starts: &[usize]) -> Vec<(u32, u32)> {
        let of_units = parallel::map(starts, |start| {
            let start = Some(start).filter(|_| !interrupt::requested());
            let unit = start.and_then(|start| self.unit_holding(*start));
            let mut hashes: Vec<u32> = unit.map(names_in).unwrap_or_default();
            hashes.sort_unstable();
            hashes.dedup();
            hashes
        });
        let numbered = (0..).zip(of_units);
        let mut index: Vec<(u32, u32)> =
            numbered.flat_map(|(number, hashes)| hashes.into_iter().map(move |hash| (hash, number))).collect();
        index.par_sort_unstable();
        index
    }

    fn has_split_units(&self) -> bool {
        let dwarf = self.dwarf();
        let Ok(Some(header)) = dwarf.units().next() else { return false };
        dwarf.unit(header).is_ok_and(|unit| unit.dwo_id.is_some())
    }
}

/// The named entry around the byte of a unit, where it is the one that is meant.
fn named_entry(
    unit: &Unit,
    byte: usize,
    is_meant: impl Fn(&gimli::DebuggingInformationEntry<super::R>) -> bool,
) -> Option<DieRef> {
    let byte = u32::try_from(byte).ok()?;
    let named = &unit.skim().named;
    let nearest = named.get(named.partition_point(|entry| entry.offset <= byte).checked_sub(1)?)?;
    unit.entry(nearest.offset).filter(|entry| is_meant(entry))?;
    Some(DieRef { module: unit.module, unit: unit.id, offset: nearest.offset })
}

/// Where a pattern occurs.
fn search(info: &[u8], pattern: &[u8]) -> Vec<usize> {
    let finder = memmem::Finder::new(pattern);
    in_chunks(info, pattern.len(), |chunk| finder.find_iter(chunk).collect())
}

/// Where any of the offsets (ascending) occurs, in four bytes.
fn search_any(info: &[u8], offsets: &[u32]) -> Vec<usize> {
    // A bit for each value of the lower 16 bits rules out nearly every position.
    let mut low_bits = vec![0u64; 1 << 10];
    for offset in offsets {
        low_bits[(offset & 0xffff) as usize / 64] |= 1 << (offset % 64);
    }
    in_chunks(info, 4, |chunk| {
        let mut hits = Vec::new();
        for (at, window) in chunk.windows(4).enumerate() {
            let value = u32::from_le_bytes([window[0], window[1], window[2], window[3]]);
            if low_bits[(value & 0xffff) as usize / 64] >> (value % 64) & 1 != 0
                && offsets.binary_search(&value).is_ok()
            {
                hits.push(at);
            }
        }
        hits
    })
}

/// Searches chunks that overlap by a pattern's length, in parallel.
fn in_chunks(info: &[u8], overlap: usize, search: impl Fn(&[u8]) -> Vec<usize> + Sync) -> Vec<usize> {
    let chunks = info.len().div_ceil(SEARCH_CHUNK);
    let found = parallel::numbers(chunks, |chunk| {
        if interrupt::requested() {
            return Vec::new();
        }
        let start = chunk * SEARCH_CHUNK;
        let end = (start + SEARCH_CHUNK + overlap - 1).min(info.len());
        let mut found = search(&info[start..end]);
        found.iter_mut().for_each(|at| *at += start);
        found
    });
    found.into_iter().flatten().collect()
}

fn entries_in(unit: &Unit, name: &str, wanted: &impl Fn(&NamedEntry) -> bool) -> Vec<DieRef> {
    let mut found = Vec::new();
    for named in unit.skim().named.iter().filter(|named| wanted(named)) {
        let Some(entry) = unit.entry(named.offset) else { continue };
        if is_named(unit, &entry, name) {
            found.push(unit.die(entry.offset()));
        }
    }
    found
}

/// Whether that is the entry's name.
fn is_named(unit: &Unit, entry: &gimli::DebuggingInformationEntry<super::R>, name: &str) -> bool {
    name_in(unit, entry).is_some_and(|found| found == name.as_bytes())
}

/// An entry's name, which may stand only where it was declared: a static member's definition has its name there; what is
/// compiled of an inline method leads to the abstract one, and that to the class.
fn name_in(unit: &Unit, entry: &gimli::DebuggingInformationEntry<super::R>) -> Option<&'static [u8]> {
    let mut origin: Option<gimli::DebuggingInformationEntry<super::R>> = None;
    for _ in 0..MAX_ORIGINS {
        let entry = origin.as_ref().unwrap_or(entry);
        if let Some(name) = entry.attr_value(gimli::DW_AT_name) {
            return Some(unit.dwarf.attr_string(&unit.unit, name).ok()?.slice());
        }
        let declared =
            entry.attr_value(gimli::DW_AT_specification).or_else(|| entry.attr_value(gimli::DW_AT_abstract_origin))?;
        let gimli::AttributeValue::UnitRef(offset) = declared else { return None };
        origin = Some(unit.entry(u32::try_from(offset.0).ok()?)?);
    }
    None
}

/// Hashes of all names of the unit's entries outside of functions.
fn names_in(unit: &Unit) -> Vec<u32> {
    // What the pass finds is not kept: an index is made of every unit, and few are looked into later.
    let skim = Skim::of(unit.dwarf, &unit.unit);
    let hash = |offset: u32| Some(hash_of(name_in(unit, &unit.entry(offset)?)?));
    skim.named.iter().filter_map(|named| hash(named.offset)).collect()
}

/// Splits `a::b<c::d>::e` into `["a", "b<c::d>", "e"]`.
pub fn components(name: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut depth = 0i32;
    let mut start = 0;
    let bytes = name.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'<' | b'(' | b'[' | b'{' => depth += 1,
            b'>' if at > 0 && bytes[at - 1] == b'-' => {}
            b'>' | b')' | b']' | b'}' => depth -= 1,
            b':' if depth == 0 && bytes.get(at + 1) == Some(&b':') => {
                parts.push(&name[start..at]);
                at += 2;
                start = at;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    parts.push(&name[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::components;

    #[test]
    fn components_keep_template_arguments_together() {
        assert_eq!(components("a::b<c::d>::e"), ["a", "b<c::d>", "e"]);
        assert_eq!(components("node"), ["node"]);
        assert_eq!(components("(anonymous namespace)::x"), ["(anonymous namespace)", "x"]);
    }
}
