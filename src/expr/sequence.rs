//! Sequences: arrays, slices, lists, and what filters and maps make of them.

use std::ops::Range;
use std::sync::Arc;

use super::ErrorKind;
use super::arithmetic::Number;
use super::eval::{Evaluated, Evaluator, Items, Role, Step, Stop};
use super::tree::Node;
use crate::types::go::GoKind;
use crate::types::{Count, Language, Type, TypeId, TypeKind};
use crate::value::{Absent, AbsentReason, Place};

/// Items that a filter or a list gives at most.
pub(super) const MAX_ITEMS: usize = 1 << 18;

/// Things in a row that can be looked at one by one.
pub(super) trait Sequence {
    /// How many there are.
    fn length(&self) -> Result<u64, Absent>;
    /// The thing at an index below the length.
    fn item(&self, evaluator: &Evaluator<'_>, index: u64, span: &Range<usize>) -> Step<Evaluated>;
    /// Why there may be more.
    fn end(&self) -> Option<&Absent> {
        None
    }
}

/// An array's elements.
struct Elements {
    array: Evaluated,
    count: u64,
}

impl Sequence for Elements {
    fn length(&self) -> Result<u64, Absent> {
        Ok(self.count)
    }

    fn item(&self, evaluator: &Evaluator<'_>, index: u64, span: &Range<usize>) -> Step<Evaluated> {
        evaluator.index(self.array.clone(), index.into(), span)
    }
}

impl Sequence for Arc<Items> {
    fn length(&self) -> Result<u64, Absent> {
        match &self.end {
            Some(end) => Err(end.clone()),
            None => Ok(self.elements.len() as u64),
        }
    }

    fn item(&self, _: &Evaluator<'_>, index: u64, _: &Range<usize>) -> Step<Evaluated> {
        match usize::try_from(index).ok().and_then(|index| self.elements.get(index)) {
            Some(item) => Ok(item.clone()),
            None => Err(Absent::because(AbsentReason::Corrupt, format!("there is no item {index}")).into()),
        }
    }

    fn end(&self) -> Option<&Absent> {
        self.end.as_ref()
    }
}

impl Evaluator<'_> {
    /// The value as a sequence, where it is one.
    fn sequence(&self, value: &Evaluated) -> Option<Box<dyn Sequence>> {
        if let Some(items) = &value.items {
            return Some(Box::new(items.clone()));
        }
        if let Some((slice, count)) = self.slice_parts(value) {
            return Some(Box::new(Elements { array: slice, count }));
        }
        let TypeKind::Array { count: Count::Fixed(count), .. } = *self.kind_of(value.type_id) else { return None };
        Some(Box::new(Elements { array: value.clone(), count }))
    }

    /// Rust's `&[T]` and Go's `[]T`: the pointer and the count.
    fn slice_parts(&self, value: &Evaluated) -> Option<(Evaluated, u64)> {
        let types = self.scope.types();
        let name = types.get(types.strip(value.type_id)).name.as_deref()?;
        let (pointer, length) = if name.starts_with("&[") || name.starts_with("&mut [") {
            ("data_ptr", "length")
        } else if types.go_kind(types.strip(value.type_id)) == Some(GoKind::Slice) {
            ("array", "len")
        } else {
            return None;
        };
        let pointer = self.member_of(value, pointer, &(0..0)).ok()?;
        let length = self.member_of(value, length, &(0..0)).ok()?;
        let count = self.number_of(&length, &(0..0)).ok()?.as_int();
        Some((pointer, u64::try_from(count).ok()?))
    }

    /// Go's `cap(x)`: of a slice, an array or a channel.
    pub(super) fn capacity(&self, value: &Evaluated, span: &Range<usize>) -> Step<Evaluated> {
        let types = self.scope.types();
        if let Some(count) = self.go_count(value, span) {
            return self.number(Number::int(count?.into(), (self.address_size(), false)), span);
        }
        match *self.kind_of(value.type_id) {
            TypeKind::Array { .. } => self.length_of(value, span),
            TypeKind::Pointer { target } if types.go_under(value.type_id, GoKind::Chan).is_some() => {
                self.member_of(&self.follow(value, target)?, "dataqsiz", span)
            }
            _ if types.go_under(value.type_id, GoKind::Slice).is_some() => self.member_of(value, "cap", span),
            _ => self.type_error(span, format!("{} has no capacity", self.name_of(value.type_id))),
        }
    }

