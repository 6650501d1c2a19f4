//! `obit locks`: who waits for whom.

use super::{CommandError, Output, State, bt, common};
use crate::interrupt;
use crate::report::{waits_documents, waits_text};
use crate::waits;

/// Arguments of `locks`.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {}

/// Answers `locks`.
pub fn run(_args: &Args, state: &mut State, output: &mut Output<'_>) -> Result<(), CommandError> {
    let session = &state.session;
    let waits = waits::find(session);
    interrupt::check()?;
    if state.json {
        return common::write_document(output, waits_documents::locks(&waits, &session.notes()));
    }
    if !state.interactive {
        bt::write_header(session, output)?;
    }
    let mut text = String::new();
    waits_text::write_waits(&mut text, &waits, output.paint);
    let text = if state.interactive { text.trim_start() } else { &text };
    output.out.write_all(text.as_bytes())?;
    common::write_notes(output, &session.notes())
}
