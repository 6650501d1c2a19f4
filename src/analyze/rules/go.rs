//! A Go panic or fatal error that ended the process: what the runtime has of the panics in flight, and what its functions
//! on the stack were called with.

use crate::addr::RunAddr;
use crate::analyze::blame::Blame;
use crate::analyze::code::Tracer;
use crate::analyze::{Case, Certainty, Class, Finding};
use crate::arch::{Arch, DwarfRegister};
use crate::order::Order;
use crate::runtime::go::{GoRuntime, Goroutine, Panic, State, panic_lines};
use crate::value::Place;

/// Bytes of a message.
const MAX_MESSAGE: u64 = 1024;
/// Functions of the runtime's that hand a message on.
const CALLERS: usize = 3;
/// Frames of a goroutine that are looked at for the program's own.
const MAX_WAITING: usize = 64;
/// Goroutines that are named where all are asleep.
const MAX_ASLEEP: usize = 8;
/// Functions that raise a panic, and what it is.
const RAISED: &[(&str, &str)] = &[
    ("runtime.panicmem*", "invalid memory address or nil pointer dereference"),
    ("runtime.panicdivide", "integer divide by zero"),
    ("runtime.panicoverflow", "integer overflow"),
    ("runtime.panicshift", "negative shift amount"),
    ("runtime.goPanicIndex*", "index out of range"),
    ("runtime.panicIndex*", "index out of range"),
    ("runtime.goPanicSlice*", "slice bounds out of range"),
    ("runtime.panicSlice*", "slice bounds out of range"),
    ("runtime.panicBounds*", "index or slice bounds out of range"),
    ("runtime.panicdottype*", "interface conversion of the wrong type"),
    ("runtime.panicnildottype", "interface conversion of nil"),
    ("runtime.mapassign*", "assignment to entry in nil map"),
    ("runtime.closechan", "close of a channel that is nil or closed"),
    ("runtime.chansend*", "send on closed channel"),
];

/// A panic or fatal error.
pub fn panic(case: &Case<'_>) -> Vec<Finding> {
    found(case).into_iter().collect()
}

fn found(case: &Case<'_>) -> Option<Finding> {
    let thrown = case.find_function(0, &["runtime.throw", "runtime.fatal"]);
    let raised = case.find_function(0, &["runtime.gopanic"]);
    let at = thrown.or(raised).or_else(|| case.find_function(0, &["runtime.sigpanic"]))?;
    if let Some(thrown) = thrown {
        return fatal(case, thrown);
    }
    let frame = case.to_blame(at);
    let known = (at..frame).find_map(|index| {
        let (_, what) = RAISED.iter().find(|(pattern, _)| case.is_function(index, &[pattern]))?;
        Some((index, *what))
    });
    let place = case.in_at(frame);
    let runtime = GoRuntime::open(case.session).ok();
    let panics = runtime.as_ref().and_then(|runtime| Some(runtime.panics(&runtime.on_thread(case.thread)?)));
    let panics: Vec<Panic> = panics.unwrap_or_default();
    // The last is what ends it, also where it came while an earlier one was dealt with.
    let last = panics.last().filter(|panic| !panic.exits);
    let said = match (last, known) {
        (Some(panic), _) if panic.type_name.is_some() || known.is_none() => {
            Some(panic.text.strip_prefix("runtime error: ").unwrap_or(&panic.text).to_owned())
        }
        (_, Some((index, what))) => {
            let numbers = number(case, index, "x").zip(number(case, index, "y"));
            Some(match numbers {
                Some((x, y)) if what.starts_with("index out") => format!("{what} [{x}] with length {y}"),
                _ => what.to_owned(),
            })
        }
        (_, None) => string_in_interface(case, at),
    };
    let is_null = said.as_ref().is_some_and(|said| said.starts_with("invalid memory address or nil pointer"));
    let class = if is_null { Class::NullPointer } else { Class::Panic };
    let kind = if is_null { "null pointer: panic" } else { "panic" };
    let summary = match &said {
        // The rest is in the evidence.
        Some(said) if said.contains('\n') => {
            format!("{kind} {place}: {} …", said.lines().next().unwrap_or_default())
        }
        Some(said) => format!("{kind} {place}: {said}"),
        None => format!("{kind} {place}"),
    };
    let mut finding = case.finding("go-panic", class, Certainty::Certain, frame, summary);
    if let Some(said) = said {
        finding = finding.with("message", None, said);
    }
    if let Some((object, pointer)) = through_nil(case, frame).filter(|_| is_null) {
        finding.summary = format!("{}; `{pointer}` is nil", finding.summary);
        finding = finding.with("accessed", None, object).with("pointer", Some(&pointer), "nil");
        finding = finding.ask(format!("print {pointer}"));
    }
    if panics.len() > 1 {
        finding = finding.with("panics", None, panic_lines(&panics).join("\n"));
    }
    if raised.is_some() {
        let index = case.frame(at)?.index;
        finding = finding.with("value", Some(&format!("frame({index}).e")), "the panic's value");
    }
    Some(finding.ask("bt").ask("info locals"))
}

