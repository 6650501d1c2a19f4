//! Snapshots (`.obit`): a tar archive whose first member is a header in JSON, and behind it an ELF core of the memory
//! that was kept and a small ELF file for each module. Specification: docs/snapshot-format.md.
//!
//! Reading one is opening a core whose modules come out of the same file. What a truncated or damaged file still has
//! is used, and notes say what is lost.

pub mod format;
pub mod frames;
pub mod relative;

use std::collections::{BTreeMap, HashMap};
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use self::format::{Header, Layout, ModuleRecord, SourceRecord, from_hex};
use self::frames::Frames;
use crate::addr::{Bias, RunAddr};
use crate::image::elf_core::Source;
use crate::image::{Image, ImageError, Mapping, ModuleSeed, Note, elf_core};
use crate::mapped;

/// A part is at most this large when unpacked.
pub const LARGEST_PART: u64 = 1 << 30;
/// All parts that one run unpacks are at most this large together.
const LARGEST_TOTAL: u64 = 4 << 30;
/// JSON parts are at most this large.
const LARGEST_JSON: u64 = 64 << 20;
/// The header is at most this large.
const LARGEST_HEADER: u64 = 1 << 20;
/// What claims to be packed better than this is unpacked step by step.
const LARGEST_RATIO: usize = 1 << 12;
/// What is smaller is unpacked before another thread would have started.
const LARGE: u64 = 256 << 10;
/// A file has at most this many parts.
const MOST_PARTS: usize = 1 << 16;

/// An opened snapshot.
pub struct Snapshot {
    /// Its header.
    pub header: Header,
    path: PathBuf,
    bytes: &'static [u8],
    /// Start and length in the file of each part.
    places: HashMap<String, (usize, usize)>,
    unpacked: AtomicU64,
    /// What was where; nothing where that part is damaged.
    layout: OnceLock<Result<Layout, String>>,
    /// The executable's file, unpacked.
    executable: OnceLock<Result<&'static [u8], String>>,
    sources: OnceLock<BTreeMap<String, Arc<SourceRecord>>>,
}

/// Whether a file that starts so is a snapshot: a ustar archive whose first member is the header.
pub fn is_snapshot(start: &[u8]) -> bool {
    let name = start.get(..100).map(|name| name.split(|byte| *byte == 0).next().unwrap_or_default());
    name == Some(format::HEADER.as_bytes()) && start.get(257..262) == Some(b"ustar")
}

/// Opens a snapshot as an image.
pub fn open(path: &Path, bytes: &'static [u8], mut notes: Vec<Note>) -> Result<Image, ImageError> {
    let broken = |problem: String| ImageError::NotACore { path: path.to_owned(), problem };
    let places = places(bytes);
    let header_place = places.get(format::HEADER).ok_or_else(|| broken("is a snapshot without a header".into()))?;
    let header = slice(bytes, *header_place).filter(|header| header.len() as u64 <= LARGEST_HEADER);
    let header: Header = header
        .and_then(|header| serde_json::from_slice(header).ok())
        .ok_or_else(|| broken("is a snapshot whose header cannot be read".into()))?;
    let known = [format::SCHEMA, format::SCHEMA_2];
    if !known.contains(&header.schema.as_str()) {
        let problem = format!("is a snapshot of format {}; this version reads {}", header.schema, known.join(" and "));
        return Err(broken(problem));
    }
    let snapshot = Arc::new(Snapshot {
        header,
        path: path.to_owned(),
        bytes,
        places,
        unpacked: AtomicU64::new(0),
        layout: OnceLock::new(),
        executable: OnceLock::new(),
        sources: OnceLock::new(),
    });
    if snapshot.is_large() {
        let ahead = Arc::clone(&snapshot);
        // What nearly every question needs next; where no thread is to be had, it is unpacked when it is asked for.
        let _ = thread::Builder::new().spawn(move || ahead.unpack_ahead());
    }
    let packed = snapshot.core_in_frames().map_err(broken)?;
    if let Err(problem) = snapshot.layout.get_or_init(|| snapshot.json(format::LAYOUT)) {
        notes.push(Note { code: "snapshot-damaged", message: problem.clone() });
    }
    let mappings = snapshot.mappings();
    let mut image = match packed {
        Some(PackedCore { beginning, frames, complaint }) => {
            notes.extend(complaint.map(|message| Note { code: "snapshot-damaged", message }));
            elf_core::parse_beginning(path, beginning, Source::Packed(Arc::new(frames)), mappings, notes)?
        }
        None => {
            let (core, complaint) = snapshot.unpack(format::CORE, LARGEST_PART).map_err(broken)?;
            notes.extend(complaint.map(|message| Note { code: "snapshot-damaged", message }));
            elf_core::parse_mapped(path, core.leak(), mappings, notes)?
        }
    };
    for thread in &mut image.threads {
        // Nobody died of what was copied alive.
        thread.crashed &= snapshot.header.capture.source != "process";
        thread.name = thread.name.take().or_else(|| snapshot.layout()?.thread_names.get(&thread.lwp).cloned());
    }
    image.process.executable = image.process.executable.take().or_else(|| snapshot.header.process.executable.clone());
    image.snapshot = Some(snapshot);
    Ok(image)
}

