//! A function of the C library that was given a pointer to nothing, or a length that leads there: the argument at
//! fault, as the caller has it.

use crate::addr::RunAddr;
use crate::analyze::code::{Term, Tracer, argument_registers};
use crate::analyze::names::Pointer;
use crate::analyze::origin;
use crate::analyze::{Case, Certainty, Class, Finding};
use crate::arch::operation::Flow;

/// How far a string may go on before its memory ends.
const MAX_STRING: u64 = 1 << 24;
/// A length that is only left in the function's register is below that; what is more may be anything.
const MAX_GUESSED: u64 = 1 << 40;
/// How far from a block's address its allocator looks.
const NEAR: u64 = 4096;

/// How much of an argument's memory is used.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Extent {
    /// As many bytes as the argument of that position says.
    Bytes(usize),
    /// Up to a NUL.
    String,
    /// Some.
    Object,
}

/// A function and its arguments that are pointers.
type Known = (&'static str, &'static [(usize, bool, Extent)]);

/// Functions, and their arguments that are pointers: position, written, how much.
const FUNCTIONS: &[Known] = &[
    ("memcpy", &[(0, true, Extent::Bytes(2)), (1, false, Extent::Bytes(2))]),
    ("memmove", &[(0, true, Extent::Bytes(2)), (1, false, Extent::Bytes(2))]),
    ("mempcpy", &[(0, true, Extent::Bytes(2)), (1, false, Extent::Bytes(2))]),
    ("memset", &[(0, true, Extent::Bytes(2))]),
    ("bzero", &[(0, true, Extent::Bytes(1))]),
    ("memcmp", &[(0, false, Extent::Bytes(2)), (1, false, Extent::Bytes(2))]),
    ("bcmp", &[(0, false, Extent::Bytes(2)), (1, false, Extent::Bytes(2))]),
    ("memchr", &[(0, false, Extent::Bytes(2))]),
    ("strlen", &[(0, false, Extent::String)]),
    ("strnlen", &[(0, false, Extent::String)]),
    ("wcslen", &[(0, false, Extent::String)]),
    ("strcpy", &[(0, true, Extent::Object), (1, false, Extent::String)]),
    ("stpcpy", &[(0, true, Extent::Object), (1, false, Extent::String)]),
    ("strncpy", &[(0, true, Extent::Bytes(2)), (1, false, Extent::String)]),
    ("strcat", &[(0, true, Extent::String), (1, false, Extent::String)]),
    ("strncat", &[(0, true, Extent::String), (1, false, Extent::String)]),
    ("strcmp", &[(0, false, Extent::String), (1, false, Extent::String)]),
    ("strncmp", &[(0, false, Extent::String), (1, false, Extent::String)]),
    ("strcasecmp", &[(0, false, Extent::String), (1, false, Extent::String)]),
    ("strchr", &[(0, false, Extent::String)]),
    ("strrchr", &[(0, false, Extent::String)]),
    ("strstr", &[(0, false, Extent::String), (1, false, Extent::String)]),
    ("strdup", &[(0, false, Extent::String)]),
    ("strtol", &[(0, false, Extent::String)]),
    ("strtoul", &[(0, false, Extent::String)]),
    ("strtod", &[(0, false, Extent::String)]),
    ("atoi", &[(0, false, Extent::String)]),
    ("atol", &[(0, false, Extent::String)]),
    ("atof", &[(0, false, Extent::String)]),
    ("puts", &[(0, false, Extent::String)]),
    ("fputs", &[(0, false, Extent::String), (1, true, Extent::Object)]),
    ("fclose", &[(0, true, Extent::Object)]),
    ("fgets", &[(0, true, Extent::Bytes(1)), (2, true, Extent::Object)]),
    ("fprintf", &[(0, true, Extent::Object), (1, false, Extent::String)]),
    ("fread", &[(0, true, Extent::Object), (3, true, Extent::Object)]),
    ("fwrite", &[(0, false, Extent::Object), (3, true, Extent::Object)]),
    ("free", &[(0, true, Extent::Object)]),
    ("realloc", &[(0, true, Extent::Object)]),
    ("operator delete", &[(0, true, Extent::Object)]),
    ("operator delete[]", &[(0, true, Extent::Object)]),
    ("pthread_mutex_lock", &[(0, true, Extent::Object)]),
    ("pthread_mutex_unlock", &[(0, true, Extent::Object)]),
    ("pthread_join", &[(0, true, Extent::Object)]),
    ("closedir", &[(0, true, Extent::Object)]),
    ("readdir", &[(0, true, Extent::Object)]),
];

/// What glibc adds to the names of its functions for one kind of processor (sysdeps/x86_64/multiarch and
/// sysdeps/aarch64/multiarch, glibc 2.17 to 2.41).
const VARIANTS: &[&str] = &[
    "_avx",
    "_sse",
    "_evex",
    "_erms",
    "_generic",
    "_ssse",
    "_unaligned",
    "_sve",
    "_asimd",
    "_simd",
    "_mte",
    "_mops",
    "_thunderx",
    "_falkor",
    "_kunpeng",
    "_emag",
    "_zva",
    "_a64fx",
    "_oryon",
];

