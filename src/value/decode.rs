//! Bytes and a type become a [`Value`].
//!
//! The whole object is borrowed from the target's memory in one piece where it can be; only where it lies across the
//! border of a hole is it read field by field, so that a hole costs its own fields and no others. Followed pointers,
//! elements, nodes and bytes are bounded, so that hostile data ends in [`ValueKind::Elided`].

mod aggregate;
mod bounds;
mod formatted;
mod pointer;
mod scalar;
mod user;

#[cfg(test)]
mod tests;

pub use bounds::Bounds;
pub(crate) use scalar::flags;

use std::cell::Cell;
use std::sync::Arc;

use super::formatters::user::UserFormatters;
use super::{Absent, AbsentReason, Limits, Place, PlaceBytes, Value, ValueKind};
use crate::addr::RunAddr;
use crate::arch::Arch;
use crate::memory::{Memory, ReadAs};
use crate::module::DieRef;
use crate::module::Expression;
use crate::types::{Count, Name, StaticMember, Type, TypeId, TypeKind, TypeTable, Variant, VariantPart};

/// Values that one variable may consist of.
const MAX_NODES: usize = 20_000;
/// Bytes of strings that one variable may contain.
const MAX_STRING_BYTES: usize = 1 << 20;
/// Values within values; each costs stack.
const MAX_RECURSION: usize = 100;
/// Expressions of users' formatters that one variable may evaluate.
const MAX_EXPRESSIONS: usize = 256;

thread_local! {
    /// Room for [`Run::path`]: most values need it for a moment.
    static SPARE_PATH: Cell<Vec<(RunAddr, TypeId)>> = const { Cell::new(Vec::new()) };
}

/// Evaluates what depends on the running program: counts of arrays, places of virtual bases.
pub trait DynamicEvaluator {
    /// The expression's value. `object` is on the stack before it starts, where a member's place is asked for.
    fn evaluate(&self, expression: &Expression, object: Option<RunAddr>) -> Result<u64, Absent>;

    /// The integer that a variable (an array's count) holds in the frame at hand.
    fn variable(&self, die: DieRef) -> Result<u64, Absent>;

    /// The integer of `size` bytes (at most 8) where a location leads to.
    fn stored(&self, location: &Expression, size: u64) -> Result<u64, Absent>;
}

/// Names addresses.
pub trait Symbols {
    /// `main+4`, `table`: the function or object that the address is in, as gdb writes it in `<>`. `None` for
    /// addresses in no symbol.
    fn symbol(&self, address: RunAddr) -> Option<String>;

    /// A type by its qualified name: what a symbol's name names (`vtable for ns::T`).
    fn find_type(&self, name: &str) -> Option<TypeId>;

    /// The type that the Rust vtable at the address was made for.
    fn vtable_class(&self, vtable: RunAddr) -> Option<TypeId>;

    /// The structure that the debug information has for the Rust vtable at the address, a member for each slot.
    fn vtable_layout(&self, _vtable: RunAddr) -> Option<TypeId> {
        None
    }

    /// The symbol that the address is in: where it begins, and its size in bytes (0 where the file does not say).
    fn extent(&self, _address: RunAddr) -> Option<(RunAddr, u64)> {
        None
    }

    /// Whether the process could run what is at the address.
    fn is_code(&self, _address: RunAddr) -> bool {
        false
    }

    /// Where the `std::type_info` of a type of that name is.
    fn type_info(&self, _name: &str) -> Option<RunAddr> {
        None
    }

    /// The thread whose thread pointer it is: its LWP, and its name where that is known.
    fn thread_of(&self, _pointer: u64) -> Option<(u32, Option<&str>)> {
        None
    }

    /// Where the static member that is declared there lies, and its type as far as its definition has more of it.
    fn static_member(&self, _member: &StaticMember) -> Result<(Place, TypeId), Absent> {
        Err(Absent::new(AbsentReason::OptimizedOut))
    }

    /// The version of glibc that the process ran with, 2.36 as (2, 36).
    fn c_library(&self) -> Option<(u32, u32)> {
        None
    }

    /// What is known of a Go program.
    fn go(&self) -> Option<&dyn GoSymbols> {
        None
    }
}

/// What the debug information says of a Go program beyond types and functions.
pub trait GoSymbols {
    /// The type that the description of Go's runtime at the address is of.
    fn described(&self, description: RunAddr) -> Option<TypeId>;

