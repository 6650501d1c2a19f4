//! libstdc++ (GCC 5 to 14), text as its own pretty printers have it (gcc `libstdc++-v3/python/libstdcxx/v6/printers.py`).

use super::super::{Entry, Items, Match, Object, Refusal, View, corrupt};

pub(super) static ENTRIES: &[Entry] = &[
    Entry { matches: Match::Name("std::vector"), view: vector },
    Entry { matches: Match::Name("std::basic_string"), view: string },
];

/// `_M_impl` with `_M_start`, `_M_finish`, `_M_end_of_storage` (gcc `bits/stl_vector.h`).
fn vector<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let start = object.path("_M_impl._M_start")?;
    let element = start.target()?;
    let (first, end, limit) = (
        start.pointer()?,
        object.path("_M_impl._M_finish")?.pointer()?,
        object.path("_M_impl._M_end_of_storage")?.pointer()?,
    );
    let size = object.size_of(element)?.max(1);
    if first > end || end > limit || !(end - first).is_multiple_of(size) {
        return Err(corrupt(format!("a vector from {first:#x} to {end:#x} with room to {limit:#x}")));
    }
    let (length, capacity) = ((end - first) / size, (limit - first) / size);
    let items = Items::strided(object, first, element, length)?;
    Ok(View::Sequence { title: format!("std::vector of length {length}, capacity {capacity}"), set: false, items })
}

/// The new ABI: `_M_dataplus._M_p` and `_M_string_length` (gcc `bits/basic_string.h`).
fn string<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let data = object.path("_M_dataplus._M_p")?;
    let length = object.field("_M_string_length")?.uint()?;
    Ok(View::Text { first: object.at(data.pointer()?, data.target()?), length })
}
