//! Types and values of the programs in `fixtures/types`, compared with gdb's `whatis`, `print`, `ptype`, `ptype /o`.

use super::testing::{Fixture, answers};
use crate::arch::Arch;
use crate::report::type_text::{type_rows, type_text, type_text_with_offsets};
use crate::report::value_text::{ValueStyle, printed, value_text, write_value};
use crate::types::TypeKind;
use crate::value::decode::Decoder;
use crate::value::{Limits, Place, ValueKind};

fn decoder(fixture: &Fixture) -> Decoder<'_> {
    Decoder {
        types: &fixture.types,
        memory: &fixture.memory,
        arch: Arch::X86_64,
        limits: Limits { depth: 20, items: 200, string: 200, follow: true, raw: false, objects: true, statics: false },
        symbols: Some(&fixture.symbols),
        evaluate: None,
        user: None,
        raw: false,
    }
}

/// Compares all of gdb's answers. `differ` are those (variable, what) where obit says something else on purpose: the
/// test holds that it still does.
fn check(program: &str, differ: &[(&str, &str)]) {
    let fixture = Fixture::open(program);
    let decoder = decoder(&fixture);
    let mut wrong = Vec::new();
    let mut compare = |name: &str, what: &str, own: &str, gdb: &str| {
        if (own != gdb) != differ.contains(&(name, what)) {
            wrong.push(format!("{program} {name} {what}\n  obit: {own}\n  gdb:  {gdb}"));
        }
    };
    let answers = answers(program);
    assert!(answers.len() > 30);
    for answer in answers {
        let name = answer.name.strip_prefix("rust::").unwrap_or(&answer.name);
        let (address, id) = fixture.variables[&answer.name];
        compare(name, "whatis", fixture.types.name(id), &answer.whatis);
        let value = decoder.value(&Place::Memory(address), id);
        compare(name, "print", &printed(&fixture.types, &value), &answer.print);
        compare(name, "ptype", &type_text(&fixture.types, id), &answer.ptype);
        if let Some(offsets) = answer.offsets.strip_prefix("/* offset      |    size */  type = ") {
            compare(name, "offsets", &type_text_with_offsets(&fixture.types, id), offsets);
        }
    }
    assert!(wrong.is_empty(), "{} differences\n{}", wrong.len(), wrong.join("\n"));
}

/// C's wide characters are typedefs, which gdb resolves to integers; obit makes characters of them at once.
const C: &[(&str, &str)] =
    &[("wide_char", "ptype"), ("wide_text", "ptype"), ("c16", "ptype"), ("c32", "ptype"), ("text16", "ptype")];

#[test]
fn c_of_gcc_in_dwarf_5() {
    check("c-gcc-5", C);
}

#[test]
fn c_of_gcc_in_dwarf_2() {
    check("c-gcc-2", C);
}

#[test]
fn c_of_clang_in_dwarf_4() {
    // gdb garbles clang's `unsigned __int128`.
    check("c-clang-4", &[C, &[("uwide", "whatis"), ("uwide", "ptype")]].concat());
}

/// gdb writes template parameters in place of the arguments (`T v[2]`), labels that say nothing (`public:` in a
/// structure), methods grouped by name, `int` for `decltype(nullptr)`, and `(char)'x'` for a template's argument. Of a
/// reference in a structure it does not show what it leads to.
const CPP: &[(&str, &str)] = &[
    ("array", "ptype"),
    ("array", "offsets"),
    ("box", "ptype"),
    ("box", "offsets"),
    ("nested", "ptype"),
    ("nested", "offsets"),
    ("lists", "offsets"),
    ("base_reference", "ptype"),
    ("derived", "ptype"),
    ("pointer", "ptype"),
    ("secret", "ptype"),
    ("null", "whatis"),
    ("null", "ptype"),
    ("values", "whatis"),
    ("values", "ptype"),
    ("values", "offsets"),
    ("holder", "print"),
];

#[test]
fn cpp_of_gcc_in_dwarf_5() {
    check("cpp-gcc-5", CPP);
}

#[test]
fn cpp_of_gcc_in_type_units() {
    check("cpp-gcc-4-units", CPP);
}

#[test]
fn cpp_of_clang_with_simple_template_names() {
    // gdb does not rebuild a name from template templates and packs.
    check("cpp-clang-5", &[CPP, &[("pack", "whatis"), ("pack", "ptype"), ("pack", "offsets")]].concat());
}

#[test]
fn rust() {
    // gdb writes `*mut T` for every pointer, keeps a data symbol's hash, cannot read 128-bit discriminants, and writes
    // floating-point numbers with more digits than tell them apart.
    let differ = [
        ("S3", "print"),
        ("UN", "print"),
        ("F", "print"),
        ("B0", "print"),
        ("B1", "print"),
        ("SREF", "ptype"),
        ("SREF", "offsets"),
        ("NREF", "ptype"),
        ("NREF", "offsets"),
        ("REF", "whatis"),
        ("REF", "print"),
        ("REF", "ptype"),
        ("FUNC", "whatis"),
        ("FUNC", "print"),
        ("FUNC", "ptype"),
    ];
    check("rust-5", &differ);
}

#[track_caller]
fn shows(program: &str, variable: &str, type_name: &str, value: &str) {
    let fixture = Fixture::open(program);
    let (address, id) = fixture.variables[variable];
    assert_eq!(fixture.types.name(id), type_name);
    assert_eq!(value_text(&fixture.types, &decoder(&fixture).value(&Place::Memory(address), id)), value);
}

