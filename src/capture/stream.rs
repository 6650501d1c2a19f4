//! The core that the kernel writes: its beginning, up to the end of its notes, and the rest of it for who wants it.
//!
//! The kernel writes headers, notes and then memory (fs/binfmt_elf.c, `elf_core_dump`, Linux 6.1), so that the notes end
//! where memory begins. Nothing behind them is read unless it is wanted.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;

use nix::sys::memfd::{MFdFlags, memfd_create};
use object::elf;
use object::read::elf::{FileHeader, ProgramHeader};
use object::{LittleEndian, Pod};

use super::CaptureError;

/// Headers and notes, at most: ten thousand threads with wide registers have 150 MB.
const LARGEST: u64 = 512 << 20;
/// Bytes that are copied at once.
const CHUNK: usize = 1 << 20;

/// The core's beginning.
pub struct Beginning {
    /// A file in memory that holds it.
    pub file: File,
    /// Its bytes.
    pub length: u64,
    /// Bytes of the whole core, as its headers say.
    pub total: u64,
    /// The stream ended, or failed, within it.
    pub cut: bool,
}

/// Reads the beginning of a core; nothing behind it is taken out of `input`.
pub fn read_beginning(input: &mut impl Read) -> Result<Beginning, CaptureError> {
    let failed = |error: io::Error| CaptureError::Stream(error.to_string());
    let memory: OwnedFd = memfd_create(c"obit-core", MFdFlags::MFD_CLOEXEC).map_err(|errno| failed(errno.into()))?;
    let mut beginning = Beginning { file: File::from(memory), length: 0, total: 0, cut: false };
    let mut head = Vec::new();
    beginning.take(input, 20, Some(&mut head)).map_err(failed)?;
    if !head.starts_with(b"\x7fELF") {
        return Err(CaptureError::Stream("is no core: nothing that begins as an ELF file does".to_owned()));
    }
    let wide = head.get(4) == Some(&elf::ELFCLASS64.0);
    match wide {
        true => beginning.headers::<elf::FileHeader64<LittleEndian>>(input, head),
        false => beginning.headers::<elf::FileHeader32<LittleEndian>>(input, head),
    }
    .map_err(failed)?;
    Ok(beginning)
}

impl Beginning {
    fn headers<Elf: FileHeader<Endian = LittleEndian>>(
        &mut self,
        input: &mut impl Read,
        mut head: Vec<u8>,
    ) -> io::Result<()> {
        self.take(input, size_of::<Elf>() as u64, Some(&mut head))?;
        let Some((header, _)) = from_bytes::<Elf>(&head) else { return Ok(()) };
        let table: u64 = header.e_phoff(LittleEndian).into();
        let entry = size_of::<Elf::ProgramHeader>() as u64;
        let number = u64::from(header.e_phnum(LittleEndian));
        let mut count = number;
        // The first one is PT_NOTE; with more than 65,534 it says where the table ends, which section 0 at the very
        // end of the core says otherwise (PN_XNUM).
        head.clear();
        self.take(input, table, None)?;
        self.take(input, table.saturating_add(entry), Some(&mut head))?;
        let Some((first, _)) = from_bytes::<Elf::ProgramHeader>(&head) else { return Ok(()) };
        if number == u64::from(elf::PN_XNUM) {
            let content: u64 = first.p_offset(LittleEndian).into();
            count = content.saturating_sub(table) / entry;
        }
        self.take(input, table.saturating_add(count.saturating_mul(entry)), Some(&mut head))?;
        let mut end = 0;
        for bytes in head.chunks_exact(entry as usize) {
            let Some((header, _)) = from_bytes::<Elf::ProgramHeader>(bytes) else { continue };
            let (offset, size) = header.file_range(LittleEndian);
            self.total = self.total.max(offset.saturating_add(size));
            if header.p_type(LittleEndian) == elf::PT_NOTE {
                end = end.max(offset.saturating_add(size));
            }
        }
        self.take(input, end, None)
    }

