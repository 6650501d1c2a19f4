//! Sequences: what lies side by side, in blocks, or in linked nodes.

use super::super::{Item, Items, Object, Refusal, View, corrupt, walk};
use super::parts::{Chain, beyond, elements, member, offset_behind};
use crate::types::{Language, TypeId, TypeKind};
use crate::value::{Value, ValueKind};

/// `_M_impl._M_start`, `_M_finish`, `_M_end_of_storage` (gcc `bits/stl_vector.h`); libc++ `__begin_`, `__end_`,
/// `__end_cap_` (`__cap_` since LLVM 20).
pub(super) fn vector<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    if object.path("_M_impl._M_start._M_p").is_ok() || object.has("__size_") {
        return bits(object);
    }
    let (start, end, limit) = match object.path("_M_impl._M_start") {
        Ok(start) => (start, object.path("_M_impl._M_finish")?, object.path("_M_impl._M_end_of_storage")?),
        Err(_) => (object.field("__begin_")?, object.field("__end_")?, member(object, &["__end_cap_", "__cap_"])?),
    };
    let element = start.target()?;
    let (first, end, limit) = (start.pointer()?, end.pointer()?, limit.pointer()?);
    let size = object.size_of(element)?.max(1);
    if first > end || end > limit || !(end - first).is_multiple_of(size) {
        return Err(corrupt(format!("a vector from {first:#x} to {end:#x} with room to {limit:#x}")));
    }
    let (length, capacity) = ((end - first) / size, (limit - first) / size);
    let items = Items::strided(object, first, element, length)?;
    Ok(View::Sequence { title: format!("std::vector of length {length}, capacity {capacity}"), set: false, items })
}

/// `std::vector<bool>`: iterators of `_M_p` and `_M_offset` (gcc `bits/stl_bvector.h`); libc++ `__begin_`, `__size_`.
fn bits<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let (first, skip, length, room) = match object.path("_M_impl._M_start") {
        Ok(start) => {
            let end = object.path("_M_impl._M_finish")?;
            let (first, last) = (start.field("_M_p")?.pointer()?, end.field("_M_p")?.pointer()?);
            let skip = start.field("_M_offset")?.uint()?;
            let bits = last.checked_sub(first).and_then(|bytes| bytes.checked_mul(8));
            let bits =
                bits.and_then(|bits| (bits.checked_add(end.field("_M_offset").ok()?.uint().ok()?))?.checked_sub(skip));
            let Some(length) = bits else {
                return Err(corrupt(format!("bits from {first:#x} to {last:#x}")));
            };
            let limit = object.path("_M_impl._M_end_of_storage")?.pointer()?;
            (first, skip, length, limit.saturating_sub(first).saturating_mul(8).saturating_sub(skip))
        }
        Err(_) => {
            let words = member(object, &["__cap_alloc_", "__cap_"])?.uint()?;
            let room = words.saturating_mul(8 * object.word());
            (object.field("__begin_")?.pointer()?, 0, member(object, &["__size_"])?.uint()?, room)
        }
    };
    if length > room {
        return Err(corrupt(format!("{length} bits with room for {room}")));
    }
    let truth = object.types().number("bool", 1, Language::Cpp, TypeKind::Bool);
    let items = *object;
    let mut index = 0;
    let found = walk(move || {
        if index == length {
            return Ok(None);
        }
        let bit = skip.checked_add(index).ok_or_else(beyond)?;
        let at = first.checked_add(bit / 8).ok_or_else(beyond)?;
        index += 1;
        let byte = items.read_uint(at, 1)?;
        Ok(Some(Item::Value(Value { type_id: truth, kind: ValueKind::Bool(byte >> (bit % 8) & 1) })))
    });
    let items = Items::Walk { length: Some(length), walk: Box::new(found) };
    Ok(View::Sequence { title: format!("std::vector<bool> of length {length}"), set: false, items })
}

/// `std::array`: `_M_elems`, libc++ `__elems_`; those of no elements keep their fields.
pub(super) fn array<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let elements = object.any_field(&["_M_elems", "__elems_"])?;
    if object.value_argument(0) == Ok(0) {
        let items = Items::Strided { first: *object, stride: 0, length: 0 };
        return Ok(View::Sequence { title: String::new(), set: false, items });
    }
    match elements.definition().kind {
        TypeKind::Array { .. } => Ok(View::Transparent(elements.into())),
        _ => Err(Refusal::Declined),
    }
}

