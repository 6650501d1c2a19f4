//! What the tests of the whole program share: fixtures unpacked as they lay when their programs ran, and the program.

// Each test program uses a part of this.
#![allow(dead_code)]

pub mod hostile;

use std::collections::HashMap;
use std::fs;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The directory that stands for `/` (`--sysroot`): every fixture is under `tmp/fixtures` in it.
pub fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("root");
        unpack(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"), &root.join("tmp/fixtures"));
        root
    })
}

/// Names of the fixtures that have a core, in order.
pub fn fixtures() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(root().join("tmp/fixtures"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("core").exists())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Runs the program on a fixture's core: `command`, the target, the files' places, then `arguments`.
pub fn obit(fixture: &str, command: &str, arguments: &[&str]) -> Output {
    let directory = root().join("tmp/fixtures").join(fixture);
    obit_on(&directory.join("core"), fixture, command, arguments)
}

/// Runs the program on some core, with the files of a fixture.
pub fn obit_on(core: &Path, fixture: &str, command: &str, arguments: &[&str]) -> Output {
    let directory = root().join("tmp/fixtures").join(fixture);
    let mut obit = program();
    obit.arg(command).arg(core).arg("--sysroot").arg(root());
    if directory.join(fixture).exists() {
        obit.arg("--exe").arg(directory.join(fixture));
    }
    if directory.join("debug").exists() {
        obit.arg("--debug-dir").arg(directory.join("debug"));
    }
    obit.args(arguments).output().unwrap()
}

/// The program, without a cache, without servers and without formatters of whoever runs the tests.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_obit"));
    command.env("OBIT_CACHE_DIR", "").env_remove("DEBUGINFOD_URLS").env("XDG_CONFIG_HOME", "/nonexistent");
    command
}

/// Copies a tree with packed files unpacked, unless that was done before: `.zst` as it is, `.delta` with the file as a
/// prefix that the table `bases` of the tree names (`fixtures/pack.sh`).
fn unpack(from: &Path, to: &Path) {
    let text = fs::read_to_string(from.join("bases")).unwrap();
    let bases: HashMap<&str, &str> = text.lines().filter_map(|line| line.split_once(' ')).collect();
    let mut waiting = vec![PathBuf::new()];
    while let Some(directory) = waiting.pop() {
        fs::create_dir_all(to.join(&directory)).unwrap();
        for entry in fs::read_dir(from.join(&directory)).unwrap() {
            let entry = entry.unwrap();
            let name = directory.join(entry.file_name());
            match entry.file_type().unwrap().is_dir() {
                true => waiting.push(name),
                false => drop(unpack_file(from, to, name.to_str().unwrap(), &bases)),
            }
        }
    }
}

/// Unpacks one file, by its name in the tree, and gives where it lies then.
fn unpack_file(from: &Path, to: &Path, name: &str, bases: &HashMap<&str, &str>) -> PathBuf {
    let plain = name.strip_suffix(".zst").or(name.strip_suffix(".delta")).unwrap_or(name);
    let (packed, target) = (from.join(name), to.join(plain));
    let written = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    if written(&target).is_some_and(|target| Some(target) >= written(&packed)) {
        return target;
    }
    fs::create_dir_all(target.parent().unwrap()).unwrap();
    // Several test programs may unpack at once: each file appears whole.
    let temporary = to.join(format!("{name}.{}", std::process::id()));
    if name == plain {
        fs::copy(&packed, &temporary).unwrap();
    } else {
        let base = name.ends_with(".delta").then(|| {
            let base = bases.get(plain).unwrap_or_else(|| panic!("fixtures/bases has no line for {plain}"));
            let suffix = [".zst", ".delta"].into_iter().find(|suffix| from.join(format!("{base}{suffix}")).exists());
            fs::read(unpack_file(from, to, &format!("{base}{}", suffix.unwrap()), bases)).unwrap()
        });
        let prefix = base.as_deref().unwrap_or_default();
        let mut reader =
            zstd::stream::Decoder::with_ref_prefix(fs::File::open(&packed).map(BufReader::new).unwrap(), prefix)
                .unwrap();
        reader.window_log_max(31).unwrap();
        copy_with_holes(&mut reader, &mut fs::File::create(&temporary).unwrap());
    }
    fs::rename(&temporary, &target).unwrap();
    target
}

