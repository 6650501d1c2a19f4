//! Who has a lock of C's that records no owner: the thread in a function between the call that takes it and the one that
//! gives it back.
//!
//! ```text
//! pthread_mutex_lock(&from->lock)      taken before: musl's plain mutexes, locks taken to read, C11's
//! pthread_mutex_lock(&to->lock)        where the thread is
//! pthread_mutex_unlock(&from->lock)    given back behind
//! ```
//!
//! Each path to where the thread is has to pass the call that takes it, and what the call was given has to be found in the
//! code before it. Such an owner is marked as inferred.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use rayon::prelude::*;

use super::calls::{Code, Position};
use super::primitive::plain_name;
use super::{FRAMES_WITH_GUARDS, Found, Kind, Owner, State, ThreadWait, frames};
use crate::addr::RunAddr;
use crate::session::{Session, Trace};

/// Functions that take a lock for certain.
const TAKES: &[&str] =
    &["pthread_mutex_lock", "pthread_rwlock_rdlock", "pthread_rwlock_wrlock", "mtx_lock", "pthread_spin_lock"];
/// Functions that give one back.
const GIVES: &[&str] = &["pthread_mutex_unlock", "pthread_rwlock_unlock", "mtx_unlock", "pthread_spin_unlock"];
/// Frames of one thread that are looked at.
const MAX_FRAMES: usize = 32;

/// A function, and its calls that take locks (`true`) or give them back.
struct Function {
    code: Code,
    calls: Vec<(usize, bool)>,
}

/// Functions that were looked at, by an address in them.
struct Functions<'a> {
    session: &'a Session,
    known: RwLock<HashMap<u64, Option<Arc<Function>>>>,
}

/// Completes waits for locks without an owner.
pub(super) fn infer_owners(session: &Session, threads: &mut [ThreadWait]) {
    let wants = |thread: &ThreadWait| -> Option<u64> {
        let is_lock = |kind: Kind| matches!(kind, Kind::Mutex | Kind::ReadLock | Kind::WriteLock);
        let wait = thread.wait().filter(|wait| wait.owners.is_empty() && is_lock(wait.kind))?;
        Some(wait.address.or(wait.word)?.0)
    };
    let wanted: HashSet<u64> = threads.iter().filter_map(wants).collect();
    if wanted.is_empty() {
        return;
    }
    let functions = Functions { session, known: RwLock::default() };
    let shared: &[ThreadWait] = threads;
    let by_thread: Vec<Vec<u64>> = session
        .image
        .threads
        .par_iter()
        .zip(shared)
        .map(|(thread, waiting)| {
            let trace = session.trace(thread, FRAMES_WITH_GUARDS);
            functions.held(&trace, waiting, &wanted)
        })
        .collect();
    let mut holders: HashMap<u64, Vec<u32>> = HashMap::new();
    for (thread, locks) in shared.iter().zip(by_thread) {
        for lock in locks {
            holders.entry(lock).or_default().push(thread.lwp);
        }
    }
    for thread in threads.iter_mut() {
        let Some(all) = wants(thread).and_then(|lock| holders.get(&lock)) else { continue };
        let State::Lock(wait) = &mut thread.state else { continue };
        // Of what one may hold, two that seem to are one too many; to read, several may.
        if all.len() == 1 || wait.kind == Kind::WriteLock {
            wait.owners = all.iter().map(|lwp| Owner { lwp: *lwp, found: Found::Inferred, gone: false }).collect();
        }
    }
}

impl Functions<'_> {
    /// Which of the wanted locks a thread has.
    fn held(&self, trace: &Trace, waiting: &ThreadWait, wanted: &HashSet<u64>) -> Vec<u64> {
        let since = waiting.wait().filter(|wait| wait.kind == Kind::Condition).map(|wait| wait.since);
        let mut found = Vec::new();
        let mut looked_at = 0;
        for (position, frame) in trace.frames.iter().enumerate() {
            if frame.inlined || frame.signal || frames::is_library(self.session, frame) {
                continue;
            }
            looked_at += 1;
            if looked_at > MAX_FRAMES {
                break;
            }
            if since.is_some_and(|since| position < since) || frame.tail_call.is_some() {
                continue;
            }
            let Some(machine) = trace.stack.frames.get(frame.machine) else { continue };
            let Some(function) = self.function(machine.lookup) else { continue };
            let is_call = machine.pc != machine.lookup;
            let stands = Position::new(self.session, &function.code, &machine.registers, machine.pc, is_call);
            let Some(stands) = stands else { continue };
            // A thread that waits for a condition gave the lock back that it came with.
            let is_waiting = since == Some(position);
            let given = if is_waiting { stands.argument(stands.here, 1) } else { None };
            if is_waiting && given.is_none() {
                continue;
            }
            let is_wanted = |lock: &u64| wanted.contains(lock) && given != Some(*lock);
            found.extend(function.held(&stands).into_iter().filter(is_wanted));
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    fn function(&self, at: RunAddr) -> Option<Arc<Function>> {
        if let Some(known) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&at.0) {
            return known.clone();
        }
        let read = || {
            let code = Code::read(self.session, at)?;
            let calls = code.calls(self.session).into_iter().filter_map(|(index, name)| {
                let name = plain_name(&name);
                let takes = TAKES.contains(&name);
                (takes || GIVES.contains(&name)).then_some((index, takes))
            });
            let calls: Vec<(usize, bool)> = calls.collect();
            calls.iter().any(|(_, takes)| *takes).then(|| Arc::new(Function { code, calls }))
        };
        let function = read();
        self.known.write().unwrap_or_else(PoisonError::into_inner).entry(at.0).or_insert(function).clone()
    }
}

impl Function {
    /// The locks that were taken before where the frame stands, and are given back behind it.
    fn held(&self, stands: &Position<'_>) -> Vec<u64> {
        if !self.calls.iter().any(|(index, takes)| !takes && *index > stands.here) {
            return Vec::new();
        }
        let before: Vec<(Option<u64>, usize, bool)> = self
            .calls
            .iter()
            .filter(|(index, _)| *index < stands.here)
            .map(|(index, takes)| (stands.argument(*index, 0), *index, *takes))
            .collect();
        let is_kept = |lock: u64, from: usize| {
            let given = |(given, index, takes): &(Option<u64>, usize, bool)| {
                !takes && *index > from && given.is_none_or(|given| given == lock)
            };
            !before.iter().any(given) && self.code.is_passed(from, stands.here)
        };
        let taken = before.iter().filter(|(_, _, takes)| *takes);
        taken.filter_map(|(lock, index, _)| lock.filter(|lock| is_kept(*lock, *index))).collect()
    }
}
