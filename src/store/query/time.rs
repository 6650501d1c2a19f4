//! Times as people write them: `7d`, `2026-11-26`, `2026-11-26T02:42:56Z`.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Reads a time; a duration counts back from `now`. Dates are in UTC.
pub fn parse(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let wrong = || format!("{text}: write 30m, 24h, 7d, 2w, 2026-11-26 or 2026-11-26T02:42:56Z");
    if let Some(duration) = duration(text) {
        return now.checked_sub(duration).map_err(|_| format!("{text}: too long ago"));
    }
    if text == "now" {
        return Ok(now);
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    if let Ok(date) = text.parse::<Date>() {
        return date.to_zoned(TimeZone::UTC).map(|time| time.timestamp()).map_err(|_| wrong());
    }
    let civil = text.parse::<jiff::civil::DateTime>().map_err(|_| wrong())?;
    civil.to_zoned(TimeZone::UTC).map(|time| time.timestamp()).map_err(|_| wrong())
}

/// `90s`, `30m`, `24h`, `7d`, `2w`.
pub fn duration(text: &str) -> Option<SignedDuration> {
    let unit = text.chars().last().filter(char::is_ascii_alphabetic)?;
    let number: i64 = text.get(..text.len() - 1)?.parse().ok().filter(|number| *number >= 0)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return None,
    };
    Some(SignedDuration::from_secs(number.checked_mul(seconds)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        let now: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        let parsed = |text: &str| parse(text, now).map(|time| time.to_string());
        assert_eq!(parsed("7d").unwrap(), "2026-11-19T12:00:00Z");
        assert_eq!(parsed("90s").unwrap(), "2026-11-26T11:58:30Z");
        assert_eq!(parsed("2026-11-01").unwrap(), "2026-11-01T00:00:00Z");
        assert_eq!(parsed("2026-11-01T10:00:00+02:00").unwrap(), "2026-11-01T08:00:00Z");
        assert!(parsed("yesterday").is_err() && parsed("-1d").is_err() && parsed("999999999999w").is_err());
    }
}
