//! Function values.
//!
//! ```text
//! func ──> closure{code, captured variables…}      (go `cmd/compile/internal/walk/closure.go`; internal/abi, "Closures")
//! ```

use super::super::{Item, Object, Refusal, View};
use super::line;
use crate::value::{Absent, AbsentReason};

/// Variables of one closure that are shown.
const MAX_CAPTURED: usize = 64;

/// `main.serve.func1 = {retries = 3}`: the function, and what it captured where the debug information says where that is
/// (since Go 1.23; before, the function alone). Declines where there is no function.
pub(super) fn function<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let closure = object.word_at_start()?;
    if closure == 0 {
        return Ok(line("nil"));
    }
    let code = object.read_pointer(closure)?;
    let name = object.symbol(code).filter(|name| starts_function(name)).ok_or(Refusal::Declined)?;
    let mut parts = Vec::new();
    let word = object.word();
    let mut end = word;
    for captured in object.go_captured(code).into_iter().take(MAX_CAPTURED) {
        // A variable that the compiler uses just once has no entry; padding is less than a word.
        if let Some(gap) = captured.offset.checked_sub(end).filter(|gap| *gap >= word) {
            let detail = format!("{gap} bytes that it captured and the debug information does not name");
            let hole = object.at(closure, captured.type_id).hole(Absent::because(AbsentReason::NoDebugInfo, detail));
            parts.push((format!("[{end}]").into(), hole));
        }
        end = captured.offset.saturating_add(object.size_of(captured.type_id).unwrap_or(word));
        let Some(address) = closure.checked_add(captured.offset) else { continue };
        let slot = object.at(address, captured.type_id);
        let (name, part): (_, Item<'v>) = match captured.name.strip_prefix('&') {
            // Captured by reference.
            Some(name) => match slot.deref() {
                Ok(variable) => (name.to_owned().into(), variable.into()),
                Err(refusal) => (name.to_owned().into(), slot.hole(refusal.into())),
            },
            None => (captured.name, slot.into()),
        };
        parts.push((name, part));
    }
    Ok(View::Parts { title: name, parts })
}

/// Whether a symbol's text names its first byte.
fn starts_function(symbol: &str) -> bool {
    let offset = symbol.rsplit_once('+').map(|(_, offset)| offset);
    !offset.is_some_and(|offset| !offset.is_empty() && offset.bytes().all(|byte| byte.is_ascii_digit()))
}
