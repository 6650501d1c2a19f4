//! Structures as text: C's and C++'s with their bases and static members, Rust's by name or by number.

use super::Writer;
use crate::types::{StructType, Type, TypeKind};
use crate::value::Field;

/// What the text of a structure's fields says of its class.
#[derive(Clone, Copy)]
pub(super) struct Class<'a> {
    name: &'a str,
    content: &'a StructType,
}

impl Class<'_> {
    fn has_bases(&self) -> bool {
        self.content.members.iter().any(|member| member.base)
    }
}

pub(super) fn class_of(definition: &Type) -> Option<Class<'_>> {
    let TypeKind::Struct(content) = &definition.kind else { return None };
    Some(Class { name: definition.name.as_deref()?, content })
}

impl Writer<'_> {
    pub(super) fn c_structure(&mut self, fields: &[Field], indent: usize, class: Option<Class<'_>>) {
        let outer =
            if std::mem::take(&mut self.in_base) { None } else { Some(std::mem::take(&mut self.virtual_bases)) };
        let shown: Vec<&Field> = fields.iter().filter(|field| self.is_first(field, class)).collect();
        self.out.push('{');
        let lines = self.breaks(indent, |writer| writer.c_fields(&shown, None, class));
        self.c_fields(&shown, lines.then_some(indent), class);
        if lines {
            self.new_line(indent);
        }
        self.out.push('}');
        if let Some(outer) = outer {
            self.virtual_bases = outer;
        }
    }

    /// Whether the field is to be written: an object has but one of each virtual base class, which gdb shows once.
    fn is_first(&mut self, field: &Field, class: Option<Class<'_>>) -> bool {
        let Some(class) = class.filter(|_| field.base) else { return true };
        let is_it = |member: &&crate::types::Member| member.base && member.type_id == field.value.type_id;
        if !class.content.members.iter().find(is_it).is_some_and(|member| member.is_virtual) {
            return true;
        }
        let name = self.types.name(self.types.strip(field.value.type_id));
        let is_first = !self.virtual_bases.contains(&name);
        if is_first {
            self.virtual_bases.push(name);
        }
        is_first
    }

    fn c_fields(&mut self, fields: &[&Field], lines: Option<usize>, class: Option<Class<'_>>) {
        let mut own = class.is_some_and(|class| !class.content.statics.is_empty());
        let (mut after_base, mut labelled) = (false, false);
        for (index, field) in fields.iter().enumerate() {
            if index > 0 {
                self.out.push_str(if lines.is_some() { "," } else { ", " });
            }
            if let Some(indent) = lines {
                // gdb has these where it was asked for lines.
                if self.options.pretty && after_base {
                    self.out.push(' ');
                }
                let class = class.filter(|class| self.options.pretty && !field.base && class.has_bases());
                if let Some(class) = class.filter(|_| !std::mem::replace(&mut labelled, true)) {
                    self.new_line(indent + 2);
                    self.push(&["members of ", &crate::demangle::shorten(class.name), ":"]);
                }
                self.new_line(indent + 2);
            }
            own |= !field.base;
            after_base = field.base;
            match &field.name {
                _ if field.base => {
                    let name = self.short_name(field.value.type_id);
                    self.push(&["<", &name, "> = "]);
                }
                Some(name) if field.is_static => self.push(&["static ", name, " = "]),
                Some(name) => {
                    self.push(&[name, " = "]);
                }
                None => {}
            }
            self.in_base = field.base;
            self.value(&field.value, false, lines.map_or(0, |indent| indent + 2));
            self.in_base = false;
        }
        if !own {
            self.out.push_str(if fields.is_empty() { "<No data fields>" } else { ", <No data fields>" });
        }
    }

    /// `Point {x: 1, y: 2}`, `Pair (1, 2)`, `(1, 2)`; a variant without the space.
    pub(super) fn rust_structure(&mut self, name: &str, fields: &[Field], indent: usize, space: &str) {
        let tuple = name.starts_with('(');
        if !tuple {
            self.out.push_str(name);
            if fields.is_empty() {
                return;
            }
            self.out.push_str(space);
        }
        let numbered = |(index, field): (usize, &Field)| {
            let number = field.name.as_deref().and_then(|name| name.strip_prefix("__"));
            number.and_then(|number| number.parse().ok()) == Some(index)
        };
        let named = !tuple && !fields.iter().enumerate().all(numbered);
        self.out.push(if named { '{' } else { '(' });
        let lines = self.breaks(indent, |writer| writer.rust_fields(fields, named, None));
        self.rust_fields(fields, named, lines.then_some(indent));
        if lines {
            self.new_line(indent);
        }
        self.out.push(if named { '}' } else { ')' });
    }

    fn rust_fields(&mut self, fields: &[Field], named: bool, lines: Option<usize>) {
        for (index, field) in fields.iter().enumerate() {
            if index > 0 {
                self.out.push_str(if lines.is_some() { "," } else { ", " });
            }
            if let Some(indent) = lines {
                self.new_line(indent + 2);
            }
            if let (true, Some(name)) = (named, &field.name) {
                self.push(&[name, ": "]);
            }
            self.value(&field.value, false, lines.map_or(0, |indent| indent + 2));
        }
    }
}
