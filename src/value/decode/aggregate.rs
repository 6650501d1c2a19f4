//! Structures, unions, variants and arrays.

use std::borrow::Cow;

use super::pointer::{no_evaluator, utf8};
use super::scalar::{array_count, hole};
use super::{Run, Source};
use crate::addr::RunAddr;
use crate::memory::{ReadAs, ReadError};
use crate::types::{
    Count, Language, Member, MemberOffset, StaticMember, StructKind, StructType, Type, TypeId, TypeKind, Variant,
    VariantPart,
};
use crate::value::{Absent, AbsentReason, Field, Place, Text, Value, ValueKind};

/// An object larger than this is read by parts where it is not mapped in one piece.
const MAX_PIECE: u64 = 1 << 30;

impl<'d, 'a: 'd> Run<'d, 'a> {
    pub(super) fn structure(
        &mut self,
        source: Source<'_>,
        stripped: TypeId,
        definition: &'d Type,
        content: &'d StructType,
        nest: usize,
    ) -> Result<ValueKind, Absent> {
        if content.declaration {
            return Err(Absent::because(AbsentReason::NoDebugInfo, "incomplete type"));
        }
        if nest >= self.decoder.limits.depth {
            return Ok(ValueKind::Elided);
        }
        let source = self.in_one_piece(source, definition.size)?;
        let place = source.address();
        let statics = if std::mem::take(&mut self.in_static) { usize::MAX } else { self.statics.len() };
        if let Some(place) = place {
            self.enter(place, stripped);
        }
        let kind = match &content.variants {
            // Records of Ada and Pascal: of their members some are there in some variants alone.
            Some(part) if definition.language == Language::Other => {
                let mut fields = self.fields(source, &content.members, &[], nest);
                self.active_variant(source, part).map(|active| {
                    let members = active.map_or(&[][..], |active| &active.members);
                    fields.extend(self.fields(source, members, &[], nest));
                    ValueKind::Struct { union: false, fields }
                })
            }
            Some(part) if self.decoder.raw => {
                let variants = part.variants.iter().flat_map(|variant| &variant.members);
                let mut fields = Vec::new();
                for member in part.discriminant.iter().chain(variants) {
                    fields.extend(self.fields(source, std::slice::from_ref(member), &[], nest));
                }
                Ok(ValueKind::Struct { union: false, fields })
            }
            Some(part) => self.variant(source, part, nest),
            None => {
                let statics = if self.decoder.limits.statics { content.statics.as_slice() } else { &[] };
                let fields = self.fields(source, &content.members, statics, nest);
                Ok(ValueKind::Struct { union: content.kind == StructKind::Union, fields })
            }
        };
        if place.is_some() {
            self.path.pop();
        }
        self.statics.truncate(statics);
        kind
    }

    /// The object's bytes, borrowed, where they are mapped in one piece. An object of which nothing at all can be
    /// read is one hole, not as many as it has fields.
    pub(super) fn in_one_piece<'s>(&self, source: Source<'s>, size: Option<u64>) -> Result<Source<'s>, Absent>
    where
        'a: 's,
    {
        let (Source::Memory(address), Some(size @ 1..=MAX_PIECE)) = (source, size) else { return Ok(source) };
        let memory: &'a dyn crate::memory::Memory = self.decoder.memory;
        match memory.piece(address, size as usize) {
            Ok(data) if data.len() as u64 == size => Ok(Source::Bytes { data, address: Some(address), place: None }),
            Ok(_) => Ok(source),
            Err(error) => {
                let last = address.checked_add(size - 1).ok_or(ReadError { address, ..error })?;
                memory.piece(last, 1).map(|_| source).map_err(|_| error.into())
            }
        }
    }

    fn fields(
        &mut self,
        source: Source<'_>,
        members: &'d [Member],
        statics: &'d [StaticMember],
        nest: usize,
    ) -> Vec<Field> {
        let mut fields = Vec::with_capacity(members.len().saturating_add(statics.len()).min(self.nodes));
        let mut statics = statics.iter().peekable();
        for (position, member) in members.iter().enumerate() {
            while let Some(before) = statics.next_if(|found| found.members_before <= position && self.nodes > 0) {
                fields.push(self.static_member(before, nest));
            }
            if self.nodes == 0 {
                fields.push(Field::of(None, Value { type_id: member.type_id, kind: ValueKind::Elided }));
                return fields;
            }
            let value = self.member(source, member, nest);
            fields.push(Field { base: member.base, ..Field::of(member.name.clone(), value) });
        }
        while let Some(after) = statics.next_if(|_| self.nodes > 0) {
            fields.push(self.static_member(after, nest));
        }
        fields
    }

    /// A static member, as gdb has it: of structures and arrays within each other, each once.
    #[inline(never)]
    fn static_member(&mut self, member: &'d StaticMember, nest: usize) -> Field {
        let found = self.decoder.symbols.map(|symbols| symbols.static_member(member));
        let value = match found.unwrap_or_else(|| Err(Absent::new(AbsentReason::OptimizedOut))) {
            Ok((place, type_id)) => {
                let kind = &self.decoder.types.stripped(type_id).1.kind;
                let is_large = matches!(kind, TypeKind::Struct(_) | TypeKind::Array { .. });
                match place {
                    Place::Memory(address) if is_large && self.statics.contains(&address) => {
                        let detail = "same as static member of an already seen type";
                        let absent = Absent::because(AbsentReason::Unsupported, detail);
                        Value { type_id, kind: ValueKind::Absent(absent) }
                    }
                    place => {
                        if let (Place::Memory(address), true) = (&place, is_large) {
                            self.statics.push(*address);
                        }
                        self.in_static = matches!(kind, TypeKind::Struct(_));
                        let value = self.value(Source::of_place(&place), type_id, nest + 1);
                        self.in_static = false;
                        value
                    }
                }
            }
            Err(absent) => Value { type_id: member.type_id, kind: ValueKind::Absent(absent) },
        };
        Field { is_static: true, ..Field::of(Some(member.name.clone()), value) }
    }

    fn member(&mut self, source: Source<'_>, member: &'d Member, nest: usize) -> Value {
        let type_id = member.type_id;
        if let Some((start, width)) = member.bits {
            let (_, stripped) = self.decoder.types.stripped(type_id);
            let kind = match self.bit_field(source, start, width) {
                Ok(_) if let TypeKind::Unreadable(why) = &stripped.kind => {
                    ValueKind::Absent(Absent::because(AbsentReason::Unsupported, why.clone()))
                }
                Ok(bits) => self.integer(stripped, bits, width as u32),
                Err(absent) => ValueKind::Absent(absent),
            };
            self.nodes = self.nodes.saturating_sub(1);
            return Value { type_id, kind };
        }
        // Base classes and anonymous structures are parts of the same object, no deeper level of it.
        let nest = if member.base || member.name.is_none() { nest } else { nest + 1 };
        let found = match &member.offset {
            MemberOffset::Bytes(0) => Ok(source),
            MemberOffset::Bytes(offset) => source.at(*offset),
            MemberOffset::Expression(expression) => self.computed(source, expression),
        };
        match found {
            Ok(source) => self.value(source, type_id, nest),
            Err(absent) => Value { type_id, kind: ValueKind::Absent(absent) },
        }
    }

    fn computed<'s>(&self, source: Source<'s>, expression: &crate::module::Expression) -> Result<Source<'s>, Absent> {
        let object = source.address().ok_or_else(|| {
            Absent::because(AbsentReason::Unsupported, "its place depends on the object's address, and it has none")
        })?;
        let evaluator = self.decoder.evaluate.ok_or_else(no_evaluator)?;
        evaluator.evaluate(expression, Some(object)).map(|address| Source::Memory(RunAddr(address)))
    }

    /// The variant that the discriminant picks (Rust's enums).
    fn variant(&mut self, source: Source<'_>, part: &'d VariantPart, nest: usize) -> Result<ValueKind, Absent> {
        let active = self.active_variant(source, part)?;
        self.nodes = self.nodes.saturating_sub(part.variants.len() / 64);
        let Some(active) = active else {
            return Ok(ValueKind::Struct { union: false, fields: Vec::new() });
        };
        let [member] = active.members.as_slice() else {
            let fields = self.fields(source, &active.members, &[], nest);
            return Ok(ValueKind::Variant { title: None, variant: Cow::Borrowed("?"), fields });
        };
        let mut name = member.name.clone().unwrap_or(Cow::Borrowed("?"));
        let mut title = None;
        // rustc numbers the states of an async block and names their structures: Unresumed, Suspend0.
        if name.bytes().all(|byte| byte.is_ascii_digit())
            && let Some(state) = self.decoder.types.name(member.type_id).rsplit("::").next()
        {
            name = Cow::Owned(state.to_owned());
            if let Some((file, line)) = active.position.as_deref().filter(|_| state.starts_with("Suspend")) {
                let state = self.decoder.types.name(member.type_id);
                title = Some(format!("{state} at {file}:{line}").into_boxed_str());
            }
        }
        let inner = self.member(source, member, nest.saturating_sub(1));
        match inner.kind {
            ValueKind::Struct { union: false, fields } => Ok(ValueKind::Variant { title, variant: name, fields }),
            ValueKind::Absent(absent) => Err(absent),
            ValueKind::Elided => Ok(ValueKind::Elided),
            _ => {
                let field = Field::of(Some(Cow::Borrowed("__0")), inner);
                Ok(ValueKind::Variant { title: None, variant: name, fields: vec![field] })
            }
        }
    }

    /// The variant that the discriminant picks; `None` where there are none.
    pub(super) fn active_variant<'p>(
        &self,
        source: Source<'_>,
        part: &'p VariantPart,
    ) -> Result<Option<&'p Variant>, Absent> {
        let Some(discriminant) = &part.discriminant else { return Ok(part.variants.first()) };
        let (bits, width) = self.discriminant(source, discriminant)?;
        let mask = u128::MAX >> (128 - width);
        let holds =
            |variant: &&Variant| variant.values.iter().any(|(low, high)| (low & mask..=high & mask).contains(&bits));
        let named = part.variants.iter().find(holds);
        match named.or_else(|| part.variants.iter().find(|variant| variant.values.is_empty())) {
            Some(active) => Ok(Some(active)),
            None => Err(Absent::because(AbsentReason::Corrupt, format!("no variant has discriminant {bits:#x}"))),
        }
    }

    fn discriminant(&self, source: Source<'_>, member: &Member) -> Result<(u128, u32), Absent> {
        if let Some((start, width)) = member.bits {
            return Ok((self.bit_field(source, start, width)?, width as u32));
        }
        let MemberOffset::Bytes(offset) = member.offset else { return Err(no_evaluator()) };
        let size = self.decoder.size(member.type_id)?;
        if size == 0 || size > 16 {
            return Err(Absent::because(AbsentReason::Corrupt, format!("a discriminant of {size} bytes")));
        }
        let place = source.at(offset)?;
        if let Some(address) = place.address() {
            self.decoder.memory.noted(address, size as usize, ReadAs::Structure);
        }
        Ok((self.bits(place, size)?, 8 * size as u32))
    }

    pub(super) fn array(
        &mut self,
        source: Source<'_>,
        definition: &Type,
        element: TypeId,
        count: &Count,
        stride: Option<u64>,
        nest: usize,
    ) -> Result<ValueKind, Absent> {
        if let Count::Dimension(dimension) = count {
            return self.array_in_bounds(source, definition, element, dimension, stride, nest);
        }
        let types = self.decoder.types;
        let (_, stripped) = types.stripped(element);
        let c_family = definition.language.has_text_in_arrays();
        let character = match stripped.kind {
            TypeKind::Char { unicode: false, .. } if c_family && stripped.size == Some(1) => Some(1),
            TypeKind::Char { unicode: true, .. } if c_family => stripped.size.filter(|size| matches!(size, 1 | 2 | 4)),
            _ => None,
        };
        let length = match array_count(self.decoder, count)? {
            Some(length) => length,
            // The bounds may be missing where the size is known.
            None => match (definition.size, self.decoder.size(element)) {
                (Some(size), Ok(element @ 1..)) => size / element,
                _ => 0,
            },
        };
        if length == 0
            && c_family
            && let Some(address) = source.address()
        {
            // `int data[]` at a structure's end: where it begins is all that is known of it.
            let (symbol, string) = (self.symbol(address), character.and_then(|unit| self.c_string(address, unit)));
            return Ok(ValueKind::Pointer { address: Some(address), reference: false, symbol, string, pointee: None });
        }
        if let (Some(unit), false, None) = (character, self.decoder.raw, stride)
            && !is_partly_known(source, length.saturating_mul(unit))
        {
            return self.text(source, length, unit);
        }
        let stride = match stride {
            Some(stride) => stride,
            None => self.decoder.size(element)?,
        };
        let shown = length.min(self.decoder.limits.items as u64);
        let source = self.in_one_piece(source, shown.checked_mul(stride))?;
        let mut items = Vec::with_capacity((shown as usize).min(self.nodes));
        for index in 0..shown {
            if self.nodes == 0 {
                break;
            }
            let found = index.checked_mul(stride).ok_or_else(super::beyond).and_then(|offset| source.at(offset));
            items.push(match found {
                Ok(source) => self.value(source, element, nest),
                Err(absent) => Value { type_id: element, kind: ValueKind::Absent(absent) },
            });
        }
        let omitted = length - items.len() as u64;
        Ok(ValueKind::Array { length, items, omitted })
    }

    /// An array of characters. What of it cannot be read ends it.
    pub(super) fn text(&mut self, source: Source<'_>, length: u64, unit: u64) -> Result<ValueKind, Absent> {
        let shown = length.min(self.decoder.limits.string.min(self.string_bytes) as u64);
        let size = (shown * unit) as usize;
        self.string_bytes = self.string_bytes.saturating_sub(size);
        let mut cut = None;
        let mut bytes = match source {
            Source::Bytes { data, place, .. } => {
                let bytes = data.get(..size).ok_or_else(super::beyond)?;
                if let Some((place, start)) = place
                    && let Some(absent) = hole(place, start, start + size)
                {
                    return Err(absent.clone());
                }
                bytes.to_vec()
            }
            Source::Memory(address) => {
                let (bytes, error) = self.readable(address, size)?;
                cut = error.map(Box::new);
                bytes
            }
        };
        let units = bytes.len() as u64 / unit;
        if unit > 1 {
            let codes: Vec<u32> = bytes
                .chunks_exact(unit as usize)
                .map(|chunk| chunk.iter().rev().fold(0, |code, byte| code << 8 | u32::from(*byte)))
                .collect();
            bytes = utf8(&codes, unit as usize);
        }
        Ok(ValueKind::String(Text { bytes, length: Some(length), omitted: length - units, cut }))
    }

    /// The bytes up to the first unreadable one, and why that is unreadable.
    fn readable(&self, address: RunAddr, size: usize) -> Result<(Vec<u8>, Option<Absent>), Absent> {
        let mut bytes = Vec::new();
        let mut end = None;
        while bytes.len() < size {
            let Some(at) = address.checked_add(bytes.len() as u64) else { break };
            match self.decoder.memory.piece(at, size - bytes.len()) {
                Ok(piece) => bytes.extend_from_slice(piece),
                Err(error) if bytes.is_empty() => return Err(error.into()),
                Err(error) => {
                    end = Some(error.into());
                    break;
                }
            }
        }
        self.decoder.memory.noted(address, bytes.len(), ReadAs::Text);
        Ok((bytes, end))
    }
}

/// Whether some of the first `size` bytes are known and others not, so that each is shown by itself.
fn is_partly_known(source: Source<'_>, size: u64) -> bool {
    let Source::Bytes { place: Some((place, start)), .. } = source else { return false };
    let Some(end) = usize::try_from(size).ok().and_then(|size| start.checked_add(size)) else { return false };
    // Holes may overlap or follow each other.
    let mut unknown_to = start;
    let mut holes: Vec<(usize, usize)> = place.holes.iter().map(|(from, to, _)| (*from, *to)).collect();
    holes.sort_unstable();
    let mut any = false;
    for (from, to) in holes.into_iter().filter(|(from, to)| *from < end && start < *to) {
        any = true;
        if from > unknown_to {
            return true;
        }
        unknown_to = unknown_to.max(to);
    }
    any && unknown_to < end
}
