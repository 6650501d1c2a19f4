//! A live process is copied and goes on.

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// A process that waits: the shell, which every machine that builds has.
struct Waiting(Child);

impl Waiting {
    fn start() -> Waiting {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg("echo ready; while :; do sleep 0.01; done").stdout(Stdio::piped());
        let mut child = shell
            .env("OBIT_TEST_SECRET", "hidden-in-the-environment")
            .env("PWD", std::env::current_dir().unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Waiting(child)
    }

    fn target(&self) -> String {
        format!("pid:{}", self.0.id())
    }

    /// `State:` and `TracerPid:` of /proc/PID/status.
    fn is_traced_or_stopped(&self) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim().to_owned();
        line("TracerPid:") != "0" || line("State:").starts_with(['T', 't'])
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether processes may be traced here; says so where not.
fn may_trace(output: &std::process::Output) -> bool {
    let error = String::from_utf8_lossy(&output.stderr);
    let forbidden = output.status.code() == Some(2) && error.contains("may not be traced");
    if forbidden {
        println!("skipped: this machine does not allow to trace processes: {error}");
    }
    !forbidden
}

#[test]
fn a_process_is_copied_and_goes_on() {
    let process = Waiting::start();
    let bt = common::program().args(["bt", &process.target(), "--json"]).output().unwrap();
    if !may_trace(&bt) {
        return;
    }
    let document: Value = serde_json::from_slice(&bt.stdout).unwrap();
    assert_eq!(document["process"]["pid"], process.0.id());
    assert_eq!(document["threads"][0]["lwp"], process.0.id());
    assert_eq!(document["threads"][0]["crashed"], false);
    assert!(document["signal"].is_null());
    assert!(!document["threads"][0]["frames"].as_array().unwrap().is_empty());
    assert!(!process.is_traced_or_stopped());

    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("live.obit");
    for _ in 0..20 {
        let taken =
            common::program().args(["snapshot", &process.target(), "--json", "-o"]).arg(&file).output().unwrap();
        assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
        let taken: Value = serde_json::from_slice(&taken.stdout).unwrap();
        assert!(taken["pause_ms"].as_f64().is_some_and(|pause| pause > 0.0), "{taken}");
        assert!(!process.is_traced_or_stopped());
    }
    let info = common::program().arg("info").arg(&file).arg("--json").output().unwrap();
    let info: Value = serde_json::from_slice(&info.stdout).unwrap();
    assert_eq!(info["capture"]["source"], "process");
    let variables = info["environment"]["variables"].as_array().unwrap();
    let secret = variables.iter().find(|variable| variable["name"] == "OBIT_TEST_SECRET").unwrap();
    assert!(secret["value"].is_null());
    let bytes = fs::read(&file).unwrap();
    for part in parts(&bytes) {
        let holds = part.windows(25).any(|window| window == b"hidden-in-the-environment");
        assert!(!holds, "a secret is in the file");
    }
}

/// The archive's members, decompressed.
fn parts(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut archive = tar::Archive::new(bytes);
    let entries = archive.entries().unwrap().map(Result::unwrap);
    let read = |mut entry: tar::Entry<'_, &[u8]>| {
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
        zstd::stream::decode_all(&content[..]).unwrap_or(content)
    };
    entries.map(read).collect()
}

#[test]
fn what_cannot_be_traced_is_said() {
    let check = |target: &str, expected: &str| {
        let output = common::program().args(["bt", target]).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(expected), "{error}");
    };
    check("pid:2147483600", "there is no process 2147483600");
    check("pid:0", "pid:0");
}

#[test]
fn the_surroundings_of_a_process_are_kept() {
    let process = Waiting::start();
    let output = common::program().args(["info", &process.target(), "--json"]).output().unwrap();
    if !may_trace(&output) {
        return;
    }
    let live: Value = serde_json::from_slice(&output.stdout).unwrap();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("surroundings.obit");
    let mut obit = common::program();
    let taken = obit.args(["snapshot", &process.target(), "-o", file.to_str().unwrap()]).output().unwrap();
    assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    let kept = common::program().arg("info").arg(&file).arg("--json").output().unwrap();
    let kept: Value = serde_json::from_slice(&kept.stdout).unwrap();
    for environment in [&live["environment"], &kept["environment"]] {
        assert_eq!(environment["cwd"], std::env::current_dir().unwrap().to_str().unwrap());
        assert_eq!(environment["command_line"][1], "-c");
        assert_eq!(environment["threads"], 1);
        assert!(environment["memory"]["resident"].as_u64() > Some(4096), "{environment}");
        let open = environment["descriptors"]["open"].as_array().unwrap();
        let output = open.iter().find(|descriptor| descriptor["number"] == 1).unwrap();
        assert!(output["target"].as_str().unwrap().starts_with("pipe:["), "{output}");
        let limits = environment["limits"].as_array().unwrap();
        assert!(
            limits.iter().any(|limit| limit["name"] == "Max open files" && limit["soft"].is_u64()),
            "{environment}"
        );
        let host = &environment["host"];
        assert!(host["kernel"].as_str().unwrap().starts_with("Linux ") && host["boot_id"].is_string(), "{host}");
        assert!(environment["started"].is_string() && environment["age_seconds"].is_f64(), "{environment}");
    }
    let secret = |info: &Value| {
        let variables = info["environment"]["variables"].as_array().unwrap().clone();
        variables.into_iter().find(|variable| variable["name"] == "OBIT_TEST_SECRET").unwrap()["value"].clone()
    };
    assert_eq!(secret(&live), "hidden-in-the-environment");
    assert_eq!(secret(&kept), Value::Null);
    let text = common::program().args(["info", &process.target()]).output().unwrap();
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    for label in ["directory      /", "started        2", "memory use     ", "descriptors    ", "machine        "] {
        assert!(text.contains(label), "{label}: {text}");
    }
}
