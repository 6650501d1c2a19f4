//! Where the target's bytes and registers come from: an ELF core, a snapshot, which holds one, a minidump, or a process.
//!
//! [`Image::open`] takes a core or a minidump (plain or compressed) apart: threads with their registers, the signal, the mappings
//! and the memory. It knows nothing of symbols. Truncated input is normal: whatever is intact is kept, and
//! [`Image::notes`] says what was lost.

mod container;
mod core_memory;
pub mod dying;
pub mod elf_core;
pub mod elf_in_memory;
pub mod elf_writer;
pub mod environment;
mod link_map;
pub mod live;
pub mod minidump;
pub mod modules;
pub mod note_writer;
mod notes;
mod proc_text;
pub mod signal;
pub mod snapshot;
#[cfg(test)]
pub(crate) mod test_core;

use std::path::{Path, PathBuf};

use crate::addr::{Bias, RunAddr};
use crate::arch::{Arch, Registers};
use crate::mapped;

/// Types of the auxiliary vector's entries (Linux 6.1, include/uapi/linux/auxvec.h).
pub mod auxv {
    /// Address of the program's program headers.
    pub const PHDR: u64 = 3;
    /// Bytes of one of them.
    pub const PHENT: u64 = 4;
    /// Their number.
    pub const PHNUM: u64 = 5;
    /// Bytes of a page.
    pub const PAGESZ: u64 = 6;
    /// Load address of the program's interpreter; 0 without one.
    pub const BASE: u64 = 7;
    /// The program's entry point.
    pub const ENTRY: u64 = 9;
    /// Address of the path that was executed.
    pub const EXECFN: u64 = 31;
    /// Address of the vDSO's ELF header.
    pub const SYSINFO_EHDR: u64 = 33;
}

/// A warning that goes with an answer: `code` is kebab-case and stable, `message` is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Stable, kebab-case.
    pub code: &'static str,
    /// One line for people.
    pub message: String,
}

/// The process as its core describes it.
#[derive(Clone, Debug, Default)]
pub struct ProcessInfo {
    /// Process id (thread group).
    pub pid: Option<u32>,
    /// Parent's id.
    pub ppid: Option<u32>,
    /// Real user id.
    pub uid: Option<u32>,
    /// Real group id.
    pub gid: Option<u32>,
    /// The kernel's short name (`pr_fname`, at most 15 bytes).
    pub name: Option<String>,
    /// The command line (`pr_psargs`, at most 80 bytes).
    pub command: Option<String>,
    /// Path of the executable (AT_EXECFN, or NT_FILE's entry for it), absolute where the core has it so.
    pub executable: Option<String>,
    /// The auxiliary vector as (AT_ type, value).
    pub auxv: Vec<(u64, u64)>,
}

impl ProcessInfo {
    /// The auxiliary vector's entry of this type (see [`auxv`]).
    pub fn auxv(&self, kind: u64) -> Option<u64> {
        self.auxv.iter().find(|(key, _)| *key == kind).map(|(_, value)| *value)
    }
}

/// The signal that ended the process (or a thread's own).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalInfo {
    /// Linux signal number.
    pub number: i32,
    /// `si_code`, where the core has a siginfo.
    pub code: Option<i32>,
    /// `si_addr`, for the signals that have one (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP).
    pub address: Option<RunAddr>,
    /// `si_pid`, for signals that somebody sent.
    pub sender_pid: Option<u32>,
    /// `si_uid`, for signals that somebody sent.
    pub sender_uid: Option<u32>,
}

impl SignalInfo {
    /// `SIGSEGV`; `SIG32` and such where the number has no name.
    pub fn name(&self) -> String {
        crate::image::signal::signal_name(self.number)
    }

    /// `SEGV_MAPERR`, where the code has a name.
    pub fn code_name(&self) -> Option<&'static str> {
        crate::image::signal::code_name(self.number, self.code?)
    }
}

