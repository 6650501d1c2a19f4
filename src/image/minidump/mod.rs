//! Minidumps of Linux processes, as Breakpad and Crashpad write them.
//!
//! A minidump's memory stays where it is in the file; its threads, process and signal become a core's notes, so that
//! one reader of registers, signals and mappings serves both, and what is made of an opened core (a snapshot, an ELF
//! core) can be made of a minidump. What a core has no place for is in [`Facts`].
//!
//! ```text
//! thread list, exception → NT_PRSTATUS, NT_FPREGSET, NT_SIGINFO     memory lists, stacks → memory
//! /proc/PID/status, cmdline, auxv → NT_PRPSINFO, NT_AUXV            module list, maps    → mappings, NT_FILE
//! ```
//!
//! What minidumps mostly leave out is said where it is asked for: the thread pointer (Breakpad), data and heap.

mod context;
mod modules;
mod streams;
pub mod write;

use std::path::Path;
use std::sync::Arc;

use minidump_common::format::{
    MINIDUMP_EXCEPTION_STREAM, MINIDUMP_MISC_INFO, MINIDUMP_STREAM_TYPE as Kind, MINIDUMP_SYSTEM_INFO, MINIDUMP_THREAD,
    MINIDUMP_THREAD_NAME, PlatformId, ProcessorArchitecture,
};

use self::context::SavedRegisters;
pub use self::modules::ListedModule;
use self::modules::Ranges;
use self::streams::Streams;
pub use self::streams::is_minidump;
use crate::addr::RunAddr;
use crate::arch::Arch;
use crate::image::elf_core::{self, NoteSegment};
use crate::image::note_writer::{self, Notes, Process};
use crate::image::proc_text;
use crate::image::{Image, ImageError, Mapping, Note};
use crate::order::Order;

/// Threads that are taken from one file.
const MAX_THREADS: usize = 1 << 16;
/// Characters of a thread's name; Linux has 15.
const LONGEST_NAME: usize = 64;
/// Strings of the environment or the command line.
const MAX_STRINGS: usize = 1 << 14;
/// NT_386_TLS: what `gs` selects.
const NT_386_TLS: u32 = 0x200;
/// Breakpad's exception code where somebody asked for a dump and nothing had crashed
/// (MD_EXCEPTION_CODE_LIN_DUMP_REQUESTED, minidump_exception_linux.h), and Crashpad's (CrashpadClient's kSimulated).
const DUMP_REQUESTED: [u32; 2] = [0xffff_ffff, 0x0517_a7ed];

/// What a minidump says that a core has no place for.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// When it was written, in seconds since 1970.
    pub time: Option<u64>,
    /// The system: its distribution's name where it is there, and the kernel's version.
    pub system: Option<String>,
    /// The command line.
    pub arguments: Vec<Vec<u8>>,
    /// The environment: `NAME=value`.
    pub environment: Vec<Vec<u8>>,
    /// The modules, ascending by address, the program among them.
    pub modules: Vec<ListedModule>,
    /// Where the program was loaded: writers list it first.
    pub program: Option<u64>,
}

