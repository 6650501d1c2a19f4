//! A library's block as glibc keeps it, by the offsets that glibc itself publishes for debuggers.
//!
//! libc (libpthread before 2.34) exports a descriptor for each field that libthread_db reads, `_thread_db_STRUCT_FIELD`:
//! three 32-bit numbers, the field's size in bits, its count and its offset in bytes (nptl_db/db_info.c, 2.3 to 2.41).
//! So no version of glibc's private structures is assumed here. What stays fixed in all of them: entries of the thread
//! vector are two words, the first the block's address; the word before the vector's first entry but one is its
//! length; the first is its generation (nptl/descr.h, sysdeps/generic/dl-dtv.h); a list of slots is its length, the
//! next list, then pairs of a generation and a link map (sysdeps/generic/ldsodefs.h).

use super::Block;
use crate::addr::RunAddr;
use crate::arch::Arch;
use crate::memory::Memory;
use crate::module::program::Program;
use crate::module::{Module, SymbolKind};
use crate::value::{Absent, AbsentReason};

/// Lists of slots that are followed: each has 64 slots or more.
const MAX_SLOT_LISTS: usize = 256;
/// No process loads more modules.
const MAX_MODULES: u64 = 1 << 20;

/// Reads words of the process.
pub(super) struct Words<'a> {
    pub memory: &'a dyn Memory,
    pub arch: Arch,
}

impl Words<'_> {
    pub fn size(&self) -> u64 {
        self.arch.address_size() as u64
    }

    pub fn read(&self, address: u64) -> Option<u64> {
        self.memory.read_uint(RunAddr(address), self.arch.address_size()).ok()
    }

    /// The word at a signed distance of so many words.
    fn at(&self, address: u64, index: i64) -> Option<u64> {
        self.read(address.checked_add_signed(index.checked_mul(self.size() as i64)?)?)
    }
}

/// Where the block of the module that `link` describes begins in the thread of `pointer`. `None` where this is not
/// glibc, or does not describe itself.
pub(super) fn block(
    program: &Program,
    words: &Words<'_>,
    module: &Module,
    link: u64,
    pointer: u64,
) -> Option<Result<u64, Absent>> {
    let field = |name: &str| {
        let offset = field_offset(program, words, name)?;
        words.read(link.checked_add(offset)?)
    };
    let number = field("link_map_l_tls_modid")?;
    let offset = field("link_map_l_tls_offset")?;
    Some(found(program, words, module, Link { link, number, offset }, pointer))
}

struct Link {
    link: u64,
    /// `l_tls_modid`: its entry in every thread's vector.
    number: u64,
    /// `l_tls_offset`: where its block is in every thread, if it is static.
    offset: u64,
}

fn found(program: &Program, words: &Words<'_>, module: &Module, link: Link, pointer: u64) -> Result<u64, Absent> {
    let corrupt = || Absent::because(AbsentReason::Corrupt, "the dynamic linker's records contradict each other");
    let block = Block::of(module).ok_or_else(corrupt)?;
    if link.number == 0 || link.number > MAX_MODULES {
        return Err(corrupt());
    }
    let vector = vector_entry(program, words, &link, pointer);
    let Some(start) = static_start(words.arch, link.offset, pointer) else {
        let unused = "the thread has not used this library's thread-local storage yet";
        let start = vector.ok_or_else(|| Absent::because(AbsentReason::NotSaved, unused))?;
        return if block.may_begin_at(start) { Ok(start) } else { Err(corrupt()) };
    };
    let agrees = vector.is_none_or(|vector| vector == start);
    if agrees && block.may_begin_at(start) { Ok(start) } else { Err(corrupt()) }
}

/// The block's place at a fixed distance from the thread pointer. 0 (NO_TLS_OFFSET), -1 and -2 (FORCED_DYNAMIC_TLS_OFFSET)
/// say that it has none.
fn static_start(arch: Arch, offset: u64, pointer: u64) -> Option<u64> {
    let none = if arch.address_size() == 4 { u64::from(u32::MAX) - 1 } else { u64::MAX - 1 };
    if offset == 0 || offset >= none {
        return None;
    }
    match arch {
        Arch::X86_64 | Arch::I386 => pointer.checked_sub(offset),
        Arch::Aarch64 => pointer.checked_add(offset),
    }
}

/// What the thread's vector has for the module; `None` where it has nothing, or only what an earlier module left there.
fn vector_entry(program: &Program, words: &Words<'_>, link: &Link, pointer: u64) -> Option<u64> {
    let vector = super::thread_vector(words, pointer)?;
    let (length, generation) = (words.at(vector, -2)?, words.read(vector)?);
    if link.number > length || slot_generation(program, words, link)? > generation {
        return None;
    }
    let start = words.at(vector, i64::try_from(link.number).ok()? * 2)?;
    // 0 in a fresh vector; all ones: TLS_DTV_UNALLOCATED.
    let unallocated = if words.size() == 4 { u64::from(u32::MAX) } else { u64::MAX };
    (start != 0 && start != unallocated).then_some(start)
}

/// When the module got its number: vectors of an older generation know nothing of it.
fn slot_generation(program: &Program, words: &Words<'_>, link: &Link) -> Option<u64> {
    let global = symbol(program, &["ld-", "ld."], "_rtld_global")?;
    let mut list =
        words.read(global.checked_add(field_offset(program, words, "rtld_global__dl_tls_dtv_slotinfo_list")?)?)?;
    let mut index = link.number;
    for _ in 0..MAX_SLOT_LISTS {
        let length = words.read(list)?;
        if index < length {
            let slot = list.checked_add((2 + 2 * index).checked_mul(words.size())?)?;
            let (generation, map) = (words.read(slot)?, words.at(slot, 1)?);
            return (map == link.link).then_some(generation);
        }
        index -= length;
        list = words.at(list, 1)?;
    }
    None
}

/// The offset that a descriptor gives, of a field that is one word.
fn field_offset(program: &Program, words: &Words<'_>, name: &str) -> Option<u64> {
    let descriptor = symbol(program, &["libc.", "libc-", "libpthread"], &format!("_thread_db_{name}"))?;
    let number = |index: u64| words.memory.read_uint(RunAddr(descriptor.checked_add(4 * index)?), 4).ok();
    let (bits, offset) = (number(0)?, number(2)?);
    (bits == 8 * words.size() && offset < 1 << 20).then_some(offset)
}

/// Where the symbol of a library with such a name is in the process.
fn symbol(program: &Program, libraries: &[&str], name: &str) -> Option<u64> {
    program.modules.iter().find_map(|module| {
        let file = module.seed.path.rsplit('/').next().unwrap_or_default();
        if !libraries.iter().any(|library| file.starts_with(library)) {
            return None;
        }
        let symbol = module.symbols().by_name(name).into_iter().find(|symbol| symbol.kind == SymbolKind::Data)?;
        Some(module.to_run(symbol.address).0)
    })
}
