//! An instruction that traps or that there is not.

use crate::addr::RunAddr;
use crate::analyze::fault::{SIGILL, SIGTRAP};
use crate::analyze::{Case, Certainty, Class, Finding};
use crate::arch::Arch;
use crate::arch::operation::Flow;

/// What clang's checks that trap are about, by the number in the instruction (clang 19, CodeGenFunction.h,
/// `LIST_SANITIZER_CHECKS`).
const CHECKS: &[(u8, &str)] = &[
    (0, "an addition overflowed"),
    (1, "code was reached that is marked as unreachable"),
    (2, "a call through a pointer of the wrong type (control-flow integrity)"),
    (3, "a division by zero, or its result overflowed"),
    (4, "an object is not of the type that it is used as"),
    (5, "a float has no room in the integer that it is converted to"),
    (6, "a function was called through a pointer of another type"),
    (7, "an integer conversion changed the value"),
    (8, "a builtin was called with what it must not be called with"),
    (10, "a value was loaded that its type does not have"),
    (11, "a function ended without returning a value"),
    (12, "a multiplication overflowed"),
    (13, "a negation overflowed"),
    (14, "null was passed where that is not allowed"),
    (15, "null was returned where that is not allowed"),
    (16, "null was passed where that is not allowed"),
    (17, "null was returned where that is not allowed"),
    (18, "an index is out of bounds"),
    (19, "pointer arithmetic overflowed"),
    (20, "a shift is by too many bits, or by a negative number"),
    (21, "a subtraction overflowed"),
    (22, "a pointer is null, misaligned or to too small an object"),
    (23, "an alignment that was assumed does not hold"),
    (24, "an array's length is not positive"),
];
const OUT_OF_BOUNDS: u8 = 18;
const DIVISION: u8 = 3;
/// `__builtin_trap` as GCC writes it on aarch64 (gcc 12, config/aarch64/aarch64.md, `trap`), and as clang does.
const GCC_TRAP: u16 = 1000;
const CLANG_TRAP: u16 = 1;

/// A trap, or an instruction that there is not.
pub fn instruction(case: &Case<'_>) -> Vec<Finding> {
    if !matches!(case.signal_number(), SIGILL | SIGTRAP) {
        return Vec::new();
    }
    found(case).into_iter().collect()
}

fn found(case: &Case<'_>) -> Option<Finding> {
    let fault = case.fault()?;
    // A trap with a message is another rule's.
    if super::library_assert::trap_message(case, fault.frame).is_some() {
        return None;
    }
    let frame = case.to_blame(fault.frame);
    let place = case.in_at(frame);
    let number = case.signal_number();
    let trap_signal = if case.arch() == Arch::Aarch64 { SIGTRAP } else { SIGILL };
    if number == trap_signal
        && let Some(check) = checked(case, fault.pc)
    {
        let what = CHECKS.iter().find(|(known, _)| *known == check).map(|(_, what)| *what)?;
        let class = match check {
            OUT_OF_BOUNDS => Class::OutOfBounds,
            DIVISION => Class::DivisionByZero,
            _ => Class::IllegalInstruction,
        };
        let summary = format!("undefined behaviour was trapped {place}: {what}");
        let finding = case.finding("trap", class, Certainty::Certain, frame, summary);
        let finding = finding.with("check", None, format!("{check} ({what})"));
        return Some(super::access::instruction_evidence(case, fault, finding).ask("info locals").ask("list"));
    }
    let traps = fault.operation.as_ref().is_some_and(|operation| operation.flow == Flow::Trap);
    let is_builtin = matches!(break_number(case, fault.pc), Some(GCC_TRAP | CLANG_TRAP));
    let (certainty, summary) = match (&fault.text, traps, number) {
        (Some(text), true, _) if number == SIGILL || is_builtin => (
            Certainty::Certain,
            format!(
                "trap {place}: `{}` stands where the compiler or the program wants no way on (__builtin_trap, unreachable code, a failed check)",
                first_word(text)
            ),
        ),
        // The breakpoint's address is behind it.
        (_, _, SIGTRAP) => (Certainty::Likely, format!("breakpoint or trap {place}, without a debugger")),
        (Some(text), ..) => {
            (Certainty::Likely, format!("illegal instruction {place}: `{text}` is not known to this processor"))
        }
        (None, ..) => (Certainty::Certain, format!("illegal instruction {place}: the bytes there are none")),
    };
    let finding = case.finding("trap", Class::IllegalInstruction, certainty, frame, summary);
    Some(super::access::instruction_evidence(case, fault, finding).ask("disassemble").ask("list"))
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or(text)
}

/// The check in clang's `ud1 CHECK(%eax),%eax` (67 0f b9 40 CHECK), on aarch64 in `brk #0x5500 + CHECK` (LLVM 19,
/// AArch64InstrInfo.td, `ubsantrap`).
fn checked(case: &Case<'_>, pc: u64) -> Option<u8> {
    if case.arch() == Arch::Aarch64 {
        let number = break_number(case, pc)?;
        return (number >> 8 == u16::from(b'U')).then_some(number as u8);
    }
    if case.arch() != Arch::X86_64 {
        return None;
    }
    match case.memory().read_vec(RunAddr(pc), 5).ok()?.as_slice() {
        [0x67, 0x0f, 0xb9, 0x40, check] => Some(*check),
        [0x67, 0x0f, 0xb9, 0x00, _] => Some(0),
        _ => None,
    }
}

/// `brk #number` of aarch64 (Arm ARM DDI 0487, C6.2, BRK).
fn break_number(case: &Case<'_>, pc: u64) -> Option<u16> {
    if case.arch() != Arch::Aarch64 {
        return None;
    }
    let word = case.memory().read_uint(RunAddr(pc), 4).ok()?;
    (word & 0xffe0_001f == 0xd420_0000).then_some((word >> 5) as u16)
}
