//! Who has a lock of Go's that no deferred call gives back: the goroutine in a function between the call that takes it
//! and the one that gives it back.
//!
//! ```text
//! line 10   from.mu.Lock()      taken before
//! line 12   to.mu.Lock()        where the goroutine is
//! line 14   from.mu.Unlock()    given back behind
//! ```
//!
//! Which lock a call takes is seen in the code of package variables. Else it must be the only one that the function's
//! variables lead to, beside the one that it waits for: of several nothing is said.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use super::held::calls_at;
use super::{GoRuntime, Goroutine, PLACE, is_users};
use crate::addr::RunAddr;
use crate::session::{Frame, Trace};
use crate::types::{MemberOffset, TypeId, TypeKind};
use crate::value::Place;

/// Functions that take a lock. Where they are inlined, what takes it the slow way is called.
const TAKES: &[&str] = &[
    "sync.(*Mutex).Lock",
    "sync.(*Mutex).lockSlow",
    "internal/sync.(*Mutex).Lock",
    "internal/sync.(*Mutex).lockSlow",
    "sync.(*RWMutex).Lock",
    "sync.(*RWMutex).RLock",
    "sync.runtime_SemacquireRWMutexR",
    "sync.runtime_SemacquireMutex",
];
/// Functions that give one back.
const GIVES: &[&str] = &[
    "sync.(*Mutex).Unlock",
    "sync.(*Mutex).unlockSlow",
    "internal/sync.(*Mutex).Unlock",
    "internal/sync.(*Mutex).unlockSlow",
    "sync.(*RWMutex).Unlock",
    "sync.(*RWMutex).RUnlock",
    "sync.(*RWMutex).rUnlockSlow",
];
/// Bytes of a function that are looked through.
const MAX_FUNCTION: u64 = 64 << 10;
/// Bytes before a call in which its argument is computed.
const ARGUMENT: usize = 16;
/// Structures in structures.
const MAX_NESTING: usize = 8;

/// A call that takes a lock, or gives one back.
struct Event {
    /// In the function itself, where what is called is inlined.
    line: u32,
    takes: bool,
    /// Addresses that are computed just before it.
    near: Vec<u64>,
}

/// What is known of functions and types.
#[derive(Default)]
pub(super) struct Between {
    events: RwLock<HashMap<u64, Arc<Vec<Event>>>>,
    locks: RwLock<HashMap<TypeId, Arc<[u64]>>>,
}

impl Between {
    /// Which of the wanted locks a goroutine has, which waits for another one.
    pub fn held(
        &self,
        runtime: &GoRuntime<'_>,
        goroutine: &Goroutine,
        wanted: &HashSet<u64>,
        awaited: Option<u64>,
    ) -> Vec<u64> {
        let trace = runtime.trace(goroutine, PLACE);
        let mut found = Vec::new();
        for frame in trace.frames.iter().filter(|frame| !frame.inlined && is_users(frame)) {
            for lock in self.held_in(runtime, &trace, frame, wanted, awaited) {
                if !found.contains(&lock) {
                    found.push(lock);
                }
            }
        }
        found
    }

    fn held_in(
        &self,
        runtime: &GoRuntime<'_>,
        trace: &Trace,
        frame: &Frame,
        wanted: &HashSet<u64>,
        awaited: Option<u64>,
    ) -> Vec<u64> {
        let Some(line) = frame.code.line else { return Vec::new() };
        if frame.code.function.as_deref().is_some_and(|name| name.starts_with("sync.") || name.starts_with("internal/"))
        {
            return Vec::new();
        }
        let events = self.events(runtime, frame.lookup);
        let before = |event: &&Event| event.line < line;
        let taken: Vec<&Event> = events.iter().filter(|event| event.takes).filter(before).collect();
        let given = events.iter().filter(|event| !event.takes).filter(before).count();
        let is_given_back = events.iter().any(|event| !event.takes && event.line > line);
        // Lines stand once: inlined, a call is there the quick and the slow way.
        let lines: HashSet<u32> = taken.iter().map(|event| event.line).collect();
        let Some(count) = lines.len().checked_sub(given).filter(|count| *count > 0 && is_given_back) else {
            return Vec::new();
        };
        let named: HashSet<u64> =
            taken.iter().flat_map(|event| event.near.iter().copied()).filter(|near| wanted.contains(near)).collect();
        if given == 0 && !named.is_empty() {
            return named.into_iter().filter(|lock| Some(*lock) != awaited).collect();
        }
        let mut reached = self.reached(runtime, trace, frame.machine);
        reached.retain(|lock| Some(*lock) != awaited);
        match reached.len() <= count {
            true => reached.into_iter().filter(|lock| wanted.contains(lock)).collect(),
            false => Vec::new(),
        }
    }