/// One thread as the core has it.
#[derive(Clone, Debug)]
pub struct ThreadState {
    /// The kernel's thread id.
    pub lwp: u32,
    /// The thread's name, where the source has one (a core does not; a live process does).
    pub name: Option<String>,
    /// General registers, thread pointer and wide registers. `pc` and `sp` are set where the core has them.
    pub registers: Registers,
    /// The signal that this thread had, from its own NT_SIGINFO or `pr_cursig`.
    pub signal: Option<SignalInfo>,
    /// The `siginfo_t` behind it as it is in memory, where the core has one.
    pub siginfo: Option<std::sync::Arc<[u8]>>,
    /// Whether the process died through this thread.
    pub crashed: bool,
}

/// One mapping of the process: a PT_LOAD segment, joined with what NT_FILE says of it.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// First address.
    pub start: RunAddr,
    /// One past the last.
    pub end: RunAddr,
    /// PF_R, PF_W, PF_X as in the program header (4, 2, 1); 0 where unknown.
    pub flags: u32,
    /// Bytes of it that the core holds.
    pub saved: u64,
    /// File behind it and the offset in that file of `start`.
    pub file: Option<(String, u64)>,
}

/// A module as the memory shows it, before any file was opened.
#[derive(Clone, Debug)]
pub struct ModuleSeed {
    /// Path in the process (`/usr/lib/libc.so.6`, `[vdso]`).
    pub path: String,
    /// From the note segment in the target's memory (or the core's own record).
    pub build_id: Option<Vec<u8>>,
    /// Added to the file's addresses.
    pub bias: Bias,
    /// From the lowest to one past the highest mapped address.
    pub start: RunAddr,
    /// One past the highest mapped address.
    pub end: RunAddr,
    /// (start, end, offset in the file) of every mapping of the file, ascending.
    pub mapped: Vec<(RunAddr, RunAddr, u64)>,
    /// The program itself, not a library.
    pub is_executable: bool,
    /// The kernel's vDSO: its whole file is in memory.
    pub is_vdso: bool,
    /// `build_id` is only the first 16 bytes of it, or Breakpad's hash of the code (see
    /// [`minidump::ListedModule::partial`]).
    pub id_is_partial: bool,
    /// The file had been deleted or replaced when the process died (NT_FILE's ` (deleted)`), which `path` omits.
    pub deleted: bool,
}

impl ModuleSeed {
    /// The build-id, where all of it is known.
    pub fn whole_build_id(&self) -> Option<&[u8]> {
        self.build_id.as_deref().filter(|_| !self.id_is_partial)
    }
}

/// The tags of one mapping: four bits for each 16 bytes, two of them a byte, the lower half first
/// (PT_AARCH64_MEMTAG_MTE; Linux, Documentation/arch/arm64/memory-tagging-extension.rst, 5.18 and later).
#[derive(Clone, Copy, Debug)]
pub struct MemoryTags {
    /// The mapping's first address.
    pub start: RunAddr,
    /// The tags.
    pub bytes: &'static [u8],
}

/// Bytes that have one tag of memory (arm64's MTE).
pub const TAG_GRANULE: u64 = 16;

/// An opened core.
pub struct Image {
    /// The file.
    pub path: PathBuf,
    /// The processor.
    pub arch: Arch,
    /// What the core says of the process.
    pub process: ProcessInfo,
    /// The signal it died of.
    pub signal: Option<SignalInfo>,
    /// The threads, the crashed one first, then as in the core.
    pub threads: Vec<ThreadState>,
    /// The mappings, ascending, not overlapping.
    pub mappings: Vec<Mapping>,
    /// The bytes that the core holds.
    pub memory: elf_core::CoreMemory,
    /// The tags of memory that has them (arm64's MTE), as far as the core holds them; of a snapshot those around
    /// the fault.
    pub memory_tags: Vec<MemoryTags>,
    /// What was lost or odd in the core.
    pub notes: Vec<Note>,
    /// The core's notes (PT_NOTE) as they are, one segment each.
    pub raw_notes: Vec<&'static [u8]>,
    /// The snapshot that it is, where it is one.
    pub snapshot: Option<std::sync::Arc<snapshot::Snapshot>>,
    /// What it is the image of.
    pub origin: Origin,
    /// What a minidump says beside what cores do, where it is one.
    pub minidump: Option<std::sync::Arc<minidump::Facts>>,
    /// How long a live process stood still for its copy.
    pub pause: Option<std::time::Duration>,
}

