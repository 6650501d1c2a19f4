//! What a session tells of the program's names; what gdb 13 answers on the same core is the measure.

mod common;

use common::fixture_session as asked;

fn answer(fixture: &str, lines: &[&str]) -> String {
    let (text, errors, status) = asked(fixture, lines);
    assert_eq!((errors.as_str(), status), ("", 0), "{lines:?}");
    text
}

#[test]
fn functions_variables_and_types_by_file() {
    assert_eq!(
        answer("kinds-O0", &["info functions aggreg"]),
        "All functions matching regular expression \"aggreg\":\n\nFile /tmp/fixtures/src/kinds.c:\n\
         176:\tstatic int aggregates(struct bits, struct packed, struct tagged, struct flexible *, union number);\n"
    );
    assert_eq!(
        answer("kinds-O0", &["info variables ^glob"]),
        "All variables matching regular expression \"^glob\":\n\nFile /tmp/fixtures/src/kinds.c:\n96:\tint globals[4];\n"
    );
    assert_eq!(
        answer("kinds-O0", &["info types st|vector8"]),
        "All types matching regular expression \"st|vector8\":\n\nFile /tmp/fixtures/src/kinds.c:\n12:\tenum state;\n\
         83:\ttypedef float __attribute__ ((vector_size(8))) vector8f;\n\n\
         File /usr/include/x86_64-linux-gnu/bits/types.h:\n55:\ttypedef unsigned short __uint_least16_t;\n\
         57:\ttypedef unsigned int __uint_least32_t;\n"
    );
    assert_eq!(
        answer("cpp-O0", &["info functions -n fatal"]),
        "All functions matching regular expression \"fatal\":\n\nFile /tmp/fixtures/src/zoo.cpp:\n\
         98:\tstatic void zoo::fatal(int);\n"
    );
    assert!(answer("rust-debug", &["info functions -n zoo::stop"]).ends_with("63:\tstatic fn zoo::stop(i32);\n"));
    let symbols = answer("kinds-O0", &["info functions ^abort$"]);
    assert!(symbols.ends_with("\nNon-debugging symbols:\n0x00007ffff7e0439f  abort\n"), "{symbols}");
}

/// What is compiled of an inline method leads to its class through the abstract one.
#[test]
fn inline_methods_are_found() {
    let text = answer("cpp-O2", &["info functions -n zoo::.*(Left::speak|combine|Diamond::~)"]);
    assert!(
        text.ends_with(
            "\n36:\tvoid zoo::Diamond::~Diamond();\n\
             105:\tdouble zoo::Holder<double, 3>::combine<long>(long, double const&) const;\n\
             29:\tint zoo::Left::speak(int);\n"
        ),
        "{text}"
    );
    let text = answer("cpp-O0", &["p zoo::Guard::Guard"]);
    assert!(
        text.starts_with("$1 = {void (zoo::Guard * const, int)} 0x") && text.ends_with(" <zoo::Guard::Guard(int)>\n")
    );
}

#[test]
fn lists_are_bounded_and_say_so() {
    let text = answer("cpp-O0", &["info functions -n -max 2 ."]);
    assert!(text.contains("(2 shown, up to ") && text.ends_with("-max N RE shows more)\n"), "{text}");
    let (_, errors, status) = asked("cpp-O0", &["info functions ("]);
    assert!(errors.starts_with("(: ") && status == 2, "{errors}");
    assert_eq!(asked("cpp-O0", &["info functions -max x"]).2, 2);
    let json = answer("kinds-O0", &["info variables ^glob --json"]);
    assert!(json.starts_with("{\"schema\":\"obit.text/1\"") && json.contains("int globals[4];"), "{json}");
}

#[test]
fn sources_scopes_and_addresses() {
    assert_eq!(answer("kinds-O0", &["info sources kinds"]), "/tmp/fixtures/src/kinds.c\n");
    let source = answer("c-O0", &["info source"]);
    assert!(source.starts_with(
        "Current source file is /tmp/fixtures/src/basic.c\nCompilation directory is /tmp/fixtures/c-O0\n"
    ));
    assert!(source.contains("\nSource language is c.\nProducer is GNU C17 "), "{source}");
    assert!(source.ends_with("Compiled with DWARF 5 debugging format.\n"), "{source}");
    let scope = answer("kinds-O0", &["info scope main"]);
    assert!(
        scope.starts_with("Scope for main:\nSymbol bits is a variable at frame base offset -48, length 16.\n"),
        "{scope}"
    );
    for (line, expected) in [
        ("info address main", "Symbol \"main\" is a function at address 0x555555555c6e.\n"),
        ("info address globals", "Symbol \"globals\" is static storage at address 0x555555558040.\n"),
        ("info address abort", "Symbol \"abort\" is at 0x7ffff7e0439f in a file compiled without debugging.\n"),
        ("info symbol &globals", "globals in section .data of /tmp/fixtures/kinds-O0/kinds-O0\n"),
        ("info symbol abort", "abort in section .text of /tmp/fixtures/lib/libc.so.6\n"),
    ] {
        assert_eq!(answer("kinds-O0", &[line]), expected, "{line}");
    }
    assert_eq!(asked("kinds-O0", &["info scope nothing"]).2, 1);
    assert_eq!(asked("kinds-O0", &["info address nothing"]).1, "No symbol \"nothing\" in current context.\n");
    let files = answer("kinds-O0", &["info files"]);
    assert!(files.contains("\tEntry point: 0x555555555090\n"), "{files}");
    assert!(files.contains(" is .text\n") && files.contains(" is .text in "), "{files}");
}

