//! A debugging information entry, by where it is.

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
