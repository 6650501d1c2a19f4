//! Arrays: bounds that are constants, expressions or variables.

use gimli::constants as dw;

use super::attributes::{Constant, Entry};
use super::{Loader, Type, TypeKind, unreadable};
use crate::module::Unit;
use crate::types::Count;

/// Dimensions of one array type.
const MAX_DIMENSIONS: usize = 32;

impl Loader<'_> {
    /// DWARF 5, section 5.5: several dimensions are nested arrays here, the first one outermost.
    pub(super) fn array(&self, entry: &Entry, unit: &Unit) -> Type {
        let language = unit.language;
        let vector = entry.flag(dw::DW_AT_GNU_vector);
        let mut counts = Vec::new();
        self.children(entry, unit, MAX_DIMENSIONS, |child| match child.tag() {
            dw::DW_TAG_subrange_type | dw::DW_TAG_generic_subrange => counts.push(self.count(child, unit)),
            dw::DW_TAG_enumeration_type => counts.push(Count::Unknown),
            _ => {}
        });
        let outer = if counts.is_empty() { Count::Unknown } else { counts.remove(0) };
        let mut element = self.target(entry, unit);
        let byte_stride = entry.unsigned(dw::DW_AT_byte_stride);
        let bit_stride = entry.unsigned(dw::DW_AT_bit_stride);
        if bit_stride.is_some_and(|bits| bits % 8 != 0) {
            return unreadable("an array of elements that are no whole bytes is not supported", language);
        }
        let mut stride = byte_stride.or(bit_stride.map(|bits| bits / 8)).filter(|stride| *stride > 0);
        for count in counts.into_iter().rev() {
            let kind = TypeKind::Array { element, count, vector: false, stride: stride.take() };
            element = self.table.make(Type { name: None, size: None, language, kind });
        }
        Type {
            name: entry.name().map(super::Name::into_owned),
            size: entry.unsigned(dw::DW_AT_byte_size),
            language,
            kind: TypeKind::Array { element, count: outer, vector, stride },
        }
    }

    fn count(&self, subrange: &Entry, unit: &Unit) -> Count {
        if let Some(count) = subrange.unsigned(dw::DW_AT_count) {
            return Count::Fixed(count);
        }
        if let Some(expression) = subrange.expression(dw::DW_AT_count, unit) {
            return Count::Dynamic(Box::new(expression));
        }
        if let Some(variable) = subrange.value(dw::DW_AT_count).and_then(|value| self.reference(unit, value)) {
            return Count::DynamicVariable(variable);
        }
        let lower = subrange.constant(dw::DW_AT_lower_bound).map_or(0, |bound| bound.bits() as i128);
        match subrange.constant(dw::DW_AT_upper_bound) {
            Some(upper) => {
                // An empty array's bound is -1, in whatever form has room for it.
                let upper = match upper {
                    Constant::Bits(value, size @ 4..=8) if value == (1u128 << (8 * size)) - 1 => -1,
                    Constant::Unsigned(value) if value == u128::from(u64::MAX) => -1,
                    other => other.bits() as i128,
                };
                let count = upper.saturating_sub(lower).saturating_add(1);
                return Count::Fixed(u64::try_from(count.max(0)).unwrap_or(u64::MAX));
            }
            None if lower != 0 => return Count::Unknown,
            None => {}
        }
        if let Some(expression) = subrange.expression(dw::DW_AT_upper_bound, unit) {
            // gcc writes an empty one where it optimised the bound away.
            if expression.bytes.is_empty() {
                return Count::Unknown;
            }
            return Count::DynamicUpperBound(Box::new(expression));
        }
        match subrange.value(dw::DW_AT_upper_bound).and_then(|value| self.reference(unit, value)) {
            Some(variable) => Count::DynamicUpperBoundVariable(variable),
            None => Count::Unknown,
        }
    }

    /// DW_TAG_string_type (Fortran): an array of single-byte characters.
    pub(super) fn string_type(&self, entry: &Entry, unit: &Unit) -> Type {
        let language = unit.language;
        let kind = TypeKind::Char { signed: false, unicode: false };
        let element = self.table.make(Type { name: Some("character".to_owned()), size: Some(1), language, kind });
        let size = entry.unsigned(dw::DW_AT_byte_size);
        let count = size.map_or(Count::Unknown, Count::Fixed);
        Type {
            name: entry.name().map(super::Name::into_owned),
            size,
            language,
            kind: TypeKind::Array { element, count, vector: false, stride: None },
        }
    }
}
