//! The spool: a directory of complete files, whose names sort by time.
//!
//! ```text
//! 20261126T024256.123Z-4711-server-0123456789abcdef.obit a snapshot: time, process, its name, its fingerprint
//! 20261126T024256.123Z-4711-server.core.zst              a whole core
//! 20261126T024256.123Z-4711-server.cut.core.zst          its beginning: the quota or the deadline ended it
//! .tmp-…                                                 somebody writes it; locked while its writer lives
//! .lock, .recent, .slot-N, log, log.1                    of the handler's own
//! ```
//!
//! Whoever ships files takes those that end in `.obit` or `.core.zst`, and removes them.

use crate::order::Order;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::{CaptureError, Config};

/// Bytes of the file system that stay free for others: this, or a twentieth of it, whichever is less.
const RESERVE: u64 = 1 << 30;
/// How long another handler may hold the spool's lock; it does so for milliseconds.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often a lock is tried.
const INTERVAL: Duration = Duration::from_millis(5);
/// Crashes of the last hour that are remembered.
const MOST_RECENT: usize = 4096;
/// Bytes of the log before it is put aside.
const LOG_BYTES: u64 = 256 << 10;
/// An hour in seconds.
const HOUR: u64 = 3600;
/// What temporary names begin with.
const TEMPORARY: &str = ".tmp-";

/// The directory.
#[derive(Clone)]
pub struct Spool {
    directory: PathBuf,
    quota: u64,
}

/// A file that is being written. Dropped before [`Unfinished::finish`], it is gone.
pub struct Unfinished {
    file: Option<File>,
    path: PathBuf,
}

/// A complete file.
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Bytes.
    pub bytes: u64,
}

impl Entry {
    /// Whether it is a whole core rather than a snapshot.
    pub fn is_core(&self) -> bool {
        self.name.ends_with(".core.zst")
    }
}

