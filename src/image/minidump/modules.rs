//! What a minidump says of modules, mappings and memory.

use minidump_common::format::{
    CvSignature, MINIDUMP_MEMORY_DESCRIPTOR, MINIDUMP_MEMORY_DESCRIPTOR64, MINIDUMP_MEMORY_INFO, MINIDUMP_MODULE,
    MINIDUMP_STREAM_TYPE as Kind, MINIDUMP_THREAD, MemoryProtection, MemoryState,
};
use scroll::ctx::SizeWith;
use scroll::{LE, Pread};

use super::streams::Streams;
use crate::image::elf_core::Held;
use crate::image::proc_text::{self, MapLine};
use crate::order::Order;

/// Mappings and pieces of memory that are taken from one file.
const MAX_ENTRIES: usize = 1 << 20;
/// Modules: each may name the same long string.
const MAX_MODULES: usize = 1 << 14;
/// A build-id is 20 bytes, or 16, or whatever `--build-id=0x…` said.
const MAX_BUILD_ID: usize = 64;

/// A module as the file lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedModule {
    /// Where its ELF header was.
    pub start: u64,
    /// One past the last address that the file gives it.
    pub end: u64,
    /// Its path.
    pub path: String,
    /// Its build-id, or the first 16 bytes of what identifies it (see `partial`).
    pub build_id: Option<Vec<u8>>,
    /// A GUID's 16 bytes alone: the build-id's first, or Breakpad's hash of the code where the file has no build-id.
    pub partial: bool,
}

/// The modules, ascending, and where the first of the file's list begins, which is the program.
pub fn listed(streams: &mut Streams) -> (Vec<ListedModule>, Option<u64>) {
    let raw: Vec<MINIDUMP_MODULE> = streams.list(Kind::ModuleListStream);
    let mut modules: Vec<ListedModule> = Vec::new();
    for module in raw.iter().take(MAX_MODULES) {
        let start = module.base_of_image;
        let Some(end) = start.checked_add(module.size_of_image.into()).filter(|end| *end > start) else { continue };
        let path = streams.string(module.module_name_rva.into()).unwrap_or_else(|| format!("[elf@{start:#x}]"));
        let (build_id, partial) = identity(streams.at(&module.cv_record));
        modules.push(ListedModule { start, end, path, build_id, partial });
    }
    let program = modules.first().map(|module| module.start);
    modules.order_by_key(|module| module.start);
    modules.dedup_by_key(|module| module.start);
    for index in 1..modules.len() {
        modules[index - 1].end = modules[index - 1].end.min(modules[index].start);
    }
    (modules, program)
}

/// The build-id in a CodeView record: `BpEL` has it whole; `RSDS` has a GUID whose bytes in memory are its first 16
/// (Breakpad's linux minidump_writer.cc before 2016, Crashpad's module_snapshot_elf.cc).
fn identity(record: &[u8]) -> (Option<Vec<u8>>, bool) {
    let Ok(signature) = record.pread_with::<u32>(0, LE) else { return (None, false) };
    let (id, partial) = if signature == CvSignature::Elf as u32 {
        (record.get(4..), false)
    } else if signature == CvSignature::Pdb70 as u32 {
        (record.get(4..20), true)
    } else {
        (None, false)
    };
    let id = id.filter(|id| !id.is_empty() && id.len() <= MAX_BUILD_ID && id.iter().any(|byte| *byte != 0));
    (id.map(<[u8]>::to_vec), partial)
}

/// What was mapped.
pub struct Ranges {
    /// Ascending, not overlapping. Without a list of mappings, the modules as if mapped in one piece.
    pub all: Vec<MapLine>,
    /// Whether they are all of the process's.
    pub complete: bool,
}

/// The mappings: `/proc/PID/maps`, else Crashpad's list of them, else the modules.
pub fn ranges(streams: &mut Streams, modules: &[ListedModule]) -> Ranges {
    let text = streams.stream(Kind::LinuxMaps).unwrap_or_default();
    let mut all = proc_text::maps(&String::from_utf8_lossy(text));
    let mut complete = !all.is_empty();
    if all.is_empty() {
        all = memory_info(streams);
        complete = !all.is_empty();
        // A protection alone has no file: where a module is, it is the module's.
        for line in &mut all {
            let index = modules.partition_point(|module| module.start <= line.start).checked_sub(1);
            let module = index.and_then(|index| modules.get(index)).filter(|module| line.start < module.end);
            line.path = module.map(|module| module.path.clone());
        }
        all.retain(|line| line.path.is_none());
    }
    separate(&mut all);
    for module in modules {
        let first = all.partition_point(|line| line.end <= module.start);
        let free = all.get(first).is_none_or(|line| line.start >= module.end);
        // The vDSO has no file: Breakpad calls it linux-gate.so, others by its soname or as the kernel does.
        let is_vdso = ["[", "linux-gate.so", "linux-vdso"].iter().any(|name| module.path.starts_with(name));
        if free && !is_vdso {
            let path = Some(module.path.clone());
            all.insert(first, MapLine { start: module.start, end: module.end, flags: 0, offset: 0, path });
        }
    }
    all.truncate(MAX_ENTRIES);
    Ranges { all, complete }
}

