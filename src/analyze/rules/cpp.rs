//! C++: an exception that nobody caught, `std::terminate`, a pure virtual call.
//!
//! A thrown object stands behind its `_Unwind_Exception` (32 bytes), which begins with the runtime's mark; its
//! `type_info` is 112 bytes before it (Itanium C++ ABI, exception handling 2.2.1; libstdc++ 13 unwind-cxx.h, libc++abi
//! 19 cxa_exception.h, both 64-bit). Where the mark is not there, nothing is said of an exception.

use crate::addr::RunAddr;
use crate::analyze::{Case, Certainty, Class, Finding};

const SIGABRT: i32 = 6;
/// `GNUCC++\0`, and `GNUCC++\x01` of a dependent exception, which is not looked into; `CLNGC++\0`.
const MARKS: [u64; 2] = [u64::from_be_bytes(*b"GNUCC++\0"), u64::from_be_bytes(*b"CLNGC++\0")];
/// Bytes from the mark to the object, and from the object back to its `type_info`.
const HEADER: u64 = 0x20;
const TYPE_INFO: u64 = 0x70;
/// Bytes of the stack that are searched for the exception.
const MAX_STACK: u64 = 64 << 10;
/// Base classes that are followed.
const MAX_BASES: usize = 16;

/// An exception that nobody caught.
pub fn uncaught_exception(case: &Case<'_>) -> Vec<Finding> {
    if case.signal_number() != SIGABRT {
        return Vec::new();
    }
    pure_virtual(case).or_else(|| terminated(case)).into_iter().collect()
}

fn pure_virtual(case: &Case<'_>) -> Option<Finding> {
    let at = case.find_function(case.fault_frame, &["__cxa_pure_virtual", "__cxa_deleted_virtual"])?;
    let frame = case.to_blame(at);
    let summary =
        format!("pure virtual call {}: the object is being constructed or destroyed, or is gone", case.in_at(frame));
    let finding = case.finding("pure-virtual", Class::BadCall, Certainty::Certain, frame, summary);
    Some(finding.ask(format!("frame {}", case.frame(frame)?.index)).ask("info locals"))
}

/// What was thrown.
struct Thrown {
    object: u64,
    type_name: String,
    what: Option<String>,
    out_of_memory: bool,
}

fn terminated(case: &Case<'_>) -> Option<Finding> {
    let from = case.fault_frame;
    let terminate = case.find_function(
        from,
        &[
            "std::terminate",
            "__cxxabiv1::__terminate",
            "std::__terminate",
            "_ZSt9terminatev",
            "_ZN10__cxxabiv111__terminateEPFvvE",
            "__cxa_throw",
            "__cxa_rethrow",
            "__gxx_personality_v0",
        ],
    )?;
    // Without one, whoever ended the process is not the runtime of C++.
    case.find_function(from, &["abort", "__GI_abort"]).filter(|abort| *abort < terminate)?;
    let throw = case.find_function(from, &["__cxa_throw", "__cxa_rethrow", "std::rethrow_exception*"]);
    let frame = case.to_blame(throw.unwrap_or(terminate));
    let thrown = thrown(case, frame);
    let place = case.in_at(frame);
    let left_noexcept = case.find_function(from, &["__cxa_call_terminate", "__clang_call_terminate"]).is_some();
    let Some(thrown) = thrown else {
        let (class, summary) = match case
            .find_function(terminate, &["std::thread::~thread", "std::thread::operator=", "_ZNSt6threadD*Ev"])
        {
            Some(_) => (
                Class::Abort,
                format!("std::terminate {place}: a std::thread was destroyed that was neither joined nor detached"),
            ),
            None if left_noexcept => (
                Class::UncaughtException,
                format!(
                    "uncaught exception: it would have left {}, which is noexcept{}",
                    case.called(frame),
                    case.at_line(frame)
                ),
            ),
            None if throw.is_some_and(|throw| case.is_function(throw, &["__cxa_rethrow"])) => (
                Class::UncaughtException,
                format!(
                    "std::terminate {place}: `throw;` where no exception was being handled, or one of another language"
                ),
            ),
            None if throw.is_some() => (Class::UncaughtException, format!("uncaught exception, thrown {place}")),
            None => (Class::Abort, format!("std::terminate was called {place}")),
        };
        let certainty = if throw.is_some() || left_noexcept { Certainty::Certain } else { Certainty::Likely };
        return Some(case.finding("terminate", class, certainty, frame, summary).ask("bt"));
    };
    let what = thrown.what.as_ref().map(|what| format!(" ({what})")).unwrap_or_default();
    let is_thrown_again =
        throw.is_some_and(|throw| case.is_function(throw, &["__cxa_rethrow", "std::rethrow_exception*"]));
    let verb = match throw {
        Some(_) if is_thrown_again => "thrown again",
        Some(_) => "thrown",
        None => "met std::terminate",
    };
    let class = if thrown.out_of_memory { Class::OutOfMemory } else { Class::UncaughtException };
    let why = match case
        .find_function(terminate, &["__cxa_call_terminate", "__clang_call_terminate", "__gxx_personality_v0"])
    {
        Some(_) => ", and left a function that is noexcept",
        None => "",
    };
    let kind = if thrown.out_of_memory { "out of memory: " } else { "" };
    let summary = format!("{kind}uncaught exception: {}{what} {verb} {place}{why}", thrown.type_name);
    let mut finding = case.finding("uncaught-exception", class, Certainty::Certain, frame, summary);
    let expression = format!("*({} *) {:#x}", thrown.type_name, thrown.object);
    finding = finding.with("exception", Some(&expression), thrown.type_name);
    if let Some(what) = thrown.what {
        finding = finding.with("what", None, what);
    }
    Some(finding.ask(format!("print {expression}")).ask("bt"))
}

