//! What streams of the C library held unwritten when the process died.
//!
//! glibc: `_IO_list_all` leads to every `struct _IO_FILE` (libio/bits/types/struct_FILE.h, glibc 2.1 to 2.42), whose
//! first fields are the same in all of these. Streams of wide characters keep their text elsewhere and are left out;
//! so are other libraries' streams, Rust's and Go's.

use super::Session;
use crate::addr::RunAddr;
use crate::image::environment::Unwritten;

/// Streams that are looked at.
const MOST_STREAMS: usize = 1024;
/// Bytes of one stream that are kept: its last ones.
const MOST_BYTES: u64 = 16 << 10;
/// Bytes that a buffer may hold.
const LARGEST_BUFFER: u64 = 64 << 20;
/// High half of `_flags` (libio/libio.h, _IO_MAGIC).
const MAGIC: u64 = 0xfbad;
/// _IO_CURRENTLY_PUTTING: the buffer is one for output (libio/libio.h).
const PUTTING: u64 = 0x800;

impl Session {
    /// The streams with text in their buffers, in the library's order.
    pub fn unwritten(&self) -> Vec<Unwritten> {
        self.find_unwritten().unwrap_or_default()
    }

    fn find_unwritten(&self) -> Option<Vec<Unwritten>> {
        let word = self.image.arch.address_size() as u64;
        // `_flags` takes a word; then come pointers. Places are counted in words.
        let (write_base, write_pointer, chain, descriptor) = (4, 5, 13, 14);
        let field = |stream: u64, index: u64, size: u64| {
            let at = RunAddr(stream).checked_add(index * word)?;
            self.memory().read_uint(at, size as usize).ok()
        };
        let list = self.modules_at_hand().find_map(|module| {
            let symbol = module.symbols().by_name("_IO_list_all").into_iter().next()?;
            Some(module.to_run(symbol.address))
        })?;
        let mut stream = self.memory().read_uint(list, word as usize).ok()?;
        let mut found = Vec::new();
        let mut seen = std::collections::HashSet::new();
        while stream != 0 && seen.len() < MOST_STREAMS && seen.insert(stream) {
            let flags = field(stream, 0, 4)?;
            if flags >> 16 != MAGIC {
                break;
            }
            let bounds = field(stream, write_base, word).zip(field(stream, write_pointer, word));
            if let Some((base, pointer)) = bounds.filter(|(base, pointer)| flags & PUTTING != 0 && base < pointer) {
                let length = pointer - base;
                let kept = length.min(MOST_BYTES);
                let bytes = self.memory().read_vec(RunAddr(pointer - kept), kept as usize);
                if let (true, Ok(bytes)) = (length <= LARGEST_BUFFER, bytes) {
                    let number = field(stream, descriptor, 4).map(|number| number as u32 as i32);
                    found.push(Unwritten {
                        descriptor: number.and_then(|number| u32::try_from(number).ok()),
                        bytes: length,
                        text: String::from_utf8_lossy(&bytes).into_owned(),
                    });
                }
            }
            stream = field(stream, chain, word)?;
        }
        Some(found)
    }
}
