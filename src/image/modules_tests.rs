use super::*;
use crate::arch::Arch;
use crate::image::test_core::{CoreBuilder, module_page};

/// A shared library of two pages: code at 0, data at 0x1000 (offset 0x1000), bss up to 0x3000.
fn library(id: u8) -> Vec<u8> {
    module_page(
        Arch::X86_64,
        3,
        0x100,
        id,
        &[[1, 5, 0, 0, 0x900, 0x900, 0x1000], [1, 6, 0x1000, 0x1000, 0x100, 0x1f00, 0x1000]],
        0,
    )
}

fn seeds(builder: &CoreBuilder) -> (Vec<ModuleSeed>, Vec<&'static str>) {
    let (seeds, notes) = discover(&builder.open(), None);
    (seeds, notes.iter().map(|note| note.code).collect())
}

#[test]
fn modules_come_from_mapped_files_and_their_headers() {
    // A program at a fixed address, linked there.
    let program = module_page(Arch::X86_64, 2, 0x40_0100, 1, &[[1, 5, 0, 0x40_0000, 0x900, 0x900, 0x1000]], 0x40_0000);
    let builder = CoreBuilder::new(Arch::X86_64)
        .auxv(&[(auxv::PHDR, 0x40_0040), (auxv::ENTRY, 0x40_0100)])
        .files(&[
            (0x40_0000, 0x40_1000, 0, "/bin/program (deleted)"),
            (0x7000_0000, 0x7000_1000, 0, "/lib/l.so"),
            (0x7000_1000, 0x7000_2000, 1, "/lib/l.so"),
            (0x7100_0000, 0x7100_1000, 0, "/lib/l.so"),
            (0x7100_1000, 0x7100_2000, 1, "/lib/l.so"),
            (0x7200_0000, 0x7200_1000, 0, "/usr/share/data"),
            (0x7300_0000, 0x7300_1000, 0, "/lib/read-as-data.so"),
            (0x7400_0000, 0x7400_1000, 16, "/app/archive.apk"),
        ])
        .load(0x40_0000, 5, &program, 0x1000)
        .load(0x7000_0000, 5, &library(2), 0x1000)
        .load(0x7000_1000, 6, &[], 0x1000)
        .load(0x7100_0000, 5, &library(2), 0x1000)
        .load(0x7100_1000, 6, &[], 0x1000)
        .load(0x7200_0000, 5, b"data", 0x1000)
        .load(0x7300_0000, 4, &library(3), 0x1000)
        .load(0x7400_0000, 5, &library(4), 0x1000);
    let (seeds, notes) = seeds(&builder);
    let summary: Vec<_> = seeds
        .iter()
        .map(|seed| (seed.path.as_str(), seed.bias.0, seed.start.0, seed.end.0, seed.is_executable, seed.deleted))
        .collect();
    assert_eq!(
        summary,
        [
            ("/bin/program", 0, 0x40_0000, 0x40_1000, true, true),
            ("/lib/l.so", 0x7000_0000, 0x7000_0000, 0x7000_3000, false, false),
            ("/lib/l.so", 0x7100_0000, 0x7100_0000, 0x7100_3000, false, false),
            ("/app/archive.apk", 0x7400_0000, 0x7400_0000, 0x7400_3000, false, false),
        ]
    );
    assert_eq!(seeds[0].build_id, Some(vec![1; 20]));
    assert_eq!(seeds[1].build_id, Some(vec![2; 20]));
    assert_eq!(seeds[1].mapped[1], (RunAddr(0x7000_1000), RunAddr(0x7000_2000), 0x1000));
    assert_eq!(notes, [] as [&str; 0]);
}

