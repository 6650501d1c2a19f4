//! Times. What is out of its range is no time: the plain fields show.

use super::super::{Object, Refusal, View};
use super::line;

/// `1.500000000s`
pub(super) fn timespec<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    seconds(object, "tv_nsec", 9)
}

/// `1.500000s`
pub(super) fn timeval<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    seconds(object, "tv_usec", 6)
}

fn seconds<'v>(object: &Object<'v>, fraction: &str, digits: u32) -> Result<View<'v>, Refusal> {
    let (whole, part) = (object.field("tv_sec")?.int()?, object.field(fraction)?.int()?);
    let unit = 10i64.pow(digits);
    if !(0..unit).contains(&part) {
        return Err(Refusal::Declined);
    }
    let total = i128::from(whole) * i128::from(unit) + i128::from(part);
    let sign = if total < 0 { "-" } else { "" };
    let (total, unit) = (total.unsigned_abs(), u128::from(unit.unsigned_abs()));
    Ok(line(format!("{sign}{}.{:0width$}s", total / unit, total % unit, width = digits as usize)))
}

/// `2023-11-14 22:13:20`, with the distance from UTC where there is one: `+0100`.
pub(super) fn calendar<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let part = |name: &str, from: i64, to: i64| match object.field(name)?.int()? {
        value if (from..=to).contains(&value) => Ok(value),
        _ => Err(Refusal::Declined),
    };
    let year = 1900 + object.field("tm_year")?.int()?;
    let (month, day) = (part("tm_mon", 0, 11)? + 1, part("tm_mday", 1, 31)?);
    let (hour, minute, second) = (part("tm_hour", 0, 23)?, part("tm_min", 0, 59)?, part("tm_sec", 0, 60)?);
    let offset = match object.any_field(&["tm_gmtoff", "__tm_gmtoff"]).and_then(|offset| offset.int()) {
        Ok(offset) if offset != 0 && offset.unsigned_abs() < 86_400 => {
            let minutes = offset.unsigned_abs() / 60;
            format!(" {}{:02}{:02}", if offset < 0 { '-' } else { '+' }, minutes / 60, minutes % 60)
        }
        _ => String::new(),
    };
    Ok(line(format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{offset}")))
}
