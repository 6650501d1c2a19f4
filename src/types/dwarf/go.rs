//! Go's own attributes.

use gimli::DwAt;

use super::Loader;
use crate::module::DieRef;
use crate::types::go::{GoKind, GoType};

const KIND: DwAt = DwAt(0x2900);
const KEY: DwAt = DwAt(0x2901);
const ELEMENT: DwAt = DwAt(0x2902);
const DICTIONARY_INDEX: DwAt = DwAt(0x2906);

impl Loader<'_> {
    /// What the entry of a type says in them.
    pub(super) fn go(&self, die: DieRef) -> GoType {
        let Some((entry, unit)) = self.entry(die) else { return GoType::default() };
        let type_of = |attribute| {
            let named = entry.value(attribute).and_then(|value| self.reference(unit, value));
            named.map(|die| self.table.of_die(die))
        };
        GoType {
            kind: entry.unsigned(KIND).map(GoKind::of_number),
            key: type_of(KEY),
            element: type_of(ELEMENT),
            dictionary_entry: entry.unsigned(DICTIONARY_INDEX),
        }
    }
}
