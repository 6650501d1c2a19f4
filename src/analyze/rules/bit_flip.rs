//! An address that a single flipped bit separates from one that would have done: possible, never more.

use crate::addr::RunAddr;
use crate::analyze::fault::{Refused, SIGSEGV};
use crate::analyze::{Case, Certainty, Class, Finding};

/// Addresses so low are null's.
const LOWEST: u64 = 0x10_0000;

/// A flipped bit.
pub fn bit_flip(case: &Case<'_>) -> Vec<Finding> {
    found(case).into_iter().collect()
}

fn found(case: &Case<'_>) -> Option<Finding> {
    if case.signal_number() != SIGSEGV {
        return None;
    }
    let fault = case.fault().filter(|fault| fault.refused == Refused::Data)?;
    let operand = fault.operand.filter(|operand| operand.address.index.is_none())?;
    let base = case.registers(fault.machine)?.get(operand.address.base?)?;
    let address = fault.address.filter(|address| *address >= LOWEST)?;
    if case.is_mapped(address) {
        return None;
    }
    // What ran on past the end of memory was no bit that flipped.
    let is_edge = |mapping: &crate::image::Mapping| {
        mapping.end.0.abs_diff(address) < 4096 || mapping.start.0.abs_diff(address) < 4096
    };
    if case.session.image.mappings.iter().any(is_edge) {
        return None;
    }
    let needed = if operand.access.writes() { 2 } else { 4 };
    let fits = |flipped: u64| {
        let mapping = case.session.image.mapping_at(RunAddr(flipped));
        mapping.is_some_and(|mapping| mapping.flags & needed != 0) && flipped.is_multiple_of(operand.size.clamp(1, 8))
    };
    // Bits within a page move it inside of what is not mapped.
    let mut candidates = (12..64).filter(|bit| fits(address ^ 1 << bit));
    let bit = candidates.next()?;
    if candidates.next().is_some() {
        return None;
    }
    let meant = base ^ 1 << bit;
    let frame = case.to_blame(fault.frame);
    let region = case.region(meant);
    let summary =
        format!("one flipped bit: {base:#x} with bit {bit} flipped is {meant:#x}, in {region}; bad memory does that");
    let finding = case.finding("bit-flip", Class::BitFlip, Certainty::Possible, frame, summary);
    Some(finding.with("address", Some(&format!("{meant:#x}")), region).ask(format!("x/4xg {meant:#x}")))
}
