//! Which of a stack's functions make the key.

use crate::order::Order;
use std::collections::{BTreeSet, HashMap};

use super::Rules;
use super::frames::Stack;

/// Functions that are taken where none is the program's own.
const FOREIGN: usize = 2;
/// Prefixes that are taken.
const MOST_PREFIXES: usize = 4;
/// A function is part of an endless recursion where it is on the stack so many times at least.
const RECURSION: usize = 10;
/// Functions of a recursion that are taken.
const MOST_RECURSIVE: usize = 8;
/// Functions that call each other in turn and are folded.
const LONGEST_TURN: usize = 16;

/// A frame as rules see it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Seen {
    /// As `bt` counts; `None` for a function that a tail call took off the stack.
    pub index: Option<usize>,
    /// The function's normalised name.
    pub name: Option<String>,
    /// The last part of the module's path.
    pub module: Option<String>,
    /// The address in the module.
    pub offset: Option<u64>,
    /// The kind of frame; `None` for the program's own.
    pub kind: Option<String>,
    /// The kernel's frame around a handler.
    pub signal: bool,
    /// It was found by a scan of the stack, and may be no caller.
    pub scanned: bool,
}

impl Seen {
    /// The name; without one the module and the offset in it.
    pub fn label(&self) -> String {
        match (&self.name, &self.module, self.offset) {
            (Some(name), ..) => name.clone(),
            (None, Some(module), Some(offset)) => format!("{module}+{offset:#x}"),
            (None, Some(module), None) => module.clone(),
            (None, None, _) => "(no code)".to_owned(),
        }
    }
}

/// What became of a frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reason {
    /// The program's own: the nth that counts.
    Own(usize),
    /// Taken, and not counted.
    Prefix,
    /// One of those that call themselves without end.
    Recursive,
    /// Nothing is the program's own.
    Foreign,
    /// It ran in a handler of the signal that counts.
    InHandler,
    /// It ran on top of the frame of that name, where the program was ended.
    OnTopOf(String),
    /// It ended the program: what the program did is further out.
    Sentinel,
    /// Not the program's own.
    Kind(String),
    /// The rules leave the function out.
    Skipped,
    /// It is further in as well.
    Repeated,
    /// Where the program or the thread begins.
    Entry,
    /// There are enough.
    Enough,
    /// A signal interrupted it: it did not call what is further in.
    Interrupted,
    /// It, or one further in, was found by a scan of the stack, and may be no caller.
    Scanned,
    /// It lies between a function and that function's outermost call.
    WithinRecursion,
}

impl Reason {
    /// Whether the frame is part of the key.
    pub fn is_taken(&self) -> bool {
        matches!(self, Reason::Own(_) | Reason::Prefix | Reason::Recursive | Reason::Foreign)
    }

    /// Whether it is part of what led to the end: no handler, no frame that only ends processes, none that was interrupted.
    pub fn is_of_the_crash(&self) -> bool {
        match self {
            Reason::InHandler | Reason::OnTopOf(_) | Reason::Interrupted => false,
            Reason::Kind(kind) => !matches!(kind.as_str(), "abort" | "sanitizer" | "signal" | "no code"),
            _ => true,
        }
    }

    /// For scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Reason::Own(_) => "own",
            Reason::Prefix => "prefix",
            Reason::Recursive => "endless",
            Reason::Foreign => "foreign",
            Reason::InHandler => "in-handler",
            Reason::OnTopOf(_) => "on-top",
            Reason::Sentinel => "sentinel",
            Reason::Kind(_) => "kind",
            Reason::Skipped => "skip-functions",
            Reason::Repeated | Reason::WithinRecursion => "recursion",
            Reason::Entry => "entry",
            Reason::Enough => "enough",
            Reason::Interrupted => "interrupted",
            Reason::Scanned => "scanned",
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        match self {
            Reason::Own(number) => format!("own function {number}"),
            Reason::Prefix => "prefix: many roads lead there".to_owned(),
            Reason::Recursive => "calls itself without end".to_owned(),
            Reason::Foreign => "no function is the program's own".to_owned(),
            Reason::InHandler => "in a handler of the signal".to_owned(),
            Reason::OnTopOf(sentinel) => format!("on top of {sentinel}"),
            Reason::Sentinel => "sentinel: it ended the program".to_owned(),
            Reason::Kind(kind) => format!("kind: {kind}"),
            Reason::Skipped => "skip_functions".to_owned(),
            Reason::Repeated => "recursion".to_owned(),
            Reason::WithinRecursion => "within a recursion".to_owned(),
            Reason::Entry => "entry".to_owned(),
            Reason::Enough => "enough".to_owned(),
            Reason::Interrupted => "interrupted by a signal".to_owned(),
            Reason::Scanned => "found by a scan".to_owned(),
        }
    }
}

