//! A live process (`pid:1234`), copied while it stands still for a moment.
//!
//! ```text
//! seize every thread → interrupt → registers, stacks, data, what these point to → let it run on
//!                                                      everything else comes after: names, files, symbols
//! ```
//!
//! What was copied becomes an ELF core in memory, so that one reader serves both. Threads are seized (PTRACE_SEIZE): if
//! this program dies at any moment, the kernel lets them run on. Layouts: `struct elf_prstatus`, `struct elf_prpsinfo`
//! (Linux 6.1, include/linux/elfcore.h), NT_FILE (fs/binfmt_elf.c).
//!
//! The one file that traces: `unsafe` for PTRACE_GETREGSET, which has no safe wrapper for extended state.
#![allow(unsafe_code)]

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::IoSliceMut;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::addr::{AddressHash, RunAddr};
use crate::arch::Arch;
use crate::image::{Image, ImageError, Mapping, Note, Origin, elf_core, elf_writer};

/// Bytes of each stack, from the stack pointer on.
const STACK: u64 = 64 << 10;
/// The same where there are more than [`MANY_THREADS`].
const STACK_OF_MANY: u64 = 16 << 10;
const MANY_THREADS: usize = 64;
/// Bytes at the first stack's end, where the kernel put the command line and the environment.
const INITIAL_STACK: u64 = 32 << 10;
/// Below the stack pointer: the red zone (System V psABI AMD64 1.0, section 3.2.2).
const RED_ZONE: u64 = 128;
/// Bytes of data and heap that are copied while the process stands still.
const MEMORY: u64 = 16 << 20;
/// How often what was copied is looked through for pointers to pages that were not.
const ROUNDS: usize = 3;
/// Writable mappings of files up to this size are copied whole: .data and .bss.
const WHOLE_DATA: u64 = 256 << 10;
/// One page.
const PAGE: u64 = 4096;
/// How long a thread may take to stop; one in uninterruptible sleep takes longer and is left out.
const PATIENCE: Duration = Duration::from_millis(200);
/// Bytes of extended state: AMX has 11 KiB.
const LARGEST_STATE: usize = 64 << 10;
/// NT_X86_XSTATE, NT_PRSTATUS, NT_FPREGSET, NT_PRPSINFO, NT_AUXV, NT_FILE (include/uapi/linux/elf.h).
const NT_X86_XSTATE: u32 = 0x202;
const NT_PRSTATUS: u32 = 1;
const NT_FPREGSET: u32 = 2;
const NT_PRPSINFO: u32 = 3;
const NT_AUXV: u32 = 6;
const NT_FILE: u32 = 0x4649_4c45;

struct MapLine {
    start: u64,
    end: u64,
    flags: u32,
    offset: u64,
    path: Option<String>,
}

struct Thread {
    tid: Pid,
    general: Vec<u8>,
    floating: Vec<u8>,
    extended: Vec<u8>,
}

/// The process id of `pid:1234`.
pub fn process_of(target: &Path) -> Option<i32> {
    target.to_str()?.strip_prefix("pid:")?.parse().ok().filter(|pid| *pid > 0)
}

