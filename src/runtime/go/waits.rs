//! What goroutines wait for: channels and selects by their queues, locks by the runtime's table of semaphores (go
//! `src/runtime/sema.go`, `chan.go`, `select.go`, `src/sync`, Go 1.18 to 1.27).
//!
//! ```text
//! g.waiting ── sudog → sudog …            each with its channel; which queue it is in says the direction
//! semtable[251] ── tree of words ── list of sudogs    g → the word of a lock that it waits for
//! word ── the lock's start, by the function of sync that waits
//! ```
//!
//! Words in locks: `Mutex` 4, `RWMutex` 8 (writers) and 12 (readers), `WaitGroup` 8, all on machines of 64 bits.

use std::collections::HashMap;
use std::sync::Arc;

use super::between::Between;
use super::{GoRuntime, Goroutine, State, is_users};
use crate::addr::RunAddr;
use crate::memory::ReadAs;
use crate::order::Order;
use crate::parallel;
use crate::session::Trace;
use crate::session::go::layout::{Field, Sudog, little_endian};
use crate::waits::{
    self, Asker, CallKind, Case, Kind, Owner, Spot, State as Doing, SystemCall, ThreadWait, Wait, Waits, Who,
};

/// Frames of a goroutine that are looked at.
const FRAMES: usize = 64;
/// Goroutines that are looked at for locks that no deferred call gives back.
const MAX_LOOKED: usize = 1 << 17;
/// Frames among which the function that waits is.
const INNERMOST: usize = 12;
/// Goroutines in the runtime's tree of semaphores.
const MAX_SEMAPHORES: usize = 1 << 22;
/// Channels of one select.
const MAX_CASES: usize = 64;
/// Goroutines of a queue that are looked at for one of them.
const MAX_QUEUE: usize = 1 << 12;

/// Functions that wait for a word, what it is of, and where it lies in that.
const LOCKS: &[(&str, Kind, u64)] = &[
    ("sync.(*RWMutex).RLock", Kind::ReadLock, 12),
    ("sync.(*RWMutex).Lock", Kind::WriteLock, 8),
    ("sync.(*WaitGroup).Wait", Kind::Group, 8),
    ("sync.(*Mutex).Lock", Kind::Mutex, 4),
    ("sync.(*Mutex).lockSlow", Kind::Mutex, 4),
    ("internal/sync.(*Mutex).lockSlow", Kind::Mutex, 4),
];

/// What one goroutine does, and whose name is looked for.
struct Looked {
    row: ThreadWait,
    trace: Option<Trace>,
    words: Vec<RunAddr>,
}

