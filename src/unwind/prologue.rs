//! x86-64 code without call frame information, of a function whose start is known: what the instructions from there on
//! push and take tells where the return address is, and where the caller's registers are.
//!
//! ```text
//! CFA               = sp + what was pushed and subtracted since the start + 8
//! caller's register = where it was pushed first; one that was not pushed is unchanged (AMD64 psABI 1.0, 3.2.1)
//! ```
//!
//! musl's C functions are such code. Where the function goes on behind a jump or a return, the stack is as it was at the
//! jumps that lead there; where none does from before, as in the function's body. What keeps a frame pointer is the other
//! fallback's matter.

use std::collections::HashMap;

use super::fallback::{Lost, ReturnTo};
use super::stack_reader::StackReader;
use super::walk::Caller;
use super::{Trust, Unwinder};
use crate::addr::RunAddr;
use crate::arch::operation::{self, Effect, Flow, Source};
use crate::arch::{Arch, DwarfRegister};

/// Bytes from a function's start that are decoded.
const MAX_CODE: u64 = 8 << 10;
/// Bytes that a function may take of the stack.
const MAX_DEPTH: i64 = 64 << 20;
/// The registers of `push %r` in the order of their encoding (Intel SDM 2, table 2-2).
const PUSHED: [DwarfRegister; 16] = [0, 2, 1, 3, 7, 6, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15];

/// The stack at an instruction.
#[derive(Clone, Default)]
struct State {
    /// Bytes below the return address.
    depth: i64,
    /// Registers, and the depth at which each lies.
    saved: Vec<(DwarfRegister, i64)>,
}

impl Unwinder<'_> {
    /// The caller of a function without call frame information.
    pub(super) fn by_prologue(&self, lost: &Lost<'_>, reader: &mut StackReader<'_>) -> Option<Caller> {
        if self.arch != Arch::X86_64 || !lost.no_row {
            return None;
        }
        let lookup = if lost.fresh { lost.pc } else { lost.pc.checked_sub(1)? };
        let start = self.code.function_start(RunAddr(lookup))?;
        let state = self.state_at(start.0, lost.pc)?;
        let slot = lost.registers.sp()?.checked_add_signed(state.depth)?;
        let return_address = reader.word(slot).ok()?;
        let found = self.returns_to(return_address)?;
        let caller_sp = slot.checked_add(8)?;
        let is_saved = |register: u16| state.saved.iter().any(|(saved, _)| *saved == register);
        let kept = (0..16).filter(|register| self.arch.is_callee_saved(*register) && !is_saved(*register));
        let kept = kept.fold(0, |set, register| set | 1 << register);
        let mut registers = self.bare_caller(lost.registers, return_address, caller_sp, kept);
        for (register, depth) in &state.saved {
            let value = reader.word(slot.checked_add_signed(-depth)?).ok()?;
            registers.set(*register, value);
        }
        Some(Caller {
            registers,
            trust: Trust::Scan,
            in_call: true,
            cfa: Some(caller_sp),
            certain: matches!(found, ReturnTo::Call(super::call::Call::Direct(target)) if target == start.0),
            place: None,
        })
    }

    /// The stack before the instruction at `pc`, in the function that begins at `start`.
    fn state_at(&self, start: u64, pc: u64) -> Option<State> {
        let length = pc.checked_sub(start).filter(|length| *length <= MAX_CODE)? as usize;
        let code = self.memory.read_vec(RunAddr(start), length).ok()?;
        let sp = self.arch.sp();
        let mut state = State::default();
        // What jumps lead to, and the deepest so far.
        let mut at_targets: HashMap<u64, State> = HashMap::new();
        let mut body = State::default();
        let mut is_reached = true;
        let mut offset = 0;
        while let Some(rest) = code.get(offset..).filter(|rest| !rest.is_empty()) {
            let at = start + offset as u64;
            if !is_reached {
                state = at_targets.get(&at).unwrap_or(&body).clone();
            }
            let operation = operation::decode(self.arch, rest, RunAddr(at))?;
            offset += operation.length.max(1);
            match (pushed(rest), popped(rest), operation.effect_on(sp)) {
                (Some(register), ..) => {
                    state.depth += 8;
                    let is_first = !state.saved.iter().any(|(saved, _)| *saved == register);
                    if is_first && self.arch.is_callee_saved(register) {
                        state.saved.push((register, state.depth));
                    }
                }
                (_, Some(register), _) => {
                    state.saved.retain(|saved| *saved != (register, state.depth));
                    state.depth -= 8;
                }
                (.., Some(Effect::Add(Source::Constant(by)))) => state.depth = state.depth.checked_sub(by)?,
                (.., Some(Effect::Subtract(Source::Constant(by)))) => state.depth = state.depth.checked_add(by)?,
                (.., Some(Effect::Set(Source::Address(address))))
                    if address.index.is_none() && address.base == Some(sp) =>
                {
                    state.depth = state.depth.checked_sub(address.displacement)?;
                }
                (.., Some(_)) => return None,
                (.., None) => {}
            }
            // A frame pointer, and what is not a stack any more.
            let sets_frame = matches!(operation.effect_on(self.arch.fp()), Some(Effect::Set(Source::Register(from, ..))) if from == sp);
            if sets_frame || !(0..MAX_DEPTH).contains(&state.depth) {
                return None;
            }
            if state.depth > body.depth {
                body = state.clone();
            }
            if let (Flow::Jump | Flow::Branch, Some(target)) = (operation.flow, operation.target) {
                at_targets.entry(target.0).or_insert_with(|| state.clone());
            }
            is_reached = operation.falls_through();
        }
        match is_reached {
            true => Some(state),
            false => Some(at_targets.remove(&pc).unwrap_or(body)),
        }
    }
}

/// `push %r`: 50+r, 41 50+r (Intel SDM 2, PUSH).
fn pushed(code: &[u8]) -> Option<DwarfRegister> {
    match code {
        [0x41, second @ 0x50..=0x57, ..] => PUSHED.get(usize::from(second - 0x50) + 8).copied(),
        [first @ 0x50..=0x57, ..] => PUSHED.get(usize::from(first - 0x50)).copied(),
        _ => None,
    }
}

/// `pop %r`: 58+r, 41 58+r (Intel SDM 2, POP).
fn popped(code: &[u8]) -> Option<DwarfRegister> {
    match code {
        [0x41, second @ 0x58..=0x5f, ..] => PUSHED.get(usize::from(second - 0x58) + 8).copied(),
        [first @ 0x58..=0x5f, ..] => PUSHED.get(usize::from(first - 0x58)).copied(),
        _ => None,
    }
}
