//! What there is to tell of the target's modules: where they were, and which files stand for them now.

use std::path::PathBuf;

use super::Session;
use crate::addr::{Bias, RunAddr};
use crate::image::snapshot::format::from_hex;
use crate::module::{Identity, Looked, Module, ModuleId, Outcome};

/// A module's name and identity, as every frame repeats them.
#[derive(Clone, Copy, Debug)]
pub struct ModuleLabel<'a> {
    /// Path in the process.
    pub path: &'a str,
    /// Build-id.
    pub build_id: Option<&'a [u8]>,
    /// The program itself, not a library.
    pub is_executable: bool,
}

/// Whether the file that ran could be found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FileStatus {
    /// The file, checked by build-id where the core has one.
    Found(PathBuf),
    /// Taken out of the core's memory (the vDSO).
    InMemory,
    /// Not there.
    Missing,
    /// A file is there, but it is another build.
    Mismatch {
        /// The file.
        path: PathBuf,
        /// Its build-id; `None` where it has none.
        build_id: Option<Vec<u8>>,
        /// `--allow-mismatch` had it used all the same.
        used: bool,
    },
}

/// Where a module's debug information is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DebugStatus {
    /// In the module's own file.
    InFile,
    /// In a file of its own.
    Separate(PathBuf),
    /// Function names alone: a symbol table (or MiniDebugInfo), no DWARF.
    SymbolsOnly,
    /// None.
    Missing,
}

/// One line of `obit modules`.
#[derive(Clone, Debug)]
pub struct ModuleRow {
    /// Its number.
    pub id: ModuleId,
    /// Path in the process.
    pub path: String,
    /// Lowest mapped address.
    pub start: RunAddr,
    /// One past the highest mapped address.
    pub end: RunAddr,
    /// Added to the file's addresses.
    pub bias: Bias,
    /// From the target's memory.
    pub build_id: Option<Vec<u8>>,
    /// The program itself.
    pub is_executable: bool,
    /// Whether its file was found.
    pub file: FileStatus,
    /// Whether its debug information was found.
    pub debug: DebugStatus,
    /// Files and addresses that were tried for what is missing, in order.
    pub looked_in: Vec<String>,
}

impl Session {
    /// Every module, ascending by address; looks for the files of all of them.
    pub fn modules(&self) -> Vec<ModuleRow> {
        self.program.modules.iter().map(row).collect()
    }

    /// A module's name and build-id, without looking for files.
    pub fn module_label(&self, id: ModuleId) -> Option<ModuleLabel<'_>> {
        let module = self.program.modules.get(id)?;
        Some(ModuleLabel {
            path: &module.seed.path,
            build_id: module.build_id(),
            is_executable: module.seed.is_executable,
        })
    }
}

/// One module; looks for its file.
pub fn row(module: &Module) -> ModuleRow {
    let search = module.search();
    // Where the right file was found in the end, others that were passed over do not matter.
    let found_right = search.file.is_some() && search.identity != Some(Identity::Mismatched);
    let mismatch = search.mismatched().next().filter(|_| !found_right).cloned();
    let file = match (&search.file, mismatch) {
        (Some(_), _) if module.seed.is_vdso => FileStatus::InMemory,
        (found, Some(Looked { place, outcome: Outcome::Mismatch { found: id, .. } })) => FileStatus::Mismatch {
            path: place.into(),
            build_id: id.as_deref().and_then(from_hex),
            used: found.is_some(),
        },
        (Some(file), _) => FileStatus::Found(file.path().to_owned()),
        (None, _) => FileStatus::Missing,
    };
    let debug = if search.file.as_ref().is_some_and(|file| file.has_dwarf()) {
        DebugStatus::InFile
    } else if let Some(debug) = module.debug_file() {
        DebugStatus::Separate(debug.path().to_owned())
    } else if !module.symbols().is_empty() {
        DebugStatus::SymbolsOnly
    } else {
        DebugStatus::Missing
    };
    let mut looked_in = Vec::new();
    if search.file.is_none() {
        looked_in.extend(search.looked.iter().map(|looked| looked.place.clone()));
    }
    if matches!(debug, DebugStatus::SymbolsOnly | DebugStatus::Missing) {
        looked_in.extend(module.debug_search().looked.iter().map(|looked| looked.place.clone()));
    }
    ModuleRow {
        id: module.id,
        path: module.seed.path.clone(),
        start: module.seed.start,
        end: module.seed.end,
        bias: module.bias(),
        build_id: module.build_id().map(<[u8]>::to_vec),
        is_executable: module.seed.is_executable,
        file,
        debug,
        looked_in,
    }
}
