//! The calls of a function that a frame is in, and what each was given as its first argument.

use crate::addr::RunAddr;
use crate::arch::operation::{self, Address, Effect, Flow, Operation, Source};
use crate::arch::{Arch, DwarfRegister, Registers};
use crate::session::Session;

/// Bytes of a function that are decoded.
const MAX_CODE: u64 = 32 << 10;
/// Instructions that one value is followed over.
const MAX_STEPS: usize = 2048;
/// Values within values.
const MAX_DEPTH: usize = 24;

/// A function's instructions.
pub(super) struct Code {
    operations: Vec<Operation>,
    end: RunAddr,
}

/// A frame in a function.
pub(super) struct Position<'a> {
    session: &'a Session,
    code: &'a Code,
    registers: &'a Registers,
    /// The instruction that the frame stands at: its call.
    pub here: usize,
}

impl Code {
    /// The function that the address is in.
    pub fn read(session: &Session, at: RunAddr) -> Option<Code> {
        let (start, end) = session.function_extent(at)?;
        let length = end.0.checked_sub(start.0).filter(|length| *length <= MAX_CODE)?;
        let bytes = session.memory().read_vec(start, length as usize).ok()?;
        let mut operations = Vec::new();
        let mut offset = 0usize;
        while let Some(rest) = bytes.get(offset..).filter(|rest| !rest.is_empty()) {
            let operation = operation::decode(session.image.arch, rest, RunAddr(start.0 + offset as u64))?;
            offset += operation.length.max(1);
            operations.push(operation);
        }
        Some(Code { operations, end })
    }

    /// Calls, and jumps out of the function in place of a last call: where, and the functions' names.
    pub fn calls(&self, session: &Session) -> Vec<(usize, String)> {
        let start = self.operations.first().map_or(self.end, |first| first.at);
        let is_call = |operation: &Operation| match operation.flow {
            Flow::Call | Flow::IndirectCall => true,
            Flow::Jump => operation.target.is_some_and(|target| !(start..self.end).contains(&target)),
            _ => false,
        };
        let calls = self.operations.iter().enumerate().filter(|(_, operation)| is_call(operation));
        calls.filter_map(|(index, operation)| Some((index, callee(session, operation)?))).collect()
    }

    /// Whether who comes to `there` has passed `from`: nothing in front of it leads past it.
    pub fn is_passed(&self, from: usize, there: usize) -> bool {
        let index_of = |at: RunAddr| self.operations.binary_search_by_key(&at, |operation| operation.at).ok();
        let mut leaves = false;
        for operation in self.operations.iter().take(from) {
            match jump(operation).map(index_of) {
                // What a jump through a register leads to is not known.
                _ if operation.flow == Flow::IndirectJump => return false,
                Some(Some(to)) if to > from && to <= there => return false,
                Some(Some(to)) if to > there => leaves = true,
                _ => {}
            }
        }
        let comes_back = || {
            let behind = self.operations.iter().skip(there + 1).filter_map(jump).filter_map(index_of);
            behind.into_iter().any(|to| to > from && to <= there)
        };
        !(leaves && comes_back())
    }
}

fn jump(operation: &Operation) -> Option<RunAddr> {
    operation.target.filter(|_| matches!(operation.flow, Flow::Jump | Flow::Branch))
}

/// The name of the function that is called, without what a linkage table adds.
fn callee(session: &Session, operation: &Operation) -> Option<String> {
    let target = match (operation.target, operation.through) {
        (Some(target), _) => target,
        (None, Some(Source::Memory(Address { base: None, index: None, displacement, segment: None }, ..))) => {
            let size = session.image.arch.address_size();
            RunAddr(session.memory().read_uint(RunAddr(displacement as u64), size).ok()?)
        }
        _ => return None,
    };
    let code = session.code(target).into_iter().next_back()?;
    let name = code.function.as_deref()?;
    Some(name.strip_suffix("@plt").unwrap_or(name).to_owned())
}

