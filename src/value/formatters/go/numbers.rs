//! Numbers and addresses that are slices underneath.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::super::{Item, Object, Refusal, View, corrupt};
use super::line;
use crate::types::go::GoKind;
use crate::types::{TypeId, TypeKind, TypeTable};
use crate::value::{Value, ValueKind};

/// Words of a number that is written in decimal; larger ones show their words.
const MAX_WORDS: u64 = 128;

/// `time.March (3)`: a named integer type's constant, as the package declares it (DW_TAG_constant; go
/// `cmd/link/internal/ld/dwarf.go`, Go 1.18 to 1.27). Declines on other values.
pub(super) fn constant<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let TypeKind::Int { signed } = object.definition().kind else { return Err(Refusal::Declined) };
    let value = if signed { object.int()? } else { object.uint()? as i64 };
    let name = object.go_constant(value).ok_or(Refusal::Declined)?;
    let value = if signed { value.into() } else { (value as u64).into() };
    let kind = ValueKind::Enum { value, name: Some(name) };
    Ok(View::Transparent(Item::Value(Value { type_id: object.type_id, kind })))
}

/// Whether a package of the program's may declare constants of the type.
pub(super) fn may_have_constants(types: &TypeTable, id: TypeId) -> bool {
    types.get(id).name.as_deref().is_some_and(|name| name.contains('.')) && types.go_kind(id) == Some(GoKind::Integer)
}

/// `math/big.Int`: a sign and words, the lowest first (go `math/big/int.go`, `nat.go`).
pub(super) fn big_integer<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let negative = object.field("neg")?.uint()? != 0;
    let bytes = slice(&object.field("abs")?, object.word(), MAX_WORDS)?;
    // Digits in base 10^9, the lowest first.
    let mut digits: Vec<u32> = vec![0];
    for byte in bytes.iter().rev() {
        let mut carry = u64::from(*byte);
        for digit in &mut digits {
            let value = u64::from(*digit) * 256 + carry;
            *digit = (value % 1_000_000_000) as u32;
            carry = value / 1_000_000_000;
        }
        if carry > 0 {
            digits.push(carry as u32);
        }
    }
    let mut text = String::from(if negative { "-" } else { "" });
    let _ = write!(text, "{}", digits.last().copied().unwrap_or(0));
    for digit in digits.iter().rev().skip(1) {
        let _ = write!(text, "{digit:09}");
    }
    Ok(line(text))
}

/// `net.IP`: 4 or 16 bytes (go `net/ip.go`).
pub(super) fn ip<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let bytes = slice(object, 1, 16)?;
    if bytes.is_empty() {
        return Ok(line("nil"));
    }
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes.as_slice()) {
        return Ok(line(Ipv4Addr::from(bytes).to_string()));
    }
    let address = Ipv6Addr::from(<[u8; 16]>::try_from(bytes.as_slice()).map_err(|_| Refusal::Declined)?);
    Ok(line(match address.to_ipv4_mapped() {
        Some(address) => address.to_string(),
        None => address.to_string(),
    }))
}

/// The bytes of a slice's elements; declines where there are more of them than `limit`.
fn slice(slice: &Object<'_>, element: u64, limit: u64) -> Result<Vec<u8>, Refusal> {
    let data = slice.field("array")?;
    let (length, capacity) = (slice.field("len")?.uint()?, slice.field("cap")?.uint()?);
    if length > capacity {
        return Err(corrupt(format!("a slice of {length} elements with room for {capacity}")));
    }
    if slice.size_of(data.target()?)? != element || length > limit {
        return Err(Refusal::Declined);
    }
    match (length * element) as usize {
        0 => Ok(Vec::new()),
        bytes => slice.read(data.pointer()?, bytes),
    }
}
