//! A document whose notes stand first, but are known only when its rows are made: the first rows are held back for them.

use std::io::{self, Write};

use crate::image::Note;
use crate::report::json::Json;
use crate::report::json_backtrace::write_notes;

/// Bytes of rows that are held back, at most about so many.
const HELD_BACK: usize = 8 << 20;

/// The document so far.
pub(super) struct Held<'a> {
    /// Notes that came up until now.
    notes: &'a dyn Fn() -> Vec<Note>,
    /// The document's beginning with those notes, up to the first row.
    head: &'a dyn Fn(&[Note]) -> Vec<u8>,
    rows: Vec<u8>,
    is_first: bool,
    written: Option<usize>,
}

impl<'a> Held<'a> {
    /// A document without rows.
    pub fn new(notes: &'a dyn Fn() -> Vec<Note>, head: &'a dyn Fn(&[Note]) -> Vec<u8>) -> Held<'a> {
        Held { notes, head, rows: Vec::new(), is_first: true, written: None }
    }

    /// Whether there is no row yet.
    pub fn is_empty(&self) -> bool {
        self.is_first
    }

    /// The next row.
    pub fn row(&mut self, row: &[u8], out: &mut dyn Write) -> io::Result<()> {
        let comma: &[u8] = if std::mem::take(&mut self.is_first) { b"" } else { b"," };
        if self.written.is_some() {
            out.write_all(comma)?;
            return out.write_all(row);
        }
        self.rows.extend_from_slice(comma);
        self.rows.extend_from_slice(row);
        if self.rows.len() >= HELD_BACK { self.end_of_rows(out) } else { Ok(()) }
    }

    /// There are no more rows.
    pub fn end_of_rows(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.written.is_none() {
            let notes = (self.notes)();
            out.write_all(&(self.head)(&notes))?;
            out.write_all(&std::mem::take(&mut self.rows))?;
            self.written = Some(notes.len());
        }
        Ok(())
    }

    /// Notes that came up after the beginning was written: a member of their own at the document's end.
    pub fn late_notes(&self, out: &mut dyn Write) -> io::Result<()> {
        let notes = (self.notes)();
        match self.written.and_then(|written| notes.get(written..)).filter(|late| !late.is_empty()) {
            Some(late) => {
                let mut json = Json::continuing(true);
                write_notes(&mut json, "late_notes", late);
                out.write_all(json.bytes())
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn notes_stand_first_or_are_late() {
        let notes = RefCell::new(Vec::new());
        let of = || notes.borrow().clone();
        let note = |message: &str| notes.borrow_mut().push(Note { code: "x", message: message.to_owned() });
        let head = |notes: &[Note]| format!("[{}|", notes.len()).into_bytes();
        let mut out = Vec::new();
        let mut held = Held::new(&of, &head);
        held.row(b"1", &mut out).unwrap();
        note("one");
        held.row(b"2", &mut out).unwrap();
        assert!(out.is_empty() && !held.is_empty());
        held.end_of_rows(&mut out).unwrap();
        held.late_notes(&mut out).unwrap();
        assert_eq!(out, b"[1|1,2");
        note("two");
        held.row(b"3", &mut out).unwrap();
        held.end_of_rows(&mut out).unwrap();
        held.late_notes(&mut out).unwrap();
        assert!(out.starts_with(b"[1|1,2,3,\"late_notes\":"), "{}", String::from_utf8_lossy(&out));
    }
}