impl Snapshot {
    /// Whether it pays to unpack its parts on a thread of their own.
    pub fn is_large(&self) -> bool {
        self.size() >= LARGE
    }

    fn layout(&self) -> Option<&Layout> {
        self.layout.get_or_init(|| self.json(format::LAYOUT)).as_ref().ok()
    }

    fn module_records(&self) -> &[ModuleRecord] {
        self.layout().map_or(&[], |layout| &layout.modules)
    }

    /// What was mapped where. None where nothing is known of it, or what is said is not in order.
    fn mappings(&self) -> Option<Vec<Mapping>> {
        let layout = self.layout()?;
        let file = |(index, offset): (u32, format::Hex)| Some((layout.files.get(index as usize)?.clone(), offset.0));
        let mappings = layout.mappings.iter().map(|record| Mapping {
            start: RunAddr(record.start.0),
            end: RunAddr(record.end.0),
            flags: record.flags,
            saved: record.saved,
            file: record.file.and_then(file),
        });
        let mappings: Vec<Mapping> = mappings.filter(|mapping| mapping.start < mapping.end).collect();
        let are_sound = !mappings.is_empty() && mappings.is_sorted_by(|one, next| one.end <= next.start);
        are_sound.then_some(mappings)
    }

    /// The modules, ascending by address and not overlapping.
    pub fn modules(&self) -> Vec<ModuleSeed> {
        let mut seeds: Vec<ModuleSeed> = Vec::new();
        for record in self.module_records() {
            let (start, end) = (RunAddr(record.start.0), RunAddr(record.end.0));
            if start >= end || seeds.last().is_some_and(|last| last.end > start) {
                continue;
            }
            seeds.push(ModuleSeed {
                path: record.path.clone(),
                build_id: record.build_id.as_deref().and_then(from_hex),
                bias: Bias(record.bias.0),
                start,
                end,
                mapped: record.mapped.iter().map(|(a, b, c)| (RunAddr(a.0), RunAddr(b.0), c.0)).collect(),
                is_executable: record.executable,
                is_vdso: record.vdso,
                id_is_partial: false,
                deleted: record.deleted,
            });
        }
        seeds
    }

