//! Buckets of Google Cloud and Azure. Google's is a small server here that holds every request to the documented forms of its
//! XML interface (cloud.google.com/storage/docs/xml-api/overview): there is no emulator of that to be had. Azure's is Azurite,
//! from npm, so that its test is marked.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use crate::document;
use crate::engines::runs;

const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/snapshot-1/context.obit");

/// Objects by name.
type Objects = Arc<Mutex<BTreeMap<String, Bytes>>>;

/// A bucket `crashes`, as Google Cloud Storage answers.
async fn google(State(objects): State<Objects>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mut objects = objects.lock().unwrap();
    let refused = |why: &str| (StatusCode::BAD_REQUEST, why.to_owned()).into_response();
    let Some(path) = uri.path().strip_prefix("/crashes") else { return refused("another bucket") };
    let name = percent_decoded(path.trim_start_matches('/'));
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let tag = |bytes: &Bytes| [("etag", format!("\"{}\"", blake3::hash(bytes))), ("x-goog-generation", "1".to_owned())];
    match method {
        Method::GET if name.is_empty() => list(&objects, uri.query().unwrap_or_default()),
        Method::PUT => {
            if header("content-length") != Some(body.len().to_string().as_str()) {
                return refused("content-length");
            }
            match header("x-goog-if-generation-match") {
                Some("0") if objects.contains_key(&name) => return StatusCode::PRECONDITION_FAILED.into_response(),
                Some("0") | None => {}
                Some(_) => return refused("x-goog-if-generation-match"),
            }
            objects.insert(name, body.clone());
            (StatusCode::OK, tag(&body)).into_response()
        }
        Method::DELETE => match objects.remove(&name) {
            Some(_) => StatusCode::NO_CONTENT.into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        },
        Method::GET | Method::HEAD => {
            let Some(bytes) = objects.get(&name) else { return StatusCode::NOT_FOUND.into_response() };
            let time = [("last-modified", "Thu, 26 Nov 2026 04:10:15 GMT")];
            let Some(range) = header("range").and_then(|text| text.strip_prefix("bytes=")) else {
                return (StatusCode::OK, tag(bytes), time, bytes.clone()).into_response();
            };
            let (start, end) = range.split_once('-').unwrap();
            let length = bytes.len();
            let (start, end) = match (start.parse::<usize>(), end.parse::<usize>()) {
                (Ok(start), Ok(end)) => (start, end.min(length.saturating_sub(1))),
                (Ok(start), Err(_)) => (start, length.saturating_sub(1)),
                (Err(_), Ok(last)) => (length.saturating_sub(last), length.saturating_sub(1)),
                _ => return refused("range"),
            };
            if start > end {
                return StatusCode::RANGE_NOT_SATISFIABLE.into_response();
            }
            let place = [("content-range", format!("bytes {start}-{end}/{length}"))];
            (StatusCode::PARTIAL_CONTENT, tag(bytes), time, place, bytes.slice(start..=end)).into_response()
        }
        _ => refused("method"),
    }
}

