//! Builds small cores and ELF headers for tests.

use crate::arch::{Arch, DwarfRegister, SavedWord};

/// A core in the making. Everything is little-endian.
pub struct CoreBuilder {
    arch: Arch,
    notes: Vec<u8>,
    loads: Vec<(u64, u32, Vec<u8>, u64)>,
    /// Put the note segment behind the memory, as gcore does.
    pub notes_last: bool,
    /// Count the program headers in section 0.
    pub counted_in_section: bool,
}

impl CoreBuilder {
    pub fn new(arch: Arch) -> CoreBuilder {
        CoreBuilder { arch, notes: Vec::new(), loads: Vec::new(), notes_last: false, counted_in_section: false }
    }

    pub fn note(mut self, owner: &str, kind: u32, content: &[u8]) -> CoreBuilder {
        for word in [owner.len() as u32 + 1, content.len() as u32, kind] {
            self.notes.extend(word.to_le_bytes());
        }
        self.notes.extend(owner.as_bytes());
        self.notes.push(0);
        self.notes.resize(self.notes.len().next_multiple_of(4), 0);
        self.notes.extend(content);
        self.notes.resize(self.notes.len().next_multiple_of(4), 0);
        self
    }

    fn words(&self, words: &[u64]) -> Vec<u8> {
        let size = self.arch.address_size();
        words.iter().flat_map(|word| word.to_le_bytes()[..size].to_vec()).collect()
    }

    /// NT_PRSTATUS.
    pub fn thread(self, lwp: u32, signal: u16, registers: &[(DwarfRegister, u64)]) -> CoreBuilder {
        let (pid_at, registers_at) = if self.arch.address_size() == 8 { (32, 112) } else { (24, 72) };
        let mut status = vec![0; registers_at];
        status[12..14].copy_from_slice(&signal.to_le_bytes());
        status[pid_at..pid_at + 4].copy_from_slice(&lwp.to_le_bytes());
        let value = |word: &SavedWord| match word {
            SavedWord::General(number) => {
                registers.iter().find(|(other, _)| other == number).map_or(0, |(_, value)| *value)
            }
            SavedWord::Special("fs_base") => 0x7000,
            SavedWord::Special(_) => 0x33,
        };
        let words: Vec<u64> = self.arch.saved_words().iter().map(value).collect();
        status.extend(self.words(&words));
        status.extend([0; 8]);
        self.note("CORE", 1, &status)
    }

    /// NT_SIGINFO of a fault.
    pub fn fault(self, signal: i32, code: i32, address: u64) -> CoreBuilder {
        let mut info = Vec::new();
        for word in [signal, 0, code] {
            info.extend(word.to_le_bytes());
        }
        info.resize(if self.arch.address_size() == 8 { 16 } else { 12 }, 0);
        info.extend(self.words(&[address]));
        info.resize(128, 0);
        self.note("CORE", 0x5349_4749, &info)
    }

    /// NT_AUXV.
    pub fn auxv(self, entries: &[(u64, u64)]) -> CoreBuilder {
        let mut words: Vec<u64> = entries.iter().flat_map(|(kind, value)| [*kind, *value]).collect();
        words.extend([0, 0]);
        let content = self.words(&words);
        self.note("CORE", 6, &content)
    }

    /// NT_FILE: start, end, offset in pages, path.
    pub fn files(self, files: &[(u64, u64, u64, &str)]) -> CoreBuilder {
        let mut words = vec![files.len() as u64, 0x1000];
        words.extend(files.iter().flat_map(|(start, end, page, _)| [*start, *end, *page]));
        let mut content = self.words(&words);
        for (.., path) in files {
            content.extend(path.as_bytes());
            content.push(0);
        }
        self.note("CORE", 0x4649_4c45, &content)
    }

    /// PT_LOAD of `memory_size` bytes of which `bytes` are saved; flags 4 read, 2 write, 1 execute.
    pub fn load(mut self, address: u64, flags: u32, bytes: &[u8], memory_size: u64) -> CoreBuilder {
        self.loads.push((address, flags, bytes.to_vec(), memory_size));
        self
    }

