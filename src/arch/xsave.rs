//! The x87, MMX, SSE, AVX and AVX-512 registers of both x86 architectures, out of a core's notes.
//!
//! | note | holds |
//! |---|---|
//! | NT_FPREGSET (x86-64), NT_PRXFPREG (i386) | the 512-byte FXSAVE area |
//! | NT_FPREGSET (i386) | `user_i387_struct`, as FSAVE stores it: x87 only |
//! | NT_X86_XSTATE | the uncompacted XSAVE area: FXSAVE area, header, components |
//! | NT_X86_XSAVE_LAYOUT (Linux 6.12) | where the components are |
//!
//! Layouts: Intel SDM volume 1, sections 10.5.1 (FXSAVE), 13.4 (XSAVE); Linux keeps XCR0 at byte 464 of the area
//! (arch/x86/include/uapi/asm/sigcontext.h, `_fpx_sw_bytes` and `user_xstateregs`).

use super::{Arch, DwarfRegister, VectorRegisters};
use crate::order::Order;

const ST_NAMES: [&str; 8] = ["st0", "st1", "st2", "st3", "st4", "st5", "st6", "st7"];
const MM_NAMES: [&str; 8] = ["mm0", "mm1", "mm2", "mm3", "mm4", "mm5", "mm6", "mm7"];
const K_NAMES: [&str; 8] = ["k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"];
const XMM_NAMES: [&str; 32] = [
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",
    "xmm14", "xmm15", "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25",
    "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31",
];
const YMM_NAMES: [&str; 32] = [
    "ymm0", "ymm1", "ymm2", "ymm3", "ymm4", "ymm5", "ymm6", "ymm7", "ymm8", "ymm9", "ymm10", "ymm11", "ymm12", "ymm13",
    "ymm14", "ymm15", "ymm16", "ymm17", "ymm18", "ymm19", "ymm20", "ymm21", "ymm22", "ymm23", "ymm24", "ymm25",
    "ymm26", "ymm27", "ymm28", "ymm29", "ymm30", "ymm31",
];
const ZMM_NAMES: [&str; 32] = [
    "zmm0", "zmm1", "zmm2", "zmm3", "zmm4", "zmm5", "zmm6", "zmm7", "zmm8", "zmm9", "zmm10", "zmm11", "zmm12", "zmm13",
    "zmm14", "zmm15", "zmm16", "zmm17", "zmm18", "zmm19", "zmm20", "zmm21", "zmm22", "zmm23", "zmm24", "zmm25",
    "zmm26", "zmm27", "zmm28", "zmm29", "zmm30", "zmm31",
];

/// The notes of one thread that hold such registers.
#[derive(Clone, Copy, Debug, Default)]
pub struct FloatingNotes<'a> {
    /// The FXSAVE area: NT_FPREGSET on x86-64, NT_PRXFPREG on i386.
    pub fxsave: Option<&'a [u8]>,
    /// i386's NT_FPREGSET.
    pub fsave: Option<&'a [u8]>,
    /// NT_X86_XSTATE.
    pub xstate: Option<&'a [u8]>,
    /// NT_X86_XSAVE_LAYOUT.
    pub layout: Option<&'a [u8]>,
}

/// First DWARF numbers: psABIs, AMD64 1.0 figure 3.36; Intel386 1.1 table 2.14.
struct Numbers {
    st: DwarfRegister,
    xmm: DwarfRegister,
    mm: DwarfRegister,
    xmm_count: usize,
}

/// DWARF number of `xmm16` (x86-64).
const XMM16: DwarfRegister = 67;
/// DWARF number of `k0` (x86-64; i386 has 93).
const K0: DwarfRegister = 118;
const K0_I386: DwarfRegister = 93;

/// Adds what the notes hold; what they lack is left out.
///
/// The legacy part is taken from the FXSAVE note before the XSTATE note, as kernels before 5.8 left those parts of
/// XSTATE that the process had never used uninitialised.
pub fn decode_floating(arch: Arch, notes: FloatingNotes<'_>, into: &mut VectorRegisters) {
    let numbers = match arch {
        Arch::I386 => Numbers { st: 11, xmm: 21, mm: 29, xmm_count: 8 },
        _ => Numbers { st: 33, xmm: 17, mm: 41, xmm_count: 16 },
    };
    let full = |note: &&[u8]| note.len() >= 416;
    if let Some(area) = notes.fxsave.filter(full).or(notes.xstate.filter(full)) {
        decode_fxsave(arch, area, &numbers, into);
        if let Some(xstate) = notes.xstate {
            decode_upper(arch, area, xstate, notes.layout, &numbers, into);
        }
    } else if let Some(area) = notes.fsave {
        decode_fsave(area, &numbers, into);
    }
    into.numbered.order_by_key(|(number, ..)| *number);
}

