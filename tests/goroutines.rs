//! Goroutines, against what Go's own runtime printed of them before it died.

mod common;
#[path = "common/traceback.rs"]
mod traceback;

use std::fs;
use std::path::Path;

use serde_json::Value;

/// Programs of Go 1.19, 1.23 and 1.27, optimised and not, whose tracebacks were kept.
const FIXTURES: [&str; 5] = ["goroutines-old", "goroutines-1.23", "goroutines", "go-opt", "go-noopt"];

#[test]
fn stacks_are_those_of_go_s_own_traceback() {
    let mut wrong = Vec::new();
    for fixture in FIXTURES {
        let printed =
            fs::read_to_string(common::root().join("tmp/fixtures").join(fixture).join("expected.txt")).unwrap();
        let output = common::obit(fixture, "goroutines", &["--json"]);
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        let (differs, compared) = traceback::compare(&answer, &printed);
        assert!(compared > 20, "{fixture}: {compared} frames");
        wrong.extend(differs.into_iter().map(|differs| format!("{fixture}: {differs}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn those_that_do_the_same_are_shown_once() {
    let output = common::obit("goroutines", "goroutines", &[]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let expected = "\n3 goroutines [chan receive]: 18-20\n#3  main.(*worker).next at goroutines/goroutines.go:29\n";
    assert!(text.contains(expected), "{text}");
    assert!(text.contains("created by main.main in goroutine 1 at goroutines/goroutines.go:64\n"), "{text}");
    assert!(text.contains("\ngoroutine 21 [sync.Mutex.Lock, locked to thread "), "{text}");
    assert!(text.ends_with("\n4 more goroutines are the runtime's own (--system shows them).\n"), "{text}");
    let one = common::obit("goroutines", "goroutines", &["--with", "selecting", "--without", "runnable"]);
    let text = String::from_utf8_lossy(&one.stdout).into_owned();
    assert_eq!(text.matches("\ngoroutine ").count(), 1, "{text}");
    assert_eq!(common::obit("goroutines", "goroutines", &["--with", "nothing"]).status.code(), Some(1));
    assert_eq!(common::obit("c-O0", "goroutines", &[]).status.code(), Some(1));
}

#[test]
fn a_session_selects_one() {
    let lines = ["goroutine 18", "bt", "up 2", "print depth", "print w.name", "info locals", "goroutine 22 frame 4"];
    let (text, errors, _) = common::fixture_session("goroutines-old", &lines);
    assert!(text.starts_with("[Switching to goroutine 18]\n#3  "), "{text}{errors}");
    assert!(text.contains("in main.(*worker).next (w="), "{text}{errors}");
    assert!(text.contains("= \"worker\"\n"), "{text}{errors}");
    let (_, errors, status) = common::fixture_session("goroutines-old", &["goroutine 999"]);
    assert_eq!((errors.as_str(), status), ("There is no goroutine 999.\n", 1));
}

#[test]
fn a_snapshot_has_them() {
    let snapshot = std::env::temp_dir().join(format!("goroutines-{}.obit", std::process::id()));
    let made = common::obit("goroutines", "snapshot", &["-o", snapshot.to_str().unwrap()]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let of_snapshot = common::program().arg("goroutines").arg(&snapshot).arg("--system").output().unwrap();
    let locks = common::program().arg("locks").arg(&snapshot).output().unwrap();
    fs::remove_file(&snapshot).unwrap();
    let of_core = common::obit("goroutines", "locks", &[]);
    assert_eq!(String::from_utf8(locks.stdout), String::from_utf8(of_core.stdout));
    let of_core = common::obit("goroutines", "goroutines", &["--system"]);
    let (of_snapshot, of_core) = (String::from_utf8(of_snapshot.stdout), String::from_utf8(of_core.stdout));
    assert_eq!(of_snapshot, of_core);
}

#[test]
fn what_they_wait_for() {
    let output = common::obit("goroutines", "locks", &[]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("  3 goroutines (18-20) wait for channel `w.tasks`, in main.(*worker).next() at "), "{text}");
    assert!(text.contains("  goroutine 21 waits for mutex `mutex`, in main.locked() at "), "{text}");
    let threads = common::obit("goroutines", "bt", &[]);
    let text = String::from_utf8_lossy(&threads.stdout).into_owned();
    assert!(text.contains(" (crashed), goroutine 1:\npanic: as planned\n"), "{text}");
    assert!(text.contains("\n3 goroutines [chan receive]: 18-20\n"), "{text}");
}

#[test]
fn heaps_of_all_versions() {
    for fixture in FIXTURES {
        let output = common::obit(fixture, "heap", &["types", "--json"]);
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        let (typed, all) = (answer["typed_bytes"].as_u64().unwrap(), answer["bytes"].as_u64().unwrap());
        assert!(typed * 10 > all * 7 && typed <= all, "{fixture}: {answer}");
        let rows = answer["types"].as_array().unwrap();
        let sum: u64 = rows.iter().map(|row| row["bytes"].as_u64().unwrap()).sum();
        assert_eq!(sum, all, "{fixture}");
        assert!(rows.iter().any(|row| row["type"] == "runtime.g"), "{fixture}: {answer}");
        if fixture.starts_with("goroutines") {
            let workers = rows.iter().find(|row| row["type"] == "main.worker").unwrap();
            assert_eq!((&workers["objects"], &workers["bytes"]), (&3.into(), &72.into()), "{fixture}");
        }
    }
}

/// Without debug information the same objects, of which fewer have types.
#[test]
fn heaps_without_debug_information() {
    for fixture in FIXTURES {
        let output = common::obit(fixture, "heap", &["types", "--json"]);
        let whole: Value = serde_json::from_slice(&output.stdout).unwrap();
        let directory = common::root().join("tmp/fixtures").join(fixture);
        let stripped = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{fixture}-{}", std::process::id()));
        common::rename_sections(&directory.join(fixture), &stripped, b".debug_", b".bygone");
        let mut command = common::program();
        command.arg("heap").arg(directory.join("core")).args(["types", "--json"]);
        let output = command.arg("--sysroot").arg(common::root()).arg("--exe").arg(&stripped).output().unwrap();
        fs::remove_file(&stripped).unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        for same in ["runtime", "objects", "bytes", "dead_objects", "spans", "span_bytes"] {
            assert_eq!(answer[same], whole[same], "{fixture}: {same}");
        }
        let typed = |answer: &Value| answer["typed_bytes"].as_u64().unwrap();
        assert!(typed(&answer) > 0 && typed(&answer) < typed(&whole), "{fixture}: {answer}");
        // What it says, debug information says too, and of no fewer.
        let rows = answer["types"].as_array().unwrap().iter().filter(|row| row["known_by"] == "recorded");
        for row in rows {
            let in_whole = whole["types"].as_array().unwrap().iter().find(|other| other["type"] == row["type"]);
            let count = |row: &Value| row["objects"].as_u64().unwrap();
            // That of a thread's is a part of what is allocated for one.
            if row["type"] != "runtime.mPadded" {
                assert!(in_whole.is_some_and(|whole| count(whole) >= count(row)), "{fixture}: {row}");
            }
        }
    }
}

/// Structures of the runtime that cannot be right are marked.
#[test]
fn damaged_structures_are_marked() {
    let fixture = "goroutines-1.23";
    let directory = common::root().join("tmp/fixtures").join(fixture);
    let core = fs::read(directory.join("core")).unwrap();
    let damaged = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("damaged-{}", std::process::id()));
    let place = |expression: &str| {
        let output = common::obit(fixture, "print", &["--json", "--", expression]);
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        let address = answer["value"]["address"].as_str().unwrap_or_else(|| panic!("{expression}: {answer}"));
        u64::from_str_radix(address.trim_start_matches("0x"), 16).unwrap()
    };
    let with = |address: u64, bytes: &[u8], command: &str, arguments: &[&str]| -> Value {
        let mut changed = core.clone();
        let at = common::offset_in_core(&core, address).unwrap();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        common::write_with_holes(&changed, &damaged);
        let output = common::obit_on(&damaged, fixture, command, arguments);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let goroutine = place("&'runtime.allgs'.array[0].atomicstatus");
    let answer = with(goroutine, &[0x77], "goroutines", &["--json"]);
    let row = &answer["goroutines"][0];
    assert_eq!(row["state"], "corrupt", "{row}");
    assert!(text(&row["problem"]).ends_with(" has the status 0x77, which is none"), "{row}");
    let processor = place("&'runtime.allp'.array[0].status");
    let answer = with(processor, &[0x77], "goroutines", &["--sched", "--json"]);
    let row = &answer["processors"][0];
    assert_eq!(row["status"], "corrupt", "{row}");
    assert!(text(&row["problem"]).ends_with(" has the status 0x77, which is none"), "{row}");
    let tail = place("&'runtime.allp'.array[0].runqtail");
    let answer = with(tail, &[0, 0, 0, 0x70], "goroutines", &["--sched", "--json"]);
    assert!(text(&answer["processors"][0]["problem"]).ends_with(" goroutines in a queue of 256"), "{answer}");
    let machine = place("'runtime.allm'");
    let link = place("&'runtime.allm'.alllink");
    let answer = with(link, &machine.to_le_bytes(), "goroutines", &["--sched", "--json"]);
    assert_eq!(answer["notes"][0]["code"], "machines-repeated", "{answer}");
    let answer = with(link, &1u64.to_le_bytes(), "goroutines", &["--sched", "--json"]);
    assert_eq!(answer["notes"][0]["code"], "machines-unreadable", "{answer}");
    let span = place("&'runtime.mheap_'.allspans.array[0].startAddr");
    let answer = with(span, &[1], "heap", &["types", "--json"]);
    assert_eq!(answer["notes"][0]["code"], "spans-unreadable", "{answer}");
    fs::remove_file(&damaged).unwrap();
}

#[test]
fn what_keeps_an_object_alive() {
    let lines = ["goroutine 18", "up 2", "refs w", "refs main.main", "refs w.name"];
    let (text, errors, _) = common::fixture_session("goroutines-old", &lines);
    assert!(
        text.contains(" main.worker, 24 bytes\n\nKept alive by\n  goroutine 18, main.(*worker).next: w\n"),
        "{text}"
    );
    assert!(errors.contains("is in no slot of the heap\n"), "{errors}");
    let output = common::obit("c-O0", "heap", &["types"]);
    assert_eq!(output.status.code(), Some(1));
    let expected = "obit: no module of the process is a Go program: other heaps are not known\n";
    assert_eq!(String::from_utf8_lossy(&output.stderr), expected);
}

#[test]
fn what_schedules_them() {
    for fixture in FIXTURES {
        let output = common::obit(fixture, "goroutines", &["--sched", "--json"]);
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        let threads = common::obit(fixture, "threads", &["--json"]);
        let threads: Value = serde_json::from_slice(&threads.stdout).unwrap();
        let sorted = |rows: &Value| {
            let mut lwps: Vec<u64> = rows.as_array().unwrap().iter().filter_map(|row| row["lwp"].as_u64()).collect();
            lwps.sort_unstable();
            lwps
        };
        // One that has just been started has not said yet which it is.
        let (known, all) = (sorted(&answer["machines"]), sorted(&threads["threads"]));
        assert!(known.iter().all(|lwp| all.contains(lwp)) && known.len() + 1 >= all.len(), "{fixture}: {answer}");
        let processors = answer["processors"].as_array().unwrap();
        assert_eq!(answer["gomaxprocs"].as_u64(), Some(processors.len() as u64), "{fixture}: {answer}");
        let running = |row: &Value| row["status"] == "running" && row["machine"].is_u64();
        assert!(processors.iter().any(running), "{fixture}: {answer}");
        let machines = answer["machines"].as_array().unwrap();
        let watchdogs = machines.iter().filter(|machine| machine["runs"] == "runtime.sysmon");
        assert_eq!(watchdogs.count(), 1, "{fixture}: {answer}");
        assert_eq!((&answer["gc"]["phase"], &answer["gc"]["percent"]), (&"off".into(), &100.into()), "{fixture}");
        if fixture.starts_with("goroutines") {
            let locked = machines.iter().find(|machine| machine["locked_goroutine"] == 21).unwrap();
            let rows = common::obit(fixture, "goroutines", &["--id", "21", "--json"]);
            let rows: Value = serde_json::from_slice(&rows.stdout).unwrap();
            assert_eq!(rows["goroutines"][0]["locked_lwp"], locked["lwp"], "{fixture}");
        }
    }
}

/// Without debug information, and without symbols, the same is known of the scheduler.
#[test]
fn what_schedules_them_without_debug_information() {
    for fixture in FIXTURES {
        let answer = |output: std::process::Output| {
            let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
            let answer: Result<Value, _> = serde_json::from_slice(&output.stdout);
            let mut answer = answer.unwrap_or_else(|error| panic!("{fixture}: {error}: {complaint}"));
            answer["notes"].take();
            answer
        };
        let whole = answer(common::obit(fixture, "goroutines", &["--sched", "--json"]));
        let directory = common::root().join("tmp/fixtures").join(fixture);
        let name = format!("sched-{fixture}-{}", std::process::id());
        let stripped = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        common::rename_sections(&directory.join(fixture), &stripped, b".debug_", b".bygone");
        for with_symbols in [true, false] {
            if !with_symbols {
                common::hide_symbols(&stripped);
            }
            let mut command = common::program();
            command.arg("goroutines").arg(directory.join("core")).args(["--sched", "--json"]);
            command.arg("--allow-mismatch").arg("--sysroot").arg(common::root()).arg("--exe").arg(&stripped);
            assert_eq!(answer(command.output().unwrap()), whole, "{fixture}, symbols: {with_symbols}");
        }
        fs::remove_file(&stripped).unwrap();
    }
}
