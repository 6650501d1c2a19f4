//! Expressions through `obit print`, on programs of each language.

mod common;

/// What `print` answers on a fixture's frame, its number taken off.
fn value(fixture: &str, frame: usize, expression: &str) -> String {
    let frame = frame.to_string();
    let output = common::obit(fixture, "print", &["--frame", &frame, "--", expression]);
    let text = String::from_utf8(if output.status.success() { output.stdout } else { output.stderr }).unwrap();
    match text.strip_prefix("$1 = ") {
        Some(value) => value.trim_end().to_owned(),
        None => text.lines().next().unwrap_or_default().to_owned(),
    }
}

fn check(fixture: &str, frame: usize, expected: &[(&str, &str)]) {
    let wrong: Vec<String> = expected
        .iter()
        .map(|(expression, expected)| (expression, expected, value(fixture, frame, expression)))
        .filter(|(_, expected, found)| found != *expected)
        .map(|(expression, expected, found)| format!("{expression}: {found}, expected {expected}"))
        .collect();
    assert!(wrong.is_empty(), "{fixture}:\n{}", wrong.join("\n"));
}

/// The demonstration's core is checked in whole, with its program beside it.
fn demo(frame: usize, expected: &[(&str, &str)]) {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/demo");
    for (expression, expected) in expected {
        let output = common::program()
            .args(["print", "--exe"])
            .args([root.join("demo"), root.join("core.zst")])
            .args(["--frame", &frame.to_string(), "--", expression])
            .output()
            .unwrap();
        let text = if output.status.success() { output.stdout } else { output.stderr };
        let text = String::from_utf8(text).unwrap();
        let first = text.lines().next().unwrap_or_default();
        assert_eq!(first.strip_prefix("$1 = ").unwrap_or(first), *expected, "{expression}");
    }
}

/// What gdb 13 prints of them in a C frame; digit separators, Rust's arrays and raw text are those of newer compilers.
#[test]
fn literals() {
    demo(
        0,
        &[
            ("0x1.8p3", "12"),
            ("0x1p-2 + .5", "0.75"),
            ("0x1.8", "1.5"),
            ("1.e2", "100"),
            ("1 + .5", "1.5"),
            ("{1, 2, 3}", "{1, 2, 3}"),
            ("{1, 2, 3}[1]", "2"),
            ("sizeof({1, 2, 3})", "12"),
            ("{'a', 'b'}", "\"ab\""),
            ("{{1, 2}, {3, 4}}", "{{1, 2}, {3, 4}}"),
            ("{.5, 1.5}", "{0.5, 1.5}"),
            ("{unsigned char} order == *(unsigned char *) order", "1"),
            ("{1, 2.5}", "obit: array elements must all be of one type: int and double"),
            ("{nosuch} 4", "obit: expected a type, found nosuch"),
            ("[1, 2, 3]", "[1, 2, 3]"),
            ("[0; 4]", "[0, 0, 0, 0]"),
            ("[[7; 2]; 3][2][1]", "7"),
            ("[0; 100000000000]", "obit: 100000000000 such elements are not made"),
            ("1'000'000 + 1_000", "1001000"),
            ("0b1'01 + 0o17 + 7uz", "27"),
            ("L\"ab\"", "L\"ab\""),
            ("u\"ab\"", "u\"ab\""),
            ("U\"ab\"", "U\"ab\""),
            ("sizeof(L\"ab\")", "12"),
            ("u8\"ab\" == \"ab\"", "1"),
            ("L\"a\" \"b\" == \"ab\"", "1"),
            ("u'\\u00e9'", "233 u'é'"),
            ("L'é'", "233 L'é'"),
            ("'\\xe9'", "-23 '\\351'"),
            ("\"\\u00e9\"", "\"é\""),
            ("R\"(a\\n)\"", "\"a\\\\n\""),
            ("r#\"a\"b\"#", "\"a\\\"b\""),
        ],
    );
}

