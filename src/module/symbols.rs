//! A module's ELF symbols: the nearest one to an address, and addresses by name.
//!
//! Symbol tables are big (a debug build of a database engine has a million) and most questions need few symbols, so
//! nothing is sorted at first: the first lookups scan a big table, and only when more follow is the sorted index made.
//! Layout of entries: System V gABI chapter 4, "Symbol Table".

mod scan;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use object::LittleEndian;
use object::elf::{self, Sym32, Sym64};
use object::pod;
use rayon::prelude::*;

use scan::Block;

use super::elf_file::ElfFile;
use super::go_table::GoTable;
use crate::addr::FileAddr;
use crate::arch::Arch;
use crate::parallel;

/// Tables up to this size are sorted at the first lookup: it takes a millisecond or two.
const SORT_AT_ONCE: usize = 100_000;
/// In bigger tables, so many lookups scan before sorting pays.
const SCANS_BEFORE_SORT: usize = 64;
/// Entries of one part of a scan: parts are looked at side by side.
const SCAN_PART: usize = 1 << 16;
/// Bytes of a name that say whether it is wanted.
pub const BEGINNING: usize = 16;
/// How many entries below the nearest are looked at for a symbol that encloses the address.
const LOOK_BACK: usize = 256;

/// What a symbol names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum SymbolKind {
    /// STT_FUNC.
    Function,
    /// STT_GNU_IFUNC: a function that chooses the function.
    IndirectFunction,
    /// STT_OBJECT (and STT_COMMON).
    Data,
    /// STT_TLS: `address` is the offset in the module's thread-local block.
    ThreadLocal,
    /// STT_NOTYPE: usually a label of assembly code.
    Untyped,
}

/// A symbol that is defined in the module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Symbol {
    /// Linkage name as in the file, without a version (`@@GLIBC_2.2.5`). Any bytes.
    pub name: &'static [u8],
    /// Where it is; for [`SymbolKind::ThreadLocal`] the offset in the thread-local block.
    pub address: FileAddr,
    /// In bytes; 0 where the file does not say.
    pub size: u64,
    /// What it names.
    pub kind: SymbolKind,
    /// Whether other modules can see it (STB_GLOBAL, STB_WEAK, STB_GNU_UNIQUE), not STB_LOCAL.
    pub is_global: bool,
}

impl Symbol {
    /// The name as text; bytes that are no UTF-8 are replaced.
    pub fn text(&self) -> Cow<'static, str> {
        String::from_utf8_lossy(self.name)
    }
}

/// A symbol table section and its strings.
#[derive(Clone, Copy)]
struct Source {
    symbols: &'static [u8],
    strings: &'static [u8],
    is_64: bool,
    is_aarch64: bool,
}

/// A table entry, decoded except for its name.
#[derive(Clone, Copy)]
struct RawSymbol {
    name: u32,
    info: u8,
    section: u16,
    address: u64,
    size: u64,
}

/// An entry of the sorted index. At one address the preferred symbol comes last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    address: u64,
    rank: u8,
    source: u8,
    index: u32,
}

