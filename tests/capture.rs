//! The crash handler, fed by hand: a process that stands still, and its core on standard input.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// A shell that waits, as a stand-in for the dying process.
struct Waiting(Child);

impl Waiting {
    fn start() -> Waiting {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg("echo ready; while :; do sleep 1; done").stdout(Stdio::piped());
        let mut child = shell.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        Waiting(child)
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A directory of a test, with the handler's settings in it.
struct Place(PathBuf);

impl Place {
    fn new(name: &str, settings: &str) -> Place {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("capture-{name}"));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        let place = Place(directory);
        fs::write(place.config(), format!("spool = '{}'\ndeadline = 300\n{settings}", place.spool().display()))
            .unwrap();
        place
    }

    fn config(&self) -> PathBuf {
        self.0.join("capture.toml")
    }

    fn spool(&self) -> PathBuf {
        self.0.join("spool")
    }

    /// The core of a live process, as `gcore` would make it.
    fn core(&self, pid: &str) -> Option<Vec<u8>> {
        let snapshot = self.0.join("live.obit");
        let taken = common::program().args(["snapshot", &format!("pid:{pid}"), "-o"]).arg(&snapshot).output().unwrap();
        if !taken.status.success() {
            println!("skipped: {}", String::from_utf8_lossy(&taken.stderr));
            return None;
        }
        let core = self.0.join("core");
        let exported =
            common::program().arg("export").arg(&snapshot).args(["--core", "-o"]).arg(&core).output().unwrap();
        assert!(exported.status.success(), "{exported:?}");
        Some(fs::read(core).unwrap())
    }

    fn handle(&self, pid: &str, core: &[u8]) -> Output {
        let mut handler = common::program();
        handler.args(["capture", "handle", pid, pid, "11", "1"]).arg("--config").arg(self.config());
        let mut handler = handler.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A handler takes no more than it needs.
        let _ = handler.stdin.take().unwrap().write_all(core);
        handler.wait_with_output().unwrap()
    }

    /// The spool's captured files.
    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> =
            fs::read_dir(self.spool()).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.'));
        files.retain(|path| path.extension().is_some_and(|extension| extension == "obit" || extension == "zst"));
        files.sort();
        files
    }

    fn temporary_files(&self) -> usize {
        let names = fs::read_dir(self.spool()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_str().unwrap().starts_with(".tmp-")).count()
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

fn ask(command: &str, target: &Path) -> Value {
    let output = common::program().arg(command).arg(target).arg("--json").output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output)))
}

/// Function names of the first thread.
fn functions(backtrace: &Value) -> Vec<&str> {
    let frames = backtrace["threads"][0]["frames"].as_array().unwrap();
    frames.iter().filter_map(|frame| frame["function"].as_str()).collect()
}

