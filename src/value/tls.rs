//! Thread-local variables, found in the thread's own memory.
//!
//! ELF Handling For Thread-Local Storage (Drepper, 0.21), section 3, with glibc's layout of static blocks
//! (`_dl_determine_tlsoffset`, glibc 2.36 elf/dl-tls.c). The program's own block has a fixed distance from the
//! thread pointer. A library's block is where glibc's own records say ([`glibc`]). Where there are none, it is computed
//! along the link map, and believed only if the thread's dynamic thread vector has the very same address for it.

mod glibc;

use glibc::Words;

use super::{Absent, AbsentReason};
use crate::addr::FileAddr;
use crate::arch::Arch;
use crate::memory::Memory;
use crate::module::program::Program;
use crate::module::{Module, ModuleId};

/// Entries of the link map that are walked.
const MAX_LINK_MAP: usize = 4096;
/// The segment type of the dynamic section (System V gABI, chapter 5).
const PT_DYNAMIC: u32 = 2;
/// DT_DEBUG (gABI, figure 5-10).
const DT_DEBUG: u64 = 21;

/// The address of the byte at `offset` in a module's thread-local block.
pub(super) fn address(
    program: &Program,
    memory: &dyn Memory,
    arch: Arch,
    module: ModuleId,
    thread_pointer: Option<u64>,
    offset: u64,
) -> Result<u64, Absent> {
    let absent = |detail: &str| Absent::because(AbsentReason::NotSaved, detail.to_owned());
    let pointer = thread_pointer.ok_or_else(|| absent("the core does not say where the thread's storage is"))?;
    let module = program.modules.get(module).ok_or_else(|| absent("the module is not known"))?;
    if module.seed.is_executable {
        let block = Block::of(module).ok_or_else(|| absent("the program's file has no thread-local segment"))?;
        return Ok(block.first_address(arch, pointer).wrapping_add(offset));
    }
    let words = Words { memory, arch };
    let links = link_map(program, &words).unwrap_or_default();
    let unlisted = || absent("thread-local storage of a library that is not in the link map");
    let link = links.iter().find(|link| link.bias == module.bias().0).ok_or_else(unlisted)?;
    if let Some(start) = glibc::block(program, &words, module, link.address, pointer) {
        return Ok(start?.wrapping_add(offset));
    }
    let (start, number) = static_block(program, arch, &links, module, pointer).ok_or_else(unlisted)?;
    let recorded =
        thread_vector(&words, pointer).and_then(|vector| words.read(vector.wrapping_add(number * 2 * words.size())));
    if recorded != Some(start) {
        return Err(absent("only the C library's own file tells where this library's thread-local storage is"));
    }
    Ok(start.wrapping_add(offset))
}

#[derive(Clone, Copy)]
struct Block {
    size: u64,
    align: u64,
    /// `p_vaddr` modulo the alignment.
    skew: u64,
}

impl Block {
    fn of(module: &Module) -> Option<Block> {
        let segment = module.file()?.tls()?;
        let align = segment.align.max(1);
        if !align.is_power_of_two() || align > 1 << 30 || segment.memory_size > 1 << 40 {
            return None;
        }
        Some(Block { size: segment.memory_size, align, skew: segment.address.0 & (align - 1) })
    }

    /// Where the block of the first module (the program) begins.
    fn first_address(self, arch: Arch, pointer: u64) -> u64 {
        match arch {
            Arch::X86_64 | Arch::I386 => pointer.wrapping_sub(self.offset_below(0)),
            Arch::Aarch64 => pointer.wrapping_add(self.offset_above(CONTROL_BLOCK)),
        }
    }

    /// Variant II: distance below the thread pointer, where `used` bytes are taken.
    fn offset_below(self, used: u64) -> u64 {
        let first = self.skew.wrapping_neg() & (self.align - 1);
        (used + self.size).saturating_sub(first).next_multiple_of(self.align) + first
    }

    /// Variant I: distance above the thread pointer, where `used` bytes are taken.
    fn offset_above(self, used: u64) -> u64 {
        used + (self.skew.wrapping_sub(used) & (self.align - 1))
    }

    /// Whether the segment's alignment allows it.
    fn may_begin_at(self, address: u64) -> bool {
        address & (self.align - 1) == self.skew
    }
}

/// Variant I: the thread control block, two words, is where the thread pointer points to.
const CONTROL_BLOCK: u64 = 16;

