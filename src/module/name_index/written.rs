//! Brings together what the units have, in order, and writes it down.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;

use rayon::prelude::*;

use super::build::{Found, OfUnit, SHARDS, place_in, text_at};
use super::order::ordered;
use super::{BLOCK, CHECKED_HEADER, HEADER, IN_DEBUG_STR, LENGTH_BITS, MAGIC, NAME_ROW, NameIndex, SCOPE_ROW, hash_of};
use crate::addr::AddressHash;

/// Bytes of all names.
const MAX_STRINGS: usize = 1 << 30;
/// Names whose entries are written at once.
const NAMES_A_PIECE: usize = 1 << 14;

/// A name with its entries.
#[derive(Clone, Copy)]
struct Name {
    leaf: &'static [u8],
    /// Rank of its scope.
    scope: u32,
    hash: u32,
    /// Where its entries are in the shard.
    start: u32,
    end: u32,
    shard: u16,
    kind: u8,
    /// The text is well-formed, so that it need not be repeated where .debug_str has it.
    well_formed: bool,
}

/// Names whose texts are in one part of .debug_str, and their entries: units and offsets.
type Shard = (Vec<Name>, Vec<(u32, u32)>);

/// Paths of all scopes, in order; and for each unit, which of them its scopes are.
struct Scopes {
    paths: Vec<String>,
    of_units: Vec<Vec<u32>>,
}

impl Scopes {
    /// Each path is put together once.
    fn of(units: &[OfUnit]) -> Scopes {
        let mut numbers: HashMap<u64, u32, AddressHash> = HashMap::default();
        let mut paths: Vec<String> = Vec::new();
        let mut of_units: Vec<Vec<u32>> = Vec::with_capacity(units.len());
        for unit in units {
            let mut own: Vec<u32> = Vec::with_capacity(unit.scopes.len());
            for scope in &unit.scopes {
                let number = *numbers.entry(scope.hash).or_insert_with(|| {
                    let around = own.get(scope.around as usize).and_then(|around| paths.get(*around as usize));
                    let name = String::from_utf8_lossy(scope.name);
                    let path = match around.filter(|path| !path.is_empty()) {
                        Some(around) => [around, "::", &name].concat(),
                        None => name.into_owned(),
                    };
                    paths.push(path);
                    (paths.len() - 1) as u32
                });
                own.push(number);
            }
            of_units.push(own);
        }
        let count = u32::try_from(paths.len()).unwrap_or(u32::MAX);
        let path = |number: u32| paths.get(number as usize).map_or(&b""[..], |path| path.as_bytes());
        let order = ordered(count, |_| 0, path, |_| 0);
        let mut ranks = vec![0; paths.len()];
        for (rank, number) in (0u32..).zip(&order) {
            if let Some(slot) = ranks.get_mut(*number as usize) {
                *slot = rank;
            }
        }
        of_units.par_iter_mut().flatten_iter().for_each(|number| {
            *number = ranks.get(*number as usize).copied().unwrap_or(0);
        });
        let paths = order.iter().filter_map(|number| paths.get_mut(*number as usize).map(std::mem::take)).collect();
        Scopes { paths, of_units }
    }
}

