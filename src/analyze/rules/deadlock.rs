//! Threads that wait for each other, or for what does not come: asked where somebody ended the process, perhaps because it
//! stood still.

use std::collections::HashMap;

use crate::analyze::{Case, Certainty, Class, Finding};
use crate::runtime::go::GoRuntime;
use crate::waits::{self, Found, Problem, ProblemKind, State, ThreadWait, Waits, Who};

/// SIGINT, SIGQUIT, SIGABRT, SIGTERM: by these people and watchdogs end what hangs.
pub(super) const ENDING: [i32; 4] = [2, 3, 6, 15];
/// SIGABRT, which a watchdog within the process raises too.
const SIGABRT: i32 = 6;
/// Goroutines at one place that may be too many.
const LEAK: usize = 1000;
/// Waits that are evidence.
const MAX_EVIDENCE: usize = 8;
/// Threads that a sentence names.
const IN_SENTENCE: usize = 3;

/// A circle of threads; where there is none, why the process stands still.
pub fn deadlock(case: &Case<'_>) -> Vec<Finding> {
    let Some(asked) = asked(case) else { return Vec::new() };
    let waits = waits::find(case.session);
    let mut found: Vec<Finding> =
        waits.problems.iter().filter_map(|problem| of_problem(case, &waits, problem)).collect();
    // What threads wait for that run goroutines is their scheduler's affair.
    let runtime = GoRuntime::open(case.session).ok();
    if let Some(runtime) = &runtime {
        let waits = runtime.waits();
        found.extend(waits.problems.iter().filter_map(|problem| of_problem(case, &waits, problem)));
        if found.is_empty() && asked == Asked::FromOutside {
            found.extend(leak(case, &waits));
        }
    }
    if found.is_empty() && asked == Asked::FromOutside {
        found.extend(standstill(case, &waits));
    }
    found
}

/// Many goroutines that wait at one place: each should have ended long ago, perhaps.
fn leak(case: &Case<'_>, waits: &Waits) -> Option<Finding> {
    let mut places: HashMap<(String, &'static str), Vec<&ThreadWait>> = HashMap::new();
    for thread in &waits.threads {
        let Some(wait) = thread.wait() else { continue };
        places.entry((thread.place_text(), wait.kind.code())).or_default().push(thread);
    }
    let ((place, _), members) =
        places.into_iter().max_by_key(|((place, _), members)| (members.len(), place.clone()))?;
    let (first, count) = (*members.first()?, members.len());
    if count < LEAK {
        return None;
    }
    let kind = first.wait()?.kind.plural();
    let summary = format!("goroutine leak: {} goroutines wait for {kind}{place}", grouped(count));
    let found = finding(case, waits, first, Class::Hang, Certainty::Possible, summary);
    let found = found.with("waits", None, sentence(waits, first));
    Some(found.ask("goroutines").ask("locks"))
}

fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// Somebody outside of the process, who found it hanging or only looks at it.
    FromOutside,
    /// The process itself: a watchdog's abort, perhaps, or another end.
    FromWithin,
}

fn asked(case: &Case<'_>) -> Option<Asked> {
    let Some(signal) = &case.signal else { return Some(Asked::FromOutside) };
    if case.session.image.is_alive() {
        return Some(Asked::FromOutside);
    }
    if !ENDING.contains(&signal.number) {
        return None;
    }
    let own = case.session.image.process.pid;
    match signal.sender_pid {
        Some(sender) if Some(sender) == own => (signal.number == SIGABRT).then_some(Asked::FromWithin),
        _ => Some(Asked::FromOutside),
    }
}

