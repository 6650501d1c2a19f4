//! Circles of 2 to 1,000 threads through each primitive of C, C++ and Rust, with the waits and owners that the programs were
//! built to have: fixtures/src/deadlocks.c, deadlocks.cpp, deadlocks.rs.
//!
//! `cargo test --test deadlocks_built -- --ignored --nocapture` on a machine with gcc, g++ or rustc, and core_pattern `core` or
//! gcore.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;

const SIZES: [usize; 4] = [2, 10, 100, 1000];

struct Built {
    name: &'static str,
    program: PathBuf,
    primitives: Vec<String>,
    is_optimised: bool,
}

/// Builds a source; says so where the compiler is missing.
fn build(directory: &Path, name: &'static str, command: &[&str], source: &str) -> Option<Built> {
    let program = directory.join(name);
    let (compiler, arguments) = command.split_first().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/src").join(source);
    let mut compile = Command::new(compiler);
    compile.args(arguments).args(["-g", "-o"]).arg(&program).arg(source).current_dir(directory);
    let built = compile.status().is_ok_and(|status| status.success());
    if !built {
        println!("{name}: skipped, as {compiler} cannot build it here");
        return None;
    }
    let list = Command::new(&program).output().unwrap().stdout;
    let primitives = String::from_utf8(list).unwrap().lines().map(str::to_owned).collect();
    Some(Built { name, program, primitives, is_optimised: name.ends_with("2") || name.starts_with("musl") })
}

/// What the program says that it is built to be, and its core.
fn hang(program: &Path, primitive: &str, size: usize, work: &Path) -> Option<(Vec<Vec<String>>, PathBuf)> {
    let _ = fs::remove_dir_all(work);
    fs::create_dir_all(work).unwrap();
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "ulimit -c unlimited && exec env --default-signal=QUIT \"$@\"", "sh"])
        .arg(program)
        .args([primitive, &size.to_string()]);
    let mut process = shell.current_dir(work).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut said: Vec<Vec<String>> = lines
        .map(|line| line.split(' ').map(str::to_owned).collect())
        .take_while(|line: &Vec<_>| line[0] != "ready")
        .collect();
    said.retain(|line| !line.is_empty());
    // The main thread waits next.
    let call = format!("/proc/{}/syscall", process.id());
    for _ in 0..500 {
        if fs::read_to_string(&call).is_ok_and(|text| text.starts_with("202 ")) {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    if pattern.trim() != "core" {
        let _ = Command::new("gcore").args(["-o", "core", &process.id().to_string()]).current_dir(work).output();
        process.kill().unwrap();
    } else {
        let _ = Command::new("kill").args(["-QUIT", &process.id().to_string()]).status();
    }
    process.wait().unwrap();
    let core = fs::read_dir(work).unwrap().map(|entry| entry.unwrap().path()).next();
    Some((said, core?))
}

fn lwps(value: &Value) -> Vec<u64> {
    value.as_array().into_iter().flatten().filter_map(Value::as_u64).collect()
}

/// The circle from its lowest thread on.
fn turned(mut cycle: Vec<u64>) -> Vec<u64> {
    let lowest = cycle.iter().enumerate().min_by_key(|(_, lwp)| **lwp).map_or(0, |(at, _)| at);
    cycle.rotate_left(lowest);
    cycle
}

/// What is wrong with the answer.
fn check(said: &[Vec<String>], is_optimised: bool, answer: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let text = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let waits: BTreeMap<String, [String; 4]> = answer["waits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|wait| {
            let field = |name: &str| text(&wait[name]);
            (field("waiter"), [field("kind"), field("name"), field("owner"), field("owner_found")])
        })
        .collect();
    let mut without_owner = BTreeSet::new();
    let numbers = |line: &[String]| line[1..].iter().map(|lwp| lwp.parse().unwrap()).collect::<Vec<u64>>();
    for line in said {
        let mut problem = |kind: &str, expected: Vec<u64>| {
            let problems = answer["problems"].as_array().unwrap().iter().filter(|problem| problem["kind"] == kind);
            let found: BTreeSet<u64> = problems.flat_map(|problem| lwps(&problem["waiters"])).collect();
            if !expected.iter().all(|lwp| found.contains(lwp)) {
                wrong.push(format!("{kind}: {found:?}, not {expected:?}"));
            }
        };
        match line[0].as_str() {
            "unsignalled" => problem("nobody-can-signal", numbers(line)),
            "unreleased" => {
                // Of two threads the other one is known to have it; where calls are in a row, so is who took it to read.
                let is_left = |lwp: &u64| {
                    waits.get(&lwp.to_string()).is_some_and(|wait| wait[3] == "left" || wait[3] == "inferred")
                };
                let expected: Vec<u64> = numbers(line).into_iter().filter(|lwp| !is_left(lwp)).collect();
                problem("nobody-can-release", expected);
            }
            "wait" => {
                let Some(found) = waits.get(&line[1]) else {
                    wrong.push(format!("{line:?}: no wait"));
                    continue;
                };
                let is_kind = found[0] == line[2] || is_optimised && found[0] == "futex";
                let is_name = line[3].split('|').any(|name| name == found[1]) || is_optimised;
                let may_be_missed =
                    line[5] == "perhaps" && (found[2] == "-" || found[2] == line[4] && found[3] == "inferred");
                let is_owner = found[2..] == line[4..6]
                    || may_be_missed
                    || line[5] == "inferred"
                        && (found[3] == "left" && found[2] == line[4] || is_optimised && found[2] == "-");
                if found[2] == "-" {
                    without_owner.insert(line[1].parse::<u64>().unwrap());
                }
                if !(is_kind && is_name && is_owner) {
                    wrong.push(format!("{line:?}, not {found:?}"));
                }
            }
            "cycle" => {
                let expected = turned(numbers(line));
                let found: Vec<Vec<u64>> =
                    answer["cycles"].as_array().unwrap().iter().map(|c| turned(lwps(c))).collect();
                let is_open = expected.iter().any(|lwp| without_owner.contains(lwp));
                if found.len() != usize::from(!is_open) || !is_open && found[0] != expected {
                    wrong.push(format!(
                        "cycles of {:?} threads, not {}",
                        found.iter().map(Vec::len).collect::<Vec<_>>(),
                        expected.len()
                    ));
                }
            }
            other => wrong.push(format!("the program says {other}")),
        }
    }
    // Who reads again waits for itself, where that it reads was inferred.
    let reads_again = |cycle: &Value| {
        let alone = lwps(cycle);
        said.iter().any(|line| line[0] == "wait" && line[5] == "perhaps" && alone == [line[4].parse::<u64>().unwrap()])
    };
    if !said.iter().any(|line| line[0] == "cycle")
        && answer["cycles"].as_array().is_some_and(|cycles| !cycles.iter().all(reads_again))
    {
        wrong.push(format!("a circle that there is not: {}", answer["cycles"]));
    }
    wrong
}

