//! What is always said: the signal and the frame.

use crate::analyze::{Case, Certainty, Class, Finding};

/// The signal and where it met the program.
pub fn unknown(case: &Case<'_>) -> Finding {
    let frame = case.to_blame(case.fault_frame);
    let what = match &case.signal {
        Some(signal) => {
            let code = signal.code_name().map(|code| format!(" ({code})")).unwrap_or_default();
            format!("{}{code}", signal.name())
        }
        None => "no signal: it was copied while it ran".to_owned(),
    };
    let summary = match case.trace.frames.is_empty() {
        true => what,
        false => format!("{what} {}", case.in_at(frame)),
    };
    case.finding("unknown", Class::Unknown, Certainty::Possible, frame, summary).as_symptom().ask("bt")
}
