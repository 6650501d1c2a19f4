//! Operators on numbers and pointers.

use std::ops::Range;

use super::arithmetic::{self, Number};
use super::eval::{Evaluated, Evaluator, Step, computed};
use super::tree::{Node, NodeKind};
use crate::types::go::GoKind;
use crate::types::{Count, Language, TypeId, TypeKind};
use crate::value::{Absent, AbsentReason, Place};

impl Evaluator<'_> {
    /// C's `a, b`; Rust has tuples.
    #[inline(never)]
    fn last_of(&self, value: Evaluated, span: &Range<usize>) -> Step<Evaluated> {
        match self.scope.language() {
            Some(Language::Rust) => {
                self.type_error(span, "tuples are not made here; one expression at a time is evaluated")
            }
            _ => Ok(value),
        }
    }

    pub(super) fn dereference(&self, pointer: Evaluated, span: &Range<usize>) -> Step<Evaluated> {
        match *self.kind_of(pointer.type_id) {
            TypeKind::Pointer { target } => {
                if matches!(self.kind_of(target), TypeKind::Void | TypeKind::Unspecified) {
                    return self.type_error(span, "a void * leads to no type; cast it first");
                }
                let object = self.follow(&pointer, target)?;
                let whole = self.scope.shows_whole_objects().then(|| self.whole_object(&object)).flatten();
                Ok(whole.unwrap_or(object))
            }
            TypeKind::Array { .. } => self.index(pointer, 0, span),
            TypeKind::Function { .. } => Ok(pointer),
            // As gdb does: an integer is the address of a long.
            TypeKind::Int { .. } => {
                let number = self.number_of(&pointer, span)?;
                let type_id = self.int_type(8, true);
                Ok(Evaluated::new(Ok(Place::Memory(self.address(number.as_int()))), type_id, true))
            }
            _ => match self.dereferenced_view(&pointer, span) {
                Some(content) => content,
                None => self.type_error(span, format!("{} is no pointer", self.name_of(pointer.type_id))),
            },
        }
    }

    pub(super) fn address_of(&self, object: Evaluated, span: &Range<usize>) -> Step<Evaluated> {
        if let TypeKind::Reference { target, .. } = *self.kind_of(object.type_id) {
            let object = self.follow(&object, target)?;
            return self.address_of(object, span);
        }
        let address = match (object.place?, object.lvalue) {
            (Place::Memory(address), true) => address,
            (Place::Bytes(bytes), true) if bytes.register.is_some() => {
                return self.type_error(span, "it is in a register and has no address");
            }
            (_, true) => return self.type_error(span, "it is not in memory as a whole and has no address"),
            (_, false) => return self.type_error(span, "a result or a bit field has no address"),
        };
        let pointer = self.pointer_to(object.type_id);
        Ok(computed(pointer, self.address_bytes(address.0)))
    }

    pub(super) fn unary(&self, operator: &'static str, operand: &Node, depth: usize) -> Step<Evaluated> {
        let value = self.value_of(operand, depth)?;
        if self.is_complex(&value) {
            return self.complex_unary(operator, &value, &operand.span);
        }
        let number = self.number_of(&value, &operand.span)?;
        // Rust's turns the bits of a number.
        let is_number = matches!((self.kind_of(value.type_id), number), (TypeKind::Int { .. }, Number::Int { .. }));
        if operator == "!" && is_number && self.scope.language() == Some(Language::Rust) {
            let number = Number::int(!number.as_int(), (self.scope.types().size(value.type_id).unwrap_or(4), true));
            return self.number_as(value.type_id, number, &operand.span);
        }
        if operator == "!" {
            return Ok(self.truth(!number.is_true()));
        }
        let is_code = matches!(self.kind_of(value.type_id), TypeKind::Function { .. });
        if is_code && !self.is_function_value(value.type_id) {
            return self.type_error(&operand.span, format!("{operator} needs a number, and this is a function"));
        }
        match arithmetic::unary(operator, number) {
            Ok(result) => match self.go_result(operator, value.type_id, value.type_id) {
                Some(type_id) => self.number_as(type_id, result, &operand.span),
                None => self.number(result, &operand.span),
            },
            Err(message) => self.type_error(&operand.span, message),
        }
    }

    pub(super) fn binary(
        &self,
        operator: &'static str,
        left: &Node,
        right: &Node,
        depth: usize,
        span: &Range<usize>,
    ) -> Step<Evaluated> {
        if operator == "@" {
            return self.repeated(left, right, depth);
        }
        if matches!(operator, "&&" | "||") {
            let first = self.number_at(left, depth)?.is_true();
            let decided = (operator == "||") == first;
            let decided = decided && !self.dry.get();
            return Ok(self.truth(if decided { first } else { self.number_at(right, depth)?.is_true() }));
        }
        let (left_value, right_value) = (self.value_of(left, depth)?, self.value_of(right, depth)?);
        self.combined(operator, (left, left_value), (right, right_value), span)
    }

    /// `left operator right`, of which both are evaluated: apart from [`Evaluator::binary`], whose frame is on the stack
    /// once for each level of nesting.
    #[inline(never)]
    fn combined(
        &self,
        operator: &'static str,
        (left, left_value): (&Node, Evaluated),
        (right, right_value): (&Node, Evaluated),
        span: &Range<usize>,
    ) -> Step<Evaluated> {
        if matches!(operator, "->*" | ".*") {
            return self.pointed_member(left_value, &right_value, (&left.span, &right.span));
        }
        let is_nil = |node: &Node| matches!(node.kind, NodeKind::Null);
        let (left_value, right_value) = match (is_nil(left), is_nil(right)) {
            (false, true) => (self.compared_with_nil(left_value)?, right_value),
            (true, false) => (left_value, self.compared_with_nil(right_value)?),
            _ => (left_value, right_value),
        };
        if operator == "," {
            return self.last_of(right_value, span);
        }
        if is_comparison(operator)
            && let Some(order) = self.compare_texts((left, &left_value), (right, &right_value))?
        {
            return Ok(self.truth(match operator {
                "==" => order.is_eq(),
                "!=" => order.is_ne(),
                "<" => order.is_lt(),
                ">" => order.is_gt(),
                "<=" => order.is_le(),
                _ => order.is_ge(),
            }));
        }
        if matches!(operator, "==" | "!=") {
            let same = match self.same_type_info(&left_value, &right_value)? {
                None => self.go_equal(&left_value, &right_value, span)?,
                same => same,
            };
            if let Some(same) = same {
                return Ok(self.truth(same == (operator == "==")));
            }
        }
        self.computed_binary(operator, (left_value, &left.span), (right_value, &right.span), span)
    }

    /// What Go compares with nil: of an interface and a slice the first word.
    fn compared_with_nil(&self, value: Evaluated) -> Step<Evaluated> {
        let types = self.scope.types();
        let is_word = |kind| types.go_under(value.type_id, kind).is_some();
        if !is_word(GoKind::Interface) && !is_word(GoKind::Slice) {
            return Ok(value);
        }
        let word = self.address_size();
        if self.dry.get() {
            return Ok(self.anywhere(self.int_type(word, false)));
        }
        let bytes = self.bytes(&value.place?, word)?;
        Ok(computed(self.int_type(word, false), bytes))
    }

    /// `left operator right` on numbers and pointers.
    pub(super) fn computed_binary(
        &self,
        operator: &'static str,
        (left_value, left_span): (Evaluated, &Range<usize>),
        (right_value, right_span): (Evaluated, &Range<usize>),
        span: &Range<usize>,
    ) -> Step<Evaluated> {
        if self.is_complex(&left_value) || self.is_complex(&right_value) {
            return self.complex_binary(operator, (&left_value, left_span), (&right_value, right_span), span);
        }
        if matches!(operator, "+" | "-") {
            let (left_target, right_target) = (self.stepped_over(&left_value), self.stepped_over(&right_value));
            match (left_target, right_target, operator) {
                (Some(target), None, _) => {
                    let number = self.number_of(&right_value, right_span)?.as_int();
                    let count = if operator == "-" { number.wrapping_neg() } else { number };
                    return self.moved(&left_value, target, count, left_span);
                }
                (None, Some(target), "+") => {
                    let count = self.number_of(&left_value, left_span)?.as_int();
                    return self.moved(&right_value, target, count, right_span);
                }
                (Some(target), Some(_), "-") => {
                    let size = self.element_size(target, left_span)?;
                    let a = self.number_of(&left_value, left_span)?.as_int();
                    let b = self.number_of(&right_value, right_span)?.as_int();
                    let distance = a.wrapping_sub(b).wrapping_div(i128::from(size.max(1)));
                    return self.number(Number::int(distance, (self.address_size(), true)), span);
                }
                _ => {}
            }
        }
        let a = self.number_of(&left_value, left_span)?;
        let b = self.number_of(&right_value, right_span)?;
        // A number that was not read may stand for any.
        let b = match b {
            Number::Int { size, signed, .. } if self.dry.get() && matches!(operator, "/" | "%" | "<<" | ">>") => {
                Number::int(1, (size, signed))
            }
            b => b,
        };
        match arithmetic::binary(operator, a, b) {
            Ok(result) if is_comparison(operator) => Ok(self.truth(result.is_true())),
            Ok(result) => match self.go_result(operator, left_value.type_id, right_value.type_id) {
                Some(type_id) => self.number_as(type_id, result, span),
                None => match self.single(left_value.type_id, right_value.type_id) {
                    Some(type_id) if matches!(result, Number::Float(_)) => self.number_as(type_id, result, span),
                    _ => self.number(result, span),
                },
            },
            Err(message) => self.type_error(span, message),
        }
    }

    /// The type of a float of four bytes among two operands of which none is wider: the result's (C11, 6.3.1.8).
    fn single(&self, left: TypeId, right: TypeId) -> Option<TypeId> {
        let types = self.scope.types();
        let is_float = |id: &TypeId| matches!(self.kind_of(*id), TypeKind::Float);
        let is_single = |id: &TypeId| is_float(id) && types.size(types.strip(*id)) == Some(4);
        let fits = [left, right].iter().all(|id| is_single(id) || !is_float(id));
        [left, right].into_iter().find(is_single).filter(|_| fits)
    }

    /// What a pointer or array has for elements.
    pub(super) fn pointed(&self, value: &Evaluated) -> Option<TypeId> {
        match *self.kind_of(value.type_id) {
            TypeKind::Pointer { target } => Some(target),
            TypeKind::Array { element, .. } => Some(element),
            _ => None,
        }
    }

    /// The same for arithmetic, where a function stands for a pointer to it, as in gdb.
    fn stepped_over(&self, value: &Evaluated) -> Option<TypeId> {
        let is_function = matches!(self.kind_of(value.type_id), TypeKind::Function { .. });
        if is_function && !self.is_function_value(value.type_id) {
            return Some(value.type_id);
        }
        self.pointed(value)
    }

    /// Bytes from one element to the next; 1 for `void` and functions, as in gdb.
    pub(super) fn element_size(&self, target: TypeId, span: &Range<usize>) -> Step<u64> {
        if matches!(self.kind_of(target), TypeKind::Void | TypeKind::Function { .. }) {
            return Ok(1);
        }
        match self.scope.types().size(target) {
            Some(size) => Ok(size),
            None => self.type_error(span, format!("the size of {} is not known", self.name_of(target))),
        }
    }

    pub(super) fn stride(&self, array: TypeId, element: TypeId, span: &Range<usize>) -> Step<u64> {
        match self.kind_of(array) {
            TypeKind::Array { stride: Some(stride), .. } => Ok(*stride),
            _ => self.element_size(element, span),
        }
    }

    /// `pointer + count`.
    pub(super) fn moved(
        &self,
        pointer: &Evaluated,
        target: TypeId,
        count: i128,
        span: &Range<usize>,
    ) -> Step<Evaluated> {
        let size = self.stride(pointer.type_id, target, span)?;
        let base = self.number_of(pointer, span)?.as_int();
        let address = self.address(base.wrapping_add(count.wrapping_mul(size.into())));
        let type_id = match self.kind_of(pointer.type_id) {
            TypeKind::Pointer { .. } => pointer.type_id,
            _ => self.pointer_to(target),
        };
        Ok(computed(type_id, self.address_bytes(address.0)))
    }

    pub(super) fn index(&self, array: Evaluated, index: i128, span: &Range<usize>) -> Step<Evaluated> {
        let Some(element) = self.pointed(&array) else {
            return self.type_error(span, format!("{} has no elements", self.name_of(array.type_id)));
        };
        if let TypeKind::Array { count: Count::Dimension(_), .. } = self.kind_of(array.type_id) {
            return self.index_in_bounds(array, element, index, span);
        }
        let size = self.stride(array.type_id, element, span)?;
        let distance = index.wrapping_mul(size.into());
        if matches!(self.kind_of(array.type_id), TypeKind::Pointer { .. }) {
            if matches!(self.kind_of(element), TypeKind::Void) {
                return self.type_error(span, "a void * leads to no type; cast it first");
            }
            let first = self.follow(&array, element)?;
            if self.dry.get() {
                return Ok(first);
            }
            return match first.place {
                Ok(Place::Memory(base)) => {
                    let address = self.address(i128::from(base.0).wrapping_add(distance));
                    Ok(Evaluated { place: Ok(Place::Memory(address)), ..first })
                }
                _ if index == 0 => Ok(first),
                _ => Err(Absent::because(AbsentReason::OptimizedOut, "only the first element is known").into()),
            };
        }
        // In C what lies behind an array can be asked for; in these languages nothing of the array is there.
        let array_type = self.scope.types().get(self.scope.types().strip(array.type_id));
        if let (TypeKind::Array { count: Count::Fixed(count), .. }, Language::Go | Language::Rust) =
            (&array_type.kind, array_type.language)
            && !(0..i128::from(*count)).contains(&index)
            && !self.dry.get()
        {
            return self.type_error(span, format!("the array has {count} elements, and none {index}"));
        }
        let place = match array.place? {
            Place::Memory(base) => Place::Memory(self.address(i128::from(base.0).wrapping_add(distance))),
            Place::Bytes(bytes) => {
                let start = usize::try_from(distance).ok();
                let end = start.and_then(|start| start.checked_add(usize::try_from(size).ok()?));
                match start.zip(end).and_then(|(start, end)| bytes.part(start, end)) {
                    Some(part) => Place::Bytes(part),
                    None if self.dry.get() => return Ok(self.anywhere(element)),
                    None => return self.type_error(span, format!("the array has no element {index}")),
                }
            }
        };
        Ok(Evaluated::new(Ok(place), element, array.lvalue))
    }

    /// `first @ count`: an array of objects from `first` on.
    pub(super) fn repeated(&self, first: &Node, count: &Node, depth: usize) -> Step<Evaluated> {
        let object = self.value_of(first, depth)?;
        let number = self.integer(count, depth)?;
        let number = if self.dry.get() { number.max(1) } else { number };
        let Some(number) = u64::try_from(number).ok().filter(|number| *number > 0) else {
            return self.type_error(&count.span, "the count must be positive");
        };
        if !matches!(object.place, Ok(Place::Memory(_))) || !object.lvalue {
            return self.type_error(&first.span, "only objects in memory can be repeated");
        }
        Ok(Evaluated { type_id: self.array_of(object.type_id, number), ..object })
    }

    /// `condition ? first : second`, of the type of the one that is taken.
    pub(super) fn choose(&self, condition: &Node, first: &Node, second: &Node, depth: usize) -> Step<Evaluated> {
        let is_true = self.number_at(condition, depth)?.is_true();
        if self.dry.get() {
            let taken = self.value_of(first, depth)?;
            self.value_of(second, depth)?;
            return Ok(taken);
        }
        self.value_of(if is_true { first } else { second }, depth)
    }
}

fn is_comparison(operator: &str) -> bool {
    matches!(operator, "==" | "!=" | "<" | ">" | "<=" | ">=")
}
