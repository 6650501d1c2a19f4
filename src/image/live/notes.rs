//! The notes of the core that a live process becomes.

use std::fs;

use super::maps::MapLine;
use super::traced::Fatal;
use super::tracer::Thread;
use crate::arch::Arch;
pub(super) use crate::image::note_writer::{NT_ARM_TLS, NT_FPREGSET};
use crate::image::note_writer::{Notes, Process};
use crate::image::proc_text;

/// include/uapi/linux/elf.h.
pub(super) const NT_X86_XSTATE: u32 = 0x202;
pub(super) const NT_ARM_PAC_MASK: u32 = 0x406;
pub(super) const NT_PRSTATUS: u32 = 1;
const NT_SIGINFO: u32 = 0x5349_4749;

/// What the kernel would have written before the memory. `fatal`: the signal that it dies of.
pub(super) fn core_notes(
    pid: i32,
    arch: Arch,
    threads: &[Thread],
    maps: &[MapLine],
    auxv: &[u8],
    fatal: Option<&Fatal>,
) -> Vec<u8> {
    let mut notes = Notes::new(arch);
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let number = |key: &str| proc_text::status_number(&status, key).unwrap_or(0);
    let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    let mut command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    command.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b' ');
    notes.process(&Process {
        pid: pid as u32,
        ppid: number("PPid"),
        uid: number("Uid"),
        gid: number("Gid"),
        name: name.trim_ascii_end(),
        command: command.trim_ascii_end(),
    });
    notes.auxv(auxv);
    let files: Vec<(u64, u64, u64, &str)> = maps
        .iter()
        .filter_map(|line| Some((line.start, line.end, line.offset, line.path.as_deref()?)))
        .filter(|(.., path)| path.starts_with('/'))
        .collect();
    notes.files(&files);
    for thread in threads {
        let own = fatal.filter(|fatal| fatal.tid == thread.tid);
        notes.thread(thread.tid.as_raw() as u32, own.map_or(0, |fatal| fatal.number as u16), &thread.general);
        if let Some(fatal) = own.filter(|fatal| !fatal.siginfo.is_empty()) {
            notes.add("CORE", NT_SIGINFO, &fatal.siginfo);
        }
        if !thread.floating.is_empty() {
            notes.add("CORE", NT_FPREGSET, &thread.floating);
        }
        for (kind, bytes) in &thread.own {
            notes.add("LINUX", *kind, bytes);
        }
    }
    notes.into_bytes()
}
