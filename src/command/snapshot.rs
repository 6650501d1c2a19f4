//! `obit snapshot`: a small file that answers without the core and the binaries.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::{CommandError, Output, State, common};
use crate::report::snapshot_documents;
use crate::report::source::Sources;
use crate::snapshot::{self, Lines, Options, Redaction};

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
    /// Follow values this deep while the budget lasts
    #[arg(long = "follow", value_name = "N", default_value_t = 8)]
    pub depth: usize,
    /// An attribute to find it by (may repeat)
    #[arg(long, value_name = "KEY=VALUE", value_parser = attribute)]
    pub attr: Vec<(String, String)>,
    /// Mask secrets by the rules in FILE [default: the usual rules]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub redact_rules: Option<PathBuf>,
    /// Mask nothing: the file may hold passwords
    #[arg(long, conflicts_with = "redact_rules")]
    pub no_redaction: bool,
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
    let lines = lines_around(&state.sources);
    let options = Options {
        budget: args.budget,
        depth: args.depth,
        attributes: args.attr.iter().cloned().collect(),
        redaction: (!args.no_redaction).then_some(redaction),
        sources: Some(&lines),
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
    let size = super::info::bytes_text(taken.bytes.len() as u64);
    writeln!(output.out, "{}: {size}, {threads} {noun}", args.output.display())?;
    common::write_notes(output, &notes)
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