    /// A channel's `buf`: what the runtime has as an address alone, by the type of the channel's elements.
    #[inline(never)]
    pub(super) fn channel_buffer(&self, channel: &Evaluated, span: &Range<usize>) -> Step<Evaluated> {
        let element = self.scope.types().go_under(channel.type_id, GoKind::Chan).and_then(|chan| chan.element);
        let TypeKind::Pointer { target } = *self.kind_of(channel.type_id) else {
            return self.type_error(span, format!("{} is no channel", self.name_of(channel.type_id)));
        };
        if !self.dry.get() && self.number_of(channel, span)?.as_int() == 0 {
            return self.type_error(span, "the channel is nil");
        }
        let header = self.follow(channel, target)?;
        let buffer = self.member_of(&header, "buf", span)?;
        let Some(element) = element else { return Ok(buffer) };
        if self.dry.get() {
            return Ok(self.anywhere(self.array_of(element, 1)));
        }
        let room = self.number_of(&self.member_of(&header, "dataqsiz", span)?, span)?.as_int();
        let address = self.number_of(&buffer, span)?.as_int();
        let array = self.array_of(element, u64::try_from(room).unwrap_or(0));
        Ok(Evaluated::new(Ok(Place::Memory(crate::addr::RunAddr(address as u64))), array, true))
    }

    pub(super) fn is_sequence(&self, value: &Evaluated) -> bool {
        self.item_type(value).is_some()
    }

    /// What the items are of.
    fn item_type(&self, value: &Evaluated) -> Option<TypeId> {
        match *self.kind_of(value.type_id) {
            TypeKind::Array { element, .. } => Some(element),
            _ => {
                let (array, _) = self.slice_parts(value)?;
                self.pointed(&array)
            }
        }
    }

    fn no_sequence<T>(&self, value: &Evaluated, span: &Range<usize>) -> Step<T> {
        let hint = match self.kind_of(value.type_id) {
            TypeKind::Pointer { .. } => "; [0..n] makes a sequence of what a pointer leads to",
            _ => "",
        };
        self.type_error(span, format!("{} has no items{hint}", self.name_of(value.type_id)))
    }

    /// `a[i]`.
    pub(super) fn indexed(&self, array: Evaluated, index: &Node, depth: usize, span: &Range<usize>) -> Step<Evaluated> {
        let array = self.through_references(array)?;
        let whole = |items: Evaluated| self.indexed(items, index, depth, span);
        if let Some(item) = self.items_of_user(&array, span, whole) {
            return item;
        }
        if !self.is_sequence(&array)
            && let Some(item) = self.indexed_view(&array, index, depth, span)
        {
            return item;
        }
        if let Some(found) = self.indexed_entries(&array, index, depth) {
            return found;
        }
        let number = self.integer(index, depth)?;
        if array.items.is_none() {
            if let Some((slice, count)) = self.slice_parts(&array) {
                if !self.dry.get() && !(0..i128::from(count)).contains(&number) {
                    return self.type_error(&index.span, format!("there are {count} items, and no item {number}"));
                }
                return self.index(slice, number, span);
            }
            return self.index(array, number, span);
        }
        let Some(items) = array.items.as_ref() else { return self.no_sequence(&array, span) };
        if self.dry.get() {
            return match self.item_type(&array) {
                Some(item) => Ok(self.anywhere(item)),
                None => self.no_sequence(&array, span),
            };
        }
        match usize::try_from(number).ok().and_then(|number| items.elements.get(number)) {
            Some(item) => Ok(item.clone()),
            None => {
                let count = items.elements.len();
                self.type_error(&index.span, format!("there are {count} items, and no item {number}"))
            }
        }
    }

    /// `a[first..last]`.
    pub(super) fn slice_of(
        &self,
        array: &Node,
        first: Option<&Node>,
        last: Option<&Node>,
        inclusive: bool,
        depth: usize,
    ) -> Step<Evaluated> {
        // What is not needed while the array itself is looked for takes no place on the stack meanwhile.
        let whole = self.value_of(array, depth)?;
        self.slice_of_value(whole, &array.span, first, last, inclusive, depth)
    }

