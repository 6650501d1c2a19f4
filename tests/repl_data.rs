//! Values, memory, types and settings in a session; what gdb 13 answers on the same core is the measure.

mod common;

fn asked(lines: &[&str]) -> (String, String, i32) {
    let directory = common::root().join("tmp/fixtures/kinds-O0");
    let mut obit = common::program();
    obit.arg(directory.join("core")).arg("--sysroot").arg(common::root()).args(["-q", "-nx"]);
    obit.arg("--exe").arg(directory.join("kinds-O0"));
    // The frame's line goes where no test looks.
    obit.args(["-iex", "frame function main"]);
    for line in lines {
        obit.args(["-ex", line]);
    }
    let output = obit.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let answers = text(output.stdout);
    let (_, answers) = answers.split_once("uninitialised[0];\n").unwrap_or(("", &answers));
    (answers.to_owned(), text(output.stderr), output.status.code().unwrap())
}

fn answer(lines: &[&str]) -> String {
    let (text, errors, status) = asked(lines);
    assert_eq!((errors.as_str(), status), ("", 0), "{lines:?}");
    text
}

fn check(cases: &[(&str, &str)]) {
    for (line, expected) in cases {
        assert_eq!(answer(&[line]), *expected, "{line}");
    }
}

#[test]
fn values_in_every_format() {
    check(&[
        ("p/x number", "$1 = {u = 0x3ff0000000000000, d = 0x3ff0000000000000, half = {lo = 0x0, hi = 0x3ff00000}}\n"),
        ("p/s number", "$1 = {u = 4607182418800017408, d = 1, half = {lo = 0, hi = 1072693248}}\n"),
        ("p/z 5", "$1 = 0x00000005\n"),
        ("p -elements 2 -- globals", "$1 = {4, 3...}\n"),
        ("p -array-indexes on -- globals", "$1 = {[0] = 4, [1] = 3, [2] = 2, [3] = 1}\n"),
        ("p -union off -- tagged", "$1 = {tag = 3, {...}, {low = -1, high = 2}, named = {inner = 9}}\n"),
        ("output number", "{u = 4607182418800017408, d = 1, half = {lo = 0, hi = 1072693248}}"),
        ("output/x number", "{u = 0x3ff0000000000000, d = 0x3ff0000000000000, half = {lo = 0x0, hi = 0x3ff00000}}"),
        ("expression -- 1 + 1", "$1 = 2\n"),
        ("whatis number", "type = union number\n"),
        ("v globals", "$1 = {4, 3, 2, 1}\n"),
    ]);
    assert_eq!(asked(&["p/i 5"]).1, "Format letter \"i\" is meaningless in \"print\" command.\n");
    assert_eq!(asked(&["p/q 5"]).2, 2);
}

#[test]
fn settings_change_what_is_printed() {
    let pretty = "$1 = {\n  u = 4607182418800017408,\n  d = 1,\n  half = {\n    lo = 0,\n    hi = 1072693248\n  }\n}\n";
    assert_eq!(answer(&["set print pretty on", "p number"]), pretty);
    assert_eq!(answer(&["with print pretty on -- p number", "p 1"]), format!("{pretty}$2 = 1\n"));
    assert_eq!(answer(&["set print array on", "p globals"]), "$1 = {\n  4,\n  3,\n  2,\n  1\n}\n");
    assert_eq!(answer(&["set print elements 2", "p globals"]), "$1 = {4, 3...}\n");
    assert_eq!(answer(&["set print repeats 3", "p uninitialised"]), answer(&["p uninitialised"]));
    assert_eq!(answer(&["show print pretty"]), "Pretty formatting of structures is off.\n");
    assert_eq!(
        answer(&["set p elem 7", "show print elements"]),
        "Limit on string chars or array elements to print is 7.\n"
    );
    assert_eq!(answer(&["set pagination off", "set confirm off", "set width 0", "set height 0", "set listsize 5"]), "");
    assert_eq!(answer(&["p 1 == 1", "set language c++", "p 1 == 1"]), "$1 = 1\n$2 = true\n");
    assert_eq!(answer(&["with language rust -- p 1 == 1", "p 1 == 1"]), "$1 = true\n$2 = 1\n");
    assert_eq!(answer(&["show language"]), "The current source language is \"auto; currently c\".\n");
    assert_eq!(answer(&["set language c++", "show language"]), "The current source language is \"c++\".\n");
    assert!(asked(&["set print sevenbit-strings on"]).1.contains("it changes nothing here"));
    assert_eq!(asked(&["set print elements many"]).2, 2);
    assert!(asked(&["set nosuch 1"]).1.starts_with("set nosuch 1: no such setting"));
    assert!(asked(&["set print s on"]).1.starts_with("Ambiguous set command"));
}

