//! A thread's registers: from a CONTEXT structure to the blocks that a core has (`pr_reg`, NT_FPREGSET), and back.
//!
//! Layouts: CONTEXT of minidump-common 0.27 (WinNT.h; Breakpad's older ARM64 context, which it still writes on Linux).

use minidump_common::format::{
    CONTEXT_AMD64, CONTEXT_ARM64, CONTEXT_ARM64_OLD, CONTEXT_X86, ContextFlagsAmd64, ContextFlagsArm64,
    ContextFlagsArm64Old, ContextFlagsCpu, ContextFlagsX86,
};
use scroll::{LE, Pread, Pwrite};

use crate::arch::{Arch, DwarfRegister, SavedWord, aarch64, i386, x86_64};

/// Registers as a core has them.
#[derive(Clone, Debug, Default)]
pub struct SavedRegisters {
    /// `pr_reg`. Registers that the context lacks are 0 here and named in `unknown`.
    pub general: Vec<u8>,
    /// NT_FPREGSET.
    pub floating: Vec<u8>,
    /// NT_PRXFPREG (i386).
    pub extended: Vec<u8>,
    /// Special registers that are not in the context.
    pub unknown: Vec<&'static str>,
}

/// Takes a context apart. `None` where it is cut, or another processor's.
pub fn decode(arch: Arch, context: &[u8], thread_pointer: Option<u64>) -> Option<SavedRegisters> {
    match arch {
        Arch::X86_64 => decode_amd64(context, thread_pointer),
        Arch::Aarch64 => decode_arm64(context),
        Arch::I386 => decode_x86(context),
    }
}

/// Puts a `pr_reg` block together of what `value` gives for each word.
fn saved(arch: Arch, value: impl Fn(SavedWord) -> Option<u64>) -> SavedRegisters {
    let mut registers = SavedRegisters::default();
    for word in arch.saved_words() {
        let found = value(*word);
        if let (SavedWord::Special(name), None) = (word, found) {
            registers.unknown.push(name);
        }
        registers.general.extend_from_slice(&found.unwrap_or(0).to_le_bytes()[..arch.address_size()]);
    }
    registers
}

fn decode_amd64(context: &[u8], thread_pointer: Option<u64>) -> Option<SavedRegisters> {
    let context: CONTEXT_AMD64 = context.pread_with(0, LE).ok()?;
    let flags = ContextFlagsAmd64::from_bits_truncate(context.context_flags);
    if !flags.contains(ContextFlagsAmd64::CONTEXT_AMD64_CONTROL) {
        return None;
    }
    let general = amd64_general(&context);
    let segments = flags.contains(ContextFlagsAmd64::CONTEXT_AMD64_SEGMENTS);
    let segment = |value: u16| Some(u64::from(value)).filter(|_| segments);
    let mut registers = saved(Arch::X86_64, |word| match word {
        SavedWord::General(number) => general.get(usize::from(number)).copied(),
        SavedWord::Special("cs") => Some(context.cs.into()),
        SavedWord::Special("eflags") => Some(context.eflags.into()),
        // A signal's context (ucontext) has no ss: the writer left 0, which no user's stack has.
        SavedWord::Special("ss") => Some(u64::from(context.ss)).filter(|ss| *ss != 0),
        SavedWord::Special("ds") => segment(context.ds),
        SavedWord::Special("es") => segment(context.es),
        SavedWord::Special("fs") => segment(context.fs),
        SavedWord::Special("gs") => segment(context.gs),
        SavedWord::Special("fs_base") => thread_pointer,
        SavedWord::Special(_) => None,
    });
    if flags.contains(ContextFlagsAmd64::CONTEXT_AMD64_FLOATING_POINT) {
        registers.floating = context.float_save.to_vec();
    }
    Some(registers)
}

/// The general registers by DWARF number.
fn amd64_general(context: &CONTEXT_AMD64) -> [u64; 17] {
    [
        context.rax,
        context.rdx,
        context.rcx,
        context.rbx,
        context.rsi,
        context.rdi,
        context.rbp,
        context.rsp,
        context.r8,
        context.r9,
        context.r10,
        context.r11,
        context.r12,
        context.r13,
        context.r14,
        context.r15,
        context.rip,
    ]
}

