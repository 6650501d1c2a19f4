//! Which frames are the program's own, and what a frame called.

use crate::addr::RunAddr;
use crate::arch::Arch;
use crate::session::{Frame, Session, Trace};

/// Beginnings of the names of libraries that only carry out what the program asked for.
const LIBRARIES: &[&str] = &[
    "libc.so",
    "libc-2",
    "libpthread",
    "libstdc++",
    "libc++",
    "libgcc_s",
    "libm.so",
    "libm-2",
    "ld-linux",
    "ld-musl",
    "ld-2",
    "libdl",
    "librt",
    "libc.musl",
    "[vdso]",
];
/// Parts of the paths of source files that belong to languages' libraries.
const SOURCES: &[&str] = &[
    "/usr/include/",
    "/include/c++/",
    "/rustc/",
    "/library/std/src/",
    "/library/core/src/",
    "/library/alloc/src/",
    "/rustlib/src/rust/",
    "/lib/go/src/runtime/",
    "/usr/lib/gcc/",
    "/registry/src/",
    "/nptl/",
    "/sysdeps/",
];

/// Beginnings of the names of functions of C libraries that are linked into a program, without their underscores.
const STATIC: &[&str] =
    &["pthread_", "lll_lock_wait", "futex_", "futex4_cp", "sem_", "new_sem_", "syscall", "timedwait"];

/// Whether the frame is of a language's or the C library, or of nothing that has a name.
pub fn is_library(session: &Session, frame: &Frame) -> bool {
    if let Some(file) = frame.code.file.as_deref() {
        return file.starts_with("library/std/") || SOURCES.iter().any(|part| file.contains(part));
    }
    // What is linked into the program beside musl and has no line of its own is musl's.
    if session.is_musl(frame.pc) && frame.module.is_some_and(|id| session.program.debug_info(id).is_some()) {
        return true;
    }
    let function = frame.code.function.as_deref().map(|name| name.trim_start_matches('_')).unwrap_or_default();
    if STATIC
        .iter()
        .any(|name| function.strip_prefix("GI_").unwrap_or(function).trim_start_matches('_').starts_with(name))
    {
        return true;
    }
    let label = frame.module.and_then(|id| session.module_label(id));
    let Some(label) = label else { return true };
    let name = label.path.rsplit('/').next().unwrap_or(label.path);
    LIBRARIES.iter().any(|library| name.starts_with(library))
}

/// The first frame from `from` outwards that is the program's own.
pub fn own(session: &Session, trace: &Trace, from: usize) -> Option<usize> {
    let frames = trace.frames.iter().enumerate().skip(from);
    frames.filter(|(_, frame)| !frame.signal).find(|(_, frame)| !is_library(session, frame)).map(|(index, _)| index)
}

/// What the frame's function is called; where it has no name, what its caller calls it.
pub fn function_name(session: &Session, trace: &Trace, position: usize) -> Option<String> {
    let frame = trace.frames.get(position)?;
    if let Some(name) = &frame.code.function {
        return Some(name.to_string());
    }
    let caller = trace.frames.get(position + 1)?;
    if frame.signal || caller.signal || caller.tail_call.is_some() {
        return None;
    }
    called(session, caller.pc)
}

/// The name of the function that was called by the instruction before `resume`: `call f`, also through a stub of the
/// linkage table, or `call *slot(%rip)`.
fn called(session: &Session, resume: RunAddr) -> Option<String> {
    if session.image.arch != Arch::X86_64 {
        return None;
    }
    let mut bytes = [0; 6];
    session.memory().read(RunAddr(resume.0.checked_sub(6)?), &mut bytes).ok()?;
    let [first, second, rest @ ..] = bytes;
    let distance = i64::from(i32::from_le_bytes(rest));
    let to = RunAddr(resume.0.wrapping_add_signed(distance));
    let target = match (first, second) {
        (0xff, 0x15) => RunAddr(session.memory().read_uint(to, 8).ok()?),
        (_, 0xe8) => to,
        _ => return None,
    };
    let code = session.code(target);
    let name = code.first()?.function.as_deref()?;
    Some(name.strip_suffix("@plt").unwrap_or(name).to_owned())
}
