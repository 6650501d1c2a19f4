//! A Rust panic that ended the process: its message and the culprit behind the runtime's frames.
//!
//! Messages are read from the arguments of the functions of `core::panicking` and `core::option`, which pass texts as
//! pointer and length; a `fmt::Arguments` is looked into for its first piece (Rust 1.63 to 1.92: a pointer to pieces
//! and their number; later a template).

use crate::analyze::code::{Tracer, argument_registers};
use crate::analyze::{Case, Certainty, Class, Finding};

/// Bytes of a message.
const MAX_MESSAGE: u64 = 1024;
/// Functions between the panicking code and the runtime's own panic.
const PANICS: &[&str] = &[
    "core::panicking::*",
    "core::option::*_failed",
    "core::result::*_failed",
    "std::panicking::*",
    "core::slice::*_fail*",
    "core::str::*_fail*",
    "alloc::raw_vec::*",
    "alloc::alloc::*",
    "core::cell::panic_*",
];

/// A panic.
pub fn panic(case: &Case<'_>) -> Vec<Finding> {
    found(case).into_iter().collect()
}

fn found(case: &Case<'_>) -> Option<Finding> {
    let from = case.fault_frame;
    let began = case
        .find_function(from, &["rust_begin_unwind", "*::rust_begin_unwind", "std::panicking::begin_panic*"])
        .or_else(|| case.find_function(from, &["*rust_panic", "std::alloc::rust_oom*", "core::panicking::*"]))
        .or_else(|| case.find_function(from, &["std::process::abort"]))?;
    let frame = case.own_frame(began)?;
    // The function that the program called: the outermost of those that panic.
    let entry = (began..frame).rev().find(|index| case.is_function(*index, PANICS));
    let name = entry.and_then(|entry| case.function(entry)).map(str::to_owned);
    if case.find_function(from, &["std::alloc::rust_oom*", "alloc::alloc::handle_alloc_error*"]).is_some() {
        let summary = format!("out of memory: an allocation failed {}", case.in_at(frame));
        return Some(case.finding("panic", Class::OutOfMemory, Certainty::Certain, frame, summary).ask("bt"));
    }
    let message = name.as_deref().and_then(|name| message(case, entry.map_or(frame, |entry| entry + 1), name));
    let message = message.or_else(|| in_frame(case, case.find_function(began, &["core::panicking::panic_fmt"])?));
    let failed = entry.filter(|_| name.as_deref() == Some("core::result::unwrap_failed"));
    let error = failed.map(|callee| super::rust_errors::error(case, callee + 1, callee));
    let message = match (message, &error) {
        // The message's own place for it may be known already.
        (Some(message), Some(Ok((_, text)))) => Some(format!("{}: {text}", message.trim_end_matches(": …"))),
        (message, _) => message,
    };
    let place = case.in_at(frame);
    let is_abort = case.is_function(began, &["std::process::abort"]);
    if is_abort && message.is_none() {
        let summary = format!("std::process::abort() was called {place}");
        return Some(case.finding("panic", Class::Abort, Certainty::Likely, frame, summary).as_symptom().ask("bt"));
    }
    let said = message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
    let null = name.as_deref() == Some("core::panicking::panic_null_pointer_dereference");
    let class = if null { Class::NullPointer } else { Class::Panic };
    let summary = format!("{} {place}{said}", if null { "null pointer: panic" } else { "panic" });
    let mut finding = case.finding("panic", class, Certainty::Certain, frame, summary);
    if let Some(message) = message {
        finding = finding.with("message", None, message);
    }
    match error {
        Some(Ok((type_name, _))) => finding = finding.with("error", None, format!("a {type_name}")),
        Some(Err(why)) => finding = finding.with("error", None, format!("not shown: {why}")),
        None => {}
    }
    if let Some(name) = name {
        finding = finding.with("raised by", None, name);
    }
    Some(finding.ask("info locals").ask("list"))
}

/// The panic's message, where the call tells it.
fn message(case: &Case<'_>, frame: usize, callee: &str) -> Option<String> {
    let fixed = match callee {
        "core::option::unwrap_failed" => Some("called `Option::unwrap()` on a `None` value"),
        "core::panicking::panic_bounds_check" => Some("index out of bounds"),
        "core::panicking::panic_null_pointer_dereference" => Some("null pointer dereference occurred"),
        "core::cell::panic_already_borrowed" => Some("already borrowed"),
        "core::cell::panic_already_mutably_borrowed" => Some("already mutably borrowed"),
        _ => callee.rsplit("panic_const_").next().filter(|_| callee.contains("panic_const_")).and_then(constant),
    };
    let tracer = Tracer::of_frame(case, frame);
    let value = |position: usize| {
        let tracer = tracer.as_ref()?;
        tracer.value(&tracer.register(*argument_registers(case.arch()).get(position)?, tracer.here, 0)?)
    };
    if callee == "core::panicking::panic_bounds_check" {
        return Some(match (value(0), value(1)) {
            (Some(index), Some(length)) => {
                format!("index out of bounds: the len is {length} but the index is {index}")
            }
            _ => "index out of bounds".to_owned(),
        });
    }
    if let Some(fixed) = fixed {
        return Some(fixed.to_owned());
    }
    match callee {
        "core::panicking::panic"
        | "core::option::expect_failed"
        | "core::result::unwrap_failed"
        | "core::panicking::panic_nounwind" => text(case, value(0)?, value(1)?),
        "core::panicking::panic_fmt" | "core::panicking::panic_nounwind_fmt" | "std::panicking::begin_panic_fmt" => {
            let (first, second) = (value(0)?, value(1));
            template(case, first, second).or_else(|| {
                let pieces = case.word(first)?;
                let count = case.word(first.checked_add(8)?).filter(|count| (1..=64).contains(count))?;
                let piece = text(case, case.word(pieces)?, case.word(pieces.checked_add(8)?)?)?;
                Some(if count > 1 { format!("{piece}…") } else { piece })
            })
        }
        _ => None,
    }
}

