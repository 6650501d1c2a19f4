//! Finding a module's file and its debug file, and refusing the wrong ones.
//!
//! ```text
//! file:   --exe → sysroot → path in the process → beside the core → what the process has mapped → .build-id → debuginfod
//! debug:  .build-id/xx/yyyy.debug → .gnu_debuglink (CRC checked) → debuginfod
//! dwz:    .gnu_debugaltlink's path → .build-id → .dwz (id checked) → debuginfod
//! ```
//!
//! A build-id in the core's memory decides: a file with another one is not used, as it would give plausible and wrong
//! answers. Where the core has none, the program headers in memory decide, and where those were not saved either, the
//! mappings must at least fit the file's segments, and a note says that more is not known.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::debuginfod;
use super::elf_file::{ElfFile, ModuleError};
use super::process_files::ProcessFiles;
use crate::addr::{Bias, RunAddr};
use crate::image::snapshot::Snapshot;
use crate::image::{ModuleSeed, Note};

/// Files of one directory of build-ids that are looked at: those whose build-ids begin with the same byte.
const MOST_FILES: usize = 1 << 16;

/// Where files are looked for.
#[derive(Default)]
pub struct SearchOptions {
    /// The main executable (`--exe`).
    pub executable: Option<PathBuf>,
    /// Look for every module under it first (`--sysroot`).
    pub sysroot: Option<PathBuf>,
    /// Roots of separate debug files (`--debug-dir`); `/usr/lib/debug` where empty.
    pub debug_directories: Vec<PathBuf>,
    /// Use files that are not the ones which ran (`--allow-mismatch`).
    pub allow_mismatch: bool,
    /// The core's own directory: files are often kept beside it.
    pub core_directory: Option<PathBuf>,
    /// The files of the process, where it is still there.
    pub process: Option<ProcessFiles>,
    /// The servers to ask, where they may be asked.
    pub debuginfod: Option<Arc<debuginfod::Client>>,
    /// The snapshot that has the modules' files, where the target is one: no other place is looked at.
    pub snapshot: Option<Arc<Snapshot>>,
}

impl SearchOptions {
    /// The roots of debug files: those under the sysroot first.
    pub fn debug_roots(&self) -> Vec<PathBuf> {
        let default = [PathBuf::from("/usr/lib/debug")];
        let roots = if self.debug_directories.is_empty() { &default[..] } else { &self.debug_directories };
        let own = self.process.as_ref().and_then(ProcessFiles::root);
        let below = self.sysroot.iter().chain(&own).flat_map(|base| roots.iter().map(|root| join_rooted(base, root)));
        let below: Vec<PathBuf> = below.collect();
        below.into_iter().chain(roots.iter().cloned()).collect()
    }
}

/// The module's file out of the snapshot.
pub fn in_snapshot(snapshot: &Snapshot, seed: &ModuleSeed) -> FileSearch {
    let opened = snapshot
        .module_file(seed.start)
        .and_then(|bytes| ElfFile::from_bytes(&seed.path, bytes).map_err(|error| error.to_string()));
    match opened {
        Ok(file) => FileSearch {
            file: Some(Arc::new(file)),
            identity: Some(Identity::BuildId),
            bias: Some(seed.bias),
            ..FileSearch::default()
        },
        Err(problem) => {
            let looked = Looked { place: "the snapshot".to_owned(), outcome: Outcome::Unusable(problem) };
            FileSearch { looked: vec![looked], ..FileSearch::default() }
        }
    }
}

/// What came of one place that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is the right file.
    Found,
    /// There is nothing.
    Missing,
    /// It is another build: the build-id that was asked for and the file's own, in hex.
    Mismatch {
        /// What the core (or the file that points here) says.
        expected: String,
        /// The file's; `None` where it has none.
        found: Option<String>,
    },
    /// It is another file, as something else than the build-id shows.
    Differs(String),
    /// It is there but cannot be used, and why: no ELF file, not readable, the server failed.
    Unusable(String),
}

