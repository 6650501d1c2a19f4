//! The rows of a unit's line table, a sequence at a time.
//!
//! A unit of Rust's has thousands of sequences, one a function, of which a backtrace needs two or three: where each is
//! in the program is found by passing over the program's bytes, and only those that are asked for are executed (by
//! gimli). Encoding of the program: DWARF 5, section 6.2.5.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gimli::constants::{DW_LNE_end_sequence, DW_LNE_set_address, DW_LNS_fixed_advance_pc};
use gimli::{DebugLine, DebugLineOffset, LineProgramHeader, LittleEndian};

use super::R;
use super::unit::{Producer, Unit};
use crate::order::Order;

/// Sequences that begin at or below an address and are looked at for it: functions that the linker folded into one
/// have their own each.
const MAX_SEQUENCES: usize = 16;

/// A row: from its address on, until the next one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LineRow {
    /// In the file's address space.
    pub address: u64,
    /// In the unit's table of files.
    pub file: u32,
    /// 0 where no line belongs to the code.
    pub line: u32,
    /// 0 where not recorded.
    pub column: u32,
    /// Where a statement begins.
    pub is_statement: bool,
}

/// Rows of ascending addresses without a gap, and the address where the last one ends.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sequence {
    rows: Vec<LineRow>,
    end: u64,
}

/// Where a sequence is: the address that it begins with, and its part of the program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    start: u64,
    bytes: (u32, u32),
}

/// A unit's line table.
pub(super) struct LineTable {
    header: LineProgramHeader<R>,
    is_gcc: bool,
    /// By their starts.
    parts: Vec<Part>,
    executed: Mutex<HashMap<u32, Arc<Sequence>>>,
    /// All rows, where a line's code was asked for. addr2line fills its caches without locks of its own.
    pub all: OnceLock<Option<Mutex<addr2line::Context<R>>>>,
}

impl LineTable {
    /// `None` where the unit has no line table.
    pub fn of(unit: &Unit) -> Option<LineTable> {
        let lined = unit.skeleton.as_ref().map_or(&unit.unit, |(_, skeleton)| skeleton.as_ref());
        let header = lined.line_program.as_ref()?.header().clone();
        let mut parts = sequences(&header);
        parts.order();
        let is_gcc = unit.producer == Producer::Gcc;
        Some(LineTable { header, is_gcc, parts, executed: Mutex::default(), all: OnceLock::new() })
    }

    /// The row that covers the address, and where it ends.
    pub fn row_at(&self, address: u64) -> Option<(LineRow, u64)> {
        let end = self.parts.partition_point(|part| part.start <= address);
        self.parts[..end].iter().rev().take(MAX_SEQUENCES).find_map(|part| {
            let sequence = self.execute(part);
            let next = sequence.rows.partition_point(|row| row.address <= address);
            let row = *sequence.rows.get(next.checked_sub(1)?)?;
            let end = sequence.rows.get(next).map_or(sequence.end, |row| row.address);
            (address < end).then_some((row, end))
        })
    }

    fn execute(&self, part: &Part) -> Arc<Sequence> {
        let mut executed = self.executed.lock().unwrap_or_else(PoisonError::into_inner);
        let made = executed.entry(part.bytes.0).or_insert_with(|| {
            let program = self.header.raw_program_buf().slice();
            let bytes = program.get(part.bytes.0 as usize..part.bytes.1 as usize).unwrap_or_default();
            Arc::new(rows(&self.header, bytes, self.is_gcc).unwrap_or_default())
        });
        made.clone()
    }
}

