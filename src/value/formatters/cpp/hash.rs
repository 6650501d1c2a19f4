//! `std::unordered_map`, `std::unordered_set` and their multi- kinds: one list of all nodes, in its order.
//!
//! ```text
//! libstdc++  node: next, value, (hash)    _M_h._M_before_begin._M_nxt, _M_element_count  (gcc bits/hashtable.h)
//! libc++     node: next, hash, value      __table_.__p1_.__next_, __p2_                  (llvm __hash_table)
//! ```

use super::super::{Object, Refusal, View};
use super::parts::{Chain, Nodes, member};

/// `std::unordered_map with 2 elements`
pub(super) fn map<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    nodes(object)?.map("std::unordered_map")
}

/// `std::unordered_multimap with 2 elements`
pub(super) fn multimap<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    nodes(object)?.map("std::unordered_multimap")
}

/// `std::unordered_set with 2 elements`
pub(super) fn set<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    nodes(object)?.set("std::unordered_set")
}

/// `std::unordered_multiset with 2 elements`
pub(super) fn multiset<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    nodes(object)?.set("std::unordered_multiset")
}

fn nodes<'v>(object: &Object<'v>) -> Result<Nodes<'v, impl FnMut() -> Result<Option<u64>, Refusal> + 'v>, Refusal> {
    let word = object.word();
    let (first, length, header) = match object.field("_M_h") {
        Ok(table) => (table.path("_M_before_begin._M_nxt")?, table.field("_M_element_count")?.uint()?, word),
        Err(_) => {
            let table = object.field("__table_")?;
            let first = member(&table, &["__p1_", "__first_node_"])?.field("__next_")?;
            (first, member(&table, &["__p2_", "__size_"])?.uint()?, 2 * word)
        }
    };
    let mut chain = Chain::new(object, first.pointer()?, 0, 0, Some(length));
    Ok(Nodes { container: *object, length, header, step: move || chain.step() })
}
