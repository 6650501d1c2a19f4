//! What rules look at: the thread that died, its frames and whose they are, the signal, the fault.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use super::blame::{Blame, plain_name};
use super::code::Body;
use super::fault::{self, Fault, Refused, SIGBUS, SIGSEGV};
use super::finding::{Certainty, Class, Finding};
use super::heap::FreeBlocks;
use crate::addr::RunAddr;
use crate::arch::{Arch, Registers};
use crate::image::{SignalInfo, ThreadState, signal};
use crate::memory::Memory;
use crate::session::{Frame, Session, Trace};
use crate::types::{TypeId, TypeKind};

/// Frames of the thread's stack that are looked at; of a deeper one the outermost are among them.
pub const FRAMES: usize = 1024;
/// Numbers of x86's traps (Intel SDM 3, 6.3.1).
const INVALID_OPCODE: u64 = 6;
const GENERAL_PROTECTION: u64 = 13;
const PAGE_FAULT: u64 = 14;
/// Bytes of a text that is evidence.
const MAX_TEXT: usize = 512;
/// Bytes of a function's name that a sentence has whole.
const MAX_NAME: usize = 100;
/// Threads that are asked which signal they handle.
const MAX_THREADS: usize = 4096;

/// Code by first and last address.
type Bodies = HashMap<(u64, u64), Option<Arc<Body>>>;

/// The thread that died, and what is known of its death.
pub struct Case<'a> {
    /// The target.
    pub session: &'a Session,
    /// The thread.
    pub thread: &'a ThreadState,
    /// Its stack.
    pub trace: Arc<Trace>,
    /// The signal that ended it; where a handler ran, the one that was handled.
    pub signal: Option<SignalInfo>,
    /// Index in `trace.frames` of the frame that the signal met.
    pub fault_frame: usize,
    /// A handler of the signal ran, and is on the stack.
    pub handled: bool,
    kinds: Vec<Option<Box<str>>>,
    fault: OnceCell<Option<Fault>>,
    bodies: RefCell<Bodies>,
    free_blocks: OnceCell<FreeBlocks>,
}

