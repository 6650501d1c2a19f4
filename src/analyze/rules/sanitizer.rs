//! A death that a sanitizer reported (AddressSanitizer, UndefinedBehaviorSanitizer, ThreadSanitizer, MemorySanitizer,
//! LeakSanitizer, Scudo's checks): its report, where the memory still holds it, else what its functions on the stack say.
//!
//! A report is text: `==PID==ERROR: AddressSanitizer: KIND on address 0x…`, and for memory that was freed or run past the
//! stacks of `freed by` and `allocated by` (compiler-rt and libsanitizer, asan_report.cpp, asan_errors.cpp); UBSan's lines are
//! `FILE:LINE:COLUMN: runtime error: WHAT` (ubsan_diag.cpp).

use memchr::memmem;

use super::sanitizer_calls;
use crate::addr::RunAddr;
use crate::analyze::{Case, Certainty, Class, Finding};

/// Sanitizers' functions.
const FUNCTIONS: &[&str] = &[
    "__asan_*",
    "__asan::*",
    "__ubsan_*",
    "__ubsan::*",
    "__tsan_*",
    "__tsan::*",
    "__msan_*",
    "__msan::*",
    "__hwasan*",
    "__sanitizer::*",
    "__sanitizer_*",
    "__lsan*",
    "__interceptor_*",
    "___interceptor_*",
    "scudo::*",
];
/// Beginnings of reports.
const REPORTS: &[&str] = &[
    "ERROR: AddressSanitizer: ",
    "WARNING: MemorySanitizer: ",
    "WARNING: ThreadSanitizer: ",
    "ERROR: HWAddressSanitizer: ",
    "ERROR: LeakSanitizer: ",
    "Scudo ERROR: ",
    "runtime error: ",
];
/// Bytes of memory that are searched for a report, in all and in one mapping.
const MAX_SEARCHED: u64 = 256 << 20;
const MAX_MAPPING: u64 = 32 << 20;
/// Bytes of a report.
const MAX_REPORT: usize = 16 << 10;
/// Frames of one of its stacks that are evidence.
const MAX_FRAMES: usize = 3;

const STACK_MISMATCH: &str = "stack tag-mismatch";

/// Beginnings of what is reported, and what that is.
const KINDS: &[(&str, Class)] = &[
    ("heap-use-after-free", Class::UseAfterFree),
    ("use-after-free", Class::UseAfterFree),
    ("use-after-scope", Class::UseAfterFree),
    ("global-overflow", Class::OutOfBounds),
    ("allocation-tail-overwritten", Class::OutOfBounds),
    ("invalid-free", Class::HeapCorruption),
    (STACK_MISMATCH, Class::WildPointer),
    ("tag-mismatch", Class::WildPointer),
    ("stack-use-after", Class::UseAfterFree),
    ("use-after-poison", Class::UseAfterFree),
    ("heap-buffer-overflow", Class::OutOfBounds),
    ("stack-buffer", Class::OutOfBounds),
    ("dynamic-stack-buffer", Class::OutOfBounds),
    ("global-buffer-overflow", Class::OutOfBounds),
    ("container-overflow", Class::OutOfBounds),
    ("intra-object-overflow", Class::OutOfBounds),
    ("index ", Class::OutOfBounds),
    ("attempting double-free", Class::DoubleFree),
    ("attempting free on address", Class::HeapCorruption),
    ("bad-free", Class::HeapCorruption),
    ("alloc-dealloc-mismatch", Class::HeapCorruption),
    ("new-delete-type-mismatch", Class::HeapCorruption),
    ("corrupted chunk header", Class::HeapCorruption),
    ("invalid chunk state when deallocating", Class::DoubleFree),
    ("misaligned pointer when deallocating", Class::HeapCorruption),
    ("allocation type mismatch", Class::HeapCorruption),
    ("invalid sized delete", Class::HeapCorruption),
    ("race on chunk header", Class::HeapCorruption),
    ("stack-overflow", Class::StackOverflow),
    ("SEGV on unknown address 0x000000000", Class::NullPointer),
    ("SEGV", Class::WildPointer),
    ("BUS", Class::BusError),
    ("FPE", Class::DivisionByZero),
    ("ILL", Class::IllegalInstruction),
    ("out-of-memory", Class::OutOfMemory),
    ("allocation-size-too-big", Class::OutOfMemory),
    ("calloc-overflow", Class::BadCall),
    ("negative-size-param", Class::BadCall),
    ("memcpy-param-overlap", Class::BadCall),
    ("division by zero", Class::DivisionByZero),
    ("member access within null", Class::NullPointer),
    ("member call on null", Class::NullPointer),
    ("load of null", Class::NullPointer),
    ("store to null", Class::NullPointer),
    ("reference binding to null", Class::NullPointer),
    ("load of misaligned", Class::Misaligned),
    ("store to misaligned", Class::Misaligned),
    ("member access within misaligned", Class::Misaligned),
];

