//! Who waits for whom, taken together: circles, and who can go on.

use std::collections::{HashMap, HashSet, VecDeque};

use super::{CallKind, Kind, State, ThreadWait, Waits};

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProblemKind {
    /// Threads wait in a circle.
    Cycle,
    /// What is waited for belongs to a thread that ended.
    OwnerGone,
    /// What is waited for belongs to a thread that waits for input.
    HeldOverInput,
    /// Every thread that could end the wait waits itself.
    NobodySignals,
    /// What is waited for is taken, by which thread is not known; and every thread that could give it back waits itself.
    NobodyReleases,
}

impl ProblemKind {
    /// The word for it in JSON.
    pub fn code(self) -> &'static str {
        match self {
            ProblemKind::Cycle => "cycle",
            ProblemKind::OwnerGone => "owner-gone",
            ProblemKind::HeldOverInput => "held-over-input",
            ProblemKind::NobodySignals => "nobody-can-signal",
            ProblemKind::NobodyReleases => "nobody-can-release",
        }
    }
}

/// Something wrong, and with whom.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// What.
    pub kind: ProblemKind,
    /// Who waits; of a circle all in it, in order.
    pub waiters: Vec<u32>,
    /// Who has what is waited for, where it is one thread outside.
    pub owner: Option<u32>,
}

/// Fills in cycles and problems.
pub(crate) fn judge(waits: &mut Waits) {
    waits.cycles = cycles(waits);
    let in_cycles: HashSet<u32> = waits.cycles.iter().flatten().copied().collect();
    let mut problems: Vec<Problem> = waits
        .cycles
        .iter()
        .map(|cycle| Problem { kind: ProblemKind::Cycle, waiters: cycle.clone(), owner: None })
        .collect();
    problems.extend(bad_owners(waits));
    let stuck = stuck(&waits.threads);
    let unsignalled = |thread: &&super::ThreadWait| {
        let is_signalled = thread.wait().is_some_and(|wait| wait.owners.is_empty() && !wait.kind.is_held());
        is_signalled && stuck.contains(&thread.lwp) && !in_cycles.contains(&thread.lwp)
    };
    let waiters: Vec<u32> = waits.threads.iter().filter(unsignalled).map(|thread| thread.lwp).collect();
    if !waiters.is_empty() {
        problems.push(Problem { kind: ProblemKind::NobodySignals, waiters, owner: None });
    }
    let unreleased = |thread: &&super::ThreadWait| {
        let is_taken = thread.wait().is_some_and(|wait| wait.owners.is_empty() && wait.kind.is_held());
        is_taken && stuck.contains(&thread.lwp) && !in_cycles.contains(&thread.lwp)
    };
    let waiters: Vec<u32> = waits.threads.iter().filter(unreleased).map(|thread| thread.lwp).collect();
    if !waiters.is_empty() {
        problems.push(Problem { kind: ProblemKind::NobodyReleases, waiters, owner: None });
    }
    waits.problems = problems;
}

/// Locks whose owner ended, or waits for input.
fn bad_owners(waits: &Waits) -> Vec<Problem> {
    let mut found: Vec<Problem> = Vec::new();
    let states: HashMap<u32, &State> = waits.threads.iter().map(|thread| (thread.lwp, &thread.state)).collect();
    for thread in &waits.threads {
        let Some(wait) = thread.wait().filter(|wait| wait.kind != Kind::Join) else { continue };
        let Some(owner) = wait.owners.first() else { continue };
        let kind = match states.get(&owner.lwp) {
            _ if owner.gone => ProblemKind::OwnerGone,
            Some(State::Call(call)) if call.kind == CallKind::Input => ProblemKind::HeldOverInput,
            _ => continue,
        };
        let known = found.iter_mut().find(|problem| {
            let of_same = |waiter: &u32| match states.get(waiter) {
                Some(State::Lock(other)) => other.word == wait.word,
                _ => false,
            };
            problem.owner == Some(owner.lwp) && problem.kind == kind && problem.waiters.first().is_some_and(of_same)
        });
        match known {
            Some(problem) => problem.waiters.push(thread.lwp),
            None => found.push(Problem { kind, waiters: vec![thread.lwp], owner: Some(owner.lwp) }),
        }
    }
    found
}

