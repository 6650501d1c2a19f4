//! The notes of a core (PT_NOTE): threads, process, auxiliary vector, mapped files.
//!
//! Every NT_PRSTATUS begins a thread; the register notes up to the next one are that thread's. The kernel and gcore
//! order the rest differently, so the process-wide notes are taken wherever they are.
//!
//! Layouts: `struct elf_prstatus` and `struct elf_prpsinfo` (Linux 6.1, include/linux/elfcore.h; the 32-bit forms in
//! arch/x86/include/asm/compat.h and linux/elfcore-compat.h), NT_FILE (fs/binfmt_elf.c, `fill_files_note`).

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use object::LittleEndian;
use object::elf;
use object::read::elf::NoteIterator;

use crate::addr::RunAddr;
use crate::arch::xsave::{self, FloatingNotes};
use crate::arch::{Arch, LazyVectorRegisters, Registers, VectorRegisters, aarch64, i386};
use crate::image::elf_core::NoteSegment;
use crate::image::note_writer::{MEMORY_TAGS, UNKNOWN_REGISTERS};
use crate::image::{MemoryTags, Note, ProcessInfo, SignalInfo, ThreadState, signal};

/// No process had more threads (Linux's pid_max is 2^22), no core more notes.
const MAX_THREADS: usize = 1 << 22;
/// More mapped files than `vm.max_map_count` ever allows in practice.
const MAX_FILES: usize = 1 << 22;
/// NT_X86_XSAVE_LAYOUT (Linux 6.12, include/uapi/linux/elf.h).
const NT_X86_XSAVE_LAYOUT: u32 = 0x205;

/// NT_ARM_PAC_MASK (Linux 5.0, include/uapi/linux/elf.h): `struct user_pac_mask`.
const NT_ARM_PAC_MASK: u32 = 0x406;

/// NT_ARM_TAGGED_ADDR_CTRL (Linux 5.10, include/uapi/linux/elf.h): what `PR_GET_TAGGED_ADDR_CTRL` says.
const NT_ARM_TAGGED_ADDR_CTRL: u32 = 0x409;

const SIGSTOP: i32 = 19;

/// One range of NT_FILE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRange {
    /// First address.
    pub start: RunAddr,
    /// One past the last.
    pub end: RunAddr,
    /// Offset in the file of `start`, in bytes.
    pub offset: u64,
    /// The file, as the kernel names it.
    pub path: Arc<str>,
}

/// What the notes say.
#[derive(Default)]
pub struct CoreNotes {
    pub threads: Vec<ThreadState>,
    pub process: ProcessInfo,
    pub signal: Option<SignalInfo>,
    pub files: Vec<FileRange>,
    /// Whether there was an NT_FILE.
    pub has_files: bool,
    /// Tags of memory, of a snapshot.
    pub memory_tags: Vec<MemoryTags>,
    /// Another system whose notes there are.
    pub other_system: Option<&'static str>,
}

/// A thread's notes, not yet taken apart.
#[derive(Clone, Copy, Default)]
struct RawThread {
    status: &'static [u8],
    siginfo: Option<&'static [u8]>,
    floating: Option<&'static [u8]>,
    fxsave: Option<&'static [u8]>,
    xstate: Option<&'static [u8]>,
    tls: Option<&'static [u8]>,
    pac_mask: Option<&'static [u8]>,
    tag_control: Option<&'static [u8]>,
    sve: Option<&'static [u8]>,
    /// Names of special registers whose value in `status` says nothing.
    unknown: &'static [u8],
}

/// Owners of other systems' notes (binutils 2.40, `elfcore_grok_*_note` in bfd/elf.c), and these systems.
const OTHER_SYSTEMS: [(&str, &str); 3] = [("NetBSD-CORE", "NetBSD"), ("FreeBSD", "FreeBSD"), ("OpenBSD", "OpenBSD")];

