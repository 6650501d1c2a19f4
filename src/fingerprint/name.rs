//! A function's name as fingerprints have it: the same whatever the compiler made of the function.
//!
//! ```text
//! linkage name ─ demangled without parameters ─ without arguments of templates ─ [[rename]] of the rules
//! ```

use crate::analyze::blame::plain_name;
use crate::demangle::demangle_without_parameters;
use crate::types::Language;

/// Longer names are cut here, so that hostile ones cost little.
const LONGEST: usize = 16 << 10;
/// Brackets within brackets.
const DEEPEST: usize = 64;
/// C++'s operators with brackets in their names, the longer first.
const OPERATORS: [&str; 14] = ["<=>", "<<=", ">>=", "->*", "<<", ">>", "<=", ">=", "->", "<", ">", "()", "[]", ","];

/// Whose rules a name follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// C, and what is not known.
    C,
    /// C++.
    Cpp,
    /// Rust.
    Rust,
    /// Go.
    Go,
}

impl Family {
    /// The rules' word.
    pub fn code(self) -> &'static str {
        match self {
            Family::C => "c",
            Family::Cpp => "c++",
            Family::Rust => "rust",
            Family::Go => "go",
        }
    }
}

/// The name without what a rebuild changes, before the rules' own replacements; and whose it is. `None` without a name.
pub fn structural(
    function: Option<&str>,
    symbol: Option<&str>,
    language: Option<Language>,
) -> Option<(String, Family)> {
    if language == Some(Language::Go) {
        let name = cut(symbol.or(function)?);
        return Some((without_square_brackets(name), Family::Go));
    }
    let demangled = symbol.map(cut).and_then(|symbol| Some((demangle_without_parameters(symbol)?, is_rust(symbol))));
    if let Some((name, is_rust)) = demangled {
        let family = if is_rust { Family::Rust } else { Family::Cpp };
        return Some((without_arguments(&name, family, 0), family));
    }
    let family = match language {
        Some(Language::Rust) => Family::Rust,
        Some(Language::Cpp) => Family::Cpp,
        _ => Family::C,
    };
    // What is not mangled: of C, or without a linkage name in the debug information.
    let name = cut(plain_name(function.or(symbol)?, language));
    match family {
        Family::C if name.contains('<') || name.contains("::") => {
            Some((without_arguments(name, Family::Cpp, 0), Family::Cpp))
        }
        Family::C => Some((name.to_owned(), Family::C)),
        // Of lambdas alone GCC gives no linkage name for what was inlined, and no name of their class.
        Family::Cpp if symbol.is_none() && name.ends_with("::operator()") => {
            let function = name.strip_suffix("::operator()").unwrap_or(name);
            Some((format!("{}::{{lambda}}::operator()", without_arguments(function, family, 0)), family))
        }
        family => Some((without_arguments(name, family, 0), family)),
    }
}

fn cut(name: &str) -> &str {
    let mut end = name.len().min(LONGEST);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.get(..end).unwrap_or(name)
}

/// Rust's legacy names are C++ names that end in a hash.
fn is_rust(symbol: &str) -> bool {
    symbol.starts_with("_R")
        || symbol.starts_with("_ZN") && symbol.contains("17h") && {
            let hash = symbol.rmatch_indices("17h").next().and_then(|(at, _)| symbol.get(at + 3..at + 20));
            hash.is_some_and(|hash| hash.ends_with('E') && hash.bytes().take(16).all(|byte| byte.is_ascii_hexdigit()))
        }
}

/// Go's arguments of generics: `main.F[go.shape.[]int]`.
fn without_square_brackets(name: &str) -> String {
    let mut depth = 0usize;
    let keep = |c: &char| {
        match c {
            '[' => depth += 1,
            ']' if depth > 0 => {
                depth -= 1;
                return false;
            }
            _ => {}
        }
        depth == 0
    };
    name.chars().filter(keep).collect()
}

