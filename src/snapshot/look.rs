//! What is looked at, so that what answers are made from is kept: every thread, frame and variable, the crashed thread
//! first where a budget may end.

use std::collections::{BTreeMap, HashSet};

use super::Options;
use crate::addr::RunAddr;
use crate::arch::GENERAL_COUNT;
use crate::image::ThreadState;
use crate::memory::Memory;
use crate::parallel;
use crate::runtime::go::GoRuntime;
use crate::session::record::ReadSet;
use crate::session::{Session, Trace};
use crate::types::{TypeId, TypeKind};
use crate::value::Limits;
use crate::value::decode::Symbols;

/// Frames of a thread whose variables are kept; as many as are shown by default.
const FRAMES: usize = 1024;
/// Bytes of code on both sides of a frame's pc.
const CODE_AROUND: u64 = 64;
/// Bytes of a thread's stack that are kept whole, from its stack pointer on.
const STACK: u64 = 64 << 10;
/// With more threads or goroutines than these, less of the others is kept whole.
const MANY_THREADS: usize = 64;
/// Bytes of a thread's stack that are kept whole, of a thread among many.
const STACK_OF_MANY: u64 = 1 << 10;
/// Below the stack pointer: the red zone (System V psABI AMD64 1.0, section 3.2.2).
pub const RED_ZONE: u64 = 128;
/// Types of variables whose pointees' definitions are kept.
const MOST_POINTED_TO: usize = 1 << 16;
/// Goroutines whose waits are kept: what they wait for is somewhere in the heap.
const MOST_WAITS: usize = 20_000;
/// Typedefs, qualifiers and pointers between a variable's type and a structure.
const LINKS_FOLLOWED: usize = 16;
/// Pointers to pointers that lead to a structure.
const POINTERS_FOLLOWED: usize = 3;

/// What was looked at.
pub struct Looked {
    /// Every thread's stack, in the image's order.
    pub traces: Vec<Trace>,
    /// What was read for the crashed thread: ranges (start, one past the end), ascending.
    pub crashed: Vec<(u64, u64)>,
}

/// Asks for what anybody may ask for at the usual limits, then deeper while the budget lasts: the crashed thread first.
pub fn look_at_everything(
    session: &Session,
    reads: &ReadSet,
    options: &Options<'_>,
    left_out: &mut BTreeMap<String, u64>,
) -> Looked {
    let threads = &session.image.threads;
    let usual = Limits::default();
    // Formatters read nearly all that plain fields lead to.
    let plain_fields = threads.len() <= MANY_THREADS;
    let stack = if plain_fields { STACK } else { STACK_OF_MANY };
    let look_at = |thread: &ThreadState| {
        let trace = session.trace(thread, FRAMES);
        keep_stack(session, thread, &trace, if thread.crashed { STACK } else { stack });
        for frame in 0..trace.frames.len() {
            session.variables(&trace, frame, &usual);
            if plain_fields || thread.crashed {
                session.variables(&trace, frame, &Limits { raw: true, ..usual });
            }
        }
        name_registers(session, &trace);
        trace
    };
    // By itself, as it is known then what was read for it.
    let of_crashed: Vec<Option<Trace>> = threads.iter().map(|thread| thread.crashed.then(|| look_at(thread))).collect();
    let crashed = reads.ranges(0);
    let of_others = parallel::map(threads, |thread| (!thread.crashed).then(|| look_at(thread)));
    let traces: Vec<Trace> = of_crashed.into_iter().zip(of_others).filter_map(|(one, other)| one.or(other)).collect();
    keep_pointed_to(session, &traces);
    // What `locks` and `stacks` read beyond that: the locks themselves, and what leads to their names.
    crate::waits::find(session);
    keep_goroutines(session, reads, options.budget);
    let crashed_first = traces.iter().zip(threads).filter(|(_, thread)| thread.crashed);
    let others = traces.iter().zip(threads).filter(|(_, thread)| !thread.crashed);
    let ordered: Vec<(&Trace, &ThreadState)> = crashed_first.chain(others).collect();
    super::globals::keep(session, &ordered, reads, options.budget, left_out);
    follow_deeper(session, &ordered, reads, options, left_out);
    keep_classes(session);
    Looked { traces, crashed }
}

/// What Go's goroutines are read from: their stacks, and their variables while half of the budget lasts.
fn keep_goroutines(session: &Session, reads: &ReadSet, budget: u64) {
    let Ok(runtime) = GoRuntime::open(session) else { return };
    let usual = Limits::default();
    for thread in &session.image.threads {
        runtime.on_thread(thread);
    }
    let (goroutines, _) = runtime.goroutines();
    let plain_fields = goroutines.len() <= MANY_THREADS;
    if goroutines.len() <= MOST_WAITS {
        runtime.waits();
    }
    parallel::map(&goroutines, |goroutine| {
        if reads.bytes() > budget {
            return;
        }
        let trace = runtime.trace(goroutine, FRAMES);
        runtime.panics(goroutine);
        // Who made it, and what it began with.
        goroutine.created_at.and_then(|pc| runtime.code_before(pc));
        goroutine.start.map(|pc| session.code(pc));
        for frame in 0..trace.frames.len() {
            if reads.bytes() > budget / 2 {
                return;
            }
            session.variables(&trace, frame, &usual);
            if plain_fields {
                session.variables(&trace, frame, &Limits { raw: true, ..usual });
            }
        }
    });
}

