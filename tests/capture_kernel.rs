//! The kernel's own crash handler, where the tests run as root: it is installed, processes die, and what was set before
//! comes back. One test, as there is one handler on a machine.

mod common;

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const PATTERN: &str = "/proc/sys/kernel/core_pattern";
const LIMIT: &str = "/proc/sys/kernel/core_pipe_limit";

/// The installed handler. Dropped, it is gone, whatever the test came to.
struct Installed {
    place: PathBuf,
    pattern: String,
    limit: String,
    _lock: File,
}

impl Installed {
    /// `None`, and said why, where this cannot be tested.
    fn new() -> Option<Installed> {
        // core_pattern takes 127 bytes: the settings' path is short.
        let place = std::env::temp_dir().join(format!("obit-k{}", std::process::id()));
        let skipped = |why: &str| {
            println!("skipped: {why}");
            None
        };
        if fs::metadata("/proc/self").unwrap().uid() != 0 {
            return skipped("only root may set the kernel's crash handler");
        }
        if fs::OpenOptions::new().write(true).open(PATTERN).is_err() {
            return skipped("core_pattern cannot be set here");
        }
        let lock = File::create(std::env::temp_dir().join("obit-core-pattern.lock")).unwrap();
        lock.lock().unwrap();
        let (pattern, limit) = (fs::read_to_string(PATTERN).unwrap(), fs::read_to_string(LIMIT).unwrap());
        if pattern.contains("capture handle") {
            return skipped("obit is this machine's crash handler already");
        }
        fs::create_dir_all(&place).unwrap();
        Some(Installed { place, pattern, limit, _lock: lock })
    }

    fn config(&self) -> PathBuf {
        self.place.join("c.toml")
    }

    fn spool(&self) -> PathBuf {
        self.place.join("spool")
    }

    fn capture(&self, arguments: &[&str]) -> Output {
        common::program().arg("capture").args(arguments).arg("--config").arg(self.config()).output().unwrap()
    }

    fn install(&self, arguments: &[&str]) {
        let spool = self.spool();
        let mut all =
            vec!["install", "--spool", spool.to_str().unwrap(), "--same-crash-per-hour", "1000", "--deadline", "300"];
        all.extend_from_slice(arguments);
        let output = self.capture(&all);
        assert!(output.status.success(), "{output:?}");
    }

    /// Captured files whose names end so.
    fn files(&self, suffix: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.spool()).into_iter().flatten().map(|entry| entry.unwrap().path());
        let mut files: Vec<PathBuf> =
            entries.filter(|path| path.file_name().unwrap().to_str().unwrap().ends_with(suffix)).collect();
        files.sort();
        files
    }

    fn temporary_files(&self) -> usize {
        let entries = fs::read_dir(self.spool()).into_iter().flatten().map(|entry| entry.unwrap().file_name());
        entries.filter(|name| name.to_str().unwrap().starts_with(".tmp-")).count()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.spool().join("log")).unwrap_or_default()
    }

    fn clear(&self) {
        let _ = fs::remove_dir_all(self.spool());
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        let _ = self.capture(&["remove"]);
        let _ = fs::write(PATTERN, &self.pattern);
        let _ = fs::write(LIMIT, &self.limit);
        let _ = Command::new("umount").arg(self.spool()).stderr(Stdio::null()).status();
        let _ = fs::remove_dir_all(&self.place);
    }
}

/// A shell that dies of a signal at once.
fn dying(signal: &str) -> Child {
    Command::new("sh").args(["-c", &format!("kill -{signal} $$; sleep 9")]).stderr(Stdio::null()).spawn().unwrap()
}

/// Waits for it, and says for how long that took.
fn wait(mut child: Child, signal: i32) -> Duration {
    let started = Instant::now();
    assert_eq!(child.wait().unwrap().signal(), Some(signal));
    started.elapsed()
}

