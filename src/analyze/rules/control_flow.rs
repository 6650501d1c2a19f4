//! The processor was sent to where no code is: a call through null or a wild pointer, a return to an overwritten
//! address, data that was run.
//!
//! Which it was is told by the stack: a call leaves a return address at the top (behind a call instruction), a return
//! has just taken the bad address from below it.

use crate::addr::RunAddr;
use crate::analyze::code::Tracer;
use crate::analyze::fault::{Fault, Refused};
use crate::analyze::{Case, Certainty, Class, Finding};
use crate::arch::Arch;
use crate::arch::operation::Flow;

/// A fetch that was refused.
pub fn bad_control_flow(case: &Case<'_>) -> Vec<Finding> {
    let Some(fault) = case.fault().filter(|fault| fault.refused == Refused::Fetch) else { return Vec::new() };
    found(case, fault).into_iter().collect()
}

fn found(case: &Case<'_>, fault: &Fault) -> Option<Finding> {
    let target = fault.address?;
    if let Some(finding) = returned(case, fault, target) {
        return Some(finding);
    }
    if let Some(finding) = by_tail_call(case, fault, target) {
        return Some(finding);
    }
    // The caller: the frame itself where it stands at the jump, else the one outside.
    let at_jump = fault.operation.as_ref().is_some_and(|op| matches!(op.flow, Flow::IndirectCall | Flow::IndirectJump));
    let machine = if at_jump { fault.machine } else { fault.machine + 1 };
    let tracer = Tracer::new(case, machine);
    let called = tracer.as_ref().and_then(|tracer| called_through(tracer, target));
    let outside = case.trace.frames.iter().position(|frame| frame.machine == machine);
    let frame = case.to_blame(outside.unwrap_or(fault.frame));
    if let Some(finding) = tracer
        .as_ref()
        .filter(|_| outside.is_some())
        .and_then(|tracer| super::bounds::of_call(case, tracer, target, frame))
    {
        return Some(finding);
    }
    let where_to = place_of(case, target);
    let (certainty, summary) = match (&called, outside) {
        (Some((text, true)), _) => (
            Certainty::Certain,
            match target {
                0 => format!("call through null: `{text}` is {} {}", case.null_word(frame), case.in_at(frame)),
                _ => format!("call through `{text}` {}: it is {}", case.in_at(frame), address_text(target, &where_to)),
            },
        ),
        (Some((text, false)), _) => (
            Certainty::Likely,
            format!("call through `{text}` {} led to {}", case.in_at(frame), address_text(target, &where_to)),
        ),
        (None, Some(_)) => {
            (Certainty::Likely, format!("jump to {} {}", address_text(target, &where_to), case.in_at(frame)))
        }
        (None, None) => (Certainty::Likely, format!("jump to {}", address_text(target, &where_to))),
    };
    let mut finding = case.finding("bad-control-flow", Class::BadControlFlow, certainty, frame, summary);
    finding = finding.with("target", Some(&format!("{target:#x}")), where_to);
    if let Some((text, _)) = called {
        finding = finding.with("called through", Some(&text), format!("{target:#x}")).ask(format!("print {text}"));
    }
    Some(finding.ask("bt").ask("info registers"))
}

fn address_text(target: u64, region: &str) -> String {
    if target == 0 { "null".to_owned() } else { format!("{target:#x} ({region})") }
}

fn place_of(case: &Case<'_>, target: u64) -> String {
    if target == 0 {
        return "null".to_owned();
    }
    if case.arch() == Arch::X86_64 && Fault::is_non_canonical(target) {
        return "no address at all".to_owned();
    }
    match case.session.image.mapping_at(RunAddr(target)) {
        Some(_) => {
            let region = case.region(target);
            let quote = if region.contains(' ') { "" } else { "`" };
            format!("in {quote}{region}{quote}, which is not executable")
        }
        None => "nothing is mapped there".to_owned(),
    }
}

/// The expression that a call went through, and whether it still holds the target.
fn called_through(tracer: &Tracer<'_>, target: u64) -> Option<(String, bool)> {
    let operation = tracer.operation()?;
    if !matches!(operation.flow, Flow::IndirectCall | Flow::IndirectJump) {
        return None;
    }
    let sum = tracer.source(&operation.through?, tracer.here)?;
    let term = sum.single()?;
    let named = tracer.rvalue(term, 0)?;
    Some((named.text, tracer.term(term) == Some(target)))
}

