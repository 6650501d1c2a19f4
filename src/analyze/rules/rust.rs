//! A Rust panic that ended the process: its message and the culprit behind the runtime's frames.
//!
//! Messages are read from the arguments of the functions of `core::panicking` and `core::option`, which pass texts as
//! pointer and length, or a `fmt::Arguments`.

use super::rust_message::{self, literal};
use super::{rust_assert, rust_errors, rust_payload, rust_unnamed};
use crate::analyze::code::{Tracer, argument_registers};
use crate::analyze::{Case, Certainty, Class, Finding};

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

/// A message of which the numbers are not known.
const OUT_OF_BOUNDS: &str = "index out of bounds";

/// A panic.
pub fn panic(case: &Case<'_>) -> Vec<Finding> {
    found(case).or_else(|| rust_unnamed::panic(case)).into_iter().collect()
}

fn found(case: &Case<'_>) -> Option<Finding> {
    let from = case.fault_frame;
    let began = case
        .find_function(from, &["rust_begin_unwind", "*::rust_begin_unwind", "std::panicking::begin_panic*"])
        .or_else(|| case.find_function(from, &["*rust_panic", "std::alloc::rust_oom*", "core::panicking::*"]))
        .or_else(|| case.find_function(from, &["std::process::abort"]))?;
    // Where the compiler made the program's own code a part of the library's, the first that panicked.
    let panicked = || (began + 1..case.trace.frames.len()).find(|index| !case.is_function(*index, PANICS));
    let frame = case.own_frame(began).or_else(panicked)?;
    // The function that the program called: the outermost of those that panic.
    let entry = (began..frame).rev().find(|index| case.is_function(*index, PANICS));
    let name = entry.and_then(|entry| case.function(entry)).map(str::to_owned);
    if case.find_function(from, &["std::alloc::rust_oom*", "alloc::alloc::handle_alloc_error*"]).is_some() {
        let summary = format!("out of memory: an allocation failed {}", case.in_at(frame));
        return Some(case.finding("panic", Class::OutOfMemory, Certainty::Certain, frame, summary).ask("bt"));
    }
    let message = name.as_deref().and_then(|name| message(case, entry.map_or(frame, |entry| entry + 1), name));
    let message =
        message.or_else(|| rust_message::in_frame(case, case.find_function(began, &["core::panicking::panic_fmt"])?));
    // As the runtime formatted it for what it writes to standard error.
    let is_known = message.as_ref().is_some_and(|message| !message.contains('…') && message != OUT_OF_BOUNDS);
    let message = match is_known {
        true => message,
        false => rust_payload::completed(case, from, frame, message.as_deref()).or(message),
    };
    let compared = entry.and_then(|entry| rust_assert::compared(case, began, entry, message.as_deref()));
    let message = compared.as_ref().map(|compared| compared.summary()).or(message);
    let failed = entry.filter(|_| name.as_deref() == Some("core::result::unwrap_failed"));
    let error = failed.map(|callee| rust_errors::error(case, callee + 1, callee));
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
    match (compared, message) {
        (Some(compared), _) => finding = compared.evidence(finding),
        (None, Some(message)) => finding = finding.with("message", None, message),
        (None, None) => {}
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
        "core::panicking::panic_bounds_check" => Some(OUT_OF_BOUNDS),
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
            _ => OUT_OF_BOUNDS.to_owned(),
        });
    }
    if let Some(fixed) = fixed {
        return Some(fixed.to_owned());
    }
    match callee {
        "core::panicking::panic"
        | "core::option::expect_failed"
        | "core::result::unwrap_failed"
        | "core::panicking::panic_nounwind" => literal(case, value(0)?, value(1)?),
        "core::panicking::panic_fmt" | "core::panicking::panic_nounwind_fmt" | "std::panicking::begin_panic_fmt" => {
            rust_message::passed(case, value(0)?, value(1))
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
