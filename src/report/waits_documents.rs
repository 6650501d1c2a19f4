//! JSON of who waits for whom, and of stacks in groups.

use super::json::Json;
use super::json_backtrace::{FrameSource, begin_document, write_frame};
use crate::image::Note;
use crate::session::Trace;
use crate::waits::{Found, Problem, State, ThreadWait, Wait, Waits, Who};

/// `obit.locks/1`.
///
/// What goroutines wait for stands behind what threads do, where there are any: such a wait has no LWP.
pub fn locks(waits: &Waits, goroutines: Option<&Waits>, notes: &[Note]) -> Json {
    let mut json = Json::new();
    begin_document(&mut json, "obit.locks/1", notes);
    json.key("waits");
    json.begin_array();
    for thread in &waits.threads {
        if let Some(wait) = thread.wait() {
            write_wait(&mut json, thread, wait, Who::Threads);
        }
    }
    for goroutine in goroutines.iter().flat_map(|waits| &waits.threads) {
        if let Some(wait) = goroutine.wait() {
            write_wait(&mut json, goroutine, wait, Who::Goroutines);
        }
    }
    json.end_array();
    json.key("cycles");
    json.begin_array();
    for cycle in &waits.cycles {
        write_lwps(&mut json, cycle);
    }
    json.end_array();
    json.key("problems");
    write_problems(&mut json, &waits.problems);
    if let Some(goroutines) = goroutines {
        json.key("goroutine_cycles");
        json.begin_array();
        for cycle in &goroutines.cycles {
            write_lwps(&mut json, cycle);
        }
        json.end_array();
        json.key("goroutine_problems");
        write_problems(&mut json, &goroutines.problems);
    }
    json.key("threads");
    json.begin_array();
    for thread in &waits.threads {
        json.begin_object();
        json.field_uint("lwp", Some(thread.lwp.into()));
        json.field_string("name", thread.name.as_deref());
        json.field_string("state", Some(state_code(&thread.state)));
        let call = match &thread.state {
            State::Call(call) => Some(call),
            _ => None,
        };
        json.field_string("call", call.map(|call| call.name));
        json.key("descriptor");
        match call.and_then(|call| call.descriptor) {
            Some(descriptor) => json.int(descriptor.into()),
            None => json.null(),
        }
        json.end_object();
    }
    json.end_array();
    json.end_object();
    json
}

fn write_problems(json: &mut Json, problems: &[Problem]) {
    json.begin_array();
    for problem in problems {
        json.begin_object();
        json.field_string("kind", Some(problem.kind.code()));
        json.key("waiters");
        write_lwps(json, &problem.waiters);
        json.field_uint("owner", problem.owner.map(u64::from));
        json.end_object();
    }
    json.end_array();
}

/// The word for what a thread is doing.
pub fn state_code(state: &State) -> &'static str {
    match state {
        State::Running => "running",
        State::Lock(wait) => wait.kind.code(),
        State::Call(call) => call.kind.code(),
        State::Idle => "idle",
    }
}

fn write_lwps(json: &mut Json, lwps: &[u32]) {
    json.begin_array();
    for lwp in lwps {
        json.uint(u128::from(*lwp));
    }
    json.end_array();
}

fn write_wait(json: &mut Json, thread: &ThreadWait, wait: &Wait, who: Who) {
    let of = |lwp: u32, wanted: Who| (who == wanted).then_some(u64::from(lwp));
    json.begin_object();
    json.field_uint("waiter", of(thread.lwp, Who::Threads));
    if who == Who::Goroutines {
        json.field_uint("waiter_goroutine", Some(thread.lwp.into()));
    }
    json.field_string("kind", Some(wait.kind.code()));
    if let Some(mode) = wait.kind.mode() {
        json.field_string("mode", Some(mode));
    }
    json.field_string("name", wait.name.as_deref());
    json.field_hex("address", wait.address.map(|address| address.0));
    let owner = wait.owners.first();
    json.field_uint("owner", owner.and_then(|owner| of(owner.lwp, Who::Threads)));
    if who == Who::Goroutines {
        json.field_uint("owner_goroutine", owner.map(|owner| owner.lwp.into()));
        json.key("cases");
        json.begin_array();
        for case in &wait.cases {
            json.begin_object();
            json.field_string("name", case.name.as_deref());
            json.field_hex("address", case.address.map(|address| address.0));
            json.field_bool("sends", case.sends);
            json.end_object();
        }
        json.end_array();
    }
    let found = |found| match found {
        Found::Recorded => "recorded",
        Found::Inferred | Found::Left => "inferred",
    };
    json.field_string("owner_found", owner.map(|owner| found(owner.found)));
    json.field_bool("owner_gone", owner.is_some_and(|owner| owner.gone));
    if wait.owners.len() > 1 && who == Who::Threads {
        json.key("owners");
        write_lwps(json, &wait.owners.iter().map(|owner| owner.lwp).collect::<Vec<u32>>());
    }
    json.field_bool("timed", wait.timed);
    json.field_string("inside", wait.inside.as_deref());
    let spot = thread.place.as_ref();
    json.field_uint("frame_index", spot.map(|spot| spot.frame_index as u64));
    let code = spot.map(|spot| &spot.code);
    json.field_string("function", code.and_then(|code| code.function.as_deref()));
    json.field_string("file", code.and_then(|code| code.file.as_deref()));
    json.field_uint("line", code.and_then(|code| code.line).map(u64::from));
    json.end_object();
}

/// Threads, or goroutines, that do one thing.
pub struct StackGroup {
    /// Their LWPs; of goroutines those of the threads that they are on.
    pub lwps: Vec<u32>,
    /// Numbers of goroutines; none where threads are meant.
    pub goroutines: Vec<u64>,
    /// What they are doing: a word.
    pub state: &'static str,
    /// What they wait for, in words; `None` where they run.
    pub waits_for: Option<String>,
    /// The first one's stack.
    pub trace: Trace,
}

/// `obit.stacks/1`; at most `frames` of each stack.
pub fn stacks(groups: &[StackGroup], source: &FrameSource<'_>, notes: &[Note]) -> Json {
    let mut json = Json::new();
    begin_document(&mut json, "obit.stacks/1", notes);
    json.key("groups");
    json.begin_array();
    for group in groups {
        json.begin_object();
        json.field_uint("count", Some(group.lwps.len().max(group.goroutines.len()) as u64));
        json.key("lwps");
        write_lwps(&mut json, &group.lwps);
        if !group.goroutines.is_empty() {
            json.key("goroutines");
            json.begin_array();
            for id in &group.goroutines {
                json.uint(u128::from(*id));
            }
            json.end_array();
        }
        json.field_string("state", Some(group.state));
        json.field_string("waits_for", group.waits_for.as_deref());
        json.field_uint("frames_omitted", Some(group.trace.stack.omitted as u64));
        json.key("frames");
        json.begin_array();
        for frame in &group.trace.frames {
            json.begin_object();
            write_frame(&mut json, frame, source);
            json.end_object();
        }
        json.end_array();
        json.end_object();
    }
    json.end_array();
    json.end_object();
    json
}
