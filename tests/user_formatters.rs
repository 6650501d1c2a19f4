//! Formatters that users write: where they are found, which counts, and what is said of mistakes. What each shows is
//! in the fixture `fmt-user` (`tests/formatters.rs`).

mod common;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A user's configuration with one file of formatters.
fn config(test: &str, text: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("config").join(test);
    let formatters = directory.join("obit/formatters");
    fs::create_dir_all(&formatters).unwrap();
    fs::write(formatters.join("mine.toml"), text).unwrap();
    directory
}

/// What `print` says of an expression in `main`: standard output and standard error.
fn print(config: Option<PathBuf>, expression: &str, options: &[&str]) -> (String, String) {
    let directory = common::root().join("tmp/fixtures/fmt-user");
    let mut obit = common::program();
    if let Some(config) = config {
        obit.env("XDG_CONFIG_HOME", config);
    }
    obit.arg("print").arg(directory.join("core")).arg("--sysroot").arg(common::root());
    obit.arg("--exe").arg(directory.join("fmt-user")).args(["--frame", "3"]).args(options).arg(expression);
    let output = obit.output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_users_own_come_before_those_of_the_program() {
    let config = config("order", "[[formatter]]\ntype = \"shared\"\nsummary = \"mine {x}\"\n");
    assert_eq!(print(Some(config.clone()), "shared", &[]).0, "$1 = mine 8\n");
    assert_eq!(print(Some(config), "plain", &[]).0, "$1 = {x = 4}\n");
    assert_eq!(print(None, "shared", &[]).0, "$1 = beside 8\n");
}

#[test]
fn they_come_before_those_that_obit_has() {
    let config = config("typedef", "[[formatter]]\ntype = \"address_*\"\nsummary = \"{self:x} is {self}\"\n");
    assert_eq!(print(Some(config), "address", &[]).0, "$1 = 0x7f000001 is 2130706433\n");
}

#[test]
fn mistakes_are_notes_with_file_line_and_key_and_spoil_nothing_else() {
    let config = config(
        "mistakes",
        "[[formatter]]\ntype = \"point\"\nsummary = \"{x\"\n[[formatter]]\ntype=\"plain\"\nsummary=\"fine\"\n",
    );
    let (out, err) = print(Some(config.clone()), "point", &[]);
    assert_eq!(out, "$1 = (3, 0xff)\n");
    assert!(err.contains("mine.toml: line 3: formatter.summary: a { without its }"), "{err}");
    assert_eq!(print(Some(config), "plain", &[]).0, "$1 = fine\n");
}

#[test]
fn raw_and_json_have_what_they_promise() {
    assert_eq!(print(None, "line", &["--raw"]).0, "$1 = {from = {x = 1, y = 2}, to = {x = 3, y = 4}}\n");
    let (out, _) = print(None, "ring", &["--json"]);
    assert!(
        out.contains(
            r#"{"kind":"sequence","summary":"ring of 3","length":3,"items":[{"kind":"int","type":"int","int":5}"#
        ),
        "{out}"
    );
    let (out, _) = print(None, "overfull", &["--json"]);
    assert!(out.contains(r#""kind":"struct","summary":"ring of 9","fields":[{"name":"items""#), "{out}");
    let (out, _) = print(None, "job", &["--json"]);
    assert!(out.contains(r#""kind":"struct","fields":[{"name":"who""#), "{out}");
}

#[test]
fn formatters_that_lead_into_each_other_and_into_circles_end() {
    let twenty = "{*itself}".repeat(20);
    let text =
        format!("[[formatter]]\ntype = \"hostile\"\nsummary = \"{twenty}\"\nchildren = [\"*itself\", \"self\"]\n");
    let endless = "[[formatter]]\ntype = \"node\"\nsummary = \"{*next} {*next} {$list(self, next)}\"\n\
                   [[formatter]]\ntype = \"endless\"\nsummary = \"{*head}\"\nitems = \"$list(head, next)\"\n";
    let started = Instant::now();
    for expression in ["hostile", "endless", "turning", "cut"] {
        let (out, err) = print(Some(config("circles", &format!("{text}{endless}"))), expression, &[]);
        assert!(out.starts_with("$1 = ") && out.len() < 200_000, "{out}{err}");
    }
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn items_may_be_a_map() {
    let text = "[[formatter]]\ntype = \"std::map<int, *\"\nsummary = \"{len(self)}\"\nitems = \"self[.key > 1]\"\n";
    let config = config("map", text);
    let directory = common::root().join("tmp/fixtures/fmt-libstdcxx");
    let asked = |expression: &str| {
        let mut obit = common::program();
        obit.env("XDG_CONFIG_HOME", &config).arg("print").arg(directory.join("core")).arg("--sysroot");
        obit.arg(common::root()).arg("--exe").arg(directory.join("fmt-libstdcxx")).args(["--frame", "3", expression]);
        String::from_utf8(obit.output().unwrap().stdout).unwrap()
    };
    assert_eq!(asked("names"), "$1 = 3 = {[2] = \"two\", [3] = \"three\"}\n");
    assert_eq!(asked("len(names)"), "$1 = 2\n");
    assert_eq!(asked("names[3]"), "$1 = \"three\"\n");
    assert_eq!(asked("names.keys()"), "$1 = {2, 3}\n");
    assert_eq!(asked("names[.value == \"two\"]"), "$1 = {[2] = \"two\"}\n");
    assert_eq!(asked("names.map(.value)"), "$1 = {\"two\", \"three\"}\n");
}
