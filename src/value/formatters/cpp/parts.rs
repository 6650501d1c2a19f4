//! What several formatters of C++ need.

use super::super::{Entries, Item, Items, Object, Refusal, View, corrupt, walk};
use crate::types::{Language, TypeId, TypeKind};

/// Links from node to node after which a structure is taken for endless.
const MAX_LINKS: u64 = 16 << 20;

/// What libc++ keeps in a `__compressed_pair` beside an allocator or a deleter (LLVM up to 19): its first element;
/// later versions have the plain member, which is given back as it is.
pub(super) fn first_of_pair<'v>(object: Object<'v>) -> Object<'v> {
    object.field("__value_").unwrap_or(object)
}

/// A member of libc++, by the names that its versions have for it, out of its compressed pair.
pub(super) fn member<'v>(object: &Object<'v>, names: &[&str]) -> Result<Object<'v>, Refusal> {
    Ok(first_of_pair(object.any_field(names)?))
}

/// Where an object of the type lies that follows `bytes` other bytes.
pub(super) fn offset_behind(object: &Object<'_>, bytes: u64, type_id: TypeId) -> Result<u64, Refusal> {
    let alignment = object.align_of(type_id)?.max(1);
    bytes.checked_next_multiple_of(alignment).ok_or_else(beyond)
}

/// Where key and value lie in a `std::pair<const K, V>`, and how it is aligned.
pub(super) struct PairLayout {
    /// The key's type.
    pub key: TypeId,
    /// The value's type.
    pub value: TypeId,
    /// Bytes from the pair to its value.
    pub value_offset: u64,
    /// In bytes.
    pub alignment: u64,
}

impl PairLayout {
    /// Of a map's first two template arguments.
    pub(super) fn of(map: &Object<'_>) -> Result<PairLayout, Refusal> {
        let (key, value) = (map.argument(0)?, map.argument(1)?);
        let value_offset = offset_behind(map, map.size_of(key)?, value)?;
        let alignment = map.align_of(key)?.max(map.align_of(value)?).max(1);
        Ok(PairLayout { key, value, value_offset, alignment })
    }

    /// Key and value of the pair at an address.
    pub(super) fn at<'v>(&self, object: &Object<'v>, address: u64) -> Result<(Object<'v>, Object<'v>), Refusal> {
        let value = address.checked_add(self.value_offset).ok_or_else(beyond)?;
        Ok((object.at(address, self.key), object.at(value, self.value)))
    }
}

/// Nodes that are linked by a pointer `link` bytes into each, from `first` until `end`.
pub(super) struct Chain<'v> {
    object: Object<'v>,
    next: u64,
    end: u64,
    link: u64,
    /// How many the container says that there are.
    length: Option<u64>,
    seen: u64,
    /// A node that was passed: where it comes again, the links are a circle.
    mark: u64,
}

impl<'v> Chain<'v> {
    pub(super) fn new(object: &Object<'v>, first: u64, end: u64, link: u64, length: Option<u64>) -> Chain<'v> {
        Chain { object: *object, next: first, end, link, length, seen: 0, mark: 0 }
    }

    /// The next node's address.
    pub(super) fn step(&mut self) -> Result<Option<u64>, Refusal> {
        let node = self.next;
        if let Some(length) = self.length {
            if self.seen == length {
                return match node == self.end {
                    true => Ok(None),
                    false => Err(corrupt("more nodes follow than the size says")),
                };
            }
            if node == self.end || node == 0 {
                return Err(corrupt(format!("{} elements fewer than the size says", length - self.seen)));
            }
        } else if node == self.end {
            return Ok(None);
        }
        if node == 0 {
            return Err(corrupt("a node without a successor"));
        }
        if node == self.mark || self.seen >= MAX_LINKS {
            return Err(corrupt("the nodes are linked in a circle"));
        }
        self.seen += 1;
        if self.seen.is_power_of_two() {
            self.mark = node;
        }
        let link = node.checked_add(self.link).ok_or_else(beyond)?;
        self.next = self.object.read_pointer(link)?;
        Ok(Some(node))
    }
}

/// A container whose elements lie in nodes, each behind `header` bytes of its node.
pub(super) struct Nodes<'v, S> {
    /// The container; its first template arguments are its keys' and values' types.
    pub container: Object<'v>,
    /// Elements.
    pub length: u64,
    /// Bytes of a node before its element, without padding.
    pub header: u64,
    /// The next node's address.
    pub step: S,
}