/// Brings together what the units have in one part of .debug_str: texts are read in the order in which they lie there.
/// The last shard's are elsewhere.
fn shard(units: &[OfUnit], number: usize, scopes: &Scopes, debug_str: &'static [u8]) -> Shard {
    let own = |unit: &'_ OfUnit| match (unit.starts.get(number), unit.starts.get(number + 1)) {
        (Some(start), Some(end)) if number < SHARDS => *start as usize..*end as usize,
        _ => 0..0,
    };
    let part = |unit: &OfUnit| if number < SHARDS { own(unit).len() } else { unit.elsewhere.len() };
    let mut found: Vec<Found> = Vec::with_capacity(units.iter().map(part).sum());
    let mut texts: HashMap<u32, &[&'static [u8]], AddressHash> = HashMap::default();
    for (unit, ranks) in units.iter().zip(&scopes.of_units) {
        let part = match number < SHARDS {
            true => unit.found.get(own(unit)).unwrap_or_default(),
            false => &unit.elsewhere,
        };
        if let Some(first) = part.first().filter(|_| number >= SHARDS) {
            texts.insert(first.unit(), &unit.texts);
        }
        found.extend(part.iter().map(|entry| {
            let rank = ranks.get(entry.scope() as usize).copied().unwrap_or(0);
            entry.in_scope(rank)
        }));
    }
    found.sort_unstable();
    let mut names: Vec<Name> = Vec::new();
    let mut last: Option<Found> = None;
    let mut text: Option<(&'static [u8], u32, bool)> = None;
    for (at, entry) in (0u32..).zip(&found) {
        let same_text = last
            .is_some_and(|before| before.text() == entry.text() && (number < SHARDS || before.unit() == entry.unit()));
        let same = last.is_some_and(|before| (before.scope(), before.kind()) == (entry.scope(), entry.kind()));
        last = Some(*entry);
        if let Some(name) = names.last_mut().filter(|_| same && same_text) {
            name.end = at + 1;
            continue;
        }
        if !same_text {
            let leaf = match number < SHARDS {
                true => text_at(debug_str, entry.text()),
                false => texts.get(&entry.unit()).and_then(|texts| texts.get(entry.text() as usize)).copied(),
            };
            text = leaf.map(|leaf| match std::str::from_utf8(leaf) {
                Ok(_) => (leaf, hash_of(leaf), true),
                Err(_) => (leaf, hash_of(String::from_utf8_lossy(leaf).as_bytes()), false),
            });
        }
        // What has no text keeps a place, so that entries that follow do not become those of the name before.
        let (leaf, hash, well_formed) = text.unwrap_or((&[], 0, false));
        let (scope, kind, shard) = (entry.scope(), entry.kind() as u8, number as u16);
        names.push(Name { leaf, scope, hash, start: at, end: at + 1, shard, kind, well_formed });
    }
    names.retain(|name| !name.leaf.is_empty());
    (names, found.into_iter().map(|found| (found.unit(), found.offset())).collect())
}

/// All names in order. One that has its text at several places is there once, with all of its entries.
struct Names {
    names: Vec<Name>,
    /// Entries of a name (by its number) beside its own: shard and place in it.
    more: HashMap<u32, Vec<Name>, AddressHash>,
    /// Entries of each shard.
    entries: Vec<Vec<(u32, u32)>>,
}

impl Names {
    fn of(shards: Vec<Shard>) -> Names {
        let mut found: Vec<Name> = Vec::with_capacity(shards.iter().map(|(names, _)| names.len()).sum());
        let mut entries = Vec::with_capacity(shards.len());
        for (of_shard, its_entries) in shards {
            found.extend_from_slice(&of_shard);
            entries.push(its_entries);
        }
        let at = |number: u32| found.get(number as usize);
        let order = ordered(
            u32::try_from(found.len()).unwrap_or(u32::MAX),
            |number| at(number).map_or(0, |name| name.scope),
            |number| at(number).map_or(&[], |name| name.leaf),
            |number| at(number).map_or(0, |name| name.kind.into()),
        );
        let sorted: Vec<Name> = order.par_iter().filter_map(|number| at(*number).copied()).collect();
        drop(found);
        let mut more: HashMap<u32, Vec<Name>, AddressHash> = HashMap::default();
        let mut names: Vec<Name> = Vec::with_capacity(sorted.len());
        for name in sorted {
            let same = |last: &&Name| {
                (last.scope, last.kind, last.hash) == (name.scope, name.kind, name.hash) && last.leaf == name.leaf
            };
            match names.last().filter(same) {
                Some(_) => more.entry((names.len() - 1) as u32).or_default().push(name),
                None => names.push(name),
            }
        }
        Names { names, more, entries }
    }

    /// How many entries a name has.
    fn count(&self, number: u32, name: &Name) -> u32 {
        let more = self.more.get(&number).into_iter().flatten();
        more.chain([name]).map(|name| name.end - name.start).sum()
    }

    fn entries_of(&self, name: &Name) -> &[(u32, u32)] {
        let shard = self.entries.get(usize::from(name.shard)).map_or(&[][..], Vec::as_slice);
        shard.get(name.start as usize..name.end as usize).unwrap_or_default()
    }

    /// Rows of the entries of some names, of which the first one's number is given.
    fn rows(&self, first: u32, names: &[Name]) -> Vec<u8> {
        let mut rows = Vec::with_capacity(names.len() * 32);
        for (number, name) in (first..).zip(names) {
            match self.more.get(&number) {
                None => self.entries_of(name).iter().for_each(|(unit, offset)| put(&mut rows, &[*unit, *offset])),
                Some(more) => {
                    let all = more.iter().chain([name]).flat_map(|name| self.entries_of(name));
                    let mut all: Vec<(u32, u32)> = all.copied().collect();
                    all.sort_unstable();
                    all.iter().for_each(|(unit, offset)| put(&mut rows, &[*unit, *offset]));
                }
            }
        }
        rows
    }
}

/// Texts that .debug_str does not have.
struct Strings {
    bytes: Vec<u8>,
    whole: bool,
}

impl Strings {
    /// Where the text is from now on, and its length.
    fn add(&mut self, text: &[u8]) -> [u32; 2] {
        let text = String::from_utf8_lossy(text);
        if self.bytes.len() + text.len() > MAX_STRINGS {
            self.whole = false;
            return [0, 0];
        }
        self.bytes.extend_from_slice(text.as_bytes());
        [(self.bytes.len() - text.len()) as u32, text.len() as u32]
    }
}

/// Sorts what was found and writes it down.
pub(super) fn written(units: Vec<OfUnit>, info: usize, debug_str: &'static [u8], whole: bool) -> NameIndex {
    let scopes = Scopes::of(&units);
    let shards: Vec<Shard> =
        (0..=SHARDS).into_par_iter().map(|number| shard(&units, number, &scopes, debug_str)).collect();
    units.into_par_iter().for_each(drop);
    let paths = scopes.paths;
    let found = Names::of(shards);
    let names = &found.names;
    let (mut hashes, entry_rows) = rayon::join(
        || {
            let hash = |(number, name): (usize, &Name)| u64::from(name.hash) << 32 | number as u64;
            let mut hashes: Vec<u64> = names.par_iter().enumerate().map(hash).collect();
            hashes.par_sort_unstable();
            hashes
        },
        || {
            let pieces = names.par_chunks(NAMES_A_PIECE).enumerate();
            pieces.map(|(piece, names)| found.rows((piece * NAMES_A_PIECE) as u32, names)).collect::<Vec<_>>()
        },
    );
    let mut strings = Strings { bytes: Vec::new(), whole };
    let mut scope_rows = Vec::with_capacity(paths.len() * SCOPE_ROW);
    let mut next = 0;
    for (rank, path) in paths.iter().enumerate() {
        let [at, length] = strings.add(path.as_bytes());
        while names.get(next).is_some_and(|name| (name.scope as usize) < rank) {
            next += 1;
        }
        put(&mut scope_rows, &[at, length, next as u32]);
    }
    let mut name_rows = Vec::with_capacity(names.len() * NAME_ROW);
    let mut entry_count = 0u32;
    for (number, name) in (0u32..).zip(names) {
        let kind = u32::from(name.kind) << LENGTH_BITS;
        match place_in(debug_str, name.leaf).filter(|_| name.well_formed) {
            Some(at) => put(&mut name_rows, &[at, name.leaf.len() as u32 | kind | IN_DEBUG_STR, entry_count]),
            None => {
                let [at, length] = strings.add(name.leaf);
                put(&mut name_rows, &[at, length | kind, entry_count]);
            }
        }
        entry_count += found.count(number, name);
    }
    let Strings { bytes: strings, whole } = strings;
    let (scopes, names) = (paths.len() as u32, names.len() as u32);
    // Everything has its place at once: to move it is what costs most here.
    let entry_bytes: usize = entry_rows.iter().map(Vec::len).sum();
    let length = scope_rows.len() + name_rows.len() + entry_bytes + hashes.len() * 8 + strings.len();
    let payload = HEADER + length.div_ceil(BLOCK) * 4;
    let mut bytes = Vec::with_capacity(payload + length);
    bytes.extend_from_slice(MAGIC);
    for size in [info, debug_str.len()] {
        bytes.extend_from_slice(&(size as u64).to_le_bytes());
    }
    put(&mut bytes, &[scopes, names, entry_count, strings.len() as u32]);
    put(&mut bytes, &[u32::from(whole), 0, 0, 0]);
    bytes.resize(payload, 0);
    bytes.extend_from_slice(&scope_rows);
    bytes.extend_from_slice(&name_rows);
    entry_rows.iter().for_each(|rows| bytes.extend_from_slice(rows));
    for hash in hashes.drain(..) {
        put(&mut bytes, &[(hash >> 32) as u32, hash as u32]);
    }
    bytes.extend_from_slice(&strings);
    let (start, content) = bytes.split_at_mut(payload);
    let sums: Vec<u32> = content.par_chunks(BLOCK).map(crc32fast::hash).collect();
    let (header, its_sums) = start.split_at_mut(HEADER);
    its_sums.iter_mut().zip(sums.iter().flat_map(|sum| sum.to_le_bytes())).for_each(|(to, from)| *to = from);
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header.get(..CHECKED_HEADER).unwrap_or_default());
    hasher.update(its_sums);
    let sum = hasher.finalize().to_le_bytes();
    header.iter_mut().skip(CHECKED_HEADER).zip(sum).for_each(|(to, from)| *to = from);
    // As mapped files, an index lives until the process ends.
    let bytes: &'static [u8] = Box::leak(bytes.into_boxed_slice());
    NameIndex {
        bytes,
        debug_str,
        scopes,
        names,
        entries: entry_count,
        complete: whole,
        checksums: HEADER..payload,
        payload,
        checked: None,
        damaged: AtomicBool::new(false),
    }
}

fn put(bytes: &mut Vec<u8>, words: &[u32]) {
    for word in words {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
}
