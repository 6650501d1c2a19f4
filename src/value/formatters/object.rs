//! What a formatter sees of an object: its type, its members, and what its pointers lead to.

use super::{Absent, AbsentReason, Item, Place, Refusal, Value, ValueKind, View, corrupt, layout};
use crate::addr::RunAddr;
use crate::arch::Arch;
use crate::memory::ReadAs;
use crate::types::{Language, Member, MemberOffset, Name, StructType, Type, TypeId, TypeKind, TypeTable};
use crate::value::decode::{Captured, Decoder, Source};
use crate::value::{PlaceBytes, Text};

/// Base classes and anonymous members within each other.
const MAX_NESTING: usize = 32;
/// Bytes that a formatter reads at once.
const MAX_READ: usize = 1 << 20;

/// A place and a type. Nothing is read before it is asked for.
#[derive(Clone, Copy)]
pub struct Object<'v> {
    decoder: &'v Decoder<'v>,
    source: Source<'v>,
    /// Its type, as declared.
    pub type_id: TypeId,
}

impl<'v> Object<'v> {
    pub(in crate::value) fn new(decoder: &'v Decoder<'v>, source: Source<'v>, type_id: TypeId) -> Object<'v> {
        Object { decoder, source, type_id }
    }

    pub(super) fn of_place(decoder: &'v Decoder<'v>, place: &'v Place, type_id: TypeId) -> Object<'v> {
        Object { decoder, source: Source::of_place(place), type_id }
    }

    pub(in crate::value) fn source(&self) -> Source<'v> {
        self.source
    }

    /// Where it is, for those who keep it.
    pub fn to_place(&self) -> Place {
        match self.source {
            Source::Memory(address) | Source::Bytes { address: Some(address), .. } => Place::Memory(address),
            Source::Bytes { data, place, .. } => {
                let (holes, partial, implicit_pointers) = match place {
                    None => Default::default(),
                    Some((place, start)) => (
                        place
                            .holes
                            .iter()
                            .filter(|(_, to, _)| *to > start)
                            .map(|(from, to, why)| (from.saturating_sub(start), to - start, why.clone()))
                            .collect(),
                        place
                            .partial
                            .iter()
                            .filter(|(offset, _)| *offset >= start)
                            .map(|(offset, bits)| (offset - start, *bits))
                            .collect(),
                        place
                            .implicit_pointers
                            .iter()
                            .filter(|(offset, ..)| *offset >= start)
                            .map(|(offset, place, id)| (offset - start, place.clone(), *id))
                            .collect(),
                    ),
                };
                Place::Bytes(PlaceBytes { data: data.to_vec(), holes, partial, implicit_pointers, register: None })
            }
        }
    }

    /// What it is in its author's words: `None` where no formatter knows it.
    pub fn view(&self) -> Option<Result<View<'v>, Absent>> {
        super::view(self, self.decoder.formatters(self.type_id))
    }

    /// Its address, where it is in memory.
    pub fn address(&self) -> Option<RunAddr> {
        self.source.address()
    }

