//! core_pattern: the line that makes the kernel start the handler, and what an earlier handler's line means.
//!
//! The kernel splits the line at spaces, then replaces `%` words in each part (core(5); fs/coredump.c,
//! `format_corename`, Linux 6.1; `%F` is Linux 6.16's). It keeps 127 bytes.

use std::fs;
use std::path::Path;

use super::CaptureError;
use super::config::DEFAULT_PATH;

/// Bytes of core_pattern that the kernel keeps (CORENAME_MAX_SIZE, less the NUL).
pub const LONGEST: usize = 127;
/// The words that the handler needs, and those with which it can say all others.
const WORDS: &str = "%P %I %s %t %c %d";

/// What the kernel said of the process, in the words' order.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Facts {
    /// The dying process (%P)
    pub pid: i32,
    /// Its thread that died (%I)
    pub tid: Option<String>,
    /// The signal (%s)
    pub signal: Option<String>,
    /// When, in seconds since 1970 (%t)
    pub time: Option<String>,
    /// Its limit of a core's size (%c)
    pub limit: Option<String>,
    /// Whether it may be dumped (%d)
    pub dumpable: Option<String>,
    /// A descriptor that stands for it (%F)
    pub descriptor: Option<String>,
}

/// The line that starts `program` as the handler.
pub fn own(program: &Path, config: &Path, earlier: Option<&str>) -> Result<String, CaptureError> {
    let text = |path: &Path| {
        let text = path.to_str().filter(|text| !text.contains([' ', '%', '\n', '\t']));
        text.map(str::to_owned).ok_or_else(|| {
            CaptureError::Setting(format!("{}: core_pattern cannot name such a path; use another", path.display()))
        })
    };
    let mut line = format!("|{} capture handle {WORDS}", text(program)?);
    // An earlier handler may want the descriptor, which older kernels do not know.
    if earlier.is_some_and(|earlier| earlier.split(' ').any(|part| part.contains("%F"))) {
        line.push_str(" %F");
    }
    if config != Path::new(DEFAULT_PATH) {
        line.push_str(&format!(" --config {}", text(config)?));
    }
    match line.len() {
        0..=LONGEST => Ok(line),
        length => Err(CaptureError::Setting(format!(
            "{line}: {length} bytes, and core_pattern takes {LONGEST}; install from a shorter path"
        ))),
    }
}

/// Whether a line starts this handler.
pub fn is_own(pattern: &str) -> bool {
    let mut parts = pattern.strip_prefix('|').unwrap_or_default().split_ascii_whitespace().skip(1);
    parts.next() == Some("capture") && parts.next() == Some("handle")
}

/// The program and the arguments of an earlier handler's line; `None` where it names a file.
pub fn expand(pattern: &str, facts: &Facts) -> Option<Vec<String>> {
    let line = pattern.trim_end_matches('\n').strip_prefix('|')?;
    let process = Process::of(facts);
    let parts: Vec<String> =
        line.split(' ').filter(|part| !part.is_empty()).map(|part| process.replace(part)).collect();
    parts.first().filter(|program| program.starts_with('/')).is_some().then_some(parts)
}

/// The process as /proc has it.
struct Process<'a> {
    facts: &'a Facts,
    status: String,
}

impl Process<'_> {
    fn of(facts: &Facts) -> Process<'_> {
        let status = fs::read_to_string(format!("/proc/{}/status", facts.pid)).unwrap_or_default();
        Process { facts, status }
    }

    /// The first number of a line of its status, or the last.
    fn status(&self, key: &str, last: bool) -> Option<String> {
        status_line(&self.status, key, last)
    }

    fn replace(&self, part: &str) -> String {
        let mut text = String::new();
        let mut characters = part.chars();
        while let Some(character) = characters.next() {
            match character {
                '%' => match characters.next() {
                    Some('%') => text.push('%'),
                    Some(word) => text.push_str(&self.word(word).unwrap_or_default()),
                    None => {}
                },
                other => text.push(other),
            }
        }
        text
    }

    fn word(&self, word: char) -> Option<String> {
        let pid = self.facts.pid;
        let own = self.facts.tid.as_ref().and_then(|tid| tid.parse().ok());
        let tid: i32 = own.unwrap_or(pid);
        let command = |name: String| fs::read_to_string(name).ok().map(|text| text.trim_end_matches('\n').to_owned());
        match word {
            'P' => Some(pid.to_string()),
            'I' => Some(tid.to_string()),
            'p' => self.status("NSpid", true),
            'i' => {
                let thread = fs::read_to_string(format!("/proc/{pid}/task/{tid}/status")).ok()?;
                status_line(&thread, "NSpid", true)
            }
            's' => self.facts.signal.clone(),
            't' => self.facts.time.clone(),
            'c' => self.facts.limit.clone(),
            'd' => self.facts.dumpable.clone(),
            'F' => self.facts.descriptor.clone(),
            'u' => self.status("Uid", false),
            'g' => self.status("Gid", false),
            'e' => command(format!("/proc/{pid}/task/{tid}/comm")),
            'f' => executable(pid).and_then(|path| Some(path.rsplit('/').next()?.to_owned())),
            'E' => executable(pid).map(|path| path.replace('/', "!")),
            'h' => command("/proc/sys/kernel/hostname".to_owned()),
            _ => None,
        }
    }
}

fn executable(pid: i32) -> Option<String> {
    let path = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    Some(path.to_string_lossy().into_owned())
}

fn status_line(status: &str, key: &str, last: bool) -> Option<String> {
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    let mut numbers = line.split_whitespace();
    let number = if last { numbers.next_back() } else { numbers.next() };
    number.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_line_is_short_and_known_again() {
        let line = own(Path::new("/usr/bin/obit"), Path::new(DEFAULT_PATH), None).unwrap();
        assert_eq!(line, "|/usr/bin/obit capture handle %P %I %s %t %c %d");
        assert!(is_own(&line) && is_own(&format!("{line}\n")));
        assert!(!is_own("core") && !is_own("|/lib/systemd/systemd-coredump %P %u") && !is_own(""));
        let other = own(Path::new("/usr/bin/obit"), Path::new("/c"), Some("|/x -F%F")).unwrap();
        assert_eq!(other, "|/usr/bin/obit capture handle %P %I %s %t %c %d %F --config /c");
        assert!(own(Path::new("/a b"), Path::new(DEFAULT_PATH), None).is_err());
        assert!(own(Path::new(&format!("/{}", "x".repeat(100))), Path::new(DEFAULT_PATH), None).is_err());
    }

    #[test]
    fn an_earlier_handler_is_called_as_the_kernel_would() {
        let pid = std::process::id() as i32;
        let facts = Facts {
            pid,
            signal: Some("11".into()),
            time: Some("5".into()),
            limit: Some("0".into()),
            ..Facts::default()
        };
        let apport = "|/usr/share/apport/apport -p%p -s%s -c%c -d%d -P%P 100%% -- %E\n";
        let words = expand(apport, &facts).unwrap();
        let executable = std::env::current_exe().unwrap().to_string_lossy().replace('/', "!");
        let own = pid.to_string();
        let expected = ["/usr/share/apport/apport", &format!("-p{own}"), "-s11", "-c0", "-d", &format!("-P{own}")];
        assert_eq!(words[..6], expected);
        assert_eq!(words[6..], ["100%", "--", &executable]);
        assert_eq!(expand("core.%p", &facts), None);
        assert_eq!(expand("|relative %p", &facts), None);
        assert_eq!(expand("|", &facts), None);
    }
}
