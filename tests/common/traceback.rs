//! Go's own traceback, and what `goroutines` says beside it.

use serde_json::Value;

/// A goroutine as Go's own traceback has it: number, what it does, frames (function, file, line), who made it.
type Traced = (u64, String, Vec<(String, String, u64)>, Option<String>);

/// The traceback that GOTRACEBACK=crash prints of all goroutines.
fn parsed(text: &str) -> Vec<Traced> {
    let mut goroutines: Vec<Traced> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let head = line.strip_prefix("goroutine ").and_then(|rest| rest.split_once(" ["));
        if let Some((number, rest)) = head
            && let Ok(number) = number.split(' ').next().unwrap().parse()
        {
            let doing = rest.split_once([']', ',']).unwrap().0.to_owned();
            goroutines.push((number, doing, Vec::new(), None));
            continue;
        }
        let Some((.., frames, creator)) = goroutines.last_mut() else { continue };
        if line.is_empty() {
            // What follows beyond the last goroutine is of threads.
            if creator.is_some() || lines.clone().next().is_some_and(|next| !next.starts_with("goroutine ")) {
                continue;
            }
        } else if let Some(function) = line.strip_prefix("created by ") {
            *creator = Some(function.split(" in goroutine").next().unwrap().to_owned());
            lines.next();
        } else if let Some(place) = lines.clone().next().and_then(|next| next.strip_prefix('\t')) {
            lines.next();
            let mut depth = 0;
            let open = line.char_indices().rev().find(|(_, character)| {
                depth += i32::from(*character == ')') - i32::from(*character == '(');
                depth == 0
            });
            let function = line.get(..open.unwrap().0).unwrap();
            let function = if function == "panic" { "runtime.gopanic" } else { function };
            let (file, line) = place.split(" +").next().unwrap().rsplit_once(':').unwrap();
            let file = file.rsplit('/').next().unwrap();
            frames.push((function.to_owned(), file.to_owned(), line.split(' ').next().unwrap().parse().unwrap()));
        }
    }
    goroutines
}

/// Where the answer differs from the traceback: numbers, states, functions, files, lines, creators; and how many frames were
/// compared. What the goroutine that dies calls after the traceback is further inside.
pub fn compare(answer: &Value, printed: &str) -> (Vec<String>, usize) {
    let found = answer["goroutines"].as_array().unwrap();
    let (mut wrong, mut frames) = (Vec::new(), 0);
    for (number, doing, expected, creator) in parsed(printed) {
        let Some(row) = found.iter().find(|row| row["id"] == number) else {
            wrong.push(format!("goroutine {number} is missing"));
            continue;
        };
        let text = |value: &Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
        let does = row["wait_reason"].as_str().or(row["state"].as_str()).unwrap();
        if does != doing || creator.as_deref() != row["created_by"].as_str() {
            wrong.push(format!("goroutine {number} [{does}] by {}, not [{doing}] {creator:?}", row["created_by"]));
        }
        let all: Vec<(String, String, u64)> = row["frames"]
            .as_array()
            .unwrap()
            .iter()
            .map(|frame| {
                let file = text(frame, "file").rsplit('/').next().unwrap().to_owned();
                (text(frame, "function"), file, frame["line"].as_u64().unwrap_or(0))
            })
            .collect();
        let agrees = if doing == "running" { all.ends_with(&expected) } else { all == expected };
        if !agrees || row["stack_end"] != "complete" {
            wrong.push(format!("goroutine {number} has {all:#?}, not {expected:#?} ({})", row["stack_end"]));
        }
        frames += expected.len();
    }
    (wrong, frames)
}
