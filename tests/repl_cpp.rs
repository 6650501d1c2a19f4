//! C++ programs in a session: names, templates, classes and code, measured against gdb 13 on the same core.

mod common;

/// The answer in the frame that has the containers.
fn answer(line: &str) -> String {
    let (text, errors, status) = common::fixture_session("cpp-O0", &["frame function zoo::containers", line]);
    assert_eq!((errors.as_str(), status), ("", 0), "{line}");
    // The frame's own line and its source come first.
    text.split_inclusive('\n').skip(1).skip_while(|line| line.starts_with("        ")).collect()
}

#[track_caller]
fn check(line: &str, expected: &str) {
    assert_eq!(answer(line), expected, "{line}");
}

#[test]
fn frames_are_found_by_their_own_function() {
    let (text, _, status) = common::fixture_session("cpp-O0", &["frame function speak"]);
    // Not the one of the lambda in it, nor that of its local class.
    assert!(text.starts_with("#15 ") && text.contains(" in zoo::Diamond::speak (this="), "{text}");
    assert_eq!(status, 0);
    let (text, ..) = common::fixture_session("cpp-O0", &["frame function go"]);
    assert!(text.contains(" in zoo::Diamond::speak(int)::Local::go (this="), "{text}");
    let (_, errors, status) = common::fixture_session("cpp-O0", &["frame function nosuch"]);
    assert_eq!((errors.as_str(), status), ("No frame for function \"nosuch\".\n", 1));
}

#[test]
fn names_are_as_their_author_writes_them() {
    check("whatis numbers", "type = const std::vector<int> &\n");
    check("whatis/r numbers", "type = const std::vector<int, std::allocator<int> > &\n");
    check("whatis map", "type = std::map<std::string, int>\n");
    check("whatis unique", "type = std::unique_ptr<zoo::Members>\n");
    // What is shown can be asked for.
    check("whatis std::map<std::string,int>", "type = std::map<std::string, int>\n");
    check("p sizeof(std::vector<std::string>)", "$1 = 24\n");
    check("p sizeof(zoo::Holder<double,3>)", "$1 = 32\n");
    check("p *(std::vector<int>*)&numbers", &answer("p *&numbers"));
    let text = answer("up");
    assert!(text.contains("zoo::Diamond::speak(int)::{lambda(int)#1}::operator() (__closure="), "{text}");
    let text = answer("down");
    // Without the result that a template's linkage name says.
    assert!(text.contains(" in zoo::Holder<double, 3>::combine<long> (this="), "{text}");
    check("whatis zoo::Colour", "type = zoo::Colour\n");
}

#[test]
fn methods_and_statics() {
    let speak = "$1 = {int (zoo::Diamond * const, int)} 0x555555558046 <zoo::Diamond::speak(int)>\n";
    check("p zoo::Diamond::speak", speak);
    check("p zoo::Diamond::shared", "$1 = 66\n");
    check("p ((zoo::Diamond *) 0x7fffffffec80)->speak", speak);
    check("p ((zoo::Diamond *) 0x7fffffffec80)->shared", "$1 = 66\n");
    let text = answer("p *(zoo::Left *) 0x7fffffffec80");
    assert!(text.starts_with("$1 = (zoo::Diamond) {<zoo::Left> = "), "{text}");
    // As gdb's `set print object off`.
    let (text, ..) = common::fixture_session(
        "cpp-O0",
        &["frame function zoo::containers", "set print object off", "p *(zoo::Left *) 0x7fffffffec80"],
    );
    let last = text.lines().last().unwrap_or_default();
    assert!(last.starts_with("$1 = {<zoo::Base> = ") && !last.contains("zoo::Diamond)"), "{text}");
    // A method is no name of its own outside of its class.
    let (_, errors, status) = common::fixture_session("cpp-O0", &["frame function zoo::containers", "p method"]);
    assert!(errors.starts_with("no symbol \"method\" in the frame"), "{errors}");
    assert_eq!(status, 1);
}

#[test]
fn static_members_stand_beside_fields() {
    let diamond = "*(zoo::Diamond *) 0x7fffffffec80";
    let text = answer(&format!("p {diamond}"));
    assert!(text.ends_with("diamond_value = 1, static shared = 66, static fixed = 55}\n"), "{text}");
    let without = answer(&format!("p -static-members off -- {diamond}"));
    assert!(without.ends_with("right_value = 3}, diamond_value = 1}\n"), "{without}");
    assert_eq!(answer(&format!("with print static-members off -- p {diamond}")), without);
    check("show print static-members", "Printing of C++ static members is on.\n");
    let lines = answer(&format!("with print pretty on -- p {diamond}"));
    assert!(
        lines.contains("\n  }, \n  members of zoo::Diamond:\n  diamond_value = 1,\n  static shared = 66,\n"),
        "{lines}"
    );
    assert!(lines.contains("\n  <zoo::Right> = {\n    members of zoo::Right:\n    _vptr.Right = "), "{lines}");
    // The object has one `zoo::Base`, which is shown once.
    assert_eq!(text.matches("<zoo::Base> = ").count(), 1, "{text}");
    // A document's fields are the object's own.
    let output = common::obit("cpp-O0", "print", &[diamond, "--json"]);
    let document = String::from_utf8(output.stdout).unwrap();
    assert!(document.contains("\"diamond_value\"") && !document.contains("shared"), "{document}");
    // A pointer to a base class is one to the whole object, and shows so.
    check("p (zoo::Left *) 0x7fffffffec80", "$1 = (zoo::Diamond *) 0x7fffffffec80\n");
    check("with print object off -- p (zoo::Left *) 0x7fffffffec80", "$1 = (zoo::Left *) 0x7fffffffec80\n");
}

