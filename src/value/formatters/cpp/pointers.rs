//! Smart pointers, and what holds a value of a type that it does not name.

use super::super::{Item, Object, Refusal, View, corrupt};
use super::parts::{argument_text, first_of_pair, member, short_name};
use crate::types::TypeId;

/// `std::unique_ptr<T>`, with `get()`: libstdc++ keeps pointer and deleter in a tuple (`_M_t`), libc++ in `__ptr_`.
pub(super) fn unique<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let pointer = match object.field("_M_t") {
        Ok(tuple) => {
            let tuple = tuple.field("_M_t").unwrap_or(tuple);
            first_element(&tuple)?
        }
        Err(_) => first_of_pair(object.field("__ptr_")?),
    };
    let name = short_name(object.type_name());
    // The deleter that everybody has says nothing.
    let title = match name.split_once(", std::default_delete<") {
        Some((start, _)) => format!("{start}>"),
        None => name,
    };
    Ok(View::Parts { title, parts: vec![("get()".into(), pointer.into())] })
}

/// The first element of libstdc++'s `std::tuple`.
fn first_element<'v>(tuple: &Object<'v>) -> Result<Object<'v>, Refusal> {
    let mut bases = Vec::new();
    let holder = tuple.base(0)?;
    for index in 0..2 {
        bases.extend(holder.base(index));
    }
    let head = bases.into_iter().find(|base| base.type_name().starts_with("std::_Head_base<0"));
    head.ok_or(Refusal::Declined)?.field("_M_head_impl")
}

/// `std::shared_ptr<T> (use count 2, weak count 1)`, `(expired, weak count 1)`, `(empty)`: libstdc++ counts all strong
/// references as one weak one (gcc `bits/shared_ptr_base.h`), libc++ counts from 0 (llvm `__memory/shared_count.h`).
pub(super) fn shared<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let pointer = object.any_field(&["_M_ptr", "__ptr_"])?;
    let (block, counts, base) = match object.path("_M_refcount._M_pi") {
        Ok(block) => (block, ("_M_use_count", "_M_weak_count"), 0),
        Err(_) => (object.field("__cntrl_")?, ("__shared_owners_", "__shared_weak_owners_"), 1),
    };
    let name = short_name(object.type_name());
    let title = if block.pointer()? == 0 {
        format!("{name} (empty)")
    } else {
        let block = block.deref()?;
        let (strong, weak) = match (block.field(counts.0), block.field(counts.1)) {
            (Ok(strong), Ok(weak)) => (strong.int()?, weak.int()?),
            // libc++'s block is often only declared: a vtable and two longs (llvm `__memory/shared_count.h`).
            _ if base == 1 => {
                let at = block.address().ok_or(Refusal::Declined)?.0;
                let word = block.word();
                let count = |number: u64| block.read_pointer(at.wrapping_add(number * word));
                (count(1)? as i64, count(2)? as i64)
            }
            _ => return Err(Refusal::Declined),
        };
        let strong = strong.saturating_add(base);
        let weak = if base == 0 && strong > 0 { weak.saturating_sub(1) } else { weak };
        if strong < 0 || weak < 0 {
            return Err(corrupt(format!("{strong} strong and {weak} weak references")));
        }
        match strong {
            0 => format!("{name} (expired, weak count {weak})"),
            strong => format!("{name} (use count {strong}, weak count {weak})"),
        }
    };
    Ok(View::Parts { title, parts: vec![("get()".into(), pointer.into())] })
}

/// `std::any containing T`: the manager's name says what is held (gcc `std/any`; llvm `any`: the handler's).
pub(super) fn any<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let (manager, prefixes, storage) = match object.field("_M_manager") {
        Ok(manager) => {
            let prefixes = ["std::any::_Manager_internal", "std::any::_Manager_external"];
            (manager, prefixes, object.field("_M_storage")?)
        }
        Err(_) => {
            let prefixes = ["std::__1::__any_imp::_SmallHandler", "std::__1::__any_imp::_LargeHandler"];
            (object.field("__h_")?, prefixes, object.field("__s_")?)
        }
    };
    let address = manager.pointer()?;
    if address == 0 {
        return Ok(View::Parts { title: "std::any [no contained value]".to_owned(), parts: Vec::new() });
    }
    let symbol = object.symbol(address).ok_or(Refusal::Declined)?;
    let inside = argument_text(&symbol, prefixes[0]);
    let name = inside.or_else(|| argument_text(&symbol, prefixes[1])).ok_or(Refusal::Declined)?;
    let title = format!("std::any containing {}", short_name(name));
    let Some(type_id) = find_type(object, name) else { return Ok(View::Parts { title, parts: Vec::new() }) };
    let content = match inside {
        Some(_) => storage.cast(type_id),
        None => object.at(storage.any_field(&["_M_ptr", "__ptr"])?.pointer()?, type_id),
    };
    Ok(View::Variant { title, variant: short_name(name), content: Some(content.into()) })
}

