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

fn directory() -> PathBuf {
    common::root().join("tmp/fixtures/die")
}

fn analyze(core: &Path, program: &str, arguments: &[&str]) -> std::process::Output {
    let mut obit = common::program();
    obit.arg("analyze").arg(core).arg("--exe").arg(directory().join(program)).arg("--sysroot").arg(common::root());
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

fn cores() -> Vec<(String, String)> {
    let entries = fs::read_dir(directory().join("cores")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let split =
        names.map(|name| name.split_once('.').map(|(mode, program)| (mode.to_owned(), program.to_owned())).unwrap());
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
                    let Some((mode, program)) = next.lock().unwrap().next() else { break };
                    let fits = |death: &&Death| {
                        death.mode == *mode && (death.programs.is_empty() || death.programs.contains(program))
                    };
                    let name = format!("{mode}.{program}");
                    let Some(death) = catalogue.death.iter().find(fits) else {
                        wrong.lock().unwrap().insert(name, vec!["is not in the catalogue".to_owned()]);
                        continue;
                    };
                    let found = problems(death, &analysis(&directory().join("cores").join(&name), program));
                    if !found.is_empty() {
                        wrong.lock().unwrap().insert(name, found);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    let ways: BTreeSet<_> = cores.iter().map(|(mode, _)| mode).collect();
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