/// A place that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// A path, or a URL.
    pub place: String,
    /// What was there.
    pub outcome: Outcome,
}

/// How it is known that a file is the one that ran.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Identity {
    /// The build-ids are equal (or it was made from the core's own memory).
    BuildId,
    /// The file header and program headers in memory are the file's.
    Headers,
    /// Nothing contradicts: only the mappings could be compared.
    Unverified,
    /// It is another build, used because the user said so.
    Mismatched,
}

impl Identity {
    /// Whether the file's bytes can stand for memory that was not saved.
    pub fn is_verified(self) -> bool {
        matches!(self, Identity::BuildId | Identity::Headers)
    }
}

/// What the search for a module's file gave.
#[derive(Clone, Default)]
pub struct FileSearch {
    /// The file.
    pub file: Option<Arc<ElfFile>>,
    /// How it is known to be the right one; `None` without a file.
    pub identity: Option<Identity>,
    /// What to add to the file's addresses, as the mappings and the file's segments have it.
    pub bias: Option<Bias>,
    /// Where it was looked for, in order.
    pub looked: Vec<Looked>,
    /// Warnings.
    pub notes: Vec<Note>,
}

impl FileSearch {
    /// Files that were there but of another build.
    pub fn mismatched(&self) -> impl Iterator<Item = &Looked> {
        mismatched(&self.looked)
    }
}

/// What the search for a module's debug file gave.
#[derive(Clone, Default)]
pub struct DebugSearch {
    /// The file.
    pub file: Option<Arc<ElfFile>>,
    /// Where it was looked for, in order. Empty where the module's own file has the debug information.
    pub looked: Vec<Looked>,
    /// Warnings.
    pub notes: Vec<Note>,
}

impl DebugSearch {
    /// Files that were there but of another build.
    pub fn mismatched(&self) -> impl Iterator<Item = &Looked> {
        mismatched(&self.looked)
    }
}

fn mismatched(looked: &[Looked]) -> impl Iterator<Item = &Looked> {
    looked.iter().filter(|looked| matches!(looked.outcome, Outcome::Mismatch { .. } | Outcome::Differs(_)))
}

/// Bytes as lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Finds the file that a module was mapped from. `header_in_memory` is what the core has of the file's first page.
pub fn find_file(seed: &ModuleSeed, options: &SearchOptions, header_in_memory: Option<&[u8]>) -> FileSearch {
    let mut walk = Walk::default();
    let in_process = Path::new(&seed.path);
    let mut candidates = Vec::new();
    if seed.is_executable {
        candidates.extend(options.executable.clone());
    }
    if in_process.is_absolute() {
        candidates.extend(options.sysroot.as_ref().map(|sysroot| join_rooted(sysroot, in_process)));
        candidates.extend(options.process.as_ref().and_then(|process| process.by_name(in_process)));
        candidates.push(in_process.to_owned());
    }
    if let (Some(directory), Some(name)) = (&options.core_directory, in_process.file_name()) {
        candidates.push(directory.join(name));
    }
    if !seed.is_vdso {
        candidates.extend(options.process.as_ref().and_then(|process| process.mapped(seed)));
    }
    if let Some(id) = &seed.build_id {
        candidates.extend(build_id_paths(seed, id, options, ""));
    }
    let judge = |file: &ElfFile| judge(seed, file, header_in_memory);
    let mut found = candidates.iter().find_map(|path| walk.visit(path, judge));
    if found.is_none()
        && let (Some(client), Some(id)) = (&options.debuginfod, seed.whole_build_id())
    {
        found = walk.ask(client, client.executable(id), judge);
    }
    let mut search = FileSearch::default();
    if found.is_none()
        && options.allow_mismatch
        && let Some(file) = walk.first_other.take()
    {
        let message = format!("{}: used for {} though it is another build", file.path().display(), seed.path);
        walk.notes.push(Note { code: "mismatched-file", message });
        found = Some((file, Identity::Mismatched));
    }
    if let Some((file, identity)) = found {
        if identity == Identity::Unverified {
            let message = format!(
                "{}: nothing in the core proves that it is the file that ran as {}",
                file.path().display(),
                seed.path
            );
            walk.notes.push(Note { code: "unverified-file", message });
        }
        // A file that was named on the command line and is not used is not passed over in silence.
        if let Some(other) = mismatched(&walk.looked).next()
            && identity != Identity::Mismatched
            && seed.is_executable
            && options.executable.as_ref().is_some_and(|named| named.display().to_string() == other.place)
            && let Outcome::Mismatch { expected, found } = &other.outcome
        {
            let found = found.as_deref().unwrap_or("none");
            let message = format!(
                "{}: not used for {}: its build-id is {found}, the core's {expected}; {} is used",
                other.place,
                seed.path,
                file.path().display()
            );
            walk.notes.push(Note { code: "build-id-mismatch", message });
        }
        search.bias = bias_of(seed, &file);
        search.identity = Some(identity);
        search.file = Some(file);
    } else if let Some(other) = mismatched(&walk.looked).next() {
        let message = match &other.outcome {
            Outcome::Mismatch { expected, found } => format!(
                "{}: not used for {}: its build-id is {}, the core's {expected}",
                other.place,
                seed.path,
                found.as_deref().unwrap_or("absent")
            ),
            Outcome::Differs(how) => format!("{}: not used for {}: {how}", other.place, seed.path),
            _ => String::new(),
        };
        walk.notes.push(Note { code: "build-id-mismatch", message });
    }
    search.looked = walk.looked;
    search.notes = walk.notes;
    search
}

