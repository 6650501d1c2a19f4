//! The system call that a thread stands in, from its registers.

use crate::addr::RunAddr;
use crate::arch::{Arch, Registers};
use crate::image::ThreadState;
use crate::session::Session;

/// What a system call waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallKind {
    /// Something to come in: from files, sockets, pipes.
    Input,
    /// Something to go out.
    Output,
    /// Time.
    Sleep,
    /// A signal.
    Signal,
    /// Another process.
    Child,
    /// A lock on a file, or a semaphore between processes.
    Shared,
}

impl CallKind {
    /// The word for it in JSON.
    pub fn code(self) -> &'static str {
        match self {
            CallKind::Input => "input",
            CallKind::Output => "output",
            CallKind::Sleep => "sleep",
            CallKind::Signal => "signal",
            CallKind::Child => "child",
            CallKind::Shared => "shared",
        }
    }

    /// What it waits for, in words.
    pub fn text(self) -> &'static str {
        match self {
            CallKind::Input => "input",
            CallKind::Output => "output",
            CallKind::Sleep => "its time",
            CallKind::Signal => "a signal",
            CallKind::Child => "a child process",
            CallKind::Shared => "another process",
        }
    }
}

/// A system call that waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SystemCall {
    /// `read`
    pub name: &'static str,
    /// What for.
    pub kind: CallKind,
    /// The descriptor that is its first argument.
    pub descriptor: Option<i32>,
}

impl SystemCall {
    /// `read(3)`
    pub fn text(&self) -> String {
        match self.descriptor {
            Some(descriptor) => format!("{}({descriptor})", self.name),
            None => self.name.to_owned(),
        }
    }
}

/// Numbers of x86-64 (Linux 6.10, arch/x86/entry/syscalls/syscall_64.tbl), names, what for, and whether the first
/// argument is a descriptor.
const CALLS: &[(u64, &str, CallKind, bool)] = &[
    (0, "read", CallKind::Input, true),
    (17, "pread64", CallKind::Input, true),
    (19, "readv", CallKind::Input, true),
    (295, "preadv", CallKind::Input, true),
    (327, "preadv2", CallKind::Input, true),
    (45, "recvfrom", CallKind::Input, true),
    (47, "recvmsg", CallKind::Input, true),
    (299, "recvmmsg", CallKind::Input, true),
    (43, "accept", CallKind::Input, true),
    (288, "accept4", CallKind::Input, true),
    (42, "connect", CallKind::Input, true),
    (7, "poll", CallKind::Input, false),
    (271, "ppoll", CallKind::Input, false),
    (23, "select", CallKind::Input, false),
    (270, "pselect6", CallKind::Input, false),
    (232, "epoll_wait", CallKind::Input, true),
    (281, "epoll_pwait", CallKind::Input, true),
    (441, "epoll_pwait2", CallKind::Input, true),
    (208, "io_getevents", CallKind::Input, false),
    (426, "io_uring_enter", CallKind::Input, true),
    (70, "msgrcv", CallKind::Input, false),
    (243, "mq_timedreceive", CallKind::Input, true),
    (1, "write", CallKind::Output, true),
    (18, "pwrite64", CallKind::Output, true),
    (20, "writev", CallKind::Output, true),
    (296, "pwritev", CallKind::Output, true),
    (44, "sendto", CallKind::Output, true),
    (46, "sendmsg", CallKind::Output, true),
    (307, "sendmmsg", CallKind::Output, true),
    (40, "sendfile", CallKind::Output, true),
    (275, "splice", CallKind::Output, true),
    (74, "fsync", CallKind::Output, true),
    (75, "fdatasync", CallKind::Output, true),
    (35, "nanosleep", CallKind::Sleep, false),
    (230, "clock_nanosleep", CallKind::Sleep, false),
    (34, "pause", CallKind::Signal, false),
    (128, "rt_sigtimedwait", CallKind::Signal, false),
    (130, "rt_sigsuspend", CallKind::Signal, false),
    (61, "wait4", CallKind::Child, false),
    (247, "waitid", CallKind::Child, false),
    (73, "flock", CallKind::Shared, true),
    (72, "fcntl", CallKind::Shared, true),
    (65, "semop", CallKind::Shared, false),
    (220, "semtimedop", CallKind::Shared, false),
];

