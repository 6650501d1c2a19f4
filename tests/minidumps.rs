//! Minidumps as targets, and minidumps out of cores: what is exported opens again and answers the same.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use minidump::{Minidump, MinidumpModuleList, MinidumpThreadList, Module};
use serde_json::Value;

/// Offsets in MINIDUMP_DIRECTORY's entries and kinds of streams (minidumpapiset.h, Breakpad's minidump_format.h).
const MODULE_LIST: u32 = 4;
const THREAD_LIST: u32 = 3;
const MEMORY_LIST: u32 = 5;
const EXCEPTION: u32 = 6;
const SYSTEM_INFO: u32 = 7;
const MISC_INFO: u32 = 15;
const STATUS: u32 = 0x4767_0004;
const AUXV: u32 = 0x4767_0008;
const MAPS: u32 = 0x4767_0009;

fn scratch(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("minidumps");
    fs::create_dir_all(&directory).unwrap();
    directory.join(name)
}

/// The minidump that `export` makes of a fixture's core.
fn exported(fixture: &str) -> PathBuf {
    let file = scratch(&format!("{fixture}.{:?}.dmp", std::thread::current().id()));
    let output = common::obit(fixture, "export", &["--minidump", "-o", file.to_str().unwrap()]);
    assert!(output.status.success(), "{fixture}: {}", String::from_utf8_lossy(&output.stderr));
    file
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn set_word(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// Where a stream's entry in the directory is.
fn entry(bytes: &[u8], kind: u32) -> Option<usize> {
    let (count, directory) = (word(bytes, 8) as usize, word(bytes, 12) as usize);
    (0..count).map(|index| directory + 12 * index).find(|at| word(bytes, *at) == kind)
}

/// Where a stream is.
fn stream(bytes: &[u8], kind: u32) -> usize {
    word(bytes, entry(bytes, kind).unwrap() + 8) as usize
}

fn without(bytes: &mut [u8], kinds: &[u32]) {
    for kind in kinds {
        let at = entry(bytes, *kind).unwrap();
        set_word(bytes, at, 0);
    }
}

fn answer(target: &Path, fixture: &str, command: &str, arguments: &[&str]) -> Value {
    let output = common::obit_on(target, fixture, command, arguments);
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

/// Every thread's frames: function, line and pc; and the variables of the crashed one's.
fn told(target: &Path, fixture: &str) -> Value {
    let mut answer = answer(target, fixture, "bt", &["--json", "--locals", "--thread", "all"]);
    let threads = answer["threads"].as_array_mut().unwrap();
    threads.sort_by_key(|thread| thread["lwp"].as_u64());
    for thread in threads {
        // A core has no names of threads, and its notes speak of another target.
        thread.as_object_mut().unwrap().remove("stack_end");
    }
    answer.as_object_mut().unwrap().remove("notes");
    answer
}

#[test]
fn an_exported_minidump_answers_as_its_core() {
    for fixture in ["c-O0", "c-O2", "threads", "cpp-O0", "rust-debug", "i386-O2", "aarch64-O2"] {
        if !common::root().join("tmp/fixtures").join(fixture).exists() {
            continue;
        }
        let core = common::root().join("tmp/fixtures").join(fixture).join("core");
        let dump = exported(fixture);
        let (mut of_core, mut of_dump) = (told(&core, fixture), told(&dump, fixture));
        if fixture == "aarch64-O2" {
            // qemu's core names no files and has no siginfo: the list of modules has the program by its path here.
            (of_core, of_dump) = (of_core["threads"].clone(), of_dump["threads"].clone());
            for frames in [&mut of_core, &mut of_dump] {
                let frames = frames[0]["frames"].as_array_mut().unwrap();
                frames.iter_mut().for_each(|frame| frame["build_id"] = Value::Null);
            }
        }
        if of_core != of_dump {
            let (one, other) = (scratch("core.json"), scratch("dump.json"));
            fs::write(&one, serde_json::to_string_pretty(&of_core).unwrap()).unwrap();
            fs::write(&other, serde_json::to_string_pretty(&of_dump).unwrap()).unwrap();
            panic!("{fixture}: {} and {} differ", one.display(), other.display());
        }
    }
}

#[test]
fn registers_and_modules_are_the_cores() {
    for fixture in ["c-O2", "i386-O2", "aarch64-O2"] {
        let core = common::root().join("tmp/fixtures").join(fixture).join("core");
        let dump = exported(fixture);
        let registers = |target: &Path| answer(target, fixture, "registers", &["--json", "--all"])["registers"].clone();
        let (of_core, of_dump) = (registers(&core), registers(&dump));
        let named = |registers: &Value, name: &str| {
            let found = registers.as_array().unwrap().iter().find(|register| register["name"] == name);
            found.map(|register| register["value"].clone())
        };
        for register in of_core.as_array().unwrap() {
            let name = register["name"].as_str().unwrap();
            // Minidumps have neither the number of an interrupted system call nor what lies above the lower 128 bits.
            if matches!(name, "orig_rax" | "orig_eax" | "gs_base") || name.starts_with("ymm") || name.starts_with('k') {
                assert!(named(&of_dump, name).is_none(), "{fixture}: {name}");
                continue;
            }
            let upper = name.strip_prefix("xmm").and_then(|number| number.parse::<u32>().ok()).is_some_and(|n| n > 15);
            if upper || name.starts_with("zmm") || name.starts_with("pkru") {
                continue;
            }
            assert_eq!(named(&of_dump, name).as_ref(), Some(&register["value"]), "{fixture}: {name}");
        }
        let modules = |target: &Path| -> Vec<(Value, Value, Value)> {
            let answer = answer(target, fixture, "modules", &["--json"]);
            let rows = answer["modules"].as_array().unwrap().iter();
            rows.filter(|row| row["path"] != "[vdso]")
                .map(|row| (row["path"].clone(), row["build_id"].clone(), row["bias"].clone()))
                .collect()
        };
        assert_eq!(modules(&core), modules(&dump), "{fixture}");
    }
}

#[test]
fn another_reader_opens_what_is_exported() {
    let path = exported("threads");
    let dump = Minidump::read_path(&path).unwrap();
    let threads: MinidumpThreadList<'_> = dump.get_stream().unwrap();
    let modules: MinidumpModuleList = dump.get_stream().unwrap();
    let system: minidump::MinidumpSystemInfo = dump.get_stream().unwrap();
    let exception: minidump::MinidumpException<'_> = dump.get_stream().unwrap();
    let misc: minidump::MinidumpMiscInfo = dump.get_stream().unwrap();
    let memory = dump.get_memory().unwrap();
    let core = answer(&path, "threads", "bt", &["--json", "--thread", "all"]);
    assert_eq!(system.os, minidump::system_info::Os::Linux);
    assert_eq!(system.cpu, minidump::system_info::Cpu::X86_64);
    assert_eq!(threads.threads.len(), core["threads"].as_array().unwrap().len());
    assert_eq!(misc.raw.process_id().copied().map(u64::from), core["process"]["pid"].as_u64());
    for thread in core["threads"].as_array().unwrap() {
        let found = threads.get_thread(thread["lwp"].as_u64().unwrap() as u32).unwrap();
        let context = found.context(&system, Some(&misc)).unwrap();
        let pc = format!("{:#x}", context.get_instruction_pointer());
        assert_eq!(thread["frames"][0]["pc"], pc);
        // The stack that the frames were walked on is found by the stack pointer.
        assert!(found.stack_memory(&memory).is_some_and(|stack| {
            stack.memory_range().is_some_and(|range| range.contains(context.get_stack_pointer()))
        }));
    }
    let crashed = core["threads"].as_array().unwrap().iter().find(|thread| thread["crashed"] == true).unwrap();
    assert_eq!(u64::from(exception.get_crashing_thread_id()), crashed["lwp"].as_u64().unwrap());
    let reason = exception.get_crash_reason(system.os, system.cpu).to_string();
    assert!(reason.starts_with("SIG"), "{reason}");
    let program = modules.main_module().unwrap();
    assert!(program.code_file().ends_with("/threads"));
    let rows = answer(&path, "threads", "modules", &["--json"]);
    let row = rows["modules"].as_array().unwrap().iter().find(|row| row["executable"] == true).unwrap();
    let wanted = row["build_id"].as_str().unwrap();
    assert_eq!(program.code_identifier().unwrap().as_str(), wanted);
}

/// Writers leave streams out, and put other records in: what remains answers.
#[test]
fn dumps_with_less_in_them() {
    let fixture = "c-O2";
    let whole = exported(fixture);
    let bytes = fs::read(&whole).unwrap();
    let expected = told(&whole, fixture)["threads"].clone();
    let variant = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = bytes.clone();
        change(&mut bytes);
        let path = scratch(&format!("{fixture}.{name}.dmp"));
        fs::write(&path, bytes).unwrap();
        path
    };
    // Without a list of mappings: modules stand in their place, and nothing is called unmapped.
    let bare = variant("bare", &|bytes| without(bytes, &[MAPS, AUXV]));
    assert_eq!(told(&bare, fixture)["threads"], expected);
    let output = common::obit_on(&bare, fixture, "x", &["/1xb", "0x12345678"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("not saved"));
    // The module's GUID has the build-id's first sixteen bytes.
    let guid = variant("guid", &|bytes| {
        let list = stream(bytes, MODULE_LIST);
        for index in 0..word(bytes, list) as usize {
            // MINIDUMP_MODULE has 108 bytes, CvRecord at 76.
            let record = word(bytes, list + 4 + 108 * index + 80) as usize;
            if word(bytes, list + 4 + 108 * index + 76) == 24 {
                assert_eq!(&bytes[record..record + 4], b"LEpB");
                bytes[record..record + 4].copy_from_slice(b"RSDS");
                set_word(bytes, record + 20, 0);
            }
        }
    });
    assert_eq!(told(&guid, fixture)["threads"], expected);
    let rows = |target: &Path| answer(target, fixture, "modules", &["--json"])["modules"][0].clone();
    assert_eq!(rows(&guid)["build_id"], rows(&whole)["build_id"], "the file has the rest of it");
    // All memory in one piece of the file, as full dumps have it (Memory64List).
    let full = variant("full", &|bytes| {
        let list = stream(bytes, MEMORY_LIST);
        let pieces: Vec<(Vec<u8>, usize, usize)> = (0..word(bytes, list) as usize)
            .map(|index| list + 4 + 16 * index)
            .map(|at| (bytes[at..at + 8].to_vec(), word(bytes, at + 8) as usize, word(bytes, at + 12) as usize))
            .collect();
        let base = bytes.len();
        pieces.iter().for_each(|(_, size, from)| bytes.extend_from_within(*from..*from + *size));
        let at = bytes.len();
        bytes.extend_from_slice(&(pieces.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&(base as u64).to_le_bytes());
        for (start, size, _) in &pieces {
            bytes.extend_from_slice(start);
            bytes.extend_from_slice(&(*size as u64).to_le_bytes());
        }
        let (place, length) = (entry(bytes, MEMORY_LIST).unwrap(), bytes.len() - at);
        set_word(bytes, place, 9);
        set_word(bytes, place + 4, length as u32);
        set_word(bytes, place + 8, at as u32);
        // The threads' stacks are found in it too.
        let threads = stream(bytes, THREAD_LIST);
        for index in 0..word(bytes, threads) as usize {
            set_word(bytes, threads + 4 + 48 * index + 32, 0);
        }
    });
    assert_eq!(told(&full, fixture)["threads"], expected);
    // Another program's GUID is refused.
    let other = variant("other", &|bytes| {
        let list = stream(bytes, MODULE_LIST);
        let record = word(bytes, list + 4 + 80) as usize;
        bytes[record..record + 4].copy_from_slice(b"RSDS");
        bytes[record + 4] ^= 1;
    });
    assert_eq!(rows(&other)["status"], "mismatch");
    // Somebody asked for a dump, and nothing had crashed.
    let asked = variant("asked", &|bytes| {
        let exception = stream(bytes, EXCEPTION);
        set_word(bytes, exception + 8, 0xffff_ffff);
    });
    let told_asked = told(&asked, fixture);
    assert_eq!(told_asked["signal"], Value::Null);
    assert_eq!(told_asked["threads"][0]["crashed"], false);
    // No exception, no process's id.
    let quiet = variant("quiet", &|bytes| without(bytes, &[EXCEPTION, STATUS, MISC_INFO]));
    let told_quiet = told(&quiet, fixture);
    assert_eq!(told_quiet["process"]["pid"], Value::Null);
    assert_eq!(told_quiet["threads"][0]["frames"], expected[0]["frames"]);
}

/// Breakpad writes an older context on aarch64 than Crashpad.
#[test]
fn breakpads_context_of_aarch64() {
    let fixture = "aarch64-O2";
    let whole = exported(fixture);
    let mut bytes = fs::read(&whole).unwrap();
    let system = stream(&bytes, SYSTEM_INFO);
    bytes[system..system + 2].copy_from_slice(&0x8003u16.to_le_bytes());
    let list = stream(&bytes, THREAD_LIST);
    let mut moved = Vec::new();
    for index in 0..word(&bytes, list) as usize {
        // MINIDUMP_THREAD has 48 bytes, ThreadContext at 40.
        let place = list + 4 + 48 * index + 40;
        let context = word(&bytes, place + 4) as usize;
        // CONTEXT_ARM64: flags 4, cpsr 4, x0 to x30, sp, pc, 32 vectors, fpcr, fpsr.
        let registers = bytes[context + 8..context + 8 + 33 * 8].to_vec();
        let vectors = bytes[context + 272..context + 784].to_vec();
        // qemu's cores have no vectors, so that their flag (4 in both) is not always set.
        let flags = 0x8000_0002 | u64::from(word(&bytes, context) & 4);
        let mut old = flags.to_le_bytes().to_vec();
        old.extend(registers);
        old.extend_from_slice(&bytes[context + 4..context + 8]);
        old.extend_from_slice(&bytes[context + 788..context + 792]);
        old.extend_from_slice(&bytes[context + 784..context + 788]);
        old.extend(vectors);
        moved.push((place, context, bytes.len()));
        let length = old.len() as u32;
        let at = bytes.len() as u32;
        bytes.extend(old);
        set_word(&mut bytes, place, length);
        set_word(&mut bytes, place + 4, at);
    }
    let exception = stream(&bytes, EXCEPTION);
    let of_exception = word(&bytes, exception + 164) as usize;
    let (_, _, at) = *moved.iter().find(|(_, from, _)| *from == of_exception).unwrap();
    set_word(&mut bytes, exception + 160, 796);
    set_word(&mut bytes, exception + 164, at as u32);
    let old = scratch("aarch64.old.dmp");
    fs::write(&old, bytes).unwrap();
    assert_eq!(told(&old, fixture)["threads"], told(&whole, fixture)["threads"]);
    let registers = |target: &Path| answer(target, fixture, "registers", &["--json", "--all"])["registers"].clone();
    assert_eq!(registers(&old), registers(&whole));
}

#[test]
fn a_minidump_becomes_a_snapshot_and_a_core() {
    let fixture = "threads";
    let dump = exported(fixture);
    let (snapshot, core) = (scratch("threads.obit"), scratch("threads.core"));
    let made = |command: &str, arguments: &[&str]| {
        let output = common::obit_on(&dump, fixture, command, arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    made("snapshot", &["-o", snapshot.to_str().unwrap()]);
    made("export", &["--core", "-o", core.to_str().unwrap()]);
    let functions = |target: &Path| -> Vec<Value> {
        let threads = told(target, fixture)["threads"].as_array().unwrap().clone();
        threads.iter().flat_map(|thread| thread["frames"].as_array().unwrap().clone()).collect()
    };
    let expected = functions(&dump);
    assert!(expected.len() > 4);
    assert_eq!(functions(&core), expected);
    let output = common::program().args(["bt", "--json", "--locals"]).arg(&snapshot).output().unwrap();
    let alone: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut names: Vec<&Value> = Vec::new();
    for thread in alone["threads"].as_array().unwrap() {
        names.extend(thread["frames"].as_array().unwrap().iter().map(|frame| &frame["function"]));
    }
    assert!(!names.is_empty() && names.iter().all(|name| expected.iter().any(|frame| frame["function"] == **name)));
    let info = answer(&snapshot, fixture, "info", &["--json"]);
    assert_eq!(info["capture"]["source"], "minidump");
    assert_eq!(answer(&dump, fixture, "info", &["--json"])["kind"], "minidump");
}

#[test]
fn dumps_of_other_systems_and_processors_get_one_line() {
    let bytes = fs::read(exported("c-O0")).unwrap();
    let system = stream(&bytes, SYSTEM_INFO);
    let problem = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = bytes.clone();
        change(&mut bytes);
        let path = scratch("other-system.dmp");
        fs::write(&path, bytes).unwrap();
        let output = common::program().arg("bt").arg(&path).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        text
    };
    let platform = |number: u32| problem(&move |bytes| set_word(bytes, system + 20, number));
    assert!(platform(3).contains("is a minidump of Windows; only those of Linux can be read"));
    assert!(platform(0x8101).contains("is a minidump of macOS"));
    let arm = problem(&|bytes| bytes[system] = 5);
    assert!(arm.contains("is a minidump of 32-bit Arm; those of x86-64, aarch64 and i386 can be read"), "{arm}");
    assert!(problem(&|bytes| bytes.truncate(20)).contains("cut within its header"));
    assert!(problem(&|bytes| without(bytes, &[SYSTEM_INFO])).contains("of which system"));
}

/// Damage costs what it hits: no panic, no hang, and what is left still opens or is refused in one line.
#[test]
fn damaged_minidumps() {
    let whole = exported("threads");
    let bytes = fs::read(&whole).unwrap();
    let path = scratch("damaged.dmp");
    let run = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let mut command = Command::new("sh");
        let script = "ulimit -v 4000000; exec timeout 30 \"$0\" \"$@\"";
        command.args(["-c", script, env!("CARGO_BIN_EXE_obit"), "bt", "--locals", "--thread", "all"]);
        let output = command.arg(&path).env("OBIT_CACHE_DIR", "").env_remove("DEBUGINFOD_URLS").output().unwrap();
        let code = output.status.code();
        assert!(matches!(code, Some(0..=2)), "{code:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout.len() < 4 << 20);
    };
    let directory = word(&bytes, 12) as usize;
    for at in [33, 100, directory, directory + 7, bytes.len() / 3, bytes.len() - 1] {
        run(&bytes[..at.min(bytes.len())]);
    }
    // Every count, size and offset as large as it gets.
    let mut places: Vec<usize> = vec![8, 12];
    for index in 0..word(&bytes, 8) as usize {
        places.extend([directory + 12 * index + 4, directory + 12 * index + 8]);
    }
    places.extend([THREAD_LIST, MODULE_LIST, EXCEPTION, 5].map(|kind| stream(&bytes, kind)));
    places.push(stream(&bytes, THREAD_LIST) + 4 + 24);
    places.push(stream(&bytes, MODULE_LIST) + 4 + 8);
    for place in places {
        for value in [u32::MAX, 0x7fff_ffff, 0] {
            let mut changed = bytes.clone();
            set_word(&mut changed, place, value);
            run(&changed);
        }
    }
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..10 {
        let mut changed = bytes.clone();
        for _ in 0..200 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let length = changed.len();
            changed[state as usize % length] ^= 1 << (state >> 60 & 7);
        }
        run(&changed);
    }
}

/// lldb finds the same threads and functions. Skipped, and said so, where lldb-19 is not installed.
#[test]
fn lldb_opens_what_is_exported() {
    if Command::new("lldb-19").arg("--version").output().is_err() {
        println!("skipped: lldb-19 is not installed");
        return;
    }
    let fixture = "c-O0";
    let dump = exported(fixture);
    let directory = common::root().join("tmp/fixtures").join(fixture);
    let output = Command::new("lldb-19")
        .args(["--no-lldbinit", "--batch", "-c"])
        .arg(&dump)
        .arg(directory.join(fixture))
        .args(["-o", "bt"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let frames = answer(&dump, fixture, "bt", &["--json"])["threads"][0]["frames"].clone();
    assert!(text.contains("SIG"), "{text}");
    for frame in frames.as_array().unwrap().iter().take(3) {
        let pc = frame["pc"].as_str().unwrap().trim_start_matches("0x");
        assert!(text.contains(pc), "no frame at {pc} in\n{text}");
    }
}

/// What the Rust port of Breakpad's writer made of a program that crashed with two threads waiting.
#[test]
fn breakpads_writer() {
    let fixture = "minidump";
    let dump = common::root().join("tmp/fixtures/minidump/dump.dmp");
    let answer_of = |arguments: &[&str]| answer(&dump, fixture, arguments[0], &arguments[1..]);
    let backtrace = answer_of(&["bt", "--json", "--locals", "--thread", "all"]);
    let signal = &backtrace["signal"];
    assert_eq!(
        (&signal["name"], &signal["code"], &signal["address"]),
        (&Value::from("SIGSEGV"), &Value::from("SEGV_MAPERR"), &Value::from("0x1238"),)
    );
    let threads = backtrace["threads"].as_array().unwrap();
    assert_eq!(threads.len(), 3);
    assert_eq!(threads[0]["crashed"], true);
    assert_eq!(threads[0]["lwp"], backtrace["process"]["pid"]);
    let functions: Vec<&str> =
        threads[0]["frames"].as_array().unwrap().iter().filter_map(|frame| frame["function"].as_str()).collect();
    assert_eq!(functions[..5], ["count", "count", "count", "count", "main"]);
    let here = |frame: usize| -> Value {
        let variables = threads[0]["frames"][frame]["variables"].as_array().unwrap();
        let here = variables.iter().find(|variable| variable["name"] == "here").unwrap();
        here["value"]["fields"].clone()
    };
    for frame in 0..4 {
        assert_eq!(here(frame)[0]["value"]["int"], 3 - frame);
        // The text is in the program's constants, which the dump does not hold.
        assert_eq!(here(frame)[1]["value"]["string"], "here");
    }
    for thread in &threads[1..] {
        assert_eq!(thread["name"], "waiter");
        let frames = thread["frames"].as_array().unwrap();
        assert!(frames.iter().any(|frame| frame["function"] == "waits"), "{frames:?}");
    }
    // What the dump has of data: nothing, and that is said.
    let output = common::obit_on(&dump, fixture, "print", &["writer"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("Cannot access memory") || text.contains("not saved"), "{text}");
    let registers = answer_of(&["registers", "--json", "--all"]);
    let names: Vec<&str> =
        registers["registers"].as_array().unwrap().iter().filter_map(|register| register["name"].as_str()).collect();
    assert!(names.contains(&"rip") && names.contains(&"xmm0") && names.contains(&"eflags"));
    assert!(!names.contains(&"fs_base") && !names.contains(&"orig_rax"), "it has neither");
    // The environment, which the dump holds whole, is in a snapshot as in those of cores: secrets masked.
    let snapshot = scratch("breakpad.obit");
    let output = common::obit_on(&dump, fixture, "snapshot", &["-o", snapshot.to_str().unwrap()]);
    assert!(output.status.success());
    assert!(!fs::read(&snapshot).unwrap().windows(7).any(|bytes| bytes == b"hunter2"));
    assert_eq!(answer(&snapshot, fixture, "bt", &["--json", "--locals"])["threads"][0]["frames"], threads[0]["frames"]);
    assert_eq!(answer(&snapshot, fixture, "registers", &["--json", "--all"])["registers"], registers["registers"]);
}
