//! The command line of `obit-store`, which `obit store …` hands over to.
//!
//! ```text
//! obit store URL COMMAND [ARGS]
//! 0  answered    1  understood, and nothing matched    2  not answered
//! ```

mod ask;
mod keep;
mod manage;
#[cfg(feature = "ballista")]
mod nodes;
mod write;

use std::ffi::OsString;
use std::io::{self, Write};

use clap::{Parser, Subcommand};
use serde::Serialize;

use crate::report::formatted::error_chain;
use crate::report::style::Paint;
use crate::store::{Bucket, StoreError};

/// The fleet's crashes: a directory or a bucket with snapshots, their index, and what people decided about them
#[derive(Parser, Debug)]
#[command(name = "obit store", version, arg_required_else_help = true, max_term_width = 100)]
#[command(
    override_usage = "obit store URL COMMAND [ARGS]\n       obit store /var/crashes query --since 7d --group fingerprint"
)]
#[command(after_help = "Exit status: 0 answered, 1 nothing matched the question, 2 it could not be answered.")]
struct Cli {
    /// A directory, file:///directory, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix
    url: String,
    #[command(subcommand)]
    command: Command,
    /// Print one JSON document
    #[arg(long, global = true, help_heading = "Output")]
    json: bool,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Add crashes: snapshots (.obit), or cores and processes (pid:1234), which are snapshotted first
    Add(write::AddArgs),
    /// Take the inbox into the table
    Index(write::IndexArgs),
    /// Ask which crashes, grouped by what, with which figures
    Query(ask::QueryArgs),
    /// Get a snapshot: by its id, the newest of a fingerprint, or the newest of all (latest)
    Get(ask::GetArgs),
    /// List groups: the crashes of one fingerprint, what stands, and whose they are
    Groups(manage::GroupsArgs),
    /// Show a group, or change what stands of it
    Group(manage::GroupArgs),
    /// Find groups whose stacks are like another's, or all pairs that may well be one group
    Similar(manage::SimilarArgs),
    /// Say what sets one set of crashes apart from another: attributes, variables, frames
    Compare(manage::CompareArgs),
    /// Make few sorted files of the table's many small ones
    Compact(keep::CompactArgs),
    /// Remove days that are over, and snapshots of which there are newer ones enough
    Retain(keep::RetainArgs),
    /// Check that nothing is missing and nothing is there twice
    Verify(keep::VerifyArgs),
    /// Ship what the crash handler spooled, until it is acknowledged
    Ship(write::ShipArgs),
    /// Tell people by rules: new groups, regressions, spikes; to Slack, Jira, mail and webhooks
    Notify(manage::NotifyArgs),
    /// Write made-up crashes, for measuring
    #[command(hide = true)]
    Fleet(write::FleetArgs),
    /// Show groups and crashes in a browser on this machine; changes nothing
    Serve(ask::ServeArgs),
    /// Of a cluster: schedule what query --engine ballista://HOST:PORT asks; listens at the URL
    #[cfg(feature = "ballista")]
    Scheduler,
    /// Of a cluster: execute what the scheduler at the URL says
    #[cfg(feature = "ballista")]
    Executor(nodes::ExecutorArgs),
}

/// A JSON document.
#[derive(Serialize)]
struct Document<T> {
    schema: &'static str,
    notes: Vec<Note>,
    #[serde(flatten)]
    body: T,
}

#[derive(Serialize, Clone)]
struct Note {
    code: &'static str,
    message: String,
}

/// The definition that the help is made from.
pub fn definition() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

/// Answers, and gives the exit status.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(2);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = writeln!(io::stderr(), "obit store: {error}");
            return 2;
        }
    };
    let result = runtime.block_on(answer(&cli));
    // Threads that still wait for a server are not waited for.
    runtime.shutdown_background();
    match result {
        Ok(()) => 0,
        Err(error) => {
            let status = error.exit_status();
            if status != 0 {
                let _ = writeln!(io::stderr(), "obit store: {}", chain(&error));
            }
            status
        }
    }
}

/// The error and what led to it, in one line.
fn chain(error: &StoreError) -> String {
    error_chain(error).replace('\n', " ")
}

async fn answer(cli: &Cli) -> Result<(), StoreError> {
    let bucket = |create: bool| Bucket::open(&cli.url, create);
    let paint = Paint { enabled: !cli.json && is_terminal() && std::env::var_os("NO_COLOR").is_none() };
    let json = cli.json;
    match &cli.command {
        Command::Add(args) => write::add_files(&bucket(true)?, args, json).await,
        Command::Index(args) => write::index(&bucket(true)?, args, json).await,
        Command::Fleet(args) => write::fleet(&bucket(true)?, args).await,
        Command::Ship(args) => write::ship(&cli.url, args, json).await,
        Command::Query(args) => ask::query(&bucket(false)?, args, json, paint).await,
        Command::Get(args) => ask::get_one(&bucket(false)?, args, json).await,
        Command::Notify(args) => manage::notify(&bucket(true)?, args, json).await,
        Command::Serve(args) => ask::serve(bucket(false)?, args).await,
        Command::Groups(args) => manage::groups(&bucket(false)?, args, json, paint).await,
        Command::Group(args) => manage::group(&bucket(false)?, args, json, paint).await,
        Command::Similar(args) => manage::similar(&bucket(false)?, args, json, paint).await,
        Command::Compare(args) => manage::compare(&bucket(false)?, args, json, paint).await,
        Command::Compact(args) => keep::compact(&bucket(false)?, args, json).await,
        Command::Retain(args) => keep::retain(&bucket(false)?, args, json).await,
        #[cfg(feature = "ballista")]
        Command::Scheduler => nodes::scheduler(&cli.url).await,
        #[cfg(feature = "ballista")]
        Command::Executor(args) => nodes::executor(&cli.url, args).await,
        Command::Verify(args) => keep::verify(&bucket(false)?, args, json).await,
    }
}

fn is_terminal() -> bool {
    io::IsTerminal::is_terminal(&io::stdout())
}

fn print<T: Serialize>(schema: &'static str, notes: Vec<Note>, body: T) -> Result<(), StoreError> {
    let mut text = serde_json::to_vec(&Document { schema, notes, body }).map_err(io::Error::from)?;
    text.push(b'\n');
    let mut out = io::stdout().lock();
    out.write_all(&text)?;
    Ok(out.flush()?)
}

fn say(notes: &[Note]) {
    for note in notes {
        let _ = writeln!(io::stderr(), "note: {}", note.message);
    }
}

fn attribute(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("{text}: write KEY=VALUE"))?;
    if key.is_empty() { Err(format!("{text}: the key is missing")) } else { Ok((key.to_owned(), value.to_owned())) }
}
