//! The heap's spans: runs of pages cut into slots of one size, each with an object or free.
//!
//! ```text
//! runtime.mheap_.allspans ── *mspan … ── startAddr, npages, elemsize, nelems
//!                                        freeindex, allocBits   which slots are in use
//!                                        gcmarkBits             which of them the collector found, where it is not swept
//! ```
//!
//! Every slot of every span has a number, so that what is known of objects is a vector's element.

use rayon::prelude::*;

use super::HeapError;
use super::layout::{HeapLayout, SpanLayout};
use crate::addr::RunAddr;
use crate::memory::{Memory, ReadAs};
use crate::session::go::layout::little_endian;

/// Bytes of a page of Go's (go `src/runtime/sizeclasses.go`, _PageShift).
const PAGE: u64 = 1 << 13;
/// Addresses of one part of the table from pages to spans.
const ARENA_SHIFT: u32 = 26;
/// Parts of that table, and how many may lie between the first and the last: 16 TiB.
const MAX_ARENAS: u64 = 1 << 18;
/// Those of them that more than one span is in: of 1 TiB.
const MAX_PAGED: usize = 1 << 14;
/// Spans that are looked at.
const MAX_SPANS: u64 = 1 << 24;
/// Slots that are looked at: what is kept of each is a few bytes.
const MAX_SLOTS: u64 = 1 << 28;
/// `mSpanInUse`
const IN_USE: u64 = 1;
/// Objects of more bytes than this that may hold pointers begin with a pointer to their type, since Go 1.22 (go
/// `src/internal/runtime/gc/malloc.go`, MinSizeForMallocHeader).
const LARGEST_WITHOUT_HEADER: u64 = 512;
/// Bytes of that pointer.
pub(super) const HEADER: u64 = 8;

/// A span in use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span<'a> {
    /// Its first slot.
    pub start: u64,
    /// Bytes of a slot.
    pub slot: u64,
    /// Slots.
    pub count: u32,
    /// The number of its first slot.
    pub first: u32,
    /// The collector looks for pointers in its objects.
    pub has_pointers: bool,
    /// Its objects begin with a pointer to their type.
    pub has_header: bool,
    /// It holds one object, of that type, where that is recorded.
    pub large_type: u64,
    /// What it holds, as far as it was saved.
    pub bytes: &'a [u8],
}

/// What an address is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// Which span.
    pub span: usize,
    /// The slot's number.
    pub number: u32,
    /// Bytes from the slot's start.
    pub offset: u64,
}

/// All spans in use, ascending by address.
pub(super) struct Spans<'a> {
    pub spans: Vec<Span<'a>>,
    /// All slots.
    pub slots: u32,
    /// Slots in use, a bit each by number.
    in_use: Vec<u64>,
    /// Of those, what the collector found dead, and nobody has swept yet.
    pub dead: Tally,
    /// Spans that were named and could not be read.
    pub unreadable: u64,
    /// Spans and slots were left out, as there are too many.
    pub cut: bool,
    /// Bytes of all spans in use.
    pub held: u64,
    arenas: Vec<Arena>,
    first_arena: u64,
    /// How many of them have pages of their own.
    paged: usize,
}

/// Which spans the pages of a part of the table are in: indices from 1 on, 0 for none.
#[derive(Clone, Default)]
enum Arena {
    #[default]
    Empty,
    /// All in one.
    Whole(u32),
    /// By page.
    Pages(Box<[u32]>),
}

/// Objects and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub objects: u64,
    /// Bytes of their slots.
    pub bytes: u64,
}

impl Tally {
    pub(super) fn add(&mut self, objects: u64, slot: u64) {
        self.objects = self.objects.saturating_add(objects);
        self.bytes = self.bytes.saturating_add(objects.saturating_mul(slot));
    }
}

/// A span as its structure has it, and which of its slots are in use.
struct Read<'a> {
    span: Span<'a>,
    in_use: Vec<u8>,
    dead: u64,
    held: u64,
}

