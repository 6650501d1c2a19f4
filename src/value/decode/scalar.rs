//! Integers, characters, truth values, enumerations and floats.

use std::borrow::Cow;

use super::{Decoder, Run, Source, no_size};
use crate::types::{Count, Name, Type, TypeId, TypeKind};
use crate::value::float::{FloatFormat, FloatText, float_cost};
use crate::value::{Absent, AbsentReason, Field, PlaceBytes, Value, ValueKind};

/// How many elements, as the type says or the frame has it; `None` where neither does.
pub(super) fn array_count(decoder: &Decoder<'_>, count: &Count) -> Result<Option<u64>, Absent> {
    let evaluator = || decoder.evaluate.ok_or_else(no_frame);
    let from_bound = |bound: u64| (bound as i64).saturating_add(1).max(0) as u64;
    Ok(Some(match count {
        Count::Fixed(count) => *count,
        Count::Unknown => return Ok(None),
        Count::Dynamic(expression) => evaluator()?.evaluate(expression, None)?,
        Count::DynamicUpperBound(expression) => from_bound(evaluator()?.evaluate(expression, None)?),
        Count::DynamicVariable(die) => evaluator()?.variable(*die)?,
        Count::DynamicUpperBoundVariable(die) => from_bound(evaluator()?.variable(*die)?),
        Count::Dimension(dimension) if dimension.descriptor.is_some() || dimension.inner => {
            return Ok(dimension.fixed_count());
        }
        Count::Dimension(dimension) => decoder.bounds(dimension, None)?.length,
    }))
}

/// Why what a frame tells is not known without one.
pub(super) fn no_frame() -> Absent {
    Absent::because(AbsentReason::Unsupported, "the array's count depends on a frame, and there is none")
}

/// The hole that overlaps `start..end` of the place.
pub(super) fn hole(place: &PlaceBytes, start: usize, end: usize) -> Option<&Absent> {
    place.holes.iter().find(|(from, to, _)| *from < end && start < *to).map(|(_, _, absent)| absent)
}

