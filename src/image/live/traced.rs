//! A process whose threads are traced by the calling thread and stand still: its registers through ptrace, its memory
//! where it is.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use nix::errno::Errno;
use nix::unistd::Pid;

use super::{maps, notes, tracer};
use crate::arch::Arch;
use crate::image::dying::ProcessPages;
use crate::image::elf_core::Source;
use crate::image::{Image, ImageError, Origin, elf_core, elf_writer};
use crate::order::Order;

/// Addresses from here on are the kernel's, `[vsyscall]`'s among them.
const KERNEL: u64 = 1 << 63;

/// The signal that a thread is about to die of.
pub struct Fatal {
    /// The thread.
    pub tid: Pid,
    /// The signal.
    pub number: i32,
    /// Its `siginfo_t`.
    pub siginfo: Vec<u8>,
}

/// An image of the process `pid`, of which all `tids` stand still for this thread. With `fatal` it is of a dying one.
pub fn image(pid: i32, tids: &[Pid], fatal: Option<&Fatal>) -> Result<Image, ImageError> {
    let path = PathBuf::from(format!("pid:{pid}"));
    let fail = |problem: String| ImageError::NotACore { path: path.clone(), problem };
    let arch = if cfg!(target_arch = "x86_64") { Arch::X86_64 } else { Arch::Aarch64 };
    let pages = ProcessPages::open(pid).map_err(|error| fail(format!("its memory cannot be read: {error}")))?;
    let maps = maps::of_process(pid);
    let mut threads = tracer::threads(tids, arch);
    threads.order_by_key(|thread| (fatal.is_none_or(|fatal| fatal.tid != thread.tid), thread.tid));
    let auxv = fs::read(format!("/proc/{pid}/auxv")).unwrap_or_default();
    let notes = notes::core_notes(pid, arch, &threads, &maps, &auxv, fatal);
    let readable = maps.iter().filter(|line| line.flags & 4 != 0 && line.end < KERNEL);
    let segments: Vec<(u64, u32, u64)> = readable.map(|line| (line.start, line.flags, line.end - line.start)).collect();
    let beginning = Box::leak(elf_writer::core_beginning(arch, &notes, &segments).into_boxed_slice());
    let mut image = elf_core::parse_beginning(&path, beginning, Source::Process(Arc::new(pages)), None, Vec::new())?;
    for thread in &mut image.threads {
        let name = fs::read_to_string(format!("/proc/{pid}/task/{}/comm", thread.lwp));
        thread.name = name.ok().map(|name| name.trim_end().to_owned());
        thread.crashed &= fatal.is_some();
    }
    image.origin = if fatal.is_some() { Origin::Dying(pid) } else { Origin::Live(pid) };
    Ok(image)
}

/// The signal that the thread, which stands before its delivery, gets next.
pub fn fatal(tid: Pid, number: i32) -> Fatal {
    Fatal { tid, number, siginfo: tracer::siginfo(tid).unwrap_or_default() }
}

/// Leaves a stopped thread stopped as it would be without a tracer.
pub fn listen(tid: Pid) -> Result<(), Errno> {
    tracer::listen(tid)
}
