//! A command for several threads or frames: `thread apply`, `frame apply`.

use super::stack::{show_frame, thread_of, trace_of};
use super::{Next, Repl, threads, words};
use crate::command::{CommandError, Selection};
use crate::report::bt_text::FrameInfo;
use crate::report::session_documents::{self, Answer};

/// Commands that apply commands.
const MAX_NESTING: usize = 8;

/// Frames that one command is asked of.
const MAX_FRAMES: usize = 4096;
/// The same for frames behind those that a very deep stack leaves out: each is a walk of its own.
const MAX_WALKS: usize = 16;

/// What stands before the command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Flags {
    /// `-q`: without the line that says which thread or frame it is.
    quiet: bool,
    /// `-c`: what is wrong is printed, and the next one is asked.
    carry_on: bool,
    /// `-s`: what is wrong, or answers nothing, is left out.
    silent: bool,
    /// `-ascending`: threads from the first to the last.
    ascending: bool,
}

/// The flags and the command behind them.
fn flags(text: &str) -> Result<(Flags, &str), CommandError> {
    let mut flags = Flags::default();
    let mut rest = text.trim();
    while rest.starts_with('-') {
        let (word, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        match word {
            "-q" => flags.quiet = true,
            "-c" => flags.carry_on = true,
            "-s" => flags.silent = true,
            "-ascending" | "-asc" => flags.ascending = true,
            // What they are about is shown anyway.
            "-past-main" | "-past-entry" => {
                let (value, behind) = after.trim_start().split_once(char::is_whitespace).unwrap_or((after.trim(), ""));
                if super::settings::switch(value).is_some() && !value.is_empty() {
                    rest = behind.trim_start();
                    continue;
                }
            }
            "--" => return Ok((flags, after.trim())),
            _ => return Err(CommandError::Usage(format!("{word}: -q, -c, -s or -ascending is expected"))),
        }
        rest = after.trim_start();
    }
    if flags.carry_on && flags.silent {
        return Err(CommandError::Usage("-c and -s are mutually exclusive".to_owned()));
    }
    Ok((flags, rest))
}

/// The LWPs that gdb's list of threads (`1 3-5 1.7 *`) names.
pub(super) fn thread_list(repl: &Repl<'_>, words: &[&str]) -> Result<Vec<u32>, CommandError> {
    let mut lwps = Vec::new();
    for word in words {
        let plain = word.strip_prefix("1.").unwrap_or(word);
        let range = plain.split_once('-').and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
        if *word == "all" || plain == "*" {
            lwps.extend(repl.state.session.image.threads.iter().map(|thread| thread.lwp));
        } else if let Some((from, to)) = range {
            let range: std::ops::RangeInclusive<usize> = from..=to;
            let all = repl.state.session.image.threads.iter().enumerate();
            lwps.extend(all.filter(|(index, _)| range.contains(&(index + 1))).map(|(_, thread)| thread.lwp));
        } else {
            lwps.push(threads::named(repl, word)?);
        }
    }
    Ok(lwps)
}

/// `thread apply all|LIST [-q] [-c] [-s] [-ascending] COMMAND`
pub(super) fn threads(repl: &mut Repl<'_>, arguments: &str) -> Result<Next, CommandError> {
    let mut rest = arguments.trim();
    let mut listed = Vec::new();
    while let Some(word) = rest.split_whitespace().next() {
        let is_list = word == "all" || word == "*" || word.starts_with(|c: char| c.is_ascii_digit() || c == '$');
        if !is_list {
            break;
        }
        listed.push(word);
        rest = rest[word.len()..].trim_start();
    }
    let (flags, command) = flags(rest)?;
    if listed.is_empty() || command.is_empty() {
        return Err(CommandError::Usage("thread apply all|LIST [-q] [-c] [-s] [-ascending] COMMAND".to_owned()));
    }
    let mut lwps = thread_list(repl, &listed)?;
    // gdb: all threads from the last to the first, a list as it is written.
    if listed.contains(&"all") && !flags.ascending {
        lwps.reverse();
    }
    let selections = lwps.into_iter().map(|lwp| Selection { thread: Some(lwp), ..Selection::default() }).collect();
    each(repl, selections, command, flags, |repl, selection| {
        let thread = thread_of(repl)?;
        let number = threads::number(repl, selection.thread.unwrap_or(thread.lwp));
        let title = format!("\nThread {number} ({}):", threads::title(thread));
        writeln!(repl.out, "{}", repl.paint.heading(title))?;
        Ok(())
    })
}

/// `frame apply all|COUNT|-COUNT|level N… [-q] [-c] [-s] COMMAND`
pub(super) fn frames(repl: &mut Repl<'_>, arguments: &str) -> Result<Next, CommandError> {
    let usage = || CommandError::Usage("frame apply all|COUNT|-COUNT|level N... [-q] [-c] [-s] COMMAND".to_owned());
    let arguments = arguments.trim();
    let (which, mut rest) = arguments.split_once(char::is_whitespace).unwrap_or((arguments, ""));
    let trace = trace_of(repl)?;
    let all: Vec<usize> = trace.frames.iter().map(|frame| frame.index).collect();
    let frames: Vec<usize> = match which {
        "all" => all,
        "level" => {
            let mut levels = Vec::new();
            while let Some(word) = rest.split_whitespace().next() {
                if !word.starts_with(|c: char| c.is_ascii_digit()) {
                    break;
                }
                let (from, to) = word.split_once('-').unwrap_or((word, word));
                let (Ok(from), Ok(to)) = (from.parse::<usize>(), to.parse::<usize>()) else { return Err(usage()) };
                levels.extend(all.iter().copied().filter(|index| (from..=to).contains(index)));
                rest = rest.trim_start()[word.len()..].trim_start();
            }
            levels
        }
        count => {
            let number: i64 = count.parse().map_err(|_| usage())?;
            let wanted = usize::try_from(number.unsigned_abs()).unwrap_or(usize::MAX);
            let skipped = if number < 0 { all.len().saturating_sub(wanted) } else { 0 };
            all.into_iter().skip(skipped).take(wanted).collect()
        }
    };
    let (flags, command) = flags(rest)?;
    if command.is_empty() {
        return Err(usage());
    }
    let kept = trace.stack.omitted_at.map_or(usize::MAX, |at| at.saturating_sub(MAX_FRAMES));
    let limit = if frames.iter().take(MAX_FRAMES).all(|index| *index < kept) { MAX_FRAMES } else { MAX_WALKS };
    let left_out = frames.len().saturating_sub(limit);
    if left_out > 0 {
        repl.aside(&format!("the first {limit} frames are asked, {left_out} are left out (frame apply level N-M)"));
    }
    let before = repl.state.selection;
    let selections = frames.into_iter().take(limit).map(|frame| Selection { frame, ..before }).collect();
    each(repl, selections, command, flags, |repl, _| {
        // As in gdb, without the source, unless it was asked for.
        let wanted = repl.state.settings.frame_info;
        if wanted == FrameInfo::Auto {
            repl.state.settings.frame_info = FrameInfo::Location;
        }
        let shown = show_frame(repl);
        repl.state.settings.frame_info = wanted;
        shown.map(|_| ())
    })
}

/// Asks the command of each; `head` writes which one it is.
fn each(
    repl: &mut Repl<'_>,
    selections: Vec<Selection>,
    command: &str,
    flags: Flags,
    head: impl Fn(&mut Repl<'_>, Selection) -> Result<(), CommandError>,
) -> Result<Next, CommandError> {
    if repl.applied >= MAX_NESTING {
        return Err(CommandError::Usage(format!("{command}: commands within commands")));
    }
    let before = repl.state.selection;
    repl.applied += 1;
    let answered = each_within(repl, selections, command, flags, head);
    repl.applied -= 1;
    repl.state.selection = before;
    answered.map(|()| Next::Line)
}

fn each_within(
    repl: &mut Repl<'_>,
    selections: Vec<Selection>,
    command: &str,
    flags: Flags,
    head: impl Fn(&mut Repl<'_>, Selection) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    let mut answers = Vec::new();
    for selection in selections {
        crate::interrupt::check()?;
        repl.state.selection = selection;
        let mut answer = Vec::new();
        let paint = repl.paint;
        let asked = repl.captured(&mut answer, paint, |repl| match repl.state.json {
            true => repl.document(command),
            false => words::answer(repl, command),
        });
        let failed = match asked {
            Ok(_) => None,
            Err(CommandError::Output(error)) => return Err(error.into()),
            Err(error) => Some(error),
        };
        if repl.state.json {
            let lwp = thread_of(repl)?.lwp;
            let document = failed.map_or(Ok(answer), |error| Err(error.to_string()));
            if document.is_ok() || !flags.silent {
                answers.push(Answer { lwp, frame: selection.frame, document });
            }
            continue;
        }
        if flags.silent && (failed.is_some() || answer.is_empty()) {
            continue;
        }
        if !flags.quiet {
            head(repl, selection)?;
        }
        repl.out.write_all(&answer)?;
        match failed {
            Some(error) if !flags.carry_on => return Err(error),
            Some(error) => writeln!(repl.out, "{error}")?,
            None => {}
        }
    }
    if repl.state.json {
        let json = session_documents::answers(command, &answers, &repl.state.session.notes());
        repl.out.write_all(&json.into_bytes())?;
        writeln!(repl.out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_stand_before_the_command() {
        let (found, command) = flags("-q -s p -x").unwrap();
        assert_eq!((found.quiet, found.silent, command), (true, true, "p -x"));
        assert_eq!(flags("-- -q").unwrap().1, "-q");
        assert!(flags("-c -s p 1").is_err() && flags("-z p 1").is_err());
    }
}
