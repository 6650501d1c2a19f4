//! The walk from a thread's frame outwards: one step a frame, what a frame may not be, where it ends.

use std::sync::Arc;

use super::cache::Place;
use super::call::call_before;
use super::fallback::Lost;
use super::row::{Cfa, Row, Rule, truncate};
use super::stack_reader::StackReader;
use super::{MachineFrame, Stack, StackEnd, Trust, Unwinder, expression, signal_frame};
use crate::addr::RunAddr;
use crate::arch::{Arch, RegisterState, Registers};
use crate::memory::{MissingReason, ReadError};

/// Frames walked at most: more than fit on any stack that a kernel would grow (a frame takes at least a word).
const MAX_WALK: usize = 10_000_000;
/// Frames found by scanning, a stack. Beyond that the words are noise.
const MAX_SCANNED: usize = 256;
/// Times that a stack may go to another one without a signal frame (split stacks, coroutines, segmented recursion).
const MAX_SWITCHES: usize = 64;
/// A frame as large as this is taken for a switch to another stack.
const MAX_FRAME: u64 = 1 << 30;

/// The next frame outwards.
pub(super) struct Caller {
    pub registers: Registers,
    pub trust: Trust,
    /// Whether it stands behind a call instruction, and not where a signal interrupted it.
    pub in_call: bool,
    /// The CFA of the frame that was left.
    pub cfa: Option<u64>,
    /// Whether no frame can be missing between it and the frame that was left.
    pub certain: bool,
    /// What stands at its pc, where that was looked up already.
    pub place: Option<Arc<Place>>,
}

/// Why there is no caller.
pub(super) enum Stop {
    /// The stack ends.
    End(StackEnd),
    /// Call frame information led nowhere; if the fallbacks don't either, this is the end. With the address where a
    /// scan should start.
    Lost(StackEnd, Option<u64>),
}

/// What one step knows of the frame that it leaves.
struct Step {
    cfa: Option<u64>,
    next: Result<Caller, Stop>,
}

impl Step {
    fn stop(cfa: Option<u64>, stop: Stop) -> Step {
        Step { cfa, next: Err(stop) }
    }
}

pub(super) fn walk(unwinder: &Unwinder<'_>, registers: &Registers, limit: usize) -> Stack {
    let mut kept = Kept::new(limit);
    let mut reader = StackReader::new(unwinder.arch, unwinder.memory);
    let mut current = Caller {
        registers: registers.clone(),
        trust: Trust::Context,
        in_call: false,
        cfa: None,
        certain: true,
        place: None,
    };
    let mut cycle = CycleFinder::default();
    let (mut switches, mut scanned) = (0, 0);
    let mut damaged = false;
    loop {
        let Some(pc) = current.registers.pc() else { return kept.finish(StackEnd::Unreadable) };
        let place = current.place.take().unwrap_or_else(|| unwinder.place(pc, current.in_call));
        let signal = match &*place {
            Place::Row(row) => row.signal,
            Place::Trampoline(_) => true,
            _ => false,
        };
        let mut step = unwinder.step(&current, &place, &mut reader);
        if let Err(Stop::Lost(end, from)) = step.next {
            let lost = Lost {
                registers: &current.registers,
                pc,
                fresh: !current.in_call,
                wild: matches!(*place, Place::NotCode),
                no_row: matches!(*place, Place::NoRow),
                from,
                end,
            };
            step.next = unwinder.fall_back(&lost, &mut reader);
            if let Ok(caller) = &step.next {
                damaged |= end == StackEnd::Corrupt && !caller.certain;
                step.cfa = step.cfa.or(caller.cfa.filter(|_| caller.certain || caller.trust == Trust::FramePointer));
            }
        }
        let next = match &step.next {
            Ok(caller) => (caller.registers.pc(), caller.registers.sp()),
            Err(_) => (None, None),
        };
        let repeats = next == (Some(pc), current.registers.sp());
        let switches_stack = !signal && !moves_outwards(&current, next.1);
        let lookup = if current.in_call && !signal { pc.wrapping_sub(1) } else { pc };
        kept.push(MachineFrame {
            pc: RunAddr(pc),
            lookup: RunAddr(lookup),
            cfa: step.cfa.map(RunAddr),
            registers: current.registers,
            trust: current.trust,
            signal,
        });
        current = match step.next {
            Ok(caller) => caller,
            // Frames from beyond damage are worth having, but a stack with a gap is not complete.
            Err(Stop::End(StackEnd::Complete)) if damaged => return kept.finish(StackEnd::Corrupt),
            Err(Stop::End(end) | Stop::Lost(end, _)) => return kept.finish(end),
        };
        if repeats || cycle.closes(next) {
            return kept.finish(StackEnd::Corrupt);
        }
        switches += usize::from(switches_stack);
        scanned += usize::from(current.trust == Trust::Scan);
        if switches > MAX_SWITCHES || scanned > MAX_SCANNED {
            return kept.finish(StackEnd::Corrupt);
        }
        // Whoever asked throws away what there is of it.
        if kept.walked >= MAX_WALK || crate::interrupt::requested() {
            return kept.finish(StackEnd::Limit);
        }
    }
}

