//! `Vec` and `String`.

use super::super::{Items, Object, Refusal, View, corrupt};
use super::parts::number;

/// What a `Vec` holds: pointer and length. `buf.ptr` until Rust 1.79, `buf.inner.ptr` since (rust
/// `library/alloc/src/raw_vec`); a `Unique` around a `NonNull` around the pointer.
fn parts(object: &Object<'_>) -> Result<(u64, u64), Refusal> {
    let buffer = object.field("buf")?;
    let inner = buffer.field("inner").unwrap_or(buffer);
    let pointer = inner.path("ptr.pointer")?.pointer()?;
    let length = object.field("len")?.uint()?;
    // Elements without a size need no room. A capacity that the compiler dropped says nothing.
    if object.size_of(object.argument(0)?)? > 0
        && let Ok(capacity) = inner.field("cap").and_then(|capacity| number(&capacity))
        && length > capacity
    {
        return Err(corrupt(format!("{length} elements with room for {capacity}")));
    }
    Ok((pointer, length))
}

/// `Vec(size=3)`
pub(super) fn vec<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let (pointer, length) = parts(object)?;
    let element = object.argument(0)?;
    if pointer == 0 {
        return Err(corrupt("a Vec without a buffer"));
    }
    let items = match Items::strided(object, pointer, element, length) {
        // A Vec whose initialisation is yet to come: what its length would be is said beside why it cannot be.
        Err(Refusal::Hole(absent)) => {
            Items::Walk { length: Some(length), walk: Box::new(std::iter::once(Err(absent))) }
        }
        items => items?,
    };
    Ok(View::Sequence { title: format!("Vec(size={length})"), set: false, items })
}

pub(super) fn string<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    bytes_as_text(&object.field("vec")?)
}

/// A `Vec<u8>` that its owner means as text.
pub(super) fn bytes_as_text<'v>(bytes: &Object<'v>) -> Result<View<'v>, Refusal> {
    let (pointer, length) = parts(bytes)?;
    Ok(View::Text { title: String::new(), first: bytes.at(pointer, bytes.argument(0)?), length })
}
