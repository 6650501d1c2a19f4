//! What Rust's `assert_eq!` and `assert_ne!` compared, and the message that was given with them.
//!
//! ```text
//! core::panicking::assert_failed(kind, left: &T, right: &U, args: Option<fmt::Arguments>)    made for T and U
//! core::panicking::assert_matches_failed(left: &T, right: &str, args)
//!   └─ core::panicking::assert_failed_inner(kind, left: &dyn Debug, right: &dyn Debug, args)
//! ```
//!
//! (core/src/panicking.rs, Rust 1.63 to 1.95.) The inner one is given where `&T` and `&U` lie and the vtables of their
//! types: also where nothing of the caller's variables is left, the call of the inner one says which these were.

use super::{rust_arguments, rust_message};
use crate::addr::RunAddr;
use crate::analyze::code::{Tracer, argument_registers};
use crate::analyze::debug_text::debug_text;
use crate::analyze::names::target;
use crate::analyze::{Case, Finding};
use crate::types::TypeId;
use crate::value::decode::Symbols;
use crate::value::{Place, ValueKind};

/// Characters of a value in the sentence; the evidence has more of it.
const MAX_SHOWN: usize = 80;
/// Words of a vtable before its first method: what drops the value, its size, its alignment.
const BEFORE_METHODS: u64 = 3;
/// Where the inner function has `left`, its vtable, `right`, its vtable, and `args` among its arguments.
const LEFT: usize = 1;
const RIGHT: usize = 3;
const ARGUMENTS: usize = 5;

/// A comparison that failed.
pub(super) struct Compared {
    operator: Option<&'static str>,
    left: Side,
    right: Side,
    message: Option<String>,
}

/// One of what was compared.
struct Side {
    /// The variable that the macro has for it, where that can be asked.
    expression: Option<&'static str>,
    shown: Result<String, &'static str>,
}

/// What the assertion that frame `entry` reports compared; `said` is the panic's message, where that is known.
pub(super) fn compared(case: &Case<'_>, began: usize, entry: usize, said: Option<&str>) -> Option<Compared> {
    if !case.is_function(entry, &["core::panicking::assert_failed*", "core::panicking::assert_matches_failed*"]) {
        return None;
    }
    let inner =
        (began..=entry).rev().find(|frame| case.is_function(*frame, &["core::panicking::assert_failed_inner*"]));
    // The frame that called the inner one.
    let tracer = inner.and_then(|inner| Tracer::of_frame(case, inner + 1)).map(Tracer::without_names);
    let value = |position: usize| passed(case, tracer.as_ref()?, position);
    let caller = Tracer::of_frame(case, entry + 1).map(Tracer::without_names);
    let is_match = case.is_function(entry, &["core::panicking::assert_matches_failed*"]);
    let operator = match is_match {
        true => Some("matches"),
        false => value(0)
            .or_else(|| passed(case, caller.as_ref()?, 0))
            .and_then(operator)
            .or_else(|| ["==", "!="].into_iter().find(|operator| said.is_some_and(|said| said.contains(operator)))),
    };
    let side = |at: usize, name: &'static str| {
        let (data, vtable) = (value(at), value(at + 1));
        side(case, entry + 1, name, data, vtable)
    };
    let message = match said.and_then(custom) {
        Some(message) => Some(message.to_owned()),
        // Until Rust 1.92 they are passed by their address, which null in the first word makes none.
        None => value(ARGUMENTS)
            .filter(|at| is_in_stack(case, entry, *at) && case.word(*at).is_some_and(|pieces| pieces != 0))
            .and_then(|at| rust_message::at(case, at, 0)),
    };
    Some(Compared { operator, left: side(LEFT, "left_val"), right: side(RIGHT, "right_val"), message })
}

/// What the frame's call was given.
fn passed(case: &Case<'_>, tracer: &Tracer<'_>, position: usize) -> Option<u64> {
    let register = *argument_registers(case.arch()).get(position)?;
    tracer.value(&tracer.register(register, tracer.here, 0)?)
}

/// `core::panicking::AssertKind`, of one byte.
fn operator(kind: u64) -> Option<&'static str> {
    match kind & 0xff {
        0 => Some("=="),
        1 => Some("!="),
        2 => Some("matches"),
        _ => None,
    }
}

