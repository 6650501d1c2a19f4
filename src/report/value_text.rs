//! Values as text, in gdb's syntax: C's for C and C++, Rust's for Rust.
//!
//! What gdb 13 prints is the measure: `{x = 1, y = 2}`, `0x4052a0 "text"`, `{0 <repeats 16 times>}`,
//! `crate::Point {x: 1, y: 2}`. Each value is written in its own type's language.

mod named;
mod structure;
mod text;

pub use text::text_within;

use std::fmt::Write;

use super::digits::{push_address, push_decimal};
use crate::types::{Language, StructKind, Type, TypeId, TypeKind, TypeTable};
use crate::value::{Absent, AbsentReason, Field, Map, Summary, Text, Value, ValueKind};

/// Values within values that are written; decoding stops before.
const MAX_DEPTH: usize = 200;

/// gdb's `set print …`, as far as it is about values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrintOptions {
    /// Structures over several lines, a field a line.
    pub pretty: bool,
    /// Arrays over several lines, an element a line.
    pub array_lines: bool,
    /// Elements with their index: `[0] = 4`.
    pub indexes: bool,
    /// Addresses of pointers.
    pub addresses: bool,
    /// The symbol that a pointer to data leads to.
    pub symbols: bool,
    /// Unions within structures; otherwise `{...}`.
    pub unions: bool,
    /// Character arrays end at their first NUL.
    pub null_stop: bool,
    /// Equal elements in a row, beyond which they are written once with their count.
    pub repeats: usize,
    /// The base of whole numbers: 8, 10 or 16.
    pub radix: u32,
}

impl Default for PrintOptions {
    fn default() -> PrintOptions {
        PrintOptions {
            pretty: false,
            array_lines: false,
            indexes: false,
            addresses: true,
            symbols: true,
            unions: true,
            null_stop: false,
            repeats: 10,
            radix: 10,
        }
    }
}

/// How a value is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct ValueStyle {
    /// With a pointer's or reference's type in front, as `print` does: `(struct node *) 0x4052a0`.
    pub typed_pointers: bool,
    /// Columns: what is longer is written over several lines. `None`: always one line.
    pub width: Option<usize>,
    /// Columns already used at the first line's start, and by how much all further lines are indented.
    pub indent: usize,
    /// What the user set.
    pub options: PrintOptions,
}

/// The value on one line, as gdb's `info locals` has it.
pub fn value_text(types: &TypeTable, value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, types, value, ValueStyle::default());
    out
}

/// The value on one line, as gdb's `print` has it.
pub fn printed(types: &TypeTable, value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, types, value, ValueStyle { typed_pointers: true, ..ValueStyle::default() });
    out
}

/// A summary's line.
pub fn summary_text(types: &TypeTable, summary: &Summary) -> String {
    let mut out = String::new();
    let options = PrintOptions::default();
    let mut writer = Writer::new(&mut out, types, None, options);
    for piece in &summary.pieces {
        writer.piece(piece);
    }
    out
}

/// The value as `print` has it, with what the user set.
pub fn printed_with(types: &TypeTable, value: &Value, options: &PrintOptions) -> String {
    let mut out = String::new();
    write_value(
        &mut out,
        types,
        value,
        ValueStyle { typed_pointers: true, options: *options, ..ValueStyle::default() },
    );
    out
}

/// The value as `info locals` has it, with what the user set.
pub fn value_text_with(types: &TypeTable, value: &Value, options: &PrintOptions) -> String {
    let mut out = String::new();
    write_value(&mut out, types, value, ValueStyle { options: *options, ..ValueStyle::default() });
    out
}

/// Appends the value.
pub fn write_value(out: &mut String, types: &TypeTable, value: &Value, style: ValueStyle) {
    let mut writer = Writer::new(out, types, style.width, style.options);
    if style.typed_pointers {
        writer.pointer_type(value);
    }
    writer.value(value, true, style.indent);
}

