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
