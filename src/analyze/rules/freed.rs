//! Memory that had been freed, or was never written, was believed: the pointer was read from a block that the thread's
//! cache of free blocks holds ([`heap`](crate::analyze::heap)), is what the allocator writes there, or is a pattern that allocators and debug builds fill memory with.

use super::pointers::links;
use crate::analyze::code::{Sum, Tracer};
use crate::analyze::fault::{Refused, SIGBUS, SIGSEGV};
use crate::analyze::{Case, Certainty, Class, Finding};

/// Bytes that freed memory is filled with: Microsoft's and others' debug heaps, jemalloc, kernels.
const FREED: &[(u64, &str)] = &[
    (0xdddd_dddd_dddd_dddd, "0xdd: a debug heap's freed memory"),
    (0xfeee_feee_feee_feee, "0xfeee: a debug heap's freed memory"),
    (0x5a5a_5a5a_5a5a_5a5a, "0x5a: jemalloc's freed memory"),
    (0x6b6b_6b6b_6b6b_6b6b, "0x6b: poisoned memory"),
    (0xdead_beef_dead_beef, "0xdeadbeef: marked as dead"),
    (0xefef_efef_efef_efef, "0xef: freed memory"),
];
/// Bytes that new memory is filled with.
const FRESH: &[(u64, &str)] = &[
    (0xcdcd_cdcd_cdcd_cdcd, "0xcd: a debug heap's new memory"),
    (0xcccc_cccc_cccc_cccc, "0xcc: a debug build's new stack memory"),
    (0xa5a5_a5a5_a5a5_a5a5, "0xa5: jemalloc's new memory"),
    (0xbaad_f00d_baad_f00d, "0xbaadf00d: new memory"),
    (0xaaaa_aaaa_aaaa_aaaa, "0xaa: memory that the compiler marked as not written (-ftrivial-auto-var-init=pattern)"),
    (0xbebe_bebe_bebe_bebe, "0xbe: a sanitizer's new memory"),
];

/// Freed or unwritten memory.
pub fn freed(case: &Case<'_>) -> Vec<Finding> {
    found(case).into_iter().collect()
}

fn found(case: &Case<'_>) -> Option<Finding> {
    if !matches!(case.signal_number(), SIGSEGV | SIGBUS) {
        return None;
    }
    let fault = case.fault().filter(|fault| fault.refused != Refused::Instruction)?;
    // A call through a pointer is made in the frame outside, unless the jump itself was refused.
    let operand = fault.operand.map(|operand| operand.address);
    let machine = if fault.refused == Refused::Fetch && operand.is_none() && fault.operation.is_none() {
        fault.machine + 1
    } else {
        fault.machine
    };
    let tracer = Tracer::new(case, machine)?;
    let sum = match operand {
        Some(address) => tracer.address(&address, tracer.here)?,
        None => tracer.source(&tracer.operation()?.through?, tracer.here)?,
    };
    let frame = case.to_blame(case.trace.frames.iter().position(|frame| frame.machine == machine)?);
    in_cache(case, &tracer, &sum, frame)
        .or_else(|| mark(case, &tracer, &sum, frame))
        .or_else(|| pattern(case, &tracer, &sum, frame))
}

fn in_cache(case: &Case<'_>, tracer: &Tracer<'_>, sum: &Sum, frame: usize) -> Option<Finding> {
    let mut known = Vec::new();
    links(tracer, sum, &mut known);
    let (name, value, block) =
        known.into_iter().find_map(|link| Some((link.name, link.value, case.free_blocks().at(link.value)?)))?;
    let size = block.size;
    let summary =
        format!("use after free: `{name}` {} leads to a block of {size} bytes that is free", case.in_at(frame));
    let finding = case.finding("use-after-free", Class::UseAfterFree, Certainty::Certain, frame, summary);
    let finding = finding.with("pointer", Some(&name), format!("{value:#x}"));
    let finding = finding.with("free block", None, format!("{size} bytes, in the thread's cache of free blocks"));
    Some(finding.ask(format!("print *{name}")).ask("info locals"))
}

