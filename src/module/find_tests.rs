use super::*;
use crate::module::test_elf::{TestDirectory, TestElf};

const ID: [u8; 4] = [0xab, 0xcd, 0xef, 0x01];
const OTHER: [u8; 4] = [0x11, 0x22, 0x33, 0x44];

fn seed(path: &Path, build_id: Option<&[u8]>) -> ModuleSeed {
    let (start, end) = (RunAddr(0x7000_0000), RunAddr(0x7000_1000));
    ModuleSeed {
        path: path.display().to_string(),
        build_id: build_id.map(<[u8]>::to_vec),
        bias: Bias(start.0),
        start,
        end,
        mapped: vec![(start, end, 0)],
        is_executable: true,
        is_vdso: false,
        id_is_partial: false,
        deleted: false,
    }
}

/// Options that look at nothing outside of the test's directory.
fn options(directory: &TestDirectory) -> SearchOptions {
    SearchOptions { debug_directories: vec![directory.0.join("debug")], ..SearchOptions::default() }
}

fn path_of(file: &Option<Arc<ElfFile>>) -> Option<&Path> {
    file.as_ref().map(|file| file.path())
}

#[test]
fn refuses_another_build_and_names_both_ids() {
    let directory = TestDirectory::new("stale");
    let path = directory.write("prog", &TestElf::library().build_id(&OTHER).bytes());
    let search = find_file(&seed(&path, Some(&ID)), &options(&directory), None);
    assert!(search.file.is_none());
    let looked: Vec<&Looked> = search.mismatched().collect();
    let outcome = Outcome::Mismatch { expected: "abcdef01".to_owned(), found: Some("11223344".to_owned()) };
    assert_eq!(looked, [&Looked { place: path.display().to_string(), outcome }]);
    assert_eq!(search.notes[0].code, "build-id-mismatch");
    assert!(search.notes[0].message.contains("11223344") && search.notes[0].message.contains("abcdef01"));
}

#[test]
fn uses_another_build_where_told_to_and_says_so() {
    let directory = TestDirectory::new("allowed");
    let path = directory.write("prog", &TestElf::library().build_id(&OTHER).bytes());
    let options = SearchOptions { allow_mismatch: true, ..options(&directory) };
    let search = find_file(&seed(&path, Some(&ID)), &options, None);
    assert_eq!(path_of(&search.file), Some(path.as_path()));
    assert_eq!(search.identity, Some(Identity::Mismatched));
    assert!(!Identity::Mismatched.is_verified());
    assert_eq!(search.notes[0].code, "mismatched-file");
    // The right one goes first all the same.
    let right = directory.write("debug/.build-id/ab/cdef01", &TestElf::library().build_id(&ID).bytes());
    let search = find_file(&seed(&path, Some(&ID)), &options, None);
    assert_eq!((path_of(&search.file), search.identity), (Some(right.as_path()), Some(Identity::BuildId)));
}

#[test]
fn goes_on_from_a_wrong_file_to_the_right_one() {
    let directory = TestDirectory::new("order");
    let stale = directory.write("usr/prog", &TestElf::library().build_id(&OTHER).bytes());
    let named = directory.write("named", b"#!/bin/sh\n");
    let beside = directory.write("cores/prog", &TestElf::library().build_id(&ID).bytes());
    let options = SearchOptions {
        executable: Some(named.clone()),
        sysroot: Some(directory.0.join("nothing")),
        core_directory: Some(directory.0.join("cores")),
        ..options(&directory)
    };
    let search = find_file(&seed(&stale, Some(&ID)), &options, None);
    assert_eq!(path_of(&search.file), Some(beside.as_path()));
    let outcomes: Vec<&Outcome> = search.looked.iter().map(|looked| &looked.outcome).collect();
    assert!(
        matches!(outcomes[..], [Outcome::Unusable(_), Outcome::Missing, Outcome::Mismatch { .. }, Outcome::Found]),
        "{outcomes:?}"
    );
}

