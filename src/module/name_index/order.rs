//! Texts in order. Those of a big program begin alike for long (`Option<datafusion_common::…`) and lie all over memory, so
//! each is looked at a few bytes at a time, and only as far as others are equal to it.
//!
//! ```text
//! row: some bytes of the text, big-endian (96 bits) | number of the text (32 bits)      sorted as one number
//! ```

use rayon::prelude::*;

/// Bytes of a text in a row.
const WINDOW: usize = 12;
/// Rows that begin alike and are this few are compared text by text.
const FEW: usize = 12;

/// `WINDOW` bytes of the text from `at` on, zeros behind its end.
fn window(text: &[u8], at: usize) -> u128 {
    const SPARE: u32 = 8 * (16 - WINDOW as u32);
    let rest = text.get(at..).unwrap_or_default();
    if let Some(whole) = rest.first_chunk::<16>() {
        return u128::from_be_bytes(*whole) >> SPARE;
    }
    let mut bytes = [0; 16];
    if let Some(start) = bytes.get_mut(..rest.len()) {
        start.copy_from_slice(rest);
    }
    u128::from_be_bytes(bytes) >> SPARE
}

/// Numbers from 0 on, in the order of their groups, then of their texts (in which no byte is zero), then of their ranks,
/// then of themselves.
pub(super) fn ordered<'t>(
    count: u32,
    group: impl Fn(u32) -> u32 + Sync,
    text: impl Fn(u32) -> &'t [u8] + Sync,
    rank: impl Fn(u32) -> u32 + Sync,
) -> Vec<u32> {
    /// Of the first row, four bytes are the group's.
    const FIRST: usize = WINDOW - 4;
    let first = |number: u32| {
        let beginning = window(text(number), 0) >> 32;
        u128::from(group(number)) << 96 | beginning << 32 | u128::from(number)
    };
    let mut rows: Vec<u128> = (0..count).into_par_iter().map(first).collect();
    rows.par_sort_unstable();
    let alike: Vec<&mut [u128]> = rows.chunk_by_mut(|a, b| a >> 32 == b >> 32).filter(|rows| rows.len() > 1).collect();
    alike.into_par_iter().for_each(|rows| order_alike(rows, FIRST, &text, &rank));
    rows.into_iter().map(|row| row as u32).collect()
}

/// Orders rows whose texts are equal up to `depth`.
fn order_alike<'t>(rows: &mut [u128], depth: usize, text: &dyn Fn(u32) -> &'t [u8], rank: &dyn Fn(u32) -> u32) {
    let number = |row: &u128| *row as u32;
    let key = |row: &u128| (rank(number(row)), number(row));
    // Ranges of rows that are still alike, and how far.
    let mut open = vec![(0..rows.len(), depth)];
    while let Some((range, depth)) = open.pop() {
        let Some(part) = rows.get_mut(range.clone()) else { continue };
        let rest = |row: &u128| text(number(row)).get(depth..).unwrap_or_default();
        if part.len() <= FEW {
            part.sort_unstable_by(|a, b| rest(a).cmp(rest(b)).then_with(|| key(a).cmp(&key(b))));
            continue;
        }
        part.iter_mut().for_each(|row| *row = window(text(number(row)), depth) << 32 | u128::from(number(row)));
        part.sort_unstable();
        let mut start = range.start;
        for alike in part.chunk_by_mut(|a, b| *a >> 32 == *b >> 32) {
            let end = start + alike.len();
            // A zero at the end: the texts are over.
            if alike.first().is_some_and(|row| (row >> 32) as u8 == 0) {
                alike.sort_unstable_by_key(key);
            } else if alike.len() > 1 {
                open.push((start..end, depth + WINDOW));
            }
            start = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_a_comparison_of_texts_has_it() {
        let mut texts: Vec<(u32, String, u32)> = Vec::new();
        for number in 0..4000u32 {
            let mixed = number.wrapping_mul(2_654_435_761) >> 7;
            let beginning = ["", "Option<datafusion_common::", "{closure_env#0}<alloc::vec::Vec<"][mixed as usize % 3];
            texts.push((mixed % 5, format!("{beginning}{}", mixed % 97), mixed % 2));
        }
        let at = |number: u32| &texts[number as usize];
        let found = ordered(4000, |number| at(number).0, |number| at(number).1.as_bytes(), |number| at(number).2);
        let mut expected: Vec<u32> = (0..4000).collect();
        expected.sort_by_key(|number| (at(*number).0, at(*number).1.as_bytes(), at(*number).2, *number));
        assert_eq!(found, expected);
        assert_eq!(ordered(0, |_| 0, |_| b"", |_| 0), [0; 0]);
    }
}
