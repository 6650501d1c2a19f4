//! The kernel's log: its lines about a process.

use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;

/// Records that are read; the ring buffer is 1 MiB at most where nobody made it larger.
const MOST_RECORDS: usize = 100_000;
/// Lines that are kept.
const MOST_LINES: usize = 32;
/// Bytes of one record: the kernel refuses smaller buffers (CONSOLE_EXT_LOG_MAX, Linux 6.1, 8 KiB).
const RECORD: usize = 8 << 10;

/// The last lines that name the process; none where the log may not be read.
pub fn lines_about(pid: u32) -> Vec<String> {
    let log = std::fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open("/dev/kmsg");
    let Ok(mut log) = log else { return Vec::new() };
    let mut lines = std::collections::VecDeque::new();
    let mut record = vec![0; RECORD];
    for _ in 0..MOST_RECORDS {
        let length = match log.read(&mut record) {
            Ok(0) => break,
            Ok(length) => length,
            // Overwritten meanwhile: the next read goes on behind.
            Err(error) if error.raw_os_error() == Some(libc::EPIPE) => continue,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        let Some(line) = message(&record[..length]).filter(|line| is_about(line, pid)) else { continue };
        if lines.len() == MOST_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }
    lines.into()
}

/// The time and the text of a record: `priority,sequence,microseconds,flags;text`, and lines of details
/// (Documentation/ABI/testing/dev-kmsg, Linux 6.1).
fn message(record: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(record);
    let (prefix, text) = text.split_once(';')?;
    let micros: u64 = prefix.split(',').nth(2)?.parse().ok()?;
    let line = text.lines().next()?;
    Some(format!("[{}.{:06}] {line}", micros / 1_000_000, micros % 1_000_000))
}

/// As the kernel names processes: `app[1234]: segfault at`, `Out of memory: Killed process 1234 (app)`, `pid=1234`,
/// `PID: 1234`, `task app:1234 blocked`.
fn is_about(line: &str, pid: u32) -> bool {
    let number = pid.to_string();
    let text = line.split_once("] ").map_or(line, |(_, text)| text);
    text.match_indices(&number).any(|(at, _)| {
        let before = &text[..at];
        let after = text[at + number.len()..].chars().next();
        if after.is_some_and(|c| c.is_ascii_alphanumeric() || c == '.') {
            return false;
        }
        let before_space = before.trim_end().to_ascii_lowercase();
        let follows_word = before.ends_with([' ', '=', ':']);
        let task = before_space.ends_with(':') && before_space.contains("task ");
        before.ends_with('[') && after == Some(']')
            || task
            || follows_word && ["process", "pid", "pid:", "pid="].iter().any(|word| before_space.ends_with(word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_name_their_process() {
        let record = b"6,1234,5000042,-;app[77]: segfault at 0 ip 0 sp 0 error 4\n SUBSYSTEM=x\n";
        assert_eq!(message(record).as_deref(), Some("[5.000042] app[77]: segfault at 0 ip 0 sp 0 error 4"));
        let about = |line: &str| is_about(line, 77);
        for line in [
            "[5.000042] app[77]: segfault at 0",
            "[5.0] Out of memory: Killed process 77 (app) total-vm:1kB",
            "[5.0] audit: pid=77 comm=\"app\"",
            "[5.0] CPU: 1 PID: 77 Comm: app",
            "[5.0] INFO: task app:77 blocked for more than 120 seconds.",
        ] {
            assert!(about(line), "{line}");
        }
        for line in ["[77.0] usb 1-1: new device", "[5.0] app[177]: segfault", "[5.0] process 770", "[5.0] 77 files"] {
            assert!(!about(line), "{line}");
        }
    }
}
