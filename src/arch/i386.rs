//! 32-bit x86: System V psABI for Intel386 1.1, table 2.14 (DWARF numbers).

use super::{DwarfRegister, RegisterName, SavedWord};

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

/// `struct user_regs_struct` (Linux 6.1, arch/x86/include/asm/user_32.h): 17 words.
pub const SAVED_WORDS: &[SavedWord] = &[
    SavedWord::General(3),
    SavedWord::General(1),
    SavedWord::General(2),
    SavedWord::General(6),
    SavedWord::General(7),
    SavedWord::General(EBP),
    SavedWord::General(0),
    SavedWord::Special("ds"),
    SavedWord::Special("es"),
    SavedWord::Special("fs"),
    SavedWord::Special("gs"),
    SavedWord::Special("orig_eax"),
    SavedWord::General(EIP),
    SavedWord::Special("cs"),
    SavedWord::Special("eflags"),
    SavedWord::General(ESP),
    SavedWord::Special("ss"),
];

/// As gdb's `info registers` goes on after `eip`.
pub const SPECIAL_ORDER: &[&str] = &["eflags", "cs", "ss", "ds", "es", "fs", "gs", "orig_eax"];

/// The base address of the segment that selector `gs` names, out of NT_386_TLS: an array of `struct user_desc`
/// (Linux 6.1, arch/x86/include/uapi/asm/ldt.h: entry_number, base_addr, limit, flags; 4 bytes each).
pub fn tls_base(gs: u64, descriptors: &[u8]) -> Option<u64> {
    // A selector is an index above a table bit (4: the local table, which the note does not hold) and a level.
    if gs & 4 != 0 || gs >> 3 == 0 {
        return None;
    }
    let word = |entry: &[u8], at: usize| Some(u32::from_le_bytes(entry.get(at..at + 4)?.try_into().ok()?));
    let entry = descriptors.chunks_exact(16).find(|entry| word(entry, 0).map(u64::from) == Some(gs >> 3))?;
    word(entry, 4).map(u64::from)
}

#[cfg(test)]
mod tests {
    #[test]
    fn thread_pointer_comes_from_the_selected_descriptor() {
        let mut note = Vec::new();
        for (number, base) in [(12u32, 0x1234_5000u32), (13, 0), (14, 7)] {
            for word in [number, base, 0xf_ffff, 0x51] {
                note.extend(word.to_le_bytes());
            }
        }
        assert_eq!(super::tls_base(0x63, &note), Some(0x1234_5000));
        assert_eq!(super::tls_base(0x73, &note), Some(7));
        assert_eq!(super::tls_base(0x0, &note), None);
        assert_eq!(super::tls_base(0x67, &note), None);
        assert_eq!(super::tls_base(0x63, &note[..15]), None);
    }
}
