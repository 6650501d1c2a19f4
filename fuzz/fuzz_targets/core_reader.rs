//! A core: threads, notes, mappings, modules, memory.
#![no_main]

use libfuzzer_sys::fuzz_target;
use obit::addr::RunAddr;
use obit::image::Image;
use obit::memory::Memory;

fuzz_target!(|data: &[u8]| {
    let path = std::env::temp_dir().join(format!("obit-fuzz-core-{}", std::process::id()));
    std::fs::write(&path, data).unwrap();
    if let Ok(image) = Image::open(&path) {
        let (modules, _) = obit::image::modules::discover(&image, None);
        for module in modules {
            let _ = image.memory.read_vec(module.start, 64);
        }
        for mapping in image.mappings.iter().take(100) {
            let _ = image.memory.read_c_string(mapping.start, 256);
            let _ = image.memory.read_uint(RunAddr(mapping.end.0.wrapping_sub(4)), 8);
        }
    }
});
