//! Snapshots: what is kept of a crash, and the file that it is kept in.
//!
//! ```text
//! session ── look ── every thread, frame and variable is asked for, as `bt --locals` would
//!    │  what the answers were made from: bytes of memory, symbols, entries of debug information, code addresses
//!    ├─ globals ── what the frames' code refers to is asked for, too
//!    ├─ closure, dwarf, frames, module ── a small ELF file for each module
//!    ├─ memory ── a core of the bytes that were read, secrets masked
//!    └─ make, header, archive ── the header, and these as parts behind it
//! ```
//!
//! So a snapshot answers by the very code that answers on a core, and alike: nothing is stored in a form of its own
//! that could say something else. Reading one: [`crate::image::snapshot`].

mod archive;
mod cards;
mod closure;
mod dwarf;
mod environment;
mod frames;
mod globals;
mod header;
mod look;
mod make;
mod memory;
mod module;
mod privacy;
mod redaction;
mod sources;
mod text;

pub use environment::log_tail;
pub use make::{Options, Snapshot, take};
pub use privacy::Privacy;
pub use redaction::Redaction;
pub use sources::{Lines, SourceLines};

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It could not be packed.
    #[error("the snapshot cannot be packed: {0}")]
    Pack(#[from] std::io::Error),
    /// A file of rules.
    #[error("{file}: {problem}")]
    Rules {
        /// The file.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
}
