//! The one way to read the target's memory.
//!
//! Everything that looks at the dead process (unwinder, locations, values, expressions) does so through [`Memory`].
//! A read either gives every byte asked for or says at which address it stopped and why, so that a hole in a core
//! travels on as an honest reason and never as zeros. All supported targets are little-endian.

use crate::addr::RunAddr;

/// Why a byte of the target's memory is not at hand.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum MissingReason {
    /// The mapping existed, but whoever wrote the core left these bytes out (and no file supplies them).
    NotSaved,
    /// Nothing was mapped there.
    Unmapped,
    /// The core names these bytes, but the file ends before them.
    Truncated,
}

impl MissingReason {
    /// The reason as people read it.
    pub fn text(self) -> &'static str {
        match self {
            MissingReason::NotSaved => "not saved in the core",
            MissingReason::Unmapped => "not mapped",
            MissingReason::Truncated => "lost with the core's truncated end",
        }
    }
}

/// The first byte that could not be read, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("memory at {address} is {}", .reason.text())]
pub struct ReadError {
    /// The first unreadable byte.
    pub address: RunAddr,
    /// Why it is unreadable.
    pub reason: MissingReason,
}

/// What bytes of the target were read for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadAs {
    /// To find other things: lengths, discriminants, links.
    Structure,
    /// As a number that an answer shows.
    Number,
    /// As text that an answer shows.
    Text,
}

/// Bytes of the target, by address.
pub trait Memory: Send + Sync {
    /// The longest run of bytes that is at hand in one piece from `address` on, at most `limit` bytes and never
    /// empty, or why there is none. Pieces end at segment borders; [`Memory::read`] joins them.
    fn piece(&self, address: RunAddr, limit: usize) -> Result<&[u8], ReadError>;

    /// The same for a reader that looks at few of the bytes, and says at which by [`Memory::used`].
    fn window(&self, address: RunAddr, limit: usize) -> Result<&[u8], ReadError> {
        self.piece(address, limit)
    }

    /// Bytes of a [`Memory::window`] that an answer depends on.
    fn used(&self, _address: RunAddr, _length: usize) {}

    /// What bytes that were read were read for.
    fn noted(&self, _address: RunAddr, _length: usize, _role: ReadAs) {}

    /// Fills `buffer` from `address` on, or says where and why it could not.
    fn read(&self, address: RunAddr, buffer: &mut [u8]) -> Result<(), ReadError> {
        let mut done = 0;
        while done < buffer.len() {
            let at = address.checked_add(done as u64).ok_or(ReadError { address, reason: MissingReason::Unmapped })?;
            let piece = self.piece(at, buffer.len() - done)?;
            buffer[done..done + piece.len()].copy_from_slice(piece);
            done += piece.len();
        }
        Ok(())
    }

    /// An unsigned little-endian integer of `size` bytes (at most 8).
    fn read_uint(&self, address: RunAddr, size: usize) -> Result<u64, ReadError> {
        let mut bytes = [0; 8];
        self.read(address, &mut bytes[..size.min(8)])?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// `length` bytes. The caller has bounded `length`.
    fn read_vec(&self, address: RunAddr, length: usize) -> Result<Vec<u8>, ReadError> {
        // Grown piece by piece, so that a hostile length costs nothing when the memory is not there.
        let mut bytes = Vec::new();
        while bytes.len() < length {
            let at = address.checked_add(bytes.len() as u64);
            let at = at.ok_or(ReadError { address, reason: MissingReason::Unmapped })?;
            bytes.extend_from_slice(self.piece(at, length - bytes.len())?);
        }
        Ok(bytes)
    }

    /// The bytes up to a NUL, at most `limit`, and whether the NUL was found. Stops quietly at unreadable memory
    /// after the first byte.
    fn read_c_string(&self, address: RunAddr, limit: usize) -> Result<(Vec<u8>, bool), ReadError> {
        let mut bytes = Vec::new();
        while bytes.len() < limit {
            let at = address.checked_add(bytes.len() as u64);
            let at = at.ok_or(ReadError { address, reason: MissingReason::Unmapped })?;
            let piece = match self.piece(at, limit - bytes.len()) {
                Ok(piece) => piece,
                Err(error) if bytes.is_empty() => return Err(error),
                Err(_) => return Ok((bytes, false)),
            };
            match memchr::memchr(0, piece) {
                Some(end) => {
                    bytes.extend_from_slice(&piece[..end]);
                    return Ok((bytes, true));
                }
                None => bytes.extend_from_slice(piece),
            }
        }
        Ok((bytes, false))
    }
}