impl<'a> Position<'a> {
    /// Of a frame whose next instruction is at `pc`; `is_call`: it stands in the call before that.
    pub fn new(
        session: &'a Session,
        code: &'a Code,
        registers: &'a Registers,
        pc: RunAddr,
        is_call: bool,
    ) -> Option<Position<'a>> {
        let next = code.operations.partition_point(|operation| operation.at < pc);
        let here = if is_call { next.checked_sub(1)? } else { next };
        let stands = code.operations.get(here)?;
        let is_it = if is_call { stands.end() == pc } else { stands.at == pc };
        is_it.then_some(Position { session, code, registers, here })
    }

    /// The first or second argument (0, 1) of the call at `index`, which is none behind the frame's own; with the frame's
    /// registers and memory as they are now.
    pub fn argument(&self, index: usize, which: usize) -> Option<u64> {
        let registers: [DwarfRegister; 2] = match self.session.image.arch {
            Arch::X86_64 => [5, 4],
            Arch::Aarch64 => [0, 1],
            Arch::I386 => return None,
        };
        let register = *registers.get(which)?;
        let mut steps = 0;
        self.register(register, index, 0, &mut steps)
    }

    fn register(&self, register: DwarfRegister, index: usize, depth: usize, steps: &mut usize) -> Option<u64> {
        let arch = self.session.image.arch;
        if register == arch.sp() {
            return self.registers.get(register);
        }
        if let Some(value) = self.unchanged(register, index) {
            return Some(value);
        }
        let mut at = index;
        while at > 0 && depth <= MAX_DEPTH {
            *steps += 1;
            let here = self.code.operations.get(at)?.at;
            let before = self.code.operations.get(at - 1)?;
            let is_joined = self.code.operations.iter().any(|operation| jump(operation) == Some(here));
            if *steps > MAX_STEPS || is_joined || !before.falls_through() {
                return None;
            }
            at -= 1;
            if matches!(before.flow, Flow::Call | Flow::IndirectCall | Flow::SystemCall) {
                arch.is_callee_saved(register).then_some(())?;
                continue;
            }
            let Some(effect) = before.effect_on(register) else { continue };
            let (depth, own) = (depth + 1, Source::Register(register, 8, false));
            let mut value = |source: &Source| self.source(source, at, depth, steps);
            return Some(match effect {
                Effect::Set(source) => value(&source)?,
                Effect::Add(source) => value(&own)?.wrapping_add(value(&source)?),
                Effect::Subtract(source) => value(&own)?.wrapping_sub(value(&source)?),
                Effect::Multiply(factor) => value(&own)?.wrapping_mul(factor as u64),
                Effect::Product(one, other) => value(&one)?.wrapping_mul(value(&other)?),
                Effect::Unknown => return None,
            });
        }
        None
    }

    fn source(&self, source: &Source, index: usize, depth: usize, steps: &mut usize) -> Option<u64> {
        match source {
            Source::Constant(constant) => Some(*constant as u64),
            Source::Address(address) => self.address(address, index, depth, steps),
            Source::Register(register, size, signed) => {
                let value = self.register(*register, index, depth, steps)?;
                match (size, signed) {
                    (8, _) => Some(value),
                    (4, true) => Some(i64::from(value as i32) as u64),
                    (4, false) => Some(u64::from(value as u32)),
                    _ => None,
                }
            }
            Source::Memory(address, size, signed) => {
                // What was written there since is not what was read.
                let later = self.code.operations.get(index + 1..self.here)?;
                if later.iter().any(|operation| operation.store.is_some_and(|(stored, _)| stored == *address)) {
                    return None;
                }
                let size = usize::from(*size).min(8);
                let at = self.address(address, index, depth, steps)?;
                let value = self.session.memory().read_uint(RunAddr(at), size).ok()?;
                let shift = 64 - 8 * size.max(1) as u32;
                Some(if *signed { ((value << shift) as i64 >> shift) as u64 } else { value })
            }
        }
    }

    fn address(&self, address: &Address, index: usize, depth: usize, steps: &mut usize) -> Option<u64> {
        if address.segment.is_some() {
            return None;
        }
        let mut sum = address.displacement as u64;
        if let Some(base) = address.base {
            sum = sum.wrapping_add(self.register(base, index, depth + 1, steps)?);
        }
        if let Some((register, scale)) = address.index {
            sum = sum.wrapping_add(self.register(register, index, depth + 1, steps)?.wrapping_mul(scale));
        }
        Some(sum)
    }

    /// The register as the frame has it, where nothing changed it since `index`.
    fn unchanged(&self, register: DwarfRegister, index: usize) -> Option<u64> {
        self.session.image.arch.is_callee_saved(register).then_some(())?;
        let between = self.code.operations.get(index..self.here)?;
        let is_changed = between.iter().any(|operation| operation.effect_on(register).is_some());
        (!is_changed).then(|| self.registers.get(register))?
    }
}