/// Functions that give a block back.
const FREES: &[&str] = &["free", "realloc", "operator delete", "operator delete[]"];

/// A library's function that faults on what its caller gave it.
pub fn bad_call(case: &Case<'_>) -> Vec<Finding> {
    found(case).into_iter().collect()
}

fn found(case: &Case<'_>) -> Option<Finding> {
    let fault = case.data_fault()?;
    let address = fault.address?;
    // The library's frames are the inner ones.
    case.kind(fault.frame).filter(|kind| *kind == "libc")?;
    let frame = case.own_frame(fault.frame)?;
    let machine = case.frame(frame)?.machine;
    let tracer = Tracer::of_frame(case, frame)?;
    let call = tracer.operation().filter(|call| matches!(call.flow, Flow::Call | Flow::IndirectCall))?;
    let (name, arguments) = function(case, call.target, frame)?;
    let registers = argument_registers(case.arch());
    let place = case.place(frame);
    let values: Vec<_> = registers
        .iter()
        .take(4)
        .map(|register| {
            let sum = tracer.register(*register, tracer.here, 0)?;
            let value = tracer.value(&sum);
            // What the caller does not have any more may still be in the function's own register.
            let callee = case.registers(fault.machine).filter(|_| fault.machine + 1 == machine);
            let guessed = value.is_none();
            let value = value.or_else(|| callee?.get(*register));
            Some((value, guessed, tracer.expression(&sum), sum))
        })
        .collect();
    let given = |position: usize| values.get(position).and_then(|found| found.as_ref());
    if FREES.contains(&name)
        && let Some((Some(value), guessed, named, _)) = given(0)
        && (!guessed || value.abs_diff(address) < NEAR)
        && let Some(target) = super::pointers::outside_heap(case, &tracer, *value)
    {
        let summary = match named {
            Some(named) => format!(
                "bad free: {name}() was given `{}` {}; it leads to {target}, which no allocation returned",
                named.text,
                case.in_at(frame)
            ),
            None => format!(
                "bad free: {name}() was given the address of {target} {}, which no allocation returned",
                case.in_at(frame)
            ),
        };
        let certainty = if *guessed { Certainty::Likely } else { Certainty::Certain };
        let mut finding = case.finding("bad-free", Class::HeapCorruption, certainty, frame, summary);
        finding = finding.with(
            "pointer",
            named.as_ref().map(|named| named.text.as_str()),
            format!("{value:#x}, in {target}"),
        );
        if let Some(named) = named {
            finding = finding.ask(format!("print {}", named.text));
        }
        return Some(super::access::instruction_evidence(case, fault, finding).ask("bt"));
    }
    for (position, written, extent) in arguments {
        let Some(Some((value, guessed, named, sum))) = values.get(*position) else { continue };
        let base = fault.operand.and_then(|operand| case.registers(fault.machine)?.get(operand.address.base?));
        // Of a function that is given one pointer alone it is known whose a null one is, however deep inside.
        let null = base.filter(|base| arguments.len() == 1 && *base < super::null_pointer::LOWEST);
        let Some(mut value) = value.or(null) else { continue };
        // The function may use its argument's register for something else by then.
        if *guessed && value < super::null_pointer::LOWEST && base != Some(value) && address != value {
            let Some(null) = null else { continue };
            value = null;
        }
        let length = match extent {
            Extent::Bytes(of) => {
                let found = values.get(*of).and_then(|found| found.as_ref());
                // The function counts it down, or has an address in its register by then.
                found.and_then(|found| found.0.filter(|length| !found.1 || *length < MAX_GUESSED))
            }
            Extent::String | Extent::Object => None,
        };
        let text = named.as_ref().map(|named| named.text.clone());
        let result = matches!(sum.single(), Some(Term::Result(..)));
        let shown = match (&text, sum.terms.is_empty()) {
            (Some(text), _) if result => format!("the result of {text}"),
            (Some(text), _) => format!("`{text}`"),
            (None, true) if value == 0 => case.null_word(frame).to_owned(),
            _ => format!("argument {}", position + 1),
        };
        // What is before a block says how large it is.
        let before = FREES.contains(&name) && value.wrapping_sub(address) <= 16;
        let reaches = before || reaches(case, value, address, *extent, length);
        if !reaches {
            continue;
        }
        let verb = if *written { "writes" } else { "reads" };
        let null = value < super::null_pointer::LOWEST;
        let class = if null { Class::NullPointer } else { Class::BadCall };
        let summary = match (null, length) {
            (true, _) if text.is_none() => format!("null pointer: {name}() was given {shown} at {place}"),
            (true, _) if value == 0 => {
                format!("null pointer: {name}() was given {shown} at {place}, which is {}", case.null_word(frame))
            }
            // By then the register may have what the function made of it.
            (true, _) if *guessed => {
                format!(
                    "null pointer: {name}() was given {shown} at {place}, which is {} or near it",
                    case.null_word(frame)
                )
            }
            (true, _) => format!("null pointer: {name}() was given {shown} at {place}, which is {value:#x}"),
            (false, Some(length)) => {
                let good = address.saturating_sub(value);
                // What is there and refuses the write is read-only.
                let how = match *written && case.is_mapped(address) {
                    true => "may be written",
                    false => "are there",
                };
                format!("bad call: {name}() {verb} {length} bytes at {shown} at {place}, of which {good} {how}")
            }
            (false, None) => {
                let what = if *extent == Extent::String { "string" } else { "memory" };
                format!("bad call: {name}() {verb} the {what} at {shown} at {place}, and {address:#x} is not mapped")
            }
        };
        let certainty = if *guessed { Certainty::Likely } else { Certainty::Certain };
        let mut finding = case.finding("bad-call", class, certainty, frame, summary);
        let shown = match null && *guessed && value != 0 {
            true => format!("{} or near it", case.null_word(frame)),
            false => format!("{value:#x}"),
        };
        finding = finding.with("argument", text.as_deref(), format!("{shown}, argument {}", position + 1));
        if let Some(length) = length {
            finding = finding.with("length", None, length.to_string());
        }
        if let Some(named) = named {
            let pointer =
                sum.single().map(|term| Pointer { named: named.clone(), term: term.clone(), value: Some(value) });
            if let Some(origin) = pointer.and_then(|pointer| origin::of(&tracer, &pointer)) {
                if !result {
                    finding.summary = format!("{}; {}", finding.summary, origin.text);
                }
                finding = crate::analyze::errno::with_errno(case, finding, &origin.text);
                finding = finding.with("origin", None, origin.text);
            }
            finding = finding.ask(format!("print {}", named.text));
        }
        finding = super::access::instruction_evidence(case, fault, finding);
        return Some(finding.ask(format!("frame {}", case.frame(frame)?.index)).ask("info locals"));
    }
    None
}

