//! Which crashes are one: a short key that is the same for a bug whatever build it shows in, and a long one of the stack.
//!
//! ```text
//! Session → Case ── frames ── Seen: a name each, normalised ([`name`], [`rules`]); whose it is (analyze's blame)
//!                     │       functions that a tail call took off the stack, as the callers' calls name them
//!                     └─ key: where the program's own part begins, recursion folded, the innermost own functions
//!                          └─ Fingerprint: its text hashed; every frame kept or left out, and why
//! ```
//!
//! The key's text is the class, the signal's name with classes that ask for it, then the functions, a line each; its
//! SHA-256's first 16 hexadecimal digits are the fingerprint, so that anybody can compute it. The version of the rules is
//! no part of the text: a crash that new rules see as the old ones did stays in its group. What a snapshot's header says is
//! never computed anew.
//!
//! [`similar`] says how alike stacks are that the key tells apart.

mod frames;
mod key;
pub mod name;
pub mod rules;
pub mod similar;

pub use key::{Reason, Seen};
pub use rules::Rules;

use crate::order::Order;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::analyze::{Analysis, Class, thread_of_death};
use crate::image::ThreadState;
use crate::session::Session;

/// Hexadecimal digits of fingerprints and stack hashes.
const DIGITS: usize = 16;

/// A crash's fingerprint.
#[derive(Clone, Debug)]
pub struct Fingerprint {
    /// The key of its group: 16 hexadecimal digits.
    pub fingerprint: String,
    /// The same of [`stack`](Self::stack).
    pub stack_hash: String,
    /// Version of the rules.
    pub rules: String,
    /// LWP of the thread.
    pub thread: u32,
    /// What the fingerprint is the hash of: the class, perhaps the signal, the functions.
    pub key: Vec<String>,
    /// The functions that led to the end, innermost first, recursion folded: what a list of crashes is searched by, and what
    /// [`similar`] compares. Without handlers, what only ends processes and nameless
    /// functions of libraries; the module for the program's own without a name.
    pub stack: Vec<String>,
    /// Every frame, innermost first, and what became of it.
    pub steps: Vec<Step>,
    /// Why other builds of the same bug may have another one.
    pub weakness: Option<&'static str>,
}

/// A frame, and what became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// The frame's number as `bt` counts; `None` for a function that is not on the stack any more.
    pub index: Option<usize>,
    /// The function's normalised name, else the module and the offset in it.
    pub name: String,
    /// Whether the fingerprint has it.
    pub taken: bool,
    /// Why.
    pub reason: Reason,
}

impl Fingerprint {
    /// That of the thread that the verdict is about. `None` where nothing ended the process and no rule of `analyze` says
    /// why it stands still.
    pub fn of(session: &Session, analysis: &Analysis, rules: &Rules) -> Option<Fingerprint> {
        let verdict = analysis.verdict()?;
        if session.image.signal.is_none() && verdict.class == Class::Unknown {
            return None;
        }
        let executable = executable(session);
        let rules = &rules.for_application(executable.as_deref());
        let threads = &session.image.threads;
        let thread = threads.iter().find(|thread| thread.lwp == verdict.thread).or_else(|| thread_of_death(session))?;
        let class = verdict.class.code();
        let signal = || session.image.signal.as_ref().map(|signal| signal.name());
        let mut head = vec![rules.class(class).to_owned()];
        head.extend(rules.has_signal(class).then(signal).flatten());
        let seen = frames::seen(session, thread, rules);
        let chosen = match verdict.class {
            Class::Deadlock => of_circle(session, thread, rules, &seen),
            _ => None,
        };
        let chosen = chosen.unwrap_or_else(|| key::choose(&seen, rules, verdict.class == Class::StackOverflow));
        Some(Fingerprint::made(thread.lwp, head, &seen, chosen, executable, rules))
    }

    fn made(
        thread: u32,
        head: Vec<String>,
        seen: &frames::Stack,
        chosen: key::Choice,
        executable: Option<String>,
        rules: &Rules,
    ) -> Fingerprint {
        let mut key = head;
        if rules.application_is_part || !chosen.has_own {
            key.extend(executable);
        }
        key.extend(chosen.names);
        let step = |(seen, reason): (&Seen, Reason)| Step {
            index: seen.index,
            name: seen.label(),
            taken: reason.is_taken(),
            reason,
        };
        let stack = key::whole(&seen.frames, &chosen.reasons);
        let steps = seen.frames.iter().zip(chosen.reasons).map(step).collect();
        Fingerprint {
            fingerprint: short_digest(&key),
            stack_hash: short_digest(&stack),
            stack,
            rules: rules.version().to_owned(),
            thread,
            key,
            weakness: chosen.weakness,
            steps,
        }
    }
}

/// A circle of waiting threads is the same whichever thread is looked at: of each the innermost own function counts.
fn of_circle(session: &Session, first: &ThreadState, rules: &Rules, seen: &frames::Stack) -> Option<key::Choice> {
    let waits = crate::waits::find(session);
    let circle = waits.cycles.iter().find(|circle| circle.contains(&first.lwp))?;
    let mut names = Vec::new();
    for lwp in circle {
        let thread = session.image.threads.iter().find(|thread| thread.lwp == *lwp)?;
        let stack = frames::seen(session, thread, rules);
        names.extend(key::choose(&stack, rules, false).names.into_iter().next());
    }
    names.order();
    names.dedup();
    let own = key::choose(seen, rules, false);
    (own.has_own && !names.is_empty()).then_some(key::Choice { names, ..own })
}

/// The executable's file name.
fn executable(session: &Session) -> Option<String> {
    let path = session.image.process.executable.as_deref().or(session.image.process.name.as_deref())?;
    Some(path.rsplit('/').next().unwrap_or(path).trim_end_matches(" (deleted)").to_owned())
}

fn short_digest(lines: &[String]) -> String {
    let mut digest = digest(&lines.join("\n"));
    digest.truncate(DIGITS);
    digest
}

/// SHA-256 in hexadecimal digits.
fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_sha256sum() {
        // printf 'null-pointer\nread_member' | sha256sum
        let lines = ["null-pointer".to_owned(), "read_member".to_owned()];
        assert_eq!(short_digest(&lines), DIGEST);
        assert_eq!(digest(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    const DIGEST: &str = "d96237ace0e30331";

    /// Who changes a rule gives the rules a new version: these are the files' digests at each.
    #[test]
    fn a_version_stands_for_its_rules() {
        let both = format!("{}{}", crate::analyze::blame::OWN_RULES, rules::OWN_RULES);
        let now = (Rules::usual().version().to_owned(), short_digest(&[both]));
        let known = VERSIONS.last().map(|(version, digest)| ((*version).to_owned(), (*digest).to_owned()));
        assert_eq!(Some(now), known, "the rules are not those of their version: raise it, and add it to VERSIONS");
    }

    const VERSIONS: [(&str, &str); 1] = [("1", "966221fdf89ca02f")];
}