/// Opens a minidump.
pub fn open(path: &Path, bytes: &'static [u8], mut notes: Vec<Note>) -> Result<Image, ImageError> {
    let unusable = |problem: String| ImageError::NotACore { path: path.to_owned(), problem };
    let mut streams = Streams::read(bytes).map_err(unusable)?;
    let arch = identify(&streams).map_err(unusable)?;
    let mut dump = Dump { arch, facts: facts(&streams), saved: Notes::new(arch) };
    let status = text(&streams, Kind::LinuxProcStatus);
    let pid = dump.process(&streams, &status);
    let (listed, program) = modules::listed(&mut streams);
    (dump.facts.modules, dump.facts.program) = (listed, program);
    let ranges = modules::ranges(&mut streams, &dump.facts.modules);
    let files: Vec<(u64, u64, u64, &str)> = ranges
        .all
        .iter()
        .filter_map(|line| Some((line.start, line.end, line.offset, line.path.as_deref()?)))
        .filter(|(.., path)| !path.starts_with('['))
        .collect();
    dump.saved.files(&files);
    let crash = dump.threads(&mut streams, &mut notes);
    let memory = modules::memory(&mut streams);
    if streams.cut {
        let message = format!("{} is truncated: parts of what it names are lost", path.display());
        notes.push(Note { code: "core-truncated", message });
    }
    let content: &'static [u8] = Box::leak(dump.saved.into_bytes().into_boxed_slice());
    let mut image = elf_core::assemble(path, bytes, arch, memory, &[NoteSegment { content, align: 4 }], notes);
    place(&mut image, &ranges);
    name_threads(&mut image, &mut streams);
    image.process.pid = pid;
    if let Some(crash) = crash {
        finish_signal(&mut image, &crash);
    } else {
        image.threads.iter_mut().for_each(|thread| thread.crashed = false);
        image.signal = None;
    }
    if !dump.facts.arguments.is_empty() {
        let command = String::from_utf8_lossy(&dump.facts.arguments.join(&b' ')).into_owned();
        image.process.command = Some(command);
    }
    let program = dump.facts.modules.iter().find(|module| Some(module.start) == dump.facts.program);
    image.process.executable = image.process.executable.take().or_else(|| program.map(|module| module.path.clone()));
    image.minidump = Some(Arc::new(dump.facts));
    Ok(image)
}

/// The architecture of a minidump that can be read, or what it is instead.
fn identify(streams: &Streams) -> Result<Arch, String> {
    use ProcessorArchitecture as Processor;
    let system: MINIDUMP_SYSTEM_INFO = streams
        .structure(Kind::SystemInfoStream)
        .ok_or("is a minidump that does not say of which system it is (no SystemInfo stream, or it is cut)")?;
    let platform = |known: PlatformId| system.platform_id == known as u32;
    if !platform(PlatformId::Linux) && !platform(PlatformId::Android) {
        let of = match system.platform_id {
            1..=4 => "Windows".to_owned(),
            0x8101 => "macOS".to_owned(),
            0x8102 => "iOS".to_owned(),
            0x8202 => "Solaris".to_owned(),
            0x8206 => "Fuchsia".to_owned(),
            number => format!("an unknown system ({number:#x})"),
        };
        return Err(format!("is a minidump of {of}; only those of Linux can be read"));
    }
    let processor = |known: Processor| system.processor_architecture == known as u16;
    if processor(Processor::PROCESSOR_ARCHITECTURE_AMD64) {
        return Ok(Arch::X86_64);
    }
    if processor(Processor::PROCESSOR_ARCHITECTURE_ARM64) || processor(Processor::PROCESSOR_ARCHITECTURE_ARM64_OLD) {
        return Ok(Arch::Aarch64);
    }
    if processor(Processor::PROCESSOR_ARCHITECTURE_INTEL) {
        return Ok(Arch::I386);
    }
    let of = match system.processor_architecture {
        1 | 0x8004 => "MIPS".to_owned(),
        3 | 0x8002 => "PowerPC".to_owned(),
        5 => "32-bit Arm".to_owned(),
        0x8001 => "SPARC".to_owned(),
        0x8005 | 0x8006 => "RISC-V".to_owned(),
        number => format!("an unknown processor ({number:#x})"),
    };
    Err(format!("is a minidump of {of}; those of x86-64, aarch64 and i386 can be read"))
}

fn text(streams: &Streams, kind: Kind) -> String {
    String::from_utf8_lossy(streams.stream(kind).unwrap_or_default()).into_owned()
}

