//! Who waits for whom: what each thread stands in, the locks by name, who holds them, and where that leads in a circle.
//!
//! ```text
//! registers at the innermost frame ── a system call and its arguments            (syscall)
//!      futex ── which primitive? the functions around it say so                   (primitive)
//!            ── where it is and who holds it: the C library's own words           (glibc)
//!            ── what holds no word: guards on the stacks, marked inferred         (guards)
//!                                 calls that take locks before it, and give back behind  (between)
//!            ── where every thread waits: who is left to have it, marked so too   (elimination)
//!            ── its name: the variable, member or element that covers the address (name)
//! all threads ── cycles, and who can go on at all                                 (graph)
//! ```
//!
//! An owner is what the lock itself records, what a guard or the code around a frame says, or the only one who is left. Otherwise there is
//! no owner: nothing is guessed from who might be meant.

mod between;
mod calls;
mod elimination;
mod frames;
mod glibc;
mod graph;
mod guards;
mod musl;
mod name;
mod primitive;
mod sharing;
mod syscall;
mod words;

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use crate::addr::RunAddr;
use crate::image::ThreadState;
use crate::parallel;
use crate::session::{Code, Session, Trace};

pub use frames::is_library;
pub(crate) use graph::judge;
pub use graph::{Problem, ProblemKind};
pub use primitive::Kind;
pub use syscall::{CallKind, SystemCall};

/// Frames of a thread that are looked at for what it waits for; the outermost are kept.
const FRAMES: usize = 64;
/// Frames that are looked at for guards.
const FRAMES_WITH_GUARDS: usize = 256;
/// Threads of which one is asked for a lock's name, before it stays without.
const ASKED_FOR_A_NAME: usize = 8;

/// Objects that are looked at for all names together, and for one name at least and at most.
const ALL_OBJECTS: usize = 1 << 20;
const FEWEST_OBJECTS: usize = 500;
const MOST_OBJECTS: usize = 50_000;

/// What a thread is doing.
#[derive(Clone, PartialEq, Debug)]
pub enum State {
    /// It runs, or stands in something that is not known as waiting.
    Running,
    /// It waits for a lock, a condition, another thread.
    Lock(Wait),
    /// It is in a system call.
    Call(SystemCall),
    /// It has nothing to do: its runtime's scheduler gave it no work.
    Idle,
}

/// A wait for what another thread has or does.
#[derive(Clone, PartialEq, Debug)]
pub struct Wait {
    /// What is waited for.
    pub kind: Kind,
    /// The word in memory that the kernel watches, or the object's own address where it is known.
    pub address: Option<RunAddr>,
    /// What the program calls it: an expression of the frame in which the first of its waiters waits.
    pub name: Option<String>,
    /// Who has it, in the order of threads; more than one only of what several may hold.
    pub owners: Vec<Owner>,
    /// It ends by itself when its time is over.
    pub timed: bool,
    /// Position in the trace of the frame that waits: the innermost that is the program's own.
    pub since: usize,
    /// Other processes may take part in it.
    pub shared: bool,
    /// The library's function that the program called, where it is of no known kind.
    pub inside: Option<String>,
    /// Of a select, the channels.
    pub cases: Vec<Case>,
    /// What the kernel watches.
    pub(crate) word: Option<RunAddr>,
}

/// A channel that a select waits for.
#[derive(Clone, PartialEq, Debug)]
pub struct Case {
    /// Where it is.
    pub address: Option<RunAddr>,
    /// What the program calls it.
    pub name: Option<String>,
    /// To send, not to receive.
    pub sends: bool,
}

/// Who waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Who {
    /// The kernel's threads, by their LWPs.
    #[default]
    Threads,
    /// Go's goroutines, by their numbers.
    Goroutines,
}

impl Who {
    /// One of them.
    pub fn noun(self) -> &'static str {
        match self {
            Who::Threads => "thread",
            Who::Goroutines => "goroutine",
        }
    }

    /// Several of them.
    pub fn plural(self) -> &'static str {
        match self {
            Who::Threads => "threads",
            Who::Goroutines => "goroutines",
        }
    }
}

/// Who has a lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Owner {
    /// Its LWP.
    pub lwp: u32,
    /// How that is known.
    pub found: Found,
    /// There is no such thread any more.
    pub gone: bool,
}

/// How an owner is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// The lock says so.
    Recorded,
    /// A guard on the owner's stack says so, or the code of a frame between the calls that take and give back.
    Inferred,
    /// Every thread waits, and nobody else is left to have it.
    Left,
}

/// A thread, and what it is doing.
#[derive(Clone, Debug)]
pub struct ThreadWait {
    /// Its LWP.
    pub lwp: u32,
    /// Its name, where there is one.
    pub name: Option<String>,
    /// The process died through it.
    pub crashed: bool,
    /// What it is doing.
    pub state: State,
    /// The frame that does it: the innermost that is the program's own.
    pub place: Option<Spot>,
}

/// A frame in short.
#[derive(Clone, Debug)]
pub struct Spot {
    /// As bt counts.
    pub frame_index: usize,
    /// Function and line.
    pub code: Arc<Code>,
}

/// What the whole process waits for.
#[derive(Clone, Debug, Default)]
pub struct Waits {
    /// Every thread, in the image's order.
    pub threads: Vec<ThreadWait>,
    /// LWPs that wait in a circle: each for the next, the last for the first.
    pub cycles: Vec<Vec<u32>>,
    /// What is wrong with that.
    pub problems: Vec<Problem>,
    /// Who they are.
    pub of: Who,
}

