//! Times and durations.

use super::super::{Object, Refusal, View, corrupt};
use super::line;

/// `time.Time` in UTC (go `time/time.go`): the wall clock's seconds and nanoseconds, packed where a monotonic reading is kept.
pub(super) fn time<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    /// Seconds from year 1 to 1970, and from year 1 to 1885.
    const TO_UNIX: i64 = 62_135_596_800;
    const TO_1885: i64 = 59_453_308_800;
    let (wall, ext) = (object.field("wall")?.uint()?, object.field("ext")?.int()?);
    let nanos = wall & ((1 << 30) - 1);
    let seconds = if wall >> 63 == 1 { (wall << 1 >> 31) as i64 + TO_1885 } else { ext };
    if nanos >= 1_000_000_000 {
        return Err(corrupt(format!("a time with {nanos} nanoseconds")));
    }
    if seconds == 0 && nanos == 0 {
        return Ok(line("0001-01-01 00:00:00 UTC"));
    }
    let unix = seconds.checked_sub(TO_UNIX).ok_or_else(|| corrupt("a time out of range"))?;
    let (day, second) = (unix.div_euclid(86_400), unix.rem_euclid(86_400));
    let (year, month, date) = civil(day).ok_or_else(|| corrupt("a time out of range"))?;
    let clock = format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
    let fraction = if nanos == 0 { String::new() } else { format!(".{nanos:09}").trim_end_matches('0').to_owned() };
    Ok(line(format!("{year:04}-{month:02}-{date:02} {clock}{fraction} UTC")))
}

/// `time.Duration`: `1.5s`, as its method `String` writes it (go `time/time.go`).
pub(super) fn duration<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    Ok(line(duration_text(object.int()?)))
}

fn duration_text(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let all = nanoseconds.unsigned_abs();
    let decimal = |unit: u64| {
        let digits = unit.ilog10() as usize;
        let fraction = format!("{:0digits$}", all % unit);
        let fraction = if digits == 0 { "" } else { fraction.trim_end_matches('0') };
        let point = if fraction.is_empty() { "" } else { "." };
        (all / unit, format!("{point}{fraction}"))
    };
    match all {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{all}ns"),
        1_000..1_000_000 => {
            let (whole, fraction) = decimal(1_000);
            format!("{sign}{whole}{fraction}µs")
        }
        1_000_000..1_000_000_000 => {
            let (whole, fraction) = decimal(1_000_000);
            format!("{sign}{whole}{fraction}ms")
        }
        _ => {
            let (seconds, fraction) = decimal(1_000_000_000);
            let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
            match (hours, minutes) {
                (0, 0) => format!("{sign}{seconds}{fraction}s"),
                (0, _) => format!("{sign}{minutes}m{seconds}{fraction}s"),
                _ => format!("{sign}{hours}h{minutes}m{seconds}{fraction}s"),
            }
        }
    }
}

/// Year, month and day of the month of a day counted from 1970-01-01, in the Gregorian calendar.
fn civil(days: i64) -> Option<(i64, i64, i64)> {
    // 400 years have always as many days; within them years are counted from March, so that leap days come last.
    const ERA: i64 = 146_097;
    let from_march_0 = days.checked_add(719_468)?;
    let (era, mut rest) = (from_march_0.div_euclid(ERA), from_march_0.rem_euclid(ERA));
    let century = (rest / 36_524).min(3);
    rest -= century * 36_524;
    let leap_cycle = rest / 1_461;
    rest -= leap_cycle * 1_461;
    let year_in_cycle = (rest / 365).min(3);
    rest -= year_in_cycle * 365;
    let month_from_march = (5 * rest + 2) / 153;
    let day = rest - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era.checked_mul(400)? + century * 100 + leap_cycle * 4 + year_in_cycle + i64::from(month <= 2);
    (year.abs() < 1_000_000).then_some((year, month, day))
}

#[cfg(test)]
mod tests {
    use super::{civil, duration_text};

    #[test]
    fn days_are_dates() {
        for (days, date) in [
            (0, (1970, 1, 1)),
            (59, (1970, 3, 1)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (20_782, (2026, 11, 25)),
            (-1, (1969, 12, 31)),
            (-719_162, (1, 1, 1)),
        ] {
            assert_eq!(civil(days), Some(date), "{days}");
        }
    }
    #[test]
    fn durations_read_as_go_writes_them() {
        for (nanoseconds, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (-2_200_000, "-2.2ms"),
            (1_500_000_000, "1.5s"),
            (60_000_000_000, "1m0s"),
            (3_723_000_000_004, "1h2m3.000000004s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ] {
            assert_eq!(duration_text(nanoseconds), text);
        }
    }
}
