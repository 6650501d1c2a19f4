//! Memory that had been freed, or was never written, was believed: the pointer was read from a block that the thread's
//! cache of free blocks holds, or is a pattern that allocators and debug builds fill memory with.
//!
//! The cache (glibc 2.26 and later, malloc/malloc.c, `tcache_perthread_struct`) of the main thread is the heap's first
//! block: 64 counts of 2 bytes (1 byte until 2.29), then 64 lists by size. From 2.32 on a link is mangled with its own
//! address (`PROTECT_PTR`). Other layouts are not found, and then nothing is said.

use crate::addr::RunAddr;
use crate::analyze::code::{Sum, Term, Tracer};
use crate::analyze::fault::{Refused, SIGBUS, SIGSEGV};
use crate::analyze::{Case, Certainty, Class, Finding};

/// Blocks of one list that are looked at (tcache_count is 7; tunables may raise it).
const MAX_LIST: usize = 64;
/// Lists.
const LISTS: u64 = 64;
/// (size of the counts, size of the first block): glibc 2.30 and later, 2.26 to 2.29.
const LAYOUTS: [(u64, u64); 2] = [(128, 0x290), (64, 0x250)];

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
    in_cache(case, &tracer, &sum, frame).or_else(|| pattern(case, &tracer, &sum, frame))
}

/// The pointers that the access went through, the last first: (name, value).
fn pointers(tracer: &Tracer<'_>, sum: &Sum, found: &mut Vec<(String, u64)>) {
    if found.len() > 8 {
        return;
    }
    for (_, term) in &sum.terms {
        if let (Some(named), Some(value)) = (tracer.rvalue(term, 0), tracer.term(term)) {
            found.push((named.text, value));
        }
        if let Term::Load { address, .. } = term {
            pointers(tracer, address, found);
        }
        if let Some(made_from) = crate::analyze::origin::made_from(tracer, term) {
            pointers(tracer, &made_from, found);
        }
    }
}

fn in_cache(case: &Case<'_>, tracer: &Tracer<'_>, sum: &Sum, frame: usize) -> Option<Finding> {
    let mut known = Vec::new();
    pointers(tracer, sum, &mut known);
    let (name, value, size) =
        known.into_iter().find_map(|(name, value)| Some((name, value, free_block(case, value)?)))?;
    let summary =
        format!("use after free: `{name}` {} leads to a block of {size} bytes that is free", case.in_at(frame));
    let finding = case.finding("use-after-free", Class::UseAfterFree, Certainty::Certain, frame, summary);
    let finding = finding.with("pointer", Some(&name), format!("{value:#x}"));
    let finding = finding.with("free block", None, format!("{size} bytes, in the thread's cache of free blocks"));
    Some(finding.ask(format!("print *{name}")).ask("info locals"))
}

/// The size of the free block that begins at the address.
fn free_block(case: &Case<'_>, block: u64) -> Option<u64> {
    if !block.is_multiple_of(16) || block < 0x1_0000 || case.arch().address_size() != 8 {
        return None;
    }
    let size = case.word(block.checked_sub(8)?)? & !7;
    if !(32..=0x410).contains(&size) || !size.is_multiple_of(16) {
        return None;
    }
    let heap = case.session.image.mapping_at(RunAddr(block)).filter(|mapping| mapping.file.is_none())?.start.0;
    let (counts, _) = LAYOUTS
        .into_iter()
        .find(|(_, first)| case.word(heap.wrapping_add(8)).is_some_and(|size| size & !7 == *first))?;
    let list = (size - 32) / 16;
    if list >= LISTS {
        return None;
    }
    let head = heap.checked_add(16 + counts + list * 8)?;
    let mut entry = case.word(head)?;
    for _ in 0..MAX_LIST {
        if entry == block {
            return Some(size - 8);
        }
        if entry == 0 || !entry.is_multiple_of(16) {
            return None;
        }
        let link = case.word(entry)?;
        let mangled = link ^ (entry >> 12);
        entry = if mangled == 0 || mangled.is_multiple_of(16) && case.is_mapped(mangled) { mangled } else { link };
    }
    None
}

fn pattern(case: &Case<'_>, tracer: &Tracer<'_>, sum: &Sum, frame: usize) -> Option<Finding> {
    let mut known = Vec::new();
    pointers(tracer, sum, &mut known);
    let listed =
        |value: u64, list: &[(u64, &'static str)]| list.iter().find(|(fill, _)| *fill == value).map(|(_, what)| *what);
    for (name, value) in known {
        let (class, what, said) = match (listed(value, FREED), listed(value, FRESH)) {
            (Some(what), _) => (Class::UseAfterFree, what, "use after free"),
            (_, Some(what)) => (Class::WildPointer, what, "uninitialised pointer"),
            _ => continue,
        };
        let summary = format!("{said}: `{name}` {} is {value:#x} ({what})", case.in_at(frame));
        let finding = case.finding("fill-pattern", class, Certainty::Likely, frame, summary);
        let finding = finding.with("pointer", Some(&name), format!("{value:#x}")).with("pattern", None, what);
        return Some(finding.ask(format!("print {name}")).ask("info locals"));
    }
    None
}
