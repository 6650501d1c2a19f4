//! What an interactive session keeps from one expression to the next.

use std::collections::BTreeMap;

use super::eval::{Evaluated, computed};
use crate::addr::RunAddr;
use crate::types::{TypeId, TypeKind, TypeTable};
use crate::value::Place;

/// Values that the history keeps; older ones are forgotten.
const MAX_HISTORY: usize = 100_000;

/// The value history (`$1`, `$`, `$$`) and the convenience variables (`$name`).
#[derive(Clone, Debug, Default)]
pub struct Variables {
    history: Vec<Evaluated>,
    named: BTreeMap<String, Evaluated>,
}

impl Variables {
    /// Adds a value to the history and gives its number, from 1 on.
    pub fn record(&mut self, value: Evaluated) -> usize {
        if self.history.len() < MAX_HISTORY {
            self.history.push(value);
        } else if let Some(last) = self.history.last_mut() {
            *last = value;
        }
        self.history.len()
    }

    /// The value with that number, from 1 on.
    pub fn recorded(&self, number: usize) -> Option<&Evaluated> {
        self.history.get(number.checked_sub(1)?)
    }

    /// How many values the history has.
    pub fn count(&self) -> usize {
        self.history.len()
    }

    /// Gives `$name` a value; `x` does so with `_` (the last address) and `__` (what is there).
    pub fn set(&mut self, name: &str, value: Evaluated) {
        self.named.insert(name.to_owned(), value);
    }

    /// `$_`: the last address that was looked at, as a pointer of that size to `target`. With `has_content`, `$__` is
    /// what is there; otherwise it is void, but stays as it is where `target` is `void`.
    pub fn set_last(&mut self, types: &TypeTable, size: usize, address: RunAddr, target: TypeId, has_content: bool) {
        let pointer = types.make_pointer(target, size);
        let data = address.0.to_le_bytes().into_iter().take(size).collect();
        self.set("_", computed(pointer, data));
        if has_content {
            self.set("__", Evaluated::new(Ok(Place::Memory(address)), target, true));
        } else if !matches!(types.get(target).kind, TypeKind::Void) {
            self.named.remove("__");
        }
    }

    /// The value of `$name`.
    pub fn get(&self, name: &str) -> Option<&Evaluated> {
        self.named.get(name)
    }

    /// The convenience variables, by name.
    pub fn named(&self) -> impl Iterator<Item = (&str, &Evaluated)> {
        self.named.iter().map(|(name, value)| (name.as_str(), value))
    }
}
