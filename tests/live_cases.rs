//! Live processes that are hard to copy: ten thousand threads, sleep in the kernel, another tracer, another mount
//! namespace, no permission, an end meanwhile; and a copier that is killed.

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// For the helper: how many threads it has.
const THREADS: &str = "OBIT_TEST_THREADS";

/// Not a test where it is not asked for: the process that others look at.
#[test]
fn helper() {
    let Some(count) = std::env::var(THREADS).ok().and_then(|count| count.parse::<usize>().ok()) else { return };
    for _ in 1..count {
        let thread = std::thread::Builder::new().stack_size(64 << 10).spawn(|| {
            loop {
                std::thread::sleep(Duration::from_secs(60));
            }
        });
        if let Err(error) = thread {
            println!("no more threads: {error}");
            break;
        }
    }
    println!("ready");
    print!("half a line");
    std::thread::sleep(Duration::from_secs(300));
}

/// A process that is killed, with its children, when the test is done with it.
struct Target(Child);

impl Target {
    /// Waits for a line `ready`; `None` where the program cannot be started or says something else.
    fn start(command: &mut Command) -> Option<Target> {
        let mut target = Target(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?);
        let lines = BufReader::new(target.0.stdout.take()?).lines();
        for line in lines.map_while(Result::ok) {
            if line.ends_with("ready") {
                return Some(target);
            }
            if line.contains("no more threads") {
                println!("skipped: {line}");
                return None;
            }
        }
        None
    }

    fn with_threads(count: usize) -> Option<Target> {
        let mut program = Command::new(std::env::current_exe().unwrap());
        Target::start(program.args(["helper", "--exact", "--nocapture"]).env(THREADS, count.to_string()))
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn children(&self) -> Vec<u32> {
        let pid = self.pid();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        children.split_whitespace().filter_map(|child| child.parse().ok()).collect()
    }

    /// Threads that are stopped or traced.
    fn held(&self) -> Vec<String> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap().flatten();
        tasks
            .filter_map(|task| {
                let status = fs::read_to_string(task.path().join("status")).ok()?;
                let line = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim();
                let is_held = line("TracerPid:") != "0" || line("State:").starts_with(['T', 't']);
                is_held.then(|| format!("{:?}: {} {}", task.file_name(), line("State:"), line("TracerPid:")))
            })
            .collect()
    }

