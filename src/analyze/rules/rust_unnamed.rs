//! A Rust panic that ended a program whose functions have no names: neither debug information nor symbols.
//!
//! What [`rust_payload`](super::rust_payload) finds on the stack stands for the names. It is *likely* where the code of a
//! frame that has not returned gave the panic's location to the call that it is in, else *possible*: words of a panic that was
//! caught before may be left in a frame.

use super::rust_payload::{self, Panicking};
use crate::analyze::{Case, Certainty, Class, Finding};

const SIGABRT: i32 = 6;

/// The panic.
pub(super) fn panic(case: &Case<'_>) -> Option<Finding> {
    let signal = case.signal.as_ref().filter(|signal| signal.number == SIGABRT)?;
    // Who aborts from outside does so whatever the program does.
    if signal.sender_pid.is_some_and(|sender| Some(sender) != case.session.image.process.pid) {
        return None;
    }
    let found = rust_payload::panicking(case, case.fault_frame)?;
    let frames = &case.trace.frames;
    let given = found.caller.and_then(|machine| frames.iter().position(|frame| frame.machine == machine));
    // What the library checks itself, it checks for its caller.
    let by_library = found.location.is_of_library();
    let frame = match given {
        Some(given) if by_library && given + 1 < frames.len() => given + 1,
        Some(given) => given,
        None => case.to_blame(case.fault_frame),
    };
    let certainty = if found.caller.is_some() { Certainty::Likely } else { Certainty::Possible };
    let mut finding = case.finding("panic", Class::Panic, certainty, frame, summary(case, &found, frame));
    let Panicking { location, found_at, .. } = &found;
    if finding.line.is_none() && given.is_some() && !by_library {
        finding.line = Some((location.file.clone(), location.line));
    }
    if let Some(text) = found.text() {
        finding = finding.with("message", None, text);
    }
    let place = format!("{}:{}:{}", location.file, location.line, location.column);
    finding =
        finding.with("location", Some(&format!("*(long *) {found_at:#x}")), format!("{:#x}, {place}", location.at));
    finding = match given.and_then(|given| case.frame(given)) {
        Some(frame) => finding.with("given by", None, format!("the call before {}", frame.pc)),
        None => finding.with("given by", None, "no frame that is known: it may be of a panic before"),
    };
    Some(finding.ask("bt"))
}

fn summary(case: &Case<'_>, found: &Panicking, frame: usize) -> String {
    let location = &found.location;
    let file = location.file.rsplit('/').next().unwrap_or(&location.file);
    let place = format!("{file}:{}", location.line);
    let said = match found.text() {
        Some(text) => format!(": {}", text.lines().map(str::trim).collect::<Vec<_>>().join(", ")),
        None => String::new(),
    };
    match found.caller {
        Some(_) if location.is_of_library() => {
            format!("panic in Rust's library ({place}), called in {}{said}", case.called(frame))
        }
        Some(_) => format!("panic at {place} in {}{said}", case.called(frame)),
        None => format!("panic at {place}{said}"),
    }
}
