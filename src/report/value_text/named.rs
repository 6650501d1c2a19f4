//! Values that show as names: enumerators, members that a pointer to member stands for.

use std::fmt::Write;

use super::Writer;
use crate::types::{Language, Type, TypeId, TypeKind};
use crate::value::decode::flags;
use crate::value::{Field, ValueKind};

impl Writer<'_> {
    /// `Kind::Beta`, `(A | B)`, `(A | unknown: 0x8)`, a number; `time.March (3)`, where a constant of Go's has the value.
    pub(super) fn enumeration(&mut self, definition: &Type, value: i128, name: Option<&str>) {
        // An atomic shows as what it holds.
        let held = match &definition.kind {
            TypeKind::Struct(content) => content.template_types.first(),
            _ => None,
        };
        let held = held.map(|(_, id)| self.types.get(self.types.strip(*id)));
        let definition = held.filter(|held| matches!(held.kind, TypeKind::Enum { .. })).unwrap_or(definition);
        let TypeKind::Enum { scoped, enumerators, .. } = &definition.kind else {
            if let Some(name) = name {
                let _ = write!(self.out, "{name} ({value})");
                return;
            }
            return self.display(value);
        };
        let scope = match (&definition.name, definition.language) {
            (Some(name), Language::Rust) => name.as_str(),
            (Some(name), Language::Cpp) if *scoped => name.as_str(),
            (Some(name), Language::Cpp) => scope_of(name),
            _ => "",
        };
        let separator = if scope.is_empty() { "" } else { "::" };
        if let Some((name, _)) = enumerators.iter().find(|(_, known)| *known == value) {
            let _ = write!(self.out, "{scope}{separator}{name}");
            return;
        }
        let Some((names, rest)) = flags(enumerators, value) else { return self.display(value) };
        if names.is_empty() && rest == 0 {
            return self.out.push('0');
        }
        self.out.push('(');
        for (index, name) in names.iter().enumerate() {
            let bar = if index > 0 { " | " } else { "" };
            let _ = write!(self.out, "{bar}{scope}{separator}{name}");
        }
        if rest != 0 {
            let bar = if names.is_empty() { "" } else { " | " };
            let _ = write!(self.out, "{bar}unknown: {rest:#x}");
        }
        self.out.push(')');
    }

    /// A whole number in another base than ten, of the bits that its type has.
    pub(super) fn in_radix(&mut self, definition: &Type, number: i128) {
        let bits = definition.size.filter(|size| (1..16).contains(size)).map_or(128, |size| 8 * size as u32);
        let bits = number as u128 & (u128::MAX >> (128 - bits));
        let _ = match self.options.radix {
            8 if bits == 0 => write!(self.out, "0"),
            8 => write!(self.out, "0{bits:o}"),
            _ => write!(self.out, "{bits:#x}"),
        };
    }

    /// A pointer to data member: `&Node::v` where a member is at that offset.
    pub(super) fn data_member(&mut self, class: TypeId, offset: i128) {
        if offset == -1 {
            return self.out.push_str("NULL");
        }
        if let TypeKind::Struct(content) = &self.definition(class).kind {
            let at = |member: &&crate::types::Member| matches!(member.offset, crate::types::MemberOffset::Bytes(bytes) if i128::from(bytes) == offset);
            let found = content.members.iter().filter(|member| !member.base && member.bits.is_none()).find(at);
            if let Some(name) = found.and_then(|member| member.name.as_ref()) {
                let _ = write!(self.out, "&{}::{name}", self.short_name(class));
                return;
            }
        }
        self.display(offset);
    }

    pub(super) fn method_pointer(&mut self, id: TypeId, fields: &[Field]) {
        let number = |field: &Field| match &field.value.kind {
            ValueKind::Int(number) => Some(*number),
            _ => None,
        };
        let (Some(function), delta) = (fields.first(), fields.get(1).and_then(number).unwrap_or(0)) else { return };
        match &function.value.kind {
            ValueKind::Pointer { address: Some(address), .. } if address.0 == 0 => self.out.push_str("NULL"),
            ValueKind::Uint(slot) => {
                let _ = write!(self.out, "&virtual table offset {}", slot & !1);
                if delta != 0 {
                    let _ = write!(self.out, ", this adjustment {delta}");
                }
            }
            _ => {
                let _ = write!(self.out, "({}) ", self.short_name(id));
                self.value(&function.value, false, 0);
                if delta != 0 {
                    let _ = write!(self.out, ", this adjustment {delta}");
                }
            }
        }
    }
}

/// The scope of a qualified name (`ns` of `ns::E`), brackets skipped.
fn scope_of(name: &str) -> &str {
    let mut nesting = 0usize;
    let bytes = name.as_bytes();
    for index in (0..bytes.len()).rev() {
        match bytes[index] {
            b'>' | b')' => nesting += 1,
            b'<' | b'(' => nesting = nesting.saturating_sub(1),
            b':' if nesting == 0 && index > 0 && bytes[index - 1] == b':' => return &name[..index - 1],
            _ => {}
        }
    }
    ""
}
