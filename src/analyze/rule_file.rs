//! Files of rules that a user gives: TOML of a bounded size.

use std::path::Path;

use serde::de::DeserializeOwned;

/// Bytes of a file.
const MAX_FILE: u64 = 1 << 20;

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RuleFileError {
    /// It could not be read.
    #[error("{0}: {1}")]
    Io(String, std::io::Error),
    /// It is too large.
    #[error("{0}: it has more than {MAX_FILE} bytes")]
    TooLarge(String),
    /// It is no such file.
    #[error("{0}: {1}")]
    Form(String, toml::de::Error),
    /// Something that it says cannot be used.
    #[error("{0}: {1}")]
    Content(String, String),
}

/// The content of a file.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T, RuleFileError> {
    toml::from_str(&text(path)?).map_err(|error| RuleFileError::Form(path.display().to_string(), error))
}

/// A file as it is written.
pub fn text(path: &Path) -> Result<String, RuleFileError> {
    let name = path.display().to_string();
    let size = std::fs::metadata(path).map_err(|error| RuleFileError::Io(name.clone(), error))?.len();
    if size > MAX_FILE {
        return Err(RuleFileError::TooLarge(name));
    }
    std::fs::read_to_string(path).map_err(|error| RuleFileError::Io(name, error))
}
