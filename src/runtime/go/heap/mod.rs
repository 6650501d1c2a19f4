//! The heap of a Go program: its objects by type, and what keeps one of them alive (go `src/runtime/mheap.go`, `mbitmap.go`,
//! `malloc.go`, Go 1.18 to 1.27).
//!
//! ```text
//! runtime.mheap_.allspans   spans, slots in use                            (spans)
//! description of a type     where its objects hold pointers, and to what   (plan)
//! packages, stacks          from where objects are reached                 (roots)
//! one to the next           what each object is                            (trace)
//! ```
//!
//! Types and variables are those of the debug information. Without it members of the runtime's structures lie as in the
//! version (versioned), variables are words, and types are those that the runtime describes for itself.
//!
//! Go writes the type down of objects of more than 512 bytes with pointers (since 1.22) and of what is in interfaces; what
//! others are is told by the pointers to them. What nothing leads to has its size alone.

mod layout;
mod plan;
mod roots;
mod sizes;
mod spans;
mod trace;
mod versioned;

use std::collections::HashMap;

use self::layout::HeapLayout;
use self::plan::{Of, WORD, readable};
use self::roots::{Root, Whose};
use self::spans::Spans;
pub use self::spans::Tally;
pub use self::trace::Known;
use self::trace::{Kind, Owner, Tracer, Which, word_at};
pub(super) use self::versioned::HARMLESS;
use super::GoRuntime;
use crate::addr::RunAddr;
use crate::image::Note;
use crate::interrupt;
use crate::order::Order;
use crate::session::Session;
use crate::types::{TypeId, TypeKind};
use crate::value::Place;

/// Links of a chain.
const MAX_CHAIN: usize = 4096;
/// Bytes of a variable that are looked through for who it points to.
const MAX_VARIABLE: usize = 1 << 24;

/// Why there is nothing to say of a heap.
#[derive(Clone, Debug, thiserror::Error)]
pub enum HeapError {
    /// No Go program.
    #[error("no module of the process is a Go program: other heaps are not known")]
    NotGo,
    /// Its version, or its debug information.
    #[error("{0}")]
    Unknown(String),
    /// The list of spans.
    #[error("runtime.mheap_ cannot be read: {0}")]
    Unreadable(String),
    /// The goroutines.
    #[error(transparent)]
    Runtime(#[from] super::RuntimeError),
    /// Nobody waits for the answer any more.
    #[error("Quit")]
    Interrupted,
}

impl From<interrupt::Interrupted> for HeapError {
    fn from(_: interrupt::Interrupted) -> HeapError {
        HeapError::Interrupted
    }
}

/// Objects of one type, or of one size where the type is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeRow {
    /// Go's name of the type; `[]T` for arrays; `None` where nothing says.
    pub name: Option<String>,
    /// Bytes of a slot, where the type is not known.
    pub slot: Option<u64>,
    /// Whether the collector looks for pointers in them.
    pub has_pointers: bool,
    /// How it is known: the least certain of them.
    pub known: Known,
    /// Objects, and bytes of their slots.
    pub tally: Tally,
}

/// The heap by type.
#[derive(Clone, Debug)]
pub struct HeapTypes {
    /// `go1.23.9`
    pub version: String,
    /// Spans in use, and their bytes.
    pub spans: (u64, u64),
    /// All objects in use.
    pub total: Tally,
    /// Those whose type is known.
    pub typed: Tally,
    /// Of slots that nobody has swept yet: what the collector found dead.
    pub dead: Tally,
    /// The most bytes first.
    pub rows: Vec<TypeRow>,
    /// What was left out.
    pub notes: Vec<Note>,
}

/// An object, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeapObject {
    /// Where its slot begins.
    pub address: RunAddr,
    /// Bytes of the slot.
    pub size: u64,
    /// Go's name of its type.
    pub type_name: Option<String>,
    /// How that is known.
    pub known: Known,
}

