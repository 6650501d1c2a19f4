//! `obit export --html`: one page that holds what it shows, and in which nothing of the target is markup.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Kinds of streams (Breakpad's minidump_format.h).
const CMD_LINE: u32 = 0x4767_0006;
const STATUS: u32 = 0x4767_0004;

fn scratch(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    fs::create_dir_all(&directory).unwrap();
    directory.join(name)
}

fn page_of(target: &Path, fixture: &str, name: &str) -> (PathBuf, String) {
    let file = scratch(name);
    let output = common::obit_on(target, fixture, "export", &["--html", "-o", file.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = fs::read_to_string(&file).unwrap();
    (file, text)
}

fn core_of(fixture: &str) -> PathBuf {
    common::root().join("tmp/fixtures").join(fixture).join("core")
}

/// Every element is closed where it was opened (those of HTML that need not be are left out).
fn assert_well_formed(page: &str) {
    let mut open: Vec<String> = Vec::new();
    let start = page.find("</style>").unwrap() + "</style></head>".len();
    let mut rest = &page[start..];
    while let Some(at) = rest.find('<') {
        let end = rest[at..].find('>').unwrap() + at;
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            if name != "html" {
                assert_eq!(open.pop().as_deref(), Some(name));
            }
        } else {
            open.push(tag.split(' ').next().unwrap().to_owned());
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

/// What would make a page ask for something else than itself, or run something.
fn assert_self_contained(page: &str) {
    let lower = page.to_lowercase();
    for forbidden in
        ["<script", "<img", "<link", "<iframe", "<object", " src=", " href=", "url(", "@import", "onerror="]
    {
        let markup = lower.find(forbidden);
        assert!(markup.is_none(), "{forbidden}: {:?}", &page[markup.unwrap_or(0)..][..80.min(page.len())]);
    }
    assert!(page.contains("content=\"default-src 'none'; style-src 'unsafe-inline'\""));
}

#[test]
fn a_page_shows_what_bt_shows() {
    for fixture in ["c-O0", "threads", "rust-debug"] {
        let core = core_of(fixture);
        let (_, page) = page_of(&core, fixture, &format!("{fixture}.html"));
        assert_well_formed(&page);
        assert_self_contained(&page);
        assert!(page.len() < 4 << 20);
        let output = common::obit(fixture, "bt", &["--json", "--locals"]);
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let signal = answer["signal"]["name"].as_str().unwrap();
        let verdict = &page[page.find("<p class=verdict>").unwrap()..];
        assert!(page.contains(signal), "{fixture}: {signal}");
        // It leads with what the analysis says.
        let output = common::obit(fixture, "analyze", &["--json"]);
        let analysis: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let summary = analysis["verdict"]["summary"].as_str().unwrap();
        let plain: String = summary.chars().take_while(|letter| !"&<>\"'".contains(*letter)).collect();
        assert!(plain.len() > 5 && verdict[..600].contains(&plain), "{fixture}: {summary}");
        let crashed = &answer["threads"][0];
        // The thread that crashed stands first, its first frame unfolded.
        let first = page.find("<section class=full>").unwrap();
        assert!(page[first..].starts_with(&format!("<section class=full><h2>Thread {}", crashed["lwp"])));
        assert_eq!(page.find("<section").unwrap(), first);
        assert_eq!(page.matches("<details class=frame open>").count(), 1);
        for frame in crashed["frames"].as_array().unwrap() {
            let number = format!("<span class=number>#{}</span>", frame["index"]);
            assert!(page.contains(&number), "{fixture}: {number}");
            for variable in frame["variables"].as_array().unwrap() {
                let name = variable["name"].as_str().unwrap();
                assert!(page.contains(&format!("<b>{name}</b> = <code>")), "{fixture}: {name}");
            }
        }
        assert!(page.contains("<h2>Registers</h2>") && page.contains("<h2>Modules</h2>"));
        assert!(page.contains("/tmp/fixtures/lib/libc.so.6"));
    }
}

/// A minidump whose texts are markup.
#[test]
fn texts_of_the_target_are_no_markup() {
    let fixture = "c-O0";
    let dump = scratch("markup.dmp");
    let output = common::obit(fixture, "export", &["--minidump", "-o", dump.to_str().unwrap()]);
    assert!(output.status.success());
    let mut bytes = fs::read(&dump).unwrap();
    let word = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let evil = "x</dd><script>alert(1)</script><img src=x onerror=alert(2)>\u{202e}";
    let status = format!("Name:\t{evil}\nPid:\t4242\n");
    let (count, directory) = (word(&bytes, 8) as usize, word(&bytes, 12) as usize);
    for index in 0..count {
        let entry = directory + 12 * index;
        let content = match word(&bytes, entry) {
            CMD_LINE => format!("{evil}\0\"'&\0"),
            STATUS => status.clone(),
            _ => continue,
        };
        let at = bytes.len() as u32;
        bytes.extend_from_slice(content.as_bytes());
        bytes[entry + 4..entry + 8].copy_from_slice(&(content.len() as u32).to_le_bytes());
        bytes[entry + 8..entry + 12].copy_from_slice(&at.to_le_bytes());
    }
    fs::write(&dump, bytes).unwrap();
    let (_, page) = page_of(&dump, fixture, "markup.html");
    assert!(page.contains("x&lt;/dd&gt;&lt;script&gt;alert(1)&lt;/script&gt;"), "the text is shown");
    assert!(!page.contains('\u{202e}'), "and nothing turns it round");
    assert!(page.contains("&quot;&#39;&amp;"));
    assert!(!page.contains("<script") && !page.contains("<img"));
    assert_well_formed(&page);
}

/// A page of a snapshot is made without the core and the binaries.
#[test]
fn a_snapshot_has_a_page() {
    let fixture = "c-O0";
    let snapshot = scratch("page.obit");
    let output = common::obit(fixture, "snapshot", &["-o", snapshot.to_str().unwrap()]);
    assert!(output.status.success());
    let file = scratch("snapshot.html");
    let output = common::program().arg("export").arg(&snapshot).arg("--html").arg("-o").arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let page = fs::read_to_string(&file).unwrap();
    assert_well_formed(&page);
    let (_, of_core) = page_of(&core_of(fixture), fixture, "core.html");
    let functions = |page: &str| page.matches("<span class=number>#").count();
    assert_eq!(functions(&page), functions(&of_core));
}

/// A browser shows it. Skipped, and said so, where chromium is not installed.
#[test]
fn a_browser_shows_the_page() {
    if Command::new("chromium").arg("--version").output().is_err() {
        println!("skipped: chromium is not installed");
        return;
    }
    let (file, _) = page_of(&core_of("threads"), "threads", "browser.html");
    let picture = scratch("browser.png");
    let profile = scratch("profile");
    let browser = |arguments: &[&str]| {
        let mut command = Command::new("timeout");
        command.args(["120", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]);
        command.arg(format!("--user-data-dir={}", profile.display()));
        command.args(arguments).arg(format!("file://{}", file.display())).output().unwrap()
    };
    let output = browser(&["--dump-dom"]);
    let dom = String::from_utf8_lossy(&output.stdout);
    assert!(dom.contains("<details class=\"frame\" open=\"\">"), "{}", String::from_utf8_lossy(&output.stderr));
    // What the browser made of it is what was written: no element more, no element lost.
    let page = fs::read_to_string(&file).unwrap();
    for (name, closing) in [("details", "</details>"), ("section", "</section>"), ("summary", "</summary>")] {
        assert_eq!(dom.matches(closing).count(), page.matches(closing).count(), "{name}");
    }
    let screenshot = format!("--screenshot={}", picture.display());
    browser(&[&screenshot, "--window-size=1200,1400"]);
    let bytes = fs::read(&picture).unwrap();
    assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 10_000);
}
