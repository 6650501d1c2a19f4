//! `std::map`, `std::set` and their multi- kinds: red-black trees, in order.
//!
//! ```text
//! libstdc++  node: color, parent, left, right, value     _M_t._M_impl._M_header, _M_node_count   (gcc bits/stl_tree.h)
//! libc++     node: left, right, parent, is_black, value  __tree_.__begin_node_, __size_          (llvm __tree)
//! ```

use super::super::{Object, Refusal, View, corrupt};
use super::parts::{Nodes, beyond, member};

/// No balanced tree that fits an address space is deeper.
const MAX_HEIGHT: usize = 128;

/// `std::map with 2 elements`
pub(super) fn map<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    nodes(object)?.map("std::map")
}

/// `std::multimap with 2 elements`
pub(super) fn multimap<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    nodes(object)?.map("std::multimap")
}

/// `std::set with 2 elements`
pub(super) fn set<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    nodes(object)?.set("std::set")
}

/// `std::multiset with 2 elements`
pub(super) fn multiset<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    nodes(object)?.set("std::multiset")
}

fn nodes<'v>(object: &Object<'v>) -> Result<Nodes<'v, impl FnMut() -> Result<Option<u64>, Refusal> + 'v>, Refusal> {
    let mut tree = Tree::of(object)?;
    let (length, header) = (tree.length, tree.header);
    Ok(Nodes { container: *object, length, header, step: move || tree.step() })
}

/// A walk over nodes in order.
struct Tree<'v> {
    object: Object<'v>,
    /// Offsets of the pointers in a node.
    left: u64,
    right: u64,
    parent: u64,
    /// Bytes of a node before its value, without padding.
    header: u64,
    length: u64,
    seen: u64,
    /// The first node.
    first: u64,
    /// The node that was given last.
    last: Option<u64>,
    /// The node above the root, which holds no value.
    end: u64,
}

impl<'v> Tree<'v> {
    fn of(object: &Object<'v>) -> Result<Tree<'v>, Refusal> {
        let word = object.word();
        let new = |(left, right, parent), header, length, first, end: Object<'v>| Tree {
            object: *object,
            left,
            right,
            parent,
            header,
            length,
            seen: 0,
            first,
            last: None,
            end: end.address().map_or(0, |address| address.0),
        };
        if let Ok(tree) = object.path("_M_t._M_impl") {
            let length = tree.field("_M_node_count")?.uint()?;
            let leftmost = tree.path("_M_header._M_left")?.pointer()?;
            let links = (2 * word, 3 * word, word);
            return Ok(new(links, 4 * word, length, leftmost, tree.field("_M_header")?));
        }
        let tree = object.field("__tree_")?;
        let length = member(&tree, &["__pair3_", "__size_"])?.uint()?;
        let first = tree.field("__begin_node_")?.pointer()?;
        let end = tree.any_field(&["__pair1_", "__end_node_"])?;
        Ok(new((0, word, 2 * word), 3 * word + 1, length, first, end))
    }

    fn link(&self, node: u64, offset: u64) -> Result<u64, Refusal> {
        let at = node.checked_add(offset).ok_or_else(beyond)?;
        self.object.read_pointer(at)
    }

    fn step(&mut self) -> Result<Option<u64>, Refusal> {
        let next = match self.last {
            None => Some(self.first).filter(|first| *first != 0 && *first != self.end),
            Some(last) => self.successor(last)?,
        };
        match next {
            Some(_) if self.seen == self.length => Err(corrupt("more nodes follow than the size says")),
            None if self.seen == self.length => Ok(None),
            None => Err(corrupt(format!("{} elements fewer than the size says", self.length - self.seen))),
            Some(node) => {
                self.seen += 1;
                self.last = Some(node);
                Ok(Some(node))
            }
        }
    }

    /// The leftmost node on the right, or the first one upwards that the node is left of; the last one has none.
    fn successor(&self, node: u64) -> Result<Option<u64>, Refusal> {
        let mut at = self.link(node, self.right)?;
        if at != 0 {
            let mut above = node;
            for _ in 0..MAX_HEIGHT {
                if self.link(at, self.parent)? != above {
                    return Err(corrupt(format!("the node at {at:#x} is the child of another than its parent")));
                }
                above = at;
                match self.link(at, self.left)? {
                    0 => return Ok(Some(at)),
                    left => at = left,
                }
            }
            return Err(corrupt("a tree that has no leftmost node"));
        }
        let mut child = node;
        for _ in 0..MAX_HEIGHT {
            let parent = self.link(child, self.parent)?;
            // Above the root there is nothing more.
            if parent == 0 || parent == self.end {
                return Ok(None);
            }
            if self.link(parent, self.left)? == child {
                return Ok(Some(parent));
            }
            if self.link(parent, self.right)? != child {
                return Err(corrupt(format!("the node at {child:#x} is no child of its parent")));
            }
            child = parent;
        }
        Err(corrupt("a tree that has no root"))
    }
}