    /// What closures of the function that begins at the address hold, in order.
    fn captured(&self, code: RunAddr) -> Vec<Captured>;

    /// Where a global variable of Go's own libraries is, and its size in bytes.
    fn data(&self, name: &'static str) -> Option<(RunAddr, u64)>;

    /// Constants of a type that its package declares.
    fn constants(&self, type_id: TypeId) -> Arc<[(Name, i64)]>;
}

/// A variable in a closure.
#[derive(Clone, Debug)]
pub struct Captured {
    /// Its name; `&x` for a pointer to `x`.
    pub name: Name,
    /// Bytes from the closure's start.
    pub offset: u64,
    /// Its type, a pointer's for `&x`.
    pub type_id: TypeId,
}

/// Decodes values. Made once for many.
pub struct Decoder<'a> {
    /// The types.
    pub types: &'a TypeTable,
    /// The target's memory.
    pub memory: &'a dyn Memory,
    /// Its architecture.
    pub arch: Arch,
    /// How much is shown.
    pub limits: Limits,
    /// Names addresses that pointers hold.
    pub symbols: Option<&'a dyn Symbols>,
    /// Evaluates dynamic counts and places; without it they are absent.
    pub evaluate: Option<&'a dyn DynamicEvaluator>,
    /// Formatters that users wrote; before all others.
    pub user: Option<&'a dyn UserFormatters>,
    /// Character arrays stay arrays.
    pub raw: bool,
}

impl Decoder<'_> {
    /// What is at `place`, as `type_id`. Holes are in the value.
    pub fn value(&self, place: &Place, type_id: TypeId) -> Value {
        let mut run = self.run();
        let value = run.value(Source::of_place(place), type_id, 0);
        if run.path.capacity() > 0 {
            run.path.clear();
            SPARE_PATH.set(run.path);
        }
        value
    }

    fn run<'d>(&'d self) -> Run<'d, 'd> {
        Run {
            decoder: self,
            nodes: MAX_NODES,
            string_bytes: MAX_STRING_BYTES,
            expressions: MAX_EXPRESSIONS,
            recursion: 0,
            path: Vec::new(),
            summarised: None,
            statics: Vec::new(),
            in_static: false,
            descriptor: None,
        }
    }

    /// The first `size` bytes (at most 16) as a little-endian integer.
    pub(in crate::value) fn bits(&self, source: Source<'_>, size: u64) -> Result<u128, Absent> {
        self.run().bits(source, size)
    }

    /// The variant that the discriminant picks; `None` where there are no variants.
    pub(in crate::value) fn active_variant<'p>(
        &self,
        source: Source<'_>,
        part: &'p VariantPart,
    ) -> Result<Option<&'p Variant>, Absent> {
        self.run().active_variant(source, part)
    }

    /// How many elements the array type has: `None` where its type does not tell.
    pub fn array_count(&self, array: TypeId) -> Result<Option<u64>, Absent> {
        let TypeKind::Array { count, .. } = &self.types.get(self.types.strip(array)).kind else { return Ok(None) };
        scalar::array_count(self, count)
    }

    /// Size in bytes of the type's objects in this frame, arrays with dynamic counts included.
    pub fn size(&self, type_id: TypeId) -> Result<u64, Absent> {
        self.size_within(type_id, 0)
    }

    fn size_within(&self, type_id: TypeId, depth: usize) -> Result<u64, Absent> {
        let (_, stripped) = self.types.stripped(type_id);
        if let Some(size) = stripped.size {
            return Ok(size);
        }
        match &stripped.kind {
            TypeKind::Array { element, count: Count::Dimension(dimension), .. } if depth < 32 => {
                if dimension.descriptor.is_some() {
                    return Err(Absent::because(
                        AbsentReason::NoDebugInfo,
                        "the size of the array's descriptor is not known",
                    ));
                }
                let Bounds { length, stride, .. } = self.bounds(dimension, None)?;
                let endless = || Absent::because(AbsentReason::Corrupt, "an endless array");
                if let Some(bits) = dimension.bits {
                    return length.checked_mul(bits).map(|bits| bits.div_ceil(8)).ok_or_else(endless);
                }
                let stride = match stride {
                    Some(stride) => stride.unsigned_abs(),
                    None => self.size_within(*element, depth + 1)?,
                };
                stride.checked_mul(length).ok_or_else(endless)
            }
            TypeKind::Array { element, count, stride, .. } if depth < 32 => {
                let count = scalar::array_count(self, count)?.unwrap_or(0);
                let element = match stride {
                    Some(stride) => *stride,
                    None => self.size_within(*element, depth + 1)?,
                };
                element.checked_mul(count).ok_or_else(|| Absent::because(AbsentReason::Corrupt, "an endless array"))
            }
            TypeKind::Pointer { .. } | TypeKind::Reference { .. } | TypeKind::Unspecified => {
                Ok(self.arch.address_size() as u64)
            }
            TypeKind::MemberPointer { target, .. } => {
                let function = matches!(self.types.get(self.types.strip(*target)).kind, TypeKind::Function { .. });
                Ok(self.arch.address_size() as u64 * if function { 2 } else { 1 })
            }
            TypeKind::Unreadable(why) => Err(Absent::because(AbsentReason::Unsupported, why.clone())),
            _ => Err(Absent::because(AbsentReason::NoDebugInfo, "the type's size is not known")),
        }
    }
}

