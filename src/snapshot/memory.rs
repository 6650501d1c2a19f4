//! The memory that is kept: a core of what was read, secrets masked, threads that do the same beside each other.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::archive::{self, Packed};
use super::look::{Looked, RED_ZONE};
use super::privacy::{self, Piece};
use super::{Privacy, Redaction};
use crate::addr::RunAddr;
use crate::image::note_writer::{MEMORY_TAGS, Notes};
use crate::image::snapshot::format;
use crate::image::snapshot::relative::{self, Place};
use crate::image::{Image, TAG_GRANULE, elf_writer};
use crate::order::Order;
use crate::session::Session;
use crate::session::record::ReadSet;

/// Bytes around a piece of memory that are looked at for what names a secret.
const AROUND_SECRETS: u64 = 128;
/// Holes that are no wider than this are kept too: a segment's header costs as much.
const JOINED: u64 = 64;
/// Bytes on either side of a fault whose memory's tags are kept.
const TAGGED_NEARBY: u64 = 512;
/// Memory of more bytes than this is written with relative words.
const LARGE: u64 = 256 << 10;

/// The packed core.
pub struct Core {
    /// The part.
    pub part: Packed,
    /// Bytes of memory in it.
    pub kept: u64,
    /// Secrets that were masked.
    pub masked: u64,
    /// What was left out for privacy, by reason.
    pub left_out: BTreeMap<String, u64>,
}

/// An ELF core of what was read.
pub fn core(
    session: &Session,
    reads: &ReadSet,
    looked: &Looked,
    redaction: Option<&Redaction>,
    privacy: Privacy,
) -> std::io::Result<Core> {
    let mut pieces = pieces(session, reads);
    let mut left_out = BTreeMap::new();
    let mut notes: Vec<u8> = session.image.raw_notes.concat();
    let mut masked = 0;
    if let Some(redaction) = redaction {
        masked += redaction.mask(&mut notes);
        masked += pieces.par_iter_mut().map(|(at, _, bytes)| mask_piece(session, redaction, *at, bytes)).sum::<u64>();
    }
    if privacy.is_on() {
        pieces = privacy::apply(session, privacy, pieces, &mut left_out);
    }
    if privacy.scalars {
        notes = privacy::notes_without_scalars(&session.image, &notes);
    }
    notes.extend(tags_at_fault(&session.image));
    let kept = pieces.iter().map(|(.., bytes)| bytes.len() as u64).sum();
    let arch = session.image.arch;
    let part = if kept > LARGE && arch.address_size() == 8 {
        relative(session, &notes, &pieces, looked)?
    } else {
        archive::pack_in_frames(format::CORE, &elf_writer::core(arch, &notes, &pieces))?
    };
    Ok(Core { part, kept, masked, left_out })
}

/// A note of the tags of the memory around the address that the signal tells.
fn tags_at_fault(image: &Image) -> Vec<u8> {
    let Some(fault) = image.signal.as_ref().and_then(|signal| signal.address) else { return Vec::new() };
    let plain = image.arch.strip_pointer(fault.0);
    // Two tags a byte.
    let low = (plain / (2 * TAG_GRANULE) * (2 * TAG_GRANULE)).saturating_sub(TAGGED_NEARBY);
    let tag = |granule: u64| image.memory_tag(RunAddr(low.checked_add(granule * TAG_GRANULE)?));
    let count = 2 * TAGGED_NEARBY / TAG_GRANULE;
    // From the mapping's start on, as far as they are known without a gap.
    let Some(first) = (0..count).step_by(2).find(|granule| tag(*granule).is_some()) else { return Vec::new() };
    let start = low.saturating_add(first * TAG_GRANULE);
    let known: Vec<u8> = (first..count).map_while(tag).collect();
    let pairs = known.chunks_exact(2).filter_map(|pair| Some(pair.first()? | pair.last()? << 4));
    let mut content = start.to_le_bytes().to_vec();
    content.extend(pairs);
    if content.len() == 8 {
        return Vec::new();
    }
    let mut notes = Notes::new(image.arch);
    notes.add(MEMORY_TAGS.0, MEMORY_TAGS.1, &content);
    notes.into_bytes()
}

/// What was read, ascending by address.
fn pieces(session: &Session, reads: &ReadSet) -> Vec<Piece> {
    let memory = session.memory();
    let mut pieces: Vec<Piece> = Vec::new();
    for (start, end) in reads.ranges(JOINED) {
        let mut at = start;
        while at < end {
            let Ok(piece) = memory.piece(RunAddr(at), (end - at) as usize) else {
                at += 8;
                continue;
            };
            let flags = session.image.mapping_at(RunAddr(at)).map_or(4, |mapping| mapping.flags);
            match pieces.last_mut() {
                Some((from, known, bytes)) if *from + bytes.len() as u64 == at && *known == flags => {
                    bytes.extend_from_slice(piece);
                }
                _ => pieces.push((at, flags, piece.to_vec())),
            }
            at += piece.len() as u64;
        }
    }
    pieces
}

