//! `find`: bytes in the target's memory.

use super::{Next, Repl, data};
use crate::addr::RunAddr;
use crate::command::CommandError;
use crate::command::FrameArgs;
use crate::command::selected::{Selected, select};
use crate::expr::{Evaluated, Variables, evaluate};
use crate::interrupt;
use crate::memory::Memory;
use crate::report::session_documents;
use crate::types::{Language, TypeKind};
use crate::value::Place;

/// Bytes of a pattern.
const MAX_PATTERN: usize = 1 << 16;
/// Addresses that are listed where no other limit is given.
const MAX_FOUND: usize = 10_000;
/// Bytes that are looked at in one piece.
const PIECE: usize = 1 << 20;

/// Where a pattern is.
#[derive(Debug, Default, PartialEq, Eq)]
struct Search {
    found: Vec<RunAddr>,
    /// Memory that could not be read: (address, bytes wanted).
    halted: Option<(RunAddr, u64)>,
}

/// Looks for `pattern` in `length` bytes from `start` on; at most `limit` places, which may overlap.
fn search(memory: &dyn Memory, start: RunAddr, length: u64, pattern: &[u8], limit: usize) -> Search {
    let mut result = Search::default();
    if pattern.is_empty() || limit == 0 {
        return result;
    }
    let finder = memchr::memmem::Finder::new(pattern);
    // Bytes in hand, from `at` on; what could begin a pattern is carried over.
    let (mut window, mut at, mut done): (Vec<u8>, RunAddr, u64) = (Vec::new(), start, 0);
    while done < length {
        let Some(next) = start.checked_add(done).filter(|_| !interrupt::requested()) else { break };
        let wanted = (length - done).min(PIECE as u64) as usize;
        let piece = match memory.piece(next, wanted) {
            Ok(piece) if !piece.is_empty() => piece,
            _ => {
                result.halted = Some((next, length - done));
                break;
            }
        };
        window.extend_from_slice(piece);
        done += piece.len() as u64;
        let mut from = 0;
        while let Some(position) = window.get(from..).and_then(|rest| finder.find(rest)) {
            let Some(address) = at.checked_add((from + position) as u64) else { break };
            result.found.push(address);
            if result.found.len() >= limit {
                return result;
            }
            from += position + 1;
        }
        let keep = (pattern.len() - 1).min(window.len().saturating_sub(from));
        let dropped = window.len() - keep;
        window.drain(..dropped);
        at = RunAddr(at.0.wrapping_add(dropped as u64));
    }
    result
}

/// What `find` was asked.
#[derive(Debug, Default)]
struct Question<'t> {
    /// Bytes of each value, where the size is given.
    size: Option<usize>,
    limit: Option<usize>,
    start: &'t str,
    end: &'t str,
    values: Vec<&'t str>,
}

fn parse(text: &str) -> Result<Question<'_>, CommandError> {
    let usage = || CommandError::Usage("find [/SIZE-CHAR] [/MAX-COUNT] START, +LENGTH|END, VALUE...".to_owned());
    let mut question = Question::default();
    let mut rest = text.trim();
    while let Some(option) = rest.strip_prefix('/') {
        let (letters, after) = option.split_once(char::is_whitespace).unwrap_or((option, ""));
        let digits: String = letters.chars().filter(char::is_ascii_digit).collect();
        if !digits.is_empty() {
            question.limit = Some(digits.parse().map_err(|_| usage())?);
        }
        for letter in letters.chars().filter(|letter| !letter.is_ascii_digit()) {
            question.size = Some(match letter {
                'b' => 1,
                'h' => 2,
                'w' => 4,
                'g' => 8,
                _ => return Err(CommandError::Usage(format!("{letter}: one of the sizes b, h, w, g is expected"))),
            });
        }
        rest = after.trim_start();
    }
    let mut parts = data::arguments(rest).into_iter();
    question.start = parts.next().filter(|start| !start.is_empty()).ok_or_else(usage)?;
    question.end = parts.next().filter(|end| !end.is_empty()).ok_or_else(usage)?;
    question.values = parts.collect();
    if question.values.is_empty() || question.values.iter().any(|value| value.is_empty()) {
        return Err(usage());
    }
    Ok(question)
}

/// The bytes of a value; a string's without its end.
fn bytes_of(
    selected: &Selected<'_>,
    variables: &Variables,
    text: &str,
    size: Option<usize>,
) -> Result<Vec<u8>, CommandError> {
    let evaluated = evaluate(selected, text, &mut variables.clone())?;
    let types = &selected.session.types;
    if let (Some(size), Ok(number)) = (size, data::number_of(selected, text, &evaluated)) {
        return Ok(number.to_le_bytes()[..size.min(16)].to_vec());
    }
    let mut bytes = raw(selected, &evaluated, text)?;
    let literal =
        text.starts_with('"') && matches!(types.get(types.strip(evaluated.type_id)).kind, TypeKind::Array { .. });
    if literal && bytes.last() == Some(&0) {
        bytes.pop();
    }
    Ok(bytes)
}

/// An object's bytes.
pub(super) fn raw(selected: &Selected<'_>, evaluated: &Evaluated, text: &str) -> Result<Vec<u8>, CommandError> {
    let size = selected.session.types.size(evaluated.type_id).and_then(|size| usize::try_from(size).ok());
    let size = size.ok_or_else(|| CommandError::Usage(format!("{text}: its size is not known")))?;
    let missing = |why: String| CommandError::NoMatch(format!("{text}: {why}"));
    match &evaluated.place {
        Ok(Place::Memory(address)) => {
            selected.session.memory().read_vec(*address, size).map_err(|error| missing(error.to_string()))
        }
        Ok(Place::Bytes(bytes)) if bytes.holes.is_empty() => {
            Ok(bytes.data.get(..size.min(bytes.data.len())).unwrap_or_default().to_vec())
        }
        Ok(Place::Bytes(_)) => Err(missing("parts of its value are not known".to_owned())),
        Err(absent) => Err(missing(crate::report::value_text::absent_text(absent))),
    }
}

