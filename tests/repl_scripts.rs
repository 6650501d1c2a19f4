//! Commands that the user makes, blocks, scripts and the log; gdb 13 is the measure.

mod common;

use common::demo_session as asked;

use std::path::{Path, PathBuf};

fn answer(lines: &[&str]) -> String {
    let (text, errors, status) = asked(lines);
    assert_eq!((errors.as_str(), status), ("", 0), "{lines:?}");
    text
}

fn file(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn commands_are_defined_documented_and_called() {
    let define = ["define sum", "p $arg0 + $arg1", "echo $argc\\n", "end"];
    let with = |more: &[&'static str]| answer(&define.iter().copied().chain(more.iter().copied()).collect::<Vec<_>>());
    assert_eq!(with(&["sum 1 2"]), "$1 = 3\n2\n");
    assert_eq!(with(&["sum \"a b\"[0] (1 + 1)"]), "$1 = 99\n2\n");
    assert_eq!(with(&["help sum"]), "User-defined.\n");
    let documented = with(&["document sum", "Adds.", "  Twice.", "end", "help sum", "help user-defined"]);
    assert_eq!(documented, "Adds.\n  Twice.\nsum -- Adds.\n");
    assert_eq!(with(&["show user sum"]), "User command \"sum\":\n  p $arg0 + $arg1\n  echo $argc\\n\n\n");
    assert!(with(&["apropos sum"]).contains("sum -- User-defined."));
    assert_eq!(with(&["pipe sum 1 2 | tr 3 4"]), "$1 = 4\n2\n");
    // The first error ends it.
    let (text, errors, status) = asked(&["define bad", "p 1", "p nothing_of_that_name", "p 2", "end", "bad", "p 3"]);
    assert_eq!((text.as_str(), status), ("$1 = 1\n$2 = 3\n", 1));
    assert!(errors.contains("nothing_of_that_name"), "{errors}");
    // Definitions see each other, and end.
    let (_, errors, status) = asked(&["define again", "again", "end", "again"]);
    assert_eq!((errors.as_str(), status), ("Max user call depth of 64 exceeded -- command aborted.\n", 2));
    assert_eq!(asked(&["define x y", "document nothing", "end"]).2, 2);
    let (_, errors, status) = asked(&["define open", "p 1"]);
    assert_eq!((errors.as_str(), status), ("define open: its end is missing\n", 2));
    assert!(asked(&["commands", "bt", "end"]).1.contains("the process is dead"));
    assert!(asked(&["python", "print(1)", "end"]).1.contains("no other language"));
}

#[test]
fn blocks_choose_and_repeat() {
    let count = ["set $i = 0", "while $i < 9", "set $i = $i + 1", "if $i == 2", "loop_continue", "end"];
    let more = ["if $i > 4", "loop_break", "else", "printf \"%d \", $i", "end", "end", "p $i"];
    let lines: Vec<&str> = count.into_iter().chain(more).collect();
    assert_eq!(answer(&lines), "1 3 4 $1 = 5\n");
    assert_eq!(answer(&["if 0", "p 1", "else", "p 2", "end"]), "$1 = 2\n");
    // What is defined within a block is there afterwards.
    assert_eq!(answer(&["if 1", "define inner", "p 7", "end", "end", "inner"]), "$1 = 7\n");
    assert_eq!(asked(&["if"]).1, "if/while commands require arguments.\n");
    assert_eq!(asked(&["else"]).2, 2);
    let deep = vec!["if 1"; 100];
    assert!(asked(&deep).1.contains("too deep"));
}

#[test]
fn aliases_stand_for_commands() {
    assert_eq!(answer(&["alias add = print 1 +", "add 2"]), "$1 = 3\n");
    assert_eq!(answer(&["alias hex = print/x", "hex 255"]), "$1 = 0xff\n");
    assert_eq!(
        answer(&["alias -a spe = set print elements", "spe 3", "show print elements"]).matches(" 3.").count(),
        1
    );
    assert_eq!(
        answer(&["alias set pe = set print elements", "set pe 3", "show print elements"]).matches(" 3.").count(),
        1
    );
    assert_eq!(asked(&["alias bt = print"]).1, "Alias already exists: bt\n");
    assert_eq!(asked(&["alias z = nonsense"]).1, "Invalid command to alias to: nonsense\n");
    assert_eq!(asked(&["alias z"]).2, 2);
}

#[test]
fn scripts_are_read() {
    let inner = file("inner.gdb", "define show_both\n  p $arg0\n  p $arg1\nend\n");
    let text = format!("# a comment\nsource {}\nshow_both 1 \\\n 2\nif 1\n p 3\nend\n", inner.display());
    let outer = file("outer.gdb", &text);
    assert_eq!(answer(&[&format!("source {}", outer.display())]), "$1 = 1\n$2 = 2\n$3 = 3\n");
    let endless = Path::new(env!("CARGO_TARGET_TMPDIR")).join("endless.gdb");
    std::fs::write(&endless, format!("source {}\n", endless.display())).unwrap();
    assert!(asked(&[&format!("source {}", endless.display())]).1.contains("scripts within scripts"));
    let open = file("open.gdb", "if 1\np 1\n");
    assert_eq!(asked(&[&format!("source {}", open.display()), "p 2"]).0, "$1 = 2\n");
    assert_eq!(asked(&["source /nonexistent/obit"]).2, 2);
}

#[test]
fn answers_are_logged() {
    let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join("session.log");
    let _ = std::fs::remove_file(&log);
    let name = format!("set logging file {}", log.display());
    let (on, off) = ("set logging enabled on", "set logging enabled off");
    let text = answer(&[&name, on, "p 1", off, "p 2"]);
    let path = log.display();
    assert_eq!(text, format!("Copying output to {path}.\n$1 = 1\nDone logging to {path}.\n$2 = 2\n"));
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "$1 = 1\n");
    let (text, errors, _) = asked(&[&name, "set logging redirect on", on, "p 3", "p nothing_there", off, "p 4"]);
    assert_eq!(text, format!("Redirecting output to {path}.\nDone logging to {path}.\n$2 = 4\n"));
    let written = std::fs::read_to_string(&log).unwrap();
    assert_eq!(written, format!("$1 = 1\n$1 = 3\n{errors}"));
    answer(&[&name, "set logging overwrite on", "set logging on", "p 5"]);
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "$1 = 5\n");
    let (_, errors, status) = asked(&["set logging file /nonexistent/obit/log", on]);
    assert!(errors.starts_with("/nonexistent/obit/log: ") && status == 2, "{errors}");
}

