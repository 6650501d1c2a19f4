//! The whole program on fixtures: what holds beyond gdb's answers.

mod common;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

fn json(output: &std::process::Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn core_of(fixture: &str) -> PathBuf {
    common::root().join("tmp/fixtures").join(fixture).join("core")
}

fn scratch(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("program");
    fs::create_dir_all(&directory).unwrap();
    directory.join(name)
}

/// The programs print `function.variable=value` before they die: no value that obit shows may differ.
#[test]
fn values_are_those_that_the_programs_printed() {
    let mut checked = 0;
    let mut wrong = Vec::new();
    for fixture in common::fixtures() {
        let Ok(expected) = fs::read_to_string(common::root().join("tmp/fixtures").join(&fixture).join("expected.txt"))
        else {
            continue;
        };
        let arguments = ["--json", "--locals", "--thread", "all", "--depth", "8", "--frames", "200"];
        let answer = json(&common::obit(&fixture, "bt", &arguments));
        let frames: Vec<&Value> = answer["threads"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|thread| thread["crashed"] == true)
            .flat_map(|thread| thread["frames"].as_array().unwrap())
            .collect();
        for line in expected.lines() {
            let Some((path, truth)) = line.split_once('=') else { continue };
            let mut parts = path.split('.');
            let function = parts.next().unwrap();
            let mut of_function = frames.iter().filter(|frame| frame["function"] == *function);
            let (Some(frame), None) = (of_function.next(), of_function.next()) else { continue };
            let name = parts.next().unwrap_or_default();
            let variables = frame["variables"].as_array().unwrap();
            let mut named = variables.iter().filter(|variable| variable["name"] == *name);
            let (Some(variable), None) = (named.next(), named.next()) else { continue };
            let mut value = &variable["value"];
            for part in parts {
                let fields = value["fields"].as_array();
                value = fields
                    .and_then(|fields| fields.iter().find(|field| field["name"] == *part))
                    .map_or(&Value::Null, |field| &field["value"]);
            }
            let shown = value["int"].as_i64().map(|int| int as f64).or(value["float"].as_f64());
            let (Some(shown), Ok(truth)) = (shown, truth.trim().parse::<f64>()) else { continue };
            checked += 1;
            if (shown - truth).abs() > truth.abs() * 1e-6 {
                wrong.push(format!("{fixture}: {path} was {truth}, obit says {shown}"));
            }
        }
    }
    println!("{checked} values");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked > 100, "only {checked} values were checked");
}

#[test]
fn a_core_without_its_end_still_names_its_modules() {
    let bytes = fs::read(core_of("threads")).unwrap();
    let whole = json(&common::obit("threads", "modules", &["--json"]));
    let names = |answer: &Value| -> Vec<(String, String)> {
        let modules = answer["modules"].as_array().unwrap().iter();
        let named = modules.filter(|module| module["path"] != "[vdso]");
        named.map(|module| (module["path"].to_string(), module["build_id"].to_string())).collect()
    };
    assert!(names(&whole).len() >= 3);
    for percent in [95, 80, 60] {
        let cut = scratch(&format!("threads.{percent}"));
        fs::write(&cut, &bytes[..bytes.len() * percent / 100]).unwrap();
        let answer = json(&common::obit_on(&cut, "threads", "modules", &["--json"]));
        let paths = |answer: &Value| names(answer).into_iter().map(|(path, _)| path).collect::<Vec<_>>();
        assert_eq!(paths(&answer), paths(&whole), "{percent}%");
        let backtrace = json(&common::obit_on(&cut, "threads", "bt", &["--json", "--thread", "all"]));
        for thread in backtrace["threads"].as_array().unwrap() {
            let end = thread["stack_end"].as_str().unwrap();
            assert!(matches!(end, "complete" | "unreadable"), "{percent}%: {end}");
        }
        assert!(
            backtrace["notes"].as_array().unwrap().iter().any(|note| note["code"] == "core-truncated"),
            "{backtrace}"
        );
    }
}

