//! Threads of POSIX: numbers that stand for something.
//!
//! ```text
//! glibc  pthread_t is the address of the thread's own block, which the thread pointer has, too, on x86
//!        (nptl/descr.h, sysdeps/x86_64/nptl/tls.h, 2.0 to 2.41); elsewhere the pointer lies behind it, and none is found
//!        pthread_once_t: bit 0 in the call, bit 1 called, forks above (nptl/pthread_once.c, 2.0 to 2.41)
//! musl   pthread_t as glibc's (src/internal/pthread_impl.h, 1.0 to 1.2)
//!        pthread_once_t: 0, 1 in the call, 2 called, 3 in the call with waiters (src/thread/pthread_once.c, 1.0 to 1.2)
//! ```

use super::super::{Item, Object, Refusal, View};
use crate::value::{Value, ValueKind};

/// `0x7ffff7d8a6c0 (LWP 12)`; the number where no thread of the process is meant.
pub(super) fn thread<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let pointer = object.pointer()?;
    let text = object.thread_text(pointer).ok_or(Refusal::Declined)?;
    Ok(described(object, pointer, text))
}

/// `pthread_once_t [called]`
pub(super) fn once<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let word = object.uint()?;
    let state = once_state(word).ok_or(Refusal::Declined)?;
    Ok(described(object, word, format!("pthread_once_t [{state}]")))
}

/// `once_flag [called]`: the number of a `pthread_once_t`, in glibc within a structure (bits/thread-shared-types.h, 2.28 to
/// 2.41: `__data`; musl: `int`).
pub(super) fn c_once<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let word = object.field("__data").unwrap_or(*object).uint()?;
    let state = once_state(word).ok_or(Refusal::Declined)?;
    Ok(super::line(format!("once_flag [{state}]")))
}

/// What a `pthread_once_t` says.
pub(in super::super) fn once_state(word: u64) -> Option<&'static str> {
    match word & 3 {
        0 if word == 0 => Some("not called"),
        1 => Some("in the call"),
        2 => Some("called"),
        3 if word == 3 => Some("in the call, others wait"),
        _ => None,
    }
}

fn described<'v>(object: &Object<'v>, number: u64, text: String) -> View<'v> {
    let kind = ValueKind::Described { number: number.into(), text };
    View::Transparent(Item::Value(Value { type_id: object.type_id, kind }))
}
