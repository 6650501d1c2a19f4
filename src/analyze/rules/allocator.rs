//! A fault inside of the allocator: its data was written over before, or it was given a pointer that is not its own.

use crate::analyze::{Case, Certainty, Class, Finding};

/// The allocator's functions (glibc's, and what stands before other ones).
const FUNCTIONS: &[&str] = &[
    "malloc",
    "free",
    "cfree",
    "calloc",
    "realloc",
    "memalign",
    "aligned_alloc",
    "__libc_malloc",
    "__libc_free",
    "__libc_calloc",
    "__libc_realloc",
    "_int_malloc*",
    "_int_free*",
    "_int_realloc*",
    "unlink_chunk*",
    "malloc_consolidate*",
    "sysmalloc*",
    "operator new*",
    "operator delete*",
];

/// A fault of the allocator's own.
pub fn allocator(case: &Case<'_>) -> Vec<Finding> {
    found(case).into_iter().collect()
}

fn found(case: &Case<'_>) -> Option<Finding> {
    let fault = case.data_fault()?;
    let frame = case.own_frame(fault.frame).filter(|frame| *frame > fault.frame)?;
    // The outermost: what the program called.
    let called = (fault.frame..frame).rev().find(|index| case.is_function(*index, FUNCTIONS))?;
    let name = case.called(called);
    let address = fault.address.map(|address| format!(" at {address:#x}")).unwrap_or_default();
    let summary = format!(
        "heap corruption: {name}, called {}, faulted{address}: the heap was damaged before, or it was given what is no block of it",
        case.in_at(frame)
    );
    let finding = case.finding("allocator", Class::HeapCorruption, Certainty::Likely, frame, summary);
    Some(super::access::instruction_evidence(case, fault, finding).ask("bt").ask("info registers"))
}