/// Takes out what is in angle brackets, in round ones (C++) and, of what is in curly ones, all but the first word.
fn without_arguments(name: &str, family: Family, nesting: usize) -> String {
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        if family == Family::Cpp
            && is_operator(&out)
            && let Some(operator) = OPERATORS.iter().find(|operator| rest.starts_with(**operator))
        {
            out.push_str(operator);
            // `operator< <int>`
            rest = rest.get(operator.len()..).unwrap_or_default().trim_start();
            continue;
        }
        match c {
            '<' => {
                let (inside, behind) = bracket(after, '<', '>');
                let is_first = out.is_empty() || out.ends_with("::");
                match family {
                    // GCC's names of types without one: `main()::<lambda(int)>::operator()`.
                    Family::Cpp if is_first && !out.is_empty() && inside.starts_with("lambda") => {
                        out.push_str("{lambda}")
                    }
                    Family::Cpp if is_first && !out.is_empty() && inside.starts_with("unnamed") => {
                        out.push_str("{unnamed}")
                    }
                    Family::Rust if is_first && nesting < DEEPEST => {
                        out = of_implementation(&out, inside, behind, nesting)
                    }
                    _ => {
                        let path = out.strip_suffix("::").map(str::len);
                        out.truncate(path.unwrap_or(out.len()));
                    }
                }
                rest = behind;
            }
            '(' if family == Family::Cpp && !rest.starts_with("(anonymous namespace)") => {
                rest = bracket(after, '(', ')').1
            }
            '{' => {
                let (inside, behind) = bracket(after, '{', '}');
                let inside = inside.trim_start_matches('{');
                let word = inside.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
                out.push('{');
                out.push_str(if word.is_empty() { "unnamed" } else { word });
                out.push('}');
                rest = behind;
            }
            // Clang's lambdas without linkage: `main::$_0::operator()`.
            '$' if family == Family::Cpp && after.starts_with('_') => {
                out.push_str("{lambda}");
                rest = after.trim_start_matches(|c: char| c == '_' || c.is_ascii_digit());
            }
            _ => {
                out.push(c);
                rest = after;
            }
        }
    }
    out
}

/// Whether what was written so far ends in the word `operator`.
fn is_operator(out: &str) -> bool {
    let Some(before) = out.trim_end().strip_suffix("operator") else { return false };
    !before.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
}

/// Rust: `<T as Trait>`, `<T>`, and with the older mangling `path::<impl Trait for T>`, `path::<impl T>`.
fn of_implementation(before: &str, inside: &str, behind: &str, nesting: usize) -> String {
    let plain = |text: &str| without_arguments(text.trim(), Family::Rust, nesting + 1);
    if let Some(implementation) = inside.strip_prefix("impl ") {
        return match split_outside(implementation, " for ") {
            Some((of, for_type)) => format!("<{} as {}>", plain(for_type), plain(of)),
            None => plain(implementation),
        };
    }
    match split_outside(inside, " as ") {
        Some((for_type, of)) if before.is_empty() => format!("<{} as {}>", plain(for_type), plain(of)),
        None if before.is_empty() && behind.starts_with("::") => plain(inside),
        // `f::<T>`
        _ => before.strip_suffix("::").unwrap_or(before).to_owned(),
    }
}

/// Both sides of the first `word` that is in no bracket.
fn split_outside<'a>(text: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let mut depth = 0usize;
    for (at, c) in text.char_indices() {
        match c {
            '<' | '(' | '[' => depth += 1,
            '>' if text.get(..at).is_some_and(|before| before.ends_with('-')) => {}
            '>' | ')' | ']' => depth = depth.saturating_sub(1),
            ' ' if depth == 0 && text.get(at..).is_some_and(|rest| rest.starts_with(word)) => {
                return Some((text.get(..at)?, text.get(at + word.len()..)?));
            }
            _ => {}
        }
    }
    None
}