/// Symbols by address and name, each with the highest address that it was found for.
type FoundSymbols = HashMap<(FileAddr, &'static [u8]), (Symbol, FileAddr)>;

/// All symbols of a module.
pub struct SymbolTable {
    sources: Vec<Source>,
    /// First and one past the last address of each section.
    sections: Vec<(u64, u64)>,
    sorted: OnceLock<Vec<Entry>>,
    blocks: OnceLock<Vec<Block>>,
    scans: AtomicUsize,
    /// What was found so far, where it is to be remembered: each symbol with the highest address asked for.
    found: OnceLock<Mutex<FoundSymbols>>,
}

impl SymbolTable {
    /// The symbols of `files`: the module's own file, its MiniDebugInfo and its separate debug file, those that there
    /// are. Nothing is read yet. A `.dynsym` is left out where a full `.symtab` holds the same symbols.
    pub fn new(file: Option<&ElfFile>, mini: Option<&ElfFile>, debug: Option<&ElfFile>) -> SymbolTable {
        let full = |file: Option<&ElfFile>| file.and_then(|file| Source::new(file, elf::SHT_SYMTAB.0));
        let dynamic = |file: Option<&ElfFile>| file.and_then(|file| Source::new(file, elf::SHT_DYNSYM.0));
        let sources = match full(file).or_else(|| full(debug)) {
            Some(source) => vec![source],
            // MiniDebugInfo leaves out what .dynsym has.
            None => [dynamic(file), full(mini)].into_iter().flatten().collect(),
        };
        let sections = file.or(debug).into_iter().flat_map(|file| file.allocated_sections());
        // The thread-local template overlaps what follows.
        let sections = sections.filter(|(name, ..)| *name != ".tbss");
        let sections = sections.map(|(_, start, size)| (start.0, start.0.saturating_add(size))).collect();
        SymbolTable {
            sources,
            sections,
            sorted: OnceLock::new(),
            blocks: OnceLock::new(),
            scans: AtomicUsize::new(0),
            found: OnceLock::new(),
        }
    }

    /// Functions of Go's own table, of a program without any other; behind them what its dynamic table has.
    pub(super) fn of_go(file: &ElfFile, table: &GoTable) -> SymbolTable {
        let mut made = SymbolTable::new(Some(file), None, None);
        let (symbols, strings) = table.as_symbols();
        // Like what is mapped, it lives until the process ends.
        let symbols: &'static [u8] = Box::leak(symbols.into_boxed_slice());
        made.sources
            .insert(0, Source { symbols, strings, is_64: true, is_aarch64: file.arch() == Some(Arch::Aarch64) });
        made
    }

    /// How many entries the tables have, undefined ones too.
    pub fn len(&self) -> usize {
        self.sources.iter().map(Source::len).sum()
    }

    /// Whether there are no symbols at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The symbol that the address is in: the nearest one at or below it that reaches over it, or, where the nearest
    /// has no size, that one, as far as its section goes. `None` between symbols.
    pub fn lookup(&self, address: FileAddr) -> Option<Symbol> {
        let symbol = self.nearest(address)?;
        let holds = |section: &&(u64, u64)| (section.0..section.1).contains(&symbol.address.0);
        if symbol.size == 0
            && symbol.address != address
            && self.sections.iter().find(holds).is_some_and(|section| address.0 >= section.1)
        {
            return None;
        }
        self.remember(symbol, address);
        Some(symbol)
    }

    /// From now on remembers what is found, for [`SymbolTable::found`].
    pub fn record(&self) {
        self.found.get_or_init(Mutex::default);
    }

    /// The symbols that were found since [`SymbolTable::record`], each with the highest address that it was found for.
    pub fn found(&self) -> Vec<(Symbol, FileAddr)> {
        let found = self.found.get().map(|found| found.lock().unwrap_or_else(PoisonError::into_inner));
        found.map(|found| found.values().copied().collect()).unwrap_or_default()
    }

    fn remember(&self, symbol: Symbol, address: FileAddr) {
        let Some(found) = self.found.get() else { return };
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, highest) = found.entry((symbol.address, symbol.name)).or_insert((symbol, address));
        *highest = address.max(*highest);
    }

    fn nearest(&self, address: FileAddr) -> Option<Symbol> {
        if self.sorted.get().is_none() && self.len() > SORT_AT_ONCE {
            let scans = self.scans.fetch_add(1, Ordering::Relaxed);
            if scans < SCANS_BEFORE_SORT {
                return self.scan(address.0);
            }
        }
        self.search(address.0)
    }

    /// All symbols of that linkage name (a version in the table is ignored): functions, data, thread-locals.
    pub fn by_name(&self, name: &str) -> Vec<Symbol> {
        let mut found: Vec<Symbol> = Vec::new();
        if name.is_empty() {
            return found;
        }
        for source in &self.sources {
            // The name is looked for in the string table, as comparing the strings of a million symbols is slower.
            let mut offsets = Vec::new();
            for at in memchr::memmem::find_iter(source.strings, name.as_bytes()) {
                if matches!(source.strings.get(at + name.len()), Some(0 | b'@')) {
                    offsets.push(at as u32);
                }
            }
            if offsets.is_empty() {
                continue;
            }
            for symbol in source.iter().filter(|(_, raw)| offsets.binary_search(&raw.name).is_ok()) {
                if let Some(symbol) = source.symbol(&symbol.1)
                    && !found.contains(&symbol)
                {
                    self.remember(symbol, symbol.address);
                    found.push(symbol);
                }
            }
        }
        found
    }

    /// Symbols whose names have the text in them, at most so many.
    pub fn containing(&self, text: &[u8], most: usize) -> Vec<Symbol> {
        let mut found: Vec<Symbol> = Vec::new();
        for source in &self.sources {
            // Most string tables do not have it at all.
            if text.is_empty() || memchr::memmem::find(source.strings, text).is_none() {
                continue;
            }
            for symbol in source.iter().filter_map(|(_, raw)| source.symbol(&raw)) {
                if found.len() < most && memchr::memmem::find(symbol.name, text).is_some() && !found.contains(&symbol) {
                    found.push(symbol);
                }
            }
        }
        found
    }

    /// Every defined symbol, in the tables' order.
    pub fn iter(&self) -> impl Iterator<Item = Symbol> {
        self.sources.iter().flat_map(|source| source.iter().filter_map(|(_, raw)| source.symbol(&raw)))
    }

    /// What `pick` makes of every defined symbol, in the tables' order; worked out on all cores.
    pub fn collect<T: Send>(&self, pick: impl Fn(Symbol) -> Option<T> + Sync) -> Vec<T> {
        self.collect_beginning(|_| true, pick)
    }

    /// The same of those whose names begin as is `wanted`, which sees [`BEGINNING`] bytes from there on: most names of a
    /// big table need not be read to their ends.
    pub fn collect_beginning<T: Send>(
        &self,
        wanted: impl Fn(&[u8]) -> bool + Sync,
        pick: impl Fn(Symbol) -> Option<T> + Sync,
    ) -> Vec<T> {
        let parts: Vec<(&Source, u32)> = self.sources.iter().flat_map(|source| source.parts()).collect();
        let of_part = |(source, first): &(&Source, u32)| {
            let end = first.saturating_add(SCAN_PART as u32).min(source.count());
            let begun = source.range(*first, end).filter(|(_, raw)| wanted(source.beginning(raw)));
            let symbols = begun.filter_map(|(_, raw)| source.symbol(&raw));
            symbols.filter_map(&pick).collect::<Vec<T>>()
        };
        parallel::map(&parts, of_part).into_iter().flatten().collect()
    }

    fn entries(&self) -> &[Entry] {
        self.sorted.get_or_init(|| {
            let mut entries = Vec::new();
            for (number, source) in self.sources.iter().enumerate() {
                let useful = source.iter().filter(|(_, raw)| source.has_address(raw));
                entries.extend(useful.map(|(index, raw)| Entry {
                    address: raw.address,
                    rank: raw.rank(),
                    source: number as u8,
                    index,
                }));
            }
            if entries.len() > SORT_AT_ONCE {
                entries.par_sort_unstable();
            } else {
                entries.sort_unstable();
            }
            entries.shrink_to_fit();
            entries
        })
    }

    fn search(&self, address: u64) -> Option<Symbol> {
        let entries = self.entries();
        let end = entries.partition_point(|entry| entry.address <= address);
        let nearest = entries[..end].last()?;
        let mut best: Option<(&Source, RawSymbol)> = None;
        let mut best_unsized: Option<(&Source, RawSymbol)> = None;
        for entry in entries[..end].iter().rev().take(LOOK_BACK) {
            let tied_with = |old: &RawSymbol| (old.address, old.rank()) == (entry.address, entry.rank);
            if best.as_ref().is_some_and(|(_, best)| !tied_with(best)) {
                break;
            }
            let source = self.sources.get(usize::from(entry.source))?;
            let Some(raw) = source.raw(entry.index) else { continue };
            // An unsized symbol counts only where it is the nearest and no sized one reaches over.
            let slot = if raw.size == 0 && (entry.address, entry.rank) == (nearest.address, nearest.rank) {
                &mut best_unsized
            } else if address - raw.address < raw.size {
                &mut best
            } else {
                continue;
            };
            if slot.as_ref().is_none_or(|old| is_better_name(source, &raw, old)) {
                *slot = Some((source, raw));
            }
        }
        let (source, raw) = best.or(best_unsized)?;
        source.symbol(&raw)
    }
}

