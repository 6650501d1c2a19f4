//! `goroutine`: one of Go's goroutines as what questions are about.

use super::stack::{show_frame, trace_of};
use super::{Next, Repl, display, words};
use crate::command::{CommandError, Selection, selected};

/// `goroutine`, `goroutine N`, `goroutine N COMMAND` (delve's, which asks of it and selects nothing).
pub(super) fn goroutine(repl: &mut Repl<'_>, arguments: &str) -> Result<Next, CommandError> {
    let (word, command) = arguments.trim().split_once(char::is_whitespace).unwrap_or((arguments.trim(), ""));
    if word.is_empty() {
        return match repl.state.selection.goroutine {
            Some(id) => {
                writeln!(repl.out, "[Current goroutine is {id}]")?;
                Ok(Next::Line)
            }
            None => Err(CommandError::NoMatch("No goroutine is selected (goroutine N selects one).".to_owned())),
        };
    }
    let Ok(id) = word.parse::<u64>() else {
        return Err(CommandError::Usage(format!("Invalid goroutine ID: {word}")));
    };
    let (lwp, trace) = selected::goroutine(&repl.state.session, id, 1)?;
    let before = repl.state.selection;
    let selection = Selection { thread: lwp, goroutine: Some(id), frame: 0 };
    if !command.is_empty() {
        repl.state.selection = selection;
        let answered = words::answer(repl, command.trim());
        repl.state.selection = before;
        return answered;
    }
    if trace.frames.is_empty() {
        return Err(CommandError::NoMatch(format!("Goroutine {id} has no frames (goroutines --id {id} says why).")));
    }
    repl.state.selection = selection;
    // Where the program's own code is: what parks it is known by its state.
    let trace = trace_of(repl)?;
    let own = trace.frames.iter().find(|frame| crate::runtime::go::is_users(frame));
    repl.state.selection.frame = own.map_or(0, |frame| frame.index);
    if !repl.state.json {
        writeln!(repl.out, "[Switching to goroutine {id}]")?;
    }
    show_frame(repl)?;
    display::redisplay(repl)
}
