//! A module with its files, found when asked for, and the map from addresses to modules.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use object::elf;

use super::dwarf_file::{self, DwarfFile};
use super::elf_file::ElfFile;
use super::find::{self, DebugSearch, FileSearch, Identity, SearchOptions};
use super::go_table::GoTable;
use super::symbols::{Symbol, SymbolTable};
use super::{ModuleId, compressed};
use crate::addr::{Bias, FileAddr, RunAddr};
use crate::image::{ModuleSeed, Note};
use crate::memory::Memory;
use crate::order::Order;

/// A vDSO is two to ten pages; what claims more is not read.
const LARGEST_VDSO: u64 = 1 << 20;
/// How much of a module's start is compared with a file's: headers fit in a page.
const HEADER_LENGTH: usize = 4096;

/// Call frame information of a module.
#[derive(Clone, Debug, Default)]
pub struct CfiSections {
    /// `.eh_frame` and its address.
    pub eh_frame: Option<(&'static [u8], FileAddr)>,
    /// `.eh_frame_hdr` and its address.
    pub eh_frame_hdr: Option<(&'static [u8], FileAddr)>,
    /// `.debug_frame`, from the file or its debug file.
    pub debug_frame: Option<&'static [u8]>,
    /// Address of `.text` (for pointers relative to it).
    pub text: Option<FileAddr>,
    /// Address of `.got` (for pointers relative to it).
    pub got: Option<FileAddr>,
}

impl CfiSections {
    /// The addresses that encoded pointers are relative to.
    pub fn bases(&self) -> gimli::BaseAddresses {
        let mut bases = gimli::BaseAddresses::default();
        if let Some((_, address)) = self.eh_frame {
            bases = bases.set_eh_frame(address.0);
        }
        if let Some((_, address)) = self.eh_frame_hdr {
            bases = bases.set_eh_frame_hdr(address.0);
        }
        if let Some(address) = self.text {
            bases = bases.set_text(address.0);
        }
        if let Some(address) = self.got {
            bases = bases.set_got(address.0);
        }
        bases
    }
}

/// The executable, a library or the vDSO.
pub struct Module {
    /// Its number in the session.
    pub id: ModuleId,
    /// What the core's memory says of it.
    pub seed: ModuleSeed,
    options: Arc<SearchOptions>,
    image: Option<&'static [u8]>,
    header: Option<Box<[u8]>>,
    file: OnceLock<FileSearch>,
    debug: OnceLock<DebugSearch>,
    mini: OnceLock<Option<Arc<ElfFile>>>,
    dwarf: OnceLock<Option<Arc<DwarfFile>>>,
    symbols: OnceLock<SymbolTable>,
    cfi: OnceLock<CfiSections>,
    is_go: OnceLock<bool>,
    /// Go's own table of functions.
    go_table: OnceLock<Option<GoTable>>,
    records: AtomicBool,
}

impl Module {
    /// A module whose files are not looked for yet. `memory` gives the vDSO's file and, where the seed has no build-id,
    /// the headers that a file must have.
    pub fn new(id: ModuleId, seed: ModuleSeed, options: Arc<SearchOptions>, memory: &dyn Memory) -> Module {
        let image = seed.is_vdso.then(|| {
            let length = seed.end.0.saturating_sub(seed.start.0);
            let bytes = memory.read_vec(seed.start, length.min(LARGEST_VDSO) as usize).ok()?;
            Some(&*Box::leak(bytes.into_boxed_slice()))
        });
        let header = if seed.build_id.is_none() && !seed.is_vdso { read_header(&seed, memory) } else { None };
        Module {
            id,
            seed,
            options,
            image: image.flatten(),
            header,
            file: OnceLock::new(),
            debug: OnceLock::new(),
            mini: OnceLock::new(),
            dwarf: OnceLock::new(),
            symbols: OnceLock::new(),
            cfi: OnceLock::new(),
            is_go: OnceLock::new(),
            go_table: OnceLock::new(),
            records: AtomicBool::new(false),
        }
    }

    /// Where the module's file was looked for and what was found.
    pub fn search(&self) -> &FileSearch {
        self.file.get_or_init(|| {
            if let Some(snapshot) = &self.options.snapshot {
                return find::in_snapshot(snapshot, &self.seed);
            }
            let from_memory = self.image.and_then(|bytes| ElfFile::from_bytes(&self.seed.path, bytes).ok());
            if let Some(file) = from_memory {
                let bias = Some(self.seed.bias);
                let identity = Some(Identity::BuildId);
                return FileSearch { file: Some(Arc::new(file)), identity, bias, ..FileSearch::default() };
            }
            if self.seed.is_vdso {
                return FileSearch::default();
            }
            find::find_file(&self.seed, &self.options, self.header.as_deref())
        })
    }

    /// Whether its file was looked for.
    pub fn was_searched(&self) -> bool {
        self.file.get().is_some()
    }

    /// Where the module's separate debug file was looked for and what was found. Nothing is looked for where the
    /// module's own file has DWARF.
    pub fn debug_search(&self) -> &DebugSearch {
        self.debug.get_or_init(|| match self.file() {
            _ if self.options.snapshot.is_some() => DebugSearch::default(),
            Some(file) if file.has_dwarf() => DebugSearch::default(),
            file => find::find_debug(&self.seed, file.map(|file| &**file), &self.options),
        })
    }

    /// The file that ran.
    pub fn file(&self) -> Option<&Arc<ElfFile>> {
        self.search().file.as_ref()
    }

    /// Its separate debug file.
    pub fn debug_file(&self) -> Option<&Arc<ElfFile>> {
        self.debug_search().file.as_ref()
    }

    /// The build-id as the core's memory has it, else the file's.
    pub fn build_id(&self) -> Option<&[u8]> {
        let of_file = || self.file()?.build_id();
        if self.seed.id_is_partial {
            of_file().or(self.seed.build_id.as_deref())
        } else {
            self.seed.build_id.as_deref().or_else(of_file)
        }
    }

    /// What was added to the file's addresses: as the mappings and the file have it where they agree, else as the
    /// memory alone shows it.
    pub fn bias(&self) -> Bias {
        self.search().bias.unwrap_or(self.seed.bias)
    }

    /// An address in the module's own space.
    pub fn to_file(&self, address: RunAddr) -> FileAddr {
        address.to_file(self.bias())
    }

    /// An address in the process.
    pub fn to_run(&self, address: FileAddr) -> RunAddr {
        address.to_run(self.bias())
    }

    /// The debug information, from the file itself or its debug file.
    pub fn dwarf(&self) -> Option<&Arc<DwarfFile>> {
        let load = || {
            let file = self.file();
            if let Some(file) = file.filter(|file| file.has_dwarf()) {
                return dwarf_file::load(file.clone(), None, &self.options);
            }
            dwarf_file::load(self.debug_file()?.clone(), file.map(|file| file.path()), &self.options)
        };
        self.dwarf.get_or_init(|| load().map(Arc::new)).as_ref()
    }

    /// From now on remembers which symbols are found.
    pub fn record_symbols(&self) {
        self.records.store(true, Ordering::Relaxed);
        if let Some(symbols) = self.symbols.get() {
            symbols.record();
        }
    }

    /// The symbols that were found since [`Module::record_symbols`], each with the highest address that it was found for.
    pub fn symbols_found(&self) -> Vec<(Symbol, FileAddr)> {
        self.symbols.get().map(SymbolTable::found).unwrap_or_default()
    }

    /// The symbols of the file, its MiniDebugInfo and its debug file.
    pub fn symbols(&self) -> &SymbolTable {
        self.symbols.get_or_init(|| {
            let symbols = self.open_symbols();
            if self.records.load(Ordering::Relaxed) {
                symbols.record();
            }
            symbols
        })
    }

    fn open_symbols(&self) -> SymbolTable {
        let file = self.file().map(|file| &**file);
        if file.is_some_and(|file| file.symbol_section(elf::SHT_SYMTAB.0).is_some()) {
            return SymbolTable::new(file, None, None);
        }
        let debug = self.debug_file().map(|file| &**file);
        if debug.is_some_and(|file| file.symbol_section(elf::SHT_SYMTAB.0).is_some()) {
            return SymbolTable::new(file, None, debug);
        }
        let mini = self.mini_debug_info().map(|file| &**file);
        match (file, self.go_table()) {
            (Some(file), Some(table)) if mini.is_none() => SymbolTable::of_go(file, table),
            _ => SymbolTable::new(file, mini, debug),
        }
    }

    /// Go's own table of functions, where it stands for debug information that there is none of.
    pub fn go_table(&self) -> Option<&GoTable> {
        let open = || {
            let file = self.file().filter(|file| !file.has_dwarf())?;
            if !self.is_go() || self.debug_file().is_some_and(|file| file.has_dwarf()) {
                return None;
            }
            GoTable::open(file)
        };
        self.go_table.get_or_init(open).as_ref()
    }

    /// The file inside `.gnu_debugdata`: an xz-compressed ELF file with a symbol table.
    fn mini_debug_info(&self) -> Option<&Arc<ElfFile>> {
        let open = || {
            let file = self.file()?;
            let bytes = compressed::decompress_xz(file.section(".gnu_debugdata")?).ok()?;
            let label = format!("{}[.gnu_debugdata]", file.path().display());
            ElfFile::from_bytes(&label, Box::leak(bytes.into_boxed_slice())).ok().map(Arc::new)
        };
        self.mini.get_or_init(open).as_ref()
    }

    /// Call frame information.
    pub fn cfi(&self) -> &CfiSections {
        self.cfi.get_or_init(|| {
            let Some(file) = self.file() else {
                let debug_frame = self.debug_file().and_then(|file| file.section(".debug_frame"));
                return CfiSections { debug_frame, ..CfiSections::default() };
            };
            let section = |name| Some((file.section(name)?, file.section_address(name)?));
            let eh_frame_hdr = section(".eh_frame_hdr").or_else(|| file.segment(elf::PT_GNU_EH_FRAME.0));
            let eh_frame = section(".eh_frame").or_else(|| eh_frame_of_header(file, eh_frame_hdr?));
            let debug_frame = file.section(".debug_frame").or_else(|| {
                // Looking for a debug file may ask a server: not where .eh_frame is there and answers.
                let may_look = eh_frame.is_none() || self.debug.get().is_some() || self.options.debuginfod.is_none();
                if may_look { self.debug_file()?.section(".debug_frame") } else { None }
            });
            let (text, got) = (file.section_address(".text"), file.section_address(".got"));
            CfiSections { eh_frame, eh_frame_hdr, debug_frame, text, got }
        })
    }

    /// The file's bytes of segments that the process cannot have changed, at their addresses in the process, to stand
    /// for memory that the core left out. Empty where the file is not proven to be the one that ran.
    pub fn backing(&self) -> Vec<(RunAddr, &'static [u8])> {
        let search = self.search();
        let (Some(file), Some(identity)) = (&search.file, search.identity) else { return Vec::new() };
        if !identity.is_verified() {
            return Vec::new();
        }
        let loads = file.loads().iter().filter(|load| !load.is_writable() && load.file_size > 0);
        loads.filter_map(|load| Some((self.to_run(load.address), file.bytes_at(load.address)?))).collect()
    }

    /// Where writable segments have no bytes in the file (.bss): (start, end), where the file is known to be the one that
    /// ran. The rest of the last page with such bytes is a page of these.
    pub fn zeros(&self) -> Vec<(RunAddr, RunAddr)> {
        let search = self.search();
        let (Some(file), Some(identity)) = (&search.file, search.identity) else { return Vec::new() };
        if !identity.is_verified() {
            return Vec::new();
        }
        let loads = file.loads().iter().filter(|load| load.is_writable() && load.file_size < load.memory_size);
        loads
            .filter_map(|load| {
                let start = load.address.0.checked_add(load.file_size)?;
                let end = load.address.0.checked_add(load.memory_size)?;
                Some((self.to_run(FileAddr(start)), self.to_run(FileAddr(end))))
            })
            .collect()
    }

    /// Whether Go's linker made it.
    pub fn is_go(&self) -> bool {
        *self.is_go.get_or_init(|| {
            self.file().is_some_and(|file| file.has_section(".gopclntab") || file.has_section(".data.rel.ro.gopclntab"))
        })
    }

    /// Warnings so far.
    pub fn notes(&self) -> Vec<Note> {
        let mut notes = Vec::new();
        notes.extend(self.file.get().into_iter().flat_map(|search| search.notes.iter().cloned()));
        notes.extend(self.debug.get().into_iter().flat_map(|search| search.notes.iter().cloned()));
        notes.extend(self.dwarf.get().into_iter().flatten().flat_map(|file| file.notes()));
        notes
    }
}

fn read_header(seed: &ModuleSeed, memory: &dyn Memory) -> Option<Box<[u8]>> {
    let start = match seed.mapped.iter().find(|(_, _, offset)| *offset == 0) {
        Some((start, ..)) => *start,
        None if seed.mapped.is_empty() => seed.start,
        None => return None,
    };
    let piece = memory.piece(start, HEADER_LENGTH).ok()?;
    piece.starts_with(b"\x7fELF").then(|| piece.into())
}

/// `.eh_frame` where a file has no section headers, by `.eh_frame_hdr`'s pointer to it (LSB 5.0, section 10.6.2):
/// version 1, the pointer's encoding, two more encodings, then the pointer; every linker writes it pc-relative in 4
/// bytes (DW_EH_PE_pcrel | DW_EH_PE_sdata4, 0x1b).
fn eh_frame_of_header(file: &ElfFile, header: (&[u8], FileAddr)) -> Option<(&'static [u8], FileAddr)> {
    let (&[1, 0x1b, _, _, a, b, c, d], _) = header.0.split_first_chunk::<8>()? else { return None };
    let distance = i64::from(i32::from_le_bytes([a, b, c, d]));
    let address = FileAddr(header.1.0.wrapping_add(4).wrapping_add_signed(distance));
    Some((file.bytes_at(address)?, address))
}

/// All modules, by number and by address.
pub struct ModuleMap {
    modules: Vec<Module>,
    /// Every mapping of every module: (start, end, index), ascending.
    ranges: Vec<(RunAddr, RunAddr, u32)>,
    /// For each module, the highest end of it and all before.
    reach: Vec<RunAddr>,
}

impl ModuleMap {
    /// The modules of a core. Files are looked for when a module is asked for them.
    pub fn new(mut seeds: Vec<ModuleSeed>, options: SearchOptions, memory: &dyn Memory) -> ModuleMap {
        seeds.order_by_key(|seed| seed.start);
        let options = Arc::new(options);
        let modules: Vec<Module> = seeds
            .into_iter()
            .enumerate()
            .map(|(index, seed)| Module::new(ModuleId(index as u32), seed, options.clone(), memory))
            .collect();
        let mut ranges: Vec<_> = modules
            .iter()
            .flat_map(|module| module.seed.mapped.iter().map(|(start, end, _)| (*start, *end, module.id.0)))
            .collect();
        ranges.order();
        let mut highest = RunAddr(0);
        let reach = modules
            .iter()
            .map(|module| {
                highest = highest.max(module.seed.end);
                highest
            })
            .collect();
        ModuleMap { modules, ranges, reach }
    }

    /// The module that is mapped at the address; an address in a gap between a module's mappings (its .bss, usually)
    /// is the module's too.
    pub fn at(&self, address: RunAddr) -> Option<&Module> {
        let end = self.ranges.partition_point(|(start, ..)| *start <= address);
        if let Some((_, range_end, index)) = self.ranges.get(..end).and_then(<[_]>::last)
            && address < *range_end
        {
            return self.modules.get(*index as usize);
        }
        // Modules are ascending by start; `reach` says whether any of those before extends this far.
        let mut index = self.modules.partition_point(|module| module.seed.start <= address);
        let mut best: Option<&Module> = None;
        while index > 0 && address < self.reach[index - 1] {
            index -= 1;
            let module = &self.modules[index];
            let size = |module: &Module| module.seed.end.0.saturating_sub(module.seed.start.0);
            if address < module.seed.end && best.is_none_or(|best| size(module) < size(best)) {
                best = Some(module);
            }
        }
        best
    }

    /// A module by its number.
    pub fn get(&self, id: ModuleId) -> Option<&Module> {
        self.modules.get(id.0 as usize)
    }

    /// All modules, ascending by address.
    pub fn iter(&self) -> impl Iterator<Item = &Module> {
        self.modules.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.modules.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.modules.is_empty()
    }
}
