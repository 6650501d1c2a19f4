//! Objects in several pieces, in registers and constants, or behind pointers that the compiler dropped; values of typed
//! expressions.

use super::*;

impl Context<'_> {
    /// Puts an object together from its pieces; `constant`: nothing of it depends on the process.
    pub(super) fn join(
        &self,
        pieces: &[gimli::Piece<gimli::EndianSlice<'_, gimli::LittleEndian>>],
        unit: &Unit,
        size: Option<u64>,
        constant: bool,
    ) -> Result<PlaceBytes, Absent> {
        let mut place = PlaceBytes::default();
        let mut bit = 0u64;
        // Bits that are not at hand.
        let mut missing: Vec<(u64, u64)> = Vec::new();
        let whole = pieces.len() == 1 && pieces[0].size_in_bits.is_none();
        for piece in pieces {
            let bits = piece.size_in_bits.or_else(|| size.and_then(|size| size.checked_mul(8))).unwrap_or(64);
            if bit.saturating_add(bits) > MAX_PLACE_BYTES * 8 {
                return Err(Absent::because(AbsentReason::Corrupt, "the pieces of its location are too large"));
            }
            let length = bits.div_ceil(8) as usize;
            let skip = piece.bit_offset.unwrap_or(0);
            let start = (bit / 8) as usize;
            let end = (bit + bits).div_ceil(8) as usize;
            place.data.resize(end.max(place.data.len()), 0);
            match self.piece_bytes(piece, unit, length + skip.div_ceil(8) as usize) {
                Ok(Piece::Bytes(bytes)) => {
                    copy_bits(&mut place.data, bit, &bytes, skip, bits);
                    let held = (bytes.len() as u64 * 8).saturating_sub(skip);
                    // LLVM's word for an object, or a part of one, that is zero: a zero that has to fill it.
                    let zero = constant && bytes.iter().all(|byte| *byte == 0);
                    if held < bits && !zero {
                        let why = match piece.location {
                            gimli::Location::Register { register } => self.beyond(register.0, bytes.len()),
                            _ => Absent::because(AbsentReason::Corrupt, "larger than what is said to hold it"),
                        };
                        place.holes.push((((bit + held) / 8) as usize, end, why));
                        missing.push((bit + held, bit + bits));
                    }
                    if whole && let gimli::Location::Register { register } = piece.location {
                        place.register = Some(register.0);
                    }
                }
                Ok(Piece::Pointer(target, type_die)) => {
                    let type_id = type_die;
                    place.implicit_pointers.push((start, Box::new(target), type_id));
                }
                Err(absent) if pieces.len() == 1 => return Err(absent),
                Err(absent) => {
                    place.holes.push((start, end, absent));
                    missing.push((bit, bit + bits));
                }
            }
            bit += bits;
        }
        if let Some(size) = size.filter(|size| *size <= MAX_PLACE_BYTES) {
            place.data.resize(size as usize, 0);
            if bit < size * 8 {
                let start = (bit / 8) as usize;
                place.holes.push((start, size as usize, Absent::new(AbsentReason::OptimizedOut)));
                missing.push((bit, size * 8));
            }
        }
        place.partial = partly_known(&missing);
        Ok(place)
    }

    fn piece_bytes(
        &self,
        piece: &gimli::Piece<gimli::EndianSlice<'_, gimli::LittleEndian>>,
        unit: &Unit,
        length: usize,
    ) -> Result<Piece, Absent> {
        match &piece.location {
            gimli::Location::Empty => Err(Absent::new(AbsentReason::OptimizedOut)),
            gimli::Location::Register { register } => self.register_bytes(register.0).map(Piece::Bytes),
            gimli::Location::Address { address } => {
                let address = RunAddr(self.arch.strip_pointer(*address));
                Ok(Piece::Bytes(self.memory.read_vec(address, length)?))
            }
            gimli::Location::Value { value } => Ok(Piece::Bytes(value_bytes(*value, length))),
            gimli::Location::Bytes { value } => Ok(Piece::Bytes(value.slice().to_vec())),
            gimli::Location::ImplicitPointer { value, byte_offset } => {
                self.implicit_pointer(unit, *value, *byte_offset)
            }
        }
    }

    fn implicit_pointer(&self, unit: &Unit, target: gimli::DebugInfoOffset, byte_offset: i64) -> Result<Piece, Absent> {
        let gone = || Absent::because(AbsentReason::OptimizedOut, "a pointer to something that was optimized out");
        let die = self.program.reference(unit, gimli::AttributeValue::DebugInfoRef(target)).ok_or_else(gone)?;
        if self.nesting.get() >= MAX_NESTING {
            return Err(gone());
        }
        self.nesting.set(self.nesting.get() + 1);
        let found = self.implicit_target(die, byte_offset).ok_or_else(gone);
        self.nesting.set(self.nesting.get() - 1);
        found
    }

    fn implicit_target(&self, die: DieRef, byte_offset: i64) -> Option<Piece> {
        let unit = self.program.unit(die)?;
        let entry = unit.entry(die.offset)?;
        let mut source = LocationSource::of(unit, &entry, gimli::DW_AT_location);
        if source.is_none() {
            source = LocationSource::of(unit, &entry, gimli::DW_AT_const_value);
        }
        let place = self.source(&source, unit, None).ok()?;
        let place = match place {
            Place::Memory(address) => Place::Memory(address.wrapping_offset(byte_offset)),
            Place::Bytes(mut bytes) => {
                let skip = usize::try_from(byte_offset).ok().filter(|skip| *skip <= bytes.data.len())?;
                if !bytes.implicit_pointers.is_empty() && skip > 0 {
                    return None;
                }
                bytes.data.drain(..skip);
                for hole in &mut bytes.holes {
                    hole.0 = hole.0.saturating_sub(skip);
                    hole.1 = hole.1.saturating_sub(skip);
                }
                bytes.partial.retain(|(at, _)| *at >= skip);
                bytes.partial.iter_mut().for_each(|(at, _)| *at -= skip);
                Place::Bytes(bytes)
            }
        };
        Some(Piece::Pointer(place, None))
    }
}

