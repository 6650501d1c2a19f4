//! `obit snapshot`: a small file that answers without the core and the binaries.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::selected::select;
use super::{CommandError, FrameArgs, Output, State, common};
use crate::expr::Variables;
use crate::report::snapshot_documents;
use crate::report::source::Sources;
use crate::snapshot::{self, Lines, Options, Privacy, Redaction};
use crate::value::Limits;

/// Source lines on both sides of a frame's own: what `list` shows, and what comes before and after.
const LINES_AROUND: u32 = 15;

/// Arguments of `snapshot`.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// The file to write
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub output: PathBuf,
    /// Keep at most this much memory beyond what answers at the usual limits (bytes, KiB, MiB, GiB)
    #[arg(long, value_name = "SIZE", default_value = "2MiB", value_parser = size)]
    pub budget: u64,
    /// Add at most this much memory for one thread's frames [default: what is left, shared equally]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub thread_budget: Option<u64>,
    /// Follow values this deep while the budget lasts
    #[arg(long, alias = "follow", value_name = "N", default_value_t = 8)]
    pub depth: usize,
    /// Keep this many elements of an array or a container while the budget lasts
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub max_items: usize,
    /// Keep the global or static variable, too (may repeat)
    #[arg(long, value_name = "NAME")]
    pub global: Vec<String>,
    /// Keep what the expression reads in the crashed frame, too (may repeat)
    #[arg(long, value_name = "EXPR", allow_hyphen_values = true)]
    pub expr: Vec<String>,
    /// An attribute to find it by (may repeat)
    #[arg(long, value_name = "KEY=VALUE", value_parser = attribute)]
    pub attr: Vec<(String, String)>,
    /// Keep the last lines of a log file, too (may repeat)
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub log: Vec<PathBuf>,
    /// Leave out all that the program wrote but pointers, lengths and types
    #[arg(long, value_name = "WHAT")]
    pub redact: Option<Redact>,
    /// Leave out the heap
    #[arg(long)]
    pub no_heap: bool,
    /// Leave out text
    #[arg(long)]
    pub no_strings: bool,
    /// Mask secrets by the rules in FILE [default: the usual rules]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub redact_rules: Option<PathBuf>,
    /// Mask nothing: the file may hold passwords
    #[arg(long, conflicts_with = "redact_rules")]
    pub no_redaction: bool,
}

/// What `--redact` leaves out.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Redact {
    /// Numbers and text
    Scalars,
}

/// Takes a snapshot and writes it.
pub fn run(args: &Args, state: &mut State, output: &mut Output<'_>) -> Result<(), CommandError> {
    let usage = |error: snapshot::SnapshotError| CommandError::Usage(error.to_string());
    let redaction = match &args.redact_rules {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| CommandError::Usage(format!("{}: {error}", path.display())))?;
            Redaction::parse(&text, &path.to_string_lossy()).map_err(usage)?
        }
        None => Redaction::usual(),
    };
    let privacy = Privacy { scalars: args.redact.is_some(), no_heap: args.no_heap, no_strings: args.no_strings };
    if privacy.is_on() {
        state.session.record_roles();
    }
    let logs = args.log.iter().map(|path| {
        snapshot::log_tail(path).map_err(|error| CommandError::Usage(format!("{}: {error}", path.display())))
    });
    let logs = logs.collect::<Result<_, _>>()?;
    for expression in args.global.iter().chain(&args.expr) {
        keep_expression(state, expression, args)?;
    }
    let lines = lines_around(&state.sources);
    let rules = super::fingerprint::rules(None)?;
    let options = Options {
        budget: args.budget,
        depth: args.depth,
        items: args.max_items,
        thread_budget: args.thread_budget,
        attributes: args.attr.iter().cloned().collect(),
        environment: None,
        logs,
        privacy,
        redaction: (!args.no_redaction).then_some(redaction),
        sources: Some(&lines),
        rules: &rules,
    };
    let taken = snapshot::take(&state.session, options).map_err(usage)?;
    write(&args.output, &taken.bytes)
        .map_err(|error| CommandError::Usage(format!("{}: {error}", args.output.display())))?;
    let notes = state.session.notes();
    if state.json {
        let document = snapshot_documents::taken(&args.output, taken.bytes.len() as u64, &taken.capture, &notes);
        return common::write_document(output, document);
    }
    let threads = taken.capture.threads;
    let noun = crate::report::bt_text::plural(threads, "thread", "threads");
    let size = crate::report::environment_text::bytes_text(taken.bytes.len() as u64);
    writeln!(output.out, "{}: {size}, {threads} {noun}", args.output.display())?;
    common::write_notes(output, &notes)
}

/// Evaluates an expression in the crashed frame as `print` would, formatted and not, so that what it reads is kept.
fn keep_expression(state: &mut State, expression: &str, args: &Args) -> Result<(), CommandError> {
    state.session.record();
    let selected = select(state, &FrameArgs::default())?;
    let evaluated = crate::expr::evaluate(&selected, expression, &mut Variables::default())?;
    let usual = Limits::default();
    let (depth, items) = (args.depth.max(usual.depth), args.max_items.max(usual.items));
    let deeper = Limits { depth, items, string: 64 << 10, ..usual };
    for limits in [usual, Limits { raw: true, ..usual }, deeper] {
        super::print::read(&selected, &evaluated, &limits);
    }
    Ok(())
}

/// Finds the lines around a line.
pub(super) fn lines_around(sources: &Sources) -> impl Fn(&str, Option<&[u8]>, u32) -> Option<Lines> + Sync {
    |file, build_id, line| {
        let source = sources.find(file, build_id)?;
        let around = line.saturating_sub(LINES_AROUND).max(1)..=line.saturating_add(LINES_AROUND);
        Some((around.filter_map(|line| Some((line, source.line(line)?))).collect(), source.line_count()))
    }
}

/// Under another name first, so that nobody sees half a file.
pub(super) fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    // A pipe or a device is written to, not replaced.
    if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return std::fs::OpenOptions::new().write(true).open(path)?.write_all(bytes);
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let unfinished = path.with_file_name(name);
    let written = (|| {
        let mut file = std::fs::File::create(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, path)
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&unfinished);
    }
    written
}

pub(super) fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| format!("{text}: not a size; write 2MiB or 500000"))?;
    let unit = match &text[digits.len()..] {
        "" | "B" => 1,
        "K" | "KiB" => 1 << 10,
        "M" | "MiB" => 1 << 20,
        "G" | "GiB" => 1 << 30,
        "kB" | "KB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        unit => return Err(format!("{unit}: not a unit of size; use KiB, MiB or GiB")),
    };
    number.checked_mul(unit).ok_or_else(|| format!("{text}: too large"))
}

pub(super) fn attribute(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("{text}: write KEY=VALUE"))?;
    if key.is_empty() { Err(format!("{text}: the key is missing")) } else { Ok((key.to_owned(), value.to_owned())) }
}
