//! Arrays: bounds that are constants, expressions or variables.

use gimli::constants as dw;

use super::attributes::{Constant, Entry};
use super::{Loader, Type, TypeKind, unreadable};
use crate::module::Unit;
use crate::types::dimension::{Bound, Descriptor, Dimension, Extent, Presence, count_between};
use crate::types::{Count, TypeId};

/// Dimensions of one array type.
const MAX_DIMENSIONS: usize = 32;

impl Loader<'_> {
    /// DWARF 5, section 5.5: several dimensions are nested arrays here. The outermost is the one whose index varies
    /// slowest in memory: the first, or, in Fortran, the last.
    pub(super) fn array(&self, entry: &Entry, unit: &Unit) -> Type {
        let language = unit.language;
        let vector = entry.flag(dw::DW_AT_GNU_vector);
        let mut dimensions = Vec::new();
        self.children(entry, unit, MAX_DIMENSIONS, |child| match child.tag() {
            dw::DW_TAG_subrange_type | dw::DW_TAG_generic_subrange => dimensions.push(self.dimension(child, unit)),
            dw::DW_TAG_enumeration_type => dimensions.push(Dimension::unknown()),
            _ => {}
        });
        if dimensions.is_empty() {
            dimensions.push(Dimension::unknown());
        }
        let is_column_major = match entry.value(dw::DW_AT_ordering) {
            Some(gimli::AttributeValue::Ordering(ordering)) => ordering == dw::DW_ORD_col_major,
            _ => unit.column_major,
        };
        if is_column_major {
            dimensions.reverse();
        }
        let byte_stride = entry.unsigned(dw::DW_AT_byte_stride);
        let bit_stride = entry.unsigned(dw::DW_AT_bit_stride);
        if let Some(bits) = bit_stride.filter(|bits| bits % 8 != 0) {
            let [dimension] = dimensions.as_mut_slice() else {
                return unreadable("an array of several dimensions of bits is not supported", language);
            };
            dimension.bits = Some(bits);
        }
        let mut stride = byte_stride.or(bit_stride.map(|bits| bits / 8)).filter(|stride| *stride > 0);
        let mut counts = self.counts(dimensions, self.descriptor(entry, unit)).into_iter();
        let outer = counts.next().unwrap_or(Count::Unknown);
        let mut element = self.target(entry, unit);
        for count in counts.rev() {
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

    /// Plain counts where all dimensions have such.
    fn counts(&self, dimensions: Vec<Dimension>, descriptor: Option<Descriptor>) -> Vec<Count> {
        let plain: Option<Vec<Count>> = dimensions.iter().map(plain_count).collect();
        if let (Some(plain), None) = (plain, &descriptor) {
            return plain;
        }
        let mut descriptor = descriptor;
        let nested = dimensions.into_iter().enumerate();
        nested
            .map(|(at, dimension)| {
                let descriptor = descriptor.take();
                Count::Dimension(Box::new(Dimension { descriptor, inner: at > 0, ..dimension }))
            })
            .collect()
    }

    fn descriptor(&self, entry: &Entry, unit: &Unit) -> Option<Descriptor> {
        let data = entry.expression(dw::DW_AT_data_location, unit).map(Box::new);
        let allocated = self.bound(entry, dw::DW_AT_allocated, unit).map(|bound| (bound, Presence::Allocated));
        let associated = || self.bound(entry, dw::DW_AT_associated, unit).map(|bound| (bound, Presence::Associated));
        let present = allocated.or_else(associated);
        (data.is_some() || present.is_some()).then_some(Descriptor { data, present })
    }

    fn bound(&self, entry: &Entry, attribute: dw::DwAt, unit: &Unit) -> Option<Bound> {
        if let Some(constant) = entry.constant(attribute) {
            return Some(Bound::Number(number(&constant)));
        }
        if let Some(expression) = entry.expression(attribute, unit) {
            // gcc writes an empty one where it optimised the bound away.
            return (!expression.bytes.is_empty()).then(|| Bound::Expression(Box::new(expression)));
        }
        let variable = entry.value(attribute).and_then(|value| self.reference(unit, value))?;
        let (member, unit) = self.entry(variable)?;
        if member.tag() != dw::DW_TAG_member {
            return Some(Bound::Variable(variable));
        }
        let kind = member.value(dw::DW_AT_type).and_then(|value| self.reference(unit, value))?;
        let size = self.byte_size(kind).filter(|size| (1..=8).contains(size))?;
        Some(Bound::Member { offset: member.unsigned(dw::DW_AT_data_member_location)?, size })
    }

    fn dimension(&self, subrange: &Entry, unit: &Unit) -> Dimension {
        let lower = match subrange.value(dw::DW_AT_lower_bound) {
            Some(_) => self.bound(subrange, dw::DW_AT_lower_bound, unit),
            None => Some(Bound::Number(unit.lower_bound)),
        };
        let count = self.bound(subrange, dw::DW_AT_count, unit).map(Extent::Count);
        let upper = || self.bound(subrange, dw::DW_AT_upper_bound, unit).map(Extent::Upper);
        let extent = count.or_else(upper);
        Dimension {
            extent: extent.filter(|_| lower.is_some()).unwrap_or(Extent::Unknown),
            lower: lower.unwrap_or(Bound::Number(unit.lower_bound)),
            stride: self.bound(subrange, dw::DW_AT_byte_stride, unit),
            bits: None,
            descriptor: None,
            inner: false,
        }
    }

    /// DW_TAG_string_type (Fortran): an array of single-byte characters, whose length is fixed, a variable's, or stored
    /// where a location leads to (DWARF 5, section 5.11).
    pub(super) fn string_type(&self, entry: &Entry, unit: &Unit) -> Type {
        let language = unit.language;
        let length = entry.value(dw::DW_AT_string_length);
        let size = entry.unsigned(dw::DW_AT_byte_size);
        let count = match length.as_ref() {
            None => size.map_or(Count::Unknown, Count::Fixed),
            Some(length) => match entry.expression(dw::DW_AT_string_length, unit) {
                Some(expression) => {
                    let address_size = u64::from(unit.unit.header.address_size());
                    let size = entry.unsigned(dw::DW_AT_string_length_byte_size).or(size).unwrap_or(address_size);
                    let length = Bound::Stored(Box::new(expression), size);
                    Count::Dimension(Box::new(Dimension { extent: Extent::Count(length), ..Dimension::unknown() }))
                }
                None => self.reference(unit, *length).map_or(Count::Unknown, Count::DynamicVariable),
            },
        };
        Type {
            name: entry.name().map(super::Name::into_owned),
            size: size.filter(|_| length.is_none()),
            language,
            kind: TypeKind::Array { element: self.character(language), count, vector: false, stride: None },
        }
    }

    fn character(&self, language: crate::types::Language) -> TypeId {
        let kind = TypeKind::Char { signed: false, unicode: false };
        self.table.make(Type { name: Some("character".to_owned()), size: Some(1), language, kind })
    }
}

impl Dimension {
    fn unknown() -> Dimension {
        Dimension {
            lower: Bound::Number(0),
            extent: Extent::Unknown,
            stride: None,
            bits: None,
            descriptor: None,
            inner: false,
        }
    }
}

/// A bound as it stands in the file.
fn number(constant: &Constant) -> i64 {
    match constant {
        // An empty array's bound is -1, in whatever form has room for it.
        Constant::Bits(value, size @ 4..=8) if *value == (1u128 << (8 * size)) - 1 => -1,
        Constant::Unsigned(value) if *value == u128::from(u64::MAX) => -1,
        other => i64::try_from(other.bits() as i128).unwrap_or(i64::MAX),
    }
}

/// What counts from zero, one element behind the other.
fn plain_count(dimension: &Dimension) -> Option<Count> {
    if matches!(dimension.extent, Extent::Unknown) {
        return Some(Count::Unknown);
    }
    if dimension.stride.is_some() || dimension.bits.is_some() {
        return None;
    }
    Some(match (&dimension.lower, &dimension.extent) {
        (Bound::Number(0), Extent::Count(Bound::Number(count))) => Count::Fixed(u64::try_from(*count).unwrap_or(0)),
        (Bound::Number(0), Extent::Count(Bound::Expression(expression))) => Count::Dynamic(expression.clone()),
        (Bound::Number(0), Extent::Count(Bound::Variable(variable))) => Count::DynamicVariable(*variable),
        (Bound::Number(0), Extent::Upper(Bound::Number(upper))) => Count::Fixed(count_between(0, *upper)),
        (Bound::Number(0), Extent::Upper(Bound::Expression(upper))) => Count::DynamicUpperBound(upper.clone()),
        (Bound::Number(0), Extent::Upper(Bound::Variable(upper))) => Count::DynamicUpperBoundVariable(*upper),
        _ => return None,
    })
}
