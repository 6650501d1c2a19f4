//! An access that was refused, by what is at its address: nothing, a page that does not allow it, the end of a file.

use crate::addr::RunAddr;
use crate::analyze::code::Tracer;
use crate::analyze::fault::{Fault, Refused, SIGBUS, SIGSEGV};
use crate::analyze::names::Pointer;
use crate::analyze::{Case, Certainty, Class, Finding};
use crate::arch::Arch;
use crate::image::Mapping;

/// `BUS_ADRALN`, `BUS_ADRERR`, `BUS_OBJERR`, `BUS_MCEERR_AR`, `BUS_MCEERR_AO` (Linux, uapi/asm-generic/siginfo.h).
const BUS_ADRALN: i32 = 1;
const BUS_ADRERR: i32 = 2;
const BUS_MCEERR_AR: i32 = 4;
const BUS_MCEERR_AO: i32 = 5;

/// The instruction, its operand and its address, as evidence.
pub(super) fn instruction_evidence(case: &Case<'_>, fault: &Fault, finding: Finding) -> Finding {
    let text = fault.text.clone().unwrap_or_else(|| "not at hand".to_owned());
    let mut finding = finding.with("instruction", Some(&format!("{:#x}", fault.pc)), text);
    if let Some(address) = fault.address {
        let size = fault.operand.map_or(0, |operand| operand.size);
        let bytes = if size > 0 { format!("{size} bytes {}", fault.verb()) } else { fault.verb().to_owned() };
        let mapping = match case.session.image.mapping_at(RunAddr(address)) {
            Some(mapping) => format!("mapped {}", permissions(mapping.flags)),
            None if address < super::null_pointer::LOWEST => "the first pages, never mapped".to_owned(),
            None if case.arch() == Arch::X86_64 && Fault::is_non_canonical(address) => "non-canonical".to_owned(),
            None => "not mapped".to_owned(),
        };
        finding = finding.with("address", Some(&format!("{address:#x}")), format!("{bytes}, {mapping}"));
    }
    finding
}

fn permissions(flags: u32) -> String {
    [(4, 'r'), (2, 'w'), (1, 'x')].iter().map(|(bit, letter)| if flags & bit != 0 { *letter } else { '-' }).collect()
}

/// `in find() at list.c:42`; of a library's code also its function: `in strlen(), called by find() at list.c:42`.
pub(super) fn inside(case: &Case<'_>, fault: &Fault, frame: usize) -> String {
    let library = case.kind(fault.frame).is_some() && frame != fault.frame && case.function(fault.frame).is_some();
    let called = case.called(fault.frame);
    match library {
        true => format!("in {called}, called {}", case.in_at(frame)),
        false => case.in_at(frame),
    }
}

/// An access that was refused.
pub fn refused_access(case: &Case<'_>) -> Vec<Finding> {
    found(case).into_iter().collect()
}

fn found(case: &Case<'_>) -> Option<Finding> {
    let fault = case.fault().filter(|fault| fault.refused == Refused::Data)?;
    let frame = case.to_blame(fault.frame);
    match case.signal_number() {
        SIGBUS => bus(case, fault, frame),
        SIGSEGV => segment(case, fault, frame),
        _ => None,
    }
}

fn bus(case: &Case<'_>, fault: &Fault, frame: usize) -> Option<Finding> {
    let address = fault.address?;
    let code = case.signal.as_ref()?.code?;
    let mapping = case.session.image.mapping_at(RunAddr(address));
    let file = mapping.and_then(|mapping| mapping.file.as_ref());
    let at = case.in_at(frame);
    let named = object_text(case, fault);
    let (class, certainty, summary) = match (code, file) {
        (BUS_ADRALN, _) => {
            (Class::Misaligned, Certainty::Certain, format!("misaligned: {named} {} {at}", fault.verb()))
        }
        (BUS_ADRERR, Some((path, _))) => (
            Class::BusError,
            Certainty::Certain,
            format!(
                "bus error: {named} {} {at}, past the end of the file behind the mapping of {path}: the file is shorter than what was mapped",
                fault.verb()
            ),
        ),
        (BUS_MCEERR_AR | BUS_MCEERR_AO, _) => (
            Class::BusError,
            Certainty::Certain,
            format!("bus error: the memory at {address:#x} failed (a hardware error) {at}"),
        ),
        _ => (Class::BusError, Certainty::Likely, format!("bus error: {named} {} {at}", fault.verb())),
    };
    let mut finding = instruction_evidence(case, fault, case.finding("bus-error", class, certainty, frame, summary));
    if let (Some(mapping), Some((path, offset))) = (mapping, file) {
        let start = address.wrapping_sub(mapping.start.0).wrapping_add(*offset);
        finding = finding.with("file", None, format!("{path}, offset {start:#x} wanted"));
    }
    Some(finding.ask("maps"))
}

