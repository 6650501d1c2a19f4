//! An access with a pointer of another tag than its memory's, as arm64's MTE refuses it.
//!
//! ```text
//! SEGV_MTEAERR 8, SEGV_MTESERR 9    told later, at the thread's next entry to the kernel; told at the access
//!                                   (Linux, uapi/asm-generic/siginfo.h, 5.10)
//! pointer's tag                     bits 56 to 59   (Arm ARM, DDI 0487, D10: logical address tag)
//! ```
//!
//! Memory beside the access that has the pointer's tag is what the pointer was made for, in all likelihood: then the access
//! went past its end, or before its start. Otherwise the memory had the tag once, and was given back since.

use crate::addr::RunAddr;
use crate::analyze::fault::{Fault, SIGSEGV};
use crate::analyze::{Case, Certainty, Class, Finding};
use crate::image::{SignalInfo, TAG_GRANULE};

const SEGV_MTEAERR: i32 = 8;
const SEGV_MTESERR: i32 = 9;
/// Where the tag is.
const TAG_SHIFT: u32 = 56;
/// Granules on either side that are looked at for the pointer's tag.
const NEAR: u64 = 16;
/// Granules whose tags are shown on either side.
const SHOWN: u64 = 4;

/// A tag check that failed.
pub fn memory_tags(case: &Case<'_>) -> Vec<Finding> {
    found(case).into_iter().collect()
}

/// Whether a signal tells of such a check.
pub(super) fn is_told(signal: &SignalInfo) -> bool {
    signal.number == SIGSEGV && matches!(signal.code, Some(SEGV_MTEAERR | SEGV_MTESERR))
}

fn found(case: &Case<'_>) -> Option<Finding> {
    let signal = case.signal.as_ref().filter(|signal| signal.number == SIGSEGV)?;
    match signal.code? {
        SEGV_MTEAERR => Some(told_later(case)),
        SEGV_MTESERR => told(case, signal.address?.0),
        _ => None,
    }
}

fn told_later(case: &Case<'_>) -> Finding {
    let frame = case.to_blame(case.fault_frame);
    let summary = format!(
        "tag check failed: memory was accessed with a pointer of another tag, some time before the system call {}",
        case.in_at(frame)
    );
    let finding = case.finding("memory-tags", Class::WildPointer, Certainty::Certain, frame, summary);
    let why = "the check is asynchronous: the kernel tells of it when the thread enters it next, and not which access it was \
               (PR_MTE_TCF_SYNC tells at the access)";
    finding.with("access", None, why).ask("bt").ask("registers")
}

fn told(case: &Case<'_>, reported: u64) -> Option<Finding> {
    let fault = case.fault()?;
    let frame = case.to_blame(fault.frame);
    let address = fault.address?;
    // The kernel tells the pointer's tag with the address; else the register that the access went by has it.
    let register = fault.operand.and_then(|operand| operand.address.effective(case.registers(fault.machine)?));
    let pointer = [Some(reported), register].into_iter().flatten().find(|pointer| pointer >> TAG_SHIFT != 0);
    let own = (pointer.unwrap_or(reported) >> TAG_SHIFT & 15) as u8;
    let tag = |granules: i64| {
        let at = address.checked_add_signed(granules.checked_mul(TAG_GRANULE as i64)?)?;
        case.session.image.memory_tag(RunAddr(at))
    };
    let named = super::access::object_text(case, fault);
    let place = super::access::inside(case, fault, frame);
    let what = format!("{named} {} {place}", fault.verb());
    // An access that begins in one granule may be refused in the next.
    let here = tag(0);
    let (class, certainty, why) = match here {
        None => {
            (Class::WildPointer, Certainty::Certain, format!("the memory has another tag than the pointer's {own}"))
        }
        Some(here) if own == 0 => {
            let why = format!("the pointer has no tag, the memory's is {here}");
            (Class::WildPointer, Certainty::Certain, why)
        }
        Some(here) => {
            let has_it = |granules: i64| tag(granules) == Some(own);
            let below = (1..=NEAR as i64).find(|granules| has_it(-granules));
            let above = (1..=NEAR as i64).find(|granules| has_it(*granules));
            let tags = format!("the pointer's tag is {own}, the memory's {here}");
            match (below, above) {
                (Some(1), _) => (
                    Class::OutOfBounds,
                    Certainty::Likely,
                    format!("past its object's end: {tags}, as it is right before"),
                ),
                (_, Some(1)) => (
                    Class::OutOfBounds,
                    Certainty::Likely,
                    format!("before its object's start: {tags}, as it is right behind"),
                ),
                (None, None) => {
                    let why = format!("memory that was given back: {tags}, and none around it is {own}");
                    (Class::UseAfterFree, Certainty::Likely, why)
                }
                (below, above) => {
                    let near = below.into_iter().chain(above).min().unwrap_or_default();
                    let why = format!("{tags}; the nearest with {own} is {} bytes away", near * TAG_GRANULE as i64);
                    (Class::OutOfBounds, Certainty::Possible, why)
                }
            }
        }
    };
    // That the check failed is certain; of what kind the error is, the tags around tell no more than likely.
    let summary = format!("tag check failed: {what}, {why}");
    let finding = case.finding("memory-tags", class, certainty, frame, summary);
    Some(evidence(case, fault, own, address, finding))
}

fn evidence(case: &Case<'_>, fault: &Fault, own: u8, address: u64, finding: Finding) -> Finding {
    let mut finding = super::access::instruction_evidence(case, fault, finding);
    finding = finding.with("pointer's tag", None, own.to_string());
    let granule = address - address % TAG_GRANULE;
    let first = granule.saturating_sub(SHOWN * TAG_GRANULE);
    let tags: Vec<(u64, Option<u8>)> = (0..=2 * SHOWN)
        .filter_map(|index| first.checked_add(index * TAG_GRANULE))
        .map(|at| (at, case.session.image.memory_tag(RunAddr(at))))
        .collect();
    finding = match tags.iter().any(|(_, tag)| tag.is_some()) {
        true => {
            let shown: Vec<String> = tags
                .iter()
                .filter_map(|(at, tag)| {
                    let tag = (*tag)?;
                    Some(if *at == granule { format!("[{tag}]") } else { tag.to_string() })
                })
                .collect();
            let text = format!("{}, 16 bytes each", shown.join(" "));
            finding.with("memory's tags", Some(&format!("{granule:#x}")), text)
        }
        false => finding.with("memory's tags", None, "not at hand (kernels write them into cores since 5.18)"),
    };
    finding.ask("info locals").ask("maps")
}