    /// Threads that are still held after a moment: the kernel lets go what a dead tracer held.
    fn held_for_long(&self) -> Vec<String> {
        let until = Instant::now() + Duration::from_secs(5);
        loop {
            let held = self.held();
            if held.is_empty() || Instant::now() > until {
                return held;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        for child in self.children() {
            let _ = Command::new("kill").args(["-9", &child.to_string()]).status();
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn obit(command: &str, pid: u32, arguments: &[&str]) -> Output {
    common::program().arg(command).arg(format!("pid:{pid}")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Whether processes may be traced here; says so where not.
fn may_trace(output: &Output) -> bool {
    let forbidden = output.status.code() == Some(2) && text(&output.stderr).contains("may not be traced");
    if forbidden {
        println!("skipped: this machine does not allow to trace processes");
    }
    !forbidden
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

#[test]
fn ten_thousand_threads_are_copied() {
    let Some(target) = Target::with_threads(10_000) else { return };
    let output = obit("threads", target.pid(), &["--json"]);
    if !may_trace(&output) {
        return;
    }
    assert!(output.status.success(), "{}", text(&output.stderr));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    // The test's own threads come on top.
    let threads = document["threads"].as_array().unwrap();
    assert!(threads.len() >= 10_000, "{}", threads.len());
    let asleep = threads.iter().filter(|thread| thread.to_string().contains("nanosleep")).count();
    assert!(asleep >= 9_990, "{asleep}");
    assert_eq!(target.held(), Vec::<String>::new());
}

/// The helper's standard output is Rust's.
#[test]
fn what_rust_did_not_write_is_shown() {
    let Some(target) = Target::with_threads(1) else { return };
    // The line follows behind the one that says that it is ready.
    std::thread::sleep(Duration::from_millis(200));
    let output = obit("info", target.pid(), &["--json"]);
    if !may_trace(&output) {
        return;
    }
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let unwritten = &document["environment"]["unwritten"];
    assert_eq!(unwritten[0]["text"], "half a line", "{document}");
    assert_eq!(unwritten[0]["descriptor"], 1);
    assert_eq!(unwritten.as_array().unwrap().len(), 1, "{unwritten}");
}

#[test]
fn killed_at_any_moment_it_leaves_the_process_running() {
    let Some(target) = Target::with_threads(200) else { return };
    if !may_trace(&obit("info", target.pid(), &[])) {
        return;
    }
    // Where time goes differs from machine to machine: a whole run is measured, and cut at moments all over it.
    let started = Instant::now();
    assert!(obit("threads", target.pid(), &[]).status.success());
    let whole = started.elapsed();
    let mut killed = 0;
    for round in 0..60u32 {
        let mut copier = common::program();
        copier.args(["threads", &format!("pid:{}", target.pid())]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut copier = copier.spawn().unwrap();
        std::thread::sleep(whole * round / 60);
        copier.kill().unwrap();
        killed += u32::from(!copier.wait().unwrap().success());
        assert_eq!(target.held_for_long(), Vec::<String>::new(), "round {round}");
    }
    assert!(killed > 20, "{killed}");
    assert!(obit("threads", target.pid(), &[]).status.success());
}

/// A parent in vfork sleeps in the kernel until its child lets it go, deaf to all but SIGKILL.
fn in_vfork(thread: bool) -> Option<Target> {
    let other = "import threading\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n";
    let script = format!(
        "import ctypes, time\n{}print('ready', flush=True)\nif ctypes.PyDLL(None).vfork() == 0:\n    time.sleep(60)\n",
        if thread { other } else { "" }
    );
    let target = Target::start(Command::new("python3").args(["-c", &script]))?;
    let until = Instant::now() + Duration::from_secs(10);
    while Instant::now() < until {
        let status = fs::read_to_string(format!("/proc/{}/status", target.pid())).ok()?;
        if status.contains("State:\tD") {
            return Some(target);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    println!("skipped: no process sleeps in the kernel here");
    None
}

#[test]
fn a_thread_that_sleeps_in_the_kernel_is_left_out_and_said() {
    let Some(target) = in_vfork(true) else { return };
    let output = obit("threads", target.pid(), &["--json"]);
    if !may_trace(&output) {
        return;
    }
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["threads"].as_array().unwrap().len(), 1, "{document}");
    let pid = target.pid();
    let note = document["notes"].as_array().unwrap().iter().find(|note| note["code"] == "thread-not-stopped").unwrap();
    assert!(note["message"].as_str().unwrap().starts_with(&format!("thread {pid} did not stop in time")), "{note}");
    assert_eq!(target.held_for_long(), Vec::<String>::new());
}

#[test]
fn a_process_that_sleeps_in_the_kernel_is_said() {
    let Some(target) = in_vfork(false) else { return };
    let output = obit("bt", target.pid(), &[]);
    if !may_trace(&output) {
        return;
    }
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains(&format!("none of the 1 threads of process {} stopped in time", target.pid())), "{error}");
    assert_eq!(target.held_for_long(), Vec::<String>::new());
}

#[test]
fn another_tracer_is_named() {
    let directory = env!("CARGO_TARGET_TMPDIR");
    let mut watch = common::program();
    watch.args(["watch", "--timeout", "60", "-o", directory, "--", "sh", "-c", "echo ready; sleep 60; true"]);
    let Some(watch) = Target::start(&mut watch) else { return };
    let Some(traced) = watch.children().first().copied() else { return };
    let output = obit("bt", traced, &[]);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    let expected = format!("process {traced} is traced by process {} already", watch.pid());
    assert!(error.contains(&expected) || !may_trace(&output), "{error}");
}

#[test]
fn a_process_that_ends_meanwhile_is_said() {
    let mut zombie = Command::new("true").spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    let state = |pid: u32| fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    while !state(zombie.id()).contains("State:\tZ") && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = obit("bt", zombie.id(), &[]);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("ended while it was looked at") || !may_trace(&output), "{error}");
    zombie.wait().unwrap();
    for round in 0..40 {
        let mut target = Command::new("sleep").arg(format!("0.0{:02}", round * 2)).spawn().unwrap();
        let output = obit("bt", target.id(), &["--json"]);
        let error = text(&output.stderr);
        let is_said = ["ended while it was looked at", "there is no process", "may not be traced"];
        match output.status.code() {
            Some(0) => drop(serde_json::from_slice::<Value>(&output.stdout).unwrap()),
            code => assert!(code == Some(2) && is_said.iter().any(|words| error.contains(words)), "{code:?}: {error}"),
        }
        target.wait().unwrap();
    }
}

#[test]
fn without_permission_nothing_is_copied() {
    if !is_root() {
        println!("skipped: only root may be somebody else");
        return;
    }
    let mut root_s = Command::new("sleep").arg("60").spawn().unwrap();
    // The program's own path may be closed to others.
    let program = std::env::temp_dir().join(format!("obit-test-{}", std::process::id()));
    fs::copy(env!("CARGO_BIN_EXE_obit"), &program).unwrap();
    let output = Command::new(&program).args(["bt", &format!("pid:{}", root_s.id())]).uid(65534).gid(65534).output();
    let _ = fs::remove_file(&program);
    root_s.kill().unwrap();
    root_s.wait().unwrap();
    let output = output.unwrap();
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("may not be traced by this user (run as its owner or root"), "{error}");
}

#[test]
fn files_of_another_mount_namespace_are_found() {
    if !is_root() {
        println!("skipped: only root may make a mount namespace");
        return;
    }
    let place = std::env::temp_dir().join(format!("obit-mount-{}", std::process::id()));
    fs::create_dir_all(&place).unwrap();
    let script = "mount -t tmpfs none $0 && cp /bin/sleep $0/own && echo ready && exec $0/own 60";
    let target = Target::start(Command::new("unshare").args(["-m", "sh", "-c", script]).arg(&place));
    let Some(target) = target else {
        println!("skipped: no mount namespace can be made here");
        let _ = fs::remove_dir_all(&place);
        return;
    };
    let own = place.join("own").to_str().unwrap().to_owned();
    let until = Instant::now() + Duration::from_secs(10);
    let executable = || fs::read_link(format!("/proc/{}/exe", target.pid())).unwrap_or_default();
    while executable() != place.join("own") && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(!place.join("own").exists());
    let output = obit("modules", target.pid(), &["--json"]);
    let _ = fs::remove_dir_all(&place);
    if !may_trace(&output) {
        return;
    }
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let module = document["modules"].as_array().unwrap().iter().find(|module| module["path"] == own.as_str());
    let module = module.unwrap_or_else(|| panic!("{document}"));
    assert_eq!(module["status"], "found");
    assert_eq!(module["file"], format!("/proc/{}/root{own}", target.pid()));
}
