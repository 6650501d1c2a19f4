//! The target's memory and code as the rest sees them: the core, and behind it the modules' own files.

use std::sync::{Arc, OnceLock};

use super::record::ReadSet;
use crate::addr::{FileAddr, RunAddr};
use crate::image::{Image, Mapping};
use crate::memory::{Memory, MissingReason, ReadAs, ReadError};
use crate::module::Module;
use crate::module::go_table::GoFrame;
use crate::module::program::Program;
use crate::unwind::{CodeMap, CodeModule};

/// Zeros, as many as are lent at once.
static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

type FileBytes = Vec<(RunAddr, &'static [u8])>;

/// A core's memory, and behind it what the modules' files say of the bytes that the core did not save.
///
/// The core always wins. A file supplies only what the process cannot have changed, and only where it is known to be
/// the one that ran: segments that are not writable, and the zeros of a writable one (.bss) where its mapping was never
/// written. The kernel saves every private mapping that was (linux `fs/coredump.c`, `vma_dump_size`), unless the program
/// asked for the contrary (MADV_DONTDUMP); gdb takes these for zeros too. Nothing else fills holes.
pub struct ProcessMemory {
    core: Arc<dyn Memory>,
    program: Arc<Program>,
    /// Mappings of no file of which the core, that has others, has nothing: (start, end), ascending.
    unwritten: Vec<(u64, u64)>,
    /// A module's file bytes, found when first needed.
    backing: Vec<OnceLock<FileBytes>>,
    /// What was read, where it is to be remembered.
    recorded: OnceLock<ReadSet>,
    /// What it was read for, where that is to be remembered: [`ReadAs`] in order.
    roles: OnceLock<[ReadSet; 3]>,
}

impl ProcessMemory {
    /// Over a core and its modules.
    pub fn new(image: &Image, program: Arc<Program>) -> ProcessMemory {
        let backing = program.modules.iter().map(|_| OnceLock::new()).collect();
        let (core, unwritten) = (Arc::new(image.memory.clone()), unwritten(image));
        ProcessMemory { core, program, unwritten, backing, recorded: OnceLock::new(), roles: OnceLock::new() }
    }
}

/// The mappings that may be taken for never written: not those of a snapshot, a minidump or a copy of a live process,
/// which leave out as they like,
/// and none where nothing that was written was saved either.
fn unwritten(image: &Image) -> Vec<(u64, u64)> {
    let nameless = || image.mappings.iter().filter(|mapping| mapping.file.is_none() && mapping.flags & 2 != 0);
    let leaves_out = image.snapshot.is_some() || image.minidump.is_some() || image.pause.is_some();
    if leaves_out || nameless().all(|mapping| mapping.saved == 0) {
        return Vec::new();
    }
    let empty = nameless().filter(|mapping| mapping.saved == 0);
    empty.map(|mapping| (mapping.start.0, mapping.end.0)).collect()
}

impl Memory for ProcessMemory {
    fn piece(&self, address: RunAddr, limit: usize) -> Result<&[u8], ReadError> {
        let piece = self.unrecorded(address, limit)?;
        if let Some(recorded) = self.recorded.get() {
            recorded.add(address, piece.len());
        }
        Ok(piece)
    }

    fn window(&self, address: RunAddr, limit: usize) -> Result<&[u8], ReadError> {
        self.unrecorded(address, limit)
    }

    fn used(&self, address: RunAddr, length: usize) {
        if let Some(recorded) = self.recorded.get() {
            recorded.add(address, length);
        }
    }

    fn noted(&self, address: RunAddr, length: usize, role: ReadAs) {
        if let Some(roles) = self.roles.get() {
            roles[role as usize].add(address, length);
        }
    }

    fn read_c_string(&self, address: RunAddr, limit: usize) -> Result<(Vec<u8>, bool), ReadError> {
        // The limit is far more than the string.
        let (bytes, ended) = Unrecorded(self).read_c_string(address, limit)?;
        if let Some(recorded) = self.recorded.get() {
            recorded.add(address, bytes.len() + usize::from(ended));
        }
        self.noted(address, bytes.len(), ReadAs::Text);
        Ok((bytes, ended))
    }
}

/// Reads that leave no trace.
struct Unrecorded<'a>(&'a ProcessMemory);