    /// The file of the module that starts there, or why there is none.
    pub fn module_file(&self, start: RunAddr) -> Result<&'static [u8], String> {
        let record = self.module_records().iter().find(|record| record.start.0 == start.0);
        let record = record.ok_or("the snapshot has no such module")?;
        let is_first = self.executable().is_some_and(|executable| std::ptr::eq(executable, record));
        if is_first {
            self.executable.get_or_init(|| self.unpack_module(record)).clone()
        } else {
            self.unpack_module(record)
        }
    }

    fn executable(&self) -> Option<&ModuleRecord> {
        self.module_records().iter().find(|record| record.executable)
    }

    /// Unpacks what the other parts are looked at with, beside their being opened.
    fn unpack_ahead(&self) {
        if let Some(executable) = self.executable() {
            let _ = self.module_file(RunAddr(executable.start.0));
        }
    }

    /// The source lines that are in it, by file; none where it has no such part.
    pub fn sources(&self) -> &BTreeMap<String, Arc<SourceRecord>> {
        self.sources.get_or_init(|| match self.has(format::SOURCES) {
            true => {
                let files: BTreeMap<String, SourceRecord> = self.json(format::SOURCES).unwrap_or_default();
                files.into_iter().map(|(name, record)| (name, Arc::new(record))).collect()
            }
            false => BTreeMap::new(),
        })
    }

    fn unpack_module(&self, record: &ModuleRecord) -> Result<&'static [u8], String> {
        let Some(part) = &record.part else {
            return Err(match &record.missing {
                Some(missing) => format!("not found when the snapshot was taken: {missing}"),
                None => "nothing of it was needed when the snapshot was taken".to_owned(),
            });
        };
        if let (packed, false) = self.packed(part)?
            && let Some(bytes) = in_place(packed)
        {
            self.count(bytes.len())?;
            return Ok(bytes);
        }
        let (bytes, complaint) = self.unpack(part, LARGEST_PART)?;
        match complaint {
            // Half a file would give wrong answers.
            Some(complaint) => Err(complaint),
            None => Ok(Box::leak(bytes.into_boxed_slice())),
        }
    }

    /// A part of JSON.
    pub fn json<T: serde::de::DeserializeOwned>(&self, part: &str) -> Result<T, String> {
        let (bytes, complaint) = self.unpack(part, LARGEST_JSON)?;
        if let Some(complaint) = complaint {
            return Err(complaint);
        }
        serde_json::from_slice(&bytes).map_err(|error| format!("{}: {part}: {error}", self.path.display()))
    }

    /// Whether the file has a part of that name.
    pub fn has(&self, part: &str) -> bool {
        self.places.contains_key(part)
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.path
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The core as ordinary tools read it, and what is wrong with it.
    pub fn core(&self) -> Result<(Vec<u8>, Option<String>), String> {
        if !self.has(format::RELATIVE_CORE) {
            return self.unpack(format::CORE, LARGEST_PART);
        }
        let PackedCore { frames, complaint, .. } = self.relative_core()?;
        let core = frames.beginning(usize::MAX).ok_or_else(|| self.is_broken(format::RELATIVE_CORE))?;
        Ok((core, complaint))
    }

    /// The core where it can be unpacked piece by piece.
    fn core_in_frames(&self) -> Result<Option<PackedCore>, String> {
        if self.has(format::RELATIVE_CORE) {
            return self.relative_core().map(Some);
        }
        let Ok((packed, false)) = self.packed(format::CORE) else { return Ok(None) };
        let Some(frames) = Frames::of(packed, LARGEST_PART) else { return Ok(None) };
        let Some(beginning) = beginning(&frames) else { return Ok(None) };
        self.unpacked.fetch_add(frames.length() as u64, Ordering::Relaxed);
        Ok(Some(PackedCore { beginning, frames, complaint: None }))
    }

    fn relative_core(&self) -> Result<PackedCore, String> {
        let part = format::RELATIVE_CORE;
        let (packed, cut) = self.packed(part)?;
        let (frames, is_whole) = Frames::intact(packed, LARGEST_PART);
        let beginning = beginning(&frames).ok_or_else(|| self.is_broken(part))?;
        let places = elf_core::places(beginning).ok_or_else(|| self.is_broken(part))?;
        self.unpacked.fetch_add(frames.length() as u64, Ordering::Relaxed);
        let path = self.path.display();
        let complaint = match (cut, is_whole) {
            (true, _) => Some(format!("{path}: part {part} is cut by the file's truncated end")),
            (false, false) => Some(format!("{path}: part {part} cannot be unpacked to its end")),
            (false, true) => None,
        };
        Ok(PackedCore { beginning, frames: frames.with_relative_words(places), complaint })
    }

    fn is_broken(&self, part: &str) -> String {
        format!("{}: part {part} cannot be unpacked, or its beginning is no core's", self.path.display())
    }

    /// A part as it is in the file, and whether the file's truncated end cut it.
    fn packed(&self, part: &str) -> Result<(&'static [u8], bool), String> {
        let path = self.path.display();
        let place = self.places.get(part).ok_or_else(|| format!("{path}: the snapshot has lost its part {part}"))?;
        let packed =
            slice(self.bytes, *place).ok_or_else(|| format!("{path}: part {part} lies outside of the file"))?;
        let record = self.header.parts.iter().find(|record| record.name == part);
        let cut = record.is_some_and(|record| record.bytes > packed.len() as u64);
        if let Some(record) = record
            && !cut
            && record.crc32 != format!("{:08x}", crc32fast::hash(packed))
        {
            return Err(format!("{path}: part {part} is damaged (its checksum differs)"));
        }
        Ok((packed, cut))
    }

    fn count(&self, unpacked: usize) -> Result<(), String> {
        let total = self.unpacked.fetch_add(unpacked as u64, Ordering::Relaxed).saturating_add(unpacked as u64);
        match total > LARGEST_TOTAL {
            true => Err(format!("{}: its parts are larger than {LARGEST_TOTAL} bytes together", self.path.display())),
            false => Ok(()),
        }
    }

    /// A part's content, and what is wrong with it: what a truncated part still holds is given.
    pub fn unpack(&self, part: &str, limit: u64) -> Result<(Vec<u8>, Option<String>), String> {
        let path = self.path.display();
        let (packed, cut) = self.packed(part)?;
        let mut content = Vec::new();
        let read = if let Some(whole) = (!cut && part.ends_with(".zst")).then(|| at_once(packed, limit)).flatten() {
            content = whole;
            Ok(content.len())
        } else if part.ends_with(".zst") {
            zstd::stream::read::Decoder::new(packed)
                .and_then(|decoder| decoder.take(limit + 1).read_to_end(&mut content))
        } else {
            packed.take(limit + 1).read_to_end(&mut content)
        };
        self.count(content.len())?;
        if content.len() as u64 > limit {
            return Err(format!("{path}: part {part} is larger than {limit} bytes"));
        }
        match read {
            Ok(_) if !cut => Ok((content, None)),
            _ if content.is_empty() => Err(format!("{path}: part {part} is lost with the file's truncated end")),
            _ => Ok((content, Some(format!("{path}: part {part} is cut by the file's truncated end")))),
        }
    }
}

