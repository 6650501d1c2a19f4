//! What holds a lock while it lives (rust `library/std/src/sync/poison/{mutex,rwlock}.rs`, before Rust 1.85
//! `library/std/src/sync`): what it guards.

use super::super::{Object, Refusal, View};

/// `MutexGuard { lock: &Mutex<T>, poison }`
pub(super) fn mutex<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    of_lock(object, "MutexGuard")
}

/// `RwLockWriteGuard { lock: &RwLock<T>, poison }`
pub(super) fn write<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    of_lock(object, "RwLockWriteGuard")
}

/// `RwLockReadGuard { data: NonNull<T>, inner_lock: &sys::RwLock }` since Rust 1.63; before, like the others.
pub(super) fn read<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    match object.path("data.pointer") {
        Ok(data) => guarding("RwLockReadGuard", data.deref()?),
        Err(_) => of_lock(object, "RwLockReadGuard"),
    }
}

fn of_lock<'v>(object: &Object<'v>, name: &str) -> Result<View<'v>, Refusal> {
    // To what has no size of its own the reference is a structure of two words.
    guarding(name, object.field("lock")?.deref()?.path("data.value")?)
}

fn guarding<'v>(name: &str, value: Object<'v>) -> Result<View<'v>, Refusal> {
    Ok(View::Parts { title: name.to_owned(), parts: vec![("*value".into(), value.into())] })
}