/// Where an object's bytes come from.
#[derive(Clone, Copy)]
pub(in crate::value) enum Source<'s> {
    /// The target's memory, read when wanted.
    Memory(RunAddr),
    /// Bytes at hand.
    Bytes {
        /// From the object's first byte on.
        data: &'s [u8],
        /// Where they are in the target, if there.
        address: Option<RunAddr>,
        /// What the place says of holes, and where in it `data` begins.
        place: Option<(&'s PlaceBytes, usize)>,
    },
}

impl<'s> Source<'s> {
    pub(in crate::value) fn of_place(place: &'s Place) -> Source<'s> {
        match place {
            Place::Memory(address) => Source::Memory(*address),
            Place::Bytes(bytes) => Source::Bytes { data: &bytes.data, address: None, place: Some((bytes, 0)) },
        }
    }

    pub(in crate::value) fn address(self) -> Option<RunAddr> {
        match self {
            Source::Memory(address) => Some(address),
            Source::Bytes { address, .. } => address,
        }
    }

    /// The bytes from `offset` on.
    pub(in crate::value) fn at(self, offset: u64) -> Result<Source<'s>, Absent> {
        match self {
            Source::Memory(address) => address.checked_add(offset).map(Source::Memory).ok_or_else(beyond),
            Source::Bytes { data, address, place } => {
                let skip = usize::try_from(offset).map_err(|_| beyond())?;
                Ok(Source::Bytes {
                    data: data.get(skip..).ok_or_else(beyond)?,
                    address: address.and_then(|address| address.checked_add(offset)),
                    place: place.map(|(place, start)| (place, start.saturating_add(skip))),
                })
            }
        }
    }
}

#[cold]
fn beyond() -> Absent {
    Absent::because(AbsentReason::Corrupt, "it lies beyond the object's end")
}

/// Decoding one variable.
struct Run<'d, 'a> {
    decoder: &'d Decoder<'a>,
    nodes: usize,
    string_bytes: usize,
    expressions: usize,
    recursion: usize,
    /// Objects that are being decoded, outermost first.
    path: Vec<(RunAddr, TypeId)>,
    /// The object whose summary is being put together.
    summarised: Option<(Option<RunAddr>, TypeId)>,
    /// Structures and arrays that are static members of what is being decoded.
    statics: Vec<RunAddr>,
    /// What is decoded next is one of these.
    in_static: bool,
    /// Where the array that is being decoded is, or its descriptor.
    descriptor: Option<RunAddr>,
}

