//! Modules: the executable, its libraries and the vDSO; the files that describe them.
//!
//! The only owner of `gimli::Dwarf`. A module starts as an [`image::ModuleSeed`](crate::image::ModuleSeed) and finds
//! its files when somebody asks. Mapped files and decompressed sections live until the process ends (they are
//! leaked on purpose: gimli's readers borrow them, a debugger opens few, and none is ever reopened).

mod abstract_instance;
pub mod compressed;
pub mod debuginfod;
pub mod die;
pub mod dwarf_file;
mod dynamic;
pub mod elf_file;
pub mod find;
pub mod function;
pub mod go;
pub mod go_table;
pub mod language;
mod line_table;
pub mod lines;
pub mod map;
pub mod name_index;
pub mod names;
pub mod plain_names;
pub mod plt;
mod process_files;
pub mod program;
pub mod section_cache;
pub mod skim;
pub mod symbols;
pub mod unit;
pub mod units;

pub use die::{DieRef, Expression, ModuleId, Name, TypeId, UnitId};
pub use dwarf_file::DwarfFile;
pub use elf_file::{ElfFile, ModuleError};
pub use find::{DebugSearch, FileSearch, Identity, Looked, Outcome, SearchOptions};
pub use language::Language;
pub use map::{CfiSections, Module, ModuleMap};
pub use process_files::ProcessFiles;
pub use symbols::{Symbol, SymbolKind, SymbolTable};
pub use unit::{Unit, Units};

/// How every section is read.
pub type R = gimli::EndianSlice<'static, gimli::LittleEndian>;

#[cfg(test)]
mod test_elf;
