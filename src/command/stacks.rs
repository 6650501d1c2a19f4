//! `obit stacks`: what threads do, those that do the same in one group.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use super::bt::for_each_in_parallel;
use super::{CommandError, Output, State, bt, common};
use crate::addr::RunAddr;
use crate::image::ThreadState;
use crate::interrupt;
use crate::order::Order;
use crate::parallel;
use crate::report::bt_text::{Detail, FrameArguments, FrameInfo, StackText, grouped};
use crate::report::code_text::CodeTexts;
use crate::report::json_backtrace::FrameSource;
use crate::report::runtime_documents::few_numbers;
use crate::report::waits_documents::{self, StackGroup, state_code};
use crate::report::waits_text::few_ids;
use crate::runtime::go::{GoRuntime, is_users};
use crate::session::{Session, Trace};
use crate::waits::{self, Asker, CallKind, Kind, ThreadWait, Wait, Who};

/// Arguments of `stacks`.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// Only threads with a function on their stack whose name contains TEXT
    #[arg(long, value_name = "TEXT", help_heading = "Selection")]
    function: Option<String>,
    /// Only threads with a module on their stack whose path contains TEXT
    #[arg(long, value_name = "TEXT", help_heading = "Selection")]
    module: Option<String>,
    /// Only threads in that state: running, idle, lock (of any kind), mutex, rwlock, condition, semaphore, barrier,
    /// join, once, future, channel, select, wait-group, park, spinlock, futex, input, output, sleep, signal, child, shared
    #[arg(long, value_name = "STATE", value_parser = STATES, hide_possible_values = true, help_heading = "Selection")]
    state: Option<String>,
    /// Put only threads together that stand at the same addresses, not all in the same functions
    #[arg(long)]
    exact: bool,
    /// Show at most N frames a stack; the outermost are kept
    #[arg(long, value_name = "N", default_value_t = 1024, help_heading = "Limits")]
    frames: usize,
}

const STATES: [&str; 23] = [
    "running",
    "idle",
    "lock",
    "mutex",
    "rwlock",
    "condition",
    "semaphore",
    "barrier",
    "join",
    "once",
    "future",
    "channel",
    "select",
    "wait-group",
    "park",
    "spinlock",
    "futex",
    "input",
    "output",
    "sleep",
    "signal",
    "child",
    "shared",
];

/// Goroutines whose stacks are at hand at once: bounds the memory.
const AT_ONCE: usize = 1024;

/// A frame as a group sees it: the function, or the address where it has no name or addresses are asked for.
#[derive(PartialEq, Eq, Hash)]
enum Step {
    Function(std::sync::Arc<str>),
    Address(RunAddr),
}

/// Threads of one group.
struct Members {
    lwps: Vec<u32>,
    state: waits::State,
    /// They wait for one thing.
    is_one: bool,
    trace: Trace,
}

/// Answers `stacks`.
pub fn run(args: &Args, state: &mut State, output: &mut Output<'_>) -> Result<(), CommandError> {
    let session = &state.session;
    let runtime = GoRuntime::open(session).ok();
    let mut groups = groups(args, session, runtime.as_ref())?;
    if let Some(runtime) = &runtime {
        groups.splice(0..0, goroutine_groups(args, session, runtime)?);
    }
    if groups.is_empty() {
        return Err(CommandError::NoMatch("no thread's stack fits".to_owned()));
    }
    let module = |id| session.module_label(id);
    if state.json {
        let source = FrameSource { types: &session.types, module: &module, variables: None };
        return common::write_document(output, waits_documents::stacks(&groups, &source, &session.notes()));
    }
    if !state.interactive {
        bt::write_header(session, output)?;
    }
    let text = StackText {
        types: &session.types,
        module: &module,
        variables: &|_, _| Vec::new(),
        sources: &state.sources,
        paint: output.paint,
        address_digits: session.image.arch.address_size() * 2,
        frame_limit: args.frames,
        options: state.settings.print,
        arguments: FrameArguments::None,
        info: FrameInfo::Auto,
        codes: CodeTexts::default(),
    };
    for (index, group) in groups.iter().enumerate() {
        let mut block = String::new();
        let gap = if index > 0 || !state.interactive { "\n" } else { "" };
        let _ = writeln!(block, "{gap}{}", output.paint.heading(title(session, group)));
        text.write_stack(&mut block, &group.trace, Detail::Compact);
        output.out.write_all(block.as_bytes())?;
    }
    common::write_notes(output, &session.notes())
}

