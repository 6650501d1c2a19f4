//! `obit goroutines`: what Go's scheduler runs, those that do the same in one group.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use regex::Regex;

use super::goroutine_groups::{Group, grouped_ones};
use super::held::Held;
use super::{CommandError, LimitArgs, Output, State, bt, common};
use crate::addr::RunAddr;
use crate::image::ThreadState;
use crate::interrupt;
use crate::order::Order;
use crate::parallel;
use crate::report::bt_text::{Detail, FrameArguments, FrameInfo, StackText, grouped, plural, shortened};
use crate::report::code_text::CodeTexts;
use crate::report::json::Json;
use crate::report::json_backtrace::{FrameSource, VariablesOf, begin_document};
use crate::report::runtime_documents::{GoroutineRow, few_numbers, write_goroutine};
use crate::runtime::go::{GoRuntime, Goroutine, RuntimeError, is_users, panic_lines};
use crate::session::{Code, Session, Trace};
use crate::types::Language;
use crate::unwind::Trust;
use crate::value::Limits;

/// Goroutines whose stacks are at hand at once: bounds the memory.
const AT_ONCE: usize = 1024;
/// How often so many are looked at before the pages that they are in are given back.
const RELEASED_AFTER: usize = 16;

/// Arguments of `goroutines`.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// Only goroutines with a function on their stack, or a state, that RE matches
    #[arg(long, value_name = "RE", value_parser = Regex::new, help_heading = "Selection")]
    with: Option<Regex>,
    /// Only goroutines without one
    #[arg(long, value_name = "RE", value_parser = Regex::new, help_heading = "Selection")]
    without: Option<Regex>,
    /// Only the goroutine with that number
    #[arg(long, value_name = "N", help_heading = "Selection")]
    pub(super) id: Option<u64>,
    /// Count goroutines by that instead: location (the innermost frame that is not the runtime's), start (the function
    /// that each began with), creator (the go statement), reason, label
    #[arg(long, value_name = "WHAT", value_parser = ["location", "start", "creator", "reason", "label"], hide_possible_values = true)]
    by: Option<String>,
    /// Show what schedules them instead: threads, processors, run queues, the garbage collector's pace
    #[arg(long, conflicts_with_all = ["with", "without", "id", "by", "system", "locals"])]
    sched: bool,
    /// Also the runtime's own goroutines and frames [JSON always has them]
    #[arg(long, help_heading = "Selection")]
    pub(super) system: bool,
    /// Show every frame's local variables
    #[arg(long)]
    locals: bool,
    /// Show goroutines that do the same at the same place once [default in text]
    #[arg(long, overrides_with = "no_group")]
    group: bool,
    /// Show every goroutine by itself
    #[arg(long)]
    pub(super) no_group: bool,
    /// Show at most N frames a goroutine; the outermost are kept
    #[arg(long, value_name = "N", default_value_t = 1024, help_heading = "Limits")]
    pub(super) frames: usize,
    #[command(flatten)]
    limits: LimitArgs,
}

impl From<RuntimeError> for CommandError {
    fn from(error: RuntimeError) -> CommandError {
        match error {
            RuntimeError::NotGo => CommandError::NoMatch(error.to_string()),
            RuntimeError::NoDebugInformation(_) | RuntimeError::Unreadable(_) => CommandError::Usage(error.to_string()),
        }
    }
}

