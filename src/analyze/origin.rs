//! Where a value came from: the call that returned it, the constant that it was set to, the caller that passed it.

use super::case::Case;
use super::code::{Sum, Term, Tracer, argument_registers};
use super::names::{Pointer, parameters};
use crate::arch::operation::{Flow, Source};

/// Callers that a value is followed into.
const MAX_CALLERS: usize = 4;

/// Where a value came from.
#[derive(Clone, PartialEq, Debug)]
pub struct Origin {
    /// `find() returned it`, `main() passed `head` for it at main.c:17`.
    pub text: String,
    /// The frame where it is to be seen.
    pub frame: usize,
}

/// Where the pointer's value came from, as far as the code and the callers tell.
pub fn of(tracer: &Tracer<'_>, pointer: &Pointer) -> Option<Origin> {
    of_term(tracer, &pointer.term, pointer.value, 0)
}

/// `find()`; nothing where the result has a name of its own, as what a smart pointer leads to.
fn call_text(tracer: &Tracer<'_>, term: &Term) -> Option<String> {
    Some(tracer.rvalue(term, 0)?.text).filter(|text| text.ends_with("()"))
}

fn of_term(tracer: &Tracer<'_>, term: &Term, value: Option<u64>, callers: usize) -> Option<Origin> {
    let case = tracer.case;
    let frame = innermost(case, tracer.machine)?;
    match term {
        Term::Result(..) => Some(Origin { text: format!("{} returned it", call_text(tracer, term)?), frame }),
        Term::Variable(name, ..) => {
            // Past the name: what the register was loaded with.
            let register = register_of(tracer, name);
            past_register(tracer, register, callers).or_else(|| passed(tracer, name, value, callers))
        }
        Term::Load { address, .. } => {
            let slot = tracer.value(address)?;
            let (name, start, _) = tracer.variable_around(slot)?;
            if start != slot {
                return None;
            }
            stored(tracer, slot, value).or_else(|| passed(tracer, &name, value, callers))
        }
        _ => None,
    }
}

/// What a variable's value was made from: past its name in the register that the access goes through, or the one store
/// into its slot.
pub fn made_from(tracer: &Tracer<'_>, term: &Term) -> Option<Sum> {
    let case = tracer.case;
    match term {
        Term::Variable(name, ..) => {
            let register = register_of(tracer, name)?;
            let mut unnamed = Tracer::new(case, tracer.machine)?;
            unnamed.names = false;
            unnamed.register(register, unnamed.here, 0)
        }
        Term::Load { address, .. } => {
            let slot = tracer.value(address)?;
            let (_, start, _) = tracer.variable_around(slot)?;
            let (index, source) = one_store(tracer, slot).filter(|_| start == slot)?;
            tracer.source(&source, index)
        }
        _ => None,
    }
}

/// The register of the access that holds the variable.
fn register_of(tracer: &Tracer<'_>, name: &str) -> Option<u16> {
    let operation = tracer.operation()?;
    let mut bases = operation.memory.iter().filter_map(|operand| operand.address.base);
    bases.find(|base| {
        let found = tracer.case.session.variable_in_register(operation.at, *base);
        found.is_some_and(|(found, ..)| &*found == name)
    })
}

fn past_register(tracer: &Tracer<'_>, register: Option<u16>, callers: usize) -> Option<Origin> {
    let case = tracer.case;
    let mut unnamed = Tracer::new(case, tracer.machine)?;
    unnamed.names = false;
    let sum = unnamed.register(register?, unnamed.here, 0)?;
    let frame = innermost(case, tracer.machine)?;
    match sum.single() {
        Some(term @ Term::Result(..)) => {
            Some(Origin { text: format!("{} returned it", call_text(tracer, term)?), frame })
        }
        Some(Term::Entry(register)) => passed_in(tracer, *register, None, callers),
        Some(term @ Term::Load { .. }) => {
            let from = tracer.rvalue(term, 0)?.text;
            Some(Origin { text: format!("it was read from `{from}`"), frame })
        }
        _ => None,
    }
}

