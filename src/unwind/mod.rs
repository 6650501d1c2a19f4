//! From a thread's registers to its stack of machine frames.
//!
//! Call frame information first (.eh_frame, .debug_frame), the frame-pointer chain and a bounded scan as marked
//! fallbacks. It never fails: it gives the frames it found and why it stopped. Inlined frames are not its matter.
//!
//! ```text
//! CFA                = the frame's row's CFA rule over its registers         (DWARF 5, section 6.4)
//! caller's sp        = CFA, where no rule says otherwise
//! caller's pc        = the return address column's rule
//! caller's register  = its rule; without one: unchanged if callee-saved, perhaps clobbered if not
//! ```
//!
//! A row is compiled once for each pc and shared by every thread that passes there: programs with a thousand threads
//! have few call chains. [`Unwinder`] is `Sync`; call [`Unwinder::unwind`] from as many threads as there are.
//!
//! What it needs: the target's memory including the modules' code (to recognise call instructions and signal
//! trampolines; without code bytes both recognitions are off), and a [`CodeMap`].

mod augmentation;
mod cache;
mod call;
mod cfi;
mod expression;
mod fallback;
mod prologue;
mod row;
mod saved;
mod signal_frame;
mod signal_vectors;
mod signing;
mod stack_reader;
mod walk;

use std::sync::Arc;

use crate::addr::{Bias, FileAddr, RunAddr};
use crate::arch::{Arch, Registers};
use crate::memory::Memory;
use crate::module::go_table::GoFrame;

pub use cache::UnwindCache;
pub use cfi::as_readable;

/// How a frame was found. The words are the contract's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Trust {
    /// The thread's saved registers.
    Context,
    /// Call frame information.
    Cfi,
    /// The chain of saved frame pointers.
    FramePointer,
    /// A plausible return address on the stack (or in the link register), also where a function's own instructions say
    /// that it is, or call frame information that had to use
    /// a register which an inner call may have changed.
    Scan,
    /// Part of the machine frame around it (an inlined call).
    Inline,
    /// A language runtime's own record.
    Runtime,
}

/// Why a stack ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum StackEnd {
    /// At the outermost frame, as call frame information says.
    Complete,
    /// At the limit of frames.
    Limit,
    /// At memory that is not at hand.
    Unreadable,
    /// At a frame that cannot be (a loop, a stack pointer that went back, a pc outside all code); or there was such a
    /// frame, the fallbacks got past it, and what they missed is not known.
    Corrupt,
    /// At code without call frame information, where the fallbacks found nothing either.
    NoUnwindInfo,
}

/// One machine frame.
#[derive(Clone, Debug)]
pub struct MachineFrame {
    /// Where the frame stands: the faulting instruction, or the return address in a caller.
    pub pc: RunAddr,
    /// The address to look up: `pc`, or `pc - 1` in a frame that is in the middle of a call, as a call at a
    /// function's end has its return address in the next function.
    pub lookup: RunAddr,
    /// The canonical frame address, where it could be computed.
    pub cfa: Option<RunAddr>,
    /// The frame's registers.
    pub registers: Registers,
    /// How it was found.
    pub trust: Trust,
    /// Whether it is a signal trampoline.
    pub signal: bool,
}

/// A thread's stack.
#[derive(Clone, Debug)]
pub struct Stack {
    /// Innermost first.
    pub frames: Vec<MachineFrame>,
    /// Why there are no more. Where the limit left frames out of the middle, this is still why the walk ended behind
    /// the outermost one.
    pub end: StackEnd,
    /// Machine frames between the inner and the outer part of `frames` that the limit left out.
    pub omitted: usize,
    /// Index in `frames` of the first frame after the omitted ones, where any were.
    pub omitted_at: Option<usize>,
}

/// A module's call frame information, and where it stands in the module's file.
#[derive(Clone, Copy, Debug)]
pub struct CodeModule {
    /// Tells modules apart; the same for every address of one module.
    pub key: u32,
    /// Added to the file's addresses.
    pub bias: Bias,
    /// .eh_frame and its address.
    pub eh_frame: Option<(&'static [u8], FileAddr)>,
    /// .eh_frame_hdr and its address.
    pub eh_frame_hdr: Option<(&'static [u8], FileAddr)>,
    /// Where .text starts: the base of DW_EH_PE_textrel.
    pub text: Option<FileAddr>,
    /// Where .got (or .got.plt) starts: the base of DW_EH_PE_datarel in .eh_frame.
    pub got: Option<FileAddr>,
}

/// What the unwinder asks about code. Answers must not change while an [`UnwindCache`] is in use.
pub trait CodeMap: Send + Sync {
    /// The module of which `address` is executable code.
    fn code_at(&self, address: RunAddr) -> Option<CodeModule>;

    /// The module's .debug_frame, decompressed. Asked at most once a module, and only where .eh_frame has no entry
    /// for a pc.
    fn debug_frame(&self, key: u32) -> Option<&'static [u8]>;

    /// What Go's own tables say of the frame at `address`, of a module's file. Asked only where no call frame information
    /// has an entry.
    fn go_frame(&self, _key: u32, _address: FileAddr) -> Option<GoFrame> {
        None
    }

    /// Whether the code at `address` is where the program starts (`_start`). Asked only where no call frame information has an
    /// entry, as there is none in musl (crt/crt1.c).
    fn is_start(&self, _address: RunAddr) -> bool {
        false
    }

    /// Where the function begins that the code at `address` belongs to, where symbols say. Asked only where no call frame
    /// information has an entry.
    fn function_start(&self, _address: RunAddr) -> Option<RunAddr> {
        None
    }

    /// Whether `address` is executable memory at all, of a module or not (code made at run time).
    fn is_executable(&self, address: RunAddr) -> bool {
        self.code_at(address).is_some()
    }

    /// Whether nothing calls the function at `address`, known from elsewhere than call frame information (the symbols
    /// `runtime.goexit`, `runtime.mstart` or `_start` say so).
    fn is_outermost(&self, _address: RunAddr) -> bool {
        false
    }

    /// Whether Go's runtime makes threads look as if they had called the function at `address` where a signal met them
    /// (`runtime.sigpanic`, `runtime.asyncPreempt`).
    fn is_injected(&self, _address: RunAddr) -> bool {
        false
    }
}

/// Unwinds threads of one target.
pub struct Unwinder<'a> {
    arch: Arch,
    memory: &'a dyn Memory,
    code: &'a dyn CodeMap,
    cache: Arc<UnwindCache>,
}

impl<'a> Unwinder<'a> {
    /// An unwinder with a cache of its own.
    pub fn new(arch: Arch, memory: &'a dyn Memory, code: &'a dyn CodeMap) -> Unwinder<'a> {
        Unwinder::with_cache(arch, memory, code, Arc::new(UnwindCache::default()))
    }

    /// An unwinder that goes on with a cache that an earlier one filled. It must have been of the same target.
    pub fn with_cache(
        arch: Arch,
        memory: &'a dyn Memory,
        code: &'a dyn CodeMap,
        cache: Arc<UnwindCache>,
    ) -> Unwinder<'a> {
        Unwinder { arch, memory, code, cache }
    }

    /// The stack from `registers` outwards, at most `limit` frames (at least one). A deeper stack keeps its innermost
    /// and its outermost frames, half each, as the outermost show what ran.
    pub fn unwind(&self, registers: &Registers, limit: usize) -> Stack {
        walk::walk(self, registers, limit)
    }
}

#[cfg(test)]
mod tests;
