//! Vector registers of what a signal interrupted: the kernel puts them beside the general ones, and the call frame
//! information of trampolines does not speak of them.
//!
//! | | where |
//! |---|---|
//! | aarch64 | records of (magic, size) in `__reserved` of `struct sigcontext`, which may go on elsewhere (`extra_context`) |
//! | x86-64, i386 | an XSAVE area to which `fpstate` of `struct sigcontext` points |
//!
//! Linux 6.12, arch/arm64/include/uapi/asm/sigcontext.h and arch/x86/include/uapi/asm/sigcontext.h.

use std::sync::{Arc, LazyLock};

use super::signal_frame::Trampoline;
use super::stack_reader::StackReader;
use crate::arch::xsave::{self, FloatingNotes};
use crate::arch::{LazyVectorRegisters, Registers, VectorRegisters, aarch64};

/// Records that are looked at. The kernel writes fewer than 12.
const MAX_RECORDS: usize = 32;
/// Bytes of the largest record: `sve_context` with vectors of 256 bytes.
const MAX_RECORD: u64 = 16 << 10;
/// Bytes of the largest XSAVE area that is read.
const MAX_XSAVE: usize = 16 << 10;

/// Adds what the frame has of these registers; `context` is where the general ones are in the `struct sigcontext`, after
/// `fault_address` on aarch64. Nothing where the frame is not understood.
pub(super) fn add(trampoline: Trampoline, context: u64, registers: &mut Registers, reader: &mut StackReader<'_>) {
    match trampoline {
        Trampoline::Aarch64 => add_aarch64(context, registers, reader),
        Trampoline::X86_64 => add_x86(context.wrapping_add(X86_64_FPSTATE), 0, registers, reader),
        Trampoline::I386 { .. } | Trampoline::I386Rt => {
            add_x86(context.wrapping_add(I386_FPSTATE), I386_FXSAVE, registers, reader);
        }
    }
}

fn lazily(decode: impl FnOnce() -> VectorRegisters + Send + 'static) -> Option<Arc<LazyVectorRegisters>> {
    Some(Arc::new(LazyLock::new(Box::new(decode))))
}

/// From `regs` to `pstate`: 31 registers, `sp` and `pc` are before it.
const PSTATE: u64 = 33 * 8;
/// From `regs` to `__reserved`, which is aligned by 16.
const RESERVED: u64 = 288 - 8;
/// `FPSIMD_MAGIC`: header, `fpsr`, `fpcr`, 32 registers of 16 bytes.
const FPSIMD: u64 = 0x4650_8001;
const FPSIMD_SIZE: usize = 16 + 32 * 16;
/// `SVE_MAGIC`: header, `vl`, flags, 4 reserved bytes; the registers, if it is longer than these 16 bytes.
const SVE: u64 = 0x5356_4501;
const SVE_HEADER: usize = 16;
/// `EXTRA_MAGIC`: header, the address where the records go on.
const EXTRA: u64 = 0x4558_4401;

fn add_aarch64(context: u64, registers: &mut Registers, reader: &mut StackReader<'_>) {
    let pstate = reader.word(context.wrapping_add(PSTATE)).ok();
    let (mut floating, mut sve) = (None, None);
    let mut at = context.wrapping_add(RESERVED);
    let mut elsewhere = None;
    for _ in 0..MAX_RECORDS {
        let (Ok(magic), Ok(size)) = (reader.uint(at, 4), reader.uint(at.wrapping_add(4), 4)) else { break };
        if magic == 0 {
            let Some(next) = elsewhere.take() else { break };
            at = next;
            continue;
        }
        if !(8..=MAX_RECORD).contains(&size) {
            break;
        }
        match magic {
            FPSIMD if floating.is_none() && size >= FPSIMD_SIZE as u64 => {
                floating = reader.bytes(at, FPSIMD_SIZE).ok().map(|record| floating_note(&record));
            }
            SVE if sve.is_none() && size >= SVE_HEADER as u64 => {
                sve = reader.bytes(at, size as usize).ok().map(scalable_note);
            }
            EXTRA if size >= 16 => elsewhere = reader.word(at.wrapping_add(8)).ok(),
            _ => {}
        }
        at = at.wrapping_add(size);
    }
    // The kernel always writes this one: without it, these were no records.
    let Some(floating) = floating else { return };
    let followed = aarch64::followed_values(Some(&floating), sve.as_deref());
    followed.for_each(|(register, value)| registers.set(register, value));
    registers.vectors = lazily(move || {
        let mut vectors = VectorRegisters::default();
        vectors.special.extend(pstate.map(|pstate| ("cpsr", pstate.to_le_bytes().to_vec())));
        aarch64::decode_floating(&floating, &mut vectors);
        aarch64::decode_sve(&sve.unwrap_or_default(), &mut vectors);
        vectors
    });
}