/// Copies an ELF file with every section's name that begins so beginning otherwise: nobody finds what it holds.
pub fn rename_sections(from: &Path, to: &Path, prefix: &[u8], other: &[u8]) {
    assert_eq!(prefix.len(), other.len());
    let mut bytes = fs::read(from).unwrap();
    let word =
        |at: usize, size: usize| bytes[at..at + size].iter().rev().fold(0usize, |all, byte| all << 8 | *byte as usize);
    // ELF64: e_shoff, e_shentsize, e_shstrndx; of a section header sh_offset and sh_size.
    let header = word(40, 8) + word(58, 2) * word(62, 2);
    let (start, size) = (word(header + 24, 8), word(header + 32, 8));
    let names = &mut bytes[start..start + size];
    for at in 0..names.len().saturating_sub(prefix.len()) {
        if names[at..].starts_with(prefix) {
            names[at..at + prefix.len()].copy_from_slice(other);
        }
    }
    fs::write(to, bytes).unwrap();
}

/// Takes the symbols from an ELF64 file: its symbol table's header is of no section.
pub fn hide_symbols(file: &Path) {
    const SHT_SYMTAB: u8 = 2;
    let mut bytes = fs::read(file).unwrap();
    let word =
        |at: usize, size: usize| bytes[at..at + size].iter().rev().fold(0usize, |all, byte| all << 8 | *byte as usize);
    let (headers, size, count) = (word(40, 8), word(58, 2), word(60, 2));
    for kind in (0..count).map(|index| headers + index * size + 4) {
        if bytes[kind] == SHT_SYMTAB {
            bytes[kind] = 0;
        }
    }
    fs::write(file, bytes).unwrap();
}

/// Where in an ELF64 core the bytes are that were at an address.
pub fn offset_in_core(core: &[u8], address: u64) -> Option<usize> {
    let word =
        |at: usize, size: usize| core[at..at + size].iter().rev().fold(0u64, |all, byte| all << 8 | u64::from(*byte));
    // e_phoff, e_phentsize, e_phnum; of a segment p_type, p_offset, p_vaddr, p_filesz.
    let (start, size, count) = (word(32, 8), word(54, 2), word(56, 2));
    (0..count).map(|index| (start + index * size) as usize).find_map(|at| {
        let (kind, offset, first, length) = (word(at, 4), word(at + 8, 8), word(at + 16, 8), word(at + 32, 8));
        let inside = address.checked_sub(first).filter(|inside| kind == 1 && *inside < length)?;
        Some((offset + inside) as usize)
    })
}

/// Writes a file whose pages of zeros take no room on the disk.
pub fn write_with_holes(bytes: &[u8], to: &Path) {
    let mut file = fs::File::create(to).unwrap();
    copy_with_holes(&mut &bytes[..], &mut file);
}

/// Pages of zeros, of which cores are full, take no room on the disk.
pub fn copy_with_holes(from: &mut impl Read, to: &mut fs::File) {
    let mut page = Vec::new();
    let mut length = 0;
    loop {
        page.clear();
        let count = from.take(1 << 16).read_to_end(&mut page).unwrap() as u64;
        if count == 0 {
            return to.set_len(length).unwrap();
        }
        length += count;
        match page.iter().all(|byte| *byte == 0) {
            true => drop(to.seek(SeekFrom::Start(length)).unwrap()),
            false => to.write_all(&page).unwrap(),
        }
    }
}

/// What a session answers and complains to these lines, and the status that it ends with. `target` is what stands before
/// them on the command line.
fn session(target: &mut Command, lines: &[&str]) -> (String, String, i32) {
    target.args(["-q", "-nx"]);
    for line in lines {
        target.args(["-ex", line]);
    }
    let output = target.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code().unwrap())
}

/// The same on the demonstration's core.
pub fn demo_session(lines: &[&str]) -> (String, String, i32) {
    session(program().args(["fixtures/demo/core.zst", "--exe", "fixtures/demo/demo"]), lines)
}

/// The same on a fixture's core.
pub fn fixture_session(fixture: &str, lines: &[&str]) -> (String, String, i32) {
    let directory = root().join("tmp/fixtures").join(fixture);
    let mut target = program();
    target.arg(directory.join("core")).arg("--sysroot").arg(root()).arg("--exe").arg(directory.join(fixture));
    session(&mut target, lines)
}
