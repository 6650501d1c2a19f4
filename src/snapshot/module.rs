//! The small file that stands for a module in a snapshot: build-id, the symbols that were found, call frame
//! information of the code that frames stand in, and the debug information that was looked at.

use std::collections::{BTreeMap, BTreeSet};

use object::elf;

use super::closure::{Closure, Keep, Points};
use super::dwarf::{DwarfWriter, SectionBytes};
use super::frames;
use crate::addr::FileAddr;
use crate::image::elf_writer::{OutSymbol, Section, Segment, module as elf_module, symbols};
use crate::module::elf_file::ElfKind;
use crate::module::lines::Row;
use crate::module::symbols::{Symbol, SymbolKind};
use crate::module::unit::Units;
use crate::module::{DieRef, Module, ModuleId, plt};
use crate::order::Order;
use crate::session::{Session, formatters};

/// What of one module was looked at.
#[derive(Default)]
pub struct LookedAt {
    /// Functions whose entries were read.
    pub functions: Vec<DieRef>,
    /// Types that were looked at.
    pub types: Vec<DieRef>,
    /// Other entries: named functions, variables outside of functions.
    pub entries: Vec<DieRef>,
    /// Code addresses.
    pub code: BTreeSet<u64>,
}

/// A module's file, and what could not be taken over.
pub struct ModuleFile {
    /// The ELF file.
    pub bytes: Vec<u8>,
    /// Attributes of debug information that have no place in it.
    pub lost_attributes: usize,
}

/// Everything that was looked at so far, by module.
pub fn looked_at(session: &Session) -> BTreeMap<ModuleId, LookedAt> {
    let program = &session.program;
    let mut modules: BTreeMap<ModuleId, LookedAt> = BTreeMap::new();
    for die in program.functions_read() {
        modules.entry(die.module).or_default().functions.push(die);
    }
    for die in session.types.looked_at() {
        modules.entry(die.module).or_default().types.push(die);
    }
    for die in program.functions_named() {
        modules.entry(die.module).or_default().entries.push(die);
    }
    for die in program.entries_read() {
        modules.entry(die.module).or_default().entries.push(die);
    }
    for die in session.global_entries() {
        modules.entry(die.module).or_default().entries.push(die);
    }
    for address in session.described_addresses() {
        let Some(module) = program.modules.at(address) else { continue };
        let variable = program.debug_info(module.id).and_then(|debug| debug.variable_at(module.to_file(address)));
        modules.entry(module.id).or_default().entries.extend(variable);
    }
    for address in program.resolved_addresses() {
        if let Some(module) = program.modules.at(address) {
            modules.entry(module.id).or_default().code.insert(module.to_file(address).0);
        }
    }
    for module in program.modules.iter().filter(|module| !module.symbols_found().is_empty()) {
        modules.entry(module.id).or_default();
    }
    modules
}

/// Makes the file.
pub fn file(session: &Session, module: &Module, looked_at: &LookedAt) -> ModuleFile {
    let arch = session.image.arch;
    let file = module.file();
    let mut sections: Vec<Section> = Vec::new();
    if let Some(id) = module.build_id() {
        sections.push(Section { kind: elf::SHT_NOTE.0, ..section(".note.gnu.build-id", build_id_note(id)) });
    }
    for name in [".text", ".got", ".dynamic"] {
        if let Some(address) = file.and_then(|file| file.section_address(name)) {
            sections.push(Section { kind: elf::SHT_NOBITS.0, address: address.0, ..section(name, Vec::new()) });
        }
    }
    if module.is_go() {
        sections.push(section(".gopclntab", vec![0]));
    }
    let own = file.and_then(|file| file.section(".debug_obit"));
    sections.extend(own.map(|bytes| section(".debug_obit", bytes.to_vec())));
    let beside = file.filter(|_| module.seed.is_executable).and_then(|file| formatters::kept_beside(file.path()));
    sections.extend(beside.map(|bytes| section(formatters::BESIDE_SECTION, bytes)));
    sections.extend(stub_sections(module, looked_at));
    sections.extend(symbol_sections(session, module));
    let code: Vec<u64> = looked_at.code.iter().copied().collect();
    let cfi = module.cfi();
    if let Some((bytes, address)) = cfi.eh_frame
        && let Some(bytes) = frames::cut_eh_frame(arch, bytes, &cfi.bases(), &with_next(&code))
    {
        sections.push(Section { address: address.0, ..section(".eh_frame", bytes) });
    }
    if let Some(bytes) = cfi.debug_frame
        && let Some(bytes) = frames::cut_debug_frame(arch, bytes, &cfi.bases(), &with_next(&code))
    {
        sections.push(section(".debug_frame", bytes));
    }
    let (debug, lost_attributes) = debug_sections(session, module, looked_at);
    sections.extend(debug.into_iter().map(|(name, bytes)| section(name, bytes)));
    let mut segments = Vec::new();
    for load in file.iter().flat_map(|file| file.loads()) {
        segments.push(segment(elf::PT_LOAD.0, load.flags, load.address, load.memory_size, 4096));
    }
    for kind in [elf::PT_TLS.0, elf::PT_DYNAMIC.0] {
        for (address, size, align) in file.iter().flat_map(|file| file.segments(kind)) {
            segments.push(segment(kind, 4, address, size, align));
        }
    }
    let kind = match file.map(|file| file.kind()) {
        Some(ElfKind::Executable) => elf::ET_EXEC,
        _ => elf::ET_DYN,
    };
    let entry = file.map_or(0, |file| file.entry().0);
    ModuleFile { bytes: elf_module(arch, kind, entry, &segments, &sections), lost_attributes }
}

