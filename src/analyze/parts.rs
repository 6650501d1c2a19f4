//! Members and elements of objects, by their offsets.

use crate::order::Order;
use crate::types::{Count, MemberOffset, StructKind, TypeId, TypeKind, TypeTable};

/// Members within members.
const MAX_PATH: usize = 16;
/// Members that are tried for one access.
const MAX_TRIES: usize = 512;

/// The member or element at `offset` in an object, and what is written behind the object's name for it. `size` is that
/// of the access (0: not known).
pub fn part_at(types: &TypeTable, type_id: TypeId, offset: u64, size: u64) -> Option<(String, TypeId)> {
    let mut path = String::new();
    let mut tries = MAX_TRIES;
    let part = descend(types, type_id, offset, size, &mut path, 0, &mut tries)?;
    Some((path, part))
}

#[allow(clippy::too_many_arguments)]
fn descend(
    types: &TypeTable,
    type_id: TypeId,
    offset: u64,
    size: u64,
    path: &mut String,
    depth: usize,
    tries: &mut usize,
) -> Option<TypeId> {
    *tries = tries.checked_sub(1)?;
    if depth > MAX_PATH {
        return None;
    }
    let type_id = types.complete(types.strip(type_id));
    let is_it = offset == 0 && size != 0 && types.size(type_id) == Some(size);
    match &types.get(type_id).kind {
        TypeKind::Struct(content) => {
            // What holds one thing beside empty bases (std::unique_ptr's tuple) is that thing.
            let whole = |member: &&crate::types::Member| types.size(member.type_id) == Some(size);
            let is_empty =
                |member: &crate::types::Member| member.base && types.size(member.type_id).is_some_and(|size| size <= 1);
            let holds_one = content.members.iter().filter(whole).count() == 1
                && content.members.iter().all(|member| whole(&member) || is_empty(member));
            if is_it && content.members.len() != 1 && !holds_one {
                return Some(type_id);
            }
            let start_of = |member: &crate::types::Member| match member.offset {
                MemberOffset::Bytes(0) => Some(member.bits.map_or(0, |(bit, _)| bit / 8)),
                MemberOffset::Bytes(start) => Some(start),
                MemberOffset::Expression(_) => None,
            };
            let mut fitting: Vec<(u64, u64, &crate::types::Member)> = Vec::new();
            for member in &content.members {
                let Some(start) = start_of(member) else { continue };
                let length = types.size(member.type_id).unwrap_or(0);
                if start <= offset && offset - start < length.max(1) {
                    fitting.push((start, length, member));
                }
            }
            // An empty base class lies where the first member does; a union's members all do.
            fitting.order_by_key(|(_, length, _)| {
                (*length < size.max(1), content.kind == StructKind::Union && *length != size)
            });
            let length = path.len();
            for (start, _, member) in fitting {
                path.truncate(length);
                if let (Some(name), false) = (&member.name, member.base) {
                    path.push('.');
                    path.push_str(name);
                }
                if member.bits.is_some() {
                    return Some(member.type_id);
                }
                if let Some(found) = descend(types, member.type_id, offset - start, size, path, depth + 1, tries) {
                    return Some(found);
                }
            }
            path.truncate(length);
            None
        }
        TypeKind::Array { element, count, .. } => {
            if is_it {
                return Some(type_id);
            }
            let stride = types.size(*element).filter(|stride| *stride > 0)?;
            let index = offset / stride;
            if matches!(count, Count::Fixed(count) if index >= *count) {
                return None;
            }
            path.push_str(&format!("[{index}]"));
            descend(types, *element, offset % stride, size, path, depth + 1, tries)
        }
        _ if offset == 0 && types.size(type_id).is_none_or(|whole| whole >= size) => Some(type_id),
        _ => None,
    }
}

/// The array in an object that begins at or below `offset` and whose elements have `stride` bytes: what is written
/// behind the object's name for it, its type, and the bytes from its start.
pub fn array_at(types: &TypeTable, type_id: TypeId, offset: i64, stride: i64) -> Option<(String, TypeId, i64)> {
    let mut path = String::new();
    let (mut type_id, mut offset) = (types.complete(types.strip(type_id)), offset);
    for _ in 0..MAX_PATH {
        match &types.get(type_id).kind {
            TypeKind::Array { element, .. } => {
                let own = i64::try_from(types.size(*element)?).ok()?;
                if own == stride {
                    return Some((path, type_id, offset));
                }
                if own <= 0 || offset < 0 {
                    return None;
                }
                path.push_str(&format!("[{}]", offset / own));
                offset %= own;
                type_id = types.complete(types.strip(*element));
            }
            TypeKind::Struct(content) => {
                let wanted = u64::try_from(offset).ok()?;
                let member = content.members.iter().rev().find(|member| {
                    matches!(member.offset, MemberOffset::Bytes(start) if start <= wanted) && member.bits.is_none()
                })?;
                let MemberOffset::Bytes(start) = member.offset else { return None };
                if let (Some(name), false) = (&member.name, member.base) {
                    path.push('.');
                    path.push_str(name);
                }
                offset = offset.checked_sub(i64::try_from(start).ok()?)?;
                type_id = types.complete(types.strip(member.type_id));
            }
            _ => return None,
        }
    }
    None
}

/// Elements of an array's type, where fixed.
pub fn fixed_count(types: &TypeTable, array: TypeId) -> Option<u64> {
    match &types.stripped(array).1.kind {
        TypeKind::Array { count: Count::Fixed(count), .. } => Some(*count),
        _ => None,
    }
}
