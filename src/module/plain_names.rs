//! Names that a symbol table has as people write them: those of C and of assembly. In a big table they are few among
//! mangled ones, and to find them is to look at a name anywhere in the strings for each of a million symbols; so what was
//! found in one is kept between runs, as the index of the debug information's names is.
//!
//! ```text
//! kept: MAGIC | bytes of .symtab (64 bits) | bytes of .strtab (64 bits) | CRC-32 of the rest (32 bits)
//!       then each name: 'f' a function, 'd' anything else | the name | NUL                            ascending
//! ```

use object::elf;

use super::{Module, SymbolKind};

const MAGIC: &[u8; 16] = b"obit symbols 1\0\0";
/// What comes before the names.
const HEADER: usize = MAGIC.len() + 8 + 8 + 4;
/// What is found in smaller tables is not kept: they are gone through in a few milliseconds.
const SMALLEST_KEPT: usize = 100_000;
/// What the list is called in the cache.
const KEPT: &str = "symbols";
/// Larger lists are made anew.
const LARGEST_KEPT: usize = 64 << 20;

/// Whether a linkage name is C++'s or Rust's.
pub fn is_mangled(name: &[u8]) -> bool {
    name.starts_with(b"_Z") || name.starts_with(b"_R")
}

/// The names of a module's symbols that are not mangled, ascending, and whether each is a function's.
pub fn plain_names(module: &Module) -> Vec<(String, bool)> {
    // What is found in the separate debug file's table is not kept: the place belongs to the module's own file.
    let own = || module.file().filter(|_| module.symbols().len() >= SMALLEST_KEPT && !module.is_go());
    let Some((file, (symbols, strings))) = own().and_then(|file| Some((file, file.symbol_section(elf::SHT_SYMTAB.0)?)))
    else {
        return find(module);
    };
    let Some(place) = file.kept(KEPT) else { return find(module) };
    let sizes = [symbols.len() as u64, strings.len() as u64];
    if let Some(known) = place.load().and_then(|bytes| read(bytes, sizes)) {
        return known;
    }
    let names = find(module);
    let bytes = written(&names, sizes);
    if bytes.len() <= LARGEST_KEPT {
        place.store(&bytes);
    }
    names
}

fn find(module: &Module) -> Vec<(String, bool)> {
    let is_go = module.is_go();
    // Tables of landing pads, one a function, are no names of the program.
    let wanted = |name: &[u8]| !is_mangled(name) && !name.starts_with(b"GCC_except_tabl");
    let mut names = module.symbols().collect_beginning(wanted, |symbol| {
        // `hits.0`, `f.cold`: made by the compiler of names that are there already.
        let is_own = is_go || !symbol.name.contains(&b'.');
        let is_function = matches!(symbol.kind, SymbolKind::Function | SymbolKind::IndirectFunction);
        is_own.then(|| (symbol.text().into_owned(), is_function))
    });
    names.sort_unstable();
    names.dedup_by(|one, other| one.0 == other.0);
    names
}

fn written(names: &[(String, bool)], sizes: [u64; 2]) -> Vec<u8> {
    let mut content = Vec::new();
    for (name, is_function) in names {
        content.push(if *is_function { b'f' } else { b'd' });
        content.extend_from_slice(name.as_bytes());
        content.push(0);
    }
    let mut bytes = MAGIC.to_vec();
    sizes.iter().for_each(|size| bytes.extend_from_slice(&size.to_le_bytes()));
    bytes.extend_from_slice(&crc32fast::hash(&content).to_le_bytes());
    bytes.extend_from_slice(&content);
    bytes
}

/// `None` where it is of other tables, or damaged.
fn read(bytes: &[u8], sizes: [u64; 2]) -> Option<Vec<(String, bool)>> {
    let (header, content) = bytes.split_at_checked(HEADER)?;
    let whole = [MAGIC.as_slice(), &sizes[0].to_le_bytes(), &sizes[1].to_le_bytes()].concat();
    let sum = header.strip_prefix(whole.as_slice())?;
    if bytes.len() > LARGEST_KEPT || sum != crc32fast::hash(content).to_le_bytes() {
        return None;
    }
    let rows = content.strip_suffix(&[0]).unwrap_or(content).split(|byte| *byte == 0).filter(|row| !row.is_empty());
    rows.map(|row| {
        let (kind, name) = row.split_first()?;
        Some((std::str::from_utf8(name).ok()?.to_owned(), *kind == b'f'))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again() {
        let names = vec![("free".to_owned(), true), ("größe".to_owned(), false), ("main".to_owned(), true)];
        let bytes = written(&names, [24, 7]);
        assert_eq!(read(&bytes, [24, 7]), Some(names));
        assert_eq!(read(&written(&[], [1, 2]), [1, 2]), Some(Vec::new()));
        // Of other tables, cut off, changed.
        assert_eq!(read(&bytes, [24, 8]), None);
        assert_eq!(read(&bytes[..bytes.len() - 1], [24, 7]), None);
        let mut changed = bytes.clone();
        changed[HEADER + 2] ^= 1;
        assert_eq!(read(&changed, [24, 7]), None);
        assert_eq!(read(b"obit", [24, 7]), None);
    }
}