/// A library's static block, and its number in the dynamic thread vector.
fn static_block(program: &Program, arch: Arch, links: &[Link], wanted: &Module, pointer: u64) -> Option<(u64, u64)> {
    let mut used = if arch == Arch::Aarch64 { CONTROL_BLOCK } else { 0 };
    // What alignment left free below `used`: variant I puts small blocks there.
    let mut gap = (used, used);
    let mut number = 0;
    for Link { bias, .. } in links {
        let Some(module) = program.modules.iter().find(|module| {
            module.bias().0 == *bias && !module.seed.is_vdso && (*bias != 0 || module.seed.is_executable)
        }) else {
            continue;
        };
        let Some(block) = Block::of(module) else { continue };
        number += 1;
        let start = match arch {
            Arch::X86_64 | Arch::I386 => {
                used = block.offset_below(used);
                pointer.wrapping_sub(used)
            }
            Arch::Aarch64 => {
                let in_gap = block.offset_above(gap.0);
                let offset = if in_gap + block.size <= gap.1 {
                    gap.0 = in_gap + block.size;
                    in_gap
                } else {
                    let offset = block.offset_above(used);
                    if offset - used > gap.1 - gap.0 {
                        gap = (used, offset);
                    }
                    used = offset + block.size;
                    offset
                };
                pointer.wrapping_add(offset)
            }
        };
        if module.id == wanted.id {
            return Some((start, number));
        }
    }
    None
}

/// An entry of the link map.
struct Link {
    address: u64,
    /// `l_addr`.
    bias: u64,
}

/// The modules in the dynamic linker's order (glibc's `struct r_debug` and `struct link_map`,
/// link.h; both start alike in every version).
fn link_map(program: &Program, words: &Words<'_>) -> Option<Vec<Link>> {
    let word = words.size();
    let read = |address: u64| words.read(address);
    let program = program.modules.iter().find(|module| module.seed.is_executable)?;
    let file = program.file()?;
    let segment = || file.segment(PT_DYNAMIC).map(|(_, address)| address);
    let dynamic = file.section_address(".dynamic").or_else(segment)?;
    let mut entry = FileAddr(dynamic.0).to_run(program.bias()).0;
    let mut debug = None;
    for _ in 0..512 {
        match read(entry)? {
            0 => break,
            DT_DEBUG => {
                debug = read(entry.checked_add(word)?);
                break;
            }
            _ => entry = entry.checked_add(2 * word)?,
        }
    }
    let mut map = read(debug.filter(|debug| *debug != 0)?.checked_add(word)?)?;
    let mut links = Vec::new();
    while map != 0 && links.len() < MAX_LINK_MAP {
        links.push(Link { address: map, bias: read(map)? });
        map = read(map.checked_add(3 * word)?)?;
    }
    Some(links)
}

/// The thread's dynamic thread vector: the second word of x86's thread control block, the first of aarch64's (glibc
/// sysdeps/x86_64/nptl/tls.h and sysdeps/aarch64/nptl/tls.h, `tcbhead_t`). Entries are two words.
fn thread_vector(words: &Words<'_>, pointer: u64) -> Option<u64> {
    let at = if words.arch == Arch::Aarch64 { 0 } else { words.size() };
    words.read(pointer.checked_add(at)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// lld's `getTlsTpOffset`, bfd's `aarch64_tprel` and glibc's `_dl_determine_tlsoffset` agree on these.
    #[test]
    fn blocks_above_the_thread_pointer_begin_as_their_segment_does() {
        let offset = |align, skew, used| Block { size: 8, align, skew }.offset_above(used);
        assert_eq!(offset(1, 0, 16), 16);
        assert_eq!(offset(16, 0, 16), 16);
        assert_eq!(offset(64, 0, 16), 64);
        assert_eq!(offset(64, 32, 16), 32);
        assert_eq!(offset(64, 8, 16), 72);
        assert_eq!(offset(8, 4, 24), 28);
    }

    #[test]
    fn blocks_below_the_thread_pointer_end_where_their_alignment_lets_them() {
        let offset = |size, align, skew, used| Block { size, align, skew }.offset_below(used);
        assert_eq!(offset(4, 4, 0, 0), 4);
        assert_eq!(offset(24, 64, 0, 0), 64);
        assert_eq!(offset(24, 64, 0, 64), 128);
        assert_eq!(offset(8, 64, 32, 0), 32);
    }
}
