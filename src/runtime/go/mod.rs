//! Goroutines: which there are, what they do, and their stacks (go `src/runtime/runtime2.go`, `proc.go`,
//! `traceback.go`, Go 1.18 to 1.27).
//!
//! ```text
//! runtime.allgs ── *g … ── layout from DWARF ── id, status, reason, creator      (layout)
//! g.m.curg == g  ── the thread's registers, where they are on g's stack ┐
//! g.syscallsp, g.sched ── the registers that the scheduler saved        ┴─ trace  (stacks)
//! ```
//!
//! The runtime's structures are read as the program's own debug information describes them: no version is assumed. A
//! row that cannot be right says so, and has no stack.

mod between;
mod described;
pub mod heap;
mod held;
mod labels;
mod panics;
pub mod scheduler;
mod stacks;
mod version;
mod waits;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, RwLock};

pub use self::panics::{Panic, lines as panic_lines};
use crate::addr::RunAddr;
use crate::image::{Note, ThreadState};
use crate::memory::ReadAs;
use crate::parallel;
use crate::session::go::layout::{self, Field};
use crate::session::go::structures::GoStructures;
pub use crate::session::go::structures::GoUnknown as RuntimeError;
use crate::session::{Code, Frame, Session};
use crate::types::Language;

/// Frames that are looked at for where a goroutine stands.
const PLACE: usize = 64;
/// Goroutines that are listed at most; more are counted.
const MAX_GOROUTINES: u64 = 1 << 22;
/// Goroutines whose descriptions are at hand at once: bounds the memory.
const AT_ONCE: usize = 1 << 15;
/// Texts of the runtime's that are read, and their lengths.
const MAX_REASONS: u64 = 256;
const MAX_REASON: u64 = 100;
/// Set while the garbage collector looks at the stack.
const SCAN: u64 = 0x1000;

/// What a goroutine is doing (`_Gidle` and so on).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum State {
    /// Just made.
    Idle,
    /// On a run queue.
    Runnable,
    /// On a thread.
    Running,
    /// In a system call, or in C.
    Syscall,
    /// Blocked in the runtime.
    Waiting,
    /// Its stack is being moved.
    CopyStack,
    /// It stopped itself for the garbage collector.
    Preempted,
    /// It can never run again, as the collector found out.
    Leaked,
    /// The memory does not hold a goroutine.
    Corrupt,
}

impl State {
    fn of(status: u64) -> Option<State> {
        Some(match status & !SCAN {
            0 => State::Idle,
            1 => State::Runnable,
            2 => State::Running,
            3 => State::Syscall,
            4 => State::Waiting,
            8 => State::CopyStack,
            9 => State::Preempted,
            10 => State::Leaked,
            // _Gdead, and _Gdeadextra of Go 1.26: nothing runs in them.
            6 | 11 => return None,
            _ => State::Corrupt,
        })
    }

    /// The runtime's word (`gStatusStrings`).
    pub fn code(self) -> &'static str {
        match self {
            State::Idle => "idle",
            State::Runnable => "runnable",
            State::Running => "running",
            State::Syscall => "syscall",
            State::Waiting => "waiting",
            State::CopyStack => "copystack",
            State::Preempted => "preempted",
            State::Leaked => "leaked",
            State::Corrupt => "corrupt",
        }
    }
}

/// Where a stack was left: what `g.sched` or `g.syscallsp` and its neighbours hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Saved {
    pc: u64,
    sp: u64,
    fp: u64,
    link: u64,
}

/// A goroutine.
#[derive(Clone, Debug)]
pub struct Goroutine {
    /// Where its `g` is.
    pub address: RunAddr,
    /// Its number; `None` where it cannot be read.
    pub id: Option<u64>,
    /// What it is doing.
    pub state: State,
    /// Why it waits, in the runtime's words.
    pub wait_reason: Option<Arc<str>>,
    /// The thread that it is on.
    pub lwp: Option<u32>,
    /// It must run on one thread (`runtime.LockOSThread`).
    pub locked: bool,
    /// On that thread, where the runtime says which.
    pub locked_to: Option<u32>,
    /// Behind the `go` statement that made it.
    pub created_at: Option<RunAddr>,
    /// The goroutine that made it (Go 1.21 and later).
    pub parent: Option<u64>,
    /// The function that it began with.
    pub start: Option<RunAddr>,
    /// What is wrong with the row.
    pub problem: Option<String>,
    /// How many seconds it has waited at least: since a garbage collection saw it wait, up to the last that the runtime's
    /// clock is known to have shown.
    pub waits_since: Option<u64>,
    /// Where its labels are (`pprof.Do`).
    labels: u64,
    /// The first of the queues that it waits in.
    waiting: u64,
    /// The innermost `_panic` that it runs deferred calls for.
    panic: u64,
    stack: (u64, u64),
    saved: Saved,
}

