//! Which memory is copied while a process stands still, and how.

use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;
use std::io::IoSliceMut;

use super::PAGE;
use super::maps::{self, MapLine};

/// Bytes of each stack, from the stack pointer on.
const STACK: u64 = 64 << 10;
/// The same where there are more than [`MANY_THREADS`].
const STACK_OF_MANY: u64 = 16 << 10;
const MANY_THREADS: usize = 64;
/// Bytes at the first stack's end, where the kernel put the command line and the environment.
const INITIAL_STACK: u64 = 32 << 10;
/// Below the stack pointer: the red zone (System V psABI AMD64 1.0, section 3.2.2).
const RED_ZONE: u64 = 128;
/// Writable mappings of files up to this size are copied whole: .data and .bss.
const WHOLE_DATA: u64 = 256 << 10;
/// The kernel takes 1,024 ranges a call (IOV_MAX).
const RANGES_A_CALL: usize = 512;
/// Pages that were met last: most words of a stack point to the same few.
const RECENT: usize = 4096;

/// Bytes that are copied of the stack of one among `threads`.
pub(super) fn stack_size(threads: usize) -> u64 {
    if threads > MANY_THREADS { STACK_OF_MANY } else { STACK }
}

/// The part of a stack that is in use and copied.
pub(super) fn stack_range(sp: u64, size: u64, maps: &[MapLine]) -> Option<(u64, u64)> {
    let line = maps::holding(maps, sp)?;
    let start = (sp.saturating_sub(RED_ZONE) & !(PAGE - 1)).max(line.start);
    Some((start, sp.saturating_add(size).next_multiple_of(PAGE).min(line.end)))
}

/// Data of modules, and the command line and environment.
pub(super) fn data_ranges(maps: &[MapLine]) -> Vec<(u64, u64)> {
    let mut wanted = Vec::new();
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
    wanted
}

/// Room for what is copied, made before the process stands still: a page that is touched for the first time costs
/// as much as its copy.
pub(super) struct Copied {
    buffer: Vec<u8>,
    used: usize,
    /// Start, and where its bytes are in the buffer.
    pieces: Vec<(u64, std::ops::Range<usize>)>,
}

impl Copied {
    /// Room for so many bytes, each page of it touched.
    pub(super) fn with_room(size: usize) -> Copied {
        let mut buffer = vec![0u8; size];
        for page in buffer.chunks_mut(PAGE as usize) {
            if let Some(byte) = page.first_mut() {
                *byte = std::hint::black_box(1);
            }
        }
        Copied { buffer, used: 0, pieces: Vec::new() }
    }

    /// Reads ranges, many in one call. What cannot be read is left out.
    pub(super) fn read(&mut self, pid: Pid, ranges: &[(u64, u64)]) {
        for batch in ranges.chunks(RANGES_A_CALL) {
            let size: usize = batch.iter().map(|(start, end)| end.saturating_sub(*start) as usize).sum();
            let remote: Vec<RemoteIoVec> =
                batch.iter().map(|(start, end)| remote(*start, end.saturating_sub(*start) as usize)).collect();
            let mut read = process_vm_readv(pid, &mut [IoSliceMut::new(self.room(size))], &remote).unwrap_or(0);
            for (start, end) in batch {
                let size = end.saturating_sub(*start) as usize;
                if size <= read {
                    self.pieces.push((*start, self.used..self.used + size));
                    self.used += size;
                    read -= size;
                } else {
                    // A call ends at the first page that is not there: this range and the rest one by one.
                    read = 0;
                    self.read_one(pid, *start, size);
                }
            }
        }
    }

    fn read_one(&mut self, pid: Pid, start: u64, size: usize) {
        let at = self.used;
        let read = process_vm_readv(pid, &mut [IoSliceMut::new(self.room(size))], &[remote(start, size)])
            .unwrap_or(0)
            .min(size);
        if read > 0 {
            self.pieces.push((start, at..at + read));
            self.used += read;
        }
    }

    fn room(&mut self, size: usize) -> &mut [u8] {
        let end = self.used.saturating_add(size);
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        self.buffer.get_mut(self.used..end).unwrap_or_default()
    }

    /// Number of pieces.
    pub(super) fn count(&self) -> usize {
        self.pieces.len()
    }

    /// Start and bytes of each piece from the `from`th on.
    pub(super) fn pieces(&self, from: usize) -> impl Iterator<Item = (u64, &[u8])> {
        let pieces = self.pieces.get(from..).unwrap_or_default();
        pieces.iter().map(|(start, range)| (*start, self.buffer.get(range.clone()).unwrap_or_default()))
    }
}

fn remote(start: u64, size: usize) -> RemoteIoVec {
    RemoteIoVec { base: start as usize, len: size }
}

/// Finds pages that words point to.
pub(super) struct Pointers<'m> {
    maps: &'m [MapLine],
    lowest: u64,
    highest: u64,
    recent: Vec<u64>,
    /// Pages that can be read and written, as they were met; some more than once.
    pub(super) pages: Vec<u64>,
}

impl Pointers<'_> {
    pub(super) fn new(maps: &[MapLine]) -> Pointers<'_> {
        let (lowest, highest) = (maps.first().map_or(0, |line| line.start), maps.last().map_or(0, |line| line.end));
        Pointers { maps, lowest, highest, recent: vec![0; RECENT], pages: Vec::new() }
    }

    pub(super) fn look_through(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks_exact(8) {
            let Ok(word) = chunk.try_into().map(u64::from_le_bytes) else { continue };
            if word < self.lowest || word >= self.highest {
                continue;
            }
            let page = word & !(PAGE - 1);
            let slot = (page / PAGE) as usize % RECENT;
            let Some(recent) = self.recent.get_mut(slot).filter(|recent| **recent != page) else { continue };
            *recent = page;
            if maps::holding(self.maps, page).is_some_and(|line| line.flags & 6 == 6) {
                self.pages.push(page);
            }
        }
    }
}
