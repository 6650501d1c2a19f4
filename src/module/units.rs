//! A module's units: opened one by one, found by code address or by offset.
//!
//! Which unit a code address belongs to comes from .debug_aranges, and only for units that are not in it from their
//! root DIEs. Nothing here walks all of .debug_info unless a reference across units or a missing .debug_aranges
//! makes it necessary.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, RwLock};

use gimli::{AttributeValue, DebugInfoOffset, Section};
use rayon::prelude::*;

use super::dwarf_file::DwarfFile;
use super::name_index::NameIndex;
use super::skim::die_ranges;
use super::unit::Unit;
use super::{DieRef, ModuleId, R, UnitId};
use crate::addr::FileAddr;
use crate::append::AppendVec;
use crate::parallel;

/// Section sets of a module: its own, the dwz file's, and then one a dwo file.
pub(super) const OWN: u32 = 0;
const SUPPLEMENTARY: u32 = 1;

/// Above this size, .debug_aranges is searched on all cores.
const LARGE_ARANGES: usize = 256 << 10;
/// How often .debug_aranges is searched for all addresses of a stack before it is worth sorting.
const SEARCHES_BEFORE_SORTING: usize = 4;

/// Where a unit's header is: section set, in .debug_types, offset.
type UnitKey = (u32, bool, usize);

#[derive(Clone, Copy)]
struct UnitRange {
    low: u64,
    high: u64,
    /// Of the unit in the module's own .debug_info.
    offset: usize,
}

/// Sorted ranges with, for each, the highest end so far.
struct RangeIndex {
    ranges: Vec<UnitRange>,
    reach: Vec<u64>,
}

/// The debug information of one module.
pub struct DebugInfo {
    module: ModuleId,
    file: Arc<DwarfFile>,
    dwarfs: AppendVec<&'static gimli::Dwarf<R>>,
    units: AppendVec<Unit>,
    by_key: RwLock<HashMap<UnitKey, UnitId>>,
    by_address: RwLock<HashMap<u64, Option<UnitId>>>,
    searches: AtomicUsize,
    aranges: OnceLock<RangeIndex>,
    without_aranges: OnceLock<RangeIndex>,
    starts: RwLock<HashMap<u32, Arc<Vec<usize>>>>,
    signatures: RwLock<HashMap<u32, Arc<HashMap<u64, UnitKey>>>>,
    /// Names that were looked for so far.
    pub(super) name_searches: AtomicUsize,
    /// Made when many were: hashes of names, and numbers of the units that have them.
    pub(super) name_index: OnceLock<Vec<(u32, u32)>>,
    /// All names, as an earlier run left them.
    pub(super) kept_names: OnceLock<Option<NameIndex>>,
    /// All names, as this run found them.
    pub(super) own_names: OnceLock<NameIndex>,
}

impl DebugInfo {
    /// Over the sections of `file`. Nothing is read yet.
    pub fn new(module: ModuleId, file: Arc<DwarfFile>) -> DebugInfo {
        let dwarfs = AppendVec::default();
        dwarfs.push(file.dwarf);
        // The second place is the dwz file's, or a copy that no reference leads to.
        dwarfs.push(file.dwarf.sup().unwrap_or(file.dwarf));
        DebugInfo {
            module,
            file,
            dwarfs,
            units: AppendVec::default(),
            by_key: RwLock::default(),
            by_address: RwLock::default(),
            searches: AtomicUsize::new(0),
            aranges: OnceLock::new(),
            without_aranges: OnceLock::new(),
            starts: RwLock::default(),
            signatures: RwLock::default(),
            name_searches: AtomicUsize::new(0),
            name_index: OnceLock::new(),
            kept_names: OnceLock::new(),
            own_names: OnceLock::new(),
        }
    }