/// What is taken of a stack.
pub struct Choice {
    /// Names, innermost first.
    pub names: Vec<String>,
    /// Why, for every frame.
    pub reasons: Vec<Reason>,
    /// The names are of the program's own.
    pub has_own: bool,
    /// Why another build may give others.
    pub weakness: Option<&'static str>,
}

/// Chooses.
pub fn choose(stack: &Stack, rules: &Rules, is_endless: bool) -> Choice {
    let frames = &stack.frames;
    let mut reasons = vec![Reason::Enough; frames.len()];
    let start = begin(stack, rules, &mut reasons);
    let mut own: Vec<usize> = Vec::new();
    let mut over: Option<Reason> = None;
    for (at, seen) in frames.iter().enumerate().skip(start) {
        let Some(reason) = reasons.get_mut(at) else { break };
        if let Some(over) = &over {
            *reason = over.clone();
            continue;
        }
        match &seen.kind {
            _ if seen.signal && !own.is_empty() => {
                *reason = Reason::Kind("signal".to_owned());
                over = Some(Reason::Interrupted);
            }
            Some(kind) if rules.skips_kind(kind) => *reason = Reason::Kind(kind.clone()),
            _ if seen.name.as_deref().is_some_and(|name| rules.skips_function(name)) => *reason = Reason::Skipped,
            _ if seen.scanned && !own.is_empty() => {
                *reason = Reason::Scanned;
                over = Some(Reason::Scanned);
            }
            _ => own.push(at),
        }
    }
    let label = |at: &usize| frames.get(*at).map(Seen::label).unwrap_or_default();
    let taken: Vec<(usize, Reason)> = match endless(&own, &label).filter(|_| is_endless) {
        Some(recursive) => {
            let names: Vec<String> = recursive.iter().map(label).collect();
            for at in own.iter().filter(|at| names.contains(&label(at))) {
                if let Some(reason) = reasons.get_mut(*at) {
                    *reason = Reason::Repeated;
                }
            }
            recursive.into_iter().map(|at| (at, Reason::Recursive)).collect()
        }
        None => innermost(&own, &label, rules, &mut reasons),
    };
    let has_own = !taken.is_empty();
    let taken = if has_own { taken } else { foreign(frames, start, &mut reasons) };
    let mut names: Vec<String> = Vec::with_capacity(taken.len());
    for (at, why) in taken {
        names.push(label(&at));
        if let Some(reason) = reasons.get_mut(at) {
            *reason = why;
        }
    }
    let is_nameless = |(seen, reason): (&Seen, &Reason)| reason.is_taken() && seen.name.is_none();
    let weakness = frames.iter().zip(&reasons).any(is_nameless).then_some(
        "functions without names: the fingerprint has their offsets in the module, which hold for this build alone",
    );
    Choice { names, reasons, has_own, weakness }
}

/// Where what the program did begins: further out than what handled the signal, and than what ended it.
fn begin(stack: &Stack, rules: &Rules, reasons: &mut [Reason]) -> usize {
    let frames = &stack.frames;
    let named = |at: usize| frames.get(at).and_then(|seen| seen.name.as_deref()).filter(|name| rules.is_sentinel(name));
    let is_own = |seen: &Seen| seen.kind.as_ref().is_none_or(|kind| !rules.skips_kind(kind)) && !seen.signal;
    let sentinel = (stack.start..frames.len()).rev().find_map(|at| Some((at, named(at)?)));
    // What stands at the bottom of every thread is none.
    let sentinel = sentinel.filter(|(at, _)| frames.iter().skip(at + 1).any(is_own));
    for reason in reasons.iter_mut().take(stack.start) {
        *reason = Reason::InHandler;
    }
    let Some((at, name)) = sentinel else { return stack.start };
    for reason in reasons.iter_mut().take(at).skip(stack.start) {
        *reason = Reason::OnTopOf(name.to_owned());
    }
    if let Some(reason) = reasons.get_mut(at) {
        *reason = Reason::Sentinel;
    }
    at + 1
}

