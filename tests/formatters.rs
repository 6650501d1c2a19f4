//! What formatters show, against what programs said of their own objects before they died.
//!
//! A fixture `fmt-*` prints lines `EXPRESSION => TEXT`, where TEXT is composed of what the object's own methods say
//! (its size, its elements in its own order, its counts). A line `frame FUNCTION` selects the frame for what follows.
//! Each expression must print as exactly that text.

mod common;

use std::fs;

#[test]
fn objects_show_as_their_programs_printed_them() {
    let mut wrong = Vec::new();
    let (mut fixtures, mut compared) = (0, 0);
    for fixture in common::fixtures().iter().filter(|name| name.starts_with("fmt-")) {
        let directory = common::root().join("tmp/fixtures").join(fixture);
        let expected = fs::read_to_string(directory.join("expected.txt")).unwrap();
        let mut obit = common::program();
        obit.args(["-q", "--sysroot"]).arg(common::root()).arg("--exe").arg(directory.join(fixture));
        obit.arg(directory.join("core"));
        let mut lines = Vec::new();
        for line in expected.lines() {
            if let Some(function) = line.strip_prefix("frame ") {
                obit.arg("-ex").arg("echo \\n").arg("-ex").arg(format!("frame function {function}"));
            } else if let Some((expression, text)) = line.split_once(" => ") {
                obit.arg("-ex").arg("echo @@\\noutput\\n").arg("-ex").arg(format!("output {expression}"));
                lines.push((expression, text));
            }
        }
        let output = obit.output().unwrap();
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        let answers: Vec<&str> = shown.split("@@\noutput\n").skip(1).collect();
        assert_eq!(answers.len(), lines.len(), "{fixture}: {shown}{}", String::from_utf8_lossy(&output.stderr));
        for ((expression, text), answer) in lines.iter().zip(answers) {
            compared += 1;
            // A frame that was selected in between is printed before the next answer is.
            let answer = answer.split("\n#").next().unwrap_or_default().trim_end();
            if answer != *text {
                wrong.push(format!("{fixture}: {expression}\n  program: {text}\n  obit:    {answer}"));
            }
        }
        fixtures += 1;
    }
    println!("{fixtures} fixtures, {compared} objects");
    assert!(wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn raw_values_are_plain_fields() {
    for fixture in common::fixtures().iter().filter(|name| name.starts_with("fmt-")) {
        let output = common::obit(fixture, "bt", &["--locals", "--raw", "--json"]);
        let shown = String::from_utf8_lossy(&output.stdout);
        assert!(shown.contains(r#""kind":"struct""#), "{fixture}: {shown}");
        for kind in ["string", "sequence", "set", "map", "variant"] {
            assert!(!shown.contains(&format!(r#""kind":"{kind}""#)), "{fixture}: a {kind} with --raw");
        }
        assert!(!shown.contains(r#""summary":"#), "{fixture}: a summary with --raw");
    }
}
