//! `std::unordered_map`, `std::unordered_set` and their multi- kinds: one list of all nodes, in its order.
//!
//! ```text
//! libstdc++  node: next, value, (hash)    _M_h._M_before_begin._M_nxt, _M_element_count  (gcc bits/hashtable.h)
//! libc++     node: next, hash, value      __table_.__p1_.__next_, __p2_                  (llvm __hash_table)
//! ```

use super::super::{Entries, Item, Items, Object, Refusal, View, corrupt};
use super::parts::{Chain, PairLayout, member, offset_behind, walk};
use super::sequences::elements;

/// `std::unordered_map with 2 elements`
pub(super) fn map<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    keyed("std::unordered_map", object)
}

/// `std::unordered_multimap with 2 elements`
pub(super) fn multimap<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    keyed("std::unordered_multimap", object)
}

/// `std::unordered_set with 2 elements`
pub(super) fn set<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    keys("std::unordered_set", object)
}

/// `std::unordered_multiset with 2 elements`
pub(super) fn multiset<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    keys("std::unordered_multiset", object)
}

fn keyed<'v>(name: &str, object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let layout = PairLayout::of(object)?;
    let (mut chain, length, header) = nodes(object)?;
    let offset = header.next_multiple_of(layout.alignment);
    let map = *object;
    let entries: Entries<'v> = Box::new(walk(move || {
        let Some(node) = chain.step()? else { return Ok(None) };
        let address = node.checked_add(offset).ok_or_else(|| corrupt("beyond the address space"))?;
        let (key, value) = layout.at(&map, address)?;
        Ok(Some((key.into(), value.into())))
    }));
    Ok(View::Map { title: format!("{name} with {}", elements(length)), length: Some(length), entries })
}

fn keys<'v>(name: &str, object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let key = object.argument(0)?;
    let (mut chain, length, header) = nodes(object)?;
    let offset = offset_behind(object, header, key)?;
    let set = *object;
    let found = walk(move || {
        let Some(node) = chain.step()? else { return Ok(None) };
        let address = node.checked_add(offset).ok_or_else(|| corrupt("beyond the address space"))?;
        Ok(Some(Item::Object(set.at(address, key))))
    });
    let items = Items::Walk { length: Some(length), walk: Box::new(found) };
    Ok(View::Sequence { title: format!("{name} with {}", elements(length)), set: true, items })
}

/// The nodes, how many there are, and how many bytes of each come before its value.
fn nodes<'v>(object: &Object<'v>) -> Result<(Chain<'v>, u64, u64), Refusal> {
    let word = object.word();
    let (first, length, header) = match object.field("_M_h") {
        Ok(table) => (table.path("_M_before_begin._M_nxt")?, table.field("_M_element_count")?.uint()?, word),
        Err(_) => {
            let table = object.field("__table_")?;
            let first = member(&table, &["__p1_", "__first_node_"])?.field("__next_")?;
            (first, member(&table, &["__p2_", "__size_"])?.uint()?, 2 * word)
        }
    };
    Ok((Chain::new(object, first.pointer()?, 0, 0, Some(length)), length, header))
}