impl GoRuntime<'_> {
    /// What all goroutines of the program wait for, by their numbers. The runtime's own are left out.
    pub fn waits(&self) -> Waits {
        let semaphores = self.semaphores();
        let (goroutines, _) = self.goroutines();
        let asker = Asker::new(self.session);
        let mut goroutines: Vec<Goroutine> = goroutines
            .into_iter()
            .filter(|goroutine| goroutine.state != State::Corrupt && !self.is_own(goroutine))
            .collect();
        goroutines.order_by_key(|goroutine| goroutine.id);
        let looked = parallel::map(&goroutines, |goroutine| self.look(goroutine, &semaphores, &asker));
        let looked: Vec<Looked> = looked.into_iter().flatten().collect();
        let mut waits = Waits { of: Who::Goroutines, ..Waits::default() };
        self.name(looked, &mut waits);
        self.infer_owners(&goroutines, &mut waits);
        waits::judge(&mut waits);
        waits
    }

    fn look(&self, goroutine: &Goroutine, semaphores: &HashMap<u64, u64>, asker: &Asker<'_>) -> Option<Looked> {
        let lwp = u32::try_from(goroutine.id?).ok()?;
        let trace = self.trace(goroutine, FRAMES);
        let own = trace.frames.iter().position(is_programs).or_else(|| trace.frames.iter().position(is_users));
        let mut words = Vec::new();
        let state = match goroutine.state {
            State::Waiting => self.waiting(goroutine, &trace, own, semaphores, &mut words),
            State::Leaked => self.waiting(goroutine, &trace, own, semaphores, &mut words),
            State::Syscall => self.in_call(goroutine, asker),
            _ => Doing::Running,
        };
        let place = own.and_then(|own| trace.frames.get(own));
        let place = place.map(|frame| Spot { frame_index: frame.index, code: frame.code.clone() });
        let crashed = self.session.image.threads.iter().find(|thread| thread.crashed).map(|thread| thread.lwp);
        let crashed = crashed.is_some() && crashed == goroutine.lwp;
        let row = ThreadWait { lwp, name: None, crashed, state, place };
        Some(Looked { row, trace: (!words.is_empty()).then_some(trace), words })
    }

    /// What its thread does.
    fn in_call(&self, goroutine: &Goroutine, asker: &Asker<'_>) -> Doing {
        let thread = self.session.image.threads.iter().find(|thread| Some(thread.lwp) == goroutine.lwp);
        let Some(thread) = thread else { return Doing::Running };
        match asker.state(thread, &self.session.trace(thread, FRAMES)) {
            call @ Doing::Call(_) => call,
            _ => Doing::Running,
        }
    }

    fn waiting(
        &self,
        goroutine: &Goroutine,
        trace: &Trace,
        own: Option<usize>,
        semaphores: &HashMap<u64, u64>,
        words: &mut Vec<RunAddr>,
    ) -> Doing {
        let reason = goroutine.wait_reason.as_deref().unwrap_or_default();
        let call = |name: &'static str, kind: CallKind| Doing::Call(SystemCall { name, kind, descriptor: None });
        let mut wait = Wait {
            kind: Kind::Channel,
            address: None,
            name: None,
            owners: Vec::new(),
            timed: false,
            since: own.unwrap_or(0),
            shared: false,
            inside: None,
            cases: Vec::new(),
            word: None,
        };
        if reason.ends_with("(nil chan)") {
            wait.name = Some("nil".to_owned());
            return Doing::Lock(wait);
        }
        match reason.split(" (").next().unwrap_or_default() {
            "sleep" => return call("time.Sleep", CallKind::Sleep),
            "IO wait" => return call("netpoll", CallKind::Input),
            "chan receive" | "chan send" => {
                let channel = self.queues(goroutine).first().map(|(_, channel)| RunAddr(*channel));
                (wait.address, wait.word) = (channel, channel);
            }
            "select" => {
                wait.kind = Kind::Select;
                for (sudog, channel) in self.queues(goroutine) {
                    let sends = self.waits_to_send(channel, sudog);
                    wait.cases.push(Case { address: Some(RunAddr(channel)), name: None, sends });
                    words.push(RunAddr(channel));
                }
                return Doing::Lock(wait);
            }
            "sync.Cond.Wait" => {
                wait.kind = Kind::Condition;
                wait.address = self.condition(trace);
                wait.word = wait.address;
            }
            _ => {
                // Without the runtime's table of semaphores only the functions say what it is.
                match semaphores.get(&goroutine.address.0) {
                    Some(word) => (wait.kind, wait.address) = lock_of(trace, Some(*word)),
                    None if reason.starts_with("sync.") || reason == "semacquire" => {
                        (wait.kind, wait.address) = lock_of(trace, None);
                    }
                    None => return Doing::Running,
                }
                wait.word = wait.address;
            }
        }
        words.extend(wait.word);
        Doing::Lock(wait)
    }

    /// The queues that a goroutine is in: each `sudog` and its channel.
    fn queues(&self, goroutine: &Goroutine) -> Vec<(u64, u64)> {
        let Some((_, layout)) = &self.structures.layout.waiting else { return Vec::new() };
        let mut found = Vec::new();
        let mut at = goroutine.waiting;
        while at != 0 && found.len() < MAX_CASES {
            let Some(bytes) = self.sudog(at, layout) else { break };
            let channel = layout.channel.read(&bytes);
            if channel != 0 {
                found.push((at, channel));
            }
            at = layout.link.read(&bytes);
        }
        found
    }

    fn sudog(&self, at: u64, layout: &Sudog) -> Option<Vec<u8>> {
        let memory = self.session.memory();
        memory.noted(RunAddr(at), layout.size, ReadAs::Structure);
        memory.read_vec(RunAddr(at), layout.size).ok()
    }

    fn waits_to_send(&self, channel: u64, sudog: u64) -> bool {
        let Some((_, layout)) = &self.structures.layout.waiting else { return false };
        let Some(first) = self.structures.first_sender else { return false };
        let Some(mut at) = self.number(channel, first) else { return false };
        for _ in 0..MAX_QUEUE {
            if at == 0 || at == sudog {
                return at == sudog;
            }
            let Some(bytes) = self.sudog(at, layout) else { return false };
            at = layout.next.read(&bytes);
        }
        false
    }

    fn number(&self, base: u64, field: Field) -> Option<u64> {
        let at = RunAddr(base).checked_add(field.offset as u64)?;
        self.session.memory().noted(at, field.size, ReadAs::Structure);
        self.session.memory().read_uint(at, field.size).ok()
    }

    /// The condition whose list a goroutine is in: behind its lock, which is an interface (go `src/sync/cond.go`).
    fn condition(&self, trace: &Trace) -> Option<RunAddr> {
        for (position, frame) in trace.frames.iter().enumerate().take(INNERMOST) {
            let (name, offset) = match frame.code.function.as_deref() {
                Some("sync.runtime_notifyListWait") => ("l", 2 * self.session.image.arch.address_size() as u64),
                Some("sync.(*Cond).Wait") => ("c", 0),
                _ => continue,
            };
            let Some((Ok(place), _)) = self.session.find_variable(trace, position, name) else { continue };
            let pointer = match place {
                crate::value::Place::Memory(address) => {
                    self.session.memory().read_uint(address, self.session.image.arch.address_size()).ok()
                }
                crate::value::Place::Bytes(bytes) if bytes.holes.is_empty() => Some(little_endian(&bytes.data)),
                crate::value::Place::Bytes(_) => None,
            };
            if let Some(pointer) = pointer.and_then(|pointer| pointer.checked_sub(offset)).filter(|at| *at != 0) {
                return Some(RunAddr(pointer));
            }
        }
        None
    }

    /// Words of semaphores by the goroutines that wait for them.
    fn semaphores(&self) -> HashMap<u64, u64> {
        let mut found = HashMap::new();
        let Some((table, stride, count, tree)) = self.structures.semaphores else { return found };
        let Some((_, layout)) = &self.structures.layout.waiting else { return found };
        let mut seen = std::collections::HashSet::new();
        for index in 0..count.min(4096) {
            let root = index.checked_mul(stride).and_then(|offset| table.checked_add(offset));
            let Some(first) = root.and_then(|root| self.number(root.0, tree)) else { continue };
            let mut open = vec![(first, None)];
            while let Some((at, word)) = open.pop() {
                if at == 0 || seen.len() >= MAX_SEMAPHORES || !seen.insert(at) {
                    continue;
                }
                let Some(bytes) = self.sudog(at, layout) else { continue };
                let own = word.unwrap_or_else(|| layout.element.read(&bytes));
                found.insert(layout.goroutine.read(&bytes), own);
                open.push((layout.link.read(&bytes), Some(own)));
                // Only the first of a word's list is in the tree.
                if word.is_none() {
                    open.push((layout.next.read(&bytes), None));
                    open.push((layout.previous.read(&bytes), None));
                }
            }
        }
        found
    }

    /// Names what is waited for.
    fn name(&self, looked: Vec<Looked>, waits: &mut Waits) {
        let words: Vec<(usize, RunAddr)> = looked
            .iter()
            .enumerate()
            .flat_map(|(index, looked)| looked.words.iter().map(move |word| (index, *word)))
            .collect();
        let frame = |index: usize| {
            let looked = looked.get(index)?;
            let since = match &looked.row.state {
                Doing::Lock(wait) => wait.since,
                _ => 0,
            };
            Some((looked.trace.clone()?, since))
        };
        let names = waits::names_of(self.session, &words, |_| true, &frame);
        for Looked { mut row, .. } in looked {
            if let Doing::Lock(wait) = &mut row.state {
                if let Some((name, _)) = wait.word.and_then(|word| names.get(&word)) {
                    wait.name = Some(name.clone());
                }
                for case in &mut wait.cases {
                    case.name = case.address.and_then(|address| names.get(&address)).map(|(name, _)| name.clone());
                }
            }
            waits.threads.push(row);
        }
    }

    /// Who has what no deferred call gives back.
    fn add_between(
        &self,
        goroutines: &[Goroutine],
        waits: &Waits,
        wanted: &std::collections::HashSet<u64>,
        owners: &mut HashMap<u64, Vec<u32>>,
    ) {
        let locks = waits.threads.iter().filter_map(|thread| thread.wait()).filter(|wait| wait.kind.is_held());
        let is_mutex: HashMap<u64, bool> =
            locks.filter_map(|wait| Some((wait.address?.0, wait.kind == Kind::Mutex))).collect();
        // A mutex that nobody has is not held; of others the word says that in another way.
        let is_taken = |lock: &u64| {
            is_mutex.get(lock) == Some(&false)
                || is_mutex.contains_key(lock)
                    && self.session.memory().read_uint(RunAddr(*lock), 4).is_ok_and(|state| state & 1 != 0)
        };
        let left: std::collections::HashSet<u64> =
            wanted.iter().copied().filter(|lock| !owners.contains_key(lock)).filter(is_taken).collect();
        if left.is_empty() || goroutines.len() > MAX_LOOKED {
            return;
        }
        let awaited: HashMap<u32, u64> =
            waits.threads.iter().filter_map(|thread| Some((thread.lwp, thread.wait()?.address?.0))).collect();
        let between = Between::default();
        let found = parallel::map(goroutines, |goroutine| {
            let id = goroutine.id.and_then(|id| u32::try_from(id).ok())?;
            Some((id, between.held(self, goroutine, &left, awaited.get(&id).copied())))
        });
        let mut claimed: HashMap<u64, Vec<u32>> = HashMap::new();
        for (id, held) in found.into_iter().flatten() {
            held.into_iter().for_each(|lock| claimed.entry(lock).or_default().push(id));
        }
        // Of a mutex there is but one owner: several that may be it are none.
        claimed.retain(|lock, ids| ids.len() == 1 || is_mutex.get(lock) == Some(&false));
        owners.extend(claimed);
    }

    /// Who has what others wait for, where a deferred call that gives it back says so.
    fn infer_owners(&self, goroutines: &[Goroutine], waits: &mut Waits) {
        let wanted: std::collections::HashSet<u64> = waits
            .threads
            .iter()
            .filter_map(|thread| thread.wait())
            .filter(|wait| wait.kind.is_held() || wait.kind == Kind::Group)
            .filter_map(|wait| Some(wait.address?.0))
            .collect();
        if wanted.is_empty() {
            return;
        }
        let found = parallel::map(goroutines, |goroutine| {
            let id = goroutine.id.and_then(|id| u32::try_from(id).ok())?;
            Some((id, self.gives_back(goroutine, &wanted)))
        });
        let mut owners: HashMap<u64, Vec<u32>> = HashMap::new();
        for (id, held) in found.into_iter().flatten() {
            held.into_iter().for_each(|lock| owners.entry(lock).or_default().push(id));
        }
        self.add_between(goroutines, waits, &wanted, &mut owners);
        for thread in &mut waits.threads {
            let lwp = thread.lwp;
            let Doing::Lock(wait) = &mut thread.state else { continue };
            let Some(of_lock) = wait.address.and_then(|lock| owners.get(&lock.0)) else { continue };
            if !(wait.kind.is_held() || wait.kind == Kind::Group) {
                continue;
            }
            let owned = of_lock.iter().map(|lwp| Owner { lwp: *lwp, found: waits::Found::Inferred, gone: false });
            // Its own deferred call is there before it has the lock.
            wait.owners = owned.filter(|owner| owner.lwp != lwp || wait.kind == Kind::Mutex).collect();
        }
    }
}