/// aarch64's numbers (Linux 6.10, include/uapi/asm-generic/unistd.h), and x86-64's of the same call.
const AARCH64: &[(u64, u64)] = &[
    (4, 208),
    (22, 281),
    (25, 72),
    (32, 73),
    (63, 0),
    (64, 1),
    (65, 19),
    (66, 20),
    (67, 17),
    (68, 18),
    (69, 295),
    (70, 296),
    (71, 40),
    (72, 270),
    (73, 271),
    (76, 275),
    (82, 74),
    (83, 75),
    (95, 247),
    (98, FUTEX),
    (101, 35),
    (115, 230),
    (133, 130),
    (137, 128),
    (183, 243),
    (188, 70),
    (192, 220),
    (193, 65),
    (202, 43),
    (203, 42),
    (206, 44),
    (207, 45),
    (211, 46),
    (212, 47),
    (242, 288),
    (243, 299),
    (260, 61),
    (269, 307),
    (286, 327),
    (426, 426),
    (441, 441),
];

/// x86-64's number of `futex`.
pub const FUTEX: u64 = 202;

/// Where a thread is, as its registers say.
pub enum Whereabouts {
    /// They do not say.
    Unknown,
    /// In the program.
    Program,
    /// In the kernel, by a system call.
    Kernel(Entered),
}

/// A thread's system call.
pub struct Entered {
    /// Its number, x86-64's on every processor.
    pub number: u64,
    /// Its arguments.
    pub arguments: [Option<u64>; 6],
}

/// DWARF numbers of the registers that hold arguments (System V psABI AMD64 1.0, section A.2.1): rdi, rsi, rdx, r10, r8, r9.
const ARGUMENTS: [u16; 6] = [5, 4, 1, 10, 8, 9];

/// Whether the thread is in a system call, and in which. The kernel keeps its number in `orig_rax`, and leaves the arguments' registers
/// as they were. `function` is the thread's innermost.
pub fn whereabouts(session: &Session, thread: &ThreadState, function: Option<&str>) -> Whereabouts {
    match session.image.arch {
        Arch::X86_64 => {}
        Arch::Aarch64 => {
            let entered = aarch64(session, &thread.registers, function);
            return entered.map_or(Whereabouts::Unknown, Whereabouts::Kernel);
        }
        Arch::I386 => return Whereabouts::Unknown,
    }
    let Some(number) = original_rax(thread) else { return Whereabouts::Unknown };
    let registers = &thread.registers;
    // What else enters the kernel leaves -1; the instruction is looked at where it is at hand.
    let mut bytes = [0; 2];
    let before = registers.pc().and_then(|pc| pc.checked_sub(2)).map(RunAddr);
    let is_known = before.is_some_and(|before| session.memory().read(before, &mut bytes).is_ok());
    if number >= 1 << 12 || is_known && bytes != [0x0f, 0x05] {
        return Whereabouts::Program;
    }
    Whereabouts::Kernel(Entered { number, arguments: ARGUMENTS.map(|register| registers.get(register)) })
}

