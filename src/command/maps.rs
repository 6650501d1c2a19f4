//! `obit maps`: what was mapped, and how much of it the core holds.

use super::{CommandError, Output, State, common};
use crate::report::documents;
use crate::report::table::{number, text, write_table};

/// Arguments of `maps`.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {}

/// Answers `maps`.
pub fn run(_args: &Args, state: &mut State, output: &mut Output<'_>) -> Result<(), CommandError> {
    let session = &state.session;
    let mappings = &session.image.mappings;
    let notes = session.notes();
    if state.json {
        return common::write_document(output, documents::maps(mappings, &notes));
    }
    let cells = mappings.iter().map(|mapping| {
        vec![
            mapping.start.to_string(),
            mapping.end.to_string(),
            documents::permissions(mapping.flags),
            format!("{:#x}", mapping.end.0.saturating_sub(mapping.start.0)),
            format!("{:#x}", mapping.saved),
            mapping.file.as_ref().map(|(_, offset)| format!("{offset:#x}")).unwrap_or_default(),
            mapping.file.as_ref().map(|(path, _)| path.clone()).unwrap_or_default(),
        ]
    });
    let columns =
        [text("start"), text("end"), text("perms"), number("size"), number("saved"), number("offset"), text("file")];
    write_table(output.out, &columns, cells.collect())?;
    common::write_notes(output, &notes)
}