/// What a sanitizer reported.
pub fn reported(case: &Case<'_>) -> Vec<Finding> {
    found(case).into_iter().collect()
}

fn found(case: &Case<'_>) -> Option<Finding> {
    let from = reports_from(case);
    let of_case = case.find_function(from, FUNCTIONS)?;
    // The outermost of its frames in a row: what it was called for, and where.
    let mut outermost = of_case;
    for index in of_case..case.trace.frames.len().min(of_case + 32) {
        // UBSan's handlers have functions of their own without its prefix (handleOutOfBoundsImpl).
        let is_inner = case.is_function(index, &["handle*Impl*"]) && case.is_function(index + 1, FUNCTIONS);
        if is_inner || case.is_function(index, FUNCTIONS) {
            outermost = index;
        } else if case.kind(index).is_none() {
            break;
        }
    }
    // Its functions stand around a thread's main function and intercepted calls too.
    let is_report = |index: usize| {
        case.is_function(
            index,
            &[
                "__asan_report*",
                "__asan::Report*",
                "__asan::ScopedIn*",
                "__ubsan_handle*",
                "*Die*",
                "*Abort*",
                "__msan_warning*",
                "__hwasan::Report*",
                "__lsan::HandleLeaks*",
                "scudo::report*",
            ],
        )
    };
    if !(from..=outermost).any(is_report) {
        return None;
    }
    let frame = case.own_frame(outermost + 1).unwrap_or(outermost);
    let report = report(case);
    let told = sanitizer_calls::told(case, from, outermost, frame);
    let said = report.as_ref().map(|report| what(report)).or_else(|| told.as_ref().map(|told| told.what.clone()));
    let class = match (&report, &told) {
        (Some(report), _) => class_of_report(report),
        (None, Some(told)) => told.class,
        (None, None) => by_function(case, outermost),
    };
    // No frame of the program is to blame for what is found out at its end.
    let is_of_end = told.as_ref().is_some_and(|told| told.has_no_place);
    let place = if is_of_end { String::new() } else { format!(" {}", case.in_at(frame)) };
    let frame = if is_of_end { outermost } else { frame };
    let name = match report.as_deref().and_then(reporter) {
        _ if is_of_end => "LeakSanitizer",
        Some(name) => name,
        None => sanitizer(case, from, outermost),
    };
    let summary = match &said {
        Some(said) => format!("{name}: {said}{place}"),
        None => format!("{name} ended the process{place}"),
    };
    let certainty = if said.is_some() { Certainty::Certain } else { Certainty::Likely };
    let mut finding = case.finding("sanitizer", class, certainty, frame, summary);
    if let Some(told) = told.filter(|_| report.is_none()) {
        for (what, text) in told.evidence {
            finding = finding.with(what, None, text);
        }
    }
    if let Some(report) = &report {
        finding = finding.with("report", None, first_line(report));
        for (heading, what) in [("freed by thread", "freed by"), ("allocated by thread", "allocated by")] {
            if let Some(stack) = stack_of(report, heading) {
                finding = finding.with(what, None, stack);
            }
        }
        if let Some(line) = report.lines().find(|line| line.contains(" is located ") || line.contains("Address 0x")) {
            finding = finding.with("memory", None, line.trim());
        }
    }
    Some(finding.ask(format!("frame {}", case.frame(frame)?.index)).ask("info locals"))
}

/// The innermost frame that may report. HWAddressSanitizer's checks may be instructions that trap: its signal handler
/// reports then (compiler-rt 19, hwasan_linux.cpp, `HwasanOnSIGTRAP`).
fn reports_from(case: &Case<'_>) -> usize {
    let in_handler = (0..case.fault_frame).any(|index| case.is_function(index, &["__hwasan::HandleTagMismatch*"]));
    if in_handler { 0 } else { case.fault_frame }
}

