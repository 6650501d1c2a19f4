//! Where the allocator has its spans, as the program's debug information says (go `src/runtime/mheap.go`, mheap and mspan,
//! Go 1.18 to 1.27), else its version ([`versioned`]).

use super::{HeapError, versioned};
use crate::addr::RunAddr;
use crate::runtime::go::version;
use crate::session::Session;
use crate::session::go::layout::{self, Field};
use crate::types::TypeId;
use crate::value::Place;

/// Bytes of the structure of a span.
const MAX_SPAN: u64 = 1 << 12;

/// `runtime.mspan`
#[derive(Clone, Copy, Debug)]
pub(super) struct SpanLayout {
    /// Its size in bytes.
    pub size: usize,
    /// `startAddr`
    pub start: Field,
    /// `npages`
    pub pages: Field,
    /// `freeindex`: what lies before it is in use.
    pub free_index: Field,
    /// `nelems`
    pub count: Field,
    /// `allocBits`: what was in use when the span was last swept.
    pub allocated: Field,
    /// `gcmarkBits`
    pub marked: Field,
    /// `sweepgen`
    pub sweep: Field,
    /// `spanclass`: the class of sizes in the upper seven bits, whether there are no pointers in the lowest.
    pub class: Field,
    /// `state`
    pub state: Field,
    /// `elemsize`
    pub slot: Field,
    /// `largeType`, since Go 1.22: the type of an object that has a span of its own.
    pub large_type: Option<Field>,
}

/// `runtime.mheap_`
#[derive(Clone, Debug)]
pub(super) struct HeapLayout {
    /// Go's version: `go1.23.9`.
    pub version: String,
    /// 23 of 1.23.9.
    pub minor: u32,
    /// Where the pointers to spans are, and how many.
    pub spans: (RunAddr, u64),
    /// `sweepgen` of the heap.
    pub sweep: u64,
    /// Members of a span.
    pub span: SpanLayout,
    /// Since Go 1.25, where so built: small objects' marks are at the end of their span's page, so many bytes before the
    /// end.
    pub inline_marks: Option<u64>,
    /// The program says what its variables are; else only the runtime's descriptions of types do.
    pub has_variables: bool,
}

impl HeapLayout {
    pub fn of(session: &Session) -> Result<HeapLayout, HeapError> {
        let version = version::known(session, "heap").map_err(|unknown| match unknown {
            version::Unknown::NotGo => HeapError::NotGo,
            version::Unknown::Because(why) => HeapError::Unknown(why),
        })?;
        let unknown = |why: &str| HeapError::Unknown(format!("{}: {why}", version.path));
        let heap = session.find_globals("runtime.mheap_", None, None).into_iter().next();
        let Some(heap) = heap else { return versioned::layout(session, &version).map_err(|why| unknown(&why)) };
        let Ok(Place::Memory(at)) = heap.place else { return Err(unknown("runtime.mheap_ has no place")) };
        let types = &session.types;
        let missing = |what: &str| unknown(&format!("{what} is not described"));
        let (spans, offset) =
            layout::member(types, heap.type_id, "allspans").ok_or_else(|| missing("runtime.mheap.allspans"))?;
        let header = layout::header(types, spans, "array").ok_or_else(|| missing("runtime.mheap.allspans"))?;
        let span = layout::member(types, spans, "array")
            .and_then(|(pointers, _)| layout::target(types, layout::target(types, pointers)?));
        let span = span.ok_or_else(|| missing("runtime.mspan"))?;
        let read = |offset: u64, field: Field| {
            let at = at.checked_add(offset).and_then(|at| at.checked_add(field.offset as u64));
            let at = at.ok_or_else(|| unknown("runtime.mheap_ is at the end of memory"))?;
            session.memory().noted(at, field.size, crate::memory::ReadAs::Structure);
            session.memory().read_uint(at, field.size).map_err(|error| HeapError::Unreadable(error.to_string()))
        };
        let (_, sweep) =
            layout::member(types, heap.type_id, "sweepgen").ok_or_else(|| missing("runtime.mheap.sweepgen"))?;
        Ok(HeapLayout {
            minor: version.minor,
            version: version.name.clone(),
            spans: (RunAddr(read(offset, header.data)?), read(offset, header.length)?),
            sweep: read(sweep, Field { offset: 0, size: 4 })?,
            span: SpanLayout::of(session, span).map_err(|member| missing(&format!("runtime.mspan.{member}")))?,
            inline_marks: inline_marks(session),
            has_variables: true,
        })
    }
}

impl SpanLayout {
    /// What is missing, where something is.
    fn of(session: &Session, span: TypeId) -> Result<SpanLayout, &'static str> {
        let types = &session.types;
        let field = |name: &'static str| layout::field(types, span, name).ok_or(name);
        let size = types.size(span).filter(|size| (1..=MAX_SPAN).contains(size)).ok_or("size")?;
        Ok(SpanLayout {
            size: size as usize,
            start: field("startAddr")?,
            pages: field("npages")?,
            free_index: field("freeindex")?,
            count: field("nelems")?,
            allocated: field("allocBits")?,
            marked: field("gcmarkBits")?,
            sweep: field("sweepgen")?,
            class: field("spanclass")?,
            state: field("state")?,
            slot: field("elemsize")?,
            large_type: field("largeType").ok(),
        })
    }
}

/// Bytes from where the marks begin to the end of the page (go `src/runtime/mgcmark_greenteagc.go`, spanInlineMarkBits).
fn inline_marks(session: &Session) -> Option<u64> {
    let structure = session.find_type("runtime.spanInlineMarkBits")?;
    let (_, offset) = layout::member(&session.types, structure, "marks")?;
    session.types.size(structure)?.checked_sub(offset).filter(|left| *left > 0 && *left < 4096)
}
