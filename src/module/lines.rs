//! Source lines of a unit, read by addr2line.
//!
//! A whole program's line tables are never read: each unit has its own `addr2line::Context`, over the same sections
//! as everything else, with .debug_info narrowed to that unit.

use crate::order::Order;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use gimli::{Reader, Section};

use super::R;
use super::unit::{Producer, Unit};
use crate::addr::FileAddr;

/// A source position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The file, absolute where the compiler's directory is known.
    pub file: Option<Arc<str>>,
    /// `None` where the table says that no line belongs to the code.
    pub line: Option<u32>,
    /// `None` where not recorded.
    pub column: Option<u32>,
}

/// A row of a line table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// In the file's address space.
    pub address: u64,
    /// The file, absolute where the compiler's directory is known.
    pub file: Option<Arc<str>>,
    /// 0 where no line belongs to the code.
    pub line: u32,
    /// 0 where not recorded.
    pub column: u32,
    /// Where a statement begins.
    pub is_statement: bool,
}

/// A unit's line table.
pub struct LineTable {
    /// addr2line fills its caches without locks of its own.
    context: Mutex<addr2line::Context<R>>,
    /// Where several rows have one address, addr2line takes the last. If that one begins no statement, but one before
    /// it does, the statement's is what debuggers show: (address, file index, line, column), ascending.
    statements: Vec<(u64, u64, u32, u32)>,
}

impl Unit {
    /// The position of the row that covers the address.
    pub fn position(&self, address: FileAddr) -> Option<Position> {
        let table = self.lines.get_or_init(|| LineTable::of(self)).as_ref()?;
        let context = table.context.lock().expect("not poisoned");
        let (start, _, location) = context.find_location_range(address.0, address.0.checked_add(1)?).ok()?.next()?;
        let known = |number: u32| Some(number).filter(|number| *number != 0);
        if let Ok(index) = table.statements.binary_search_by_key(&start, |(address, ..)| *address) {
            let (_, file, line, column) = table.statements[index];
            let file = self.file_path(file).map(Arc::from);
            return Some(Position { file, line: known(line), column: known(column) });
        }
        let line = location.line.and_then(known);
        Some(Position { file: location.file.map(Arc::from), line, column: location.column.and_then(known) })
    }

    /// The code of the row that covers the address: start, and one past the end.
    pub fn line_extent(&self, address: FileAddr) -> Option<(FileAddr, FileAddr)> {
        let table = self.lines.get_or_init(|| LineTable::of(self)).as_ref()?;
        let context = table.context.lock().expect("not poisoned");
        let (start, length, _) = context.find_location_range(address.0, address.0.checked_add(1)?).ok()?.next()?;
        Some((FileAddr(start), FileAddr(start.checked_add(length)?)))
    }

    /// The first code of a line of a file, which is named as its path ends.
    pub fn code_of_line(&self, file: &str, line: u32) -> Option<FileAddr> {
        let table = self.lines.get_or_init(|| LineTable::of(self)).as_ref()?;
        let context = table.context.lock().expect("not poisoned");
        let ends_so = |path: &str| path.strip_suffix(file).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'));
        let rows = context.find_location_range(0, u64::MAX).ok()?;
        let of_line = rows.filter(|(_, _, location)| location.line == Some(line) && location.file.is_some_and(ends_so));
        of_line.map(|(start, ..)| FileAddr(start)).min()
    }

    /// The paths of all files of the line table; a file may be there twice.
    pub fn files(&self) -> impl Iterator<Item = String> {
        let unit = self.skeleton.as_ref().map_or(&self.unit, |(_, skeleton)| skeleton.as_ref());
        let header = self.unit.line_program.as_ref().or(unit.line_program.as_ref()).map(|program| program.header());
        let count = header.map_or(0, |header| header.file_names().len() as u64);
        // Numbers begin with 1 before DWARF 5, with 0 since.
        (0..=count).filter_map(|index| self.file_path(index))
    }

    /// The path of a file of the line table, by DW_AT_decl_file or DW_AT_call_file.
    pub fn file_path(&self, index: u64) -> Option<String> {
        let (dwarf, unit) = match &self.skeleton {
            Some((dwarf, skeleton)) => (*dwarf, skeleton.as_ref()),
            None => (self.dwarf, &self.unit),
        };
        // A split unit of DWARF 5 has a file table of its own (.debug_line.dwo).
        let own = self.skeleton.is_some().then_some(&self.unit).filter(|unit| unit.line_program.is_some());
        let (dwarf, unit) = own.map_or((dwarf, unit), |unit| (self.dwarf, unit));
        self.path_in(dwarf, unit, index)
    }

    fn path_in(&self, dwarf: &gimli::Dwarf<R>, unit: &gimli::Unit<R>, index: u64) -> Option<String> {
        let header = unit.line_program.as_ref()?.header();
        let file = header.file(index)?;
        let text = |value| {
            dwarf.attr_string(unit, value).ok().map(|bytes: R| String::from_utf8_lossy(bytes.slice()).into_owned())
        };
        let name = text(file.path_name())?;
        if name.starts_with('/') {
            return Some(name);
        }
        let mut path = self.directory().unwrap_or_default();
        // Directory 0 is the compiler's own, in every version.
        let directory = file.directory(header).filter(|_| file.directory_index() != 0);
        if let Some(directory) = directory.and_then(text) {
            push(&mut path, &directory);
        }
        push(&mut path, &name);
        Some(path)
    }
}