/// Answers `goroutines`.
pub fn run(args: &Args, state: &mut State, output: &mut Output<'_>) -> Result<(), CommandError> {
    if args.sched {
        return super::scheduler::run(state, output);
    }
    let session = &state.session;
    let runtime = GoRuntime::open(session)?;
    let (mut goroutines, odd) = runtime.goroutines();
    if let Some(id) = args.id {
        goroutines.retain(|goroutine| goroutine.id == Some(id));
        if goroutines.is_empty() {
            return Err(CommandError::NoMatch(format!("--id {id}: there is no such goroutine")));
        }
    }
    goroutines.order_by_key(|goroutine| (goroutine.id.is_none(), goroutine.id, goroutine.address));
    if state.json {
        return write_json(args, state, &runtime, &goroutines, &odd, output);
    }
    if !state.interactive {
        bt::write_header(session, output)?;
    }
    match &args.by {
        Some(what) => write_counts(args, what, &runtime, &goroutines, output)?,
        None => write_text(args, state, &runtime, &goroutines, output)?,
    }
    let mut notes = odd;
    notes.extend(session.notes());
    common::write_notes(output, &notes)
}

pub(super) fn fits(args: &Args, goroutine: &Goroutine, trace: &Trace) -> bool {
    let matches = |wanted: &Regex| {
        wanted.is_match(doing(goroutine))
            || trace.frames.iter().any(|frame| frame.code.function.as_deref().is_some_and(|name| wanted.is_match(name)))
    };
    args.with.as_ref().is_none_or(matches) && !args.without.as_ref().is_some_and(matches)
}

/// Go's word for it: why it waits, or its state.
fn doing(goroutine: &Goroutine) -> &str {
    goroutine.wait_reason.as_deref().unwrap_or(goroutine.state.code())
}

/// Each with its stack, in order; a part of them at a time.
pub(super) fn for_each<T: Send>(
    runtime: &GoRuntime<'_>,
    goroutines: &[Goroutine],
    make: impl Fn(&Goroutine) -> T + Sync,
    mut take: impl FnMut(&Goroutine, T) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    for (number, part) in goroutines.chunks(AT_ONCE).enumerate() {
        interrupt::check()?;
        let made = parallel::map(part, &make);
        for (goroutine, made) in part.iter().zip(made) {
            take(goroutine, made)?;
        }
        // What was read comes back page by page where it is read again.
        if number % RELEASED_AFTER == RELEASED_AFTER - 1 {
            runtime.session().release_memory();
        }
    }
    Ok(interrupt::check()?)
}

fn write_json(
    args: &Args,
    state: &State,
    runtime: &GoRuntime<'_>,
    goroutines: &[Goroutine],
    odd: &[crate::image::Note],
    output: &mut Output<'_>,
) -> Result<(), CommandError> {
    let session = &state.session;
    let notes = || {
        let mut notes = odd.to_vec();
        notes.extend(session.notes());
        notes
    };
    let head = |notes: &[crate::image::Note]| {
        let mut json = Json::new();
        begin_document(&mut json, "obit.goroutines/1", notes);
        json.key("goroutines");
        json.begin_array();
        json.into_bytes()
    };
    let mut held = Held::new(&notes, &head);
    rows(args, state, runtime, goroutines, |row| Ok(held.row(row, output.out)?))?;
    if held.is_empty() {
        return Err(CommandError::NoMatch("no goroutine fits".to_owned()));
    }
    held.end_of_rows(output.out)?;
    output.out.write_all(b"]")?;
    held.late_notes(output.out)?;
    output.out.write_all(b"}\n")?;
    Ok(())
}