/// Copies a process.
pub fn capture(target: &Path, pid: i32) -> Result<Image, ImageError> {
    let fail = |problem: String| ImageError::NotACore { path: target.to_owned(), problem };
    let arch = if cfg!(target_arch = "x86_64") {
        Arch::X86_64
    } else if cfg!(target_arch = "aarch64") {
        Arch::Aarch64
    } else {
        return Err(fail("live processes can be looked at on x86-64 and aarch64".into()));
    };
    let directory = PathBuf::from(format!("/proc/{pid}"));
    let read = |name: &str| fs::read(directory.join(name));
    if !directory.exists() {
        return Err(fail(format!("there is no process {pid}")));
    }
    if pid == std::process::id() as i32 {
        return Err(fail("is this program itself".into()));
    }
    let class = fs::File::open(directory.join("exe")).ok().and_then(|mut file| {
        let mut ident = [0; 5];
        std::io::Read::read_exact(&mut file, &mut ident).ok()?;
        Some(ident[4])
    });
    if class == Some(1) {
        return Err(fail("is a 32-bit process; make a core of it with gcore".into()));
    }
    let mut notes = Vec::new();
    let mut stopped = Stopped::default();
    let started = stopped.stop_all(pid, &mut notes).map_err(|errno| fail(why_not(pid, errno)))?;
    let maps = read("maps").map(|text| parse_maps(&String::from_utf8_lossy(&text))).unwrap_or_default();
    let mut buffer = vec![0u8; LARGEST_STATE];
    let threads: Vec<Thread> = stopped.threads.iter().map(|tid| registers(*tid, arch, &mut buffer)).collect();
    let memory = copy_memory(Pid::from_raw(pid), arch, &threads, &maps);
    stopped.release();
    let pause = started.elapsed();
    if threads.is_empty() {
        return Err(fail(format!("process {pid} ended while it was looked at")));
    }
    let pieces = with_headers(Pid::from_raw(pid), memory, &maps);
    let content = core_notes(pid, arch, &threads, &maps, &read("auxv").unwrap_or_default());
    let core = elf_writer::core(arch, &content, &pieces);
    let mut image = elf_core::parse(target, Box::leak(core.into_boxed_slice()), notes)?;
    let ranges: Vec<(u64, u64)> = maps.iter().map(|line| (line.start, line.end)).collect();
    image.memory = image.memory.with_left_out(&ranges);
    let saved = |line: &MapLine| {
        let from = pieces.partition_point(|(start, _, bytes)| start + bytes.len() as u64 <= line.start);
        let inside = pieces[from..].iter().take_while(|(start, ..)| *start < line.end);
        inside.map(|(start, _, bytes)| (start + bytes.len() as u64).min(line.end) - (*start).max(line.start)).sum()
    };
    image.mappings = maps
        .into_iter()
        .map(|line| Mapping {
            start: RunAddr(line.start),
            end: RunAddr(line.end),
            flags: line.flags,
            saved: saved(&line),
            file: line.path.filter(|path| path.starts_with('/')).map(|path| (path, line.offset)),
        })
        .collect();
    for thread in &mut image.threads {
        let name = fs::read_to_string(directory.join(format!("task/{}/comm", thread.lwp)));
        thread.name = name.ok().map(|name| name.trim_end().to_owned());
        thread.crashed = false;
    }
    image.origin = Origin::Live(pid);
    image.pause = Some(pause);
    Ok(image)
}

fn why_not(pid: i32, errno: Errno) -> String {
    match errno {
        Errno::EPERM => {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:")).map(str::trim);
            match tracer.filter(|tracer| *tracer != "0") {
                Some(tracer) => format!("process {pid} is traced by process {tracer} already"),
                None => format!(
                    "process {pid} may not be traced by this user (run as its owner or root; \
                     /proc/sys/kernel/yama/ptrace_scope may forbid it too)"
                ),
            }
        }
        Errno::ESRCH => format!("process {pid} ended while it was looked at"),
        errno => format!("process {pid} cannot be traced: {errno}"),
    }
}

/// Threads that stand still; they go on when this is dropped.
#[derive(Default)]
struct Stopped {
    threads: Vec<Pid>,
    seized: HashSet<Pid>,
}

impl Stopped {
    /// Stops every thread, those too that are made meanwhile. Gives the moment when the first was interrupted.
    fn stop_all(&mut self, pid: i32, notes: &mut Vec<Note>) -> Result<Instant, Errno> {
        let mut started = None;
        loop {
            let mut found = Vec::new();
            for tid in tasks(pid) {
                if self.seized.contains(&tid) {
                    continue;
                }
                match ptrace::seize(tid, ptrace::Options::empty()) {
                    Ok(()) => found.push(tid),
                    // A thread that ends meanwhile.
                    Err(Errno::ESRCH) if started.is_some() || tid.as_raw() != pid => {}
                    Err(errno) => return Err(errno),
                }
                self.seized.insert(tid);
            }
            if found.is_empty() {
                break;
            }
            let begun = *started.get_or_insert_with(Instant::now);
            found.retain(|tid| ptrace::interrupt(*tid).is_ok());
            for tid in found {
                match wait_for(tid, begun) {
                    Waited::Stopped => self.threads.push(tid),
                    Waited::Gone => {}
                    Waited::Late => notes.push(Note {
                        code: "thread-not-stopped",
                        message: format!("thread {tid} did not stop (it may sleep in the kernel): it is left out"),
                    }),
                }
            }
        }
        started.ok_or(Errno::ESRCH)
    }

    fn release(&mut self) {
        for tid in self.threads.drain(..) {
            let _ = ptrace::detach(tid, None);
        }
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.release();
    }
}

enum Waited {
    Stopped,
    Gone,
    Late,
}

