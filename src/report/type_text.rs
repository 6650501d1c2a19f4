//! Types as text: what gdb's `ptype` and `ptype /o` print, and the rows behind it for JSON.

use std::fmt::Write;

use super::value_text::keyword;
use crate::order::Order;
use crate::types::dwarf::default_access;
use crate::types::name::{declare, declare_around};
use crate::types::{
    Access, Language, Member, MemberOffset, Method, StaticMember, StructKind, StructType, Type, TypeId, TypeKind,
    TypeTable,
};

/// Structures within structures that are written.
const MAX_DEPTH: usize = 16;
/// Lines of one type.
const MAX_LINES: usize = 20_000;
/// Columns that `ptype /o` uses before a field (gdb 13, `print_offset_data::indentation`).
const OFFSET_COLUMNS: usize = 27;

/// A field of a type, or of an anonymous structure in it.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeRow {
    /// 0 for the type's own fields, more within anonymous structures.
    pub depth: usize,
    /// `None` for anonymous structures and base classes.
    pub name: Option<String>,
    /// Its type's name.
    pub type_name: String,
    /// Bytes from the outermost type's start; `None` where the place is computed (a virtual base).
    pub offset: Option<u64>,
    /// For a bit field: (first bit within the byte at `offset`, width).
    pub bits: Option<(u64, u64)>,
    /// Size in bytes, where known.
    pub size: Option<u64>,
    /// A base class.
    pub base: bool,
}

/// The fields of a structure, class or union; nothing for other types.
pub fn type_rows(types: &TypeTable, id: TypeId) -> Vec<TypeRow> {
    let mut rows = Vec::new();
    collect_rows(types, id, Some(0), 0, &mut rows);
    rows
}

fn collect_rows(types: &TypeTable, id: TypeId, base: Option<u64>, depth: usize, rows: &mut Vec<TypeRow>) {
    let TypeKind::Struct(content) = &types.get(types.strip(id)).kind else { return };
    let variants = content
        .variants
        .iter()
        .flat_map(|part| part.discriminant.iter().chain(part.variants.iter().flat_map(|variant| &variant.members)));
    for member in content.members.iter().chain(variants) {
        if rows.len() >= MAX_LINES {
            return;
        }
        let offset = match member.offset {
            MemberOffset::Bytes(bytes) => base.and_then(|base| base.checked_add(bytes)),
            MemberOffset::Expression(_) => None,
        };
        rows.push(TypeRow {
            depth,
            name: member.name.as_ref().map(|name| name.to_string()),
            type_name: types.name(member.type_id).to_owned(),
            offset,
            bits: member.bits.map(|(start, width)| (start % 8, width)),
            size: types.size(member.type_id),
            base: member.base,
        });
        if member.name.is_none() && !member.base && depth < MAX_DEPTH {
            collect_rows(types, member.type_id, offset, depth + 1, rows);
        }
    }
}

/// What gdb's `ptype /o` writes before `type = `.
pub const OFFSET_HEADING: &str = "/* offset      |    size */  ";

/// gdb's flags of `ptype`.
#[derive(Clone, Copy, Debug)]
pub struct TypeStyle {
    /// Offsets and sizes before each field, and holes.
    pub offsets: bool,
    /// Both in hex.
    pub hex: bool,
    /// Methods too.
    pub methods: bool,
}

impl Default for TypeStyle {
    fn default() -> TypeStyle {
        TypeStyle { offsets: false, hex: false, methods: true }
    }
}

/// The type's definition, as gdb's `ptype` prints it (without `type = `).
pub fn type_text(types: &TypeTable, id: TypeId) -> String {
    type_text_as(types, id, TypeStyle::default())
}

/// The same with offsets and sizes before each field, as gdb's `ptype /o` prints it. For what is no structure, the
/// same as [`type_text`].
pub fn type_text_with_offsets(types: &TypeTable, id: TypeId) -> String {
    type_text_as(types, id, TypeStyle { offsets: true, ..TypeStyle::default() })
}

/// The definition in that style.
pub fn type_text_as(types: &TypeTable, id: TypeId, style: TypeStyle) -> String {
    let base = innermost(types, id);
    let definition = types.get(base);
    let structure = matches!(definition.kind, TypeKind::Struct(_));
    let outermost = types.strip(id) == base;
    let offsets = style.offsets && structure && outermost;
    let mut writer = Writer { out: String::new(), types, lines: 0, offsets, style };
    writer.definition(base, 0, 0);
    let body = writer.out;
    if definition.language == Language::Rust && !outermost {
        return types.name(id).to_owned();
    }
    declare_around(types, id, &body, "")
}

