//! The terminal: line editing, history, completion of commands, Enter that repeats.

use std::io;
use std::path::PathBuf;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use super::words::WORDS;
use super::{Next, Repl};

/// Lines that are kept from one session to the next.
const MAX_HISTORY: usize = 1000;

/// Completes the first word.
struct Words;

impl Helper for Words {}
impl Highlighter for Words {}
impl Validator for Words {}

impl Hinter for Words {
    type Hint = String;
}

impl Completer for Words {
    type Candidate = String;

    fn complete(&self, line: &str, position: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let typed = line.get(..position).unwrap_or_default();
        if typed.contains(' ') {
            return Ok((position, Vec::new()));
        }
        let names = WORDS.iter().flat_map(|word| word.names).filter(|name| name.starts_with(typed));
        Ok((0, names.map(|name| format!("{name} ")).collect()))
    }
}

/// Lines from the terminal until the session ends.
pub(super) fn run(repl: &mut Repl<'_>) -> io::Result<()> {
    let config = Config::builder().completion_type(CompletionType::List).build();
    let mut editor: Editor<Words, MemHistory> = Editor::with_history(config, MemHistory::new()).map_err(to_io)?;
    editor.set_helper(Some(Words));
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
        match editor.readline("(obit) ") {
            Ok(line) if line.trim().is_empty() => {
                let last = repl.last.clone();
                if repl.line(&last)? == Next::Quit {
                    break;
                }
            }
            Ok(line) => {
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
