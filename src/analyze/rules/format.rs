//! `printf` and its like: an argument that its conversion takes for a string, and that is none.

use crate::analyze::code::{Tracer, argument_registers};
use crate::analyze::{Case, Certainty, Class, Finding};
use crate::arch::Arch;
use crate::arch::operation::Flow;

/// Functions, and the position of their format.
const FUNCTIONS: &[(&str, usize)] = &[
    ("printf", 0),
    ("fprintf", 1),
    ("dprintf", 1),
    ("sprintf", 1),
    ("snprintf", 2),
    ("asprintf", 1),
    ("syslog", 1),
    ("err", 1),
    ("errx", 1),
    ("warn", 0),
    ("warnx", 0),
    ("__printf_chk", 1),
    ("__fprintf_chk", 2),
    ("__dprintf_chk", 2),
    ("__sprintf_chk", 3),
    ("__snprintf_chk", 4),
    ("__asprintf_chk", 2),
    ("__syslog_chk", 2),
];
/// Conversions that are looked at.
const MAX_CONVERSIONS: usize = 64;

/// A conversion, and which of the arguments behind the format it takes.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Conversion {
    text: String,
    /// Position among the integers and pointers; what is passed in vector registers does not count.
    position: usize,
}

/// An argument that is no string.
pub fn format(case: &Case<'_>) -> Vec<Finding> {
    found(case).into_iter().collect()
}

fn found(case: &Case<'_>) -> Option<Finding> {
    let fault = case.data_fault()?;
    let address = fault.address?;
    case.kind(fault.frame).filter(|kind| matches!(*kind, "libc" | "abort" | "header"))?;
    let frame = case.own_frame(fault.frame)?;
    let machine = case.frame(frame)?.machine;
    let tracer = Tracer::of_frame(case, frame)?;
    let call = tracer.operation().filter(|call| matches!(call.flow, Flow::Call | Flow::IndirectCall))?;
    // A function of the program's own that ends in the call was given other arguments.
    let (name, at) = match call.target.and_then(|target| case.function_at(target)) {
        Some(name) => known(&name)?,
        None => {
            let inner = case.trace.frames.iter().rposition(|frame| frame.machine + 1 == machine)?;
            known(case.function(inner)?)?
        }
    };
    let argument = |position: usize| argument(case, &tracer, position);
    let (format, _) = argument(at)?;
    let format = case.text_at(format)?;
    let conversions = strings(&format);
    let bad = conversions.iter().find_map(|conversion| {
        let (value, text) = argument(at + 1 + conversion.position)?;
        // Vector code reads from the block around the first byte on.
        let led_there = value & !63 <= address && address < value.saturating_add(1 << 20);
        (!case.is_mapped(value) && led_there).then_some((conversion, value, text))
    });
    let (conversion, value, text) = bad?;
    let shown = text.as_ref().map_or(format!("{value:#x}"), |text| format!("`{text}`, which is {value:#x},"));
    let plain = name.trim_start_matches("__").trim_end_matches("_chk");
    let number = conversions.iter().position(|known| known == conversion).unwrap_or(0) + 1;
    let summary = format!(
        "bad call: {plain}() was given {shown} for the `{}` of {format:?} {}: it is no string",
        conversion.text,
        case.in_at(frame)
    );
    let finding = case.finding("format", Class::BadCall, Certainty::Certain, frame, summary);
    let finding = finding.with("format", None, format!("{format:?}"));
    let mut finding = finding.with(
        "argument",
        text.as_deref(),
        format!("{value:#x}, for string {number} of {}: nothing is mapped there", conversions.len()),
    );
    if let Some(text) = text {
        finding = finding.ask(format!("print {text}"));
    }
    finding = super::access::instruction_evidence(case, fault, finding);
    Some(finding.ask(format!("frame {}", case.frame(frame)?.index)).ask("list"))
}

/// The value of an integer or pointer argument of the call that the frame stands at, and what it is called.
fn argument(case: &Case<'_>, tracer: &Tracer<'_>, position: usize) -> Option<(u64, Option<String>)> {
    let registers = argument_registers(case.arch());
    let word = case.arch().address_size() as u64;
    if let Some(register) = registers.get(position) {
        let sum = tracer.register(*register, tracer.here, 0)?;
        let value = tracer.value(&sum)?;
        let text = if sum.terms.is_empty() { None } else { tracer.arithmetic(&sum, 0).map(|named| named.text) };
        return Some((value, text));
    }
    // Behind those in registers they lie on the stack (System V psABI of x86-64, 3.2.3).
    if case.arch() != Arch::X86_64 {
        return None;
    }
    let sp = case.registers(tracer.machine)?.sp()?;
    let slot = sp.checked_add((position - registers.len()) as u64 * word)?;
    Some((case.word(slot)?, None))
}

fn known(name: &str) -> Option<(&'static str, usize)> {
    let name = name.split('@').next().unwrap_or(name);
    let name = name.strip_prefix("__GI_").or_else(|| name.strip_prefix("_IO_")).unwrap_or(name);
    FUNCTIONS.iter().find(|(known, _)| *known == name).copied()
}

/// The conversions of a format that take a string (`%s`), with the position of their arguments among the integers and pointers;
/// nothing of formats that number their arguments.
fn strings(format: &str) -> Vec<Conversion> {
    let mut found = Vec::new();
    let mut position = 0;
    let mut rest = format;
    for _ in 0..MAX_CONVERSIONS {
        let Some((_, after)) = rest.split_once('%') else { break };
        let length = after.find(|c: char| !matches!(c, '-' | '+' | ' ' | '#' | '\'' | '.' | '*' | '0'..='9'));
        let Some(length) = length else { break };
        let (flags, after) = after.split_at(length);
        position += flags.matches('*').count();
        let modifiers = after.find(|c: char| !matches!(c, 'h' | 'l' | 'q' | 'j' | 'z' | 't' | 'L')).unwrap_or(0);
        let (modifier, after) = after.split_at(modifiers);
        let Some(kind) = after.chars().next() else { break };
        rest = after.get(kind.len_utf8()..).unwrap_or_default();
        match kind {
            '%' | 'm' => {}
            '$' => return Vec::new(),
            // Of vector registers, and of long doubles on the stack.
            'f' | 'F' | 'e' | 'E' | 'g' | 'G' | 'a' | 'A' if modifier == "L" => return found,
            'f' | 'F' | 'e' | 'E' | 'g' | 'G' | 'a' | 'A' => {}
            's' => {
                found.push(Conversion { text: format!("%{flags}{modifier}s"), position });
                position += 1;
            }
            _ => position += 1,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{known, strings};

    #[test]
    fn conversions_of_strings() {
        let of = |format| strings(format).into_iter().map(|found| (found.text, found.position)).collect::<Vec<_>>();
        assert_eq!(of("%d: %s, %5.2f %-*s%%\n"), [("%s".to_owned(), 1), ("%-*s".to_owned(), 3)]);
        assert_eq!(of("%2$s %1$s"), []);
        assert_eq!(of("100%"), []);
        assert_eq!(of("%lu%.10s"), [("%.10s".to_owned(), 1)]);
    }

    #[test]
    fn functions_are_known_by_all_their_names() {
        assert_eq!(known("__GI_printf"), Some(("printf", 0)));
        assert_eq!(known("__snprintf_chk"), Some(("__snprintf_chk", 4)));
        assert_eq!(known("vprintf"), None);
    }
}
