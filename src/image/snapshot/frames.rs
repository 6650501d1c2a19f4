//! A part that is packed in frames, each of which stands for itself (RFC 8878, 3.1): what is looked at is unpacked, and
//! the rest of a large core costs nothing. Ordinary tools unpack such a part as one.

use std::sync::OnceLock;

use zstd::zstd_safe;

use super::LARGEST_RATIO;
use super::relative::{self, Place};
use crate::mapped;

/// A frame that unpacks to more is not one that was made to be read by itself.
const LARGEST_FRAME: usize = 16 << 20;
/// What unpacks to no more may be packed as well as it likes: room is made for it at once.
const SMALL_FRAME: usize = 1 << 20;
/// Frames of a part.
const MOST_FRAMES: usize = 1 << 12;

/// The frames of a part.
pub struct Frames {
    /// Where in the unpacked part each begins, ascending.
    starts: Vec<usize>,
    frames: Vec<Frame>,
    length: usize,
    /// Memory whose words are relative to their own address.
    relative: Vec<Place>,
}

struct Frame {
    packed: &'static [u8],
    size: usize,
    /// As mapped files, what was unpacked lives until the process ends. `None` inside: it is damaged.
    content: OnceLock<Option<&'static [u8]>>,
}

impl Frames {
    /// The frames of a part that is whole. None where it has just one or where one does not say its size: such a part
    /// is unpacked at once.
    pub fn of(packed: &'static [u8], limit: u64) -> Option<Frames> {
        let (frames, is_whole) = Frames::intact(packed, limit);
        (is_whole && frames.frames.len() > 1).then_some(frames)
    }

    /// The frames up to the first that is cut, too large or without its size, and whether these are all.
    pub fn intact(packed: &'static [u8], limit: u64) -> (Frames, bool) {
        let mut frames = Frames { starts: Vec::new(), frames: Vec::new(), length: 0, relative: Vec::new() };
        let mut rest = packed;
        while !rest.is_empty() {
            let Some((frame, length)) = Frame::first(rest, limit.saturating_sub(frames.length as u64)) else { break };
            if frames.frames.len() >= MOST_FRAMES {
                break;
            }
            frames.starts.push(frames.length);
            frames.length += frame.size;
            frames.frames.push(frame);
            rest = rest.get(length..).unwrap_or_default();
        }
        (frames, rest.is_empty())
    }

    /// The same frames, in which these pieces of memory (ascending by offset) have relative words.
    pub fn with_relative_words(mut self, places: Vec<Place>) -> Frames {
        self.relative = places;
        // What was unpacked before has them as they are in the file.
        self.frames.iter_mut().for_each(|frame| frame.content = OnceLock::new());
        self
    }

    /// Bytes of the unpacked part.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Bytes from an offset on, to the end of the frame at most.
    pub fn piece(&self, offset: usize, limit: usize) -> Option<&'static [u8]> {
        let index = self.starts.partition_point(|start| *start <= offset).checked_sub(1)?;
        let frame = self.frames.get(index)?;
        let start = *self.starts.get(index)?;
        let content = (*frame.content.get_or_init(|| {
            let content = mapped::room(frame.size)?;
            let size = zstd::bulk::decompress_to_buffer(frame.packed, content).ok()?;
            relative::exchange(content, start as u64, &self.relative);
            (size == frame.size).then_some(&*content)
        }))?;
        let rest = content.get(offset - start..)?;
        rest.get(..rest.len().min(limit)).filter(|piece| !piece.is_empty())
    }

    /// Unpacks the first frames behind each other, as many as hold `length` bytes, as they are in the file. `known` is
    /// what an earlier call gave for the same place: bytes of whole frames, which are in it.
    pub fn unpack_first(&self, place: &mut [u8], known: usize, length: usize) -> Option<usize> {
        let of = |length: usize| self.starts.partition_point(|start| *start < length.min(self.length));
        let mut unpacker = zstd::bulk::Decompressor::new().ok()?;
        let mut end = known;
        for frame in self.frames.get(of(known)..of(length))? {
            let place = place.get_mut(end..end.checked_add(frame.size)?)?;
            if unpacker.decompress_to_buffer(frame.packed, place).ok()? != frame.size {
                return None;
            }
            end += frame.size;
        }
        (end >= length).then_some(end)
    }

    /// The part's first bytes.
    pub fn beginning(&self, length: usize) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        while bytes.len() < length.min(self.length) {
            bytes.extend_from_slice(self.piece(bytes.len(), length - bytes.len())?);
        }
        Some(bytes)
    }
}