/// musl's plain mutexes and its rwlocks record no owner.
fn as_musl_records(said: &mut [Vec<String>], primitive: &str) {
    let is_recorded = matches!(primitive, "recursive" | "checking" | "robust");
    for line in said.iter_mut().filter(|line| line[0] == "wait" && !is_recorded) {
        if matches!(line[2].as_str(), "mutex" | "rwlock") && line[5] == "recorded" {
            line[5] = "inferred".to_owned();
        }
    }
}

/// Without symbols: what a lock's own words prove, and nothing that is wrong.
fn check_stripped(said: &[Vec<String>], answer: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    for line in said.iter().filter(|line| line[0] == "wait") {
        let lwp: u64 = line[1].parse().unwrap();
        let Some(wait) = answer["waits"].as_array().unwrap().iter().find(|wait| wait["waiter"] == lwp) else {
            wrong.push(format!("{line:?}: no wait"));
            continue;
        };
        let is_right = match line[5].as_str() {
            "recorded" => wait["kind"] == line[2].as_str() && wait["owner"].as_u64() == line[4].parse().ok(),
            _ => wait["kind"] == "futex" && wait["owner"].is_null(),
        };
        if !is_right {
            wrong.push(format!("{line:?}, not {wait}"));
        }
    }
    wrong
}

/// Where the analysis leads: its class and certainty.
fn verdict(core: &Path) -> (String, String) {
    let output = common::program().arg("analyze").arg(core).arg("--json").output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let text = |name: &str| answer["verdict"][name].as_str().unwrap_or_default().to_owned();
    (text("class"), text("certainty"))
}

