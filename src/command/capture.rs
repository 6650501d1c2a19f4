//! `obit capture`: the kernel's crash handler.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;

use super::snapshot::{attribute, lines_around, size};
use super::{CommandError, Output, common};
use crate::capture::config::{DEFAULT_PATH, WholeCore};
use crate::capture::install::{self, PIPE_LIMIT, Places, Status};
use crate::capture::pattern::Facts;
use crate::capture::spool::Spool;
use crate::capture::work::{Outcome, work};
use crate::capture::{CaptureError, Config, handle, watch};
use crate::report::capture_documents;
use crate::report::source::Sources;

/// Lines of the handler's log that `status` shows.
const LOG_LINES: usize = 5;

/// Arguments of `capture`.
#[derive(clap::Args, Debug, Clone)]
#[command(arg_required_else_help = true)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand, Debug, Clone)]
enum Action {
    /// Make the kernel hand crashes over to obit, now and after every start of the system
    Install(InstallArgs),
    /// Put back what was set before; what was captured stays
    Remove(PlaceArgs),
    /// Show what is set and what was captured; status 1 where the handler is not installed
    Status(PlaceArgs),
    /// What the kernel calls: take a snapshot of the dying process PID, whose core is on standard input
    Handle(HandleArgs),
    /// The handler's child
    #[command(hide = true)]
    Work(WorkArgs),
    /// The watched program, before it is one
    #[command(hide = true)]
    Start(StartArgs),
}

#[derive(clap::Args, Debug, Clone)]
struct PlaceArgs {
    /// The handler's settings
    #[arg(long, value_name = "FILE", default_value = DEFAULT_PATH, value_hint = clap::ValueHint::FilePath)]
    config: PathBuf,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args, Debug, Clone)]
struct InstallArgs {
    /// Where snapshots are put [default: /var/spool/obit]
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    spool: Option<PathBuf>,
    /// What the spool may hold; the oldest files make room for new ones [default: 2GiB]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    quota: Option<u64>,
    /// Snapshots of the same crash in an hour, at most [default: 5]
    #[arg(long, value_name = "N")]
    same_crash_per_hour: Option<u32>,
    /// Let the dying process go after this many seconds [default: 10]
    #[arg(long, value_name = "SECONDS")]
    deadline: Option<u64>,
    /// After this many more where its whole core is kept, or an earlier handler is fed [default: 30]
    #[arg(long, value_name = "SECONDS")]
    core_deadline: Option<u64>,
    /// When the whole core is kept, compressed [default: on-failure]
    #[arg(long, value_name = "WHEN")]
    whole_core: Option<WholeCore>,
    /// Feed the earlier handler (systemd-coredump, apport) too
    #[arg(long)]
    chain: bool,
    /// Feed it no longer
    #[arg(long, conflicts_with = "chain")]
    no_chain: bool,
    /// An attribute of every snapshot (may repeat)
    #[arg(long, value_name = "KEY=VALUE", value_parser = attribute)]
    attr: Vec<(String, String)>,
    /// Crashes that the kernel hands over at once, at most
    #[arg(long, value_name = "N", default_value_t = PIPE_LIMIT, value_parser = clap::value_parser!(u32).range(1..))]
    at_once: u32,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(clap::Args, Debug, Clone)]
struct HandleArgs {
    #[command(flatten)]
    facts: Facts,
    /// The handler's settings
    #[arg(long, value_name = "FILE", default_value = DEFAULT_PATH)]
    config: PathBuf,
}

#[derive(clap::Args, Debug, Clone)]
struct WorkArgs {
    pid: i32,
    #[arg(long, default_value = DEFAULT_PATH)]
    config: PathBuf,
}

#[derive(clap::Args, Debug, Clone)]
struct StartArgs {
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<std::ffi::OsString>,
}

impl From<CaptureError> for CommandError {
    fn from(error: CaptureError) -> CommandError {
        CommandError::Usage(error.to_string())
    }
}

