//! Whether another process may take part in a wait.

use crate::addr::RunAddr;
use crate::image::Mapping;
use crate::session::Session;

/// Bit 7 of futex's operation says that nobody else can wake it (FUTEX_PRIVATE_FLAG). Without it that is so too where the
/// word's memory is nobody else's: what is shared has a file behind it, if only `/dev/zero` or `/SYSV...` (Linux 6.10,
/// mm/shmem.c `shmem_zero_setup`, ipc/shm.c), and a module's data is each process's own. libstdc++ leaves the flag out.
pub(super) fn is_shared(session: &Session, word: Option<RunAddr>, operation: Option<u64>) -> bool {
    if operation.is_none_or(|operation| operation & 0x80 != 0) {
        return false;
    }
    let Some(word) = word else { return true };
    !is_private(session, word)
}

fn is_private(session: &Session, word: RunAddr) -> bool {
    let Some(mapping) = session.image.mapping_at(word) else { return false };
    match mapping.file {
        Some(_) => session.program.modules.at(word).is_some(),
        // Only where the core says of any mapping what is behind it.
        None => session.image.mappings.iter().any(|mapping: &Mapping| mapping.file.is_some()),
    }
}
