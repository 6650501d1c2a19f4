//! `obit goroutines --sched`: what Go's scheduler and collector are at.

use super::{CommandError, Output, State, common};
use crate::report::scheduler_documents;
use crate::runtime::go::GoRuntime;

pub(super) fn run(state: &State, output: &mut Output<'_>) -> Result<(), CommandError> {
    let scheduler = GoRuntime::open(&state.session)?.scheduler()?;
    let mut notes = scheduler.notes.clone();
    notes.extend(state.session.notes());
    if state.json {
        return common::write_document(output, scheduler_documents::scheduler(&scheduler, &notes));
    }
    scheduler_documents::write_scheduler(output.out, &scheduler, output.paint)?;
    common::write_notes(output, &notes)
}
