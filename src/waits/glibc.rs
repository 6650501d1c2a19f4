//! glibc's locks, from the word that the kernel watches.
//!
//! ```text
//! mutex    __lock 0, __count 4, __owner 8, __nusers 12, __kind 16  (sysdeps/nptl/bits/struct_mutex.h, 64 bits, 2.1 to 2.41)
//! rwlock   __readers 0, __wrphase_futex 8, __writers_futex 12, __cur_writer 24  (struct_rwlock.h, 2.25 to 2.41)
//! cond     __wrefs 36, __g_signals 40, 44                           (thread-shared-types.h, 2.25 to 2.40)
//!          __wrefs 28, __g_signals 32, 36                           (2.41)
//! barrier  in 0, current_round 4, count 8                           (nptl/internaltypes.h, 2.22 to 2.41)
//! sem      value 0                                                  (2.21 to 2.41)
//! join     the word is `tid` of the other's `struct pthread`        (nptl/pthread_join_common.c, 2.0 to 2.41)
//! ```

use super::{Asker, Found, Kind, Owner, Wait};
use crate::addr::RunAddr;
use crate::memory::Memory;
use crate::session::Session;

/// Bits of a mutex's `__kind` that are known (nptl/pthreadP.h).
const KNOWN_KINDS: u64 = 0x3ff;
/// PTHREAD_MUTEX_PRIO_INHERIT_NP: the kernel keeps the owner in `__lock`.
const INHERITS: u64 = 0x20;
/// FUTEX_TID_MASK.
const TID: u64 = 0x3fff_ffff;

/// Fills in the object's address and who has it. `expected` is the value that the kernel was told to wait on.
pub(super) fn complete(asker: &Asker<'_>, wait: &mut Wait, word: RunAddr, expected: Option<u64>) {
    let session = asker.session;
    let memory = session.memory();
    let below = |bytes: u64| word.0.checked_sub(bytes).map(RunAddr);
    // The objects are aligned to eight bytes: of two words the lower one is.
    let is_lower = word.0.is_multiple_of(8);
    match wait.kind {
        Kind::Mutex => {
            let owner = mutex_owner(memory, word);
            wait.owners.extend(owner.map(|lwp| recorded(session, lwp, wait.shared)));
        }
        Kind::ReadLock | Kind::WriteLock => {
            let Some(lock) = below(if is_lower { 8 } else { 12 }) else { return };
            wait.address = Some(lock);
            let owner = writer(memory, lock);
            wait.owners.extend(owner.map(|lwp| recorded(session, lwp, wait.shared)));
        }
        Kind::Condition => {
            let signals = if has_short_conditions(session) { 32 } else { 40 };
            wait.address = below(if is_lower { signals } else { signals + 4 });
        }
        // Bit 0: somebody is in the call (nptl/pthread_once.c). A function that is called there may end in another wait.
        Kind::Once if memory.read_uint(word, 4).is_ok_and(|state| state & 3 != 1) => wait.kind = Kind::Futex,
        Kind::Barrier if !is_lower => wait.address = below(4),
        Kind::Join => {
            // Cleared by the kernel when the thread has ended.
            let tid = memory.read_uint(word, 4).ok().or(expected).map(|tid| tid & 0xffff_ffff);
            let tid = tid.and_then(|tid| u32::try_from(tid).ok()).filter(|tid| *tid != 0);
            wait.owners.extend(tid.map(|lwp| recorded(session, lwp, wait.shared)));
        }
        _ => {}
    }
}

fn recorded(session: &Session, lwp: u32, shared: bool) -> Owner {
    // What is shared may be another process's thread's.
    let gone = !shared && !session.image.threads.iter().any(|thread| thread.lwp == lwp);
    Owner { lwp, found: Found::Recorded, gone }
}

/// The thread that a mutex says it is locked by.
fn mutex_owner(memory: &dyn Memory, mutex: RunAddr) -> Option<u32> {
    let field = |offset: u64| memory.read_uint(mutex.checked_add(offset)?, 4).ok();
    let (lock, owner, kind) = (field(0)?, field(8)?, field(16)?);
    if kind & !KNOWN_KINDS != 0 || lock == 0 {
        return None;
    }
    let owner = if kind & INHERITS != 0 { lock & TID } else { owner };
    u32::try_from(owner).ok().filter(|owner| *owner != 0 && *owner < i32::MAX as u32 - 1)
}

/// The thread that has a lock to write: bit 1 of `__readers` says that one has, bit 0 that its phase has begun.
fn writer(memory: &dyn Memory, lock: RunAddr) -> Option<u32> {
    let field = |offset: u64| memory.read_uint(lock.checked_add(offset)?, 4).ok();
    let (readers, writer) = (field(0)?, field(24)?);
    let writer = u32::try_from(writer).ok().filter(|writer| *writer != 0 && *writer < i32::MAX as u32)?;
    (readers & 3 == 3).then_some(writer)
}

/// How many hold a lock to read.
pub(super) fn readers(memory: &dyn Memory, lock: RunAddr) -> Option<u64> {
    let readers = memory.read_uint(lock, 4).ok()?;
    (readers & 1 == 0).then_some(readers >> 3)
}

/// Whether the C library is of a version since which conditions have two words less in front.
fn has_short_conditions(session: &Session) -> bool {
    session.c_library().is_some_and(|version| version >= (2, 41))
}
