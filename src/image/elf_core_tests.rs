use std::path::Path;

use super::*;
use crate::arch::{aarch64, i386, x86_64};
use crate::image::test_core::{CoreBuilder, open};
use crate::memory::MissingReason;

fn refusal(bytes: Vec<u8>) -> String {
    match parse(Path::new("f"), bytes.leak(), Vec::new()) {
        Ok(_) => "accepted".into(),
        Err(error) => error.to_string(),
    }
}

/// A core as the kernel writes it: two threads, a file, memory in every state.
fn kernel_core() -> CoreBuilder {
    CoreBuilder::new(Arch::X86_64)
        .thread(101, 11, &[(x86_64::RIP, 0x1234), (x86_64::RSP, 0x7ff0), (0, 5)])
        .fault(11, 1, 0xdead)
        .auxv(&[(auxv::PAGESZ, 4096), (auxv::ENTRY, 0x10010)])
        .files(&[
            (0x10000, 0x11000, 0, "/bin/x"),
            (0x11000, 0x12000, 1, "/bin/x"),
            (0x80000, 0x81000, 3, "/lib/y (deleted)"),
        ])
        .thread(100, 11, &[(x86_64::RIP, 0x2000)])
        .load(0x10000, 5, &[1; 0x100], 0x2000)
        .load(0x20000, 6, &[2; 0x200], 0x200)
        .load(0x20200, 6, &[3; 0x200], 0x200)
}

fn codes(image: &Image) -> Vec<&'static str> {
    image.notes.iter().map(|note| note.code).collect()
}

#[test]
fn threads_signal_and_process() {
    for notes_last in [false, true] {
        let mut builder = kernel_core();
        builder.notes_last = notes_last;
        let image = builder.open();
        assert_eq!(image.threads.iter().map(|thread| thread.lwp).collect::<Vec<_>>(), [101, 100]);
        let crashed = &image.threads[0];
        assert!(crashed.crashed && !image.threads[1].crashed);
        assert_eq!(crashed.registers.pc(), Some(0x1234));
        assert_eq!(crashed.registers.sp(), Some(0x7ff0));
        assert_eq!(crashed.registers.get(0), Some(5));
        assert_eq!(crashed.registers.thread_pointer, Some(0x7000));
        let special = &crashed.registers.vectors.as_ref().unwrap().special;
        assert_eq!(special[0], ("eflags", vec![0x33, 0, 0, 0, 0, 0, 0, 0]));
        let signal = image.signal.as_ref().unwrap();
        assert_eq!((signal.number, signal.code, signal.address), (11, Some(1), Some(RunAddr(0xdead))));
        // The kernel writes the same pr_cursig everywhere: the other thread had no signal of its own.
        assert_eq!(image.threads[1].signal, None);
        assert_eq!(image.process.executable.as_deref(), Some("/bin/x"));
        assert_eq!(codes(&image), [] as [&str; 0]);
    }
}

#[test]
fn the_signalled_thread_comes_first_where_it_is_not() {
    let image = CoreBuilder::new(Arch::X86_64).thread(1, 0, &[]).thread(2, 0, &[]).thread(3, 6, &[]).thread(4, 0, &[]);
    let image = image.open();
    let threads: Vec<_> = image.threads.iter().map(|thread| (thread.lwp, thread.crashed)).collect();
    assert_eq!(threads, [(3, true), (1, false), (2, false), (4, false)]);
    assert_eq!(image.signal.unwrap().number, 6);
    // A core of a live process: the first thread, but no signal.
    let image = CoreBuilder::new(Arch::X86_64).thread(1, 19, &[]).thread(2, 0, &[]).open();
    assert_eq!((image.threads[0].lwp, image.signal), (1, None));
}

#[test]
fn other_architectures() {
    let image = CoreBuilder::new(Arch::I386).thread(7, 11, &[(i386::EIP, 0x0804_8000), (i386::ESP, 0xff00)]);
    let image = image.fault(11, 2, 0x10).load(0xffff_0000, 6, b"top", 3).open();
    assert_eq!((image.arch, image.threads[0].registers.pc()), (Arch::I386, Some(0x0804_8000)));
    assert_eq!(image.signal.as_ref().unwrap().address, Some(RunAddr(0x10)));
    assert_eq!(image.memory.piece(RunAddr(0xffff_0000), 9).unwrap(), b"top");

    let tls = 0x1122_3344u64.to_le_bytes();
    let mut simd = vec![0; 528];
    simd[16 * 8] = 0x40;
    simd[516] = 7;
    let image = CoreBuilder::new(Arch::Aarch64).thread(7, 11, &[(aarch64::PC, 0x4000), (aarch64::X30, 9)]);
    let image = image.note("CORE", 2, &simd).note("LINUX", 0x401, &tls);
    let masks = [0x007f_0000_0000_0000u64.to_le_bytes(), 0x0070_0000_0000_0000u64.to_le_bytes()].concat();
    let image = image.note("LINUX", 0x406, &masks).open();
    let registers = &image.threads[0].registers;
    assert_eq!((registers.pc(), registers.get(30)), (Some(0x4000), Some(9)));
    assert_eq!(registers.thread_pointer, Some(0x1122_3344));
    assert_eq!(registers.signature_mask, Some(0x0070_0000_0000_0000));
    assert_eq!(registers.bytes(72).unwrap()[0], 0x40);
    let vectors = registers.vectors.as_ref().unwrap();
    assert_eq!(vectors.named[1], ("fpcr", vec![7, 0, 0, 0]));
    assert_eq!(vectors.special[0].0, "cpsr");
}

