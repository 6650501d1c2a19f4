//! Go's own table of functions, which every program of Go's has, stripped or not: names, files, lines, inlined calls, and
//! how far the stack pointer is from where it was at a function's entry.
//!
//! ```text
//! .gopclntab   header ── names ── files of units ── files ── values ── functab[n] { entry, function } ── functions
//! function     entry name args deferreturn pcsp pcfile pcln npcdata unit [startLine] id flag _ nfuncdata pcdata[] funcdata[]
//! values       (difference of the value, zigzag; difference of the pc in instructions)…, ended by a 0
//! moduledata   where text begins, and (gofunc) what the trees of inlined calls are relative to
//! ```
//!
//! Layouts: go `src/runtime/symtab.go`, `runtime2.go`, `symtabinl.go`, Go 1.18 and 1.19 (magic 0xfffffff0), 1.20 to 1.27
//! (0xfffffff1). Tables of other versions are declined.

use super::elf_file::ElfFile;
use crate::addr::FileAddr;
use crate::arch::Arch;

/// Go 1.18 and 1.19.
const MAGIC_1_18: u32 = 0xffff_fff0;
/// Since Go 1.20.
const MAGIC_1_20: u32 = 0xffff_fff1;
/// PCDATA_InlTreeIndex and FUNCDATA_InlTree.
const INLINE_INDEX: u32 = 2;
const INLINE_TREE: u32 = 3;
/// Functions: more than any program has.
const MAX_FUNCTIONS: usize = 4 << 20;
/// Calls inlined into each other.
const MAX_INLINED: usize = 128;
/// Steps of one table of values.
const MAX_STEPS: usize = 1 << 20;
/// Bytes of a name or path.
const MAX_TEXT: usize = 4096;
/// R_X86_64_RELATIVE, R_AARCH64_RELATIVE.
const RELATIVE: [u32; 2] = [8, 1027];

/// A function at an address: the innermost inlined one first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GoLevel {
    /// As Go writes it: `main.(*T).f`.
    pub name: String,
    /// Source file.
    pub file: Option<String>,
    /// Line.
    pub line: Option<u32>,
}

/// The table.
pub struct GoTable {
    /// Where `runtime.text` is: what entries are relative to.
    text: u64,
    count: usize,
    least_instruction: u64,
    names: &'static [u8],
    units: &'static [u8],
    files: &'static [u8],
    values: &'static [u8],
    functions: &'static [u8],
    /// Bytes of a function before its lists.
    head: usize,
    /// Bytes of an inlined call, and where its name and its caller's pc are in it.
    inlined: (u64, u64, u64),
    /// What trees of inlined calls are relative to; `None` where the version does not say.
    trees: Option<u64>,
    /// Where descriptions of types begin and end.
    types: Option<(u64, u64)>,
    /// Where variables are that may hold pointers into the heap: first and end.
    variables: Vec<(u64, u64)>,
    file: Loads,
}

