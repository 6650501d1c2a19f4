//! The snapshot's format, versions 1 and 2 (docs/snapshot-format.md): what its JSON parts hold.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A reader refuses another number, and passes over fields and parts that it does not know.
pub const SCHEMA: &str = "obit.snapshot/1";
/// Of a file whose core is a [`RELATIVE_CORE`], which readers of version 1 would miss.
pub const SCHEMA_2: &str = "obit.snapshot/2";
/// The first part.
pub const HEADER: &str = "obit.json";
/// Modules, mappings, names of threads.
pub const LAYOUT: &str = "layout.json.zst";
/// What surrounded the process.
pub const ENVIRONMENT: &str = "environment.json.zst";
/// An ELF core: the threads' registers, and the memory that was kept.
pub const CORE: &str = "core.zst";
/// The same in place of it, from version 2 on: memory has words that are relative to their own address
/// ([`relative`](super::relative)).
pub const RELATIVE_CORE: &str = "core.relative.zst";
/// Source lines around the frames.
pub const SOURCES: &str = "sources.json.zst";

/// Of a structure in a module's debug information: it has methods, which the snapshot has not (a flag in the range that
/// DWARF leaves to users).
pub const METHODS_LEFT_OUT: u16 = 0x3d00;

/// An address, written as "0x" and hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Hex(pub u64);

impl Serialize for Hex {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:#x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Hex, D::Error> {
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = Hex;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("hexadecimal digits behind 0x")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Hex, E> {
                let digits = text.strip_prefix("0x").unwrap_or(text);
                u64::from_str_radix(digits, 16).map(Hex).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Bytes out of hexadecimal digits, as build-ids are written.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.chars().map(|digit| Some(digit.to_digit(16)? as u8)).collect::<Option<_>>()?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// `obit.json`: what a list of snapshots shows, in one small read.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Header {
    /// [`SCHEMA`] or [`SCHEMA_2`].
    pub schema: String,
    /// The program that wrote it.
    pub writer: String,
    /// When, as RFC 3339 in UTC.
    pub created: String,
    /// `x86_64`, `aarch64`, `i386`.
    pub arch: String,
    /// The process.
    pub process: Process,
    /// The signal that it died of.
    pub signal: Option<Signal>,
    /// Why it died, as `analyze` said when the snapshot was taken.
    pub verdict: Option<Verdict>,
    /// The key of its group by the rules of then: 16 hexadecimal digits.
    pub fingerprint: Option<String>,
    /// The same of the whole stack.
    pub stack_hash: Option<String>,
    /// Version of the rules that both were made by.
    pub fingerprint_rules: Option<String>,
    /// Functions of the thread's stack as fingerprints name them, innermost first, recursion folded; the first of many.
    pub frames: Vec<String>,
    /// How the snapshot was taken.
    pub capture: Capture,
    /// `--attr` and the program's own.
    pub attributes: BTreeMap<String, String>,
    /// The parts behind this one.
    pub parts: Vec<Part>,
}

/// Which group a crash was put in when it was captured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grouping {
    /// The group's key.
    pub fingerprint: String,
    /// The whole stack's.
    pub stack_hash: String,
    /// Version of the rules.
    pub rules: String,
}

impl Header {
    /// The group; `None` where the header has none, or but a part of it.
    pub fn grouping(&self) -> Option<Grouping> {
        Some(Grouping {
            fingerprint: self.fingerprint.clone()?,
            stack_hash: self.stack_hash.clone()?,
            rules: self.fingerprint_rules.clone()?,
        })
    }
}

/// The process in short.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Process {
    /// Process id.
    pub pid: Option<u32>,
    /// Command line, secrets masked.
    pub command: Option<String>,
    /// Path of the executable.
    pub executable: Option<String>,
}

/// Why it died, in short; the words are those of `obit.analysis/1`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Verdict {
    /// `null-pointer`.
    pub class: String,
    /// `certain`, `likely`, `possible`.
    pub certainty: String,
    /// The rule that gave it; snapshots of before it was written have none.
    pub rule: Option<String>,
    /// One sentence, secrets masked.
    pub summary: String,
    /// The thread's LWP.
    pub thread: u32,
    /// The frame, counted as `bt` does.
    pub frame_index: u64,
}

/// The signal in short.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Signal {
    /// Linux signal number.
    pub number: i32,
    /// `SIGSEGV`.
    pub name: String,
    /// `SEGV_MAPERR`.
    pub code: Option<String>,
    /// `si_addr`.
    pub address: Option<Hex>,
}

/// How a snapshot was taken.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Capture {
    /// `core`, `process` or `handler`.
    pub source: String,
    /// Milliseconds that the process stood still; null for a core.
    pub pause_ms: Option<f64>,
    /// How many threads.
    pub threads: usize,
    /// What was left out, by reason.
    pub left_out: BTreeMap<String, u64>,
    /// Version of the rules by which secrets were masked; null where none were applied.
    pub redaction: Option<String>,
}

/// A part of the file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Part {
    /// Its name in the archive.
    pub name: String,
    /// Bytes in the file.
    pub bytes: u64,
    /// Bytes when unpacked.
    pub unpacked: u64,
    /// CRC-32 (IEEE 802.3) of the bytes in the file, as eight hexadecimal digits.
    pub crc32: String,
}

/// `layout.json`: what was where.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Layout {
    /// Modules, ascending by address.
    pub modules: Vec<ModuleRecord>,
    /// Files that mappings name.
    pub files: Vec<String>,
    /// Mappings, ascending.
    pub mappings: Vec<MappingRecord>,
    /// Names of threads by their LWP, where they are known.
    pub thread_names: BTreeMap<u32, String>,
}

/// A module.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ModuleRecord {
    /// Path in the process.
    pub path: String,
    /// Build-id in hex.
    pub build_id: Option<String>,
    /// Added to the file's addresses.
    pub bias: Hex,
    /// Lowest mapped address.
    pub start: Hex,
    /// One past the highest.
    pub end: Hex,
    /// Start, end, offset in the file of each mapping.
    pub mapped: Vec<(Hex, Hex, Hex)>,
    /// The program itself.
    pub executable: bool,
    /// The vDSO.
    pub vdso: bool,
    /// Deleted or replaced when the process died.
    pub deleted: bool,
    /// The part with its file; null where nothing of it was needed, or it was not found (see `missing`).
    pub part: Option<String>,
    /// Why there was no file when the snapshot was taken.
    pub missing: Option<String>,
}

/// `sources.json`: by the file's name in the line table, what is kept of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceRecord {
    /// Lines that the file had.
    pub line_count: u32,
    /// Text by line number; 1 is the first.
    pub lines: BTreeMap<u32, String>,
}

/// A mapping.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MappingRecord {
    /// First address.
    pub start: Hex,
    /// One past the last.
    pub end: Hex,
    /// PF_ flags.
    pub flags: u32,
    /// Bytes that the core had of it.
    pub saved: u64,
    /// Index in `files` and offset.
    pub file: Option<(u32, Hex)>,
}
