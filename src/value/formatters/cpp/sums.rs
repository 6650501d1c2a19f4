//! Pairs, tuples, and what holds one of several or nothing.

use std::borrow::Cow;

use super::super::{Item, Object, Refusal, View, corrupt};
use super::parts::short_name;
use crate::types::TypeKind;

/// Elements of a tuple that are followed.
const MAX_ELEMENTS: usize = 256;

/// `{first = 1, second = 2}`, without the empty base classes of either library.
pub(super) fn pair<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let parts =
        vec![("first".into(), object.field("first")?.into()), ("second".into(), object.field("second")?.into())];
    Ok(View::Parts { title: String::new(), parts })
}

/// `std::tuple containing = {[0] = 1, [1] = 2}`: in libstdc++ each element is a base `_Head_base` of a base `_Tuple_impl`
/// (gcc `std/tuple`), in libc++ a base `__tuple_leaf` of the member `__base_` (llvm `tuple`).
pub(super) fn tuple<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let mut parts: Vec<(Cow<'static, str>, Item<'v>)> = Vec::new();
    if let Ok(leaves) = object.field("__base_") {
        for index in 0..MAX_ELEMENTS {
            let Ok(leaf) = leaves.base(index) else { break };
            // An empty class is the leaf's base.
            let value = leaf.field("__value_").or_else(|_| leaf.base(0)).unwrap_or(leaf);
            parts.push((format!("[{index}]").into(), value.into()));
        }
    } else {
        let mut rest = Some(match object.base(0) {
            Ok(first) if first.type_name().starts_with("std::_Tuple_impl<") => first,
            // The empty tuple.
            _ if object.structure()?.template_types.is_empty() => {
                return Ok(View::Parts { title: "empty std::tuple".to_owned(), parts });
            }
            _ => return Err(Refusal::Declined),
        });
        while let Some(holder) = rest.take() {
            for index in 0..2 {
                let Ok(base) = holder.base(index) else { break };
                let name = base.type_name();
                if name.starts_with("std::_Head_base<") {
                    let at = parts.len();
                    parts.push((format!("[{at}]").into(), base.field("_M_head_impl").unwrap_or(base).into()));
                } else if name.starts_with("std::_Tuple_impl<") && parts.len() < MAX_ELEMENTS {
                    rest = Some(base);
                }
            }
        }
    }
    if parts.is_empty() {
        return Err(Refusal::Declined);
    }
    Ok(View::Parts { title: "std::tuple containing".to_owned(), parts })
}

/// `std::optional<int>`: libstdc++ `_M_payload` with `_M_engaged` (gcc `std/optional`), libc++ `__engaged_` and `__val_`.
pub(super) fn optional<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let (engaged, value) = match object.field("_M_payload") {
        Ok(payload) => {
            let storage = payload.field("_M_payload")?;
            // Before GCC 9 the value was the union's member itself.
            (payload.field("_M_engaged")?, storage.field("_M_value").unwrap_or(storage))
        }
        Err(_) => (object.field("__engaged_")?, object.field("__val_")?),
    };
    let name = short_name(object.type_name());
    match engaged.uint()? {
        0 => Ok(View::Variant {
            title: format!("{name} [no contained value]"),
            variant: "nullopt".to_owned(),
            content: None,
        }),
        1 => Ok(View::Variant { title: name, variant: "value".to_owned(), content: Some(value.into()) }),
        other => Err(corrupt(format!("an optional that is neither empty nor full but {other}"))),
    }
}

/// `std::variant<int, char> [index 1]`: all alternatives begin where the union of them does (gcc `std/variant`, `_M_u`
/// and `_M_index`; llvm `variant`, `__data` and `__index`).
pub(super) fn variant<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let (index, storage) = match object.field("_M_index") {
        Ok(index) => (index, object.field("_M_u")?),
        Err(_) => {
            let holder = object.any_field(&["__impl_", "__impl"])?;
            (holder.field("__index")?, holder.field("__data")?)
        }
    };
    let name = short_name(object.type_name());
    let none = match index.size()? {
        1 => 0xff,
        2 => 0xffff,
        _ => 0xffff_ffff,
    };
    let index = index.uint()?;
    if index == none {
        let title = format!("{name} [no contained value]");
        return Ok(View::Variant { title, variant: "valueless_by_exception".to_owned(), content: None });
    }
    let at = usize::try_from(index).map_err(|_| Refusal::Declined)?;
    let Ok(alternative) = object.argument(at) else {
        return Err(corrupt(format!("a variant of index {index}, which it has not")));
    };
    if matches!(object.types().stripped(alternative).1.kind, TypeKind::Void) {
        return Err(Refusal::Declined);
    }
    let variant = short_name(object.types().name(alternative));
    let content = storage.cast(alternative);
    Ok(View::Variant { title: format!("{name} [index {index}]"), variant, content: Some(content.into()) })
}
