//! What the tests of the whole program share: fixtures unpacked as they lay when their programs ran, and the program.

// Each test program uses a part of this.
#![allow(dead_code)]

pub mod hostile;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The directory that stands for `/` (`--sysroot`): every fixture is under `tmp/fixtures` in it.
pub fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("root");
        unpack(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"), &root.join("tmp/fixtures"));
        root
    })
}

/// Names of the fixtures that have a core, in order.
pub fn fixtures() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(root().join("tmp/fixtures"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("core").exists())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Runs the program on a fixture's core: `command`, the target, the files' places, then `arguments`.
pub fn obit(fixture: &str, command: &str, arguments: &[&str]) -> Output {
    let directory = root().join("tmp/fixtures").join(fixture);
    obit_on(&directory.join("core"), fixture, command, arguments)
}

/// Runs the program on some core, with the files of a fixture.
pub fn obit_on(core: &Path, fixture: &str, command: &str, arguments: &[&str]) -> Output {
    let directory = root().join("tmp/fixtures").join(fixture);
    let mut obit = program();
    obit.arg(command).arg(core).arg("--sysroot").arg(root());
    if directory.join(fixture).exists() {
        obit.arg("--exe").arg(directory.join(fixture));
    }
    if directory.join("debug").exists() {
        obit.arg("--debug-dir").arg(directory.join("debug"));
    }
    obit.args(arguments).output().unwrap()
}

/// The program, without a cache, without servers and without formatters of whoever runs the tests.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_obit"));
    command.env("OBIT_CACHE_DIR", "").env_remove("DEBUGINFOD_URLS").env("XDG_CONFIG_HOME", "/nonexistent");
    command
}

/// Copies a tree, with `.zst` files unpacked, unless that was done before.
fn unpack(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            unpack(&entry.path(), &to.join(name));
            continue;
        }
        let target = to.join(name.strip_suffix(".zst").unwrap_or(&name));
        let is_new = |target: &Path| {
            let written = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
            written(target).is_some_and(|target| Some(target) >= written(&entry.path()))
        };
        if is_new(&target) {
            continue;
        }
        // Several test programs may unpack at once: each file appears whole.
        let temporary = to.join(format!("{name}.{}", std::process::id()));
        if name.ends_with(".zst") {
            let packed = fs::File::open(entry.path()).unwrap();
            zstd::stream::copy_decode(packed, fs::File::create(&temporary).unwrap()).unwrap();
        } else {
            fs::copy(entry.path(), &temporary).unwrap();
        }
        fs::rename(&temporary, &target).unwrap();
    }
}

/// What a session answers and complains to these lines, and the status that it ends with. `target` is what stands before
/// them on the command line.
fn session(target: &mut Command, lines: &[&str]) -> (String, String, i32) {
    target.args(["-q", "-nx"]);
    for line in lines {
        target.args(["-ex", line]);
    }
    let output = target.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code().unwrap())
}

/// The same on the demonstration's core.
pub fn demo_session(lines: &[&str]) -> (String, String, i32) {
    session(program().args(["fixtures/demo/core.zst", "--exe", "fixtures/demo/demo"]), lines)
}

/// The same on a fixture's core.
pub fn fixture_session(fixture: &str, lines: &[&str]) -> (String, String, i32) {
    let directory = root().join("tmp/fixtures").join(fixture);
    let mut target = program();
    target.arg(directory.join("core")).arg("--sysroot").arg(root()).arg("--exe").arg(directory.join(fixture));
    session(&mut target, lines)
}
