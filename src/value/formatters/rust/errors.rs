//! `std::io::Error`: a pointer whose lowest bits say what it is (rust `library/std/src/io/error/repr_bitpacked.rs`, Rust 1.59
//! to 1.95; on machines of 64 bits).
//!
//! ```text
//! 00  -> &'static SimpleMessage { kind, message }
//! 01  -> Box<Custom { kind, error }>, one byte on
//! 10  code of the system in the upper 32 bits
//! 11  ErrorKind in the upper 32 bits
//! ```

use super::super::{Object, Refusal, View, corrupt};
use crate::types::TypeKind;

const MESSAGE: &str = "std::io::error::SimpleMessage";
const CUSTOM: &str = "std::io::error::Custom";
const KIND: &str = "std::io::error::ErrorKind";

/// `io::Error (OS error 2)`, `io::Error (NotFound)`, or with what it was made of: `io::Error = {kind = …, error = …}`.
pub(super) fn io_error<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    if object.word() != 8 || object.size()? != 8 || !object.has("repr") {
        return Err(Refusal::Declined);
    }
    // Before, it was an enum, which shows by itself.
    let repr = object.field("repr")?;
    if !repr.type_name().contains("repr_bitpacked") {
        return Err(Refusal::Declined);
    }
    let bits = object.word_at_start()?;
    let upper = (bits >> 32) as u32;
    match bits & 3 {
        2 => Ok(View::Parts { title: format!("io::Error (OS error {})", upper as i32), parts: Vec::new() }),
        3 => {
            let kind = object.find_type(KIND).ok_or(Refusal::Declined)?;
            let types = object.types();
            let TypeKind::Enum { enumerators, .. } = &types.get(types.strip(kind)).kind else {
                return Err(Refusal::Declined);
            };
            let known = enumerators.iter().find(|(_, value)| *value == i128::from(upper));
            let (name, _) = known.ok_or_else(|| corrupt(format!("there is no kind of errors {upper}")))?;
            Ok(View::Parts { title: format!("io::Error ({name})"), parts: Vec::new() })
        }
        tag => {
            let (class, tag) = if tag == 0 { (MESSAGE, 0) } else { (CUSTOM, 1) };
            let class = object.find_type(class).ok_or(Refusal::Declined)?;
            let content = object.at(bits - tag, class);
            let mut parts = Vec::new();
            for name in ["kind", "message", "error"] {
                if content.has(name) {
                    parts.push((name.into(), content.field(name)?.into()));
                }
            }
            Ok(View::Parts { title: "io::Error".to_owned(), parts })
        }
    }
}
