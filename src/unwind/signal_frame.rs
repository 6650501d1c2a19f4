//! Signal trampolines: recognised by their instructions, undone by the kernel's layout.
//!
//! When a handler returns, it returns into a few instructions that call `rt_sigreturn` (libc's restorer, or the
//! vDSO's). At that point the stack pointer stands at what the kernel pushed, and the interrupted code's registers are
//! in it, all of them exact. The vector registers are [`super::signal_vectors`]' matter.

use super::row::truncate;
use super::signal_vectors;
use super::stack_reader::StackReader;
use crate::addr::RunAddr;
use crate::arch::{Arch, DwarfRegister, GENERAL_COUNT, Registers};
use crate::memory::{Memory, ReadError};

/// A trampoline, and how far into it the pc is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trampoline {
    /// x86-64 `rt_sigreturn`: the stack pointer is at the `struct ucontext`.
    X86_64,
    /// arm64 `rt_sigreturn`: the stack pointer is at the `struct rt_sigframe`.
    Aarch64,
    /// i386 `sigreturn`; whether its `pop %eax` is still to come.
    I386 { before_pop: bool },
    /// i386 `rt_sigreturn`.
    I386Rt,
}

/// (instructions, offsets of instructions in them, what they are).
type Pattern = (&'static [u8], &'static [(u64, Trampoline)]);

const X86_64: &[Pattern] = &[
    // mov $15, %rax; syscall
    (
        &[0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05],
        &[(0, Trampoline::X86_64), (7, Trampoline::X86_64), (9, Trampoline::X86_64)],
    ),
    // mov $15, %eax; syscall
    (&[0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05], &[(0, Trampoline::X86_64), (5, Trampoline::X86_64), (7, Trampoline::X86_64)]),
];

const AARCH64: &[Pattern] = &[
    // mov x8, #139; svc #0
    (&[0x68, 0x11, 0x80, 0xd2, 0x01, 0, 0, 0xd4], &[(0, Trampoline::Aarch64), (4, Trampoline::Aarch64)]),
];

const I386: &[Pattern] = &[
    // pop %eax; mov $119, %eax; int $0x80
    (
        &[0x58, 0xb8, 0x77, 0, 0, 0, 0xcd, 0x80],
        &[
            (0, Trampoline::I386 { before_pop: true }),
            (1, Trampoline::I386 { before_pop: false }),
            (6, Trampoline::I386 { before_pop: false }),
        ],
    ),
    // mov $173, %eax; int $0x80
    (&[0xb8, 0xad, 0, 0, 0, 0xcd, 0x80], &[(0, Trampoline::I386Rt), (5, Trampoline::I386Rt)]),
];

/// What trampoline `pc` is in, judged by the instructions around it.
pub(super) fn recognise(arch: Arch, memory: &dyn Memory, pc: u64) -> Option<Trampoline> {
    let patterns = match arch {
        Arch::X86_64 => X86_64,
        Arch::Aarch64 => AARCH64,
        Arch::I386 => I386,
    };
    for (instructions, places) in patterns {
        for (offset, trampoline) in *places {
            let mut bytes = [0; 16];
            let bytes = &mut bytes[..instructions.len()];
            let Some(start) = pc.checked_sub(*offset) else { continue };
            if memory.read(RunAddr(start), bytes).is_ok() && bytes == *instructions {
                return Some(*trampoline);
            }
        }
    }
    None
}

/// Where `struct sigcontext` has each register, as (DWARF number, offset).
type Layout = &'static [(DwarfRegister, u64)];

/// `struct sigcontext_64`, Linux arch/x86/include/uapi/asm/sigcontext.h.
const X86_64_SIGCONTEXT: Layout = &[
    (8, 0),
    (9, 8),
    (10, 16),
    (11, 24),
    (12, 32),
    (13, 40),
    (14, 48),
    (15, 56),
    (5, 64),
    (4, 72),
    (6, 80),
    (3, 88),
    (1, 96),
    (0, 104),
    (2, 112),
    (7, 120),
    (16, 128),
];
/// `uc_mcontext` in `struct ucontext`, Linux include/uapi/asm-generic/ucontext.h: after uc_flags, uc_link, uc_stack.
const X86_64_MCONTEXT: u64 = 40;