/// Whether a caller's stack pointer is where its callee's stack allows. A frame in the middle of a call has at least
/// its return address on the stack; aarch64 and an interrupted prologue may have nothing there yet.
fn moves_outwards(callee: &Caller, sp: Option<u64>) -> bool {
    let (Some(inner), Some(outer)) = (callee.registers.sp(), sp) else { return false };
    let least = if callee.in_call { callee.registers.arch().address_size() as u64 } else { 0 };
    outer.checked_sub(inner).is_some_and(|size| (least..=MAX_FRAME).contains(&size))
}

impl Unwinder<'_> {
    fn step(&self, current: &Caller, place: &Place, reader: &mut StackReader<'_>) -> Step {
        match place {
            Place::Row(row) => self.by_row(current, row, reader),
            Place::Trampoline(trampoline) => {
                let registers = match signal_frame::interrupted(*trampoline, &current.registers, reader) {
                    Some(Ok(registers)) => registers,
                    Some(Err(error)) => return Step::stop(None, Stop::End(end_of(error))),
                    None => return Step::stop(None, Stop::End(StackEnd::Unreadable)),
                };
                let cfa = registers.sp();
                self.accept(Caller { registers, trust: Trust::Cfi, in_call: false, cfa, certain: true, place: None })
            }
            Place::Outermost => Step::stop(None, Stop::End(StackEnd::Complete)),
            Place::NoRow => Step::stop(None, Stop::Lost(StackEnd::NoUnwindInfo, None)),
            Place::NotCode => Step::stop(None, Stop::Lost(StackEnd::Corrupt, None)),
        }
    }

    fn by_row(&self, current: &Caller, row: &Row, reader: &mut StackReader<'_>) -> Step {
        let registers = &current.registers;
        let cfa = match row.cfa {
            Cfa::Register(register, offset) => registers
                .get_perhaps_clobbered(register)
                .map(|base| (truncate(self.arch, base.wrapping_add_signed(offset)), registers.state(register))),
            Cfa::Expression(bytes) => match expression::evaluate(bytes, registers, None, reader) {
                Ok(cfa) => cfa,
                Err(error) => return Step::stop(None, Stop::Lost(end_of(error), None)),
            },
        };
        let Some((cfa, cfa_state)) = cfa else { return Step::stop(None, Stop::Lost(StackEnd::Corrupt, None)) };
        let outermost = row.return_rule == Some(Rule::Undefined);
        let switched = !row.signal && !moves_outwards(current, Some(cfa));
        let trampoline = if outermost { self.trampoline_behind(current, row, reader) } else { None };
        if outermost && trampoline.is_none() {
            return Step::stop((!switched).then_some(cfa), Stop::End(StackEnd::Complete));
        }

        let return_address = match row.return_rule {
            _ if trampoline.is_some() => trampoline,
            // The link register still holds it, which only a leaf (or code that a signal interrupted) can say.
            None | Some(Rule::SameValue) if current.in_call => None,
            None | Some(Rule::SameValue) if row.return_column == self.arch.pc() => None,
            None => registers.get(row.return_column),
            Some(rule) => match rule.apply(row.return_column, registers, cfa, reader) {
                Ok((value, state)) => (state != RegisterState::Unknown).then_some(value),
                Err(error) if switched => return Step::stop(None, Stop::Lost(end_of(error), None)),
                Err(error) => return Step::stop(Some(cfa), Stop::Lost(end_of(error), None)),
            },
        };
        let from = (!switched).then_some(cfa);
        let Some(return_address) = return_address else {
            return Step::stop(from, Stop::Lost(StackEnd::Corrupt, from));
        };
        let return_address = registers.strip_return(return_address);
        if return_address == 0 && !row.signal {
            return Step::stop(from, Stop::End(StackEnd::Complete));
        }
        // A CFA that came from an unsure register, or on another stack, must show itself true.
        let sure = cfa_state == RegisterState::Exact;
        if (switched || !sure) && !row.signal && self.returns_to(return_address).is_none() {
            return Step::stop(None, Stop::Lost(StackEnd::Corrupt, None));
        }

        let mut next = registers.clone();
        next.vectors = None;
        next.keep_exact(row.kept);
        if row.go && self.is_injected(return_address) {
            next.keep_known(self.arch.bit(row.return_column));
        }
        next.set_state(self.arch.sp(), cfa, RegisterState::Exact);
        for (register, rule) in &row.rules {
            let (value, state) = rule.apply(*register, registers, cfa, reader).unwrap_or((0, RegisterState::Unknown));
            next.set_state(*register, value, state);
        }
        if row.return_column != self.arch.pc() && next.get(row.return_column).is_some() {
            next.set(row.return_column, return_address);
        }
        next.set(self.arch.pc(), return_address);
        // A call right before it leaves open which of both it is: what a signal met, or what called nothing.
        let met_signal = row.injected && !self.returns_from_call(return_address);
        let in_call = !row.signal && !met_signal;
        let trust = if sure { Trust::Cfi } else { Trust::Scan };
        self.accept(Caller { registers: next, trust, in_call, cfa: Some(cfa), certain: true, place: None })
    }

    /// Go says of its handler of signals that nobody called it (TOPFRAME). The kernel did, and the handler returns to the
    /// kernel's trampoline all the same: on arm64 the link register is at a frame's lowest word (go
    /// `src/runtime/sys_linux_arm64.s`, sigtramp, Go 1.18 to 1.27).
    fn trampoline_behind(&self, current: &Caller, row: &Row, reader: &mut StackReader<'_>) -> Option<u64> {
        if !row.go || !current.in_call || self.arch != Arch::Aarch64 {
            return None;
        }
        let saved = reader.word(current.registers.sp()?).ok()?;
        signal_frame::recognise(self.arch, self.memory, saved).map(|_| saved)
    }

    /// Whether a Go function returns to where nothing calls: the runtime's signal handler makes a fault look like a call
    /// of `runtime.sigpanic` (runtime/signal_amd64.go, `preparePanic`, Go 1.19 to 1.27). What the compiler says of
    /// registers there does not know of that call.
    fn is_injected(&self, return_address: u64) -> bool {
        let before = RunAddr(return_address.saturating_sub(1));
        self.memory.read_uint(before, 1).is_ok() && !self.returns_from_call(return_address)
    }

    fn returns_from_call(&self, return_address: u64) -> bool {
        call_before(self.arch, self.memory, return_address).is_some()
    }

    /// A caller in the middle of a call must be code. What a signal interrupted may be anything: a jump into nowhere
    /// is why there was a signal.
    fn accept(&self, mut caller: Caller) -> Step {
        let cfa = caller.cfa;
        let Some(pc) = caller.registers.pc() else { return Step::stop(cfa, Stop::End(StackEnd::Unreadable)) };
        let place = self.place(pc, caller.in_call);
        if caller.in_call && matches!(*place, Place::NotCode) {
            return Step::stop(cfa, Stop::Lost(StackEnd::Corrupt, cfa));
        }
        caller.place = Some(place);
        Step { cfa, next: Ok(caller) }
    }
}

