//! Objects by their places: a frame's variables before anything is read of them, and what is at an address.

use crate::addr::RunAddr;
use crate::module::skim::NamedEntry;
use crate::module::unit::Units;
use crate::module::{DieRef, Name};
use crate::types::TypeId;
use crate::value::decode::Decoder;
use crate::value::{Limits, Place};

use super::{Global, Session, Trace};

/// A variable of a frame, and where it is.
#[derive(Clone, Debug)]
pub struct PlacedVariable {
    /// Its name.
    pub name: Name,
    /// Its type.
    pub type_id: TypeId,
    /// Where it is declared.
    pub decl_line: Option<u32>,
    /// Where it is.
    pub place: Place,
}

impl Session {
    /// Variables of `trace.frames[frame]` that have a place and whose types are `wanted`, innermost scope first.
    pub fn placed_variables(
        &self,
        trace: &Trace,
        frame: usize,
        wanted: impl Fn(TypeId) -> bool,
    ) -> Vec<PlacedVariable> {
        let Some((info, level)) = self.scopes(trace, frame) else { return Vec::new() };
        let (Some(function), Some(level)) = (&info.function, info.levels.get(level)) else { return Vec::new() };
        let context = self.context(trace, frame);
        let mut placed = Vec::new();
        for declaration in level.scopes.iter().flat_map(|scope| function.variables(&*self.program, *scope)) {
            let Some(declared) = self.variable_type(declaration).filter(|(type_id, _)| wanted(*type_id)) else {
                continue;
            };
            let (type_id, size) = self.instantiated(trace, frame, declared);
            let (Ok(place), _) = context.variable(declaration, size) else { continue };
            let (name, decl_line) = (declaration.name.clone(), declaration.decl_line);
            placed.push(PlacedVariable { name, type_id, decl_line, place });
        }
        placed
    }

    /// Asks objects as formatters do, in a frame.
    pub fn with_decoder<T>(&self, frame: Option<(&Trace, usize)>, ask: impl FnOnce(&Decoder<'_>) -> T) -> T {
        let limits = Limits::default();
        match frame {
            Some((trace, frame)) => ask(&self.decoder(&self.context(trace, frame), &limits)),
            None => ask(&self.decoder(
                &crate::value::location::Context::without_frame(&self.program, self.memory(), self.image.arch),
                &limits,
            )),
        }
    }

    /// The variable outside of functions that the address is in: the symbol there says which.
    pub fn global_at(&self, address: RunAddr) -> Option<Global> {
        let module = self.program.modules.at(address)?;
        let symbol = module.symbols().lookup(module.to_file(address))?;
        let start = module.to_run(symbol.address);
        if let Some(known) = self.globals.read().expect("not poisoned").get(&start.0) {
            return known.clone();
        }
        let debug = self.program.debug_info(module.id)?;
        let is_it = |global: &Global| global.place == Ok(Place::Memory(start));
        let plain = symbol.text();
        let name = crate::demangle::demangle(&plain).unwrap_or_else(|| plain.into_owned());
        let found = debug.variable_at(symbol.address).and_then(|die| self.kept_global(die, &is_it)).or_else(|| {
            let is_variable = |entry: &NamedEntry| entry.tag == gimli::DW_TAG_variable;
            let entries = self.program.entries_named(module.id, &name, is_variable, usize::MAX);
            let named = entries.into_iter().find_map(|die| self.kept_global(die, &is_it));
            // In functions there are some too.
            named.or_else(|| self.find_globals(&name, None, None).into_iter().find(is_it))
        });
        // What is declared in a namespace and defined outside of it has its whole name in its symbol alone.
        let found = found.map(|global| match name.ends_with(&format!("::{}", global.name)) {
            true => Global { name, ..global },
            false => global,
        });
        self.globals.write().expect("not poisoned").entry(start.0).or_insert(found).clone()
    }

    /// Variables outside of functions that the unit of a frame's function declares, at most `most`.
    pub fn globals_beside(&self, trace: &Trace, frame: usize, most: usize) -> Vec<(DieRef, Global)> {
        let Some((info, _)) = self.scopes(trace, frame) else { return Vec::new() };
        let Some(function) = &info.function else { return Vec::new() };
        let Some(unit) = self.program.unit(function.die) else { return Vec::new() };
        let variables = unit.skim().named.iter().filter(|entry| entry.tag == gimli::DW_TAG_variable);
        let found = variables.take(most).filter_map(|entry| {
            let die = DieRef { offset: entry.offset, ..function.die };
            Some((die, self.global(die, None, None, false)?))
        });
        found.collect()
    }

    /// Remembers that an answer was made from a variable outside of functions.
    pub fn keep_global(&self, die: DieRef) {
        self.global_entries.write().expect("not poisoned").push(die);
    }

    fn kept_global(&self, die: DieRef, is_it: &dyn Fn(&Global) -> bool) -> Option<Global> {
        let global = self.global(die, None, None, false).filter(is_it)?;
        self.keep_global(die);
        Some(global)
    }

    /// The entries of variables that were found by their addresses.
    pub fn global_entries(&self) -> Vec<DieRef> {
        self.global_entries.read().expect("not poisoned").clone()
    }
}
