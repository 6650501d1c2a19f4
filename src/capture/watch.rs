//! `obit watch`: runs a program, and takes snapshots of it and of what it starts where they die or hang.
//!
//! ```text
//! start: stop oneself, then exec ──seize──▶ signals, clones and forks are reported
//!                                             a signal of which it dies: every thread stops → image → snapshot → it dies
//! timer ──SIGSTOP at the timeout──▶           every thread of every process stops → snapshots → all are killed
//! ```
//!
//! Nothing is stepped, and system calls are not watched: programs run at their speed. If this program dies, they run on
//! (no PTRACE_O_EXITKILL). A setuid program is run without its privileges, as under every tracer (execve(2)).

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options as TraceOptions};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::CaptureError;
use super::spool::{stem, write_durably};
use super::work::{self, options};
use crate::image::live::traced::{self, Fatal};
use crate::session::{OpenOptions, Session};
use crate::snapshot::{self, SourceLines};

/// Snapshots of one run, at most: tests that let processes die on purpose must not fill the disk.
const MOST: usize = 20;
/// How long a thread may take to stop.
const PATIENCE: Duration = Duration::from_secs(2);
/// After the timeout, before everything is given up.
const SLACK: Duration = Duration::from_secs(60);
/// The status of a run that hung, as timeout(1) has it.
pub const TIMED_OUT: u8 = 124;
/// PTRACE_EVENT_STOP (include/uapi/linux/ptrace.h).
const EVENT_STOP: i32 = 128;

/// What to run.
pub struct Watch {
    /// The program and its arguments.
    pub command: Vec<OsString>,
    /// After which it hangs.
    pub timeout: Option<Duration>,
    /// Where snapshots are put.
    pub directory: PathBuf,
}

/// Runs it. Gives the exit status: its own, 128 and the signal's number, or [`TIMED_OUT`]. `say` hears of snapshots.
pub fn watch(watch: &Watch, sources: Option<SourceLines<'_>>, say: &mut dyn FnMut(&str)) -> Result<u8, CaptureError> {
    let failed = |what: &str, error: String| CaptureError::Setting(format!("{what}: {error}"));
    let child = Command::new("/proc/self/exe").args(["capture", "start", "--"]).args(&watch.command).spawn();
    let child = number(child.map_err(|error| failed("the program cannot be started", error.to_string()))?);
    let traced = waitpid(child, Some(WaitPidFlag::WUNTRACED)).and_then(|_| {
        let wanted =
            TraceOptions::PTRACE_O_TRACECLONE | TraceOptions::PTRACE_O_TRACEFORK | TraceOptions::PTRACE_O_TRACEVFORK;
        ptrace::seize(child, wanted)?;
        kill(child, Signal::SIGCONT)
    });
    if let Err(errno) = traced {
        let _ = kill(child, Signal::SIGKILL);
        return Err(failed("the program cannot be traced", errno.to_string()));
    }
    let timed_out = Arc::new(AtomicBool::new(false));
    if let Some(timeout) = watch.timeout {
        stop_at(Instant::now() + timeout, child, timed_out.clone());
    }
    let mut run = Run { watch, sources, say, child, timed_out, processes: BTreeSet::from([child.as_raw()]), taken: 0 };
    run.follow()
}

/// The child's side: waits until it is traced, then becomes the program. Gives why it could not.
pub fn start(command: &[OsString]) -> std::io::Error {
    use std::os::unix::process::CommandExt;
    let Some((program, arguments)) = command.split_first() else { return std::io::ErrorKind::InvalidInput.into() };
    let _ = nix::sys::signal::raise(Signal::SIGSTOP);
    Command::new(program).args(arguments).exec()
}

/// A child's number, by which it is waited for.
fn number(child: Child) -> Pid {
    Pid::from_raw(child.id() as i32)
}

/// Stops the program then; kills it where even that comes to nothing.
fn stop_at(then: Instant, child: Pid, timed_out: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        std::thread::sleep(then.saturating_duration_since(Instant::now()));
        timed_out.store(true, Ordering::SeqCst);
        let _ = kill(child, Signal::SIGSTOP);
        std::thread::sleep(SLACK);
        let _ = kill(child, Signal::SIGKILL);
        std::process::exit(TIMED_OUT.into());
    });
}

struct Run<'a> {
    watch: &'a Watch,
    sources: Option<SourceLines<'a>>,
    say: &'a mut dyn FnMut(&str),
    child: Pid,
    timed_out: Arc<AtomicBool>,
    /// The program, and processes that it and they started.
    processes: BTreeSet<i32>,
    taken: usize,
}

