//! All names of a module's debug information, sorted: functions, variables outside of functions, types, enumerators.
//!
//! ```text
//! every unit, in parallel ──build──> one block of bytes ──section_cache──> $XDG_CACHE_HOME/obit/…/BUILD-ID/names-…
//!                                          │ the same bytes, mapped, in the next session
//!                                          └──> look-ups by name, completion, info functions, names that are near
//! ```
//!
//! The block is a table of scopes (`ns::Class`, in order), one of names (sorted by scope, then by the first eight bytes
//! of the name in it, each with what it is), one of the entries of each name (offsets in .debug_info) and one of the
//! hashes of names without their scopes. Texts that .debug_str has are not repeated: those of a big program are longer
//! than all the rest; nor are they read to their ends to be ordered, as they lie all over memory: the few that begin
//! alike are ordered when somebody asks for them. The block is read where it lies: nothing is decoded before it is
//! asked for, and every 64 KiB have a checksum of their own, checked when they are first touched. What it says are
//! hints: whoever follows one looks at the entry itself.

mod build;
mod gathered;
mod order;
mod pass;
mod scopes;
#[cfg(test)]
mod tests;
mod written;

use crate::order::Order;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rayon::prelude::*;

pub use build::build;

/// Bytes under one checksum.
const BLOCK: usize = 1 << 16;
/// "obit names", and the version of the format.
const MAGIC: &[u8; 8] = b"obitnam3";
const HEADER: usize = 64;
/// Bytes of the header that its own checksum is over.
const CHECKED_HEADER: usize = 56;
/// Bytes of a row of the tables.
const SCOPE_ROW: usize = 12;
const NAME_ROW: usize = 16;
/// 40 bits: .debug_info may be longer than 4 GiB.
const ENTRY_ROW: usize = 5;
const HASH_ROW: usize = 8;
/// The name's length is in the lower bits of its row's second word, what it is in the upper ones.
const LENGTH_BITS: u32 = 24;
/// In the second word: the text is in .debug_str.
const IN_DEBUG_STR: u32 = 1 << 31;
/// Scopes that one question passes over.
const MAX_SCOPES: u32 = 200_000;

/// What a name is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum NameKind {
    /// A function's definition, inlined ones too.
    Function,
    /// A variable's definition.
    Variable,
    /// `struct`, `class`.
    Struct,
    /// `union`.
    Union,
    /// `enum`.
    Enum,
    /// `typedef`.
    Typedef,
    /// A built-in type.
    Base,
    /// A pointer type with a name of its own (Rust's `*const u8`).
    Pointer,
    /// An enumerator.
    Enumerator,
    /// A constant.
    Constant,
    /// What is only declared.
    Declaration,
}

impl NameKind {
    const ALL: [NameKind; 11] = [
        NameKind::Function,
        NameKind::Variable,
        NameKind::Struct,
        NameKind::Union,
        NameKind::Enum,
        NameKind::Typedef,
        NameKind::Base,
        NameKind::Pointer,
        NameKind::Enumerator,
        NameKind::Constant,
        NameKind::Declaration,
    ];

    fn of(number: u32) -> Option<NameKind> {
        NameKind::ALL.get(number as usize).copied()
    }

    /// Whether it names a type that has a definition.
    pub fn is_type(self) -> bool {
        use NameKind::{Base, Enum, Pointer, Struct, Typedef, Union};
        matches!(self, Struct | Union | Enum | Typedef | Base | Pointer)
    }
}

/// A name of the index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IndexedName<'a> {
    /// Its number.
    pub number: u32,
    /// What it is in: `ns::Class`; empty outside of everything.
    pub scope: &'a str,
    /// The name in its scope.
    pub leaf: &'a str,
    /// What it is.
    pub kind: NameKind,
}

impl IndexedName<'_> {
    /// `ns::Class::name`
    pub fn qualified(&self) -> String {
        if self.scope.is_empty() { self.leaf.to_owned() } else { format!("{}::{}", self.scope, self.leaf) }
    }
}

/// Where a name's entry is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct IndexedEntry {
    /// Its offset in .debug_info.
    pub at: usize,
}

/// The index of one module.
pub struct NameIndex {
    bytes: &'static [u8],
    debug_str: &'static [u8],
    scopes: u32,
    names: u32,
    entries: u32,
    complete: bool,
    /// Where the checksums are, and what they are of.
    checksums: Range<usize>,
    payload: usize,
    /// Blocks that were checked: a bit each; `None`: made by this process.
    checked: Option<Vec<AtomicU64>>,
    damaged: AtomicBool,
}