fn wait_for(tid: Pid, begun: Instant) -> Waited {
    loop {
        match waitpid(tid, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) if begun.elapsed() > PATIENCE => return Waited::Late,
            Ok(WaitStatus::StillAlive) => std::thread::yield_now(),
            Ok(WaitStatus::PtraceEvent(..)) => return Waited::Stopped,
            // A signal that came just then: it is given back at once, and the stop that was asked for follows.
            Ok(WaitStatus::Stopped(_, signal)) => {
                let _ = ptrace::cont(tid, signal);
            }
            Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) => return Waited::Gone,
            Ok(_) => return Waited::Stopped,
            Err(Errno::EINTR) => {}
            Err(_) => return Waited::Gone,
        }
    }
}

fn tasks(pid: i32) -> Vec<Pid> {
    let entries = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let mut tasks: Vec<i32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    tasks.sort_unstable_by_key(|tid| (*tid != pid, *tid));
    tasks.into_iter().map(Pid::from_raw).collect()
}

fn registers(tid: Pid, arch: Arch, buffer: &mut [u8]) -> Thread {
    let mut set = |kind| register_set(tid, kind, buffer).map(<[u8]>::to_vec).unwrap_or_default();
    let (general, floating) = (set(NT_PRSTATUS), set(NT_FPREGSET));
    let extended = if arch == Arch::X86_64 { set(NT_X86_XSTATE) } else { Vec::new() };
    Thread { tid, general, floating, extended }
}

fn register_set(tid: Pid, kind: u32, buffer: &mut [u8]) -> Option<&[u8]> {
    let mut vector = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: the kernel writes at most `iov_len` bytes to `iov_base`, which `buffer` holds until after the call, and
    // the number written to `iov_len` (ptrace(2), PTRACE_GETREGSET).
    let result = unsafe {
        libc::ptrace(
            libc::PTRACE_GETREGSET,
            tid.as_raw(),
            kind as usize as *mut libc::c_void,
            (&raw mut vector).cast::<libc::c_void>(),
        )
    };
    (result == 0).then(|| buffer.get(..vector.iov_len).unwrap_or_default())
}

fn word(bytes: &[u8], index: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(index * 8..index * 8 + 8)?.try_into().ok()?))
}

/// The stack pointer in `struct user_regs_struct`: word 19 on x86-64, 31 on aarch64.
fn stack_pointer(thread: &Thread, arch: Arch) -> Option<u64> {
    word(&thread.general, if arch == Arch::X86_64 { 19 } else { 31 })
}

/// Stacks, data of modules, and then pages that these point to, breadth first.
fn copy_memory(pid: Pid, arch: Arch, threads: &[Thread], maps: &[MapLine]) -> BTreeMap<u64, Vec<u8>> {
    let mut copied = BTreeMap::new();
    let mapping = |address: u64| {
        let index = maps.partition_point(|line| line.start <= address).checked_sub(1)?;
        maps.get(index).filter(|line| address < line.end)
    };
    let stack = if threads.len() > MANY_THREADS { STACK_OF_MANY } else { STACK };
    let mut wanted = Vec::new();
    for thread in threads {
        let Some(sp) = stack_pointer(thread, arch) else { continue };
        let Some(line) = mapping(sp) else { continue };
        let start = (sp.saturating_sub(RED_ZONE) & !(PAGE - 1)).max(line.start);
        wanted.push((start, sp.saturating_add(stack).next_multiple_of(PAGE).min(line.end)));
    }
    for (index, line) in maps.iter().enumerate() {
        if line.path.as_deref() == Some("[stack]") {
            // The command line and the environment are at its end.
            wanted.push((line.start.max(line.end.saturating_sub(INITIAL_STACK)), line.end));
        }
        let is_data = line.flags & 2 != 0 && line.path.as_deref().is_some_and(|path| path.starts_with('/'));
        // .bss goes on behind the file's pages without a name.
        let behind = index.checked_sub(1).and_then(|before| maps.get(before));
        let is_bss = line.path.is_none()
            && line.flags & 2 != 0
            && behind.is_some_and(|before| before.end == line.start && before.path.is_some() && before.flags & 2 != 0);
        if (is_data || is_bss) && line.end - line.start <= WHOLE_DATA {
            wanted.push((line.start, line.end));
        }
    }
    let mut total = read_ranges(pid, &wanted, &mut copied);
    let (lowest, highest) = (maps.first().map_or(0, |line| line.start), maps.last().map_or(0, |line| line.end));
    // Every page is looked up once, however many words point to it.
    let mut seen: HashSet<u64, AddressHash> = HashSet::default();
    // Where what was copied in the last round begins.
    let mut fresh: Vec<u64> = copied.keys().copied().collect();
    for round in 0..ROUNDS {
        let mut pages = Vec::new();
        let registers = threads.iter().map(|thread| &thread.general).filter(|_| round == 0);
        for bytes in fresh.iter().filter_map(|start| copied.get(start)).chain(registers) {
            let mut before = 0;
            for chunk in bytes.chunks_exact(8) {
                let pointer = u64::from_le_bytes([
                    chunk[0], chunk[1], chunk[2], chunk[3], chunk[4], chunk[5], chunk[6], chunk[7],
                ]);
                let page = pointer & !(PAGE - 1);
                if page == before || page < lowest || page >= highest {
                    continue;
                }
                before = page;
                if seen.insert(page) && mapping(page).is_some_and(|line| line.flags & 6 == 6) {
                    pages.push(page);
                }
            }
        }
        pages.sort_unstable();
        let room = (MEMORY.saturating_sub(total) / PAGE) as usize;
        let held = |page: &u64| {
            let before = copied.range(..=*page).next_back();
            before.is_some_and(|(start, bytes): (&u64, &Vec<u8>)| start + bytes.len() as u64 >= page + PAGE)
        };
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for page in pages.into_iter().filter(|page| !held(page)).take(room) {
            match ranges.last_mut() {
                Some(last) if last.1 == page => last.1 = page + PAGE,
                _ => ranges.push((page, page + PAGE)),
            }
        }
        if ranges.is_empty() {
            break;
        }
        fresh = ranges.iter().map(|(start, _)| *start).collect();
        total += read_ranges(pid, &ranges, &mut copied);
    }
    copied
}

