//! Arguments of a Rust message as it would have shown them: numbers, texts, characters.
//!
//! An `rt::Argument` is a pointer to the value and one to the function that formats it (core/src/fmt/rt.rs, Rust 1.82 to
//! 1.96); the function's name says what the value is. What it does not say shows as `…`.

use crate::addr::RunAddr;
use crate::analyze::Case;

/// Bytes of a text.
const MAX_TEXT: u64 = 200;

/// What is formatted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shown {
    /// So many bytes, signed or not.
    Number(usize, bool),
    Bool,
    Char,
    /// A pointer and a length.
    Text,
    /// A capacity, a pointer and a length.
    OwnedText,
}

/// The argument at an address, as text.
pub fn text(case: &Case<'_>, argument: u64) -> Option<String> {
    let value = case.word(argument)?;
    let formatter = case.word(argument.checked_add(8)?)?;
    let (name, distance) = case.session.symbol(RunAddr(formatter))?;
    if distance != 0 {
        return None;
    }
    let shown = shown(&name)?;
    let word = |at: u64| case.word(value.checked_add(at * 8)?);
    let text = |address: u64, length: u64| {
        if length > MAX_TEXT {
            return None;
        }
        String::from_utf8(case.memory().read_vec(RunAddr(address), length as usize).ok()?).ok()
    };
    match shown {
        Shown::Number(size, signed) => {
            let raw = case.memory().read_uint(RunAddr(value), size).ok()?;
            let shift = 64 - size as u32 * 8;
            Some(if signed { ((raw << shift) as i64 >> shift).to_string() } else { raw.to_string() })
        }
        Shown::Bool => match case.memory().read_uint(RunAddr(value), 1).ok()? {
            0 => Some("false".to_owned()),
            1 => Some("true".to_owned()),
            _ => None,
        },
        Shown::Char => {
            let code = case.memory().read_uint(RunAddr(value), 4).ok()?;
            Some(char::from_u32(u32::try_from(code).ok()?)?.to_string())
        }
        Shown::Text => text(word(0)?, word(1)?),
        Shown::OwnedText => text(word(1)?, word(2)?).filter(|_| word(0) >= word(2)),
    }
}

/// What a function formats, by its name: `<i64 as core::fmt::Display>::fmt`,
/// `core::fmt::num::imp::<impl core::fmt::Display for usize>::fmt`.
fn shown(name: &str) -> Option<Shown> {
    let name = name.strip_suffix("::fmt").or_else(|| name.rsplit_once("::fmt::h").map(|(name, _)| name))?;
    let name = name.trim_end_matches('>');
    let (kind, is_debug) = match name.rsplit_once(" for ") {
        Some((before, kind)) if before.ends_with("core::fmt::Display") => (kind, false),
        Some((before, kind)) if before.ends_with("core::fmt::Debug") => (kind, true),
        Some(_) => return None,
        None => {
            let (kind, what) = name.strip_prefix('<')?.rsplit_once(" as ")?;
            match what {
                "core::fmt::Display" => (kind, false),
                "core::fmt::Debug" => (kind, true),
                _ => return None,
            }
        }
    };
    match kind {
        "i8" => Some(Shown::Number(1, true)),
        "i16" => Some(Shown::Number(2, true)),
        "i32" => Some(Shown::Number(4, true)),
        "i64" | "isize" => Some(Shown::Number(8, true)),
        "u8" => Some(Shown::Number(1, false)),
        "u16" => Some(Shown::Number(2, false)),
        "u32" => Some(Shown::Number(4, false)),
        "u64" | "usize" => Some(Shown::Number(8, false)),
        "bool" => Some(Shown::Bool),
        "char" if !is_debug => Some(Shown::Char),
        "&str" if !is_debug => Some(Shown::Text),
        "alloc::string::String" if !is_debug => Some(Shown::OwnedText),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Shown, shown};

    #[test]
    fn functions_say_what_they_format() {
        for (name, expected) in [
            ("<i64 as core::fmt::Display>::fmt", Some(Shown::Number(8, true))),
            ("core::fmt::num::imp::<impl core::fmt::Display for usize>::fmt", Some(Shown::Number(8, false))),
            ("<alloc::string::String as core::fmt::Display>::fmt", Some(Shown::OwnedText)),
            ("<&str as core::fmt::Display>::fmt", Some(Shown::Text)),
            ("<&T as core::fmt::Display>::fmt", None),
            ("<app::Error as core::fmt::Display>::fmt", None),
            ("main", None),
        ] {
            assert_eq!(shown(name), expected, "{name}");
        }
    }
}
