//! Entries of maps: what a filter over a map looks at, and what it gives.
//!
//! A key and its value need not lie beside each other, so that an entry is two things, `.key` and `.value`; C++'s names
//! of a pair's members (`.first`, `.second`) and Rust's of a tuple's (`.0`, `.1`) mean the same.

use std::ops::Range;
use std::sync::Arc;

use super::ErrorKind;
use super::arithmetic::Number;
use super::eval::{Evaluated, Evaluator, Items, Role, Step};
use super::sequence::MAX_ITEMS;
use super::tree::Node;
use crate::types::{Language, Member, StructKind, StructType, Type, TypeId, TypeKind};
use crate::value::formatters::Entries;
use crate::value::{Absent, AbsentReason};

/// The name of an entry's type.
const ENTRY: &str = "map entry";

impl Evaluator<'_> {
    /// The entries of a map in a row.
    #[inline(never)]
    pub(super) fn entries(&self, entries: Entries<'_>) -> Step<Evaluated> {
        let mut elements = Vec::new();
        let mut end = None;
        let mut known: Option<(TypeId, TypeId, TypeId)> = None;
        for entry in entries {
            if elements.len() >= MAX_ITEMS || self.is_spent() {
                let detail = format!("only the first {} entries were looked at", elements.len());
                end = Some(Absent::because(AbsentReason::Unsupported, detail));
                break;
            }
            match entry {
                Ok((key, value)) => {
                    let (key, value) = (self.part(key)?, self.part(value)?);
                    let type_id = match known {
                        Some((keys, values, entry)) if (keys, values) == (key.type_id, value.type_id) => entry,
                        _ => self.entry_type(key.type_id, value.type_id),
                    };
                    known = Some((key.type_id, value.type_id, type_id));
                    elements.push(self.entry(key, value, type_id));
                }
                Err(absent) => {
                    end = Some(absent);
                    break;
                }
            }
        }
        let element = elements.first().map_or_else(|| self.make("int"), |first| first.type_id);
        Ok(self.items_of(element, Items { elements, end, role: Role::Map }))
    }

    /// A key and its value, whose type together is `type_id`.
    pub(super) fn entry(&self, key: Evaluated, value: Evaluated, type_id: TypeId) -> Evaluated {
        let place = Err(Absent::because(AbsentReason::Unsupported, "an entry is a key and a value"));
        let parts = Items { elements: vec![key, value], end: None, role: Role::Entry };
        Evaluated { place, type_id, lvalue: false, items: Some(Arc::new(parts)) }
    }

    /// A structure of both, for what is asked of the type alone.
    fn entry_type(&self, key: TypeId, value: TypeId) -> TypeId {
        self.made_once(&format!("{ENTRY} {key:?} {value:?}"), || {
            let types = self.scope.types();
            let behind = types.size(key).unwrap_or(0);
            let member =
                |name: &'static str, type_id: TypeId, offset: u64| Member::of(Some(name.into()), type_id, offset);
            let content =
                StructType::of(StructKind::Struct, vec![member("key", key, 0), member("value", value, behind)]);
            let size = types.size(value).and_then(|size| size.checked_add(behind));
            let name = Some(ENTRY.to_owned());
            types.make(Type { name, size, language: Language::C, kind: TypeKind::Struct(content) })
        })
    }

    /// A part of an entry by its name; `None` where the value is no entry.
    #[inline(never)]
    pub(super) fn part_of_entry(&self, entry: &Evaluated, name: &str, span: &Range<usize>) -> Option<Step<Evaluated>> {
        let is_entry = || self.scope.types().get(entry.type_id).name.as_deref() == Some(ENTRY);
        let parts = entry.items.as_ref().filter(|items| items.role == Role::Entry);
        if parts.is_none() && !(self.dry.get() && is_entry()) {
            return None;
        }
        let index = match name {
            "key" | "first" | "0" | "__0" => 0,
            "value" | "second" | "1" | "__1" => 1,
            _ => {
                let message = format!("an entry of a map has no member {name}, but .key and .value");
                return Some(self.error(ErrorKind::UnknownName, span, message));
            }
        };
        if let Some(part) = parts.and_then(|parts| parts.elements.get(index)) {
            return Some(Ok(part.clone()));
        }
        let TypeKind::Struct(content) = self.kind_of(entry.type_id) else { return None };
        content.members.get(index).map(|member| Ok(self.anywhere(member.type_id)))
    }

    /// The value of a key among the entries that a filter gave; `None` where the value is no such thing.
    #[inline(never)]
    pub(super) fn indexed_entries(&self, map: &Evaluated, index: &Node, depth: usize) -> Option<Step<Evaluated>> {
        let entries = map.items.clone().filter(|items| items.role == Role::Map)?;
        Some(self.value_of(index, depth).and_then(|wanted| {
            let text = if self.is_text(wanted.type_id) { Some(self.text(&wanted, 1 << 16)?) } else { None };
            for entry in &entries.elements {
                let Some([key, value]) = entry.items.as_ref().map(|parts| &parts.elements[..]) else { continue };
                if self.dry.get() || self.is_key(key, &wanted, text.as_deref(), &index.span)? {
                    return Ok(value.clone());
                }
            }
            if let Some(end) = &entries.end {
                return Err(end.clone().into());
            }
            let key = self.text.get(index.span.clone()).unwrap_or_default();
            self.error(ErrorKind::UnknownName, &index.span, format!("there is no key {key}"))
        }))
    }

    /// What an entry is in a condition by itself: nothing that is true or false.
    #[inline(never)]
    pub(super) fn no_number_of_entry(&self, value: &Evaluated, span: &Range<usize>) -> Option<Step<Number>> {
        let is_entry = value.items.as_ref().is_some_and(|items| items.role == Role::Entry);
        is_entry.then(|| self.type_error(span, "an entry of a map is no number; .key and .value are its parts"))
    }
}