/// Why there is no value, as gdb users know it.
pub fn absent_text(absent: &Absent) -> String {
    match (absent.why, absent.address, &absent.detail) {
        (AbsentReason::OptimizedOut, ..) => "<optimized out>".to_owned(),
        (AbsentReason::Unreadable, Some(address), _) => format!("<error: Cannot access memory at address {address}>"),
        (_, Some(address), Some(detail)) => format!("<{detail} at {address}>"),
        (_, _, Some(detail)) => format!("<{detail}>"),
        (why, ..) => format!("<{}>", why.code().replace('-', " ")),
    }
}

struct Writer<'a> {
    out: &'a mut String,
    types: &'a TypeTable,
    width: Option<usize>,
    options: PrintOptions,
    depth: usize,
    /// Virtual base classes of the object that is being written that were written so far, by their names.
    virtual_bases: Vec<&'a str>,
    /// What is written next is a base class of it.
    in_base: bool,
}

/// What is shown behind a reference within something else: what is short, text, and objects of a library.
fn is_shown_behind(value: &Value) -> bool {
    matches!(
        value.kind,
        ValueKind::String(_)
            | ValueKind::Sequence(_)
            | ValueKind::Map(_)
            | ValueKind::Summary(_)
            | ValueKind::Titled { .. }
            | ValueKind::Parts { .. }
            | ValueKind::Int(_)
            | ValueKind::Uint(_)
            | ValueKind::Bool(_)
            | ValueKind::Char { .. }
            | ValueKind::Enum { .. }
            | ValueKind::Float { .. }
            | ValueKind::Pointer { reference: false, .. }
    )
}

