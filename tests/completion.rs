//! What `complete` (and Tab) offers, and the index of names behind it.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

fn asked(fixture: &str, cache: Option<&Path>, lines: &[&str]) -> (String, String) {
    let directory = common::root().join("tmp/fixtures").join(fixture);
    let mut obit = common::program();
    obit.arg(directory.join("core")).arg("--sysroot").arg(common::root()).args(["-q", "-nx"]);
    obit.arg("--exe").arg(directory.join(fixture));
    if let Some(cache) = cache {
        obit.env("OBIT_CACHE_DIR", cache);
    }
    for line in lines {
        obit.args(["-ex", line]);
    }
    let output = obit.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr))
}

/// What is offered in the frame of that function.
fn offered(fixture: &str, function: &str, typed: &str) -> Vec<String> {
    let (answer, errors) =
        asked(fixture, None, &[&format!("frame function {function}"), "echo >>>\\n", &format!("complete {typed}")]);
    assert_eq!(errors, "", "{fixture}: {typed}");
    let (_, answer) = answer.split_once(">>>\n").unwrap();
    answer.lines().map(str::to_owned).collect()
}

#[test]
fn members_of_any_expression() {
    assert_eq!(offered("kinds-O0", "main", "p tagged.named.in"), ["p tagged.named.inner"]);
    assert_eq!(
        offered("kinds-O0", "main", "p tagged.as_"),
        ["p tagged.as_bytes", "p tagged.as_float", "p tagged.as_int"]
    );
    assert_eq!(offered("kinds-O0", "main", "p 1 + flexible->c"), ["p 1 + flexible->count"]);
    assert_eq!(offered("kinds-O0", "main", "p flexible[0].it"), ["p flexible[0].items"]);
    assert_eq!(offered("kinds-O0", "main", "p (&number)->half.h"), ["p (&number)->half.hi"]);
    assert_eq!(offered("c-O0", "run", "p list->next->next->va"), ["p list->next->next->value"]);
    assert_eq!(offered("kinds-O0", "main", "p nothing.x"), [""; 0]);
}

#[test]
fn names_of_the_program() {
    assert_eq!(offered("kinds-O0", "main", "p big_c"), ["p big_constant"]);
    assert_eq!(offered("kinds-O0", "main", "p aggreg"), ["p aggregates"]);
    assert_eq!(offered("kinds-O0", "main", "p BUS"), ["p BUSY"]);
    assert_eq!(offered("kinds-O0", "main", "ptype struct tag"), ["ptype struct tagged"]);
    assert_eq!(offered("kinds-O0", "main", "ptype enum s"), ["ptype enum state"]);
    assert_eq!(offered("kinds-O0", "main", "p sizeof(struct fle"), ["p sizeof(struct flexible"]);
    assert_eq!(offered("cpp-O0", "main", "p zoo::Colour::R"), ["p zoo::Colour::Red"]);
    assert_eq!(offered("cpp-O0", "main", "p sizeof(zoo::Mem"), ["p sizeof(zoo::Members", "p sizeof(zoo::Members::"]);
    assert_eq!(offered("cpp-O0", "zoo::containers", "p fata"), ["p fatal"], "within the frame's namespace");
    assert_eq!(offered("rust-debug", "zoo::main", "p zoo::pie"), ["p zoo::pieces", "p zoo::pieces::"]);
    assert_eq!(offered("rust-debug", "zoo::main", "ptype zoo::Sha"), ["ptype zoo::Shape", "ptype zoo::Shape::"]);
    // What only the symbol table knows.
    assert_eq!(offered("c-O0", "run", "disassemble __libc_start_m"), ["disassemble __libc_start_main"]);
}

#[test]
fn arguments_that_are_no_expressions() {
    assert_eq!(offered("c-O0", "run", "list basi"), ["list basic.c:"]);
    assert_eq!(offered("c-O0", "run", "frame function ru"), ["frame function run"]);
    assert_eq!(offered("c-O0", "run", "set print pre"), ["set print pretty"]);
    assert_eq!(offered("c-O0", "run", "set disassembly-flavor in"), ["set disassembly-flavor intel"]);
    assert_eq!(offered("c-O0", "run", "thread apply all bac"), ["thread apply all backtrace"]);
    assert_eq!(offered("c-O0", "run", "source fixtures/make"), ["source fixtures/make.sh"]);
    assert!(offered("cpp-O0", "main", "p st").len() <= 300);
}

#[test]
fn names_that_are_near_are_suggested() {
    for (fixture, wrong, right) in [
        ("kinds-O0", "big_constnat", "big_constant"),
        ("kinds-O0", "BUSTY", "BUSY"),
        ("cpp-O0", "zoo::fatel", "zoo::fatal"),
        ("rust-debug", "zoo::peices", "zoo::pieces"),
    ] {
        let errors = asked(fixture, None, &[&format!("p {wrong}")]).1;
        assert!(errors.contains(&format!("is it {right}?")), "{fixture}: {errors}");
    }
}

fn kept(cache: &Path) -> Vec<PathBuf> {
    let modules = fs::read_dir(cache.join("sections")).into_iter().flatten().flatten();
    let files = modules.flat_map(|module| fs::read_dir(module.path()).unwrap().flatten());
    let names = files.filter(|file| file.file_name().to_string_lossy().starts_with("names-"));
    names.map(|file| file.path()).collect()
}

#[test]
fn the_index_is_kept_and_a_damaged_one_made_anew() {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("names-cache-{}", std::process::id()));
    let _ = fs::remove_dir_all(&cache);
    let ask = |line: &str| asked("kinds-O0", Some(&cache), &[line]).0;
    ask("bt");
    assert!(kept(&cache).is_empty(), "a backtrace needs no index");
    let first = ask("complete p big_c");
    assert_eq!(first, "p big_constant\n");
    let files = kept(&cache);
    assert!(!files.is_empty());
    let whole: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    assert_eq!(ask("complete p big_c"), first);
    assert_eq!(ask("p big_constant"), asked("kinds-O0", None, &["p big_constant"]).0);
    for (at, change) in [(7, 1), (20, 1), (60, 1), (200, 0x20), (2000, 0x20), (6000, 0x20)] {
        for (file, bytes) in files.iter().zip(&whole) {
            let mut damaged = bytes.clone();
            let at = at % damaged.len();
            damaged[at] ^= change;
            fs::write(file, damaged).unwrap();
        }
        assert_eq!(ask("p big_constant"), asked("kinds-O0", None, &["p big_constant"]).0, "{at}");
        assert_eq!(ask("complete p big_c"), first, "{at}");
    }
    fs::write(&files[0], b"obitnam1").unwrap();
    assert_eq!(ask("complete p big_c"), first);
    assert_eq!(fs::read(&files[0]).unwrap(), whole[0], "written anew");
    fs::remove_dir_all(&cache).unwrap();
}
