//! What surrounded the process: command line, files, limits, container, machine.
//!
//! A live process has it all in /proc ([`of_process`]); a core has what the kernel put on its initial stack
//! ([`of_image`]) and nothing else. What could not be found is left out.

mod container;
mod initial;
mod kernel;
mod process;

use serde::{Deserialize, Serialize};

pub use self::initial::InitialStack;
pub use self::process::of_process;
use super::Image;

/// A process's surroundings. Every part may be missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Environment {
    /// The arguments.
    pub command_line: Vec<String>,
    /// The environment variables.
    pub variables: Vec<Variable>,
    /// The working directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Who it ran as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<User>,
    /// When it was started, as RFC 3339 in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// Seconds from then until it was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<f64>,
    /// Threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<u64>,
    /// Its memory, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryUse>,
    /// The kernel's score for who is killed first where memory runs out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom_score: Option<i64>,
    /// What was added to that score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom_score_adjustment: Option<i64>,
    /// What the kernel lets it do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security: Option<Security>,
    /// Open descriptors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub descriptors: Option<Descriptors>,
    /// Resource limits.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<ResourceLimit>,
    /// Paths of its control groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cgroups: Vec<String>,
    /// The container that it ran in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    /// What Kubernetes calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<Kubernetes>,
    /// The machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Host>,
    /// The kernel's last lines about the process.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kernel_lines: Vec<String>,
    /// What streams of the C library held in their buffers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unwritten: Vec<Unwritten>,
    /// The ends of log files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<LogTail>,
}

/// What a stream held that was not written yet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Unwritten {
    /// The descriptor that it would have been written to.
    pub descriptor: Option<u32>,
    /// How many bytes.
    pub bytes: u64,
    /// The last of them.
    pub text: String,
}

/// The end of a log file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogTail {
    /// The file.
    pub file: String,
    /// Its bytes altogether.
    pub size: u64,
    /// Its last lines.
    pub text: String,
}

/// An environment variable.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value; `None` where it was not kept.
    pub value: Option<String>,
}

/// Whose process it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct User {
    /// Real user id.
    pub uid: u32,
    /// Effective user id.
    pub effective_uid: u32,
    /// Real group id.
    pub gid: u32,
    /// Effective group id.
    pub effective_gid: u32,
    /// The effective user's name in the process's own /etc/passwd.
    pub name: Option<String>,
}

/// Bytes of memory, by /proc/PID/status.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemoryUse {
    /// Mapped.
    pub virtual_size: Option<u64>,
    /// The most that was mapped.
    pub virtual_peak: Option<u64>,
    /// In memory.
    pub resident: Option<u64>,
    /// The most that was in memory.
    pub resident_peak: Option<u64>,
    /// Swapped out.
    pub swapped: Option<u64>,
}

/// What restricts the process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Security {
    /// `disabled`, `strict` or `filter`.
    pub seccomp: Option<String>,
    /// It cannot gain privileges.
    pub no_new_privileges: Option<bool>,
    /// Effective capabilities, in hexadecimal digits.
    pub capabilities: Option<String>,
    /// SELinux's or AppArmor's label.
    pub label: Option<String>,
}

/// Open descriptors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Descriptors {
    /// How many were open.
    pub count: u64,
    /// The first of them.
    pub open: Vec<Descriptor>,
}

/// An open descriptor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Descriptor {
    /// Its number.
    pub number: u32,
    /// What it leads to: a path, `socket:[1234]`, `pipe:[1234]`, `anon_inode:[eventpoll]`.
    pub target: String,
    /// Of a socket: protocol, addresses and state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket: Option<String>,
    /// Where it is read or written next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// The flags that it was opened with (O_...).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flags: Option<u32>,
}

/// A resource limit; `None` is unlimited.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResourceLimit {
    /// The kernel's name for it.
    pub name: String,
    /// What holds now.
    pub soft: Option<u64>,
    /// What it can be raised to.
    pub hard: Option<u64>,
    /// `bytes`, `files` and such.
    pub unit: Option<String>,
}

/// A container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Container {
    /// Its id.
    pub id: Option<String>,
    /// `docker`, `containerd`, `cri-o`, `podman`, `lxc`.
    pub runtime: Option<String>,
    /// /etc/hostname as the process saw it.
    pub hostname: Option<String>,
    /// Its process id in the container.
    pub pid: Option<u32>,
}

/// A pod of Kubernetes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kubernetes {
    /// The pod's name.
    pub pod: Option<String>,
    /// Its namespace.
    pub namespace: Option<String>,
    /// Its id.
    pub pod_uid: Option<String>,
    /// The node.
    pub node: Option<String>,
}

/// The machine and its system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Host {
    /// Its name.
    pub name: Option<String>,
    /// The kernel's name and release: `Linux 6.1.0-18-amd64`.
    pub kernel: Option<String>,
    /// The kernel's version: which build.
    pub kernel_version: Option<String>,
    /// The system as the process saw it (PRETTY_NAME of /etc/os-release).
    pub system: Option<String>,
    /// Differs from boot to boot.
    pub boot_id: Option<String>,
    /// Seconds since it started.
    pub uptime_seconds: Option<f64>,
    /// The processor's model.
    pub cpu: Option<String>,
    /// How many of them.
    pub cpus: Option<u64>,
    /// Bytes of memory.
    pub memory_total: Option<u64>,
    /// Bytes that programs could still have.
    pub memory_available: Option<u64>,
    /// Runnable processes over one, five and fifteen minutes.
    pub load: Vec<f64>,
}

/// What a core has of its process's surroundings.
pub fn of_image(image: &Image) -> Environment {
    let found = InitialStack::find(image);
    let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
    Environment {
        command_line: found.arguments.iter().map(text).collect(),
        variables: found.variables.iter().map(|bytes| Variable::of(bytes)).collect(),
        ..Environment::default()
    }
}

impl Environment {
    /// A variable's value.
    pub fn variable(&self, name: &str) -> Option<&str> {
        let mut named = self.variables.iter().filter(|variable| variable.name == name);
        named.find_map(|variable| variable.value.as_deref())
    }
}

impl Variable {
    /// Out of `NAME=value`.
    fn of(bytes: &[u8]) -> Variable {
        let equals = memchr::memchr(b'=', bytes).unwrap_or(bytes.len());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Variable { name: text(&bytes[..equals]), value: bytes.get(equals + 1..).map(text) }
    }
}
