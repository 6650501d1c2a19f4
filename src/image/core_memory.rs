//! The memory that a core holds: which addresses, and where their bytes are.

use std::cell::Cell;
use std::sync::Arc;

use crate::addr::RunAddr;
use crate::image::dying::ProcessPages;
use crate::image::snapshot::frames::Frames;
use crate::memory::{Memory, MissingReason, ReadError};

/// A range of the process's memory and where in the file its first bytes are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    /// Bytes in memory, more than 0.
    pub(super) size: u64,
    /// Bytes that the core says it has of them.
    pub(super) named: u64,
    /// Bytes that the file has of them.
    pub(super) held: u64,
    /// Offset in the file of the first.
    pub(super) offset: usize,
}

/// The memory that a core holds. Cheap to clone.
#[derive(Clone)]
pub struct CoreMemory {
    bytes: &'static [u8],
    /// First addresses of `segments`, ascending; apart, so that the search touches little.
    starts: Arc<[u64]>,
    segments: Arc<[Segment]>,
    /// What was mapped (start, end; ascending and apart): where no segment has it, it is not saved.
    mapped: Arc<[(u64, u64)]>,
    /// Who has what the segments hold, where it is not `bytes`.
    source: Option<Source>,
    /// What is to be said of addresses that no segment has and of which nobody says that they were mapped.
    elsewhere: MissingReason,
}

/// Who has the memory of a core of which only the headers and notes are at hand.
#[derive(Clone)]
pub enum Source {
    /// The process, which is still there.
    Process(Arc<ProcessPages>),
    /// The packed core, which is unpacked as it is looked at.
    Packed(Arc<Frames>),
}

/// Addresses below are never mapped (`vm.mmap_min_addr`'s default).
const LOWEST: u64 = 0x1_0000;

impl CoreMemory {
    /// `segments` and `mapped` (start, end) are ascending and apart, each for itself.
    pub(super) fn new(
        bytes: &'static [u8],
        segments: &[FlaggedSegment],
        mapped: impl IntoIterator<Item = (u64, u64)>,
        source: Option<Source>,
    ) -> CoreMemory {
        CoreMemory {
            bytes,
            source,
            starts: segments.iter().map(|(start, ..)| *start).collect(),
            segments: segments.iter().map(|(_, segment, _)| *segment).collect(),
            mapped: mapped.into_iter().collect(),
            elsewhere: MissingReason::Unmapped,
        }
    }

    /// The same memory of a file that does not say what was mapped: what it lacks was perhaps left out.
    pub fn with_unlisted_left_out(self) -> CoreMemory {
        CoreMemory { elsewhere: MissingReason::NotSaved, ..self }
    }

    /// The bytes that are held, ascending by address, in pieces.
    pub fn held(&self) -> impl Iterator<Item = (RunAddr, &'static [u8])> {
        let segments = self.starts.iter().zip(&*self.segments);
        segments.flat_map(move |(start, segment)| {
            let mut done = 0;
            std::iter::from_fn(move || {
                let address = RunAddr(start + done);
                let left = usize::try_from(segment.held.checked_sub(done)?).ok()?;
                let piece = self.stored(address, segment.offset.checked_add(done as usize)?, left)?;
                done += piece.len() as u64;
                Some((address, piece))
            })
        })
    }

