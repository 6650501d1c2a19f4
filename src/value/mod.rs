//! From a variable to what it held: location → place → bytes → value.

pub mod decode;
mod dynamic;
pub mod float;
pub mod formatters;
pub mod location;
pub mod recover;
mod tls;

use crate::addr::RunAddr;
use crate::types::{Name, TypeId};
use crate::value::float::FloatText;

/// Why there is no value. The words are the contract's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum AbsentReason {
    /// The compiler dropped it, and nothing else tells what it was.
    OptimizedOut,
    /// It was in memory or in a register that was not kept.
    NotSaved,
    /// Its address is not mapped.
    Unreadable,
    /// Its type or location has no description.
    NoDebugInfo,
    /// What describes it, or the data itself, contradicts itself.
    Corrupt,
    /// obit does not know this form.
    Unsupported,
}

impl AbsentReason {
    /// The contract's word.
    pub fn code(self) -> &'static str {
        match self {
            AbsentReason::OptimizedOut => "optimized-out",
            AbsentReason::NotSaved => "not-saved",
            AbsentReason::Unreadable => "unreadable",
            AbsentReason::NoDebugInfo => "no-debug-info",
            AbsentReason::Corrupt => "corrupt",
            AbsentReason::Unsupported => "unsupported",
        }
    }
}

/// An honest hole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Absent {
    /// Why.
    pub why: AbsentReason,
    /// The address that was wanted, where there was one.
    pub address: Option<RunAddr>,
    /// More, for people.
    pub detail: Option<String>,
}

impl Absent {
    /// A hole without further detail.
    pub fn new(why: AbsentReason) -> Absent {
        Absent { why, address: None, detail: None }
    }

    /// A hole with a remark for people.
    pub fn because(why: AbsentReason, detail: impl Into<String>) -> Absent {
        Absent { why, address: None, detail: Some(detail.into()) }
    }
}

impl From<crate::memory::ReadError> for Absent {
    fn from(error: crate::memory::ReadError) -> Absent {
        use crate::memory::MissingReason;
        let why = match error.reason {
            MissingReason::Unmapped => AbsentReason::Unreadable,
            MissingReason::NotSaved | MissingReason::Truncated => AbsentReason::NotSaved,
        };
        Absent { why, address: Some(error.address), detail: Some(error.reason.text().to_owned()) }
    }
}

/// Where an object is.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// In the target's memory.
    Memory(RunAddr),
    /// Not in memory as a whole: in registers, in pieces, or a constant. The bytes are here.
    Bytes(PlaceBytes),
}

/// An object put together from registers, constants and pieces of memory.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct PlaceBytes {
    /// The object's bytes; 0 in the holes.
    pub data: Vec<u8>,
    /// Byte ranges (start, end) that could not be had.
    pub holes: Vec<(usize, usize, Absent)>,
    /// Bytes of holes of which some bits are at hand: (offset, those bits), in order.
    pub partial: Vec<(usize, u8)>,
    /// Pointers whose target the compiler dropped: (offset, the target's value as a place and its type).
    pub implicit_pointers: Vec<(usize, Box<Place>, Option<TypeId>)>,
    /// The register that holds the object whole, for `&x`'s complaint and `info frame`.
    pub register: Option<u16>,
}

impl PlaceBytes {
    /// `width` bits (at most 128) from bit `start` on (little-endian: bit 0 is the lowest of byte 0), where all of them
    /// are at hand.
    pub fn bits(&self, start: u64, width: u64) -> Result<u128, Absent> {
        let corrupt = || Absent::because(AbsentReason::Corrupt, "a bit field that lies beyond its object");
        let end = start.checked_add(width).filter(|_| (1..=128).contains(&width)).ok_or_else(corrupt)?;
        let first = usize::try_from(start / 8).map_err(|_| corrupt())?;
        let last = usize::try_from(end.div_ceil(8)).map_err(|_| corrupt())?;
        let bytes = self.data.get(first..last).ok_or_else(corrupt)?;
        let mut bits = 0u128;
        for (at, byte) in (first..last).zip(bytes) {
            let from = start.saturating_sub(8 * at as u64);
            let to = (end - 8 * at as u64).min(8);
            let wanted = (0xffu32 << from & !(0xffu32 << to)) as u8;
            if let Some((.., absent)) = self.holes.iter().find(|(start, end, _)| (*start..*end).contains(&at)) {
                let known = self.partial.binary_search_by_key(&at, |(offset, _)| *offset);
                let known = known.ok().and_then(|index| self.partial.get(index)).map_or(0, |(_, known)| *known);
                if wanted & !known != 0 {
                    return Err(absent.clone());
                }
            }
            let position = 8 * at as i64 - start as i64;
            let byte = u128::from(byte & wanted);
            bits |= if position < 0 { byte >> -position } else { byte << position };
        }
        Ok(bits)
    }