/// The frame outside called another function, whose last call was a jump: that one left no frame.
fn by_tail_call(case: &Case<'_>, fault: &Fault, target: u64) -> Option<Finding> {
    let tracer = Tracer::new(case, fault.machine + 1)?;
    let call = tracer.operation()?;
    let called = match call.flow {
        Flow::Call => call.target?,
        Flow::IndirectCall => {
            let sum = tracer.source(&call.through?, tracer.here)?;
            RunAddr(tracer.value(&sum)?)
        }
        _ => return None,
    };
    if called.0 == target || !case.is_executable(called.0) {
        return None;
    }
    let name = case.function_at(called)?;
    let body = case.body(called)?;
    // The jump, where there is but one that can have been it.
    let mut jumps = body.operations.iter().filter(|operation| {
        operation.flow == Flow::IndirectJump
            || operation.flow == Flow::Jump && operation.target == Some(RunAddr(target))
    });
    let jump = jumps.next().filter(|_| jumps.next().is_none())?;
    // A jump to another function, which may have been the last in its turn.
    let end = body.operations.last().map_or(called.0, |last| last.end().0);
    let is_outside = |to: RunAddr| to.0 != target && !(called.0..end).contains(&to.0);
    let passes_on = body
        .operations
        .iter()
        .any(|operation| operation.flow == Flow::Jump && operation.target.is_some_and(is_outside));
    let outside = case.trace.frames.iter().position(|frame| frame.machine == fault.machine + 1)?;
    let where_to = place_of(case, target);
    let code = case.session.code(jump.at).into_iter().next().filter(|_| !passes_on);
    let line = code.as_ref().and_then(|code| Some((code.file.as_deref()?.to_owned(), code.line?)));
    let place = line.as_ref().map(|(file, line)| format!(" at {}:{line}", file.rsplit('/').next().unwrap_or(file)));
    let by = if passes_on { "its last call, or the last one of what it called last," } else { "its last call," };
    let summary = format!(
        "jump to {} in {name}(){}: {by} which left no frame; {} had called it",
        address_text(target, &where_to),
        place.unwrap_or_default(),
        case.called(outside)
    );
    let mut finding = case.finding("bad-control-flow", Class::BadControlFlow, Certainty::Likely, outside, summary);
    finding.function = Some(name);
    finding.line = line;
    finding = finding.with("target", Some(&format!("{target:#x}")), where_to);
    if !passes_on {
        finding = finding.with("jump", Some(&format!("{:#x}", jump.at.0)), "through a register or memory");
    }
    Some(finding.ask("bt").ask(format!("disassemble {:#x}", called.0)))
}

/// The processor ran on behind a function's last instruction, into what is no function.
pub fn ran_on(case: &Case<'_>) -> Vec<Finding> {
    let Some(fault) = case.fault().filter(|fault| fault.refused != Refused::Fetch) else { return Vec::new() };
    behind_function(case, fault).into_iter().collect()
}

fn behind_function(case: &Case<'_>, fault: &Fault) -> Option<Finding> {
    /// Bytes from the function's end.
    const FARTHEST: u64 = 256;
    let here = RunAddr(fault.pc);
    let module = case.session.program.modules.at(here)?;
    let frame = case.frame(fault.frame)?;
    if frame.code.function.is_some() || frame.signal {
        return None;
    }
    let symbol = (1..=FARTHEST).find_map(|back| {
        let at = RunAddr(fault.pc.checked_sub(back)?);
        let (start, end) = case.session.function_extent(at)?;
        (end.0 <= fault.pc && module.id == case.session.program.modules.at(at)?.id).then_some((start, end))
    });
    let (start, end) = symbol?;
    let name = case.function_at(start)?;
    let last = case.body(start)?.operations.last().cloned()?;
    // A function that ends so cannot be left at its end.
    if !last.falls_through() {
        return None;
    }
    let distance = fault.pc - end.0;
    let place = case.session.code(last.at).into_iter().next().and_then(|code| {
        let file = code.file.as_deref()?.rsplit('/').next()?.to_owned();
        Some(format!(" (its last line there is {file}:{})", code.line?))
    });
    let summary = format!(
        "ran past the end of {name}(){}: a function without a return there, or a call that was not to come back",
        place.unwrap_or_default()
    );
    let mut finding = case.finding("ran-on", Class::BadControlFlow, Certainty::Likely, fault.frame, summary);
    finding.function = Some(name);
    finding = finding.with("pc", Some("$pc"), format!("{:#x}, {distance} bytes behind the function's end", fault.pc));
    Some(finding.ask(format!("disassemble {:#x}", start.0)).ask("bt"))
}