    /// Reads on up to the offset `end` of the core. What is read is appended to `copy`, too.
    fn take(&mut self, input: &mut impl Read, end: u64, mut copy: Option<&mut Vec<u8>>) -> io::Result<()> {
        let mut buffer = vec![0; CHUNK.min(end.saturating_sub(self.length) as usize)];
        while self.length < end && !self.cut {
            let wanted = (end - self.length).min(buffer.len() as u64) as usize;
            let count = match input.read(&mut buffer[..wanted]) {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => 0,
            };
            let bytes = buffer.get(..count).unwrap_or_default();
            self.file.write_all(bytes)?;
            if let Some(copy) = copy.as_deref_mut() {
                copy.extend_from_slice(bytes);
            }
            self.length += count as u64;
            self.cut = count == 0 || self.length >= LARGEST;
        }
        Ok(())
    }
}

fn from_bytes<T: Pod>(bytes: &[u8]) -> Option<(&T, &[u8])> {
    object::pod::from_bytes(bytes).ok()
}

/// Copies the core to `outputs`, each until it fails: first what was read already, then the rest. Gives what became of
/// each, and whether the input ended by itself.
pub fn copy_all(
    beginning: impl Read,
    rest: impl Read,
    outputs: &mut [&mut dyn Write],
    goes_on: impl Fn() -> bool,
) -> (Vec<io::Result<()>>, bool) {
    let mut input = beginning.chain(rest);
    let mut results: Vec<io::Result<()>> = outputs.iter().map(|_| Ok(())).collect();
    let mut buffer = vec![0; CHUNK];
    loop {
        if !goes_on() || results.iter().all(Result::is_err) {
            return (results, false);
        }
        let count = match input.read(&mut buffer) {
            Ok(0) => return (results, true),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return (results, false),
        };
        for (output, result) in outputs.iter_mut().zip(&mut results).filter(|(_, result)| result.is_ok()) {
            *result = output.write_all(buffer.get(..count).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Seek;

    use super::*;
    use crate::arch::Arch;
    use crate::image::elf_writer;

    fn read(bytes: &[u8]) -> (Beginning, usize) {
        let mut input = bytes;
        let beginning = read_beginning(&mut input).unwrap();
        (beginning, bytes.len() - input.len())
    }

    #[test]
    fn nothing_behind_the_notes_is_read() {
        for arch in [Arch::X86_64, Arch::I386] {
            for count in [1, 3, 70_000] {
                let pieces: Vec<(u64, u32, Vec<u8>)> = (0..count).map(|at| (at * 16, 6, vec![7; 16])).collect();
                let notes = vec![9; 100];
                let core = elf_writer::core(arch, &notes, &pieces);
                let (mut beginning, taken) = read(&core);
                assert_eq!(taken, core.len() - pieces.len() * 16, "{count}");
                assert!(!beginning.cut && beginning.length == taken as u64);
                assert_eq!(beginning.total, core.len() as u64);
                let mut content = Vec::new();
                beginning.file.rewind().unwrap();
                beginning.file.read_to_end(&mut content).unwrap();
                assert_eq!(content, core[..taken]);
            }
        }
    }

    #[test]
    fn cut_and_hostile_streams_end() {
        let core = elf_writer::core(Arch::X86_64, &[9; 100], &[(0x1000, 6, vec![7; 16])]);
        for length in 20..core.len() - 16 {
            assert!(read(&core[..length]).0.cut, "{length}");
        }
        assert!(read_beginning(&mut &b"#!/bin/sh"[..]).is_err());
        assert!(read_beginning(&mut &b""[..]).is_err());
        // Offsets and sizes beyond everything: e_phoff, then PT_NOTE's size.
        let mut damaged = core.clone();
        damaged[32..40].fill(0xff);
        assert!(read(&damaged).0.cut);
        let mut damaged = core;
        damaged[64 + 32..64 + 40].fill(0xff);
        assert!(read(&damaged).0.cut);
    }

    #[test]
    fn an_output_that_fails_leaves_the_others() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut good = Vec::new();
        let (results, ended) = copy_all(&b"ab"[..], &b"cd"[..], &mut [&mut Full, &mut good], || true);
        assert!(results[0].is_err() && results[1].is_ok() && ended);
        assert_eq!(good, b"abcd");
        let (_, ended) = copy_all(&b"ab"[..], &b"cd"[..], &mut [&mut good], || false);
        assert!(!ended);
    }
}
