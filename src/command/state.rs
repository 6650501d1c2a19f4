//! What the commands of one session share: the opened target, what is selected in it, and how answers are to look.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::common::{FrameArgs, TargetArgs};
use super::list::Listed;
use super::x::Examined;
use crate::addr::RunAddr;
use crate::arch::instruction::Syntax;
use crate::expr::Variables;
use crate::report::bt_text::{FrameArguments, FrameInfo};
use crate::report::source::Sources;
use crate::report::value_text::PrintOptions;
use crate::session::Session;
use crate::types::Language;
use crate::value::Limits;

/// An opened target with everything that outlives a command.
pub struct State {
    /// The target.
    pub session: Arc<Session>,
    /// The options that it was opened with.
    pub target: TargetArgs,
    /// Files that the core does not name, each with the address of its .text.
    pub added: Vec<(PathBuf, RunAddr)>,
    /// The thread and frame that questions are about where they name none.
    pub selection: Selection,
    /// How answers look.
    pub settings: Settings,
    /// Source files read so far.
    pub sources: Sources,
    /// Print one JSON document as the answer.
    pub json: bool,
    /// The commands come one after another, in a session, and answers build on each other.
    pub interactive: bool,
    /// Printed values and convenience variables: `$1`, `$name`.
    pub variables: Variables,
    /// Where `list` goes on.
    pub listed: Option<Listed>,
    /// Where `x` goes on.
    pub examined: Option<Examined>,
}

/// What a question is about where it does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The thread's LWP; `None`: the crashed (or first) one.
    pub thread: Option<u32>,
    /// One of Go's goroutines by its number: then the frame is one of its stack, and the thread the one that it is on.
    pub goroutine: Option<u64>,
    /// The frame, counted as bt does.
    pub frame: usize,
}

/// How answers look, where a command's own options do not say.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Bounds on what is shown of values.
    pub limits: Limits,
    /// How values are written.
    pub print: PrintOptions,
    /// Which arguments a frame's line shows with their values.
    pub frame_arguments: FrameArguments,
    /// Which parts of a frame are shown.
    pub frame_info: FrameInfo,
    /// The language of expressions; `None`: that of the frame that they are about.
    pub language: Option<Language>,
    /// Frames of a stack that a session's `bt` shows at most.
    pub backtrace_limit: Option<usize>,
    /// Lines that `list` shows.
    pub list_size: Option<u32>,
    /// What a session was told by `set`, by the setting's whole name.
    pub said: BTreeMap<&'static str, String>,
    /// How x86 instructions are written.
    pub syntax: Syntax,
}

impl State {
    /// A session that one question is asked in, or the first one.
    pub fn new(session: Session, target: TargetArgs) -> State {
        let sources = Sources::new(target.sysroot.clone(), session.debuginfod().cloned());
        let sources = sources.with_snapshot(session.image.snapshot.clone());
        State {
            session: Arc::new(session),
            json: target.json,
            target,
            added: Vec::new(),
            selection: Selection::default(),
            settings: Settings::default(),
            sources,
            interactive: false,
            variables: Variables::default(),
            listed: None,
            examined: None,
        }
    }

    /// The thread and frame that a command's options name; the selected ones where they name none. Another thread's
    /// frame is its innermost.
    pub fn selection(&self, args: &FrameArgs) -> Selection {
        let thread = args.thread.or(self.selection.thread);
        let goroutine = self.selection.goroutine.filter(|_| args.thread.is_none());
        let is_same = thread == self.selection.thread && goroutine == self.selection.goroutine;
        let inner = if is_same { self.selection.frame } else { 0 };
        Selection { thread, goroutine, frame: args.frame.unwrap_or(inner) }
    }

    /// The directory that stands for `/`, where one was named.
    pub fn sysroot(&self) -> Option<&PathBuf> {
        self.target.sysroot.as_ref()
    }
}
