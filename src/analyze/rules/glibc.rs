//! What glibc said before it ended the process: `__abort_msg` (glibc 2.11 and later, assert/assert.c and
//! sysdeps/posix/libc_fatal.c: a pointer to a size of 4 bytes and the text behind it).

use crate::addr::RunAddr;
use crate::analyze::code::{Tracer, argument_registers};
use crate::analyze::{Case, Certainty, Class, Finding};
use crate::arch::operation::{Segment, Source};
use crate::order::Order;
use crate::types::TypeKind;
use crate::value::Place;

const SIGABRT: i32 = 6;
/// No chunk of the heap is larger; what is mapped by itself may be.
const MAX_CHUNK: u64 = 1 << 40;
/// Bytes of the message.
const MAX_MESSAGE: usize = 1024;
/// The canary's place behind the thread pointer (glibc, sysdeps/x86_64/nptl/tls.h, `header.stack_guard`).
const CANARY: i64 = 0x28;

/// A death that glibc reported.
pub fn reported(case: &Case<'_>) -> Vec<Finding> {
    if case.signal_number() != SIGABRT {
        return Vec::new();
    }
    let message = message(case);
    let found = match &message {
        Some(message) => by_message(case, message),
        None => None,
    };
    found.or_else(|| by_frames(case)).into_iter().collect()
}

/// The text that `__abort_msg` points to.
fn message(case: &Case<'_>) -> Option<String> {
    case.find_function(case.fault_frame, &["abort", "__GI_abort", "__libc_message*", "__libc_fatal"])?;
    let modules = case.session.program.modules.iter();
    let holds_libc = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or_default();
        name.starts_with("libc.so") || name.starts_with("libc-")
    };
    let mut modules: Vec<_> =
        modules.filter(|module| holds_libc(&module.seed.path) || module.seed.is_executable).collect();
    modules.order_by_key(|module| module.seed.is_executable);
    let symbol = modules.iter().find_map(|module| {
        let symbol = module.symbols().by_name("__abort_msg").into_iter().find(|symbol| symbol.address.0 != 0)?;
        Some(module.to_run(symbol.address))
    })?;
    let place = case.word(symbol.0).filter(|place| *place != 0)?;
    let (bytes, _) = case.memory().read_c_string(RunAddr(place.checked_add(4)?), MAX_MESSAGE).ok()?;
    let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
    (!text.is_empty()).then_some(text)
}

fn by_message(case: &Case<'_>, message: &str) -> Option<Finding> {
    let frame = case.to_blame(case.fault_frame);
    let with_message = |finding: Finding| finding.with("message", Some("(char *) (__abort_msg + 1)"), message);
    if let Some(assertion) = Assertion::parse(message) {
        return Some(with_message(asserted(case, frame, &assertion)));
    }
    if message.contains("stack smashing detected") {
        return Some(with_message(smashed(case, frame)));
    }
    if message.contains("buffer overflow detected") {
        return Some(with_message(fortified(case, frame)));
    }
    let (mut class, mut certainty) = complaint(message)?;
    let (frame, deletes) = match behind_destructor(case, frame) {
        Some(outer) => (outer, true),
        None => (frame, false),
    };
    let (pointer, what) = freed_pointer(case, frame, deletes);
    // A chunk whose size cannot be was written over; then nothing says that it was freed before.
    let size = pointer.as_ref().and_then(|(_, value)| case.word((*value)?.wrapping_sub(8)));
    if class == Class::DoubleFree && size.is_some_and(|size| size & 8 != 0 || size & !7 < 32 || size > MAX_CHUNK) {
        (class, certainty) = (Class::HeapCorruption, Certainty::Certain);
    }
    let about = pointer.as_ref().map(|(text, _)| format!(" of {}", quoted(text))).unwrap_or_default();
    let first = message.lines().next().unwrap_or(message);
    // A pointer that no allocation returned: then nothing was damaged.
    let outside = pointer.as_ref().and_then(|(_, value)| {
        let tracer = Tracer::of_frame(case, frame)?;
        super::pointers::outside_heap(case, &tracer, (*value)?)
    });
    let kind = match class {
        Class::DoubleFree => "double free",
        Class::BadCall => "bad call",
        Class::Abort => "glibc gave up",
        _ if outside.is_some() => "bad free",
        _ => "heap corruption",
    };
    let place = case.in_at(frame);
    let summary = match (class, outside) {
        (Class::HeapCorruption, Some(outside)) => {
            let text = pointer.as_ref().map(|(text, _)| quoted(text)).unwrap_or_default();
            format!(
                "{kind}: {what} was given {text} {place}; it leads to {outside}, which no allocation returned ({first})"
            )
        }
        (Class::HeapCorruption, None) => format!("{kind}: {what}{about} {place} met damage: {first}"),
        (Class::DoubleFree, _) => format!("{kind}: {what}{about} {place}, which had been freed before: {first}"),
        _ => format!("{kind} {place}: {first}"),
    };
    let mut finding = with_message(case.finding("glibc", class, certainty, frame, summary));
    if let Some((text, value)) = pointer {
        let shown = value.map_or("its value is not kept".to_owned(), |value| format!("{value:#x}"));
        finding = finding.with("pointer", Some(&text), shown).ask(format!("print {text}"));
        if let (Some(value), Some(size)) = (value, size) {
            let header = value.wrapping_sub(8);
            finding = finding.with("chunk size", Some(&format!("*(long *) {header:#x}")), format!("{size:#x}"));
        }
    }
    Some(finding.ask("bt"))
}