/// Finds the separate debug file of a module. `file` is the module's own file, where it was found.
pub fn find_debug(seed: &ModuleSeed, file: Option<&ElfFile>, options: &SearchOptions) -> DebugSearch {
    let mut walk = Walk::default();
    // The file that is used decides, so that an allowed mismatch finds its own debug information.
    let id = file.and_then(|file| file.build_id().map(<[u8]>::to_vec));
    let id = id.or_else(|| seed.whole_build_id().map(<[u8]>::to_vec));
    let mut found = None;
    if let Some(id) = &id {
        let paths = options.debug_roots().into_iter().filter_map(|root| build_id_path(&root, id, ".debug"));
        found = paths.collect::<Vec<_>>().iter().find_map(|path| walk.visit(path, |file| judge_id(id, file)));
    } else if let Some(id) = &seed.build_id {
        let paths = build_id_paths(seed, id, options, ".debug");
        found = paths.iter().find_map(|path| walk.visit(path, |file| judge_partial_id(id, file)));
    }
    if found.is_none()
        && let Some(file) = file
        && let Some((name, crc)) = file.debuglink()
    {
        let judge = |candidate: &ElfFile| judge_link(file, candidate, crc);
        found = debuglink_paths(file.path(), &name, options).iter().find_map(|path| walk.visit(path, judge));
    }
    if found.is_none()
        && let (Some(client), Some(id)) = (&options.debuginfod, &id)
    {
        found = walk.ask(client, client.debuginfo(id), |file| judge_id(id, file));
    }
    if found.is_none()
        && options.allow_mismatch
        && let Some(file) = walk.first_other.take()
    {
        let message = format!("{}: used for {} though it is another build", file.path().display(), seed.path);
        walk.notes.push(Note { code: "mismatched-file", message });
        found = Some((file, Identity::Mismatched));
    }
    DebugSearch { file: found.map(|(file, _)| file), looked: walk.looked, notes: walk.notes }
}

