//! From a thread's registers to its stack of machine frames.
//!
//! Call frame information first (.eh_frame, .debug_frame), the frame-pointer chain and a bounded scan as marked
//! fallbacks. It never fails: it gives the frames it found and why it stopped. Inlined frames are not its matter.

use crate::addr::RunAddr;
use crate::arch::Registers;

/// How a frame was found. The words are the contract's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Trust {
    /// The thread's saved registers.
    Context,
    /// Call frame information.
    Cfi,
    /// The chain of saved frame pointers.
    FramePointer,
    /// A plausible return address on the stack.
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
    /// At a frame that cannot be: a loop, a stack pointer that went back, a pc outside all code.
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
    /// Why there are no more.
    pub end: StackEnd,
    /// Machine frames between the inner and the outer part of `frames` that the limit left out.
    pub omitted: usize,
    /// Index in `frames` of the first frame after the omitted ones, where any were.
    pub omitted_at: Option<usize>,
}
