//! Real cores from other projects' test suites, with the answers that others wrote for them.
//!
//! They are not part of this repository: `OBIT_CASES` names a directory that holds, by group, one directory a case
//! (`dexter/NAME`, `rust-debuginfo/NAME`, `lldb/NAME`, `go-delve/NAME`); without it they may lie beside the package, in
//! `../shared/cases`. Where neither is there the test says that it is skipped.

mod common;
#[path = "common/traceback.rs"]
mod traceback;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

fn cases(group: &str) -> Option<Vec<PathBuf>> {
    let beside = || Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/cases")).filter(|path| path.is_dir());
    let Some(root) = std::env::var_os("OBIT_CASES").map(PathBuf::from).or_else(beside) else {
        println!("{group}: skipped, as OBIT_CASES names no directory of cases");
        return None;
    };
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cases").join(group);
    let mut found = Vec::new();
    for case in fs::read_dir(root.join(group)).unwrap() {
        let case = case.unwrap();
        let to = to.join(case.file_name());
        fs::create_dir_all(&to).unwrap();
        for file in fs::read_dir(case.path()).unwrap() {
            let file = file.unwrap();
            let name = file.file_name().into_string().unwrap();
            let bytes = fs::read(file.path()).unwrap();
            match name.strip_suffix(".zst") {
                Some(name) => {
                    let mut reader = zstd::Decoder::new(&bytes[..]).unwrap();
                    common::copy_with_holes(&mut reader, &mut fs::File::create(to.join(name)).unwrap());
                }
                None => fs::write(to.join(name), bytes).unwrap(),
            }
        }
        found.push(to);
    }
    found.sort();
    Some(found)
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn obit(command: &str, core: &Path, executable: &Path, arguments: &[&str]) -> String {
    let output =
        common::program().arg(command).arg(core).arg("--exe").arg(executable).args(arguments).output().unwrap();
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    if text.is_empty() {
        text = String::from_utf8_lossy(&output.stderr).into_owned();
    }
    text.trim_end().to_owned()
}

/// The value in `$1 = value`.
fn printed(text: &str) -> &str {
    text.split_once(" = ").map_or(text, |(_, value)| value)
}

/// `[...]` in `expected` stands for anything.
fn matches(expected: &str, text: &str) -> bool {
    let mut parts = expected.split("[...]");
    let Some(rest) = text.strip_prefix(parts.next().unwrap()) else { return false };
    let mut rest = rest;
    let mut last_was_open = !expected.contains("[...]");
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        last_was_open = !part.is_empty();
    }
    rest.is_empty() || !last_was_open
}

