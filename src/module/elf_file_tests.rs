use super::*;
use crate::module::test_elf::{TestDirectory, TestElf};
use std::io::Write;

fn open(elf: TestElf) -> ElfFile {
    ElfFile::from_bytes("test", Box::leak(elf.bytes().into_boxed_slice())).unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

const TEXT: &[u8] = b"units and units and units and units";

#[test]
fn inflates_sections_of_every_kind() {
    let size = TEXT.len() as u64;
    let old = [b"ZLIB".as_slice(), &size.to_be_bytes(), &zlib(TEXT)].concat();
    let file = open(
        TestElf::library()
            .compressed(".debug_info", 1, size, &zlib(TEXT))
            .compressed(".debug_str", 2, size, &zstd::bulk::compress(TEXT, 3).unwrap())
            .section(".zdebug_line", &old)
            .section(".debug_abbrev", TEXT),
    );
    for name in [".debug_info", ".debug_str", ".debug_line", ".debug_abbrev"] {
        assert_eq!(file.section(name), Some(TEXT), "{name}");
        assert!(file.has_section(name), "{name}");
        assert_eq!(file.is_compressed(name), name != ".debug_abbrev", "{name}");
    }
    assert!(file.has_dwarf());
    assert_eq!(file.section(".debug_loc"), None);
    assert_eq!(file.problems(), [""; 0]);
}

#[test]
fn says_which_compressed_section_is_damaged() {
    let size = TEXT.len() as u64;
    let damaged = |kind, size, data: &[u8]| {
        let file = open(TestElf::library().compressed(".debug_info", kind, size, data));
        assert_eq!(file.section(".debug_info"), None);
        let problems = file.problems();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with("compressed section .debug_info: "), "{problems:?}");
        problems[0].clone()
    };
    assert!(damaged(1, u64::MAX, &zlib(TEXT)).contains("claims 18446744073709551615 bytes"));
    assert!(damaged(2, 3 << 30, &zstd::bulk::compress(TEXT, 3).unwrap()).contains("claims"));
    assert!(damaged(1, size - 1, &zlib(TEXT)).contains("more bytes"));
    assert!(damaged(1, size + 1, &zlib(TEXT)).contains("fewer bytes"));
    assert!(damaged(7, size, &zlib(TEXT)).contains("unknown compression type 7"));
    damaged(1, size, &zlib(TEXT)[..10]);

    let old = [b"ZLIB".as_slice(), &u64::MAX.to_be_bytes(), &zlib(TEXT)].concat();
    assert_eq!(open(TestElf::library().section(".zdebug_info", &old)).section(".debug_info"), None);
    assert_eq!(open(TestElf::library().section(".zdebug_info", b"short")).section(".debug_info"), None);
}

#[test]
fn joins_an_object_files_sections_of_one_name() {
    let elf = || TestElf::object().section(".debug_info.dwo", b"types").section(".debug_info.dwo", b"unit");
    assert_eq!(open(elf()).section(".debug_info.dwo"), Some(b"typesunit".as_slice()));
    let linked = TestElf::library().section(".debug_info.dwo", b"types").section(".debug_info.dwo", b"unit");
    assert_eq!(open(linked).section(".debug_info.dwo"), Some(b"types".as_slice()));
}

#[test]
fn finds_the_build_id_in_section_or_segment() {
    let id = [1, 2, 3, 4, 5, 6, 7];
    assert_eq!(open(TestElf::library().build_id(&id)).build_id(), Some(&id[..]));
    assert_eq!(open(TestElf::library().build_id(&id).without_note_section()).build_id(), Some(&id[..]));
    assert_eq!(open(TestElf::library()).build_id(), None);
    assert_eq!(open(TestElf::library().build_id(&[9; 65])).build_id(), None, "no hash is that long");
}

#[test]
fn reads_the_links_to_other_files() {
    let file = open(TestElf::library().debuglink("a.debug", 0x1234_5678).debugaltlink("../common", &[1, 2]));
    assert_eq!(file.debuglink(), Some(("a.debug".to_owned(), 0x1234_5678)));
    assert_eq!(file.debugaltlink(), Some(("../common".to_owned(), vec![1, 2])));
    let sup = [&[5, 0, 0], b"common\0".as_slice(), &[2, 8, 9]].concat();
    let file = open(TestElf::library().section(".debug_sup", &sup));
    assert_eq!(file.debugaltlink(), Some(("common".to_owned(), vec![8, 9])));
    for broken in [b"".as_slice(), b"name", b"name\0", b"name\0\0\0\0\x01\x02", b"\0\0\0\0\x01\x02\x03\x04"] {
        assert_eq!(open(TestElf::library().section(".gnu_debuglink", broken)).debuglink(), None, "{broken:?}");
    }
}

#[test]
fn opens_every_cut_of_a_file() {
    let bytes = TestElf::library()
        .build_id(&[7; 20])
        .compressed(".debug_info", 1, TEXT.len() as u64, &zlib(TEXT))
        .symbols(&[("f", 2, 1, 1, 0x10, 4)])
        .bytes();
    for length in 0..bytes.len() {
        let cut: &'static [u8] = Box::leak(bytes[..length].to_vec().into_boxed_slice());
        let Ok(file) = ElfFile::from_bytes("cut", cut) else {
            assert!(length < 64, "a whole header is enough to open: {length}");
            continue;
        };
        // The section headers are last, so a cut file has none of them.
        assert_eq!(file.section(".debug_info"), None, "{length}");
        assert!(file.problems()[0].contains("headers"), "{length}");
        file.bytes_at(FileAddr(0x20));
        file.symbol_section(2);
    }
}

#[test]
fn names_what_a_file_is_instead() {
    let problem = |bytes: &'static [u8]| ElfFile::from_bytes("x", bytes).err().unwrap().to_string();
    assert_eq!(problem(b""), "x: an empty file");
    assert_eq!(problem(b"#!/bin/sh"), "x: not an ELF file");
    assert!(problem(b"\x7fELF\x02\x02\x01").contains("big-endian"));
}

#[test]
fn does_not_wait_for_a_pipe() {
    let directory = TestDirectory::new("pipe");
    let pipe = directory.0.join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    if !made.is_ok_and(|status| status.success()) {
        return;
    }
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(ElfFile::open(&pipe).map(|_| ()).map_err(|error| error.to_string())));
    let answer = receiver.recv_timeout(std::time::Duration::from_secs(5)).expect("it waits for a writer");
    assert!(answer.unwrap_err().contains("not a regular file"));
}
