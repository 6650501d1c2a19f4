//! Signals in words, as `strsignal(3)` of glibc 2.36 has them (sysdeps/generic/siglist.h), which gdb prints too.

use crate::image::SignalInfo;

/// What the signal is about.
pub fn description(number: i32) -> Option<&'static str> {
    Some(match number {
        1 => "Hangup",
        2 => "Interrupt",
        3 => "Quit",
        4 => "Illegal instruction",
        5 => "Trace/breakpoint trap",
        6 => "Aborted",
        7 => "Bus error",
        8 => "Floating point exception",
        9 => "Killed",
        10 => "User defined signal 1",
        11 => "Segmentation fault",
        12 => "User defined signal 2",
        13 => "Broken pipe",
        14 => "Alarm clock",
        15 => "Terminated",
        16 => "Stack fault",
        17 => "Child exited",
        18 => "Continued",
        19 => "Stopped (signal)",
        20 => "Stopped",
        21 => "Stopped (tty input)",
        22 => "Stopped (tty output)",
        23 => "Urgent I/O condition",
        24 => "CPU time limit exceeded",
        25 => "File size limit exceeded",
        26 => "Virtual timer expired",
        27 => "Profiling timer expired",
        28 => "Window changed",
        29 => "I/O possible",
        30 => "Power failure",
        31 => "Bad system call",
        _ => return None,
    })
}

/// `SIGSEGV, Segmentation fault (SEGV_MAPERR) at 0x8`.
pub fn describe(signal: &SignalInfo) -> String {
    let mut text = signal.name();
    if let Some(words) = description(signal.number) {
        text += &format!(", {words}");
    }
    if let Some(code) = signal.code_name() {
        text += &format!(" ({code})");
    }
    if let Some(address) = signal.address {
        text += &format!(" at {address}");
    } else if let Some(pid) = signal.sender_pid {
        text += &format!(" from process {pid}");
    }
    text
}
