//! An ELF file: mapped, its headers read, its sections handed out as bytes.
//!
//! Opening touches the file header, the program headers and the section headers, nothing else, so that a file of a
//! gigabyte opens as fast as a small one. Compressed sections are decompressed when asked for, once, and kept.
//! Layouts: System V gABI, chapters 4 and 5; `SHF_COMPRESSED` is gABI, "Section Compression"; `.zdebug_*` is the older
//! GNU form (`ZLIB`, the size as 8 big-endian bytes, then a zlib stream).

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use object::LittleEndian;
use object::elf;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};

use super::compressed::{Compression, decompress, section_parts};
use super::section_cache::{CachedSection, FileStamp};
use crate::addr::FileAddr;
use crate::arch::Arch;

/// More section headers than any linker writes: 16 million would be 1 GiB of headers.
const MOST_SECTIONS: usize = 1 << 20;
/// More program headers than any module has.
const MOST_SEGMENTS: usize = 1 << 16;
/// A build-id is a hash: 20 bytes usually, 64 at most in use.
const LONGEST_BUILD_ID: usize = 64;

/// Why a file could not be opened as a module.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    /// The file could not be read.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no ELF file, or one that is not supported.
    #[error("{path}: {problem}", path = path.display())]
    NotElf {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

/// What an ELF file is (`e_type`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ElfKind {
    /// ET_EXEC: linked at a fixed address.
    Executable,
    /// ET_DYN: a library or a position-independent executable.
    Dynamic,
    /// ET_REL: an object file (`.o`, `.dwo`).
    Relocatable,
    /// ET_CORE.
    Core,
    /// Anything else.
    Other(u16),
}

/// A PT_LOAD segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Load {
    /// `p_vaddr`.
    pub address: FileAddr,
    /// `p_memsz`, in bytes.
    pub memory_size: u64,
    /// `p_filesz`, in bytes.
    pub file_size: u64,
    /// `p_offset`, in bytes from the file's start.
    pub offset: u64,
    /// PF_R (4), PF_W (2), PF_X (1).
    pub flags: u32,
}

impl Load {
    /// Whether the process may have changed it.
    pub fn is_writable(&self) -> bool {
        self.flags & 2 != 0
    }

    /// Whether it holds code.
    pub fn is_executable(&self) -> bool {
        self.flags & 1 != 0
    }
}

/// A PT_TLS segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TlsSegment {
    /// `p_vaddr`.
    pub address: FileAddr,
    /// `p_memsz`, in bytes.
    pub memory_size: u64,
    /// `p_align`, in bytes.
    pub align: u64,
}

/// A section header, for both classes.
struct Section {
    name: u32,
    kind: u32,
    flags: u64,
    address: u64,
    offset: u64,
    size: u64,
    link: u32,
    content: OnceLock<Option<&'static [u8]>>,
}

/// A program header that is not PT_LOAD but of use here.
struct Segment {
    kind: u32,
    address: u64,
    offset: u64,
    file_size: u64,
    memory_size: u64,
    align: u64,
}

/// An opened ELF file, 32- or 64-bit, little-endian.
pub struct ElfFile {
    path: PathBuf,
    bytes: &'static [u8],
    is_64: bool,
    kind: ElfKind,
    machine: u16,
    entry: FileAddr,
    header_size: usize,
    program_headers_end: usize,
    loads: Vec<Load>,
    segments: Vec<Segment>,
    sections: Vec<Section>,
    section_names: &'static [u8],
    build_id: OnceLock<Option<&'static [u8]>>,
    /// `None` for a file in memory.
    stamp: Option<FileStamp>,
    problems: Mutex<Vec<String>>,
}

impl ElfFile {
    /// Maps and opens a file. Only its headers are read.
    pub fn open(path: &Path) -> Result<ElfFile, ModuleError> {
        let bytes = crate::mapped::map(path);
        let bytes = bytes.map_err(|source| ModuleError::Io { path: path.to_owned(), source })?;
        Ok(ElfFile { stamp: FileStamp::of(path), ..ElfFile::parse(path, bytes)? })
    }

