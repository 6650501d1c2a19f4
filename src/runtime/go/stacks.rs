//! A goroutine's stack: from its thread's registers where they are on it, else from where the scheduler left it.

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
        let Some(registers) = self.saved_registers(goroutine) else { return nothing() };
        let first = self.before(RunAddr(goroutine.saved.pc));
        self.session.trace_saved(&registers, first, Trust::Runtime, limit)
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
