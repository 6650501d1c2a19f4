//! The dynamic section (PT_DYNAMIC) of a file, for files whose section headers are gone.
//!
//! System V gABI, chapter 5, "Dynamic Section" and "Hash Table"; DT_GNU_HASH is glibc's (elf/dl-lookup.c, 2.36).

use object::elf;

use super::elf_file::ElfFile;
use crate::addr::FileAddr;

/// Entries that a dynamic section may have; linkers write a few dozen.
const MOST_ENTRIES: usize = 4096;

/// The dynamic symbols and their strings, as `.dynsym` and `.dynstr` would be.
pub fn symbols(file: &ElfFile) -> Option<(&'static [u8], &'static [u8])> {
    let symbol_table = entry(file, elf::DT_SYMTAB.0)?;
    let string_table = entry(file, elf::DT_STRTAB.0)?;
    let strings = file.bytes_at(FileAddr(string_table))?;
    let length = entry(file, elf::DT_STRSZ.0).and_then(|size| usize::try_from(size).ok()).unwrap_or(usize::MAX);
    let strings = strings.get(..length.min(strings.len()))?;
    let table = file.bytes_at(FileAddr(symbol_table))?;
    let entry_size = if file.is_64() { 24 } else { 16 };
    let count = count_by_hash(file).or_else(|| count_by_gnu_hash(file)).or_else(|| {
        // Every linker puts the strings right behind the symbols.
        usize::try_from(string_table.checked_sub(symbol_table)?).ok().map(|size| size / entry_size)
    })?;
    let size = count.checked_mul(entry_size)?.min(table.len() / entry_size * entry_size);
    Some((&table[..size], strings))
}

/// The value of the first entry with that tag.
fn entry(file: &ElfFile, wanted: i64) -> Option<u64> {
    let (bytes, _) = file.segment(elf::PT_DYNAMIC.0)?;
    let word = if file.is_64() { 8 } else { 4 };
    for pair in bytes.chunks_exact(2 * word).take(MOST_ENTRIES) {
        let (tag, value) = (number(&pair[..word]), number(&pair[word..]));
        if tag == 0 {
            return None;
        }
        if i64::try_from(tag) == Ok(wanted) {
            return Some(value);
        }
    }
    None
}

/// DT_HASH: nbucket, nchain (as many as there are symbols), 4 bytes each.
fn count_by_hash(file: &ElfFile) -> Option<usize> {
    let bytes = file.bytes_at(FileAddr(entry(file, elf::DT_HASH.0)?))?;
    usize::try_from(number(bytes.get(4..8)?)).ok()
}

/// DT_GNU_HASH: nbuckets, the first symbol that is hashed, words of the Bloom filter, its shift; the filter; the
/// buckets; a word for each hashed symbol, whose lowest bit marks the last one of a bucket.
fn count_by_gnu_hash(file: &ElfFile) -> Option<usize> {
    let bytes = file.bytes_at(FileAddr(entry(file, elf::DT_GNU_HASH.0)?))?;
    let word = |index: usize| Some(number(bytes.get(index.checked_mul(4)?..)?.get(..4)?) as usize);
    let (bucket_count, first, filter_words) = (word(0)?, word(1)?, word(2)?);
    let buckets = filter_words.checked_mul(if file.is_64() { 2 } else { 1 })?.checked_add(4)?;
    let chains = buckets.checked_add(bucket_count)?;
    let buckets = bytes.get(buckets.checked_mul(4)?..chains.checked_mul(4)?)?;
    let last = buckets.chunks_exact(4).map(|bucket| number(bucket) as usize).max().unwrap_or(0);
    if last < first {
        return Some(first);
    }
    // Ends at the segment's end at the latest.
    let mut symbol = last;
    while word(chains.checked_add(symbol - first)?)? & 1 == 0 {
        symbol = symbol.checked_add(1)?;
    }
    symbol.checked_add(1)
}

/// A little-endian number of at most 8 bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