fn bytes(area: &[u8], at: usize, length: usize) -> Option<Vec<u8>> {
    area.get(at..at.checked_add(length)?).map(<[u8]>::to_vec)
}

fn word(area: &[u8], at: usize, length: usize) -> Option<u64> {
    let mut value = [0; 8];
    value.get_mut(..length)?.copy_from_slice(area.get(at..at.checked_add(length)?)?);
    Some(u64::from_le_bytes(value))
}

fn decode_fxsave(arch: Arch, area: &[u8], numbers: &Numbers, into: &mut VectorRegisters) {
    // (name, offset, bytes). `ftag` is the one byte that FXSAVE keeps: a bit for each register that is in use.
    // `fip` and `fdp` are the whole 64-bit pointers of which the 32-bit forms show two halves.
    const CONTROL: [(&str, usize, usize); 12] = [
        ("fctrl", 0, 2),
        ("fstat", 2, 2),
        ("ftag", 4, 2),
        ("fop", 6, 2),
        ("fiseg", 12, 4),
        ("fioff", 8, 4),
        ("foseg", 20, 4),
        ("fooff", 16, 4),
        ("fip", 8, 8),
        ("fdp", 16, 8),
        ("mxcsr", 24, 4),
        ("mxcsrmask", 28, 4),
    ];
    for (name, at, length) in CONTROL {
        if arch == Arch::I386 && matches!(name, "fip" | "fdp") {
            continue;
        }
        let Some(mut value) = bytes(area, at, length) else { continue };
        match name {
            "ftag" => value[1] = 0,
            // The segment is 16 bits in the 32-bit form, the rest reserved.
            "fiseg" | "foseg" if arch == Arch::I386 => value[2..].fill(0),
            _ => {}
        }
        into.named.push((name, value));
    }
    let top = word(area, 2, 2).map_or(0, |status| (status >> 11 & 7) as usize);
    for index in 0..8 {
        if let Some(value) = bytes(area, 32 + 16 * index, 10) {
            push_x87(index, top, value, numbers, into);
        }
    }
    for (index, (name, number)) in XMM_NAMES.into_iter().zip(numbers.xmm..).take(numbers.xmm_count).enumerate() {
        into.numbered.extend(bytes(area, 160 + 16 * index, 16).map(|value| (number, name, value)));
    }
}

/// st(index), and the MMX register that is its lower 8 bytes: those are numbered from the bottom of the register
/// file, where st(0) is at `top`.
fn push_x87(index: usize, top: usize, value: Vec<u8>, numbers: &Numbers, into: &mut VectorRegisters) {
    let physical = (index + top) % 8;
    into.numbered.push((numbers.mm + physical as DwarfRegister, MM_NAMES[physical], value[..8].to_vec()));
    into.numbered.push((numbers.st + index as DwarfRegister, ST_NAMES[index], value));
}

/// `struct user_i387_struct` (Linux 6.1, arch/x86/include/asm/user_32.h): seven 4-byte words, then 8 times 10 bytes.
fn decode_fsave(area: &[u8], numbers: &Numbers, into: &mut VectorRegisters) {
    const CONTROL: [(&str, usize, usize); 8] = [
        ("fctrl", 0, 2),
        ("fstat", 4, 2),
        ("ftag", 8, 2),
        ("fop", 18, 2),
        ("fiseg", 16, 2),
        ("fioff", 12, 4),
        ("foseg", 24, 2),
        ("fooff", 20, 4),
    ];
    for (name, at, length) in CONTROL {
        into.named.extend(bytes(area, at, length).map(|value| (name, value)));
    }
    let top = word(area, 4, 2).map_or(0, |status| (status >> 11 & 7) as usize);
    for index in 0..8 {
        if let Some(value) = bytes(area, 28 + 10 * index, 10) {
            push_x87(index, top, value, numbers, into);
        }
    }
}

