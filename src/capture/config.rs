//! The handler's settings: a small TOML file that `capture install` writes and the handler reads.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::CaptureError;
use super::spool::write_durably;

/// Where the settings are, unless `--config` says otherwise.
pub const DEFAULT_PATH: &str = "/etc/obit/capture.toml";
/// Bytes of a file of settings, at most.
const LARGEST: u64 = 64 << 10;

/// When the whole core is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum WholeCore {
    /// Never
    Never,
    /// Where no snapshot could be made
    #[default]
    OnFailure,
    /// Always, beside the snapshot
    Always,
}

impl WholeCore {
    /// As it is written.
    pub fn text(self) -> &'static str {
        match self {
            WholeCore::Never => "never",
            WholeCore::OnFailure => "on-failure",
            WholeCore::Always => "always",
        }
    }
}

/// The setting that was there before.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Earlier {
    /// /proc/sys/kernel/core_pattern.
    pub core_pattern: String,
    /// /proc/sys/kernel/core_pipe_limit.
    pub core_pipe_limit: u32,
}

/// The settings.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The directory for what is captured.
    pub spool: PathBuf,
    /// Bytes that the spool may hold.
    pub quota: u64,
    /// Snapshots of the same crash in an hour, at most.
    pub same_crash_per_hour: u32,
    /// Seconds for a snapshot.
    pub deadline: u64,
    /// Seconds more for a whole core, or an earlier handler.
    pub core_deadline: u64,
    /// When the whole core is kept.
    pub whole_core: WholeCore,
    /// Whether the earlier handler gets the core as well.
    pub chain: bool,
    /// Attributes of every snapshot.
    pub attributes: BTreeMap<String, String>,
    /// What was set before.
    pub earlier: Option<Earlier>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            spool: PathBuf::from("/var/spool/obit"),
            quota: 2 << 30,
            same_crash_per_hour: 5,
            deadline: 10,
            core_deadline: 30,
            whole_core: WholeCore::default(),
            chain: false,
            attributes: BTreeMap::new(),
            earlier: None,
        }
    }
}

impl Config {
    /// Reads the settings; those that a missing file has are the usual ones.
    pub fn read(path: &Path) -> Result<Config, CaptureError> {
        let size = match fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Config::default()),
            other => other.map_err(CaptureError::io(path))?.len(),
        };
        let wrong = |problem: String| CaptureError::Config { path: path.to_owned(), problem };
        if size > LARGEST {
            return Err(wrong("is too large for a file of settings".to_owned()));
        }
        let text = fs::read_to_string(path).map_err(CaptureError::io(path))?;
        let config: Config = toml::from_str(&text).map_err(|error| wrong(error.message().to_owned()))?;
        if !config.spool.is_absolute() {
            return Err(wrong(format!("spool = {:?}: not an absolute path", config.spool)));
        }
        Ok(config)
    }

    /// The same for the handler: settings that cannot be read must not lose crashes. Says what is wrong with them.
    pub fn read_or_usual(path: &Path) -> (Config, Option<String>) {
        match Config::read(path) {
            Ok(config) => (config, None),
            Err(error) => (Config::default(), Some(error.to_string())),
        }
    }

    /// Writes the settings.
    pub fn write(&self, path: &Path) -> Result<(), CaptureError> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(CaptureError::io(directory))?;
        }
        write_durably(path, self.text().as_bytes(), 0o644).map_err(CaptureError::io(path))
    }

    fn text(&self) -> String {
        let spool = self.spool.to_string_lossy();
        let mut lines = vec![
            "# Written by obit capture install; read by the crash handler.".to_owned(),
            format!("spool = {}", quoted(&spool)),
            format!("quota = {}", self.quota),
            format!("same_crash_per_hour = {}", self.same_crash_per_hour),
            format!("deadline = {}", self.deadline),
            format!("core_deadline = {}", self.core_deadline),
            format!("whole_core = {}", quoted(self.whole_core.text())),
            format!("chain = {}", self.chain),
        ];
        lines.push("\n[attributes]".to_owned());
        lines.extend(self.attributes.iter().map(|(key, value)| format!("{} = {}", quoted(key), quoted(value))));
        if let Some(earlier) = &self.earlier {
            lines.push("\n[earlier]".to_owned());
            lines.push(format!("core_pattern = {}", quoted(&earlier.core_pattern)));
            lines.push(format!("core_pipe_limit = {}", earlier.core_pipe_limit));
        }
        lines.push(String::new());
        lines.join("\n")
    }

    /// For a snapshot.
    pub fn deadline(&self) -> Duration {
        Duration::from_secs(self.deadline.clamp(1, 3600))
    }

    /// For a whole core, after that.
    pub fn core_deadline(&self) -> Duration {
        Duration::from_secs(self.core_deadline.min(24 * 3600))
    }
}

/// A basic string (TOML 1.0): its escapes are JSON's, and DEL is one more.
fn quoted(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    json.replace('\u{7f}', "\\u007f")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut config = Config { chain: true, whole_core: WholeCore::Always, ..Config::default() };
        config.spool = PathBuf::from("/a \"b\"\\c\u{7f}\u{1}\n");
        config.attributes.insert("a.b".to_owned(), "ä\t".to_owned());
        let core_pattern = "|/usr/share/apport/apport -p%p -s%s -- %E".to_owned();
        config.earlier = Some(Earlier { core_pattern, core_pipe_limit: 10 });
        let path = std::env::temp_dir().join(format!("obit-config-{}", std::process::id()));
        config.write(&path).unwrap();
        assert_eq!(Config::read(&path).unwrap(), config);
        fs::write(&path, "quotta = 5").unwrap();
        assert!(Config::read(&path).unwrap_err().to_string().contains("quotta"));
        fs::write(&path, "spool = 'here'").unwrap();
        assert!(Config::read(&path).unwrap_err().to_string().contains("not an absolute path"));
        fs::remove_file(&path).unwrap();
        assert_eq!(Config::read(&path).unwrap(), Config::default());
    }
}