fn decode_arm64(context: &[u8]) -> Option<SavedRegisters> {
    let first: u64 = context.pread_with(0, LE).ok()?;
    let old = ContextFlagsCpu::from_flags(first as u32) == ContextFlagsCpu::CONTEXT_ARM64_OLD;
    let (iregs, sp, pc, cpsr, vectors, fpsr, fpcr, has_vectors) = if old {
        let context: CONTEXT_ARM64_OLD = context.pread_with(0, LE).ok()?;
        let flags = ContextFlagsArm64Old::from_bits_truncate(context.context_flags as u32);
        let floating = flags.contains(ContextFlagsArm64Old::CONTEXT_ARM64_OLD_FLOATING_POINT);
        let CONTEXT_ARM64_OLD { iregs, sp, pc, cpsr, float_regs, fpsr, fpcr, .. } = context;
        (iregs, sp, pc, cpsr, float_regs, fpsr, fpcr, floating)
    } else {
        let context: CONTEXT_ARM64 = context.pread_with(0, LE).ok()?;
        let flags = ContextFlagsArm64::from_bits_truncate(context.context_flags);
        if !flags.contains(ContextFlagsArm64::CONTEXT_ARM64_CONTROL) {
            return None;
        }
        let floating = flags.contains(ContextFlagsArm64::CONTEXT_ARM64_FLOATING_POINT);
        let CONTEXT_ARM64 { iregs, sp, pc, cpsr, float_regs, fpsr, fpcr, .. } = context;
        (iregs, sp, pc, cpsr, float_regs, fpsr, fpcr, floating)
    };
    let mut registers = saved(Arch::Aarch64, |word| match word {
        SavedWord::General(aarch64::SP) => Some(sp),
        SavedWord::General(aarch64::PC) => Some(pc),
        SavedWord::General(number) => iregs.get(usize::from(number)).copied(),
        SavedWord::Special(_) => Some(cpsr.into()),
    });
    if has_vectors {
        registers.floating = vectors.iter().flat_map(|vector| vector.to_le_bytes()).collect();
        registers.floating.extend_from_slice(&fpsr.to_le_bytes());
        registers.floating.extend_from_slice(&fpcr.to_le_bytes());
    }
    Some(registers)
}

fn decode_x86(context: &[u8]) -> Option<SavedRegisters> {
    let context: CONTEXT_X86 = context.pread_with(0, LE).ok()?;
    let flags = ContextFlagsX86::from_bits_truncate(context.context_flags);
    if !flags.contains(ContextFlagsX86::CONTEXT_X86_CONTROL) {
        return None;
    }
    let segments = flags.contains(ContextFlagsX86::CONTEXT_X86_SEGMENTS);
    let general = [
        context.eax,
        context.ecx,
        context.edx,
        context.ebx,
        context.esp,
        context.ebp,
        context.esi,
        context.edi,
        context.eip,
    ];
    let segment = |value: u32| Some(u64::from(value)).filter(|_| segments);
    let mut registers = saved(Arch::I386, |word| match word {
        SavedWord::General(number) => general.get(usize::from(number)).map(|value| u64::from(*value)),
        SavedWord::Special("cs") => Some(context.cs.into()),
        SavedWord::Special("eflags") => Some(context.eflags.into()),
        SavedWord::Special("ss") => Some(context.ss.into()),
        SavedWord::Special("ds") => segment(context.ds),
        SavedWord::Special("es") => segment(context.es),
        SavedWord::Special("fs") => segment(context.fs),
        SavedWord::Special("gs") => segment(context.gs),
        SavedWord::Special(_) => None,
    });
    if flags.contains(ContextFlagsX86::CONTEXT_X86_FLOATING_POINT) {
        let save = &context.float_save;
        let words = [
            save.control_word,
            save.status_word,
            save.tag_word,
            save.error_offset,
            save.error_selector,
            save.data_offset,
            save.data_selector,
        ];
        registers.floating = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        registers.floating.extend_from_slice(&save.register_area);
    }
    if flags.contains(ContextFlagsX86::CONTEXT_X86_EXTENDED_REGISTERS) {
        registers.extended = context.extended_registers.to_vec();
    }
    Some(registers)
}

/// What a context is made of: a register by DWARF number, by name, and the floating-point blocks.
pub struct Source<'a> {
    /// A general register.
    pub general: &'a dyn Fn(DwarfRegister) -> u64,
    /// Another register, where it is known.
    pub special: &'a dyn Fn(&str) -> Option<u64>,
    /// The FXSAVE area (x86) or `user_fpsimd_state` (aarch64); empty where there is none.
    pub floating: &'a [u8],
}

