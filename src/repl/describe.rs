//! `info frame`, as gdb words it: what is known of the frame, and how it was found.

use super::stack::{current, level, stack_text};
use super::{Next, Repl};
use crate::addr::RunAddr;
use crate::arch::Arch;
use crate::command::CommandError;
use crate::command::selected::Selected;
use crate::report::bt_text::{display_name, end_text, shortened};
use crate::report::json_backtrace::{FrameSource, trust_code};
use crate::report::session_documents::{self, Whereabouts};
use crate::session::Frame;
use crate::unwind::StackEnd;
use crate::value::Limits;

/// `info frame [[level] N]`
pub(super) fn describe(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let before = repl.state.selection;
    if !text.is_empty() {
        repl.state.selection.frame = level(repl, text.strip_prefix("level ").unwrap_or(text).trim())?;
    }
    let described = describe_selected(repl);
    repl.state.selection = before;
    repl.out.write_all(&described?)?;
    Ok(Next::Line)
}

fn describe_selected(repl: &Repl<'_>) -> Result<Vec<u8>, CommandError> {
    let found = current(repl)?;
    let (Some(position), Some(frame)) = (found.position, found.frame()) else {
        return Err(CommandError::NoMatch("No frame selected.".to_owned()));
    };
    let session = &repl.state.session;
    let whereabouts = whereabouts(&found, frame);
    if repl.state.json {
        let module = |id| session.module_label(id);
        let source = FrameSource { types: &session.types, module: &module, variables: None };
        let document = session_documents::frame(found.thread.lwp, frame, &whereabouts, &source, &session.notes());
        let mut bytes = document.into_bytes();
        bytes.push(b'\n');
        return Ok(bytes);
    }
    let frames = &found.trace.frames;
    let address = |frame: &Frame| match address_of(&found, frame) {
        Some(address) => format!("{address}"),
        None => "an unknown address".to_owned(),
    };
    let arch = session.image.arch;
    let name_of = |number| arch.general_registers().iter().find(|register| register.dwarf == number);
    let counter = name_of(arch.pc()).map_or("pc", |register| register.name);
    let mut text = format!("Stack level {}, frame at {}:\n", frame.index, address(frame));
    text += &format!(" {counter} = {}", frame.pc);
    if let Some(name) = &frame.code.function {
        text += &format!(" in {}", display_name(name, &frame.code));
    }
    if let (Some(file), Some(line)) = (&frame.code.file, frame.code.line) {
        text += &format!(" ({}:{line})", shortened(file));
    }
    let machines = &found.trace.stack.frames;
    let saved_pc = match machines.get(frame.machine + 1) {
        Some(outer) => outer.pc.to_string(),
        None if found.trace.stack.end == StackEnd::Complete => "<not saved>".to_owned(),
        None => "<unavailable>".to_owned(),
    };
    text += &format!("; saved {counter} = {saved_pc}\n");
    let mut relations = Vec::new();
    match frames.get(position + 1) {
        Some(_) if frame.tail_call.is_some() => relations.push("tail call frame".to_owned()),
        Some(caller) if frame.inlined => relations.push(format!("inlined into frame {}", caller.index)),
        Some(caller) => relations.push(format!("called by frame at {}", address(caller))),
        None if frame.machine + 1 < machines.len() => {}
        None => relations.push(format!("Outermost frame: {}", end_text(&found.trace).unwrap_or("outermost"))),
    }
    if let Some(callee) = position.checked_sub(1).and_then(|inner| frames.get(inner)) {
        relations.push(format!("caller of frame at {}", address(callee)));
    }
    if !relations.is_empty() {
        text += &format!(" {}\n", relations.join(", "));
    }
    let language = frame.code.language.filter(|_| !frame.signal);
    if let Some(language) = language.and_then(|language| language.name()) {
        text += &format!(" source language {language}.\n");
    }
    if frame.signal {
        text += " a signal trampoline\n";
    }
    let base = whereabouts.frame_pointer.map_or_else(|| "unknown address".to_owned(), |base| base.to_string());
    let limits = Limits { depth: 1, follow: false, ..repl.state.settings.limits };
    let arguments = stack_text(repl, &found, limits, |text, out| text.write_arguments_of(out, &found.trace, position));
    match (whereabouts.frame_pointer, arguments.as_str()) {
        (None, "") => text += " Arglist at unknown address.\n",
        _ => text += &format!(" Arglist at {base}, args: {arguments}\n"),
    }
    let sp = name_of(arch.sp()).map_or("sp", |register| register.name);
    text += &format!(" Locals at {base},");
    text += &match (&whereabouts.saved_stack_pointer, whereabouts.previous_stack_pointer) {
        _ if frame.inlined => format!(" Previous frame's sp in {sp}\n"),
        (Some(place), _) => format!(" Previous frame's sp at {place}\n"),
        (None, Some(value)) => format!(" Previous frame's sp is {value}\n"),
        (None, None) => " Previous frame's sp is not known\n".to_owned(),
    };
    let saved: Vec<String> =
        whereabouts.saved.iter().map(|(register, place)| format!("{register} at {place}")).collect();
    if !saved.is_empty() {
        text += &format!(" Saved registers:\n  {}\n", saved.join(", "));
    }
    text += &format!(" Found by {}\n", trust_code(frame.trust));
    Ok(text.into_bytes())
}

/// gdb's frame address: the canonical one of its machine frame.
fn address_of(found: &Selected<'_>, frame: &Frame) -> Option<RunAddr> {
    let machine = found.trace.stack.frames.get(frame.machine)?;
    let outer = || found.trace.stack.frames.get(frame.machine + 1)?.registers.sp().map(RunAddr);
    machine.cfa.or_else(outer)
}

fn whereabouts(found: &Selected<'_>, frame: &Frame) -> Whereabouts {
    let (session, stack) = (found.session, &found.trace.stack);
    let arch = session.image.arch;
    // An inlined call saves nothing, and neither does one that a tail call replaced.
    let saves = !frame.inlined && frame.tail_call.is_none();
    let places = if saves { session.saved_registers(stack, frame.machine) } else { Vec::new() };
    let saved_stack_pointer = places.iter().find(|(register, _)| *register == arch.sp()).map(|(_, place)| *place);
    let saved = places.iter().filter(|(register, _)| *register != arch.sp());
    let saved = saved.filter_map(|(number, place)| Some((arch.register_name(*number)?, *place))).collect();
    let machine = stack.frames.get(frame.machine);
    let outer = frame.machine.checked_add(1).and_then(|index| stack.frames.get(index));
    let caller = if frame.inlined { machine } else { outer };
    let previous_stack_pointer = caller.and_then(|caller| caller.registers.sp()).map(RunAddr);
    let frame_pointer = machine.filter(|machine| session.has_frame_pointer(machine));
    let frame_pointer = frame_pointer.and_then(|machine| machine.registers.get(arch.fp())).map(RunAddr);
    // Arm's frame record is at the frame's lower end, and CFAs are counted from the stack pointer.
    let recorded = || {
        let fp = machine?.registers.get(arch.fp())?;
        let saved = places.iter().any(|(register, place)| *register == arch.fp() && place.0 == fp);
        (arch == Arch::Aarch64 && saved).then_some(RunAddr(fp))
    };
    Whereabouts {
        address: address_of(found, frame),
        previous_stack_pointer: previous_stack_pointer.or_else(|| machine.filter(|_| !frame.inlined)?.cfa),
        saved_stack_pointer,
        frame_pointer: frame_pointer.or_else(recorded),
        saved,
    }
}
