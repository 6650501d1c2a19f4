//! Deep recursion, shown once: runs of frames that repeat with a period are folded.

use std::ops::Range;

/// The longest cycle of functions that is recognised.
const MAX_PERIOD: usize = 32;
/// A cycle is folded from this many rounds on (and at least [`MIN_SAVED`] frames hidden).
const MIN_ROUNDS: usize = 3;
/// Folding fewer frames than this is not worth a line.
const MIN_SAVED: usize = 6;

/// A part of a stack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Part {
    /// These frames, as they are.
    Frames(Range<usize>),
    /// The `period` frames before this are repeated `times` more, which leaves out these frames.
    Repeat {
        /// Frames in one round.
        period: usize,
        /// Further rounds.
        times: usize,
        /// What is left out.
        hidden: Range<usize>,
    },
}

/// Splits a stack, given one key a frame (equal keys are equal frames).
pub fn fold<K: PartialEq>(keys: &[K]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut plain_from = 0;
    let mut at = 0;
    while at < keys.len() {
        let Some((period, rounds)) = longest_cycle(&keys[at..]) else {
            at += 1;
            continue;
        };
        let shown_to = at + period;
        let hidden_to = at + period * rounds;
        parts.push(Part::Frames(plain_from..shown_to));
        parts.push(Part::Repeat { period, times: rounds - 1, hidden: shown_to..hidden_to });
        at = hidden_to;
        plain_from = at;
    }
    if plain_from < keys.len() {
        parts.push(Part::Frames(plain_from..keys.len()));
    }
    parts
}

/// The cycle at the start of `keys` that hides the most frames; the shortest of those that hide as many.
fn longest_cycle<K: PartialEq>(keys: &[K]) -> Option<(usize, usize)> {
    let mut best: Option<(usize, usize)> = None;
    for period in 1..=MAX_PERIOD.min(keys.len() / MIN_ROUNDS) {
        let matching = keys.iter().zip(&keys[period..]).take_while(|(inner, outer)| inner == outer).count();
        let rounds = 1 + matching / period;
        let hidden = (rounds - 1) * period;
        if rounds >= MIN_ROUNDS && hidden >= MIN_SAVED && best.is_none_or(|(p, r)| hidden > (r - 1) * p) {
            // A multiple of a found period hides fewer frames or as many, so the short one stays.
            best = Some((period, rounds));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_without_cycles_stays_whole() {
        assert_eq!(fold(&[1, 2, 3, 2, 1]), [Part::Frames(0..5)]);
        assert_eq!(fold::<u8>(&[]), []);
        assert_eq!(fold(&[1, 1, 1]), [Part::Frames(0..3)]);
    }

    #[test]
    fn mutual_recursion_is_shown_once() {
        let mut keys = vec![9];
        for _ in 0..50_000 {
            keys.extend([1, 2]);
        }
        keys.extend([7, 8]);
        assert_eq!(
            fold(&keys),
            [
                Part::Frames(0..3),
                Part::Repeat { period: 2, times: 49_999, hidden: 3..100_001 },
                Part::Frames(100_001..100_003)
            ]
        );
    }

    #[test]
    fn an_unfinished_round_is_shown() {
        let keys = [1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2];
        assert_eq!(
            fold(&keys),
            [Part::Frames(0..3), Part::Repeat { period: 3, times: 2, hidden: 3..9 }, Part::Frames(9..11)]
        );
    }
}