    /// The part of the object from byte `start` to `end`, with the holes and pointers that lie in it.
    pub fn part(&self, start: usize, end: usize) -> Option<PlaceBytes> {
        let data = self.data.get(start..end)?.to_vec();
        let holes = self.holes.iter().filter(|(from, to, _)| *from < end && *to > start);
        let holes =
            holes.map(|(from, to, absent)| (from.saturating_sub(start), (*to).min(end) - start, absent.clone()));
        let pointers = self.implicit_pointers.iter().filter(|(at, ..)| (start..end).contains(at));
        let pointers = pointers.map(|(at, place, type_id)| (at - start, place.clone(), *type_id));
        let partial =
            self.partial.iter().filter(|(at, _)| (start..end).contains(at)).map(|(at, bits)| (at - start, *bits));
        Some(PlaceBytes {
            data,
            holes: holes.collect(),
            partial: partial.collect(),
            implicit_pointers: pointers.collect(),
            register: self.register,
        })
    }
}

/// How a variable's value was found. The words are the contract's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Provenance {
    /// The compiler's own location.
    Location,
    /// The value at the function's entry, from the caller's call site, for a parameter that is never changed or
    /// whose location says so.
    EntryValue,
    /// Derived by obit; sound.
    Inferred,
}

/// A value, ready to be shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// Its type.
    pub type_id: TypeId,
    /// What it is.
    pub kind: ValueKind,
}

/// What a value is. One variant a `kind` of the contract.
#[derive(Clone, Debug, PartialEq)]
pub enum ValueKind {
    /// Signed integers, up to 128 bits.
    Int(i128),
    /// Unsigned integers beyond `i128::MAX` and all others that are unsigned.
    Uint(u128),
    /// A number that a formatter has words for: `0x7ffff7d8a6c0 (LWP 12)`.
    Described {
        /// The number.
        number: i128,
        /// What shows in its place.
        text: String,
    },
    /// A character: code, and the character where it is one.
    Char {
        /// Code.
        code: i64,
        /// The character; `None` where the code is none.
        char: Option<char>,
    },
    /// A truth value; the raw integer, as memory may hold 255.
    Bool(u64),
    /// An enumeration.
    Enum {
        /// The integer.
        value: i128,
        /// `Blue`, `A|B` for flags, `None` where nothing matches. Without the scope that C++ and Rust write before it.
        name: Option<Name>,
    },
    /// A float.
    Float {
        /// As binary64 (rounded from wider formats).
        value: f64,
        /// In decimal with as many digits as the format needs (gdb's `%g` with 9, 17, 21, 36 digits), also `nan`,
        /// `inf`: made when it is displayed.
        text: FloatText,
    },
    /// A pointer or (with `reference`) a reference.
    Pointer {
        /// Where to. `None` where the compiler dropped both the pointer and its target's place (an implicit pointer):
        /// then `pointee` is all there is.
        address: Option<RunAddr>,
        /// A C++ reference.
        reference: bool,
        /// `main+4`, `table`, where it points into a symbol.
        symbol: Option<String>,
        /// The C string there.
        string: Option<Text>,
        /// What is there, where it was followed.
        pointee: Option<Box<Value>>,
    },
    /// A structure or class.
    Struct {
        /// `union`.
        union: bool,
        /// Its fields.
        fields: Vec<Field>,
    },
    /// An array.
    Array {
        /// Elements in all.
        length: u64,
        /// The first ones.
        items: Vec<Value>,
        /// Those left out by a limit.
        omitted: u64,
    },
    /// Text that a formatter (or a char array) recognised.
    String(Text),
    /// Text that a formatter has more to say of: `Rc(strong=2, weak=0)`.
    Titled {
        /// What stands before it.
        title: String,
        /// The text.
        content: Box<Value>,
    },
    /// Elements that a formatter found.
    Sequence(Box<Sequence>),
    /// Keys and values that a formatter found.
    Map(Box<Map>),
    /// What a formatter made of a structure: its title, and parts by name (none: the title says all).
    Parts {
        /// `Rc(strong=2, weak=1)`
        title: String,
        /// The parts.
        fields: Vec<Field>,
    },
    /// What a user's formatter says of an object.
    Summary(Box<Summary>),
    /// The active one of an enum's variants: `fields` of it.
    Variant {
        /// What stands before it in place of the type's and the variant's name (`std::optional<int>`); a formatter's.
        title: Option<Box<str>>,
        /// Its name.
        variant: Name,
        /// Its fields (`__0` for a tuple's first).
        fields: Vec<Field>,
    },
    /// An honest hole.
    Absent(Absent),
    /// A limit was reached here.
    Elided,
}

