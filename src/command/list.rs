//! `obit list`: source lines around a frame's line, a line or a function.

use std::sync::Arc;

use super::selected::select;
use super::{CommandError, FrameArgs, Output, Selection, State, common};
use crate::report::bt_text::shortened;
use crate::report::documents;
use crate::report::source::Source;
use crate::value::Place;

/// Lines that are listed where nothing else is said.
const LINES: u32 = 10;

/// Arguments of `list`.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// FILE:LINE, FUNCTION, *ADDRESS, or LINE in the frame's file; FIRST,LAST; in a session - for the lines before
    /// [default: the frame's line, in a session the lines that follow]
    #[arg(value_name = "LOCATION")]
    location: Option<String>,
    #[command(flatten)]
    frame: FrameArgs,
    /// How many lines [default: 10]
    #[arg(long, value_name = "N")]
    lines: Option<u32>,
}

/// A line in a file, as the debug information names it.
#[derive(Clone, Debug)]
struct Spot {
    file: String,
    line: u32,
    /// The frame stands here.
    current: bool,
    /// What an address is in, where one was asked for.
    within: Option<String>,
}

/// The lines that were listed last, where a session's next `list` goes on.
#[derive(Clone, Debug)]
pub struct Listed {
    file: String,
    first: u32,
    last: u32,
    /// The frame that it was listed for: another one's `list` starts anew.
    selection: Selection,
}

/// What is to be listed.
struct Extent {
    file: String,
    first: u32,
    /// `None`: to the file's end.
    last: Option<u32>,
    /// The line that the frame stands at.
    current: Option<u32>,
    /// The line asked for, which the file must have.
    asked: u32,
    /// The file was named before.
    goes_on: bool,
    /// What is said instead of the file's name.
    heading: Option<String>,
}

/// Answers `list`.
pub fn run(args: &Args, state: &mut State, output: &mut Output<'_>) -> Result<(), CommandError> {
    let extent = extent(args, state)?;
    let source = source(state, &extent.file)?;
    let (path, count) = (source.path.display(), source.line_count());
    if extent.asked > count || extent.first > count {
        return Err(CommandError::NoMatch(match extent.goes_on {
            true => format!("Line number {} out of range; \"{path}\" has {count} lines.", extent.first),
            false => format!("{path}: line {} asked for, the file has {count}", extent.asked),
        }));
    }
    let last = extent.last.unwrap_or(count).min(count);
    let lines: Vec<(u32, String)> = (extent.first..=last).filter_map(|line| Some((line, source.line(line)?))).collect();
    let selection = state.selection(&args.frame);
    if state.interactive {
        state.listed = Some(Listed { file: extent.file.clone(), first: extent.first, last, selection });
    }
    let notes = state.session.notes();
    if state.json {
        let found = source.path.to_string_lossy();
        let document = documents::list(&extent.file, &found, extent.current, &lines, &notes);
        return common::write_document(output, document);
    }
    if let Some(heading) = &extent.heading {
        writeln!(output.out, "{heading}")?;
    } else if !extent.goes_on {
        writeln!(output.out, "{}:", output.paint.file(shortened(&source.path.to_string_lossy())))?;
    }
    for (line, text) in &lines {
        if Some(*line) == extent.current {
            writeln!(output.out, "{}", output.paint.heading(format_args!("{line:>5} > {text}")))?;
        } else {
            writeln!(output.out, "{line:>5}   {text}")?;
        }
    }
    common::write_notes(output, &notes)
}

