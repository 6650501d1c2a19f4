//! `obit analyze`: why it died.

use std::path::PathBuf;

use super::{CommandError, Output, State, common};
use crate::analyze::{self, Blame};
use crate::report::analysis;

/// Arguments of `analyze`.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// Rules that say which frames are the program's own, before the usual ones
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    blame: Option<PathBuf>,
}

/// Answers `analyze`.
pub fn run(args: &Args, state: &mut State, output: &mut Output<'_>) -> Result<(), CommandError> {
    let session = &state.session;
    let own;
    let blame = match &args.blame {
        Some(path) => {
            own = Blame::with_file(path).map_err(|error| CommandError::Usage(error.to_string()))?;
            &own
        }
        None => Blame::usual(),
    };
    let found = analyze::analyze(session, blame);
    crate::interrupt::check()?;
    let notes = session.notes();
    if state.json {
        return common::write_document(output, analysis::json(&found, &notes));
    }
    write!(output.out, "{}", analysis::text(&found, output.paint))?;
    common::write_notes(output, &notes)
}
