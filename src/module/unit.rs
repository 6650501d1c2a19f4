//! One compilation (type, partial, split) unit, opened.

use super::{DieRef, ModuleId, R, UnitId};
use crate::types::Language;

/// A unit with what is needed to read its DIEs.
pub struct Unit {
    /// Whose.
    pub module: ModuleId,
    /// Its number in the module.
    pub id: UnitId,
    /// The sections that it is in (the module's, a dwo's or a dwz file's).
    pub dwarf: &'static gimli::Dwarf<R>,
    /// Header, abbreviations, string and address bases.
    pub unit: gimli::Unit<R>,
    /// DW_AT_language.
    pub language: Language,
}

impl Unit {
    /// A DIE of this unit.
    pub fn die(&self, offset: gimli::UnitOffset) -> DieRef {
        DieRef { module: self.module, unit: self.id, offset: offset.0 as u32 }
    }
}

/// All units of all modules: what the type loader needs of them.
pub trait Units: Send + Sync {
    /// The opened unit of a DIE.
    fn unit(&self, die: DieRef) -> Option<&Unit>;

    /// The DIE that a reference attribute's value names: in this unit, in another, in a type unit (by signature) or
    /// in the dwz file.
    fn reference(&self, unit: &Unit, value: gimli::AttributeValue<R>) -> Option<DieRef>;

    /// The enclosing namespaces, classes and (for local types) functions of a DIE, outermost first.
    fn parents(&self, die: DieRef) -> Vec<DieRef>;

    /// The definition of a type that is only declared at `die`, anywhere in the program (by type signature or by
    /// qualified name).
    fn find_definition(&self, die: DieRef, qualified_name: &str) -> Option<DieRef>;
}
