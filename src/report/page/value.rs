//! Values as a tree to unfold.

use std::borrow::Cow;

use super::html::Html;
use crate::report::json_value::provenance_code;
use crate::report::value_text::{PrintOptions, value_text_with};
use crate::session::Variable;
use crate::types::TypeTable;
use crate::value::{Field, Provenance, Value, ValueKind};

/// Characters of a value's line.
const LINE: usize = 240;
/// Characters of a type's name: those of C++'s containers list their allocators.
const TYPE: usize = 80;
/// Values within values that are unfolded; decoding stops before.
const MAX_DEPTH: usize = 16;

/// At most so many characters.
fn cut(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

/// Writes values until the page is full.
pub struct Values<'a> {
    /// Names of types.
    pub types: &'a TypeTable,
    /// Bytes of the page beyond which values have no parts.
    pub limit: usize,
}

impl Values<'_> {
    /// A variable.
    pub fn variable(&self, html: &mut Html, variable: &Variable) {
        let type_name = variable.type_id.map(|id| self.types.name(id));
        let provenance = match variable.provenance {
            Provenance::Location => None,
            other => Some(provenance_code(other)),
        };
        self.value(html, &variable.name, type_name, provenance, &variable.value, 0);
    }

    fn value(
        &self,
        html: &mut Html,
        name: &str,
        type_name: Option<&str>,
        provenance: Option<&str>,
        value: &Value,
        depth: usize,
    ) {
        let parts = if depth < MAX_DEPTH && html.len() < self.limit { self.parts(value) } else { Vec::new() };
        html.raw(if parts.is_empty() { "<div class=leaf>" } else { "<details><summary>" });
        html.element("<b>", name, "</b> = ");
        html.element("<code>", &self.line(value), "</code>");
        if let Some(type_name) = type_name {
            html.element(" <i>", &cut(type_name, TYPE), "</i>");
        }
        if let Some(provenance) = provenance {
            html.element(" <i class=mark>", provenance, "</i>");
        }
        if parts.is_empty() {
            return html.raw("</div>");
        }
        html.raw("</summary>");
        for (name, part) in parts {
            let type_name = match part.kind {
                ValueKind::Absent(_) | ValueKind::Elided => None,
                _ => Some(self.types.name(part.type_id)),
            };
            self.value(html, &name, type_name, None, part, depth + 1);
        }
        html.raw("</details>");
    }

    fn line(&self, value: &Value) -> String {
        cut(&value_text_with(self.types, value, &PrintOptions::default()), LINE).into_owned()
    }

    /// What is within a value, with the names that stand before it.
    fn parts<'v>(&self, value: &'v Value) -> Vec<(String, &'v Value)> {
        let fields = |fields: &'v [Field]| -> Vec<(String, &'v Value)> {
            let name = |field: &Field| match &field.name {
                Some(name) => name.to_string(),
                None if field.base => format!("<{}>", self.types.name(field.value.type_id)),
                None => "<anonymous>".to_owned(),
            };
            fields.iter().map(|field| (name(field), &field.value)).collect()
        };
        let items = |items: &'v [Value]| -> Vec<(String, &'v Value)> {
            items.iter().enumerate().map(|(index, item)| (format!("[{index}]"), item)).collect()
        };
        match &value.kind {
            ValueKind::Struct { fields: of, .. }
            | ValueKind::Parts { fields: of, .. }
            | ValueKind::Variant { fields: of, .. } => fields(of),
            ValueKind::Array { items: of, .. } => items(of),
            ValueKind::Sequence(sequence) => items(&sequence.items),
            ValueKind::Map(map) => {
                map.items.iter().map(|(key, value)| (format!("[{}]", self.line(key)), value)).collect()
            }
            ValueKind::Pointer { pointee: Some(pointee), .. } => vec![("*".to_owned(), pointee)],
            ValueKind::Summary(summary) => {
                summary.content.as_ref().map(|content| self.parts(content)).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }
}