    #[inline(never)]
    fn slice_of_value(
        &self,
        array: Evaluated,
        array_span: &Range<usize>,
        first: Option<&Node>,
        last: Option<&Node>,
        inclusive: bool,
        depth: usize,
    ) -> Step<Evaluated> {
        let whole = self.through_references(array)?;
        let start = first.map_or(Ok(0), |first| self.integer(first, depth))?;
        if self.is_string_object(whole.type_id) {
            let end = last.map(|last| self.integer(last, depth)).transpose()?;
            let end = end.map(|end| end.saturating_add(inclusive.into()));
            return self.part_of_string(&whole, start, end, first.or(last).map_or(array_span, |node| &node.span));
        }
        let value = self.with_items(whole, array_span)?;
        let count = self.sequence(&value).and_then(|items| items.length().ok());
        let end = match last {
            Some(last) => self.integer(last, depth)?.saturating_add(inclusive.into()),
            None => match count {
                Some(count) => count.into(),
                None => return self.type_error(array_span, "nothing tells where it ends"),
            },
        };
        let known = count.filter(|_| !matches!(self.kind_of(value.type_id), TypeKind::Pointer { .. }));
        if self.dry.get() {
            let Some(element) = self.item_type(&value).or_else(|| self.pointed(&value)) else {
                return self.no_sequence(&value, array_span);
            };
            self.element_size(element, array_span)?;
            return Ok(self.anywhere(self.array_of(element, u64::try_from(end.saturating_sub(start)).unwrap_or(1))));
        }
        let out_of_range = known.is_some_and(|known| start < 0 || end > known.into());
        let length = u64::try_from(end.saturating_sub(start)).ok().filter(|_| !out_of_range);
        let Some(length) = length else {
            let span = first.or(last).map_or(array_span.clone(), |node| node.span.clone());
            let known = known.map(|known| format!(" of {known} items")).unwrap_or_default();
            return self.type_error(&span, format!("{start}..{end} is no part{known}"));
        };
        if let Some(items) = &value.items {
            let (start, length) = (start as usize, length as usize);
            let elements = items.elements.get(start..start + length).unwrap_or_default().to_vec();
            let Some(element) = self.item_type(&value) else { return self.no_sequence(&value, array_span) };
            return Ok(self.items_of(element, Items { elements, end: None, role: items.role }));
        }
        let (base, element) = match self.slice_parts(&value) {
            Some((base, _)) => (base, self.item_type(&value)),
            None => (value.clone(), self.pointed(&value)),
        };
        let Some(element) = element else { return self.no_sequence(&value, array_span) };
        if length == 0 {
            return Ok(self.items_of(element, Items::new(Vec::new(), None)));
        }
        let object = self.index(base, start, array_span)?;
        if let Ok(Place::Bytes(_)) = object.place {
            // What is not in memory is shown item by item.
            let whole = Elements { array: value, count: end as u64 };
            let elements: Step<Vec<Evaluated>> =
                (start as u64..end as u64).map(|index| whole.item(self, index, array_span)).collect();
            return Ok(self.items_of(element, Items::new(elements?, None)));
        }
        Ok(Evaluated { type_id: self.array_of(element, length), ..object })
    }

    /// Items as a value.
    pub(super) fn items_of(&self, element: TypeId, items: Items) -> Evaluated {
        let types = self.scope.types();
        let count = Count::Fixed(items.elements.len() as u64);
        let kind = TypeKind::Array { element, count, vector: false, stride: None };
        let language = types.get(element).language;
        let type_id = types.make(Type { name: None, size: None, language, kind });
        let place = Err(Absent::because(AbsentReason::Unsupported, "the items are in several places"));
        // Where only the type counts, every object has a place.
        let place = if self.dry.get() { Ok(Place::Memory(crate::addr::RunAddr(0))) } else { place };
        Evaluated { place, type_id, lvalue: false, items: Some(Arc::new(items)) }
    }

    /// `len(a)`: how many items, or bytes of a text.
    pub(super) fn length(&self, items: &Node, depth: usize) -> Step<Evaluated> {
        let value = self.value_of(items, depth)?;
        self.length_of(&value, &items.span)
    }

    pub(super) fn length_of(&self, value: &Evaluated, span: &Range<usize>) -> Step<Evaluated> {
        let value = &self.through_references(value.clone())?;
        if let Some(length) = self.items_of_user(value, span, |items| self.length_of(&items, span)) {
            return length;
        }
        let kind = (self.address_size(), false);
        let is_pointer = matches!(self.kind_of(value.type_id), TypeKind::Pointer { .. });
        if !is_pointer && (self.sequence(value).is_some() || self.item_type(value).is_some()) {
            let length = match self.sequence(value).map(|items| items.length()) {
                _ if self.dry.get() => 1,
                Some(length) => length?,
                None => return Err(Absent::because(AbsentReason::Unsupported, "its length is not known").into()),
            };
            return self.number(Number::int(length.into(), kind), span);
        }
        if let Some(length) = self.go_count(value, span).or_else(|| self.view_length(value, span)) {
            return self.number(Number::int(length?.into(), kind), span);
        }
        if self.is_text(value.type_id) {
            let length = if self.dry.get() { 1 } else { self.text(value, 1 << 20)?.len() };
            return self.number(Number::int(length as i128, kind), span);
        }
        self.no_sequence(value, span)
    }

    /// Runs `each` over the items until one is not wanted any more. Gives why it did not come to the end.
    fn walk(
        &self,
        value: &Evaluated,
        span: &Range<usize>,
        mut each: impl FnMut(Evaluated) -> Step<bool>,
    ) -> Step<Option<Absent>> {
        let Some(sequence) = self.sequence(value) else { return self.no_sequence(value, span) };
        let length = match sequence.end() {
            Some(_) => value.items.as_ref().map_or(0, |items| items.elements.len() as u64),
            None => sequence.length()?,
        };
        for index in 0..length {
            if !each(sequence.item(self, index, span)?)? {
                let detail = format!("{} items were not looked at", length - index);
                return Ok(Some(Absent::because(AbsentReason::Unsupported, detail)));
            }
        }
        Ok(sequence.end().cloned())
    }

