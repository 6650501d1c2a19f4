//! Register rules and where rows come from.

use super::target::{Assembler, CODE, EH_FRAME_HDR, STACK, Target};
use super::{OUTERMOST, X86_CIE, check, plain_functions};
use crate::addr::{Bias, FileAddr};
use crate::arch::{Arch, RegisterState};
use crate::unwind::{StackEnd, Trust};

const MAIN: u64 = CODE + 0x1000;

#[test]
fn every_rule() {
    // CFA = rsp + 32. Words: [STACK+0] rbx, [+8] r15's value, [+24] return address.
    let instructions = [
        &[0x0e, 32][..],
        &[0x07, 0],                           // rax: undefined
        &[0x08, 2],                           // rcx: same value
        &[0x83, 4],                           // rbx: at CFA - 32
        &[0x14, 12, 2],                       // r12: CFA - 16
        &[0x09, 13, 1],                       // r13: in rdx
        &[0x16, 14, 3, 0x70 + 5, 0x20, 0x1c], // r14: value of rdi + 32 - CFA (the initial value is below)
        &[0x10, 15, 2, 0x77, 8],              // r15: at rsp + 8
        &[0x2e, 16],                          // GNU_args_size
    ]
    .concat();
    let assembler = Assembler::eh_frame(Arch::X86_64)
        .cie(false, 16, X86_CIE)
        .function(CODE, 0x100, &instructions)
        .function(MAIN, 0x100, OUTERMOST);
    let mut target = Target::new(Arch::X86_64, &[0xbbbb, 0xf15f, 0, MAIN + 8]);
    target.eh_frame(assembler.bytes);
    let inner =
        [(16, CODE + 4), (7, STACK), (0, 1), (1, 0xdddd), (2, 0xcccc), (3, 3), (4, 4), (5, 0x55), (6, 6), (14, 14)];
    let stack = target.unwind(&inner, 1000);
    check(&stack, &[CODE + 4, MAIN + 8], StackEnd::Complete);
    assert_eq!(stack.frames[0].cfa.unwrap().0, STACK + 32);
    let caller = &stack.frames[1].registers;
    assert_eq!(caller.state(0), RegisterState::Unknown);
    assert_eq!(caller.get(2), Some(0xcccc));
    assert_eq!(caller.get(3), Some(0xbbbb));
    assert_eq!(caller.get(12), Some(STACK + 16));
    // rdx was exact in the inner frame, so what it kept is.
    assert_eq!(caller.get(13), Some(0xdddd));
    assert_eq!(caller.get(14), Some((STACK + 32).wrapping_sub(0x55 + 32)));
    assert_eq!(caller.get(15), Some(0xf15f));
    // Without a rule: rsi is not preserved by calls, rbp is.
    assert_eq!(caller.get(4), None);
    assert_eq!(caller.get_perhaps_clobbered(4), Some(4));
    assert_eq!(caller.get(6), Some(6));
    assert_eq!(caller.get(7), Some(STACK + 32));
    assert_eq!(caller.thread_pointer, Some(0x1234));
    assert_eq!(stack.frames[1].trust, Trust::Cfi);
    assert_eq!(stack.frames[1].lookup.0, MAIN + 7);
}

#[test]
fn unreadable_register_is_unknown_and_the_rest_goes_on() {
    let assembler = Assembler::eh_frame(Arch::X86_64)
        .cie(false, 16, X86_CIE)
        // rbx: at CFA + 0x10000 (DW_CFA_offset_extended_sf, factored).
        .function(CODE, 0x100, &[0x11, 3, 0x80, 0x80, 0x7f])
        .function(MAIN, 0x100, OUTERMOST);
    let mut target = Target::new(Arch::X86_64, &[MAIN + 8]);
    target.eh_frame(assembler.bytes);
    let stack = target.unwind(&[(16, CODE), (7, STACK), (3, 3)], 10);
    check(&stack, &[CODE, MAIN + 8], StackEnd::Complete);
    assert_eq!(stack.frames[1].registers.state(3), RegisterState::Unknown);
}

#[test]
fn plt_expression() {
    // What ld writes for .plt: CFA = rsp + 8 + ((rip & 15) >= 11) * 8.
    let expression = [0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22];
    let instructions = [&[0x0f, expression.len() as u8][..], &expression].concat();
    let assembler = Assembler::eh_frame(Arch::X86_64)
        .cie(false, 16, X86_CIE)
        .function(CODE, 0x100, &instructions)
        .function(MAIN, 0x100, OUTERMOST);
    for (pc, words) in [(CODE + 0x20, &[MAIN + 8][..]), (CODE + 0x2b, &[7, MAIN + 8])] {
        let mut target = Target::new(Arch::X86_64, words);
        target.eh_frame(assembler.bytes.clone());
        check(&target.unwind_from(pc, STACK), &[pc, MAIN + 8], StackEnd::Complete);
    }
}

