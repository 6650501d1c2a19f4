//! The DWARF sections of a file, with everything that completes them: the dwz file, the package (`.dwp`) and the
//! split units (`.dwo`).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use gimli::{DwarfPackage, DwoId, EndianSlice, LittleEndian, SectionId};
use rayon::prelude::*;

use super::R;
use super::elf_file::ElfFile;
use super::find::{self, DebugSearch, Looked, Outcome, SearchOptions, build_id_path, join_rooted};
use crate::image::Note;

/// The sections that questions are answered from. Others are left empty where they would have to be decompressed.
const NEEDED: [SectionId; 13] = [
    SectionId::DebugInfo,
    SectionId::DebugAbbrev,
    SectionId::DebugStr,
    SectionId::DebugLine,
    SectionId::DebugLineStr,
    SectionId::DebugAddr,
    SectionId::DebugStrOffsets,
    SectionId::DebugTypes,
    SectionId::DebugLoc,
    SectionId::DebugLocLists,
    SectionId::DebugRanges,
    SectionId::DebugRngLists,
    SectionId::DebugAranges,
];

/// A file's DWARF.
pub struct DwarfFile {
    /// The file that the sections are in.
    pub elf: Arc<ElfFile>,
    /// The sections; `sup` is the dwz file's where there is one.
    pub dwarf: &'static gimli::Dwarf<R>,
    /// What the search for the dwz file gave; nothing was looked for where the file does not name one.
    pub supplementary: DebugSearch,
    executable: Option<PathBuf>,
    options: Arc<SearchOptions>,
    package: OnceLock<Option<&'static DwarfPackage<R>>>,
    split: Mutex<HashMap<u64, Option<&'static gimli::Dwarf<R>>>>,
    looked: Mutex<Vec<Looked>>,
    notes: Mutex<Vec<Note>>,
}

/// Reads the DWARF of a file; `None` where it has none. `executable` is the module's own file where `elf` is its
/// separate debug file: packages and split units lie beside either.
pub fn load(elf: Arc<ElfFile>, executable: Option<&Path>, options: &Arc<SearchOptions>) -> Option<DwarfFile> {
    if !elf.has_dwarf() {
        return None;
    }
    let supplementary = find::find_supplementary(&elf, options);
    let mut dwarf = read_sections(&elf, |id| Some(id.name()));
    if let Some(file) = &supplementary.file {
        dwarf.set_sup(read_sections(file, |id| Some(id.name())));
    }
    Some(DwarfFile {
        elf,
        dwarf: Box::leak(Box::new(dwarf)),
        notes: Mutex::new(supplementary.notes.clone()),
        supplementary,
        executable: executable.map(Path::to_owned),
        options: options.clone(),
        package: OnceLock::new(),
        split: Mutex::default(),
        looked: Mutex::default(),
    })
}

