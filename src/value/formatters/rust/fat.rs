//! Pointers of two words: to slices, to text, to trait objects; and what owns through them.

use super::super::{Items, Object, Refusal, View, corrupt, walk};
use super::parts::number;
use crate::types::TypeId;

/// `Box<[T]>` and `Box<str>`: `data_ptr` and `length`, the text of `str` as text.
pub(super) fn boxed<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let name = object.type_name();
    let inside = name.strip_prefix("alloc::boxed::Box<").ok_or(Refusal::Declined)?;
    if inside.starts_with("str") {
        return text(object);
    }
    if is_trait_object(inside) {
        return trait_object(object);
    }
    if !inside.starts_with('[') {
        return Err(Refusal::Declined);
    }
    let element = object.types().name(object.field("data_ptr")?.target()?);
    elements(object, &format!("Box<[{element}]>"))
}

/// Whether a type's name is a trait object's; one of several traits is in brackets.
fn is_trait_object(name: &str) -> bool {
    name.starts_with("dyn ") || name.starts_with("(dyn ")
}

/// Text behind a pointer and a length: `&CStr` without its final zero is [`c_str`].
pub(super) fn text<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let data = object.field("data_ptr")?;
    let byte = object.types().number("u8", 1, object.language(), crate::types::TypeKind::Int { signed: false });
    Ok(View::Text {
        title: String::new(),
        first: object.at(data.pointer()?, byte),
        length: object.field("length")?.uint()?,
    })
}

/// `&CStr`, `Box<[u8]>` of a `CString`: the length counts the zero.
pub(super) fn c_str<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    match text(&object.field("inner").unwrap_or(*object))? {
        View::Text { first, length, .. } => match length.checked_sub(1) {
            Some(length) => Ok(View::Text { title: String::new(), first, length }),
            None => Err(corrupt("a C string without its zero")),
        },
        other => Ok(other),
    }
}

fn elements<'v>(object: &Object<'v>, name: &str) -> Result<View<'v>, Refusal> {
    let data = object.field("data_ptr")?;
    let length = object.field("length")?.uint()?;
    let items = Items::strided(object, data.pointer()?, data.target()?, length)?;
    Ok(View::Sequence { title: format!("{name}(size={length})"), set: false, items })
}

/// `&dyn Trait (Concrete)` and the concrete object. The type is the one that the vtable was made for, by the debug
/// information of the vtable itself (rustc gives its variable a type with DW_AT_containing_type).
pub(super) fn trait_object<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let data = object.field("pointer")?.pointer()?;
    let (concrete, _) = match concrete(object) {
        Err(Refusal::Declined) => return boxed_text(object, data),
        concrete => concrete?,
    };
    let variant = object.types().name(concrete).to_owned();
    if variant.ends_with("::from::StringError")
        && let Ok(text) = boxed_text(object, data)
    {
        return Ok(text);
    }
    let title = format!("{} ({variant})", object.type_name().replace(", alloc::alloc::Global>", ">"));
    Ok(View::Variant { title, variant, content: Some(object.at(data, concrete).into()) })
}

/// What `"text".into()` makes a `Box<dyn Error>` of: `StringError(String)` of the library, which may come without types, so
/// that only what drops it has its name (rust `library/alloc/src/boxed/convert.rs`, before 1.84 `boxed.rs`).
fn boxed_text<'v>(object: &Object<'v>, data: u64) -> Result<View<'v>, Refusal> {
    let vtable = object.field("vtable")?.pointer()?;
    // Slots: drop, size.
    let slot = |index| {
        let address = vtable.checked_add(index * object.word()).ok_or(Refusal::Declined)?;
        object.read_pointer(address).map_err(|_| Refusal::Declined)
    };
    let drop = object.symbol(slot(0)?).ok_or(Refusal::Declined)?;
    // The name first: to look for a type goes through all of the program's.
    if !drop.starts_with("core::ptr::drop_in_place") || !drop.ends_with("::from::StringError>") {
        return Err(Refusal::Declined);
    }
    let string = object.find_type("alloc::string::String").ok_or(Refusal::Declined)?;
    if slot(1)? != object.size_of(string)? {
        return Err(Refusal::Declined);
    }
    let title = format!("{} (StringError)", object.type_name().replace(", alloc::alloc::Global>", ">"));
    let content = Some(object.at(data, string).into());
    Ok(View::Variant { title, variant: "StringError".to_owned(), content })
}

