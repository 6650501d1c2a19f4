//! Backwards through a function: from a register at an instruction to what its value was made from.
//!
//! The walk follows straight-line code alone. Where another path joins, or a call may have changed the register, it
//! ends with what is known there; so every [`Sum`] holds for each run that reached the instruction. What a variable's
//! location list names on the way ends the walk too: a name is what is looked for.

use std::collections::HashSet;

use super::case::Case;
use crate::addr::RunAddr;
use crate::arch::operation::{self, Address, Effect, Flow, Operation, Source};
use crate::arch::{Arch, DwarfRegister};
use crate::session::Role;
use crate::types::{Name, TypeId};

/// Bytes of a function that are decoded.
const MAX_CODE: u64 = 64 << 10;
/// Sums within sums.
const MAX_DEPTH: usize = 12;
/// Terms of one sum.
const MAX_TERMS: usize = 8;
/// Instructions that one question walks over.
const MAX_STEPS: usize = 4096;

/// A function's instructions.
pub struct Body {
    /// In order.
    pub operations: Vec<Operation>,
    joins: HashSet<u64>,
    /// The register that addresses the frame, where the function sets one up.
    frame_pointer: Option<DwarfRegister>,
}

impl Body {
    /// Decodes from `start` to `end`.
    pub(super) fn read(case: &Case<'_>, start: RunAddr, end: RunAddr) -> Option<Body> {
        let length = end.0.checked_sub(start.0)?.min(MAX_CODE);
        let bytes = code(case, start, length);
        let arch = case.arch();
        let mut operations: Vec<Operation> = Vec::new();
        let mut joins = HashSet::new();
        let mut at = 0usize;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let address = RunAddr(start.0 + at as u64);
            let Some(operation) = operation::decode(arch, rest, address) else { break };
            at += operation.length.max(1);
            if !matches!(operation.flow, Flow::Call | Flow::IndirectCall) {
                joins.extend(operation.target.map(|target| target.0));
            }
            operations.push(operation);
        }
        let (sp, fp) = (arch.sp(), arch.fp());
        let sets_frame = operations.iter().take(12).any(|operation| match operation.effect_on(fp) {
            Some(Effect::Set(Source::Register(from, ..))) => from == sp,
            Some(Effect::Set(Source::Address(address))) => address.base == Some(sp),
            _ => false,
        });
        Some(Body { operations, joins, frame_pointer: sets_frame.then_some(fp) })
    }

    /// The instruction at the address.
    pub fn index_of(&self, at: u64) -> Option<usize> {
        self.operations.binary_search_by_key(&at, |operation| operation.at.0).ok()
    }

    /// The instruction that ends at the address: the call that returns there.
    pub fn index_ending_at(&self, at: u64) -> Option<usize> {
        let index = self.operations.partition_point(|operation| operation.at.0 < at).checked_sub(1)?;
        self.operations.get(index).filter(|operation| operation.end().0 == at).map(|_| index)
    }

    /// Whether the register addresses the frame.
    pub fn is_frame_register(&self, arch: Arch, register: DwarfRegister) -> bool {
        register == arch.sp() || self.frame_pointer == Some(register)
    }
}

/// What there is of the code; a hole ends it.
fn code(case: &Case<'_>, start: RunAddr, length: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < length {
        let at = RunAddr(start.0 + bytes.len() as u64);
        match case.memory().piece(at, (length - bytes.len() as u64) as usize) {
            Ok(piece) => bytes.extend_from_slice(piece),
            Err(_) => break,
        }
    }
    bytes
}

/// Something that a value is made from.
#[derive(Clone, PartialEq, Debug)]
pub enum Term {
    /// A register's content in the frame.
    Register(DwarfRegister),
    /// A variable, by name.
    Variable(Name, Role, TypeId),
    /// What was in memory.
    Load {
        /// Where.
        address: Box<Sum>,
        /// Bytes.
        size: u8,
        /// Sign-extended.
        signed: bool,
    },
    /// What the call that returns to the address returned.
    Result(RunAddr, Option<RunAddr>),
    /// A register's content when the function was entered.
    Entry(DwarfRegister),
    /// A product.
    Product(Box<(Sum, Sum)>),
    /// The lower four bytes of what was computed, extended again; sign-extended where `true`.
    Narrow(Box<Sum>, bool),
}

/// A constant, and terms with their factors.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Sum {
    /// The constant.
    pub constant: i64,
    /// The terms.
    pub terms: Vec<(i64, Term)>,
}

impl Sum {
    fn of(term: Term) -> Sum {
        Sum { constant: 0, terms: vec![(1, term)] }
    }

