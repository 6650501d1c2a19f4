//! Orders the names that were brought together, and writes them down.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::AtomicBool;

use rayon::prelude::*;

use super::build::{OfUnit, SHARDS};
use super::gathered::{Name, Shard, gathered};
use super::scopes::{Ranked, Scopes};
use super::{BLOCK, CHECKED_HEADER, ENTRY_ROW, HASH_ROW, HEADER, IN_DEBUG_STR, MAGIC, NAME_ROW, NameIndex, SCOPE_ROW};
use crate::addr::AddressHash;
use crate::interrupt;

/// Names whose rows are written at once.
const NAMES_A_PIECE: usize = 1 << 13;
/// Scopes with more names are ordered by all cores.
const LARGE_SCOPE: usize = 1 << 15;

/// A name in its scope's order, as one number: to sort numbers is quick.
///
/// ```text
/// bits 64..128  the beginning of its text
///      36..64   the upper bits of its hash, so that equal texts are neighbours
///      32..36   what it is
///      23..32   shard
///       0..23   number in the shard
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Row(u128);

impl Row {
    /// A shard's names have numbers below this one.
    const MAX_NUMBER: usize = 1 << 23;

    fn new(name: &Name, shard: usize, number: usize) -> Row {
        let low = name.hash & !0xf | name.kind() & 0xf;
        let place = (shard as u32) << 23 | number as u32;
        Row(u128::from(name.beginning) << 64 | u128::from(low) << 32 | u128::from(place))
    }

    fn shard(self) -> usize {
        (self.0 as u32 >> 23) as usize
    }

    fn name(self, shards: &[Shard]) -> Option<&Name> {
        shards.get(self.shard())?.names.get(self.0 as usize & (Row::MAX_NUMBER - 1))
    }

    fn is_like(self, other: Row) -> bool {
        self.0 >> 32 == other.0 >> 32
    }
}

/// All names in order. One that has its text at several places is there once, with all of its entries.
struct Names {
    rows: Vec<Row>,
    /// For each scope, in order, the number of its first name; and the end.
    firsts: Vec<u32>,
    /// By numbers of names: the others that are the same.
    more: HashMap<u32, Vec<Row>, AddressHash>,
    whole: bool,
}

impl Names {
    fn of(shards: &[Shard], ranks: &[u32], scopes: usize, debug_str: &'static [u8]) -> Names {
        let rank = |name: &Name| ranks.get(name.scope as usize).map_or(0, |rank| *rank as usize);
        let whole = shards.iter().all(|shard| shard.whole && shard.names.len() <= Row::MAX_NUMBER);
        let mut firsts = vec![0u32; scopes + 1];
        for shard in shards {
            for name in shard.names.iter().take(Row::MAX_NUMBER) {
                if let Some(count) = firsts.get_mut(rank(name) + 1) {
                    *count += 1;
                }
            }
        }
        for scope in 0..scopes {
            firsts[scope + 1] += firsts[scope];
        }
        let mut next = firsts.clone();
        let mut rows = vec![Row::default(); firsts.last().map_or(0, |end| *end as usize)];
        for (number, shard) in shards.iter().enumerate() {
            for (index, name) in shard.names.iter().take(Row::MAX_NUMBER).enumerate() {
                let Some(at) = next.get_mut(rank(name)) else { continue };
                if let Some(row) = rows.get_mut(*at as usize) {
                    *row = Row::new(name, number, index);
                }
                *at += 1;
            }
        }
        let mut names = Names { rows, firsts, more: HashMap::default(), whole };
        let same: Vec<u32> = names.ordered(shards, debug_str);
        names.join(&same);
        names
    }

    /// Orders each scope's names; says which are the same as the ones before.
    fn ordered(&mut self, shards: &[Shard], debug_str: &'static [u8]) -> Vec<u32> {
        let mut parts: Vec<(u32, &mut [Row])> = Vec::with_capacity(self.firsts.len());
        let mut rest = &mut self.rows[..];
        for scope in self.firsts.windows(2) {
            let [start, end] = [scope[0], scope[1]];
            let (part, behind) = std::mem::take(&mut rest).split_at_mut((end - start) as usize);
            parts.push((start, part));
            rest = behind;
        }
        let text = |row: Row| {
            let name = row.name(shards)?;
            Some(shards.get(row.shard())?.text(name, debug_str))
        };
        let of_scope = |(start, part): (u32, &mut [Row])| {
            match part.len() {
                LARGE_SCOPE.. => part.par_sort_unstable(),
                _ => part.sort_unstable(),
            }
            let part: &[Row] = part;
            let pairs = (start + 1..).zip(part.windows(2));
            pairs
                .filter(|(_, pair)| pair[0].is_like(pair[1]) && text(pair[0]) == text(pair[1]))
                .map(|(number, _)| number)
                .collect::<Vec<u32>>()
        };
        parts.into_par_iter().with_min_len(64).flat_map_iter(of_scope).collect()
    }

