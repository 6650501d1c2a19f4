//! `list` and `x` in a session go on where they ended; what gdb 13 answers on the same core is the measure.

mod common;

use common::demo_session as asked;

/// The first and last line of each listing.
fn listed(lines: &[&str]) -> Vec<(u32, u32)> {
    let (text, errors, _) = asked(lines);
    assert_eq!(errors, "", "{lines:?}");
    let numbers = text.lines().filter_map(|line| line.get(..5)?.trim().parse::<u32>().ok());
    let mut found: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match found.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => found.push((number, number)),
        }
    }
    found
}

#[test]
fn list_goes_on_in_both_directions() {
    assert_eq!(listed(&["list"]), [(32, 41)]);
    assert_eq!(listed(&["list", "list"]), [(32, 51)]);
    assert_eq!(listed(&["list", "list -", "list -"]), [(32, 41), (22, 31), (12, 21)]);
    assert_eq!(listed(&["list 5,7", "list"]), [(5, 17)]);
    assert_eq!(listed(&["list total", "list -"]), [(38, 47), (28, 37)]);
    // Another frame's line is in the middle again.
    assert_eq!(listed(&["list 5", "frame function add_up", "list"]).last(), Some(&(47, 56)));
    let (_, errors, status) = asked(&["list 72,", "list"]);
    assert_eq!(status, 1);
    assert!(errors.starts_with("Line number 73 out of range; "), "{errors}");
    assert!(asked(&["list 1,3", "list -"]).1.starts_with("Already at the start of "));
}

#[test]
fn list_takes_ranges_addresses_and_functions() {
    assert_eq!(listed(&["list 10,"]), [(10, 19)]);
    assert_eq!(listed(&["list ,12"]), [(3, 12)]);
    assert_eq!(listed(&["list demo.c:3,4"]), [(3, 4)]);
    assert_eq!(listed(&["list total,add_up"]), [(43, 49)]);
    assert_eq!(listed(&["list demo.c:total"]), [(38, 47)]);
    assert_eq!(listed(&["list *0x4016b5"]), [(47, 56)]);
    assert_eq!(listed(&["set listsize 3", "list total"]), [(42, 44)]);
    assert_eq!(asked(&["list add_up,total"]).2, 2);
    assert_eq!(asked(&["list 9999"]).2, 1);
    assert_eq!(asked(&["list no_such_function"]).2, 1);
    let (text, _, _) = asked(&["list 5,6 --json"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["lines"].as_array().unwrap().len(), 2);
}

#[test]
fn x_goes_on_in_its_format() {
    let (text, errors, _) = asked(&["x/2xg $sp", "x", "x/1"]);
    assert_eq!(errors, "");
    assert_eq!(
        text,
        "0x7ffc4deed4f0:\t0x00000000004016b5\t0x4039200000000000\n\
         0x7ffc4deed500:\t0x00000000004bd380\t0x0000000000401844\n\
         0x7ffc4deed510:\t0x0000000000000000\n"
    );
    let (text, _, _) = asked(&["x/2xw $sp", "x/-2xw", "x/-2", "x/2d"]);
    let addresses: Vec<&str> = text.lines().filter_map(|line| line.split(':').next()).collect();
    assert_eq!(addresses, ["0x7ffc4deed4f0", "0x7ffc4deed4f0", "0x7ffc4deed4e8", "0x7ffc4deed4e8"]);
    let (text, _, _) = asked(&["x/2i $pc", "x"]);
    assert!(text.ends_with("<add_up>:\tpush   %rbx\n") && text.lines().count() == 4, "{text}");
    assert!(asked(&["x/s 0x7ffc4deeeff1", "x"]).0.ends_with("0x7ffc4deeeff8:\t\"\"\n"));
}
