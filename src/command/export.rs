//! `obit export`: what a target holds, in a format that other tools open.

use std::path::PathBuf;

use super::export_page::page;
use super::snapshot::write;
use super::{CommandError, Output, State};
use crate::image::Image;
use crate::image::minidump::write::{Module, Surroundings, minidump};
use crate::image::snapshot::format::ENVIRONMENT;
use crate::session::{OpenOptions, Session};
use crate::snapshot::{self, Options};

/// Memory beyond what answers at the usual limits, as `obit snapshot` keeps it.
const BUDGET: u64 = 2 << 20;
/// How deep values are followed while the budget lasts.
const DEPTH: usize = 8;

/// Arguments of `export`.
#[derive(clap::Args, Debug, Clone)]
#[command(group = clap::ArgGroup::new("format").required(true))]
pub struct Args {
    /// An ELF core of what a snapshot keeps, for gdb and lldb
    #[arg(long, group = "format")]
    pub core: bool,
    /// A minidump of the same, for lldb and for whatever reads Breakpad's and Crashpad's
    #[arg(long, group = "format")]
    pub minidump: bool,
    /// A page for a browser: threads, frames, source, variables to unfold; needs no network and no script
    #[arg(long, group = "format")]
    pub html: bool,
    /// The file to write
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub output: PathBuf,
}

/// Writes the file.
pub fn run(args: &Args, state: &mut State, output: &mut Output<'_>) -> Result<(), CommandError> {
    let mut complaint = None;
    let bytes = if args.core {
        let image = kept(state)?;
        let image = image.as_ref().unwrap_or(&state.session.image);
        let snapshot = image.snapshot.as_ref().ok_or_else(|| CommandError::Usage("nothing was kept".to_owned()))?;
        let (core, problem) = snapshot.core().map_err(CommandError::Usage)?;
        complaint = problem;
        core
    } else if args.html {
        let name = state.session.image.path.display().to_string();
        let page = match kept(state)? {
            Some(image) => {
                let path = image.path.clone();
                let session = Session::of_image(image, &path, &OpenOptions::default())?;
                page(&session, &state.sources, &name)?
            }
            None => page(&state.session, &state.sources, &name)?,
        };
        page.into_bytes()
    } else {
        let image = kept(state)?;
        let image = image.as_ref().unwrap_or(&state.session.image);
        let modules: Vec<Module<'_>> = state
            .session
            .program
            .modules
            .iter()
            .map(|module| Module {
                path: &module.seed.path,
                start: module.seed.start,
                end: module.seed.end,
                // What the target itself says; that a file was found for want of anything better proves nothing.
                build_id: module.build_id().filter(|_| module.seed.build_id.is_some()),
                is_executable: module.seed.is_executable,
            })
            .collect();
        minidump(image, &modules, &surroundings(image)).map_err(|error| CommandError::Usage(error.to_string()))?
    };
    write(&args.output, &bytes).map_err(|error| CommandError::Usage(format!("{}: {error}", args.output.display())))?;
    writeln!(output.out, "{}: {}", args.output.display(), super::info::bytes_text(bytes.len() as u64))?;
    if let Some(complaint) = complaint {
        writeln!(output.err, "note: {complaint}")?;
    }
    Ok(())
}

/// What a snapshot of the target keeps, secrets masked, as an image; `None` where the target is a snapshot itself.
fn kept(state: &State) -> Result<Option<Image>, CommandError> {
    let session = &state.session;
    if session.image.snapshot.is_some() {
        return Ok(None);
    }
    let options = Options { budget: BUDGET, depth: DEPTH, ..Options::default() };
    let taken = snapshot::take(session, options).map_err(|error| CommandError::Usage(error.to_string()))?;
    // What an image reads from lives as long as the program.
    let bytes = Box::leak(taken.bytes.into_boxed_slice());
    let image = crate::image::snapshot::open(&session.image.path, bytes, Vec::new());
    image.map(Some).map_err(|error| CommandError::Session(error.into()))
}

/// The command line and the environment as the snapshot keeps them: variables whose values are masked are left out.
fn surroundings(image: &Image) -> Surroundings {
    let Some(snapshot) = &image.snapshot else { return Surroundings::default() };
    let kept: serde_json::Value = snapshot.json(ENVIRONMENT).unwrap_or_default();
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let list = |key: &str| kept[key].as_array().cloned().unwrap_or_default();
    let variable = |variable: &serde_json::Value| Some((text(&variable["name"])?, text(&variable["value"])?));
    Surroundings {
        arguments: list("command_line").iter().filter_map(text).collect(),
        environment: list("variables").iter().filter_map(variable).collect(),
        system: None,
        time: None,
    }
}
