//! The stack was used up: the access at fault is at the stack pointer, below the end of what is mapped for the stack.
//!
//! The recursion is the shortest run of functions that the innermost frames repeat; its driver is an argument that
//! changes from one level to the next.

use crate::addr::RunAddr;
use crate::analyze::{Case, Certainty, Class, Finding};
use crate::session::Role;
use crate::value::{Limits, ValueKind};

/// Bytes between the stack pointer and the access: a frame's arrays, and the red zone.
const REACH: u64 = 1 << 20;
/// Functions that one level of a recursion may run through.
const LONGEST_CYCLE: usize = 24;
/// Frames of what the recursion called last.
const CALLED: usize = 32;
/// Repetitions that make a recursion.
const REPETITIONS: usize = 4;

/// A used-up stack.
pub fn stack_overflow(case: &Case<'_>) -> Vec<Finding> {
    found(case).into_iter().collect()
}

fn found(case: &Case<'_>) -> Option<Finding> {
    let fault = case.data_fault()?;
    let address = fault.address?;
    let sp = case.registers(fault.machine)?.sp()?;
    let near = address.abs_diff(sp) <= REACH;
    if !near || address < super::null_pointer::LOWEST {
        return None;
    }
    let image = &case.session.image;
    let mapping = image.mapping_at(RunAddr(address));
    let refused = mapping.is_none_or(|mapping| mapping.flags & 6 == 0);
    if !refused {
        return None;
    }
    // The stack itself: what is mapped next above the address.
    let stack = image.mappings.iter().find(|mapping| mapping.start.0 > address && mapping.flags & 6 != 0)?;
    let outermost = case.trace.stack.frames.iter().rev().find_map(|frame| frame.cfa)?;
    let holds_stack = stack.start.0 <= outermost.0 && outermost.0 <= stack.end.0;
    let below = stack.start.0.saturating_sub(address) <= REACH || sp < stack.start.0;
    if !holds_stack || !below {
        return None;
    }
    let used = outermost.0.saturating_sub(sp);
    let cycle = cycle(case);
    let whole = case.trace.frames.len() + case.trace.stack.omitted;
    let frame = match &cycle {
        Some(cycle) => cycle.start,
        None => case.to_blame(fault.frame),
    };
    let what = match &cycle {
        Some(cycle) => format!("{} recursed without end", cycle.text(case)),
        None => {
            let largest = largest_frame(case);
            match largest {
                Some((index, size)) if size > used / 2 => {
                    format!("the frame of {} alone has {size} bytes", case.called(index))
                }
                _ => format!("{whole} frames"),
            }
        }
    };
    let frame = match (&cycle, largest_frame(case)) {
        (None, Some((index, size))) if size > used / 2 => index,
        _ => frame,
    };
    let summary = format!("stack overflow: {what}; {used} bytes of stack are used, {whole} frames deep");
    let mut finding = case.finding("stack-overflow", Class::StackOverflow, Certainty::Certain, frame, summary);
    finding = super::access::instruction_evidence(case, fault, finding);
    finding = finding.with("stack pointer", Some("$sp"), format!("{sp:#x}"));
    finding = finding.with("stack", Some(&format!("{:#x}", stack.start.0)), format!("{}-{}", stack.start, stack.end));
    if let Some(cycle) = &cycle {
        for offset in 0..cycle.length {
            let index = cycle.start + offset;
            if let Some(size) = frame_size(case, index) {
                finding = finding.with("frame size", None, format!("{} {size} bytes", case.called(index)));
            }
        }
        if let Some((name, texts)) = driver(case, cycle) {
            finding.summary = format!("{}; `{name}` changes with each level", finding.summary);
            finding = finding.with("driver", Some(&name), texts).ask(format!("print {name}"));
        }
    }
    Some(finding.ask("bt"))
}

/// A recursion among the innermost frames.
struct Cycle {
    start: usize,
    length: usize,
}

impl Cycle {
    fn text(&self, case: &Case<'_>) -> String {
        let names: Vec<String> = (self.start..self.start + self.length).rev().map(|index| case.called(index)).collect();
        match names.as_slice() {
            [name] => name.clone(),
            names => names.join(" → "),
        }
    }
}

fn cycle(case: &Case<'_>) -> Option<Cycle> {
    let key = |index: usize| {
        let frame = case.frame(index)?;
        Some((frame.code.symbol.clone().or(frame.code.function.clone())?, frame.inlined))
    };
    // The innermost frames may be functions that the recursion calls; what a handler of the signal ran is no part of it.
    for start in (case.fault_frame..).take(CALLED) {
        for length in 1..=LONGEST_CYCLE {
            let same = (0..length * REPETITIONS).all(|offset| {
                let one = key(start + offset);
                one.is_some() && one == key(start + offset + length)
            });
            if same {
                return Some(Cycle { start, length });
            }
        }
    }
    None
}

fn frame_size(case: &Case<'_>, index: usize) -> Option<u64> {
    let machine = case.frame(index)?.machine;
    let frames = &case.trace.stack.frames;
    let own = frames.get(machine)?.cfa?;
    // A handler of the signal may have a stack of its own.
    let inner = match machine.checked_sub(1).and_then(|inner| frames.get(inner)).filter(|inner| !inner.signal) {
        Some(inner) => inner.cfa?.0,
        None => frames.get(machine)?.registers.sp()?,
    };
    own.0.checked_sub(inner)
}

fn largest_frame(case: &Case<'_>) -> Option<(usize, u64)> {
    let first = case.fault_frame;
    let sized =
        (first..case.trace.frames.len().min(first + 64)).filter_map(|index| Some((index, frame_size(case, index)?)));
    sized.max_by_key(|(index, size)| (*size, std::cmp::Reverse(*index)))
}

/// An argument whose value differs in each of the first levels.
fn driver(case: &Case<'_>, cycle: &Cycle) -> Option<(String, String)> {
    let limits = Limits { depth: 0, items: 0, string: 0, follow: false, raw: true, objects: true, statics: false };
    let scalar = |kind: &ValueKind| match kind {
        ValueKind::Int(value) => Some(value.to_string()),
        ValueKind::Uint(value) => Some(value.to_string()),
        ValueKind::Char { code, .. } => Some(code.to_string()),
        ValueKind::Pointer { address, .. } => Some(format!("{:#x}", (*address)?.0)),
        _ => None,
    };
    let level = |number: usize| {
        let variables = case.session.variables(&case.trace, cycle.start + number * cycle.length, &limits);
        let arguments = variables.into_iter().filter(|variable| variable.role == Role::Argument);
        arguments.filter_map(|variable| Some((variable.name, scalar(&variable.value.kind)?))).collect::<Vec<_>>()
    };
    let levels: Vec<_> = (1..=REPETITIONS).map(level).collect();
    let first = levels.first()?;
    for (name, _) in first {
        let values: Option<Vec<&String>> =
            levels.iter().map(|level| level.iter().find(|(known, _)| known == name).map(|(_, value)| value)).collect();
        let Some(values) = values else { continue };
        let distinct: std::collections::HashSet<&String> = values.iter().copied().collect();
        if distinct.len() == values.len() {
            let texts: Vec<&str> = values.iter().map(|value| value.as_str()).collect();
            return Some((name.to_string(), format!("{}, … (innermost first)", texts.join(", "))));
        }
    }
    None
}