#[test]
fn notes_come_from_the_stream_and_memory_from_the_process() {
    let process = Waiting::start();
    let place = Place::new("notes", "same_crash_per_hour = 2\n[attributes]\nservice = 'shop'");
    let Some(core) = place.core(&process.pid()) else { return };
    let output = place.handle(&process.pid(), &core);
    assert!(output.status.success(), "{}", text(&output));
    let files = place.files();
    assert_eq!(files.len(), 1, "{}", text(&output));
    assert!(text(&output).contains(files[0].to_str().unwrap()));
    let name = files[0].file_name().unwrap().to_str().unwrap();
    assert!(name.contains(&format!("Z-{}-", process.pid())) && name.ends_with(".obit"), "{name}");

    let info = ask("info", &files[0]);
    assert_eq!(info["capture"]["source"], "handler");
    assert_eq!(info["attributes"]["service"], "shop");
    assert_eq!(info["process"]["pid"].to_string(), process.pid());
    // The same stack as the copy of the live process has.
    let expected = ask("bt", &place.0.join("live.obit"));
    let backtrace = ask("bt", &files[0]);
    assert_eq!(functions(&backtrace), functions(&expected));
    assert!(!functions(&backtrace).is_empty());

    // The stream's end is not needed: the notes alone will do.
    let notes_end =
        u64::from_le_bytes(core[72..80].try_into().unwrap()) + u64::from_le_bytes(core[96..104].try_into().unwrap());
    let output = place.handle(&process.pid(), &core[..notes_end as usize]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(place.files().len(), 2);
    // The third of the same within an hour is not kept.
    let output = place.handle(&process.pid(), &core);
    assert!(output.status.success() && text(&output).starts_with("enough"), "{}", text(&output));
    assert_eq!(place.files().len(), 2);
    assert_eq!(place.temporary_files(), 0);
    let log = fs::read_to_string(place.spool().join("log")).unwrap();
    assert_eq!(log.lines().count(), 3, "{log}");
}

#[test]
fn another_process_than_the_core_s_is_not_mixed_in() {
    let (one, other) = (Waiting::start(), Waiting::start());
    let place = Place::new("other", "");
    let Some(core) = place.core(&one.pid()) else { return };
    let output = place.handle(&other.pid(), &core);
    assert!(text(&output).contains("not the one that the core is of"), "{}", text(&output));
    // The whole core is kept instead, as it came.
    let files = place.files();
    assert_eq!(files.len(), 1, "{}", text(&output));
    assert!(files[0].to_str().unwrap().ends_with(".core.zst"));
    assert_eq!(zstd::stream::decode_all(&fs::read(&files[0]).unwrap()[..]).unwrap(), core);
}

#[test]
fn truncated_streams_and_no_streams_are_survived() {
    let process = Waiting::start();
    let place = Place::new("truncated", "same_crash_per_hour = 1000");
    let Some(core) = place.core(&process.pid()) else { return };
    let notes = u64::from_le_bytes(core[72..80].try_into().unwrap()) as usize;
    for length in [0, 3, 20, 64, notes - 1, notes + 400] {
        let before = place.files().len();
        let output = place.handle(&process.pid(), &core[..length]);
        let kept = place.files().len() - before;
        // What is no core is an error; of the others at least the beginning is kept.
        assert_eq!((output.status.success(), kept), (length >= 20, usize::from(length >= 20)), "{}", text(&output));
    }
    assert!(place.files().iter().any(|path| path.to_str().unwrap().ends_with(".cut.core.zst")));
    assert!(!place.handle(&process.pid(), &[b'x'; 1000]).status.success());
    assert_eq!(place.temporary_files(), 0);
}

#[test]
fn whole_cores_keep_to_the_quota() {
    let process = Waiting::start();
    let place = Place::new("whole", "whole_core = 'always'\nquota = 6000000\nsame_crash_per_hour = 100");
    let Some(mut core) = place.core(&process.pid()) else { return };
    let output = place.handle(&process.pid(), &core);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(place.files().len(), 2, "{}", text(&output));
    let whole = core.len();
    // What cannot be compressed goes on for longer than the quota.
    let mut state = 1u64;
    core.extend(
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as u8
        })
        .take(12_000_000),
    );
    let output = place.handle(&process.pid(), &core);
    assert!(text(&output).contains("cut: ") && text(&output).contains("quota of 6000000"), "{}", text(&output));
    let total: u64 = place.files().iter().map(|path| path.metadata().unwrap().len()).sum();
    assert!(total < 6_000_000 + 300_000, "{total}");
    // It makes room for the next snapshot.
    let snapshots = |place: &Place| place.files().iter().filter(|path| path.extension().unwrap() == "obit").count();
    let before = snapshots(&place);
    place.handle(&process.pid(), &core[..whole - 1]);
    assert_eq!(snapshots(&place), before + 1);
    let newest = place.files().pop().unwrap();
    assert!(newest.to_str().unwrap().ends_with(".cut.core.zst"), "{newest:?}");
    assert_eq!(place.temporary_files(), 0);
}

#[test]
fn broken_settings_are_said() {
    let place = Place::new("settings", "quotta = 1");
    let output = common::program().args(["capture", "status", "--config"]).arg(place.config()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("quotta"), "{}", text(&output));
}
