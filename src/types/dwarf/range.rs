//! What Pascal, Modula-2 and Ada make of other types: ranges of numbers, and sets of enumerators, one bit for each.

use gimli::constants as dw;

use super::attributes::Entry;
use super::{Loader, MAX_HOPS, Name, Type, TypeKind, unreadable};
use crate::module::Unit;

/// Bytes of the largest set that is read as a number.
const MAX_SIZE: u64 = 16;

impl Loader<'_> {
    /// DWARF 5, section 5.13: what is never negative has no sign, and it may take fewer bytes than the numbers that it is
    /// a part of.
    pub(super) fn subrange(&self, entry: &Entry, unit: &Unit) -> Type {
        let language = unit.language;
        let name = entry.name().map(Name::into_owned);
        if entry.value(dw::DW_AT_GNU_bias).is_some() {
            return unreadable("numbers that are stored with a bias are not supported", language);
        }
        let own = entry.unsigned(dw::DW_AT_byte_size);
        let base = entry.value(dw::DW_AT_type).and_then(|value| self.reference(unit, value));
        let base = base.and_then(|die| self.underlying(die)).filter(|(base, _)| base.tag() == dw::DW_TAG_base_type);
        let base = base.map(|(base, unit)| self.base_type(&base, unit));
        if let Some(Type { name: base_name, size, kind: TypeKind::Int { signed }, .. }) = base {
            let lower = entry.constant(dw::DW_AT_lower_bound).map(|lower| lower.bits() as i128);
            let stays = signed && lower.is_none_or(|lower| lower < 0);
            if stays != signed || own.is_some() && own != size {
                let kind = TypeKind::Int { signed: stays };
                return Type { name: name.or(base_name), size: own.or(size), language, kind };
            }
        }
        Type { name, size: own, language, kind: TypeKind::Typedef { target: self.target(entry, unit) } }
    }

    /// DWARF 5, section 5.11. The least significant bit of the first byte is the enumerator of value 0.
    pub(super) fn set(&self, entry: &Entry, unit: &Unit, depth: usize) -> Type {
        let language = unit.language;
        let size = entry.unsigned(dw::DW_AT_byte_size).filter(|size| (1..=MAX_SIZE).contains(size));
        let mut from_zero = true;
        let mut target = entry.value(dw::DW_AT_type).and_then(|value| self.reference(unit, value));
        let mut found = None;
        for _ in 0..MAX_HOPS {
            let Some((base, base_unit)) = target.and_then(|die| self.entry(die)) else { break };
            match base.tag() {
                dw::DW_TAG_enumeration_type => {
                    found = Some(self.enumeration(&base, base_unit, depth));
                    break;
                }
                dw::DW_TAG_subrange_type => {
                    let lower = base.constant(dw::DW_AT_lower_bound);
                    from_zero &= lower.is_none_or(|lower| lower.bits() == 0);
                }
                dw::DW_TAG_typedef => {}
                _ => break,
            }
            target = base.value(dw::DW_AT_type).and_then(|value| self.reference(base_unit, value));
        }
        let elements = match found {
            Some(Type { kind: TypeKind::Enum { enumerators, .. }, .. }) if from_zero => enumerators,
            _ => return unreadable("a set of what is no enumeration from zero is not supported", language),
        };
        let Some(size) = size else { return unreadable("a set of more than 128 elements is not supported", language) };
        // Bit 127 would be a sign.
        let bit = |value: i128| u32::try_from(value).ok().filter(|bit| u64::from(*bit) < (8 * size).min(127));
        let enumerators = elements.into_iter().filter_map(|(name, value)| Some((name, 1i128 << bit(value)?))).collect();
        Type {
            name: self.qualified_name(entry, unit, depth),
            size: Some(size),
            language,
            kind: TypeKind::Enum { signed: false, scoped: false, underlying: None, enumerators },
        }
    }
}