impl DwarfFile {
    /// The package of all split units (`NAME.dwp`), looked for beside the executable and the debug file.
    pub fn package(&self) -> Option<&'static DwarfPackage<R>> {
        *self.package.get_or_init(|| {
            let paths = self.package_paths();
            paths.iter().find_map(|path| {
                let file = self.open(path)?;
                let loaded = DwarfPackage::load(|id| Ok::<R, gimli::Error>(section(&file, id.dwo_name())), empty());
                match loaded {
                    Ok(package) if package.cu_index.unit_count() > 0 || package.tu_index.unit_count() > 0 => {
                        self.add_looked(path, Outcome::Found);
                        Some(&*Box::leak(Box::new(package)))
                    }
                    Ok(_) => {
                        self.add_looked(path, Outcome::Unusable("a package without units".to_owned()));
                        None
                    }
                    Err(error) => {
                        self.add_looked(path, Outcome::Unusable(error.to_string()));
                        None
                    }
                }
            })
        })
    }

    /// The sections of a split unit, from the package or from its `.dwo` file: `dwo_name` and `comp_dir` are the
    /// skeleton unit's DW_AT_dwo_name and DW_AT_comp_dir. Addresses and ranges are already the skeleton's file's. The
    /// unit with that `dwo_id` is in there, among others perhaps. `None` (with a note) where it was not found.
    pub fn split_unit(&self, dwo_name: &str, comp_dir: &str, dwo_id: DwoId) -> Option<&'static gimli::Dwarf<R>> {
        if let Ok(split) = self.split.lock()
            && let Some(known) = split.get(&dwo_id.0)
        {
            return *known;
        }
        // Two threads may load one unit at the same time; the first to finish is kept.
        let dwarf = self.load_split_unit(dwo_name, comp_dir, dwo_id);
        let mut split = self.split.lock().ok()?;
        if dwarf.is_none() && !split.contains_key(&dwo_id.0) {
            let message = format!(
                "{}: the split debug information {dwo_name} (compiled in {comp_dir}, id {:#018x}) was not found",
                self.elf.path().display(),
                dwo_id.0
            );
            self.add_note(Note { code: "missing-dwo", message });
        }
        *split.entry(dwo_id.0).or_insert(dwarf)
    }

    /// The sections of a type unit that only the package has, by its signature.
    pub fn split_type_unit(&self, signature: gimli::DebugTypeSignature) -> Option<&'static gimli::Dwarf<R>> {
        let dwarf = self.package()?.find_tu(signature, self.dwarf).ok()??;
        Some(Box::leak(Box::new(dwarf)))
    }

    /// Where packages and split units were looked for so far.
    pub fn looked(&self) -> Vec<Looked> {
        self.looked.lock().map(|looked| looked.clone()).unwrap_or_default()
    }

    /// What was missing or broken so far.
    pub fn notes(&self) -> Vec<Note> {
        let mut notes = self.notes.lock().map(|notes| notes.clone()).unwrap_or_default();
        let files = std::iter::once(&self.elf).chain(&self.supplementary.file);
        for file in files {
            notes.extend(file.problems().into_iter().map(|problem| Note {
                code: "damaged-debug-info",
                message: format!("{}: {problem}", file.path().display()),
            }));
        }
        notes
    }

    fn load_split_unit(&self, dwo_name: &str, comp_dir: &str, dwo_id: DwoId) -> Option<&'static gimli::Dwarf<R>> {
        if let Some(package) = self.package()
            && let Ok(Some(dwarf)) = package.find_cu(dwo_id, self.dwarf)
        {
            return Some(Box::leak(Box::new(dwarf)));
        }
        for path in self.split_paths(dwo_name, comp_dir) {
            let Some(file) = self.open(&path) else { continue };
            let mut dwarf = read_sections(&file, SectionId::dwo_name);
            dwarf.make_dwo(self.dwarf);
            match has_unit(&dwarf, dwo_id) {
                Ok(()) => {
                    self.add_looked(&path, Outcome::Found);
                    return Some(Box::leak(Box::new(dwarf)));
                }
                Err(found) => {
                    let expected = format!("{:016x}", dwo_id.0);
                    let found = found.map(|id| format!("{:016x}", id.0));
                    self.add_looked(&path, Outcome::Mismatch { expected, found });
                }
            }
        }
        None
    }

    fn open(&self, path: &Path) -> Option<ElfFile> {
        match ElfFile::open(path) {
            Ok(file) => Some(file),
            Err(super::elf_file::ModuleError::Io { .. }) => {
                self.add_looked(path, Outcome::Missing);
                None
            }
            Err(error) => {
                self.add_looked(path, Outcome::Unusable(error.to_string()));
                None
            }
        }
    }

    /// The files that this DWARF is about: the module's own and the debug file, as named and as they really are.
    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = Vec::new();
        for path in self.executable.iter().map(PathBuf::as_path).chain([self.elf.path()]) {
            for path in [Some(path.to_owned()), path.canonicalize().ok()].into_iter().flatten() {
                if !files.contains(&path) {
                    files.push(path);
                }
            }
        }
        files
    }

    fn package_paths(&self) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        for file in self.files() {
            let mut name = file.clone().into_os_string();
            name.push(".dwp");
            let name = PathBuf::from(name);
            paths.push(name.clone());
            paths.extend(self.options.core_directory.iter().filter_map(|dir| Some(dir.join(name.file_name()?))));
            if file.extension().is_some_and(|extension| extension == "debug") {
                paths.push(file.with_extension("dwp"));
            }
        }
        if let Some(id) = self.elf.build_id() {
            paths.extend(self.options.debug_roots().iter().filter_map(|root| build_id_path(root, id, ".dwp")));
        }
        let mut seen = std::collections::HashSet::new();
        paths.retain(|path| seen.insert(path.clone()));
        paths
    }

    fn split_paths(&self, dwo_name: &str, comp_dir: &str) -> Vec<PathBuf> {
        let name = Path::new(dwo_name);
        let full = Path::new(comp_dir).join(name);
        let mut paths = Vec::new();
        if let Some(sysroot) = &self.options.sysroot {
            paths.push(join_rooted(sysroot, &full));
        }
        // Relative to nothing known, a relative comp_dir (of -fdebug-prefix-map) leads nowhere by itself.
        if full.is_absolute() {
            paths.push(full.clone());
        }
        let beside = self.files().into_iter().filter_map(|file| Some(file.parent()?.to_owned()));
        for directory in beside.chain(self.options.core_directory.clone()) {
            if !name.is_absolute() {
                paths.push(directory.join(name));
            }
            if !full.is_absolute() {
                paths.push(directory.join(&full));
            }
            paths.extend(name.file_name().map(|name| directory.join(name)));
        }
        for root in self.options.debug_roots() {
            paths.push(join_rooted(&root, &full));
            paths.extend(name.file_name().map(|name| root.join(name)));
        }
        let mut seen = std::collections::HashSet::new();
        paths.retain(|path| seen.insert(path.clone()));
        paths
    }

    fn add_looked(&self, path: &Path, outcome: Outcome) {
        if let Ok(mut looked) = self.looked.lock()
            && looked.len() < 1000
        {
            looked.push(Looked { place: path.display().to_string(), outcome });
        }
    }

    fn add_note(&self, note: Note) {
        if let Ok(mut notes) = self.notes.lock()
            && notes.len() < 1000
        {
            notes.push(note);
        }
    }
}

