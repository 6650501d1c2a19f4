//! Deaths of which the C++ library, the kernel or a neighbour in memory says more than the instruction:
//! fixtures/src/die_checked.cpp, built here by gcc and clang, with the checks of libstdc++ and libc++.
//!
//! `cargo test --test deaths_built -- --ignored --nocapture` on a machine with g++ or clang++-19, whose core_pattern is `core`.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// What is given to the program, the verdict's class and certainty, a part of its sentence, the function.
const DEATHS: &[(&str, &str, &str, &str, &str)] = &[
    ("element", "out-of-bounds", "certain", "assertion of the C++ library failed in element() at", "element"),
    ("front", "assertion", "certain", "assertion of the C++ library failed in first() at", "first"),
    ("code", "out-of-bounds", "certain", "`code` is 1000, and `table` has 4 elements", "dispatch"),
    ("async", "uncaught-exception", "certain", "std::runtime_error (empty input) thrown again in main()", "main"),
    ("rethrow", "uncaught-exception", "certain", "`throw;` where no exception was being handled", "main"),
    ("filled", "wild-pointer", "likely", "or memory filled with 0xff) in total() at", "total"),
    ("token", "null-pointer", "likely", "null pointer: strtol() was given the result of strtok() at", "value_of"),
    ("environment", "null-pointer", "likely", "was given the result of getenv() at", "from_environment"),
    // As a function's last deed, too: the allocator's own calls are not the program's.
    ("inside", "heap-corruption", "certain", "heap corruption: free()", "give_back"),
    // Through what the library's inlined methods lead to, and `delete` behind a virtual destructor.
    ("unique", "null-pointer", "certain", "`of->boss` read at", "boss_of"),
    ("deleting", "heap-corruption", "certain", "met damage: free(): invalid pointer", "drop"),
    ("ran-into", "out-of-bounds", "likely", "right past the end of what may be written", "fill"),
    ("file-size", "signal-sent", "certain", "the limit of a file's size (RLIMIT_FSIZE) was reached: write(", "put"),
    // `abort` writes nothing out: what was said last is in the buffer.
    (
        "unsaid",
        "abort",
        "certain",
        "\"no table 2\\\" is the last line in stdout's buffer, which was never written",
        "give_up",
    ),
    ("refused", "sandbox", "certain", "the system call socket (41)", "refused"),
];

/// Compilers, and which deaths only some of them have.
const BUILDS: &[(&str, &[&str], &[&str])] = &[
    ("gcc-O0", &["g++", "-O0", "-D_GLIBCXX_ASSERTIONS"], &[]),
    ("gcc-O1", &["g++", "-O1", "-D_GLIBCXX_ASSERTIONS"], &["code", "filled", "refused", "file-size"]),
    (
        "gcc-O2",
        &["g++", "-O2", "-D_GLIBCXX_ASSERTIONS"],
        &["code", "filled", "refused", "file-size", "token", "deleting"],
    ),
    ("clang-O0", &["clang++-19", "-O0", "-D_GLIBCXX_ASSERTIONS"], &["token"]),
    (
        "libcxx",
        &["clang++-19", "-O0", "-stdlib=libc++", "-D_LIBCPP_HARDENING_MODE=_LIBCPP_HARDENING_MODE_FAST"],
        &["token", "async", "front", "code", "unique"],
    ),
    (
        "libcxx-debug",
        &["clang++-19", "-O1", "-stdlib=libc++", "-D_LIBCPP_HARDENING_MODE=_LIBCPP_HARDENING_MODE_DEBUG"],
        &[
            "token",
            "async",
            "front",
            "code",
            "filled",
            "refused",
            "file-size",
            "rethrow",
            "environment",
            "unique",
            "deleting",
        ],
    ),
];

fn build(directory: &Path, name: &str, command: &[&str]) -> Option<PathBuf> {
    let program = directory.join(name);
    let (compiler, arguments) = command.split_first().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/src/die_checked.cpp");
    let mut compile = Command::new(compiler);
    compile.args(arguments).args(["-g", "-w", "-std=c++20", "-pthread", "-fno-omit-frame-pointer", "-o"]);
    let status = compile.arg(&program).arg(source).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success()).then_some(program)
}

fn core(program: &Path, what: &str, work: &Path) -> Option<PathBuf> {
    let _ = fs::remove_dir_all(work);
    fs::create_dir_all(work).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -c unlimited && exec \"$@\"", "sh"]).arg(program).arg(what).current_dir(work);
    shell.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    let files = fs::read_dir(work).unwrap().map(|entry| entry.unwrap().path());
    files.into_iter().find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("core")))
}

#[test]
#[ignore = "builds programs with g++ and clang++, and lets them dump core"]
fn verdicts_say_what_the_libraries_and_the_kernel_checked() {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    if pattern.trim() != "core" {
        println!("skipped: core_pattern is not core");
        return;
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("deaths-built");
    fs::create_dir_all(&directory).unwrap();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (name, command, without) in BUILDS {
        let Some(program) = build(&directory, name, command) else {
            println!("{name}: skipped, as it cannot be built here");
            continue;
        };
        for (what, class, certainty, part, function) in DEATHS.iter().filter(|(what, ..)| !without.contains(what)) {
            let Some(core) = core(&program, what, &directory.join("work")) else {
                println!("{name} {what}: skipped, as it left no core");
                continue;
            };
            let output = common::program().arg("analyze").arg(&core).arg("--json").output().unwrap();
            let answer: Value = serde_json::from_slice(&output.stdout).expect("an answer");
            let verdict = &answer["verdict"];
            let summary = verdict["summary"].as_str().unwrap_or_default();
            println!("{name} {what}: {summary}");
            count += 1;
            let called = verdict["function"].as_str().unwrap_or_default().split('(').next() == Some(*function);
            let evidence = answer["findings"][0]["evidence"].to_string();
            let is_said = summary.contains(part) || evidence.contains(part);
            let is_right = verdict["class"] == *class && verdict["certainty"] == *certainty && is_said;
            if !is_right || !called {
                wrong.push(format!("{name} {what}: {verdict}"));
            }
        }
    }
    let _ = fs::remove_dir_all(&directory);
    println!("{count} deaths");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
