//! ELF cores: file header, segments and the memory that they hold.
//!
//! Accepted: little-endian ET_CORE of x86-64, aarch64 and i386, from Linux, gcore, gdb and qemu-user. Whatever a
//! truncated core lost is missing with its reason: segments beyond the file's end
//! ([`Truncated`](crate::memory::MissingReason::Truncated)), notes and program headers that were cut (a [`Note`]).
//!
//! Only headers and notes are touched when a core is opened, however large it is.

use std::path::Path;

use object::LittleEndian;
use object::elf;
use object::read::ReadRef;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};

use crate::addr::RunAddr;
use crate::arch::Arch;
pub use crate::image::core_memory::{CoreMemory, Source};
use crate::image::core_memory::{FlaggedSegment, Segment, gaps, without_overlaps};
use crate::image::notes::{self, CoreNotes, FileRange};
use crate::image::snapshot::relative::Place;
use crate::image::{Image, ImageError, Mapping, MemoryTags, Note, Origin, auxv};
use crate::memory::Memory;

/// PT_AARCH64_MEMTAG_MTE (Linux, uapi/linux/elf.h, 5.18).
const MEMORY_TAGS: u32 = 0x7000_0002;

/// What is known of a core beside its bytes.
#[derive(Default)]
struct Known {
    /// Who has the memory, where the bytes have not.
    source: Option<Source>,
    /// What was mapped, ascending and apart; what the segments and NT_FILE say where `None`.
    mappings: Option<Vec<Mapping>>,
}

/// A piece of the process's memory, and where in the file its bytes are.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// First address.
    pub start: u64,
    /// Bytes, more than 0.
    pub size: u64,
    /// Offset in the file of the first.
    pub offset: u64,
}

/// The content of a note segment, as much of it as the file has.
#[derive(Clone, Copy, Debug)]
pub struct NoteSegment {
    /// The notes.
    pub content: &'static [u8],
    /// `p_align`.
    pub align: u64,
}

/// Takes a core's bytes apart. `notes` are what was odd so far.
pub fn parse(path: &Path, bytes: &'static [u8], notes: Vec<Note>) -> Result<Image, ImageError> {
    parse_any(path, bytes, notes, Known::default())
}

/// The same of a core of which another record says what was mapped (ascending and apart), where it is given.
pub fn parse_mapped(
    path: &Path,
    bytes: &'static [u8],
    mappings: Option<Vec<Mapping>>,
    notes: Vec<Note>,
) -> Result<Image, ImageError> {
    parse_any(path, bytes, notes, Known { source: None, mappings })
}

/// The same of a core's beginning that holds its headers and notes; `source` has the memory.
pub fn parse_beginning(
    path: &Path,
    bytes: &'static [u8],
    source: Source,
    mappings: Option<Vec<Mapping>>,
    notes: Vec<Note>,
) -> Result<Image, ImageError> {
    parse_any(path, bytes, notes, Known { source: Some(source), mappings })
}

/// Where the headers and notes of a core end, as far as its first bytes tell: more may be needed to say it. None where
/// they are no core's.
pub fn end_of_notes(bytes: &[u8]) -> Option<u64> {
    match identify(bytes).ok()? {
        Arch::I386 => end_of_notes_as::<elf::FileHeader32<LittleEndian>>(bytes),
        Arch::X86_64 | Arch::Aarch64 => end_of_notes_as::<elf::FileHeader64<LittleEndian>>(bytes),
    }
}

