//! A minidump: streams, threads, modules, mappings, memory.
#![no_main]

use libfuzzer_sys::fuzz_target;
use obit::image::Image;
use obit::image::minidump::is_minidump;
use obit::memory::Memory;

fuzz_target!(|data: &[u8]| {
    if !is_minidump(data) {
        return;
    }
    let path = std::env::temp_dir().join(format!("obit-fuzz-minidump-{}", std::process::id()));
    std::fs::write(&path, data).unwrap();
    if let Ok(image) = Image::open(&path) {
        let (modules, _) = obit::image::modules::discover(&image, None);
        for module in modules {
            let _ = image.memory.read_vec(module.start, 64);
        }
        for (start, bytes) in image.memory.held() {
            assert_eq!(image.memory.read_vec(start, bytes.len().min(4096)).unwrap().len(), bytes.len().min(4096));
        }
        for thread in &image.threads {
            let _ = thread.registers.vectors.as_ref().map(|vectors| vectors.special.len());
        }
        assert!(image.mappings.is_sorted_by(|one, next| one.start < next.start && one.end <= next.start));
    }
});
