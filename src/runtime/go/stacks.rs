//! A goroutine's stack: from its thread's registers where they are on it, else from where the scheduler left it.

use std::sync::PoisonError;

use super::{GoRuntime, Goroutine, Saved, State};
use crate::addr::RunAddr;
use crate::arch::Registers;
use crate::session::Trace;
use crate::session::go::switches::saved_registers;
use crate::unwind::{Stack, StackEnd, Trust};

/// Frames of a thread that are walked to where its goroutine's stack begins: signal handlers and the scheduler.
const ABOVE: usize = 256;

impl GoRuntime<'_> {
    /// Its stack, at most `limit` machine frames of it. Without frames where the row says nothing that could be one.
    pub fn trace(&self, goroutine: &Goroutine, limit: usize) -> Trace {
        let nothing = || Trace {
            stack: Stack { frames: Vec::new(), end: StackEnd::Corrupt, omitted: 0, omitted_at: None },
            frames: Vec::new(),
        };
        if goroutine.state == State::Corrupt {
            return nothing();
        }
        if let Some(lwp) = goroutine.lwp.filter(|_| goroutine.state == State::Running)
            && let Some(thread) = self.session.image.threads.iter().find(|thread| thread.lwp == lwp)
        {
            let (low, high) = goroutine.stack;
            let on_it = |registers: &Registers| registers.sp().is_some_and(|sp| (low..high).contains(&sp));
            if let Some(trace) = self.session.trace_from_where(thread, limit.saturating_add(ABOVE), &on_it) {
                return trace;
            }
        }
        self.saved_stack(goroutine, limit).map_or_else(nothing, |stack| self.session.named(stack))
    }

    /// The machine frames of one that is on no thread, from where the scheduler left it; `None` where nothing says where
    /// that can be.
    pub fn saved_stack(&self, goroutine: &Goroutine, limit: usize) -> Option<Stack> {
        if goroutine.state == State::Corrupt {
            return None;
        }
        let registers = self.saved_registers(goroutine)?;
        let first = self.left_at(RunAddr(goroutine.saved.pc));
        let lwp = goroutine.lwp.or(goroutine.locked_to);
        let thread = lwp.and_then(|lwp| self.session.image.threads.iter().find(|thread| thread.lwp == lwp));
        Some(self.session.stack_saved(&registers, (first, Trust::Runtime), thread, limit))
    }

    /// The call behind which a goroutine was left. Nearly all were left at the same.
    fn left_at(&self, pc: RunAddr) -> RunAddr {
        let last = *self.left.read().unwrap_or_else(PoisonError::into_inner);
        match last {
            Some((known, call)) if known == pc => call,
            _ => {
                let call = self.before(pc);
                *self.left.write().unwrap_or_else(PoisonError::into_inner) = Some((pc, call));
                call
            }
        }
    }

    /// The registers that the scheduler saved, where they can be right.
    fn saved_registers(&self, goroutine: &Goroutine) -> Option<Registers> {
        let Saved { pc, sp, fp, link } = goroutine.saved;
        let (low, high) = goroutine.stack;
        if pc == 0 || !(low..=high).contains(&sp) || low == 0 {
            return None;
        }
        Some(saved_registers(self.session.image.arch, [pc, sp, fp, link]))
    }
}
