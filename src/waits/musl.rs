//! musl's locks, from the word that the kernel watches.
//!
//! ```text
//! mutex   __i: type 0, lock 4                     (src/internal/pthread_impl.h, 1.0 to 1.2)
//! sem     value 0
//! ```
//!
//! What it watches of conditions lies on the waiter's own stack, of threads that are joined it is no number of theirs, and
//! its other locks record no owner.

use super::{Found, Kind, Owner, Wait};
use crate::addr::RunAddr;
use crate::session::Session;

/// Fills in the object's address and who has it.
pub(super) fn complete(session: &Session, wait: &mut Wait, word: RunAddr) {
    match wait.kind {
        Kind::Mutex => {
            let Some(mutex) = word.0.checked_sub(4).map(RunAddr) else { return };
            wait.address = Some(mutex);
            let read = |address: RunAddr| session.memory().read_uint(address, 4).ok();
            let (Some(kind), Some(lock)) = (read(mutex), read(word)) else { return };
            // A plain one holds EBUSY; bits 30 and 31 are flags.
            let owner = u32::try_from(lock & 0x3fff_ffff).unwrap_or(0);
            if kind & 15 != 0 && kind & !0x8f == 0 && owner != 0 {
                let gone = !wait.shared && !session.image.threads.iter().any(|thread| thread.lwp == owner);
                wait.owners.push(Owner { lwp: owner, found: Found::Recorded, gone });
            }
        }
        Kind::Semaphore | Kind::Once | Kind::ReadLock | Kind::WriteLock | Kind::Spinlock => {}
        _ => {
            wait.word = None;
            wait.address = None;
        }
    }
}
