//! A value in one line, as Rust's `{:?}` writes what derives it: `Missing { key: "zz", tries: 3 }`.

use crate::types::TypeId;
use crate::value::{Field, SummaryPiece, Text, Value, ValueKind};

/// Bytes of the line. What goes beyond shows as `…`.
const MAX_LINE: usize = 300;
/// Elements of one list.
const MAX_ITEMS: usize = 8;
/// Values within values.
const MAX_NESTING: usize = 12;

/// The line; `name` says what types are called.
pub fn debug_text<'a>(name: &'a dyn Fn(TypeId) -> &'a str, value: &Value) -> String {
    let mut line = Line { name, out: String::new() };
    line.value(value, 0);
    line.out
}

struct Line<'a> {
    name: &'a dyn Fn(TypeId) -> &'a str,
    out: String,
}

impl Line<'_> {
    fn push(&mut self, text: &str) {
        if self.out.len() < MAX_LINE {
            self.out.push_str(text);
            if self.out.len() >= MAX_LINE {
                let end = self.out.floor_char_boundary(MAX_LINE);
                self.out.truncate(end);
                // Longer than the limit from here on: nothing comes behind it.
                self.out.push('…');
            }
        }
    }

    fn value(&mut self, value: &Value, nesting: usize) {
        if nesting > MAX_NESTING {
            return self.push("…");
        }
        match &value.kind {
            ValueKind::Int(number) => self.push(&number.to_string()),
            ValueKind::Uint(number) => self.push(&number.to_string()),
            ValueKind::Described { text, .. } => self.push(text),
            ValueKind::Char { char: Some(char), .. } => self.push(&format!("{char:?}")),
            ValueKind::Char { code, .. } => self.push(&code.to_string()),
            ValueKind::Bool(truth) => self.push(match truth {
                0 => "false",
                1 => "true",
                _ => "…",
            }),
            ValueKind::Enum { name: Some(name), .. } => self.push(name),
            ValueKind::Enum { value, .. } => self.push(&value.to_string()),
            ValueKind::Float { text, .. } => {
                let text = text.shortest();
                self.push(&text);
                self.push(if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') { ".0" } else { "" });
            }
            ValueKind::Pointer { string: Some(text), .. } => self.text(text),
            ValueKind::Pointer { pointee: Some(pointee), .. } if self.is_transparent(value.type_id) => {
                self.value(pointee, nesting + 1);
            }
            // What a reference leads to is not at hand: its address is not what stands there.
            ValueKind::Pointer { address: Some(address), .. } if !self.is_transparent(value.type_id) => {
                self.push(&address.to_string());
            }
            ValueKind::Struct { union: false, fields } => {
                self.push(last_part((self.name)(value.type_id)));
                self.fields(fields, nesting);
            }
            ValueKind::Array { items, omitted, .. } => self.list('[', items, *omitted > 0, ']', nesting),
            ValueKind::Sequence(sequence) => {
                let (open, close) = if sequence.set { ('{', '}') } else { ('[', ']') };
                self.list(open, &sequence.items, sequence.omitted > 0, close, nesting);
            }
            ValueKind::Map(map) => {
                self.push("{");
                for (index, (key, item)) in map.items.iter().take(MAX_ITEMS).enumerate() {
                    self.push(if index == 0 { "" } else { ", " });
                    self.value(key, nesting + 1);
                    self.push(": ");
                    self.value(item, nesting + 1);
                }
                self.push(if map.items.len() > MAX_ITEMS || map.omitted > 0 { ", …}" } else { "}" });
            }
            ValueKind::String(text) => self.text(text),
            ValueKind::Titled { title, content } => {
                self.push(title);
                self.push(" ");
                self.value(content, nesting + 1);
            }
            // Shared values show as what is shared: `Arc(strong=1, weak=0)` does, with the value among its parts.
            ValueKind::Parts { title, fields } if title.starts_with("Arc(") || title.starts_with("Rc(") => {
                match fields.iter().find(|field| field.name.as_deref() == Some("value")) {
                    Some(field) => self.value(&field.value, nesting + 1),
                    None => self.push("…"),
                }
            }
            ValueKind::Parts { title, fields } => {
                self.push(title);
                self.fields(fields, nesting);
            }
            ValueKind::Summary(summary) if !summary.pieces.is_empty() => {
                for piece in &summary.pieces {
                    match piece {
                        SummaryPiece::Text(text) => self.push(text),
                        SummaryPiece::Value(value, _) => self.value(value, nesting + 1),
                    }
                }
            }
            ValueKind::Variant { variant, fields, .. } => {
                self.push(variant);
                self.fields(fields, nesting);
            }
            _ => self.push("…"),
        }
    }

    /// Whether what a pointer leads to shows in its place: references and boxes, but no raw pointers.
    fn is_transparent(&self, type_id: TypeId) -> bool {
        let name = (self.name)(type_id);
        name.starts_with('&') || name.starts_with("alloc::boxed::Box<")
    }

    fn fields(&mut self, fields: &[Field], nesting: usize) {
        if fields.is_empty() {
            return;
        }
        let is_tuple = fields.iter().all(|field| field.name.as_deref().is_some_and(|name| name.starts_with("__")));
        self.push(if is_tuple { "(" } else { " { " });
        for (index, field) in fields.iter().enumerate() {
            self.push(if index == 0 { "" } else { ", " });
            if let Some(name) = field.name.as_deref().filter(|_| !is_tuple) {
                self.push(name);
                self.push(": ");
            }
            self.value(&field.value, nesting + 1);
        }
        self.push(if is_tuple { ")" } else { " }" });
    }

    fn list(&mut self, open: char, items: &[Value], is_more: bool, close: char, nesting: usize) {
        self.push(open.encode_utf8(&mut [0; 4]));
        for (index, item) in items.iter().take(MAX_ITEMS).enumerate() {
            self.push(if index == 0 { "" } else { ", " });
            self.value(item, nesting + 1);
        }
        self.push(if is_more || items.len() > MAX_ITEMS { ", …" } else { "" });
        self.push(close.encode_utf8(&mut [0; 4]));
    }

    fn text(&mut self, text: &Text) {
        let shown = format!("{:?}", String::from_utf8_lossy(&text.bytes));
        self.push(&shown);
        self.push(if text.omitted > 0 { "…" } else { "" });
    }
}

