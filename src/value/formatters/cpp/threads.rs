//! Threads and locks. The fields of glibc's locks: glibc `sysdeps/nptl/bits/struct_mutex.h`, `struct_rwlock.h` (2.22 to 2.41).

use super::super::{Object, Refusal, View};

/// `std::thread` and its id: `_M_id._M_thread`, libc++ `__t_`.
pub(super) fn thread<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let id = object.path("_M_id._M_thread").or_else(|_| object.field("__t_"))?.uint()?;
    let title = match id {
        0 => "std::thread [not joinable]".to_owned(),
        id => format!("std::thread with id {id:#x}"),
    };
    Ok(View::Parts { title, parts: Vec::new() })
}

/// A mutex, by what glibc's own says of it: `std::mutex [locked by LWP 12]`.
pub(super) fn mutex<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let inner = object.any_field(&["_M_mutex", "__m_"])?;
    let data = inner.field("__data")?;
    let owner = data.field("__owner")?.int()?;
    let name = super::super::base_name(object.type_name()).into_owned();
    let state = match data.field("__lock")?.uint()? {
        0 => "unlocked".to_owned(),
        _ if owner > 0 => format!("locked by LWP {owner}"),
        _ => "locked".to_owned(),
    };
    Ok(View::Parts { title: format!("{name} [{state}]"), parts: Vec::new() })
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