/// `` `p` ``; what a call returned has no name: `the result of find()`.
fn quoted(text: &str) -> String {
    if text.ends_with("()") { format!("the result of {text}") } else { format!("`{text}`") }
}

/// What the allocator's words mean (glibc 2.36, malloc/malloc.c).
fn complaint(message: &str) -> Option<(Class, Certainty)> {
    let heap = [
        "free(): ",
        "malloc(): ",
        "realloc(): ",
        "munmap_chunk(): ",
        "corrupted ",
        "malloc_consolidate(): ",
        "mremap_chunk(): ",
        "calloc(): ",
        "malloc: ",
        "break adjusted",
        "sysmalloc",
    ];
    if message.contains("double free detected") || message.contains("double free or corruption (fasttop)") {
        Some((Class::DoubleFree, Certainty::Certain))
    } else if message.starts_with("double free or corruption") {
        Some((Class::DoubleFree, Certainty::Likely))
    } else if heap.iter().any(|start| message.starts_with(start)) {
        Some((Class::HeapCorruption, Certainty::Certain))
    } else if message.contains("%n in writable segment")
        || message.contains("invalid stdio handle")
        || message.contains("longjmp causes")
    {
        Some((Class::BadCall, Certainty::Certain))
    } else if message.contains("futex facility") {
        Some((Class::BadCall, Certainty::Likely))
    } else {
        Some((Class::Abort, Certainty::Likely))
    }
}

/// The pointer that was passed to the allocator, as its caller has it; and what was called.
///
/// `deletes`: the frame calls a destructor that does it.
fn freed_pointer(case: &Case<'_>, frame: usize, deletes: bool) -> (Option<(String, Option<u64>)>, String) {
    let callee = case.callee(frame).or_else(|| Some(case.function(frame.checked_sub(1)?)?.to_owned()));
    let callee = callee.filter(|_| !deletes);
    let callee = callee.unwrap_or_else(|| if deletes { "operator delete" } else { "the allocator" }.to_owned());
    let callee = callee.trim_start_matches("__GI_").trim_start_matches("__libc_").trim_start_matches("_IO_new_");
    let what = match callee {
        "free" | "cfree" => "free()".to_owned(),
        "the allocator" => callee.to_owned(),
        name => format!("{}()", crate::demangle::without_parameters(name)),
    };
    let found = Tracer::of_frame(case, frame).and_then(|tracer| {
        let register = *argument_registers(case.arch()).first()?;
        let sum = tracer.register(register, tracer.here, 0)?;
        Some((tracer.expression(&sum)?.text, tracer.value(&sum)))
    });
    let takes_pointer = ["free", "realloc", "delete", "munmap"].iter().any(|name| callee.contains(name));
    (found.filter(|_| takes_pointer), what)
}

/// The caller of a destructor that gives its own object's memory back: the `delete` is that one's.
fn behind_destructor(case: &Case<'_>, frame: usize) -> Option<usize> {
    let found = case.frame(frame)?;
    if !case.function(frame)?.contains("::~") {
        return None;
    }
    // Itanium C++ ABI, 5.1.4.3: D0 is the deleting destructor.
    let is_deleting = found.code.symbol.as_deref().is_some_and(|symbol| symbol.ends_with("D0Ev"));
    let gives_itself = || freed_pointer(case, frame, false).0.is_some_and(|(text, _)| text == "this");
    if is_deleting || gives_itself() { case.own_frame(frame + 1) } else { None }
}

/// A failed assertion.
struct Assertion {
    expression: String,
    file: String,
    line: u32,
    function: Option<String>,
}