/// What the access is about: `` `p->next` ``, else its address.
pub(super) fn object_text(case: &Case<'_>, fault: &Fault) -> String {
    let object = Tracer::new(case, fault.machine).and_then(|tracer| super::null_pointer::object_of(&tracer, fault));
    match (object, fault.address) {
        (Some(object), _) => format!("`{}`", object.named.text),
        (None, Some(address)) => format!("address {address:#x}"),
        (None, None) => "memory".to_owned(),
    }
}

fn segment(case: &Case<'_>, fault: &Fault, frame: usize) -> Option<Finding> {
    let Some(address) = fault.address else {
        let summary = format!("an access that the processor refuses {}", case.in_at(frame));
        let finding = case.finding("refused-access", Class::WildPointer, Certainty::Possible, frame, summary);
        return Some(instruction_evidence(case, fault, finding.as_symptom()));
    };
    if address < super::null_pointer::LOWEST || address.wrapping_neg() <= super::null_pointer::NEARLY {
        return None;
    }
    let operand = fault.operand;
    if let Some(operand) = operand.filter(|operand| operand.aligned && address % operand.size.max(1) != 0)
        && !fault.reported
    {
        let named = object_text(case, fault);
        let summary = format!(
            "misaligned: {named} {} {}, at {address:#x}, which is no multiple of {}",
            fault.verb(),
            case.in_at(frame),
            operand.size
        );
        let finding = case.finding("misaligned", Class::Misaligned, Certainty::Certain, frame, summary);
        return Some(instruction_evidence(case, fault, finding).ask("info registers"));
    }
    if let Some(finding) = past_end(case, fault, frame, address) {
        return Some(finding);
    }
    let mapping = case.session.image.mapping_at(RunAddr(address));
    let tracer = Tracer::new(case, fault.machine);
    let object = tracer.as_ref().and_then(|tracer| super::null_pointer::object_of(tracer, fault));
    let named = object_text(case, fault);
    let place = inside(case, fault, frame);
    let verb = fault.verb();
    let (certainty, summary) = match mapping {
        Some(mapping) if operand.is_some_and(|operand| operand.access.writes()) && mapping.flags & 6 == 4 => {
            let region = match constant_text(case, address) {
                Some(text) => format!("the constant text {text:?}"),
                None => case.region(address),
            };
            (Certainty::Certain, format!("write to read-only memory: {named} {verb} {place}; it is in {region}"))
        }
        Some(mapping) if mapping.flags & 4 == 0 => {
            (Certainty::Certain, format!("protected memory: {named} {verb} {place}, which may not be accessed"))
        }
        // What a tag's check refused is another rule's matter.
        Some(_) if case.signal.as_ref().is_some_and(super::memory_tags::is_told) => return None,
        Some(_) => (Certainty::Possible, format!("{named} {verb} {place}: refused, though it is mapped")),
        None if case.arch() == Arch::X86_64 && Fault::is_non_canonical(address) => {
            (Certainty::Certain, format!("wild pointer: {named} {verb} {place}: {address:#x} is no address at all"))
        }
        None => {
            (Certainty::Certain, format!("wild pointer: {named} {verb} {place}: nothing is mapped at {address:#x}"))
        }
    };
    let mut finding = case.finding("refused-access", Class::WildPointer, certainty, frame, summary).as_symptom();
    finding = instruction_evidence(case, fault, finding);
    if let Some(pointer) = object.as_ref().and_then(|object| object.pointer.as_ref()) {
        let value = pointer_text(case, fault, pointer);
        finding =
            finding.with("pointer", Some(&pointer.named.text), value).ask(format!("print {}", pointer.named.text));
        if let Some(text) = pointer.value.and_then(super::control_flow::text_in) {
            finding.summary =
                format!("{}; the bytes of `{}` are the text {text:?}", finding.summary, pointer.named.text);
            finding = finding.with("pattern", Some(&pointer.named.text), format!("the text {text:?}"));
        } else if let Some(pattern) = pointer.value.and_then(|value| super::control_flow::pattern_text(value, 8)) {
            finding = finding.with("pattern", Some(&pointer.named.text), pattern);
        }
        if let Some(origin) = tracer.as_ref().and_then(|tracer| crate::analyze::origin::of(tracer, pointer)) {
            finding.summary = format!("{}; {}", finding.summary, origin.text);
            finding = finding.with("origin", None, origin.text);
        }
    }
    let base = operand.and_then(|operand| case.registers(fault.machine)?.get(operand.address.base?));
    let has_name = object.as_ref().is_some_and(|object| object.pointer.is_some());
    if let Some(text) = base.filter(|_| !has_name).and_then(super::control_flow::text_in) {
        finding.summary = format!("{}; its bytes are the text {text:?}", finding.summary);
        finding = finding.with("pattern", None, format!("the text {text:?}"));
    }
    if let Some(index) = object.as_ref().and_then(|object| object.index.as_ref()) {
        let value = index.value.map_or("not known".to_owned(), |value| value.to_string());
        finding = finding.with("index", Some(&index.named.text), value);
    }
    Some(finding.ask("maps").ask("info locals"))
}

