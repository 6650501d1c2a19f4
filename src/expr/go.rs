//! Go's own rules: what its operators compare and compute where C's differ, its conversions between text, bytes and
//! runes, and its methods.

use std::ops::Range;

use super::arithmetic::Number;
use super::eval::{Evaluated, Evaluator, Step, computed};
use super::sequence::MAX_ITEMS;
use crate::types::go::GoKind;
use crate::types::{Count, Language, TypeId, TypeKind};
use crate::value::{Absent, AbsentReason};

/// Structures, arrays and interfaces within each other that are compared.
const MAX_NESTED: usize = 32;
/// Bytes or runes that a conversion makes.
const MAX_TEXT: usize = 1 << 16;

impl Evaluator<'_> {
    pub(super) fn is_go(&self, id: TypeId) -> bool {
        let types = self.scope.types();
        types.get(types.strip(id)).language == Language::Go
    }

    /// The type that Go's arithmetic stays in: that of its operands, as a constant takes the other one's. `None` where C's
    /// rules hold.
    pub(super) fn go_result(&self, operator: &str, left: TypeId, right: TypeId) -> Option<TypeId> {
        let is_float = |id| matches!(self.kind_of(id), TypeKind::Float);
        let own = |id| self.is_go(id) && (is_float(id) || matches!(self.kind_of(id), TypeKind::Int { .. }));
        match (own(left), own(right)) {
            (true, _) if matches!(operator, "<<" | ">>") => Some(left),
            (true, true) => self.same_type(left, right).then_some(left),
            (true, false) if !is_float(right) || is_float(left) => Some(left),
            (false, true) if !matches!(operator, "<<" | ">>") && (!is_float(left) || is_float(right)) => Some(right),
            _ => None,
        }
    }

    /// `a == b` of structures, arrays and interfaces; `None` where one of numbers, pointers or texts is meant.
    pub(super) fn go_equal(&self, left: &Evaluated, right: &Evaluated, span: &Range<usize>) -> Step<Option<bool>> {
        if !self.is_composite(left) && !self.is_composite(right) {
            return Ok(None);
        }
        if self.dry.get() {
            return Ok(Some(true));
        }
        self.equal(left, right, 0, span).map(Some)
    }

    /// Whether Go compares it part by part.
    pub(super) fn is_composite(&self, value: &Evaluated) -> bool {
        let is_whole = matches!(self.kind_of(value.type_id), TypeKind::Struct(_) | TypeKind::Array { .. });
        let is_slice = self.scope.types().go_under(value.type_id, GoKind::Slice).is_some();
        value.items.is_none() && self.is_go(value.type_id) && is_whole && !is_slice && !self.is_text(value.type_id)
    }

    pub(super) fn equal(&self, left: &Evaluated, right: &Evaluated, nesting: usize, span: &Range<usize>) -> Step<bool> {
        if nesting > MAX_NESTED || self.is_spent() {
            return Err(Absent::because(AbsentReason::Unsupported, "there is too much to compare").into());
        }
        self.spend(1);
        let is_interface = |value: &Evaluated| self.scope.types().go_under(value.type_id, GoKind::Interface).is_some();
        let same = |left: &Evaluated, right: &Evaluated| {
            Ok(self.is_asserted(left.type_id, right.type_id) && self.equal(left, right, nesting + 1, span)?)
        };
        match (is_interface(left), is_interface(right)) {
            (true, true) => match (self.held(left)?, self.held(right)?) {
                (None, None) => Ok(true),
                (Some(left), Some(right)) => same(&left, &right),
                _ => Ok(false),
            },
            (true, false) => self.held(left)?.map_or(Ok(false), |held| self.holds(&held, right, nesting, span)),
            (false, true) => self.held(right)?.map_or(Ok(false), |held| self.holds(&held, left, nesting, span)),
            (false, false) => self.equal_parts(left, right, nesting, span),
        }
    }

    /// Whether what an interface holds is this value. A constant has the type that Go gives it by default.
    fn holds(&self, held: &Evaluated, value: &Evaluated, nesting: usize, span: &Range<usize>) -> Step<bool> {
        let default = match self.kind_of(value.type_id) {
            _ if self.is_go(value.type_id) => None,
            TypeKind::Int { .. } => Some("int"),
            TypeKind::Float => Some("float64"),
            TypeKind::Char { .. } => Some("int32"),
            TypeKind::Bool => Some("bool"),
            _ if self.is_text(value.type_id) => Some("string"),
            _ => None,
        };
        let is_type = match default {
            Some(default) => self.name_of(held.type_id) == default,
            None => self.is_asserted(held.type_id, value.type_id),
        };
        Ok(is_type && self.equal(held, value, nesting + 1, span)?)
    }

    fn equal_parts(&self, left: &Evaluated, right: &Evaluated, nesting: usize, span: &Range<usize>) -> Step<bool> {
        if self.is_text(left.type_id) && self.is_text(right.type_id) {
            return Ok(self.whole_text(left)? == self.whole_text(right)?);
        }
        match (self.kind_of(left.type_id), self.kind_of(right.type_id)) {
            (TypeKind::Struct(content), TypeKind::Struct(_)) if self.same_type(left.type_id, right.type_id) => {
                // Blank fields are not compared.
                for member in content.members.iter().filter(|member| member.name.as_deref() != Some("_")) {
                    let (left, right) = (self.step_into(left, member, span)?, self.step_into(right, member, span)?);
                    if !self.equal(&left, &right, nesting + 1, span)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (
                TypeKind::Array { count: Count::Fixed(count), .. },
                TypeKind::Array { count: Count::Fixed(other_count), .. },
            ) if count == other_count => {
                for index in 0..i128::from(*count) {
                    let (left, right) =
                        (self.index(left.clone(), index, span)?, self.index(right.clone(), index, span)?);
                    if !self.equal(&left, &right, nesting + 1, span)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (TypeKind::Complex, TypeKind::Complex) => {
                Ok(self.complex_parts(left, span)? == self.complex_parts(right, span)?)
            }
            (TypeKind::Struct(_) | TypeKind::Array { .. }, _) | (_, TypeKind::Struct(_) | TypeKind::Array { .. }) => {
                let (left, right) = (self.name_of(left.type_id), self.name_of(right.type_id));
                self.type_error(span, format!("a {left} and a {right} cannot be compared"))
            }
            _ => Ok(match (self.number_of(left, span)?, self.number_of(right, span)?) {
                (Number::Int { value: left, .. }, Number::Int { value: right, .. }) => left == right,
                (left, right) => left.as_float() == right.as_float(),
            }),
        }
    }

    /// What an interface holds, a pointer where it holds one; `None` where it is nil.
    pub(super) fn held(&self, interface: &Evaluated) -> Step<Option<Evaluated>> {
        if let Some(held) = self.held_by_interface(interface)? {
            return Ok(Some(held));
        }
        let word = self.bytes(&interface.place.clone()?, self.address_size())?;
        match word.iter().all(|byte| *byte == 0) {
            true => Ok(None),
            false => Err(Absent::because(AbsentReason::Unsupported, "the type of what it holds is not known").into()),
        }
    }

    /// `string(x)`, `[]byte(x)`, `[]rune(x)`, `complex128(x)`; `None` where it is another conversion.
    pub(super) fn go_conversion(
        &self,
        target: TypeId,
        value: &Evaluated,
        span: &Range<usize>,
    ) -> Step<Option<Evaluated>> {
        let types = self.scope.types();
        if types.go_under(target, GoKind::String).is_some() {
            if matches!(self.kind_of(value.type_id), TypeKind::Int { .. } | TypeKind::Char { .. }) {
                let code = self.number_of(value, span)?.as_int();
                let rune = u32::try_from(code).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER);
                return Ok(Some(self.string(rune.to_string().as_bytes())));
            }
            if value.lvalue || !matches!(self.kind_of(value.type_id), TypeKind::Array { .. }) {
                return self.text_of_units(value, span);
            }
            // A text of the expression itself.
            return Ok(self.is_text(value.type_id).then(|| value.clone()));
        }
        if matches!(self.kind_of(target), TypeKind::Complex) && self.is_number(value.type_id) {
            let number = self.number_of(value, span)?.as_float();
            return Ok(match types.size(target) {
                Some(8) => Some(computed(target, [(number as f32).to_le_bytes(), [0; 4]].concat())),
                Some(16) => Some(computed(target, [number.to_le_bytes(), [0; 8]].concat())),
                _ => None,
            });
        }
        let Some(element) = types.go_under(target, GoKind::Slice).and_then(|slice| slice.element) else {
            return Ok(None);
        };
        let width = match self.kind_of(element) {
            TypeKind::Int { .. } => types.size(element),
            _ => None,
        };
        let Some(text) = self.some_text(value)?.filter(|_| matches!(width, Some(1 | 4))) else {
            return Ok(None);
        };
        let units: Vec<u8> = match width {
            Some(1) => text,
            _ => String::from_utf8_lossy(&text).chars().flat_map(|rune| (rune as u32).to_le_bytes()).collect(),
        };
        let count = units.len() as u64 / width.unwrap_or(1);
        Ok(Some(computed(self.array_of(element, count), units)))
    }

    /// The bytes of a text; `None` where the value is none.
    fn some_text(&self, value: &Evaluated) -> Step<Option<Vec<u8>>> {
        if self.dry.get() {
            return Ok(self.is_text(value.type_id).then(Vec::new));
        }
        self.text_of(value, MAX_TEXT + 1)?.map(not_cut).transpose()
    }

    /// A text of which no part is left out.
    fn whole_text(&self, value: &Evaluated) -> Step<Vec<u8>> {
        not_cut(self.text(value, MAX_TEXT + 1)?)
    }

    /// A slice or an array of bytes or runes as text.
    fn text_of_units(&self, value: &Evaluated, span: &Range<usize>) -> Step<Option<Evaluated>> {
        let types = self.scope.types();
        let element = match *self.kind_of(value.type_id) {
            TypeKind::Array { element, .. } => Some(element),
            _ => types.go_under(value.type_id, GoKind::Slice).and_then(|slice| slice.element),
        };
        let Some(element) = element.filter(|element| matches!(self.kind_of(*element), TypeKind::Int { .. })) else {
            return Ok(None);
        };
        let width = types.size(element);
        if !matches!(width, Some(1 | 4)) {
            return Ok(None);
        }
        if self.dry.get() {
            return Ok(Some(self.string(b"")));
        }
        let length = self.length_of(value, span)?;
        let count = self.number_of(&length, span)?.as_int();
        let Some(count) = usize::try_from(count).ok().filter(|count| *count <= MAX_ITEMS) else {
            return Err(Absent::because(AbsentReason::Unsupported, "the text is too long to compute with").into());
        };
        let mut text = Vec::with_capacity(count);
        let first = match self.kind_of(value.type_id) {
            TypeKind::Array { .. } => value.clone(),
            _ => self.member_of(value, "array", span)?,
        };
        for index in 0..count as i128 {
            let unit = self.number_of(&self.index(first.clone(), index, span)?, span)?.as_int();
            match width {
                Some(1) => text.push(unit as u8),
                _ => {
                    let rune = u32::try_from(unit).ok().and_then(char::from_u32);
                    text.extend_from_slice(rune.unwrap_or(char::REPLACEMENT_CHARACTER).to_string().as_bytes());
                }
            }
        }
        Ok(Some(self.string(&text)))
    }

    fn is_number(&self, id: TypeId) -> bool {
        matches!(self.kind_of(id), TypeKind::Int { .. } | TypeKind::Float)
    }

    /// `real(x)`, `imag(x)`
    pub(super) fn complex_part(&self, name: &str, value: &Evaluated, span: &Range<usize>) -> Step<Evaluated> {
        if self.is_number(value.type_id) {
            let number = self.number_of(value, span)?.as_float();
            return self.number(Number::Float(if name == "real" { number } else { 0.0 }), span);
        }
        if !matches!(self.kind_of(value.type_id), TypeKind::Complex) {
            return self.type_error(span, format!("a {} is no complex number", self.name_of(value.type_id)));
        }
        let single = self.scope.types().size(value.type_id) == Some(8);
        let part = self.make(if single { "float" } else { "double" });
        if self.dry.get() {
            return Ok(self.anywhere(part));
        }
        let (real, imaginary) = self.complex_parts(value, span)?;
        self.number_as(part, Number::Float(if name == "real" { real } else { imaginary }), span)
    }

    pub(super) fn complex_parts(&self, value: &Evaluated, span: &Range<usize>) -> Step<(f64, f64)> {
        let size = self.scope.types().size(value.type_id).unwrap_or(0);
        let bytes = self.bytes(&value.place.clone()?, size.min(32))?;
        let part = |from: usize, width: usize| Some(bytes.get(from..from + width)?.to_vec());
        let double = |part: Vec<u8>| part.try_into().ok().map(f64::from_le_bytes);
        let single = |part: Vec<u8>| part.try_into().ok().map(|bytes| f64::from(f32::from_le_bytes(bytes)));
        let parts = match size {
            8 => part(0, 4).and_then(single).zip(part(4, 4).and_then(single)),
            16 => part(0, 8).and_then(double).zip(part(8, 8).and_then(double)),
            _ => None,
        };
        match parts {
            Some(parts) => Ok(parts),
            None => self.type_error(span, format!("a {} cannot be computed with", self.name_of(value.type_id))),
        }
    }

    /// What Go's `len` and `cap` say of a nil map or channel, and of a pointer to an array.
    pub(super) fn go_count(&self, value: &Evaluated, span: &Range<usize>) -> Option<Step<u64>> {
        let TypeKind::Pointer { target } = *self.kind_of(value.type_id) else { return None };
        let types = self.scope.types();
        let is = |kind| types.go_under(value.type_id, kind).is_some();
        if is(GoKind::Map) || is(GoKind::Chan) {
            if self.dry.get() {
                return None;
            }
            return match self.number_of(value, span) {
                Ok(address) if address.as_int() == 0 => Some(Ok(0)),
                _ => None,
            };
        }
        match *self.kind_of(target) {
            TypeKind::Array { count: Count::Fixed(count), .. } if self.is_go(target) => Some(Ok(count)),
            _ => None,
        }
    }

    /// `x.Method`: the function that it is, of what an interface holds too.
    pub(super) fn go_method(&self, object: &Evaluated, name: &str) -> Option<Evaluated> {
        if !self.is_go(object.type_id) {
            return None;
        }
        let types = self.scope.types();
        let mut class = object.type_id;
        if types.go_under(class, GoKind::Interface).is_some() {
            class = self.held(object).ok()??.type_id;
        }
        if let TypeKind::Pointer { target } = *self.kind_of(class) {
            class = target;
        }
        let class = types.get(types.strip(class)).name.as_deref()?;
        let (package, own) = class.rsplit_once('.')?;
        [format!("{package}.(*{own}).{name}"), format!("{class}.{name}")].iter().find_map(|name| {
            let (place, type_id) = self.lookup(None, name)?;
            matches!(self.kind_of(type_id), TypeKind::Function { .. }).then(|| Evaluated::new(place, type_id, true))
        })
    }
}

/// The text, where it is no longer than what is computed with.
fn not_cut(text: Vec<u8>) -> Step<Vec<u8>> {
    match text.len() > MAX_TEXT {
        true => Err(Absent::because(AbsentReason::Unsupported, "the text is too long to compute with").into()),
        false => Ok(text),
    }
}
