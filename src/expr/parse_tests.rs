//! What the parser makes of expressions, written back with every operator in brackets.

use super::super::tree::Derivation;
use super::*;

fn types(name: &str) -> bool {
    matches!(name, "node" | "std::vector<int>" | "ns::T" | "struct node")
}

fn show(node: &Node) -> String {
    match &node.kind {
        NodeKind::Int { value, .. } => value.to_string(),
        NodeKind::Float(value, _) => format!("{value:?}"),
        NodeKind::Imaginary(value) => format!("{value:?}i"),
        NodeKind::Held(interface) => format!("held({})", show(interface)),
        NodeKind::Char(code) => format!("char {code}"),
        NodeKind::Str(text) => format!("{:?}", String::from_utf8_lossy(text)),
        NodeKind::WideStr(text, character) => format!("{} {:?}", character.base, String::from_utf8_lossy(text)),
        NodeKind::Array { elements, count, .. } => {
            let count = count.as_ref().map_or(String::new(), |count| format!("; {}", show(count)));
            format!("array[{}{count}]", elements.iter().map(show).collect::<Vec<_>>().join(", "))
        }
        NodeKind::Bool(value) => value.to_string(),
        NodeKind::Name { file: None, name, entry } => format!("{name}{}", if *entry { "@entry" } else { "" }),
        NodeKind::Name { file: Some(file), name, .. } => format!("<{file}>{name}"),
        NodeKind::Null => "null".to_owned(),
        NodeKind::Item => "it".to_owned(),
        NodeKind::Assign(name, operator, value) => format!("(${name} {}= {})", operator.unwrap_or(""), show(value)),
        NodeKind::Step(name, operator) => format!("(${name}{operator}{operator})"),
        NodeKind::Slice(array, first, last, inclusive) => {
            let show = |end: &Option<Box<Node>>| end.as_ref().map_or(String::new(), |end| self::show(end));
            format!("{}[{}..{}{}]", self::show(array), show(first), if *inclusive { "=" } else { "" }, show(last))
        }
        NodeKind::Filter(items, test) => format!("filter({}, {})", show(items), show(test)),
        NodeKind::Map(items, to) => format!("map({}, {})", show(items), show(to)),
        NodeKind::Length(items) => format!("len({})", show(items)),
        NodeKind::List(head, type_name, link) => {
            format!("list({}, {}, {})", show(head), type_name.as_ref().map_or("?".to_owned(), show_type), show(link))
        }
        NodeKind::Tree(root, _, left, right) => format!("tree({}, {}, {})", show(root), show(left), show(right)),
        NodeKind::Call(name, arguments) => {
            format!("{name}({})", arguments.iter().map(show).collect::<Vec<_>>().join(", "))
        }
        NodeKind::InFrame { thread, frame, inner } => {
            let show = |place: &Option<Box<Node>>| place.as_ref().map_or("-".to_owned(), |place| self::show(place));
            format!("in({}, {}, {})", show(thread), show(frame), self::show(inner))
        }
        NodeKind::Choose(condition, a, b) => format!("({} ? {} : {})", show(condition), show(a), show(b)),
        NodeKind::Register(name) => format!("${name}"),
        NodeKind::Unary(operator, operand) => format!("({operator}{})", show(operand)),
        NodeKind::Binary(operator, left, right) => format!("({} {operator} {})", show(left), show(right)),
        NodeKind::Member(object, name) => format!("{}.{name}", show(object)),
        NodeKind::Index(array, index) => format!("{}[{}]", show(array), show(index)),
        NodeKind::Cast(type_name, operand, _) => format!("cast<{}>({})", show_type(type_name), show(operand)),
        NodeKind::Assert(operand, type_name) => format!("assert<{}>({})", show_type(type_name), show(operand)),
        NodeKind::At(type_name, operand) => format!("at<{}>({})", show_type(type_name), show(operand)),
        NodeKind::SizeofType(type_name) => format!("sizeof<{}>", show_type(type_name)),
        NodeKind::SizeofValue(operand) => format!("sizeof({})", show(operand)),
        NodeKind::TypeidType(type_name) => format!("typeid<{}>", show_type(type_name)),
        NodeKind::TypeidValue(operand) => format!("typeid({})", show(operand)),
        NodeKind::AlignofType(type_name) => format!("alignof<{}>", show_type(type_name)),
        NodeKind::AlignofValue(operand) => format!("alignof({})", show(operand)),
        NodeKind::Offsetof(type_name, path) => format!("offsetof<{}>({})", show_type(type_name), show(path)),
    }
}