/// A pointer's value: what the program has, else what the instruction had in its register.
pub(super) fn pointer_text(case: &Case<'_>, fault: &Fault, pointer: &Pointer) -> String {
    let in_register = || {
        let address = fault.operand?.address;
        let base = case.registers(fault.machine)?.get(address.base?);
        base.filter(|_| address.index.is_none())
    };
    let value = pointer.value.or_else(in_register);
    value.map_or("not known".to_owned(), |value| case.scalar(pointer.named.type_id, value))
}

/// A loop that ran on: the access is the first behind what is mapped, or the last before it.
fn past_end(case: &Case<'_>, fault: &Fault, frame: usize, address: u64) -> Option<Finding> {
    let image = &case.session.image;
    let size = fault.operand.map_or(1, |operand| operand.size.max(1));
    let within = image.mapping_at(RunAddr(address));
    if within.is_some_and(|mapping| !ran_into(case, fault, mapping, address, size)) {
        return None;
    }
    let readable = |flags: u32| flags == 0 || flags & 4 != 0;
    let below = image.mappings.iter().filter(|mapping| readable(mapping.flags) && mapping.end.0 > mapping.start.0);
    let reached = below
        .clone()
        .find(|mapping| address.wrapping_sub(mapping.end.0) < size || mapping.end.0.wrapping_sub(address) < size);
    let (edge, beyond, inside) = match reached {
        Some(mapping) => (mapping.end.0, "past the end of", mapping.end.0.checked_sub(1)?),
        None => {
            let mut above = below;
            let mapping = above.find(|mapping| mapping.start.0.wrapping_sub(address).wrapping_sub(1) < size)?;
            (mapping.start.0, "below the start of", mapping.start.0)
        }
    };
    // The stack's own end is another rule's.
    let sp = case.registers(fault.machine).and_then(|registers| registers.sp());
    if sp.is_some_and(|sp| sp.abs_diff(address) < 1 << 20 && address < sp) {
        return None;
    }
    let region = case.region(inside);
    let named = object_text(case, fault);
    let mapped = if within.is_some() { "what may be written" } else { "what is mapped" };
    let summary = format!(
        "out of bounds: {named} {} {}, right {beyond} {mapped} ({region}, {edge:#x}): an index or pointer ran on",
        fault.verb(),
        case.in_at(frame)
    );
    let finding = case.finding("past-end", Class::OutOfBounds, Certainty::Likely, frame, summary);
    let finding = instruction_evidence(case, fault, finding);
    Some(finding.with("memory", Some(&format!("{inside:#x}")), region).ask("maps").ask("info locals"))
}

/// Whether a write is the first in memory that is not to be written, right behind memory that is.
fn ran_into(case: &Case<'_>, fault: &Fault, mapping: &Mapping, address: u64, size: u64) -> bool {
    let writes = fault.operand.is_some_and(|operand| operand.access.writes());
    let is_first = address.checked_sub(mapping.start.0).is_some_and(|inside| inside < size);
    let before = || case.session.image.mapping_at(RunAddr(mapping.start.0.checked_sub(1)?));
    writes && is_first && mapping.flags & 2 == 0 && before().is_some_and(|before| before.flags & 2 != 0)
}

/// The whole text around an address in memory that is only read.
pub(super) fn constant_text(case: &Case<'_>, address: u64) -> Option<String> {
    const FARTHEST: u64 = 64;
    let is_text = |at: u64| {
        let byte = case.memory().read_uint(RunAddr(at), 1).ok();
        byte.is_some_and(|byte| (0x20..0x7f).contains(&byte) || matches!(byte, 9 | 10))
    };
    if !is_text(address) {
        return None;
    }
    let before = (1..FARTHEST).take_while(|back| address.checked_sub(*back).is_some_and(is_text)).count() as u64;
    case.text_at(address - before).filter(|text| text.len() >= 3)
}