/// The type behind a pointer to a trait object, and its alignment.
fn concrete(pointer: &Object<'_>) -> Result<(TypeId, u64), Refusal> {
    let vtable = pointer.field("vtable")?.pointer()?;
    let concrete = pointer.vtable_class(vtable).ok_or(Refusal::Declined)?;
    // Slots: drop, size, alignment (rust `library/core/src/ptr/metadata.rs`).
    let slot = |index| vtable.checked_add(index * pointer.word()).ok_or(Refusal::Declined);
    let (size, alignment) = (pointer.read_pointer(slot(1)?)?, pointer.read_pointer(slot(2)?)?);
    if pointer.size_of(concrete)? != size || !alignment.is_power_of_two() {
        return Err(Refusal::Declined);
    }
    Ok((concrete, alignment))
}

/// The object that an `Rc<dyn Trait>`, `Arc` or `Weak` shares: behind both counts, aligned as the vtable says. Only
/// where the trait object is all that the block holds: in an `Rc<Mutex<dyn Trait>>` it lies deeper.
pub(super) fn shared_trait_object<'v>(pointer: &Object<'v>) -> Result<Object<'v>, Refusal> {
    let block = pointer.field("pointer")?;
    let name = pointer.types().name(block.target()?);
    let (_, inside) = name.split_once('<').ok_or(Refusal::Declined)?;
    if !is_trait_object(inside) {
        return Err(Refusal::Declined);
    }
    let (concrete, alignment) = concrete(pointer)?;
    let offset = (2 * pointer.word()).checked_next_multiple_of(alignment).ok_or(Refusal::Declined)?;
    let address = block.pointer()?.checked_add(offset).ok_or_else(|| corrupt("beyond the address space"))?;
    Ok(pointer.at(address, concrete))
}

/// What an `Rc`, `Arc` or `Weak` of a slice or text owns: it begins behind both counts, aligned.
pub(super) fn behind_counts<'v>(pointer: &Object<'v>, name: &str, counts: &str) -> Result<View<'v>, Refusal> {
    let length = pointer.field("length")?.uint()?;
    let block = pointer.field("data_ptr")?;
    let inner = block.target()?;
    let whole = block.at(block.pointer()?, inner);
    let value = whole.any_field(&["value", "data"])?;
    let (Some(start), element) = (value.address(), value.type_id) else { return Err(Refusal::Declined) };
    // `ArcInner<str>`, `RcInner<str>`, `RcBox<str>`: DWARF has the text as an array of bytes.
    if pointer.type_name().ends_with("<str>") {
        let byte = pointer.types().number("u8", 1, pointer.language(), crate::types::TypeKind::Int { signed: false });
        return Ok(View::Text { title: format!("{name}({counts})"), first: pointer.at(start.0, byte), length });
    }
    let element = match pointer.types().stripped(element).1.kind {
        crate::types::TypeKind::Array { element, .. } => element,
        _ => element,
    };
    let items = Items::strided(pointer, start.0, element, length)?;
    let element = pointer.types().name(element);
    Ok(View::Sequence { title: format!("{name}<[{element}]>(size={length}, {counts})"), set: false, items })
}

/// The strong and weak counts of the block that a fat pointer leads to.
pub(super) fn counts(pointer: &Object<'_>) -> Result<(u64, u64), Refusal> {
    let block = pointer.any_field(&["data_ptr", "pointer"])?.pointer()?;
    let word = pointer.word();
    let weak_at = block.checked_add(word).ok_or_else(|| corrupt("beyond the address space"))?;
    Ok((pointer.read_pointer(block)?, pointer.read_pointer(weak_at)?))
}

/// `LinkedList(size=2)` (rust `library/alloc/src/collections/linked_list.rs`).
pub(super) fn linked_list<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let length = number(&object.field("len")?)?;
    let mut next = object.field("head")?;
    let mut left = length;
    let elements = walk(move || {
        if left == 0 {
            return Ok(None);
        }
        let ("Some", some) = next.variant()? else {
            return Err(corrupt(format!("{left} elements fewer than the length says")));
        };
        let node = some.field("__0")?.field("pointer")?.deref()?;
        next = node.field("next")?;
        left -= 1;
        Ok(Some(node.field("element")?.into()))
    });
    let items = Items::Walk { length: Some(length), walk: Box::new(elements) };
    Ok(View::Sequence { title: format!("LinkedList(size={length})"), set: false, items })
}

/// `BinaryHeap(size=3)`, in the order of its array.
pub(super) fn binary_heap<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    match super::vec::vec(&object.field("data")?)? {
        View::Sequence { items, .. } => {
            let length = items.length().unwrap_or(0);
            Ok(View::Sequence { title: format!("BinaryHeap(size={length})"), set: false, items })
        }
        other => Ok(other),
    }
}
