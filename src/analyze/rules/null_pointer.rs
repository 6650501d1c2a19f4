//! A null pointer was followed: the access's pointer is 0, or nearly.
//!
//! `certain` where the register or variable that the address is computed from holds 0; a pointer that is small but not
//! 0 (a member's address of a null object, passed on) is `likely`.

use crate::analyze::code::Tracer;
use crate::analyze::fault::{Fault, Refused, SIGSEGV};
use crate::analyze::names::{Object, Pointer};
use crate::analyze::origin;
use crate::analyze::{Case, Certainty, Class, Finding};

/// No program maps its first pages (vm.mmap_min_addr is 65536, at least 4096).
pub(super) const LOWEST: u64 = 0x1_0000;
/// Bytes before null that are as good as null.
pub(super) const NEARLY: u64 = 0x1000;

/// A null pointer.
pub fn null_pointer(case: &Case<'_>) -> Vec<Finding> {
    found(case).into_iter().collect()
}

fn found(case: &Case<'_>) -> Option<Finding> {
    let fault = case.fault().filter(|fault| fault.refused == Refused::Data)?;
    if case.signal_number() != SIGSEGV {
        return None;
    }
    let operand = fault.operand?;
    let registers = case.registers(fault.machine)?;
    let base = operand.address.base.and_then(|base| registers.get(base));
    let index = operand.address.index;
    let index_value = index.and_then(|(index, _)| registers.get(index));
    let address = fault.address?;
    // Where the base is 0, any offset and index is behind a null pointer.
    let base_is_null = base == Some(0) || operand.address.base.is_none() && index_value == Some(0);
    let traced = Tracer::new(case, fault.machine);
    let object = traced.as_ref().and_then(|tracer| object_of(tracer, fault));
    let pointer_is_null =
        object.as_ref().and_then(|object| object.pointer.as_ref()).is_some_and(|p| p.value == Some(0));
    if let Some(finding) = error_value(case, fault, &traced, object.as_ref(), base) {
        return Some(finding);
    }
    let before_null = address.wrapping_neg() <= NEARLY;
    if !(address < LOWEST || before_null || base_is_null && index.is_none() || pointer_is_null) {
        return None;
    }
    if case.is_mapped(address) {
        return None;
    }
    // Frames of a library: the pointer is its caller's, and another rule's matter.
    let frame = case.to_blame(fault.frame);
    // In a library's code the register may be any; which argument is null is for the rule of calls to say.
    let outside = case.frame(frame).is_none_or(|frame| frame.machine != fault.machine);
    let in_library = outside && object.is_none();
    let sure = (base_is_null || pointer_is_null) && !in_library;
    let certainty = if sure { Certainty::Certain } else { Certainty::Likely };
    let verb = fault.verb();
    let pointer = object.as_ref().and_then(|object| object.pointer.clone());
    let origin = match (&traced, &pointer) {
        (Some(tracer), Some(pointer)) => origin::of(tracer, pointer),
        _ => None,
    };
    let summary = summary(case, fault, object.as_ref(), pointer.as_ref(), verb);
    let summary = match &origin {
        Some(origin) => format!("{summary}; {}", origin.text),
        None => summary,
    };
    let mut finding = case.finding("null-pointer", Class::NullPointer, certainty, frame, summary);
    finding = super::access::instruction_evidence(case, fault, finding);
    if let Some(pointer) = &pointer {
        let value = super::access::pointer_text(case, fault, pointer);
        finding = finding.with("pointer", Some(&pointer.named.text), value);
        finding = finding.ask(format!("print {}", pointer.named.text));
    }
    if let Some(origin) = origin {
        finding = crate::analyze::errno::with_errno(case, finding, &origin.text);
        finding = finding.with("origin", None, origin.text);
        if origin.frame != frame {
            finding = finding.ask(format!("frame {}", case.frame(origin.frame).map_or(0, |frame| frame.index)));
        }
    }
    // Which of its caller's arguments it is says more.
    if outside && case.kind(fault.frame) == Some("libc") {
        finding = finding.as_symptom();
    }
    Some(finding.ask("info locals").ask("list"))
}

