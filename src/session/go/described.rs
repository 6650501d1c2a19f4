//! Types as Go's runtime describes them, for programs whose debug information does not (linked with -w or -s): made into
//! entries of the type graph.
//!
//! ```text
//! Type     Size 0, PtrBytes 8, Hash 16, TFlag 20, Align 21, FieldAlign 22, Kind 23, Equal 24, GCData 32, Str 40
//! behind   pointer, slice: element 48       array: element 48, length 64       channel: element 48, direction 56
//!          map: key 48, element 56, bucket or group 64         interface: methods 56          function: counts 48
//!          struct: fields 56, length 64, each { name 0, type 8, offset 16 }
//! Name     flags, length (7 bits a byte), text
//! ```
//!
//! Layouts: go `src/internal/abi/type.go` and `map*.go`, up to Go 1.20 `src/runtime/type.go`, the same from Go 1.19 to 1.27
//! (64 bits). What maps and channels lead to is described nowhere in such a program: their headers are those of the
//! version (`src/runtime/map.go`, `chan.go`; since Go 1.24 `src/internal/runtime/maps`).

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use super::layout::little_endian;
use crate::addr::RunAddr;
use crate::memory::ReadAs;
use crate::module::{Module, go_table};
use crate::session::Session;
use crate::types::go::{GoKind, GoType};
use crate::types::{Count, Language, Member, StructKind, StructType, Type, TypeId, TypeKind};

/// Versions whose descriptions are known: before Go 1.19 offsets of fields are written in another way.
const KNOWN: std::ops::RangeInclusive<u32> = 19..=27;
/// Bytes of a description of every kind, and those that are read of one.
const HEAD: u64 = 48;
const LONGEST: usize = 80;
/// Types that one description leads to.
const MAX_TYPES: usize = 1 << 18;
/// Fields of one structure, and of all.
const MAX_FIELDS: u64 = 1 << 14;
const MAX_ALL_FIELDS: usize = 1 << 21;
/// Bytes of a name.
const MAX_NAME: u64 = 4096;
/// Pointers to slices of pointers, where a name is put together.
const MAX_NESTING: usize = 32;
/// Bytes of a value: no array is larger.
const MAX_SIZE: u64 = 1 << 47;

/// TFlagUncommon: behind the description follows what belongs to a named type.
const UNCOMMON: u8 = 1;
/// TFlagExtraStar: the name is written with a `*` in front, which is not the type's.
const EXTRA_STAR: u8 = 1 << 1;
/// TFlagNamed
const NAMED: u8 = 1 << 2;

/// Types that were made so far, by the addresses of their descriptions.
#[derive(Default)]
pub(super) struct Made {
    by_address: HashMap<u64, TypeId>,
    common: Option<Common>,
}

/// Types that no description is needed for.
#[derive(Clone, Copy)]
struct Common {
    void: TypeId,
    pointer: TypeId,
    bytes: TypeId,
    int: TypeId,
    empty_interface: TypeId,
    interface: TypeId,
    map_extra: TypeId,
}

/// Where a module's descriptions of types are, and among them tables of methods.
pub fn go_descriptions(module: &Module) -> Option<Range<u64>> {
    let symbol = |name: &str| module.symbols().by_name(name).into_iter().next().map(|symbol| symbol.address);
    let named = || symbol("runtime.types").zip(symbol("runtime.etypes"));
    let (first, end) = module.go_table().and_then(|table| table.described()).or_else(named)?;
    Some(module.to_run(first).0..module.to_run(end).0)
}