    /// The module's own sections.
    pub fn dwarf(&self) -> &'static gimli::Dwarf<R> {
        self.file.dwarf
    }

    /// The file that the DWARF is in, with what completes it.
    pub(super) fn file(&self) -> &DwarfFile {
        &self.file
    }

    /// An opened unit by its number.
    pub fn unit(&self, id: UnitId) -> Option<&Unit> {
        self.units.get(id.0)
    }

    /// The unit whose code the address is.
    pub fn unit_at(&self, address: FileAddr) -> Option<&Unit> {
        if let Some(known) = self.by_address.read().expect("not poisoned").get(&address.0) {
            return self.unit((*known)?);
        }
        self.prefetch(&[address]);
        let known = self.by_address.read().expect("not poisoned").get(&address.0).copied();
        self.unit(known.flatten()?)
    }

    /// Finds the units of many addresses at once and passes over them in parallel.
    pub fn prefetch(&self, addresses: &[FileAddr]) {
        let mut wanted: Vec<u64> = {
            let known = self.by_address.read().expect("not poisoned");
            addresses.iter().map(|address| address.0).filter(|address| !known.contains_key(address)).collect()
        };
        wanted.sort_unstable();
        wanted.dedup();
        if wanted.is_empty() {
            return;
        }
        let mut candidates: Vec<Vec<usize>> = vec![Vec::new(); wanted.len()];
        self.search_aranges(&wanted, &mut candidates);
        if candidates.iter().any(Vec::is_empty) {
            let index = self.without_aranges.get_or_init(|| self.index_roots());
            for (address, candidates) in wanted.iter().zip(&mut candidates) {
                if candidates.is_empty() {
                    index.find(*address, candidates);
                }
            }
        }
        let mut offsets: Vec<usize> = candidates.iter().flatten().copied().collect();
        offsets.sort_unstable();
        offsets.dedup();
        let units: Vec<&Unit> = offsets.iter().filter_map(|offset| self.unit_with_header_at(OWN, *offset)).collect();
        let size: usize = units.iter().map(|unit| unit.unit.header.unit_length()).sum();
        if size > 1 << 18 {
            // What will be asked of each unit next: its functions and its line table.
            units.par_iter().for_each(|unit| {
                let own = |offsets: &&Vec<usize>| offsets.iter().any(|offset| unit.starts_at(*offset));
                let address = candidates.iter().position(|offsets| own(&offsets)).map(|index| FileAddr(wanted[index]));
                rayon::join(|| unit.skim(), || address.map(|address| unit.position(address)));
            });
        }
        let mut known = self.by_address.write().expect("not poisoned");
        for (address, candidates) in wanted.iter().zip(&candidates) {
            let units = candidates.iter().filter_map(|offset| self.unit_with_header_at(OWN, *offset));
            let mut first = None;
            let mut with_function = None;
            for unit in units {
                first = first.or(Some(unit.id));
                if with_function.is_none() && unit.skim().function_at(*address).is_some() {
                    with_function = Some(unit.id);
                }
            }
            known.insert(*address, with_function.or(first));
        }
    }

    /// Units, and where they start, that .debug_aranges says have the address: code or data.
    pub(super) fn units_listing(&self, address: FileAddr) -> Vec<(usize, &Unit)> {
        let mut candidates = [Vec::new()];
        self.search_aranges(&[address.0], &mut candidates);
        let [starts] = candidates;
        starts.into_iter().filter_map(|start| Some((start, self.unit_with_header_at(OWN, start)?))).collect()
    }

    fn search_aranges(&self, wanted: &[u64], candidates: &mut [Vec<usize>]) {
        let (Some(lowest), Some(highest)) = (wanted.first(), wanted.last()) else { return };
        let section = self.file.dwarf.debug_aranges.reader().slice();
        let sorted =
            self.aranges.get().is_some() || self.searches.fetch_add(1, Ordering::Relaxed) >= SEARCHES_BEFORE_SORTING;
        if sorted {
            let index = self.aranges.get_or_init(|| {
                RangeIndex::new(self.arange_headers().iter().flat_map(|header| aranges(section, header)).collect())
            });
            for (address, candidates) in wanted.iter().zip(candidates) {
                index.find(*address, candidates);
            }
            return;
        }
        let nearby = Nearby::new(wanted, *lowest, *highest);
        let holds = |range: &UnitRange| {
            if range.high <= *lowest || range.low > *highest || !nearby.may_hold(range.low, range.high) {
                return false;
            }
            let from = wanted.partition_point(|address| *address < range.low);
            wanted.get(from).is_some_and(|address| *address < range.high)
        };
        let holding_in = |header: &gimli::ArangeHeader<R>| aranges(section, header).filter(holds).collect::<Vec<_>>();
        let headers = self.arange_headers();
        let holding: Vec<Vec<UnitRange>> = match section.len() > LARGE_ARANGES {
            true => parallel::map(&headers, holding_in),
            false => headers.iter().map(holding_in).collect(),
        };
        for range in holding.into_iter().flatten() {
            let from = wanted.partition_point(|address| *address < range.low);
            for (address, candidates) in wanted[from..].iter().zip(&mut candidates[from..]) {
                if *address >= range.high {
                    break;
                }
                if !candidates.contains(&range.offset) {
                    candidates.push(range.offset);
                }
            }
        }
    }

    fn arange_headers(&self) -> Vec<gimli::ArangeHeader<R>> {
        let mut found = Vec::new();
        let mut headers = self.file.dwarf.debug_aranges.headers();
        while let Ok(Some(header)) = headers.next() {
            found.push(header);
        }
        found
    }

    /// Ranges, by their root DIEs, of the units that .debug_aranges does not mention.
    fn index_roots(&self) -> RangeIndex {
        let headers = self.arange_headers();
        let mentioned: HashSet<usize> = headers.iter().map(|header| header.debug_info_offset().0).collect();
        let mut ranges = Vec::new();
        for offset in self.unit_starts(OWN).iter().filter(|offset| !mentioned.contains(offset)) {
            let dwarf = self.file.dwarf;
            let Ok(header) = dwarf.debug_info.header_from_offset(DebugInfoOffset(*offset)) else { continue };
            if matches!(header.type_(), gimli::UnitType::Type { .. } | gimli::UnitType::Partial) {
                continue;
            }
            let Ok(unit) = dwarf.unit(header) else { continue };
            let mut root = gimli::DebuggingInformationEntry::null();
            let Ok(mut raw) = unit.entries_raw(None) else { continue };
            if !raw.read_entry(&mut root).unwrap_or(false) {
                continue;
            }
            let before = ranges.len();
            for (low, high) in die_ranges(dwarf, &unit, &root) {
                ranges.push(UnitRange { low, high, offset: *offset });
            }
            if ranges.len() == before
                && unit.line_program.is_some()
                && let Some(unit) = self.unit_with_header_at(OWN, *offset)
            {
                // Old assemblers and hand-made DWARF: no ranges at the root; the functions have them.
                let functions = unit.skim().functions();
                ranges.extend(functions.iter().map(|function| UnitRange {
                    low: function.low,
                    high: function.high,
                    offset: *offset,
                }));
            }
        }
        RangeIndex::new(ranges)
    }

    /// Offsets of all unit headers in a section set's .debug_info, ascending. Walks the headers at the first call.
    pub fn unit_starts(&self, dwarf_index: u32) -> Arc<Vec<usize>> {
        if let Some(starts) = self.starts.read().expect("not poisoned").get(&dwarf_index) {
            return starts.clone();
        }
        let mut starts = Vec::new();
        if let Some(dwarf) = self.dwarfs.get(dwarf_index) {
            let mut headers = dwarf.units();
            while let Ok(Some(header)) = headers.next() {
                if let Some(offset) = header.debug_info_offset() {
                    starts.push(offset.0);
                }
            }
        }
        if let Some(dwarf) = self.dwarfs.get(dwarf_index) {
            // One page a unit was touched, and the system maps many around each.
            crate::mapped::release(dwarf.debug_info.reader().slice());
        }
        let starts = Arc::new(starts);
        self.starts.write().expect("not poisoned").insert(dwarf_index, starts.clone());
        starts
    }

    /// Every unit of the module's own .debug_info, opened.
    pub fn all_units(&self) -> Vec<&Unit> {
        let starts = self.unit_starts(OWN);
        starts.iter().filter_map(|offset| self.unit_with_header_at(OWN, *offset)).collect()
    }

    /// The unit that an offset into the module's own .debug_info falls in.
    pub fn unit_holding(&self, offset: usize) -> Option<&Unit> {
        self.unit_around(OWN, offset).map(|(unit, _)| unit)
    }

    pub(super) fn unit_around(&self, dwarf_index: u32, offset: usize) -> Option<(&Unit, u32)> {
        let starts = self.unit_starts(dwarf_index);
        let index = starts.partition_point(|start| *start <= offset).checked_sub(1)?;
        let unit = self.unit_with_header_at(dwarf_index, starts[index])?;
        Some((unit, u32::try_from(offset - starts[index]).ok()?))
    }

    fn unit_with_header_at(&self, dwarf_index: u32, offset: usize) -> Option<&Unit> {
        self.open((dwarf_index, false, offset))
    }

    fn open(&self, key: UnitKey) -> Option<&Unit> {
        if let Some(id) = self.by_key.read().expect("not poisoned").get(&key) {
            return self.unit(*id);
        }
        let (dwarf_index, types, offset) = key;
        let dwarf: &'static gimli::Dwarf<R> = self.dwarfs.get(dwarf_index)?;
        let header = if types {
            let mut headers = dwarf.debug_types.units();
            loop {
                let header = headers.next().ok()??;
                if header.debug_types_offset().is_some_and(|at| at.0 == offset) {
                    break header;
                }
            }
        } else {
            dwarf.debug_info.header_from_offset(DebugInfoOffset(offset)).ok()?
        };
        let unit = dwarf.unit(header).ok()?;
        let mut opened = Unit::new(self.module, UnitId(0), dwarf, dwarf_index, unit);
        self.join_split(&mut opened);
        let mut by_key = self.by_key.write().expect("not poisoned");
        if let Some(id) = by_key.get(&key) {
            return self.unit(*id);
        }
        opened.id = UnitId(self.units.len());
        let id = UnitId(self.units.push(opened));
        by_key.insert(key, id);
        self.unit(id)
    }

    /// A skeleton unit is replaced by the split unit that it stands for, where that can be found.
    fn join_split(&self, opened: &mut Unit) {
        let Some(dwo_id) = opened.unit.dwo_id else { return };
        if opened.dwarf_index != OWN {
            return;
        }
        let name = opened.unit.dwo_name().ok().flatten().and_then(|name| opened.string(name));
        let Some(name) = name else { return };
        let directory = opened.directory();
        let Some(split) = self.file.split_unit(&name, directory.as_deref().unwrap_or(""), dwo_id) else {
            opened.missing_split = Some(name);
            return;
        };
        let mut headers = split.units();
        while let Ok(Some(header)) = headers.next() {
            let Ok(mut unit) = split.unit(header) else { continue };
            if unit.dwo_id != Some(dwo_id) && !(unit.dwo_id.is_none() && header.version() < 5) {
                continue;
            }
            unit.copy_relocated_attributes(&opened.unit);
            opened.become_split(split, self.dwarfs.push(split), unit);
            return;
        }
        opened.missing_split = Some(name);
    }

    /// The DIE that a reference names.
    pub fn reference(&self, unit: &Unit, value: AttributeValue<R>) -> Option<DieRef> {
        match value {
            AttributeValue::UnitRef(offset) => offset.is_in_bounds(&unit.unit.header).then(|| unit.die(offset)),
            AttributeValue::DebugInfoRef(offset) => {
                // In a package (.dwp) a unit's offsets are relative to its own contribution, as are its sections.
                let (target, offset) = self.unit_around(unit.dwarf_index, offset.0)?;
                Some(target.die(gimli::UnitOffset(offset as usize)))
            }
            AttributeValue::DebugInfoRefSup(offset) => {
                let (target, offset) = self.unit_around(SUPPLEMENTARY, offset.0)?;
                Some(target.die(gimli::UnitOffset(offset as usize)))
            }
            AttributeValue::DebugTypesRef(signature) => self.type_unit(unit.dwarf_index, signature.0),
            _ => None,
        }
    }

    /// The type of a type unit.
    fn type_unit(&self, dwarf_index: u32, signature: u64) -> Option<DieRef> {
        let known = self.signatures.read().expect("not poisoned").get(&dwarf_index).cloned();
        let known = known.unwrap_or_else(|| {
            let found = Arc::new(self.index_signatures(dwarf_index));
            self.signatures.write().expect("not poisoned").insert(dwarf_index, found.clone());
            found
        });
        let unit = self.open(*known.get(&signature)?)?;
        match unit.unit.header.type_() {
            gimli::UnitType::Type { type_offset, .. } | gimli::UnitType::SplitType { type_offset, .. } => {
                Some(unit.die(type_offset))
            }
            _ => None,
        }
    }

    fn index_signatures(&self, dwarf_index: u32) -> HashMap<u64, UnitKey> {
        let mut found = HashMap::new();
        let Some(dwarf) = self.dwarfs.get(dwarf_index) else { return found };
        let mut units = dwarf.units();
        while let Ok(Some(header)) = units.next() {
            if let gimli::UnitType::Type { type_signature, .. } | gimli::UnitType::SplitType { type_signature, .. } =
                header.type_()
                && let Some(offset) = header.debug_info_offset()
            {
                found.insert(type_signature.0, (dwarf_index, false, offset.0));
            }
        }
        let mut types = dwarf.type_units();
        while let Ok(Some(header)) = types.next() {
            if let gimli::UnitType::Type { type_signature, .. } | gimli::UnitType::SplitType { type_signature, .. } =
                header.type_()
                && let Some(offset) = header.debug_types_offset()
            {
                found.insert(type_signature.0, (dwarf_index, true, offset.0));
            }
        }
        found
    }
}

