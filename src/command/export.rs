//! `obit export`: a snapshot in a format that other tools open.

use std::path::PathBuf;

use super::snapshot::write;
use super::{CommandError, Output, State};
use crate::image::snapshot::LARGEST_PART;
use crate::image::snapshot::format::CORE;

/// Arguments of `export`.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// An ELF core of what the snapshot keeps, for gdb and lldb
    #[arg(long, required = true)]
    pub core: bool,
    /// The file to write
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub output: PathBuf,
}

/// Writes the core that a snapshot holds.
pub fn run(args: &Args, state: &mut State, output: &mut Output<'_>) -> Result<(), CommandError> {
    let image = &state.session.image;
    let target = image.path.display();
    let snapshot = image.snapshot.as_ref().ok_or_else(|| {
        CommandError::Usage(format!("{target}: not a snapshot; make one with obit snapshot {target} -o FILE.obit"))
    })?;
    let (core, complaint) = snapshot.unpack(CORE, LARGEST_PART).map_err(CommandError::Usage)?;
    write(&args.output, &core).map_err(|error| CommandError::Usage(format!("{}: {error}", args.output.display())))?;
    writeln!(
        output.out,
        "{}: {}",
        args.output.display(),
        crate::report::environment_text::bytes_text(core.len() as u64)
    )?;
    if let Some(complaint) = complaint {
        writeln!(output.err, "note: {complaint}")?;
    }
    Ok(())
}