/// gdb's `forward-search` and `reverse-search`: the next line that matches, from those that were listed last (or from the
/// frame's) on.
pub fn search(pattern: &str, forward: bool, state: &mut State, output: &mut Output<'_>) -> Result<(), CommandError> {
    /// Bytes that a regular expression may become.
    const MAX_EXPRESSION: usize = 1 << 20;
    let expression = regex::RegexBuilder::new(pattern).size_limit(MAX_EXPRESSION).build();
    let expression = expression.map_err(|_| CommandError::Usage(format!("{pattern}: no regular expression")))?;
    let args = Args { location: None, frame: FrameArgs::default(), lines: None };
    let selection = state.selection(&args.frame);
    let (file, from) = match state.listed.as_ref().filter(|listed| listed.selection == selection) {
        Some(listed) if forward => (listed.file.clone(), listed.last),
        Some(listed) => (listed.file.clone(), listed.last.min(listed.first.saturating_add(1))),
        None => frame_spot(&args, state).map(|spot| (spot.file, spot.line))?,
    };
    let source = source(state, &file)?;
    let mut lines: Box<dyn Iterator<Item = u32>> = match forward {
        true => Box::new(from.saturating_add(1)..=source.line_count()),
        false => Box::new((1..from).rev()),
    };
    let found = lines.find_map(|line| Some((line, source.line(line).filter(|text| expression.is_match(text))?)));
    let (line, text) = found.ok_or_else(|| CommandError::NoMatch("Expression not found".to_owned()))?;
    state.listed = Some(Listed { file, first: line, last: line, selection });
    writeln!(output.out, "{line}\t{text}")?;
    Ok(())
}

fn source(state: &State, file: &str) -> Result<Arc<Source>, CommandError> {
    let executable = state.session.program.modules.iter().find(|module| module.seed.is_executable);
    state.sources.find(file, executable.and_then(|module| module.build_id())).ok_or_else(|| {
        let tried: Vec<String> = state.sources.candidates(file).iter().map(|path| path.display().to_string()).collect();
        CommandError::NoMatch(format!("{file}: the source file was not found (looked for {})", tried.join(", ")))
    })
}

/// `A,B`, `A,`, `,B`, `-`, one place, or none.
fn extent(args: &Args, state: &State) -> Result<Extent, CommandError> {
    let count = args.lines.or(state.settings.list_size).unwrap_or(LINES).max(1);
    let location = args.location.as_deref().map(str::trim).filter(|location| !location.is_empty());
    let before = state.listed.as_ref().filter(|listed| listed.selection == state.selection(&args.frame));
    let own = frame_spot(args, state).ok().map(|spot| (spot.file, spot.line));
    let current = |file: &str| own.as_ref().filter(|(own, _)| own == file).map(|(_, line)| *line);
    let goes_on = |listed: &Listed, first: u32, last: u32| Extent {
        current: current(&listed.file),
        file: listed.file.clone(),
        first,
        last: Some(last),
        asked: first,
        goes_on: true,
        heading: None,
    };
    match (location, before) {
        (None, Some(listed)) => {
            let first = listed.last.saturating_add(1);
            return Ok(goes_on(listed, first, first.saturating_add(count - 1)));
        }
        (Some("-"), Some(listed)) => {
            let last = listed.first.saturating_sub(1);
            if last == 0 {
                return Err(CommandError::NoMatch(format!("Already at the start of {}.", listed.file)));
            }
            return Ok(goes_on(listed, last.saturating_sub(count - 1).max(1), last));
        }
        _ => {}
    }
    // Two places; a comma within brackets is a function's own.
    if let Some((from, to)) = location.and_then(split_range) {
        let range = |file: String, first: u32, last: u32, asked: u32| Extent {
            current: current(&file),
            file,
            first,
            last: Some(last),
            asked,
            goes_on: false,
            heading: None,
        };
        return match (from, to) {
            ("", "") => Err(CommandError::Usage("list FIRST,LAST: one of them is expected".to_owned())),
            ("", to) => {
                let to = find_spot(to, args, state)?;
                Ok(range(to.file, to.line.saturating_sub(count - 1).max(1), to.line, 1))
            }
            (from, "") => {
                let from = find_spot(from, args, state)?;
                Ok(range(from.file, from.line.max(1), from.line.saturating_add(count - 1), from.line))
            }
            (from, to) => {
                let from = find_spot(from, args, state)?;
                let offset = to.strip_prefix('+').and_then(|count| count.parse::<u32>().ok());
                let to = match (offset, to.parse()) {
                    (Some(count), _) => Spot { line: from.line.saturating_add(count), ..from.clone() },
                    (None, Ok(line)) => Spot { line, ..from.clone() },
                    (None, Err(_)) => find_spot(to, args, state)?,
                };
                if to.file != from.file {
                    let message = format!("{} and {}: both places are in one file", from.file, to.file);
                    return Err(CommandError::Usage(message));
                }
                if to.line < from.line {
                    return Err(CommandError::Usage(format!("line {} is before line {}", to.line, from.line)));
                }
                Ok(range(from.file, from.line.max(1), to.line, from.line))
            }
        };
    }
    let spot = match location {
        None | Some("-") => frame_spot(args, state)?,
        Some(location) => find_spot(location, args, state)?,
    };
    // gdb puts the line in the middle: five before it, four after it; `list -` has those before them.
    let middle = spot.line.saturating_sub(count / 2).max(1);
    let (first, last) = match location {
        Some("-") => (middle.saturating_sub(count).max(1), middle.saturating_sub(1).max(1)),
        _ => (middle, middle.saturating_add(count - 1)),
    };
    let current = spot.current.then_some(spot.line);
    Ok(Extent {
        file: spot.file,
        first,
        last: Some(last),
        current,
        asked: spot.line,
        goes_on: false,
        heading: spot.within,
    })
}

