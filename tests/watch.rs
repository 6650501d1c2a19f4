//! `obit watch`: what dies or hangs is in a snapshot, and the status is the program's.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

/// Runs it in a directory of its own; gives the snapshots. `None`, and said why, where nothing may be traced.
fn watch(name: &str, arguments: &[&str]) -> Option<(Output, Vec<PathBuf>)> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("watch-{name}"));
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    let output = common::program().args(["watch", "-o"]).arg(&directory).args(arguments).output().unwrap();
    if String::from_utf8_lossy(&output.stderr).contains("cannot be traced") {
        println!("skipped: {}", String::from_utf8_lossy(&output.stderr));
        return None;
    }
    let mut files: Vec<PathBuf> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    Some((output, files))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn backtrace(file: &Path) -> Value {
    let output = common::program().arg("bt").arg(file).arg("--json").output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn a_program_that_ends_well_leaves_nothing() {
    let Some((output, files)) = watch("well", &["--", "sh", "-c", "sh -c 'exit 0'; echo \"$0 $1\"; exit 3", "a", "-b"])
    else {
        return;
    };
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(3), "a -b\n".to_owned()));
    assert!(files.is_empty() && output.stderr.is_empty(), "{output:?}");
    let Some((output, _)) = watch("missing", &["/nonexistent/program"]) else { return };
    assert_eq!(output.status.code(), Some(127));
    assert!(text(&output.stderr).contains("/nonexistent/program"), "{output:?}");
}

#[test]
fn what_dies_is_kept_children_too() {
    let Some((output, files)) = watch("dies", &["sh", "-c", "kill -SEGV $$"]) else { return };
    assert_eq!(output.status.code(), Some(139), "{output:?}");
    assert_eq!(files.len(), 1, "{output:?}");
    assert!(text(&output.stderr).contains("died of SIGSEGV"), "{output:?}");
    let answer = backtrace(&files[0]);
    assert_eq!(answer["signal"]["name"], "SIGSEGV");
    assert_eq!(answer["threads"][0]["crashed"], true);
    assert!(!answer["threads"][0]["frames"].as_array().unwrap().is_empty());
    // A child, whose death its parent survives; a signal that is caught is no death.
    let script = "trap : ABRT; kill -ABRT $$; sh -c 'kill -ILL $$'; exit 5";
    let Some((output, files)) = watch("child", &["sh", "-c", script]) else { return };
    assert_eq!((output.status.code(), files.len()), (Some(5), 1), "{output:?}");
    assert_eq!(backtrace(&files[0])["signal"]["name"], "SIGILL");
}

#[test]
fn what_hangs_is_kept_and_ended() {
    let Some((output, files)) = watch("hangs", &["--timeout", "2", "sh", "-c", "sleep 1000; exit 1"]) else { return };
    assert_eq!((output.status.code(), files.len()), (Some(124), 2), "{output:?}");
    assert!(text(&output.stderr).contains("did not end in time"), "{output:?}");
    for file in &files {
        let answer = backtrace(file);
        assert!(answer["signal"].is_null());
        assert_eq!(answer["threads"][0]["crashed"], false);
        // It was killed.
        let pid = answer["process"]["pid"].to_string();
        std::thread::sleep(std::time::Duration::from_millis(100));
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        assert!(status.is_empty() || status.contains("State:\tZ"), "{status}");
    }
}

#[test]
fn a_program_that_is_stopped_stays_so() {
    // The child stops itself; its parent sees it stopped, and lets it go on.
    let script = "sh -c 'kill -STOP $$; echo on' & child=$!; \
                  while ! grep -q '^State:.[Tt]' /proc/$child/status; do sleep 0.05; done; kill -CONT $child; wait $child";
    let Some((output, files)) = watch("stopped", &["--timeout", "60", "sh", "-c", script]) else { return };
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), "on\n".to_owned()), "{output:?}");
    assert!(files.is_empty());
}
