//! C++ names as their authors write them: without the libraries' inline namespaces and the arguments of their templates
//! that nobody gave.
//!
//! ```text
//! std::map<std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >, int, std::less<…>, …>
//! std::map<std::string, int>
//! ```

use std::borrow::Cow;

/// Brackets within each other.
const DEEPEST: usize = 64;
/// Longer names are left as they are.
const LONGEST: usize = 64 << 10;

/// Namespaces within `std` that are not written: those of libstdc++ and libc++ (GCC 12's `_GLIBCXX_BEGIN_NAMESPACE_CXX11`,
/// LLVM 19's `_LIBCPP_ABI_NAMESPACE`, the Android NDK's).
const INLINE_NAMESPACES: &[&str] = &["__cxx11::", "__1::", "__ndk1::"];

/// Templates of the standard library whose last arguments are seldom given.
const TEMPLATES: &[&str] = &[
    "vector",
    "deque",
    "list",
    "forward_list",
    "set",
    "multiset",
    "map",
    "multimap",
    "unordered_set",
    "unordered_multiset",
    "unordered_map",
    "unordered_multimap",
    "basic_string",
    "basic_string_view",
    "unique_ptr",
    "stack",
    "queue",
    "priority_queue",
    "basic_ostream",
    "basic_istream",
    "basic_iostream",
    "basic_ios",
    "basic_stringstream",
    "basic_ostringstream",
    "basic_istringstream",
    "basic_ofstream",
    "basic_ifstream",
    "basic_fstream",
    "basic_streambuf",
    "basic_stringbuf",
    "basic_filebuf",
    "basic_regex",
    "match_results",
    "sub_match",
    "istream_iterator",
    "ostream_iterator",
    "istreambuf_iterator",
    "ostreambuf_iterator",
];

/// Templates for characters, and what follows the character's letter in the name for one kind of them.
const OF_CHARACTERS: &[(&str, &str)] = &[
    ("basic_string", "string"),
    ("basic_string_view", "string_view"),
    ("basic_ostream", "ostream"),
    ("basic_istream", "istream"),
    ("basic_iostream", "iostream"),
    ("basic_ios", "ios"),
    ("basic_stringstream", "stringstream"),
    ("basic_ostringstream", "ostringstream"),
    ("basic_istringstream", "istringstream"),
    ("basic_ofstream", "ofstream"),
    ("basic_ifstream", "ifstream"),
    ("basic_fstream", "fstream"),
    ("basic_streambuf", "streambuf"),
    ("basic_stringbuf", "stringbuf"),
    ("basic_filebuf", "filebuf"),
    ("basic_regex", "regex"),
];

/// A name (of a type, a function, with or without parameters) in short.
pub fn shorten(name: &str) -> Cow<'_, str> {
    let has_arguments = || name.contains('<') || INLINE_NAMESPACES.iter().any(|inline| name.contains(inline));
    if name.len() > LONGEST || !name.contains("std::") || !has_arguments() {
        return Cow::Borrowed(name);
    }
    let mut reader = Reader { rest: name };
    let mut out = String::with_capacity(name.len());
    // What is no name at all stays as it is.
    match reader.text(&mut out, None, 0) && reader.rest.is_empty() {
        true => Cow::Owned(out),
        false => Cow::Borrowed(name),
    }
}

/// A function's name without the type that it returns, which a template's linkage name says: `int ns::f<char>`.
pub fn without_result(name: &str) -> &str {
    if !name.contains('<') {
        return name;
    }
    // A clone's suffix follows the name.
    let plain = name.split(" [").next().unwrap_or(name);
    let (mut depth, mut start) = (0usize, 0);
    for (at, char) in plain.char_indices() {
        match char {
            '<' | '(' | '{' | '[' if !is_operator(&plain[..at], char) => depth += 1,
            '>' | ')' | '}' | ']' if !is_operator(&plain[..at], char) => depth = depth.saturating_sub(1),
            ' ' if depth == 0 => {
                let before = &plain[..at];
                // `operator bool`, `vtable for x`, `non-virtual thunk to x`, `f() const`.
                if before.ends_with("operator") {
                    break;
                }
                let after = &plain[at + 1..];
                let goes_on = after.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '~'))
                    || after.starts_with("(anonymous");
                let is_prose = [" for", " to", "operator"].iter().any(|word| before.ends_with(word));
                let is_qualifier = ["const", "volatile", "noexcept"].iter().any(|word| after.starts_with(word));
                if is_prose || before == "to" {
                    return name;
                }
                if goes_on && !is_qualifier && before.rfind(')').is_none_or(|end| end < start) {
                    start = at + 1;
                }
            }
            _ => {}
        }
    }
    &name[start..]
}

