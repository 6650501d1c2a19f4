//! `obit info`: the process at a glance.

use super::{CommandError, Output, State, common};
use crate::image::ProcessInfo;
use crate::report::bt_text::{grouped, plural};
use crate::report::documents::{self, Counts, Surroundings};
use crate::report::environment_text;
pub(super) use crate::report::environment_text::bytes_text;
use crate::report::signal_text;
use crate::session::Session;
use crate::session::modules::{DebugStatus, FileStatus};

/// Auxiliary vector entries worth a line (AT_ numbers of uapi/linux/auxvec.h, Linux 6.1).
const AUXV: &[(u64, &str)] = &[
    (9, "entry"),
    (3, "program_headers"),
    (7, "interpreter_base"),
    (33, "vdso"),
    (6, "page_size"),
    (16, "hwcap"),
    (26, "hwcap2"),
    (23, "secure"),
];

/// Arguments of `info`.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {}

/// Answers `info`.
pub fn run(_args: &Args, state: &mut State, output: &mut Output<'_>) -> Result<(), CommandError> {
    let session = &state.session;
    let counts = count(session);
    let image = &session.image;
    let auxv = highlights(&image.process);
    let (environment, attributes) = (session.environment(), session.attributes());
    let notes = session.notes();
    if state.json {
        let surroundings = Surroundings { environment: &environment, attributes: &attributes };
        return common::write_document(output, documents::info(image, &auxv, counts, surroundings, &notes));
    }
    let process = &image.process;
    let paint = output.paint;
    let out = &mut *output.out;
    let mut line = |label: &str, text: Option<String>| match text {
        Some(text) => writeln!(out, "{} {text}", paint.heading(format_args!("{label:<14}"))),
        None => Ok(()),
    };
    let kind = if image.minidump.is_some() { "minidump" } else { "core" };
    line(kind, Some(image.path.display().to_string()))?;
    line("command", process.command.clone())?;
    line("executable", process.executable.clone())?;
    line("process", process.pid.map(|pid| process_text(process, pid)))?;
    line("system", image.minidump.as_ref().and_then(|facts| facts.system.clone()))?;
    line("architecture", Some(image.arch.name().to_owned()))?;
    line("signal", Some(image.signal.as_ref().map_or_else(|| "none recorded".to_owned(), signal_text::describe)))?;
    let group = image.snapshot.as_ref().and_then(|snapshot| snapshot.header.grouping());
    line("fingerprint", group.map(|group| format!("{} (rules {})", group.fingerprint, group.rules)))?;
    line("threads", Some(grouped(image.threads.len())))?;
    let (mappings, saved, mapped) = (image.mappings.len(), counts.saved_bytes, counts.mapped_bytes);
    let memory = format!("{} saved of {} in {} mappings", bytes_text(saved), bytes_text(mapped), grouped(mappings));
    line("memory", Some(memory))?;
    line("modules", Some(modules_text(counts)))?;
    let auxv_text: Vec<String> = auxv.iter().map(|(name, value)| format!("{name} {value:#x}")).collect();
    line("auxv", (!auxv_text.is_empty()).then(|| auxv_text.join(", ")))?;
    for (label, text) in environment_text::lines(&environment, &attributes) {
        line(label, Some(text))?;
    }
    common::write_notes(output, &notes)
}

fn process_text(process: &ProcessInfo, pid: u32) -> String {
    let mut text = pid.to_string();
    let details = [("parent", process.ppid), ("uid", process.uid), ("gid", process.gid)];
    for (label, number) in details {
        if let Some(number) = number {
            text += &format!(", {label} {number}");
        }
    }
    text
}

fn modules_text(counts: Counts) -> String {
    let mut text = grouped(counts.modules);
    if counts.modules_missing > 0 {
        let noun = plural(counts.modules_missing, "file", "files");
        text +=
            &format!(", {} {noun} missing or of another build (see: obit modules)", grouped(counts.modules_missing));
    }
    if counts.without_debug_info > 0 {
        text += &format!(", {} without debug information", grouped(counts.without_debug_info));
    }
    text
}

/// The entries that are there, with their names.
fn highlights(process: &ProcessInfo) -> Vec<(&'static str, u64)> {
    AUXV.iter().filter_map(|(kind, name)| Some((*name, process.auxv(*kind)?))).collect()
}

fn count(session: &Session) -> Counts {
    let modules = session.modules();
    let is_missing = |file: &FileStatus| matches!(file, FileStatus::Missing | FileStatus::Mismatch { used: false, .. });
    Counts {
        modules: modules.len(),
        modules_missing: modules.iter().filter(|row| is_missing(&row.file)).count(),
        without_debug_info: modules
            .iter()
            .filter(|row| matches!(row.debug, DebugStatus::Missing | DebugStatus::SymbolsOnly))
            .count(),
        mapped_bytes: session
            .image
            .mappings
            .iter()
            .fold(0, |sum: u64, mapping| sum.saturating_add(mapping.end.0.saturating_sub(mapping.start.0))),
        saved_bytes: session.image.mappings.iter().fold(0, |sum: u64, mapping| sum.saturating_add(mapping.saved)),
    }
}
