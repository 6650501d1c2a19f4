//! Tables without borders: aligned columns, two spaces between them.

use std::io::{self, Write};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// A column's heading and whether its cells are aligned to the right (numbers).
pub struct Column {
    /// Heading.
    pub title: &'static str,
    /// Aligned to the right.
    pub right: bool,
}

/// A column of text.
pub const fn text(title: &'static str) -> Column {
    Column { title, right: false }
}

/// A column of numbers.
pub const fn number(title: &'static str) -> Column {
    Column { title, right: true }
}

/// Writes the rows under their headings; no line has spaces at its end.
pub fn write_table(out: &mut dyn Write, columns: &[Column], rows: Vec<Vec<String>>) -> io::Result<()> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().map(|column| column.title));
    table.add_rows(rows);
    for (index, column) in columns.iter().enumerate() {
        let Some(target) = table.column_mut(index) else { continue };
        target.set_padding((0, 2));
        if column.right {
            target.set_cell_alignment(CellAlignment::Right);
        }
    }
    for line in table.to_string().lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_are_trimmed() {
        let mut out = Vec::new();
        let rows = vec![vec!["7".to_owned(), "main".to_owned()], vec!["1234".to_owned(), String::new()]];
        write_table(&mut out, &[number("LWP"), text("frame")], rows).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), " LWP  frame\n   7  main\n1234\n");
    }
}