/// What a class's variables held is in a snapshot too, also what no code of the frames refers to.
#[test]
fn snapshots_have_static_members() {
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("statics.obit");
    let output = common::obit("cpp-O0", "snapshot", &["-o", file.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = ["frame function zoo::Diamond::speak", "p *this", "p zoo::Diamond::shared", "p zoo::Diamond::fixed"];
    let mut asked = common::program();
    asked.arg(&file).arg("-q").args(lines.iter().flat_map(|line| ["-ex", line]));
    let text = String::from_utf8(asked.output().unwrap().stdout).unwrap();
    let (expected, ..) = common::fixture_session("cpp-O0", &lines);
    let values = |text: &str| text.lines().filter(|line| line.starts_with('$')).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(values(&text), values(&expected));
    assert_eq!(values(&text)[1..], ["$2 = 66", "$3 = 55"]);
    assert!(text.contains("diamond_value = 1, static shared = 66, static fixed = 55}"), "{text}");
}

#[test]
fn functions_of_gdb() {
    for (expression, value) in [
        ("$_regex(long_text, \"text and\")", "true"),
        ("$_regex(long_text, \"and\")", "false"),
        ("$_regex(long_text, \".*buffer$\")", "true"),
        ("$_memeq(&array, &array, sizeof(array))", "true"),
        ("$_memeq(&array, &pair, 4)", "false"),
        ("$_as_string(holder.colour)", "\"zoo::Colour::Blue\""),
        ("$_as_string(zoo::Second)", "\"zoo::Second\""),
        ("$_as_string(-7)", "\"-7\""),
        ("$_caller_is(\"main\")", "false"),
        ("$_caller_is(\"zoo::Diamond::speak\", 3)", "true"),
        ("$_any_caller_is(\"zoo::containers\")", "true"),
        ("$_any_caller_is(\"main\", 5)", "true"),
        ("$_any_caller_is(\"main\", 4)", "false"),
        ("$_any_caller_matches(\"zoo::Dia\")", "true"),
        ("L'x'", "120 L'x'"),
        ("u'x'", "120 u'x'"),
        ("text == L\"text\"", "true"),
        ("$_streq(text, u8\"text\")", "true"),
    ] {
        check(&format!("p {expression}"), &format!("$1 = {value}\n"));
    }
    let (_, errors, _) = common::fixture_session("cpp-O0", &["p $_regex(\"a\", \"(\")"]);
    assert!(errors.starts_with("it is no regular expression"), "{errors}");
    let (_, errors, _) = common::fixture_session("cpp-O0", &["p $_nosuch(1)"]);
    assert!(errors.starts_with("there is no $_nosuch(); there are $list, $tree, $_strlen, "), "{errors}");
}

#[test]
fn code_and_source() {
    let text = answer("x/-2i $pc");
    let before: Vec<&str> = text.lines().map(|line| line.split(':').next().unwrap_or("").trim()).collect();
    assert_eq!(before, ["0x5555555579f4 <zoo", "0x5555555579f7 <zoo"], "{text}");
    assert!(text.ends_with("<double zoo::Holder<double, 3>::combine<long>(long, double const&) const>\n"), "{text}");
    // Stubs of the linkage table have names.
    assert!(answer("disassemble zoo::fatal").contains("call   0x5555555571e0 <__cxa_throw@plt>\n"));
    let text = answer("list containers,+1");
    assert!(text.contains("\n  114   {\n  115       std::string long_text = text + "), "{text}");
    assert_eq!(text.lines().count(), 3);
    let text = answer("list *$pc");
    let first = text.lines().next().unwrap_or("");
    assert!(
        first.starts_with("0x5555555579fc is in zoo::containers(std::vector<int> const&, std::string) ("),
        "{text}"
    );
    assert!(first.ends_with("zoo.cpp:131)."), "{text}");
    let text = answer("info functions -n -t int ^zoo::(containers|fatal|Left::speak)");
    assert!(
        text.starts_with(
            "All functions matching regular expression \"^zoo::(containers|fatal|Left::speak)\" with type "
        )
    );
    assert!(text.contains("int zoo::Left::speak(int);"), "{text}");
    assert!(!answer("info variables -t double ^zoo").contains("zoo::"));
}

#[test]
fn lines_are_searched() {
    let lines =
        ["frame function zoo::containers", "search return", "search return", "reverse-search array", "search zzz"];
    let (text, errors, status) = common::fixture_session("cpp-O0", &lines);
    let found: Vec<&str> = text.lines().skip(1).filter(|line| !line.starts_with("        ")).collect();
    assert_eq!(found[0], "135\t    return sink;", "{text}");
    assert!(found[1].starts_with("1") && found[1].contains("return"), "{text}");
    assert!(found[2].contains("array"), "{text}");
    assert_eq!((errors.as_str(), status), ("Expression not found\n", 1));
}
