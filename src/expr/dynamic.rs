//! What only the object itself says: C++'s `dynamic_cast` and pointers to members, Go's assertions of a type; and arrays
//! whose length the frame knows.

use std::ops::Range;

use super::eval::{Evaluated, Evaluator, Step, computed};
use super::tree::{Node, TypeName};
use super::views::unread;
use crate::types::dimension::Bound;
use crate::types::go::GoKind;
use crate::types::{Count, Type, TypeId, TypeKind};
use crate::value::Place;

impl Evaluator<'_> {
    /// `dynamic_cast<target>(value)`: found by the whole object's class, as the program finds it.
    pub(super) fn dynamic_cast(&self, target: TypeId, value: Evaluated, span: &Range<usize>) -> Step<Evaluated> {
        let (to, by_reference) = match *self.kind_of(target) {
            TypeKind::Pointer { target } => (target, false),
            TypeKind::Reference { target, .. } => (target, true),
            _ => return self.type_error(span, "dynamic_cast makes pointers and references"),
        };
        let from = match *self.kind_of(value.type_id) {
            TypeKind::Pointer { target } | TypeKind::Reference { target, .. } => target,
            _ if by_reference => value.type_id,
            _ => return self.type_error(span, format!("{} is no pointer", self.name_of(value.type_id))),
        };
        if !self.is_polymorphic(from) {
            let message = format!("{} has no virtual functions: nothing tells an object's class", self.name_of(from));
            return self.type_error(span, message);
        }
        let result = if by_reference { to } else { target };
        if self.dry.get() {
            return Ok(self.anywhere(result));
        }
        let object = match self.kind_of(value.type_id) {
            TypeKind::Struct(_) => value,
            _ if self.number_of(&value, span).is_ok_and(|address| address.as_int() == 0) => {
                return Ok(computed(result, self.address_bytes(0)));
            }
            _ => self.follow(&value, from)?,
        };
        let whole = self.whole_object(&object).unwrap_or(object);
        let path =
            if self.same_type(whole.type_id, to) { Some(Vec::new()) } else { self.base_path(whole.type_id, to, 0) };
        let Some(path) = path else {
            let class = self.name_of(whole.type_id);
            let message = format!("the object is of class {class}, which is no {}", self.name_of(to));
            return match by_reference {
                true => self.type_error(span, message),
                false => Ok(computed(result, self.address_bytes(0))),
            };
        };
        let mut found = whole;
        for base in &path {
            found = self.step_into(&found, base, span)?;
        }
        if by_reference {
            return Ok(Evaluated { type_id: to, ..found });
        }
        let pointer = self.address_of(found, span)?;
        Ok(Evaluated { type_id: target, ..pointer })
    }

    /// `object.*member`, `pointer->*member`
    pub(super) fn pointed_member(
        &self,
        object: Evaluated,
        member: &Evaluated,
        (object_span, member_span): (&Range<usize>, &Range<usize>),
    ) -> Step<Evaluated> {
        let TypeKind::MemberPointer { target, class } = *self.kind_of(member.type_id) else {
            let message = format!("{} is no pointer to a member", self.name_of(member.type_id));
            return self.type_error(member_span, message);
        };
        if matches!(self.kind_of(target), TypeKind::Function { .. }) {
            return self.type_error(member_span, "it is a method, and cannot be called: the process is dead");
        }
        let mut object = match *self.kind_of(object.type_id) {
            TypeKind::Pointer { target } => self.follow(&object, target)?,
            _ => object,
        };
        if !self.same_type(object.type_id, class) {
            let Some(path) = self.base_path(object.type_id, class, 0) else {
                let (name, class) = (self.name_of(object.type_id), self.name_of(class));
                return self.type_error(object_span, format!("{name} is no {class}"));
            };
            for base in &path {
                object = self.step_into(&object, base, object_span)?;
            }
        }
        if self.dry.get() {
            return Ok(self.anywhere(target));
        }
        let offset = self.member_offset(member)?;
        let Some(offset) = u64::try_from(offset).ok() else {
            return self.type_error(member_span, "the pointer to a member is null");
        };
        let place = match object.place? {
            Place::Memory(base) => Place::Memory(self.address(i128::from(base.0).wrapping_add(offset.into()))),
            Place::Bytes(bytes) => {
                let size = self.scope.types().size(target).unwrap_or(0);
                let end = offset.checked_add(size).and_then(|end| usize::try_from(end).ok());
                match usize::try_from(offset).ok().zip(end).and_then(|(start, end)| bytes.part(start, end)) {
                    Some(part) => Place::Bytes(part),
                    None => return self.type_error(member_span, "it lies outside of what is known of the object"),
                }
            }
        };
        Ok(Evaluated::new(Ok(place), target, object.lvalue))
    }

    fn member_offset(&self, member: &Evaluated) -> Step<i64> {
        let bytes = self.bytes(&member.place.clone()?, self.address_size())?;
        let mut wide = [if bytes.last().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 }; 8];
        wide.iter_mut().zip(&bytes).for_each(|(to, from)| *to = *from);
        Ok(i64::from_le_bytes(wide))
    }

    /// `interface.(type)`
    #[inline(never)]
    pub(super) fn assert(&self, interface: &Node, type_name: &TypeName, depth: usize) -> Step<Evaluated> {
        let target = self.type_of(type_name)?;
        let value = self.value_of(interface, depth)?;
        self.asserted(value, target, &interface.span)
    }

    /// `interface.(data)`
    #[inline(never)]
    pub(super) fn held_data(&self, interface: &Node, depth: usize) -> Step<Evaluated> {
        let value = self.value_of(interface, depth)?;
        if self.scope.types().go_under(value.type_id, GoKind::Interface).is_none() {
            return self.type_error(&interface.span, format!("{} is no interface", self.name_of(value.type_id)));
        }
        if self.dry.get() {
            return Err(unread().into());
        }
        match self.held_by_interface(&value)? {
            Some(inner) => Ok(inner),
            None => self.type_error(&interface.span, "the interface is nil"),
        }
    }

    pub(super) fn asserted(&self, value: Evaluated, target: TypeId, span: &Range<usize>) -> Step<Evaluated> {
        let types = self.scope.types();
        if types.go_under(value.type_id, GoKind::Interface).is_none() {
            return self.type_error(span, format!("{} is no interface", self.name_of(value.type_id)));
        }
        if self.dry.get() {
            return Ok(self.anywhere(target));
        }
        match self.held_by_interface(&value)? {
            Some(inner) if self.is_asserted(inner.type_id, target) => Ok(inner),
            Some(inner) => {
                let held = self.name_of(inner.type_id);
                self.type_error(span, format!("it holds a {held}, not a {}", self.go_name(target)))
            }
            None => self.type_error(span, "the interface is nil"),
        }
    }

    pub(super) fn is_asserted(&self, held: TypeId, target: TypeId) -> bool {
        match (self.kind_of(held), self.kind_of(target)) {
            (TypeKind::Pointer { target: held }, TypeKind::Pointer { target }) => self.same_type(*held, *target),
            _ => self.same_type(held, target),
        }
    }

    fn go_name(&self, id: TypeId) -> String {
        match *self.kind_of(id) {
            TypeKind::Pointer { target } if self.scope.types().get(id).name.is_none() => {
                format!("*{}", self.name_of(target))
            }
            _ => self.name_of(id).to_owned(),
        }
    }

    /// An array of as many elements as the frame says: what a variable of such a type is.
    pub(super) fn of_known_length(&self, type_id: TypeId) -> TypeId {
        let types = self.scope.types();
        let TypeKind::Array { element, count, vector: false, stride: None } = self.kind_of(type_id) else {
            return type_id;
        };
        if matches!(count, Count::Fixed(_) | Count::Unknown | Count::Dimension(_)) {
            return type_id;
        }
        let Some(count) = self.scope.element_count(type_id) else { return type_id };
        let element = self.of_known_length(*element);
        let size = types.size(element).and_then(|size| size.checked_mul(count));
        let kind = TypeKind::Array { element, count: Count::Fixed(count), vector: false, stride: None };
        types.make(Type { name: None, size, language: types.get(type_id).language, kind })
    }

    /// An element of an array that has bounds of its own: Fortran's, Pascal's, Ada's.
    pub(super) fn index_in_bounds(
        &self,
        array: Evaluated,
        element: TypeId,
        index: i128,
        span: &Range<usize>,
    ) -> Step<Evaluated> {
        if self.dry.get() {
            return Ok(self.anywhere(element));
        }
        let base = match array.place? {
            Place::Memory(base) => base,
            Place::Bytes(_) => {
                return self.type_error(span, "the array is not in memory");
            }
        };
        let (base, array_type) =
            self.scope.array_in_memory(array.type_id, base).unwrap_or(Ok((base, array.type_id)))?;
        let unknown = || self.type_error(span, "the array's bounds are not known");
        let TypeKind::Array { element, count: Count::Dimension(dimension), stride, .. } = self.kind_of(array_type)
        else {
            return unknown();
        };
        let (Some(lower), Some(count), None) = (dimension.fixed_lower(), dimension.fixed_count(), dimension.bits)
        else {
            return unknown();
        };
        let from_first = index - i128::from(lower);
        if !(0..i128::from(count)).contains(&from_first) {
            let upper = i128::from(lower) + i128::from(count) - 1;
            return self.type_error(span, format!("the array has elements {lower} to {upper}, and none {index}"));
        }
        let stride = match (&dimension.stride, stride) {
            (Some(Bound::Number(stride)), _) => i128::from(*stride),
            (Some(_), _) => return unknown(),
            (None, Some(stride)) => i128::from(*stride),
            (None, None) => i128::from(self.element_size(*element, span)?),
        };
        let address = self.address(i128::from(base.0).wrapping_add(from_first.wrapping_mul(stride)));
        Ok(Evaluated::new(Ok(Place::Memory(address)), *element, array.lvalue))
    }
}
