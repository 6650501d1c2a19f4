//! Thread-local variables of every thread, and stacks with signed return addresses.

mod common;

/// What a session answers to `expression` in every thread, by the threads' numbers from the highest to the first.
fn in_threads(fixture: &str, expression: &str) -> Vec<String> {
    let (text, errors, _) = common::fixture_session(fixture, &[&format!("thread apply all print {expression}")]);
    let values: Vec<String> = text.lines().filter_map(|line| Some(line.split_once(" = ")?.1.to_owned())).collect();
    assert!(values.len() == text.matches("Thread ").count() / 2, "{fixture} {expression}: {text}{errors}");
    values
}

#[test]
fn every_thread_has_its_own() {
    for fixture in ["tls", "aarch64-tls", "aarch64-tls-aligned"] {
        assert_eq!(in_threads(fixture, "program_tls"), ["102", "101", "12"], "{fixture}");
        assert_eq!(in_threads(fixture, "program_state.id"), ["2", "1", "1"], "{fixture}");
        assert_eq!(in_threads(fixture, "library_tls"), ["2000", "1000", "1506"], "{fixture}");
        assert_eq!(in_threads(fixture, "library_buffer[0]"), ["116 't'", "116 't'", "84 'T'"], "{fixture}");
    }
}

#[test]
fn of_a_library_loaded_late_only_threads_that_use_it_have_any() {
    let unused = "<the thread has not used this library's thread-local storage yet>";
    assert_eq!(in_threads("tls-late", "library_tls"), ["1234", unused, "1506"]);
}

#[test]
fn another_thread_s_is_asked_for_by_its_number() {
    let (text, _, _) = common::fixture_session("tls", &["print thread(1928).library_tls", "print library_tls"]);
    assert_eq!(text, "$1 = 1000\n$2 = 1506\n");
}

/// qemu-user writes no NT_ARM_PAC_MASK; the signatures are above 48 bits.
#[test]
fn signed_return_addresses_are_followed_to_the_end() {
    for fixture in ["aarch64-pauth", "aarch64-pauth-b", "aarch64-pauth-pc"] {
        let output = common::obit(fixture, "bt", &["--json"]);
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let thread = &answer["threads"][0];
        let frames: Vec<_> = thread["frames"].as_array().unwrap().iter().map(|frame| &frame["function"]).collect();
        let expected = ["sum", "run", "main", "__libc_start_call_main", "__libc_start_main", "_start"];
        assert_eq!(frames, expected, "{fixture}");
        assert_eq!(thread["stack_end"], "complete", "{fixture}");
        assert!(thread["frames"].as_array().unwrap().iter().skip(1).all(|frame| frame["trust"] == "cfi"), "{fixture}");
    }
}