impl<'a> Case<'a> {
    /// The thread that the process died through.
    pub fn new(session: &'a Session, thread: &'a ThreadState, blame: &Blame) -> Case<'a> {
        let trace = session.kept_trace(thread, FRAMES);
        let kinds = kinds(session, &trace.frames, blame);
        let mut signal = thread.signal.clone().or_else(|| session.image.signal.clone());
        let mut fault_frame = 0;
        let mut handled = false;
        // A fault of the kernel's own met the innermost frame. What a handler then sent met the handler.
        let is_fault = signal.as_ref().is_some_and(|signal| signal.code.is_some_and(|code| code > 0));
        if !is_fault && let Some((at, inner)) = handled_fault(session, &trace) {
            signal = Some(inner);
            fault_frame = at + 1;
            handled = true;
        }
        Case {
            session,
            thread,
            trace,
            signal,
            fault_frame,
            handled,
            kinds,
            fault: OnceCell::new(),
            bodies: RefCell::default(),
            free_blocks: OnceCell::new(),
        }
    }

    /// A finding about a frame.
    pub fn finding(
        &self,
        rule: &'static str,
        class: Class,
        certainty: Certainty,
        frame: usize,
        summary: String,
    ) -> Finding {
        Finding {
            rule,
            class,
            certainty,
            summary,
            thread: self.thread.lwp,
            frame_index: self.trace.frames.get(frame).map_or(0, |frame| frame.index),
            function: self.function(frame).map(str::to_owned),
            line: self.frame(frame).and_then(|frame| Some((frame.code.file.as_deref()?.to_owned(), frame.code.line?))),
            evidence: Vec::new(),
            next: Vec::new(),
            symptom: false,
        }
    }

    /// The processor.
    pub fn arch(&self) -> Arch {
        self.session.image.arch
    }

    /// The target's memory.
    pub fn memory(&self) -> &dyn Memory {
        self.session.memory()
    }

    /// The signal's number; 0 without one.
    pub fn signal_number(&self) -> i32 {
        self.signal.as_ref().map_or(0, |signal| signal.number)
    }

    /// A frame.
    pub fn frame(&self, index: usize) -> Option<&Frame> {
        self.trace.frames.get(index)
    }

    /// What kind of frame it is, where it is not the program's own.
    pub fn kind(&self, frame: usize) -> Option<&str> {
        self.kinds.get(frame)?.as_deref()
    }

    /// The innermost frame from `from` on that is the program's own and whose function is known.
    pub fn own_frame(&self, from: usize) -> Option<usize> {
        (from..self.trace.frames.len()).find(|index| self.kind(*index).is_none())
    }

    /// The same; `from` where there is none.
    pub fn to_blame(&self, from: usize) -> usize {
        self.own_frame(from).unwrap_or(from)
    }

    /// The machine frame's registers.
    pub fn registers(&self, machine: usize) -> Option<&Registers> {
        Some(&self.trace.stack.frames.get(machine)?.registers)
    }

    /// A frame's function, without parameters.
    pub fn function(&self, frame: usize) -> Option<&str> {
        let code = &self.frame(frame)?.code;
        Some(plain_name(code.function.as_deref()?, code.language))
    }

    /// `find` as it is called in a sentence: `find()`.
    pub fn called(&self, frame: usize) -> String {
        match (self.function(frame), self.frame(frame)) {
            // Of long names of templates the arguments say less than what stands around them.
            (Some(name), _) if name.len() > MAX_NAME => format!("{}()", super::results::without_arguments(name)),
            (Some(name), _) => format!("{name}()"),
            (None, Some(frame)) => frame.pc.to_string(),
            (None, None) => "an unknown function".to_owned(),
        }
    }

    /// `list.c:42`, else the function, else the address.
    pub fn place(&self, frame: usize) -> String {
        let Some(found) = self.frame(frame) else { return "an unknown place".to_owned() };
        let file = found.code.file.as_deref().map(|file| file.rsplit('/').next().unwrap_or(file));
        match (file, found.code.line) {
            (Some(file), Some(line)) => format!("{file}:{line}"),
            _ => match &found.code.symbol {
                Some(_) => self.called(frame),
                None => found.pc.to_string(),
            },
        }
    }

    /// `in find() at list.c:42`, without what is not known.
    pub fn in_at(&self, frame: usize) -> String {
        let place = self.place(frame);
        let called = self.called(frame);
        if place == called { format!("in {called}") } else { format!("in {called} at {place}") }
    }

    /// ` at list.c:42`; empty where the line is not known.
    pub fn at_line(&self, frame: usize) -> String {
        match self.frame(frame).is_some_and(|frame| frame.code.line.is_some()) {
            true => format!(" at {}", self.place(frame)),
            false => String::new(),
        }
    }

    /// The function that the call in a frame calls, by the call's target, without `@plt`.
    pub fn callee(&self, frame: usize) -> Option<String> {
        let tracer = super::code::Tracer::of_frame(self, frame)?;
        self.function_at(tracer.operation()?.target?)
    }

    /// The function that begins at the address, by the debug information, the symbols or the linkage table.
    pub fn function_at(&self, entry: RunAddr) -> Option<String> {
        let code = self.session.code(entry).into_iter().next_back()?;
        let name = code.function.as_deref()?;
        let name = plain_name(name, code.language);
        Some(name.strip_suffix("@plt").unwrap_or(name).to_owned())
    }

    /// The fault, where the signal is one.
    pub fn fault(&self) -> Option<&Fault> {
        self.fault.get_or_init(|| fault::of(self)).as_ref()
    }

    /// The fault, where the signal is that of an access to data that was refused.
    pub fn data_fault(&self) -> Option<&Fault> {
        let is_access = matches!(self.signal_number(), SIGSEGV | SIGBUS);
        self.fault().filter(|fault| is_access && fault.refused == Refused::Data)
    }

    /// The blocks of the heap that are known to be free.
    pub fn free_blocks(&self) -> &FreeBlocks {
        self.free_blocks.get_or_init(|| FreeBlocks::read(self))
    }

    /// The code of the function that the address is in.
    pub fn body(&self, at: RunAddr) -> Option<Arc<Body>> {
        let (start, end) = self.session.function_extent(at)?;
        let mut bodies = self.bodies.borrow_mut();
        let body = bodies.entry((start.0, end.0)).or_insert_with(|| Body::read(self, start, end).map(Arc::new));
        body.clone()
    }

    /// The first frame of that function name, as a pattern, among the frames from `from` on.
    pub fn find_function(&self, from: usize, patterns: &[&str]) -> Option<usize> {
        (from..self.trace.frames.len()).find(|index| self.is_function(*index, patterns))
    }

    /// Whether a frame is of a function that one of the patterns names.
    pub fn is_function(&self, frame: usize, patterns: &[&str]) -> bool {
        let Some(found) = self.frame(frame) else { return false };
        let name = self.function(frame);
        let symbol = found.code.symbol.as_deref();
        let named = |pattern: &&str| {
            name.is_some_and(|name| super::blame::matches(pattern, name))
                || symbol.is_some_and(|symbol| super::blame::matches(pattern, symbol))
        };
        patterns.iter().any(named)
    }

    /// The C string there, where it is one of printable text.
    pub fn text_at(&self, address: u64) -> Option<String> {
        let (bytes, _) = self.memory().read_c_string(RunAddr(address), MAX_TEXT).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let printable = text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\t'));
        (!text.is_empty() && printable).then_some(text)
    }

    /// A word of the target's memory.
    pub fn word(&self, address: u64) -> Option<u64> {
        self.memory().read_uint(RunAddr(address), self.arch().address_size()).ok()
    }

    /// Whether something is mapped there.
    pub fn is_mapped(&self, address: u64) -> bool {
        self.session.image.mapping_at(RunAddr(address)).is_some() || self.memory().piece(RunAddr(address), 1).is_ok()
    }

    /// Whether code can run there, as far as it is known.
    pub fn is_executable(&self, address: u64) -> bool {
        match self.session.image.mapping_at(RunAddr(address)) {
            Some(mapping) if mapping.flags != 0 => mapping.flags & 1 != 0,
            _ => self.session.program.modules.at(RunAddr(address)).is_some(),
        }
    }

    /// `main+4`, `the heap`, `the stack of thread 12`: what an address is in.
    pub fn region(&self, address: u64) -> String {
        let in_code = self.is_executable(address);
        let symbol = self.session.symbol(RunAddr(address));
        // Behind the last variable there is no more of it.
        let symbol = symbol.filter(|(_, distance)| *distance == 0 || in_code || self.is_in_symbol(address));
        if let Some((name, distance)) = symbol {
            return if distance == 0 { name } else { format!("{name}+{distance}") };
        }
        let Some(mapping) = self.session.image.mapping_at(RunAddr(address)) else { return "nothing".to_owned() };
        if let Some((path, _)) = &mapping.file {
            return if in_code { format!("the code of {path}") } else { format!("the data of {path}") };
        }
        let sp = self.arch().sp();
        let threads = &self.session.image.threads;
        let of = threads
            .iter()
            .find(|thread| thread.registers.get(sp).is_some_and(|sp| mapping.start.0 <= sp && sp < mapping.end.0));
        match of {
            Some(thread) if thread.lwp == self.thread.lwp => "this thread's stack".to_owned(),
            Some(thread) => format!("the stack of thread {}", thread.lwp),
            None => "memory that belongs to no file (the heap, or a mapping of its own)".to_owned(),
        }
    }

    /// Whether the symbol at or below the address reaches so far.
    fn is_in_symbol(&self, address: u64) -> bool {
        let Some(module) = self.session.program.modules.at(RunAddr(address)) else { return false };
        let here = module.to_file(RunAddr(address));
        module.symbols().lookup(here).is_some_and(|symbol| here.0.wrapping_sub(symbol.address.0) < symbol.size)
    }

    /// A value of up to eight bytes as people write it.
    pub fn scalar(&self, type_id: Option<TypeId>, value: u64) -> String {
        let types = &self.session.types;
        let Some(type_id) = type_id else { return format!("{value:#x}") };
        let (stripped, definition) = types.stripped(type_id);
        let size = types.size(stripped).unwrap_or(8).clamp(1, 8);
        let cut = if size == 8 { value } else { value & ((1 << (size * 8)) - 1) };
        let signed = (cut << (64 - size * 8)) as i64 >> (64 - size * 8);
        match &definition.kind {
            TypeKind::Pointer { .. } | TypeKind::Reference { .. } => format!("({}) {value:#x}", types.name(type_id)),
            TypeKind::Int { signed: true } | TypeKind::Char { signed: true, .. } => signed.to_string(),
            TypeKind::Int { .. } | TypeKind::Char { .. } => cut.to_string(),
            TypeKind::Bool => if cut == 0 { "false" } else { "true" }.to_owned(),
            TypeKind::Enum { enumerators, .. } => {
                let wanted = i128::from(signed);
                let named = enumerators.iter().find(|(_, value)| *value == wanted || *value == i128::from(cut));
                named.map_or_else(|| signed.to_string(), |(name, _)| name.to_string())
            }
            _ => format!("{cut:#x}"),
        }
    }

    /// `NULL`, `nullptr`, `nil`, as the frame's language has it.
    pub fn null_word(&self, frame: usize) -> &'static str {
        use crate::types::Language;
        match self.frame(frame).and_then(|frame| frame.code.language) {
            Some(Language::Cpp) => "nullptr",
            Some(Language::Go) => "nil",
            Some(Language::Rust) => "null",
            _ => "NULL",
        }
    }
}

