//! Names of Linux signals and their codes (uapi asm-generic/signal.h and asm-generic/siginfo.h, Linux 6.10; the three
//! supported architectures share them).

use crate::addr::RunAddr;
use crate::image::SignalInfo;

const NAMES: [&str; 31] = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

const ILL: i32 = 4;
const TRAP: i32 = 5;
const BUS: i32 = 7;
const FPE: i32 = 8;
const SEGV: i32 = 11;
const CHLD: i32 = 17;
const POLL: i32 = 29;
const SYS: i32 = 31;

/// `si_code` of a signal that the kernel sent of itself, without a fault's address.
const SI_KERNEL: i32 = 0x80;

/// `SIGSEGV`; `SIG34` and such for real-time signals (as gdb has them) and unknown numbers.
pub fn signal_name(number: i32) -> String {
    let name = usize::try_from(number).ok().and_then(|number| NAMES.get(number.checked_sub(1)?));
    name.map_or_else(|| format!("SIG{number}"), |name| (*name).to_owned())
}

/// `SEGV_MAPERR` and such; the codes that any signal can have (`SI_USER`) too.
pub fn code_name(number: i32, code: i32) -> Option<&'static str> {
    let general = match code {
        0 => "SI_USER",
        SI_KERNEL => "SI_KERNEL",
        -1 => "SI_QUEUE",
        -2 => "SI_TIMER",
        -3 => "SI_MESGQ",
        -4 => "SI_ASYNCIO",
        -5 => "SI_SIGIO",
        -6 => "SI_TKILL",
        -7 => "SI_DETHREAD",
        -60 => "SI_ASYNCNL",
        _ => "",
    };
    if !general.is_empty() {
        return Some(general);
    }
    let names: &[&str] = match number {
        ILL => &[
            "ILL_ILLOPC",
            "ILL_ILLOPN",
            "ILL_ILLADR",
            "ILL_ILLTRP",
            "ILL_PRVOPC",
            "ILL_PRVREG",
            "ILL_COPROC",
            "ILL_BADSTK",
            "ILL_BADIADDR",
        ],
        FPE => &[
            "FPE_INTDIV",
            "FPE_INTOVF",
            "FPE_FLTDIV",
            "FPE_FLTOVF",
            "FPE_FLTUND",
            "FPE_FLTRES",
            "FPE_FLTINV",
            "FPE_FLTSUB",
            "",
            "",
            "",
            "",
            "",
            "FPE_FLTUNK",
            "FPE_CONDTRAP",
        ],
        SEGV => &[
            "SEGV_MAPERR",
            "SEGV_ACCERR",
            "SEGV_BNDERR",
            "SEGV_PKUERR",
            "SEGV_ACCADI",
            "SEGV_ADIDERR",
            "SEGV_ADIPERR",
            "SEGV_MTEAERR",
            "SEGV_MTESERR",
            "SEGV_CPERR",
        ],
        BUS => &["BUS_ADRALN", "BUS_ADRERR", "BUS_OBJERR", "BUS_MCEERR_AR", "BUS_MCEERR_AO"],
        TRAP => &["TRAP_BRKPT", "TRAP_TRACE", "TRAP_BRANCH", "TRAP_HWBKPT", "TRAP_UNK", "TRAP_PERF"],
        CHLD => &["CLD_EXITED", "CLD_KILLED", "CLD_DUMPED", "CLD_TRAPPED", "CLD_STOPPED", "CLD_CONTINUED"],
        POLL => &["POLL_IN", "POLL_OUT", "POLL_MSG", "POLL_ERR", "POLL_PRI", "POLL_HUP"],
        SYS => &["SYS_SECCOMP", "SYS_USER_DISPATCH"],
        _ => &[],
    };
    let name = names.get(usize::try_from(code).ok()?.checked_sub(1)?)?;
    (!name.is_empty()).then_some(*name)
}

/// Takes a `siginfo_t` apart (the content of NT_SIGINFO): `si_signo`, `si_errno`, `si_code` of 4 bytes each, then a
/// union that begins at the next multiple of `word_size`. `None` where it is too short, or for signal 0.
///
/// `si_addr` is given for real faults only: with SI_KERNEL (on x86-64 a non-canonical address) and with sent signals
/// the union holds something else or zeros.
pub fn decode_siginfo(siginfo: &[u8], word_size: usize) -> Option<SignalInfo> {
    let word = |at: usize| Some(i32::from_le_bytes(siginfo.get(at..at + 4)?.try_into().ok()?));
    let (number, code) = (word(0)?, word(8)?);
    if number <= 0 {
        return None;
    }
    let union = if word_size == 8 { 16 } else { 12 };
    let mut signal = SignalInfo { number, code: Some(code), address: None, sender_pid: None, sender_uid: None };
    if matches!(number, ILL | TRAP | BUS | FPE | SEGV) && code > 0 && code != SI_KERNEL {
        let mut address = [0; 8];
        if let Some(bytes) = siginfo.get(union..union + word_size) {
            address[..word_size].copy_from_slice(bytes);
            signal.address = Some(RunAddr(u64::from_le_bytes(address)));
        }
    }
    // SI_USER, SI_QUEUE, SI_MESGQ, SI_TKILL: the union begins with the sender's pid and uid.
    if matches!(code, 0 | -1 | -3 | -6) {
        signal.sender_pid = word(union).and_then(|pid| u32::try_from(pid).ok());
        signal.sender_uid = word(union + 4).map(|uid| uid as u32);
    }
    Some(signal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (number, name) in [(1, "SIGHUP"), (11, "SIGSEGV"), (31, "SIGSYS"), (34, "SIG34"), (0, "SIG0")] {
            assert_eq!(signal_name(number), name);
        }
        assert_eq!(signal_name(i32::MIN), "SIG-2147483648");
        let codes = [
            (11, 1, Some("SEGV_MAPERR")),
            (11, 10, Some("SEGV_CPERR")),
            (11, 0x80, Some("SI_KERNEL")),
            (6, -6, Some("SI_TKILL")),
            (8, 1, Some("FPE_INTDIV")),
            (8, 9, None),
            (8, 14, Some("FPE_FLTUNK")),
            (7, 6, None),
            (34, 1, None),
            (11, i32::MIN, None),
        ];
        for (number, code, name) in codes {
            assert_eq!(code_name(number, code), name, "{number} {code}");
        }
    }

    fn siginfo(words: &[u32]) -> Vec<u8> {
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.resize(128, 0);
        bytes
    }

    #[test]
    fn only_faults_have_an_address_and_only_sent_signals_a_sender() {
        let fault = decode_siginfo(&siginfo(&[11, 0, 1, 0xdead, 0x10, 0x20]), 8).unwrap();
        assert_eq!((fault.address, fault.sender_pid), (Some(RunAddr(0x20_0000_0010)), None));
        let fault = decode_siginfo(&siginfo(&[11, 0, 1, 0x10, 0x20]), 4).unwrap();
        assert_eq!(fault.address, Some(RunAddr(0x10)));
        let kernel = decode_siginfo(&siginfo(&[11, 0, 0x80, 0, 0x10]), 8).unwrap();
        assert_eq!((kernel.address, kernel.sender_pid), (None, None));
        let sent = decode_siginfo(&siginfo(&[11, 0, 0, 0, 77, 1000]), 8).unwrap();
        assert_eq!((sent.address, sent.sender_pid, sent.sender_uid), (None, Some(77), Some(1000)));
        assert_eq!(decode_siginfo(&siginfo(&[0, 0, 0]), 8), None);
        assert_eq!(decode_siginfo(&[11, 0, 0, 0], 8), None);
    }
}
