//! Go's own descriptions of types, which every program has, with debug information or without (go `src/internal/abi/type.go`,
//! Type and Name; `src/runtime/type.go` up to Go 1.20; 64 bits, the same from Go 1.18 to 1.27).
//!
//! ```text
//! Size 0, PtrBytes 8, Hash 16, TFlag 20, Align 21, FieldAlign 22, Kind 23, Equal 24, GCData 32, Str 40
//! ```

use crate::addr::RunAddr;
use crate::memory::ReadAs;
use crate::session::Session;
use crate::value::decode::GoSymbols;

/// Bytes that are read of a description.
const HEAD: usize = 44;
/// Bytes of a name.
const MAX_NAME: u64 = 1024;
/// Names are written with a `*` in front, which is not the type's.
const EXTRA_STAR: u8 = 1 << 1;

/// What a value is (`Kind`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Bool,
    Signed(usize),
    Unsigned(usize),
    Float(usize),
    Complex(usize),
    String,
    Other,
}

/// A type as the runtime describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Described {
    pub name: String,
    pub kind: Kind,
}

fn kind_of(number: u8) -> Kind {
    match number {
        1 => Kind::Bool,
        2 | 6 => Kind::Signed(8),
        3 => Kind::Signed(1),
        4 => Kind::Signed(2),
        5 => Kind::Signed(4),
        7 | 11 | 12 => Kind::Unsigned(8),
        8 => Kind::Unsigned(1),
        9 => Kind::Unsigned(2),
        10 => Kind::Unsigned(4),
        13 => Kind::Float(4),
        14 => Kind::Float(8),
        15 => Kind::Complex(8),
        16 => Kind::Complex(16),
        24 => Kind::String,
        _ => Kind::Other,
    }
}

/// The type that is described at an address.
pub(super) fn described(session: &Session, address: RunAddr) -> Option<Described> {
    if session.image.arch.address_size() != 8 {
        return None;
    }
    let memory = session.memory();
    memory.noted(address, HEAD, ReadAs::Structure);
    let head = memory.read_vec(address, HEAD).ok()?;
    let flags = *head.get(20)?;
    let kind = kind_of(head.get(23)? & 0x1f);
    let offset = i32::from_le_bytes(head.get(40..44)?.try_into().ok()?);
    let (types, _) = session.data("runtime.types")?;
    let name = name(session, types.checked_add(u64::try_from(offset).ok()?)?)?;
    let name = match name.strip_prefix('*') {
        Some(rest) if flags & EXTRA_STAR != 0 => rest.to_owned(),
        _ => name,
    };
    Some(Described { name, kind })
}

/// A name: a byte of flags, the length as a variable-length number, the text.
fn name(session: &Session, at: RunAddr) -> Option<String> {
    let memory = session.memory();
    let mut length = 0u64;
    let mut read = 1;
    loop {
        let byte = memory.read_uint(at.checked_add(read)?, 1).ok()?;
        length |= (byte & 0x7f) << (7 * (read - 1));
        read += 1;
        if byte & 0x80 == 0 {
            break;
        }
        if read > 3 {
            return None;
        }
    }
    if length == 0 || length > MAX_NAME {
        return None;
    }
    let bytes = memory.read_vec(at.checked_add(read)?, length as usize).ok()?;
    memory.noted(at, read as usize + length as usize, ReadAs::Structure);
    String::from_utf8(bytes).ok()
}