/// The one store of the function into a variable's slot: its index, and what it stores.
fn one_store(tracer: &Tracer<'_>, slot: u64) -> Option<(usize, Source)> {
    let case = tracer.case;
    let registers = case.registers(tracer.machine)?;
    let sp = case.arch().sp();
    let stores = tracer.body.operations.iter().enumerate().filter_map(|(index, operation)| {
        let (address, source) = operation.store?;
        // The stack pointer moves; the frame's own register does not.
        let frame_based =
            address.base.is_some_and(|base| tracer.body.is_frame_register(case.arch(), base) && base != sp)
                || address.base == Some(sp) && index > 8;
        let here = address.effective(registers).filter(|_| frame_based)?;
        (here == slot).then_some((index, source))
    });
    let stores: Vec<(usize, Source)> = stores.collect();
    match stores.as_slice() {
        [one] => Some(*one),
        _ => None,
    }
}

/// Where what is in a variable's slot came from.
fn stored(tracer: &Tracer<'_>, slot: u64, value: Option<u64>) -> Option<Origin> {
    let case = tracer.case;
    let frame = innermost(case, tracer.machine)?;
    let (index, source) = one_store(tracer, slot)?;
    let line = tracer.body.operations.get(index).and_then(|operation| {
        let code = case.session.code(operation.at).into_iter().next()?;
        let file = code.file.as_deref()?.rsplit('/').next()?.to_owned();
        Some(format!(" at {file}:{}", code.line?))
    });
    let line = line.unwrap_or_default();
    let sum = tracer.source(&source, index)?;
    if sum.terms.is_empty() && value == Some(sum.constant as u64) {
        let what = if sum.constant == 0 { case.null_word(frame).to_owned() } else { format!("{:#x}", sum.constant) };
        return Some(Origin { text: format!("it was set to {what}{line}"), frame });
    }
    match sum.single()? {
        term @ Term::Result(..) => {
            Some(Origin { text: format!("{} returned it{line}", call_text(tracer, term)?), frame })
        }
        term @ (Term::Load { .. } | Term::Variable(..)) => {
            let from = tracer.rvalue(term, 0)?.text;
            Some(Origin { text: format!("it was read from `{from}`{line}"), frame })
        }
        _ => None,
    }
}

/// The caller's argument for the parameter of that name.
fn passed(tracer: &Tracer<'_>, name: &str, value: Option<u64>, callers: usize) -> Option<Origin> {
    let (_, parameters) = parameters(tracer.case, tracer.machine)?;
    let position = parameters.iter().position(|(known, _)| known == name)?;
    passed_in(tracer, *argument_registers(tracer.case.arch()).get(position)?, value, callers)
}

fn passed_in(tracer: &Tracer<'_>, register: u16, value: Option<u64>, callers: usize) -> Option<Origin> {
    let case = tracer.case;
    if callers >= MAX_CALLERS {
        return None;
    }
    let caller = Tracer::new(case, tracer.machine + 1)?;
    let call = caller.operation()?;
    if !matches!(call.flow, Flow::Call | Flow::IndirectCall) {
        return None;
    }
    let frame = innermost(case, caller.machine)?;
    let sum = caller.register(register, caller.here, 0)?;
    // A parameter that was given another value since says nothing of its caller.
    let differs = |passed: u64, now: u64| (passed ^ now) & 0xffff_ffff != 0;
    if value.zip(caller.value(&sum)).is_some_and(|(now, passed)| differs(passed, now)) {
        return None;
    }
    let called = case.called(frame);
    let place = case.at_line(frame);
    let recursion = case.function(frame).is_some()
        && case.function(frame) == innermost(case, tracer.machine).and_then(|inner| case.function(inner));
    if sum.terms.is_empty() {
        let what = if sum.constant == 0 { case.null_word(frame).to_owned() } else { format!("{:#x}", sum.constant) };
        return Some(Origin { text: format!("{called} passed {what} for it{place}"), frame });
    }
    let named = caller.expression(&sum)?;
    let further = sum.single().filter(|_| !recursion).and_then(|term| {
        of_term(&caller, term, caller.term(term), callers + 1).map(|origin| format!("; {}", origin.text))
    });
    let text = format!("{called} passed `{}` for it{place}{}", named.text, further.unwrap_or_default());
    Some(Origin { text, frame })
}

/// The innermost frame of a machine frame: where its line is.
pub fn innermost(case: &Case<'_>, machine: usize) -> Option<usize> {
    case.trace.frames.iter().position(|frame| frame.machine == machine && frame.tail_call.is_none())
}
