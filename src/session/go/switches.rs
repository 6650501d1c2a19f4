//! Go's runtime leaves a goroutine's stack for the thread's own: the stack goes on where the runtime saved it (go
//! `src/runtime/traceback.go`, unwinder.resolveInternal, Go 1.18 to 1.27).
//!
//! ```text
//! thread's own stack   runtime.crash → … → runtime.systemstack ┐
//! goroutine's stack    g.sched ── runtime.systemstack_switch ←─┘ → main.f → … → runtime.goexit
//! ```
//!
//! C that Go calls is on the thread's own stack; Go that C calls is on the goroutine's again. `runtime.cgocallback` has a
//! frame on both, equally large (go `src/runtime/asm_amd64.s`, cgocallback, Go 1.18 to 1.27):
//!
//! ```text
//! goroutine's stack    main.exported → … → runtime.cgocallback ┐   ┌→ runtime.cgocall → main.f
//! thread's own stack             g0.sched.sp ── (the same) ←───┘   │
//!                                → crosscall2 → C's → runtime.asmcgocall
//!                                0(sp): g0.sched.sp of the call around it
//! ```
//!
//! On arm64 that is at 16(sp), the link register at 0(sp), the frame pointer below; `crosscall2` keeps C's registers at places
//! that its unwind information does not tell (go `src/runtime/asm_arm64.s`, `src/runtime/cgo/asm_arm64.s`).

use crate::addr::RunAddr;
use crate::arch::{Arch, RegisterState, Registers};
use crate::image::ThreadState;
use crate::session::Session;
use crate::unwind::{MachineFrame, Stack, StackEnd, Trust};