/// The frames' kinds. Where the C library is part of the program, its functions that no rule names are told by what C
/// reserves for it (C17, 7.1.3) and by the want of debug information, which the program's own frames have.
fn kinds(session: &Session, frames: &[Frame], blame: &Blame) -> Vec<Option<Box<str>>> {
    let mut kinds: Vec<Option<Box<str>>> =
        frames.iter().map(|frame| blame.kind(session, frame).map(Box::from)).collect();
    let mut described = None;
    for (frame, kind) in frames.iter().zip(&mut kinds).rev() {
        if kind.is_some() {
            continue;
        }
        let is_reserved = || frame.code.function.as_deref().is_some_and(|name| name.starts_with("__"));
        if frame.code.file.is_some() {
            described = frame.module;
        } else if frame.module.is_some() && frame.module == described && is_reserved() {
            *kind = Some("libc".into());
        }
    }
    kinds
}

/// The trampoline by which a handler of a fault was called, and the fault. Go's runtime meets what it raises itself in
/// its own handler, which is on the stack in front of the fault's.
fn handled_fault(session: &Session, trace: &Trace) -> Option<(usize, SignalInfo)> {
    let behind = |at: &usize| at + 1 < trace.frames.len();
    for at in trace.frames.iter().enumerate().filter(|(_, frame)| frame.signal).map(|(at, _)| at).filter(behind) {
        if let Some(fault) = handled_signal(session, trace, at) {
            return Some((at, fault));
        }
        let handler = at.checked_sub(1).and_then(|handler| trace.frames.get(handler));
        let is_go = |name: &str| name.starts_with("runtime.sigtramp") || name.starts_with("runtime.cgoSigtramp");
        if !handler.and_then(|handler| handler.code.function.as_deref()).is_some_and(is_go) {
            return None;
        }
    }
    None
}

