//! Deaths that sanitizers report, of programs that clang and gcc build here: fixtures/src/sanitized.cpp. The reports go to
//! standard error and are seldom in memory when the core is taken.
//!
//! `cargo test --test sanitizers_built -- --ignored --nocapture` on a machine with clang++-19 or g++ and their runtimes, whose
//! core_pattern is `core`.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// What is given to the program, the sanitizer, the class, and parts of the verdict's sentence; the function to blame.
const DEATHS: &[(&str, &str, &str, &str, Option<&str>)] = &[
    ("race", "thread", "abort", "ThreadSanitizer: data race", Some("bump")),
    ("order", "thread", "deadlock", "ThreadSanitizer: lock-order inversion", Some("both")),
    ("uninitialised", "memory", "abort", "MemorySanitizer: use of uninitialised memory", Some("decide")),
    ("leak", "leak", "abort", "LeakSanitizer: memory leaks were found when the process ended", None),
    ("leak", "address", "abort", "LeakSanitizer: ", None),
    ("overflow", "undefined", "abort", "integer overflow", Some("add")),
    ("index", "undefined", "out-of-bounds", " out of bounds for type 'int", Some("pick")),
    ("divide", "undefined", "division-by-zero", "division by zero", Some("divide")),
    ("null", "undefined", "null-pointer", "member access within", Some("length_of")),
    ("shift", "undefined", "abort", "shift", Some("shift")),
    ("twice", "scudo", "double-free", "Scudo: invalid chunk state when deallocating", Some("release")),
    ("twice", "hwaddress", "double-free", "HWAddressSanitizer: invalid-free", Some("release")),
    ("twice", "address", "double-free", "AddressSanitizer: attempting double-free", Some("release")),
];

fn build(directory: &Path, compiler: &str, sanitizer: &str) -> Option<PathBuf> {
    let program = directory.join(format!("{compiler}-{sanitizer}"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/src/sanitized.cpp");
    let mut compile = Command::new(compiler);
    compile.args(["-g", "-O1", "-fno-omit-frame-pointer", "-fno-builtin", "-std=c++17", "-pthread"]);
    compile.arg(format!("-fsanitize={sanitizer}")).arg("-fno-sanitize-recover=all").arg("-o").arg(&program).arg(source);
    if sanitizer == "hwaddress" && cfg!(target_arch = "x86_64") {
        compile.arg("-fsanitize-hwaddress-experimental-aliasing");
    }
    let built = compile.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    built.then_some(program)
}

fn core(program: &Path, what: &str, work: &Path) -> Option<PathBuf> {
    let _ = fs::remove_dir_all(work);
    fs::create_dir_all(work).unwrap();
    let mut shell = Command::new("sh");
    // HWAddressSanitizer's heap is shared memory, of gigabytes: it stays out.
    let script = "ulimit -c unlimited && echo 0x31 >/proc/self/coredump_filter && exec \"$@\"";
    shell.args(["-c", script, "sh"]).arg(program).arg(what).current_dir(work);
    for name in ["ASAN", "HWASAN", "TSAN", "MSAN", "LSAN", "UBSAN"] {
        shell.env(format!("{name}_OPTIONS"), "abort_on_error=1:halt_on_error=1:disable_coredump=0");
    }
    shell.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    fs::read_dir(work).unwrap().map(|entry| entry.unwrap().path()).next()
}

#[test]
#[ignore = "builds programs with clang++ and g++ and their sanitizers, and lets them dump core"]
fn verdicts_say_what_sanitizers_found() {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    if pattern.trim() != "core" {
        println!("skipped: core_pattern is not core");
        return;
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sanitizers-built");
    fs::create_dir_all(&directory).unwrap();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for compiler in ["clang++-19", "g++"] {
        for (what, sanitizer, class, part, function) in DEATHS {
            let label = format!("{compiler} {sanitizer} {what}");
            let Some(program) = build(&directory, compiler, sanitizer) else {
                println!("{label}: skipped, as it cannot be built here");
                continue;
            };
            let Some(core) = core(&program, what, &directory.join("work")) else {
                println!("{label}: skipped, as it left no core");
                continue;
            };
            let output = common::program().arg("analyze").arg(&core).arg("--json").output().unwrap();
            let answer: Value = serde_json::from_slice(&output.stdout).expect("an answer");
            let verdict = &answer["verdict"];
            let summary = verdict["summary"].as_str().unwrap_or_default();
            println!("{label}: {summary}");
            count += 1;
            // gcc keeps no copy of the pointer that it tested.
            let is_class =
                verdict["class"] == *class || *what == "null" && compiler == "g++" && verdict["class"] == "abort";
            let is_right = is_class && verdict["certainty"] == "certain" && summary.contains(part);
            let is_place = function.is_none_or(|function| {
                let name = verdict["function"].as_str().unwrap_or_default();
                name.split('(').next() == Some(function)
            });
            if !is_right || !is_place {
                wrong.push(format!("{label}: {verdict}"));
            }
        }
    }
    let _ = fs::remove_dir_all(&directory);
    println!("{count} deaths");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