impl Goroutine {
    /// One of which nothing is known but where it should be.
    pub(crate) fn corrupt(address: RunAddr) -> Goroutine {
        Goroutine {
            address,
            id: None,
            state: State::Corrupt,
            wait_reason: None,
            lwp: None,
            locked: false,
            locked_to: None,
            created_at: None,
            parent: None,
            start: None,
            problem: None,
            waits_since: None,
            labels: 0,
            waiting: 0,
            panic: 0,
            stack: (0, 0),
            saved: Saved::default(),
        }
    }

    /// It runs deferred calls for a panic.
    pub fn panics(&self) -> bool {
        self.panic != 0
    }

    /// One with everything, for tests of reports.
    #[cfg(test)]
    pub(crate) fn example() -> Goroutine {
        Goroutine {
            id: Some(18),
            state: State::Waiting,
            wait_reason: Some("chan receive".into()),
            lwp: Some(7),
            locked: true,
            locked_to: Some(7),
            parent: Some(1),
            problem: Some("a problem".to_owned()),
            ..Goroutine::corrupt(RunAddr(0x00c0_0000_61a0))
        }
    }
}

/// As Go's own traceback shows (`showfuncinfo`): no unexported function of package runtime, but that of a panic.
pub fn is_users(frame: &Frame) -> bool {
    let Some(name) = frame.code.function.as_deref() else { return true };
    let is_go = frame.code.language == Some(Language::Go);
    match name.strip_prefix("runtime.") {
        Some(own) => own.starts_with(|c: char| c.is_ascii_uppercase()) || own == "gopanic",
        None => !is_go || name.contains('.'),
    }
}

/// Go's runtime in a target.
pub struct GoRuntime<'a> {
    session: &'a Session,
    structures: &'a GoStructures,
    /// `runtime.waitReasonStrings`.
    reasons: Vec<Option<Arc<str>>>,
    /// Where goroutines of the list are.
    list: (u64, u64),
    /// Nanoseconds that the runtime's clock showed last, as far as its variables tell.
    clock: u64,
    notes: Vec<Note>,
    /// Where one was left that was looked at last, and the call before it.
    left: RwLock<Option<(RunAddr, RunAddr)>>,
}

impl<'a> GoRuntime<'a> {
    /// Finds the runtime's structures.
    pub fn open(session: &'a Session) -> Result<GoRuntime<'a>, RuntimeError> {
        let structures = session.go_structures()?;
        let (layout, address) = (&structures.layout, structures.list);
        let unreadable = |why: &dyn std::fmt::Display| RuntimeError::Unreadable(why.to_string());
        let mut notes = Vec::new();
        let header = layout.slice_size;
        session.memory().noted(address, header, ReadAs::Structure);
        let bytes = session.memory().read_vec(address, header).map_err(|error| unreadable(&error))?;
        let (data, length, capacity) =
            (layout.slice.data.read(&bytes), layout.slice.length.read(&bytes), layout.slice.capacity.read(&bytes));
        if length > capacity || length > 0 && data == 0 {
            return Err(unreadable(&format!("{length} goroutines in room for {capacity} at {data:#x}")));
        }
        if length > MAX_GOROUTINES {
            let message = format!("runtime.allgs names {length} goroutines, of which {MAX_GOROUTINES} are looked at");
            notes.push(Note { code: "too-many-goroutines", message });
        }
        let mut runtime = GoRuntime {
            session,
            structures,
            reasons: Vec::new(),
            list: (data, length.min(MAX_GOROUTINES)),
            clock: 0,
            notes,
            left: RwLock::default(),
        };
        runtime.clock = runtime.read_clock();
        runtime.reasons = runtime.read_reasons().unwrap_or_default();
        Ok(runtime)
    }

    /// The target.
    pub fn session(&self) -> &'a Session {
        self.session
    }

    /// All that are alive, in the runtime's order, and what was odd.
    pub fn goroutines(&self) -> (Vec<Goroutine>, Vec<Note>) {
        let mut notes = self.notes.clone();
        let mut pointers = Vec::new();
        let mut seen = HashSet::new();
        let unread = self.each_pointer(&mut |pointer| {
            pointers.push(pointer);
            true
        });
        if unread > 0 {
            let message = format!("{unread} of {} goroutines of runtime.allgs cannot be read", self.list.1);
            notes.push(Note { code: "goroutines-unreadable", message });
        }
        let named = pointers.len();
        pointers.retain(|pointer| seen.insert(*pointer));
        if pointers.len() < named {
            let message = format!("runtime.allgs names {} goroutines more than once", named - pointers.len());
            notes.push(Note { code: "goroutines-repeated", message });
        }
        let threads = self.threads();
        let mut rows: Vec<Goroutine> = Vec::with_capacity(pointers.len());
        for part in pointers.chunks(AT_ONCE) {
            let read = parallel::map(part, |pointer| self.goroutine(RunAddr(*pointer), &threads));
            rows.extend(read.into_iter().flatten());
            // Of very many, what was read would be most of the core.
            if pointers.len() > AT_ONCE {
                self.session.release_memory();
            }
        }
        (rows, notes)
    }