impl Frame {
    /// The frame that these bytes begin with, if it unpacks to no more than `limit`, and its length.
    fn first(packed: &'static [u8], limit: u64) -> Option<(Frame, usize)> {
        let length = zstd_safe::find_frame_compressed_size(packed).ok()?;
        let packed = packed.get(..length).filter(|packed| !packed.is_empty())?;
        let size = usize::try_from(zstd_safe::get_frame_content_size(packed).ok()??).ok()?;
        let is_bomb = size > SMALL_FRAME && size / LARGEST_RATIO > packed.len();
        let fits = size <= LARGEST_FRAME && size as u64 <= limit && !is_bomb;
        fits.then(|| (Frame { packed, size, content: OnceLock::new() }, length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::RunAddr;
    use crate::arch::Arch;
    use crate::image::elf_core::{self, Source};
    use crate::image::test_core::CoreBuilder;
    use crate::memory::Memory;
    use std::path::Path;
    use std::sync::Arc;

    fn packed(content: &[u8], frame: usize) -> &'static [u8] {
        let frames: Vec<Vec<u8>> = content.chunks(frame).map(|frame| zstd::bulk::compress(frame, 3).unwrap()).collect();
        frames.concat().leak()
    }

    #[test]
    fn a_packed_core_reads_as_the_plain_one() {
        let memory: Vec<u8> = (0..40_000u32).map(|number| (number * 7 / 3) as u8).collect();
        let mut core = CoreBuilder::new(Arch::X86_64).thread(7, 11, &[]);
        for start in [0x10_0000, 0x20_0000, 0x20_9c40] {
            core = core.load(start, 6, &memory, memory.len() as u64);
        }
        let plain = core.build();
        // The headers and notes lie in one frame, or in several.
        for size in [100, 1000, 30_000] {
            let frames = Frames::of(packed(&plain, size), 1 << 20).unwrap();
            assert_eq!(frames.length(), plain.len());
            assert_eq!(frames.beginning(plain.len()).unwrap(), plain);
            assert_eq!(frames.beginning(usize::MAX), Some(plain.clone()));
            let mut place = vec![0; plain.len()];
            let mut known = 0;
            for length in [1, 300, 20_000, plain.len()] {
                known = frames.unpack_first(&mut place, known, length).unwrap();
                assert!(known >= length && plain.starts_with(&place[..known]));
            }
            assert_eq!(frames.unpack_first(&mut place, known, plain.len() + 1), None);
            let end = elf_core::end_of_notes(&plain).unwrap() as usize;
            let beginning = frames.beginning(end).unwrap().leak();
            let source = Source::Packed(Arc::new(frames));
            let image = elf_core::parse_beginning(Path::new("x.obit"), beginning, source, None, Vec::new()).unwrap();
            assert_eq!((image.threads.len(), image.threads[0].lwp, image.notes.len()), (1, 7, 0));
            assert_eq!(image.memory.read_vec(RunAddr(0x20_0000), 80_000).unwrap(), [&memory[..], &memory].concat());
            assert!(image.memory.read_vec(RunAddr(0x20_0000), 80_001).is_err());
            let held: usize = image.memory.held().map(|(_, bytes)| bytes.len()).sum();
            assert_eq!(held, 3 * memory.len());
        }
    }

    #[test]
    fn what_is_not_made_of_frames_or_damaged_is_none() {
        let content = vec![5; 3000];
        assert!(Frames::of(packed(&content, 3000), 1 << 20).is_none(), "one frame");
        assert!(Frames::of(packed(&content, 1000), 2999).is_none(), "larger than the limit");
        let frames = packed(&content, 1000);
        assert!(Frames::of(&frames[..frames.len() - 1], 1 << 20).is_none(), "cut");
        assert!(Frames::of(b"no frame at all", 1 << 20).is_none());
        let mut damaged = frames.to_vec();
        *damaged.last_mut().unwrap() ^= 0xff;
        if let Some(frames) = Frames::of(damaged.leak(), 1 << 20) {
            assert!(frames.piece(0, 10).is_some());
            assert!(frames.piece(2500, 10).is_none_or(|piece| piece.len() <= 10));
            assert!(frames.piece(3000, 10).is_none());
        }
    }
}
