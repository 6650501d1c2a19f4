//! The commands: each takes its arguments, asks the session and hands rows to [`report`](crate::report).
//!
//! A command is defined once, by its `Args` and its `run`. On the command line it is [`Targeted`]: the target and its
//! options come before its own arguments. In a session the same arguments are read without them.

pub mod analyze;
pub mod bt;
pub mod capture;
pub mod common;
pub mod coverage;
pub mod disassemble;
pub mod export;
mod export_page;
pub mod fingerprint;
mod goroutine_groups;
pub mod goroutines;
pub mod heap;
mod held;
pub mod info;
pub mod list;
pub mod locks;
pub mod maps;
pub mod modules;
pub mod print;
pub mod ptype;
pub mod registers;
mod scheduler;
pub mod schema;
pub mod selected;
pub mod snapshot;
pub mod stacks;
pub mod state;
pub mod store;
pub mod targeted;
pub mod threads;
pub mod watch;
pub mod why;
pub mod x;

use std::io::{self, Write};

use clap::Args as _;

use crate::interrupt;
use crate::report::style::Paint;

pub use common::{FrameArgs, LimitArgs, TargetArgs};
pub use state::{Selection, Settings, State};
pub use targeted::Targeted;

/// One question about a target.
#[derive(clap::Subcommand, Debug)]
#[command(defer = true)]
pub enum Command {
    /// Show backtraces: the crashed thread in full, the other threads grouped by identical stack
    Bt(bt::Args),
    /// Say why it died: the verdict, what it rests on, and what to ask next
    Analyze(analyze::Args),
    /// Say what is missing, and which questions that leaves open
    Coverage(coverage::Args),
    /// Say which group the crash belongs to: a fingerprint that no rebuild changes, and what it is made of
    Fingerprint(fingerprint::Args),
    /// Say where a value comes from: core, file, register, caller
    Why(why::Args),
    /// List the threads
    Threads(threads::Args),
    /// Show what threads do: stacks of the same functions together, and what they wait for
    Stacks(stacks::Args),
    /// Show Go's goroutines: those that do the same at the same place together
    Goroutines(goroutines::Args),
    /// Show what a Go program's heap holds: objects and bytes by type
    Heap(heap::Args),
    /// Show what keeps an object of a Go program's heap alive, and who points to it
    Refs(heap::RefsArgs),
    /// Show who waits for whom: locks by name, their owners, deadlocks
    Locks(locks::Args),
    /// Show the process: its signal, command line, environment and what is missing
    Info(info::Args),
    /// List the modules, and which of their files were found
    Modules(modules::Args),
    /// List the memory mappings
    Maps(maps::Args),
    /// Show a frame's registers
    Registers(registers::Args),
    /// Evaluate an expression in a frame
    Print(print::Args),
    /// Show a type's definition, or that of an expression's type
    Ptype(ptype::Args),
    /// Examine memory
    X(x::Args),
    /// Show source lines
    List(list::Args),
    /// Show a function's instructions
    Disassemble(disassemble::Args),
    /// Write a snapshot: a small file that answers without the core and the binaries
    Snapshot(snapshot::Args),
    /// Write a snapshot in a format that other tools open
    Export(export::Args),
    /// The kernel's crash handler: a snapshot of every process that dies
    Capture(capture::Args),
    /// Run a program; take snapshots of it, and of what it starts, where they die or hang
    Watch(watch::Args),
    /// Crashes of a fleet: add, index, query, groups, get (hands over to obit-store)
    Store(store::Args),
    /// Tell people of a fleet's crashes by rules: Slack, Jira, mail, webhooks (hands over to obit-store)
    Notify(store::NotifyArgs),
    /// Print the JSON Schema of the documents that --json prints
    Schema(schema::Args),
}

