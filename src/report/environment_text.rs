//! What surrounded a process, as a few lines of text.

use std::collections::BTreeMap;

use super::bt_text::{grouped, plural};
use crate::image::environment::{Container, Descriptors, Environment, Host, Kubernetes, LogTail, MemoryUse, Unwritten};

/// Lines of a log or of the kernel's that are shown.
const LINES_SHOWN: usize = 5;
/// Characters of a line of these that are shown.
const LONGEST_LINE: usize = 200;

/// Label and text of each line; text of several lines is indented behind the first.
pub fn lines(environment: &Environment, attributes: &BTreeMap<String, String>) -> Vec<(&'static str, String)> {
    let mut lines: Vec<(&'static str, String)> = Vec::new();
    let mut add = |label, text: Option<String>| lines.extend(text.map(|text| (label, plain(&text))));
    let pairs: Vec<String> = attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
    add("attributes", (!pairs.is_empty()).then(|| pairs.join(", ")));
    add("directory", environment.cwd.clone());
    add(
        "user",
        environment.user.as_ref().map(|user| {
            let name = user.name.as_ref().map_or(String::new(), |name| format!("{name}, "));
            format!("{name}uid {}, gid {}", user.effective_uid, user.effective_gid)
        }),
    );
    add(
        "started",
        environment.started.as_ref().map(|started| {
            let age = environment.age_seconds.map_or(String::new(), |age| format!(", {} before", duration(age)));
            format!("{started}{age}")
        }),
    );
    add("memory use", environment.memory.as_ref().map(|memory| memory_text(memory, environment.oom_score)));
    add("descriptors", environment.descriptors.as_ref().map(|found| descriptors_text(found, environment)));
    add("container", container_text(environment.container.as_ref(), environment.kubernetes.as_ref()));
    add("control group", environment.cgroups.iter().find(|path| *path != "/").cloned());
    if let Some(host) = &environment.host {
        let parts = [&host.name, &host.kernel, &host.system].into_iter().flatten().cloned().collect::<Vec<_>>();
        add("host", (!parts.is_empty()).then(|| parts.join(", ")));
        add("machine", machine_text(host));
    }
    for line in environment.kernel_lines.iter().rev().take(LINES_SHOWN).rev() {
        add("kernel", Some(line.clone()));
    }
    for unwritten in &environment.unwritten {
        add("unwritten", Some(unwritten_text(unwritten)));
    }
    for log in &environment.logs {
        add("log", Some(log_text(log)));
    }
    lines
}

fn memory_text(memory: &MemoryUse, oom_score: Option<i64>) -> String {
    let mut parts = Vec::new();
    if let Some(resident) = memory.resident {
        let peak = memory.resident_peak.map_or(String::new(), |peak| format!(" (at most {})", bytes_text(peak)));
        parts.push(format!("{} resident{peak}", bytes_text(resident)));
    }
    parts.extend(memory.virtual_size.map(|size| format!("{} mapped", bytes_text(size))));
    parts.extend(memory.swapped.filter(|size| *size > 0).map(|size| format!("{} swapped out", bytes_text(size))));
    parts.extend(oom_score.filter(|score| *score > 0).map(|score| format!("OOM score {score}")));
    parts.join(", ")
}

fn descriptors_text(found: &Descriptors, environment: &Environment) -> String {
    let kind = |target: &str| match target {
        target if target.starts_with("socket:") => "socket",
        target if target.starts_with("pipe:") => "pipe",
        target if target.starts_with("/dev/") => "device",
        target if target.starts_with('/') => "file",
        _ => "other",
    };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for descriptor in &found.open {
        *counts.entry(kind(&descriptor.target)).or_default() += 1;
    }
    let counts: Vec<String> = counts
        .into_iter()
        .map(|(kind, count)| match kind {
            "other" => format!("{count} other"),
            kind => format!("{count} {}", plural(count, kind, &format!("{kind}s"))),
        })
        .collect();
    let limit = environment.limits.iter().find(|limit| limit.name == "Max open files").and_then(|limit| limit.soft);
    let of = limit.map_or(String::new(), |limit| format!(" of {}", grouped(limit as usize)));
    format!("{}{of}: {}", grouped(found.count as usize), counts.join(", "))
}

fn container_text(container: Option<&Container>, kubernetes: Option<&Kubernetes>) -> Option<String> {
    let mut parts = Vec::new();
    if let Some(container) = container {
        let id = container.id.as_deref().unwrap_or_default();
        let id = id.get(..12).filter(|_| id.len() == 64).unwrap_or(id);
        parts.push([container.runtime.as_deref().unwrap_or_default(), id].join(" ").trim().to_owned());
        parts.extend(container.hostname.as_ref().map(|name| format!("hostname {name}")));
        parts.extend(container.pid.map(|pid| format!("process {pid} inside")));
    }
    if let Some(pod) = kubernetes {
        let name = pod.pod.as_deref().or(pod.pod_uid.as_deref()).unwrap_or("?");
        let namespace = pod.namespace.as_ref().map_or(String::new(), |namespace| format!("{namespace}/"));
        parts.push(format!("pod {namespace}{name}"));
        parts.extend(pod.node.as_ref().map(|node| format!("node {node}")));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn machine_text(host: &Host) -> Option<String> {
    let mut parts = Vec::new();
    match (&host.cpus, &host.cpu) {
        (Some(count), Some(model)) => parts.push(format!("{count} x {model}")),
        (Some(count), None) => parts.push(format!("{count} {}", plural(*count as usize, "processor", "processors"))),
        _ => {}
    }
    if let Some(total) = host.memory_total {
        let free = host.memory_available.map_or(String::new(), |free| format!(" ({} available)", bytes_text(free)));
        parts.push(format!("{} of memory{free}", bytes_text(total)));
    }
    let load: Vec<String> = host.load.iter().map(f64::to_string).collect();
    parts.extend((!load.is_empty()).then(|| format!("load {}", load.join(" "))));
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn unwritten_text(unwritten: &Unwritten) -> String {
    let to = match unwritten.descriptor {
        Some(1) => "standard output".to_owned(),
        Some(2) => "standard error".to_owned(),
        Some(number) => format!("descriptor {number}"),
        None => "a stream".to_owned(),
    };
    format!("{to}, {}:{}", bytes_text(unwritten.bytes), last_lines(&unwritten.text))
}

fn log_text(log: &LogTail) -> String {
    format!("{}, {}:{}", log.file, bytes_text(log.size), last_lines(&log.text))
}

/// The last lines, each on a line of its own.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let shown = lines.iter().skip(lines.len().saturating_sub(LINES_SHOWN));
    shown.map(|line| format!("\n               {}", line.chars().take(LONGEST_LINE).collect::<String>())).collect()
}

/// Control characters of the program's would move the terminal's cursor.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// `3 h 12 min`.
fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        3600..86_400 => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
        _ => format!("{} d {} h", whole / 86_400, whole % 86_400 / 3600),
    }
}

/// `1.5 MiB`.
pub fn bytes_text(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut number = bytes as f64 / 1024.0;
    let mut unit = 0;
    while number >= 1024.0 && unit + 1 < UNITS.len() {
        number /= 1024.0;
        unit += 1;
    }
    if number < 10.0 { format!("{number:.1} {}", UNITS[unit]) } else { format!("{number:.0} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        let texts: Vec<String> = [0, 1023, 1024, 1536, 450_560, 9 << 30, u64::MAX].map(bytes_text).to_vec();
        assert_eq!(texts, ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "440 KiB", "9.0 GiB", "16 EiB"]);
    }

    #[test]
    fn surroundings_are_a_few_lines() {
        let environment = Environment {
            cwd: Some("/srv".to_owned()),
            started: Some("2026-11-26T03:00:00Z".to_owned()),
            age_seconds: Some(11_520.5),
            unwritten: vec![Unwritten { descriptor: Some(1), bytes: 12, text: "last\n\u{1b}words".to_owned() }],
            ..Environment::default()
        };
        let attributes = BTreeMap::from([("version".to_owned(), "1.2".to_owned())]);
        let lines: Vec<String> =
            lines(&environment, &attributes).into_iter().map(|(label, text)| format!("{label}: {text}")).collect();
        let expected = [
            "attributes: version=1.2",
            "directory: /srv",
            "started: 2026-11-26T03:00:00Z, 3 h 12 min before",
            "unwritten: standard output, 12 B:\n               last\n               \u{fffd}words",
        ];
        assert_eq!(lines, expected);
        assert_eq!([1.25, 61.0, 200_000.0].map(duration), ["1.2 s", "1 min 1 s", "2 d 7 h"]);
    }
}