fn of_problem(case: &Case<'_>, waits: &Waits, problem: &Problem) -> Option<Finding> {
    let waiters: Vec<&ThreadWait> = problem.waiters.iter().filter_map(|lwp| waits.thread(*lwp)).collect();
    let first = *waiters.first()?;
    let is_recorded = |thread: &&ThreadWait| {
        let owners = thread.wait().map(|wait| wait.owners.as_slice()).unwrap_or_default();
        owners.iter().all(|owner| owner.found == Found::Recorded)
    };
    let owner = problem.owner.and_then(|owner| waits.thread(owner));
    let (class, certainty, summary) = match problem.kind {
        ProblemKind::Cycle => {
            let certainty = if waiters.iter().all(is_recorded) { Certainty::Certain } else { Certainty::Likely };
            (Class::Deadlock, certainty, format!("deadlock: {}", circle(waits, &waiters)))
        }
        ProblemKind::OwnerGone => {
            let gone = problem.owner.map(|owner| owner.to_string()).unwrap_or_default();
            let noun = waits.of.noun();
            let text = format!("hang: {}, which {noun} {gone} held when it ended", sentence(waits, first));
            (Class::Hang, Certainty::Likely, text)
        }
        ProblemKind::HeldOverInput => {
            let owner = owner?;
            let noun = waits.of.noun();
            let (lwp, does) = (owner.lwp, owner.state.text());
            let text = format!("hang: {}, held by {noun} {lwp}, which {does}", sentence(waits, first));
            (Class::Hang, Certainty::Possible, text)
        }
        ProblemKind::NobodyReleases => {
            let noun = waits.of.noun();
            let text = format!(
                "deadlock: {}, which is taken, and every {noun} that could give it back waits too",
                sentence(waits, first)
            );
            (Class::Deadlock, Certainty::Likely, text)
        }
        ProblemKind::NobodySignals => {
            let noun = waits.of.noun();
            let text = format!("hang: {}, and every {noun} that could end that waits itself", sentence(waits, first));
            (Class::Hang, Certainty::Likely, text)
        }
    };
    let mut finding = finding(case, waits, first, class, certainty, summary);
    for thread in waiters.iter().copied().chain(owner).take(MAX_EVIDENCE) {
        let name = thread.wait().and_then(|wait| wait.name.as_deref());
        finding = finding.with("waits", name, sentence(waits, thread));
    }
    finding = finding.ask("locks");
    for thread in waiters.iter().copied().chain(owner).take(IN_SENTENCE) {
        finding = finding.ask(match waits.of {
            Who::Threads => format!("bt --thread {}", thread.lwp),
            Who::Goroutines => format!("goroutines --id {}", thread.lwp),
        });
    }
    Some(finding)
}

/// No circle, and yet the thread that is looked at waits for what another one holds. What waits for work, or for a thread
/// to end, may well wait as it should.
fn standstill(case: &Case<'_>, waits: &Waits) -> Option<Finding> {
    let own = waits.thread(case.thread.lwp)?;
    let wait = own.wait().filter(|wait| wait.kind.is_held() && !wait.timed)?;
    let owner = waits.thread(wait.owners.first()?.lwp)?;
    let place = owner.place_text();
    let summary =
        format!("hang: {}, held by thread {}, which {}{place}", sentence(waits, own), owner.lwp, owner.state.text());
    let finding = finding(case, waits, own, Class::Hang, Certainty::Likely, summary);
    let finding =
        finding.with("waits", wait.name.as_deref(), sentence(waits, own)).with("holds", None, sentence(waits, owner));
    Some(finding.ask("locks").ask(format!("bt --thread {}", owner.lwp)))
}

fn finding(
    case: &Case<'_>,
    waits: &Waits,
    thread: &ThreadWait,
    class: Class,
    certainty: Certainty,
    summary: String,
) -> Finding {
    // A goroutine's frames are none of a thread's.
    let (lwp, frame_index) = match waits.of {
        Who::Threads => (thread.lwp, thread.place.as_ref().map_or(0, |spot| spot.frame_index)),
        Who::Goroutines => (case.thread.lwp, 0),
    };
    let code = thread.place.as_ref().map(|spot| &*spot.code);
    Finding {
        thread: lwp,
        frame_index,
        function: thread.function().map(str::to_owned),
        line: code.and_then(|code| Some((code.file.as_deref()?.to_owned(), code.line?))),
        ..case.finding("deadlock", class, certainty, 0, summary)
    }
}

/// ``thread 12 waits for mutex `b` in f at f.c:3``
fn sentence(waits: &Waits, thread: &ThreadWait) -> String {
    format!("{} {} {}{}", waits.of.noun(), thread.lwp, thread.state.text(), thread.place_text())
}

fn circle(waits: &Waits, waiters: &[&ThreadWait]) -> String {
    let (noun, plural) = (waits.of.noun(), waits.of.plural());
    let one = |thread: &&ThreadWait| {
        let held = match &thread.state {
            State::Lock(wait) => wait.owners.first().map(|owner| owner.lwp),
            _ => None,
        };
        let is_join = thread.wait().is_some_and(|wait| wait.kind == waits::Kind::Join);
        match held {
            Some(owner) if owner == thread.lwp => {
                format!("{noun} {} {}, which it holds itself", thread.lwp, thread.state.text())
            }
            Some(owner) if !is_join => {
                format!("{noun} {} {}, held by {noun} {owner}", thread.lwp, thread.state.text())
            }
            _ => format!("{noun} {} {}", thread.lwp, thread.state.text()),
        }
    };
    let named: Vec<String> = waiters.iter().take(IN_SENTENCE).map(one).collect();
    let named = named.join("; ");
    match waiters.len() {
        1 => named,
        count if count > IN_SENTENCE => format!("{count} {plural} wait for each other: {named}; and so on"),
        count => format!("{count} {plural} wait for each other: {named}"),
    }
}
