//! What an interactive session keeps from one expression to the next.

use std::collections::BTreeMap;

use super::eval::Evaluated;

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

    /// The value of `$name`.
    pub fn get(&self, name: &str) -> Option<&Evaluated> {
        self.named.get(name)
    }

    /// The convenience variables, by name.
    pub fn named(&self) -> impl Iterator<Item = (&str, &Evaluated)> {
        self.named.iter().map(|(name, value)| (name.as_str(), value))
    }
}
