//! What is found in an index, and what becomes of a damaged one.

use super::*;
use crate::module::{ElfFile, ModuleId, SearchOptions, dwarf_file, units::DebugInfo};
use gimli::Section;
use std::path::Path;
use std::sync::Arc;

fn module(fixture: &str) -> (Arc<ElfFile>, DebugInfo) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/{fixture}/{fixture}.zst"));
    let bytes = zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap();
    let elf = Arc::new(ElfFile::from_bytes(fixture, Box::leak(bytes.into_boxed_slice())).unwrap());
    let dwarf = dwarf_file::load(elf.clone(), None, &Arc::new(SearchOptions::default())).unwrap();
    (elf, DebugInfo::new(ModuleId(0), Arc::new(dwarf)))
}

#[test]
fn names_are_found_by_beginning_and_by_leaf() {
    let (_, debug) = module("cpp-O0");
    let index = debug.names();
    assert!(index.is_complete());
    let defined = |kind: NameKind| kind != NameKind::Declaration;
    assert_eq!(index.beginning("zo", defined, 50), ["zoo::"]);
    assert_eq!(index.beginning("zoo::Me", defined, 50), ["zoo::Members", "zoo::Members::"]);
    assert_eq!(index.beginning("zoo::Members::Nes", defined, 50), ["zoo::Members::Nested", "zoo::Members::Nested::"]);
    assert_eq!(index.beginning("zoo::", defined, 3), ["zoo::Base", "zoo::Colour", "zoo::Diamond"]);
    let functions = |kind: NameKind| kind == NameKind::Function;
    assert_eq!(index.beginning("zoo::co", functions, 50), ["zoo::containers"]);
    // An anonymous namespace adds nothing, an `enum class` its name.
    assert_eq!(index.beginning("zoo::in_", defined, 50), ["zoo::in_anonymous"]);
    assert_eq!(index.beginning("zoo::Colour::R", defined, 50), ["zoo::Colour::Red"]);
    assert_eq!(index.beginning("no such", defined, 50), [""; 0]);
    let numbers = index.with_leaf("Nested").unwrap();
    let names: Vec<_> = numbers.iter().filter_map(|number| index.name(*number)).collect();
    let nested = names.iter().find(|name| name.kind == NameKind::Struct).unwrap();
    assert_eq!(nested.qualified(), "zoo::Members::Nested");
    let [entry] = index.entries_of(nested.number)[..] else { panic!("one definition") };
    assert!(debug.indexed(entry, "Nested").is_some());
    assert!(debug.indexed(entry, "Other").is_none());
    assert!(debug.indexed(IndexedEntry { at: entry.at + 1 }, "Nested").is_none());
}

#[test]
fn what_begins_alike_is_in_order() {
    // Names of which more than eight bytes are the same are ordered as they are asked for.
    for fixture in ["cpp-O0", "rust-debug"] {
        let (_, debug) = module(fixture);
        let index = debug.names();
        let mut leaves: Vec<&str> = index.iter().filter(|name| name.scope.is_empty()).map(|name| name.leaf).collect();
        leaves.sort_unstable();
        leaves.dedup();
        for leaf in leaves.iter().filter(|leaf| leaf.is_ascii() && !leaf.contains(['<', '(', '[', '{', ':'])).step_by(7)
        {
            for length in [1, 4, 9, leaf.len()] {
                let typed = leaf.get(..length).unwrap_or(leaf);
                let expected: Vec<&str> = leaves.iter().filter(|leaf| leaf.starts_with(typed)).copied().collect();
                let mut found = index.beginning(typed, |_| true, usize::MAX);
                found.retain(|name| !name.ends_with("::"));
                found.dedup();
                assert_eq!(found, expected, "{fixture}: {typed}");
                let few = index.beginning(typed, |_| true, 1);
                assert!(few.first().is_some_and(|name| expected.first() == Some(&name.as_str())), "{fixture}: {typed}");
            }
        }
    }
}

#[test]
fn an_index_finds_what_a_search_does() {
    for fixture in ["cpp-O0", "c-O0", "rust-debug", "go-noopt", "fmt-libstdcxx-clang", "fmt-libcxx", "split-clang"] {
        let (searched, indexed) = (module(fixture).1, module(fixture).1);
        let index = indexed.names();
        let step = index.len() / 60 + 1;
        for name in index.iter().step_by(step) {
            let found = |debug: &DebugInfo| {
                let found = debug.entries_named(name.leaf, |_| true, |_| true, usize::MAX);
                found.iter().map(|die| (debug.unit(die.unit).unwrap().unit.offset(), die.offset)).collect::<Vec<_>>()
            };
            assert_eq!(found(&indexed), found(&searched), "{fixture}: {}", name.qualified());
        }
    }
}

#[test]
fn a_damaged_index_is_none() {
    let (_, debug) = module("cpp-O0");
    let whole = debug.names().as_bytes();
    let (info, strings) = (debug.dwarf().debug_info.reader().len(), debug.dwarf().debug_str.reader().slice());
    let copy = |change: &dyn Fn(&mut Vec<u8>)| -> &'static [u8] {
        let mut bytes = whole.to_vec();
        change(&mut bytes);
        Box::leak(bytes.into_boxed_slice())
    };
    let same = NameIndex::open(copy(&|_| ()), info, strings).unwrap();
    assert_eq!(same.with_leaf("main").map(|found| found.len()), Some(1));
    assert!(!same.is_damaged());
    // Of another file, of another version, cut off, or with a header that says something else.
    assert!(NameIndex::open(copy(&|_| ()), info + 1, strings).is_none());
    assert!(NameIndex::open(copy(&|_| ()), info, &strings[1..]).is_none());
    assert!(NameIndex::open(copy(&|bytes| bytes[7] += 1), info, strings).is_none());
    assert!(NameIndex::open(copy(&|bytes| bytes.truncate(bytes.len() - 1)), info, strings).is_none());
    assert!(NameIndex::open(copy(&|bytes| bytes[41] ^= 1), info, strings).is_none());
    assert!(NameIndex::open(copy(&|bytes| bytes[HEADER] ^= 1), info, strings).is_none());
    for at in (HEADER..whole.len()).step_by(whole.len() / 40) {
        let bytes = copy(&|bytes| bytes[at] ^= 0x10);
        let Some(index) = NameIndex::open(bytes, info, strings) else { continue };
        // Either the damage is where this question does not look, or the index says that it is no good.
        match index.with_leaf("main") {
            Some(found) => assert_eq!(found.len(), 1, "{at}"),
            None => assert!(index.is_damaged() && !index.is_complete(), "{at}"),
        }
        let before = NameIndex::open(bytes, info, strings).map(|index| index.iter().count());
        assert!(before.is_some_and(|count| count <= debug.names().len()), "{at}");
    }
}
