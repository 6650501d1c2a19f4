//! Which modules the process had, out of its core alone.
//!
//! NT_FILE and the ELF headers in memory come first: they are at a core's beginning and in pages that are always
//! saved, so that a core that lost its end still names every module. Only where there is no NT_FILE (old kernels,
//! qemu-user) are the auxiliary vector, the dynamic linker's list and a scan for ELF headers asked.

use std::collections::HashMap;
use std::path::Path;

use crate::addr::{Bias, RunAddr};
use crate::image::elf_in_memory::{ElfHeaders, NoHeaders, page_floor};
use crate::image::{Image, Mapping, ModuleSeed, Note, auxv, link_map};
use crate::mapped;
use crate::memory::Memory;
use crate::order::Order;

const PF_X: u32 = 1;
/// One file is loaded that often at most.
const MAX_MODULES_PER_FILE: usize = 1024;

/// The modules, ascending by address, and what was odd. They overlap only where one lies in a hole between another's
/// mappings (aarch64's vDSO in the dynamic linker's).
///
/// `executable_hint` is the program's file where the core has no name for it: its headers are read where those in
/// memory were not saved.
pub fn discover(image: &Image, executable_hint: Option<&Path>) -> (Vec<ModuleSeed>, Vec<Note>) {
    if let Some(snapshot) = &image.snapshot {
        return (snapshot.modules(), Vec::new());
    }
    let page = image.process.auxv(auxv::PAGESZ).filter(|page| page.is_power_of_two()).unwrap_or(4096);
    let mut finder = Finder { image, page, found: Vec::new(), notes: Vec::new(), without_headers: 0 };
    finder.search_files();
    let from_files = !finder.found.is_empty();
    finder.vdso();
    if !from_files {
        finder.search_program(executable_hint);
        finder.search_link_map();
        finder.scan();
    }
    finder.finish()
}

/// The path without the kernel's mark for a file that was deleted or replaced, and whether it had that mark.
pub fn without_deleted(path: &str) -> (&str, bool) {
    match path.strip_suffix(" (deleted)") {
        Some(path) => (path, true),
        None => (path, false),
    }
}

/// A mapped range of a file: start, end, offset in the file, PF_ flags (0 where unknown).
#[derive(Clone, Copy)]
struct Range {
    start: RunAddr,
    end: RunAddr,
    offset: u64,
    flags: u32,
    /// Whether the core has a segment for it, so that `flags` are known.
    known: bool,
}

struct Found {
    seed: ModuleSeed,
    headers: Option<ElfHeaders>,
}

struct Finder<'image> {
    image: &'image Image,
    page: u64,
    found: Vec<Found>,
    notes: Vec<Note>,
    /// Modules from NT_FILE whose ELF header is not at hand.
    without_headers: usize,
}

