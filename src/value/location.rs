//! DWARF location expressions, evaluated into a [`Place`].
//!
//! An expression is evaluated in a frame: its registers, its CFA, its caller's call sites. A register of a caller's
//! frame counts only if unwinding restored it, if the ABI preserves it, or if the compiler's own location says that
//! the variable is still there after the call; otherwise an inner call may have overwritten it, and the answer is an
//! [`Absent`], never the garbage that the register holds now.

mod pieces;
mod registers;
mod simple;

use std::cell::{Cell, OnceCell};
use std::sync::Arc;

use gimli::EvaluationResult;

use self::pieces::{base_type, has_constants_alone, number_of, typed, typed_or_bare};
use super::{Absent, AbsentReason, Place, PlaceBytes, Provenance};
use crate::addr::{FileAddr, RunAddr};
use crate::arch::{Arch, DwarfRegister, RegisterState};
use crate::memory::Memory;
use crate::module::function::{LocationSource, VariableDeclaration};
use crate::module::program::{CodeInfo, Program};
use crate::module::unit::{Unit, Units};
use crate::module::{DieRef, Expression, ModuleId};
use crate::unwind::{MachineFrame, Trust};

/// `DW_OP_stack_value`
const STACK_VALUE: u8 = 0x9f;
/// Operations that one expression may run.
const MAX_OPERATIONS: u32 = 10_000;
/// Expressions inside expressions (frame bases, entry values, implicit pointers).
const MAX_NESTING: u32 = 24;
/// Bytes that a place put together from pieces may have.
const MAX_PLACE_BYTES: u64 = 1 << 20;

/// What an expression came to.
enum Outcome {
    Address(u64),
    Place(PlaceBytes),
}

/// Where expressions are evaluated: a machine frame in its stack, or no frame at all (for globals).
pub struct Context<'a> {
    /// The modules.
    pub program: &'a Program,
    /// The target's memory.
    pub memory: &'a dyn Memory,
    /// The processor.
    pub arch: Arch,
    /// The thread's machine frames.
    pub frames: &'a [MachineFrame],
    /// Which of them.
    pub at: usize,
    /// What is at that frame's address.
    pub code: Option<Arc<CodeInfo>>,
    /// The thread pointer, where there are no frames.
    pub thread_pointer: Option<u64>,
    /// In a virtual frame that a tail call replaced, no register has a value but the parameters of the call.
    pub(super) tail: Option<super::recover::TailFrame<'a>>,
    frame_base: OnceCell<Result<u64, Absent>>,
    addresses: OnceCell<Option<(FileAddr, FileAddr)>>,
    resumes_in_function: OnceCell<bool>,
    nesting: Cell<u32>,
    /// The register under evaluation may be used even if an inner call may have changed it: its location says that
    /// it survives.
    survives_call: Cell<bool>,
    /// The call that the frame is in returns into the scope of the variable under evaluation. Where it does not (the
    /// call ends the scope), a location says nothing of what is left after it.
    resumes_in_scope: Cell<bool>,
    provenance: Cell<Provenance>,
}