impl Session {
    /// The type that the runtime describes at an address of a program of Go's; `None` where no description can be there.
    pub(super) fn type_of_description(&self, at: RunAddr) -> Option<TypeId> {
        let module = self.program.modules.at(at).filter(|module| module.is_go())?;
        if self.image.arch.address_size() != 8 {
            return None;
        }
        let file = module.file()?;
        let minor = go_table::minor_version(file).filter(|minor| KNOWN.contains(minor))?;
        let version = go_table::version(file)?;
        let range = go_descriptions(module)?;
        let mut made = self.go.made.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let common = *made.common.get_or_insert_with(|| Common::new(self));
        let mut reader = Reader {
            session: self,
            range,
            has_tables: minor >= 24 && !go_table::experiments(&version).contains(&"noswissmap"),
            minor,
            common,
            made: &mut made.by_address,
            waiting: Vec::new(),
            fields: 0,
        };
        reader.head(at.0)?;
        let id = reader.of(at.0);
        reader.read_all();
        Some(id)
    }
}

impl Session {
    /// `interface {}`, as the runtime has it.
    pub(super) fn go_empty_interface(&self) -> TypeId {
        let mut made = self.go.made.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        made.common.get_or_insert_with(|| Common::new(self)).empty_interface
    }
}

impl Common {
    fn new(session: &Session) -> Common {
        let types = &session.types;
        let void = types.make_void(Language::Go);
        let plain = |name: &str, size: u64, kind: TypeKind| Type {
            name: Some(name.to_owned()),
            size: Some(size),
            language: Language::Go,
            kind,
        };
        let pointer = types.make(plain("unsafe.Pointer", 8, TypeKind::Pointer { target: void }));
        let byte = types.number("uint8", 1, Language::Go, TypeKind::Int { signed: false });
        let bytes = types.make(plain("*uint8", 8, TypeKind::Pointer { target: byte }));
        let int = types.number("int", 8, Language::Go, TypeKind::Int { signed: true });
        let structure =
            |name: &str, size: u64, members: Vec<Member>| types.make(structure(name.to_owned(), size, members));
        let table = structure("runtime.itab", 24, vec![member("inter", pointer, 0), member("_type", pointer, 8)]);
        let table = types.make(plain("*runtime.itab", 8, TypeKind::Pointer { target: table }));
        let overflow = structure(
            "[]*runtime.bmap",
            24,
            vec![member("array", pointer, 0), member("len", int, 8), member("cap", int, 16)],
        );
        let overflow = types.make(plain("*[]*runtime.bmap", 8, TypeKind::Pointer { target: overflow }));
        let map_extra = structure(
            "runtime.mapextra",
            24,
            vec![
                member("overflow", overflow, 0),
                member("oldoverflow", overflow, 8),
                member("nextOverflow", pointer, 16),
            ],
        );
        Common {
            void,
            pointer,
            bytes,
            int,
            empty_interface: structure(
                "runtime.eface",
                16,
                vec![member("_type", pointer, 0), member("data", pointer, 8)],
            ),
            interface: structure("runtime.iface", 16, vec![member("tab", table, 0), member("data", pointer, 8)]),
            map_extra: types.make(plain("*runtime.mapextra", 8, TypeKind::Pointer { target: map_extra })),
        }
    }
}

fn member(name: impl Into<Cow<'static, str>>, type_id: TypeId, offset: u64) -> Member {
    Member::of(Some(name.into()), type_id, offset)
}

fn structure(name: String, size: u64, members: Vec<Member>) -> Type {
    let content = StructType::of(StructKind::Struct, members);
    Type { name: Some(name), size: Some(size), language: Language::Go, kind: TypeKind::Struct(content) }
}

/// The start of a description.
struct Head {
    at: u64,
    size: u64,
    flags: u8,
    kind: u8,
    name: i32,
    /// It and what follows.
    bytes: Vec<u8>,
}

impl Head {
    fn word(&self, offset: usize) -> u64 {
        self.bytes.get(offset..).map_or(0, little_endian)
    }

