//! A module's call frame information: from a pc to its FDE to its row.
//!
//! .eh_frame_hdr's sorted table finds the FDE where it is intact; otherwise .eh_frame is indexed once. .debug_frame
//! has no table and is always indexed, but asked only where .eh_frame has nothing.

use std::sync::OnceLock;

use gimli::{BaseAddresses, DebugFrame, EhFrame, LittleEndian, Section, UnwindContext, UnwindSection, Vendor};

use super::row::Row;
use super::{CodeMap, CodeModule, augmentation, signing};
use crate::arch::Arch;
use crate::module::R;

/// Entries of an index. More than any real module has (the largest browsers have under two million).
const MAX_ENTRIES: usize = 8 << 20;
/// How many earlier entries are looked at for one that overlaps the next.
const MAX_OVERLAP: usize = 16;

pub(super) struct ModuleCfi {
    arch: Arch,
    key: u32,
    bases: BaseAddresses,
    eh_frame: Option<Entries<EhFrame<R>>>,
    eh_frame_address: u64,
    table: Option<SearchTable>,
    eh_index: OnceLock<Index>,
    debug_frame: OnceLock<Option<(Entries<DebugFrame<R>>, Index)>>,
}

impl ModuleCfi {
    pub fn new(arch: Arch, module: &CodeModule) -> ModuleCfi {
        let mut bases = BaseAddresses::default();
        if let Some((_, address)) = module.eh_frame {
            bases = bases.set_eh_frame(address.0);
        }
        if let Some((_, address)) = module.eh_frame_hdr {
            bases = bases.set_eh_frame_hdr(address.0);
        }
        if let Some(address) = module.text {
            bases = bases.set_text(address.0);
        }
        if let Some(address) = module.got {
            bases = bases.set_got(address.0);
        }
        let eh_frame = module.eh_frame.map(|(bytes, _)| Entries::new(arch, as_readable(arch, bytes, true), eh_frame));
        let table = module.eh_frame_hdr.and_then(|(bytes, address)| SearchTable::parse(bytes, address.0));
        ModuleCfi {
            arch,
            key: module.key,
            bases,
            eh_frame,
            eh_frame_address: module.eh_frame.map_or(0, |(_, address)| address.0),
            table,
            eh_index: OnceLock::new(),
            debug_frame: OnceLock::new(),
        }
    }

    /// The row for the file address `address`. `in_call`: `address` is a return address less one.
    pub fn row(
        &self,
        address: u64,
        in_call: bool,
        context: &mut UnwindContext<usize>,
        code: &dyn CodeMap,
    ) -> Option<Row> {
        self.row_at(address, context, code).or_else(|| {
            // A trampoline whose FDE has no byte to spare before its first instruction is returned to at its start.
            let row = in_call.then(|| self.row_at(address.checked_add(1)?, context, code)).flatten()?;
            row.signal.then_some(row)
        })
    }

    fn row_at(&self, address: u64, context: &mut UnwindContext<usize>, code: &dyn CodeMap) -> Option<Row> {
        if let Some(entries) = &self.eh_frame
            && let Some(fde) = self.eh_frame_fde(&entries.section, address)
            && let Some(row) = entries.row(self.arch, &self.bases, &fde, context, address)
        {
            return Some(row);
        }
        let (entries, index) = self.debug_frame.get_or_init(|| self.open_debug_frame(code)).as_ref()?;
        let fde = index.find(&entries.section, &self.bases, address)?;
        entries.row(self.arch, &self.bases, &fde, context, address)
    }

    fn eh_frame_fde(&self, section: &EhFrame<R>, address: u64) -> Option<gimli::FrameDescriptionEntry<R>> {
        if let Some(table) = &self.table {
            let entry = table.find(self.arch, address);
            let fde = entry.as_ref().and_then(|entry| self.table_fde(entry, section));
            if let Some(fde) = fde.filter(|fde| fde.contains(address)) {
                return Some(fde);
            }
            // A right entry that does not reach the address, or none before it: nothing covers it, if the table is in
            // order.
            let right = entry.is_none_or(|entry| self.table_fde(&entry, section).is_some());
            if right && table.is_sorted() {
                return None;
            }
        }
        let index = self.eh_index.get_or_init(|| Index::build(section, &self.bases));
        index.find(section, &self.bases, address)
    }