/// Of two symbols with one address and rank: the one with fewer leading underscores, then the shorter, then the first
/// in the alphabet, so that the answer never depends on the table's order.
fn is_better_name(source: &Source, new: &RawSymbol, old: &(&Source, RawSymbol)) -> bool {
    let key = |source: &Source, raw: &RawSymbol| {
        let name = source.name(raw);
        (name.iter().take_while(|byte| **byte == b'_').count(), name.len(), name)
    };
    key(source, new) < key(old.0, &old.1)
}

impl RawSymbol {
    fn kind(&self) -> Option<SymbolKind> {
        match elf::SymbolType(self.info & 15) {
            elf::STT_FUNC => Some(SymbolKind::Function),
            elf::STT_GNU_IFUNC => Some(SymbolKind::IndirectFunction),
            elf::STT_OBJECT | elf::STT_COMMON => Some(SymbolKind::Data),
            elf::STT_TLS => Some(SymbolKind::ThreadLocal),
            elf::STT_NOTYPE => Some(SymbolKind::Untyped),
            // Sections and files name nothing in the program.
            _ => None,
        }
    }

    /// Whether it is defined in a section and not thread-local.
    fn is_place(&self) -> bool {
        let in_section = self.section != 0 && self.section < elf::SHN_LORESERVE || self.section == elf::SHN_XINDEX.0;
        in_section && self.kind().is_some_and(|kind| kind != SymbolKind::ThreadLocal)
    }

