//! ELF headers as a loaded module has them in the process's memory, or a file on disk.

use object::LittleEndian;
use object::elf;
use object::read::elf::{FileHeader, NoteIterator, ProgramHeader};

use crate::addr::{Bias, FileAddr, RunAddr};
use crate::arch::Arch;
use crate::memory::Memory;

/// Program headers of a module, at most. Real ones have a dozen.
const MAX_PROGRAM_HEADERS: usize = 1024;
/// Bytes of a note segment that are looked at.
const MAX_NOTE_BYTES: u64 = 64 << 10;
/// A build-id is 20 bytes, or 16, or whatever `--build-id=0x…` said.
const MAX_BUILD_ID: usize = 64;

/// Bytes of a path (Linux's PATH_MAX).
const MAX_PATH: usize = 4096;

/// A PT_LOAD header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// `p_offset`.
    pub offset: u64,
    /// `p_vaddr`.
    pub address: FileAddr,
    /// `p_filesz`.
    pub file_size: u64,
    /// `p_memsz`.
    pub memory_size: u64,
    /// Whether PF_X is set.
    pub executable: bool,
}

/// What the headers of a module say.
#[derive(Clone, Debug, Default)]
pub struct ElfHeaders {
    /// `e_entry`.
    pub entry: FileAddr,
    /// Whether it is linked at a fixed address (ET_EXEC).
    pub fixed: bool,
    /// In the table's order.
    pub loads: Vec<Load>,
    /// PT_DYNAMIC: address and size.
    pub dynamic: Option<(FileAddr, u64)>,
    /// PT_INTERP: address and size.
    pub interpreter: Option<(FileAddr, u64)>,
    /// PT_INTERP's string, where the headers are a file's.
    interpreter_in_file: Option<String>,
    /// PT_PHDR's address.
    pub own_headers: Option<FileAddr>,
    /// PT_NOTE: address, size, alignment.
    notes: Vec<(FileAddr, u64, u64)>,
}

/// Why there are no headers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoHeaders {
    /// The bytes there are something else.
    NotElf,
    /// The bytes are not at hand.
    Missing,
}

impl ElfHeaders {
    /// The headers of the ELF file that begins at `start` in memory.
    pub fn in_memory(memory: &dyn Memory, arch: Arch, start: RunAddr) -> Result<ElfHeaders, NoHeaders> {
        ElfHeaders::read(arch, |offset, length| memory.read_vec(start.checked_add(offset)?, length).ok())
    }

    /// The headers of a file.
    pub fn of_file(bytes: &[u8], arch: Arch) -> Result<ElfHeaders, NoHeaders> {
        let slice = |offset: u64, length: usize| {
            let start = usize::try_from(offset).ok()?;
            bytes.get(start..start.checked_add(length)?)
        };
        let mut headers = ElfHeaders::read(arch, |offset, length| slice(offset, length).map(<[u8]>::to_vec))?;
        headers.interpreter_in_file = headers.interpreter.and_then(|(address, size)| {
            let load = headers
                .loads
                .iter()
                .find(|load| load.address <= address && address.0 - load.address.0 < load.file_size)?;
            let offset = load.offset.checked_add(address.0 - load.address.0)?;
            let path = slice(offset, size.min(MAX_PATH as u64) as usize)?.split(|byte| *byte == 0).next()?;
            Some(String::from_utf8_lossy(path).into_owned())
        });
        Ok(headers)
    }

    fn read(arch: Arch, read: impl Fn(u64, usize) -> Option<Vec<u8>>) -> Result<ElfHeaders, NoHeaders> {
        match arch.address_size() {
            4 => ElfHeaders::read_as::<elf::FileHeader32<LittleEndian>>(arch, read),
            _ => ElfHeaders::read_as::<elf::FileHeader64<LittleEndian>>(arch, read),
        }
    }

    fn read_as<Elf: FileHeader<Endian = LittleEndian>>(
        arch: Arch,
        read: impl Fn(u64, usize) -> Option<Vec<u8>>,
    ) -> Result<ElfHeaders, NoHeaders> {
        if read(0, 4).ok_or(NoHeaders::Missing)? != b"\x7fELF" {
            return Err(NoHeaders::NotElf);
        }
        let start = read(0, size_of::<Elf>()).ok_or(NoHeaders::Missing)?;
        let header = Elf::parse(start.as_slice()).map_err(|_| NoHeaders::NotElf)?;
        let machine = match arch {
            Arch::X86_64 => elf::EM_X86_64,
            Arch::Aarch64 => elf::EM_AARCH64,
            Arch::I386 => elf::EM_386,
        };
        let kind = header.e_type(LittleEndian);
        let table = (header.e_phoff(LittleEndian).into(), usize::from(header.e_phnum(LittleEndian)));
        let entry_size = size_of::<Elf::ProgramHeader>();
        if header.e_machine(LittleEndian) != machine
            || !matches!(kind, elf::ET_EXEC | elf::ET_DYN)
            || usize::from(header.e_phentsize(LittleEndian)) != entry_size
            || !(1..=MAX_PROGRAM_HEADERS).contains(&table.1)
        {
            return Err(NoHeaders::NotElf);
        }
        let table = read(table.0, table.1 * entry_size).ok_or(NoHeaders::Missing)?;
        let mut headers = ElfHeaders::of_table(arch, &table);
        headers.entry = FileAddr(header.e_entry(LittleEndian).into());
        headers.fixed = kind == elf::ET_EXEC;
        Ok(headers)
    }