impl Assertion {
    /// ``program: file.c:12: function: Assertion `x' failed.`` (glibc, assert/assert.c)
    fn parse(message: &str) -> Option<Assertion> {
        let (before, rest) = message.split_once("Assertion `")?;
        let expression = rest.rsplit_once("' failed")?.0.to_owned();
        let before = before.trim_end_matches([' ', ':']);
        // The function may have colons of its own: the line is the first number between two.
        let parts: Vec<&str> = before.split(':').collect();
        let at = parts
            .iter()
            .enumerate()
            .skip(1)
            .find(|(_, part)| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
        let (at, line) = at?;
        let file = parts.get(at - 1)?.trim().to_owned();
        let function = parts.get(at + 1..).map(|rest| rest.join(":").trim().to_owned()).filter(|name| !name.is_empty());
        Some(Assertion { expression, file, line: line.parse().ok()?, function })
    }
}

fn asserted(case: &Case<'_>, frame: usize, assertion: &Assertion) -> Finding {
    let file = assertion.file.rsplit('/').next().unwrap_or(&assertion.file);
    let function = assertion.function.as_deref().map(|name| crate::demangle::without_parameters(name).to_owned());
    let function = match (case.function(frame), function) {
        (None, Some(name)) => format!("{name}()"),
        _ => case.called(frame),
    };
    let summary = format!("assertion failed: `{}` in {function} at {file}:{}", assertion.expression, assertion.line);
    let finding = case.finding("assertion", Class::Assertion, Certainty::Certain, frame, summary);
    let finding = finding.with("condition", Some(&assertion.expression), "false");
    finding.with("place", None, format!("{}:{}", assertion.file, assertion.line)).ask("info locals").ask("list")
}

/// What the frames say where there is no message.
fn by_frames(case: &Case<'_>) -> Option<Finding> {
    let from = case.fault_frame;
    let frame = case.to_blame(from);
    if case
        .find_function(from, &["__assert_fail*", "__GI___assert_fail", "__assert_perror_fail", "__assert_rtn"])
        .is_some()
    {
        let tracer = Tracer::of_frame(case, frame)?;
        let registers = argument_registers(case.arch());
        let value = |position: usize| tracer.value(&tracer.register(*registers.get(position)?, tracer.here, 0)?);
        let expression = case.text_at(value(0)?)?;
        let file = case.text_at(value(1)?)?;
        let line = u32::try_from(value(2)?).ok()?;
        return Some(asserted(case, frame, &Assertion { expression, file, line, function: None }));
    }
    if case.find_function(from, &["__stack_chk_fail*"]).is_some() {
        return Some(smashed(case, frame));
    }
    if case.find_function(from, &["__chk_fail", "__GI___chk_fail"]).is_some() {
        return Some(fortified(case, frame));
    }
    None
}

/// A canary that was overwritten: the array right below it.
fn smashed(case: &Case<'_>, frame: usize) -> Finding {
    let called = case.called(frame);
    let canary = canary(case, frame);
    let array = canary.as_ref().and_then(|(slot, ..)| array_below(case, frame, *slot));
    let name = array.as_ref().map(|(name, size)| format!("`{name}` ({size} bytes) of ")).unwrap_or_default();
    let what = if array.is_some() { "was written past its end" } else { "was overwritten behind an array" };
    let subject = if array.is_some() { format!("{name}{called}") } else { format!("the stack of {called}") };
    let summary = format!("stack smashed: {subject} {what}; its return found the canary damaged");
    let mut finding = case.finding("stack-protector", Class::StackSmashed, Certainty::Certain, frame, summary);
    if let Some((slot, found, expected)) = canary {
        finding =
            finding.with("canary", Some(&format!("*(long *) {slot:#x}")), format!("{found:#x}, not {expected:#x}"));
        if let Some(pattern) = super::control_flow::pattern_text(found, 8) {
            finding = finding.with("pattern", None, pattern);
        }
    }
    if let Some((name, size)) = array {
        finding = finding.with("array", Some(&name), format!("{size} bytes, right below the canary"));
        finding = finding.ask(format!("print {name}"));
    }
    finding.ask("info locals")
}

/// A frame's canary: where its copy is, what is there now, and the thread's own.
fn canary(case: &Case<'_>, frame: usize) -> Option<(u64, u64, u64)> {
    let machine = case.frame(frame)?.machine;
    let registers = case.registers(machine)?;
    let expected = case.word(registers.thread_pointer?.checked_add(CANARY as u64)?)?;
    let tracer = Tracer::new(case, machine)?;
    let operations = &tracer.body.operations;
    let reads = |index: usize| {
        let operation = operations.get(index)?;
        let operand = operation.memory.first()?;
        let is_canary = operand.address.segment == Some(Segment::Fs) && operand.address.displacement == CANARY;
        if is_canary { operation.effects.first().map(|(register, _)| *register) } else { None }
    };
    let (index, register) = (0..operations.len()).find_map(|index| Some((index, reads(index)?)))?;
    let slot = operations.iter().skip(index + 1).take(6).find_map(|operation| match operation.store {
        Some((address, Source::Register(from, 8, _))) if from == register => address.effective(registers),
        _ => None,
    })?;
    let found = case.word(slot)?;
    (found != expected).then_some((slot, found, expected))
}

/// The array (or the object that ends in one) that ends nearest below the canary.
fn array_below(case: &Case<'_>, frame: usize, slot: u64) -> Option<(String, u64)> {
    let machine = case.frame(frame)?.machine;
    let types = &case.session.types;
    let mut best: Option<(u64, String, u64)> = None;
    for (index, found) in case.trace.frames.iter().enumerate() {
        if found.machine != machine {
            continue;
        }
        for variable in case.session.variable_places(&case.trace, index) {
            let (Ok(Place::Memory(start)), Some(size)) = (&variable.place, variable.size) else { continue };
            let kind = &types.stripped(variable.type_id).1.kind;
            if !matches!(kind, TypeKind::Array { .. } | TypeKind::Struct(_)) {
                continue;
            }
            let end = start.0.saturating_add(size);
            if end <= slot && slot - end <= 64 && best.as_ref().is_none_or(|(known, ..)| *known < end) {
                best = Some((end, variable.name.to_string(), size));
            }
        }
    }
    best.map(|(_, name, size)| (name, size))
}

/// A call that FORTIFY refused.
fn fortified(case: &Case<'_>, frame: usize) -> Finding {
    let checked = (case.fault_frame..frame).rev().find_map(|index| {
        let name = case.function(index)?.trim_start_matches("__GI_");
        Some(name.strip_prefix("__")?.strip_suffix("_chk")?.to_owned())
    });
    let checked = checked.or_else(|| {
        let name = case.callee(frame)?;
        Some(name.strip_prefix("__")?.strip_suffix("_chk")?.to_owned())
    });
    let call = checked.map_or("a call".to_owned(), |name| format!("{name}()"));
    let destination = Tracer::of_frame(case, frame).and_then(|tracer| {
        let sum = tracer.register(*argument_registers(case.arch()).first()?, tracer.here, 0)?;
        let address = tracer.value(&sum)?;
        let (name, start, type_id) = tracer.variable_around(address)?;
        (start == address).then_some((name, case.session.types.size(type_id)?))
    });
    let into = destination.as_ref().map(|(name, size)| format!(" into `{name}` ({size} bytes)")).unwrap_or_default();
    let summary = format!("buffer overflow: {call}{into} {} would have written past its end", case.in_at(frame));
    let mut finding = case.finding("fortify", Class::OutOfBounds, Certainty::Certain, frame, summary);
    if let Some((name, size)) = destination {
        finding =
            finding.with("destination", Some(&name), format!("{size} bytes")).ask(format!("print sizeof({name})"));
    }
    finding.ask("info locals")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assertions_are_taken_apart() {
        let assertion = Assertion::parse("prog: dir/a.c:12: check: Assertion `x > 'a'' failed.").expect("one");
        assert_eq!(
            (assertion.expression.as_str(), assertion.file.as_str(), assertion.line),
            ("x > 'a'", "dir/a.c", 12)
        );
        assert_eq!(assertion.function.as_deref(), Some("check"));
        let cpp = Assertion::parse("a: b.cpp:7: int ns::T::f(int): Assertion `p' failed.").expect("one");
        assert_eq!((cpp.line, cpp.function.as_deref()), (7, Some("int ns::T::f(int)")));
        assert!(Assertion::parse("free(): invalid pointer").is_none());
    }

    #[test]
    fn complaints() {
        let class = |message| complaint(message).map(|(class, _)| class);
        assert_eq!(class("free(): double free detected in tcache 2"), Some(Class::DoubleFree));
        assert_eq!(class("double free or corruption (!prev)"), Some(Class::DoubleFree));
        assert_eq!(class("free(): invalid pointer"), Some(Class::HeapCorruption));
        assert_eq!(class("corrupted size vs. prev_size"), Some(Class::HeapCorruption));
        assert_eq!(class("something else"), Some(Class::Abort));
    }
}
