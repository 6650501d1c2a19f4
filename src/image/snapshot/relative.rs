//! Words that are addresses near their own, written as the distance: so the stacks of threads that do the same are the
//! same bytes, and a core of many threads is packed to half its size. What the format calls `core.relative.zst`.
//!
//! One exchange does both ways. Of a word `w` (8 bytes, little-endian, at an address `a` divisible by 8) it makes
//!
//! ```text
//! MARK + (w - a + REACH)      where w lies in a - REACH .. a + REACH
//! a - REACH + (w - MARK)      where w lies in MARK .. MARK + 2 * REACH
//! w                           elsewhere
//! ```

/// How far from its own address a word may point: a thread's stack is usually 8 MiB.
const REACH: u64 = 8 << 20;
/// No address of a process: neither x86-64 (57 bits at most) nor aarch64 (52) has it.
const MARK: u64 = 0xa5a5_a5a5_a500_0000;

/// A piece of memory in a core.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Offset in the core of its first byte.
    pub offset: u64,
    /// Its bytes.
    pub size: u64,
    /// Its first address.
    pub address: u64,
}

/// Exchanges the words of a part of the core that begins at `offset`. `places` is ascending by offset; words that
/// are cut by the part's ends or a place's stay.
pub fn exchange(bytes: &mut [u8], offset: u64, places: &[Place]) {
    let end = offset.saturating_add(bytes.len() as u64);
    let first = places.partition_point(|place| place.offset.saturating_add(place.size) <= offset);
    for place in places.get(first..).unwrap_or_default() {
        if place.offset >= end {
            return;
        }
        let from = place.offset.max(offset);
        let to = place.offset.saturating_add(place.size).min(end);
        let Some(address) = place.address.checked_add(from - place.offset) else { continue };
        let Some(aligned) = address.checked_next_multiple_of(8) else { continue };
        let start = (from - offset).saturating_add(aligned - address) as usize;
        let Some(words) = bytes.get_mut(start..(to - offset) as usize) else { continue };
        let mut at = aligned;
        for word in words.as_chunks_mut::<8>().0 {
            *word = exchanged(u64::from_le_bytes(*word), at).to_le_bytes();
            at = at.wrapping_add(8);
        }
    }
}

fn exchanged(word: u64, address: u64) -> u64 {
    let lowest = address.wrapping_sub(REACH);
    // Both ranges in one would make a word that cannot be told from another.
    if lowest.abs_diff(MARK) < 2 * REACH {
        return word;
    }
    let (from_lowest, from_mark) = (word.wrapping_sub(lowest), word.wrapping_sub(MARK));
    if from_lowest < 2 * REACH {
        MARK + from_lowest
    } else if from_mark < 2 * REACH {
        lowest.wrapping_add(from_mark)
    } else {
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_is_as_before() {
        let addresses = [0, 8, REACH, 0x7fff_ffff_f000, MARK - REACH, MARK, MARK + 2 * REACH, MARK + 3 * REACH, !7];
        for address in addresses {
            let near = [0, 1, 7, 8, REACH - 1, REACH, REACH + 1, 2 * REACH, u64::MAX - REACH, u64::MAX];
            let words = near.iter().flat_map(|far| {
                [*far, address.wrapping_add(*far), address.wrapping_sub(*far), MARK.wrapping_add(*far)]
            });
            for word in words {
                assert_eq!(exchanged(exchanged(word, address), address), word, "{word:#x} at {address:#x}");
            }
        }
        assert_eq!(exchanged(0x7f00_0000_1040, 0x7f00_0000_1000), MARK + REACH + 0x40);
        assert_eq!(exchanged(0x7f00_0000_0fc0, 0x7f00_0000_1000), MARK + REACH - 0x40);
        assert_eq!(exchanged(5, 0x7f00_0000_1000), 5);
    }

    #[test]
    fn words_that_are_cut_stay() {
        let word = |number: u64| number.to_le_bytes();
        // At 0x1004: half a word, two whole ones, half a word; another piece behind it.
        let memory = [&[1; 4][..], &word(0x1008), &word(7 << 40), &[2; 4], &word(0x9_0000)].concat();
        let places = [
            Place { offset: 100, size: 24, address: 0x1004 },
            Place { offset: 124, size: 8, address: 0x9_0000 },
            Place { offset: 132, size: u64::MAX, address: u64::MAX },
        ];
        let mut changed = memory.clone();
        exchange(&mut changed, 100, &places);
        let expected = [&[1; 4][..], &word(MARK + REACH), &word(7 << 40), &[2; 4], &word(MARK + REACH)].concat();
        assert_eq!(changed, expected);
        exchange(&mut changed, 100, &places);
        assert_eq!(changed, memory);
        // In parts as a whole, but for the word that the cut goes through.
        let (mut one, mut other) = (memory[..8].to_vec(), memory[8..].to_vec());
        exchange(&mut one, 100, &places);
        exchange(&mut other, 108, &places);
        assert_eq!([&one[..], &other].concat(), [&memory[..24], &word(MARK + REACH)].concat());
    }
}