/// Something that holds a pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A package's variable.
    Global {
        /// Its qualified name.
        name: String,
    },
    /// A variable of a function that a goroutine is in.
    Local {
        /// The goroutine's number.
        goroutine: Option<u64>,
        /// The function.
        function: Option<String>,
        /// The variable; `None`: a word of the stack that no variable is known to hold.
        name: Option<String>,
    },
    /// Data of a file of the program's, with which its variables are made.
    Static {
        /// Where.
        address: RunAddr,
        /// Go's name of its type; `None`: a word of which nothing is known.
        type_name: Option<String>,
    },
    /// An object of the heap.
    Object(HeapObject),
}

/// A holder and which part of it leads on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Who.
    pub holder: Holder,
    /// `.next`, `[3].name`; `+24` where no type says; nothing where it is the whole.
    pub path: String,
}

/// What keeps an object alive.
#[derive(Clone, Debug)]
pub struct References {
    /// The object.
    pub object: HeapObject,
    /// Bytes from its slot's start to the address that was asked about.
    pub offset: u64,
    /// No object is there: its slot is free.
    pub is_free: bool,
    /// The shortest way to it, from a variable on; empty where nothing leads to it.
    pub chain: Vec<Step>,
    /// Who points to it, the first ones.
    pub holders: Vec<Step>,
    /// All pointers to it that were seen.
    pub counted: u64,
    /// What was left out.
    pub notes: Vec<Note>,
}

/// The heap of a Go program.
pub struct GoHeap<'a> {
    session: &'a Session,
    runtime: GoRuntime<'a>,
    layout: HeapLayout,
    spans: Spans<'a>,
}

