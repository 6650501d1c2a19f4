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

/// `Instant`: what its clock (CLOCK_MONOTONIC) showed, `Instant(20840.6s)`.
pub(super) fn instant<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let (seconds, nanos) = clock(object)?;
    let seconds = u64::try_from(seconds).map_err(|_| Refusal::Declined)?;
    let since = std::time::Duration::new(seconds, nanos);
    Ok(View::Parts { title: format!("Instant({since:?})"), parts: Vec::new() })
}

/// `SystemTime`: `2023-11-14 22:13:20.005 UTC`.
pub(super) fn system_time<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let (seconds, nanos) = clock(object)?;
    let text = utc(seconds).ok_or(Refusal::Declined)?;
    let fraction = format!("{nanos:09}");
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    Ok(View::Parts { title: format!("{text}{point}{fraction} UTC"), parts: Vec::new() })
}

/// The `Timespec` in a time: `tv_sec`, and `tv_nsec`, which is below 10^9 (rust `library/std/src/sys/pal/unix/time.rs`).
fn clock(object: &Object<'_>) -> Result<(i64, u32), Refusal> {
    let time = unwrapped(object)?;
    let nanos = number(&time.field("tv_nsec")?)?;
    let nanos = u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
    let nanos = nanos.ok_or_else(|| corrupt("a time of a second or more beside its seconds"))?;
    Ok((time.field("tv_sec")?.int()?, nanos))
}

/// `2023-11-14 22:13:20`; `None` beyond the years of four digits.
fn utc(seconds: i64) -> Option<String> {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days since 0000-03-01, in eras of 400 years: the leap day is a year's last.
    let days = days.checked_add(719_468)?;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let (day, month) =
        (day_of_year - (153 * shifted + 2) / 5 + 1, if shifted < 10 { shifted + 3 } else { shifted - 9 });
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    (0..=9999).contains(&year).then(|| format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"))
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
    let title = match object.field("inner") {
        Ok(inner) => format!("{}:{}", ipv4_text(&inner.field("sin_addr")?)?, port(&inner.field("sin_port")?)?),
        Err(_) => format!("{}:{}", ipv4_text(&object.field("ip")?)?, object.field("port")?.uint()?),
    };
    Ok(View::Parts { title, parts: Vec::new() })
}

/// `SocketAddrV6`: `[::1]:80`.
pub(super) fn socket_v6<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let title = match object.field("inner") {
        Ok(inner) => format!("[{}]:{}", ipv6_text(&inner.field("sin6_addr")?)?, port(&inner.field("sin6_port")?)?),
        Err(_) => format!("[{}]:{}", ipv6_text(&object.field("ip")?)?, object.field("port")?.uint()?),
    };
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

/// The octets: `octets: [u8; N]` (rust `library/core/src/net/ip_addr.rs`, since Rust 1.64); before, what the C library
/// has for it, `s_addr` or `s6_addr`, in `inner`.
fn octets<const N: usize>(object: &Object<'_>) -> Result<[u8; N], Refusal> {
    let object = object.field("inner").unwrap_or(*object);
    let mut octets = [0; N];
    if N == 4
        && let Ok(number) = object.field("s_addr")
    {
        // In the network's order, as the octets lie in memory.
        for (octet, byte) in octets.iter_mut().zip(number.uint()?.to_le_bytes()) {
            *octet = byte;
        }
        return Ok(octets);
    }
    let array = object.any_field(&["octets", "s6_addr"])?;
    for (index, octet) in octets.iter_mut().enumerate() {
        *octet = array.element(index as u64)?.uint()? as u8;
    }
    Ok(octets)
}

/// A port in the network's order.
fn port(object: &Object<'_>) -> Result<u16, Refusal> {
    Ok(u16::try_from(object.uint()?).map_err(|_| Refusal::Declined)?.swap_bytes())
}

/// `Pin`, `ManuallyDrop`, `Reverse` and the like: what is in them.
pub(super) fn wrapper<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    Ok(View::Transparent(object.any_field(&["pointer", "__pointer", "value", "__0"])?.into()))
}

#[cfg(test)]
mod tests {
    use super::utc;

    #[test]
    fn seconds_are_days_of_the_calendar() {
        assert_eq!(utc(0).unwrap(), "1970-01-01 00:00:00");
        assert_eq!(utc(1_700_000_000).unwrap(), "2023-11-14 22:13:20");
        assert_eq!(utc(951_782_400).unwrap(), "2000-02-29 00:00:00");
        assert_eq!(utc(-1).unwrap(), "1969-12-31 23:59:59");
        assert_eq!(utc(i64::MAX), None);
        assert_eq!(utc(i64::MIN), None);
    }
}
