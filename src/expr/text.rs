//! Text: what compares with `"abc"`.

use std::cmp::Ordering;

use super::eval::{Evaluated, Evaluator, Step};
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
        let literal = |node: &Node| matches!(node.kind, NodeKind::Str(_));
        let viewed = |value: &Evaluated| !self.is_text(value.type_id) && self.has_view(value);
        let sure =
            |(node, value): (&Node, &Evaluated)| literal(node) || self.is_string_object(value.type_id) || viewed(value);
        let text = |value: &Evaluated| self.is_text(value.type_id) || viewed(value);
        if !sure(left) && !sure(right) || !text(left.1) || !text(right.1) {
            return Ok(None);
        }
        if self.dry.get() && !viewed(left.1) && !viewed(right.1) {
            return Ok(Some(Ordering::Equal));
        }
        // One byte beyond the literal's end decides.
        let wanted = |node: &Node| match &node.kind {
            NodeKind::Str(text) => Some(text.len() + 1),
            _ => None,
        };
        let limit = wanted(left.0).or(wanted(right.0)).unwrap_or(MAX_TEXT);
        match (self.text_of(left.1, limit)?, self.text_of(right.1, limit)?) {
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
    fn is_string_object(&self, id: TypeId) -> bool {
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
