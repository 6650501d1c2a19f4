//! A snapshot: header, layout, core, modules' files. Inputs hold the parts' contents: the archive and its compression are
//! made here, as no mutation gets past them. Inputs of odd length are of version 2, their cores in frames.
#![no_main]

use libfuzzer_sys::fuzz_target;
use obit::image::Image;

const PARTS: [&str; 4] = ["layout.json.zst", "core.zst", "environment.json.zst", "modules/1000.elf.zst"];

fuzz_target!(|data: &[u8]| {
    // Two bytes of length before each part's content; what remains is the last one's.
    let mut rest = data;
    let mut archive = tar::Builder::new(Vec::new());
    let is_version_2 = data.len() % 2 == 1;
    let header = format!(r#"{{"schema":"obit.snapshot/{}","arch":"x86_64"}}"#, 1 + u8::from(is_version_2));
    append(&mut archive, "obit.json", header.as_bytes());
    for name in PARTS {
        let Some((length, after)) = rest.split_at_checked(2) else { break };
        let length = usize::from(u16::from_le_bytes([length[0], length[1]])).min(after.len());
        let (content, after) = after.split_at(length);
        if is_version_2 && name == "core.zst" {
            let frames = content.chunks(1 << 10).map(|frame| zstd::bulk::compress(frame, 1).unwrap());
            append(&mut archive, "core.relative.zst", &frames.collect::<Vec<_>>().concat());
        } else {
            append(&mut archive, name, &zstd::bulk::compress(content, 1).unwrap());
        }
        rest = after;
    }
    let path = std::env::temp_dir().join(format!("obit-fuzz-snapshot-{}", std::process::id()));
    std::fs::write(&path, archive.into_inner().unwrap()).unwrap();
    if let Ok(image) = Image::open(&path)
        && let Some(snapshot) = &image.snapshot
    {
        for module in snapshot.modules() {
            let _ = snapshot.module_file(module.start);
        }
        let _ = snapshot.core();
        std::hint::black_box(image.memory.held().count());
        let _ = snapshot.json::<obit::image::environment::Environment>("environment.json.zst");
    }
});

fn append(archive: &mut tar::Builder<Vec<u8>>, name: &str, bytes: &[u8]) {
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_entry_type(tar::EntryType::Regular);
    archive.append_data(&mut header, name, bytes).unwrap();
}