/// Answers `capture`.
pub fn run(args: &Args, output: &mut Output<'_>) -> Result<(), CommandError> {
    match &args.action {
        Action::Install(args) => install(args, output),
        Action::Remove(args) => {
            let status = install::remove(&Places::here(&args.config))?;
            show(&status, args, output)
        }
        Action::Status(args) => {
            let status = install::status(&Places::here(&args.config))?;
            show(&status, args, output)?;
            match status.installed {
                true => Ok(()),
                false => Err(CommandError::NoMatch("the crash handler is not installed".to_owned())),
            }
        }
        Action::Handle(args) => {
            let lines = handle::handle(&args.facts, &args.config)?;
            lines.iter().try_for_each(|line| writeln!(output.out, "{line}"))?;
            Ok(())
        }
        Action::Work(args) => work_for_handler(args, output),
        Action::Start(args) => {
            let error = watch::start(&args.command);
            let program = args.command.first().map(|program| program.to_string_lossy()).unwrap_or_default();
            writeln!(output.err, "obit: {program}: {error}")?;
            // As shells say it: 127 not found, 126 not to be run.
            Err(CommandError::Ended(if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 }))
        }
    }
}

fn install(args: &InstallArgs, output: &mut Output<'_>) -> Result<(), CommandError> {
    let mut config = Config::read(&args.place.config)?;
    if let Some(spool) = &args.spool {
        config.spool = std::path::absolute(spool).map_err(|error| CommandError::Usage(error.to_string()))?;
    }
    config.quota = args.quota.unwrap_or(config.quota);
    config.same_crash_per_hour = args.same_crash_per_hour.unwrap_or(config.same_crash_per_hour);
    config.deadline = args.deadline.unwrap_or(config.deadline);
    config.core_deadline = args.core_deadline.unwrap_or(config.core_deadline);
    config.whole_core = args.whole_core.unwrap_or(config.whole_core);
    config.chain = (config.chain || args.chain) && !args.no_chain;
    config.attributes.extend(args.attr.iter().cloned());
    let program = std::env::current_exe().and_then(std::fs::canonicalize);
    let program = program.map_err(|error| CommandError::Usage(format!("the program's own file: {error}")))?;
    let path = std::path::absolute(&args.place.config).map_err(|error| CommandError::Usage(error.to_string()))?;
    let status = install::install(&Places::here(&path), &program, config, args.at_once)?;
    show(&status, &args.place, output)
}

fn show(status: &Status, args: &PlaceArgs, output: &mut Output<'_>) -> Result<(), CommandError> {
    let (entries, lines) = match status.config.spool.is_dir() {
        true => {
            let spool = Spool::open(&status.config)?;
            (spool.entries(), spool.last_lines(LOG_LINES))
        }
        false => (Vec::new(), Vec::new()),
    };
    if args.json {
        return common::write_document(output, capture_documents::status(status, &entries, &lines));
    }
    capture_documents::write_status(output.out, status, &entries, &lines)?;
    common::write_notes(output, &status.notes)
}

fn work_for_handler(args: &WorkArgs, output: &mut Output<'_>) -> Result<(), CommandError> {
    let supervisor = std::os::unix::process::parent_id();
    handle::refuse_recursion();
    handle::end_with(supervisor);
    let fail = |error: std::io::Error| CommandError::Usage(format!("the core's beginning: {error}"));
    let input = File::from(std::io::stdin().as_fd().try_clone_to_owned().map_err(fail)?);
    let beginning = crate::mapped::map_file(&input).map_err(fail)?;
    let (config, _) = Config::read_or_usual(&args.config);
    let sources = Sources::new(None, None);
    let outcome = work(args.pid, beginning, &config, Some(&lines_around(&sources)))?;
    match outcome {
        Outcome::Written { file, bytes } => writeln!(output.out, "{}, {bytes} bytes", file.display())?,
        Outcome::Enough { place } => {
            let limit = config.same_crash_per_hour;
            writeln!(output.out, "enough: {limit} of the crash {place} in the last hour are kept")?;
        }
    }
    Ok(())
}
