//! What is left out of a snapshot's memory for privacy, whatever it says.
//!
//! - `no_heap`: memory that is neither stack nor of a module nor around a thread's storage.
//! - `no_strings`: text is overwritten with `*`: what was read as text, and what looks like text among bytes that were
//!   not read as numbers.
//! - `scalars`: of what the program wrote, pointers and what formatters read (lengths, discriminants) are kept; the
//!   rest is left out, so that it is absent rather than wrong. Registers have no such place: numbers in them become
//!   0x2a2a….
//!
//! What was read is known in groups of eight bytes: what shares one with a number or a length stays with it (the first
//! seven characters of libc++'s short strings).

use crate::order::Order;
use std::collections::BTreeMap;

use crate::addr::RunAddr;
use crate::arch::Arch;
use crate::image::Image;
use crate::memory::ReadAs;
use crate::session::Session;
use crate::session::record::ReadSet;

/// Bytes on a stack beyond the stack pointer that are stack, where the stack lies in a large mapping (Go's heap).
const STACK_IN_HEAP: u64 = 64 << 10;
/// A mapping of more is no thread's stack alone.
const LARGEST_STACK: u64 = 16 << 20;
/// Below the stack pointer: the red zone (System V psABI AMD64 1.0, section 3.2.2).
const RED_ZONE: u64 = 128;
/// Bytes on both sides of a thread pointer: the thread's own storage.
const THREAD_STORAGE: u64 = 16 << 10;
/// Text is at least so long where nothing says that it is text.
const SHORTEST_TEXT: usize = 4;
/// What a blanked byte is.
const BLANK: u8 = b'*';

/// Address, PF_ flags and bytes.
pub type Piece = (u64, u32, Vec<u8>);

/// What is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Privacy {
    /// `--redact scalars`
    pub scalars: bool,
    /// `--no-heap`
    pub no_heap: bool,
    /// `--no-strings`
    pub no_strings: bool,
}

impl Privacy {
    /// Whether text around the process is left out too.
    pub fn without_text(self) -> bool {
        self.scalars || self.no_strings
    }

    /// Whether anything is.
    pub fn is_on(self) -> bool {
        self != Privacy::default()
    }
}

/// Leaves out what is not to be kept; counts the bytes by reason.
pub fn apply(
    session: &Session,
    privacy: Privacy,
    pieces: Vec<Piece>,
    left_out: &mut BTreeMap<String, u64>,
) -> Vec<Piece> {
    let image = &session.image;
    let size = |pieces: &[Piece]| pieces.iter().map(|(.., bytes)| bytes.len() as u64).sum::<u64>();
    let mut pieces = pieces;
    if privacy.no_heap {
        let before = size(&pieces);
        pieces = without_heap(session, pieces);
        left_out.insert("heap-bytes".to_owned(), before - size(&pieces));
    }
    if privacy.no_strings {
        let numbers = [ReadAs::Number, ReadAs::Structure].map(|role| Ranges::of(session.noted(role)));
        let text = Ranges::of(session.noted(ReadAs::Text));
        let mut blanked = 0;
        for (start, flags, bytes) in &mut pieces {
            if is_of_program(image, *start, *flags) {
                blanked += blank_text(image, *start, bytes, &numbers, &text);
            }
        }
        left_out.insert("text-bytes".to_owned(), blanked);
    }
    if privacy.scalars {
        let before = size(&pieces);
        let structure = Ranges::of(session.noted(ReadAs::Structure));
        let kept = pieces.into_iter().flat_map(|piece| match is_of_program(image, piece.0, piece.1) {
            true => without_scalars(image, piece, &structure),
            false => vec![piece],
        });
        pieces = kept.collect();
        left_out.insert("scalar-bytes".to_owned(), before - size(&pieces));
    }
    pieces
}

/// Memory that the program may have written; constants came with its files.
fn is_of_program(image: &Image, start: u64, flags: u32) -> bool {
    let from_file = image.mapping_at(RunAddr(start)).is_some_and(|mapping| mapping.file.is_some());
    flags & 2 != 0 || !from_file
}

fn is_pointer(image: &Image, word: u64) -> bool {
    image.mapping_at(RunAddr(word)).is_some()
}

fn word_at(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(size)?)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// Ascending ranges of bytes.
struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    fn of(set: Option<&ReadSet>) -> Ranges {
        Ranges(set.map(|set| set.ranges(0)).unwrap_or_default())
    }

    fn has(&self, address: u64) -> bool {
        let index = self.0.partition_point(|(start, _)| *start <= address).checked_sub(1);
        index.and_then(|index| self.0.get(index)).is_some_and(|(_, end)| address < *end)
    }
}

fn without_heap(session: &Session, pieces: Vec<Piece>) -> Vec<Piece> {
    let image = &session.image;
    let mut kept: Vec<(u64, u64)> = Vec::new();
    for thread in &image.threads {
        if let Some(sp) = thread.registers.get(image.arch.sp())
            && let Some(mapping) = image.mapping_at(RunAddr(sp))
        {
            let is_small = mapping.end.0 - mapping.start.0 <= LARGEST_STACK;
            let end = if is_small { mapping.end.0 } else { sp.saturating_add(STACK_IN_HEAP).min(mapping.end.0) };
            kept.push((sp.saturating_sub(RED_ZONE), end));
        }
        if let Some(pointer) = thread.registers.thread_pointer {
            kept.push((pointer.saturating_sub(THREAD_STORAGE), pointer.saturating_add(THREAD_STORAGE)));
        }
    }
    kept.order();
    let mut joined: Vec<(u64, u64)> = Vec::new();
    for (start, end) in kept {
        match joined.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => joined.push((start, end)),
        }
    }
    let kept = Ranges(joined);
    let is_kept = |address: u64| {
        let of_file = image.mapping_at(RunAddr(address)).is_some_and(|mapping| mapping.file.is_some());
        of_file || session.program.modules.at(RunAddr(address)).is_some() || kept.has(address)
    };
    pieces.into_iter().flat_map(|piece| split(piece, 8, |address, _| is_kept(address))).collect()
}

