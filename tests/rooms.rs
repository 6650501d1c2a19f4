//! Each room of the source tree imports only from those above it in this list.

use std::fs;
use std::path::{Path, PathBuf};

const ROOMS: &[&str] = &[
    "addr",
    "append",
    "order",
    "parallel",
    "interrupt",
    "mapped",
    "memory",
    "demangle",
    "arch",
    "image",
    "module",
    "unwind",
    "types",
    "value",
    "expr",
    "session",
    "waits",
    "runtime",
    "analyze",
    "fingerprint",
    "snapshot",
    "capture",
    "report",
    "store",
    "notify",
    "store_cli",
    "command",
    "repl",
    "cli",
];

fn room_number(name: &str) -> usize {
    ROOMS.iter().position(|room| *room == name).unwrap_or_else(|| panic!("{name} is not in the list of rooms"))
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn rooms_import_only_from_those_above() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 50);
    let mut wrong = Vec::new();
    for file in files {
        let inside = file.strip_prefix(&root).unwrap();
        let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
        let name = first.strip_suffix(".rs").unwrap_or(first);
        let path = inside.display().to_string();
        // Tests may look anywhere; the program's entry and the map of the crate see everything.
        if matches!(name, "lib" | "main" | "bin") || path.contains("test") {
            continue;
        }
        let own = room_number(name);
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for (at, _) in line.match_indices("crate::") {
                let rest = &line[at + "crate::".len()..];
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                if room_number(&rest[..end]) > own {
                    wrong.push(format!("{path}: {}", line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "these imports lead down the list:\n{}", wrong.join("\n"));
}
