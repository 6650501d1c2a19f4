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

mod copy;
mod maps;
mod notes;
pub mod traced;
mod tracer;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::Pid;

use self::copy::Copied;
use self::maps::MapLine;
use crate::addr::RunAddr;
use crate::arch::Arch;
use crate::image::{Image, ImageError, Mapping, Note, Origin, elf_core, elf_writer};

/// One page.
const PAGE: u64 = 4096;

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
    let still = tracer::copy(pid, arch).map_err(|errno| fail(why_not(pid, errno)))?;
    if still.threads.is_empty() {
        return Err(fail(match still.late.len() {
            0 => format!("process {pid} ended while it was looked at"),
            count => format!(
                "none of the {count} threads of process {pid} stopped in time: they sleep in the kernel (state D in \
                 /proc/{pid}/status; /proc/{pid}/stack says where). Try again when they are back"
            ),
        }));
    }
    let late = still.late.iter().map(|tid| Note {
        code: "thread-not-stopped",
        message: format!(
            "thread {tid} did not stop in time (it may sleep in the kernel; see /proc/{pid}/task/{tid}/stack): it is left out"
        ),
    });
    let notes: Vec<Note> = late.collect();
    let maps = still.maps;
    let pieces = with_headers(Pid::from_raw(pid), still.memory, &maps);
    let content = notes::core_notes(pid, arch, &still.threads, &maps, &read("auxv").unwrap_or_default(), None);
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
    image.pause = Some(still.pause);
    Ok(image)
}

fn why_not(pid: i32, errno: Errno) -> String {
    match errno {
        Errno::EPERM => match maps::tracer(pid) {
            Some((tid, tracer)) if tid == pid => format!("process {pid} is traced by process {tracer} already"),
            Some((tid, tracer)) => {
                format!("thread {tid} of process {pid} is traced by process {tracer} already")
            }
            None => format!(
                "process {pid} may not be traced by this user (run as its owner or root; \
                     /proc/sys/kernel/yama/ptrace_scope may forbid it too)"
            ),
        },
        Errno::ESRCH => format!("process {pid} ended while it was looked at"),
        errno => format!("process {pid} cannot be traced: {errno}"),
    }
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
    let mut copied = Copied::with_room(0);
    copied.read(pid, &ranges);
    for (start, bytes) in copied.pieces(0) {
        memory.insert(start, bytes.to_vec());
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