/// The core with relative words, in frames of its beginning and of memory.
fn relative(session: &Session, notes: &[u8], pieces: &[Piece], looked: &Looked) -> std::io::Result<Packed> {
    let order = order(session, pieces, looked);
    let segments: Vec<(u64, u32, u64)> =
        pieces.iter().map(|(address, flags, bytes)| (*address, *flags, bytes.len() as u64)).collect();
    let (beginning, offsets) = elf_writer::core_beginning_in_order(session.image.arch, notes, &segments, &order);
    let mut memory: Vec<u8> = Vec::with_capacity(segments.iter().map(|(.., size)| *size as usize).sum());
    let mut places = Vec::with_capacity(pieces.len());
    for index in order {
        let (Some((address, _, bytes)), Some(offset)) = (pieces.get(index), offsets.get(index)) else { continue };
        places.push(Place { offset: *offset, size: bytes.len() as u64, address: *address });
        memory.extend_from_slice(bytes);
    }
    archive::pack_relative(format::RELATIVE_CORE, &beginning, &mut memory, |bytes, offset| {
        relative::exchange(bytes, offset, &places);
    })
}

/// The order of the pieces in the file: what the crashed thread's answers are made from, the stacks of the others, those
/// that are alike beside each other, then all else.
fn order(session: &Session, pieces: &[Piece], looked: &Looked) -> Vec<usize> {
    let threads = session.image.threads.iter().zip(&looked.traces);
    let mut threads: Vec<(Vec<u64>, u64)> = threads
        .filter_map(|(thread, trace)| {
            let sp = thread.registers.get(session.image.arch.sp())?;
            // From the outermost frame on, as threads that do the same begin alike.
            let pcs = trace.stack.frames.iter().rev().map(|frame| frame.pc.0).collect();
            Some((pcs, sp.saturating_sub(RED_ZONE)))
        })
        .collect();
    threads.sort_unstable();
    // Where stacks begin, by address, and each one's rank.
    let mut starts: Vec<(u64, usize)> = threads.iter().enumerate().map(|(rank, (.., start))| (*start, rank)).collect();
    starts.sort_unstable();
    let rank = |piece: &Piece| {
        let end = piece.0.saturating_add(piece.2.len() as u64);
        let first = looked.crashed.partition_point(|(_, end)| *end <= piece.0);
        if looked.crashed.get(first).is_some_and(|(start, _)| *start < end) {
            return 0;
        }
        let before = starts.partition_point(|(start, _)| *start <= piece.0).checked_sub(1);
        let found = before.and_then(|index| starts.get(index));
        found.filter(|(start, _)| piece.0 - start < STACK_SPAN).map_or(usize::MAX, |(_, rank)| rank + 1)
    };
    let ranks: Vec<usize> = pieces.iter().map(rank).collect();
    let mut order: Vec<usize> = (0..pieces.len()).collect();
    order.order_by_key(|index| ranks.get(*index));
    order
}

/// How far from the innermost frame a piece counts as the thread's stack.
const STACK_SPAN: u64 = 256 << 10;

/// Masks secrets in a piece of memory; what names one may stand before the piece, and one may go on behind it.
fn mask_piece(session: &Session, redaction: &Redaction, start: u64, bytes: &mut [u8]) -> u64 {
    let memory = session.memory();
    let around = |from: u64, length: u64| {
        let mut found = Vec::new();
        while (found.len() as u64) < length {
            let at = RunAddr(from.saturating_add(found.len() as u64));
            // Looking around keeps nothing.
            let Ok(piece) = memory.window(at, (length - found.len() as u64) as usize) else { break };
            found.extend_from_slice(piece);
        }
        found
    };
    let before = around(start.saturating_sub(AROUND_SECRETS), AROUND_SECRETS.min(start));
    let before = if before.len() as u64 == AROUND_SECRETS { before } else { Vec::new() };
    let behind = around(start.saturating_add(bytes.len() as u64), AROUND_SECRETS);
    let mut whole = [&before[..], bytes, &behind].concat();
    let masked = redaction.mask_within(&mut whole, before.len()..before.len() + bytes.len());
    bytes.copy_from_slice(&whole[before.len()..before.len() + bytes.len()]);
    masked
}
