//! debuginfod.
use std::path::PathBuf;
/// Why.
#[derive(Debug, thiserror::Error)]
#[error("no")]
pub struct DebuginfodError;
/// Client.
pub struct Client {}
impl Client {
    /// Urls.
    pub fn urls(&self) -> &[String] {
        &[]
    }
    /// x
    pub fn executable(&self, _id: &[u8]) -> Result<Option<PathBuf>, DebuginfodError> {
        Ok(None)
    }
    /// x
    pub fn debuginfo(&self, _id: &[u8]) -> Result<Option<PathBuf>, DebuginfodError> {
        Ok(None)
    }
}