    /// The FDE that a table's entry names, if it starts where the entry says.
    fn table_fde(&self, entry: &TableEntry, section: &EhFrame<R>) -> Option<gimli::FrameDescriptionEntry<R>> {
        let offset = usize::try_from(entry.fde.checked_sub(self.eh_frame_address)?).ok()?;
        parse_fde(section, &self.bases, offset).filter(|fde| fde.initial_address() == entry.start)
    }

    fn open_debug_frame(&self, code: &dyn CodeMap) -> Option<(Entries<DebugFrame<R>>, Index)> {
        let bytes = as_readable(self.arch, code.debug_frame(self.key)?, false);
        let entries = Entries::new(self.arch, bytes, debug_frame);
        let index = Index::build(&entries.section, &self.bases);
        Some((entries, index))
    }
}

/// A section, and what stands for it where its reader stops at instructions that need not be known.
struct Entries<S> {
    section: S,
    open: fn(Arch, &'static [u8]) -> S,
    without_states: OnceLock<S>,
}

impl<S: UnwindSection<R> + Section<R>> Entries<S> {
    fn new(arch: Arch, bytes: &'static [u8], open: fn(Arch, &'static [u8]) -> S) -> Entries<S> {
        Entries { section: open(arch, bytes), open, without_states: OnceLock::new() }
    }

    fn row(
        &self,
        arch: Arch,
        bases: &BaseAddresses,
        fde: &gimli::FrameDescriptionEntry<R>,
        context: &mut UnwindContext<usize>,
        address: u64,
    ) -> Option<Row> {
        match Row::compile(arch, &self.section, bases, fde, context, address) {
            Err(gimli::Error::UnknownCallFrameInstruction(instruction))
                if arch == Arch::Aarch64 && signing::is_of_signing(instruction) =>
            {
                let section = self.without_states.get_or_init(|| {
                    // Sections live until the process ends, as mapped ones do.
                    let bytes = signing::without_states(&self.section, bases).leak();
                    (self.open)(arch, bytes)
                });
                let fde = parse_fde(section, bases, fde.offset())?;
                Row::compile(arch, section, bases, &fde, context, address).ok()
            }
            row => row.ok(),
        }
    }
}

fn eh_frame(arch: Arch, bytes: &'static [u8]) -> EhFrame<R> {
    let mut section = EhFrame::new(bytes, LittleEndian);
    section.set_address_size(arch.address_size() as u8);
    section.set_vendor(vendor(arch));
    section
}

fn debug_frame(arch: Arch, bytes: &'static [u8]) -> DebugFrame<R> {
    let mut section = DebugFrame::new(bytes, LittleEndian);
    section.set_address_size(arch.address_size() as u8);
    section.set_vendor(vendor(arch));
    section
}

