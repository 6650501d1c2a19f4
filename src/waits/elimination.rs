//! Owners that neither a lock nor a guard tells: where every thread waits, whoever is left to have it.
//!
//! An optimiser drops guards, and a lock for readers and writers does not say who reads. But where no thread of the process
//! goes on, a lock that is taken is one of the waiting threads'; a thread that waits for it does not have it, unless
//! nobody else is left. Where more than one thread could have it, none is named.

use std::collections::{BTreeMap, HashSet};

use super::{Found, Kind, Owner, State, ThreadWait, glibc, graph};
use crate::addr::RunAddr;
use crate::session::Session;

/// Completes waits of threads that nothing can wake.
pub(super) fn name_owners(session: &Session, threads: &mut [ThreadWait]) {
    let stuck = graph::stuck(threads);
    let is_stuck = |thread: &ThreadWait| stuck.contains(&thread.lwp);
    if !threads.iter().all(is_stuck) {
        return;
    }
    let mut waiters: BTreeMap<RunAddr, Vec<u32>> = BTreeMap::new();
    for thread in threads.iter() {
        let Some(wait) = thread.wait().filter(|wait| wait.owners.is_empty() && wait.kind.is_held()) else { continue };
        if let Some(word) = wait.address.or(wait.word) {
            waiters.entry(word).or_default().push(thread.lwp);
        }
    }
    let mut found: Vec<(u32, Vec<u32>)> = Vec::new();
    for of_lock in waiters.values() {
        // Who waits to read may read already, behind a writer who waits for that to end.
        let reads = |lwp: &u32| {
            let thread = threads.iter().find(|thread| thread.lwp == *lwp).and_then(ThreadWait::wait);
            of_lock.len() > 1 && thread.is_some_and(|wait| wait.kind == Kind::ReadLock)
        };
        let waiting: HashSet<u32> = of_lock.iter().copied().filter(|lwp| !reads(lwp)).collect();
        let mut others = threads.iter().map(|thread| thread.lwp).filter(|lwp| !waiting.contains(lwp));
        match (others.next(), others.next(), of_lock.as_slice()) {
            (Some(only), None, all) if !all.contains(&only) => found.extend(all.iter().map(|lwp| (*lwp, vec![only]))),
            (None, _, [own]) => found.push((*own, vec![*own])),
            // Each reads, and each waits for the others to end that.
            (None, _, all) if readers(session, threads, all) == Some(all.len() as u64) => {
                let others = |own: &u32| all.iter().copied().filter(|lwp| lwp != own).collect();
                found.extend(all.iter().map(|own| (*own, others(own))));
            }
            _ => {}
        }
    }
    for (waiter, owners) in found {
        let Some(State::Lock(wait)) =
            threads.iter_mut().find(|thread| thread.lwp == waiter).map(|thread| &mut thread.state)
        else {
            continue;
        };
        wait.owners = owners.into_iter().map(|lwp| Owner { lwp, found: Found::Left, gone: false }).collect();
    }
}

/// How many read the lock that the threads wait to write.
fn readers(session: &Session, threads: &[ThreadWait], waiting: &[u32]) -> Option<u64> {
    let thread = threads.iter().find(|thread| waiting.contains(&thread.lwp))?;
    let wait = thread.wait().filter(|wait| wait.kind == Kind::WriteLock)?;
    glibc::readers(session.memory(), wait.address?)
}