impl Command {
    /// Adds the arguments of the command of this name to a definition.
    fn arguments_of(name: &str) -> fn(clap::Command) -> clap::Command {
        match name {
            "bt" => bt::Args::augment_args,
            "analyze" => analyze::Args::augment_args,
            "coverage" => coverage::Args::augment_args,
            "fingerprint" => fingerprint::Args::augment_args,
            "why" => why::Args::augment_args,
            "threads" => threads::Args::augment_args,
            "stacks" => stacks::Args::augment_args,
            "goroutines" => goroutines::Args::augment_args,
            "heap" => heap::Args::augment_args,
            "refs" => heap::RefsArgs::augment_args,
            "locks" => locks::Args::augment_args,
            "info" => info::Args::augment_args,
            "modules" => modules::Args::augment_args,
            "maps" => maps::Args::augment_args,
            "registers" => registers::Args::augment_args,
            "print" => print::Args::augment_args,
            "ptype" => ptype::Args::augment_args,
            "x" => x::Args::augment_args,
            "list" => list::Args::augment_args,
            "disassemble" => disassemble::Args::augment_args,
            "snapshot" => snapshot::Args::augment_args,
            "export" => export::Args::augment_args,
            "capture" => capture::Args::augment_args,
            "watch" => watch::Args::augment_args,
            "store" => store::Args::augment_args,
            "notify" => store::NotifyArgs::augment_args,
            "schema" => schema::Args::augment_args,
            _ => |definition| definition,
        }
    }

    /// Answers in an opened session.
    pub fn run(&self, state: &mut State, output: &mut Output<'_>) -> Result<(), CommandError> {
        match self {
            Command::Bt(args) => bt::run(args, state, output),
            Command::Analyze(args) => analyze::run(args, state, output),
            Command::Fingerprint(args) => fingerprint::run(args, state, output),
            Command::Why(args) => why::run(args, state, output),
            Command::Coverage(args) => coverage::run(args, state, output),
            Command::Threads(args) => threads::run(args, state, output),
            Command::Stacks(args) => stacks::run(args, state, output),
            Command::Goroutines(args) => goroutines::run(args, state, output),
            Command::Heap(args) => heap::run(args, state, output),
            Command::Refs(args) => heap::references(args, state, output),
            Command::Locks(args) => locks::run(args, state, output),
            Command::Info(args) => info::run(args, state, output),
            Command::Modules(args) => modules::run(args, state, output),
            Command::Maps(args) => maps::run(args, state, output),
            Command::Registers(args) => registers::run(args, state, output),
            Command::Print(args) => print::run(args, state, output),
            Command::Ptype(args) => ptype::run(args, state, output),
            Command::X(args) => x::run(args, state, output),
            Command::List(args) => list::run(args, state, output),
            Command::Disassemble(args) => disassemble::run(args, state, output),
            Command::Snapshot(args) => snapshot::run(args, state, output),
            Command::Export(args) => export::run(args, state, output),
            Command::Capture(args) => capture::run(args, output),
            Command::Watch(args) => watch::run(args, output),
            Command::Store(args) => store::run(args),
            Command::Notify(args) => store::notify(args),
            Command::Schema(args) => schema::run(args, output),
        }
    }
}

/// Where answers go.
pub struct Output<'a> {
    /// The answer.
    pub out: &'a mut dyn Write,
    /// What is said beside it.
    pub err: &'a mut dyn Write,
    /// Colours of the answer.
    pub paint: Paint,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The question was understood, and nothing matched it.
    #[error("{0}")]
    NoMatch(String),
    /// The question itself, or something that this version cannot do.
    #[error("{0}")]
    Usage(String),
    /// The target could not be opened.
    #[error(transparent)]
    Session(#[from] crate::session::SessionError),
    /// The expression.
    #[error("{0}")]
    Expression(crate::expr::ExprError),
    /// The answer could not be written.
    #[error("standard output: {0}")]
    Output(io::Error),
    /// Nobody waits for it any more.
    #[error("Quit")]
    Interrupted,
    /// Nothing is to be said: a program that was run ended with this status.
    #[error("status {0}")]
    Ended(u8),
}

/// Where an answer is no longer wanted, that is why it could not be written.
impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> CommandError {
        if interrupt::requested() { CommandError::Interrupted } else { CommandError::Output(error) }
    }
}

impl From<interrupt::Interrupted> for CommandError {
    fn from(_: interrupt::Interrupted) -> CommandError {
        CommandError::Interrupted
    }
}

impl From<crate::expr::ExprError> for CommandError {
    fn from(error: crate::expr::ExprError) -> CommandError {
        if error.is_unknown_name() { CommandError::NoMatch(error.to_string()) } else { CommandError::Expression(error) }
    }
}

impl CommandError {
    /// The contract's exit status.
    pub fn exit_status(&self) -> u8 {
        match self {
            CommandError::NoMatch(_) => 1,
            CommandError::Ended(status) => *status,
            CommandError::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            _ => 2,
        }
    }
}
