//! Signal frames.

use super::target::{Assembler, CODE, STACK, Target};
use super::{OUTERMOST, X86_CIE, check, plain_functions, trusts};
use crate::arch::Arch;
use crate::unwind::{Stack, StackEnd, Trust};

pub(super) const MAIN: u64 = CODE + 0x1000;
const RESTORER: u64 = CODE + 0x2000;
/// The interrupted code's stack: below the handler's, as with sigaltstack.
pub(super) const LOWER: u64 = STACK - 0x10_0000;

/// rt_sigframe after its return address on x86-64: a ucontext whose registers are their DWARF number times 0x100.
fn x86_64_frame(pc: u64, sp: u64) -> Vec<u64> {
    let mut words = vec![0; 5];
    words.extend([8, 9, 10, 11, 12, 13, 14, 15, 5, 4, 6, 3, 1, 0, 2].map(|register| register * 0x100));
    words.extend([sp, pc]);
    words
}

#[test]
fn x86_64_trampoline_known_by_its_instructions() {
    // The handler's frame: CFA = rsp + 16.
    let words = [&[0, RESTORER][..], &x86_64_frame(CODE + 0x10, LOWER)].concat();
    let mut target = Target::new(Arch::X86_64, &words);
    target.eh_frame(plain_functions(&[CODE, CODE + 0x100, MAIN]).bytes);
    target.code(RESTORER, &[0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05]);
    target.map_words(LOWER, &[0, MAIN + 8]);
    let stack = target.unwind_from(CODE + 0x110, STACK);
    check(&stack, &[CODE + 0x110, RESTORER, CODE + 0x10, MAIN + 8], StackEnd::Complete);
    assert_eq!(trusts(&stack), [Trust::Context, Trust::Cfi, Trust::Cfi, Trust::Cfi]);
    assert_eq!(stack.frames.iter().map(|frame| frame.signal).collect::<Vec<_>>(), [false, true, false, false]);
    assert_eq!(stack.frames[1].lookup.0, RESTORER);
    // The interrupted frame is not in the middle of a call, and all its registers are what they were.
    assert_eq!(stack.frames[2].lookup.0, CODE + 0x10);
    for register in (0..16).filter(|register| *register != 7) {
        assert_eq!(stack.frames[2].registers.get(register), Some(u64::from(register) * 0x100), "{register}");
    }
    assert_eq!(stack.frames[2].registers.sp(), Some(LOWER));
}

#[test]
fn x86_64_trampoline_known_by_its_augmentation() {
    // No code bytes at hand. As glibc has it: the FDE starts one byte early, rules are expressions on rsp.
    let at = |register: u8, offset: u8| vec![0x10, register, 3, 0x77, offset | 0x80, 1];
    let cfa = [0x0f, 4, 0x77, 0xa0, 1, 0x06];
    let rules = [cfa.to_vec(), at(7, 0x20), at(16, 0x28), at(0, 0x10), at(3, 0x00)].concat();
    for start in [RESTORER - 1, RESTORER] {
        let assembler = plain_functions(&[CODE, CODE + 0x100, MAIN]).cie(true, 16, &[]).function(start, 16, &rules);
        let words = [&[0, RESTORER][..], &x86_64_frame(CODE + 0x10, LOWER)].concat();
        let mut target = Target::new(Arch::X86_64, &words);
        target.eh_frame(assembler.bytes);
        target.map_words(LOWER, &[0, MAIN + 8]);
        let stack = target.unwind_from(CODE + 0x110, STACK);
        check(&stack, &[CODE + 0x110, RESTORER, CODE + 0x10, MAIN + 8], StackEnd::Complete);
        assert!(stack.frames[1].signal);
        assert_eq!(stack.frames[2].lookup.0, CODE + 0x10);
        assert_eq!(stack.frames[2].registers.get(0), Some(0));
        assert_eq!(stack.frames[2].registers.sp(), Some(LOWER));
    }
}

#[test]
fn handler_after_a_call_of_null() {
    let words = [&[0, RESTORER][..], &x86_64_frame(0, LOWER)].concat();
    let mut target = Target::new(Arch::X86_64, &words);
    target.eh_frame(plain_functions(&[CODE, CODE + 0x100, MAIN]).bytes);
    target.code(RESTORER, &[0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05]);
    // call *%rax in CODE.
    target.code(CODE + 0x0e, &[0xff, 0xd0]);
    target.map_words(LOWER, &[CODE + 0x10, 0, MAIN + 8]);
    let stack = target.unwind_from(CODE + 0x110, STACK);
    check(&stack, &[CODE + 0x110, RESTORER, 0, CODE + 0x10, MAIN + 8], StackEnd::Complete);
    assert_eq!(stack.frames[3].trust, Trust::Scan);
    // Nothing ran at address 0, so what calls preserve is as it was.
    assert_eq!(stack.frames[3].registers.get(3), Some(0x300));
    assert_eq!(stack.frames[3].registers.get(0), None);
}

