//! Which data a function's code refers to: addresses that its instructions have in them.
//!
//! Code is read once from its start to its end, not as it would run, so what is found is a superset of what one path
//! uses, and an address that is computed over a branch may be missed.

use iced_x86::{Decoder, DecoderOptions, OpKind, Register};

use super::Arch;
use crate::addr::RunAddr;

/// Numbers below are no addresses of data: the kernel keeps the first pages free (vm.mmap_min_addr).
const LOWEST: u64 = 0x1_0000;

/// Addresses in the code, in order, with repetitions; any of them may be a number that only looks like one.
pub fn data_references(arch: Arch, code: &[u8], start: RunAddr) -> Vec<RunAddr> {
    match arch {
        Arch::X86_64 => x86(code, start, 64),
        Arch::I386 => x86(code, start, 32),
        Arch::Aarch64 => aarch64(code, start),
    }
}

fn x86(code: &[u8], start: RunAddr, bits: u32) -> Vec<RunAddr> {
    let mut found = Vec::new();
    let mut decoder = Decoder::with_ip(bits, code, start.0, DecoderOptions::NONE);
    while decoder.can_decode() {
        let instruction = decoder.decode();
        if instruction.is_invalid() {
            continue;
        }
        for operand in 0..instruction.op_count() {
            let address = match instruction.op_kind(operand) {
                OpKind::Memory if instruction.is_ip_rel_memory_operand() => instruction.ip_rel_memory_address(),
                // Relative to a thread's storage.
                OpKind::Memory if matches!(instruction.memory_segment(), Register::FS | Register::GS) => continue,
                OpKind::Memory => instruction.memory_displacement64(),
                // Code that is not position-independent has addresses as they are.
                OpKind::Immediate32 => u64::from(instruction.immediate32()),
                OpKind::Immediate32to64 => instruction.immediate32to64() as u64,
                OpKind::Immediate64 => instruction.immediate64(),
                _ => continue,
            };
            if address >= LOWEST {
                found.push(RunAddr(address));
            }
        }
    }
    found
}

/// ADRP with the ADD, LDR or STR that completes it; ADR; LDR (literal). Encodings: Arm ARM, C6.2.10, C6.2.11, C6.2.4,
/// C6.2.195, C6.2.198.
fn aarch64(code: &[u8], start: RunAddr) -> Vec<RunAddr> {
    let mut found = Vec::new();
    let mut pages: [Option<u64>; 32] = [None; 32];
    for (index, word) in code.chunks_exact(4).enumerate() {
        let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
        let at = start.0.wrapping_add(index as u64 * 4);
        let (to, from) = ((word & 31) as usize, (word >> 5 & 31) as usize);
        let signed = |field: u32, bits: u32| i64::from(((field << (32 - bits)) as i32) >> (32 - bits));
        let distance = signed((word >> 5 & 0x7_ffff) << 2 | word >> 29 & 3, 21);
        let short = u64::from(word >> 10 & 0xfff);
        if word & 0x9f00_0000 == 0x9000_0000 {
            pages[to] = Some((at & !0xfff).wrapping_add_signed(distance << 12));
        } else if word & 0x9f00_0000 == 0x1000_0000 {
            found.push(RunAddr(at.wrapping_add_signed(distance)));
        } else if word & 0xbf00_0000 == 0x1800_0000 {
            found.push(RunAddr(at.wrapping_add_signed(signed(word >> 5 & 0x7_ffff, 19) * 4)));
        } else if word & 0xff80_0000 == 0x9100_0000 {
            let offset = if word >> 22 & 1 == 1 { short << 12 } else { short };
            found.extend(pages[from].map(|page| RunAddr(page.wrapping_add(offset))));
            // What goes on from there is in the same object.
            pages[to] = None;
        } else if word & 0x3b00_0000 == 0x3900_0000 {
            // A vector's 16 bytes are size 0 with the highest bit of opc.
            let is_quad = word >> 26 & 1 == 1 && word >> 30 == 0 && word >> 23 & 1 == 1;
            let scale = if is_quad { 4 } else { word >> 30 };
            found.extend(pages[from].map(|page| RunAddr(page.wrapping_add(short << scale))));
        }
    }
    found.retain(|address| address.0 >= LOWEST);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_code_are_found() {
        let check = |arch, code: &[u8], expected: &[u64]| {
            let expected: Vec<RunAddr> = expected.iter().copied().map(RunAddr).collect();
            assert_eq!(data_references(arch, code, RunAddr(0x40_1000)), expected);
        };
        // mov 0x2ee4(%rip),%eax; mov $0x404040,%edi; mov 0x404080(,%rax,4),%eax; mov %fs:0xfffffffffffffffc,%eax
        check(Arch::X86_64, &[0x8b, 0x05, 0xe4, 0x2e, 0, 0], &[0x40_3eea]);
        check(Arch::X86_64, &[0xbf, 0x40, 0x40, 0x40, 0], &[0x40_4040]);
        check(Arch::X86_64, &[0x8b, 0x04, 0x85, 0x80, 0x40, 0x40, 0], &[0x40_4080]);
        check(Arch::X86_64, &[0x64, 0x8b, 0x04, 0x25, 0xfc, 0xff, 0xff, 0xff], &[]);
        check(Arch::I386, &[0xa1, 0x40, 0x40, 0x40, 0], &[0x40_4040]);
        let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
        // adrp x0, +0x10000; add x0, x0, #0x40; adrp x1, +0x10000; ldr w2, [x1, #0x44]
        let code = words(&[0x9000_0080, 0x9101_0000, 0x9000_0081, 0xb940_4422]);
        check(Arch::Aarch64, &code, &[0x41_1040, 0x41_1044]);
    }
}