/// Circles of threads, each thread in one at most: the shortest through the first thread that is in any.
fn cycles(waits: &Waits) -> Vec<Vec<u32>> {
    let numbers: HashMap<u32, usize> = waits.threads.iter().enumerate().map(|(at, thread)| (thread.lwp, at)).collect();
    let mut next: Vec<Vec<usize>> = waits
        .threads
        .iter()
        .map(|thread| {
            // Whose time will be over is in no deadlock.
            let owners =
                thread.wait().filter(|wait| !wait.timed).map(|wait| wait.owners.as_slice()).unwrap_or_default();
            owners.iter().filter_map(|owner| numbers.get(&owner.lwp).copied()).collect()
        })
        .collect();
    prune(&mut next);
    let mut found = Vec::new();
    for start in 0..next.len() {
        let Some(cycle) = shortest_cycle(&next, start) else { continue };
        for member in &cycle {
            if let Some(owners) = next.get_mut(*member) {
                owners.clear();
            }
        }
        found.push(cycle.iter().filter_map(|at| waits.threads.get(*at)).map(|thread| thread.lwp).collect());
    }
    found
}

/// Takes out who waits for nobody that waits: no circle goes through them.
fn prune(next: &mut [Vec<usize>]) {
    let mut before: Vec<Vec<usize>> = vec![Vec::new(); next.len()];
    for (waiter, owners) in next.iter().enumerate() {
        for owner in owners {
            if let Some(waiters) = before.get_mut(*owner) {
                waiters.push(waiter);
            }
        }
    }
    let mut ends: Vec<usize> = (0..next.len()).filter(|at| next.get(*at).is_some_and(Vec::is_empty)).collect();
    while let Some(end) = ends.pop() {
        for waiter in before.get_mut(end).map(std::mem::take).unwrap_or_default() {
            let Some(owners) = next.get_mut(waiter) else { continue };
            let had_some = !owners.is_empty();
            owners.retain(|owner| *owner != end);
            if had_some && owners.is_empty() {
                ends.push(waiter);
            }
        }
    }
}

fn shortest_cycle(next: &[Vec<usize>], start: usize) -> Option<Vec<usize>> {
    let mut from: HashMap<usize, usize> = HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for to in next.get(at)? {
            if *to == start {
                let mut cycle = vec![at];
                let mut at = at;
                while at != start {
                    at = *from.get(&at)?;
                    cycle.push(at);
                }
                cycle.reverse();
                return Some(cycle);
            }
            if !from.contains_key(to) {
                from.insert(*to, at);
                queue.push_back(*to);
            }
        }
    }
    None
}

