//! Thread-local variables, found in the thread's own memory.
//!
//! ELF Handling For Thread-Local Storage (Drepper, 0.21), section 3, with glibc's layout of static blocks
//! (`_dl_determine_tlsoffset`, glibc 2.36 elf/dl-tls.c). The program's own block has a fixed distance from the
//! thread pointer. A library's block is computed the same way, along the link map, and believed only if the thread's
//! dynamic thread vector has the very same address for it.

use super::{Absent, AbsentReason};
use crate::addr::{FileAddr, RunAddr};
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
    let (start, number) = static_block(program, memory, arch, module, pointer)
        .ok_or_else(|| absent("thread-local storage of a library that is not in the link map"))?;
    let recorded = thread_vector_entry(memory, arch, pointer, number)?;
    if recorded != start {
        return Err(absent("thread-local storage of a library that was loaded while the program ran"));
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
            // Variant I: the block follows the two words of the thread control block.
            Arch::Aarch64 => pointer.wrapping_add(16u64.next_multiple_of(self.align)).wrapping_add(self.skew),
        }
    }

    /// Variant II: distance below the thread pointer, where `used` bytes are taken.
    fn offset_below(self, used: u64) -> u64 {
        let first = self.skew.wrapping_neg() & (self.align - 1);
        (used + self.size).saturating_sub(first).next_multiple_of(self.align) + first
    }
}

/// A library's static block, and its number in the dynamic thread vector.
fn static_block(
    program: &Program,
    memory: &dyn Memory,
    arch: Arch,
    wanted: &Module,
    pointer: u64,
) -> Option<(u64, u64)> {
    if arch == Arch::Aarch64 {
        return None;
    }
    let mut used = 0u64;
    let mut number = 0;
    for base in link_map(program, memory, arch)? {
        let Some(module) = program
            .modules
            .iter()
            .find(|module| module.bias().0 == base && !module.seed.is_vdso && (base != 0 || module.seed.is_executable))
        else {
            continue;
        };
        let Some(block) = Block::of(module) else { continue };
        number += 1;
        used = block.offset_below(used);
        if module.id == wanted.id {
            return Some((pointer.wrapping_sub(used), number));
        }
    }
    None
}

/// Load addresses of the modules, in the dynamic linker's order (glibc's `struct r_debug` and `struct link_map`,
/// link.h; both start alike in every version).
fn link_map(program: &Program, memory: &dyn Memory, arch: Arch) -> Option<Vec<u64>> {
    let word = arch.address_size() as u64;
    let read = |address: u64| memory.read_uint(RunAddr(address), word as usize).ok();
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
    let mut bases = Vec::new();
    while map != 0 && bases.len() < MAX_LINK_MAP {
        bases.push(read(map)?);
        map = read(map.checked_add(3 * word)?)?;
    }
    Some(bases)
}

/// A module's entry in the thread's dynamic thread vector (glibc sysdeps/x86_64/nptl/tls.h `tcbhead_t`: the vector's
/// address is the second word; entries are two words).
fn thread_vector_entry(memory: &dyn Memory, arch: Arch, pointer: u64, number: u64) -> Result<u64, Absent> {
    let word = arch.address_size();
    let vector = memory.read_uint(RunAddr(pointer.wrapping_add(word as u64)), word)?;
    Ok(memory.read_uint(RunAddr(vector.wrapping_add(number * 2 * word as u64)), word)?)
}
