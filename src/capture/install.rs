//! Makes the kernel start the handler, and puts back what was set before.
//!
//! ```text
//! /proc/sys/kernel/core_pattern, core_pipe_limit      now
//! /etc/sysctl.d/90-obit-capture.conf                  after the next start (systemd's own are 50-coredump.conf)
//! /etc/obit/capture.toml                              the handler's settings, and what was set before
//! ```

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::config::Earlier;
use super::spool::{Spool, write_durably};
use super::{CaptureError, Config, pattern};
use crate::image::Note;

/// Crashes that the kernel hands over at once, at most; those beyond are lost (core(5), core_pipe_limit). 0 would mean
/// that it does not wait for the handler.
pub const PIPE_LIMIT: u32 = 32;

/// Where settings are.
#[derive(Clone, Debug)]
pub struct Places {
    /// /proc/sys/kernel; `None` where an image of a system is prepared.
    pub kernel: Option<PathBuf>,
    /// The file that sets it at every start.
    pub sysctl: PathBuf,
    /// The handler's settings.
    pub config: PathBuf,
}

impl Places {
    /// On this system.
    pub fn here(config: &Path) -> Places {
        Places {
            kernel: Some("/proc/sys/kernel".into()),
            sysctl: "/etc/sysctl.d/90-obit-capture.conf".into(),
            config: config.to_owned(),
        }
    }

    fn read(&self) -> Result<Earlier, CaptureError> {
        let Some(kernel) = &self.kernel else { return Ok(Earlier::default()) };
        let read = |name: &str| {
            let path = kernel.join(name);
            let text = fs::read_to_string(&path).map_err(CaptureError::io(&path))?;
            Ok::<_, CaptureError>(text.trim_end_matches('\n').to_owned())
        };
        let core_pipe_limit = read("core_pipe_limit")?.trim().parse().unwrap_or(0);
        Ok(Earlier { core_pattern: read("core_pattern")?, core_pipe_limit })
    }

    fn set(&self, setting: &Earlier) -> Result<(), CaptureError> {
        let Some(kernel) = &self.kernel else { return Ok(()) };
        let limit = kernel.join("core_pipe_limit");
        fs::write(&limit, format!("{}\n", setting.core_pipe_limit)).map_err(refused(&limit))?;
        let path = kernel.join("core_pattern");
        fs::write(&path, format!("{}\n", setting.core_pattern)).map_err(refused(&path))?;
        let now = self.read()?.core_pattern;
        if now != setting.core_pattern {
            return Err(CaptureError::Setting(format!(
                "{}: the kernel took {now:?} instead of {:?}",
                path.display(),
                setting.core_pattern
            )));
        }
        Ok(())
    }
}

fn refused(path: &Path) -> impl FnOnce(std::io::Error) -> CaptureError {
    let path = path.to_owned();
    move |source| match source.kind() {
        ErrorKind::PermissionDenied => {
            CaptureError::Setting(format!("{}: only root may set the crash handler", path.display()))
        }
        _ => CaptureError::Io { path, source },
    }
}

/// What is set.
pub struct Status {
    /// The kernel's setting now.
    pub now: Earlier,
    /// Whether that is this handler.
    pub installed: bool,
    /// Whether it will be after the next start.
    pub persistent: bool,
    /// The settings.
    pub config: Config,
    /// What is odd.
    pub notes: Vec<Note>,
}

/// Installs `program` as the handler, with these settings.
pub fn install(places: &Places, program: &Path, mut config: Config, limit: u32) -> Result<Status, CaptureError> {
    let now = places.read()?;
    if !pattern::is_own(&now.core_pattern) && places.kernel.is_some() {
        config.earlier = Some(now);
    }
    let earlier = config.earlier.as_ref().map(|earlier| earlier.core_pattern.as_str());
    if config.chain {
        check_earlier(earlier.unwrap_or_default())?;
    }
    let line = pattern::own(program, &places.config, earlier.filter(|_| config.chain))?;
    let persistent = format!(
        "# Written by obit capture install: the kernel hands crashes over to obit.\n\
         kernel.core_pattern={line}\nkernel.core_pipe_limit={limit}\n"
    );
    if places.kernel.is_some() {
        Spool::open(&config)?;
    }
    config.write(&places.config)?;
    if let Some(directory) = places.sysctl.parent() {
        fs::create_dir_all(directory).map_err(refused(directory))?;
    }
    write_durably(&places.sysctl, persistent.as_bytes(), 0o644).map_err(refused(&places.sysctl))?;
    places.set(&Earlier { core_pattern: line, core_pipe_limit: limit })?;
    let mut status = status(places)?;
    status.notes.extend(doubts(program, config.earlier.as_ref()));
    Ok(status)
}

fn check_earlier(earlier: &str) -> Result<(), CaptureError> {
    let program = earlier.strip_prefix('|').and_then(|line| line.split_ascii_whitespace().next());
    match program {
        Some(program) if Path::new(program).exists() => Ok(()),
        Some(program) => Err(CaptureError::Setting(format!("--chain: the earlier handler {program} is not there"))),
        None => Err(CaptureError::Setting(format!(
            "--chain: core_pattern was {earlier:?}, which is no handler; --whole-core always keeps cores in the spool"
        ))),
    }
}