impl Unit {
    /// The rows that cover the ranges (low, high), which are ascending: sequences of ascending addresses, each ended by
    /// a row that only says where.
    pub fn rows_in(&self, ranges: &[(u64, u64)]) -> Vec<Vec<Row>> {
        let (dwarf, unit) = match &self.skeleton {
            Some((dwarf, skeleton)) => (*dwarf, skeleton.as_ref()),
            None => (self.dwarf, &self.unit),
        };
        let Some(program) = unit.line_program.clone() else { return Vec::new() };
        let mut paths: HashMap<u64, Option<Arc<str>>> = HashMap::new();
        let mut found = Vec::new();
        let mut sequence: Vec<Row> = Vec::new();
        let mut rows = program.rows();
        while let Ok(Some((_, row))) = rows.next_row() {
            let column = match row.column() {
                gimli::ColumnType::LeftEdge => 0,
                gimli::ColumnType::Column(column) => u32::try_from(column.get()).unwrap_or(0),
            };
            let index = row.file_index();
            sequence.push(Row {
                address: row.address(),
                file: paths.entry(index).or_insert_with(|| Some(self.path_in(dwarf, unit, index)?.into())).clone(),
                line: row.line().map_or(0, |line| u32::try_from(line.get()).unwrap_or(0)),
                column,
                is_statement: row.is_stmt(),
            });
            if row.end_sequence() {
                parts_in(&sequence, ranges, &mut found);
                sequence.clear();
            }
        }
        found
    }
}

/// Rows that are looked at before one of line 0.
pub(super) const MAX_ROWS_BACK: usize = 8;

/// The rows of a sequence that cover the ranges.
fn parts_in(sequence: &[Row], ranges: &[(u64, u64)], found: &mut Vec<Vec<Row>>) {
    if !sequence.is_sorted_by_key(|row| row.address) {
        return;
    }
    let (Some(first), Some(last)) = (sequence.first(), sequence.last()) else { return };
    let mut done = 0;
    for (low, high) in ranges {
        if *high <= first.address || *low >= last.address {
            continue;
        }
        let mut covering = sequence.partition_point(|row| row.address <= *low).saturating_sub(1);
        // Code of line 0 shows the line before it.
        for _ in 0..MAX_ROWS_BACK {
            if sequence[covering].line != 0 || covering == 0 {
                break;
            }
            covering -= 1;
        }
        let from = sequence.partition_point(|row| row.address < sequence[covering].address).max(done);
        let to = sequence.partition_point(|row| row.address < *high).min(sequence.len() - 1);
        if from < to {
            found.push(sequence[from..=to].to_vec());
            done = to;
        }
    }
}

fn push(path: &mut String, part: &str) {
    if part.starts_with('/') {
        path.clear();
    } else if !path.is_empty() && !path.ends_with('/') {
        path.push('/');
    }
    path.push_str(part);
}

impl LineTable {
    fn of(unit: &Unit) -> Option<LineTable> {
        let (dwarf, lined) = match &unit.skeleton {
            Some((dwarf, skeleton)) => (*dwarf, skeleton.as_ref()),
            None => (unit.dwarf, &unit.unit),
        };
        let start = lined.header.debug_info_offset()?.0;
        let mut narrowed = *dwarf.debug_info.reader();
        narrowed.skip(start).ok()?;
        narrowed.truncate(lined.header.length_including_self()).ok()?;
        let sections = gimli::Dwarf {
            debug_abbrev: dwarf.debug_abbrev,
            debug_addr: dwarf.debug_addr,
            debug_info: narrowed.into(),
            debug_line: dwarf.debug_line,
            debug_line_str: dwarf.debug_line_str,
            debug_str: dwarf.debug_str,
            debug_str_offsets: dwarf.debug_str_offsets,
            ranges: dwarf.ranges,
            file_type: dwarf.file_type,
            ..gimli::Dwarf::default()
        };
        let context = Mutex::new(addr2line::Context::from_dwarf(sections).ok()?);
        // Only GCC gives one address several rows (for its view numbers).
        let statements = if unit.producer == Producer::Gcc { statements_behind_others(lined) } else { Vec::new() };
        Some(LineTable { context, statements })
    }
}

/// See [`LineTable::statements`].
fn statements_behind_others(unit: &gimli::Unit<R>) -> Vec<(u64, u64, u32, u32)> {
    let mut found = Vec::new();
    let Some(program) = unit.line_program.clone() else { return found };
    let mut rows = program.rows();
    let mut statement: Option<(u64, u64, u32, u32)> = None;
    let mut last_is_statement = true;
    while let Ok(Some((_, row))) = rows.next_row() {
        if statement.is_some_and(|(address, ..)| address != row.address()) || row.end_sequence() {
            found.extend(statement.take().filter(|_| !last_is_statement));
        }
        if row.end_sequence() {
            continue;
        }
        last_is_statement = row.is_stmt();
        if last_is_statement {
            let line = row.line().map_or(0, |line| u32::try_from(line.get()).unwrap_or(0));
            let column = match row.column() {
                gimli::ColumnType::LeftEdge => 0,
                gimli::ColumnType::Column(column) => u32::try_from(column.get()).unwrap_or(0),
            };
            statement = Some((row.address(), row.file_index(), line, column));
        }
    }
    // Sequences in order, one behind the other: what the stable sort is quick with.
    found.order();
    found
}
