//! Locks (rust `library/std/src/sync`).

use super::super::{Object, Refusal, View, corrupt};
use super::parts::number;

/// `Mutex(locked)` with `data`: the futex is 0 unlocked, 1 locked, 2 with waiters (rust `std/src/sys/sync/mutex/futex.rs`,
/// since Rust 1.62).
pub(super) fn mutex<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let state = match number(&state(object, "futex")?)? {
        0 => "unlocked",
        1 => "locked",
        2 => "locked, with waiters",
        other => return Err(corrupt(format!("a mutex in state {other}"))),
    };
    guarded(object, &format!("Mutex({state}{})", poison(object)?))
}

/// `RwLock(read by 2)` with `data`: the low 30 bits of the state count readers, all ones are a writer (rust
/// `std/src/sys/sync/rwlock/futex.rs`, since Rust 1.62).
pub(super) fn rw_lock<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    const MASK: u64 = (1 << 30) - 1;
    let state = match number(&state(object, "state")?)? & MASK {
        0 => "unlocked".to_owned(),
        MASK => "write-locked".to_owned(),
        readers => format!("read by {readers}"),
    };
    guarded(object, &format!("RwLock({state}{})", poison(object)?))
}

/// The word of the system's lock; until Rust 1.66 in a `MovableMutex` or `MovableRwLock`, which could be no more.
fn state<'v>(object: &Object<'v>, name: &str) -> Result<Object<'v>, Refusal> {
    let inner = object.field("inner")?;
    inner.field(name).or_else(|_| inner.field("__0")?.field(name))
}

fn poison(object: &Object<'_>) -> Result<&'static str, Refusal> {
    Ok(if number(&object.path("poison.failed")?)? == 0 { "" } else { ", poisoned" })
}

fn guarded<'v>(object: &Object<'v>, title: &str) -> Result<View<'v>, Refusal> {
    let data = object.path("data.value")?;
    Ok(View::Parts { title: title.to_owned(), parts: vec![("data".into(), data.into())] })
}
