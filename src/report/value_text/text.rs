//! Characters and strings in values, with C's and Rust's escapes as gdb writes them.

use std::fmt::Write;

use super::Writer;
use crate::types::{Language, Type, TypeKind};
use crate::value::{SummaryPiece, Text, Value, ValueKind};

impl Writer<'_> {
    /// A value within a summary: text by itself, without its address; with `s` also without quotes.
    pub(super) fn piece(&mut self, piece: &SummaryPiece) {
        let (value, letter) = match piece {
            SummaryPiece::Text(text) => return self.out.push_str(text),
            SummaryPiece::Value(value, letter) => (value, *letter),
        };
        let text = match &value.kind {
            ValueKind::String(text) | ValueKind::Pointer { string: Some(text), .. } => Some(text),
            _ => None,
        };
        match (letter, text) {
            (Some('s'), Some(text)) => {
                let end = text.bytes.iter().position(|byte| *byte == 0).unwrap_or(text.bytes.len());
                let shown = text.bytes.get(..end).unwrap_or_default();
                for glyph in Glyph::all(shown) {
                    glyph.write(self.out, '\0');
                }
                self.text_end(text);
            }
            (None, Some(text)) => {
                let definition = self.definition(value.type_id);
                match definition.kind {
                    // What fills an array up is no part of the text.
                    TypeKind::Array { .. } => {
                        let end = text.bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                        let bytes = text.bytes.get(..end).unwrap_or_default().to_vec();
                        let text = Text { bytes, ..text.clone() };
                        self.text(&text, self.text_prefix(definition), false);
                    }
                    _ => self.text(text, self.text_prefix(definition), false),
                }
            }
            (None | Some('s'), None) => self.value(value, false, 0),
            (Some(letter), _) => {
                self.out.push_str(&crate::report::formatted::value_formatted(self.types, value, letter, &|_| None));
            }
        }
    }

    /// gdb's complaint in place of the string that a character pointer should lead to.
    pub(super) fn unreadable_string(&mut self, definition: &Type, address: Option<crate::addr::RunAddr>) {
        let TypeKind::Pointer { target } = definition.kind else { return };
        let target = self.definition(target);
        let character = matches!(target.kind, TypeKind::Char { .. });
        if let (true, Language::C | Language::Cpp, Some(address)) = (character, target.language, address)
            && address.0 != 0
        {
            let _ = write!(self.out, " <error: Cannot access memory at address {address}>");
        }
    }

    /// `L`, `u`, `U`: what C writes before a wide character of an array, pointer or character type.
    pub(super) fn text_prefix(&self, definition: &Type) -> &'static str {
        let character = match definition.kind {
            TypeKind::Array { element, .. } => self.definition(element),
            TypeKind::Pointer { target } => self.definition(target),
            TypeKind::Struct(ref content) => match content.template_types.first() {
                Some((_, character)) => self.definition(*character),
                None => definition,
            },
            _ => definition,
        };
        match (&character.kind, character.name.as_deref(), character.language) {
            (TypeKind::Char { unicode: true, .. }, Some("wchar_t"), Language::C | Language::Cpp) => "L",
            (TypeKind::Char { unicode: true, .. }, Some("char16_t"), Language::C | Language::Cpp) => "u",
            (TypeKind::Char { unicode: true, .. }, Some("char32_t"), Language::C | Language::Cpp) => "U",
            _ => "",
        }
    }

    /// The text that an array of C's or C++'s characters of one byte is.
    pub(super) fn characters(&self, definition: &Type, items: &[Value], omitted: u64) -> Option<Text> {
        let TypeKind::Array { element, .. } = definition.kind else { return None };
        let character = self.definition(element);
        let is_text = matches!(character.kind, TypeKind::Char { .. }) && character.size == Some(1);
        if !is_text || items.is_empty() || !matches!(definition.language, Language::C | Language::Cpp) {
            return None;
        }
        let code = |item: &Value| match item.kind {
            ValueKind::Char { code, .. } => Some(code as u8),
            _ => None,
        };
        let bytes = items.iter().map(code).collect::<Option<Vec<u8>>>()?;
        let length = Some((bytes.len() as u64).saturating_add(omitted));
        Some(Text { bytes, length, omitted, cut: None })
    }

    /// `98 'b'`
    pub(super) fn character(&mut self, definition: &Type, code: i64, char: Option<char>) {
        let _ = write!(self.out, "{code} {}'", self.text_prefix(definition));
        if definition.language == Language::Rust {
            rust_escape(self.out, code, char, '\'');
        } else {
            let glyph = match (char, definition.size) {
                (Some(char), _) => Glyph::Char(char),
                (None, Some(1)) => Glyph::Code(code as u8 as u32),
                (None, _) => Glyph::Code(code as u32),
            };
            glyph.write(self.out, '\'');
        }
        self.out.push('\'');
    }

    /// The text where it is printed as it stands: printable ASCII without quotes, backslashes and long runs.
    fn plain<'t>(&self, text: &'t Text, terminated: bool) -> Option<&'t str> {
        let bytes = match text.bytes.as_slice() {
            [bytes @ .., 0] if terminated => bytes,
            bytes => bytes,
        };
        let (mut last, mut alike) = (0, 0);
        for byte in bytes {
            alike = if *byte == last { alike + 1 } else { 1 };
            last = *byte;
            if !matches!(byte, b' '..=b'~') || matches!(byte, b'"' | b'\\') || alike > self.options.repeats {
                return None;
            }
        }
        std::str::from_utf8(bytes).ok()
    }

    /// Text in quotes, long runs of a character apart from the rest. `terminated`: a last NUL is the terminator and
    /// is not shown.
    pub(super) fn text(&mut self, text: &Text, prefix: &str, terminated: bool) {
        if let Some(plain) = self.plain(text, terminated) {
            self.push(&[prefix, "\"", plain, "\""]);
            self.text_end(text);
            return;
        }
        let mut glyphs = Glyph::all(&text.bytes);
        if terminated && self.options.null_stop {
            let end = glyphs.iter().position(|glyph| *glyph == Glyph::Char('\0'));
            glyphs.truncate(end.unwrap_or(glyphs.len()));
        }
        if terminated && glyphs.last() == Some(&Glyph::Char('\0')) {
            glyphs.pop();
        }
        if glyphs.is_empty() {
            self.out.push_str(prefix);
            self.out.push_str("\"\"");
        }
        let mut quoted = false;
        let mut index = 0;
        while index < glyphs.len() {
            let glyph = glyphs[index];
            let alike = glyphs[index..].iter().take_while(|other| **other == glyph).count();
            if alike > self.options.repeats {
                if quoted {
                    self.out.push('"');
                }
                if index > 0 {
                    self.out.push_str(", ");
                }
                self.push(&[prefix, "'"]);
                glyph.write(self.out, '\'');
                let _ = write!(self.out, "' <repeats {alike} times>");
                quoted = false;
            } else {
                if !quoted {
                    if index > 0 {
                        self.out.push_str(", ");
                    }
                    self.push(&[prefix, "\""]);
                    quoted = true;
                }
                for _ in 0..alike {
                    glyph.write(self.out, '"');
                }
            }
            index += alike;
        }
        if quoted {
            self.out.push('"');
        }
        self.text_end(text);
    }

    /// What stands behind a text that is not shown to its end.
    fn text_end(&mut self, text: &Text) {
        match &text.cut {
            Some(absent) => self.out.push_str(&super::absent_text(absent)),
            None if text.omitted > 0 => self.out.push_str("..."),
            None => {}
        }
    }
}

