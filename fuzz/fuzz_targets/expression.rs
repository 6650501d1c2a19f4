//! The expression language's parser.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = obit::expr::check_form(text, &|name| name.len() % 2 == 0);
});
