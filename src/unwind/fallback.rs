//! Where call frame information has nothing to say: the function's own instructions (`prologue`), what a call left behind,
//! the chain of frame pointers, a bounded scan of the stack. Each demands a return address that is code behind a call instruction.

use super::call::{self, Call};
use super::stack_reader::StackReader;
use super::walk::{Caller, Stop};
use super::{StackEnd, Trust, Unwinder, signal_frame};
use crate::addr::RunAddr;
use crate::arch::{Arch, RegisterState, Registers, aarch64};

/// Words that a scan looks at.
const MAX_SCAN: u64 = 1024;
/// How far above the stack pointer a frame record may be: a frame with arrays, but no other mapping.
const MAX_FRAME: u64 = 64 << 20;
/// How far into a function a pc may be for a direct call to have meant it.
const MAX_FUNCTION: u64 = 4096;

/// What is known of a frame that needs a fallback.
pub(super) struct Lost<'r> {
    pub registers: &'r Registers,
    pub pc: u64,
    /// Not in the middle of a call: the thread's own frame, or the one that a signal interrupted.
    pub fresh: bool,
    /// `pc` is no code.
    pub wild: bool,
    /// `pc` is code without call frame information.
    pub no_row: bool,
    /// Where the search on the stack starts.
    pub from: Option<u64>,
    /// Why it ends if nothing is found.
    pub end: StackEnd,
}