/// A signal of aarch64 whose frame has these records, and x0 to x30 their numbers times `factor`.
pub(super) fn aarch64_signal(factor: u64, records: &[Vec<u8>], elsewhere: Option<(u64, Vec<u8>)>) -> Stack {
    let registers_at = STACK + 16 + 128 + 176 + 8;
    let mut target = Target::new(Arch::Aarch64, &[0, RESTORER]);
    let mut words = (0..31).map(|register| register * factor).collect::<Vec<u64>>();
    words.extend([LOWER, CODE + 0x10, 0x6000_0000, 0]);
    target.map_words(registers_at, &words);
    target.map(registers_at + 8 * 35, records.concat());
    elsewhere.into_iter().for_each(|(address, bytes)| target.map(address, bytes));
    target.code(RESTORER, &[0x68, 0x11, 0x80, 0xd2, 0x01, 0, 0, 0xd4]);
    target.map_words(LOWER, &[0, MAIN + 8]);
    let assembler = Assembler::eh_frame(Arch::Aarch64)
        .cie(false, 30, &[0x0c, 31, 16, 0x9d, 2, 0x9e, 1])
        .function(CODE, 0x100, &[])
        .function(MAIN, 0x100, &[0x07, 30]);
    target.eh_frame(assembler.bytes);
    let stack = target.unwind_from(CODE + 0x40, STACK);
    check(&stack, &[CODE + 0x40, RESTORER, CODE + 0x10, MAIN + 8], StackEnd::Complete);
    stack
}

#[test]
fn aarch64_trampoline() {
    let stack = aarch64_signal(0x100, &[vec![0; 8]], None);
    for register in 0..31 {
        assert_eq!(stack.frames[2].registers.get(register), Some(u64::from(register) * 0x100));
    }
}

#[test]
fn i386_trampolines() {
    // struct sigcontext_32: gs fs es ds, di si bp sp bx dx cx ax, trapno err ip.
    let context = [0, 0, 0, 0, 7, 6, 5, LOWER, 3, 2, 1, 0xa, 0, 0, CODE + 0x10];
    let plain = [&[0, RESTORER, 11][..], &context].concat();
    let mut realtime = vec![0, RESTORER, 11, 0, STACK + 4 * 40];
    realtime.resize(45, 0);
    realtime.extend(context);
    let instructions: [(Vec<u64>, &[u8]); 2] =
        [(plain, &[0x58, 0xb8, 0x77, 0, 0, 0, 0xcd, 0x80]), (realtime, &[0xb8, 0xad, 0, 0, 0, 0xcd, 0x80])];
    for (words, instructions) in instructions {
        let mut target = Target::new(Arch::I386, &words);
        target.code(RESTORER, instructions);
        target.map_words(LOWER, &[0, MAIN + 8]);
        let assembler = Assembler::eh_frame(Arch::I386)
            .cie(false, 8, &[0x0c, 4, 8, 0x88, 1])
            .function(CODE, 0x100, &[])
            .function(MAIN, 0x100, &[0x07, 8]);
        target.eh_frame(assembler.bytes);
        let stack = target.unwind_from(CODE + 0x40, STACK);
        check(&stack, &[CODE + 0x40, RESTORER, CODE + 0x10, MAIN + 8], StackEnd::Complete);
        let interrupted = &stack.frames[2].registers;
        assert_eq!([0, 1, 2, 3, 5, 6, 7].map(|r| interrupted.get(r).unwrap()), [0xa, 1, 2, 3, 5, 6, 7]);
    }
}

#[test]
fn signal_frame_that_returns_to_itself() {
    let words = [&[RESTORER][..], &x86_64_frame(CODE + 0x10, STACK)].concat();
    let mut target = Target::new(Arch::X86_64, &words);
    target.code(RESTORER, &[0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05]);
    let assembler = Assembler::eh_frame(Arch::X86_64)
        .cie(false, 16, X86_CIE)
        .function(CODE, 0x100, &[])
        .function(MAIN, 0x100, OUTERMOST);
    target.eh_frame(assembler.bytes);
    let stack = target.unwind_from(CODE + 0x10, STACK);
    assert_eq!(stack.end, StackEnd::Corrupt);
    assert!(stack.frames.len() <= 6, "{}", stack.frames.len());
}
