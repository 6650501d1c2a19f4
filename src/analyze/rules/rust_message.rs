//! A Rust message, `core::fmt::Arguments`, as it would have been written (core/src/fmt/mod.rs).
//!
//! ```text
//! until 1.92   &[&str] pieces, &[Argument] arguments, Option<&[Placeholder]>: three times a pointer and a number
//! since 1.93   a template and its arguments, two words; where the second is odd, a text and twice its length
//! ```

use super::rust_arguments;
use crate::addr::RunAddr;
use crate::analyze::Case;

/// Bytes of one text of the program.
pub(super) const MAX_TEXT: u64 = 1024;
/// Bytes of a message. What goes beyond shows as `…`.
const MAX_MESSAGE: usize = 2048;
/// Pieces of a message, and arguments.
const MAX_PIECES: u64 = 64;
/// Messages within messages.
const MAX_NESTING: usize = 4;
/// What stands for an argument that is not known.
const UNKNOWN: &str = "…";

/// The message whose `fmt::Arguments` lies at an address, in either form.
pub(super) fn at(case: &Case<'_>, address: u64, nesting: usize) -> Option<String> {
    if nesting > MAX_NESTING {
        return None;
    }
    let second = case.word(address.checked_add(8)?)?;
    of_pieces(case, address, nesting).or_else(|| of_template(case, case.word(address)?, Some(second), nesting))
}

/// The same where nothing but the words says that it is a message: without the form that a `&str` can look like.
pub(super) fn supposed_at(case: &Case<'_>, address: u64) -> Option<String> {
    let second = case.word(address.checked_add(8)?)?;
    let template = || of_template(case, case.word(address)?, Some(Some(second).filter(|second| second & 1 == 0)?), 0);
    of_pieces(case, address, 0).or_else(template)
}

/// The message that a function was given: by the address of its arguments, or by their two words.
pub(super) fn passed(case: &Case<'_>, first: u64, second: Option<u64>) -> Option<String> {
    of_pieces(case, first, 0).or_else(|| of_template(case, first, second, 0))
}

/// The message in the frame of `panic_fmt`, which has the `fmt::Arguments` in the `PanicInfo` that it makes: the first two
/// words that are such arguments.
pub(super) fn in_frame(case: &Case<'_>, frame: usize) -> Option<String> {
    let machine = case.trace.stack.frames.get(case.frame(frame)?.machine)?;
    let (start, end) = (machine.registers.sp()?, machine.cfa?.0);
    let mut at = start;
    while at < end.min(start.saturating_add(512)) {
        let (first, second) = (case.word(at)?, case.word(at.checked_add(8)?));
        at = at.checked_add(8)?;
        let is_constant = case.session.program.modules.at(RunAddr(first)).is_some();
        // An odd word is a length; else it leads to the arguments, which are on the stack.
        let plausible =
            second.is_some_and(|second| second & 1 == 1 && second < 2 * MAX_TEXT || second.abs_diff(start) < 1 << 20);
        if is_constant
            && plausible
            && !case.is_executable(first)
            && let Some(text) = of_template(case, first, second, 0)
        {
            return Some(text);
        }
    }
    None
}