impl<'a> Spans<'a> {
    pub fn read(memory: &'a dyn Memory, layout: &HeapLayout) -> Result<Spans<'a>, HeapError> {
        let (at, length) = layout.spans;
        let named = length.min(MAX_SPANS);
        memory.noted(at, named.saturating_mul(8) as usize, ReadAs::Structure);
        let pointers = memory.read_vec(at, named.saturating_mul(8) as usize);
        let pointers = pointers.map_err(|error| HeapError::Unreadable(error.to_string()))?;
        let read: Vec<Result<Option<Read<'a>>, ()>> =
            pointers.par_chunks(8).map(|pointer| read_span(memory, layout, little_endian(pointer))).collect();
        let unreadable = read.iter().filter(|read| read.is_err()).count() as u64;
        let mut read: Vec<Read<'a>> = read.into_iter().filter_map(|read| read.ok().flatten()).collect();
        read.sort_by_key(|read| read.span.start);
        read.dedup_by_key(|read| read.span.start);
        Ok(Spans::of(read, unreadable, length > named))
    }

    fn of(read: Vec<Read<'a>>, unreadable: u64, cut: bool) -> Spans<'a> {
        let first_arena = read.first().map_or(0, |read| read.span.start >> ARENA_SHIFT);
        let mut all = Spans {
            spans: Vec::with_capacity(read.len()),
            slots: 0,
            in_use: Vec::new(),
            dead: Tally::default(),
            unreadable,
            cut,
            held: 0,
            arenas: Vec::new(),
            first_arena,
            paged: 0,
        };
        let mut next = 0u64;
        let mut end = 0u64;
        for Read { mut span, in_use, dead, held } in read {
            let last = span.start.saturating_add(held.saturating_sub(1));
            let slots = next + u64::from(span.count);
            if slots > MAX_SLOTS || (last >> ARENA_SHIFT) - first_arena >= MAX_ARENAS || span.start < end {
                all.cut = true;
                continue;
            }
            span.first = next as u32;
            end = last.saturating_add(1);
            all.in_use.resize((slots as usize).div_ceil(64), 0);
            for index in 0..span.count {
                if bit(&in_use, index) {
                    let number = (next + u64::from(index)) as usize;
                    if let Some(word) = all.in_use.get_mut(number / 64) {
                        *word |= 1 << (number % 64);
                    }
                }
            }
            all.dead.add(dead, span.slot);
            all.held = all.held.saturating_add(held);
            all.enter_pages(span.start, last, all.spans.len() as u32 + 1);
            all.spans.push(span);
            next = slots;
        }
        all.slots = next as u32;
        all
    }

    fn enter_pages(&mut self, start: u64, last: u64, entry: u32) {
        const PAGES: u64 = 1 << (ARENA_SHIFT - PAGE.trailing_zeros());
        let (mut page, last) = (start / PAGE, last / PAGE);
        while page <= last {
            let arena = (page / PAGES).saturating_sub(self.first_arena) as usize;
            if arena >= self.arenas.len() {
                self.arenas.resize(arena + 1, Arena::Empty);
            }
            let end = (page / PAGES + 1) * PAGES;
            let Some(part) = self.arenas.get_mut(arena) else { return };
            if page.is_multiple_of(PAGES) && end <= last + 1 {
                *part = Arena::Whole(entry);
                page = end;
                continue;
            }
            if !matches!(part, Arena::Pages(_)) {
                if self.paged >= MAX_PAGED {
                    self.cut = true;
                    return;
                }
                self.paged += 1;
                *part = Arena::Pages(vec![0; PAGES as usize].into_boxed_slice());
            }
            if let Arena::Pages(pages) = part {
                let until = end.min(last + 1);
                let range = (page % PAGES) as usize..(until - 1 - page / PAGES * PAGES) as usize + 1;
                if let Some(slots) = pages.get_mut(range) {
                    slots.fill(entry);
                }
                page = until;
            }
        }
    }

    /// The slot that an address is in, in use or not.
    pub fn find(&self, address: u64) -> Option<Slot> {
        let arena = (address >> ARENA_SHIFT).checked_sub(self.first_arena)?;
        let entry = match self.arenas.get(usize::try_from(arena).ok()?)? {
            Arena::Empty => return None,
            Arena::Whole(entry) => *entry,
            Arena::Pages(pages) => *pages.get((address / PAGE) as usize % pages.len().max(1))?,
        };
        let span_index = (entry as usize).checked_sub(1)?;
        let span = self.spans.get(span_index)?;
        let inside = address.checked_sub(span.start)?;
        // What fits 32 bits is divided in half the time.
        let index = match (u32::try_from(inside), u32::try_from(span.slot)) {
            (Ok(inside), Ok(slot)) => u64::from(inside / slot),
            _ => inside / span.slot,
        };
        if index >= u64::from(span.count) {
            return None;
        }
        Some(Slot { span: span_index, number: span.first + index as u32, offset: inside - index * span.slot })
    }

    /// Whether an object is in the slot.
    pub fn is_in_use(&self, number: u32) -> bool {
        self.in_use.get(number as usize / 64).is_some_and(|word| word >> (number % 64) & 1 != 0)
    }

    /// The span of a slot, by the slot's number.
    pub fn span_of(&self, number: u32) -> Option<&Span<'a>> {
        let after = self.spans.partition_point(|span| span.first <= number);
        self.spans.get(after.checked_sub(1)?)
    }

    /// Where an object's slot begins.
    pub fn start_of(&self, number: u32) -> Option<u64> {
        let span = self.span_of(number)?;
        Some(span.start + u64::from(number - span.first) * span.slot)
    }
}

impl<'a> Span<'a> {
    /// What the span holds from an address on, at most so many bytes, as far as it was saved.
    pub fn bytes_at(&self, address: u64, length: u64) -> &'a [u8] {
        let from = address.checked_sub(self.start).and_then(|from| usize::try_from(from).ok());
        let rest = from.and_then(|from| self.bytes.get(from..)).unwrap_or_default();
        rest.get(..usize::try_from(length).unwrap_or(usize::MAX)).unwrap_or(rest)
    }