/// `std::span`: `_M_ptr`, `_M_extent` (its value where the type does not fix it); libc++ `__data_`, `__size_`.
pub(super) fn span<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let data = object.any_field(&["_M_ptr", "__data_", "__data"])?;
    let dynamic = object.path("_M_extent._M_extent_value").or_else(|_| object.any_field(&["__size_", "__size"]));
    let length = match dynamic {
        Ok(length) => length.uint()?,
        Err(_) => u64::try_from(object.value_argument(0)?).map_err(|_| Refusal::Declined)?,
    };
    strided("std::span", object, &data, length)
}

/// `std::initializer_list`: `_M_array`, `_M_len`; libc++ `__begin_`, `__size_`.
pub(super) fn initializer_list<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let data = object.any_field(&["_M_array", "__begin_"])?;
    let length = object.any_field(&["_M_len", "__size_"])?.uint()?;
    strided("std::initializer_list", object, &data, length)
}

fn strided<'v>(name: &str, object: &Object<'v>, data: &Object<'v>, length: u64) -> Result<View<'v>, Refusal> {
    let items = Items::strided(object, data.pointer()?, data.target()?, length)?;
    Ok(View::Sequence { title: format!("{name} of length {length}"), set: false, items })
}

/// `std::valarray`: `_M_size`, `_M_data`; libc++ `__begin_`, `__end_`.
pub(super) fn valarray<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    if let Ok(size) = object.field("_M_size") {
        return strided("std::valarray", object, &object.field("_M_data")?, size.uint()?);
    }
    let (begin, end) = (object.field("__begin_")?, object.field("__end_")?.pointer()?);
    let size = object.size_of(begin.target()?)?.max(1);
    let bytes = end.checked_sub(begin.pointer()?).ok_or_else(|| corrupt("an end before the beginning"))?;
    strided("std::valarray", object, &begin, bytes / size)
}

/// `std::deque`: blocks of 512 bytes behind a map of pointers (gcc `bits/stl_deque.h`); libc++ blocks of 4096 bytes or 16
/// elements, the first element `__start_` elements into the first block (llvm `libcxx/include/deque`).
pub(super) fn deque<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let blocks = match object.path("_M_impl._M_start") {
        Ok(start) => {
            let end = object.path("_M_impl._M_finish")?;
            let element = start.field("_M_cur")?.target()?;
            let size = object.size_of(element)?.max(1);
            let per_block = (512 / size).max(1);
            let place = |iterator: &Object<'v>| -> Result<(u64, u64), Refusal> {
                let (current, first) = (iterator.field("_M_cur")?.pointer()?, iterator.field("_M_first")?.pointer()?);
                let within = current.checked_sub(first).ok_or_else(|| corrupt("an element before its block"))? / size;
                Ok((iterator.field("_M_node")?.pointer()?, within))
            };
            let ((first_node, skip), (last_node, last)) = (place(&start)?, place(&end)?);
            let nodes = last_node.checked_sub(first_node).map(|bytes| bytes / object.word());
            let length = nodes
                .and_then(|nodes| nodes.checked_mul(per_block)?.checked_add(last)?.checked_sub(skip))
                .ok_or_else(|| corrupt(format!("blocks from {first_node:#x} to {last_node:#x}")))?;
            let map = object.path("_M_impl._M_map")?.pointer()?;
            let room = object.path("_M_impl._M_map_size")?.uint()?.checked_mul(object.word());
            let limit = room.and_then(|room| map.checked_add(room)).ok_or_else(beyond)?;
            if first_node < map || last_node >= limit {
                return Err(corrupt(format!(
                    "blocks from {first_node:#x} to {last_node:#x} with room from {map:#x} to {limit:#x}"
                )));
            }
            Blocks { element, size, per_block, map: first_node, skip, length }
        }
        Err(_) => {
            let map = object.field("__map_")?;
            let begin = map.any_field(&["__begin_"])?;
            let element = object.argument(0)?;
            let size = object.size_of(element)?.max(1);
            let per_block = if size < 256 { 4096 / size } else { 16 };
            let (skip, length) = (object.field("__start_")?.uint()?, member(object, &["__size_"])?.uint()?);
            let bytes = map.field("__end_")?.pointer()?.saturating_sub(begin.pointer()?);
            let room = (bytes / object.word()).saturating_mul(per_block);
            if skip.checked_add(length).is_none_or(|end| end > room) {
                return Err(corrupt(format!("{length} elements from {skip} on in room for {room}")));
            }
            Blocks { element, size, per_block, map: begin.pointer()?, skip, length }
        }
    };
    let length = blocks.length;
    let items = Items::Walk { length: Some(length), walk: Box::new(blocks.walk(object)) };
    let title = format!("std::deque with {}", elements(length));
    Ok(View::Sequence { title, set: false, items })
}

