//! What glibc's allocator says of a block: whether a thread's cache of free blocks holds it, how large it is, and what it
//! writes in free blocks.
//!
//! ```text
//! chunk    size of the one before, size | flags; the block begins behind these two words  (malloc/malloc.c, 2.26 to 2.41)
//! cache    tcache_perthread_struct: 64 counts of 2 bytes (1 byte until 2.29), then 64 lists by size
//! entry    next, key: from 2.32 on next is mangled with its own address (PROTECT_PTR),
//!          from 2.34 on key is a random number of the process's, before the cache's address
//! ```
//!
//! The main thread's cache is its heap's first block; another arena's is among its heap's first (`heap_info` and
//! `malloc_state` before it), and heaps of arenas begin at multiples of 64 MiB (HEAP_MAX_SIZE). Other layouts are not
//! found, and then nothing is said.

use crate::addr::RunAddr;
use crate::analyze::Case;
use crate::image::Mapping;

/// Lists of a cache.
const LISTS: u64 = 64;
/// Blocks of one list that are looked at (tcache_count is 7; tunables may raise it).
const MAX_LIST: usize = 64;
/// (bytes of the counts, size of the cache's chunk): glibc 2.30 and later, 2.26 to 2.29.
const LAYOUTS: [(u64, u64); 2] = [(128, 0x290), (64, 0x250)];
/// Flags in a chunk's size.
const FLAGS: u64 = 7;
/// PREV_INUSE and NON_MAIN_ARENA.
const ARENA_CHUNK: u64 = 5;
/// HEAP_MAX_SIZE on machines of 64 bits (malloc/arena.c).
const HEAP_MAX: u64 = 64 << 20;
/// Bytes of an arena's heap among which its cache is looked for.
const ARENA_START: u64 = 4096;
/// Caches that are looked at.
const MAX_CACHES: usize = 64;

/// A block in a cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FreeBlock {
    /// Its first byte.
    pub start: u64,
    /// Bytes that a program could use of it.
    pub size: u64,
    /// Its first word: where the next one is, mangled.
    pub link: u64,
    /// Its second word.
    pub key: u64,
}

/// The blocks that threads' caches hold.
#[derive(Clone, Debug, Default)]
pub struct FreeBlocks {
    blocks: Vec<FreeBlock>,
}

impl FreeBlocks {
    /// Reads the caches; none where the process has no such allocator.
    pub(super) fn read(case: &Case<'_>) -> FreeBlocks {
        let mut found = FreeBlocks::default();
        if case.arch().address_size() != 8 {
            return found;
        }
        let mut caches = 0;
        for mapping in case.session.image.mappings.iter().filter(|mapping| mapping.file.is_none()) {
            let Some((cache, counts)) = cache_in(case, mapping) else { continue };
            found.add(case, cache, counts);
            caches += 1;
            if caches == MAX_CACHES {
                break;
            }
        }
        found
    }

    fn add(&mut self, case: &Case<'_>, cache: u64, counts: u64) {
        for list in 0..LISTS {
            let size = 24 + list * 16;
            let Some(head) = cache.checked_add(counts + list * 8).and_then(|head| case.word(head)) else { return };
            let mut entry = head;
            for _ in 0..MAX_LIST {
                if entry == 0 || !entry.is_multiple_of(16) {
                    break;
                }
                let (Some(link), Some(key)) = (case.word(entry), case.word(entry.wrapping_add(8))) else { break };
                self.blocks.push(FreeBlock { start: entry, size, link, key });
                let next = link ^ (entry >> 12);
                entry = if next == 0 || next.is_multiple_of(16) && case.is_mapped(next) { next } else { link };
            }
        }
    }

    /// The free block that begins at the address.
    pub fn at(&self, start: u64) -> Option<FreeBlock> {
        self.blocks.iter().find(|block| block.start == start).copied()
    }

    /// The free block that holds the address.
    pub fn around(&self, address: u64) -> Option<FreeBlock> {
        self.blocks.iter().find(|block| address.wrapping_sub(block.start) < block.size).copied()
    }

    /// The block whose mark of being free the value is: the same random number stands in every one of them.
    pub fn marked(&self, value: u64) -> Option<FreeBlock> {
        let block = self.blocks.iter().find(|block| block.key == value)?;
        let same = self.blocks.iter().filter(|block| block.key == value).count();
        // A program's own data may stand there only where it wrote into what is free.
        let is_random = value >> 48 != 0 && value != u64::MAX;
        (is_random && same * 2 > self.blocks.len()).then_some(*block)
    }

    /// The block whose mangled link to the next one the value is.
    pub fn linked(&self, value: u64) -> Option<FreeBlock> {
        let block = self.blocks.iter().find(|block| block.link == value && value >= 1 << 20)?;
        let next = block.link ^ (block.start >> 12);
        (next == 0 || self.at(next).is_some()).then_some(*block)
    }
}

/// The cache in a mapping, and the bytes of its counts.
fn cache_in(case: &Case<'_>, mapping: &Mapping) -> Option<(u64, u64)> {
    let start = mapping.start.0;
    let of_size = |size: u64| LAYOUTS.into_iter().find(|(_, chunk)| size & !FLAGS == *chunk);
    if let Some((counts, _)) = case.word(start.checked_add(8)?).and_then(of_size) {
        return Some((start.checked_add(16)?, counts));
    }
    // An arena: its heap's header is followed by `malloc_state`.
    if !start.is_multiple_of(HEAP_MAX) {
        return None;
    }
    (0..ARENA_START / 16).map(|at| start.wrapping_add(at * 16)).find_map(|chunk| {
        let size = case.word(chunk.checked_add(8)?).filter(|size| size & FLAGS == ARENA_CHUNK)?;
        let (counts, _) = of_size(size)?;
        Some((chunk.checked_add(16)?, counts))
    })
}

/// The bytes that a program may use of the block that begins at the address, by its chunk's size: only where the next
/// chunk agrees that it is in use.
pub fn block_size(case: &Case<'_>, start: u64) -> Option<u64> {
    if case.arch().address_size() != 8 || !start.is_multiple_of(16) || start < 1 << 20 {
        return None;
    }
    let mapping = case.session.image.mapping_at(RunAddr(start)).filter(|mapping| is_heap(case, mapping))?;
    let size = case.word(start.checked_sub(8)?)?;
    let whole = size & !FLAGS;
    let chunk = start.checked_sub(16)?;
    let next = chunk.checked_add(whole)?;
    if whole < 32 || !whole.is_multiple_of(16) || next >= mapping.end.0 {
        return None;
    }
    let following = case.word(next.checked_add(8)?)?;
    let plausible = following & !FLAGS >= 16 && (following & !FLAGS).is_multiple_of(16) && following & 1 == 1;
    plausible.then_some(whole - 8)
}

/// Whether the main heap or an arena's lies there, as its cache shows.
fn is_heap(case: &Case<'_>, mapping: &Mapping) -> bool {
    mapping.file.is_none() && cache_in(case, mapping).is_some()
}
