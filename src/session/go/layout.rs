//! Where the runtime's structures have their members, as the program's debug information says.

use crate::types::{Count, MemberOffset, TypeId, TypeKind, TypeTable};

/// A `g` is a few hundred bytes.
const MAX_SIZE: u64 = 1 << 14;
/// A member's size in bytes that is read as a number.
const WIDEST: u64 = 8;

/// An integer or pointer member.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Bytes from the structure's start.
    pub offset: usize,
    /// Bytes.
    pub size: usize,
}

impl Field {
    /// Its value in the structure's bytes; 0 where they do not reach so far.
    pub fn read(self, bytes: &[u8]) -> u64 {
        let end = self.offset.saturating_add(self.size);
        bytes.get(self.offset..end).map_or(0, little_endian)
    }
}

/// A number of at most 8 bytes.
pub fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// A slice's or a string's header.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// Where the elements are.
    pub data: Field,
    /// How many.
    pub length: Field,
    /// A string has none: its length.
    pub capacity: Field,
}

/// `runtime.m`
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// `procid`: on Linux the thread's id.
    pub lwp: Field,
    /// `curg`
    pub current: Field,
    /// `g0`
    pub own: Option<Field>,
    /// `alllink`
    pub next: Option<Field>,
}

/// `runtime._panic`
#[derive(Clone, Copy, Debug)]
pub struct Panic {
    /// `arg`: where the value is, and its type, an empty interface.
    pub value: (usize, TypeId),
    /// `link`
    pub earlier: Field,
    /// `recovered`
    pub recovered: Field,
    /// Since Go 1.25: it was raised again with the same value.
    pub repanicked: Option<Field>,
    /// `goexit`: no panic, but `runtime.Goexit`.
    pub exits: Field,
    /// Its size in bytes.
    pub size: usize,
}

/// `runtime.sudog`: a goroutine in a queue.
#[derive(Clone, Copy, Debug)]
pub struct Sudog {
    /// `g`
    pub goroutine: Field,
    /// `next`, in the tree of semaphores the one on the right.
    pub next: Field,
    /// `prev`, in the tree of semaphores the one on the left.
    pub previous: Field,
    /// `elem`: of semaphores the word.
    pub element: Field,
    /// `waitlink`: the next that the goroutine waits in, of semaphores the next goroutine that waits for the word.
    pub link: Field,
    /// `c`
    pub channel: Field,
    /// Its size in bytes.
    pub size: usize,
}

/// `runtime.g`
#[derive(Clone, Debug)]
pub struct Layout {
    /// Of `runtime.allgs`.
    pub slice: Header,
    /// Bytes of a slice's header.
    pub slice_size: usize,
    /// Of a `g`.
    pub size: usize,
    /// `goid`
    pub id: Field,
    /// `atomicstatus`
    pub status: Field,
    /// `waitreason`
    pub wait_reason: Field,
    /// `waitsince`: nanoseconds of the runtime's clock, written by the garbage collector.
    pub waiting_since: Option<Field>,
    /// `waiting`: the first `sudog`.
    pub waiting: Option<(Field, Sudog)>,
    /// `labels`
    pub labels: Option<Field>,
    /// `gopc`
    pub created_at: Field,
    /// `startpc`
    pub start: Field,
    /// Since Go 1.21.
    pub parent: Option<Field>,
    /// `lockedm`
    pub locked: Option<Field>,
    /// `m`
    pub thread: Field,
    /// `_panic`: the innermost.
    pub panic: Option<(Field, Panic)>,
    /// `stack.lo`
    pub stack_low: Field,
    /// `stack.hi`
    pub stack_high: Field,
    /// `sched.pc`
    pub saved_pc: Field,
    /// `sched.sp`
    pub saved_sp: Field,
    /// `sched.bp`
    pub saved_fp: Option<Field>,
    /// `sched.lr`
    pub saved_link: Option<Field>,
    /// `syscallpc`
    pub syscall_pc: Field,
    /// `syscallsp`
    pub syscall_sp: Field,
    /// Since Go 1.23.
    pub syscall_fp: Option<Field>,
    /// Of the threads that they run on.
    pub machine: Machine,
}

impl Layout {
    /// From the type of `runtime.allgs`; what is missing, where something is.
    pub fn of_list(types: &TypeTable, list: TypeId) -> Result<Layout, String> {
        let missing = |path: &str| format!("{path} of {}", types.name(list));
        let (pointers, _) = member(types, list, "array").ok_or_else(|| missing("the array"))?;
        let goroutine = target(types, pointers).and_then(|pointer| target(types, pointer));
        let goroutine = goroutine.ok_or_else(|| missing("what it points to"))?;
        let slice = header(types, list, "array").ok_or_else(|| missing("the header"))?;
        let slice_size = types.size(list).filter(|size| *size <= MAX_SIZE).ok_or_else(|| missing("the size"))?;
        let field = |path: &str| field(types, goroutine, path);
        let needed = |path: &str| field(path).ok_or_else(|| format!("{path} of {}", types.name(goroutine)));
        let size = types.size(goroutine).filter(|size| (1..=MAX_SIZE).contains(size));
        let size = size.ok_or_else(|| format!("the size of {}", types.name(goroutine)))?;
        let machine_type = member(types, goroutine, "m").and_then(|(pointer, _)| target(types, pointer));
        let machine_type = machine_type.ok_or_else(|| format!("m of {}", types.name(goroutine)))?;
        let of_machine = |path: &str| {
            self::field(types, machine_type, path).ok_or_else(|| format!("{path} of {}", types.name(machine_type)))
        };
        Ok(Layout {
            slice,
            slice_size: slice_size as usize,
            size: size as usize,
            id: needed("goid")?,
            // A plain integer up to Go 1.19, an atomic.Uint32 since.
            status: field("atomicstatus.value").map_or_else(|| needed("atomicstatus"), Ok)?,
            wait_reason: needed("waitreason")?,
            waiting_since: field("waitsince"),
            waiting: field("waiting")
                .zip(member(types, goroutine, "waiting").and_then(|(pointer, _)| sudog(types, pointer))),
            labels: field("labels"),
            created_at: needed("gopc")?,
            start: needed("startpc")?,
            parent: field("parentGoid"),
            locked: field("lockedm"),
            thread: needed("m")?,
            panic: field("_panic")
                .zip(member(types, goroutine, "_panic").and_then(|(pointer, _)| panic(types, pointer))),
            stack_low: needed("stack.lo")?,
            stack_high: needed("stack.hi")?,
            saved_pc: needed("sched.pc")?,
            saved_sp: needed("sched.sp")?,
            saved_fp: field("sched.bp"),
            saved_link: field("sched.lr"),
            syscall_pc: needed("syscallpc")?,
            syscall_sp: needed("syscallsp")?,
            syscall_fp: field("syscallbp"),
            machine: Machine {
                lwp: of_machine("procid")?,
                current: of_machine("curg")?,
                own: self::field(types, machine_type, "g0"),
                next: self::field(types, machine_type, "alllink"),
            },
        })
    }
}

