//! A Go panic or fatal error that ended the process: what the runtime's functions on the stack were called with.

use crate::addr::RunAddr;
use crate::analyze::{Case, Certainty, Class, Finding};
use crate::value::Place;

/// Bytes of a message.
const MAX_MESSAGE: u64 = 1024;
/// Functions that raise a panic, and what it is.
const RAISED: &[(&str, &str)] = &[
    ("runtime.panicmem*", "invalid memory address or nil pointer dereference"),
    ("runtime.panicdivide", "integer divide by zero"),
    ("runtime.panicoverflow", "integer overflow"),
    ("runtime.panicshift", "negative shift amount"),
    ("runtime.goPanicIndex*", "index out of range"),
    ("runtime.panicIndex*", "index out of range"),
    ("runtime.goPanicSlice*", "slice bounds out of range"),
    ("runtime.panicSlice*", "slice bounds out of range"),
    ("runtime.panicdottype*", "interface conversion of the wrong type"),
    ("runtime.panicnildottype", "interface conversion of nil"),
    ("runtime.mapassign*", "assignment to entry in nil map"),
    ("runtime.closechan", "close of a channel that is nil or closed"),
    ("runtime.chansend*", "send on closed channel"),
];

/// A panic or fatal error.
pub fn panic(case: &Case<'_>) -> Vec<Finding> {
    found(case).into_iter().collect()
}

fn found(case: &Case<'_>) -> Option<Finding> {
    let thrown = case.find_function(0, &["runtime.throw", "runtime.fatal"]);
    let raised = case.find_function(0, &["runtime.gopanic"]);
    let at = thrown.or(raised).or_else(|| case.find_function(0, &["runtime.sigpanic"]))?;
    let frame = case.own_frame(at)?;
    let known = (at..frame).find_map(|index| {
        let (_, what) = RAISED.iter().find(|(pattern, _)| case.is_function(index, &[pattern]))?;
        Some((index, *what))
    });
    let place = case.in_at(frame);
    let (class, said) = match (thrown, known) {
        (Some(thrown), _) => (Class::Panic, string(case, thrown, "s").map(|text| format!("fatal error: {text}"))),
        (None, Some((index, what))) => {
            let numbers = number(case, index, "x").zip(number(case, index, "y"));
            let what = match numbers {
                Some((x, y)) if what.starts_with("index") => format!("{what} [{x}] with length {y}"),
                _ => what.to_owned(),
            };
            let class = if what.starts_with("invalid memory") { Class::NullPointer } else { Class::Panic };
            (class, Some(what))
        }
        (None, None) => (Class::Panic, string_in_interface(case, at)),
    };
    let kind = if class == Class::NullPointer { "null pointer: panic" } else { "panic" };
    let summary = match &said {
        Some(said) => format!("{kind} {place}: {said}"),
        None => format!("{kind} {place}"),
    };
    let mut finding = case.finding("go-panic", class, Certainty::Certain, frame, summary);
    if let Some(said) = said {
        finding = finding.with("message", None, said);
    }
    if thrown.is_none() && raised.is_some() {
        let index = case.frame(at)?.index;
        finding = finding.with("value", Some(&format!("frame({index}).e")), "the panic's value");
    }
    Some(finding.ask("bt").ask("info locals"))
}

fn place(case: &Case<'_>, frame: usize, name: &str) -> Option<Place> {
    let (place, _) = case.session.find_variable(&case.trace, frame, name)?;
    place.ok()
}

/// Two words of a variable.
fn words(case: &Case<'_>, frame: usize, name: &str) -> Option<(u64, u64)> {
    match place(case, frame, name)? {
        Place::Memory(address) => Some((case.word(address.0)?, case.word(address.0.checked_add(8)?)?)),
        Place::Bytes(bytes) if bytes.holes.is_empty() => {
            let word = |at: usize| Some(u64::from_le_bytes(bytes.data.get(at..at + 8)?.try_into().ok()?));
            Some((word(0)?, word(8)?))
        }
        Place::Bytes(_) => None,
    }
}

fn number(case: &Case<'_>, frame: usize, name: &str) -> Option<i64> {
    let (place, type_id) = case.session.find_variable(&case.trace, frame, name)?;
    crate::analyze::names::integer(case, &place.ok()?, type_id).map(|value| value as i64)
}

/// A string variable's text.
fn string(case: &Case<'_>, frame: usize, name: &str) -> Option<String> {
    let (address, length) = words(case, frame, name)?;
    text(case, address, length)
}

/// The text in `gopanic`'s argument, where it is a string.
fn string_in_interface(case: &Case<'_>, frame: usize) -> Option<String> {
    let (_, data) = words(case, frame, "e")?;
    text(case, case.word(data)?, case.word(data.checked_add(8)?)?)
}

fn text(case: &Case<'_>, address: u64, length: u64) -> Option<String> {
    if length == 0 || length > MAX_MESSAGE {
        return None;
    }
    let text = String::from_utf8(case.memory().read_vec(RunAddr(address), length as usize).ok()?).ok()?;
    (!text.chars().any(|c| c.is_control() && c != '\n')).then_some(text)
}