/// The places on both sides of a comma that is in no brackets.
fn split_range(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' | '<' => depth += 1,
            ')' | ']' | '}' | '>' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => return Some((text[..at].trim(), text[at + 1..].trim())),
            _ => {}
        }
    }
    None
}

fn find_spot(location: &str, args: &Args, state: &State) -> Result<Spot, CommandError> {
    let nowhere = || CommandError::NoMatch(format!("{location}: no function of that name has source lines"));
    if let Some(expression) = location.strip_prefix('*') {
        let selected = select(state, &args.frame)?;
        let address = super::x::address_of(&selected, &state.variables, expression)?;
        let code = state.session.code(address).into_iter().next();
        let spot = code.and_then(|code| {
            let (file, line) = (code.file.as_ref()?.to_string(), code.line?);
            let within = code.function.as_deref().map(|function| {
                format!("{address} is in {} ({}:{line}).", crate::demangle::shorten(function), shortened(&file))
            });
            Some(Spot { file, line, current: false, within })
        });
        return spot.ok_or_else(|| CommandError::NoMatch(format!("No line number information for {address}.")));
    }
    // A number is a line of the file that was listed last, else of the frame's.
    let offset = location.strip_prefix('+').map(|offset| (offset, true));
    let offset = offset.or_else(|| location.strip_prefix('-').map(|offset| (offset, false)));
    let (number, step) = offset.map_or((location, None), |(number, forward)| (number, Some(forward)));
    if let Ok(number) = number.parse::<u32>() {
        let listed = state.listed.as_ref().filter(|listed| listed.selection == state.selection(&args.frame));
        let (file, line) = match listed {
            Some(listed) => (listed.file.clone(), listed.last),
            None => frame_spot(args, state).map(|spot| (spot.file, spot.line))?,
        };
        let line = match step {
            None => number,
            Some(true) => line.saturating_add(number),
            Some(false) => line.saturating_sub(number),
        };
        return Ok(Spot { file, line: line.max(1), current: false, within: None });
    }
    let mut name = location;
    let mut within = None;
    if let Some((file, place)) = location.rsplit_once(':')
        && !file.ends_with(':')
    {
        if let Ok(line) = place.parse() {
            return Ok(Spot { file: recorded_path(args, state, file), line, current: false, within: None });
        }
        (within, name) = (Some(file), place);
    }
    let functions = state.session.find_globals(name, within, None);
    let lines = functions.iter().filter_map(|function| {
        let Ok(Place::Memory(address)) = function.place else { return None };
        // The innermost function of the address comes first; its own line is the outermost one's.
        let code = state.session.code(address).into_iter().last()?;
        Some(Spot { file: code.file.as_ref()?.to_string(), line: code.line?, current: false, within: None })
    });
    lines.into_iter().next().ok_or_else(nowhere)
}

fn frame_spot(args: &Args, state: &State) -> Result<Spot, CommandError> {
    let selected = select(state, &args.frame)?;
    let code = selected.frame().map(|frame| &frame.code);
    let spot = code.and_then(|code| {
        Some(Spot { file: code.file.as_ref()?.to_string(), line: code.line?, current: true, within: None })
    });
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