/// The index of nothing.
pub static NO_NAMES: NameIndex = NameIndex {
    bytes: &[],
    debug_str: &[],
    scopes: 0,
    names: 0,
    entries: 0,
    complete: false,
    checksums: 0..0,
    payload: 0,
    checked: None,
    damaged: AtomicBool::new(false),
};

/// A name in its scope, what it is, and its entries.
struct Row<'a> {
    leaf: &'a str,
    kind: NameKind,
    first: u32,
    count: u32,
}

impl NameIndex {
    /// An index that an earlier run left; `None` where it is not whole, or was made of sections of other sizes: so many
    /// bytes of .debug_info, this .debug_str.
    pub fn open(bytes: &'static [u8], info: usize, debug_str: &'static [u8]) -> Option<NameIndex> {
        if sizes_in(bytes)? != (info as u64, debug_str.len() as u64) {
            return None;
        }
        let mut index = NameIndex::parse(bytes, debug_str)?;
        let sums = bytes.get(index.checksums.clone())?;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(bytes.get(..CHECKED_HEADER)?);
        hasher.update(sums);
        if hasher.finalize() != word(bytes, CHECKED_HEADER)? {
            return None;
        }
        let blocks = sums.len() / 4;
        index.checked = Some((0..blocks.div_ceil(64)).map(|_| AtomicU64::new(0)).collect());
        Some(index)
    }

    fn parse(bytes: &'static [u8], debug_str: &'static [u8]) -> Option<NameIndex> {
        if !bytes.starts_with(MAGIC) {
            return None;
        }
        let field = |at: usize| word(bytes, at);
        let (scopes, names, entries) = (field(24)?, field(28)?, field(32)?);
        let (strings, flags) = (field(36)? as usize, field(40)?);
        let rows = [(scopes, SCOPE_ROW), (names, NAME_ROW), (entries, ENTRY_ROW), (names, HASH_ROW)];
        let mut length = strings;
        for (count, size) in rows {
            length = length.checked_add((count as usize).checked_mul(size)?)?;
        }
        let checksums = HEADER..HEADER + length.div_ceil(BLOCK).checked_mul(4)?;
        let payload = checksums.end;
        let index = NameIndex {
            bytes,
            debug_str,
            scopes,
            names,
            entries,
            complete: flags & 1 != 0,
            checksums,
            payload,
            checked: None,
            damaged: AtomicBool::new(false),
        };
        (payload.checked_add(length)? == bytes.len()).then_some(index)
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.names as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names == 0
    }

    /// Whether every name is in it, so that what is not in it is nowhere. Not said of one that turned out damaged.
    pub fn is_complete(&self) -> bool {
        self.complete && !self.is_damaged()
    }

