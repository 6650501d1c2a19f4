//! What an abstract instance (the entry that all copies of an inlined function elaborate; DWARF 5, 3.3.8) has that a
//! concrete one may lack: blocks and variables that no code is left of, and calls.

use gimli::DebuggingInformationEntry;

use super::DieRef;
use super::function::{CallSite, MAX_ENTRIES, call_parameter, call_site};
use super::unit::{Unit, Units};

/// Whether an entry of that tag is a block of statements.
pub fn is_block(tag: gimli::DwTag) -> bool {
    matches!(
        tag,
        gimli::DW_TAG_lexical_block | gimli::DW_TAG_try_block | gimli::DW_TAG_catch_block | gimli::DW_TAG_with_stmt
    )
}

/// Variables and parameters under the entry at `offset` and in the blocks in it, except the blocks that are
/// `described` elsewhere, each with its depth (1 where it is directly under the entry).
pub fn abstract_variables(unit: &Unit, offset: u32, described: &[DieRef]) -> Vec<(DieRef, isize)> {
    let mut found = Vec::new();
    let Ok(mut raw) = unit.unit.entries_raw(Some(gimli::UnitOffset(offset as usize))) else { return found };
    // Entries deeper than this are of no interest until one of this depth or less follows.
    let mut within = isize::MAX;
    let mut read = 0;
    while !raw.is_empty() && read < MAX_ENTRIES {
        read += 1;
        let at = raw.next_offset();
        let depth = raw.next_depth();
        let Ok(abbreviation) = raw.read_abbreviation() else { break };
        let Some(abbreviation) = abbreviation else {
            if depth <= 1 {
                break;
            }
            continue;
        };
        if raw.skip_attributes(abbreviation.attributes()).is_err() || depth == 0 && !abbreviation.has_children() {
            break;
        }
        if depth > within || depth == 0 {
            continue;
        }
        within = isize::MAX;
        let die = unit.die(at);
        match abbreviation.tag() {
            gimli::DW_TAG_formal_parameter | gimli::DW_TAG_variable => found.push((die, depth)),
            tag if is_block(tag) && !described.contains(&die) => continue,
            gimli::DW_TAG_common_block => continue,
            _ => {}
        }
        within = depth;
    }
    found
}

/// Calls that are described anywhere under the entry at `offset`.
pub fn abstract_call_sites(units: &dyn Units, unit: &Unit, offset: u32) -> Vec<CallSite> {
    let mut found: Vec<CallSite> = Vec::new();
    let Ok(mut raw) = unit.unit.entries_raw(Some(gimli::UnitOffset(offset as usize))) else { return found };
    let mut entry = DebuggingInformationEntry::null();
    // The depth of the parameters of the call that was read last.
    let mut parameters = None;
    for _ in 0..MAX_ENTRIES {
        if raw.is_empty() {
            break;
        }
        let depth = raw.next_depth();
        let Ok(there) = raw.read_entry(&mut entry) else { break };
        if !there {
            if depth <= 1 {
                break;
            }
            continue;
        }
        if depth == 0 && !entry.has_children() {
            break;
        }
        match entry.tag() {
            gimli::DW_TAG_call_site | gimli::DW_TAG_GNU_call_site => {
                let site = call_site(units, unit, &entry);
                parameters = site.is_some().then_some(depth + 1);
                found.extend(site);
            }
            gimli::DW_TAG_call_site_parameter | gimli::DW_TAG_GNU_call_site_parameter if parameters == Some(depth) => {
                if let (Some(site), Some(parameter)) = (found.last_mut(), call_parameter(units, unit, &entry)) {
                    site.parameters.push(parameter);
                }
            }
            _ => {}
        }
    }
    found
}
