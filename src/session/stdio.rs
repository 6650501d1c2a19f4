//! What standard output and streams held unwritten when the process died.
//!
//! - glibc: `_IO_list_all` leads to every `struct _IO_FILE` (libio/bits/types/struct_FILE.h, glibc 2.1 to 2.42), whose
//!   first fields are the same in all of these. Streams of wide characters keep their text elsewhere and are left out.
//! - musl: `stdout`, `stderr` and what `ofl_head` leads to, where that has a symbol (src/internal/stdio_impl.h, musl 1.1.0
//!   to 1.2.5).
//! - Rust: `std::io::stdio::STDOUT`, a LineWriter (library/std/src/io/stdio.rs, Rust 1.70 to 1.90).
//!
//! Go's os.Stdout has no buffer; its bufio.Writers are the program's own, and variables like others.

use std::collections::HashSet;

use super::Session;
use crate::addr::RunAddr;
use crate::image::environment::Unwritten;
use crate::module::{Module, SymbolKind};

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
/// What a LineWriter has room for (library/std/src/io/buffered/linewriter.rs, `LineWriter::new`).
const LINE_WRITER: u64 = 1024;
/// Bytes of Rust's STDOUT; larger is another.
const LARGEST_STDOUT: u64 = 256;
/// How the name of Rust's STDOUT ends or goes on, as either mangling has it.
const RUST_STDOUT: &[u8] = b"3std2io5stdio6STDOUT";

impl Session {
    /// The streams with text in their buffers, in the library's order.
    pub fn unwritten(&self) -> Vec<Unwritten> {
        let mut found = self.unwritten_of_glibc().unwrap_or_default();
        found.extend(self.unwritten_of_musl());
        found.extend(self.unwritten_of_rust());
        found
    }

    fn unwritten_of_glibc(&self) -> Option<Vec<Unwritten>> {
        // `_flags` takes a word; then come pointers. Places are counted in words.
        let (write_base, write_pointer, chain, descriptor) = (4, 5, 13, 14);
        let list = self.modules_at_hand().find_map(|module| self.symbol_named(module, "_IO_list_all"))?;
        let mut stream = self.word_at(list, 0)?;
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        while stream != 0 && seen.len() < MOST_STREAMS && seen.insert(stream) {
            let at = RunAddr(stream);
            let flags = self.memory().read_uint(at, 4).ok()?;
            if flags >> 16 != MAGIC {
                break;
            }
            let bounds = self.word_at(at, write_base).zip(self.word_at(at, write_pointer));
            if let Some((base, pointer)) = bounds.filter(|_| flags & PUTTING != 0) {
                found.extend(self.unwritten_between(base, pointer, self.descriptor_at(at, descriptor)));
            }
            stream = self.word_at(at, chain)?;
        }
        Some(found)
    }

    fn unwritten_of_musl(&self) -> Vec<Unwritten> {
        // `flags` takes a word; places are counted in words.
        let (write_end, write_position, write_base, buffer, size, next, descriptor) = (4, 5, 7, 11, 12, 14, 15);
        let mut streams: Vec<u64> = Vec::new();
        for module in self.modules_at_hand() {
            let is_linked_in = self.symbol_named(module, "__stdout_FILE").is_some();
            let is_library = module.seed.path.contains("musl");
            if !is_linked_in && !is_library || self.symbol_named(module, "_IO_list_all").is_some() {
                continue;
            }
            for (name, object) in [("stdout", "__stdout_FILE"), ("stderr", "__stderr_FILE")] {
                let pointed_to = || self.word_at(self.symbol_named(module, name)?, 0);
                streams.extend(self.symbol_named(module, object).map(|at| at.0).or_else(pointed_to));
            }
            let mut stream = self.symbol_named(module, "ofl_head").and_then(|head| self.word_at(head, 0)).unwrap_or(0);
            while stream != 0 && streams.len() < MOST_STREAMS && !streams.contains(&stream) {
                streams.push(stream);
                stream = self.word_at(RunAddr(stream), next).unwrap_or(0);
            }
        }
        let of = |stream: u64| {
            let word = |index| self.word_at(RunAddr(stream), index);
            let (base, position, end) = (word(write_base)?, word(write_position)?, word(write_end)?);
            let (from, to) = (word(buffer)?, word(buffer)?.checked_add(word(size)?)?);
            // All of it lies in the stream's buffer, or this is no stream.
            let is_one = from != 0 && from <= base && base <= position && position <= end.max(base) && end <= to;
            is_one.then(|| self.unwritten_between(base, position, self.descriptor_at(RunAddr(stream), descriptor)))?
        };
        streams.into_iter().filter_map(of).collect()
    }

    /// Three words of STDOUT are the buffer's room, address and length; Rust does not say in which order. The room is known,
    /// and one place alone may look so.
    fn unwritten_of_rust(&self) -> Vec<Unwritten> {
        let word_size = self.image.arch.address_size() as u64;
        let of = |module: &Module| {
            let symbols = module.symbols().containing(RUST_STDOUT, 8);
            let symbol = symbols.into_iter().find(|symbol| {
                let rest = memchr::memmem::find(symbol.name, RUST_STDOUT).map(|at| at + RUST_STDOUT.len());
                let rest = rest.and_then(|at| symbol.name.get(at..)).unwrap_or_default();
                symbol.kind == SymbolKind::Data && (rest.is_empty() || rest.starts_with(b"17h"))
            })?;
            let size = symbol.size;
            if !(3 * word_size..=LARGEST_STDOUT).contains(&size) {
                return None;
            }
            let at = module.to_run(symbol.address);
            let words: Vec<u64> = (0..size / word_size).map_while(|index| self.word_at(at, index)).collect();
            let mut buffers = words.windows(3).filter_map(|words| match *words {
                [LINE_WRITER, address, length] | [address, LINE_WRITER, length]
                    if address > LINE_WRITER && length <= LINE_WRITER =>
                {
                    Some((address, length))
                }
                _ => None,
            });
            match (buffers.next(), buffers.next()) {
                (Some((address, length)), None) => {
                    self.unwritten_between(address, address.checked_add(length)?, Some(1))
                }
                _ => None,
            }
        };
        self.modules_at_hand().filter_map(of).collect()
    }

    fn symbol_named(&self, module: &Module, name: &str) -> Option<RunAddr> {
        let symbol = module.symbols().by_name(name).into_iter().next()?;
        Some(module.to_run(symbol.address))
    }

    fn word_at(&self, start: RunAddr, index: u64) -> Option<u64> {
        let size = self.image.arch.address_size() as u64;
        self.memory().read_uint(start.checked_add(index.checked_mul(size)?)?, size as usize).ok()
    }

    fn descriptor_at(&self, stream: RunAddr, index: u64) -> Option<u32> {
        let at = stream.checked_add(index * self.image.arch.address_size() as u64)?;
        u32::try_from(self.memory().read_uint(at, 4).ok()? as u32 as i32).ok()
    }

    /// The text from one address to another, if there is any.
    fn unwritten_between(&self, base: u64, end: u64, descriptor: Option<u32>) -> Option<Unwritten> {
        let length = end.checked_sub(base).filter(|length| (1..=LARGEST_BUFFER).contains(length))?;
        let kept = length.min(MOST_BYTES);
        let bytes = self.memory().read_vec(RunAddr(end - kept), kept as usize).ok()?;
        Some(Unwritten { descriptor, bytes: length, text: String::from_utf8_lossy(&bytes).into_owned() })
    }
}