fn section(name: &'static str, bytes: Vec<u8>) -> Section {
    Section { name, kind: elf::SHT_PROGBITS.0, address: 0, bytes, link: "", entry_size: 0 }
}

fn segment(kind: u32, flags: u32, address: FileAddr, memory_size: u64, align: u64) -> Segment {
    Segment { kind, flags, offset: 0, address: address.0, file_size: 0, memory_size, align }
}

/// A return address's own entry is asked for where the call's has none.
fn with_next(code: &[u64]) -> Vec<u64> {
    let mut addresses: Vec<u64> = code.iter().flat_map(|address| [*address, address.saturating_add(1)]).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

fn build_id_note(id: &[u8]) -> Vec<u8> {
    let mut note = Vec::new();
    for word in [4, id.len() as u32, elf::NT_GNU_BUILD_ID.0] {
        note.extend_from_slice(&word.to_le_bytes());
    }
    note.extend_from_slice(b"GNU\0");
    note.extend_from_slice(id);
    note.resize(note.len().next_multiple_of(4), 0);
    note
}

/// Stubs have no symbols: what names them is kept as it is, where a frame stands in one.
fn stub_sections(module: &Module, looked_at: &LookedAt) -> Vec<Section> {
    let Some(file) = module.file() else { return Vec::new() };
    if !looked_at.code.iter().any(|address| plt::stub_name(file, FileAddr(*address)).is_some()) {
        return Vec::new();
    }
    let names = [".plt", ".plt.sec", ".plt.got", ".rela.plt", ".dynsym", ".dynstr"];
    let found = names.into_iter().filter_map(|name| {
        Some(Section { address: file.section_address(name)?.0, ..section(name, file.section(name)?.to_vec()) })
    });
    found.collect()
}

fn symbol_sections(session: &Session, module: &Module) -> Vec<Section> {
    let mut found: Vec<(Symbol, FileAddr)> = module.symbols_found();
    found.order_by_key(|(symbol, _)| (symbol.address, symbol.name));
    let mut written: Vec<OutSymbol<'_>> = Vec::new();
    for (symbol, highest) in &found {
        let kind = match symbol.kind {
            SymbolKind::Function => elf::STT_FUNC,
            SymbolKind::IndirectFunction => elf::STT_GNU_IFUNC,
            SymbolKind::Data => elf::STT_OBJECT,
            SymbolKind::ThreadLocal => elf::STT_TLS,
            SymbolKind::Untyped => elf::STT_NOTYPE,
        };
        // Without its neighbours, a symbol without a size would reach further than it did.
        let reach = highest.0.saturating_sub(symbol.address.0);
        let size = if symbol.size == 0 { reach + 1 } else { symbol.size };
        let (name, address, is_global) = (symbol.name, symbol.address.0, symbol.is_global);
        written.push(OutSymbol { name, address, size, kind: kind.0, is_global });
    }
    if written.is_empty() { Vec::new() } else { symbols(session.image.arch, &written).into() }
}

fn debug_sections(session: &Session, module: &Module, looked_at: &LookedAt) -> (SectionBytes, usize) {
    let program = &*session.program;
    let units: &dyn Units = program;
    let Some(debug) = program.debug_info(module.id) else { return (SectionBytes::new(), 0) };
    let ranges_of = |die: &DieRef| {
        let unit = units.unit(*die)?;
        let entry = unit.entry(die.offset)?;
        Some((unit.root(), crate::module::skim::die_ranges(unit.dwarf, &unit.unit, &entry)))
    };
    let entries = looked_at.functions.iter().filter_map(|die| ranges_of(die)?.1.first().map(|(low, _)| *low));
    let points = Points::new(&looked_at.code, entries);
    let mut closure = Closure::new(units, &points);
    for die in &looked_at.functions {
        closure.want(*die, Keep::Everything);
    }
    for die in &looked_at.types {
        closure.want(*die, Keep::Members);
    }
    for die in &looked_at.entries {
        closure.want(*die, Keep::Attributes);
    }
    // The code that each unit is found by: its kept functions, and addresses without any.
    let mut covered: BTreeMap<DieRef, Vec<(u64, u64)>> = BTreeMap::new();
    for address in &looked_at.code {
        let Some(unit) = debug.unit_at(FileAddr(*address)) else { continue };
        let ranges = covered.entry(unit.root()).or_default();
        if unit.skim().function_at(*address).is_none() {
            ranges.push((*address, address.saturating_add(1)));
        }
    }
    for die in &looked_at.functions {
        let Some((root, ranges)) = ranges_of(die) else { continue };
        covered.entry(root).or_default().extend(ranges);
    }
    covered.values_mut().for_each(|ranges| ranges.sort_unstable());
    covered.retain(|_, ranges| !ranges.is_empty());
    let lines: BTreeMap<DieRef, Vec<Vec<Row>>> = covered
        .iter()
        .filter_map(|(root, ranges)| {
            let mut around: Vec<(u64, u64)> =
                ranges.iter().flat_map(|(low, high)| points.ranges(*low, *high)).collect();
            around.sort_unstable();
            around.dedup();
            Some((*root, units.unit(*root)?.rows_in(&around)))
        })
        .collect();
    let writer = DwarfWriter::new(&closure);
    match writer.write(&lines, &covered) {
        Ok((sections, lost)) => (sections, lost.attributes),
        Err(_) => (SectionBytes::new(), closure.kept.len()),
    }
}