/// -1 used as a pointer: what `mmap`, `shmat` and others return where they fail.
fn error_value(
    case: &Case<'_>,
    fault: &Fault,
    traced: &Option<Tracer<'_>>,
    object: Option<&Object>,
    base: Option<u64>,
) -> Option<Finding> {
    let pointer = object.and_then(|object| object.pointer.as_ref());
    if pointer.map_or(base, |pointer| pointer.value.or(base)) != Some(u64::MAX) {
        return None;
    }
    let frame = case.to_blame(fault.frame);
    let origin = pointer.zip(traced.as_ref()).and_then(|(pointer, tracer)| origin::of(tracer, pointer));
    let name = pointer.map_or_else(|| "a pointer".to_owned(), |pointer| format!("`{}`", pointer.named.text));
    let said = origin.as_ref().map(|origin| format!("; {}", origin.text)).unwrap_or_default();
    // In memory it may be what that was filled with.
    let (certainty, like) = match said.contains("returned it") {
        true => (Certainty::Certain, "MAP_FAILED and its like"),
        false => (Certainty::Likely, "MAP_FAILED and its like, or memory filled with 0xff"),
    };
    let summary = format!("error value used as a pointer: {name} is -1 ({like}) {}{said}", case.in_at(frame));
    let finding = case.finding("error-value", Class::WildPointer, certainty, frame, summary);
    let mut finding = super::access::instruction_evidence(case, fault, finding);
    if let Some(pointer) = pointer {
        finding = finding.with("pointer", Some(&pointer.named.text), "-1");
        finding = finding.ask(format!("print {}", pointer.named.text));
    }
    if let Some(origin) = origin {
        finding = crate::analyze::errno::with_errno(case, finding, &origin.text).with("origin", None, origin.text);
    }
    Some(finding.ask("info locals"))
}

/// What the refused access is about, in the program's names; only where that comes to the address at fault.
pub(super) fn object_of(tracer: &Tracer<'_>, fault: &Fault) -> Option<Object> {
    let operand = fault.operand?;
    let sum = tracer.address(&operand.address, tracer.here)?;
    // A tag in the pointer's top byte is no part of the address.
    let computed = tracer.value(&sum);
    let plain = computed.map(|computed| tracer.case.arch().strip_pointer(computed));
    if computed.is_some() && computed != fault.address && plain != fault.address {
        return None;
    }
    let object = tracer.object(&sum, operand.size);
    let reserved = |object: &Object| {
        let mut words = object.named.text.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.any(|word| word.starts_with("__") || word == "this" && !tracer.is_method())
    };
    if object.as_ref().is_some_and(|object| !reserved(object)) {
        return object;
    }
    tracer.past_reserved.set(true);
    let further = tracer.address(&operand.address, tracer.here).and_then(|sum| tracer.object(&sum, operand.size));
    tracer.past_reserved.set(false);
    further.filter(|further| !reserved(further)).or(object)
}

fn summary(case: &Case<'_>, fault: &Fault, object: Option<&Object>, pointer: Option<&Pointer>, verb: &str) -> String {
    let null = case.null_word(fault.frame);
    let address = fault.address.unwrap_or(0);
    // A library's own words say little without whom it was called by.
    let frame = case.to_blame(fault.frame);
    let is_inside = case.kind(fault.frame).is_some() && frame != fault.frame;
    let place = match is_inside {
        true => super::access::inside(case, fault, frame),
        false => format!("at {}", case.place(fault.frame)),
    };
    match (object, pointer) {
        (Some(object), Some(pointer)) if pointer.value.is_none_or(|value| value == 0) => {
            format!("null pointer: `{}` {verb} {place}, `{}` is {null}", object.named.text, pointer.named.text)
        }
        (Some(object), Some(pointer)) => format!(
            "null pointer: `{}` {verb} {place}, `{}` is {:#x}: nearly {null}",
            object.named.text,
            pointer.named.text,
            pointer.value.unwrap_or(0)
        ),
        _ => {
            let at = match address.wrapping_neg() {
                below @ 1..=NEARLY => format!("address {address:#x} ({null} - {below})"),
                _ => format!("address {address:#x}"),
            };
            format!("null pointer: {at} {verb} {}", super::access::inside(case, fault, frame))
        }
    }
}
