//! Questions on a real cluster of Ballista's: a scheduler and two executors, on loopback.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::document;

/// Processes that end with the test.
struct Cluster {
    nodes: Vec<Child>,
    directory: PathBuf,
    url: String,
}

/// Ports that are free: so many that follow each other.
fn ports(count: u16) -> u16 {
    for _ in 0..1000 {
        let first = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let range = first..first.checked_add(count).unwrap_or(first);
        let free: Vec<TcpListener> = range.filter_map(|port| TcpListener::bind(("127.0.0.1", port)).ok()).collect();
        if free.len() == usize::from(count) {
            return first;
        }
    }
    panic!("no ports are free");
}

fn until_it_listens(port: u16) {
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(start.elapsed() < Duration::from_secs(60), "nobody listens at {port}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl Cluster {
    fn start() -> Cluster {
        let directory = std::env::temp_dir().join(format!("obit-cluster-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).unwrap();
        let port = ports(1);
        let mut cluster = Cluster { nodes: Vec::new(), directory, url: format!("ballista://127.0.0.1:{port}") };
        cluster.node(&["scheduler"]);
        until_it_listens(port);
        for number in 0..2 {
            let port = ports(2);
            let work = cluster.directory.join(format!("executor-{number}"));
            cluster.node(&[
                "executor",
                "--port",
                &port.to_string(),
                "--cores",
                "2",
                "--directory",
                work.to_str().unwrap(),
            ]);
            until_it_listens(port);
        }
        cluster
    }

    fn node(&mut self, arguments: &[&str]) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_obit-store"));
        let log = std::fs::File::create(self.directory.join(format!("node-{}.log", self.nodes.len()))).unwrap();
        command.arg(&self.url).args(arguments).stdout(Stdio::null()).stderr(log);
        self.nodes.push(command.spawn().unwrap());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            let _ = node.kill();
            let _ = node.wait();
        }
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn query(store: &Path, arguments: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_obit-store"));
    let output = command.arg(store).args(["query", "--json"]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    document(std::str::from_utf8(&output.stdout).unwrap())
}

#[test]
fn a_cluster_answers_as_one_machine_does() {
    let cluster = Cluster::start();
    let store = cluster.directory.join("crashes");
    let run = |arguments: &[&str]| {
        let status = Command::new(env!("CARGO_BIN_EXE_obit-store")).arg(&store).args(arguments).status().unwrap();
        assert!(status.success(), "{arguments:?}");
    };
    // So many a day that attributes become columns.
    run(&["fleet", "--count", "40000", "--batch", "20000"]);
    run(&["compact"]);
    run(&["fleet", "--count", "20", "--seed", "7"]);
    let questions: [&[&str]; 9] = [
        &["--group", "fingerprint"],
        &[
            "--group",
            "version",
            "--show",
            "count,hosts,min:latency,max:latency,sparkline,top:host",
            "--sort",
            "version",
        ],
        &["--where", "version >= '2.10' and host like 'web01%'", "--show", "id", "--sort", "id"],
        &["--where", "tenant = 'tenant3' and latency > 500", "--show", "count"],
        &["--where", "tenant = 'tenant5'", "--group", "region", "--show", "count,max:latency"],
        &["--frame", "app::parse_*", "--group", "top_frame"],
        &["--frames", "app::parse_*..start_thread", "--var", "n<100", "--show", "count,histogram:n"],
        &["--sql", "SELECT day, count(*) AS n, count(DISTINCT host) AS hosts FROM crashes GROUP BY day ORDER BY day"],
        &[
            "--sql",
            "SELECT a.class, count(*) AS n FROM crashes a JOIN crashes b ON a.id = b.id GROUP BY 1 ORDER BY 2, 1",
        ],
    ];
    for question in questions {
        let here = query(&store, question);
        let there = query(&store, &[question, &["--engine", &cluster.url]].concat());
        assert!(!here["rows"].as_array().unwrap().is_empty(), "{question:?}");
        assert_eq!(here["columns"], there["columns"], "{question:?}");
        let rows = |answer: &Value| answer["rows"].as_array().unwrap().clone();
        let different = rows(&here).into_iter().zip(rows(&there)).find(|(here, there)| here != there);
        assert_eq!((different, rows(&here).len()), (None, rows(&there).len()), "{question:?}");
    }
    // One file and the inbox, of one partition each.
    let few = cluster.directory.join("few");
    for arguments in [&["fleet", "--count", "1", "--batch", "1"][..], &["fleet", "--count", "3", "--seed", "7"]] {
        assert!(Command::new(env!("CARGO_BIN_EXE_obit-store")).arg(&few).args(arguments).status().unwrap().success());
    }
    let sorted = ["--show", "id", "--sort", "id"];
    let there = query(&few, &[&sorted[..], &["--engine", &cluster.url]].concat());
    assert_eq!((&there["rows"], there["rows"].as_array().unwrap().len()), (&query(&few, &sorted)["rows"], 4));
    let total = query(&store, &["--engine", &cluster.url, "--show", "count", "--explain"]);
    assert_eq!(total["rows"][0][0], 40020);
    assert_eq!((&total["explain"]["inbox_rows"], &total["explain"]["files_read"]), (&20.into(), &Value::Null));
}

#[test]
fn a_cluster_that_is_not_there_is_said() {
    let directory = std::env::temp_dir().join(format!("obit-no-cluster-{}", std::process::id()));
    let store = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_obit-store")).arg(&directory).args(arguments).output().unwrap()
    };
    assert!(store(&["fleet", "--count", "3"]).status.success());
    let port = ports(1);
    for (engine, said) in
        [(format!("ballista://127.0.0.1:{port}"), port.to_string()), ("x".to_owned(), "HOST:PORT".to_owned())]
    {
        let output = store(&["query", "--engine", &engine, "--show", "count"]);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(&said) && error.lines().count() == 1, "{error}");
    }
    std::fs::remove_dir_all(&directory).unwrap();
}
