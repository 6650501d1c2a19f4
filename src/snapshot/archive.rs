//! The file: a tar archive, its header first, so that one small read from its start tells what it is.

use std::io;

use rayon::prelude::*;

use crate::image::snapshot::format::{HEADER, Header, Part};
use crate::parallel;

/// zstd's level: beyond it little is won and much time lost.
const LEVEL: i32 = 9;

/// Bytes of a frame of a large part before they are packed.
const FRAME: usize = 1 << 20;

/// A part to be written.
pub struct Packed {
    name: String,
    unpacked: u64,
    bytes: Vec<u8>,
}

impl Packed {
    /// The part's name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Compresses a part; its name tells so by `.zst`.
pub fn pack(name: &str, content: &[u8]) -> io::Result<Packed> {
    let bytes = zstd::bulk::compress(content, LEVEL)?;
    Ok(Packed { name: name.to_owned(), unpacked: content.len() as u64, bytes })
}

/// Compresses a large part in frames that can be unpacked one by one; together they are one stream.
pub fn pack_in_frames(name: &str, content: &[u8]) -> io::Result<Packed> {
    Ok(Packed { name: name.to_owned(), unpacked: content.len() as u64, bytes: frames(content)?.concat() })
}

fn frames(content: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    let frames: Vec<&[u8]> = content.chunks(FRAME).collect();
    parallel::map(&frames, |frame| zstd::bulk::compress(frame, LEVEL)).into_iter().collect()
}

/// Bytes of a frame of memory with relative words: smaller, as who asks for one thread needs one or two.
const SMALL_FRAME: usize = 256 << 10;

/// Compresses a core whose memory has relative words, in frames: its beginning's, and then the memory's. `exchange` does
/// so with a frame's bytes, which begin at an offset in the core.
pub fn pack_relative(
    name: &str,
    beginning: &[u8],
    memory: &mut [u8],
    exchange: impl Fn(&mut [u8], u64) + Sync,
) -> io::Result<Packed> {
    let unpacked = (beginning.len() + memory.len()) as u64;
    let mut frames = frames(beginning)?;
    let of_memory = memory.par_chunks_mut(SMALL_FRAME).enumerate().map(|(number, frame)| {
        exchange(frame, (beginning.len() + number * SMALL_FRAME) as u64);
        zstd::bulk::compress(frame, LEVEL)
    });
    frames.extend(of_memory.collect::<io::Result<Vec<Vec<u8>>>>()?);
    Ok(Packed { name: name.to_owned(), unpacked, bytes: frames.concat() })
}

/// Puts the file together.
pub fn write(mut header: Header, parts: &[Packed]) -> io::Result<Vec<u8>> {
    header.parts = parts
        .iter()
        .map(|part| Part {
            name: part.name.clone(),
            bytes: part.bytes.len() as u64,
            unpacked: part.unpacked,
            crc32: format!("{:08x}", crc32fast::hash(&part.bytes)),
        })
        .collect();
    let mut archive = tar::Builder::new(Vec::new());
    let mut text = serde_json::to_vec_pretty(&header)?;
    text.push(b'\n');
    append(&mut archive, HEADER, &text)?;
    for part in parts {
        append(&mut archive, &part.name, &part.bytes)?;
    }
    archive.into_inner()
}

fn append(archive: &mut tar::Builder<Vec<u8>>, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_entry_type(tar::EntryType::Regular);
    archive.append_data(&mut header, name, bytes)
}