    /// Whether something that was looked at was not as it was written.
    pub fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }

    /// The whole index's bytes, to be kept.
    pub fn as_bytes(&self) -> &'static [u8] {
        self.bytes
    }

    /// A name by its number.
    pub fn name(&self, number: u32) -> Option<IndexedName<'_>> {
        let row = self.row(number)?;
        let scope = self.scope_of(number)?;
        Some(IndexedName { number, scope: self.scope(scope)?.0, leaf: row.leaf, kind: row.kind })
    }

    /// The entries of a name, ascending.
    pub fn entries_of(&self, number: u32) -> Vec<IndexedEntry> {
        let Some(row) = self.row(number) else { return Vec::new() };
        let base = self.table_start(2);
        let entry = |row: u32| {
            let at = base + row as usize * ENTRY_ROW;
            Some(IndexedEntry { at: usize::try_from(entry_in(self.piece(at..at + ENTRY_ROW)?)).ok()? })
        };
        (row.first..row.first.saturating_add(row.count).min(self.entries)).map_while(entry).collect()
    }

    /// The names whose last part is `leaf`, in whatever scope; `None`: the index turned out damaged.
    pub fn with_leaf(&self, leaf: &str) -> Option<Vec<u32>> {
        let hash = hash_of(leaf.as_bytes());
        let base = self.table_start(3);
        let known = |row: u32| self.word(base + row as usize * HASH_ROW);
        let mut found = Vec::new();
        for row in self.partition(0..self.names, |row| Some(known(row)? < hash))..self.names {
            if known(row)? != hash {
                break;
            }
            let number = self.word(base + row as usize * HASH_ROW + 4)?;
            if self.row(number)?.leaf == leaf {
                found.push(number);
            }
        }
        (!self.is_damaged()).then_some(found)
    }

    /// Names that begin with `typed` (`ns::na`) and that `wanted` picks, at most `most`, in order; then the scopes that
    /// do, with `::` behind them.
    pub fn beginning(&self, typed: &str, wanted: impl Fn(NameKind) -> bool, most: usize) -> Vec<String> {
        let mut found = Vec::new();
        let (scope, leaf) = match super::names::components(typed).split_last() {
            Some((leaf, scopes)) => (scopes.join("::"), *leaf),
            None => return found,
        };
        if let Some(number) = self.find_scope(&scope) {
            let begun = self.names_beginning(self.names_in(number), leaf, &wanted, most);
            let whole = |name: &str| if scope.is_empty() { name.to_owned() } else { format!("{scope}::{name}") };
            found.extend(begun.into_iter().map(whole));
        }
        let first = self.partition(0..self.scopes, |row| Some(self.scope(row)?.0 < typed));
        let behind = if scope.is_empty() { 0 } else { scope.len() + 2 };
        for row in first..self.scopes.min(first.saturating_add(MAX_SCOPES)) {
            let Some((path, _)) = self.scope(row) else { break };
            if !path.starts_with(typed) || found.len() >= most {
                break;
            }
            let next = path.get(behind..).and_then(|rest| super::names::components(rest).first().copied());
            let Some(next) = next.filter(|next| !next.is_empty()) else { continue };
            let whole = format!("{}{next}::", path.get(..behind).unwrap_or_default());
            if found.last() != Some(&whole) {
                found.push(whole);
            }
        }
        found.dedup();
        found
    }

    /// Of some names of a scope those that begin with `leaf` and that `wanted` picks, at most `most`, in order.
    fn names_beginning(
        &self,
        names: Range<u32>,
        leaf: &str,
        wanted: &impl Fn(NameKind) -> bool,
        most: usize,
    ) -> Vec<&str> {
        let typed = beginning_of(leaf.as_bytes());
        let mut found: Vec<&str> = Vec::new();
        // Those that begin alike come together, in no order of their own.
        let (mut last, mut ordered) = (None, 0);
        for row in
            self.partition(names.clone(), |row| Some(beginning_of(self.row(row)?.leaf.as_bytes()) < typed))..names.end
        {
            let Some(Row { leaf: name, kind, .. }) = self.row(row) else { break };
            let beginning = beginning_of(name.as_bytes());
            if last.replace(beginning) != Some(beginning) {
                found.get_mut(ordered..).unwrap_or_default().sort_unstable();
                ordered = found.len();
                if ordered >= most {
                    break;
                }
            }
            if name.starts_with(leaf) {
                if wanted(kind) {
                    found.push(name);
                }
            } else if beginning > typed {
                break;
            }
        }
        found.get_mut(ordered..).unwrap_or_default().sort_unstable();
        found.truncate(most);
        found
    }

    /// Every name, scope by scope.
    #[cfg(test)]
    pub fn iter(&self) -> impl Iterator<Item = IndexedName<'_>> {
        (0..self.scopes).flat_map(move |number| self.of_scope(number))
    }

    /// The names that fit, in order; looked at on all cores.
    pub fn matching(&self, fits: impl Fn(&IndexedName<'_>) -> bool + Sync) -> Vec<IndexedName<'_>> {
        let of_scope = |number: u32| {
            let mut fitting: Vec<IndexedName<'_>> = self.of_scope(number).filter(&fits).collect();
            fitting.order_by_key(|name| (name.leaf, name.kind));
            fitting
        };
        (0..self.scopes).into_par_iter().flat_map_iter(of_scope).collect()
    }

    fn of_scope(&self, number: u32) -> impl Iterator<Item = IndexedName<'_>> {
        let scope = self.scope(number).map(|(path, _)| path);
        self.names_in(number).map_while(move |number| {
            let Row { leaf, kind, .. } = self.row(number)?;
            Some(IndexedName { number, scope: scope?, leaf, kind })
        })
    }

    /// Numbers of the names in a scope.
    fn names_in(&self, scope: u32) -> Range<u32> {
        let start = self.scope(scope).map_or(self.names, |(_, first)| first);
        let end = match scope.checked_add(1).filter(|next| *next < self.scopes) {
            Some(next) => self.scope(next).map_or(start, |(_, first)| first),
            None => self.names,
        };
        start.min(self.names)..end.min(self.names)
    }

    fn find_scope(&self, path: &str) -> Option<u32> {
        let row = self.partition(0..self.scopes, |row| Some(self.scope(row)?.0 < path));
        (row < self.scopes && self.scope(row)?.0 == path).then_some(row)
    }

    fn scope_of(&self, name: u32) -> Option<u32> {
        self.partition(0..self.scopes, |row| Some(self.scope(row)?.1 <= name)).checked_sub(1)
    }

    /// A scope's path, and the number of its first name.
    fn scope(&self, number: u32) -> Option<(&str, u32)> {
        let at = self.table_start(0) + (number < self.scopes).then_some(number)? as usize * SCOPE_ROW;
        Some((self.string(self.word(at)?, self.word(at + 4)?)?, self.word(at + 8)?))
    }

    fn row(&self, number: u32) -> Option<Row<'_>> {
        let at = self.table_start(1) + (number < self.names).then_some(number)? as usize * NAME_ROW;
        let row: &[u8] = self.piece(at..at + NAME_ROW)?;
        let [offset, second, first, count] = [word(row, 0)?, word(row, 4)?, word(row, 8)?, word(row, 12)?];
        let kind = NameKind::of((second & !IN_DEBUG_STR) >> LENGTH_BITS)?;
        let length = second & ((1 << LENGTH_BITS) - 1);
        let leaf = if second & IN_DEBUG_STR != 0 {
            let start = offset as usize;
            std::str::from_utf8(self.debug_str.get(start..start.checked_add(length as usize)?)?).ok()?
        } else {
            self.string(offset, length)?
        };
        Some(Row { leaf, kind, first, count })
    }

    /// Where a table begins: scopes, names, entries, hashes, strings.
    fn table_start(&self, table: usize) -> usize {
        let sizes = [
            self.scopes as usize * SCOPE_ROW,
            self.names as usize * NAME_ROW,
            self.entries as usize * ENTRY_ROW,
            self.names as usize * HASH_ROW,
        ];
        sizes.iter().take(table).sum()
    }

    fn string(&self, offset: u32, length: u32) -> Option<&str> {
        let at = self.table_start(4).checked_add(offset as usize)?;
        std::str::from_utf8(self.piece(at..at.checked_add(length as usize)?)?).ok()
    }

    fn word(&self, at: usize) -> Option<u32> {
        word(self.piece(at..at.checked_add(4)?)?, 0)
    }

    /// Bytes of the tables, checked.
    fn piece(&self, range: Range<usize>) -> Option<&'static [u8]> {
        let piece = self.bytes.get(self.payload.checked_add(range.start)?..self.payload.checked_add(range.end)?)?;
        if let Some(checked) = &self.checked
            && !range.is_empty()
        {
            for block in range.start / BLOCK..=(range.end - 1) / BLOCK {
                let (flags, bit) = (checked.get(block / 64)?, 1 << (block % 64));
                if flags.load(Ordering::Relaxed) & bit == 0 {
                    if !self.is_sound(block)? {
                        self.damaged.store(true, Ordering::Relaxed);
                        return None;
                    }
                    flags.fetch_or(bit, Ordering::Relaxed);
                }
            }
        }
        Some(piece)
    }

    fn is_sound(&self, block: usize) -> Option<bool> {
        let start = self.payload + block * BLOCK;
        let bytes = self.bytes.get(start..(start + BLOCK).min(self.bytes.len()))?;
        Some(crc32fast::hash(bytes) == word(self.bytes, self.checksums.start + block * 4)?)
    }

    /// The first row for which `before` no longer holds.
    fn partition(&self, rows: Range<u32>, before: impl Fn(u32) -> Option<bool>) -> u32 {
        let (mut low, mut high) = (rows.start, rows.end.max(rows.start));
        while low < high {
            let middle = low + (high - low) / 2;
            match before(middle) {
                Some(true) => low = middle + 1,
                Some(false) => high = middle,
                // What cannot be read ends the search with nothing.
                None => return rows.end,
            }
        }
        low
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

/// The first eight bytes of a text as a number, zeros behind its end: numbers are ordered as texts are.
fn beginning_of(text: &[u8]) -> u64 {
    if let Some(whole) = text.first_chunk() {
        return u64::from_be_bytes(*whole);
    }
    let mut bytes = [0; 8];
    bytes.iter_mut().zip(text).for_each(|(to, byte)| *to = *byte);
    u64::from_be_bytes(bytes)
}

/// An entry's row as a number.
fn entry_in(row: &[u8]) -> u64 {
    row.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

fn put_entry(row: &mut [u8], at: u64) {
    row.iter_mut().zip(at.to_le_bytes()).for_each(|(to, byte)| *to = byte);
}

/// Sizes of .debug_info and .debug_str that it was made of.
fn sizes_in(bytes: &[u8]) -> Option<(u64, u64)> {
    let wide = |at: usize| Some(u64::from(word(bytes, at)?) | u64::from(word(bytes, at + 4)?) << 32);
    Some((wide(8)?, wide(16)?))
}

/// CRC-32 (IEEE 802.3): what processors have an instruction for, as names may be long and there are millions.
pub(super) fn hash_of(name: &[u8]) -> u32 {
    crc32fast::hash(name)
}

/// FNV-1a, 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/).
const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

fn wide_hash(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