/// The end where memory could not be read: a frame in memory that never was is no frame.
fn end_of(error: ReadError) -> StackEnd {
    match error.reason {
        MissingReason::Unmapped => StackEnd::Corrupt,
        MissingReason::NotSaved | MissingReason::Truncated => StackEnd::Unreadable,
    }
}

/// The frames that the limit lets stay: the innermost half, and a ring of the outermost.
struct Kept {
    frames: Vec<MachineFrame>,
    limit: usize,
    walked: usize,
}

impl Kept {
    fn new(limit: usize) -> Kept {
        Kept { frames: Vec::new(), limit: limit.max(1), walked: 0 }
    }

    /// Frames of the inner part once something is left out.
    fn inner(&self) -> usize {
        self.limit - self.limit / 2
    }

    fn push(&mut self, frame: MachineFrame) {
        if self.walked < self.limit {
            self.frames.push(frame);
        } else if let Some(oldest) = (self.walked - self.limit).checked_rem(self.limit / 2) {
            let at = self.inner() + oldest;
            self.frames[at] = frame;
        }
        self.walked += 1;
    }

    fn finish(mut self, end: StackEnd) -> Stack {
        let omitted = self.walked - self.frames.len();
        let inner = self.inner();
        if let Some(oldest) = omitted.checked_rem(self.limit / 2)
            && omitted > 0
        {
            self.frames[inner..].rotate_left(oldest);
        }
        Stack { frames: self.frames, end, omitted, omitted_at: (omitted > 0).then_some(inner) }
    }
}

/// Finds a walk that goes round (Brent 1980): compares with one remembered frame, which is replaced at every power of
/// two.
#[derive(Default)]
struct CycleFinder {
    remembered: Option<(Option<u64>, Option<u64>)>,
    steps: usize,
    until: usize,
}

impl CycleFinder {
    fn closes(&mut self, frame: (Option<u64>, Option<u64>)) -> bool {
        if self.remembered == Some(frame) {
            return true;
        }
        self.steps += 1;
        if self.steps > self.until {
            self.remembered = Some(frame);
            self.until = self.steps * 2;
        }
        false
    }
}
