//! Snapshots answer as the core does, without the core and without the binaries.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

fn directory() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("snapshots");
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// A snapshot of a fixture.
fn take(fixture: &str, name: &str, arguments: &[&str]) -> (PathBuf, Value) {
    let file = directory().join(format!("{name}.obit"));
    let mut all = vec!["-o", file.to_str().unwrap(), "--json"];
    all.extend_from_slice(arguments);
    let output = common::obit(fixture, "snapshot", &all);
    assert!(output.status.success(), "{fixture}: {}", String::from_utf8_lossy(&output.stderr));
    (file, serde_json::from_slice(&output.stdout).unwrap())
}

/// Asks a snapshot, with no other file at hand.
fn ask(snapshot: &Path, command: &str, arguments: &[&str]) -> Output {
    let mut obit = common::program();
    obit.arg(command).arg(snapshot).args(arguments).current_dir(directory()).output().unwrap()
}

/// What is answered beside the notes and gaps, which speak of files.
fn answer(output: &Output) -> Value {
    let mut document: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let document_object = document.as_object_mut().unwrap();
    document_object.remove("notes");
    document_object.remove("late_notes");
    document_object.remove("gaps");
    document
}

/// Where two documents differ first.
fn difference(one: &Value, other: &Value, path: &str) -> Option<String> {
    if one == other {
        return None;
    }
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let keys = one.keys().chain(other.keys());
            keys.into_iter().find_map(|key| {
                let (one, other) = (one.get(key).unwrap_or(&Value::Null), other.get(key).unwrap_or(&Value::Null));
                difference(one, other, &format!("{path}.{key}"))
            })
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            let pairs = one.iter().zip(other).enumerate();
            pairs.into_iter().find_map(|(index, (one, other))| difference(one, other, &format!("{path}[{index}]")))
        }
        _ => Some(format!("{path}: {one} on the core, {other} on the snapshot")),
    }
}

