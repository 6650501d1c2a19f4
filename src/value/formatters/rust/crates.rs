//! Crates that everybody uses: bytes (1.0 to 1.12), smallvec (1.0 to 1.16), indexmap (1.0 to 2.14).

use super::super::{Entries, Items, Object, Refusal, View, corrupt};
use crate::value::Absent;

/// `bytes::Bytes` and `BytesMut`: `ptr`, `len`.
pub(super) fn bytes<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let data = object.field("ptr")?;
    let byte = object.types().number("u8", 1, object.language(), crate::types::TypeKind::Int { signed: false });
    Ok(View::Text {
        title: String::new(),
        first: object.at(data.pointer()?, byte),
        length: object.field("len")?.uint()?,
    })
}

/// `SmallVec<[T; N]>`: up to N elements lie in it, and then `capacity` is their count (smallvec `src/lib.rs`).
pub(super) fn small_vec<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let array = object.argument(0)?;
    let (_, definition) = object.types().stripped(array);
    let crate::types::TypeKind::Array { element, count: crate::types::Count::Fixed(inline), .. } = definition.kind
    else {
        return Err(Refusal::Declined);
    };
    let capacity = object.field("capacity")?.uint()?;
    let data = object.field("data")?;
    let (address, length) = if capacity <= inline {
        let place = match data.variant() {
            Ok(("Inline", inside)) => inside.field("__0")?,
            Ok(_) => return Err(corrupt("elements on the heap, and a capacity that says otherwise")),
            Err(_) => data.field("inline")?,
        };
        // What is in registers or pieces keeps its fields.
        (place.address().ok_or(Refusal::Declined)?.0, capacity)
    } else {
        let heap = match data.variant() {
            Ok(("Heap", inside)) => inside,
            Ok(_) => return Err(corrupt("elements within, and a capacity that says otherwise")),
            Err(_) => data.field("heap")?,
        };
        let pair = heap.field("__0").ok().filter(|pair| pair.has("__1")).unwrap_or(heap);
        let pointer = pair.any_field(&["ptr", "__0"])?;
        (pointer.pointer()?, pair.any_field(&["len", "__1"])?.uint()?)
    };
    if length > capacity.max(inline) {
        return Err(corrupt(format!("{length} elements with room for {capacity}")));
    }
    let items = Items::strided(object, address, element, length)?;
    Ok(View::Sequence { title: format!("SmallVec(size={length})"), set: false, items })
}

/// `IndexMap(size=2)`: `core.entries`, in the order of insertion.
pub(super) fn index_map<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let (length, mut buckets) = buckets(object)?;
    let entries: Entries<'v> = Box::new(std::iter::from_fn(move || {
        let bucket = buckets.next()?;
        Some(bucket.and_then(|bucket| Ok((bucket.field("key")?.into(), bucket.field("value")?.into()))))
    }));
    Ok(View::Map { title: format!("IndexMap(size={length})"), length: Some(length), entries })
}

/// `IndexSet(size=2)`
pub(super) fn index_set<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let (length, buckets) = buckets(&object.field("map")?)?;
    let walk = buckets.map(|bucket| Ok(bucket?.field("key")?.into()));
    let items = Items::Walk { length: Some(length), walk: Box::new(walk) };
    Ok(View::Sequence { title: format!("IndexSet(size={length})"), set: true, items })
}

type Buckets<'v> = Box<dyn Iterator<Item = Result<Object<'v>, Absent>> + 'v>;

fn buckets<'v>(map: &Object<'v>) -> Result<(u64, Buckets<'v>), Refusal> {
    let View::Sequence { items, .. } = super::vec::vec(&map.path("core.entries")?)? else {
        return Err(Refusal::Declined);
    };
    let length = items.length().unwrap_or(0);
    let walk = items.into_walk().map(|item| match item? {
        super::super::Item::Object(object) => Ok(object),
        super::super::Item::Value(_) => Err(Absent::from(Refusal::Declined)),
    });
    Ok((length, Box::new(walk)))
}
