//! `VecDeque`: a ring (rust `library/alloc/src/collections/vec_deque/mod.rs`). `head` and `len` since Rust 1.67;
//! before, `tail` (the first element) and `head` (behind the last) in a buffer of a power of two.

use super::super::{Item, Items, Object, Refusal, View, corrupt};
use super::parts::number;

/// `VecDeque(size=3)`
pub(super) fn deque<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let buffer = object.field("buf")?;
    let inner = buffer.field("inner").unwrap_or(buffer);
    let pointer = inner.path("ptr.pointer")?.pointer()?;
    let element = object.argument(0)?;
    let size = object.size_of(element)?;
    let capacity = match size {
        0 => u64::MAX,
        _ => number(&inner.field("cap")?)?,
    };
    let (first, length) = match object.field("len") {
        Ok(length) => (object.field("head")?.uint()?, length.uint()?),
        Err(_) => {
            let (first, end) = (object.field("tail")?.uint()?, object.field("head")?.uint()?);
            (first, end.wrapping_sub(first) & capacity.wrapping_sub(1))
        }
    };
    let title = format!("VecDeque(size={length})");
    if length > capacity || (first >= capacity && length > 0) {
        return Err(corrupt(format!("{length} elements from {first} on in room for {capacity}")));
    }
    // Refuses what does not fit in an address space.
    let room = if size == 0 { length } else { capacity };
    let whole = Items::strided(object, pointer, element, room)?;
    let Items::Strided { first: start, stride, .. } = whole else { return Err(Refusal::Declined) };
    let before_end = capacity - first.min(capacity);
    let items = if length <= before_end {
        Items::Strided { first: start.shifted(first.checked_mul(stride).unwrap_or(0))?, stride, length }
    } else {
        let walk = (0..length).map(move |index| {
            let slot = if index < before_end { first + index } else { index - before_end };
            Ok(Item::Object(start.shifted(slot * stride)?))
        });
        Items::Walk { length: Some(length), walk: Box::new(walk) }
    };
    Ok(View::Sequence { title, set: false, items })
}
