//! Go's runtime in a program without debug information: members by the version's layout, variables by their symbols where
//! there are any, else by what they hold.
//!
//! ```text
//! runtime.allgs               (pointer, length, capacity) in writable data, whose first element is goroutine 1
//! runtime.allm                the pointer that leads through the most threads of the process
//! runtime.waitReasonStrings   "", "GC assist marking", "IO wait", …
//! ```

use std::collections::HashSet;

use super::layout::{Field, Header, Layout, little_endian};
use super::structures::{GoStructures, GoUnknown};
use super::versioned;
use crate::addr::RunAddr;
use crate::arch::Arch;
use crate::memory::ReadAs;
use crate::module::{Module, go_table};
use crate::session::Session;

/// Bytes of writable data that are looked through.
const MAX_DATA: u64 = 64 << 20;
/// Goroutines of one list.
const MAX_LIST: u64 = 1 << 26;
/// Threads that a list is followed through.
const MAX_MACHINES: usize = 1 << 14;
/// Words that may be the head of the threads' list.
const MAX_HEADS: usize = 4096;
/// Reasons for waiting: more than any version has.
const REASONS: u64 = 64;

impl Session {
    /// What is known of a module of Go's by its version alone.
    pub(super) fn go_structures_of_version(&self, module: &Module) -> Result<GoStructures, GoUnknown> {
        let path = || module.seed.path.clone();
        let unknown = |why: String| GoUnknown::NoDebugInformation(format!("{}: {why}", path()));
        let file = module.file().ok_or_else(|| unknown("the file is not at hand".to_owned()))?;
        let version = go_table::version(file).ok_or_else(|| unknown("it does not name its version".to_owned()))?;
        let minor = go_table::minor_version(file).filter(|_| self.image.arch.address_size() == 8);
        let known = minor.and_then(|minor| versioned::of_version(minor, self.go_empty_interface()));
        let (layout, first_sender) = known.ok_or_else(|| {
            unknown(format!("layouts of {version} are not known, only those of Go {}", versioned::known()))
        })?;
        let symbol = |name: &str| {
            let symbol = module.symbols().by_name(name).into_iter().next()?;
            Some(module.to_run(symbol.address))
        };
        let data = match symbol("runtime.allgs") {
            Some(_) => Vec::new(),
            None => self.writable_data(module),
        };
        let list = symbol("runtime.allgs").or_else(|| self.find_list(&data, &layout));
        let list = list.ok_or_else(|| unknown("no list of goroutines is in its data".to_owned()))?;
        let machines = symbol("runtime.allm").or_else(|| self.find_machines(&data, &layout));
        let header = Header { data: field(0), length: field(8), capacity: field(8) };
        let reasons = symbol("runtime.waitReasonStrings").or_else(|| self.find_reasons(&data));
        // As wide as a line of the cache (go `src/internal/cpu`, CacheLinePadSize).
        let stride = if self.image.arch == Arch::Aarch64 { 128 } else { 64 };
        let semaphores = symbol("runtime.semtable").map(|table| (table, stride, 251, field(8)));
        Ok(GoStructures {
            layout,
            list,
            machines,
            reasons: reasons.map(|at| (at, header, 16, REASONS)),
            semaphores,
            first_sender: Some(first_sender),
        })
    }

    /// Words of a module's writable data and where they are.
    pub fn writable_data(&self, module: &Module) -> Vec<(u64, Vec<u64>)> {
        let Some(file) = module.file() else { return Vec::new() };
        let mut left = MAX_DATA;
        let mut found = Vec::new();
        for load in file.loads().iter().filter(|load| load.is_writable()) {
            let (start, mut at) = (module.to_run(load.address).0, 0);
            let length = load.memory_size.min(left);
            left -= length;
            // What was not saved holds nothing that is looked for.
            const AT_ONCE: u64 = 1 << 16;
            while at < length {
                let size = (length - at).min(AT_ONCE);
                if let Ok(bytes) = self.memory().read_vec(RunAddr(start.saturating_add(at)), size as usize) {
                    let words = bytes.chunks_exact(8).map(little_endian).collect();
                    found.push((start.saturating_add(at), words));
                }
                at += size;
            }
        }
        found
    }

