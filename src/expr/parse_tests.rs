//! What the parser makes of expressions, written back with every operator in brackets.

use super::*;

fn types(name: &str) -> bool {
    matches!(name, "node" | "std::vector<int>" | "ns::T" | "struct node")
}

fn show(node: &Node) -> String {
    match &node.kind {
        NodeKind::Int { value, .. } => value.to_string(),
        NodeKind::Float(value) => format!("{value:?}"),
        NodeKind::Char(code) => format!("char {code}"),
        NodeKind::Str(text) => format!("{:?}", String::from_utf8_lossy(text)),
        NodeKind::Bool(value) => value.to_string(),
        NodeKind::Name { file: None, name } => name.clone(),
        NodeKind::Name { file: Some(file), name } => format!("<{file}>{name}"),
        NodeKind::Register(name) => format!("${name}"),
        NodeKind::Unary(operator, operand) => format!("({operator}{})", show(operand)),
        NodeKind::Binary(operator, left, right) => format!("({} {operator} {})", show(left), show(right)),
        NodeKind::Member(object, name) => format!("{}.{name}", show(object)),
        NodeKind::Index(array, index) => format!("{}[{}]", show(array), show(index)),
        NodeKind::Cast(type_name, operand) => format!("cast<{}>({})", show_type(type_name), show(operand)),
        NodeKind::At(type_name, operand) => format!("at<{}>({})", show_type(type_name), show(operand)),
        NodeKind::SizeofType(type_name) => format!("sizeof<{}>", show_type(type_name)),
        NodeKind::SizeofValue(operand) => format!("sizeof({})", show(operand)),
    }
}

fn show_type(type_name: &TypeName) -> String {
    let mut text = type_name.base.clone();
    for derivation in &type_name.derivations {
        text += &match derivation {
            Derivation::Pointer => "*".to_owned(),
            Derivation::Reference => "&".to_owned(),
            Derivation::Array(count) => format!("[{count}]"),
        };
    }
    text
}

#[track_caller]
fn check(text: &str, expected: &str) {
    match parse(text, &types) {
        Ok(node) => assert_eq!(show(&node), expected),
        Err(error) => panic!("{text}: {error}"),
    }
}

#[track_caller]
fn check_error(text: &str, place: Range<usize>, part: &str) {
    let error = parse(text, &types).expect_err(text);
    assert!(error.message.contains(part), "{}", error.message);
    assert_eq!(error.span, place, "{}", error.message);
}

#[test]
fn paths_read_from_left_to_right() {
    check("a.b[2]->c", "a.b[2].c");
    check("*p", "(*p)");
    check("*p.next->next", "(*p.next.next)");
    check("&x", "(&x)");
    check("**p", "(*(*p))");
    check("&items[1].name", "(&items[1].name)");
    check("pair.0", "pair.0");
}

#[test]
fn operators_bind_as_in_c() {
    check("1 + 2 * 3 - 4", "((1 + (2 * 3)) - 4)");
    check("a == b && c != d || e", "(((a == b) && (c != d)) || e)");
    check("a & 1 == 0", "(a & (1 == 0))");
    check("*items@2 + 1", "(((*items) @ 2) + 1)");
    check("a << 2 + 1", "(a << (2 + 1))");
    check("-a - -1", "((-a) - (-1))");
    check("(a + b) * c", "((a + b) * c)");
    check("a < b", "(a < b)");
}

#[test]
fn casts_are_told_from_brackets_by_the_types() {
    check("(node *) p", "cast<node*>(p)");
    check("(node) * p", "cast<node>((*p))");
    check("(count) * p", "(count * p)");
    check("(struct any *) 0x10", "cast<struct any*>(16)");
    check("(unsigned long const) x", "cast<unsigned long>(x)");
    check("((node *) p)->next", "cast<node*>(p).next");
    check("(char) 65", "cast<char>(65)");
    check("(std::vector<int> *) p", "cast<std::vector<int>*>(p)");
    check("{int} 4096", "at<int>(4096)");
    check("sizeof (node)", "sizeof<node>");
    check("sizeof (x) + 1", "(sizeof(x) + 1)");
    check("sizeof x", "sizeof(x)");
}

#[test]
fn names_may_have_files_and_namespaces() {
    check("w1.c::count", "<w1.c>count");
    check("'src/a b.c'::ns::x", "<src/a b.c>ns::x");
    check("ns::inner::x", "ns::inner::x");
    check("::x", "x");
    check("list<int>::count", "list<int>::count");
    check("a.b", "a.b");
    check("true == false", "(true == false)");
    check("$sp + 8", "($sp + 8)");
}

#[test]
fn type_names_stand_alone() {
    let parsed = parse_type("unsigned long *[4]", &types).unwrap().unwrap();
    assert_eq!(show_type(&parsed), "unsigned long*[4]");
    assert_eq!(parse_type("nothing", &types).unwrap(), None);
    assert_eq!(parse_type("node + 1", &types).unwrap(), None);
}

#[test]
fn errors_point_at_their_place() {
    check_error("a.b[2", 5..5, "should follow");
    check_error("a +", 3..3, "a value");
    check_error("a b", 2..3, "expected an operator or the end, found b");
    check_error("a.(", 2..3, "a member's name");
    check_error("x = 1", 2..3, "assigned");
    check_error("", 0..0, "a value");
}

#[test]
fn depth_and_length_are_bounded() {
    for text in [
        "(".repeat(100_000),
        "*".repeat(3_000) + "p",
        "(".repeat(2_000) + "p",
        "a[".repeat(1_500),
        "- ".repeat(1_500) + "1",
        "a".to_owned() + &"->b".repeat(1_200),
        "1".to_owned() + &"+1".repeat(1_500),
        "sizeof ".repeat(500) + "x",
        "{int}".repeat(700) + "x",
        "(int)".repeat(700) + "x",
    ] {
        assert!(parse(&text, &types).is_err(), "{}", &text[..20]);
    }
    check(&("(".repeat(60) + "p" + &")".repeat(60)), "p");
}
