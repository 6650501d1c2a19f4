use super::*;

fn spool(name: &str, quota: u64) -> Spool {
    let directory = std::env::temp_dir().join(format!("obit-spool-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&directory);
    Spool::open(&Config { spool: directory, quota, ..Config::default() }).unwrap()
}

fn add(spool: &Spool, name: &str, bytes: usize) {
    let mut unfinished = spool.begin().unwrap();
    unfinished.file().unwrap().write_all(&vec![0; bytes]).unwrap();
    unfinished.finish(name).unwrap();
}

fn names(spool: &Spool) -> Vec<String> {
    spool.entries().into_iter().map(|entry| entry.name).collect()
}

#[test]
fn files_appear_whole_and_abandoned_ones_go() {
    let spool = spool("whole", 1 << 20);
    let mut writing = spool.begin().unwrap();
    writing.file().unwrap().write_all(b"half").unwrap();
    fs::write(spool.directory().join(".tmp-1-abandoned"), b"half").unwrap();
    let config = Config { spool: spool.directory().to_owned(), ..Config::default() };
    Spool::open(&config).unwrap();
    assert!(!spool.directory().join(".tmp-1-abandoned").exists());
    assert!(names(&spool).is_empty());
    // The one that is being written was left alone.
    writing.finish("b.obit").unwrap();
    add(&spool, "a.core.zst", 10);
    assert_eq!(names(&spool), ["a.core.zst", "b.obit"]);
    drop(spool.begin().unwrap());
    let left = spool.files().into_iter().filter(|entry| entry.name.starts_with(TEMPORARY)).count();
    assert_eq!(left, 0);
    fs::remove_dir_all(spool.directory()).unwrap();
}

#[test]
fn the_oldest_make_room_cores_first() {
    let spool = spool("room", 1000);
    add(&spool, "1.obit", 200);
    add(&spool, "2.core.zst", 300);
    add(&spool, "3.obit", 200);
    spool.make_room(100, true).unwrap();
    assert_eq!(names(&spool).len(), 3);
    spool.make_room(400, true).unwrap();
    assert_eq!(names(&spool), ["1.obit", "3.obit"]);
    // A core never drives snapshots out.
    assert!(matches!(spool.make_room(900, true), Err(CaptureError::NoRoom { .. })));
    assert_eq!(names(&spool).len(), 2);
    spool.make_room(600, false).unwrap();
    assert_eq!(names(&spool), ["3.obit"]);
    assert!(matches!(spool.make_room(1001, false), Err(CaptureError::NoRoom { .. })));
    assert_eq!(names(&spool), ["3.obit"]);
    fs::remove_dir_all(spool.directory()).unwrap();
}

#[test]
fn the_same_crash_is_counted_for_an_hour() {
    let spool = spool("recent", 1 << 20);
    assert!(spool.admit("aa", 2).unwrap() && spool.admit("aa", 2).unwrap());
    assert!(!spool.admit("aa", 2).unwrap());
    assert!(spool.admit("bb", 2).unwrap());
    let recent = spool.directory().join(".recent");
    let text = fs::read_to_string(&recent).unwrap();
    assert_eq!(text.lines().count(), 3);
    // An hour ago, and damage.
    fs::write(&recent, "5 aa\n\u{0}\nx y\n7 aa").unwrap();
    assert!(spool.admit("aa", 1).unwrap());
    assert_eq!(fs::read_to_string(&recent).unwrap().lines().count(), 1);
    fs::remove_dir_all(spool.directory()).unwrap();
}

#[test]
fn so_many_work_at_once() {
    let spool = spool("slots", 1 << 20);
    let first = spool.slot(2, Instant::now()).unwrap();
    let _second = spool.slot(2, Instant::now()).unwrap();
    assert!(spool.slot(2, Instant::now()).is_err());
    drop(first);
    spool.slot(2, Instant::now()).unwrap();
    fs::remove_dir_all(spool.directory()).unwrap();
}

#[test]
fn the_log_is_bounded_and_of_one_line_each() {
    let spool = spool("log", 1 << 20);
    spool.log("one\nline\u{1b}[31m");
    for _ in 0..6000 {
        spool.log(&"x".repeat(100));
    }
    let size = |name: &str| fs::metadata(spool.directory().join(name)).unwrap().len();
    assert!(size("log") + size("log.1") < 2 * LOG_BYTES + 1000);
    assert_eq!(spool.last_lines(3).len(), 3);
    assert!(stem(7, "a/b c\n").ends_with("Z-7-a_b_c_"));
    fs::remove_dir_all(spool.directory()).unwrap();
}