/// What is in registers, constants and memory bit by bit, as `fixtures/src/bit_pieces.s` says; gdb 13 prints the same.
#[test]
fn objects_in_pieces_of_bits() {
    check(
        "bit-pieces",
        0,
        &[
            ("flags", "{low = 1928, middle = -16, high = 3567}"),
            ("flags.middle", "-16"),
            ("shifted == ((0x7788 >> 4 & 0xfff) | ((0xddeeff00 >> 8 & 0xfffff) << 12))", "1"),
            ("half", "{first = 860116326, second = <optimized out>}"),
            ("half.first == 0x33445566", "1"),
            ("constant == 0x123456789abcdef5", "1"),
            ("bytes == 0xeeff7788", "1"),
            ("crumbs", "117 'u'"),
            ("memory == 0x54321210", "1"),
            ("&flags", "obit: it is not in memory as a whole and has no address"),
        ],
    );
    let (text, ..) = common::fixture_session("bit-pieces", &["info address shifted", "info address half"]);
    let (shifted, half) = text.split_once('\n').unwrap();
    let expected =
        "is a variable in $rbx [12-bit piece, offset 4 bits], and a variable in $r12 [20-bit piece, offset 8 bits].";
    assert_eq!(shifted, format!("Symbol \"shifted\" {expected}"));
    let expected = "is a variable in $rbx [32-bit piece, offset 16 bits], and an empty 32-bit piece.";
    assert_eq!(half.trim_end(), format!("Symbol \"half\" {expected}"));
}

/// A program's own zeros are known where nobody wrote them; what else the core left out is not.
#[test]
fn what_was_never_written_is_zero_in_a_program_alone() {
    let frame = 3;
    let absent = value("c-unwritten", frame, "*mapped");
    assert!(absent.starts_with("<not saved in the core at 0x"), "{absent}");
    check(
        "c-unwritten",
        frame,
        &[
            ("*entry", "{id = 0, name = 0x0}"),
            ("*count", "0"),
            ("counts[3]@2", "{0, 0}"),
            ("&counts[99999] - counts", "99999"),
            ("table[4999].name", "0x0"),
            ("written", "3"),
        ],
    );
}

/// Of several traits, the names are in brackets.
#[test]
fn boxes_of_several_traits_show_what_is_in_them() {
    let boxed = "alloc::boxed::Box<(dyn core::error::Error + core::marker::Send + core::marker::Sync)";
    let shown = format!(
        "core::result::Result<core::option::Option<alloc::string::String>, {boxed}, alloc::alloc::Global>>::Err({boxed}> \
         (StringError) = \"bad\")"
    );
    check("fmt-nested-rust", 2, &[("result", &shown)]);
    check("fmt-nested-rust-release", 2, &[("result", &shown)]);
}

/// A filter over a map looks at its keys and values, and gives a map; as do all that a program may have.
#[test]
fn filters_over_maps() {
    for (fixture, frame) in [("fmt-libstdcxx", 3), ("fmt-libstdcxx-old", 3), ("fmt-libcxx", 3)] {
        check(
            fixture,
            frame,
            &[
                ("names[.key > 1]", "{[2] = \"two\", [3] = \"three\"}"),
                ("names[.second == \"two\"]", "{[2] = \"two\"}"),
                ("names[.key > 1][3]", "\"three\""),
                ("names[.key > 1][1]", "obit: there is no key 1"),
                ("names[.key > 1][0..1]", "{[2] = \"two\"}"),
                ("names[.key > 7]", "{}"),
                ("names[.key > 7].map(.value)", "{}"),
                ("names.keys()", "{1, 2, 3}"),
                ("names.map(.key * 2)", "{2, 4, 6}"),
                ("hashed[.value == 3].map(.first)", "{\"z\"}"),
                ("hashed[.key != \"y\"].len", "2"),
                ("aligned[.value.x == 9]", "{[1] = {x = 9}}"),
                ("many[.key == 1].values()", "{10, 11}"),
                ("names[.id == 1]", "obit: an entry of a map has no member id, but .key and .value"),
                ("names[. == 1]", "obit: an entry of a map is no number; .key and .value are its parts"),
            ],
        );
    }
    let rust = [
        ("tree[.key > 27]", "{[28] = \"n28\", [29] = \"n29\"}"),
        ("tree[.1 == \"n3\"].keys()", "[3]"),
        ("hash[.0 == \"two\"]", "{[\"two\"] = 2}"),
        ("hash[.value > 1][\"three\"]", "3"),
        ("hash[.value > 1].len()", "2"),
    ];
    check("fmt-rust", 5, &rust);
    check("fmt-rust-old", 5, &rust);
    check(
        "fmt-rust-crates",
        5,
        &[("index[.value == 17]", "{[\"k19\"] = 17}"), ("hash[.value == \"two\"]", "{[2] = \"two\"}")],
    );
    let go = [
        ("one[.value == 1]", "{[\"one\"] = 1}"),
        ("many[.key > 20 && .value < \"n23\"].len", "66"),
        ("many[.value == \"n21\"]", "{[21] = \"n21\"}"),
        ("large[.value == 7].len", "1"),
        ("none[.key == \"a\"]", "{}"),
        ("none.keys()", "{}"),
        ("len(many.values())", "250"),
    ];
    for fixture in ["fmt-go", "fmt-go-old", "fmt-go-1.21"] {
        check(fixture, 13, &go);
    }
}