/// What an image was made from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// A file: a core or a snapshot.
    File,
    /// This process, which runs on.
    Live(i32),
    /// This process, which dies next.
    Dying(i32),
}

impl Origin {
    /// The process, while it is there.
    pub fn pid(self) -> Option<i32> {
        match self {
            Origin::File => None,
            Origin::Live(pid) | Origin::Dying(pid) => Some(pid),
        }
    }
}

impl Image {
    /// The tag of the memory at an address, whatever the address's own tag, where the core holds it.
    pub fn memory_tag(&self, address: RunAddr) -> Option<u8> {
        let plain = self.arch.strip_pointer(address.0);
        self.memory_tags.iter().find_map(|tags| {
            let granule = plain.checked_sub(tags.start.0)? / TAG_GRANULE;
            let pair = tags.bytes.get(usize::try_from(granule / 2).ok()?)?;
            Some(if granule.is_multiple_of(2) { pair & 15 } else { pair >> 4 })
        })
    }

    /// Opens a snapshot, a live process (`pid:1234`), or a core or a Linux minidump of x86-64, aarch64 or i386, plain
    /// or compressed (gzip, zstd, xz, lz4).
    ///
    /// What is lost with a truncated core's end is said in [`Image::notes`] and by the memory. Errors: the file
    /// cannot be read, is no core, or is the core of another machine.
    pub fn open(path: &Path) -> Result<Image, ImageError> {
        if let Some(pid) = live::process_of(path) {
            mapped::keep_pages_small();
            return live::capture(path, pid);
        }
        let (bytes, notes) = container::load(path)?;
        if snapshot::is_snapshot(bytes) {
            mapped::allow_large_pages();
            return snapshot::open(path, bytes, notes);
        }
        mapped::keep_pages_small();
        if minidump::is_minidump(bytes) {
            return minidump::open(path, bytes, notes);
        }
        elf_core::parse(path, bytes, notes)
    }

    /// `core`, `minidump`, `process`, `handler` (a dying process), or `snapshot`.
    pub fn kind(&self) -> &'static str {
        match () {
            () if self.snapshot.is_some() => "snapshot",
            () if self.minidump.is_some() => "minidump",
            () if matches!(self.origin, Origin::Live(_)) => "process",
            () if matches!(self.origin, Origin::Dying(_)) => "handler",
            () => "core",
        }
    }

    /// Whether the process ran on after it was copied.
    pub fn is_alive(&self) -> bool {
        let of_process = |snapshot: &std::sync::Arc<snapshot::Snapshot>| snapshot.header.capture.source == "process";
        matches!(self.origin, Origin::Live(_)) || self.snapshot.as_ref().is_some_and(of_process)
    }

    /// The mapping at the address.
    pub fn mapping_at(&self, address: RunAddr) -> Option<&Mapping> {
        let index = self.mappings.partition_point(|mapping| mapping.start <= address).checked_sub(1)?;
        self.mappings.get(index).filter(|mapping| address < mapping.end)
    }
}

/// Why a core could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The file could not be read.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A compressed core could not be decompressed into a temporary file.
    #[error("{path}: cannot decompress into {directory} (TMPDIR chooses another place): {source}",
        path = path.display(), directory = directory.display())]
    Spool {
        /// The core.
        path: PathBuf,
        /// Where the temporary file was to be.
        directory: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is something else.
    #[error("{path}: {problem}", path = path.display())]
    NotACore {
        /// The file.
        path: PathBuf,
        /// What it is instead, or what is wrong with it, and what to do.
        problem: String,
    },
}