    /// What a table of program headers alone says.
    pub fn of_table(arch: Arch, table: &[u8]) -> ElfHeaders {
        match arch.address_size() {
            4 => ElfHeaders::of_table_as::<elf::ProgramHeader32<LittleEndian>>(table),
            _ => ElfHeaders::of_table_as::<elf::ProgramHeader64<LittleEndian>>(table),
        }
    }

    fn of_table_as<Header: ProgramHeader<Endian = LittleEndian>>(table: &[u8]) -> ElfHeaders {
        let mut headers = ElfHeaders::default();
        let count = (table.len() / size_of::<Header>()).min(MAX_PROGRAM_HEADERS);
        let Ok((table, _)) = object::pod::slice_from_bytes::<Header>(table, count) else { return headers };
        for header in table {
            let address = FileAddr(header.p_vaddr(LittleEndian).into());
            let memory_size = header.p_memsz(LittleEndian).into();
            let (offset, file_size) = header.file_range(LittleEndian);
            match header.p_type(LittleEndian) {
                elf::PT_LOAD => headers.loads.push(Load {
                    offset,
                    address,
                    file_size,
                    memory_size,
                    executable: header.p_flags(LittleEndian).0 & elf::PF_X.0 != 0,
                }),
                elf::PT_DYNAMIC => headers.dynamic = Some((address, memory_size)),
                elf::PT_INTERP => headers.interpreter = Some((address, memory_size)),
                elf::PT_PHDR => headers.own_headers = Some(address),
                elf::PT_NOTE => headers.notes.push((address, memory_size, header.p_align(LittleEndian).into())),
                _ => {}
            }
        }
        headers
    }

    /// The bias that puts offset `offset` of the file at `start`. First the PT_LOAD that begins on that page, then
    /// one that covers it.
    ///
    /// ```text
    /// bias = start - (p_vaddr - p_offset + offset)
    /// ```
    pub fn bias(&self, start: RunAddr, offset: u64, page: u64) -> Option<Bias> {
        let begins = |load: &&Load| page_floor(load.offset, page) == offset;
        let covers = |load: &&Load| {
            page_floor(load.offset, page) <= offset && offset < load.offset.saturating_add(load.file_size)
        };
        let load = self.loads.iter().find(begins).or_else(|| self.loads.iter().find(covers))?;
        Some(Bias(start.0.wrapping_sub(load.address.0.wrapping_sub(load.offset).wrapping_add(offset))))
    }

    /// First page and one past the last byte of all PT_LOADs in the process, the end rounded up to a page. `None`
    /// without any, or where they cannot be.
    pub fn extent(&self, bias: Bias, page: u64) -> Option<(RunAddr, RunAddr)> {
        let loads = self.loads.iter().filter(|load| load.memory_size > 0);
        let first = loads.clone().map(|load| load.address.0).min()?;
        let last = loads.map(|load| load.address.0.saturating_add(load.memory_size)).max()?;
        let size = page_ceil(last, page)?.checked_sub(page_floor(first, page))?;
        let start = FileAddr(page_floor(first, page)).to_run(bias);
        Some((start, start.checked_add(size)?))
    }

    /// The build-id (NT_GNU_BUILD_ID of owner `GNU`), read from memory.
    pub fn build_id(&self, memory: &dyn Memory, bias: Bias) -> Option<Vec<u8>> {
        self.notes.iter().find_map(|(address, size, alignment)| {
            let length = (*size).min(MAX_NOTE_BYTES) as usize;
            let content = memory.read_vec(address.to_run(bias), length).ok()?;
            let alignment: u64 = if *alignment == 8 { 8 } else { 4 };
            let notes = NoteIterator::<elf::FileHeader64<LittleEndian>>::new(LittleEndian, alignment, &content).ok()?;
            let found = notes
                .map_while(Result::ok)
                .find(|note| note.name() == elf::ELF_NOTE_GNU && note.n_type(LittleEndian) == elf::NT_GNU_BUILD_ID)?;
            let id = found.desc();
            (!id.is_empty() && id.len() <= MAX_BUILD_ID).then(|| id.to_vec())
        })
    }

    /// The interpreter's path, read from the file where that was read, else from memory.
    pub fn interpreter_path(&self, memory: &dyn Memory, bias: Bias) -> Option<String> {
        if let Some(path) = &self.interpreter_in_file {
            return Some(path.clone());
        }
        let (address, _) = self.interpreter?;
        let (path, whole) = memory.read_c_string(address.to_run(bias), MAX_PATH).ok()?;
        whole.then(|| String::from_utf8_lossy(&path).into_owned())
    }
}

/// The start of the page. `page` is a power of two.
pub fn page_floor(address: u64, page: u64) -> u64 {
    address & !(page - 1)
}

/// The start of the next page, or the address where it is one.
pub fn page_ceil(address: u64, page: u64) -> Option<u64> {
    Some(page_floor(address.checked_add(page - 1)?, page))
}
