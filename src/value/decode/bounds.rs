//! Arrays that do not simply count from zero: bounds of their own, descriptors ([`crate::types::dimension`]).

use super::scalar::no_frame;
use super::{Decoder, Run, Source};
use crate::addr::RunAddr;
use crate::types::dimension::{Bound, Descriptor, Dimension, Extent, Presence, count_between};
use crate::types::{Count, Type, TypeId, TypeKind};
use crate::value::{Absent, AbsentReason, Value, ValueKind};

/// Dimensions of one array.
const MAX_DEPTH: usize = 32;

/// A dimension of an array in the running program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// The index of the first element.
    pub lower: i64,
    /// How many there are.
    pub length: u64,
    /// Bytes from one to the next, where they are not the element's size.
    pub stride: Option<i64>,
}

impl Decoder<'_> {
    /// The dimension's bounds, where `descriptor` is the address that its expressions are about.
    pub fn bounds(&self, dimension: &Dimension, descriptor: Option<RunAddr>) -> Result<Bounds, Absent> {
        let lower = self.bound(&dimension.lower, descriptor)?;
        let length = match &dimension.extent {
            Extent::Upper(upper) => count_between(lower, self.bound(upper, descriptor)?),
            Extent::Count(count) => u64::try_from(self.bound(count, descriptor)?).unwrap_or(0),
            Extent::Unknown => 0,
        };
        let stride = dimension.stride.as_ref().map(|stride| self.bound(stride, descriptor)).transpose()?;
        Ok(Bounds { lower, length, stride })
    }

    fn bound(&self, bound: &Bound, descriptor: Option<RunAddr>) -> Result<i64, Absent> {
        let evaluator = || self.evaluate.ok_or_else(no_frame);
        Ok(match bound {
            Bound::Number(number) => *number,
            Bound::Expression(expression) => evaluator()?.evaluate(expression, descriptor)? as i64,
            Bound::Variable(variable) => evaluator()?.variable(*variable)? as i64,
            Bound::Member { offset, size } => {
                let beyond =
                    || Absent::because(AbsentReason::Unsupported, "its bounds are in an object that is not in memory");
                let place = descriptor.and_then(|object| object.checked_add(*offset)).ok_or_else(beyond)?;
                // Discriminants are signed in the program, yet none is negative.
                self.memory.read_uint(place, (*size).min(8) as usize)? as i64
            }
            Bound::Stored(location, size) => evaluator()?.stored(location, *size)? as i64,
        })
    }

    /// Where the elements are of an array whose descriptor is there.
    pub fn elements(&self, descriptor: &Descriptor, at: RunAddr) -> Result<RunAddr, Absent> {
        if let Some((present, kind)) = &descriptor.present
            && self.bound(present, Some(at))? == 0
        {
            return Err(Absent::because(
                AbsentReason::Unreadable,
                match kind {
                    Presence::Allocated => "not allocated",
                    Presence::Associated => "not associated",
                },
            ));
        }
        match &descriptor.data {
            None => Ok(at),
            Some(data) => Ok(RunAddr(self.evaluate.ok_or_else(no_frame)?.evaluate(data, Some(at))?)),
        }
    }
}

impl Decoder<'_> {
    /// The array as it is in the running program: where its elements are, and its type with every bound fixed. `None`
    /// where the type alone says all that.
    pub fn array_in_memory(&self, array: TypeId, at: RunAddr) -> Option<Result<(RunAddr, TypeId), Absent>> {
        let definition = self.types.get(self.types.strip(array));
        let TypeKind::Array { count: Count::Dimension(dimension), .. } = &definition.kind else { return None };
        let elements = match &dimension.descriptor {
            Some(descriptor) => self.elements(descriptor, at),
            None => Ok(at),
        };
        let fixed = |elements| Ok((elements, self.fixed(array, at, 0)?));
        (!dimension.inner && !dimension.is_of_structure()).then(|| elements.and_then(fixed))
    }

    fn fixed(&self, array: TypeId, at: RunAddr, depth: usize) -> Result<TypeId, Absent> {
        let definition = self.types.get(self.types.strip(array));
        let TypeKind::Array { element, count: Count::Dimension(dimension), vector, stride } = &definition.kind else {
            return Ok(array);
        };
        if depth > 0 && !dimension.inner || depth >= MAX_DEPTH {
            return Ok(array);
        }
        let Bounds { lower, length, stride: own } = self.bounds(dimension, Some(at))?;
        let bits = dimension.bits;
        let fixed = Dimension { bits, ..Dimension::fixed(lower, length, own) };
        let kind = TypeKind::Array {
            element: self.fixed(*element, at, depth + 1)?,
            count: Count::Dimension(Box::new(fixed)),
            vector: *vector,
            stride: *stride,
        };
        Ok(self.types.make(Type { name: None, size: None, language: definition.language, kind }))
    }
}

