//! Locks and cells that are filled once (rust `library/std/src/sync`, `library/core/src/cell/once.rs`).

use super::super::{Object, Refusal, View, corrupt};
use super::parts::number;

/// `Mutex(locked)` with `data`: the futex is 0 unlocked, 1 locked, 2 with waiters (rust `std/src/sys/sync/mutex/futex.rs`,
/// since Rust 1.62).
pub(super) fn mutex<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let state = match number(&object.path("inner.futex")?)? {
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
    let state = match number(&object.path("inner.state")?)? & MASK {
        0 => "unlocked".to_owned(),
        MASK => "write-locked".to_owned(),
        readers => format!("read by {readers}"),
    };
    guarded(object, &format!("RwLock({state}{})", poison(object)?))
}

fn poison(object: &Object<'_>) -> Result<&'static str, Refusal> {
    Ok(if number(&object.path("poison.failed")?)? == 0 { "" } else { ", poisoned" })
}

fn guarded<'v>(object: &Object<'v>, title: &str) -> Result<View<'v>, Refusal> {
    let data = object.path("data.value")?;
    Ok(View::Parts { title: title.to_owned(), parts: vec![("data".into(), data.into())] })
}

/// `OnceCell`: an `Option` in it.
pub(super) fn once_cell<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    match object.path("inner.value")?.variant()? {
        ("Some", some) => filled("OnceCell", some.field("__0")?),
        _ => Ok(View::Parts { title: "OnceCell(uninitialized)".to_owned(), parts: Vec::new() }),
    }
}

/// `OnceLock`, by the two low bits of its `Once`: 0 is complete (rust `std/src/sys/sync/once/futex.rs`, Rust 1.95). In
/// older versions 0 was the incomplete one and nothing in the type tells them apart, except for the `MaybeDangling` in it,
/// which only the later ones have: without it, it declines.
pub(super) fn once_lock<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let value = object.path("value.value.value.value")?;
    if !value.type_name().starts_with("core::mem::maybe_dangling::MaybeDangling<") {
        return Err(Refusal::Declined);
    }
    if number(&object.path("once.inner.state_and_queued")?)? & 3 != 0 {
        return Ok(View::Parts { title: "OnceLock(uninitialized)".to_owned(), parts: Vec::new() });
    }
    filled("OnceLock", value.field("__0")?)
}

fn filled<'v>(name: &str, value: Object<'v>) -> Result<View<'v>, Refusal> {
    Ok(View::Parts { title: name.to_owned(), parts: vec![("value".into(), value.into())] })
}
