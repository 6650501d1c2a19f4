//! C: types of the C library that every program has.

use super::{Entry, Library};
use crate::types::Language;

pub(super) static LIBRARY: Library = Library { languages: &[Language::C, Language::Cpp], entries: ENTRIES };

static ENTRIES: &[Entry] = &[];
