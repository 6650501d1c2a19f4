//! Expressions, evaluated and shown in a session whose frames have containers.
//!
//! The first byte picks the frame. The fixture is as the tests unpack it; `OBIT_FUZZ_FIXTURE` names another one.
#![no_main]

use std::ffi::OsString;

use libfuzzer_sys::fuzz_target;
use obit::command::selected::select;
use obit::command::{FrameArgs, State};
use obit::expr::{Variables, evaluate};
use obit::report::value_text;
use obit::value::Limits;

/// Bytes that a value may show as.
const LARGEST: usize = 1 << 20;

thread_local! {
    static STATE: State = open();
}

fn open() -> State {
    let fixture = std::env::var("OBIT_FUZZ_FIXTURE").unwrap_or_else(|_| "fmt-libstdcxx".to_owned());
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tmp/root");
    let directory = format!("{root}/tmp/fixtures/{fixture}");
    let arguments = ["--sysroot", root, "--exe", &format!("{directory}/{fixture}"), &format!("{directory}/core")];
    let arguments = arguments.map(OsString::from);
    let invocation = obit::repl::parse(&arguments).expect("the arguments are sound");
    invocation.target.open().expect("cargo test --test formatters unpacks the fixtures")
}

fuzz_target!(|data: (u8, &str)| {
    let (frame, text) = data;
    STATE.with(|state| {
        let frame = FrameArgs { frame: Some(usize::from(frame % 8)), ..FrameArgs::default() };
        let Ok(selected) = select(state, &frame) else { return };
        let Ok(evaluated) = evaluate(&selected, text, &mut Variables::default()) else { return };
        let Ok(place) = &evaluated.place else { return };
        let value = selected.session.value(place, evaluated.type_id, selected.in_frame(), &Limits::default());
        assert!(value_text::printed(&selected.session.types, &value).len() < LARGEST);
    });
});