/// Finds the supplementary file that `dwz` made of what several debug files have in common.
pub fn find_supplementary(file: &ElfFile, options: &SearchOptions) -> DebugSearch {
    let Some((name, id)) = file.debugaltlink() else { return DebugSearch::default() };
    let mut walk = Walk::default();
    let name = Path::new(&name);
    let mut candidates = Vec::new();
    for directory in directories_of(file.path()) {
        // Of an absolute name, `join` keeps the name alone.
        candidates.push(directory.join(name));
    }
    if name.is_absolute() {
        candidates.extend(options.sysroot.iter().map(|sysroot| join_rooted(sysroot, name)));
    }
    for root in options.debug_roots() {
        candidates.extend(build_id_path(&root, &id, ".debug"));
        candidates.extend(name.file_name().map(|name| root.join(".dwz").join(name)));
    }
    candidates.extend(options.core_directory.iter().filter_map(|dir| Some(dir.join(name.file_name()?))));
    let mut found = candidates.iter().find_map(|path| walk.visit(path, |file| judge_id(&id, file)));
    if found.is_none()
        && let Some(client) = &options.debuginfod
    {
        found = walk.ask(client, client.debuginfo(&id), |file| judge_id(&id, file));
    }
    if found.is_none() {
        let message = format!(
            "{}: the dwz file {} with build-id {} was not found, so parts of the debug information are missing",
            file.path().display(),
            name.display(),
            hex(&id)
        );
        walk.notes.push(Note { code: "missing-dwz", message });
    }
    DebugSearch { file: found.map(|(file, _)| file), looked: walk.looked, notes: walk.notes }
}

/// `ROOT/.build-id/xx/yyyy` and a suffix.
pub fn build_id_path(root: &Path, id: &[u8], suffix: &str) -> Option<PathBuf> {
    let (first, rest) = id.split_first().filter(|(_, rest)| !rest.is_empty())?;
    Some(root.join(".build-id").join(hex(&[*first])).join(format!("{}{suffix}", hex(rest))))
}

/// Where files of this build-id are; of a part of one, those whose names begin so.
fn build_id_paths(seed: &ModuleSeed, id: &[u8], options: &SearchOptions, suffix: &str) -> Vec<PathBuf> {
    let whole = options.debug_roots().into_iter().filter_map(|root| build_id_path(&root, id, suffix));
    if !seed.id_is_partial {
        return whole.collect();
    }
    let mut paths = Vec::new();
    for path in whole {
        let (Some(directory), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
            continue;
        };
        let begin = name.strip_suffix(suffix).unwrap_or(name);
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten().take(MOST_FILES);
        paths.extend(entries.map(|entry| entry.path()).filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            let name = name.filter(|name| name.ends_with(".debug") == (suffix == ".debug"));
            name.is_some_and(|name| name.starts_with(begin))
        }));
    }
    paths
}

/// `path` below `root`, whatever it starts with.
pub fn join_rooted(root: &Path, path: &Path) -> PathBuf {
    let below = path.components().filter(|part| !matches!(part, Component::RootDir | Component::Prefix(_)));
    root.join(below.collect::<PathBuf>())
}

/// The file's directory as it is named and as it really is (`/lib` is `/usr/lib` on merged systems).
pub fn directories_of(path: &Path) -> Vec<PathBuf> {
    let mut directories: Vec<PathBuf> = path.parent().map(Path::to_owned).into_iter().collect();
    if let Some(real) = path.canonicalize().ok().and_then(|path| path.parent().map(Path::to_owned))
        && !directories.contains(&real)
    {
        directories.push(real);
    }
    directories
}

/// gdb's order ("Separate Debug Files"): beside the file, in `.debug/`, and under each debug root at its directory.
fn debuglink_paths(file: &Path, name: &str, options: &SearchOptions) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for directory in directories_of(file) {
        paths.push(directory.join(name));
        paths.push(directory.join(".debug").join(name));
        for root in options.debug_roots() {
            let in_process = options.sysroot.as_ref().and_then(|sysroot| directory.strip_prefix(sysroot).ok());
            paths.push(join_rooted(&root, in_process.unwrap_or(&directory)).join(name));
        }
    }
    paths.extend(options.core_directory.iter().map(|directory| directory.join(name)));
    paths.extend(options.debug_roots().iter().map(|root| root.join(name)));
    // A link that names the file itself is of no use.
    paths.retain(|path| path != file);
    paths
}

