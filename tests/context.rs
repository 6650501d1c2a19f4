//! What a snapshot keeps besides stacks: globals, definitions, attributes, the process's surroundings.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

fn directory() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("context");
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// A snapshot of a fixture.
fn take(fixture: &str, name: &str, arguments: &[&str]) -> PathBuf {
    let file = directory().join(format!("{name}.obit"));
    let mut all = vec!["-o", file.to_str().unwrap()];
    all.extend_from_slice(arguments);
    let output = common::obit(fixture, "snapshot", &all);
    assert!(output.status.success(), "{fixture}: {}", String::from_utf8_lossy(&output.stderr));
    file
}

/// Asks a snapshot, with no other file at hand.
fn ask(snapshot: &Path, command: &str, arguments: &[&str]) -> Output {
    let mut obit = common::program();
    obit.arg(command).arg(snapshot).args(arguments).current_dir(directory()).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

/// What `print` says on the core.
fn on_core(fixture: &str, expression: &str) -> String {
    text(&common::obit(fixture, "print", &[expression]))
}

#[test]
fn globals_that_the_code_refers_to_are_kept() {
    for fixture in ["context", "context-nopie"] {
        let file = take(fixture, fixture, &[]);
        // The unit's own, of another unit, and a static; the thread-local one by its unit.
        for expression in ["settings", "totals", "calls", "nodes[2]", "nesting", "settings.name"] {
            let kept = text(&ask(&file, "print", &[expression]));
            assert!(kept.starts_with("$1 = "), "{fixture}: {expression}: {kept}");
            assert_eq!(kept, on_core(fixture, expression), "{fixture}: {expression}");
        }
        assert_eq!(text(&ask(&file, "print", &["totals.done"])), "$1 = 220");
        // Nobody refers to these.
        for expression in ["unrelated", "level"] {
            assert_eq!(ask(&file, "print", &[expression]).status.code(), Some(1), "{fixture}: {expression}");
        }
    }
}

#[test]
fn what_is_asked_for_is_kept() {
    let arguments = ["--global", "unrelated", "--expr", "'context_more.c'::level + 1", "--expr", "obit_attributes[1]"];
    let file = take("context", "asked", &arguments);
    assert_eq!(text(&ask(&file, "print", &["unrelated"])), "$1 = 7");
    assert_eq!(text(&ask(&file, "print", &["'context_more.c'::level + 1"])), "$1 = 5");
    let tier = text(&ask(&file, "print", &["obit_attributes[1].value"]));
    assert!(tier.ends_with("\"web\""), "{tier}");
    // What cannot be evaluated is an error, and no file is made.
    let absent = directory().join("absent.obit");
    let output = common::obit("context", "snapshot", &["-o", absent.to_str().unwrap(), "--global", "nonesuch"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nonesuch") && !absent.exists());
}

#[test]
fn structures_that_are_pointed_to_are_kept_with_their_definition() {
    let file = take("context", "definitions", &[]);
    let kept = text(&ask(&file, "ptype", &["struct hidden"]));
    assert_eq!(kept, text(&common::obit("context", "ptype", &["struct hidden"])));
    assert!(kept.contains("char third[5];"), "{kept}");
}

#[test]
fn budgets_are_counted() {
    let file = take("threads", "budget", &["--budget", "0"]);
    let info: Value = serde_json::from_slice(&ask(&file, "info", &["--json"]).stdout).unwrap();
    assert!(info["capture"]["left_out"]["frames-not-followed-deeper"].as_u64() > Some(0), "{info}");
    let file = take("threads", "thread-budget", &["--thread-budget", "0", "--depth", "5"]);
    let info: Value = serde_json::from_slice(&ask(&file, "info", &["--json"]).stdout).unwrap();
    assert!(info["capture"]["left_out"].get("memory-bytes").is_some(), "{info}");
}
