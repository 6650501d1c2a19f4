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

fn info(target: &Path) -> Value {
    let output = ask(target, "info", &["--json"]);
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn info_of_core(fixture: &str) -> Value {
    serde_json::from_slice(&common::obit(fixture, "info", &["--json"]).stdout).unwrap()
}

#[test]
fn programs_say_their_attributes() {
    let check = |fixture: &str, expected: Value| {
        assert_eq!(info_of_core(fixture)["attributes"], expected, "{fixture}");
        let file = take(fixture, &format!("{fixture}-attributes"), &["--attr", "tier=batch"]);
        let mut expected = expected;
        expected["tier"] = "batch".into();
        assert_eq!(info(&file)["attributes"], expected, "{fixture}");
    };
    let of_c = serde_json::json!(
        {"request": "GET /orders/17", "build": "2026-11-26", "version": "1.4.2", "tier": "web"});
    check("context", of_c.clone());
    check("context-nopie", of_c);
    check("context-rust", serde_json::json!({"version": "3.0.1", "channel": "beta"}));
    check("context-go", serde_json::json!({"version": "0.9.0", "region": "eu-"}));
    let text = text(&common::obit("context", "info", &[]));
    assert!(
        text.contains("attributes     build=2026-11-26, request=GET /orders/17, tier=web, version=1.4.2\n"),
        "{text}"
    );
    assert_eq!(info_of_core("c-O2")["attributes"], serde_json::json!({}));
}

#[test]
fn text_that_was_not_written_is_shown() {
    for fixture in ["context", "context-nopie"] {
        let on_core = info_of_core(fixture)["environment"]["unwritten"].clone();
        let streams = on_core.as_array().unwrap();
        assert_eq!(streams.len(), 2, "{on_core}");
        assert_eq!(streams[0]["text"], "still in the buffer\n");
        assert_eq!(streams[1]["descriptor"], 1);
        assert_eq!(streams[1]["text"], "first line\nlast words on stdout");
        assert_eq!(info(&take(fixture, &format!("{fixture}-stdio"), &[]))["environment"]["unwritten"], on_core);
    }
    // musl wrote the first line; its list of streams begins with what was opened last.
    let of_musl = info_of_core("context-musl")["environment"]["unwritten"].clone();
    assert_eq!(of_musl[0]["descriptor"], 1);
    assert_eq!(of_musl[0]["text"], "last words on stdout");
    assert_eq!(of_musl[1]["text"], "still in the buffer\n");
    assert_eq!(of_musl.as_array().unwrap().len(), 2, "{of_musl}");
    let text = text(&common::obit("context", "info", &[]));
    assert!(text.contains("unwritten      standard output, 31 B:\n               first line\n"), "{text}");
    // Its output is a terminal's or written: nothing is left.
    assert_eq!(info_of_core("c-O2")["environment"].get("unwritten"), None);
}

#[test]
fn logs_go_along_by_their_last_lines() {
    let log = directory().join("service.log");
    let lines: String = (0..4000).map(|number| format!("line {number}: token=log{number}Zq7Secret ok\n")).collect();
    fs::write(&log, &lines).unwrap();
    let file = take("c-O2", "logs", &["--log", log.to_str().unwrap()]);
    let kept = &info(&file)["environment"]["logs"][0];
    assert_eq!(kept["size"], lines.len());
    let tail = kept["text"].as_str().unwrap();
    assert!(tail.len() <= 64 << 10 && tail.starts_with("line ") && tail.ends_with(" ok\n"), "{tail}");
    assert!(tail.contains("line 3999: token=**************** ok") && !tail.contains("Zq7"), "{tail}");
    let text = text(&ask(&file, "info", &[]));
    assert!(text.contains("\n               line 3999: token=**************** ok"), "{text}");
    let missing = common::obit("c-O2", "snapshot", &["-o", "/dev/null", "--log", "/nonexistent/log"]);
    assert_eq!(missing.status.code(), Some(2));
}

/// Every part of the file but the source lines, decompressed, in one.
fn content(file: &Path) -> Vec<u8> {
    parts(file, false)
}

fn parts(file: &Path, with_sources: bool) -> Vec<u8> {
    let bytes = fs::read(file).unwrap();
    let mut all = Vec::new();
    let mut archive = tar::Archive::new(bytes.as_slice());
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        if !with_sources && entry.path_bytes().starts_with(b"sources") {
            continue;
        }
        let mut part = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut part).unwrap();
        if entry.path_bytes().ends_with(b".zst") {
            part = zstd::stream::decode_all(part.as_slice()).unwrap();
        }
        all.extend(part);
    }
    all
}

