//! The address of a local variable whose function has returned: a pointer that the access went through leads into the
//! thread's own stack, below the frame that it is used in.
//!
//! ```text
//!    main     c ──┐         sp of main's frame
//!   ------------- │ ------------------------------ what is below it at the call is nobody's that main can know
//!    level    …   ▼         (another function's now)
//! ```

use super::pointers::{Link, through};
use crate::addr::RunAddr;
use crate::analyze::code::{Term, Tracer, argument_registers};
use crate::analyze::names::{Named, Pointer, integer};
use crate::analyze::{Case, Certainty, Class, Finding, origin};
use crate::arch::Arch;
use crate::session::Role;
use crate::types::TypeKind;

/// Bytes below the stack pointer that a function without calls of its own may use (System V psABI of x86-64, 3.2.2).
const RED_ZONE: u64 = 128;
/// Frames outside of the one at fault that are asked for the pointer.
const CALLERS: usize = 8;

/// A pointer to a returned function's variable.
pub fn dead_frame(case: &Case<'_>) -> Vec<Finding> {
    found(case).into_iter().collect()
}

fn found(case: &Case<'_>) -> Option<Finding> {
    let (tracer, links) = through(case)?;
    // What the access itself went by comes first; the bad pointer is one of those further back.
    links.iter().find_map(|link| of_link(case, &tracer, link))
}

fn of_link(case: &Case<'_>, tracer: &Tracer<'_>, link: &Link) -> Option<Finding> {
    let value = link.value;
    let sp = case.registers(tracer.machine)?.sp()?;
    let stack = case.session.image.mapping_at(RunAddr(sp))?;
    if !(stack.start.0..stack.end.0).contains(&value) || stack.file.is_some() {
        return None;
    }
    let red_zone = if case.arch() == Arch::X86_64 { RED_ZONE } else { 0 };
    let frame = case.to_blame(origin::innermost(case, tracer.machine)?);
    let (holder, certainty) = if value < sp.saturating_sub(red_zone) {
        (None, Certainty::Certain)
    } else {
        let outer = case.registers(tracer.machine + 1)?.sp()?;
        let held = held_outside(case, tracer.machine, value).filter(|(.., sp)| value < *sp);
        // It came as an argument: so it led there before this function had a frame.
        let passed =
            value < outer && (is_entry(tracer, &link.term) || held.is_some() && is_argument(case, tracer, &link.name));
        match (held, passed) {
            (held, true) => (held.map(|(frame, name, _)| (frame, name)), Certainty::Certain),
            (Some((frame, name, _)), false) => (Some((frame, name)), Certainty::Likely),
            (None, false) => return None,
        }
    };
    let mut summary = format!(
        "use after return: `{}` {} leads to {value:#x}, in the stack of a function that has returned",
        link.name,
        case.in_at(frame)
    );
    let pointer = Pointer {
        named: Named { text: link.name.clone(), type_id: None },
        term: link.term.clone(),
        value: Some(value),
    };
    let origin = origin::of(tracer, &pointer);
    if let Some(origin) = &origin {
        summary = format!("{summary}; {}", origin.text);
    }
    let finding = case.finding("dead-frame", Class::UseAfterFree, certainty, frame, summary);
    let mut finding = finding.with("pointer", Some(&link.name), format!("{value:#x}"));
    finding = match holder {
        Some((index, name)) => finding.with(
            "stack",
            Some("$sp"),
            format!("{} has `{name}` too, and its own frame begins above that address", case.called(index)),
        ),
        None if certainty == Certainty::Certain && value < sp => {
            finding.with("stack", Some("$sp"), format!("{sp:#x}: below it there are no variables"))
        }
        None => finding.with("stack", None, "the caller's stack ended above that address when it passed it"),
    };
    if let Some(origin) = origin {
        finding = finding.with("origin", None, origin.text);
    }
    Some(finding.ask(format!("print {}", link.name)).ask("bt"))
}

/// Whether it is what the function was called with, still.
fn is_entry(tracer: &Tracer<'_>, term: &Term) -> bool {
    match term {
        Term::Entry(_) => true,
        Term::Variable(name, Role::Argument, _) => {
            let Some(operation) = tracer.operation() else { return false };
            let case = tracer.case;
            let holds = |register: &u16| {
                let found = case.session.variable_in_register(operation.at, *register);
                found.is_some_and(|(found, ..)| found == *name)
            };
            let register = argument_registers(case.arch()).iter().copied().find(holds);
            let unnamed = Tracer::new(case, tracer.machine).map(Tracer::without_names);
            let sum = unnamed.zip(register).and_then(|(unnamed, register)| unnamed.register(register, unnamed.here, 0));
            sum.is_some_and(|sum| matches!(sum.single(), Some(Term::Entry(_))))
        }
        _ => false,
    }
}

fn is_argument(case: &Case<'_>, tracer: &Tracer<'_>, name: &str) -> bool {
    let Some(frame) = origin::innermost(case, tracer.machine) else { return false };
    let places = case.session.variable_places(&case.trace, frame);
    places.iter().any(|place| place.role == Role::Argument && *place.name == *name)
}

/// The outermost of the next frames that has a pointer to the address in a variable: its index, the variable, and where its
/// stack ended when it made its call.
fn held_outside(case: &Case<'_>, machine: usize, value: u64) -> Option<(usize, String, u64)> {
    let types = &case.session.types;
    let mut found = None;
    for (index, frame) in case.trace.frames.iter().enumerate() {
        if frame.machine <= machine || frame.tail_call.is_some() {
            continue;
        }
        if frame.machine > machine + CALLERS {
            break;
        }
        if case.kind(index).is_some() {
            continue;
        }
        let sp = case.registers(frame.machine)?.sp()?;
        for variable in case.session.variable_places(&case.trace, index) {
            let is_pointer = matches!(types.stripped(variable.type_id).1.kind, TypeKind::Pointer { .. });
            let Ok(place) = &variable.place else { continue };
            if is_pointer && integer(case, place, variable.type_id) == Some(value) {
                found = Some((index, variable.name.to_string(), sp));
            }
        }
    }
    found
}
