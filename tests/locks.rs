//! Programs that wait for each other, with the waits and circles that they were built to have.
//!
//! Each prints lines `wait LWP KIND NAME OWNER FOUND` (`-` where there is none), `cycle LWP...`, `stuck LWP` and `idle`
//! (fixtures/src/locks.c, deadlocks.c).

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn fixtures() -> Vec<String> {
    common::fixtures().into_iter().filter(|name| name.starts_with("locks-")).collect()
}

fn expected(fixture: &str) -> Vec<Vec<String>> {
    let file = common::root().join("tmp/fixtures").join(fixture).join("expected.txt");
    let text = fs::read_to_string(file).unwrap();
    text.lines().map(|line| line.split(' ').map(str::to_owned).collect()).collect()
}

/// Kind, name, owner and how it was found, as the programs print them.
fn said(wait: &Value) -> [String; 4] {
    let text = |field: &str| match &wait[field] {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    [text("kind"), text("name"), text("owner"), text("owner_found")]
}

/// The circle from its lowest thread on.
fn turned(mut cycle: Vec<u64>) -> Vec<u64> {
    let lowest = cycle.iter().enumerate().min_by_key(|(_, lwp)| **lwp).map_or(0, |(at, _)| at);
    cycle.rotate_left(lowest);
    cycle
}

fn lwps(value: &Value) -> Vec<u64> {
    value.as_array().unwrap().iter().map(|lwp| lwp.as_u64().unwrap()).collect()
}

/// What is wrong with the answer about a fixture.
fn check(fixture: &str, answer: &Value, wrong: &mut Vec<String>) {
    let lines = expected(fixture);
    let is_optimised = fixture.ends_with("-O2") || fixture.ends_with("-release");
    let mut unknown = BTreeSet::new();
    let waits = answer["waits"].as_array().unwrap();
    let mut found: BTreeMap<String, [String; 4]> =
        waits.iter().map(|wait| (wait["waiter"].to_string(), said(wait))).collect();
    let mut cycles = Vec::new();
    let mut stuck: Vec<u64> = Vec::new();
    for line in &lines {
        match line[0].as_str() {
            "wait" => match found.remove(&line[1]) {
                Some(said) if said[..] == line[2..] => {}
                // An optimiser drops variables: then a lock has another name or none, and a guard tells no owner.
                // A call at a function's end leaves no frame: then what it waits for is just a futex.
                Some(said)
                    if is_optimised
                        && (said[0] == line[2] || said[0] == "futex")
                        && (said[2] == line[4] || line[5] == "inferred") =>
                {
                    if said[2] != line[4] {
                        unknown.insert(line[1].parse::<u64>().unwrap());
                    }
                }
                other => wrong.push(format!("{fixture}: {line:?}, not {other:?}")),
            },
            "cycle" => cycles.push(turned(line[1..].iter().map(|lwp| lwp.parse().unwrap()).collect())),
            "stuck" => stuck.push(line[1].parse().unwrap()),
            "idle" | "ready" => {}
            other => panic!("{fixture}: {other}"),
        }
    }
    wrong.extend(found.iter().map(|(lwp, said)| format!("{fixture}: {lwp} waits: {said:?}")));
    cycles.retain(|cycle| !cycle.iter().any(|lwp| unknown.contains(lwp)));
    cycles.sort();
    let mut answered: Vec<Vec<u64>> = answer["cycles"].as_array().unwrap().iter().map(|c| turned(lwps(c))).collect();
    answered.sort();
    if answered != cycles {
        wrong.push(format!("{fixture}: cycles {answered:?}, not {cycles:?}"));
    }
    let problems = answer["problems"].as_array().unwrap();
    let unsignalled: Vec<u64> = problems
        .iter()
        .filter(|problem| problem["kind"] == "nobody-can-signal")
        .flat_map(|p| lwps(&p["waiters"]))
        .collect();
    if unsignalled != stuck {
        wrong.push(format!("{fixture}: nobody can wake {unsignalled:?}, not {stuck:?}"));
    }
}

#[test]
fn waits_and_circles_are_those_that_the_programs_were_built_to_have() {
    let fixtures = fixtures();
    assert!(fixtures.len() >= 9, "{fixtures:?}");
    let mut wrong = Vec::new();
    for fixture in &fixtures {
        check(fixture, &json(&common::obit(fixture, "locks", &["--json"])), &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is answered beside the notes, which speak of files.
fn answer(output: &Output) -> Value {
    let mut document = json(output);
    document.as_object_mut().unwrap().remove("notes");
    document
}

#[test]
fn snapshots_answer_as_their_cores() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("locks");
    fs::create_dir_all(&directory).unwrap();
    let mut wrong = Vec::new();
    for fixture in fixtures() {
        let file = directory.join(format!("{fixture}.obit"));
        let taken = common::obit(&fixture, "snapshot", &["-o", file.to_str().unwrap(), "--json"]);
        assert!(taken.status.success(), "{fixture}: {}", String::from_utf8_lossy(&taken.stderr));
        for command in ["locks", "stacks"] {
            let core = answer(&common::obit(&fixture, command, &["--json"]));
            let snapshot = common::program().arg(command).arg(&file).arg("--json").current_dir(&directory).output();
            if core != answer(&snapshot.unwrap()) {
                wrong.push(format!("{fixture}: {command}"));
            }
        }
        fs::remove_file(file).unwrap();
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn the_circle_comes_first_in_words() {
    let text = String::from_utf8(common::obit("locks-cpp", "locks", &[]).stdout).unwrap();
    let lwps: Vec<String> = expected("locks-cpp").into_iter().take(7).map(|line| line[1].clone()).collect();
    let first = format!(
        "Deadlock: 2 threads wait for each other.\n  thread {} waits for mutex `main::two.mutex_`, held by thread {}, in \
         bank::Account::merge() at",
        lwps[0], lwps[1]
    );
    assert!(text.contains(&first), "{text}");
    let writer = format!("thread {} waits for rwlock `cache->lock` (to write), held by thread {}", lwps[6], lwps[5]);
    assert!(text.contains(&format!("{writer} (inferred from its stack)")), "{text}");
    let text = String::from_utf8(common::obit("locks-c", "locks", &[]).stdout).unwrap();
    for part in [
        " waits for itself.\n",
        ", which has ended.\n",
        ", which waits for input in read(",
        "1 thread waits for a signal (",
        " (for a limited time), ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let text = String::from_utf8(common::obit("locks-many", "locks", &[]).stdout).unwrap();
    assert!(text.contains("Deadlock: 1,000 threads wait for each other.\n"), "{text}");
    assert!(text.contains("… 990 more threads of the circle …\n") && text.lines().count() < 40, "{text}");
}

#[test]
fn stacks_are_grouped_by_their_functions() {
    let groups = json(&common::obit("locks-idle", "stacks", &["--json"]));
    let first = &groups["groups"][0];
    assert_eq!((&first["count"], &first["waits_for"]), (&8.into(), &"condition `queue->ready`".into()));
    assert!(first["frames"].as_array().unwrap().iter().any(|frame| frame["function"] == "take_job"));
    let filtered = |arguments: &[&str]| {
        let output = common::obit("locks-idle", "stacks", &[arguments, &["--json"]].concat());
        if output.status.code() == Some(1) {
            return Vec::new();
        }
        let groups = json(&output);
        let groups = groups["groups"].as_array().unwrap();
        groups
            .iter()
            .map(|group| (group["state"].as_str().unwrap().to_owned(), group["count"].as_u64().unwrap()))
            .collect()
    };
    assert_eq!(filtered(&["--function", "take_job"]), [("condition".to_owned(), 8)]);
    assert_eq!(filtered(&["--state", "running"]), [("running".to_owned(), 1)]);
    assert_eq!(filtered(&["--state", "lock"]).iter().map(|(_, count)| count).sum::<u64>(), 9);
    assert_eq!(filtered(&["--module", "no such module"]), []);
    let text = String::from_utf8(common::obit("locks-idle", "stacks", &[]).stdout).unwrap();
    assert!(text.contains(") wait for condition `queue->ready`:"), "{text}");
}

static FIRST: Mutex<u32> = Mutex::new(1);
static SECOND: Mutex<u32> = Mutex::new(2);

/// Two threads of this very program that wait for each other.
#[test]
#[ignore = "it never ends: the process that the next test looks at"]
fn never_ends() {
    let met = Barrier::new(2);
    let take = |mine: &Mutex<u32>, other: &Mutex<u32>| {
        let mut own = mine.lock().unwrap();
        met.wait();
        println!("met");
        let theirs = other.lock().unwrap();
        *own += *theirs;
    };
    thread::scope(|scope| {
        scope.spawn(|| take(&FIRST, &SECOND));
        scope.spawn(|| take(&SECOND, &FIRST));
    });
}

#[test]
fn a_live_process_is_asked() {
    let mut never_ends = Command::new(std::env::current_exe().unwrap());
    never_ends.args(["never_ends", "--exact", "--ignored", "--nocapture"]).stdout(Stdio::piped());
    let mut process = never_ends.spawn().unwrap();
    let lines = BufReader::new(process.stdout.as_mut().unwrap()).lines();
    assert_eq!(lines.map(Result::unwrap).filter(|line| line == "met").take(2).count(), 2);
    // Both are at their second lock, or about to be.
    thread::sleep(Duration::from_millis(300));
    let output = common::program().args(["locks", &format!("pid:{}", process.id()), "--json"]).output();
    process.kill().unwrap();
    process.wait().unwrap();
    let output = output.unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(2) && error.contains("may not be traced") {
        println!("skipped: this machine does not allow to trace processes: {error}");
        return;
    }
    let answer = json(&output);
    assert_eq!(answer["cycles"].as_array().map(Vec::len), Some(1), "{answer}");
    let names: BTreeSet<&str> =
        answer["waits"].as_array().unwrap().iter().filter_map(|wait| wait["name"].as_str()).collect();
    assert!(names.contains("locks::FIRST") && names.contains("locks::SECOND"), "{names:?}");
}

#[test]
fn analyses_of_hangs_lead_with_the_circle() {
    let analysis = |fixture: &str| json(&common::obit(fixture, "analyze", &["--json"]));
    for (fixture, class, certainty, part) in [
        ("locks-c", "deadlock", "certain", " threads wait for each other: thread "),
        ("locks-many", "deadlock", "certain", "1000 threads wait for each other: thread "),
        ("locks-handler", "deadlock", "certain", " waits for mutex `second`, held by thread "),
        ("locks-rust", "deadlock", "likely", " threads wait for each other: thread "),
        ("locks-stuck", "hang", "likely", " waits for condition `queue->ready` in take_job() at locks.c:"),
    ] {
        let verdict = &analysis(fixture)["verdict"];
        assert_eq!(
            (&verdict["class"], &verdict["certainty"]),
            (&class.into(), &certainty.into()),
            "{fixture}: {verdict}"
        );
        assert!(verdict["summary"].as_str().unwrap().contains(part), "{fixture}: {verdict}");
        assert!(verdict["line"].is_u64() && verdict["function"].is_string(), "{fixture}: {verdict}");
    }
    // Threads without work, and one that waits for a lock whose owner computes: nothing hangs.
    let idle = analysis("locks-idle");
    assert_eq!(idle["verdict"]["class"], "signal-sent");
    let wrong = idle["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["class"] == "deadlock" || finding["class"] == "hang");
    assert_eq!(wrong, None);
}
