//! A crash as one row: what an entry of the inbox holds, and the table keeps.
//!
//! An entry is written by whoever may write into the bucket, so nothing in it is believed: sizes are bounded, texts cut
//! and freed of control characters, and what is no entry is refused with the reason ([`Crash::read`]).

use std::collections::BTreeMap;
use std::io::Read;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::events::is_fingerprint;
use super::id::Id;

/// The first field of an entry.
pub const SCHEMA: &str = "obit.crash/1";
/// Bytes of an entry, unpacked.
const LARGEST: u64 = 1 << 20;
/// Bytes of an entry as it is in the bucket.
pub const LARGEST_PACKED: u64 = 256 << 10;
/// Bytes of one text.
const LONGEST_TEXT: usize = 4096;
/// Bytes of a key.
const LONGEST_KEY: usize = 256;
/// Frames.
pub const MOST_FRAMES: usize = 256;
/// Modules.
pub const MOST_MODULES: usize = 1024;
/// Entries of a map.
pub const MOST_ENTRIES: usize = 512;

/// A crash.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Crash {
    /// [`SCHEMA`].
    pub schema: String,
    /// [`Id`].
    pub id: String,
    /// When it happened, as RFC 3339 in UTC.
    pub time: String,
    /// Whose crash: the attribute `application`, else the executable's file name.
    pub application: Option<String>,
    /// The attribute `version`, or `release`.
    pub version: Option<String>,
    /// The machine: the attribute `host`, else its name.
    pub host: Option<String>,
    /// `SIGSEGV`.
    pub signal: Option<String>,
    /// `SEGV_MAPERR`.
    pub signal_code: Option<String>,
    /// The verdict's class, one of `analyze`'s.
    pub class: Option<String>,
    /// `certain`, `likely`, `possible`.
    pub certainty: Option<String>,
    /// The rule that gave the verdict.
    pub rule: Option<String>,
    /// The verdict in one sentence.
    pub verdict: Option<String>,
    /// The coarse key: crashes of one group share it.
    pub fingerprint: String,
    /// The fine key: the whole stack.
    pub stack_hash: Option<String>,
    /// Version of the rules that both follow from.
    pub rules: Option<String>,
    /// Function names of the crashed thread, innermost first, without parameters.
    pub frames: Vec<String>,
    /// The innermost of the program's own.
    pub top_frame: Option<String>,
    /// Path of the executable.
    pub executable: Option<String>,
    /// Its build-id.
    pub build_id: Option<String>,
    /// `x86_64`, `aarch64`, `i386`.
    pub arch: Option<String>,
    /// Process id.
    pub pid: Option<i64>,
    /// Name of the crashed thread.
    pub thread: Option<String>,
    /// Threads.
    pub threads: Option<i64>,
    /// What was mapped: file names and build-ids.
    pub modules: Vec<Module>,
    /// Scalars and texts of own frames' variables, by path: `req.user_id`.
    pub vars: BTreeMap<String, String>,
    /// Attributes.
    pub attrs: BTreeMap<String, String>,
    /// Figures of the environment: bytes, seconds, counts.
    pub figures: BTreeMap<String, f64>,
    /// Bytes of the snapshot.
    pub bytes: i64,
}

/// A module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Module {
    /// File name without directories.
    pub name: String,
    /// Build-id in hexadecimal digits.
    pub build_id: Option<String>,
}

