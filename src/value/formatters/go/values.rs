//! Interfaces and channels.

use super::super::{Item, Items, Object, Refusal, View, corrupt};
use super::line;
use crate::value::Absent;

/// Goroutines that wait for one channel and are counted.
const MAX_WAITERS: usize = 100_000;

/// `interface {}(int) = 5`
pub(super) fn interface<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let Some(content) = dynamic(object)? else {
        return Ok(line("nil"));
    };
    let (title, variant) = title(object, &content);
    Ok(View::Variant { title, variant, content: Some(content.into()) })
}

/// The same, with what a pointer in it leads to.
pub(super) fn followed<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let content = dynamic(object)?.ok_or(Refusal::Declined)?;
    let (title, variant) = title(object, &content);
    let content = match content.target() {
        Ok(_) if content.pointer()? != 0 => content.deref()?,
        _ => content,
    };
    Ok(View::Variant { title, variant, content: Some(content.into()) })
}

/// `reflect.Value(int) = 5` (go `reflect/value.go`, Value and its flags).
pub(super) fn reflected<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    const INDIRECT: u64 = 1 << 7;
    const METHOD: u64 = 1 << 9;
    let (described, flags) = (object.any_field(&["typ_", "typ"])?.pointer()?, object.field("flag")?.uint()?);
    if described == 0 {
        return Ok(line("reflect.Value [invalid]"));
    }
    if flags & METHOD != 0 {
        return Err(Refusal::Declined);
    }
    let type_id = object.go_type(described).ok_or(Refusal::Declined)?;
    let data = object.field("ptr")?;
    let content = if flags & INDIRECT == 0 { data.cast(type_id) } else { object.at(data.pointer()?, type_id) };
    let variant = object.types().name(type_id).to_owned();
    Ok(View::Variant { title: format!("reflect.Value({variant})"), variant, content: Some(content.into()) })
}

/// `error(*fs.PathError)`, and the name in the parentheses.
pub(super) fn title(object: &Object<'_>, content: &Object<'_>) -> (String, String) {
    let types = object.types();
    let variant = types.name(content.type_id).to_owned();
    (format!("{}({variant})", types.name(object.type_id)), variant)
}

/// What an interface holds; `None` for nil. Its type is the one that the runtime's own description of it is of, which the
/// debug information names (go `cmd/link/internal/ld/dwarf.go`, DW_AT_go_runtime_type); layouts: go `runtime/runtime2.go`.
pub(super) fn dynamic<'v>(object: &Object<'v>) -> Result<Option<Object<'v>>, Refusal> {
    let described = match object.field("tab") {
        Ok(tab) if tab.pointer()? == 0 => 0,
        Ok(tab) => tab.deref()?.any_field(&["_type", "Type"])?.pointer()?,
        Err(_) => object.any_field(&["_type", "Type"])?.pointer()?,
    };
    if described == 0 {
        return Ok(None);
    }
    let type_id = object.go_type(described).ok_or(Refusal::Declined)?;
    let data = object.field("data")?;
    Ok(Some(match is_direct(object, described)? {
        // The word is the value.
        true => data.cast(type_id),
        false => object.at(data.pointer()?, type_id),
    }))
}

/// Whether an interface holds values of the type themselves: bit 5 of `Kind_` says so, since Go 1.26 that of `TFlag` (go
/// `internal/abi/type.go`; both lie behind two words and a hash).
fn is_direct(object: &Object<'_>, description: u64) -> Result<bool, Refusal> {
    const DIRECT: u8 = 1 << 5;
    let flags = description.checked_add(2 * object.word() + 4).ok_or_else(|| corrupt("beyond the address space"))?;
    let bytes = object.read(flags, 4)?;
    let has = |at: usize| bytes.get(at).is_some_and(|byte| byte & DIRECT != 0);
    Ok(has(0) || has(3))
}

/// `chan int [1 of 4 buffered, 2 receiving]` and what is buffered (go `runtime/chan.go`, hchan).
pub(super) fn channel<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let name = object.types().name(object.type_id).to_owned();
    if object.pointer()? == 0 {
        return Ok(line(format!("{name} nil")));
    }
    let header = object.deref()?;
    let (count, room) = (header.field("qcount")?.uint()?, header.field("dataqsiz")?.uint()?);
    let (buffer, first) = (header.field("buf")?.pointer()?, header.field("recvx")?.uint()?);
    if count > room || first > room {
        return Err(corrupt(format!("a channel with {count} of {room} elements")));
    }
    let waiting = header.path("recvq.first")?;
    let element = waiting.at(0, waiting.target()?).field("elem")?.target()?;
    let mut title = format!("{name} [{count} of {room} buffered");
    for (queue, what) in [("recvq.first", "receiving"), ("sendq.first", "sending")] {
        let waiters = waiters(&header.path(queue)?)?;
        if waiters > 0 {
            title += &format!(", {waiters} {what}");
        }
    }
    if header.field("closed")?.uint()? != 0 {
        title += ", closed";
    }
    title.push(']');
    let size = object.size_of(element)?;
    let object = *object;
    let walk = (0..count).map(move |index| -> Result<Item<'v>, Absent> {
        let place = first.checked_add(index).map(|place| place % room.max(1));
        let at = place.and_then(|place| place.checked_mul(size)).and_then(|offset| buffer.checked_add(offset));
        Ok(object.at(at.ok_or_else(|| Absent::from(corrupt("beyond the address space")))?, element).into())
    });
    Ok(View::Sequence { title, set: false, items: Items::Walk { length: Some(count), walk: Box::new(walk) } })
}

fn waiters(first: &Object<'_>) -> Result<usize, Refusal> {
    let (mut next, mut count) = (*first, 0);
    while next.pointer()? != 0 {
        count += 1;
        if count > MAX_WAITERS {
            return Err(corrupt("a queue without end"));
        }
        next = next.deref()?.field("next")?;
    }
    Ok(count)
}
