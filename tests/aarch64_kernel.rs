//! What a real kernel of aarch64 writes into a core, and programs of qemu-user do not have: fixtures/src/aarch64_kernel.c.
//! The frames and values are held to gdb's in tests/oracle.rs.

mod common;

use serde_json::Value;

fn ask(command: &str, more: &[&str]) -> Value {
    let output = common::obit("aarch64-kernel", command, &[&["--json"], more].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_stack_goes_through_the_vdso_and_a_signal_on_another_stack() {
    let answer = ask("bt", &[]);
    let frames = answer["threads"][0]["frames"].as_array().unwrap();
    let names: Vec<_> = frames.iter().map(|frame| frame["function"].as_str().unwrap_or("-")).collect();
    assert_eq!(
        names,
        [
            "__kernel_clock_gettime",
            "__clock_gettime",
            "stamp",
            "on_signal",
            "__kernel_rt_sigreturn",
            "__pthread_kill_implementation.constprop.0",
            "raise",
            "ask",
            "main",
            "__libc_start_call_main",
            "__libc_start_main",
            "_start"
        ]
    );
    assert_eq!((&frames[0]["module"], &frames[4]["signal"]), (&"[vdso]".into(), &true.into()));
    assert_eq!(answer["threads"][0]["stack_end"], "complete");
}

#[test]
fn threads_wait_in_the_kernel_for_locks_with_owners() {
    let answer = ask("locks", &[]);
    let waits: Vec<_> = answer["waits"].as_array().unwrap().iter().map(|w| (&w["kind"], &w["name"])).collect();
    let expected = [("mutex", "accounts[1].lock"), ("mutex", "accounts[0].lock"), ("condition", "queue_filled")];
    assert_eq!(waits.len(), expected.len());
    assert!(waits.iter().zip(expected).all(|((kind, name), wanted)| **kind == wanted.0 && **name == wanted.1));
    assert_eq!(answer["cycles"], serde_json::json!([[80, 81]]));
}

#[test]
fn the_pointer_is_blamed_on_who_gave_it_to_the_library() {
    let verdict = ask("analyze", &[])["verdict"].clone();
    assert_eq!((&verdict["class"], &verdict["frame_index"]), (&"null-pointer".into(), &2.into()), "{verdict}");
}

#[test]
fn scalable_vectors_signatures_and_tags_are_registers() {
    let answer = ask("registers", &["--all"]).to_string();
    for name in ["\"vg\"", "\"z31\"", "\"p15\"", "\"pauth_cmask\"", "\"tag_ctl\""] {
        assert!(answer.contains(name), "{name}");
    }
}

/// What gdb 13.1 says of the same frames, but for the upper half of v8, which it takes from what else is on the stack.
#[test]
fn halves_of_vector_registers_that_calls_preserve_are_known_of_callers() {
    let commands = [
        "frame 10",
        "print $d8",
        "print $s9",
        "print $v8",
        "print $d0",
        "print frame(8).$d0",
        "info registers d8 d11",
        "info frame",
        "info registers v8",
    ];
    let (text, errors, status) = common::fixture_session("aarch64-floats", &commands);
    for line in [
        "$1 = {f = 5.3153507849862534e-315, u = 1075838976, s = 1075838976}",
        "$2 = {f = 1.25, u = 1067450368, s = 1067450368}",
        "$3 = <calls preserve only the lower half of $v8, which is $d8>",
        "$4 = {f = 1.875, u = 4611123068473966592, s = 4611123068473966592}",
        "d8             0x40200000          5.3153507849862534e-315",
        "d11            0x3ff4000000000000  1.25",
        "  x29 at 0xfffffffffbc0, x30 at 0xfffffffffbc8, v8 at 0xfffffffffbd0, v9 at 0xfffffffffbd8, v10 at \
         0xfffffffffbe0, v11 at 0xfffffffffbe8, v12 at 0xfffffffffbf0, v13 at 0xfffffffffbf8",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line}\n{text}\n{errors}");
    }
    assert!(errors.contains("of a caller, $d0 is not known; frame(0).$d0 is what it was at the end"), "{errors}");
    assert!(errors.contains("of a caller's frame"), "{errors}");
    assert_eq!(status, 2);
}
