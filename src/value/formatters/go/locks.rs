//! Locks and what else goroutines meet at.

use super::super::{Item, Object, Refusal, View};
use super::line;
use crate::types::{Language, TypeKind};
use crate::value::{Value, ValueKind};

/// `sync.Mutex [locked, 2 waiting]`: bits of `state` (go `sync/mutex.go`; `internal/sync` since Go 1.24).
pub(super) fn mutex<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let state = object.field("state").or_else(|_| object.path("mu.state"))?.uint()?;
    let mut words = vec![if state & 1 == 0 { "unlocked".to_owned() } else { "locked".to_owned() }];
    if state & 4 != 0 {
        words.push("starving".to_owned());
    }
    if state >> 3 != 0 {
        words.push(format!("{} waiting", state >> 3));
    }
    Ok(line(format!("sync.Mutex [{}]", words.join(", "))))
}

/// `sync.RWMutex [read by 2]`: a negative count of readers says that a writer holds it or waits (go `sync/rwmutex.go`).
pub(super) fn rw_mutex<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    const MAX_READERS: i64 = 1 << 30;
    let count = |name: &str| -> Result<i64, Refusal> {
        let field = object.field(name)?;
        field.field("v").unwrap_or(field).int()
    };
    let (readers, waited_for) = (count("readerCount")?, count("readerWait")?);
    let state = match readers {
        0 => "unlocked".to_owned(),
        1.. => format!("read by {readers}"),
        _ if waited_for > 0 => format!("a writer waits for {waited_for}"),
        _ => match readers.saturating_add(MAX_READERS) {
            0 => "write-locked".to_owned(),
            waiting => format!("write-locked, {waiting} waiting to read"),
        },
    };
    Ok(line(format!("sync.RWMutex [{state}]")))
}

/// `sync/atomic.Int64` and its like: `v`.
pub(super) fn atomic<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    Ok(View::Transparent(object.field("v")?.into()))
}

/// `sync.WaitGroup [waits for 2, 1 waiting]`: the upper half of a word counts what is waited for, the lower one who waits
/// (go `sync/waitgroup.go`; since Go 1.25 the lower half's highest bit is a flag).
pub(super) fn wait_group<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let state = match object.field("state") {
        Ok(state) => number(&state)?,
        // Before Go 1.20; where words have four bytes its place depends on the object's.
        Err(_) if object.word() == 8 => object.field("state1")?.uint()?,
        Err(refusal) => return Err(refusal),
    };
    let (counter, waiting) = ((state >> 32) as i32, state & 0x7fff_ffff);
    let mut title = match counter {
        0 => "sync.WaitGroup [done".to_owned(),
        counter => format!("sync.WaitGroup [waits for {counter}"),
    };
    if waiting > 0 {
        title += &format!(", {waiting} waiting");
    }
    Ok(line(title + "]"))
}

/// `sync.Once [done]` (go `sync/once.go`): its lock is held while the function runs.
pub(super) fn once<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let done = number(&object.field("done")?)? != 0;
    let lock = object.field("m")?;
    let running = lock.field("state").or_else(|_| lock.path("mu.state"))?.uint()? & 1 != 0;
    Ok(line(match (done, running) {
        (true, _) => "sync.Once [done]",
        (false, true) => "sync.Once [running]",
        (false, false) => "sync.Once [not done]",
    }))
}

/// `sync.Cond [2 waiting]` and its lock: tickets given and tickets called (go `sync/runtime2.go`, notifyList).
pub(super) fn condition<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let (given, called) = (number(&object.path("notify.wait")?)?, number(&object.path("notify.notify")?)?);
    let waiting = (given as u32).wrapping_sub(called as u32);
    let parts = vec![("L".into(), object.field("L")?.into())];
    Ok(View::Parts { title: format!("sync.Cond [{waiting} waiting]"), parts })
}

/// `sync/atomic.Bool`: a number.
pub(super) fn atomic_bool<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let value = object.field("v")?.uint()?;
    let type_id = object.types().number("bool", 1, Language::Go, TypeKind::Bool);
    let kind = ValueKind::Bool(u8::try_from(value).map_err(|_| Refusal::Declined)?.into());
    Ok(View::Transparent(Item::Value(Value { type_id, kind })))
}

/// `sync/atomic.Pointer[T]`: its first member is a `[0]*T`, for the type's sake (go `sync/atomic/type.go`).
pub(super) fn atomic_pointer<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    Ok(View::Transparent(pointer_of(object)?.into()))
}

/// The pointer in a `sync/atomic.Pointer[T]`.
pub(super) fn pointer_of<'v>(object: &Object<'v>) -> Result<Object<'v>, Refusal> {
    let first = object.structure()?.members.first().ok_or(Refusal::Declined)?;
    match object.types().get(object.types().strip(first.type_id)).kind {
        TypeKind::Array { element, .. } => Ok(object.field("v")?.cast(element)),
        _ => Err(Refusal::Declined),
    }
}

/// A number, or an atomic one.
fn number(object: &Object<'_>) -> Result<u64, Refusal> {
    object.field("v").unwrap_or(*object).uint()
}
