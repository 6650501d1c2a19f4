//! Frames without call frame information.

use super::target::{CODE, STACK, Target};
use super::{check, plain_functions, trusts};
use crate::addr::RunAddr;
use crate::arch::{Arch, RegisterState};
use crate::unwind::call::{Call, call_before, is_plt_stub};
use crate::unwind::{StackEnd, Trust};

const MAIN: u64 = CODE + 0x1000;
/// Code that the module's call frame information does not know.
const BARE: u64 = CODE + 0x4000;

/// call rel32 that ends at `return_address`.
fn call(target: &mut Target, return_address: u64, callee: u64) {
    let displacement = (callee.wrapping_sub(return_address) as u32).to_le_bytes();
    target.code(return_address - 5, &[&[0xe8][..], &displacement].concat());
}

fn with_main(words: &[u64]) -> Target {
    let mut target = Target::new(Arch::X86_64, words);
    target.eh_frame(plain_functions(&[CODE, MAIN]).bytes);
    target
}

#[test]
fn frame_pointer_chain() {
    // BARE, called by BARE + 0x200, called by MAIN; both keep frame pointers.
    let mut target = with_main(&[1, 2, STACK + 40, BARE + 0x210, 3, 0, MAIN + 8]);
    call(&mut target, BARE + 0x210, BARE);
    call(&mut target, MAIN + 8, BARE + 0x200);
    let stack = target.unwind(&[(16, BARE + 0x20), (7, STACK), (6, STACK + 16), (3, 3)], 10);
    check(&stack, &[BARE + 0x20, BARE + 0x210, MAIN + 8], StackEnd::Complete);
    assert_eq!(trusts(&stack), [Trust::Context, Trust::FramePointer, Trust::FramePointer]);
    assert_eq!(stack.frames[0].cfa, Some(RunAddr(STACK + 32)));
    let caller = &stack.frames[1].registers;
    assert_eq!((caller.sp(), caller.get(6), caller.get(3)), (Some(STACK + 32), Some(STACK + 40), None));
    assert_eq!(caller.state(3), RegisterState::PerhapsClobbered);
}

#[test]
fn a_functions_own_instructions_say_where_its_caller_is() {
    // push %rbp; push %rbx; sub $0x18,%rsp; mov %rdi,%rbx; jne +6; add $0x18,%rsp; pop %rbx; pop %rbp; ret; nop; call
    let code = [
        0x55, 0x53, 0x48, 0x83, 0xec, 0x18, 0x48, 0x89, 0xfb, 0x75, 0x07, 0x48, 0x83, 0xc4, 0x18, 0x5b, 0x5d, 0xc3,
        0x90, 0x90, 0x90,
    ];
    // A word that looks like a return address is no frame: the scan would take it.
    let mut target = with_main(&[1, MAIN + 8, 3, 0xb, 0xbb, MAIN + 8, 0]);
    call(&mut target, MAIN + 8, BARE);
    target.code(BARE, &code);
    target.function = Some(BARE);
    let stack = target.unwind(&[(16, BARE + 18), (7, STACK), (6, 7), (3, 3), (12, 12)], 10);
    check(&stack, &[BARE + 18, MAIN + 8], StackEnd::Complete);
    assert_eq!(trusts(&stack), [Trust::Context, Trust::Scan]);
    assert_eq!(stack.frames[0].cfa, Some(RunAddr(STACK + 48)));
    let caller = &stack.frames[1].registers;
    assert_eq!((caller.sp(), caller.get(3), caller.get(6)), (Some(STACK + 48), Some(0xb), Some(0xbb)));
    // Not pushed, so unchanged.
    assert_eq!(caller.get(12), Some(12));
}

#[test]
fn chain_of_zeros_ends_the_stack() {
    let target = with_main(&[0, 0]);
    check(&target.unwind(&[(16, BARE), (7, STACK), (6, STACK)], 10), &[BARE], StackEnd::Complete);
}

