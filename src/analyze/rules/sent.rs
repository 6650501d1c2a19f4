//! A signal that was sent: by another process, by the program itself, by the kernel for a limit or a filter.

use crate::analyze::code::argument_registers;
use crate::analyze::{Case, Certainty, Class, Finding, errno};
use crate::arch::Arch;
use crate::waits::{self, CallKind};

const SIGQUIT: i32 = 3;
const SIGABRT: i32 = 6;
const SIGPIPE: i32 = 13;
const SIGALRM: i32 = 14;
const SIGXCPU: i32 = 24;
const SIGXFSZ: i32 = 25;
const SIGSYS: i32 = 31;
/// `SI_USER`, `SI_QUEUE`, `SI_TKILL` (Linux, uapi/asm-generic/siginfo.h).
const SENT: [i32; 3] = [0, -1, -6];
/// Characters of a line.
const MAX_LINE: usize = 200;
/// The kernel's own.
const SI_KERNEL: i32 = 0x80;
/// `SYS_SECCOMP`.
const SYS_SECCOMP: i32 = 1;

/// A signal that somebody sent.
pub fn sent(case: &Case<'_>) -> Vec<Finding> {
    let found = system_call(case)
        .or_else(|| of_write(case))
        .or_else(|| by_process(case))
        .or_else(|| aborted(case))
        .or_else(|| by_kernel(case));
    found.into_iter().collect()
}

/// SIGPIPE and SIGXFSZ of the kernel, which says that the writer itself sent them (Linux 6.10, fs/pipe.c, net/core/stream.c,
/// mm/filemap.c: `send_sig(…, current, 0)`).
fn of_write(case: &Case<'_>) -> Option<Finding> {
    let signal = case.signal.as_ref().filter(|signal| matches!(signal.number, SIGPIPE | SIGXFSZ))?;
    let own = case.session.image.process.pid;
    let is_own = signal.code == Some(0) && signal.sender_pid == own;
    let call =
        waits::system_call(case.session, case.thread, &case.trace).filter(|call| call.kind == CallKind::Output)?;
    is_own.then_some(())?;
    let frame = case.to_blame(case.fault_frame);
    let what = match signal.number {
        SIGPIPE => "nobody reads any more from what was written to",
        _ => "the limit of a file's size (RLIMIT_FSIZE) was reached",
    };
    let summary = format!("{}: {what}: {} {}", signal.name(), call.text(), case.in_at(frame));
    let mut finding = case.finding("signal-sent", Class::SignalSent, Certainty::Certain, frame, summary);
    if let Some(descriptor) = call.descriptor {
        finding = finding.with("descriptor", Some("$rdi"), descriptor.to_string());
    }
    Some(finding.ask("bt").ask("info locals"))
}

fn by_process(case: &Case<'_>) -> Option<Finding> {
    let signal = case.signal.as_ref()?;
    if !SENT.contains(&signal.code?) {
        return None;
    }
    let name = signal.name();
    let sender = signal.sender_pid?;
    let own = case.session.image.process.pid;
    let frame = case.to_blame(case.fault_frame);
    if Some(sender) != own && sender != 0 {
        let user = signal.sender_uid.map(|uid| format!(" of user {uid}")).unwrap_or_default();
        let summary = format!("{name} was sent by process {sender}{user}, while the thread was {}", case.in_at(frame));
        let finding = case.finding("signal-sent", Class::SignalSent, Certainty::Certain, frame, summary);
        let uid = signal.sender_uid.map(|uid| format!(", uid {uid}")).unwrap_or_default();
        let finding = finding.with("sender", Some("$_siginfo"), format!("pid {sender}{uid}"));
        // Who ends a process that hangs is not why it hung.
        let finding = if super::deadlock::ENDING.contains(&signal.number) { finding.as_symptom() } else { finding };
        return Some(finding.ask("bt").ask("threads"));
    }
    let code = signal.code_name().unwrap_or("sent");
    if sender == 0 {
        let summary = format!("{name} was sent from outside ({code}), while the thread was {}", case.in_at(frame));
        let finding = case.finding("signal-sent", Class::SignalSent, Certainty::Likely, frame, summary);
        return Some(finding.with("sender", Some("$_siginfo"), "pid 0: of another namespace, or the kernel").ask("bt"));
    }
    let (class, what) = match signal.number {
        SIGABRT if case.find_function(case.fault_frame, &["abort", "__GI_abort"]).is_some() => {
            (Class::Abort, "abort() was called")
        }
        SIGABRT => (Class::Abort, "the program sent itself SIGABRT"),
        _ => (Class::SignalSent, "the program sent itself the signal"),
    };
    let summary = match signal.number {
        SIGABRT => format!("{what} {}", case.in_at(frame)),
        _ => format!("{name}: {what} {}", case.in_at(frame)),
    };
    let finding = case.finding("signal-sent", class, Certainty::Certain, frame, summary).as_symptom();
    let mut finding = finding.with("sender", Some("$_siginfo"), format!("pid {sender}: the process itself"));
    if signal.number == SIGABRT
        && let Some(text) = errno::text(case)
    {
        finding = finding.with("errno", Some("errno"), format!("{text}, of the last call that failed"));
    }
    if signal.number == SIGABRT {
        finding = with_last_words(case, finding);
    }
    Some(finding.ask("bt"))
}

