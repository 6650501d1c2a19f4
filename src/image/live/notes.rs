//! The notes of the core that a live process becomes.

use std::fs;

use super::PAGE;
use super::maps::MapLine;
use super::tracer::Thread;
use crate::arch::Arch;

/// include/uapi/linux/elf.h.
pub(super) const NT_X86_XSTATE: u32 = 0x202;
pub(super) const NT_ARM_TLS: u32 = 0x401;
pub(super) const NT_ARM_PAC_MASK: u32 = 0x406;
pub(super) const NT_PRSTATUS: u32 = 1;
pub(super) const NT_FPREGSET: u32 = 2;
const NT_PRPSINFO: u32 = 3;
const NT_AUXV: u32 = 6;
const NT_FILE: u32 = 0x4649_4c45;

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

/// What the kernel would have written before the memory.
pub(super) fn core_notes(pid: i32, arch: Arch, threads: &[Thread], maps: &[MapLine], auxv: &[u8]) -> Vec<u8> {
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
        for (kind, bytes) in &thread.own {
            note(&mut notes, b"LINUX", *kind, bytes);
        }
    }
    notes
}