/// Puts a context together, as Crashpad does on Linux.
pub fn encode(arch: Arch, source: &Source<'_>) -> Vec<u8> {
    let special = |name: &str| (source.special)(name).unwrap_or(0);
    let general = |number: DwarfRegister| (source.general)(number);
    let has_floating = !source.floating.is_empty();
    let mut bytes = vec![0u8; 2048];
    let written = match arch {
        Arch::X86_64 => {
            let mut flags = ContextFlagsAmd64::CONTEXT_AMD64_CONTROL | ContextFlagsAmd64::CONTEXT_AMD64_INTEGER;
            if (source.special)("fs").is_some() {
                flags |= ContextFlagsAmd64::CONTEXT_AMD64_SEGMENTS;
            }
            let mut context = CONTEXT_AMD64 {
                cs: special("cs") as u16,
                ds: special("ds") as u16,
                es: special("es") as u16,
                fs: special("fs") as u16,
                gs: special("gs") as u16,
                ss: special("ss") as u16,
                eflags: special("eflags") as u32,
                rax: general(0),
                rdx: general(1),
                rcx: general(2),
                rbx: general(3),
                rsi: general(4),
                rdi: general(5),
                rbp: general(x86_64::RBP),
                rsp: general(x86_64::RSP),
                r8: general(8),
                r9: general(9),
                r10: general(10),
                r11: general(11),
                r12: general(12),
                r13: general(13),
                r14: general(14),
                r15: general(15),
                rip: general(x86_64::RIP),
                ..CONTEXT_AMD64::default()
            };
            if has_floating {
                flags |= ContextFlagsAmd64::CONTEXT_AMD64_FLOATING_POINT;
                let length = source.floating.len().min(context.float_save.len());
                context.float_save[..length].copy_from_slice(&source.floating[..length]);
                context.mx_csr = source.floating.pread_with(24, LE).unwrap_or(0);
            }
            context.context_flags = flags.bits();
            bytes.pwrite_with(context, 0, LE)
        }
        Arch::Aarch64 => {
            let mut flags = ContextFlagsArm64::CONTEXT_ARM64_CONTROL | ContextFlagsArm64::CONTEXT_ARM64_INTEGER;
            let mut context = CONTEXT_ARM64 {
                cpsr: special("cpsr") as u32,
                sp: general(aarch64::SP),
                pc: general(aarch64::PC),
                ..CONTEXT_ARM64::default()
            };
            for (number, register) in context.iregs.iter_mut().enumerate() {
                *register = general(number as DwarfRegister);
            }
            if has_floating {
                flags |= ContextFlagsArm64::CONTEXT_ARM64_FLOATING_POINT;
                for (register, chunk) in context.float_regs.iter_mut().zip(source.floating.chunks_exact(16)) {
                    *register = chunk.pread_with(0, LE).unwrap_or(0);
                }
                context.fpsr = source.floating.pread_with(512, LE).unwrap_or(0);
                context.fpcr = source.floating.pread_with(516, LE).unwrap_or(0);
            }
            context.context_flags = flags.bits();
            bytes.pwrite_with(context, 0, LE)
        }
        Arch::I386 => {
            let mut flags = ContextFlagsX86::CONTEXT_X86_FULL;
            let mut context = CONTEXT_X86 {
                gs: special("gs") as u32,
                fs: special("fs") as u32,
                es: special("es") as u32,
                ds: special("ds") as u32,
                edi: general(7) as u32,
                esi: general(6) as u32,
                ebx: general(3) as u32,
                edx: general(2) as u32,
                ecx: general(1) as u32,
                eax: general(0) as u32,
                ebp: general(i386::EBP) as u32,
                eip: general(i386::EIP) as u32,
                cs: special("cs") as u32,
                eflags: special("eflags") as u32,
                esp: general(i386::ESP) as u32,
                ss: special("ss") as u32,
                ..CONTEXT_X86::default()
            };
            if has_floating {
                flags |= ContextFlagsX86::CONTEXT_X86_EXTENDED_REGISTERS;
                let length = source.floating.len().min(context.extended_registers.len());
                context.extended_registers[..length].copy_from_slice(&source.floating[..length]);
            }
            context.context_flags = flags.bits();
            bytes.pwrite_with(context, 0, LE)
        }
    };
    // 2048 bytes hold the largest of them (1232).
    bytes.truncate(written.unwrap_or(0));
    bytes
}
