//! musl's locks, from the word that the kernel watches.
//!
//! ```text
//! mutex    __i: type 0, lock 4                        (src/internal/pthread_impl.h, 1.0 to 1.2)
//! sem      value 0
//! cond     head of its waiters 8, the last 40         (the same, 1.1 to 1.2, 64 bits)
//!          a waiter, on its thread's stack: previous 0, next 8, the word 20  (src/thread/pthread_cond_timedwait.c)
//! barrier  limit 8, its instance 24                   (1.1 to 1.2, 64 bits)
//!          an instance, on a waiter's stack: the words of others 4, of the first 12  (src/thread/pthread_barrier_wait.c)
//! join     the word is `detach_state` of the other's `struct pthread`, its `tid` 8 below, its own address in front
//!          (pthread_impl.h, pthread_join.c, 1.2)
//! ```
//!
//! What the kernel watches of conditions and barriers lies on a waiter's stack: the object is what a register or a word near
//! the stack's top points to, and what points back. Its plain mutexes and rwlocks record no owner.

use super::{Found, Kind, Owner, Wait};
use crate::addr::RunAddr;
use crate::arch::{Arch, GENERAL_COUNT, Registers};
use crate::session::Session;

/// Waiters of one condition that are followed.
const MOST_WAITERS: usize = 4096;
/// Bytes of the stack in which calls keep what they were given.
const KEPT: usize = 1024;

/// Fills in the object's address and who has it.
pub(super) fn complete(session: &Session, registers: &Registers, wait: &mut Wait, word: RunAddr) {
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
        Kind::Join => {
            wait.owners.extend(joined(session, word).map(|lwp| Owner { lwp, found: Found::Recorded, gone: false }));
            wait.word = None;
            wait.address = None;
        }
        Kind::Condition | Kind::Barrier => {
            let object = match wait.kind {
                Kind::Condition => condition(session, registers, word),
                _ => barrier(session, registers, word),
            };
            wait.word = object;
            wait.address = object;
        }
        Kind::Semaphore | Kind::Once | Kind::ReadLock | Kind::WriteLock | Kind::Spinlock => {}
        _ => {
            wait.word = None;
            wait.address = None;
        }
    }
}

/// What a word is by itself, where no name says whose it is: of a program into which musl was linked and whose symbols were
/// taken. It is a mutex that records its owner, or the end of a thread, where everything around it is as it must be;
/// `expected` is what the kernel was told to find in it.
pub(super) fn of_word(session: &Session, word: RunAddr, expected: u64) -> Option<(Kind, RunAddr, Owner)> {
    let read = |address: Option<u64>| session.memory().read_uint(RunAddr(address?), 4).ok();
    let is_thread = |lwp: u32| session.image.threads.iter().any(|thread| thread.lwp == lwp);
    let (expected, now) = (expected & 0xffff_ffff, read(Some(word.0))?);
    let recorded = |lwp: u32| Owner { lwp, found: Found::Recorded, gone: false };
    // DT_JOINABLE (src/internal/pthread_impl.h).
    if let Some(lwp) = joined(session, word).filter(|_| expected == now && now == 2) {
        return Some((Kind::Join, word, recorded(lwp)));
    }
    let (kind, waiters) = (read(word.0.checked_sub(4))?, read(word.0.checked_add(4))?);
    let owner = u32::try_from(now & 0x3fff_ffff).ok()?;
    // Recursive, error checking and robust ones (1, 2, 4) have the owner's number; who waits sets bit 31 and counts itself.
    let is_mutex = expected == now
        && now >> 30 == 2
        && matches!(kind & !0x80, 1 | 2 | 4..=6)
        && (1..=session.image.threads.len() as u64).contains(&waiters)
        && word.0.is_multiple_of(4);
    (is_mutex && is_thread(owner)).then(|| (Kind::Mutex, RunAddr(word.0 - 4), recorded(owner)))
}

/// The thread that is joined.
fn joined(session: &Session, word: RunAddr) -> Option<u32> {
    let memory = session.memory();
    // The thread's own address is at its start; behind it x86-64 has one word more (`dtv`).
    let start = match session.image.arch {
        Arch::X86_64 => word.0.checked_sub(56)?,
        Arch::Aarch64 => word.0.checked_sub(40)?,
        Arch::I386 => return None,
    };
    if memory.read_uint(RunAddr(start), 8).ok()? != start {
        return None;
    }
    let tid = u32::try_from(memory.read_uint(RunAddr(word.0.checked_sub(8)?), 4).ok()?).ok()?;
    session.image.threads.iter().any(|thread| thread.lwp == tid).then_some(tid)
}

/// The condition whose list of waiters the word's is in.
fn condition(session: &Session, registers: &Registers, word: RunAddr) -> Option<RunAddr> {
    let pointer = |at: u64| session.memory().read_uint(RunAddr(at), 8).ok();
    let waiter = word.0.checked_sub(20)?;
    let mut first = waiter;
    for _ in 0..MOST_WAITERS {
        match pointer(first)? {
            0 => break,
            previous if pointer(previous.checked_add(8)?)? != first => return None,
            previous => first = previous,
        }
    }
    let is_its = |condition: u64| {
        let field = |offset: u64| pointer(condition.checked_add(offset)?);
        field(8) == Some(first) && field(40).is_some_and(|last| last != 0)
    };
    given(session, registers).find(|candidate| is_its(*candidate)).map(RunAddr)
}

/// The barrier whose instance the word is in.
fn barrier(session: &Session, registers: &Registers, word: RunAddr) -> Option<RunAddr> {
    let read = |at: u64, size: usize| session.memory().read_uint(RunAddr(at), size).ok();
    let is_its = |barrier: u64| {
        let limit = barrier.checked_add(8).and_then(|at| read(at, 4));
        let instance = barrier.checked_add(24).and_then(|at| read(at, 8));
        let is_inside = |instance: u64| matches!(word.0.checked_sub(instance), Some(4 | 12));
        limit.is_some_and(|limit| limit > 0) && instance.is_some_and(is_inside)
    };
    given(session, registers).find(|candidate| is_its(*candidate)).map(RunAddr)
}

/// What may be an argument of the calls that the thread is in: its registers, and words near its stack's top.
fn given<'a>(session: &'a Session, registers: &'a Registers) -> impl Iterator<Item = u64> + 'a {
    let in_registers = (0..GENERAL_COUNT as u16).filter_map(|register| registers.get(register));
    let stack = registers.sp().map(|sp| {
        let most = (1..=KEPT / 256).rev().map(|parts| parts * 256);
        most.filter_map(|length| session.memory().read_vec(RunAddr(sp), length).ok()).next().unwrap_or_default()
    });
    let words: Vec<u64> = stack
        .unwrap_or_default()
        .chunks_exact(8)
        .filter_map(|chunk| Some(u64::from_le_bytes(chunk.try_into().ok()?)))
        .collect();
    in_registers.chain(words).filter(|value| *value != 0 && value.is_multiple_of(8))
}
