//! A minidump's directory, and what its streams hold: every read is bounded by the file, and a damaged entry costs
//! itself alone.
//!
//! Layouts: crate `minidump-common` 0.27 (its `format`), after Microsoft's minidumpapiset.h and the extensions of
//! Breakpad (google_breakpad/common/minidump_format.h) and Crashpad (minidump/minidump_extensions.h).

use std::collections::BTreeMap;

use minidump_common::format::{
    MINIDUMP_DIRECTORY, MINIDUMP_HEADER, MINIDUMP_LOCATION_DESCRIPTOR, MINIDUMP_SIGNATURE, MINIDUMP_STREAM_TYPE,
};
use scroll::ctx::{SizeWith, TryFromCtx};
use scroll::{Endian, LE, Pread};

/// Streams of a file, at most; real ones have a dozen or two.
const MAX_STREAMS: usize = 4096;
/// Bytes of a string (a path is at most 4096 bytes, and these have two bytes for one).
const MAX_STRING: usize = 8 << 10;

/// A minidump's bytes, taken apart as far as its directory.
pub struct Streams {
    bytes: &'static [u8],
    /// The first of each kind: offset and size.
    places: BTreeMap<u32, MINIDUMP_LOCATION_DESCRIPTOR>,
    /// When it was written, in seconds since 1970; `None` where the file says 0.
    pub time: Option<u64>,
    /// Whether something that the file names lies beyond its end.
    pub cut: bool,
}

/// Whether a file that starts so is a minidump.
pub fn is_minidump(start: &[u8]) -> bool {
    start.starts_with(b"MDMP") || start.starts_with(b"PMDM")
}

impl Streams {
    /// Reads header and directory.
    pub fn read(bytes: &'static [u8]) -> Result<Streams, String> {
        if bytes.starts_with(b"PMDM") {
            return Err("is a minidump of a big-endian machine, which cannot be read".into());
        }
        let header: MINIDUMP_HEADER = bytes.pread_with(0, LE).map_err(|_| "is a minidump cut within its header")?;
        if header.signature != MINIDUMP_SIGNATURE {
            return Err("is no minidump".into());
        }
        let size = MINIDUMP_DIRECTORY::size_with(&LE);
        let mut streams = Streams {
            bytes,
            places: BTreeMap::new(),
            time: Some(u64::from(header.time_date_stamp)).filter(|time| *time != 0),
            cut: false,
        };
        let wanted = header.stream_count as usize;
        for index in 0..wanted.min(MAX_STREAMS) {
            let at = (header.stream_directory_rva as usize).checked_add(index * size);
            let Some(entry) = at.and_then(|at| bytes.pread_with::<MINIDUMP_DIRECTORY>(at, LE).ok()) else {
                streams.cut = true;
                break;
            };
            let end = u64::from(entry.location.rva) + u64::from(entry.location.data_size);
            streams.cut |= end > bytes.len() as u64;
            streams.places.entry(entry.stream_type).or_insert(entry.location);
        }
        Ok(streams)
    }

    /// A stream's bytes, as many as the file has.
    pub fn stream(&self, kind: MINIDUMP_STREAM_TYPE) -> Option<&'static [u8]> {
        self.places.get(&u32::from(kind)).map(|place| self.at(place))
    }

    /// A stream whose content is one structure.
    pub fn structure<T: for<'a> TryFromCtx<'a, Endian, Error = scroll::Error>>(
        &self,
        kind: MINIDUMP_STREAM_TYPE,
    ) -> Option<T> {
        self.stream(kind)?.pread_with(0, LE).ok()
    }

    /// The entries of a stream that begins with their number: at most as many as the file has bytes for. Some writers
    /// align the first to 8 bytes.
    pub fn list<T>(&mut self, kind: MINIDUMP_STREAM_TYPE) -> Vec<T>
    where
        T: for<'a> TryFromCtx<'a, Endian, Error = scroll::Error> + SizeWith<Endian>,
    {
        let Some(place) = self.places.get(&u32::from(kind)).copied() else { return Vec::new() };
        let bytes = self.at(&place);
        let Ok(count) = bytes.pread_with::<u32>(0, LE) else { return Vec::new() };
        let size = T::size_with(&LE).max(1);
        let padded = u64::from(place.data_size) == 8 + u64::from(count) * size as u64;
        let entries = bytes.get(if padded { 8 } else { 4 }..).unwrap_or_default();
        let whole = entries.chunks_exact(size).take(count as usize);
        self.cut |= whole.len() < count as usize;
        whole.filter_map(|entry| entry.pread_with(0, LE).ok()).collect()
    }

    /// What a location names, as far as the file has it.
    pub fn at(&self, place: &MINIDUMP_LOCATION_DESCRIPTOR) -> &'static [u8] {
        let rest = self.bytes.get(place.rva as usize..).unwrap_or_default();
        &rest[..rest.len().min(place.data_size as usize)]
    }

    /// MINIDUMP_STRING: bytes, then UTF-16.
    pub fn string(&self, offset: u64) -> Option<String> {
        let at = usize::try_from(offset).ok().filter(|at| *at != 0)?;
        let size = self.bytes.pread_with::<u32>(at, LE).ok()? as usize;
        let content = self.bytes.get(at.checked_add(4)?..)?;
        let content = &content[..content.len().min(size).min(MAX_STRING)];
        let units = content.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        let text: String = char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        let text = text.trim_end_matches('\0');
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// All the file's bytes.
    pub fn bytes(&self) -> &'static [u8] {
        self.bytes
    }
}
