//! Source lines of a unit.
//!
//! Of a line table no more is read than an address asks for (`line_table`); where a line's code is, which takes all
//! rows, addr2line says, over the same sections as everything else with .debug_info narrowed to that unit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use gimli::{Reader, Section};

use super::R;
use super::line_table::LineTable;
use super::unit::Unit;
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

impl Unit {
    /// The position of the row that covers the address.
    pub fn position(&self, address: FileAddr) -> Option<Position> {
        let (row, _) = self.line_table()?.row_at(address.0)?;
        let known = |number: u32| Some(number).filter(|number| *number != 0);
        let (dwarf, lined) = self.lined();
        let file = self.path_in(dwarf, lined, row.file.into()).map(Arc::from);
        let line = known(row.line);
        Some(Position { file, line, column: known(row.column).filter(|_| line.is_some()) })
    }

    /// The code of the row that covers the address: start, and one past the end.
    pub fn line_extent(&self, address: FileAddr) -> Option<(FileAddr, FileAddr)> {
        let (row, end) = self.line_table()?.row_at(address.0)?;
        Some((FileAddr(row.address), FileAddr(end)))
    }

    /// The first code of a line of a file, which is named as its path ends.
    pub fn code_of_line(&self, file: &str, line: u32) -> Option<FileAddr> {
        let make = || Some(Mutex::new(addr2line::Context::from_dwarf(self.sections_of_lines()?).ok()?));
        let context = self.line_table()?.all.get_or_init(make).as_ref()?;
        let context = context.lock().unwrap_or_else(PoisonError::into_inner);
        let ends_so = |path: &str| path.strip_suffix(file).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'));
        let rows = context.find_location_range(0, u64::MAX).ok()?;
        let of_line = rows.filter(|(_, _, location)| location.line == Some(line) && location.file.is_some_and(ends_so));
        of_line.map(|(start, ..)| FileAddr(start)).min()
    }

    fn line_table(&self) -> Option<&LineTable> {
        self.lines.get_or_init(|| LineTable::of(self)).as_ref()
    }

    /// The unit that has the line table, and the sections that it is in.
    fn lined(&self) -> (&'static gimli::Dwarf<R>, &gimli::Unit<R>) {
        match &self.skeleton {
            Some((dwarf, skeleton)) => (*dwarf, skeleton.as_ref()),
            None => (self.dwarf, &self.unit),
        }
    }

    /// What addr2line needs of the sections, with .debug_info narrowed to this unit.
    fn sections_of_lines(&self) -> Option<gimli::Dwarf<R>> {
        let (dwarf, lined) = self.lined();
        let start = lined.header.debug_info_offset()?.0;
        let mut narrowed = *dwarf.debug_info.reader();
        narrowed.skip(start).ok()?;
        narrowed.truncate(lined.header.length_including_self()).ok()?;
        Some(gimli::Dwarf {
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
        })
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
        let (dwarf, unit) = self.lined();
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
        let (dwarf, unit) = self.lined();
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