#[test]
fn lldb_s_words() {
    let looked_up = answer("kinds-O0", &["image lookup -a main"]);
    assert_eq!(
        looked_up,
        "      Address: kinds-O0[0x0000000000001c6e] (kinds-O0..text)\n      Summary: main in section .text of \
         /tmp/fixtures/kinds-O0/kinds-O0 at /tmp/fixtures/src/kinds.c:217\n"
    );
    assert!(answer("kinds-O0", &["image lookup -n main"]).ends_with("216:\tint main(void);\n"));
    assert!(answer("kinds-O0", &["target modules lookup -t tagged"]).starts_with("type = struct tagged {\n"));
    assert_eq!(answer("kinds-O0", &["source list -n main"]), answer("kinds-O0", &["list main"]));
}

#[test]
fn what_only_a_symbol_table_has_can_be_named() {
    for (line, expected) in [
        ("print abort", "$1 = {<text variable, no debug info>} 0x7ffff7e0439f <abort>\n"),
        ("print &abort", "$1 = (<text variable, no debug info> *) 0x7ffff7e0439f <abort>\n"),
        ("whatis abort", "type = <text variable, no debug info>\n"),
        ("print (long)abort", "$1 = 140737352057759\n"),
        ("print sizeof(abort)", "$1 = 1\n"),
        ("whatis environ", "type = <data variable, no debug info>\n"),
        ("print (char**)environ", "$1 = (char **) 0x7fffffffee38\n"),
        ("print *(char**)environ", "$1 = 0x7fffffffefe6 \"LANG=C\"\n"),
    ] {
        assert_eq!(answer("kinds-O0", &[line]), expected, "{line}");
    }
    let (_, errors, status) = asked("kinds-O0", &["print environ"]);
    assert!(
        errors.starts_with("'environ' has unknown type; cast it to its declared type\n") && status == 2,
        "{errors}"
    );
    assert!(answer("kinds-O0", &["disassemble abort"]).starts_with("Dump of assembler code for function abort:\n"));
    let no_debug = answer("no-debug", &["print &main"]);
    assert!(no_debug.starts_with("$1 = (<text variable, no debug info> *) 0x"), "{no_debug}");
    // A name is never suggested for itself.
    assert!(!asked("kinds-O0", &["print abort::x"]).1.contains("is it abort::x?"));
}

#[test]
fn go_s_methods_are_named_as_they_are() {
    let functions = answer("go-noopt", &["info functions -n ^main\\.\\(\\*"]);
    assert!(functions.ends_with("\tvoid main.(*dog).speak(*main.dog, int, int);\n"), "{functions}");
    let pointer = answer("go-noopt", &["print &'main.(*dog).speak'"]);
    assert!(pointer.ends_with(" 0x4810c0 <main.(*dog).speak>\n"), "{pointer}");
    let code = answer("go-noopt", &["disassemble main.(*dog).speak"]);
    assert!(code.starts_with("Dump of assembler code for function main.(*dog).speak:\n"), "{code}");
}

#[test]
fn lines_have_their_code() {
    for (line, expected) in [
        (
            "info line main",
            "Line 217 of \"/tmp/fixtures/src/kinds.c\" starts at address 0x555555555c6e <main> and ends at 0x555555555c76 <main+8>.\n",
        ),
        (
            "info line kinds.c:228",
            "Line 228 of \"/tmp/fixtures/src/kinds.c\" starts at address 0x555555555dd1 <main+355> and ends at 0x555555555e11 <main+419>.\n",
        ),
        (
            "info line *0x555555555e0d",
            "Line 228 of \"/tmp/fixtures/src/kinds.c\" starts at address 0x555555555dd1 <main+355> and ends at 0x555555555e11 <main+419>.\n",
        ),
    ] {
        assert_eq!(answer("kinds-O0", &[line]), expected, "{line}");
    }
    // Of a caller, the line of its call; of a line without code, where the next one begins.
    let text = answer("kinds-O0", &["frame function main", "info line"]);
    assert!(text.lines().last().is_some_and(|line| line.starts_with("Line 228 of ")), "{text}");
    let text = answer("kinds-O0", &["info line kinds.c:216"]);
    assert_eq!(text, "Line 216 of \"kinds.c\" is at address 0x555555555c6e <main> but contains no code.\n");
    let scope = answer("kinds-O0", &["info scope kinds.c:228"]);
    assert!(scope.starts_with("Scope for kinds.c:228:\nSymbol "), "{scope}");
    let (_, errors, status) = asked("kinds-O0", &["info line abort"]);
    assert_eq!(
        (errors.as_str(), status),
        ("No line number information available for address 0x7ffff7e0439f <abort>\n", 1)
    );
    assert_eq!(asked("kinds-O0", &["info line kinds.c:9999"]).2, 1);
}