/// What was accessed through nil, and the pointer, by the instruction that the signal met.
fn through_nil(case: &Case<'_>, frame: usize) -> Option<(String, String)> {
    if !case.is_function(frame.checked_sub(1)?, &["runtime.sigpanic"]) {
        return None;
    }
    let tracer = Tracer::of_frame(case, frame)?;
    let operands = tracer.operation()?.memory.iter();
    operands.into_iter().find_map(|operand| {
        let object = tracer.object(&tracer.address(&operand.address, tracer.here)?, operand.size)?;
        // What is known to lead somewhere is not what was nil.
        let pointer = object.pointer.filter(|pointer| pointer.value.is_none_or(|value| value == 0))?;
        // Of an interface that is nil its table is, too.
        let name = pointer.named.text.strip_suffix(".tab").map(str::to_owned);
        Some((object.named.text, name.unwrap_or(pointer.named.text)))
    })
}

/// What the runtime gives up over.
fn fatal(case: &Case<'_>, thrown: usize) -> Option<Finding> {
    // What passes its own argument on (`sync.fatal`) knows no more than it was given.
    let mut callers = thrown..thrown.saturating_add(CALLERS);
    let said = callers.find_map(|at| string(case, at, "s").or_else(|| text_at_call(case, at + 1)));
    let text = said.as_deref().unwrap_or_default();
    let own = case.own_frame(thrown);
    let frame = own.unwrap_or(thrown);
    let place = case.in_at(frame);
    let (class, summary) = match text {
        // What the signal was is for other rules to say.
        "unexpected signal during runtime execution" => (Class::Abort, format!("fatal error {place}: {text}")),
        _ if text.starts_with("all goroutines are asleep") => return asleep(case, thrown, text),
        "stack overflow" => (Class::StackOverflow, format!("stack overflow {place}: the goroutine's stack is used up")),
        _ if text.contains("out of memory") || text.starts_with("cannot allocate memory") => {
            (Class::OutOfMemory, format!("out of memory {place}: fatal error: {text}"))
        }
        "" => (Class::Panic, format!("fatal error {place}")),
        _ => (Class::Panic, format!("panic {place}: fatal error: {text}")),
    };
    let mut finding = case.finding("go-panic", class, Certainty::Certain, frame, summary);
    if class == Class::Abort {
        finding = finding.as_symptom();
    }
    if let Some(said) = said {
        finding = finding.with("message", None, format!("fatal error: {said}"));
    }
    Some(finding.ask("bt").ask("goroutines"))
}

/// Nothing can run any more: what each goroutine of the program waits for.
fn asleep(case: &Case<'_>, thrown: usize, text: &str) -> Option<Finding> {
    let runtime = GoRuntime::open(case.session).ok();
    let mut asleep: Vec<(u64, String)> = Vec::new();
    let mut count = 0usize;
    if let Some(runtime) = &runtime {
        let (mut goroutines, _) = runtime.goroutines();
        goroutines.order_by_key(|goroutine| goroutine.id);
        for goroutine in goroutines.iter().filter(|goroutine| goroutine.state == State::Waiting) {
            if runtime.is_own(goroutine) {
                continue;
            }
            count += 1;
            if let (true, Some(id)) = (asleep.len() < MAX_ASLEEP, goroutine.id) {
                asleep.push((id, waits(case, runtime, goroutine)));
            }
        }
    }
    let first = asleep.first().map(|(id, waits)| format!(": goroutine {id} {waits}")).unwrap_or_default();
    let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
    let summary = format!("deadlock: all goroutines are asleep{first}{more}");
    let mut finding = case.finding("go-panic", Class::Deadlock, Certainty::Certain, thrown, summary);
    finding = finding.with("message", None, format!("fatal error: {text}"));
    for (id, waits) in &asleep {
        finding = finding.with("waits", None, format!("goroutine {id} {waits}"));
    }
    Some(finding.ask("goroutines").ask("locks"))
}

