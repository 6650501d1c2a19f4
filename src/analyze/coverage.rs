//! What is missing of the target, and which questions that leaves open.

use super::case::Case;
use crate::session::modules::{DebugStatus, FileStatus};
use crate::unwind::{StackEnd, Trust};
use crate::value::Limits;
use crate::value::{AbsentReason, ValueKind};

/// Frames whose variables are looked at.
const FRAMES: usize = 16;

/// Something missing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gap {
    /// Stable, kebab-case.
    pub code: &'static str,
    /// What is missing.
    pub missing: String,
    /// What cannot be said for that reason.
    pub question: String,
    /// It limits the verdict itself.
    pub limits_verdict: bool,
}

/// What is missing for the thread that died.
pub fn of(case: &Case<'_>) -> Vec<Gap> {
    let mut gaps = Vec::new();
    signal(case, &mut gaps);
    stack(case, &mut gaps);
    files(case, &mut gaps);
    memory(case, &mut gaps);
    gaps
}

fn signal(case: &Case<'_>, gaps: &mut Vec<Gap>) {
    let Some(signal) = &case.signal else {
        gaps.push(Gap {
            code: "no-signal",
            missing: "no signal is recorded".to_owned(),
            question: "why it ended: it was copied while it ran".to_owned(),
            limits_verdict: true,
        });
        return;
    };
    if signal.code.is_none() {
        gaps.push(Gap {
            code: "no-siginfo",
            missing: format!("{}: the core has no siginfo", signal.name()),
            question: "the address at fault, and who sent the signal".to_owned(),
            limits_verdict: true,
        });
    }
}

fn stack(case: &Case<'_>, gaps: &mut Vec<Gap>) {
    let end = match case.trace.stack.end {
        StackEnd::Complete | StackEnd::Limit => None,
        StackEnd::Unreadable => Some("the stack goes on in memory that is not at hand"),
        StackEnd::Corrupt => Some("the stack contradicts itself"),
        StackEnd::NoUnwindInfo => Some("the stack ends at code without call frame information"),
    };
    if let Some(end) = end {
        gaps.push(Gap {
            code: "stack-incomplete",
            missing: end.to_owned(),
            question: "who called the outermost frame".to_owned(),
            limits_verdict: case.own_frame(0).is_none(),
        });
    }
    let own = case.own_frame(0).unwrap_or(0);
    // Behind a call to nowhere the return address at the top of the stack is the only one there is.
    let behind_call = case.fault().is_some_and(|fault| fault.refused == super::fault::Refused::Fetch);
    let guessed = case.trace.frames.iter().skip(if behind_call { 2 } else { 0 }).take(own + 1);
    if let Some(frame) = guessed.into_iter().find(|frame| frame.trust == Trust::Scan) {
        gaps.push(Gap {
            code: "stack-guessed",
            missing: format!("frame {} was found by a scan of the stack", frame.index),
            question: "whether the frames from there on are real".to_owned(),
            limits_verdict: true,
        });
    }
}

fn files(case: &Case<'_>, gaps: &mut Vec<Gap>) {
    let mut seen = Vec::new();
    for (index, frame) in case.trace.frames.iter().enumerate().take(FRAMES) {
        let Some(module) = frame.module.filter(|module| !seen.contains(module)) else { continue };
        seen.push(module);
        let Some(module) = case.session.program.modules.get(module) else { continue };
        let path = &module.seed.path;
        let is_own = case.kind(index).is_none();
        let row = crate::session::modules::row(module);
        match (&row.file, &row.debug) {
            (FileStatus::Missing, DebugStatus::Missing) => gaps.push(Gap {
                code: "file-missing",
                missing: format!("{path}: its file was not found"),
                question: "names, lines, variables, and frames behind its own".to_owned(),
                limits_verdict: is_own,
            }),
            (FileStatus::Mismatch { used, .. }, _) => gaps.push(Gap {
                code: "file-mismatch",
                missing: format!("{path}: the file that was found is of another build"),
                question: if *used { "whether names and lines are right" } else { "names, lines and variables" }
                    .to_owned(),
                limits_verdict: is_own,
            }),
            (_, DebugStatus::SymbolsOnly | DebugStatus::Missing) if is_own => gaps.push(Gap {
                code: "no-debug-information",
                missing: format!("{path}: it has no debug information"),
                question: "lines, variables and types of its frames".to_owned(),
                limits_verdict: true,
            }),
            _ => {}
        }
        if module.seed.deleted {
            gaps.push(Gap {
                code: "file-replaced",
                missing: format!("{path}: the file had been deleted or replaced while the program ran"),
                question: "whether the file found now is the one that ran (its build-id says so)".to_owned(),
                limits_verdict: false,
            });
        }
    }
}

/// Variables of the first frames whose memory was not saved.
fn memory(case: &Case<'_>, gaps: &mut Vec<Gap>) {
    let flat = Limits { depth: 1, items: 1, string: 16, follow: false, raw: true, objects: true, statics: false };
    let (mut not_saved, mut dropped) = (0usize, 0usize);
    for frame in 0..case.trace.frames.len().min(FRAMES) {
        if case.kind(frame).is_some() {
            continue;
        }
        for variable in case.session.variables(&case.trace, frame, &flat) {
            match variable.value.kind {
                ValueKind::Absent(absent) if absent.why == AbsentReason::NotSaved => not_saved += 1,
                ValueKind::Absent(absent) if absent.why == AbsentReason::OptimizedOut => dropped += 1,
                _ => {}
            }
        }
    }
    if not_saved > 0 {
        gaps.push(Gap {
            code: "memory-not-saved",
            missing: format!("{not_saved} variables of the first frames lie in memory that was not saved"),
            question: "their values".to_owned(),
            limits_verdict: false,
        });
    }
    if dropped > 0 {
        gaps.push(Gap {
            code: "optimized-out",
            missing: format!("{dropped} variables of the first frames were dropped by the compiler"),
            question: "their values".to_owned(),
            limits_verdict: false,
        });
    }
}