/// Of a class with a virtual base, seen through a reference to that base; as gdb 13 lists it, with the destructors' second
/// slots, which gdb leaves out.
#[test]
fn virtual_tables_and_type_information() {
    let listed = answer("cpp-O0", &["frame function zoo::operator+", "info vtbl as_base"]);
    let (_, tables) = listed.split_once("\nvtable").unwrap();
    let slots: Vec<&str> =
        tables.lines().filter_map(|line| line.split_once(" <")).map(|(_, function)| function).collect();
    assert_eq!(
        slots,
        [
            "zoo::Diamond::speak(int)>",
            "zoo::Diamond::~Diamond()>",
            "zoo::Diamond::~Diamond()>",
            "non-virtual thunk to zoo::Diamond::~Diamond()>",
            "non-virtual thunk to zoo::Diamond::~Diamond()>",
            "virtual thunk to zoo::Diamond::~Diamond()>",
            "virtual thunk to zoo::Diamond::~Diamond()>",
            "virtual thunk to zoo::Diamond::speak(int)>",
        ]
    );
    assert!(
        tables.contains("\nvtable for 'zoo::Right' @ 0x55555556bb00 (subobject @ 0x7fffffffec90):\n[0]: "),
        "{tables}"
    );
    for (expression, expected) in [
        ("typeid(as_base).__name", "0x555555563248 <typeinfo name for zoo::Diamond> \"N3zoo7DiamondE\""),
        ("typeid(as_base) == typeid(zoo::Diamond)", "true"),
        ("typeid(as_base) != typeid(zoo::Base)", "true"),
        ("typeid(int).__name[0]", "105 'i'"),
    ] {
        let text = answer("cpp-O0", &["frame function zoo::operator+", &format!("p {expression}")]);
        assert_eq!(text.lines().last(), Some(format!("$1 = {expected}").as_str()), "{expression}");
    }
    let (_, errors, status) = asked("cpp-O0", &["frame function zoo::operator+", "info vtbl guard"]);
    assert_eq!((errors.as_str(), status), ("This object does not have a virtual function table\n", 1));
    assert_eq!(asked("cpp-O0", &["frame function zoo::operator+", "p typeid(guard)"]).2, 1);
}

/// Whose functions they are, the program's symbols say; sizes are those of the types.
#[test]
fn vtables_of_trait_objects() {
    let listed = |fixture: &str, expression: &str| {
        let crash = ["frame function nested::show", &format!("info vtbl {expression}")];
        let text = answer(fixture, &crash);
        let (_, table) = text.split_once("vtable for ").unwrap_or_else(|| panic!("{text}"));
        let lines = table.lines().map(|line| match line.split_once(" <") {
            Some((slot, function)) if !line.starts_with('\'') => {
                format!("{} <{function}", slot.split_once(':').unwrap().0)
            }
            _ => line.to_owned(),
        });
        lines.collect::<Vec<String>>()
    };
    for fixture in ["fmt-nested-rust", "fmt-nested-rust-release"] {
        let dog = listed(fixture, "dog");
        assert!(dog[0].starts_with("'<nested::Dog as nested::Speak>' @ 0x5555555"), "{dog:?}");
        assert_eq!(
            dog[1..],
            [
                "drop <core::ptr::drop_in_place<nested::Dog>>",
                "size:  32",
                "align: 8",
                "[3] <<nested::Dog as nested::Speak>::speak>"
            ]
        );
    }
    let number = listed("fmt-nested-rust", "dogs[1]");
    assert_eq!(
        number[1..],
        ["drop:  0x0 (nothing is to be dropped)", "size:  8", "align: 8", "[3] <<u64 as nested::Speak>::speak>"]
    );
    // In a cell that is shared, the object lies deeper than the pointer says.
    let shared = listed("fmt-nested-rust", "other");
    assert!(shared[0].contains("(object @ <somewhere in what 0x"), "{shared:?}");
    let (_, errors, status) = asked("fmt-nested-rust", &["frame function nested::show", "info vtbl text"]);
    assert_eq!((errors.as_str(), status), ("This object does not have a virtual function table\n", 1));
}
