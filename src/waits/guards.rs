//! Owners that a lock does not record: guards on the stacks, and calls that are not over.
//!
//! ```text
//! std::lock_guard, unique_lock, shared_lock, scoped_lock   _M_device, _M_pm; _M_owns     (gcc bits/std_mutex.h, unique_lock.h,
//!                                                          __m_; __owns_                  shared_mutex; llvm __mutex)
//! MutexGuard, RwLockWriteGuard, RwLockReadGuard            lock, inner_lock               (rust library/std/src/sync)
//! lock_api's guards                                        mutex, rwlock, remutex         (lock_api 0.4)
//! ```

use std::collections::{HashMap, HashSet};

use super::{FRAMES_WITH_GUARDS, Found, Kind, Owner, State, ThreadWait, frames, glibc};
use crate::addr::RunAddr;
use crate::image::ThreadState;
use crate::parallel;
use crate::session::{Session, Trace};
use crate::types::{TypeId, TypeKind, TypeTable};
use crate::value::Place;
use crate::value::formatters::{Object, base_name};

/// Bytes of a frame among which an address is looked for.
const MAX_FRAME: u64 = 4096;
/// Structures within a guard.
const MAX_NESTING: usize = 6;

/// What holds a lock while it lives.
const GUARDS: &[&str] = &[
    "std::lock_guard",
    "std::unique_lock",
    "std::shared_lock",
    "std::scoped_lock",
    "std::sync::poison::mutex::MutexGuard",
    "std::sync::mutex::MutexGuard",
    "std::sync::poison::rwlock::RwLockReadGuard",
    "std::sync::rwlock::RwLockReadGuard",
    "std::sync::poison::rwlock::RwLockWriteGuard",
    "std::sync::rwlock::RwLockWriteGuard",
    "lock_api::mutex::MutexGuard",
    "lock_api::rwlock::RwLockReadGuard",
    "lock_api::rwlock::RwLockWriteGuard",
    "lock_api::remutex::ReentrantMutexGuard",
];
/// Members that lead to the lock, the one that tells most first.
const LOCKS: &[&str] = &["inner_lock", "lock", "_M_device", "_M_pm", "__m_", "mutex", "rwlock", "remutex"];

/// A lock that a thread holds, as its stack says.
struct Held {
    start: u64,
    end: u64,
    /// It was made for certain before the thread began to wait.
    is_made: bool,
}