    /// Bytes that are held: at that address and there in the file, at most so many.
    fn stored(&self, address: RunAddr, offset: usize, limit: usize) -> Option<&'static [u8]> {
        let piece = match &self.source {
            Some(Source::Process(process)) => process.piece(address, limit)?,
            Some(Source::Packed(frames)) => frames.piece(offset, limit)?,
            None => self.bytes.get(offset..offset.checked_add(limit)?)?,
        };
        (!piece.is_empty()).then_some(piece)
    }

    /// The same memory, in which what lies in `ranges` (start, end) too and is not held was mapped, but is left out.
    pub fn with_left_out(&self, ranges: &[(u64, u64)]) -> CoreMemory {
        let mut mapped: Vec<(u64, u64)> = self.mapped.iter().chain(ranges).copied().collect();
        mapped.sort_unstable();
        let mut reached = 0;
        mapped.retain_mut(|(start, end)| {
            *start = reached.max(*start);
            reached = reached.max(*end);
            start < end
        });
        CoreMemory { mapped: mapped.into(), ..self.clone() }
    }

    /// Why no segment has the address.
    fn reason_elsewhere(&self, address: RunAddr) -> MissingReason {
        let after = self.mapped.partition_point(|(start, _)| *start <= address.0);
        let was_mapped = after.checked_sub(1).is_some_and(|index| address.0 < self.mapped[index].1);
        match was_mapped {
            true => MissingReason::NotSaved,
            false if address.0 < LOWEST => MissingReason::Unmapped,
            false => self.elsewhere,
        }
    }

    /// Gives pages that were read back to the system; they are read from the file again when they are needed.
    pub fn release(&self) {
        crate::mapped::release(self.bytes);
    }
}

thread_local! {
    /// What [`CoreMemory::segments_up_to`] found last: mostly the same stack is read again.
    static LAST: Cell<usize> = const { Cell::new(0) };
}

impl CoreMemory {
    /// How many segments start at the address or before.
    fn segments_up_to(&self, address: RunAddr) -> usize {
        let last = LAST.get();
        let begins_before =
            last.checked_sub(1).and_then(|index| self.starts.get(index)).is_some_and(|start| *start <= address.0);
        if begins_before && self.starts.get(last).is_none_or(|next| *next > address.0) {
            return last;
        }
        let found = self.starts.partition_point(|start| *start <= address.0);
        LAST.set(found);
        found
    }
}

impl Memory for CoreMemory {
    fn piece(&self, address: RunAddr, limit: usize) -> Result<&[u8], ReadError> {
        let missing = |reason| Err(ReadError { address, reason });
        let after = self.segments_up_to(address);
        let Some(segment) = after.checked_sub(1).and_then(|index| self.segments.get(index)) else {
            return missing(self.reason_elsewhere(address));
        };
        let inside = address.0 - self.starts[after - 1];
        if inside < segment.held {
            let length = usize::try_from(segment.held - inside).unwrap_or(usize::MAX).min(limit);
            let piece = self.stored(address, segment.offset + inside as usize, length);
            return piece.ok_or(ReadError { address, reason: MissingReason::NotSaved });
        }
        match inside {
            _ if inside >= segment.size => missing(self.reason_elsewhere(address)),
            _ if inside < segment.named => missing(MissingReason::Truncated),
            _ => missing(MissingReason::NotSaved),
        }
    }
}

/// Start, segment, PF_ flags.
pub(super) type FlaggedSegment = (u64, Segment, u32);

/// Sorted by address, each cut at the next one's start.
pub(super) fn without_overlaps(mut segments: Vec<FlaggedSegment>) -> Vec<FlaggedSegment> {
    if !segments.is_sorted_by_key(|(start, ..)| *start) {
        segments.sort_by_key(|(start, ..)| *start);
    }
    for index in 1..segments.len() {
        let next = segments[index].0;
        let (start, segment, _) = &mut segments[index - 1];
        let room = next - *start;
        segment.size = segment.size.min(room);
        segment.named = segment.named.min(room);
        segment.held = segment.held.min(room);
    }
    segments.retain(|(_, segment, _)| segment.size > 0);
    segments
}

/// The parts of `start..end` that no segment covers, ascending.
pub(super) fn gaps(segments: &[FlaggedSegment], start: u64, end: u64) -> Vec<(u64, u64)> {
    let mut gaps = Vec::new();
    let mut at = start;
    let first = segments.partition_point(|(from, segment, _)| from + segment.size <= start);
    for (from, segment, _) in &segments[first..] {
        if *from >= end || at >= end {
            break;
        }
        if *from > at {
            gaps.push((at, *from));
        }
        at = at.max(from + segment.size);
    }
    if at < end {
        gaps.push((at, end));
    }
    gaps
}
