//! Dimensions of arrays that do not simply count from zero: with bounds of their own, or told by a descriptor that the
//! program keeps (Fortran's allocatable, pointer and assumed-shape arrays, Pascal's dynamic ones; DWARF 5, sections 5.5,
//! 5.13 and 5.18).

use crate::module::{DieRef, Expression};

/// One dimension.
#[derive(Clone, Debug)]
pub struct Dimension {
    /// The index of the first element.
    pub lower: Bound,
    /// Where it ends.
    pub extent: Extent,
    /// Bytes from one element to the next, which may be negative, where they are not just the element's size.
    pub stride: Option<Bound>,
    /// Bits that an element takes, where they are no whole bytes.
    pub bits: Option<u64>,
    /// What leads to the elements, where the array's own place is that of a descriptor.
    pub descriptor: Option<Descriptor>,
    /// It is a dimension of the array around it, and is described with it.
    pub inner: bool,
}

/// How many elements a dimension has.
#[derive(Clone, Debug)]
pub enum Extent {
    /// Up to this index.
    Upper(Bound),
    /// That many.
    Count(Bound),
    /// Not known.
    Unknown,
}

/// A number that is fixed or that the program keeps.
#[derive(Clone, Debug)]
pub enum Bound {
    /// Itself.
    Number(i64),
    /// What an expression computes; the descriptor's address is its object address.
    Expression(Box<Expression>),
    /// What a variable in the frame that holds the array has.
    Variable(DieRef),
    /// What a member of the structure has that the array is in.
    Member {
        /// Bytes from the structure's start.
        offset: u64,
        /// In bytes.
        size: u64,
    },
    /// What is so many bytes large where an expression's location leads to.
    Stored(Box<Expression>, u64),
}

/// An array that is elsewhere.
#[derive(Clone, Debug)]
pub struct Descriptor {
    /// The address of the first element; `None`: the array's own.
    pub data: Option<Box<Expression>>,
    /// DW_AT_allocated or DW_AT_associated: zero where there are no elements at all.
    pub present: Option<(Bound, Presence)>,
}

/// What an array without elements lacks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Presence {
    /// DW_AT_allocated.
    Allocated,
    /// DW_AT_associated.
    Associated,
}

impl Dimension {
    /// From `lower` on, that many: what is left of a dimension whose bounds are known.
    pub fn fixed(lower: i64, count: u64, stride: Option<i64>) -> Dimension {
        Dimension {
            lower: Bound::Number(lower),
            extent: Extent::Count(Bound::Number(i64::try_from(count).unwrap_or(i64::MAX))),
            stride: stride.map(Bound::Number),
            bits: None,
            descriptor: None,
            inner: false,
        }
    }

    /// Whether its bounds are members of the structure around it.
    pub fn is_of_structure(&self) -> bool {
        let (Extent::Upper(end) | Extent::Count(end)) = &self.extent else { return false };
        [&self.lower, end].iter().any(|bound| matches!(bound, Bound::Member { .. }))
    }

    /// How many elements there are, where the type alone says so.
    pub fn fixed_count(&self) -> Option<u64> {
        match (&self.lower, &self.extent) {
            (_, Extent::Count(Bound::Number(count))) => Some(u64::try_from(*count).unwrap_or(0)),
            (Bound::Number(lower), Extent::Upper(Bound::Number(upper))) => Some(count_between(*lower, *upper)),
            _ => None,
        }
    }

    /// The index of the first element, where the type alone says so.
    pub fn fixed_lower(&self) -> Option<i64> {
        match self.lower {
            Bound::Number(lower) => Some(lower),
            _ => None,
        }
    }
}

/// Elements from one index to another, both included.
pub fn count_between(lower: i64, upper: i64) -> u64 {
    let count = i128::from(upper) - i128::from(lower) + 1;
    u64::try_from(count.max(0)).unwrap_or(u64::MAX)
}