/// Gives rows of JSON.
fn rows(
    args: &Args,
    state: &State,
    runtime: &GoRuntime<'_>,
    goroutines: &[Goroutine],
    mut give: impl FnMut(&[u8]) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    let session = &state.session;
    let limits = args.limits.limits(&state.settings, true);
    let variables = |trace: &Trace, frame: usize| session.variables(trace, frame, &limits);
    let module = |id| session.module_label(id);
    let source = FrameSource {
        types: &session.types,
        module: &module,
        variables: args.locals.then_some(&variables as &VariablesOf<'_>),
    };
    let make = |goroutine: &Goroutine| {
        let trace = runtime.trace(goroutine, args.frames);
        fits(args, goroutine, &trace).then(|| {
            let code = |pc: Option<RunAddr>| pc.and_then(|pc| runtime.code_before(pc));
            let start = goroutine.start.and_then(|pc| session.code(pc).into_iter().next_back());
            let panics = runtime.panics(goroutine);
            let created_by = code(goroutine.created_at);
            let row = GoroutineRow {
                goroutine,
                trace: &trace,
                created_by,
                start,
                panics: &panics,
                labels: &runtime.labels(goroutine),
            };
            let mut json = Json::new();
            write_goroutine(&mut json, &row, &source);
            json.into_bytes()
        })
    };
    for_each(runtime, goroutines, make, |_, row| row.map_or(Ok(()), |row| give(&row)))
}

impl Args {
    /// As `bt` shows goroutines.
    pub(super) fn beside_threads(locals: bool, no_group: bool, frames: usize, limits: LimitArgs) -> Args {
        Args {
            with: None,
            without: None,
            id: None,
            by: None,
            sched: false,
            system: false,
            locals,
            group: !no_group,
            no_group,
            frames,
            limits,
        }
    }
}

/// Gives the rows of all goroutines that are on no thread.
pub(super) fn rows_beside_threads(
    args: &Args,
    state: &State,
    runtime: &GoRuntime<'_>,
    give: impl FnMut(&[u8]) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    let (mut goroutines, _) = runtime.goroutines();
    goroutines.retain(|goroutine| goroutine.lwp.is_none());
    goroutines.order_by_key(|goroutine| (goroutine.id.is_none(), goroutine.id, goroutine.address));
    rows(args, state, runtime, &goroutines, give)
}

/// All goroutines but those on the threads that were shown.
pub(super) fn write_beside_threads(
    args: &Args,
    state: &State,
    runtime: &GoRuntime<'_>,
    shown: &[u32],
    output: &mut Output<'_>,
) -> Result<(), CommandError> {
    let (mut goroutines, _) = runtime.goroutines();
    goroutines.retain(|goroutine| goroutine.lwp.is_none_or(|lwp| !shown.contains(&lwp)));
    goroutines.order_by_key(|goroutine| (goroutine.id.is_none(), goroutine.id, goroutine.address));
    if goroutines.is_empty() {
        return Ok(());
    }
    if state.interactive {
        writeln!(output.out)?;
    }
    write_text(args, state, runtime, &goroutines, output)
}

fn write_text(
    args: &Args,
    state: &State,
    runtime: &GoRuntime<'_>,
    goroutines: &[Goroutine],
    output: &mut Output<'_>,
) -> Result<(), CommandError> {
    let session = &state.session;
    let crashed = session.image.threads.iter().find(|thread| thread.crashed).map(|thread| thread.lwp);
    let (mut groups, own) = grouped_ones(args, runtime, goroutines)?;
    let is_crashed = |group: &Group| crashed.is_some() && group.first.lwp == crashed;
    groups.order_by_key(|group| (!is_crashed(group), std::cmp::Reverse(group.count)));
    let limits = args.limits.limits(&state.settings, false);
    let limits = if args.locals { limits } else { Limits { depth: limits.depth.min(1), items: 0, ..limits } };
    let variables = |trace: &Trace, frame: usize| session.variables(trace, frame, &limits);
    let module = |id| session.module_label(id);
    let text = StackText {
        types: &session.types,
        module: &module,
        variables: &variables,
        sources: &state.sources,
        paint: output.paint,
        address_digits: session.image.arch.address_size() * 2,
        frame_limit: args.frames,
        options: state.settings.print,
        arguments: FrameArguments::Scalars,
        info: FrameInfo::Auto,
        codes: CodeTexts::default(),
    };
    for (index, group) in groups.iter().enumerate() {
        interrupt::check()?;
        let detail = match (args.locals, is_crashed(group)) {
            (true, _) => Detail::Locals,
            (false, true) => Detail::Arguments,
            (false, false) => Detail::Compact,
        };
        let mut block = String::new();
        let gap = if index > 0 || !state.interactive { "\n" } else { "" };
        let _ = writeln!(block, "{gap}{}", output.paint.heading(group_title(group, args.locals)));
        for line in panic_lines(&group.panics) {
            let _ = writeln!(block, "{}", output.paint.alarm(line));
        }
        match &group.first.problem {
            Some(problem) => {
                let _ = writeln!(block, "{}", output.paint.aside(problem));
            }
            None if group.trace.stack.frames.is_empty() => {
                let _ = writeln!(block, "{}", output.paint.aside("where it was left is not on its stack"));
            }
            None => text.write_stack(&mut block, &group.trace, detail),
        }
        if !group.labels.is_empty() && group.has_one_labels {
            let labels: Vec<String> = group.labels.iter().map(|(key, value)| format!("{key}: {value}")).collect();
            let _ = writeln!(block, "labels {}", output.paint.aside(labels.join(", ")));
        }
        write_creator(&mut block, runtime, &group.first, output);
        output.out.write_all(block.as_bytes())?;
    }
    if groups.is_empty() && own == 0 {
        return Err(CommandError::NoMatch("no goroutine fits".to_owned()));
    }
    if own > 0 {
        let gap = if groups.is_empty() && state.interactive { "" } else { "\n" };
        let noun = plural(own, "goroutine is", "goroutines are");
        let line = format!("{} more {noun} the runtime's own (--system shows them).", grouped(own));
        writeln!(output.out, "{gap}{}", output.paint.aside(line))?;
    }
    Ok(())
}

/// The goroutine that a thread with that stack is on, and its panics as Go prints them.
pub(super) fn on_thread(session: &Session, thread: &ThreadState, trace: &Trace) -> (Option<u64>, Vec<String>) {
    // What runs nothing of Go's is not asked for it.
    if !trace.frames.iter().any(|frame| frame.code.language == Some(Language::Go)) {
        return (None, Vec::new());
    }
    let Ok(runtime) = GoRuntime::open(session) else { return (None, Vec::new()) };
    let Some(goroutine) = runtime.on_thread(thread) else { return (None, Vec::new()) };
    (goroutine.id, panic_lines(&runtime.panics(&goroutine)))
}

/// How many goroutines there are of each kind, the most first.
fn write_counts(
    args: &Args,
    what: &str,
    runtime: &GoRuntime<'_>,
    goroutines: &[Goroutine],
    output: &mut Output<'_>,
) -> Result<(), CommandError> {
    let named = |code: Option<Arc<Code>>| {
        let code = code?;
        let place = code.file.as_deref().zip(code.line).map(|(file, line)| format!(" at {}:{line}", shortened(file)));
        Some(format!("{}{}", code.function.as_deref()?, place.unwrap_or_default()))
    };
    let make = |goroutine: &Goroutine| {
        let trace = runtime.trace(goroutine, args.frames);
        if !fits(args, goroutine, &trace) || !args.system && is_runtimes(runtime, goroutine, &trace) {
            return Vec::new();
        }
        let found = match what {
            "location" => {
                let is_runtimes = |name: &str| name.starts_with("runtime.");
                let own = trace
                    .frames
                    .iter()
                    .find(|frame| is_users(frame) && !frame.code.function.as_deref().is_some_and(is_runtimes));
                named(own.or(trace.frames.first()).map(|frame| frame.code.clone()))
            }
            "start" => named(goroutine.start.and_then(|pc| runtime.session().code(pc).into_iter().next_back())),
            "creator" => named(goroutine.created_at.and_then(|pc| runtime.code_before(pc))),
            "label" => {
                let labels = runtime.labels(goroutine);
                let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}: {value}")).collect();
                (!labels.is_empty()).then(|| labels.join(", "))
            }
            _ => Some(doing(goroutine).to_owned()),
        };
        vec![found.unwrap_or_else(|| "(none)".to_owned())]
    };
    let mut counts: HashMap<String, (usize, Option<u64>)> = HashMap::new();
    for_each(runtime, goroutines, make, |goroutine, found| {
        for kind in found {
            counts.entry(kind).or_insert((0, goroutine.id)).0 += 1;
        }
        Ok(())
    })?;
    if counts.is_empty() {
        return Err(CommandError::NoMatch("no goroutine fits".to_owned()));
    }
    let mut counts: Vec<(String, (usize, Option<u64>))> = counts.into_iter().collect();
    counts.order_by(|one, other| (other.1.0, &one.0).cmp(&(one.1.0, &other.0)));
    let width = counts.first().map_or(1, |(_, (count, _))| grouped(*count).len());
    writeln!(output.out)?;
    for (kind, (count, first)) in counts {
        let first = first.map(|id| format!(" (goroutine {id}{})", if count > 1 { ", …" } else { "" }));
        writeln!(output.out, "{:>width$}  {kind}{}", grouped(count), first.unwrap_or_default())?;
    }
    Ok(())
}

