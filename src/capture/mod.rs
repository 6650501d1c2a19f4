//! The kernel's crash handler: a process dies, and a snapshot of it is in the spool a moment later.
//!
//! ```text
//! kernel ──pipe──▶ handle (supervisor)                          work (its child)
//!                  stream: headers and notes, a few KB ──memfd──▶ image::dying: notes, and memory from /proc/PID/mem
//!                  waits, at most the deadline                    session → enough of it? → snapshot → spool
//!                  ◀──────────────────────────────────────────── what became of it
//!                  the rest of the pipe only where somebody wants it: the whole core (zstd), an earlier handler
//! ```
//!
//! - The dying process waits for the supervisor alone, and that ends at its deadlines whatever happens: what takes apart
//!   hostile memory, files and debug information is its child, which is killed.
//! - Where the child fails, the whole core is kept instead, as far as the quota and the second deadline allow.
//! - The spool ([`spool`], docs/capture.md) holds complete files only: written under a temporary name, synced, renamed.
//!   Its quota and a reserve of the file system's space hold at every megabyte written.
//! - No recursion: the kernel passes over a dying handler, as its core limit is 1 (fs/coredump.c,
//!   `umh_coredump_setup`, Linux 6.1), which children inherit; the handler sets it for itself as well.
//! - [`watch`] is the same for one program, without the kernel's handler: it traces it.
//! - [`install`] keeps the earlier setting and puts it back; [`pattern`] knows the kernel's `%` words and can say them to
//!   an earlier handler.

pub mod config;
pub mod handle;
pub mod install;
pub mod pattern;
pub mod spool;
pub mod stream;
pub mod watch;
pub mod work;

pub use config::Config;

use std::path::PathBuf;

/// Why nothing was captured, installed or removed.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// A file.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file of settings.
    #[error("{path}: {problem}", path = path.display())]
    Config {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The stream on standard input.
    #[error("standard input: {0}")]
    Stream(String),
    /// The process could not be looked at.
    #[error(transparent)]
    Session(#[from] crate::session::SessionError),
    /// The same.
    #[error(transparent)]
    Image(#[from] crate::image::ImageError),
    /// The snapshot could not be made.
    #[error(transparent)]
    Snapshot(#[from] crate::snapshot::SnapshotError),
    /// There is no room in the spool.
    #[error("{spool}: no room: {problem}", spool = spool.display())]
    NoRoom {
        /// Its directory.
        spool: PathBuf,
        /// Which limit was reached.
        problem: String,
    },
    /// Something about the handler's setting.
    #[error("{0}")]
    Setting(String),
}

impl CaptureError {
    /// For `map_err`.
    pub(crate) fn io(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> CaptureError {
        let path = path.to_owned();
        move |source| CaptureError::Io { path, source }
    }
}