/// The pointer is what the allocator itself writes in free blocks: so it was read from one.
fn mark(case: &Case<'_>, tracer: &Tracer<'_>, sum: &Sum, frame: usize) -> Option<Finding> {
    let (name, value, block, certainty, what) =
        candidates(case, tracer, sum).into_iter().find_map(|(name, value)| {
            let free = case.free_blocks();
            let marked = free
                .marked(value)
                .map(|block| (block, Certainty::Certain, "the mark that glibc writes in blocks that are free"));
            let found = marked.or_else(|| {
                let linked = free.linked(value)?;
                Some((linked, Certainty::Likely, "the link to the next free block that glibc keeps in one"))
            });
            let (block, certainty, what) = found?;
            Some((name, value, block, certainty, what))
        })?;
    let shown = name.as_ref().map_or_else(|| "a pointer".to_owned(), |name| format!("`{name}`"));
    let place = case.in_at(frame);
    let summary = format!("use after free: {shown} {place} was read from memory that is free: {value:#x} is {what}");
    let finding = case.finding("freed-mark", Class::UseAfterFree, certainty, frame, summary);
    let mut finding = finding.with("pointer", name.as_deref(), format!("{value:#x}"));
    if certainty == Certainty::Likely {
        let start = block.start;
        let size = block.size;
        finding =
            finding.with("free block", Some(&format!("{start:#x}")), format!("{size} bytes, begins with that link"));
    }
    Some(finding.ask("info locals").ask("info registers"))
}

/// The pointers by name, and what the operand's registers hold.
fn candidates(case: &Case<'_>, tracer: &Tracer<'_>, sum: &Sum) -> Vec<(Option<String>, u64)> {
    let mut known = Vec::new();
    links(tracer, sum, &mut known);
    // What a library calls it is no name of the program's.
    let in_library = case.fault().is_some_and(|fault| case.kind(fault.frame).is_some());
    let name = |name: String| (!in_library).then_some(name);
    let mut all: Vec<_> = known.into_iter().map(|link| (name(link.name), link.value)).collect();
    // What has a name, though its value is in a register alone.
    let object = case.fault().and_then(|fault| super::null_pointer::object_of(tracer, fault));
    let unread = object.and_then(|object| object.pointer).filter(|pointer| pointer.value.is_none());
    let unread = unread.filter(|_| !in_library).map(|pointer| pointer.named.text);
    if let (Some(operation), Some(registers)) = (tracer.operation(), case.registers(tracer.machine)) {
        let operands = operation.memory.iter().map(|operand| operand.address);
        let bases = operands.flat_map(|address| [address.base, address.index.map(|(index, _)| index)]);
        let values = bases.flatten().filter(|register| *register != case.arch().sp());
        for value in values.filter_map(|register| registers.get(register)) {
            if !all.iter().any(|(_, known)| *known == value) {
                all.push((unread.clone(), value));
            }
        }
    }
    all
}

fn pattern(case: &Case<'_>, tracer: &Tracer<'_>, sum: &Sum, frame: usize) -> Option<Finding> {
    let known = candidates(case, tracer, sum);
    let listed =
        |value: u64, list: &[(u64, &'static str)]| list.iter().find(|(fill, _)| *fill == value).map(|(_, what)| *what);
    for (name, value) in known {
        let (class, what, said) = match (listed(value, FREED), listed(value, FRESH)) {
            (Some(what), _) => (Class::UseAfterFree, what, "use after free"),
            (_, Some(what)) => (Class::WildPointer, what, "uninitialised pointer"),
            _ => continue,
        };
        let shown = name.as_ref().map_or_else(|| "a pointer".to_owned(), |name| format!("`{name}`"));
        let summary = format!("{said}: {shown} {} is {value:#x} ({what})", case.in_at(frame));
        let finding = case.finding("fill-pattern", class, Certainty::Likely, frame, summary);
        let mut finding = finding.with("pointer", name.as_deref(), format!("{value:#x}")).with("pattern", None, what);
        if let Some(name) = name {
            finding = finding.ask(format!("print {name}"));
        }
        return Some(finding.ask("info locals"));
    }
    None
}