/// What stands in the brackets.
pub(super) fn title(goroutine: &Goroutine) -> String {
    let thread = goroutine.lwp.map(|lwp| format!(", thread {lwp}")).unwrap_or_default();
    // As Go's own traceback has it, which counts whole minutes.
    let waited = match goroutine.waits_since.map(|seconds| seconds / 60) {
        Some(minutes) if minutes > 0 => format!(", {minutes} {}", plural(minutes as usize, "minute", "minutes")),
        _ => String::new(),
    };
    // As Go says it, and which thread that is where it is not on it.
    let locked = match goroutine.locked_to.filter(|lwp| goroutine.lwp != Some(*lwp)) {
        _ if !goroutine.locked => String::new(),
        Some(lwp) => format!(", locked to thread {lwp}"),
        None => ", locked to thread".to_owned(),
    };
    format!("[{}{waited}{thread}{locked}]", doing(goroutine))
}

fn group_title(group: &Group, has_values: bool) -> String {
    let title = title(&group.first);
    match (group.count, group.first.id) {
        (1, Some(id)) => format!("goroutine {id} {title}:"),
        (1, None) => format!("goroutine at {} {title}:", group.first.address),
        (count, first) => {
            let values = match first {
                Some(first) if has_values => format!("; values are those of {first}"),
                _ => String::new(),
            };
            format!("{} goroutines {title}: {}{values}", grouped(count), few_numbers(&group.numbers))
        }
    }
}