#[test]
fn a_module_whose_header_was_not_saved_is_still_named() {
    let builder = CoreBuilder::new(Arch::X86_64)
        .auxv(&[(auxv::ENTRY, 0x40_1100)])
        .files(&[
            (0x40_0000, 0x40_1000, 0, "/bin/program"),
            (0x40_1000, 0x40_2000, 1, "/bin/program"),
            (0x7fff_7000_0000, 0x7fff_7000_1000, 0, "/lib/l.so"),
            (0x7fff_7000_1000, 0x7fff_7000_2000, 1, "/lib/l.so"),
            (0x7fff_7100_0000, 0x7fff_7100_1000, 0, "/lib/l.so"),
            (0x7fff_7100_1000, 0x7fff_7100_2000, 1, "/lib/l.so"),
            (0x7fff_7200_0000, 0x7fff_7200_1000, 0, "/usr/share/locale"),
        ])
        .load(0x40_0000, 4, &[], 0x1000)
        .load(0x40_1000, 5, &[], 0x1000)
        .load(0x7fff_7200_0000, 4, &[], 0x1000);
    let (seeds, notes) = seeds(&builder);
    let summary: Vec<_> =
        seeds.iter().map(|seed| (seed.path.as_str(), seed.bias.0, seed.end.0, seed.is_executable)).collect();
    assert_eq!(
        summary,
        [
            ("/bin/program", 0, 0x40_2000, true),
            ("/lib/l.so", 0x7fff_7000_0000, 0x7fff_7000_2000, false),
            ("/lib/l.so", 0x7fff_7100_0000, 0x7fff_7100_2000, false),
        ]
    );
    assert_eq!(notes, ["module-headers-missing"]);
}

#[test]
fn the_program_that_ld_so_was_given_is_the_program() {
    let mut program = module_page(
        Arch::X86_64,
        3,
        0x100,
        1,
        &[[1, 5, 0, 0, 0xa00, 0xa00, 0x1000], [3, 4, 0x900, 0x900, 16, 16, 1]],
        0,
    );
    program[0x900..0x90c].copy_from_slice(b"/lib64/ld.so");
    let builder = CoreBuilder::new(Arch::X86_64)
        .auxv(&[(auxv::PHDR, 0x7000_0040), (auxv::ENTRY, 0x7000_0100)])
        .files(&[(0x5000_0000, 0x5000_1000, 0, "/bin/program"), (0x7000_0000, 0x7000_1000, 0, "/usr/lib64/ld.so")])
        .load(0x5000_0000, 5, &program, 0x1000)
        .load(0x7000_0000, 5, &library(2), 0x1000);
    let (seeds, _) = seeds(&builder);
    assert_eq!(seeds.iter().map(|seed| seed.is_executable).collect::<Vec<_>>(), [true, false]);
}

/// A core without NT_FILE: a program, the dynamic linker's list with a library, a vDSO, an unlisted module.
fn without_files(cycle: bool) -> CoreBuilder {
    let base = 0x5555_0000u64;
    let program = module_page(
        Arch::X86_64,
        3,
        0x100,
        1,
        &[
            [6, 4, 0x40, 0x40, 0x100, 0x100, 8],
            [1, 5, 0, 0, 0x900, 0x900, 0x1000],
            [1, 6, 0x1000, 0x1000, 0x1000, 0x1000, 0x1000],
            [2, 6, 0x1000, 0x1000, 0x40, 0x40, 8],
        ],
        0,
    );
    let mut data = vec![0; 0x1000];
    let mut put = |at: usize, words: &[u64]| {
        for (index, word) in words.iter().enumerate() {
            data[at + 8 * index..at + 8 * index + 8].copy_from_slice(&word.to_le_bytes());
        }
    };
    let at = |offset: u64| base + 0x1000 + offset;
    put(0, &[21, at(0x100), 0, 0]);
    put(0x100, &[1, at(0x200), 0, 0, 0]);
    put(0x200, &[base, at(0x300), at(0), at(0x240), 0]);
    put(0x240, &[0x7000_0000, at(0x308), 0x7000_1000, if cycle { at(0x200) } else { 0 }, at(0x200)]);
    data[0x308..0x311].copy_from_slice(b"/lib/l.so");
    CoreBuilder::new(Arch::X86_64)
        .auxv(&[(auxv::PHDR, base + 0x40), (auxv::PHNUM, 5), (auxv::SYSINFO_EHDR, 0x7f00_0000)])
        .load(base, 5, &program, 0x1000)
        .load(base + 0x1000, 6, &data, 0x1000)
        .load(0x7000_0000, 5, &library(2), 0x1000)
        .load(0x7000_1000, 6, &[], 0x2000)
        .load(0x7e00_0000, 5, &library(3), 0x1000)
        .load(0x7e80_0000, 6, &library(4), 0x1000)
        .load(0x7f00_0000, 5, &library(9), 0x1000)
}

