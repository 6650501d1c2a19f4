//! The one way to read the target's memory.
//!
//! Everything that looks at the dead process (unwinder, locations, values, expressions) does so through [`Memory`].
//! A read either gives every byte asked for or says at which address it stopped and why, so that a hole in a core
//! travels on as an honest reason and never as zeros. All supported targets are little-endian.

use std::sync::Arc;

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

/// Bytes of the target, by address.
pub trait Memory: Send + Sync {
    /// The longest run of bytes that is at hand in one piece from `address` on, at most `limit` bytes and never
    /// empty, or why there is none. Pieces end at segment borders; [`Memory::read`] joins them.
    fn piece(&self, address: RunAddr, limit: usize) -> Result<&[u8], ReadError>;

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

/// A core's memory, and behind it what files say of the bytes that the core did not save.
///
/// The core always wins: a file supplies only addresses at which the core holds nothing. Nothing else fills holes,
/// no page of zeros in particular.
pub struct LayeredMemory {
    core: Arc<dyn Memory>,
    /// Ascending, not overlapping, without any byte that the core holds.
    backing: Vec<(RunAddr, &'static [u8])>,
}

impl LayeredMemory {
    /// `saved` are the ranges (first, one past the last) that `core` holds, ascending. `backing` are files' bytes
    /// and where they are mapped, in any order; where two overlap, the lower one wins. The caller passes only what the
    /// process cannot have changed: mappings that are not writable, of files that are known to be the same.
    pub fn new(
        core: Arc<dyn Memory>,
        saved: impl IntoIterator<Item = (RunAddr, RunAddr)>,
        mut backing: Vec<(RunAddr, &'static [u8])>,
    ) -> LayeredMemory {
        backing.sort_by_key(|(start, _)| *start);
        let mut holes: Vec<(RunAddr, &'static [u8])> = Vec::with_capacity(backing.len());
        let mut saved = saved.into_iter().peekable();
        let mut at = 0u64;
        for (start, bytes) in backing {
            let end = start.0.saturating_add(bytes.len() as u64);
            at = at.max(start.0);
            while at < end {
                while saved.next_if(|(_, saved_end)| saved_end.0 <= at).is_some() {}
                let (saved_start, saved_end) = saved.peek().map_or((u64::MAX, u64::MAX), |(from, to)| (from.0, to.0));
                let hole_end = saved_start.min(end);
                if hole_end > at {
                    let inside = (at - start.0) as usize..(hole_end - start.0) as usize;
                    holes.extend(bytes.get(inside).map(|hole| (RunAddr(at), hole)));
                }
                at = if hole_end < end { saved_end.max(at) } else { end };
            }
        }
        LayeredMemory { core, backing: holes }
    }
}

impl Memory for LayeredMemory {
    fn piece(&self, address: RunAddr, limit: usize) -> Result<&[u8], ReadError> {
        let missing = match self.core.piece(address, limit) {
            Ok(piece) => return Ok(piece),
            Err(missing) => missing,
        };
        let after = self.backing.partition_point(|(start, _)| *start <= address);
        let Some((start, bytes)) = after.checked_sub(1).and_then(|index| self.backing.get(index)) else {
            return Err(missing);
        };
        let rest = usize::try_from(address.0 - start.0).ok().and_then(|inside| bytes.get(inside..)).unwrap_or_default();
        if rest.is_empty() { Err(missing) } else { Ok(&rest[..rest.len().min(limit)]) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds the byte 1 at 0x10..0x20 and 0x30..0x34.
    struct Core;

    const SAVED: [(RunAddr, RunAddr); 2] = [(RunAddr(0x10), RunAddr(0x20)), (RunAddr(0x30), RunAddr(0x34))];

    impl Memory for Core {
        fn piece(&self, address: RunAddr, limit: usize) -> Result<&[u8], ReadError> {
            let range = SAVED.iter().find(|(start, end)| *start <= address && address < *end);
            let (_, end) = range.ok_or(ReadError { address, reason: MissingReason::NotSaved })?;
            Ok(&[1; 16][..((end.0 - address.0) as usize).min(limit)])
        }
    }

    #[test]
    fn files_supply_only_what_the_core_lacks() {
        static FILE: [u8; 64] = [2; 64];
        let backing: Vec<(RunAddr, &'static [u8])> = vec![(RunAddr(0x18), &FILE[..0x20]), (RunAddr(0x8), &FILE[..4])];
        let memory = LayeredMemory::new(Arc::new(Core), SAVED, backing);
        let mut bytes = [0; 4];
        memory.read(RunAddr(0x1e), &mut bytes).unwrap();
        assert_eq!(bytes, [1, 1, 2, 2]);
        assert_eq!(memory.piece(RunAddr(0x20), 100).unwrap(), &[2; 16]);
        assert_eq!(memory.piece(RunAddr(0x30), 100).unwrap(), &[1; 4]);
        assert_eq!(memory.piece(RunAddr(0x34), 100).unwrap(), &[2; 4]);
        assert_eq!(memory.piece(RunAddr(0x8), 100).unwrap(), &[2; 4]);
        let missing = memory.piece(RunAddr(0x38), 1).unwrap_err();
        assert_eq!(missing, ReadError { address: RunAddr(0x38), reason: MissingReason::NotSaved });
        assert!(memory.piece(RunAddr(0xc), 1).is_err());
        assert!(memory.piece(RunAddr(0), 1).is_err());
    }

    #[test]
    fn overlapping_files_and_the_end_of_the_address_space() {
        static FILE: [u8; 64] = [2; 64];
        static OTHER: [u8; 64] = [3; 64];
        let backing: Vec<(RunAddr, &'static [u8])> =
            vec![(RunAddr(0x100), &FILE), (RunAddr(0x120), &OTHER), (RunAddr(u64::MAX - 7), &OTHER)];
        let memory = LayeredMemory::new(Arc::new(Core), SAVED, backing);
        let bytes = memory.read_vec(RunAddr(0x13e), 4).unwrap();
        assert_eq!(bytes, [2, 2, 3, 3]);
        assert_eq!(memory.piece(RunAddr(u64::MAX - 7), 64).unwrap(), &[3; 7]);
        assert!(memory.read_vec(RunAddr(u64::MAX - 7), 64).is_err());
    }
}
