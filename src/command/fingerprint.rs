//! `obit fingerprint`: which group a crash belongs to, and why.

use std::path::PathBuf;

use super::{CommandError, Output, State, common};
use crate::analyze::{self, Blame};
use crate::fingerprint::{Fingerprint, Rules};
use crate::report::fingerprint::{self, Answer};

/// Arguments of `fingerprint`.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// Show every frame, whether it is part of the fingerprint, and by which rule
    #[arg(long)]
    explain: bool,
    /// Go by the rules in FILE, before the usual ones [default: obit/fingerprint.toml in ~/.config or /etc]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    rules: Option<PathBuf>,
    /// Compute it anew, though the snapshot was given one when it was taken
    #[arg(long)]
    anew: bool,
}

/// Answers `fingerprint`.
pub fn run(args: &Args, state: &mut State, output: &mut Output<'_>) -> Result<(), CommandError> {
    let session = &state.session;
    let rules = rules(args.rules.as_ref())?;
    let analysis = analyze::analyze(session, Blame::usual());
    crate::interrupt::check()?;
    let now = Fingerprint::of(session, &analysis, &rules);
    let stored = session.image.snapshot.as_ref().and_then(|snapshot| snapshot.header.grouping());
    let stored = stored.filter(|_| args.rules.is_none() && !args.anew);
    let Some(now) = now else {
        return Err(CommandError::NoMatch(format!(
            "{}: nothing ended the process, and no rule of obit analyze says why it stands still: there is no crash to group",
            session.image.path.display()
        )));
    };
    let answer = Answer { stored: stored.as_ref(), now: &now };
    let notes = session.notes();
    if state.json {
        return common::write_document(output, fingerprint::json(&answer, &notes));
    }
    write!(output.out, "{}", fingerprint::text(&answer, args.explain, output.paint))?;
    common::write_notes(output, &notes)
}

/// The rules of a file, else those that are configured.
pub(super) fn rules(file: Option<&PathBuf>) -> Result<std::borrow::Cow<'static, Rules>, CommandError> {
    let rules = match file {
        Some(file) => Rules::with_file(file).map(std::borrow::Cow::Owned),
        None => Rules::configured(),
    };
    rules.map_err(|error| CommandError::Usage(error.to_string()))
}
