//! Go programs, against what Go's own runtime printed as they died, and what they are known to wait for. Built here, where
//! there is a `go`; `OBIT_GO` names further toolchains, separated by colons.

mod common;
#[path = "common/traceback.rs"]
mod traceback;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// Modes that take long, use up memory, or whose numbers older versions write in another way.
const LEFT_OUT: [&str; 4] = ["overflow", "oom", "float", "complex"];

fn toolchains() -> Vec<PathBuf> {
    let named = std::env::var("OBIT_GO").unwrap_or_default();
    let all = std::iter::once("go").chain(named.split(':').filter(|path| !path.is_empty())).map(PathBuf::from);
    all.filter(|go| Command::new(go).arg("version").output().is_ok_and(|output| output.status.success())).collect()
}

fn source_of(program: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/src").join(program).join("main.go")
}

/// Builds a program, optimised as usual; `None` where that fails.
fn build(go: &Path, source: &str, flags: &[&str], directory: &Path) -> Option<PathBuf> {
    build_for(go, source, flags, directory, "")
}

/// The same for another machine, where one is named.
fn build_for(go: &Path, source: &str, flags: &[&str], directory: &Path, machine: &str) -> Option<PathBuf> {
    let program = directory.join("program");
    fs::copy(source_of(source), directory.join("main.go")).unwrap();
    fs::write(directory.join("go.mod"), "module program\n\ngo 1.18\n").ok()?;
    let mut command = Command::new(go);
    command.current_dir(directory).arg("build").args(flags).arg("-o").arg(&program).arg(".");
    let calls_c = if source == "go-cgo" { "1" } else { "0" };
    command.env("GOTOOLCHAIN", "local").env("CGO_ENABLED", calls_c).env("HOME", directory).env("GOFLAGS", "-mod=mod");
    // What all of them share is compiled once.
    command.env("GOCACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-cache"));
    if !machine.is_empty() {
        command.env("GOARCH", machine);
    }
    if machine == "arm64" && calls_c == "1" {
        command.env("CC", "aarch64-linux-gnu-gcc");
    }
    command.output().ok()?.status.success().then_some(program)
}