/// Go's imaginary numbers, and what delve adds to Go: an interface's content, a channel's buffer by its elements' type.
#[test]
fn go_s_complex_numbers_and_delve_s_members() {
    for fixture in ["fmt-go", "fmt-go-old"] {
        check(
            fixture,
            13,
            &[
                ("1+2i", "1 + 2i"),
                ("-2i", "0 + -2i"),
                ("1e3i", "0 + 1000i"),
                ("(1+2i) * (3-1.5i)", "6 + 4.5i"),
                ("(6+4.5i) / (1+2i) == 3-1.5i", "true"),
                ("real(3+4i) + imag(3+4i)", "7"),
                ("1i < 2i", "obit: < is nothing for complex numbers"),
                ("queue.buf", "{0, 2, 3, 0}"),
                ("queue.buf[1] + queue.buf[2]", "5"),
                ("queue.buf[. > 2]", "{3}"),
                ("no_queue.buf", "obit: the channel is nil"),
                ("number.(data) + 1", "43"),
                ("text.(data)", "\"boxed\""),
                ("who.(data).name", "\"ada\""),
                ("nothing.(data)", "obit: the interface is nil"),
                ("keys.(data)", "obit: []int is no interface"),
            ],
        );
    }
}

/// In its own functions, and in those of the runtime, `main` is a function too.
#[test]
fn go_s_package_main_is_no_function() {
    for frame in [0, 14] {
        check("context-go", frame, &[("main.obit_attr_version", "\"0.9.0\"")]);
    }
}

#[test]
fn c_and_gdb_s_own() {
    demo(
        0,
        &[
            ("order->amounts[1..3]", "{100, 0}"),
            ("order->amounts[0]@2", "{900, 100}"),
            ("order->amounts[. > 5]", "{900, 100}"),
            ("order->amounts[. > 5].len()", "2"),
            ("$list(frame(2).orders, next).map(.number)", "{1001, 1002}"),
            ("$list(frame(2).orders, next)[.number == 1002][0].amounts[1]", "100"),
            ("frame(3).first.customer->name == \"Ada\"", "1"),
            ("frame(3).first.customer->name < \"B\"", "1"),
            ("frame(1).order@entry == frame(1).order", "1"),
            ("order->currency == JPY", "1"),
            ("frame(3).second.currency == JPY ? JPY + 1 : 0", "3"),
            ("(enum currency) 1", "USD"),
            ("$_siginfo.si_signo", "11"),
            ("$_siginfo._sifields._sigfault.si_addr", "(void *) 0x10"),
            ("sizeof $_siginfo", "128"),
            ("$_thread", "1"),
            ("$_exitsignal", "11"),
            ("$_exitcode", "void"),
            ("thread(23588).frame(1).$_thread", "2"),
            ("thread(23588).frame(1).$pc", "(void (*)()) 0x412328 <__pthread_cond_wait+488>"),
            ("$eax", "0"),
            ("alignof(struct order)", "8"),
            ("offsetof(struct order, amounts[2])", "32"),
            ("order->number as u8", "234"),
            ("$x = order->amounts, $x[1]", "100"),
            ("thread(1).order", "obit: thread 1: no such thread; the core has 23586-23590"),
            ("order->cstomer", "obit: const struct order has no member cstomer; is it customer?"),
            ("(struct ordr *) 0", "obit: no type named struct ordr; is it order?"),
            ("add_upp", "obit: no symbol \"add_upp\" in the frame or among the globals; is it add_up?"),
            ("total(1)", "obit: total() cannot be called: the process is dead"),
        ],
    );
}

