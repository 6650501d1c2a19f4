//! Brings together the entries that have one name, a part of .debug_str at a time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::build::{Found, OfUnit, SHARDS, text_at};
use super::{ENTRY_ROW, IN_DEBUG_STR, LENGTH_BITS, beginning_of, hash_of};
use crate::addr::AddressHash;
use crate::interrupt;

/// Texts whose hashes are remembered: many names of different scopes are `new`.
const REMEMBERED: usize = 1 << 12;
/// Bytes of a shard's own texts.
const MAX_OWN: usize = 512 << 20;
/// Bytes of names that are not well-formed, which are written once more.
const MAX_REPAIRED: usize = 64 << 20;
static REPAIRED: AtomicUsize = AtomicUsize::new(0);

/// A name with its entries.
#[derive(Clone, Copy)]
pub(super) struct Name {
    /// The beginning of its text, as a number that is ordered as texts are.
    pub(super) beginning: u64,
    /// Where its text is: in .debug_str, or in the shard's own.
    pub(super) text: u32,
    /// Bytes of it; what it is; whether it is in .debug_str: as the index has it.
    pub(super) length: u32,
    /// Number of its scope.
    pub(super) scope: u32,
    pub(super) hash: u32,
    /// Its entries among the shard's.
    pub(super) first: u32,
    pub(super) count: u32,
}

impl Name {
    pub(super) fn kind(&self) -> u32 {
        (self.length & !IN_DEBUG_STR) >> LENGTH_BITS
    }
}

/// Names whose texts are in one part of .debug_str, and their entries.
#[derive(Default)]
pub(super) struct Shard {
    pub(super) names: Vec<Name>,
    /// Rows of the index.
    pub(super) entries: Vec<u8>,
    /// Texts that .debug_str does not have.
    pub(super) own: Vec<u8>,
    /// Nothing was left out.
    pub(super) whole: bool,
}

impl Shard {
    /// A name's text.
    pub(super) fn text(&self, name: &Name, debug_str: &'static [u8]) -> &[u8] {
        let section = if name.length & IN_DEBUG_STR != 0 { debug_str } else { &self.own };
        let length = (name.length & ((1 << LENGTH_BITS) - 1)) as usize;
        section.get(name.text as usize..).and_then(|rest| rest.get(..length)).unwrap_or_default()
    }

    /// Rows of a name's entries.
    pub(super) fn entries(&self, name: &Name) -> &[u8] {
        let start = name.first as usize * ENTRY_ROW;
        let rest = self.entries.get(start..).unwrap_or_default();
        rest.get(..name.count as usize * ENTRY_ROW).unwrap_or_default()
    }
}

/// Entries that have the same text, scope and kind.
#[derive(Clone, Copy)]
struct Group {
    text: u32,
    scope: u32,
    kind: u32,
    /// How many; then, where the next one's place is.
    count: u32,
}

/// The groups of a shard, found by what is common to their entries.
struct Groups {
    groups: Vec<Group>,
    /// Numbers of groups from 1 on, at places that their hashes say; 0 is free. A power of two of them.
    places: Vec<u32>,
}

impl Groups {
    fn new(entries: usize) -> Groups {
        Groups { groups: Vec::with_capacity(entries / 2), places: vec![0; (entries * 2).next_power_of_two()] }
    }