/// aarch64's: the number is in x8, the arguments from x0 on. Where the call begins anew the pc is at its `svc` (Linux 6.10,
/// arch/arm64/kernel/signal.c, `do_signal`), else behind it; then x0 may be its result already.
fn aarch64(session: &Session, registers: &Registers, function: Option<&str>) -> Option<Entered> {
    const SVC: u64 = 0xd400_0001;
    let pc = registers.pc()?;
    let mut code = [0; 4];
    let mut instruction = |at: u64| {
        let read = session.memory().read(RunAddr(at), &mut code);
        read.ok().map(|()| u64::from(u32::from_le_bytes(code)))
    };
    let (at, before) = (instruction(pc), instruction(pc.checked_sub(4)?));
    let is_anew = at == Some(SVC);
    // Where the core has no code, the function that the thread is in says it.
    let calls = before == Some(SVC) || before.is_none() && at.is_none() && function.is_some_and(is_wrapper);
    if !is_anew && !calls {
        return None;
    }
    let own = registers.get(8)?;
    let (_, number) = AARCH64.iter().find(|(known, _)| *known == own)?;
    let mut arguments = [0, 1, 2, 3, 4, 5].map(|register| registers.get(register));
    let is_error = |value: u64| value > u64::MAX - 4096;
    if !is_anew && arguments[0].is_some_and(is_error) {
        arguments[0] = None;
    }
    Some(Entered { number: *number, arguments })
}

/// glibc's functions around a system call that waits (2.34 to 2.41, nptl/).
fn is_wrapper(function: &str) -> bool {
    const WAIT: &[&str] = &["lll_lock_wait", "futex_", "pthread_", "syscall", "nanosleep", "poll", "pause"];
    let plain = function.trim_start_matches('_').trim_start_matches("GI_").trim_start_matches('_');
    named(function).is_some() || WAIT.iter().any(|start| plain.trim_start_matches("libc_").starts_with(start))
}

/// The system call that a signal interrupted, from the registers that the handler goes back to. Its number is that of
/// [`FUTEX`] where the code says so, else not known (`u64::MAX`).
pub fn interrupted(session: &Session, registers: &Registers) -> Option<Entered> {
    const SYSCALL: [u8; 2] = [0x0f, 0x05];
    if session.image.arch != Arch::X86_64 {
        return None;
    }
    let pc = registers.pc()?;
    // `mov $202,%eax; syscall`: behind it, or at the `syscall` where the call begins anew.
    let mut bytes = [0; 9];
    session.memory().read(RunAddr(pc.checked_sub(7)?), &mut bytes).ok()?;
    let [before @ .., _, _] = bytes;
    let number = match (before, [bytes[7], bytes[8]]) {
        ([0xb8, number, 0, 0, 0, 0x0f, 0x05], _) => u64::from(number),
        (_, SYSCALL) => registers.get(0)?,
        ([.., 0x0f, 0x05], _) => u64::MAX,
        _ => return None,
    };
    let arguments = ARGUMENTS.map(|register| registers.get(register));
    (number == FUTEX || number == u64::MAX).then_some(Entered { number, arguments })
}

fn original_rax(thread: &ThreadState) -> Option<u64> {
    let special = &thread.registers.vectors.as_ref()?.special;
    let (_, bytes) = special.iter().find(|(name, _)| *name == "orig_rax")?;
    Some(u64::from_le_bytes(bytes.as_slice().try_into().ok()?))
}

/// The call, where it is one that waits.
pub fn known(entered: &Entered) -> Option<SystemCall> {
    let (number, name, kind, has_descriptor) = CALLS.iter().find(|(number, ..)| *number == entered.number)?;
    let first = entered.arguments[0];
    // Of fcntl's commands F_SETLKW (7) and F_OFD_SETLKW (38) alone wait.
    if *number == 72 && !matches!(entered.arguments[1], Some(7 | 38)) {
        return None;
    }
    let descriptor = first.filter(|_| *has_descriptor).map(|first| first as i32);
    Some(SystemCall { name, kind: *kind, descriptor })
}

/// The same from a function's name, where the registers do not say.
pub fn named(function: &str) -> Option<SystemCall> {
    let plain = function.trim_start_matches('_').trim_start_matches("GI_").trim_start_matches('_');
    let plain = plain.trim_start_matches("libc_");
    let (_, name, kind, _) = CALLS.iter().find(|(_, name, ..)| *name == plain && !matches!(*name, "fcntl"))?;
    Some(SystemCall { name, kind: *kind, descriptor: None })
}
