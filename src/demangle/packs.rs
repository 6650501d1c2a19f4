//! Parameters that are a pack of references: `f<A, B>(A&&, B&&)`.
//!
//! The demangler writes a pack of parameters (`DpOT_`) as one type, its elements joined by commas, so that what belongs
//! to each of them stands behind one or a few: `(A, B&&)`, or nowhere, where one element is a reference itself. The
//! elements are the last of the function's template arguments, and are written from those.
//!
//! What remains unlike c++filt (53 of 94,140 names of LLVM, Clang, LLDB 19 and libstdc++): packs within the functions that
//! lambdas are in, and bare types of functions, mostly in names of type information. Their text does not tell what
//! belongs where.

use std::fmt;

use cpp_demangle::{DemangleNodeType, DemangleWrite};

use super::LONGEST_OUTPUT;

/// Text that refuses to grow without end, and where in it template parameters stand.
#[derive(Default)]
pub(super) struct Written {
    pub text: String,
    /// Outermost ones, in order.
    pub parameters: Vec<(usize, usize)>,
    /// For each open node, where it began if it is a template parameter.
    open: Vec<Option<usize>>,
}

impl DemangleWrite for Written {
    fn push_demangle_node(&mut self, node: DemangleNodeType) {
        let is_parameter = matches!(node, DemangleNodeType::TemplateParam);
        self.open.push(is_parameter.then_some(self.text.len()));
    }

    fn write_string(&mut self, text: &str) -> fmt::Result {
        if self.text.len() + text.len() > LONGEST_OUTPUT {
            return Err(fmt::Error);
        }
        self.text.push_str(text);
        Ok(())
    }

    fn pop_demangle_node(&mut self) {
        if let Some(Some(start)) = self.open.pop()
            && self.open.iter().all(Option::is_none)
        {
            self.parameters.push((start, self.text.len()));
        }
    }
}

/// What stands behind each element of the name's packs: `None` where it has no pack of references, or packs of several
/// kinds.
pub(super) fn marks(mangled: &str) -> Option<&'static str> {
    let mut found = None;
    for (at, _) in mangled.match_indices("Dp") {
        let rest = &mangled[at + 2..];
        let kinds = [("OT", "&&"), ("RKT", " const&"), ("RT", "&")];
        let (_, marks) = kinds.into_iter().find(|(kind, _)| rest.starts_with(kind))?;
        if found.is_some_and(|found| found != marks) {
            return None;
        }
        found = Some(marks);
    }
    found
}

/// Whether the name's last parameter is its one pack of references: no other can be meant by what ends the text.
pub(super) fn ends_with_pack(mangled: &str) -> bool {
    let mut packs = mangled.match_indices("Dp");
    let (Some((at, _)), None) = (packs.next(), packs.next()) else { return false };
    let rest = &mangled[at + 2..];
    let number =
        ["OT", "RKT", "RT"].iter().find_map(|kind| rest.strip_prefix(kind)).and_then(|rest| rest.strip_suffix('_'));
    number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()))
}

/// The text with every pack of `arguments`' last elements written in full.
/// `is_last`: what ends the parameters is a pack, even of one element.
pub(super) fn expanded(written: &Written, arguments: &str, marks: &str, is_last: bool) -> String {
    let arguments = elements(arguments);
    let mut text = written.text.clone();
    for (start, end) in written.parameters.iter().rev() {
        let Some(parameter) = written.text.get(*start..*end) else { continue };
        let found = elements(parameter);
        let Some(first) = arguments.len().checked_sub(found.len()) else { continue };
        let pack = &arguments[first..];
        let is_pack = || found.iter().zip(pack).all(|(found, own)| without_marks(found) == without_marks(own));
        let is_last = is_last && &written.text[*end..] == ")";
        if found.len() < 2 && !is_last || !is_pack() {
            continue;
        }
        let rest = &written.text[*end..];
        let end = *end + rest.len() - after_marks(rest).len();
        let all: Vec<String> = pack.iter().map(|element| marked(element, marks)).collect();
        text.replace_range(*start..end, &all.join(", "));
    }
    text
}

/// A reference to a reference is a reference: to an lvalue, if one of them is (C++20, 9.3.4.3).
fn marked(element: &str, marks: &str) -> String {
    // The demangler puts the mark of a nested class behind the outer one, where it is found later.
    let is_marked_within = element.match_indices("&::").any(|(at, _)| {
        let before = &element[..at];
        before.matches('<').count() == before.matches('>').count()
    });
    if is_marked_within {
        return match marks {
            "&&" => element.to_owned(),
            _ => element.replace("&&::", "&::"),
        };
    }
    match element.strip_suffix("&&") {
        Some(referent) if marks == "&&" => format!("{referent}&&"),
        Some(referent) => format!("{referent}&"),
        None if element.ends_with('&') || element.contains("(&)") || element.contains("&)(") => element.to_owned(),
        None => format!("{element}{marks}"),
    }
}

fn without_marks(mut element: &str) -> &str {
    while let Some(shorter) = [" const", "&", "*"].iter().find_map(|mark| element.strip_suffix(mark)) {
        element = shorter;
    }
    element
}

fn after_marks(mut text: &str) -> &str {
    while let Some(shorter) = [" const", "&"].iter().find_map(|mark| text.strip_prefix(mark)) {
        text = shorter;
    }
    text
}

/// What is between the commas that are in no bracket.
fn elements(text: &str) -> Vec<&str> {
    let mut elements = Vec::new();
    let (mut depth, mut start) = (0usize, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'<' | b'(' | b'[' | b'{' => depth += 1,
            b'>' if text[..at].ends_with('-') => {}
            b'>' | b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                elements.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    elements.push(text[start..].trim());
    elements
}

#[cfg(test)]
mod tests {
    #[track_caller]
    fn check(linkage: &str, expected: &str) {
        assert_eq!(super::super::demangle(linkage).as_deref(), Some(expected), "{linkage}");
    }

    #[test]
    fn every_element_of_a_pack_has_its_marks() {
        check(
            "_Z1fIJhhjEEvDpRKT_",
            "void f<unsigned char, unsigned char, unsigned int>(unsigned char const&, unsigned char const&, unsigned int const&)",
        );
        check("_Z1fIJN1n1AES1_S1_EEvDpRKT_", "void f<n::A, n::A, n::A>(n::A const&, n::A const&, n::A const&)");
        check("_Z1fIJRmiEEvDpOT_", "void f<unsigned long&, int>(unsigned long&, int&&)");
        check("_Z1fIcJRA5_KcP1BEEvT_DpOT0_", "void f<char, char const (&) [5], B*>(char, char const (&) [5], B*&&)");
        check("_Z1fIJibEEvDpT_", "void f<int, bool>(int, bool)");
        check("_Z1fIJiEEvDpOT_", "void f<int>(int&&)");
        check("_Z1fIJEEvDpOT_", "void f<>()");
        check("_Z1fIJRiEEvDpOT_", "void f<int&>(int&)");
        check("_Z1fIJ1ARN1B1CES0_EEvDpOT_", "void f<A, B::C&, A>(A&&, B::C&, A&&)");
        check(
            "_Z1fIJZ1gIiEvPKcPT_EUliE_EEviDpOT_",
            "void f<g<int>(char const*, int*)::{lambda(int)#1}>(int, g<int>(char const*, int*)::{lambda(int)#1}&&)",
        );
    }
}