fn separate(lines: &mut Vec<MapLine>) {
    lines.order_by_key(|line| line.start);
    for index in 1..lines.len() {
        lines[index - 1].end = lines[index - 1].end.min(lines[index].start);
    }
    lines.retain(|line| line.start < line.end);
}

/// MemoryInfoListStream: a header says how large it is and each entry.
fn memory_info(streams: &mut Streams) -> Vec<MapLine> {
    let bytes = streams.stream(Kind::MemoryInfoListStream).unwrap_or_default();
    let word = |at: usize| bytes.pread_with::<u32>(at, LE).map(|word| word as usize);
    let (Ok(header), Ok(size), Ok(count)) = (word(0), word(4), bytes.pread_with::<u64>(8, LE)) else {
        return Vec::new();
    };
    if size < MINIDUMP_MEMORY_INFO::size_with(&LE) {
        return Vec::new();
    }
    let entries = bytes.get(header..).unwrap_or_default().chunks_exact(size);
    let line = |entry: &[u8]| {
        let info: MINIDUMP_MEMORY_INFO = entry.pread_with(0, LE).ok()?;
        let end = info.base_address.checked_add(info.region_size)?;
        let free = info.state & MemoryState::MEM_FREE.bits() != 0;
        let flags = flags(MemoryProtection::from_bits_truncate(info.protection));
        (!free && end > info.base_address).then_some(MapLine {
            start: info.base_address,
            end,
            flags,
            offset: 0,
            path: None,
        })
    };
    entries.take(usize::try_from(count).unwrap_or(usize::MAX).min(MAX_ENTRIES)).filter_map(line).collect()
}

/// PF_ flags.
fn flags(protection: MemoryProtection) -> u32 {
    use MemoryProtection as P;
    match protection & P::ACCESS_MASK {
        P::PAGE_READONLY => 4,
        P::PAGE_READWRITE | P::PAGE_WRITECOPY => 6,
        P::PAGE_EXECUTE => 1,
        P::PAGE_EXECUTE_READ => 5,
        P::PAGE_EXECUTE_READWRITE | P::PAGE_EXECUTE_WRITECOPY => 7,
        _ => 0,
    }
}

/// The memory that the file holds: both lists and the threads' stacks, ascending and apart.
pub fn memory(streams: &mut Streams) -> Vec<Held> {
    let length = streams.bytes().len() as u64;
    let mut found: Vec<Held> = Vec::new();
    let mut add = |start: u64, size: u64, offset: u64| {
        if size > 0 && found.len() < MAX_ENTRIES && start.checked_add(size).is_some() {
            found.push(Held { start, size, offset });
        }
    };
    let descriptors: Vec<MINIDUMP_MEMORY_DESCRIPTOR> = streams.list(Kind::MemoryListStream);
    let stacks: Vec<MINIDUMP_THREAD> = streams.list(Kind::ThreadListStream);
    for piece in descriptors.iter().chain(stacks.iter().map(|thread| &thread.stack)) {
        add(piece.start_of_memory_range, piece.memory.data_size.into(), piece.memory.rva.into());
    }
    // Memory64List: the number, where the first one's bytes are, then address and size of each; their bytes follow
    // each other.
    let whole = streams.stream(Kind::Memory64ListStream).unwrap_or_default();
    if let (Ok(count), Ok(mut offset)) = (whole.pread_with::<u64>(0, LE), whole.pread_with::<u64>(8, LE)) {
        let entries = whole.get(16..).unwrap_or_default().chunks_exact(16);
        streams.cut |= (entries.len() as u64) < count;
        for entry in entries.take(usize::try_from(count).unwrap_or(usize::MAX)) {
            let Ok(piece) = entry.pread_with::<MINIDUMP_MEMORY_DESCRIPTOR64>(0, LE) else { break };
            add(piece.start_of_memory_range, piece.data_size, offset);
            let Some(next) = offset.checked_add(piece.data_size) else { break };
            offset = next;
        }
    }
    // Of two that overlap, the later one in memory gives way, as far as the other reaches.
    found.order_by_key(|piece| (piece.start, std::cmp::Reverse(piece.size)));
    let mut apart: Vec<Held> = Vec::with_capacity(found.len());
    for mut piece in found {
        let reached = apart.last().map_or(0, |last| last.start + last.size);
        let skipped = reached.saturating_sub(piece.start);
        if skipped >= piece.size {
            continue;
        }
        piece.start += skipped;
        piece.size -= skipped;
        piece.offset = piece.offset.saturating_add(skipped);
        streams.cut |= piece.offset.saturating_add(piece.size) > length;
        apart.push(piece);
    }
    apart
}
