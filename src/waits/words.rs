//! Waits in words.

use super::{CallKind, Case, Kind, State, ThreadWait, Wait};
use crate::demangle::without_parameters;
use crate::types::Language;

/// Channels of a select that are listed.
const MAX_CASES: usize = 4;

impl ThreadWait {
    /// The function of the frame that waits, without parameters.
    pub fn function(&self) -> Option<&str> {
        let code = &*self.place.as_ref()?.code;
        let name = code.function.as_deref()?;
        Some(if code.language == Some(Language::Cpp) { without_parameters(name) } else { name })
    }

    /// ` in transfer() at bank.c:44`, without what is not known.
    pub fn place_text(&self) -> String {
        let Some(spot) = &self.place else { return String::new() };
        let code = &*spot.code;
        let function = self.function().map(|name| format!(" in {name}()")).unwrap_or_default();
        match (&code.file, code.line) {
            (Some(file), Some(line)) => format!("{function} at {}:{line}", file.rsplit('/').next().unwrap_or(file)),
            _ => function,
        }
    }
}

impl Wait {
    /// ``mutex `b` ``, `rwlock 0x1234 (to read)`, `a mutex`.
    pub fn text(&self) -> String {
        let kind = match self.kind {
            Kind::Mutex => "mutex",
            Kind::ReadLock | Kind::WriteLock => "rwlock",
            Kind::Condition => "condition",
            Kind::Semaphore => "semaphore",
            Kind::Barrier => "barrier",
            Kind::Join => {
                return match self.owners.first() {
                    Some(owner) => format!("thread {} to end", owner.lwp),
                    None => "a thread to end".to_owned(),
                };
            }
            Kind::Once => "initialisation",
            Kind::Future => "future",
            Kind::Channel => "channel",
            Kind::Select => return self.select_text(),
            Kind::Group => "wait group",
            Kind::Park => return "another thread's unpark".to_owned(),
            Kind::Spinlock => "spinlock",
            Kind::Futex => "futex",
        };
        let mode = match (self.kind, self.timed) {
            (Kind::ReadLock, false) => " (to read)",
            (Kind::ReadLock, true) => " (to read, for a limited time)",
            (Kind::WriteLock, false) => " (to write)",
            (Kind::WriteLock, true) => " (to write, for a limited time)",
            (_, true) => " (for a limited time)",
            (_, false) => "",
        };
        match (&self.name, self.address) {
            (Some(name), _) => format!("{kind} `{name}`{mode}"),
            (None, Some(address)) => format!("{kind} {address}{mode}{}", self.inside_text()),
            (None, None) => {
                let article = if kind.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
                format!("{article} {kind}{mode}{}", self.inside_text())
            }
        }
    }

    /// ``one of channels `a`, `b` (to send)``
    fn select_text(&self) -> String {
        let one = |case: &Case| {
            let name = match (&case.name, case.address) {
                (Some(name), _) => format!("`{name}`"),
                (None, Some(address)) => address.to_string(),
                (None, None) => "one without an address".to_owned(),
            };
            format!("{name}{}", if case.sends { " (to send)" } else { "" })
        };
        let shown: Vec<String> = self.cases.iter().take(MAX_CASES).map(one).collect();
        let more = self.cases.len().saturating_sub(shown.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        match shown.as_slice() {
            [] => "a select without cases".to_owned(),
            [only] => format!("channel {only}"),
            all => format!("one of channels {}{more}", all.join(", ")),
        }
    }

    fn inside_text(&self) -> String {
        self.inside.as_ref().map(|function| format!(" inside {function}")).unwrap_or_default()
    }
}

impl State {
    /// What a thread is doing, in a few words: `runs`, `waits for input in read(3)`.
    pub fn text(&self) -> String {
        match self {
            State::Running => "runs".to_owned(),
            State::Lock(wait) => format!("waits for {}", wait.text()),
            State::Call(call) if call.kind == CallKind::Sleep => format!("sleeps in {}", call.text()),
            State::Call(call) => format!("waits for {} in {}", call.kind.text(), call.text()),
            State::Idle => "is idle".to_owned(),
        }
    }
}