#[test]
fn first_instruction_of_code_without_frame_information() {
    // The frame pointer is the caller's: the chain alone would lose the caller.
    let mut target = with_main(&[BARE + 0x210, 0, STACK + 32, MAIN + 8, 0, 0]);
    call(&mut target, BARE + 0x210, BARE);
    call(&mut target, MAIN + 8, BARE + 0x200);
    let stack = target.unwind(&[(16, BARE), (7, STACK), (6, STACK + 16)], 10);
    assert_eq!(trusts(&stack)[1], Trust::Scan);
    assert_eq!(stack.frames[1].pc.0, BARE + 0x210);
}

#[test]
fn scan_wants_a_call_before() {
    let mut target = with_main(&[MAIN + 0x20, 0x1234, STACK, MAIN + 8, 0]);
    call(&mut target, MAIN + 8, BARE);
    let stack = target.unwind(&[(16, BARE + 0x2000), (7, STACK), (6, 1)], 10);
    check(&stack, &[BARE + 0x2000, MAIN + 8], StackEnd::Complete);
    assert_eq!(stack.frames[1].trust, Trust::Scan);
    assert_eq!(stack.frames[1].registers.sp(), Some(STACK + 32));
}

#[test]
fn scan_gives_up() {
    let mut words = vec![0; 1024];
    words.push(MAIN + 8);
    let mut target = with_main(&words);
    call(&mut target, MAIN + 8, BARE);
    check(&target.unwind_from(BARE, STACK), &[BARE], StackEnd::NoUnwindInfo);
    check(&target.unwind_from(BARE, STACK + 8), &[BARE, MAIN + 8], StackEnd::Complete);
}

#[test]
fn call_of_null() {
    let mut target = with_main(&[CODE + 0x10, 0, MAIN + 8]);
    // call *8(%rax)
    target.code(CODE + 0x0d, &[0xff, 0x50, 0x08]);
    let stack = target.unwind(&[(16, 0), (7, STACK), (3, 3), (0, 1)], 10);
    check(&stack, &[0, CODE + 0x10, MAIN + 8], StackEnd::Complete);
    assert_eq!(trusts(&stack), [Trust::Context, Trust::Scan, Trust::Cfi]);
    assert_eq!((stack.frames[1].registers.get(3), stack.frames[1].registers.get(0)), (Some(3), None));
}

#[test]
fn aarch64_call_of_null_returns_by_the_link_register() {
    let mut target = Target::new(Arch::Aarch64, &[0, 0]);
    // blr x8
    target.code(BARE + 4, &0xd63f_0100u32.to_le_bytes());
    let stack = target.unwind(&[(32, 0), (31, STACK), (30, BARE + 8), (29, STACK)], 10);
    check(&stack, &[0, BARE + 8], StackEnd::Complete);
    assert_eq!(stack.frames[1].registers.sp(), Some(STACK));
}

/// `bl` at an address.
fn branch_with_link(target: &mut Target, at: u64, callee: u64) {
    let distance = (callee.wrapping_sub(at) >> 2) as u32 & 0x03ff_ffff;
    target.code(at, &(0x9400_0000 | distance).to_le_bytes());
}

#[test]
fn aarch64_jump_to_null_as_a_last_deed_keeps_the_caller() {
    let mut target = Target::new(Arch::Aarch64, &[0, 0]);
    branch_with_link(&mut target, BARE + 4, MAIN);
    let stack = target.unwind(&[(32, 0), (31, STACK), (30, BARE + 8), (29, STACK)], 10);
    check(&stack, &[0, BARE + 8], StackEnd::Complete);
}

#[test]
fn aarch64_function_behind_a_stub_returns_by_the_link_register() {
    let elsewhere = BARE + 0x8000;
    for stub in [&[0x9000_0110u32, 0xf940_3211, 0x9101_8210, 0xd61f_0220][..], &[0xd503_245f, 0x9000_0110, 0xf940_3211]]
    {
        let mut target = Target::new(Arch::Aarch64, &[0, 0]);
        let bytes: Vec<u8> = stub.iter().flat_map(|word| word.to_le_bytes()).collect();
        target.code(MAIN, &bytes);
        branch_with_link(&mut target, BARE + 4, MAIN);
        let stack = target.unwind(&[(32, elsewhere), (31, STACK), (30, BARE + 8), (29, STACK)], 10);
        // The second stub lacks its jump.
        let found = stack.frames.get(1).map(|frame| frame.pc.0);
        assert_eq!(found, (stub.len() == 4).then_some(BARE + 8));
    }
}