    /// The number of an entry's group.
    fn number(&mut self, text: u32, scope: u32, kind: u32) -> u32 {
        let mixed = (u64::from(text) << 32 | u64::from(scope << 4 | kind)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mask = self.places.len() - 1;
        let mut at = (mixed ^ mixed >> 32) as usize & mask;
        // As there are twice as many places as entries, a free one comes.
        while let Some(place) = self.places.get_mut(at) {
            if *place == 0 {
                self.groups.push(Group { text, scope, kind, count: 1 });
                *place = self.groups.len() as u32;
                return *place - 1;
            }
            if let Some(group) = self.groups.get_mut(*place as usize - 1)
                && (group.text, group.scope, group.kind) == (text, scope, kind)
            {
                group.count += 1;
                return *place - 1;
            }
            at = (at + 1) & mask;
        }
        0
    }
}

/// What a unit has in a shard.
fn part(unit: &OfUnit, shard: usize) -> &[Found] {
    match (unit.starts.get(shard), unit.starts.get(shard + 1)) {
        _ if shard >= SHARDS => &unit.elsewhere,
        (Some(start), Some(end)) => unit.found.get(*start as usize..*end as usize).unwrap_or_default(),
        _ => &[],
    }
}

/// Brings together what the units have in one part of .debug_str. The last shard's texts are elsewhere.
pub(super) fn gathered(units: &[OfUnit], number: usize, debug_str: &'static [u8]) -> Shard {
    if interrupt::requested() {
        return Shard::default();
    }
    let total: usize = units.iter().map(|unit| part(unit, number).len()).sum();
    let mut groups = Groups::new(total);
    let mut numbers: Vec<u32> = Vec::with_capacity(total);
    // Texts that are elsewhere have numbers of their own here: the first one that is equal.
    let mut texts: Vec<&'static [u8]> = Vec::new();
    let mut known: HashMap<&'static [u8], u32, AddressHash> = HashMap::default();
    for unit in units {
        for entry in part(unit, number) {
            let text = match unit.texts.get(entry.text as usize).filter(|_| number >= SHARDS) {
                None => entry.text,
                Some(text) => *known.entry(text).or_insert_with(|| {
                    texts.push(text);
                    (texts.len() - 1) as u32
                }),
            };
            numbers.push(groups.number(text, entry.scope, entry.kind()));
        }
    }
    let Groups { mut groups, places } = groups;
    drop((places, known));
    let mut shard = Shard { whole: true, ..Shard::default() };
    let mut reader = Reader { debug_str, texts: (number >= SHARDS).then_some(texts), known: Vec::new() };
    shard.names.reserve_exact(groups.len());
    let mut next = 0;
    for group in &mut groups {
        let (first, count) = (next, group.count);
        next += count;
        group.count = first;
        let Some(text) = reader.text(group.text, &mut shard) else { continue };
        let length = text.length | group.kind << LENGTH_BITS;
        let Text { beginning, at: text, hash, .. } = text;
        shard.names.push(Name { beginning, text, length, scope: group.scope, hash, first, count });
    }
    shard.entries = vec![0; total * ENTRY_ROW];
    let mut numbers = numbers.into_iter();
    for unit in units {
        for (entry, number) in part(unit, number).iter().zip(&mut numbers) {
            let Some(group) = groups.get_mut(number as usize) else { continue };
            let at = group.count as usize * ENTRY_ROW;
            group.count += 1;
            if let Some(row) = shard.entries.get_mut(at..at + ENTRY_ROW) {
                super::put_entry(row, unit.start + u64::from(entry.offset()));
            }
        }
    }
    shard
}

/// A text that names have.
#[derive(Clone, Copy)]
struct Text {
    /// What it was asked by.
    asked: u32,
    at: u32,
    length: u32,
    hash: u32,
    beginning: u64,
}

struct Reader {
    debug_str: &'static [u8],
    /// Those that are elsewhere.
    texts: Option<Vec<&'static [u8]>>,
    /// Some of the last ones.
    known: Vec<Option<Text>>,
}

impl Reader {
    /// The text of that number or at that offset of .debug_str; `None` where there is none.
    fn text(&mut self, asked: u32, shard: &mut Shard) -> Option<Text> {
        if self.known.is_empty() {
            self.known.resize(REMEMBERED, None);
        }
        let place = asked.wrapping_mul(0x9e37_79b1) as usize >> (32 - REMEMBERED.ilog2());
        if let Some(known) = self.known.get(place).copied().flatten().filter(|known| known.asked == asked) {
            return Some(known);
        }
        let bytes = match &self.texts {
            None => text_at(self.debug_str, asked)?,
            Some(texts) => texts.get(asked as usize)?,
        };
        if bytes.is_empty() {
            return None;
        }
        let repaired;
        let (bytes, is_sound) = match std::str::from_utf8(bytes) {
            Ok(_) => (bytes, true),
            Err(_) => {
                repaired = String::from_utf8_lossy(bytes);
                if REPAIRED.fetch_add(repaired.len(), Ordering::Relaxed) > MAX_REPAIRED {
                    shard.whole = false;
                    return None;
                }
                (repaired.as_bytes(), false)
            }
        };
        let length = bytes.len() as u32;
        let (at, length) = match self.texts.is_none() && is_sound {
            true => (asked, length | IN_DEBUG_STR),
            false if shard.own.len() > MAX_OWN => {
                shard.whole = false;
                return None;
            }
            false => {
                shard.own.extend_from_slice(bytes);
                ((shard.own.len() - bytes.len()) as u32, length)
            }
        };
        let text = Text { asked, at, length, hash: hash_of(bytes), beginning: beginning_of(bytes) };
        if let Some(place) = self.known.get_mut(place) {
            *place = Some(text);
        }
        Some(text)
    }
}