/// The state of one search.
#[derive(Default)]
struct Walk {
    visited: HashSet<PathBuf>,
    looked: Vec<Looked>,
    notes: Vec<Note>,
    first_other: Option<Arc<ElfFile>>,
}

impl Walk {
    fn visit(
        &mut self,
        path: &Path,
        judge: impl Fn(&ElfFile) -> Result<Identity, Outcome>,
    ) -> Option<(Arc<ElfFile>, Identity)> {
        if !self.visited.insert(path.to_owned()) {
            return None;
        }
        let place = path.display().to_string();
        let file = match ElfFile::open(path) {
            Ok(file) => Arc::new(file),
            Err(error) => {
                let outcome = match error {
                    ModuleError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => Outcome::Missing,
                    ModuleError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotADirectory => {
                        Outcome::Missing
                    }
                    ModuleError::Io { source, .. } => Outcome::Unusable(source.to_string()),
                    ModuleError::NotElf { problem, .. } => Outcome::Unusable(problem),
                };
                self.looked.push(Looked { place, outcome });
                return None;
            }
        };
        match judge(&file) {
            Ok(identity) => {
                self.looked.push(Looked { place, outcome: Outcome::Found });
                Some((file, identity))
            }
            Err(outcome) => {
                self.looked.push(Looked { place, outcome });
                self.first_other.get_or_insert(file);
                None
            }
        }
    }

    fn ask(
        &mut self,
        client: &debuginfod::Client,
        answer: Result<Option<PathBuf>, debuginfod::DebuginfodError>,
        judge: impl Fn(&ElfFile) -> Result<Identity, Outcome>,
    ) -> Option<(Arc<ElfFile>, Identity)> {
        let place = format!("debuginfod {}", client.urls().join(" "));
        match answer {
            Ok(Some(path)) => self.visit(&path, judge),
            Ok(None) => {
                self.looked.push(Looked { place, outcome: Outcome::Missing });
                None
            }
            Err(error) => {
                let message = error.to_string();
                self.notes.push(Note { code: "debuginfod", message: message.clone() });
                self.looked.push(Looked { place, outcome: Outcome::Unusable(message) });
                None
            }
        }
    }
}

fn judge_id(expected: &[u8], file: &ElfFile) -> Result<Identity, Outcome> {
    if file.build_id() == Some(expected) {
        return Ok(Identity::BuildId);
    }
    Err(Outcome::Mismatch { expected: hex(expected), found: file.build_id().map(hex) })
}

/// Against a GUID of 16 bytes: the build-id's first ones, zeros behind a shorter one. Of a file that has no build-id
/// Breakpad puts there a hash of its code.
fn judge_partial_id(expected: &[u8], file: &ElfFile) -> Result<Identity, Outcome> {
    let found = match file.build_id() {
        Some(id) => {
            let mut id = id.to_vec();
            id.resize(expected.len(), 0);
            Some(id)
        }
        None => file.code_hash().map(|hash| hash.to_vec()),
    };
    if found.as_deref() == Some(expected) {
        return Ok(Identity::BuildId);
    }
    Err(Outcome::Mismatch { expected: hex(expected), found: file.build_id().map(hex) })
}

fn judge_link(file: &ElfFile, candidate: &ElfFile, crc: u32) -> Result<Identity, Outcome> {
    match (file.build_id(), candidate.build_id()) {
        (Some(expected), Some(found)) if expected == found => return Ok(Identity::BuildId),
        (Some(expected), Some(_)) => return judge_id(expected, candidate),
        _ => {}
    }
    // The CRC reads the whole file; equal build-ids (above) spare it.
    let found = crc32fast::hash(candidate.file_bytes());
    if found == crc {
        return Ok(Identity::Unverified);
    }
    Err(Outcome::Differs(format!("its CRC is {found:#010x}, the debuglink's {crc:#010x}")))
}