/// A type as a symbol spells it.
pub(super) fn find_type(object: &Object<'_>, name: &str) -> Option<TypeId> {
    let found = object.find_type(name).or_else(|| object.find_type(&name.replace("> >", ">>")))?;
    // A type that is only declared shows nothing.
    object.types().size(found).is_some().then_some(found)
}

/// `std::function<int(int)> = {target = …}`: the name of the type that the invoker is for (gcc `bits/std_function.h`); a
/// plain function is named itself. In libc++ the vtable of `__f_` says it (llvm `__functional/function.h`).
pub(super) fn function<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let title = short_name(object.type_name());
    let (symbol, stored) = match object.field("_M_invoker") {
        Ok(invoker) => {
            if object.field("_M_manager")?.pointer()? == 0 {
                return Ok(View::Parts { title: format!("{title} [empty]"), parts: Vec::new() });
            }
            let functor = object.field("_M_functor")?;
            (object.symbol(invoker.pointer()?), functor.address().map(|address| address.0))
        }
        Err(_) => {
            let target = object.path("__f_.__f_")?.pointer()?;
            if target == 0 {
                return Ok(View::Parts { title: format!("{title} [empty]"), parts: Vec::new() });
            }
            let symbol = object.symbol(object.read_pointer(target)?);
            (symbol, target.checked_add(object.word()))
        }
    };
    let symbol = symbol.ok_or(Refusal::Declined)?;
    let arguments = argument_text(&symbol, "std::_Function_handler")
        .or_else(|| argument_text(symbol.strip_prefix("vtable for ")?, "std::__1::__function::__func"))
        .ok_or(Refusal::Declined)?;
    // libstdc++ has the signature before the target's type, libc++ behind it and an allocator.
    let target = if symbol.starts_with("std::_Function_handler") {
        top_level(arguments).get(1).copied()
    } else {
        top_level(arguments).first().copied()
    };
    let target = target.ok_or(Refusal::Declined)?;
    let mut text = short_name(target);
    if target.contains("(*)")
        && let Some(stored) = stored
        && let Some(name) = object.symbol(object.read_pointer(stored)?)
    {
        text = name;
    }
    Ok(View::Parts { title: format!("{title} targeting {text}"), parts: Vec::new() })
}

/// Template arguments, split at commas outside of brackets.
fn top_level(arguments: &str) -> Vec<&str> {
    let (mut nesting, mut start, mut found) = (0i64, 0, Vec::new());
    for (index, char) in arguments.char_indices() {
        match char {
            '<' | '(' | '{' | '[' => nesting += 1,
            '>' | ')' | '}' | ']' => nesting -= 1,
            ',' if nesting == 0 => {
                found.push(arguments[start..index].trim());
                start = index + 1;
            }
            _ => {}
        }
    }
    found.push(arguments[start..].trim());
    found
}

/// `std::exception_ptr` to an exception of a type, or to none: the header before the object has its type 112 bytes before
/// it, on 64-bit machines. With libstdc++ that is the header's first word (gcc `libsupc++/unwind-cxx.h`), with libc++abi
/// the third (llvm `libcxxabi/src/cxa_exception.h`, since LLVM 10). Both end in an `_Unwind_Exception` of 32 bytes, whose
/// first word names the maker.
pub(super) fn exception_ptr<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    const TYPE: u64 = 112;
    const UNWIND: u64 = 32;
    const MAKERS: [&[u8; 8]; 2] = [b"\0++CCUNG", b"\0++CGNLC"];
    let exception = object.any_field(&["_M_exception_object", "__ptr_"])?.pointer()?;
    if exception == 0 {
        return Ok(View::Parts { title: "std::exception_ptr [none]".to_owned(), parts: Vec::new() });
    }
    if object.word() != 8 {
        return Err(Refusal::Declined);
    }
    let before = |bytes| exception.checked_sub(bytes).ok_or_else(|| corrupt(format!("an exception at {exception:#x}")));
    let maker = object.read(before(UNWIND)?, 8)?;
    if !MAKERS.iter().any(|known| known.as_slice() == maker) {
        return Err(Refusal::Declined);
    }
    let symbol = object.symbol(object.read_pointer(before(TYPE)?)?).ok_or(Refusal::Declined)?;
    let name = symbol.strip_prefix("typeinfo for ").filter(|name| !name.contains('+')).ok_or(Refusal::Declined)?;
    let title = format!("std::exception_ptr to {}", short_name(name));
    let Some(type_id) = find_type(object, name) else { return Ok(View::Parts { title, parts: Vec::new() }) };
    let content: Item<'v> = object.at(exception, type_id).into();
    Ok(View::Variant { title, variant: short_name(name), content: Some(content) })
}

/// `std::reference_wrapper`: what it refers to.
pub(super) fn reference_wrapper<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    Ok(View::Transparent(member(object, &["_M_data", "__f_"])?.deref()?.into()))
}