    /// Bytes at the start of each slot that are not the object's.
    pub fn header(&self) -> u64 {
        if self.has_header { HEADER } else { 0 }
    }
}

fn bit(bits: &[u8], index: u32) -> bool {
    bits.get(index as usize / 8).is_some_and(|byte| byte >> (index % 8) & 1 != 0)
}

/// Whether a span may be there that is in use; `None`: there can be none.
pub(super) fn looks_like_one(memory: &dyn Memory, members: &SpanLayout, at: u64, sweep: u64) -> Option<bool> {
    if at == 0 || !at.is_multiple_of(8) {
        return None;
    }
    let bytes = memory.read_vec(RunAddr(at), members.size).ok()?;
    let (start, pages) = (members.start.read(&bytes), members.pages.read(&bytes));
    let state = members.state.read(&bytes);
    if !start.is_multiple_of(PAGE) || state > 2 {
        return None;
    }
    if state != IN_USE {
        return Some(false);
    }
    let (slot, count) = (members.slot.read(&bytes), members.count.read(&bytes));
    let own = members.sweep.read(&bytes);
    let does_fit = pages.checked_mul(PAGE).zip(count.checked_mul(slot)).is_some_and(|(held, used)| used <= held);
    // go `src/runtime/mheap.go`, mspan.sweepgen: to be swept, being swept, swept, cached before, cached after.
    let ahead = own.wrapping_sub(sweep).wrapping_add(2) as u32;
    let is_one = start != 0 && slot >= 8 && count >= 1 && does_fit && matches!(ahead, 0 | 1 | 2 | 3 | 5);
    is_one.then_some(true)
}

/// `None` for a span that no objects are in.
fn read_span<'a>(memory: &'a dyn Memory, layout: &HeapLayout, at: u64) -> Result<Option<Read<'a>>, ()> {
    let members = &layout.span;
    memory.noted(RunAddr(at), members.size, ReadAs::Structure);
    let bytes = memory.read_vec(RunAddr(at), members.size).map_err(|_| ())?;
    if members.state.read(&bytes) != IN_USE {
        return Ok(None);
    }
    let (start, pages) = (members.start.read(&bytes), members.pages.read(&bytes));
    let (slot, count) = (members.slot.read(&bytes), members.count.read(&bytes));
    let held = pages.checked_mul(PAGE).ok_or(())?;
    let is_sound = start.is_multiple_of(PAGE)
        && (8..=held).contains(&slot)
        && (1..=u64::from(u32::MAX)).contains(&count)
        && count.checked_mul(slot).is_some_and(|used| used <= held)
        && start.checked_add(held).is_some();
    if !is_sound {
        return Err(());
    }
    let class = members.class.read(&bytes);
    let (size_class, has_pointers) = (class >> 1, class & 1 == 0);
    let bits = |at: u64| memory.read_vec(RunAddr(at), (count as usize).div_ceil(8)).map_err(|_| ());
    let content = memory.window(RunAddr(start), usize::try_from(held).unwrap_or(usize::MAX)).unwrap_or_default();
    let free_index = members.free_index.read(&bytes);
    let mut in_use = bits(members.allocated.read(&bytes))?;
    for index in 0..free_index.min(count) {
        if let Some(byte) = in_use.get_mut(index as usize / 8) {
            *byte |= 1 << (index % 8);
        }
    }
    let sweep = members.sweep.read(&bytes);
    let mut dead = 0;
    // It was not swept since the collector last marked: what has no mark is garbage that nobody has taken yet.
    if sweep == layout.sweep.wrapping_sub(2) || sweep == layout.sweep.wrapping_add(1) {
        let inline = layout.inline_marks.filter(|_| (16..=LARGEST_WITHOUT_HEADER).contains(&slot));
        let marked = match inline {
            Some(before_end) => bits(start.saturating_add(PAGE).saturating_sub(before_end))?,
            None => bits(members.marked.read(&bytes))?,
        };
        for (byte, marked) in in_use.iter_mut().zip(&marked) {
            dead += u64::from((*byte & !marked).count_ones());
            *byte &= marked;
        }
    }
    let span = Span {
        start,
        slot,
        count: count as u32,
        first: 0,
        has_pointers,
        has_header: layout.minor >= 22 && has_pointers && size_class != 0 && slot > LARGEST_WITHOUT_HEADER,
        large_type: members.large_type.filter(|_| size_class == 0).map_or(0, |field| field.read(&bytes)),
        bytes: content,
    };
    Ok(Some(Read { span, in_use, dead, held }))
}
