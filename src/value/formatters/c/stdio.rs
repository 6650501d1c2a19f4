//! `FILE`: what it is open on, and what was in its buffer: text that was printed and never arrived.
//!
//! ```text
//! glibc  _fileno, _flags (_IO_MAGIC), _IO_read_ptr .. _IO_read_end, _IO_write_base .. _IO_write_ptr
//!        (libio/bits/types/struct_FILE.h and libio/libio.h, 2.1 to 2.41)
//! musl   fd, flags, rpos .. rend, wbase .. wpos  (src/internal/stdio_impl.h, 1.0 to 1.2)
//! ```

use super::super::{Object, Refusal, View};

/// The upper half of `_flags` of every FILE of glibc.
const MAGIC: u64 = 0xfbad;
/// Buffers hold no more than this.
const MAX_BUFFER: u64 = 1 << 30;

/// Members and flags of one library.
struct Layout {
    descriptor: &'static str,
    flags: &'static str,
    unread: [&'static str; 2],
    unwritten: [&'static str; 2],
    names: &'static [(u64, &'static str)],
}

const GLIBC: Layout = Layout {
    descriptor: "_fileno",
    flags: "_flags",
    unread: ["_IO_read_ptr", "_IO_read_end"],
    unwritten: ["_IO_write_base", "_IO_write_ptr"],
    names: &[
        (0x8, "read only"),
        (0x4, "write only"),
        (0x1000, "append"),
        (0x2, "unbuffered"),
        (0x200, "line buffered"),
        (0x10, "end of file"),
        (0x20, "error"),
    ],
};

const MUSL: Layout = Layout {
    descriptor: "fd",
    flags: "flags",
    unread: ["rpos", "rend"],
    unwritten: ["wbase", "wpos"],
    names: &[(0x8, "read only"), (0x4, "write only"), (0x80, "append"), (0x10, "end of file"), (0x20, "error")],
};

/// `FILE [fd 3, write only, 5 bytes unwritten] = {unwritten = "hello"}`
pub(super) fn file<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let layout = if object.has("_fileno") { GLIBC } else { MUSL };
    let flags = object.field(layout.flags)?.uint()?;
    if object.has("_fileno") && flags >> 16 & 0xffff != MAGIC {
        return Err(Refusal::Declined);
    }
    let mut said = vec![match object.field(layout.descriptor)?.int()? {
        descriptor @ 0.. => format!("fd {descriptor}"),
        // Streams over memory and closed ones.
        _ => "no fd".to_owned(),
    }];
    said.extend(layout.names.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| (*name).to_owned()));
    // Of wide characters the buffers are elsewhere.
    if object.field("_mode").and_then(|mode| mode.int()).is_ok_and(|mode| mode > 0) {
        said.push("wide".to_owned());
        return Ok(super::line(format!("FILE [{}]", said.join(", "))));
    }
    let mut parts = Vec::new();
    for (name, [from, to]) in [("unread", layout.unread), ("unwritten", layout.unwritten)] {
        let start = object.field(from)?;
        let (first, last) = (start.pointer()?, object.field(to)?.pointer()?);
        let Some(length) = last.checked_sub(first).filter(|length| *length < MAX_BUFFER) else {
            return Err(Refusal::Declined);
        };
        if first != 0 && length > 0 {
            said.push(format!("{length} byte{} {name}", if length == 1 { "" } else { "s" }));
            parts.push((name.into(), start.text(first, length)));
        }
    }
    Ok(View::Parts { title: format!("FILE [{}]", said.join(", ")), parts })
}
