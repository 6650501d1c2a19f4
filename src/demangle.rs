//! Linkage names to names as people write them: Rust (legacy and v0) and C++ (Itanium ABI).
//!
//! C++ text is spelled as gdb spells it: `ns::f<int>(int, char const*)`, and a function that the compiler split off is
//! `f(int) [clone .cold]`.

mod local;
mod misplaced;
mod packs;
mod short;

use cpp_demangle::{DemangleOptions, ParseOptions};

use local::without_local_results;
use packs::Written;
pub use short::{shorten, without_result};

/// Longer names are not demangled. Real C++ names reach about 30 KiB.
const LONGEST_INPUT: usize = 64 << 10;
/// Substitutions let a short name stand for a text that is exponentially longer.
const LONGEST_OUTPUT: usize = 256 << 10;
/// How deep a name may nest. The demangler's default (96) rejects names of ordinary template libraries.
const DEEPEST: u32 = 1024;
/// A level takes up to some KiB of stack in a build without optimisation.
const STACK: usize = 64 << 20;
/// Names this short cannot nest deeply enough to need a stack of their own: a level takes at least one byte.
const SHORT: usize = 200;

/// The name as people write it, with parameters where the linkage name has them, or `None` where it is not mangled
/// (C, Go) or not valid. Never panics.
pub fn demangle(linkage: &str) -> Option<String> {
    demangle_as(linkage, true)
}

/// Like [`demangle`], without function parameters, return types and clone suffixes: `ns::f<int>`.
pub fn demangle_without_parameters(linkage: &str) -> Option<String> {
    demangle_as(linkage, false)
}

fn demangle_as(linkage: &str, with_parameters: bool) -> Option<String> {
    if linkage.len() > LONGEST_INPUT {
        return None;
    }
    // Some symbol tables have a leading underscore more, and versions.
    let linkage = linkage.split_once('@').map_or(linkage, |(name, _)| name);
    if (linkage.starts_with("_R") || has_legacy_hash(linkage))
        && let Some(name) = demangle_rust(linkage)
    {
        return Some(name);
    }
    if linkage.starts_with("_Z") || linkage.starts_with("__Z") || linkage.starts_with("_GLOBAL__") {
        return demangle_cpp(linkage, with_parameters);
    }
    None
}

/// Rust's legacy names are C++ names whose last part is a hash: `17h` and 16 hex digits. Without it the name is C++.
fn has_legacy_hash(linkage: &str) -> bool {
    let is_hash = |at: usize| {
        let digits = linkage.as_bytes().get(at + 3..at + 20);
        digits.is_some_and(|digits| digits[16] == b'E' && digits[..16].iter().all(u8::is_ascii_hexdigit))
    };
    linkage.starts_with("_ZN") && linkage.rmatch_indices("17h").take(2).any(|(at, _)| is_hash(at))
}

/// Rust names: without the hash (`core::panicking::panic_fmt`, not `…::h0123456789abcdef`).
fn demangle_rust(linkage: &str) -> Option<String> {
    let name = rustc_demangle::try_demangle(linkage).ok()?;
    let mut text = Bounded::default();
    std::fmt::Write::write_fmt(&mut text, format_args!("{name:#}")).ok()?;
    // What the optimiser appended (`.llvm.123`, `.cold`) the demangler keeps; the module hash tells people nothing.
    let mut text = text.0;
    if let Some(at) = text.find(".llvm.") {
        text.truncate(at);
    }
    Some(text)
}

fn demangle_cpp(linkage: &str, with_parameters: bool) -> Option<String> {
    // `.cold`, `.part.0`, `.constprop.0.isra.0`: appended by GCC and Clang, and no part of the mangled name.
    let (mangled, suffix) = match linkage.find('.') {
        Some(at) if !linkage.starts_with("_GLOBAL__") => {
            let within = frame_of_coroutine(linkage).filter(|end| *end > at);
            let from = within.unwrap_or(at);
            linkage.split_at(linkage[from..].find('.').map_or(linkage.len(), |at| from + at))
        }
        _ => (linkage, ""),
    };
    let name = if mangled.len() <= SHORT {
        demangle_plain_cpp(mangled, with_parameters)?
    } else {
        on_big_stack(|| demangle_plain_cpp(mangled, with_parameters))?
    };
    if !with_parameters || suffix.is_empty() {
        return Some(name);
    }
    Some(name + &clone_suffixes(suffix)?)
}