fn end_of_notes_as<Elf: FileHeader<Endian = LittleEndian>>(bytes: &[u8]) -> Option<u64> {
    let header = Elf::parse(bytes).ok()?;
    let mut count = u64::from(header.e_phnum(LittleEndian));
    if count == u64::from(elf::PN_XNUM) {
        let section = header.e_shoff(LittleEndian).into();
        match header.section_0(LittleEndian, bytes) {
            Ok(Some(section)) => count = section.sh_info(LittleEndian).into(),
            _ => return u64::checked_add(section, size_of::<Elf::SectionHeader>() as u64),
        }
    }
    let table = header.e_phoff(LittleEndian).into();
    let end = count.checked_mul(size_of::<Elf::ProgramHeader>() as u64).and_then(|size| size.checked_add(table))?;
    let Ok(headers) = bytes.read_slice_at::<Elf::ProgramHeader>(table, usize::try_from(count).ok()?) else {
        return Some(end);
    };
    let notes = headers.iter().filter(|header| header.p_type(LittleEndian) == elf::PT_NOTE);
    let ends = notes.map(|header| header.file_range(LittleEndian)).map(|(offset, size)| offset.checked_add(size));
    ends.chain([Some(end)]).try_fold(0, |last, end| Some(last.max(end?)))
}

/// Where in the file the memory of a 64-bit core is, ascending by offset, of its beginning. None where it has no such
/// table.
pub fn places(beginning: &[u8]) -> Option<Vec<Place>> {
    let header = elf::FileHeader64::<LittleEndian>::parse(beginning).ok()?;
    let headers = program_headers(header, beginning, &mut Vec::new());
    let segments = headers.iter().filter(|header| header.p_type(LittleEndian) == elf::PT_LOAD);
    let mut places: Vec<Place> = segments
        .map(|header| {
            let (offset, size) = header.file_range(LittleEndian);
            Place { offset, size, address: header.p_vaddr(LittleEndian) }
        })
        .filter(|place| place.size > 0)
        .collect();
    // Mostly in order already, which the stable sort makes use of.
    places.sort_by_key(|place| place.offset);
    // Each byte is of one piece, so that reading them all takes no longer than the file is.
    let mut end = 0;
    places.retain(|place| {
        let is_apart = place.offset >= end;
        if is_apart {
            end = place.offset.saturating_add(place.size);
        }
        is_apart
    });
    Some(places)
}

fn parse_any(path: &Path, bytes: &'static [u8], notes: Vec<Note>, known: Known) -> Result<Image, ImageError> {
    let not_a_core = |problem| ImageError::NotACore { path: path.to_owned(), problem };
    let arch = identify(bytes).map_err(not_a_core)?;
    let result = match arch {
        Arch::I386 => parse_as::<elf::FileHeader32<LittleEndian>>(path, bytes, arch, notes, known),
        Arch::X86_64 | Arch::Aarch64 => parse_as::<elf::FileHeader64<LittleEndian>>(path, bytes, arch, notes, known),
    };
    result.map_err(|error| not_a_core(format!("has a damaged ELF header: {error}")))
}