/// The exception whose header a word of the innermost frames' stack leads to.
fn thrown(case: &Case<'_>, frame: usize) -> Option<Thrown> {
    let sp = case.registers(0)?.sp()?;
    let machine = case.frame(frame)?.machine;
    let end = case.trace.stack.frames.get(machine)?.cfa?.0.min(sp.saturating_add(MAX_STACK));
    let is_marked = |header: u64| case.word(header).is_some_and(|mark| MARKS.contains(&mark));
    let mut at = sp & !7;
    let mut tried = std::collections::HashSet::new();
    while at < end {
        let Some(word) = case.word(at) else { break };
        at += 8;
        if !word.is_multiple_of(16) || word < 0x1_0000 || !tried.insert(word) {
            continue;
        }
        // The object itself, or its header.
        let objects = [word, word.wrapping_add(HEADER)];
        let object = objects.into_iter().find(|object| is_marked(object.wrapping_sub(HEADER)));
        if let Some(found) = object.and_then(|object| describe(case, object)) {
            return Some(found);
        }
    }
    None
}

fn describe(case: &Case<'_>, object: u64) -> Option<Thrown> {
    let type_info = case.word(object.wrapping_sub(TYPE_INFO))?;
    let mangled = type_name(case, type_info)?;
    let type_name = demangled(&mangled)?;
    let mut what = None;
    let mut out_of_memory = mangled == "St9bad_alloc";
    let mut class = type_info;
    for _ in 0..MAX_BASES {
        let Some(name) = self::type_name(case, class) else { break };
        out_of_memory |= name == "St9bad_alloc";
        // Both keep a pointer to their text behind the vtable pointer.
        if name == "St13runtime_error" || name == "St11logic_error" {
            what = case.word(object.wrapping_add(8)).and_then(|text| case.text_at(text));
            break;
        }
        // Of a class with one base, its type_info is the third word (`__si_class_type_info`).
        match case.word(class.wrapping_add(16)).filter(|base| self::type_name(case, *base).is_some()) {
            Some(base) => class = base,
            None => break,
        }
    }
    match mangled.as_str() {
        "i" => what = case.memory().read_uint(RunAddr(object), 4).ok().map(|value| (value as i32).to_string()),
        "PKc" | "Pc" => what = case.word(object).and_then(|text| case.text_at(text)),
        _ => {}
    }
    Some(Thrown { object, type_name, what, out_of_memory })
}

/// A `type_info`'s name: its second word, without the star of names that are not compared as texts.
fn type_name(case: &Case<'_>, type_info: u64) -> Option<String> {
    if type_info == 0 || !type_info.is_multiple_of(8) {
        return None;
    }
    let name = case.text_at(case.word(type_info.checked_add(8)?)?)?;
    let name = name.strip_prefix('*').unwrap_or(&name);
    let plausible =
        name.len() < 400 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'.'));
    plausible.then(|| name.to_owned())
}

fn demangled(name: &str) -> Option<String> {
    let whole = crate::demangle::demangle(&format!("_ZTI{name}"))?;
    Some(whole.strip_prefix("typeinfo for ").unwrap_or(&whole).to_owned())
}
