//! Options that several commands share, and what they lead to.

use std::path::PathBuf;

use super::{CommandError, Output, Settings, State};
use crate::addr::RunAddr;
use crate::image::Note;
use crate::report::json::Json;
use crate::session::{OpenOptions, Session};
use crate::value::Limits;

/// How many notes are printed one by one before the rest is only counted.
const MAX_NOTES_SHOWN: usize = 6;

/// When colours are used.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The target and where its files are.
#[derive(clap::Args, Debug, Clone)]
pub struct TargetArgs {
    /// A core or a Linux minidump, plain or compressed (.gz, .zst, .xz, .lz4), a snapshot (.obit), a process
    /// (pid:1234), or a crash in a store (URL#ID)
    pub target: PathBuf,
    /// The main executable, where the core's own record of it does not lead to the file
    #[arg(long, value_name = "FILE", help_heading = "Files", value_hint = clap::ValueHint::FilePath)]
    pub exe: Option<PathBuf>,
    /// Look for every module under DIR first
    #[arg(long, value_name = "DIR", help_heading = "Files", value_hint = clap::ValueHint::DirPath)]
    pub sysroot: Option<PathBuf>,
    /// Look for separate debug files here too (may repeat) [default: /usr/lib/debug]
    #[arg(long, value_name = "DIR", help_heading = "Files", value_hint = clap::ValueHint::DirPath)]
    pub debug_dir: Vec<PathBuf>,
    /// Ask the servers in DEBUGINFOD_URLS for missing files [default: where that variable is set]
    #[arg(long, overrides_with = "no_debuginfod", help_heading = "Files")]
    pub debuginfod: bool,
    /// Do not ask any server
    #[arg(long, help_heading = "Files")]
    pub no_debuginfod: bool,
    /// Use a file whose build-id differs from the core's [default: refuse it, and say so]
    #[arg(long, help_heading = "Files")]
    pub allow_mismatch: bool,
    /// Print one JSON document (its schema: obit schema)
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// When to use colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t, help_heading = "Output")]
    pub color: ColorChoice,
}

impl TargetArgs {
    /// Opens the target.
    pub fn open(&self) -> Result<State, CommandError> {
        self.open_with(Vec::new())
    }

    /// The same with files that the core does not name, each at the address of its .text.
    pub fn open_with(&self, added: Vec<(PathBuf, RunAddr)>) -> Result<State, CommandError> {
        let options = OpenOptions { added: added.clone(), ..self.open_options() };
        let fetched = super::store::fetched(&self.target)?;
        let target = fetched.as_deref().unwrap_or(&self.target);
        let mut state = State::new(Session::open(target, &options)?, self.clone());
        state.added = added;
        Ok(state)
    }

    fn open_options(&self) -> OpenOptions {
        let debuginfod = match (self.debuginfod, self.no_debuginfod) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        };
        OpenOptions {
            executable: self.exe.clone(),
            sysroot: self.sysroot.clone(),
            debug_directories: self.debug_dir.clone(),
            debuginfod,
            allow_mismatch: self.allow_mismatch,
            added: Vec::new(),
        }
    }
}

/// Bounds on what is printed of values.
#[derive(clap::Args, Debug, Clone, Default)]
pub struct LimitArgs {
    /// Show at most N levels of nested aggregates and followed pointers [default: 4]
    #[arg(long, value_name = "N", help_heading = "Limits")]
    pub depth: Option<usize>,
    /// Show at most N elements of an array [default: 64]
    #[arg(long, value_name = "N", help_heading = "Limits")]
    pub max_items: Option<usize>,
    /// Show at most N bytes of a string [default: 1024]
    #[arg(long, value_name = "N", help_heading = "Limits")]
    pub max_string: Option<usize>,
    /// Show plain fields as the debug information has them, without any language formatter
    #[arg(long, help_heading = "Output")]
    pub raw: bool,
}

impl LimitArgs {
    /// As values are bounded; pointers are followed in JSON alone, as text has no place for what they lead to.
    pub fn limits(&self, settings: &Settings, json: bool) -> Limits {
        let usual = settings.limits;
        Limits {
            depth: self.depth.unwrap_or(usual.depth),
            items: self.max_items.unwrap_or(usual.items),
            string: self.max_string.unwrap_or(usual.string),
            follow: json,
            raw: self.raw || usual.raw,
            objects: usual.objects,
            statics: usual.statics && !json,
        }
    }
}

/// Which frame.
#[derive(clap::Args, Debug, Clone, Default)]
pub struct FrameArgs {
    /// The thread, by its LWP [default: the crashed one]
    #[arg(long, value_name = "LWP", help_heading = "Selection")]
    pub thread: Option<u32>,
    /// The frame, counted as bt does [default: 0]
    #[arg(long, value_name = "N", help_heading = "Selection")]
    pub frame: Option<usize>,
}

/// Writes a whole JSON document and its line end.
pub fn write_document(output: &mut Output<'_>, json: Json) -> Result<(), CommandError> {
    output.out.write_all(&json.into_bytes())?;
    output.out.write_all(b"\n")?;
    Ok(())
}

/// Prints the notes at the end of a text answer: the first ones, and how many more there are.
pub fn write_notes(output: &mut Output<'_>, notes: &[Note]) -> Result<(), CommandError> {
    // Without notes nothing needs to be seen before anything else.
    if notes.is_empty() {
        return Ok(());
    }
    output.out.flush()?;
    // What cannot be said beside the answer does not make the answer wrong.
    let shown = if notes.len() == MAX_NOTES_SHOWN + 1 { notes.len() } else { MAX_NOTES_SHOWN };
    for note in notes.iter().take(shown) {
        let _ = writeln!(output.err, "note: {}", note.message);
    }
    if notes.len() > shown {
        let _ = writeln!(output.err, "note: {} more notes (--json has them all)", notes.len() - shown);
    }
    Ok(())
}