/// Where Go's runtime dies of a signal that one thread met in C, it has every other thread print its stack first, by
/// SIGQUIT, and the last of them ends the process: the thread that met the signal (go `src/runtime/signal_unix.go`,
/// sighandler, `crashing`, Go 1.18 to 1.27).
pub(super) fn interrupted_by_go<'a>(session: &'a Session, last: &'a ThreadState) -> Option<&'a ThreadState> {
    const SIGQUIT: i32 = 3;
    if !session.program.modules.iter().any(|module| module.is_go()) {
        return None;
    }
    let handled = |thread: &ThreadState| {
        let trace = session.kept_trace(thread, FRAMES);
        let is_handler = |frame: &Frame| frame.code.function.as_deref() == Some("runtime.sighandler");
        let handler = trace.frames.iter().position(is_handler)?;
        let at = handler + trace.frames.get(handler..)?.iter().position(|frame| frame.signal)?;
        told_signal(session, &trace, at).map(|signal| signal.number)
    };
    if handled(last)? != SIGQUIT {
        return None;
    }
    let mut others = session.image.threads.iter().filter(|thread| thread.lwp != last.lwp).take(MAX_THREADS);
    others.find(|thread| handled(thread).is_some_and(|number| number != SIGQUIT))
}

/// What the kernel said of the signal whose handler the trampoline at frame `at` called.
fn told_signal(session: &Session, trace: &Trace, at: usize) -> Option<SignalInfo> {
    let machine = trace.stack.frames.get(trace.frames.get(at)?.machine)?;
    let distance = match session.image.arch {
        Arch::X86_64 => 304,
        Arch::Aarch64 => 0,
        Arch::I386 => return None,
    };
    let at = RunAddr(machine.registers.sp()?.checked_add(distance)?);
    signal::decode_siginfo(&session.memory().read_vec(at, 128).ok()?, 8)
}