/// Calls of Go's from C, one in the other.
const MAX_CALLBACKS: usize = 64;
/// Bytes of a frame of `runtime.cgocallback`.
const MAX_FRAME: u64 = 1 << 12;

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
        self.walk_from_go_panics(stack, limit);
        self.join_left_stack(thread, stack, limit);
        self.join_callbacks(thread, stack, limit);
    }

    /// What `runtime.sigpanic` was made to look called by was about to run its instruction: where that is a function's
    /// first, the one before it belongs to another, which says nothing of the frame.
    pub(in crate::session) fn walk_from_go_panics(&self, stack: &mut Stack, limit: usize) {
        if self.image.arch == Arch::Aarch64 {
            return self.walk_from_injected_calls(stack, limit);
        }
        let lost = |index: usize| {
            let trust = stack.frames.get(index + 1).map(|frame| frame.trust);
            trust.is_none_or(|trust| matches!(trust, Trust::Scan | Trust::FramePointer))
        };
        let panic = (1..stack.frames.len()).find(|index| {
            lost(*index)
                && stack
                    .frames
                    .get(index - 1)
                    .is_some_and(|callee| self.is_go_function(callee.lookup, b"runtime.sigpanic"))
        });
        let Some(index) = panic.filter(|index| stack.omitted_at.is_none_or(|at| at > *index)) else { return };
        let Some(registers) = stack.frames.get(index).map(|frame| frame.registers.clone()) else { return };
        self.walk_again(stack, index, &registers, limit);
    }

    /// On arm64 the handler of signals puts the link register on the stack before it makes a call where none is: 16 bytes
    /// that no unwind information tells (go `src/runtime/traceback.go`, unwinder.next, usesLR; `signal_arm64.go`,
    /// preparePanic and pushCall, Go 1.18 to 1.27).
    fn walk_from_injected_calls(&self, stack: &mut Stack, limit: usize) {
        const INJECTED: [&[u8]; 3] = [b"runtime.sigpanic", b"runtime.asyncPreempt", b"runtime.debugCallV2"];
        let mut from = 1;
        for _ in 0..MAX_CALLBACKS {
            let found = (from..stack.frames.len()).find(|index| {
                let callee = stack.frames.get(index - 1);
                callee.is_some_and(|callee| INJECTED.iter().any(|name| self.is_go_function(callee.lookup, name)))
            });
            let Some(index) = found.filter(|index| stack.omitted_at.is_none_or(|at| at > *index)) else { return };
            let Some(mut registers) = stack.frames.get(index).map(|frame| frame.registers.clone()) else { return };
            let Some(sp) = registers.sp() else { return };
            let Ok(link) = self.memory().read_uint(RunAddr(sp), 8) else { return };
            let Some(before) = sp.checked_add(16) else { return };
            // What the function had in them when it was interrupted is told nowhere.
            (0..AARCH64_LINK).for_each(|register| registers.set_state(register, 0, RegisterState::Unknown));
            registers.set(Arch::Aarch64.sp(), before);
            registers.set(AARCH64_LINK, link);
            self.walk_again(stack, index, &registers, limit);
            from = index + 1;
        }
    }

    /// Walks from a frame on with those registers, of which the pc is no return address.
    fn walk_again(&self, stack: &mut Stack, index: usize, registers: &Registers, limit: usize) {
        let Some(trust) = stack.frames.get(index).map(|frame| frame.trust) else { return };
        let mut rest = self.unwinder().unwind(registers, limit.saturating_sub(index).max(2));
        if let Some(first) = rest.frames.first_mut() {
            first.trust = trust;
        }
        self.put(stack, index, rest);
    }

    /// Frames from one on are those instead.
    fn put(&self, stack: &mut Stack, index: usize, mut rest: Stack) {
        stack.frames.truncate(index);
        stack.frames.append(&mut rest.frames);
        stack.end = rest.end;
        stack.omitted = rest.omitted;
        stack.omitted_at = rest.omitted_at.map(|at| at + index);
    }

    fn is_go_function(&self, lookup: RunAddr, wanted: &[u8]) -> bool {
        let Some(module) = self.program.modules.at(lookup).filter(|module| module.is_go()) else { return false };
        module
            .symbols()
            .lookup(module.to_file(lookup))
            .is_some_and(|symbol| symbol.name.strip_suffix(b".abi0").unwrap_or(symbol.name) == wanted)
    }

    /// Puts the frames of C in that called Go and were called by Go.
    pub(in crate::session) fn join_callbacks(&self, thread: &ThreadState, stack: &mut Stack, limit: usize) {
        let is_callback = |lookup| self.is_go_function(lookup, b"runtime.cgocallback");
        let link = match self.image.arch {
            Arch::X86_64 => 0,
            Arch::Aarch64 => 16,
            Arch::I386 => return,
        };
        if !stack.frames.iter().any(|frame| is_callback(frame.lookup)) {
            return;
        }
        let Some(mut own_sp) = self.go_thread(thread).and_then(|on| on.own_sp) else { return };
        let mut from = 0;
        for _ in 0..MAX_CALLBACKS {
            let found = stack.frames.iter().enumerate().skip(from).find(|(_, frame)| is_callback(frame.lookup));
            let Some((index, callback)) = found else { return };
            if stack.omitted_at.is_some_and(|at| at <= index + 1) || own_sp == 0 {
                return;
            }
            let Some(mut inside) = self.behind_callback(callback, own_sp, limit) else {
                // A panic's deferred calls have left the thread's own stack already: C's frames are overwritten.
                if let Some(rest) = self.behind_switch(stack, index + 1, limit) {
                    self.put(stack, index + 1, rest);
                }
                return;
            };
            let back = inside.frames.iter().position(|frame| self.is_go_function(frame.lookup, b"runtime.asmcgocall"));
            let Some(back) = back else {
                // A thread of C's: Go is not around it.
                return self.put(stack, index + 1, inside);
            };
            let Some(rest) = self.behind_switch(stack, index + 1, limit) else { return };
            inside.frames.truncate(back + 1);
            from = index + 1 + inside.frames.len();
            let c_frames = Stack { omitted: 0, omitted_at: None, ..inside };
            self.put(stack, index + 1, c_frames);
            self.put(stack, from, rest);
            let around = RunAddr(own_sp).checked_add(link).and_then(|at| self.memory().read_uint(at, 8).ok());
            own_sp = around.unwrap_or(0);
        }
    }

    /// The frames behind one that stands for the goroutine's stack as it was left, which is no call.
    fn behind_switch(&self, stack: &Stack, index: usize, limit: usize) -> Option<Stack> {
        let left = stack.frames.get(index)?;
        if !self.is_go_function(left.pc, b"runtime.systemstack_switch") {
            return None;
        }
        let mut rest = self.unwinder().unwind(&left.registers, limit.saturating_sub(index).max(2));
        if rest.frames.len() < 2 || rest.omitted_at.is_some_and(|at| at < 2) {
            return None;
        }
        rest.frames.remove(0);
        rest.omitted_at = rest.omitted_at.map(|at| at - 1);
        Some(rest)
    }

    /// C's frames behind a call of Go's, whose frame on the thread's own stack begins at `own_sp`.
    fn behind_callback(&self, callback: &MachineFrame, own_sp: u64, limit: usize) -> Option<Stack> {
        let size =
            callback.cfa?.0.checked_sub(callback.registers.sp()?).filter(|size| (24..MAX_FRAME).contains(size))?;
        let end = own_sp.checked_add(size)?;
        let word = |at: Option<u64>| self.memory().read_uint(RunAddr(at?), 8).ok();
        let (pc, fp) = match self.image.arch {
            Arch::X86_64 => (word(end.checked_sub(8))?, word(end.checked_sub(16))?),
            // The frame pointer that lay below is overwritten by C's frames.
            _ => (word(Some(own_sp))?, 0),
        };
        self.memory().noted(RunAddr(own_sp), size as usize, crate::memory::ReadAs::Structure);
        if !self.is_go_function(RunAddr(pc.checked_sub(1)?), b"crosscall2") {
            return None;
        }
        let mut stack = self.unwinder().unwind(&saved_registers(self.image.arch, [pc, end, fp, 0]), limit);
        let first = stack.frames.first_mut()?;
        first.lookup = RunAddr(pc.saturating_sub(1));
        first.trust = Trust::Cfi;
        if self.image.arch == Arch::Aarch64 {
            let (outside, cfa) = self.outside_of_crosscall(pc, end)?;
            first.cfa = Some(RunAddr(cfa));
            let mut rest = self.unwinder().unwind(&outside, limit.saturating_sub(1).max(1));
            let caller = rest.frames.first_mut()?;
            caller.lookup = RunAddr(caller.pc.0.saturating_sub(1));
            caller.trust = Trust::Cfi;
            self.put(&mut stack, 1, rest);
        }
        Some(stack)
    }

    /// On arm64, C's registers as they were when it called `crosscall2`, which is at `pc` with its stack pointer at `sp`: as
    /// its code says that it keeps them (go `src/runtime/cgo/asm_arm64.s`, Go 1.18 to 1.27).
    fn outside_of_crosscall(&self, pc: u64, sp: u64) -> Option<(Registers, u64)> {
        /// `sub sp, sp, #192`, `stp x29, x30, [sp, #176]`, and of the pairs from x19 on `stp x19, x20, [sp, #32]`.
        const FRAME: u32 = 0xd103_03ff;
        const LINK: u32 = 0xa90b_7bfd;
        const FIRST: u32 = 0xa902_53f3;
        /// Instructions that are looked at.
        const MOST: u64 = 40;
        let module = self.program.modules.at(RunAddr(pc)).filter(|module| module.is_go())?;
        let symbol = module.symbols().lookup(module.to_file(RunAddr(pc.checked_sub(1)?)))?;
        let length = module.to_file(RunAddr(pc)).0.checked_sub(symbol.address.0)?.min(4 * MOST);
        let code = module.file()?.bytes_at(symbol.address)?.get(..length as usize)?;
        let keeps = |wanted: u32| code.chunks_exact(4).any(|instruction| instruction == wanted.to_le_bytes());
        if ![FRAME, LINK, FIRST].into_iter().all(keeps) {
            return None;
        }
        let word = |offset: u64| self.memory().read_uint(RunAddr(sp).checked_add(offset)?, 8).ok();
        let (fp, link, cfa) = (word(176)?, word(184)?, sp.checked_add(192)?);
        self.memory().noted(RunAddr(sp), 192, crate::memory::ReadAs::Structure);
        let mut registers = saved_registers(Arch::Aarch64, [link, cfa, fp, 0]);
        for register in 19..=28u16 {
            registers.set(register, word(32 + 8 * u64::from(register - 19))?);
        }
        Some((registers, cfa))
    }

    fn join_left_stack(&self, thread: &ThreadState, stack: &mut Stack, limit: usize) {
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
        let Some(on) = self.go_thread(thread) else {
            // The goroutine whose stack grew was preempted; what lies behind is left from before.
            if switch == Switch::Caller && self.go_structures().is_ok() {
                stack.frames.truncate(index + 1);
                (stack.end, stack.omitted, stack.omitted_at) = (StackEnd::Complete, 0, None);
            }
            return;
        };
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
