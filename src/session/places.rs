//! Where variables are, without what they hold; and how far functions reach.

use super::{Frame, Role, Session, Trace};
use crate::addr::{FileAddr, RunAddr};
use crate::arch::DwarfRegister;
use crate::module::function::each_origin;
use crate::types::{Name, TypeId};
use crate::value::{Absent, Place};

/// Bytes that a function may have, where its symbol says more.
const MAX_FUNCTION: u64 = 1 << 20;

/// A frame's variable, and where it is.
#[derive(Clone, Debug)]
pub struct VariablePlace {
    /// Its name.
    pub name: Name,
    /// Argument or local.
    pub role: Role,
    /// Made by the compiler (`this`).
    pub artificial: bool,
    /// Its type.
    pub type_id: TypeId,
    /// Bytes.
    pub size: Option<u64>,
    /// Where it is declared.
    pub decl_line: Option<u32>,
    /// Where it is.
    pub place: Result<Place, Absent>,
}

impl Session {
    /// Places of the arguments and locals of `trace.frames[frame]`, innermost scope first, arguments in their order.
    pub fn variable_places(&self, trace: &Trace, frame: usize) -> Vec<VariablePlace> {
        let Some((info, level)) = self.scopes(trace, frame) else { return Vec::new() };
        let Some(function) = &info.function else { return Vec::new() };
        let context = self.context(trace, frame);
        let mut places = Vec::new();
        for scope in &info.levels[level].scopes {
            for declaration in function.variables(&*self.program, *scope) {
                let Some(resolved) = self.variable_type(declaration) else { continue };
                let (type_id, size) = self.instantiated(trace, frame, resolved);
                places.push(VariablePlace {
                    name: declaration.name.clone(),
                    role: declaration.role,
                    artificial: declaration.artificial,
                    type_id,
                    size,
                    decl_line: declaration.decl_line,
                    place: context.variable(declaration, size).0,
                });
            }
        }
        places
    }

    /// The file that a frame's function is declared in, by the debug information. The frame's line may be another file's,
    /// where what was inlined there has left nothing but its lines.
    pub fn declared_file(&self, frame: &Frame) -> Option<String> {
        let info = self.program.code(frame.lookup);
        let scope = info.levels.get(frame.level)?.scopes.last()?;
        let die = info.function.as_ref()?.scopes.get(*scope as usize)?.die;
        let mut file = None;
        each_origin(&*self.program, die, |unit, entry| {
            let index = match entry.attr_value(gimli::DW_AT_decl_file) {
                Some(gimli::AttributeValue::FileIndex(index)) => Some(index),
                value => value.and_then(|value| value.udata_value()),
            };
            file = index.and_then(|index| unit.file_path(index));
            file.is_some()
        });
        file
    }

    /// The variable that is in a register, alone and whole, when the code at `at` is about to run: by the debug
    /// information alone, of whatever inlined call.
    pub fn variable_in_register(&self, at: RunAddr, register: DwarfRegister) -> Option<(Name, Role, TypeId)> {
        let info = self.program.code(at);
        let function = info.function.as_ref()?;
        let scopes = info.levels.iter().flat_map(|level| &level.scopes);
        let mut declarations = scopes.flat_map(|scope| function.variables(&*self.program, *scope));
        let is_there = |expression: &[u8]| match expression {
            [operation @ 0x50..=0x6f] => u16::from(operation - 0x50) == register,
            _ => false,
        };
        let found = declarations.find(|declaration| declaration.location.at(info.address.0).is_some_and(is_there))?;
        let (type_id, _) = self.variable_type(found)?;
        Some((found.name.clone(), found.role, type_id))
    }

    /// Names and types of the parameters of the function that begins at `entry`, in order, as debug information has them.
    pub fn parameters(&self, entry: RunAddr) -> Vec<(Name, TypeId)> {
        let info = self.program.code(entry);
        let Some(function) = &info.function else { return Vec::new() };
        let ranges = function.scopes.first().map(|scope| &scope.ranges);
        if !ranges.is_some_and(|ranges| ranges.iter().any(|(low, _)| *low == info.address.0)) {
            return Vec::new();
        }
        let declared = function.variables(&*self.program, 0).iter();
        let parameters = declared.filter(|declaration| declaration.role == Role::Argument);
        parameters
            .filter_map(|declaration| Some((declaration.name.clone(), self.variable_type(declaration)?.0)))
            .collect()
    }

    /// First and one past the last address of the function at `at`, of the part of it that is there.
    pub fn function_extent(&self, at: RunAddr) -> Option<(RunAddr, RunAddr)> {
        let module = self.program.modules.at(at)?;
        let here = module.to_file(at);
        let run = |address: u64| FileAddr(address).to_run(module.bias());
        if let Some(function) = self.program.function_at(at) {
            let ranges = &function.scopes.first()?.ranges;
            if let Some((low, high)) = ranges.iter().find(|(low, high)| (*low..*high).contains(&here.0)) {
                return Some((run(*low), run((*high).min(low.saturating_add(MAX_FUNCTION)))));
            }
        }
        let symbol = module.symbols().lookup(here)?;
        let size = symbol.size.min(MAX_FUNCTION);
        let end = symbol.address.0.saturating_add(size);
        (here.0 < end).then(|| (run(symbol.address.0), run(end)))
    }
}
