//! `thread` and `info threads`.

use std::sync::Arc;

use super::stack::{current, show_frame, stack_text, thread_of};
use super::{Next, Repl, apply, display};
use crate::command::{CommandError, Selection, selected};
use crate::image::ThreadState;
use crate::report::bt_text::Detail;
use crate::value::Limits;

/// Machine frames that a thread's first line is made from: what it held at its entry is in its callers.
const FRAMES: usize = 8;

/// The thread that a word names: its number as `info threads` counts (gdb's `1.2` too), or its LWP.
pub(super) fn named(repl: &Repl<'_>, word: &str) -> Result<u32, CommandError> {
    let threads = &repl.state.session.image.threads;
    let plain = word.strip_prefix("1.").unwrap_or(word);
    let number: usize = match plain.parse() {
        Ok(number) => number,
        Err(_) if plain.starts_with('$') => usize::try_from(super::data::number(repl, plain)?).unwrap_or(0),
        Err(_) => return Err(CommandError::Usage(format!("Invalid thread ID: {word}"))),
    };
    if let Some(thread) = number.checked_sub(1).and_then(|index| threads.get(index)) {
        return Ok(thread.lwp);
    }
    let known = threads.iter().find(|thread| thread.lwp as usize == number);
    known.map(|thread| thread.lwp).ok_or_else(|| CommandError::NoMatch(format!("Unknown thread {word}.")))
}

/// Its number, from 1 on.
pub(super) fn number(repl: &Repl<'_>, lwp: u32) -> usize {
    repl.state.session.image.threads.iter().position(|thread| thread.lwp == lwp).map_or(0, |index| index + 1)
}

/// `Thread 0x7f3e2bab6c0 (LWP 23588)`, as gdb has it: the thread pointer is what pthread_self() gives.
pub(super) fn target_id(thread: &ThreadState) -> String {
    match thread.registers.thread_pointer {
        Some(pointer) if pointer != 0 => format!("Thread {pointer:#x} (LWP {})", thread.lwp),
        _ => format!("LWP {}", thread.lwp),
    }
}

/// The same with its name.
pub(super) fn title(thread: &ThreadState) -> String {
    match &thread.name {
        Some(name) => format!("{} \"{name}\"", target_id(thread)),
        None => target_id(thread),
    }
}

/// `thread N`
pub(super) fn thread(repl: &mut Repl<'_>, arguments: &str) -> Result<Next, CommandError> {
    let arguments = arguments.trim();
    let (word, rest) = arguments.split_once(char::is_whitespace).unwrap_or((arguments, ""));
    let rest = rest.trim();
    match word {
        "" => {
            let thread = thread_of(repl)?;
            let (number, title) = (number(repl, thread.lwp), target_id(thread));
            writeln!(repl.out, "[Current thread is {number} ({title})]")?;
            Ok(Next::Line)
        }
        "apply" | "app" | "ap" | "a" => apply::threads(repl, rest),
        "backtrace" => match rest {
            "" => super::stack::backtrace(repl, ""),
            "unique" | "all" => repl.command(&["bt", "--thread", "all"]),
            rest => {
                let lwp = named(repl, rest)?.to_string();
                repl.command(&["bt", "--thread", &lwp])
            }
        },
        "list" => list(repl, ""),
        "info" => list(repl, rest),
        "find" | "fin" | "fi" => find(repl, rest),
        "name" | "nam" => name(repl, rest),
        "step-in" | "step-over" | "step-out" | "step-inst" | "until" | "continue" | "return" | "jump" => {
            let message = format!("thread {word}: the process is dead; up and down move between frames");
            Err(CommandError::Usage(message))
        }
        _ => {
            let lwp = named(repl, if word == "select" { rest } else { word })?;
            // The frame of a thread that is selected already stays.
            if thread_of(repl)?.lwp != lwp || repl.state.selection.goroutine.is_some() {
                repl.state.selection = Selection { thread: Some(lwp), ..Selection::default() };
            }
            if !repl.state.json {
                let title = target_id(thread_of(repl)?);
                writeln!(repl.out, "[Switching to thread {} ({title})]", number(repl, lwp))?;
            }
            if current(repl)?.position.is_some() {
                show_frame(repl)?;
            }
            display::redisplay(repl)
        }
    }
}

/// `thread find RE`: names, LWPs and thread pointers; the expression's plain characters, `.`, `*`, `^` and `$`.
fn find(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    if text.is_empty() {
        return Err(CommandError::Usage("thread find REGEXP".to_owned()));
    }
    let mut lines = Vec::new();
    for (index, thread) in repl.state.session.image.threads.iter().enumerate() {
        let number = index + 1;
        if let Some(name) = thread.name.as_ref().filter(|name| matches(text, name)) {
            lines.push(format!("Thread {number} has name '{name}'"));
        }
        let id = target_id(thread);
        if matches(text, &id) {
            lines.push(format!("Thread {number} has target id '{id}'"));
        }
    }
    if lines.is_empty() {
        return Err(CommandError::NoMatch(format!("No threads match '{text}'")));
    }
    for line in lines {
        writeln!(repl.out, "{line}")?;
    }
    Ok(Next::Line)
}

