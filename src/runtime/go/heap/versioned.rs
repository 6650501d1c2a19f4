//! Where the allocator has its spans in a program without debug information: members by Go's version, the list of spans by
//! what it holds.
//!
//! ```text
//! runtime.mheap_ … sweepgen, allspans (pointer, length, capacity) … ── *mspan, each with pages, slots and a sweepgen
//!                                                                       that fits the heap's
//! ```

use super::layout::{HeapLayout, SpanLayout};
use super::spans;
use crate::addr::RunAddr;
use crate::memory::ReadAs;
use crate::module::{Module, go_table};
use crate::runtime::go::version::Version;
use crate::session::Session;
use crate::session::go::layout::Field;

/// Spans of a list that are looked at before it is taken for one.
const LOOKED_AT: u64 = 64;
/// Spans in one list.
const MAX_LIST: u64 = 1 << 32;
/// What GOEXPERIMENT may have changed without moving a member of the heap's or the scheduler's (go `src/internal/goexperiment/flags.go`).
pub(in crate::runtime::go) const HARMLESS: &[&str] = &[
    "aliastypeparams",
    "boringcrypto",
    "cacheprog",
    "cgocheck2",
    "coverageredesign",
    "dwarf5",
    "fieldtrack",
    "goroutineleakprofile",
    "greenteagc",
    "heapminimum512kib",
    "jsonv2",
    "loopvar",
    "mapsplitgroup",
    "newinliner",
    "randomizedheapbase64",
    "rangefunc",
    "regabiargs",
    "regabiwrappers",
    "simd",
    "sizespecializedmalloc",
    "swissmap",
    "synchashtriemap",
    "synctest",
];

/// `runtime.mspan` of a version: read off the debug information of programs of Go 1.19.8, 1.21.13, 1.22.10, 1.23.9, 1.24.11,
/// 1.25.5, 1.26.0 and 1.27.3 (linux/amd64 and linux/arm64, which agree).
fn span(minor: u32) -> Option<SpanLayout> {
    let word = |offset: usize| Field { offset, size: 8 };
    let field = |offset: usize, size: usize| Field { offset, size };
    let (size, count, marks, sweep, slot) = match minor {
        19 => (144, field(56, 8), 72, 88, 104),
        21 => (168, field(56, 8), 72, 96, 112),
        22..=27 => (160, field(50, 2), 64, 88, 104),
        _ => return None,
    };
    Some(SpanLayout {
        size,
        start: word(24),
        pages: word(32),
        free_index: field(48, count.size),
        count,
        allocated: word(marks),
        marked: word(marks + 8),
        sweep: field(sweep, 4),
        class: field(sweep + 10, 1),
        state: field(sweep + 11, 1),
        slot: word(slot),
        large_type: (minor >= 22).then(|| word(152)),
    })
}

/// The layout, or why it is not known.
pub(super) fn layout(session: &Session, version: &Version) -> Result<HeapLayout, String> {
    const WITHOUT: &str = "there is no debug information (linked with -w or -s), and";
    let members = span(version.minor).ok_or_else(|| {
        format!("{WITHOUT} the heap of {} is not known without, only that of Go 1.19 and 1.21 to 1.27", version.name)
    })?;
    let experiments = go_table::experiments(&version.name);
    if let Some(other) = experiments.iter().find(|one| !HARMLESS.contains(&one.strip_prefix("no").unwrap_or(one))) {
        return Err(format!("{WITHOUT} what GOEXPERIMENT={other} changes in the heap is not known"));
    }
    let modules = session.program.modules.iter().filter(|module| module.is_go());
    let mut found: Vec<(RunAddr, u64, u64)> = modules.flat_map(|module| lists(session, module, &members)).collect();
    found.dedup();
    let [(at, length, sweep)] = found.as_slice() else {
        let what = if found.is_empty() { "no list of spans is" } else { "more than one list of spans is" };
        return Err(format!("{WITHOUT} {what} in its data"));
    };
    let inline = match version.minor {
        26.. => !experiments.contains(&"nogreenteagc"),
        25 => experiments.contains(&"greenteagc"),
        _ => false,
    };
    Ok(HeapLayout {
        version: version.name.clone(),
        minor: version.minor,
        spans: (*at, *length),
        sweep: *sweep,
        span: members,
        // go `src/runtime/mgcmark_greenteagc.go`, spanInlineMarkBits: 63 bytes of marks and one of a class.
        inline_marks: inline.then_some(64),
        has_variables: false,
    })
}

/// Lists of spans in a module's data: where the pointers are, how many, and the heap's `sweepgen`, which lies before.
fn lists(session: &Session, module: &Module, members: &SpanLayout) -> Vec<(RunAddr, u64, u64)> {
    let symbol = module.symbols().by_name("runtime.mheap_").into_iter().next();
    let range = symbol.map(|symbol| {
        let start = module.to_run(symbol.address).0;
        start..start.saturating_add(symbol.size)
    });
    let mut found = Vec::new();
    for (start, words) in session.writable_data(module) {
        for (index, four) in words.windows(4).enumerate() {
            let [sweep, pointer, length, capacity] = four else { continue };
            let at = start.saturating_add(8 * index as u64);
            let is_list = *length != 0
                && length <= capacity
                && *capacity <= MAX_LIST
                && *pointer != 0
                && pointer.is_multiple_of(8)
                && range.as_ref().is_none_or(|range| range.contains(&at));
            // The upper half holds nothing.
            let sweep = *sweep & 0xffff_ffff;
            if is_list && sweep.is_multiple_of(2) && is_of_spans(session, members, *pointer, *length, sweep) {
                session.memory().noted(RunAddr(at), 32, ReadAs::Structure);
                found.push((RunAddr(*pointer), *length, sweep));
            }
        }
    }
    found
}

/// Whether the first, the last and some between are spans, one of them in use.
fn is_of_spans(session: &Session, members: &SpanLayout, pointer: u64, length: u64, sweep: u64) -> bool {
    let looked = length.min(LOOKED_AT);
    let mut in_use = 0;
    for index in 0..looked {
        let index = index * (length - 1) / (looked - 1).max(1);
        let at = index.checked_mul(8).and_then(|offset| pointer.checked_add(offset));
        let Some(at) = at.and_then(|at| session.memory().read_uint(RunAddr(at), 8).ok()) else { return false };
        match spans::looks_like_one(session.memory(), members, at, sweep) {
            Some(is_in_use) => in_use += u64::from(is_in_use),
            None => return false,
        }
    }
    in_use > 0
}
