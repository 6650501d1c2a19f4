//! What a Rust panic leaves on the stack of the thread that it ends: where it was, and its message.
//!
//! ```text
//! Location       file: pointer and length, line u32, column u32      (core/src/panic/location.rs, Rust 1.41 to 1.97)
//! PanicInfo      beside a pointer to its Location one to its fmt::Arguments       (core/src/panic/panic_info.rs)
//! PanicHookInfo  beside a pointer to its Location its payload, a &dyn Any         (std/src/panic.rs, until 1.80
//!                which is a &str, or the String that the message made              core's PanicInfo had both)
//! ```
//!
//! Both stand in frames of the runtime, `panic_fmt` and `rust_panic_with_hook`, that have not returned where the panic ends
//! the process. Names are needed for none of it, but the order of the members is the compiler's choice.

use super::rust_message::{self, literal};
use crate::addr::RunAddr;
use crate::analyze::Case;
use crate::arch::Arch;

/// Bytes of a file's name.
const MAX_FILE: u64 = 512;
/// Lines of a file, columns of a line.
const MAX_LINE: u64 = 10_000_000;
const MAX_COLUMN: u64 = 1_000_000;
/// Machine frames that are searched, and bytes of each.
const MAX_FRAMES: usize = 48;
const MAX_FRAME: u64 = 16 << 10;
/// Bytes of a message.
const MAX_TEXT: u64 = 4096;
/// More bytes no message has; less no address of a process is.
const MAX_CAPACITY: u64 = 1 << 32;
/// Words that `PanicInfo` and `PanicHookInfo` have beside the pointer to the location.
const NEIGHBOURS: [i64; 6] = [-1, 1, -2, 2, -3, 3];
/// Machine frames between the runtime's and that whose call was given the location.
const MAX_BETWEEN: usize = 10;
/// Bytes in front of a call's end in which its arguments are made.
const MAX_SETUP: u64 = 64;

/// A `core::panic::Location`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Location {
    /// Where it lies.
    pub at: u64,
    /// The source file, as the compiler was given it.
    pub file: String,
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// A panic that has not ended.
pub(super) struct Panicking {
    /// Where the program panicked.
    pub location: Location,
    /// Where the pointer to the location was found.
    pub found_at: u64,
    /// The message as it was formatted.
    pub payload: Option<String>,
    /// The message as it is to be formatted, with `…` for what is not known.
    pub message: Option<String>,
    /// Where the `fmt::Arguments` of that lie.
    arguments: Option<u64>,
    /// The machine frame whose call was given the location, where there is one.
    pub caller: Option<usize>,
}

impl Location {
    /// Whether it is in Rust's own library: `/rustc/<hash>/library/core/src/...`, and as distributions have it.
    pub fn is_of_library(&self) -> bool {
        self.file.starts_with("library/") || self.file.contains("/rustc") && self.file.contains("/library/")
    }
}

impl Panicking {
    /// The message, the better known of the two.
    pub fn text(&self) -> Option<&str> {
        let is_said = |message: &&str| message.chars().any(char::is_alphanumeric);
        self.payload.as_deref().or(self.message.as_deref().filter(is_said))
    }
}

/// The innermost panic in the frames from `from` on; of those, one whose location the code of an outer frame passes to the
/// call that it is in.
pub(super) fn panicking(case: &Case<'_>, from: usize) -> Option<Panicking> {
    let first = case.frame(from)?.machine;
    let mut without_caller = None;
    for machine in first..case.trace.stack.frames.len().min(first + MAX_FRAMES) {
        for mut found in in_frame(case, machine) {
            found.payload = found.payload.or_else(|| formatted(case, first, machine, found.arguments?));
            found.caller = caller(case, machine, found.location.at);
            if found.caller.is_some() {
                return Some(found);
            }
            without_caller = without_caller.or(Some(found));
        }
    }
    without_caller
}

