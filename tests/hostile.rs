//! Damaged cores and programs: an answer or a clear error, never a panic, a hang or unbounded memory.

mod common;

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::time::Duration;

use common::hostile::{Random, scratch};

/// Fixtures that are small and differ in kind.
const FIXTURES: &[&str] = &[
    "c-O0",
    "c-O2",
    "c-clang-O2",
    "c-dwarf2",
    "cpp-type-units5",
    "opt-O2",
    "i386-O2",
    "aarch64-O2",
    "gz-zstd",
    "split",
    "threads",
    "rust-debug",
];
const TIME: Duration = Duration::from_secs(30);

/// Damages of each kind a fixture suffers.
fn rounds() -> usize {
    common::hostile::rounds(14)
}

/// Runs a command under bounds of memory and time, and checks how it ended.
fn check(what: &str, core: &Path, executable: &Path, command: &[&str]) {
    let answer = scratch(&format!("{}.out", core.file_name().unwrap().to_str().unwrap()));
    let mut arguments: Vec<&OsStr> = vec![command[0].as_ref(), core.as_ref()];
    arguments.extend(command[1..].iter().map(|argument| OsStr::new(*argument)));
    arguments.extend([OsStr::new("--sysroot"), common::root().as_ref(), OsStr::new("--exe"), executable.as_ref()]);
    let status = common::hostile::run(what, &arguments, TIME, &answer, None);
    assert!(matches!(status.code(), Some(0..=2)), "{what}: {command:?} on {}: {status}", core.display());
    if status.code() == Some(0) && command.contains(&"--json") {
        let bytes = fs::read(&answer).unwrap();
        let parsed: Result<serde_json::Value, _> = serde_json::from_slice(&bytes);
        assert!(parsed.is_ok(), "{what}: {command:?} on {}: {:?}", core.display(), parsed.err());
    }
}

const BACKTRACE: &[&str] = &["bt", "--json", "--locals", "--thread", "all"];
const OTHERS: &[&[&str]] = &[
    &["modules", "--json"],
    &["info", "--json"],
    &["threads", "--json"],
    &["maps", "--json"],
    &["registers", "--json"],
    &["bt", "--locals"],
    &["snapshot", "--json", "-o", concat!(env!("CARGO_TARGET_TMPDIR"), "/hostile-taken.obit")],
];

fn each_fixture(check_one: impl Fn(&str, &Path, &Path, &mut Random) + Sync) {
    common::root();
    std::thread::scope(|scope| {
        for (number, fixture) in FIXTURES.iter().enumerate() {
            let check_one = &check_one;
            scope.spawn(move || {
                let directory = common::root().join("tmp/fixtures").join(fixture);
                let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ number as u64);
                check_one(fixture, &directory.join("core"), &directory.join(fixture), &mut random);
            });
        }
    });
}

#[test]
fn cut_cores() {
    each_fixture(|fixture, core, executable, random| {
        let bytes = fs::read(core).unwrap();
        let damaged = scratch(&format!("{fixture}.cut"));
        // Headers and notes are at the start: half of the cuts are there.
        for round in 0..rounds() {
            let limit = if round % 2 == 0 { bytes.len().min(8192) } else { bytes.len() };
            let length = random.below(limit);
            fs::write(&damaged, &bytes[..length]).unwrap();
            check(&format!("{fixture} cut at {length}"), &damaged, executable, BACKTRACE);
            check(&format!("{fixture} cut at {length}"), &damaged, executable, OTHERS[round % OTHERS.len()]);
        }
    });
}

#[test]
fn cores_with_flipped_bits() {
    each_fixture(|fixture, core, executable, random| {
        let bytes = fs::read(core).unwrap();
        let damaged = scratch(&format!("{fixture}.flip"));
        for round in 0..rounds() {
            let mut changed = bytes.clone();
            let limit = if round % 2 == 0 { bytes.len().min(8192) } else { bytes.len() };
            for _ in 0..1 + random.below(20) {
                let at = random.below(limit);
                changed[at] ^= 1 << random.below(8);
            }
            fs::write(&damaged, &changed).unwrap();
            check(&format!("{fixture} flipped, round {round}"), &damaged, executable, BACKTRACE);
            check(&format!("{fixture} flipped, round {round}"), &damaged, executable, OTHERS[round % OTHERS.len()]);
        }
    });
}

#[test]
fn programs_with_flipped_bits() {
    each_fixture(|fixture, core, executable, random| {
        let bytes = fs::read(executable).unwrap();
        let damaged = scratch(&format!("{fixture}.program"));
        let core_copy = scratch(&format!("{fixture}.core"));
        fs::copy(core, &core_copy).unwrap();
        for round in 0..rounds() {
            let mut changed = bytes.clone();
            // The first page has the identity: damage there only makes it another file. Debug sections follow.
            for _ in 0..1 + random.below(200) {
                let at = 4096 + random.below(bytes.len().saturating_sub(4096));
                changed[at.min(bytes.len() - 1)] ^= 1 << random.below(8);
            }
            fs::write(&damaged, &changed).unwrap();
            check(&format!("{fixture} program, round {round}"), &core_copy, &damaged, BACKTRACE);
        }
    });
}
