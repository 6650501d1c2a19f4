//! Selecting threads and frames, and what a frame holds.

use super::{Next, Repl};
use crate::command::selected::{self, Selected};
use crate::command::{CommandError, FrameArgs, Selection};
use crate::image::ThreadState;
use crate::report::bt_text::{Detail, StackText};
use crate::report::value_text;
use crate::session::{Role, Trace};
use crate::unwind::StackEnd;
use crate::value::Limits;

/// Frames of a stack in which one is looked for.
const FRAMES: usize = 1 << 16;

fn current<'a>(repl: &'a Repl<'_>) -> Result<Selected<'a>, CommandError> {
    selected::select(repl.state, &FrameArgs::default())
}

/// What `write` makes of the selected thread's stack as far as it was traced.
fn stack_text(
    repl: &Repl<'_>,
    found: &Selected<'_>,
    limits: Limits,
    write: impl FnOnce(&StackText<'_>, &mut String),
) -> String {
    let session = found.session;
    let variables = |trace: &Trace, frame: usize| session.variables(trace, frame, &limits);
    let module = |id| session.module_label(id);
    let text = StackText {
        types: &session.types,
        module: &module,
        variables: &variables,
        sources: &repl.state.sources,
        paint: repl.paint,
        address_digits: session.image.arch.address_size() * 2,
        frame_limit: FRAMES,
    };
    let mut out = String::new();
    write(&text, &mut out);
    out
}

/// The selected frame's line and source line.
pub(super) fn show_frame(repl: &mut Repl<'_>) -> Result<Next, CommandError> {
    let text = {
        let found = current(repl)?;
        let Some(position) = found.position else {
            return Err(CommandError::NoMatch("no frame is selected: the thread has none".to_owned()));
        };
        let limits = Limits { depth: 1, follow: false, ..repl.state.settings.limits };
        stack_text(repl, &found, limits, |text, out| text.write_one(out, &found.trace, position, Detail::Arguments))
    };
    repl.out.write_all(text.as_bytes())?;
    Ok(Next::Line)
}

/// `bt [full] [N|-N]`: the selected thread's stack; `bt all` is the command line's `bt`.
pub(super) fn backtrace(repl: &mut Repl<'_>, arguments: &str) -> Result<Next, CommandError> {
    let (mut full, mut count) = (false, None);
    for word in arguments.split_whitespace() {
        match word {
            "full" | "-full" | "--locals" => full = true,
            "all" => return repl.command(&["bt", "--thread", "all"]),
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
        let mut words = vec!["bt", "--thread", &lwp];
        words.extend(full.then_some("--locals"));
        return repl.command(&words);
    }
    let text = {
        let thread = thread_of(repl)?;
        let selection = Selection { thread: Some(thread.lwp), frame: 0 };
        let mut found = selected::find(&repl.state.session, selection)?;
        found.trace = repl.state.session.trace(thread, FRAMES);
        let all = found.trace.frames.len();
        let mut more = None;
        match count {
            Some(number @ 0..) if (number as usize) < all => {
                found.trace.frames.truncate(number as usize);
                more = Some("(More stack frames follow...)\n");
            }
            Some(number @ ..0) => {
                let left = all.saturating_sub(number.unsigned_abs() as usize);
                found.trace.frames.drain(..left);
            }
            _ => {}
        }
        let depth = if full { repl.state.settings.limits.depth } else { 1 };
        let limits = Limits { depth, follow: false, ..repl.state.settings.limits };
        let detail = if full { Detail::Locals } else { Detail::Arguments };
        let mut text = stack_text(repl, &found, limits, |text, out| text.write_stack(out, &found.trace, detail));
        text.push_str(more.unwrap_or_default());
        text
    };
    repl.out.write_all(text.as_bytes())?;
    Ok(Next::Line)
}

/// `frame N`, and without a number the selected one.
pub(super) fn frame(repl: &mut Repl<'_>, arguments: &str) -> Result<Next, CommandError> {
    let arguments = arguments.strip_prefix("select ").unwrap_or(arguments).trim();
    if let Some(name) = arguments.strip_prefix("function ") {
        let found = {
            let all = trace_of(repl)?;
            let wanted = name.trim();
            let named = |frame: &&crate::session::Frame| {
                frame.code.function.as_deref().is_some_and(|function| {
                    function == wanted || function.split('(').next().is_some_and(|plain| plain.ends_with(wanted))
                })
            };
            all.frames.iter().find(named).map(|frame| frame.index)
        };
        let index = found.ok_or_else(|| CommandError::NoMatch(format!("no frame of a function {}", name.trim())))?;
        return go(repl, index);
    }
    let arguments = arguments.strip_prefix("level ").unwrap_or(arguments).trim();
    if arguments.is_empty() {
        return show_frame(repl);
    }
    let index = arguments.parse().map_err(|_| {
        CommandError::Usage(format!("{arguments}: the number of a frame is expected, as bt counts them"))
    })?;
    go(repl, index)
}

fn go(repl: &mut Repl<'_>, index: usize) -> Result<Next, CommandError> {
    let before = std::mem::replace(&mut repl.state.selection.frame, index);
    let shown = show_frame(repl);
    if shown.is_err() {
        repl.state.selection.frame = before;
    }
    shown
}

fn trace_of(repl: &Repl<'_>) -> Result<Trace, CommandError> {
    let thread = thread_of(repl)?;
    Ok(repl.state.session.trace(thread, FRAMES))
}

fn thread_of<'a>(repl: &'a Repl<'_>) -> Result<&'a ThreadState, CommandError> {
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
        text => text.parse().map_err(|_| CommandError::Usage(format!("{text}: a count is expected")))?,
    };
    let highest = trace_of(repl)?.frames.last().map_or(0, |frame| frame.index);
    let from = repl.state.selection.frame;
    let to = from.saturating_add_signed(step.saturating_mul(count)).min(highest);
    if to == from && count != 0 {
        let message = if step > 0 {
            "Initial frame selected; you can't go up."
        } else {
            "Bottom (innermost) frame selected; you can't go down."
        };
        return Err(CommandError::NoMatch(message.to_owned()));
    }
    go(repl, to)
}

/// The thread that a word names: its number as `info threads` counts, or its LWP.
pub(super) fn thread_named(repl: &Repl<'_>, word: &str) -> Result<u32, CommandError> {
    let threads = &repl.state.session.image.threads;
    let number: usize =
        word.parse().map_err(|_| CommandError::Usage(format!("{word}: a thread's number or LWP is expected")))?;
    if let Some(thread) = threads.iter().find(|thread| thread.lwp as usize == number) {
        return Ok(thread.lwp);
    }
    let numbered = number.checked_sub(1).and_then(|index| threads.get(index));
    numbered.map(|thread| thread.lwp).ok_or_else(|| CommandError::NoMatch(format!("no thread {word}")))
}

/// `thread N`
pub(super) fn thread(repl: &mut Repl<'_>, arguments: &str) -> Result<Next, CommandError> {
    let (word, rest) = arguments.trim().split_once(char::is_whitespace).unwrap_or((arguments.trim(), ""));
    match word {
        "" => {
            let text = thread_title(thread_of(repl)?);
            writeln!(repl.out, "[Current thread is {text}]")?;
            Ok(Next::Line)
        }
        "apply" => apply(repl, rest.trim()),
        "backtrace" => repl.command(&["bt", "--thread", if rest.trim() == "unique" { "all" } else { "crashed" }]),
        "list" => repl.command(&["threads"]),
        "find" => find(repl, rest.trim()),
        _ => {
            let word = if word == "select" { rest.trim() } else { word };
            let lwp = thread_named(repl, word)?;
            repl.state.selection = Selection { thread: Some(lwp), frame: 0 };
            let text = thread_title(thread_of(repl)?);
            writeln!(repl.out, "[Switching to {text}]")?;
            show_frame(repl)
        }
    }
}

fn thread_title(thread: &ThreadState) -> String {
    let name = thread.name.as_ref().map(|name| format!(" \"{name}\"")).unwrap_or_default();
    format!("thread LWP {}{name}", thread.lwp)
}

fn find(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let threads = repl.state.session.image.threads.iter().enumerate();
    let found: Vec<String> = threads
        .filter(|(_, thread)| {
            thread.name.as_ref().is_some_and(|name| name.contains(text)) || thread.lwp.to_string() == text
        })
        .map(|(index, thread)| format!("Thread {} is {}", index + 1, thread_title(thread)))
        .collect();
    if found.is_empty() {
        return Err(CommandError::NoMatch(format!("no thread's name has {text}")));
    }
    for line in found {
        writeln!(repl.out, "{line}")?;
    }
    Ok(Next::Line)
}

/// `thread apply all|LIST [-q] [-s] COMMAND`
pub(super) fn apply(repl: &mut Repl<'_>, arguments: &str) -> Result<Next, CommandError> {
    let mut words = arguments.split_whitespace().peekable();
    let mut lwps = Vec::new();
    while let Some(word) = words.peek() {
        if *word == "all" {
            lwps = repl.state.session.image.threads.iter().map(|thread| thread.lwp).collect();
        } else if let Some((from, to)) = word.split_once('-').filter(|(from, _)| !from.is_empty()) {
            let (Ok(from), Ok(to)) = (from.parse::<usize>(), to.parse::<usize>()) else { break };
            let threads = repl.state.session.image.threads.iter().enumerate();
            lwps.extend(threads.filter(|(index, _)| (from..=to).contains(&(index + 1))).map(|(_, thread)| thread.lwp));
        } else if word.starts_with(|first: char| first.is_ascii_digit()) {
            lwps.push(thread_named(repl, word)?);
        } else {
            break;
        }
        words.next();
    }
    let (quiet, silent, line) = flags_and_line(words);
    if lwps.is_empty() || line.is_empty() {
        return Err(CommandError::Usage("thread apply all|LIST [-q] [-s] COMMAND".to_owned()));
    }
    let before = repl.state.selection;
    for lwp in lwps {
        repl.state.selection = Selection { thread: Some(lwp), frame: 0 };
        let title = thread_title(thread_of(repl)?);
        one(repl, &line, silent, (!quiet).then(|| format!("\nThread {}:", title.trim_start_matches("thread "))))?;
    }
    repl.state.selection = before;
    Ok(Next::Line)
}

/// `frame apply all|COUNT [-q] [-s] COMMAND`
pub(super) fn frame_apply(repl: &mut Repl<'_>, arguments: &str) -> Result<Next, CommandError> {
    let (which, rest) = arguments.trim().split_once(char::is_whitespace).unwrap_or((arguments.trim(), ""));
    let count = match which {
        "all" => usize::MAX,
        text => text.parse().map_err(|_| CommandError::Usage(format!("{text}: all or a count is expected")))?,
    };
    let (quiet, silent, line) = flags_and_line(rest.split_whitespace().peekable());
    let frames: Vec<usize> = trace_of(repl)?.frames.iter().take(count).map(|frame| frame.index).collect();
    let before = repl.state.selection;
    for frame in frames {
        repl.state.selection.frame = frame;
        if !quiet {
            show_frame(repl)?;
        }
        one(repl, &line, silent, None)?;
    }
    repl.state.selection = before;
    Ok(Next::Line)
}

fn flags_and_line<'w>(mut words: std::iter::Peekable<impl Iterator<Item = &'w str>>) -> (bool, bool, String) {
    let (mut quiet, mut silent) = (false, false);
    while let Some(flag) = words.peek().filter(|word| word.starts_with('-')) {
        match *flag {
            "-q" => quiet = true,
            "-s" => silent = true,
            _ => {}
        }
        words.next();
    }
    (quiet, silent, words.collect::<Vec<_>>().join(" "))
}

