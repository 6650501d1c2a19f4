//! A core's notes, written out of what other kinds of targets say of a process.
//!
//! Layouts: `struct elf_prstatus`, `struct elf_prpsinfo` (Linux 6.1, include/linux/elfcore.h, and the 32-bit forms of
//! linux/elfcore-compat.h), NT_FILE (fs/binfmt_elf.c, `fill_files_note`).

use crate::arch::Arch;

/// NT_PRSTATUS (include/uapi/linux/elf.h).
const NT_PRSTATUS: u32 = 1;
/// NT_FPREGSET.
pub const NT_FPREGSET: u32 = 2;
/// NT_PRXFPREG: the FXSAVE area of i386.
pub const NT_PRXFPREG: u32 = 0x46e6_2b7f;
/// NT_ARM_TLS.
pub const NT_ARM_TLS: u32 = 0x401;
const NT_PRPSINFO: u32 = 3;
const NT_AUXV: u32 = 6;
const NT_SIGINFO: u32 = 0x5349_4749;
const NT_FILE: u32 = 0x4649_4c45;
/// Owner and type of a note of this program's own, behind a thread's NT_PRSTATUS: names of registers, NUL between them,
/// that were not known, and are 0 there.
pub const UNKNOWN_REGISTERS: (&str, u32) = ("OBIT", 1);
/// The same for memory's tags: the first address, eight bytes, and the tags from there on
/// ([`MemoryTags`](super::MemoryTags)).
pub const MEMORY_TAGS: (&str, u32) = ("OBIT", 2);
/// NT_FILE counts offsets in pages of this size.
const PAGE: u64 = 4096;

/// What NT_PRPSINFO says.
#[derive(Clone, Debug, Default)]
pub struct Process<'a> {
    /// Process id.
    pub pid: u32,
    /// Parent's id.
    pub ppid: u32,
    /// Real user id.
    pub uid: u32,
    /// Real group id.
    pub gid: u32,
    /// Short name; 15 bytes of it are kept.
    pub name: &'a [u8],
    /// Command line; 79 bytes of it are kept.
    pub command: &'a [u8],
}

/// Notes, one behind the other.
pub struct Notes {
    arch: Arch,
    bytes: Vec<u8>,
}

impl Notes {
    /// None yet.
    pub fn new(arch: Arch) -> Notes {
        Notes { arch, bytes: Vec::new() }
    }

    /// The segment's content.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Any note; owner `LINUX` for what came after the first ones, else `CORE`.
    pub fn add(&mut self, owner: &str, kind: u32, content: &[u8]) {
        for number in [owner.len() as u32 + 1, content.len() as u32, kind] {
            self.bytes.extend_from_slice(&number.to_le_bytes());
        }
        self.bytes.extend_from_slice(owner.as_bytes());
        self.bytes.push(0);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self.bytes.extend_from_slice(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// NT_PRPSINFO.
    pub fn process(&mut self, process: &Process<'_>) {
        let wide = self.arch.address_size() == 8;
        let (size, ids, id_size, pid, name, command) =
            if wide { (136, 16, 4, 24, 40, 56) } else { (124, 8, 2, 12, 28, 44) };
        let mut info = vec![0u8; size];
        put(&mut info, ids, &process.uid.to_le_bytes()[..id_size]);
        put(&mut info, ids + id_size, &process.gid.to_le_bytes()[..id_size]);
        put(&mut info, pid, &process.pid.to_le_bytes());
        put(&mut info, pid + 4, &process.ppid.to_le_bytes());
        put(&mut info, name, &process.name[..process.name.len().min(15)]);
        put(&mut info, command, &process.command[..process.command.len().min(79)]);
        self.add("CORE", NT_PRPSINFO, &info);
    }

    /// NT_AUXV, as the kernel has it in memory.
    pub fn auxv(&mut self, content: &[u8]) {
        self.add("CORE", NT_AUXV, content);
    }

    /// NT_FILE: start, end, offset in the file and path of each mapping, ascending.
    pub fn files(&mut self, files: &[(u64, u64, u64, &str)]) {
        let size = self.arch.address_size();
        let mut table = Vec::new();
        let mut word = |value: u64| table.extend_from_slice(&value.to_le_bytes()[..size]);
        word(files.len() as u64);
        word(PAGE);
        for (start, end, offset, _) in files {
            word(*start);
            word(*end);
            word(offset / PAGE);
        }
        for (.., path) in files {
            table.extend(path.bytes().filter(|byte| *byte != 0));
            table.push(0);
        }
        self.add("CORE", NT_FILE, &table);
    }

    /// NT_PRSTATUS: thread, the signal that it stopped with, and its `pr_reg`.
    pub fn thread(&mut self, lwp: u32, signal: u16, registers: &[u8]) {
        let (lwp_at, registers_at) = if self.arch.address_size() == 8 { (32, 112) } else { (24, 72) };
        let length = self.arch.saved_words().len() * self.arch.address_size();
        // `pr_fpvalid` goes on behind.
        let mut status = vec![0u8; registers_at + length + self.arch.address_size()];
        put(&mut status, 12, &signal.to_le_bytes());
        put(&mut status, lwp_at, &lwp.to_le_bytes());
        put(&mut status, registers_at, &registers[..registers.len().min(length)]);
        self.add("CORE", NT_PRSTATUS, &status);
    }

    /// NT_SIGINFO of a signal whose union begins with `value`: `si_addr`, or `si_pid` and `si_uid`.
    pub fn signal(&mut self, number: i32, code: i32, value: u64) {
        let mut info = vec![0u8; 128];
        put(&mut info, 0, &number.to_le_bytes());
        put(&mut info, 8, &code.to_le_bytes());
        let size = self.arch.address_size();
        put(&mut info, if size == 8 { 16 } else { 12 }, &value.to_le_bytes()[..size]);
        self.add("CORE", NT_SIGINFO, &info);
    }
}

fn put(into: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(field) = into.get_mut(at..at + bytes.len()) {
        field.copy_from_slice(bytes);
    }
}