impl Finder<'_> {
    fn note(&mut self, code: &'static str, message: String) {
        self.notes.push(Note { code, message });
    }

    fn headers_at(&self, start: RunAddr) -> Result<ElfHeaders, NoHeaders> {
        ElfHeaders::in_memory(&self.image.memory, self.image.arch, start)
    }

    fn covering(&self, address: RunAddr) -> Option<usize> {
        self.found.iter().position(|found| found.seed.start <= address && address < found.seed.end)
    }

    /// A module whose headers are known.
    fn push_with_headers(&mut self, path: &str, bias: Bias, ranges: &[Range], headers: ElfHeaders, vdso: bool) {
        let (path, deleted) = without_deleted(path);
        let mapped: Vec<_> = ranges.iter().map(|range| (range.start, range.end, range.offset)).collect();
        let extent = headers.extent(bias, self.page);
        let first = ranges.iter().map(|range| range.start).chain(extent.map(|extent| extent.0)).min();
        let last = ranges.iter().map(|range| range.end).chain(extent.map(|extent| extent.1)).max();
        let (Some(start), Some(end)) = (first, last) else { return };
        let listed = self.listed_id(start, end);
        let (build_id, id_is_partial) = match headers.build_id(&self.image.memory, bias) {
            Some(id) => (Some(id), false),
            None => listed,
        };
        let seed = ModuleSeed {
            path: path.to_owned(),
            build_id,
            bias,
            start,
            end,
            mapped,
            is_executable: false,
            is_vdso: vdso,
            id_is_partial,
            deleted,
        };
        self.found.push(Found { seed, headers: Some(headers) });
    }

    /// Every file of NT_FILE that is a module.
    fn search_files(&mut self) {
        let mut paths: Vec<&str> = Vec::new();
        let mut by_path: HashMap<&str, Vec<Range>> = HashMap::new();
        for mapping in &self.image.mappings {
            let Some((path, offset)) = &mapping.file else { continue };
            let ranges = by_path.entry(path).or_insert_with(|| {
                paths.push(path);
                Vec::new()
            });
            let Mapping { start, end, flags, .. } = *mapping;
            ranges.push(Range { start, end, offset: *offset, flags, known: flags != 0 || mapping.saved > 0 });
        }
        for path in paths {
            let ranges = by_path.remove(path).unwrap_or_default();
            self.search_file(path, &ranges);
        }
        if self.without_headers > 0 {
            let message = format!(
                "{} modules have no ELF header in the core: where they were loaded is taken from their mappings",
                self.without_headers
            );
            self.note("module-headers-missing", message);
        }
    }

    /// One file's mappings, ascending: none, one or several modules (`dlmopen`, libraries inside an archive).
    fn search_file(&mut self, path: &str, ranges: &[Range]) {
        let mut taken = vec![false; ranges.len()];
        let mut readable_other = false;
        let mut modules = 0;
        for (index, range) in ranges.iter().enumerate() {
            if taken[index] || modules >= MAX_MODULES_PER_FILE {
                continue;
            }
            let headers = match self.headers_at(range.start) {
                Ok(headers) => headers,
                Err(problem) => {
                    readable_other |= problem == NoHeaders::NotElf && range.offset == 0;
                    continue;
                }
            };
            // Offsets in the program headers count from where the ELF file begins, be it inside another file.
            let Some(bias) = headers.bias(range.start, 0, self.page) else { continue };
            let (low, high) = headers.extent(bias, self.page).unwrap_or((range.start, range.end));
            let from = ranges.partition_point(|other| other.start < low).min(index);
            let to = ranges.partition_point(|other| other.start < high).max(index + 1);
            let own: Vec<Range> = (from..to).filter(|other| !taken[*other]).map(|other| ranges[other]).collect();
            taken[from..to].fill(true);
            modules += 1;
            // A program that reads an ELF file by mapping it has no module: code that is nowhere executable.
            let as_data = headers.loads.iter().any(|load| load.executable)
                && own.iter().all(|range| range.known && range.flags & PF_X == 0);
            if !as_data {
                self.push_with_headers(path, bias, &own, headers, false);
            }
        }
        // What is left has no header at hand. A file whose beginning is there and no ELF file is data.
        let rest: Vec<Range> =
            ranges.iter().zip(&taken).filter(|(_, taken)| !**taken).map(|(range, _)| *range).collect();
        let code = rest.iter().any(|range| !range.known || range.flags & PF_X != 0);
        if readable_other || !code || modules >= MAX_MODULES_PER_FILE {
            return;
        }
        // Each offset 0 after another offset begins the file anew.
        let mut first = 0;
        for index in 1..=rest.len() {
            let anew = |range: &Range| range.offset == 0 && rest[index - 1].offset != 0;
            if rest.get(index).is_none_or(anew) {
                self.push_without_headers(path, &rest[first..index]);
                first = index;
            }
        }
    }

    fn push_without_headers(&mut self, path: &str, ranges: &[Range]) {
        let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else { return };
        let (path, deleted) = without_deleted(path);
        // A minidump has no headers: its list of modules says what they would.
        self.without_headers += usize::from(self.image.minidump.is_none());
        let (build_id, id_is_partial) = self.listed_id(first.start, last.end);
        // Linux loads what can be loaded anywhere far above where programs of fixed addresses are linked (0x400000,
        // 0x8048000): those have no bias.
        let begin = first.start.0.wrapping_sub(first.offset);
        let highest_fixed = if self.image.arch.address_size() == 8 { 1 << 32 } else { 0x1000_0000 };
        let bias = Bias(if begin < highest_fixed { 0 } else { begin });
        let seed = ModuleSeed {
            path: path.to_owned(),
            build_id,
            bias,
            start: first.start,
            end: last.end,
            mapped: ranges.iter().map(|range| (range.start, range.end, range.offset)).collect(),
            is_executable: false,
            is_vdso: false,
            id_is_partial,
            deleted,
        };
        self.found.push(Found { seed, headers: None });
    }

    /// The build-id that a minidump's list of modules gives to what lies there, and whether that is only a part of it.
    fn listed_id(&self, start: RunAddr, end: RunAddr) -> (Option<Vec<u8>>, bool) {
        let modules = self.image.minidump.as_deref().map(|facts| &facts.modules[..]).unwrap_or_default();
        let first = modules.partition_point(|module| module.start < start.0);
        let inside = modules.get(first).filter(|module| module.start < end.0);
        inside.map_or((None, false), |module| (module.build_id.clone(), module.partial))
    }

    fn vdso(&mut self) {
        let Some(start) = self.image.process.auxv(auxv::SYSINFO_EHDR).map(RunAddr) else { return };
        // The dynamic linker of aarch64 has a hole of 64 KiB before its data, in which the kernel puts the vDSO.
        let is_mapped_at_start = |found: &Found| {
            found.seed.mapped.iter().any(|(first, end, _)| *first <= start && start < *end)
                || found.seed.mapped.is_empty() && found.seed.start <= start && start < found.seed.end
        };
        if start.0 == 0 || self.found.iter().any(is_mapped_at_start) {
            return;
        }
        let mapping = self.image.mapping_at(start);
        let ranges: Vec<Range> = mapping.iter().map(|mapping| range_of(mapping, 0)).collect();
        match self.headers_at(start) {
            Ok(headers) => {
                let Some(bias) = headers.bias(start, 0, self.page) else { return };
                self.push_with_headers("[vdso]", bias, &ranges, headers, true);
            }
            Err(_) if mapping.is_some() => {
                self.push_without_headers("[vdso]", &ranges);
                if let Some(found) = self.found.last_mut() {
                    found.seed.is_vdso = true;
                }
            }
            Err(_) => {}
        }
    }

    /// The program by AT_PHDR: from memory, from the hinted file, or from the file that the core names.
    fn search_program(&mut self, hint: Option<&Path>) {
        let process = &self.image.process;
        let Some(table) = process.auxv(auxv::PHDR).filter(|table| *table != 0).map(RunAddr) else { return };
        let named = process.executable.clone().or_else(|| process.name.clone()).unwrap_or_else(|| "[program]".into());
        if let Some((headers, bias)) = self.program_in_memory(table) {
            let path = hint.map_or(named, |hint| hint.display().to_string());
            let ranges = self.ranges_of_loads(&headers, bias);
            return self.push_with_headers(&path, bias, &ranges, headers, false);
        }
        if let Some(hint) = hint {
            match self.program_in_file(hint, table) {
                Ok((headers, bias)) => {
                    let ranges = self.ranges_of_loads(&headers, bias);
                    self.push_with_headers(&hint.display().to_string(), bias, &ranges, headers, false);
                }
                Err(note) => self.notes.push(note),
            }
            return;
        }
        // A relative name was relative to where the process was, which is where qemu-user writes the core.
        let beside = self.image.path.parent().map(|directory| directory.join(&named));
        for candidate in beside.into_iter().chain([Path::new(&named).to_owned()]) {
            let Ok((headers, bias)) = self.program_in_file(&candidate, table) else { continue };
            let path = candidate.display().to_string();
            let message =
                format!("{path} fits the core by its entry point alone: no build-id was saved to check it by");
            self.note("executable-unverified", message);
            let ranges = self.ranges_of_loads(&headers, bias);
            return self.push_with_headers(&path, bias, &ranges, headers, false);
        }
        let message =
            format!("the core has neither the program headers of {named} nor a list of files: name it with --exe");
        self.note("program-headers-missing", message);
    }

    fn program_in_memory(&self, table: RunAddr) -> Option<(ElfHeaders, Bias)> {
        let arch = self.image.arch;
        let (header_size, entry_size) = if arch.address_size() == 8 { (64, 56) } else { (52, 32) };
        let count = self.image.process.auxv(auxv::PHNUM)?.min(1024) as usize;
        let table_bytes = self.image.memory.read_vec(table, count * entry_size).ok()?;
        let headers = ElfHeaders::of_table(arch, &table_bytes);
        if headers.loads.is_empty() {
            return None;
        }
        // The file header is right before the table, as every linker puts it.
        let start = RunAddr(table.0.wrapping_sub(header_size));
        if let Ok(whole) = self.headers_at(start) {
            let bias = whole.bias(start, 0, self.page)?;
            return Some((whole, bias));
        }
        let own = headers.own_headers?;
        Some((headers, Bias(table.0.wrapping_sub(own.0))))
    }

    /// The headers in a program's file and its bias; refused where its entry point is not the core's.
    fn program_in_file(&self, path: &Path, table: RunAddr) -> Result<(ElfHeaders, Bias), Note> {
        let refuse = |code, message: String| Note { code, message };
        let bytes = mapped::map(path)
            .map_err(|error| refuse("executable-unreadable", format!("{}: {error}", path.display())))?;
        let arch = self.image.arch;
        let headers = ElfHeaders::of_file(bytes, arch).map_err(|_| {
            refuse("executable-unusable", format!("{} is no ELF program of {}", path.display(), arch.name()))
        })?;
        let entry = self.image.process.auxv(auxv::ENTRY).map(RunAddr);
        let bias = match (headers.fixed, headers.own_headers, entry) {
            (true, ..) => Bias(0),
            (false, Some(own), _) => Bias(table.0.wrapping_sub(own.0)),
            (false, None, Some(entry)) => Bias(entry.0.wrapping_sub(headers.entry.0)),
            (false, None, None) => {
                let message = format!("{}: nothing in the core says where it was loaded", path.display());
                return Err(refuse("executable-unplaced", message));
            }
        };
        match entry {
            Some(entry) if headers.entry.to_run(bias) != entry => {
                let message = format!(
                    "{} is not the program that ran: its entry point would be {}, the core's is {entry}",
                    path.display(),
                    headers.entry.to_run(bias),
                );
                Err(refuse("executable-differs", message))
            }
            _ => Ok((headers, bias)),
        }
    }

    /// Where the loads must have been mapped.
    fn ranges_of_loads(&self, headers: &ElfHeaders, bias: Bias) -> Vec<Range> {
        let loads = headers.loads.iter().filter(|load| load.file_size > 0);
        let mut ranges: Vec<Range> = loads
            .filter_map(|load| {
                let skew = load.address.0 - page_floor(load.address.0, self.page);
                let start = RunAddr(load.address.to_run(bias).0.wrapping_sub(skew));
                let size = super::elf_in_memory::page_ceil(load.file_size.checked_add(skew)?, self.page)?;
                let flags = if load.executable { PF_X } else { 0 };
                let offset = load.offset.wrapping_sub(skew);
                Some(Range { start, end: start.checked_add(size)?, offset, flags, known: true })
            })
            .collect();
        ranges.order_by_key(|range| range.start);
        ranges
    }

    /// What the dynamic linker lists.
    fn search_link_map(&mut self) {
        let program = self.found.iter().find(|found| !found.seed.is_vdso);
        let Some(Found { seed, headers: Some(headers) }) = program else { return };
        let Some((dynamic, _)) = headers.dynamic else { return };
        let interpreter = headers.interpreter_path(&self.image.memory, seed.bias);
        let base = self.image.process.auxv(auxv::BASE);
        let word = self.image.arch.address_size();
        let (entries, whole) = link_map::list(&self.image.memory, word, dynamic.to_run(seed.bias));
        if !whole {
            let message =
                format!("the dynamic linker's list of modules could be read only in part ({})", entries.len());
            self.note("link-map-incomplete", message);
        }
        for (index, mut entry) in entries.into_iter().enumerate() {
            // The first is the program.
            if index == 0 || self.covering(entry.dynamic).is_some() {
                continue;
            }
            // The dynamic linker's own name is in its constants, which were perhaps not saved.
            if entry.path.is_empty() {
                let own = interpreter.clone().filter(|_| base == Some(entry.bias.0));
                let own = own.or_else(|| link_map::soname(&self.image.memory, word, entry.dynamic, entry.bias));
                entry.path = own.unwrap_or_else(|| format!("[elf@{}]", entry.bias));
            }
            match self.linked_headers(&entry) {
                Some((headers, bias)) => {
                    let ranges = self.ranges_of_loads(&headers, bias);
                    self.push_with_headers(&entry.path, bias, &ranges, headers, false);
                }
                None => self.push_listed_without_headers(&entry),
            }
        }
    }

    /// A listed module whose headers were not saved: from its bias, which is where nearly all begin, to the end of the
    /// mapping of its dynamic section.
    fn push_listed_without_headers(&mut self, entry: &link_map::LinkEntry) {
        let image = self.image;
        let Some(data) = image.mapping_at(entry.dynamic) else { return };
        let start = RunAddr(entry.bias.0);
        let first = image.mapping_at(start).filter(|first| first.start == start && start <= data.start);
        let between = self.found.iter().any(|found| start < found.seed.end && found.seed.start < data.end);
        let range = match first {
            Some(first) if !between => range_of(first, 0),
            _ => range_of(data, data.start.0.wrapping_sub(entry.bias.0)),
        };
        self.push_without_headers(&entry.path, &[range]);
        if let Some(Found { seed, .. }) = self.found.last_mut() {
            seed.bias = entry.bias;
            seed.end = data.end;
        }
    }

    /// A listed module's headers: at `l_addr` for nearly all, else (a library linked at another address than 0) at the
    /// start of one of the mappings below its dynamic section that fits.
    fn linked_headers(&self, entry: &link_map::LinkEntry) -> Option<(ElfHeaders, Bias)> {
        let fits = |headers: &ElfHeaders| {
            headers.dynamic.is_some_and(|(address, _)| address.to_run(entry.bias) == entry.dynamic)
        };
        let start = RunAddr(entry.bias.0);
        if let Some(headers) = self.headers_at(start).ok().filter(fits) {
            return Some((headers, entry.bias));
        }
        let mappings = &self.image.mappings;
        let below = mappings.partition_point(|mapping| mapping.start <= entry.dynamic);
        let near = &mappings[below.saturating_sub(16)..below];
        let headers = near.iter().rev().find_map(|mapping| self.headers_at(mapping.start).ok().filter(fits))?;
        Some((headers, entry.bias))
    }

    /// ELF headers at the start of mappings that no module has yet.
    fn scan(&mut self) {
        let image = self.image;
        for mapping in &image.mappings {
            if mapping.saved == 0 || self.covering(mapping.start).is_some() {
                continue;
            }
            let Ok(headers) = self.headers_at(mapping.start) else { continue };
            let Some(bias) = headers.bias(mapping.start, 0, self.page) else { continue };
            // An ELF file that a program has read into its heap is no module: its code must be executable here.
            let in_place = headers.loads.iter().filter(|load| load.executable).all(|load| {
                let code = image.mapping_at(load.address.to_run(bias));
                code.is_some_and(|mapping| mapping.flags & PF_X != 0)
            });
            if !in_place {
                continue;
            }
            let word = image.arch.address_size();
            let dynamic = headers.dynamic.map(|(address, _)| address.to_run(bias));
            let name = dynamic.and_then(|dynamic| link_map::soname(&image.memory, word, dynamic, bias));
            let name = name.unwrap_or_else(|| format!("[elf@{}]", mapping.start));
            let ranges = self.ranges_of_loads(&headers, bias);
            self.push_with_headers(&name, bias, &ranges, headers, false);
        }
    }

    fn finish(mut self) -> (Vec<ModuleSeed>, Vec<Note>) {
        if let Some(program) = self.program() {
            self.found[program].seed.is_executable = true;
        }
        let mut seeds: Vec<ModuleSeed> = self.found.into_iter().map(|found| found.seed).collect();
        seeds.order_by_key(|seed| (seed.start, seed.end));
        let mut before = 0;
        for index in 1..seeds.len() {
            let (start, end) = (seeds[index].start, seeds[index].end);
            // What lies in a hole of a module does not end it.
            if seeds[before].mapped.iter().any(|(first, ..)| *first >= end) {
                continue;
            }
            if seeds[before].start < start {
                seeds[before].end = seeds[before].end.min(start);
            }
            before = index;
        }
        (seeds, self.notes)
    }

    /// The module that AT_PHDR points into, else AT_ENTRY, else the one that asks for an interpreter. Where that is the
    /// dynamic linker itself (`ld.so program`), the module that asks for it.
    fn program(&self) -> Option<usize> {
        let auxv = |kind| self.image.process.auxv(kind).map(RunAddr);
        let at = auxv(auxv::PHDR).and_then(|address| self.covering(address));
        let at = at.or_else(|| auxv(auxv::ENTRY).and_then(|address| self.covering(address)));
        let interpreter = |found: &Found| {
            found.headers.as_ref().and_then(|headers| headers.interpreter_path(&self.image.memory, found.seed.bias))
        };
        let asks = |found: &Found| found.headers.as_ref().is_some_and(|headers| headers.interpreter.is_some());
        let listed_first = || {
            let start = self.image.minidump.as_ref()?.program?;
            self.covering(RunAddr(start))
        };
        let Some(at) = at else { return self.found.iter().position(asks).or_else(listed_first) };
        if asks(&self.found[at]) {
            return Some(at);
        }
        let file_name = |path: &str| path.rsplit('/').next().map(str::to_owned);
        let own = file_name(&self.found[at].seed.path);
        let launched = self.found.iter().position(|found| {
            found.seed.mapped.iter().any(|(.., offset)| *offset == 0)
                && interpreter(found).is_some_and(|path| file_name(&path) == own)
        });
        Some(launched.unwrap_or(at))
    }
}

fn range_of(mapping: &Mapping, offset: u64) -> Range {
    let Mapping { start, end, flags, .. } = *mapping;
    Range { start, end, offset, flags, known: true }
}

#[cfg(test)]
#[path = "modules_tests.rs"]
mod tests;