#[test]
fn compares_headers_where_there_is_no_build_id() {
    let directory = TestDirectory::new("headers");
    let bytes = TestElf::library().section(".text", b"code").bytes();
    let path = directory.write("prog", &bytes);
    let find = |memory: Option<&[u8]>, seed: &ModuleSeed| find_file(seed, &options(&directory), memory);
    let seed = seed(&path, None);
    assert_eq!(find(Some(&bytes[..176]), &seed).identity, Some(Identity::Headers));
    // A program header more or less: another build.
    let mut other = bytes[..176].to_vec();
    other[64 + 32] ^= 1;
    let search = find(Some(&other), &seed);
    assert!(search.file.is_none() && search.mismatched().count() == 1);
    // Stripped since (or before): only the section headers moved.
    let mut stripped = bytes[..176].to_vec();
    stripped[40..48].fill(0);
    stripped[60..64].fill(0);
    assert_eq!(find(Some(&stripped), &seed).identity, Some(Identity::Unverified));
    // Nothing to compare but the mappings.
    let search = find(None, &seed);
    assert_eq!((search.identity, search.notes[0].code), (Some(Identity::Unverified), "unverified-file"));
    let elsewhere = ModuleSeed { mapped: vec![(seed.start, seed.end, 0x50_0000)], ..seed.clone() };
    assert!(find(None, &elsewhere).file.is_none());
    let deleted = ModuleSeed { deleted: true, ..seed };
    assert!(find(None, &deleted).file.is_none());
}

#[test]
fn works_the_bias_out_of_the_mappings() {
    let file = ElfFile::from_bytes("x", Box::leak(TestElf::library().bytes().into_boxed_slice())).unwrap();
    let mut seed = seed(Path::new("/x"), None);
    assert_eq!(bias_of(&seed, &file), Some(seed.bias));
    seed.bias = Bias(0);
    assert_eq!(bias_of(&seed, &file), Some(Bias(0x7000_0000)));
    seed.mapped.clear();
    assert_eq!(bias_of(&seed, &file), None);
}

#[test]
fn finds_debug_files_by_build_id() {
    let directory = TestDirectory::new("debug-id");
    let debug = directory.write("debug/.build-id/ab/cdef01.debug", &TestElf::library().build_id(&ID).bytes());
    let search = find_debug(&seed(Path::new("/no/prog"), Some(&ID)), None, &options(&directory));
    assert_eq!(path_of(&search.file), Some(debug.as_path()), "without the program itself, too");
    directory.write("debug/.build-id/ab/cdef01.debug", &TestElf::library().build_id(&OTHER).bytes());
    let search = find_debug(&seed(Path::new("/no/prog"), Some(&ID)), None, &options(&directory));
    assert!(search.file.is_none() && search.mismatched().count() == 1);
}

#[test]
fn checks_the_crc_of_a_linked_debug_file() {
    let directory = TestDirectory::new("crc");
    let debug_bytes = TestElf::library().section(".debug_info", b"units").bytes();
    let crc = crc32fast::hash(&debug_bytes);
    let open = |crc| {
        let path = directory.write("bin/prog", &TestElf::library().debuglink("prog.debug", crc).bytes());
        ElfFile::open(&path).unwrap()
    };
    let find = |file: &ElfFile| find_debug(&seed(file.path(), None), Some(file), &options(&directory));
    let below_root = Path::new("debug").join(directory.0.strip_prefix("/").unwrap()).join("bin/prog.debug");
    for place in [Path::new("bin/prog.debug"), Path::new("bin/.debug/prog.debug"), &below_root] {
        let debug = directory.write(place, &debug_bytes);
        assert_eq!(path_of(&find(&open(crc)).file), Some(debug.as_path()));
        let search = find(&open(crc ^ 1));
        assert!(search.file.is_none());
        let outcome = &search.mismatched().next().unwrap().outcome;
        assert!(matches!(outcome, Outcome::Differs(how) if how.contains(&format!("{crc:#010x}"))), "{outcome:?}");
        std::fs::remove_file(&debug).unwrap();
    }
    assert!(find(&open(crc)).file.is_none());
}