#[test]
fn snapshots_answer_as_their_cores() {
    let questions: &[(&str, &[&str])] = &[
        ("bt", &["--thread", "all", "--locals", "--json"]),
        ("bt", &["--thread", "all", "--locals", "--raw", "--json"]),
        ("threads", &["--json"]),
        ("registers", &["--json"]),
        ("maps", &["--json"]),
        ("stacks", &["--json"]),
        ("locks", &["--json"]),
        ("analyze", &["--json"]),
    ];
    let mut wrong = Vec::new();
    let fixtures = common::fixtures();
    assert!(fixtures.len() > 80);
    for fixture in &fixtures {
        // What is masked is another test's.
        let (file, _) = take(fixture, fixture, &["--no-redaction"]);
        for (command, arguments) in questions {
            let core = answer(&common::obit(fixture, command, arguments));
            let snapshot = answer(&ask(&file, command, arguments));
            if let Some(difference) = difference(&core, &snapshot, command) {
                wrong.push(format!("{fixture}: {difference}"));
            }
        }
        fs::remove_file(file).unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Frames and variables of two backtraces, and how many of each are equal: (frames, equal, variables, equal).
fn equal_share(core: &Value, snapshot: &Value) -> (usize, usize, usize, usize) {
    let empty = Vec::new();
    let list = |value: &Value, key: &str| value[key].as_array().unwrap_or(&empty).clone();
    let mut counts = (0, 0, 0, 0);
    let (threads, kept) = (list(core, "threads"), list(snapshot, "threads"));
    for (number, thread) in threads.iter().enumerate() {
        let frames = kept.get(number).map(|thread| list(thread, "frames")).unwrap_or_default();
        for (index, frame) in list(thread, "frames").iter().enumerate() {
            let other = frames.get(index).cloned().unwrap_or_default();
            counts.0 += 1;
            counts.1 += usize::from((&frame["pc"], &frame["function"]) == (&other["pc"], &other["function"]));
            let variables = list(&other, "variables");
            for (place, variable) in list(frame, "variables").iter().enumerate() {
                counts.2 += 1;
                counts.3 += usize::from(variables.get(place) == Some(variable));
            }
        }
    }
    counts
}

/// A large core, of more threads than a budget has room for: every frame and 99 of 100 variables are as on the core.
///
/// `OBIT_LARGE_CORE=core OBIT_LARGE_EXE=program cargo test --test snapshots -- --ignored --nocapture`
#[test]
#[ignore = "needs a large core in OBIT_LARGE_CORE, and its program in OBIT_LARGE_EXE"]
fn a_large_core_s_locals_are_kept() {
    let given = |name: &str| std::env::var_os(name).unwrap_or_else(|| panic!("{name} is not set"));
    let (core, exe) = (given("OBIT_LARGE_CORE"), given("OBIT_LARGE_EXE"));
    let file = directory().join("large.obit");
    let ask = |arguments: &[&str]| {
        let mut obit = common::program();
        let output = obit.args(&arguments[..1]).arg(&core).arg("--exe").arg(&exe).args(&arguments[1..]).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        answer(&output)
    };
    let taken = ask(&["snapshot", "--no-redaction", "--json", "-o", file.to_str().unwrap()]);
    let questions = ["--thread", "all", "--locals", "--json"];
    let whole = ask(&[&["bt"][..], &questions].concat());
    let output = self::ask(&file, "bt", &questions);
    let (frames, same_frames, variables, same_variables) = equal_share(&whole, &answer(&output));
    println!("{taken}\nframes: {same_frames} of {frames}; variables: {same_variables} of {variables}");
    assert_eq!(same_frames, frames);
    assert!(same_variables * 100 >= variables * 99, "{same_variables} of {variables}");
}

#[test]
fn own_classes_have_their_methods() {
    let (file, _) = take("cpp-O2", "methods", &["--no-redaction"]);
    for class in ["zoo::Members", "zoo::Diamond", "zoo::Holder<int, 3>"] {
        let core = common::obit("cpp-O2", "ptype", &[class]);
        let snapshot = ask(&file, "ptype", &[class]);
        let text = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(text(&snapshot), text(&core), "{}", String::from_utf8_lossy(&snapshot.stderr));
        assert!(
            class == "zoo::Holder<int, 3>"
                || text(&core).contains("int speak(int)")
                || text(&core).contains("int method(int)")
        );
    }
    // Those of a library are too many, and it is said that they are missing.
    let text = String::from_utf8(ask(&file, "ptype", &["std::string"]).stdout).unwrap();
    assert!(text.contains("_M_string_length;") && text.contains("/* its methods are not in the snapshot */"), "{text}");
}

#[test]
fn source_lines_go_along() {
    let core = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/demo/core.zst");
    let demo = core.with_file_name("demo");
    let file = directory().join("sources.obit");
    let mut obit = common::program();
    obit.current_dir(env!("CARGO_MANIFEST_DIR")).arg("snapshot").arg(core).arg("--exe").arg(demo).arg("-o").arg(&file);
    assert!(obit.status().unwrap().success());
    let text = String::from_utf8(ask(&file, "bt", &[]).stdout).unwrap();
    assert!(text.contains("37\t    return sum * (1 - order->customer->discount);"), "{text}");
    let list = String::from_utf8(ask(&file, "list", &[]).stdout).unwrap();
    assert!(list.contains("   37 > ") && list.lines().count() == 11, "{list}");
}

#[test]
fn the_header_is_one_small_read() {
    let (file, taken) = take("threads", "header", &["--attr", "version=1.2", "--attr", "tier=web"]);
    let bytes = fs::read(&file).unwrap();
    assert_eq!(taken["bytes"], bytes.len());
    assert_eq!(taken["schema"], "obit.snapshot-taken/1");
    // What any tar lists: the first member is the header, and it is plain JSON.
    assert_eq!(&bytes[..10], b"obit.json\0");
    let size = usize::from_str_radix(std::str::from_utf8(&bytes[124..135]).unwrap(), 8).unwrap();
    assert!(size < 4096, "{size}");
    let header: Value = serde_json::from_slice(&bytes[512..512 + size]).unwrap();
    assert_eq!(header["schema"], "obit.snapshot/1");
    assert_eq!(header["signal"]["name"], "SIGSEGV");
    assert_eq!(header["attributes"]["version"], "1.2");
    assert_eq!(header["capture"]["threads"], taken["threads"]);
    let info = answer(&ask(&file, "info", &["--json"]));
    assert_eq!(info["attributes"]["tier"], "web");
    assert_eq!(info["capture"]["left_out"], taken["left_out"]);
    assert_eq!(info["capture"]["bytes"], bytes.len());
}

#[test]
fn a_truncated_file_gives_what_it_holds() {
    let (file, _) = take("cpp-O2", "cut", &[]);
    let bytes = fs::read(&file).unwrap();
    let cut = directory().join("cut-off.obit");
    let whole = answer(&ask(&file, "bt", &["--json"]));
    let mut answered = 0;
    for tenths in 1..10 {
        fs::write(&cut, &bytes[..bytes.len() * tenths / 10]).unwrap();
        let output = ask(&cut, "bt", &["--json"]);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.code() {
            Some(0) => {
                // The threads and their pcs are in the core, which comes first.
                let partial = answer(&output);
                assert_eq!(partial["threads"][0]["lwp"], whole["threads"][0]["lwp"]);
                assert_eq!(partial["threads"][0]["frames"][0]["pc"], whole["threads"][0]["frames"][0]["pc"]);
                answered += 1;
            }
            Some(2) => assert!(error.contains("cut-off.obit"), "{error}"),
            status => panic!("{status:?}: {error}"),
        }
    }
    assert!(answered >= 3, "{answered}");
}

#[test]
fn damage_is_said() {
    let (file, _) = take("c-O2", "damaged", &[]);
    let bytes = fs::read(&file).unwrap();
    let broken = directory().join("broken.obit");
    for at in (600..bytes.len()).step_by(97) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x55;
        fs::write(&broken, &changed).unwrap();
        let output = ask(&broken, "bt", &["--locals", "--json"]);
        assert!(matches!(output.status.code(), Some(0 | 2)), "byte {at}: {:?}", output.status);
    }
    let mut changed = bytes.clone();
    // In the part behind the layout: the core.
    let core = bytes.windows(9).rposition(|name| name == b"core.zst\0").unwrap();
    changed[core + 600] ^= 1;
    fs::write(&broken, &changed).unwrap();
    let output = ask(&broken, "bt", &[]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    assert!(error.contains("part core.zst is damaged (its checksum differs)"), "{error}");
}

/// A core of a thousand threads is written with words relative to their addresses (version 2 of the format).
#[test]
fn a_core_of_many_threads_is_a_core_too() {
    let (file, taken) = take("locks-many", "many", &[]);
    let bytes = fs::read(&file).unwrap();
    assert!(memchr::memmem::find(&bytes, b"\"schema\": \"obit.snapshot/2\"").is_some());
    assert!(memchr::memmem::find(&bytes, b"core.relative.zst\0").is_some());
    assert!(taken["bytes"].as_u64() < Some(100_000), "{taken}");
    let core = directory().join("many.core");
    let output = ask(&file, "export", &["--core", "-o", core.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let questions: &[&str] = &["--thread", "all", "--locals", "--json"];
    let whole = answer(&common::obit("locks-many", "bt", questions));
    let exported = answer(&common::obit_on(&core, "locks-many", "bt", questions));
    assert_eq!(difference(&whole, &exported, "bt"), None);
    // What a cut leaves is used.
    let cut = directory().join("many-cut.obit");
    let core_at = memchr::memmem::find(&bytes, b"core.relative.zst\0").unwrap();
    let mut answered = 0;
    for twentieths in 1..20 {
        fs::write(&cut, &bytes[..core_at + (bytes.len() - core_at) * twentieths / 20]).unwrap();
        let output = ask(&cut, "threads", &["--json"]);
        match output.status.code() {
            Some(0) => {
                assert_eq!(answer(&output)["threads"].as_array().unwrap().len(), 1001);
                answered += 1;
            }
            status => assert_eq!(status, Some(2), "{}", String::from_utf8_lossy(&output.stderr)),
        }
    }
    assert!(answered >= 3, "{answered}");
}

#[test]
fn the_core_inside_is_a_core() {
    let (file, _) = take("threads", "export", &[]);
    let core = directory().join("exported.core");
    let output = ask(&file, "export", &["--core", "-o", core.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let questions: &[&str] = &["--thread", "all", "--locals", "--json"];
    let whole = answer(&common::obit("threads", "bt", questions));
    let exported = answer(&common::obit_on(&core, "threads", "bt", questions));
    assert_eq!(difference(&whole, &exported, "bt"), None);
    let output = common::obit("threads", "export", &["--core", "-o", "/nonexistent/core"]);
    assert_eq!(output.status.code(), Some(2));
}

/// What each released version of the format wrote: one committed file, and the fixture whose core it was taken from.
const VERSIONS: &[(&str, &str)] =
    &[("snapshot-1/context.obit", "context"), ("snapshot-2/locks-many.obit", "locks-many")];

#[test]
fn every_version_of_the_format_stays_readable() {
    for (file, fixture) in VERSIONS {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(file);
        for (command, questions) in [("bt", &["--thread", "all", "--locals", "--json"][..]), ("locks", &["--json"])] {
            let whole = answer(&common::obit(fixture, command, questions));
            let kept = answer(&ask(&file, command, questions));
            assert_eq!(difference(&whole, &kept, command), None, "{}", file.display());
        }
        // The version that its directory is named after.
        let version = file.parent().unwrap().file_name().unwrap().to_str().unwrap().replace('-', "/");
        let header = &fs::read(&file).unwrap()[..4096];
        assert!(memchr::memmem::find(header, format!("\"obit.{version}\"").as_bytes()).is_some(), "{}", file.display());
    }
}

#[test]
fn classes_say_what_they_are() {
    let (file, _) = take("cpp-O0", "classes", &[]);
    let lines =
        ["-q", "-nx", "-ex", "frame function zoo::operator+", "-ex", "info vtbl as_base", "-ex", "p typeid(as_base)"];
    let snapshot = common::program().arg(&file).args(lines).output().unwrap();
    let (core, _, status) = common::fixture_session("cpp-O0", &[lines[3], lines[5], lines[7]]);
    assert_eq!(status, 0);
    assert!(
        core.contains("\nvtable for 'zoo::Diamond' @ ") && core.contains("<typeinfo name for zoo::Diamond>"),
        "{core}"
    );
    assert_eq!(String::from_utf8(snapshot.stdout).unwrap(), core);
}