    /// Opens a file that is in memory: the vDSO out of a core, a MiniDebugInfo file. `label` stands for its path.
    pub fn from_bytes(label: &str, bytes: &'static [u8]) -> Result<ElfFile, ModuleError> {
        ElfFile::parse(Path::new(label), bytes)
    }

    fn parse(path: &Path, bytes: &'static [u8]) -> Result<ElfFile, ModuleError> {
        let problem = match bytes.get(..6) {
            Some([0x7f, b'E', b'L', b'F', 2, 1]) => match ElfFile::read::<elf::FileHeader64<LittleEndian>>(path, bytes)
            {
                Ok(file) => return Ok(file),
                Err(error) => error.to_string(),
            },
            Some([0x7f, b'E', b'L', b'F', 1, 1]) => match ElfFile::read::<elf::FileHeader32<LittleEndian>>(path, bytes)
            {
                Ok(file) => return Ok(file),
                Err(error) => error.to_string(),
            },
            Some([0x7f, b'E', b'L', b'F', _, 2]) => "a big-endian ELF file, which is not supported".to_owned(),
            Some([0x7f, b'E', b'L', b'F', ..]) => "an ELF file of an unknown class".to_owned(),
            None if bytes.is_empty() => "an empty file".to_owned(),
            _ => "not an ELF file".to_owned(),
        };
        Err(ModuleError::NotElf { path: path.to_owned(), problem })
    }

    fn read<H: FileHeader<Endian = LittleEndian>>(path: &Path, bytes: &'static [u8]) -> Result<ElfFile, object::Error> {
        let e = LittleEndian;
        let header = H::parse(bytes)?;
        let mut problems = Vec::new();
        // A file whose end is lost has no section headers (they come last) but is still of use.
        let program_headers = header.program_headers(e, bytes).unwrap_or_else(|error| {
            problems.push(format!("program headers: {error}"));
            &[]
        });
        let section_headers = header.section_headers(e, bytes).unwrap_or_else(|error| {
            problems.push(format!("section headers: {error}"));
            &[]
        });
        if program_headers.len() > MOST_SEGMENTS || section_headers.len() > MOST_SECTIONS {
            problems.push("more headers than any linker writes; the rest is left out".to_owned());
        }
        let mut loads = Vec::new();
        let mut segments = Vec::new();
        for segment in program_headers.iter().take(MOST_SEGMENTS) {
            let kind = segment.p_type(e).0;
            let (address, offset) = (segment.p_vaddr(e).into(), segment.p_offset(e).into());
            let file_size = segment.p_filesz(e).into();
            if kind == elf::PT_LOAD.0 {
                let memory_size = segment.p_memsz(e).into();
                let flags = segment.p_flags(e).0;
                loads.push(Load { address: FileAddr(address), memory_size, file_size, offset, flags });
            } else if [elf::PT_NOTE.0, elf::PT_DYNAMIC.0, elf::PT_GNU_EH_FRAME.0, elf::PT_TLS.0].contains(&kind) {
                let align = segment.p_align(e).into();
                let memory_size = segment.p_memsz(e).into();
                segments.push(Segment { kind, address, offset, file_size, memory_size, align });
            }
        }
        let sections: Vec<Section> = section_headers
            .iter()
            .take(MOST_SECTIONS)
            .map(|section| Section {
                name: section.sh_name(e),
                kind: section.sh_type(e).0,
                flags: section.sh_flags(e).0,
                address: section.sh_addr(e).into(),
                offset: section.sh_offset(e).into(),
                size: section.sh_size(e).into(),
                link: section.sh_link(e),
                content: OnceLock::new(),
            })
            .collect();
        let names_index = header.section_strings_index(e, bytes).map(|index| index.0).unwrap_or(0);
        let section_names = sections.get(names_index).and_then(|section| range(bytes, section.offset, section.size));
        let kind = match header.e_type(e) {
            elf::ET_EXEC => ElfKind::Executable,
            elf::ET_DYN => ElfKind::Dynamic,
            elf::ET_REL => ElfKind::Relocatable,
            elf::ET_CORE => ElfKind::Core,
            other => ElfKind::Other(other.0),
        };
        Ok(ElfFile {
            path: path.to_owned(),
            bytes,
            is_64: header.is_type_64(),
            kind,
            machine: header.e_machine(e).0,
            entry: FileAddr(header.e_entry(e).into()),
            header_size: size_of::<H>(),
            program_headers_end: (header.e_phoff(e).into() as usize)
                .saturating_add(size_of_val(program_headers))
                .max(size_of::<H>()),
            loads,
            segments,
            sections,
            section_names: section_names.unwrap_or(&[]),
            build_id: OnceLock::new(),
            stamp: None,
            problems: Mutex::new(problems),
        })
    }