impl<'d, 'a: 'd> Run<'d, 'a> {
    /// The first `size` bytes (at most 16) as a little-endian integer.
    pub(super) fn bits(&self, source: Source<'_>, size: u64) -> Result<u128, Absent> {
        let size = match usize::try_from(size) {
            Ok(size @ 0..=16) => size,
            _ => return Err(Absent::because(AbsentReason::Unsupported, "a number of more than 128 bits")),
        };
        let mut buffer = [0; 16];
        match source {
            Source::Bytes { data, place, .. } => {
                let bytes = data.get(..size).ok_or_else(super::beyond)?;
                if let Some((place, start)) = place
                    && let Some(absent) = hole(place, start, start + size)
                {
                    return Err(absent.clone());
                }
                if let Ok(eight) = <[u8; 8]>::try_from(bytes) {
                    return Ok(u64::from_le_bytes(eight).into());
                }
                buffer[..size].copy_from_slice(bytes);
            }
            Source::Memory(address) => self.decoder.memory.read(address, &mut buffer[..size])?,
        }
        Ok(u128::from_le_bytes(buffer))
    }

    /// `width` bits from bit `start` on (little-endian: bit 0 is the lowest of byte 0).
    pub(super) fn bit_field(&self, source: Source<'_>, start: u64, width: u64) -> Result<u128, Absent> {
        if width == 0 || width > 128 {
            return Err(Absent::because(AbsentReason::Corrupt, format!("a bit field of {width} bits")));
        }
        // Next to what is not at hand, every bit counts.
        if let Source::Bytes { place: Some((place, from)), .. } = source {
            let start = (from as u64).checked_mul(8).and_then(|from| from.checked_add(start));
            return place.bits(start.ok_or_else(super::beyond)?, width);
        }
        let shift = start % 8;
        let source = source.at(start / 8)?;
        let bytes = (shift + width).div_ceil(8);
        let low = self.bits(source, bytes.min(16))? >> shift;
        let high = match bytes {
            17 => self.bits(source.at(16)?, 1)? << (128 - shift),
            _ => 0,
        };
        Ok((low | high) & (u128::MAX >> (128 - width)))
    }

    /// An integer of `width` bits (1 to 128) as the type has it.
    pub(super) fn integer(&mut self, definition: &'d Type, bits: u128, width: u32) -> ValueKind {
        let signed = |bits: u128, width: u32| (bits << (128 - width)) as i128 >> (128 - width);
        match &definition.kind {
            TypeKind::Int { signed: true } => ValueKind::Int(signed(bits, width)),
            TypeKind::BitInt { signed: is_signed, bits: real } => {
                let width = (*real).clamp(1, u64::from(width)) as u32;
                let kept = bits & (u128::MAX >> (128 - width));
                if *is_signed { ValueKind::Int(signed(kept, width)) } else { ValueKind::Uint(kept) }
            }
            TypeKind::Char { signed: is_signed, unicode } => {
                let code = if *is_signed { signed(bits, width) as i64 } else { bits as i64 };
                let scalar = u32::try_from(code).ok();
                let char = match unicode {
                    true => scalar.and_then(char::from_u32),
                    false => scalar.filter(|code| *code < 128).and_then(char::from_u32),
                };
                ValueKind::Char { code, char }
            }
            TypeKind::Bool => ValueKind::Bool(bits as u64),
            TypeKind::Enum { signed: is_signed, enumerators, .. } => {
                let value = if *is_signed { signed(bits, width) } else { bits as i128 };
                self.nodes = self.nodes.saturating_sub(enumerators.len() / 64);
                ValueKind::Enum { value, name: enumerator(enumerators, value) }
            }
            _ => ValueKind::Uint(bits),
        }
    }

    pub(super) fn float(&mut self, source: Source<'_>, definition: &Type) -> Result<ValueKind, Absent> {
        let size = definition.size.ok_or_else(no_size)?;
        let name = definition.name.as_deref().unwrap_or("");
        let format = FloatFormat::of_type(size, name, self.decoder.arch)
            .ok_or_else(|| Absent::because(AbsentReason::Unsupported, format!("a float of {size} bytes")))?;
        let bits = self.bits(source, format.size() as u64)?;
        if format.size() > 8 {
            self.nodes = self.nodes.saturating_sub(float_cost(bits, format));
        }
        let text = FloatText { bits, format };
        Ok(ValueKind::Float { value: text.value(), text })
    }

    /// Two fields, `real` and `imag`.
    pub(super) fn complex(
        &mut self,
        source: Source<'_>,
        stripped: TypeId,
        definition: &Type,
    ) -> Result<ValueKind, Absent> {
        let half = definition.size.ok_or_else(no_size)? / 2;
        let part = Type { name: definition.name.clone(), size: Some(half), ..definition.clone() };
        let mut fields = Vec::with_capacity(2);
        for (name, offset) in [("real", 0), ("imag", half)] {
            let kind = source.at(offset).and_then(|source| self.float(source, &part));
            let value = Value { type_id: stripped, kind: kind.unwrap_or_else(ValueKind::Absent) };
            fields.push(Field::of(Some(Cow::Borrowed(name)), value));
        }
        Ok(ValueKind::Struct { union: false, fields })
    }
}

/// The enumerator with that value; for flags their names, `A|B`.
fn enumerator(enumerators: &[(Name, i128)], value: i128) -> Option<Name> {
    if let Some((name, _)) = enumerators.iter().find(|(_, known)| *known == value) {
        return Some(name.clone());
    }
    let (flags, rest) = flags(enumerators, value)?;
    if rest != 0 || flags.is_empty() {
        return None;
    }
    let names: Vec<&str> = flags.iter().map(|name| name.as_ref()).collect();
    Some(Cow::Owned(names.join("|")))
}

/// The flags set in `value`, and the bits that none has. `None` where the enumeration is not one of flags: gdb's
/// rule is that no enumerator has more than one bit (gdb 13, `process_enumeration_scope`).
pub(crate) fn flags(enumerators: &[(Name, i128)], value: i128) -> Option<(Vec<&Name>, i128)> {
    if enumerators.is_empty() || enumerators.iter().any(|(_, bits)| *bits < 0 || bits.count_ones() > 1) {
        return None;
    }
    let mut rest = value;
    let mut names = Vec::new();
    for (name, bits) in enumerators {
        if rest & bits != 0 {
            rest &= !bits;
            names.push(name);
        }
    }
    Some((names, rest))
}
