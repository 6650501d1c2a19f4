//! Interfaces, channels, locks and times.

use super::super::{Item, Items, Object, Refusal, View, corrupt};
use crate::value::Absent;

/// Goroutines that wait for one channel and are counted.
const MAX_WAITERS: usize = 100_000;

/// `interface {}(int) = 5`
pub(super) fn interface<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let Some(content) = dynamic(object)? else {
        return Ok(View::Parts { title: "nil".to_owned(), parts: Vec::new() });
    };
    let (title, variant) = title(object, &content);
    Ok(View::Variant { title, variant, content: Some(content.into()) })
}

/// `error(*fs.PathError)`, and the name in the parentheses.
pub(super) fn title(object: &Object<'_>, content: &Object<'_>) -> (String, String) {
    let types = object.types();
    let variant = types.name(content.type_id).to_owned();
    (format!("{}({variant})", types.name(object.type_id)), variant)
}

/// What an interface holds; `None` for nil. Its type is the one that the runtime's own description of it is of, which the
/// debug information names (go `cmd/link/internal/ld/dwarf.go`, DW_AT_go_runtime_type); layouts: go `runtime/runtime2.go`.
pub(super) fn dynamic<'v>(object: &Object<'v>) -> Result<Option<Object<'v>>, Refusal> {
    let described = match object.field("tab") {
        Ok(tab) if tab.pointer()? == 0 => 0,
        Ok(tab) => tab.deref()?.any_field(&["_type", "Type"])?.pointer()?,
        Err(_) => object.any_field(&["_type", "Type"])?.pointer()?,
    };
    if described == 0 {
        return Ok(None);
    }
    let type_id = object.go_type(described).ok_or(Refusal::Declined)?;
    let data = object.field("data")?;
    Ok(Some(match is_direct(object, described)? {
        // The word is the value.
        true => data.cast(type_id),
        false => object.at(data.pointer()?, type_id),
    }))
}

/// Whether an interface holds values of the type themselves: bit 5 of `Kind_` says so, since Go 1.26 that of `TFlag` (go
/// `internal/abi/type.go`; both lie behind two words and a hash).
fn is_direct(object: &Object<'_>, description: u64) -> Result<bool, Refusal> {
    const DIRECT: u8 = 1 << 5;
    let flags = description.checked_add(2 * object.word() + 4).ok_or_else(|| corrupt("beyond the address space"))?;
    let bytes = object.read(flags, 4)?;
    let has = |at: usize| bytes.get(at).is_some_and(|byte| byte & DIRECT != 0);
    Ok(has(0) || has(3))
}

/// `chan int [1 of 4 buffered, 2 receiving]` and what is buffered (go `runtime/chan.go`, hchan).
pub(super) fn channel<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let name = object.types().name(object.type_id).to_owned();
    if object.pointer()? == 0 {
        return Ok(View::Parts { title: format!("{name} nil"), parts: Vec::new() });
    }
    let header = object.deref()?;
    let (count, room) = (header.field("qcount")?.uint()?, header.field("dataqsiz")?.uint()?);
    let (buffer, first) = (header.field("buf")?.pointer()?, header.field("recvx")?.uint()?);
    if count > room || first > room {
        return Err(corrupt(format!("a channel with {count} of {room} elements")));
    }
    let waiting = header.path("recvq.first")?;
    let element = waiting.at(0, waiting.target()?).field("elem")?.target()?;
    let mut title = format!("{name} [{count} of {room} buffered");
    for (queue, what) in [("recvq.first", "receiving"), ("sendq.first", "sending")] {
        let waiters = waiters(&header.path(queue)?)?;
        if waiters > 0 {
            title += &format!(", {waiters} {what}");
        }
    }
    if header.field("closed")?.uint()? != 0 {
        title += ", closed";
    }
    title.push(']');
    let size = object.size_of(element)?;
    let object = *object;
    let walk = (0..count).map(move |index| -> Result<Item<'v>, Absent> {
        let place = first.checked_add(index).map(|place| place % room.max(1));
        let at = place.and_then(|place| place.checked_mul(size)).and_then(|offset| buffer.checked_add(offset));
        Ok(object.at(at.ok_or_else(|| Absent::from(corrupt("beyond the address space")))?, element).into())
    });
    Ok(View::Sequence { title, set: false, items: Items::Walk { length: Some(count), walk: Box::new(walk) } })
}

fn waiters(first: &Object<'_>) -> Result<usize, Refusal> {
    let (mut next, mut count) = (*first, 0);
    while next.pointer()? != 0 {
        count += 1;
        if count > MAX_WAITERS {
            return Err(corrupt("a queue without end"));
        }
        next = next.deref()?.field("next")?;
    }
    Ok(count)
}

/// `sync.Mutex [locked, 2 waiting]`: bits of `state` (go `sync/mutex.go`; `internal/sync` since Go 1.24).
pub(super) fn mutex<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let state = object.field("state").or_else(|_| object.path("mu.state"))?.uint()?;
    let mut words = vec![if state & 1 == 0 { "unlocked".to_owned() } else { "locked".to_owned() }];
    if state & 4 != 0 {
        words.push("starving".to_owned());
    }
    if state >> 3 != 0 {
        words.push(format!("{} waiting", state >> 3));
    }
    Ok(View::Parts { title: format!("sync.Mutex [{}]", words.join(", ")), parts: Vec::new() })
}

/// `sync.RWMutex [read by 2]`: a negative count of readers says that a writer holds it or waits (go `sync/rwmutex.go`).
pub(super) fn rw_mutex<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    const MAX_READERS: i64 = 1 << 30;
    let count = |name: &str| -> Result<i64, Refusal> {
        let field = object.field(name)?;
        field.field("v").unwrap_or(field).int()
    };
    let (readers, waited_for) = (count("readerCount")?, count("readerWait")?);
    let state = match readers {
        0 => "unlocked".to_owned(),
        1.. => format!("read by {readers}"),
        _ if waited_for > 0 => format!("a writer waits for {waited_for}"),
        _ => match readers.saturating_add(MAX_READERS) {
            0 => "write-locked".to_owned(),
            waiting => format!("write-locked, {waiting} waiting to read"),
        },
    };
    Ok(View::Parts { title: format!("sync.RWMutex [{state}]"), parts: Vec::new() })
}

/// `sync/atomic.Int64` and its like: `v`.
pub(super) fn atomic<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    Ok(View::Transparent(object.field("v")?.into()))
}

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
        return Ok(View::Parts { title: "0001-01-01 00:00:00 UTC".to_owned(), parts: Vec::new() });
    }
    let unix = seconds.checked_sub(TO_UNIX).ok_or_else(|| corrupt("a time out of range"))?;
    let (day, second) = (unix.div_euclid(86_400), unix.rem_euclid(86_400));
    let (year, month, date) = civil(day).ok_or_else(|| corrupt("a time out of range"))?;
    let clock = format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
    let fraction = if nanos == 0 { String::new() } else { format!(".{nanos:09}").trim_end_matches('0').to_owned() };
    Ok(View::Parts { title: format!("{year:04}-{month:02}-{date:02} {clock}{fraction} UTC"), parts: Vec::new() })
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
    use super::civil;

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
}