#[test]
fn printf_has_c_s_formats() {
    check(&[
        (r#"printf "%d %s %5.2f %c %p %% %x\n", 5, "abc", 2.5, 65, 0, 255"#, "5 abc  2.50 A (nil) % ff\n"),
        (r#"printf "[%-5d|%05d|%+d|%#x]\n", 42, -42, 7, 255"#, "[42   |-0042|+7|0xff]\n"),
        (r#"printf "%lu %hhd %.3s|%8s\n", -1, 511, "abcdef", "ab""#, "18446744073709551615 -1 abc|      ab\n"),
        (r#"printf "%d %g %e\n", bits.c, number.d, 12345.678"#, "-7 1 1.234568e+04\n"),
        (r#"printf "%V\n", number"#, "{u = 4607182418800017408, d = 1, half = {lo = 0, hi = 1072693248}}\n"),
        (r#"eval "p %d + %d", 1, 2"#, "$1 = 3\n"),
        (r"echo a\tb\n", "a\tb\n"),
    ]);
    assert_eq!(asked(&["printf \"%d\\n\""]).1, "Wrong number of arguments for specified format-string\n");
    assert_eq!(asked(&["printf 5"]).1, "Bad format string\n");
}

#[test]
fn memory_is_searched_and_written_to_files() {
    let text = answer(&["find /b &number, +sizeof(number), 0xf0, 0x3f", "p $numfound", "p $_"]);
    assert_eq!(text, "0x7fffffffecce\n1 pattern found.\n$1 = 1\n$2 = (void *) 0x7fffffffecce\n");
    assert_eq!(answer(&["find /w globals, +sizeof(globals), 3, 2"]).lines().last(), Some("1 pattern found."));
    assert_eq!(asked(&["find &number, +32, 77"]).1, "Pattern not found.\n");
    let (_, errors, status) = asked(&["find 0, +32, 77"]);
    assert!(errors.starts_with("warning: Unable to access 32 bytes of target memory at 0x0, halting search."));
    assert_eq!(status, 1);

    let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (value, memory) = (directory.join("dump-value"), directory.join("dump-memory"));
    let one = format!("dump value {} number", value.display());
    let other = format!("dump binary memory {} &number (char *)&number+4", memory.display());
    let more = format!("append memory {} &number (char *)&number+8", memory.display());
    assert_eq!(answer(&[&one, &other, &more]), "");
    let bytes = 1f64.to_le_bytes();
    assert_eq!(std::fs::read(&value).unwrap(), bytes);
    assert_eq!(std::fs::read(&memory).unwrap(), [&bytes[..4], &bytes[..]].concat());
    let unmapped = format!("dump memory {} 0 16", directory.join("dump-nothing").display());
    assert!(asked(&[&unmapped]).1.contains("Cannot access memory at address 0x0"));
    assert!(!directory.join("dump-nothing").exists());
}

#[test]
fn what_was_examined_is_named() {
    // gdb 13's answers.
    for (examined, last, content) in [
        ("x/2xw globals", "(int32_t *) 0x555555558044 <globals+4>", "3"),
        ("x/2xh globals", "(int16_t *) 0x555555558042 <globals+2>", "0"),
        ("x/3c globals", "(int8_t *) 0x555555558042 <globals+2>", "0"),
        ("x/2dg $sp", "(int64_t *) 0x7fffffffecb8", "18020995579248640"),
        ("x/s $rsp+64", "(int8_t *) 0x7fffffffecf0", "void"),
        ("x/2i $pc", "(int8_t *) 0x555555555e11 <main+419>", "void"),
        ("info line main", "(void *) 0x555555555c6e <main>", "void"),
    ] {
        let text = answer(&[examined, "p $_", "p $__"]);
        let lines: Vec<&str> = text.lines().rev().take(2).collect();
        assert_eq!(lines, [format!("$2 = {content}"), format!("$1 = {last}")], "{examined}");
    }
    let text = answer(&["info line main", "x/i", "x/2i main", "x/2xw $_ + 1", "p globals", "x $1 + 1"]);
    let mut lines = text.lines().skip(1);
    assert_eq!(lines.next(), Some("   0x555555555c6e <main>:\tpush   %rbp"));
    assert_eq!(lines.next(), Some("   0x555555555c6e <main>:\tpush   %rbp"));
    assert_eq!(lines.next(), Some("   0x555555555c6f <main+1>:\tmov    %rsp,%rbp"));
    assert!(lines.next().is_some_and(|line| line.starts_with("0x555555555c70 <main+2>:\t0x")));
    assert_eq!(lines.last(), Some("0x555555558044 <globals+4>:\t0x00000003"));
    // What could not be read is not the last that was.
    let (text, ..) = asked(&["x/xw globals", "x/xw 1", "p $_"]);
    assert!(text.ends_with("$1 = (int32_t *) 0x555555558040 <globals>\n"), "{text}");
    assert_eq!(answer(&["x/s $rsp+64"]), "0x7fffffffecf0:\t\"\\233\\341\\377\\377\\377\\377'\\001_\"\n");
}

#[test]
fn functions_are_pointers_in_arithmetic() {
    check(&[
        ("p abort+1", "$1 = (<text variable, no debug info> *) 0x7ffff7e043a0 <abort+1>\n"),
        ("p main+1", "$1 = (int (*)(void)) 0x555555555c6f <main+1>\n"),
        ("p 1+main", "$1 = (int (*)(void)) 0x555555555c6f <main+1>\n"),
        ("p main-1", "$1 = (int (*)(void)) 0x555555555c6d <aggregates+1047>\n"),
        ("whatis main+1", "type = int (*)(void)\n"),
        ("p main - main", "$1 = 0\n"),
        ("p $rip - main", "$1 = 415\n"),
        ("p $pc + 1", "$1 = (void (*)()) 0x555555555e0e <main+416>\n"),
        ("p sizeof(main)", "$1 = 1\n"),
        ("p *main", "$1 = {int (void)} 0x555555555c6e <main>\n"),
        ("p/a main+1", "$1 = 0x555555555c6f <main+1>\n"),
        ("p $_isvoid($never_set)", "$1 = 1\n"),
    ]);
}

#[test]
fn types_are_written_as_in_c() {
    check(&[
        ("ptype int (*)(char)", "type = int (*)(char)\n"),
        ("whatis int (*)[3]", "type = int (*)[3]\n"),
        ("whatis int[2][3]", "type = int [2][3]\n"),
        ("whatis int *(*)[3]", "type = int *(*)[3]\n"),
        ("whatis void (*(*)(int))(char *, int)", "type = void (*(*)(int))(char *, int)\n"),
        ("whatis int (*)()", "type = int (*)()\n"),
        ("p {int[2][2]} &globals", "$1 = {{4, 3}, {2, 1}}\n"),
        ("p *(int (*)[2]) globals", "$1 = {4, 3}\n"),
        ("p (int (*)(void)) main", "$1 = (int (*)(void)) 0x555555555c6e <main>\n"),
        ("p sizeof(int (*)(char))", "$1 = 8\n"),
        ("x/2ow globals", "0x555555558040 <globals>:\t04\t03\n"),
        ("x/aw globals", "0x555555558040 <globals>:\t0x4\n"),
    ]);
}

#[test]
fn registers_have_gdb_s_types() {
    let (text, ..) =
        common::fixture_session("kinds-O0", &["p $eflags", "p/x $eflags", "p $ps", "p $mxcsr", "whatis $rax"]);
    let first = text.lines().next().unwrap_or_default();
    assert!(first.starts_with("$1 = [ ") && first.ends_with(" ]"), "{text}");
    assert!(text.contains("$4 = [ IE ZE IM DM ZM OM UM PM ]\ntype = int64_t\n"), "{text}");
    let (text, ..) = common::fixture_session(
        "kinds-O0",
        &["whatis $xmm0", "p sizeof($xmm0)", "p $xmm0.v2_double[0] == $xmm0.v2_double[0] || 1"],
    );
    assert_eq!(text, "type = union vec128\n$1 = 16\n$2 = 1\n");
}

#[test]
fn displays_are_shown_at_every_selection() {
    let text = answer(&["display 1 + 1", "display/x globals[0]", "info display", "up", "undisplay 1", "down"]);
    assert!(text.starts_with("1: 1 + 1 = 2\n2: /x globals[0] = 0x4\n"), "{text}");
    assert!(text.contains(
        "Auto-display expressions now in effect:\nNum Enb Expression\n1:   y  1 + 1\n2:   y  /x globals[0]\n"
    ));
    assert_eq!((text.matches("1: 1 + 1 = 2").count(), text.matches("2: /x globals[0] = 0x4").count()), (2, 3));
    let text = answer(&["display/2xw globals"]);
    assert!(text.starts_with("1: x/2xw globals\n0x") && text.ends_with(":\t0x00000004\t0x00000003\n"), "{text}");
    assert!(!answer(&["display 1", "disable display 1", "up"]).contains("\n1: 1 = 1"));
    assert_eq!(asked(&["undisplay 7"]).1, "No display number 7.\n");
    assert_eq!(answer(&["info display"]), "There are no auto-display expressions now.\n");
}

#[test]
fn types_with_offsets_and_holes() {
    let text = answer(&["ptype/o struct tagged"]);
    let start = "/* offset      |    size */  type = struct tagged {\n/*      0      |       4 */    int tag;\n";
    assert!(text.starts_with(start), "{text}");
    assert!(
        text.ends_with(
            "                               /* total size (bytes):   16 */\n                             }\n"
        )
    );
    let text = answer(&["ptype/ox struct tagged"]);
    assert!(text.contains("/* 0x000c      |  0x0004 */    struct {\n"), "{text}");
    assert_eq!(answer(&["ptype/o int"]), "type = int\n");
}

#[test]
fn explore_shows_a_level_where_nobody_is_asked() {
    let one_level = "(On a terminal explore asks what to look at next; here it shows one level.)\n";
    let text = answer(&["explore number"]);
    let fields = "     u = <Enter 0 to explore this field of type 'uint64_t'>\n     \
                  d = <Enter 1 to explore this field of type 'double'>\n  \
                  half = <Enter 2 to explore this field of type 'struct {...}'>\n\n";
    let head = "The value of 'number' is a union of type 'union number' with the following fields:\n\n";
    assert_eq!(text, format!("{head}{fields}{one_level}"));
    assert_eq!(
        answer(&["explore type union number"]),
        format!("'union number' is a union with the following fields:\n\n{fields}{one_level}")
    );
    assert!(answer(&["explore bits"]).ends_with(
        "  f = EXEC .. (Value of type 'enum flags')\n  g = -33 '\\337' .. (Value of type 'signed char')\n\n"
    ));
    assert!(answer(&["explore tagged"]).contains("  as_float = 1 .. (Value of type 'float')\n"));
    assert_eq!(answer(&["explore bits.a"]), "'bits.a' is a scalar value of type 'unsigned int'.\nbits.a = 1\n");
    let array = format!("'globals' is an array of 'int'.\nglobals = {{4, 3, 2, 1}}\n{one_level}");
    assert_eq!(answer(&["explore globals"]), array);
    assert_eq!(asked(&["explore type nosuch"]).1, "'nosuch' is not a type.\n");
    assert_eq!(asked(&["explore"]).1, "Error: 'explore' requires an argument.\n");
}

#[test]
fn convenience_variables_are_listed() {
    let text = answer(&["set $mine = 7", "show convenience"]);
    assert!(text.contains("$mine = 7\n") && text.contains("$_exitcode = void\n$_exitsignal = 6\n"), "{text}");
    assert!(text.contains("$_thread = 1\n") && text.contains("$_siginfo = {si_signo = 6, "), "{text}");
    assert_eq!(answer(&["p 1", "p 2", "show values"]), "$1 = 1\n$2 = 2\n$1 = 1\n$2 = 2\n");
}

#[test]
fn a_session_starts_as_gdb_s_does() {
    let config = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("config");
    std::fs::create_dir_all(config.join("obit")).unwrap();
    std::fs::write(config.join("obit/init"), "set $from_init = 5\n").unwrap();
    let run = |arguments: &[&str]| {
        let output = common::program().env("XDG_CONFIG_HOME", &config).args(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr), output.status.code().unwrap())
    };
    let (core, exe) = ("fixtures/demo/core.zst", "fixtures/demo/demo");
    assert_eq!(run(&[exe, core, "-batch", "-ex", "p $from_init"]).0, "$1 = 5\n");
    assert_eq!(run(&["-nx", "-batch", exe, "-c", core, "--eval-command=p 2"]).0, "$1 = 2\n");
    let core_option = format!("--core={core}");
    assert_eq!(run(&[exe, &core_option, "--batch", "-nx", "-iex", "p 1", "-ex", "p 2"]).0, "$1 = 1\n$2 = 2\n");
    let (text, _, status) = run(&[exe, core, "-nx", "-ex", "p 3"]);
    assert!(text.starts_with("Core was generated by `./demo'"), "{text}");
    assert!(text.contains("SIGSEGV, Segmentation fault (SEGV_MAPERR) at 0x10.\n#0  ") && text.ends_with("$1 = 3\n"));
    assert_eq!(status, 0);
    assert!(run(&["-p", "4194305"]).1.contains("4194305"));
    assert_eq!(run(&["--args", exe, "x"]).2, 2);
}