/// The fault whose handler the trampoline at frame `at` called, from the frame that the kernel built.
///
/// x86-64: the stack pointer in the trampoline is at `struct ucontext` (304 bytes: Linux 6.1, uapi/asm/ucontext.h and
/// sigcontext.h), behind it is `siginfo`, which is filled only for handlers that take one (SA_SIGINFO); the trap's number
/// and address are in the context in any case. aarch64: it is at `siginfo` (arch/arm64/kernel/signal.c, `rt_sigframe`).
fn handled_signal(session: &Session, trace: &Trace, at: usize) -> Option<SignalInfo> {
    let machine = trace.stack.frames.get(trace.frames.get(at)?.machine)?;
    let sp = machine.registers.sp()?;
    let word = |offset: u64| session.memory().read_uint(RunAddr(sp.checked_add(offset)?), 8).ok();
    let (trap, trap_address) = match session.image.arch {
        Arch::X86_64 => (word(200), word(216)),
        Arch::Aarch64 => (None, None),
        Arch::I386 => return None,
    };
    let told = told_signal(session, trace, at);
    let is_fault = |signal: &SignalInfo| {
        matches!(signal.number, 4 | 5 | 7 | 8 | 11) && signal.code.is_some_and(|code| (1..=0x80).contains(&code))
    };
    let agrees = |signal: &SignalInfo| {
        trap != Some(PAGE_FAULT) || signal.address.is_none() || signal.address.map(|address| address.0) == trap_address
    };
    // What the process sent itself: the context has the trap that the thread met last, long before.
    let own = session.image.process.pid;
    let is_sent = |signal: &SignalInfo| {
        signal.code.is_some_and(|code| (-6..=0).contains(&code))
            && signal.sender_pid.is_some()
            && signal.sender_pid == own
    };
    if told.as_ref().is_some_and(is_sent) {
        return None;
    }
    if let Some(told) = told.filter(|told| is_fault(told) && agrees(told)) {
        return Some(told);
    }
    let fault = |number: i32, code: i32, address: Option<u64>| SignalInfo {
        number,
        code: Some(code),
        address: address.map(RunAddr),
        sender_pid: None,
        sender_uid: None,
    };
    // Which of the two codes it was is in the error's lowest bit: the page was there.
    match trap? {
        PAGE_FAULT => Some(fault(11, if word(192)? & 1 == 0 { 1 } else { 2 }, trap_address)),
        GENERAL_PROTECTION => Some(fault(11, 0x80, None)),
        INVALID_OPCODE => Some(fault(4, 2, None)),
        _ => None,
    }
}