/// Completes waits for locks without a recorded owner.
pub(super) fn infer_owners(session: &Session, threads: &mut [ThreadWait]) {
    let wants = |thread: &ThreadWait| -> Option<(RunAddr, Kind)> {
        let wait = thread.wait().filter(|wait| wait.owners.is_empty() && wait.kind.is_held())?;
        Some((wait.word?, wait.kind))
    };
    let wanted: HashSet<(RunAddr, bool)> =
        threads.iter().filter_map(wants).map(|(word, kind)| (word, kind == Kind::Once)).collect();
    if wanted.is_empty() {
        return;
    }
    let is_any_once = wanted.iter().any(|(_, is_once)| *is_once);
    let shared: &[ThreadWait] = threads;
    let both: Vec<(&ThreadState, &ThreadWait)> = session.image.threads.iter().zip(shared).collect();
    let by_thread = parallel::map(&both, |(thread, waiting)| {
        let trace = session.trace(thread, FRAMES_WITH_GUARDS);
        let held = held(session, &trace, waiting);
        let initialised = if is_any_once { initialised(session, &trace) } else { HashSet::new() };
        let is_held = |word: RunAddr| held.iter().any(|held| (held.start..held.end).contains(&word.0));
        // Who reads may wait to read once more, behind a writer who waits for the first time to be over.
        let reads = waiting.wait().filter(|wait| wait.kind == Kind::ReadLock).and_then(|wait| wait.word);
        let is_read = |word: RunAddr| {
            let covers = |held: &Held| held.is_made && (held.start..held.end).contains(&word.0);
            reads == Some(word) && held.iter().any(covers)
        };
        let mut words: Vec<(RunAddr, bool)> = wanted
            .iter()
            .filter(|(word, is_once)| match is_once {
                false => is_held(*word),
                true => waiting.wait().is_none_or(|wait| wait.word != Some(*word)) && initialised.contains(&word.0),
            })
            .map(|(word, _)| (*word, is_read(*word)))
            .collect();
        words.sort_unstable();
        words
    });
    let mut holders: HashMap<RunAddr, Vec<u32>> = HashMap::new();
    let mut readers: HashSet<(RunAddr, u32)> = HashSet::new();
    for (thread, words) in shared.iter().zip(&by_thread) {
        for (word, reads) in words {
            holders.entry(*word).or_default().push(thread.lwp);
            if *reads {
                readers.insert((*word, thread.lwp));
            }
        }
    }
    let waiting: HashSet<(RunAddr, u32)> =
        threads.iter().filter_map(|thread| Some((thread.wait()?.word?, thread.lwp))).collect();
    for thread in threads.iter_mut() {
        let Some((word, kind)) = wants(thread) else { continue };
        let Some(all) = holders.get(&word) else { continue };
        // Who waits for it does not have it, unless nobody else does, or to read it once more.
        let has = |lwp: &u32| !waiting.contains(&(word, *lwp)) || *lwp != thread.lwp && readers.contains(&(word, *lwp));
        let mut found: Vec<u32> = all.iter().copied().filter(has).collect();
        if found.is_empty() {
            found.extend(all.iter().copied().filter(|lwp| *lwp == thread.lwp));
        }
        let State::Lock(wait) = &mut thread.state else { continue };
        // Of what one may hold, two that seem to are one too many.
        let most = match kind {
            Kind::WriteLock => readers_of(session, wait.address).unwrap_or(u64::MAX),
            _ => 1,
        };
        if found.len() as u64 > most {
            continue;
        }
        wait.owners = found.into_iter().map(|lwp| Owner { lwp, found: Found::Inferred, gone: false }).collect();
    }
}

/// How many readers glibc's lock counts.
fn readers_of(session: &Session, lock: Option<RunAddr>) -> Option<u64> {
    glibc::readers(session.memory(), lock?).filter(|count| *count > 0 && *count < 1 << 16)
}

/// The locks that guards in the thread's frames hold.
fn held(session: &Session, trace: &Trace, waiting: &ThreadWait) -> Vec<Held> {
    let since = waiting.wait().filter(|wait| wait.kind == Kind::Condition).map(|wait| wait.since);
    let is_guard = |type_id: TypeId| is_guard(&session.types, type_id);
    let mut held = Vec::new();
    for (position, frame) in trace.frames.iter().enumerate() {
        // A thread that waits for a condition gave the lock back that it came with: the innermost guard.
        if since.is_some_and(|since| position <= since) {
            continue;
        }
        for guard in session.placed_variables(trace, position, is_guard) {
            // What is declared further down was not made yet.
            let lines = guard.decl_line.zip(frame.code.line);
            if lines.is_some_and(|(declared, line)| declared > line) {
                continue;
            }
            // What is declared where the thread waits is perhaps what it waits to make.
            let is_made = lines.is_some_and(|(declared, line)| declared < line);
            let of_guard = |place: &Place, type_id| {
                session.with_decoder(Some((trace, position)), |decoder| {
                    let mut found = Vec::new();
                    collect(decoder.object(place, type_id), &mut found, 0);
                    found
                })
            };
            held.extend(of_guard(&guard.place, guard.type_id).into_iter().map(|held| Held { is_made, ..held }));
        }
    }
    held
}

/// Whether objects of the type hold a lock while they live.
pub(super) fn is_guard(types: &TypeTable, type_id: TypeId) -> bool {
    let (stripped, definition) = types.stripped(type_id);
    matches!(definition.kind, TypeKind::Struct(_)) && GUARDS.contains(&base_name(types.name(stripped)).as_ref())
}

