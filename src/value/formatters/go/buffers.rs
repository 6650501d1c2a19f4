//! Text that is being put together.

use super::super::{Object, Refusal, View, corrupt};

/// `bytes.Buffer`: what was not read yet (go `bytes/buffer.go`).
pub(super) fn buffer<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    text(&object.field("buf")?, object.field("off")?.uint()?)
}

/// `strings.Builder` (go `strings/builder.go`).
pub(super) fn builder<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    text(&object.field("buf")?, 0)
}

fn text<'v>(slice: &Object<'v>, read: u64) -> Result<View<'v>, Refusal> {
    let data = slice.field("array")?;
    let (length, capacity) = (slice.field("len")?.uint()?, slice.field("cap")?.uint()?);
    let length = length.checked_sub(read).filter(|_| length <= capacity);
    let length = length.ok_or_else(|| corrupt("a buffer that ends before what was read of it"))?;
    let start = data.pointer()?.checked_add(read).ok_or_else(|| corrupt("beyond the address space"))?;
    Ok(View::Text { title: String::new(), first: slice.at(start, data.target()?), length })
}
