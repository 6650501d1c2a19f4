//! The prompt on a terminal: typing, Tab, history, Ctrl-R, Ctrl-C, Enter, blocks, pages and a window that changes.

mod common;

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// A machine may be busy: only a session that hangs waits this long.
const PATIENCE: Duration = Duration::from_secs(120);

const PROMPT: &str = "(obit) ";
const UP: &str = "\x1b[A";
const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const CTRL_R: &str = "\x12";

/// A session on a terminal of its own.
struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keyboard: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    screen: vt100::Parser,
}

fn size(rows: u16, columns: u16) -> PtySize {
    PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }
}

fn nonzero(number: u16) -> NonZero<u16> {
    NonZero::new(number).unwrap()
}

impl Terminal {
    /// Opens the demo's core; `home` keeps the history. Waits for the first prompt.
    fn open(home: &Path, rows: u16, columns: u16) -> Terminal {
        Terminal::open_with_pager(home, rows, columns, None)
    }

    fn open_with_pager(home: &Path, rows: u16, columns: u16, pager: Option<&str>) -> Terminal {
        let target = ["fixtures/demo/core.zst", "--exe", "fixtures/demo/demo"];
        Terminal::open_target(home, size(rows, columns), pager, &target.map(OsStr::new))
    }

    fn open_target(home: &Path, window: PtySize, pager: Option<&str>, target: &[&OsStr]) -> Terminal {
        let (rows, columns) = (window.rows, window.cols);
        let pair = native_pty_system().openpty(window).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_obit"));
        command.args(target);
        command.args(["-q", "-nx", "--color", "never"]);
        command.cwd(env!("CARGO_MANIFEST_DIR"));
        command.env("TERM", "xterm");
        command.env("XDG_STATE_HOME", home);
        command.env("OBIT_CACHE_DIR", "");
        command.env("XDG_CONFIG_HOME", "/nonexistent");
        command.env_remove("DEBUGINFOD_URLS");
        match pager {
            Some(pager) => command.env("PAGER", pager),
            None => command.env_remove("PAGER"),
        }
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let keyboard = pair.master.take_writer().unwrap();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        let screen = vt100::Parser::new(nonzero(rows), nonzero(columns), 0);
        let mut terminal = Terminal { child, master: pair.master, keyboard, output, screen };
        terminal.wait("a prompt", |text| text.ends_with(PROMPT.trim_end()));
        terminal
    }

    fn text(&self) -> String {
        self.screen.screen().contents().trim_end().to_owned()
    }

    /// Waits until the screen is as wanted.
    fn wait(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let text = self.text();
            if wanted(&text) {
                return text;
            }
            let left = end.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.screen.process(&bytes),
                Err(error) => panic!("{what} is waited for ({error}); on the screen is:\n{text}"),
            }
        }
    }

    /// Waits until the rows are as wanted: what is broken by the screen's edge is several.
    fn rows(&mut self, what: &str, wanted: impl Fn(&[String]) -> bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen.screen();
            let (_, columns) = screen.size();
            let rows: Vec<String> = screen.rows(0, columns.into()).map(|row| row.trim_end().to_owned()).collect();
            if wanted(&rows) {
                return;
            }
            assert!(Instant::now() < end, "{what} is waited for; on the screen is:\n{}", rows.join("\n"));
            match self.output.recv_timeout(Duration::from_millis(500)) {
                Ok(bytes) => self.screen.process(&bytes),
                // rustyline 19 misses a signal that comes just before it begins to read; a window that is dragged sends many.
                Err(_) => self.signal(Signal::SIGWINCH),
            }
        }
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.process_id().unwrap();
        kill(Pid::from_raw(child.try_into().unwrap()), signal).unwrap();
    }

    fn shows(&mut self, wanted: &str) -> String {
        self.wait(wanted, |text| text.contains(wanted))
    }

    /// The same, and that it asks for more: what is typed before that may be lost.
    fn asks(&mut self, wanted: &str) -> String {
        self.wait(wanted, |text| text.contains(wanted) && text.ends_with(':'))
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self.keyboard.flush().unwrap();
    }

    /// Types a line, and waits for its answer's end: the next prompt.
    fn ask(&mut self, line: &str) -> String {
        self.clear();
        self.press(line);
        // What ends a line would be lost in what is typed before it is read.
        self.shows(line);
        self.press("\r");
        self.answer()
    }

    /// The screen when the next prompt stands alone in the last line.
    fn answer(&mut self) -> String {
        self.wait("the next prompt", |text| {
            text.lines().count() > 1 && matches!(text.lines().last(), Some("(obit)" | ">"))
        })
    }

    /// Throws away what is typed: a new prompt follows.
    fn interrupt(&mut self) {
        let before = self.text().lines().count();
        self.press(CTRL_C);
        self.wait("a new prompt", |text| text.lines().count() > before && text.lines().last() == Some("(obit)"));
    }

    /// An empty screen with a prompt, as Ctrl-L makes it.
    fn clear(&mut self) {
        self.press("\x0c");
        self.wait("an empty screen", |text| text == PROMPT.trim_end() || text == ">");
    }

    fn resize(&mut self, rows: u16, columns: u16) {
        self.screen.screen_mut().set_size(nonzero(rows), nonzero(columns));
        self.master.resize(size(rows, columns)).unwrap();
    }

    /// Ends the session as Ctrl-D does.
    fn end(mut self) {
        self.wait("the last prompt", |text| text.lines().last() == Some("(obit)"));
        self.press(CTRL_D);
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if self.child.try_wait().unwrap().is_some() {
                return;
            }
            let _ = self.output.recv_timeout(Duration::from_millis(10));
        }
        panic!("the session goes on; on the screen is:\n{}", self.text());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