/// Where the name ends that g++ gives to a coroutine's frame, `_Z1fv.Frame`: the only one with a dot in it, and its
/// length before it (gcc/cp/coroutines.cc, GCC 10 to 15).
fn frame_of_coroutine(linkage: &str) -> Option<usize> {
    const MARK: &str = ".Frame";
    let end = linkage.find(MARK)? + MARK.len();
    let starts = linkage[..end].match_indices("_Z").map(|(start, _)| start).filter(|start| *start > 0);
    let is_whole = |start: &usize| {
        let digits = linkage[..*start].bytes().rev().take_while(u8::is_ascii_digit).count();
        // What stands before may end with a digit of its own.
        (1..=digits.min(5)).any(|count| linkage[start - count..*start].parse() == Ok(end - start))
    };
    starts.take(64).any(|start| is_whole(&start)).then_some(end)
}

fn demangle_plain_cpp(mangled: &str, with_parameters: bool) -> Option<String> {
    if !with_parameters {
        return Some(without_qualifiers(&spell(mangled, false)?).to_owned());
    }
    let constructor = match may_be_template_constructor(mangled) {
        true => template_constructor(mangled, &spell(mangled, false)?),
        false => None,
    };
    match constructor {
        Some(with_return_type) => spell(&with_return_type, true).map(|text| text.replacen("void ", "", 1)),
        None => spell(mangled, true),
    }
}

fn spell(mangled: &str, with_parameters: bool) -> Option<String> {
    let mut written = write(mangled, with_parameters)?;
    if with_parameters
        && let Some(marks) = packs::marks(mangled)
        && !written.parameters.is_empty()
        && let Some(plain) = write(mangled, false)
        && let Some(start) = opening_bracket(&plain.text)
        && let Some(arguments) = plain.text.get(start + 1..plain.text.len() - 1)
    {
        written.text = packs::expanded(&written, arguments, marks, packs::ends_with_pack(mangled));
    }
    let text = as_gnu_spells(written.text);
    Some(if mangled.contains("KF") { misplaced::with_const_functions(text) } else { text })
}

fn write(mangled: &str, with_parameters: bool) -> Option<Written> {
    let parse = ParseOptions::default().recursion_limit(DEEPEST);
    let symbol = cpp_demangle::BorrowedSymbol::with_tail_and_options(mangled.as_bytes(), &parse);
    // What is left over was not understood, and half a name would mislead.
    let (symbol, _) = symbol.ok().filter(|(_, tail)| tail.is_empty())?;
    let mut options = DemangleOptions::new().recursion_limit(DEEPEST);
    if !with_parameters {
        options = options.no_params().no_return_type();
    }
    let mut written = Written::default();
    symbol.structured_demangle(&mut written, &options).ok()?;
    Some(written)
}

/// Whether a constructor's mark is followed by template arguments somewhere (Itanium C++ ABI, `<ctor-dtor-name>`).
fn may_be_template_constructor(mangled: &str) -> bool {
    mangled.as_bytes().windows(3).any(|mark| matches!(mark, [b'C', b'1'..=b'5', b'I'] | [b'C', b'I', b'1'..=b'5']))
}

/// Constructor templates (`std::thread::thread<F>(F&&)`) have no return type in their mangled name, unlike all other
/// templates, which `cpp_demangle` does not know: it takes the first parameter for it. This gives the name with a
/// return type put in, where `plain` (its text without parameters) is a constructor template.
fn template_constructor(mangled: &str, plain: &str) -> Option<String> {
    if !plain.ends_with('>') || !mangled.starts_with("_ZN") {
        return None;
    }
    let start = opening_bracket(plain)?;
    let (class, constructor) = plain[..start].rsplit_once("::")?;
    let class = opening_bracket(class).map_or(class, |at| &class[..at]);
    if class.rsplit("::").next() != Some(constructor) {
        return None;
    }
    // The name ends at the first `E` after which a parameter makes a whole of it.
    let ends = mangled.match_indices('E').map(|(at, _)| at + 1).take(1000);
    let end = ends.into_iter().find(|end| spell(&format!("{}v", &mangled[..*end]), false).as_deref() == Some(plain))?;
    Some(format!("{}v{}", &mangled[..end], &mangled[end..]))
}

