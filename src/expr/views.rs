//! Containers, smart pointers and strings of libraries, as their formatters see them: `map["key"]`, `*unique`, `len(v)`.
//!
//! What is in such an object is known only once it is read. So where nothing may be read yet, what depends on it is
//! left open ([`unread`]), and its type is checked when it is there.

use std::ops::Range;

use super::arithmetic::Number;
use super::eval::{Evaluated, Evaluator, Items, Step, Stop, computed};
use super::sequence::MAX_ITEMS;
use super::tree::Node;
use super::{ErrorKind, arithmetic};
use crate::types::go::GoKind;
use crate::types::{Language, Member, MemberOffset, TypeId, TypeKind};
use crate::value::decode::Decoder;
use crate::value::formatters::{self, Item, MAX_WALK, View};
use crate::value::{Absent, AbsentReason, Limits, Place, Value, ValueKind};

/// Objects within each other that show as what they hold.
const MAX_TRANSPARENT: usize = 8;

/// Names of the parts that a smart pointer, a cell or a lock stands for.
const CONTENT: &[&str] = &["get()", "value", "*value", "data"];

impl Evaluator<'_> {
    fn decoder(&self) -> Decoder<'_> {
        Decoder {
            types: self.scope.types(),
            memory: self.scope.memory(),
            arch: self.scope.arch(),
            limits: Limits::default(),
            symbols: self.scope.symbols(),
            evaluate: None,
            user: None,
            raw: false,
        }
    }

    /// Whether a formatter may know the value's type.
    pub(super) fn has_view(&self, value: &Evaluated) -> bool {
        // Go's maps, channels and function values are pointers underneath.
        let may_have = match self.kind_of(value.type_id) {
            TypeKind::Struct(_) => true,
            TypeKind::Function { .. } => self.is_function_value(value.type_id),
            TypeKind::Pointer { .. } => self.language_of(value.type_id) == Language::Go,
            _ => false,
        };
        value.items.is_none() && may_have && self.decoder().has_view(value.type_id)
    }

    /// Whether it is a function value of Go's: a pointer, not code.
    pub(super) fn is_function_value(&self, id: TypeId) -> bool {
        let types = self.scope.types();
        types.get(types.strip(id)).is_function_value()
    }

    /// Whether objects of the class tell what they are a part of.
    pub(super) fn is_polymorphic(&self, class: TypeId) -> bool {
        self.decoder().is_polymorphic(class)
    }

    /// What `wanted` makes of the object's view; `None` where no formatter knows it.
    fn viewed<T>(&self, value: &Evaluated, wanted: impl FnOnce(View<'_>) -> Step<T>) -> Option<Step<T>> {
        if !self.has_view(value) {
            return None;
        }
        if self.dry.get() {
            return Some(Err(unread().into()));
        }
        let place = match value.place.clone() {
            Ok(place) => place,
            Err(absent) => return Some(Err(absent.into())),
        };
        let decoder = self.decoder();
        let view = match decoder.view(&place, value.type_id)? {
            Ok(view) => view,
            Err(absent) => return Some(Err(absent.into())),
        };
        Some(wanted(view))
    }

    /// A part of a view as the evaluator's own.
    pub(super) fn part(&self, item: Item<'_>) -> Step<Evaluated> {
        match item {
            Item::Object(object) => {
                let place = object.to_place();
                let lvalue = matches!(place, Place::Memory(_));
                Ok(Evaluated::new(Ok(place), object.type_id, lvalue))
            }
            Item::Value(value) => self.computed_part(&value),
        }
    }

    fn computed_part(&self, value: &Value) -> Step<Evaluated> {
        let number = match &value.kind {
            ValueKind::Int(number) | ValueKind::Described { number, .. } => *number,
            ValueKind::Uint(number) => *number as i128,
            ValueKind::Bool(raw) => i128::from(*raw),
            ValueKind::Absent(absent) => return Err(absent.clone().into()),
            _ => return Err(Absent::because(AbsentReason::Unsupported, "it is no object of the program").into()),
        };
        let data = arithmetic::to_bytes(self.scope.types(), value.type_id, Number::int(number, (8, true)));
        let missing = || Absent::because(AbsentReason::Unsupported, "it is no object of the program");
        Ok(computed(value.type_id, data.ok_or_else(missing)?))
    }

    /// What the object holds, where it holds one thing: the pointee of a smart pointer as the pointer, the content of an
    /// optional or a cell.
    fn content(&self, value: &Evaluated) -> Option<Step<Option<Evaluated>>> {
        self.viewed(value, |view| match view {
            View::Transparent(item) | View::Variant { content: Some(item), .. } => self.part(item).map(Some),
            View::Parts { parts, .. } => {
                let part = parts.into_iter().find(|(name, _)| CONTENT.contains(&name.as_ref()));
                part.map(|(_, item)| self.part(item)).transpose()
            }
            _ => Ok(None),
        })
    }

    /// `*object`
    pub(super) fn dereferenced_view(&self, value: &Evaluated, span: &Range<usize>) -> Option<Step<Evaluated>> {
        match self.content(value)? {
            // A pointer in the object is what a smart pointer wraps; one elsewhere is what an iterator points at.
            Ok(Some(inner))
                if matches!(self.kind_of(inner.type_id), TypeKind::Pointer { .. })
                    && self.lies_within(value, &inner) =>
            {
                Some(self.dereference(inner, span))
            }
            Ok(Some(inner)) => Some(Ok(inner)),
            // Rust's `*arc` of text or of a slice, and `*vec`, is that text or slice.
            Ok(None) if self.language_of(value.type_id) == Language::Rust && self.has_items(value) => {
                Some(Ok(self.text_alone(value).unwrap_or_else(|| value.clone())))
            }
            Ok(None) => None,
            Err(stop) => Some(Err(stop)),
        }
    }

    /// The text that an `Rc<str>` shares, as a `&str`, without what is said of its owner.
    fn text_alone(&self, owner: &Evaluated) -> Option<Evaluated> {
        let (address, length) = self
            .viewed(owner, |view| {
                Ok(match view {
                    View::Text { title, first, length } if !title.is_empty() => first.address().zip(Some(length)),
                    _ => None,
                })
            })?
            .ok()??;
        let text = self.scope.find_type("&str")?;
        let word = self.address_size();
        let is_at = |name, place| {
            let path = self.find_path(text, name, 0, &mut 100);
            matches!(path.as_deref(), Some([Member { offset: MemberOffset::Bytes(offset), .. }]) if *offset == place)
        };
        if !is_at("data_ptr", 0) || !is_at("length", word) || self.scope.types().size(text) != Some(2 * word) {
            return None;
        }
        Some(computed(text, [self.address_bytes(address.0), self.address_bytes(length)].concat()))
    }

    fn lies_within(&self, object: &Evaluated, part: &Evaluated) -> bool {
        let (Ok(Place::Memory(object_start)), Ok(Place::Memory(start))) = (&object.place, &part.place) else {
            return true;
        };
        let size = self.scope.types().size(object.type_id).unwrap_or(0);
        start.0.checked_sub(object_start.0).is_some_and(|offset| offset < size)
    }

    fn language_of(&self, id: TypeId) -> Language {
        let types = self.scope.types();
        types.get(types.strip(id)).language
    }

    fn has_items(&self, value: &Evaluated) -> bool {
        let found = self.viewed(value, |view| Ok(matches!(view, View::Text { .. } | View::Sequence { .. })));
        matches!(found, Some(Ok(true)))
    }

    /// `object.name`, where the object itself has no such member: a part by that name, else a member of what it holds.
    pub(super) fn member_of_view(&self, value: &Evaluated, name: &str, span: &Range<usize>) -> Option<Step<Evaluated>> {
        let named = self.viewed(value, |view| match view {
            View::Parts { parts, .. } => {
                let part = parts.into_iter().find(|(known, _)| known == name || known.trim_matches(['[', ']']) == name);
                part.map(|(_, item)| self.part(item)).transpose()
            }
            _ => Ok(None),
        })?;
        match named {
            Ok(Some(part)) => return Some(Ok(part)),
            Ok(None) => {}
            Err(stop) => return Some(Err(stop)),
        }
        let mut inner = match self.content(value)? {
            Ok(inner) => inner?,
            Err(stop) => return Some(Err(stop)),
        };
        while let TypeKind::Pointer { target } | TypeKind::Reference { target, .. } = *self.kind_of(inner.type_id) {
            inner = match self.follow(&inner, target) {
                Ok(inner) => inner,
                Err(stop) => return Some(Err(stop)),
            };
        }
        if !matches!(self.kind_of(inner.type_id), TypeKind::Struct(_)) {
            return None;
        }
        match self.member_of(&inner, name, span) {
            Err(Stop::Error(error)) if error.is_unknown_name() => {
                Some(self.member_of_whole(&inner, name, span).unwrap_or(Err(Stop::Error(error))))
            }
            found => Some(found),
        }
    }

    /// `object[index]`: an element, the value of a key.
    pub(super) fn indexed_view(
        &self,
        value: &Evaluated,
        index: &Node,
        depth: usize,
        span: &Range<usize>,
    ) -> Option<Step<Evaluated>> {
        self.viewed(value, |view| match view {
            View::Sequence { items, .. } => {
                let number = self.integer(index, depth)?;
                let length = items.length();
                let item = u64::try_from(number).ok().and_then(|number| items.nth(number));
                match item {
                    Some(item) => self.part(item?),
                    None => {
                        let count = length.map_or("fewer".to_owned(), |count| format!("{count}"));
                        self.type_error(&index.span, format!("there are {count} items, and no item {number}"))
                    }
                }
            }
            View::Map { entries, .. } => {
                let wanted = self.value_of(index, depth)?;
                let text = if self.is_text(wanted.type_id) { Some(self.text(&wanted, 1 << 16)?) } else { None };
                for (walked, entry) in entries.enumerate() {
                    let (key, found) = entry?;
                    if walked as u64 >= MAX_WALK || self.is_spent() {
                        let detail = format!("more than {MAX_WALK} keys to look at");
                        return Err(Absent::because(AbsentReason::Unsupported, detail).into());
                    }
                    if self.is_key(&self.part(key)?, &wanted, text.as_deref(), &index.span)? {
                        return self.part(found);
                    }
                }
                let key = self.text.get(index.span.clone()).unwrap_or_default();
                self.error(ErrorKind::UnknownName, &index.span, format!("there is no key {key}"))
            }
            View::Text { first, length, .. } => {
                let number = self.integer(index, depth)?;
                let size = self.scope.types().size(first.type_id).unwrap_or(1);
                match u64::try_from(number).ok().filter(|number| *number < length) {
                    Some(number) => self.part(first.shifted(number.saturating_mul(size))?.into()),
                    None => self.type_error(&index.span, format!("there are {length} characters, and none {number}")),
                }
            }
            View::Transparent(item) => self.indexed(self.part(item)?, index, depth, span),
            View::Parts { parts, .. } => {
                let part = parts.into_iter().find(|(name, _)| CONTENT.contains(&name.as_ref()));
                match part {
                    Some((_, item)) => self.indexed(self.part(item)?, index, depth, span),
                    None => self.type_error(span, format!("{} has no elements", self.name_of(value.type_id))),
                }
            }
            View::Variant { .. } => self.type_error(span, format!("{} has no elements", self.name_of(value.type_id))),
        })
    }

    pub(super) fn is_key(
        &self,
        key: &Evaluated,
        wanted: &Evaluated,
        text: Option<&[u8]>,
        span: &Range<usize>,
    ) -> Step<bool> {
        // A key in an interface of Go's is what the interface holds; those of other kinds are other keys.
        let types = self.scope.types();
        if matches!(types.name(types.strip(key.type_id)), "runtime.eface" | "runtime.iface") {
            return match self.held_by_interface(key)? {
                Some(inner) if text.is_some() || self.is_scalar(inner.type_id) => {
                    self.is_key(&inner, wanted, text, span)
                }
                _ => Ok(false),
            };
        }
        if let Some(text) = text {
            return Ok(self.text_of(key, text.len() + 1)?.is_some_and(|key| key == text));
        }
        if self.is_composite(key) {
            return self.equal(key, wanted, 0, span);
        }
        match (self.number_of(key, span)?, self.number_of(wanted, span)?) {
            (Number::Int { value: key, .. }, Number::Int { value: wanted, .. }) => Ok(key == wanted),
            (key, wanted) => Ok(key.as_float() == wanted.as_float()),
        }
    }

    /// What an interface of Go's holds: `None` where the value is none, or holds nothing.
    pub(super) fn held_by_interface(&self, value: &Evaluated) -> Step<Option<Evaluated>> {
        let found = self.viewed(value, |view| match view {
            View::Variant { variant, content: Some(item), .. } => self.part(item).map(|held| Some((held, variant))),
            _ => Ok(None),
        });
        let Some((held, name)) = found.unwrap_or(Ok(None))? else { return Ok(None) };
        // Of errors the view shows what the pointer leads to.
        let is_pointer = matches!(self.kind_of(held.type_id), TypeKind::Pointer { .. });
        match held.place {
            Ok(Place::Memory(address)) if name.starts_with('*') && !is_pointer => {
                let pointer = self.scope.find_type(&name).unwrap_or_else(|| self.pointer_to(held.type_id));
                Ok(Some(computed(pointer, self.address_bytes(address.0))))
            }
            _ => Ok(Some(held)),
        }
    }

    fn is_scalar(&self, type_id: TypeId) -> bool {
        matches!(
            self.kind_of(type_id),
            TypeKind::Int { .. } | TypeKind::Char { .. } | TypeKind::Bool | TypeKind::Float | TypeKind::Enum { .. }
        )
    }

    /// How many items or characters; `None` where the object has none to count.
    pub(super) fn view_length(&self, value: &Evaluated, span: &Range<usize>) -> Option<Step<u64>> {
        let length = self.viewed(value, |view| match view {
            View::Sequence { items, .. } => match items.length() {
                Some(length) => Ok(Ok(length)),
                None => count(items.into_walk()).map(Ok),
            },
            View::Map { length: Some(length), .. } => Ok(Ok(length)),
            View::Map { entries, .. } => count(entries).map(Ok),
            View::Text { length, .. } => Ok(Ok(length)),
            View::Transparent(item) => self.part(item).map(Err),
            _ => self.type_error(span, format!("{} has no items", self.name_of(value.type_id))),
        })?;
        match length {
            Ok(Ok(length)) => Some(Ok(length)),
            Ok(Err(inner)) => Some(self.length_of(&inner, span).and_then(|length| {
                let number = self.number_of(&length, span)?.as_int();
                Ok(u64::try_from(number).unwrap_or(0))
            })),
            Err(stop) => Some(Err(stop)),
        }
    }

    /// What Rust's references and boxes lead to, where that has items: as in Rust, `v[0]` is an element of a `&Vec`, not a
    /// vector. What raw pointers lead to may be the first of many. In Go a pointer to an array stands for the array.
    #[inline(never)]
    pub(super) fn through_references(&self, value: Evaluated) -> Step<Evaluated> {
        let types = self.scope.types();
        let mut end = value.type_id;
        for _ in 0..MAX_TRANSPARENT {
            let TypeKind::Pointer { target } = *self.kind_of(end) else { break };
            let name = self.name_of(types.strip(end));
            let is_reference = match self.language_of(end) {
                Language::Rust => name.starts_with('&') || name.starts_with("alloc::boxed::Box<"),
                Language::Go => matches!(self.kind_of(target), TypeKind::Array { .. }),
                _ => false,
            };
            if !is_reference {
                break;
            }
            end = target;
        }
        let leads_to_items = end != value.type_id && {
            let found = Evaluated::new(Ok(Place::Memory(crate::addr::RunAddr(0))), end, true);
            self.is_sequence(&found) || self.has_view(&found) || self.has_items_of_user(end)
        };
        let mut found = value;
        while leads_to_items && found.type_id != end {
            let TypeKind::Pointer { target } = *self.kind_of(found.type_id) else { break };
            found = self.follow(&found, target)?;
        }
        Ok(found)
    }

    /// The object's items in a row, where it has any: what filters and maps go over. Other values stay as they are.
    pub(super) fn with_items(&self, value: Evaluated, span: &Range<usize>) -> Step<Evaluated> {
        let value = self.through_references(value)?;
        if let Some(items) = self.items_of_user(&value, span, |items| self.with_items(items, span)) {
            return items;
        }
        if self.is_sequence(&value) {
            return Ok(value);
        }
        let mut value = value;
        for _ in 0..MAX_TRANSPARENT {
            let found = self.viewed(&value, |view| match view {
                View::Sequence { items, .. } => {
                    let mut elements = Vec::new();
                    let mut end = None;
                    for item in items.into_walk() {
                        if elements.len() >= MAX_ITEMS {
                            let detail = format!("only the first {MAX_ITEMS} items were looked at");
                            end = Some(Absent::because(AbsentReason::Unsupported, detail));
                            break;
                        }
                        match item {
                            Ok(item) => elements.push(self.part(item)?),
                            Err(absent) => {
                                end = Some(absent);
                                break;
                            }
                        }
                    }
                    let element = elements.first().map_or_else(|| self.make("int"), |first| first.type_id);
                    Ok((self.items_of(element, Items::new(elements, end)), true))
                }
                View::Map { entries, .. } => Ok((self.entries(entries)?, true)),
                // A nil map of Go's.
                View::Parts { parts, .. }
                    if parts.is_empty() && self.scope.types().go_under(value.type_id, GoKind::Map).is_some() =>
                {
                    Ok((self.entries(Box::new(std::iter::empty()))?, true))
                }
                View::Transparent(item) => Ok((self.part(item)?, false)),
                _ => Ok((value.clone(), true)),
            });
            match found {
                Some(Ok((inner, true))) => return Ok(inner),
                Some(Ok((inner, false))) if self.has_items_of_user(inner.type_id) => {
                    let items = self.items_of_user(&inner, span, |items| self.with_items(items, span));
                    return items.unwrap_or(Ok(inner));
                }
                Some(Ok((inner, false))) => value = inner,
                Some(Err(stop)) => return Err(stop),
                None => break,
            }
        }
        Ok(value)
    }

    /// The first bytes of a text of any kind; `None` where the value is none.
    pub(super) fn text_of(&self, value: &Evaluated, limit: usize) -> Step<Option<Vec<u8>>> {
        if self.is_text(value.type_id) {
            return self.text(value, limit).map(Some);
        }
        let found = self.viewed(value, |view| match view {
            View::Text { length: 0, .. } => Ok(Ok(Vec::new())),
            View::Text { first, length, .. } => {
                let size = self.scope.types().size(first.type_id).unwrap_or(1);
                let bytes = length.saturating_mul(size).min(limit as u64);
                Ok(Ok(self.bytes(&first.to_place(), bytes)?))
            }
            View::Transparent(item) => self.part(item).map(|inner| Err(Some(inner))),
            _ => Ok(Err(None)),
        });
        match found.transpose()? {
            None | Some(Err(None)) => Ok(None),
            Some(Ok(text)) => Ok(Some(text)),
            Some(Err(Some(inner))) if inner.type_id != value.type_id => self.text_of(&inner, limit),
            Some(Err(Some(_))) => Ok(None),
        }
    }

    /// The object of a derived class that this one is a base of.
    pub(super) fn whole_object(&self, base: &Evaluated) -> Option<Evaluated> {
        let Ok(Place::Memory(address)) = base.place else { return None };
        if self.dry.get() {
            return None;
        }
        let (start, class) = self.decoder().whole_object(address, base.type_id)?;
        Some(Evaluated::new(Ok(Place::Memory(start)), class, true))
    }

    /// A member that only the derived class has.
    pub(super) fn member_of_whole(&self, base: &Evaluated, name: &str, span: &Range<usize>) -> Option<Step<Evaluated>> {
        if self.dry.get() {
            return self.decoder().is_polymorphic(base.type_id).then(|| Err(unread().into()));
        }
        Some(self.member_of(&self.whole_object(base)?, name, span))
    }

    /// What an object that shows as a number holds: an atomic, a `NonZero`.
    pub(super) fn transparent(&self, value: &Evaluated) -> Option<Step<Evaluated>> {
        let found = self.viewed(value, |view| match view {
            View::Transparent(item) => self.part(item).map(Some),
            _ => Ok(None),
        })?;
        found.transpose()
    }
}

fn count<T>(walk: impl Iterator<Item = Result<T, Absent>>) -> Step<u64> {
    let mut count = 0;
    for item in walk {
        item?;
        count += 1;
        if count > formatters::MAX_WALK {
            return Err(Absent::because(AbsentReason::Unsupported, format!("more than {MAX_WALK} items")).into());
        }
    }
    Ok(count)
}

/// Why nothing is known of an object's content while types are checked.
pub(super) fn unread() -> Absent {
    Absent::because(AbsentReason::Unsupported, "its type is known only once it is read")
}