fn one(repl: &mut Repl<'_>, line: &str, silent: bool, title: Option<String>) -> Result<(), CommandError> {
    if let Some(title) = title {
        writeln!(repl.out, "{}", repl.paint.heading(title))?;
    }
    match super::words::answer(repl, line) {
        Err(CommandError::Output(error)) => Err(error.into()),
        Err(_) if silent => Ok(()),
        Err(error) => {
            repl.complain(&error);
            Ok(())
        }
        Ok(_) => Ok(()),
    }
}

/// `info locals`, `info args`
pub(super) fn variables(repl: &mut Repl<'_>, role: Option<Role>) -> Result<Next, CommandError> {
    let lines: Vec<String> = {
        let found = current(repl)?;
        let session = &repl.state.session;
        let limits = Limits { follow: false, ..repl.state.settings.limits };
        let variables = found.position.map(|position| session.variables(&found.trace, position, &limits));
        let chosen =
            variables.unwrap_or_default().into_iter().filter(|variable| role.is_none_or(|role| variable.role == role));
        chosen
            .map(|variable| format!("{} = {}", variable.name, value_text::value_text(&session.types, &variable.value)))
            .collect()
    };
    if lines.is_empty() {
        writeln!(repl.out, "{}", if role == Some(Role::Argument) { "No arguments." } else { "No locals." })?;
    }
    for line in lines {
        writeln!(repl.out, "{line}")?;
    }
    Ok(Next::Line)
}

