//! Iterators: shown as what they point at, as gdb's printers have it. An iterator does not know its container, so one
//! past the end shows what happens to be there, except in trees, whose header can be told from their nodes.
//!
//! ```text
//! libstdc++  _M_current | _M_cur | _M_node, the element behind the node's links      (gcc bits/stl_iterator.h, stl_list.h,
//!                                                                      forward_list.h, stl_tree.h, hashtable_policy.h)
//! libc++     __i_ | __ptr_ | __node_, the element in the node's __value_             (llvm __iterator/wrap_iter.h, list,
//!                                                                      forward_list, __tree, __hash_table, deque)
//! ```

use super::super::{Item, Object, Refusal, View};
use super::parts::{argument_text, beyond, offset_behind};
use super::pointers::find_type;
use crate::types::{Language, TypeKind};
use crate::value::{Value, ValueKind};

/// Of `std::vector` and `std::string`.
pub(super) fn vector<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    pointed_to(&object.any_field(&["_M_current", "__i_", "__i"])?, "std::vector")
}

/// Of `std::deque`.
pub(super) fn deque<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    pointed_to(&object.any_field(&["_M_cur", "__ptr_"])?, "std::deque")
}

fn pointed_to<'v>(pointer: &Object<'v>, container: &str) -> Result<View<'v>, Refusal> {
    if pointer.pointer()? == 0 {
        return Ok(nowhere(container));
    }
    Ok(View::Transparent(pointer.deref()?.into()))
}

fn nowhere<'v>(container: &str) -> View<'v> {
    View::Parts { title: format!("non-dereferenceable iterator for {container}"), parts: Vec::new() }
}

/// Of `std::list`: behind two links.
pub(super) fn list<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    behind_links(object, &["_M_node", "__ptr_"], 2, "std::list")
}

/// Of `std::forward_list`: behind one link. libc++'s argument is the node's pointer.
pub(super) fn forward_list<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    match object.field("__ptr_") {
        Ok(node) => in_node(object, &node, 0, "std::forward_list"),
        Err(_) => behind_links(object, &["_M_node"], 1, "std::forward_list"),
    }
}

/// Of `std::unordered_map` and its kin.
pub(super) fn hash<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    match object.field("__node_") {
        Ok(node) => in_node(object, &node, 0, "an unordered container"),
        Err(_) => behind_links(object, &["_M_cur"], 1, "an unordered container"),
    }
}

/// Of `std::map`, `std::set` and their kin.
pub(super) fn tree<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    const CONTAINER: &str = "an ordered container";
    if let Ok(node) = object.field("__ptr_") {
        return in_node(object, &node, 1, CONTAINER);
    }
    let node = object.field("_M_node")?.pointer()?;
    if node == 0 {
        return Ok(nowhere(CONTAINER));
    }
    // The header is red as no root is, and its parent is the root, whose parent it is; that of an empty tree has none.
    let word = object.word();
    let parent = object.read_pointer(node.checked_add(word).ok_or_else(beyond)?)?;
    let is_red = object.read_uint(node, 4)? == 0;
    let is_root_like = parent != 0 && object.read_pointer(parent.checked_add(word).ok_or_else(beyond)?)? == node;
    if parent == 0 || is_red && is_root_like {
        return Ok(View::Parts { title: "past the end".to_owned(), parts: Vec::new() });
    }
    behind_links(object, &["_M_node"], 4, CONTAINER)
}

/// libc++'s iterators of maps, around those of trees and hash tables.
pub(super) fn wrapped<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    Ok(View::Transparent(object.field("__i_")?.into()))
}

/// The element, of the type that the first argument names, behind so many words of the node.
fn behind_links<'v>(object: &Object<'v>, names: &[&str], links: u64, container: &str) -> Result<View<'v>, Refusal> {
    let node = object.any_field(names)?.pointer()?;
    if node == 0 {
        return Ok(nowhere(container));
    }
    let element = match object.argument(0) {
        Ok(element) => element,
        // GCC leaves the arguments of some classes out, and has them in the name alone.
        Err(_) => {
            let name = object.type_name();
            let end = name.find('<').ok_or(Refusal::Declined)?;
            let argument = argument_text(name, &name[..end]).ok_or(Refusal::Declined)?;
            find_type(object, argument).ok_or(Refusal::Declined)?
        }
    };
    let offset = offset_behind(object, links * object.word(), element)?;
    Ok(View::Transparent(object.at(node.checked_add(offset).ok_or_else(beyond)?, element).into()))
}

/// The `__value_` of the node of the type that argument `index` points to; a map's pair is in its `__cc_`.
fn in_node<'v>(object: &Object<'v>, pointer: &Object<'v>, index: usize, container: &str) -> Result<View<'v>, Refusal> {
    let address = pointer.pointer()?;
    if address == 0 {
        return Ok(nowhere(container));
    }
    let TypeKind::Pointer { target } = object.types().stripped(object.argument(index)?).1.kind else {
        return Err(Refusal::Declined);
    };
    let value = object.at(address, target).field("__value_")?;
    Ok(View::Transparent(value.any_field(&["__cc_", "__cc"]).unwrap_or(value).into()))
}

/// An iterator of `std::vector<bool>`, and what stands for one of its bits: `_M_p` with `_M_offset` or `_M_mask`; libc++
/// `__seg_` with `__ctz_` or `__mask_`.
pub(super) fn bit<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let at = object.any_field(&["_M_p", "__seg_"])?.pointer()?;
    if at == 0 {
        return Ok(nowhere("std::vector<bool>"));
    }
    let word = object.read_pointer(at)?;
    let mask = match object.any_field(&["_M_mask", "__mask_"]) {
        Ok(mask) => mask.uint()?,
        Err(_) => {
            let bit = object.any_field(&["_M_offset", "__ctz_"])?.uint()?;
            u32::try_from(bit).ok().and_then(|bit| 1u64.checked_shl(bit)).ok_or(Refusal::Declined)?
        }
    };
    let type_id = object.types().number("bool", 1, Language::Cpp, TypeKind::Bool);
    Ok(View::Transparent(Item::Value(Value { type_id, kind: ValueKind::Bool(u64::from(word & mask != 0)) })))
}
