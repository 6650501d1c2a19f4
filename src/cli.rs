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
use std::path::Path;

use clap::{CommandFactory, Parser};

use crate::command::common::ColorChoice;
use crate::command::{CommandError, Output, Targeted};
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
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if let Some(message) = interactive_request(&arguments) {
        let _ = writeln!(io::stderr(), "obit: {message}");
        return 2;
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
        let _ = writeln!(io::stderr(), "obit: {}", chain(&error));
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

/// The error and what led to it, in one line.
fn chain(error: &CommandError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

fn wants_color(choice: ColorChoice) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never,
    }
}

/// `obit TARGET`, as gdb is called: the interactive session, which is not part of this version. Says what to do
/// instead.
fn interactive_request(arguments: &[OsString]) -> Option<String> {
    const REPL_OPTIONS: [&str; 4] = ["-ex", "-x", "-q", "-c"];
    let given = arguments.get(1..)?;
    let first = given.first()?;
    if definition().get_subcommands().any(|command| OsStr::new(command.get_name()) == first) || first == "help" {
        return None;
    }
    let plain = given.iter().find(|argument| !argument.as_encoded_bytes().starts_with(b"-"));
    let option = given.iter().find(|argument| REPL_OPTIONS.iter().any(|option| OsStr::new(option) == *argument));
    let looks_like_target = |argument: &OsStr| {
        let text = argument.to_string_lossy();
        text.contains('/') || text.starts_with("pid:") || text.ends_with(".obit") || Path::new(argument).is_file()
    };
    let asked = option.or(Some(first).filter(|first| looks_like_target(first)))?;
    let target = plain.map_or_else(|| "TARGET".into(), |target| target.to_string_lossy());
    Some(format!(
        "{}: the interactive session is not in this version; ask one question at a time: obit bt {target}",
        asked.to_string_lossy()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(arguments: &[&str]) -> Option<String> {
        let arguments: Vec<OsString> =
            std::iter::once("obit").chain(arguments.iter().copied()).map(Into::into).collect();
        interactive_request(&arguments)
    }

    #[test]
    fn the_definition_is_sound() {
        definition().debug_assert();
    }

    #[test]
    fn a_target_alone_is_told_what_to_do() {
        let message = asked(&["/tmp/core.1"]).unwrap();
        assert!(message.contains("obit bt /tmp/core.1"), "{message}");
        assert!(asked(&["-q", "core", "-ex", "bt"]).unwrap().contains("obit bt core"));
        assert!(asked(&["pid:1"]).is_some());
        assert!(asked(&["crash.obit"]).is_some());
    }

    #[test]
    fn commands_and_misspelt_commands_are_left_to_the_parser() {
        assert_eq!(asked(&["bt", "/tmp/core.1"]), None);
        assert_eq!(asked(&["btt", "/tmp/core.1"]), None);
        assert_eq!(asked(&["--version"]), None);
        assert_eq!(asked(&[]), None);
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
