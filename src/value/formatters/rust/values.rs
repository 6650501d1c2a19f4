//! Times, addresses and wrappers, as their `Debug` and `Display` write them.

use super::super::{Object, Refusal, View, corrupt};
use super::parts::{number, unwrapped};
use crate::types::TypeKind;
use crate::value::{Value, ValueKind};

/// Atomics: the number in them; `AtomicBool` keeps a byte.
pub(super) fn atomic<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let inner = unwrapped(object)?;
    if !object.type_name().contains("AtomicBool") {
        return Ok(View::Transparent(inner.into()));
    }
    let truth = object.types().number("bool", 1, object.language(), TypeKind::Bool);
    Ok(View::Transparent(super::super::Item::Value(Value { type_id: truth, kind: ValueKind::Bool(inner.uint()?) })))
}

/// `Duration`: `1.5s`, `250ms`, `3µs`, as its `Debug` has it.
pub(super) fn duration<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let (seconds, nanos) = (object.field("secs")?.uint()?, number(&object.field("nanos")?)?);
    if nanos >= 1_000_000_000 {
        return Err(corrupt(format!("a duration of {nanos} nanoseconds beside its seconds")));
    }
    let duration = std::time::Duration::new(seconds, nanos as u32);
    Ok(View::Parts { title: format!("{duration:?}"), parts: Vec::new() })
}

/// `Ipv4Addr`: `127.0.0.1`.
pub(super) fn ipv4<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    Ok(View::Parts { title: ipv4_text(object)?, parts: Vec::new() })
}

/// `Ipv6Addr`: `::1`.
pub(super) fn ipv6<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    Ok(View::Parts { title: ipv6_text(object)?, parts: Vec::new() })
}

/// `SocketAddrV4`: `127.0.0.1:80`.
pub(super) fn socket_v4<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let title = format!("{}:{}", ipv4_text(&object.field("ip")?)?, object.field("port")?.uint()?);
    Ok(View::Parts { title, parts: Vec::new() })
}

/// `SocketAddrV6`: `[::1]:80`.
pub(super) fn socket_v6<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let title = format!("[{}]:{}", ipv6_text(&object.field("ip")?)?, object.field("port")?.uint()?);
    Ok(View::Parts { title, parts: Vec::new() })
}

fn ipv4_text(object: &Object<'_>) -> Result<String, Refusal> {
    let octets = octets::<4>(object)?;
    Ok(std::net::Ipv4Addr::from(octets).to_string())
}

fn ipv6_text(object: &Object<'_>) -> Result<String, Refusal> {
    let octets = octets::<16>(object)?;
    Ok(std::net::Ipv6Addr::from(octets).to_string())
}

/// `octets: [u8; N]` (rust `library/core/src/net/ip_addr.rs`, since Rust 1.65).
fn octets<const N: usize>(object: &Object<'_>) -> Result<[u8; N], Refusal> {
    let array = object.field("octets")?;
    let mut octets = [0; N];
    for (index, octet) in octets.iter_mut().enumerate() {
        *octet = array.element(index as u64)?.uint()? as u8;
    }
    Ok(octets)
}

/// `Pin`, `ManuallyDrop`, `Reverse` and the like: what is in them.
pub(super) fn wrapper<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    Ok(View::Transparent(object.any_field(&["pointer", "__pointer", "value"])?.into()))
}