impl<'d, 'a: 'd> Run<'d, 'a> {
    /// Notes that the object is being decoded, until it is popped from [`Run::path`].
    fn enter(&mut self, place: RunAddr, stripped: TypeId) {
        if self.path.capacity() == 0 {
            self.path = SPARE_PATH.take();
        }
        self.path.push((place, stripped));
    }

    /// The value of type `type_id` at `source`, within `nest` aggregates and followed pointers.
    fn value(&mut self, source: Source<'_>, type_id: TypeId, nest: usize) -> Value {
        if self.nodes == 0 || self.recursion >= MAX_RECURSION {
            return Value { type_id, kind: ValueKind::Elided };
        }
        self.nodes -= 1;
        self.recursion += 1;
        let formatted = match self.decoder.raw {
            true => None,
            false => match self.of_user(source, type_id, nest) {
                Some(kind) => Some(Ok(kind)),
                None => self.formatted(source, type_id, nest),
            },
        };
        let kind = match formatted {
            Some(kind) => kind,
            None => {
                let (stripped, definition) = self.decoder.types.stripped(type_id);
                self.kind(source, stripped, definition, nest)
            }
        };
        self.recursion -= 1;
        Value { type_id, kind: kind.unwrap_or_else(ValueKind::Absent) }
    }

    fn kind(
        &mut self,
        source: Source<'_>,
        stripped: TypeId,
        definition: &'d Type,
        nest: usize,
    ) -> Result<ValueKind, Absent> {
        self.note_number(source, definition);
        match &definition.kind {
            TypeKind::Int { .. }
            | TypeKind::BitInt { .. }
            | TypeKind::Char { .. }
            | TypeKind::Bool
            | TypeKind::Enum { .. } => {
                let size = definition.size.ok_or_else(no_size)?;
                if size == 0 {
                    // Rust's `()`.
                    return Ok(ValueKind::Struct { union: false, fields: Vec::new() });
                }
                let bits = self.bits(source, size)?;
                Ok(self.integer(definition, bits, 8 * size as u32))
            }
            TypeKind::Float => self.float(source, definition),
            TypeKind::Complex => self.complex(source, stripped, definition),
            TypeKind::Pointer { target } => self.pointer(source, definition, *target, nest),
            TypeKind::Reference { target, .. } => self.reference(source, definition, *target, nest),
            TypeKind::MemberPointer { target, .. } => self.member_pointer(source, stripped, *target),
            TypeKind::Struct(content) => self.structure(source, stripped, definition, content, nest),
            TypeKind::Array { element, count, stride, .. } => {
                self.array(source, definition, *element, count, *stride, nest)
            }
            TypeKind::Function { .. } if definition.is_function_value() => {
                let address = RunAddr(self.bits(source, self.decoder.arch.address_size() as u64)? as u64);
                let symbol = if address.0 == 0 { None } else { self.symbol(address) };
                Ok(ValueKind::Pointer { address: Some(address), reference: false, symbol, string: None, pointee: None })
            }
            TypeKind::Function { .. } => {
                let address = source.address().ok_or_else(|| Absent::new(AbsentReason::Corrupt))?;
                let symbol = self.symbol(address);
                Ok(ValueKind::Pointer { address: Some(address), reference: false, symbol, string: None, pointee: None })
            }
            TypeKind::Unspecified => {
                let size = definition.size.unwrap_or(self.decoder.arch.address_size() as u64);
                Ok(ValueKind::Uint(self.bits(source, size)?))
            }
            TypeKind::Void => Err(Absent::because(AbsentReason::NoDebugInfo, "its type is void")),
            TypeKind::Unreadable(why) => Err(Absent::because(AbsentReason::Unsupported, why.clone())),
            TypeKind::Typedef { .. } | TypeKind::Qualified { .. } => {
                Err(Absent::because(AbsentReason::Corrupt, "its type refers to itself"))
            }
        }
    }

    /// Bytes may be text, whatever their type; and plain fields may lie over text (libstdc++'s short strings).
    fn note_number(&self, source: Source<'_>, definition: &Type) {
        let is_number = matches!(
            definition.kind,
            TypeKind::Int { .. }
                | TypeKind::BitInt { .. }
                | TypeKind::Bool
                | TypeKind::Enum { .. }
                | TypeKind::Float
                | TypeKind::Complex
        );
        let is_number = is_number && !self.decoder.raw;
        if let (true, Source::Memory(address), Some(size @ 2..=64)) = (is_number, source, definition.size) {
            self.decoder.memory.noted(address, size as usize, ReadAs::Number);
        }
    }

    fn symbol(&self, address: RunAddr) -> Option<String> {
        self.decoder.symbols?.symbol(RunAddr(self.decoder.arch.strip_pointer(address.0)))
    }
}

#[cold]
fn no_size() -> Absent {
    Absent::because(AbsentReason::NoDebugInfo, "the type's size is not known")
}
