//! Programs with several known bugs, built by several compilers at several levels of optimisation, as another version and
//! at fixed addresses; each bug on each of its ways: fixtures/src/bugs.cpp, bugs.rs. How well do fingerprints and
//! similarity find what is one bug?
//!
//! `cargo test --test fingerprints_built -- --ignored --nocapture` on a machine with g++, clang++ and rustc whose core_pattern
//! is `core`.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use obit::fingerprint::similar::{self, Rarity};
use serde_json::Value;

struct Crash {
    bug: String,
    build: String,
    fingerprint: String,
    key: Vec<String>,
    frames: Vec<String>,
}

/// Builds a source; `None` where the compiler is missing.
fn build(directory: &Path, name: &str, command: &[&str], source: &str) -> Option<PathBuf> {
    let program = directory.join(name);
    let (compiler, arguments) = command.split_first().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/src").join(source);
    let mut compile = Command::new(compiler);
    compile.args(arguments).arg("-o").arg(&program).arg(source).current_dir(directory);
    match compile.status() {
        Ok(status) => status.success().then_some(program),
        Err(error) => {
            eprintln!("{compiler}: {error}");
            None
        }
    }
}

/// The core that the program leaves.
fn core(program: &Path, arguments: &[String], directory: &Path) -> Option<PathBuf> {
    let _ = fs::remove_dir_all(directory);
    fs::create_dir_all(directory).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -c unlimited && exec \"$@\"", "sh"]).arg(program).args(arguments);
    shell.current_dir(directory).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).next()
}

fn crash(program: &Path, build: &str, arguments: &[&str], work: &Path) -> Option<Crash> {
    let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
    let core = core(program, &arguments, work)?;
    let output = common::program().arg("fingerprint").arg(&core).arg("--json").output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).expect("an answer");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let now = &answer["now"];
    let list = |value: &Value| value.as_array().unwrap().iter().map(text).collect::<Vec<String>>();
    Some(Crash {
        bug: format!("{} {}", if build.starts_with("rust") { "rust" } else { "c++" }, arguments[0]),
        build: format!("{build} {}", arguments[1..].join(" ")),
        fingerprint: text(&answer["fingerprint"]),
        key: list(&now["key"]),
        frames: list(&now["stack"]),
    })
}

fn crashes() -> Vec<Crash> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fingerprints-built");
    fs::create_dir_all(&directory).unwrap();
    let later = "-DLATER";
    let cpp = ["-g", "-w", "-std=c++20", "-pthread"];
    let builds: Vec<(&str, Vec<&str>)> = vec![
        ("gcc-O0", vec!["g++", "-O0"]),
        ("gcc-Og", vec!["g++", "-Og"]),
        ("gcc-O1", vec!["g++", "-O1"]),
        ("gcc-O2", vec!["g++", "-O2"]),
        ("gcc-O3", vec!["g++", "-O3"]),
        ("gcc-O2-later", vec!["g++", "-O2", later]),
        ("gcc-O2-nopie", vec!["g++", "-O2", "-no-pie"]),
        ("clang-O0", vec!["clang++-19", "-O0"]),
        ("clang-O1", vec!["clang++-19", "-O1"]),
        ("clang-O2", vec!["clang++-19", "-O2"]),
        ("clang-O3-later", vec!["clang++-19", "-O3", later]),
    ];
    let rust = ["--edition=2021", "-g", "--cap-lints=allow", "-Cpanic=abort", "--crate-name=bugs"];
    let rust_builds: Vec<(&str, Vec<&str>)> = vec![
        ("rust-0", vec!["rustc", "-Copt-level=0"]),
        ("rust-1", vec!["rustc", "-Copt-level=1"]),
        ("rust-2", vec!["rustc", "-Copt-level=2"]),
        ("rust-3-later", vec!["rustc", "-Copt-level=3", "--cfg=later"]),
        ("rust-0-v0", vec!["rustc", "-Copt-level=0", "-Csymbol-mangling-version=v0"]),
        ("rust-2-v0", vec!["rustc", "-Copt-level=2", "-Csymbol-mangling-version=v0"]),
    ];
    let mut runs: Vec<(PathBuf, &str, Vec<String>)> = Vec::new();
    for (name, command) in builds
        .iter()
        .map(|build| (build, &cpp[..], "bugs.cpp"))
        .chain(rust_builds.iter().map(|build| (build, &rust[..], "bugs.rs")))
        .filter_map(|((name, command), more, source)| {
            let command: Vec<&str> = command.iter().copied().chain(more.iter().copied()).collect();
            Some((*name, build(&directory, name, &command, source)?))
        })
    {
        let is_rust = name.starts_with("rust");
        let (bugs, two_ways): (u32, &[u32]) = if is_rust { (11, &[1, 9]) } else { (15, &[1, 2, 5, 10, 12]) };
        for bug in 1..=bugs {
            for way in 0..if two_ways.contains(&bug) { 2 } else { 1 } {
                let last: &[&[&str]] =
                    if is_rust { &[&["0"], &["3"], &["1", "t"], &["1", "h"]] } else { &[&["0"], &["3"], &["1", "t"]] };
                for last in last {
                    let mut arguments = vec![bug.to_string(), way.to_string()];
                    arguments.extend(last.iter().map(|text| (*text).to_owned()));
                    runs.push((command.clone(), name, arguments));
                }
            }
        }
    }
    let (next, found) = (Mutex::new(runs.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let work = directory.join(format!("work-{worker}"));
            let (next, found) = (&next, &found);
            scope.spawn(move || {
                loop {
                    let Some((program, name, arguments)) = next.lock().unwrap().next() else { break };
                    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                    // Some do not die at every level.
                    found.lock().unwrap().extend(crash(program, name, &arguments, &work));
                }
            });
        }
    });
    let _ = fs::remove_dir_all(&directory);
    found.into_inner().unwrap()
}