fn home(name: &str) -> PathBuf {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("terminal-{name}"));
    let _ = std::fs::remove_dir_all(&home);
    home
}

#[test]
fn lines_are_typed_completed_and_repeated() {
    let mut terminal = Terminal::open(&home("typed"), 60, 100);
    assert_eq!(terminal.ask("p 20 + 1"), "(obit) p 20 + 1\n$1 = 21\n(obit)");
    // Enter asks again.
    terminal.press("\r");
    terminal.shows("$2 = 21");
    // `list` and `x` go on.
    assert!(terminal.ask("list 1,2").ends_with("\n(obit)"));
    terminal.press("\r");
    terminal.shows("\n    3   #include <stdlib.h>\n");
    terminal.ask("x/2xg $sp");
    terminal.press("\r");
    terminal.shows("0x7ffc4deed500:\t0x00000000004bd380".replace('\t', " ").as_str());
    // A word, a topic, a variable and a member.
    terminal.clear();
    terminal.press("backt\t");
    terminal.shows("(obit) backtrace");
    terminal.press("1\r");
    terminal.shows("(More stack frames follow...)");
    terminal.clear();
    terminal.press("info sig\t");
    terminal.shows("(obit) info signals");
    terminal.press("SIGSEGV\r");
    terminal.shows("ended the process");
    terminal.ask("frame function total");
    terminal.clear();
    terminal.press("p ord\t->num\t");
    terminal.shows("(obit) p order->number");
    terminal.interrupt();
    // What was typed is gone.
    assert_eq!(terminal.ask("p 5"), "(obit) p 5\n$3 = 5\n(obit)");
    terminal.end();
}

#[test]
fn a_long_command_is_stopped_and_the_session_goes_on() {
    let mut terminal = Terminal::open(&home("stopped"), 60, 100);
    terminal.ask("set $n = 0");
    terminal.ask("while 1");
    terminal.press("if $n == 1\rset $n = 2\recho it runs\\n\rend\rif $n == 0\rset $n = 1\rend\rend\r");
    terminal.wait("the loop's line", |text| text.lines().any(|line| line == "it runs"));
    terminal.press(CTRL_C);
    terminal.shows("Quit\n(obit)");
    assert_eq!(terminal.ask("p $n"), "(obit) p $n\n$1 = 2\n(obit)");
    // Another program, which Ctrl-C ends.
    terminal.clear();
    terminal.press("pipe p 1 | echo it waits; exec sleep 1000\r");
    terminal.wait("the program's line", |text| text.lines().any(|line| line == "it waits"));
    terminal.press(CTRL_C);
    terminal.wait("the next prompt", |text| text.lines().last() == Some("(obit)"));
    assert!(terminal.ask("p 6").ends_with(" = 6\n(obit)"));
    terminal.end();
}