/// A section of call frame information without what its reader refuses and nothing needs.
pub fn as_readable(arch: Arch, section: &'static [u8], is_eh_frame: bool) -> &'static [u8] {
    match arch {
        Arch::Aarch64 => augmentation::without_protection(section, is_eh_frame),
        Arch::X86_64 | Arch::I386 => section,
    }
}

fn vendor(arch: Arch) -> Vendor {
    match arch {
        Arch::Aarch64 => Vendor::AArch64,
        Arch::X86_64 | Arch::I386 => Vendor::Default,
    }
}

pub(super) fn parse_fde<S>(section: &S, bases: &BaseAddresses, offset: usize) -> Option<gimli::FrameDescriptionEntry<R>>
where
    S: UnwindSection<R>,
{
    section.fde_from_offset(bases, S::Offset::from(offset), |s, b, o| s.cie_from_offset(b, o)).ok()
}

/// .eh_frame_hdr's table in the one form that linkers write (LSB 5.0 core, section 10.6.2): version 1, .eh_frame's
/// address as DW_EH_PE_pcrel|sdata4, the count as udata4, then pairs of (pc, FDE address), each
/// DW_EH_PE_datarel|sdata4, sorted by pc. In another form the section is left aside.
struct SearchTable {
    base: u64,
    pairs: &'static [u8],
    sorted: OnceLock<bool>,
}

struct TableEntry {
    start: u64,
    fde: u64,
}

impl SearchTable {
    fn parse(section: &'static [u8], address: u64) -> Option<SearchTable> {
        if section.get(..4)? != [1, 0x1b, 0x03, 0x3b] {
            return None;
        }
        let count = u32::from_le_bytes(section.get(8..12)?.try_into().ok()?);
        let length = usize::try_from(count).ok()?.checked_mul(8)?;
        let pairs = section.get(12..12usize.checked_add(length)?)?;
        (!pairs.is_empty()).then_some(SearchTable { base: address, pairs, sorted: OnceLock::new() })
    }

    /// Looked at only when an address was not found, as it reads the whole table.
    fn is_sorted(&self) -> bool {
        *self.sorted.get_or_init(|| self.pairs.as_chunks::<8>().0.is_sorted_by_key(first_half))
    }

    /// The last entry at or before `address`.
    fn find(&self, arch: Arch, address: u64) -> Option<TableEntry> {
        let wanted = match arch.address_size() {
            4 => i64::from(address.wrapping_sub(self.base) as u32 as i32),
            _ => address.wrapping_sub(self.base) as i64,
        };
        let (pairs, _) = self.pairs.as_chunks::<8>();
        let after = pairs.partition_point(|pair| i64::from(first_half(pair)) <= wanted);
        let pair = pairs.get(after.checked_sub(1)?)?;
        let second = i32::from_le_bytes([pair[4], pair[5], pair[6], pair[7]]);
        let absolute = |relative: i32| {
            let address = self.base.wrapping_add_signed(i64::from(relative));
            super::row::truncate(arch, address)
        };
        Some(TableEntry { start: absolute(first_half(pair)), fde: absolute(second) })
    }
}

fn first_half(pair: &[u8; 8]) -> i32 {
    i32::from_le_bytes([pair[0], pair[1], pair[2], pair[3]])
}

/// Every FDE of a section, sorted by start.
struct Index(Vec<IndexEntry>);

struct IndexEntry {
    start: u64,
    end: u64,
    offset: usize,
}

impl Index {
    /// Walks the section by its entries' lengths, so that one malformed entry costs only itself.
    fn build<S: UnwindSection<R> + Section<R>>(section: &S, bases: &BaseAddresses) -> Index {
        let bytes = section.reader().slice();
        let mut entries = Vec::new();
        let mut offset = 0;
        while let Some(length) = entry_length(bytes, offset)
            && entries.len() < MAX_ENTRIES
        {
            // A CIE is no FDE and is skipped here as an error is.
            if let Some(fde) = parse_fde(section, bases, offset)
                && fde.len() > 0
            {
                entries.push(IndexEntry { start: fde.initial_address(), end: fde.end_address(), offset });
            }
            let Some(next) = offset.checked_add(length) else { break };
            offset = next;
        }
        entries.sort_unstable_by_key(|entry| (entry.start, entry.offset));
        Index(entries)
    }

    fn find<S>(&self, section: &S, bases: &BaseAddresses, address: u64) -> Option<gimli::FrameDescriptionEntry<R>>
    where
        S: UnwindSection<R>,
    {
        let after = self.0.partition_point(|entry| entry.start <= address);
        let before = self.0.get(..after)?;
        let entry = before.iter().rev().take(MAX_OVERLAP).find(|entry| address < entry.end)?;
        parse_fde(section, bases, entry.offset)
    }
}

/// Bytes from the entry at `offset` to the next, with the length field (4, or 4 + 8, bytes). A length of zero ends
/// what the linker put together, or is padding: it is stepped over.
pub(super) fn entry_length(section: &[u8], offset: usize) -> Option<usize> {
    let word = section.get(offset..offset.checked_add(4)?)?;
    let length = u32::from_le_bytes(word.try_into().ok()?);
    if length < 0xffff_fff0 {
        return usize::try_from(length).ok()?.checked_add(4);
    }
    let start = offset.checked_add(4)?;
    let long = section.get(start..start.checked_add(8)?)?;
    usize::try_from(u64::from_le_bytes(long.try_into().ok()?)).ok()?.checked_add(12)
}
