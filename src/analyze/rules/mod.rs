//! The rules, one a file.

mod access;
mod allocator;
mod bad_call;
mod bit_flip;
mod bounds;
mod control_flow;
mod cpp;
mod dead_frame;
mod deadlock;
mod division;
mod format;
mod freed;
mod glibc;
mod go;
mod instruction;
mod library_assert;
mod memory_tags;
mod null_pointer;
mod overrun;
mod pointers;
mod rust;
mod rust_arguments;
mod rust_assert;
mod rust_errors;
mod rust_message;
mod rust_payload;
mod rust_unnamed;
mod sanitizer;
mod sanitizer_calls;
mod sent;
mod stack_overflow;
pub(super) mod surroundings;
pub(super) mod unknown;

use super::{Case, Finding};

/// Turns a case into findings.
pub type Rule = fn(&Case<'_>) -> Vec<Finding>;

/// Every rule; among findings of one rank, those of earlier rules come first.
pub const RULES: &[Rule] = &[
    stack_overflow::stack_overflow,
    cpp::uncaught_exception,
    sanitizer::reported,
    rust::panic,
    go::panic,
    library_assert::library_assertion,
    glibc::reported,
    control_flow::ran_on,
    format::format,
    memory_tags::memory_tags,
    bad_call::bad_call,
    allocator::allocator,
    null_pointer::null_pointer,
    bounds::out_of_bounds,
    freed::freed,
    dead_frame::dead_frame,
    overrun::overrun,
    control_flow::bad_control_flow,
    division::division,
    instruction::instruction,
    access::refused_access,
    deadlock::deadlock,
    sent::sent,
    bit_flip::bit_flip,
];