#[test]
fn every_byte_of_memory_says_what_it_is() {
    let image = kernel_core().open();
    let memory = &image.memory;
    assert_eq!(memory.piece(RunAddr(0x100ff), 9).unwrap(), [1]);
    let reason = |address| memory.piece(RunAddr(address), 1).unwrap_err().reason;
    assert_eq!(reason(0x10100), MissingReason::NotSaved);
    assert_eq!(reason(0x11fff), MissingReason::NotSaved);
    assert_eq!(reason(0x12000), MissingReason::Unmapped);
    assert_eq!(reason(0), MissingReason::Unmapped);
    assert_eq!(reason(u64::MAX), MissingReason::Unmapped);
    // Known from NT_FILE alone.
    assert_eq!(reason(0x80000), MissingReason::NotSaved);
    // Neighbouring segments read as one.
    let mut bytes = [0; 4];
    memory.read(RunAddr(0x201fe), &mut bytes).unwrap();
    assert_eq!(bytes, [2, 2, 3, 3]);
}

#[test]
fn mappings_are_cut_where_files_begin() {
    let image = kernel_core().open();
    let mappings: Vec<_> = image
        .mappings
        .iter()
        .map(|mapping| (mapping.start.0, mapping.end.0, mapping.flags, mapping.saved, mapping.file.clone()))
        .collect();
    let file = |path: &str, offset| Some((path.to_owned(), offset));
    assert_eq!(
        mappings,
        [
            (0x10000, 0x11000, 5, 0x100, file("/bin/x", 0)),
            (0x11000, 0x12000, 5, 0, file("/bin/x", 0x1000)),
            (0x20000, 0x20200, 6, 0x200, None),
            (0x20200, 0x20400, 6, 0x200, None),
            (0x80000, 0x81000, 0, 0, file("/lib/y (deleted)", 0x3000)),
        ]
    );
    assert_eq!(image.mapping_at(RunAddr(0x11fff)).unwrap().start, RunAddr(0x11000));
    assert!(image.mapping_at(RunAddr(0x12000)).is_none());
}

#[test]
fn a_cut_core_keeps_what_is_before_the_cut() {
    let core = kernel_core().build();
    let image = open(core[..core.len() - 0x300].to_vec());
    assert_eq!(image.threads.len(), 2);
    assert_eq!(codes(&image), ["core-truncated"]);
    assert_eq!(image.memory.piece(RunAddr(0x20000), 0x1000).unwrap().len(), 0x100);
    assert_eq!(image.memory.piece(RunAddr(0x20100), 1).unwrap_err().reason, MissingReason::Truncated);
    assert_eq!(image.memory.piece(RunAddr(0x20200), 1).unwrap_err().reason, MissingReason::Truncated);
    // Within the second thread's note, which is the last one.
    let notes_end = core.len() - 0x500;
    let image = open(core[..notes_end - 20].to_vec());
    assert_eq!(image.threads.len(), 1);
    assert_eq!(codes(&image), ["core-truncated", "notes-truncated"]);
    assert_eq!(image.mappings.len(), 5);
}

#[test]
fn no_cut_and_no_flipped_byte_breaks_anything() {
    let cores = [
        kernel_core().build(),
        CoreBuilder::new(Arch::I386)
            .thread(7, 11, &[])
            .files(&[(0x1000, 0x2000, 0, "/x")])
            .load(0x1000, 5, b"abc", 9)
            .build(),
        CoreBuilder::new(Arch::Aarch64).auxv(&[(3, 0x40)]).thread(7, 11, &[]).load(0x1000, 5, b"abc", 9).build(),
    ];
    let look = |bytes: Vec<u8>| {
        let Ok(image) = parse(Path::new("f"), bytes.leak(), Vec::new()) else { return };
        for mapping in &image.mappings {
            assert!(mapping.start < mapping.end);
            let _ = image.memory.read_vec(mapping.start, 0x3000);
        }
        for thread in &image.threads {
            let _ = thread.registers.vectors.as_ref().unwrap().numbered.len();
        }
        let (modules, _) = crate::image::modules::discover(&image, None);
        assert!(modules.windows(2).all(|pair| pair[0].start <= pair[1].start));
    };
    let mut state = 7u64;
    for core in &cores {
        for length in (0..core.len()).step_by(16) {
            look(core[..length].to_vec());
        }
        for _ in 0..2000 {
            let mut flipped = core.clone();
            for _ in 0..3 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let at = (state >> 33) as usize % core.len().min(0x900);
                flipped[at] = (state >> 20) as u8;
            }
            look(flipped);
        }
    }
}

