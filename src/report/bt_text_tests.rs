//! Stacks as text.

use super::*;
use crate::addr::FileAddr;
use crate::report::code_text::CodeTexts;
use crate::report::testing::{array, int, module, number, trace, types, variable};
use crate::types::TypeId;
use crate::value::{Absent, AbsentReason};

fn text_of(
    trace: &Trace,
    detail: Detail,
    limit: usize,
    variables: &(dyn Fn(&TypeTable, TypeId) -> Vec<Variable> + Sync),
) -> String {
    let types = types();
    let int = int(&types);
    let sources = Sources::default();
    let text = StackText {
        types: &types,
        module: &module,
        variables: &|_, _| variables(&types, int),
        sources: &sources,
        paint: Paint { enabled: false },
        address_digits: 16,
        frame_limit: limit,
        options: Default::default(),
        arguments: Default::default(),
        info: FrameInfo::Auto,
        codes: CodeTexts::default(),
    };
    let mut out = String::new();
    text.write_stack(&mut out, trace, detail);
    out
}

fn plain(trace: &Trace, detail: Detail) -> String {
    text_of(trace, detail, 1024, &|_, _| Vec::new())
}

#[test]
fn frames_read_as_in_gdb() {
    let stack = trace(&[("crash_here", 12, false), ("small", 20, true), ("level", 21, false), ("main", 30, false)]);
    assert_eq!(
        plain(&stack, Detail::Arguments),
        "#0  0x000000000040100c in crash_here () at /src/w.c:12\n\
         #1  0x0000000000401014 in small () at /src/w.c:20\n\
         #2  level () at /src/w.c:21\n\
         #3  0x000000000040101e in main () at /src/w.c:30\n"
    );
    assert_eq!(
        plain(&stack, Detail::Compact),
        "#0  crash_here at /src/w.c:12\n#1  small at /src/w.c:20\n#2  level at /src/w.c:21\n#3  main at /src/w.c:30\n"
    );
}

#[test]
fn arguments_are_scalars_and_locals_are_whole() {
    let variables = |types: &TypeTable, int: TypeId| {
        let items = Value {
            type_id: array(types, int, 2),
            kind: ValueKind::Array { length: 2, items: vec![number(int, 1), number(int, 2)], omitted: 0 },
        };
        let gone = Value { type_id: int, kind: ValueKind::Absent(Absent::new(AbsentReason::OptimizedOut)) };
        let entry = Variable { provenance: Provenance::EntryValue, ..variable("n", Role::Argument, number(int, 7)) };
        let inferred = Variable { provenance: Provenance::Inferred, ..variable("i", Role::Local, number(int, 3)) };
        vec![inferred, variable("gone", Role::Local, gone), entry, variable("items", Role::Argument, items)]
    };
    let stack = trace(&[("main", 3, false)]);
    assert_eq!(
        text_of(&stack, Detail::Locals, 1024, &variables),
        "#0  0x0000000000401003 in main (n@entry=7, items=...) at /src/w.c:3\n\
         \x20       i = 3 <inferred>\n\
         \x20       gone = <optimized out>\n\
         \x20       items = {1, 2}\n"
    );
}

#[test]
fn code_without_a_name_shows_its_place() {
    let mut stack = trace(&[("a", 1, false), ("b", 2, false), ("c", 3, false)]);
    stack.frames[1].code = Default::default();
    stack.frames[1].module_offset = Some(FileAddr(0x1234));
    stack.frames[1].trust = Trust::Scan;
    stack.frames[2].code = Default::default();
    stack.frames[2].module = None;
    stack.stack.end = StackEnd::NoUnwindInfo;
    assert_eq!(
        plain(&stack, Detail::Arguments),
        "#0  0x0000000000401001 in a () at /src/w.c:1\n\
         #1  0x0000000000401002 in w+0x1234 <found by scanning the stack>\n\
         #2  0x0000000000401003 in 0x401003 (in no module)\n\
         Backtrace stopped: nothing tells how to unwind further from here\n"
    );
}

