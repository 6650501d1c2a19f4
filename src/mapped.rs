//! Mapping files into memory: the one place with `unsafe` for it.

use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::path::Path;

/// The file's bytes, mapped until the process ends. An empty file gives an empty slice; anything but a regular file
/// (a directory, a pipe that would block) is an error.
pub fn map(path: &Path) -> Result<&'static [u8]> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "not a regular file"));
    }
    if metadata.len() == 0 {
        return Ok(&[]);
    }
    let file = File::open(path)?;
    // SAFETY: the mapping is private and read-only and never unmapped, so the slice stays valid. A file that another
    // process truncates or rewrites meanwhile can raise SIGBUS or show changed bytes: every reader of mapped bytes
    // checks what it reads, and the risk is the one that every debugger takes with the files that it maps.
    let map = unsafe { memmap2::Mmap::map(&file)? };
    Ok(Box::leak(Box::new(map)))
}