    /// Where a named type's own part is.
    fn uncommon(&self, minor: u32, has_tables: bool) -> Option<u64> {
        let length = match self.kind {
            17 => 72,
            18 => 64,
            19 | 22 | 23 => 56,
            20 | 25 => 80,
            // Of maps, which change: without tables, up to Go 1.26, and since.
            21 if !has_tables => 88,
            21 if minor < 27 => 112,
            21 => 136,
            _ => HEAD,
        };
        (self.flags & UNCOMMON != 0).then(|| self.at.checked_add(length)).flatten()
    }
}

/// Reads descriptions of one file's.
struct Reader<'a> {
    session: &'a Session,
    range: Range<u64>,
    /// Maps are groups in tables, as since Go 1.24.
    has_tables: bool,
    minor: u32,
    common: Common,
    made: &'a mut HashMap<u64, TypeId>,
    waiting: Vec<u64>,
    fields: usize,
}

impl Reader<'_> {
    /// The type that is described there, which is read later.
    fn of(&mut self, at: u64) -> TypeId {
        if let Some(known) = self.made.get(&at) {
            return *known;
        }
        let id = self.session.types.reserve();
        self.made.insert(at, id);
        self.waiting.push(at);
        id
    }

    fn read_all(&mut self) {
        let mut count = 0;
        while let Some(at) = self.waiting.pop() {
            count += 1;
            let found = (count <= MAX_TYPES).then(|| self.head(at)).flatten();
            let (definition, go) = match found {
                Some(head) => self.read(&head),
                None => (unreadable(at), GoType::default()),
            };
            if let Some(id) = self.made.get(&at) {
                self.session.types.define(*id, definition, go);
            }
        }
    }

    fn bytes(&self, at: u64, length: usize) -> Option<Vec<u8>> {
        self.session.memory().noted(RunAddr(at), length, ReadAs::Structure);
        self.session.memory().read_vec(RunAddr(at), length).ok()
    }

    /// Its start, where one can be there.
    fn head(&self, at: u64) -> Option<Head> {
        let end = at.checked_add(HEAD)?;
        if !at.is_multiple_of(8) || at < self.range.start || end > self.range.end {
            return None;
        }
        let bytes = self.bytes(at, LONGEST.min(usize::try_from(self.range.end - at).ok()?))?;
        let head = Head {
            at,
            size: little_endian(bytes.get(..8)?),
            flags: *bytes.get(20)?,
            kind: bytes.get(23)? & 0x1f,
            name: i32::from_le_bytes(bytes.get(40..44)?.try_into().ok()?),
            bytes,
        };
        let align = *head.bytes.get(21)?;
        let is_sound = head.size <= MAX_SIZE
            && head.word(8) <= head.size
            && align.is_power_of_two()
            && head.size.is_multiple_of(u64::from(align))
            && (1..=26).contains(&head.kind)
            && size_of(head.kind).is_none_or(|size| size == head.size);
        (is_sound && !self.written(&head)?.is_empty()).then_some(head)
    }

    /// A name at an address.
    fn text(&self, at: u64) -> Option<String> {
        let mut length = 0u64;
        let mut read = 1u64;
        loop {
            let byte = self.session.memory().read_uint(RunAddr(at.checked_add(read)?), 1).ok()?;
            length |= (byte & 0x7f) << (7 * (read - 1));
            read += 1;
            if byte & 0x80 == 0 {
                break;
            }
            if read > 3 {
                return None;
            }
        }
        if length > MAX_NAME {
            return None;
        }
        self.session.memory().noted(RunAddr(at), read as usize, ReadAs::Structure);
        String::from_utf8(self.bytes(at.checked_add(read)?, length as usize)?).ok()
    }

    /// The same by its distance from the first description.
    fn text_from(&self, offset: i32) -> Option<String> {
        self.text(self.range.start.checked_add(u64::try_from(offset).ok()?)?)
    }

    /// Its name as it is written in it: packages by their last names.
    fn written(&self, head: &Head) -> Option<String> {
        let text = self.text_from(head.name)?;
        match text.strip_prefix('*') {
            Some(rest) if head.flags & EXTRA_STAR != 0 => Some(rest.to_owned()),
            _ => Some(text),
        }
    }

    /// Its name with packages as debug information has them: `net/http.Server` for `http.Server`.
    fn name(&self, head: &Head, nesting: usize) -> String {
        let written = self.written(head).unwrap_or_default();
        if nesting > MAX_NESTING {
            return written;
        }
        let part = |offset: usize| {
            let head = self.head(head.word(offset))?;
            Some(self.name(&head, nesting + 1))
        };
        if head.flags & NAMED == 0 {
            let named = match head.kind {
                17 => part(48).map(|element| format!("[{}]{element}", head.word(64))),
                18 if head.word(56) == 3 => part(48).map(|element| format!("chan {element}")),
                21 => part(48).zip(part(56)).map(|(key, element)| format!("map[{key}]{element}")),
                22 => part(48).map(|element| format!("*{element}")),
                23 => part(48).map(|element| format!("[]{element}")),
                _ => None,
            };
            return named.unwrap_or(written);
        }
        let package = head
            .uncommon(self.minor, self.has_tables)
            .and_then(|at| self.session.memory().read_uint(RunAddr(at), 4).ok());
        let package = package.filter(|offset| *offset != 0).and_then(|offset| self.text_from(offset as u32 as i32));
        let own = written.find('[').unwrap_or(written.len());
        let dot = written.get(..own).and_then(|own| own.find('.'));
        match (package.filter(|package| !package.is_empty()), dot.and_then(|dot| written.get(dot..))) {
            (Some(package), Some(rest)) => format!("{package}{rest}"),
            _ => written,
        }
    }

    fn name_at(&self, at: u64) -> String {
        self.head(at).map_or_else(|| "?".to_owned(), |head| self.name(&head, 0))
    }

    fn read(&mut self, head: &Head) -> (Type, GoType) {
        let name = self.name(head, 0);
        let mut go = GoType { kind: Some(GoKind::of_number(head.kind.into())), ..GoType::default() };
        let Common { int, bytes, .. } = self.common;
        let kind = match head.kind {
            1 => TypeKind::Bool,
            2..=6 => TypeKind::Int { signed: true },
            7..=12 => TypeKind::Int { signed: false },
            13 | 14 => TypeKind::Float,
            15 | 16 => TypeKind::Complex,
            17 => {
                let element = self.of(head.word(48));
                go.element = Some(element);
                TypeKind::Array { element, count: Count::Fixed(head.word(64)), vector: false, stride: None }
            }
            18 => {
                let element = self.of(head.word(48));
                go.element = Some(element);
                TypeKind::Typedef { target: self.channel(head.word(48)) }
            }
            19 => TypeKind::Function { result: None, parameters: Vec::new(), variadic: false, method: None },
            20 => {
                let is_empty = head.word(64) == 0;
                TypeKind::Typedef { target: if is_empty { self.common.empty_interface } else { self.common.interface } }
            }
            21 => {
                (go.key, go.element) = (Some(self.of(head.word(48))), Some(self.of(head.word(56))));
                TypeKind::Typedef { target: self.map(head) }
            }
            22 => TypeKind::Pointer { target: self.of(head.word(48)) },
            23 => {
                let element = self.of(head.word(48));
                go.element = Some(element);
                let array = self.pointer_to(element);
                let members = vec![member("array", array, 0), member("len", int, 8), member("cap", int, 16)];
                return (structure(name, 24, members), go);
            }
            24 => return (structure(name, 16, vec![member("str", bytes, 0), member("len", int, 8)]), go),
            25 => {
                let members = self.members(head);
                return (structure(name, head.size, members), go);
            }
            _ => TypeKind::Pointer { target: self.common.void },
        };
        (Type { name: Some(name), size: Some(head.size), language: Language::Go, kind }, go)
    }

    fn pointer_to(&self, target: TypeId) -> TypeId {
        self.session.types.make(Type {
            name: None,
            size: Some(8),
            language: Language::Go,
            kind: TypeKind::Pointer { target },
        })
    }

    fn members(&mut self, head: &Head) -> Vec<Member> {
        let (at, count) = (head.word(56), head.word(64));
        self.fields = self.fields.saturating_add(usize::try_from(count).unwrap_or(usize::MAX));
        if count > MAX_FIELDS || self.fields > MAX_ALL_FIELDS {
            return Vec::new();
        }
        let Some(bytes) = self.bytes(at, count as usize * 24) else { return Vec::new() };
        let is_bucket = is_bucket(&self.written(head).unwrap_or_default());
        let fields = bytes.chunks_exact(24).map(|field| {
            let word = |offset: usize| field.get(offset..).map_or(0, little_endian);
            let (name, described, offset) = (self.text(word(0)).unwrap_or_default(), word(8), word(16));
            let mut type_id = self.of(described);
            // The compiler hides from the collector what these point to.
            if is_bucket && name == "overflow" {
                type_id = self.of(head.at);
                type_id = self.pointer_to(type_id);
            }
            member(name, type_id, offset)
        });
        fields.collect()
    }

    /// A pointer to a channel's header (go `src/runtime/chan.go`, hchan).
    fn channel(&self, element: u64) -> TypeId {
        let size = match self.minor {
            ..=22 => 96,
            23 | 24 => 104,
            _ => 112,
        };
        let Common { int, pointer, .. } = self.common;
        let members = vec![member("qcount", int, 0), member("dataqsiz", int, 8), member("buf", pointer, 16)];
        let header = structure(format!("hchan<{}>", self.name_at(element)), size, members);
        self.pointer_to(self.session.types.make(header))
    }

    /// A pointer to a map's header, with what it leads to.
    fn map(&mut self, head: &Head) -> TypeId {
        let Common { int, map_extra, .. } = self.common;
        let (key, element) = (self.name_at(head.word(48)), self.name_at(head.word(56)));
        let part = self.of(head.word(64));
        let part = self.pointer_to(part);
        let types = &self.session.types;
        let named = |what: &str| format!("{what}<{key},{element}>");
        if !self.has_tables {
            // go `src/runtime/map.go`, hmap
            let members = vec![
                member("count", int, 0),
                member("buckets", part, 16),
                member("oldbuckets", part, 24),
                member("extra", map_extra, 40),
            ];
            return self.pointer_to(types.make(structure(named("hash"), 48, members)));
        }
        // go `src/internal/runtime/maps/map.go`, Map, and `table.go`, table; `group.go`, groupsReference
        let groups =
            structure(named("groupReference"), 16, vec![member("data", part, 0), member("lengthMask", int, 8)]);
        let table = structure(named("table"), 32, vec![member("groups", types.make(groups), 16)]);
        let tables = self.pointer_to(self.pointer_to(types.make(table)));
        let members = vec![member("used", int, 0), member("dirPtr", tables, 16), member("dirLen", int, 24)];
        self.pointer_to(types.make(structure(named("map"), 48, members)))
    }
}

/// Up to Go 1.23 a map's buckets are named so.
fn is_bucket(name: &str) -> bool {
    name.starts_with("map.bucket[") || name.starts_with("noalg.map.bucket[")
}

/// Bytes of a kind whose values are all of one size.
fn size_of(kind: u8) -> Option<u64> {
    Some(match kind {
        1 | 3 | 8 => 1,
        4 | 9 => 2,
        5 | 10 | 13 => 4,
        2 | 6 | 7 | 11 | 12 | 14 | 15 | 18 | 19 | 21 | 22 | 26 => 8,
        16 | 20 | 24 => 16,
        23 => 24,
        _ => return None,
    })
}

fn unreadable(at: u64) -> Type {
    let why = format!("what the runtime describes at {at:#x} cannot be a type");
    Type { name: None, size: None, language: Language::Go, kind: TypeKind::Unreadable(why) }
}
