//! Views of formatters as values: the first elements, within the limits.

use super::{Run, Source};
use crate::types::{TypeId, TypeKind};
use crate::value::formatters::{self, Entries, Item, Items, MAX_WALK, Object, View, Walk};
use crate::value::{Absent, Field, Map, Sequence, Text, Value, ValueKind};

impl<'d, 'a: 'd> Run<'d, 'a> {
    /// What a formatter makes of the object; `None` where none knows it.
    pub(super) fn formatted(
        &mut self,
        source: Source<'_>,
        type_id: TypeId,
        nest: usize,
    ) -> Option<Result<ValueKind, Absent>> {
        let decoder = self.decoder;
        let found = decoder.formatters(type_id);
        if found.is_empty() {
            return None;
        }
        let (stripped, definition) = decoder.types.stripped(type_id);
        let source = match definition.kind {
            TypeKind::Struct(_) => match self.in_one_piece(source, definition.size) {
                Ok(source) => source,
                Err(absent) => return Some(Err(absent)),
            },
            _ => source,
        };
        let object = Object::new(decoder, source, type_id);
        let view = match formatters::view(&object, found)? {
            Ok(view) => view,
            Err(absent) => return Some(Err(absent)),
        };
        let place = source.address();
        if let Some(place) = place {
            self.enter(place, stripped);
        }
        let kind = self.shown(view, type_id, nest);
        if place.is_some() {
            self.path.pop();
        }
        Some(kind)
    }

    fn shown(&mut self, view: View<'_>, type_id: TypeId, nest: usize) -> Result<ValueKind, Absent> {
        let deep = nest >= self.decoder.limits.depth;
        match view {
            View::Text { title, first, length } => {
                let unit = self.decoder.size(first.type_id)?;
                if let Some(address) = first.address() {
                    let bytes = length.saturating_mul(unit);
                    first.must_be_mapped(address.0, bytes, format_args!("{length} characters"))?;
                }
                let text = self.text(first.source(), length, unit.clamp(1, 4))?;
                let text = match text {
                    // Text of one-byte characters keeps its length in bytes, whatever could be read of it.
                    ValueKind::String(text) => ValueKind::String(Text { length: Some(length), ..text }),
                    other => other,
                };
                match title.as_str() {
                    "" => Ok(text),
                    _ => Ok(ValueKind::Titled { title, content: Box::new(Value { type_id, kind: text }) }),
                }
            }
            View::Transparent(item) => {
                let value = self.item(item, type_id, nest);
                Ok(value.kind)
            }
            View::Parts { title, parts } if parts.is_empty() => Ok(ValueKind::Parts { title, fields: Vec::new() }),
            View::Variant { title, variant, content: None } => {
                Ok(ValueKind::Variant { title: Some(title.into()), variant: variant.into(), fields: Vec::new() })
            }
            View::Sequence { title, set, items } if items.length() == Some(0) => {
                Ok(ValueKind::Sequence(Box::new(Sequence {
                    title,
                    set,
                    length: Some(0),
                    items: Vec::new(),
                    omitted: 0,
                })))
            }
            View::Map { title, length: Some(0), .. } => {
                Ok(ValueKind::Map(Box::new(Map { title, length: Some(0), items: Vec::new(), omitted: 0 })))
            }
            _ if deep => Ok(ValueKind::Elided),
            View::Parts { title, parts } => {
                let fields = parts
                    .into_iter()
                    .map(|(name, item)| Field::of(Some(name), self.item(item, type_id, nest + 1)))
                    .collect();
                Ok(ValueKind::Parts { title, fields })
            }
            View::Variant { title, variant, content: Some(item) } => {
                let value = self.item(item, type_id, nest + 1);
                let fields = vec![Field::of(Some("__0".into()), value)];
                Ok(ValueKind::Variant { title: Some(title.into()), variant: variant.into(), fields })
            }
            View::Sequence { title, set, items } => Ok(self.sequence(title, set, items, type_id, nest)),
            View::Map { title, length, entries } => Ok(self.map(title, length, entries, type_id, nest)),
        }
    }

    fn item(&mut self, item: Item<'_>, holder: TypeId, nest: usize) -> Value {
        match item {
            Item::Value(value) => value,
            Item::Object(object) => {
                let stripped = self.decoder.types.strip(object.type_id);
                let around = object.address().is_some_and(|address| self.path.contains(&(address, stripped)));
                if around && object.type_id != holder {
                    return Value { type_id: object.type_id, kind: ValueKind::Elided };
                }
                self.value(object.source(), object.type_id, nest)
            }
        }
    }

    fn sequence(&mut self, title: String, set: bool, items: Items<'_>, holder: TypeId, nest: usize) -> ValueKind {
        let length = items.length();
        let (items, omitted) = match items {
            Items::Strided { first, stride, length } => {
                // Borrowed once, not element by element.
                let wanted = length.min(self.decoder.limits.items as u64).checked_mul(stride);
                match self.in_one_piece(first.source(), wanted) {
                    Ok(source) => {
                        let first = Object::new(self.decoder, source, first.type_id);
                        let items = Items::Strided { first, stride, length };
                        self.elements(items.into_walk(), Some(length), holder, nest)
                    }
                    Err(absent) => (
                        vec![Value { type_id: first.type_id, kind: ValueKind::Absent(absent) }],
                        length.saturating_sub(1),
                    ),
                }
            }
            Items::Walk { length, walk } => self.elements(walk, length, holder, nest),
        };
        let length = length.or((omitted == 0).then_some(items.len() as u64));
        ValueKind::Sequence(Box::new(Sequence { title, set, length, items, omitted }))
    }

    /// The first elements, and how many are left out.
    fn elements(&mut self, mut walk: Walk<'_>, length: Option<u64>, holder: TypeId, nest: usize) -> (Vec<Value>, u64) {
        let mut shown = Vec::new();
        loop {
            let count = shown.len() as u64;
            if count >= self.decoder.limits.items as u64 || self.nodes == 0 {
                return (shown, self.left(count, length, &mut walk));
            }
            match walk.next() {
                None => return (shown, 0),
                Some(Ok(item)) => shown.push(self.item(item, holder, nest + 1)),
                Some(Err(absent)) => {
                    shown.push(Value { type_id: holder, kind: ValueKind::Absent(absent) });
                    return (shown, 0);
                }
            }
        }
    }

    fn map(
        &mut self,
        title: String,
        length: Option<u64>,
        entries: Entries<'_>,
        holder: TypeId,
        nest: usize,
    ) -> ValueKind {
        let limit = self.decoder.limits.items as u64;
        let mut shown = Vec::new();
        let mut walk = entries;
        let mut omitted = 0;
        loop {
            let count = shown.len() as u64;
            if count >= limit || self.nodes == 0 {
                omitted = self.left(count, length, &mut walk);
                break;
            }
            match walk.next() {
                None => break,
                Some(Ok((key, value))) => {
                    let key = self.item(key, holder, nest + 1);
                    shown.push((key, self.item(value, holder, nest + 1)));
                }
                Some(Err(absent)) => {
                    let value = Value { type_id: holder, kind: ValueKind::Absent(absent) };
                    shown.push((value.clone(), value));
                    break;
                }
            }
        }
        let length = length.or((omitted == 0).then_some(shown.len() as u64));
        ValueKind::Map(Box::new(Map { title, length, items: shown, omitted }))
    }

    /// How many elements a limit leaves out: as many as the container says, else 1 where there are more.
    fn left<T>(&self, shown: u64, length: Option<u64>, walk: &mut dyn Iterator<Item = T>) -> u64 {
        match length {
            Some(length) => length.saturating_sub(shown),
            None if shown < MAX_WALK => u64::from(walk.next().is_some()),
            None => 1,
        }
    }
}