fn write_creator(block: &mut String, runtime: &GoRuntime<'_>, goroutine: &Goroutine, output: &Output<'_>) {
    let Some(code) = goroutine.created_at.and_then(|pc| runtime.code_before(pc)) else { return };
    let Some(function) = &code.function else { return };
    let _ = write!(block, "created by {}", output.paint.function(function));
    if let Some(parent) = goroutine.parent {
        let _ = write!(block, " in goroutine {parent}");
    }
    if let (Some(file), Some(line)) = (&code.file, code.line) {
        let _ = write!(block, " at {}:{line}", output.paint.file(shortened(file)));
    }
    block.push('\n');
}

/// Whether the runtime made it for itself (`isSystemGoroutine`); not what runs a program's finalizer just now.
pub(super) fn is_runtimes(runtime: &GoRuntime<'_>, goroutine: &Goroutine, trace: &Trace) -> bool {
    runtime.is_own(goroutine) && !trace.frames.iter().any(is_users)
}

/// A stack without the runtime's frames, where there are others and not all are asked for.
pub(super) fn shown(mut trace: Trace, all: bool) -> Trace {
    if !all && trace.frames.iter().any(is_users) {
        trace.frames.retain(is_users);
    }
    // Where goroutines are left is known from the runtime alone: that needs no word at each.
    for frame in trace.frames.iter_mut().filter(|frame| frame.trust == Trust::Runtime) {
        frame.trust = Trust::Context;
    }
    trace
}
