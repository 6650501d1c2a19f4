//! Stacks, threads, registers and what the core says of the process, in a session.

mod common;

use common::demo_session as demo;

use common::fixture_session as asked;

fn answer(lines: &[&str]) -> String {
    let (text, errors, status) = demo(lines);
    assert_eq!((errors.as_str(), status), ("", 0), "{lines:?}");
    text
}

#[test]
fn backtraces_take_the_options_of_gdb() {
    let inner = "#0  0x000000000040168c in discounted (sum=1000, order=0x7ffc4deed560)";
    let more = "(More stack frames follow...)\n";
    assert_eq!(answer(&["bt -frame-info short-location 1"]), format!("{inner}\n{more}"));
    assert_eq!(answer(&["bt -frame-info location -full 1"]), format!("{inner} at fixtures/demo/demo.c:37\n{more}"));
    let inlined = answer(&["bt -frame-info location-and-address 2"]);
    assert!(inlined.contains("\n#1  0x000000000040168c in total (order="), "{inlined}");
    let sources = answer(&["bt -frame-info source-line -past-main off"]);
    let lines: Vec<&str> = sources.lines().collect();
    assert_eq!(lines[0], "37\t    return sum * (1 - order->customer->discount);");
    assert_eq!(lines[1], "45\t    return discounted(order, sum);");
    assert_eq!(lines[2], "0x00000000004016b5\t52\t        sum += total(order, 4);");
    assert_eq!(lines[3], "0x0000000000401844\t71\t    return (int)add_up(&first);");
    assert_eq!(lines.len(), 4);
    assert_eq!(answer(&["bt -hide -past-main off -no-filters -past-entry -1"]), answer(&["bt -past-main off -- -1"]));
    assert!(answer(&["bt -past-main off -1"]).starts_with("#3  0x0000000000401844 in main () at "));
    assert!(answer(&["bt -past-main -1"]).ends_with(" in _start ()\n"));
    let both = answer(&["bt -entry-values both 3"]);
    assert!(both.contains("add_up (orders=0x7ffc4deed520, orders@entry=0x7ffc4deed520) at "), "{both}");
    assert!(both.contains("discounted (sum=1000, sum@entry=<optimized out>, order="), "{both}");
    assert!(answer(&["set print entry-values no", "bt 3"]).contains(" add_up (orders=0x7ffc4deed520) at "));
    assert!(answer(&["bt -entry-values only 3"]).contains(" add_up (orders@entry=0x7ffc4deed520) at "));
    assert!(answer(&["bt -frame-arguments none 3"]).contains(" add_up (orders=...) at "));
    assert!(answer(&["bt -frame-arguments presence 1"]).contains(" discounted (...) at "));
    // A frame by itself is as the setting has it; it holds for nothing but that.
    assert_eq!(answer(&["set print frame-info short-location", "frame"]), format!("{inner}\n"));
    assert_eq!(
        answer(&["bt -frame-info location 1", "show print frame-info"]).lines().last().unwrap(),
        "Printing of frame information is \"auto\"."
    );
    let (_, errors, status) = demo(&["bt -frame-info nonsense", "bt -nonsense"]);
    assert!(errors.starts_with("Undefined item: \"nonsense\"; there are auto, source-line, "), "{errors}");
    assert_eq!(status, 2);
}

/// Sizes and forms go on as in gdb 13.
#[test]
fn memory_is_examined_as_it_was_before() {
    let last = |lines: &[&str]| answer(lines).lines().last().unwrap_or_default().to_owned();
    let of_stack = |text: &str| text.split_once(":\t").map(|(_, units)| units.to_owned());
    let shown = |line: &str, then: &str| of_stack(&last(&[line, then]));
    assert_eq!(shown("x/2c $sp", "x/2x $sp").as_deref(), Some("0xb5\t0x16"));
    assert_eq!(shown("x/s $sp", "x/2x $sp").as_deref(), Some("0xb5\t0x16"));
    assert_eq!(shown("x/a $sp", "x/x $sp").as_deref(), Some("0x00000000004016b5"));
    assert_eq!(shown("x/i $pc", "x/2g $sp").as_deref(), Some("0x00000000004016b5\t0x4039200000000000"));
    assert!(shown("x/2gx $sp", "x/2i $pc").is_some());
    assert_eq!(of_stack(&last(&["x/gx $sp", "x/i $pc", "x/x $sp"])).as_deref(), Some("0x00000000004016b5"));
    assert_eq!(answer(&["info registers eax"]), "eax            0x0                 0\n");
    assert_eq!(answer(&["info registers st0"]), "st0            0                   (raw 0x00000000000000000000)\n");
}

