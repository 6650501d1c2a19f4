//! ELF cores.

use crate::addr::RunAddr;
use crate::memory::{Memory, MissingReason, ReadError};

/// The memory that a core holds.
pub struct CoreMemory {}

impl Memory for CoreMemory {
    fn piece(&self, address: RunAddr, _limit: usize) -> Result<&[u8], ReadError> {
        Err(ReadError { address, reason: MissingReason::Unmapped })
    }
}