impl<'v, S: FnMut() -> Result<Option<u64>, Refusal> + 'v> Nodes<'v, S> {
    /// `std::map with 2 elements`
    pub(super) fn map(mut self, name: &str) -> Result<View<'v>, Refusal> {
        let layout = PairLayout::of(&self.container)?;
        let offset = self.header.checked_next_multiple_of(layout.alignment).ok_or_else(beyond)?;
        let (length, map) = (self.length, self.container);
        let entries: Entries<'v> = Box::new(walk(move || {
            let Some(node) = (self.step)()? else { return Ok(None) };
            let (key, value) = layout.at(&map, node.checked_add(offset).ok_or_else(beyond)?)?;
            Ok(Some((key.into(), value.into())))
        }));
        Ok(View::Map { title: format!("{name} with {}", elements(length)), length: Some(length), entries })
    }

    /// `std::set with 2 elements`
    pub(super) fn set(mut self, name: &str) -> Result<View<'v>, Refusal> {
        let key = self.container.argument(0)?;
        let offset = offset_behind(&self.container, self.header, key)?;
        let (length, set) = (self.length, self.container);
        let found = walk(move || {
            let Some(node) = (self.step)()? else { return Ok(None) };
            Ok(Some(Item::Object(set.at(node.checked_add(offset).ok_or_else(beyond)?, key))))
        });
        let items = Items::Walk { length: Some(length), walk: Box::new(found) };
        Ok(View::Sequence { title: format!("{name} with {}", elements(length)), set: true, items })
    }
}

/// `1 element`, `2 elements`
pub(super) fn elements(count: u64) -> String {
    format!("{count} element{}", if count == 1 { "" } else { "s" })
}

/// A sum of addresses that no address space holds.
pub(super) fn beyond() -> Refusal {
    corrupt("beyond the address space")
}

/// A number of obit's own with C++'s type.
pub(super) fn size_type(object: &Object<'_>) -> TypeId {
    object.types().number("unsigned long", object.word(), Language::Cpp, TypeKind::Int { signed: false })
}

/// The byte at an offset of the object.
pub(super) fn byte(object: &Object<'_>, offset: u64) -> Result<u8, Refusal> {
    let type_id = object.types().number("unsigned char", 1, Language::Cpp, TypeKind::Int { signed: false });
    Ok(object.part(offset, type_id)?.uint()? as u8)
}

/// A type's name as its author writes it.
pub(super) fn short_name(name: &str) -> String {
    crate::demangle::shorten(name).into_owned()
}

/// `T` in a name that begins with `prefix`, as in `prefix<T>::…`, where nothing else follows the bracket.
pub(super) fn argument_text<'n>(name: &'n str, prefix: &str) -> Option<&'n str> {
    let rest = name.strip_prefix(prefix)?.strip_prefix('<')?;
    let mut nesting = 0usize;
    for (index, char) in rest.char_indices() {
        match char {
            '<' | '(' => nesting += 1,
            '>' if nesting == 0 => return Some(rest[..index].trim_end()),
            '>' | ')' => nesting = nesting.checked_sub(1)?,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_end_at_their_own_bracket() {
        assert_eq!(
            argument_text("std::any::_Manager<a::B<int> >::_S_manage(int)", "std::any::_Manager"),
            Some("a::B<int>")
        );
        assert_eq!(argument_text("f<int (char)>::g", "f"), Some("int (char)"));
        assert_eq!(argument_text("f<int", "f"), None);
    }
}