#[test]
#[ignore = "builds programs with gcc, g++ and rustc, and lets up to 1,000 threads of each wait for each other"]
fn circles_of_every_length_are_found() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("deadlocks-built");
    fs::create_dir_all(&directory).unwrap();
    const HEADERS: [&str; 4] = ["-idirafter", "/usr/include", "-idirafter", "/usr/include/x86_64-linux-gnu"];
    let musl = |options: &[&'static str]| [&["musl-gcc"], options, &HEADERS].concat();
    let built: Vec<Built> = [
        ("musl-static-0", musl(&["-O0", "-static"]), "deadlocks.c"),
        ("musl-static-2", musl(&["-O2", "-static"]), "deadlocks.c"),
        ("musl-dynamic-2", musl(&["-O2"]), "deadlocks.c"),
        ("musl-stripped", musl(&["-O2", "-static", "-s"]), "deadlocks.c"),
        ("c-O0", vec!["gcc", "-O0", "-pthread"], "deadlocks.c"),
        ("c-O2", vec!["gcc", "-O2", "-pthread"], "deadlocks.c"),
        ("cpp-O0", vec!["g++", "-std=c++20", "-O0", "-pthread"], "deadlocks.cpp"),
        ("cpp-O2", vec!["g++", "-std=c++20", "-O2", "-pthread"], "deadlocks.cpp"),
        ("rust-0", vec!["rustc", "--edition=2021", "-Copt-level=0"], "deadlocks.rs"),
        ("rust-2", vec!["rustc", "--edition=2021", "-Copt-level=2"], "deadlocks.rs"),
    ]
    .into_iter()
    .filter_map(|(name, command, source)| build(&directory, name, &command, source))
    .collect();
    let only = std::env::var("OBIT_DEADLOCKS").unwrap_or_default();
    let mut runs = Vec::new();
    for of in &built {
        for primitive in &of.primitives {
            // musl lets readers in while a writer waits: nobody waits to read again.
            let is_musl = of.name.starts_with("musl");
            let sizes = SIZES.iter().copied().filter(|size| !is_musl || primitive != "reader-again" && *size <= 10);
            for size in sizes {
                if format!("{} {primitive} {size}", of.name).contains(&only) {
                    runs.push((of, primitive.as_str(), size));
                }
            }
        }
    }
    let (next, wrong, count) = (Mutex::new(runs.iter()), Mutex::new(Vec::new()), Mutex::new(0));
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let work = directory.join(format!("work-{worker}"));
            let (next, wrong, count) = (&next, &wrong, &count);
            scope.spawn(move || {
                loop {
                    let Some((of, primitive, size)) = next.lock().unwrap().next() else { break };
                    let label = format!("{} {primitive} {size}", of.name);
                    let Some((mut said, core)) = hang(&of.program, primitive, *size, &work) else {
                        println!("{label}: skipped, as no core could be taken");
                        continue;
                    };
                    let output = common::program().arg("locks").arg(&core).arg("--json").output().unwrap();
                    let answer = serde_json::from_slice(&output.stdout).expect("an answer");
                    if of.name.starts_with("musl") {
                        as_musl_records(&mut said, primitive);
                    }
                    let mut found = match of.name {
                        "musl-stripped" => check_stripped(&said, &answer),
                        _ => check(&said, of.is_optimised, &answer),
                    };
                    let (class, certainty) = verdict(&core);
                    // Only what the locks themselves record is certain; who waits beside a circle does not count.
                    let cycle = said.iter().find(|line| line[0] == "cycle");
                    let is_in = |line: &[String]| cycle.is_none_or(|cycle| cycle[1..].contains(&line[1]));
                    let is_recorded =
                        said.iter().all(|line| line[0] != "wait" || !is_in(line) || line[5] == "recorded");
                    let expected = if is_recorded { "certain" } else { "likely" };
                    if !(class == "deadlock" || class == "hang") || certainty != expected {
                        found.push(format!("the verdict is {class}, {certainty}"));
                    }
                    *count.lock().unwrap() += 1;
                    let more = found.len().saturating_sub(3);
                    for line in found.iter().take(3) {
                        println!("{label}: {line}");
                    }
                    if more > 0 {
                        println!("{label}: and {more} more");
                    }
                    wrong.lock().unwrap().extend(found.first().map(|line| format!("{label}: {line}")));
                }
                let _ = fs::remove_dir_all(&work);
            });
        }
    });
    println!("{} hangs of {} programs", count.into_inner().unwrap(), built.len());
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
