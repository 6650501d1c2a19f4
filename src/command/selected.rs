//! The thread and frame that a question is about.

use super::{CommandError, FrameArgs};
use crate::arch::Registers;
use crate::image::ThreadState;
use crate::session::{Frame, Session, Trace};

/// Frames traced beyond the selected one, so that entry values can be found in its callers.
const CALLERS: usize = 64;

/// A selected frame with its stack.
pub struct Selected<'a> {
    /// The target.
    pub session: &'a Session,
    /// The thread.
    pub thread: &'a ThreadState,
    /// Its stack, as far as it is needed.
    pub trace: Trace,
    /// Index in `trace.frames`.
    pub position: usize,
}

/// The thread with that LWP.
pub fn find_thread(session: &Session, lwp: u32) -> Result<&ThreadState, CommandError> {
    session.image.threads.iter().find(|thread| thread.lwp == lwp).ok_or_else(|| {
        let known: Vec<u32> = session.image.threads.iter().map(|thread| thread.lwp).collect();
        let ranges = crate::report::bt_text::id_ranges(&known);
        CommandError::NoMatch(format!("--thread {lwp}: no such thread; the core has {ranges}"))
    })
}

/// Finds the frame, in the crashed (first) thread where none is named.
pub fn select<'a>(session: &'a Session, args: &FrameArgs) -> Result<Selected<'a>, CommandError> {
    let thread = match args.thread {
        Some(lwp) => find_thread(session, lwp)?,
        None => session.image.threads.first().ok_or_else(|| {
            CommandError::NoMatch(format!("{}: the core holds no thread", session.image.path.display()))
        })?,
    };
    let wanted = args.frame;
    let trace = session.trace(thread, wanted.saturating_add(CALLERS));
    let position = trace.frames.iter().position(|frame| frame.index == wanted).ok_or_else(|| {
        let count = trace.frames.len();
        CommandError::NoMatch(format!("--frame {wanted}: thread {} has {count} frames", thread.lwp))
    })?;
    Ok(Selected { session, thread, trace, position })
}

impl Selected<'_> {
    /// The frame.
    pub fn frame(&self) -> Option<&Frame> {
        self.trace.frames.get(self.position)
    }

    /// The frame's registers.
    pub fn registers(&self) -> Option<&Registers> {
        let machine = self.frame()?.machine;
        Some(&self.trace.stack.frames.get(machine)?.registers)
    }
}
