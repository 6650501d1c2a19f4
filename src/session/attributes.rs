//! Attributes that a program says of itself: data of certain names. The convention: docs/attributes.md.
//!
//! Only symbols and memory are looked at, so no debug information is needed. What does not look right is left out.

use std::collections::BTreeMap;

use super::Session;
use crate::addr::RunAddr;
use crate::module::{Module, Symbol, SymbolKind};

/// Pairs of pointers, ended by a null key.
const TABLE: &str = "obit_attributes";
/// What the names of single attributes begin with.
const SINGLE: &str = "obit_attr_";
/// Attributes that are read.
const MOST_ATTRIBUTES: usize = 256;
/// Symbols of such names that are looked at in one module.
const MOST_SYMBOLS: usize = 1024;
/// Bytes of a key.
const LONGEST_KEY: usize = 128;
/// Bytes of a value.
const LONGEST_VALUE: usize = 4096;

impl Session {
    /// What the program and its libraries say; where two say something of one key, the program's counts.
    pub fn program_attributes(&self) -> BTreeMap<String, String> {
        let mut attributes = BTreeMap::new();
        for module in self.modules_at_hand() {
            for symbol in module.symbols().containing(b"obit_attr", MOST_SYMBOLS) {
                if symbol.kind == SymbolKind::Data {
                    self.attributes_of(module, &symbol, &mut attributes);
                }
            }
        }
        attributes
    }

    fn attributes_of(&self, module: &Module, symbol: &Symbol, attributes: &mut BTreeMap<String, String>) {
        let name = symbol.text();
        // Go's symbols have their package in front: main.obit_attr_version.
        let name = if module.is_go() { name.rsplit('.').next().unwrap_or(&name) } else { &name };
        let mut add = |key: String, value: String| {
            if attributes.len() < MOST_ATTRIBUTES && !key.is_empty() {
                attributes.entry(key).or_insert(value);
            }
        };
        let at = module.to_run(symbol.address);
        if name == TABLE {
            self.table(at, symbol.size).into_iter().for_each(|(key, value)| add(key, value));
        } else if let Some(key) = name.strip_prefix(SINGLE)
            && let Some(value) = self.single(at, symbol.size)
        {
            add(key.to_owned(), value);
        }
    }

    fn table(&self, at: RunAddr, size: u64) -> Vec<(String, String)> {
        let word = self.image.arch.address_size();
        let mut found = Vec::new();
        for index in 0..(size / (2 * word as u64)).min(MOST_ATTRIBUTES as u64) {
            let Some(entry) = at.checked_add(index * 2 * word as u64) else { break };
            let pointer = |number: u64| self.memory().read_uint(entry.checked_add(number * word as u64)?, word).ok();
            let (Some(key), Some(value)) = (pointer(0), pointer(1)) else { break };
            if key == 0 {
                break;
            }
            let key = self.c_text(RunAddr(key), LONGEST_KEY);
            let value = if value == 0 { None } else { self.c_text(RunAddr(value), LONGEST_VALUE) };
            found.extend(key.zip(value));
        }
        found
    }

    /// A pointer and a length (Go's string, Rust's `&str`), a pointer to C's text, or the text itself.
    fn single(&self, at: RunAddr, size: u64) -> Option<String> {
        let word = self.image.arch.address_size();
        let pointer = self.memory().read_uint(at, word).ok().filter(|pointer| self.is_mapped(*pointer));
        if size == 2 * word as u64
            && let Some(pointer) = pointer
        {
            let length = self.memory().read_uint(at.checked_add(word as u64)?, word).ok()?;
            let length = usize::try_from(length).ok().filter(|length| *length <= LONGEST_VALUE)?;
            return printable(&self.memory().read_vec(RunAddr(pointer), length).ok()?);
        }
        if size == word as u64
            && let Some(pointer) = pointer
        {
            return self.c_text(RunAddr(pointer), LONGEST_VALUE);
        }
        let length = usize::try_from(size).unwrap_or(usize::MAX).min(LONGEST_VALUE);
        let bytes = self.memory().read_vec(at, length).ok()?;
        printable(bytes.split(|byte| *byte == 0).next()?)
    }

    fn is_mapped(&self, address: u64) -> bool {
        self.image.mapping_at(RunAddr(address)).is_some()
    }

    fn c_text(&self, at: RunAddr, limit: usize) -> Option<String> {
        let (bytes, ended) = self.memory().read_c_string(at, limit).ok()?;
        printable(&bytes).filter(|_| ended)
    }
}

/// Text as people wrote it: UTF-8 without control characters.
fn printable(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t'))).then(|| text.to_owned())
}
