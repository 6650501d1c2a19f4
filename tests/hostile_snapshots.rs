//! Damaged and malicious snapshots: an answer or a clear error, never a panic, a hang or unbounded memory.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Address space of the program under test, in KiB.
const MEMORY: &str = "4000000";
const TIME: Duration = Duration::from_secs(30);
/// A snapshot that version 0.1.0 wrote.
const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/snapshot-1/context.obit");

/// A part's name and its content, decompressed.
type Parts = Vec<(String, Vec<u8>)>;

fn parts() -> Parts {
    let bytes = fs::read(SNAPSHOT).unwrap();
    let mut archive = tar::Archive::new(bytes.as_slice());
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        if name.ends_with(".zst") {
            content = zstd::stream::decode_all(content.as_slice()).unwrap();
        }
        (name, content)
    });
    entries.collect()
}

/// Puts parts together; the header lists none, so that no checksum saves the reader.
fn archive(parts: &Parts) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in parts {
        let packed = match name.as_str() {
            name if name.ends_with(".zst") => zstd::bulk::compress(content, 1).unwrap(),
            "obit.json" => {
                let mut header: serde_json::Value = serde_json::from_slice(content).unwrap();
                header["parts"] = serde_json::json!([]);
                serde_json::to_vec(&header).unwrap()
            }
            _ => content.clone(),
        };
        append(&mut archive, name, &packed);
    }
    archive.into_inner().unwrap()
}

fn append(archive: &mut tar::Builder<Vec<u8>>, name: &str, bytes: &[u8]) {
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_entry_type(tar::EntryType::Regular);
    archive.append_data(&mut header, name, bytes).unwrap();
}

fn scratch(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hostile-snapshots");
    fs::create_dir_all(&directory).unwrap();
    directory.join(name)
}

/// Asks under bounds of memory and time; the exit code.
fn check(what: &str, file: &Path, command: &[&str]) -> i32 {
    let mut child = Command::new("sh")
        .args(["-c", &format!("ulimit -v {MEMORY}; exec \"$0\" \"$@\"")])
        .arg(env!("CARGO_BIN_EXE_obit"))
        .arg(command[0])
        .arg(file)
        .args(&command[1..])
        .env("OBIT_CACHE_DIR", "")
        .env_remove("DEBUGINFOD_URLS")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > TIME {
            let _ = child.kill();
            panic!("{what}: {command:?} hangs");
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    assert!(matches!(status.code(), Some(0..=2)), "{what}: {command:?}: {status}");
    status.code().unwrap()
}

const QUESTIONS: [&[&str]; 4] = [
    &["bt", "--locals", "--thread", "all", "--json"],
    &["info", "--json"],
    &["print", "settings"],
    &["modules", "--json"],
];

/// The same snapshot as version 2 has it.
fn parts_of_version_2() -> Parts {
    let mut parts = parts();
    for (name, content) in &mut parts {
        if name == "obit.json" {
            let header = String::from_utf8(content.clone()).unwrap().replace("obit.snapshot/1", "obit.snapshot/2");
            *content = header.into_bytes();
        } else if name == "core.zst" {
            "core.relative.zst".clone_into(name);
        }
    }
    parts
}

#[test]
fn every_part_may_be_damaged() {
    damage("damaged.obit", parts());
}

#[test]
fn every_part_of_version_2_may_be_damaged() {
    damage("damaged-2.obit", parts_of_version_2());
}

fn damage(name: &str, whole: Parts) {
    assert!(whole.len() >= 5);
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % limit.max(1) as u64) as usize
    };
    let file = scratch(name);
    let compressed = whole.iter().enumerate().filter(|(_, (name, _))| name.ends_with(".zst"));
    for (number, (name, content)) in compressed {
        for round in 0..12 {
            let mut damaged = whole.clone();
            let mut bytes = content.clone();
            match round % 3 {
                // Bits of one region.
                0 => {
                    let from = content.len() * (round / 3) / 4;
                    for _ in 0..8 {
                        let at = (from + random(content.len() / 4)).min(content.len() - 1);
                        bytes[at] ^= 1 << random(8);
                    }
                }
                1 => bytes.truncate(random(content.len())),
                // A huge number where one may be.
                _ => {
                    let at = random(content.len().saturating_sub(8)) & !3;
                    let end = (at + 8).min(bytes.len());
                    bytes[at..end].fill(0xff);
                }
            }
            damaged[number].1 = bytes;
            fs::write(&file, archive(&damaged)).unwrap();
            check(&format!("{name}, round {round}"), &file, QUESTIONS[round % QUESTIONS.len()]);
            check(&format!("{name}, round {round}"), &file, QUESTIONS[0]);
        }
    }
}

