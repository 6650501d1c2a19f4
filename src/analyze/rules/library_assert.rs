//! What the C++ libraries check when they are built to: conditions on indexes, emptiness, iterators.
//!
//! ```text
//! libstdc++   std::__glibcxx_assert_fail(file, line, function, condition)        (_GLIBCXX_ASSERTIONS; gcc 12 bits/c++config.h)
//! libc++      __libcpp_verbose_abort("%s", "FILE:LINE: assertion CONDITION failed: WHY")      (llvm 19 __assert)
//!             a trap in a function that is called `__clang_trap_msg$libc++$` and that text     (__builtin_verbose_trap, clang 19)
//! ```

use crate::analyze::code::{Tracer, argument_registers};
use crate::analyze::{Case, Certainty, Class, Finding};

/// What a compiler calls the frame of a trap with a message.
const TRAP: &str = "__clang_trap_msg$";
/// Frames of a library between its check and what the program called.
const MAX_FRAMES: usize = 32;

/// A library's assertion.
pub fn library_assertion(case: &Case<'_>) -> Vec<Finding> {
    found(case).into_iter().collect()
}

fn found(case: &Case<'_>) -> Option<Finding> {
    let from = case.fault_frame;
    if let Some((index, category, message)) = trap_message(case, from) {
        let frame = case.own_frame(index + 1)?;
        return Some(match Failed::parse(&message) {
            Some(failed) => failed.finding(case, frame),
            None => {
                let summary = format!("trap {}: {category}: {}", case.in_at(frame), message.trim());
                case.finding("library-assertion", Class::IllegalInstruction, Certainty::Certain, frame, summary)
            }
        });
    }
    let last = case.trace.frames.len().min(from + MAX_FRAMES);
    let called = |patterns: &[&str]| (from..last).find(|index| case.is_function(*index, patterns));
    if let Some(fail) = called(&["std::__glibcxx_assert_fail*", "std::__replacement_assert*"]) {
        let text = |position: usize| case.text_at(argument(case, fail + 1, position)?);
        let condition = text(3)?;
        let line = argument(case, fail + 1, 1).and_then(|line| u32::try_from(line).ok());
        let place = text(0).zip(line).map(|(file, line)| format!("{file}:{line}"));
        let why = text(2).map(|function| format!("in {}()", name_of(&function)));
        let failed = Failed { condition, why: why.unwrap_or_default(), place };
        return Some(failed.finding(case, case.own_frame(fail + 1)?));
    }
    let abort = called(&["std::__1::__libcpp_verbose_abort*", "std::__libcpp_verbose_abort*"])?;
    let text = |position: usize| case.text_at(argument(case, abort + 1, position)?);
    let message = text(0).filter(|format| format != "%s").or_else(|| text(1))?;
    Some(Failed::parse(&message)?.finding(case, case.own_frame(abort + 1)?))
}

/// The frame of a trap with a message, what the message is of, and the message.
pub(super) fn trap_message(case: &Case<'_>, from: usize) -> Option<(usize, String, String)> {
    (from..from.checked_add(4)?).find_map(|index| {
        let name = case.frame(index)?.code.function.as_deref()?;
        let (category, message) = name.strip_prefix(TRAP)?.split_once('$')?;
        Some((index, category.to_owned(), message.to_owned()))
    })
}

/// What the frame's call was given.
fn argument(case: &Case<'_>, frame: usize, position: usize) -> Option<u64> {
    let tracer = Tracer::of_frame(case, frame)?.without_names();
    let register = *argument_registers(case.arch()).get(position)?;
    tracer.value(&tracer.register(register, tracer.here, 0)?)
}

/// `std::vector<_Tp, _Alloc>::front` of `constexpr T std::vector<_Tp, _Alloc>::front() const [with _Tp = int]`.
fn name_of(pretty: &str) -> &str {
    let mut depth = 0usize;
    let (mut start, mut end) = (0, pretty.len());
    for (at, char) in pretty.char_indices() {
        match char {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            ' ' if depth == 0 => start = at + 1,
            '(' if depth == 0 => {
                end = at;
                break;
            }
            _ => {}
        }
    }
    pretty.get(start..end).filter(|name| !name.is_empty()).unwrap_or(pretty)
}

/// A condition that did not hold.
#[derive(PartialEq, Debug)]
struct Failed {
    condition: String,
    why: String,
    /// In the library.
    place: Option<String>,
}

impl Failed {
    /// `FILE:LINE: assertion CONDITION failed: WHY`
    fn parse(message: &str) -> Option<Failed> {
        let (place, rest) = message.split_once(": assertion ")?;
        let (condition, why) =
            rest.split_once(" failed: ").or_else(|| Some((rest.trim().strip_suffix(" failed")?, "")))?;
        Some(Failed { condition: condition.to_owned(), why: why.trim().to_owned(), place: Some(place.to_owned()) })
    }

    fn finding(&self, case: &Case<'_>, frame: usize) -> Finding {
        let is_index = |text: &str| {
            text.contains("< this->size()") || text.contains("out of bounds") || text.contains("out-of-bounds")
        };
        let class = match is_index(&self.condition) || is_index(&self.why) {
            true => Class::OutOfBounds,
            false => Class::Assertion,
        };
        let why = if self.why.is_empty() { String::new() } else { format!(" ({})", self.why) };
        let summary = format!("assertion of the C++ library failed {}: `{}`{why}", case.in_at(frame), self.condition);
        let mut finding = case.finding("library-assertion", class, Certainty::Certain, frame, summary);
        finding = finding.with("condition", None, format!("{} is false", self.condition));
        if let Some(place) = &self.place {
            finding = finding.with("checked", None, place.as_str());
        }
        finding.ask("info locals").ask("list")
    }
}

#[cfg(test)]
mod tests {
    use super::{Failed, name_of};

    #[test]
    fn messages_are_taken_apart() {
        let failed = Failed::parse(
            "/usr/include/c++/v1/vector:1436: assertion __n < size() failed: vector[] index out of bounds\n",
        );
        let expected = Failed {
            condition: "__n < size()".to_owned(),
            why: "vector[] index out of bounds".to_owned(),
            place: Some("/usr/include/c++/v1/vector:1436".to_owned()),
        };
        assert_eq!(failed, Some(expected));
        assert_eq!(Failed::parse("something else"), None);
        let pretty = "constexpr std::vector<_Tp, _Alloc>::reference std::vector<_Tp, _Alloc>::operator[](size_type) [with _Tp = int]";
        assert_eq!(name_of(pretty), "std::vector<_Tp, _Alloc>::operator[]");
        assert_eq!(name_of("main"), "main");
    }
}