/// The text of a definition with the names of C++'s library in short.
pub fn short_lines(definition: &str) -> String {
    let mut out = String::with_capacity(definition.len());
    for line in definition.split_inclusive('\n') {
        // The brace that opens a body is closed on another line.
        let head = line.trim_end().strip_suffix('{').unwrap_or(line);
        out.push_str(&crate::demangle::shorten(head));
        out.push_str(&line[head.len()..]);
    }
    out
}

/// `operator bool`, whose result is its name.
fn is_conversion(name: &str) -> bool {
    name.strip_prefix("operator ")
        .is_some_and(|to| !to.starts_with("new") && !to.starts_with("delete") && !to.starts_with("co_await"))
}

/// The type that a definition is written of: under pointers, arrays, results, typedefs and qualifiers.
fn innermost(types: &TypeTable, id: TypeId) -> TypeId {
    let mut id = id;
    for _ in 0..64 {
        id = types.strip(id);
        id = match &types.get(id).kind {
            TypeKind::Pointer { target } | TypeKind::Reference { target, .. } => *target,
            TypeKind::MemberPointer { target, .. } => *target,
            TypeKind::Array { element, .. } => *element,
            TypeKind::Function { result: Some(result), .. } => *result,
            _ => return id,
        };
    }
    id
}

struct Writer<'a> {
    out: String,
    types: &'a TypeTable,
    lines: usize,
    offsets: bool,
    style: TypeStyle,
}

impl<'a> Writer<'a> {
    /// The definition at `level` columns, of an object `start` bytes into the outermost one.
    fn definition(&mut self, id: TypeId, level: usize, start: u64) {
        let definition = self.types.get(self.types.strip(id));
        match &definition.kind {
            TypeKind::Struct(content) if definition.language == Language::Rust => {
                self.rust_structure(definition, content, start);
            }
            TypeKind::Struct(content) => self.structure(definition, content, level, start),
            TypeKind::Enum { .. } => self.enumeration(definition),
            _ => self.out.push_str(self.types.name(id)),
        }
    }

    fn structure(&mut self, definition: &Type, content: &StructType, level: usize, start: u64) {
        self.out.push_str(keyword(content.kind));
        self.out.push(' ');
        if let Some(name) = &definition.name {
            let _ = write!(self.out, "{name} ");
        }
        let bases: Vec<&Member> = content.members.iter().filter(|member| member.base).collect();
        for (index, base) in bases.iter().enumerate() {
            let access = match base.access {
                Access::Public => "public",
                Access::Protected => "protected",
                Access::Private => "private",
            };
            let separator = if index == 0 { ":" } else { "," };
            let is_virtual = if base.is_virtual { " virtual" } else { "" };
            let _ = write!(self.out, "{separator} {access}{is_virtual} {}", self.types.name(base.type_id));
            if index + 1 == bases.len() {
                self.out.push(' ');
            }
        }
        self.out.push_str("{\n");
        if content.declaration {
            self.indent(level + 4);
            self.out.push_str("<incomplete type>\n");
        } else {
            self.fields(definition, content, level, start);
        }
        if self.offsets && level == 0 {
            self.out.push_str("  ");
        }
        self.indent(level);
        self.out.push('}');
    }