/// Whether the bracket is a part of an operator's name: `operator<`, `operator->`, `operator()`.
fn is_operator(before: &str, bracket: char) -> bool {
    let name = before.trim_end_matches(['<', '>', '-', '=', '(', '[']);
    let symbols = &before[name.len()..];
    name.ends_with("operator")
        && match bracket {
            '<' => matches!(symbols, "" | "<"),
            '>' => matches!(symbols, "" | ">" | "-" | "<="),
            '(' | '[' => symbols.is_empty(),
            ')' => symbols == "(",
            ']' => symbols == "[",
            _ => false,
        }
}

struct Reader<'n> {
    rest: &'n str,
}

impl Reader<'_> {
    /// Copies up to the bracket that closes this level, or to the end where none does. Within `<` a comma ends it too.
    /// `false`: it does not fit.
    fn text(&mut self, out: &mut String, closing: Option<char>, depth: usize) -> bool {
        if depth > DEEPEST {
            return false;
        }
        let from = out.len();
        while let Some(char) = self.rest.chars().next() {
            let own = &out[from..];
            let operator = is_operator(own, char);
            match char {
                _ if Some(char) == closing && !operator && !own.ends_with('-') => return true,
                ',' if closing == Some('>') => return true,
                '<' if !operator => {
                    self.skip(1);
                    if !self.arguments(out, from, depth) {
                        return false;
                    }
                }
                '(' | '{' | '[' => {
                    let other = match char {
                        '(' => ')',
                        '{' => '}',
                        _ => ']',
                    };
                    self.skip(1);
                    out.push(char);
                    let mut inner = String::new();
                    if !self.text(&mut inner, Some(other), depth + 1) || !self.rest.starts_with(other) {
                        return false;
                    }
                    self.skip(1);
                    out.push_str(&inner);
                    out.push(other);
                }
                ')' | '}' | ']' => return false,
                // `->` of a trailing result.
                '>' if !operator && !own.ends_with('-') => return false,
                _ => {
                    let is_std = own.ends_with("std::") && !own[..own.len() - 5].ends_with(is_name_part);
                    match INLINE_NAMESPACES.iter().find(|inline| is_std && self.rest.starts_with(**inline)) {
                        Some(inline) => self.skip(inline.len()),
                        None => {
                            self.skip(char.len_utf8());
                            out.push(char);
                        }
                    }
                }
            }
        }
        closing.is_none()
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or("");
    }

    /// What follows `<`, with the bracket that closes it.
    fn arguments(&mut self, out: &mut String, from: usize, depth: usize) -> bool {
        let mut arguments: Vec<String> = Vec::new();
        loop {
            self.rest = self.rest.trim_start();
            let mut argument = String::new();
            if !self.text(&mut argument, Some('>'), depth + 1) {
                return false;
            }
            argument.truncate(argument.trim_end().len());
            arguments.push(argument);
            let goes_on = self.rest.starts_with(',');
            if !goes_on && !self.rest.starts_with('>') {
                return false;
            }
            self.skip(1);
            if !goes_on {
                break;
            }
        }
        let path = out[from..].rfind(|c: char| !is_name_part(c) && c != ':').map_or(from, |at| from + at + 1);
        if let Some(template) = out[path..].strip_prefix("std::")
            && TEMPLATES.contains(&template)
        {
            while arguments.len() > 1 && is_default(template, &arguments[0], &arguments[arguments.len() - 1]) {
                arguments.pop();
            }
            if let ([character], Some((_, kind))) =
                (arguments.as_slice(), OF_CHARACTERS.iter().find(|(known, _)| *known == template))
            {
                let letter = match character.as_str() {
                    "char" => Some(""),
                    "wchar_t" => Some("w"),
                    "char8_t" => Some("u8"),
                    "char16_t" => Some("u16"),
                    "char32_t" => Some("u32"),
                    _ => None,
                };
                if let Some(letter) = letter {
                    out.truncate(path);
                    out.push_str("std::");
                    out.push_str(letter);
                    out.push_str(kind);
                    return true;
                }
            }
        }
        out.push('<');
        out.push_str(&arguments.join(", "));
        out.push('>');
        true
    }
}

