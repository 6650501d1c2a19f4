//! Text in memory: most of it does not, and looking through the rest for secrets costs more than all else.

use std::ops::Range;

/// As many printable characters in a row make a run text.
const SHORTEST: usize = 4;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Neither text nor its end.
    Other,
    /// NUL, which ends one text where another may follow: arguments lie so.
    Nul,
    Text,
}

/// What each byte is.
const CLASSES: [Class; 256] = {
    let mut classes = [Class::Other; 256];
    let mut byte = 0;
    while byte < classes.len() {
        if matches!(byte as u8, b'\t'..=b'\r' | b' '..=b'~') {
            classes[byte] = Class::Text;
        }
        byte += 1;
    }
    classes[0] = Class::Nul;
    classes
};

/// Stands between two runs: neither text nor NUL.
const BETWEEN: u8 = 1;

/// The text in some bytes.
pub struct Text {
    /// Runs of text, one after the other, a byte that is none between two.
    pub bytes: Vec<u8>,
    /// Where in `bytes` each run begins, and where it was, ascending.
    runs: Vec<(usize, Range<usize>)>,
}

impl Text {
    /// The text in these bytes.
    pub fn of(bytes: &[u8]) -> Text {
        let mut text = Text { bytes: Vec::new(), runs: Vec::new() };
        for run in runs(bytes) {
            text.runs.push((text.bytes.len(), run.clone()));
            text.bytes.extend_from_slice(bytes.get(run).unwrap_or_default());
            text.bytes.push(BETWEEN);
        }
        text
    }

    /// Where a part of the text was; what goes beyond a run's end ends there.
    pub fn place(&self, part: Range<usize>) -> Option<Range<usize>> {
        let index = self.runs.partition_point(|(start, _)| *start <= part.start).checked_sub(1)?;
        let (start, run) = self.runs.get(index)?;
        let from = run.start.checked_add(part.start - start)?;
        let to = run.start.checked_add(part.end.checked_sub(*start)?)?.min(run.end);
        (from < to).then_some(from..to)
    }
}

/// Runs of ASCII text, ascending: between NULs and with them, where [`SHORTEST`] characters stand together in it.
fn runs(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    // The first character of the run, the end of its last long text, characters of the text that is read.
    let (mut start, mut end, mut length) = (None, 0, 0);
    for (at, byte) in bytes.iter().enumerate() {
        match CLASSES.get(usize::from(*byte)).copied().unwrap_or(Class::Other) {
            Class::Text => {
                start = start.or(Some(at));
                length += 1;
                if length >= SHORTEST {
                    end = at + 1;
                }
            }
            Class::Nul => length = 0,
            Class::Other => {
                runs.extend(start.filter(|start| end > *start).map(|start| start..end));
                (start, length) = (None, 0);
            }
        }
    }
    runs.extend(start.filter(|start| end > *start).map(|start| start..end));
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_hold_all_text_and_little_else() {
        let found = |bytes: &[u8]| runs(bytes).into_iter().map(|run| bytes[run].to_vec()).collect::<Vec<_>>();
        assert_eq!(found(b"\x80abcd\xff\0\0ab\0\x01wxyz"), [b"abcd".to_vec(), b"wxyz".to_vec()]);
        assert_eq!(found(b"--token\0\0sec\0\x7f"), [b"--token".to_vec()], "three characters are no text");
        assert_eq!(found(b"--token\0\0secr\0\x7f"), [b"--token\0\0secr".to_vec()]);
        assert_eq!(found(b"a\nb\tcd"), [b"a\nb\tcd".to_vec()]);
        assert_eq!(found(b"\x40\x13\x8e\xf1\x65\x7f\0\0"), [b""; 0]);
        assert_eq!(found(b""), [b""; 0]);
    }

    #[test]
    fn parts_of_the_text_are_found_again() {
        let text = Text::of(b"\x80abcd\xff\xffwxyz1\0");
        assert_eq!(text.bytes, b"abcd\x01wxyz1\x01");
        assert_eq!(text.place(0..4), Some(1..5));
        assert_eq!(text.place(6..8), Some(8..10));
        assert_eq!(text.place(2..8), Some(3..5), "up to the run's end");
        assert_eq!((text.place(4..5), text.place(11..12), text.place(3..3)), (None, None, None));
    }
}
