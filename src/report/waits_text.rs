//! Who waits for whom, in words.
//!
//! ```text
//! Deadlock: 2 threads wait for each other.
//!   thread 12 (worker-3) waits for mutex `b`, held by thread 13 (worker-4), in transfer() at bank.c:44
//!   thread 13 (worker-4) waits for mutex `a`, held by thread 12 (worker-3), in transfer() at bank.c:44
//! ```

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;

use super::bt_text::{display_name, grouped, id_ranges, plural, shortened};
use super::style::Paint;
use crate::waits::{CallKind, Found, Kind, Owner, Problem, ProblemKind, Spot, State, ThreadWait, Wait, Waits, Who};

/// Threads of one circle that are listed before some are left out, and how many of them first and last.
const LISTED: (usize, usize, usize) = (16, 8, 2);
/// Circles that are listed.
const MAX_CYCLES: usize = 16;
/// Lines of waits that are listed.
const MAX_LINES: usize = 200;

/// ` in f() at f.c:3`
fn place(spot: Option<&Spot>) -> String {
    let Some(spot) = spot else { return String::new() };
    let code = &*spot.code;
    let function = code.function.as_deref().map(|function| format!(" in {}()", display_name(function, code)));
    let function = function.unwrap_or_default();
    match (&code.file, code.line) {
        (Some(file), Some(line)) => format!("{function} at {}:{line}", shortened(file)),
        _ => function,
    }
}

/// Everything that is to be said.
pub fn write_waits(out: &mut String, waits: &Waits, paint: Paint) {
    let by_lwp = waits.threads.iter().map(|thread| (thread.lwp, thread)).collect();
    let text = WaitsText { by_lwp, paint, of: waits.of };
    let mut said: HashSet<u32> = HashSet::new();
    let (cycles, others): (Vec<&Problem>, Vec<&Problem>) =
        waits.problems.iter().partition(|problem| problem.kind == ProblemKind::Cycle);
    for problem in cycles.iter().take(MAX_CYCLES) {
        text.cycle(out, &problem.waiters);
    }
    if cycles.len() > MAX_CYCLES {
        let _ = writeln!(out, "\n… and {} more deadlocks (--json has them all) …", grouped(cycles.len() - MAX_CYCLES));
    }
    for problem in &others {
        text.problem(out, problem);
    }
    said.extend(waits.problems.iter().flat_map(|problem| &problem.waiters));
    let rest: Vec<&ThreadWait> =
        waits.threads.iter().filter(|thread| thread.wait().is_some() && !said.contains(&thread.lwp)).collect();
    if !rest.is_empty() {
        let title = if said.is_empty() { "Waits:" } else { "Other waits:" };
        let _ = writeln!(out, "\n{}", paint.heading(title));
        text.groups(out, &rest);
    }
    if said.is_empty() && rest.is_empty() {
        let noun = waits.of.noun();
        let _ = writeln!(out, "\nNo {noun} waits for a lock or for another {noun}.");
    }
    text.beside(out, waits);
}

struct WaitsText<'a> {
    by_lwp: HashMap<u32, &'a ThreadWait>,
    paint: Paint,
    of: Who,
}

