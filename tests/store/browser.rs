//! The page in a real browser. Skipped, and said so, where chromium is not installed.

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::engines::runs;

const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/snapshot-1/context.obit");

struct Served {
    server: Child,
    directory: PathBuf,
    address: String,
}

impl Served {
    fn start() -> Served {
        let directory = std::env::temp_dir().join(format!("obit-browser-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        let store = directory.join("crashes");
        let run = |arguments: &[&str]| {
            let status = Command::new(env!("CARGO_BIN_EXE_obit-store")).arg(&store).args(arguments).status().unwrap();
            assert!(status.success(), "{arguments:?}");
        };
        run(&["fleet", "--count", "300"]);
        run(&["add", SNAPSHOT, "--attr", "host=<b>web1</b>", "--attr", "application=planted"]);
        let mut server = Command::new(env!("CARGO_BIN_EXE_obit-store"))
            .arg(&store)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        Served { server, directory, address: line.trim().trim_end_matches('/').to_owned() }
    }

    fn browser(&self, flags: &[&str], path: &str) -> String {
        let profile = self.directory.join("profile");
        let output = Command::new("timeout")
            .args(["120", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"])
            .args(["--no-proxy-server", "--enable-logging=stderr"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .args(flags)
            .arg(format!("{}{path}", self.address))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        // What the page's own policy forbids, the browser says on its console.
        assert!(!said.contains("CONSOLE"), "{said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn shows_something(picture: &Path) -> bool {
    std::fs::metadata(picture).is_ok_and(|metadata| metadata.len() > 10_000)
}

#[test]
fn a_browser_shows_groups_a_group_and_a_crash() {
    if !runs("chromium", &["--version"]) {
        println!("skipped: chromium is not installed");
        return;
    }
    let served = Served::start();
    let groups = served.browser(&["--dump-dom"], "/");
    assert!(groups.contains("<table") && groups.matches("/group/").count() > 5, "{groups}");
    let planted = served.browser(&["--dump-dom"], "/?where=application+%3D+%27planted%27");
    let fingerprint = planted.split("/group/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let group = served.browser(&["--dump-dom"], &format!("/group/{fingerprint}"));
    assert!(group.contains("&lt;b&gt;web1&lt;/b&gt;"), "what a crash says of itself is text: {group}");
    let id = group.split("/crash/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let crash = served.browser(&["--dump-dom"], &format!("/crash/{id}"));
    assert!(crash.contains("SIGABRT"), "{crash}");
    // What each looks like; kept where somebody wants to see it.
    let pictures = std::env::var_os("OBIT_TEST_PICTURES").map_or(served.directory.clone(), PathBuf::from);
    for (name, path) in
        [("groups", "/".to_owned()), ("group", format!("/group/{fingerprint}")), ("crash", format!("/crash/{id}"))]
    {
        let picture = pictures.join(format!("{name}.png"));
        served.browser(&[&format!("--screenshot={}", picture.display()), "--window-size=1200,900"], &path);
        assert!(shows_something(&picture), "{}", picture.display());
    }
}