fn panic(types: &TypeTable, pointer: TypeId) -> Option<Panic> {
    let structure = target(types, pointer)?;
    let field = |path: &str| field(types, structure, path);
    let (value, at) = member(types, structure, "arg")?;
    Some(Panic {
        value: (usize::try_from(at).ok().filter(|_| at <= MAX_SIZE)?, value),
        earlier: field("link")?,
        recovered: field("recovered")?,
        repanicked: field("repanicked"),
        exits: field("goexit")?,
        size: types.size(structure).filter(|size| (1..=MAX_SIZE).contains(size))? as usize,
    })
}

fn sudog(types: &TypeTable, pointer: TypeId) -> Option<Sudog> {
    let structure = target(types, pointer)?;
    let field = |path: &str| field(types, structure, path);
    Some(Sudog {
        goroutine: field("g")?,
        next: field("next")?,
        previous: field("prev")?,
        // Since Go 1.26 what may be hidden from the garbage collector.
        element: field("elem").or_else(|| field("elem.vu")).or_else(|| field("elem.maybeTraceablePtr.vu"))?,
        link: field("waitlink")?,
        channel: field("c").or_else(|| field("c.maybeTraceablePtr.vu"))?,
        size: types.size(structure).filter(|size| (1..=MAX_SIZE).contains(size))? as usize,
    })
}

/// From the type of `runtime.semtable`: bytes from one root to the next, how many, and where each has its tree.
pub fn of_semaphores(types: &TypeTable, table: TypeId) -> Option<(u64, u64, Field)> {
    let TypeKind::Array { element, count: Count::Fixed(count), stride, .. } = &types.stripped(table).1.kind else {
        return None;
    };
    let stride = stride.or_else(|| types.size(*element)).filter(|stride| (1..=MAX_SIZE).contains(stride))?;
    Some((stride, *count, field(types, *element, "root.treap")?))
}

/// From the type of a channel's header: where the first of those is that wait to send.
pub fn first_sender(types: &TypeTable, header: TypeId) -> Option<Field> {
    field(types, header, "sendq.first")
}

/// From the type of an array of strings: a string's header, the distance between two, how many.
pub fn of_texts(types: &TypeTable, array: TypeId) -> Option<(Header, u64, u64)> {
    let TypeKind::Array { element, count: Count::Fixed(count), stride, .. } = &types.stripped(array).1.kind else {
        return None;
    };
    let size = types.size(*element)?;
    let stride = stride.unwrap_or(size);
    (size <= stride && stride <= MAX_SIZE).then_some((header(types, *element, "str")?, stride, *count))
}

/// Of a slice, whose data are at the member `data`, or of a string.
pub fn header(types: &TypeTable, structure: TypeId, data: &str) -> Option<Header> {
    let length = field(types, structure, "len")?;
    let capacity = field(types, structure, "cap").unwrap_or(length);
    Some(Header { data: field(types, structure, data)?, length, capacity })
}

/// `a.b`: a number, a pointer, or a structure that wraps nothing but one at its start.
pub fn field(types: &TypeTable, structure: TypeId, path: &str) -> Option<Field> {
    let mut type_id = structure;
    let mut offset = 0u64;
    for name in path.split('.') {
        let (inner, at) = member(types, type_id, name)?;
        offset = offset.checked_add(at)?;
        type_id = inner;
    }
    let size = types.size(type_id).filter(|size| (1..=WIDEST).contains(size))?;
    Some(Field { offset: usize::try_from(offset).ok().filter(|_| offset <= MAX_SIZE)?, size: size as usize })
}

/// A member by its name: its type and where it begins.
pub fn member(types: &TypeTable, structure: TypeId, name: &str) -> Option<(TypeId, u64)> {
    let TypeKind::Struct(content) = &types.stripped(structure).1.kind else { return None };
    let found = content.members.iter().find(|member| member.name.as_deref() == Some(name) && member.bits.is_none())?;
    match found.offset {
        MemberOffset::Bytes(offset) => Some((found.type_id, offset)),
        MemberOffset::Expression(_) => None,
    }
}

/// What a pointer type points to.
pub fn target(types: &TypeTable, pointer: TypeId) -> Option<TypeId> {
    match types.stripped(pointer).1.kind {
        TypeKind::Pointer { target } => Some(target),
        _ => None,
    }
}