    /// `a[.id == 7]`: the items for which it is true.
    pub(super) fn filter(&self, items: &Node, test: &Node, depth: usize) -> Step<Evaluated> {
        let value = self.value_of(items, depth)?;
        self.filtered(value, items, test, depth)
    }

    #[inline(never)]
    fn filtered(&self, value: Evaluated, items: &Node, test: &Node, depth: usize) -> Step<Evaluated> {
        let value = self.with_items(value, &items.span)?;
        let Some(element) = self.item_type(&value) else { return self.no_sequence(&value, &items.span) };
        if self.dry.get() {
            self.with_item(self.anywhere(element), |this| this.number_at(test, depth))?;
            return Ok(self.items_of(element, Items::new(vec![self.anywhere(element)], None)));
        }
        let mut elements = Vec::new();
        let mut unknown = None;
        let end = self.walk(&value, &items.span, |item| {
            match self.with_item(item.clone(), |this| this.number_at(test, depth)) {
                Ok(number) if number.is_true() => elements.push(item),
                Ok(_) => {}
                Err(Stop::Error(error)) if error.kind == ErrorKind::Inactive => {}
                // Whether this one belongs to them cannot be told; the others can.
                Err(Stop::Hole(absent)) => {
                    if self.is_spent() {
                        unknown = Some(absent);
                        return Ok(false);
                    }
                    unknown.get_or_insert(absent);
                }
                Err(stop) => return Err(stop),
            }
            Ok(elements.len() < MAX_ITEMS)
        })?;
        let end = unknown
            .map(|absent| Absent {
                detail: Some(format!(
                    "of some items it is not known whether they belong here: {}",
                    absent.detail.as_deref().unwrap_or(absent.why.code())
                )),
                ..absent
            })
            .or(end);
        let role = value.items.as_ref().map_or(Role::Sequence, |items| items.role);
        Ok(self.items_of(element, Items { elements, end, role }))
    }

    /// `a.map(.f)`: what the expression gives for every item.
    pub(super) fn map(&self, items: &Node, to: &Node, depth: usize) -> Step<Evaluated> {
        let value = self.value_of(items, depth)?;
        self.mapped(value, items, to, depth)
    }

    #[inline(never)]
    fn mapped(&self, value: Evaluated, items: &Node, to: &Node, depth: usize) -> Step<Evaluated> {
        let value = self.with_items(value, &items.span)?;
        let Some(element) = self.item_type(&value) else { return self.no_sequence(&value, &items.span) };
        // Of no items it makes none, whatever their type would be.
        if let Some(items) = value.items.as_ref().filter(|items| items.elements.is_empty() && !self.dry.get()) {
            let void = self.scope.types().make_void(Language::C);
            return Ok(self.items_of(void, Items::new(Vec::new(), items.end.clone())));
        }
        // What it makes of an item's content has a type only once that is read.
        let found = match self.unread(|| self.with_item(self.anywhere(element), |this| this.value_of(to, depth))) {
            Ok(found) if self.dry.get() => {
                return Ok(self.items_of(found.type_id, Items::new(vec![found.clone()], None)));
            }
            Ok(found) => Some(found.type_id),
            Err(Stop::Hole(_)) if !self.dry.get() => None,
            Err(stop) => return Err(stop),
        };
        let unknown = || self.scope.types().make_void(Language::C);
        let mut elements: Vec<Evaluated> = Vec::new();
        let end = self.walk(&value, &items.span, |item| {
            match self.with_item(item, |this| this.value_of(to, depth)) {
                Ok(mapped) => elements.push(mapped),
                Err(Stop::Hole(absent)) => {
                    elements.push(Evaluated::new(Err(absent), found.unwrap_or_else(unknown), false))
                }
                Err(Stop::Error(error)) if error.kind == ErrorKind::Inactive => {
                    let absent = Absent::because(AbsentReason::Unsupported, error.message);
                    elements.push(Evaluated::new(Err(absent), found.unwrap_or_else(unknown), false));
                }
                Err(stop) => return Err(stop),
            }
            Ok(elements.len() < MAX_ITEMS && !self.is_spent())
        })?;
        let readable = || elements.iter().find(|item| item.place.is_ok()).map(|item| item.type_id);
        let mapped = found.or_else(readable).unwrap_or_else(unknown);
        Ok(self.items_of(mapped, Items::new(elements, end)))
    }
}