enum Piece {
    Bytes(Vec<u8>),
    Pointer(Place, Option<crate::types::TypeId>),
}

/// The bytes at the ends of ranges of bits that are missing, and those of their bits that are not.
fn partly_known(missing: &[(u64, u64)]) -> Vec<(usize, u8)> {
    let mut bytes = std::collections::BTreeMap::<u64, u8>::new();
    for (from, to) in missing.iter().filter(|(from, to)| from < to) {
        let (first, last) = (from / 8, (to - 1) / 8);
        for byte in [first, last] {
            let (low, high) = (from.saturating_sub(8 * byte), (to - 8 * byte).min(8));
            *bytes.entry(byte).or_default() |= (0xffu32 << low & !(0xffu32 << high)) as u8;
        }
    }
    bytes.into_iter().filter(|(_, missing)| *missing != 0xff).map(|(byte, missing)| (byte as usize, !missing)).collect()
}

/// Copies `bits` bits from bit `from` of `source` to bit `to` of `target`, as far as both reach.
fn copy_bits(target: &mut [u8], to: u64, source: &[u8], from: u64, bits: u64) {
    if [to, from, bits].iter().all(|number| number.is_multiple_of(8)) {
        let source = source.get((from / 8) as usize..).unwrap_or(&[]);
        let target = target.get_mut((to / 8) as usize..).unwrap_or(&mut []);
        let length = ((bits / 8) as usize).min(source.len()).min(target.len());
        target[..length].copy_from_slice(&source[..length]);
        return;
    }
    for index in 0..bits {
        let Some(byte) = source.get(((from + index) / 8) as usize) else { return };
        let bit = byte >> ((from + index) % 8) & 1;
        let Some(byte) = target.get_mut(((to + index) / 8) as usize) else { return };
        *byte = *byte & !(1 << ((to + index) % 8)) | bit << ((to + index) % 8);
    }
}

/// Whether the expression is made of constants, taken as the object's value.
pub(super) fn has_constants_alone(expression: &[u8], unit: &Unit) -> bool {
    use gimli::Operation::{Piece, SignedConstant, StackValue, UnsignedConstant};
    let mut operations =
        gimli::Expression(gimli::EndianSlice::new(expression, gimli::LittleEndian)).operations(unit.unit.encoding());
    loop {
        match operations.next() {
            Ok(Some(UnsignedConstant { .. } | SignedConstant { .. } | StackValue | Piece { .. })) => {}
            Ok(None) => return true,
            _ => return false,
        }
    }
}

/// A stack value's bytes. Generic values are address-sized; an object wider than that (a 128-bit integer that the
/// compiler describes by a short constant) is not completed by guessing.
fn value_bytes(value: gimli::Value, length: usize) -> Vec<u8> {
    let bytes: Vec<u8> = match value {
        gimli::Value::Generic(value) | gimli::Value::U64(value) => value.to_le_bytes().to_vec(),
        gimli::Value::I8(value) => i64::from(value).to_le_bytes().to_vec(),
        gimli::Value::U8(value) => u64::from(value).to_le_bytes().to_vec(),
        gimli::Value::I16(value) => i64::from(value).to_le_bytes().to_vec(),
        gimli::Value::U16(value) => u64::from(value).to_le_bytes().to_vec(),
        gimli::Value::I32(value) => i64::from(value).to_le_bytes().to_vec(),
        gimli::Value::U32(value) => u64::from(value).to_le_bytes().to_vec(),
        gimli::Value::I64(value) => value.to_le_bytes().to_vec(),
        gimli::Value::F32(value) => value.to_bits().to_le_bytes().to_vec(),
        gimli::Value::F64(value) => value.to_bits().to_le_bytes().to_vec(),
    };
    bytes[..bytes.len().min(length)].to_vec()
}