/// Content of the file by address.
struct Loads(Vec<(u64, &'static [u8])>);

impl Loads {
    fn at(&self, address: u64, length: u64) -> Option<&'static [u8]> {
        self.0.iter().find_map(|(start, bytes)| {
            let from = usize::try_from(address.checked_sub(*start)?).ok()?;
            bytes.get(from..from.checked_add(usize::try_from(length).ok()?)?)
        })
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

fn text_at(bytes: &'static [u8], at: usize) -> Option<&'static [u8]> {
    let rest = bytes.get(at..)?;
    let end = memchr::memchr(0, rest.get(..MAX_TEXT).unwrap_or(rest))?;
    rest.get(..end)
}

/// An unsigned number of 7 bits a byte, the least first, and how many bytes it takes.
fn variable_length(bytes: &[u8]) -> Option<(u32, usize)> {
    let mut value = 0u32;
    for (at, byte) in bytes.iter().enumerate().take(5) {
        value |= u32::from(byte & 0x7f) << (7 * at as u32).min(31);
        if byte & 0x80 == 0 {
            return Some((value, at + 1));
        }
    }
    None
}

impl GoTable {
    /// Of a program; `None` where it has none that is known.
    pub fn open(file: &ElfFile) -> Option<GoTable> {
        if !file.is_64() {
            return None;
        }
        let table = file.section(".gopclntab").or_else(|| file.section(".data.rel.ro.gopclntab"))?;
        let start = file.section_address(".gopclntab").or_else(|| file.section_address(".data.rel.ro.gopclntab"))?.0;
        let magic = u32_at(table, 0)?;
        let (head, inlined) = match magic {
            MAGIC_1_18 => (40, (20, 12, 16)),
            MAGIC_1_20 => (44, (16, 4, 8)),
            _ => return None,
        };
        let least_instruction = u64::from(*table.get(6)?);
        if *table.get(7)? != 8 || !matches!(least_instruction, 1 | 4) {
            return None;
        }
        let count = usize::try_from(u64_at(table, 8)?).ok().filter(|count| *count <= MAX_FUNCTIONS)?;
        let part = |index: usize| table.get(usize::try_from(u64_at(table, 32 + 8 * index)?).ok()?..);
        let segments = file.loads().iter().filter_map(|load| Some((load.address.0, file.bytes_at(load.address)?)));
        let loads = Loads(segments.collect());
        let module = ModuleData::find(file, &loads, start, start.checked_add(u64_at(table, 32)?)?);
        // Go 1.26 and later write no address into the table itself.
        let named = u64_at(table, 24).filter(|text| *text != 0);
        let text = module.as_ref().and_then(|module| module.word(22)).or(named)?;
        let trees = module.as_ref().and_then(|module| module.word(trees_word(magic, minor_version(file))?));
        let types = module.as_ref().and_then(|module| module.types(magic, minor_version(file)));
        let variables = module.as_ref().map(ModuleData::variables).unwrap_or_default();
        Some(GoTable {
            text,
            count,
            least_instruction,
            names: part(0)?,
            units: part(1)?,
            files: part(2)?,
            values: part(3)?,
            functions: part(4)?,
            head,
            inlined,
            trees,
            types,
            variables,
            file: loads,
        })
    }

    /// Where descriptions of types begin: what their names are relative to.
    pub fn types(&self) -> Option<FileAddr> {
        self.types.map(|(first, _)| FileAddr(first))
    }

    /// Where descriptions of types are: the first byte and the one behind the last.
    pub fn described(&self) -> Option<(FileAddr, FileAddr)> {
        self.types.map(|(first, end)| (FileAddr(first), FileAddr(end)))
    }

    /// Where variables are that the collector starts from (`data` and `bss`, without what holds no pointers): first byte and
    /// the one behind the last.
    pub fn variables(&self) -> Vec<(FileAddr, FileAddr)> {
        self.variables.iter().map(|(first, end)| (FileAddr(*first), FileAddr(*end))).collect()
    }

    /// Entry and place of the function's record, by its number.
    fn entry(&self, index: usize) -> Option<(u64, usize)> {
        let at = index.checked_mul(8)?;
        let (entry, record) = (u32_at(self.functions, at)?, u32_at(self.functions, at + 4)?);
        Some((self.text.checked_add(u64::from(entry))?, record as usize))
    }

    /// The function that an address is in: its entry and its record.
    fn function_at(&self, address: u64) -> Option<(u64, &'static [u8])> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.entry(middle)?.0 <= address { low = middle + 1 } else { high = middle }
        }
        let (entry, record) = self.entry(low.checked_sub(1)?)?;
        // The last entry is the end of the last function.
        let end = u32_at(self.functions, low.checked_mul(8)?).map(|end| self.text.saturating_add(u64::from(end)))?;
        (address < end).then_some(())?;
        Some((entry, self.functions.get(record..)?))
    }

    /// The value of a table for an address.
    fn value(&self, table: u32, entry: u64, address: u64) -> Option<i64> {
        if table == 0 {
            return None;
        }
        let mut bytes = self.values.get(table as usize..)?;
        let (mut pc, mut value) = (entry, -1i64);
        for step in 0..MAX_STEPS {
            let (change, read) = variable_length(bytes)?;
            if change == 0 && step > 0 {
                return None;
            }
            bytes = bytes.get(read..)?;
            let change = if change & 1 != 0 { !(i64::from(change >> 1)) } else { i64::from(change >> 1) };
            value = value.checked_add(change)?;
            let (distance, read) = variable_length(bytes)?;
            bytes = bytes.get(read..)?;
            pc = pc.checked_add(u64::from(distance).checked_mul(self.least_instruction)?)?;
            if address < pc {
                return Some(value);
            }
        }
        None
    }

    /// How many bytes the stack pointer is below where it was at the function's entry.
    pub fn stack_delta(&self, address: FileAddr) -> Option<u64> {
        let (entry, record) = self.function_at(address.0)?;
        self.value(u32_at(record, 16)?, entry, address.0).and_then(|delta| u64::try_from(delta).ok())
    }

    /// The functions at an address; none where there is none.
    pub fn levels(&self, address: FileAddr) -> Vec<GoLevel> {
        let mut levels = Vec::new();
        let Some((entry, record)) = self.function_at(address.0) else { return levels };
        let mut pc = address.0;
        while levels.len() < MAX_INLINED {
            let inlined = self.inlined_at(record, entry, pc);
            let name = inlined.map(|(name, _)| name).or_else(|| text_at(self.names, u32_at(record, 4)? as usize));
            let Some(name) = name else { break };
            let line = u32_at(record, 24).and_then(|table| self.value(table, entry, pc));
            levels.push(GoLevel {
                name: String::from_utf8_lossy(name).into_owned(),
                file: self.file_at(record, entry, pc).map(|file| String::from_utf8_lossy(file).into_owned()),
                line: line.and_then(|line| u32::try_from(line).ok()).filter(|line| *line != 0),
            });
            let Some((_, caller)) = inlined else { break };
            let Some(next) = entry.checked_add(caller) else { break };
            pc = next;
        }
        levels
    }

    fn file_at(&self, record: &[u8], entry: u64, pc: u64) -> Option<&'static [u8]> {
        let number = self.value(u32_at(record, 20)?, entry, pc)?;
        let unit = u64::from(u32_at(record, 32)?);
        let index = unit.checked_add(u64::try_from(number).ok()?)?;
        let offset = u32_at(self.units, usize::try_from(index.checked_mul(4)?).ok()?)?;
        if offset == u32::MAX { None } else { text_at(self.files, offset as usize) }
    }

    /// The inlined function at a pc: its name, and where in the function it was called.
    fn inlined_at(&self, record: &[u8], entry: u64, pc: u64) -> Option<(&'static [u8], u64)> {
        let trees = self.trees?;
        let lists = self.head;
        let pcdata = u32_at(record, 28)?;
        let funcdata = u32::from(*record.get(lists.checked_sub(1)?)?);
        if pcdata <= INLINE_INDEX || funcdata <= INLINE_TREE || pcdata > 64 {
            return None;
        }
        let table = u32_at(record, lists + 4 * INLINE_INDEX as usize)?;
        let index = u64::try_from(self.value(table, entry, pc)?).ok()?;
        let tree = u32_at(record, lists + 4 * (pcdata + INLINE_TREE) as usize).filter(|tree| *tree != u32::MAX)?;
        let (size, name, caller) = self.inlined;
        let at = trees.checked_add(u64::from(tree))?.checked_add(index.checked_mul(size)?)?;
        let call = self.file.at(at, size)?;
        let name = text_at(self.names, u32_at(call, name as usize)? as usize)?;
        Some((name, u64::from(u32_at(call, caller as usize)?)))
    }

    /// The functions as a symbol table of ELF's (Elf64_Sym, gABI chapter 4), and its strings.
    pub fn as_symbols(&self) -> (Vec<u8>, &'static [u8]) {
        let mut symbols = Vec::with_capacity(self.count.saturating_mul(24));
        for index in 0..self.count {
            let Some((entry, record)) = self.entry(index) else { break };
            let name = self.functions.get(record..).and_then(|record| u32_at(record, 4));
            let end = self.entry(index + 1).map_or(entry, |(end, _)| end);
            let Some(name) = name else { continue };
            symbols.extend_from_slice(&name.to_le_bytes());
            // STB_LOCAL, STT_FUNC; in some section.
            symbols.extend_from_slice(&[2, 0, 1, 0]);
            symbols.extend_from_slice(&entry.to_le_bytes());
            symbols.extend_from_slice(&end.saturating_sub(entry).to_le_bytes());
        }
        (symbols, self.names)
    }
}

/// Go's minor version, as the linker wrote it (go `src/debug/buildinfo`): 19 of `go1.19.8`.
pub fn minor_version(file: &ElfFile) -> Option<u32> {
    let version = version(file)?;
    let minor = version.strip_prefix("go1.")?;
    minor.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Go's version: `go1.19.8`.
pub fn version(file: &ElfFile) -> Option<String> {
    let bytes = file.section(".go.buildinfo")?;
    // Before Go 1.18 the section holds pointers.
    if bytes.get(..14)? != b"\xff Go buildinf:" || bytes.get(15)? & 2 == 0 {
        return None;
    }
    let rest = bytes.get(32..)?;
    let (length, read) = variable_length(rest)?;
    let text = rest.get(read..read.checked_add(length as usize)?)?;
    Some(std::str::from_utf8(text).ok()?.to_owned())
}

/// What the toolchain was told to do otherwise than its version does by itself, as the version names it (GOEXPERIMENT:
/// `go1.25.5 X:greenteagc`; go `src/cmd/link/internal/ld/main.go`).
pub fn experiments(version: &str) -> Vec<&str> {
    let named = version.split_once("X:").map(|(_, named)| named.split(' ').next().unwrap_or(named));
    named.map(|named| named.split(',').filter(|one| !one.is_empty()).collect()).unwrap_or_default()
}

/// Which word of `runtime.moduledata` is `gofunc`.
fn trees_word(magic: u32, minor: Option<u32>) -> Option<usize> {
    match (magic, minor?) {
        (MAGIC_1_18, 18 | 19) => Some(38),
        (MAGIC_1_20, 20..=26) => Some(40),
        (MAGIC_1_20, 27) => Some(43),
        _ => None,
    }
}

/// The first words of `runtime.firstmoduledata`, as they are once the file is loaded at its own addresses.
struct ModuleData(Vec<u64>);

impl ModuleData {
    /// By its first two pointers: to the table, and to the names in it.
    fn find(file: &ElfFile, loads: &Loads, table: u64, names: u64) -> Option<ModuleData> {
        const WORDS: usize = 48;
        let relocations = relocations(file);
        let word = |at: u64| {
            let found = relocations.binary_search_by_key(&at, |(place, _)| *place).ok();
            let relocated = found.and_then(|found| relocations.get(found)).map(|(_, value)| *value);
            relocated.or_else(|| u64_at(loads.at(at, 8)?, 0))
        };
        let is_it = |at: u64| word(at) == Some(table) && at.checked_add(8).and_then(word) == Some(names);
        let relocated = relocations.iter().filter(|(_, value)| *value == table).map(|(at, _)| *at);
        let found = relocated.into_iter().find(|at| is_it(*at)).or_else(|| {
            let writable = file.loads().iter().filter(|load| load.is_writable());
            writable.into_iter().find_map(|load| {
                let bytes = file.bytes_at(load.address)?;
                let wanted = table.to_le_bytes();
                let mut places = memchr::memmem::find_iter(bytes, &wanted);
                places.find_map(|at| {
                    let place = load.address.0.checked_add(at as u64)?;
                    (place.is_multiple_of(8) && is_it(place)).then_some(place)
                })
            })
        })?;
        let words = (0..WORDS as u64).map_while(|index| word(found.checked_add(8 * index)?));
        Some(ModuleData(words.collect()))
    }

    fn word(&self, index: usize) -> Option<u64> {
        self.0.get(index).copied().filter(|word| *word != 0)
    }

    /// `types` and `etypes`: since Go 1.20 behind two more words, since Go 1.27 with another between them.
    fn types(&self, magic: u32, minor: Option<u32>) -> Option<(u64, u64)> {
        let (first, end) = match (magic, minor) {
            (MAGIC_1_18, _) => (35, 36),
            (_, Some(27..)) => (37, 39),
            _ => (37, 38),
        };
        let first = self.word(first)?;
        Some((first, self.word(end).filter(|end| *end > first)?))
    }

    /// `data`, `edata`, `bss` and `ebss`.
    fn variables(&self) -> Vec<(u64, u64)> {
        let range = |index: usize| self.word(index).zip(self.word(index + 1)).filter(|(first, end)| first < end);
        [26, 28].into_iter().filter_map(range).collect()
    }
}

/// Places and values of a file's relative relocations, ascending (Elf64_Rela).
fn relocations(file: &ElfFile) -> Vec<(u64, u64)> {
    let sections = [".rela.dyn", ".rela"].into_iter().filter_map(|name| file.section(name));
    let mut found: Vec<(u64, u64)> = sections
        .flat_map(|bytes| bytes.chunks_exact(24))
        .filter_map(|entry| {
            let (place, info, value) = (u64_at(entry, 0)?, u64_at(entry, 8)?, u64_at(entry, 16)?);
            RELATIVE.contains(&(info as u32)).then_some((place, value))
        })
        .collect();
    found.sort_unstable();
    found
}

/// What a frame of Go's saves, as a step of the unwinder needs it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GoFrame {
    /// Bytes from the stack pointer to where it was before the call.
    pub size: u64,
    /// Where the return address is below that; `None`: in the link register.
    pub return_below: Option<u64>,
}

impl GoFrame {
    /// For a stack pointer that is so far below the entry's.
    pub fn of(arch: Arch, delta: u64) -> Option<GoFrame> {
        match arch {
            Arch::X86_64 => Some(GoFrame { size: delta.checked_add(8)?, return_below: Some(8) }),
            // The link register is at the frame's lowest word.
            Arch::Aarch64 => Some(GoFrame { size: delta, return_below: (delta > 0).then_some(delta) }),
            Arch::I386 => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{GoFrame, experiments, variable_length};
    use crate::arch::Arch;

    #[test]
    fn numbers_of_seven_bits_a_byte() {
        assert_eq!(variable_length(&[0x7f]), Some((127, 1)));
        assert_eq!(variable_length(&[0x80, 0x01, 9]), Some((128, 2)));
        assert_eq!(variable_length(&[0xff, 0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!(variable_length(&[]), None);
    }

    #[test]
    fn experiments_are_named_behind_the_version() {
        assert_eq!(experiments("go1.25.5 X:greenteagc,jsonv2"), ["greenteagc", "jsonv2"]);
        assert_eq!(experiments("go1.25.5-X:greenteagc"), ["greenteagc"]);
        assert!(experiments("go1.25.5").is_empty());
    }

    #[test]
    fn a_leaf_of_aarch64_returns_by_its_register() {
        assert_eq!(GoFrame::of(Arch::Aarch64, 0), Some(GoFrame { size: 0, return_below: None }));
        assert_eq!(GoFrame::of(Arch::X86_64, 16), Some(GoFrame { size: 24, return_below: Some(8) }));
    }
}
