//! Addresses of sockets, as people write them (Linux `include/uapi/linux/{in,in6,un}.h`).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::super::{Object, Refusal, View};
use super::line;

const AF_UNIX: u64 = 1;
const AF_INET: u64 = 2;
const AF_INET6: u64 = 10;
/// Bytes of a path in `sockaddr_un`.
const MAX_PATH: u64 = 108;

/// `127.0.0.1:80`, `[::1]:80`, `unix:/run/x.socket`, `unix:@abstract`: by its family, whatever it is declared as: a
/// `struct sockaddr` is the beginning of a longer one.
pub(super) fn socket_address<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let family = object.any_field(&["sa_family", "sin_family", "sin6_family", "sun_family", "ss_family"])?;
    let address = object.address().ok_or(Refusal::Declined)?.0;
    // One that is declared for another family holds no more than its own.
    let room = if object.has("sa_family") { u64::MAX } else { object.size()? };
    match family.uint()? {
        AF_INET if room >= 16 => {
            let bytes = object.read(address, 8)?;
            let [_, _, port @ .., a, b, c, d] = bytes.as_slice() else { return Err(Refusal::Declined) };
            Ok(line(format!("{}:{}", Ipv4Addr::new(*a, *b, *c, *d), port_number(port))))
        }
        AF_INET6 if room >= 28 => {
            let bytes = object.read(address, 28)?;
            let (Some(port), Some(host), Some(scope)) = (bytes.get(2..4), bytes.get(8..24), bytes.get(24..28)) else {
                return Err(Refusal::Declined);
            };
            let host = <[u8; 16]>::try_from(host).map(Ipv6Addr::from).map_err(|_| Refusal::Declined)?;
            let scope = scope.iter().rev().fold(0u32, |scope, byte| scope << 8 | u32::from(*byte));
            let scope = if scope == 0 { String::new() } else { format!("%{scope}") };
            Ok(line(format!("[{host}{scope}]:{}", port_number(port))))
        }
        AF_UNIX => path(object, address.checked_add(2).ok_or(Refusal::Declined)?, room),
        _ => Err(Refusal::Declined),
    }
}

fn port_number(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |port, byte| port << 8 | u16::from(*byte))
}

/// A path ends at its first 0 byte, the name of an abstract socket starts behind it; nothing says how long that one is.
fn path<'v>(object: &Object<'v>, start: u64, room: u64) -> Result<View<'v>, Refusal> {
    let longest = MAX_PATH.min(room.saturating_sub(2));
    let text = |from: u64| {
        let mut bytes = Vec::new();
        for at in from..longest {
            match object.read(start.checked_add(at).ok_or(Refusal::Declined)?, 1)?.first() {
                None | Some(0) => break,
                Some(byte) => bytes.extend(std::ascii::escape_default(*byte)),
            }
        }
        Ok::<String, Refusal>(String::from_utf8_lossy(&bytes).into_owned())
    };
    let named = text(0)?;
    if !named.is_empty() {
        return Ok(line(format!("unix:{named}")));
    }
    Ok(match text(1)?.as_str() {
        "" => line("unix [unnamed]"),
        name => line(format!("unix:@{name}")),
    })
}

/// `127.0.0.1`
pub(super) fn ipv4<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let number = u32::try_from(object.field("s_addr")?.uint()?).map_err(|_| Refusal::Declined)?;
    let [a, b, c, d] = number.to_le_bytes();
    Ok(line(Ipv4Addr::new(a, b, c, d).to_string()))
}

/// `::1`
pub(super) fn ipv6<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let address = object.address().filter(|_| object.size() == Ok(16)).ok_or(Refusal::Declined)?;
    let bytes = object.read(address.0, 16)?;
    let bytes = <[u8; 16]>::try_from(bytes.as_slice()).map_err(|_| Refusal::Declined)?;
    Ok(line(Ipv6Addr::from(bytes).to_string()))
}