impl Memory for Unrecorded<'_> {
    fn piece(&self, address: RunAddr, limit: usize) -> Result<&[u8], ReadError> {
        self.0.unrecorded(address, limit)
    }
}

impl ProcessMemory {
    /// From now on remembers what is read.
    pub fn record(&self) -> &ReadSet {
        self.recorded.get_or_init(ReadSet::default)
    }

    /// From now on remembers what for.
    pub fn record_roles(&self) {
        self.roles.get_or_init(Default::default);
    }

    /// What was read for that, where it was remembered.
    pub fn role(&self, role: ReadAs) -> Option<&ReadSet> {
        Some(&self.roles.get()?[role as usize])
    }

    fn unrecorded(&self, address: RunAddr, limit: usize) -> Result<&[u8], ReadError> {
        let missing = match self.core.piece(address, limit) {
            Ok(piece) => return Ok(piece),
            Err(missing) => missing,
        };
        let Some(module) = self.program.modules.at(address) else { return Err(missing) };
        if let Some(zeros) = self.zeros(module, address, limit).filter(|_| missing.reason == MissingReason::NotSaved) {
            return Ok(zeros);
        }
        let Some(backing) = self.backing.get(module.id.0 as usize) else { return Err(missing) };
        for (start, bytes) in backing.get_or_init(|| module.backing()) {
            let inside = address.0.checked_sub(start.0).and_then(|inside| usize::try_from(inside).ok());
            let rest = inside.and_then(|inside| bytes.get(inside..)).unwrap_or_default();
            if rest.is_empty() {
                continue;
            }
            let mut length = rest.len().min(limit);
            // Where the core goes on with bytes of its own, those count.
            if length > 1 {
                length = self.until_saved(address, length);
            }
            return Ok(&rest[..length]);
        }
        Err(missing)
    }
}

impl ProcessMemory {
    /// What a module's zeros are at an address in a mapping that was never written.
    fn zeros(&self, module: &Module, address: RunAddr, limit: usize) -> Option<&'static [u8]> {
        let index = self.unwritten.partition_point(|(start, _)| *start <= address.0).checked_sub(1)?;
        let (_, end) = self.unwritten.get(index).filter(|(_, end)| address.0 < *end)?;
        let (_, zeros_end) = module.zeros().into_iter().find(|(from, to)| *from <= address && address < *to)?;
        let length = zeros_end.0.min(*end) - address.0;
        ZEROS.get(..usize::try_from(length).unwrap_or(usize::MAX).min(limit).min(ZEROS.len()))
    }

    /// How many of `length` bytes from an unsaved address on are to the next page border: cores save whole pages.
    fn until_saved(&self, address: RunAddr, length: usize) -> usize {
        let to_border = 4096 - (address.0 % 4096) as usize;
        if length <= to_border {
            return length;
        }
        let mut end = to_border;
        while end < length {
            let next = address.checked_add(end as u64);
            let unsaved = next.is_some_and(|next| {
                matches!(self.core.piece(next, 1), Err(ReadError { reason, .. }) if reason != MissingReason::Unmapped)
            });
            if !unsaved {
                break;
            }
            end += 4096;
        }
        end.min(length)
    }
}

/// Which addresses are code, and the call frame information of the modules that they are in.
pub struct ExecutableCode {
    program: Arc<Program>,
    /// (start, end, PF_X set) of mappings whose flags are known, ascending.
    mappings: Vec<(u64, u64, bool)>,
}

