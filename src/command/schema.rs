//! `obit schema`: the JSON Schema of the documents.

use super::{CommandError, Output};
use crate::report::schema;

/// Arguments of `schema`.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// A document, as its `schema` field names it (backtrace, or obit.backtrace/1) [default: all of them]
    name: Option<String>,
}

/// Answers `schema`.
pub fn run(args: &Args, output: &mut Output<'_>) -> Result<(), CommandError> {
    let text = match args.name.as_deref() {
        None => schema::all().to_owned(),
        Some(name) => schema::one(name).ok_or_else(|| {
            CommandError::NoMatch(format!("{name}: no such document; there are {}", schema::names().join(", ")))
        })?,
    };
    writeln!(output.out, "{text}")?;
    Ok(())
}
