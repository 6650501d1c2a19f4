//! Adding crashes: the snapshot first, then the entry; when the second is there, the crash is acknowledged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::id::Id;
use super::{Bucket, StoreError, observe};
use crate::image::snapshot::is_snapshot;
use crate::report::source::Sources;
use crate::session::{OpenOptions, Session};
use crate::snapshot::{self, Options};

/// Bytes of a snapshot's file.
const LARGEST: u64 = 1 << 30;
/// Of a core, so much is hashed to tell it from others: headers, registers, and the first memory.
const HASHED: usize = 1 << 20;
/// A clock that runs ahead by more than this is not believed.
const AHEAD: i64 = 24 * 3600;

/// A crash that was added.
#[derive(Debug, Clone)]
pub struct Added {
    /// Its id.
    pub id: Id,
    /// What was given.
    pub file: PathBuf,
    /// Its snapshot was there before.
    pub known: bool,
    /// What is to be said beside it.
    pub note: Option<String>,
}

/// Where the files of cores are looked for.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// `--exe`.
    pub executable: Option<PathBuf>,
    /// `--sysroot`.
    pub sysroot: Option<PathBuf>,
}

/// Adds a snapshot, a core or a process.
pub async fn add(
    bucket: &Bucket,
    target: &Path,
    attributes: &BTreeMap<String, String>,
    search: &Search,
) -> Result<Added, StoreError> {
    let prepared = prepare(target, attributes, search)?;
    let crash = {
        let session = observe::open(target, prepared.bytes)?;
        observe::crash(&session, &prepared.id, prepared.time, prepared.bytes.len() as u64, attributes)
    };
    let known = !bucket.create(&prepared.id.snapshot(), bytes::Bytes::from_static(prepared.bytes)).await?;
    bucket.create(&prepared.id.entry(), crash.packed()?).await?;
    Ok(Added { id: prepared.id, file: target.to_owned(), known, note: prepared.note })
}

struct Prepared {
    id: Id,
    time: Timestamp,
    bytes: &'static [u8],
    note: Option<String>,
}

fn prepare(target: &Path, attributes: &BTreeMap<String, String>, search: &Search) -> Result<Prepared, StoreError> {
    let is_process = target.to_str().is_some_and(|text| text.starts_with("pid:"));
    let mut start = Vec::new();
    let mut written = Timestamp::now();
    if !is_process {
        use std::io::Read;
        let file = std::fs::File::open(target).map_err(StoreError::file(target))?;
        let metadata = file.metadata().map_err(StoreError::file(target))?;
        if !metadata.is_file() {
            return Err(StoreError::Usage(format!("{}: is not a file", target.display())));
        }
        written = metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok()).unwrap_or(written);
        file.take(HASHED as u64).read_to_end(&mut start).map_err(StoreError::file(target))?;
        if is_snapshot(&start) {
            if metadata.len() > LARGEST {
                let problem = format!("has {} bytes; at most {LARGEST} are taken", metadata.len());
                return Err(StoreError::Usage(format!("{}: {problem}", target.display())));
            }
            let bytes = std::fs::read(target).map_err(StoreError::file(target))?;
            return snapshot_file(target, bytes, written);
        }
        start.extend(metadata.len().to_le_bytes());
    }
    let options = OpenOptions {
        executable: search.executable.clone(),
        sysroot: search.sysroot.clone(),
        ..OpenOptions::default()
    };
    let session = Session::open(target, &options).map_err(|error| StoreError::Usage(error.to_string()))?;
    let sources = Sources::new(search.sysroot.clone(), session.debuginfod().cloned());
    let lines = |file: &str, build_id: Option<&[u8]>, line: u32| {
        let source = sources.find(file, build_id)?;
        let around = line.saturating_sub(15).max(1)..=line.saturating_add(15);
        Some((around.filter_map(|line| Some((line, source.line(line)?))).collect(), source.line_count()))
    };
    let options = Options { attributes: attributes.clone(), sources: Some(&lines), ..Options::default() };
    let taken = snapshot::take(&session, options).map_err(|error| StoreError::Usage(error.to_string()))?;
    let (time, note) = believed(written, target);
    // A core that is given twice is one crash, though its snapshots differ in when they were taken.
    let id = if is_process { Id::new(time, &[&taken.bytes]) } else { Id::new(time, &[b"core", &start]) };
    Ok(Prepared { id, time, bytes: Box::leak(taken.bytes.into_boxed_slice()), note })
}

fn snapshot_file(target: &Path, bytes: Vec<u8>, written: Timestamp) -> Result<Prepared, StoreError> {
    let bytes: &'static [u8] = Box::leak(bytes.into_boxed_slice());
    let session = observe::open(target, bytes)?;
    let created = session.image.snapshot.as_ref().and_then(|snapshot| snapshot.header.created.parse().ok());
    let (time, note) = believed(created.unwrap_or(written), target);
    Ok(Prepared { id: Id::new(time, &[bytes]), time, bytes, note })
}

/// The time, or now where it lies ahead.
fn believed(time: Timestamp, target: &Path) -> (Timestamp, Option<String>) {
    let now = Timestamp::now();
    if time.as_second() <= now.as_second().saturating_add(AHEAD) {
        return (time, None);
    }
    let note = format!("{}: says that it happened at {time}, which is to come; it counts as of now", target.display());
    (now, Some(note))
}