    /// All types.
    pub fn types(&self) -> &'v TypeTable {
        self.decoder.types
    }

    /// The processor.
    pub fn arch(&self) -> Arch {
        self.decoder.arch
    }

    /// Bytes of an address.
    pub fn word(&self) -> u64 {
        self.decoder.arch.address_size() as u64
    }

    /// Its type's definition, under typedefs and qualifiers.
    pub fn definition(&self) -> &'v Type {
        self.types().stripped(self.type_id).1
    }

    /// Its type's language.
    pub fn language(&self) -> Language {
        self.definition().language
    }

    /// Its type's name, under typedefs and qualifiers.
    pub fn type_name(&self) -> &'v str {
        self.types().name(self.types().strip(self.type_id))
    }

    /// Its structure; declines on other types.
    pub fn structure(&self) -> Result<&'v StructType, Refusal> {
        match &self.definition().kind {
            TypeKind::Struct(content) if !content.declaration => Ok(content),
            _ => Err(Refusal::Declined),
        }
    }

    /// The same bytes as another type.
    pub fn cast(&self, type_id: TypeId) -> Object<'v> {
        Object { type_id, ..*self }
    }

    /// Another object, in memory.
    pub fn at(&self, address: u64, type_id: TypeId) -> Object<'v> {
        let address = RunAddr(self.decoder.arch.strip_pointer(address));
        Object { decoder: self.decoder, source: Source::Memory(address), type_id }
    }

    /// What begins `bytes` after its start, with the same type.
    pub fn shifted(&self, bytes: u64) -> Result<Object<'v>, Absent> {
        Ok(Object { source: self.source.at(bytes)?, ..*self })
    }

    /// What begins `bytes` after its start, as another type.
    pub fn part(&self, bytes: u64, type_id: TypeId) -> Result<Object<'v>, Absent> {
        Ok(self.shifted(bytes)?.cast(type_id))
    }

    /// The member of that name, in base classes and anonymous members too; declines where there is none.
    pub fn field(&self, name: &str) -> Result<Object<'v>, Refusal> {
        self.find_field(name, 0)?.ok_or(Refusal::Declined)
    }

    /// The first member that has one of the names: layouts of several versions in one line.
    pub fn any_field(&self, names: &[&str]) -> Result<Object<'v>, Refusal> {
        for name in names {
            if let Some(found) = self.find_field(name, 0)? {
                return Ok(found);
            }
        }
        Err(Refusal::Declined)
    }

    /// Whether there is such a member.
    pub fn has(&self, name: &str) -> bool {
        self.field(name).is_ok()
    }

    /// `a.b.c`
    pub fn path(&self, path: &str) -> Result<Object<'v>, Refusal> {
        path.split('.').try_fold(*self, |object, name| object.field(name))
    }

    fn find_field(&self, name: &str, nesting: usize) -> Result<Option<Object<'v>>, Refusal> {
        let Ok(content) = self.structure() else { return Ok(None) };
        for member in content.members.iter().filter(|member| member.bits.is_none()) {
            if member.name.as_deref() == Some(name) {
                return self.member(member).map(Some);
            }
        }
        if nesting >= MAX_NESTING {
            return Ok(None);
        }
        for member in content.members.iter().filter(|member| member.base || member.name.is_none()) {
            // A virtual base's place may not be known, and what is looked for may be elsewhere.
            let Ok(inner) = self.member(member) else { continue };
            if let Some(found) = inner.find_field(name, nesting + 1)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Its only member that is no base class and has a size: what a wrapper wraps.
    pub fn only_field(&self) -> Result<Object<'v>, Refusal> {
        let content = self.structure()?;
        let mut members = content.members.iter().filter(|member| self.types().size(member.type_id) != Some(0));
        match (members.next(), members.next()) {
            (Some(member), None) => self.member(member),
            _ => Err(Refusal::Declined),
        }
    }

    /// The base class `index`, in the order of declaration.
    pub fn base(&self, index: usize) -> Result<Object<'v>, Refusal> {
        let member = self.structure()?.members.iter().filter(|member| member.base).nth(index);
        self.member(member.ok_or(Refusal::Declined)?)
    }

    /// A member as an object; bit fields are none.
    pub fn member(&self, member: &Member) -> Result<Object<'v>, Refusal> {
        let type_id = member.type_id;
        if member.bits.is_some() {
            return Err(Refusal::Declined);
        }
        match &member.offset {
            MemberOffset::Bytes(offset) => Ok(self.part(*offset, type_id)?),
            MemberOffset::Expression(expression) => {
                let (Some(evaluator), Some(object)) = (self.decoder.evaluate, self.address()) else {
                    return Err(Refusal::Declined);
                };
                Ok(self.at(evaluator.evaluate(expression, Some(object))?, type_id))
            }
        }
    }

    /// An integer (or pointer, character, truth value, enumeration) of at most 16 bytes, zero-extended.
    pub fn bits(&self) -> Result<u128, Refusal> {
        let definition = self.definition();
        let size = match (&definition.kind, definition.size) {
            (TypeKind::Struct(_) | TypeKind::Array { .. } | TypeKind::Float | TypeKind::Complex, _) => {
                return Err(Refusal::Declined);
            }
            (_, Some(size)) => size,
            _ => self.size()?,
        };
        self.note_structure(size);
        Ok(self.decoder.bits(self.source, size)?)
    }

    fn note_structure(&self, size: u64) {
        if let Some(address) = self.source.address() {
            self.decoder.memory.noted(address, size.min(16) as usize, ReadAs::Structure);
        }
    }

    /// The same, of at most 8 bytes.
    pub fn uint(&self) -> Result<u64, Refusal> {
        u64::try_from(self.bits()?).map_err(|_| Refusal::Declined)
    }

    /// The same, sign-extended.
    pub fn int(&self) -> Result<i64, Refusal> {
        let size = self.size()?;
        let unused = 64 - 8 * u32::try_from(size).map_err(|_| Refusal::Declined)?.clamp(1, 8);
        Ok(((self.uint()? << unused) as i64) >> unused)
    }

    /// The address that a pointer (or a structure that wraps nothing but one) holds, without tag bits; 0 is null.
    pub fn pointer(&self) -> Result<u64, Refusal> {
        let mut object = *self;
        for _ in 0..8 {
            match object.definition().kind {
                TypeKind::Struct(_) => object = object.only_field()?,
                _ => return Ok(self.decoder.arch.strip_pointer(object.uint()?)),
            }
        }
        Err(Refusal::Declined)
    }

    /// The address that begins it, whatever its type: a function value of Go's.
    pub fn word_at_start(&self) -> Result<u64, Refusal> {
        self.note_structure(self.word());
        Ok(self.decoder.bits(self.source, self.word())? as u64)
    }

    /// What a pointer's type says that it points to.
    pub fn target(&self) -> Result<TypeId, Refusal> {
        match self.definition().kind {
            TypeKind::Pointer { target } | TypeKind::Reference { target, .. } => Ok(target),
            _ => Err(Refusal::Declined),
        }
    }

    /// What a pointer leads to; a null pointer is a hole.
    pub fn deref(&self) -> Result<Object<'v>, Refusal> {
        let (target, address) = (self.target()?, self.pointer()?);
        if address == 0 {
            return Err(corrupt("a null pointer where the structure needs an object"));
        }
        Ok(self.at(address, target))
    }

    /// The element `index` of an array.
    pub fn element(&self, index: u64) -> Result<Object<'v>, Refusal> {
        let TypeKind::Array { element, stride, .. } = self.definition().kind else { return Err(Refusal::Declined) };
        let stride = match stride {
            Some(stride) => stride,
            None => self.size_of(element)?,
        };
        let offset = index.checked_mul(stride).ok_or(Refusal::Declined)?;
        Ok(self.part(offset, element)?)
    }

    /// The type argument `index` of the template; declines where there is none.
    pub fn argument(&self, index: usize) -> Result<TypeId, Refusal> {
        self.structure()?.template_types.get(index).map(|(_, id)| *id).ok_or(Refusal::Declined)
    }

    /// The type argument of that name.
    pub fn argument_named(&self, name: &str) -> Result<TypeId, Refusal> {
        let arguments = &self.structure()?.template_types;
        arguments.iter().find(|(known, _)| known == name).map(|(_, id)| *id).ok_or(Refusal::Declined)
    }

    /// The value argument `index` of the template: `N` of `std::bitset<N>`.
    pub fn value_argument(&self, index: usize) -> Result<i128, Refusal> {
        self.structure()?.template_values.get(index).map(|(.., value)| *value).ok_or(Refusal::Declined)
    }

    /// The variant of a Rust enum that is active, by name and with its structure; declines on other types.
    pub fn variant(&self) -> Result<(&'v str, Object<'v>), Refusal> {
        let part = self.structure()?.variants.as_deref().ok_or(Refusal::Declined)?;
        let active = self.decoder.active_variant(self.source, part)?;
        let [member] = active.ok_or(Refusal::Declined)?.members.as_slice() else { return Err(Refusal::Declined) };
        let name = member.name.as_deref().ok_or(Refusal::Declined)?;
        Ok((name, self.member(member)?))
    }

    /// Its size in bytes; declines where it is not known.
    pub fn size(&self) -> Result<u64, Refusal> {
        self.size_of(self.type_id)
    }

    /// A type's size in bytes; declines where it is not known.
    pub fn size_of(&self, type_id: TypeId) -> Result<u64, Refusal> {
        self.decoder.size(type_id).map_err(|_| Refusal::Declined)
    }

    /// A type's alignment in bytes, as its members have it.
    pub fn align_of(&self, type_id: TypeId) -> Result<u64, Refusal> {
        layout::alignment(self.types(), type_id, self.word()).ok_or(Refusal::Declined)
    }

    /// `length` bytes of memory; all of them or a hole.
    pub fn read(&self, address: u64, length: usize) -> Result<Vec<u8>, Refusal> {
        if length > MAX_READ {
            return Err(Absent::because(AbsentReason::Unsupported, format!("{length} bytes to read")).into());
        }
        self.decoder.memory.noted(RunAddr(address), length, ReadAs::Structure);
        Ok(self.decoder.memory.read_vec(RunAddr(address), length)?)
    }

    /// Refuses what reaches beyond what the process had mapped: `what` are the bytes from `address` on.
    pub fn must_be_mapped(&self, address: u64, bytes: u64, what: std::fmt::Arguments<'_>) -> Result<(), Refusal> {
        let Some(more) = bytes.checked_sub(1) else { return Ok(()) };
        let last = address.checked_add(more).map(RunAddr);
        let unmapped = last.is_none_or(|last| {
            let first = self.decoder.memory.piece(RunAddr(address), 1);
            let unmapped = |error: crate::memory::ReadError| error.reason == crate::memory::MissingReason::Unmapped;
            // Where nothing is there at all, reading says so.
            first.is_ok() && self.decoder.memory.piece(last, 1).is_err_and(unmapped)
        });
        match unmapped {
            true => Err(corrupt(format!("{what} from {address:#x} on reach beyond what is mapped"))),
            false => Ok(()),
        }
    }

    /// An integer of 1, 2, 4 or 8 bytes in memory.
    pub fn read_uint(&self, address: u64, size: usize) -> Result<u64, Refusal> {
        self.decoder.memory.noted(RunAddr(address), size.min(8), ReadAs::Structure);
        Ok(self.decoder.memory.read_uint(RunAddr(address), size.min(8))?)
    }

    /// The address in memory there, without tag bits.
    pub fn read_pointer(&self, address: u64) -> Result<u64, Refusal> {
        Ok(self.decoder.arch.strip_pointer(self.read_uint(address, self.word() as usize)?))
    }

    /// `vtable for ns::T+16`: the symbol that the address is in.
    pub fn symbol(&self, address: u64) -> Option<String> {
        self.decoder.symbols?.symbol(RunAddr(address))
    }

    /// `0x7ffff7d8a6c0 (LWP 12) "worker"`: the thread that the address is the thread pointer of.
    pub fn thread_text(&self, pointer: u64) -> Option<String> {
        let (lwp, name) = self.decoder.symbols?.thread_of(pointer)?;
        let name = name.map(|name| format!(" \"{}\"", name.escape_debug())).unwrap_or_default();
        Some(format!("{pointer:#x} (LWP {lwp}){name}"))
    }

    /// The version of glibc that the process ran with, 2.36 as (2, 36).
    pub fn c_library(&self) -> Option<(u32, u32)> {
        self.decoder.symbols?.c_library()
    }

    /// The minor version of the Rust compiler that described its type: 95 of 1.95.0.
    pub fn rust_minor(&self) -> Option<u16> {
        self.types().rust_minor(self.type_id)
    }

    /// The type that a Rust vtable was made for.
    pub fn vtable_class(&self, vtable: u64) -> Option<TypeId> {
        self.decoder.symbols?.vtable_class(RunAddr(vtable))
    }

    /// The type that a description of Go's runtime is of.
    pub fn go_type(&self, description: u64) -> Option<TypeId> {
        self.decoder.symbols?.go()?.described(RunAddr(description))
    }

    /// What the closure of the function of Go's at the address captured; empty where that is not described.
    pub fn go_captured(&self, code: u64) -> Vec<Captured> {
        let go = self.decoder.symbols.and_then(|symbols| symbols.go());
        go.map(|go| go.captured(RunAddr(code))).unwrap_or_default()
    }

    /// The first constant of its type of Go's that has the value.
    pub fn go_constant(&self, value: i64) -> Option<Name> {
        let constants = self.decoder.symbols?.go()?.constants(self.types().strip(self.type_id));
        constants.iter().find(|(_, known)| *known == value).map(|(name, _)| name.clone())
    }

    /// Address and size in bytes of a global variable of Go's own libraries.
    pub fn go_data(&self, name: &'static str) -> Option<(u64, u64)> {
        self.decoder.symbols?.go()?.data(name).map(|(address, size)| (address.0, size))
    }

    /// A type by its qualified name.
    pub fn find_type(&self, name: &str) -> Option<TypeId> {
        self.decoder.symbols?.find_type(name)
    }

    /// A count of obit's own, as a part: `usize` in Rust, `unsigned long` elsewhere.
    pub fn count(&self, count: u64) -> Item<'v> {
        let language = self.language();
        let name = if language == Language::Rust { "usize" } else { "unsigned long" };
        let type_id = self.types().number(name, self.word(), language, TypeKind::Int { signed: false });
        Item::Value(Value { type_id, kind: ValueKind::Int(count.into()) })
    }

    /// `length` bytes of text in memory, as a part: as many as are shown of a string. This object's type is the part's.
    pub fn text(&self, address: u64, length: u64) -> Item<'v> {
        let shown = length.min(self.decoder.limits.string as u64).min(MAX_READ as u64);
        self.decoder.memory.noted(RunAddr(address), shown as usize, ReadAs::Text);
        let kind = match self.decoder.memory.read_vec(RunAddr(address), shown as usize) {
            Ok(bytes) => ValueKind::String(Text {
                omitted: length.saturating_sub(bytes.len() as u64),
                bytes,
                length: Some(length),
                cut: None,
            }),
            Err(error) => ValueKind::Absent(error.into()),
        };
        Item::Value(Value { type_id: self.type_id, kind })
    }

    /// A hole, as a part.
    pub fn hole(&self, absent: Absent) -> Item<'v> {
        Item::Value(Value { type_id: self.type_id, kind: ValueKind::Absent(absent) })
    }
}
