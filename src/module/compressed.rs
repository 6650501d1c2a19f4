//! Decompression with bounds: a section's claimed size is never believed, only checked.

use std::borrow::Cow;
use std::io::Read;

/// What is not decompressed however it is claimed: 4 GiB.
pub const LARGEST: u64 = 4 << 30;

/// The most that a compressed byte is let grow to. Deflate cannot exceed 1032; zstd and xz can, in bombs.
const LARGEST_RATIO: u64 = 2048;

/// Small sections may be one repeated byte: this much is allowed whatever the ratio.
const RATIO_FREE: u64 = 1 << 20;

/// How bytes are compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Compression {
    /// RFC 1950 (ELFCOMPRESS_ZLIB, and the old `.zdebug_` sections).
    Zlib,
    /// RFC 8878 (ELFCOMPRESS_ZSTD).
    Zstd,
}

/// How a compressed section is so, its claimed size and its data. Elf32_Chdr is type, size, alignment (4 bytes each); Elf64_Chdr is type, reserved (4 each), size, alignment (8 each).
pub fn section_parts(
    bytes: &'static [u8],
    is_64: bool,
) -> Result<(Compression, u64, &'static [u8]), Cow<'static, str>> {
    let (kind, size, header) = if is_64 { (0..4, 8..16, 24) } else { (0..4, 4..8, 12) };
    let number = |at| bytes.get(at).map(|bytes: &[u8]| bytes.iter().rev().fold(0u64, |n, b| n << 8 | u64::from(*b)));
    let (Some(kind), Some(size), Some(data)) = (number(kind), number(size), bytes.get(header..)) else {
        return Err("ends in its header".into());
    };
    match kind {
        1 => Ok((Compression::Zlib, size, data)),
        2 => Ok((Compression::Zstd, size, data)),
        other => Err(format!("has unknown compression type {other}").into()),
    }
}

/// Decompresses `input`, which must give exactly `claimed` bytes.
pub fn decompress(compression: Compression, input: &[u8], claimed: u64) -> Result<Vec<u8>, String> {
    let allowed = allowed_size(input.len() as u64);
    if claimed > allowed {
        return Err(format!("claims {claimed} bytes from {} compressed ones", input.len()));
    }
    let output = match compression {
        Compression::Zlib => read_at_most(flate2::bufread::ZlibDecoder::new(input), claimed, input.len()),
        Compression::Zstd => {
            let decoder = zstd::stream::read::Decoder::with_buffer(input).and_then(|mut decoder| {
                // A window of 128 MiB is the most that decoders need to support (RFC 8878, section 3.1.1.1.2).
                decoder.window_log_max(27)?;
                Ok(decoder)
            });
            decoder.and_then(|decoder| read_at_most(decoder, claimed, input.len()))
        }
    };
    let output = output.map_err(|error| error.to_string())?;
    if output.len() as u64 != claimed {
        let more = if output.len() as u64 > claimed { "more" } else { "fewer" };
        return Err(format!("gives {more} bytes than the {claimed} that it claims"));
    }
    Ok(output)
}

/// Decompresses an xz stream of unknown size (`.gnu_debugdata`).
pub fn decompress_xz(input: &[u8]) -> Result<Vec<u8>, String> {
    // A dictionary of 64 MiB is what `xz -9` uses.
    const DICTIONARY_LIMIT_KIB: u32 = 80 << 10;
    let allowed = allowed_size(input.len() as u64);
    let reader = lzma_rust2::XzReader::new_mem_limit(input, true, DICTIONARY_LIMIT_KIB);
    let output = read_at_most(reader, allowed, input.len()).map_err(|error| error.to_string())?;
    if output.len() as u64 > allowed {
        return Err(format!("gives more than {allowed} bytes"));
    }
    Ok(output)
}

fn allowed_size(compressed: u64) -> u64 {
    compressed.saturating_mul(LARGEST_RATIO).saturating_add(RATIO_FREE).min(LARGEST)
}

/// Reads one byte more than `limit`, so that the caller sees an excess. The buffer grows as bytes come.
fn read_at_most(reader: impl Read, limit: u64, input_length: usize) -> std::io::Result<Vec<u8>> {
    let likely = (input_length as u64).saturating_mul(4).min(limit) as usize;
    let mut output = Vec::with_capacity(likely);
    reader.take(limit.saturating_add(1)).read_to_end(&mut output)?;
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn gives_the_bytes_back() {
        let bytes = b"some debug info, some debug info".repeat(100);
        assert_eq!(decompress(Compression::Zlib, &zlib(&bytes), bytes.len() as u64), Ok(bytes.clone()));
        let zstd = zstd::bulk::compress(&bytes, 3).unwrap();
        assert_eq!(decompress(Compression::Zstd, &zstd, bytes.len() as u64), Ok(bytes));
    }

    #[test]
    fn refuses_a_size_that_is_not_what_comes() {
        let bytes = vec![7; 1000];
        for compressed in
            [(Compression::Zlib, zlib(&bytes)), (Compression::Zstd, zstd::bulk::compress(&bytes, 3).unwrap())]
        {
            let (kind, data) = compressed;
            assert!(decompress(kind, &data, 999).unwrap_err().contains("more bytes"));
            assert!(decompress(kind, &data, 1001).unwrap_err().contains("fewer bytes"));
            assert!(decompress(kind, &data, u64::MAX).unwrap_err().contains("claims"));
            assert!(decompress(kind, &data[..data.len() / 2], 1000).is_err());
        }
    }

    #[test]
    fn stops_a_bomb() {
        let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 19).unwrap();
        assert!(bomb.len() < 16 << 10, "{}", bomb.len());
        assert!(decompress(Compression::Zstd, &bomb, 64 << 20).unwrap_err().contains("claims"));
        assert!(decompress_xz(b"not xz").is_err());
    }
}
