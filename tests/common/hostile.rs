//! What tests of hostile input share: damage that is the same in every run, and the program under bounds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Address space of the program under test, in KiB.
const MEMORY: &str = "4000000";

/// xorshift64: the same damage in every run.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    pub fn one_of<'t, T: ?Sized>(&mut self, all: &[&'t T]) -> &'t T {
        all[self.below(all.len())]
    }
}

/// How often each kind of damage is done; `OBIT_HOSTILE_ROUNDS` asks for a longer search.
pub fn rounds(usually: usize) -> usize {
    std::env::var("OBIT_HOSTILE_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(usually)
}

pub fn scratch(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hostile");
    fs::create_dir_all(&directory).unwrap();
    directory.join(name)
}

/// Runs the program under bounds of memory and time; `answer` gets what it prints, `complaints` its errors.
pub fn run(
    what: &str,
    arguments: &[&std::ffi::OsStr],
    time: Duration,
    answer: &Path,
    complaints: Option<&Path>,
) -> ExitStatus {
    let errors = complaints.map_or_else(Stdio::null, |path| fs::File::create(path).unwrap().into());
    let mut child = Command::new("sh")
        .args(["-c", &format!("ulimit -v {MEMORY}; exec \"$0\" \"$@\"")])
        .arg(env!("CARGO_BIN_EXE_obit"))
        .args(arguments)
        .env("OBIT_CACHE_DIR", "")
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env_remove("DEBUGINFOD_URLS")
        .stdin(Stdio::null())
        .stdout(fs::File::create(answer).unwrap())
        .stderr(errors)
        .spawn()
        .unwrap();
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if start.elapsed() > time {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{what}: hangs: {arguments:?}");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