/// Until Rust 1.92. The pieces come first; in which order the others do is the compiler's choice, and one is null where
/// nothing says how arguments are to be formatted. Each piece stands before the argument of its number.
fn of_pieces(case: &Case<'_>, address: u64, nesting: usize) -> Option<String> {
    let pair = |at: u64| Some((case.word(address.checked_add(at)?)?, case.word(address.checked_add(at + 8)?)?));
    let (pieces, count) = pair(0).filter(|(_, count)| (1..=MAX_PIECES).contains(count))?;
    let mut texts = Vec::new();
    for index in 0..count {
        let piece = pieces.checked_add(index * 16)?;
        let (start, length) = (case.word(piece)?, case.word(piece.checked_add(8)?)?);
        texts.push(if length == 0 { String::new() } else { literal(case, start, length)? });
    }
    let is_arguments = |(start, number): &(u64, u64)| {
        (*number == count || *number + 1 == count)
            && (0..*number).all(|index| {
                let formatter = start.checked_add(index * 16 + 8).and_then(|at| case.word(at));
                formatter.is_some_and(|formatter| case.is_executable(formatter))
            })
    };
    let (one, other) = (pair(16)?, pair(32)?);
    let arguments = match (one.0, other.0) {
        // Formatted as something says that is not read here: which argument stands where is not known.
        (1.., 1..) => None,
        _ => [one, other].into_iter().find(|pair| pair.0 != 0 && is_arguments(pair)),
    };
    let mut out = String::new();
    for (index, text) in texts.iter().enumerate() {
        out.push_str(text);
        match arguments {
            Some((_, number)) if index as u64 >= number => {}
            Some((first, _)) => {
                let shown = rust_arguments::text(case, first.checked_add(index as u64 * 16)?, nesting);
                out.push_str(shown.as_deref().unwrap_or(UNKNOWN));
            }
            None if index as u64 + 1 == count && one.1 != count && other.1 != count => {}
            None => out.push_str(UNKNOWN),
        }
    }
    finished(out)
}

/// Since Rust 1.93. The template is pieces, each behind its length, and marks of arguments (from 0xc0 on, their lowest bits
/// say what follows).
fn of_template(case: &Case<'_>, template: u64, arguments: Option<u64>, nesting: usize) -> Option<String> {
    if let Some(length) = arguments.filter(|arguments| arguments & 1 == 1) {
        return finished(literal(case, template, length >> 1)?);
    }
    let mut out = String::new();
    let mut at = template;
    let mut next = 0;
    for _ in 0..MAX_PIECES {
        let byte = case.memory().read_uint(RunAddr(at), 1).ok()?;
        at = at.checked_add(1)?;
        match byte {
            0 => return finished(out),
            1..0x80 => {
                out.push_str(&literal(case, at, byte)?);
                at = at.checked_add(byte)?;
            }
            0x80 => {
                let length = case.memory().read_uint(RunAddr(at), 2).ok()?;
                out.push_str(&literal(case, at.checked_add(2)?, length)?);
                at = at.checked_add(length + 2)?;
            }
            0xc0.. => {
                let sizes = [(1, 4), (2, 2), (4, 2), (8, 2)];
                // An argument out of order has its number last.
                let before: u64 = sizes.iter().take(3).filter(|(bit, _)| byte & bit != 0).map(|(_, size)| size).sum();
                let number = match byte & 8 {
                    0 => next,
                    _ => case.memory().read_uint(RunAddr(at.checked_add(before)?), 2).ok()?,
                };
                next = number + 1;
                let argument = arguments.and_then(|first| first.checked_add(number * 16));
                let shown = argument.and_then(|argument| rust_arguments::text(case, argument, nesting));
                out.push_str(shown.as_deref().unwrap_or(UNKNOWN));
                at = at.checked_add(sizes.iter().filter(|(bit, _)| byte & bit != 0).map(|(_, size)| size).sum())?;
            }
            _ => return None,
        }
    }
    None
}

fn finished(mut message: String) -> Option<String> {
    if message.len() > MAX_MESSAGE {
        message.truncate(message.floor_char_boundary(MAX_MESSAGE));
        message.push_str(UNKNOWN);
    }
    (!message.is_empty()).then_some(message)
}

/// A text of the program: some bytes of UTF-8 without control characters.
pub(super) fn literal(case: &Case<'_>, address: u64, length: u64) -> Option<String> {
    if length == 0 || length > MAX_TEXT {
        return None;
    }
    let bytes = case.memory().read_vec(RunAddr(address), length as usize).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    (!text.chars().any(|c| c.is_control() && c != '\n')).then_some(text)
}
