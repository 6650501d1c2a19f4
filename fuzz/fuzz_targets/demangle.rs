//! Linkage names.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|name: &str| {
    let _ = obit::demangle::demangle(name);
    let _ = obit::demangle::demangle_without_parameters(name);
});
