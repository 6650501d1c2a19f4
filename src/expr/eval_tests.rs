//! Expressions over a small made-up process.

use std::sync::Arc;

use super::{ExprError, Named, Scope, Variables, evaluate, resolve_type};
use crate::addr::RunAddr;
use crate::arch::Arch;
use crate::memory::{Memory, MissingReason, ReadError};
use crate::module::DieRef;
use crate::types::table::TypeProvider;
use crate::types::{Count, Language, Member, MemberOffset, StructKind, StructType, Type, TypeId, TypeKind, TypeTable};
use crate::value::{Absent, AbsentReason, Place, PlaceBytes};

struct NoTypes;

impl TypeProvider for NoTypes {
    fn load(&self, _: DieRef, _: &TypeTable) -> Type {
        unreachable!("no type here has a DIE")
    }
    fn find_definition(&self, _: DieRef, _: &Type) -> Option<DieRef> {
        None
    }
}

/// Memory from 0x1000 on.
struct Bytes(Vec<u8>);

impl Memory for Bytes {
    fn piece(&self, address: RunAddr, limit: usize) -> Result<&[u8], ReadError> {
        let missing = ReadError { address, reason: MissingReason::Unmapped };
        let start = address.0.checked_sub(0x1000).ok_or(missing)? as usize;
        let bytes = self.0.get(start..).filter(|rest| !rest.is_empty()).ok_or(missing)?;
        Ok(&bytes[..bytes.len().min(limit)])
    }
}

