//! The command line: what is asked, where the answer goes, and the exit status.
//!
//! ```text
//! 0  answered; holes are marked inside the answer
//! 1  understood, and nothing matched
//! 2  not answered: usage, an unreadable target
//! ```

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;

use clap::{CommandFactory, Parser, Subcommand};

use crate::command::common::ColorChoice;
use crate::command::{CommandError, Output, Targeted};
use crate::repl;
use crate::report::formatted::error_chain;
use crate::report::style::Paint;

/// Bytes of the answer that are written at once.
const BUFFER: usize = 1 << 16;

/// A post-mortem debugger: backtraces, variables and types out of core dumps
#[derive(Parser, Debug)]
#[command(name = "obit", version, arg_required_else_help = true, max_term_width = 100)]
#[command(override_usage = "obit COMMAND TARGET [ARGS]\n       obit bt core", after_help = EXIT_STATUS)]
struct Cli {
    #[command(subcommand)]
    command: Targeted,
}

const EXIT_STATUS: &str = "Exit status: 0 answered (holes in the answer are marked inside it), \
1 nothing matched the question, 2 it could not be answered.";

/// The definition that the help, the manual pages and the completions are made from.
pub fn definition() -> clap::Command {
    Cli::command()
}

/// Answers what `arguments` (the program's name first) ask, and gives the exit status.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let status = answered(arguments);
    crate::module::section_cache::finish();
    status
}

fn answered(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let given = arguments.get(1..).unwrap_or_default();
    if repl::is_session(given, &is_command) {
        return session(given);
    }
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(2);
        }
    };
    answer(&cli.command)
}

fn answer(command: &Targeted) -> u8 {
    let color = command.target.as_ref().map_or(ColorChoice::Never, |args| args.color);
    let paint = Paint { enabled: wants_color(color) };
    let mut out = BufWriter::with_capacity(BUFFER, standard_output());
    let mut err = io::stderr();
    let mut output = Output { out: &mut out, err: &mut err, paint };
    let result = command.run(&mut output);
    let result = result.and_then(|()| Ok(out.flush()?));
    let Err(error) = result else { return 0 };
    let status = error.exit_status();
    if status != 0 {
        // What was answered before the error comes first.
        let _ = out.flush();
        if !matches!(error, CommandError::Ended(_)) {
            let _ = writeln!(io::stderr(), "obit: {}", error_chain(&error));
        }
    }
    // A closed pipe would be met again when the buffer is dropped.
    let _ = out.into_parts();
    status
}

/// Standard output without the search for line ends that the library's own makes in every write.
fn standard_output() -> Box<dyn Write> {
    match io::stdout().as_fd().try_clone_to_owned() {
        Ok(descriptor) => Box::new(File::from(descriptor)),
        Err(_) => Box::new(io::stdout()),
    }
}

fn wants_color(choice: ColorChoice) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never,
    }
}

fn is_command(word: &OsStr) -> bool {
    word == "help" || word.to_str().is_some_and(Targeted::has_subcommand)
}

/// `obit TARGET`, as gdb is called: the interactive session.
fn session(arguments: &[OsString]) -> u8 {
    let invocation = match repl::parse(arguments) {
        Ok(invocation) => invocation,
        Err(message) => {
            let _ = writeln!(io::stderr(), "obit: {message}");
            return 2;
        }
    };
    let paint = Paint { enabled: wants_color(invocation.target.color) };
    let mut out = BufWriter::with_capacity(BUFFER, standard_output());
    let status = repl::run(&invocation, &mut out, paint);
    let _ = out.into_parts();
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        definition().debug_assert();
    }

    #[test]
    fn a_target_alone_asks_for_a_session() {
        let session = |words: &[&str]| {
            let words: Vec<OsString> = words.iter().map(Into::into).collect();
            repl::is_session(&words, &is_command)
        };
        assert!(session(&["/tmp/core.1"]) && session(&["-q", "core", "-ex", "bt"]) && session(&["crash.obit"]));
        assert!(!session(&["bt", "/tmp/core.1"]) && !session(&["btt", "core"]) && !session(&["--version"]));
        assert!(!session(&[]));
    }

    #[test]
    fn usage_errors_have_status_2() {
        let status = |arguments: &[&str]| {
            let error = Cli::try_parse_from(std::iter::once("obit").chain(arguments.iter().copied())).unwrap_err();
            error.exit_code()
        };
        assert_eq!(status(&["bt"]), 2);
        assert_eq!(status(&["btt", "core"]), 2);
        assert_eq!(status(&["bt", "core", "--frames", "many"]), 2);
        assert_eq!(status(&["bt", "--help"]), 0);
    }
}
