//! The terminal: line editing, history, completion, hints from the history, Enter that repeats.

use std::io;
use std::sync::Arc;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::{Hinter, HistoryHinter};
use rustyline::history::MemHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use super::completion::Candidates;
use super::{Next, Repl, history, settings, words};
use crate::command::Selection;
use crate::session::Session;

/// What the line editor asks while a line is typed.
#[derive(Default)]
struct Assistant {
    candidates: Candidates,
    /// The selection, and how many `$` names there are, that the candidates are of.
    seen: Option<(Selection, usize)>,
    /// What names are looked up in while a line is typed.
    session: Option<Arc<Session>>,
    history: HistoryHinter,
}

impl Helper for Assistant {}
impl Highlighter for Assistant {}

impl Validator for Assistant {
    /// A backslash at the end goes on in the next line.
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        match context.input().ends_with('\\') {
            true => Ok(ValidationResult::Incomplete),
            false => Ok(ValidationResult::Valid(None)),
        }
    }
}

impl Hinter for Assistant {
    type Hint = String;

    fn hint(&self, line: &str, position: usize, context: &Context<'_>) -> Option<String> {
        self.history.hint(line, position, context)
    }
}

impl Completer for Assistant {
    type Candidate = String;

    fn complete(&self, line: &str, position: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(self.candidates.complete(line, position, self.session.as_deref()))
    }
}

/// Lines from the terminal until the session ends.
pub(super) fn run(repl: &mut Repl<'_>) -> io::Result<()> {
    let size = settings::said(&repl.state.settings, "history size").parse().unwrap_or(usize::MAX);
    let config = Config::builder().completion_type(CompletionType::List).max_history_size(size).map_err(to_io)?.build();
    let mut editor: Editor<Assistant, MemHistory> = Editor::with_history(config, MemHistory::new()).map_err(to_io)?;
    editor.set_helper(Some(Assistant::default()));
    for line in history::read(&repl.state.settings) {
        let _ = editor.add_history_entry(line);
    }
    // The line that Enter repeats.
    let mut last = String::new();
    loop {
        repl.out.flush()?;
        // What is seen changes with the selected frame, and with `$` names, of which there are more now and then.
        let seen = (repl.state.selection, repl.state.variables.named().count() + repl.customs.names().count());
        if let Some(assistant) = editor.helper_mut()
            && assistant.seen != Some(seen)
        {
            assistant.candidates = Candidates::of(repl);
            assistant.seen = Some(seen);
        }
        if let Some(assistant) = editor.helper_mut() {
            assistant.session = Some(repl.state.session.clone());
        }
        let prompt = match &repl.block {
            Some(_) => ">".to_owned(),
            None => settings::said(&repl.state.settings, "prompt").to_owned(),
        };
        let line = editor.readline(&prompt);
        // While a command is answered, the session is the command's alone.
        if let Some(assistant) = editor.helper_mut() {
            assistant.session = None;
        }
        match line {
            Ok(line) if line.trim().is_empty() && repl.block.is_none() => {
                if repl.top(&last)? == Next::Quit {
                    break;
                }
            }
            Ok(text) => {
                let mut next = Next::Line;
                // What is pasted may be several lines.
                for line in text.replace("\\\n", " ").lines() {
                    let _ = editor.add_history_entry(line);
                    history::add(&repl.state.settings, line);
                    next = typed(repl, line, &mut last)?;
                    if next == Next::Quit {
                        break;
                    }
                }
                if next == Next::Quit {
                    break;
                }
            }
            // What was typed is gone, a block's earlier lines too.
            Err(ReadlineError::Interrupted) => repl.block = None,
            Err(ReadlineError::Eof) if repl.block.is_some() => repl.end_of_lines(),
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(to_io(error)),
        }
    }
    Ok(())
}

/// Answers a line; `last` becomes what Enter asks then.
fn typed(repl: &mut Repl<'_>, line: &str, last: &mut String) -> io::Result<Next> {
    let of_block = repl.block.is_some();
    let next = repl.top(line)?;
    *last = String::new();
    match &repl.block {
        None if !of_block => *last = repeated(line),
        Some(block) if !of_block => {
            if let Some(words) = block.introduction() {
                writeln!(repl.out, "{words}\nEnd with a line saying just \"end\".")?;
            }
        }
        _ => {}
    }
    Ok(next)
}

/// What Enter asks after a line: `list` and `x` go on where they ended, what changes things is not asked again.
fn repeated(line: &str) -> String {
    let line = line.trim();
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let Ok(word) = words::find(name) else { return line.to_owned() };
    match word.names.first().copied().unwrap_or_default() {
        "list" if rest.trim() == "-" => line.to_owned(),
        "list" | "x" => name.to_owned(),
        "source" | "alias" | "dump" | "append" | "file" | "core-file" | "exec-file" | "symbol-file"
        | "add-symbol-file" | "directory" => String::new(),
        _ => line.to_owned(),
    }
}

fn to_io(error: ReadlineError) -> io::Error {
    io::Error::other(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enter_goes_on() {
        let cases = [
            ("list main", "list"),
            ("l", "l"),
            ("list -", "list -"),
            ("x/4xg $sp", "x"),
            ("x &value", "x"),
            ("up", "up"),
            ("source file", ""),
            ("p x", "p x"),
        ];
        for (line, expected) in cases {
            assert_eq!(repeated(line), expected, "{line}");
        }
    }
}
