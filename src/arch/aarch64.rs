//! AArch64: DWARF for the Arm 64-bit Architecture (AADWARF64 2023Q3), section 4.1; AAPCS64 section 6.1.1.

use super::{DwarfRegister, RegisterName, SavedWord, VectorRegisters};

/// DWARF number of the frame pointer.
pub const X29: DwarfRegister = 29;
/// DWARF number of the link register.
pub const X30: DwarfRegister = 30;
/// DWARF number of the stack pointer.
pub const SP: DwarfRegister = 31;
/// DWARF number of the program counter.
pub const PC: DwarfRegister = 32;

const fn reg(name: &'static str, dwarf: DwarfRegister) -> RegisterName {
    RegisterName { name, dwarf }
}

/// In gdb's order.
pub const GENERAL: &[RegisterName] = &[
    reg("x0", 0),
    reg("x1", 1),
    reg("x2", 2),
    reg("x3", 3),
    reg("x4", 4),
    reg("x5", 5),
    reg("x6", 6),
    reg("x7", 7),
    reg("x8", 8),
    reg("x9", 9),
    reg("x10", 10),
    reg("x11", 11),
    reg("x12", 12),
    reg("x13", 13),
    reg("x14", 14),
    reg("x15", 15),
    reg("x16", 16),
    reg("x17", 17),
    reg("x18", 18),
    reg("x19", 19),
    reg("x20", 20),
    reg("x21", 21),
    reg("x22", 22),
    reg("x23", 23),
    reg("x24", 24),
    reg("x25", 25),
    reg("x26", 26),
    reg("x27", 27),
    reg("x28", 28),
    reg("x29", X29),
    reg("x30", X30),
    reg("sp", SP),
    reg("pc", PC),
];

/// x19 to x29 and sp. (x30 is restored by the frame that saved it, never merely preserved.)
pub fn is_callee_saved(register: DwarfRegister) -> bool {
    matches!(register, 19..=29 | SP)
}

/// User space has bit 55 clear; what is above it is a tag or an authentication code, not address.
pub fn strip_pointer(address: u64) -> u64 {
    address & 0x007f_ffff_ffff_ffff
}

/// Where pointer authentication keeps its code in a return address, on kernels with 48-bit addresses: between them and
/// the tag (Linux 6.1, Documentation/arm64/pointer-authentication.rst). What a core says goes before this.
pub const SIGNATURE: u64 = 0x007f_0000_0000_0000;
/// Address bits that any kernel has: 36 (16 KiB pages, two levels). No signature is below.
const LEAST_ADDRESS: u64 = (1 << 36) - 1;

/// A return address without the code that pointer authentication signed it with; `mask` is what the core says of
/// where that is.
pub fn strip_return(address: u64, mask: Option<u64>) -> u64 {
    strip_pointer(address) & !(mask.unwrap_or(SIGNATURE) & !LEAST_ADDRESS)
}

/// `struct user_pt_regs` (Linux 6.1, arch/arm64/include/uapi/asm/ptrace.h): 34 words; `pstate` is gdb's `cpsr`.
pub const SAVED_WORDS: &[SavedWord] = &[
    SavedWord::General(0),
    SavedWord::General(1),
    SavedWord::General(2),
    SavedWord::General(3),
    SavedWord::General(4),
    SavedWord::General(5),
    SavedWord::General(6),
    SavedWord::General(7),
    SavedWord::General(8),
    SavedWord::General(9),
    SavedWord::General(10),
    SavedWord::General(11),
    SavedWord::General(12),
    SavedWord::General(13),
    SavedWord::General(14),
    SavedWord::General(15),
    SavedWord::General(16),
    SavedWord::General(17),
    SavedWord::General(18),
    SavedWord::General(19),
    SavedWord::General(20),
    SavedWord::General(21),
    SavedWord::General(22),
    SavedWord::General(23),
    SavedWord::General(24),
    SavedWord::General(25),
    SavedWord::General(26),
    SavedWord::General(27),
    SavedWord::General(28),
    SavedWord::General(X29),
    SavedWord::General(X30),
    SavedWord::General(SP),
    SavedWord::General(PC),
    SavedWord::Special("cpsr"),
];

/// As gdb's `info registers` goes on after `pc`.
pub const SPECIAL_ORDER: &[&str] = &["cpsr"];

const V_NAMES: [&str; 32] = [
    "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15", "v16", "v17",
    "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31",
];

/// DWARF number of `v0`.
const V0: DwarfRegister = 64;

/// NT_FPREGSET: `struct user_fpsimd_state` (Linux 6.1, arch/arm64/include/uapi/asm/ptrace.h): v0 to v31 of 16 bytes,
/// then `fpsr` and `fpcr` of 4. What a short note lacks is left out.
pub fn decode_floating(note: &[u8], into: &mut VectorRegisters) {
    let vectors = note.chunks_exact(16).zip(V_NAMES).zip(V0..);
    into.numbered.extend(vectors.map(|((bytes, name), number)| (number, name, bytes.to_vec())));
    for (name, at) in [("fpsr", 512), ("fpcr", 516)] {
        into.named.extend(note.get(at..at + 4).map(|bytes| (name, bytes.to_vec())));
    }
}
