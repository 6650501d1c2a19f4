//! A crash's id: `20261126T024256Z-1a2b3c4d5e6f7081`, the second in which it happened and a hash of what is kept of it.
//!
//! The id follows from the snapshot, so that one sent twice has one id; and the date, so the object's place, follows
//! from the id.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use object_store::path::Path;

/// Length of the text.
const LENGTH: usize = 33;

/// An id that has been checked.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Id(String);

impl Id {
    /// Of a crash at `time` of which `content` is kept.
    pub fn new(time: Timestamp, content: &[&[u8]]) -> Id {
        let mut hasher = blake3::Hasher::new();
        for piece in content {
            hasher.update(&(piece.len() as u64).to_le_bytes());
            hasher.update(piece);
        }
        let hash = hasher.finalize().to_hex();
        Id(format!("{}-{}", time.strftime("%Y%m%dT%H%M%SZ"), &hash[..16]))
    }

    /// Reads one; `None` where it is none.
    pub fn parse(text: &str) -> Option<Id> {
        let is_right = text.len() == LENGTH
            && text.bytes().enumerate().all(|(at, byte)| match at {
                8 => byte == b'T',
                15 => byte == b'Z',
                16 => byte == b'-',
                0..=14 => byte.is_ascii_digit(),
                _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            });
        let id = is_right.then(|| Id(text.to_owned()))?;
        id.second().map(|_| id)
    }

    /// The second in which it happened.
    pub fn second(&self) -> Option<Timestamp> {
        let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", self.0.get(..16)?).ok()?;
        Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `2026-11-26`, in UTC.
    pub fn day(&self) -> String {
        let digits = |range: std::ops::Range<usize>| self.0.get(range).unwrap_or_default();
        format!("{}-{}-{}", digits(0..4), digits(4..6), digits(6..8))
    }

    /// Where the snapshot is.
    pub fn snapshot(&self) -> Path {
        Path::from(format!("snap/{}/{}.obit", self.day(), self.0))
    }

    /// Where the entry is that waits for the index.
    pub fn entry(&self) -> Path {
        Path::from(format!("inbox/{}.json.zst", self.0))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Sixteen hexadecimal digits that nobody else has.
pub fn random() -> String {
    use std::hash::{BuildHasher, Hasher};
    // The standard library's own source of random keys: two of them, and who asks and when.
    let mut content = Vec::new();
    for _ in 0..2 {
        content.extend(std::collections::hash_map::RandomState::new().build_hasher().finish().to_le_bytes());
    }
    content.extend(std::process::id().to_le_bytes());
    content.extend(Timestamp::now().as_nanosecond().to_le_bytes());
    blake3::hash(&content).to_hex()[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_when_and_where() {
        let time: Timestamp = "2026-11-26T02:42:56.7Z".parse().unwrap();
        let id = Id::new(time, &[b"a", b"bc"]);
        assert!(id.as_str().starts_with("20261126T024256Z-"));
        assert_eq!(Id::parse(id.as_str()), Some(id.clone()));
        assert_eq!(id.second().unwrap().as_second(), time.as_second());
        assert_eq!(id.snapshot().as_ref(), format!("snap/2026-11-26/{id}.obit"));
        assert_ne!(id, Id::new(time, &[b"ab", b"c"]), "pieces do not run together");
        assert_eq!(id, Id::new(time, &[b"a", b"bc"]));
    }

    #[test]
    fn what_is_no_id_is_none() {
        for text in ["", "20261326T024256Z-1a2b3c4d5e6f7081", "20261126T024256Z-1a2b3c4d5e6f708", "../../etc/passwd"] {
            assert_eq!(Id::parse(text), None, "{text}");
        }
        assert_eq!(Id::parse("20261126T024256Z-1a2b3c4d5e6f70é"), None);
    }
}