/// Pairs that are put together and are one bug, that are put together and are not, that are one bug and are not put
/// together.
fn pairs<T>(
    items: &[T],
    is_one: impl Fn(&T, &T) -> bool,
    put_together: impl Fn(&T, &T) -> bool,
) -> (usize, usize, usize) {
    let (mut right, mut wrong, mut missed) = (0, 0, 0);
    for (at, one) in items.iter().enumerate() {
        for other in &items[..at] {
            match (put_together(one, other), is_one(one, other)) {
                (true, true) => right += 1,
                (true, false) => wrong += 1,
                (false, true) => missed += 1,
                (false, false) => {}
            }
        }
    }
    (right, wrong, missed)
}

fn share(part: usize, rest: usize) -> f64 {
    part as f64 / (part + rest).max(1) as f64
}

/// How often what is one bug is more alike than what is not.
fn area(alike: &[f64], other: &[f64]) -> f64 {
    let mut other = other.to_vec();
    other.sort_by(f64::total_cmp);
    let below = |score: &f64| {
        let (less, up_to) =
            (other.partition_point(|known| known < score), other.partition_point(|known| known <= score));
        (less + up_to) as f64 / 2.0
    };
    alike.iter().map(below).sum::<f64>() / (alike.len() * other.len()).max(1) as f64
}

fn measure(crashes: &[&Crash]) -> (f64, f64) {
    let mut groups: BTreeMap<&str, Vec<&Crash>> = BTreeMap::new();
    let mut bugs: BTreeMap<&str, BTreeMap<&str, Vec<&Crash>>> = BTreeMap::new();
    for crash in crashes {
        groups.entry(&crash.fingerprint).or_default().push(crash);
        bugs.entry(&crash.bug).or_default().entry(&crash.fingerprint).or_default().push(crash);
    }
    let in_largest: usize = bugs.values().map(|groups| groups.values().map(Vec::len).max().unwrap_or(0)).sum();
    let of_most = |group: &Vec<&Crash>| {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        group.iter().for_each(|crash| *counts.entry(&crash.bug).or_default() += 1);
        counts.values().copied().max().unwrap_or(0)
    };
    let pure: usize = groups.values().map(of_most).sum();
    let (right, wrong, missed) =
        pairs(crashes, |one, other| one.bug == other.bug, |one, other| one.fingerprint == other.fingerprint);
    println!("{} crashes, {} bugs, {} groups", crashes.len(), bugs.len(), groups.len());
    println!(
        "  purity {:.3}, completeness {:.3}",
        share(pure, crashes.len() - pure),
        share(in_largest, crashes.len() - in_largest)
    );
    println!("  pairs: precision {:.3}, recall {:.3}", share(right, wrong), share(right, missed));
    for (bug, groups) in &bugs {
        for of_group in groups.values() {
            let builds: BTreeSet<&str> = of_group.iter().map(|crash| crash.build.split(' ').next().unwrap()).collect();
            println!("    {bug}: {:3} {}   [{}]", of_group.len(), of_group[0].key.join(" < "), builds.len());
        }
    }
    similarity(crashes);
    (share(right, wrong), share(right, missed))
}

