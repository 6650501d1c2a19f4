//! Decompressed debug sections, and what was made of a module's debug information, kept between runs.
//!
//! Distributions compress their debug files, and inflating libc's for two frames costs more than everything else that
//! `obit bt` does. So what was inflated once is kept under `$XDG_CACHE_HOME/obit/sections` (`~/.cache/obit/sections`),
//! by build-id and by the very file on the disk ([`FileStamp`]), and mapped the next time. Content decides nothing:
//! a damaged copy, or one that somebody made up, has the build-id of the good file too, and what was inflated from it
//! must never be shown for the good one. `OBIT_CACHE_DIR` names another directory; set and empty, it turns the cache
//! off. Nothing depends on it: where it cannot be read or written, the section is inflated as ever.

use crate::order::Order;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::SystemTime;

use super::find::hex;

/// Smaller sections are inflated quicker than a file is opened.
const SMALLEST: u64 = 16 << 10;
/// What the cache may hold; the oldest modules go first.
const LARGEST_CACHE: u64 = 1 << 30;
/// One state of one file on the disk: device, inode, time of change and size. The time of change is the system's: who
/// writes to a file cannot set it, unlike the time of modification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStamp(String);

impl FileStamp {
    /// The file's state now; `None` where there is no such file.
    pub fn of(path: &Path) -> Option<FileStamp> {
        let file = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        let (device, inode, size) = (file.dev(), file.ino(), file.size());
        Some(FileStamp(format!("{device:x}-{inode:x}-{:x}-{:x}-{size:x}", file.ctime(), file.ctime_nsec())))
    }
}

/// A place for one section's bytes.
pub struct CachedSection {
    path: PathBuf,
    /// What it must have; `None`: the content says.
    size: Option<u64>,
}

impl CachedSection {
    /// The place of a section of `size` inflated bytes; `None` where it is not worth it or there is no cache.
    pub fn new(build_id: Option<&[u8]>, stamp: Option<&FileStamp>, name: &str, size: u64) -> Option<CachedSection> {
        (size >= SMALLEST).then_some(())?;
        Some(CachedSection { size: Some(size), ..CachedSection::of_any_size(build_id, stamp, name)? })
    }

    /// The place of something that says itself how long it is and whether it is whole.
    pub fn of_any_size(build_id: Option<&[u8]>, stamp: Option<&FileStamp>, name: &str) -> Option<CachedSection> {
        let build_id = build_id.filter(|id| (8..=64).contains(&id.len()))?;
        let file = format!("{}-{}", name.trim_start_matches('.'), stamp?.0);
        Some(CachedSection { path: root()?.join(hex(build_id)).join(file), size: None })
    }

    /// Whether an earlier run left something.
    pub fn exists(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok()
    }

    /// The bytes, if an earlier run left them.
    pub fn load(&self) -> Option<&'static [u8]> {
        let metadata = fs::symlink_metadata(&self.path).ok()?;
        let fits = |size: u64| self.size.is_none_or(|wanted| size == wanted);
        if !metadata.is_file() || !fits(metadata.len()) || metadata.uid() != nobody_else()? {
            return None;
        }
        crate::mapped::map(&self.path).ok().filter(|bytes| fits(bytes.len() as u64))
    }

    /// Leaves the bytes for later runs. Failures are of no consequence.
    pub fn store(&self, bytes: &[u8]) {
        let _ = self.try_store(bytes);
    }

    /// The same, while this run goes on; [`finish`] waits for it.
    pub fn store_aside(self, bytes: &'static [u8]) {
        if let Ok(writer) = thread::Builder::new().spawn(move || self.store(bytes)) {
            WRITERS.lock().unwrap_or_else(PoisonError::into_inner).push(writer);
        }
    }

    fn try_store(&self, bytes: &[u8]) -> Option<()> {
        let directory = self.path.parent()?;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).ok()?;
        let temporary = self.path.with_extension(format!("{}.part", std::process::id()));
        let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary);
        let written = file.and_then(|mut file| file.write_all(bytes));
        if written.and_then(|()| fs::rename(&temporary, &self.path)).is_err() {
            let _ = fs::remove_file(&temporary);
            return None;
        }
        prune(directory.parent()?);
        Some(())
    }
}

/// What is being written.
static WRITERS: Mutex<Vec<JoinHandle<()>>> = Mutex::new(Vec::new());

/// Waits until everything that is left for later runs is written.
pub fn finish() {
    let writers = std::mem::take(&mut *WRITERS.lock().unwrap_or_else(PoisonError::into_inner));
    for writer in writers {
        let _ = writer.join();
    }
}

/// The cache's directory.
fn root() -> Option<PathBuf> {
    if let Some(chosen) = std::env::var_os("OBIT_CACHE_DIR") {
        return Some(PathBuf::from(chosen)).filter(|path| path.is_absolute()).map(|path| path.join("sections"));
    }
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base =
        base.or_else(|| std::env::home_dir().filter(|home| home.is_absolute()).map(|home| home.join(".cache")))?;
    Some(base.join("obit/sections"))
}

/// This process's user, by a file that it owns.
fn nobody_else() -> Option<u32> {
    fs::metadata("/proc/self").ok().map(|metadata| metadata.uid())
}

/// Removes the modules that were written longest ago until the cache fits.
fn prune(root: &Path) {
    let mut modules: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
    for module in fs::read_dir(root).into_iter().flatten().flatten() {
        let files = fs::read_dir(module.path()).into_iter().flatten().flatten();
        let size = files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum();
        let written = module.metadata().and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        modules.push((written, size, module.path()));
    }
    let mut total: u64 = modules.iter().map(|(_, size, _)| size).sum();
    modules.order();
    for (_, size, path) in modules {
        if total <= LARGEST_CACHE {
            break;
        }
        let _ = fs::remove_dir_all(path);
        total = total.saturating_sub(size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::test_elf::TestDirectory;

    #[test]
    fn a_copy_or_a_changed_file_is_another() {
        let directory = TestDirectory::new("stamp");
        let path = directory.write("a", b"content");
        let stamp = FileStamp::of(&path);
        assert!(stamp.is_some());
        assert_eq!(stamp, FileStamp::of(&path));
        assert_ne!(stamp, FileStamp::of(&directory.write("b", b"content")));
        std::thread::sleep(std::time::Duration::from_millis(20));
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, b"CONTENT").unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        assert_ne!(stamp, FileStamp::of(&path), "though size and time of modification are the same");
        assert_eq!(FileStamp::of(&directory.0.join("none")), None);
    }
}
