//! Where members of the runtime's structures lie where the program has no debug information, by Go's version: read off the
//! debug information of programs of those versions (linux/amd64 and linux/arm64, which agree).

use super::layout::{Field, Header, Layout, Machine, Panic, Sudog};
use crate::types::TypeId;

/// Offsets in bytes; 0 for what the version does not have.
struct Version {
    /// `go1.N`
    minor: u32,
    /// `g`: size, sched.lr, sched.bp, syscallsp, syscallpc, syscallbp
    stack: [u16; 6],
    /// `g`: atomicstatus, goid, waitsince, waitreason, lockedm, parentGoid, gopc, startpc, waiting, labels
    goroutine: [u16; 10],
    /// `m`: procid, curg, alllink
    machine: [u16; 3],
    /// `_panic`: arg, link, recovered, repanicked, goexit, size
    panic: [u16; 6],
    /// `sudog`: waitlink, c, size
    sudog: [u16; 3],
    /// `hchan`: sendq.first
    sender: u16,
}

/// go `src/runtime/runtime2.go` of 1.19.8, 1.21.13, 1.22.10, 1.23.1, 1.24.11, 1.25.5, 1.26.0 and 1.27.3.
const VERSIONS: &[Version] = &[
    Version {
        minor: 19,
        stack: [392, 96, 104, 112, 120, 0],
        goroutine: [144, 152, 168, 176, 232, 0, 296, 312, 328, 360],
        machine: [72, 192, 336],
        panic: [8, 24, 48, 0, 50, 56],
        sudog: [64, 80, 88],
        sender: 72,
    },
    Version {
        minor: 21,
        stack: [408, 96, 104, 112, 120, 0],
        goroutine: [144, 152, 168, 176, 208, 272, 280, 296, 312, 344],
        machine: [72, 192, 336],
        panic: [8, 24, 48, 0, 50, 56],
        sudog: [64, 80, 88],
        sender: 72,
    },
    Version {
        minor: 22,
        stack: [424, 96, 104, 112, 120, 0],
        goroutine: [144, 152, 168, 176, 208, 272, 280, 296, 312, 344],
        machine: [72, 192, 328],
        panic: [8, 24, 96, 0, 97, 104],
        sudog: [64, 80, 88],
        sender: 72,
    },
    Version {
        minor: 23,
        stack: [432, 96, 104, 112, 120, 128],
        goroutine: [152, 160, 176, 184, 216, 280, 288, 304, 320, 352],
        machine: [72, 192, 328],
        panic: [8, 24, 96, 0, 97, 104],
        sudog: [64, 80, 88],
        sender: 80,
    },
    Version {
        minor: 24,
        stack: [440, 96, 104, 112, 120, 128],
        goroutine: [152, 160, 176, 184, 216, 280, 288, 304, 320, 352],
        machine: [72, 192, 352],
        panic: [8, 24, 96, 0, 97, 104],
        sudog: [64, 80, 88],
        sender: 80,
    },
    Version {
        minor: 25,
        stack: [440, 88, 96, 104, 112, 120],
        goroutine: [144, 152, 168, 176, 208, 272, 280, 296, 312, 344],
        machine: [64, 184, 344],
        panic: [8, 24, 96, 97, 98, 104],
        sudog: [64, 80, 88],
        sender: 80,
    },
    Version {
        minor: 26,
        stack: [456, 88, 96, 104, 112, 120],
        goroutine: [144, 152, 168, 176, 208, 280, 288, 304, 320, 352],
        machine: [64, 184, 352],
        panic: [0, 16, 88, 89, 90, 104],
        sudog: [72, 88, 104],
        sender: 80,
    },
    Version {
        minor: 27,
        stack: [456, 88, 96, 104, 112, 120],
        goroutine: [144, 152, 168, 176, 208, 280, 288, 304, 320, 352],
        machine: [64, 184, 352],
        panic: [0, 16, 88, 89, 90, 96],
        sudog: [72, 88, 104],
        sender: 80,
    },
];

fn word(offset: u16) -> Field {
    Field { offset: usize::from(offset), size: 8 }
}

fn byte(offset: u16) -> Field {
    Field { offset: usize::from(offset), size: 1 }
}

fn optional(offset: u16) -> Option<Field> {
    (offset != 0).then(|| word(offset))
}

/// The layouts of a version, and where a channel has its first sender; `None` where the version is not known. `value` is
/// the type of what a panic is about.
pub fn of_version(minor: u32, value: TypeId) -> Option<(Layout, Field)> {
    let version = VERSIONS.iter().find(|version| version.minor == minor)?;
    let [size, link, fp, syscall_sp, syscall_pc, syscall_fp] = version.stack;
    let [status, id, since, reason, locked, parent, created, start, waiting, labels] = version.goroutine;
    let [procid, current, next] = version.machine;
    let [argument, earlier, recovered, repanicked, exits, panic_size] = version.panic;
    let [waitlink, channel, sudog_size] = version.sudog;
    let sudog = Sudog {
        goroutine: word(0),
        next: word(8),
        previous: word(16),
        // Since Go 1.26 the second of two words.
        element: word(if version.minor >= 26 { 32 } else { 24 }),
        link: word(waitlink),
        channel: word(if version.minor >= 26 { channel + 8 } else { channel }),
        size: usize::from(sudog_size),
    };
    let panic = Panic {
        value: (usize::from(argument), value),
        earlier: word(earlier),
        recovered: byte(recovered),
        repanicked: (repanicked != 0).then(|| byte(repanicked)),
        exits: byte(exits),
        size: usize::from(panic_size),
    };
    let layout = Layout {
        slice: Header { data: word(0), length: word(8), capacity: word(16) },
        slice_size: 24,
        size: usize::from(size),
        id: word(id),
        status: Field { offset: usize::from(status), size: 4 },
        wait_reason: byte(reason),
        waiting_since: Some(word(since)),
        waiting: Some((word(waiting), sudog)),
        labels: Some(word(labels)),
        created_at: word(created),
        start: word(start),
        parent: optional(parent),
        locked: Some(word(locked)),
        thread: word(48),
        panic: Some((word(32), panic)),
        stack_low: word(0),
        stack_high: word(8),
        saved_pc: word(64),
        saved_sp: word(56),
        saved_fp: Some(word(fp)),
        saved_link: Some(word(link)),
        syscall_pc: word(syscall_pc),
        syscall_sp: word(syscall_sp),
        syscall_fp: optional(syscall_fp),
        machine: Machine { lwp: word(procid), current: word(current), own: Some(word(0)), next: Some(word(next)) },
    };
    Some((layout, word(version.sender)))
}

/// Versions that are known, for who has another.
pub fn known() -> String {
    let minors: Vec<String> = VERSIONS.iter().map(|version| format!("1.{}", version.minor)).collect();
    minors.join(", ")
}
