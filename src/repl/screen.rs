//! What a session's answers go through: the pages of a terminal, and the log.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;

use rustyline::Editor;
use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;

use super::pager::Pager;
use crate::command::Settings;
use crate::interrupt;

/// gdb's words between two pages.
const MORE: &str = "--Type <RET> for more, q to quit, c to continue without paging--";

/// The terminal's page, as far as it is written, and the log.
#[derive(Default)]
pub(super) struct Screen {
    /// Answers are read on a terminal, page by page.
    on_terminal: bool,
    /// Lines of a page; without it everything is written at once.
    height: Option<usize>,
    /// Characters of a line.
    width: Option<usize>,
    /// Lines of this page that are written, and characters of the last one.
    rows: usize,
    column: usize,
    /// Within an escape sequence, which takes no room.
    escape: bool,
    log: Option<Log>,
    /// The reader's own pager, which gets what a page has no room for.
    command: Option<String>,
    /// Lines that wait until it is known whether they fit on the page; the pager gets those that do not.
    held: Vec<u8>,
    pager: Option<Pager>,
}

/// `set logging enabled on`
struct Log {
    file: File,
    name: String,
    /// The answers are written there alone.
    redirect: bool,
}

/// A number that the settings give, else the terminal's; `None`: without a bound.
fn bound(settings: &Settings, name: &str, terminal: Option<usize>) -> Option<usize> {
    match settings.said.get(name) {
        Some(said) => said.parse().ok(),
        None => terminal,
    }
}

/// A line that answers a question.
fn read(question: &str) -> rustyline::Result<String> {
    let mut editor = Editor::<(), MemHistory>::with_history(rustyline::Config::default(), MemHistory::new())?;
    editor.readline(question)
}

impl Screen {
    pub(super) fn new(on_terminal: bool) -> Screen {
        Screen { on_terminal, ..Screen::default() }
    }

    /// The page begins, as large as the settings and the terminal say at this moment.
    pub(super) fn begin(&mut self, settings: &Settings) {
        (self.rows, self.column, self.escape) = (0, 0, false);
        self.command = Pager::command();
        self.resize(settings);
    }

    /// The same without a new page.
    pub(super) fn resize(&mut self, settings: &Settings) {
        let paged = self.on_terminal && settings.said.get("pagination").is_none_or(|on| on == "on");
        let size = terminal_size::terminal_size().filter(|_| paged);
        let (width, height) = size.map(|(width, height)| (width.0.into(), height.0.into())).unzip();
        self.height = bound(settings, "height", height).filter(|height| paged && *height > 0);
        self.width = bound(settings, "width", width).filter(|width| *width > 0);
    }

    /// The terminal's rows and columns, where answers go to one.
    pub(super) fn terminal(&self) -> Option<(usize, usize)> {
        let (width, height) = terminal_size::terminal_size().filter(|_| self.on_terminal)?;
        Some((height.0.into(), width.0.into()))
    }