    /// Threads by the numbers that the runtime has of them.
    fn threads(&self) -> HashMap<u64, u32> {
        self.session.image.threads.iter().map(|thread| (u64::from(thread.lwp), thread.lwp)).collect()
    }

    /// Every `g` of the runtime's list, as long as `each` wants more; how many could not be read.
    fn each_pointer(&self, each: &mut dyn FnMut(u64) -> bool) -> u64 {
        // A page's worth at once: a length that is not true ends where memory does.
        const AT_ONCE: u64 = 512;
        let (data, length) = self.list;
        let word = self.session.image.arch.address_size();
        let mut at = 0;
        while at < length {
            let count = (length - at).min(AT_ONCE);
            let from = data.wrapping_add(at.wrapping_mul(word as u64));
            let bytes = count as usize * word;
            self.session.memory().noted(RunAddr(from), bytes, ReadAs::Structure);
            let Ok(chunk) = self.session.memory().read_vec(RunAddr(from), bytes) else { return length - at };
            if !chunk.chunks_exact(word).map(layout::little_endian).all(&mut *each) {
                return 0;
            }
            at += count;
        }
        0
    }

    /// The one with that number.
    pub fn goroutine_numbered(&self, id: u64) -> Option<Goroutine> {
        let field = self.structures.layout.id;
        let memory = self.session.memory();
        let mut found = None;
        self.each_pointer(&mut |pointer| {
            let number = RunAddr(pointer).checked_add(field.offset as u64);
            if number.and_then(|at| memory.read_uint(at, field.size).ok()) == Some(id) {
                found = self.goroutine(RunAddr(pointer), &self.threads());
            }
            found.is_none()
        });
        found
    }

    /// The goroutine that a thread is on.
    pub fn on_thread(&self, thread: &ThreadState) -> Option<Goroutine> {
        let on = self.session.go_thread(thread)?;
        let threads = HashMap::from([(u64::from(thread.lwp), thread.lwp)]);
        self.goroutine(on.current, &threads)
    }

    /// Whether the runtime made it for itself, by the function that it began with (`isSystemGoroutine`).
    pub fn is_own(&self, goroutine: &Goroutine) -> bool {
        let code = goroutine.start.and_then(|start| self.session.code(start).into_iter().next_back());
        let Some(function) = code.and_then(|code| code.function.clone()) else { return false };
        function.starts_with("runtime.") && function.as_ref() != "runtime.main"
    }

    /// Where it stands: the innermost frame that is not the runtime's.
    pub fn place(&self, goroutine: &Goroutine) -> Option<Arc<Code>> {
        let trace = self.trace(goroutine, PLACE);
        let frame = trace.frames.iter().find(|frame| is_users(frame))?;
        Some(frame.code.clone())
    }

    /// The function that a code address is in, innermost inlined one first.
    pub fn code_before(&self, pc: RunAddr) -> Option<Arc<Code>> {
        self.session.code(self.before(pc)).into_iter().next()
    }

    /// The call that returns to `pc`; `pc` itself at the start of a function.
    fn before(&self, pc: RunAddr) -> RunAddr {
        let is_entry = self.session.program.modules.at(pc).is_some_and(|module| {
            let here = module.to_file(pc);
            module.symbols().lookup(here).is_some_and(|symbol| symbol.address == here)
        });
        if is_entry { pc } else { RunAddr(pc.0.saturating_sub(1)) }
    }