impl<'a> GoHeap<'a> {
    /// Reads its spans.
    pub fn open(session: &'a Session) -> Result<GoHeap<'a>, HeapError> {
        let layout = HeapLayout::of(session)?;
        let runtime = GoRuntime::open(session)?;
        let spans = Spans::read(session.memory(), &layout)?;
        Ok(GoHeap { session, runtime, layout, spans })
    }

    /// Objects by type.
    pub fn types(&self) -> Result<HeapTypes, HeapError> {
        let mut tracer = Tracer::new(self.session, &self.spans, None);
        tracer.take_recorded()?;
        let (roots, left) = self.roots()?;
        for root in &roots {
            self.trace_root(&mut tracer, root, Owner::NOBODY)?;
        }
        tracer.follow_recorded()?;
        let mut notes = self.notes(left);
        notes.extend(tracer.cut.then(too_much));
        Ok(self.sum_up(&mut tracer, notes)?)
    }

    fn sum_up(&self, tracer: &mut Tracer<'_, '_>, notes: Vec<Note>) -> Result<HeapTypes, interrupt::Interrupted> {
        let mut by_kind: HashMap<Kind, Tally> = HashMap::new();
        let mut by_size: HashMap<(u64, bool), Tally> = HashMap::new();
        let mut total = Tally::default();
        for span in &self.spans.spans {
            interrupt::check()?;
            let mut untyped = 0;
            // Neighbours are alike.
            let mut run: Option<(Kind, u64)> = None;
            for number in span.first..span.first + span.count {
                if !self.spans.is_in_use(number) {
                    continue;
                }
                total.add(1, span.slot);
                let kind = tracer.kind(number);
                match &mut run {
                    _ if kind.known() == Known::Size => untyped += 1,
                    Some((of, count)) if *of == kind => *count += 1,
                    _ => {
                        if let Some((of, count)) = run.replace((kind, 1)) {
                            by_kind.entry(of).or_default().add(count, span.slot);
                        }
                    }
                }
            }
            if let Some((of, count)) = run {
                by_kind.entry(of).or_default().add(count, span.slot);
            }
            if untyped > 0 {
                by_size.entry((span.slot, span.has_pointers)).or_default().add(untyped, span.slot);
            }
        }
        let mut by_name: HashMap<String, TypeRow> = HashMap::new();
        let mut typed = Tally::default();
        for (kind, tally) in by_kind {
            typed.objects += tally.objects;
            typed.bytes += tally.bytes;
            let name = self.name_of(tracer, kind);
            let has_pointers = !tracer.plans.get(kind.plan()).links.is_empty();
            let row = by_name.entry(name.clone()).or_insert_with(|| TypeRow {
                name: Some(name),
                slot: None,
                has_pointers,
                known: kind.known(),
                tally: Tally::default(),
            });
            row.known = row.known.min(kind.known());
            row.tally.objects += tally.objects;
            row.tally.bytes += tally.bytes;
        }
        let mut rows: Vec<TypeRow> = by_name.into_values().collect();
        rows.extend(by_size.into_iter().map(|((slot, has_pointers), tally)| TypeRow {
            name: None,
            slot: Some(slot),
            has_pointers,
            known: Known::Size,
            tally,
        }));
        rows.order_by(|one, other| {
            let order = |row: &TypeRow| (std::cmp::Reverse(row.tally.bytes), row.slot, row.name.clone());
            order(one).cmp(&order(other))
        });
        Ok(HeapTypes {
            version: self.layout.version.clone(),
            spans: (self.spans.spans.len() as u64, self.spans.held),
            total,
            typed,
            dead: self.spans.dead,
            rows,
            notes,
        })
    }

    fn name_of(&self, tracer: &mut Tracer<'_, '_>, kind: Kind) -> String {
        let name = match tracer.plans.get(kind.plan()).of {
            // What a string points to may be a slice's as well; both are bytes.
            Of::Text => return "string (bytes)".to_owned(),
            Of::Word => "word".to_owned(),
            Of::Type(type_id) => readable(self.session.types.name(type_id)),
            Of::Closure(code) => {
                let code = self.session.code(RunAddr(code)).into_iter().next_back();
                let name = code.and_then(|code| code.function.clone());
                return name.map_or_else(|| "func".to_owned(), |name| format!("func {name}"));
            }
        };
        match kind.is_many() && !name.ends_with(')') {
            true => format!("[]{name}"),
            false => name,
        }
    }

    fn roots(&self) -> Result<(Vec<Root>, usize), HeapError> {
        let (goroutines, _) = self.runtime.goroutines();
        if !self.layout.has_variables {
            let mut roots = roots::undescribed(self.session);
            let words = roots::all_words(&self.runtime, &goroutines)?;
            let own = roots.partition_point(|root| root.whose != Whose::Runtime);
            roots.splice(own..own, words.0);
            return Ok((roots, words.1));
        }
        let mut roots = roots::globals(self.session);
        let (locals, left) = roots::locals(&self.runtime, &goroutines)?;
        let own = roots.partition_point(|root| root.whose == Whose::Package);
        roots.splice(own..own, locals);
        Ok((roots, left))
    }

    fn trace_root(&self, tracer: &mut Tracer<'_, '_>, root: &Root, from: Owner) -> Result<(), interrupt::Interrupted> {
        let plan = root.type_id.map_or(WORD, |type_id| tracer.plans.of_type(type_id));
        match &root.place {
            Place::Memory(at) => tracer.root_at(*at, plan, from),
            Place::Bytes(bytes) => tracer.root(&bytes.data, plan, from),
        }
    }

    fn notes(&self, left: usize) -> Vec<Note> {
        let mut notes = Vec::new();
        if !self.layout.has_variables {
            let message = "there is no debug information (linked with -w or -s): types are those that the runtime itself \
                           describes, of objects that it wrote them down for, of what is in interfaces, and of what these lead to";
            notes.push(Note { code: "types-of-runtime-only", message: message.to_owned() });
        }
        if self.spans.unreadable > 0 {
            let message = format!("{} spans of runtime.mheap_.allspans cannot be right or read", self.spans.unreadable);
            notes.push(Note { code: "spans-unreadable", message });
        }
        if self.spans.cut {
            notes.push(Note {
                code: "heap-too-large",
                message: "the heap has more spans than are looked at".to_owned(),
            });
        }
        if left > 0 {
            let message = format!("stacks of {left} more goroutines were not looked through");
            notes.push(Note { code: "stacks-left-out", message });
        }
        notes
    }

    /// What keeps the object alive that an address is in; `None` where the address is in no slot of the heap.
    pub fn references(&self, address: RunAddr) -> Result<Option<References>, HeapError> {
        let Some(slot) = self.spans.find(address.0) else { return Ok(None) };
        let mut tracer = Tracer::new(self.session, &self.spans, Some(slot.number));
        tracer.take_recorded()?;
        let (mut roots, left) = self.roots()?;
        for (index, root) in roots.iter().enumerate() {
            self.trace_root(&mut tracer, root, Owner::root(index))?;
        }
        // What the compiler left no variables for is on the stacks all the same.
        if self.layout.has_variables && !tracer.is_reached(slot.number) {
            let (goroutines, _) = self.runtime.goroutines();
            for goroutine in &goroutines {
                interrupt::check()?;
                for root in roots::words(&self.runtime, goroutine) {
                    self.trace_root(&mut tracer, &root, Owner::root(roots.len()))?;
                    roots.push(root);
                }
                if tracer.is_reached(slot.number) {
                    break;
                }
            }
        }
        let is_free = !self.spans.is_in_use(slot.number);
        let mut notes = self.notes(left);
        notes.extend(tracer.cut.then(too_much));
        let object = self.object(&mut tracer, slot.number).ok_or(HeapError::Unreadable("no span".to_owned()))?;
        let chain = self.chain(&mut tracer, &roots, slot.number);
        let (references, counted) =
            tracer.chase().map(|chase| (chase.references.clone(), chase.counted)).unwrap_or_default();
        let holders =
            references.into_iter().filter_map(|from| self.step(&mut tracer, &roots, from, slot.number)).collect();
        Ok(Some(References { object, offset: slot.offset, is_free, chain, holders, counted, notes }))
    }

    fn object(&self, tracer: &mut Tracer<'_, '_>, number: u32) -> Option<HeapObject> {
        let kind = tracer.kind(number);
        let address = RunAddr(self.spans.start_of(number)?);
        let size = self.spans.span_of(number)?.slot;
        let type_name = (kind.known() != Known::Size).then(|| self.name_of(tracer, kind));
        Some(HeapObject { address, size, type_name, known: kind.known() })
    }

    fn chain(&self, tracer: &mut Tracer<'_, '_>, roots: &[Root], target: u32) -> Vec<Step> {
        let mut chain = Vec::new();
        let mut at = target;
        while chain.len() < MAX_CHAIN {
            let from = tracer.parent(at);
            let Some(step) = self.step(tracer, roots, from, at) else { break };
            chain.push(step);
            let mut from = from;
            // Data lead on to data.
            while let Some(Which::Static(index)) = from.which()
                && chain.len() < MAX_CHAIN
            {
                let Some(data) = tracer.data(index) else { break };
                from = data.parent;
                chain.extend(self.step_to(tracer, roots, from, &|pointer| pointer == data.at));
            }
            match from.which() {
                Some(Which::Object(object)) => at = object,
                _ => break,
            }
        }
        chain.reverse();
        chain
    }

    /// Who that is, and which part of it points to an object.
    fn step(&self, tracer: &mut Tracer<'_, '_>, roots: &[Root], from: Owner, to: u32) -> Option<Step> {
        let points = |pointer| self.spans.find(pointer).is_some_and(|slot| slot.number == to);
        self.step_to(tracer, roots, from, &points)
    }

    fn step_to(
        &self,
        tracer: &mut Tracer<'_, '_>,
        roots: &[Root],
        from: Owner,
        points: &dyn Fn(u64) -> bool,
    ) -> Option<Step> {
        match from.which()? {
            Which::Static(index) => {
                let data = tracer.data(index)?;
                let plan = tracer.plans.get(data.plan);
                let bytes = tracer.static_bytes(data.at, plan.size.saturating_mul(u64::from(data.count)));
                let size = if data.count > 1 { plan.size } else { 0 };
                let path = self.path(&bytes, Some(plan.of), size, points);
                let type_name = match plan.of {
                    Of::Type(type_id) => readable(self.session.types.name(type_id)),
                    _ => "data".to_owned(),
                };
                Some(Step { holder: Holder::Static { address: RunAddr(data.at), type_name: Some(type_name) }, path })
            }
            Which::Object(number) => {
                let kind = tracer.kind(number);
                let span = self.spans.span_of(number)?;
                let start = self.spans.start_of(number)? + span.header();
                let bytes = span.bytes_at(start, span.slot - span.header());
                let of = (kind.known() != Known::Size).then(|| tracer.plans.get(kind.plan()));
                let size = of.as_ref().filter(|_| kind.is_many()).map_or(0, |plan| plan.size);
                let path = self.path(bytes, of.map(|plan| plan.of), size, points);
                Some(Step { holder: Holder::Object(self.object(tracer, number)?), path })
            }
            Which::Root(index) => {
                let root = roots.get(index)?;
                let size = root.type_id.and_then(|type_id| self.session.types.size(type_id)).unwrap_or(0);
                let bytes = match &root.place {
                    Place::Bytes(bytes) => bytes.data.clone(),
                    Place::Memory(at) => {
                        let length = usize::try_from(size).ok()?.min(MAX_VARIABLE);
                        self.session.memory().read_vec(*at, length).unwrap_or_default()
                    }
                };
                if let Whose::Data { start } = &root.whose {
                    let at = (0..bytes.len()).step_by(8).find(|at| points(word_at(&bytes, *at)))?;
                    let address = start.checked_add(at as u64)?;
                    return Some(Step { holder: Holder::Static { address, type_name: None }, path: String::new() });
                }
                let path = match (root.type_id, &root.whose) {
                    (Some(type_id), _) => self.path(&bytes, Some(Of::Type(type_id)), 0, points),
                    // Of a variable of one word there is no part to name.
                    (None, Whose::Package | Whose::Runtime) if bytes.len() > 8 => self.path(&bytes, None, 0, points),
                    (None, _) => String::new(),
                };
                let name = root.name.as_ref().map(|name| name.to_string());
                let holder = match &root.whose {
                    Whose::Package | Whose::Runtime | Whose::Data { .. } => Holder::Global { name: name? },
                    Whose::Frame { goroutine, function } => Holder::Local {
                        goroutine: *goroutine,
                        function: function.as_ref().map(|function| function.to_string()),
                        name,
                    },
                };
                Some(Step { holder, path })
            }
        }
    }

    /// Which part of an object, or of each `size` bytes of one, holds a pointer that is looked for.
    fn path(&self, bytes: &[u8], of: Option<Of>, size: u64, points: &dyn Fn(u64) -> bool) -> String {
        let Some(at) = (0..bytes.len() / 8).map(|index| index * 8).find(|at| points(word_at(bytes, *at))) else {
            return String::new();
        };
        let at = at as u64;
        let (index, inside) = match size {
            0 => (String::new(), at),
            size => (format!("[{}]", at / size), at % size),
        };
        match of {
            Some(Of::Type(type_id)) => format!("{index}{}", self.field_path(type_id, inside)),
            Some(Of::Closure(code)) => match plan::captured_at(self.session, code, inside) {
                Some(name) => format!(".{}", name.trim_start_matches('&')),
                None => format!("+{at}"),
            },
            _ => format!("+{at}"),
        }
    }

    fn field_path(&self, type_id: TypeId, offset: u64) -> String {
        match self.session.types.stripped(type_id).1.kind {
            TypeKind::Struct(_) | TypeKind::Array { .. } => plan::path_to(self.session, type_id, offset),
            _ => String::new(),
        }
    }
}

fn too_much() -> Note {
    Note { code: "heap-too-large", message: "more objects wait to be looked through than there is room for".to_owned() }
}
