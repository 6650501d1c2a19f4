//! What the documents say of variables and their values.

use schemars::JsonSchema;

use super::{Hex, Integer};

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub(super) enum Role {
    Argument,
    Local,
}

/// How a value was found.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
pub(super) enum Provenance {
    /// The compiler's own location.
    Location,
    /// From the caller's call site.
    EntryValue,
    /// Derived, soundly.
    Inferred,
}

/// A variable in a frame.
#[derive(JsonSchema)]
pub(super) struct Variable {
    name: String,
    role: Role,
    r#type: Option<String>,
    #[schemars(default)]
    decl_line: Option<u32>,
    provenance: Provenance,
    value: Value,
}

/// A number, or "nan", "inf", "-inf".
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum Float {
    Number(f64),
    Text(String),
}

/// Why there is no value.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
pub(super) enum Why {
    OptimizedOut,
    NotSaved,
    Unreadable,
    NoDebugInfo,
    Corrupt,
    Unsupported,
}

/// A value; `type` where it differs from what its holder says.
#[derive(JsonSchema)]
#[schemars(tag = "kind", rename_all = "lowercase")]
pub(super) enum Value {
    Int {
        #[schemars(default)]
        r#type: Option<String>,
        int: Integer,
        /// What a formatter has to say of the number.
        #[schemars(default)]
        summary: Option<String>,
    },
    Char {
        #[schemars(default)]
        r#type: Option<String>,
        int: Integer,
        #[schemars(default)]
        char: Option<String>,
    },
    Bool {
        #[schemars(default)]
        r#type: Option<String>,
        int: Integer,
    },
    /// `name` is null where no enumerator matches, and `A|B` for flags.
    Enum {
        #[schemars(default)]
        r#type: Option<String>,
        int: Integer,
        name: Option<String>,
    },
    Float {
        #[schemars(default)]
        r#type: Option<String>,
        float: Float,
    },
    Pointer {
        #[schemars(default)]
        r#type: Option<String>,
        /// Null where the compiler dropped the pointer but not what it points to.
        address: Option<Hex>,
        /// What it points into.
        #[schemars(default)]
        symbol: Option<String>,
        /// The C string there.
        #[schemars(default)]
        string: Option<String>,
        /// Bytes of the string that a limit left out.
        #[schemars(default)]
        omitted: Option<u64>,
        /// Why the string could not be read to its end.
        #[schemars(default)]
        cut: Option<Cut>,
        /// What is there, where it was followed.
        #[schemars(default)]
        pointee: Option<Box<Value>>,
    },
    Reference {
        #[schemars(default)]
        r#type: Option<String>,
        address: Option<Hex>,
        #[schemars(default)]
        symbol: Option<String>,
        #[schemars(default)]
        string: Option<String>,
        #[schemars(default)]
        omitted: Option<u64>,
        #[schemars(default)]
        cut: Option<Cut>,
        #[schemars(default)]
        pointee: Option<Box<Value>>,
    },
    Struct {
        #[schemars(default)]
        r#type: Option<String>,
        fields: Vec<Field>,
    },
    Union {
        #[schemars(default)]
        r#type: Option<String>,
        fields: Vec<Field>,
    },
    Array {
        #[schemars(default)]
        r#type: Option<String>,
        length: u64,
        items: Vec<Value>,
        omitted: u64,
    },
    /// Invalid UTF-8 is escaped as \xNN.
    String {
        #[schemars(default)]
        r#type: Option<String>,
        /// The object in words.
        #[schemars(default)]
        summary: Option<String>,
        string: String,
        length: Option<u64>,
        omitted: u64,
        /// Why it could not be read to its end.
        #[schemars(default)]
        cut: Option<Cut>,
    },
    /// The elements of a container.
    Sequence {
        #[schemars(default)]
        r#type: Option<String>,
        /// The container in words.
        #[schemars(default)]
        summary: Option<String>,
        /// Null where it is not known.
        length: Option<u64>,
        /// Where they end too early, the last one says why.
        items: Vec<Value>,
        omitted: u64,
    },
    Set {
        #[schemars(default)]
        r#type: Option<String>,
        #[schemars(default)]
        summary: Option<String>,
        length: Option<u64>,
        items: Vec<Value>,
        omitted: u64,
    },
    Map {
        #[schemars(default)]
        r#type: Option<String>,
        #[schemars(default)]
        summary: Option<String>,
        length: Option<u64>,
        items: Vec<MapEntry>,
        omitted: u64,
    },
    /// `value` for a single unnamed field, else `fields`.
    Variant {
        #[schemars(default)]
        r#type: Option<String>,
        #[schemars(default)]
        summary: Option<String>,
        variant: String,
        #[schemars(default)]
        value: Option<Box<Value>>,
        #[schemars(default)]
        fields: Option<Vec<Field>>,
    },
    Absent {
        why: Why,
        #[schemars(default)]
        address: Option<Hex>,
        #[schemars(default)]
        detail: Option<String>,
    },
    /// A limit was reached here.
    Elided {},
}

/// Why a text is not there to its end.
#[derive(JsonSchema)]
pub(super) struct Cut {
    why: Why,
    #[schemars(default)]
    address: Option<Hex>,
    #[schemars(default)]
    detail: Option<String>,
}

/// A key and its value.
#[derive(JsonSchema)]
pub(super) struct MapEntry {
    key: Value,
    value: Value,
}

/// A field or a base class.
#[derive(JsonSchema)]
pub(super) struct Field {
    name: Option<String>,
    r#type: Option<String>,
    #[schemars(default)]
    base: Option<bool>,
    value: Value,
}
