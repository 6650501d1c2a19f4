//! `obit bt`: backtraces.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Mutex, mpsc};

use super::held::Held;
use super::{CommandError, LimitArgs, Output, State, common, goroutines};
use crate::addr::RunAddr;
use crate::image::ThreadState;
use crate::interrupt;
use crate::order::Order;
use crate::parallel;
use crate::report::bt_text::{Detail, FrameArguments, StackText, grouped, id_ranges, plural};
use crate::report::code_text::CodeTexts;
use crate::report::json::Json;
use crate::report::json_backtrace::{self, FrameSource, VariablesOf, begin_backtrace};
use crate::report::signal_text;
use crate::runtime::go::GoRuntime;
use crate::session::{Session, Trace};
use crate::unwind::StackEnd;
use crate::value::Limits;

/// Threads whose answer is made before the first of them is written: bounds the memory.
const THREADS_AT_ONCE: usize = 16;
/// Bytes of one thread's text that are set aside at once.
const USUAL_BLOCK: usize = 64 << 10;
/// A folded stack may be this deep: more than an ordinary stack of 8 MiB allows at 32 bytes a frame.
const DEEP: usize = 300_000;

/// Arguments of `bt`.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// Which threads: all, crashed, or one by its LWP [default: the crashed one in full, the others grouped]
    #[arg(long, value_name = "all|crashed|LWP", value_parser = parse_thread_choice, help_heading = "Selection")]
    thread: Option<ThreadChoice>,
    /// Show every frame's local variables
    #[arg(long)]
    locals: bool,
    /// Show threads with identical stacks once [default in text, except with --thread all --locals]
    #[arg(long, overrides_with = "no_group")]
    group: bool,
    /// Show every thread by itself
    #[arg(long)]
    no_group: bool,
    /// Show at most N frames a thread; the outermost are kept
    #[arg(long, value_name = "N", default_value_t = 1024, help_heading = "Limits")]
    frames: usize,
    #[command(flatten)]
    limits: LimitArgs,
}

#[derive(Clone, Copy, Debug)]
enum ThreadChoice {
    All,
    Crashed,
    Lwp(u32),
}

fn parse_thread_choice(text: &str) -> Result<ThreadChoice, String> {
    match text {
        "all" => Ok(ThreadChoice::All),
        "crashed" => Ok(ThreadChoice::Crashed),
        _ => text.parse().map(ThreadChoice::Lwp).map_err(|_| "expected all, crashed or an LWP".to_owned()),
    }
}

impl Args {
    /// How goroutines are shown beside the threads.
    fn goroutines(&self) -> goroutines::Args {
        goroutines::Args::beside_threads(self.locals, self.no_group, self.frames, self.limits.clone())
    }
}

/// Whether the program is one of Go's: asks nothing of a module but the executable.
fn is_go(session: &Session) -> bool {
    session.program.modules.iter().any(|module| module.seed.is_executable && module.is_go())
}

/// Answers `bt`.
pub fn run(args: &Args, state: &mut State, output: &mut Output<'_>) -> Result<(), CommandError> {
    if state.json { write_json(args, state, output) } else { write_text(args, state, output) }
}

/// The threads asked for, the crashed one first.
fn chosen<'a>(args: &Args, session: &'a Session) -> Result<Vec<&'a ThreadState>, CommandError> {
    let threads = &session.image.threads;
    match args.thread {
        None | Some(ThreadChoice::All) => Ok(threads.iter().collect()),
        Some(ThreadChoice::Crashed) => {
            let crashed: Vec<_> = threads.iter().filter(|thread| thread.crashed).collect();
            if crashed.is_empty() {
                return Err(CommandError::NoMatch(format!(
                    "{}: no thread is marked as the crashed one; --thread all shows all of them",
                    session.image.path.display()
                )));
            }
            Ok(crashed)
        }
        Some(ThreadChoice::Lwp(lwp)) => Ok(vec![super::selected::find_thread(session, lwp)?]),
    }
}

/// One chunk of threads after another, each chunk's threads in parallel, while the chunk before is taken in order.
pub(super) fn for_each_in_parallel<T: Send>(
    session: &Session,
    threads: &[&ThreadState],
    make: impl Fn(&ThreadState) -> T + Sync,
    mut take: impl FnMut(T) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    if let [thread] = threads {
        // A single thread does not wait for workers to start.
        return take(make(thread));
    }
    let make_all = |chunk: &[&ThreadState]| -> Vec<T> { parallel::map(chunk, |thread| make(thread)) };
    std::thread::scope(|scope| {
        // A chunk is handed over before the next but one is begun.
        let (send, receive) = mpsc::sync_channel(0);
        scope.spawn(move || {
            for chunk in threads.chunks(THREADS_AT_ONCE) {
                if interrupt::requested() || send.send(make_all(chunk)).is_err() {
                    return;
                }
                // Stacks that were read are not read again: without this, a thousand of them would stay in memory.
                session.release_memory();
            }
        });
        receive.iter().try_for_each(|made| made.into_iter().try_for_each(&mut take))?;
        Ok(interrupt::check()?)
    })
}