    fn fields(&mut self, definition: &Type, content: &StructType, level: usize, start: u64) {
        let types = self.types;
        let cpp = definition.language == Language::Cpp;
        let hidden = |member: &Member| {
            member.base || member.artificial && member.name.as_deref().is_some_and(|name| name.starts_with("_vptr"))
        };
        let shown: Vec<&Member> = content.members.iter().filter(|member| !hidden(member)).collect();
        let mut statics = content.statics.iter().peekable();
        let labelled = cpp && !self.offsets && self.is_labelled(content, &shown);
        if content.members.is_empty() && content.statics.is_empty() && content.methods.is_empty() {
            self.indent(level + 4);
            self.out.push_str("<no data fields>\n");
        }
        let mut section = None;
        // Bits of the object that are described so far.
        let mut end = 0u64;
        for (position, member) in content.members.iter().enumerate() {
            while let Some(before) = statics.next_if(|found| found.members_before <= position) {
                self.static_member(before, &mut section, labelled, level);
            }
            if hidden(member) {
                continue;
            }
            if self.lines >= MAX_LINES {
                self.indent(level + 4);
                self.out.push_str("...\n");
                return;
            }
            self.lines += 1;
            self.label(&mut section, labelled, member.access, level);
            let size = types.size(member.type_id).unwrap_or(0);
            let offset = match member.offset {
                MemberOffset::Bytes(bytes) => bytes,
                MemberOffset::Expression(_) => 0,
            };
            let at = member.bits.map_or(offset.saturating_mul(8), |(bit, _)| bit);
            let union = content.kind == StructKind::Union;
            if self.offsets && !union {
                self.hole(end, at, "hole");
                end = at.saturating_add(member.bits.map_or(size.saturating_mul(8), |(_, width)| width));
            }
            let inner = types.get(types.strip(member.type_id));
            let nested = matches!(inner.kind, TypeKind::Struct(_) | TypeKind::Enum { .. });
            let expand = nested
                && level / 4 < MAX_DEPTH
                && (inner.name.is_none() || self.offsets && matches!(inner.kind, TypeKind::Struct(_)))
                && types.strip(member.type_id) == self.types.complete(member.type_id);
            self.offset_columns(start, at, member.bits.is_some(), size, union);
            self.spaces(level + 4);
            let name = member.name.as_deref().unwrap_or("");
            if expand {
                self.definition(member.type_id, level + 4, start.saturating_add(offset));
                if !name.is_empty() {
                    let _ = write!(self.out, " {name}");
                }
            } else {
                self.out.push_str(&declare(types, member.type_id, name));
            }
            if let Some((_, width)) = member.bits {
                let _ = write!(self.out, " : {width}");
            }
            self.out.push_str(";\n");
        }
        for found in statics {
            self.static_member(found, &mut section, labelled, level);
        }
        if !self.offsets && self.style.methods {
            self.methods(definition, content, level, section, labelled);
        } else if self.offsets {
            if content.kind != StructKind::Union {
                self.hole(end, definition.size.unwrap_or(0).saturating_mul(8), "padding");
            }
            self.out.push('\n');
            self.indent(level + 4);
            let _ = writeln!(self.out, "/* total size (bytes): {:4} */", definition.size.unwrap_or(0));
        }
    }

    fn static_member(&mut self, found: &StaticMember, section: &mut Option<Access>, labelled: bool, level: usize) {
        if self.lines >= MAX_LINES {
            return;
        }
        self.lines += 1;
        self.label(section, labelled, found.access, level);
        self.indent(level + 4);
        let _ = writeln!(self.out, "static {};", declare(self.types, found.type_id, &found.name));
    }

    /// Whether anybody's access differs from what the keyword gives.
    fn is_labelled(&self, content: &StructType, shown: &[&Member]) -> bool {
        let own = default_access(content.kind);
        shown.iter().any(|member| member.access != own)
            || content.statics.iter().any(|found| found.access != own)
            || self.methods_of(content).any(|(_, about)| about.access.is_some_and(|access| access != own))
    }

    fn label(&mut self, section: &mut Option<Access>, labelled: bool, access: Access, level: usize) {
        if !labelled || *section == Some(access) {
            return;
        }
        *section = Some(access);
        self.indent(level + 2);
        self.out.push_str(match access {
            Access::Public => "public:\n",
            Access::Protected => "protected:\n",
            Access::Private => "private:\n",
        });
    }

