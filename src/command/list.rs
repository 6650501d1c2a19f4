//! `obit list`: source lines around a frame's line, a line or a function.

use super::selected::select;
use super::{CommandError, FrameArgs, Output, State, common};
use crate::report::bt_text::shortened;
use crate::report::documents;
use crate::value::Place;

/// Arguments of `list`.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// FILE:LINE, FUNCTION, or LINE in the frame's file [default: the frame's line]
    #[arg(value_name = "LOCATION")]
    location: Option<String>,
    #[command(flatten)]
    frame: FrameArgs,
    /// How many lines
    #[arg(long, value_name = "N", default_value_t = 10)]
    lines: u32,
}

/// A line in a file, as the debug information names it.
struct Spot {
    file: String,
    line: u32,
    /// The frame stands here.
    current: bool,
}

/// Answers `list`.
pub fn run(args: &Args, state: &mut State, output: &mut Output<'_>) -> Result<(), CommandError> {
    let session = &state.session;
    let spot = find_spot(args, state)?;
    let executable = session.program.modules.iter().find(|module| module.seed.is_executable);
    let source = state.sources.find(&spot.file, executable.and_then(|module| module.build_id())).ok_or_else(|| {
        let tried: Vec<String> =
            state.sources.candidates(&spot.file).iter().map(|path| path.display().to_string()).collect();
        CommandError::NoMatch(format!("{}: the source file was not found (looked for {})", spot.file, tried.join(", ")))
    })?;
    if spot.line > source.line_count() {
        let (path, count) = (source.path.display(), source.line_count());
        return Err(CommandError::NoMatch(format!("{path}: line {} asked for, the file has {count}", spot.line)));
    }
    let count = args.lines.max(1);
    // gdb puts the line in the middle: five before it, four after it.
    let first = spot.line.saturating_sub(count / 2).max(1);
    let last = first.saturating_add(count - 1).min(source.line_count());
    let lines: Vec<(u32, String)> = (first..=last).filter_map(|line| Some((line, source.line(line)?))).collect();
    let current = spot.current.then_some(spot.line);
    let notes = session.notes();
    if state.json {
        let found = source.path.to_string_lossy();
        return common::write_document(output, documents::list(&spot.file, &found, current, &lines, &notes));
    }
    writeln!(output.out, "{}:", output.paint.file(shortened(&source.path.to_string_lossy())))?;
    for (line, text) in &lines {
        if Some(*line) == current {
            writeln!(output.out, "{}", output.paint.heading(format_args!("{line:>5} > {text}")))?;
        } else {
            writeln!(output.out, "{line:>5}   {text}")?;
        }
    }
    common::write_notes(output, &notes)
}

fn find_spot(args: &Args, state: &State) -> Result<Spot, CommandError> {
    let Some(location) = args.location.as_deref() else {
        return frame_spot(args, state);
    };
    if let Ok(line) = location.parse() {
        return Ok(Spot { line, current: false, ..frame_spot(args, state)? });
    }
    if let Some((file, line)) = location.rsplit_once(':')
        && let Ok(line) = line.parse()
        && !file.ends_with(':')
    {
        return Ok(Spot { file: recorded_path(args, state, file), line, current: false });
    }
    let functions = state.session.find_globals(location, None);
    let lines = functions.iter().filter_map(|function| {
        let Ok(Place::Memory(address)) = function.place else { return None };
        // The innermost function of the address comes first; its own line is the outermost one's.
        let code = state.session.code(address).into_iter().last()?;
        Some(Spot { file: code.file.as_ref()?.to_string(), line: code.line?, current: false })
    });
    lines
        .into_iter()
        .next()
        .ok_or_else(|| CommandError::NoMatch(format!("{location}: no function of that name has source lines")))
}

fn frame_spot(args: &Args, state: &State) -> Result<Spot, CommandError> {
    let selected = select(state, &args.frame)?;
    let code = selected.frame().map(|frame| &frame.code);
    let spot =
        code.and_then(|code| Some(Spot { file: code.file.as_ref()?.to_string(), line: code.line?, current: true }));
    spot.ok_or_else(|| {
        CommandError::NoMatch(format!(
            "frame {} of thread {} has no source line; name another with --frame, or give FILE:LINE",
            state.selection(&args.frame).frame,
            selected.thread.lwp
        ))
    })
}

/// `w1.c` as the frames of the selected thread know it, where one of them is in that file; else as given.
fn recorded_path(args: &Args, state: &State, file: &str) -> String {
    let any_frame = FrameArgs { thread: args.frame.thread, frame: Some(0) };
    let Ok(selected) = select(state, &any_frame) else { return file.to_owned() };
    let files = selected.trace.frames.iter().filter_map(|frame| frame.code.file.as_deref());
    let matches =
        |recorded: &&str| recorded.strip_suffix(file).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'));
    files.into_iter().find(matches).unwrap_or(file).to_owned()
}
