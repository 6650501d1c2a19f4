//! What /proc says of a live process. Files: proc(5); Documentation/filesystems/proc.rst, Linux 6.1.
//!
//! A process in a container may have put anything where its files are: those are opened within its own root, never
//! waited for, and read up to a limit.

use crate::order::Order;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};

use super::{
    Descriptor, Descriptors, Environment, Host, MemoryUse, ResourceLimit, Security, User, Variable, container, kernel,
};

/// Bytes of one file that are read.
const LARGEST: u64 = 1 << 20;
/// The same of tables of sockets.
const LARGEST_TABLE: u64 = 8 << 20;
/// Descriptors that are listed; all are counted.
const MOST_DESCRIPTORS: usize = 1024;
/// Variables and arguments that are kept.
const MOST_STRINGS: usize = 4096;
/// Ticks a second in /proc on x86 and aarch64 (include/uapi/asm-generic/param.h, Linux 6.1).
const USER_HZ: f64 = 100.0;
/// States of TCP's sockets (include/net/tcp_states.h, Linux 6.1).
const TCP_STATES: [&str; 12] = [
    "established",
    "syn-sent",
    "syn-recv",
    "fin-wait-1",
    "fin-wait-2",
    "time-wait",
    "close",
    "close-wait",
    "last-ack",
    "listen",
    "closing",
    "new-syn-recv",
];

/// The surroundings of a process that is there now.
pub fn of_process(pid: u32) -> Environment {
    let directory = PathBuf::from(format!("/proc/{pid}"));
    let file = |name: &str| read(&directory.join(name), LARGEST);
    let text = |name: &str| String::from_utf8_lossy(&file(name)).into_owned();
    let link = |name: &str| Some(std::fs::read_link(directory.join(name)).ok()?.to_string_lossy().into_owned());
    let status = Fields(text("status"));
    let stat = text("stat");
    // Fields are counted behind the name, which may hold anything: 22 is the start, in ticks since boot.
    let ticks = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(19)?.parse::<u64>().ok());
    let (started, age_seconds) = started(ticks);
    let mut environment = Environment {
        command_line: strings(&file("cmdline")).map(|text| String::from_utf8_lossy(text).into_owned()).collect(),
        variables: strings(&file("environ")).map(Variable::of).collect(),
        cwd: link("cwd"),
        user: user(&status, &directory),
        started,
        age_seconds,
        threads: status.number("Threads"),
        memory: memory(&status),
        oom_score: text("oom_score").trim().parse().ok(),
        oom_score_adjustment: text("oom_score_adj").trim().parse().ok(),
        security: security(&status, &text("attr/current")),
        descriptors: descriptors(&directory),
        limits: limits(&text("limits")),
        cgroups: cgroups(&text("cgroup")),
        host: Some(host(&directory)),
        kernel_lines: kernel::lines_about(pid),
        ..Environment::default()
    };
    let hostname = within_root(&directory, "etc/hostname").map(|text| text.trim().to_owned());
    environment.container = container::container(&environment.cgroups, &text("mountinfo"));
    if let Some(container) = &mut environment.container {
        container.hostname = hostname.filter(|name| !name.is_empty());
        let inner = status.text("NSpid").and_then(|ids| ids.split_whitespace().last()?.parse().ok());
        container.pid = inner.filter(|inner| *inner != pid);
    }
    let namespace = within_root(&directory, "var/run/secrets/kubernetes.io/serviceaccount/namespace");
    environment.kubernetes = container::kubernetes(&environment, namespace.map(|text| text.trim().to_owned()));
    environment
}

/// What there is of a file, up to a limit; nothing where it cannot be read.
fn read(path: &Path, limit: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(file) = File::open(path) {
        // What was read before an error counts.
        let _ = file.take(limit).read_to_end(&mut bytes);
    }
    bytes
}

/// A file as the process sees it: links lead nowhere out of its root.
fn within_root(directory: &Path, path: &str) -> Option<String> {
    let root = File::open(directory.join("root")).ok()?;
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let how = OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let file = File::from(openat2(root.as_fd(), path, how).ok()?);
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Strings that end in NUL.
fn strings(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    bytes.split(|byte| *byte == 0).filter(move |_| !bytes.is_empty()).take(MOST_STRINGS)
}

/// Lines of `Name: value`.
struct Fields(String);

impl Fields {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()))
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.split_whitespace().next()?.parse().ok()
    }

    /// A number of KiB, as bytes.
    fn bytes(&self, name: &str) -> Option<u64> {
        self.number(name)?.checked_mul(1024)
    }
}