/// The message that the author gave, of the whole one as Rust writes it since 1.73.
fn custom(said: &str) -> Option<&str> {
    let (_, rest) = said.split_once("` failed: ").filter(|(before, _)| before.starts_with("assertion `left "))?;
    Some(rest.rfind("\n  left: ").and_then(|end| rest.get(..end)).unwrap_or(rest))
}

/// Whether an address is in the frame's own part of the stack.
fn is_in_stack(case: &Case<'_>, frame: usize, at: u64) -> bool {
    let machine = case.frame(frame).and_then(|frame| case.trace.stack.frames.get(frame.machine));
    let bounds = machine.and_then(|machine| Some((machine.registers.sp()?, machine.cfa?.0)));
    bounds.is_some_and(|(start, end)| (start..end).contains(&at))
}

fn side(case: &Case<'_>, caller: usize, name: &'static str, data: Option<u64>, vtable: Option<u64>) -> Side {
    let session = case.session;
    let variable = session.find_variable(&case.trace, caller, name);
    let (place, declared) = match variable {
        Some((place, type_id)) => (place.ok(), Some(type_id)),
        None => (None, None),
    };
    let expression = place.is_some().then_some(if name == "left_val" { "*left_val" } else { "*right_val" });
    let described = vtable.and_then(|vtable| session.vtable_class(RunAddr(vtable)));
    // What the macro declares is exact; compilers may share the vtables of types that look alike.
    let type_id = declared.filter(|type_id| target(&session.types, *type_id).is_some()).or(described);
    let place = data.map(|data| Place::Memory(RunAddr(data))).or(place);
    let shown = match (place, type_id) {
        (Some(place), Some(type_id)) => {
            let value = session.with_decoder(None, |decoder| decoder.value(&place, type_id));
            let there = match &value.kind {
                ValueKind::Pointer { pointee, string, .. } => {
                    string.is_some() || pointee.as_ref().is_some_and(|pointee| rust_arguments::known(pointee))
                }
                _ => rust_arguments::known(&value),
            };
            let type_name = |type_id: TypeId| session.types.name(type_id);
            there.then(|| debug_text(&type_name, &value)).ok_or("it lies in memory that is not at hand")
        }
        // Without debug information: by the name of the method that would have written it.
        _ => data
            .zip(vtable)
            .and_then(|(data, vtable)| {
                let method = case.word(vtable.checked_add(BEFORE_METHODS * 8)?)?;
                rust_arguments::formatted(case, data, method, 0)
            })
            .ok_or(match data {
                Some(_) => "no debug information describes its type",
                None => "where it lies is not known",
            }),
    };
    Side { expression, shown }
}

impl Compared {
    /// What failed, in a sentence.
    pub(super) fn summary(&self) -> String {
        let mut out = match self.operator {
            Some(operator) => format!("assertion `left {operator} right` failed"),
            None => "assertion of two values failed".to_owned(),
        };
        if let Some(message) = &self.message {
            out.push_str(": ");
            out.push_str(&message.replace('\n', " "));
        }
        let sides = [("left", &self.left), ("right", &self.right)];
        let known = sides.into_iter().filter_map(|(name, side)| Some((name, side.shown.as_deref().ok()?)));
        let shown: Vec<String> = known.map(|(name, shown)| format!("{name}: {}", shortened(shown))).collect();
        if !shown.is_empty() {
            out.push_str(&format!(" ({})", shown.join(", ")));
        }
        out
    }

    /// The same as facts.
    pub(super) fn evidence(self, finding: Finding) -> Finding {
        let mut finding = finding;
        for (what, side) in [("left", self.left), ("right", self.right)] {
            finding = match side.shown {
                Ok(shown) => finding.with(what, side.expression, shown),
                Err(why) => finding.with(what, None, format!("not shown: {why}")),
            };
        }
        match self.message {
            Some(message) => finding.with("message", None, message),
            None => finding,
        }
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(text)),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{custom, shortened};

    #[test]
    fn messages_of_authors_stand_behind_the_librarys() {
        let said = "assertion `left == right` failed: a\nb\n  left: 1\n right: 2";
        assert_eq!(custom(said), Some("a\nb"));
        assert_eq!(custom("assertion `left == right` failed\n  left: 1\n right: 2"), None);
        assert_eq!(custom("mine: ` failed: x"), None);
    }

    #[test]
    fn values_are_cut_between_characters() {
        assert_eq!(shortened("äb"), "äb");
        assert_eq!(shortened(&"ä".repeat(200)), format!("{}…", "ä".repeat(80)));
    }
}