/// The process that the kernel runs for the dying one.
fn handler_of(pid: u32) -> Option<u32> {
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
            if words.get(2) == Some(&&b"handle"[..]) && words.get(3) == Some(&pid.to_string().as_bytes()) {
                return entry.file_name().to_str()?.parse().ok();
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}

#[test]
fn the_kernel_s_crash_handler() {
    let Some(installed) = Installed::new() else { return };
    installs_and_captures(&installed);
    survives_many_at_once(&installed);
    survives_a_full_disk(&installed);
    lets_go_in_time(&installed);
    survives_being_killed(&installed);
    let output = installed.capture(&["remove"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(fs::read_to_string(PATTERN).unwrap(), installed.pattern);
    assert_eq!(fs::read_to_string(LIMIT).unwrap(), installed.limit);
    assert!(!installed.config().exists());
    assert_eq!(installed.capture(&["status"]).status.code(), Some(1));
}

fn installs_and_captures(installed: &Installed) {
    installed.install(&["--attr", "service=shop"]);
    let status: Value = serde_json::from_slice(&installed.capture(&["status", "--json"]).stdout).unwrap();
    assert_eq!((&status["installed"], &status["persistent"]), (&Value::Bool(true), &Value::Bool(true)));
    assert_eq!(status["earlier_core_pattern"], installed.pattern.trim_end());
    let child = dying("SEGV");
    let pid = child.id();
    let taken = wait(child, 11);
    let files = installed.files(".obit");
    assert_eq!(files.len(), 1, "{}", installed.log());
    println!("from signal to file: {taken:?}, {} bytes", files[0].metadata().unwrap().len());
    let answer = |command: &str| -> Value {
        let output = common::program().arg(command).arg(&files[0]).arg("--json").output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let (info, backtrace) = (answer("info"), answer("bt"));
    assert_eq!(info["capture"]["source"], "handler");
    assert_eq!(info["attributes"]["service"], "shop");
    assert_eq!(info["process"]["pid"], pid);
    assert_eq!(backtrace["signal"]["name"], "SIGSEGV");
    assert_eq!(backtrace["threads"][0]["crashed"], true);
    assert!(!backtrace["threads"][0]["frames"].as_array().unwrap().is_empty());
    installed.clear();
}

fn survives_many_at_once(installed: &Installed) {
    let children: Vec<Child> = (0..12).map(|_| dying("ABRT")).collect();
    for child in children {
        wait(child, 6);
    }
    assert_eq!(installed.files(".obit").len(), 12, "{}", installed.log());
    assert_eq!(installed.temporary_files(), 0);
    installed.clear();
}

fn survives_a_full_disk(installed: &Installed) {
    fs::create_dir_all(installed.spool()).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "none"]).arg(installed.spool()).output();
    if !mounted.is_ok_and(|mounted| mounted.status.success()) {
        println!("skipped: nothing can be mounted here");
        return;
    }
    let _ = fs::write(installed.spool().join("others"), vec![1; 1 << 20]);
    assert!(wait(dying("SEGV"), 11) < Duration::from_secs(10));
    assert!(installed.files(".obit").is_empty() && installed.files(".zst").is_empty());
    assert_eq!(installed.temporary_files(), 0);
    assert!(Command::new("umount").arg(installed.spool()).status().unwrap().success());
    installed.clear();
}

/// An earlier handler that never ends: the process that dies waits no longer than it must.
fn lets_go_in_time(installed: &Installed) {
    let config = |deadline: u32| {
        let spool = installed.spool();
        let settings = format!(
            "spool = '{}'\ndeadline = 300\nchain = true\ncore_deadline = {deadline}\n[earlier]\ncore_pattern = '|/bin/sleep 30'\n\
             core_pipe_limit = 0\n",
            spool.display()
        );
        fs::write(installed.config(), settings).unwrap();
    };
    config(1);
    wait(dying("SEGV"), 11);
    assert_eq!(installed.files(".obit").len(), 1, "{}", installed.log());
    assert!(installed.log().contains("given up, as its time is over"), "{}", installed.log());
    config(600);
}

fn survives_being_killed(installed: &Installed) {
    // By a signal that dumps core: the handler's own crash is not handled.
    let child = dying("SEGV");
    let handler = handler_of(child.id()).expect("a handler runs");
    std::thread::sleep(Duration::from_millis(300));
    let killed = Command::new("kill").args(["-ABRT", &handler.to_string()]).status().unwrap();
    assert!(killed.success());
    assert!(wait(child, 11) < Duration::from_secs(20));
    let files = installed.files(".obit");
    let of_handler = files.iter().filter(|path| path.to_str().unwrap().contains("-obit-"));
    assert_eq!(of_handler.count(), 0, "{files:?}");
    // What it left behind goes with the next crash.
    let abandoned = installed.spool().join(".tmp-1-1");
    fs::write(&abandoned, "half").unwrap();
    let settings = fs::read_to_string(installed.config()).unwrap().replace("chain = true", "chain = false");
    fs::write(
        installed.config(),
        settings.replace("core_pattern = '|/bin/sleep 30'", &{
            let earlier = installed.pattern.trim_end();
            format!("core_pattern = '{earlier}'")
        }),
    )
    .unwrap();
    wait(dying("ILL"), 4);
    assert!(!Path::new(&abandoned).exists());
}
