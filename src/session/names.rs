//! Names by their beginning, and names that are near to another: what completion offers and complaints suggest.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Session;
use crate::addr::RunAddr;
use crate::interrupt;
use crate::module::name_index::{NameIndex, NameKind};
use crate::module::plain_names::{is_mangled, plain_names};
use crate::module::{Module, ModuleId, SymbolKind};

/// Symbols of all modules whose names are kept for completion.
const MAX_SYMBOLS: usize = 2_000_000;
/// Source files of all modules.
const MAX_FILES: usize = 1_000_000;
/// Symbols that are demangled where there is no debug information.
const MAX_DEMANGLED: usize = 100_000;
/// Names that may be near to another, before their distances are measured.
const MAX_NEAR: usize = 4096;
/// Insertions, deletions and replacements between names that are near.
const FARTHEST: usize = 3;

/// Which names are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// What an expression may begin with.
    Any,
    /// Types.
    Types,
    /// What follows after `struct`, `class`, `union` or `enum`.
    Tagged(NameKind),
    /// Functions.
    Functions,
}

impl Wanted {
    fn takes(self, kind: NameKind) -> bool {
        match self {
            Wanted::Any => !matches!(kind, NameKind::Declaration | NameKind::Pointer),
            Wanted::Types => kind.is_type() && kind != NameKind::Pointer,
            Wanted::Tagged(tag) => kind == tag,
            Wanted::Functions => kind == NameKind::Function,
        }
    }
}

impl Session {
    /// Names outside of functions that begin with `typed`, at most `most`, in order. `namespaces` are those around the
    /// selected function: what is in them needs no `::`. Reads every unit of every module at the first call, unless an
    /// earlier run did.
    pub fn names_beginning(&self, typed: &str, wanted: Wanted, namespaces: &[String], most: usize) -> Vec<String> {
        let mut found = BTreeSet::new();
        for (_, index) in self.name_indexes() {
            found.extend(index.beginning(typed, |kind| wanted.takes(kind), most));
            for count in 1..=namespaces.len() {
                let within = namespaces.get(..count).unwrap_or_default().join("::") + "::";
                let inside = index.beginning(&format!("{within}{typed}"), |kind| wanted.takes(kind), most);
                found.extend(inside.iter().filter_map(|name| Some(name.strip_prefix(&within)?.to_owned())));
            }
        }
        if matches!(wanted, Wanted::Any | Wanted::Functions) {
            let symbols = self.symbol_names();
            let first = symbols.partition_point(|(name, _)| name.as_str() < typed);
            let begun = symbols.iter().skip(first).take_while(|(name, _)| name.starts_with(typed));
            let fitting = begun.filter(|(_, is_function)| wanted == Wanted::Any || *is_function);
            found.extend(fitting.take(most).map(|(name, _)| name.clone()));
        }
        found.into_iter().take(most).collect()
    }

    /// Names that may have been meant by `wanted`, in any scope and with any mistakes up to a few letters: of the program,
    /// and of libraries whose names were read before.
    pub fn names_near(&self, wanted: &str) -> Vec<String> {
        let mut found = Vec::new();
        let letters = Letters::of(wanted);
        let qualified = wanted.contains("::");
        for id in self.program.modules_for_names() {
            let Some(module) = self.program.modules.get(id) else { continue };
            let debug = match module.seed.is_executable {
                true => self.program.debug_info(id),
                false => self.program.opened_debug_info(id).filter(|debug| debug.names_at_hand().is_some()),
            };
            let near = debug.map(|debug| {
                debug.names().matching(|name| match qualified {
                    true => letters.may_be_near(&name.qualified()),
                    false => letters.may_be_near(name.leaf),
                })
            });
            let names = near.into_iter().flatten().map(|name| match qualified {
                true => name.qualified(),
                false => name.leaf.to_owned(),
            });
            found.extend(names.take(MAX_NEAR));
            if module.seed.is_executable {
                let names = symbols_of(module, debug.is_none(), |name| letters.may_be_near(name));
                found.extend(names.into_iter().map(|(name, _)| name).take(MAX_NEAR));
            }
        }
        found
    }

    /// The indexes of names, the program's first. Where servers may be asked for files, only of modules whose debug
    /// information is there already: nobody waits for downloads at a Tab.
    pub fn name_indexes(&self) -> Vec<(ModuleId, &NameIndex)> {
        let modules = self.modules_at_hand();
        let debug = modules.filter_map(|module| Some((module.id, self.program.debug_info(module.id)?.names())));
        debug.collect()
    }

