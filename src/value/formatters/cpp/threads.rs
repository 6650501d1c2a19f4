//! Threads and locks. The fields of glibc's locks: glibc `sysdeps/nptl/bits/struct_mutex.h`, `struct_rwlock.h` (2.22 to 2.41).

use super::super::c::{condition_state, once_state, rwlock_state};
use super::super::{Object, Refusal, View, corrupt};

/// `std::thread` and its id: `_M_id._M_thread`, libc++ `__t_`.
pub(super) fn thread<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let id = object.path("_M_id._M_thread").or_else(|_| object.field("__t_"))?.uint()?;
    let title = match id {
        0 => "std::thread [not joinable]".to_owned(),
        id => format!("std::thread with id {}", object.thread_text(id).unwrap_or_else(|| format!("{id:#x}"))),
    };
    Ok(View::Parts { title, parts: Vec::new() })
}

/// A mutex, by what glibc's own says of it: `std::mutex [locked by LWP 12]`.
pub(super) fn mutex<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    // libc++'s timed ones guard their own state with a mutex.
    if let Ok(locked) = object.field("__locked_") {
        return Ok(said(object, if locked.uint()? == 0 { "unlocked" } else { "locked" }));
    }
    if let Ok(count) = object.field("__count_") {
        return Ok(match count.uint()? {
            0 => said(object, "unlocked"),
            1 => said(object, "locked"),
            count => said(object, &format!("locked {count} times")),
        });
    }
    let inner = object.any_field(&["_M_mutex", "__m_"])?;
    let data = inner.field("__data")?;
    let owner = data.field("__owner")?.int()?;
    let state = match data.field("__lock")?.uint()? {
        0 => "unlocked".to_owned(),
        _ if owner > 0 => format!("locked by LWP {owner}"),
        _ => "locked".to_owned(),
    };
    Ok(said(object, &state))
}

/// `std::shared_mutex` and `std::shared_timed_mutex`: `_M_rwlock` (gcc `std/shared_mutex`); libc++ `__base_.__state_`, whose
/// bit 31 is a writer's and bit 30 and below count readers (llvm `src/shared_mutex.cpp`).
pub(super) fn shared_mutex<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let inner = object.field("_M_impl").unwrap_or(*object);
    if let Ok(lock) = inner.field("_M_rwlock") {
        return Ok(said(object, &rwlock_state(&lock)?));
    }
    let state = object.path("__base_.__state_")?.uint()?;
    let (writer, readers) = (state >> 31 & 1 == 1, state & 0x7fff_ffff);
    let readers = match readers {
        0 => None,
        1 => Some("1 reader".to_owned()),
        count => Some(format!("{count} readers")),
    };
    Ok(match (writer, readers) {
        (false, None) => said(object, "unlocked"),
        (false, Some(readers)) => said(object, &format!("locked by {readers}")),
        (true, None) => said(object, "locked for writing"),
        (true, Some(readers)) => said(object, &format!("locked by {readers}, a writer waits")),
    })
}

/// `std::condition_variable [no waiters]`: glibc's own counts them (`_M_cond`; libc++ `__cv_`).
pub(super) fn condition<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let mut inner = object.any_field(&["_M_cond", "__cv_"])?;
    while let Ok(next) = inner.any_field(&["_M_cond", "__cv_"]) {
        inner = next;
    }
    Ok(said(object, &condition_state(&inner)?))
}

/// `std::once_flag`: `_M_once` is glibc's (gcc `std/mutex`); libc++ `__state_`: 0, 1 in a call, all ones afterwards (llvm
/// `__mutex/once_flag.h`).
pub(super) fn once_flag<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    if let Ok(once) = object.field("_M_once") {
        return Ok(said(object, once_state(once.uint()?).ok_or(Refusal::Declined)?));
    }
    let state = object.field("__state_")?;
    Ok(match state.int()? {
        0 => said(object, "not called"),
        1 => said(object, "in the call"),
        -1 => said(object, "called"),
        other => return Err(corrupt(format!("a once_flag in state {other}"))),
    })
}

fn said<'v>(object: &Object<'v>, state: &str) -> View<'v> {
    let name = super::super::base_name(object.type_name());
    View::Parts { title: format!("{name} [{state}]"), parts: Vec::new() }
}

/// `std::unique_lock` and `std::lock_guard`: the mutex, and whether this one holds it.
pub(super) fn lock<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let device = object.any_field(&["_M_device", "__m_"])?;
    let name = super::super::base_name(object.type_name()).into_owned();
    let title = match object.any_field(&["_M_owns", "__owns_"]) {
        Ok(owns) if owns.uint()? == 0 => format!("{name} [not owned]"),
        Ok(_) => format!("{name} [owned]"),
        Err(_) => name,
    };
    Ok(View::Parts { title, parts: vec![("mutex".into(), device.into())] })
}