fn is_name_part(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// Whether a last argument is what the template has where none is given.
fn is_default(template: &str, first: &str, argument: &str) -> bool {
    let of = |name: &str| argument.strip_prefix(name).and_then(|rest| rest.strip_prefix('<')?.strip_suffix('>'));
    let of_first = |name: &str| of(name) == Some(first);
    match template {
        "stack" | "queue" => of_first("std::deque"),
        "priority_queue" => of_first("std::vector") || of_first("std::less"),
        "unique_ptr" => of_first("std::default_delete"),
        "basic_regex" => of_first("std::regex_traits") || of_first("std::__cxx11::regex_traits"),
        _ => {
            of("std::allocator").is_some()
                || ["std::less", "std::hash", "std::equal_to", "std::char_traits"].into_iter().any(of_first)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRING: &str = "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >";

    #[track_caller]
    fn check(name: &str, short: &str) {
        let name = name.replace("STRING", STRING);
        assert_eq!(shorten(&name), short);
    }

    #[test]
    fn defaults_are_left_out() {
        check("STRING", "std::string");
        check("std::vector<STRING, std::allocator<STRING > >", "std::vector<std::string>");
        check(
            "std::map<STRING, int, std::less<STRING >, std::allocator<std::pair<STRING const, int> > >",
            "std::map<std::string, int>",
        );
        check("std::map<int, int, std::greater<int>, std::allocator<int> >", "std::map<int, int, std::greater<int>>");
        check("std::vector<int, pool<int> >", "std::vector<int, pool<int>>");
        check("std::unique_ptr<a::B, std::default_delete<a::B> >", "std::unique_ptr<a::B>");
        check("std::allocator_traits<std::allocator<char> >", "std::allocator_traits<std::allocator<char>>");
        check("std::__1::vector<bool, std::__1::allocator<bool>>::iterator", "std::vector<bool>::iterator");
        check("std::basic_ostream<char, std::char_traits<char> >&", "std::ostream&");
        check("mystd::__1::vector<int, std::allocator<int> >", "mystd::__1::vector<int, std::allocator<int>>");
        check("ring<int, 4>", "ring<int, 4>");
    }

    #[test]
    fn functions() {
        check(
            "f(std::vector<STRING, std::allocator<STRING > > const&, int)::{lambda(x&)#1}::operator()(x&) const",
            "f(std::vector<std::string> const&, int)::{lambda(x&)#1}::operator()(x&) const",
        );
        check("STRING::basic_string(char const*)", "std::string::basic_string(char const*)");
        check("bool operator< <std::less<int> >(a, b)", "bool operator< <std::less<int>>(a, b)");
        check("std::ptr<int>::operator->() const", "std::ptr<int>::operator->() const");
        check("wait<f(std::list<int, std::allocator<int> >)::<lambda()> >", "wait<f(std::list<int>)::<lambda()>>");
        // Cut off in the middle.
        check("std::vector<int, std::allocator<int", "std::vector<int, std::allocator<int");
        check(&format!("std::{}", "a<".repeat(200)), &format!("std::{}", "a<".repeat(200)));
    }

    #[test]
    fn results_are_left_out() {
        for (name, plain) in [
            ("int shop::apply<int>", "shop::apply<int>"),
            ("unsigned long f<int>(char)", "f<int>(char)"),
            ("std::enable_if<a, int>::type ns::f<int>", "ns::f<int>"),
            ("f<int>::operator bool", "f<int>::operator bool"),
            ("ring<int>::push(int const&)", "ring<int>::push(int const&)"),
            ("vtable for ring<int>", "vtable for ring<int>"),
            ("non-virtual thunk to a<int>::f()", "non-virtual thunk to a<int>::f()"),
            ("void (anonymous namespace)::f<int>()", "(anonymous namespace)::f<int>()"),
            ("void f<int>(int) [clone .cold]", "f<int>(int) [clone .cold]"),
            ("a<int>::f() const", "a<int>::f() const"),
            ("void g<h(int)::{lambda(int)#1}>", "g<h(int)::{lambda(int)#1}>"),
            ("main", "main"),
        ] {
            assert_eq!(without_result(name), plain, "{name}");
        }
    }
}