#[test]
fn another_build_is_refused() {
    let answer = json(&common::obit("stale", "bt", &["--json"]));
    let notes = answer["notes"].as_array().unwrap();
    let note = notes.iter().find(|note| note["code"] == "build-id-mismatch").expect("a note says so");
    let frame = &answer["threads"][0]["frames"][0];
    assert!(note["message"].as_str().unwrap().contains(frame["build_id"].as_str().unwrap()));
    assert_eq!(frame["function"], Value::Null);
    assert!(frame["module"].is_string() && frame["module_offset"].is_string());
    let modules = json(&common::obit("stale", "modules", &["--json"]));
    assert!(modules["modules"].as_array().unwrap().iter().any(|module| module["status"] == "mismatch"));
    // Only where it is asked for.
    let forced = json(&common::obit("stale", "bt", &["--json", "--allow-mismatch"]));
    assert!(forced["notes"].as_array().unwrap().iter().any(|note| note["code"] == "mismatched-file"));
}

#[test]
fn compressed_cores_give_the_same_answer() {
    let bytes = fs::read(core_of("c-O2")).unwrap();
    let arguments = ["--json", "--locals"];
    let plain = json(&common::obit("c-O2", "bt", &arguments));
    let gzip = scratch("core.gz");
    let mut encoder = flate2::write::GzEncoder::new(fs::File::create(&gzip).unwrap(), flate2::Compression::fast());
    encoder.write_all(&bytes).unwrap();
    encoder.finish().unwrap();
    let zstd = scratch("core.zst");
    zstd::stream::copy_encode(&bytes[..], fs::File::create(&zstd).unwrap(), 1).unwrap();
    let lz4 = scratch("core.lz4");
    let mut encoder = lz4_flex::frame::FrameEncoder::new(fs::File::create(&lz4).unwrap());
    encoder.write_all(&bytes).unwrap();
    encoder.finish().unwrap();
    for packed in [gzip, zstd, lz4] {
        assert_eq!(json(&common::obit_on(&packed, "c-O2", "bt", &arguments)), plain, "{}", packed.display());
    }
}

#[test]
fn recursion_is_shown_once_and_its_outermost_frames_are_kept() {
    let answer = json(&common::obit("overflow", "bt", &["--json", "--frames", "40"]));
    let thread = &answer["threads"][0];
    let frames = thread["frames"].as_array().unwrap();
    assert_eq!(frames.last().unwrap()["function"], "_start");
    assert!(thread["frames_omitted"].as_u64().unwrap() > 100_000);
    let text = String::from_utf8(common::obit("overflow", "bt", &[]).stdout).unwrap();
    assert!(text.lines().count() < 60, "{text}");
    assert!(text.contains("repeat"), "{text}");
}

/// Files without section headers: symbols by the dynamic section, unwinding by PT_GNU_EH_FRAME.
#[test]
fn files_without_section_headers_name_their_frames() {
    let answer = json(&common::obit("no-sections", "bt", &["--json"]));
    let frames = answer["threads"][0]["frames"].as_array().unwrap();
    let named: Vec<&str> = frames.iter().filter_map(|frame| frame["function"].as_str()).collect();
    assert_eq!(named, ["raise", "abort", "enter", "main", "__libc_start_main", "_start"]);
    assert!(frames.iter().all(|frame| frame["trust"] == "context" || frame["trust"] == "cfi"), "{frames:?}");
}

/// What stood in a block that was dropped hides nothing, and is listed.
#[test]
fn variables_of_dropped_blocks_are_listed() {
    let answer = json(&common::obit("cross-module", "bt", &["--json", "--locals"]));
    let frames = answer["threads"][0]["frames"].as_array().unwrap();
    let frame = frames.iter().find(|frame| frame["function"] == "with_unused_blocks").unwrap();
    let names: Vec<&str> =
        frame["variables"].as_array().unwrap().iter().map(|variable| variable["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["name", "x", "never", "i", "inner"]);
    assert!(frames.iter().any(|frame| frame["function"] == "enter" && frame["tail_call"] == true));
}
