//! Every frame and every value of every fixture against gdb's own answer (`fixtures/*/oracle.json`).
//!
//! Where gdb has a value, obit must have the same. Where gdb says that a value was optimised out, obit may know more.
//! One difference is obit's policy: gdb shows registers of outer frames as if calls preserved them all, so it prints
//! what happens to be in a register that the inner function was free to overwrite; obit says that the value was not
//! kept. Every other difference is in `EXCEPTIONS`, with its reason. Both show plain fields (`--raw`): what formatters make of
//! them is held to what programs printed themselves.

mod common;

use serde_json::Value;

/// In `fixtures/src/floats.c`, `deepest` was given 2.5 the first time, and 17.5 from the signal's handler on.
const MET_BY_A_SIGNAL: &str = "gdb takes the innermost vector registers for those of the code that a signal met";

/// (fixture or its beginning, part of the difference, reason)
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("opt-clang-O2", "tail_end m:", "the program printed 21, as obit says; gdb takes the register's current value"),
    ("opt-clang-O2", "tail_end n:", "the program printed 39; gdb takes the register's current value"),
    ("opt-clang-O2", "split local.second", "the program printed 7; gdb pads the described part with zeros"),
    ("kinds-clang-O2", "aggregates tagged.", "gdb pads the described part with zeros"),
    (
        "cpp-O2",
        "zoo::containers variant",
        "only the variant's index is described: gdb shows it, obit says optimised out",
    ),
    ("smash", "pc of #", "gdb takes the overwritten return address for a frame; obit looks further"),
    ("kinds-clang-O2", "scalars wide_text", "gdb pads the first element, which is all that is described, with zeros"),
    ("kinds-clang-O2", "scalars text", "gdb pads the first element, which is all that is described, with zeros"),
    ("kinds-clang-O2", "aggregates bits.g", "gdb pads the described part with zeros"),
    ("frame-pointer", "run ", "gdb takes registers for preserved by a function without unwind information"),
    ("go-", "runtime.sigtrampgo", "gdb takes registers for preserved by calls; Go's ABI preserves none"),
    ("go-", "goes on", "gdb takes what lies on the signal stack for frames"),
    ("go-", "pc of #", "gdb does not know Go's signal frames"),
    (
        "rust-release",
        "zoo::pieces ok.\"Err\"",
        "Ok is active; gdb reads an inactive variant from constants and registers",
    ),
    ("merged", "choose x:", "the program was given 1 argument; gdb takes the register's current value, abort's own"),
    ("merged", "main argc:", "the program was given 1 argument; gdb takes the register's current value, abort's own"),
    ("floats", r#"gdb {"float":"17.5"} obit {"float":2.5"#, MET_BY_A_SIGNAL),
    ("floats", r#"gdb {"float":"18.5"} obit {"float":3.5"#, MET_BY_A_SIGNAL),
    ("floats", r#"gdb {"float":"39.375"} obit {"float":5.625"#, MET_BY_A_SIGNAL),
    ("fortran-", "walk backwards[", "the program made it 4, 3, 2, 1; gdb goes upwards in memory all the same"),
    ("fortran-O2", "walk s:", "the program passed 5 characters; gdb has the length of the inner frame's"),
    ("fortran-O2", "walk local[", "the array has 3 rows; gdb has the bounds of the inner frame's"),
    ("ada-", "function of #", "gdb spells names as Ada does: arrays.die"),
    ("ada-", "is missing, gdb has", "what the compiler made gdb has in angle brackets"),
    ("ada-", "die b[", "elements of one bit: the program set 1 and 3; gdb's Python reads whole bytes"),
    ("ada-", "die half[", "elements of four bits: 1, 2, 3, 14, 15; gdb's Python reads whole words"),
    ("rust-", "nothing:", "`()` has no value; gdb prints 0"),
];

#[derive(Default)]
struct Report {
    frames: usize,
    values: usize,
    not_kept: usize,
    differences: Vec<String>,
}

#[test]
fn frames_and_values_are_those_of_gdb() {
    let mut total = Report::default();
    let mut compared = 0;
    for fixture in common::fixtures() {
        let oracle = common::root().join("tmp/fixtures").join(&fixture).join("oracle.json");
        let Ok(oracle) = std::fs::read(oracle) else { continue };
        let oracle: Value = serde_json::from_slice(&oracle).unwrap();
        let limits = ["--json", "--raw", "--locals", "--thread", "all", "--depth", "12", "--frames", "400000"];
        let output = common::obit(&fixture, "bt", &limits);
        assert_eq!(output.status.code(), Some(0), "{fixture}: {}", String::from_utf8_lossy(&output.stderr));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        let mut report = Report::default();
        compare_threads(&oracle, &answer, &mut report);
        report.differences.retain(|difference| {
            !EXCEPTIONS.iter().any(|(name, part, _)| fixture.starts_with(name) && difference.contains(part))
        });
        compared += 1;
        total.frames += report.frames;
        total.values += report.values;
        total.not_kept += report.not_kept;
        total.differences.extend(report.differences.iter().map(|difference| format!("{fixture}: {difference}")));
    }
    println!(
        "{compared} fixtures: {} frames, {} values alike, {} that gdb reads from registers that calls do not preserve",
        total.frames, total.values, total.not_kept
    );
    assert!(compared > 60 && total.frames > 600 && total.values > 3000);
    assert!(total.differences.is_empty(), "gdb says otherwise:\n{}", total.differences.join("\n"));
}

fn compare_threads(oracle: &Value, answer: &Value, report: &mut Report) {
    for thread in oracle["threads"].as_array().unwrap() {
        let lwp = &thread["lwp"];
        let Some(found) = answer["threads"].as_array().unwrap().iter().find(|found| found["lwp"] == *lwp) else {
            report.differences.push(format!("thread {lwp} is missing"));
            continue;
        };
        let (gdb, obit) = (thread["frames"].as_array().unwrap(), found["frames"].as_array().unwrap());
        compare_frames(gdb, obit, report);
    }
}

fn compare_frames(gdb: &[Value], obit: &[Value], report: &mut Report) {
    let mut obit = obit.iter().peekable();
    let mut level = 0;
    for frame in gdb {
        // Of a very deep stack the oracle has only the innermost and the outermost frames.
        if frame["level"].as_u64() != Some(level) {
            return;
        }
        level += 1;
        let is_tail_call = frame["kind"] == "tailcall";
        // Frames that tail calls replaced: gdb shows fewer of them.
        while !is_tail_call && obit.next_if(|found| found["tail_call"] == true).is_some() {}
        let Some(found) = obit.next() else {
            report.differences.push(format!("gdb goes on at {}", frame["function"]));
            return;
        };
        let name = frame["function"].as_str().unwrap_or("?");
        if address(&frame["pc"]) != address(&found["pc"]) {
            report.differences.push(format!("pc of #{level} {name}: {} {}", frame["pc"], found["pc"]));
            return;
        }
        report.frames += 1;
        if found["signal"] == true {
            continue;
        }
        let obit_name = found["function"].as_str().unwrap_or("?");
        if frame["function"].is_string() && base_name(name) != base_name(obit_name) {
            report.differences.push(format!("function of #{level}: {name}, {obit_name}"));
        }
        let file = |value: &Value| value.as_str().map(|path| path.rsplit('/').next().unwrap().to_owned());
        let line = |value: &Value| value.as_u64().filter(|line| *line != 0);
        if (file(&frame["file"]), line(&frame["line"])) != (file(&found["file"]), line(&found["line"])) {
            report.differences.push(format!(
                "line of #{level} {name}: {}:{} {}:{}",
                frame["file"], frame["line"], found["file"], found["line"]
            ));
        }
        compare_variables(name, frame, found, report);
    }
}

fn compare_variables(function: &str, frame: &Value, found: &Value, report: &mut Report) {
    let mut unused: Vec<&Value> = found["variables"].as_array().into_iter().flatten().collect();
    for variable in frame["variables"].as_array().into_iter().flatten() {
        let name = &variable["name"];
        let path = format!("{} {}", function.split('(').next().unwrap(), name.as_str().unwrap());
        match unused.iter().position(|found| found["name"] == *name) {
            Some(index) => compare(&variable["value"], &unused.remove(index)["value"], &path, report),
            // gdb lists what a split function has in an inner scope once more, without a value.
            None if is_absent(&variable["value"]) && is_listed(found, name) => {}
            None => report.differences.push(format!("{path}: is missing, gdb has {}", variable["value"])),
        }
    }
}

fn is_listed(frame: &Value, name: &Value) -> bool {
    frame["variables"].as_array().into_iter().flatten().any(|variable| variable["name"] == *name)
}

/// gdb knows nothing of it.
fn is_absent(gdb: &Value) -> bool {
    match gdb["fields"].as_array().or(gdb["items"].as_array()) {
        Some(parts) => parts.iter().all(|part| is_absent(part.get(2).unwrap_or(part))),
        None => {
            !gdb["absent"].is_null()
                || !gdb["elided"].is_null()
                || gdb["float"] == "<unavailable>"
                || gdb.get("implicit").is_some_and(|target| target.is_null() || is_absent(target))
        }
    }
}

fn compare(gdb: &Value, obit: &Value, path: &str, report: &mut Report) {
    let kind = obit["kind"].as_str().unwrap_or("missing");
    if is_absent(gdb) || kind == "elided" || !gdb["elided"].is_null() || !gdb["text"].is_null() {
        return;
    }
    let mut differ = || report.differences.push(format!("{path}: gdb {} obit {}", brief(gdb), brief(obit)));
    if kind == "absent" {
        let detail = obit["detail"].as_str().unwrap_or_default();
        let changed = ["which the call does not preserve", "which inner frames may have changed"];
        if obit["why"] == "not-saved" && changed.iter().any(|why| detail.contains(why)) {
            report.not_kept += 1;
        } else if detail != "incomplete type" {
            differ();
        }
        return;
    }
    if let Some(items) = gdb["items"].as_array() {
        match kind {
            "array" => {
                if obit["length"] != gdb["length"] {
                    differ();
                }
                for (index, (gdb, obit)) in items.iter().zip(obit["items"].as_array().unwrap()).enumerate() {
                    compare(gdb, obit, &format!("{path}[{index}]"), report);
                }
            }
            "string" => {
                let bytes = text_bytes(obit["string"].as_str().unwrap());
                let same = |(item, byte): (&Value, &u8)| item["int"].as_i64().is_none_or(|code| code as u8 == *byte);
                if !items.iter().zip(&bytes).all(same) {
                    differ();
                }
                report.values += 1;
            }
            // A flexible array: where it begins.
            "pointer" if items.is_empty() => {}
            _ => differ(),
        }
    } else if let Some(fields) = gdb["fields"].as_array() {
        match obit["fields"].as_array() {
            // Of a Rust enum gdb shows the discriminant and the active variant, obit every variant's own reading.
            Some(found) if fields[0][0].is_null() && found[0]["name"] == "discriminant" => {
                compare(&fields[0][2], &found[0]["value"], &format!("{path}.discriminant"), report);
                for gdb in &fields[1..] {
                    let field = found.iter().find(|field| field["name"] == gdb[0]);
                    let value = field.map_or(&Value::Null, |field| &field["value"]);
                    compare(&gdb[2], value, &format!("{path}.{}", gdb[0]), report);
                }
            }
            Some(found) if found.len() == fields.len() => {
                for (gdb, obit) in fields.iter().zip(found) {
                    let name = gdb[0].as_str().unwrap_or("<base>");
                    compare(&gdb[2], &obit["value"], &format!("{path}.{name}"), report);
                }
            }
            _ => differ(),
        }
    } else {
        report.values += 1;
        let same = if let Some(text) = gdb["float"].as_str() {
            match (text.parse::<f64>(), obit["float"].as_f64()) {
                // gdb prints nine digits of a float, obit the double that it is.
                (Ok(one), Some(other)) => one == other || ((one - other) / other).abs() < 1e-7,
                _ => obit["float"].as_str().is_some_and(|special| text.contains(special)),
            }
        } else if let Some(pointer) = gdb["pointer"].as_str().or(gdb["reference"].as_str()) {
            obit["address"].as_str().is_some_and(|address| hexadecimal(address) == hexadecimal(pointer))
        } else {
            let number = if gdb["int"].is_null() { &gdb["enum"] } else { &gdb["int"] };
            let found = if kind == "pointer" { &obit["address"] } else { &obit["int"] };
            number == found || found.as_str().is_some_and(|address| Some(hexadecimal(address)) == number.as_u64())
        };
        if !same {
            report.differences.push(format!("{path}: gdb {} obit {}", brief(gdb), brief(obit)));
        }
    }
}

fn brief(value: &Value) -> String {
    value.to_string().chars().take(200).collect()
}

fn address(value: &Value) -> u64 {
    hexadecimal(value.as_str().unwrap())
}

fn hexadecimal(text: &str) -> u64 {
    u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap()
}

/// The bytes of a string of the JSON, where `\xNN` stands for what is no UTF-8.
fn text_bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let code = rest.strip_prefix("\\x").and_then(|code| code.get(..2)).and_then(|c| u8::from_str_radix(c, 16).ok());
        match code {
            Some(code) => {
                bytes.push(code);
                rest = &rest[4..];
            }
            None => {
                bytes.extend_from_slice(first.to_string().as_bytes());
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    bytes
}

/// The last part of a function's name, without parameters, template arguments, versions and compilers' suffixes.
fn base_name(name: &str) -> String {
    let mut plain = String::new();
    let mut depth = 0;
    for char in name.replace("operator()", "operator_call").chars() {
        match char {
            '<' | '(' | '{' => depth += 1,
            '>' | ')' | '}' => depth -= 1,
            _ if depth == 0 => plain.push(char),
            _ => {}
        }
    }
    let last = plain.trim_end_matches(" const").trim_end_matches("::").rsplit("::").next().unwrap().trim();
    let last = last.split(['@', '.', ' ']).next().unwrap();
    // glibc's aliases of one function.
    last.trim_start_matches("__GI_").trim_end_matches("_impl").trim_start_matches('_').to_owned()
}
