//! A debugging information entry, by where it is.

use std::borrow::Cow;

/// A module's number in the session, ascending by address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ModuleId(pub u32);

/// A unit's number in its module: units get numbers as they are first looked at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct UnitId(pub u32);

/// A DIE: module, unit, offset in the unit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DieRef {
    /// Whose debug information.
    pub module: ModuleId,
    /// Which unit of it.
    pub unit: UnitId,
    /// Bytes from the unit header's start.
    pub offset: u32,
}

/// A DWARF expression together with the unit whose encoding, address table and base types it uses.
#[derive(Clone, Debug)]
pub struct Expression {
    /// The operations.
    pub bytes: &'static [u8],
    /// Any DIE of the unit (its offset is not used).
    pub unit: DieRef,
}

/// A type, by its slot in the session's [`TypeTable`](crate::types::TypeTable). Equal ids are equal types; different
/// ids may be too (two units' copies of one definition).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TypeId(pub(crate) u32);

/// A variable's, member's or enumerator's name. Borrowed from the string section wherever that is UTF-8, so that a value's fields
/// cost no allocation.
pub type Name = Cow<'static, str>;