fn strings(streams: &Streams, kind: Kind) -> Vec<Vec<u8>> {
    let content = streams.stream(kind).unwrap_or_default();
    let content = content.strip_suffix(&[0]).unwrap_or(content);
    if content.is_empty() {
        return Vec::new();
    }
    content.split(|byte| *byte == 0).take(MAX_STRINGS).map(<[u8]>::to_vec).collect()
}

fn facts(streams: &Streams) -> Facts {
    let release = text(streams, Kind::LinuxLsbRelease);
    // lsb-release(1)'s file, or os-release(5).
    let distribution = ["DISTRIB_DESCRIPTION", "PRETTY_NAME"].iter().find_map(|key| {
        let value = release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
        Some(value.trim().trim_matches('"').to_owned()).filter(|value| !value.is_empty())
    });
    let system: Option<MINIDUMP_SYSTEM_INFO> = streams.structure(Kind::SystemInfoStream);
    let kernel = system.and_then(|system| streams.string(system.csd_version_rva.into()));
    let parts: Vec<String> = distribution.into_iter().chain(kernel).collect();
    Facts {
        time: streams.time,
        system: (!parts.is_empty()).then(|| parts.join(", ")),
        arguments: strings(streams, Kind::LinuxCmdLine),
        environment: strings(streams, Kind::LinuxEnviron),
        modules: Vec::new(),
        program: None,
    }
}

/// What is put together before there is an image.
struct Dump {
    arch: Arch,
    facts: Facts,
    saved: Notes,
}

/// The signal as the exception stream has it.
struct Crash {
    number: i32,
    /// `si_code`, where the writer had it.
    code: Option<i32>,
    /// `si_addr`.
    address: u64,
    /// `si_pid` and `si_uid`, where Crashpad lists them.
    sender: Option<(u32, u32)>,
}

impl Dump {
    /// Notes about the process. Gives its id.
    fn process(&mut self, streams: &Streams, status: &str) -> Option<u32> {
        let number = |key: &str| proc_text::status_number(status, key);
        let misc: Option<MINIDUMP_MISC_INFO> = streams.structure(Kind::MiscInfoStream);
        // MINIDUMP_MISC1_PROCESS_ID
        let misc = misc.filter(|misc| misc.flags1 & 1 != 0).map(|misc| misc.process_id);
        let pid = number("Pid").or(misc).filter(|pid| *pid != 0);
        if !status.is_empty() || pid.is_some() {
            let command = self.facts.arguments.join(&b' ');
            self.saved.process(&Process {
                pid: pid.unwrap_or(0),
                ppid: number("PPid").unwrap_or(0),
                uid: number("Uid").unwrap_or(0),
                gid: number("Gid").unwrap_or(0),
                name: proc_text::status_field(status, "Name").unwrap_or_default().as_bytes(),
                command: &command,
            });
        }
        if let Some(auxv) = streams.stream(Kind::LinuxAuxv) {
            self.saved.auxv(auxv);
        }
        pid
    }