impl WaitsText<'_> {
    /// `thread 12 (worker-3)`
    fn thread(&self, lwp: u32) -> String {
        let noun = self.of.noun();
        match self.by_lwp.get(&lwp).and_then(|thread| thread.name.as_deref()) {
            Some(name) => format!("{noun} {lwp} ({name})"),
            None => format!("{noun} {lwp}"),
        }
    }

    fn cycle(&self, out: &mut String, cycle: &[u32]) {
        let title = match cycle {
            [own] => format!("Deadlock: {} waits for itself.", self.thread(*own)),
            all => format!("Deadlock: {} {} wait for each other.", grouped(all.len()), self.of.plural()),
        };
        let _ = writeln!(out, "\n{}", self.paint.alarm(title));
        let (most, first, last) = LISTED;
        for (at, lwp) in cycle.iter().enumerate() {
            if cycle.len() > most && at == first {
                let line =
                    format!("… {} more {} of the circle …", grouped(cycle.len() - first - last), self.of.plural());
                let _ = writeln!(out, "  {}", self.paint.aside(line));
            }
            if cycle.len() > most && (first..cycle.len() - last).contains(&at) {
                continue;
            }
            let Some(thread) = self.by_lwp.get(lwp) else { continue };
            let _ = writeln!(out, "  {}", self.waiter(thread));
        }
    }

    /// A thread, what it waits for, who has that, and where it waits.
    fn waiter(&self, thread: &ThreadWait) -> String {
        let Some(wait) = thread.wait() else { return self.thread(thread.lwp) };
        let held = self.held(wait, Some(thread.lwp));
        format!("{} waits for {}{held},{}", self.thread(thread.lwp), wait.text(), place(thread.place.as_ref()))
    }

    /// `, held by thread 13`
    fn held(&self, wait: &Wait, waiter: Option<u32>) -> String {
        let join = wait.kind == Kind::Join;
        let (first, more) = match wait.owners.split_first() {
            Some((first, more)) if !join => (first, more),
            _ => return String::new(),
        };
        let verb = match wait.kind {
            Kind::Once => "done by",
            Kind::Group => "to be done by",
            _ => "held by",
        };
        let inferred = match first.found {
            Found::Inferred => " (inferred from its stack)",
            Found::Left => " (every thread waits, and nobody else is left)",
            Found::Recorded => "",
        };
        if waiter == Some(first.lwp) && more.is_empty() {
            return format!(", which it holds itself{inferred}");
        }
        let others = match more.len() {
            0 => String::new(),
            count => format!(" and {count} more"),
        };
        let gone = match self.by_lwp.contains_key(&first.lwp) {
            true => "",
            false if first.gone => ", which has ended",
            false => " of another process",
        };
        format!(", {verb} {}{others}{gone}{inferred}", self.thread(first.lwp))
    }

    fn problem(&self, out: &mut String, problem: &Problem) {
        let first = problem.waiters.first().and_then(|lwp| self.by_lwp.get(lwp));
        let Some(wait) = first.and_then(|first| first.wait()) else { return };
        let capital = |text: String| {
            let mut chars = text.chars();
            chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect::<String>())
        };
        let lock = || {
            let what = wait.text();
            capital(what.split(" (").next().unwrap_or(&what).to_owned())
        };
        let owner = problem.owner.map(|owner| self.thread(owner)).unwrap_or_default();
        let title = match problem.kind {
            ProblemKind::OwnerGone => format!("{} is held by {owner}, which has ended.", lock()),
            ProblemKind::HeldOverInput => {
                let of_owner = problem.owner.and_then(|owner| self.by_lwp.get(&owner));
                let doing = of_owner.map(|owner| format!("{}{}", owner.state.text(), place(owner.place.as_ref())));
                format!("{} is held by {owner}, which {}.", lock(), doing.unwrap_or_default())
            }
            ProblemKind::NobodySignals => {
                format!("Nobody is left to end these waits: all {} that could do so wait themselves.", self.of.plural())
            }
            ProblemKind::NobodyReleases => {
                "Deadlock: every thread waits, and none of these locks, which do not record who has them, is given back."
                    .to_owned()
            }
            ProblemKind::Cycle => return,
        };
        let _ = writeln!(out, "\n{}", self.paint.alarm(title));
        let waiters: Vec<&ThreadWait> =
            problem.waiters.iter().filter_map(|lwp| self.by_lwp.get(lwp).copied()).collect();
        match problem.kind {
            ProblemKind::NobodySignals | ProblemKind::NobodyReleases => self.groups(out, &waiters),
            _ => {
                for (spot, lwps) in by_place(&waiters) {
                    let _ = writeln!(out, "  {} for it{}", self.wait_of(&lwps), place(spot.as_ref()));
                }
            }
        }
    }

    /// `thread 12 waits`, `12 threads wait (3, 7-17)`
    fn wait_of(&self, lwps: &[u32]) -> String {
        match lwps {
            [lwp] => format!("{} waits", self.thread(*lwp)),
            lwps => format!("{} {} ({}) wait", grouped(lwps.len()), self.of.plural(), few_ids(lwps)),
        }
    }

    /// Waits, those for one thing in one line.
    fn groups(&self, out: &mut String, threads: &[&ThreadWait]) {
        let mut groups: Vec<(String, Vec<&ThreadWait>)> = Vec::new();
        let mut known: HashMap<String, usize> = HashMap::new();
        for thread in threads {
            let Some(wait) = thread.wait() else { continue };
            let text = format!("{}{}", wait.text(), self.held_with_state(wait));
            let key = format!("{text} {:?}", wait.address);
            let index = *known.entry(key).or_insert(groups.len());
            match groups.get_mut(index) {
                Some((_, members)) => members.push(thread),
                None => groups.push((text, vec![thread])),
            }
        }
        let mut lines = 0;
        for (text, members) in &groups {
            for (spot, lwps) in by_place(members) {
                lines += 1;
                if lines <= MAX_LINES {
                    let _ = writeln!(out, "  {} for {text},{}", self.wait_of(&lwps), place(spot.as_ref()));
                }
            }
        }
        if lines > MAX_LINES {
            let _ = writeln!(out, "  … {} more lines (--json has them all) …", grouped(lines - MAX_LINES));
        }
    }

    fn held_with_state(&self, wait: &Wait) -> String {
        let held = self.held(wait, None);
        let owner = match wait.owners.as_slice() {
            [Owner { lwp, gone: false, .. }] => self.by_lwp.get(lwp),
            _ => None,
        };
        match owner {
            Some(owner) if owner.crashed && owner.state == State::Running => format!("{held}, which crashed"),
            Some(owner) => format!("{held}, which {}", owner.state.text()),
            None => held,
        }
    }

    /// What all others do.
    fn beside(&self, out: &mut String, waits: &Waits) {
        let mut counts: BTreeMap<&'static str, Vec<u32>> = BTreeMap::new();
        for thread in &waits.threads {
            let word = match &thread.state {
                State::Lock(_) => continue,
                State::Running => "running",
                State::Idle => "idle",
                State::Call(call) if call.kind == CallKind::Sleep => "sleeping",
                State::Call(call) => call.kind.text(),
            };
            counts.entry(word).or_default().push(thread.lwp);
        }
        if counts.is_empty() {
            return;
        }
        let parts = counts.iter().map(|(word, lwps)| {
            let noun = plural(lwps.len(), self.of.noun(), self.of.plural());
            let verb = match *word {
                "running" | "idle" | "sleeping" => (*word).to_owned(),
                _ => format!("{} for {word}", plural(lwps.len(), "waits", "wait")),
            };
            format!("{} {noun} {verb} ({})", grouped(lwps.len()), few_ids(lwps))
        });
        let parts: Vec<String> = parts.collect();
        let _ = writeln!(out, "\n{}", self.paint.aside(format!("Beside these: {}.", parts.join(", "))));
    }
}

/// Numbers of threads as [`id_ranges`] has them, as far as a line has room for them.
pub fn few_ids(lwps: &[u32]) -> String {
    const ROOM: usize = 48;
    let all = id_ranges(lwps);
    match all.get(..ROOM).and_then(|head| head.rfind(", ")) {
        Some(end) if all.len() > ROOM => format!("{}, …", all.get(..end).unwrap_or_default()),
        _ => all,
    }
}

/// Threads that wait in one place, in order.
fn by_place(threads: &[&ThreadWait]) -> Vec<(Option<Spot>, Vec<u32>)> {
    let mut places: Vec<(Option<Spot>, Vec<u32>)> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for thread in threads {
        // The frame's number does not matter here.
        let index = *known.entry(place(thread.place.as_ref())).or_insert(places.len());
        match places.get_mut(index) {
            Some((_, lwps)) => lwps.push(thread.lwp),
            None => places.push((thread.place.clone(), vec![thread.lwp])),
        }
    }
    places
}