fn list(objects: &BTreeMap<String, Bytes>, query: &str) -> Response {
    let parameters: BTreeMap<String, String> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), percent_decoded(value)))
        .collect();
    if parameters.get("list-type").map(String::as_str) != Some("2") {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let prefix = parameters.get("prefix").cloned().unwrap_or_default();
    let delimiter = parameters.get("delimiter").filter(|text| !text.is_empty());
    let mut contents = String::new();
    let mut directories = std::collections::BTreeSet::new();
    for (name, bytes) in objects.range(prefix.clone()..).take_while(|(name, _)| name.starts_with(&prefix)) {
        match delimiter.and_then(|delimiter| name[prefix.len()..].find(delimiter.as_str())) {
            Some(at) => {
                directories.insert(name[..prefix.len() + at + 1].to_owned());
            }
            None => contents.push_str(&format!(
                "<Contents><Key>{name}</Key><LastModified>2026-11-26T04:10:15.000Z</LastModified><ETag>\"{}\"</ETag>\
                 <Size>{}</Size></Contents>",
                blake3::hash(bytes),
                bytes.len()
            )),
        }
    }
    for directory in directories {
        contents.push_str(&format!("<CommonPrefixes><Prefix>{directory}</Prefix></CommonPrefixes>"));
    }
    let head =
        "<?xml version='1.0' encoding='UTF-8'?><ListBucketResult xmlns='http://doc.s3.amazonaws.com/2006-03-01'>";
    format!("{head}<Name>crashes</Name><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>").into_response()
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        match (first, behind) {
            (b'%', [high, low, behind @ ..]) => {
                let digits = [*high, *low];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
                rest = behind;
            }
            (byte, _) => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// What every bucket must do: take a crash once, show it at once, index it, give it back.
fn takes_and_gives(url: &str, environment: &[(&str, &str)]) {
    let store = |program: &str, arguments: &[&str]| -> Output {
        let mut command = Command::new(program);
        command.args(arguments).envs(environment.iter().copied()).env("NO_PROXY", "127.0.0.1");
        command.env("OBIT_STORE_TIMEOUT", "20").env("OBIT_CACHE_DIR", cache());
        command.output().unwrap()
    };
    let json = |arguments: &[&str]| {
        let output = store(env!("CARGO_BIN_EXE_obit-store"), &[&[url], arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        document(std::str::from_utf8(&output.stdout).unwrap())
    };
    let added = json(&["add", SNAPSHOT, "--attr", "host=web1"]);
    let id = added["added"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(json(&["add", SNAPSHOT])["added"][0]["known"], true);
    assert_eq!(json(&["query", "--show", "id,host"])["rows"][0], serde_json::json!([id, "web1"]));
    assert_eq!(json(&["index"])["indexed"], 1);
    assert_eq!(json(&["query", "--show", "id"])["rows"][0][0], id.as_str());
    let bt = store(env!("CARGO_BIN_EXE_obit"), &["bt", &format!("{url}#{id}")]);
    assert!(String::from_utf8_lossy(&bt.stdout).contains("SIGABRT"), "{}", String::from_utf8_lossy(&bt.stderr));
    let verified = json(&["verify"]);
    assert_eq!((&verified["rows"], &verified["snapshots"]), (&1.into(), &1.into()));
    let _ = std::fs::remove_dir_all(cache());
}

fn cache() -> PathBuf {
    std::env::temp_dir().join(format!("obit-clouds-{}", std::process::id()))
}

#[test]
fn a_bucket_of_google_cloud_takes_and_gives_crashes() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let address = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = axum::Router::new().fallback(google).with_state(Objects::default());
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    });
    // As for any emulator: the key says where the server is, and that it wants no tokens.
    let key = format!(
        "{{\"gcs_base_url\":\"http://{address}\",\"disable_oauth\":true,\"client_email\":\"\",\"private_key\":\"\",\
         \"private_key_id\":\"\"}}"
    );
    takes_and_gives("gs://crashes/prod", &[("GOOGLE_SERVICE_ACCOUNT_KEY", &key), ("GOOGLE_ALLOW_HTTP", "true")]);
}

/// Azurite's account is public (learn.microsoft.com/azure/storage/common/storage-connect-azurite).
const CONTAINER: &str = "
import base64, email.utils, hashlib, hmac, sys, urllib.request
account, key = 'devstoreaccount1', 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='
date, version = email.utils.formatdate(usegmt=True), '2021-08-06'
text = 'PUT' + 12 * '\\n' + f'x-ms-date:{date}\\nx-ms-version:{version}\\n/{account}/{account}/crashes\\nrestype:container'
signature = base64.b64encode(hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()).decode()
headers = {'x-ms-date': date, 'x-ms-version': version, 'Authorization': f'SharedKey {account}:{signature}'}
url = f'http://127.0.0.1:{sys.argv[1]}/{account}/crashes?restype=container'
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
opener.open(urllib.request.Request(url, method='PUT', headers=headers))
";

#[test]
#[ignore = "needs azurite-blob and python3 on PATH"]
fn a_bucket_of_azure_takes_and_gives_crashes() {
    if !runs("azurite-blob", &["--version"]) || !runs("python3", &["--version"]) {
        println!("skipped: azurite-blob or python3 is not on PATH");
        return;
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let flags = ["--blobHost", "127.0.0.1", "--blobPort", &port, "--inMemoryPersistence", "--silent"];
    let mut server = Command::new("azurite-blob")
        .args(flags)
        .args(["--skipApiVersionCheck", "--disableTelemetry"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while !runs("python3", &["-c", CONTAINER, &port]) {
        assert!(start.elapsed() < Duration::from_secs(60), "the server does not answer");
        std::thread::sleep(Duration::from_millis(100));
    }
    let place = format!("http://127.0.0.1:{port}");
    let environment = [("AZURE_STORAGE_USE_EMULATOR", "true"), ("AZURITE_BLOB_STORAGE_URL", place.as_str())];
    let answered = std::panic::catch_unwind(|| takes_and_gives("az://crashes/prod", &environment));
    server.kill().unwrap();
    server.wait().unwrap();
    answered.unwrap();
}