struct Blocks {
    element: TypeId,
    size: u64,
    per_block: u64,
    map: u64,
    /// Elements of the first block before the first one.
    skip: u64,
    length: u64,
}

impl Blocks {
    fn walk<'v>(self, object: &Object<'v>) -> impl Iterator<Item = Result<Item<'v>, crate::value::Absent>> + 'v {
        let object = *object;
        let mut index = 0;
        let mut block = (u64::MAX, 0);
        walk(move || {
            if index == self.length {
                return Ok(None);
            }
            let place = self.skip.checked_add(index).ok_or_else(beyond)?;
            index += 1;
            let number = place / self.per_block;
            if block.0 != number {
                let at = number.checked_mul(object.word()).and_then(|offset| self.map.checked_add(offset));
                block = (number, object.read_pointer(at.ok_or_else(beyond)?)?);
            }
            let offset = place % self.per_block * self.size;
            let address = block.1.checked_add(offset).ok_or_else(beyond)?;
            Ok(Some(Item::Object(object.at(address, self.element))))
        })
    }
}

/// `std::list`: a ring through `_M_impl._M_node` (gcc `bits/stl_list.h`; without `_M_size` in the old ABI); libc++ through
/// `__end_`, next after previous.
pub(super) fn list<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let element = object.argument(0)?;
    let (end, link, length) = match object.path("_M_impl._M_node") {
        Ok(node) => {
            let length = match node.field("_M_size") {
                Ok(length) => Some(length.uint()?),
                // Old compilers of the new ABI kept the size in an element of the head.
                Err(_) if node.has("_M_storage") => return Err(Refusal::Declined),
                Err(_) => None,
            };
            (node, 0, length)
        }
        Err(_) => {
            let length = member(object, &["__size_alloc_", "__size_"])?.uint()?;
            (object.field("__end_")?, object.word(), Some(length))
        }
    };
    let end = end.address().ok_or(Refusal::Declined)?.0;
    let first = object.read_pointer(end + link)?;
    let offset = offset_behind(object, 2 * object.word(), element)?;
    linked("std::list", object, Chain::new(object, first, end, link, length), (element, offset), length)
}

/// `std::forward_list`: `_M_impl._M_head._M_next`; libc++ `__before_begin_`, whose first element is `__next_`.
pub(super) fn forward_list<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let element = object.argument(0)?;
    let head = match object.path("_M_impl._M_head._M_next") {
        Ok(head) => head,
        Err(_) => member(object, &["__before_begin_"])?.field("__next_")?,
    };
    let chain = Chain::new(object, head.pointer()?, 0, 0, None);
    let offset = offset_behind(object, object.word(), element)?;
    linked("std::forward_list", object, chain, (element, offset), None)
}

fn linked<'v>(
    name: &str,
    object: &Object<'v>,
    mut chain: Chain<'v>,
    (element, offset): (TypeId, u64),
    length: Option<u64>,
) -> Result<View<'v>, Refusal> {
    let object = *object;
    let found = walk(move || {
        let Some(node) = chain.step()? else { return Ok(None) };
        let address = node.checked_add(offset).ok_or_else(beyond)?;
        Ok(Some(Item::Object(object.at(address, element))))
    });
    let title = length.map_or_else(|| name.to_owned(), |length| format!("{name} with {}", elements(length)));
    Ok(View::Sequence { title, set: false, items: Items::Walk { length, walk: Box::new(found) } })
}

/// `std::stack`, `std::queue`, `std::priority_queue`: what they keep their elements in.
pub(super) fn adapter<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    Ok(View::Transparent(object.field("c")?.into()))
}