/// Where addresses are, by pages: most ranges of a large program are in none that is asked for.
struct Nearby {
    lowest: u64,
    highest: u64,
    page_bits: u32,
    pages: Vec<bool>,
}

impl Nearby {
    /// Pages are so large that there are few of them.
    const MAX_PAGES: u64 = 1 << 16;

    fn new(wanted: &[u64], lowest: u64, highest: u64) -> Nearby {
        let mut page_bits = 10;
        while (highest - lowest) >> page_bits >= Nearby::MAX_PAGES {
            page_bits += 1;
        }
        let mut pages = vec![false; ((highest - lowest) >> page_bits) as usize + 1];
        for address in wanted {
            pages[((address - lowest) >> page_bits) as usize] = true;
        }
        Nearby { lowest, highest, page_bits, pages }
    }

    /// Whether one of the addresses may be in the range, which is not empty and ends above the lowest of them.
    fn may_hold(&self, low: u64, high: u64) -> bool {
        let page = |address: u64| (address - self.lowest) >> self.page_bits;
        let (first, last) = (page(low.max(self.lowest)), page((high - 1).min(self.highest)));
        let is_wanted = |page: u64| self.pages.get(page as usize).is_some_and(|page| *page);
        last - first > 1 || is_wanted(first) || is_wanted(last)
    }
}

