//! The expression language.
/// Why an expression has no value.
#[derive(Debug, thiserror::Error)]
#[error("todo")]
pub struct ExprError;
impl ExprError {
    /// Nothing has that name.
    pub fn is_unknown_name(&self) -> bool {
        true
    }
}
