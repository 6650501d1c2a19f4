//! Fingerprints: a bug keeps its own through compilers, levels of optimisation and places in memory; different bugs have
//! different ones; and what a snapshot was given stays.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde_json::Value;

fn directory() -> PathBuf {
    common::root().join("tmp/fixtures/die")
}

fn died(core: &str, arguments: &[&str]) -> std::process::Output {
    let program = core.split_once('.').unwrap().1;
    let mut obit = common::program();
    obit.arg("fingerprint").arg(directory().join("cores").join(core)).arg("--exe").arg(directory().join(program));
    obit.arg("--sysroot").arg(common::root()).args(arguments).output().unwrap()
}

fn json(output: &std::process::Output) -> Value {
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {complaint}"))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn key(answer: &Value) -> String {
    answer["now"]["key"].as_array().unwrap().iter().map(text).collect::<Vec<_>>().join(" < ")
}

/// The bug of a core: its mode, of the language's program.
fn bug(core: &str) -> String {
    let (mode, program) = core.split_once('.').unwrap();
    let language = match program {
        "clang-trap" | "gcc-fortify" | "go-die" => program,
        rust if rust.starts_with("rustc") => "rust",
        cpp if cpp.contains("++") => "c++",
        _ => "c",
    };
    format!("{mode}/{language}")
}

/// Every core's answer.
fn catalogue() -> BTreeMap<String, Value> {
    let entries = fs::read_dir(directory().join("cores")).unwrap();
    let cores: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let (next, answers) = (Mutex::new(cores.iter()), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(core) = next.lock().unwrap().next() else { break };
                    let answer = json(&died(core, &["--json"]));
                    answers.lock().unwrap().insert(core.clone(), answer);
                }
            });
        }
    });
    answers.into_inner().unwrap()
}

/// Bugs of the catalogue that are one to whoever looks at the stack: the same function, for the same reason.
const ONE_STACK: &[&[&str]] = &[
    &["bit-flip/c", "freed-pattern/c", "uninitialised/c", "use-after-free/c"],
    &["divide-overflow/c", "divide/c", "ub-divide/clang-trap"],
    &["free-constant/c", "free-local/c"],
    &["handled/c", "null-read/c"],
    &["freed-link/c", "no-access/c", "non-canonical/c", "wild/c"],
    &["index-in-block/c", "out-of-bounds-member/c"],
    &["null-far-index/c", "null-index/c"],
    &["out-of-bounds/c", "ub-element/clang-trap"],
];

/// Bugs whose stacks differ from build to build: of the function that the handler tail-called its frame is gone and nobody
/// called it; clang unwinds before it gives up; GCC's check is before the call; the loop overwrote its own counter.
const SEVERAL: &[&str] = &["in-handler/c", "noexcept/c++", "null-in-map/c++", "smash-return/c"];

#[test]
fn a_bug_keeps_its_fingerprint_and_others_have_others() {
    let answers = catalogue();
    let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut of_bug: BTreeMap<String, BTreeMap<String, Vec<&str>>> = BTreeMap::new();
    for (core, answer) in &answers {
        let fingerprint = text(&answer["fingerprint"]);
        assert_eq!(fingerprint.len(), 16, "{core}");
        groups.entry(fingerprint.clone()).or_default().insert(bug(core));
        of_bug.entry(bug(core)).or_default().entry(fingerprint).or_default().push(core);
    }
    let largest = |groups: &BTreeMap<String, Vec<&str>>| groups.values().map(Vec::len).max().unwrap_or(0);
    let complete: usize = of_bug.values().map(largest).sum();
    println!("{} cores, {} bugs, {} groups", answers.len(), of_bug.len(), groups.len());
    println!("{complete} cores are in their bug's largest group");
    assert!(answers.len() > 250 && complete + 6 >= answers.len());
    for (bug, groups) in &of_bug {
        let keys = || groups.values().map(|cores| (cores, key(&answers[cores[0]]))).collect::<Vec<_>>();
        assert!(groups.len() == 1 || SEVERAL.contains(&bug.as_str()), "{bug} has several: {:?}", keys());
    }
    for (fingerprint, bugs) in groups {
        // What a handler did is another bug, but one that dies as null-write does once the handler's frame is gone.
        let bugs: BTreeSet<&str> = bugs.iter().map(String::as_str).filter(|bug| *bug != "in-handler/c").collect();
        let is_one = |known: &&[&str]| bugs.iter().all(|bug| known.contains(bug));
        assert!(bugs.len() == 1 || ONE_STACK.iter().any(is_one), "{fingerprint} is of several: {bugs:?}");
    }
}