/// Where the template arguments that end a name begin.
fn opening_bracket(name: &str) -> Option<usize> {
    let mut depth = 0usize;
    if !name.ends_with('>') {
        return None;
    }
    for (at, byte) in name.bytes().enumerate().rev() {
        match byte {
            b'>' if !name[..at].ends_with('-') => depth += 1,
            b'<' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// Qualifiers of the implicit object belong to the parameters.
fn without_qualifiers(mut name: &str) -> &str {
    for qualifier in [" &&", " &", " volatile", " const"] {
        name = name.strip_suffix(qualifier).unwrap_or(name);
    }
    name
}

/// What `cpp_demangle` spells in its own way, in the way that GNU's demangler (and so gdb) does.
fn as_gnu_spells(text: String) -> String {
    let mut text = with_special_prefix(text);
    if text.contains("std::nullptr_t") {
        text = text.replace("std::nullptr_t", "decltype(nullptr)");
    }
    // An empty parameter pack leaves what stood around it.
    for (empty, end) in [(", )", ")"), (", &&)", ")"), (", &)", ")"), (", >", ">")] {
        if text.contains(empty) {
            text = text.replace(empty, end);
        }
    }
    if text.contains(" const const") {
        text = text.replace(" const const", " const");
    }
    for empty in ["(&&)", "(&)"] {
        // Not `int (&) [5]`, which has a space before it.
        let found = text.match_indices(empty).map(|(at, _)| at);
        let found: Vec<usize> = found.filter(|at| !text[..*at].ends_with(' ')).collect();
        for at in found.into_iter().rev() {
            text.replace_range(at..at + empty.len(), "()");
        }
    }
    text = misplaced::with_own_parameters(with_marks_behind(text));
    text = with_function_types(without_local_results(text));
    text = with_plain_callees(with_full_names(text));
    let casts = [
        ("(unsigned int)", "u"),
        ("(unsigned long long)", "ull"),
        ("(unsigned long)", "ul"),
        ("(long long)", "ll"),
        ("(long)", "l"),
    ];
    for (cast, suffix) in casts {
        text = with_literal_suffix(text, cast, suffix);
    }
    text
}

/// What the compiler makes for a class: `vtable for A`, thunks.
fn with_special_prefix(text: String) -> String {
    if let Some(class) = text.strip_prefix("{vtable(").and_then(|rest| rest.strip_suffix(")}")) {
        return format!("vtable for {class}");
    }
    if let Some(class) = text.strip_prefix("{vtt(").and_then(|rest| rest.strip_suffix(")}")) {
        return format!("VTT for {class}");
    }
    if let Some((base, class)) = text.strip_prefix("construction vtable for ").and_then(|rest| rest.split_once("-in-"))
    {
        return format!("construction vtable for {class}-in-{base}");
    }
    if let Some(rest) = text.strip_prefix("{virtual override thunk({") {
        // One offset, of the object, or two, of the object and of the result.
        let (kind, rest) = rest.split_once(")}, ").unwrap_or((rest, ""));
        let (kind, function) = match rest.strip_prefix('{').and_then(|rest| rest.split_once(")}, ")) {
            Some((_, function)) => ("covariant return thunk to ", function),
            None if kind.starts_with("virtual") => ("virtual thunk to ", rest),
            None => ("non-virtual thunk to ", rest),
        };
        return format!("{kind}{}", function.strip_suffix(")}").unwrap_or(function));
    }
    text
}

/// The abbreviations of the ABI (`Ss`, `So`, `Si`, `Sd`) as the templates that they are.
fn with_full_names(mut text: String) -> String {
    const CHAR: &str = "<char, std::char_traits<char> >";
    for (short, template) in
        [("ostream", "basic_ostream"), ("istream", "basic_istream"), ("iostream", "basic_iostream")]
    {
        text = with_full_name(text, short, template, CHAR);
    }
    with_full_name(text, "string", "basic_string", "<char, std::char_traits<char>, std::allocator<char> >")
}

fn with_full_name(text: String, short: &str, template: &str, arguments: &str) -> String {
    let name = format!("std::{short}");
    if !text.contains(&name) {
        return text;
    }
    let is_part_of_word = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let mut output = String::with_capacity(text.len() * 2);
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once(&name) {
        output.push_str(before);
        rest = after;
        if is_part_of_word(after.as_bytes().first()) || is_part_of_word(before.as_bytes().last()) {
            output.push_str(&name);
            continue;
        }
        output.push_str("std::");
        output.push_str(template);
        output.push_str(arguments);
        // Constructor and destructor have the class's name again.
        for own in [format!("::{short}("), format!("::{short}<"), format!("::~{short}(")] {
            if let Some(after) = rest.strip_prefix(own.as_str()) {
                output.push_str(&own.replace(short, template));
                rest = after;
            }
        }
        if rest.starts_with('>') {
            output.push(' ');
        }
    }
    output + rest
}

/// `A&::B` to `A::B&`: the demangler puts a reference, a pointer or `const` of a nested class behind the outer one.
fn with_marks_behind(mut text: String) -> String {
    for (misplaced, mark) in [("&&::", "&&"), ("&::", "&"), ("*::", "*"), (" const::", " const")] {
        let mut from = 0;
        // Each turn passes one, and few names have any.
        for _ in 0..64 {
            let Some(at) = text[from..].find(misplaced).map(|at| from + at) else { break };
            from = at + misplaced.len();
            // `f() const::{lambda()#1}` is what is in a method: the mark is the method's own.
            if text[..at].ends_with("operator") || text[..at].trim_end().ends_with(')') {
                continue;
            }
            let name = at + misplaced.len();
            let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
            let end = name + text.as_bytes()[name..].iter().take_while(|byte| is_name(byte)).count();
            if text[end..].starts_with(['<', ':']) {
                break;
            }
            text.insert_str(end, mark);
            text.replace_range(at..at + mark.len(), "");
            from = at;
        }
    }
    text
}

/// `decltype ((f)(x))` to `decltype (f(x))`: what is called by its name alone is in no brackets.
fn with_plain_callees(mut text: String) -> String {
    let Some(start) = text.find("decltype (") else { return text };
    let mut from = start;
    // Each turn passes one, and few names have any.
    for _ in 0..64 {
        let Some(end) = text[from..].find(")(").map(|at| from + at) else { break };
        from = end + 1;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_:".contains(&byte);
        let Some(open) = text[start..end].rfind('(').map(|at| start + at) else { continue };
        if open + 1 < end && text.bytes().take(end).skip(open + 1).all(is_name) {
            text.remove(end);
            text.remove(open);
            from = end - 1;
        }
    }
    text
}

/// `function<A(int)>` to `function<A (int)>`: among template arguments, what ends with its parameters is a function's type.
fn with_function_types(text: String) -> String {
    let bytes = text.as_bytes();
    let mut spaces = Vec::new();
    // Where the brackets that are open begin, and whether parameters in them would be those of a type.
    let mut open: Vec<(u8, usize)> = Vec::new();
    for (at, byte) in bytes.iter().enumerate() {
        let before = &bytes[..at];
        match byte {
            b'<' if !before.ends_with(b"operator") && !before.ends_with(b"operator<") => open.push((*byte, at)),
            b'(' => open.push((*byte, at)),
            b'>' if open.last().is_some_and(|(bracket, _)| *bracket == b'<') && !before.ends_with(b"-") => {
                open.pop();
            }
            b')' => {
                let Some((_, start)) = open.pop_if(|(bracket, _)| *bracket == b'(') else { return text };
                let inside = open.last().is_some_and(|(bracket, _)| *bracket == b'<');
                let head = &bytes[..start];
                let joins = head.last().is_some_and(|last| last.is_ascii_alphanumeric() || b"_>&*".contains(last));
                let is_operator =
                    [&b"decltype"[..], b"sizeof", b"alignof", b"noexcept"].iter().any(|word| head.ends_with(word));
                if inside && joins && !is_operator && matches!(bytes.get(at + 1), Some(b'>' | b',')) {
                    spaces.push(start);
                }
            }
            _ => {}
        }
    }
    let mut text = text;
    spaces.sort_unstable();
    for at in spaces.into_iter().rev() {
        text.insert(at, ' ');
    }
    text
}

/// `<(unsigned long)4>` to `<4ul>`.
fn with_literal_suffix(text: String, cast: &str, suffix: &str) -> String {
    if !text.contains(cast) {
        return text;
    }
    let mut output = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once(cast) {
        output.push_str(before);
        let sign = after.len() - after.strip_prefix('-').unwrap_or(after).len();
        let digits = after[sign..].bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 && (before.ends_with('<') || before.ends_with(", ") || before.ends_with('(')) {
            output.push_str(&after[..sign + digits]);
            output.push_str(suffix);
            rest = &after[sign + digits..];
        } else {
            output.push_str(cast);
            rest = after;
        }
    }
    output + rest
}

/// ` [clone .part.0] [clone .cold]` as GNU's demangler spells `.part.0.cold`: a word, then the numbers that follow it.
fn clone_suffixes(suffix: &str) -> Option<String> {
    let mut text = String::new();
    let mut parts = suffix.strip_prefix('.')?.split('.').peekable();
    while let Some(word) = parts.next() {
        text += " [clone .";
        text += word;
        while let Some(number) = parts.next_if(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit())) {
            text += ".";
            text += number;
        }
        text += "]";
    }
    Some(text)
}

/// Text that refuses to grow without end.
#[derive(Default)]
struct Bounded(String);

impl std::fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        if self.0.len() + text.len() > LONGEST_OUTPUT {
            return Err(std::fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

fn on_big_stack(work: impl FnOnce() -> Option<String> + Send) -> Option<String> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
        thread.ok()?.join().ok()?
    })
}

/// A demangled C++ function's name without its parameters' types and what follows them.
pub fn without_parameters(name: &str) -> &str {
    let mut end = name;
    // What may follow the parameters: `f(int) const &`, `f(int) [clone .cold]`.
    loop {
        let shorter = [" const", " volatile", " &&", " &", " noexcept"]
            .iter()
            .find_map(|qualifier| end.strip_suffix(qualifier))
            .or_else(|| end.strip_suffix(']').and_then(|rest| Some(&rest[..rest.rfind(" [")?])));
        match shorter {
            Some(shorter) => end = shorter,
            None => break,
        }
    }
    if !end.ends_with(')') {
        return name;
    }
    let mut depth = 0usize;
    for (at, byte) in end.bytes().enumerate().rev() {
        match byte {
            b')' => depth += 1,
            b'(' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            let short = &end[..at];
            // `operator()` without parameters, and `(anonymous namespace)`.
            let is_whole = short.is_empty() || short.ends_with("operator") || short.ends_with("::");
            return if is_whole { name } else { short };
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(linkage: &str, expected: &str) {
        assert_eq!(demangle(linkage).as_deref(), Some(expected), "{linkage}");
    }

    #[test]
    fn spells_cpp_as_gdb_does() {
        check("_ZN2ns1fIiEEvT_PKc", "void ns::f<int>(int, char const*)");
        check("_ZN2ns1fEiPKc", "ns::f(int, char const*)");
        check(
            "_Z25runOpWithExpandOnOverflowRKN4llvm5APIntES2_NS_12function_refIFS0_S2_S2_RbEEE",
            "runOpWithExpandOnOverflow(llvm::APInt const&, llvm::APInt const&, \
             llvm::function_ref<llvm::APInt (llvm::APInt const&, llvm::APInt const&, bool&)>)",
        );
        check(
            "_Z4eachIZN1A1fIiEEvT_EUlvE_EvS2_",
            "void each<A::f<int>(int)::{lambda()#1}>(A::f<int>(int)::{lambda()#1})",
        );
        check("_ZZNK1A1fEiENKUlvE_clEv", "A::f(int) const::{lambda()#1}::operator()() const");
        check("_Z1gIZNK1A1fEiEUlvE_EvT_", "void g<A::f(int) const::{lambda()#1}>(A::f(int) const::{lambda()#1})");
        check("_Z1fi.cold", "f(int) [clone .cold]");
        check("_Z3genPZ3geni1SE15_Z3geni1S.Frame.actor", "gen(gen(int, S)::_Z3geni1S.Frame*) [clone .actor]");
        check("_Z3geni1S.Frame", "gen(int, S) [clone .Frame]");
        check("_Z1fi.part.0.constprop.1.cold", "f(int) [clone .part.0] [clone .constprop.1] [clone .cold]");
        check("_ZNSt6vectorIiSaIiEE9push_backERKi", "std::vector<int, std::allocator<int> >::push_back(int const&)");
        check("_ZN1AC1Ev", "A::A()");
        check("_ZN1AD0Ev", "A::~A()");
        check("_ZTV1A", "vtable for A");
        check("_ZTT1A", "VTT for A");
        check(
            "_ZZNSt8__detail18__to_chars_10_implIjEEvPcjT_E8__digits",
            "std::__detail::__to_chars_10_impl<unsigned int>(char*, unsigned int, unsigned int)::__digits",
        );
        check("_ZTIZZNK1A1gIiEEPvvENK1B1hEvE1C", "typeinfo for A::g<int>() const::B::h() const::C");
        check("_Z1fIiEDTcl1gfp_EET_", "decltype (g({parm#1})) f<int>(int)");
        check("_ZTC1A8_1B", "construction vtable for B-in-A");
        check("_ZThn8_N1B1fEv", "non-virtual thunk to B::f()");
        check("_ZTv0_n24_N1B1fEv", "virtual thunk to B::f()");
        check("_ZTch0_v0_n24_N1B1fEv", "covariant return thunk to B::f()");
        check("_Z1fILl4ELx5ELy6ELs3EEvv", "void f<4l, 5ll, 6ull, (short)3>()");
        check("_Z1fILi3ELb1ELj4EEvv", "void f<3, true, 4u>()");
        check("_Z1fSt5arrayIiLm4EE", "f(std::array<int, 4ul>)");
        check("_Z1fDn", "f(decltype(nullptr))");
        check("_ZTV1AI1BLj511EE", "vtable for A<B, 511u>");
        check("_ZTV1AI1BS_IS0_JEEJEE", "vtable for A<B, A<B>>");
        check("_ZTVSo", "vtable for std::basic_ostream<char, std::char_traits<char> >");
        check("_ZN1M7resolveERKNS_4DeclE", "M::resolve(M::Decl const&)");
        check(
            "_ZNSsC1IPcEET_S1_RKSaIcE",
            "std::basic_string<char, std::char_traits<char>, std::allocator<char> >::basic_string<char*>(char*, char*, \
             std::allocator<char> const&)",
        );
        check("_ZNSs4sizeEv", "std::basic_string<char, std::char_traits<char>, std::allocator<char> >::size()");
        check("_ZlsRSoRK1A", "operator<<(std::basic_ostream<char, std::char_traits<char> >&, A const&)");
        check("_Z1fRA5_i", "f(int (&) [5])");
        check("_ZN1AIiEC2IdEEd", "A<int>::A<double>(double)");
        check(
            "_ZNSt6threadC2IZ4mainEUlvE_JEvEEOT_DpOT0_",
            "std::thread::thread<main::{lambda()#1}, , void>(main::{lambda()#1}&&)",
        );
        check("_ZZ4mainENKUliE_clEi", "main::{lambda(int)#1}::operator()(int) const");
        check("_ZN12_GLOBAL__N_15countE", "(anonymous namespace)::count");
    }

    #[test]
    fn spells_rust_without_hashes() {
        check("_ZN4core9panicking9panic_fmt17h0123456789abcdefE", "core::panicking::panic_fmt");
        check("_RNvCs1234_7mycrate3foo", "mycrate::foo");
        check("_ZN5crash4main17h0123456789abcdefE.llvm.12345", "crash::main");
    }

    #[test]
    fn leaves_out_parameters() {
        let without = |name| demangle_without_parameters(name);
        assert_eq!(without("_ZN2ns1fIiEEvT_PKc").as_deref(), Some("ns::f<int>"));
        assert_eq!(without("_Z1fi.cold").as_deref(), Some("f"));
        assert_eq!(without("_ZZ4mainENKUliE_clEi").as_deref(), Some("main::{lambda(int)#1}::operator()"));
    }

    #[test]
    fn leaves_other_names_alone() {
        for name in ["main", "", "_", "_Z", "_R", "_ZN", "main.(*T).f", "runtime.gopanic", "_Zabc", "__libc_start_main"]
        {
            assert_eq!(demangle(name), None, "{name}");
        }
    }

    #[test]
    fn survives_hostile_names() {
        assert_eq!(demangle(&format!("_Z1f{}i", "P".repeat(60_000))), None);
        assert_eq!(demangle(&format!("_Z{}", "N".repeat(100_000))), None);
        assert_eq!(demangle(&format!("_R{}", "I".repeat(50_000))), None);
        assert!(demangle(&format!("_Z1f{}i", "P".repeat(500))).is_some());
        // Every T_ doubles what the last stood for.
        let mut doubling = "_Z1fSt4pairIiiE".to_owned();
        for at in 0..20 {
            doubling += &format!("St4pairIS{at}_S{at}_E");
        }
        demangle(&doubling);
        demangle("_Z1f\u{e9}");
        demangle("_ZN3\u{e9}E");
    }
}
