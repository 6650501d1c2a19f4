//! `obit heap`, `obit refs`: what a heap holds, and what keeps an object of it alive.

use super::selected::select;
use super::{CommandError, FrameArgs, Output, State, common, x};
use crate::report::heap_documents;
use crate::runtime::go::heap::{GoHeap, HeapError};

/// Types that text shows where nothing else is said.
const TOP: usize = 40;

/// Arguments of `heap`.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// types: objects and bytes by type
    #[arg(value_name = "WHAT", value_parser = ["types"], hide_possible_values = true)]
    what: String,
    /// Show the N types with the most bytes [default: 40; JSON has all]
    #[arg(long, value_name = "N", help_heading = "Limits")]
    top: Option<usize>,
}

/// Arguments of `refs`.
#[derive(clap::Args, Debug, Clone)]
pub struct RefsArgs {
    /// An address, or an expression with an address as its value
    #[arg(value_name = "EXPR", allow_hyphen_values = true)]
    expression: String,
    #[command(flatten)]
    frame: FrameArgs,
}

impl From<HeapError> for CommandError {
    fn from(error: HeapError) -> CommandError {
        match error {
            HeapError::NotGo => CommandError::NoMatch(error.to_string()),
            HeapError::Interrupted => CommandError::Interrupted,
            HeapError::Runtime(error) => error.into(),
            HeapError::Unknown(_) | HeapError::Unreadable(_) => CommandError::Usage(error.to_string()),
        }
    }
}

/// Answers `heap`.
pub fn run(args: &Args, state: &mut State, output: &mut Output<'_>) -> Result<(), CommandError> {
    let heap = GoHeap::open(&state.session)?.types()?;
    let mut notes = heap.notes.clone();
    notes.extend(state.session.notes());
    if state.json {
        let most = args.top.unwrap_or(usize::MAX);
        return common::write_document(output, heap_documents::types(&heap, most, &notes));
    }
    heap_documents::write_types(output.out, &heap, args.top.unwrap_or(TOP), output.paint)?;
    common::write_notes(output, &notes)
}

/// Answers `refs`.
pub fn references(args: &RefsArgs, state: &mut State, output: &mut Output<'_>) -> Result<(), CommandError> {
    let heap = GoHeap::open(&state.session)?;
    let address = x::address_of(&select(state, &args.frame)?, &state.variables, &args.expression)?;
    let found = heap.references(address)?;
    let found = found
        .ok_or_else(|| CommandError::NoMatch(format!("{}: {address} is in no slot of the heap", args.expression)))?;
    let mut notes = found.notes.clone();
    notes.extend(state.session.notes());
    if state.json {
        return common::write_document(output, heap_documents::references(&found, &notes));
    }
    heap_documents::write_references(output.out, &found, output.paint)?;
    common::write_notes(output, &notes)
}