/// `info frame`
pub(super) fn describe(repl: &mut Repl<'_>) -> Result<Next, CommandError> {
    let lines = {
        let found = current(repl)?;
        let Some(frame) = found.frame() else {
            return Err(CommandError::NoMatch("no frame is selected: the thread has none".to_owned()));
        };
        let machine = found.trace.stack.frames.get(frame.machine);
        let mut lines = vec![format!("Stack level {}, frame at pc {}:", frame.index, frame.pc)];
        let name = frame.code.function.as_deref().unwrap_or("a function without a name");
        lines.push(match (&frame.code.file, frame.code.line) {
            (Some(file), Some(line)) => format!(" in {name} ({file}:{line})"),
            _ => format!(" in {name}"),
        });
        let inlined = if frame.inlined { ", inlined" } else { "" };
        lines.push(format!(
            " found by {}{inlined}{}",
            crate::report::json_backtrace::trust_code(frame.trust),
            if frame.signal { ", a signal trampoline" } else { "" }
        ));
        if let Some(caller) = found.trace.frames.get(found.position.unwrap_or(0) + 1) {
            lines.push(format!(" called from frame {} at {}", caller.index, caller.pc));
        } else if found.trace.stack.end == StackEnd::Complete {
            lines.push(" the outermost frame".to_owned());
        }
        if let Some(stack_pointer) = machine.and_then(|machine| machine.registers.sp()) {
            lines.push(format!(" stack pointer {stack_pointer:#x}"));
        }
        lines
    };
    for line in lines {
        writeln!(repl.out, "{line}")?;
    }
    Ok(Next::Line)
}