/// XSAVE state components (Intel SDM volume 1, section 13.1).
const AVX: u32 = 2;
const OPMASK: u32 = 5;
const ZMM_UPPER: u32 = 6;
const ZMM_16_TO_31: u32 = 7;

/// The part of the XSAVE area beyond the legacy one.
struct Extended<'a> {
    area: &'a [u8],
    layout: Option<&'a [u8]>,
    /// XCR0: the components that the system saves.
    enabled: u64,
    /// XSTATE_BV: those that are not in their initial state, which is zero.
    in_use: u64,
}

impl Extended<'_> {
    /// Where the component is: said by the layout note, else inferred from the area's size, as two processor makers
    /// lay AVX-512 out differently (Intel left room for MPX). `None` where that is not certain.
    fn offset(&self, component: u32) -> Option<usize> {
        if let Some(layout) = self.layout {
            // struct x86_xfeat_component (Linux 6.12, arch/x86/include/uapi/asm/elf.h): type, size, offset, flags.
            let mut entries = layout.chunks_exact(16);
            let entry = entries.find(|entry| word(entry, 0, 4) == Some(u64::from(component)))?;
            return word(entry, 8, 4).map(|offset| offset as usize);
        }
        let with_mpx = match self.area.len() {
            2688 | 2696 => true,
            2432 | 2440 => false,
            _ => return (component == AVX).then_some(576),
        };
        match component {
            AVX => Some(576),
            OPMASK => Some(if with_mpx { 1088 } else { 832 }),
            ZMM_UPPER => Some(if with_mpx { 1152 } else { 896 }),
            ZMM_16_TO_31 => Some(if with_mpx { 1664 } else { 1408 }),
            _ => None,
        }
    }

    /// `length` bytes of the component's register `index`; zeros where it is in its initial state.
    fn register(&self, component: u32, index: usize, length: usize) -> Option<Vec<u8>> {
        if self.enabled >> component & 1 == 0 {
            return None;
        }
        if self.in_use >> component & 1 == 0 {
            return Some(vec![0; length]);
        }
        bytes(self.area, self.offset(component)?.checked_add(index * length)?, length)
    }
}

fn decode_upper(
    arch: Arch,
    legacy: &[u8],
    xstate: &[u8],
    layout: Option<&[u8]>,
    numbers: &Numbers,
    into: &mut VectorRegisters,
) {
    let (Some(enabled), Some(in_use)) = (word(xstate, 464, 8), word(xstate, 512, 8)) else { return };
    // An area without XCR0 says by XSTATE_BV alone what it holds.
    let enabled = if enabled == 0 { in_use } else { enabled };
    let extended = Extended { area: xstate, layout, enabled, in_use };
    let mut zmm = Vec::new();
    for index in 0..numbers.xmm_count {
        let Some(mut value) = bytes(legacy, 160 + 16 * index, 16) else { continue };
        let Some(upper) = extended.register(AVX, index, 16) else { continue };
        let number = numbers.xmm + index as DwarfRegister;
        value.extend(upper);
        into.wide.push((number, YMM_NAMES[index], value.clone()));
        if let Some(upper) = extended.register(ZMM_UPPER, index, 32) {
            value.extend(upper);
            zmm.push((number, ZMM_NAMES[index], value));
        }
    }
    if arch == Arch::X86_64 {
        for (index, number) in (16..32).zip(XMM16..) {
            let Some(value) = extended.register(ZMM_16_TO_31, index - 16, 64) else { continue };
            into.numbered.push((number, XMM_NAMES[index], value[..16].to_vec()));
            into.wide.push((number, YMM_NAMES[index], value[..32].to_vec()));
            zmm.push((number, ZMM_NAMES[index], value));
        }
    }
    into.wide.append(&mut zmm);
    let k0 = if arch == Arch::I386 { K0_I386 } else { K0 };
    for (index, number) in (0..8).zip(k0..) {
        if let Some(value) = extended.register(OPMASK, index, 8) {
            into.numbered.push((number, K_NAMES[index], value));
        }
    }
}

#[cfg(test)]
#[path = "xsave_tests.rs"]
mod tests;