/// A large program in the place of the one that died: this one itself. Its names are read for seconds.
#[test]
fn a_search_of_names_shows_how_far_it_is_and_can_be_stopped() {
    let home = home("names");
    std::fs::create_dir_all(&home).unwrap();
    // Where the program that died is not beside it.
    let core = home.join("core.zst");
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/demo/core.zst"), &core).unwrap();
    let target = [core.as_os_str(), "--exe".as_ref(), env!("CARGO_BIN_EXE_obit").as_ref(), "--allow-mismatch".as_ref()];
    let mut terminal = Terminal::open_target(&home, size(60, 100), None, &target);
    terminal.clear();
    terminal.press("info types ^no_such_type$\r");
    terminal.wait("the bar", |text| text.contains("reading names [") && text.contains(" units"));
    terminal.press(CTRL_C);
    let text = terminal.wait("the next prompt", |text| text.lines().last() == Some("(obit)"));
    assert!(text.ends_with("Quit\n(obit)"), "{text}");
    assert!(!text.contains("All types"), "{text}");
    assert!(terminal.ask("p 6 * 7").contains("\n$1 = 42\n"));
    terminal.end();
}

#[test]
fn history_goes_from_one_session_to_the_next() {
    let home = home("history");
    let mut one = Terminal::open(&home, 60, 100);
    let mut other = Terminal::open(&home, 60, 100);
    one.ask("p 1111");
    other.ask("p 2222");
    one.ask("p 3333");
    one.end();
    other.end();
    let kept = std::fs::read_to_string(home.join("obit/history")).unwrap();
    assert_eq!(kept, "p 1111\np 2222\np 3333\n");
    let mut terminal = Terminal::open(&home, 60, 100);
    terminal.press(UP);
    terminal.shows("(obit) p 3333");
    terminal.press(UP);
    terminal.shows("(obit) p 2222");
    terminal.interrupt();
    terminal.clear();
    terminal.press(CTRL_R);
    terminal.shows("reverse-i-search");
    terminal.press("111");
    terminal.shows("p 1111");
    terminal.press("\r");
    terminal.shows("$1 = 1111");
    terminal.end();
}

#[test]
fn lines_go_on_and_blocks_end() {
    let mut terminal = Terminal::open(&home("blocks"), 60, 100);
    terminal.press("p 40 + \\\r2\r");
    terminal.shows("$1 = 42");
    let text = terminal.ask("define twice");
    assert!(
        text.ends_with("Type commands for definition of \"twice\".\nEnd with a line saying just \"end\".\n>"),
        "{text}"
    );
    terminal.press("p $arg0 * 2\rend\r");
    terminal.wait("the end", |text| text.lines().last() == Some("(obit)"));
    assert_eq!(terminal.ask("twice 21"), "(obit) twice 21\n$2 = 42\n(obit)");
    terminal.clear();
    terminal.press("twi\t");
    terminal.shows("(obit) twice");
    terminal.press("4\r");
    terminal.shows("$3 = 8");
    // Ctrl-C leaves a block.
    terminal.ask("if 1");
    terminal.interrupt();
    assert_eq!(terminal.ask("p 7"), "(obit) p 7\n$4 = 7\n(obit)");
    terminal.end();
}

#[test]
fn values_and_types_are_explored() {
    let mut terminal = Terminal::open(&home("explored"), 60, 100);
    terminal.ask("frame function main");
    terminal.clear();
    terminal.press("explore first\r");
    let text = terminal.asks("Enter the field number of choice:");
    assert!(text.contains("  number = 1001 .. (Value of type 'int')\n"), "{text}");
    assert!(text.contains("customer = <Enter 2 to explore this field of type 'struct customer *'>\n"), "{text}");
    terminal.press("nosuch\r");
    terminal.asks("There is no field nosuch.");
    // By name, by number, and back with Return.
    terminal.press("customer\r");
    terminal.asks("'first.customer' is a pointer to a value of type 'struct customer'");
    terminal.press("y\r");
    terminal.asks("The value of '*first.customer' is a struct/class");
    terminal.press("1\r");
    terminal.asks("'(*first.customer).name' is a pointer to a value of type 'const char'");
    terminal.press("\r");
    terminal.wait("the customer again", |text| {
        text.ends_with("Enter the field number of choice:") && text.matches("Returning to parent value").count() == 1
    });
    terminal.press("\r");
    terminal.wait("the order again", |text| {
        text.ends_with("Enter the field number of choice:") && text.matches("Returning to parent value").count() == 2
    });
    terminal.press("3\r");
    terminal.asks("Enter the index of the element you want to explore in 'first.amounts':");
    terminal.press("1\r");
    terminal.asks("first.amounts[1] = 20.5");
    terminal.press("q\r");
    terminal.wait("the prompt", |text| text.ends_with("\n(obit)"));
    terminal.clear();
    terminal.press("explore struct order\r");
    terminal.asks("next = <Enter 4 to explore this field of type 'struct order *'>");
    terminal.press("next\r");
    terminal.asks("field 'next' of 'struct order' is a pointer to a value of type 'struct order'.");
    terminal.press(CTRL_D);
    terminal.wait("the prompt", |text| text.ends_with("(obit)"));
    // Where the answer is another program's, nothing is asked.
    let text = terminal.ask("pipe explore first | grep terminal");
    assert!(text.contains("(On a terminal explore asks"), "{text}");
    terminal.end();
}