    /// Modules that can be looked through without asking a server, the program first.
    pub fn modules_at_hand(&self) -> impl Iterator<Item = &Module> {
        let at_hand = |module: &&Module| {
            module.seed.is_executable
                || self.debuginfod().is_none()
                || self.program.opened_debug_info(module.id).is_some()
        };
        let ids = self.program.modules_for_names().into_iter();
        ids.filter_map(|id| self.program.modules.get(id)).filter(at_hand)
    }

    /// Source files that the line tables name, of all modules, ascending. None where the request to end comes before all
    /// tables are read.
    pub fn source_files(&self) -> &[String] {
        if let Some(known) = self.source_files.get() {
            return known;
        }
        let mut found = BTreeSet::new();
        for module in self.modules_at_hand() {
            let units = self.program.debug_info(module.id).map(|debug| debug.all_units()).unwrap_or_default();
            for unit in units {
                if interrupt::requested() {
                    return &[];
                }
                let left = MAX_FILES.saturating_sub(found.len());
                found.extend(unit.files().take(left));
            }
        }
        self.source_files.get_or_init(|| found.into_iter().collect())
    }

    /// The first code of a line of a source file, which is named as its path ends.
    pub fn code_of_line(&self, file: &str, line: u32) -> Option<RunAddr> {
        let ends_so = |path: String| path.strip_suffix(file).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'));
        self.modules_at_hand().find_map(|module| {
            let units = self.program.debug_info(module.id)?.all_units();
            let wanted = units.into_iter().take_while(|_| !interrupt::requested());
            let mut with_file = wanted.filter(|unit| unit.files().any(ends_so));
            with_file.find_map(|unit| unit.code_of_line(file, line)).map(|address| module.to_run(address))
        })
    }

    /// Names of functions and data that the symbol tables have, ascending, and whether each is a function's.
    fn symbol_names(&self) -> &[(String, bool)] {
        self.symbol_names.get_or_init(|| {
            let modules = self.modules_at_hand();
            let with_names = modules.flat_map(|module| symbols_of(module, module.dwarf().is_none(), |_| true));
            let mut names: Vec<(String, bool)> = with_names.take(MAX_SYMBOLS).collect();
            names.sort_unstable();
            names.dedup_by(|one, other| one.0 == other.0);
            names
        })
    }
}

/// A module's symbols by name; mangled ones are of use only where nothing else has those names.
fn symbols_of(module: &Module, demangled: bool, fits: impl Fn(&str) -> bool + Sync) -> Vec<(String, bool)> {
    let mut names = plain_names(module);
    names.retain(|(name, _)| fits(name));
    if !demangled {
        return names;
    }
    let asked = AtomicUsize::new(0);
    names.extend(module.symbols().collect_beginning(is_mangled, |symbol| {
        if symbol.name.contains(&b'.') || asked.fetch_add(1, Ordering::Relaxed) >= MAX_DEMANGLED {
            return None;
        }
        let name = crate::demangle::demangle_without_parameters(&symbol.text())?;
        let is_function = matches!(symbol.kind, SymbolKind::Function | SymbolKind::IndirectFunction);
        fits(&name).then_some((name, is_function))
    }));
    names
}

/// How often a name has each letter: names whose letters differ much are far from each other.
struct Letters {
    length: usize,
    counts: [i16; 64],
}

impl Letters {
    fn of(name: &str) -> Letters {
        let mut counts = [0; 64];
        for byte in name.bytes() {
            counts[usize::from(byte.to_ascii_lowercase() & 63)] += 1;
        }
        Letters { length: name.len(), counts }
    }

    fn may_be_near(&self, name: &str) -> bool {
        if name.len().abs_diff(self.length) > FARTHEST {
            return false;
        }
        let mut counts = self.counts;
        for byte in name.bytes() {
            counts[usize::from(byte.to_ascii_lowercase() & 63)] -= 1;
        }
        // A replacement changes two counts.
        counts.iter().map(|count| usize::from(count.unsigned_abs())).sum::<usize>() <= 2 * FARTHEST
    }
}

#[cfg(test)]
mod tests {
    use super::Letters;

    #[test]
    fn what_is_far_is_told_by_its_letters() {
        let wanted = Letters::of("customer");
        for near in ["customer", "Custmer", "costumer", "customers", "cistumer"] {
            assert!(wanted.may_be_near(near), "{near}");
        }
        for far in ["order", "customer_list", "cxxxxxer", ""] {
            assert!(!wanted.may_be_near(far), "{far}");
        }
    }
}
