//! Panics of Rust programs that have neither debug information nor symbols (fixtures/src/panics.rs), and deaths of such
//! programs that are none, though a panic was caught before.
//!
//! The committed snapshots are some of what `cargo test --test rust_panics -- --ignored --nocapture` builds and asks, on a
//! machine with rustc whose core_pattern is `core`; `OBIT_RUSTC` names other compilers, separated by blanks.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// What is given to the program, and a part of the verdict's sentence where panics end the process.
const PANICS: &[(&str, &str)] = &[
    ("bounds", ": index out of bounds: the len is 3 but the index is 9"),
    ("unwrap", ": called `Option::unwrap()` on a `None` value"),
    ("expect", ": a configured port"),
    ("result", r#": called `Result::unwrap()` on an `Err` value: Wrong { key: "zzzz", tries: 2 }"#),
    ("result_e", r#": no key: Wrong { key: "zzzz", tries: 2 }"#),
    ("same", ": assertion"),
    ("sum", ": sum of 4294967295 and 2 is too big"),
    ("plain", ": a plain text"),
    ("display", ": cannot go on: wrong key zzzz after 2"),
    ("outside", ": index out of bounds: the len is 3 but the index is 9"),
    ("double", ": called `Option::unwrap()` on a `None` value"),
    ("slice", ": range end index 9 out of range for slice of length 3"),
    ("cell", "already borrowed"),
    ("thread", ": index out of bounds: the len is 2 but the index is 9"),
    ("hook", ": index out of bounds: the len is 1 but the index is 9"),
    ("divide", ": attempt to divide by zero"),
    ("unreachable", ": internal error: entered unreachable code: state 2"),
];

/// The same where panics unwind, and the verdict's class.
const UNWOUND: &[(&str, &str, &str)] = &[
    ("hook", "panic", ": index out of bounds: the len is 1 but the index is 9"),
    ("double", "panic", "panic"),
    ("segv", "null-pointer", "address 0x8 written"),
    ("abort", "abort", "abort() was called"),
    ("abort2", "abort", "abort() was called"),
    ("once", "abort", "abort() was called"),
    ("cabort", "abort", "abort() was called"),
    ("free", "heap-corruption", "free()"),
    ("raise", "abort", "sent itself SIGABRT"),
    ("oom", "abort", "abort() was called"),
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/src/panics.rs")
}

/// The line of the source on which a text stands first.
fn line_of(text: &str) -> u64 {
    let source = fs::read_to_string(source()).unwrap();
    1 + source.lines().position(|line| line.contains(text)).expect("the line") as u64
}

fn verdict(target: &Path) -> Value {
    let output = common::program().arg("analyze").arg(target).arg("--json").output().unwrap();
    let mut answer: Value = serde_json::from_slice(&output.stdout).expect("an answer");
    answer["verdict"].take()
}

#[test]
fn panics_are_told_without_names() {
    let kept = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rust-stripped").join(format!("{name}.obit"));
        verdict(&path)
    };
    for (name, line, said) in [
        ("abort.display", "panic!(\"cannot go on", ": cannot go on: wrong key zzzz after 2"),
        (
            "lto.result",
            "r.unwrap()",
            r#": called `Result::unwrap()` on an `Err` value: Wrong { key: "zzzz", tries: 2 }"#,
        ),
        ("old.bounds", "v[i]", ": index out of bounds: the len is 3 but the index is 9"),
    ] {
        let verdict = kept(name);
        let summary = verdict["summary"].as_str().unwrap_or_default();
        assert!(summary.starts_with(&format!("panic at panics.rs:{} in 0x", line_of(line))), "{name}: {verdict}");
        assert!(summary.ends_with(said), "{name}: {verdict}");
        assert_eq!((&verdict["class"], &verdict["certainty"]), (&"panic".into(), &"likely".into()), "{name}");
    }
    let outside = kept("unwind.outside");
    assert_eq!(outside["class"], "panic");
    let said = "panic in Rust's library (panicking.rs:";
    assert!(outside["summary"].as_str().unwrap().starts_with(said), "{outside}");
    assert!(outside["summary"].as_str().unwrap().ends_with("panic in a function that cannot unwind"), "{outside}");
    let caught = kept("unwind.abort2");
    assert_eq!(caught["class"], "abort", "{caught}");
}

fn build(directory: &Path, compiler: &str, options: &[&str]) -> Option<PathBuf> {
    let program = directory.join("panics");
    let mut compile = Command::new(compiler);
    compile.args(["--edition", "2021", "-C", "strip=symbols"]).args(options).arg("-o").arg(&program).arg(source());
    let status = compile.stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success()).then_some(program)
}

fn core(program: &Path, what: &str) -> Option<PathBuf> {
    let work = program.with_file_name("work");
    let _ = fs::remove_dir_all(&work);
    fs::create_dir_all(&work).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -c unlimited && exec \"$@\"", "sh"]).arg(program).arg(what).current_dir(&work);
    shell.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    let files = fs::read_dir(&work).unwrap().map(|entry| entry.unwrap().path());
    files.into_iter().find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("core")))
}

#[test]
#[ignore = "builds programs with rustc, and lets them dump core"]
fn what_stripped_programs_die_of() {
    if fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap().trim() != "core" {
        println!("skipped: core_pattern is not core");
        return;
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rust-panics");
    fs::create_dir_all(&directory).unwrap();
    let compilers = std::env::var("OBIT_RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let (mut wrong, mut count) = (Vec::new(), 0);
    for compiler in compilers.split_whitespace() {
        for (options, unwinds) in [
            (&["-C", "panic=abort"][..], false),
            (&["-C", "panic=abort", "-C", "opt-level=3"], false),
            (&["-C", "panic=abort", "-C", "opt-level=3", "-C", "lto=fat", "-C", "codegen-units=1"], false),
            (&["-C", "opt-level=0"], true),
            (&["-C", "opt-level=3"], true),
        ] {
            let Some(program) = build(&directory, compiler, options) else {
                println!("{compiler} {options:?}: skipped, as it cannot be built here");
                continue;
            };
            let aborting = PANICS.iter().map(|(what, part)| (*what, "panic", *part)).filter(|_| !unwinds);
            let unwinding = UNWOUND.iter().copied().filter(|_| unwinds);
            for (what, class, part) in aborting.chain(unwinding) {
                let Some(core) = core(&program, what) else {
                    println!("{compiler} {what}: skipped, as it left no core");
                    continue;
                };
                count += 1;
                let verdict = verdict(&core);
                let summary = verdict["summary"].as_str().unwrap_or_default();
                println!("{options:?} {what}: {summary}");
                let is_likely = class != "panic" || verdict["certainty"] == "likely";
                if verdict["class"] != class || !summary.contains(part) || !is_likely {
                    wrong.push(format!("{compiler} {options:?} {what}: {verdict}"));
                }
            }
        }
    }
    let _ = fs::remove_dir_all(&directory);
    println!("{count} deaths");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