impl Crash {
    /// Reads the packed entry of that id; otherwise says why it is none.
    pub fn read(id: &Id, packed: &[u8]) -> Result<Crash, String> {
        if packed.len() as u64 > LARGEST_PACKED {
            return Err(format!("has {} bytes; at most {LARGEST_PACKED} are read", packed.len()));
        }
        let mut bytes = Vec::new();
        let decoder = zstd::stream::read::Decoder::new(packed).map_err(|error| error.to_string())?;
        decoder.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| format!("does not unpack: {error}"))?;
        if bytes.len() as u64 > LARGEST {
            return Err(format!("unpacks to more than {LARGEST} bytes"));
        }
        let mut crash: Crash = serde_json::from_slice(&bytes).map_err(|error| format!("is not an entry: {error}"))?;
        if crash.schema != SCHEMA {
            return Err(format!("has schema {:.64}; this version reads {SCHEMA}", crash.schema.escape_debug()));
        }
        if crash.id != id.as_str() {
            return Err(format!("is of {:.64}", crash.id.escape_debug()));
        }
        crash.tidy();
        if !is_fingerprint(&crash.fingerprint) {
            return Err("has no fingerprint: letters, digits, - _ . and :".to_owned());
        }
        let time = crash.timestamp().ok_or_else(|| format!("has no time that can be read: {:.64}", crash.time))?;
        if id.second().map(|second| second.as_second()) != Some(time.as_second()) {
            return Err(format!("happened at {time}, which is not what its id says"));
        }
        Ok(crash)
    }

    /// The packed entry.
    pub fn packed(&self) -> Result<Vec<u8>, std::io::Error> {
        let mut crash = self.clone();
        crash.tidy();
        loop {
            let packed = zstd::bulk::compress(&serde_json::to_vec(&crash)?, 3)?;
            if packed.len() as u64 <= LARGEST_PACKED / 2 {
                return Ok(packed);
            }
            // What can be looked up in the snapshot goes first.
            if !crash.vars.is_empty() {
                crash.vars.clear();
            } else if !crash.modules.is_empty() {
                crash.modules.clear();
            } else if !crash.attrs.is_empty() {
                crash.attrs.clear();
            } else {
                return Ok(packed);
            }
        }
    }

    /// When it happened.
    pub fn timestamp(&self) -> Option<Timestamp> {
        self.time.parse().ok()
    }

    /// Attributes that are numbers.
    pub fn numbers(&self) -> impl Iterator<Item = (&str, f64)> {
        self.attrs.iter().filter_map(|(key, value)| {
            let number = value.trim().parse().ok().filter(|number: &f64| number.is_finite())?;
            Some((key.as_str(), number))
        })
    }

    fn tidy(&mut self) {
        let options = [
            &mut self.application,
            &mut self.version,
            &mut self.host,
            &mut self.signal,
            &mut self.signal_code,
            &mut self.class,
            &mut self.certainty,
            &mut self.rule,
            &mut self.verdict,
            &mut self.stack_hash,
            &mut self.rules,
            &mut self.top_frame,
            &mut self.executable,
            &mut self.build_id,
            &mut self.arch,
            &mut self.thread,
        ];
        for text in options {
            text.iter_mut().for_each(|text| clean(text, LONGEST_TEXT));
            // No value is absent, not empty.
            if text.as_ref().is_some_and(String::is_empty) {
                *text = None;
            }
        }
        clean(&mut self.fingerprint, LONGEST_KEY);
        self.frames.truncate(MOST_FRAMES);
        self.frames.iter_mut().for_each(|frame| clean(frame, LONGEST_TEXT / 4));
        self.modules.truncate(MOST_MODULES);
        for module in &mut self.modules {
            clean(&mut module.name, LONGEST_KEY);
            module.build_id.iter_mut().for_each(|id| clean(id, LONGEST_KEY));
        }
        for map in [&mut self.vars, &mut self.attrs] {
            let taken = std::mem::take(map);
            map.extend(taken.into_iter().take(MOST_ENTRIES).map(|(mut key, mut value)| {
                clean(&mut key, LONGEST_KEY);
                clean(&mut value, LONGEST_TEXT);
                (key, value)
            }));
        }
        let taken = std::mem::take(&mut self.figures);
        self.figures.extend(taken.into_iter().filter(|(_, value)| value.is_finite()).take(MOST_ENTRIES).map(
            |(mut key, value)| {
                clean(&mut key, LONGEST_KEY);
                (key, value)
            },
        ));
        self.bytes = self.bytes.max(0);
    }
}

/// Cuts a text to so many bytes; control characters, which a terminal would obey, become `?`.
fn clean(text: &mut String, longest: usize) {
    if text.len() > longest {
        let end = (0..=longest).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
    }
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        *text = text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '?' } else { c }).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crash() -> (Id, Crash) {
        let time: Timestamp = "2026-11-26T02:42:56.123Z".parse().unwrap();
        let id = Id::new(time, &[b"x"]);
        let crash = Crash {
            schema: SCHEMA.to_owned(),
            id: id.to_string(),
            time: time.to_string(),
            fingerprint: "f1".to_owned(),
            frames: vec!["main".to_owned()],
            attrs: [("n".to_owned(), " 4.5 ".to_owned()), ("s".to_owned(), "inf".to_owned())].into(),
            ..Crash::default()
        };
        (id, crash)
    }

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        let (id, crash) = crash();
        let read = Crash::read(&id, &crash.packed().unwrap()).unwrap();
        assert_eq!(read, crash);
        assert_eq!(read.numbers().collect::<Vec<_>>(), [("n", 4.5)]);
    }

    #[test]
    fn what_is_hostile_is_refused_with_the_reason() {
        let (id, good) = crash();
        let refused = |bytes: &[u8]| Crash::read(&id, bytes).unwrap_err();
        assert!(refused(b"nothing").contains("unpack"));
        let packed = good.packed().unwrap();
        assert!(Crash::read(&id, &packed[..packed.len() / 2]).is_err());
        let bomb = zstd::bulk::compress(&vec![b' '; 64 << 20], 3).unwrap();
        assert!(refused(&bomb).contains("more than"));
        assert!(refused(&vec![0; 300 << 10]).contains("at most"));
        let changed = |change: fn(&mut Crash)| {
            let mut crash = good.clone();
            change(&mut crash);
            refused(&zstd::bulk::compress(&serde_json::to_vec(&crash).unwrap(), 3).unwrap())
        };
        assert!(changed(|crash| crash.id = "20261126T024256Z-0000000000000000".to_owned()).contains("is of"));
        assert!(changed(|crash| crash.schema = "x".to_owned()).contains("schema"));
        assert!(changed(|crash| crash.time = "2026-11-27T02:42:56Z".to_owned()).contains("id says"));
        assert!(changed(|crash| crash.time = "soon".to_owned()).contains("time"));
        assert!(changed(|crash| crash.fingerprint.clear()).contains("fingerprint"));
        assert!(changed(|crash| crash.fingerprint = "a' OR '1".to_owned()).contains("fingerprint"));
    }

    #[test]
    fn texts_are_cut_and_freed_of_control_characters() {
        let (id, mut crash) = crash();
        crash.verdict = Some("\u{1b}[31mred".to_owned());
        crash.host = Some("é".repeat(4000));
        crash.version = Some(String::new());
        crash.frames = vec!["f".to_owned(); 5000];
        let read = Crash::read(&id, &crash.packed().unwrap()).unwrap();
        assert_eq!(read.verdict.as_deref(), Some("?[31mred"));
        assert_eq!(read.host.map(|host| host.len()), Some(4096));
        assert_eq!((read.version, read.frames.len()), (None, MOST_FRAMES));
    }
}
