//! Finding an entry by its name without an index.
//!
//! Compilers put each name once into .debug_str and refer to it by offset. So: find the name's offsets in the string
//! section, then those offsets' bytes in .debug_info, and look only at the units in which they occur. Both searches
//! run at memory speed, on all cores; a full pass over every unit is made only where a name is so common that this
//! does not narrow anything.

use gimli::Section;
use memchr::memmem;
use rayon::prelude::*;

use super::DieRef;
use super::skim::NamedEntry;
use super::unit::Unit;
use super::units::DebugInfo;

/// Offsets of a name in the string section beyond which all units are passed over instead.
const MAX_STRING_OFFSETS: usize = 24;
/// Bytes of .debug_info that one task searches.
const SEARCH_CHUNK: usize = 8 << 20;
/// Entries of one name that are looked at.
const MAX_FOUND: usize = 4096;

impl DebugInfo {
    /// Entries outside of functions whose DW_AT_name is `name` (unqualified) and that `wanted` picks, in order.
    pub fn entries_named(&self, name: &str, wanted: impl Fn(&NamedEntry) -> bool + Sync) -> Vec<DieRef> {
        if name.is_empty() || name.contains('\0') {
            return Vec::new();
        }
        let mut units = self.units_mentioning(name);
        units.sort_by_key(|unit| unit.id);
        units.dedup_by_key(|unit| unit.id);
        units.sort_by_key(|unit| unit.unit.header.debug_info_offset().map(|offset| offset.0));
        let found: Vec<Vec<DieRef>> = units.par_iter().map(|unit| entries_in(unit, name, &wanted)).collect();
        found.into_iter().flatten().take(MAX_FOUND).collect()
    }

    fn units_mentioning(&self, name: &str) -> Vec<&Unit> {
        let dwarf = self.dwarf();
        let info = dwarf.debug_info.reader().slice();
        let needle = [name.as_bytes(), b"\0"].concat();
        let mut offsets = occurrences(dwarf.debug_str.reader().slice(), &needle);
        if let Some(supplementary) = dwarf.sup() {
            offsets.extend(occurrences(supplementary.debug_str.reader().slice(), &needle));
            return self.all_units();
        }
        let split = !dwarf.debug_str_offsets.reader().is_empty() || self.has_split_units();
        if split || offsets.len() > MAX_STRING_OFFSETS {
            return self.all_units();
        }
        // Short names stand in .debug_info itself (DW_FORM_string).
        let mut patterns: Vec<Vec<u8>> = vec![needle];
        patterns.extend(offsets.iter().filter_map(|offset| Some(u32::try_from(*offset).ok()?.to_le_bytes().to_vec())));
        let starts = self.unit_starts(0);
        let mut hits: Vec<usize> = patterns.par_iter().flat_map(|pattern| search(info, pattern)).collect();
        for hit in &mut hits {
            *hit = starts.partition_point(|start| start <= hit);
        }
        hits.sort_unstable();
        hits.dedup();
        hits.iter().filter_map(|index| self.unit_holding(*starts.get(index.checked_sub(1)?)?)).collect()
    }

    fn has_split_units(&self) -> bool {
        let dwarf = self.dwarf();
        let Ok(Some(header)) = dwarf.units().next() else { return false };
        dwarf.unit(header).is_ok_and(|unit| unit.dwo_id.is_some())
    }
}

fn occurrences(strings: &[u8], needle: &[u8]) -> Vec<usize> {
    // Tail merging lets a name begin inside a longer string, so what stands before does not matter.
    memmem::find_iter(strings, needle).take(MAX_STRING_OFFSETS + 1).collect()
}

fn search(info: &[u8], pattern: &[u8]) -> Vec<usize> {
    let chunks = info.len().div_ceil(SEARCH_CHUNK);
    let finder = memmem::Finder::new(pattern);
    let found: Vec<Vec<usize>> = (0..chunks)
        .into_par_iter()
        .map(|chunk| {
            let start = chunk * SEARCH_CHUNK;
            let end = (start + SEARCH_CHUNK + pattern.len() - 1).min(info.len());
            finder.find_iter(&info[start..end]).map(|at| start + at).collect()
        })
        .collect();
    found.into_iter().flatten().collect()
}

fn entries_in(unit: &Unit, name: &str, wanted: &impl Fn(&NamedEntry) -> bool) -> Vec<DieRef> {
    let mut found = Vec::new();
    for named in unit.skim().named.iter().filter(|named| wanted(named)) {
        let Some(entry) = unit.entry(named.offset) else { continue };
        let named = |entry: &gimli::DebuggingInformationEntry<super::R>| {
            let text = unit.dwarf.attr_string(&unit.unit, entry.attr_value(gimli::DW_AT_name)?);
            Some(text.ok()?.slice() == name.as_bytes())
        };
        // A static member's definition has its name only where it was declared.
        let by_declaration = || {
            let declared = entry
                .attr_value(gimli::DW_AT_specification)
                .or_else(|| entry.attr_value(gimli::DW_AT_abstract_origin))?;
            let gimli::AttributeValue::UnitRef(offset) = declared else { return None };
            named(&unit.entry(offset.0 as u32)?)
        };
        if named(&entry).or_else(by_declaration) == Some(true) {
            found.push(unit.die(entry.offset()));
        }
    }
    found
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