#[test]
fn where_obit_differs_from_gdb() {
    shows("rust-5", "rust::B0", "rust::Big", "rust::Big::X(1267650600228229401496703205376)");
    shows("rust-5", "rust::B1", "rust::Big", "rust::Big::Y");
    shows("rust-5", "rust::REF", "&rust::Point", "0x400270 <rust::POINT>");
    shows("rust-5", "rust::FUNC", "fn(i32) -> i32", "0x4000b0 <rust::handler>");
    shows("cpp-clang-5", "values", "Values<true, 'x', -5>", "{n = 2}");
    shows("cpp-clang-5", "pack", "Pack<ns::Box, int, char>", "{n = 1}");
    shows("cpp-gcc-5", "null", "decltype(nullptr)", "0");
}

#[test]
fn pointers_are_followed_until_they_lead_back() {
    let fixture = Fixture::open("cpp-gcc-5");
    let (address, id) = fixture.variables["box"];
    let value = decoder(&fixture).value(&Place::Memory(address), id);
    let ValueKind::Struct { fields, .. } = value.kind else { panic!("a structure") };
    let ValueKind::Pointer { pointee: Some(pointee), .. } = &fields[1].value.kind else { panic!("a followed pointer") };
    assert_eq!(pointee.kind, ValueKind::Elided);

    let fixture = Fixture::open("c-gcc-5");
    let (address, id) = fixture.variables["alias"];
    let value = decoder(&fixture).value(&Place::Memory(address), id);
    let ValueKind::Pointer { pointee: Some(first), .. } = value.kind else { panic!("a followed pointer") };
    let ValueKind::Struct { fields, .. } = &first.kind else { panic!("a structure") };
    let ValueKind::Pointer { pointee: Some(second), .. } = &fields[1].value.kind else { panic!("a followed pointer") };
    let expected = "{value = 2, next = 0x0, u = {i = 1075838976, f = 2.5, c = \"\\000\\000 @\"}, color = 3, \
                    name = \"second\\000\"}";
    assert_eq!(value_text(&fixture.types, second), expected);
}

#[test]
fn methods_with_access_labels() {
    let fixture = Fixture::open("cpp-clang-5");
    let text = type_text(&fixture.types, fixture.variables["secret"].1);
    let expected = "const class ns::Secret {
  public:
    int open;
  protected:
    int half;
  private:
    int shut;
  public:
    static int count;

    int sum(int, const char *) const;
    virtual ~Secret(void);
    virtual void act(Kind);
    Secret(int);
    static ns::Secret *make(void);
} *";
    assert_eq!(text, expected);
}

#[test]
fn rows_of_a_structure_with_anonymous_members_and_bit_fields() {
    let fixture = Fixture::open("c-gcc-5");
    let row = |row: &crate::report::type_text::TypeRow| {
        (row.depth, row.name.clone().unwrap_or_default(), row.type_name.clone(), row.offset, row.bits, row.size)
    };
    let rows: Vec<_> = type_rows(&fixture.types, fixture.variables["bits"].1).iter().map(row).collect();
    let unsigned = || "unsigned int".to_owned();
    assert_eq!(rows[0], (0, "a".to_owned(), unsigned(), Some(0), Some((0, 3)), Some(4)));
    assert_eq!(rows[1], (0, "b".to_owned(), unsigned(), Some(0), Some((3, 7)), Some(4)));
    assert_eq!(rows[3], (0, "d".to_owned(), "unsigned long".to_owned(), Some(8), Some((0, 40)), Some(8)));
    let outer = fixture.types.strip(fixture.variables["outer"].1);
    let TypeKind::Struct(content) = &fixture.types.get(outer).kind else { panic!("a structure") };
    let rows: Vec<_> = type_rows(&fixture.types, content.members[0].type_id).iter().map(row).collect();
    let names: Vec<_> = rows.iter().map(|row| (row.0, row.1.as_str(), row.3)).collect();
    let expected = [
        (0, "", Some(0)),
        (1, "i", Some(0)),
        (1, "f", Some(0)),
        (0, "", Some(4)),
        (1, "s1", Some(4)),
        (1, "s2", Some(6)),
    ];
    assert_eq!(names, expected);
}

#[test]
fn long_values_over_several_lines() {
    let fixture = Fixture::open("c-gcc-5");
    let (address, id) = fixture.variables["second"];
    let value = decoder(&fixture).value(&Place::Memory(address), id);
    let mut text = String::new();
    let style = ValueStyle { width: Some(60), indent: 2, ..ValueStyle::default() };
    write_value(&mut text, &fixture.types, &value, style);
    let expected = "{
    value = 2,
    next = 0x0,
    u = {i = 1075838976, f = 2.5, c = \"\\000\\000 @\"},
    color = 3,
    name = \"second\\000\"
  }";
    assert_eq!(text, expected);
}

/// Debug information with changed bytes: no panic, no endless loop, whatever the answers.
#[test]
fn damaged_debug_information() {
    let mut random = 0x1234_5678_9abc_def0u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    for program in ["c-gcc-5", "c-gcc-2", "c-clang-4", "cpp-gcc-5", "cpp-gcc-4-units", "cpp-clang-5", "rust-5"] {
        for _ in 0..12 {
            let fixture = Fixture::damaged(program, |bytes| {
                for _ in 0..1 + next() % 40 {
                    let at = 12 + next() as usize % (bytes.len() - 12);
                    bytes[at] = next() as u8;
                }
            });
            let decoder = decoder(&fixture);
            for id in &fixture.all {
                let _ = (fixture.types.name(*id), fixture.types.size(*id), type_rows(&fixture.types, *id));
                let _ = (type_text(&fixture.types, *id), type_text_with_offsets(&fixture.types, *id));
            }
            for (address, id) in fixture.variables.values() {
                let value = decoder.value(&Place::Memory(*address), *id);
                let _ = printed(&fixture.types, &value);
            }
        }
    }
}
