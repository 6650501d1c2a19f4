//! Rust: core, alloc and std, and the crates that everybody uses. Text as rustc's own gdb printers have it
//! (rust `src/etc/gdb_providers.py`).

mod slices;
mod vec;

use super::{Entry, Library, Match};
use crate::types::Language;

pub(super) static LIBRARY: Library = Library { languages: &[Language::Rust], entries: ENTRIES };

static ENTRIES: &[Entry] = &[
    Entry { matches: Match::Name("&str"), view: slices::str_slice },
    Entry { matches: Match::Name("&mut str"), view: slices::str_slice },
    Entry { matches: Match::Prefix("&["), view: slices::slice },
    Entry { matches: Match::Prefix("&mut ["), view: slices::slice },
    Entry { matches: Match::Name("alloc::vec::Vec"), view: vec::vec },
    Entry { matches: Match::Name("alloc::string::String"), view: vec::string },
];