impl Run<'_> {
    fn follow(&mut self) -> Result<u8, CaptureError> {
        loop {
            let status = match waitpid(None, Some(WaitPidFlag::__WALL)) {
                Ok(status) => status,
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(CaptureError::Setting(format!("the program is lost: {errno}"))),
            };
            match status {
                WaitStatus::Exited(pid, code) if pid == self.child => return Ok(code as u8),
                WaitStatus::Signaled(pid, signal, _) if pid == self.child => return Ok(128 + signal as u8),
                WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..) => {
                    self.processes.remove(&pid.as_raw());
                }
                WaitStatus::Stopped(tid, signal) => {
                    let process = process_of(tid);
                    if signal == Signal::SIGSTOP && self.timed_out.load(Ordering::SeqCst) {
                        self.hang(tid);
                        return Ok(TIMED_OUT);
                    }
                    if is_fatal(tid, signal) {
                        self.died(process, tid, signal);
                    }
                    let _ = ptrace::cont(tid, signal);
                }
                WaitStatus::PtraceEvent(tid, signal, EVENT_STOP) => {
                    let is_stop =
                        matches!(signal, Signal::SIGSTOP | Signal::SIGTSTP | Signal::SIGTTIN | Signal::SIGTTOU);
                    let _ = if is_stop { traced::listen(tid) } else { ptrace::cont(tid, None) };
                }
                WaitStatus::PtraceEvent(tid, _, event) => {
                    let is_fork = event == libc::PTRACE_EVENT_FORK || event == libc::PTRACE_EVENT_VFORK;
                    if is_fork && let Ok(pid) = ptrace::getevent(tid) {
                        self.processes.insert(pid as i32);
                    }
                    let _ = ptrace::cont(tid, None);
                }
                _ => {}
            }
        }
    }

    /// A thread stands before a signal that ends its process.
    fn died(&mut self, process: i32, tid: Pid, signal: Signal) {
        let stopped = stop_others(process, tid);
        let fatal = traced::fatal(tid, signal as i32);
        self.snapshot(process, &stopped, Some(&fatal));
        for (other, signal) in stopped {
            if other != tid {
                let _ = ptrace::cont(other, signal);
            }
        }
    }

    /// The time is over: everything is looked at, then killed. `first` stands still already.
    fn hang(&mut self, first: Pid) {
        let running = self.processes.clone();
        for process in &running {
            let stopped = stop_others(*process, first);
            self.snapshot(*process, &stopped, None);
        }
        for process in running {
            let _ = kill(Pid::from_raw(process), Signal::SIGKILL);
        }
    }

    fn snapshot(&mut self, process: i32, stopped: &HashMap<Pid, Option<Signal>>, fatal: Option<&Fatal>) {
        let command = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
        let command = command.trim_end().to_owned();
        self.taken += 1;
        if self.taken > MOST || stopped.is_empty() {
            if self.taken == MOST + 1 {
                (self.say)(&format!("there are {MOST} snapshots of this run: no more are taken"));
            }
            return;
        }
        let why = match fatal {
            Some(fatal) => format!("died of {}", crate::image::signal::signal_name(fatal.number)),
            None => "did not end in time".to_owned(),
        };
        let tids: Vec<Pid> = stopped.keys().copied().collect();
        let written = (|| {
            let image = traced::image(process, &tids, fatal)?;
            let target = image.path.clone();
            let places = OpenOptions { debuginfod: Some(false), ..OpenOptions::default() };
            let session = Session::of_image(image, &target, &places)?;
            let (rules, problem) = work::rules();
            problem.into_iter().for_each(|problem| (self.say)(&problem));
            let options = options(&session, process, Default::default(), self.sources);
            let snapshot = snapshot::take(&session, snapshot::Options { rules: &rules, ..options })?;
            fs::create_dir_all(&self.watch.directory).map_err(CaptureError::io(&self.watch.directory))?;
            let file = self.watch.directory.join(format!("{}.obit", stem(process, &command)));
            write_durably(&file, &snapshot.bytes, 0o600).map_err(CaptureError::io(&file))?;
            Ok::<_, CaptureError>(file)
        })();
        (self.say)(&match written {
            Ok(file) => format!("{command} (pid {process}) {why}: {}", file.display()),
            Err(error) => format!("{command} (pid {process}) {why}; no snapshot: {error}"),
        });
    }
}

/// Whether the thread's process dies of the signal that it gets next.
fn is_fatal(tid: Pid, signal: Signal) -> bool {
    use Signal::*;
    if !matches!(signal, SIGSEGV | SIGABRT | SIGBUS | SIGFPE | SIGILL | SIGTRAP | SIGSYS | SIGQUIT | SIGXCPU | SIGXFSZ)
    {
        return false;
    }
    let status = fs::read_to_string(format!("/proc/{tid}/status")).unwrap_or_default();
    let mask = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        line.and_then(|line| u64::from_str_radix(line.trim(), 16).ok()).unwrap_or(0)
    };
    let bit = 1u64 << (signal as i32 - 1);
    (mask("SigCgt") | mask("SigIgn")) & bit == 0
}

/// The process of a thread.
fn process_of(tid: Pid) -> i32 {
    let status = fs::read_to_string(format!("/proc/{tid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Tgid:"));
    line.and_then(|line| line.trim().parse().ok()).unwrap_or(tid.as_raw())
}

/// Stops the threads of a process, also those that are made meanwhile; `still` stands already. Gives those that stand, each
/// with the signal that it is to get when it goes on.
fn stop_others(process: i32, still: Pid) -> HashMap<Pid, Option<Signal>> {
    let mut stopped = HashMap::new();
    let mut known = BTreeSet::new();
    let until = Instant::now() + PATIENCE;
    loop {
        let entries = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
        let tids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let new: Vec<Pid> = tids.filter(|tid| known.insert(*tid)).map(Pid::from_raw).collect();
        if new.is_empty() {
            return stopped;
        }
        for tid in &new {
            if *tid != still {
                let _ = ptrace::interrupt(*tid);
            }
        }
        for tid in new {
            if tid == still {
                stopped.insert(tid, None);
            } else if let Some(signal) = wait_for(tid, until) {
                stopped.insert(tid, signal);
            }
        }
    }
}

/// Waits until a thread stands, whatever for; `None` where it ends, or does not in time.
fn wait_for(tid: Pid, until: Instant) -> Option<Option<Signal>> {
    loop {
        match waitpid(tid, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) if Instant::now() >= until => return None,
            Ok(WaitStatus::StillAlive) => std::thread::sleep(Duration::from_millis(1)),
            Ok(WaitStatus::Stopped(_, signal)) => return Some(Some(signal)),
            Ok(WaitStatus::PtraceEvent(..)) => return Some(None),
            Err(Errno::EINTR) => {}
            Ok(_) | Err(_) => return None,
        }
    }
}
