//! Types of the programs in `fixtures/types`, compared with gdb's `whatis`, `ptype` and `ptype /o`.

use super::testing::{Fixture, answers};
use crate::arch::Arch;
use crate::report::type_text::{type_text, type_text_with_offsets};
use crate::report::value_text::printed;
use crate::value::decode::Decoder;
use crate::value::{Limits, Place};

/// Compares all of gdb's answers; `known` are (variable, what) where obit says something else on purpose.
fn check(program: &str, known: &[(&str, &str)]) {
    let fixture = Fixture::open(program);
    let decoder = Decoder {
        types: &fixture.types,
        memory: &fixture.memory,
        arch: Arch::X86_64,
        limits: Limits { depth: 20, items: 200, string: 200, follow: true },
        symbols: Some(&fixture.symbols),
        evaluate: None,
        raw: false,
    };
    let mut differences = Vec::new();
    let mut compare = |name: &str, what: &str, own: &str, gdb: &str| {
        let expected = known.iter().any(|(variable, part)| (*variable == name || *variable == "*") && *part == what);
        if (own == gdb) == expected && !known.contains(&("*", what)) {
            differences.push(format!("{program} {name} {what}\n  obit: {own}\n  gdb:  {gdb}"));
        }
    };
    let answers = answers(program);
    assert!(answers.len() > 30);
    for answer in answers {
        let Some((address, id)) = fixture.variables.get(&answer.name) else {
            panic!("{program}: no variable {}", answer.name);
        };
        compare(&answer.name, "whatis", fixture.types.name(*id), &answer.whatis);
        let value = decoder.value(&Place::Memory(*address), *id);
        compare(&answer.name, "print", &printed(&fixture.types, &value), &answer.print);
        compare(&answer.name, "ptype", &type_text(&fixture.types, *id), &answer.ptype);
        if let Some(offsets) = answer.offsets.strip_prefix("/* offset      |    size */  type = ") {
            compare(&answer.name, "offsets", &type_text_with_offsets(&fixture.types, *id), offsets);
        }
    }
    if let Ok(path) = std::env::var("DIFFS") {
        std::fs::write(format!("{path}/{program}"), differences.join("\n")).unwrap();
    }
    assert!(differences.is_empty(), "{} differences\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn c_of_gcc_in_dwarf_5() {
    check("c-gcc-5", &[]);
}

#[test]
fn c_of_gcc_in_dwarf_2() {
    check("c-gcc-2", &[]);
}

#[test]
fn c_of_clang_in_dwarf_4() {
    check("c-clang-4", &[]);
}

#[test]
fn cpp_of_gcc_in_dwarf_5() {
    check("cpp-gcc-5", &[]);
}

#[test]
fn cpp_of_gcc_in_type_units() {
    check("cpp-gcc-4-units", &[]);
}

#[test]
fn cpp_of_clang_with_simple_template_names() {
    check("cpp-clang-5", &[]);
}

#[test]
fn rust() {
    check("rust-5", &[]);
}