/// A return to an overwritten address.
fn returned(case: &Case<'_>, fault: &Fault, target: u64) -> Option<Finding> {
    let sp = case.registers(fault.machine)?.sp()?;
    let word = case.arch().address_size() as u64;
    let at_return = fault.operation.as_ref().is_some_and(|operation| operation.flow == Flow::Return);
    let taken = match (case.arch(), at_return) {
        (Arch::Aarch64, _) => return None,
        (_, true) => case.word(sp) == Some(target),
        (_, false) => case.word(sp.wrapping_sub(word)) == Some(target) && !follows_call(case, case.word(sp)?),
    };
    if !taken {
        return None;
    }
    let slot = if at_return { sp } else { sp.wrapping_sub(word) };
    let pattern = pattern_text(target, word as usize);
    let frame = fault.frame;
    let whose = if at_return { format!(" {}", case.in_at(frame)) } else { String::new() };
    let text = pattern.as_ref().map(|pattern| format!(" ({pattern})")).unwrap_or_default();
    let summary = format!(
        "stack overwritten: a return{whose} went to {target:#x}{text}, which stood where the return address was"
    );
    let certainty = if pattern.is_some() || at_return { Certainty::Certain } else { Certainty::Likely };
    let mut finding = case.finding("return-address", Class::StackSmashed, certainty, frame, summary);
    finding = finding.with("return address", Some(&format!("*(long *) {slot:#x}")), format!("{target:#x}"));
    if let Some(pattern) = pattern {
        finding = finding.with("pattern", None, pattern);
    }
    Some(finding.ask(format!("x/32xg {:#x}", slot.saturating_sub(128))).ask("bt"))
}

/// Whether the instruction before the address is a call.
fn follows_call(case: &Case<'_>, address: u64) -> bool {
    let Some(body) = case.body(RunAddr(address.wrapping_sub(1))) else { return false };
    let call = body.index_ending_at(address).and_then(|index| body.operations.get(index));
    call.is_some_and(|call| matches!(call.flow, Flow::Call | Flow::IndirectCall))
}

/// `the text "AAAAAAAA"`, `0x41 repeated`, where the bytes are such.
pub(super) fn pattern_text(value: u64, size: usize) -> Option<String> {
    let bytes = value.to_le_bytes();
    let bytes = bytes.get(..size.min(8))?;
    let printable = bytes.iter().all(|byte| (0x20..0x7f).contains(byte));
    if printable {
        return Some(format!("the text {:?}", String::from_utf8_lossy(bytes)));
    }
    let first = bytes.first().copied()?;
    let repeated = first != 0 && first != 0xff && bytes.iter().all(|byte| *byte == first);
    repeated.then(|| format!("{first:#x} repeated"))
}

/// The text that a pointer's bytes are: five printable ones or more, and nothing but zeros behind them.
pub(super) fn text_in(value: u64) -> Option<String> {
    let bytes = value.to_le_bytes();
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let (text, rest) = bytes.split_at_checked(end)?;
    let printable = text.iter().all(|byte| (0x20..0x7f).contains(byte)) && rest.iter().all(|byte| *byte == 0);
    let mut distinct = text.to_vec();
    distinct.dedup();
    (text.len() >= 5 && printable && distinct.len() > 1).then(|| String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::{pattern_text, text_in};

    #[test]
    fn pointers_that_are_texts() {
        assert_eq!(text_in(0x7972_656d_6f67).as_deref(), Some("gomery"));
        assert_eq!(text_in(0x0000_7f12_3456_7890), None);
        assert_eq!(text_in(0x5a5a_5a5a_5a5a_5a5a), None);
        assert_eq!(text_in(0x6261), None);
    }

    #[test]
    fn patterns() {
        assert_eq!(pattern_text(0x4141_4141_4141_4141, 8).as_deref(), Some("the text \"AAAAAAAA\""));
        assert_eq!(pattern_text(0xcdcd_cdcd_cdcd_cdcd, 8).as_deref(), Some("0xcd repeated"));
        assert_eq!(pattern_text(0x0000_7f12_3456_7890, 8), None);
        assert_eq!(pattern_text(0, 8), None);
    }
}