impl Spool {
    /// Opens the directory, makes it where it is not there, and removes what killed writers left behind.
    pub fn open(config: &Config) -> Result<Spool, CaptureError> {
        let directory = config.spool.clone();
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&directory);
        made.map_err(CaptureError::io(&directory))?;
        let spool = Spool { directory, quota: config.quota };
        spool.sweep();
        Ok(spool)
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The complete files, oldest first.
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self.files().into_iter().filter(|entry| is_captured(&entry.name)).collect();
        entries.order_by(|one, other| one.name.cmp(&other.name));
        entries
    }

    fn files(&self) -> Vec<Entry> {
        let entries = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        let file = |entry: fs::DirEntry| {
            let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
            Some(Entry { name: entry.file_name().into_string().ok()?, bytes: metadata.len() })
        };
        entries.filter_map(file).collect()
    }

    fn sweep(&self) {
        for entry in self.files().into_iter().filter(|entry| entry.name.starts_with(TEMPORARY)) {
            let path = self.directory.join(&entry.name);
            // Its writer holds a lock on it for as long as it lives.
            let is_abandoned = File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
            if is_abandoned {
                let _ = fs::remove_file(&path);
            }
        }
    }

    /// Begins a file.
    pub fn begin(&self) -> Result<Unfinished, CaptureError> {
        let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_nanos());
        let path = self.directory.join(format!("{TEMPORARY}{}-{nanos:x}", std::process::id()));
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = opened.map_err(CaptureError::io(&path))?;
        let unfinished = Unfinished { file: Some(file), path };
        if let Some(file) = &unfinished.file {
            file.lock().map_err(CaptureError::io(&unfinished.path))?;
        }
        Ok(unfinished)
    }

    /// Makes room for `bytes` more: by removing the oldest cores, and where it is for a snapshot the oldest snapshots
    /// then. Says which limit was reached where that is not enough.
    pub fn make_room(&self, bytes: u64, for_core: bool) -> Result<(), CaptureError> {
        let _lock = self.lock()?;
        let files = self.files();
        let mut used: u64 = files.iter().map(|entry| entry.bytes).sum();
        let (mut free, reserve) = self.space();
        let mut victims = self.entries();
        // Cores first, each kind oldest first.
        victims.order_by_key(|entry| !entry.is_core());
        let mut victims = victims.into_iter().filter(|entry| entry.is_core() || !for_core);
        loop {
            let over_quota = used.saturating_add(bytes) > self.quota;
            let over_disk = free < bytes.saturating_add(reserve);
            if !over_quota && !over_disk {
                return Ok(());
            }
            // What would not fit into an empty spool removes nothing.
            let victim = victims.next().filter(|_| bytes <= self.quota);
            let Some(victim) = victim else {
                let problem = match over_quota {
                    true => format!("its quota of {} bytes is reached", self.quota),
                    false => format!("the file system has {free} bytes left, of which {reserve} are for others"),
                };
                return Err(CaptureError::NoRoom { spool: self.directory.clone(), problem });
            };
            if fs::remove_file(self.directory.join(&victim.name)).is_ok() {
                self.log(&format!("removed {} ({} bytes) to make room", victim.name, victim.bytes));
                used = used.saturating_sub(victim.bytes);
                free = free.saturating_add(victim.bytes);
            }
        }
    }

    /// Bytes that are free, and how many of them are for others.
    fn space(&self) -> (u64, u64) {
        match nix::sys::statvfs::statvfs(&self.directory) {
            Ok(space) => {
                let block = space.fragment_size();
                let total = space.blocks().saturating_mul(block);
                (space.blocks_available().saturating_mul(block), RESERVE.min(total / 20))
            }
            Err(_) => (u64::MAX, 0),
        }
    }

    /// Counts a crash; false where there were `limit` of the same in the last hour already.
    pub fn admit(&self, place: &str, limit: u32) -> Result<bool, CaptureError> {
        let _lock = self.lock()?;
        let path = self.directory.join(".recent");
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let text = fs::read_to_string(&path).unwrap_or_default();
        let mut recent: Vec<(u64, &str)> = text
            .lines()
            .filter_map(|line| line.split_once(' '))
            .filter_map(|(time, place)| Some((time.parse().ok()?, place)))
            // A clock that was set back must not hold crashes off for longer than an hour.
            .filter(|(time, _): &(u64, &str)| now.abs_diff(*time) < HOUR)
            .collect();
        if recent.iter().filter(|(_, known)| *known == place).count() >= limit as usize {
            return Ok(false);
        }
        recent.push((now, place));
        let skipped = recent.len().saturating_sub(MOST_RECENT);
        let lines: Vec<String> = recent[skipped..].iter().map(|(time, place)| format!("{time} {place}\n")).collect();
        // Losing it in a power cut costs nothing, so it is not synced.
        let unfinished = self.directory.join(".recent.new");
        let written = fs::write(&unfinished, lines.concat()).and_then(|()| fs::rename(&unfinished, &path));
        if written.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        written.map_err(CaptureError::io(&path))?;
        Ok(true)
    }

    fn lock(&self) -> Result<File, CaptureError> {
        let path = self.directory.join(".lock");
        let until = Instant::now() + PATIENCE;
        match lock_until(&path, until) {
            Ok(Some(file)) => Ok(file),
            Ok(None) => Err(CaptureError::Io { path, source: ErrorKind::TimedOut.into() }),
            Err(source) => Err(CaptureError::Io { path, source }),
        }
    }

    /// Waits until fewer than `most` others work; the file that is given is held while one works.
    pub fn slot(&self, most: usize, until: Instant) -> Result<File, CaptureError> {
        loop {
            for number in 0..most.max(1) {
                let path = self.directory.join(format!(".slot-{number}"));
                if let Some(file) = lock_until(&path, Instant::now()).map_err(CaptureError::io(&path))? {
                    return Ok(file);
                }
            }
            if Instant::now() >= until {
                return Err(CaptureError::Setting("too many crashes at once: others were still at work".to_owned()));
            }
            std::thread::sleep(INTERVAL);
        }
    }

    /// Adds a line to the log. What cannot be logged is not said anywhere: there is nobody to hear it.
    pub fn log(&self, message: &str) {
        let path = self.directory.join("log");
        if fs::metadata(&path).is_ok_and(|log| log.len() > LOG_BYTES) {
            let _ = fs::rename(&path, self.directory.join("log.1"));
        }
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
        let message: String = message.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        if let Ok(mut file) = OpenOptions::new().append(true).create(true).mode(0o600).open(&path) {
            // One write: lines of several handlers do not mix.
            let _ = file.write_all(format!("{now} {message}\n").as_bytes());
        }
    }

    /// The last lines of the log.
    pub fn last_lines(&self, count: usize) -> Vec<String> {
        let read = |name: &str| fs::read_to_string(self.directory.join(name)).unwrap_or_default();
        let mut lines: Vec<String> = read("log.1").lines().chain(read("log").lines()).map(str::to_owned).collect();
        lines.drain(..lines.len().saturating_sub(count));
        lines
    }
}

impl Unfinished {
    /// Its file.
    pub fn file(&mut self) -> io::Result<&mut File> {
        self.file.as_mut().ok_or_else(|| ErrorKind::NotFound.into())
    }

    /// Gives the file its name, once it is safe on the disk.
    pub fn finish(mut self, name: &str) -> Result<PathBuf, CaptureError> {
        let path = self.path.with_file_name(name);
        let finished = (|| {
            self.file()?.sync_all()?;
            fs::rename(&self.path, &path)?;
            sync_directory(&path)
        })();
        finished.map_err(CaptureError::io(&path))?;
        self.file = None;
        Ok(path)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.file.is_some() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether it is a file of something captured.
pub fn is_captured(name: &str) -> bool {
    !name.starts_with('.') && (name.ends_with(".obit") || name.ends_with(".core.zst"))
}

/// What a captured file's name begins with: time, process and its name.
pub fn stem(pid: i32, command: &str) -> String {
    let now = jiff::Timestamp::now();
    let milliseconds = now.subsec_millisecond();
    let command: String =
        command.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).take(15).collect();
    format!("{}.{milliseconds:03}Z-{pid}-{command}", now.strftime("%Y%m%dT%H%M%S"))
}

/// Replaces a file: under another name first, synced, then renamed.
pub fn write_durably(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}", std::process::id()));
    let unfinished = path.with_file_name(name);
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)?;
        sync_directory(path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    written
}

/// A rename is safe once its directory is.
fn sync_directory(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

/// `None` where others hold the lock until then.
fn lock_until(path: &Path, until: Instant) -> io::Result<Option<File>> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if Instant::now() >= until => return Ok(None),
            Err(TryLockError::WouldBlock) => std::thread::sleep(INTERVAL),
        }
    }
}

#[cfg(test)]
#[path = "spool_tests.rs"]
mod tests;