    /// Notes about the threads, the crashed one first. Gives the signal.
    fn threads(&mut self, streams: &mut Streams, notes: &mut Vec<Note>) -> Option<Crash> {
        let mut threads: Vec<MINIDUMP_THREAD> = streams.list(Kind::ThreadListStream);
        if threads.len() > MAX_THREADS {
            let message = format!("only {MAX_THREADS} of the minidump's {} threads are looked at", threads.len());
            notes.push(Note { code: "threads-left-out", message });
            threads.truncate(MAX_THREADS);
        }
        let exception: Option<MINIDUMP_EXCEPTION_STREAM> = streams.structure(Kind::ExceptionStream);
        let crashed = exception.as_ref().map(|exception| exception.thread_id);
        let crash = exception.as_ref().and_then(|exception| crash(exception, self.arch));
        let mut without = 0;
        let place = threads.iter().position(|thread| Some(thread.thread_id) == crashed);
        if let Some(place) = place {
            threads[..=place].rotate_right(1);
        }
        // The exception's context is of the moment of the signal; the list's may be that of its handler.
        let at_signal = exception.as_ref().and_then(|exception| {
            let pointer = threads.first().filter(|_| place.is_some()).map(|thread| thread.teb);
            let pointer = pointer.filter(|pointer| *pointer != 0);
            Some((context::decode(self.arch, streams.at(&exception.thread_context), pointer)?, pointer))
        });
        let number = crash.as_ref().map_or(0, |crash| crash.number as u16);
        let mut of_exception = at_signal;
        if place.is_none()
            && let (Some(lwp), Some((registers, pointer))) = (crashed, of_exception.take())
        {
            self.thread(lwp, number, crash.as_ref(), registers, pointer);
        }
        for (index, thread) in threads.iter().enumerate() {
            let is_crashed = index == 0 && place.is_some();
            let pointer = Some(thread.teb).filter(|pointer| *pointer != 0);
            let own = || Some((context::decode(self.arch, streams.at(&thread.thread_context), pointer)?, pointer));
            let registers = of_exception.take().filter(|_| is_crashed).or_else(own);
            let Some((registers, pointer)) = registers else {
                without += 1;
                continue;
            };
            let (number, crash) = if is_crashed { (number, crash.as_ref()) } else { (0, None) };
            self.thread(thread.thread_id, number, crash, registers, pointer);
        }
        if without > 0 {
            let message = format!("{without} threads have no registers that can be read");
            notes.push(Note { code: "thread-notes-short", message });
        }
        crash
    }

    fn thread(
        &mut self,
        lwp: u32,
        number: u16,
        crash: Option<&Crash>,
        registers: SavedRegisters,
        thread_pointer: Option<u64>,
    ) {
        let SavedRegisters { general, floating, extended, unknown } = registers;
        self.saved.thread(lwp, number, &general);
        if !unknown.is_empty() {
            let (owner, kind) = note_writer::UNKNOWN_REGISTERS;
            self.saved.add(owner, kind, unknown.join("\0").as_bytes());
        }
        if let Some(Crash { number, code: Some(code), address, sender }) = crash {
            let value = sender.map_or(*address, |(pid, uid)| u64::from(uid) << 32 | u64::from(pid));
            // Of what is not a fault, 32 bits are the sender alone, without its user.
            if self.arch.address_size() == 8 || *code > 0 {
                self.saved.signal(*number, *code, value);
            }
        }
        if !floating.is_empty() {
            self.saved.add("CORE", note_writer::NT_FPREGSET, &floating);
        }
        if !extended.is_empty() {
            self.saved.add("LINUX", note_writer::NT_PRXFPREG, &extended);
        }
        match (self.arch, thread_pointer) {
            (Arch::Aarch64, Some(pointer)) => {
                self.saved.add("LINUX", note_writer::NT_ARM_TLS, &pointer.to_le_bytes());
            }
            (Arch::I386, Some(pointer)) => {
                let gs = self
                    .arch
                    .saved_words()
                    .iter()
                    .position(|word| matches!(word, crate::arch::SavedWord::Special(name) if *name == "gs"));
                let gs = gs.and_then(|index| general.get(index * 4)).map_or(0, |low| u32::from(*low) >> 3);
                let entry = [gs, pointer as u32, 0xf_ffff, 0];
                let entry: Vec<u8> = entry.iter().flat_map(|word| word.to_le_bytes()).collect();
                self.saved.add("LINUX", NT_386_TLS, &entry);
            }
            _ => {}
        }
    }
}