#[test]
fn bombs_are_refused() {
    let file = scratch("bomb.obit");
    let mut bomb = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..1100 {
        bomb.write_all(&zeros).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    for replaced in ["core.zst", "layout.json.zst", "environment.json.zst"] {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in parts() {
            match name.as_str() {
                name if name == replaced => append(&mut builder, name, &bomb),
                name if name.ends_with(".zst") => {
                    append(&mut builder, name, &zstd::bulk::compress(&content, 1).unwrap())
                }
                "obit.json" => append(&mut builder, &name, &archive_header(&content)),
                _ => append(&mut builder, &name, &content),
            }
        }
        fs::write(&file, builder.into_inner().unwrap()).unwrap();
        let code = check(replaced, &file, &["info", "--json"]);
        assert!(replaced != "core.zst" || code == 2, "{code}");
    }
}

fn archive_header(content: &[u8]) -> Vec<u8> {
    let mut header: serde_json::Value = serde_json::from_slice(content).unwrap();
    header["parts"] = serde_json::json!([]);
    serde_json::to_vec(&header).unwrap()
}

#[test]
fn counts_and_duplicates_are_bounded() {
    let file = scratch("counts.obit");
    let ask = |what: &str, parts: &Parts| {
        fs::write(&file, archive(parts)).unwrap();
        QUESTIONS.map(|question| check(what, &file, question))
    };
    // The first of two parts of one name counts.
    let mut doubled = parts();
    let again: Parts = doubled.iter().map(|(name, _)| (name.clone(), b"{}".to_vec())).collect();
    doubled.extend(again.into_iter().filter(|(name, _)| name != "obit.json"));
    assert_eq!(ask("doubled", &doubled)[0], 0);
    // A hundred thousand parts of no name that is known.
    let mut many = parts();
    many.extend((0..100_000).map(|number| (format!("more/{number}"), Vec::new())));
    assert_eq!(ask("many parts", &many)[0], 0);
    // Half a million modules that overlap, and mappings out of order.
    let module = r#"{"path":"/x","start":"0x1000","end":"0xffffffffffffffff","part":"core.zst"},"#;
    let mapping = r#"{"start":"0xffffffffffff0000","end":"0x1000","flags":5,"saved":18446744073709551615},"#;
    let (modules, mappings) = (module.repeat(500_000), mapping.repeat(500_000));
    let layout =
        format!(r#"{{"modules":[{}],"mappings":[{}]}}"#, modules.trim_end_matches(','), mappings.trim_end_matches(','));
    let mut crowded = parts();
    crowded
        .iter_mut()
        .filter(|(name, _)| name == "layout.json.zst")
        .for_each(|(_, it)| *it = layout.clone().into_bytes());
    ask("crowded layout", &crowded);
    // JSON that nests without end.
    let mut nested = parts();
    nested.iter_mut().filter(|(name, _)| name == "environment.json.zst").for_each(|(_, it)| *it = b"[".repeat(1 << 20));
    ask("nested", &nested);
    // Sizes in the archive that lead out of the file.
    let mut bytes = archive(&parts());
    let at = bytes.windows(9).position(|name| name == b"core.zst\0").unwrap();
    bytes[at + 124..at + 135].copy_from_slice(b"77777777777");
    fs::write(&file, &bytes).unwrap();
    check("size", &file, QUESTIONS[0]);
}

/// Pieces of memory that lie in each other: what is read once is unpacked once.
#[test]
fn pieces_that_overlap_cost_no_more() {
    let mut crowded = parts_of_version_2();
    let core = crowded.iter_mut().find(|(name, _)| name == "core.relative.zst").unwrap();
    core.1 = crowded_core(60_000);
    let file = scratch("overlapping.obit");
    fs::write(&file, archive(&crowded)).unwrap();
    let start = Instant::now();
    check("overlapping", &file, QUESTIONS[0]);
    assert!(start.elapsed() < Duration::from_secs(10));
}

/// An ELF core whose segments all have all of its bytes, each at another address.
fn crowded_core(count: u64) -> Vec<u8> {
    let size = 4u64 << 20;
    let mut core = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    core.extend([4u16, 62].iter().flat_map(|half| half.to_le_bytes()));
    core.extend(1u32.to_le_bytes());
    core.extend([0u64, 64, 0].iter().flat_map(|long| long.to_le_bytes()));
    core.extend(0u32.to_le_bytes());
    core.extend([64u16, 56, count as u16, 64, 0, 0].iter().flat_map(|half| half.to_le_bytes()));
    for number in 0..count {
        core.extend([1u32, 6].iter().flat_map(|word| word.to_le_bytes()));
        let address = 0x1000_0000 + number * size;
        core.extend([0u64, address, 0, size, size, 1].iter().flat_map(|long| long.to_le_bytes()));
    }
    core.resize(size as usize, 0);
    core
}

#[test]
fn what_version_0_1_0_wrote_is_read() {
    let obit = |arguments: &[&str]| {
        let output = common::program().args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let backtrace = obit(&["bt", SNAPSHOT]);
    assert!(
        backtrace.contains("work (nothing@entry=0x0, times@entry=3) at ") && backtrace.contains("SIGABRT"),
        "{backtrace}"
    );
    let settings = obit(&["print", SNAPSHOT, "settings"]);
    assert_eq!(settings.trim_end(), "$1 = {limit = 40, name = 0x555555556073 \"primary\", levels = {1, 2, 3, 5}}");
    let info: serde_json::Value = serde_json::from_str(&obit(&["info", SNAPSHOT, "--json"])).unwrap();
    assert_eq!(info["attributes"]["version"], "1.4.2");
    assert_eq!(info["environment"]["unwritten"][1]["text"], "first line\nlast words on stdout");
    assert_eq!(info["capture"]["source"], "core");
}
