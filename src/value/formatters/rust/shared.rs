//! `Rc`, `Arc` and cells (rust `library/alloc/src/{rc,sync}.rs`, `library/core/src/cell.rs`).

use std::borrow::Cow;

use super::super::{Item, Object, Refusal, View, corrupt};
use super::parts::number;

/// `Rc(strong=2, weak=1)`; the implicit weak reference of all strong ones is not counted.
pub(super) fn rc<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    counted(object, "Rc", "value")
}

/// `Arc(strong=1, weak=0)`
pub(super) fn arc<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    counted(object, "Arc", "data")
}

fn counted<'v>(object: &Object<'v>, name: &str, value: &str) -> Result<View<'v>, Refusal> {
    let pointer = object.path("ptr.pointer")?;
    let is_fat = pointer.has("length") || pointer.has("vtable");
    let (strong, weak) = if is_fat {
        super::fat::counts(&pointer)?
    } else {
        let inner = pointer.deref()?;
        (number(&inner.field("strong")?)?, number(&inner.field("weak")?)?)
    };
    let Some(weak) = weak.checked_sub(1).filter(|_| strong > 0) else {
        return Err(corrupt(format!("{name} without references")));
    };
    if pointer.has("length") {
        return super::fat::behind_counts(&pointer, name, &format!("strong={strong}, weak={weak}"));
    }
    let title = format!("{name}(strong={strong}, weak={weak})");
    let mut parts = match is_fat {
        false => part("value", pointer.deref()?.field(value)?),
        // Of what lies deeper than the counts only they are known.
        true => super::fat::shared_trait_object(&pointer).map(|shared| part("value", shared)).unwrap_or_default(),
    };
    parts.push(("strong".into(), object.count(strong)));
    parts.push(("weak".into(), object.count(weak)));
    Ok(View::Parts { title, parts })
}

/// `Weak(strong=1, weak=1)`, `Weak(dangling)` of one that never was alive.
pub(super) fn weak<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let pointer = object.path("ptr.pointer")?;
    let block = pointer.any_field(&["data_ptr", "pointer"]).unwrap_or(pointer).pointer()?;
    if block == u64::MAX >> (64 - 8 * object.word()) {
        return Ok(View::Parts { title: "Weak(dangling)".to_owned(), parts: Vec::new() });
    }
    let (strong, weak, shared) = if pointer.has("vtable") || pointer.has("length") {
        let (strong, weak) = super::fat::counts(&pointer)?;
        (strong, weak, super::fat::shared_trait_object(&pointer).ok())
    } else {
        let inner = pointer.deref()?;
        let shared = inner.any_field(&["value", "data"])?;
        (number(&inner.field("strong")?)?, number(&inner.field("weak")?)?, Some(shared))
    };
    // All strong references together are one weak one.
    let weak = if strong > 0 { weak.saturating_sub(1) } else { weak };
    let parts = shared.filter(|_| strong > 0).map(|shared| part("value", shared)).unwrap_or_default();
    Ok(View::Parts { title: format!("Weak(strong={strong}, weak={weak})"), parts })
}

/// `Cell` with `value`
pub(super) fn cell<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    Ok(View::Parts { title: "Cell".to_owned(), parts: part("value", object.path("value.value")?) })
}

/// `RefCell(borrow=1)`, `RefCell(borrow_mut=1)`
pub(super) fn ref_cell<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let borrow = object.path("borrow.value.value")?;
    let mut parts = part("value", object.path("value.value")?);
    parts.push(("borrow".into(), borrow.into()));
    Ok(View::Parts { title: borrowed("RefCell", &borrow)?, parts })
}

/// `Ref(borrow=1)`, `Ref(borrow_mut=1)`: a `Ref` or a `RefMut`.
pub(super) fn reference<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let value = object.field("value")?;
    // `NonNull` since Rust 1.63.
    let value = value.field("pointer").unwrap_or(value).deref()?;
    let borrow = object.path("borrow.borrow")?.deref()?.path("value.value")?;
    let mut parts = part("*value", value);
    parts.push(("borrow".into(), borrow.into()));
    Ok(View::Parts { title: borrowed("Ref", &borrow)?, parts })
}

fn borrowed(name: &str, borrow: &Object<'_>) -> Result<String, Refusal> {
    Ok(match borrow.int()? {
        count @ 0.. => format!("{name}(borrow={count})"),
        count => format!("{name}(borrow_mut={})", count.unsigned_abs()),
    })
}

fn part<'v>(name: &'static str, object: Object<'v>) -> Vec<(Cow<'static, str>, Item<'v>)> {
    vec![(name.into(), object.into())]
}
