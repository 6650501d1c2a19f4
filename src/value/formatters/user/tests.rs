//! Files of formatters, sound and not.

use super::{Content, Piece, is_like, read, template};

fn text(text: &str) -> Piece {
    Piece::Text(text.to_owned())
}

fn expression(text: &str, letter: Option<char>) -> Piece {
    Piece::Expression(text.to_owned(), letter)
}

#[test]
fn a_file_gives_its_formatters() {
    let (formatters, problems) = read(
        "[[formatter]]\ntype = \"point\"\nsummary = \"({x}, {y:x})\"\n[[formatter]]\ntype = [\"ring\", \"deque*\"]\n\
         items = \"data[0..len]\"\n[[formatter]]\ntype = \"job\"\nchildren = [\"id\", { name = \"who\", expr = \"o.n\" }]\n",
    );
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(formatters.len(), 3);
    assert_eq!(
        formatters[0].summary,
        [text("("), expression("x", None), text(", "), expression("y", Some('x')), text(")")]
    );
    assert_eq!(formatters[1].types, ["ring", "deque*"]);
    assert_eq!(formatters[1].content, Content::Items("data[0..len]".to_owned()));
    let children = [("id", "id"), ("who", "o.n")].map(|(name, expr)| (name.to_owned(), expr.to_owned()));
    assert_eq!(formatters[2].content, Content::Children(children.to_vec()));
}

#[test]
fn what_is_wrong_is_said_with_line_and_key_and_costs_one_formatter() {
    let (formatters, problems) = read(
        "[[formatter]]\ntype = \"a\"\nsummary = \"{x\"\n[[formatter]]\ntype = \"b\"\nsumary = \"x\"\n[[formatter]]\n\
         type = 3\nsummary = \"x\"\n[[formatter]]\ntype = \"c\"\n[[formatter]]\ntype = \"d\"\nsummary = \"fine\"\n",
    );
    assert_eq!(
        problems,
        [
            "line 3: formatter.summary: a { without its }; {{ is a brace",
            "line 6: formatter.sumary: there is no such key; known: type, summary, children, items",
            "line 8: formatter.type: text is wanted, in quotes",
            "line 10: formatter: neither summary nor children nor items",
        ]
    );
    assert_eq!(formatters.len(), 1);
    let (formatters, problems) = read("[[formatter]]\ntype = \n");
    assert!(formatters.is_empty());
    assert!(problems.len() == 1 && problems[0].starts_with("line 2: "), "{problems:?}");
    assert!(read(&"[".repeat(100_000)).0.is_empty());
}

#[test]
fn braces_within_expressions_and_quotes_belong_to_them() {
    let parse = |text| template::parse(text).unwrap();
    assert_eq!(parse("{{{x}}}"), [text("{"), expression("x", None), text("}")]);
    assert_eq!(parse("{*({int} p)}"), [expression("*({int} p)", None)]);
    assert_eq!(parse("{ns::x}"), [expression("ns::x", None)]);
    assert_eq!(parse("{a ? b : c}"), [expression("a ? b : c", None)]);
    assert_eq!(parse("{name == \"}\"}"), [expression("name == \"}\"", None)]);
    assert!(template::parse("{}").is_err());
    assert!(template::parse("}").is_err());
    assert!(template::parse("{x:q}").is_err());
}

#[test]
fn stars_stand_for_any_characters() {
    for (pattern, name, like) in [
        ("node", "node", true),
        ("node", "nodes", false),
        ("vec<*", "vec<int>", true),
        ("*::node", "a::b::node", true),
        ("a*b*c", "a1b2c", true),
        ("a*b*c", "abcb", false),
        ("*", "", true),
        ("ab*ba", "aba", false),
        ("**", "x", true),
    ] {
        assert_eq!(is_like(pattern, name), like, "{pattern} {name}");
    }
}
