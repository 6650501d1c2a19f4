//! Go's runtime leaves a goroutine's stack for the thread's own: the stack goes on where the runtime saved it (go
//! `src/runtime/traceback.go`, unwinder.resolveInternal, Go 1.18 to 1.27).
//!
//! ```text
//! thread's own stack   runtime.crash → … → runtime.systemstack ┐
//! goroutine's stack    g.sched ── runtime.systemstack_switch ←─┘ → main.f → … → runtime.goexit
//! ```

use crate::addr::RunAddr;
use crate::arch::{Arch, Registers};
use crate::image::ThreadState;
use crate::session::Session;
use crate::unwind::{Stack, StackEnd, Trust};

/// DWARF's number of the link register (AADWARF64, 4.1).
const AARCH64_LINK: u16 = 30;

/// How a function came onto the thread's own stack.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Switch {
    /// What is saved stands for the function itself.
    Itself,
    /// What is saved is its caller.
    Caller,
    /// Nothing goes on: the goroutine was left for good.
    Left,
}

fn switch(name: &[u8]) -> Option<Switch> {
    let name = name.strip_suffix(b".abi0").unwrap_or(name);
    Some(match name {
        b"runtime.systemstack" | b"runtime.asmcgocall" => Switch::Itself,
        b"runtime.morestack" | b"runtime.morestack_noctxt" => Switch::Caller,
        b"runtime.mcall" => Switch::Left,
        _ => return None,
    })
}

/// The registers that the scheduler saved.
pub fn saved_registers(arch: Arch, [pc, sp, fp, link]: [u64; 4]) -> Registers {
    let mut registers = Registers::new(arch);
    registers.set(arch.pc(), pc);
    registers.set(arch.sp(), sp);
    if fp != 0 {
        registers.set(arch.fp(), fp);
    }
    if arch == Arch::Aarch64 && link != 0 {
        registers.set(AARCH64_LINK, link);
    }
    registers
}

impl Session {
    /// Goes on with the goroutine's stack where a thread's own ends. What is no Go program pays a look at each frame's
    /// module.
    pub(in crate::session) fn join_go_stacks(&self, thread: &ThreadState, stack: &mut Stack, limit: usize) {
        let found = stack.frames.iter().enumerate().find_map(|(index, frame)| {
            let module = self.program.modules.at(frame.lookup).filter(|module| module.is_go())?;
            Some((index, switch(module.symbols().lookup(module.to_file(frame.lookup))?.name)?))
        });
        let Some((index, switch)) = found else { return };
        if stack.omitted_at.is_some_and(|at| at <= index) {
            return;
        }
        if switch == Switch::Left {
            stack.frames.truncate(index + 1);
            (stack.end, stack.omitted, stack.omitted_at) = (StackEnd::Complete, 0, None);
            return;
        }
        let Some(on) = self.go_thread(thread) else { return };
        let within = |sp: u64| (on.stack.0..on.stack.1).contains(&sp);
        let sp = stack.frames.get(index).and_then(|frame| frame.registers.sp());
        // Called on the thread's own stack, or by what has no goroutine.
        if sp.is_none_or(within) || !within(on.saved[1]) || on.saved[0] == 0 {
            return;
        }
        let left = limit.saturating_sub(index).max(2);
        let mut rest = self.unwinder().unwind(&saved_registers(self.image.arch, on.saved), left);
        let first = RunAddr(on.saved[0]);
        let is_call = switch == Switch::Caller;
        if let Some(frame) = rest.frames.first_mut() {
            frame.lookup = if is_call { RunAddr(first.0.saturating_sub(1)) } else { first };
            frame.trust = Trust::Cfi;
        }
        let skipped = usize::from(!is_call);
        if rest.frames.len() <= skipped {
            return;
        }
        rest.frames.drain(..skipped);
        stack.frames.truncate(index + 1);
        let before = stack.frames.len();
        stack.frames.append(&mut rest.frames);
        stack.end = rest.end;
        stack.omitted = rest.omitted;
        stack.omitted_at = rest.omitted_at.map(|at| at.saturating_sub(skipped) + before);
    }
}