/// Reads ranges, many in one call. What cannot be read is left out.
fn read_ranges(pid: Pid, ranges: &[(u64, u64)], copied: &mut BTreeMap<u64, Vec<u8>>) -> u64 {
    let mut total = 0;
    // The kernel takes 1,024 ranges a call (IOV_MAX).
    for batch in ranges.chunks(512) {
        let sizes: Vec<usize> = batch.iter().map(|(start, end)| (end - start) as usize).collect();
        let mut buffer = vec![0u8; sizes.iter().sum()];
        let remote: Vec<RemoteIoVec> = batch
            .iter()
            .zip(&sizes)
            .map(|((start, _), size)| RemoteIoVec { base: *start as usize, len: *size })
            .collect();
        let read = process_vm_readv(pid, &mut [IoSliceMut::new(&mut buffer)], &remote).unwrap_or(0);
        let mut at = 0;
        for ((start, end), size) in batch.iter().zip(&sizes) {
            if at + size <= read {
                let bytes = &buffer[at..at + size];
                let known: &mut Vec<u8> = copied.entry(*start).or_default();
                if known.len() < bytes.len() {
                    *known = bytes.to_vec();
                }
                total += *size as u64;
            } else {
                // A call ends at the first page that is not there: this range and the rest one by one.
                total += read_pages(pid, *start, *end, copied);
            }
            at += size;
        }
    }
    total
}

fn read_pages(pid: Pid, start: u64, end: u64, copied: &mut BTreeMap<u64, Vec<u8>>) -> u64 {
    let mut bytes = vec![0u8; (end - start) as usize];
    let remote = [RemoteIoVec { base: start as usize, len: bytes.len() }];
    let read = process_vm_readv(pid, &mut [IoSliceMut::new(&mut bytes)], &remote).unwrap_or(0);
    bytes.truncate(read);
    if read > 0 {
        copied.insert(start, bytes);
    }
    read as u64
}

/// The pieces of the core: what was copied, and the first page of every mapped file, where modules have their headers
/// (these do not change, so the process need not stand still for them).
fn with_headers(pid: Pid, mut memory: BTreeMap<u64, Vec<u8>>, maps: &[MapLine]) -> Vec<(u64, u32, Vec<u8>)> {
    let mut ranges = Vec::new();
    for line in maps {
        let is_file = line.path.as_deref().is_some_and(|path| path.starts_with('/') && line.offset == 0);
        let is_vdso = line.path.as_deref() == Some("[vdso]");
        if (is_file || is_vdso) && !memory.contains_key(&line.start) {
            let size = if is_vdso { line.end - line.start } else { PAGE };
            ranges.push((line.start, (line.start + size).min(line.end)));
        }
    }
    for (start, end) in ranges {
        read_pages(pid, start, end, &mut memory);
    }
    let mut pieces: Vec<(u64, u32, Vec<u8>)> = Vec::new();
    for (start, bytes) in memory {
        let mut bytes = bytes;
        let mut start = start;
        if let Some((from, _, before)) = pieces.last() {
            // Ranges may meet: the earlier copy counts.
            let covered = (from + before.len() as u64).saturating_sub(start) as usize;
            if covered >= bytes.len() {
                continue;
            }
            bytes.drain(..covered);
            start += covered as u64;
        }
        let index = maps.partition_point(|line| line.start <= start).checked_sub(1);
        let flags = index.and_then(|index| maps.get(index)).map_or(4, |line| line.flags);
        pieces.push((start, flags, bytes));
    }
    pieces
}

