//! What `info functions`, `info variables` and `info types` list: declarations with their files and lines, and symbols
//! that the debug information does not have.

use std::collections::HashSet;

use super::Session;
use crate::addr::RunAddr;
use crate::interrupt;
use crate::module::function::each_origin;
use crate::module::name_index::NameKind;
use crate::module::unit::Units;
use crate::module::{DieRef, Language, Module, SymbolKind};
use crate::order::Order;
use crate::types::TypeId;

/// Entries of one name that are looked at.
const MAX_ENTRIES: usize = 1024;
/// Symbols that are asked whether the debug information has them.
const MAX_SYMBOLS: usize = 20_000;

/// A declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The file that it is in; its unit's where it has none.
    pub file: Option<String>,
    /// The line in it.
    pub line: Option<u32>,
    /// Its qualified name.
    pub name: String,
    /// A function's whole name, with parameters where its linkage name has them.
    pub display: Option<String>,
    /// What it is.
    pub kind: NameKind,
    /// Its type; for a type, itself; for a typedef, what it is another name of.
    pub type_id: Option<TypeId>,
    /// Not seen by other units.
    pub is_static: bool,
    /// Of its unit.
    pub language: Language,
}

/// A list, and what it leaves out.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// By file, then by name.
    pub declarations: Vec<Listed>,
    /// Symbols without debug information, by address.
    pub symbols: Vec<(RunAddr, String)>,
    /// Names and symbols that fit and were not looked at.
    pub left: usize,
}

impl Session {
    /// Declarations whose qualified name `fits`, of kinds that are `wanted`, and symbols without debug information of
    /// kinds that `symbols` picks; at most `most` of each.
    pub fn listing(
        &self,
        wanted: impl Fn(NameKind) -> bool + Sync,
        symbols: impl Fn(SymbolKind) -> bool,
        fits: impl Fn(&str) -> bool + Sync,
        most: usize,
    ) -> Listing {
        let mut listing = Listing::default();
        let mut seen = HashSet::new();
        for (module, index) in self.name_indexes() {
            let Some(debug) = self.program.debug_info(module) else { continue };
            let fits = |qualified: &str| !interrupt::requested() && fits(qualified);
            for name in index.matching(|name| wanted(name.kind) && fits(&name.qualified())) {
                if interrupt::requested() {
                    break;
                }
                if listing.declarations.len() >= most {
                    listing.left += 1;
                    continue;
                }
                for entry in index.entries_of(name.number).into_iter().take(MAX_ENTRIES) {
                    let die = debug.indexed(entry, name.leaf);
                    let listed = die.and_then(|die| self.listed(die, name.qualified(), name.kind));
                    let is_new = |listed: &Listed| seen.insert((listed.file.clone(), listed.line, listed.name.clone()));
                    listing.declarations.extend(listed.filter(is_new));
                }
            }
        }
        listing.declarations.order_by(|a, b| (&a.file, &a.name, a.line).cmp(&(&b.file, &b.name, b.line)));
        for module in self.modules_at_hand() {
            self.list_symbols(module, &symbols, &fits, most, &mut listing);
        }
        listing.symbols.order();
        listing.symbols.dedup();
        listing
    }

    fn listed(&self, die: DieRef, name: String, kind: NameKind) -> Option<Listed> {
        let program = &*self.program;
        let unit = program.unit(die)?;
        let entry = unit.entry(die.offset)?;
        let is_function = kind == NameKind::Function;
        if is_function && crate::module::skim::die_ranges(unit.dwarf, &unit.unit, &entry).is_empty() {
            return None;
        }
        let (mut file, mut line, mut type_die, mut is_static) = (None, None, None, true);
        each_origin(program, die, |unit, entry| {
            if line.is_none() {
                let number = entry.attr_value(gimli::DW_AT_decl_line).and_then(|value| value.udata_value());
                line = number.and_then(|line| u32::try_from(line).ok());
                let index = match entry.attr_value(gimli::DW_AT_decl_file) {
                    Some(gimli::AttributeValue::FileIndex(index)) => Some(index),
                    value => value.and_then(|value| value.udata_value()),
                };
                file = index.and_then(|index| unit.file_path(index));
            }
            if type_die.is_none() {
                type_die = entry.attr_value(gimli::DW_AT_type).and_then(|value| program.reference(unit, value));
            }
            is_static &= !entry.has_attr(gimli::DW_AT_external);
            false
        });
        let unit_file = || {
            let (name, directory) = (unit.source_name()?, unit.directory());
            let directory = directory.filter(|_| !name.starts_with('/'));
            Some(directory.map_or_else(|| name.clone(), |directory| format!("{directory}/{name}")))
        };
        let display = is_function.then(|| program.function_name(die)).and_then(|name| {
            let display = name.display?;
            // The linkage name of a template's instance says its result too.
            let plain = name.symbol.and_then(|symbol| crate::demangle::demangle_without_parameters(&symbol));
            let start = plain.and_then(|plain| display.find(&*plain)).unwrap_or(0);
            Some(display.get(start..)?.to_owned())
        });
        let own = is_function || kind.is_type() && kind != NameKind::Typedef;
        Some(Listed {
            file: file.or_else(unit_file),
            line: line.filter(|line| *line != 0),
            display,
            name,
            kind,
            type_id: if own { Some(self.types.of_die(die)) } else { type_die.map(|die| self.types.of_die(die)) },
            is_static: is_static && !kind.is_type(),
            language: unit.language,
        })
    }

    fn list_symbols(
        &self,
        module: &Module,
        wanted: &impl Fn(SymbolKind) -> bool,
        fits: &impl Fn(&str) -> bool,
        most: usize,
        listing: &mut Listing,
    ) {
        let mut asked = 0;
        for symbol in module.symbols().iter().filter(|symbol| wanted(symbol.kind)) {
            if interrupt::requested() {
                break;
            }
            let plain = symbol.text();
            let name = crate::demangle::demangle(&plain).unwrap_or_else(|| plain.into_owned());
            if !fits(&name) {
                continue;
            }
            if listing.symbols.len() >= most || asked >= MAX_SYMBOLS {
                listing.left += 1;
                continue;
            }
            asked += 1;
            if !self.is_described(module, symbol.kind, symbol.name, symbol.address) {
                listing.symbols.push((module.to_run(symbol.address), name));
            }
        }
    }

    /// Whether the debug information has what the symbol names.
    fn is_described(&self, module: &Module, kind: SymbolKind, name: &[u8], address: crate::addr::FileAddr) -> bool {
        let Some(debug) = self.program.debug_info(module.id) else { return false };
        if kind != SymbolKind::Data {
            return debug.unit_at(address).is_some_and(|unit| unit.skim().function_at(address.0).is_some());
        }
        let Ok(name) = std::str::from_utf8(name) else { return false };
        let found = debug.names().with_leaf(name).unwrap_or_default();
        found.iter().filter_map(|number| debug.names().name(*number)).any(|name| name.kind == NameKind::Variable)
            || debug.variable_at(address).is_some()
    }
}