/// The locks that a guard's pointers lead to, unless it says that it holds none.
fn collect(guard: Object<'_>, found: &mut Vec<Held>, nesting: usize) {
    if let Ok(owns) = guard.any_field(&["_M_owns", "__owns_"])
        && owns.uint() == Ok(0)
    {
        return;
    }
    if let Ok(lock) = guard.any_field(LOCKS) {
        if let Ok(lock) = lock.deref()
            && let (Some(start), Ok(size)) = (lock.address(), lock.size())
            && let Some(end) = start.0.checked_add(size)
        {
            found.push(Held { start: start.0, end, is_made: false });
        }
        return;
    }
    // std::scoped_lock of several: a tuple of references.
    let Ok(content) = guard.structure() else { return };
    for member in content.members.iter().take(64) {
        let Ok(part) = guard.member(member) else { continue };
        match part.definition().kind {
            TypeKind::Struct(_) if nesting < MAX_NESTING => collect(part, found, nesting + 1),
            TypeKind::Reference { .. } => {
                if let Ok(lock) = part.deref()
                    && let (Some(start), Ok(size)) = (lock.address(), lock.size())
                    && let Some(end) = start.0.checked_add(size)
                {
                    found.push(Held { start: start.0, end, is_made: false });
                }
            }
            _ => {}
        }
    }
}

/// What the thread may be initialising: what its frames of `pthread_once` or `Once::call` keep, be it in a register that
/// calls preserve or in their part of the stack.
fn initialised(session: &Session, trace: &Trace) -> HashSet<u64> {
    let mut kept = HashSet::new();
    for (position, frame) in trace.frames.iter().enumerate() {
        if frame.inlined || frame.signal {
            continue;
        }
        let name = frames::function_name(session, trace, position);
        if name.is_some_and(|name| super::primitive::is_once(&name)) {
            keep(session, trace, frame.machine, &mut kept);
        }
    }
    kept
}

/// What a frame has in registers that calls preserve, and in its part of the stack.
fn keep(session: &Session, trace: &Trace, machine: usize, kept: &mut HashSet<u64>) {
    let Some(frame) = trace.stack.frames.get(machine) else { return };
    let arch = session.image.arch;
    let registers = (0..crate::arch::GENERAL_COUNT as u16).filter(|register| arch.is_callee_saved(*register));
    kept.extend(registers.filter_map(|register| frame.registers.get(register)));
    let (Some(start), Some(end)) = (frame.registers.sp(), frame.cfa) else { return };
    let length = end.0.saturating_sub(start).min(MAX_FRAME);
    let Ok(bytes) = session.memory().read_vec(RunAddr(start), length as usize) else { return };
    kept.extend(bytes.chunks_exact(arch.address_size()).map(|chunk| {
        let mut wide = [0; 8];
        wide.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
        u64::from_le_bytes(wide)
    }));
}

/// The object whose method the frame is in: where `self` or `this` points.
pub(super) fn own_object(session: &Session, trace: &Trace, position: usize) -> Option<RunAddr> {
    (position..trace.frames.len().min(position + 8)).find_map(|position| {
        let (place, type_id) = session.find_variable(trace, position, "self")?;
        let place = place.ok()?;
        session.with_decoder(Some((trace, position)), |decoder| {
            let address = decoder.object(&place, type_id).pointer().ok()?;
            (address != 0).then_some(RunAddr(address))
        })
    })
}

/// The object of the program that its library waits for: where `this` points in the outermost frame of those inside
/// `since` that has one.
pub(super) fn waited_object(session: &Session, trace: &Trace, from: usize, since: usize) -> Option<RunAddr> {
    (from..since).rev().find_map(|position| {
        let (place, type_id) = session.find_variable(trace, position, "this")?;
        let place = place.ok()?;
        session.with_decoder(Some((trace, position)), |decoder| {
            let address = decoder.object(&place, type_id).pointer().ok()?;
            (address != 0).then_some(RunAddr(address))
        })
    })
}
