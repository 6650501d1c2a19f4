//! `obit coverage`: what is missing of a target, and which questions that leaves open.

use super::{CommandError, Output, State, common};
use crate::analyze::{Blame, Case, coverage, thread_of_death};
use crate::report::analysis;

/// Arguments of `coverage`.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {}

/// Answers `coverage`.
pub fn run(_args: &Args, state: &mut State, output: &mut Output<'_>) -> Result<(), CommandError> {
    let session = &state.session;
    let thread = thread_of_death(session);
    let gaps = thread.map(|thread| coverage::of(&Case::new(session, thread, Blame::usual()))).unwrap_or_default();
    let notes = session.notes();
    if state.json {
        return common::write_document(output, analysis::coverage_json(&gaps, &notes));
    }
    write!(output.out, "{}", analysis::coverage_text(&gaps))?;
    common::write_notes(output, &notes)
}
