//! A thread's frames as rules see them.

use super::key::Seen;
use super::rules::Rules;
use crate::addr::RunAddr;
use crate::analyze::blame::plain_name;
use crate::analyze::{Blame, Case};
use crate::arch::Arch;
use crate::arch::operation::{self, Flow};
use crate::image::ThreadState;
use crate::session::{Frame, Session};
use crate::types::Language;
use crate::unwind::Trust;

/// Machine frames whose calls are looked at.
const CALLS: usize = 64;

/// A stack.
pub struct Stack {
    /// Innermost first.
    pub frames: Vec<Seen>,
    /// The frame that the signal met that counts: those further in are of its handler.
    pub start: usize,
}

/// The frames of a thread.
pub fn seen(session: &Session, thread: &ThreadState, rules: &Rules) -> Stack {
    let blame = rules.blame();
    let case = Case::new(session, thread, &blame);
    let mut frames: Vec<Seen> = Vec::with_capacity(case.trace.frames.len());
    let mut start = 0;
    for (at, frame) in case.trace.frames.iter().enumerate() {
        if at == case.fault_frame {
            start = frames.len();
        }
        frames.push(of_frame(&case, at, frame, rules));
        if let Some(next) = case.trace.frames.get(at + 1)
            && next.machine != frame.machine
            && !frame.signal
            && !next.signal
            && frame.machine < CALLS
        {
            let inner = frames.last().and_then(|seen| seen.name.clone());
            frames.extend(gone(&case, next, inner.as_deref(), rules, &blame));
        }
    }
    Stack { frames, start }
}

fn of_frame(case: &Case<'_>, at: usize, frame: &Frame, rules: &Rules) -> Seen {
    let session = case.session;
    let label = frame.module.and_then(|id| session.module_label(id));
    let module = label.map(|label| label.path.rsplit('/').next().unwrap_or(label.path).to_owned());
    let code = &frame.code;
    let name = rules.name(code.function.as_deref(), code.symbol.as_deref(), code.language);
    // Where a wild jump led, a name is one of data.
    let is_code = at > 0 || case.is_executable(frame.pc.0);
    let kind = match case.kind(at) {
        _ if !is_code => Some("no code"),
        // Both libraries are called std.
        Some("c++") if code.language == Some(Language::Rust) => Some("rust"),
        kind => kind,
    };
    Seen {
        index: Some(frame.index),
        name: name.filter(|_| is_code),
        module,
        offset: frame.module_offset.map(|offset| offset.0),
        kind: kind.map(str::to_owned),
        signal: frame.signal,
        scanned: frame.trust == Trust::Scan,
    }
}

/// The function that the caller's call instruction enters, where it is not the one whose frame is there: it went on with
/// a tail call, and its own frame is gone.
fn gone(case: &Case<'_>, caller: &Frame, inner: Option<&str>, rules: &Rules, blame: &Blame) -> Option<Seen> {
    let target = called(case, caller.pc)?;
    let (_, 0) = case.session.symbol(target)? else { return None };
    let code = case.session.code(target).into_iter().next_back()?;
    let function = code.function.as_deref()?;
    let symbol = code.symbol.as_deref();
    if function.ends_with("@plt") || symbol.is_some_and(|symbol| symbol.ends_with("@plt")) {
        return None;
    }
    let name = rules.name(Some(function), symbol, code.language)?;
    if inner == Some(name.as_str()) {
        return None;
    }
    let module = case.session.program.modules.at(target)?;
    let file = module.seed.path.rsplit('/').next().unwrap_or(&module.seed.path);
    let plain = plain_name(function, code.language);
    // What the libraries do among themselves says nothing.
    if blame.kind_of(Some(plain), symbol, Some(file), code.file.as_deref()).is_some() {
        return None;
    }
    Some(Seen {
        name: Some(name),
        module: Some(file.to_owned()),
        offset: Some(module.to_file(target).0),
        ..Seen::default()
    })
}

/// Where the direct call that returns to the address leads.
fn called(case: &Case<'_>, after: RunAddr) -> Option<RunAddr> {
    // `call rel32`; `bl`.
    let length = match case.arch() {
        Arch::X86_64 | Arch::I386 => 5,
        Arch::Aarch64 => 4,
    };
    let at = RunAddr(after.0.checked_sub(length)?);
    let bytes = case.memory().read_vec(at, usize::try_from(length).ok()?).ok()?;
    let call = operation::decode(case.arch(), &bytes, at)?;
    (call.flow == Flow::Call && call.length as u64 == length).then_some(call.target?)
}