impl<'a> Context<'a> {
    /// In frame `at` of `frames`.
    pub fn in_frame(
        program: &'a Program,
        memory: &'a dyn Memory,
        arch: Arch,
        frames: &'a [MachineFrame],
        at: usize,
    ) -> Context<'a> {
        let code = frames.get(at).map(|frame| program.code(frame.lookup));
        Context { frames, at, code, ..Context::without_frame(program, memory, arch) }
    }

    /// In a frame between `frames[callee]` and its caller that a tail call replaced.
    pub fn in_tail_call(
        program: &'a Program,
        memory: &'a dyn Memory,
        arch: Arch,
        frames: &'a [MachineFrame],
        callee: usize,
        tail: &super::recover::TailCall,
    ) -> Context<'a> {
        let lookup = tail.lookup.to_run(program.bias(tail.function().die.module));
        let (code, tail) = (Some(program.code(lookup)), Some(tail.frame(callee)));
        Context { frames, at: callee + 1, code, tail, ..Context::without_frame(program, memory, arch) }
    }

    /// For globals.
    pub fn without_frame(program: &'a Program, memory: &'a dyn Memory, arch: Arch) -> Context<'a> {
        Context {
            program,
            memory,
            arch,
            frames: &[],
            at: 0,
            code: None,
            thread_pointer: None,
            tail: None,
            frame_base: OnceCell::new(),
            addresses: OnceCell::new(),
            resumes_in_function: OnceCell::new(),
            nesting: Cell::new(0),
            survives_call: Cell::new(false),
            resumes_in_scope: Cell::new(true),
            provenance: Cell::new(Provenance::Location),
        }
    }

    /// The same place for an expression inside the one under evaluation; `None` where they nest too deeply.
    pub(super) fn nested(&self) -> Option<Context<'a>> {
        if self.nesting.get() >= MAX_NESTING {
            return None;
        }
        let nested = Context {
            frames: self.frames,
            at: self.at,
            code: self.code.clone(),
            thread_pointer: self.thread_pointer,
            ..Context::without_frame(self.program, self.memory, self.arch)
        };
        nested.nesting.set(self.nesting.get() + 1);
        Some(nested)
    }

    /// Lets a call site's expression use what its compiler knows the call to leave alone: GCC describes what holds behind
    /// the call (var-tracking.cc, MO_CALL, GCC 4.7 to 15), LLVM names nothing but what the ABI preserves.
    pub(super) fn behind_its_call(self) -> Context<'a> {
        self.survives_call.set(self.resumes_in_function());
        self
    }

    pub(super) fn frame(&self) -> Option<&'a MachineFrame> {
        self.frames.get(self.at)
    }

    pub(super) fn note_provenance(&self, found: Provenance) {
        if self.provenance.get() == Provenance::Location {
            self.provenance.set(found);
        }
    }

    /// A variable's place, and how it was found.
    pub fn variable(&self, variable: &VariableDeclaration, size: Option<u64>) -> (Result<Place, Absent>, Provenance) {
        self.provenance.set(Provenance::Location);
        let Some(unit) = self.program.unit(variable.die) else {
            return (Err(Absent::new(AbsentReason::NoDebugInfo)), Provenance::Location);
        };
        self.resumes_in_scope.set(self.resumes_within(&variable.scope));
        let found = self.source(&variable.location, unit, size);
        self.resumes_in_scope.set(true);
        let found = match found {
            // What has no size has but one value, wherever it is.
            Err(absent) if size == Some(0) && absent.why == AbsentReason::OptimizedOut => {
                return (Ok(Place::Bytes(PlaceBytes::default())), Provenance::Inferred);
            }
            Err(absent) => super::recover::immutable_parameter(self, variable, size).unwrap_or(Err(absent)),
            found => found,
        };
        (found, self.provenance.get())
    }

    /// The place that a location attribute names at this frame's address. `size` is the object's, in bytes.
    pub fn source(&self, source: &LocationSource, unit: &Unit, size: Option<u64>) -> Result<Place, Absent> {
        let constant = |bytes: Vec<u8>| Ok(Place::Bytes(PlaceBytes { data: bytes, ..PlaceBytes::default() }));
        match source {
            LocationSource::None => Err(Absent::new(AbsentReason::OptimizedOut)),
            // Of an object that is zero, LLVM says just that, however large it is.
            LocationSource::Number(0) => constant(vec![0; size.unwrap_or(8).min(MAX_PLACE_BYTES) as usize]),
            LocationSource::Number(number) => {
                let size = size.unwrap_or(8).min(16) as usize;
                constant(i128::from(*number).to_le_bytes()[..size].to_vec())
            }
            LocationSource::Block(block) => constant(block.to_vec()),
            LocationSource::String(text) => constant([text, &[0][..]].concat()),
            LocationSource::Expression(expression) => {
                self.survives_call.set(self.resumes_in_function());
                self.place(expression, unit, size)
            }
            LocationSource::List(_) => {
                let (lookup, resume) = self.addresses().ok_or_else(|| Absent::new(AbsentReason::OptimizedOut))?;
                let Some(expression) = source.at(lookup.0) else {
                    return Err(Absent::new(AbsentReason::OptimizedOut));
                };
                self.survives_call.set(source.holds_across(lookup.0, resume.0) && self.resumes_in_function());
                self.place(expression, unit, size)
            }
        }
    }

    /// The frame's lookup and resume addresses in its module's space.
    fn addresses(&self) -> Option<(FileAddr, FileAddr)> {
        *self.addresses.get_or_init(|| self.find_addresses())
    }

    fn find_addresses(&self) -> Option<(FileAddr, FileAddr)> {
        if let Some(tail) = &self.tail {
            return Some((tail.lookup, tail.lookup));
        }
        let bias = self.program.bias(self.code.as_ref()?.module?);
        let frame = self.frame()?;
        Some((frame.lookup.to_file(bias), frame.pc.to_file(bias)))
    }

    /// Whether the call that the frame is in can return into the function: it cannot where the compiler put nothing
    /// after it (a call of a noreturn function at the end), and then locations say nothing of "after the call".
    fn resumes_in_function(&self) -> bool {
        let Some(code) = &self.code else { return true };
        let Some(function) = &code.function else { return false };
        let resumes = || self.resumes_within(&function.scopes[0].ranges);
        self.resumes_in_scope.get() && *self.resumes_in_function.get_or_init(resumes)
    }

    /// Whether the address at which the frame goes on is in one of the ranges (or there are none).
    fn resumes_within(&self, ranges: &[(u64, u64)]) -> bool {
        let Some((_, resume)) = self.addresses() else { return true };
        ranges.is_empty() || ranges.iter().any(|(low, high)| (*low..*high).contains(&resume.0))
    }

    /// An expression's value as a number (an array's bound, a member's address with `object` pushed first).
    pub fn number(&self, expression: &[u8], unit: &Unit, object: Option<u64>) -> Result<u64, Absent> {
        match self.run(expression, unit, object, Some(8))? {
            Outcome::Address(address) => Ok(address),
            Outcome::Place(place) => number_of(&place),
        }
    }

    /// An expression of a type (an array's count, a virtual base's place), with `object` pushed first.
    pub fn evaluate_expression(&self, expression: &Expression, object: Option<RunAddr>) -> Result<u64, Absent> {
        let missing = || Absent::because(AbsentReason::NoDebugInfo, "the expression's unit is missing");
        let unit = self.program.unit(expression.unit).ok_or_else(missing)?;
        self.survives_call.set(false);
        self.number(expression.bytes, unit, object.map(|object| object.0))
    }

    /// The integer of `size` bytes (at most 8) where a type's location leads to (a text's length).
    pub fn stored_number(&self, location: &Expression, size: u64) -> Result<u64, Absent> {
        let missing = || Absent::because(AbsentReason::NoDebugInfo, "the expression's unit is missing");
        let unit = self.program.unit(location.unit).ok_or_else(missing)?;
        self.survives_call.set(false);
        match self.place(location.bytes, unit, Some(size))? {
            Place::Memory(address) => Ok(self.memory.read_uint(address, size.min(8) as usize)?),
            Place::Bytes(bytes) => number_of(&bytes),
        }
    }

    /// The integer (at most 8 bytes) that a variable of this frame holds.
    pub fn variable_number(&self, die: DieRef) -> Result<u64, Absent> {
        let missing = || Absent::because(AbsentReason::NoDebugInfo, "the variable that holds a count is missing");
        let unit = self.program.unit(die).ok_or_else(missing)?;
        let mut source = LocationSource::None;
        let mut size = None;
        let mut signed = false;
        // The concrete function's own copy of the variable has the location.
        let concrete = self.concrete_variable(die);
        if let Some(concrete) = &concrete {
            source = concrete.location.clone();
        }
        crate::module::function::each_origin(self.program, die, |unit, entry| {
            if source.is_none() {
                source = LocationSource::of(unit, entry, gimli::DW_AT_location);
            }
            if source.is_none() {
                source = LocationSource::of(unit, entry, gimli::DW_AT_const_value);
            }
            if size.is_none()
                && let Some(type_die) =
                    entry.attr_value(gimli::DW_AT_type).and_then(|value| self.program.reference(unit, value))
            {
                (size, signed) = self.integer_type(type_die);
            }
            false
        });
        let size = size.filter(|size| (1..=8).contains(size)).unwrap_or(8);
        self.resumes_in_scope.set(concrete.as_ref().is_none_or(|concrete| self.resumes_within(&concrete.scope)));
        let unit = concrete.as_ref().and_then(|concrete| self.program.unit(concrete.die)).unwrap_or(unit);
        let bits = match self.source(&source, unit, Some(size))? {
            Place::Memory(address) => self.memory.read_uint(address, size as usize)?,
            Place::Bytes(bytes) => number_of(&bytes)?,
        };
        let unused = 64 - 8 * size as u32;
        Ok(if signed { ((bits << unused) as i64 >> unused) as u64 } else { bits << unused >> unused })
    }

    /// The variable of this frame's function that elaborates (or is) the entry.
    fn concrete_variable(&self, die: DieRef) -> Option<Arc<VariableDeclaration>> {
        let code = self.code.as_ref()?;
        let function = code.function.as_ref()?;
        let scopes = code.levels.iter().flat_map(|level| &level.scopes);
        scopes
            .flat_map(|scope| function.variables(self.program, *scope))
            .find(|variable| variable.die == die || variable.origin == Some(die))
            .cloned()
    }

    /// Size and signedness of an integer type, under typedefs and qualifiers.
    fn integer_type(&self, die: DieRef) -> (Option<u64>, bool) {
        let mut die = die;
        for _ in 0..16 {
            let Some(unit) = self.program.unit(die) else { break };
            let Some(entry) = unit.entry(die.offset) else { break };
            if let Some(size) = entry.attr_value(gimli::DW_AT_byte_size).and_then(|size| size.udata_value()) {
                let signed = matches!(
                    entry.attr_value(gimli::DW_AT_encoding),
                    Some(gimli::AttributeValue::Encoding(gimli::DW_ATE_signed | gimli::DW_ATE_signed_char))
                );
                return (Some(size), signed);
            }
            let target = entry.attr_value(gimli::DW_AT_type);
            match target.and_then(|value| self.program.reference(unit, value)) {
                Some(target) => die = target,
                None => break,
            }
        }
        (None, false)
    }

    /// The content (at most 8 bytes, as they are in a register) that an expression of a call site computes: unlike
    /// other expressions it ends with the value on the stack, which may be a float.
    pub(super) fn content(&self, expression: &[u8], unit: &Unit) -> Result<u64, Absent> {
        let value = [expression, &[STACK_VALUE]].concat();
        match self.run(&value, unit, None, Some(8)) {
            // A float of four bytes leaves the upper half of the register to itself.
            Ok(Outcome::Place(mut place)) => {
                place.holes.retain(|(start, ..)| *start < 4);
                number_of(&place)
            }
            Err(Absent { why: AbsentReason::Corrupt | AbsentReason::Unsupported, .. }) | Ok(Outcome::Address(_)) => {
                self.number(expression, unit, None)
            }
            Err(absent) => Err(absent),
        }
    }

    /// The place of what is at `offset` in a module's thread-local block.
    pub fn thread_local(&self, module: ModuleId, offset: u64) -> Result<RunAddr, Absent> {
        let pointer = self.frame().and_then(|frame| frame.registers.thread_pointer).or(self.thread_pointer);
        super::tls::address(self.program, self.memory, self.arch, module, pointer, offset).map(RunAddr)
    }

    /// Evaluates an expression into a place.
    pub fn place(&self, expression: &[u8], unit: &Unit, size: Option<u64>) -> Result<Place, Absent> {
        if expression.is_empty() {
            return Err(Absent::new(AbsentReason::OptimizedOut));
        }
        if let Some(place) = self.simple(expression, unit, size) {
            return place;
        }
        Ok(match self.run(expression, unit, None, size)? {
            Outcome::Address(address) => Place::Memory(RunAddr(self.arch.strip_pointer(address))),
            Outcome::Place(bytes) => Place::Bytes(bytes),
        })
    }

    fn frame_base(&self) -> Result<u64, Absent> {
        self.frame_base.get_or_init(|| self.compute_frame_base()).clone()
    }

    fn compute_frame_base(&self) -> Result<u64, Absent> {
        let missing = || Absent::because(AbsentReason::NoDebugInfo, "the function has no frame base");
        let function = self.code.as_ref().and_then(|code| code.function.clone()).ok_or_else(missing)?;
        if self.tail.is_some() {
            return Err(Absent::because(AbsentReason::NotSaved, "the frame was replaced by a tail call"));
        }
        let unit = self.program.unit(function.die).ok_or_else(missing)?;
        let address = self.addresses().map_or(0, |(lookup, _)| lookup.0);
        let expression = function.frame_base.at(address).ok_or_else(missing)?;
        let survives = self.survives_call.replace(false);
        let outcome = match expression {
            [0x9c] => self.cfa().map(Outcome::Address),
            [register @ 0x50..=0x6f] => self.register_low(u16::from(register - 0x50)).map(Outcome::Address),
            expression => self.run(expression, unit, None, Some(8)),
        };
        self.survives_call.set(survives);
        match outcome? {
            Outcome::Address(address) => Ok(address),
            Outcome::Place(place) => number_of(&place),
        }
    }

    fn cfa(&self) -> Result<u64, Absent> {
        let cfa = self.frame().filter(|_| self.tail.is_none()).and_then(|frame| frame.cfa);
        cfa.map(|cfa| cfa.0).ok_or_else(|| Absent::because(AbsentReason::NotSaved, "the frame's CFA is not known"))
    }

    fn run(&self, expression: &[u8], unit: &Unit, initial: Option<u64>, size: Option<u64>) -> Result<Outcome, Absent> {
        if self.nesting.get() >= MAX_NESTING {
            return Err(Absent::because(AbsentReason::Corrupt, "location expressions refer to each other in a circle"));
        }
        self.nesting.set(self.nesting.get() + 1);
        let outcome = self.run_nested(expression, unit, initial, size);
        self.nesting.set(self.nesting.get() - 1);
        outcome
    }

    fn run_nested(
        &self,
        expression: &[u8],
        unit: &Unit,
        initial: Option<u64>,
        size: Option<u64>,
    ) -> Result<Outcome, Absent> {
        let reader = gimli::EndianSlice::new(expression, gimli::LittleEndian);
        let mut evaluation = gimli::Evaluation::new(reader, unit.unit.encoding());
        evaluation.set_max_iterations(MAX_OPERATIONS);
        if let Some(value) = initial {
            evaluation.set_initial_value(value);
            evaluation.set_object_address(value);
        }
        let bias = self.program.bias(unit.module);
        let mut step = evaluation.evaluate().map_err(malformed)?;
        loop {
            step = match step {
                EvaluationResult::Complete => break,
                EvaluationResult::RequiresMemory { address, size, base_type, .. } => {
                    let bits = self.memory.read_uint(RunAddr(self.arch.strip_pointer(address)), usize::from(size))?;
                    evaluation.resume_with_memory(typed(unit, base_type, bits)?)
                }
                EvaluationResult::RequiresRegister { register, base_type } => {
                    let value = self.register_low(register.0)?;
                    evaluation.resume_with_register(typed_or_bare(unit, base_type, value, expression, size)?)
                }
                EvaluationResult::RequiresFrameBase => evaluation.resume_with_frame_base(self.frame_base()?),
                EvaluationResult::RequiresCallFrameCfa => evaluation.resume_with_call_frame_cfa(self.cfa()?),
                EvaluationResult::RequiresTls(offset) => {
                    evaluation.resume_with_tls(self.thread_local(unit.module, offset)?.0)
                }
                EvaluationResult::RequiresRelocatedAddress(address) => {
                    evaluation.resume_with_relocated_address(address.wrapping_add(bias.0))
                }
                EvaluationResult::RequiresIndexedAddress { index, relocate } => {
                    let address = unit.dwarf.address(&unit.unit, index).map_err(malformed)?;
                    let bias = if relocate { bias.0 } else { 0 };
                    evaluation.resume_with_indexed_address(address.wrapping_add(bias))
                }
                EvaluationResult::RequiresBaseType(offset) => {
                    evaluation.resume_with_base_type(base_type(unit, offset)?)
                }
                EvaluationResult::RequiresEntryValue(inner) => {
                    let value = super::recover::entry_value(self, inner.0.slice())?;
                    self.note_provenance(Provenance::EntryValue);
                    let value = match super::recover::entry_type(inner.0.slice()) {
                        Some(offset) => typed_or_bare(unit, offset, value, expression, size)?,
                        None => gimli::Value::Generic(value),
                    };
                    evaluation.resume_with_entry_value(value)
                }
                EvaluationResult::RequiresParameterRef(offset) => {
                    let value = super::recover::parameter_value(self, unit.die(offset))?;
                    self.note_provenance(Provenance::EntryValue);
                    evaluation.resume_with_parameter_ref(value)
                }
                EvaluationResult::RequiresAtLocation(reference) => {
                    let inner = self.at_location(unit, reference);
                    // The reader's lifetime is the expression's; an empty one stands for a missing location.
                    let reader = gimli::EndianSlice::new(inner, gimli::LittleEndian);
                    evaluation.resume_with_at_location(reader)
                }
                _ => return Err(Absent::because(AbsentReason::Unsupported, "a location form that is not known")),
            }
            .map_err(malformed)?;
        }
        let pieces = evaluation.result();
        match &pieces[..] {
            [] => Err(Absent::new(AbsentReason::OptimizedOut)),
            [gimli::Piece { size_in_bits: None, location: gimli::Location::Address { address }, .. }] => {
                Ok(Outcome::Address(*address))
            }
            pieces => self.join(pieces, unit, size, has_constants_alone(expression, unit)).map(Outcome::Place),
        }
    }

    fn at_location(&self, unit: &Unit, reference: gimli::DieReference) -> &'static [u8] {
        let die = match reference {
            gimli::DieReference::UnitRef(offset) => Some(unit.die(offset)),
            gimli::DieReference::DebugInfoRef(offset) => {
                self.program.reference(unit, gimli::AttributeValue::DebugInfoRef(offset))
            }
        };
        let Some(die) = die else { return &[] };
        let Some(unit) = self.program.unit(die) else { return &[] };
        let Some(entry) = unit.entry(die.offset) else { return &[] };
        let source = LocationSource::of(unit, &entry, gimli::DW_AT_location);
        source.at(self.addresses().map_or(0, |(lookup, _)| lookup.0)).unwrap_or(&[])
    }
}

fn malformed(error: gimli::Error) -> Absent {
    match error {
        gimli::Error::UnsupportedEvaluation
        | gimli::Error::UnsupportedTypeOperation
        | gimli::Error::InvalidExpression(_) => Absent::because(AbsentReason::Unsupported, error.to_string()),
        error => Absent::because(AbsentReason::Corrupt, error.to_string()),
    }
}
