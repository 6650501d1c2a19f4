//! The debuginfod client: executables, debug files and sources by build-id, from the servers in DEBUGINFOD_URLS.
//!
//! The cache is the one that elfutils' client keeps, laid out the same, so that what gdb or perf fetched is here
//! already and the other way round (elfutils 0.188, debuginfod-client.c; debuginfod-client-config(7)):
//!
//! ```text
//! $DEBUGINFOD_CACHE_PATH, or ~/.debuginfod_client_cache where it exists,
//! or $XDG_CACHE_HOME/debuginfod_client, or ~/.cache/debuginfod_client
//!   cache_miss_s                 seconds that a miss is remembered (600 where the file is absent)
//!   BUILDID/executable           an empty file is a miss, by its modification time
//!   BUILDID/debuginfo
//!   BUILDID/source##usr##src##main.c      `/` is `##`, `#` is `#_`
//! ```
//!
//! Cleaning the cache is left to elfutils. A server that did not answer is not asked again in this process.

use std::collections::HashSet;
use std::fs;
use std::io::{IsTerminal, Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use super::find::hex;

/// DEBUGINFOD_TIMEOUT where it is not set (debuginfod-client-config(7)).
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(90);
/// So many bytes must come in each timeout, or the server is too slow (debuginfod-client-config(7)).
const LEAST_PER_TIMEOUT: u64 = 100 << 10;
/// How long a miss is remembered where the cache does not say.
const DEFAULT_MISS: Duration = Duration::from_secs(600);
/// No debug file is bigger; DEBUGINFOD_MAXSIZE can only lower it.
const LARGEST: u64 = 16 << 30;
/// File names have a limit (255 on Linux); longer source paths are not cached under this layout.
const LONGEST_NAME: usize = 250;

/// Why a server's answer could not be had. That no server has the file is no error.
#[derive(Debug, thiserror::Error)]
pub enum DebuginfodError {
    /// `--debuginfod` without servers.
    #[error("debuginfod was asked for, but DEBUGINFOD_URLS names no server")]
    NoServers,
    /// The cache directory could not be used.
    #[error("debuginfod cache {path}: {source}", path = path.display())]
    Cache {
        /// The file or directory in it.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The server failed.
    #[error("debuginfod {url}: {problem}")]
    Server {
        /// What was asked.
        url: String,
        /// What went wrong.
        problem: String,
    },
}

/// The servers and the cache. Nothing is sent before the first question.
pub struct Client {
    urls: Vec<String>,
    cache: PathBuf,
    timeout: Option<Duration>,
    longest_time: Option<Duration>,
    largest: u64,
    agent: OnceLock<ureq::Agent>,
    silent_servers: Mutex<HashSet<String>>,
}

impl Client {
    /// The client that the environment describes. `asked` is `--debuginfod` (true) or `--no-debuginfod` (false);
    /// without either, servers are asked where DEBUGINFOD_URLS names some.
    pub fn from_environment(asked: Option<bool>) -> Result<Option<Client>, DebuginfodError> {
        if asked == Some(false) {
            return Ok(None);
        }
        let variable = |name: &str| std::env::var(name).ok();
        let urls = variable("DEBUGINFOD_URLS").unwrap_or_default();
        let Some(cache) = cache_directory(variable) else { return Ok(None) };
        let mut client = Client::new(&urls, &cache);
        if client.urls.is_empty() {
            return if asked == Some(true) { Err(DebuginfodError::NoServers) } else { Ok(None) };
        }
        let number = |name: &str| variable(name)?.trim().parse::<u64>().ok();
        if let Some(seconds) = number("DEBUGINFOD_TIMEOUT") {
            client.timeout = (seconds > 0).then(|| Duration::from_secs(seconds));
        }
        client.longest_time = number("DEBUGINFOD_MAXTIME").filter(|s| *s > 0).map(Duration::from_secs);
        client.largest = number("DEBUGINFOD_MAXSIZE").filter(|bytes| *bytes > 0).unwrap_or(LARGEST).min(LARGEST);
        Ok(Some(client))
    }

    /// A client for servers (URLs with spaces between them, as in DEBUGINFOD_URLS) and a cache directory. A `file://`
    /// URL names a directory that is laid out as a server's answers are (`buildid/ID/debuginfo`).
    pub fn new(urls: &str, cache: &Path) -> Client {
        // Newer variables hold words such as `ima:enforcing` too.
        let is_server = |url: &&str| ["http://", "https://", "file://"].iter().any(|scheme| url.starts_with(scheme));
        let urls = urls.split_whitespace().filter(is_server);
        Client {
            urls: urls.map(|url| url.trim_end_matches('/').to_owned()).collect(),
            cache: cache.to_owned(),
            timeout: Some(DEFAULT_TIMEOUT),
            longest_time: None,
            largest: LARGEST,
            agent: OnceLock::new(),
            silent_servers: Mutex::default(),
        }
    }

    /// The same client with another timeout for the first byte and for slow servers.
    pub fn with_timeout(mut self, timeout: Duration) -> Client {
        self.timeout = Some(timeout);
        self
    }

    /// The same client with a smaller limit, in bytes, for one file.
    pub fn with_largest(mut self, bytes: u64) -> Client {
        self.largest = bytes.min(LARGEST);
        self
    }

    /// The servers, without the slash at the end.
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// The executable or library with that build-id, as a path in the cache.
    pub fn executable(&self, build_id: &[u8]) -> Result<Option<PathBuf>, DebuginfodError> {
        self.fetch(build_id, "executable", "executable", "executable")
    }

    /// The debug file with that build-id (dwz files too), as a path in the cache.
    pub fn debuginfo(&self, build_id: &[u8]) -> Result<Option<PathBuf>, DebuginfodError> {
        self.fetch(build_id, "debuginfo", "debuginfo", "debug information")
    }

    /// A source file of the program with that build-id, by its absolute path as the line table has it.
    pub fn source(&self, build_id: &[u8], path: &str) -> Result<Option<PathBuf>, DebuginfodError> {
        let name = format!("source{}", escaped(path));
        if !path.starts_with('/') || name.len() > LONGEST_NAME {
            return Ok(None);
        }
        self.fetch(build_id, &format!("source{}", percent_encoded(path)), &name, "source")
    }

    fn fetch(
        &self,
        build_id: &[u8],
        artifact: &str,
        name: &str,
        what: &str,
    ) -> Result<Option<PathBuf>, DebuginfodError> {
        if !(2..=64).contains(&build_id.len()) {
            return Ok(None);
        }
        let id = hex(build_id);
        let directory = self.cache.join(&id);
        let cached = directory.join(name);
        if let Ok(metadata) = fs::metadata(&cached) {
            if metadata.len() > 0 {
                return Ok(Some(cached));
            }
            let age = metadata.modified().ok().and_then(|then| SystemTime::now().duration_since(then).ok());
            if age.is_some_and(|age| age <= self.miss_lifetime()) {
                return Ok(None);
            }
            let _ = fs::remove_file(&cached);
        }
        let in_cache = |source| DebuginfodError::Cache { path: directory.clone(), source };
        fs::create_dir_all(&self.cache).map_err(in_cache)?;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory).map_err(in_cache)?;

        let mut failure = None;
        for server in &self.urls {
            if self.silent_servers.lock().is_ok_and(|silent| silent.contains(server)) {
                continue;
            }
            let url = format!("{server}/buildid/{id}/{artifact}");
            match self.download(&url, &cached, what) {
                Ok(true) => return Ok(Some(cached)),
                Ok(false) => {}
                Err(Failure { problem, is_silent }) => {
                    if is_silent && let Ok(mut silent) = self.silent_servers.lock() {
                        silent.insert(server.clone());
                    }
                    failure.get_or_insert(DebuginfodError::Server { url, problem });
                }
            }
        }
        match failure {
            Some(error) => Err(error),
            None => {
                // Every server said that it has no such file. (Servers known to be silent said so before.)
                if self.silent_servers.lock().is_ok_and(|silent| silent.is_empty()) {
                    let _ = fs::OpenOptions::new().write(true).create_new(true).mode(0o666).open(&cached);
                }
                Ok(None)
            }
        }
    }

    fn miss_lifetime(&self) -> Duration {
        let text = fs::read_to_string(self.cache.join("cache_miss_s")).ok();
        text.and_then(|text| text.trim().parse().ok()).map_or(DEFAULT_MISS, Duration::from_secs)
    }

    /// Whether the server had the file, which is then at `target`.
    fn download(&self, url: &str, target: &Path, what: &str) -> Result<bool, Failure> {
        if let Some(path) = url.strip_prefix("file://") {
            return self.copy(&percent_decoded(path), target, what);
        }
        let agent = self.agent.get_or_init(|| {
            let config = ureq::Agent::config_builder()
                .http_status_as_error(false)
                .user_agent(concat!("obit/", env!("CARGO_PKG_VERSION")))
                .accept_encoding("")
                .timeout_connect(self.timeout)
                .timeout_recv_response(self.timeout)
                .timeout_per_read(self.timeout)
                .timeout_global(self.longest_time)
                .build();
            config.new_agent()
        });
        // A server on this machine is asked directly, whatever proxy leads to the network.
        let mut request = agent.get(url);
        if is_loopback(url) {
            request = request.config().proxy(None).build();
        }
        let mut response = request.call().map_err(|error| Failure::silent(error.to_string()))?;
        match response.status().as_u16() {
            200 => {}
            404 | 410 => return Ok(false),
            status => return Err(Failure::answered(format!("the server answered with status {status}"))),
        }
        let is_encoded = response.headers().contains_key("content-encoding");
        let number = |name: &str| response.headers().get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
        let length = number("content-length").filter(|_| !is_encoded);
        let expected = length.or_else(|| number("x-debuginfod-size"));
        if expected.is_some_and(|length| length > self.largest) {
            return Err(Failure::answered(format!("the file is larger than {} bytes", self.largest)));
        }
        let mut body = response.body_mut().with_config().limit(self.largest.saturating_add(1)).reader();
        self.store(&mut body, target, length, expected, what)
    }

    /// The same from a directory on this machine.
    fn copy(&self, path: &Path, target: &Path, what: &str) -> Result<bool, Failure> {
        // Asked before opening: a pipe would be waited for.
        let Some(metadata) = fs::metadata(path).ok().filter(fs::Metadata::is_file) else { return Ok(false) };
        if metadata.len() > self.largest {
            return Err(Failure::answered(format!("the file is larger than {} bytes", self.largest)));
        }
        let mut file = fs::File::open(path).map_err(|error| Failure::answered(error.to_string()))?;
        self.store(&mut file, target, Some(metadata.len()), Some(metadata.len()), what)
    }

    /// Reads an answer of `length` bytes, where that is known, into the cache, by a temporary file beside it.
    fn store(
        &self,
        body: &mut dyn Read,
        target: &Path,
        length: Option<u64>,
        expected: Option<u64>,
        what: &str,
    ) -> Result<bool, Failure> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mut temporary = target.to_owned().into_os_string();
        temporary.push(format!(".{}-{number}", std::process::id()));
        let temporary = PathBuf::from(temporary);
        let received = self.receive(body, &temporary, expected, what).and_then(|received| {
            if length.is_some_and(|length| length != received) {
                return Err(Failure::answered(format!("{received} bytes came of {}", length.unwrap_or(0))));
            }
            if received == 0 {
                // In the cache an empty file would be a miss.
                return Err(Failure::answered("the answer is empty".to_owned()));
            }
            fs::rename(&temporary, target).map_err(|error| Failure::answered(error.to_string()))
        });
        if received.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        received.map(|()| true)
    }

    fn receive(&self, body: &mut dyn Read, path: &Path, expected: Option<u64>, what: &str) -> Result<u64, Failure> {
        let here = |error: std::io::Error| Failure::answered(format!("{}: {error}", path.display()));
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(here)?;
        let progress = Progress::new(expected, what);
        let mut buffer = vec![0; 64 << 10];
        let mut received = 0u64;
        let mut window = (Instant::now(), 0u64);
        loop {
            let count = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Failure::silent(format!("after {received} bytes: {error}"))),
            };
            received += count as u64;
            if received > self.largest {
                return Err(Failure::answered(format!("the file is larger than {} bytes", self.largest)));
            }
            file.write_all(&buffer[..count]).map_err(here)?;
            progress.set(received);
            if let Some(timeout) = self.timeout
                && window.0.elapsed() > timeout
            {
                if received - window.1 < LEAST_PER_TIMEOUT {
                    return Err(Failure::silent(format!("too slow: {received} bytes after {timeout:?}")));
                }
                window = (Instant::now(), received);
            }
        }
        // Cached files are not for writing, as elfutils has it.
        file.set_permissions(fs::Permissions::from_mode(0o400)).map_err(here)?;
        Ok(received)
    }
}