    fn find_list(&self, data: &[(u64, Vec<u64>)], layout: &Layout) -> Option<RunAddr> {
        for (start, words) in data {
            for (index, triple) in words.windows(3).enumerate() {
                let [pointer, length, capacity] = triple else { continue };
                if *length == 0
                    || length > capacity
                    || *capacity > MAX_LIST
                    || !pointer.is_multiple_of(8)
                    || *pointer == 0
                {
                    continue;
                }
                let Ok(first) = self.memory().read_uint(RunAddr(*pointer), 8) else { continue };
                let last = pointer.checked_add(8 * (length - 1));
                let last = last.and_then(|last| self.memory().read_uint(RunAddr(last), 8).ok());
                if self.is_goroutine(first, layout) == Some(1)
                    && last.is_some_and(|last| self.is_goroutine(last, layout).is_some())
                {
                    let at = RunAddr(start + 8 * index as u64);
                    self.memory().noted(at, 24, ReadAs::Structure);
                    return Some(at);
                }
            }
        }
        None
    }

    /// The number of a goroutine, where the memory may hold one.
    fn is_goroutine(&self, at: u64, layout: &Layout) -> Option<u64> {
        if at == 0 || !at.is_multiple_of(8) {
            return None;
        }
        let bytes = self.memory().read_vec(RunAddr(at), layout.size).ok()?;
        let (low, high) = (layout.stack_low.read(&bytes), layout.stack_high.read(&bytes));
        let (status, sp) = (layout.status.read(&bytes) & 0xfff, layout.saved_sp.read(&bytes));
        let is_dead = status == 6;
        let has_stack = low != 0 && low < high && (high - low) <= 1 << 31 && (sp == 0 || (low..=high).contains(&sp));
        (status <= 11 && (has_stack || is_dead)).then(|| layout.id.read(&bytes))
    }

    fn find_machines(&self, data: &[(u64, Vec<u64>)], layout: &Layout) -> Option<RunAddr> {
        let threads: HashSet<u64> = self.image.threads.iter().map(|thread| u64::from(thread.lwp)).collect();
        let machine = &layout.machine;
        let next = machine.next?;
        let read = |base: u64, field: Field| {
            self.memory().read_uint(RunAddr(base).checked_add(field.offset as u64)?, field.size).ok()
        };
        let is_thread =
            |at: u64| at.is_multiple_of(8) && read(at, machine.lwp).is_some_and(|lwp| threads.contains(&lwp));
        let mut best: Option<(usize, RunAddr)> = None;
        let mut tried = 0;
        for (start, words) in data {
            for (index, word) in words.iter().enumerate() {
                if *word < 4096 || tried >= MAX_HEADS || !is_thread(*word) {
                    continue;
                }
                tried += 1;
                let (mut at, mut count) = (*word, 0);
                while at != 0 && count < MAX_MACHINES && is_thread(at) {
                    count += 1;
                    at = read(at, next).unwrap_or(0);
                }
                if best.is_none_or(|(most, _)| count > most) {
                    best = Some((count, RunAddr(start + 8 * index as u64)));
                }
            }
        }
        best.map(|(_, at)| at)
    }

    fn find_reasons(&self, data: &[(u64, Vec<u64>)]) -> Option<RunAddr> {
        let is =
            |at: u64, text: &[u8]| self.memory().read_vec(RunAddr(at), text.len()).is_ok_and(|bytes| bytes == text);
        for (start, words) in data {
            for (index, six) in words.windows(6).enumerate() {
                if let [_, 0, first, 17, second, 7] = six
                    && is(*first, b"GC assist marking")
                    && is(*second, b"IO wait")
                {
                    return Some(RunAddr(start + 8 * index as u64));
                }
            }
        }
        None
    }
}

fn field(offset: usize) -> Field {
    Field { offset, size: 8 }
}