/// The architecture of a core that can be read, or what the file is instead.
fn identify(bytes: &[u8]) -> Result<Arch, String> {
    if bytes.is_empty() {
        return Err("is empty".into());
    }
    if !bytes.starts_with(b"\x7fELF") {
        return Err(match bytes {
            [b'#', b'!', ..] => "is a script, not a core",
            [b'B', b'Z', b'h', ..] => "is compressed with bzip2: decompress it first (gzip, zstd, xz and lz4 are read)",
            [0xfe, 0xed, 0xfa, 0xce | 0xcf, ..] | [0xce | 0xcf, 0xfa, 0xed, 0xfe, ..] => {
                "is a Mach-O file, not an ELF core"
            }
            [b'M', b'Z', ..] => "is a Windows program, not a core",
            _ => "is no ELF file, so no core",
        }
        .into());
    }
    // e_ident: class at 4, data at 5; e_type at 16, e_machine at 18 in the file's own byte order.
    let Some(head) = bytes.get(..20) else { return Err("is cut within its ELF header".into()) };
    let big_endian = head[5] == elf::ELFDATA2MSB.0;
    let half = |at: usize| {
        let pair = [head[at], head[at + 1]];
        if big_endian { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
    };
    let wide = head[4] == elf::ELFCLASS64.0;
    let machine = elf::Machine(half(18));
    let (name, arch) = match machine {
        elf::EM_X86_64 if wide => ("x86-64".to_owned(), Some(Arch::X86_64)),
        elf::EM_X86_64 => ("x32 (x86-64 with 32-bit pointers)".into(), None),
        elf::EM_AARCH64 if wide && !big_endian => ("aarch64".into(), Some(Arch::Aarch64)),
        elf::EM_AARCH64 if wide => ("big-endian aarch64".into(), None),
        elf::EM_AARCH64 => ("aarch64 with 32-bit pointers".into(), None),
        elf::EM_386 => ("i386".into(), Some(Arch::I386)),
        elf::EM_ARM => ("32-bit Arm".into(), None),
        elf::EM_PPC | elf::EM_PPC64 => ("PowerPC".into(), None),
        elf::EM_S390 => ("s390".into(), None),
        elf::EM_RISCV => ("RISC-V".into(), None),
        elf::EM_MIPS => ("MIPS".into(), None),
        elf::EM_SPARC | elf::EM_SPARC32PLUS | elf::EM_SPARCV9 => ("SPARC".into(), None),
        elf::EM_LOONGARCH => ("LoongArch".into(), None),
        elf::Machine(number) => (format!("machine {number}"), None),
    };
    let article = if name.starts_with(['a', 'i', 'x']) { "an" } else { "a" };
    let kind = match elf::FileType(half(16)) {
        elf::ET_CORE => None,
        elf::ET_EXEC => Some("executable"),
        elf::ET_DYN => Some("executable or shared library"),
        elf::ET_REL => Some("object file"),
        _ => Some("ELF file of an unknown kind"),
    };
    if let Some(kind) = kind {
        return Err(format!("is {article} {name} {kind}, not a core"));
    }
    arch.ok_or_else(|| format!("is a core of {name}; cores of x86-64, aarch64 and i386 can be read"))
}

fn parse_as<Elf: FileHeader<Endian = LittleEndian>>(
    path: &Path,
    bytes: &'static [u8],
    arch: Arch,
    mut warnings: Vec<Note>,
    known: Known,
) -> Result<Image, object::read::Error> {
    let header = Elf::parse(bytes)?;
    let headers = program_headers(header, bytes, &mut warnings);
    let length = match &known.source {
        Some(Source::Packed(frames)) => frames.length() as u64,
        _ => bytes.len() as u64,
    };
    let mut note_segments = Vec::new();
    let mut segments = Vec::with_capacity(headers.len());
    let mut lost = 0;
    let mut memory_tags = Vec::new();
    for header in headers {
        let (offset, file_size) = header.file_range(LittleEndian);
        let held = length.saturating_sub(offset).min(file_size);
        match header.p_type(LittleEndian) {
            elf::PT_NOTE => {
                lost += u64::from(held < file_size);
                let range = (offset.min(length) as usize, held as usize);
                let content = bytes.get(range.0..range.0 + range.1).unwrap_or_default();
                note_segments.push(NoteSegment { content, align: header.p_align(LittleEndian).into() });
            }
            elf::PT_LOAD => {
                let start: u64 = header.p_vaddr(LittleEndian).into();
                let size: u64 = header.p_memsz(LittleEndian).into();
                // No byte at the very end of the address space: one past it would have no address.
                let size = size.max(file_size).min(u64::MAX - start);
                let held = if matches!(known.source, Some(Source::Process(_))) { file_size } else { held };
                let segment = Segment {
                    size,
                    named: file_size.min(size),
                    held: held.min(size),
                    offset: offset.min(length) as usize,
                };
                lost += u64::from(segment.held < segment.named);
                if size > 0 {
                    segments.push((start, segment, header.p_flags(LittleEndian).0));
                }
            }
            kind if kind.0 == MEMORY_TAGS && arch == Arch::Aarch64 => {
                let range = (offset.min(length) as usize, held as usize);
                let content = bytes.get(range.0..range.0 + range.1).unwrap_or_default();
                let start = RunAddr(header.p_vaddr(LittleEndian).into());
                memory_tags.push(MemoryTags { start, bytes: content });
            }
            _ => {}
        }
    }
    if lost > 0 {
        warnings.push(Note {
            code: "core-truncated",
            message: format!(
                "{} is truncated: {lost} of its {} segments are cut or lost",
                path.display(),
                headers.len()
            ),
        });
    }
    let mut image = finish(path, bytes, arch, segments, &note_segments, warnings, known);
    image.memory_tags.extend(memory_tags);
    Ok(image)
}

/// An image of memory that lies in a file of another kind, and of notes that say the rest. `memory` is ascending and
/// apart.
pub fn assemble(
    path: &Path,
    bytes: &'static [u8],
    arch: Arch,
    memory: Vec<Held>,
    notes: &[NoteSegment],
    warnings: Vec<Note>,
) -> Image {
    let length = bytes.len() as u64;
    let segment = |piece: Held| {
        let held = length.saturating_sub(piece.offset).min(piece.size);
        let offset = piece.offset.min(length) as usize;
        (piece.start, Segment { size: piece.size, named: piece.size, held, offset }, 0)
    };
    finish(path, bytes, arch, memory.into_iter().map(segment).collect(), notes, warnings, Known::default())
}

fn finish(
    path: &Path,
    bytes: &'static [u8],
    arch: Arch,
    segments: Vec<FlaggedSegment>,
    note_segments: &[NoteSegment],
    mut warnings: Vec<Note>,
    known: Known,
) -> Image {
    let mut core_notes = notes::read(arch, note_segments, &mut warnings);
    if core_notes.threads.is_empty() {
        let message = match core_notes.other_system {
            Some(system) => format!("{} is a core of {system}: threads are read of Linux's alone", path.display()),
            None => format!("{} holds no thread's registers", path.display()),
        };
        warnings.push(Note { code: "no-threads", message });
    }
    separate_files(&mut core_notes.files);
    let segments = without_overlaps(segments);
    let mappings = known.mappings.unwrap_or_else(|| join(&segments, &core_notes.files));
    // Files that were mapped without being saved, and what a snapshot left out.
    let mapped = mappings.iter().map(|mapping| (mapping.start.0, mapping.end.0));
    let memory = CoreMemory::new(bytes, &segments, mapped, known.source);
    let executable = executable(&core_notes, &memory);
    let CoreNotes { threads, mut process, signal, memory_tags, .. } = core_notes;
    process.executable = executable;
    let raw_notes = note_segments.iter().map(|segment| segment.content).collect();
    Image {
        path: path.to_owned(),
        arch,
        process,
        signal,
        threads,
        mappings,
        memory,
        memory_tags,
        notes: warnings,
        raw_notes,
        snapshot: None,
        origin: Origin::File,
        minidump: None,
        pause: None,
    }
}

/// The program headers that the file has, as many as the header says. More than 65,534 of them are counted in section
/// 0's `sh_info` (gABI, PN_XNUM); where that section is lost, all that lie before the first segment's content count.
fn program_headers<'data, Elf: FileHeader<Endian = LittleEndian>>(
    header: &Elf,
    bytes: &'data [u8],
    warnings: &mut Vec<Note>,
) -> &'data [Elf::ProgramHeader] {
    let entry_size = size_of::<Elf::ProgramHeader>() as u64;
    let offset: u64 = header.e_phoff(LittleEndian).into();
    if offset == 0 || u64::from(header.e_phentsize(LittleEndian)) != entry_size {
        let message = "the core has no program headers that can be read".into();
        warnings.push(Note { code: "no-segments", message });
        return &[];
    }
    let available = (bytes.len() as u64).saturating_sub(offset) / entry_size;
    let mut count = u64::from(header.e_phnum(LittleEndian));
    let mut complete = true;
    if count == u64::from(elf::PN_XNUM) {
        match header.section_0(LittleEndian, bytes) {
            Ok(Some(section)) => count = section.sh_info(LittleEndian).into(),
            _ => {
                // The kernel writes section 0 behind everything else. The first header is PT_NOTE, and its content
                // follows the table.
                let first: Option<&Elf::ProgramHeader> = bytes.read_at(offset).ok();
                let content = first.map_or(0, |first| first.p_offset(LittleEndian).into());
                count = content.saturating_sub(offset) / entry_size;
                complete = false;
            }
        }
    }
    complete &= count <= available;
    if !complete {
        let message = "the core's table of segments is cut: memory and mapped files are missing".into();
        warnings.push(Note { code: "segments-truncated", message });
    }
    bytes.read_slice_at(offset, count.min(available) as usize).unwrap_or_default()
}