/// Which lock the word is in, by the outermost function of `sync` that waits.
fn lock_of(trace: &Trace, word: Option<u64>) -> (Kind, Option<RunAddr>) {
    let names = trace.frames.iter().take(INNERMOST).filter_map(|frame| frame.code.function.as_deref());
    let names: Vec<&str> = names.collect();
    let has = |name: &str| names.contains(&name);
    let found = LOCKS.iter().find(|(name, ..)| has(name));
    let Some((_, kind, offset)) = found else { return (Kind::Semaphore, word.map(RunAddr)) };
    let below = |offset: u64| word.and_then(|word| word.checked_sub(offset)).map(RunAddr);
    let in_mutex = has("sync.(*Mutex).lockSlow") || has("internal/sync.(*Mutex).lockSlow");
    match kind {
        // A writer waits for other writers in the mutex at its start.
        Kind::WriteLock if in_mutex => (Kind::WriteLock, below(4)),
        Kind::Mutex if has("sync.(*Once).doSlow") => (Kind::Once, below(4)),
        kind => (*kind, below(*offset)),
    }
}

/// Of the program's own packages, as far as names tell.
fn is_programs(frame: &crate::session::Frame) -> bool {
    const LIBRARIES: &[&str] =
        &["sync.", "internal/", "time.", "os.", "net.", "net/", "io.", "bufio.", "syscall.", "context."];
    let name: Option<&Arc<str>> = frame.code.function.as_ref();
    is_users(frame)
        && name.is_some_and(|name| {
            !name.starts_with("runtime.") && !LIBRARIES.iter().any(|library| name.starts_with(library))
        })
}