#[test]
fn cpp() {
    // zoo::Diamond::speak: gdb 13 gives the same addresses and values.
    check(
        "cpp-O0",
        15,
        &[
            ("diamond_value", "1"),
            (
                "diamond_valu",
                "obit: no symbol \"diamond_valu\" in the frame or among the globals; is it diamond_value?",
            ),
            ("shared", "66"),
            ("zoo::Diamond::shared + fixed", "121"),
            ("zoo::in_anonymous", "21"),
            ("colour == Colour::Green", "true"),
            ("zoo::Colour::Red", "zoo::Colour::Red"),
            ("Old::Second", "zoo::Second"),
            ("multi.Plain::s", "7"),
            // As gdb's `print object` has it, the whole object; the pointer itself is to its base.
            ("(zoo::Right *) this", "(zoo::Diamond *) 0x7fffffffec80"),
            ("(long) (zoo::Right *) this", "140737488350352"),
            ("static_cast<zoo::Diamond *>((zoo::Right *) this)", "(zoo::Diamond *) 0x7fffffffec80"),
            ("reinterpret_cast<long>(this)", "140737488350336"),
            ("array_reference[1][0]", "3"),
            ("null == nullptr", "true"),
            ("offsetof(zoo::Multi, own)", "12"),
            ("sizeof(zoo::Versioned)", "8"),
            ("lambda.nothing", "obit: struct {...} has no member nothing"),
            // Where the function is in that namespace, and from outside of all.
            ("::zoo::in_anonymous + ::zoo::Diamond::shared", "87"),
            ("base->shared", "66"),
            ("members.*members.pointer", "2"),
            ("(&members)->*members.pointer + 1", "3"),
            ("members.*members.method_pointer", "obit: it is a method, and cannot be called: the process is dead"),
            ("dynamic_cast<zoo::Diamond *>(base)", "(zoo::Diamond *) 0x7fffffffec80"),
            ("dynamic_cast<zoo::Right *>(base) == (zoo::Right *) this", "true"),
            ("dynamic_cast<zoo::Members *>(base)", "(zoo::Members *) 0x0"),
            ("not (null == nullptr) or true", "true"),
        ],
    );
}

#[test]
fn rust() {
    check(
        "rust-debug",
        7,
        &[
            ("slice[1]", "20"),
            ("slice[..2]", "[10, 20]"),
            ("slice[. > 15].len()", "2"),
            ("tuple.1", "252 'ü'"),
            ("shapes[1].0", "1.5"),
            ("shapes[1].Circle.0", "1.5"),
            ("shapes[2].height", "4"),
            ("shapes[.width == 3].len()", "1"),
            ("shapes[1].width", "obit: it is Circle, which has no width"),
            ("some.Some.0 + 1", "13"),
            ("none.0", "obit: it is None, which has no 0"),
            ("nested_some.0.0", "true"),
            ("text == \"a str\"", "true"),
            ("text.len()", "5"),
            ("*boxed", "42"),
            ("plain == Plain::B", "true"),
            ("tagged[1].0", "1099511627776"),
            ("generic.items[1..]", "[2, 3]"),
            ("wide as u64", "18446744073709551610"),
            ("frame(8).self.age", "3"),
            ("5u8 + 1usize", "6"),
            ("!5u8", "250"),
            ("b'a'", "97"),
            ("b\"a\" \"b\"", "\"ab\""),
            ("text[1..3]", "\" s\""),
            ("text[4..9]", "obit: 4..9 is no part of 5 bytes"),
        ],
    );
}

