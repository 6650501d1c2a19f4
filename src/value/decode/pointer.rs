//! Pointers, references, member pointers, and the text that character pointers lead to.

use std::borrow::Cow;

use super::{MAX_NODES, Run, Source};
use crate::addr::RunAddr;
use crate::types::{Language, Type, TypeId, TypeKind};
use crate::value::{Absent, AbsentReason, Field, Text, Value, ValueKind};

/// Bytes in which a string's end is looked for, past those that are kept.
const MAX_STRING_SCAN: usize = 1 << 16;

impl<'d, 'a: 'd> Run<'d, 'a> {
    pub(super) fn pointer(
        &mut self,
        source: Source<'_>,
        definition: &'d Type,
        target: TypeId,
        nest: usize,
    ) -> Result<ValueKind, Absent> {
        if let Some(implicit) = self.implicit_pointer(source, target, nest, false) {
            return Ok(implicit);
        }
        let address = RunAddr(self.bits(source, self.address_size(definition))? as u64);
        let mut pointer =
            ValueKind::Pointer { address: Some(address), reference: false, symbol: None, string: None, pointee: None };
        if address.0 == 0 {
            return Ok(pointer);
        }
        let ValueKind::Pointer { symbol, string, pointee, .. } = &mut pointer else { return Ok(pointer) };
        *symbol = self.symbol(address);
        let (_, known) = self.decoder.types.stripped(target);
        let place = RunAddr(self.decoder.arch.strip_pointer(address.0));
        match &known.kind {
            TypeKind::Void
            | TypeKind::Function { .. }
            | TypeKind::Unspecified
            | TypeKind::Unreadable(_)
            | TypeKind::Typedef { .. }
            | TypeKind::Qualified { .. } => {}
            TypeKind::Char { unicode, .. } if matches!(known.language, Language::C | Language::Cpp) => {
                let unit = if *unicode { known.size.unwrap_or(1) } else { 1 };
                *string = self.c_string(place, unit);
            }
            TypeKind::Struct(content) if content.declaration => {}
            _ if self.decoder.limits.follow && nest < self.decoder.limits.depth && self.nodes > 0 => {
                *pointee = self.follow(place, target, nest)
            }
            _ => {}
        }
        Ok(pointer)
    }

    pub(super) fn reference(
        &mut self,
        source: Source<'_>,
        definition: &'d Type,
        target: TypeId,
        nest: usize,
    ) -> Result<ValueKind, Absent> {
        if let Some(implicit) = self.implicit_pointer(source, target, nest, true) {
            return Ok(implicit);
        }
        let address = RunAddr(self.bits(source, self.address_size(definition))? as u64);
        let place = RunAddr(self.decoder.arch.strip_pointer(address.0));
        let pointee = self.follow(place, target, nest);
        Ok(ValueKind::Pointer { address: Some(address), reference: true, symbol: None, string: None, pointee })
    }

    fn address_size(&self, definition: &Type) -> u64 {
        definition.size.filter(|size| (1..=8).contains(size)).unwrap_or(self.decoder.arch.address_size() as u64)
    }

    /// What is at `place`, unless it is being decoded already.
    fn follow(&mut self, place: RunAddr, target: TypeId, nest: usize) -> Option<Box<Value>> {
        let (stripped, known) = self.decoder.types.stripped(target);
        if self.path.contains(&(place, stripped)) {
            return Some(Box::new(Value { type_id: target, kind: ValueKind::Elided }));
        }
        // Structures put themselves on the path.
        let entered = !matches!(known.kind, TypeKind::Struct(_));
        if entered {
            self.enter(place, stripped);
        }
        let whole = if self.decoder.raw || !self.decoder.limits.objects {
            None
        } else {
            self.decoder.whole_object(place, target)
        };
        let whole = whole.filter(|(start, class)| !self.path.contains(&(*start, *class)));
        let (place, target) = whole.unwrap_or((place, target));
        let value = self.value(Source::Memory(place), target, nest + 1);
        if entered {
            self.path.pop();
        }
        Some(Box::new(value))
    }

    /// A pointer that the compiler dropped while it kept what it pointed to.
    fn implicit_pointer(
        &mut self,
        source: Source<'_>,
        target: TypeId,
        nest: usize,
        reference: bool,
    ) -> Option<ValueKind> {
        let Source::Bytes { place: Some((place, start)), .. } = source else { return None };
        let (_, pointed, type_id) = place.implicit_pointers.iter().find(|(offset, ..)| *offset == start)?;
        let value = self.value(Source::of_place(pointed), type_id.unwrap_or(target), nest + 1);
        let pointee = Some(Box::new(value));
        Some(ValueKind::Pointer { address: None, reference, symbol: None, string: None, pointee })
    }

    /// The NUL-terminated string at `address`, of units of 1, 2 or 4 bytes. `None` where nothing can be read.
    pub(super) fn c_string(&mut self, address: RunAddr, unit: u64) -> Option<Text> {
        let limit = self.decoder.limits.string.min(self.string_bytes);
        if unit != 1 {
            return self.wide_string(address, unit as usize, limit);
        }
        let memory = self.decoder.memory;
        let (bytes, ended) = memory.read_c_string(address, limit.max(1)).ok()?;
        self.string_bytes = self.string_bytes.saturating_sub(bytes.len());
        let kept = bytes.len() as u64;
        if ended {
            return Some(Text { bytes, length: Some(kept), omitted: 0, cut: None });
        }
        // How long it is in all. A string that runs into unreadable memory has no known length.
        let scan = if self.string_bytes == 0 { 0 } else { MAX_STRING_SCAN };
        let rest = address.checked_add(kept)?;
        let (left, ended) = memory.read_c_string(rest, scan).unwrap_or_default();
        self.string_bytes = self.string_bytes.saturating_sub(left.len());
        let left = left.len() as u64;
        let omitted = if ended { left } else { left.max(1) };
        // Where the limit came first, what follows is left out in any case.
        let cut = if (kept as usize) < limit { self.decoder.memory.piece(rest, 1).err() } else { None };
        let cut = cut.map(|error| Box::new(error.into()));
        Some(Text { bytes, length: ended.then_some(kept + left), omitted, cut })
    }

    fn wide_string(&mut self, address: RunAddr, unit: usize, limit: usize) -> Option<Text> {
        let mut units = Vec::new();
        let mut ended = false;
        let mut cut = None;
        while units.len() < limit {
            let at = address.checked_add((units.len() * unit) as u64)?;
            match self.decoder.memory.read_uint(at, unit) {
                Ok(0) => {
                    ended = true;
                    break;
                }
                Ok(code) => units.push(code as u32),
                Err(_) if units.is_empty() => return None,
                Err(error) => {
                    cut = Some(Box::new(error.into()));
                    break;
                }
            }
        }
        self.string_bytes = self.string_bytes.saturating_sub(units.len() * unit);
        let length = units.len() as u64;
        let bytes = utf8(&units, unit);
        Some(Text { bytes, length: ended.then_some(length), omitted: u64::from(!ended), cut })
    }

    /// A pointer to data member is an offset; one to a function is the Itanium ABI's pair (section 2.3): a function's
    /// address or 1 + an offset in the vtable, and what to add to the object's address.
    pub(super) fn member_pointer(
        &mut self,
        source: Source<'_>,
        stripped: TypeId,
        target: TypeId,
    ) -> Result<ValueKind, Absent> {
        let word = self.decoder.arch.address_size() as u64;
        let signed = |bits: u128| (bits << (128 - 8 * word)) as i128 >> (128 - 8 * word);
        if !matches!(self.decoder.types.stripped(target).1.kind, TypeKind::Function { .. }) {
            return Ok(ValueKind::Int(signed(self.bits(source, word)?)));
        }
        let address = self.bits(source, word)? as u64;
        let delta = signed(self.bits(source.at(word)?, word)?);
        // On aarch64 the delta's lowest bit marks a virtual function instead (C++ ABI for Arm, section 3.2.1).
        let is_virtual = match self.decoder.arch {
            crate::arch::Arch::Aarch64 => delta & 1 == 1,
            _ => address & 1 == 1,
        };
        let function = match is_virtual {
            true => ValueKind::Uint(address.into()),
            false => ValueKind::Pointer {
                address: Some(RunAddr(address)),
                reference: false,
                symbol: if address == 0 { None } else { self.symbol(RunAddr(address)) },
                string: None,
                pointee: None,
            },
        };
        let field = |name: &'static str, kind| Field::of(Some(Cow::Borrowed(name)), Value { type_id: stripped, kind });
        let fields = vec![field("__pfn", function), field("__delta", ValueKind::Int(delta))];
        self.nodes = self.nodes.saturating_sub(fields.len()).min(MAX_NODES);
        Ok(ValueKind::Struct { union: false, fields })
    }
}

/// UTF-16 or UTF-32 units as UTF-8; what is no character becomes U+FFFD.
pub(super) fn utf8(units: &[u32], unit: usize) -> Vec<u8> {
    let text: String = match unit {
        2 => char::decode_utf16(units.iter().map(|code| *code as u16))
            .map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect(),
        _ => units.iter().map(|code| char::from_u32(*code).unwrap_or(char::REPLACEMENT_CHARACTER)).collect(),
    };
    text.into_bytes()
}

/// The absence of what a member's expression could not find.
pub(super) fn no_evaluator() -> Absent {
    Absent::because(AbsentReason::Unsupported, "the member's place is computed, and nothing here computes it")
}