/// `Wrong` of `app::errors::Wrong`; what stands in brackets stays out. Tuples have no name.
fn last_part(name: &str) -> &str {
    if name.starts_with('(') {
        return "";
    }
    let plain = name.split('<').next().unwrap_or(name);
    plain.rsplit("::").next().unwrap_or(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: ValueKind) -> Value {
        Value { type_id: TypeId(0), kind }
    }

    fn field(name: &'static str, kind: ValueKind) -> Field {
        Field::of(Some(name.into()), of(kind))
    }

    #[test]
    fn variants_show_as_their_authors_wrote_them() {
        let text = Text { bytes: b"a\"b".to_vec(), length: Some(3), omitted: 0, cut: None };
        let fields = vec![field("key", ValueKind::String(text)), field("tries", ValueKind::Uint(3))];
        let missing = of(ValueKind::Variant { title: None, variant: "Missing".into(), fields });
        assert_eq!(debug_text(&|_| "", &missing), r#"Missing { key: "a\"b", tries: 3 }"#);
        let odd =
            ValueKind::Variant { title: None, variant: "Odd".into(), fields: vec![field("__0", ValueKind::Int(-5))] };
        assert_eq!(debug_text(&|_| "", &of(odd)), "Odd(-5)");
        let nothing = ValueKind::Variant { title: None, variant: "Nothing".into(), fields: Vec::new() };
        assert_eq!(debug_text(&|_| "", &of(nothing)), "Nothing");
    }

    #[test]
    fn what_is_shared_shows_and_what_is_not_at_hand_does_not() {
        let parts = vec![field("value", ValueKind::Int(7)), field("strong", ValueKind::Uint(1))];
        let shared = of(ValueKind::Parts { title: "Arc(strong=1, weak=0)".into(), fields: parts });
        assert_eq!(debug_text(&|_| "alloc::sync::Arc<i32>", &shared), "7");
        let fields = vec![field("__0", ValueKind::Int(1)), field("__1", ValueKind::Bool(1))];
        let pair = of(ValueKind::Struct { union: false, fields });
        assert_eq!(debug_text(&|_| "(app::A<i32>, bool)", &pair), "(1, true)");
        let pointer = || {
            let address = Some(crate::addr::RunAddr(0x10));
            of(ValueKind::Pointer { address, reference: false, symbol: None, string: None, pointee: None })
        };
        assert_eq!(debug_text(&|_| "*const i32", &pointer()), "0x10");
        assert_eq!(debug_text(&|_| "&i32", &pointer()), "…");
    }

    #[test]
    fn lines_end() {
        let mut value =
            of(ValueKind::String(Text { bytes: vec![b'x'; 1000], length: Some(1000), omitted: 0, cut: None }));
        assert!(debug_text(&|_| "", &value).len() <= MAX_LINE + 3);
        for _ in 0..40 {
            value = of(ValueKind::Array { length: 1, items: vec![value], omitted: 0 });
        }
        assert!(debug_text(&|_| "", &value).contains('…'));
    }
}