#[test]
fn go() {
    check(
        "go-noopt",
        14,
        &[
            ("list[1]", "5"),
            ("list[1:]", "{5, 6}"),
            ("list[9]", "obit: there are 3 items, and no item 9"),
            ("len(list)", "3"),
            ("text == \"some text\"", "true"),
            ("text != \"some\"", "true"),
            ("len(text)", "9"),
            ("frame(13).d.age", "3"),
            ("pp.x + 1", "3"),
            ("uint8(n + 256)", "2"),
            ("cap(list)", "3"),
            ("cap(c)", "2"),
            ("boxed.(int) + 1", "3"),
            ("boxed.(string)", "obit: it holds a int, not a string"),
            ("who.(*main.dog).age", "3"),
            ("who.(*dog).name", "\"rex\""),
            ("empty == nil", "true"),
            ("who == nil", "false"),
            ("text[:4] == \"some\"", "true"),
            ("6 &^ 2", "4"),
            ("^5", "-6"),
            ("`a\\b`", "\"a\\\\b\""),
            ("(*dog)(0)", "(*main.dog) 0x0"),
            ("unsafe.Sizeof(text)", "16"),
            ("array[2]", "3"),
            ("array[3]", "obit: the array has 3 elements, and none 3"),
            ("small << 5", "96"),
            ("small * small * small", "-125"),
            ("-small * 100", "-12"),
            ("^small", "4"),
            ("real(z)", "1.5"),
            ("imag(z)", "-2"),
            ("p == *pp", "true"),
            ("p != *pp", "false"),
            ("array == array", "true"),
            ("boxed == n", "true"),
            ("boxed == 2", "true"),
            ("3 == boxed", "false"),
            ("boxed == \"2\"", "false"),
            ("boxed == empty", "false"),
            ("empty == empty", "true"),
            ("boxed == p", "false"),
            ("array == p", "obit: a [3]int16 and a main.point cannot be compared"),
            ("string(letter)", "\"ж\""),
            ("[]byte(text)[1]", "111"),
            ("[]byte(text[:3])", "{115, 111, 109}"),
            ("string(letter) == \"ж\"", "true"),
            ("len(&array)", "3"),
            ("complex128(ratio)", "0.75 + 0i"),
            ("main.main", "{void (void)} 0x481ae0 <main.main>"),
            ("who.speak == main.main", "false"),
            ("pp.speak", "obit: main.point has no member speak"),
        ],
    );
}

#[test]
fn items_in_several_places_are_an_array_in_json() {
    let output = common::obit(
        "rust-debug",
        "print",
        &["--frame", "7", "--json", "--max-items", "1", "slice[. > 15].map(. * 2)"],
    );
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let value = &document["value"];
    assert_eq!((&value["kind"], &value["length"], &value["omitted"]), (&"array".into(), &2.into(), &1.into()));
    assert_eq!(value["items"][0]["int"], 40);
}

/// Fortran's and Ada's arrays begin where they say, and may be elsewhere than their descriptors.
#[test]
fn arrays_have_their_own_bounds() {
    check(
        "fortran-O0",
        2,
        &[
            ("grid", "{{1.5, 1.5, 1.5, 1.5}, {1.5, 1.5, 1.5, 1.5}, {1.5, 9, 1.5, 1.5}}"),
            ("grid[3][2]", "9"),
            ("grid[0][1]", "obit: the array has elements 1 to 3, and none 0"),
            ("local[2][1]", "42"),
            ("column[0][5]", "50"),
            ("column[-1][5]", "5"),
            ("column[2][1]", "obit: the array has elements -1 to 1, and none 2"),
            ("m[3]", "40"),
            ("backwards[1] * 10 + backwards[4]", "41"),
            ("c.point.tags[2]", "6"),
            ("none", "<not allocated>"),
            ("nowhere[1]", "<not associated>"),
            ("s", "\"hello\""),
            ("names", "{\"abc  \", \"defgh\"}"),
        ],
    );
    check("fortran-O0", 0, &[("b[3][1]", "9"), ("v[2][2]", "40"), ("second[2]", "50.5"), ("f", "\"ello \"")]);
    check(
        "ada-O0",
        2,
        &[
            ("loc[4]", "9"),
            ("fixed[8]", "40"),
            ("fixed[4]", "obit: the array has elements 5 to 8, and none 4"),
            ("table[2][3]", "6"),
            ("half", "{1, 2, 3, 14, 15}"),
            ("other", "{n = 2, has = false, name = \"xy\", ratio = 1.5}"),
            ("r", "(arrays__rec &) @0x555555556090: {n = 3, has = true, name = \"abc\", value = 42}"),
        ],
    );
}
