//! A full disk: what was acknowledged stays, what was not is said, and all goes on where there is room again.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::document;
use crate::engines::runs;

const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/snapshot-1/context.obit");

/// A small file system of its own, until the test ends.
struct Small(PathBuf);

impl Small {
    fn mount(bytes: &str) -> Option<Small> {
        let path = std::env::temp_dir().join(format!("obit-small-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let text = path.to_str().unwrap();
        match runs("mount", &["-t", "tmpfs", "-o", &format!("size={bytes}"), "obit-small", text]) {
            true => Some(Small(path)),
            false => {
                let _ = std::fs::remove_dir(&path);
                None
            }
        }
    }

    fn fill(&self) -> PathBuf {
        let path = self.0.join("ballast");
        let mut file = std::fs::File::create(&path).unwrap();
        let written = std::io::copy(&mut std::io::Read::take(std::io::repeat(1), 1 << 30), &mut file);
        assert!(written.is_err(), "it is not full");
        path
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
        let _ = std::fs::remove_dir(&self.0);
    }
}

fn store(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_obit-store")).arg(directory).args(arguments).output().unwrap()
}

#[test]
#[ignore = "mounts a file system, which only root may"]
fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let Some(small) = Small::mount("4m") else {
        println!("skipped: nothing can be mounted here");
        return;
    };
    let directory = small.0.join("crashes");
    let json = |arguments: &[&str]| {
        let output = store(&directory, &[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        document(std::str::from_utf8(&output.stdout).unwrap())
    };
    let count = || json(&["query", "--sql", "SELECT count(*), count(DISTINCT id) FROM crashes"])["rows"][0].clone();
    assert!(store(&directory, &["fleet", "--count", "60"]).status.success());
    json(&["index"]);
    assert!(store(&directory, &["fleet", "--count", "40", "--seed", "2"]).status.success());
    // Full: writers and indexers say so, with the file's name, and readers go on.
    let ballast = small.fill();
    for arguments in [&["add", SNAPSHOT][..], &["index"]] {
        let refused = store(&directory, arguments);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.to_lowercase().contains("no space left") && said.contains("crashes/"), "{said}");
    }
    assert_eq!(count(), serde_json::json!([100, 100]));
    assert!(store(&directory, &["verify"]).status.success());
    // Room again: nothing was lost, and nothing is there twice.
    std::fs::remove_file(ballast).unwrap();
    assert_eq!(json(&["add", SNAPSHOT])["added"].as_array().unwrap().len(), 1);
    assert_eq!(json(&["index"])["indexed"], 41);
    assert_eq!(count(), serde_json::json!([101, 101]));
    let verified = json(&["verify"]);
    assert_eq!(verified["rows"], 101);
}