/// Bytes as they stand within quotes.
pub fn text_within(bytes: &[u8], quote: char) -> String {
    let mut out = String::with_capacity(bytes.len());
    for glyph in Glyph::all(bytes) {
        glyph.write(&mut out, quote);
    }
    out
}

/// A character as text shows it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Glyph {
    Char(char),
    /// What is no character.
    Code(u32),
}

impl Glyph {
    fn all(bytes: &[u8]) -> Vec<Glyph> {
        let mut glyphs = Vec::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            glyphs.extend(chunk.valid().chars().map(Glyph::Char));
            glyphs.extend(chunk.invalid().iter().map(|byte| Glyph::Code((*byte).into())));
        }
        glyphs
    }

    /// With C's escapes, as gdb chooses them (gdb 13, `print_wchar` in gdb/valprint.c).
    fn write(self, out: &mut String, quote: char) {
        let code = match self {
            Glyph::Char('\u{7}') => return out.push_str("\\a"),
            Glyph::Char('\u{8}') => return out.push_str("\\b"),
            Glyph::Char('\u{c}') => return out.push_str("\\f"),
            Glyph::Char('\n') => return out.push_str("\\n"),
            Glyph::Char('\r') => return out.push_str("\\r"),
            Glyph::Char('\t') => return out.push_str("\\t"),
            Glyph::Char('\u{b}') => return out.push_str("\\v"),
            Glyph::Char(char) if char == quote || char == '\\' => {
                out.push('\\');
                return out.push(char);
            }
            Glyph::Char(char) if !char.is_control() => return out.push(char),
            Glyph::Char(char) => char.into(),
            Glyph::Code(code) => code,
        };
        let _ = if code <= 0o777 { write!(out, "\\{code:03o}") } else { write!(out, "\\x{code:x}") };
    }
}

/// With Rust's escapes.
fn rust_escape(out: &mut String, code: i64, char: Option<char>, quote: char) {
    match char {
        Some('\n') => out.push_str("\\n"),
        Some('\r') => out.push_str("\\r"),
        Some('\t') => out.push_str("\\t"),
        Some('\0') => out.push_str("\\0"),
        Some(char) if char == quote || char == '\\' => {
            out.push('\\');
            out.push(char);
        }
        Some(char) if !char.is_control() => out.push(char),
        _ => {
            let _ = write!(out, "\\u{{{code:x}}}");
        }
    }
}
