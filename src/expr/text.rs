//! Text: what compares with `"abc"`.

use std::cmp::Ordering;
use std::ops::Range;

use super::eval::{Evaluated, Evaluator, Step, computed};
use super::tree::{Node, NodeKind};
use crate::addr::RunAddr;
use crate::types::go::GoKind;
use crate::types::{MemberOffset, TypeId, TypeKind};
use crate::value::{Absent, AbsentReason, Place};

/// Bytes of a text that is compared with another that is not written in the expression.
const MAX_TEXT: usize = 1 << 16;

impl Evaluator<'_> {
    /// How two texts compare; `None` where one of the values is no text, or both are mere pointers, which compare as
    /// such.
    pub(super) fn compare_texts(
        &self,
        left: (&Node, &Evaluated),
        right: (&Node, &Evaluated),
    ) -> Step<Option<Ordering>> {
        let literal = |node: &Node| matches!(node.kind, NodeKind::Str(_) | NodeKind::WideStr(..));
        // What is written in wide characters is known without reading it.
        let wide = |node: &Node| match &node.kind {
            NodeKind::WideStr(text, _) => Some(text.clone()),
            _ => None,
        };
        let viewed = |value: &Evaluated| !self.is_text(value.type_id) && self.has_view(value);
        let sure =
            |(node, value): (&Node, &Evaluated)| literal(node) || self.is_string_object(value.type_id) || viewed(value);
        let text = |(node, value): (&Node, &Evaluated)| literal(node) || self.is_text(value.type_id) || viewed(value);
        if !sure(left) && !sure(right) || !text(left) || !text(right) {
            return Ok(None);
        }
        if self.dry.get() && !viewed(left.1) && !viewed(right.1) {
            return Ok(Some(Ordering::Equal));
        }
        // One byte beyond the literal's end decides.
        let wanted = |node: &Node| match &node.kind {
            NodeKind::Str(text) | NodeKind::WideStr(text, _) => Some(text.len() + 1),
            _ => None,
        };
        let limit = wanted(left.0).or(wanted(right.0)).unwrap_or(MAX_TEXT);
        let text_of = |(node, value): (&Node, &Evaluated)| match wide(node) {
            Some(text) => Ok(Some(text)),
            None => self.text_of(value, limit),
        };
        match (text_of(left)?, text_of(right)?) {
            // Beyond what was read they may differ.
            (Some(left), Some(right)) if left == right && left.len() >= limit => {
                Err(Absent::because(AbsentReason::Unsupported, "the texts are too long to compare").into())
            }
            (Some(left), Some(right)) => Ok(Some(left.cmp(&right))),
            _ => Ok(None),
        }
    }

    fn is_byte(&self, id: TypeId) -> bool {
        let types = self.scope.types();
        matches!(self.kind_of(id), TypeKind::Char { .. }) && types.size(id) == Some(1)
    }

    /// Text by its type: a char array or pointer, or an object that is a string.
    pub(super) fn is_text(&self, id: TypeId) -> bool {
        match *self.kind_of(id) {
            TypeKind::Pointer { target } => self.is_byte(target),
            TypeKind::Array { element, .. } => self.is_byte(element),
            _ => self.is_string_object(id),
        }
    }

    /// Rust's `&str` and Go's `string`: a pointer and a length.
    pub(super) fn is_string_object(&self, id: TypeId) -> bool {
        self.string_parts(id).is_some()
    }

    /// Offsets of the address and of the length in such an object.
    fn string_parts(&self, id: TypeId) -> Option<(u64, u64)> {
        let types = self.scope.types();
        let definition = types.get(types.strip(id));
        let TypeKind::Struct(content) = &definition.kind else { return None };
        let (address, length) = match definition.name.as_deref()? {
            "&str" => ("data_ptr", "length"),
            _ if types.go_kind(types.strip(id)) == Some(GoKind::String) => ("str", "len"),
            _ => return None,
        };
        let offset = |name: &str| {
            let member = content.members.iter().find(|member| member.name.as_deref() == Some(name))?;
            match member.offset {
                MemberOffset::Bytes(offset) => Some(offset),
                MemberOffset::Expression(_) => None,
            }
        };
        Some((offset(address)?, offset(length)?))
    }

    /// `text[start..end]`, by bytes, of a `&str` or a `string`.
    pub(super) fn part_of_string(
        &self,
        value: &Evaluated,
        start: i128,
        end: Option<i128>,
        span: &Range<usize>,
    ) -> Step<Evaluated> {
        if self.dry.get() {
            return Ok(self.anywhere(value.type_id));
        }
        let (Some((address_at, length_at)), word) = (self.string_parts(value.type_id), self.address_size()) else {
            return self.type_error(span, "it is no text");
        };
        let mut bytes = self.bytes(&value.place.clone()?, 2 * word)?;
        let read = |bytes: &[u8], at: u64| {
            let at = at as usize;
            let part = bytes.get(at..at.checked_add(word as usize)?)?;
            Some(part.iter().rev().fold(0u64, |number, byte| number << 8 | u64::from(*byte)))
        };
        let (Some(address), Some(length)) = (read(&bytes, address_at), read(&bytes, length_at)) else {
            return Err(Absent::new(AbsentReason::Corrupt).into());
        };
        let end = end.unwrap_or(length.into());
        if !(0..=end).contains(&start) || end > length.into() {
            return self.type_error(span, format!("{start}..{end} is no part of {length} bytes"));
        }
        for (at, number) in [(address_at, i128::from(address) + start), (length_at, end - start)] {
            let number = self.address_bytes(number as u64);
            let part = bytes.get_mut(at as usize..at as usize + number.len());
            part.into_iter().for_each(|part| part.copy_from_slice(&number));
        }
        Ok(computed(value.type_id, bytes))
    }

    /// Go's `string(bytes)`: the same bytes as text; `None` where it is another conversion.
    pub(super) fn text_of_bytes(&self, target: TypeId, value: &Evaluated) -> Step<Option<Evaluated>> {
        let types = self.scope.types();
        let go_kind = |id| types.go_kind(types.strip(id));
        let is_bytes = go_kind(value.type_id) == Some(GoKind::Slice)
            && types.name(types.strip(value.type_id)) == "[]uint8"
            && go_kind(target) == Some(GoKind::String);
        if !is_bytes {
            return Ok(None);
        }
        // Both begin with the address and the length.
        let bytes = self.bytes(&value.place.clone()?, 2 * self.address_size());
        Ok(Some(if self.dry.get() { self.anywhere(target) } else { computed(target, bytes?) }))
    }

    /// The first bytes of a text, without C's final zero.
    pub(super) fn text(&self, value: &Evaluated, limit: usize) -> Step<Vec<u8>> {
        let until_zero = |mut bytes: Vec<u8>| {
            bytes.truncate(bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()));
            bytes
        };
        if let Some((address, length)) = self.string_parts(value.type_id) {
            let size = self.scope.types().size(value.type_id).unwrap_or(0);
            let bytes = self.bytes(&value.place.clone()?, size)?;
            let word = |at: u64| {
                let size = self.address_size() as usize;
                let mut wide = [0; 8];
                let part = usize::try_from(at).ok().and_then(|at| bytes.get(at..at.checked_add(size)?))?;
                wide[..size].copy_from_slice(part);
                Some(u64::from_le_bytes(wide))
            };
            let (Some(address), Some(length)) = (word(address), word(length)) else {
                return Err(Absent::new(AbsentReason::Corrupt).into());
            };
            return match length.min(limit as u64) as usize {
                0 => Ok(Vec::new()),
                length => Ok(self.scope.memory().read_vec(RunAddr(address), length)?),
            };
        }
        match (self.kind_of(value.type_id), value.place.clone()?) {
            (TypeKind::Pointer { target }, _) => match self.follow(value, *target)?.place? {
                Place::Memory(address) => {
                    let (bytes, _) = self.scope.memory().read_c_string(address, limit)?;
                    Ok(bytes)
                }
                Place::Bytes(bytes) => Ok(until_zero(bytes.data)),
            },
            (_, place) => {
                let size = self.scope.types().size(value.type_id).unwrap_or(limit as u64).min(limit as u64);
                Ok(until_zero(self.bytes(&place, size)?))
            }
        }
    }
}
