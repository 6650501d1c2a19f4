//! The supervisor: what the kernel starts. It holds the dying process by its pipe, and ends in time.

use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, UsageWho, getrusage, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::config::WholeCore;
use super::pattern::{self, Facts};
use super::spool::{Spool, Unfinished, stem};
use super::stream::{self, Beginning};
use super::{CaptureError, Config};

/// Past all deadlines: what still waits then is given up.
const SLACK: Duration = Duration::from_secs(3);
/// Compressed bytes of a core for which room is made at a time.
const GRANT: u64 = 4 << 20;
/// zstd's level for whole cores: as fast as it gets.
const LEVEL: i32 = 1;
/// Bytes of a child's complaint that are logged.
const LONGEST_COMPLAINT: usize = 500;
/// The status of a supervisor that gave up.
const GAVE_UP: i32 = 3;

/// Handles a crash: standard input is the core. Gives what was done, in words.
pub fn handle(facts: &Facts, config_path: &Path) -> Result<Vec<String>, CaptureError> {
    let started = Instant::now();
    refuse_recursion();
    let (config, problem) = Config::read_or_usual(config_path);
    let spool = Spool::open(&config)?;
    problem.into_iter().for_each(|problem| spool.log(&format!("{problem}; the usual settings are used")));
    let command = fs::read_to_string(format!("/proc/{}/comm", facts.pid)).unwrap_or_default();
    let command = command.trim_end();
    let signal = facts.signal.as_deref().unwrap_or("?");
    let about = format!("pid {} ({command}) signal {signal}", facts.pid);
    give_up_at(started + config.deadline() + config.core_deadline() + SLACK, &spool, &about);
    let crash = Crash { facts, config: &config, spool: &spool, command, about, started };
    let done = crash.handle(config_path);
    if let Err(error) = &done {
        crash.log(&format!("failed: {error}"));
    }
    done
}

/// A crash of the handler is not handled: the kernel passes over processes with a core limit of 1.
pub fn refuse_recursion() {
    let _ = setrlimit(Resource::RLIMIT_CORE, 1, 1);
    let _ = nix::sys::prctl::set_dumpable(false);
}

/// Bytes of memory that the supervisor and its child had at most.
fn memory() -> u64 {
    let most = |who| getrusage(who).map_or(0, |usage| u64::try_from(usage.max_rss()).unwrap_or(0));
    most(UsageWho::RUSAGE_SELF).saturating_add(most(UsageWho::RUSAGE_CHILDREN)).saturating_mul(1024)
}

/// For the child: it ends with its supervisor, and goes first where memory runs out.
pub fn end_with(supervisor: u32) {
    let _ = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL);
    let _ = fs::write("/proc/self/oom_score_adj", "1000");
    // It may have ended before it was asked for.
    if std::os::unix::process::parent_id() != supervisor {
        std::process::exit(GAVE_UP);
    }
}

/// Ends this program then, whatever it waits for: the dying process waits for it.
fn give_up_at(then: Instant, spool: &Spool, about: &str) {
    let (spool, line) = (spool.clone(), format!("{about}: given up, as its time is over"));
    std::thread::spawn(move || {
        std::thread::sleep(then.saturating_duration_since(Instant::now()));
        spool.log(&line);
        std::process::exit(GAVE_UP);
    });
}

struct Crash<'a> {
    facts: &'a Facts,
    config: &'a Config,
    spool: &'a Spool,
    command: &'a str,
    about: String,
    started: Instant,
}

