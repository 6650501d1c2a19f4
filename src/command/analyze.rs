//! `obit analyze`: why it died.

use std::path::PathBuf;

use super::selected::find;
use super::{CommandError, Output, Selection, State, common, print};
use crate::analyze::known::{Expected, Known};
use crate::analyze::rule_file::RuleFileError;
use crate::analyze::{self, Analysis, Blame};
use crate::expr::{Variables, evaluate};
use crate::report::{analysis, sarif, value_text};

/// Arguments of `analyze`.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// Rules that say which frames are the program's own, before the usual ones
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    blame: Option<PathBuf>,
    /// Known issues: patterns over findings with a note and a link
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    known: Option<PathBuf>,
    /// Check what the file expects of the verdict; exit with 1 where it is not so
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    expect: Option<PathBuf>,
    /// Write SARIF, for code hosts
    #[arg(long, help_heading = "Output")]
    sarif: bool,
}

/// Answers `analyze`.
pub fn run(args: &Args, state: &mut State, output: &mut Output<'_>) -> Result<(), CommandError> {
    let session = &state.session;
    let unusable = |error: RuleFileError| CommandError::Usage(error.to_string());
    let known = args.known.as_deref().map(Known::read).transpose().map_err(unusable)?;
    let expected = args.expect.as_deref().map(Expected::read).transpose().map_err(unusable)?;
    let own = args.blame.as_deref().map(Blame::with_file).transpose();
    let own = own.map_err(|error| CommandError::Usage(error.to_string()))?;
    let mut found = analyze::analyze(session, own.as_ref().unwrap_or(Blame::usual()));
    crate::interrupt::check()?;
    Known::note(&known.unwrap_or_default(), &mut found);
    let notes = session.notes();
    if args.sarif {
        let document = sarif::sarif(&found, &session.image.path.to_string_lossy());
        writeln!(output.out, "{document:#}")?;
    } else if state.json {
        common::write_document(output, analysis::json(&found, &notes))?;
    } else {
        write!(output.out, "{}", analysis::text(&found, output.paint))?;
        common::write_notes(output, &notes)?;
    }
    match expected.map(|expected| failures(&expected, &found, state)).unwrap_or_default().as_slice() {
        [] => Ok(()),
        failures => Err(CommandError::NoMatch(failures.join("\nobit: "))),
    }
}

/// What is not as expected.
fn failures(expected: &Expected, found: &Analysis, state: &State) -> Vec<String> {
    let mut failures = expected.failures(found);
    let verdict = found.verdict().map(|verdict| Selection {
        thread: Some(verdict.thread),
        goroutine: None,
        frame: verdict.frame_index,
    });
    for printed in &expected.print {
        let text = find(&state.session, verdict.unwrap_or_default()).and_then(|selected| {
            let evaluated = evaluate(&selected, &printed.expression, &mut Variables::default())?;
            let limits = crate::value::Limits { follow: false, ..state.settings.limits };
            let value = print::read(&selected, &evaluated, &limits);
            Ok(value_text::printed_with(&state.session.types, &value, &state.settings.print))
        });
        match text {
            Ok(text) if analyze::blame::matches(&printed.value, &text) => {}
            Ok(text) => failures.push(format!("{} is {text}, not {}", printed.expression, printed.value)),
            Err(error) => failures.push(format!("{}: {error}", printed.expression)),
        }
    }
    failures
}
