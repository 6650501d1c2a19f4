//! Through the programs: `obit store …` hands over, `URL#ID` is a target, exit codes and documents are as promised.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/snapshot-1/context.obit");

struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Directory {
        let path = std::env::temp_dir().join(format!("obit-store-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn obit(arguments: &[&str]) -> Output {
    // The lean program finds the other one beside itself.
    Command::new(env!("CARGO_BIN_EXE_obit")).args(arguments).env("HOME", "/nonexistent").output().unwrap()
}

fn text(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn json(output: &Output) -> Value {
    crate::document(&text(output))
}

#[test]
fn a_crash_goes_in_and_comes_out_again() {
    let directory = Directory::new("roundtrip");
    let store = directory.path("crashes");
    let url = store.to_str().unwrap();
    assert!(Path::new(env!("CARGO_BIN_EXE_obit-store")).is_file());
    let added = json(&obit(&["store", url, "add", SNAPSHOT, "--json", "--attr", "version=1.2", "--attr", "host=web1"]));
    assert_eq!(added["added"][0]["file"], SNAPSHOT);
    let id = added["added"][0]["id"].as_str().unwrap().to_owned();
    // Found before it is indexed, and after.
    for _ in 0..2 {
        let found = json(&obit(&["store", url, "query", "--json", "--where", "version >= '1.2' and host like 'web%'"]));
        assert_eq!((found["columns"][1].as_str(), found["rows"][0][1].as_str()), (Some("id"), Some(id.as_str())));
        json(&obit(&["store", url, "index", "--json"]));
    }
    assert_eq!(json(&obit(&["store", url, "add", SNAPSHOT, "--json"]))["added"][0]["known"], true);
    assert_eq!(json(&obit(&["store", url, "index", "--json"]))["known"], 1);
    // As a target of the debugger: the same answer as of the file.
    let from_store = obit(&["bt", &format!("{url}#{id}"), "--json"]);
    let from_file = obit(&["bt", SNAPSHOT, "--json"]);
    assert_eq!(text(&from_store), text(&from_file));
    let newest = text(&obit(&["bt", &format!("{url}#latest")]));
    assert!(newest.contains("SIGABRT"), "{newest}");
    let file = directory.path("got.obit");
    text(&obit(&["store", url, "get", &id[..20], "-o", file.to_str().unwrap()]));
    assert_eq!(std::fs::read(&file).unwrap(), std::fs::read(SNAPSHOT).unwrap());
    // Other formats.
    let csv = text(&obit(&["store", url, "query", "--format", "csv", "--show", "host,signal"]));
    assert_eq!(csv, "host,signal\nweb1,SIGABRT\n");
    let parquet = obit(&["store", url, "query", "--format", "parquet"]).stdout;
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
    let table = text(&obit(&["store", url, "query", "--group", "fingerprint"]));
    assert!(table.starts_with("fingerprint"), "{table}");
    let groups = json(&obit(&["store", url, "groups", "--json"]));
    let fingerprint = groups["groups"][0]["fingerprint"].as_str().unwrap();
    let edited =
        json(&obit(&["store", url, "group", fingerprint, "--assign", "ann", "--state", "in-progress", "--json"]));
    assert_eq!((&edited["group"]["assigned"], &edited["group"]["state"]), (&"ann".into(), &"in-progress".into()));
    assert_eq!(json(&obit(&["store", url, "verify", "--json"]))["rows"], 1);
    json(&obit(&["store", url, "group", fingerprint, "--note", "seen", "--json"]));
    assert_eq!(json(&obit(&["store", url, "get", &id, "--json"]))["id"], id.as_str());
    let explained = json(&obit(&["store", url, "query", "--explain", "--json"]));
    assert_eq!((&explained["explain"]["files"], &explained["explain"]["inbox_rows"]), (&1.into(), &0.into()));
    assert_eq!(json(&obit(&["store", url, "compact", "--json"]))["rows"], 1);
    assert_eq!(json(&obit(&["store", url, "retain", "--keep", "1", "--json"]))["snapshots"], 0);
}

#[test]
fn documents_about_many_crashes_are_as_their_schemas_say() {
    let directory = Directory::new("documents");
    let url = directory.path("crashes");
    let url = url.to_str().unwrap();
    text(&obit(&["store", url, "fleet", "--count", "400"]));
    let groups = json(&obit(&["store", url, "groups", "--json"]));
    let fingerprint = groups["groups"][0]["fingerprint"].as_str().unwrap();
    assert!(
        !json(&obit(&["store", url, "compare", fingerprint, "--json"]))["differences"].as_array().unwrap().is_empty()
    );
    assert!(!json(&obit(&["store", url, "similar", fingerprint, "--json"]))["pairs"].as_array().unwrap().is_empty());
}

#[test]
fn a_core_s_row_has_verdict_and_rule() {
    const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/demo");
    let directory = Directory::new("rule");
    let url = directory.path("crashes");
    let (url, core, exe) = (url.to_str().unwrap(), format!("{DEMO}/core.zst"), format!("{DEMO}/demo"));
    text(&obit(&["store", url, "add", &core, "--exe", &exe]));
    let analysis = json(&obit(&["analyze", &core, "--exe", &exe, "--json"]));
    let row =
        json(&obit(&["store", url, "query", "--json", "--show", "class,certainty,rule,verdict,signal,top_frame"]));
    let (verdict, rule) = (&analysis["verdict"], &analysis["findings"][0]["rule"]);
    let expected =
        [&verdict["class"], &verdict["certainty"], rule, &verdict["summary"], &"SIGSEGV".into(), &"discounted".into()];
    assert_eq!(row["rows"][0].as_array().unwrap().iter().collect::<Vec<_>>(), expected);
}

#[test]
fn exit_codes_are_the_contract_s() {
    let directory = Directory::new("codes");
    let store = directory.path("crashes");
    let url = store.to_str().unwrap();
    let code = |arguments: &[&str]| obit(arguments).status.code();
    assert_eq!(code(&["store", url, "query"]), Some(2), "there is no such directory");
    text(&obit(&["store", url, "add", SNAPSHOT]));
    assert_eq!(code(&["store", url, "query", "--where", "host = 'nobody'"]), Some(1));
    assert_eq!(code(&["store", url, "query", "--where", "host ="]), Some(2));
    assert_eq!(code(&["store", url, "get", "20200101T000000Z-0000000000000000"]), Some(1));
    assert_eq!(code(&["bt", &format!("{url}#20200101T000000Z-0000000000000000")]), Some(1));
    assert_eq!(code(&["store", url, "add", "/nonexistent"]), Some(2));
    assert_eq!(code(&["store", "ftp://x", "query"]), Some(2));
    assert_eq!(code(&["store", "--help"]), Some(0));
    let bad = directory.path("bad.obit");
    std::fs::write(&bad, &std::fs::read(SNAPSHOT).unwrap()[..700]).unwrap();
    assert_eq!(code(&["store", url, "add", bad.to_str().unwrap()]), Some(2));
}

#[test]
fn a_missing_program_is_said_with_what_to_do() {
    let directory = Directory::new("alone");
    let alone = directory.path("obit");
    std::fs::copy(env!("CARGO_BIN_EXE_obit"), &alone).unwrap();
    let output = Command::new(&alone).args(["store", "/tmp", "query"]).env("PATH", "/nonexistent").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("obit-store") && said.contains("--features store"), "{said}");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_obit-store"), directory.path("obit-store")).unwrap();
    let output = Command::new(&alone).args(["store", "--version"]).env("PATH", "/nonexistent").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_spool_is_shipped_and_what_no_store_takes_is_put_aside() {
    let directory = Directory::new("ship");
    let (spool, store) = (directory.path("spool"), directory.path("crashes"));
    std::fs::create_dir_all(&spool).unwrap();
    let (url, spool_text) = (store.to_str().unwrap(), spool.to_str().unwrap());
    std::fs::copy(SNAPSHOT, spool.join("20261126T024256.123Z-7-context-1a2b.obit")).unwrap();
    std::fs::write(spool.join("20261126T024257.123Z-8-bad-1a2b.obit"), "no snapshot").unwrap();
    std::fs::write(spool.join(".tmp-9"), "somebody writes it").unwrap();
    let arguments = ["store", url, "ship", "--spool", spool_text, "--rate", "60000", "--attr", "host=h7", "--json"];
    let done = json(&obit(&arguments));
    assert_eq!((&done["shipped"], &done["failed"], &done["left"]), (&1.into(), &1.into(), &0.into()));
    let names = |path: &Path| {
        let mut names: Vec<String> =
            std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&spool), [".tmp-9", "failed"]);
    assert_eq!(names(&spool.join("failed")).len(), 2, "the file, and why");
    assert_eq!(json(&obit(&["store", url, "query", "--json", "--show", "host"]))["rows"][0][0], "h7");
    // The store is away: the file stays, and the next time it is taken.
    std::fs::copy(SNAPSHOT, spool.join("20261126T024256.123Z-7-context-1a2b.obit")).unwrap();
    let away = Command::new(env!("CARGO_BIN_EXE_obit"))
        .args(["store", "s3://b/p", "ship", "--spool", spool_text, "--json"])
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        .env("AWS_ACCESS_KEY_ID", "x")
        .env("AWS_SECRET_ACCESS_KEY", "x")
        .env("AWS_REGION", "x")
        .env("OBIT_STORE_TIMEOUT", "2")
        .output()
        .unwrap();
    assert_eq!(away.status.code(), Some(2));
    assert_eq!(names(&spool).len(), 3);
    assert_eq!(json(&obit(&arguments))["shipped"], 1);
    let unit = text(&obit(&["store", url, "ship", "--spool", spool_text, "--unit", "-"]));
    assert!(unit.contains("[Service]") && unit.contains(spool_text), "{unit}");
}

/// A request by hand; status line, headers and body.
fn http(address: &str, host: &str, path: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_page_shows_groups_and_crashes_and_escapes_what_they_say() {
    use std::io::BufRead;
    let directory = Directory::new("serve");
    let store = directory.path("crashes");
    let url = store.to_str().unwrap();
    let added = json(&obit(&["store", url, "add", SNAPSHOT, "--json", "--attr", "version=<script>1</script>"]));
    let id = added["added"][0]["id"].as_str().unwrap();
    let mut server = Command::new(env!("CARGO_BIN_EXE_obit-store"))
        .args([url, "serve", "--listen", "127.0.0.1:0"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("http://").unwrap().trim_end_matches('/').to_owned();
    let groups = http(&address, &address, "/");
    assert!(groups.starts_with("HTTP/1.1 200") && groups.contains("default-src 'none'"), "{groups}");
    assert!(groups.contains("&lt;script&gt;") && !groups.contains("<script"), "{groups}");
    let fingerprint = groups.split("/group/").nth(1).unwrap().split('"').next().unwrap();
    let group = http(&address, &address, &format!("/group/{fingerprint}"));
    assert!(group.contains(&format!("/crash/{id}")), "{group}");
    let crash = http(&address, &address, &format!("/crash/{id}"));
    assert!(crash.starts_with("HTTP/1.1 200") && crash.contains("SIGABRT"), "{crash}");
    assert!(http(&address, &address, "/?where=host+%3D").starts_with("HTTP/1.1 400"));
    assert!(http(&address, &address, "/crash/none").starts_with("HTTP/1.1 404"));
    assert!(http(&address, "evil.example", "/").starts_with("HTTP/1.1 403"), "a page of another site reads nothing");
    server.kill().unwrap();
    server.wait().unwrap();
}