/// A `fpsimd_context` as NT_FPREGSET has it: the registers before `fpsr` and `fpcr`.
fn floating_note(record: &[u8]) -> Vec<u8> {
    let (control, vectors) = record.get(8..).unwrap_or_default().split_at_checked(8).unwrap_or_default();
    [vectors, control].concat()
}

/// A `sve_context` as NT_ARM_SVE has it: `vl` is at byte 8 in both, the flags at 12 say there that the registers follow.
fn scalable_note(mut record: Vec<u8>) -> Vec<u8> {
    let whole = record.len() > SVE_HEADER;
    if let Some(flags) = record.get_mut(12..SVE_HEADER) {
        flags.copy_from_slice(&[u8::from(whole), 0, 0, 0]);
    }
    record
}

/// From `r8` in `struct sigcontext_64`, and from its start in `struct sigcontext_32`, to `fpstate`.
const X86_64_FPSTATE: u64 = 184;
const I386_FPSTATE: u64 = 76;
/// What FSAVE stored, in `struct _fpstate_32`, before the FXSAVE area.
const I386_FXSAVE: u64 = 112;
/// Bytes of the FXSAVE area; `struct _fpx_sw_bytes` in it: magic, (size with the magic behind the XSAVE area),
/// components (8 bytes), size of the XSAVE area.
const FXSAVE: usize = 512;
const SOFTWARE: usize = 464;
/// `FP_XSTATE_MAGIC1`.
const XSTATE_MAGIC: u64 = 0x4650_5853;

fn add_x86(pointer: u64, fxsave_at: u64, registers: &mut Registers, reader: &mut StackReader<'_>) {
    let Some(start) = reader.word(pointer).ok().filter(|start| *start != 0) else { return };
    // The upper half of the word behind FSAVE's registers is 0 where an FXSAVE area follows.
    let has_fxsave = fxsave_at == 0
        || start.checked_add(fxsave_at - 2).is_some_and(|magic| reader.uint(magic, 2).is_ok_and(|magic| magic == 0));
    let Some(start) = start.checked_add(fxsave_at).filter(|_| has_fxsave) else { return };
    let Ok(mut area) = reader.bytes(start, FXSAVE) else { return };
    let field = |area: &[u8], at: usize| area.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
    let size = field(&area, SOFTWARE + 16).map_or(0, |size| size as usize);
    let extended = field(&area, SOFTWARE).is_some_and(|magic| u64::from(magic) == XSTATE_MAGIC);
    if extended && (FXSAVE + 64..=MAX_XSAVE).contains(&size) {
        area = reader.bytes(start, size).unwrap_or(area);
        // NT_X86_XSTATE has the components where the kernel puts its magic here.
        area.copy_within(SOFTWARE + 8..SOFTWARE + 16, SOFTWARE);
    }
    let arch = registers.arch();
    registers.vectors = lazily(move || {
        let mut vectors = VectorRegisters::default();
        let xstate = Some(area.as_slice()).filter(|area| area.len() > FXSAVE);
        let notes = FloatingNotes { fxsave: area.get(..FXSAVE), xstate, ..FloatingNotes::default() };
        xsave::decode_floating(arch, notes, &mut vectors);
        vectors
    });
}