fn judge(seed: &ModuleSeed, file: &ElfFile, header_in_memory: Option<&[u8]>) -> Result<Identity, Outcome> {
    if let Some(expected) = &seed.build_id {
        return if seed.id_is_partial { judge_partial_id(expected, file) } else { judge_id(expected, file) };
    }
    if let Some(memory) = header_in_memory.filter(|memory| memory.len() >= file.header_bytes().len()) {
        return judge_headers(file, memory);
    }
    if bias_of(seed, file).is_none() && !seed.mapped.is_empty() {
        return Err(Outcome::Differs("its segments do not fit the core's mappings of it".to_owned()));
    }
    if seed.deleted {
        return Err(Outcome::Differs(
            "the file that ran was deleted or replaced, and the core has no build-id".to_owned(),
        ));
    }
    Ok(Identity::Unverified)
}

/// The header in memory against the file's. Where a file was stripped, only the section header fields differ.
fn judge_headers(file: &ElfFile, memory: &[u8]) -> Result<Identity, Outcome> {
    let header = file.header_bytes();
    let end = file.program_headers_end().min(memory.len()).min(file.file_bytes().len());
    if end > header.len() && memory.get(..end) == file.file_bytes().get(..end) {
        return Ok(Identity::Headers);
    }
    // e_shoff is at 40 (8 bytes) or 32 (4); e_shnum and e_shstrndx are the last two halves (gABI, "ELF Header").
    let without_sections = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        let offset = if file.is_64() { 40..48 } else { 32..36 };
        let counts = header.len().saturating_sub(4)..header.len();
        for range in [offset, counts] {
            if let Some(field) = bytes.get_mut(range) {
                field.fill(0);
            }
        }
        bytes
    };
    match (memory.get(..end), file.file_bytes().get(..end)) {
        (Some(memory), Some(file)) if end > header.len() && without_sections(memory) == without_sections(file) => {
            Ok(Identity::Unverified)
        }
        _ => Err(Outcome::Differs("its headers are not the ones in the core's memory".to_owned())),
    }
}

/// The bias that makes the file's segments lie where the core has them mapped, where one fits most mappings of the
/// file: `start - offset in the file = bias + p_vaddr - p_offset` for the segment that holds the offset.
pub fn bias_of(seed: &ModuleSeed, file: &ElfFile) -> Option<Bias> {
    // A segment's first and last page are mapped whole; pages are at most 64 KiB.
    const PAGE: u64 = 0x1_0000;
    let biases_of = |(start, _, offset): &(RunAddr, RunAddr, u64)| -> Vec<u64> {
        let holds = file.loads().iter().filter(|load| {
            let end = load.offset.saturating_add(load.file_size);
            load.offset & !(PAGE - 1) <= *offset && *offset < end
        });
        let bias =
            holds.map(|load| start.0.wrapping_sub(*offset).wrapping_sub(load.address.0).wrapping_add(load.offset));
        bias.collect()
    };
    let biases: Vec<Vec<u64>> = seed.mapped.iter().take(256).map(biases_of).collect();
    let fits = |bias: u64| biases.iter().filter(|of_mapping| of_mapping.contains(&bias)).count();
    let candidates = std::iter::once(seed.bias.0).chain(biases.iter().flatten().copied().take(64));
    let mut best: Option<(usize, u64)> = None;
    for bias in candidates {
        let count = fits(bias);
        // The first of equals stays: the seed's own.
        if best.is_none_or(|(most, _)| count > most) {
            best = Some((count, bias));
        }
    }
    best.filter(|(count, _)| *count > 0 && count * 2 >= biases.len()).map(|(_, bias)| Bias(bias))
}

#[cfg(test)]
#[path = "find_tests.rs"]
mod tests;
