//! The interactive session: gdb's words for obit's commands, asked one after another of one opened target.
//!
//! ```text
//! arguments ──invocation──> target, scripts ──> lines ──words──> Command (the one-shot ones) or a session's own
//! ```
//!
//! Lines come from `-iex`, `-ex` and `-x`, from a terminal (through the line editor) or from standard input. Without a
//! terminal nothing but answers is printed. The exit status is that of the worst command.

mod apply;
mod arguments;
mod block;
mod classes;
mod completion;
mod custom;
mod data;
mod dead;
mod describe;
mod display;
mod dump;
mod editor;
mod explore;
mod files;
mod find;
mod goroutine;
mod history;
mod invocation;
mod pager;
mod printf;
mod process;
mod screen;
mod settings;
mod stack;
mod symbols;
mod threads;
mod words;

use std::cell::RefCell;
use std::io::{self, BufRead, IsTerminal, Write};
use std::rc::Rc;

use clap::{FromArgMatches, Subcommand};

pub use invocation::{Invocation, Script, is_session, parse};

use crate::command::{Command, CommandError, Output, State};
use crate::interrupt;
use crate::report::session_documents;
use crate::report::style::Paint;
use crate::session::modules::{DebugStatus, FileStatus};

/// Modules that the banner names.
const MAX_MISSING: usize = 4;
/// Scripts that call scripts.
const MAX_SOURCES: usize = 16;

/// What comes after a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Next {
    Line,
    Quit,
}

/// An opened session.
pub struct Repl<'a> {
    state: &'a mut State,
    out: &'a mut dyn Write,
    paint: Paint,
    /// Notes that were printed already.
    notes_said: usize,
    /// The worst status so far.
    status: u8,
    /// Scripts that are being read within each other.
    sources: usize,
    /// What answers go through: pages, the log.
    screen: Rc<RefCell<screen::Screen>>,
    /// Expressions that are shown again at every selection.
    displays: display::Displays,
    /// Commands that the user made.
    customs: custom::Customs,
    /// Lines up to an `end` that has not come yet.
    block: Option<block::Block>,
    /// Commands that apply commands, within each other.
    applied: usize,
    /// A reader sees the answers as they are given, and can be asked.
    has_reader: bool,
}

/// Answers what the invocation asks; the exit status.
pub fn run(invocation: &Invocation, out: &mut dyn Write, paint: Paint) -> u8 {
    let mut state = match invocation.target.open() {
        Ok(state) => state,
        Err(error) => {
            let _ = writeln!(io::stderr(), "obit: {error}");
            return 2;
        }
    };
    state.interactive = true;
    let on_terminal = !invocation.batch && io::stdin().is_terminal();
    let screen = screen::Screen::new(on_terminal && io::stdout().is_terminal());
    let screen = Rc::new(RefCell::new(screen));
    let mut through = screen::Through { out, screen: screen.clone() };
    if on_terminal {
        interrupt::listen();
    }
    let mut repl = Repl {
        state: &mut state,
        out: &mut through,
        paint,
        notes_said: 0,
        status: 0,
        sources: 0,
        screen,
        displays: display::Displays::default(),
        customs: custom::Customs::default(),
        block: None,
        applied: 0,
        has_reader: on_terminal && io::stdout().is_terminal(),
    };
    let next = repl.session(invocation);
    let _ = repl.out.flush();
    match next {
        Ok(()) => repl.status,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(error) => {
            let _ = writeln!(io::stderr(), "obit: standard output: {error}");
            2
        }
    }
}

