//! Locks of POSIX threads.
//!
//! ```text
//! glibc  __data: __lock, __count, __owner, __kind      mutex   (sysdeps/nptl/bits/struct_mutex.h, 2.0 to 2.41)
//!        __data: __wrefs                               cond    (nptl/pthread_cond_common.c, 2.25 to 2.41)
//!        __data: __readers, __cur_writer               rwlock  (nptl/pthread_rwlock_common.c, 2.25 to 2.41)
//!        value, waiters                                sem     (nptl/sem_post.c: struct new_sem, 2.21 to 2.41)
//!        in, current_round, count, shared              barrier (nptl/pthread_barrier_wait.c, 2.25 to 2.41)
//!        mtx_t, cnd_t: the bytes of the POSIX ones, without members     (sysdeps/nptl/threads.h, 2.28 to 2.41)
//!               lock 0, count 4, owner 8, kind 16 (64 bits) or 12 (32 bits); wrefs 36, since 2.41 28
//! musl   __u.__i: type, lock, -, -, -, count           mutex   (src/internal/pthread_impl.h, 1.0 to 1.2)
//!        __u: -, -, limit; __p[3]: instance            barrier (src/thread/pthread_barrier_wait.c, 1.0 to 1.2)
//!        __val: value, waiters                         sem     (src/thread/sem_post.c, 1.0 to 1.2)
//! ```

use super::super::{Object, Refusal, View};
use super::line;

/// `pthread_mutex_t [recursive, locked 2 times by LWP 12]`
pub(super) fn mutex<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let (mut said, state) = if object.has("__data") { glibc_mutex(object)? } else { musl_mutex(object)? };
    said.push(state);
    Ok(line(format!("pthread_mutex_t [{}]", said.join(", "))))
}

/// `mtx_t [recursive, locked 2 times by LWP 12]`: C11's, which is a POSIX one without members.
pub(super) fn c_mutex<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let (mut said, state) = if object.has("__size") {
        let word = |offset: u64| Ok::<u64, Refusal>(object.shifted(offset)?.word_at_start()? & 0xffff_ffff);
        // In 64 bits the number of users is before the kind.
        let kind = word(if object.word() == 8 { 16 } else { 12 })?;
        mutex_state(word(0)?, word(4)?, i64::from(word(8)? as u32 as i32), kind)?
    } else {
        musl_mutex(object)?
    };
    said.push(state);
    Ok(line(format!("mtx_t [{}]", said.join(", "))))
}

fn glibc_mutex(object: &Object<'_>) -> Result<(Vec<String>, String), Refusal> {
    let data = object.field("__data")?;
    let (lock, owner) = (data.field("__lock")?.uint()?, data.field("__owner")?.int()?);
    mutex_state(lock, data.field("__count")?.uint()?, owner, data.field("__kind")?.uint()?)
}

/// What the members of glibc's say: kinds and properties, and whether it is locked.
fn mutex_state(lock: u64, count: u64, owner: i64, kind: u64) -> Result<(Vec<String>, String), Refusal> {
    // Bits 0 to 1 the type, 4 robust, 5 and 6 the protocol, 7 shared, 8 and 9 elision (nptl/pthreadP.h).
    if kind == u64::from(u32::MAX) {
        return Ok((Vec::new(), "destroyed".to_owned()));
    }
    if kind & !0x3ff != 0 {
        return Err(Refusal::Declined);
    }
    let mut said = vec![["normal", "recursive", "error-checking", "adaptive"][(kind & 3) as usize].to_owned()];
    // Every robust one has the bit of the shared ones: the kernel wakes those alone.
    let flags = if kind & 0x10 != 0 { kind & !0x80 } else { kind };
    said.extend(
        [(0x10, "robust"), (0x20, "priority-inheriting"), (0x40, "priority-protected"), (0x80, "shared")]
            .iter()
            .filter(|(bit, _)| flags & bit != 0)
            .map(|(_, name)| (*name).to_owned()),
    );
    if owner == i64::from(i32::MAX) {
        said.push("its owner died".to_owned());
    } else if owner == i64::from(i32::MAX) - 1 {
        said.push("not recoverable".to_owned());
    }
    // The word is 0, 1 or 2 (with waiters); of robust and priority-inheriting ones the owner, and flags in bits 30 and
    // 31; of priority-protected ones the ceiling is in bits 19 to 31.
    let held = match kind & 0x70 {
        0 => lock != 0,
        kind if kind & 0x40 != 0 => lock & 0x7_ffff != 0,
        _ => lock & 0x3fff_ffff != 0,
    };
    let known = (1..i64::from(i32::MAX) - 1).contains(&owner).then_some(owner);
    let times = if kind & 3 == 1 { count } else { 1 };
    Ok((said, held_text(held, known, times)))
}

fn musl_mutex(object: &Object<'_>) -> Result<(Vec<String>, String), Refusal> {
    let words = object.path("__u.__i")?;
    let word = |index| words.element(index).and_then(|word| word.uint());
    let (kind, lock, count) = (word(0)?, word(1)?, word(5)?);
    let name = match kind & 3 {
        _ if kind & !0x8f != 0 => return Err(Refusal::Declined),
        0 => "normal",
        1 => "recursive",
        2 => "error-checking",
        _ => return Err(Refusal::Declined),
    };
    let mut said = vec![name.to_owned()];
    said.extend(
        [(4, "robust"), (8, "priority-inheriting"), (0x80, "shared")]
            .iter()
            .filter(|(bit, _)| kind & bit != 0)
            .map(|(_, name)| (*name).to_owned()),
    );
    // A plain one holds EBUSY, the others their owner; bits 30 and 31 are flags.
    let lock = lock & 0x3fff_ffff;
    let owner = (kind & 15 != 0 && lock != 0).then_some(lock as i64);
    Ok((said, held_text(lock != 0, owner, count.saturating_add(1))))
}