/// Sorts by address and cuts each range at the next one's start (they do not overlap in a sound NT_FILE).
fn separate_files(files: &mut Vec<FileRange>) {
    files.sort_by_key(|file| file.start);
    for index in 1..files.len() {
        files[index - 1].end = files[index - 1].end.min(files[index].start);
    }
    files.retain(|file| file.start < file.end);
}

/// The mappings: segments, cut where NT_FILE's ranges begin and end, and NT_FILE's ranges without a segment.
fn join(segments: &[FlaggedSegment], files: &[FileRange]) -> Vec<Mapping> {
    let mut mappings = Vec::with_capacity(segments.len());
    let mut next_file = 0;
    for (start, segment, flags) in segments {
        let end = start + segment.size;
        let mut at = *start;
        while next_file < files.len() && files[next_file].end.0 <= at {
            next_file += 1;
        }
        let mut index = next_file;
        while at < end {
            let file = files.get(index).filter(|file| file.start.0 < end);
            let (to, behind) = match file {
                Some(file) if file.end.0 <= at => {
                    index += 1;
                    continue;
                }
                Some(file) if file.start.0 > at => (file.start.0, None),
                Some(file) => (file.end.0.min(end), Some(file)),
                None => (end, None),
            };
            mappings.push(Mapping {
                start: RunAddr(at),
                end: RunAddr(to),
                flags: *flags,
                saved: segment.held.saturating_sub(at - start).min(to - at),
                file: behind.map(|file| (file.path.to_string(), file.offset.wrapping_add(at - file.start.0))),
            });
            at = to;
        }
    }
    let with_segment = mappings.len();
    for file in files {
        for (start, end) in gaps(segments, file.start.0, file.end.0) {
            let behind = (file.path.to_string(), file.offset.wrapping_add(start - file.start.0));
            mappings.push(Mapping { start: RunAddr(start), end: RunAddr(end), flags: 0, saved: 0, file: Some(behind) });
        }
    }
    if mappings.len() > with_segment {
        mappings.sort_by_key(|mapping| mapping.start);
    }
    mappings
}

/// The program's file: what was mapped where AT_PHDR and AT_ENTRY point, else AT_EXECFN's string.
///
/// The mapped file comes first: it is absolute and free of symbolic links, and it is right for a script, too, whose
/// AT_EXECFN names the script.
fn executable(notes: &CoreNotes, memory: &CoreMemory) -> Option<String> {
    let addresses = [auxv::PHDR, auxv::ENTRY].into_iter().filter_map(|kind| notes.process.auxv(kind));
    let mut mapped = addresses.filter_map(|address| {
        let index = notes.files.partition_point(|file| file.start.0 <= address).checked_sub(1)?;
        notes.files.get(index).filter(|file| address < file.end.0)
    });
    if let Some(file) = mapped.next() {
        return Some(super::modules::without_deleted(&file.path).0.to_owned());
    }
    let name = RunAddr(notes.process.auxv(auxv::EXECFN)?);
    let (bytes, whole) = memory.read_c_string(name, 4096).ok()?;
    (whole && !bytes.is_empty()).then(|| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
#[path = "elf_core_tests.rs"]
mod tests;
