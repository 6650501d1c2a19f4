//! AMD64: System V psABI 1.0, figure 3.36 (DWARF numbers) and section 3.2.1 (preserved registers).

use super::{DwarfRegister, RegisterName};

/// DWARF number of `rbp`.
pub const RBP: DwarfRegister = 6;
/// DWARF number of `rsp`.
pub const RSP: DwarfRegister = 7;
/// DWARF number of the return address column, where `rip` is kept.
pub const RIP: DwarfRegister = 16;

const fn reg(name: &'static str, dwarf: DwarfRegister) -> RegisterName {
    RegisterName { name, dwarf }
}

/// In gdb's order.
pub const GENERAL: &[RegisterName] = &[
    reg("rax", 0),
    reg("rbx", 3),
    reg("rcx", 2),
    reg("rdx", 1),
    reg("rsi", 4),
    reg("rdi", 5),
    reg("rbp", RBP),
    reg("rsp", RSP),
    reg("r8", 8),
    reg("r9", 9),
    reg("r10", 10),
    reg("r11", 11),
    reg("r12", 12),
    reg("r13", 13),
    reg("r14", 14),
    reg("r15", 15),
    reg("rip", RIP),
];

/// rbx, rbp, rsp, r12 to r15.
pub fn is_callee_saved(register: DwarfRegister) -> bool {
    matches!(register, 3 | RBP | RSP | 12..=15)
}