/// The ranges of one unit in .debug_aranges.
fn aranges(section: &'static [u8], header: &gimli::ArangeHeader<R>) -> impl Iterator<Item = UnitRange> + use<> {
    let offset = header.debug_info_offset().0;
    let pairs = address_pairs(section, header);
    let mut entries = pairs.is_none().then(|| header.entries());
    let others = std::iter::from_fn(move || entries.as_mut()?.next_raw().ok().flatten());
    let pairs = pairs.unwrap_or_default().iter().map(|pair| {
        let both = u128::from_le_bytes(*pair);
        (both as u64, (both >> 64) as u64)
    });
    pairs.chain(others.map(|entry| (entry.address(), entry.length()))).filter_map(move |(low, length)| {
        let high = low.checked_add(length)?;
        (low != 0 && length != 0).then_some(UnitRange { low, high, offset })
    })
}

/// The addresses and lengths behind a header, where addresses have 8 bytes: a large program has half a million, which
/// are gone through in a part of the time that reading them one by one takes.
fn address_pairs(section: &'static [u8], header: &gimli::ArangeHeader<R>) -> Option<&'static [[u8; 16]]> {
    let encoding = header.encoding();
    if encoding.address_size != 8 {
        return None;
    }
    let length_size = usize::from(encoding.format.initial_length_size());
    // Behind the length: version, offset of the unit, sizes of addresses and segments (DWARF 5, 6.1.2).
    let header_size = (length_size + 2 + usize::from(encoding.format.word_size()) + 2).next_multiple_of(16);
    let end = header.offset().0.checked_add(length_size)?.checked_add(header.length())?;
    let pairs = section.get(header.offset().0.checked_add(header_size)?..end)?;
    Some(pairs.as_chunks().0)
}

impl RangeIndex {
    fn new(mut ranges: Vec<UnitRange>) -> RangeIndex {
        if ranges.len() > 50_000 {
            ranges.par_sort_unstable_by_key(|range| range.low);
        } else {
            ranges.sort_unstable_by_key(|range| range.low);
        }
        let mut high = 0;
        let reach = ranges
            .iter()
            .map(|range| {
                high = range.high.max(high);
                high
            })
            .collect();
        RangeIndex { ranges, reach }
    }

    fn find(&self, address: u64, candidates: &mut Vec<usize>) {
        let mut index = self.ranges.partition_point(|range| range.low <= address);
        while index > 0 && self.reach[index - 1] > address {
            index -= 1;
            let range = self.ranges[index];
            if address < range.high && !candidates.contains(&range.offset) {
                candidates.push(range.offset);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Nearby;

    #[test]
    fn no_range_with_a_wanted_address_is_passed_over() {
        let wanted = [0x1000, 0x13ff, 0x1400, 0x9000, 0x7fff_ffff, 1 << 40];
        for wanted in [&wanted[..], &wanted[..1], &wanted[1..4]] {
            let (lowest, highest) = (wanted[0], wanted[wanted.len() - 1]);
            let nearby = Nearby::new(wanted, lowest, highest);
            for address in wanted {
                for (low, high) in [(0, 1), (0, u64::MAX - address), (1, 1), (0x500, 0x900), (0xfff, 1)] {
                    assert!(nearby.may_hold(address - low, address + high), "{address:#x}, {low:#x} before");
                }
            }
        }
        let nearby = Nearby::new(&wanted, 0x1000, 1 << 40);
        assert!(!nearby.may_hold(0x4_0000_0000, 0x4_0000_0100));
    }
}