#[test]
fn more_segments_than_the_header_can_count() {
    let mut builder = CoreBuilder::new(Arch::X86_64).thread(1, 6, &[(x86_64::RIP, 1)]);
    builder.counted_in_section = true;
    for index in 0..70_000u64 {
        builder = builder.load(0x10000 + index * 0x20, 6, &index.to_le_bytes(), 0x10);
    }
    let core = builder.build();
    let image = open(core.clone());
    assert_eq!((image.threads.len(), image.mappings.len()), (1, 70_000));
    assert_eq!(image.memory.read_uint(RunAddr(0x10000 + 69_999 * 0x20), 8).unwrap(), 69_999);
    // As the kernel has it: section 0 at the end, so lost with the end. The headers are still all there.
    let mut lost = core;
    lost[40..48].copy_from_slice(&u64::MAX.to_le_bytes());
    let image = open(lost);
    assert_eq!(image.mappings.len(), 70_001 - 1);
    assert_eq!(codes(&image), ["segments-truncated"]);
}

#[test]
fn other_files_are_declined_in_one_line() {
    let header = |machine: u16, kind: u8, class: u8, data: u8| {
        let mut bytes = crate::image::test_core::elf_header(Arch::X86_64, 4, 0, 0);
        let half = if data == 2 { machine.to_be_bytes() } else { machine.to_le_bytes() };
        let pair = if data == 2 { [0, kind] } else { [kind, 0] };
        bytes[4] = class;
        bytes[5] = data;
        bytes[16..18].copy_from_slice(&pair);
        bytes[18..20].copy_from_slice(&half);
        bytes
    };
    let cases: [(Vec<u8>, &str); 13] = [
        (vec![], "f: is empty"),
        (b"hello".to_vec(), "f: is no ELF file, so no core"),
        (b"#!/bin/sh".to_vec(), "f: is a script, not a core"),
        (b"\x7fELF".to_vec(), "f: is cut within its ELF header"),
        (header(62, 2, 2, 1), "f: is an x86-64 executable, not a core"),
        (header(62, 3, 2, 1), "f: is an x86-64 executable or shared library, not a core"),
        (header(183, 1, 2, 1), "f: is an aarch64 object file, not a core"),
        (header(21, 4, 2, 2), "f: is a core of PowerPC; cores of x86-64, aarch64 and i386 can be read"),
        (header(40, 4, 1, 1), "f: is a core of 32-bit Arm; cores of x86-64, aarch64 and i386 can be read"),
        (header(183, 4, 2, 2), "f: is a core of big-endian aarch64; cores of x86-64, aarch64 and i386 can be read"),
        (
            header(62, 4, 1, 1),
            "f: is a core of x32 (x86-64 with 32-bit pointers); cores of x86-64, aarch64 and i386 can be read",
        ),
        (header(9999, 4, 2, 1), "f: is a core of machine 9999; cores of x86-64, aarch64 and i386 can be read"),
        (header(62, 2, 2, 1)[..40].to_vec(), "f: is an x86-64 executable, not a core"),
    ];
    for (bytes, expected) in cases {
        assert_eq!(refusal(bytes), expected);
    }
    assert!(refusal(header(62, 4, 2, 1)[..40].to_vec()).starts_with("f: has a damaged ELF header"));
}

#[test]
fn overlapping_segments_and_the_end_of_the_address_space() {
    let image = CoreBuilder::new(Arch::X86_64)
        .load(0x1000, 6, &[1; 0x20], 0x20)
        .load(0x1010, 6, &[2; 0x20], 0x20)
        .load(u64::MAX - 0xf, 6, &[3; 0x20], 0x20)
        .load(0x5000, 6, b"", u64::MAX)
        .open();
    assert_eq!(image.memory.read_vec(RunAddr(0x1008), 0x28).unwrap(), [vec![1; 8], vec![2; 0x20]].concat());
    assert_eq!(image.memory.piece(RunAddr(u64::MAX - 0xf), 99).unwrap(), [3; 15]);
    assert_eq!(codes(&image), ["no-threads"]);
}

#[test]
fn cores_of_other_systems_are_said_to_be_such() {
    let of = |owner: &str| CoreBuilder::new(Arch::X86_64).note(owner, 1, &[0; 64]).load(0x1000, 6, &[1; 8], 8).open();
    assert!(of("NetBSD-CORE@1").notes[0].message.ends_with("is a core of NetBSD: threads are read of Linux's alone"));
    assert!(of("FreeBSD").notes[0].message.contains("is a core of FreeBSD"));
    assert!(of("GNU").notes[0].message.ends_with("holds no thread's registers"));
}
