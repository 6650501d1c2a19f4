//! Panics that a goroutine runs its deferred calls for, and what each is about (go `src/runtime/panic.go`, `printpanics`,
//! and `error.go`, `printpanicval`, Go 1.18 to 1.27).

use super::described::{Described, Kind, described};
use super::{GoRuntime, Goroutine};
use crate::addr::RunAddr;
use crate::memory::ReadAs;
use crate::types::TypeId;
use crate::value::{Limits, Place, Value};

/// Panics of one goroutine: a chain that is longer is none.
const MAX_PANICS: usize = 64;
/// Bytes of a string that are shown.
const MAX_TEXT: u64 = 1024;

/// A panic in flight.
#[derive(Clone, Debug)]
pub struct Panic {
    /// What it was raised with: an empty interface. What ends the program has turned errors into their messages.
    pub value: Value,
    /// The value's type, in Go's words; `None`: nil, or not known.
    pub type_name: Option<String>,
    /// As Go prints it.
    pub text: String,
    /// A deferred call recovered it, and has not returned.
    pub recovered: bool,
    /// It was raised again with the same value.
    pub repanicked: bool,
    /// It is no panic, but `runtime.Goexit`.
    pub exits: bool,
}

impl Panic {
    /// `panic: as planned [recovered]`
    pub fn line(&self) -> String {
        if self.exits {
            return "runtime.Goexit".to_owned();
        }
        let ending = match (self.recovered, self.repanicked) {
            (true, true) => " [recovered, repanicked]",
            (true, false) => " [recovered]",
            (false, _) => "",
        };
        format!("panic: {}{ending}", self.text)
    }
}

/// As Go prints a chain of panics, the first raised first; one that was raised again stands once.
pub fn lines(panics: &[Panic]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut before: Option<&Panic> = None;
    for panic in panics {
        if before.is_none_or(|before| !before.repanicked) {
            let indent = if lines.is_empty() { "" } else { "\t" };
            lines.push(format!("{indent}{}", panic.line()));
        }
        before = Some(panic);
    }
    lines
}