    pub fn build(&self) -> Vec<u8> {
        let wide = self.arch.address_size() == 8;
        let (header_size, entry_size, section_size) = if wide { (64, 56, 64) } else { (52, 32, 40) };
        let count = self.loads.len() + 1;
        let mut at = header_size + entry_size * count;
        if self.counted_in_section {
            at += section_size;
        }
        let data_size: usize = self.loads.iter().map(|(_, _, bytes, _)| bytes.len()).sum();
        let note_at = if self.notes_last { at + data_size } else { at };
        let mut file = elf_header(self.arch, 4, 0, if self.counted_in_section { 0xffff } else { count as u16 });
        let mut data_at = if self.notes_last { at } else { at + self.notes.len() };
        let notes = [4, 0, note_at as u64, 0, self.notes.len() as u64, 0, 4];
        file.extend(program_header(self.arch, notes));
        for (address, flags, bytes, memory_size) in &self.loads {
            let fields = [1, u64::from(*flags), data_at as u64, *address, bytes.len() as u64, *memory_size, 1];
            file.extend(program_header(self.arch, fields));
            data_at += bytes.len();
        }
        if self.counted_in_section {
            let section_at = file.len() as u64;
            let (offset, info) = if wide { (40, 44) } else { (32, 28) };
            let field = if wide { 8 } else { 4 };
            file[offset..offset + field].copy_from_slice(&section_at.to_le_bytes()[..field]);
            let mut section = vec![0; section_size];
            section[info..info + 4].copy_from_slice(&(count as u32).to_le_bytes());
            file.extend(section);
        }
        if !self.notes_last {
            file.extend(&self.notes);
        }
        for (_, _, bytes, _) in &self.loads {
            file.extend(bytes);
        }
        if self.notes_last {
            file.extend(&self.notes);
        }
        file
    }

    /// The core, opened.
    pub fn open(&self) -> crate::image::Image {
        open(self.build())
    }
}

/// Opens the bytes of a core.
pub fn open(bytes: Vec<u8>) -> crate::image::Image {
    crate::image::elf_core::parse(std::path::Path::new("test.core"), bytes.leak(), Vec::new()).unwrap()
}

/// An ELF header whose program headers follow it.
pub fn elf_header(arch: Arch, kind: u16, entry: u64, count: u16) -> Vec<u8> {
    let wide = arch.address_size() == 8;
    let machine: u16 = match arch {
        Arch::X86_64 => 62,
        Arch::Aarch64 => 183,
        Arch::I386 => 3,
    };
    let mut header = vec![0x7f, b'E', b'L', b'F', if wide { 2 } else { 1 }, 1, 1];
    header.resize(16, 0);
    header.extend(kind.to_le_bytes());
    header.extend(machine.to_le_bytes());
    header.extend(1u32.to_le_bytes());
    let word = if wide { 8 } else { 4 };
    let (size, entry_size, section_size): (u16, u16, u16) = if wide { (64, 56, 64) } else { (52, 32, 40) };
    for value in [entry, u64::from(size), 0] {
        header.extend(&value.to_le_bytes()[..word]);
    }
    header.extend(0u32.to_le_bytes());
    for half in [size, entry_size, count, section_size, 0, 0] {
        header.extend(half.to_le_bytes());
    }
    header
}

/// A program header: type, flags, offset, address, size in the file, size in memory, alignment.
pub fn program_header(arch: Arch, fields: [u64; 7]) -> Vec<u8> {
    let [kind, flags, offset, address, file_size, memory_size, alignment] = fields;
    let mut header = Vec::new();
    header.extend((kind as u32).to_le_bytes());
    if arch.address_size() == 8 {
        header.extend((flags as u32).to_le_bytes());
        for value in [offset, address, 0, file_size, memory_size, alignment] {
            header.extend(value.to_le_bytes());
        }
    } else {
        for value in [offset, address, 0, file_size, memory_size, flags, alignment] {
            header.extend((value as u32).to_le_bytes());
        }
    }
    header
}

/// The first page of a module: its headers, and at 0x800 a build-id of the byte `id` repeated.
pub fn module_page(arch: Arch, kind: u16, entry: u64, id: u8, headers: &[[u64; 7]], base: u64) -> Vec<u8> {
    let mut page = elf_header(arch, kind, entry, headers.len() as u16 + 1);
    for header in headers {
        page.extend(program_header(arch, *header));
    }
    page.extend(program_header(arch, [4, 4, 0x800, base + 0x800, 36, 36, 4]));
    page.resize(0x800, 0);
    for word in [4u32, 20, 3] {
        page.extend(word.to_le_bytes());
    }
    page.extend(b"GNU\0");
    page.extend([id; 20]);
    page.resize(0x1000, 0);
    page
}