    fn goroutine(&self, address: RunAddr, threads: &HashMap<u64, u32>) -> Option<Goroutine> {
        let layout = &self.structures.layout;
        let mut row = Goroutine::corrupt(address);
        let memory = self.session.memory();
        memory.noted(address, layout.size, ReadAs::Structure);
        let bytes = match memory.read_vec(address, layout.size) {
            Ok(bytes) => bytes,
            Err(error) => {
                row.problem = Some(format!("the g at {address} cannot be read: {error}"));
                return Some(row);
            }
        };
        let optional = |field: Option<Field>| field.map_or(0, |field| field.read(&bytes));
        let status = layout.status.read(&bytes);
        row.state = State::of(status)?;
        let id = layout.id.read(&bytes);
        row.id = Some(id);
        row.stack = (layout.stack_low.read(&bytes), layout.stack_high.read(&bytes));
        if row.state == State::Corrupt {
            row.problem = Some(format!("the g at {address} has the status {status:#x}, which is none"));
            return Some(row);
        }
        // The first goroutine is made by the program's start, which Go does not call its creator either.
        row.created_at = Some(RunAddr(layout.created_at.read(&bytes))).filter(|pc| pc.0 != 0 && id != 1);
        row.start = Some(RunAddr(layout.start.read(&bytes))).filter(|pc| pc.0 != 0);
        row.parent = layout.parent.map(|field| field.read(&bytes)).filter(|id| *id != 0);
        row.labels = optional(layout.labels);
        let since = optional(layout.waiting_since);
        if matches!(row.state, State::Waiting | State::Syscall) && since != 0 {
            row.waits_since = self.clock.checked_sub(since).map(|waited| waited / 1_000_000_000);
        }
        row.waiting = optional(layout.waiting.map(|(field, _)| field));
        row.panic = optional(layout.panic.map(|(field, _)| field));
        let locked = optional(layout.locked);
        row.locked = locked != 0;
        row.locked_to = self.lwp_of(locked);
        if row.state == State::Waiting {
            let reason = usize::try_from(layout.wait_reason.read(&bytes)).unwrap_or(usize::MAX);
            row.wait_reason = self.reasons.get(reason).cloned().flatten().filter(|text| !text.is_empty());
        }
        row.saved = Saved {
            pc: layout.saved_pc.read(&bytes),
            sp: layout.saved_sp.read(&bytes),
            fp: optional(layout.saved_fp),
            link: optional(layout.saved_link),
        };
        let syscall_sp = layout.syscall_sp.read(&bytes);
        if row.state == State::Syscall && syscall_sp != 0 {
            let fp = optional(layout.syscall_fp);
            row.saved = Saved { pc: layout.syscall_pc.read(&bytes), sp: syscall_sp, fp, link: 0 };
        }
        self.find_thread(&mut row, layout.thread.read(&bytes), threads);
        Some(row)
    }

    /// The thread of the kernel's that one of the runtime's is.
    fn lwp_of(&self, machine: u64) -> Option<u32> {
        let field = self.structures.layout.machine.lwp;
        let at = RunAddr(machine).checked_add(field.offset as u64).filter(|_| machine != 0)?;
        self.session.memory().noted(at, field.size, ReadAs::Structure);
        let lwp = self.session.memory().read_uint(at, field.size).ok()?;
        u32::try_from(lwp).ok().filter(|lwp| self.session.image.threads.iter().any(|thread| thread.lwp == *lwp))
    }

    /// The machine thread, where both sides agree that it is on it.
    fn find_thread(&self, row: &mut Goroutine, machine: u64, threads: &HashMap<u64, u32>) {
        if machine == 0 {
            return;
        }
        let (memory, of_machine) = (self.session.memory(), &self.structures.layout.machine);
        let read = |field: Field| {
            let at = RunAddr(machine).checked_add(field.offset as u64)?;
            memory.noted(at, field.size, ReadAs::Structure);
            memory.read_uint(at, field.size).ok()
        };
        let current = read(of_machine.current);
        if current != Some(row.address.0) {
            return;
        }
        let lwp = read(of_machine.lwp);
        row.lwp = lwp.and_then(|lwp| threads.get(&lwp).copied());
        if row.lwp.is_none() && row.state == State::Running {
            let named = lwp.map_or_else(|| "one that cannot be read".to_owned(), |lwp| format!("LWP {lwp}"));
            row.problem = Some(format!("it runs on a thread that the core does not have: {named}"));
        }
    }

    fn read_reasons(&self) -> Option<Vec<Option<Arc<str>>>> {
        let (address, text, stride, count) = self.structures.reasons?;
        let memory = self.session.memory();
        let reasons = (0..count.min(MAX_REASONS)).map(|index| {
            let at = address.checked_add(index.checked_mul(stride)?)?;
            memory.noted(at, stride as usize, ReadAs::Structure);
            let header = memory.read_vec(at, usize::try_from(stride).ok()?).ok()?;
            let length = text.length.read(&header);
            if length > MAX_REASON {
                return None;
            }
            let data = RunAddr(text.data.read(&header));
            memory.noted(data, length as usize, ReadAs::Structure);
            let bytes = memory.read_vec(data, length as usize).ok()?;
            Some(Arc::from(std::str::from_utf8(&bytes).ok()?))
        });
        Some(reasons.collect())
    }
}
