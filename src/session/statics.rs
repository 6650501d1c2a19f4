//! Static members of classes: where the variables that classes declare lie.
//!
//! The declaration has a constant's value, or the name that the linker knows the variable by (GCC). Where it has none
//! (clang), a name without template arguments says how it is mangled (Itanium C++ ABI, section 5.1); others are looked
//! for among all names.

use super::{Global, Session};
use crate::module::function::LocationSource;
use crate::module::unit::Units;
use crate::module::{DieRef, ModuleId, SymbolKind};
use crate::types::{StaticMember, TypeId, TypeKind};
use crate::value::location::Context;
use crate::value::{Absent, AbsentReason, Place};

/// Where a static member lies, and its type.
pub(super) type Found = Result<(Place, TypeId), Absent>;

impl Session {
    /// The static member's place; looked for once.
    pub(super) fn place_of_static(&self, member: &StaticMember) -> Found {
        if let Some(known) = self.statics.read().expect("not poisoned").get(&member.die) {
            return known.clone();
        }
        let found = self.find_static(member).unwrap_or_else(|| Err(Absent::new(AbsentReason::OptimizedOut)));
        // What was not looked for to the end may be there.
        if !crate::interrupt::requested() {
            self.statics.write().expect("not poisoned").insert(member.die, found.clone());
        }
        found
    }

    /// `Class::member` by the class's declaration of it: what has no entry of its own (constants, and in snapshots others).
    pub(super) fn static_of_class(&self, name: &str) -> Option<Global> {
        let parts = crate::module::names::components(name);
        let (leaf, class) = parts.split_last().filter(|(_, class)| !class.is_empty())?;
        let class = self.types.complete(self.types.strip(self.find_type(&class.join("::"))?));
        let TypeKind::Struct(content) = &self.types.get(class).kind else { return None };
        let member = content.statics.iter().find(|member| member.name == *leaf)?;
        let unit_file = self.program.unit(member.die).and_then(|unit| unit.source_name());
        let (place, type_id) = match self.place_of_static(member) {
            Ok((place, type_id)) => (Ok(place), type_id),
            Err(absent) => (Err(absent), member.type_id),
        };
        Some(Global { name: name.to_owned(), unit_file, type_id, place })
    }

    fn find_static(&self, member: &StaticMember) -> Option<Found> {
        let (die, program) = (member.die, &self.program);
        let unit = program.unit(die)?;
        let entry = unit.entry(die.offset)?;
        for attribute in [gimli::DW_AT_const_value, gimli::DW_AT_location] {
            let source = LocationSource::of(unit, &entry, attribute);
            if !source.is_none() {
                let context = Context::without_frame(program, self.memory(), self.image.arch);
                let place = context.source(&source, unit, self.types.size(member.type_id));
                return Some(place.map(|place| (place, member.type_id)));
            }
        }
        let name = program.function_name(die);
        let qualified = program.qualified_name(die)?;
        let symbol = name.symbol.as_deref().map(str::to_owned).or_else(|| mangled(&qualified));
        if let Some(found) = symbol.and_then(|symbol| self.static_by_symbol(member, &symbol)) {
            return Some(found);
        }
        // Template arguments are not mangled here, and classes of the library give their objects' names a tag.
        let may_differ =
            qualified.contains('<') || matches!(self.types.stripped(member.type_id).1.kind, TypeKind::Struct(_));
        if name.symbol.is_some() || !may_differ {
            return None;
        }
        let entries =
            self.program.entries_named(die.module, &qualified, |entry| entry.tag == gimli::DW_TAG_variable, 8);
        let global = entries.into_iter().find_map(|entry| self.global(entry, None, None, false))?;
        Some(global.place.map(|place| (place, global.type_id)))
    }

    /// The executable's definition comes before its libraries', as the dynamic linker has it.
    fn static_by_symbol(&self, member: &StaticMember, symbol: &str) -> Option<Found> {
        let own = member.die.module;
        let executable = self.program.modules.iter().find(|module| module.seed.is_executable).map(|module| module.id);
        let others = self.program.modules_for_names().into_iter().filter(|id| *id != own && Some(*id) != executable);
        let modules: Vec<ModuleId> =
            executable.into_iter().filter(|id| *id != own).chain([own]).chain(others).collect();
        for id in modules {
            let Some(module) = self.program.modules.get(id) else { continue };
            let mut symbols = module.symbols().by_name(symbol);
            // What only one unit knows is no other module's.
            symbols.retain(|found| found.is_global || id == own);
            symbols.retain(|found| matches!(found.kind, SymbolKind::Data | SymbolKind::ThreadLocal));
            symbols.dedup_by_key(|found| found.address);
            match symbols.as_slice() {
                [] => {}
                [found] if found.kind == SymbolKind::ThreadLocal => {
                    let name = self.program.qualified_name(member.die)?;
                    let detail = format!("thread-local: print {name} shows it");
                    return Some(Err(Absent::because(AbsentReason::Unsupported, detail)));
                }
                [found] => {
                    let address = module.to_run(found.address);
                    // `static int table[];`: how large it is, its definition says.
                    let is_whole = self.types.size(member.type_id).is_some();
                    let definition = if is_whole { None } else { self.global_at(address) };
                    let type_id = definition.map_or(member.type_id, |global| global.type_id);
                    return Some(Ok((Place::Memory(address), type_id)));
                }
                _ => return self.static_of_unit(member.die),
            }
        }
        None
    }

    /// Of several classes of one name, each in an anonymous namespace, that of the unit.
    fn static_of_unit(&self, die: DieRef) -> Option<Found> {
        let file = self.program.unit(die)?.source_name()?;
        let name = self.program.qualified_name(die)?;
        let found = self.find_globals(&name, Some(&file), None);
        match found.as_slice() {
            [global] => Some(global.place.clone().map(|place| (place, global.type_id))),
            _ => None,
        }
    }
}

/// The linkage name of a variable in namespaces and classes without template arguments.
fn mangled(qualified: &str) -> Option<String> {
    let mut name = "_ZN".to_owned();
    for part in crate::module::names::components(qualified) {
        let part = if part == "(anonymous namespace)" { "_GLOBAL__N_1" } else { part };
        if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return None;
        }
        name += &format!("{}{part}", part.len());
    }
    Some(name + "E")
}

#[cfg(test)]
mod tests {
    use super::mangled;

    #[test]
    fn names_without_template_arguments_are_mangled() {
        assert_eq!(mangled("Base::count").as_deref(), Some("_ZN4Base5countE"));
        assert_eq!(mangled("(anonymous namespace)::A::s").as_deref(), Some("_ZN12_GLOBAL__N_11A1sE"));
        assert_eq!(mangled("T<int>::value"), None);
    }
}