/// A failed question: whether the server is of no use any more, or only this answer.
struct Failure {
    problem: String,
    is_silent: bool,
}

impl Failure {
    fn silent(problem: String) -> Failure {
        Failure { problem, is_silent: true }
    }

    fn answered(problem: String) -> Failure {
        Failure { problem, is_silent: false }
    }
}

/// A bar on a terminal's standard error, nothing elsewhere.
struct Progress(Option<indicatif::ProgressBar>);

impl Progress {
    fn new(expected: Option<u64>, what: &str) -> Progress {
        if !std::io::stderr().is_terminal() {
            return Progress(None);
        }
        let bar = indicatif::ProgressBar::with_draw_target(expected, indicatif::ProgressDrawTarget::stderr());
        let template =
            if expected.is_some() { "{msg} [{bar:30}] {bytes}/{total_bytes} {eta}" } else { "{msg} {spinner} {bytes}" };
        if let Ok(style) = indicatif::ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Progress(Some(bar.with_message(format!("downloading {what}"))))
    }

    fn set(&self, received: u64) {
        if let Some(bar) = &self.0 {
            bar.set_position(received);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// The shared cache directory, by the environment.
fn cache_directory(variable: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = set("DEBUGINFOD_CACHE_PATH") {
        return Some(path);
    }
    let home = set("HOME");
    if let Some(old) = home.as_ref().map(|home| home.join(".debuginfod_client_cache"))
        && old.is_dir()
    {
        return Some(old);
    }
    let caches = set("XDG_CACHE_HOME").or_else(|| Some(home?.join(".cache")))?;
    Some(caches.join("debuginfod_client"))
}

/// Whether the URL's host is this machine by address or name.
fn is_loopback(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = host.split(['/', '?']).next().unwrap_or(host);
    ["127.0.0.1", "localhost", "[::1]"]
        .iter()
        .any(|own| host.strip_prefix(own).is_some_and(|port| port.is_empty() || port.starts_with(':')))
}

fn escaped(path: &str) -> String {
    let mut name = String::with_capacity(path.len() + 16);
    for character in path.chars() {
        match character {
            '/' => name.push_str("##"),
            '#' => name.push_str("#_"),
            other => name.push(other),
        }
    }
    name
}

/// RFC 3986: all but unreserved characters (and `/`) as `%XX`.
fn percent_encoded(path: &str) -> String {
    let mut url = String::with_capacity(path.len() + 16);
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => url.push(char::from(byte)),
            other => url.push_str(&format!("%{other:02X}")),
        }
    }
    url
}

/// The path of a `file://` URL: `%XX` stands for a byte.
fn percent_decoded(url: &str) -> PathBuf {
    let mut path = Vec::with_capacity(url.len());
    let mut rest = url.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                path.push(byte);
                rest = &after[2..];
            }
            None => {
                path.push(*first);
                rest = after;
            }
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(path))
}

#[cfg(test)]
#[path = "debuginfod_tests.rs"]
mod tests;