fn write_json(args: &Args, state: &State, output: &mut Output<'_>) -> Result<(), CommandError> {
    let session = &state.session;
    let threads = chosen(args, session)?;
    let limits = args.limits.limits(&state.settings, true);
    let variables = |trace: &Trace, frame: usize| session.variables(trace, frame, &limits);
    let module = |id| session.module_label(id);
    let source = FrameSource {
        types: &session.types,
        module: &module,
        variables: args.locals.then_some(&variables as &VariablesOf<'_>),
    };
    // Documents of half a megabyte each are written into the same buffers again.
    let buffers = Mutex::new(Vec::new());
    let runtime = if is_go(session) { GoRuntime::open(session).ok() } else { None };
    let make = |thread: &ThreadState| {
        let trace = session.trace(thread, args.frames);
        let goroutine = runtime.as_ref().and_then(|runtime| runtime.on_thread(thread)?.id);
        let mut json = Json::reusing(buffers.lock().expect("not poisoned").pop().unwrap_or_default());
        json_backtrace::write_thread(&mut json, thread, goroutine, &trace, &source);
        json.into_bytes()
    };
    let head = |notes: &[crate::image::Note]| {
        let mut json = Json::new();
        begin_backtrace(&mut json, &session.image, notes);
        json.into_bytes()
    };
    let notes = || session.notes();
    let mut held = Held::new(&notes, &head);
    for_each_in_parallel(session, &threads, make, |bytes: Vec<u8>| {
        held.row(&bytes, output.out)?;
        buffers.lock().expect("not poisoned").push(bytes);
        Ok(())
    })?;
    held.end_of_rows(output.out)?;
    output.out.write_all(b"]")?;
    if let (Some(runtime), None | Some(ThreadChoice::All)) = (&runtime, args.thread) {
        output.out.write_all(b",\"goroutines\":[")?;
        let mut comma: &[u8] = b"";
        goroutines::rows_beside_threads(&args.goroutines(), state, runtime, |row| {
            output.out.write_all(std::mem::replace(&mut comma, b","))?;
            Ok(output.out.write_all(row)?)
        })?;
        output.out.write_all(b"]")?;
    }
    held.late_notes(output.out)?;
    output.out.write_all(b"}\n")?;
    Ok(())
}

/// Threads with one stack.
pub(super) struct Group<'a> {
    pub(super) threads: Vec<&'a ThreadState>,
    pub(super) trace: Trace,
}

fn write_text(args: &Args, state: &State, output: &mut Output<'_>) -> Result<(), CommandError> {
    let session = &state.session;
    let threads = chosen(args, session)?;
    write_header(session, output)?;
    let limits = args.limits.limits(&state.settings, false);
    // In a frame's line only scalars are shown, and of what holds elements only that it is one.
    let shows_aggregates = state.settings.frame_arguments == FrameArguments::All;
    let items = if shows_aggregates { limits.items } else { 0 };
    let flat = Limits { depth: limits.depth.min(1), items, ..limits };
    let limits = if args.locals { limits } else { flat };
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
        arguments: state.settings.frame_arguments,
        info: state.settings.frame_info,
        codes: CodeTexts::default(),
    };
    let full = if args.locals { Detail::Locals } else { Detail::Arguments };
    let everything = matches!(args.thread, Some(ThreadChoice::All));
    let group = !args.no_group && (args.group || !(everything && args.locals));

    let is_first = |thread: &&&ThreadState| thread.crashed || args.thread.is_some() && !everything;
    let in_full: Vec<_> = threads.iter().filter(is_first).copied().collect();
    let rest: Vec<_> = threads.iter().filter(|thread| !is_first(thread)).copied().collect();
    // A target in which nothing crashed still shows its first thread in full.
    let (in_full, rest) = match (in_full.is_empty(), rest.split_first()) {
        (true, Some((first, rest))) => (vec![*first], rest.to_vec()),
        _ => (in_full, rest),
    };
    let runtime = if is_go(session) { GoRuntime::open(session).ok() } else { None };
    // Goroutines stand for the threads that they are on.
    let rest: Vec<_> = match (&runtime, args.thread) {
        (Some(runtime), None) => rest.into_iter().filter(|thread| runtime.on_thread(thread).is_none()).collect(),
        _ => rest,
    };
    let shown: Vec<u32> = in_full.iter().map(|thread| thread.lwp).collect();
    for thread in in_full {
        let block = thread_block(session, &text, thread, args.frames, full);
        interrupt::check()?;
        output.out.write_all(block.as_bytes())?;
    }
    if let (Some(runtime), None) = (&runtime, args.thread) {
        goroutines::write_beside_threads(&args.goroutines(), state, runtime, &shown, output)?;
    }
    if !rest.is_empty() && !group {
        let make = |thread: &ThreadState| thread_block(session, &text, thread, args.frames, full);
        for_each_in_parallel(session, &rest, make, |block: String| Ok(output.out.write_all(block.as_bytes())?))?;
    } else if !rest.is_empty() {
        let detail = if everything { full } else { Detail::Compact };
        for group in grouped_by_stack(session, &rest, args.frames)? {
            let mut block = String::new();
            let _ = writeln!(block, "\n{}", output.paint.heading(group_title(&group, detail)));
            text.write_stack(&mut block, &group.trace, detail);
            output.out.write_all(block.as_bytes())?;
        }
    }
    common::write_notes(output, &session.notes())
}

