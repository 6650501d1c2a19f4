//! JSON of what language runtimes schedule.

use std::sync::Arc;

use super::json::Json;
use super::json_backtrace::{FrameSource, stack_end_code, write_frames};
use super::json_value::write_value;
use crate::runtime::go::{Goroutine, Panic};
use crate::session::{Code, Trace};

/// Characters of a list of numbers.
const ROOM: usize = 48;

/// An element of `goroutines`.
pub struct GoroutineRow<'a> {
    /// What is known of it.
    pub goroutine: &'a Goroutine,
    /// Its stack.
    pub trace: &'a Trace,
    /// The `go` statement that made it.
    pub created_by: Option<Arc<Code>>,
    /// The function that it began with.
    pub start: Option<Arc<Code>>,
    /// What it panics over, the first raised first.
    pub panics: &'a [Panic],
    /// Its labels.
    pub labels: &'a [(String, String)],
}

/// A goroutine with its frames.
pub fn write_goroutine(json: &mut Json, row: &GoroutineRow<'_>, source: &FrameSource<'_>) {
    let goroutine = row.goroutine;
    let creator = row.created_by.as_ref();
    json.begin_object();
    json.field_uint("id", goroutine.id);
    json.field_string("state", Some(goroutine.state.code()));
    json.field_string("wait_reason", goroutine.wait_reason.as_deref());
    json.field_uint("lwp", goroutine.lwp.map(u64::from));
    json.field_bool("locked", goroutine.locked);
    json.field_uint("locked_lwp", goroutine.locked_to.map(u64::from));
    json.field_string("created_by", creator.and_then(|code| code.function.as_deref()));
    json.field_string("created_by_file", creator.and_then(|code| code.file.as_deref()));
    json.field_uint("created_by_line", creator.and_then(|code| code.line).map(u64::from));
    json.field_uint("parent", goroutine.parent);
    json.field_string("start", row.start.as_ref().and_then(|code| code.function.as_deref()));
    json.field_hex("address", Some(goroutine.address.0));
    json.field_string("problem", goroutine.problem.as_deref());
    json.field_uint("waits_since_seconds", goroutine.waits_since);
    json.key("labels");
    json.begin_array();
    for (key, value) in row.labels {
        json.begin_object();
        json.field_string("key", Some(key));
        json.field_string("value", Some(value));
        json.end_object();
    }
    json.end_array();
    json.key("panics");
    json.begin_array();
    for panic in row.panics {
        write_panic(json, panic, source);
    }
    json.end_array();
    json.field_string("stack_end", Some(stack_end_code(row.trace.stack.end)));
    json.field_uint("frames_omitted", Some(row.trace.stack.omitted as u64));
    write_frames(json, row.trace, source);
    json.end_object();
}

fn write_panic(json: &mut Json, panic: &Panic, source: &FrameSource<'_>) {
    json.begin_object();
    json.field_string("text", Some(&panic.text));
    json.field_string("type", panic.type_name.as_deref());
    json.field_bool("recovered", panic.recovered);
    json.field_bool("repanicked", panic.repanicked);
    json.field_bool("goexit", panic.exits);
    json.key("value");
    write_value(json, source.types, &panic.value, None);
    json.end_object();
}

/// `4, 7-12, …`: numbers as far as a line has room for them. In ascending order.
pub fn few_numbers(numbers: &[u64]) -> String {
    let mut text = String::new();
    let mut rest = numbers;
    while let Some(&first) = rest.first() {
        let run = rest.iter().zip(first..=u64::MAX).take_while(|(number, expected)| *number == expected).count();
        let last = first.saturating_add(run.saturating_sub(1) as u64);
        let part = match run {
            1 => first.to_string(),
            2 => format!("{first}, {last}"),
            _ => format!("{first}-{last}"),
        };
        let separator = if text.is_empty() { "" } else { ", " };
        if !text.is_empty() && text.len() + part.len() > ROOM {
            text.push_str(", …");
            break;
        }
        text.push_str(separator);
        text.push_str(&part);
        rest = rest.get(run.max(1)..).unwrap_or_default();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::few_numbers;

    #[test]
    fn numbers_are_listed_in_short() {
        assert_eq!(few_numbers(&[1, 3, 4, 7, 8, 9]), "1, 3, 4, 7-9");
        let many: Vec<u64> = (0..100).map(|number| number * 2).collect();
        assert_eq!(few_numbers(&many), "0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, …");
    }
}
