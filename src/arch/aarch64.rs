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

/// `v8` to `v15`, of which calls preserve the lower 8 bytes (`d8` to `d15`): AAPCS64 2023Q3, section 6.1.2. That functions
/// of the vector variant preserve more is nothing to build on: call frame information does not tell who is one.
pub const PRESERVED_HALVES: std::ops::Range<DwarfRegister> = V0 + 8..V0 + 16;

/// Registers beyond the general ones that are followed from frame to frame: the halves, and `vg`.
pub const FOLLOWED_COUNT: usize = 9;

/// Which of these a register is.
pub fn followed(register: DwarfRegister) -> Option<usize> {
    match register {
        VG => Some(FOLLOWED_COUNT - 1),
        half if PRESERVED_HALVES.contains(&half) => Some(usize::from(half - PRESERVED_HALVES.start)),
        _ => None,
    }
}

/// x19 to x29 and sp; the lower halves of v8 to v15; `vg`, of whose changes call frame information tells (AADWARF64
/// 2023Q3, section 4.1). (x30 is restored by the frame that saved it, never merely preserved.)
pub fn is_callee_saved(register: DwarfRegister) -> bool {
    matches!(register, 19..=29 | SP) || followed(register).is_some()
}

/// The number under which the lower half of a register is preserved: its own for v8 to v15, theirs for z8 to z15.
pub fn preserved_half(register: DwarfRegister) -> Option<DwarfRegister> {
    let of_scalable = register.checked_sub(Z0 - V0);
    [Some(register), of_scalable].into_iter().flatten().find(|half| PRESERVED_HALVES.contains(half))
}