impl<'a> Writer<'a> {
    fn new(out: &'a mut String, types: &'a TypeTable, width: Option<usize>, options: PrintOptions) -> Writer<'a> {
        Writer { out, types, width, options, depth: 0, virtual_bases: Vec::new(), in_base: false }
    }

    fn definition(&self, id: TypeId) -> &'a Type {
        self.types.stripped(id).1
    }

    /// `(struct node *) ` where `print` writes it.
    fn pointer_type(&mut self, value: &Value) {
        if !matches!(value.kind, ValueKind::Pointer { .. }) {
            return;
        }
        let definition = self.definition(value.type_id);
        let target = match definition.kind {
            TypeKind::Pointer { target } => Some(target),
            TypeKind::Reference { .. } => None,
            _ => return,
        };
        // A string says by itself what it is: gdb leaves out `char *`, but not `unsigned char *` or a typedef.
        let unnamed = !matches!(self.types.get(value.type_id).kind, TypeKind::Typedef { .. });
        if definition.language != Language::Rust
            && unnamed
            && target.is_some_and(|target| self.unqualified(target).name.as_deref() == Some("char"))
        {
            return;
        }
        let name = self.short_name(value.type_id);
        self.push(&["(", &name, ") "]);
    }

    /// The type's name, those of C++'s library in short.
    fn short_name(&self, id: TypeId) -> std::borrow::Cow<'a, str> {
        let name = self.types.name(id);
        match self.types.get(id).language {
            Language::Rust | Language::Go => name.into(),
            _ => crate::demangle::shorten(name),
        }
    }

    /// Texts behind each other. Most of what is written is names: without the formatting's machinery they cost half.
    fn push(&mut self, texts: &[&str]) {
        texts.iter().for_each(|text| self.out.push_str(text));
    }

    /// The type under its qualifiers, typedefs kept.
    fn unqualified(&self, id: TypeId) -> &'a Type {
        let mut id = id;
        for _ in 0..16 {
            let TypeKind::Qualified { target, .. } = self.types.get(id).kind else { break };
            id = target;
        }
        self.types.get(id)
    }

    fn value(&mut self, value: &Value, top: bool, indent: usize) {
        if self.depth >= MAX_DEPTH {
            self.out.push_str("...");
            return;
        }
        self.depth += 1;
        self.value_within(value, top, indent);
        self.depth -= 1;
    }

    fn value_within(&mut self, value: &Value, top: bool, indent: usize) {
        let definition = self.definition(value.type_id);
        let rust = definition.language == Language::Rust;
        match &value.kind {
            ValueKind::Int(number) => match definition.kind {
                TypeKind::MemberPointer { class, .. } => self.data_member(class, *number),
                _ if self.options.radix != 10 => self.in_radix(definition, *number),
                TypeKind::Int { .. } if definition.language == Language::C => {
                    let name = definition.name.as_deref().unwrap_or_default();
                    match super::formatted::flags_text(name, *number as u64) {
                        Some(flags) => self.out.push_str(&flags),
                        None => push_decimal(self.out, *number),
                    }
                }
                _ => push_decimal(self.out, *number),
            },
            ValueKind::Uint(number) if self.options.radix != 10 => self.in_radix(definition, *number as i128),
            ValueKind::Uint(number) => push_decimal(self.out, *number),
            ValueKind::Described { text, .. } => self.out.push_str(text),
            ValueKind::Char { code, char } => self.character(definition, *code, *char),
            ValueKind::Bool(0) => self.out.push_str("false"),
            ValueKind::Bool(1) => self.out.push_str("true"),
            ValueKind::Bool(other) => push_decimal(self.out, *other),
            ValueKind::Enum { value, name } => self.enumeration(definition, *value, name.as_deref()),
            ValueKind::Float { text, .. } => match definition.language {
                Language::Go | Language::Rust => self.out.push_str(&text.shortest()),
                _ => self.display(text),
            },
            ValueKind::Pointer { address, reference, symbol, string, pointee } => {
                if matches!(definition.kind, TypeKind::Function { .. }) && definition.language != Language::Go {
                    let name = self.short_name(value.type_id);
                    self.push(&["{", &name, "} "]);
                }
                match address {
                    Some(address) if *reference => {
                        self.out.push('@');
                        push_address(self.out, address.0);
                    }
                    Some(_) if !self.options.addresses && self.shows_target(definition, string, symbol) => {}
                    Some(address) => push_address(self.out, address.0),
                    None if !*reference => self.out.push_str("<synthetic pointer>"),
                    None => {}
                }
                if let Some(symbol) = symbol
                    && (self.options.symbols || self.is_function_pointer(definition))
                {
                    self.space();
                    self.push(&["<", &crate::demangle::shorten(symbol), ">"]);
                }
                match string {
                    Some(text) => {
                        self.space();
                        self.text(text, self.text_prefix(definition), false);
                    }
                    None => self.unreadable_string(definition, *address),
                }
                // Within others, structures and arrays stay where they are.
                if let (true, Some(pointee)) = (*reference, pointee.as_ref().filter(|to| top || is_shown_behind(to))) {
                    if address.is_some() {
                        self.out.push_str(": ");
                    }
                    self.value(pointee, false, indent);
                }
            }
            ValueKind::Struct { .. } if self.is_hidden_union(definition) => self.out.push_str("{...}"),
            ValueKind::Struct { fields, .. } => match &definition.kind {
                TypeKind::Complex => self.complex(fields),
                TypeKind::MemberPointer { .. } => self.method_pointer(value.type_id, fields),
                _ if rust => self.rust_structure(self.types.name(self.types.strip(value.type_id)), fields, indent, " "),
                _ => self.c_structure(fields, indent, structure::class_of(definition)),
            },
            ValueKind::Array { items, omitted, .. } => {
                // Without formatters too, gdb has arrays of characters as text.
                match self.characters(definition, items, *omitted).filter(|_| !rust) {
                    Some(text) => self.text(&text, self.text_prefix(definition), *omitted == 0),
                    None => {
                        let (open, close) = if rust { ('[', ']') } else { ('{', '}') };
                        self.array(items, *omitted, indent, open, close);
                    }
                }
            }
            ValueKind::String(text) if rust => self.text(text, "", false),
            ValueKind::String(text) => {
                // Only arrays end in a terminator of their own.
                let all = text.omitted == 0 && matches!(definition.kind, TypeKind::Array { .. });
                self.text(text, self.text_prefix(definition), all);
            }
            ValueKind::Titled { title, content } => {
                self.title(title, false);
                self.value(content, false, indent);
            }
            ValueKind::Sequence(sequence) => {
                self.title(&sequence.title, sequence.items.is_empty() && sequence.omitted == 0);
                if !sequence.items.is_empty() || sequence.omitted > 0 || sequence.title.is_empty() {
                    self.array(&sequence.items, sequence.omitted, indent, '{', '}');
                }
            }
            ValueKind::Map(map) => {
                self.title(&map.title, map.items.is_empty() && map.omitted == 0);
                if !map.items.is_empty() || map.omitted > 0 || map.title.is_empty() {
                    self.map(map, indent);
                }
            }
            ValueKind::Parts { title, fields } => {
                self.title(title, fields.is_empty());
                if !fields.is_empty() {
                    self.c_structure(fields, indent, None);
                }
            }
            ValueKind::Summary(summary) => {
                for piece in &summary.pieces {
                    self.piece(piece);
                }
                if let Some(content) = &summary.content {
                    if !summary.pieces.is_empty() {
                        self.out.push_str(" = ");
                    }
                    self.value(content, false, indent);
                }
            }
            ValueKind::Variant { title: Some(title), fields, .. } => match fields.as_slice() {
                [] => self.title(title, true),
                [Field { name: Some(name), value, .. }] if name == "__0" => {
                    self.title(title, false);
                    self.value(value, false, indent);
                }
                fields => self.rust_structure(title, fields, indent, " "),
            },
            ValueKind::Variant { title: None, variant, fields } => {
                let name = format!("{}::{variant}", self.types.name(self.types.strip(value.type_id)));
                self.rust_structure(&name, fields, indent, "");
            }
            ValueKind::Absent(absent) => self.out.push_str(&absent_text(absent)),
            ValueKind::Elided => self.out.push_str("{...}"),
        }
    }

    /// Something stands for the pointer where its address is not shown.
    fn shows_target(&self, definition: &Type, string: &Option<Text>, symbol: &Option<String>) -> bool {
        string.is_some() || symbol.is_some() && (self.options.symbols || self.is_function_pointer(definition))
    }

    fn is_function_pointer(&self, definition: &Type) -> bool {
        match definition.kind {
            TypeKind::Pointer { target } => matches!(self.definition(target).kind, TypeKind::Function { .. }),
            TypeKind::Function { .. } => true,
            _ => false,
        }
    }

    /// A union within something else, where those are not to be shown.
    fn is_hidden_union(&self, definition: &Type) -> bool {
        let union = matches!(&definition.kind, TypeKind::Struct(content) if content.kind == StructKind::Union);
        union && !self.options.unions && self.depth > 1
    }

    /// A space after an address that was written.
    fn space(&mut self) {
        if self.options.addresses {
            self.out.push(' ');
        }
    }

    fn display(&mut self, value: impl std::fmt::Display) {
        let _ = write!(self.out, "{value}");
    }

    /// `{1, 2, 3}`, equal neighbours once.
    fn array(&mut self, items: &[Value], omitted: u64, indent: usize, open: char, close: char) {
        self.out.push(open);
        // Rows of a table and structures are worth a line each; numbers are not.
        let long = items.first().is_some_and(|item| {
            matches!(
                item.kind,
                ValueKind::Struct { .. }
                    | ValueKind::Array { .. }
                    | ValueKind::Variant { .. }
                    | ValueKind::Sequence(_)
                    | ValueKind::Map(_)
                    | ValueKind::Parts { .. }
            )
        });
        let lines = self.options.array_lines && !items.is_empty()
            || long
                && !self.options.pretty
                && self.breaks(indent, |writer| writer.array_items(items, omitted, None, 0));
        self.array_items(items, omitted, lines.then_some(indent), indent + 2);
        if lines {
            self.new_line(indent);
        }
        self.out.push(close);
    }

    fn array_items(&mut self, items: &[Value], omitted: u64, lines: Option<usize>, nested: usize) {
        let mut index = 0;
        while index < items.len() {
            if index > 0 {
                self.out.push_str(if lines.is_some() { "," } else { ", " });
            }
            if let Some(indent) = lines {
                self.new_line(indent + 2);
            }
            let alike = items[index..].iter().take_while(|item| same(item, &items[index])).count();
            if self.options.indexes {
                let _ = write!(self.out, "[{index}] = ");
            }
            self.value(&items[index], false, nested);
            if alike > self.options.repeats {
                let _ = write!(self.out, " <repeats {alike} times>");
                index += alike;
            } else {
                index += 1;
            }
        }
        if omitted > 0 {
            self.out.push_str("...");
        }
    }

    /// A formatter's words, and what joins them to the content.
    fn title(&mut self, title: &str, alone: bool) {
        self.out.push_str(title);
        if !title.is_empty() && !alone {
            self.out.push_str(" = ");
        }
    }

    /// `{["a"] = 1, ["b"] = 2}`
    fn map(&mut self, map: &Map, indent: usize) {
        self.out.push('{');
        let lines = self.breaks(indent, |writer| writer.entries(map, None));
        self.entries(map, lines.then_some(indent));
        if lines {
            self.new_line(indent);
        }
        self.out.push('}');
    }

    fn entries(&mut self, map: &Map, lines: Option<usize>) {
        for (index, (key, value)) in map.items.iter().enumerate() {
            if index > 0 {
                self.out.push_str(if lines.is_some() { "," } else { ", " });
            }
            if let Some(indent) = lines {
                self.new_line(indent + 2);
            }
            let nested = lines.map_or(0, |indent| indent + 2);
            // A walk that ended too early says so once.
            if !matches!(key.kind, ValueKind::Absent(_)) || key != value {
                self.out.push('[');
                self.value(key, false, nested);
                self.out.push_str("] = ");
            }
            self.value(value, false, nested);
        }
        if map.omitted > 0 {
            self.out.push_str("...");
        }
    }

    /// Whether what `compact` writes is too long for the rest of the line, or lines are asked for.
    fn breaks(&mut self, indent: usize, compact: impl FnOnce(&mut Writer<'_>)) -> bool {
        if self.options.pretty {
            return true;
        }
        let Some(width) = self.width else { return false };
        let mut trial = String::new();
        let (types, options) = (self.types, self.options);
        compact(&mut Writer { depth: self.depth, ..Writer::new(&mut trial, types, None, options) });
        trial.chars().count() + indent + 2 > width
    }

    fn new_line(&mut self, indent: usize) {
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n(' ', indent));
    }

    fn complex(&mut self, fields: &[Field]) {
        for (index, field) in fields.iter().enumerate() {
            if index > 0 {
                self.out.push_str(" + ");
            }
            self.value(&field.value, false, 0);
        }
        self.out.push('i');
    }
}

/// Whether two neighbours are written as one. (Not-a-numbers are equal here where they look so.)
fn same(left: &Value, right: &Value) -> bool {
    match (&left.kind, &right.kind) {
        (ValueKind::Float { text: left, .. }, ValueKind::Float { text: right, .. }) => left == right,
        _ => left == right,
    }
}

/// Which keyword a structure has, for those who write definitions.
pub(crate) fn keyword(kind: StructKind) -> &'static str {
    match kind {
        StructKind::Struct => "struct",
        StructKind::Class => "class",
        StructKind::Union => "union",
    }
}
