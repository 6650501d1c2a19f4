//! Maps files into memory: the only `unsafe` of reading.
//!
//! A mapping lives until the process ends: it is leaked on purpose, so that slices of it are `&'static` and can be
//! handed to every reader without a lifetime. A debugger opens few files, none of them twice, and address space is
//! plenty; nothing is read before it is touched, so a core of many gigabytes costs no more than a small one.
//!
//! A file that somebody shortens while it is mapped raises SIGBUS at the next touch of its lost pages, as with every
//! program that maps files. Cores and installed programs are replaced rather than rewritten, so this is accepted.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// The file's bytes. An empty file gives an empty slice. Anything but a regular file is an error, and is not opened:
/// paths come out of cores and debug information, and opening a pipe waits for somebody to write to it.
pub fn map(path: &Path) -> io::Result<&'static [u8]> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    map_file(&File::open(path)?)
}

/// The bytes of an opened file, as [`map`].
pub fn map_file(file: &File) -> io::Result<&'static [u8]> {
    if file.metadata()?.len() == 0 {
        return Ok(&[]);
    }
    // SAFETY: the mapping is private and read-only, so nothing in this process writes to it, and it is never
    // unmapped, so the slice is valid for 'static. Another process that writes to the file can change bytes under
    // readers (bytes are checked where they are used, never trusted twice) or shorten it (SIGBUS, see above).
    let mapping = unsafe { memmap2::Mmap::map(file)? };
    let mapping: &'static memmap2::Mmap = Box::leak(Box::new(mapping));
    MAPPINGS.lock().expect("not poisoned").push(mapping);
    Ok(mapping)
}

/// Says that the mapped bytes are read here and there: without it, each touch of a sparse core's hole makes the
/// system fill a window of pages around it with zeros.
pub fn expect_scattered_reads(bytes: &'static [u8]) {
    if let Some((mapping, ..)) = mapping_of(bytes) {
        // Advice: an answer that it was not taken changes nothing.
        let _ = mapping.advise(memmap2::Advice::Random);
    }
}

/// Gives the memory of mapped bytes back to the system; they are read again when they are touched again. Does
/// nothing to bytes that are not a file's.
pub fn release(bytes: &'static [u8]) {
    let Some((mapping, offset, length)) = mapping_of(bytes) else { return };
    // SAFETY: the mapping is of a file, private and never written to, so that what is dropped here comes back as it
    // was from the file at the next touch.
    let _ = unsafe { mapping.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, offset, length) };
}

/// Memory of zeros for what is unpacked and then kept until the process ends. None where the system has none left.
///
/// Pages of 4 KiB, each given when it is first touched, cost more than unpacking into them: large pieces lie together in
/// pages as large as the system has.
pub fn room(length: usize) -> Option<&'static mut [u8]> {
    if length < SMALL_ROOM {
        return Some(vec![0; length].leak());
    }
    let mut left = ROOM.lock().expect("not poisoned");
    if left.len() < length {
        let mapping = memmap2::MmapMut::map_anon(length.max(ROOM_AT_ONCE)).ok()?;
        // Advice: an answer that it was not taken changes nothing.
        let _ = mapping.advise(memmap2::Advice::HugePage);
        let mapping: &'static mut memmap2::MmapMut = Box::leak(Box::new(mapping));
        *left = mapping;
    }
    let (piece, rest) = std::mem::take(&mut *left).split_at_mut(length);
    *left = rest;
    Some(piece)
}

/// What is smaller is had from the allocator.
const SMALL_ROOM: usize = 128 << 10;
/// Address space that is taken for several pieces.
const ROOM_AT_ONCE: usize = 16 << 20;
/// What is left of it.
static ROOM: Mutex<&'static mut [u8]> = Mutex::new(&mut []);

/// From now on the system gives this process pages of 4 KiB alone. What is read of a large program lies in many small
/// pieces, of which huge pages would make a quarter more memory; and a backtrace that takes three milliseconds has no
/// time to clear one of 2 MiB.
pub fn keep_pages_small() {
    // Where the system has no such pages, there is nothing to keep it from.
    if nix::sys::prctl::get_thp_disable() == Ok(false) && nix::sys::prctl::set_thp_disable(true).is_ok() {
        KEPT_SMALL.store(true, Ordering::Relaxed);
    }
}

/// Large pages again, if it was this process that had none: the few megabytes of a snapshot and the columns of a store
/// are had in a tenth of the time with them.
pub fn allow_large_pages() {
    if KEPT_SMALL.swap(false, Ordering::Relaxed) {
        let _ = nix::sys::prctl::set_thp_disable(false);
    }
}

static KEPT_SMALL: AtomicBool = AtomicBool::new(false);

/// All mappings, for advice on parts of them.
static MAPPINGS: Mutex<Vec<&'static memmap2::Mmap>> = Mutex::new(Vec::new());

/// The mapping that the bytes are in, and the whole pages among them: offset and length.
fn mapping_of(bytes: &'static [u8]) -> Option<(&'static memmap2::Mmap, usize, usize)> {
    const PAGE: usize = 4096;
    let start = bytes.as_ptr().addr();
    let mappings = MAPPINGS.lock().expect("not poisoned");
    mappings.iter().find_map(|mapping| {
        let offset = start.checked_sub(mapping.as_ptr().addr())?;
        let end = offset.checked_add(bytes.len())?;
        if end > mapping.len() {
            return None;
        }
        let offset = offset.next_multiple_of(PAGE);
        let end = if end == mapping.len() { end } else { end / PAGE * PAGE };
        (offset < end).then(|| (*mapping, offset, end - offset))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_are_zeros_and_apart() {
        for length in [0, 5, SMALL_ROOM, SMALL_ROOM + 1, ROOM_AT_ONCE - SMALL_ROOM, ROOM_AT_ONCE + 1, SMALL_ROOM] {
            let room = room(length).unwrap();
            assert_eq!(room.len(), length);
            assert!(room.iter().all(|byte| *byte == 0));
            room.fill(1);
        }
    }

    #[test]
    fn maps_contents_and_empty_files() {
        let path = std::env::temp_dir().join(format!("obit-mapped-{}", std::process::id()));
        std::fs::write(&path, b"content").unwrap();
        assert_eq!(map(&path).unwrap(), b"content");
        std::fs::write(&path, b"").unwrap();
        assert_eq!(map(&path).unwrap(), b"");
        std::fs::remove_file(&path).unwrap();
        assert!(map(&path).is_err());
        assert!(map(&std::env::temp_dir()).is_err());
    }
}