#[test]
fn signal_frames_are_named() {
    let mut stack = trace(&[("handler", 1, false), ("trampoline", 2, false), ("main", 3, false)]);
    stack.frames[1].signal = true;
    assert!(plain(&stack, Detail::Arguments).contains("\n#1  <signal handler called>\n"));
}

#[test]
fn recursion_is_shown_once() {
    let mut functions = vec![("bottom", 1, false)];
    for _ in 0..25_000 {
        functions.extend([("even", 2, false), ("odd", 3, false)]);
    }
    functions.push(("main", 4, false));
    assert_eq!(
        plain(&trace(&functions), Detail::Compact),
        "#0     bottom at /src/w.c:1\n\
         #1     even at /src/w.c:2\n\
         #2     odd at /src/w.c:3\n\
         \x20       … the 2 frames above repeat 24,999 more times …\n\
         #50001 main at /src/w.c:4\n"
    );
}

#[test]
fn frames_beyond_the_limit_are_counted_and_the_outermost_kept() {
    let names: Vec<String> = (0..100).map(|number| format!("f{number}")).collect();
    let functions: Vec<(&str, u32, bool)> =
        names.iter().zip(1..).map(|(name, line)| (name.as_str(), line, false)).collect();
    assert_eq!(
        text_of(&trace(&functions), Detail::Compact, 4, &|_, _| Vec::new()),
        "#0  f0 at /src/w.c:1\n\
         #1  f1 at /src/w.c:2\n\
         \x20    … 96 frames left out (--frames shows more) …\n\
         #98 f98 at /src/w.c:99\n\
         #99 f99 at /src/w.c:100\n"
    );
}

#[test]
fn frames_that_the_unwinder_left_out_are_counted() {
    let mut stack = trace(&[("a", 1, false), ("b", 2, false), ("y", 3, false), ("z", 4, false)]);
    stack.stack.omitted = 1500;
    stack.stack.omitted_at = Some(2);
    stack.stack.end = StackEnd::Limit;
    assert_eq!(
        plain(&stack, Detail::Compact),
        "#0  a at /src/w.c:1\n#1  b at /src/w.c:2\n     … 1,500 frames left out (--frames shows more) …\n\
         #2  y at /src/w.c:3\n#3  z at /src/w.c:4\n"
    );
}

#[test]
fn c_plus_plus_names_lose_their_parameters() {
    let short = |name| crate::demangle::without_parameters(name);
    assert_eq!(short("ns::f(int, char const*)"), "ns::f");
    assert_eq!(short("ns::C::f() const"), "ns::C::f");
    assert_eq!(short("f(void (*)(int)) &"), "f");
    assert_eq!(short("C::operator()(int) const"), "C::operator()");
    assert_eq!(short("C::operator()"), "C::operator()");
    assert_eq!(short("(anonymous namespace)::f(int)"), "(anonymous namespace)::f");
    assert_eq!(short("f(int)::{lambda(int)#1}::operator()(int) const"), "f(int)::{lambda(int)#1}::operator()");
    assert_eq!(short("f(int) [clone .cold]"), "f");
    assert_eq!(short("std::function<void (int)>::call"), "std::function<void (int)>::call");
    assert_eq!(short("main"), "main");
    assert_eq!(short(")"), ")");
}

#[test]
fn ids_are_given_as_ranges() {
    assert_eq!(id_ranges(&[9, 3, 7, 8, 10, 12, 13]), "3, 7-10, 12, 13");
    assert_eq!(id_ranges(&[u32::MAX, u32::MAX - 1, u32::MAX - 2]), "4294967293-4294967295");
    assert_eq!(id_ranges(&[]), "");
    assert_eq!(grouped(1_234_567), "1,234,567");
    assert_eq!(grouped(12), "12");
}

#[test]
fn source_paths_are_short() {
    assert_eq!(shortened("./csu/../sysdeps/x.c"), "sysdeps/x.c");
    assert_eq!(shortened("/a/b/../../c.c"), "/c.c");
    assert_eq!(shortened("../x.c"), "../x.c");
    assert_eq!(shortened("/src/w.c"), "/src/w.c");
}
