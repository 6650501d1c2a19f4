//! Goroutines that do the same at the same place, in one group.
//!
//! Nearly all of many are alike: only the first of those whose machine frames are the same has them named.

use std::collections::HashMap;

use super::CommandError;
use super::goroutines::{Args, fits, for_each, is_runtimes, shown, title};
use crate::addr::RunAddr;
use crate::runtime::go::{GoRuntime, Goroutine, Panic};
use crate::session::Trace;
use crate::unwind::Stack;

/// Goroutines that do the same at the same place.
pub(super) struct Group {
    /// The first of them.
    pub first: Goroutine,
    /// Their numbers, ascending.
    pub numbers: Vec<u64>,
    /// How many.
    pub count: usize,
    /// The first one's stack, as it is shown.
    pub trace: Trace,
    /// What the first one panics over.
    pub panics: Vec<Panic>,
    /// The first one's labels.
    pub labels: Vec<(String, String)>,
    /// All have those labels.
    pub has_one_labels: bool,
}

/// What it is doing, where, who made it, and with which function it began. The machine frames stand for the others.
#[derive(PartialEq, Eq, Hash)]
struct Same {
    title: String,
    pcs: Vec<RunAddr>,
    created_at: Option<RunAddr>,
    start: Option<RunAddr>,
}

/// What it is doing, where as it is shown, and who made it.
type Alike = (String, Vec<RunAddr>, Option<RunAddr>);

/// Where those go that are the same.
#[derive(Clone, Copy)]
enum Where {
    /// Nowhere: they do not fit.
    Out,
    /// The runtime's own, which are counted.
    Own,
    /// Into that group.
    Group(usize),
}

/// A goroutine as it was looked at.
enum Looked {
    /// It is shown by itself: its stack and panics.
    Alone(Trace, Vec<Panic>),
    /// It was left there.
    Left(Same, Option<Stack>),
}

/// All groups in the order of their first ones, and how many are the runtime's own.
pub(super) fn grouped_ones(
    args: &Args,
    runtime: &GoRuntime<'_>,
    goroutines: &[Goroutine],
) -> Result<(Vec<Group>, usize), CommandError> {
    let mut same: HashMap<Same, Where> = HashMap::new();
    let mut alike: HashMap<Alike, usize> = HashMap::new();
    let mut groups: Vec<Group> = Vec::new();
    let mut own = 0;
    let look = |goroutine: &Goroutine| {
        let is_alone = args.no_group || goroutine.lwp.is_some() || goroutine.problem.is_some() || goroutine.panics();
        let labels = runtime.labels(goroutine);
        if is_alone {
            return (Looked::Alone(runtime.trace(goroutine, args.frames), runtime.panics(goroutine)), labels);
        }
        let stack = runtime.saved_stack(goroutine, args.frames);
        let pcs = stack.iter().flat_map(|stack| stack.frames.iter().map(|frame| frame.lookup)).collect();
        let (created_at, start) = (goroutine.created_at, goroutine.start);
        (Looked::Left(Same { title: title(goroutine), pcs, created_at, start }, stack), labels)
    };
    for_each(runtime, goroutines, look, |goroutine, (looked, labels)| {
        let (key, trace, panics) = match looked {
            Looked::Alone(trace, panics) => (None, trace, panics),
            Looked::Left(key, stack) => {
                let known = same.get(&key).copied();
                match known {
                    Some(Where::Out) => return Ok(()),
                    Some(Where::Own) => {
                        own += 1;
                        return Ok(());
                    }
                    Some(Where::Group(index)) => {
                        groups.get_mut(index).into_iter().for_each(|group| group.take(goroutine, &labels));
                        return Ok(());
                    }
                    None => {
                        let named = stack.map(|stack| runtime.session().named(stack));
                        let trace = named.unwrap_or_else(|| runtime.trace(goroutine, args.frames));
                        (Some(key), trace, Vec::new())
                    }
                }
            }
        };
        let is_own = is_runtimes(runtime, goroutine, &trace);
        let mut place = match fits(args, goroutine, &trace) {
            false => Where::Out,
            true if is_own && !args.system && args.id.is_none() => Where::Own,
            true => Where::Group(groups.len()),
        };
        if let Where::Group(next) = &mut place {
            let trace = shown(trace, args.system);
            if key.is_some() {
                let pcs = trace.frames.iter().map(|frame| frame.pc).collect();
                *next = *alike.entry((title(goroutine), pcs, goroutine.created_at)).or_insert(*next);
            }
            match groups.get_mut(*next) {
                Some(group) => group.take(goroutine, &labels),
                None => groups.push(Group::of(goroutine, trace, panics, labels)),
            }
        }
        own += usize::from(matches!(place, Where::Own));
        same.extend(key.map(|key| (key, place)));
        Ok(())
    })?;
    Ok((groups, own))
}

impl Group {
    fn of(first: &Goroutine, trace: Trace, panics: Vec<Panic>, labels: Vec<(String, String)>) -> Group {
        let numbers = first.id.into_iter().collect();
        Group { first: first.clone(), numbers, count: 1, trace, panics, labels, has_one_labels: true }
    }

    fn take(&mut self, goroutine: &Goroutine, labels: &[(String, String)]) {
        self.count += 1;
        self.has_one_labels &= self.labels == labels;
        self.numbers.extend(goroutine.id);
    }
}