/// A core that is unpacked as it is looked at.
struct PackedCore {
    /// Its headers and notes.
    beginning: &'static [u8],
    frames: Frames,
    /// What is wrong with it.
    complaint: Option<String>,
}

/// The headers and notes of a core.
fn beginning(frames: &Frames) -> Option<&'static [u8]> {
    let place = mapped::room(frames.length())?;
    let mut known = frames.unpack_first(place, 0, 1)?;
    // The first bytes say where the table of segments ends (where there are many, section 0 behind it does), that where
    // the notes do.
    for _ in 0..3 {
        let end = usize::try_from(elf_core::end_of_notes(place.get(..known)?)?).ok()?;
        if end > known {
            known = frames.unpack_first(place, known, end)?;
        }
    }
    place.get(..known)
}

/// Where each member's content is. A truncated file's last member is as long as the file allows.
fn places(bytes: &'static [u8]) -> HashMap<String, (usize, usize)> {
    let mut places = HashMap::new();
    let mut archive = tar::Archive::new(Cursor::new(bytes));
    let Ok(entries) = archive.entries_with_seek() else { return places };
    for entry in entries.take(MOST_PARTS) {
        let Ok(entry) = entry else { break };
        let (Ok(start), Ok(size)) = (usize::try_from(entry.raw_file_position()), usize::try_from(entry.size())) else {
            break;
        };
        let length = size.min(bytes.len().saturating_sub(start));
        let Ok(name) = std::str::from_utf8(&entry.path_bytes()).map(str::to_owned) else { continue };
        places.entry(name).or_insert((start, length));
    }
    places
}

/// What a packed part says of its size, where that may be.
fn plausible_size(packed: &[u8], limit: u64) -> Option<usize> {
    let size = zstd::bulk::Decompressor::upper_bound(packed)?;
    (size as u64 <= limit && size / LARGEST_RATIO <= packed.len()).then_some(size)
}

/// A part that says how large it is, unpacked without a window and copies between.
fn at_once(packed: &[u8], limit: u64) -> Option<Vec<u8>> {
    zstd::bulk::decompress(packed, plausible_size(packed, limit)?).ok()
}

/// As [`at_once`], to be kept.
fn in_place(packed: &[u8]) -> Option<&'static [u8]> {
    let place = mapped::room(plausible_size(packed, LARGEST_PART)?)?;
    let length = zstd::bulk::decompress_to_buffer(packed, place).ok()?;
    place.get(..length)
}

fn slice(bytes: &'static [u8], (start, length): (usize, usize)) -> Option<&'static [u8]> {
    bytes.get(start..start.checked_add(length)?)
}
