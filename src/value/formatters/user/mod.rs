//! Formatters that users write: a summary line and children by type name, in TOML (`docs/formatters.md`).
//!
//! This room reads the files and puts values together; what an expression gives is the session's to say
//! ([`UserFormatters`]), as the language is further down.

mod file;
mod template;

#[cfg(test)]
mod tests;

pub use file::{MAX_FILE, read};
pub use template::Piece;

use super::base_name;
use crate::types::{TypeId, TypeKind, TypeTable};
use crate::value::{Absent, Place};

/// What one `[[formatter]]` says.
#[derive(Clone, Debug, PartialEq)]
pub struct UserFormatter {
    /// For which types, by name.
    pub types: Vec<String>,
    /// The line; empty where there is none.
    pub summary: Vec<Piece>,
    /// What stands behind it.
    pub content: Content,
}

/// What stands behind a summary.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Nothing.
    None,
    /// Parts: name and expression.
    Children(Vec<(String, String)>),
    /// The items of an expression that gives a sequence.
    Items(String),
}

/// What an expression gave.
pub struct Answer {
    /// Where it is.
    pub place: Result<Place, Absent>,
    /// Its type.
    pub type_id: TypeId,
    /// What is in several places, in place of `place`; and why there may be more.
    pub items: Option<AnswerItems>,
    /// Steps that it took.
    pub steps: u64,
}

/// Items in several places.
pub struct AnswerItems {
    /// The items, in order.
    pub elements: Vec<AnswerItem>,
    /// Why there may be more of them.
    pub end: Option<Absent>,
    /// They are entries of a map.
    pub is_map: bool,
}

/// A thing: where it is, and its type.
pub type AnswerPart = (Result<Place, Absent>, TypeId);

/// One of the items.
pub enum AnswerItem {
    /// A thing.
    One(AnswerPart),
    /// A key, its value, and the type of the two together.
    Entry(AnswerPart, AnswerPart, TypeId),
}

/// The users' formatters, and the language that their expressions are in.
pub trait UserFormatters {
    /// The one for a type.
    fn formatter(&self, type_id: TypeId) -> Option<&UserFormatter>;

    /// What an expression gives, with the object as `self` and its members by name. Errors are for the reader.
    fn evaluate(&self, expression: &str, object: &Place, type_id: TypeId) -> Result<Answer, String>;
}

/// The first of the formatters that is for the type: typedefs before what they name, qualifiers skipped.
pub fn matching(formatters: &[UserFormatter], types: &TypeTable, type_id: TypeId) -> Option<usize> {
    let mut id = type_id;
    for _ in 0..16 {
        let definition = types.get(id);
        if let Some(name) = definition.name.as_deref()
            && let Some(found) = formatters.iter().position(|formatter| formatter.is_for(name))
        {
            return Some(found);
        }
        id = match definition.kind {
            TypeKind::Typedef { target } | TypeKind::Qualified { target, .. } => target,
            _ => return None,
        };
    }
    None
}

impl UserFormatter {
    /// A pattern is for a type's whole name, with `*` for any characters; one without template arguments is for
    /// those of all arguments.
    fn is_for(&self, name: &str) -> bool {
        let base = base_name(name);
        self.types.iter().any(|pattern| is_like(pattern, name) || (!pattern.contains('<') && is_like(pattern, &base)))
    }
}

/// Whether the text is as the pattern says, where `*` stands for any characters.
fn is_like(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}
