//! `obit locks`: who waits for whom.

use super::{CommandError, Output, State, bt, common};
use crate::interrupt;
use crate::report::{waits_documents, waits_text};
use crate::runtime::go::GoRuntime;
use crate::waits::{self, Kind, Waits};

/// Arguments of `locks`.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {}

/// Answers `locks`.
pub fn run(_args: &Args, state: &mut State, output: &mut Output<'_>) -> Result<(), CommandError> {
    let session = &state.session;
    let waits = waits::find(session);
    let goroutines = GoRuntime::open(session).ok().map(|runtime| runtime.waits());
    interrupt::check()?;
    if state.json {
        let document = waits_documents::locks(&waits, goroutines.as_ref(), &session.notes());
        return common::write_document(output, document);
    }
    if !state.interactive {
        bt::write_header(session, output)?;
    }
    let mut text = String::new();
    // What Go's threads wait for is their scheduler's affair.
    let is_go =
        |waits: &Waits| waits.threads.iter().all(|thread| thread.wait().is_none_or(|wait| wait.kind == Kind::Futex));
    if goroutines.is_none() || !is_go(&waits) {
        waits_text::write_waits(&mut text, &waits, output.paint);
    }
    if let Some(goroutines) = &goroutines {
        waits_text::write_waits(&mut text, goroutines, output.paint);
    }
    let text = if state.interactive { text.trim_start() } else { &text };
    output.out.write_all(text.as_bytes())?;
    common::write_notes(output, &session.notes())
}
