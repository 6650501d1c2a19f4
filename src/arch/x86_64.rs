//! AMD64: System V psABI 1.0, figure 3.36 (DWARF numbers) and section 3.2.1 (preserved registers). The wide
//! registers are in [`super::xsave`].

use super::{DwarfRegister, RegisterName, SavedWord};

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

/// `struct user_regs_struct` (Linux 6.1, arch/x86/include/asm/user_64.h): 27 words.
pub const SAVED_WORDS: &[SavedWord] = &[
    SavedWord::General(15),
    SavedWord::General(14),
    SavedWord::General(13),
    SavedWord::General(12),
    SavedWord::General(RBP),
    SavedWord::General(3),
    SavedWord::General(11),
    SavedWord::General(10),
    SavedWord::General(9),
    SavedWord::General(8),
    SavedWord::General(0),
    SavedWord::General(2),
    SavedWord::General(1),
    SavedWord::General(4),
    SavedWord::General(5),
    SavedWord::Special("orig_rax"),
    SavedWord::General(RIP),
    SavedWord::Special("cs"),
    SavedWord::Special("eflags"),
    SavedWord::General(RSP),
    SavedWord::Special("ss"),
    SavedWord::Special("fs_base"),
    SavedWord::Special("gs_base"),
    SavedWord::Special("ds"),
    SavedWord::Special("es"),
    SavedWord::Special("fs"),
    SavedWord::Special("gs"),
];

/// As gdb's `info registers` goes on after `rip`.
pub const SPECIAL_ORDER: &[&str] = &["eflags", "cs", "ss", "ds", "es", "fs", "gs", "fs_base", "gs_base", "orig_rax"];