fn started(ticks: Option<u64>) -> (Option<String>, Option<f64>) {
    let Some(ticks) = ticks else { return (None, None) };
    let since_boot = ticks as f64 / USER_HZ;
    let boot = String::from_utf8_lossy(&read(Path::new("/proc/stat"), LARGEST))
        .lines()
        .find_map(|line| line.strip_prefix("btime ")?.trim().parse::<i64>().ok());
    let at = boot.and_then(|boot| jiff::Timestamp::from_second(boot.checked_add(since_boot as i64)?).ok());
    let age = uptime().map(|now| ((now - since_boot).max(0.0) * 100.0).round() / 100.0);
    (at.map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()), age)
}

fn uptime() -> Option<f64> {
    String::from_utf8_lossy(&read(Path::new("/proc/uptime"), LARGEST)).split_whitespace().next()?.parse().ok()
}

fn user(status: &Fields, directory: &Path) -> Option<User> {
    let ids = |name: &str| {
        let mut ids = status.text(name)?.split_whitespace().map(|id| id.parse::<u32>().ok());
        Some((ids.next()??, ids.next()??))
    };
    let ((uid, effective_uid), (gid, effective_gid)) = (ids("Uid")?, ids("Gid")?);
    let name = within_root(directory, "etc/passwd").and_then(|users| {
        users.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)?.parse() == Ok(effective_uid)).then(|| name.to_owned())
        })
    });
    Some(User { uid, effective_uid, gid, effective_gid, name })
}

fn memory(status: &Fields) -> Option<MemoryUse> {
    let memory = MemoryUse {
        virtual_size: status.bytes("VmSize"),
        virtual_peak: status.bytes("VmPeak"),
        resident: status.bytes("VmRSS"),
        resident_peak: status.bytes("VmHWM"),
        swapped: status.bytes("VmSwap"),
    };
    (memory != MemoryUse::default()).then_some(memory)
}

fn security(status: &Fields, label: &str) -> Option<Security> {
    let label = label.trim_matches(['\0', '\n', ' ']);
    let security = Security {
        seccomp: status.number("Seccomp").map(|mode| match mode {
            0 => "disabled".to_owned(),
            1 => "strict".to_owned(),
            2 => "filter".to_owned(),
            other => other.to_string(),
        }),
        no_new_privileges: status.number("NoNewPrivs").map(|number| number != 0),
        capabilities: status.text("CapEff").map(str::to_owned),
        label: (!label.is_empty()).then(|| label.to_owned()),
    };
    (security != Security::default()).then_some(security)
}

fn limits(text: &str) -> Vec<ResourceLimit> {
    // Columns of 25, 20, 20 and 10 characters (fs/proc/base.c, proc_pid_limits).
    let lines = text.lines().skip(1).filter_map(|line| {
        let (name, rest) = line.split_at_checked(26)?;
        let mut words = rest.split_whitespace();
        let number = |word: Option<&str>| word.and_then(|word| word.parse().ok());
        let (soft, hard) = (number(words.next()), number(words.next()));
        Some(ResourceLimit { name: name.trim().to_owned(), soft, hard, unit: words.next().map(str::to_owned) })
    });
    lines.take(64).collect()
}

/// Every path once, the unified hierarchy's first.
fn cgroups(text: &str) -> Vec<String> {
    let mut lines: Vec<(bool, &str)> = text
        .lines()
        .filter_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            Some((!parts.next()?.is_empty(), parts.next()?))
        })
        .collect();
    lines.order_by_key(|(old, _)| *old);
    let mut paths: Vec<String> = Vec::new();
    for (_, path) in lines.into_iter().take(64) {
        if !paths.iter().any(|known| known == path) {
            paths.push(path.to_owned());
        }
    }
    paths
}

fn descriptors(directory: &Path) -> Option<Descriptors> {
    let entries = std::fs::read_dir(directory.join("fd")).ok()?;
    let mut numbers: Vec<u32> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    numbers.sort_unstable();
    let count = numbers.len() as u64;
    let mut sockets: Option<HashMap<u64, String>> = None;
    let open = numbers.into_iter().take(MOST_DESCRIPTORS).filter_map(|number| {
        let target = std::fs::read_link(directory.join(format!("fd/{number}"))).ok()?.to_string_lossy().into_owned();
        let info = read(&directory.join(format!("fdinfo/{number}")), LARGEST);
        let info = Fields(String::from_utf8_lossy(&info).into_owned());
        let inode = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')?.parse::<u64>().ok());
        let socket =
            inode.and_then(|inode| sockets.get_or_insert_with(|| socket_table(directory)).get(&inode).cloned());
        let is_file = target.starts_with('/');
        Some(Descriptor {
            number,
            target,
            socket,
            position: info.number("pos").filter(|_| is_file),
            flags: info.text("flags").and_then(|text| u32::from_str_radix(text, 8).ok()),
        })
    });
    Some(Descriptors { count, open: open.collect() })
}