fn similarity(crashes: &[&Crash]) {
    let rarity = Rarity::of(crashes.iter().map(|crash| crash.frames.as_slice()));
    let mut stacks: Vec<(&str, &[String])> =
        crashes.iter().map(|crash| (crash.bug.as_str(), crash.frames.as_slice())).collect();
    stacks.sort();
    stacks.dedup();
    let prepared: Vec<_> = stacks.iter().map(|(bug, frames)| (*bug, rarity.prepare(frames))).collect();
    let (mut alike, mut other) = (Vec::new(), Vec::new());
    for (at, (bug, one)) in prepared.iter().enumerate() {
        for (their_bug, their) in &prepared[..at] {
            let score = similar::similarity(one, their);
            if bug == their_bug { alike.push(score) } else { other.push(score) }
        }
    }
    println!("  similarity of {} stacks: AUC {:.3}", stacks.len(), area(&alike, &other));
    for bound in [0.5, 0.6, 0.65, 0.7, similar::ALIKE, 0.8, 0.9] {
        let (right, wrong) = (
            alike.iter().filter(|score| **score >= bound).count(),
            other.iter().filter(|score| **score >= bound).count(),
        );
        println!(
            "    from {bound:.2}: precision {:.3}, recall {:.3}",
            share(right, wrong),
            share(right, alike.len() - right)
        );
    }
    // Of groups: those of one bug against those of others.
    let mut groups: BTreeMap<&str, Vec<&Crash>> = BTreeMap::new();
    crashes.iter().for_each(|crash| groups.entry(&crash.fingerprint).or_default().push(crash));
    let groups: Vec<(BTreeSet<&str>, Vec<_>)> = groups
        .values()
        .map(|group| {
            let stacks: BTreeSet<&[String]> = group.iter().map(|crash| crash.frames.as_slice()).collect();
            (
                group.iter().map(|crash| crash.bug.as_str()).collect(),
                stacks.into_iter().map(|stack| rarity.prepare(stack)).collect(),
            )
        })
        .collect();
    let (mut alike, mut other) = (Vec::new(), Vec::new());
    for (at, (bugs, one)) in groups.iter().enumerate() {
        for (their_bugs, their) in &groups[..at] {
            let score = similar::between_groups(one, their);
            if bugs.is_disjoint(their_bugs) { other.push(score) } else { alike.push(score) }
        }
    }
    let right = alike.iter().filter(|score| **score >= similar::ALIKE).count();
    let wrong = other.iter().filter(|score| **score >= similar::ALIKE).count();
    println!(
        "  of {} groups: AUC {:.3}; suggested merges: precision {:.3}, recall {:.3}",
        groups.len(),
        area(&alike, &other),
        share(right, wrong),
        share(right, alike.len() - right)
    );
}

#[test]
#[ignore = "builds programs with g++, clang++ and rustc, and lets them dump core"]
fn bugs_stay_one_however_they_are_built() {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    assert_eq!(pattern.trim(), "core", "cores have to be dumped where programs run");
    let crashes = crashes();
    let of = |language: &str| crashes.iter().filter(|crash| crash.bug.starts_with(language)).collect::<Vec<_>>();
    for language in ["c++", "rust"] {
        let (precision, recall) = measure(&of(language));
        assert!(precision > 0.95 && recall > 0.7, "{language}: {precision} {recall}");
    }
}