/// The message in the frames `from` to `to` as it was formatted, where it is what `message`, of which not all is known,
/// becomes.
pub(super) fn completed(case: &Case<'_>, from: usize, to: usize, message: Option<&str>) -> Option<String> {
    let (first, last) = (case.frame(from)?.machine, case.frame(to)?.machine);
    let last = last.min(first + MAX_FRAMES);
    let found = (first..last).flat_map(|machine| in_frame(case, machine));
    let mut payloads =
        found.filter_map(|found| found.payload.or_else(|| formatted(case, first, last, found.arguments?)));
    payloads.find(|payload| message.is_none_or(|message| fits(message, payload) || payload.starts_with(message)))
}

/// What of panics is in a machine frame of code that may be Rust's.
fn in_frame(case: &Case<'_>, machine: usize) -> Vec<Panicking> {
    let mut found = Vec::new();
    let Some((start, end)) = extent(case, machine) else { return found };
    let mut at = start.next_multiple_of(8);
    while at.checked_add(8).is_some_and(|next| next <= end) {
        let location = case.word(at).and_then(|word| location(case, word));
        if let Some(location) = location {
            let near = |distance: i64| at.checked_add_signed(distance * 8);
            let payload = NEIGHBOURS.iter().find_map(|distance| payload_at(case, near(*distance)?));
            let message = NEIGHBOURS.iter().find_map(|distance| message_at(case, near(*distance)?, start));
            // A text that is the payload can look like a message: a pointer and a number.
            let message = message.filter(|(message, _)| payload.as_ref().is_none_or(|payload| fits(message, payload)));
            if payload.is_some() || message.is_some() {
                let (message, arguments) = message.unzip();
                found.push(Panicking { location, found_at: at, payload, message, arguments, caller: None });
            }
        }
        at += 8;
    }
    found
}

/// The frame's bytes of the stack. The C library's frames have stale words of what ran before in what they reserve.
fn extent(case: &Case<'_>, machine: usize) -> Option<(u64, u64)> {
    let frames = &case.trace.stack.frames;
    let frame = frames.get(machine).filter(|frame| !frame.signal)?;
    let module = case.session.program.modules.at(frame.lookup)?;
    let name = module.seed.path.rsplit('/').next().unwrap_or_default();
    if name.starts_with("libc.so") || name.starts_with("ld-") || name.starts_with("libgcc_s") {
        return None;
    }
    let start = frame.registers.sp()?;
    let outer = || frames.get(machine + 1)?.registers.sp();
    let end = frame.cfa.map(|cfa| cfa.0).or_else(outer)?;
    (end > start).then(|| (start, end.min(start.saturating_add(MAX_FRAME))))
}

/// The location at an address of a module's constants.
pub(super) fn location(case: &Case<'_>, at: u64) -> Option<Location> {
    if at == 0 || at & 7 != 0 {
        return None;
    }
    let modules = &case.session.program.modules;
    let module = modules.at(RunAddr(at))?;
    let (text, length) = (case.word(at)?, case.word(at.checked_add(8)?)?);
    if !(4..=MAX_FILE).contains(&length) || modules.at(RunAddr(text)).is_none_or(|other| other.id != module.id) {
        return None;
    }
    let number = |offset: u64| case.memory().read_uint(RunAddr(at.checked_add(offset)?), 4).ok();
    let (line, column) = (number(16)?, number(20)?);
    if !(1..=MAX_LINE).contains(&line) || !(1..=MAX_COLUMN).contains(&column) {
        return None;
    }
    let file = literal(case, text, length).filter(|file| file.ends_with(".rs") && !file.contains('\n'))?;
    Some(Location { at, file, line: line as u32, column: column as u32 })
}

/// The text that a `&dyn Any` is: its two words lead to a value and the type's vtable, which begins with what drops
/// the value, its size and its alignment.
fn payload_at(case: &Case<'_>, at: u64) -> Option<String> {
    let (data, vtable) = (case.word(at)?, case.word(at.checked_add(8)?)?);
    if vtable & 7 != 0 || data == 0 || case.session.program.modules.at(RunAddr(vtable)).is_none() {
        return None;
    }
    let word = |base: u64, index: u64| case.word(base.checked_add(index * 8)?);
    let (drop, size, alignment) = (word(vtable, 0)?, word(vtable, 1)?, word(vtable, 2)?);
    // The methods of `Any` follow.
    if alignment != 8 || !case.is_executable(word(vtable, 3)?) {
        return None;
    }
    let (text, length) = match size {
        16 if drop == 0 => (word(data, 0)?, word(data, 1)?),
        24 if drop != 0 && case.is_executable(drop) => string(case, data)?,
        _ => return None,
    };
    text_at(case, text, length)
}

