//! Stacks that are no thread's: from registers that a language's runtime saved, or a part of a thread's stack.

use super::{Session, Trace};
use crate::addr::RunAddr;
use crate::arch::{DwarfRegister, Registers};
use crate::image::{ThreadState, auxv};
use crate::unwind::{MachineFrame, Stack, StackEnd, Trust, Unwinder};

impl Session {
    /// The frames from saved registers outwards, at most `limit` machine frames. `lookup` is the address whose function
    /// the innermost is in, `trust` says how that one is known.
    /// `thread`: the one whose own stack has what C called in between.
    pub fn stack_saved(
        &self,
        registers: &Registers,
        (lookup, trust): (RunAddr, Trust),
        thread: Option<&ThreadState>,
        limit: usize,
    ) -> Stack {
        let mut stack = self.unwinder().unwind(registers, limit);
        if let Some(first) = stack.frames.first_mut() {
            first.lookup = lookup;
            first.trust = trust;
        }
        self.walk_from_go_panics(&mut stack, limit);
        if let Some(thread) = thread {
            self.join_callbacks(thread, &mut stack, limit);
        }
        self.correct_go_panics(&mut stack);
        stack
    }

    /// A stack with its functions named, inlined ones too.
    pub fn named(&self, stack: Stack) -> Trace {
        self.resolve(stack)
    }

    /// A thread's frames from the first one on whose registers are `wanted`; `None` where none are.
    pub fn trace_from_where(
        &self,
        thread: &ThreadState,
        limit: usize,
        wanted: &dyn Fn(&Registers) -> bool,
    ) -> Option<Trace> {
        let mut stack = self.unwinder().unwind(&thread.registers, limit);
        self.join_go_stacks(thread, &mut stack, limit);
        let first = stack.frames.iter().position(|frame| wanted(&frame.registers))?;
        self.correct_go_panics(&mut stack);
        stack.frames.drain(..first);
        match stack.omitted_at.map(|at| at.checked_sub(first)) {
            Some(None | Some(0)) => (stack.omitted, stack.omitted_at) = (0, None),
            Some(at) => stack.omitted_at = at,
            None => {}
        }
        Some(self.resolve(stack))
    }

    /// Whether the outermost frame is in the function that the kernel starts a program at: nobody called that, whatever
    /// lies above it on the stack. What C libraries bring says so in its call frame information, what people write
    /// themselves (`-nostdlib`) does not.
    pub(super) fn ends_at_entry(&self, stack: &Stack) -> bool {
        let lost = matches!(stack.end, StackEnd::Corrupt | StackEnd::NoUnwindInfo | StackEnd::Unreadable);
        let outermost = stack.frames.last().filter(|frame| lost && frame.trust != Trust::Scan);
        let entry = self.image.process.auxv(auxv::ENTRY).map(RunAddr);
        let (Some(frame), Some(entry)) = (outermost, entry) else { return false };
        let Some(module) = self.program.modules.at(entry) else { return false };
        let starts = |address| module.symbols().lookup(module.to_file(address)).map(|symbol| symbol.address);
        self.program.modules.at(frame.lookup).is_some_and(|other| other.id == module.id)
            && starts(entry).is_some_and(|start| starts(frame.lookup) == Some(start))
    }

    /// Where the registers of a machine frame's caller are in memory, by DWARF number.
    pub fn saved_registers(&self, stack: &Stack, machine: usize) -> Vec<(DwarfRegister, RunAddr)> {
        self.unwinder().saved_registers(stack, machine)
    }

    /// Whether a machine frame has set up a frame pointer.
    pub fn has_frame_pointer(&self, machine: &MachineFrame) -> bool {
        self.unwinder().has_frame_pointer(machine)
    }

    pub(super) fn unwinder(&self) -> Unwinder<'_> {
        Unwinder::with_cache(self.image.arch, &*self.memory, &self.code_map, self.unwind_cache.clone())
    }
}
