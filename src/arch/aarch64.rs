//! AArch64: DWARF for the Arm 64-bit Architecture (AADWARF64 2023Q3), section 4.1; AAPCS64 section 6.1.1.

use super::{DwarfRegister, RegisterName};

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