fn held_text(held: bool, owner: Option<i64>, times: u64) -> String {
    let times = if times > 1 { format!(" {times} times") } else { String::new() };
    match owner {
        _ if !held => "unlocked".to_owned(),
        Some(owner) => format!("locked{times} by LWP {owner}"),
        None => format!("locked{times}"),
    }
}

/// `pthread_cond_t [2 waiters]`
pub(super) fn condition<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    Ok(line(format!("pthread_cond_t [{}]", condition_state(object)?)))
}

/// `cnd_t [2 waiters]`: C11's, which is a POSIX one without members. Which of its words counts the waiters, glibc's
/// version says.
pub(super) fn c_condition<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    object.field("__size")?;
    let offset = match object.c_library() {
        Some((2, 28..=40)) => 36,
        Some((2, 41)) => 28,
        _ => return Err(Refusal::Declined),
    };
    let references = object.shifted(offset)?.word_at_start()? & 0xffff_ffff;
    Ok(line(format!("cnd_t [{}]", waiters(references >> 3))))
}

/// `2 waiters`, of a `pthread_cond_t`.
pub(in super::super) fn condition_state(object: &Object<'_>) -> Result<String, Refusal> {
    // Bit 0 shared, bit 1 the monotonic clock, bit 2 being destroyed.
    let references = object.path("__data.__wrefs")?.uint()?;
    Ok(waiters(references >> 3))
}

fn waiters(count: u64) -> String {
    match count {
        0 => "no waiters".to_owned(),
        1 => "1 waiter".to_owned(),
        count => format!("{count} waiters"),
    }
}

/// `pthread_rwlock_t [locked for writing by LWP 12]`
pub(super) fn rwlock<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    Ok(line(format!("pthread_rwlock_t [{}]", rwlock_state(object)?)))
}

/// `locked by 1 reader`, of a `pthread_rwlock_t`.
pub(in super::super) fn rwlock_state(object: &Object<'_>) -> Result<String, Refusal> {
    let data = object.field("__data")?;
    // Older ones have other meanings for `__readers`.
    data.field("__wrphase_futex")?;
    // Bit 0 the writers' phase, bit 1 locked by a writer, bit 2 readers wait, the readers above.
    let readers = data.field("__readers")?.uint()?;
    Ok(match readers & 3 {
        3 => match data.field("__cur_writer")?.int()? {
            writer @ 1.. => format!("locked for writing by LWP {writer}"),
            _ => "locked for writing".to_owned(),
        },
        1 => "unlocked".to_owned(),
        _ => match readers >> 3 {
            0 => "unlocked".to_owned(),
            1 => "locked by 1 reader".to_owned(),
            count => format!("locked by {count} readers"),
        },
    })
}

/// `sem_t [value 3, no waiters]`
pub(super) fn semaphore<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let (value, count) = match object.field("__val") {
        Ok(words) => (words.element(0)?.uint()? & 0x7fff_ffff, words.element(1)?.uint()?),
        Err(_) => {
            let word = object.field("__align")?;
            match word.size()? {
                8 => (word.uint()? & 0xffff_ffff, word.uint()? >> 32),
                // Four bytes do not hold the waiters; bit 0 says only that there are some.
                _ => return Ok(line(format!("sem_t [value {}]", word.uint()? >> 1))),
            }
        }
    };
    // Before glibc 2.21 a flag (FUTEX_PRIVATE_FLAG) stood in the waiters' place.
    if count == 128 {
        return Err(Refusal::Declined);
    }
    Ok(line(format!("sem_t [value {value}, {}]", waiters(count))))
}

/// `pthread_barrier_t [for 3, 2 waiters]`
pub(super) fn barrier<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let word = |index: u64| Ok::<u64, Refusal>(object.shifted(4 * index)?.word_at_start()? & 0xffff_ffff);
    if object.has("__u") {
        return musl_barrier(object, word(2)?);
    }
    object.field("__size")?;
    let (arrived, round, count, shared) = (word(0)?, word(1)?, word(2)?, word(3)?);
    // FUTEX_PRIVATE_FLAG; an older layout has the number of threads there.
    let said = match shared {
        0 => "",
        128 => ", shared",
        _ => return Err(Refusal::Declined),
    };
    // Rounds begin at multiples of the count; those who arrived in this one wait, until they are so many.
    let waiting = arrived.checked_sub(round).filter(|waiting| *waiting < count && round % count == 0);
    let waiting = waiting.ok_or(Refusal::Declined)?;
    Ok(line(format!("pthread_barrier_t [for {count}{said}, {}]", waiters(waiting))))
}

/// The first to arrive waits with an instance on its stack that counts the others; shared ones have none.
fn musl_barrier<'v>(object: &Object<'v>, limit: u64) -> Result<View<'v>, Refusal> {
    let instance = object.path("__u.__p")?.element(3)?.pointer()?;
    if limit >> 31 != 0 {
        return Err(Refusal::Declined);
    }
    let waiting = match instance {
        0 => 0,
        instance => object.read_uint(instance, 4)? + 1,
    };
    if waiting > limit {
        return Err(Refusal::Declined);
    }
    Ok(line(format!("pthread_barrier_t [for {}, {}]", limit + 1, waiters(waiting))))
}
