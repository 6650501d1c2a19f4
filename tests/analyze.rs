//! Programs that died in known ways (fixtures/die/catalogue.toml): the first finding is of the right class, in the right
//! frame, and names what is at fault; and no finding is certain of what did not happen.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Catalogue {
    death: Vec<Death>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Death {
    mode: String,
    class: String,
    certainty: Option<String>,
    function: Option<String>,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    also: Vec<String>,
    #[serde(default)]
    finds: Vec<String>,
    #[serde(default)]
    programs: Vec<String>,
}

/// The fixtures with such programs.
const FIXTURES: &[&str] = &["die", "die-assert", "die-mte"];

fn directory() -> PathBuf {
    fixture("die")
}

fn fixture(name: &str) -> PathBuf {
    common::root().join("tmp/fixtures").join(name)
}

fn analyze(core: &Path, program: &str, arguments: &[&str]) -> std::process::Output {
    let mut obit = common::program();
    // cores/MODE.PROGRAM
    let executable = core.parent().and_then(Path::parent).unwrap().join(program);
    obit.arg("analyze").arg(core).arg("--exe").arg(executable).arg("--sysroot").arg(common::root());
    obit.args(arguments).output().unwrap()
}

fn analysis(core: &Path, program: &str) -> Value {
    let output = analyze(core, program, &["--json"]);
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{}: {error}: {complaint}", core.display()))
}

/// What is wrong with the answer about a core.
fn problems(death: &Death, answer: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let verdict = &answer["verdict"];
    let text = |field: &str| verdict[field].as_str().unwrap_or_default().to_owned();
    let sure = |word: &str| ["possible", "likely", "certain"].iter().position(|known| *known == word);
    if text("class") != death.class {
        wrong.push(format!("class {}, not {}", text("class"), death.class));
    }
    if death.certainty.as_deref().is_some_and(|wanted| sure(&text("certainty")) < sure(wanted)) {
        wrong.push(format!("only {}", text("certainty")));
    }
    if let Some(function) = &death.function
        && text("function") != *function
    {
        wrong.push(format!("in {}, not {function}", text("function")));
    }
    for name in death.names.iter().filter(|name| !text("summary").contains(name.as_str())) {
        wrong.push(format!("does not name {name}"));
    }
    let findings = answer["findings"].as_array().unwrap();
    for finding in findings {
        let class = finding["class"].as_str().unwrap();
        let known = class == death.class || death.also.iter().any(|also| also == class);
        if finding["certainty"] == "certain" && !known {
            wrong.push(format!("certain of {class}: {}", finding["summary"]));
        }
    }
    for class in death.finds.iter().filter(|class| !findings.iter().any(|finding| finding["class"] == ***class)) {
        wrong.push(format!("does not find {class}"));
    }
    if !wrong.is_empty() {
        wrong.push(text("summary"));
    }
    wrong
}

/// What each core is of: the way to die, and the program.
fn cores() -> Vec<(PathBuf, String, String)> {
    let entries = FIXTURES.iter().flat_map(|name| fs::read_dir(fixture(name).join("cores")).unwrap());
    let split = entries.map(|entry| {
        let path = entry.unwrap().path();
        let (mode, program) = path.file_name().unwrap().to_str().unwrap().split_once('.').unwrap();
        (path.clone(), mode.to_owned(), program.to_owned())
    });
    let mut cores: Vec<_> = split.collect();
    cores.sort();
    cores
}

#[test]
fn programs_died_of_what_the_catalogue_says() {
    let catalogue: Catalogue =
        toml::from_str(&fs::read_to_string(directory().join("catalogue.toml")).unwrap()).unwrap();
    let cores = cores();
    let next = Mutex::new(cores.iter());
    let wrong = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some((core, mode, program)) = next.lock().unwrap().next() else { break };
                    let fits = |death: &&Death| {
                        death.mode == *mode && (death.programs.is_empty() || death.programs.contains(program))
                    };
                    let name = format!("{mode}.{program}");
                    let Some(death) = catalogue.death.iter().find(fits) else {
                        wrong.lock().unwrap().insert(name, vec!["is not in the catalogue".to_owned()]);
                        continue;
                    };
                    let found = problems(death, &analysis(core, program));
                    if !found.is_empty() {
                        wrong.lock().unwrap().insert(name, found);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    let ways: BTreeSet<_> = cores.iter().map(|(_, mode, _)| mode).collect();
    println!("{} cores, {} ways to die", cores.len(), ways.len());
    assert!(cores.len() > 200 && ways.len() >= 60);
    let text: Vec<String> = wrong.iter().map(|(name, found)| format!("{name}: {}", found.join("; "))).collect();
    assert!(wrong.is_empty(), "{} of {} are wrong:\n{}", wrong.len(), cores.len(), text.join("\n"));
}

#[test]
fn fixtures_of_other_tests_are_never_misjudged() {
    // (fixture, class)
    let known = [
        ("call-null", "bad-control-flow"),
        ("call-wild", "bad-control-flow"),
        ("divide", "division-by-zero"),
        ("noreturn", "abort"),
        ("overflow", "stack-overflow"),
        ("smash", "stack-smashed"),
        ("trap", "illegal-instruction"),
    ];
    for (fixture, class) in known {
        let output = common::obit(fixture, "analyze", &["--json"]);
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answer["verdict"]["class"], class, "{fixture}: {}", answer["verdict"]);
    }
}

#[test]
fn text_says_the_verdict_first() {
    let output = analyze(&directory().join("cores/null-result.gcc-O0"), "gcc-O0", &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("null pointer: `found->name[0]` read at die.c:"), "{text}");
    assert!(lines[0].contains("`found` is NULL; find() returned it"), "{text}");
    assert!(text.contains("\n  pointer      found = (struct node *) 0x0\n"), "{text}");
    assert!(text.contains("\n  print found\n"), "{text}");
}

