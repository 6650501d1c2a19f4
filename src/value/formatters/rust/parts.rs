//! What several formatters need.

use super::super::{Object, Refusal};

/// The integer that a structure wraps: `usize`, `UsizeNoHighBit(usize)`, `AtomicUsize { v: UnsafeCell { value } }`.
pub(super) fn number(object: &Object<'_>) -> Result<u64, Refusal> {
    unwrapped(object)?.uint()
}

/// What is inside all wrappers that have one member of a size.
pub(super) fn unwrapped<'v>(object: &Object<'v>) -> Result<Object<'v>, Refusal> {
    let mut object = *object;
    for _ in 0..8 {
        match object.only_field() {
            Ok(inner) => object = inner,
            Err(_) => return Ok(object),
        }
    }
    Err(Refusal::Declined)
}
