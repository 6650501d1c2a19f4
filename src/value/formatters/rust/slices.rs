//! Slices: a pointer and a length (rustc's DWARF calls them `data_ptr` and `length`).

use super::super::{Items, Object, Refusal, View};

pub(super) fn str_slice<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let data = object.field("data_ptr")?;
    Ok(View::Text {
        title: String::new(),
        first: object.at(data.pointer()?, data.target()?),
        length: object.field("length")?.uint()?,
    })
}

/// `&[i32](size=3)`
pub(super) fn slice<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let data = object.field("data_ptr")?;
    let length = object.field("length")?.uint()?;
    let items = Items::strided(object, data.pointer()?, data.target()?, length)?;
    Ok(View::Sequence { title: format!("{}(size={length})", object.type_name()), set: false, items })
}
