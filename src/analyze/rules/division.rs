//! A division that the processor refused: by zero, or of the smallest number by -1.

use crate::analyze::code::Tracer;
use crate::analyze::fault::SIGFPE;
use crate::analyze::{Case, Certainty, Class, Finding};
use crate::arch::operation::Source;

/// `FPE_INTDIV`, `FPE_INTOVF` (Linux, uapi/asm-generic/siginfo.h).
const INTEGER: [i32; 2] = [1, 2];

/// A refused division.
pub fn division(case: &Case<'_>) -> Vec<Finding> {
    if case.signal_number() != SIGFPE {
        return Vec::new();
    }
    found(case).into_iter().collect()
}

fn found(case: &Case<'_>) -> Option<Finding> {
    let fault = case.fault()?;
    let code = case.signal.as_ref()?.code;
    if code.is_some_and(|code| !INTEGER.contains(&code)) {
        let frame = case.to_blame(fault.frame);
        let name = case.signal.as_ref()?.code_name().unwrap_or("SIGFPE");
        let summary = format!("floating-point exception ({name}) {}", case.in_at(frame));
        let finding = case.finding("division", Class::Unknown, Certainty::Likely, frame, summary);
        return Some(super::access::instruction_evidence(case, fault, finding.as_symptom()));
    }
    let division = fault.operation.as_ref()?.division?;
    let frame = case.to_blame(fault.frame);
    let registers = case.registers(fault.machine)?;
    let bits = u32::from(division.size.clamp(1, 8)) * 8;
    let mask = u64::MAX >> (64 - bits);
    let value = match division.divisor {
        Source::Register(register, ..) => registers.get(register)?,
        Source::Memory(address, size, _) => {
            let at = address.effective(registers)?;
            case.memory().read_uint(crate::addr::RunAddr(at), usize::from(size)).ok()?
        }
        _ => return None,
    } & mask;
    let tracer = Tracer::new(case, fault.machine);
    let named = tracer.as_ref().and_then(|tracer| {
        let sum = tracer.source(&division.divisor, tracer.here)?;
        let agrees = tracer.value(&sum).is_none_or(|known| known & mask == value);
        if agrees { tracer.arithmetic(&sum, 0) } else { None }
    });
    let place = case.in_at(frame);
    let (summary, shown) = match (value, &named) {
        (0, Some(named)) => (format!("division by zero: `{}` is 0 {place}", named.text), "0".to_owned()),
        (0, None) => (format!("division by zero {place}"), "0".to_owned()),
        (value, named) if division.signed && value == mask => {
            let by = named.as_ref().map_or(String::new(), |named| format!(" (`{}`)", named.text));
            (format!("division overflow: the smallest number divided by -1{by} {place}"), "-1".to_owned())
        }
        (value, _) => (format!("division overflow: the quotient has no room {place}"), value.to_string()),
    };
    let mut finding = case.finding("division", Class::DivisionByZero, Certainty::Certain, frame, summary);
    finding = super::access::instruction_evidence(case, fault, finding);
    match named {
        Some(named) => {
            finding = finding.with("divisor", Some(&named.text), shown).ask(format!("print {}", named.text));
        }
        None => finding = finding.with("divisor", None, shown),
    }
    Some(finding.ask("info locals"))
}