    /// Leaves out the names (by their numbers, ascending) that are the same as the ones before.
    fn join(&mut self, same: &[u32]) {
        if same.is_empty() {
            return;
        }
        let mut left = same.iter().copied().peekable();
        let mut kept: Vec<Row> = Vec::with_capacity(self.rows.len());
        for (number, row) in (0u32..).zip(&self.rows) {
            if left.next_if_eq(&number).is_some() {
                self.more.entry((kept.len() as u32).saturating_sub(1)).or_default().push(*row);
            } else {
                kept.push(*row);
            }
        }
        self.rows = kept;
        let before = |first: u32| same.partition_point(|number| *number < first) as u32;
        self.firsts.iter_mut().for_each(|first| *first -= before(*first));
    }
}

/// Where the parts of what is written begin.
struct Layout {
    tables: [usize; 5],
    payload: usize,
    end: usize,
}

impl Layout {
    fn of(scopes: usize, names: usize, entries: usize, strings: usize) -> Layout {
        let sizes = [scopes * SCOPE_ROW, names * NAME_ROW, entries * ENTRY_ROW, names * HASH_ROW, strings];
        let length: usize = sizes.iter().sum();
        let payload = HEADER + length.div_ceil(BLOCK) * 4;
        Layout { tables: sizes, payload, end: payload + length }
    }
}

