//! Vector registers: what calls preserve of them, what the kernel saved of them.

use super::signals::{LOWER, MAIN, aarch64_signal};
use super::target::{Assembler, CODE, STACK, Target};
use super::{check, plain_functions};
use crate::arch::{Arch, RegisterState};
use crate::unwind::{Stack, StackEnd, Trust};

const RESTORER: u64 = CODE + 0x2000;
const V8: u16 = 72;

#[test]
fn aarch64_keeps_the_lower_halves_of_v8_to_v15() {
    // v8 (DW_CFA_offset_extended) at CFA - 24; v9: undefined; nothing of the others. v16 is not followed, whatever is said.
    let rules = [0x0c, 31, 32, 0x9d, 4, 0x9e, 3, 0x05, 72, 2, 0x07, 73, 0x08, 88];
    let assembler = Assembler::eh_frame(Arch::Aarch64)
        .cie(false, 30, &[0x0c, 31, 0])
        .function(CODE, 0x100, &rules)
        .function(MAIN, 0x100, &[0x07, 30]);
    let mut target = Target::new(Arch::Aarch64, &[0x7777, MAIN + 8, 0x8888, 0]);
    target.eh_frame(assembler.bytes);
    let inner = [(32, CODE + 4), (31, STACK), (V8, 8), (V8 + 1, 9), (V8 + 7, 15), (88, 16)];
    let stack = target.unwind(&inner, 10);
    check(&stack, &[CODE + 4, MAIN + 8], StackEnd::Complete);
    let (inner, caller) = (&stack.frames[0].registers, &stack.frames[1].registers);
    assert_eq!((inner.get(V8), inner.get(88)), (Some(8), None));
    assert_eq!([V8, V8 + 1, V8 + 7].map(|register| caller.get(register)), [Some(0x8888), None, Some(15)]);
    assert_eq!((caller.state(V8 + 1), caller.state(V8 + 6)), (RegisterState::Unknown, RegisterState::Unknown));
    assert_eq!(caller.get_perhaps_clobbered(88), None);
    // z8 is v8 and more of it.
    assert_eq!(
        (caller.bytes(V8 + 7), caller.bytes(V8 + 7 + 32)),
        (Some(vec![15, 0, 0, 0, 0, 0, 0, 0]), caller.bytes(79))
    );
}

#[test]
fn without_call_frame_information_nothing_is_sure_of_them() {
    let mut target = Target::new(Arch::Aarch64, &[STACK + 32, MAIN + 8, 0, 0, 0, 0]);
    target.code(MAIN + 4, &[0, 0, 0, 0x94]);
    target.eh_frame(
        Assembler::eh_frame(Arch::Aarch64).cie(false, 30, &[0x0c, 31, 0]).function(MAIN, 0x100, &[0x07, 30]).bytes,
    );
    let stack = target.unwind(&[(32, CODE + 4), (31, STACK), (29, STACK), (V8, 8)], 10);
    check(&stack, &[CODE + 4, MAIN + 8], StackEnd::Complete);
    assert_eq!(stack.frames[1].trust, Trust::FramePointer);
    assert_eq!(stack.frames[1].registers.state(V8), RegisterState::PerhapsClobbered);
}

/// A record of a signal frame of aarch64.
fn record(magic: u32, content: &[u8]) -> Vec<u8> {
    [&magic.to_le_bytes()[..], &(content.len() as u32 + 8).to_le_bytes(), content].concat()
}

/// `fpsr` 1, `fpcr` 2, every register's bytes its number.
fn fpsimd() -> Vec<u8> {
    let registers = (0..32u8).flat_map(|number| [number; 16]);
    record(0x4650_8001, &[1, 0, 0, 0, 2, 0, 0, 0].into_iter().chain(registers).collect::<Vec<u8>>())
}

#[test]
fn aarch64_signal_frames_have_all_vector_registers() {
    // Another record first; the scalable registers (vectors of 32 bytes) are elsewhere.
    let elsewhere = LOWER - 0x1_0000;
    let registers = (0..32u8).flat_map(|number| [number; 32]).chain([7; 17 * 4]);
    let scalable = record(0x5356_4501, &[32, 0, 0, 0, 0, 0, 0, 0].into_iter().chain(registers).collect::<Vec<u8>>());
    let extra = record(0x4558_4401, &[&elsewhere.to_le_bytes()[..], &[0; 16]].concat());
    let records = [record(0x4553_5201, &[0; 8]), fpsimd(), extra, vec![0; 8]];
    let stack = aarch64_signal(1, &records, Some((elsewhere, [scalable, vec![0; 8]].concat())));
    let interrupted = &stack.frames[2].registers;
    assert_eq!(interrupted.get(V8), Some(0x0808_0808_0808_0808));
    let vectors = interrupted.vectors.as_ref().unwrap();
    assert_eq!(vectors.bytes(64 + 31), Some(&[31; 16][..]));
    assert_eq!(vectors.bytes(96 + 31), Some(&[31; 32][..]));
    assert_eq!(vectors.special, [("cpsr", vec![0, 0, 0, 0x60, 0, 0, 0, 0])]);
    assert!(vectors.named.contains(&("fpcr", vec![2, 0, 0, 0])));
    // Its caller has the halves that calls preserve.
    let caller = &stack.frames[3].registers;
    assert!(caller.vectors.is_none());
    assert_eq!((caller.get(V8 + 1), caller.get(64)), (Some(0x0909_0909_0909_0909), None));
    assert_eq!(caller.get(46), Some(4));
}