/// What ran and the signal that ended it.
pub fn write_header(session: &Session, output: &mut Output<'_>) -> Result<(), CommandError> {
    let image = &session.image;
    let process = &image.process;
    let name = process.command.as_deref().or(process.executable.as_deref()).or(process.name.as_deref());
    let pid = process.pid.map(|pid| format!(", process {pid}")).unwrap_or_default();
    let (name, arch) = (name.unwrap_or("a program that it does not name"), image.arch.name());
    let origin = match image.is_alive() {
        true => "Copied from the running",
        false if image.minidump.is_some() => "Minidump of",
        false => "Core was generated by",
    };
    writeln!(output.out, "{origin} `{name}' ({arch}{pid}).")?;
    if let Some(signal) = &image.signal {
        let signal = signal_text::describe(signal);
        writeln!(output.out, "Program terminated with signal {}.", output.paint.alarm(signal))?;
    }
    Ok(())
}

/// A thread by itself.
fn thread_block(
    session: &Session,
    text: &StackText<'_>,
    thread: &ThreadState,
    frames: usize,
    detail: Detail,
) -> String {
    let mut trace = session.trace(thread, frames);
    if trace.stack.omitted > 0 || trace.stack.end == StackEnd::Limit {
        // Deep recursion: its cycles are folded first, and the limit is for what is left.
        trace = session.trace(thread, DEEP);
    }
    let name = thread.name.as_ref().map(|name| format!(" \"{name}\"")).unwrap_or_default();
    let crashed = if thread.crashed { " (crashed)" } else { "" };
    let mut out = String::with_capacity(USUAL_BLOCK);
    let (goroutine, panics) = goroutines::on_thread(session, thread, &trace);
    let goroutine = goroutine.map(|id| format!(", goroutine {id}")).unwrap_or_default();
    let _ = writeln!(out, "\n{}", text.paint.heading(format!("Thread {}{name}{crashed}{goroutine}:", thread.lwp)));
    for line in panics {
        let _ = writeln!(out, "{}", text.paint.alarm(line));
    }
    text.write_stack(&mut out, &trace, detail);
    out
}

fn group_title(group: &Group<'_>, detail: Detail) -> String {
    let lwps: Vec<u32> = group.threads.iter().map(|thread| thread.lwp).collect();
    match group.threads.as_slice() {
        [thread] => {
            let name = thread.name.as_ref().map(|name| format!(" \"{name}\"")).unwrap_or_default();
            format!("Thread {}{name}:", thread.lwp)
        }
        threads => {
            let count = threads.len();
            let values = match (detail, lwps.first()) {
                (Detail::Arguments | Detail::Locals, Some(first)) => format!("; values are those of thread {first}"),
                _ => String::new(),
            };
            let noun = plural(count, "thread", "threads");
            format!("Threads {} ({} {noun}{values}):", id_ranges(&lwps), grouped(count))
        }
    }
}

/// The largest group first; among equals the one whose first thread comes first.
pub(super) fn grouped_by_stack<'a>(
    session: &Session,
    threads: &[&'a ThreadState],
    frames: usize,
) -> Result<Vec<Group<'a>>, CommandError> {
    /// What makes two stacks identical: every pc, and how they end.
    type Key = (Vec<RunAddr>, usize, StackEnd);
    let mut by_stack: HashMap<Key, usize> = HashMap::new();
    let mut groups: Vec<Group<'a>> = Vec::new();
    let mut next = 0;
    let make = |thread: &ThreadState| {
        let trace = session.trace(thread, frames);
        let pcs = trace.stack.frames.iter().map(|frame| frame.pc).collect();
        ((pcs, trace.stack.omitted, trace.stack.end), trace)
    };
    for_each_in_parallel(session, threads, make, |(key, trace): (Key, Trace)| {
        let thread = threads[next];
        next += 1;
        let index = *by_stack.entry(key).or_insert(groups.len());
        match groups.get_mut(index) {
            Some(group) => group.threads.push(thread),
            None => groups.push(Group { threads: vec![thread], trace }),
        }
        Ok(())
    })?;
    groups.order_by_key(|group| std::cmp::Reverse(group.threads.len()));
    Ok(groups)
}