#[test]
fn pages_and_lines_are_as_large_as_the_window() {
    let mut terminal = Terminal::open(&home("window"), 12, 100);
    terminal.press("info signals\r");
    terminal.shows("--Type <RET> for more, q to quit, c to continue without paging--");
    terminal.press("\r");
    terminal
        .wait("the second page", |text| text.contains("SIGUSR2") && text.ends_with("c to continue without paging--"));
    terminal.press("q\r");
    terminal.shows("Quit\n(obit)");
    terminal.clear();
    terminal.press("info signals\r");
    terminal.shows("without paging--");
    terminal.press(CTRL_C);
    terminal.shows("Quit\n(obit)");
    // A larger window has room for all.
    terminal.resize(60, 100);
    assert!(terminal.ask("info signals").contains("The process got SIGSEGV"));
    // A narrower one breaks the line that is typed.
    let digits = "0123456789".repeat(6);
    terminal.clear();
    terminal.press(&format!("p \"{digits}\""));
    terminal.shows(&format!("{digits}\""));
    terminal.resize(60, 30);
    terminal.rows("the broken line", |rows| {
        let begun = rows.first().is_some_and(|row| row == &format!("(obit) p \"{}", &digits[..20]));
        begun && rows.concat().contains(&digits)
    });
    terminal.press("\r");
    terminal.shows("$1 = ");
    terminal.resize(12, 100);
    terminal.clear();
    terminal.press("with pagination off -- info signals\r");
    terminal.wait("all at once", |text| text.contains("The process got") && text.ends_with("(obit)"));
    terminal.end();
}

#[test]
fn long_answers_go_to_the_reader_s_pager() {
    // A pager that marks its lines and waits for its reader.
    let pager = "sed 's/^/|/'; echo the pager waits; read line < /dev/tty; echo it was told $line";
    let mut terminal = Terminal::open_with_pager(&home("pager"), 12, 100, Some(pager));
    // What a page has room for needs none.
    assert_eq!(terminal.ask("p 1"), "(obit) p 1\n$1 = 1\n(obit)");
    terminal.clear();
    terminal.press("info signals\r");
    let text = terminal.shows("the pager waits");
    assert!(text.lines().rev().nth(1).is_some_and(|line| line.starts_with('|')), "{text}");
    // Ctrl-C is the pager's: the shell that runs it ends, and the session goes on.
    terminal.press("well\r");
    terminal.shows("it was told well\n(obit)");
    terminal.clear();
    terminal.press("info signals\r");
    terminal.shows("the pager waits");
    terminal.press(CTRL_C);
    terminal.wait("the prompt", |text| text.lines().last() == Some("(obit)"));
    assert_eq!(terminal.ask("p 2"), "(obit) p 2\n$2 = 2\n(obit)");
    // Without pages there is no pager.
    terminal.clear();
    terminal.press("with pagination off -- info signals\r");
    terminal.wait("all at once", |text| text.contains("The process got") && text.ends_with("(obit)"));
    terminal.end();
}

#[test]
fn who_leaves_the_pager_wants_no_more() {
    // It reads a line alone.
    let mut terminal = Terminal::open_with_pager(&home("pager-left"), 12, 100, Some("head -n 1"));
    terminal.ask("set $n = 0");
    terminal.ask("while 1");
    terminal.press("p $n++\rend\r");
    terminal.shows("Quit\n(obit)");
    assert!(terminal.ask("p 5").ends_with(" = 5\n(obit)"));
    terminal.end();
}