/// Adds the last line that standard output or error was given and that was never written, as `abort` writes nothing out.
fn with_last_words(case: &Case<'_>, finding: Finding) -> Finding {
    let streams = case.session.unwritten();
    let last = streams.iter().filter(|stream| matches!(stream.descriptor, Some(1 | 2))).find_map(|stream| {
        let line = stream.text.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
        Some((stream.descriptor?, line.chars().take(MAX_LINE).collect::<String>()))
    });
    match last {
        Some((descriptor, line)) => {
            let name = if descriptor == 2 { "stderr" } else { "stdout" };
            finding.with(
                "unwritten",
                None,
                format!("{line:?} is the last line in {name}'s buffer, which was never written"),
            )
        }
        None => finding,
    }
}

/// A core that does not say who sent the signal: `abort` on the stack says that the program did.
fn aborted(case: &Case<'_>) -> Option<Finding> {
    let signal = case.signal.as_ref().filter(|signal| signal.number == SIGABRT && signal.code.is_none())?;
    let abort = case.find_function(case.fault_frame, &["abort", "__GI_abort"])?;
    let frame = case.to_blame(abort);
    let summary = format!("abort() was called {}", case.in_at(frame));
    let finding = case.finding("signal-sent", Class::Abort, Certainty::Likely, frame, summary).as_symptom();
    let finding = finding.with("signal", Some("$_siginfo"), format!("{}, without siginfo", signal.name()));
    Some(with_last_words(case, finding).ask("bt"))
}

fn by_kernel(case: &Case<'_>) -> Option<Finding> {
    let signal = case.signal.as_ref()?;
    if signal.code.is_some_and(|code| code != SI_KERNEL) {
        return None;
    }
    let what = match signal.number {
        SIGQUIT => "quit was typed at the terminal",
        SIGPIPE => "nobody reads any more what was written",
        SIGALRM => "an alarm that nothing handles rang",
        SIGXCPU => "the limit of processor time (RLIMIT_CPU) was reached",
        SIGXFSZ => "the limit of a file's size (RLIMIT_FSIZE) was reached",
        _ => return None,
    };
    let frame = case.to_blame(case.fault_frame);
    let summary = format!("{}: {what}, while the thread was {}", signal.name(), case.in_at(frame));
    let certainty = if signal.code.is_some() { Certainty::Certain } else { Certainty::Likely };
    Some(case.finding("signal-sent", Class::SignalSent, certainty, frame, summary).ask("bt").ask("threads"))
}

/// A system call that a filter refused. `si_call_addr`, `si_syscall` are the union's first members.
fn system_call(case: &Case<'_>) -> Option<Finding> {
    let signal = case.signal.as_ref().filter(|signal| signal.number == SIGSYS && signal.code == Some(SYS_SECCOMP))?;
    let frame = case.to_blame(case.fault_frame);
    let bytes = case.thread.siginfo.as_ref().and_then(|siginfo| siginfo.get(24..28)?.try_into().ok());
    let number = bytes.map(i32::from_le_bytes);
    let library = case.function(case.fault_frame).map(|name| format!(", made by {name}()")).unwrap_or_default();
    let call =
        number.map_or("a system call".to_owned(), |number| match crate::analyze::syscalls::name(case.arch(), number) {
            Some(name) => format!("the system call {name} ({number})"),
            None => format!("the system call {number}"),
        });
    let summary =
        format!("{}: {call}{library}, is not allowed by the seccomp filter, {}", signal.name(), case.in_at(frame));
    let mut finding = case.finding("system-call", Class::Sandbox, Certainty::Certain, frame, summary);
    if let Some(number) = number {
        finding = finding.with("system call", Some("$_siginfo"), number.to_string());
    }
    // How many of them count depends on the call.
    let registers = case.registers(0).filter(|_| case.arch() != Arch::I386);
    let values = argument_registers(case.arch()).iter().take(3).map(|register| registers?.get(*register));
    if let Some(values) = values.collect::<Option<Vec<u64>>>() {
        let values: Vec<String> = values.iter().map(|value| case.scalar(None, *value)).collect();
        finding = finding.with("its first arguments", None, values.join(", "));
    }
    Some(finding.ask("bt").ask("info registers"))
}