#[test]
fn aarch64_signal_frames_that_are_none_say_nothing() {
    let sized = |size: u32| [&0x4553_5201u32.to_le_bytes()[..], &size.to_le_bytes()].concat();
    let circle = record(0x4558_4401, &(STACK + 16 + 128 + 176 + 8 + 8 * 35).to_le_bytes());
    for records in [
        vec![],
        vec![sized(0), fpsimd()],
        vec![sized(u32::MAX)],
        vec![fpsimd()[..500].to_vec()],
        vec![circle, vec![0; 8]],
    ] {
        let stack = aarch64_signal(1, &records, None);
        let interrupted = &stack.frames[2].registers;
        assert_eq!((interrupted.get(V8), interrupted.get(19)), (None, Some(19)));
        assert!(interrupted.vectors.is_none());
    }
}

/// An XSAVE area as the kernel puts it on the stack: `xmm0` all 1, the upper half of `ymm0` all 2.
fn xsave() -> Vec<u8> {
    let mut area = vec![0; 832];
    area[160..176].fill(1);
    area[576..592].fill(2);
    area[464..468].copy_from_slice(&0x4650_5853u32.to_le_bytes());
    area[468..472].copy_from_slice(&836u32.to_le_bytes());
    area[472] = 7;
    area[480..484].copy_from_slice(&832u32.to_le_bytes());
    area[512] = 7;
    area
}

fn x86_64_signal(area: Vec<u8>) -> Stack {
    let area_at = LOWER - 0x1000;
    let mut words = vec![0, RESTORER];
    words.extend([0; 20]);
    words.extend([LOWER, CODE + 0x10]);
    words.extend([0; 6]);
    words.push(area_at);
    let mut target = Target::new(Arch::X86_64, &words);
    target.eh_frame(plain_functions(&[CODE, CODE + 0x100, MAIN]).bytes);
    target.code(RESTORER, &[0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05]);
    target.map(area_at, area);
    target.map_words(LOWER, &[0, MAIN + 8]);
    let stack = target.unwind_from(CODE + 0x110, STACK);
    check(&stack, &[CODE + 0x110, RESTORER, CODE + 0x10, MAIN + 8], StackEnd::Complete);
    stack
}

#[test]
fn x86_64_signal_frames_have_all_vector_registers() {
    let stack = x86_64_signal(xsave());
    let interrupted = &stack.frames[2].registers;
    assert_eq!(interrupted.bytes(17), Some([[1; 16], [2; 16]].concat()));
    assert!(stack.frames[3].registers.vectors.is_none());
    // What is cut, or does not say how long it is, has the legacy registers alone.
    let mut plain = xsave();
    plain[464] = 0;
    let mut long = xsave();
    long[483] = 0xff;
    for area in [plain, long, xsave()[..600].to_vec()] {
        let stack = x86_64_signal(area);
        assert_eq!(stack.frames[2].registers.bytes(17), Some(vec![1; 16]));
    }
    assert_eq!(x86_64_signal(xsave()[..100].to_vec()).frames[2].registers.bytes(17), None);
}

#[test]
fn frames_of_scalable_size_are_stepped_over() {
    // As LLVM has it: CFA = sp + 8 * vg, x30 at CFA - 8; the caller's own frame is of that kind too.
    let cfa = [0x0f, 8, 0x8f, 0, 0x92, 46, 0, 0x38, 0x1e, 0x22, 0x9e, 1];
    let middle = CODE + 0x100;
    let assembler = Assembler::eh_frame(Arch::Aarch64)
        .cie(false, 30, &[0x0c, 31, 0])
        .function(CODE, 0x100, &cfa)
        .function(middle, 0x100, &cfa)
        .function(MAIN, 0x100, &[0x07, 30]);
    let mut target = Target::new(Arch::Aarch64, &[0, 0, 0, middle + 8, 0, 0, 0, MAIN + 8]);
    target.eh_frame(assembler.bytes);
    let stack = target.unwind(&[(32, CODE + 4), (31, STACK), (46, 4)], 10);
    check(&stack, &[CODE + 4, middle + 8, MAIN + 8], StackEnd::Complete);
    assert_eq!(stack.frames[2].trust, Trust::Cfi);
}
