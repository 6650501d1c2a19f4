//! DWARF location expressions, evaluated into a [`Place`](super::Place).

use crate::module::DieRef;

/// A DWARF expression together with the unit whose encoding, address table and base types it uses.
#[derive(Clone, Debug)]
pub struct Expression {
    /// The operations.
    pub bytes: &'static [u8],
    /// Any DIE of the unit (its offset is not used).
    pub unit: DieRef,
}