/// Where the sequences of a program are, as far as it is whole.
fn sequences(header: &LineProgramHeader<R>) -> Vec<Part> {
    let program = header.raw_program_buf();
    let program = program.slice();
    let base = header.opcode_base();
    let lengths = header.standard_opcode_lengths().slice();
    let mut found = Vec::new();
    let (mut at, mut first, mut start) = (0, 0, None);
    while let Some(opcode) = program.get(at).copied() {
        at += 1;
        // Special opcodes are most of a program.
        if opcode >= base {
            continue;
        }
        if opcode == 0 {
            let Some((length, size)) = uleb(program, at) else { break };
            let Some(instruction) = program.get(at + size..).and_then(|rest| rest.get(..length)) else { break };
            at += size + length;
            match instruction.split_first() {
                Some((code, operand)) if *code == DW_LNE_set_address.0 && start.is_none() => start = address(operand),
                Some((code, _)) if *code == DW_LNE_end_sequence.0 => {
                    let bytes = u32::try_from(first).ok().zip(u32::try_from(at).ok());
                    found.extend(bytes.map(|bytes| Part { start: start.unwrap_or(0), bytes }));
                    (first, start) = (at, None);
                }
                _ => {}
            }
        } else if opcode == DW_LNS_fixed_advance_pc.0 {
            at += 2;
        } else {
            for _ in 0..lengths.get(usize::from(opcode) - 1).copied().unwrap_or(0) {
                let rest = program.get(at..).unwrap_or_default();
                at += rest.iter().position(|byte| *byte < 0x80).map_or(rest.len(), |last| last + 1);
            }
        }
    }
    found
}

/// A length of an extended opcode, and its bytes: at most five, as no instruction is longer than 4 GiB.
fn uleb(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let mut value = 0;
    for (count, byte) in bytes.get(at..)?.iter().take(5).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * count);
        if *byte < 0x80 {
            return Some((value, count + 1));
        }
    }
    None
}

fn address(operand: &[u8]) -> Option<u64> {
    match operand.len() {
        8 => operand.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)),
        4 => operand.first_chunk().map(|bytes| u32::from_le_bytes(*bytes).into()),
        _ => None,
    }
}

/// The rows of the first sequence in `bytes`. `None` where the program is malformed.
fn rows(header: &LineProgramHeader<R>, bytes: &[u8], is_gcc: bool) -> Option<Sequence> {
    let section = alone(header, bytes)?;
    let program = DebugLine::new(&section, LittleEndian).program(DebugLineOffset(0), header.address_size(), None, None);
    let mut rows = program.ok()?.rows();
    let mut sequence = Sequence::default();
    while let Some((_, row)) = rows.next_row().ok()? {
        sequence.end = row.address();
        if row.end_sequence() {
            break;
        }
        let row = LineRow {
            address: row.address(),
            file: u32::try_from(row.file_index()).unwrap_or(u32::MAX),
            line: row.line().map_or(0, |line| u32::try_from(line.get()).unwrap_or(0)),
            column: match row.column() {
                gimli::ColumnType::LeftEdge => 0,
                gimli::ColumnType::Column(column) => u32::try_from(column.get()).unwrap_or(0),
            },
            is_statement: row.is_stmt(),
        };
        match sequence.rows.last_mut().filter(|last| last.address == row.address) {
            // GCC gives one address several rows (for its view numbers): a statement's is what debuggers show.
            Some(last) if is_gcc && last.is_statement && !row.is_statement => {}
            Some(last) => *last = row,
            None => sequence.rows.push(row),
        }
    }
    if !sequence.rows.is_sorted_by_key(|row| row.address) {
        sequence.rows.order_by_key(|row| row.address);
    }
    sequence.rows.shrink_to_fit();
    Some(sequence)
}

/// A section of one table of version 4, which has these instructions and no files.
fn alone(header: &LineProgramHeader<R>, bytes: &[u8]) -> Option<Vec<u8>> {
    let lengths = header.standard_opcode_lengths().slice();
    // Six bytes of parameters, the lengths, no directories and no files.
    let header_length = u32::try_from(6 + lengths.len() + 2).ok()?;
    let unit_length = u32::try_from(bytes.len()).ok()?.checked_add(6 + header_length)?;
    let mut section = Vec::with_capacity(unit_length as usize + 4);
    section.extend(unit_length.to_le_bytes());
    section.extend(4_u16.to_le_bytes());
    section.extend(header_length.to_le_bytes());
    section.extend([
        header.minimum_instruction_length(),
        header.maximum_operations_per_instruction(),
        header.default_is_stmt().into(),
        header.line_base() as u8,
        header.line_range(),
        header.opcode_base(),
    ]);
    section.extend(lengths);
    section.extend([0, 0]);
    section.extend(bytes);
    Some(section)
}

#[cfg(test)]
#[path = "line_table_tests.rs"]
mod tests;