impl Crash<'_> {
    fn log(&self, line: &str) {
        let seconds = self.started.elapsed().as_secs_f64();
        self.spool.log(&format!("{}: {line}, after {seconds:.2} s, with {} MiB", self.about, memory() >> 20));
    }

    fn handle(&self, config_path: &Path) -> Result<Vec<String>, CaptureError> {
        let failed = |error: io::Error| CaptureError::Stream(error.to_string());
        let mut input = File::from(io::stdin().as_fd().try_clone_to_owned().map_err(failed)?);
        let mut beginning = stream::read_beginning(&mut input)?;
        let mut lines = Vec::new();
        let snapshot = self.snapshot(config_path, &beginning);
        let mut keep = self.config.whole_core == WholeCore::Always;
        match snapshot {
            Ok(answer) => {
                // No core either of what there is enough of.
                keep &= answer.is_written;
                lines.push(answer.text);
            }
            Err(problem) => {
                lines.push(format!("no snapshot: {problem}"));
                keep = self.config.whole_core != WholeCore::Never
                    && self.spool.admit(&format!("core:{}", self.command), self.config.same_crash_per_hour)?;
            }
        }
        lines.iter().for_each(|line: &String| self.log(line));
        let earlier = self.config.earlier.as_ref().filter(|_| self.config.chain);
        let earlier = earlier.and_then(|earlier| pattern::expand(&earlier.core_pattern, self.facts));
        if keep || earlier.is_some() {
            let more = self.pass_on(&mut beginning, input, keep, earlier);
            more.iter().for_each(|line| self.log(line));
            lines.extend(more);
        }
        Ok(lines)
    }

    /// Has the child take the snapshot.
    fn snapshot(&self, config_path: &Path, beginning: &Beginning) -> Result<Answer, String> {
        let text = |error: io::Error| error.to_string();
        let input = beginning.file.try_clone().map_err(text)?;
        let mut worker = Command::new("/proc/self/exe");
        worker.args(["capture", "work", &self.facts.pid.to_string(), "--config"]).arg(config_path);
        // Nothing is written but the snapshot.
        worker.env("OBIT_CACHE_DIR", "").stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        let worker = worker.spawn().map_err(|error| format!("the worker cannot be started: {error}"))?;
        let output = match wait(worker, self.started + self.config.deadline()) {
            Ok(output) => output.map_err(text)?,
            Err(TimedOut) => return Err(format!("not done after {} s", self.config.deadline().as_secs())),
        };
        let answer = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
        if output.status.success() {
            return Ok(Answer { is_written: !answer.starts_with("enough"), text: answer });
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        let complaint = complaint.trim();
        let complaint = complaint.strip_prefix("obit: ").unwrap_or(complaint);
        let complaint: String = complaint.chars().take(LONGEST_COMPLAINT).collect();
        Err(if complaint.is_empty() { format!("the worker ended with {}", output.status) } else { complaint })
    }

    /// Keeps the whole core, and feeds an earlier handler.
    fn pass_on(&self, beginning: &mut Beginning, rest: File, keep: bool, earlier: Option<Vec<String>>) -> Vec<String> {
        let mut lines = Vec::new();
        let last = Instant::now() + self.config.core_deadline();
        give_up_at(last + SLACK, self.spool, &self.about);
        if let Err(error) = beginning.file.rewind() {
            return vec![format!("the core's beginning cannot be read again: {error}")];
        }
        let mut core = match keep.then(|| CoreFile::begin(self.spool)).transpose() {
            Ok(core) => core,
            Err(problem) => {
                lines.push(format!("no whole core: {problem}"));
                None
            }
        };
        let mut handler = earlier.and_then(|words| match start(&words) {
            Ok(handler) => Some(handler),
            Err(error) => {
                lines.push(format!("the earlier handler {} cannot be started: {error}", words.join(" ")));
                None
            }
        });
        let mut outputs: Vec<&mut dyn Write> = Vec::new();
        outputs.extend(core.as_mut().map(|core| core as &mut dyn Write));
        let mut feed = handler.as_mut().and_then(|handler| handler.stdin.take());
        outputs.extend(feed.as_mut().map(|feed| feed as &mut dyn Write));
        let (results, ended) = stream::copy_all(&beginning.file, rest, &mut outputs, || Instant::now() < last);
        drop(feed);
        if let Some(core) = core {
            let whole = ended && results.first().is_some_and(Result::is_ok) && core.taken >= beginning.total;
            let name = format!("{}{}.core.zst", stem(self.facts.pid, self.command), if whole { "" } else { ".cut" });
            lines.push(core.finish(&name));
        }
        if let Some(handler) = handler {
            lines.push(match wait(handler, last) {
                Ok(Ok(output)) => format!("the earlier handler ended with {}", output.status),
                Ok(Err(error)) => format!("the earlier handler: {error}"),
                Err(TimedOut) => "the earlier handler was not done in time".to_owned(),
            });
        }
        lines
    }
}

struct Answer {
    text: String,
    is_written: bool,
}

fn start(words: &[String]) -> io::Result<Child> {
    let (program, arguments) = words.split_first().ok_or(io::ErrorKind::NotFound)?;
    let mut handler = Command::new(program);
    handler.args(arguments).current_dir("/");
    handler.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

struct TimedOut;

/// Waits for a child; kills it then.
fn wait(child: Child, until: Instant) -> Result<io::Result<Output>, TimedOut> {
    let pid = Pid::from_raw(child.id() as i32);
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    receiver.recv_timeout(until.saturating_duration_since(Instant::now())).map_err(|_| {
        let _ = kill(pid, Signal::SIGKILL);
        // So that nothing of it is left in the spool's slots; a child in an endless system call is not waited for.
        let _ = receiver.recv_timeout(SLACK / 3);
        TimedOut
    })
}

/// A whole core that is being written.
struct CoreFile<'a> {
    encoder: zstd::stream::write::Encoder<'static, Bounded<'a>>,
    /// Bytes of the core.
    taken: u64,
}

/// Writes as far as the spool has room.
struct Bounded<'a> {
    spool: &'a Spool,
    unfinished: Unfinished,
    written: u64,
    granted: u64,
    /// What closes the stream is written in any case.
    closing: bool,
    problem: Option<CaptureError>,
}

impl<'a> CoreFile<'a> {
    fn begin(spool: &'a Spool) -> Result<CoreFile<'a>, CaptureError> {
        spool.make_room(GRANT, true)?;
        let unfinished = spool.begin()?;
        let bounded = Bounded { spool, unfinished, written: 0, granted: GRANT, closing: false, problem: None };
        let encoder = zstd::stream::write::Encoder::new(bounded, LEVEL);
        Ok(CoreFile { encoder: encoder.map_err(CaptureError::io(spool.directory()))?, taken: 0 })
    }

    /// Gives it its name, and says what became of it.
    fn finish(mut self, name: &str) -> String {
        self.encoder.get_mut().closing = true;
        let bounded = match self.encoder.finish() {
            Ok(bounded) => bounded,
            Err(error) => return format!("no whole core: {error}"),
        };
        let cut = bounded.problem.map(|problem| format!(" (cut: {problem})")).unwrap_or_default();
        match bounded.unfinished.finish(name) {
            Ok(file) => format!("{}, {} bytes{cut}", file.display(), bounded.written),
            Err(error) => format!("no whole core: {error}"),
        }
    }
}

impl Write for CoreFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.encoder.write(bytes)?;
        self.taken += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        while !self.closing && self.written + bytes.len() as u64 > self.granted {
            if let Err(problem) = self.spool.make_room(GRANT, true) {
                self.problem = Some(problem);
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.granted += GRANT;
        }
        let count = self.unfinished.file()?.write(bytes)?;
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
