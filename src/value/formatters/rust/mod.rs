//! Rust: core, alloc and std, and the crates that everybody uses. Text as rustc's own gdb printers have it
//! (rust `src/etc/gdb_providers.py`).

mod btree;
mod deque;
mod hash;
mod parts;
mod shared;
mod slices;
mod vec;
mod wrappers;

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
    Entry { matches: Match::Name("alloc::collections::vec_deque::VecDeque"), view: deque::deque },
    Entry { matches: Match::Name("alloc::collections::btree::map::BTreeMap"), view: btree::map },
    Entry { matches: Match::Name("alloc::collections::btree::set::BTreeSet"), view: btree::set },
    Entry { matches: Match::Name("std::collections::hash::map::HashMap"), view: hash::map },
    Entry { matches: Match::Name("std::collections::hash::set::HashSet"), view: hash::set },
    Entry { matches: Match::Name("hashbrown::map::HashMap"), view: hash::map },
    Entry { matches: Match::Name("hashbrown::set::HashSet"), view: hash::set },
    Entry { matches: Match::Name("alloc::rc::Rc"), view: shared::rc },
    Entry { matches: Match::Name("alloc::sync::Arc"), view: shared::arc },
    Entry { matches: Match::Name("core::cell::Cell"), view: shared::cell },
    Entry { matches: Match::Name("core::cell::RefCell"), view: shared::ref_cell },
    Entry { matches: Match::Name("core::cell::Ref"), view: shared::reference },
    Entry { matches: Match::Name("core::cell::RefMut"), view: shared::reference },
    Entry { matches: Match::Name("core::num::nonzero::NonZero"), view: wrappers::number },
    Entry { matches: Match::Name("std::ffi::os_str::OsString"), view: wrappers::os_string },
    Entry { matches: Match::Name("std::path::PathBuf"), view: wrappers::path_buf },
];