/// The pointer and the length of a `String`: its capacity before the pointer (since Rust 1.64) or behind it, then the length.
fn string(case: &Case<'_>, at: u64) -> Option<(u64, u64)> {
    let word = |index: u64| case.word(at.checked_add(index * 8)?);
    let (first, second, length) = (word(0)?, word(1)?, word(2)?);
    let (pointer, capacity) = (first.max(second), first.min(second));
    (length <= capacity && capacity < MAX_CAPACITY && pointer >= MAX_CAPACITY).then_some((pointer, length))
}

/// The message as the runtime formatted it in the machine frames `first` to `last` (std/src/panicking.rs,
/// `FormatStringPayload`, Rust 1.81 to 1.97; `PanicPayload` before): a `String` beside what leads to the message's arguments.
/// The trait object for it may be the compiler's to leave out.
fn formatted(case: &Case<'_>, first: usize, last: usize, arguments: u64) -> Option<String> {
    (first..=last).find_map(|machine| {
        let (start, end) = extent(case, machine)?;
        let words = (start.next_multiple_of(8)..end.saturating_sub(24)).step_by(8);
        words.into_iter().find_map(|at| {
            let inner = case.word(at)?;
            if inner != arguments && (inner & 7 != 0 || inner < start || case.word(inner) != Some(arguments)) {
                return None;
            }
            let beside = [at.checked_sub(24), at.checked_add(8)];
            beside.into_iter().flatten().find_map(|at| {
                let (text, length) = string(case, at)?;
                text_at(case, text, length)
            })
        })
    })
}

/// A text of some bytes, without control characters but those of terminals.
fn text_at(case: &Case<'_>, text: u64, length: u64) -> Option<String> {
    if length == 0 {
        return None;
    }
    let bytes = case.memory().read_vec(RunAddr(text), length.min(MAX_TEXT) as usize).ok()?;
    let (text, is_cut) = match std::str::from_utf8(&bytes) {
        Ok(text) => (text, length > MAX_TEXT),
        // A character that the limit cuts.
        Err(error) if length > MAX_TEXT && error.error_len().is_none() => {
            (std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()?, true)
        }
        Err(_) => return None,
    };
    let printable = text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\t' | '\r' | '\u{1b}'));
    printable.then(|| if is_cut { format!("{text}…") } else { text.to_owned() })
}

/// The message that a pointer at `at` leads to and where that is, which lies on the stack further out than `inner`.
fn message_at(case: &Case<'_>, at: u64, inner: u64) -> Option<(String, u64)> {
    let arguments = case.word(at)?;
    let is_outer = arguments & 7 == 0 && arguments > inner && arguments - inner < 1 << 20;
    if is_outer { Some((rust_message::supposed_at(case, arguments)?, arguments)) } else { None }
}