fn scratch(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("go-{name}-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// What the program prints of its panics as it dies in a mode, and its core.
fn die(program: &Path, mode: &str, directory: &Path) -> Option<(Vec<String>, PathBuf)> {
    let core = directory.join("core");
    let _ = fs::remove_file(&core);
    let script = format!("ulimit -c unlimited; exec {} {mode}", program.display());
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(directory)
        .env("GOTRACEBACK", "crash")
        .stdout(Stdio::null())
        .output()
        .ok()?;
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    fs::write(directory.join("printed"), &printed).ok()?;
    let head = printed.lines().take_while(|line| !line.is_empty() && !line.starts_with('[')).map(str::to_owned);
    Some((head.collect(), core)).filter(|(_, core)| core.exists())
}

fn modes() -> Vec<String> {
    let source = fs::read_to_string(source_of("go-panics")).unwrap();
    let cases = source.lines().filter_map(|line| line.trim().strip_prefix("case \"")?.strip_suffix("\":"));
    cases.filter(|mode| !LEFT_OUT.contains(mode)).map(str::to_owned).collect()
}

fn obit(command: &str, core: &Path, arguments: &[&str]) -> String {
    let output = common::program().arg(command).arg(core).args(arguments).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn panics_are_told_as_go_prints_them() {
    panics_of_programs_built_with(&[]);
}

/// Types as the runtime describes them say the same.
#[test]
fn panics_of_stripped_programs_are_told_as_go_prints_them() {
    panics_of_programs_built_with(&["-ldflags=-s -w"]);
}

fn panics_of_programs_built_with(flags: &[&str]) {
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for (number, go) in toolchains().iter().enumerate() {
        let directory = scratch(&format!("panics-{}-{number}", flags.len()));
        let Some(program) = build(go, "go-panics", flags, &directory) else { continue };
        for mode in modes() {
            let Some((printed, core)) = die(&program, &mode, &directory) else { continue };
            compared += 1;
            let first = printed.first().cloned().unwrap_or_default();
            let analysis: Value = serde_json::from_str(&obit("analyze", &core, &["--json"])).unwrap();
            let message = &analysis["findings"][0]["evidence"][0]["value"];
            let message = message.as_str().unwrap_or_default();
            if first.starts_with("fatal error: ") {
                if message != first {
                    wrong.push(format!("{mode}: {message:?}, not {first:?}"));
                }
                continue;
            }
            let text = obit("goroutines", &core, &[]);
            // The runtime of older versions does not indent what follows in a text.
            let told = text.lines().skip_while(|line| !line.starts_with("goroutine 1 [")).skip(1);
            let told: Vec<&str> = told.take(printed.len()).map(|line| line.trim_start()).collect();
            let printed: Vec<&str> = printed.iter().map(|line| line.trim_start()).collect();
            if told != printed {
                wrong.push(format!("{mode}: {told:?}, not {printed:?}"));
            }
            let last = printed.iter().rev().find_map(|line| line.strip_prefix("panic: ")).unwrap_or_default();
            let last = last.split(" [recovered").next().unwrap_or_default();
            if message.lines().next() != last.strip_prefix("runtime error: ").unwrap_or(last).lines().next() {
                wrong.push(format!("{mode}: analyze says {message:?}, not {last:?}"));
            }
        }
        let _ = fs::remove_dir_all(&directory);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if compared == 0 {
        eprintln!("nothing compared: there is no go here, or the kernel writes no file called core");
    }
}

/// A goroutine that waits in a deferred call still panics.
#[test]
fn panics_of_goroutines_that_did_not_end_the_program() {
    let Some(go) = toolchains().into_iter().next_back() else { return };
    let directory = scratch("deferred");
    let found = build(&go, "go-panics", &[], &directory).and_then(|program| die(&program, "indefer", &directory));
    if let Some((_, core)) = found {
        let answer: Value = serde_json::from_str(&obit("goroutines", &core, &["--json"])).unwrap();
        let rows = answer["goroutines"].as_array().unwrap();
        let texts = rows.iter().flat_map(|row| row["panics"].as_array().unwrap());
        let texts: Vec<&str> = texts.map(|panic| panic["text"].as_str().unwrap()).collect();
        assert!(texts.contains(&"runtime error: index out of range [4] with length 1"), "{texts:?}");
        let missing = "interface conversion: main.point is not main.shape: missing method Area";
        assert!(texts.contains(&missing), "{texts:?}");
        assert!(texts.contains(&"w: my error 8"), "{texts:?}");
        assert!(rows.iter().any(|row| row["panics"][0]["goexit"] == true), "{answer}");
    }
    let _ = fs::remove_dir_all(&directory);
}

/// Two goroutines hold what the other one wants, a writer waits for a reader, a group for its workers; channels, selects and
/// conditions by their names.
#[test]
fn goroutines_that_wait_for_each_other() {
    for (number, go) in toolchains().iter().enumerate() {
        let directory = scratch(&format!("locks-{number}"));
        let found = build(go, "go-locks", &[], &directory).and_then(|program| die(&program, "", &directory));
        if let Some((_, core)) = found {
            let answer: Value = serde_json::from_str(&obit("locks", &core, &["--json"])).unwrap();
            let cycles = answer["goroutine_cycles"].as_array().unwrap();
            assert_eq!(cycles.iter().map(|cycle| cycle.as_array().unwrap().len()).collect::<Vec<_>>(), [2], "{answer}");
            let waits = answer["waits"].as_array().unwrap().iter().filter(|wait| !wait["waiter_goroutine"].is_null());
            let mut told: Vec<(&str, &str, bool)> = waits
                .map(|wait| {
                    let text = |field: &str| wait[field].as_str().unwrap_or_default();
                    (text("kind"), text("function"), wait["owner_goroutine"].is_u64())
                })
                .collect();
            told.retain(|(_, function, _)| !function.starts_with("main.main."));
            told.sort_unstable();
            let expected = [
                ("channel", "main.worker", false),
                ("channel", "main.worker", false),
                ("mutex", "main.transfer", true),
                ("mutex", "main.transfer", true),
                ("rwlock", "main.writer", true),
                ("select", "main.producer", false),
                ("select", "main.reader", false),
            ];
            assert_eq!(told, expected, "{}", go.display());
            let text = obit("locks", &core, &[]);
            assert!(text.contains("waits for mutex `to.mu`, held by goroutine"), "{text}");
            assert!(text.contains("waits for rwlock `main.table.lock` (to write), held by goroutine"), "{text}");
            let verdict: Value = serde_json::from_str(&obit("analyze", &core, &["--json"])).unwrap();
            assert_eq!(verdict["verdict"]["class"], "deadlock", "{verdict}");
            let stacks: Value = serde_json::from_str(&obit("stacks", &core, &["--json"])).unwrap();
            let workers = stacks["groups"].as_array().unwrap().iter();
            let workers = workers.filter(|group| group["goroutines"].as_array().is_some_and(|ids| ids.len() == 2));
            assert!(workers.count() >= 1, "{stacks}");
            let threads: Value = serde_json::from_str(&obit("bt", &core, &["--json"])).unwrap();
            assert!(threads["goroutines"].as_array().unwrap().len() > 8, "{threads}");
        }
        let _ = fs::remove_dir_all(&directory);
    }
}

/// Without debug information, and without symbols: the same functions, files, lines and inlined calls as with them.
#[test]
fn stripped_programs_have_the_same_stacks() {
    for (number, go) in toolchains().iter().enumerate() {
        for flags in ["-ldflags=-w", "-ldflags=-s -w"] {
            let directory = scratch(&format!("stripped-{number}"));
            let found = build(go, "go-locks", &[flags], &directory).and_then(|program| die(&program, "", &directory));
            if let Some((_, core)) = found {
                let output = fs::read_to_string(directory.join("printed")).unwrap();
                let answer = obit("goroutines", &core, &["--json"]);
                let answer: Value = serde_json::from_str(&answer).unwrap_or_else(|_| {
                    let why = common::program().arg("goroutines").arg(&core).output().unwrap();
                    panic!("{flags}: {}", String::from_utf8_lossy(&why.stderr))
                });
                let (mut wrong, compared) = traceback::compare(&answer, &output);
                // The threads' own stacks, which the signal's traceback has too.
                wrong.retain(|line| line != "goroutine 0 is missing");
                assert!(wrong.is_empty(), "{} {flags}: {}", go.display(), wrong.join("\n"));
                assert!(compared > 30, "{compared} frames");
            }
            let _ = fs::remove_dir_all(&directory);
        }
    }
}

/// Without debug information, and without symbols: the same scheduler as with them, in the same core.
#[test]
fn stripped_programs_have_the_same_scheduler() {
    let mut compared = 0;
    for (number, go) in toolchains().iter().enumerate() {
        for flags in [&[][..], &["-buildmode=pie"]] {
            let directory = scratch(&format!("scheduler-{number}"));
            let Some(program) = build(go, "go-heap", flags, &directory) else { continue };
            // With the file's pages, as the stripped file is another.
            let script =
                format!("ulimit -c unlimited; echo 0x37 >/proc/self/coredump_filter; exec {}", program.display());
            let mut command = Command::new("bash");
            command.args(["-c", &script]).current_dir(&directory).env("GOTRACEBACK", "crash");
            let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
            let core = directory.join("core");
            let ask = || {
                let answer = obit("goroutines", &core, &["--sched", "--json", "--allow-mismatch"]);
                let answer: Result<Value, _> = serde_json::from_str(&answer);
                answer.ok().filter(|_| core.exists()).map(|mut answer| {
                    answer["notes"].take();
                    answer
                })
            };
            let whole = ask();
            for how in [&["-g"][..], &["-s"]] {
                let stripped = Command::new("strip").args(how).arg(&program).status();
                if whole.is_some() && stripped.is_ok_and(|status| status.success()) {
                    assert_eq!(ask(), whole, "{} {flags:?} {how:?}", go.display());
                    compared += 1;
                }
            }
            let _ = fs::remove_dir_all(&directory);
        }
    }
    println!("{compared} answers");
}

/// A core of the program that fills a heap, and what it printed.
fn filled_heap(go: &Path, flags: &[&str], directory: &Path) -> Option<(PathBuf, String)> {
    let program = build(go, "go-heap", flags, directory)?;
    let script = format!("ulimit -c unlimited; exec {} >printed", program.display());
    let mut command = Command::new("bash");
    command.args(["-c", &script]).current_dir(directory).env("GOTRACEBACK", "crash").stderr(Stdio::null());
    let _ = command.status();
    let core = directory.join("core");
    let printed = fs::read_to_string(directory.join("printed")).unwrap();
    core.exists().then_some((core, printed))
}

/// The number behind a word.
fn printed_number(printed: &str, word: &str) -> u64 {
    let mut words = printed.split_whitespace().skip_while(|found| *found != word);
    words.nth(1).unwrap().parse().unwrap()
}

/// Objects and bytes of a type.
fn objects_of(heap: &Value, name: &str) -> Option<(u64, u64)> {
    let found = heap["types"].as_array().unwrap().iter().find(|row| row["type"] == name);
    found.map(|row| (row["objects"].as_u64().unwrap(), row["bytes"].as_u64().unwrap()))
}

/// As many objects as Go counted: but for what was made after that, and small ones that share a slot.
fn counts_as_go_does(heap: &Value, printed: &str) {
    let objects = heap["objects"].as_u64().unwrap();
    let counted = printed_number(printed, "objects");
    assert!(objects.abs_diff(counted) < 64, "{objects}, not {counted}");
    let bytes = heap["bytes"].as_u64().unwrap();
    let counted = printed_number(printed, "bytes");
    assert!(bytes.abs_diff(counted) < 1 << 14, "{bytes}, not {counted}");
}

fn references_to_leaf(core: &Path, printed: &str) -> Value {
    let leaf = printed_number(printed, "leaf").to_string();
    let refs: Value = serde_json::from_str(&obit("refs", core, &["--json", "--", &leaf])).unwrap();
    assert_eq!(refs["references_counted"], 1, "{refs}");
    refs
}

/// Objects by type as the program made them, as many as Go itself counts, and the one way that leads to a leaf.
#[test]
fn heaps_by_type() {
    for (number, go) in toolchains().iter().enumerate() {
        let directory = scratch(&format!("heap-{number}"));
        if let Some((core, printed)) = filled_heap(go, &[], &directory) {
            let heap: Value = serde_json::from_str(&obit("heap", &core, &["types", "--json"])).unwrap();
            let count = |name: &str| objects_of(&heap, name);
            assert_eq!(count("main.Node"), Some((1102, 1102 * 32)), "{}: {heap}", go.display());
            assert_eq!(count("main.Tree"), Some((511, 511 * 24)), "{}: {heap}", go.display());
            assert_eq!(count("main.Leaf"), Some((256, 256 * 48)), "{}: {heap}", go.display());
            assert_eq!(count("main.Square"), Some((100, 100 * 32)), "{}: {heap}", go.display());
            assert_eq!(count("main.Big"), Some((100, 100 * 896)), "{}: {heap}", go.display());
            assert_eq!(count("[]main.Shape").unwrap().0, 1, "{}: {heap}", go.display());
            assert_eq!(count("chan *main.Node").unwrap().0, 1, "{}: {heap}", go.display());
            counts_as_go_does(&heap, &printed);
            let refs = references_to_leaf(&core, &printed);
            assert_eq!(refs["object"]["type"], "main.Leaf", "{refs}");
            assert_eq!(refs["references"][0]["path"], ".leaf", "{refs}");
            let chain = refs["chain"].as_array().unwrap();
            let path: Vec<&str> = chain.iter().map(|step| step["path"].as_str().unwrap_or("")).collect();
            let registry = (chain[0]["kind"].as_str(), chain[0]["name"].as_str());
            assert_eq!(registry, (Some("global"), Some("main.registry")), "{refs}");
            let expected = [&["", ".trees"][..], &[".right"; 8], &[".leaf"]].concat();
            assert_eq!(path, expected, "{refs}");
        }
        let _ = fs::remove_dir_all(&directory);
    }
}

/// Without debug information the same number of objects, and types where the runtime itself describes them: what it wrote
/// down, what is in interfaces, and what these lead to.
#[test]
fn heaps_of_stripped_programs() {
    for (number, go) in toolchains().iter().enumerate() {
        for flags in [&["-ldflags=-w"][..], &["-ldflags=-s -w"], &["-ldflags=-s -w", "-buildmode=pie"]] {
            let directory = scratch(&format!("heap-stripped-{number}-{}", flags.concat().len()));
            if let Some((core, printed)) = filled_heap(go, flags, &directory) {
                let heap: Value = serde_json::from_str(&obit("heap", &core, &["types", "--json"])).unwrap();
                let what = format!("{} {flags:?}: {heap}", go.display());
                counts_as_go_does(&heap, &printed);
                // Each is in an interface.
                assert_eq!(objects_of(&heap, "main.Square"), Some((100, 100 * 32)), "{what}");
                let minor = heap["runtime"].as_str().unwrap().split('.').nth(1).unwrap();
                if minor.parse::<u32>().unwrap() >= 22 {
                    // Those that the runtime recorded, and through them what is in the map and in the big ones.
                    assert_eq!(objects_of(&heap, "main.Big"), Some((100, 100 * 896)), "{what}");
                    assert_eq!(objects_of(&heap, "main.Node"), Some((1100, 1100 * 32)), "{what}");
                    assert_eq!(objects_of(&heap, "[]main.Shape").unwrap().0, 1, "{what}");
                }
                assert_eq!(heap["notes"][0]["code"], "types-of-runtime-only", "{what}");
                let refs = references_to_leaf(&core, &printed);
                assert_eq!(refs["object"]["size"], 48, "{refs}");
                let chain = refs["chain"].as_array().unwrap();
                assert_eq!((chain.len(), chain[0]["kind"].as_str()), (10, Some("static")), "{refs}");
                let path: Vec<&str> = chain.iter().skip(1).map(|step| step["path"].as_str().unwrap_or("")).collect();
                assert_eq!(path, [&["+8"; 8][..], &["+16"]].concat(), "{refs}");
            }
            let _ = fs::remove_dir_all(&directory);
        }
    }
}

/// The core of a program for arm64, by what its emulator writes as it dies.
fn die_emulated(program: &Path, mode: &str, directory: &Path) -> Option<PathBuf> {
    let cores = || {
        let files = fs::read_dir(directory).unwrap().filter_map(|entry| Some(entry.ok()?.path()));
        files.filter(|path| path.to_string_lossy().ends_with("core")).collect::<Vec<PathBuf>>()
    };
    cores().iter().for_each(|old| fs::remove_file(old).unwrap());
    let (libraries, program) = ("/usr/aarch64-linux-gnu", program.display());
    let script = format!("ulimit -c unlimited; exec qemu-aarch64 -L {libraries} {program} {mode}");
    let mut emulator = Command::new("bash");
    emulator.args(["-c", &script]).current_dir(directory).env("GOTRACEBACK", "crash");
    let _ = emulator.stdout(Stdio::null()).stderr(Stdio::null()).status();
    // That of the emulator itself is called core.
    cores().into_iter().find(|path| path.to_string_lossy().ends_with(".core"))
}

/// Go calls C, which calls Go, which calls C: one stack, and the frame that is to blame is C's where C dies.
#[test]
fn stacks_through_c() {
    if std::env::consts::ARCH == "x86_64" {
        through_c("", &|program, mode, directory| Some(die(program, mode, directory)?.1));
    }
}

/// The same of programs for another processor, whose C compiler and emulator are there.
#[test]
fn stacks_through_c_of_arm64() {
    let is_there = |tool: &str| Command::new(tool).arg("--version").output().is_ok();
    if !is_there("qemu-aarch64") || !is_there("aarch64-linux-gnu-gcc") {
        eprintln!("nothing compared: there is no qemu-aarch64 or no aarch64-linux-gnu-gcc here");
        return;
    }
    through_c("arm64", &die_emulated);
}

fn through_c(machine: &str, die: &dyn Fn(&Path, &str, &Path) -> Option<PathBuf>) {
    const INNER: [&str; 4] = ["main._Cfunc_c_inner", "main.goInner", "main.goMiddle", "runtime.cgocallback"];
    const OUTER: [&str; 6] =
        ["crosscall2", "goMiddle", "c_outer", "runtime.asmcgocall", "main._Cfunc_c_outer", "main.callsC"];
    for (number, go) in toolchains().iter().enumerate() {
        let directory = scratch(&format!("cgo-{machine}-{number}"));
        let Some(program) = build_for(go, "go-cgo", &[], &directory, machine) else { continue };
        let of_emulator = ["--exe", program.to_str().unwrap(), "--sysroot", "/usr/aarch64-linux-gnu"];
        let files: &[&str] = if machine.is_empty() { &[] } else { &of_emulator };
        let ask = |command: &str, core: &Path, arguments: &[&str]| -> Value {
            serde_json::from_str(&obit(command, core, &[&["--json"], arguments, files].concat())).unwrap()
        };
        for (mode, blamed, expected) in [
            ("0", "crash_in_c", [&["crash_in_c", "c_inner"][..], &INNER, &OUTER, &["main.main"]].concat()),
            (
                "1",
                "main.goInner",
                ["main.goInner", "runtime.cgocallback", "main._Cfunc_c_outer", "main.callsC"].to_vec(),
            ),
            ("2", "c_inner", [&["abort", "c_inner"][..], &INNER, &OUTER, &["main.main"]].concat()),
            ("3", "main.goInner", ["main.goInner", "runtime.cgocallback", "crosscall2", "thread_start"].to_vec()),
        ] {
            let Some(core) = die(&program, mode, &directory) else { continue };
            let analysis = ask("analyze", &core, &[]);
            let verdict = &analysis["verdict"];
            assert_eq!(verdict["function"], blamed, "{} {mode}: {analysis}", go.display());
            // An emulator's core has neither code nor where memory was accessed.
            if machine.is_empty() {
                assert_ne!(verdict["class"], "unknown", "{} {mode}: {analysis}", go.display());
            }
            let lwp = verdict["thread"].to_string();
            let answer = ask("bt", &core, &["--thread", &lwp]);
            let thread = &answer["threads"][0];
            let frames = thread["frames"].as_array().unwrap();
            let names: Vec<&str> = frames.iter().map(|frame| frame["function"].as_str().unwrap_or("?")).collect();
            // All of them, in that order.
            let mut left = names.iter();
            let missing = expected.iter().find(|wanted| !left.any(|name| *name == **wanted));
            assert_eq!(missing, None, "{} {mode}: {names:?}", go.display());
            assert_eq!(thread["stack_end"], "complete", "{} {mode}: {names:?}", go.display());
            let guessed = frames.iter().filter(|frame| frame["trust"] == "scan").count();
            assert_eq!(guessed, 0, "{} {mode}: {names:?}", go.display());
            let locked = ask("goroutines", &core, &["--with", "main.locked"]);
            let locked = &locked["goroutines"][0];
            assert!(locked["locked_lwp"].is_u64() && locked["lwp"].is_null(), "{} {mode}: {locked}", go.display());
        }
        let _ = fs::remove_dir_all(&directory);
    }
}

/// What the rows of `--by` say: how many, and of what.
fn counted(core: &Path, what: &str, arguments: &[&str]) -> Vec<(u64, String)> {
    let text = obit("goroutines", core, &[&["--by", what], arguments].concat());
    let rows = text.lines().filter_map(|line| {
        let (count, kind) = line.trim_start().split_once("  ")?;
        let kind = kind.split(" (goroutine").next()?.split(" at ").next()?;
        Some((count.parse().ok()?, kind.to_owned()))
    });
    rows.collect()
}

fn labels_and_waiting_times(core: &Path, arguments: &[&str], go: &Path) {
    let has = |what: &str, count: u64, kind: &str| {
        let found = counted(core, what, arguments);
        assert!(found.contains(&(count, kind.to_owned())), "{} --by {what}: {found:?}", go.display());
    };
    has("location", 4, "main.worker");
    has("creator", 3, "main.importer");
    has("reason", 4, "chan receive");
    has("reason", 1, "select (no cases)");
    has("label", 3, "job: import, tenant: blue");
    has("label", 1, "job: export");
    // From Go 1.22 on a function literal is what the compiler made of the call.
    let starts = counted(core, "start", arguments);
    assert!(starts.iter().any(|(count, kind)| *count == 3 && kind.starts_with("main.importer.")), "{starts:?}");
    let answer: Value =
        serde_json::from_str(&obit("goroutines", core, &[&["--json", "--with", "main.worker"], arguments].concat()))
            .unwrap();
    let workers = answer["goroutines"].as_array().unwrap();
    assert_eq!(workers.len(), 4, "{answer}");
    for worker in workers {
        // The collector saw it wait, and 2.1 seconds later wrote down what time it was.
        let waited = worker["waits_since_seconds"].as_u64().unwrap();
        assert!((2..60).contains(&waited), "{}: {worker}", go.display());
        assert_eq!(worker["labels"][0]["key"], "job", "{}: {worker}", go.display());
    }
    let text = obit("goroutines", core, arguments);
    assert!(text.contains("\nlabels job: import, tenant: blue\ncreated by main.importer"), "{text}");
}

#[test]
fn labels_and_times_are_told() {
    for (number, go) in toolchains().iter().enumerate() {
        let directory = scratch(&format!("labels-{number}"));
        let found = build(go, "go-labels", &[], &directory).and_then(|program| die(&program, "", &directory));
        if let Some((_, core)) = found {
            labels_and_waiting_times(&core, &[], go);
        }
        let _ = fs::remove_dir_all(&directory);
    }
}

/// The same of a program for another processor, whose emulator writes the core.
#[test]
fn labels_and_times_are_told_of_arm64() {
    if Command::new("qemu-aarch64").arg("--version").output().is_err() {
        eprintln!("nothing compared: there is no qemu-aarch64 here");
        return;
    }
    for (number, go) in toolchains().iter().enumerate() {
        let directory = scratch(&format!("labels-arm64-{number}"));
        if let Some(program) = build_for(go, "go-labels", &[], &directory, "arm64")
            && let Some(core) = die_emulated(&program, "", &directory)
        {
            let arguments = ["--exe", program.to_str().unwrap()];
            labels_and_waiting_times(&core, &arguments, go);
            let heap = obit("heap", &core, &[&["types", "--json"], &arguments[..]].concat());
            let heap: Value = serde_json::from_str(&heap).unwrap();
            let types = heap["types"].as_array().unwrap();
            assert!(types.iter().any(|row| row["type"] == "runtime.g"), "{}: {heap}", go.display());
            let scheduler = obit("goroutines", &core, &[&["--sched", "--json"], &arguments[..]].concat());
            let scheduler: Value = serde_json::from_str(&scheduler).unwrap();
            let processors = scheduler["processors"].as_array().unwrap().len() as u64;
            assert_eq!(scheduler["gomaxprocs"], processors, "{}: {scheduler}", go.display());
        }
        let _ = fs::remove_dir_all(&directory);
    }
}

/// Owners of locks that no deferred call gives back, by where they stand; of the one who gave it back before, nothing.
#[test]
fn owners_without_deferred_calls() {
    for (number, go) in toolchains().iter().enumerate() {
        for flags in [&[][..], &["-gcflags=all=-N -l"]] {
            let directory = scratch(&format!("held-{number}-{}", flags.len()));
            let found = build(go, "go-held", flags, &directory).and_then(|program| die(&program, "", &directory));
            if let Some((_, core)) = found {
                let answer: Value = serde_json::from_str(&obit("locks", &core, &["--json"])).unwrap();
                let waits = answer["waits"].as_array().unwrap().iter();
                let waits = waits.filter(|wait| wait["kind"] == "mutex" && !wait["waiter_goroutine"].is_null());
                let mut told: Vec<(&str, bool, &str)> = waits
                    .map(|wait| {
                        let found = wait["owner_found"].as_str().unwrap_or("");
                        (wait["function"].as_str().unwrap(), wait["owner_goroutine"].is_u64(), found)
                    })
                    .collect();
                told.sort_unstable();
                let expected = [
                    ("main.append2", true, "inferred"),
                    // main knows three accounts: which one it has does not follow.
                    ("main.main.func1", false, ""),
                    ("main.transfer", true, "inferred"),
                    ("main.transfer", true, "inferred"),
                ];
                assert_eq!(told, expected, "{} {flags:?}: {answer}", go.display());
                let cycles = answer["goroutine_cycles"].as_array().unwrap();
                assert_eq!(cycles.len(), 1, "{} {flags:?}: {answer}", go.display());
                let text = obit("locks", &core, &[]);
                assert!(text.contains("waits for mutex `main.journal`, held by goroutine"), "{text}");
            }
            let _ = fs::remove_dir_all(&directory);
        }
    }
}
