//! The variables of a frame, and what else its scopes say.

use crate::addr::RunAddr;
use std::sync::Arc;

use super::{Role, Session, Trace, Variable};
use crate::module::function::VariableDeclaration;
use crate::module::program::CodeInfo;
use crate::types::{Name, TypeId};
use crate::value::recover;
use crate::value::{Absent, AbsentReason, Limits, Place, Value, ValueKind};

impl Session {
    /// How many elements an array type has in a frame; `None` where that cannot be told.
    pub fn element_count(&self, trace: &Trace, frame: usize, array: TypeId) -> Option<u64> {
        let context = self.context(trace, frame);
        self.decoder(&context, &Limits::default()).array_count(array).ok()?
    }

    /// An array as a frame has it whose bounds are not just a count, or whose elements are elsewhere: where they are, and
    /// its type with every bound fixed. `None` where the type alone says all that.
    pub fn array_in_memory(
        &self,
        trace: &Trace,
        frame: usize,
        array: TypeId,
        at: RunAddr,
    ) -> Option<Result<(RunAddr, TypeId), Absent>> {
        let context = self.context(trace, frame);
        self.decoder(&context, &Limits::default()).array_in_memory(array, at)
    }

    /// The scopes of a frame, innermost first, and the function that they are in.
    pub(super) fn scopes(&self, trace: &Trace, frame: usize) -> Option<(Arc<CodeInfo>, usize)> {
        let frame = trace.frames.get(frame)?;
        let info = self.program.code(frame.lookup);
        (frame.level < info.levels.len()).then_some((info, frame.level))
    }

    /// Arguments and locals of `trace.frames[frame]`, innermost scope first.
    pub fn variables(&self, trace: &Trace, frame: usize, limits: &Limits) -> Vec<Variable> {
        let Some((info, level)) = self.scopes(trace, frame) else { return Vec::new() };
        let Some(function) = &info.function else { return Vec::new() };
        let context = self.context(trace, frame);
        let decoder = self.decoder(&context, limits);
        let scopes = &info.levels[level].scopes;
        let count = scopes.iter().map(|scope| function.variables(&*self.program, *scope).len()).sum();
        let mut variables = Vec::with_capacity(count);
        let mut listed = Vec::with_capacity(count);
        for (inner, scope) in scopes.iter().enumerate() {
            let scope_depth = scopes.len() - 1 - inner;
            for declaration in function.variables(&*self.program, *scope) {
                if let Some(origin) = declaration.origin {
                    // Where a function was split, an inner scope may have what is the outer one's in the source.
                    if origin == declaration.die && listed.contains(&origin) {
                        continue;
                    }
                    listed.push(origin);
                }
                let resolved = self.variable_type(declaration).map(|found| self.instantiated(trace, frame, found));
                let (place, provenance) = context.variable(declaration, resolved.and_then(|(_, size)| size));
                let value = match (place, resolved) {
                    (_, None) => self.absent(Absent::because(AbsentReason::NoDebugInfo, "its type is not described")),
                    (Ok(place), Some((type_id, _))) => decoder.value(&place, type_id),
                    (Err(absent), Some((type_id, _))) => Value { type_id, kind: ValueKind::Absent(absent) },
                };
                variables.push(Variable {
                    name: declaration.name.clone(),
                    role: declaration.role,
                    type_id: resolved.map(|(type_id, _)| type_id),
                    decl_line: declaration.decl_line,
                    scope_depth,
                    provenance,
                    value,
                });
            }
        }
        variables
    }

    fn absent(&self, absent: Absent) -> Value {
        Value { type_id: self.types.make_void(crate::types::Language::Other), kind: ValueKind::Absent(absent) }
    }

    pub(super) fn variable_type(&self, declaration: &VariableDeclaration) -> Option<(TypeId, Option<u64>)> {
        *declaration.resolved.get_or_init(|| {
            let type_id = self.types.of_die(declaration.type_die?);
            Some((type_id, self.types.size(type_id)))
        })
    }

    /// A frame's variable by name, innermost scope first: its place and type.
    pub fn find_variable(&self, trace: &Trace, frame: usize, name: &str) -> Option<(Result<Place, Absent>, TypeId)> {
        let declared = self.declaration(trace, frame, name)?;
        let (type_id, size) = self.instantiated(trace, frame, self.variable_type(&declared)?);
        Some((self.context(trace, frame).variable(&declared, size).0, type_id))
    }

    /// What a parameter of a frame's function held at the function's entry; `None`: there is no such parameter.
    pub fn value_at_entry(&self, trace: &Trace, frame: usize, name: &str) -> Option<(Result<Place, Absent>, TypeId)> {
        let declared = self.declaration(trace, frame, name).filter(|declared| declared.role == Role::Argument)?;
        let (type_id, size) = self.instantiated(trace, frame, self.variable_type(&declared)?);
        Some((recover::parameter_at_entry(&self.context(trace, frame), &declared, size), type_id))
    }

    pub(super) fn declaration(&self, trace: &Trace, frame: usize, name: &str) -> Option<Arc<VariableDeclaration>> {
        let (info, level) = self.scopes(trace, frame)?;
        let function = info.function.as_ref()?;
        let scopes = info.levels[level].scopes.iter();
        let mut named = scopes
            .flat_map(|scope| function.variables(&*self.program, *scope).iter().rev())
            .filter(|declaration| declaration.name == name)
            .peekable();
        // What stood in a block that was dropped hides nothing.
        let first = named.peek().copied();
        named.find(|declaration| !declaration.of_dropped_block).or(first).cloned()
    }

    /// Names of the namespaces and classes around a frame's function, outermost first.
    pub fn namespaces(&self, trace: &Trace, frame: usize) -> Vec<String> {
        let Some((info, level)) = self.scopes(trace, frame) else { return Vec::new() };
        let scope = info.levels[level].scopes.last();
        let scope =
            info.function.as_ref().zip(scope).and_then(|(function, index)| function.scopes.get(*index as usize));
        let Some(scope) = scope else { return Vec::new() };
        // A method stands in its class only where it is declared.
        let mut declared = scope.die;
        crate::module::function::each_origin(&*self.program, scope.die, |unit, entry| {
            declared = unit.die(entry.offset());
            false
        });
        let name = self.program.qualified_name(declared).unwrap_or_default();
        let mut parts: Vec<String> = crate::module::names::components(&name).into_iter().map(str::to_owned).collect();
        parts.pop();
        parts
    }

    /// Types of a frame's variables.
    pub fn variable_types(&self, trace: &Trace, frame: usize) -> Vec<TypeId> {
        let Some((info, level)) = self.scopes(trace, frame) else { return Vec::new() };
        let Some(function) = &info.function else { return Vec::new() };
        let scopes = info.levels[level].scopes.iter();
        let declared = scopes.flat_map(|scope| function.variables(&*self.program, *scope));
        declared.filter_map(|declaration| Some(self.variable_type(declaration)?.0)).collect()
    }

    /// Names of a frame's variables, innermost scope first.
    pub fn variable_names(&self, trace: &Trace, frame: usize) -> Vec<Name> {
        let Some((info, level)) = self.scopes(trace, frame) else { return Vec::new() };
        let Some(function) = &info.function else { return Vec::new() };
        let scopes = info.levels[level].scopes.iter();
        scopes.flat_map(|scope| function.variables(&*self.program, *scope)).map(|found| found.name.clone()).collect()
    }
}
