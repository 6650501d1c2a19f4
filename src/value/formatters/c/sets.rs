//! Sets of bits: signals and file descriptors.
//!
//! ```text
//! glibc  sigset_t.__val, fd_set.__fds_bits (fds_bits with _XOPEN_SOURCE)  (bits/types/__sigset_t.h, misc/sys/select.h)
//! musl   sigset_t.__bits, fd_set.fds_bits                                (arch/generic/bits/signal.h, sys/select.h)
//! ```

use super::super::{Items, Object, Refusal, View};
use super::line;
use crate::image::signal::signal_name;
use crate::types::TypeKind;

/// The kernel has no more signals.
const SIGNALS: u64 = 64;
/// `FD_SETSIZE`
const DESCRIPTORS: u64 = 1024;

/// `sigset_t [SIGINT, SIGTERM]`, `sigset_t [all but SIGKILL, SIGSTOP]`
pub(super) fn signals<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let set = bits(object.any_field(&["__val", "__bits"])?, SIGNALS)?;
    let names = |bits: Vec<u64>| {
        let names = bits.into_iter().filter_map(|bit| i32::try_from(bit).ok()).map(|bit| signal_name(bit + 1));
        names.collect::<Vec<String>>().join(", ")
    };
    // 32 and 33 are the library's own: no program can set them.
    let left: Vec<u64> = (0..SIGNALS).filter(|bit| !set.contains(bit) && !matches!(bit, 31 | 32)).collect();
    let text = match (set.len(), left.len()) {
        (0, _) => "none".to_owned(),
        (_, 0) => "all".to_owned(),
        (some, others) if some > others => format!("all but {}", names(left)),
        _ => names(set),
    };
    Ok(line(format!("sigset_t [{text}]")))
}

/// `fd_set = {3, 5}`
pub(super) fn descriptors<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let set = bits(object.any_field(&["__fds_bits", "fds_bits"])?, DESCRIPTORS)?;
    let object = *object;
    let length = Some(set.len() as u64);
    let walk = Box::new(set.into_iter().map(move |bit| Ok(object.count(bit))));
    Ok(View::Sequence { title: "fd_set".to_owned(), set: true, items: Items::Walk { length, walk } })
}

/// The bits that are set among the first `wanted` of an array of words.
fn bits(words: Object<'_>, wanted: u64) -> Result<Vec<u64>, Refusal> {
    let TypeKind::Array { element, .. } = words.definition().kind else { return Err(Refusal::Declined) };
    let width = 8 * words.size_of(element)?;
    if !matches!(width, 32 | 64) || words.size()? < wanted / 8 {
        return Err(Refusal::Declined);
    }
    let mut found = Vec::new();
    for index in 0..wanted / width {
        let word = words.element(index)?.uint()?;
        found.extend((0..width).filter(|bit| word >> bit & 1 == 1).map(|bit| index * width + bit));
    }
    Ok(found)
}