fn title(session: &Session, group: &StackGroup) -> String {
    let count = group.lwps.len().max(group.goroutines.len());
    let one = count == 1;
    let does = match (&group.waits_for, group.state) {
        (Some(what), "sleep") => format!("{} in {what}", if one { "sleeps" } else { "sleep" }),
        (Some(what), _) => format!("{} for {what}", if one { "waits" } else { "wait" }),
        (None, "idle") => format!("{} idle", if one { "is" } else { "are" }),
        (None, _) => if one { "runs" } else { "run" }.to_owned(),
    };
    match group.goroutines.as_slice() {
        [] => {}
        [id] => return format!("Goroutine {id} {does}:"),
        ids => return format!("{} goroutines ({}) {does}:", grouped(ids.len()), few_numbers(ids)),
    }
    match group.lwps.as_slice() {
        [lwp] => {
            let thread = session.image.threads.iter().find(|thread| thread.lwp == *lwp);
            let name = thread.and_then(|thread| thread.name.as_deref()).map(|name| format!(" \"{name}\""));
            let crashed = if thread.is_some_and(|thread| thread.crashed) { " (crashed)" } else { "" };
            format!("Thread {lwp}{}{crashed} {does}:", name.unwrap_or_default())
        }
        lwps => format!("{} threads ({}) {does}:", grouped(count), few_ids(lwps)),
    }
}