#[test]
fn expression_that_never_ends_is_given_up() {
    // DW_OP_skip -3.
    let instructions = [0x0f, 3, 0x2f, 0xfd, 0xff];
    let assembler = Assembler::eh_frame(Arch::X86_64).cie(false, 16, X86_CIE).function(CODE, 0x100, &instructions);
    let mut target = Target::new(Arch::X86_64, &[0]);
    target.eh_frame(assembler.bytes);
    check(&target.unwind_from(CODE, STACK), &[CODE], StackEnd::Corrupt);
}

#[test]
fn call_at_a_functions_end_belongs_to_that_function() {
    // `first` ends with a call that does not return; its return address is where `second` starts. Their frames differ.
    let second = CODE + 0x100;
    let assembler = Assembler::eh_frame(Arch::X86_64)
        .cie(false, 16, X86_CIE)
        .function(CODE, 0x100, &[0x0e, 24])
        .function(second, 0x100, &[])
        .function(MAIN, 0x100, OUTERMOST)
        .function(CODE + 0x800, 0x100, &[]);
    let mut target = Target::new(Arch::X86_64, &[second, 0, 0, MAIN + 8]);
    target.eh_frame(assembler.bytes);
    let stack = target.unwind_from(CODE + 0x800, STACK);
    check(&stack, &[CODE + 0x800, second, MAIN + 8], StackEnd::Complete);
    assert_eq!(stack.frames[1].lookup.0, second - 1);
}

#[test]
fn rows_are_found_through_table_index_and_debug_frame() {
    let assembler = plain_functions(&[CODE, CODE + 0x100, CODE + 0x200, MAIN]);
    let words = [0, CODE + 0x110, 0, CODE + 0x210, 0, MAIN + 8];
    let expected = [CODE + 0x10, CODE + 0x110, CODE + 0x210, MAIN + 8];
    let header = assembler.header();
    let mut unsorted = header.clone();
    unsorted[12..44].rotate_left(8);
    let mut wrong_fde = header.clone();
    wrong_fde[16] ^= 4;
    let short = header[..20].to_vec();
    for header in [Some(header), Some(unsorted), Some(wrong_fde), Some(short), Some(Vec::new()), None] {
        let mut target = Target::new(Arch::X86_64, &words);
        target.eh_frame(assembler.bytes.clone());
        target.module.eh_frame_hdr = header.clone().map(|bytes| (&*bytes.leak(), FileAddr(EH_FRAME_HDR)));
        let stack = target.unwind_from(CODE + 0x10, STACK);
        check(&stack, &expected, StackEnd::Complete);
    }

    let debug_frame = Assembler::debug_frame(Arch::X86_64)
        .cie(false, 16, X86_CIE)
        .function(CODE + 0x200, 0x100, &[0x0e, 16])
        .function(MAIN, 0x100, OUTERMOST)
        .function(CODE, 0x200, &[0x0e, 16]);
    let mut target = Target::new(Arch::X86_64, &words);
    target.debug_frame = Some(debug_frame.bytes.leak());
    check(&target.unwind_from(CODE + 0x10, STACK), &expected, StackEnd::Complete);
}

#[test]
fn one_malformed_entry_costs_only_itself() {
    let assembler = plain_functions(&[CODE, CODE + 0x100, MAIN]);
    let mut bytes = assembler.bytes;
    // The second function's CIE pointer leads nowhere.
    let second = assembler.functions[1].1;
    bytes[second + 4..second + 8].copy_from_slice(&[0xff, 0xff, 0xff, 0x0f]);
    let mut target = Target::new(Arch::X86_64, &[0, MAIN + 8]);
    target.eh_frame(bytes);
    check(&target.unwind_from(CODE, STACK), &[CODE, MAIN + 8], StackEnd::Complete);
    check(&target.unwind_from(CODE + 0x110, STACK), &[CODE + 0x110], StackEnd::NoUnwindInfo);
}

#[test]
fn a_moved_module() {
    let bias = 0x5555_0000_0000;
    let mut target = Target::new(Arch::X86_64, &[0, MAIN + 8 + bias]);
    target.eh_frame(plain_functions(&[CODE, MAIN]).bytes);
    target.module.bias = Bias(bias);
    check(&target.unwind_from(CODE + bias, STACK), &[CODE + bias, MAIN + 8 + bias], StackEnd::Complete);
}

#[test]
fn aarch64_leaf_and_signed_return_address() {
    // CFA = sp; the leaf has no rule for x30. The caller keeps x29, x30 at CFA - 16, CFA = sp + 16, signed.
    let caller = CODE + 0x100;
    let assembler = Assembler::eh_frame(Arch::Aarch64)
        .cie(false, 30, &[0x0c, 31, 0])
        .function(CODE, 0x100, &[])
        .function(caller, 0x100, &[0x2d, 0x0e, 16, 0x9d, 2, 0x9e, 1])
        .function(MAIN, 0x100, &[0x07, 30]);
    let mut target = Target::new(Arch::Aarch64, &[0x7777, MAIN + 8 + 0xa500_0000_0000_0000]);
    target.eh_frame(assembler.bytes);
    let stack = target.unwind(&[(32, CODE + 4), (31, STACK), (30, caller + 8), (29, 0), (0, 5)], 10);
    check(&stack, &[CODE + 4, caller + 8, MAIN + 8], StackEnd::Complete);
    let main = &stack.frames[2].registers;
    assert_eq!((main.get(29), main.get(30), main.get(31)), (Some(0x7777), Some(MAIN + 8), Some(STACK + 16)));
    assert_eq!((main.get(0), main.get_perhaps_clobbered(0)), (None, Some(5)));
    assert_eq!(stack.frames[1].registers.get(30), None);
}

