//! `obit modules`: which files ran, and which of them were found.

use super::{CommandError, Output, State, common};
use crate::module::find::hex;
use crate::report::documents;
use crate::report::table::{text, write_table};
use crate::session::modules::{DebugStatus, FileStatus, ModuleRow};

/// Arguments of `modules`.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// Only those whose path matches this regular expression
    #[arg(value_name = "RE")]
    path: Option<String>,
}

/// Bytes that a regular expression may become.
const MAX_EXPRESSION: usize = 1 << 20;

/// Answers `modules`.
pub fn run(args: &Args, state: &mut State, output: &mut Output<'_>) -> Result<(), CommandError> {
    let wanted = args.path.as_deref().map(|text| {
        let built = regex::RegexBuilder::new(text).size_limit(MAX_EXPRESSION).build();
        built.map_err(|_| CommandError::Usage(format!("{text}: no regular expression")))
    });
    let wanted = wanted.transpose()?;
    let session = &state.session;
    let mut rows = session.modules();
    if let Some(wanted) = &wanted {
        rows.retain(|row| wanted.is_match(&row.path));
        if rows.is_empty() {
            return Err(CommandError::NoMatch(format!("No module's path matches {}.", wanted.as_str())));
        }
    }
    let notes = session.notes();
    if state.json {
        return common::write_document(output, documents::modules(&rows, &notes));
    }
    let cells = rows.iter().map(|row| {
        vec![
            row.start.to_string(),
            row.end.to_string(),
            documents::file_status_code(&row.file).to_owned(),
            debug_text(&row.debug).to_owned(),
            row.build_id.as_deref().map(hex).unwrap_or_default(),
            row.path.clone(),
        ]
    });
    let columns = [text("start"), text("end"), text("file"), text("debug info"), text("build-id"), text("path")];
    write_table(output.out, &columns, cells.collect())?;
    for row in &rows {
        write_details(row, output)?;
    }
    common::write_notes(output, &notes)
}

fn debug_text(debug: &DebugStatus) -> &'static str {
    match debug {
        DebugStatus::InFile => "yes",
        DebugStatus::Separate(_) => "separate",
        DebugStatus::SymbolsOnly => "symbols only",
        DebugStatus::Missing => "no",
    }
}

/// Where a missing file was looked for, what is wrong with one that was found, and where separate files are.
fn write_details(row: &ModuleRow, output: &mut Output<'_>) -> Result<(), CommandError> {
    let build_id = row.build_id.as_deref().map_or_else(|| "unknown".to_owned(), hex);
    match &row.file {
        FileStatus::Missing => {
            writeln!(output.out, "\n{}: {}, build-id {build_id}", row.path, output.paint.alarm("missing"))?;
            write_searched(row, output)?;
        }
        FileStatus::Mismatch { path, build_id: other, used } => {
            let other = other.as_deref().map_or_else(|| "no build-id".to_owned(), |id| format!("build-id {}", hex(id)));
            let verdict = if *used { "used all the same, as asked" } else { "refused (--allow-mismatch uses it)" };
            let file = path.display();
            let word = output.paint.alarm("another build");
            writeln!(output.out, "\n{}: {word}\n    the core has build-id {build_id}", row.path)?;
            writeln!(output.out, "    {file} has {other}: {verdict}")?;
            write_searched(row, output)?;
        }
        FileStatus::Found(path) => {
            let elsewhere = path.as_os_str() != row.path.as_str();
            if elsewhere {
                writeln!(output.out, "\n{}: read from {}", row.path, path.display())?;
            }
            if let DebugStatus::Separate(debug) = &row.debug {
                let start = if elsewhere { String::new() } else { format!("\n{}:\n", row.path) };
                writeln!(output.out, "{start}    debug information in {}", debug.display())?;
            }
        }
        FileStatus::InMemory => {}
    }
    Ok(())
}

fn write_searched(row: &ModuleRow, output: &mut Output<'_>) -> Result<(), CommandError> {
    for place in &row.looked_in {
        writeln!(output.out, "    looked for {place}")?;
    }
    Ok(())
}