/// `find [/SIZE-CHAR] [/MAX-COUNT] START, +LENGTH|END, VALUE…`
pub(super) fn find(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let question = parse(text)?;
    let start = data::address_of(repl, question.start)?;
    let length = match question.end.strip_prefix('+') {
        Some(length) => u64::try_from(data::number(repl, length)?).unwrap_or(0),
        // gdb's end is the last byte that is looked at.
        None => {
            data::address_of(repl, question.end)?.0.checked_sub(start.0).map_or(0, |length| length.saturating_add(1))
        }
    };
    if length == 0 {
        return Err(CommandError::Usage("Empty search range.".to_owned()));
    }
    let mut pattern = Vec::new();
    let result = {
        let selected = select(repl.state, &FrameArgs::default())?;
        for value in &question.values {
            pattern.extend(bytes_of(&selected, &repl.state.variables, value, question.size)?);
            if pattern.len() > MAX_PATTERN {
                return Err(CommandError::Usage(format!("a pattern has at most {MAX_PATTERN} bytes")));
            }
        }
        let limit = question.limit.unwrap_or(MAX_FOUND);
        search(repl.state.session.memory(), start, length, &pattern, limit)
    };
    interrupt::check()?;
    keep_results(repl, &result);
    if repl.state.json {
        let notes = repl.state.session.notes();
        let halted = result.halted.map(|(address, _)| address);
        repl.out.write_all(&session_documents::found(&result.found, halted, &notes).into_bytes())?;
        writeln!(repl.out)?;
    } else {
        for address in &result.found {
            let symbol = repl.state.session.symbol(*address).map(|found| data::symbol_text(&found)).unwrap_or_default();
            writeln!(repl.out, "{}{symbol}", repl.paint.address(address))?;
        }
        if let Some((address, bytes)) = result.halted {
            let warning = format!("Unable to access {bytes} bytes of target memory at {address}, halting search.");
            repl.aside(&format!("warning: {warning}"));
        }
    }
    match result.found.len() {
        0 => return Err(CommandError::NoMatch("Pattern not found.".to_owned())),
        _ if repl.state.json => {}
        1 => writeln!(repl.out, "1 pattern found.")?,
        count => {
            let more =
                if question.limit.is_none() && count == MAX_FOUND { " (there may be more: /MAX-COUNT)" } else { "" };
            writeln!(repl.out, "{count} patterns found{more}.")?;
        }
    }
    Ok(Next::Line)
}

/// gdb's `$numfound`, and `$_` for the last place.
fn keep_results(repl: &mut Repl<'_>, result: &Search) {
    let types = &repl.state.session.types;
    let int = types.number("int", 4, Language::C, TypeKind::Int { signed: true });
    let data = (result.found.len() as u32).to_le_bytes().to_vec();
    let place = Place::Bytes(crate::value::PlaceBytes { data, ..Default::default() });
    let count = Evaluated::new(Ok(place), int, false);
    let size = repl.state.session.image.arch.address_size();
    repl.state.variables.set("numfound", count);
    if let Some(address) = result.found.last() {
        repl.state.variables.set_last(types, size, *address, types.make_void(Language::C), false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{MissingReason, ReadError};

    /// Pieces of three bytes, from 0x1000 on.
    struct Pieces(&'static [u8]);

    impl Memory for Pieces {
        fn piece(&self, address: RunAddr, limit: usize) -> Result<&[u8], ReadError> {
            let unmapped = ReadError { address, reason: MissingReason::Unmapped };
            let from = address.0.checked_sub(0x1000).and_then(|from| usize::try_from(from).ok()).ok_or(unmapped)?;
            let rest = self.0.get(from..).filter(|rest| !rest.is_empty()).ok_or(unmapped)?;
            Ok(&rest[..rest.len().min(3 - from % 3).min(limit)])
        }
    }

    #[test]
    fn patterns_are_found_across_pieces_and_within_each_other() {
        let found = |pattern: &[u8], length, limit| {
            let result = search(&Pieces(b"abababcdef"), RunAddr(0x1000), length, pattern, limit);
            (result.found.iter().map(|address| address.0 - 0x1000).collect::<Vec<_>>(), result.halted)
        };
        assert_eq!(found(b"abab", 10, 9), (vec![0, 2], None));
        assert_eq!(found(b"cdef", 10, 9), (vec![6], None));
        assert_eq!(found(b"cdef", 9, 9), (vec![], None));
        assert_eq!(found(b"b", 10, 2), (vec![1, 3], None));
        assert_eq!(found(b"f", 12, 9), (vec![9], Some((RunAddr(0x100a), 2))));
        assert_eq!(found(b"abababcdefg", 10, 9), (vec![], None));
    }

    #[test]
    fn questions_are_taken_apart() {
        let question = parse("/b2 &x, +sizeof(x), 1, f(2, 3)").unwrap();
        assert_eq!((question.size, question.limit, question.start), (Some(1), Some(2), "&x"));
        assert_eq!((question.end, question.values), ("+sizeof(x)", vec!["1", "f(2, 3)"]));
        assert!(parse("x, +4").is_err() && parse("/q x, +4, 1").is_err() && parse("").is_err());
    }
}
