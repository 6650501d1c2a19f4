//! Which of the target's bytes answers were made from: what a snapshot has to keep.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::addr::{AddressHash, RunAddr};
use crate::order::Order;

/// Bytes are counted in groups of eight.
const GROUP: u64 = 8;
/// One page's groups are one entry.
const PAGE: u64 = 4096;
/// Locks that reading threads share between them.
const SHARDS: usize = 16;

/// 512 groups: a page.
type Groups = [u64; 8];

/// A set of bytes of the process, in groups of eight.
#[derive(Default)]
pub struct ReadSet {
    shards: [Mutex<HashMap<u64, Groups, AddressHash>>; SHARDS],
    groups: AtomicU64,
}

impl ReadSet {
    /// Adds `length` bytes from `address` on.
    pub fn add(&self, address: RunAddr, length: usize) {
        if length == 0 {
            return;
        }
        let last = address.0.saturating_add(length as u64 - 1);
        let mut page = address.0 / PAGE;
        let mut new = 0;
        while page <= last / PAGE {
            let start = address.0.max(page * PAGE);
            let end = last.min(page * PAGE + (PAGE - 1));
            let (first, last_group) = ((start % PAGE / GROUP) as usize, (end % PAGE / GROUP) as usize);
            let mut shard = self.shards[page as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner);
            let groups = shard.entry(page).or_insert([0; 8]);
            for (word, bits) in groups.iter_mut().enumerate() {
                let (low, high) = (word * 64, word * 64 + 63);
                if first > high || last_group < low {
                    continue;
                }
                let from = first.max(low) - low;
                let to = last_group.min(high) - low;
                let added = (u64::MAX >> (63 - to)) & (u64::MAX << from) & !*bits;
                *bits |= added;
                new += u64::from(added.count_ones());
            }
            page += 1;
        }
        if new > 0 {
            self.groups.fetch_add(new, Ordering::Relaxed);
        }
    }

    /// How many bytes were added.
    pub fn bytes(&self) -> u64 {
        self.groups.load(Ordering::Relaxed) * GROUP
    }

    /// The ranges (start, one past the end), ascending; holes of at most `joined` bytes between two are filled.
    pub fn ranges(&self, joined: u64) -> Vec<(u64, u64)> {
        let mut pages: Vec<(u64, Groups)> = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            pages.extend(shard.iter().map(|(page, groups)| (*page, *groups)));
        }
        pages.order_by_key(|(page, _)| *page);
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for (page, groups) in pages {
            for (word, bits) in groups.into_iter().enumerate() {
                let mut bits = bits;
                while bits != 0 {
                    let from = u64::from(bits.trailing_zeros());
                    let length = u64::from((!(bits >> from)).trailing_zeros()).min(64 - from);
                    let start = page * PAGE + (word as u64 * 64 + from) * GROUP;
                    let end = start.saturating_add(length * GROUP);
                    match ranges.last_mut() {
                        Some(last) if start - last.1 <= joined => last.1 = end,
                        _ => ranges.push((start, end)),
                    }
                    if from + length >= 64 {
                        break;
                    }
                    bits &= u64::MAX << (from + length);
                }
            }
        }
        ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_what_was_added() {
        let set = ReadSet::default();
        set.add(RunAddr(0x1000), 8);
        set.add(RunAddr(0x1010), 1);
        set.add(RunAddr(0x1ff8), 24);
        set.add(RunAddr(0x5003), 4096);
        set.add(RunAddr(0x9000), 0);
        set.add(RunAddr(u64::MAX - 7), 8);
        let expected = [(0x1000, 0x1008), (0x1010, 0x1018), (0x1ff8, 0x2010), (0x5000, 0x6008)];
        assert_eq!(set.ranges(0)[..4], expected);
        assert_eq!(set.ranges(8)[0], (0x1000, 0x1018));
        assert_eq!(set.bytes(), 8 + 8 + 24 + 4104 + 8);
    }
}
