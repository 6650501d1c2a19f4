//! The terminal: line editing, history, completion, hints from the history, Enter that repeats.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::{Hinter, HistoryHinter};
use rustyline::history::MemHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use super::completion::Candidates;
use super::{Next, Repl};
use crate::command::Selection;
use crate::session::Session;

/// Lines that are kept from one session to the next.
const MAX_HISTORY: usize = 1000;

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
    let config = Config::builder().completion_type(CompletionType::List).build();
    let mut editor: Editor<Assistant, MemHistory> = Editor::with_history(config, MemHistory::new()).map_err(to_io)?;
    editor.set_helper(Some(Assistant::default()));
    let kept = history_file();
    let mut lines: Vec<String> = kept
        .as_ref()
        .and_then(|path| std::fs::read_to_string(path).ok())
        .map(|text| text.lines().map(str::to_owned).collect())
        .unwrap_or_default();
    for line in &lines {
        let _ = editor.add_history_entry(line);
    }
    loop {
        repl.out.flush()?;
        // What is seen changes with the selected frame, and with `$` names, of which there are more now and then.
        let seen = (repl.state.selection, repl.state.variables.named().count());
        if let Some(assistant) = editor.helper_mut()
            && assistant.seen != Some(seen)
        {
            assistant.candidates = Candidates::of(repl);
            assistant.seen = Some(seen);
        }
        if let Some(assistant) = editor.helper_mut() {
            assistant.session = Some(repl.state.session.clone());
        }
        let line = editor.readline("(obit) ");
        // While a command is answered, the session is the command's alone.
        if let Some(assistant) = editor.helper_mut() {
            assistant.session = None;
        }
        match line {
            Ok(line) if line.trim().is_empty() => {
                let last = repl.last.clone();
                if repl.line(&last)? == Next::Quit {
                    break;
                }
            }
            Ok(line) => {
                let line = line.replace("\\\n", " ");
                let _ = editor.add_history_entry(&line);
                lines.push(line.clone());
                repl.last.clone_from(&line);
                if repl.line(&line)? == Next::Quit {
                    break;
                }
            }
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(to_io(error)),
        }
    }
    if let Some(path) = kept {
        let start = lines.len().saturating_sub(MAX_HISTORY);
        let text = lines.get(start..).unwrap_or_default().join("\n");
        // A history that cannot be kept is no reason to complain at the end.
        let _ = path.parent().map(std::fs::create_dir_all);
        let _ = std::fs::write(path, text + "\n");
    }
    Ok(())
}

fn to_io(error: ReadlineError) -> io::Error {
    io::Error::other(error.to_string())
}

/// `$XDG_STATE_HOME/obit/history`, `~/.local/state/obit/history`.
fn history_file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let state = state.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state")))?;
    Some(state.join("obit/history"))
}
