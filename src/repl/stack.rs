//! Selecting threads and frames, and what a frame holds.

use std::sync::Arc;

use super::{Next, Repl, arguments, settings};
use crate::command::selected::{self, Selected};
use crate::command::{CommandError, FrameArgs, Selection};
use crate::image::ThreadState;
use crate::report::bt_text::{Detail, FrameArguments, StackText};
use crate::report::code_text::CodeTexts;
use crate::report::session_documents;
use crate::report::value_text;
use crate::session::{Role, Session, Trace};
use crate::value::Limits;
use crate::value::formatters::base_name;

/// Frames of a stack in which one is looked for.
const FRAMES: usize = 1 << 16;

pub(super) fn current<'a>(repl: &'a Repl<'_>) -> Result<Selected<'a>, CommandError> {
    selected::select(repl.state, &FrameArgs::default())
}

/// What `write` makes of the selected thread's stack as far as it was traced.
pub(super) fn stack_text(
    repl: &Repl<'_>,
    found: &Selected<'_>,
    limits: Limits,
    write: impl FnOnce(&StackText<'_>, &mut String),
) -> String {
    let session = found.session;
    let settings = &repl.state.settings;
    let variables = |trace: &Trace, frame: usize| arguments::variables(session, settings, trace, frame, &limits);
    let module = |id| session.module_label(id);
    let text = StackText {
        types: &session.types,
        module: &module,
        variables: &variables,
        sources: &repl.state.sources,
        paint: repl.paint,
        address_digits: session.image.arch.address_size() * 2,
        frame_limit: FRAMES,
        options: repl.state.settings.print,
        arguments: repl.state.settings.frame_arguments,
        info: repl.state.settings.frame_info,
        codes: CodeTexts::default(),
    };
    let mut out = String::new();
    write(&text, &mut out);
    out
}

/// The selected frame's line and source line.
pub(super) fn show_frame(repl: &mut Repl<'_>) -> Result<Next, CommandError> {
    // As in gdb, `list` is about the frame's line again.
    repl.state.listed = None;
    if repl.state.json {
        return super::describe::describe(repl, "");
    }
    let text = {
        let found = current(repl)?;
        let Some(position) = found.position else {
            return Err(CommandError::NoMatch("no frame is selected: the thread has none".to_owned()));
        };
        let all = repl.state.settings.frame_arguments == FrameArguments::All;
        let depth = if all { repl.state.settings.limits.depth } else { 1 };
        let limits = Limits { depth, follow: false, ..repl.state.settings.limits };
        stack_text(repl, &found, limits, |text, out| text.write_one(out, &found.trace, position, Detail::Arguments))
    };
    repl.out.write_all(text.as_bytes())?;
    Ok(Next::Line)
}

/// `bt [full] [N|-N]`: the selected thread's stack; `bt all` is the command line's `bt`.
pub(super) fn backtrace(repl: &mut Repl<'_>, arguments: &str) -> Result<Next, CommandError> {
    let before = repl.state.settings.clone();
    let (mut rest, mut full) = (arguments.trim_start(), false);
    // Flags stand between settings, in any order.
    let answered = loop {
        let (settings, after) = match settings::take_options(&repl.state.settings, &["print", "backtrace"], rest) {
            Ok(taken) => taken,
            Err(error) => break Err(error),
        };
        repl.state.settings = settings;
        let (word, behind) = after.split_once(char::is_whitespace).unwrap_or((after, ""));
        let is_flag = |name: &str| word.len() > 1 && name.starts_with(word);
        match () {
            () if is_flag("-full") => full = true,
            // What they leave out is never made here.
            () if is_flag("-hide") || is_flag("-no-filters") => {}
            () => break backtrace_as_set(repl, after, full),
        }
        rest = behind.trim_start();
    };
    repl.state.settings = before;
    answered
}

/// As many of the stack's frames as the settings want: none beyond `main`, or beyond where the program begins.
fn end_of_stack(settings: &crate::command::Settings, session: &Session, trace: &Trace) -> usize {
    let is_off = |name| settings::said(settings, name) == "off";
    let executable = session.program.modules.iter().find(|module| module.seed.is_executable).map(|module| module.id);
    let is_called = |frame: &crate::session::Frame, names: &[&str]| {
        frame.module == executable && frame.code.function.as_deref().is_some_and(|name| names.contains(&name))
    };
    let ends = |frame: &crate::session::Frame| {
        is_off("backtrace past-main") && is_called(frame, &["main", "main.main"])
            || is_off("backtrace past-entry") && is_called(frame, &["_start"])
    };
    trace.frames.iter().position(ends).map_or(trace.frames.len(), |last| last + 1)
}

fn backtrace_as_set(repl: &mut Repl<'_>, arguments: &str, full: bool) -> Result<Next, CommandError> {
    let (mut full, mut count) = (full, None);
    let mut words = arguments.split_whitespace().peekable();
    while let Some(word) = words.next() {
        match word {
            "full" | "-full" | "--locals" => full = true,
            "all" => return repl.command(&["bt", "--thread", "all"]),
            // What they leave out is never made here.
            "no-filters" | "-no-filters" | "hide" | "-hide" => {}
            // lldb: -c COUNT
            "-c" => {
                let number = words.next().and_then(|number| number.parse().ok());
                count = Some(number.ok_or_else(|| CommandError::Usage("bt -c COUNT".to_owned()))?);
            }
            _ if word.starts_with("--") => {
                let words: Vec<&str> = std::iter::once("bt").chain(arguments.split_whitespace()).collect();
                return repl.command(&words);
            }
            _ => {
                let number: i64 =
                    word.parse().map_err(|_| CommandError::Usage(format!("{word}: bt [full] [COUNT|-COUNT]")))?;
                count = Some(number);
            }
        }
    }
    if repl.state.json {
        let lwp = thread_of(repl)?.lwp.to_string();
        let id = repl.state.selection.goroutine.map(|id| id.to_string());
        let mut words = match &id {
            Some(id) => vec!["goroutines", "--id", id],
            None => vec!["bt", "--thread", &lwp],
        };
        words.extend(full.then_some("--locals"));
        return repl.command(&words);
    }
    let text = {
        let thread = thread_of(repl)?;
        let selection = Selection { thread: Some(thread.lwp), frame: 0, ..repl.state.selection };
        let mut found = selected::find(&repl.state.session, selection)?;
        found.trace = trace_of(repl)?;
        // Cut below, where fewer are asked for.
        let trace = Arc::make_mut(&mut found.trace);
        trace.frames.truncate(end_of_stack(&repl.state.settings, &repl.state.session, trace));
        let all = trace.frames.len();
        let limit = repl.state.settings.backtrace_limit.map(|limit| limit as i64);
        let mut more = None;
        match count.or(limit) {
            Some(number @ 0..) if usize::try_from(number).is_ok_and(|number| number < all) => {
                trace.frames.truncate(number as usize);
                more = Some("(More stack frames follow...)\n");
            }
            Some(number @ ..0) => {
                let left = all.saturating_sub(usize::try_from(number.unsigned_abs()).unwrap_or(usize::MAX));
                trace.frames.drain(..left);
            }
            _ => {}
        }
        let whole = full || repl.state.settings.frame_arguments == FrameArguments::All;
        let depth = if whole { repl.state.settings.limits.depth } else { 1 };
        let limits = Limits { depth, follow: false, ..repl.state.settings.limits };
        let detail = if full { Detail::Locals } else { Detail::Arguments };
        let mut text = stack_text(repl, &found, limits, |text, out| text.write_stack(out, &found.trace, detail));
        text.push_str(more.unwrap_or_default());
        text
    };
    repl.out.write_all(text.as_bytes())?;
    Ok(Next::Line)
}

/// `frame N`, `frame level N`, `frame function NAME`, `frame address ADDR`; without any, the selected one.
pub(super) fn frame(repl: &mut Repl<'_>, arguments: &str) -> Result<Next, CommandError> {
    let arguments = arguments.strip_prefix("select ").unwrap_or(arguments).trim();
    let (kind, rest) = arguments.split_once(char::is_whitespace).unwrap_or((arguments, ""));
    let rest = rest.trim();
    let index = match kind {
        "" | "info" => return show_frame(repl),
        "function" | "func" if !rest.is_empty() => {
            let found =
                trace_of(repl)?.frames.iter().find(|frame| is_of_function(frame, rest)).map(|frame| frame.index);
            found.ok_or_else(|| CommandError::NoMatch(format!("No frame for function \"{rest}\".")))?
        }
        "address" | "addr" if !rest.is_empty() => frame_at(repl, rest)?,
        "view" => {
            return Err(CommandError::Usage("frame view: only the frames that bt lists can be selected".to_owned()));
        }
        "level" => level(repl, rest)?,
        _ => level(repl, arguments)?,
    };
    go(repl, index)
}

/// The function's name, its last part or that with its parameters; type arguments may be left out.
fn is_of_function(frame: &crate::session::Frame, wanted: &str) -> bool {
    let Some(function) = frame.code.function.as_deref() else { return false };
    let plain = crate::demangle::without_parameters(function);
    let is_it = |plain: &str| plain == wanted || plain.strip_suffix(wanted).is_some_and(|scope| scope.ends_with("::"));
    // Go has `main.(*list[go.shape.int]).push`, `main.apply[...]`.
    function == wanted || is_it(plain) || is_it(&base_name(plain)) || is_it(&without_brackets(function))
}

fn without_brackets(name: &str) -> String {
    let mut nesting = 0usize;
    let outside = name.chars().filter(|char| {
        let inside = nesting > 0;
        match char {
            '[' => nesting += 1,
            ']' => nesting = nesting.saturating_sub(1),
            _ => {}
        }
        !inside && *char != '['
    });
    outside.collect()
}

/// A frame's number: a number or an expression that gives one.
pub(super) fn level(repl: &Repl<'_>, text: &str) -> Result<usize, CommandError> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let usage = || CommandError::Usage(format!("{text}: the number of a frame is expected, as bt counts them"));
    if text.is_empty() {
        return Err(usage());
    }
    let number = super::data::number(repl, text).map_err(|_| usage())?;
    usize::try_from(number).map_err(|_| usage())
}

/// The frame whose stack address (gdb's `frame at`) or, within its function, whose pc is that.
fn frame_at(repl: &Repl<'_>, text: &str) -> Result<usize, CommandError> {
    let address = super::data::number(repl, text)?;
    let trace = trace_of(repl)?;
    let at = |frame: &&crate::session::Frame| {
        let canonical = trace.stack.frames.get(frame.machine + 1).and_then(|caller| caller.registers.sp());
        i128::from(frame.pc.0) == address || canonical.is_some_and(|canonical| i128::from(canonical) == address)
    };
    let found = trace.frames.iter().find(at).map(|frame| frame.index);
    found.ok_or_else(|| CommandError::NoMatch(format!("No frame at address {text}.")))
}

fn go(repl: &mut Repl<'_>, index: usize) -> Result<Next, CommandError> {
    if index > 0 && trace_of(repl)?.frames.binary_search_by_key(&index, |frame| frame.index).is_err() {
        return Err(CommandError::NoMatch(format!("No frame at level {index}.")));
    }
    let before = std::mem::replace(&mut repl.state.selection.frame, index);
    let shown = show_frame(repl);
    if shown.is_err() {
        repl.state.selection.frame = before;
        return shown;
    }
    super::display::redisplay(repl)
}

pub(super) fn trace_of(repl: &Repl<'_>) -> Result<Arc<Trace>, CommandError> {
    if let Some(id) = repl.state.selection.goroutine {
        return Ok(selected::goroutine(&repl.state.session, id, FRAMES)?.1);
    }
    let thread = thread_of(repl)?;
    Ok(repl.state.session.kept_trace(thread, FRAMES))
}

pub(super) fn thread_of<'a>(repl: &'a Repl<'_>) -> Result<&'a ThreadState, CommandError> {
    let session = &repl.state.session;
    match repl.state.selection.thread {
        Some(lwp) => selected::find_thread(session, lwp),
        None => {
            session.image.threads.first().ok_or_else(|| CommandError::NoMatch("the core holds no thread".to_owned()))
        }
    }
}

/// `up N`, `down N`: outwards where `step` is positive.
pub(super) fn step(repl: &mut Repl<'_>, arguments: &str, step: isize) -> Result<Next, CommandError> {
    let count: isize = match arguments.trim() {
        "" => 1,
        text => match text.parse() {
            Ok(count) => count,
            Err(_) => isize::try_from(super::data::number(repl, text)?).unwrap_or(isize::MAX),
        },
    };
    let step = if count < 0 { -step } else { step };
    let count = count.saturating_abs();
    let highest = trace_of(repl)?.frames.last().map_or(0, |frame| frame.index);
    let from = repl.state.selection.frame;
    let to = from.saturating_add_signed(step.saturating_mul(count)).min(highest);
    if to == from && count != 0 {
        let message = if step > 0 {
            "Initial frame selected; you cannot go up."
        } else {
            "Bottom (innermost) frame selected; you cannot go down."
        };
        return Err(CommandError::NoMatch(message.to_owned()));
    }
    go(repl, to)
}

/// `info locals`, `info args`
pub(super) fn variables(repl: &mut Repl<'_>, role: Option<Role>) -> Result<Next, CommandError> {
    let text = {
        let found = current(repl)?;
        let session = &repl.state.session;
        let json = repl.state.json;
        let statics = repl.state.settings.limits.statics && !json;
        let limits = Limits { follow: json, statics, ..repl.state.settings.limits };
        let Some(position) = found.position else {
            return Err(CommandError::NoMatch("No frame selected.".to_owned()));
        };
        let mut variables = session.variables(&found.trace, position, &limits);
        variables.retain(|variable| role.is_none_or(|role| variable.role == role));
        if repl.state.json {
            let json = session_documents::variables(
                found.thread.lwp,
                repl.state.selection.frame,
                &session.types,
                &variables,
                &session.notes(),
            );
            let mut bytes = json.into_bytes();
            bytes.push(b'\n');
            bytes
        } else {
            let described = found.frame().is_some_and(|frame| frame.code.language.is_some());
            variables_text(repl, &variables, role, described).into_bytes()
        }
    };
    repl.out.write_all(&text)?;
    Ok(Next::Line)
}

fn variables_text(
    repl: &Repl<'_>,
    variables: &[crate::session::Variable],
    role: Option<Role>,
    described: bool,
) -> String {
    if variables.is_empty() {
        let what = match role {
            _ if !described => "No symbol table info available.",
            Some(Role::Argument) => "No arguments.",
            _ => "No locals.",
        };
        return format!("{what}\n");
    }
    let options = &repl.state.settings.print;
    let mut text = String::new();
    for variable in variables {
        let value = value_text::value_text_with(&repl.state.session.types, &variable.value, options);
        text += &format!("{} = {value}\n", variable.name);
    }
    text
}