/// A narrower view of a vector register (`d8`, `s8`, `h8`, `b8`, `q8` of `v8`): letter, number and bytes.
pub fn vector_view(name: &str) -> Option<(char, DwarfRegister, usize)> {
    let mut rest = name.chars();
    let letter = rest.next()?;
    let size = match letter {
        'q' => 16,
        'd' => 8,
        's' => 4,
        'h' => 2,
        'b' => 1,
        _ => return None,
    };
    let digits = rest.as_str();
    let plain = digits.bytes().all(|digit| digit.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    let number = digits.parse::<DwarfRegister>().ok().filter(|number| plain && *number < 32)?;
    Some((letter, number, size))
}

/// What is followed beyond the general registers, out of a thread's notes: of the halves NT_FPREGSET tells, or NT_ARM_SVE
/// where that has the registers, of `vg` the latter.
pub fn followed_values(floating: Option<&[u8]>, sve: Option<&[u8]>) -> impl Iterator<Item = (DwarfRegister, u64)> {
    let granules = sve.and_then(scalable).map(|(length, _)| (VG, length as u64 / 8));
    let place = move |register: DwarfRegister| {
        let number = usize::from(register - V0);
        let bytes = match (floating, sve) {
            (Some(note), _) => note.get(16 * number..)?,
            (None, note) => {
                let (length, true) = scalable(note?)? else { return None };
                note?.get(SVE_HEADER + length * number..)?
            }
        };
        Some((register, u64::from_le_bytes(*bytes.first_chunk()?)))
    };
    PRESERVED_HALVES.filter_map(place).chain(granules)
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
pub const V0: DwarfRegister = 64;

const Z_NAMES: [&str; 32] = [
    "z0", "z1", "z2", "z3", "z4", "z5", "z6", "z7", "z8", "z9", "z10", "z11", "z12", "z13", "z14", "z15", "z16", "z17",
    "z18", "z19", "z20", "z21", "z22", "z23", "z24", "z25", "z26", "z27", "z28", "z29", "z30", "z31",
];
const P_NAMES: [&str; 16] =
    ["p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11", "p12", "p13", "p14", "p15"];

/// DWARF number of `vg`, the count of 64-bit granules in a scalable vector (DWARF for the Arm 64-bit Architecture, 2023Q3,
/// section 4.1).
pub const VG: DwarfRegister = 46;
/// Those of SVE's other registers.
const FFR: DwarfRegister = 47;
const P0: DwarfRegister = 48;
const Z0: DwarfRegister = 96;

/// Bytes of `struct user_sve_header` (Linux 6.1, arch/arm64/include/uapi/asm/ptrace.h): `size` and `max_size` of 4,
/// `vl`, `max_vl`, `flags` and a reserved word of 2.
const SVE_HEADER: usize = 16;
/// The most bytes that a vector can have (`SVE_VL_MAX` of the architecture, 2048 bits).
const MAX_VECTOR: usize = 256;

/// NT_FPREGSET: `struct user_fpsimd_state` (Linux 6.1, arch/arm64/include/uapi/asm/ptrace.h): v0 to v31 of 16 bytes,
/// then `fpsr` and `fpcr` of 4. What a short note lacks is left out.
pub fn decode_floating(note: &[u8], into: &mut VectorRegisters) {
    let vectors = note.chunks_exact(16).zip(V_NAMES).zip(V0..);
    into.numbered.extend(vectors.map(|((bytes, name), number)| (number, name, bytes.to_vec())));
    for (name, at) in [("fpsr", 512), ("fpcr", 516)] {
        into.named.extend(note.get(at..at + 4).map(|bytes| (name, bytes.to_vec())));
    }
}

/// Bytes of a vector, and whether the registers are there as a whole, by the header of NT_ARM_SVE.
fn scalable(note: &[u8]) -> Option<(usize, bool)> {
    let half = |at: usize| Some(usize::from(u16::from_le_bytes(note.get(at..at + 2)?.try_into().ok()?)));
    let (length, flags) = (half(8)?, half(12)?);
    let valid = length > 0 && length.is_multiple_of(16) && length <= MAX_VECTOR;
    valid.then_some((length, flags & 1 != 0))
}

/// NT_ARM_SVE: the header, then either the whole of SVE's registers (`SVE_PT_REGS_SVE` in the flags), or
/// `struct user_fpsimd_state` where the thread has not used SVE since its last system call: then what is beyond the `v`
/// registers is zero, as the kernel hands it out at the next use (Linux 6.1, Documentation/arm64/sve.rst). Adds `z`,
/// `p`, `ffr` and `vg` to what [`decode_floating`] found; nothing from a note that is no such.
pub fn decode_sve(note: &[u8], into: &mut VectorRegisters) {
    let Some((length, whole)) = scalable(note) else { return };
    let predicate = length / 8;
    if !whole {
        let widened = into.numbered.iter().filter(|(number, ..)| (V0..V0 + 32).contains(number));
        let vectors: Vec<_> = widened
            .map(|(number, _, bytes)| {
                let mut bytes = bytes.clone();
                bytes.resize(length, 0);
                (Z0 + number - V0, Z_NAMES[usize::from(number - V0)], bytes)
            })
            .collect();
        into.numbered.extend(vectors);
        into.numbered.extend((P0..).zip(P_NAMES).map(|(number, name)| (number, name, vec![0; predicate])));
        into.numbered.push((FFR, "ffr", vec![0; predicate]));
    } else {
        let mut at = SVE_HEADER;
        let mut next = |size: usize| {
            let bytes = note.get(at..at + size).map(<[u8]>::to_vec);
            at += size;
            bytes
        };
        into.numbered.extend((Z0..).zip(Z_NAMES).filter_map(|(number, name)| Some((number, name, next(length)?))));
        into.numbered.extend((P0..).zip(P_NAMES).filter_map(|(number, name)| Some((number, name, next(predicate)?))));
        into.numbered.extend(next(predicate).map(|bytes| (FFR, "ffr", bytes)));
    }
    into.numbered.push((VG, "vg", (predicate as u64).to_le_bytes().to_vec()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(registers: &VectorRegisters, name: &str) -> Option<Vec<u8>> {
        registers.numbered.iter().find(|(_, other, _)| *other == name).map(|(.., bytes)| bytes.clone())
    }

    /// A note of vectors of 32 bytes: `z5` all 5, `p2` all 2, `ffr` all 9.
    fn sve_note() -> Vec<u8> {
        let mut note = vec![0u8; SVE_HEADER];
        (note[8], note[12]) = (32, 1);
        (0..32).for_each(|number| note.extend([number; 32]));
        (0..16).for_each(|number| note.extend([number; 4]));
        note.extend([9; 4]);
        note
    }

    #[test]
    fn scalable_vectors_are_taken_apart() {
        let mut registers = VectorRegisters::default();
        decode_sve(&sve_note(), &mut registers);
        assert_eq!(found(&registers, "z5"), Some(vec![5; 32]));
        assert_eq!(found(&registers, "p2"), Some(vec![2; 4]));
        assert_eq!(found(&registers, "ffr"), Some(vec![9; 4]));
        assert_eq!(found(&registers, "vg"), Some(vec![4, 0, 0, 0, 0, 0, 0, 0]));
        assert_eq!(registers.bytes(96 + 5), Some(&[5; 32][..]));
    }

    #[test]
    fn calls_preserve_halves() {
        let halves = |floating: Option<&[u8]>, sve: Option<&[u8]>| followed_values(floating, sve).collect::<Vec<_>>();
        let plain: Vec<u8> = (0..32).flat_map(|number| [number; 16]).collect();
        let expected: Vec<_> = (8..16u64).map(|number| (64 + number as u16, 0x0101_0101_0101_0101 * number)).collect();
        assert_eq!(halves(Some(&plain), None), expected);
        let granules = [(VG, 4)];
        assert_eq!(halves(None, Some(&sve_note())), [&expected[..], &granules].concat());
        assert_eq!(halves(Some(&plain[..16 * 9]), Some(&sve_note())), [&expected[..1], &granules].concat());
        assert_eq!(halves(None, None), []);
        assert_eq!(
            [71, 72, 79, 80, 104, 111, 112].map(preserved_half),
            [None, Some(72), Some(79), None, Some(72), Some(79), None]
        );
    }

    #[test]
    fn views_have_a_letter_and_a_number() {
        assert_eq!(vector_view("d8"), Some(('d', 8, 8)));
        assert_eq!(vector_view("q31"), Some(('q', 31, 16)));
        for other in ["d32", "d", "d08", "d+1", "x0", "dé", "é", ""] {
            assert_eq!(vector_view(other), None, "{other}");
        }
    }

    #[test]
    fn a_thread_that_did_not_use_them_has_its_plain_vectors_widened() {
        let mut registers = VectorRegisters::default();
        decode_floating(&[7; 528], &mut registers);
        let mut note = vec![0u8; SVE_HEADER];
        note[8] = 32;
        decode_sve(&note, &mut registers);
        assert_eq!(found(&registers, "z31"), Some([[7; 16], [0; 16]].concat()));
        assert_eq!(found(&registers, "p15"), Some(vec![0; 4]));
    }

    #[test]
    fn a_cut_note_gives_what_it_holds() {
        let note = sve_note();
        for length in 0..note.len() {
            let mut registers = VectorRegisters::default();
            decode_sve(&note[..length], &mut registers);
            let whole = length.saturating_sub(SVE_HEADER) / 32;
            assert_eq!(found(&registers, "z31").is_some(), whole >= 32, "{length}");
        }
    }
}