/// `[chan receive] in main.main() at main.go:3`, the innermost frame that is the program's own.
fn waits(case: &Case<'_>, runtime: &GoRuntime<'_>, goroutine: &Goroutine) -> String {
    let reason = goroutine.wait_reason.as_deref().unwrap_or(goroutine.state.code());
    let trace = runtime.trace(goroutine, MAX_WAITING);
    let own = trace.frames.iter().find(|frame| Blame::usual().kind(case.session, frame).is_none());
    let place = own.map(|frame| frame.code.clone()).or_else(|| runtime.place(goroutine)).map(|code| {
        let function = code.function.as_deref().map(|name| format!(" in {name}()")).unwrap_or_default();
        let file = code.file.as_deref().map(|file| file.rsplit('/').next().unwrap_or(file));
        let line = file.zip(code.line).map(|(file, line)| format!(" at {file}:{line}")).unwrap_or_default();
        format!("{function}{line}")
    });
    format!("[{reason}]{}", place.unwrap_or_default())
}

fn place(case: &Case<'_>, frame: usize, name: &str) -> Option<Place> {
    let (place, _) = case.session.find_variable(&case.trace, frame, name)?;
    place.ok()
}

/// Two words of a variable.
fn words(case: &Case<'_>, frame: usize, name: &str) -> Option<(u64, u64)> {
    match place(case, frame, name)? {
        Place::Memory(address) => Some((case.word(address.0)?, case.word(address.0.checked_add(8)?)?)),
        Place::Bytes(bytes) if bytes.holes.is_empty() => {
            let word = |at: usize| Some(u64::from_le_bytes(bytes.data.get(at..at + 8)?.try_into().ok()?));
            Some((word(0)?, word(8)?))
        }
        Place::Bytes(_) => None,
    }
}

fn number(case: &Case<'_>, frame: usize, name: &str) -> Option<i64> {
    let (place, type_id) = case.session.find_variable(&case.trace, frame, name)?;
    crate::analyze::names::integer(case, &place.ok()?, type_id).map(|value| value as i64)
}

/// A string variable's text.
fn string(case: &Case<'_>, frame: usize, name: &str) -> Option<String> {
    let (address, length) = words(case, frame, name)?;
    text(case, address, length)
}

/// The string that the call in a frame passes first (go `src/cmd/compile/abi-internal.md`).
fn text_at_call(case: &Case<'_>, frame: usize) -> Option<String> {
    let [data, length]: [DwarfRegister; 2] = match case.arch() {
        Arch::X86_64 => [0, 3],
        Arch::Aarch64 => [0, 1],
        Arch::I386 => return None,
    };
    let tracer = Tracer::of_frame(case, frame)?;
    let value = |register| tracer.value(&tracer.register(register, tracer.here, 0)?);
    text(case, value(data)?, value(length)?)
}

/// The text in `gopanic`'s argument, where it is a string.
fn string_in_interface(case: &Case<'_>, frame: usize) -> Option<String> {
    let (_, data) = words(case, frame, "e")?;
    text(case, case.word(data)?, case.word(data.checked_add(8)?)?)
}

fn text(case: &Case<'_>, address: u64, length: u64) -> Option<String> {
    if length == 0 || length > MAX_MESSAGE {
        return None;
    }
    let text = String::from_utf8(case.memory().read_vec(RunAddr(address), length as usize).ok()?).ok()?;
    (!text.chars().any(|c| c.is_control() && c != '\n')).then_some(text)
}