/// Whether the expression matches somewhere: `.`, `x*`, `^`, `$` and plain characters. One pass over the text with
/// the set of places in the pattern that can be next, so no expression is slow.
pub(super) fn matches(expression: &str, text: &str) -> bool {
    let pattern: Vec<char> = expression.chars().take(256).collect();
    let (anchored, pattern) = match pattern.split_first() {
        Some(('^', rest)) => (true, rest),
        _ => (false, pattern.as_slice()),
    };
    let starred = |at: usize| pattern.get(at + 1) == Some(&'*');
    // With those behind `x*`, which may be skipped.
    let add = |mut at: usize, states: &mut [bool]| loop {
        if let Some(state) = states.get_mut(at) {
            *state = true;
        }
        if at < pattern.len() && starred(at) { at += 2 } else { break }
    };
    let mut states = vec![false; pattern.len() + 1];
    add(0, &mut states);
    let mut chars = text.chars().take(1024);
    loop {
        if states.last() == Some(&true) {
            return true;
        }
        let Some(next) = chars.next() else { break };
        let mut following = vec![false; pattern.len() + 1];
        for (at, wanted) in pattern.iter().enumerate().filter(|(at, _)| states[*at]) {
            if *wanted == '.' || *wanted == next {
                add(if starred(at) { at } else { at + 1 }, &mut following);
            }
        }
        if !anchored {
            add(0, &mut following);
        }
        states = following;
    }
    pattern.last() == Some(&'$') && states[pattern.len() - 1]
}

/// `thread name [NAME]`: what the selected thread is called from now on.
fn name(repl: &mut Repl<'_>, name: &str) -> Result<Next, CommandError> {
    let lwp = thread_of(repl)?.lwp;
    // Nobody else has the session while a command is answered.
    let session = Arc::get_mut(&mut repl.state.session);
    let threads = session.into_iter().flat_map(|session| &mut session.image.threads);
    for thread in threads.filter(|thread| thread.lwp == lwp) {
        thread.name = (!name.is_empty()).then(|| name.to_owned());
    }
    Ok(Next::Line)
}

/// `info threads [-gid] [N…]`, in gdb's columns.
pub(super) fn list(repl: &mut Repl<'_>, arguments: &str) -> Result<Next, CommandError> {
    if repl.state.json {
        return repl.command(&["threads"]);
    }
    let global = arguments.split_whitespace().any(|word| word == "-gid");
    let words: Vec<&str> = arguments.split_whitespace().filter(|word| *word != "-gid").collect();
    let chosen = if words.is_empty() { None } else { Some(apply::thread_list(repl, &words)?) };
    let selected = thread_of(repl)?.lwp;
    let rows: Vec<(usize, String, String, bool)> = {
        let session = &repl.state.session;
        let threads = session.image.threads.iter().enumerate();
        let threads = threads.filter(|(_, thread)| chosen.as_ref().is_none_or(|chosen| chosen.contains(&thread.lwp)));
        let limits = Limits { depth: 1, follow: false, ..repl.state.settings.limits };
        threads
            .map(|(index, thread)| {
                let is_it = thread.lwp == selected && repl.state.selection.goroutine.is_none();
                let frame = if is_it { repl.state.selection.frame } else { 0 };
                let selection = Selection { thread: Some(thread.lwp), goroutine: None, frame };
                let line = first_line(repl, selection, &limits);
                (index + 1, title(thread), line, thread.lwp == selected)
            })
            .collect()
    };
    if rows.is_empty() {
        return Err(CommandError::NoMatch(format!("No threads match '{}'.", words.join(" "))));
    }
    let id_width = rows.last().map_or(4, |(number, ..)| number.to_string().len().max(4));
    let width = rows.iter().map(|(_, title, ..)| title.chars().count()).max().unwrap_or(0).max(9);
    let gid = if global { "GId  " } else { "" };
    writeln!(repl.out, "  {:<id_width$} {gid}{:<width$} Frame ", "Id", "Target Id")?;
    for (number, title, frame, selected) in rows {
        let mark = if selected { "*" } else { " " };
        let gid = if global { format!("{number:<4} ") } else { String::new() };
        writeln!(repl.out, "{mark} {number:<id_width$} {gid}{title:<width$} {frame}")?;
    }
    Ok(Next::Line)
}

/// A frame's line without its number and source.
fn first_line(repl: &Repl<'_>, selection: Selection, limits: &Limits) -> String {
    let session = &repl.state.session;
    let found = match selection.frame {
        0 => selected::find_thread(session, selection.thread.unwrap_or(0)).map(|thread| {
            let trace = std::sync::Arc::new(session.trace(thread, FRAMES));
            let position = (!trace.frames.is_empty()).then_some(0);
            selected::Selected {
                session,
                thread,
                goroutine: None,
                trace,
                position,
                whole_objects: true,
                language: None,
            }
        }),
        _ => selected::find(session, selection),
    };
    let Ok(found) = found else { return String::new() };
    let Some(position) = found.position else { return String::new() };
    let text =
        stack_text(repl, &found, *limits, |text, out| text.write_one(out, &found.trace, position, Detail::Arguments));
    let line = text.lines().next().unwrap_or_default();
    line.split_once(char::is_whitespace).map_or(line, |(_, rest)| rest.trim_start()).to_owned()
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn expressions_match() {
        for (expression, text, expected) in [
            ("wor", "worker", true),
            ("^ker", "worker", false),
            ("ker$", "worker", true),
            ("w.*r$", "worker", true),
            ("a*b", "aaab", true),
            ("a*b", "c", false),
            (".", "x", true),
            ("", "x", true),
            ("x*", "", true),
        ] {
            assert_eq!(matches(expression, text), expected, "{expression} {text}");
        }
        let (hard, text) = ("a*".repeat(100) + "b", "a".repeat(1000));
        assert!(!matches(&hard, &text));
    }
}