/// Whether the fault lies in what the argument leads to.
fn reaches(case: &Case<'_>, value: u64, address: u64, extent: Extent, length: Option<u64>) -> bool {
    // Vector code reads from the block around the first byte on.
    let first = value & !63;
    match (extent, length) {
        (Extent::Bytes(_), Some(length)) => {
            first <= address && address < value.saturating_add(length).max(value.saturating_add(1))
        }
        (Extent::Bytes(_), None) => first <= address && address < value.saturating_add(4096),
        (Extent::Object, _) => first <= address && address < value.saturating_add(4096),
        (Extent::String, _) => {
            if !(first <= address && address.saturating_sub(value) < MAX_STRING) {
                return false;
            }
            // The string goes on up to there.
            address.saturating_sub(value) < 64 || {
                let read = case.memory().read_c_string(RunAddr(value), MAX_STRING as usize);
                read.is_ok_and(|(bytes, ended)| !ended && (bytes.len() as u64) + 64 >= address - value)
            }
        }
    }
}

/// The function that is called: by the call's target, else by the frame that it made.
fn function(case: &Case<'_>, target: Option<RunAddr>, frame: usize) -> Option<Known> {
    // A function of the program's own that ends in the call was given other arguments.
    if let Some(name) = target.and_then(|target| case.function_at(target)) {
        return known(&name);
    }
    known(case.function(frame.checked_sub(1)?)?)
}

fn known(name: &str) -> Option<Known> {
    let name = name.split('@').next().unwrap_or(name);
    let plain = name.trim_start_matches("__GI_").trim_start_matches("__libc_").trim_start_matches("__isoc23_");
    let exact = FUNCTIONS.iter().find(|(known, _)| *known == plain || plain.trim_start_matches('_') == *known);
    // `__memmove_avx_unaligned_erms`, `__strlen_sse2`, `__memcpy_sve`.
    let variant = || {
        let plain = plain.trim_start_matches('_');
        FUNCTIONS.iter().find(|(known, _)| {
            let rest = plain.strip_prefix(known);
            rest.is_some_and(|rest| VARIANTS.iter().any(|kind| rest.starts_with(kind)))
        })
    };
    exact.or_else(variant).copied()
}

#[cfg(test)]
mod tests {
    use super::known;

    #[test]
    fn functions_are_known_by_all_their_names() {
        for (name, expected) in [
            ("strlen@plt", Some("strlen")),
            ("__memmove_avx_unaligned_erms", Some("memmove")),
            ("__strlen_avx2", Some("strlen")),
            ("__GI_strcmp", Some("strcmp")),
            ("__memcpy_sve", Some("memcpy")),
            ("__strlen_asimd", Some("strlen")),
            ("memcpyish", None),
            ("main", None),
        ] {
            assert_eq!(known(name).map(|(name, _)| name), expected, "{name}");
        }
    }
}
