//! The pointers that an access went through: `c->levels[2]` by `c->levels`, and that by `c`.

use crate::addr::RunAddr;
use crate::analyze::Case;
use crate::analyze::code::{Sum, Term, Tracer};
use crate::analyze::fault::{Fault, Refused, SIGBUS, SIGILL, SIGSEGV};
use crate::types::TypeId;
use crate::value::Place;

/// Pointers that are followed.
const MAX_LINKS: usize = 8;
/// Frames outside of the one at fault whose variables are asked.
const CALLERS: usize = 16;

/// A pointer on the way.
#[derive(Clone, Debug)]
pub struct Link {
    /// As an expression.
    pub name: String,
    /// What it is made from.
    pub term: Term,
    /// What it holds.
    pub value: u64,
}

/// What the access or call that was refused went through, the last pointer first, as the frame that made it has it.
pub fn through<'a>(case: &'a Case<'a>) -> Option<(Tracer<'a>, Vec<Link>)> {
    if !matches!(case.signal_number(), SIGSEGV | SIGBUS | SIGILL) {
        return None;
    }
    let fault = case.fault().filter(|fault| fault.refused != Refused::Instruction)?;
    // A call through a pointer is made in the frame outside.
    let outside = fault.refused == Refused::Fetch && fault.operation.is_none();
    let tracer = Tracer::new(case, if outside { fault.machine + 1 } else { fault.machine })?;
    let links = chain(&tracer, fault);
    Some((tracer, links))
}

fn chain(tracer: &Tracer<'_>, fault: &Fault) -> Vec<Link> {
    let sum = match fault.operand {
        Some(operand) => tracer.address(&operand.address, tracer.here),
        None => tracer.operation().and_then(|operation| tracer.source(&operation.through?, tracer.here)),
    };
    let mut found = Vec::new();
    if let Some(sum) = sum {
        links(tracer, &sum, &mut found);
    }
    found
}

/// The pointers that a sum is made from.
pub fn links(tracer: &Tracer<'_>, sum: &Sum, found: &mut Vec<Link>) {
    if found.len() > MAX_LINKS {
        return;
    }
    for (_, term) in &sum.terms {
        if let (Some(named), Some(value)) = (tracer.rvalue(term, 0), tracer.term(term)) {
            found.push(Link { name: named.text, term: term.clone(), value });
        }
        if let Term::Load { address, .. } = term {
            links(tracer, address, found);
        }
        if let Some(made_from) = crate::analyze::origin::made_from(tracer, term) {
            links(tracer, &made_from, found);
        }
    }
}

/// The variable around an address: of the frame, of those outside of it, or of none: name, first address, type.
pub fn variable_anywhere(case: &Case<'_>, tracer: &Tracer<'_>, address: u64) -> Option<(String, u64, TypeId)> {
    tracer.variable_around(address).or_else(|| {
        let sp = case.registers(tracer.machine)?.sp()?;
        let stack = case.session.image.mapping_at(RunAddr(sp))?;
        if !(stack.start.0..stack.end.0).contains(&address) {
            return None;
        }
        variable_within(case, tracer.machine + 1, address).map(|(_, name, start, type_id)| (name, start, type_id))
    })
}

/// The variable of a machine frame, or of one outside of it, that covers the address: the frame, name, first address, type.
pub fn variable_within(case: &Case<'_>, machine: usize, address: u64) -> Option<(usize, String, u64, TypeId)> {
    let frames = case.trace.frames.iter().enumerate();
    let outside = frames.filter(|(_, frame)| (machine..=machine + CALLERS).contains(&frame.machine));
    for (index, _) in outside {
        for variable in case.session.variable_places(&case.trace, index) {
            let (Ok(Place::Memory(start)), Some(size)) = (&variable.place, variable.size) else { continue };
            if address.wrapping_sub(start.0) < size {
                return Some((index, variable.name.to_string(), start.0, variable.type_id));
            }
        }
    }
    None
}

/// What an address that no allocation returned is in: a variable, a text, a file's data, a stack. `None` of what may be the
/// heap's, and where nothing is mapped.
pub fn outside_heap(case: &Case<'_>, tracer: &Tracer<'_>, address: u64) -> Option<String> {
    let mapping = case.session.image.mapping_at(RunAddr(address))?;
    let stack = case.registers(tracer.machine).and_then(|registers| registers.sp());
    let in_stack = stack.is_some_and(|sp| (mapping.start.0..mapping.end.0).contains(&sp));
    if in_stack && let Some((frame, name, ..)) = variable_within(case, tracer.machine, address) {
        return Some(format!("the local variable `{name}` of {}", case.called(frame)));
    }
    match tracer.variable_around(address) {
        Some((name, ..)) => Some(format!("the variable `{name}`")),
        None if in_stack => Some("a place in this thread's stack".to_owned()),
        None if mapping.file.is_some() => match super::access::constant_text(case, address) {
            Some(text) if mapping.flags & 2 == 0 => Some(format!("the constant text {text:?}")),
            _ => Some(case.region(address)),
        },
        None => None,
    }
}
