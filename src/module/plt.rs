//! Names of procedure linkage table stubs, which have no symbols of their own.
//!
//! A stub jumps through a slot of the global offset table; the relocation of that slot names the function (System V
//! psABI AMD64 1.0, section 5.2). So `jmp *slot(%rip)` in the stub leads to the name, whatever order a linker chose.

use super::ElfFile;
use crate::addr::FileAddr;
use crate::arch::Arch;

/// Bytes of a stub, in every linker's x86-64 tables.
const STUB: u64 = 16;
/// Sections of stubs.
const SECTIONS: [&str; 3] = [".plt.sec", ".plt", ".plt.got"];

/// `name@plt`, if the address is in a stub of an x86-64 file.
pub fn stub_name(file: &ElfFile, address: FileAddr) -> Option<String> {
    stub(file, address).map(|(name, _)| name)
}

/// `name@plt` and how far into the stub the address is, if it is in one of an x86-64 file.
pub fn stub(file: &ElfFile, address: FileAddr) -> Option<(String, u64)> {
    if file.arch() != Some(Arch::X86_64) {
        return None;
    }
    let (section, start) = SECTIONS.iter().find_map(|name| {
        let (bytes, start) = (file.section(name)?, file.section_address(name)?);
        let inside = address.0.checked_sub(start.0)?;
        (inside < bytes.len() as u64).then_some((bytes, start))
    })?;
    let inside = address.0 - start.0;
    // A stub of .plt.got may be the jump alone, in 8 bytes.
    let half = usize::try_from(inside / 8 * 8).ok()?;
    let is_short = section.get(half..).is_some_and(|stub| stub.starts_with(&JUMP));
    let offset = if is_short { half as u64 } else { inside / STUB * STUB };
    let slot = jump_slot(section, offset, start.0)?;
    let number = [".rela.plt", ".rela.dyn"].iter().find_map(|name| {
        // Elf64_Rela: offset, info (symbol in the upper half), addend.
        file.section(name)?.chunks_exact(24).find_map(|entry| {
            let (offset, info) = (u64_at(entry, 0)?, u64_at(entry, 8)?);
            (offset == slot).then_some(info >> 32)
        })
    })?;
    let symbol = file.section(".dynsym")?.chunks_exact(24).nth(usize::try_from(number).ok()?)?;
    let name = u32::from_le_bytes(symbol.get(..4)?.try_into().ok()?);
    let rest = file.section(".dynstr")?.get(name as usize..)?;
    let name = rest.get(..memchr::memchr(0, rest)?)?;
    (!name.is_empty()).then(|| (format!("{}@plt", String::from_utf8_lossy(name)), inside - offset))
}

/// `jmp *slot(%rip)`
const JUMP: [u8; 2] = [0xff, 0x25];

/// The slot of the first `jmp *slot(%rip)` in the stub at `offset`.
fn jump_slot(section: &[u8], offset: u64, start: u64) -> Option<u64> {
    let from = usize::try_from(offset).ok()?;
    let stub = section.get(from..section.len().min(from + STUB as usize))?;
    let jump = stub.windows(6).position(|bytes| bytes.starts_with(&JUMP))?;
    let distance = i32::from_le_bytes(stub.get(jump + 2..jump + 6)?.try_into().ok()?);
    Some(start.wrapping_add(offset + jump as u64 + 6).wrapping_add_signed(i64::from(distance)))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}