/// A function's variable in its innermost frame, from the selected one outwards.
#[test]
fn variables_of_functions() {
    assert_eq!(answer(&["p total::count", "p add_up::orders"]), "$1 = 4\n$2 = (const struct order *) 0x7ffc4deed520\n");
    let (_, errors, status) = demo(&["up 2", "p total::count"]);
    assert!(errors.starts_with("no symbol \"total::count\" in the frame"), "{errors}");
    assert_eq!(status, 1);
}

#[test]
fn threads_are_numbered_and_named_as_in_gdb() {
    let text = answer(&["info threads"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "  Id   Target Id                         Frame ");
    assert!(
        lines[1].starts_with("* 1    Thread 0x303213c0 (LWP 23586)     0x000000000040168c in discounted (sum=1000")
    );
    assert_eq!(
        lines[2],
        "  2    Thread 0x7fe3e2bab6c0 (LWP 23588) 0x000000000045ab46 in __futex_abstimed_wait_common ()"
    );
    assert_eq!(lines.len(), 6);
    assert!(answer(&["info threads -gid 2-3"]).starts_with("  Id   GId  Target Id"));
    assert_eq!(answer(&["thread"]), "[Current thread is 1 (Thread 0x303213c0 (LWP 23586))]\n");
    let text = answer(&["thread 2", "thread"]);
    assert!(text.starts_with("[Switching to thread 2 (Thread 0x7fe3e2bab6c0 (LWP 23588))]\n#0  "), "{text}");
    assert!(text.ends_with("[Current thread is 2 (Thread 0x7fe3e2bab6c0 (LWP 23588))]\n"));
    assert!(answer(&["thread 23588"]).contains("thread 2 "));
    assert_eq!(answer(&["thread name main loop", "thread find ^main"]), "Thread 1 has name 'main loop'\n");
    let (_, errors, status) = demo(&["thread 9"]);
    assert_eq!((errors.as_str(), status), ("Unknown thread 9.\n", 1));
    assert_eq!(demo(&["thread x"]).1, "Invalid thread ID: x\n");
}

#[test]
fn commands_are_applied_as_in_gdb() {
    let text = answer(&["thread apply all p $_thread"]);
    assert!(text.starts_with("\nThread 5 (Thread 0x7fe3e33ac6c0 (LWP 23587)):\n$1 = 5\n\nThread 4 ("), "{text}");
    assert!(text.ends_with("\nThread 1 (Thread 0x303213c0 (LWP 23586)):\n$5 = 1\n"), "{text}");
    assert_eq!(answer(&["thread apply all -ascending -q p $_thread"]), "$1 = 1\n$2 = 2\n$3 = 3\n$4 = 4\n$5 = 5\n");
    assert_eq!(answer(&["thread apply 2 1 -q p $_thread"]), "$1 = 2\n$2 = 1\n");
    // -s leaves out the frames where it fails, -c says why and goes on.
    assert_eq!(answer(&["frame apply all -s -q p count"]), "$1 = 4\n");
    let text = answer(&["frame apply 2 -c p count"]);
    assert!(text.contains("count") && text.ends_with("$1 = 4\n"), "{text}");
    assert_eq!(demo(&["frame apply 2 p count"]).2, 1);
    // Without the source, unless it is asked for.
    let line = "#0  0x000000000040168c in discounted (sum=1000, order=0x7ffc4deed560) at fixtures/demo/demo.c:37\n";
    assert_eq!(answer(&["frame apply 1 p 1"]), format!("{line}$1 = 1\n"));
    let text = answer(&["set print frame-info source-and-location", "frame apply 1 p 1"]);
    assert!(text.contains("\n        37\t    return sum"), "{text}");
    assert_eq!(answer(&["frame apply level 1-2 -q p 7"]), "$1 = 7\n$2 = 7\n");
    assert_eq!(answer(&["faas p count", "frame"]).matches("$1 = 4").count(), 1);
    let of_all = answer(&["tfaas p count"]);
    assert!(of_all.starts_with("\nThread 1 (") && of_all.matches("\nThread ").count() == 1, "{of_all}");
    assert_eq!(answer(&["taas p $_thread == 2"]).matches("Thread ").count(), 10);
}

#[test]
fn very_deep_stacks_are_walked_once() {
    let (text, errors, status) = asked("overflow", &["frame apply all -q output 1"]);
    assert_eq!((text.matches('1').count(), status), (4096, 0), "{errors}");
    assert!(errors.contains("the first 4096 frames are asked"), "{errors}");
    assert_eq!(asked("overflow", &["frame apply level 3000-3001 -q output 1"]).0, "11");
}

#[test]
fn frames_are_selected_by_level_function_and_address() {
    assert!(answer(&["frame function add_up"]).starts_with("#2  0x00000000004016b5 in add_up ("));
    assert!(answer(&["frame level 3"]).starts_with("#3  0x0000000000401844 in main ()"));
    assert!(answer(&["frame address 0x401844"]).starts_with("#3 "));
    assert!(answer(&["up 2", "down"]).contains("\n#1  total ("));
    let (_, errors, status) = demo(&["frame function nothing"]);
    assert_eq!((errors.as_str(), status), ("No frame for function \"nothing\".\n", 1));
    assert_eq!(demo(&["down"]).1, "Bottom (innermost) frame selected; you cannot go down.\n");
    let text = answer(&["up 2", "info frame"]);
    assert!(text.contains("Stack level 2, frame at 0x7ffc4deed510:\n rip = 0x4016b5 in add_up (fixtures/demo/demo.c:52); saved rip = 0x401844\n called by frame at 0x7ffc4deed5e0, caller of frame at 0x7ffc4deed4f8\n source language c.\n"), "{text}");
    assert!(text.contains(", Previous frame's sp is 0x7ffc4deed510\n Saved registers:\n  rbx at 0x7ffc4deed500, rip at 0x7ffc4deed508\n"), "{text}");
    assert_eq!(answer(&["bt 1"]).lines().last(), Some("(More stack frames follow...)"));
    assert_eq!(answer(&["set backtrace limit 2", "bt"]).matches('#').count(), 2);
    assert!(answer(&["bt -frame-arguments none 1"]).contains("(sum=..., order=...)"));
}

/// gdb 13.1's words for the same frames (gdb-multiarch for aarch64's), but for an address of arguments that it takes from
/// the stack pointer where a function sets up no frame pointer.
#[test]
fn frames_are_described_as_in_gdb() {
    let (text, errors, _) = asked("signal", &["info frame 4", "info frame 5"]);
    assert_eq!(errors, "");
    assert!(
        text.contains("\n source language c.\n Arglist at unknown address, args: number=<optimized out>, info="),
        "{text}"
    );
    assert!(
        text.contains("Previous frame's sp is 0x7fffffffe080\n Saved registers:\n  rip at 0x7fffffffe078\n"),
        "{text}"
    );
    let (_, trampoline) = text.split_once("Stack level 5, frame at 0x").unwrap();
    assert!(
        trampoline.contains(
            "\n Arglist at unknown address.\n Locals at unknown address, Previous frame's sp at 0x7fffffffe120\n"
        ),
        "{trampoline}"
    );
    assert!(
        trampoline
            .contains("\n Saved registers:\n  rax at 0x7fffffffe110, rbx at 0x7fffffffe100, rcx at 0x7fffffffe118, "),
        "{trampoline}"
    );
    assert!(trampoline.contains(", r15 at 0x7fffffffe0e0, rip at 0x7fffffffe128\n"), "{trampoline}");
    let (text, ..) = asked("aarch64-O0", &["info frame 1"]);
    assert!(text.contains("\n Arglist at 0x5500800480, args: \n Locals at 0x5500800480, Previous frame's sp is 0x55008004a0\n Saved registers:\n  x19 at 0x5500800490, x29 at 0x5500800480, x30 at 0x5500800488\n"), "{text}");
    let (text, ..) = asked("c-O0", &["info frame 1"]);
    let base = text.split("Arglist at 0x").nth(1).and_then(|rest| rest.split(',').next()).unwrap();
    assert!(text.contains(&format!("\n  rbp at 0x{base}, rip at 0x")), "{text}");
    // An inlined call saves nothing.
    let (text, ..) = asked("opt-O2", &["info frame 3"]);
    assert!(text.contains("\n inlined into frame 4, caller of frame at 0x") && text.contains(" sp in rsp\n"), "{text}");
    assert!(!text.contains("Saved registers"), "{text}");
    let (text, ..) = asked("signal", &["info frame 4 --json"]);
    assert!(text.contains(r#""saved_registers":[{"register":"rip","address":"0x7fffffffe078"}]"#), "{text}");
}

#[test]
fn the_process_is_described_as_in_gdb() {
    let text = answer(&["info auxv"]);
    assert!(text.starts_with("33   AT_SYSINFO_EHDR      System-supplied DSO's ELF header 0x7fe3e33b3000\n"), "{text}");
    assert!(text.contains("6    AT_PAGESZ            System page size               4096\n"));
    assert!(text.contains("31   AT_EXECFN            File name of executable        0x7ffc4deeeff1 \"./demo\"\n"));
    let text = answer(&["info signals SIGSEGV"]);
    assert_eq!(
        text,
        "Signal        Stop\tPrint\tPass to program\tDescription\n\
         SIGSEGV       Yes\tYes\tYes\t\tSegmentation fault   <-- ended the process\n"
    );
    assert!(answer(&["info proc"]).starts_with("process 23586\ncmdline = './demo'\n"));
    assert!(
        answer(&["info proc mappings"]).contains("            0x401000           0x48d000    0x8c000     0x1000  r-x")
    );
    assert!(answer(&["info inferiors"]).contains("\n* 1    process 23586     1 (core)  "));
    assert!(answer(&["info program"]).contains("signal SIGSEGV, Segmentation fault (SEGV_MAPERR) at 0x10."));
    assert_eq!(demo(&["info proc cwd"]).2, 1);
}

#[test]
fn registers_are_found_by_name_and_group() {
    let (text, errors, _) = asked("kinds-O0", &["info registers eflags", "info registers pc", "info registers float"]);
    assert_eq!(errors, "");
    assert!(
        text.starts_with("eflags         0x246               [ PF ZF IF ]\nrip            0x7ffff7e68eec"),
        "{text}"
    );
    assert!(text.contains("\nst0 ") && text.contains("\nfctrl          0x37f               895\n"), "{text}");
    let (_, errors, status) = asked("kinds-O0", &["info registers nosuch"]);
    assert!(errors.starts_with("Invalid register `nosuch'") && status == 1, "{errors}");
    assert!(asked("kinds-O0", &["register read rip"]).0.starts_with("rip "));
}

#[test]
fn what_needs_a_living_process_says_what_to_ask_instead() {
    let words = [
        "run",
        "start",
        "step",
        "next",
        "stepi",
        "nexti",
        "continue",
        "finish",
        "until",
        "advance",
        "break",
        "tbreak",
        "watch",
        "catch",
        "commands",
        "delete",
        "enable",
        "disable",
        "detach",
        "kill",
        "attach",
        "target",
        "call",
        "jump",
        "signal",
        "c",
        "s",
        "n",
        "b",
        "r",
        "fin",
        "set var x = 1",
        "handle",
        "return",
    ];
    for word in words {
        let (text, errors, status) = demo(&[word]);
        assert!(text.is_empty() && status == 2 && errors.contains("the process is dead"), "{word}: {errors}");
    }
}

#[test]
fn every_answer_is_a_document_where_json_is_asked() {
    let document = |line: &str| -> serde_json::Value {
        let (text, errors, status) = demo(&[&format!("{line} --json")]);
        assert_eq!((errors.as_str(), status, text.lines().count()), ("", 0, 1), "{line}: {text}");
        serde_json::from_str(&text).unwrap()
    };
    assert_eq!(document("frame 2")["frame"]["function"], "add_up");
    assert_eq!(document("info frame")["schema"], "obit.frame/1");
    assert_eq!(document("up")["frame"]["index"], 1);
    let variables = document("info args");
    assert_eq!((&variables["schema"], &variables["variables"][0]["name"]), (&"obit.variables/1".into(), &"sum".into()));
    let text = document("info signals SIGSEGV");
    assert_eq!((&text["schema"], text["lines"].as_array().unwrap().len()), (&"obit.text/1".into(), 2));
    let answers = document("thread apply 1 2 p $_thread");
    assert_eq!(answers["answers"][1]["answer"]["value"]["int"], 2);
    let answers = document("frame apply 2 p count");
    assert!(answers["answers"][0]["error"].as_str().unwrap().contains("count"));
    assert_eq!(answers["answers"][1]["answer"]["value"]["int"], 4);
    assert_eq!(document("info threads")["schema"], "obit.threads/1");
    assert_eq!(document("set print pretty on")["lines"], serde_json::json!([]));
}
