//! Atomics, bit sets, complex numbers and times.

use super::super::{Entries, Item, Object, Refusal, View, corrupt, walk};
use super::parts::size_type;
use crate::types::TypeKind;
use crate::value::{Value, ValueKind};

/// `std::atomic<T>`: `_M_i`, of pointers `_M_b._M_p`, of `bool` `_M_base._M_i`; libc++ `__a_.__a_value`.
pub(super) fn atomic<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let value = object
        .field("_M_i")
        .or_else(|_| object.path("_M_b._M_p"))
        .or_else(|_| object.path("_M_base._M_i"))
        .or_else(|_| object.path("__a_.__a_value"))?;
    Ok(View::Transparent(value.into()))
}

/// `std::bitset<N>`: the bits that are set, as gdb has them. Words, the lowest first: `_M_w` (gcc `std/bitset`), libc++
/// `__first_` (llvm `bitset`).
pub(super) fn bitset<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let bits = u64::try_from(object.value_argument(0)?).map_err(|_| Refusal::Declined)?;
    let words = object.any_field(&["_M_w", "__first_"])?;
    let is_array = matches!(words.definition().kind, TypeKind::Array { .. });
    let word_bits = 8 * object.word();
    if bits.div_ceil(8) > words.size()? {
        return Err(corrupt(format!("{bits} bits in {} bytes", words.size()?)));
    }
    let size = size_type(object);
    let number = move |value: u64| Value { type_id: size, kind: ValueKind::Int(value.into()) };
    let mut next = 0;
    let mut word = (u64::MAX, 0);
    let entries: Entries<'v> = Box::new(walk(move || {
        while next < bits {
            let bit = next;
            next += 1;
            if word.0 != bit / word_bits {
                let value = if is_array { words.element(bit / word_bits)?.uint()? } else { words.uint()? };
                word = (bit / word_bits, value);
            }
            if word.1 >> (bit % word_bits) & 1 == 1 {
                return Ok(Some((Item::Value(number(bit)), Item::Value(number(1)))));
            }
        }
        Ok(None)
    }));
    Ok(View::Map { title: format!("std::bitset<{bits}>"), length: None, entries })
}

/// `std::complex<T>`: `_M_value`; libc++ `__re_` and `__im_`.
pub(super) fn complex<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    if let Ok(value) = object.field("_M_value") {
        return Ok(View::Transparent(value.into()));
    }
    let parts = vec![("real".into(), object.field("__re_")?.into()), ("imag".into(), object.field("__im_")?.into())];
    Ok(View::Parts { title: String::new(), parts })
}

/// `std::chrono::duration = {5s}`: `__r`, libc++ `__rep_`; the unit is the template's ratio.
pub(super) fn duration<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    Ok(View::Parts { title: amount(object)?, parts: Vec::new() })
}

/// `std::chrono::time_point` by its distance from its clock's epoch: `__d`, libc++ `__d_`.
pub(super) fn time_point<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let distance = amount(&object.any_field(&["__d", "__d_"])?)?;
    let clock = object.types().name(object.argument(0)?).rsplit("::").next().unwrap_or("clock");
    Ok(View::Parts { title: format!("{distance} after the epoch of {clock}"), parts: Vec::new() })
}

fn amount(duration: &Object<'_>) -> Result<String, Refusal> {
    let count = duration.any_field(&["__r", "__rep_"])?;
    let text = match count.definition().kind {
        TypeKind::Float => return Err(Refusal::Declined),
        _ => count.int()?.to_string(),
    };
    let ratio = duration.types().name(duration.argument(1)?).replace("std::__1::", "std::");
    let unit = match ratio.trim_start_matches("std::").replace(['l', 'L'], "").as_str() {
        "ratio<1, 1>" => "s".to_owned(),
        "ratio<1, 1000>" => "ms".to_owned(),
        "ratio<1, 1000000>" => "us".to_owned(),
        "ratio<1, 1000000000>" => "ns".to_owned(),
        "ratio<60, 1>" => "min".to_owned(),
        "ratio<3600, 1>" => "h".to_owned(),
        "ratio<86400, 1>" => "d".to_owned(),
        other => {
            let inside = other.strip_prefix("ratio<").and_then(|rest| rest.strip_suffix('>'));
            let (numerator, denominator) =
                inside.and_then(|inside| inside.split_once(", ")).ok_or(Refusal::Declined)?;
            if denominator == "1" { format!("[{numerator}]s") } else { format!("[{numerator}/{denominator}]s") }
        }
    };
    Ok(format!("{text}{unit}"))
}
