//! Lookups in a large table that is not sorted: by passing over the blocks of it whose addresses fit.

use std::ops::Range;

use object::elf;

use super::{RawSymbol, SCAN_PART, Source, Symbol, SymbolTable, is_better_name};
use crate::parallel;

/// Entries whose extent is kept for scans: compilers write what is near in the program near in the table.
const BLOCK: usize = 64;

/// The addresses that a block's functions lie in, and those of the rest of it: from the lowest to one past the last.
#[derive(Clone, Copy)]
pub(super) struct Block {
    source: u8,
    first: u32,
    extents: [(u64, u64); 2],
}

impl SymbolTable {
    /// The same answer as [`SymbolTable::search`] by a pass over the parts of the unsorted tables that can have it.
    /// Names are compared only among the last candidates: the strings of a large table are far more than its symbols.
    pub(super) fn scan(&self, address: u64) -> Option<Symbol> {
        let mut around = Candidates::default();
        let mut nearest = Candidates::default();
        let holding = |extent: &(u64, u64)| extent.0 <= address && address < extent.1;
        for block in self.blocks().iter().filter(|block| block.extents.iter().any(holding)) {
            self.sources.get(usize::from(block.source))?.candidates(block.first, address, &mut around, &mut nearest);
        }
        // Nearer ones may be where no symbol reaches over the address.
        let found = nearest.best.0;
        let between = |extent: &(u64, u64)| extent.0 <= address && extent.1 > found;
        let others = self.blocks().iter().filter(|block| !block.extents.iter().any(holding));
        for block in others.filter(|block| block.extents.iter().any(between)) {
            self.sources.get(usize::from(block.source))?.candidates(block.first, address, &mut around, &mut nearest);
        }
        let (source, raw) = around.choose().or_else(|| nearest.choose().filter(|(_, raw)| raw.size == 0))?;
        source.symbol(&raw)
    }

    fn blocks(&self) -> &[Block] {
        self.blocks.get_or_init(|| {
            let parts: Vec<(u8, &Source, u32)> = (0..).zip(&self.sources).flat_map(in_parts).collect();
            let of_part = |(number, source, first): &(u8, &Source, u32)| {
                let end = first.saturating_add(SCAN_PART as u32).min(source.count());
                let firsts = (*first..end).step_by(BLOCK);
                firsts.map(|first| source.block(*number, first)).collect::<Vec<Block>>()
            };
            parallel::map(&parts, of_part).into_iter().flatten().collect()
        })
    }
}

fn in_parts((number, source): (u8, &Source)) -> impl Iterator<Item = (u8, &Source, u32)> {
    source.parts().map(move |(source, first)| (number, source, first))
}

/// The best symbols of a scan so far: those that tie in address and rank.
#[derive(Default)]
struct Candidates<'a> {
    best: (u64, u8),
    tied: Vec<(&'a Source, RawSymbol)>,
}

impl<'a> Candidates<'a> {
    fn offer(&mut self, source: &'a Source, raw: RawSymbol) {
        let key = (raw.address, raw.rank());
        if key < self.best {
            return;
        }
        if key > self.best {
            self.tied.clear();
            self.best = key;
        }
        self.tied.push((source, raw));
    }

    fn choose(&self) -> Option<(&'a Source, RawSymbol)> {
        self.tied.iter().copied().reduce(|old, new| if is_better_name(new.0, &new.1, &old) { new } else { old })
    }
}

impl Source {
    /// Where the symbols of a block are, with some that are none.
    fn block(&self, number: u8, first: u32) -> Block {
        let mut extents = [(u64::MAX, 0); 2];
        for (_, raw) in self.range(first, self.block_end(first)).filter(|(_, raw)| raw.is_place()) {
            let extent = &mut extents[usize::from(elf::SymbolType(raw.info & 15) != elf::STT_FUNC)];
            extent.0 = extent.0.min(raw.address);
            extent.1 = extent.1.max(raw.address.saturating_add(raw.size.max(1)));
        }
        Block { source: number, first, extents }
    }

    fn block_end(&self, first: u32) -> u32 {
        first.saturating_add(BLOCK as u32).min(self.count())
    }

    /// Of the block that begins at `first`: the symbols that reach over the address, and the nearest below it.
    fn candidates<'a>(&'a self, first: u32, address: u64, around: &mut Candidates<'a>, nearest: &mut Candidates<'a>) {
        let end = self.block_end(first);
        let mut next = first;
        while next < end {
            next += self.far_ones(next..end, address, nearest.best.0);
            if next >= end {
                break;
            }
            let raw = self.raw(next);
            next += 1;
            let Some(raw) = raw else { continue };
            let Some(distance) = address.checked_sub(raw.address) else { continue };
            let covers = distance < raw.size;
            if !covers && raw.address < nearest.best.0 || !self.has_address(&raw) {
                continue;
            }
            nearest.offer(self, raw);
            if covers {
                around.offer(self, raw);
            }
        }
    }

    /// How many symbols there are before the first that reaches over the address or lies between `nearest` and it: of a
    /// large table all but a few are not looked at any closer.
    fn far_ones(&self, range: Range<u32>, address: u64, nearest: u64) -> u32 {
        if !self.is_64 {
            return 0;
        }
        // Elf64_Sym: st_value at 8, st_size at 16.
        let (symbols, _) = self.symbols.as_chunks::<24>();
        let symbols = symbols.get(range.start as usize..range.end as usize).unwrap_or_default();
        let is_near = |symbol: &[u8; 24]| {
            let both = symbol.last_chunk().map_or(0, |both| u128::from_le_bytes(*both));
            let (value, size) = (both as u64, (both >> 64) as u64);
            address.wrapping_sub(value) < size || value <= address && value >= nearest
        };
        symbols.iter().position(is_near).unwrap_or(symbols.len()) as u32
    }
}