pub(super) fn base_type(unit: &Unit, offset: gimli::UnitOffset) -> Result<gimli::ValueType, Absent> {
    if offset.0 == 0 {
        return Ok(gimli::ValueType::Generic);
    }
    let unknown = || Absent::because(AbsentReason::Unsupported, "a typed operation over a type that is not known");
    let entry = unit.entry(offset.0 as u32).ok_or_else(unknown)?;
    let size = entry.attr_value(gimli::DW_AT_byte_size).and_then(|size| size.udata_value());
    let encoding = match entry.attr_value(gimli::DW_AT_encoding) {
        Some(gimli::AttributeValue::Encoding(encoding)) => Some(encoding),
        _ => None,
    };
    gimli::ValueType::from_encoding(encoding.ok_or_else(unknown)?, size.ok_or_else(unknown)?).ok_or_else(unknown)
}

pub(super) fn typed(unit: &Unit, offset: gimli::UnitOffset, bits: u64) -> Result<gimli::Value, Absent> {
    Ok(match base_type(unit, offset)? {
        gimli::ValueType::F32 => gimli::Value::F32(f32::from_bits(bits as u32)),
        gimli::ValueType::F64 => gimli::Value::F64(f64::from_bits(bits)),
        other => gimli::Value::from_u64(other, bits).map_err(malformed)?,
    })
}

/// The same, but where the value is taken as it is, of a type whose arithmetic is not known too (`_Float16`).
pub(super) fn typed_or_bare(
    unit: &Unit,
    offset: gimli::UnitOffset,
    bits: u64,
    expression: &[u8],
    size: Option<u64>,
) -> Result<gimli::Value, Absent> {
    let value = typed(unit, offset, bits);
    if value.is_err() && matches!(size, Some(1..=8)) && is_one_value(expression) {
        return Ok(gimli::Value::Generic(bits));
    }
    value
}

/// Whether the expression is an entry value (`DW_OP_entry_value` and its GNU predecessor) or a typed register
/// (`DW_OP_regval_type`) and nothing but that.
fn is_one_value(expression: &[u8]) -> bool {
    match expression {
        [0xa3 | 0xf3, length, inner @ .., STACK_VALUE] => usize::from(*length) == inner.len(),
        [0xa5 | 0xf5, 0..=0x7f, offset @ .., STACK_VALUE] => unsigned_leb(offset).is_some(),
        _ => false,
    }
}

pub(super) fn number_of(place: &PlaceBytes) -> Result<u64, Absent> {
    if let Some((.., absent)) = place.holes.first() {
        return Err(absent.clone());
    }
    let mut low = [0; 8];
    let length = place.data.len().min(8);
    low[..length].copy_from_slice(&place.data[..length]);
    Ok(u64::from_le_bytes(low))
}

pub(super) fn unsigned_leb(bytes: &[u8]) -> Option<u64> {
    let mut reader = gimli::EndianSlice::new(bytes, gimli::LittleEndian);
    gimli::Reader::read_uleb128(&mut reader).ok().filter(|_| reader.is_empty())
}

pub(super) fn signed_leb(bytes: &[u8]) -> Option<i64> {
    let mut value = 0i64;
    let mut shift = 0;
    for (index, byte) in bytes.iter().enumerate() {
        if shift >= 63 {
            return None;
        }
        value |= i64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            if byte & 0x40 != 0 {
                value |= -1i64 << shift;
            }
            return (index + 1 == bytes.len()).then_some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::partly_known;

    #[test]
    fn bits_at_the_ends_of_what_is_missing() {
        assert_eq!(partly_known(&[(0, 8), (16, 32)]), []);
        assert_eq!(partly_known(&[(3, 8), (16, 20)]), [(0, 0b111), (2, 0b1111_0000)]);
        assert_eq!(partly_known(&[(5, 30)]), [(0, 0b1_1111), (3, 0b1100_0000)]);
        // Two ranges in one byte, and two that fill one.
        assert_eq!(partly_known(&[(0, 2), (6, 7)]), [(0, 0b1011_1100)]);
        assert_eq!(partly_known(&[(0, 3), (3, 8), (9, 9)]), []);
    }
}
