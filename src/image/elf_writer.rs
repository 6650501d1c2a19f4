//! ELF files as snapshots hold them: a core of the bytes that are kept, and a small file for each module.
//!
//! Layout: System V gABI, chapters 4 and 5; more than 65,534 segments are counted in section 0 (PN_XNUM).

use object::elf;

use crate::arch::Arch;

/// A program header.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// PT_.
    pub kind: u32,
    /// PF_.
    pub flags: u32,
    /// Offset in the file of its content.
    pub offset: u64,
    /// Address.
    pub address: u64,
    /// Bytes in the file.
    pub file_size: u64,
    /// Bytes in memory.
    pub memory_size: u64,
    /// p_align.
    pub align: u64,
}

/// A section with its content.
pub struct Section {
    /// `.debug_info`.
    pub name: &'static str,
    /// SHT_.
    pub kind: u32,
    /// sh_addr; 0 for what is not loaded.
    pub address: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// sh_link, by name.
    pub link: &'static str,
    /// sh_entsize.
    pub entry_size: u64,
}

/// Words of an ELF class.
struct Words {
    bytes: Vec<u8>,
    wide: bool,
}

impl Words {
    fn half(&mut self, value: u16) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    fn word(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// 8 bytes, 4 in a 32-bit file.
    fn long(&mut self, value: u64) {
        if self.wide { self.bytes.extend_from_slice(&value.to_le_bytes()) } else { self.word(value as u32) }
    }

    fn segment(&mut self, segment: &Segment) {
        self.word(segment.kind);
        if self.wide {
            self.word(segment.flags);
        }
        self.long(segment.offset);
        self.long(segment.address);
        self.long(0);
        self.long(segment.file_size);
        self.long(segment.memory_size);
        if !self.wide {
            self.word(segment.flags);
        }
        self.long(segment.align);
    }

    fn section(&mut self, name: u32, section: &Section, offset: u64, link: u32, info: u32) {
        self.word(name);
        self.word(section.kind);
        self.long(if section.address != 0 { 2 } else { 0 });
        self.long(section.address);
        self.long(offset);
        self.long(section.bytes.len() as u64);
        self.word(link);
        self.word(info);
        self.long(1);
        self.long(section.entry_size);
    }
}

struct Sizes {
    header: usize,
    segment: usize,
    section: usize,
}

fn sizes(wide: bool) -> Sizes {
    if wide { Sizes { header: 64, segment: 56, section: 64 } } else { Sizes { header: 52, segment: 32, section: 40 } }
}

fn machine(arch: Arch) -> elf::Machine {
    match arch {
        Arch::X86_64 => elf::EM_X86_64,
        Arch::Aarch64 => elf::EM_AARCH64,
        Arch::I386 => elf::EM_386,
    }
}

/// The file header. `sections` is offset, number and the index of the names.
fn header(arch: Arch, kind: elf::FileType, entry: u64, segments: usize, sections: (u64, usize, usize)) -> Words {
    let wide = arch.address_size() == 8;
    let mut words = Words { bytes: Vec::new(), wide };
    words.bytes.extend_from_slice(b"\x7fELF");
    words.bytes.extend_from_slice(&[if wide { 2 } else { 1 }, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let sizes = sizes(wide);
    words.half(kind.0);
    words.half(machine(arch).0);
    words.word(1);
    words.long(entry);
    words.long(if segments > 0 { sizes.header as u64 } else { 0 });
    words.long(sections.0);
    words.word(0);
    words.half(sizes.header as u16);
    words.half(sizes.segment as u16);
    words.half(u16::try_from(segments).unwrap_or(u16::MAX));
    words.half(sizes.section as u16);
    words.half(sections.1 as u16);
    words.half(sections.2 as u16);
    words
}

/// A core: the notes, and pieces of memory (address, PF_ flags, bytes), ascending.
pub fn core(arch: Arch, notes: &[u8], pieces: &[(u64, u32, Vec<u8>)]) -> Vec<u8> {
    let segments: Vec<(u64, u32, u64)> =
        pieces.iter().map(|(address, flags, bytes)| (*address, *flags, bytes.len() as u64)).collect();
    let mut bytes = core_beginning(arch, notes, &segments);
    pieces.iter().for_each(|(.., content)| bytes.extend_from_slice(content));
    bytes
}

/// A core up to the end of its notes; memory would follow: pieces by their address, PF_ flags and size.
pub fn core_beginning(arch: Arch, notes: &[u8], segments: &[(u64, u32, u64)]) -> Vec<u8> {
    let order: Vec<usize> = (0..segments.len()).collect();
    core_beginning_in_order(arch, notes, segments, &order).0
}

/// The same where the pieces follow in another order than that of their addresses: `order` holds the index of each
/// once. Gives, too, the offset in the core of each piece.
pub fn core_beginning_in_order(
    arch: Arch,
    notes: &[u8],
    segments: &[(u64, u32, u64)],
    order: &[usize],
) -> (Vec<u8>, Vec<u64>) {
    let wide = arch.address_size() == 8;
    let sizes = sizes(wide);
    let count = segments.len() + 1;
    let many = count >= usize::from(u16::MAX);
    let section_offset = sizes.header + count * sizes.segment;
    let mut offset = (section_offset + if many { sizes.section } else { 0 }) as u64;
    let sections = if many { (section_offset as u64, 1, 0) } else { (0, 0, 0) };
    let mut words = header(arch, elf::ET_CORE, 0, count, sections);
    let note = Segment {
        kind: elf::PT_NOTE.0,
        flags: 0,
        offset,
        address: 0,
        file_size: notes.len() as u64,
        memory_size: 0,
        align: 4,
    };
    words.segment(&note);
    offset += notes.len() as u64;
    let mut offsets = vec![0; segments.len()];
    for index in order {
        let (Some((.., size)), Some(place)) = (segments.get(*index), offsets.get_mut(*index)) else { continue };
        *place = offset;
        offset = offset.saturating_add(*size);
    }
    for ((address, flags, size), offset) in segments.iter().zip(&offsets) {
        let segment = Segment {
            kind: elf::PT_LOAD.0,
            flags: *flags,
            offset: *offset,
            address: *address,
            file_size: *size,
            memory_size: *size,
            align: 1,
        };
        words.segment(&segment);
    }
    if many {
        let none = Section { name: "", kind: 0, address: 0, bytes: Vec::new(), link: "", entry_size: 0 };
        words.section(0, &none, 0, 0, count as u32);
    }
    let mut bytes = words.bytes;
    bytes.extend_from_slice(notes);
    (bytes, offsets)
}

/// A module's file: program headers without content, and sections.
pub fn module(arch: Arch, kind: elf::FileType, entry: u64, segments: &[Segment], sections: &[Section]) -> Vec<u8> {
    let wide = arch.address_size() == 8;
    let sizes = sizes(wide);
    let mut names = vec![0u8];
    let mut name_offsets = Vec::new();
    for name in sections.iter().map(|section| section.name).chain([".shstrtab"]) {
        name_offsets.push(names.len() as u32);
        names.extend_from_slice(name.as_bytes());
        names.push(0);
    }
    let mut offset = (sizes.header + segments.len() * sizes.segment) as u64;
    let mut offsets = Vec::new();
    for section in sections {
        offsets.push(offset);
        offset += section.bytes.len() as u64;
    }
    let names_offset = offset;
    let table = (names_offset + names.len() as u64).next_multiple_of(8);
    let count = sections.len() + 2;
    let mut words = header(arch, kind, entry, segments.len(), (table, count, count - 1));
    segments.iter().for_each(|segment| words.segment(segment));
    sections.iter().for_each(|section| words.bytes.extend_from_slice(&section.bytes));
    words.bytes.extend_from_slice(&names);
    words.bytes.resize(table as usize, 0);
    let none = Section { name: "", kind: 0, address: 0, bytes: Vec::new(), link: "", entry_size: 0 };
    words.section(0, &none, 0, 0, 0);
    for (index, section) in sections.iter().enumerate() {
        let link = sections.iter().position(|other| !section.link.is_empty() && other.name == section.link);
        // The first symbol that is not local: the null symbol alone is.
        let info = u32::from(section.kind == elf::SHT_SYMTAB.0);
        let link = link.map_or(0, |link| link as u32 + 1);
        words.section(name_offsets[index], section, offsets[index], link, info);
    }
    let name_section =
        Section { name: "", kind: elf::SHT_STRTAB.0, address: 0, bytes: names.clone(), link: "", entry_size: 0 };
    words.section(name_offsets[sections.len()], &name_section, names_offset, 0, 0);
    words.bytes
}

/// A symbol to write.
pub struct OutSymbol<'a> {
    /// Linkage name.
    pub name: &'a [u8],
    /// In the file's address space.
    pub address: u64,
    /// In bytes.
    pub size: u64,
    /// STT_.
    pub kind: u8,
    /// Whether other modules see it.
    pub is_global: bool,
}

/// `.symtab` and `.strtab`.
pub fn symbols(arch: Arch, symbols: &[OutSymbol<'_>]) -> [Section; 2] {
    let wide = arch.address_size() == 8;
    let mut words = Words { bytes: Vec::new(), wide };
    let entry_size = if wide { 24 } else { 16 };
    words.bytes.resize(entry_size, 0);
    let mut strings = vec![0u8];
    for symbol in symbols {
        let name = strings.len() as u32;
        strings.extend_from_slice(symbol.name);
        strings.push(0);
        let info = u8::from(symbol.is_global) << 4 | symbol.kind;
        words.word(name);
        if wide {
            words.bytes.extend_from_slice(&[info, 0]);
            words.half(1);
            words.long(symbol.address);
            words.long(symbol.size);
        } else {
            words.long(symbol.address);
            words.long(symbol.size);
            words.bytes.extend_from_slice(&[info, 0]);
            words.half(1);
        }
    }
    let section = |name, kind, bytes, link, entry_size| Section { name, kind, address: 0, bytes, link, entry_size };
    [
        section(".symtab", elf::SHT_SYMTAB.0, words.bytes, ".strtab", entry_size as u64),
        section(".strtab", elf::SHT_STRTAB.0, strings, "", 0),
    ]
}
