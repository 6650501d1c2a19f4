//! Tables made by hand, executed by gimli as a whole beside.

use super::*;

/// A header of version 4 for x86-64 as compilers write it, with a program behind.
fn header(program: &[u8]) -> LineProgramHeader<R> {
    let mut section = Vec::new();
    let lengths = [0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1];
    section.extend((program.len() as u32 + 26).to_le_bytes());
    section.extend([4, 0, 20, 0, 0, 0, 1, 1, 1, 0xfb, 14, 13]);
    section.extend(lengths);
    section.extend([0, 0]);
    section.extend(program);
    let section: &'static [u8] = Vec::leak(section);
    let program = DebugLine::new(section, LittleEndian).program(DebugLineOffset(0), 8, None, None);
    program.expect("a program").header().clone()
}

/// DW_LNE_set_address, rows of these special opcodes, an advance, DW_LNE_end_sequence.
fn sequence(start: u64, opcodes: &[u8], advance: u8) -> Vec<u8> {
    let mut program = vec![0, 9, 2];
    program.extend(start.to_le_bytes());
    program.extend(opcodes);
    program.extend([2, advance, 0, 1, 1]);
    program
}

fn table(program: &[u8], is_gcc: bool) -> LineTable {
    let header = header(program);
    let mut parts = sequences(&header);
    parts.order();
    LineTable { header, is_gcc, parts, executed: Mutex::default(), all: OnceLock::new() }
}

fn line_at(table: &LineTable, address: u64) -> Option<(u64, u32, u64)> {
    table.row_at(address).map(|(row, end)| (row.address, row.line, end))
}

#[test]
fn the_sequence_that_covers_an_address() {
    // 0x12 is copy at +0 with line +0; 0x4b advances the address by 4 and the line by 1.
    let mut program = sequence(0x2000, &[0x12, 0x4b, 0x4b], 3);
    // A column, a file, fixed_advance_pc with an argument that looks like opcodes, a padded LEB128.
    program.extend(sequence(0x1000, &[5, 9, 4, 1, 0x12, 9, 0, 1, 3, 0x85, 0x80, 0, 1], 0x10));
    let table = table(&program, false);
    assert_eq!(table.parts.len(), 2);
    assert_eq!(line_at(&table, 0xfff), None);
    assert_eq!(line_at(&table, 0x10ff), Some((0x1000, 1, 0x1100)));
    assert_eq!(line_at(&table, 0x1100), Some((0x1100, 6, 0x1110)));
    assert_eq!(line_at(&table, 0x1110), None, "between sequences");
    assert_eq!(line_at(&table, 0x2003), Some((0x2000, 1, 0x2004)));
    assert_eq!(line_at(&table, 0x200a), Some((0x2008, 3, 0x200b)));
    assert_eq!(line_at(&table, 0x200b), None);
}

#[test]
fn functions_folded_into_one_and_removed_ones() {
    let mut program = sequence(0, &[0x12], 0x7f);
    program.extend(sequence(0x1000, &[0x12, 0x4b], 0x20));
    // The same code again, and an empty sequence at its start.
    program.extend(sequence(0x1000, &[0x12], 4));
    program.extend([0, 9, 2, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
    let table = table(&program, false);
    assert_eq!(line_at(&table, 0x1010).map(|(_, line, _)| line), Some(2));
    assert_eq!(line_at(&table, 0x1002).map(|(_, line, _)| line), Some(1));
}

#[test]
fn of_rows_at_one_address_the_last_or_gccs_statement() {
    // A statement of line 1, then (negate_stmt, line +4) a row that begins none.
    let program = sequence(0x1000, &[0x12, 6, 0x16], 4);
    assert_eq!(line_at(&table(&program, false), 0x1000).map(|(_, line, _)| line), Some(5));
    assert_eq!(line_at(&table(&program, true), 0x1000).map(|(_, line, _)| line), Some(1));
}

#[test]
fn programs_that_end_early_or_are_nonsense() {
    let whole = sequence(0x1000, &[0x12, 0x4b, 3, 0x85, 0x80, 0, 9, 1, 2, 0x12], 8);
    for end in 0..whole.len() {
        let mut program = sequence(0x5000, &[0x12], 1);
        program.extend(&whole[..end]);
        let table = table(&program, true);
        assert_eq!(line_at(&table, 0x5000), Some((0x5000, 1, 0x5001)), "cut at {end}");
        assert_eq!(line_at(&table, 0x1000), None, "cut at {end}");
    }
    for byte in 0..=255 {
        for at in 0..whole.len() {
            let mut program = whole.clone();
            program[at] = byte;
            let table = table(&program, false);
            let _ = (line_at(&table, 0), line_at(&table, 0x1004), line_at(&table, u64::MAX));
        }
    }
}
