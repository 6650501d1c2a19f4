//! Against a server of a few lines on a local port.

use super::*;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

/// What the server answers, and a log of what it was asked.
struct Server {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

fn serve(answer: impl Fn(&str, &mut TcpStream) + Send + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read(&mut byte).unwrap_or(0) == 0 {
                    break;
                }
                request.push(byte[0]);
            }
            let request = String::from_utf8_lossy(&request).into_owned();
            let path = request.split(' ').nth(1).unwrap_or("").to_owned();
            log.lock().unwrap().push(path.clone());
            answer(&path, &mut stream);
        }
    });
    Server { url, asked }
}

fn respond(stream: &mut TcpStream, status: &str, length: usize, body: &[u8]) {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body);
}

struct Cache(PathBuf);

impl Cache {
    fn new(name: &str) -> Cache {
        let path = std::env::temp_dir().join(format!("obit-debuginfod-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Cache(path)
    }

    fn files(&self) -> Vec<String> {
        let directory = self.0.join("00112233");
        let mut names: Vec<String> = fs::read_dir(directory)
            .map(|entries| entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect())
            .unwrap_or_default();
        names.sort();
        names
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const ID: [u8; 4] = [0, 0x11, 0x22, 0x33];

#[test]
fn fetches_once_and_then_reads_the_cache() {
    let server = serve(|_, stream| respond(stream, "200 OK", 5, b"hello"));
    let cache = Cache::new("fetch");
    let client = Client::new(&server.url, &cache.0);
    let path = client.debuginfo(&ID).unwrap().unwrap();
    assert_eq!(path, cache.0.join("00112233/debuginfo"));
    assert_eq!(fs::read(&path).unwrap(), b"hello");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o400);
    assert_eq!(fs::metadata(cache.0.join("00112233")).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(client.debuginfo(&ID).unwrap(), Some(path));
    assert_eq!(*server.asked.lock().unwrap(), ["/buildid/00112233/debuginfo"]);
}

#[test]
fn names_sources_as_elfutils_does() {
    let server = serve(|_, stream| respond(stream, "200 OK", 4, b"main"));
    let cache = Cache::new("source");
    let client = Client::new(&server.url, &cache.0);
    client.source(&ID, "/usr/src/a b/x#y/../z+ü.c").unwrap().unwrap();
    assert_eq!(cache.files(), ["source##usr##src##a b##x#_y##..##z+ü.c"]);
    assert_eq!(*server.asked.lock().unwrap(), ["/buildid/00112233/source/usr/src/a%20b/x%23y/../z%2B%C3%BC.c"]);
    assert_eq!(client.source(&ID, "relative.c").unwrap(), None);
}

#[test]
fn remembers_a_miss() {
    let server = serve(|_, stream| respond(stream, "404 Not Found", 0, b""));
    let cache = Cache::new("miss");
    let client = Client::new(&server.url, &cache.0);
    assert_eq!(client.executable(&ID).unwrap(), None);
    assert_eq!(fs::metadata(cache.0.join("00112233/executable")).unwrap().len(), 0);
    assert_eq!(client.executable(&ID).unwrap(), None);
    assert_eq!(server.asked.lock().unwrap().len(), 1);
    // With its time over, the server is asked again.
    fs::write(cache.0.join("cache_miss_s"), "0").unwrap();
    let old = SystemTime::now() - Duration::from_secs(5);
    fs::File::options().write(true).open(cache.0.join("00112233/executable")).unwrap().set_modified(old).unwrap();
    assert_eq!(client.executable(&ID).unwrap(), None);
    assert_eq!(server.asked.lock().unwrap().len(), 2);
}

#[test]
fn asks_the_next_server() {
    let without = serve(|_, stream| respond(stream, "404 Not Found", 0, b""));
    let with = serve(|_, stream| respond(stream, "200 OK", 2, b"it"));
    let cache = Cache::new("next");
    let client = Client::new(&format!("ima:enforcing {} {}", without.url, with.url), &cache.0);
    assert_eq!(fs::read(client.executable(&ID).unwrap().unwrap()).unwrap(), b"it");
}

#[test]
fn refuses_a_truncated_answer() {
    let server = serve(|_, stream| respond(stream, "200 OK", 1000, b"only this"));
    let cache = Cache::new("truncated");
    let client = Client::new(&server.url, &cache.0);
    let error = client.debuginfo(&ID).unwrap_err().to_string();
    assert!(error.contains("/buildid/00112233/debuginfo"), "{error}");
    assert_eq!(cache.files(), [""; 0], "nothing is kept of it, not as a miss either");
}

#[test]
fn refuses_what_is_too_large() {
    let server = serve(|_, stream| respond(stream, "200 OK", 1000, &[1; 1000]));
    let cache = Cache::new("large");
    let client = Client::new(&server.url, &cache.0).with_largest(999);
    let error = client.debuginfo(&ID).unwrap_err().to_string();
    assert!(error.contains("larger than 999 bytes"), "{error}");
    assert_eq!(cache.files(), [""; 0]);
}

#[test]
fn gives_a_silent_server_up_for_good() {
    let server = serve(|_, stream| {
        std::thread::sleep(Duration::from_millis(600));
        respond(stream, "200 OK", 5, b"hello");
    });
    let cache = Cache::new("slow");
    let client = Client::new(&server.url, &cache.0).with_timeout(Duration::from_millis(100));
    let start = Instant::now();
    assert!(client.debuginfo(&ID).is_err());
    assert!(start.elapsed() < Duration::from_millis(550), "{:?}", start.elapsed());
    assert_eq!(client.debuginfo(&ID).unwrap(), None);
    assert_eq!(server.asked.lock().unwrap().len(), 1);
    assert_eq!(cache.files(), [""; 0], "a silent server proves no miss");
}

#[test]
fn reports_a_broken_server() {
    let server = serve(|_, stream| respond(stream, "500 Internal Server Error", 0, b""));
    let cache = Cache::new("broken");
    let client = Client::new(&server.url, &cache.0);
    assert!(client.debuginfo(&ID).unwrap_err().to_string().contains("status 500"));
    assert_eq!(cache.files(), [""; 0]);
}

#[test]
fn shares_the_cache_of_elfutils() {
    let environment = |set: &[(&str, &str)]| {
        cache_directory(|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    };
    const NONE: &str = "/nonexistent";
    let path = |text: &str| Some(PathBuf::from(text));
    assert_eq!(environment(&[("DEBUGINFOD_CACHE_PATH", "/c"), ("HOME", NONE)]), path("/c"));
    assert_eq!(environment(&[("XDG_CACHE_HOME", "/x"), ("HOME", NONE)]), path("/x/debuginfod_client"));
    assert_eq!(environment(&[("HOME", NONE)]), path("/nonexistent/.cache/debuginfod_client"));
    assert_eq!(environment(&[]), None);
}

#[test]
fn knows_its_own_machine() {
    for own in ["http://127.0.0.1:80/x", "http://localhost", "https://[::1]:8002", "http://localhost/127"] {
        assert!(is_loopback(own), "{own}");
    }
    for other in
        ["https://debuginfod.debian.net", "http://127.0.0.10", "http://localhost.example/", "http://a/localhost"]
    {
        assert!(!is_loopback(other), "{other}");
    }
}

#[test]
fn directories_are_servers_too() {
    let cache = Cache::new("directory");
    let source = Cache::new("directory of files");
    let directory = source.0.join("buildid/00112233");
    fs::create_dir_all(directory.join("source/usr/src")).unwrap();
    fs::write(directory.join("debuginfo"), b"debug").unwrap();
    fs::write(directory.join("source/usr/src/a b.c"), b"int x;").unwrap();
    let client = Client::new(&format!("file://{}", percent_encoded(source.0.to_str().unwrap())), &cache.0);
    let id = [0, 0x11, 0x22, 0x33];
    assert_eq!(fs::read(client.debuginfo(&id).unwrap().unwrap()).unwrap(), b"debug");
    assert_eq!(fs::read(client.source(&id, "/usr/src/a b.c").unwrap().unwrap()).unwrap(), b"int x;");
    assert_eq!(client.executable(&id).unwrap(), None);
    assert_eq!(cache.files(), ["debuginfo", "executable", "source##usr##src##a b.c"]);
}