/// The parts of a piece that are kept, `step` aligned bytes at a time.
fn split((start, flags, bytes): Piece, step: u64, mut keep: impl FnMut(u64, usize) -> bool) -> Vec<Piece> {
    let mut parts: Vec<Piece> = Vec::new();
    let mut at = 0usize;
    while at < bytes.len() {
        let address = start + at as u64;
        let length = ((step - address % step) as usize).min(bytes.len() - at);
        let part = &bytes[at..at + length];
        if keep(address, at) {
            match parts.last_mut() {
                Some((from, _, known)) if *from + known.len() as u64 == address => known.extend_from_slice(part),
                _ => parts.push((address, flags, part.to_vec())),
            }
        }
        at += length;
    }
    parts
}

fn without_scalars(image: &Image, piece: Piece, structure: &Ranges) -> Vec<Piece> {
    let word = image.arch.address_size();
    let bytes = piece.2.clone();
    split(piece, word as u64, |address, at| {
        let pointer =
            address.is_multiple_of(word as u64) && word_at(&bytes, at, word).is_some_and(|it| is_pointer(image, it));
        pointer || structure.has(address)
    })
}

fn blank_text(image: &Image, start: u64, bytes: &mut [u8], numbers: &[Ranges], text: &Ranges) -> u64 {
    let word = image.arch.address_size();
    let mut protected = vec![false; bytes.len()];
    let mut read_as_text = vec![false; bytes.len()];
    let mut at = 0usize;
    while at < bytes.len() {
        let address = start + at as u64;
        let length = (word - (address % word as u64) as usize).min(bytes.len() - at);
        let pointer = length == word && word_at(bytes, at, word).is_some_and(|it| is_pointer(image, it));
        let number = numbers.iter().any(|ranges| ranges.has(address));
        protected[at..at + length].fill(pointer || number);
        read_as_text[at..at + length].fill(text.has(address));
        at += length;
    }
    let is_text = |byte: u8| byte >= b' ' && byte != 0x7f || matches!(byte, b'\t' | b'\n' | b'\r');
    let mut blanked = 0;
    // Text of one, two and four bytes a character.
    for stride in [1usize, 2, 4] {
        for phase in 0..stride {
            let mut from = phase;
            while from < bytes.len() {
                let of_text = |at: usize| {
                    let unit = bytes.get(at..at + stride).unwrap_or_default();
                    let narrow = unit.first().is_some_and(|byte| is_text(*byte)) && unit[1..].iter().all(|it| *it == 0);
                    narrow && !protected[at]
                };
                let mut end = from;
                while end < bytes.len() && of_text(end) {
                    end += stride;
                }
                let units = (end - from) / stride;
                if units >= SHORTEST_TEXT {
                    (from..end).step_by(stride).for_each(|at| bytes[at] = BLANK);
                    blanked += units as u64;
                }
                from = end.max(from + stride);
            }
        }
    }
    // What was read as text is text, however short and in whatever letters.
    for (at, byte) in bytes.iter_mut().enumerate() {
        if read_as_text[at] && !protected[at] && !matches!(*byte, 0 | BLANK) {
            *byte = BLANK;
            blanked += 1;
        }
    }
    blanked
}

/// Notes without vector and floating-point registers, with numbers in general registers overwritten, and without
/// the command line. Layouts: `struct elf_prstatus`, `struct elf_prpsinfo` (Linux 6.1, include/linux/elfcore.h).
pub fn notes_without_scalars(image: &Image, notes: &[u8]) -> Vec<u8> {
    const NT_PRSTATUS: u64 = 1;
    const NT_PRPSINFO: u64 = 3;
    const NT_SIGINFO: u64 = 0x5349_4749;
    const KEPT: [u64; 3] = [6, NT_SIGINFO, 0x4649_4c45];
    // Where registers begin, their size, and how many of them hold what the program computes.
    let (registers, word, computed) = match image.arch {
        Arch::X86_64 => (112, 8, 15),
        Arch::Aarch64 => (112, 8, 31),
        Arch::I386 => (72, 4, 7),
    };
    let mut written = Vec::with_capacity(notes.len());
    let mut at = 0usize;
    loop {
        let header = [0, 4, 8].map(|field| word_at(notes, at + field, 4));
        let [Some(name), Some(size), Some(kind)] = header else { break };
        let aligned = |length: u64| usize::try_from(length).ok()?.checked_next_multiple_of(4);
        let (Some(name), Some(length)) = (aligned(name), aligned(size)) else { break };
        let Some(content) = (at + 12).checked_add(name) else { break };
        let Some(end) = content.checked_add(length) else { break };
        let Some(note) = notes.get(at..end) else { break };
        at = end;
        let mut note = note.to_vec();
        let content = 12 + name;
        match kind {
            NT_PRSTATUS => {
                for index in 0..computed {
                    let place = content + registers + index * word;
                    let Some(value) = word_at(&note, place, word) else { break };
                    if value != 0 && !is_pointer(image, value) {
                        note[place..place + word].fill(BLANK);
                    }
                }
            }
            // The arguments are its last 80 bytes.
            NT_PRPSINFO => {
                let text = note.len().saturating_sub(80).max(content);
                note[text..].iter_mut().filter(|byte| **byte != 0).for_each(|byte| *byte = BLANK);
            }
            kind if KEPT.contains(&kind) => {}
            _ => continue,
        }
        written.extend_from_slice(&note);
    }
    written
}
