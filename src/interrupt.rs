//! Ctrl-C in a session: loops that can take long ask whether their answer is still wanted.
//!
//! Until [`listen`] was called, Ctrl-C ends the program, as everywhere else.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How often it was asked since [`clear`].
static REQUESTS: AtomicUsize = AtomicUsize::new(0);
/// Another program has the terminal.
static AWAY: AtomicBool = AtomicBool::new(false);

/// The answer is no longer wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Quit")]
pub struct Interrupted;

impl From<Interrupted> for io::Error {
    fn from(interrupted: Interrupted) -> io::Error {
        io::Error::other(interrupted)
    }
}

/// Whether what goes on is to end.
pub fn requested() -> bool {
    REQUESTS.load(Ordering::Relaxed) > 0
}

/// The same, for `?`.
pub fn check() -> Result<(), Interrupted> {
    if requested() { Err(Interrupted) } else { Ok(()) }
}

/// Asks what goes on to end.
pub fn request() {
    REQUESTS.fetch_add(1, Ordering::Relaxed);
}

/// Something new is asked.
pub fn clear() {
    REQUESTS.store(0, Ordering::Relaxed);
}

/// From now on Ctrl-C is a request. A command that does not see it is left with the program at the third.
pub fn listen() {
    let _ = ctrlc::set_handler(|| {
        if AWAY.load(Ordering::Relaxed) {
            return;
        }
        request();
        match REQUESTS.load(Ordering::Relaxed) {
            1 => {}
            2 => {
                let _ = writeln!(io::stderr(), "\nThe command cannot end here; Ctrl-C once more ends obit.");
            }
            _ => std::process::exit(130),
        }
    });
}

/// Runs what waits for another program: Ctrl-C is that program's.
pub fn while_away<T>(wait: impl FnOnce() -> T) -> T {
    go_away();
    let answer = wait();
    come_back();
    answer
}

/// Another program has the terminal, and Ctrl-C, from now on.
pub fn go_away() {
    AWAY.store(true, Ordering::Relaxed);
}

/// The terminal is the session's again.
pub fn come_back() {
    AWAY.store(false, Ordering::Relaxed);
}
