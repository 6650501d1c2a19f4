//! `BTreeMap` and `BTreeSet` (rust `library/alloc/src/collections/btree/{map,set,node}.rs`, the layout since Rust 1.50).
//!
//! ```text
//! BTreeMap { root: Option<NodeRef { height, node }>, length }
//! LeafNode { parent, parent_idx, len, keys: [MaybeUninit<K>; 11], vals: [MaybeUninit<V>; 11] }
//! InternalNode { data: LeafNode, edges: [MaybeUninit<NonNull<LeafNode>>; 12] }      by height, not by type
//! ```

use super::super::{Entries, Item, Items, Object, Refusal, View, corrupt};
use super::parts::number;
use crate::types::TypeId;

/// Keys that a node holds.
const CAPACITY: u64 = 11;
/// A tree of more levels holds more than an address space does.
const MAX_HEIGHT: u64 = 24;

/// `BTreeMap(size=2)`
pub(super) fn map<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let length = object.field("length")?.uint()?;
    let title = format!("BTreeMap(size={length})");
    Ok(View::Map { title, length: Some(length), entries: entries(object, length)? })
}

/// `BTreeSet(size=2)`
pub(super) fn set<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let map = object.field("map")?;
    // A set was a map to `()` itself, and is one to `SetValZST` since Rust 1.66.
    let length = map.field("length")?.uint()?;
    let walk = entries(&map, length)?.map(|entry| entry.map(|(key, _)| key));
    let items = Items::Walk { length: Some(length), walk: Box::new(walk) };
    Ok(View::Sequence { title: format!("BTreeSet(size={length})"), set: true, items })
}

fn entries<'v>(map: &Object<'v>, length: u64) -> Result<Entries<'v>, Refusal> {
    let (key, value) = (map.argument(0)?, map.argument(1)?);
    let root = map.field("root")?;
    if length == 0 {
        return Ok(Box::new(std::iter::empty()));
    }
    let ("Some", root) = root.variant()? else {
        return Err(corrupt(format!("{length} entries without a root")));
    };
    let root = root.field("__0")?;
    let height = number(&root.field("height")?)?;
    if height > MAX_HEIGHT {
        return Err(corrupt(format!("a tree {height} levels high")));
    }
    let node = root.field("node")?;
    let leaf = node.argument(0)?;
    let mut walk = Walk { key, value, internal: None, levels: Vec::new(), left: length };
    if height > 0 {
        // Only the parent's type names the inner nodes: Option<NonNull<InternalNode<K, V>>>.
        let parent = node.at(node.pointer()?, leaf).field("parent")?;
        let variants = parent.structure()?.variants.as_deref().ok_or(Refusal::Declined)?;
        let mut members = variants.variants.iter().flat_map(|variant| &variant.members);
        let some = members.find(|member| member.name.as_deref() == Some("Some")).ok_or(Refusal::Declined)?;
        walk.internal = Some(parent.member(some)?.field("__0")?.argument(0)?);
    }
    walk.enter(node.at(node.pointer()?, leaf), height)?;
    Ok(Box::new(super::super::walk(move || walk.step())))
}

struct Level<'v> {
    leaf: Object<'v>,
    height: u64,
    length: u64,
    /// The next key.
    index: u64,
    /// The child before it has been visited.
    descended: bool,
}

struct Walk<'v> {
    key: TypeId,
    value: TypeId,
    internal: Option<TypeId>,
    levels: Vec<Level<'v>>,
    /// Entries still to come.
    left: u64,
}

impl<'v> Walk<'v> {
    fn enter(&mut self, leaf: Object<'v>, height: u64) -> Result<(), Refusal> {
        let length = leaf.field("len")?.uint()?;
        // A node without keys has nothing to tell children apart by: a walk over such nodes need not end.
        if length == 0 || length > CAPACITY {
            return Err(corrupt(format!("a node of {length} keys")));
        }
        self.levels.push(Level { leaf, height, length, index: 0, descended: height == 0 });
        Ok(())
    }

    fn step(&mut self) -> Result<Option<(Item<'v>, Item<'v>)>, Refusal> {
        if self.left == 0 {
            let more = self.levels.iter().any(|level| level.index < level.length || !level.descended);
            return if more { Err(corrupt("more entries follow than the length says")) } else { Ok(None) };
        }
        loop {
            let Some(level) = self.levels.last_mut() else {
                return Err(corrupt(format!("{} entries fewer than the length says", self.left)));
            };
            if !level.descended {
                level.descended = true;
                let (leaf, height) = (level.leaf, level.height - 1);
                let internal = self.internal.ok_or(Refusal::Declined)?;
                let edge = leaf.cast(internal).field("edges")?.element(level.index)?;
                let child = edge.at(pointer_in(&edge)?, leaf.type_id);
                self.enter(child, height)?;
            } else if level.index < level.length {
                let key = level.leaf.field("keys")?.element(level.index)?.cast(self.key);
                let value = level.leaf.field("vals")?.element(level.index)?.cast(self.value);
                level.index += 1;
                level.descended = level.height == 0;
                self.left -= 1;
                return Ok(Some((key.into(), value.into())));
            } else {
                self.levels.pop();
            }
        }
    }
}

/// The address that a `MaybeUninit<NonNull<…>>` or `MaybeUninit<BoxedNode<…>>` holds: it is nothing else.
fn pointer_in(edge: &Object<'_>) -> Result<u64, Refusal> {
    let address = edge.address().ok_or(Refusal::Declined)?;
    if edge.size()? != edge.word() {
        return Err(Refusal::Declined);
    }
    match edge.read_pointer(address.0)? {
        0 => Err(corrupt("an inner node without a child")),
        address => Ok(address),
    }
}
