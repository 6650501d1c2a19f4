//! Go: the runtime's own structures (go `src/runtime`).

mod buffers;
pub mod errors;
mod functions;
mod locks;
mod maps;
mod numbers;
mod sync_map;
mod time;
mod values;

use super::{Entry, Formatter, Items, Library, Match, Object, Refusal, View, corrupt};
use crate::types::Language;
use crate::types::go::GoKind;

pub(super) static LIBRARY: Library = Library { languages: &[Language::Go], entries: ENTRIES };

const fn named(name: &'static str, view: Formatter) -> Entry {
    Entry { matches: Match::Name(name), view }
}

const fn starting(name: &'static str, view: Formatter) -> Entry {
    Entry { matches: Match::Prefix(name), view }
}

static ENTRIES: &[Entry] = &[
    named("net.IP", numbers::ip),
    // By their kind: a program may give each of them a name of its own.
    Entry { matches: Match::Test(|types, id| types.go_kind(id) == Some(GoKind::String)), view: string },
    Entry { matches: Match::Test(|types, id| types.go_kind(id) == Some(GoKind::Slice)), view: slice },
    Entry { matches: Match::Test(|types, id| types.go_kind(id) == Some(GoKind::Map)), view: maps::map },
    Entry { matches: Match::Test(|types, id| types.go_kind(id) == Some(GoKind::Chan)), view: values::channel },
    Entry { matches: Match::Test(|types, id| types.go_kind(id) == Some(GoKind::Func)), view: functions::function },
    named("error", errors::error),
    named("context.Context", values::followed),
    named("runtime.iface", values::interface),
    named("runtime.eface", values::interface),
    named("reflect.Value", values::reflected),
    named("sync.Mutex", locks::mutex),
    named("sync.RWMutex", locks::rw_mutex),
    named("sync.WaitGroup", locks::wait_group),
    named("sync.Once", locks::once),
    named("sync.Cond", locks::condition),
    named("sync.Map", sync_map::map),
    named("sync/atomic.Bool", locks::atomic_bool),
    named("sync/atomic.Value", locks::atomic),
    starting("sync/atomic.Int", locks::atomic),
    starting("sync/atomic.Uint", locks::atomic),
    starting("sync/atomic.Pointer[", locks::atomic_pointer),
    named("time.Time", time::time),
    named("time.Duration", time::duration),
    named("math/big.Int", numbers::big_integer),
    named("bytes.Buffer", buffers::buffer),
    named("strings.Builder", buffers::builder),
    Entry { matches: Match::Test(numbers::may_have_constants), view: numbers::constant },
];

/// `str` and `len` (go `src/runtime/string.go`, stringStruct).
fn string<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let data = object.field("str")?;
    Ok(View::Text {
        title: String::new(),
        first: object.at(data.pointer()?, data.target()?),
        length: object.field("len")?.uint()?,
    })
}

/// `array`, `len`, `cap` (go `src/runtime/slice.go`).
fn slice<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let data = object.field("array")?;
    let (length, capacity) = (object.field("len")?.uint()?, object.field("cap")?.uint()?);
    if length > capacity {
        return Err(corrupt(format!("a slice of {length} elements with room for {capacity}")));
    }
    let first = data.pointer()?;
    let mut title = object.type_name().to_owned();
    if first == 0 && length == 0 {
        title += " nil";
    }
    let items = Items::strided(object, first, data.target()?, length)?;
    Ok(View::Sequence { title, set: false, items })
}

/// An object that a line says all of.
fn line<'v>(title: impl Into<String>) -> View<'v> {
    View::Parts { title: title.into(), parts: Vec::new() }
}
