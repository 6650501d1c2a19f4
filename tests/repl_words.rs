//! Every word of a session, plain and with arguments, over every fixture: an answer or a complaint, never a crash.

mod common;

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Words that would end the session, start another program or begin a block.
const LEFT_OUT: [&str; 12] =
    ["quit", "q", "exit", "shell", "source", "dump", "append", "pipe", "define", "document", "if", "while"];

/// Lines with arguments that make sense somewhere.
const LINES: &str = include_str!("repl_words.txt");

fn words() -> Vec<String> {
    let core = "fixtures/demo/core.zst";
    let help = common::program().args([core, "-q", "-nx", "-ex", "help"]).output().unwrap();
    let text = String::from_utf8(help.stdout).unwrap();
    let first = text.lines().filter_map(|line| line.split_whitespace().next());
    first.filter(|word| !LEFT_OUT.contains(word)).map(str::to_owned).collect()
}

fn session(fixture: &str) -> Command {
    let directory = common::root().join("tmp/fixtures").join(fixture);
    let mut obit = common::program();
    obit.arg(directory.join("core")).arg("--sysroot").arg(common::root()).args(["-q", "-nx"]);
    if directory.join(fixture).exists() {
        obit.arg("--exe").arg(directory.join(fixture));
    }
    obit
}

#[test]
fn every_word_over_every_fixture() {
    let words = words();
    assert!(words.len() > 30, "{words:?}");
    let plain: Vec<String> = LINES.lines().map(str::to_owned).chain(words.iter().cloned()).collect();
    let mut varied = plain.clone();
    for word in &words {
        varied.extend([format!("{word} 1"), format!("{word} main"), format!("{word} --json")]);
        varied.push(format!("{word} \"%s%d\", $sp, -1 ) ] %"));
    }
    let input = |lines: &[String]| lines.join("\n") + "\necho the end\\n\n";
    let short = input(&plain[..12]);
    let (plain, varied) = (input(&plain), input(&varied));
    let fixtures = common::fixtures();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(fixture) = fixtures.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // Each line walks 65,000 frames of one of them.
                    let lines = match fixture.as_str() {
                        "threads" | "aarch64-O0" | "no-debug" => &varied,
                        "overflow" => &short,
                        _ => &plain,
                    };
                    run(fixture, lines);
                }
            });
        }
    });
}

fn run(fixture: &str, input: &str) {
    let mut child = session(fixture)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("obit starts");
    let mut pipe = child.stdin.take().expect("piped");
    let text = input.to_owned();
    let writer = std::thread::spawn(move || pipe.write_all(text.as_bytes()));
    let output = child.wait_with_output().expect("obit ends");
    writer.join().expect("no panic").expect("all lines were read");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("panicked"), "{fixture}: {errors}");
    assert!(matches!(output.status.code(), Some(0..=2)), "{fixture}: {}", output.status);
    assert!(String::from_utf8_lossy(&output.stdout).ends_with("the end\n"), "{fixture}");
}