impl Unwinder<'_> {
    pub(super) fn fall_back(&self, lost: &Lost<'_>, reader: &mut StackReader<'_>) -> Result<Caller, Stop> {
        if let Some(caller) = self.by_prologue(lost, reader) {
            return Ok(caller);
        }
        if lost.fresh
            && (lost.wild || lost.no_row)
            && let Some(caller) = self.just_called(lost, reader)
        {
            return Ok(caller);
        }
        match self.by_frame_pointer(lost, reader) {
            Some(Ok(caller)) => return Ok(caller),
            Some(Err(ChainEnd)) if lost.no_row => return Err(Stop::End(StackEnd::Complete)),
            _ => {}
        }
        if let Some(caller) = self.by_scan(lost, reader) {
            return Ok(caller);
        }
        // The psABIs ask start code to clear the frame pointer in the outermost frame (AMD64 psABI 1.0, section
        // 3.4.1), and libcs without call frame information do.
        let fp = lost.registers.get(self.arch.fp());
        let outermost = lost.no_row && !lost.fresh && fp == Some(0);
        Err(Stop::End(if outermost { StackEnd::Complete } else { lost.end }))
    }

    /// The caller where the callee has done nothing yet: a call of a pointer to no code, a PLT stub, a function's
    /// first instructions.
    fn just_called(&self, lost: &Lost<'_>, reader: &mut StackReader<'_>) -> Option<Caller> {
        let registers = lost.registers;
        let sp = registers.sp()?;
        let (return_address, caller_sp) = match self.arch {
            Arch::X86_64 | Arch::I386 => (reader.word(sp).ok()?, sp.wrapping_add(reader.word_size())),
            Arch::Aarch64 => (registers.get(aarch64::X30)?, sp),
        };
        let return_address = registers.strip_return(return_address);
        let stub = !lost.wild && call::is_plt_stub(self.arch, self.memory, lost.pc);
        let untouched = lost.wild || stub;
        let meant = match self.returns_to(return_address)? {
            ReturnTo::Trampoline => true,
            // aarch64's link register says who called, also where the callee jumped on to nowhere as its last deed, and
            // where it was reached through a stub.
            ReturnTo::Call(Call::Direct(target)) => {
                stub || lost.pc.checked_sub(target).is_some_and(|into| into < MAX_FUNCTION)
                    || self.arch == Arch::Aarch64 && (lost.wild || call::is_plt_stub(self.arch, self.memory, target))
            }
            ReturnTo::Call(Call::Indirect) => untouched || self.arch == Arch::Aarch64,
        };
        if !meant {
            return None;
        }
        let kept = if untouched { self.arch.callee_saved_set() } else { 0 };
        let registers = self.bare_caller(registers, return_address, caller_sp, kept);
        Some(Caller {
            registers,
            trust: Trust::Scan,
            in_call: true,
            cfa: Some(caller_sp),
            certain: untouched,
            place: None,
        })
    }

    /// x86: `[fp]` is the caller's frame pointer, `[fp + word]` the return address. aarch64: the frame record of
    /// AAPCS64, section 6.4.6, has the same form.
    fn by_frame_pointer(&self, lost: &Lost<'_>, reader: &mut StackReader<'_>) -> Option<Result<Caller, ChainEnd>> {
        let word = reader.word_size();
        let fp = lost.registers.get(self.arch.fp())?;
        let from = lost.registers.sp()?;
        if fp % word != 0 || fp < from || fp - from > MAX_FRAME {
            return None;
        }
        let saved_fp = self.arch.strip_pointer(reader.word(fp).ok()?);
        let return_address = lost.registers.strip_return(reader.word(fp.checked_add(word)?).ok()?);
        if saved_fp == 0 && return_address == 0 {
            return Some(Err(ChainEnd));
        }
        if saved_fp != 0 && saved_fp <= fp {
            return None;
        }
        self.returns_to(return_address)?;
        let sp = fp.checked_add(2 * word)?;
        let mut registers = self.bare_caller(lost.registers, return_address, sp, 0);
        registers.set(self.arch.fp(), saved_fp);
        Some(Ok(Caller {
            registers,
            trust: Trust::FramePointer,
            in_call: true,
            cfa: Some(sp),
            certain: false,
            place: None,
        }))
    }

    fn by_scan(&self, lost: &Lost<'_>, reader: &mut StackReader<'_>) -> Option<Caller> {
        let word = reader.word_size();
        let from = lost.from.or_else(|| lost.registers.sp())?.checked_next_multiple_of(word)?;
        for index in 0..MAX_SCAN {
            let slot = from.checked_add(index * word)?;
            let candidate = lost.registers.strip_return(reader.word(slot).ok()?);
            if self.returns_to(candidate).is_none() {
                continue;
            }
            let sp = slot.checked_add(word)?;
            let mut registers = self.bare_caller(lost.registers, candidate, sp, 0);
            // The callee's `push %rbp` put the frame pointer right below, if it was such a callee.
            if self.arch != Arch::Aarch64
                && let Some(below) = slot.checked_sub(word)
                && let Ok(fp) = reader.word(below)
                && fp > slot
                && fp - slot < MAX_FRAME
                && fp % word == 0
            {
                registers.set_state(self.arch.fp(), fp, RegisterState::PerhapsClobbered);
            }
            return Some(Caller {
                registers,
                trust: Trust::Scan,
                in_call: true,
                cfa: Some(sp),
                certain: false,
                place: None,
            });
        }
        None
    }

    /// The inner frame's registers with an exact pc and stack pointer; of the others, those in `kept` stay exact.
    pub(super) fn bare_caller(&self, inner: &Registers, pc: u64, sp: u64, kept: u64) -> Registers {
        let mut registers = inner.clone();
        registers.vectors = None;
        registers.keep_exact(kept);
        registers.set(self.arch.pc(), pc);
        registers.set(self.arch.sp(), sp);
        registers
    }

    /// What makes `address` a return address: code, behind a call or the start of a signal trampoline.
    pub(super) fn returns_to(&self, address: u64) -> Option<ReturnTo> {
        if address == 0 || !self.is_code(RunAddr(address - 1)) {
            return None;
        }
        if let Some(call) = call::call_before(self.arch, self.memory, address) {
            return Some(ReturnTo::Call(call));
        }
        signal_frame::recognise(self.arch, self.memory, address).map(|_| ReturnTo::Trampoline)
    }
}

/// What is at a return address.
pub(super) enum ReturnTo {
    /// It follows this call.
    Call(Call),
    /// A signal handler returns there.
    Trampoline,
}

/// A frame record of two zeros: the outermost frame.
struct ChainEnd;