    /// The file's path (or the label that stands for it).
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The whole file.
    pub fn file_bytes(&self) -> &'static [u8] {
        self.bytes
    }

    /// The processor; `None` for one that is not supported (x32 too).
    pub fn arch(&self) -> Option<Arch> {
        match (elf::Machine(self.machine), self.is_64) {
            (elf::EM_X86_64, true) => Some(Arch::X86_64),
            (elf::EM_AARCH64, true) => Some(Arch::Aarch64),
            (elf::EM_386, false) => Some(Arch::I386),
            _ => None,
        }
    }

    /// Whether addresses are 8 bytes (ELFCLASS64), not 4.
    pub fn is_64(&self) -> bool {
        self.is_64
    }

    /// `e_type`.
    pub fn kind(&self) -> ElfKind {
        self.kind
    }

    /// Whether it may be loaded anywhere (ET_DYN): a library or a position-independent executable.
    pub fn is_position_independent(&self) -> bool {
        self.kind == ElfKind::Dynamic
    }

    /// `e_entry`.
    pub fn entry(&self) -> FileAddr {
        self.entry
    }

    /// The PT_LOAD segments, in the file's order (ascending by address, as the gABI asks).
    pub fn loads(&self) -> &[Load] {
        &self.loads
    }

    /// The file header, as it is also in memory at the start of the first mapping.
    pub fn header_bytes(&self) -> &'static [u8] {
        self.bytes.get(..self.header_size).unwrap_or(self.bytes)
    }

    /// One past the last byte of the program headers (which follow the file header), in bytes from the file's start.
    pub fn program_headers_end(&self) -> usize {
        self.program_headers_end
    }

    /// What was wrong with the file so far: broken headers, sections that could not be decompressed.
    pub fn problems(&self) -> Vec<String> {
        self.problems.lock().map(|problems| problems.clone()).unwrap_or_default()
    }

    fn add_problem(&self, problem: String) {
        if let Ok(mut problems) = self.problems.lock()
            && problems.len() < 64
        {
            problems.push(problem);
        }
    }

    /// The build-id (NT_GNU_BUILD_ID), from a note section or a PT_NOTE segment.
    pub fn build_id(&self) -> Option<&'static [u8]> {
        *self.build_id.get_or_init(|| {
            // Sections first: in a separate debug file the notes are kept, but the program headers' offsets are the
            // stripped file's and lead elsewhere.
            let sections = self.sections.iter().filter(|section| section.kind == elf::SHT_NOTE.0);
            let sections = sections.filter_map(|section| range(self.bytes, section.offset, section.size));
            let segments = self.segments.iter().filter(|segment| segment.kind == elf::PT_NOTE.0);
            let segments = segments.filter_map(|segment| range(self.bytes, segment.offset, segment.file_size));
            sections.chain(segments).find_map(find_build_id)
        })
    }

    /// What Breakpad identifies a file without a build-id by: the first 4096 bytes of `.text`, sixteen at a time, by
    /// exclusive or (src/common/linux/file_id.cc, HashElfTextSection).
    pub fn code_hash(&self) -> Option<[u8; 16]> {
        let text = self.sections_named(".text").next()?;
        // The last sixteen may reach beyond the section.
        let hashed = text.size.min(4096).next_multiple_of(16);
        let rest = range(self.bytes, text.offset, (self.bytes.len() as u64).saturating_sub(text.offset))?;
        let mut hash = [0u8; 16];
        for chunk in rest.get(..usize::try_from(hashed).ok()?)?.chunks_exact(16) {
            hash.iter_mut().zip(chunk).for_each(|(hash, byte)| *hash ^= byte);
        }
        Some(hash)
    }

    /// A section's bytes, decompressed where it is compressed, or `None` where it is absent, without content
    /// (SHT_NOBITS), empty or broken ([`ElfFile::problems`] says then). `.debug_info` also finds `.zdebug_info`.
    /// Sections of one name in an object file are joined, as a linker would (type units of a `.dwo` come so).
    pub fn section(&self, name: &str) -> Option<&'static [u8]> {
        let mut found = self.sections_named(name).filter(|section| section.kind != elf::SHT_NOBITS.0);
        let first = found.next();
        let Some(first) = first else {
            let old = format!(".z{}", name.strip_prefix('.').filter(|name| name.starts_with("debug_"))?);
            let section = self.sections_named(&old).find(|section| section.kind != elf::SHT_NOBITS.0)?;
            return *section.content.get_or_init(|| self.old_compressed(section, &old));
        };
        let rest: Vec<&Section> = if self.kind == ElfKind::Relocatable { found.collect() } else { Vec::new() };
        *first.content.get_or_init(|| {
            if rest.is_empty() {
                return self.content(first, name);
            }
            let parts = std::iter::once(first).chain(rest).filter_map(|section| self.content(section, name));
            let joined: Vec<u8> = parts.flatten().copied().collect();
            (!joined.is_empty()).then(|| leak(joined))
        })
    }

    /// Where a section is loaded (`sh_addr`), content or not.
    pub fn section_address(&self, name: &str) -> Option<FileAddr> {
        self.sections_named(name).next().map(|section| FileAddr(section.address))
    }

    /// Whether a section's content is compressed, so that reading it costs time and memory.
    pub fn is_compressed(&self, name: &str) -> bool {
        match self.sections_named(name).find(|section| section.kind != elf::SHT_NOBITS.0) {
            Some(section) => section.flags & elf::SHF_COMPRESSED.0 != 0,
            None => {
                name.strip_prefix('.').is_some_and(|rest| self.sections_named(&format!(".z{rest}")).next().is_some())
            }
        }
    }

    /// A place in the cache for what is made of this very file.
    pub fn kept(&self, name: &str) -> Option<CachedSection> {
        CachedSection::of_any_size(self.build_id(), self.stamp.as_ref(), name)
    }

    /// Whether reading the section means to inflate it: it is compressed, and no earlier run left it inflated.
    pub fn must_inflate(&self, name: &str) -> bool {
        if !self.is_compressed(name) {
            return false;
        }
        let bytes = self.sections_named(name).find_map(|section| range(self.bytes, section.offset, section.size));
        let parts = bytes.and_then(|bytes| section_parts(bytes, self.is_64).ok());
        let cached =
            parts.and_then(|(_, size, _)| CachedSection::new(self.build_id(), self.stamp.as_ref(), name, size));
        !cached.is_some_and(|cached| cached.exists())
    }

    /// Whether the section is there with content, without reading it.
    pub fn has_section(&self, name: &str) -> bool {
        let has = |name: &str| self.sections_named(name).any(|s| s.kind != elf::SHT_NOBITS.0 && s.size != 0);
        has(name) || name.strip_prefix('.').is_some_and(|rest| rest.starts_with("debug_") && has(&format!(".z{rest}")))
    }

    /// Whether the file itself has DWARF units.
    pub fn has_dwarf(&self) -> bool {
        self.has_section(".debug_info")
    }

    /// The symbol table section of that type (`SHT_SYMTAB` 2, `SHT_DYNSYM` 11) and its strings. A file without section
    /// headers has the dynamic symbols that its dynamic section names.
    pub fn symbol_section(&self, kind: u32) -> Option<(&'static [u8], &'static [u8])> {
        if self.sections.is_empty() && kind == elf::SHT_DYNSYM.0 {
            return super::dynamic::symbols(self);
        }
        let section = self.sections.iter().find(|section| section.kind == kind)?;
        let strings = self.sections.get(section.link as usize)?;
        let symbols = *section.content.get_or_init(|| self.content(section, "symbol table"));
        let strings = *strings.content.get_or_init(|| self.content(strings, "symbol strings"));
        Some((symbols?, strings.unwrap_or(&[])))
    }

    /// Name and address of the file with the debug information, and its CRC-32 (`.gnu_debuglink`: the name, NUL,
    /// padding to 4 bytes, the CRC as 4 bytes).
    pub fn debuglink(&self) -> Option<(String, u32)> {
        let bytes = self.section(".gnu_debuglink")?;
        let end = memchr::memchr(0, bytes)?;
        let name = std::str::from_utf8(&bytes[..end]).ok().filter(|name| !name.is_empty())?;
        let crc_at = (end + 4) & !3;
        let crc = bytes.get(crc_at..crc_at + 4)?.try_into().ok()?;
        Some((name.to_owned(), u32::from_le_bytes(crc)))
    }

    /// Path and build-id of the supplementary file that `dwz` moved common parts to (`.gnu_debugaltlink`: the path,
    /// NUL, the build-id up to the end; DWARF 5's `.debug_sup`: version, flag, the path, NUL, ULEB length, the id).
    pub fn debugaltlink(&self) -> Option<(String, Vec<u8>)> {
        if let Some(bytes) = self.section(".gnu_debugaltlink") {
            let end = memchr::memchr(0, bytes)?;
            let name = std::str::from_utf8(&bytes[..end]).ok().filter(|name| !name.is_empty())?;
            return Some((name.to_owned(), bytes[end + 1..].to_vec()));
        }
        let bytes = self.section(".debug_sup")?;
        // DWARF 5, section 7.3.6: uhalf version (5), ubyte is_supplementary, string, uleb length, checksum.
        let (&[5, 0, 0], rest) = bytes.split_first_chunk::<3>()? else { return None };
        let end = memchr::memchr(0, rest)?;
        let name = std::str::from_utf8(&rest[..end]).ok().filter(|name| !name.is_empty())?;
        let (&length, id) = rest[end + 1..].split_first()?;
        let id = id.get(..usize::from(length)).filter(|_| length < 0x80)?;
        Some((name.to_owned(), id.to_vec()))
    }

    /// The file's bytes from an address on, to the end of the segment's content.
    pub fn bytes_at(&self, address: FileAddr) -> Option<&'static [u8]> {
        self.loads.iter().find_map(|load| {
            let into = address.0.checked_sub(load.address.0).filter(|into| *into < load.file_size)?;
            range_lenient(self.bytes, load.offset.checked_add(into)?, load.file_size - into)
        })
    }

    /// Content and address of the first segment of that type (PT_DYNAMIC 2, PT_GNU_EH_FRAME, PT_TLS 7).
    pub fn segment(&self, kind: u32) -> Option<(&'static [u8], FileAddr)> {
        let segment = self.segments.iter().find(|segment| segment.kind == kind)?;
        Some((range(self.bytes, segment.offset, segment.file_size)?, FileAddr(segment.address)))
    }

    /// Address, bytes in memory and alignment of every segment of that type.
    pub fn segments(&self, kind: u32) -> impl Iterator<Item = (FileAddr, u64, u64)> {
        let of_kind = self.segments.iter().filter(move |segment| segment.kind == kind);
        of_kind.map(|segment| (FileAddr(segment.address), segment.memory_size, segment.align))
    }

    /// The thread-local segment (PT_TLS): the image of each thread's block.
    pub fn tls(&self) -> Option<TlsSegment> {
        let segment = self.segments.iter().find(|segment| segment.kind == elf::PT_TLS.0)?;
        let address = FileAddr(segment.address);
        Some(TlsSegment { address, memory_size: segment.memory_size, align: segment.align })
    }

    /// Sections that are in memory while the program runs: name, address, size.
    pub fn allocated_sections(&self) -> impl Iterator<Item = (&str, FileAddr, u64)> {
        let allocated =
            self.sections.iter().filter(|section| section.flags & elf::SHF_ALLOC.0 != 0 && section.size != 0);
        allocated.filter_map(|section| {
            let rest = self.section_names.get(section.name as usize..)?;
            let name = rest.get(..memchr::memchr(0, rest)?)?;
            Some((std::str::from_utf8(name).ok()?, FileAddr(section.address), section.size))
        })
    }

    /// The section that the address is in.
    pub fn section_at(&self, address: FileAddr) -> Option<&str> {
        let holds = |start: FileAddr, size: u64| address.0.checked_sub(start.0).is_some_and(|offset| offset < size);
        // The thread-local template has no place of its own after it: .tbss overlaps what follows.
        let mut all = self.allocated_sections().filter(|(name, ..)| *name != ".tbss");
        all.find(|(_, start, size)| holds(*start, *size)).map(|(name, ..)| name)
    }

    fn sections_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Section> {
        self.sections.iter().filter(move |section| {
            let at = self.section_names.get(section.name as usize..);
            at.and_then(|rest| rest.strip_prefix(name.as_bytes())).is_some_and(|rest| rest.first() == Some(&0))
        })
    }

    fn content(&self, section: &Section, name: &str) -> Option<&'static [u8]> {
        if section.kind == elf::SHT_NOBITS.0 || section.size == 0 {
            return None;
        }
        let Some(bytes) = range(self.bytes, section.offset, section.size) else {
            self.add_problem(format!("section {name} lies outside of the file"));
            return None;
        };
        if section.flags & elf::SHF_COMPRESSED.0 == 0 {
            return Some(bytes);
        }
        match section_parts(bytes, self.is_64) {
            Ok((compression, claimed, data)) => {
                let cached = CachedSection::new(self.build_id(), self.stamp.as_ref(), name, claimed);
                if let Some(bytes) = cached.as_ref().and_then(CachedSection::load) {
                    return Some(bytes);
                }
                let bytes = self.decompressed(name, decompress(compression, data, claimed))?;
                if let Some(cached) = cached {
                    cached.store(bytes);
                }
                Some(bytes)
            }
            Err(problem) => self.decompressed(name, Err(problem.into_owned())),
        }
    }

    fn old_compressed(&self, section: &Section, name: &str) -> Option<&'static [u8]> {
        let bytes = self.content(section, name)?;
        let Some((header, data)) = bytes.split_first_chunk::<12>().filter(|(header, _)| header.starts_with(b"ZLIB"))
        else {
            return self.decompressed(name, Err("has no ZLIB header".to_owned()));
        };
        let claimed = header[4..].iter().fold(0u64, |size, byte| size << 8 | u64::from(*byte));
        self.decompressed(name, decompress(Compression::Zlib, data, claimed))
    }

    fn decompressed(&self, name: &str, result: Result<Vec<u8>, String>) -> Option<&'static [u8]> {
        match result {
            Ok(bytes) => Some(leak(bytes)),
            Err(problem) => {
                self.add_problem(format!("compressed section {name}: {problem}"));
                None
            }
        }
    }
}

