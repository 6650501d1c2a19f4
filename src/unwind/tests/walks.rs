//! Where walks end, and what the limit keeps.

use super::target::{Assembler, CODE, STACK, Target};
use super::{OUTERMOST, X86_CIE, check, pcs, plain_functions};
use crate::arch::Arch;
use crate::unwind::StackEnd;

const MAIN: u64 = CODE + 0x1000;

/// `depth` calls of CODE by itself below MAIN.
fn recursion(depth: usize) -> Target {
    let mut words = Vec::new();
    for _ in 1..depth {
        words.extend([0, CODE + 0x10]);
    }
    words.extend([0, MAIN + 8]);
    let mut target = Target::new(Arch::X86_64, &words);
    target.eh_frame(plain_functions(&[CODE, MAIN]).bytes);
    target
}

#[test]
fn limit_keeps_both_ends() {
    let stack = recursion(100).unwind(&[(16, CODE + 0x10), (7, STACK)], 11);
    assert_eq!((stack.frames.len(), stack.omitted, stack.omitted_at), (11, 90, Some(6)));
    assert_eq!(stack.end, StackEnd::Complete);
    let sps = stack.frames.iter().map(|frame| (frame.registers.sp().unwrap() - STACK) / 16);
    assert_eq!(sps.collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 96, 97, 98, 99, 100]);
    assert_eq!(stack.frames[10].pc.0, MAIN + 8);
}

#[test]
fn limit_of_one_and_exact_fit() {
    let stack = recursion(100).unwind(&[(16, CODE + 0x10), (7, STACK)], 1);
    assert_eq!((pcs(&stack), stack.omitted, stack.omitted_at), (vec![CODE + 0x10], 100, Some(1)));
    let stack = recursion(100).unwind(&[(16, CODE + 0x10), (7, STACK)], 101);
    assert_eq!((stack.frames.len(), stack.omitted, stack.omitted_at), (101, 0, None));
}

#[test]
fn deep_recursion_is_no_loop() {
    let stack = recursion(100_000).unwind(&[(16, CODE + 0x10), (7, STACK)], 1024);
    assert_eq!((stack.frames.len() + stack.omitted, stack.end), (100_001, StackEnd::Complete));
}

#[test]
fn frame_that_is_its_own_caller() {
    // CFA = rbx, return address at CFA - 8, rbx kept.
    let assembler = Assembler::eh_frame(Arch::X86_64).cie(false, 16, &[0x0c, 3, 0, 0x90, 1]).function(CODE, 0x100, &[]);
    let mut target = Target::new(Arch::X86_64, &[CODE + 4]);
    target.eh_frame(assembler.bytes);
    let stack = target.unwind(&[(16, CODE + 4), (7, STACK), (3, STACK + 8)], 100);
    check(&stack, &[CODE + 4, CODE + 4], StackEnd::Corrupt);
}

#[test]
fn two_frames_that_call_each_other_for_ever() {
    // CODE: CFA = rbx, rbx becomes rbp. CODE + 0x100: CFA = rbx, rbx becomes r12. Both stacks lie on code after calls.
    let other = CODE + 0x100;
    let assembler = Assembler::eh_frame(Arch::X86_64)
        .cie(false, 16, &[0x0c, 3, 0, 0x90, 1])
        .function(CODE, 0x100, &[0x09, 3, 6])
        .function(other, 0x100, &[0x09, 3, 12]);
    let mut target = Target::new(Arch::X86_64, &[other + 0x10, CODE + 0x10]);
    target.code(CODE + 0x0e, &[0xff, 0xd0]);
    target.code(other + 0x0e, &[0xff, 0xd0]);
    target.eh_frame(assembler.bytes);
    let inner = [(16, CODE + 0x10), (7, STACK), (3, STACK + 8), (6, STACK + 16), (12, STACK + 8)];
    let stack = target.unwind(&inner, 100);
    assert_eq!(stack.end, StackEnd::Corrupt);
    assert!(stack.frames.len() < 10);
}