/// Threads that nothing in the process can wake: what they wait for can come only from threads that wait in the same way.
pub(super) fn stuck(threads: &[ThreadWait]) -> HashSet<u32> {
    let numbers: HashMap<u32, usize> = threads.iter().enumerate().map(|(at, thread)| (thread.lwp, at)).collect();
    let mut waiters: Vec<Vec<usize>> = vec![Vec::new(); threads.len()];
    // Owners that a thread still needs to go on.
    let mut needed = vec![0usize; threads.len()];
    let mut going = Vec::new();
    let mut without_owner = Vec::new();
    for (at, thread) in threads.iter().enumerate() {
        let Some(wait) = thread.wait().filter(|wait| !wait.timed && !wait.shared) else {
            going.push(at);
            continue;
        };
        if wait.owners.is_empty() {
            without_owner.push(at);
        }
        for owner in &wait.owners {
            if let Some(needs) = needed.get_mut(at) {
                *needs += 1;
            }
            // Nobody goes on for who has ended.
            let of_owner = numbers.get(&owner.lwp).and_then(|owner| waiters.get_mut(*owner));
            of_owner.into_iter().for_each(|of_owner| of_owner.push(at));
        }
    }
    // What has no owner may be ended by anybody who goes on.
    if !going.is_empty() {
        going.append(&mut without_owner);
    }
    let mut goes_on: HashSet<usize> = going.iter().copied().collect();
    while let Some(at) = going.pop() {
        for waiter in waiters.get_mut(at).map(std::mem::take).unwrap_or_default() {
            let Some(needs) = needed.get_mut(waiter) else { continue };
            *needs = needs.saturating_sub(1);
            if *needs == 0 && goes_on.insert(waiter) {
                going.push(waiter);
            }
        }
    }
    let numbered = threads.iter().enumerate();
    numbered.filter(|(at, _)| !goes_on.contains(at)).map(|(_, thread)| thread.lwp).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Found, Owner, Spot, Wait};
    use super::*;

    fn waits(threads: &[(u32, Kind, &[u32])]) -> Waits {
        let threads = threads.iter().map(|(lwp, kind, owners)| {
            let owners = owners.iter().map(|lwp| Owner { lwp: *lwp, found: Found::Recorded, gone: false }).collect();
            let wait = Wait {
                kind: *kind,
                address: None,
                name: None,
                owners,
                timed: false,
                since: 0,
                shared: false,
                inside: None,
                cases: Vec::new(),
                word: None,
            };
            ThreadWait { lwp: *lwp, name: None, crashed: false, state: State::Lock(wait), place: None::<Spot> }
        });
        let mut waits = Waits { threads: threads.collect(), ..Waits::default() };
        judge(&mut waits);
        waits
    }

    #[test]
    fn circles_are_found_with_what_hangs_on_them() {
        let found = waits(&[
            (1, Kind::Mutex, &[2]),
            (2, Kind::Mutex, &[3]),
            (3, Kind::Mutex, &[2]),
            (4, Kind::Mutex, &[4]),
            (5, Kind::WriteLock, &[1, 6]),
            (6, Kind::Mutex, &[5]),
            (7, Kind::Condition, &[]),
        ]);
        assert_eq!(found.cycles, [vec![2, 3], vec![4], vec![5, 6]]);
        let kinds: Vec<_> = found.problems.iter().map(|problem| (problem.kind, problem.waiters.clone())).collect();
        assert_eq!(kinds.last(), Some(&(ProblemKind::NobodySignals, vec![7])));
    }

    #[test]
    fn locks_of_nobody_known_are_a_problem_where_every_thread_waits() {
        let mut found = waits(&[(1, Kind::Mutex, &[]), (2, Kind::Mutex, &[]), (3, Kind::Join, &[1])]);
        let kinds: Vec<_> = found.problems.iter().map(|problem| (problem.kind, problem.waiters.clone())).collect();
        assert_eq!(kinds, [(ProblemKind::NobodyReleases, vec![1, 2])]);
        found.threads.push(ThreadWait { lwp: 4, name: None, crashed: false, state: State::Running, place: None });
        judge(&mut found);
        assert!(found.problems.is_empty());
    }

    #[test]
    fn a_chain_to_who_runs_is_no_circle() {
        let mut found = waits(&[(1, Kind::Mutex, &[2]), (2, Kind::Mutex, &[3]), (4, Kind::Condition, &[])]);
        found.threads.push(ThreadWait { lwp: 3, name: None, crashed: false, state: State::Running, place: None });
        judge(&mut found);
        assert!(found.cycles.is_empty() && found.problems.is_empty());
    }

    #[test]
    fn long_circles_and_many_short_ones_take_no_time() {
        let long: Vec<(u32, Kind, Vec<u32>)> =
            (0..20_000).map(|at| (at, Kind::Mutex, vec![(at + 1) % 20_000])).collect();
        let long: Vec<(u32, Kind, &[u32])> =
            long.iter().map(|(at, kind, next)| (*at, *kind, next.as_slice())).collect();
        assert_eq!(waits(&long).cycles.first().map(Vec::len), Some(20_000));
    }
}
