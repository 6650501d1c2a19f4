//! Call instructions, seen from the return address behind them.

use crate::addr::RunAddr;
use crate::arch::Arch;
use crate::memory::Memory;

/// The call before a return address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Call {
    /// To this address.
    Direct(u64),
    /// To wherever a register or a memory operand said.
    Indirect,
}

/// The call instruction that ends at `return_address`, if the bytes before it are one.
pub(super) fn call_before(arch: Arch, memory: &dyn Memory, return_address: u64) -> Option<Call> {
    match arch {
        Arch::X86_64 | Arch::I386 => x86_call(arch, memory, return_address),
        Arch::Aarch64 => aarch64_call(memory, return_address),
    }
}

/// `bl` and `blr` with its authenticating forms: Arm ARM (DDI 0487), C4.1, "unconditional branch (immediate)" and
/// "unconditional branch (register)".
fn aarch64_call(memory: &dyn Memory, return_address: u64) -> Option<Call> {
    if return_address & 3 != 0 {
        return None;
    }
    let at = return_address.checked_sub(4)?;
    let word = memory.read_uint(RunAddr(at), 4).ok()? as u32;
    if word & 0xfc00_0000 == 0x9400_0000 {
        let offset = i64::from((word << 6) as i32 >> 6) * 4;
        return Some(Call::Direct(at.wrapping_add_signed(offset)));
    }
    (word & 0xfeff_f000 == 0xd63f_0000).then_some(Call::Indirect)
}

/// `e8 rel32` and `ff /2`: Intel SDM volume 2, CALL; lengths of the operand after table 2-2 and 2-3 (ModRM, SIB).
fn x86_call(arch: Arch, memory: &dyn Memory, return_address: u64) -> Option<Call> {
    let start = return_address.checked_sub(7)?;
    let mut bytes = [0; 7];
    // At a mapping's start fewer bytes may be there; a call that long cannot be then.
    let known = (0..6).find(|skip| memory.read(RunAddr(start + *skip as u64), &mut bytes[*skip..]).is_ok())?;
    if known <= 2 && bytes[2] == 0xe8 {
        let offset = i32::from_le_bytes([bytes[3], bytes[4], bytes[5], bytes[6]]);
        let target = return_address.wrapping_add_signed(i64::from(offset));
        return Some(Call::Direct(super::row::truncate(arch, target)));
    }
    let indirect = (2..=7usize).any(|length| {
        let at = 7 - length;
        known <= at && bytes[at] == 0xff && x86_indirect_call_length(bytes[at + 1], bytes.get(at + 2)) == Some(length)
    });
    indirect.then_some(Call::Indirect)
}

/// The length of `ff /2` with this ModRM (and SIB) byte.
fn x86_indirect_call_length(modrm: u8, sib: Option<&u8>) -> Option<usize> {
    if modrm >> 3 & 7 != 2 {
        return None;
    }
    let (mode, operand) = (modrm >> 6, modrm & 7);
    if mode == 3 {
        return Some(2);
    }
    let with_sib = operand == 4;
    let displacement = match mode {
        0 if operand == 5 || with_sib && sib? & 7 == 5 => 4,
        0 => 0,
        1 => 1,
        _ => 4,
    };
    Some(2 + usize::from(with_sib) + displacement)
}

/// Whether the instructions at `pc` are a PLT stub, which jumps on without touching the stack or a register that a
/// call preserves: x86 `[endbr] [bnd] jmp *slot`; aarch64 `[bti c] adrp x16; ldr x17; add x16; [autia1716] br x17`
/// (SysVABI64 2023Q3, and binutils' `elfnn-aarch64.c`, elfNN_aarch64_small_plt_*).
pub(super) fn is_plt_stub(arch: Arch, memory: &dyn Memory, pc: u64) -> bool {
    if arch == Arch::Aarch64 {
        return is_aarch64_plt_stub(memory, pc).unwrap_or(false);
    }
    let mut bytes = [0; 7];
    if memory.read(RunAddr(pc), &mut bytes).is_err() {
        return false;
    }
    let mut rest = bytes.as_slice();
    if let Some(after) = rest.strip_prefix(&[0xf3, 0x0f, 0x1e]) {
        rest = &after[1..];
    }
    rest = rest.strip_prefix(&[0xf2]).unwrap_or(rest);
    // jmp *disp32 (relative to rip on x86-64); i386 position-independent: jmp *disp32(%ebx).
    rest.starts_with(&[0xff, 0x25]) || arch == Arch::I386 && rest.starts_with(&[0xff, 0xa3])
}

fn is_aarch64_plt_stub(memory: &dyn Memory, pc: u64) -> Option<bool> {
    const BTI_C: u32 = 0xd503_245f;
    const AUTIA1716: u32 = 0xd503_219f;
    const BR_X17: u32 = 0xd61f_0220;
    let word = |index: u64| Some(memory.read_uint(RunAddr(pc.checked_add(4 * index)?), 4).ok()? as u32);
    let start = u64::from(word(0)? == BTI_C);
    // `adrp x16, page`; `ldr x17, [x16, #offset]`; `add x16, x16, #offset`.
    let loads = word(start)? & 0x9f00_001f == 0x9000_0010
        && word(start + 1)? & 0xffc0_03ff == 0xf940_0211
        && word(start + 2)? & 0xff80_03ff == 0x9100_0210;
    let jump = word(start + 3)?;
    Some(loads && (jump == BR_X17 || jump == AUTIA1716 && word(start + 4)? == BR_X17))
}