/// NT_GNU_BUILD_ID (3) of owner `GNU`. Notes are `namesz`, `descsz`, `type`, then name and content, each padded to 4
/// bytes (some producers pad to 8 in notes of alignment 8, which no build-id note has).
fn find_build_id(mut notes: &'static [u8]) -> Option<&'static [u8]> {
    while let Some((header, rest)) = notes.split_first_chunk::<12>() {
        let word =
            |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]) as usize;
        let (name_size, size, kind) = (word(0), word(4), word(8));
        let content_at = name_size.checked_next_multiple_of(4)?;
        let content = rest.get(content_at..content_at.checked_add(size)?)?;
        if kind == 3 && rest.get(..name_size) == Some(b"GNU\0") && (1..=LONGEST_BUILD_ID).contains(&size) {
            return Some(content);
        }
        notes = rest.get(content_at.checked_add(size.checked_next_multiple_of(4)?)?..)?;
    }
    None
}

fn range(bytes: &'static [u8], offset: u64, size: u64) -> Option<&'static [u8]> {
    let start = usize::try_from(offset).ok()?;
    bytes.get(start..start.checked_add(usize::try_from(size).ok()?)?)
}

/// Like [`range`], cut at the file's end.
fn range_lenient(bytes: &'static [u8], offset: u64, size: u64) -> Option<&'static [u8]> {
    let rest = bytes.get(usize::try_from(offset).ok()?..)?;
    Some(&rest[..rest.len().min(usize::try_from(size).unwrap_or(usize::MAX))])
}

fn leak(bytes: Vec<u8>) -> &'static [u8] {
    Box::leak(bytes.into_boxed_slice())
}

#[cfg(test)]
#[path = "elf_file_tests.rs"]
mod tests;