    /// The term that it is, alone.
    pub fn single(&self) -> Option<&Term> {
        match self.terms.as_slice() {
            [(1, term)] if self.constant == 0 => Some(term),
            _ => None,
        }
    }

    /// As what four bytes of it are, extended again. What is exact in four bytes stays what it is.
    fn narrow(mut self, signed: bool) -> Option<Sum> {
        if let ([(1, term)], 0) = (self.terms.as_mut_slice(), self.constant) {
            match term {
                Term::Load { size: 4, signed: extended, .. } => *extended |= signed,
                Term::Narrow(_, extended) => *extended = signed,
                Term::Product(_) => return Some(Sum::of(Term::Narrow(Box::new(self), signed))),
                _ => {}
            }
            return Some(self);
        }
        if self.terms.is_empty() {
            let lower = self.constant as u32;
            self.constant = if signed { i64::from(lower as i32) } else { i64::from(lower) };
            return Some(self);
        }
        // Within four bytes it is the same when a part was narrowed before.
        let mut flat = Sum { constant: self.constant, terms: Vec::new() };
        for (times, term) in self.terms {
            let part = match term {
                Term::Narrow(inner, _) => *inner,
                other => Sum::of(other),
            };
            flat = flat.plus(part, times)?;
        }
        Some(Sum::of(Term::Narrow(Box::new(flat), signed)))
    }

    fn product(self, other: Sum) -> Sum {
        match (self.terms.is_empty(), other.terms.is_empty()) {
            (true, _) => other.times(self.constant),
            (_, true) => self.times(other.constant),
            _ => Sum::of(Term::Product(Box::new((self, other)))),
        }
    }

    fn plus(mut self, other: Sum, factor: i64) -> Option<Sum> {
        self.constant = self.constant.wrapping_add(other.constant.wrapping_mul(factor));
        for (times, term) in other.terms {
            let times = times.wrapping_mul(factor);
            match self.terms.iter_mut().find(|(_, known)| *known == term) {
                Some((known, _)) => *known = known.wrapping_add(times),
                None => self.terms.push((times, term)),
            }
        }
        self.terms.retain(|(times, _)| *times != 0);
        (self.terms.len() <= MAX_TERMS).then_some(self)
    }

    fn times(mut self, factor: i64) -> Sum {
        self.constant = self.constant.wrapping_mul(factor);
        for (times, _) in &mut self.terms {
            *times = times.wrapping_mul(factor);
        }
        self.terms.retain(|(times, _)| *times != 0);
        self
    }
}

/// Walks back from an instruction of a frame's function.
pub struct Tracer<'a> {
    /// The case.
    pub case: &'a Case<'a>,
    /// The machine frame.
    pub machine: usize,
    /// Its function.
    pub body: std::sync::Arc<Body>,
    /// Where the frame stands: the faulting instruction, or the call that it is in.
    pub here: usize,
    /// End at variables' names; without it the walk goes on to where their values came from.
    pub names: bool,
    steps: std::cell::Cell<usize>,
    /// Names that begin with two underscores, which are a library's, do not end the walk, nor does `this` of a method that was
    /// inlined.
    pub past_reserved: std::cell::Cell<bool>,
}

