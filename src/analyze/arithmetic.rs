//! Numbers that the code computes, as expressions: `y * width + x`, `i - 1`.

use super::code::{Sum, Term, Tracer};
use super::names::{Named, target};
use crate::order::Order;

/// Sums within sums.
const MAX_DEPTH: usize = 8;

impl Tracer<'_> {
    /// A sum of numbers as an expression: `y * width + x`, `i - 1`.
    pub fn arithmetic(&self, sum: &Sum, depth: usize) -> Option<Named> {
        if depth > MAX_DEPTH {
            return None;
        }
        if let Some(term) = sum.single() {
            return self.rvalue(term, depth);
        }
        // An address is no number.
        if i32::try_from(sum.constant).is_err() {
            return None;
        }
        let mut parts: Vec<(i64, String, bool)> = Vec::new();
        for (times, term) in &sum.terms {
            let named = self.rvalue(term, depth)?;
            // What is no number has an arithmetic of its own.
            if named.type_id.is_some_and(|type_id| target(&self.case.session.types, type_id).is_some()) {
                return None;
            }
            parts.push((*times, named.text, matches!(term, Term::Product(_))));
        }
        // As it is usually written: what is multiplied first.
        parts.order_by_key(|(times, _, is_product)| (*times < 0, !is_product && times.unsigned_abs() == 1));
        let mut text = String::new();
        for (times, name, _) in parts {
            let sign = match (text.is_empty(), times < 0) {
                (true, false) => "",
                (true, true) => "-",
                (false, false) => " + ",
                (false, true) => " - ",
            };
            let is_sum = name.contains(' ') && times.unsigned_abs() != 1;
            let name = if is_sum { format!("({name})") } else { name };
            text.push_str(sign);
            match times.unsigned_abs() {
                1 => text.push_str(&name),
                times => text.push_str(&format!("{times} * {name}")),
            }
        }
        if text.is_empty() {
            return Some(Named { text: sum.constant.to_string(), type_id: None });
        }
        Some(Named { text: shifted(&text, sum.constant), type_id: None })
    }
}

/// `index + by`.
pub(super) fn shifted(index: &str, by: i64) -> String {
    match by {
        0 => index.to_owned(),
        by if by > 0 => format!("{index} + {by}"),
        by => format!("{index} - {}", by.unsigned_abs()),
    }
}