impl ExecutableCode {
    /// Over the target's mappings.
    pub fn new(program: Arc<Program>, mappings: &[Mapping]) -> ExecutableCode {
        let known = mappings.iter().filter(|mapping| mapping.flags != 0);
        let mappings = known.map(|mapping| (mapping.start.0, mapping.end.0, mapping.flags & 1 != 0)).collect();
        ExecutableCode { program, mappings }
    }

    /// `None` where no mapping says.
    fn flag(&self, address: RunAddr) -> Option<bool> {
        let after = self.mappings.partition_point(|(start, ..)| *start <= address.0);
        let (_, end, executable) = self.mappings.get(after.checked_sub(1)?)?;
        (address.0 < *end).then_some(*executable)
    }

    fn in_code_of(&self, module: &Module, address: RunAddr) -> bool {
        self.flag(address).unwrap_or_else(|| {
            let here = module.to_file(address);
            module.file().is_none_or(|file| {
                file.loads().iter().any(|load| {
                    load.is_executable() && here.0 >= load.address.0 && here.0 - load.address.0 < load.memory_size
                })
            })
        })
    }
}

impl ExecutableCode {
    /// Whether `address` is in one of these functions of Go's runtime. Only Go's modules pay for the look-up.
    fn is_go_symbol(&self, address: RunAddr, names: &[&[u8]]) -> bool {
        let Some(module) = self.program.modules.at(address).filter(|module| module.is_go()) else { return false };
        let symbol = module.symbols().lookup(module.to_file(address));
        symbol.is_some_and(|symbol| names.contains(&symbol.name.strip_suffix(b".abi0").unwrap_or(symbol.name)))
    }
}

impl CodeMap for ExecutableCode {
    fn code_at(&self, address: RunAddr) -> Option<CodeModule> {
        let module = self.program.modules.at(address)?;
        if !self.in_code_of(module, address) {
            return None;
        }
        let cfi = module.cfi();
        Some(CodeModule {
            key: module.id.0,
            bias: module.bias(),
            eh_frame: cfi.eh_frame,
            eh_frame_hdr: cfi.eh_frame_hdr,
            text: cfi.text,
            got: cfi.got,
        })
    }

    fn debug_frame(&self, key: u32) -> Option<&'static [u8]> {
        self.program.modules.get(crate::module::ModuleId(key))?.cfi().debug_frame
    }

    fn go_frame(&self, key: u32, address: FileAddr) -> Option<GoFrame> {
        let module = self.program.modules.get(crate::module::ModuleId(key))?;
        let table = module.go_table()?;
        GoFrame::of(module.file()?.arch()?, table.stack_delta(address)?)
    }

    fn is_start(&self, address: RunAddr) -> bool {
        let module = self.program.modules.at(address);
        let symbol = module.and_then(|module| module.symbols().lookup(module.to_file(address)));
        symbol.is_some_and(|symbol| symbol.name == b"_start")
    }

    fn function_start(&self, address: RunAddr) -> Option<RunAddr> {
        let module = self.program.modules.at(address)?;
        let here = module.to_file(address);
        let symbol = module.symbols().lookup(here)?;
        let is_inside = here.0.checked_sub(symbol.address.0).is_some_and(|into| into < symbol.size);
        is_inside.then(|| module.to_run(symbol.address))
    }

    fn is_executable(&self, address: RunAddr) -> bool {
        self.flag(address).unwrap_or_else(|| self.code_at(address).is_some())
    }

    fn is_outermost(&self, address: RunAddr) -> bool {
        // Go's assembly has no call frame information that says so.
        self.is_go_symbol(address, &[b"runtime.goexit", b"runtime.mstart", b"runtime.rt0_go"])
    }

    fn is_injected(&self, address: RunAddr) -> bool {
        self.is_go_symbol(address, &[b"runtime.sigpanic", b"runtime.asyncPreempt", b"runtime.debugCallV2"])
    }
}
