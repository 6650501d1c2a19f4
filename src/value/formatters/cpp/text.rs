//! Strings and what wraps them.

use super::super::{Object, Refusal, View, corrupt};
use super::parts::{byte, member, size_type};

/// `std::basic_string`: libstdc++'s new ABI (`_M_dataplus._M_p`, `_M_string_length`; gcc `bits/basic_string.h`), its old
/// one (the length lies before the text; `bits/cow_string.h`), and libc++ (llvm `libcxx/include/string`, since LLVM 14).
pub(super) fn string<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let Ok(data) = object.path("_M_dataplus._M_p") else { return libcxx_string(object) };
    let (first, character) = (data.pointer()?, data.target()?);
    let length = match object.field("_M_string_length") {
        Ok(length) => {
            let length = length.uint()?;
            let local = object.field("_M_local_buf")?;
            let room = match local.address() {
                Some(address) if address.0 == first => local.size()? / object.size_of(character)?.max(1) - 1,
                Some(_) => object.field("_M_allocated_capacity")?.uint()?,
                None => u64::MAX,
            };
            if length > room {
                return Err(corrupt(format!("a string of {length} characters with room for {room}")));
            }
            length
        }
        // _Rep { size_type _M_length, _M_capacity; _Atomic_word _M_refcount; } ends where the text begins.
        Err(_) => {
            let word = object.word();
            let rep = first.checked_sub(3 * word).ok_or_else(|| corrupt(format!("a string at {first:#x}")))?;
            let (length, capacity) = (object.read_pointer(rep)?, object.read_pointer(rep + word)?);
            if length > capacity {
                return Err(corrupt(format!("a string of {length} characters with room for {capacity}")));
            }
            length
        }
    };
    Ok(View::Text { title: String::new(), first: object.at(first, character), length })
}

/// The lowest bit of the first byte says whether the text is elsewhere; a short one's length is in the other bits. The
/// layouts of other ABIs (text first, or the bit on top) decline.
fn libcxx_string<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let rep = member(object, &["__r_", "__rep_"])?;
    let (long, short) = (rep.field("__l")?, rep.field("__s")?);
    let text = short.field("__data_")?;
    let offset = |part: &Object<'v>| Some(part.address()?.0.wrapping_sub(rep.address()?.0));
    let data = long.field("__data_")?;
    let character = data.target()?;
    let size = object.size_of(character)?;
    let in_memory = rep.address().is_some();
    if in_memory && (offset(&text) != Some(size) || offset(&data) != Some(2 * object.word())) {
        return Err(Refusal::Declined);
    }
    let mark = byte(&rep, 0)?;
    if mark & 1 == 0 {
        let length = u64::from(mark >> 1);
        if length.saturating_mul(size) >= rep.size()? {
            return Err(corrupt(format!("{length} characters within the string")));
        }
        return Ok(View::Text { title: String::new(), first: text.part(0, character)?, length });
    }
    // The rest of the first word is the room, the final zero's included.
    let room = rep.cast(size_type(&rep)).uint()? & !1;
    let length = long.field("__size_")?.uint()?;
    if length >= room {
        let room = room.saturating_sub(1);
        return Err(corrupt(format!("a string of {length} characters with room for {room}")));
    }
    Ok(View::Text { title: String::new(), first: object.at(data.pointer()?, character), length })
}

/// `std::basic_string_view`: `_M_str`, `_M_len`; libc++ `__data_`, `__size_` (without the last underscore before LLVM 17).
pub(super) fn string_view<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let data = object.any_field(&["_M_str", "__data_", "__data"])?;
    let length = object.any_field(&["_M_len", "__size_", "__size"])?.uint()?;
    Ok(View::Text { title: String::new(), first: object.at(data.pointer()?, data.target()?), length })
}

/// `std::filesystem::path`: `_M_pathname`, libc++ `__pn_`.
pub(super) fn path<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    Ok(View::Transparent(object.any_field(&["_M_pathname", "__pn_"])?.into()))
}
