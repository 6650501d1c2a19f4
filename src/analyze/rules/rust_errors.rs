//! The error behind a panic of `unwrap` or `expect` on an `Err`, as `{:?}` shows it.
//!
//! `core::result::unwrap_failed(message: &str, error: &dyn Debug)` (core/src/result.rs, Rust 1.41 to 1.96) is given where
//! the error lies, in its caller's frame, and the vtable of its type.

use crate::addr::RunAddr;
use crate::analyze::Case;
use crate::analyze::code::{Tracer, argument_registers};
use crate::analyze::debug_text::debug_text;
use crate::types::TypeId;
use crate::value::decode::Symbols;
use crate::value::{Place, ValueKind};

/// Bytes of the frame of `unwrap_failed` that are looked at: it has the two words of `error` in it.
const MAX_FRAME: u64 = 512;

/// The error: its type and what it is, or why it cannot be shown.
pub(super) fn error(case: &Case<'_>, caller: usize, callee: usize) -> Result<(String, String), &'static str> {
    let (at, type_id) = passed(case, caller)
        .or_else(|| in_frame(case, callee))
        .ok_or("where the caller passed it, or its type, is not known (no debug information describes the vtable)")?;
    let session = case.session;
    let value = session.with_decoder(None, |decoder| decoder.value(&Place::Memory(at), type_id));
    match &value.kind {
        ValueKind::Absent(_) => Err("it lies in memory that is not at hand"),
        _ => {
            let name = |type_id: TypeId| session.types.name(type_id);
            Ok((name(type_id).to_owned(), debug_text(&name, &value)))
        }
    }
}

/// By the registers of the call.
fn passed(case: &Case<'_>, caller: usize) -> Option<(RunAddr, TypeId)> {
    let tracer = Tracer::of_frame(case, caller)?;
    let value = |position: usize| {
        tracer.value(&tracer.register(*argument_registers(case.arch()).get(position)?, tracer.here, 0)?)
    };
    let (data, vtable) = (value(2)?, value(3)?);
    Some((RunAddr(data), case.session.vtable_class(RunAddr(vtable))?))
}

/// By the words that `unwrap_failed` made of its arguments, for the formatting to refer to: the only ones in its frame of
/// which the second is a vtable.
fn in_frame(case: &Case<'_>, callee: usize) -> Option<(RunAddr, TypeId)> {
    let machine = case.trace.stack.frames.get(case.frame(callee)?.machine)?;
    let (start, end) = (machine.registers.sp()?, machine.cfa?.0);
    let mut found = None;
    let mut at = start;
    while at < end.min(start.saturating_add(MAX_FRAME)) {
        let (data, vtable) = (case.word(at)?, case.word(at.checked_add(8)?));
        at = at.checked_add(8)?;
        let Some(type_id) = vtable.and_then(|vtable| case.session.vtable_class(RunAddr(vtable))) else { continue };
        if found.is_some_and(|other| other != (RunAddr(data), type_id)) {
            return None;
        }
        found = Some((RunAddr(data), type_id));
    }
    found
}