    /// Copies what follows into a file, in place of the file before.
    pub(super) fn start_log(&mut self, path: &Path, overwrite: bool, redirect: bool) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.create(true).write(true).append(!overwrite).truncate(overwrite);
        let file = options.open(path)?;
        self.log = Some(Log { file, name: path.display().to_string(), redirect });
        Ok(())
    }

    /// The name of the log that ends.
    pub(super) fn end_log(&mut self) -> Option<String> {
        self.log.take().map(|log| log.name)
    }

    /// The log takes what is said beside the answers too.
    pub(super) fn log(&mut self, bytes: &[u8]) {
        if let Some(log) = &mut self.log {
            let _ = log.file.write_all(bytes);
        }
    }

    fn redirects(&self) -> bool {
        self.log.as_ref().is_some_and(|log| log.redirect)
    }

    /// Whether the next line would push this page's first one out.
    fn is_full(&self) -> bool {
        self.height.is_some_and(|height| self.rows + 1 >= height.max(2))
    }

    /// Counts the room that a line or a part of one takes.
    fn count(&mut self, part: &[u8]) {
        for byte in part {
            match byte {
                b'\n' => (self.rows, self.column, self.escape) = (self.rows + 1, 0, false),
                0x1b => self.escape = true,
                b'a'..=b'z' | b'A'..=b'Z' if self.escape => self.escape = false,
                _ if self.escape => {}
                b'\t' => self.column = (self.column / 8 + 1) * 8,
                // Bytes that go on with a character.
                0x80..=0xbf => {}
                _ => self.column += 1,
            }
            if let Some(width) = self.width
                && self.column > width
            {
                (self.rows, self.column) = (self.rows + 1, self.column - width);
            }
        }
    }

    /// One line, or a part of one, for the pager if there are more than a page has room for; `false`: there is no pager.
    fn paged(&mut self, line: &[u8]) -> io::Result<bool> {
        if let Some(pager) = &mut self.pager {
            pager.write(line)?;
            return Ok(true);
        }
        let Some(command) = self.command.as_deref().filter(|_| self.height.is_some()) else { return Ok(false) };
        if self.is_full() {
            let Ok(mut pager) = Pager::start(command) else {
                self.command = None;
                return Ok(false);
            };
            pager.write(&std::mem::take(&mut self.held))?;
            pager.write(line)?;
            self.pager = Some(pager);
            return Ok(true);
        }
        self.held.extend_from_slice(line);
        self.count(line);
        Ok(true)
    }

    /// What the reader answers to a question, with which a page begins; `None`: nothing, and no more comes.
    pub(super) fn question(&mut self, question: &str) -> io::Result<Option<String>> {
        self.rows = 0;
        match read(question) {
            Ok(answer) => {
                self.log(format!("{question}{answer}\n").as_bytes());
                Ok(Some(answer.trim().to_owned()))
            }
            Err(ReadlineError::Eof) => Ok(None),
            Err(ReadlineError::Interrupted) => {
                interrupt::request();
                Err(interrupt::Interrupted.into())
            }
            Err(error) => Err(io::Error::other(error.to_string())),
        }
    }

    /// What the reader wants of the next page.
    fn ask(&mut self) -> io::Result<()> {
        self.rows = 0;
        match read(MORE).as_deref().map(str::trim) {
            Ok("c") => {
                self.height = None;
                Ok(())
            }
            Ok(answer) if !answer.starts_with('q') => Ok(()),
            _ => {
                interrupt::request();
                Err(interrupt::Interrupted.into())
            }
        }
    }
}

/// Writes through the screen.
pub(super) struct Through<'o> {
    pub(super) out: &'o mut dyn Write,
    pub(super) screen: Rc<RefCell<Screen>>,
}

impl Write for Through<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        interrupt::check()?;
        let mut screen = self.screen.borrow_mut();
        screen.log(bytes);
        if screen.redirects() {
            return Ok(bytes.len());
        }
        if !screen.on_terminal {
            self.out.write_all(bytes)?;
            return Ok(bytes.len());
        }
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if screen.paged(line)? {
                continue;
            }
            // Without a pager that starts, its lines are written as all others.
            self.out.write_all(&std::mem::take(&mut screen.held))?;
            if screen.is_full() {
                self.out.flush()?;
                screen.ask()?;
            }
            self.out.write_all(line)?;
            screen.count(line);
        }
        // What comes next may take long.
        if bytes.contains(&b'\n') {
            self.out.flush()?;
        }
        Ok(bytes.len())
    }

    /// All that was written is to be seen: lines that fit on the page, and what the pager shows until its reader leaves it.
    fn flush(&mut self) -> io::Result<()> {
        let (held, pager) = {
            let mut screen = self.screen.borrow_mut();
            (std::mem::take(&mut screen.held), screen.pager.take())
        };
        if pager.is_some() {
            self.screen.borrow_mut().rows = 0;
        }
        drop(pager);
        self.out.write_all(&held)?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_take_room() {
        let mut screen = Screen { height: Some(4), width: Some(10), ..Screen::default() };
        screen.count(b"0123456789\n\x1b[31mred\x1b[0m\n");
        assert_eq!((screen.rows, screen.column, screen.is_full()), (2, 0, false));
        screen.count("0123456789é".as_bytes());
        assert_eq!((screen.rows, screen.column, screen.is_full()), (3, 1, true));
    }
}