    /// The methods that the source declares.
    fn methods_of(&self, content: &StructType) -> impl Iterator<Item = (&'a Type, &'a Method)> + use<'a> {
        let types = self.types;
        let dies = content.methods.iter().take(MAX_LINES).copied().collect::<Vec<_>>();
        dies.into_iter().filter_map(move |die| {
            let method = types.get(types.of_die(die));
            match &method.kind {
                TypeKind::Function { method: Some(about), .. } if !about.artificial => Some((method, &**about)),
                _ => None,
            }
        })
    }

    fn methods(
        &mut self,
        definition: &Type,
        content: &StructType,
        level: usize,
        mut section: Option<Access>,
        labelled: bool,
    ) {
        let class = definition.name.as_deref().unwrap_or("");
        let own = default_access(content.kind);
        let methods = self.methods_of(content);
        let lines: Vec<(Access, String)> =
            methods.map(|(method, about)| (about.access.unwrap_or(own), self.method(class, method))).collect();
        let fields = content.members.iter().any(|member| !member.base && !member.artificial);
        if content.methods_left_out {
            self.indent(level + 4);
            self.out.push_str("/* its methods are not in the snapshot */\n");
        }
        if !lines.is_empty() && (fields || !content.statics.is_empty()) {
            self.out.push('\n');
        }
        for (access, line) in lines {
            self.lines += 1;
            self.label(&mut section, labelled, access, level);
            self.indent(level + 4);
            let _ = writeln!(self.out, "{line};");
        }
    }

    /// `virtual int area(int) const`
    fn method(&self, class: &str, method: &Type) -> String {
        let TypeKind::Function { result, parameters, variadic, method: Some(about) } = &method.kind else {
            return String::new();
        };
        let name = method.name.as_deref().unwrap_or("");
        let own: &[TypeId] = if about.has_this { parameters.get(1..).unwrap_or(&[]) } else { parameters };
        let mut list: Vec<&str> = own.iter().map(|id| self.types.name(*id)).collect();
        if *variadic {
            list.push("...");
        }
        let list = if list.is_empty() { "void".to_owned() } else { list.join(", ") };
        let mut text = String::new();
        if about.is_virtual {
            text.push_str("virtual ");
        }
        let simple = class.split('<').next().unwrap_or(class).rsplit("::").next().unwrap_or(class);
        let special = name == simple || name.starts_with('~') || is_conversion(name);
        if !about.has_this && !special {
            text.push_str("static ");
        }
        let declarator = format!("{name}({list})");
        match result {
            _ if special => text.push_str(&declarator),
            Some(result) => text.push_str(&declare(self.types, *result, &declarator)),
            None => {
                let _ = write!(text, "void {declarator}");
            }
        }
        if about.has_this && parameters.first().is_some_and(|this| self.points_to_const(*this)) {
            text.push_str(" const");
        }
        text
    }

    fn points_to_const(&self, this: TypeId) -> bool {
        let TypeKind::Pointer { target } = self.types.get(self.types.strip(this)).kind else { return false };
        matches!(self.types.get(target).kind, TypeKind::Qualified { qualifier: "const", .. })
    }

    fn enumeration(&mut self, definition: &Type) {
        let TypeKind::Enum { scoped, underlying, enumerators, .. } = &definition.kind else { return };
        let name = definition.name.as_deref();
        if definition.language == Language::Rust {
            let _ = writeln!(self.out, "enum {} {{", name.unwrap_or(""));
            for (name, _) in enumerators.iter().take(MAX_LINES) {
                let _ = writeln!(self.out, "  {name},");
            }
            return self.out.push('}');
        }
        let cpp = definition.language == Language::Cpp;
        self.out.push_str(if *scoped && cpp { "enum class " } else { "enum " });
        if let Some(name) = name {
            let _ = write!(self.out, "{name} ");
        }
        if let (true, Some(underlying)) = (cpp, underlying) {
            let _ = write!(self.out, ": {} ", self.types.name(self.types.strip(*underlying)));
        }
        let scope = match name {
            Some(name) if cpp && *scoped => format!("{name}::"),
            Some(name) if cpp => name.rfind("::").map_or(String::new(), |end| name[..end + 2].to_owned()),
            _ => String::new(),
        };
        self.out.push('{');
        let mut next = 0i128;
        for (index, (name, value)) in enumerators.iter().take(MAX_LINES).enumerate() {
            let separator = if index > 0 { ", " } else { "" };
            let _ = write!(self.out, "{separator}{scope}{name}");
            if *value != next {
                let _ = write!(self.out, " = {value}");
            }
            next = value.saturating_add(1);
        }
        self.out.push('}');
    }

    /// gdb's Rust syntax: `struct P {`, a field a line, `}`; enums with their variants.
    fn rust_structure(&mut self, definition: &Type, content: &StructType, start: u64) {
        let name = definition.name.as_deref().unwrap_or("");
        if name.starts_with('(') {
            return self.out.push_str(name);
        }
        let Some(part) = &content.variants else {
            let _ = write!(self.out, "{} {name}", keyword(content.kind));
            return self.rust_fields(definition, &content.members, 0, start);
        };
        let _ = writeln!(self.out, "enum {name} {{");
        for member in part.variants.iter().take(MAX_LINES).filter_map(|variant| variant.members.first()) {
            let inner = self.types.get(self.types.strip(member.type_id));
            self.offset_columns(start, 0, false, inner.size.unwrap_or(0), false);
            let _ = write!(
                self.out,
                "{}{}",
                if self.offsets { "    " } else { "  " },
                member.name.as_deref().unwrap_or("?")
            );
            if let TypeKind::Struct(content) = &inner.kind
                && !content.members.is_empty()
            {
                self.rust_variant(inner, &content.members, start);
            }
            self.out.push_str(",\n");
        }
        self.rust_end(definition, 0, '}');
    }

    fn rust_variant(&mut self, inner: &Type, members: &[Member], start: u64) {
        if self.offsets {
            return self.rust_fields(inner, members, 4, start);
        }
        let tuple = is_tuple(members);
        self.out.push(if tuple { '(' } else { '{' });
        for (index, field) in members.iter().take(MAX_LINES).enumerate() {
            self.out.push_str(if index > 0 { ", " } else { "" });
            self.rust_field(field, tuple);
        }
        self.out.push(if tuple { ')' } else { '}' });
    }

    /// ` {`, fields, `}`. With offsets the fields are in memory's order.
    fn rust_fields(&mut self, definition: &Type, members: &[Member], level: usize, start: u64) {
        if members.is_empty() {
            return;
        }
        let tuple = is_tuple(members);
        self.out.push_str(if tuple { " (\n" } else { " {\n" });
        let place = |member: &Member| match member.offset {
            MemberOffset::Bytes(bytes) => bytes,
            MemberOffset::Expression(_) => 0,
        };
        let mut fields: Vec<&Member> = members.iter().take(MAX_LINES).collect();
        if self.offsets {
            fields.order_by_key(|member| place(member));
        }
        let union = matches!(&definition.kind, TypeKind::Struct(content) if content.kind == StructKind::Union);
        let mut end = 0;
        for field in fields {
            let (at, size) = (place(field).saturating_mul(8), self.types.size(field.type_id).unwrap_or(0));
            if self.offsets && !union {
                self.hole(end, at, "hole");
                end = at.saturating_add(size.saturating_mul(8));
            }
            self.offset_columns(start, at, false, size, union);
            self.spaces(if self.offsets { level + 4 } else { 2 });
            self.rust_field(field, tuple);
            self.out.push_str(",\n");
        }
        if self.offsets && !union {
            self.hole(end, definition.size.unwrap_or(0).saturating_mul(8), "padding");
        }
        self.rust_end(definition, level, if tuple { ')' } else { '}' });
    }

    fn rust_end(&mut self, definition: &Type, level: usize, close: char) {
        if self.offsets {
            self.out.push('\n');
            self.indent(level + 4);
            let _ = writeln!(self.out, "/* total size (bytes): {:4} */", definition.size.unwrap_or(0));
            self.indent(if level == 0 { 2 } else { level });
        }
        self.out.push(close);
    }

    fn rust_field(&mut self, field: &Member, tuple: bool) {
        if !tuple {
            let _ = write!(self.out, "{}: ", field.name.as_deref().unwrap_or("?"));
        }
        self.out.push_str(self.types.name(field.type_id));
    }

    /// What `/o` writes before a field.
    fn offset_columns(&mut self, start: u64, bit: u64, bit_field: bool, size: u64, union: bool) {
        if !self.offsets {
            return;
        }
        let bit = start.saturating_mul(8).saturating_add(bit);
        let _ = match (union, bit_field) {
            (true, _) if self.style.hex => write!(self.out, "/*                {size:#06x} */"),
            (_, true) if self.style.hex => {
                write!(self.out, "/* {:#06x}: {:#x} |  {size:#06x} */", bit / 8, bit % 8)
            }
            _ if self.style.hex => write!(self.out, "/* {:#06x}      |  {size:#06x} */", bit / 8),
            (true, _) => write!(self.out, "/*                {size:6} */"),
            (_, true) => write!(self.out, "/* {:6}:{:2}   |  {size:6} */", bit / 8, bit % 8),
            _ => write!(self.out, "/* {:6}      |  {size:6} */", bit / 8),
        };
    }

    fn hole(&mut self, end: u64, at: u64, what: &str) {
        if end == 0 || end >= at {
            return;
        }
        let hole = at - end;
        if !hole.is_multiple_of(8) {
            let _ = writeln!(self.out, "/* XXX {:2}-bit {what:7}    */", hole % 8);
        }
        if hole >= 8 {
            let _ = writeln!(self.out, "/* XXX {:2}-byte {what:7}   */", hole / 8);
        }
    }

    fn indent(&mut self, columns: usize) {
        self.spaces(columns + if self.offsets { OFFSET_COLUMNS } else { 0 });
    }

    fn spaces(&mut self, columns: usize) {
        self.out.extend(std::iter::repeat_n(' ', columns));
    }
}

fn is_tuple(members: &[Member]) -> bool {
    members.iter().enumerate().all(|(index, member)| {
        let number = member.name.as_deref().and_then(|name| name.strip_prefix("__"));
        number.and_then(|number| number.parse().ok()) == Some(index)
    })
}
