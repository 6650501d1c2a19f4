//! An opened target: its image, modules, types and caches, and the way from a thread to frames and variables.

pub mod modules;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::addr::{FileAddr, RunAddr};
use crate::image::{Image, Note, ThreadState};
use crate::memory::Memory;
use crate::module::ModuleId;
pub use crate::module::program::Code;
use crate::types::{TypeId, TypeTable};
use crate::unwind::{Stack, Trust};
use crate::value::{Absent, Limits, Place, Provenance, Value};

/// A frame as people count them: inlined calls are frames.
#[derive(Clone, Debug)]
pub struct Frame {
    /// 0 is the innermost.
    pub index: usize,
    /// Index in [`Stack::frames`](crate::unwind::Stack::frames) of the machine frame that it is part of.
    pub machine: usize,
    /// The frame's address, a return address for callers.
    pub pc: RunAddr,
    /// Inlined into the frame with the next index.
    pub inlined: bool,
    /// A signal trampoline.
    pub signal: bool,
    /// How it was found.
    pub trust: Trust,
    /// Whose code.
    pub module: Option<ModuleId>,
    /// `pc` in the module's own address space.
    pub module_offset: Option<FileAddr>,
    /// Function and line.
    pub code: Arc<Code>,
}

/// What a variable is to its function.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Role {
    /// A parameter.
    Argument,
    /// A local.
    Local,
}

/// A variable with its value in a frame.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Its name.
    pub name: Arc<str>,
    /// Argument or local.
    pub role: Role,
    /// Its declared type; `None` where DWARF has none.
    pub type_id: Option<TypeId>,
    /// Where it is declared.
    pub decl_line: Option<u32>,
    /// Lexical blocks between the function's own scope (0) and the variable.
    pub scope_depth: usize,
    /// How the value was found.
    pub provenance: Provenance,
    /// What it held.
    pub value: Value,
}

/// Where files are looked for, from the command line.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// `--exe`.
    pub executable: Option<PathBuf>,
    /// `--sysroot`.
    pub sysroot: Option<PathBuf>,
    /// `--debug-dir`, `/usr/lib/debug` where empty.
    pub debug_directories: Vec<PathBuf>,
    /// `--debuginfod` (true), `--no-debuginfod` (false); `None`: where DEBUGINFOD_URLS is set.
    pub debuginfod: Option<bool>,
    /// `--allow-mismatch`.
    pub allow_mismatch: bool,
}

/// Why a target could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Said by the reader of the target.
    #[error(transparent)]
    Image(#[from] crate::image::ImageError),
}

/// A thread's stack, machine frames and the frames that people count.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The machine frames and why they end.
    pub stack: Stack,
    /// Frames with the inlined ones, innermost first.
    pub frames: Vec<Frame>,
}

/// A variable or function outside of frames.
#[derive(Clone, Debug)]
pub struct Global {
    /// Qualified name (`ns::count`).
    pub name: String,
    /// The file of its unit (`src/table.c`).
    pub unit_file: Option<String>,
    /// Its type.
    pub type_id: TypeId,
    /// Where it is.
    pub place: Result<Place, Absent>,
}

/// An opened target.
pub struct Session {
    /// The core.
    pub image: Image,
    /// All types seen so far.
    pub types: TypeTable,
}

impl Session {
    /// Opens a core.
    pub fn open(target: &Path, options: &OpenOptions) -> Result<Session, SessionError> {
        let _ = (target, options);
        todo!()
    }

    /// The target's memory: the core's, and behind it what the modules' own files say of bytes not saved.
    pub fn memory(&self) -> &dyn Memory {
        todo!()
    }

    /// What was odd or missing so far; grows as files are looked for.
    pub fn notes(&self) -> Vec<Note> {
        todo!()
    }

    /// A thread's frames, at most `limit` of them (the outermost are kept).
    pub fn trace(&self, thread: &ThreadState, limit: usize) -> Trace {
        let _ = (thread, limit);
        todo!()
    }

    /// Arguments and locals of `trace.frames[frame]`, innermost scope first.
    pub fn variables(&self, trace: &Trace, frame: usize, limits: &Limits) -> Vec<Variable> {
        let _ = (trace, frame, limits);
        todo!()
    }

    /// A frame's variable by name, innermost scope first: its place and type.
    pub fn find_variable(&self, trace: &Trace, frame: usize, name: &str) -> Option<(Result<Place, Absent>, TypeId)> {
        let _ = (trace, frame, name);
        todo!()
    }

    /// Global and static variables (and functions, whose type is a function) of that name, qualified or not; with
    /// `file`, only those of units whose file ends so.
    pub fn find_globals(&self, name: &str, file: Option<&str>) -> Vec<Global> {
        let _ = (name, file);
        todo!()
    }

    /// A type by name (`node`, `struct node`, `ns::T`, `int`), its definition before mere declarations.
    pub fn find_type(&self, name: &str) -> Option<TypeId> {
        let _ = name;
        todo!()
    }

    /// What is at `place`, as `type_id`. Never fails: holes are in the value. `frame` is where dynamic array bounds
    /// are evaluated.
    pub fn value(&self, place: &Place, type_id: TypeId, frame: Option<(&Trace, usize)>, limits: &Limits) -> Value {
        let _ = (place, type_id, frame, limits);
        todo!()
    }

    /// The nearest symbol at or below the address: name and distance. Functions and data.
    pub fn symbol(&self, address: RunAddr) -> Option<(String, u64)> {
        let _ = address;
        todo!()
    }

    /// What is at a code address, innermost inlined function first.
    pub fn code(&self, address: RunAddr) -> Vec<Arc<Code>> {
        let _ = address;
        todo!()
    }
}
