//! gdb's functions about text, memory and callers (gdb 13, `gdb/python/lib/gdb/function`): `$_regex`, `$_memeq`,
//! `$_as_string`, `$_caller_is` and its relatives.

use std::ops::Range;

use super::arithmetic::Number;
use super::eval::{Evaluated, Evaluator, Step};
use crate::addr::RunAddr;
use crate::interrupt;
use crate::types::{Language, TypeKind};
use crate::value::{Absent, AbsentReason, Place};

/// Functions that are called with a dollar.
pub(super) const FUNCTIONS: &[&str] = &[
    "_strlen",
    "_streq",
    "_regex",
    "_memeq",
    "_as_string",
    "_isvoid",
    "_creal",
    "_cimag",
    "_caller_is",
    "_caller_matches",
    "_any_caller_is",
    "_any_caller_matches",
];

/// Bytes that a regular expression may become.
const MAX_EXPRESSION: usize = 1 << 20;
/// Bytes of memory that are compared at once.
const PIECE: u64 = 1 << 16;
/// Bytes of memory that may be compared.
const MAX_COMPARED: i128 = 1 << 30;

impl Evaluator<'_> {
    /// Whether the text begins with what the expression matches, as Python's `re.match` has it.
    pub(super) fn matches(&self, text: &[u8], pattern: &[u8], span: &Range<usize>) -> Step<Evaluated> {
        let pattern = String::from_utf8_lossy(pattern);
        let built = regex::bytes::RegexBuilder::new(&format!("^(?:{pattern})"))
            .unicode(false)
            .size_limit(MAX_EXPRESSION)
            .build();
        match built {
            Ok(expression) => Ok(self.truth(expression.is_match(text))),
            Err(_) => self.type_error(span, "it is no regular expression"),
        }
    }

    /// Whether two pieces of memory of that many bytes are alike.
    pub(super) fn same_memory(
        &self,
        left: &Evaluated,
        right: &Evaluated,
        length: &Evaluated,
        span: &Range<usize>,
    ) -> Step<Evaluated> {
        let length = self.integer_of(length, span)?;
        if !(0..=MAX_COMPARED).contains(&length) {
            return self.type_error(span, format!("a length up to {MAX_COMPARED} is expected"));
        }
        if self.dry.get() {
            return Ok(self.truth(true));
        }
        let at = |value: &Evaluated, from: u64, count: u64| -> Step<Vec<u8>> {
            match (self.kind_of(value.type_id), &value.place) {
                (TypeKind::Pointer { .. }, _) => {
                    let start = self.integer_of(value, span)? as u64;
                    self.bytes(&Place::Memory(RunAddr(start.wrapping_add(from))), count)
                }
                (_, Ok(Place::Memory(start))) => self.bytes(&Place::Memory(RunAddr(start.0.wrapping_add(from))), count),
                (_, Ok(place)) => {
                    let all = self.bytes(place, from.saturating_add(count))?;
                    Ok(all.get(from as usize..).unwrap_or_default().to_vec())
                }
                (_, Err(absent)) => Err(absent.clone().into()),
            }
        };
        let mut from = 0;
        while from < length as u64 {
            if interrupt::requested() {
                return Err(Absent::because(AbsentReason::Unsupported, "the comparison was interrupted").into());
            }
            let count = (length as u64 - from).min(PIECE);
            if at(left, from, count)? != at(right, from, count)? {
                return Ok(self.truth(false));
            }
            from += count;
        }
        Ok(self.truth(true))
    }

    /// A number in digits, an enumerator by its name.
    pub(super) fn as_string(&self, value: &Evaluated, span: &Range<usize>) -> Step<Evaluated> {
        let number = self.integer_of(value, span)?;
        let types = self.scope.types();
        let definition = types.get(types.strip(value.type_id));
        let TypeKind::Enum { enumerators, scoped, .. } = &definition.kind else {
            return Ok(self.string(number.to_string().as_bytes()));
        };
        let Some((name, _)) = enumerators.iter().find(|(_, known)| *known == number) else {
            return Ok(self.string(number.to_string().as_bytes()));
        };
        let own = definition.name.as_deref().unwrap_or_default();
        let scope = match definition.language {
            Language::Rust => own,
            Language::Cpp if *scoped => own,
            Language::Cpp => own.rsplit_once("::").map_or("", |(scope, _)| scope),
            _ => "",
        };
        let separator = if scope.is_empty() { "" } else { "::" };
        Ok(self.string(format!("{scope}{separator}{name}").as_bytes()))
    }

    /// `$_caller_is("f")` is about the frame `count` above, `$_any_caller_is` about those up to it, the frame's own too.
    pub(super) fn called_by(&self, function: &str, wanted: &[u8], count: i128, span: &Range<usize>) -> Step<Evaluated> {
        let Ok(count) = usize::try_from(count) else {
            return self.type_error(span, "the number of frames is negative");
        };
        let callers = self.scope.callers();
        let looked_at = match function.starts_with("_any") {
            true => callers.get(..=count.min(callers.len().saturating_sub(1))),
            false => callers.get(count..count.saturating_add(1)),
        };
        for name in looked_at.unwrap_or_default() {
            if function.ends_with("_is") && name.as_bytes() == wanted {
                return Ok(self.truth(true));
            }
            if function.ends_with("_matches") {
                let found = self.matches(name.as_bytes(), wanted, span)?;
                if self.integer_of(&found, span)? != 0 {
                    return Ok(found);
                }
            }
        }
        Ok(self.truth(false))
    }

    /// The whole number that a value is.
    pub(super) fn integer_of(&self, value: &Evaluated, span: &Range<usize>) -> Step<i128> {
        match self.number_of(value, span) {
            Ok(Number::Int { value, .. }) => Ok(value),
            Ok(Number::Float(_)) => self.type_error(span, "an integer is needed here"),
            Err(stop) => Err(stop),
        }
    }
}