    /// Which of the symbols at one address is shown: functions before data before labels, sized ones first, global
    /// before weak before local.
    fn rank(&self) -> u8 {
        let kind = match self.kind() {
            Some(SymbolKind::Function | SymbolKind::IndirectFunction) => 2,
            Some(SymbolKind::Data) => 1,
            _ => 0,
        };
        let binding = match elf::SymbolBind(self.info >> 4) {
            elf::STB_LOCAL => 0,
            elf::STB_WEAK => 1,
            _ => 2,
        };
        u8::from(self.size != 0) << 4 | kind << 2 | binding
    }
}

impl Source {
    fn new(file: &ElfFile, kind: u32) -> Option<Source> {
        let (symbols, strings) = file.symbol_section(kind)?;
        Some(Source { symbols, strings, is_64: file.is_64(), is_aarch64: file.arch() == Some(Arch::Aarch64) })
    }

    fn len(&self) -> usize {
        self.symbols.len() / if self.is_64 { 24 } else { 16 }
    }

    fn raw(&self, index: u32) -> Option<RawSymbol> {
        let entry_size = if self.is_64 { 24 } else { 16 };
        let start = (index as usize).checked_mul(entry_size)?;
        let bytes = self.symbols.get(start..start.checked_add(entry_size)?)?;
        let e = LittleEndian;
        if self.is_64 {
            let (symbol, _) = pod::from_bytes::<Sym64<LittleEndian>>(bytes).ok()?;
            Some(RawSymbol {
                name: symbol.st_name.get(e),
                info: symbol.st_info.0,
                section: symbol.st_shndx.get(e).0,
                address: symbol.st_value.get(e),
                size: symbol.st_size.get(e),
            })
        } else {
            let (symbol, _) = pod::from_bytes::<Sym32<LittleEndian>>(bytes).ok()?;
            Some(RawSymbol {
                name: symbol.st_name.get(e),
                info: symbol.st_info.0,
                section: symbol.st_shndx.get(e).0,
                address: symbol.st_value.get(e).into(),
                size: symbol.st_size.get(e).into(),
            })
        }
    }

    fn iter(&self) -> impl Iterator<Item = (u32, RawSymbol)> {
        self.range(0, self.count())
    }

    fn range(&self, first: u32, end: u32) -> impl Iterator<Item = (u32, RawSymbol)> {
        (first..end).filter_map(|index| Some((index, self.raw(index)?)))
    }

    fn count(&self) -> u32 {
        u32::try_from(self.len()).unwrap_or(u32::MAX)
    }

    /// Where the parts of a scan begin.
    fn parts(&self) -> impl Iterator<Item = (&Source, u32)> {
        (0..self.count()).step_by(SCAN_PART).map(move |first| (self, first))
    }

    /// The name's first bytes, and what may follow behind its end.
    fn beginning(&self, raw: &RawSymbol) -> &'static [u8] {
        let rest = self.strings.get(raw.name as usize..).unwrap_or(&[]);
        &rest[..rest.len().min(BEGINNING)]
    }

    /// The name up to NUL or version.
    fn name(&self, raw: &RawSymbol) -> &'static [u8] {
        let strings = self.strings;
        let rest = strings.get(raw.name as usize..).unwrap_or(&[]);
        let name = &rest[..memchr::memchr(0, rest).unwrap_or(rest.len())];
        match memchr::memchr(b'@', name) {
            Some(at) if at > 0 => &name[..at],
            _ => name,
        }
    }

    /// Whether it is defined in a section (absolute symbols are numbers, not places) and not thread-local.
    fn has_address(&self, raw: &RawSymbol) -> bool {
        raw.is_place() && !self.is_mark(raw)
    }

    /// Nameless symbols, and the marks between code and data on aarch64 (`$x`, `$d`; AAELF64, section 5.5.5).
    fn is_mark(&self, raw: &RawSymbol) -> bool {
        let first = self.strings.get(raw.name as usize).copied().unwrap_or(0);
        first == 0
            || self.is_aarch64
                && first == b'$'
                && raw.kind() == Some(SymbolKind::Untyped)
                && matches!(self.name(raw), [b'$', b'x' | b'd'] | [b'$', b'x' | b'd', b'.', ..])
    }

    fn symbol(&self, raw: &RawSymbol) -> Option<Symbol> {
        let kind = raw.kind()?;
        let is_defined = self.has_address(raw) || kind == SymbolKind::ThreadLocal && raw.section != 0;
        is_defined.then(|| Symbol {
            name: self.name(raw),
            address: FileAddr(raw.address),
            size: raw.size,
            kind,
            is_global: raw.info >> 4 != elf::STB_LOCAL.0,
        })
    }
}

#[cfg(test)]
#[path = "symbols_tests.rs"]
mod tests;
