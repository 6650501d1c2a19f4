use super::*;

/// `name`, `name!kind`, `?` for no name, `name~` for what a scan found, `^` for a signal's frame.
fn stack(text: &str) -> Stack {
    let frame = |(index, word): (usize, &str)| {
        let (name, kind) = word.split_once('!').map_or((word, None), |(name, kind)| (name, Some(kind.to_owned())));
        Seen {
            index: Some(index),
            name: (name != "?" && name != "^").then(|| name.trim_end_matches('~').to_owned()),
            module: Some("app".to_owned()),
            offset: Some(0x1000 + index as u64),
            kind: if name == "^" { Some("signal".to_owned()) } else { kind },
            signal: name == "^",
            scanned: name.ends_with('~'),
        }
    };
    Stack { frames: text.split(' ').enumerate().map(frame).collect(), start: 0 }
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let choice = choose(&stack(text), Rules::usual(), false);
    assert_eq!(choice.names.join(" "), expected, "{text}: {:?}", choice.reasons);
}

#[track_caller]
fn check_endless(text: &str, expected: &str) {
    assert_eq!(choose(&stack(text), Rules::usual(), true).names.join(" "), expected, "{text}");
}

#[test]
fn the_innermost_own_functions_count() {
    check("raise!abort abort!abort find walk run main start!libc", "find walk");
    check("find main", "find");
    check("find", "find");
    check("main start!libc", "main");
    check("take_name app::main lang_start!rust main start!libc", "take_name");
    check("app::main lang_start!rust main start!libc", "app::main");
    check("find std::sort!c++ walk run", "find walk");
}

#[test]
fn what_ended_the_program_hides_what_runs_on_top() {
    check("hook core::panicking::panic_fmt!rust take_name run main", "take_name run");
    check("on_terminate std::terminate!c++ __cxa_throw!c++ raise run main", "raise run");
    check("main.recovering runtime.gopanic!go main.total main.main", "main.total");
    // Where there is nothing further out, there is no such thing.
    check("find core::panicking::panic!rust start!libc", "find");
}

#[test]
fn recursion_is_folded() {
    check("find find find find walk main", "find walk");
    check("value object value array value parse run main", "value parse");
    check("term factor expr term factor parse main", "term factor");
    assert_eq!(folded("a a a b".split(' ')), ["a", "b"]);
    assert_eq!(folded("a b a b a b c".split(' ')), ["a", "b", "c"]);
    assert_eq!(folded("a b c".split(' ')), ["a", "b", "c"]);
}

#[test]
fn an_endless_recursion_is_what_calls_itself() {
    let (even_first, odd_first) = ("even odd ".repeat(50), "odd even ".repeat(50));
    check_endless(&format!("{even_first}main"), "even odd");
    check_endless(&format!("{odd_first}main"), "even odd");
    check_endless(&format!("leaf {even_first}main"), "even odd");
    check_endless("large_frame run main", "large_frame run");
}

#[test]
fn what_a_signal_interrupted_did_not_call() {
    check("write on_user ^ find walk main", "write on_user");
    check("kill!libc ^ find walk main", "find walk");
}

#[test]
fn what_a_scan_found_counts_where_nothing_else_does() {
    check("? find~ walk~", "app+0x1000");
    check("raise!abort find~ walk main", "find walk");
    check("find walk~ run main", "find");
}

#[test]
fn prefixes_do_not_count() {
    check("xmalloc read_table open main", "xmalloc read_table open");
    check("ns::Vec::operator[] at run go main", "ns::Vec::operator[] at run");
    check("fatal", "fatal");
}

#[test]
fn without_own_functions_others_stand() {
    let choice = choose(&stack("raise!abort qsort!libc walk_tree!libc start!libc"), Rules::usual(), false);
    assert!(!choice.has_own);
    assert_eq!(choice.names, ["qsort", "walk_tree"]);
    check("?!libc", "app+0x1000");
}

#[test]
fn names_that_are_missing_are_said() {
    assert!(choose(&stack("? main"), Rules::usual(), false).weakness.is_some());
    assert!(choose(&stack("find ? ? ?"), Rules::usual(), false).weakness.is_some());
    assert!(choose(&stack("find walk ?"), Rules::usual(), false).weakness.is_none());
}