/// `start-end perms offset dev inode path` (proc_pid_maps(5)).
fn parse_maps(text: &str) -> Vec<MapLine> {
    let line = |line: &str| {
        let mut fields = line.splitn(6, ' ');
        let (start, end) = fields.next()?.split_once('-')?;
        let permissions = fields.next()?.as_bytes();
        let offset = u64::from_str_radix(fields.next()?, 16).ok()?;
        let path = fields.nth(2).map(str::trim_start).filter(|path| !path.is_empty()).map(str::to_owned);
        let flag = |index: usize, bit: u32| if permissions.get(index) != Some(&b'-') { bit } else { 0 };
        let start = u64::from_str_radix(start, 16).ok()?;
        let end = u64::from_str_radix(end, 16).ok()?;
        (start < end).then_some(MapLine { start, end, flags: flag(0, 4) | flag(1, 2) | flag(2, 1), offset, path })
    };
    text.lines().filter_map(line).collect()
}

fn note(notes: &mut Vec<u8>, name: &[u8], kind: u32, content: &[u8]) {
    let name = [name, &[0]].concat();
    for number in [name.len() as u32, content.len() as u32, kind] {
        notes.extend_from_slice(&number.to_le_bytes());
    }
    for part in [&name[..], content] {
        notes.extend_from_slice(part);
        notes.resize(notes.len().next_multiple_of(4), 0);
    }
}

fn core_notes(pid: i32, arch: Arch, threads: &[Thread], maps: &[MapLine], auxv: &[u8]) -> Vec<u8> {
    let mut notes = Vec::new();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let number = |key: &str| -> u32 {
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    let mut info = vec![0u8; 136];
    let mut put = |at: usize, bytes: &[u8]| info[at..at + bytes.len()].copy_from_slice(bytes);
    put(16, &number("Uid").to_le_bytes());
    put(20, &number("Gid").to_le_bytes());
    put(24, &(pid as u32).to_le_bytes());
    put(28, &number("PPid").to_le_bytes());
    let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    put(40, &name[..name.len().saturating_sub(1).min(15)]);
    let mut command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    command.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b' ');
    let command = command.trim_ascii_end();
    put(56, &command[..command.len().min(79)]);
    note(&mut notes, b"CORE", NT_PRPSINFO, &info);
    note(&mut notes, b"CORE", NT_AUXV, auxv);
    let files: Vec<(&MapLine, &str)> = maps
        .iter()
        .filter_map(|line| Some((line, line.path.as_deref().filter(|path| path.starts_with('/'))?)))
        .collect();
    let mut table = Vec::new();
    for word in [files.len() as u64, PAGE] {
        table.extend_from_slice(&word.to_le_bytes());
    }
    for (line, _) in &files {
        for word in [line.start, line.end, line.offset / PAGE] {
            table.extend_from_slice(&word.to_le_bytes());
        }
    }
    for (_, path) in &files {
        table.extend_from_slice(path.as_bytes());
        table.push(0);
    }
    note(&mut notes, b"CORE", NT_FILE, &table);
    let size = if arch == Arch::X86_64 { 336 } else { 392 };
    for thread in threads {
        let mut status = vec![0u8; size];
        status[32..36].copy_from_slice(&(thread.tid.as_raw() as u32).to_le_bytes());
        let general = &thread.general[..thread.general.len().min(size - 112 - 8)];
        status[112..112 + general.len()].copy_from_slice(general);
        note(&mut notes, b"CORE", NT_PRSTATUS, &status);
        if !thread.floating.is_empty() {
            note(&mut notes, b"CORE", NT_FPREGSET, &thread.floating);
        }
        if !thread.extended.is_empty() {
            note(&mut notes, b"LINUX", NT_X86_XSTATE, &thread.extended);
        }
    }
    notes
}
