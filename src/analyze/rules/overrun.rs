//! A pointer that a text ran over: its bytes are letters, and the text that they belong to begins in the array before it.

use super::control_flow::text_in;
use super::pointers::{Link, through};
use crate::addr::RunAddr;
use crate::analyze::code::{Sum, Term, Tracer};
use crate::analyze::names::target;
use crate::analyze::parts::part_at;
use crate::analyze::{Case, Certainty, Class, Finding};
use crate::types::{TypeId, TypeTable};

/// Bytes before the pointer among which the text begins.
const FARTHEST: u64 = 4096;
/// Bytes of it before the pointer, at least.
const SHORTEST: u64 = 4;

/// A text that ran over a pointer.
pub fn overrun(case: &Case<'_>) -> Vec<Finding> {
    found(case).into_iter().collect()
}

fn found(case: &Case<'_>) -> Option<Finding> {
    let (tracer, links) = through(case)?;
    let frame = case.to_blame(crate::analyze::origin::innermost(case, tracer.machine)?);
    links.iter().find_map(|link| of_link(case, &tracer, link, frame))
}

fn of_link(case: &Case<'_>, tracer: &Tracer<'_>, link: &Link, frame: usize) -> Option<Finding> {
    text_in(link.value)
        .or_else(|| super::control_flow::pattern_text(link.value, 8).filter(|_| is_printable(link.value)))?;
    let Term::Load { address, .. } = &link.term else { return None };
    let slot = tracer.value(address)?;
    let is_text = |at: u64| {
        let byte = case.memory().read_uint(RunAddr(at), 1).ok();
        byte.is_some_and(|byte| (0x20..0x7f).contains(&byte) || matches!(byte, 9 | 10 | 13))
    };
    let before = (1..FARTHEST).take_while(|back| slot.checked_sub(*back).is_some_and(is_text)).count() as u64;
    if before < SHORTEST {
        return None;
    }
    let start = slot - before;
    let (array, size) = array_around(case, tracer, address, start, slot)?;
    let text = case.text_at(start)?;
    let shown: String = text.chars().take(60).collect();
    let summary = format!(
        "out of bounds: the text {shown:?} in `{array}` ({size} bytes) runs on over `{}`, which is used {}",
        link.name,
        case.in_at(frame)
    );
    let finding = case.finding("overrun", Class::OutOfBounds, Certainty::Likely, frame, summary);
    let finding = finding.with("array", Some(&array), format!("{size} bytes, the text has {}", text.len()));
    let finding = finding.with("pointer", Some(&link.name), format!("{:#x}, the bytes of a text", link.value));
    Some(finding.ask(format!("print {array}")).ask(format!("x/s {start:#x}")))
}

fn is_printable(value: u64) -> bool {
    value.to_le_bytes().iter().all(|byte| (0x20..0x7f).contains(byte))
}

/// The array that `start` is in and that ends at or before `slot`: its name and its bytes.
fn array_around(case: &Case<'_>, tracer: &Tracer<'_>, address: &Sum, start: u64, slot: u64) -> Option<(String, u64)> {
    let types = &case.session.types;
    if let Some((name, first, type_id)) = tracer.variable_around(start) {
        let (path, size) = array_at(types, type_id, start - first)?;
        return Some((format!("{name}{path}"), size));
    }
    // A member of what a pointer leads to, as the pointer itself is.
    let [(1, term)] = address.terms.as_slice() else { return None };
    let named = tracer.rvalue(term, 0)?;
    let holder = target(types, named.type_id?)?;
    let offset = u64::try_from(address.constant).ok()?.checked_sub(slot - start)?;
    let (path, size) = array_at(types, types.complete(types.strip(holder)), offset)?;
    let member = path.strip_prefix('.')?;
    Some((format!("{}->{member}", named.text), size))
}

/// The array of characters at the offset in an object: what is written behind the object's name for it, and its bytes.
fn array_at(types: &TypeTable, type_id: TypeId, offset: u64) -> Option<(String, u64)> {
    let (path, part) = part_at(types, type_id, offset, 1)?;
    if types.size(part) != Some(1) {
        return None;
    }
    let path = path.rsplit_once('[')?.0.to_owned();
    // The array's own size: as many elements as still lie in it.
    let inside = |at: u64| {
        part_at(types, type_id, at, 1)
            .is_some_and(|(other, _)| other.rsplit_once('[').is_some_and(|(other, _)| other == path))
    };
    let first = (0..=offset).rev().take_while(|at| inside(*at)).last()?;
    let size = (first..).take(FARTHEST as usize).take_while(|at| inside(*at)).count() as u64;
    Some((path, size))
}
