//! What `cpp_demangle` puts into the wrong place: parameters and `const` of methods.

/// `A<B>(int)::f:: const{lambda()#1}` to `A<B>::f(int) const::{lambda()#1}`: of a method of a class template the parameters
/// come before its name, where the class is an abbreviation.
pub(super) fn with_own_parameters(mut text: String) -> String {
    const MISPLACED: &str = ":: const{";
    let mut from = 0;
    // Each turn passes one, and few names have any.
    for _ in 0..64 {
        let Some(at) = text[from..].find(MISPLACED).map(|at| from + at) else { break };
        from = at + MISPLACED.len();
        let name = text[..at].rfind("::").map_or(0, |start| start + 2);
        let is_name = !text[name..at].is_empty() && text[name..at].bytes().all(is_of_name);
        let Some(class) = text[..name].strip_suffix("::").filter(|class| is_name && class.ends_with(')')) else {
            continue;
        };
        let Some(open) = opening(class) else { continue };
        let parameters = text[open..class.len()].to_owned();
        let method = text[name..at].to_owned();
        let moved = format!("::{method}{parameters} const::{{");
        text.replace_range(open..at + MISPLACED.len(), &moved);
        from = open + moved.len();
    }
    text
}

/// `F<void (A const)>` to `F<void (A) const>`: a parameter itself is never `const` in a linkage name (Itanium C++ ABI, 5.1.5.4),
/// so it is the function that is. And `A:: const*&` to `A::* const&`.
pub(super) fn with_const_functions(text: String) -> String {
    const CONST: &str = " const";
    let mut text = text.replace(":: const*&)", "::* const&)");
    let mut from = 0;
    for _ in 0..64 {
        let Some(at) = text[from..].find(" const)").map(|at| from + at) else { break };
        let end = at + CONST.len();
        from = end;
        let is_argument = text[end..].starts_with(")>") || text[end..].starts_with("), ");
        let is_of_type = opening(&text[..=end]).is_some_and(|open| text[..open].ends_with(' '));
        let is_value = text[..at].bytes().next_back().is_some_and(|last| is_of_name(last) || last == b'>');
        if is_argument && is_of_type && is_value {
            text.replace_range(at..=end, ") const");
            from = at + 1;
        }
    }
    text
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Where the bracket opens that ends the text.
fn opening(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (at, byte) in text.bytes().enumerate().rev() {
        match byte {
            b')' => depth += 1,
            b'(' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #[track_caller]
    fn check(linkage: &str, expected: &str) {
        assert_eq!(super::super::demangle(linkage).as_deref(), Some(expected), "{linkage}");
    }

    #[test]
    fn methods_have_their_own_parameters() {
        check(
            "_Z1gI1BN1n1LIS0_EEZNKS3_4findERiPKcEUlPKS0_E_EvT1_",
            "void g<B, n::L<B>, n::L<B>::find(int&, char const*) const::{lambda(B const*)#1}>\
             (n::L<B>::find(int&, char const*) const::{lambda(B const*)#1})",
        );
    }

    #[test]
    fn functions_are_const_and_their_parameters_are_not() {
        check("_Z1f1FIKFv1AEE", "f(F<void (A) const>)");
        check("_Z1f1FIKFv1AiEEi", "f(F<void (A, int) const>, int)");
        check("_Z1f1FIKFvRK1AEE", "f(F<void (A const&) const>)");
        check("_Z1f1FIFvPK1AEE", "f(F<void (A const*)>)");
    }
}