/// Breakpad: code is the signal, flags is `si_code` (0 from writers before it had one), address is `si_addr`. Crashpad
/// the same, and the sender in the exception's parameters.
fn crash(exception: &MINIDUMP_EXCEPTION_STREAM, arch: Arch) -> Option<Crash> {
    let record = &exception.exception_record;
    if DUMP_REQUESTED.contains(&record.exception_code) {
        return None;
    }
    let number = i32::try_from(record.exception_code).ok().filter(|number| (1..=64).contains(number))?;
    let code = record.exception_flags as i32;
    // SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV
    let is_fault = matches!(number, 4 | 5 | 7 | 8 | 11);
    let [pid, uid, ..] = record.exception_information;
    let listed = record.number_parameters >= 2 && record.exception_address == 0 && matches!(code, 0 | -1 | -6);
    let sender = listed.then_some((pid as u32, uid as u32));
    let known = !is_fault || code != 0 || sender.is_some();
    let address =
        if arch.address_size() == 4 { record.exception_address & 0xffff_ffff } else { record.exception_address };
    Some(Crash { number, code: known.then_some(code), address, sender })
}

/// A fault's address without a code may be the sender of a signal in its stead: it counts where it can be an address.
fn finish_signal(image: &mut Image, crash: &Crash) {
    let address = RunAddr(crash.address);
    let plausible = crash.address < 0x1_0000 || image.mapping_at(address).is_some();
    let Some(first) = image.threads.first_mut() else { return };
    for signal in [&mut first.signal, &mut image.signal].into_iter().flatten() {
        if crash.code.is_none() && signal.code.is_none() && signal.address.is_none() && plausible {
            signal.address = Some(address);
        }
        signal.code = signal.code.or(crash.code);
    }
}

fn name_threads(image: &mut Image, streams: &mut Streams) {
    let names: Vec<MINIDUMP_THREAD_NAME> = streams.list(Kind::ThreadNamesStream);
    let names: std::collections::HashMap<u32, u64> =
        names.iter().take(MAX_THREADS).map(|name| (name.thread_id, name.thread_name_rva)).collect();
    for thread in &mut image.threads {
        let name = names.get(&thread.lwp).and_then(|place| streams.string(*place));
        thread.name = name.map(|name| name.chars().take(LONGEST_NAME).collect());
    }
}

/// What was mapped, as far as the file says so, with what it holds of it.
fn place(image: &mut Image, ranges: &Ranges) {
    let known: Vec<(u64, u64)> = ranges.all.iter().map(|line| (line.start, line.end)).collect();
    image.memory = image.memory.with_left_out(&known);
    if !ranges.complete {
        image.memory = image.memory.clone().with_unlisted_left_out();
        return;
    }
    let held: Vec<(u64, u64)> =
        image.memory.held().map(|(start, bytes)| (start.0, start.0 + bytes.len() as u64)).collect();
    let saved = |start: u64, end: u64| {
        let from = held.partition_point(|(_, held_end)| *held_end <= start);
        let inside = held[from..].iter().take_while(|(held_start, _)| *held_start < end);
        inside.map(|(held_start, held_end)| (*held_end).min(end) - (*held_start).max(start)).sum()
    };
    let mut mappings: Vec<Mapping> = ranges
        .all
        .iter()
        .map(|line| Mapping {
            start: RunAddr(line.start),
            end: RunAddr(line.end),
            flags: line.flags,
            saved: saved(line.start, line.end),
            file: line.path.clone().filter(|path| !path.starts_with('[')).map(|path| (path, line.offset)),
        })
        .collect();
    // Memory that the file holds beside what it says was mapped stays.
    let covered = |mapping: &Mapping| {
        let index = ranges.all.partition_point(|line| line.start <= mapping.start.0);
        index.checked_sub(1).and_then(|index| ranges.all.get(index)).is_some_and(|line| mapping.start.0 < line.end)
    };
    mappings.extend(image.mappings.drain(..).filter(|mapping| mapping.saved > 0 && !covered(mapping)));
    mappings.order_by_key(|mapping| mapping.start);
    for index in 1..mappings.len() {
        let next = mappings[index].start;
        let mapping = &mut mappings[index - 1];
        mapping.end = mapping.end.min(next);
        mapping.saved = mapping.saved.min(mapping.end.0.saturating_sub(mapping.start.0));
    }
    image.mappings = mappings;
}
