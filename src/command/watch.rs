//! `obit watch`: runs a program, for CI.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::snapshot::lines_around;
use super::{CommandError, Output};
use crate::capture::watch::{self, Watch};
use crate::report::source::Sources;

/// Arguments of `watch`.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// Where snapshots are put
    #[arg(short = 'o', long = "output", value_name = "DIR", default_value = ".", value_hint = clap::ValueHint::DirPath)]
    directory: PathBuf,
    /// After so many seconds it hangs: snapshots are taken, it is killed, and the status is 124
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    timeout: Option<u64>,
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Runs the program; its status becomes this program's.
pub fn run(args: &Args, output: &mut Output<'_>) -> Result<(), CommandError> {
    let watch = Watch {
        command: args.command.clone(),
        timeout: args.timeout.map(Duration::from_secs),
        directory: args.directory.clone(),
    };
    let sources = Sources::new(None, None);
    let lines = lines_around(&sources);
    let err = &mut output.err;
    let mut say = |line: &str| {
        let _ = writeln!(err, "obit: {line}");
    };
    match watch::watch(&watch, Some(&lines), &mut say)? {
        0 => Ok(()),
        status => Err(CommandError::Ended(status)),
    }
}