    /// The calls of the function that an address is in.
    fn events(&self, runtime: &GoRuntime<'_>, at: RunAddr) -> Arc<Vec<Event>> {
        let session = runtime.session;
        let Some((low, high)) = session.function_extent(at) else { return Arc::default() };
        if let Some(known) = self.events.read().unwrap_or_else(PoisonError::into_inner).get(&low.0) {
            return known.clone();
        }
        let length = (high.0 - low.0).min(MAX_FUNCTION) as usize;
        let code = session.memory().read_vec(low, length).unwrap_or_default();
        let mut events = Vec::new();
        for (call, target) in calls_at(session.image.arch, low.0, &code) {
            let Some(module) = session.program.modules.at(RunAddr(target)) else { continue };
            let to = module.to_file(RunAddr(target));
            let function = module.symbols().lookup(to).filter(|function| function.address == to);
            let Some(function) = function else { continue };
            let name = String::from_utf8_lossy(function.name);
            let takes = TAKES.contains(&name.as_ref());
            if !takes && !GIVES.contains(&name.as_ref()) {
                continue;
            }
            let line = session.code(RunAddr(call)).into_iter().next_back().and_then(|code| code.line);
            let Some(line) = line else { continue };
            let inside = (call - low.0) as usize;
            let near = near(&code, low.0, inside);
            events.push(Event { line, takes, near });
        }
        let events = Arc::new(events);
        self.events.write().unwrap_or_else(PoisonError::into_inner).entry(low.0).or_insert(events).clone()
    }

    /// Locks that the variables of a machine frame's functions are, or point to.
    fn reached(&self, runtime: &GoRuntime<'_>, trace: &Trace, machine: usize) -> HashSet<u64> {
        let session = runtime.session;
        let mut found = HashSet::new();
        let frames = trace.frames.iter().enumerate().filter(|(_, frame)| frame.machine == machine);
        for (index, _) in frames {
            let wanted = |type_id: TypeId| session.types.size(type_id).is_some_and(|size| size >= 8);
            for variable in session.placed_variables(trace, index, wanted) {
                let pointer = match session.types.stripped(variable.type_id).1.kind {
                    TypeKind::Pointer { target } => Some(target),
                    _ => None,
                };
                let base = match (&variable.place, pointer) {
                    (Place::Memory(at), None) => Some((at.0, variable.type_id)),
                    (Place::Memory(at), Some(target)) => {
                        session.memory().read_uint(*at, 8).ok().map(|pointer| (pointer, target))
                    }
                    (Place::Bytes(bytes), Some(target)) if bytes.holes.is_empty() => {
                        bytes.data.first_chunk().map(|word| (u64::from_le_bytes(*word), target))
                    }
                    (Place::Bytes(_), _) => None,
                };
                let Some((base, type_id)) = base.filter(|(base, _)| *base != 0) else { continue };
                let locks = self.locks(runtime, type_id);
                found.extend(locks.iter().filter_map(|offset| base.checked_add(*offset)));
            }
        }
        found
    }

    /// Where a type's objects have locks.
    fn locks(&self, runtime: &GoRuntime<'_>, type_id: TypeId) -> Arc<[u64]> {
        if let Some(known) = self.locks.read().unwrap_or_else(PoisonError::into_inner).get(&type_id) {
            return known.clone();
        }
        let mut found = Vec::new();
        find_locks(runtime, type_id, 0, 0, &mut found);
        let found: Arc<[u64]> = found.into();
        self.locks.write().unwrap_or_else(PoisonError::into_inner).entry(type_id).or_insert(found).clone()
    }
}

fn find_locks(runtime: &GoRuntime<'_>, type_id: TypeId, offset: u64, nesting: usize, found: &mut Vec<u64>) {
    let (_, definition) = runtime.session.types.stripped(type_id);
    let TypeKind::Struct(content) = &definition.kind else { return };
    if matches!(definition.name.as_deref(), Some("sync.Mutex" | "sync.RWMutex")) {
        return found.push(offset);
    }
    if nesting >= MAX_NESTING {
        return;
    }
    for member in &content.members {
        if let MemberOffset::Bytes(inside) = member.offset
            && let Some(at) = offset.checked_add(inside)
        {
            find_locks(runtime, member.type_id, at, nesting + 1, found);
        }
    }
}

/// Addresses that x86-64 code computes from its own just before a call: four bytes of distance from the instruction's
/// end.
fn near(code: &[u8], start: u64, call: usize) -> Vec<u64> {
    let from = call.saturating_sub(ARGUMENT);
    let before = code.get(from..call).unwrap_or_default();
    let distances = before.windows(4).enumerate().filter_map(|(at, bytes)| {
        let distance = i64::from(i32::from_le_bytes(bytes.try_into().ok()?));
        let end = start.checked_add(from as u64)?.checked_add(at as u64 + 4)?;
        end.checked_add_signed(distance)
    });
    distances.collect()
}