impl<'a> Tracer<'a> {
    /// For a frame. One that a tail call replaced has no registers and no call any more: nothing is known of it.
    pub fn of_frame(case: &'a Case<'a>, frame: usize) -> Option<Tracer<'a>> {
        let frame = case.frame(frame).filter(|frame| frame.tail_call.is_none())?;
        Tracer::new(case, frame.machine)
    }

    /// For a machine frame; `None` where its code is not at hand.
    pub fn new(case: &'a Case<'a>, machine: usize) -> Option<Tracer<'a>> {
        let frame = case.trace.stack.frames.get(machine)?;
        let body = case.body(frame.lookup)?;
        let here =
            if frame.pc == frame.lookup { body.index_of(frame.pc.0)? } else { body.index_ending_at(frame.pc.0)? };
        Some(Tracer {
            case,
            machine,
            body,
            here,
            names: true,
            steps: std::cell::Cell::new(0),
            past_reserved: std::cell::Cell::new(false),
        })
    }

    /// The same, past variables' names.
    pub fn without_names(mut self) -> Tracer<'a> {
        self.names = false;
        self
    }

    /// The instruction that the frame stands at.
    pub fn operation(&self) -> Option<&Operation> {
        self.body.operations.get(self.here)
    }

    /// Whether the frame's own function has an object (`this`), and not only what was inlined into it.
    pub fn is_method(&self) -> bool {
        let frames = self.case.trace.frames.iter().enumerate();
        let own = frames.filter(|(_, frame)| frame.machine == self.machine).map(|(index, _)| index).next_back();
        own.is_some_and(|index| {
            self.case.session.variable_names(&self.case.trace, index).iter().any(|name| &**name == "this")
        })
    }

    /// An address as the instruction at `index` computes it.
    pub fn address(&self, address: &Address, index: usize) -> Option<Sum> {
        self.address_within(address, index, 0)
    }

    /// A source's value when the instruction at `index` is about to run.
    pub fn source(&self, source: &Source, index: usize) -> Option<Sum> {
        self.source_within(source, index, 0)
    }

    fn address_within(&self, address: &Address, index: usize, depth: usize) -> Option<Sum> {
        if address.segment.is_some() {
            return None;
        }
        let mut sum = Sum { constant: address.displacement, terms: Vec::new() };
        if let Some(base) = address.base {
            sum = sum.plus(self.register(base, index, depth)?, 1)?;
        }
        if let Some((register, scale)) = address.index {
            sum = sum.plus(self.register(register, index, depth)?, i64::try_from(scale).ok()?)?;
        }
        Some(sum)
    }

    fn source_within(&self, source: &Source, index: usize, depth: usize) -> Option<Sum> {
        match source {
            Source::Constant(constant) => Some(Sum { constant: *constant, terms: Vec::new() }),
            Source::Address(address) => self.address_within(address, index, depth + 1),
            Source::Register(register, size, signed) => {
                let sum = self.register(*register, index, depth + 1)?;
                let whole = usize::from(*size) >= self.case.arch().address_size();
                // A smaller part of a register: only of what was loaded or named with that size is it the same.
                (whole || *size == 4 || sum.terms.len() == 1 && sum.constant == 0).then_some(())?;
                let sum = if !whole && *size == 4 { sum.narrow(*signed)? } else { sum };
                Some(sum)
            }
            Source::Memory(address, size, signed) => {
                let address = Box::new(self.address_within(address, index, depth + 1)?);
                Some(Sum::of(Term::Load { address, size: *size, signed: *signed }))
            }
        }
    }

    /// A register's value when the instruction at `index` is about to run.
    pub fn register(&self, register: DwarfRegister, index: usize, depth: usize) -> Option<Sum> {
        let arch = self.case.arch();
        if self.body.is_frame_register(arch, register) {
            let moved = if register == arch.sp() { self.stack_moved(index)? } else { 0 };
            return Some(Sum { constant: moved.wrapping_neg(), ..Sum::of(Term::Register(register)) });
        }
        if depth > MAX_DEPTH {
            return None;
        }
        let mut at = index;
        loop {
            self.steps.set(self.steps.get() + 1);
            if self.steps.get() > MAX_STEPS {
                return None;
            }
            let here = self.body.operations.get(at)?.at;
            if self.names
                && let Some((name, role, type_id)) = self.case.session.variable_in_register(here, register)
            {
                // A library's own name, of a call that was inlined, says less than what it was passed.
                let is_others = || name.starts_with("__") || &*name == "this" && !self.is_method();
                if !(self.past_reserved.get() && is_others()) {
                    return Some(Sum::of(Term::Variable(name, role, type_id)));
                }
            }
            if at == 0 {
                return Some(Sum::of(Term::Entry(register)));
            }
            let before = self.body.operations.get(at - 1)?;
            let joined = self.body.joins.contains(&here.0);
            if joined || !before.falls_through() {
                return self.unchanged(register, at);
            }
            at -= 1;
            match before.flow {
                Flow::Call | Flow::IndirectCall | Flow::SystemCall => {
                    if register == result_register(arch) && before.flow != Flow::SystemCall {
                        return Some(Sum::of(Term::Result(before.end(), before.target)));
                    }
                    if !arch.is_callee_saved(register) {
                        return None;
                    }
                    continue;
                }
                _ => {}
            }
            let Some(effect) = before.effect_on(register) else { continue };
            return match effect {
                Effect::Set(source) => self.source_within(&source, at, depth + 1),
                Effect::Add(source) => {
                    let sum = self.register(register, at, depth + 1)?;
                    sum.plus(self.source_within(&source, at, depth + 1)?, 1)
                }
                Effect::Subtract(source) => {
                    let sum = self.register(register, at, depth + 1)?;
                    sum.plus(self.source_within(&source, at, depth + 1)?, -1)
                }
                Effect::Product(one, other) => {
                    let one = self.source_within(&one, at, depth + 1)?;
                    Some(one.product(self.source_within(&other, at, depth + 1)?))
                }
                Effect::Multiply(factor) => Some(self.register(register, at, depth + 1)?.times(factor)),
                Effect::Unknown => self.unchanged(register, at + 1),
            };
        }
    }

    /// By how much the stack pointer changed between the instruction at `index` and where the frame stands: by pushes of
    /// arguments. Where the code between them does not run straight on, it is taken to be as it was.
    fn stack_moved(&self, index: usize) -> Option<i64> {
        let Some(between) = self.body.operations.get(index..self.here) else { return Some(0) };
        if !between.iter().all(Operation::falls_through) {
            return Some(0);
        }
        let mut moved = 0i64;
        for operation in between {
            match operation.effect_on(self.case.arch().sp()) {
                None => {}
                Some(Effect::Add(Source::Constant(by))) => moved = moved.wrapping_add(by),
                Some(Effect::Subtract(Source::Constant(by))) => moved = moved.wrapping_sub(by),
                Some(_) => return None,
            }
        }
        Some(moved)
    }

    /// The register itself, where nothing changed it between `index` and where the frame stands.
    fn unchanged(&self, register: DwarfRegister, index: usize) -> Option<Sum> {
        let between = self.body.operations.get(index..self.here)?;
        let callee_saved = self.case.arch().is_callee_saved(register);
        let changed = between.iter().any(|operation| {
            operation.effect_on(register).is_some()
                || !callee_saved && matches!(operation.flow, Flow::Call | Flow::IndirectCall | Flow::SystemCall)
        });
        (!changed).then(|| Sum::of(Term::Register(register)))
    }

    /// What a sum comes to, with the frame's registers and memory as they are now.
    pub fn value(&self, sum: &Sum) -> Option<u64> {
        self.value_within(sum, 0)
    }

    fn value_within(&self, sum: &Sum, depth: usize) -> Option<u64> {
        let mut total = sum.constant as u64;
        for (factor, term) in &sum.terms {
            let value = self.term_within(term, depth)?;
            total = total.wrapping_add(value.wrapping_mul(*factor as u64));
        }
        Some(if self.case.arch() == Arch::I386 { total & 0xffff_ffff } else { total })
    }

    /// What a term comes to.
    pub fn term(&self, term: &Term) -> Option<u64> {
        self.term_within(term, 0)
    }

    fn term_within(&self, term: &Term, depth: usize) -> Option<u64> {
        if depth > MAX_DEPTH {
            return None;
        }
        match term {
            Term::Register(register) => self.case.registers(self.machine)?.get(*register),
            Term::Variable(name, _, type_id) => self.variable(name, *type_id),
            Term::Load { address, size, signed } => {
                let address = self.value_within(address, depth + 1)?;
                let size = usize::from(*size).min(8);
                let value = self.case.memory().read_uint(RunAddr(address), size).ok()?;
                let shift = 64 - size as u32 * 8;
                Some(if *signed && size > 0 { ((value << shift) as i64 >> shift) as u64 } else { value })
            }
            // Still there, where nothing changed it since.
            Term::Entry(register) => {
                self.unchanged(*register, 0)?;
                self.case.registers(self.machine)?.get(*register)
            }
            Term::Result(..) => None,
            Term::Product(both) => {
                let (one, other) = (self.value_within(&both.0, depth + 1)?, self.value_within(&both.1, depth + 1)?);
                Some(one.wrapping_mul(other))
            }
            Term::Narrow(sum, signed) => {
                let lower = self.value_within(sum, depth + 1)? as u32;
                Some(if *signed { i64::from(lower as i32) as u64 } else { u64::from(lower) })
            }
        }
    }

    /// A variable's value, extended as its type says.
    fn variable(&self, name: &Name, type_id: TypeId) -> Option<u64> {
        let frames = self.case.trace.frames.iter().enumerate();
        let mut frames = frames.filter(|(_, frame)| frame.machine == self.machine && frame.tail_call.is_none());
        let (place, _) =
            frames.find_map(|(index, _)| self.case.session.find_variable(&self.case.trace, index, name))?;
        super::names::integer(self.case, &place.ok()?, type_id)
    }
}

/// Where a call's result is (System V psABIs, AAPCS64).
pub fn result_register(_arch: Arch) -> DwarfRegister {
    0
}

/// The registers that integer and pointer arguments are passed in, in their order.
pub fn argument_registers(arch: Arch) -> &'static [DwarfRegister] {
    match arch {
        Arch::X86_64 => &[5, 4, 1, 2, 8, 9],
        Arch::Aarch64 => &[0, 1, 2, 3, 4, 5, 6, 7],
        Arch::I386 => &[],
    }
}
