//! What an abstract instance (the entry that all copies of an inlined function elaborate; DWARF 5, 3.3.8) has that a
//! concrete one may lack: blocks and variables that no code is left of.

use super::DieRef;
use super::function::MAX_ENTRIES;
use super::unit::Unit;

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
            _ => {}
        }
        within = depth;
    }
    found
}
