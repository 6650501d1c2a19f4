//! What is filled once (rust `library/core/src/cell/{once,lazy}.rs`, `library/std/src/sync/{once,once_lock,lazy_lock}.rs`).
//!
//! The state of a `Once` over a futex (rust `library/std/src/sys/sync/once/futex.rs`):
//!
//! | | incomplete | poisoned | running | complete | waiters |
//! |---|---|---|---|---|---|
//! | `state_and_queue`, to 1.65 | 0 | 1 | 2 | 3 | the other bits |
//! | `state`, from 1.66 | 0 | 1 | 2 | 4 | 3 instead of 2 |
//! | `state_and_queued`, to 1.89 | 0 | 1 | 2 | 3 | bit 2 |
//! | `state_and_queued`, from 1.91 | 3 | 2 | 1 | 0 | bit 2 |
//!
//! The last two have one layout: the compiler's version tells them apart. Of 1.90 it is not known here.

use super::super::{Item, Object, Refusal, View, corrupt};
use super::parts::{number, unwrapped};

#[derive(Clone, Copy, PartialEq)]
enum State {
    Incomplete,
    Poisoned,
    Running,
    Complete,
}

impl State {
    fn text(self) -> &'static str {
        match self {
            State::Incomplete => "incomplete",
            State::Poisoned => "poisoned",
            State::Running => "running",
            State::Complete => "complete",
        }
    }
}

/// The state of a `Once`, and whether threads wait for it.
fn state(once: &Object<'_>) -> Result<(State, bool), Refusal> {
    use State::{Complete, Incomplete, Poisoned, Running};
    let inner = once.field("inner").unwrap_or(*once);
    if let Ok(word) = inner.field("state_and_queue") {
        let word = unwrapped(&word)?.pointer()?;
        let state = [Incomplete, Poisoned, Running, Complete][(word & 3) as usize];
        return Ok((state, word & !3 != 0));
    }
    if let Ok(word) = inner.field("state") {
        return Ok(match number(&word)? {
            0 => (Incomplete, false),
            1 => (Poisoned, false),
            2 => (Running, false),
            3 => (Running, true),
            4 => (Complete, false),
            other => return Err(corrupt(format!("a Once in state {other}"))),
        });
    }
    let word = number(&inner.field("state_and_queued")?)?;
    let states = match once.rust_minor().ok_or(Refusal::Declined)? {
        ..=89 => [Incomplete, Poisoned, Running, Complete],
        91.. => [Complete, Running, Poisoned, Incomplete],
        _ => return Err(Refusal::Declined),
    };
    match word {
        0..=7 => Ok((states[(word & 3) as usize], word & 4 != 0)),
        other => Err(corrupt(format!("a Once in state {other}"))),
    }
}

/// `Once(complete)`
pub(super) fn once<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let (state, waiters) = state(object)?;
    let waiters = if waiters { ", with waiters" } else { "" };
    Ok(alone(format!("Once({}{waiters})", state.text())))
}

/// `OnceCell`: an `Option` in it.
pub(super) fn once_cell<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    match object.path("inner.value")?.variant()? {
        ("Some", some) => filled("OnceCell", some.field("__0")?),
        _ => Ok(alone("OnceCell(uninitialized)")),
    }
}

/// `LazyCell`: its value, or the function that makes it.
pub(super) fn lazy_cell<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    match object.path("state.value")?.variant()? {
        ("Init", value) => filled("LazyCell", value.field("__0")?),
        ("Uninit", _) => Ok(alone("LazyCell(uninitialized)")),
        ("Poisoned", _) => Ok(alone("LazyCell(poisoned)")),
        _ => Err(Refusal::Declined),
    }
}

/// `OnceLock`: a `Once`, and room for the value.
pub(super) fn once_lock<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    by_state("OnceLock", object, || dropped_by_hand(&object.path("value.value.value")?))
}

/// `LazyLock`: a `Once`, and room for the value or the function that makes it.
pub(super) fn lazy_lock<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    by_state("LazyLock", object, || dropped_by_hand(&object.path("data.value.value")?))
}

/// What is in a `ManuallyDrop`: the value, in later versions in a `MaybeDangling`.
fn dropped_by_hand<'v>(object: &Object<'v>) -> Result<Object<'v>, Refusal> {
    let inside = object.field("value")?;
    let is_wrapper = inside.type_name().starts_with("core::mem::maybe_dangling::MaybeDangling<");
    if is_wrapper { inside.field("__0") } else { Ok(inside) }
}

fn by_state<'v>(
    name: &'static str,
    object: &Object<'v>,
    value: impl FnOnce() -> Result<Object<'v>, Refusal>,
) -> Result<View<'v>, Refusal> {
    match state(&object.field("once")?)? {
        (State::Complete, _) => filled(name, value()?),
        (State::Incomplete, _) => Ok(alone(format!("{name}(uninitialized)"))),
        (State::Poisoned, _) => Ok(alone(format!("{name}(poisoned)"))),
        (State::Running, _) => Ok(alone(format!("{name}(being initialized)"))),
    }
}

fn filled<'v>(name: &str, value: Object<'v>) -> Result<View<'v>, Refusal> {
    Ok(View::Parts { title: name.to_owned(), parts: vec![("value".into(), Item::Object(value))] })
}

fn alone<'v>(title: impl Into<String>) -> View<'v> {
    View::Parts { title: title.into(), parts: Vec::new() }
}