/// Reads note segments.
pub fn read(arch: Arch, segments: &[NoteSegment], warnings: &mut Vec<Note>) -> CoreNotes {
    let mut result = CoreNotes::default();
    let mut threads: Vec<RawThread> = Vec::new();
    let mut layout = None;
    let mut process_id = None;
    for NoteSegment { content, align } in segments {
        // Linux aligns a core's notes to 4, whatever p_align says; only 8 means 8 (gABI, binutils).
        // A note's header is the same in both classes.
        let alignment: u64 = if *align == 8 { 8 } else { 4 };
        let notes = NoteIterator::<elf::FileHeader64<LittleEndian>>::new(LittleEndian, alignment, content);
        let Ok(mut notes) = notes else { continue };
        loop {
            let note = match notes.next() {
                Ok(Some(note)) => note,
                Ok(None) => break,
                Err(_) => {
                    warnings.push(Note {
                        code: "notes-truncated",
                        message: "the core's notes are cut: threads or mapped files may be missing".into(),
                    });
                    break;
                }
            };
            let content = note.desc();
            let kind = note.n_type(LittleEndian);
            if note.name() == UNKNOWN_REGISTERS.0.as_bytes() && kind.0 == UNKNOWN_REGISTERS.1 {
                threads.last_mut().into_iter().for_each(|thread| thread.unknown = content);
                continue;
            }
            if note.name() == MEMORY_TAGS.0.as_bytes() && kind.0 == MEMORY_TAGS.1 {
                if let Some((start, bytes)) = content.split_first_chunk() {
                    result.memory_tags.push(MemoryTags { start: RunAddr(u64::from_le_bytes(*start)), bytes });
                }
                continue;
            }
            if note.name() != b"CORE" && note.name() != b"LINUX" {
                let system = OTHER_SYSTEMS.iter().find(|(owner, _)| note.name().starts_with(owner.as_bytes()));
                result.other_system = result.other_system.or(system.map(|(_, system)| *system));
                continue;
            }
            if kind == elf::NT_PRSTATUS {
                if threads.len() < MAX_THREADS {
                    threads.push(RawThread { status: content, ..RawThread::default() });
                }
                continue;
            }
            if kind == elf::NT_PRPSINFO {
                process_id = process_id.or(read_psinfo(arch, content, &mut result.process));
                continue;
            }
            if kind == elf::NT_AUXV {
                read_auxv(arch, content, &mut result.process.auxv);
                continue;
            }
            if kind == elf::NT_FILE {
                result.has_files = true;
                read_files(arch, content, &mut result.files, warnings);
                continue;
            }
            if kind.0 == NT_X86_XSAVE_LAYOUT {
                layout = Some(content);
                continue;
            }
            let Some(thread) = threads.last_mut() else { continue };
            match kind {
                elf::NT_SIGINFO => thread.siginfo = thread.siginfo.or(Some(content)),
                elf::NT_FPREGSET => thread.floating = thread.floating.or(Some(content)),
                elf::NT_PRXFPREG => thread.fxsave = thread.fxsave.or(Some(content)),
                elf::NT_X86_XSTATE => thread.xstate = thread.xstate.or(Some(content)),
                elf::NT_386_TLS | elf::NT_ARM_TLS => thread.tls = thread.tls.or(Some(content)),
                elf::NT_ARM_SVE => thread.sve = thread.sve.or(Some(content)),
                kind if kind.0 == NT_ARM_PAC_MASK => thread.pac_mask = thread.pac_mask.or(Some(content)),
                kind if kind.0 == NT_ARM_TAGGED_ADDR_CTRL => {
                    thread.tag_control = thread.tag_control.or(Some(content));
                }
                _ => {}
            }
        }
    }
    finish_threads(arch, &threads, layout, &mut result, warnings);
    result.process.pid = process_id.or(result.threads.first().map(|thread| thread.lwp));
    result
}