#[test]
fn plt_stub_without_frame_information() {
    let mut target = with_main(&[CODE + 0x10, 0, MAIN + 8]);
    target.code(BARE, &[0xf3, 0x0f, 0x1e, 0xfa, 0xf2, 0xff, 0x25]);
    call(&mut target, CODE + 0x10, BARE);
    let stack = target.unwind(&[(16, BARE), (7, STACK), (3, 3), (6, STACK)], 10);
    check(&stack, &[BARE, CODE + 0x10, MAIN + 8], StackEnd::Complete);
    assert_eq!(stack.frames[1].registers.get(3), Some(3));
}

#[test]
fn smashed_return_address_is_scanned_past_and_said() {
    let junk = 0x4141_4141_4141_4141;
    let mut target = with_main(&[junk, junk, junk, MAIN + 8, 0]);
    call(&mut target, MAIN + 8, CODE);
    let stack = target.unwind(&[(16, CODE), (7, STACK), (6, junk)], 10);
    check(&stack, &[CODE, MAIN + 8], StackEnd::Corrupt);
    assert_eq!(trusts(&stack), [Trust::Context, Trust::Scan]);
}

#[test]
fn calls_are_recognised() {
    let cases: [(&[u8], Option<Call>); 14] = [
        (&[0xe8, 0xfb, 0xff, 0xff, 0xff], Some(Call::Direct(BARE + 0x20 - 5))),
        (&[0xff, 0xd0], Some(Call::Indirect)),
        (&[0x41, 0xff, 0xd3], Some(Call::Indirect)),
        (&[0xff, 0x10], Some(Call::Indirect)),
        (&[0xff, 0x50, 0x08], Some(Call::Indirect)),
        (&[0xff, 0x90, 1, 2, 0, 0], Some(Call::Indirect)),
        (&[0xff, 0x15, 1, 2, 0, 0], Some(Call::Indirect)),
        (&[0xff, 0x14, 0xc3], Some(Call::Indirect)),
        (&[0xff, 0x14, 0x25, 1, 2, 0, 0], Some(Call::Indirect)),
        (&[0xff, 0x54, 0x24, 0x08], Some(Call::Indirect)),
        (&[0xff, 0x94, 0x24, 1, 2, 0, 0], Some(Call::Indirect)),
        (&[0xff, 0xe0], None),
        (&[0xff, 0x25, 1, 2, 0, 0], None),
        (&[0x90, 0x90], None),
    ];
    for (bytes, expected) in cases {
        let mut target = Target::new(Arch::X86_64, &[]);
        target.code(BARE + 0x20 - bytes.len() as u64, bytes);
        assert_eq!(call_before(Arch::X86_64, &target, BARE + 0x20), expected, "{bytes:x?}");
    }
    // At the first mapped byte there is nothing to look back at.
    let mut target = Target::new(Arch::X86_64, &[]);
    target.code(CODE, &[0xff, 0xd0]);
    assert_eq!(call_before(Arch::X86_64, &target, CODE + 2), Some(Call::Indirect));
    assert_eq!(call_before(Arch::X86_64, &target, CODE), None);
    assert!(!is_plt_stub(Arch::X86_64, &target, CODE));

    let cases = [
        (0x9400_0002u32, Some(Call::Direct(BARE + 8))),
        (0x97ff_ffff, Some(Call::Direct(BARE - 4))),
        (0xd63f_0100, Some(Call::Indirect)),
        (0xd73f_0901, Some(Call::Indirect)),
        (0xd61f_0100, None),
        (0x1400_0002, None),
    ];
    for (word, expected) in cases {
        let mut target = Target::new(Arch::Aarch64, &[]);
        target.code(BARE, &word.to_le_bytes());
        assert_eq!(call_before(Arch::Aarch64, &target, BARE + 4), expected, "{word:x}");
    }
}
