//! Go: the runtime's own structures (go `src/runtime`).

mod errors;
mod functions;
mod maps;
mod values;

use super::{Entry, Items, Library, Match, Object, Refusal, View, corrupt};
use crate::types::Language;
use crate::types::go::GoKind;

pub(super) static LIBRARY: Library = Library { languages: &[Language::Go], entries: ENTRIES };

static ENTRIES: &[Entry] = &[
    // By their kind: a program may give each of them a name of its own.
    Entry { matches: Match::Test(|types, id| types.go_kind(id) == Some(GoKind::String)), view: string },
    Entry { matches: Match::Test(|types, id| types.go_kind(id) == Some(GoKind::Slice)), view: slice },
    Entry { matches: Match::Test(|types, id| types.go_kind(id) == Some(GoKind::Map)), view: maps::map },
    Entry { matches: Match::Test(|types, id| types.go_kind(id) == Some(GoKind::Chan)), view: values::channel },
    Entry { matches: Match::Test(|types, id| types.go_kind(id) == Some(GoKind::Func)), view: functions::function },
    Entry { matches: Match::Name("error"), view: errors::error },
    Entry { matches: Match::Name("runtime.iface"), view: values::interface },
    Entry { matches: Match::Name("runtime.eface"), view: values::interface },
    Entry { matches: Match::Name("sync.Mutex"), view: values::mutex },
    Entry { matches: Match::Name("sync.RWMutex"), view: values::rw_mutex },
    Entry { matches: Match::Prefix("sync/atomic.Int"), view: values::atomic },
    Entry { matches: Match::Prefix("sync/atomic.Uint"), view: values::atomic },
    Entry { matches: Match::Name("time.Time"), view: values::time },
];

/// `str` and `len` (go `src/runtime/string.go`, stringStruct).
fn string<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let data = object.field("str")?;
    Ok(View::Text { first: object.at(data.pointer()?, data.target()?), length: object.field("len")?.uint()? })
}

/// `array`, `len`, `cap` (go `src/runtime/slice.go`).
fn slice<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let data = object.field("array")?;
    let (length, capacity) = (object.field("len")?.uint()?, object.field("cap")?.uint()?);
    if length > capacity {
        return Err(corrupt(format!("a slice of {length} elements with room for {capacity}")));
    }
    let items = Items::strided(object, data.pointer()?, data.target()?, length)?;
    Ok(View::Sequence { title: object.type_name().to_owned(), set: false, items })
}