/// Each thread's block of vector registers as it is in the notes: FXSAVE on x86, `user_fpsimd_state` on aarch64.
pub fn floating_blocks(arch: Arch, segments: &[&'static [u8]]) -> HashMap<u32, &'static [u8]> {
    let wanted = if arch == Arch::I386 { elf::NT_PRXFPREG } else { elf::NT_FPREGSET };
    let (lwp_at, ..) = status_offsets(arch);
    let mut blocks = HashMap::new();
    for content in segments {
        let notes = NoteIterator::<elf::FileHeader64<LittleEndian>>::new(LittleEndian, 4, content);
        let Ok(mut notes) = notes else { continue };
        let mut thread = None;
        while let Ok(Some(note)) = notes.next() {
            let kind = note.n_type(LittleEndian);
            if kind == elf::NT_PRSTATUS {
                thread = word(note.desc(), lwp_at, 4);
            } else if let Some(lwp) = thread.filter(|_| kind == wanted) {
                blocks.entry(lwp as u32).or_insert(note.desc());
            }
        }
    }
    blocks
}

fn word(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let mut value = [0; 8];
    value.get_mut(..size)?.copy_from_slice(bytes.get(at..at.checked_add(size)?)?);
    Some(u64::from_le_bytes(value))
}

/// Offsets in `elf_prstatus`: pr_pid, pr_ppid, pr_reg. `pr_cursig` (2 bytes) is at 12 in both forms.
fn status_offsets(arch: Arch) -> (usize, usize, usize) {
    match arch.address_size() {
        8 => (32, 36, 112),
        _ => (24, 28, 72),
    }
}

fn current_signal(status: &[u8]) -> Option<i32> {
    word(status, 12, 2).map(|number| i32::from(number as i16)).filter(|number| *number > 0)
}

fn finish_threads(
    arch: Arch,
    raw: &[RawThread],
    layout: Option<&'static [u8]>,
    result: &mut CoreNotes,
    warnings: &mut Vec<Note>,
) {
    let (lwp_at, parent_at, registers_at) = status_offsets(arch);
    // A note too short for the thread's id and program counter is no thread.
    let whole = registers_at + arch.saved_words().len() * arch.address_size();
    let intact = raw.iter().filter(|thread| thread.status.len() >= whole);
    let mut intact: Vec<&RawThread> = intact.collect();
    if intact.len() < raw.len() {
        warnings.push(Note {
            code: "thread-notes-short",
            message: format!("{} threads have no register note that can be read", raw.len() - intact.len()),
        });
    }
    // The kernel writes the thread that crashed first, and pr_cursig into every thread's note. gcore writes the
    // current thread first, and each its own signal.
    let has_signal = |thread: &&RawThread| current_signal(thread.status).is_some();
    if let Some(crashed) = intact.iter().position(has_signal).filter(|index| *index > 0) {
        intact[..=crashed].rotate_right(1);
    }
    let Some(first) = intact.first() else { return };
    let dying = current_signal(first.status);
    result.process.ppid = result.process.ppid.or(word(first.status, parent_at, 4).map(|pid| pid as u32));
    for (index, thread) in intact.iter().enumerate() {
        let saved = thread.status.get(registers_at..whole).unwrap_or_default();
        let mut registers = Registers::from_saved(arch, saved);
        registers.thread_pointer = thread_pointer(arch, saved, thread.tls).filter(|pointer| *pointer != 0);
        // `data_mask`, `insn_mask`.
        registers.signature_mask = thread.pac_mask.and_then(|masks| word(masks, 8, 8));
        if arch == Arch::Aarch64 {
            let followed = aarch64::followed_values(thread.floating, thread.sve);
            followed.for_each(|(register, value)| registers.set(register, value));
        }
        registers.vectors = Some(Arc::new(lazy_vectors(arch, saved, **thread, layout)));
        let own = thread.siginfo.and_then(|siginfo| signal::decode_siginfo(siginfo, arch.address_size()));
        let current = current_signal(thread.status);
        // Another thread's pr_cursig is its own only where it differs from the one that the kernel writes to all.
        let current = current.filter(|number| index == 0 || Some(*number) != dying);
        let current =
            current.map(|number| SignalInfo { number, code: None, address: None, sender_pid: None, sender_uid: None });
        // A siginfo of another signal than the one that the thread stopped with is left from before.
        let own = own.filter(|own| current.as_ref().is_none_or(|current| current.number == own.number));
        let siginfo = own.as_ref().and(thread.siginfo).map(Arc::from);
        let signal = own.or(current);
        if index == 0 {
            // Nothing dies of SIGSTOP: it is how a debugger stops a process to write the core of it alive.
            result.signal = signal.clone().filter(|signal| signal.number != SIGSTOP);
        }
        result.threads.push(ThreadState {
            lwp: word(thread.status, lwp_at, 4).unwrap_or_default() as u32,
            name: None,
            registers,
            signal,
            siginfo,
            crashed: index == 0,
        });
    }
}

/// `fs_base` on x86-64, the base of the segment in `gs` on i386, `tpidr_el0` on aarch64.
fn thread_pointer(arch: Arch, saved: &[u8], tls: Option<&[u8]>) -> Option<u64> {
    let special = |name: &str| {
        let words = saved.chunks_exact(arch.address_size()).zip(arch.saved_words());
        let mut found =
            words.filter(|(_, word)| matches!(word, crate::arch::SavedWord::Special(other) if *other == name));
        found.next().and_then(|(bytes, _)| word(bytes, 0, bytes.len()))
    };
    match arch {
        Arch::X86_64 => special("fs_base"),
        Arch::I386 => i386::tls_base(special("gs")? & 0xffff, tls?),
        Arch::Aarch64 => word(tls?, 0, 8),
    }
}

fn lazy_vectors(
    arch: Arch,
    saved: &'static [u8],
    thread: RawThread,
    layout: Option<&'static [u8]>,
) -> LazyVectorRegisters {
    LazyLock::new(Box::new(move || {
        let mut vectors = VectorRegisters { special: arch.special_registers(saved), ..VectorRegisters::default() };
        vectors.special.retain(|(name, _)| !thread.unknown.split(|byte| *byte == 0).any(|one| one == name.as_bytes()));
        let xstate = thread.xstate;
        match arch {
            Arch::Aarch64 => {
                aarch64::decode_floating(thread.floating.unwrap_or_default(), &mut vectors);
                aarch64::decode_sve(thread.sve.unwrap_or_default(), &mut vectors);
                // By gdb's names; `tpidr_el0` is the first of NT_ARM_TLS's words.
                let system = [
                    ("tpidr", thread.tls, 0),
                    ("pauth_dmask", thread.pac_mask, 0),
                    ("pauth_cmask", thread.pac_mask, 8),
                    ("tag_ctl", thread.tag_control, 0),
                ];
                let system = system.into_iter().filter_map(|(name, note, at)| Some((name, word(note?, at, 8)?)));
                vectors.named.extend(system.map(|(name, value)| (name, value.to_le_bytes().to_vec())));
            }
            Arch::X86_64 => {
                let notes = FloatingNotes { fxsave: thread.floating, fsave: None, xstate, layout };
                xsave::decode_floating(arch, notes, &mut vectors);
            }
            Arch::I386 => {
                let notes = FloatingNotes { fxsave: thread.fxsave, fsave: thread.floating, xstate, layout };
                xsave::decode_floating(arch, notes, &mut vectors);
            }
        }
        vectors
    }))
}

/// Fills `process` from `elf_prpsinfo` and gives the process's id. The 32-bit form has 2-byte user and group ids.
fn read_psinfo(arch: Arch, content: &[u8], process: &mut ProcessInfo) -> Option<u32> {
    let (ids_at, id_size, pid_at, name_at, arguments_at) = match arch.address_size() {
        8 => (16, 4, 24, 40, 56),
        _ => (8, 2, 12, 28, 44),
    };
    let text = |at: usize, size: usize| {
        let field = content.get(at..)?;
        let field = &field[..field.len().min(size)];
        let end = memchr::memchr(0, field).unwrap_or(field.len());
        let text = String::from_utf8_lossy(&field[..end]).trim_end().to_owned();
        (!text.is_empty()).then_some(text)
    };
    let id = |at: usize, size: usize| word(content, at, size).map(|id| id as u32);
    process.uid = id(ids_at, id_size);
    process.gid = id(ids_at + id_size, id_size);
    process.ppid = id(pid_at + 4, 4);
    process.name = text(name_at, 16);
    process.command = text(arguments_at, 80);
    id(pid_at, 4)
}

/// Pairs of words up to AT_NULL.
fn read_auxv(arch: Arch, content: &[u8], into: &mut Vec<(u64, u64)>) {
    let size = arch.address_size();
    into.clear();
    for pair in content.chunks_exact(2 * size) {
        match (word(pair, 0, size), word(pair, size, size)) {
            (Some(kind), Some(value)) if kind != 0 => into.push((kind, value)),
            _ => return,
        }
    }
}

/// NT_FILE: count and page size; (start, end, offset in pages) of each range; then as many paths, NUL-terminated.
fn read_files(arch: Arch, content: &[u8], into: &mut Vec<FileRange>, warnings: &mut Vec<Note>) {
    let size = arch.address_size();
    let (Some(count), Some(page)) = (word(content, 0, size), word(content, size, size)) else { return };
    let held = content.len().saturating_sub(2 * size) / (3 * size + 1);
    let count = usize::try_from(count).unwrap_or(usize::MAX).min(held).min(MAX_FILES);
    let (ranges, mut names) = content[2 * size..].split_at(count * 3 * size);
    let mut last: Option<(&[u8], Arc<str>)> = None;
    for range in ranges.chunks_exact(3 * size) {
        let Some(end) = memchr::memchr(0, names) else {
            let message = "the core's list of mapped files (NT_FILE) is cut".into();
            warnings.push(Note { code: "file-note-truncated", message });
            return;
        };
        let name = &names[..end];
        names = &names[end + 1..];
        // A file's ranges mostly follow each other: one string for all.
        let path = match &last {
            Some((bytes, path)) if *bytes == name => path.clone(),
            _ => Arc::from(String::from_utf8_lossy(name)),
        };
        last = Some((name, path.clone()));
        let field = |index: usize| word(range, index * size, size).unwrap_or_default();
        let (start, end, pages) = (field(0), field(1), field(2));
        // The offset is in pages for the kernel and gcore. A page size of 0 or 1 would mean bytes.
        let offset = pages.saturating_mul(page.max(1));
        if start < end {
            into.push(FileRange { start: RunAddr(start), end: RunAddr(end), offset, path });
        }
    }
}