/// `core::panicking::panic_const::panic_const_add_overflow` and its like (Rust 1.80 and later).
fn constant(name: &str) -> Option<&'static str> {
    Some(match name {
        "add_overflow" => "attempt to add with overflow",
        "sub_overflow" => "attempt to subtract with overflow",
        "mul_overflow" => "attempt to multiply with overflow",
        "div_overflow" => "attempt to divide with overflow",
        "rem_overflow" => "attempt to calculate the remainder with overflow",
        "neg_overflow" => "attempt to negate with overflow",
        "shr_overflow" => "attempt to shift right with overflow",
        "shl_overflow" => "attempt to shift left with overflow",
        "div_by_zero" => "attempt to divide by zero",
        "rem_by_zero" => "attempt to calculate the remainder with a divisor of zero",
        _ => return None,
    })
}

/// The message in the frame of `panic_fmt`, which has the `fmt::Arguments` in the `PanicInfo` that it makes: the first two
/// words that are such arguments.
fn in_frame(case: &Case<'_>, frame: usize) -> Option<String> {
    let machine = case.trace.stack.frames.get(case.frame(frame)?.machine)?;
    let (start, end) = (machine.registers.sp()?, machine.cfa?.0);
    let mut at = start;
    while at < end.min(start.saturating_add(512)) {
        let (first, second) = (case.word(at)?, case.word(at.checked_add(8)?));
        at = at.checked_add(8)?;
        let is_constant = case.session.program.modules.at(crate::addr::RunAddr(first)).is_some();
        // An odd word is a length; else it leads to the arguments, which are on the stack.
        let plausible = second
            .is_some_and(|second| second & 1 == 1 && second < 2 * MAX_MESSAGE || second.abs_diff(start) < 1 << 20);
        if is_constant
            && plausible
            && !case.is_executable(first)
            && let Some(text) = template(case, first, second)
        {
            return Some(text);
        }
    }
    None
}

/// A `fmt::Arguments` since Rust 1.93 (core/src/fmt/mod.rs): a template and its arguments in two words. Where the second
/// is odd, the first is a text of half its length; else the template is pieces, each behind its length, and marks of
/// arguments (from 0xc0 on, their lowest bits say what follows).
fn template(case: &Case<'_>, template: u64, arguments: Option<u64>) -> Option<String> {
    if let Some(length) = arguments.filter(|arguments| arguments & 1 == 1) {
        return text(case, template, length >> 1);
    }
    let mut out = String::new();
    let mut at = template;
    let mut next = 0;
    for _ in 0..64 {
        let byte = case.memory().read_uint(crate::addr::RunAddr(at), 1).ok()?;
        at = at.checked_add(1)?;
        match byte {
            0 => return (!out.is_empty()).then_some(out),
            1..0x80 => {
                out.push_str(&text(case, at, byte)?);
                at = at.checked_add(byte)?;
            }
            0x80 => {
                let length = case.memory().read_uint(crate::addr::RunAddr(at), 2).ok()?;
                out.push_str(&text(case, at.checked_add(2)?, length)?);
                at = at.checked_add(length + 2)?;
            }
            0xc0.. => {
                let sizes = [(1, 4), (2, 2), (4, 2), (8, 2)];
                // An argument out of order has its number last.
                let before: u64 = sizes.iter().take(3).filter(|(bit, _)| byte & bit != 0).map(|(_, size)| size).sum();
                let number = match byte & 8 {
                    0 => next,
                    _ => case.memory().read_uint(crate::addr::RunAddr(at.checked_add(before)?), 2).ok()?,
                };
                next = number + 1;
                let argument = arguments.and_then(|first| first.checked_add(number * 16));
                let shown = argument.and_then(|argument| super::rust_arguments::text(case, argument));
                out.push_str(shown.as_deref().unwrap_or("…"));
                at = at.checked_add(sizes.iter().filter(|(bit, _)| byte & bit != 0).map(|(_, size)| size).sum())?;
            }
            _ => return None,
        }
    }
    None
}

fn text(case: &Case<'_>, address: u64, length: u64) -> Option<String> {
    if length == 0 || length > MAX_MESSAGE {
        return None;
    }
    let bytes = case.memory().read_vec(crate::addr::RunAddr(address), length as usize).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    (!text.chars().any(|c| c.is_control() && c != '\n')).then_some(text)
}