impl Waits {
    /// A thread by its LWP.
    pub fn thread(&self, lwp: u32) -> Option<&ThreadWait> {
        self.threads.iter().find(|thread| thread.lwp == lwp)
    }
}

impl ThreadWait {
    /// What it waits for, where that is a lock.
    pub fn wait(&self) -> Option<&Wait> {
        match &self.state {
            State::Lock(wait) => Some(wait),
            _ => None,
        }
    }
}

/// Asks threads what they are doing.
pub struct Asker<'a> {
    session: &'a Session,
}

impl<'a> Asker<'a> {
    /// About one target.
    pub fn new(session: &'a Session) -> Asker<'a> {
        Asker { session }
    }

    /// What a thread with that stack is doing. Without names and without what is to be inferred from other threads.
    pub fn state(&self, thread: &ThreadState, trace: &Trace) -> State {
        primitive::state(self, thread, trace)
    }
}

/// The system call that a thread is in, where it is one that waits, as its registers say.
pub fn system_call(session: &Session, thread: &ThreadState, trace: &Trace) -> Option<SystemCall> {
    let function = trace.frames.first().and_then(|frame| frame.code.function.as_deref());
    match syscall::whereabouts(session, thread, function) {
        syscall::Whereabouts::Kernel(entered) => syscall::known(&entered),
        _ => None,
    }
}

/// Asks all threads.
pub fn find(session: &Session) -> Waits {
    let threads = &session.image.threads;
    let asker = Asker::new(session);
    let looked_at = parallel::map(threads, |thread| {
        let trace = session.trace(thread, FRAMES);
        let state = asker.state(thread, &trace);
        let own = match &state {
            State::Lock(wait) => Some(wait.since),
            _ => frames::own(session, &trace, 0),
        };
        let place = own.and_then(|position| spot(&trace, position));
        ThreadWait { lwp: thread.lwp, name: thread.name.clone(), crashed: thread.crashed, state, place }
    });
    let mut waits = Waits { threads: looked_at, ..Waits::default() };
    // Only a few locks of many threads have a name to be looked for.
    name_locks(session, &mut waits.threads);
    guards::infer_owners(session, &mut waits.threads);
    between::infer_owners(session, &mut waits.threads);
    elimination::name_owners(session, &mut waits.threads);
    judge(&mut waits);
    waits
}

fn spot(trace: &Trace, position: usize) -> Option<Spot> {
    let frame = trace.frames.get(position)?;
    Some(Spot { frame_index: frame.index, code: frame.code.clone() })
}

/// What the program calls what threads wait for, of all threads' waits in order, by the words that the kernel watches. Each
/// is named once, by the first of its waiters that has a name for it; only what is `wanted`.
pub fn names(
    session: &Session,
    waits: &[Option<&Wait>],
    wanted: impl Fn(RunAddr) -> bool,
) -> HashMap<RunAddr, (String, Option<RunAddr>)> {
    let words: Vec<Option<RunAddr>> = waits
        .iter()
        // What a thread is parked on is its own.
        .map(|wait| wait.filter(|wait| !matches!(wait.kind, Kind::Join | Kind::Park))?.word)
        .collect();
    let words: Vec<(usize, RunAddr)> =
        words.into_iter().enumerate().filter_map(|(at, word)| Some((at, word?))).collect();
    let frame = |index: usize| {
        let since = waits.get(index).copied().flatten()?.since;
        let thread = session.image.threads.get(index)?;
        Some((session.trace(thread, FRAMES), since))
    };
    names_of(session, &words, wanted, &frame)
}

/// The same of any stacks: `words` says which stack waits for which word, `frame` gives the stack and the frame that waits.
pub(crate) fn names_of(
    session: &Session,
    words: &[(usize, RunAddr)],
    wanted: impl Fn(RunAddr) -> bool,
    frame: &(dyn Fn(usize) -> Option<(Trace, usize)> + Sync),
) -> HashMap<RunAddr, (String, Option<RunAddr>)> {
    let mut waiters: HashMap<RunAddr, Vec<usize>> = HashMap::new();
    for (index, word) in words.iter().filter(|(_, word)| wanted(*word)) {
        let of_word = waiters.entry(*word).or_default();
        if of_word.len() < ASKED_FOR_A_NAME {
            of_word.push(*index);
        }
    }
    // The more there are, the less is looked at for each.
    let most = (ALL_OBJECTS / waiters.len().max(1)).clamp(FEWEST_OBJECTS, MOST_OBJECTS);
    let waiters: Vec<(RunAddr, Vec<usize>)> = waiters.into_iter().collect();
    let named = parallel::map(&waiters, |(word, waiters)| {
        let left = Cell::new(most);
        let named = name::of_global(session, *word).or_else(|| {
            let mut weak = None;
            for index in waiters {
                let (trace, since) = frame(*index)?;
                match name::in_frames(session, &trace, since, *word, &left) {
                    Some(named) if !named.is_weak => return Some(named),
                    found => weak = weak.or(found),
                }
            }
            weak.or_else(|| name::of_symbol(session, *word))
        });
        named.map(|named| (*word, (named.text, named.object)))
    });
    named.into_iter().flatten().collect()
}

fn name_locks(session: &Session, threads: &mut [ThreadWait]) {
    let waits: Vec<Option<&Wait>> = threads.iter().map(ThreadWait::wait).collect();
    let names = names(session, &waits, |_| true);
    for thread in threads {
        let State::Lock(wait) = &mut thread.state else { continue };
        let Some((name, object)) = wait.word.and_then(|word| names.get(&word)) else { continue };
        if matches!(wait.kind, Kind::Join | Kind::Park) {
            continue;
        }
        wait.name = Some(name.clone());
        wait.address = object.or(wait.address);
    }
}
