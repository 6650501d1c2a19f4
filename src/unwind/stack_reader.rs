//! Words of the stack, quickly: neighbouring reads share one lookup of the memory's pieces.

use crate::addr::RunAddr;
use crate::arch::Arch;
use crate::memory::{Memory, ReadError};

/// How much is asked for at once. Borrowed, so a large window costs nothing.
const WINDOW: usize = 1 << 20;
/// Where a window starts below the address that opened it, as saved registers lie below the CFA.
const BELOW: u64 = 256;

pub(super) struct StackReader<'a> {
    memory: &'a dyn Memory,
    word: usize,
    start: u64,
    window: &'a [u8],
}

impl<'a> StackReader<'a> {
    pub fn new(arch: Arch, memory: &'a dyn Memory) -> StackReader<'a> {
        StackReader { memory, word: arch.address_size(), start: 0, window: &[] }
    }

    /// Bytes of a word.
    pub fn word_size(&self) -> u64 {
        self.word as u64
    }

    /// An address-sized word.
    pub fn word(&mut self, address: u64) -> Result<u64, ReadError> {
        self.uint(address, self.word)
    }

    /// An unsigned integer of at most 8 bytes.
    pub fn uint(&mut self, address: u64, size: usize) -> Result<u64, ReadError> {
        let size = size.min(8);
        if let Some(value) = self.in_window(address, size) {
            self.memory.used(RunAddr(address), size);
            return Ok(value);
        }
        for start in [address.saturating_sub(BELOW), address] {
            if let Ok(piece) = self.memory.window(RunAddr(start), WINDOW) {
                (self.start, self.window) = (start, piece);
                if let Some(value) = self.in_window(address, size) {
                    self.memory.used(RunAddr(address), size);
                    return Ok(value);
                }
            }
        }
        self.memory.read_uint(RunAddr(address), size)
    }

    /// So many bytes. The caller has bounded `length`.
    pub fn bytes(&self, address: u64, length: usize) -> Result<Vec<u8>, ReadError> {
        self.memory.read_vec(RunAddr(address), length)
    }

    fn in_window(&self, address: u64, size: usize) -> Option<u64> {
        let offset = usize::try_from(address.checked_sub(self.start)?).ok()?;
        let bytes = self.window.get(offset..offset.checked_add(size)?)?;
        let mut value = [0; 8];
        value[..size].copy_from_slice(bytes);
        Some(u64::from_le_bytes(value))
    }
}
