//! C++: libstdc++ and libc++, recognised by their members' names.

mod libstdcxx;

use super::Library;
use crate::types::Language;

pub(super) static LIBRARY: Library = Library { languages: &[Language::Cpp], entries: libstdcxx::ENTRIES };
