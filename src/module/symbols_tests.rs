use super::*;
use crate::module::test_elf::TestElf;

const NOTYPE: u8 = 0;
const OBJECT: u8 = 1;
const FUNCTION: u8 = 2;
const SECTION: u8 = 3;
const TLS: u8 = 6;
const LOCAL: u8 = 0;
const GLOBAL: u8 = 1;
const WEAK: u8 = 2;

fn table(machine: u16, symbols: &[(&str, u8, u8, u16, u64, u64)]) -> SymbolTable {
    let bytes = TestElf::library().machine(machine).symbols(symbols).bytes();
    SymbolTable::new(Some(&ElfFile::from_bytes("x", Box::leak(bytes.into_boxed_slice())).unwrap()), None, None)
}

fn name_at(table: &SymbolTable, address: u64) -> Option<String> {
    table.lookup(FileAddr(address)).map(|symbol| symbol.text().into_owned())
}

const MIXED: &[(&str, u8, u8, u16, u64, u64)] = &[
    ("", SECTION, LOCAL, 1, 0x100, 0),
    ("file.c", 4, LOCAL, 0xfff1, 0, 0),
    ("outer", FUNCTION, GLOBAL, 1, 0x100, 0x100),
    ("label", NOTYPE, LOCAL, 1, 0x120, 0),
    ("inner", FUNCTION, LOCAL, 1, 0x140, 0x10),
    ("__alias", FUNCTION, GLOBAL, 1, 0x300, 0x10),
    ("alias", FUNCTION, GLOBAL, 1, 0x300, 0x10),
    ("weak_alias", FUNCTION, WEAK, 1, 0x300, 0x10),
    ("data", OBJECT, GLOBAL, 1, 0x400, 8),
    ("bare", NOTYPE, GLOBAL, 1, 0x500, 0),
    ("missing", FUNCTION, GLOBAL, 0, 0x600, 0x10),
    ("number", OBJECT, GLOBAL, 0xfff1, 0x700, 0x10),
    ("per_thread", TLS, GLOBAL, 1, 0x20, 4),
    ("versioned@@V_1", FUNCTION, GLOBAL, 1, 0x800, 0x10),
    ("last", FUNCTION, GLOBAL, 1, u64::MAX - 8, 0x100),
];

fn check_mixed(table: &SymbolTable) {
    let name = |address| name_at(table, address);
    let some = |name: &str| Some(name.to_owned());
    assert_eq!(name(0xff), None);
    assert_eq!(name(0x100), some("outer"));
    assert_eq!(name(0x130), some("outer"), "a label does not hide the function that it is in");
    assert_eq!(name(0x148), some("inner"));
    assert_eq!(name(0x150), some("outer"), "past the inner one");
    assert_eq!(name(0x200), None, "between symbols");
    assert_eq!(name(0x308), some("alias"));
    assert_eq!(name(0x407), some("data"));
    assert_eq!(name(0x408), None);
    assert_eq!(name(0x5ff), some("bare"), "without a size, up to the next");
    assert_eq!(name(0x608), some("bare"), "what is undefined is not there");
    assert_eq!(name(0x708), some("bare"), "absolute symbols are numbers");
    assert_eq!(name(0x808), some("versioned"));
    assert_eq!(name(0x810), None);
    assert_eq!(name(u64::MAX), some("last"));
}

#[test]
fn finds_the_symbol_that_an_address_is_in() {
    check_mixed(&table(62, MIXED));
}

#[test]
fn a_scan_finds_what_the_sorted_index_finds() {
    let many: Vec<(String, u64)> = (0..SORT_AT_ONCE as u64).map(|at| (format!("f{at}"), 0x10_0000 + at * 8)).collect();
    let mut symbols = MIXED.to_vec();
    symbols.extend(many.iter().map(|(name, at)| (name.as_str(), FUNCTION, GLOBAL, 1, *at, 8)));
    let table = table(62, &symbols);
    assert!(table.len() > SORT_AT_ONCE);
    // First scans, then the index: 15 questions each time.
    check_mixed(&table);
    assert!(table.sorted.get().is_none(), "after few questions");
    (0..SCANS_BEFORE_SORT / 15).for_each(|_| check_mixed(&table));
    assert!(table.sorted.get().is_some(), "after so many questions");
    check_mixed(&table);
    assert_eq!(name_at(&table, 0x10_0000 + 8 * 777 + 3).as_deref(), Some("f777"));
}

#[test]
fn a_scan_finds_in_any_order_what_the_sorted_index_finds() {
    // Functions in blocks far from each other, some in others, data between them, some without a size.
    let mut state = 1_u64;
    let mut random = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let names: Vec<String> = (0..3000).map(|at| format!("s{at}")).collect();
    let symbols: Vec<(&str, u8, u8, u16, u64, u64)> = names
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let area = 0x1000 * ((at as u64 / 100) % 7);
            let kind = [FUNCTION, FUNCTION, OBJECT, NOTYPE][random(4) as usize];
            (name.as_str(), kind, LOCAL, 1, 0x1000 + area + random(0x800), [0, 1, 8, 0x60][random(4) as usize])
        })
        .collect();
    let table = table(62, &symbols);
    for address in 0xff0..0x9000 {
        assert_eq!(table.scan(address), table.search(address), "at {address:#x}");
    }
}

#[test]
fn passes_over_the_marks_of_aarch64() {
    let symbols = &[
        ("f", FUNCTION, LOCAL, 1, 0x100, 0),
        ("$x", NOTYPE, LOCAL, 1, 0x100, 0),
        ("$d.5", NOTYPE, LOCAL, 1, 0x108, 0),
        ("$dollar", NOTYPE, LOCAL, 1, 0x200, 0),
    ];
    let table = table(183, symbols);
    assert_eq!(name_at(&table, 0x110).as_deref(), Some("f"));
    assert_eq!(name_at(&table, 0x200).as_deref(), Some("$dollar"));
}

#[test]
fn finds_symbols_by_name() {
    let table = table(62, MIXED);
    let found = table.by_name("alias");
    assert_eq!(found.len(), 1, "not __alias or weak_alias: {found:?}");
    assert_eq!((found[0].address, found[0].kind), (FileAddr(0x300), SymbolKind::Function));
    assert_eq!(table.by_name("versioned")[0].address, FileAddr(0x800));
    let thread_local = table.by_name("per_thread");
    assert_eq!((thread_local[0].kind, thread_local[0].address), (SymbolKind::ThreadLocal, FileAddr(0x20)));
    for absent in ["", "missing", "number", "lia", "file.c"] {
        assert_eq!(table.by_name(absent), [], "{absent}");
    }
}

#[test]
fn survives_names_outside_of_the_strings() {
    let mut bytes = TestElf::library().symbols(&[("f", FUNCTION, GLOBAL, 1, 0x100, 8)]).bytes();
    // The table is 48 bytes: the empty symbol, then `f`, whose name is at offset 1.
    let at = bytes.windows(6).position(|window| window == [1, 0, 0, 0, 0x12, 0]).unwrap();
    bytes[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    let file = ElfFile::from_bytes("x", Box::leak(bytes.into_boxed_slice())).unwrap();
    let table = SymbolTable::new(Some(&file), None, None);
    assert_eq!(table.lookup(FileAddr(0x104)), None);
    assert_eq!(table.iter().count(), 0);
}