/// What is inside of the bracket that was opened, and what is behind it; all is inside where it is not closed.
fn bracket(text: &str, open: char, close: char) -> (&str, &str) {
    let mut depth = 1usize;
    let mut round = 0usize;
    for (at, c) in text.char_indices() {
        match c {
            // `f<(a > b)>`, `f<A::operator->>`, `fn() -> i32`
            '(' if open == '<' => round += 1,
            ')' if open == '<' => round = round.saturating_sub(1),
            _ if c == open && round == 0 => depth += 1,
            _ if c == close
                && round == 0
                && !(c == '>' && text.get(..at).is_some_and(|before| before.ends_with('-'))) =>
            {
                depth -= 1;
            }
            _ => {}
        }
        if depth == 0 {
            return (text.get(..at).unwrap_or_default(), text.get(at + c.len_utf8()..).unwrap_or_default());
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(symbol: &str, expected: &str) {
        let name = structural(Some(symbol), Some(symbol), None).map(|(name, _)| name);
        assert_eq!(name.as_deref(), Some(expected), "{symbol}");
    }

    #[track_caller]
    fn check_text(text: &str, family: Family, expected: &str) {
        assert_eq!(without_arguments(text, family, 0), expected, "{text}");
    }

    #[test]
    fn linkage_names_lose_templates_and_parameters() {
        check("_ZN2ns1fIiEEvT_PKc", "ns::f");
        check("_Z1fILi3ELb1ELj4EEvv", "f");
        check("_ZN1AIiEC2IdEEd", "A::A");
        check("_ZZ4mainENKUliE_clEi", "main::{lambda}::operator()");
        check("_ZZ4mainENK3$_0clEv", "main::{lambda}::operator()");
        check("_ZlsRSoRK1A", "operator<<");
        check("_ZN2ns3VecIiEixEm", "ns::Vec::operator[]");
        check("_ZNSt3mapIiiEixEOi", "std::map::operator[]");
        check("_ZN5crash4main17h0123456789abcdefE.llvm.12345", "crash::main");
        check("_RNvCs1234_7mycrate3foo", "mycrate::foo");
        check("plain_c", "plain_c");
        let inlined = structural(Some("app::order::operator()"), None, Some(Language::Cpp));
        assert_eq!(inlined, Some(("app::order::{lambda}::operator()".to_owned(), Family::Cpp)));
    }

    #[test]
    fn both_of_rusts_manglings_give_one_name() {
        let rust = Family::Rust;
        check_text(
            "<alloc::vec::Vec<T> as core::ops::Deref>::deref",
            rust,
            "<alloc::vec::Vec as core::ops::Deref>::deref",
        );
        check_text(
            "<alloc::vec::Vec<u8> as core::ops::Deref>::deref",
            rust,
            "<alloc::vec::Vec as core::ops::Deref>::deref",
        );
        check_text("<die::Foo<u8>>::bar::<i32>", rust, "die::Foo::bar");
        check_text("die::Foo<T>::bar", rust, "die::Foo::bar");
        check_text("app::text::<impl app::Show for i32>::show", rust, "<i32 as app::Show>::show");
        check_text("app::text::<impl str>::words", rust, "str::words");
        check_text("app::run::{{closure}}::inner", rust, "app::run::{closure}::inner");
        check_text("app::run::{closure#1}::inner", rust, "app::run::{closure}::inner");
        check_text("app::call::<fn() -> i32, &dyn Fn(A) -> B>", rust, "app::call");
    }

    #[test]
    fn operators_keep_their_brackets() {
        let cpp = Family::Cpp;
        check_text("A<int>::operator-><char>", cpp, "A::operator->");
        check_text("A<int>::operator< <char>", cpp, "A::operator<");
        check_text("operator<=>", cpp, "operator<=>");
        check_text("A::operator()", cpp, "A::operator()");
        check_text("A::myoperator<int>", cpp, "A::myoperator");
        check_text("f<(A::B)3, (1 > 2)>::g", cpp, "f::g");
        check_text("f(int)::Local::g", cpp, "f::Local::g");
        check_text("main()::<lambda(int)>::operator()", cpp, "main::{lambda}::operator()");
        check_text("main()::<lambda(A<int>)>::operator()", cpp, "main::{lambda}::operator()");
        check_text("(anonymous namespace)::count", cpp, "(anonymous namespace)::count");
        check_text("A::{unnamed type#1}::f", cpp, "A::{unnamed}::f");
    }

    #[test]
    fn go_has_no_type_arguments() {
        let go = |name| structural(Some(name), Some(name), Some(Language::Go)).unwrap().0;
        assert_eq!(go("main.Map[go.shape.[]int,go.shape.string].func1"), "main.Map.func1");
        assert_eq!(go("main.(*List[...]).push"), "main.(*List).push");
    }

    #[test]
    fn hostile_names_end() {
        for text in ["<".repeat(100_000), "<impl ".repeat(10_000), "{".repeat(50_000), "operator".repeat(9_000)] {
            for language in [Language::C, Language::Cpp, Language::Rust, Language::Go] {
                assert!(structural(Some(&text), Some(&text), Some(language)).is_some());
            }
        }
        assert_eq!(cut(&"é".repeat(LONGEST)).len(), LONGEST);
    }
}