#[test]
fn return_address_outside_code() {
    let mut target = Target::new(Arch::X86_64, &[0, CODE + 0x110, 0, 0x4141_4141_4141_4141]);
    target.eh_frame(plain_functions(&[CODE, CODE + 0x100, MAIN]).bytes);
    check(&target.unwind_from(CODE, STACK), &[CODE, CODE + 0x110], StackEnd::Corrupt);
}

#[test]
fn return_address_zero_is_the_outermost() {
    let mut target = Target::new(Arch::X86_64, &[0, CODE + 0x110, 0, 0]);
    target.eh_frame(plain_functions(&[CODE, CODE + 0x100, MAIN]).bytes);
    check(&target.unwind_from(CODE, STACK), &[CODE, CODE + 0x110], StackEnd::Complete);
}

#[test]
fn stack_that_was_not_saved() {
    let mut target = Target::new(Arch::X86_64, &[0, CODE + 0x110]);
    target.eh_frame(plain_functions(&[CODE, CODE + 0x100, MAIN]).bytes);
    check(&target.unwind_from(CODE, STACK), &[CODE, CODE + 0x110], StackEnd::Corrupt);
    target.not_saved = Some((STACK, STACK + 0x1000));
    check(&target.unwind_from(CODE, STACK), &[CODE, CODE + 0x110], StackEnd::Unreadable);
}

#[test]
fn stack_pointer_that_goes_back() {
    // CFA = rbx, which lies below rsp; the return address there is code, but nothing calls before it.
    let assembler = Assembler::eh_frame(Arch::X86_64)
        .cie(false, 16, &[0x0c, 3, 0, 0x90, 1])
        .function(CODE, 0x100, &[])
        .function(MAIN, 0x100, OUTERMOST);
    let mut target = Target::new(Arch::X86_64, &[MAIN + 8, 0, 0, 0]);
    target.eh_frame(assembler.bytes);
    let registers = [(16, CODE), (7, STACK + 16), (3, STACK + 8)];
    check(&target.unwind(&registers, 10), &[CODE], StackEnd::Corrupt);
    // A call there: the stack was switched.
    target.code(MAIN + 3, &[0xe8, 0, 0, 0, 0]);
    check(&target.unwind(&registers, 10), &[CODE, MAIN + 8], StackEnd::Complete);
}

#[test]
fn no_registers() {
    let target = Target::new(Arch::X86_64, &[]);
    check(&target.unwind(&[], 10), &[], StackEnd::Unreadable);
    let mut target = Target::new(Arch::X86_64, &[]);
    target.eh_frame(Assembler::eh_frame(Arch::X86_64).cie(false, 16, X86_CIE).function(CODE, 16, &[]).bytes);
    check(&target.unwind(&[(16, CODE)], 10), &[CODE], StackEnd::Corrupt);
}

/// Any byte of the call frame information or the stack may be anything: an answer, no panic, no hang.
#[test]
fn flipped_bits() {
    let assembler = plain_functions(&[CODE, CODE + 0x100, MAIN]);
    let header = assembler.header();
    let words = [0, CODE + 0x110, 0, MAIN + 8];
    for position in 0..(assembler.bytes.len() + header.len()) * 8 {
        let (byte, bit) = (position / 8, 1u8 << (position % 8));
        let (mut section, mut header) = (assembler.bytes.clone(), header.clone());
        match byte.checked_sub(section.len()) {
            None => section[byte] ^= bit,
            Some(byte) => header[byte] ^= bit,
        }
        let mut target = Target::new(Arch::X86_64, &words);
        target.eh_frame(section);
        target.module.eh_frame_hdr = Some((header.leak(), crate::addr::FileAddr(super::target::EH_FRAME_HDR)));
        let stack = target.unwind(&[(16, CODE), (7, STACK), (6, STACK), (3, STACK)], 100);
        assert_eq!(stack.frames[0].pc.0, CODE);
        assert!(stack.frames.len() <= 4);
    }
}