fn empty() -> R {
    EndianSlice::new(&[], LittleEndian)
}

fn section(file: &ElfFile, name: Option<&str>) -> R {
    EndianSlice::new(name.and_then(|name| file.section(name)).unwrap_or(&[]), LittleEndian)
}

/// Compressed sections that are needed are decompressed at once, on all cores; others stay empty.
fn read_sections(file: &ElfFile, name: impl Fn(SectionId) -> Option<&'static str> + Sync) -> gimli::Dwarf<R> {
    let compressed: Vec<&str> =
        NEEDED.iter().filter_map(|id| name(*id)).filter(|name| file.must_inflate(name)).collect();
    if compressed.len() > 1 {
        compressed.par_iter().for_each(|name| {
            file.section(name);
        });
    }
    let loaded = gimli::Dwarf::load(|id| {
        let is_wanted = NEEDED.contains(&id) || !name(id).is_some_and(|name| file.is_compressed(name));
        Ok::<R, std::convert::Infallible>(if is_wanted { section(file, name(id)) } else { empty() })
    });
    match loaded {
        Ok(dwarf) => dwarf,
        Err(never) => match never {},
    }
}

/// Whether the `.dwo` has the unit; if not, the id of the one that it has. The id is in the unit's header (DWARF 5) or
/// is DW_AT_GNU_dwo_id of its root (the GNU extension of DWARF 4).
fn has_unit(dwarf: &gimli::Dwarf<R>, dwo_id: DwoId) -> Result<(), Option<DwoId>> {
    // A .dwo is made of one source file: one unit, its type units, and a few more after LTO.
    const MOST_UNITS: usize = 100_000;
    let mut other = None;
    let mut units = dwarf.units();
    for _ in 0..MOST_UNITS {
        let Ok(Some(header)) = units.next() else { break };
        let id = match header.type_() {
            gimli::UnitType::SplitCompilation(id) | gimli::UnitType::Skeleton(id) => Some(id),
            gimli::UnitType::Compilation => dwarf.unit(header).ok().and_then(|unit| unit.dwo_id),
            _ => None,
        };
        if id == Some(dwo_id) {
            return Ok(());
        }
        other = other.or(id);
    }
    Err(other)
}