impl<'d, 'a: 'd> Run<'d, 'a> {
    pub(super) fn array_in_bounds(
        &mut self,
        source: Source<'_>,
        definition: &Type,
        element: TypeId,
        dimension: &Dimension,
        stride: Option<u64>,
        nest: usize,
    ) -> Result<ValueKind, Absent> {
        let outer = self.descriptor;
        if !dimension.inner {
            self.descriptor = match dimension.is_of_structure() {
                true => self.path.last().map(|(object, _)| *object),
                false => source.address(),
            };
        }
        let array = self.elements_in_bounds(source, definition, element, dimension, stride, nest);
        self.descriptor = outer;
        array
    }

    fn elements_in_bounds(
        &mut self,
        source: Source<'_>,
        definition: &Type,
        element: TypeId,
        dimension: &Dimension,
        stride: Option<u64>,
        nest: usize,
    ) -> Result<ValueKind, Absent> {
        let source = match &dimension.descriptor {
            None => source,
            Some(descriptor) => {
                let elsewhere =
                    || Absent::because(AbsentReason::Unsupported, "the array's descriptor is not in memory");
                Source::Memory(self.decoder.elements(descriptor, source.address().ok_or_else(elsewhere)?)?)
            }
        };
        let Bounds { length, stride: own, .. } = self.decoder.bounds(dimension, self.descriptor)?;
        let (_, stripped) = self.decoder.types.stripped(element);
        let is_text = matches!(stripped.kind, TypeKind::Char { unicode: false, .. }) && stripped.size == Some(1);
        if is_text && !self.decoder.raw && definition.language.has_text_in_arrays() && own.is_none_or(|own| own == 1) {
            return self.text(source, length, 1);
        }
        let stride = match own.or(stride.and_then(|stride| i64::try_from(stride).ok())) {
            Some(stride) => stride,
            None if length == 0 => 0,
            None => i64::try_from(self.size_of_element(element)?).unwrap_or(i64::MAX),
        };
        let shown = length.min(self.decoder.limits.items as u64);
        let mut items = Vec::with_capacity((shown as usize).min(self.nodes));
        for index in 0..shown {
            if self.nodes == 0 {
                break;
            }
            if let Some(bits) = dimension.bits {
                if !stripped.kind.is_integral() {
                    let why = "elements that are no whole bytes and no integers are not supported";
                    return Err(Absent::because(AbsentReason::Unsupported, why));
                }
                let number = index.checked_mul(bits).ok_or_else(super::beyond);
                let number = number.and_then(|start| self.bit_field(source, start, bits));
                let kind = number.map(|number| self.integer(stripped, number, bits as u32));
                items.push(Value { type_id: element, kind: kind.unwrap_or_else(ValueKind::Absent) });
                self.nodes -= 1;
                continue;
            }
            items.push(match index_of(source, index, stride) {
                Ok(source) => self.value(source, element, nest),
                Err(absent) => Value { type_id: element, kind: ValueKind::Absent(absent) },
            });
        }
        let omitted = length - items.len() as u64;
        Ok(ValueKind::Array { length, items, omitted })
    }

    /// The size of an element, which may be a dimension of the same array.
    fn size_of_element(&self, element: TypeId) -> Result<u64, Absent> {
        let (_, stripped) = self.decoder.types.stripped(element);
        match &stripped.kind {
            TypeKind::Array { element, count: Count::Dimension(dimension), .. } if dimension.inner => {
                let bounds = self.decoder.bounds(dimension, self.descriptor)?;
                let stride = match bounds.stride {
                    Some(stride) => stride.unsigned_abs(),
                    // Dimensions of one array are few.
                    None => self.size_of_element(*element)?,
                };
                stride
                    .checked_mul(bounds.length)
                    .ok_or_else(|| Absent::because(AbsentReason::Corrupt, "an endless array"))
            }
            _ => self.decoder.size(element),
        }
    }
}

/// The element's place.
fn index_of(source: Source<'_>, index: u64, stride: i64) -> Result<Source<'_>, Absent> {
    let distance = i64::try_from(index).ok().and_then(|index| index.checked_mul(stride)).ok_or_else(super::beyond)?;
    match (source, u64::try_from(distance)) {
        (_, Ok(distance)) => source.at(distance),
        (Source::Memory(address), Err(_)) => {
            let address = address.0.checked_add_signed(distance).ok_or_else(super::beyond)?;
            Ok(Source::Memory(RunAddr(address)))
        }
        (Source::Bytes { .. }, Err(_)) => Err(super::beyond()),
    }
}
