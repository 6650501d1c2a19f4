//! A core's bytes out of its file: mapped where it is plain, else decompressed into a file without a name.
//!
//! Compression is recognised by the content, not by the file's name. A compressed core is a stream, but everything
//! that reads a core jumps about in it, so it is decompressed once; runs of zeros become holes, so that a sparse core
//! takes no more room than its data. A stream that ends early gives what it held, and a note.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::image::{ImageError, Note};
use crate::mapped;

/// No core is larger: what decompresses to more is not followed further.
const MAX_LOGICAL: u64 = 1 << 40;
/// No more bytes other than zeros are written to the disk.
const MAX_WRITTEN: u64 = 64 << 30;
/// KiB that an xz decoder may take; `xz -9` needs 65 MiB.
const XZ_MEMORY_KIB: u32 = 512 << 10;
/// Zeros become holes in units of this size.
const BLOCK: usize = 4096;
/// Blocks that are read before they are written.
const BLOCKS: usize = 256;

/// The core's bytes and what was odd about getting them.
pub fn load(path: &Path) -> Result<(&'static [u8], Vec<Note>), ImageError> {
    let io_error = |source| ImageError::Io { path: path.to_owned(), source };
    let not_a_core = |problem: String| ImageError::NotACore { path: path.to_owned(), problem };
    let mut file = File::open(path).map_err(io_error)?;
    let kind = file.metadata().map_err(io_error)?.file_type();
    if kind.is_dir() {
        return Err(not_a_core("is a directory, not a core".into()));
    }
    let streamed = kind.is_fifo() || kind.is_char_device() || kind.is_socket();
    if streamed {
        let mut start = Vec::new();
        file.by_ref().take(8).read_to_end(&mut start).map_err(io_error)?;
        let format = Format::of(&start);
        return spool(path, io::Cursor::new(start).chain(file), format);
    }
    let bytes = mapped::map_file(&file).map_err(io_error)?;
    match Format::of(bytes) {
        Format::Plain => {
            mapped::expect_scattered_reads(bytes);
            Ok((bytes, Vec::new()))
        }
        format => spool(path, bytes, format),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Plain,
    Gzip,
    Zstd,
    Xz,
    Lz4,
}

impl Format {
    /// By the magic numbers of RFC 1952, RFC 8878 (a skippable frame may come first), the .xz file format 1.2.1 and
    /// the LZ4 frame format 1.6.4 (and its legacy frame).
    fn of(start: &[u8]) -> Format {
        match start {
            [0x1f, 0x8b, ..] => Format::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Format::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Format::Xz,
            [0x04, 0x22, 0x4d, 0x18, ..] | [0x02, 0x21, 0x4c, 0x18, ..] => Format::Lz4,
            _ => Format::Plain,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Format::Plain => "stream",
            Format::Gzip => "gzip",
            Format::Zstd => "zstd",
            Format::Xz => "xz",
            Format::Lz4 => "lz4",
        }
    }
}

fn spool(path: &Path, input: impl Read + 'static, format: Format) -> Result<(&'static [u8], Vec<Note>), ImageError> {
    let mut reader: Box<dyn Read> = match format {
        Format::Plain => Box::new(input),
        Format::Gzip => Box::new(flate2::read::MultiGzDecoder::new(input)),
        Format::Zstd => Box::new(
            zstd::stream::read::Decoder::new(input)
                .map_err(|source| ImageError::Io { path: path.to_owned(), source })?,
        ),
        Format::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(input, true, XZ_MEMORY_KIB)),
        Format::Lz4 => Box::new(lz4_flex::frame::FrameDecoder::new(input)),
    };
    // The first bytes tell whether the rest is worth anything.
    let mut start = Vec::new();
    let first = reader.by_ref().take(BLOCK as u64).read_to_end(&mut start);
    if !start.starts_with(b"\x7fELF") && !crate::image::minidump::is_minidump(&start) {
        let problem = match first {
            Err(error) if start.len() < 4 => format!("cannot be decompressed as {}: {error}", format.name()),
            _ if format == Format::Plain => "is a stream of something that is no ELF core".to_owned(),
            _ => format!("is a {} of something that is no ELF core", format.name()),
        };
        return Err(ImageError::NotACore { path: path.to_owned(), problem });
    }
    let directory = spool_directory();
    let spool_error = |source| ImageError::Spool { path: path.to_owned(), directory: directory.clone(), source };
    let file = unlinked_file(&directory).map_err(spool_error)?;
    let failed = first.err();
    let rest = if failed.is_some() { Box::new(io::empty()) } else { reader };
    let copied = copy_sparse(io::Cursor::new(start).chain(rest), &file, failed).map_err(spool_error)?;
    let bytes = mapped::map_file(&file).map_err(spool_error)?;
    let notes = copied.stopped.map(|why| Note {
        code: "compressed-truncated",
        message: format!(
            "{}: the {} stream ends early ({why}); the first {} bytes of the core are there",
            path.display(),
            format.name(),
            copied.length
        ),
    });
    Ok((bytes, notes.into_iter().collect()))
}

/// TMPDIR, else /var/tmp: cores are large, and /tmp is memory on many systems (file-hierarchy(7)).
fn spool_directory() -> PathBuf {
    match std::env::var_os("TMPDIR") {
        Some(directory) if !directory.is_empty() => directory.into(),
        _ if Path::new("/var/tmp").is_dir() => "/var/tmp".into(),
        _ => std::env::temp_dir(),
    }
}

/// A new file that only this process can reach, and that is gone when it ends.
fn unlinked_file(directory: &Path) -> io::Result<File> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    for _ in 0..100 {
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        let nanos =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |now| now.subsec_nanos());
        let path = directory.join(format!(".obit-{}-{count}-{nanos}", std::process::id()));
        match OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => {
                std::fs::remove_file(&path)?;
                return Ok(file);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "no free name for a temporary file"))
}

struct Copied {
    length: u64,
    /// Why the input ended before its end.
    stopped: Option<String>,
}

/// Copies the input, leaving whole blocks of zeros out. Errors are the output's; the input's end the copy.
/// `known` is an error of the input that came up before.
fn copy_sparse(mut input: impl Read, output: &File, known: Option<io::Error>) -> io::Result<Copied> {
    let mut buffer = vec![0; BLOCK * BLOCKS];
    let mut copied = Copied { length: 0, stopped: None };
    let mut written = 0;
    while copied.stopped.is_none() {
        let mut filled = 0;
        while filled < buffer.len() {
            match input.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    copied.stopped = Some(error.to_string());
                    break;
                }
            }
        }
        // Neighbouring blocks with data go out in one write.
        let mut run_start = 0;
        let filled_bytes = &buffer[..filled];
        for (index, block) in filled_bytes.chunks(BLOCK).enumerate() {
            if block.iter().any(|byte| *byte != 0) {
                continue;
            }
            let at = index * BLOCK;
            output.write_all_at(&filled_bytes[run_start..at], copied.length + run_start as u64)?;
            written += (at - run_start) as u64;
            run_start = at + block.len();
        }
        output.write_all_at(&filled_bytes[run_start..], copied.length + run_start as u64)?;
        written += (filled - run_start) as u64;
        copied.length += filled as u64;
        if filled < buffer.len() {
            break;
        }
        if copied.length >= MAX_LOGICAL || written >= MAX_WRITTEN {
            copied.stopped = Some("it is larger than any core".to_owned());
        }
    }
    output.set_len(copied.length)?;
    copied.stopped = copied.stopped.or(known.map(|error| error.to_string()));
    Ok(copied)
}

#[cfg(test)]
#[path = "container_tests.rs"]
mod tests;
