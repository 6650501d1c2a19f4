//! Findings inside of a signal's handler: what the signal interrupted.

use super::case::Case;
use super::finding::Finding;

/// Adds to each finding inside of a handler of the thread what the signal interrupted.
pub(super) fn name_handlers(case: &Case<'_>, findings: &mut [Finding]) {
    let frames = &case.trace.frames;
    for finding in findings.iter_mut().filter(|finding| finding.thread == case.thread.lwp) {
        let own = frames.iter().position(|frame| frame.index == finding.frame_index);
        let Some(own) = own.filter(|own| *own >= case.fault_frame) else { continue };
        let trampoline = frames.iter().enumerate().skip(own).find(|(_, frame)| frame.signal);
        let Some((trampoline, _)) = trampoline else { continue };
        let Some(handler) = trampoline.checked_sub(1).filter(|handler| *handler >= own) else { continue };
        let interrupted = case.to_blame(trampoline + 1);
        // What a runtime handles is its own matter.
        let is_own = case.kind(handler).is_none() && case.kind(interrupted).is_none();
        if !is_own || frames.get(interrupted).is_none_or(|frame| frame.signal) {
            continue;
        }
        let handler = case.called(handler);
        let place = case.in_at(interrupted);
        finding.summary = format!("{}; {handler} handled a signal that came {place}", finding.summary);
        finding.evidence.push(super::Evidence {
            what: "interrupted".to_owned(),
            expression: None,
            value: format!("{place}; the handler is {handler}"),
        });
    }
}
