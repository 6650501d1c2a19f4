//! Typed lines, kept from one session to the next: each is appended when it is typed, so sessions at the same time
//! keep all of theirs.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use super::{data, settings};
use crate::command::Settings;

/// A file much larger than this is no history.
const MAX_BYTES: u64 = 64 << 20;

/// The lines of earlier sessions, the newest ones; the file loses those that are too many.
pub(super) fn read(settings: &Settings) -> Vec<String> {
    let Some(path) = path(settings) else { return Vec::new() };
    let small = fs::metadata(&path).is_ok_and(|metadata| metadata.is_file() && metadata.len() <= MAX_BYTES);
    let Some(bytes) = small.then(|| fs::read(&path).ok()).flatten() else { return Vec::new() };
    let mut lines: Vec<String> = String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect();
    let size = settings::said(settings, "history size").parse().unwrap_or(usize::MAX);
    let too_many = lines.len().saturating_sub(size);
    lines.drain(..too_many);
    // Now and then, as others may append while it is written.
    if too_many > size && saves(settings) {
        let shorter = path.with_extension(format!("{}", std::process::id()));
        let written = fs::write(&shorter, lines.join("\n") + "\n");
        let _ = written.and_then(|()| fs::rename(&shorter, &path));
    }
    lines
}

/// Keeps a line. That it cannot be kept is no reason to complain after every one.
pub(super) fn add(settings: &Settings, line: &str) {
    let Some(path) = path(settings).filter(|_| saves(settings) && !line.trim().is_empty()) else { return };
    let _ = path.parent().map(fs::create_dir_all);
    let Ok(mut file) = OpenOptions::new().create(true).append(true).open(path) else { return };
    // In one write, so that another session's line does not come between.
    let _ = file.write_all(format!("{}\n", line.replace('\n', " ")).as_bytes());
}

fn saves(settings: &Settings) -> bool {
    settings::said(settings, "history save") == "on"
}

/// What was set; else `$XDG_STATE_HOME/obit/history`, `~/.local/state/obit/history`.
fn path(settings: &Settings) -> Option<PathBuf> {
    let said = settings::said(settings, "history filename");
    if !said.is_empty() {
        return Some(data::path_of(said));
    }
    let directory = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = directory("XDG_STATE_HOME").or_else(|| Some(directory("HOME")?.join(".local/state")))?;
    Some(state.join("obit/history"))
}
