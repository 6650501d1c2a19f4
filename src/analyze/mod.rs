//! Why it died: rules turn a session into findings, each with the facts that it rests on; the verdict is the first.
//!
//! ```text
//! Session → Case (the thread that died, its frames, whose they are, the fault)
//!              │
//!              ├─ rules/*.rs     one rule a file: Case → Findings
//!              └─ rank           what is likely the cause before what is certainly but a symptom
//!                   └─ Analysis  findings, the verdict first; what is missing
//! ```
//!
//! A finding says what happened ([`Class`]), how sure that is ([`Certainty`]), in which frame to look, the evidence as
//! expressions that can be asked again, and commands that show more. `certain` means that what is seen has no other
//! explanation: a rule that has to guess says `likely` or `possible`, and one that cannot say stays silent.
//!
//! What rules stand on: [`blame`] (whose frame it is), [`fault`] (which access of which instruction was refused),
//! [`code`] (backwards from a register to what it was made from), [`names`] (expressions for addresses), [`origin`]
//! (where a value came from: calls, constants, callers), [`heap`] (blocks that glibc's allocator calls free).

pub mod arithmetic;
pub mod blame;
pub mod case;
pub mod code;
pub mod coverage;
mod debug_text;
pub mod errno;
pub mod fault;
pub mod finding;
mod handlers;
pub mod heap;
pub mod known;
pub mod names;
pub mod origin;
pub mod parts;
pub mod results;
pub mod rule_file;
pub mod rules;
mod syscalls;

pub use blame::Blame;
pub use case::Case;
pub use coverage::Gap;
pub use finding::{Certainty, Class, Evidence, Finding};

use crate::image::ThreadState;
use crate::order::Order;
use crate::session::Session;

/// Findings that are kept.
const MAX_FINDINGS: usize = 32;

/// What was found.
#[derive(Clone, Debug)]
pub struct Analysis {
    /// The best first; never empty: the first is the verdict.
    pub findings: Vec<Finding>,
    /// What is missing, and which questions that leaves open.
    pub gaps: Vec<Gap>,
}

impl Analysis {
    /// What happened, by the best finding.
    pub fn verdict(&self) -> Option<&Finding> {
        self.findings.first()
    }
}

/// Asks every rule.
pub fn analyze(session: &Session, blame: &Blame) -> Analysis {
    let mut findings = Vec::new();
    let mut gaps = Vec::new();
    if let Some(thread) = thread_of_death(session) {
        let case = Case::new(session, thread, blame);
        for rule in rules::RULES {
            findings.extend(rule(&case));
        }
        // The address at fault says nothing more where its pointer is null, or the stack was used up.
        let explained = findings.iter().any(|finding| {
            finding.certainty == Certainty::Certain
                && !finding.symptom
                && matches!(finding.class, Class::NullPointer | Class::StackOverflow)
        });
        findings.retain(|finding| !(explained && finding.rule == "refused-access"));
        // Bad memory is thought of last.
        let caused = findings.iter().any(|finding| finding.certainty >= Certainty::Likely && !finding.symptom);
        findings.retain(|finding| !(caused && finding.class == Class::BitFlip));
        gaps = coverage::of(&case);
        findings.push(rules::unknown::unknown(&case));
        // What only surrounded it comes behind what is always said.
        findings.extend(rules::surroundings::surroundings(&case));
        handlers::name_handlers(&case, &mut findings);
    }
    findings.order_by_key(|finding| std::cmp::Reverse(finding.rank()));
    findings.truncate(MAX_FINDINGS);
    Analysis { findings, gaps }
}

/// The thread that the process died through, else the first.
pub fn thread_of_death(session: &Session) -> Option<&ThreadState> {
    let threads = &session.image.threads;
    let last = threads.iter().find(|thread| thread.crashed).or_else(|| threads.first())?;
    Some(case::interrupted_by_go(session, last).unwrap_or(last))
}
