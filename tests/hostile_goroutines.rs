//! Damaged cores of Go programs: what the runtime keeps may be anything, and its answers are marked or missing, but never a
//! panic, a hang or unbounded memory.

mod common;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::hostile::{Random, scratch};
use serde_json::Value;

/// Programs of Go 1.19, 1.23 and 1.27, and whether they keep their debug information.
const TARGETS: &[(&str, bool)] = &[
    ("goroutines", true),
    ("goroutines-1.23", true),
    ("goroutines-old", true),
    ("goroutines", false),
    ("goroutines-1.23", false),
];
const COMMANDS: &[&[&str]] = &[
    &["heap", "types", "--json"],
    &["goroutines", "--sched", "--json"],
    &["goroutines", "--json"],
    &["refs", "--json"],
    &["goroutines", "--system"],
    &["locks", "--json"],
    &["analyze", "--json"],
];
const TIME: Duration = Duration::from_secs(60);

/// The program, or a copy in which no section is named as debug information is.
fn executable(fixture: &str, has_debug_information: bool, kind: &str) -> PathBuf {
    let whole = common::root().join("tmp/fixtures").join(fixture).join(fixture);
    if has_debug_information {
        return whole;
    }
    let stripped = scratch(&format!("{fixture}.stripped.{kind}"));
    common::rename_sections(&whole, &stripped, b".debug_", b".bygone");
    stripped
}

/// Runs a command on a core and checks how it ended.
fn check(what: &str, core: &Path, executable: &Path, command: &[&str], object: &str) {
    let answer = scratch(&format!("{}.out", core.file_name().unwrap().to_str().unwrap()));
    let mut arguments: Vec<&OsStr> = vec![command[0].as_ref(), core.as_ref()];
    arguments.extend(command[1..].iter().map(OsStr::new));
    arguments.extend([OsStr::new("--sysroot"), common::root().as_ref(), OsStr::new("--exe"), executable.as_ref()]);
    if command[0] == "refs" {
        arguments.extend([OsStr::new("--"), OsStr::new(object)]);
    }
    let status = common::hostile::run(what, &arguments, TIME, &answer, None);
    assert!(matches!(status.code(), Some(0..=2)), "{what}: {command:?} on {}: {status}", core.display());
    if status.code() == Some(0) && command.contains(&"--json") {
        let bytes = fs::read(&answer).unwrap();
        let parsed: Result<Value, _> = serde_json::from_slice(&bytes);
        assert!(parsed.is_ok(), "{what}: {command:?} on {}: {:?}", core.display(), parsed.err());
    }
}

/// A pointer that the core holds to something in it.
fn some_pointer(core: &[u8], words: &[usize], random: &mut Random) -> String {
    for _ in 0..1000 {
        let at = words[random.below(words.len())];
        let word = u64::from_le_bytes(core[at..at + 8].try_into().unwrap());
        if common::offset_in_core(core, word).is_some() {
            return format!("{word:#x}");
        }
    }
    "0xc000000000".to_owned()
}

/// Where words of the heap, the runtime's structures and its variables are in a core: what is not zero, behind the notes.
fn words(core: &[u8]) -> Vec<usize> {
    let from = 8192.min(core.len());
    (from..core.len().saturating_sub(8)).step_by(8).filter(|at| core[*at..*at + 8] != [0; 8]).collect()
}

fn each_target(kind: &str, damage: impl Fn(&str, &[u8], &[usize], &mut Random, usize, &Path) + Sync) {
    common::root();
    std::thread::scope(|scope| {
        for (number, (fixture, has_debug_information)) in TARGETS.iter().enumerate() {
            let damage = &damage;
            scope.spawn(move || {
                let directory = common::root().join("tmp/fixtures").join(fixture);
                let program = executable(fixture, *has_debug_information, kind);
                let bytes = fs::read(directory.join("core")).unwrap();
                let words = words(&bytes);
                let mut random = Random(0x2545_f491_4f6c_dd1d ^ number as u64);
                let object = some_pointer(&bytes, &words, &mut random);
                for round in 0..common::hostile::rounds(COMMANDS.len()) {
                    let damaged = scratch(&format!("{fixture}.{number}.{kind}"));
                    damage(fixture, &bytes, &words, &mut random, round, &damaged);
                    let what = format!("{fixture} ({has_debug_information}), round {round}");
                    check(&what, &damaged, &program, COMMANDS[round % COMMANDS.len()], &object);
                    let _ = fs::remove_file(&damaged);
                }
            });
        }
    });
}

#[test]
fn cut_cores() {
    each_target("cut", |_, bytes, words, random, round, damaged| {
        // Half of the cuts are in the headers and notes, half where the runtime's own are.
        let length = match round % 2 {
            0 => random.below(bytes.len().min(16384)),
            _ => words[random.below(words.len())],
        };
        common::write_with_holes(&bytes[..length], damaged);
    });
}

#[test]
fn cores_with_flipped_bits() {
    each_target("flipped", |_, bytes, words, random, _, damaged| {
        let mut changed = bytes.to_vec();
        for _ in 0..1 + random.below(words.len() / 8) {
            changed[words[random.below(words.len())] + random.below(8)] ^= 1 << random.below(8);
        }
        common::write_with_holes(&changed, damaged);
    });
}

/// Words that are another's: pointers to what is of another kind, lists that come back to themselves, lengths that are
/// addresses.
#[test]
fn cores_with_words_in_other_places() {
    each_target("words", |_, bytes, words, random, _, damaged| {
        let mut changed = bytes.to_vec();
        for _ in 0..1 + random.below(words.len() / 8) {
            let (from, to) = (words[random.below(words.len())], words[random.below(words.len())]);
            changed.copy_within(from..from + 8, to);
        }
        common::write_with_holes(&changed, damaged);
    });
}