fn doubts(program: &Path, earlier: Option<&Earlier>) -> Vec<Note> {
    let mut notes = Vec::new();
    if let Ok(metadata) = fs::metadata(program)
        && (metadata.uid() != 0 || metadata.mode() & 0o022 != 0)
    {
        let message = format!("{}: others than root may change it, and the kernel runs it as root", program.display());
        notes.push(Note { code: "handler-writable", message });
    }
    if earlier.is_some_and(|earlier| earlier.core_pattern.contains("/apport/")) {
        let message = "apport sets core_pattern anew at every start: systemctl disable apport".to_owned();
        notes.push(Note { code: "handler-overridden", message });
    }
    notes
}

/// Puts back what was set before. What the spool holds stays.
pub fn remove(places: &Places) -> Result<Status, CaptureError> {
    let config = Config::read(&places.config)?;
    let now = places.read()?;
    let mut notes = Vec::new();
    if pattern::is_own(&now.core_pattern) {
        let usual = Earlier { core_pattern: "core".to_owned(), core_pipe_limit: 0 };
        places.set(&config.earlier.clone().unwrap_or(usual))?;
    } else if places.kernel.is_some() {
        let message = format!("core_pattern is not this handler's and was left as it is: {}", now.core_pattern);
        notes.push(Note { code: "not-installed", message });
    }
    for path in [&places.sysctl, &places.config] {
        match fs::remove_file(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            other => other.map_err(refused(path))?,
        }
    }
    let mut status = status(places)?;
    // The spool's place is still of interest.
    status.config = config;
    status.notes.extend(notes);
    Ok(status)
}

/// What is set now.
pub fn status(places: &Places) -> Result<Status, CaptureError> {
    let now = places.read()?;
    let config = Config::read(&places.config)?;
    let installed = pattern::is_own(&now.core_pattern);
    let persistent = fs::read_to_string(&places.sysctl).unwrap_or_default();
    let persistent =
        persistent.lines().filter_map(|line| line.strip_prefix("kernel.core_pattern=")).any(pattern::is_own);
    let mut notes = Vec::new();
    let program = now.core_pattern.strip_prefix('|').and_then(|line| line.split(' ').next());
    if let Some(program) = program.filter(|program| installed && !Path::new(program).exists()) {
        let message = format!("{program}: the handler's program is not there, so crashes are lost");
        notes.push(Note { code: "handler-missing", message });
    }
    if persistent && !installed && places.kernel.is_some() {
        let message = format!("something else has set core_pattern since: {}", now.core_pattern);
        notes.push(Note { code: "handler-overridden", message });
    }
    Ok(Status { now, installed, persistent, config, notes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(name: &str, pattern: &str, limit: &str) -> (PathBuf, Places) {
        let root = std::env::temp_dir().join(format!("obit-install-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        let kernel = root.join("kernel");
        fs::create_dir_all(&kernel).unwrap();
        fs::write(kernel.join("core_pattern"), pattern).unwrap();
        fs::write(kernel.join("core_pipe_limit"), limit).unwrap();
        let places = Places {
            kernel: Some(kernel),
            sysctl: root.join("sysctl.d/90-obit-capture.conf"),
            config: PathBuf::from(format!("/tmp/obit-{name}-{}.toml", std::process::id())),
        };
        (root, places)
    }

    #[test]
    fn the_earlier_setting_comes_back() {
        let earlier = "|/bin/sh -c cat %p";
        let (root, places) = places("earlier", &format!("{earlier}\n"), "16\n");
        let config = Config { spool: root.join("spool"), chain: true, ..Config::default() };
        let status = install(&places, Path::new("/usr/bin/obit"), config, 8).unwrap();
        assert!(status.installed && status.persistent);
        assert_eq!(status.now.core_pipe_limit, 8);
        // Its program is not there, which is said.
        assert!(Path::new("/usr/bin/obit").exists() || status.notes[0].code == "handler-missing");
        let sysctl = fs::read_to_string(&places.sysctl).unwrap();
        assert!(sysctl.contains("kernel.core_pattern=|/usr/bin/obit capture handle %P"));
        // Once more, with other settings: what was before is not forgotten.
        let config = Config { quota: 5 << 20, ..status.config };
        let status = install(&places, Path::new("/usr/bin/obit"), config, 8).unwrap();
        let expected = Earlier { core_pattern: earlier.to_owned(), core_pipe_limit: 16 };
        assert_eq!(status.config.earlier, Some(expected.clone()));
        let status = remove(&places).unwrap();
        assert_eq!((status.now, status.installed, status.persistent), (expected, false, false));
        assert!(!places.sysctl.exists() && !places.config.exists());
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn what_others_set_stays() {
        let (root, places) = places("others", "core\n", "0\n");
        let config = Config { spool: root.join("spool"), ..Config::default() };
        let chained = Config { chain: true, ..config.clone() };
        assert!(install(&places, Path::new("/usr/bin/obit"), chained, 8).is_err());
        install(&places, Path::new("/usr/bin/obit"), config, 8).unwrap();
        fs::write(places.kernel.as_ref().unwrap().join("core_pattern"), "|/bin/other %p\n").unwrap();
        assert_eq!(status(&places).unwrap().notes[0].code, "handler-overridden");
        let status = remove(&places).unwrap();
        assert_eq!(status.now.core_pattern, "|/bin/other %p");
        assert_eq!(status.notes[0].code, "not-installed");
        fs::remove_dir_all(&root).unwrap();
    }
}