/// Goroutines of the program, those that do one thing in one group; the runtime's own are left out.
fn goroutine_groups(args: &Args, session: &Session, runtime: &GoRuntime<'_>) -> Result<Vec<StackGroup>, CommandError> {
    let waits = runtime.waits();
    let rows: HashMap<u64, &ThreadWait> = waits.threads.iter().map(|row| (u64::from(row.lwp), row)).collect();
    let (mut goroutines, _) = runtime.goroutines();
    goroutines.retain(|goroutine| goroutine.id.is_some_and(|id| rows.contains_key(&id)));
    goroutines.order_by_key(|goroutine| goroutine.id);
    let mut known: HashMap<(&'static str, Vec<Step>), usize> = HashMap::new();
    let mut groups: Vec<(StackGroup, waits::State, bool)> = Vec::new();
    for part in goroutines.chunks(AT_ONCE) {
        interrupt::check()?;
        let traces = parallel::map(part, |goroutine| runtime.trace(goroutine, args.frames));
        for (goroutine, mut trace) in part.iter().zip(traces) {
            let Some((id, row)) = goroutine.id.and_then(|id| Some((id, *rows.get(&id)?))) else { continue };
            if !fits(args, session, &trace, &row.state) {
                continue;
            }
            if trace.frames.iter().any(is_users) {
                trace.frames.retain(is_users);
            }
            let key = (state_code(&row.state), steps(&trace, args.exact));
            let index = *known.entry(key).or_insert(groups.len());
            match groups.get_mut(index) {
                Some((group, state, is_one)) => {
                    group.goroutines.push(id);
                    group.lwps.extend(goroutine.lwp);
                    *is_one &= *state == row.state;
                }
                None => {
                    let state = state_code(&row.state);
                    let group = StackGroup {
                        lwps: goroutine.lwp.into_iter().collect(),
                        goroutines: vec![id],
                        state,
                        waits_for: None,
                        trace,
                    };
                    groups.push((group, row.state.clone(), true));
                }
            }
        }
        session.release_memory();
    }
    groups.order_by_key(|(group, ..)| std::cmp::Reverse(group.goroutines.len()));
    let finished = groups.into_iter().map(|(group, state, is_one)| {
        let name = |_| match &state {
            waits::State::Lock(wait) => wait.name.clone(),
            _ => None,
        };
        let waits_for = said(&state, is_one, Who::Goroutines, &name);
        StackGroup { waits_for, ..group }
    });
    Ok(finished.collect())
}

fn groups(args: &Args, session: &Session, runtime: Option<&GoRuntime<'_>>) -> Result<Vec<StackGroup>, CommandError> {
    let asker = Asker::new(session);
    let threads: Vec<&ThreadState> = session.image.threads.iter().collect();
    // Goroutines stand for the threads that they are on.
    let stands_for = |thread: &ThreadState| runtime.is_some_and(|runtime| runtime.on_thread(thread).is_some());
    let make = |thread: &ThreadState| {
        let trace = session.trace(thread, args.frames);
        let state = asker.state(thread, &trace);
        let key = (state_code(&state), steps(&trace, args.exact));
        let fits = fits(args, session, &trace, &state) && !stands_for(thread);
        (thread.lwp, fits, key, state, trace)
    };
    let mut known: HashMap<(&'static str, Vec<Step>), usize> = HashMap::new();
    let mut groups: Vec<Members> = Vec::new();
    let mut states = Vec::with_capacity(threads.len());
    for_each_in_parallel(session, &threads, make, |(lwp, fits, key, state, trace)| {
        states.push(state.clone());
        if !fits {
            return Ok(());
        }
        let index = *known.entry(key).or_insert(groups.len());
        match groups.get_mut(index) {
            Some(group) => {
                group.lwps.push(lwp);
                group.is_one &= group.state == state;
            }
            None => groups.push(Members { lwps: vec![lwp], state, is_one: true, trace }),
        }
        Ok(())
    })?;
    groups.order_by_key(|group| std::cmp::Reverse(group.lwps.len()));
    let of_lock = |state: &waits::State| match state {
        waits::State::Lock(wait) => wait.word,
        _ => None,
    };
    let named: HashSet<RunAddr> =
        groups.iter().filter(|group| group.is_one).filter_map(|group| of_lock(&group.state)).collect();
    let waits: Vec<Option<&Wait>> = states
        .iter()
        .map(|state| match state {
            waits::State::Lock(wait) => Some(wait),
            _ => None,
        })
        .collect();
    let names = waits::names(session, &waits, |word| named.contains(&word));
    let name = |word: Option<RunAddr>| names.get(&word?).map(|(name, _)| name.clone());
    let finished = groups.into_iter().map(|group| StackGroup {
        state: state_code(&group.state),
        waits_for: said(&group.state, group.is_one, Who::Threads, &name),
        goroutines: Vec::new(),
        lwps: group.lwps,
        trace: group.trace,
    });
    Ok(finished.collect())
}

/// The functions of a stack; what calls itself counts once.
fn steps(trace: &Trace, exact: bool) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::with_capacity(trace.frames.len());
    for frame in &trace.frames {
        let step = match &frame.code.function {
            Some(function) if !exact => Step::Function(function.clone()),
            _ => Step::Address(frame.pc),
        };
        if exact || steps.last() != Some(&step) {
            steps.push(step);
        }
    }
    steps
}

fn fits(args: &Args, session: &Session, trace: &Trace, state: &waits::State) -> bool {
    let of_function = |wanted: &String| {
        let mut functions = trace.frames.iter().filter_map(|frame| frame.code.function.as_deref());
        functions.any(|function| function.contains(wanted.as_str()))
    };
    let of_module = |wanted: &String| {
        let mut labels = trace.frames.iter().filter_map(|frame| session.module_label(frame.module?));
        labels.any(|label| label.path.contains(wanted.as_str()))
    };
    let of_state = |wanted: &String| {
        let is_lock = matches!(state, waits::State::Lock(_));
        wanted == "lock" && is_lock || wanted == state_code(state)
    };
    args.function.as_ref().is_none_or(of_function)
        && args.module.as_ref().is_none_or(of_module)
        && args.state.as_ref().is_none_or(of_state)
}

/// What a group waits for, in words.
fn said(
    state: &waits::State,
    is_one: bool,
    who: Who,
    name: &dyn Fn(Option<RunAddr>) -> Option<String>,
) -> Option<String> {
    match state {
        waits::State::Running | waits::State::Idle => None,
        waits::State::Call(call) => {
            let call_text = if is_one { call.text() } else { call.name.to_owned() };
            Some(match call.kind {
                CallKind::Sleep => call_text,
                kind => format!("{} in {call_text}", kind.text()),
            })
        }
        waits::State::Lock(wait) if is_one => {
            let wait = Wait { name: name(wait.word), ..wait.clone() };
            let held = match wait.owners.first() {
                Some(owner) if !matches!(wait.kind, Kind::Join | Kind::Group) => {
                    format!(", held by {} {}", who.noun(), owner.lwp)
                }
                _ => String::new(),
            };
            Some(format!("{}{held}", wait.text()))
        }
        // Not all of them for the same.
        waits::State::Lock(wait) => Some(format!("several {}", wait.kind.plural())),
    }
}