/// What a user's formatter says of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The line, piece by piece; none where it has none.
    pub pieces: Vec<SummaryPiece>,
    /// What stands behind it: parts or items.
    pub content: Option<Value>,
}

/// A piece of a summary line.
#[derive(Clone, Debug, PartialEq)]
pub enum SummaryPiece {
    /// As it stands.
    Text(String),
    /// A value, and the letter of `print/x` (or `s`: text without quotes) that says how it shows.
    Value(Value, Option<char>),
}

/// The elements of a container.
#[derive(Clone, Debug, PartialEq)]
pub struct Sequence {
    /// What stands before them: `std::vector of length 3, capacity 4`.
    pub title: String,
    /// A set.
    pub set: bool,
    /// How many, where known.
    pub length: Option<u64>,
    /// The first ones; where they end too early, the last says why.
    pub items: Vec<Value>,
    /// Those left out by a limit; where their count is not known, 1.
    pub omitted: u64,
}

/// The entries of a container.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// What stands before them: `std::map with 2 elements`.
    pub title: String,
    /// How many, where known.
    pub length: Option<u64>,
    /// The first ones, keys and values; where they end too early, the last key and value say why.
    pub items: Vec<(Value, Value)>,
    /// Those left out by a limit; where their count is not known, 1.
    pub omitted: u64,
}

/// Bytes that are text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// What was read.
    pub bytes: Vec<u8>,
    /// Length in all, where known.
    pub length: Option<u64>,
    /// Bytes left out by a limit (or unreadable after the first ones).
    pub omitted: u64,
    /// Why what follows could not be read, where it could not.
    pub cut: Option<Box<Absent>>,
}

/// A field of a structure.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// `None` if anonymous, and for a base class.
    pub name: Option<Name>,
    /// A base class.
    pub base: bool,
    /// A static member: a variable of the class, no part of the object.
    pub is_static: bool,
    /// Its value.
    pub value: Value,
}

impl Field {
    /// A field of the object's own.
    pub fn of(name: Option<Name>, value: Value) -> Field {
        Field { name, base: false, is_static: false, value }
    }
}

/// Bounds on what is shown, from the command line.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Nested aggregates and followed pointers.
    pub depth: usize,
    /// Elements of one array or sequence.
    pub items: usize,
    /// Bytes of one string.
    pub string: usize,
    /// Show what pointers lead to. Text does not: gdb's users dereference what they want to see.
    pub follow: bool,
    /// Plain fields as DWARF has them: no text, no active variants.
    pub raw: bool,
    /// The whole object where a reference or pointer is to one of its base classes.
    pub objects: bool,
    /// Static members beside the fields of their classes' objects. Documents have none: there a field is a part of its
    /// object.
    pub statics: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { depth: 4, items: 64, string: 1024, follow: true, raw: false, objects: true, statics: true }
    }
}