#[test]
fn dexter_expressions() {
    let Some(cases) = cases("dexter") else { return };
    let mut wrong = Vec::new();
    for case in cases {
        for check in read_json(&case.join("expected.json")).as_array().unwrap() {
            let expression = check["var"].as_str().unwrap();
            let core = case.join(check["core"].as_str().unwrap());
            let answer = obit("print", &core, &case.join("exe"), &[expression]);
            let gdb = check["gdb"].as_str().map(printed);
            if printed(&answer) != check["expected"].as_str().unwrap() && Some(printed(&answer)) != gdb {
                wrong.push(format!("{}: {expression}: {answer}, not {}", core.display(), check["expected"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn rust_expressions() {
    let Some(cases) = cases("rust-debuginfo") else { return };
    let mut wrong = Vec::new();
    for case in cases {
        let mut stop = -1;
        let mut command = "";
        let expected = read_json(&case.join("expected.json"));
        for step in expected["seq"].as_array().unwrap() {
            let (kind, text) = (step[0].as_str().unwrap(), step[1].as_str().unwrap());
            match (kind, text) {
                ("c", "run" | "continue") => stop += 1,
                ("c", text) => command = text,
                _ => {
                    let Some(expression) = command.strip_prefix("print ") else { continue };
                    let core = case.join(format!("core.{stop}"));
                    let answer = obit("print", &core, &case.join("exe"), &[expression]);
                    if !matches(printed(text), printed(&answer)) {
                        wrong.push(format!("{}: {command}: {answer}, not {text}", core.display()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn lldb_frames() {
    let Some(cases) = cases("lldb") else { return };
    let mut checked = 0;
    for case in cases {
        let expected = case.join("expected.json");
        if !expected.exists() || !case.join("a.out").exists() {
            continue;
        }
        let expected = read_json(&expected);
        let answer = obit("bt", &case.join("core"), &case.join("a.out"), &["--json", "--locals", "--thread", "all"]);
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["process"]["pid"], expected["pid"], "{}", case.display());
        assert_eq!(answer["signal"]["name"], expected["signal"], "{}", case.display());
        let frames = answer["threads"][0]["frames"].as_array().unwrap();
        let wanted = expected["frames"].as_array().unwrap();
        assert_eq!(frames.len(), wanted.len(), "{}", case.display());
        for (frame, wanted) in frames.iter().zip(wanted) {
            assert_eq!(frame["function"], wanted["function"]);
            assert_eq!(frame["line"], wanted["line"]);
            assert!(frame["file"].as_str().unwrap().ends_with(wanted["file"].as_str().unwrap()));
            let variables = frame["variables"].as_array().unwrap();
            for (name, value) in wanted["vars"].as_object().unwrap() {
                let found = variables.iter().find(|variable| variable["name"] == **name).unwrap();
                // `char 98 'b'`
                let code = value.as_str().unwrap().split(' ').nth(1).unwrap().parse::<i64>().unwrap();
                assert_eq!(found["value"]["int"], code);
            }
        }
        checked += 1;
    }
    assert!(checked > 0);
}

#[test]
fn lldb_registers() {
    let Some(cases) = cases("lldb") else { return };
    let case = cases.iter().find(|case| case.ends_with("regs-x86_64-fpr-sse")).expect("the case is there");
    let expected = read_json(&case.join("expected.json"));
    let output = common::program().arg("registers").arg(case.join("core")).args(["--all", "--json"]).output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let registers = answer["registers"].as_array().unwrap();
    let mut wrong = Vec::new();
    for (name, wanted) in expected["registers"].as_object().unwrap() {
        let wanted = wanted.as_str().unwrap();
        let Some(found) = registers.iter().find(|register| register["name"] == **name) else {
            wrong.push(format!("{name} is missing"));
            continue;
        };
        // lldb writes wide registers as bytes in memory order, others as numbers.
        let mut bytes: Vec<u8> = match wanted.strip_prefix('{') {
            Some(list) => list
                .trim_end_matches('}')
                .split_whitespace()
                .map(|byte| u8::from_str_radix(byte.trim_start_matches("0x"), 16).unwrap())
                .collect(),
            None => u64::from_str_radix(wanted.trim_start_matches("0x"), 16).unwrap().to_le_bytes().to_vec(),
        };
        while bytes.last() == Some(&0) {
            bytes.pop();
        }
        let digits = found["value"].as_str().unwrap().trim_start_matches("0x");
        let digits = format!("{}{digits}", if digits.len() % 2 == 1 { "0" } else { "" });
        let mut value: Vec<u8> =
            (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect();
        value.reverse();
        while value.last() == Some(&0) {
            value.pop();
        }
        if bytes != value {
            wrong.push(format!("{name}: {}, not {wanted}", found["value"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// delve's listing of the goroutine that the crashed thread ran: function, address and line of every frame. Where Go's
/// runtime changes stacks delve leaves frames out, so obit may have more between them.
#[test]
fn go_frames() {
    let Some(cases) = cases("go-delve") else { return };
    let mut wrong = Vec::new();
    let mut checked = 0;
    for case in cases {
        let listing = fs::read_to_string(case.join("oracle.dlv.txt")).unwrap_or_default();
        let Some((_, of_selected)) = listing.split_once("\n* Goroutine ") else { continue };
        let Some((_, thread)) = of_selected.lines().next().unwrap().rsplit_once("(thread ") else { continue };
        let thread = thread.trim_end_matches(')');
        let answer = obit("bt", &case.join("core"), &case.join("exe"), &["--json", "--thread", thread]);
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let frames = answer["threads"][0]["frames"].as_array().unwrap();
        let mut lines = of_selected.lines().skip(1);
        let text = |frame: &Value, field: &str| frame[field].as_str().unwrap_or_default().to_owned();
        let name = |path: &str| path.rsplit('/').next().unwrap().to_owned();
        let mut found = frames.iter().map(|frame| {
            let file = name(&text(frame, "file"));
            (text(frame, "pc"), text(frame, "function"), file, frame["line"].as_u64().unwrap_or(0))
        });
        while let (Some(head), Some(place)) = (lines.next(), lines.next()) {
            // `3  0x000000000045da61 in runtime.raise`, then `at /usr/lib/go/src/runtime/sys_linux_amd64.s:159`
            let words: Vec<&str> = head.split_whitespace().collect();
            let ([_, pc, "in", function], Some((_, place))) = (&words[..], place.split_once("at ")) else { break };
            let (file, line) = place.rsplit_once(':').unwrap();
            let expected = (
                format!("{:#x}", u64::from_str_radix(&pc[2..], 16).unwrap()),
                (*function).to_owned(),
                name(file),
                line.parse::<u64>().unwrap(),
            );
            if !found.any(|found| found == expected) {
                wrong.push(format!("{}: no {expected:?} where it should be", case.display()));
                break;
            }
            checked += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked > 20, "{checked} frames");
}

/// Go's own traceback of all goroutines, printed before it died.
#[test]
fn goroutines() {
    let Some(cases) = cases("go-delve") else { return };
    let (mut wrong, mut frames) = (Vec::new(), 0);
    for case in cases {
        let Ok(printed) = fs::read_to_string(case.join("program.stderr")) else { continue };
        let answer = obit("goroutines", &case.join("core"), &case.join("exe"), &["--json"]);
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let (differs, compared) = traceback::compare(&answer, &printed);
        wrong.extend(differs.into_iter().map(|differs| format!("{}: {differs}", case.display())));
        frames += compared;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(frames > 40, "{frames} frames");
}

#[test]
fn lldb_minidump() {
    let Some(cases) = cases("lldb") else { return };
    let case = cases.iter().find(|case| case.ends_with("minidump-linux-x86_64")).expect("the case is there");
    let (dump, executable) = (case.join("core.dmp"), case.join("a.out"));
    let answer: Value = serde_json::from_str(&obit("bt", &dump, &executable, &["--json", "--locals"])).unwrap();
    assert_eq!(answer["process"]["pid"], 29917);
    assert_eq!(answer["signal"]["name"], "SIGSEGV");
    assert_eq!(answer["signal"]["address"], "0x0");
    assert_eq!(answer["signal"]["code"], Value::Null, "its writer did not record one");
    assert_eq!(answer["threads"].as_array().unwrap().len(), 1);
    let frames = answer["threads"][0]["frames"].as_array().unwrap();
    let told: Vec<(&str, i64, &str)> = frames
        .iter()
        .map(|frame| {
            let text = |field: &str| frame[field].as_str().unwrap();
            (text("function"), frame["line"].as_i64().unwrap(), text("pc"))
        })
        .collect();
    assert_eq!(told, [("crash()", 4, "0x4003e0"), ("_start", 13, "0x4003fe")]);
    assert_eq!(frames[0]["variables"][0]["value"]["address"], "0x0");
    // `a` is optimised into nothing but its place in the dumped stack.
    assert!(obit("print", &dump, &executable, &["a"]).ends_with("(volatile int *) 0x0"));
    // What the dump does not hold comes out of the program that its build-id names, or is said to be missing.
    assert!(obit("x", &dump, &executable, &["/2xb", "0x4003e0"]).contains("0xc7\t0x00"));
    assert!(obit("x", &dump, &executable, &["/1xg", "0x961000"]).contains("not saved"));
    assert!(obit("registers", &dump, &executable, &[]).contains("rip            0x4003e0"));
    let modules: Value = serde_json::from_str(&obit("modules", &dump, &executable, &["--json"])).unwrap();
    assert_eq!(modules["modules"][0]["build_id"], "e35c283bc327c28762db788bf5a4078be2351448");
    assert_eq!(modules["modules"][0]["status"], "found");
}