/// Whose report it is, by its own words.
fn reporter(report: &str) -> Option<&'static str> {
    let line = report.lines().next()?;
    let names =
        ["HWAddressSanitizer", "AddressSanitizer", "MemorySanitizer", "ThreadSanitizer", "LeakSanitizer", "Scudo"];
    names.into_iter().find(|name| line.contains(name))
}

fn sanitizer(case: &Case<'_>, from: usize, frame: usize) -> &'static str {
    // The outermost may be an intercepted function of the C library.
    let own = |index: &usize| {
        case.function(*index).is_some_and(|name| !name.trim_start_matches('_').starts_with("interceptor"))
    };
    let name = (from..=frame).rev().find(own).and_then(|index| case.function(index)).unwrap_or_default();
    [
        ("__lsan", "LeakSanitizer"),
        ("scudo", "Scudo"),
        ("__asan", "AddressSanitizer"),
        ("__hwasan", "HWAddressSanitizer"),
        ("__ubsan", "UndefinedBehaviorSanitizer"),
        ("__tsan", "ThreadSanitizer"),
        ("__msan", "MemorySanitizer"),
    ]
    .iter()
    .find(|(start, _)| name.starts_with(start))
    .map_or("a sanitizer", |(_, name)| name)
}

/// What its function is for, where there is no report.
fn by_function(case: &Case<'_>, frame: usize) -> Class {
    let name = case.function(frame).unwrap_or_default();
    let kinds = [
        ("out_of_bounds", Class::OutOfBounds),
        ("divrem", Class::DivisionByZero),
        ("__asan_report", Class::WildPointer),
    ];
    kinds.iter().find(|(part, _)| name.contains(part)).map_or(Class::Abort, |(_, class)| *class)
}

fn class_of(said: &str) -> Class {
    KINDS.iter().find(|(start, _)| said.starts_with(start)).map_or(Class::Abort, |(_, class)| *class)
}

/// What was reported. HWAddressSanitizer sees that tags differ, and says further on why that may be.
fn what(report: &str) -> String {
    let line = first_line(report);
    match cause(report) {
        Some(cause) if line.starts_with("tag-mismatch") => format!("{cause} ({line})"),
        _ => line,
    }
}

fn class_of_report(report: &str) -> Class {
    let line = first_line(report);
    match (cause(report), line.starts_with("tag-mismatch"), line.starts_with("invalid-free")) {
        (Some(cause), true, _) => class_of(cause),
        (Some("use-after-free"), _, true) => Class::DoubleFree,
        _ => class_of(&line),
    }
}

/// The likeliest cause by HWAddressSanitizer (compiler-rt 19, hwasan_report.cpp); of the stack it may know more than
/// that tags differ there.
fn cause(report: &str) -> Option<&str> {
    let mut causes = report.lines().filter_map(|line| line.trim().strip_prefix("Cause: ")).map(str::trim);
    let first = causes.next()?;
    Some(if first == STACK_MISMATCH { causes.next().unwrap_or(first) } else { first })
}

/// What stands behind the beginning of a report, to the end of the line.
fn first_line(report: &str) -> String {
    let line = report.lines().next().unwrap_or(report);
    let said = REPORTS.iter().find_map(|start| Some(line.split_once(start)?.1)).unwrap_or(line);
    // Registers say nothing here.
    let said = said.split(" at pc ").next().unwrap_or(said);
    // Which thread is said of the whole.
    said.split(" in thread T").next().unwrap_or(said).trim().to_owned()
}

/// The first frames below a heading.
fn stack_of(report: &str, heading: &str) -> Option<String> {
    let (_, rest) = report.split_once(heading)?;
    let frames = rest.lines().skip(1).map(str::trim).take_while(|line| line.starts_with('#'));
    let named: Vec<&str> = frames.filter_map(|line| Some(line.split_once(" in ")?.1)).collect();
    // The allocator's own comes first.
    let own: Vec<&str> = named
        .iter()
        .copied()
        .filter(|name| {
            !["malloc", "calloc", "realloc", "free", "operator ", "__interceptor"]
                .iter()
                .any(|start| name.starts_with(start))
        })
        .take(MAX_FRAMES)
        .collect();
    (!own.is_empty()).then(|| own.join(" ← "))
}

/// The report's text, in the thread's stack or in memory of no file.
fn report(case: &Case<'_>) -> Option<String> {
    let sp = case.registers(0)?.sp()?;
    let image = &case.session.image;
    let mut left = MAX_SEARCHED;
    let own = image.mapping_at(RunAddr(sp));
    let others =
        image.mappings.iter().filter(|mapping| mapping.file.is_none() && mapping.flags & 2 != 0 && mapping.saved > 0);
    let bounded = others.filter(|mapping| mapping.saved <= MAX_MAPPING);
    for mapping in own.into_iter().chain(bounded) {
        let length = mapping.end.0.saturating_sub(mapping.start.0).min(mapping.saved).min(left);
        left = left.checked_sub(length)?;
        let mut at = mapping.start.0;
        let end = mapping.start.0.saturating_add(length);
        while at < end {
            let Ok(piece) = case.memory().piece(RunAddr(at), (end - at) as usize) else { break };
            let start = REPORTS.iter().find_map(|start| memmem::find(piece, start.as_bytes()));
            if let Some(text) = start.and_then(|start| text_around(piece, start)) {
                return Some(text);
            }
            at = at.saturating_add(piece.len().max(1) as u64);
        }
    }
    None
}

/// From the line's start on.
fn text_around(bytes: &[u8], at: usize) -> Option<String> {
    let printable = |byte: &u8| (0x20..0x7f).contains(byte) || matches!(byte, 9 | 10 | 13 | 27);
    let before = bytes.get(..at)?.iter().rev().take(512).take_while(|byte| printable(byte) && **byte != 10).count();
    let text = bytes.get(at - before..)?;
    let length = text.iter().take(MAX_REPORT).take_while(|byte| printable(byte)).count();
    let text = String::from_utf8_lossy(text.get(..length)?);
    // A format of printf is no report.
    let colourless = without_colours(&text);
    let line = first_line(&colourless);
    (line.len() > 8 && !line.contains('%')).then_some(colourless)
}

/// The text without escape sequences of terminals.
fn without_colours(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        out.push_str(before);
        rest = after.split_once('m').map_or("", |(_, rest)| rest);
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "==12==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000010 at pc 0x1 bp 0x2\n\
        READ of size 4 at 0x602000000010 thread T0\n    #0 0x1 in main a.c:4\n\n\
        freed by thread T0 here:\n    #0 0x7 in free (libasan.so+1)\n    #1 0x8 in drop a.c:2\n    #2 0x9 in main a.c:3\n\n\
        previously allocated by thread T0 here:\n    #0 0x7 in malloc (libasan.so+1)\n    #1 0x8 in make a.c:1\n\n";

    #[test]
    fn a_report_is_taken_apart() {
        assert_eq!(first_line(REPORT), "heap-use-after-free on address 0x602000000010");
        assert_eq!(class_of(&first_line(REPORT)), Class::UseAfterFree);
        assert_eq!(stack_of(REPORT, "freed by thread").as_deref(), Some("drop a.c:2 ← main a.c:3"));
        assert_eq!(stack_of(REPORT, "allocated by thread").as_deref(), Some("make a.c:1"));
    }

    #[test]
    fn tags_that_differ_have_a_cause() {
        let freed = "==1==ERROR: HWAddressSanitizer: tag-mismatch on address 0x10 at pc 0x1\nREAD of size 4\n\nCause: use-after-free\n";
        assert_eq!(what(freed), "use-after-free (tag-mismatch on address 0x10)");
        assert_eq!((class_of_report(freed), reporter(freed)), (Class::UseAfterFree, Some("HWAddressSanitizer")));
        let twice = "==1==ERROR: HWAddressSanitizer: invalid-free on address 0x10 at pc 0x1 on thread T0\nCause: use-after-free\n";
        assert_eq!(what(twice), "invalid-free on address 0x10");
        assert_eq!(class_of_report(twice), Class::DoubleFree);
        let on_stack =
            "==1==ERROR: HWAddressSanitizer: tag-mismatch on address 0x10 at pc 0x1\nCause: stack tag-mismatch\n";
        assert_eq!(class_of_report(on_stack), Class::WildPointer);
    }

    #[test]
    fn formats_are_no_reports() {
        let format = b"\0ERROR: AddressSanitizer: %s on address %p\0";
        assert_eq!(text_around(format, 1), None);
        let line = b"\0a.c:3:5: runtime error: \x1b[1mindex 12 out of bounds\x1b[0m for type 'int [4]'\n\0";
        let text = text_around(line, 10).expect("a report");
        assert_eq!(first_line(&text), "index 12 out of bounds for type 'int [4]'");
        assert_eq!(class_of(&first_line(&text)), Class::OutOfBounds);
    }
}