fn show_type(type_name: &TypeName) -> String {
    let mut text = type_name.base.clone();
    for derivation in &type_name.derivations {
        text += &match derivation {
            Derivation::Pointer => "*".to_owned(),
            Derivation::Reference => "&".to_owned(),
            Derivation::Array(count) => format!("[{count}]"),
            Derivation::Function(parameters) => format!("({})", parameters.as_ref().map_or(0, Vec::len)),
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
    check("*(p as *const [node; 2])", "(*cast<node[2]*>(p))");
    check("(*[2]int) p", "cast<int[2]*>(p)");
    check("sizeof (x) + 1", "(sizeof(x) + 1)");
    check("sizeof x", "sizeof(x)");
}

#[test]
fn names_may_have_files_and_namespaces() {
    check("w1.c::count", "<w1.c>count");
    check("'src/a b.c'::ns::x", "<src/a b.c>ns::x");
    check("ns::inner::x", "ns::inner::x");
    check("::x", "::x");
    check("x@entry + 1", "(x@entry + 1)");
    check("*p@ entry", "((*p) @ entry)");
    check("list<int>::count", "list<int>::count");
    check("a.b", "a.b");
    check("true == false", "(true == false)");
    check("$sp + 8", "($sp + 8)");
}

#[test]
fn ranges_filters_and_calls() {
    check("p[1..3]", "p[1..3]");
    check("a[..=n + 1]", "a[..=(n + 1)]");
    check("a[2..]", "a[2..]");
    check("a[1:n]", "a[1..n]");
    check("a[c ? 1 : 2]", "a[(c ? 1 : 2)]");
    check("v[.id == 7].name", "filter(v, (it.id == 7)).name");
    check("v[. > 3]", "filter(v, (it > 3))");
    check("v[w[.id == 1].len()]", "v[len(filter(w, (it.id == 1)))]");
    check("v.map(.f).len", "map(v, it.f).len");
    check("len(v) + v.len()", "(len(v) + len(v))");
    check("$list(head, next)", "list(head, ?, it.next)");
    check("$list(&queue, node, .link.next)", "list((&queue), node, it.link.next)");
    check("$tree(root, child[0], child[1])", "tree(root, it.child[0], it.child[1])");
    check("frame(1).x.y", "in(-, 1, x).y");
    check("thread(7).frame(2).$pc", "in(7, 2, $pc)");
    check("t.0.1", "t.0.1");
    check("c.base::x", "c.base::x");
}

#[test]
fn casts_of_other_languages_and_choices() {
    check("-x as unsigned long * 2", "(cast<unsigned long>((-x)) * 2)");
    check("p as *const node", "cast<node*>(p)");
    check("static_cast<node *>(p)->id", "cast<node*>(p).id");
    check("int(x) + 1", "(cast<int>(x) + 1)");
    check("a ? b : c ? d : e", "(a ? b : (c ? d : e))");
    check("$i = $j = 2", "($i = ($j = 2))");
    check("a[$i++]", "a[($i++)]");
    check("++$i, $i", "(($i += 1) , $i)");
    check("offsetof(struct node, a.b)", "offsetof<struct node>(it.a.b)");
    check("alignof(node)", "alignof<node>");
    check("a.(*node).b", "assert<node*>(a).b");
    check("5u8 + 2.5f32", "(cast<u8>(5) + cast<f32>(2.5))");
    check("a->*b * 2", "((a ->* b) * 2)");
    check("not a and b &^ ^c", "((!a) && (b &^ (~c)))");
    check("not + 1", "(not + 1)");
    check("a.back()", "a[(len(a) - 1)]");
    check("{1, 2}[0]", "array[1, 2][0]");
    check("{node} p", "at<node>(p)");
    check("[1, f, [2]]", "array[1, f, array[2]]");
    check("[0u8; 4]", "array[cast<u8>(0); 4]");
    check("v[.0 == .5]", "filter(v, (it.0 == it.5))");
    check("v[.0].1 + .5", "(filter(v, it.0).1 + 0.5)");
    check("L\"a\" \"b\"", "wchar_t \"ab\"");
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
    check_error("a.(", 3..3, "a type");
    check_error("a.+", 2..3, "a member's name");
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
        "a[.b == ".repeat(300),
        "x ? ".repeat(900),
        "$a = ".repeat(700) + "1",
        "x as &".to_owned() + &"&".repeat(3_000),
        "a".to_owned() + &"->b".repeat(1_200),
        "1".to_owned() + &"+1".repeat(1_500),
        "sizeof ".repeat(500) + "x",
        "{int}".repeat(700) + "x",
        "{".repeat(1_500),
        "[1,".repeat(900),
        "[1;".repeat(900),
        "(int)".repeat(700) + "x",
    ] {
        assert!(parse(&text, &types).is_err(), "{}", &text[..20]);
    }
    check(&("(".repeat(60) + "p" + &")".repeat(60)), "p");
}