/// ```text
/// struct node { int id; char tag[4]; struct node *next; struct { int x, y; }; unsigned low : 3, high : 5; };
/// struct node nodes[2] at 0x1000; struct node *head = nodes at 0x1100; int count = 7 in a register;
/// ```
struct Fake {
    types: TypeTable,
    memory: Bytes,
    node: TypeId,
    variables: Vec<(&'static str, Named)>,
}

const NODE: usize = 32;

fn member(name: Option<&str>, type_id: TypeId, offset: u64) -> Member {
    Member {
        name: name.map(|name| name.to_owned().into()),
        type_id,
        offset: MemberOffset::Bytes(offset),
        bits: None,
        alignment: None,
        embedded: false,
        base: false,
        artificial: false,
        access: crate::types::Access::Public,
        is_virtual: false,
    }
}

fn structure(members: Vec<Member>) -> TypeKind {
    TypeKind::Struct(StructType::of(StructKind::Struct, members))
}

fn fake() -> Fake {
    let types = TypeTable::new(Arc::new(NoTypes));
    let make = |name: Option<&str>, size: u64, kind: TypeKind| {
        types.make(Type { name: name.map(str::to_owned), size: Some(size), language: Language::C, kind })
    };
    let int = make(Some("int"), 4, TypeKind::Int { signed: true });
    let unsigned = make(Some("unsigned int"), 4, TypeKind::Int { signed: false });
    let char = make(Some("char"), 1, TypeKind::Char { signed: true, unicode: false });
    let array = |element, count, size| {
        make(None, size, TypeKind::Array { element, count: Count::Fixed(count), vector: false, stride: None })
    };
    let tag = array(char, 4, 4);
    let void_pointer = types.make_pointer(types.make_void(Language::C), 8);
    let point = make(None, 8, structure(vec![member(Some("x"), int, 0), member(Some("y"), int, 4)]));
    // The pointer to the node itself is a plain `struct node *` made of the same members.
    let inner =
        make(Some("node"), NODE as u64, structure(vec![member(Some("id"), int, 0), member(Some("tag"), tag, 4)]));
    let next = types.make_pointer(inner, 8);
    let mut members = vec![
        member(Some("id"), int, 0),
        member(Some("tag"), tag, 4),
        member(Some("next"), next, 8),
        member(None, point, 16),
    ];
    members.push(Member { bits: Some((24 * 8, 3)), ..member(Some("low"), unsigned, 24) });
    members.push(Member { bits: Some((24 * 8 + 3, 5)), ..member(Some("high"), int, 24) });
    let node = make(Some("node"), NODE as u64, structure(members));
    let node_pointer = types.make_pointer(node, 8);
    let nodes = array(node, 2, 2 * NODE as u64);

    let mut memory = vec![0; 0x200];
    for index in 0..2 {
        let at = index * NODE;
        memory[at..at + 4].copy_from_slice(&(42 + index as u32).to_le_bytes());
        memory[at + 4..at + 6].copy_from_slice(b"ab");
        let next: u64 = if index == 0 { 0x1000 + NODE as u64 } else { 0 };
        memory[at + 8..at + 16].copy_from_slice(&next.to_le_bytes());
        memory[at + 16..at + 20].copy_from_slice(&(-5i32).to_le_bytes());
        memory[at + 24] = 0b1111_0101;
    }
    // A node that leads to itself, and the number that it has.
    memory[0x140..0x144].copy_from_slice(&9u32.to_le_bytes());
    memory[0x148..0x150].copy_from_slice(&0x1140u64.to_le_bytes());
    memory[0x100..0x108].copy_from_slice(&0x1000u64.to_le_bytes());
    memory[0x108..0x110].copy_from_slice(&0x9000u64.to_le_bytes());
    let at = |address| Ok(Place::Memory(RunAddr(address)));
    let in_register = Ok(Place::Bytes(PlaceBytes { data: vec![7, 0, 0, 0], register: Some(3), ..Default::default() }));
    let variables = vec![
        ("nodes", (at(0x1000), nodes)),
        ("head", (at(0x1100), node_pointer)),
        ("wild", (at(0x1108), node_pointer)),
        ("ring", (at(0x1140), node)),
        ("raw", (at(0x1100), void_pointer)),
        ("count", (in_register, int)),
        ("gone", (Err(Absent::new(AbsentReason::OptimizedOut)), int)),
    ];
    Fake { types, memory: Bytes(memory), node, variables }
}

impl Scope for Fake {
    fn types(&self) -> &TypeTable {
        &self.types
    }
    fn arch(&self) -> Arch {
        Arch::X86_64
    }
    fn memory(&self) -> &dyn Memory {
        &self.memory
    }
    fn language(&self) -> Option<Language> {
        Some(Language::C)
    }
    fn variable(&self, name: &str) -> Option<Named> {
        self.variables.iter().find(|(known, _)| *known == name).map(|(_, found)| found.clone())
    }
    fn globals(&self, name: &str, file: Option<&str>) -> Vec<Named> {
        let known = matches!((name, file), ("total", None | Some("w.c")) | ("main.total", None));
        if known { self.variable("count").into_iter().collect() } else { Vec::new() }
    }
    fn find_type(&self, name: &str) -> Option<TypeId> {
        matches!(name, "node" | "struct node").then_some(self.node)
    }
    fn register(&self, name: &str) -> Option<Result<Vec<u8>, Absent>> {
        match name {
            "rip" => Some(Ok(0x1234u64.to_le_bytes().to_vec())),
            "rsp" => Some(Ok(0x1100u64.to_le_bytes().to_vec())),
            "rax" => Some(Err(Absent::new(AbsentReason::NotSaved))),
            _ => None,
        }
    }
    fn computed(&self, _: &crate::module::Expression, _: RunAddr) -> Result<u64, Absent> {
        Err(Absent::new(AbsentReason::Unsupported))
    }
    fn names(&self, _near: &str) -> Vec<String> {
        self.variables.iter().map(|(name, _)| (*name).to_owned()).collect()
    }
}

/// What the expression's bytes are as a number, or where it is, or why it is absent.
fn answer(text: &str) -> String {
    let fake = fake();
    let value = match evaluate(&fake, text, &mut Variables::default()) {
        Ok(value) => value,
        Err(error) => return format!("error: {}", error.message),
    };
    let size = fake.types.size(value.type_id);
    match value.place {
        Err(absent) => absent.why.code().to_owned(),
        Ok(Place::Memory(address)) => format!("at {address}, {} bytes", size.unwrap_or(0)),
        Ok(Place::Bytes(bytes)) => {
            let mut wide = [0; 16];
            let length = bytes.data.len().min(16);
            wide[..length].copy_from_slice(&bytes.data[..length]);
            let number = u128::from_le_bytes(wide);
            match fake.types.get(fake.types.strip(value.type_id)).kind {
                TypeKind::Int { signed: true } => {
                    format!("{}", super::arithmetic::wrap(number as i128, length as u64, true))
                }
                TypeKind::Float => format!("{:?}", f64::from_bits(number as u64)),
                TypeKind::Pointer { .. } => format!("-> {number:#x}"),
                _ => number.to_string(),
            }
        }
    }
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(answer(text), expected, "{text}");
}

#[test]
fn paths_lead_to_places() {
    check("nodes", "at 0x1000, 64 bytes");
    check("nodes[1]", "at 0x1020, 32 bytes");
    check("nodes[1].id", "at 0x1020, 4 bytes");
    check("head->next", "at 0x1008, 8 bytes");
    check("head->next->tag[1]", "at 0x1025, 1 bytes");
    check("head.next.id", "at 0x1020, 4 bytes");
    check("*head", "at 0x1000, 32 bytes");
    check("head[1].tag", "at 0x1024, 4 bytes");
    check("nodes[0].y", "at 0x1014, 4 bytes");
    check("*nodes@2", "at 0x1000, 64 bytes");
    check("(*head).id + 0", "42");
}

#[test]
fn pointers_count_in_elements() {
    check("&nodes[1]", "-> 0x1020");
    check("head + 1", "-> 0x1020");
    check("nodes + 1", "-> 0x1020");
    check("1 + head", "-> 0x1020");
    check("&nodes[1] - head", "1");
    check("head + -1", "-> 0xfe0");
    check("head == nodes", "1");
    check("*(head + 1)", "at 0x1020, 32 bytes");
    check("(long)head", "4096");
    check("*(struct node *) 0x1020", "at 0x1020, 32 bytes");
    check("{int} 0x1020", "at 0x1020, 4 bytes");
    check("raw + 1", "-> 0x1001");
    check("*(node **) $sp", "at 0x1100, 8 bytes");
}

#[test]
fn numbers_compute_as_in_c() {
    check("count * 2 + 1", "15");
    check("-count", "-7");
    check("7 / 2", "3");
    check("7 / 2.0", "3.5");
    check("count == 7 && head->id != 0", "1");
    check("!count", "0");
    check("0xffffffff + 1", "0");
    check("4294967295 + 1l", "4294967296");
    check("nodes[0].x", "at 0x1010, 4 bytes");
    check("nodes[0].x + 1", "-4");
    check("nodes[0].low", "5");
    check("nodes[0].high", "-2");
    check("sizeof (struct node) * 2", "64");
    check("sizeof nodes", "64");
    check("(char) 321 + 0", "65");
    check("'a' + 1", "98");
    check("0 && gone", "0");
}

#[test]
fn registers_have_gdb_s_aliases() {
    check("$rip", "-> 0x1234");
    check("$pc", "-> 0x1234");
    check("$sp + 8", "-> 0x1108");
    check("$rax", "not-saved");
    check("$rxp", "error: no register or variable $rxp here; is it $rbp?");
}

#[test]
fn globals_come_after_locals() {
    check("total", "7");
    check("w.c::total", "7");
    check("'w.c'::total + 1", "8");
    check("main.total", "7");
    check("other.c::total", "error: no symbol \"total\" in other.c");
}

#[test]
fn holes_travel_on() {
    check("gone", "optimized-out");
    check("gone + 1", "optimized-out");
    check("wild->id", "at 0x9000, 4 bytes");
    check("wild->id + 1", "unreadable");
    check("wild->next->id", "unreadable");
}

#[test]
fn errors_say_what_and_where() {
    check("cuont", "error: no symbol \"cuont\" in the frame or among the globals; is it count?");
    check("head->nxt", "error: struct node has no member nxt; is it next?");
    check("node", "error: node is a type; ptype shows it, and (type) casts to it");
    check("&count", "error: it is in a register and has no address");
    check("&1", "error: a result or a bit field has no address");
    check("*head", "at 0x1000, 32 bytes");
    check("*nodes[0].tag[0]", "error: char is no pointer");
}

#[test]
fn an_error_shows_its_place() {
    let error: ExprError = evaluate(&fake(), "1 + cuont", &mut Variables::default()).unwrap_err();
    assert!(error.is_unknown_name());
    assert!(error.to_string().ends_with("\n    1 + cuont\n        ^^^^^"), "{error}");
}

#[test]
fn types_are_found_and_derived() {
    let fake = fake();
    let size = |text: &str| resolve_type(&fake, text).unwrap().and_then(|id| fake.types.size(id));
    assert_eq!(size("node"), Some(32));
    assert_eq!(size("struct node *"), Some(8));
    assert_eq!(size("node[3]"), Some(96));
    assert_eq!(size("unsigned char"), Some(1));
    assert_eq!(size("head"), None);
}

/// Several expressions, one after the other, with one set of variables; the answer of the last.
fn after(texts: &[&str]) -> String {
    let fake = fake();
    let mut variables = Variables::default();
    let mut last = String::new();
    for text in texts {
        last = match evaluate(&fake, text, &mut variables) {
            Ok(value) => {
                let shown = if value.is_void(&fake) { "void".to_owned() } else { format!("{:?}", value.place) };
                variables.record(value);
                shown
            }
            Err(error) => format!("error: {}", error.message),
        };
    }
    last
}

fn int(value: i32) -> String {
    let data = value.to_le_bytes().to_vec();
    format!("{:?}", Ok::<Place, Absent>(Place::Bytes(PlaceBytes { data, ..PlaceBytes::default() })))
}

#[test]
fn the_history_counts_as_gdb_s_does() {
    assert_eq!(after(&["$"]), "void");
    assert_eq!(after(&["1", "2", "$"]), int(2));
    assert_eq!(after(&["1", "2", "$$"]), int(1));
    assert_eq!(after(&["1", "2", "3", "$$2"]), int(1));
    assert_eq!(after(&["1", "2", "$1 + $2"]), int(3));
    assert_eq!(after(&["1", "$2"]), "error: the history has not yet reached $2: it has 1 values");
    assert_eq!(after(&["1", "$$3"]), "error: the history does not go back to $$3: it has 1 values");
    assert_eq!(after(&["nodes[1]", "$.id + $1.id"]), int(86));
}

#[test]
fn only_convenience_variables_can_be_changed() {
    assert_eq!(after(&["$i = 4", "$i + 1"]), int(5));
    assert_eq!(after(&["$i = 4", "$i++", "$i"]), int(5));
    assert_eq!(after(&["$i = 4", "$i++"]), int(4));
    assert_eq!(after(&["$i = 4", "$i *= 3, ++$i"]), int(13));
    assert_eq!(after(&["$n = nodes[1]", "$n.id + 0"]), int(43));
    assert_eq!(after(&["$n = 0", "nodes[$n++].id + 0", "nodes[$n++].id + 0"]), int(43));
    assert_eq!(after(&["$i++"]), "error: $i has no value yet");
    assert_eq!(after(&["$rip = 1"]), "error: $rip cannot be changed in a dead process");
    assert!(after(&["count = 1"]).contains("nothing can be assigned in a dead process"));
    assert!(after(&["$1 = 1"]).contains("cannot be changed"));
}

/// The numbers that an expression's items are.
fn items(text: &str) -> Vec<String> {
    let fake = fake();
    let value = match evaluate(&fake, text, &mut Variables::default()) {
        Ok(value) => value,
        Err(error) => return vec![format!("error: {}", error.message)],
    };
    let Some(items) = value.items else { return vec!["no items".to_owned()] };
    let mut shown: Vec<String> = items
        .elements
        .iter()
        .map(|item| match &item.place {
            Ok(Place::Memory(address)) => address.to_string(),
            Ok(Place::Bytes(bytes)) => format!("{:?}", bytes.data),
            Err(absent) => absent.why.code().to_owned(),
        })
        .collect();
    shown.extend(items.end.iter().map(|end| end.detail.clone().unwrap_or_default()));
    shown
}

#[test]
fn filters_and_maps_go_over_sequences() {
    assert_eq!(items("nodes[.id == 43]"), ["0x1020"]);
    assert_eq!(items("nodes[.id > 40 && .next]"), ["0x1000"]);
    assert_eq!(items("nodes.map(.id)"), ["0x1000", "0x1020"]);
    assert_eq!(items("nodes.map(.id % 40)"), ["[2, 0, 0, 0]", "[3, 0, 0, 0]"]);
    assert_eq!(items("nodes[nodes[.id == 43].len() - 1 == 0 && .id == 42]"), ["0x1000"]);
    check("len(nodes)", "2");
    check("nodes[.id == 43].len", "1");
    check("nodes[.id == 43][0].id", "at 0x1020, 4 bytes");
    check("nodes[.id == 44].len() == 0", "1");
    check("nodes[1..2]", "at 0x1020, 32 bytes");
    check("nodes[1..][0].id + 0", "43");
    check("head[0..=1]", "at 0x1000, 64 bytes");
    check("nodes[..3]", "error: 0..3 is no part of 2 items");
    check("head[1..]", "error: nothing tells where it ends");
    check("head[.id == 1]", "error: struct node * has no items; [0..n] makes a sequence of what a pointer leads to");
    check("nodes[.idd == 1]", "error: struct node has no member idd; is it id?");
    check(".id", "error: there is no item here: .x belongs into [ ] or map( )");
}

#[test]
fn lists_end_at_null_and_at_a_circle() {
    assert_eq!(items("$list(head, next)"), ["0x1000", "0x1020"]);
    assert_eq!(items("$list(nodes, .next).map(.id)"), ["0x1000", "0x1020"]);
    assert_eq!(items("$list(ring, next)")[..1], ["0x1140"]);
    assert!(items("$list(ring, next)")[1].starts_with("the list leads in a circle"));
    assert!(items("$tree(ring, next, next)").last().unwrap().starts_with("the tree leads in a circle"));
    assert_eq!(items("$list(wild, next)"), ["not mapped"]);
    assert_eq!(items("$list(head, id)"), ["error: int leads to no other item"]);
    check("len($list(head, next))", "2");
    check("len($list(ring, next))", "corrupt");
}

#[test]
fn decimal_numbers_are_signed() {
    check("4294967295 + 1", "4294967296");
    check("-2147483648", "-2147483648");
    check("5 - 4294967295", "-4294967290");
    check("sizeof(2147483648)", "8");
    check("0xffffffff + 1", "0");
    check("4294967295u + 1", "0");
}

#[test]
fn text_compares_with_literals() {
    check("nodes[0].tag == \"ab\"", "1");
    check("nodes[0].tag != \"ab\"", "0");
    check("nodes[0].tag < \"b\"", "1");
    check("(char *) &nodes[0].tag == \"ab\"", "1");
    check("(char *) 0x9000 == \"ab\"", "unreadable");
    check("$_streq(nodes[1].tag, \"ab\")", "1");
    check("$_strlen(nodes[1].tag)", "2");
    check("len(\"abc\")", "3");
}

#[test]
fn types_are_measured_without_reading() {
    check("sizeof wild->next->id", "4");
    check("sizeof(wild[0]@4)", "128");
    check("alignof(struct node)", "8");
    check("alignof wild->id", "4");
    check("offsetof(struct node, next)", "8");
    check("offsetof(struct node, tag[2])", "6");
    check("offsetof(struct node, next->id)", "error: it has no fixed place in the object");
    check("offsetof(struct node, low)", "error: it has no fixed place in the object");
    // What is wrong with the types is said although memory is missing.
    check("wild->nxt", "error: struct node has no member nxt; is it next?");
    check("gone->x", "error: int has no members");
}

#[test]
fn other_spellings_of_casts() {
    check("-1 as u8", "255");
    check("count as u64 * 2", "14");
    check("static_cast<long>(count)", "7");
    check("reinterpret_cast<long>(head)", "4096");
    check("int(7.9)", "7");
    // As wide as the operands are, as gdb has it.
    check("sizeof(1.0f / 3)", "4");
    check("sizeof(1.0f / 3.0)", "8");
    check("1.0f / 3 == 1.0 / 3", "0");
    check("nullptr", "-> 0x0");
    check("head == nullptr ? 1 : 2", "2");
    check("(uint16_t) 65537", "1");
    check("head as *const node == head", "1");
}

#[test]
fn deep_trees_are_refused_before_the_stack_ends() {
    let grow = |levels: usize, each: usize| {
        (0..levels).fold("1".to_owned(), |inner, _| format!("({inner}{})", "+1".repeat(each)))
    };
    check(&grow(2, 130), "261");
    check(&grow(2, 250), "error: nested too deep");
    check(&grow(1, 400), "error: too many operators in a row");
    for chain in [".x", "[0]", "[0..1]", "[.id]", ".map(.id)", ".len()", "->next"] {
        assert!(answer(&("count".to_owned() + &chain.repeat(250))).starts_with("error"), "{chain}");
    }
    for before in ["*", "- ", "sizeof ", "$a = ", "(long)"] {
        assert!(!answer(&(before.repeat(130) + "count")).is_empty(), "{before}");
    }
    let choices = (0..60).fold("1".to_owned(), |inner, _| format!("(1 ? {inner} : 2)"));
    assert!(!answer(&choices).is_empty());
    let filters = (0..30).fold("nodes".to_owned(), |inner, _| format!("{inner}[.id]"));
    assert_eq!(items(&filters), ["0x1000", "0x1020"]);
}