impl GoRuntime<'_> {
    /// A goroutine's panics, the first raised first.
    pub fn panics(&self, goroutine: &Goroutine) -> Vec<Panic> {
        let Some((_, layout)) = &self.structures.layout.panic else { return Vec::new() };
        let memory = self.session.memory();
        let mut found: Vec<Panic> = Vec::new();
        let mut seen = Vec::new();
        let mut at = goroutine.panic;
        while at != 0 && found.len() < MAX_PANICS && !seen.contains(&at) {
            seen.push(at);
            memory.noted(RunAddr(at), layout.size, ReadAs::Structure);
            let Ok(bytes) = memory.read_vec(RunAddr(at), layout.size) else { break };
            let (offset, type_id) = layout.value;
            let Some(address) = RunAddr(at).checked_add(offset as u64) else { break };
            let (value, type_name, text) = self.panic_value(address, type_id);
            let is_set = |field: crate::session::go::layout::Field| field.read(&bytes) != 0;
            found.push(Panic {
                value,
                type_name,
                text,
                recovered: is_set(layout.recovered),
                repanicked: layout.repanicked.is_some_and(is_set),
                exits: is_set(layout.exits),
            });
            at = layout.earlier.read(&bytes);
        }
        found.reverse();
        found
    }

    /// The value, its type, and how Go prints it.
    fn panic_value(&self, address: RunAddr, type_id: TypeId) -> (Value, Option<String>, String) {
        let session = self.session;
        let place = Place::Memory(address);
        let value = session.value(&place, type_id, None, &Limits::default());
        let word = session.image.arch.address_size();
        let read = |at: Option<RunAddr>| session.memory().read_uint(at?, word).ok();
        let (Some(of_type), Some(data)) = (read(Some(address)), read(address.checked_add(word as u64))) else {
            return (value, None, "(its value cannot be read)".to_owned());
        };
        if of_type == 0 {
            return (value, None, "nil".to_owned());
        }
        let described = described(session, RunAddr(of_type));
        let text = match (session.go_error_message(&place, type_id), &described) {
            (Some(message), _) => indented(&message),
            (None, Some(described)) => self.printed(described, RunAddr(data)),
            (None, None) => format!("(a type that is not described) {data:#x}"),
        };
        (value, described.map(|described| described.name), text)
    }

    /// As `printpanicval` prints what an interface holds.
    fn printed(&self, described: &Described, data: RunAddr) -> String {
        let memory = self.session.memory();
        let read = |at: RunAddr, size: usize| memory.read_uint(at, size).ok();
        let float = |at: RunAddr, size: usize| {
            let bits = read(at, size)?;
            Some(if size == 4 { f64::from(f32::from_bits(bits as u32)) } else { f64::from_bits(bits) })
        };
        let number = match described.kind {
            Kind::Bool => read(data, 1).map(|value| (value != 0).to_string()),
            Kind::Signed(size) => {
                let shift = 64 - 8 * size as u32;
                read(data, size).map(|value| ((value << shift) as i64 >> shift).to_string())
            }
            Kind::Unsigned(size) => read(data, size).map(|value| value.to_string()),
            Kind::Float(4) => read(data, 4).map(|bits| f32::from_bits(bits as u32).to_string()),
            Kind::Float(size) => float(data, size).map(|value| value.to_string()),
            Kind::Complex(size) => {
                let half = size / 2;
                let parts = float(data, half).zip(data.checked_add(half as u64).and_then(|at| float(at, half)));
                // Its parentheses stand for those of a named type, too.
                return match parts {
                    Some((real, imaginary)) => named(&described.name, format!("{real}{imaginary:+}i"), true),
                    None => unread(&described.name, data),
                };
            }
            Kind::String => {
                return match self.text(data) {
                    Some(text) if described.name == "string" => indented(&text),
                    Some(text) => format!("{}(\"{}\")", described.name, indented(&text)),
                    None => unread(&described.name, data),
                };
            }
            Kind::Other => None,
        };
        match number {
            Some(number) => named(&described.name, number, false),
            None => unread(&described.name, data),
        }
    }

    /// A string by its header.
    fn text(&self, header: RunAddr) -> Option<String> {
        let memory = self.session.memory();
        let word = self.session.image.arch.address_size();
        let data = memory.read_uint(header, word).ok()?;
        let length = memory.read_uint(header.checked_add(word as u64)?, word).ok()?;
        let shown = length.min(MAX_TEXT);
        memory.noted(RunAddr(data), shown as usize, ReadAs::Text);
        let bytes = memory.read_vec(RunAddr(data), shown as usize).ok()?;
        let cut = if shown < length { "..." } else { "" };
        Some(format!("{}{cut}", String::from_utf8_lossy(&bytes)))
    }
}

/// `5` of a basic type, `main.number(5)` of one with a name of its own.
fn named(name: &str, text: String, in_parentheses: bool) -> String {
    let is_basic = name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match (is_basic, in_parentheses) {
        (true, false) => text,
        (true, true) => format!("({text})"),
        (false, _) => format!("{name}({text})"),
    }
}

/// What is shown where the value itself is not.
fn unread(name: &str, data: RunAddr) -> String {
    format!("({name}) {data}")
}

/// As `printindented` writes it: no line of it can be taken for another goroutine's head.
fn indented(text: &str) -> String {
    text.replace('\n', "\n\t")
}

#[cfg(test)]
mod tests {
    use super::{indented, named};

    #[test]
    fn values_are_written_as_go_prints_them() {
        assert_eq!(named("int", "-42".to_owned(), false), "-42");
        assert_eq!(named("main.myInt", "7".to_owned(), false), "main.myInt(7)");
        assert_eq!(named("complex128", "1-2i".to_owned(), true), "(1-2i)");
        assert_eq!(indented("a\nb"), "a\n\tb");
    }
}