fn holds(content: &[u8], text: &str) -> bool {
    [1, 2, 4].into_iter().any(|stride| {
        let wide = text.bytes().flat_map(|byte| std::iter::once(byte).chain(std::iter::repeat_n(0, stride - 1)));
        let wide: Vec<u8> = wide.collect();
        memchr::memmem::find(content, &wide).is_some()
    })
}

const SECRETS: &[&str] = &[
    "Zq7Secret",
    "ZQ7SECRET",
    "4111 1111 1111 1111",
    // The token's own, encoded.
    "eyJacTdTZWNyZXQ",
];

#[test]
fn no_secret_is_in_the_file() {
    let every: &[&str] = &["--expr", "connection", "--expr", "card"];
    for (fixture, asked) in [("context-secrets", every), ("context-rust", &[]), ("context-go", &[])] {
        let open = content(&take(fixture, &format!("{fixture}-open"), &[asked, &["--no-redaction"]].concat()));
        assert!(holds(&open, "Zq7Secret"), "{fixture}");
        let file = take(fixture, &format!("{fixture}-masked"), asked);
        let masked = parts(&file, true);
        for secret in SECRETS {
            assert!(!holds(&masked, secret), "{fixture}: {secret}");
        }
        assert!(info(&file)["capture"]["left_out"]["secrets"].as_u64() > Some(2), "{fixture}");
    }
    let file = take("context-secrets", "context-secrets-kept", every);
    let kept = content(&file);
    // What is no secret stays; lengths stay.
    assert!(holds(&kept, "plain words stay") && holds(&kept, "password=*****************"));
    let environment = &info(&file)["environment"];
    assert_eq!(environment["command_line"][2], "*".repeat("arg9Zq7SecretArgument".len()));
    let variables = environment["variables"].as_array().unwrap();
    let value = |name: &str| &variables.iter().find(|variable| variable["name"] == name).unwrap()["value"];
    assert_eq!((value("BACKEND"), value("HOME")), (&Value::Null, &"/root".into()));
}

/// A frame's variables by name.
fn locals(file: &Path, function: &str) -> Value {
    let output = ask(file, "bt", &["--locals", "--json"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let frames = document["threads"][0]["frames"].as_array().unwrap().clone();
    let frame = frames.into_iter().find(|frame| frame["function"].as_str().is_some_and(|it| it.starts_with(function)));
    frame.unwrap_or_else(|| panic!("{document}"))["variables"].clone()
}

#[test]
fn scalars_are_left_out_on_request() {
    let file = take("context-secrets", "scalars", &["--redact", "scalars"]);
    let kept = content(&file);
    for text in ["plain words stay", "postgres", "Authorization"] {
        assert!(!holds(&kept, text), "{text}");
    }
    assert!(!kept.windows(4).any(|bytes| bytes == 31337u32.to_le_bytes()), "a number is in the file");
    let variables = locals(&file, "serve");
    let text = variables.to_string();
    // Lengths and shapes are there; what is in them is absent, not wrong.
    assert!(text.contains("\"length\":3"), "{text}");
    assert!(text.contains("\"why\":\"not-saved\"") && !text.contains("31337"), "{text}");
    let info = info(&file);
    assert!(info["capture"]["left_out"]["scalar-bytes"].as_u64() > Some(100), "{info}");
}

#[test]
fn text_is_left_out_on_request() {
    let file = take("context-secrets", "strings", &["--no-strings"]);
    let kept = content(&file);
    for text in ["plain words stay", "postgres", "Authorization", "dsn7"] {
        assert!(!holds(&kept, text), "{text}");
    }
    // Numbers stay.
    let text = locals(&file, "serve").to_string();
    assert!(text.contains("31337") && text.contains("2.5") && text.contains("****"), "{text}");
}

#[test]
fn the_heap_is_left_out_on_request() {
    let file = take("context-secrets", "heap", &["--no-heap", "--no-redaction", "--global", "connection"]);
    let kept = content(&file);
    assert!(!holds(&kept, "hea3Zq7SecretHeap") && holds(&kept, "glob1Zq7SecretGlobal"));
    // On the stack: what is in the object itself.
    let text = locals(&file, "serve").to_string();
    assert!(text.contains("31337") && text.contains("\"why\":\"not-saved\""), "{text}");
    assert!(info(&file)["capture"]["left_out"]["heap-bytes"].as_u64() > Some(100));
}