impl Repl<'_> {
    fn session(&mut self, invocation: &Invocation) -> io::Result<()> {
        if let Some(init) = &invocation.init
            && self.asked_alone(|repl| repl.source(init))? == Next::Quit
        {
            return Ok(());
        }
        for line in &invocation.early {
            if self.top(line)? == Next::Quit {
                return Ok(());
            }
        }
        if !invocation.quiet {
            self.asked_alone(|repl| repl.banner().map(|()| Next::Line))?;
        }
        for script in &invocation.scripts {
            let next = match script {
                invocation::Script::Line(line) => self.top(line)?,
                invocation::Script::File(path) => self.asked_alone(|repl| repl.source(path))?,
            };
            if next == Next::Quit {
                return Ok(());
            }
        }
        if invocation.batch {
            self.end_of_lines();
            return Ok(());
        }
        let input = io::stdin();
        if input.is_terminal() {
            return editor::run(self);
        }
        // With commands on the command line, standard input is somebody else's.
        if invocation.scripts.is_empty() {
            for line in input.lock().lines() {
                if self.top(&line?)? == Next::Quit {
                    break;
                }
            }
        }
        self.end_of_lines();
        Ok(())
    }

    /// A line that no other command asks.
    fn top(&mut self, line: &str) -> io::Result<Next> {
        self.asked_alone(|repl| repl.line(line))
    }

    /// What no other command asks: Ctrl-C ends it, and the session goes on.
    fn asked_alone(&mut self, ask: impl FnOnce(&mut Self) -> Result<Next, CommandError>) -> io::Result<Next> {
        interrupt::clear();
        self.page();
        let answered = ask(self);
        // A pager has the answer until its reader has seen it.
        let flushed = self.out.flush();
        let answered = answered.and_then(|next| flushed.map(|()| next).map_err(CommandError::from));
        let ended = self.after(answered);
        // What comes too late for this command is not for what Tab looks up.
        interrupt::clear();
        ended
    }

    /// Says how it went.
    fn after(&mut self, answered: Result<Next, CommandError>) -> io::Result<Next> {
        match answered {
            Ok(next) => Ok(next),
            Err(CommandError::Output(error)) => Err(error),
            Err(CommandError::Interrupted) => {
                self.block = None;
                self.aside("Quit");
                Ok(Next::Line)
            }
            Err(error) => {
                self.complain(&error);
                Ok(Next::Line)
            }
        }
    }

    /// A new page, as large as the settings and the terminal say.
    fn page(&mut self) {
        self.screen.borrow_mut().begin(&self.state.settings);
    }

    /// A block that has no end is said.
    fn end_of_lines(&mut self) {
        if let Some(block) = self.block.take() {
            let dead = dead::answer(block.first(), false);
            let message = dead.unwrap_or_else(|| format!("{}: its end is missing", block.first()));
            self.complain(&CommandError::Usage(message));
        }
    }

    /// What ran, why it ended, and where.
    fn banner(&mut self) -> Result<(), CommandError> {
        let mut notes = io::sink();
        let mut output = Output { out: &mut *self.out, err: &mut notes, paint: self.paint };
        let header = crate::command::bt::write_header(&self.state.session, &mut output);
        for answered in [header, stack::show_frame(self).map(|_| ())] {
            if let Err(error @ (CommandError::Output(_) | CommandError::Interrupted)) = answered {
                return Err(error);
            }
        }
        self.say_notes();
        if let Some(missing) = self.missing() {
            writeln!(self.out, "{}", self.paint.aside(missing))?;
        }
        Ok(())
    }

    /// The modules that could tell more with their files or debug information, in one line.
    fn missing(&self) -> Option<String> {
        let modules = self.state.session.modules();
        let name = |row: &crate::session::modules::ModuleRow| crate::report::bt_text::base_name(&row.path).to_owned();
        let files: Vec<String> = modules
            .iter()
            .filter(|row| matches!(row.file, FileStatus::Missing | FileStatus::Mismatch { used: false, .. }))
            .map(name)
            .collect();
        let debug: Vec<String> = modules
            .iter()
            .filter(|row| matches!(row.debug, DebugStatus::Missing | DebugStatus::SymbolsOnly))
            .map(name)
            .filter(|name| !files.contains(name) && !name.starts_with('['))
            .collect();
        let listed = |names: &[String]| {
            let shown = names.iter().take(MAX_MISSING).map(String::as_str).collect::<Vec<_>>().join(", ");
            let more = names.len().saturating_sub(MAX_MISSING);
            if more > 0 { format!("{shown} and {more} more") } else { shown }
        };
        let mut parts = Vec::new();
        if !files.is_empty() {
            parts.push(format!("without a file: {}", listed(&files)));
        }
        if !debug.is_empty() {
            parts.push(format!("without debug information: {}", listed(&debug)));
        }
        (!parts.is_empty()).then(|| format!("Modules {} (info sharedlibrary)", parts.join("; ")))
    }

    /// The lines of a file.
    fn source(&mut self, path: &std::path::Path) -> Result<Next, CommandError> {
        let text = match std::fs::read(path) {
            Ok(_) if self.sources >= MAX_SOURCES => {
                return Err(CommandError::Usage(format!("{}: scripts within scripts", path.display())));
            }
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => return Err(CommandError::Usage(format!("{}: {error}", path.display()))),
        };
        // A script's blocks are its own.
        let before = self.block.take();
        self.sources += 1;
        let answered = self.lines_of(&text);
        self.sources -= 1;
        self.end_of_lines();
        self.block = before;
        answered
    }

    fn lines_of(&mut self, text: &str) -> Result<Next, CommandError> {
        // A backslash at the end goes on in the next line.
        let mut begun = String::new();
        for line in text.lines() {
            if let Some(line) = line.strip_suffix('\\') {
                begun.push_str(line);
                continue;
            }
            let next = self.line(&format!("{}{line}", std::mem::take(&mut begun)))?;
            if next == Next::Quit {
                return Ok(next);
            }
        }
        if begun.is_empty() { Ok(Next::Line) } else { self.line(&begun) }
    }

    /// One line: its answer is printed, what is wrong with it too. Errors are those that end all lines.
    fn line(&mut self, line: &str) -> Result<Next, CommandError> {
        interrupt::check()?;
        let answered = match self.block.take() {
            Some(block) => self.add_to_block(block, line),
            None => {
                let line = line.trim();
                if line.is_empty() || line.starts_with('#') {
                    return Ok(Next::Line);
                }
                match block::Block::begun_by(line) {
                    Some(block) => block.map(|block| {
                        self.block = Some(block);
                        Next::Line
                    }),
                    None => self.asked(line),
                }
            }
        };
        let next = match answered {
            Ok(next) => next,
            Err(error @ (CommandError::Output(_) | CommandError::Interrupted)) => return Err(error),
            // A search that was ended has found nothing; that is no answer.
            Err(_) if interrupt::requested() => return Err(CommandError::Interrupted),
            Err(error) => {
                self.out.flush()?;
                self.complain(&error);
                Next::Line
            }
        };
        self.say_notes();
        Ok(next)
    }

    /// One line more of a block, which runs at its end.
    fn add_to_block(&mut self, mut block: block::Block, line: &str) -> Result<Next, CommandError> {
        match block.add(line)? {
            true => custom::run_block(self, &block),
            false => {
                self.block = Some(block);
                Ok(Next::Line)
            }
        }
    }

    /// One line with its `--json`.
    fn asked(&mut self, line: &str) -> Result<Next, CommandError> {
        let (line, json) = match line.strip_suffix("--json") {
            Some(before) if before.ends_with(' ') => (before.trim_end(), true),
            _ => (line, false),
        };
        if !json && !self.state.json {
            return words::answer(self, line);
        }
        let before = std::mem::replace(&mut self.state.json, true);
        let answered = self.document(line);
        self.state.json = before;
        answered
    }

    /// A command's document: its own, or its lines in one.
    fn document(&mut self, line: &str) -> Result<Next, CommandError> {
        let mut answer = Vec::new();
        let answered = self.captured(&mut answer, Paint { enabled: false }, |repl| words::answer(repl, line));
        let own = answer.starts_with(b"{\"schema\":\"obit.") || line.starts_with("schema");
        if own {
            self.out.write_all(&answer)?;
        } else if !matches!(answered, Ok(Next::Quit)) && (answered.is_ok() || !answer.is_empty()) {
            let notes = self.state.session.notes();
            self.out.write_all(&session_documents::text(line, &answer, &notes).into_bytes())?;
            self.out.write_all(b"\n")?;
        }
        answered
    }

    /// Something beside the answer.
    fn aside(&mut self, message: &str) {
        let _ = self.out.flush();
        let _ = writeln!(io::stderr(), "{message}");
        self.screen.borrow_mut().log(format!("{message}\n").as_bytes());
    }

    fn complain(&mut self, error: &CommandError) {
        let _ = writeln!(io::stderr(), "{error}");
        self.screen.borrow_mut().log(format!("{error}\n").as_bytes());
        self.status = self.status.max(error.exit_status());
    }

    /// Warnings that came up since the last time.
    fn say_notes(&mut self) {
        let notes = self.state.session.notes();
        let new = notes.get(self.notes_said..).unwrap_or_default();
        if !new.is_empty() {
            let _ = self.out.flush();
            let mut sink = io::sink();
            let mut errors = io::stderr();
            let mut output = Output { out: &mut sink, err: &mut errors, paint: self.paint };
            let _ = crate::command::common::write_notes(&mut output, new);
        }
        self.notes_said = notes.len();
    }

    /// Answers into `buffer`.
    fn with_output<T>(&mut self, buffer: &mut Vec<u8>, ask: impl FnOnce(&mut Repl<'_>) -> T) -> T {
        self.captured(buffer, Paint { enabled: false }, ask)
    }

    /// The same, with those colours.
    fn captured<T>(&mut self, buffer: &mut Vec<u8>, paint: Paint, ask: impl FnOnce(&mut Repl<'_>) -> T) -> T {
        let mut inner = Repl {
            state: &mut *self.state,
            out: buffer,
            paint,
            notes_said: self.notes_said,
            status: 0,
            sources: self.sources,
            screen: self.screen.clone(),
            displays: std::mem::take(&mut self.displays),
            customs: std::mem::take(&mut self.customs),
            block: None,
            applied: self.applied,
            has_reader: false,
        };
        let answer = ask(&mut inner);
        let (status, notes_said) = (inner.status, inner.notes_said);
        let (displays, customs) = (std::mem::take(&mut inner.displays), std::mem::take(&mut inner.customs));
        self.displays = displays;
        self.customs = customs;
        self.notes_said = notes_said;
        self.status = self.status.max(status);
        answer
    }

    /// One of the commands that the command line has too, with its arguments as that takes them.
    fn command(&mut self, arguments: &[&str]) -> Result<Next, CommandError> {
        let definition = Command::augment_subcommands(clap::Command::new("obit").no_binary_name(true));
        let command = definition
            .try_get_matches_from(arguments)
            .and_then(|matches| Command::from_arg_matches(&matches))
            .map_err(|error| CommandError::Usage(first_line(&error.to_string())))?;
        // Notes are said once, after the command.
        let mut notes = io::sink();
        let mut output = Output { out: &mut *self.out, err: &mut notes, paint: self.paint };
        command.run(self.state, &mut output)?;
        Ok(Next::Line)
    }
}

fn first_line(text: &str) -> String {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    text.lines().next().unwrap_or_default().to_owned()
}
