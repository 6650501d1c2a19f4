//! A dying process as the kernel's crash handler has it: the notes of its core, which the kernel writes first, and the
//! process itself, which stands still in the kernel until its handler lets it go.
//!
//! ```text
//! pipe:  ELF header | program headers | PT_NOTE | memory, gigabytes of it
//!        └──── read: threads, files, mappings ──┘ └─ not read: pages that are asked for come from /proc/PID/mem
//! ```
//!
//! Only what the core would have held is read: whoever left memory out (MADV_DONTDUMP, coredump_filter) meant it.
//! The process behind the number must be the one of the notes: its auxiliary vector, with the addresses and the random
//! bytes' place that differ from run to run, is compared (fs/binfmt_elf.c, `fill_auxv_note`, Linux 6.1).

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::addr::{AddressHash, RunAddr};
use crate::image::elf_core::Source;
use crate::image::{Image, ImageError, Origin, elf_core};

/// Memory is read in pages of this size.
const PAGE: usize = 4096;
/// Locks that reading threads share between them.
const SHARDS: usize = 16;
/// Bytes that are read of one process: what answers are made from is a few MiB.
const MOST: u64 = 512 << 20;

/// `None` where a page could not be read.
type Pages = HashMap<u64, Option<&'static [u8]>, AddressHash>;

/// The memory of a process that stands still. Pages that were read stay until this program ends, as mapped files do.
pub struct ProcessPages {
    memory: File,
    shards: [Mutex<Pages>; SHARDS],
    read: AtomicU64,
}

impl ProcessPages {
    /// Of a process that this program may trace.
    pub fn open(pid: i32) -> std::io::Result<ProcessPages> {
        let memory = File::open(format!("/proc/{pid}/mem"))?;
        Ok(ProcessPages { memory, shards: Default::default(), read: AtomicU64::new(0) })
    }

    /// Bytes from the address to the end of its page, at most `limit`.
    pub fn piece(&self, address: RunAddr, limit: usize) -> Option<&'static [u8]> {
        let page = address.0 / PAGE as u64;
        let shard = self.shards.get(page as usize % SHARDS)?;
        let mut pages = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = (*pages.entry(page).or_insert_with(|| self.read_page(page)))?;
        let rest = bytes.get(address.0 as usize % PAGE..)?;
        rest.get(..rest.len().min(limit))
    }

    fn read_page(&self, page: u64) -> Option<&'static [u8]> {
        if self.read.fetch_add(PAGE as u64, Ordering::Relaxed) >= MOST {
            return None;
        }
        let mut bytes = vec![0; PAGE];
        self.memory.read_exact_at(&mut bytes, page.checked_mul(PAGE as u64)?).ok()?;
        Some(Box::leak(bytes.into_boxed_slice()))
    }
}

/// The dying process `pid`, of which the core's beginning, all its notes included, is `beginning`.
pub fn open(pid: i32, beginning: &'static [u8]) -> Result<Image, ImageError> {
    crate::mapped::keep_pages_small();
    let path = Path::new("pid:").as_os_str().to_owned();
    let mut path = path;
    path.push(pid.to_string());
    let path = Path::new(&path);
    let fail = |problem: String| ImageError::NotACore { path: path.to_owned(), problem };
    let pages = ProcessPages::open(pid).map_err(|error| fail(format!("its memory cannot be read: {error}")))?;
    let mut image = elf_core::parse_beginning(path, beginning, Source::Process(Arc::new(pages)), None, Vec::new())?;
    let word = image.arch.address_size();
    let words = image.process.auxv.iter().flat_map(|(kind, value)| [kind, value]);
    let noted: Vec<u8> = words.flat_map(|value| value.to_le_bytes().into_iter().take(word)).collect();
    let own = fs::read(format!("/proc/{pid}/auxv")).unwrap_or_default();
    if noted.is_empty() || !own.starts_with(&noted) {
        return Err(fail("the process is not the one that the core is of, or it is gone".to_owned()));
    }
    for thread in &mut image.threads {
        let name = fs::read_to_string(format!("/proc/{pid}/task/{}/comm", thread.lwp));
        thread.name = name.ok().map(|name| name.trim_end().to_owned());
    }
    image.origin = Origin::Dying(pid);
    Ok(image)
}