/// `regs[31]`, `sp`, `pc` follow one another in `struct sigcontext`, Linux arch/arm64/include/uapi/asm/sigcontext.h,
/// after `fault_address`. Before it: `struct siginfo` (128 bytes, `struct rt_sigframe` in arch/arm64/kernel/signal.c)
/// and, in `struct ucontext`, uc_flags, uc_link, uc_stack (40 bytes), the signal mask (128), alignment to 16.
const AARCH64_REGISTERS: u64 = 128 + 176 + 8;
const AARCH64_SIGCONTEXT: Layout = &{
    let mut layout = [(0, 0); GENERAL_COUNT];
    let mut register = 0;
    while register < GENERAL_COUNT {
        layout[register] = (register as DwarfRegister, 8 * register as u64);
        register += 1;
    }
    layout
};

/// `struct sigcontext_32`, Linux arch/x86/include/uapi/asm/sigcontext.h.
const I386_SIGCONTEXT: Layout = &[(7, 16), (6, 20), (5, 24), (4, 28), (3, 32), (2, 36), (1, 40), (0, 44), (8, 56)];
/// `uc_mcontext` in the 32-bit `struct ucontext`.
const I386_MCONTEXT: u64 = 20;
/// `puc` seen from `sig` in `struct rt_sigframe_ia32`, Linux arch/x86/include/asm/sigframe.h.
const I386_PUC: u64 = 8;

/// The interrupted code's registers. `None` where the stack pointer is not known.
pub(super) fn interrupted(
    trampoline: Trampoline,
    registers: &Registers,
    reader: &mut StackReader<'_>,
) -> Option<Result<Registers, ReadError>> {
    Some(read_interrupted(trampoline, registers, registers.sp()?, reader))
}

fn read_interrupted(
    trampoline: Trampoline,
    registers: &Registers,
    sp: u64,
    reader: &mut StackReader<'_>,
) -> Result<Registers, ReadError> {
    let mut result = Registers::new(registers.arch());
    result.thread_pointer = registers.thread_pointer;
    result.signature_mask = registers.signature_mask;
    let (context, layout) = context(trampoline, sp, reader)?;
    for (register, offset) in layout {
        let address = truncate(registers.arch(), context.wrapping_add(*offset));
        result.set(*register, reader.word(address)?);
    }
    signal_vectors::add(trampoline, truncate(registers.arch(), context), &mut result, reader);
    Ok(result)
}

/// Where the kernel saved each register of the interrupted code; `sp` is the stack pointer in the trampoline.
pub(super) fn places(
    trampoline: Trampoline,
    arch: Arch,
    sp: u64,
    reader: &mut StackReader<'_>,
) -> Result<impl Iterator<Item = (DwarfRegister, u64)> + use<>, ReadError> {
    let (context, layout) = context(trampoline, sp, reader)?;
    Ok(layout.iter().map(move |(register, offset)| (*register, truncate(arch, context.wrapping_add(*offset)))))
}

/// Where `layout`'s registers are counted from.
fn context(trampoline: Trampoline, sp: u64, reader: &mut StackReader<'_>) -> Result<(u64, Layout), ReadError> {
    Ok(match trampoline {
        Trampoline::Aarch64 => (sp.wrapping_add(AARCH64_REGISTERS), AARCH64_SIGCONTEXT),
        Trampoline::X86_64 => (sp.wrapping_add(X86_64_MCONTEXT), X86_64_SIGCONTEXT),
        Trampoline::I386 { before_pop } => (sp.wrapping_add(if before_pop { 4 } else { 0 }), I386_SIGCONTEXT),
        Trampoline::I386Rt => {
            let ucontext = reader.word(sp.wrapping_add(I386_PUC))?;
            (ucontext.wrapping_add(I386_MCONTEXT), I386_SIGCONTEXT)
        }
    })
}
