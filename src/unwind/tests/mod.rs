//! Unwinding of targets made by hand; each test names the one thing that it shows.

mod fallbacks;
mod rules;
mod signals;
mod target;
mod vectors;
mod walks;

use crate::arch::Arch;
use crate::unwind::{Stack, StackEnd, Trust};
use target::Assembler;

/// x86-64: CFA = rsp + 8, return address at CFA - 8.
const X86_CIE: &[u8] = &[0x0c, 7, 8, 0x90, 1];
/// DW_CFA_undefined of the return address.
const OUTERMOST: &[u8] = &[0x07, 16];

/// Functions of 0x100 bytes each at these addresses, the last one outermost; each has a frame of 16 bytes: CFA =
/// rsp + 16, return address at CFA - 8.
fn plain_functions(starts: &[u64]) -> Assembler {
    let mut assembler = Assembler::eh_frame(Arch::X86_64).cie(false, 16, X86_CIE);
    for (index, start) in starts.iter().enumerate() {
        let last = index + 1 == starts.len();
        assembler = assembler.function(*start, 0x100, if last { OUTERMOST } else { &[0x0e, 16] });
    }
    assembler
}

fn pcs(stack: &Stack) -> Vec<u64> {
    stack.frames.iter().map(|frame| frame.pc.0).collect()
}

fn trusts(stack: &Stack) -> Vec<Trust> {
    stack.frames.iter().map(|frame| frame.trust).collect()
}

/// Asserts the frames' pcs and the end.
#[track_caller]
fn check(stack: &Stack, expected: &[u64], end: StackEnd) {
    let hex = |pcs: &[u64]| pcs.iter().map(|pc| format!("{pc:#x}")).collect::<Vec<_>>();
    assert_eq!((hex(&pcs(stack)), stack.end), (hex(expected), end));
}