#[test]
fn without_mapped_files_the_dynamic_linker_is_asked() {
    for cycle in [false, true] {
        let (seeds, notes) = seeds(&without_files(cycle));
        let summary: Vec<_> = seeds
            .iter()
            .map(|seed| (seed.path.as_str(), seed.start.0, seed.build_id.as_ref().unwrap()[0], seed.is_executable))
            .collect();
        assert_eq!(
            summary,
            [
                ("[program]", 0x5555_0000, 1, true),
                ("/lib/l.so", 0x7000_0000, 2, false),
                ("[elf@0x7e000000]", 0x7e00_0000, 3, false),
                ("[vdso]", 0x7f00_0000, 9, false),
            ]
        );
        assert!(seeds[3].is_vdso);
        assert_eq!(notes, if cycle { vec!["link-map-incomplete"] } else { vec![] });
    }
}

#[test]
fn a_hinted_program_is_used_where_its_entry_fits() {
    let directory = std::env::temp_dir().join(format!("obit-modules-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("program");
    let loads = [[1, 5, 0, 0x40_0000, 0x900, 0x900, 0x1000]];
    std::fs::write(&path, module_page(Arch::X86_64, 2, 0x40_0100, 1, &loads, 0x40_0000)).unwrap();
    let core = |entry| {
        CoreBuilder::new(Arch::X86_64)
            .auxv(&[(auxv::PHDR, 0x40_0040), (auxv::PHNUM, 2), (auxv::ENTRY, entry)])
            .load(0x40_0000, 5, &[], 0x1000)
            .open()
    };
    let (seeds, notes) = discover(&core(0x40_0100), Some(&path));
    assert_eq!((seeds[0].bias, seeds[0].start, seeds[0].is_executable), (Bias(0), RunAddr(0x40_0000), true));
    assert_eq!(notes, []);
    let (seeds, notes) = discover(&core(0x40_0200), Some(&path));
    assert_eq!((seeds.len(), notes[0].code), (0, "executable-differs"));
    let (seeds, notes) = discover(&core(0x40_0100), Some(&directory.join("none")));
    assert_eq!((seeds.len(), notes[0].code), (0, "executable-unreadable"));
    let (seeds, notes) = discover(&core(0x40_0100), None);
    assert_eq!((seeds.len(), notes[0].code), (0, "program-headers-missing"));
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn the_vdso_may_lie_in_a_hole_of_the_dynamic_linker() {
    let linker = module_page(
        Arch::Aarch64,
        3,
        0x100,
        1,
        &[[1, 5, 0, 0, 0x900, 0x900, 0x10000], [1, 6, 0x1000, 0x1_1000, 0x100, 0x100, 0x10000]],
        0,
    );
    let vdso = module_page(Arch::Aarch64, 3, 0, 2, &[[1, 5, 0, 0, 0x900, 0x900, 16]], 0);
    let builder = CoreBuilder::new(Arch::Aarch64)
        .auxv(&[(auxv::ENTRY, 0x7000_0100), (auxv::SYSINFO_EHDR, 0x7000_8000)])
        .files(&[(0x7000_0000, 0x7000_1000, 0, "/lib/ld.so"), (0x7001_1000, 0x7001_2000, 1, "/lib/ld.so")])
        .load(0x7000_0000, 5, &linker, 0x1000)
        .load(0x7000_8000, 5, &vdso, 0x1000)
        .load(0x7001_1000, 6, &[], 0x1000);
    let (seeds, _) = seeds(&builder);
    let summary: Vec<_> = seeds.iter().map(|seed| (seed.path.as_str(), seed.start.0, seed.end.0)).collect();
    assert_eq!(summary, [("/lib/ld.so", 0x7000_0000, 0x7001_2000), ("[vdso]", 0x7000_8000, 0x7000_9000)]);
    assert!(seeds[1].is_vdso);
}