/// Whether a text is what a message becomes, whatever stands for `…`.
fn fits(message: &str, text: &str) -> bool {
    let text = text.strip_suffix('…').unwrap_or(text);
    let mut rest = text;
    for (index, part) in message.split('…').enumerate() {
        let Some(at) = rest.find(part) else { return false };
        if index == 0 && at != 0 {
            return false;
        }
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.is_empty() || message.ends_with('…')
}

/// The outermost of the frames behind `machine` whose code makes the location's address right before the call that it is
/// in: that call was told where it is (`#[track_caller]`).
fn caller(case: &Case<'_>, machine: usize, location: u64) -> Option<usize> {
    let frames = &case.trace.stack.frames;
    let last = frames.len().min(machine + 1 + MAX_BETWEEN);
    (machine + 1..last).rev().find(|outer| {
        frames.get(*outer).is_some_and(|frame| frame.pc != frame.lookup && makes(case, frame.pc.0, location))
    })
}

/// Whether the code in front of `end` makes an address.
fn makes(case: &Case<'_>, end: u64, address: u64) -> bool {
    let Some(start) = end.checked_sub(MAX_SETUP) else { return false };
    let code = case.memory().read_vec(RunAddr(start), MAX_SETUP as usize);
    code.is_ok_and(|code| makes_address(case.arch(), &code, start, address))
}

/// Whether the code at `start` makes an address: by `lea`, or by `adrp` and `add`.
fn makes_address(arch: Arch, code: &[u8], start: u64, address: u64) -> bool {
    match arch {
        // REX.W 8d /r with a displacement to the next instruction (Intel SDM 2, LEA).
        Arch::X86_64 => code.windows(7).enumerate().any(|(at, bytes)| {
            let [0x48 | 0x4c, 0x8d, mode, displacement @ ..] = bytes else { return false };
            let displacement = <[u8; 4]>::try_from(displacement).map(i32::from_le_bytes).unwrap_or_default();
            let next = start.wrapping_add(at as u64 + 7);
            mode & 0xc7 == 5 && next.wrapping_add_signed(i64::from(displacement)) == address
        }),
        // ADRP and ADD (immediate) of one register (Arm ARM, C6.2).
        Arch::Aarch64 => {
            let words = code.chunks_exact(4).filter_map(|word| Some(u32::from_le_bytes(word.try_into().ok()?)));
            let words: Vec<u32> = words.collect();
            words.iter().enumerate().any(|(at, page)| {
                let high = i64::from((*page as i32) << 8 >> 13);
                let pages = (high << 2 | i64::from(page >> 29 & 3)) << 12;
                let base = (start.wrapping_add(at as u64 * 4) & !0xfff).wrapping_add_signed(pages);
                let adds = |add: &u32| {
                    add & 0xffc0_0000 == 0x9100_0000
                        && add >> 5 & 31 == page & 31
                        && base.wrapping_add(u64::from(add >> 10 & 0xfff)) == address
                };
                page & 0x9f00_0000 == 0x9000_0000 && words.iter().skip(at + 1).any(adds)
            })
        }
        Arch::I386 => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{fits, makes_address};
    use crate::arch::Arch;

    #[test]
    fn code_makes_addresses() {
        // lea 0x41d16(%rip),%rdx; lea 0x8(%rsp),%rsi; call *0x44073(%rip)
        let code = [
            0x48, 0x8d, 0x15, 0x16, 0x1d, 0x04, 0x00, 0x48, 0x8d, 0x74, 0x24, 0x08, 0xff, 0x15, 0x73, 0x40, 0x04, 0x00,
        ];
        assert!(makes_address(Arch::X86_64, &code, 0x173f3, 0x59110));
        assert!(!makes_address(Arch::X86_64, &code, 0x173f3, 0x59118));
        assert!(!makes_address(Arch::X86_64, &code[..6], 0x173f3, 0x59110));
        // adrp x9, 0x405000; adrp x2, 0x4fc000; add x2, x2, #0x980; bl
        let code: Vec<u8> = [0xb000_0029u32, 0x9000_07e2, 0x9126_0042, 0x9400_1263]
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        assert!(makes_address(Arch::Aarch64, &code, 0x400508, 0x4fc980));
        assert!(!makes_address(Arch::Aarch64, &code, 0x400508, 0x405980));
        assert!(!makes_address(Arch::Aarch64, &code, u64::MAX - 8, 0x4fc980));
    }

    #[test]
    fn texts_fit_their_messages() {
        assert!(fits("cannot go on: …", "cannot go on: no key"));
        assert!(fits("sum of … and … is too big", "sum of 1 and 2 is too big"));
        assert!(fits("plain", "plain") && !fits("plain", "plain text") && !fits("plain", "a plain"));
        assert!(!fits("sum of … and …", "difference of 1 and 2"));
    }
}
