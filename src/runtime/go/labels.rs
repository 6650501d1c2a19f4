//! Labels that a program gives its goroutines (go `src/runtime/pprof/label.go`): a map up to Go 1.23, since then a list.

use super::{GoRuntime, Goroutine};
use crate::addr::RunAddr;
use crate::memory::ReadAs;
use crate::order::Order;
use crate::session::go::layout;
use crate::value::{Limits, Place, Value, ValueKind};

impl GoRuntime<'_> {
    /// A goroutine's labels, by key.
    pub fn labels(&self, goroutine: &Goroutine) -> Vec<(String, String)> {
        if goroutine.labels == 0 {
            return Vec::new();
        }
        let Some(type_id) = self.session.find_type("runtime/pprof.labelMap") else { return Vec::new() };
        let limits = Limits { depth: 6, ..Limits::default() };
        let value = self.session.value(&Place::Memory(RunAddr(goroutine.labels)), type_id, None, &limits);
        let mut labels = Vec::new();
        collect(&value, &mut labels, 0);
        labels.order();
        labels
    }

    /// The latest time that the runtime wrote down: when it last looked for input, when it last collected garbage.
    pub(super) fn read_clock(&self) -> u64 {
        let times = [
            ("runtime.sched", ["lastpoll", "lastpoll.value"]),
            ("runtime.memstats", ["last_gc_nanotime", "last_gc_nanotime.value"]),
        ];
        let read = |variable: &str, paths: &[&str]| {
            let global = self.session.find_globals(variable, None, None).into_iter().next()?;
            let Place::Memory(address) = global.place.ok()? else { return None };
            let field = paths.iter().find_map(|path| layout::field(&self.session.types, global.type_id, path))?;
            let at = address.checked_add(field.offset as u64)?;
            self.session.memory().noted(at, field.size, ReadAs::Structure);
            self.session.memory().read_uint(at, field.size).ok()
        };
        times.iter().filter_map(|(variable, paths)| read(variable, paths)).max().unwrap_or(0)
    }
}

fn collect(value: &Value, labels: &mut Vec<(String, String)>, nesting: usize) {
    if nesting > 6 {
        return;
    }
    let text = |value: &Value| match &value.kind {
        ValueKind::String(text) => Some(String::from_utf8_lossy(&text.bytes).into_owned()),
        _ => None,
    };
    match &value.kind {
        ValueKind::Map(map) => {
            labels.extend(map.items.iter().filter_map(|(key, value)| Some((text(key)?, text(value)?))));
        }
        ValueKind::Struct { fields, .. } => match fields.as_slice() {
            [key, value] if text(&key.value).is_some() => labels.extend(text(&key.value).zip(text(&value.value))),
            fields => fields.iter().for_each(|field| collect(&field.value, labels, nesting + 1)),
        },
        ValueKind::Sequence(sequence) => sequence.items.iter().for_each(|item| collect(item, labels, nesting + 1)),
        ValueKind::Array { items, .. } => items.iter().for_each(|item| collect(item, labels, nesting + 1)),
        _ => {}
    }
}