#[test]
fn every_frame_is_explained() {
    let output = died("unwrap.rustc-O2", &["--explain", "--color", "never"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let line =
        |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}: {text}"));
    assert!(line("fingerprint ").len() == "fingerprint ".len() + 16, "{text}");
    assert_eq!(line("rules"), "rules       version 1");
    assert_eq!(line("made of"), "made of     panic");
    assert!(text.contains("\n            die::take_name\n\nframes of thread "), "{text}");
    let of = |name: &str| {
        text.lines().find(|line| line.contains(name) && line.contains("  ")).unwrap_or_default().to_owned()
    };
    assert!(of(" core::panicking::panic ").ends_with("on top of core::option::unwrap_failed"), "{text}");
    assert!(of(" core::option::unwrap_failed ").ends_with("sentinel: it ended the program"), "{text}");
    assert!(text.lines().any(|line| line.starts_with("  +") && line.ends_with("own function 1")), "{text}");
    assert!(of(" die::main ").ends_with("entry"), "{text}");
}

#[test]
fn a_users_rules_are_named_and_hold() {
    let rules = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mine.toml");
    fs::write(&rules, "version = 7\napplication_is_part = true\n[classes]\nassertion = 'abort'\n").unwrap();
    let usual = json(&died("assert.gcc-O0", &["--json"]));
    let own = json(&died("assert.gcc-O0", &["--json", "--rules", rules.to_str().unwrap()]));
    assert_eq!((text(&usual["rules"]), key(&usual)), ("1".to_owned(), "assertion < check".to_owned()));
    assert_eq!((text(&own["rules"]), key(&own)), ("1+7".to_owned(), "abort < gcc-O0 < check".to_owned()));
    fs::write(&rules, "prefixs = []\n").unwrap();
    let wrong = died("assert.gcc-O0", &["--rules", rules.to_str().unwrap()]);
    assert_eq!(wrong.status.code(), Some(2));
    let complaint = String::from_utf8(wrong.stderr).unwrap();
    assert!(complaint.contains("mine.toml") && complaint.contains("prefixs"), "{complaint}");
}

/// The file with rules of the user's own, and what became of the fingerprint that a snapshot was taken with.
#[test]
fn a_snapshot_stays_in_its_group() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fingerprint-home");
    fs::create_dir_all(directory.join("obit")).unwrap();
    let file = directory.join("crash.obit");
    let core = json(&died("double-free.gcc-O2", &["--json"]));
    let mut obit = common::program();
    obit.arg("snapshot").arg(self::directory().join("cores/double-free.gcc-O2")).arg("--sysroot").arg(common::root());
    obit.arg("--exe").arg(self::directory().join("gcc-O2")).arg("-o").arg(&file);
    assert!(obit.output().unwrap().status.success());
    let ask = |command: &str, config: &Path, arguments: &[&str]| {
        let mut obit = common::program();
        obit.env("XDG_CONFIG_HOME", config).arg(command).arg(&file).arg("--json").args(arguments);
        json(&obit.output().unwrap())
    };
    let nowhere = Path::new("/nonexistent");
    let taken = ask("fingerprint", nowhere, &[]);
    assert_eq!(taken["stored"], true);
    for field in ["fingerprint", "stack_hash", "rules"] {
        assert_eq!(taken[field], core[field], "{field}");
        assert_eq!(taken["now"][field], core["now"][field], "computed anew: {field}");
    }
    assert_eq!(taken["now"]["frames"], core["now"]["frames"]);
    fs::write(directory.join("obit/fingerprint.toml"), "version = 'new'\nclasses = { double-free = 'memory' }\n")
        .unwrap();
    let later = ask("fingerprint", &directory, &[]);
    assert_eq!((&later["fingerprint"], &later["rules"]), (&core["fingerprint"], &core["rules"]));
    assert_eq!(later["now"]["rules"], "1+new");
    assert_ne!(later["now"]["fingerprint"], core["fingerprint"]);
    let anew = ask("fingerprint", &directory, &["--anew"]);
    assert_eq!((&anew["stored"], &anew["fingerprint"]), (&Value::from(false), &later["now"]["fingerprint"]));
    let info = ask("info", &directory, &[]);
    assert_eq!(info["capture"]["fingerprint"], core["fingerprint"]);
    assert_eq!(info["capture"]["fingerprint_rules"], "1");
    // A snapshot of the snapshot is of the same crash.
    let again = directory.join("again.obit");
    let mut obit = common::program();
    obit.env("XDG_CONFIG_HOME", &directory).arg("snapshot").arg(&file).arg("-o").arg(&again);
    assert!(obit.output().unwrap().status.success());
    let bytes = fs::read(&again).unwrap();
    let header = serde_json::Deserializer::from_slice(&bytes[512..]).into_iter::<Value>().next().unwrap().unwrap();
    assert_eq!(header["fingerprint"], core["fingerprint"]);
    assert_eq!(header["frames"], core["now"]["stack"]);
    assert_eq!((&header["frames"][0], &header["frames"][1]), (&Value::from("free"), &Value::from("free_twice")));
}

#[test]
fn a_process_that_runs_has_none() {
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(100));
    let output = common::program().arg("fingerprint").arg(format!("pid:{}", child.id())).output().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no crash to group"));
}

#[test]
fn a_session_answers_as_the_command_line_does() {
    let (answer, complaint, status) = common::fixture_session("divide", &["fingerprint"]);
    let output = common::obit("divide", "fingerprint", &[]);
    assert_eq!((answer, status), (String::from_utf8(output.stdout).unwrap(), 0), "{complaint}");
}
