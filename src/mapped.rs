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

/// The file's bytes. An empty file gives an empty slice. Directories and such give the system's error.
pub fn map(path: &Path) -> io::Result<&'static [u8]> {
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
    Ok(Box::leak(Box::new(mapping)))
}

#[cfg(test)]
mod tests {
    use super::*;

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