#[test]
fn a_snapshot_gives_the_verdict_of_its_core() {
    let names = [
        "assert-order.assert-O2",
        "tag-freed.mte",
        "null-result.gcc-O0",
        "null-read.clang-O2",
        "assert.gcc-O0",
        "double-free.gcc-O0",
        "throw.g++-O0",
        "recurse.gcc-O0",
        "strlen-null.gcc-O0",
        "out-of-bounds.gcc-O0",
        "null-call.gcc-O0",
        "smash.gcc-O0",
    ];
    let mut wrong = Vec::new();
    for name in names {
        let program = name.split_once('.').unwrap().1;
        let of = fixture(match program {
            "mte" => "die-mte",
            program if program.starts_with("assert-") => "die-assert",
            _ => "die",
        });
        let core = of.join("cores").join(name);
        let of_core = analysis(&core, program)["verdict"].clone();
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("verdict-{name}.obit"));
        let mut obit = common::program();
        obit.arg("snapshot").arg(&core).arg("--exe").arg(of.join(program)).arg("--sysroot").arg(common::root());
        assert!(obit.arg("-o").arg(&file).output().unwrap().status.success(), "{name}");
        let answer = |command: &str| -> Value {
            let output = common::program().arg(command).arg(&file).arg("--json").output().unwrap();
            serde_json::from_slice(&output.stdout).unwrap()
        };
        let of_snapshot = answer("analyze")["verdict"].clone();
        if of_snapshot != of_core {
            wrong.push(format!("{name}:\n  {of_core}\n  {of_snapshot}"));
        }
        let kept = answer("info")["capture"]["verdict"].clone();
        for field in ["class", "certainty", "summary", "thread", "frame_index"] {
            assert_eq!(kept[field], of_core[field], "{name}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A file of the test's own.
fn written(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn expectations_decide_the_exit_status() {
    let core = directory().join("cores/null-result.gcc-O0");
    let expect = |text: &str| {
        let file = written("expect.toml", text);
        let output = analyze(&core, "gcc-O0", &["--expect", file.to_str().unwrap()]);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let right = "[verdict]\nclass = \"null-pointer\"\ncertainty = \"likely\"\nfunction = \"from_*\"\n\n[[absent]]\nclass = \"stack-*\"\n\n[[print]]\nexpression = \"wanted\"\nvalue = \"99\"\n";
    assert_eq!(expect(right).0, Some(0), "{}", expect(right).1);
    let (status, complaint) = expect("[verdict]\nclass = \"panic\"\n");
    assert_eq!(status, Some(1));
    assert!(complaint.contains("the verdict is not as expected: null-pointer"), "{complaint}");
    let (status, complaint) = expect("[[print]]\nexpression = \"wanted\"\nvalue = \"98\"\n");
    assert_eq!((status, complaint.contains("wanted is 99, not 98")), (Some(1), true), "{complaint}");
    assert_eq!(expect("nonsense = 1\n").0, Some(2));
}

#[test]
fn known_issues_stand_beside_what_they_fit() {
    let core = directory().join("cores/null-result.gcc-O0");
    let known = "[[known]]\nnote = \"fixed in 2.4\"\nlink = \"https://example.org/12\"\nfunction = \"from_find\"\nclass = \"null-*\"\n\n[[known]]\nnote = \"another\"\nfile = \"*other.c\"\n";
    let file = written("known.toml", known);
    let text = String::from_utf8(analyze(&core, "gcc-O0", &["--known", file.to_str().unwrap()]).stdout).unwrap();
    assert!(text.contains("known issue  fixed in 2.4 (https://example.org/12)"), "{text}");
    assert!(!text.contains("another"), "{text}");
}

#[test]
fn own_rules_of_blame_come_first() {
    let core = directory().join("cores/null-result.gcc-O0");
    let file = written("blame.toml", "[[frames]]\nkind = \"helpers\"\nfunctions = [\"from_*\"]\n");
    let output = analyze(&core, "gcc-O0", &["--json", "--blame", file.to_str().unwrap()]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["verdict"]["function"], "main");
}

#[test]
fn sarif_has_a_result_with_its_place() {
    let core = directory().join("cores/null-result.gcc-O0");
    let document: Value = serde_json::from_slice(&analyze(&core, "gcc-O0", &["--sarif"]).stdout).unwrap();
    assert_eq!(document["version"], "2.1.0");
    let result = &document["runs"][0]["results"][0];
    assert_eq!((&result["ruleId"], &result["level"]), (&Value::from("null-pointer"), &Value::from("error")));
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "file:///tmp/fixtures/src/die.c");
    assert!(place["region"]["startLine"].as_u64().unwrap() > 50);
}

#[test]
fn why_says_where_a_value_comes_from() {
    let why = |name: &str, expression: &str| {
        let program = name.split_once('.').unwrap().1;
        let mut obit = common::program();
        obit.arg("why").arg(directory().join("cores").join(name)).arg(expression);
        obit.arg("--exe").arg(directory().join(program)).arg("--sysroot").arg(common::root());
        String::from_utf8(obit.output().unwrap().stdout).unwrap()
    };
    let local = why("null-result.gcc-O0", "found");
    assert!(local.starts_with("found = (struct node *) 0x0\n"), "{local}");
    assert!(local.contains("from the core") && local.contains("find() returned it"), "{local}");
    let constant = why("null-result.gcc-O0", "limits[1]");
    assert!(constant.contains("the file /tmp/fixtures/die/gcc-O0") && constant.contains("limits+4"), "{constant}");
    let register = why("null-result.clang-O2", "found");
    assert!(register.contains("rax, as the thread had it"), "{register}");
}