/// Follows values deeper while the budgets last. What one thread leaves of its share goes to those after it.
fn follow_deeper(
    session: &Session,
    traces: &[(&Trace, &ThreadState)],
    reads: &ReadSet,
    options: &Options<'_>,
    left_out: &mut BTreeMap<String, u64>,
) {
    let usual = Limits::default();
    let (depth, items) = (options.depth.max(usual.depth), options.items.max(usual.items));
    let deeper = Limits { depth, items, string: 4096, ..usual };
    let mut passed_over = 0;
    for (number, (trace, thread)) in traces.iter().enumerate() {
        let before = reads.bytes();
        let rest = options.budget.saturating_sub(before);
        let share = rest / (traces.len() - number) as u64;
        // What the crashed thread had in its hands comes first.
        let share = options.thread_budget.unwrap_or(if thread.crashed { rest } else { share });
        for frame in 0..trace.frames.len() {
            if reads.bytes() > options.budget || reads.bytes() - before > share {
                passed_over += 1;
                continue;
            }
            session.variables(trace, frame, &deeper);
        }
    }
    if passed_over > 0 {
        left_out.insert("frames-not-followed-deeper".to_owned(), passed_over);
    }
}

/// Looks at the definitions of the structures that variables point to, whether or not the pointers lead anywhere.
fn keep_pointed_to(session: &Session, traces: &[Trace]) {
    let mut seen: HashSet<TypeId> = HashSet::new();
    for (trace, thread) in traces.iter().zip(&session.image.threads) {
        for frame in 0..trace.frames.len() {
            for type_id in session.variable_types(trace, frame) {
                if seen.len() >= MOST_POINTED_TO || !seen.insert(type_id) {
                    continue;
                }
                let mut target = type_id;
                let mut pointers = 0;
                for _ in 0..LINKS_FOLLOWED {
                    target = match session.types.get(target).kind {
                        TypeKind::Typedef { target } | TypeKind::Qualified { target, .. } => target,
                        TypeKind::Pointer { target } | TypeKind::Reference { target, .. }
                            if pointers < POINTERS_FOLLOWED =>
                        {
                            pointers += 1;
                            target
                        }
                        _ => break,
                    };
                }
                // To find what is defined elsewhere may cost a search of all debug information.
                if thread.crashed {
                    target = session.types.complete(target);
                }
                session.types.get(target);
            }
        }
    }
}

/// The virtual tables and the `type_info`s that were looked at, each as a whole, with the names of the functions.
fn keep_classes(session: &Session) {
    /// Bytes of one symbol that are kept.
    const LARGEST: u64 = 4096;
    /// Symbols.
    const MOST: usize = 4096;
    let memory = session.memory();
    let word = session.image.arch.address_size();
    let mut left = MOST;
    for module in session.program.modules.iter() {
        let found = module.symbols_found();
        let of_classes = found.iter().map(|(symbol, _)| symbol);
        for symbol in
            of_classes.filter(|symbol| [&b"_ZTV"[..], b"_ZTI"].iter().any(|prefix| symbol.name.starts_with(prefix)))
        {
            left = match left.checked_sub(1) {
                Some(left) => left,
                None => return,
            };
            let start = module.to_run(symbol.address);
            for offset in (0..symbol.size.min(LARGEST)).step_by(word) {
                let Ok(value) = memory.read_uint(RunAddr(start.0.saturating_add(offset)), word) else { break };
                if Symbols::symbol(session, RunAddr(value)).is_some_and(|name| name.starts_with("typeinfo name for ")) {
                    let _ = memory.read_c_string(RunAddr(value), LARGEST as usize);
                }
            }
        }
    }
}

/// The stack in use, and the code around each frame.
fn keep_stack(session: &Session, thread: &ThreadState, trace: &Trace, most: u64) {
    let memory = session.memory();
    if let Some(sp) = thread.registers.get(session.image.arch.sp()) {
        let start = sp.saturating_sub(RED_ZONE);
        let outermost = trace.stack.frames.iter().rev().find_map(|frame| frame.cfa).map_or(sp, |cfa| cfa.0);
        let end = outermost.clamp(sp, sp.saturating_add(most)).saturating_add(64);
        touch(memory, start, end);
    }
    for frame in &trace.stack.frames {
        touch(memory, frame.pc.0.saturating_sub(CODE_AROUND), frame.pc.0.saturating_add(CODE_AROUND));
    }
}

/// What `registers`, `info symbol` and such say of a frame's registers.
fn name_registers(session: &Session, trace: &Trace) {
    for frame in &trace.stack.frames {
        for register in 0..GENERAL_COUNT as u16 {
            if let Some(value) = frame.registers.get(register) {
                Symbols::symbol(session, RunAddr(value));
            }
        }
    }
}

/// Reads what there is of a range, so that it is kept.
fn touch(memory: &dyn Memory, start: u64, end: u64) {
    let mut at = start;
    while at < end {
        match memory.piece(RunAddr(at), (end - at) as usize) {
            Ok(piece) => at += piece.len() as u64,
            // Pages are there or not as a whole.
            Err(_) => at = (at / 4096 + 1).saturating_mul(4096),
        }
    }
}