/// The innermost own functions.
fn innermost(
    own: &[usize],
    label: &dyn Fn(&usize) -> String,
    rules: &Rules,
    reasons: &mut [Reason],
) -> Vec<(usize, Reason)> {
    let names: Vec<String> = own.iter().map(label).collect();
    let mut outermost: HashMap<&str, usize> = HashMap::new();
    for (at, name) in names.iter().enumerate() {
        outermost.insert(name, at);
    }
    let mut set = |at: Option<&usize>, why: Reason| {
        if let Some(reason) = at.and_then(|at| reasons.get_mut(*at)) {
            *reason = why;
        }
    };
    let inner = names.iter().rposition(|name| !rules.is_entry(name)).map_or(0, |last| last + 1);
    let mut taken = Vec::new();
    let (mut counted, mut prefixes, mut at) = (0, 0, 0);
    while let (Some(name), Some(frame)) = (names.get(at), own.get(at)) {
        let last = outermost.get(name.as_str()).copied().unwrap_or(at);
        let is_outermost = last + 1 == names.len();
        if at >= inner && !taken.is_empty() {
            set(Some(frame), Reason::Entry);
        } else if counted >= rules.length {
            at += 1;
            continue;
        } else if rules.is_prefix(name) && !is_outermost && prefixes < MOST_PREFIXES {
            prefixes += 1;
            taken.push((*frame, Reason::Prefix));
        } else {
            counted += 1;
            taken.push((*frame, Reason::Own(counted)));
        }
        for between in at + 1..=last {
            let same = names.get(between) == Some(name);
            set(own.get(between), if same { Reason::Repeated } else { Reason::WithinRecursion });
        }
        at = last + 1;
    }
    taken
}

/// The first frames of the functions that call themselves without end, by name.
fn endless(own: &[usize], label: &dyn Fn(&usize) -> String) -> Option<Vec<usize>> {
    let mut counts: HashMap<String, (usize, usize)> = HashMap::new();
    for at in own {
        counts.entry(label(at)).or_insert((*at, 0)).1 += 1;
    }
    let most = counts.values().map(|(_, count)| *count).max()?;
    let least = RECURSION.max(most / 4);
    let mut recursive: Vec<(String, usize)> =
        counts.into_iter().filter(|(_, (_, count))| *count >= least).map(|(name, (at, _))| (name, at)).collect();
    recursive.order();
    recursive.truncate(MOST_RECURSIVE);
    (!recursive.is_empty()).then(|| recursive.into_iter().map(|(_, at)| at).collect())
}

/// Where nothing is the program's own: the innermost functions with names that do not only end the process; else modules.
fn foreign(frames: &[Seen], start: usize, reasons: &mut [Reason]) -> Vec<(usize, Reason)> {
    let says_nothing = |seen: &Seen| {
        seen.signal || seen.kind.as_deref().is_some_and(|kind| matches!(kind, "abort" | "sanitizer" | "no code"))
    };
    let told = || frames.iter().enumerate().skip(start).filter(|(_, seen)| !says_nothing(seen));
    let named: Vec<usize> = told().filter(|(_, seen)| seen.name.is_some()).map(|(at, _)| at).take(FOREIGN).collect();
    let found = if named.is_empty() { told().map(|(at, _)| at).take(FOREIGN).collect() } else { named };
    let mut seen_names = BTreeSet::new();
    let mut taken = Vec::new();
    for at in found {
        let is_new = frames.get(at).is_some_and(|seen| seen_names.insert(seen.label()));
        match reasons.get_mut(at) {
            Some(reason) if !is_new => *reason = Reason::Repeated,
            _ => taken.push((at, Reason::Foreign)),
        }
    }
    taken
}

/// The functions that led to the end, recursion folded. Of the program's own without a name the module stands; of
/// libraries such are left out, as it depends on the machine whether their symbols are at hand.
pub fn whole(frames: &[Seen], reasons: &[Reason]) -> Vec<String> {
    let text = |seen: &Seen| match (&seen.name, &seen.module) {
        (Some(name), _) => name.clone(),
        (None, Some(module)) => format!("({})", module.split(".so").next().unwrap_or(module)),
        (None, None) => "(no code)".to_owned(),
    };
    let of_crash = frames.iter().zip(reasons).filter(|(_, reason)| reason.is_of_the_crash());
    let of_crash = of_crash.filter(|(seen, _)| seen.name.is_some() || seen.kind.is_none());
    let texts: Vec<String> = of_crash.map(|(seen, _)| text(seen)).collect();
    folded(texts.iter().map(String::as_str))
}

/// Names with repetitions folded: what follows itself once more, alone or as a turn of several, stands once.
pub fn folded<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut out: Vec<&str> = Vec::new();
    for name in names {
        out.push(name);
        // The turn that just ended is what went before it.
        for turn in 1..=LONGEST_TURN.min(out.len() / 2) {
            let (before, last) = out.split_at(out.len() - turn);
            if before.ends_with(last) {
                out.truncate(out.len() - turn);
                break;
            }
        }
    }
    out.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
#[path = "key_tests.rs"]
mod tests;
