//! Against programs that a bare machine does not have, so each test is marked: an S3 server (moto, from PyPI), and other
//! engines' readers of the table (deltalake and DuckDB, from PyPI). What is not installed is skipped, and said.
//!
//! ```text
//! python3 -m venv V && V/bin/pip install 'moto[server]' deltalake duckdb pyarrow
//! PATH=V/bin:$PATH cargo test --features store --test store -- --ignored --show-output
//! ```

use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/snapshot-1/context.obit");

/// Whether a program is there, and does this.
pub fn runs(program: &str, arguments: &[&str]) -> bool {
    let run = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    run.is_ok_and(|status| status.success())
}

/// A server that ends with the test.
struct Server {
    child: Child,
    endpoint: String,
}

impl Server {
    /// moto, with the bucket `crashes`; none where it is not installed.
    fn start() -> Option<Server> {
        if !runs("moto_server", &["--help"]) {
            println!("skipped: moto_server is not on PATH");
            return None;
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("moto_server")
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("moto_server is on PATH");
        let server = Server { child, endpoint: format!("127.0.0.1:{port}") };
        let start = Instant::now();
        while !server.put("/crashes") {
            assert!(start.elapsed() < Duration::from_secs(60), "the server does not answer");
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(server)
    }

    fn put(&self, path: &str) -> bool {
        use std::io::{Read, Write};
        let Ok(mut stream) = std::net::TcpStream::connect(&self.endpoint) else { return false };
        let host = &self.endpoint;
        let request = format!("PUT {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).is_ok() && answer.contains(" 200 ")
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).env("AWS_ENDPOINT_URL", format!("http://{}", self.endpoint));
        for (name, value) in [("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x"), ("AWS_REGION", "us-east-1")] {
            command.env(name, value);
        }
        command.env("NO_PROXY", "127.0.0.1").env("OBIT_STORE_TIMEOUT", "20");
        command.env("OBIT_CACHE_DIR", std::env::temp_dir().join(format!("obit-engines-{}", std::process::id())));
        command
    }

    fn store(&self, arguments: &[&str]) -> Output {
        self.command(env!("CARGO_BIN_EXE_obit-store"), &[&["s3://crashes/prod"], arguments].concat()).output().unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.store(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "needs moto_server on PATH"]
fn a_bucket_of_s3_takes_and_gives_crashes() {
    let Some(server) = Server::start() else { return };
    let added = server.json(&["add", SNAPSHOT, "--json", "--attr", "host=web1"]);
    let id = added["added"][0]["id"].as_str().unwrap();
    assert_eq!(server.json(&["query", "--json", "--show", "id"])["rows"][0][0], id);
    assert_eq!(server.json(&["index", "--json"])["indexed"], 1);
    assert_eq!(server.json(&["query", "--json", "--show", "id"])["rows"][0][0], id);
    let target = format!("s3://crashes/prod#{id}");
    let bt = server.command(env!("CARGO_BIN_EXE_obit"), &["bt", &target, "--json"]).output().unwrap();
    assert!(bt.status.success(), "{}", String::from_utf8_lossy(&bt.stderr));
    assert_eq!(server.json(&["verify", "--json"])["rows"], 1);
}

/// Indexers are killed at moments that nobody chose, and race each other, while crashes come in.
#[test]
#[ignore = "needs moto_server on PATH"]
fn indexers_of_an_s3_bucket_are_killed_at_random_and_lose_nothing() {
    let Some(server) = Server::start() else { return };
    const CRASHES: usize = 600;
    let count = CRASHES.to_string();
    let program = env!("CARGO_BIN_EXE_obit-store");
    let fleet = ["s3://crashes/prod", "fleet", "--count", &count, "--writers", "16"];
    let mut writers = server.command(program, &fleet).stdout(Stdio::null()).spawn().unwrap();
    let index = || {
        let mut command = server.command(program, &["s3://crashes/prod", "index", "--follow", "--every", "0.1"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    for round in 0..12u64 {
        let mut indexers = [index(), index()];
        std::thread::sleep(Duration::from_millis(400 + round * 173 % 900));
        for indexer in &mut indexers {
            indexer.kill().unwrap();
            indexer.wait().unwrap();
        }
    }
    assert!(writers.wait().unwrap().success());
    server.json(&["index", "--json"]);
    let rows = server.json(&["query", "--json", "--sql", "SELECT count(*), count(DISTINCT id) FROM crashes"]);
    assert_eq!(rows["rows"][0], serde_json::json!([CRASHES, CRASHES]));
    assert!(server.store(&["verify"]).status.success());
}

#[test]
#[ignore = "needs Python with deltalake, duckdb and pyarrow on PATH"]
fn other_engines_read_the_table() {
    if !runs("python3", &["-c", "import deltalake, duckdb, pyarrow"]) {
        println!("skipped: python3 on PATH has no deltalake, duckdb and pyarrow");
        return;
    }
    let directory = std::env::temp_dir().join(format!("obit-engines-table-{}", std::process::id()));
    let store = |arguments: &[&str]| {
        let url = directory.to_str().unwrap();
        Command::new(env!("CARGO_BIN_EXE_obit-store")).arg(url).args(arguments).output().unwrap()
    };
    assert!(store(&["fleet", "--count", "500"]).status.success());
    assert!(store(&["index"]).status.success());
    assert!(store(&["compact"]).status.success());
    assert!(store(&["add", SNAPSHOT]).status.success() && store(&["index"]).status.success());
    let own =
        store(&["query", "--format", "csv", "--group", "fingerprint", "--show", "count", "--sort", "fingerprint"]);
    let script = "
import sys, deltalake, duckdb
crashes = deltalake.DeltaTable(sys.argv[1]).to_pyarrow_table()
rows = duckdb.sql('select fingerprint, count(*) from crashes group by 1 order by 1').fetchall()
print('fingerprint,count')
for row in rows: print(f'{row[0]},{row[1]}')
assert duckdb.sql(\"select count(*) from crashes where attrs['region'] = 'eu-1' and list_contains(frames, 'clone')\").fetchall()[0][0] > 0
";
    let path = directory.join("index");
    let theirs = Command::new("python3").args(["-c", script, path.to_str().unwrap()]).output().unwrap();
    assert!(theirs.status.success(), "{}", String::from_utf8_lossy(&theirs.stderr));
    assert_eq!(String::from_utf8_lossy(&own.stdout), String::from_utf8_lossy(&theirs.stdout));
    std::fs::remove_dir_all(&directory).unwrap();
}