#[test]
fn lets_build_ids_decide_over_the_crc() {
    let directory = TestDirectory::new("crc-id");
    let path = directory.write("prog", &TestElf::library().build_id(&ID).debuglink("prog.debug", 1).bytes());
    let file = ElfFile::open(&path).unwrap();
    let debug = directory.write("prog.debug", &TestElf::library().build_id(&ID).bytes());
    let search = find_debug(&seed(&path, Some(&ID)), Some(&file), &options(&directory));
    assert_eq!(path_of(&search.file), Some(debug.as_path()), "equal ids spare the CRC");
    directory.write("prog.debug", &TestElf::library().build_id(&OTHER).bytes());
    let search = find_debug(&seed(&path, Some(&ID)), Some(&file), &options(&directory));
    assert!(search.file.is_none() && search.mismatched().count() == 1);
}

#[test]
fn finds_the_dwz_file_and_checks_its_id() {
    let directory = TestDirectory::new("dwz");
    let path = directory.write("lib/a.debug", &TestElf::library().debugaltlink("../common/x", &ID).bytes());
    let file = ElfFile::open(&path).unwrap();
    let search = find_supplementary(&file, &options(&directory));
    assert_eq!((search.file.is_none(), search.notes[0].code), (true, "missing-dwz"));
    let common = directory.write("common/x", &TestElf::library().build_id(&OTHER).bytes());
    let search = find_supplementary(&file, &options(&directory));
    assert_eq!((search.file.is_none(), search.mismatched().count()), (true, 1));
    std::fs::write(&common, TestElf::library().build_id(&ID).bytes()).unwrap();
    assert!(find_supplementary(&file, &options(&directory)).file.is_some());
    std::fs::remove_file(&common).unwrap();
    let by_id = directory.write("debug/.build-id/ab/cdef01.debug", &TestElf::library().build_id(&ID).bytes());
    assert_eq!(path_of(&find_supplementary(&file, &options(&directory)).file), Some(by_id.as_path()));
}

#[test]
fn checks_the_id_of_a_split_unit() {
    // DWARF 5, section 7.5.1.2: length, version 5, type, address size, abbreviations' offset, id.
    let unit = |kind: u8, id: u64| {
        let mut bytes = vec![17, 0, 0, 0, 5, 0, kind, 8, 0, 0, 0, 0];
        bytes.extend(id.to_le_bytes());
        bytes.push(0);
        bytes
    };
    let directory = TestDirectory::new("dwo");
    let path = directory.write("bin/prog", &TestElf::library().section(".debug_info", &unit(4, 7)).bytes());
    let load = || {
        let file = Arc::new(ElfFile::open(&path).unwrap());
        crate::module::dwarf_file::load(file, None, &Arc::new(options(&directory))).unwrap()
    };
    let id = gimli::DwoId(7);
    let dwarf = load();
    assert!(dwarf.split_unit("a.dwo", "/no/where", id).is_none());
    assert_eq!(dwarf.notes()[0].code, "missing-dwo");
    directory.write("bin/a.dwo", &TestElf::object().section(".debug_info.dwo", &unit(5, 8)).bytes());
    let dwarf = load();
    assert!(dwarf.split_unit("a.dwo", "/no/where", id).is_none(), "of another build");
    let looked = dwarf.looked();
    let expected = Outcome::Mismatch { expected: format!("{:016x}", 7), found: Some(format!("{:016x}", 8)) };
    assert!(looked.iter().any(|looked| looked.outcome == expected), "{looked:?}");
    directory.write("bin/a.dwo", &TestElf::object().section(".debug_info.dwo", &unit(5, 7)).bytes());
    let dwarf = load();
    let first = dwarf.split_unit("a.dwo", "/no/where", id).unwrap();
    assert!(std::ptr::eq(first, dwarf.split_unit("a.dwo", "/no/where", id).unwrap()), "loaded once");
}
