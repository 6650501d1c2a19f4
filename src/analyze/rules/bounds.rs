//! An index outside of its array, where the array's length is in its type: in the access that was refused.

use crate::analyze::code::Tracer;
use crate::analyze::fault::{Refused, SIGBUS, SIGSEGV};
use crate::analyze::{Case, Certainty, Class, Finding};

/// An index out of bounds.
pub fn out_of_bounds(case: &Case<'_>) -> Vec<Finding> {
    found(case).into_iter().collect()
}

fn found(case: &Case<'_>) -> Option<Finding> {
    if !matches!(case.signal_number(), SIGSEGV | SIGBUS) {
        return None;
    }
    let fault = case.fault().filter(|fault| fault.refused == Refused::Data)?;
    let tracer = Tracer::new(case, fault.machine)?;
    let object = super::null_pointer::object_of(&tracer, fault)?;
    let index = object.index.as_ref()?;
    let (value, count) = (index.value?, index.count?);
    // A last member of one or no element is C's way to write an array of any length.
    let flexible = object.pointer.is_some() && count <= 1;
    if flexible || u64::try_from(value).is_ok_and(|value| value < count) {
        return None;
    }
    // A null pointer is another rule's.
    if object
        .pointer
        .as_ref()
        .is_some_and(|pointer| pointer.value.is_none_or(|value| value < super::null_pointer::LOWEST))
    {
        return None;
    }
    let frame = case.to_blame(fault.frame);
    let summary = format!(
        "index out of bounds: `{}` {} at {}, `{}` is {value}, and `{}` has {count} elements",
        object.named.text,
        fault.verb(),
        case.place(fault.frame),
        index.named.text,
        index.array
    );
    let finding = case.finding("out-of-bounds", Class::OutOfBounds, Certainty::Certain, frame, summary);
    let finding = super::access::instruction_evidence(case, fault, finding);
    let finding = finding.with("index", Some(&index.named.text), value.to_string());
    let finding =
        finding.with("elements", Some(&format!("sizeof({0}) / sizeof({0}[0])", index.array)), count.to_string());
    Some(finding.ask(format!("print {}", index.named.text)).ask(format!("ptype {}", index.array)))
}
