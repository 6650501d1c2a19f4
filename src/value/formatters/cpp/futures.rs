//! `std::future`, `std::shared_future` and `std::promise`, and what they share.
//!
//! ```text
//! libstdc++  _M_state | _M_future: shared_ptr to { _M_result, _M_status }      (gcc std/future, 5 to 14)
//!            _M_result: { vtable, _M_error, of _Result<T> _M_storage }, 1 in _M_status is ready
//! libc++     __state_ | __state_ of the promise: { __state_, __exception_, __value_ }      (llvm future)
//!            bits: 1 constructed, 2 a future is attached, 4 ready, 8 deferred
//! ```

use super::super::{Item, Object, Refusal, View, corrupt};
use super::parts::{beyond, short_name};
use super::pointers::find_type;
use crate::types::TypeKind;

/// `std::future<int> [ready] = 5`
pub(super) fn future<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let name = short_name(object.type_name());
    let shared = match object.path("_M_state._M_ptr") {
        Ok(shared) => shared,
        Err(_) => match object.path("_M_future._M_ptr") {
            Ok(shared) => shared,
            Err(_) => object.field("__state_")?,
        },
    };
    if shared.pointer()? == 0 {
        return Ok(plain(format!("{name} [no state]")));
    }
    let shared = shared.deref()?;
    match shared.field("_M_status") {
        Ok(status) => gnu(object, &name, &shared, &status),
        Err(_) => llvm(&name, &shared),
    }
}

fn gnu<'v>(object: &Object<'v>, name: &str, shared: &Object<'v>, status: &Object<'v>) -> Result<View<'v>, Refusal> {
    // The word of a futex: bit 31 says that threads wait.
    let status = match status.field("_M_data") {
        Ok(word) => word.any_field(&["_M_i"]).or_else(|_| word.path("_M_base._M_i"))?,
        Err(_) => return Err(Refusal::Declined),
    };
    let waiters = if status.uint()? >> 31 & 1 == 1 { ", with waiters" } else { "" };
    match status.uint()? & 0x7fff_ffff {
        0 => return Ok(plain(format!("{name} [not ready{waiters}]"))),
        1 => {}
        other => return Err(corrupt(format!("a future in state {other}"))),
    }
    let View::Parts { parts, .. } = super::pointers::unique(&shared.field("_M_result")?)? else {
        return Err(Refusal::Declined);
    };
    let Some((_, Item::Object(result))) = parts.into_iter().next() else { return Err(Refusal::Declined) };
    if result.pointer()? == 0 {
        return Err(corrupt("a future that is ready without a result"));
    }
    let result = result.deref()?;
    // `_Result_base` is often only declared: a vtable's address and the exception.
    let error_at = result.address().and_then(|start| start.checked_add(object.word())).ok_or_else(beyond)?;
    if object.read_pointer(error_at.0)? != 0 {
        let error = find_type(object, "std::__exception_ptr::exception_ptr").ok_or(Refusal::Declined)?;
        return Ok(failed(name, object.at(error_at.0, error)));
    }
    let argument = object.argument(0)?;
    if matches!(object.types().stripped(argument).1.kind, TypeKind::Void) {
        return Ok(plain(format!("{name} [ready]")));
    }
    // A class derived from the one that is pointed to; the names of its units spell it as here.
    let inside = object.types().name(argument);
    let space = if inside.ends_with('>') { " " } else { "" };
    let wanted = format!("std::__future_base::_Result<{inside}{space}>");
    let Some(whole) = find_type(object, &wanted) else { return Ok(plain(format!("{name} [ready]"))) };
    let storage = result.cast(whole).field("_M_storage")?;
    Ok(ready(name, storage.cast(argument)))
}

fn llvm<'v>(name: &str, shared: &Object<'v>) -> Result<View<'v>, Refusal> {
    let state = shared.field("__state_")?.uint()?;
    if state & !15 != 0 {
        return Err(corrupt(format!("a future in state {state:#x}")));
    }
    let error = shared.field("__exception_")?;
    if state & 4 == 0 {
        return Ok(plain(format!("{name} [{}]", if state & 8 != 0 { "deferred" } else { "not ready" })));
    }
    if error.field("__ptr_")?.pointer()? != 0 {
        return Ok(failed(name, error));
    }
    let Ok(value) = shared.field("__value_") else { return Ok(plain(format!("{name} [ready]"))) };
    let value = value.cast(shared.argument(0)?);
    Ok(if state & 1 != 0 { ready(name, value) } else { plain(format!("{name} [ready]")) })
}

fn plain<'v>(title: String) -> View<'v> {
    View::Parts { title, parts: Vec::new() }
}

fn ready<'v>(name: &str, value: Object<'v>) -> View<'v> {
    View::Variant { title: format!("{name} [ready]"), variant: "ready".to_owned(), content: Some(value.into()) }
}

fn failed<'v>(name: &str, error: Object<'v>) -> View<'v> {
    View::Variant { title: format!("{name} [failed]"), variant: "failed".to_owned(), content: Some(error.into()) }
}
