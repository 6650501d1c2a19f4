//! The notes of the core that a live process becomes.

use std::fs;

use super::maps::MapLine;
use super::tracer::Thread;
use crate::arch::Arch;
pub(super) use crate::image::note_writer::{NT_ARM_TLS, NT_FPREGSET};
use crate::image::note_writer::{Notes, Process};
use crate::image::proc_text;

/// include/uapi/linux/elf.h.
pub(super) const NT_X86_XSTATE: u32 = 0x202;
pub(super) const NT_ARM_PAC_MASK: u32 = 0x406;
pub(super) const NT_PRSTATUS: u32 = 1;

/// What the kernel would have written before the memory.
pub(super) fn core_notes(pid: i32, arch: Arch, threads: &[Thread], maps: &[MapLine], auxv: &[u8]) -> Vec<u8> {
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
        notes.thread(thread.tid.as_raw() as u32, 0, &thread.general);
        if !thread.floating.is_empty() {
            notes.add("CORE", NT_FPREGSET, &thread.floating);
        }
        for (kind, bytes) in &thread.own {
            notes.add("LINUX", *kind, bytes);
        }
    }
    notes.into_bytes()
}
