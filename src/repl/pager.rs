//! The reader's own pager (`$PAGER`): it gets an answer that a page has no room for.

use std::io::{self, Write};
use std::process::{ChildStdin, Command as Process, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crate::interrupt;

/// What less is told where its user does not say: colours, an end at the end of a short text, the text left on the screen.
const LESS: &str = "FRX";

/// A pager that runs. While it does, Ctrl-C is its own.
pub(super) struct Pager {
    input: Option<ChildStdin>,
    /// The answer is whole.
    ended: Arc<AtomicBool>,
    waiter: Option<JoinHandle<()>>,
}

impl Pager {
    /// The reader's, where there is one.
    pub(super) fn command() -> Option<String> {
        std::env::var("PAGER").ok().filter(|command| !command.trim().is_empty())
    }

    pub(super) fn start(command: &str) -> io::Result<Pager> {
        let mut process = Process::new("sh");
        process.args(["-c", command]).stdin(Stdio::piped());
        if std::env::var_os("LESS").is_none() {
            process.env("LESS", LESS);
        }
        let mut child = process.spawn()?;
        let input = child.stdin.take();
        let ended = Arc::new(AtomicBool::new(false));
        interrupt::go_away();
        let answered = ended.clone();
        let waiter = std::thread::spawn(move || {
            let _ = child.wait();
            interrupt::come_back();
            // Who leaves the pager wants no more of the answer.
            if !answered.load(Ordering::Relaxed) {
                interrupt::request();
            }
        });
        Ok(Pager { input, ended, waiter: Some(waiter) })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = self.input.as_mut().map_or(Ok(()), |input| input.write_all(bytes));
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                interrupt::request();
                Err(interrupt::Interrupted.into())
            }
            written => written,
        }
    }
}

impl Drop for Pager {
    /// Waits until the reader leaves it.
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        self.input = None;
        if let Some(waiter) = self.waiter.take() {
            let _ = waiter.join();
        }
    }
}