#[test]
fn aarch64_return_addresses_signed_with_the_pc() {
    // As LLVM and GCC write `-mbranch-protection=pac-ret+pc`: the state is negated, or set (to 2, then to 0) with an
    // offset. Operands look like these instructions and are none.
    let frame = [0x0e, 16, 0x9d, 2, 0x9e, 1];
    let negated = [&[0x2c, 0x2e, 0x2c][..], &frame, &[0x41, 0x0a, 0x0e, 32, 0x42, 0x2c, 0x0b]].concat();
    let set =
        [&[0x2b, 2, 0, 0x02, 0x2c][..], &frame, &[0x16, 19, 2, 0x2c, 0x2b, 0x44, 0x2b, 0, 0x7c, 0x0e, 32]].concat();
    let unknown = [&[0x2c, 0x2a][..], &frame].concat();
    for is_eh_frame in [true, false] {
        let assembler = match is_eh_frame {
            true => Assembler::eh_frame(Arch::Aarch64),
            false => Assembler::debug_frame(Arch::Aarch64),
        };
        let assembler = assembler
            .cie(false, 30, &[0x2c, 0x0c, 31, 0])
            .function(CODE, 0x100, &negated)
            .function(CODE + 0x100, 0x100, &set)
            .function(CODE + 0x200, 0x100, &unknown)
            .function(MAIN, 0x100, &[0x07, 30]);
        let signed = MAIN + 8 + 0xa500_0000_0000_0000;
        let mut target = Target::new(Arch::Aarch64, &[0x7777, signed, 0x8888, signed]);
        match is_eh_frame {
            true => target.eh_frame(assembler.bytes),
            false => target.debug_frame = Some(assembler.bytes.leak()),
        }
        for (pc, size) in [(0, 16), (1, 32), (2, 32), (3, 16), (0x12c, 16), (0x12f, 16), (0x130, 32)] {
            let stack = target.unwind_from(CODE + pc, STACK);
            check(&stack, &[CODE + pc, MAIN + 8], StackEnd::Complete);
            let main = &stack.frames[1].registers;
            assert_eq!((main.get(29), main.sp()), (Some(if size == 16 { 0x7777 } else { 0x8888 }), Some(STACK + size)));
            assert_eq!(stack.frames[1].trust, Trust::Cfi);
        }
        // Others remain unknown.
        assert_eq!(target.unwind_from(CODE + 0x200, STACK).frames.get(1).map(|frame| frame.trust), None);
    }
}

#[test]
fn aarch64_signatures_are_where_the_core_says() {
    // 52-bit addresses leave three bits to the signature.
    let assembler = Assembler::eh_frame(Arch::Aarch64)
        .cie(false, 30, &[0x0c, 31, 0])
        .function(CODE, 0x100, &[0x2d, 0x0e, 16, 0x9d, 2, 0x9e, 1])
        .function(MAIN, 0x100, &[0x07, 30]);
    let section = assembler.bytes;
    for (signature, mask, is_followed) in [
        (0x0055 << 48, None, true),
        (0x0050 << 48, Some(0x0070 << 48), true),
        (0x0055 << 48, Some(0x0070 << 48), false),
        // No mask takes bits that addresses need.
        (0x0055 << 48, Some(u64::MAX), true),
    ] {
        let mut target = Target::new(Arch::Aarch64, &[0, MAIN + 8 + signature]);
        target.eh_frame(section.clone());
        target.signature_mask = mask;
        let stack = target.unwind_from(CODE + 4, STACK);
        assert_eq!(stack.frames.len(), if is_followed { 2 } else { 1 }, "{signature:x} {mask:x?}");
    }
}

#[test]
fn i386_frames() {
    let assembler = Assembler::eh_frame(Arch::I386)
        .cie(false, 8, &[0x0c, 4, 4, 0x88, 1])
        // push %ebp: CFA = esp + 8, ebp at CFA - 8.
        .function(CODE, 0x100, &[0x0e, 8, 0x85, 2])
        .function(MAIN, 0x100, &[0x07, 8]);
    let mut target = Target::new(Arch::I386, &[0xebeb, MAIN + 8]);
    target.eh_frame(assembler.bytes);
    let stack = target.unwind_from(CODE + 4, STACK);
    check(&stack, &[CODE + 4, MAIN + 8], StackEnd::Complete);
    assert_eq!(stack.frames[1].registers.get(5), Some(0xebeb));
    assert_eq!(stack.frames[1].registers.sp(), Some(STACK + 8));
}
