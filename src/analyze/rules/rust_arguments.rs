//! Arguments of a Rust message as it would have shown them: numbers, texts, characters, and what `{:?}` shows.
//!
//! An `rt::Argument` is a pointer to the value and one to the function that formats it (core/src/fmt/rt.rs, Rust 1.63 to
//! 1.96); what is formatted is told by the function's name, or by the type of its parameter `self`. What neither says
//! shows as `…`, and so does what the program formats by code of its own.

use super::rust_message;
use crate::addr::RunAddr;
use crate::analyze::Case;
use crate::analyze::debug_text::debug_text;
use crate::types::TypeId;
use crate::value::{Place, Value, ValueKind};

/// Bytes of a text.
const MAX_TEXT: u64 = 200;
/// References to references.
const MAX_REFERENCES: usize = 4;

/// What is formatted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shown {
    /// So many bytes, signed or not.
    Number(usize, bool),
    /// So many bytes; `{:?}` writes `1.0` where `{}` writes `1`.
    Float(usize, bool),
    Bool,
    Char,
    /// A pointer and a length.
    Text,
    /// A capacity, a pointer and a length.
    OwnedText,
    /// A message within the message.
    Message,
}

/// The argument at an address, as text.
pub(super) fn text(case: &Case<'_>, argument: u64, nesting: usize) -> Option<String> {
    formatted(case, case.word(argument)?, case.word(argument.checked_add(8)?)?, nesting)
}

/// What the function at `formatter` writes of the value at `value`.
pub(super) fn formatted(case: &Case<'_>, value: u64, formatter: u64, nesting: usize) -> Option<String> {
    let (name, distance) = case.session.symbol(RunAddr(formatter))?;
    if distance != 0 {
        return None;
    }
    match shown(&name) {
        Some((references, shown)) => {
            let mut value = value;
            for _ in 0..references {
                value = case.word(value)?;
            }
            plain(case, value, shown, nesting)
        }
        None => {
            let parameters = case.session.parameters(RunAddr(formatter));
            let (_, of_self) = parameters.first().filter(|(name, _)| name == "self")?;
            let type_id = crate::analyze::names::target(&case.session.types, *of_self)?;
            let value =
                case.session.with_decoder(None, |decoder| decoder.value(&Place::Memory(RunAddr(value)), type_id));
            let type_name = |type_id: TypeId| case.session.types.name(type_id);
            match () {
                () if name.contains("core::fmt::Debug") => known(&value).then(|| debug_text(&type_name, &value)),
                () if name.contains("core::fmt::Display") => display_text(&type_name, &value),
                () => None,
            }
        }
    }
}

/// Whether anything of a value is there.
pub(super) fn known(value: &Value) -> bool {
    !matches!(value.kind, ValueKind::Absent(_) | ValueKind::Elided)
}

/// What `{}` shows of what the library itself formats; nothing of other types, whose authors say what it shows.
fn display_text<'a>(name: &'a dyn Fn(TypeId) -> &'a str, value: &Value) -> Option<String> {
    match &value.kind {
        ValueKind::Int(_) | ValueKind::Uint(_) | ValueKind::Bool(0 | 1) => Some(debug_text(name, value)),
        ValueKind::Char { char: Some(char), .. } => Some(char.to_string()),
        ValueKind::String(text) | ValueKind::Pointer { string: Some(text), .. } if text.omitted == 0 => {
            String::from_utf8(text.bytes.to_vec()).ok().filter(|text| text.len() as u64 <= MAX_TEXT)
        }
        ValueKind::Pointer { pointee: Some(pointee), .. } if name(value.type_id).starts_with('&') => {
            display_text(name, pointee)
        }
        _ => None,
    }
}

fn plain(case: &Case<'_>, value: u64, shown: Shown, nesting: usize) -> Option<String> {
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
        Shown::Float(size, is_debug) => {
            let raw = case.memory().read_uint(RunAddr(value), size).ok()?;
            Some(match (size, is_debug) {
                (4, true) => format!("{:?}", f32::from_bits(raw as u32)),
                (4, false) => f32::from_bits(raw as u32).to_string(),
                (_, true) => format!("{:?}", f64::from_bits(raw)),
                (_, false) => f64::from_bits(raw).to_string(),
            })
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
        Shown::Message => rust_message::at(case, value, nesting + 1),
    }
}

/// What a function formats, by its name, and how many references to it there are: `<i64 as core::fmt::Display>::fmt`,
/// `core::fmt::num::imp::<impl core::fmt::Display for usize>::fmt`, `<&u8 as core::fmt::Debug>::fmt`.
fn shown(name: &str) -> Option<(usize, Shown)> {
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
    let mut references = 0;
    let mut kind = kind;
    while let Some(inner) = kind.strip_prefix('&').filter(|inner| *inner != "str") {
        references += 1;
        kind = inner;
    }
    let shown = match kind {
        "i8" => Shown::Number(1, true),
        "i16" => Shown::Number(2, true),
        "i32" => Shown::Number(4, true),
        "i64" | "isize" => Shown::Number(8, true),
        "u8" => Shown::Number(1, false),
        "u16" => Shown::Number(2, false),
        "u32" => Shown::Number(4, false),
        "u64" | "usize" => Shown::Number(8, false),
        "f32" => Shown::Float(4, is_debug),
        "f64" => Shown::Float(8, is_debug),
        "bool" => Shown::Bool,
        "char" if !is_debug => Shown::Char,
        "&str" if !is_debug => Shown::Text,
        "alloc::string::String" if !is_debug => Shown::OwnedText,
        "core::fmt::Arguments" => Shown::Message,
        _ => return None,
    };
    (references <= MAX_REFERENCES).then_some((references, shown))
}

#[cfg(test)]
mod tests {
    use super::{Shown, shown};

    #[test]
    fn functions_say_what_they_format() {
        for (name, expected) in [
            ("<i64 as core::fmt::Display>::fmt", Some((0, Shown::Number(8, true)))),
            ("core::fmt::num::imp::<impl core::fmt::Display for usize>::fmt", Some((0, Shown::Number(8, false)))),
            ("<alloc::string::String as core::fmt::Display>::fmt", Some((0, Shown::OwnedText))),
            ("<&str as core::fmt::Display>::fmt", Some((0, Shown::Text))),
            ("<&&str as core::fmt::Display>::fmt", Some((1, Shown::Text))),
            ("<&&f32 as core::fmt::Debug>::fmt", Some((2, Shown::Float(4, true)))),
            ("<core::fmt::Arguments as core::fmt::Display>::fmt", Some((0, Shown::Message))),
            ("<&T as core::fmt::Display>::fmt", None),
            ("<app::Error as core::fmt::Display>::fmt", None),
            ("main", None),
        ] {
            assert_eq!(shown(name), expected, "{name}");
        }
    }
}