#[test]
fn hooks_stand_around_their_commands() {
    let around = ["define hook-echo", "echo <<", "end", "define hookpost-echo", "echo >>\\n", "end"];
    let with = |more: &[&'static str]| answer(&around.iter().copied().chain(more.iter().copied()).collect::<Vec<_>>());
    assert_eq!(with(&["echo hi"]), "<<hi>>\n");
    assert_eq!(with(&["pipe echo hi | tr h j"]), "<<ji>>\n");
    assert_eq!(with(&["if 1", "echo hi", "end"]), "<<hi>>\n");
    assert_eq!(with(&["p 1"]), "$1 = 1\n");
    // By any of the command's names, also of those that the user made.
    assert!(answer(&["define hook-where", "echo stack\\n", "end", "bt 1"]).starts_with("stack\n#0 "));
    let own = ["define twice", "p 2 * $arg0", "end", "define hookpost-twice", "echo done\\n", "end", "twice 4"];
    assert_eq!(answer(&own), "$1 = 8\ndone\n");
    // A hook that fails ends the command; one after a command that fails is not called.
    let (text, errors, status) = asked(&["define hook-print", "p nothing_of_that_name", "end", "p 1", "echo on\\n"]);
    assert_eq!((text.as_str(), status), ("on\n", 1));
    assert!(errors.contains("nothing_of_that_name"), "{errors}");
    assert_eq!(asked(&["define hookpost-print", "echo after\\n", "end", "p nothing_of_that_name"]).0, "");
    // A document is the command's alone.
    assert!(with(&["echo hi --json"]).starts_with("{\"schema\":\"obit.text/1\""));
    let (_, errors, _) = asked(&["define hook-nosuch", "end"]);
    assert_eq!(errors, "warning: Your new `hook-nosuch' command does not hook any existing command.\n");
}
