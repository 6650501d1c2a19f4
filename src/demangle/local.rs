//! What is named within functions: their results are no part of its name.

use crate::order::Order;

/// `each<void f<int>()::{lambda()#1}>` to `each<f<int>()::{lambda()#1}>`: what is within a function names it without its
/// result.
pub(super) fn without_local_results(text: String) -> String {
    /// An open bracket, or the whole.
    struct Open {
        bracket: u8,
        /// Where it is.
        at: usize,
        /// Where the argument begins in which the scan is.
        argument: usize,
        /// Where its last word begins, if it is not the first.
        word: Option<usize>,
        /// Whether the outermost function was seen: those that follow have no result.
        named: bool,
    }
    let bytes = text.as_bytes();
    // What the compiler made for a name stands before it (`guard variable for f()::tag`).
    let head = &text[..text.find(['(', '<']).unwrap_or(text.len())];
    let whole = [" for ", "thunk to "].iter().find_map(|word| Some(head.find(word)? + word.len())).unwrap_or(0);
    let mut open = vec![Open { bracket: 0, at: 0, argument: whole, word: None, named: false }];
    let mut results = Vec::new();
    for (at, byte) in bytes.iter().enumerate() {
        let before = &bytes[..at];
        match byte {
            b'<' | b'(' if !before.ends_with(b"operator") && !before.ends_with(b"operator<") => {
                open.push(Open { bracket: *byte, at, argument: at + 1, word: None, named: false });
            }
            b'>' if before.ends_with(b"-") || before.ends_with(b"operator") => {}
            b'>' => drop(open.pop_if(|open| open.bracket == b'<')),
            b',' => {
                if let Some(open) = open.last_mut() {
                    (open.argument, open.word, open.named) = (at + 2, None, false);
                }
            }
            b' ' if !before.ends_with(b",") && !before.ends_with(b"operator") => {
                if let Some(open) = open.last_mut().filter(|open| at > open.argument) {
                    open.word = Some(at + 1);
                }
            }
            b')' => {
                let Some(parameters) = open.pop_if(|open| open.bracket == b'(') else { continue };
                let of_function = bytes[..parameters.at]
                    .last()
                    .is_some_and(|last| last.is_ascii_alphanumeric() || b"_>".contains(last));
                let rest = &text[at + 1..];
                let holds_more = ["::", " const::", " &::", " &&::"].iter().any(|more| rest.starts_with(more));
                if let Some(open) = open.last_mut()
                    && of_function
                    && holds_more
                    && !std::mem::replace(&mut open.named, true)
                    && let Some(word) = open.word.take()
                {
                    results.push(open.argument..word);
                }
            }
            _ => {}
        }
    }
    let mut text = text;
    results.order_by_key(|result| result.start);
    for result in results.into_iter().rev() {
        text.replace_range(result, "");
    }
    text
}