/// Sorts what was found and writes it down; `None` after the request to end.
pub(super) fn written(
    units: Vec<OfUnit>,
    scopes: Scopes,
    info: usize,
    debug_str: &'static [u8],
    whole: bool,
) -> Option<NameIndex> {
    let (Ranked { paths, ranks, whole: all_paths }, shards) = rayon::join(
        || scopes.ranked(),
        || (0..=SHARDS).into_par_iter().map(|number| gathered(&units, number, debug_str)).collect::<Vec<Shard>>(),
    );
    units.into_par_iter().for_each(drop);
    if interrupt::requested() {
        return None;
    }
    let names = Names::of(&shards, &ranks, paths.len(), debug_str);
    let whole = whole && all_paths && names.whole;
    // Entries that are together only here, behind those of the shards.
    let mut joined: Vec<u8> = Vec::new();
    let mut places: HashMap<u32, [u32; 2], AddressHash> = HashMap::default();
    let in_shards: usize = shards.iter().map(|shard| shard.entries.len()).sum();
    for (number, more) in &names.more {
        let all = names.rows.get(*number as usize).into_iter().chain(more);
        let of = |row: &Row| row.name(&shards).map_or(&[][..], |name| shards[row.shard()].entries(name));
        let mut rows: Vec<&[u8]> = all.flat_map(|row| of(row).chunks_exact(ENTRY_ROW)).collect();
        rows.sort_unstable_by_key(|row| super::entry_in(row));
        let first = (in_shards + joined.len()) / ENTRY_ROW;
        places.insert(*number, [first as u32, rows.len() as u32]);
        rows.iter().for_each(|row| joined.extend_from_slice(row));
    }
    let strings: usize = paths.iter().map(String::len).chain(shards.iter().map(|shard| shard.own.len())).sum();
    let entries = (in_shards + joined.len()) / ENTRY_ROW;
    let (scope_count, name_count) = (u32::try_from(paths.len()).ok()?, u32::try_from(names.rows.len()).ok()?);
    let entry_count = u32::try_from(entries).ok()?;
    let layout = Layout::of(paths.len(), names.rows.len(), entries, strings);
    // Everything is written where it stays: to move it is what would cost most here.
    let mut bytes = vec![0; layout.end];
    let (start, content) = bytes.split_at_mut(layout.payload);
    let [scope_rows, name_rows, entry_rows, hash_rows, texts] = split(content, layout.tables);
    let mut entry_bases = Vec::with_capacity(shards.len());
    let mut text_bases = Vec::with_capacity(shards.len());
    let (mut entry_base, mut text_base) = (0u32, paths.iter().map(String::len).sum::<usize>());
    for shard in &shards {
        entry_bases.push(entry_base);
        text_bases.push(text_base as u32);
        entry_base += (shard.entries.len() / ENTRY_ROW) as u32;
        text_base += shard.own.len();
    }
    let name_row = |number: u32, row: Row, to: &mut [u8]| -> Option<u64> {
        let name = row.name(&shards)?;
        let [first, count] = match places.get(&number) {
            Some(place) => *place,
            None => [name.first + entry_bases.get(row.shard())?, name.count],
        };
        let own = if name.length & IN_DEBUG_STR == 0 { *text_bases.get(row.shard())? } else { 0 };
        put(to, &[name.text.wrapping_add(own), name.length, first, count]);
        Some(u64::from(name.hash) << 32 | u64::from(number))
    };
    let write_names = || {
        let mut hashes = vec![0u64; names.rows.len()];
        let pieces = names.rows.par_chunks(NAMES_A_PIECE).zip(name_rows.par_chunks_mut(NAMES_A_PIECE * NAME_ROW));
        let pieces = pieces.zip(hashes.par_chunks_mut(NAMES_A_PIECE)).enumerate();
        pieces.for_each(|(piece, ((rows, to), hashes))| {
            let numbers = (piece * NAMES_A_PIECE) as u32..;
            for (((number, row), to), hash) in
                numbers.zip(rows).zip(to.chunks_exact_mut(NAME_ROW)).zip(hashes.iter_mut())
            {
                *hash = name_row(number, *row, to).unwrap_or(0);
            }
        });
        hashes.par_sort_unstable();
        let pieces = hashes.par_chunks(NAMES_A_PIECE).zip(hash_rows.par_chunks_mut(NAMES_A_PIECE * HASH_ROW));
        pieces.for_each(|(hashes, to)| {
            for (hash, to) in hashes.iter().zip(to.chunks_exact_mut(HASH_ROW)) {
                put(to, &[(hash >> 32) as u32, *hash as u32]);
            }
        });
    };
    let write_others = || {
        let mut texts = Places(texts);
        let mut at = 0;
        for ((path, first), to) in paths.iter().zip(&names.firsts).zip(scope_rows.chunks_exact_mut(SCOPE_ROW)) {
            put(to, &[at as u32, path.len() as u32, *first]);
            texts.next(path.len()).copy_from_slice(path.as_bytes());
            at += path.len();
        }
        let mut rows = Places(entry_rows);
        for shard in &shards {
            texts.next(shard.own.len()).copy_from_slice(&shard.own);
            rows.next(shard.entries.len()).copy_from_slice(&shard.entries);
        }
        rows.next(joined.len()).copy_from_slice(&joined);
    };
    rayon::join(write_names, write_others);
    let (header, its_sums) = start.split_at_mut(HEADER);
    let mut fields = Places(header);
    fields.next(8).copy_from_slice(MAGIC);
    for size in [info, debug_str.len()] {
        fields.next(8).copy_from_slice(&(size as u64).to_le_bytes());
    }
    put(fields.next(20), &[scope_count, name_count, entry_count, strings as u32, u32::from(whole)]);
    content.par_chunks(BLOCK).zip(its_sums.par_chunks_mut(4)).for_each(|(block, to)| {
        put(to, &[crc32fast::hash(block)]);
    });
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header.get(..CHECKED_HEADER).unwrap_or_default());
    hasher.update(its_sums);
    put(header.get_mut(CHECKED_HEADER..).unwrap_or_default(), &[hasher.finalize()]);
    let checksums: Range<usize> = HEADER..layout.payload;
    // As mapped files, an index lives until the process ends.
    let bytes: &'static [u8] = Box::leak(bytes.into_boxed_slice());
    Some(NameIndex {
        bytes,
        debug_str,
        scopes: scope_count,
        names: name_count,
        entries: entry_count,
        complete: whole,
        checksums,
        payload: layout.payload,
        checked: None,
        damaged: AtomicBool::new(false),
    })
}

/// Cuts a block at the given sizes.
fn split(mut block: &mut [u8], sizes: [usize; 5]) -> [&mut [u8]; 5] {
    sizes.map(|size| {
        let (part, rest) = std::mem::take(&mut block).split_at_mut(size);
        block = rest;
        part
    })
}

/// What is still to be filled.
struct Places<'b>(&'b mut [u8]);

impl<'b> Places<'b> {
    fn next(&mut self, size: usize) -> &'b mut [u8] {
        let (part, rest) = std::mem::take(&mut self.0).split_at_mut(size);
        self.0 = rest;
        part
    }
}

fn put(to: &mut [u8], words: &[u32]) {
    for (to, word) in to.chunks_exact_mut(4).zip(words) {
        to.copy_from_slice(&word.to_le_bytes());
    }
}
