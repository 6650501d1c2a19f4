//! `obit threads`: one line a thread.

use super::{CommandError, Output, State, common};
use crate::image::ThreadState;
use crate::module::ModuleId;
use crate::parallel;
use crate::report::bt_text::{base_name, display_name, shortened};
use crate::report::documents;
use crate::report::table::{number, text, write_table};
use crate::session::{Frame, Session};

/// Frames in which a thread's own function is looked for.
const FRAMES_SEARCHED: usize = 64;

/// Arguments of `threads`.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {}

/// Answers `threads`.
pub fn run(_args: &Args, state: &mut State, output: &mut Output<'_>) -> Result<(), CommandError> {
    let session = &state.session;
    let threads = &session.image.threads;
    let frames = parallel::map(threads, |thread| own_frame(session, thread));
    let rows: Vec<(&ThreadState, Option<Frame>)> = threads.iter().zip(frames).collect();
    if state.json {
        let module = |id| session.module_label(id);
        return common::write_document(output, documents::threads(&rows, &session.types, &module, &session.notes()));
    }
    let cells = rows.iter().map(|(thread, frame)| {
        vec![
            if thread.crashed { "*" } else { "" }.to_owned(),
            thread.lwp.to_string(),
            thread.name.clone().unwrap_or_default(),
            thread.signal.as_ref().map(|signal| signal.name()).unwrap_or_default(),
            frame.as_ref().map(|frame| frame_text(session, frame)).unwrap_or_default(),
        ]
    });
    let columns = [text(""), number("LWP"), text("name"), text("signal"), text("frame")];
    write_table(output.out, &columns, cells.collect())?;
    common::write_notes(output, &session.notes())
}

/// The innermost frame that is the program's own: with a source line or in the executable. The innermost of all
/// where there is none.
fn own_frame(session: &Session, thread: &ThreadState) -> Option<Frame> {
    let trace = session.trace(thread, FRAMES_SEARCHED);
    let is_executable = |id: ModuleId| session.module_label(id).is_some_and(|label| label.is_executable);
    let own = trace.frames.iter().position(|frame| !frame.signal && frame.module.is_some_and(is_executable));
    let own = own.or_else(|| trace.frames.iter().position(|frame| !frame.signal && frame.code.line.is_some()));
    trace.frames.get(own.unwrap_or(0)).cloned()
}

fn frame_text(session: &Session, frame: &Frame) -> String {
    let label = frame.module.and_then(|id| session.module_label(id));
    let name = match (&frame.code.function, label, frame.module_offset) {
        (Some(name), ..) => display_name(name, &frame.code).into_owned(),
        (None, Some(label), Some(offset)) => format!("{}+{offset}", base_name(label.path)),
        _ => frame.pc.to_string(),
    };
    match (&frame.code.file, frame.code.line) {
        (Some(file), Some(line)) => format!("#{} {name} at {}:{line}", frame.index, shortened(file)),
        _ => format!("#{} {name}", frame.index),
    }
}
