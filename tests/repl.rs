//! A session's lines, their answers and the exit status.

use std::io::Write;
use std::process::{Command, Output, Stdio};

const CORE: &str = "fixtures/demo/core.zst";

fn session(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_obit"))
        .args([CORE, "--exe", "fixtures/demo/demo", "-q"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("obit starts");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("read or ended");
    child.wait_with_output().expect("obit ends")
}

fn answer(line: &str) -> String {
    let output = session(&["-ex", line], "");
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn gdb_s_words_are_answered() {
    assert_eq!(answer("p 1+2"), "$1 = 3\n");
    assert_eq!(answer("p/x 255"), "$1 = 0xff\n");
    assert_eq!(answer("output 5"), "5");
    assert_eq!(answer("echo a\\tb\\n"), "a\tb\n");
    assert!(answer("bt 1").ends_with("(More stack frames follow...)\n"));
    assert!(answer("f 2").starts_with("#2 "));
    assert!(answer("frame function add_up").starts_with("#2 "));
    assert!(answer("info symbol $pc").starts_with("total + 39 in "));
    assert!(answer("bt | head -1").starts_with("#0 "));
}

#[test]
fn lines_build_on_each_other() {
    let output = session(&[], "p 20\np $ + 1\nup\ninfo frame\nset $x = 7\np $x + $2\n");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("$1 = 20\n$2 = 21\n#1 "), "{text}");
    assert!(text.contains("Stack level 1"), "{text}");
    assert!(text.ends_with("$3 = 28\n"), "{text}");
}

#[test]
fn the_status_is_the_worst_command_s() {
    assert_eq!(session(&["-ex", "p 1", "-ex", "p no_such_name", "-ex", "p 2"], "").status.code(), Some(1));
    assert_eq!(session(&["-ex", "p (", "-ex", "p 2"], "").status.code(), Some(2));
    assert_eq!(session(&["-ex", "p 1"], "").status.code(), Some(0));
    let dead = session(&["-ex", "continue"], "");
    assert_eq!(dead.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&dead.stderr).contains("the process is dead"));
}

#[test]
fn quit_ends_the_session_and_json_answers_one_line() {
    let output = session(&["-ex", "print 1 --json", "-ex", "quit", "-ex", "p 2"], "");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("{\"schema\":\"obit.print/1\""), "{text}");
    assert_eq!(text.lines().count(), 1);
}
