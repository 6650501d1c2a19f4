//! Types that are but another one: numbers with a niche, atomics, texts of the system.

use super::super::{Object, Refusal, View};
use super::parts::unwrapped;

/// `NonZero`: its number (rust `library/core/src/num/nonzero.rs`).
pub(super) fn number<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let inner = unwrapped(object)?;
    inner.bits()?;
    Ok(View::Transparent(inner.into()))
}

/// `OsString` and `PathBuf`: the `Vec<u8>` in them, as text (rust `library/std/src/sys/os_str/bytes.rs`).
pub(super) fn os_string<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    super::vec::bytes_as_text(&object.path("inner.inner")?)
}

/// `PathBuf { inner: OsString }`
pub(super) fn path_buf<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    os_string(&object.field("inner")?)
}
