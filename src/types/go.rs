//! What Go's compiler says of a type beyond its layout.

use super::{Language, Type, TypeId, TypeKind, TypeTable};

/// Go's own attributes of a type (go `cmd/internal/dwarf/dwarf.go`, DW_AT_go_kind and those after it, Go 1.18 to 1.27).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GoType {
    /// What it is under its name.
    pub kind: Option<GoKind>,
    /// A map's keys.
    pub key: Option<TypeId>,
    /// Elements of a map, channel, slice or array.
    pub element: Option<TypeId>,
    /// For a shape in a generic function: which entry of the function's dictionary describes the real type.
    pub dictionary_entry: Option<u64>,
}

/// Kinds that formatters tell apart (go `internal/abi/type.go`, Kind).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoKind {
    /// `chan T`
    Chan,
    /// `func(T) R`
    Func,
    /// `int` and the like, with or without a sign.
    Integer,
    /// `interface { … }`
    Interface,
    /// `map[K]V`
    Map,
    /// `[]T`
    Slice,
    /// `string`
    String,
    /// Any other.
    Other,
}

impl GoKind {
    /// The kind that DW_AT_go_kind has as a number.
    pub fn of_number(number: u64) -> GoKind {
        match number {
            2..=12 => GoKind::Integer,
            18 => GoKind::Chan,
            19 => GoKind::Func,
            20 => GoKind::Interface,
            21 => GoKind::Map,
            23 => GoKind::Slice,
            24 => GoKind::String,
            _ => GoKind::Other,
        }
    }
}

impl Type {
    /// Whether its objects are Go's function values: pointers to closures, whose first word is the code's address.
    pub fn is_function_value(&self) -> bool {
        self.language == Language::Go
            && self.size.is_some()
            && matches!(self.kind, TypeKind::Function { method: None, .. })
    }
}

impl TypeTable {
    /// What Go's compiler says of the type; nothing of other languages' types.
    pub fn go(&self, id: TypeId) -> GoType {
        match self.die(id) {
            Some(die) if self.get(id).language == Language::Go => self.provider().go(die, self),
            None => self.defined_go(id),
            _ => GoType::default(),
        }
    }

    /// The same of the type of that kind that it is under other names.
    pub fn go_under(&self, id: TypeId, kind: GoKind) -> Option<GoType> {
        let mut id = id;
        for _ in 0..16 {
            let found = self.go(id);
            if found.kind == Some(kind) {
                return Some(found);
            }
            let TypeKind::Typedef { target } = self.get(id).kind else { break };
            id = target;
        }
        None
    }

    /// Its kind; `None` for other languages' types.
    pub fn go_kind(&self, id: TypeId) -> Option<GoKind> {
        self.go(id).kind
    }
}