/// What each socket of the process's network is, by inode.
fn socket_table(directory: &Path) -> HashMap<u64, String> {
    let mut found = HashMap::new();
    let table =
        |name: &str| String::from_utf8_lossy(&read(&directory.join("net").join(name), LARGEST_TABLE)).into_owned();
    for protocol in ["tcp", "tcp6", "udp", "udp6"] {
        for line in table(protocol).lines().skip(1) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (Some(local), Some(remote), Some(state), Some(inode)) =
                (words.get(1), words.get(2), words.get(3), words.get(9))
            else {
                continue;
            };
            let (Some(local), Some(remote), Ok(inode)) = (endpoint(local), endpoint(remote), inode.parse()) else {
                continue;
            };
            let state = usize::from_str_radix(state, 16).ok().and_then(|state| TCP_STATES.get(state.checked_sub(1)?));
            let state =
                state.filter(|_| protocol.starts_with("tcp")).map_or(String::new(), |state| format!(" {state}"));
            found.insert(inode, format!("{protocol} {local} -> {remote}{state}"));
        }
    }
    for line in table("unix").lines().skip(1) {
        let mut words = line.split_whitespace().skip(6);
        let Some(Ok(inode)) = words.next().map(str::parse) else { continue };
        let path = words.next().map_or(String::new(), |path| format!(" {path}"));
        found.insert(inode, format!("unix{path}"));
    }
    found
}

/// `0100007F:1F90`: words of the machine's byte order, then the port (net/ipv4/tcp_ipv4.c, get_tcp4_sock).
fn endpoint(text: &str) -> Option<String> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let words = address.as_bytes().chunks(8).map(|word| {
        let word = u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?;
        Some(word.to_le_bytes())
    });
    let bytes: Vec<u8> = words.collect::<Option<Vec<_>>>()?.concat();
    let address: std::net::IpAddr = match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok()?.into(),
        16 => <[u8; 16]>::try_from(bytes).ok()?.into(),
        _ => return None,
    };
    Some(std::net::SocketAddr::new(address, port).to_string())
}

fn host(directory: &Path) -> Host {
    let text = |path: &str| {
        let text = String::from_utf8_lossy(&read(Path::new(path), LARGEST)).trim().to_owned();
        Some(text).filter(|text| !text.is_empty())
    };
    let cpus = text("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        matches!(key.trim(), "model name" | "Model" | "CPU part").then(|| value.trim().to_owned())
    });
    let memory = Fields(text("/proc/meminfo").unwrap_or_default());
    let kernel = text("/proc/sys/kernel/ostype").zip(text("/proc/sys/kernel/osrelease"));
    let load = text("/proc/loadavg").unwrap_or_default();
    let system = within_root(directory, "etc/os-release").or_else(|| within_root(directory, "usr/lib/os-release"));
    let system = system.and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
        Some(line.trim_matches(['"', '\'']).to_owned())
    });
    Host {
        name: text("/proc/sys/kernel/hostname"),
        kernel: kernel.map(|(name, release)| format!("{name} {release}")),
        kernel_version: text("/proc/sys/kernel/version"),
        system,
        boot_id: text("/proc/sys/kernel/random/boot_id"),
        uptime_seconds: uptime(),
        cpu: model,
        cpus: Some(cpus.lines().filter(|line| line.starts_with("processor")).count() as u64).filter(|count| *count > 0),
        memory_total: memory.bytes("MemTotal"),
        memory_available: memory.bytes("MemAvailable"),
        load: load.split_whitespace().take(3).filter_map(|number| number.parse().ok()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_described() {
        let own = of_process(std::process::id());
        assert_eq!(own.cwd.as_deref(), std::env::current_dir().ok().as_deref().and_then(Path::to_str));
        assert!(!own.command_line.is_empty() && own.user.is_some() && own.threads > Some(0));
        assert!(own.memory.as_ref().and_then(|memory| memory.resident) > Some(0), "{:?}", own.memory);
        assert!(own.limits.iter().any(|limit| limit.name == "Max open files" && limit.soft > Some(0)));
        assert!(own.descriptors.as_ref().is_some_and(|it| it.count as usize >= it.open.len() && it.count > 0));
        let host = own.host.unwrap_or_default();
        assert!(host.kernel.is_some_and(|kernel| kernel.starts_with("Linux ")) && host.load.len() == 3);
        assert!(own.age_seconds.is_some_and(|age| (0.0..1e6).contains(&age)) && own.started.is_some());
    }

    #[test]
    fn addresses_of_sockets_are_read() {
        assert_eq!(endpoint("0100007F:1F90").as_deref(), Some("127.0.0.1:8080"));
        let loopback = "00000000000000000000000001000000:0016";
        assert_eq!(endpoint(loopback).as_deref(), Some("[::1]:22"));
        assert_eq!(endpoint("01:zz"), None);
    }

    #[test]
    fn control_groups_are_named_once() {
        let text = "9:name=systemd:/\n4:memory:/app/x\n3:cpu:/app/x\n0::/unified\n";
        assert_eq!(cgroups(text), ["/unified", "/", "/app/x"]);
    }
}
