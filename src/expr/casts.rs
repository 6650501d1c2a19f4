//! Types as written, their sizes, and casts.

use std::ops::Range;

use super::arithmetic::{self, Number};
use super::eval::{Evaluated, Evaluator, Step, computed};
use super::tree::{CastStyle, Derivation, Node, TypeName};
use super::{ErrorKind, nearest};
use crate::types::{Language, Member, MemberOffset, Type, TypeId, TypeKind};
use crate::value::Place;

impl Evaluator<'_> {
    pub(super) fn size_of(&self, id: TypeId, span: &Range<usize>) -> Step<Evaluated> {
        let is_function = matches!(self.kind_of(id), TypeKind::Function { .. }) && !self.is_function_value(id);
        match self.scope.types().size(id).or(is_function.then_some(1)) {
            // Of type int where it fits, as gdb has it.
            Some(size) if size <= i32::MAX as u64 => self.number(Number::int(size.into(), arithmetic::INT), span),
            Some(size) => self.number(Number::int(size.into(), (self.address_size(), false)), span),
            None => self.type_error(span, format!("the size of {} is not known", self.name_of(id))),
        }
    }

    /// `(type) a` in any of its forms.
    #[inline(never)]
    pub(super) fn converted(
        &self,
        type_name: &TypeName,
        operand: &Node,
        style: CastStyle,
        depth: usize,
    ) -> Step<Evaluated> {
        let target = self.type_of(type_name)?;
        if style == CastStyle::Dynamic {
            let value = self.node(operand, depth)?;
            return self.dynamic_cast(target, value, &operand.span);
        }
        let value = self.value_of(operand, depth)?;
        self.cast(target, value, style == CastStyle::Converting, &operand.span)
    }

    pub(super) fn cast(
        &self,
        target: TypeId,
        value: Evaluated,
        converting: bool,
        span: &Range<usize>,
    ) -> Step<Evaluated> {
        let types = self.scope.types();
        if self.is_bare_data(&value) {
            // The cast says what is there.
            return Ok(Evaluated { type_id: target, ..value });
        }
        if self.is_go(target)
            && let Some(converted) = self.go_conversion(target, &value, span)?
        {
            return Ok(converted);
        }
        match self.kind_of(target) {
            TypeKind::Reference { target: object, .. } => {
                // What is there, seen as another type.
                Ok(Evaluated { type_id: *object, ..value })
            }
            TypeKind::Struct(_) | TypeKind::Array { .. } | TypeKind::Complex => {
                if let Some(text) = self.text_of_bytes(target, &value)? {
                    return Ok(text);
                }
                if types.size(target) != types.size(value.type_id) {
                    let (from, to) = (self.name_of(value.type_id), self.name_of(target));
                    return self.type_error(span, format!("a {from} cannot be seen as a {to}: the sizes differ"));
                }
                Ok(Evaluated { type_id: target, ..value })
            }
            TypeKind::Void => Ok(Evaluated::new(value.place, target, false)),
            _ => {
                // A pointer to what the compiler dropped stays one.
                if let (TypeKind::Pointer { .. }, TypeKind::Pointer { .. }) =
                    (self.kind_of(target), self.kind_of(value.type_id))
                {
                    if converting && let Some(moved) = self.class_pointer(target, &value, span)? {
                        return Ok(moved);
                    }
                    return Ok(Evaluated { type_id: target, ..value });
                }
                let number = self.number_of(&value, span)?;
                self.number_as(target, number, span)
            }
        }
    }

    pub(super) fn type_of(&self, type_name: &TypeName) -> Step<TypeId> {
        let types = self.scope.types();
        let first = type_name.base.split(' ').next().unwrap_or("");
        // Go's int is no int of C's.
        let own = || self.scope.find_type(&type_name.base).filter(|_| self.scope.language() == Some(Language::Go));
        let mut id = if super::parse_names::BUILTIN_WORDS.contains(&first) {
            own().unwrap_or_else(|| self.make(&type_name.base))
        } else {
            match self.scope.find_type(&type_name.base) {
                Some(id) => id,
                None if arithmetic::alias(&type_name.base, self.address_size()).is_some() => self.make(&type_name.base),
                None => {
                    let plain = type_name.base.rsplit(' ').next().unwrap_or_default();
                    let known = self.scope.names(plain);
                    let near = nearest(plain, &known);
                    let near = near.map(|near| format!("; is it {near}?")).unwrap_or_default();
                    let message = format!("no type named {}{near}", type_name.base);
                    return self.error(ErrorKind::UnknownName, &type_name.span, message);
                }
            }
        };
        for derivation in &type_name.derivations {
            id = match derivation {
                Derivation::Pointer => self.pointer_to(id),
                Derivation::Array(count) => self.array_of(id, *count),
                Derivation::Function(parameters) => {
                    let known = parameters.as_ref();
                    let result = (!matches!(self.kind_of(id), TypeKind::Void)).then_some(id);
                    let given: Step<Vec<TypeId>> = known.into_iter().flatten().map(|name| self.type_of(name)).collect();
                    let kind =
                        TypeKind::Function { result, parameters: given?, variadic: known.is_none(), method: None };
                    types.make(Type { name: None, size: None, language: types.get(id).language, kind })
                }
                Derivation::Reference => types.make(Type {
                    name: None,
                    size: Some(self.address_size()),
                    language: types.get(id).language,
                    kind: TypeKind::Reference { target: id, rvalue: false },
                }),
            };
        }
        Ok(id)
    }

    /// A pointer to a class as one to its base or to a class derived from it; `None` where they are not related.
    fn class_pointer(&self, target: TypeId, value: &Evaluated, span: &Range<usize>) -> Step<Option<Evaluated>> {
        let (TypeKind::Pointer { target: to }, TypeKind::Pointer { target: from }) =
            (self.kind_of(target), self.kind_of(value.type_id))
        else {
            return Ok(None);
        };
        let (to, from) = (*to, *from);
        if self.same_type(to, from) {
            return Ok(None);
        }
        if let Some(path) = self.base_path(from, to, 0) {
            if self.dry.get() || self.number_of(value, span)?.as_int() == 0 {
                return Ok(Some(Evaluated { type_id: target, ..value.clone() }));
            }
            let mut object = self.follow(value, from)?;
            for base in &path {
                object = self.step_into(&object, base, span)?;
            }
            let Ok(Place::Memory(address)) = object.place else { return Ok(None) };
            return Ok(Some(computed(target, self.address_bytes(address.0))));
        }
        let Some(path) = self.base_path(to, from, 0) else { return Ok(None) };
        let mut distance = 0i128;
        for base in &path {
            let MemberOffset::Bytes(offset) = base.offset else {
                return self.type_error(span, "from a virtual base, only the object's dynamic type leads back");
            };
            distance = distance.wrapping_add(offset.into());
        }
        let address = self.number_of(value, span)?.as_int();
        let moved = if address == 0 { 0 } else { self.address(address.wrapping_sub(distance)).0 };
        Ok(Some(computed(target, self.address_bytes(moved))))
    }

    /// The bases that lead from a class to one of its bases.
    pub(super) fn base_path(&self, from: TypeId, to: TypeId, depth: usize) -> Option<Vec<Member>> {
        let TypeKind::Struct(content) = self.kind_of(from) else { return None };
        if depth > 16 {
            return None;
        }
        content.members.iter().filter(|member| member.base).find_map(|base| {
            if self.same_type(base.type_id, to) {
                return Some(vec![base.clone()]);
            }
            let inner = self.base_path(base.type_id, to, depth + 1)?;
            Some(std::iter::once(base.clone()).chain(inner).collect())
        })
    }

    /// The same type, perhaps as another unit describes it.
    pub(super) fn same_type(&self, a: TypeId, b: TypeId) -> bool {
        let types = self.scope.types();
        let (a, b) = (types.strip(a), types.strip(b));
        let named = |id| types.get(id).name.as_deref();
        a == b
            || named(a).is_some_and(|name| Some(name) == named(b))
                && types.size(a) == types.size(b)
                && std::mem::discriminant(&types.get(a).kind) == std::mem::discriminant(&types.get(b).kind)
    }

    /// `alignof`: what the ABI asks of the type. Packed structures are known by members at odd places.
    pub(super) fn alignment(&self, id: TypeId, span: &Range<usize>) -> Step<Evaluated> {
        match self.alignment_of(id, 0) {
            Some(bytes) => self.number(Number::int(bytes.into(), (self.address_size(), false)), span),
            None => self.type_error(span, format!("the alignment of {} is not known", self.name_of(id))),
        }
    }

    fn alignment_of(&self, id: TypeId, depth: usize) -> Option<u64> {
        let size = self.scope.types().size(id);
        let power = |size: u64| 1u64 << size.clamp(1, 16).ilog2();
        match self.kind_of(id) {
            _ if depth > 32 => None,
            TypeKind::Struct(content) if !content.declaration => {
                let mut largest = content.alignment.unwrap_or(1);
                for member in &content.members {
                    let own = self.alignment_of(member.type_id, depth + 1)?;
                    largest = largest.max(own).max(member.alignment.unwrap_or(1));
                }
                let fits = |align: u64| {
                    size.is_none_or(|size| size % align == 0)
                        && content.members.iter().all(|member| match (&member.offset, member.bits) {
                            (MemberOffset::Bytes(offset), None) => {
                                let own = self.alignment_of(member.type_id, depth + 1).unwrap_or(1).min(align);
                                offset % own == 0
                            }
                            _ => true,
                        })
                };
                while largest > 1 && !fits(largest) {
                    largest /= 2;
                }
                Some(largest)
            }
            TypeKind::Struct(_) | TypeKind::Function { .. } | TypeKind::Void | TypeKind::Unreadable(_) => None,
            TypeKind::Array { element, vector: false, .. } => self.alignment_of(*element, depth + 1),
            TypeKind::Complex => size.map(|size| power(size / 2)),
            _ => match size? {
                // The i386 ABI keeps them at multiples of 4.
                size if self.address_size() == 4 && size > 4 => Some(4),
                size => Some(power(size)),
            },
        }
    }

    /// `offsetof`.
    pub(super) fn offset_of(&self, id: TypeId, path: &Node, depth: usize) -> Step<Evaluated> {
        let (offset, _) = self.static_path(id, path, depth)?;
        self.number(Number::int(offset.into(), (self.address_size(), false)), &path.span)
    }

    /// Where in an object a path leads, and to what, nothing read.
    pub(super) fn static_path(&self, id: TypeId, path: &Node, depth: usize) -> Step<(u64, TypeId)> {
        let before = self.followed.replace(false);
        let member = self.unread(|| self.with_item(self.anywhere(id), |this| this.node(path, depth)));
        let followed = self.followed.replace(before);
        let member = member?;
        match member.place {
            Ok(Place::Memory(offset)) if !followed && member.lvalue => Ok((offset.0, member.type_id)),
            _ => self.type_error(&path.span, "it has no fixed place in the object"),
        }
    }

    /// Runs `work` with an item that `.x` is a member of.
    pub(super) fn with_item<T>(&self, item: Evaluated, work: impl FnOnce(&Self) -> T) -> T {
        self.subjects.borrow_mut().push(item);
        let result = work(self);
        self.subjects.borrow_mut().pop();
        result
    }
}
