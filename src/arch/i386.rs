//! 32-bit x86: System V psABI for Intel386 1.1, table 2.14 (DWARF numbers).

use super::{DwarfRegister, RegisterName};

/// DWARF number of `esp`.
pub const ESP: DwarfRegister = 4;
/// DWARF number of `ebp`.
pub const EBP: DwarfRegister = 5;
/// DWARF number of the return address column, where `eip` is kept.
pub const EIP: DwarfRegister = 8;

const fn reg(name: &'static str, dwarf: DwarfRegister) -> RegisterName {
    RegisterName { name, dwarf }
}

/// In gdb's order.
pub const GENERAL: &[RegisterName] = &[
    reg("eax", 0),
    reg("ecx", 1),
    reg("edx", 2),
    reg("ebx", 3),
    reg("esp", ESP),
    reg("ebp", EBP),
    reg("esi", 6),
    reg("edi", 7),
    reg("eip", EIP),
];

/// ebx, esp, ebp, esi, edi.
pub fn is_callee_saved(register: DwarfRegister) -> bool {
    matches!(register, 3..=7)
}
