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

/// Numbers from 0 on, in the order of their texts (in which no byte is zero), then of themselves.
pub(super) fn ordered<'t>(count: u32, text: impl Fn(u32) -> &'t [u8] + Sync) -> Vec<u32> {
    let row = |number: u32| window(text(number), 0) << 32 | u128::from(number);
    let mut rows: Vec<u128> = (0..count).into_par_iter().map(row).collect();
    rows.par_sort_unstable();
    let alike: Vec<&mut [u128]> = rows.chunk_by_mut(|a, b| a >> 32 == b >> 32).filter(|rows| rows.len() > 1).collect();
    alike.into_par_iter().for_each(|rows| order_alike(rows, WINDOW, &text));
    rows.into_iter().map(|row| row as u32).collect()
}

/// Orders rows whose texts are equal up to `depth`.
fn order_alike<'t>(rows: &mut [u128], depth: usize, text: &dyn Fn(u32) -> &'t [u8]) {
    let number = |row: &u128| *row as u32;
    // Ranges of rows that are still alike, and how far.
    let mut open = vec![(0..rows.len(), depth)];
    while let Some((range, depth)) = open.pop() {
        let Some(part) = rows.get_mut(range.clone()) else { continue };
        let rest = |row: &u128| text(number(row)).get(depth..).unwrap_or_default();
        if part.len() <= FEW {
            part.sort_unstable_by(|a, b| rest(a).cmp(rest(b)).then_with(|| number(a).cmp(&number(b))));
            continue;
        }
        part.iter_mut().for_each(|row| *row = window(text(number(row)), depth) << 32 | u128::from(number(row)));
        part.sort_unstable();
        let mut start = range.start;
        for alike in part.chunk_by_mut(|a, b| *a >> 32 == *b >> 32) {
            let end = start + alike.len();
            // A zero at the end: the texts are over.
            let is_over = alike.first().is_some_and(|row| (row >> 32) as u8 == 0);
            if !is_over && alike.len() > 1 {
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
        let mut texts: Vec<String> = Vec::new();
        for number in 0..4000u32 {
            let mixed = number.wrapping_mul(2_654_435_761) >> 7;
            let beginning = ["", "Option<datafusion_common::", "{closure_env#0}<alloc::vec::Vec<"][mixed as usize % 3];
            texts.push(format!("{beginning}{}", mixed % 97));
        }
        let found = ordered(4000, |number| texts[number as usize].as_bytes());
        let mut expected: Vec<u32> = (0..4000).collect();
        expected.sort_by_key(|number| (texts[*number as usize].as_bytes(), *number));
        assert_eq!(found, expected);
        assert_eq!(ordered(0, |_| b""), [0; 0]);
    }
}
