//! What objects are, by what points to them: from variables on, through the fields of each type, breadth first.
//!
//! ```text
//! main.cache  *main.Cache ──> slot 812 is a main.Cache ── .entries []*main.Entry, capacity 64 ──> slot 91 is a []*main.Entry …
//! any, error  type word, pointer ──────────────────────────────────────────────────────────────> slot 7 is that type
//! ```
//!
//! A slot may be reached by several pointers that say different things: a pointer to a structure's first field says less
//! than one to the structure. What fits the slot's size counts more than what does not, and the larger more than the
//! smaller. Where Go wrote the type down (the header of large objects, since Go 1.22), that is it. What no type leads to is
//! looked through word by word: interfaces in it say what they hold.

use std::collections::{HashMap, HashSet, VecDeque};

use super::plan::{Link, Of, Plan, PlanId, Plans, TEXT, WORD};
use super::sizes::fits;
use super::spans::{Slot, Spans};
use crate::addr::RunAddr;
use crate::interrupt;
use crate::session::Session;
use crate::session::go::described::go_descriptions;
use crate::session::go::layout::little_endian;

/// Pointers into the middle of objects that are followed, each place once.
const MAX_INSIDE: usize = 1 << 22;
/// Parts of objects that wait to be looked at.
const MAX_WAITING: usize = 1 << 26;
/// Parts of objects, and pointers, that are looked at together.
const AT_ONCE: usize = 64;
/// Steps between looks at whether the answer is still wanted.
const STEPS: u32 = 1 << 14;
/// Bytes of a variable.
const MAX_VARIABLE: u64 = 1 << 24;
/// References to one object that are named.
const MAX_REFERENCES: usize = 64;

/// How well an object's type is known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Known {
    /// Not at all: its size alone.
    Size,
    /// By a pointer into it, or by one to something smaller than it.
    Part,
    /// By a pointer to it, whose type fits its size.
    Pointer,
    /// The runtime wrote it down.
    Recorded,
}

/// What is known of an object, in a word.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Kind(u32);

impl Kind {
    fn new(plan: PlanId, many: bool, known: Known) -> Kind {
        Kind(plan.0 << 3 | u32::from(many) << 2 | known as u32)
    }

    pub fn known(self) -> Known {
        match self.0 & 3 {
            0 => Known::Size,
            1 => Known::Part,
            2 => Known::Pointer,
            _ => Known::Recorded,
        }
    }

    pub fn plan(self) -> PlanId {
        PlanId(self.0 >> 3)
    }

    /// It is an array of those.
    pub fn is_many(self) -> bool {
        self.0 & 4 != 0
    }
}

/// Data of the program's own files that pointers lead to: what package variables are made with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Static {
    pub at: u64,
    pub plan: PlanId,
    pub count: u32,
    pub parent: Owner,
}

/// Whose pointer it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Which {
    /// An object's, by number.
    Object(u32),
    /// A variable's, by index.
    Root(usize),
    /// That of other data of the program's, by index.
    Static(usize),
}

/// Who points to something: nobody, an object, a variable or other data.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub(super) struct Owner(u32);

impl Owner {
    const ROOT: u32 = 1 << 31;
    const STATIC: u32 = 1 << 30;
    pub const NOBODY: Owner = Owner(0);

    pub fn object(number: u32) -> Owner {
        Owner(number + 1)
    }

    pub fn root(index: usize) -> Owner {
        Owner(Owner::ROOT | index as u32 & !Owner::ROOT)
    }

    fn of_static(index: usize) -> Owner {
        Owner(Owner::STATIC | index as u32 & (Owner::STATIC - 1))
    }

    pub fn which(self) -> Option<Which> {
        match self.0 {
            0 => None,
            code if code & Owner::ROOT != 0 => Some(Which::Root((code & !Owner::ROOT) as usize)),
            code if code & Owner::STATIC != 0 => Some(Which::Static((code & !Owner::STATIC) as usize)),
            code => Some(Which::Object(code - 1)),
        }
    }
}

/// Part of an object that is to be looked at.
#[derive(Clone, Copy, Debug)]
struct Range {
    at: u64,
    plan: PlanId,
    count: u32,
    from: Owner,
    span: u32,
}

/// A pointer to so many objects of a plan, and whose it is.
#[derive(Clone, Copy)]
struct Pointer {
    to: u64,
    plan: PlanId,
    room: Room,
    from: Owner,
}

/// How many objects a pointer leads to.
#[derive(Clone, Copy)]
enum Room {
    Count(u64),
    Fill,
}

/// What is remembered where one object is asked about.
pub(super) struct Chase {
    target: u32,
    /// By object: who was first to lead to it.
    parents: Vec<Owner>,
    /// Who points to the target, each once.
    pub references: Vec<Owner>,
    /// All of them.
    pub counted: u64,
}

/// The walk.
pub(super) struct Tracer<'a, 's> {
    session: &'a Session,
    spans: &'s Spans<'a>,
    pub plans: Plans<'a>,
    kinds: Vec<Kind>,
    reached: Vec<u64>,
    inside: HashSet<(u64, PlanId)>,
    statics: Vec<Static>,
    waiting: VecDeque<Range>,
    /// Found and not followed yet, and room for where they lead.
    pointers: Vec<Pointer>,
    slots: Vec<Option<Slot>>,
    chase: Option<Chase>,
    /// Where the runtime's descriptions of types are.
    described: Vec<std::ops::Range<u64>>,
    /// Tables of methods, by address: the type's description; `None` where there is no such table.
    tables: HashMap<u64, Option<u64>>,
    /// Something was left out, as there is too much.
    pub cut: bool,
}

impl<'a, 's> Tracer<'a, 's> {
    /// `target`: the object that is asked about.
    pub fn new(session: &'a Session, spans: &'s Spans<'a>, target: Option<u32>) -> Tracer<'a, 's> {
        let slots = spans.slots as usize;
        let modules = session.program.modules.iter().filter(|module| module.is_go());
        let chase = target.map(|target| Chase {
            target,
            parents: vec![Owner::NOBODY; slots],
            references: Vec::new(),
            counted: 0,
        });
        Tracer {
            session,
            spans,
            plans: Plans::new(session),
            kinds: vec![Kind(0); slots],
            reached: vec![0; slots.div_ceil(64)],
            inside: HashSet::new(),
            statics: Vec::new(),
            waiting: VecDeque::new(),
            pointers: Vec::new(),
            slots: Vec::new(),
            chase,
            described: modules.filter_map(go_descriptions).collect(),
            tables: HashMap::new(),
            cut: false,
        }
    }

    /// What is known of an object.
    pub fn kind(&self, number: u32) -> Kind {
        self.kinds.get(number as usize).copied().unwrap_or(Kind(0))
    }

    pub fn chase(&self) -> Option<&Chase> {
        self.chase.as_ref()
    }

    /// Who was first to lead to an object.
    pub fn parent(&self, number: u32) -> Owner {
        let parent = self.chase.as_ref().and_then(|chase| chase.parents.get(number as usize));
        parent.copied().unwrap_or(Owner::NOBODY)
    }

    pub fn is_reached(&self, number: u32) -> bool {
        self.reached.get(number as usize / 64).is_some_and(|word| word >> (number % 64) & 1 != 0)
    }

    /// Takes the types that Go wrote down. Returns how many there are.
    pub fn take_recorded(&mut self) -> Result<(), interrupt::Interrupted> {
        let spans = self.spans;
        for span in &spans.spans {
            if !span.has_header && span.large_type == 0 {
                continue;
            }
            interrupt::check()?;
            for index in 0..span.count {
                let number = span.first + index;
                if !spans.is_in_use(number) {
                    continue;
                }
                let start = span.start + u64::from(index) * span.slot;
                let described = match span.has_header {
                    true => little_endian(span.bytes_at(start, 8)),
                    false => span.large_type,
                };
                let Some((plan, _)) = (described != 0).then(|| self.plans.described(described)).flatten() else {
                    continue;
                };
                let size = self.plans.get(plan).size;
                let room = span.slot - span.header();
                let many = size > 0 && room / size > 1 && !fits(size + span.header(), span.slot);
                self.set(number, Kind::new(plan, many, Known::Recorded));
            }
        }
        Ok(())
    }

    /// Looks through the objects whose type is recorded and that nothing has led to.
    pub fn follow_recorded(&mut self) -> Result<(), interrupt::Interrupted> {
        let spans = self.spans;
        for (index, span) in spans.spans.iter().enumerate() {
            if !span.has_header && span.large_type == 0 {
                continue;
            }
            for number in span.first..span.first + span.count {
                if spans.is_in_use(number) && self.kind(number).known() == Known::Recorded && !self.is_reached(number) {
                    self.mark(number, Owner::NOBODY);
                    self.push_whole(index, number);
                }
            }
            self.run()?;
        }
        Ok(())
    }

    fn set(&mut self, number: u32, kind: Kind) {
        if let Some(slot) = self.kinds.get_mut(number as usize) {
            *slot = kind;
        }
    }

    /// Looks at what bytes of that type hold; `from` has them.
    pub fn root(&mut self, bytes: &[u8], plan: PlanId, from: Owner) -> Result<(), interrupt::Interrupted> {
        let plan = self.plans.get(plan);
        let count = if plan.of == Of::Word { bytes.len() as u64 / 8 } else { 1 };
        self.scan(bytes, &plan, count, from);
        self.run()
    }

    /// The same of a variable in memory.
    pub fn root_at(&mut self, at: RunAddr, plan: PlanId, from: Owner) -> Result<(), interrupt::Interrupted> {
        let made = self.plans.get(plan);
        if made.links.is_empty() {
            return Ok(());
        }
        let length = made.size.min(MAX_VARIABLE) as usize;
        match self.session.memory().read_vec(at, length) {
            Ok(bytes) => self.root(&bytes, plan, from),
            Err(_) => Ok(()),
        }
    }

    /// Looks at everything that waits. What lies far apart in memory is asked for together: one after the other, each would
    /// be waited for.
    fn run(&mut self) -> Result<(), interrupt::Interrupted> {
        // Where ways are remembered, no later one may overtake an earlier one.
        let at_once = if self.chase.is_some() { 1 } else { AT_ONCE };
        let mut batch = Vec::with_capacity(at_once);
        let mut steps = 0u32;
        while !self.waiting.is_empty() {
            steps = steps.wrapping_add(1);
            if steps.is_multiple_of(STEPS / at_once as u32) {
                interrupt::check()?;
            }
            batch.extend(self.waiting.drain(..at_once.min(self.waiting.len())));
            if at_once > 1 {
                let first = |range: &Range| {
                    let span = self.spans.spans.get(range.span as usize);
                    span.map_or(0, |span| span.bytes_at(range.at, 1).first().copied().unwrap_or(0))
                };
                std::hint::black_box(batch.iter().fold(0u8, |sum, range| sum ^ first(range)));
            }
            for range in batch.drain(..) {
                let plan = self.plans.get(range.plan);
                let length = plan.size.saturating_mul(u64::from(range.count)).max(8);
                match self.spans.spans.get(range.span as usize) {
                    Some(span) => self.scan(span.bytes_at(range.at, length), &plan, u64::from(range.count), range.from),
                    None => {
                        let bytes = self.static_bytes(range.at, length);
                        self.scan(&bytes, &plan, u64::from(range.count), range.from);
                    }
                }
            }
            self.follow_pointers();
        }
        Ok(())
    }

    fn scan(&mut self, bytes: &[u8], plan: &Plan, count: u64, from: Owner) {
        for index in 0..count {
            let Some(base) = index.checked_mul(plan.size).and_then(|base| usize::try_from(base).ok()) else { return };
            if base >= bytes.len() {
                return;
            }
            for (offset, link) in &plan.links {
                let at = base + *offset as usize;
                let word = word_at(bytes, at);
                // Neither pointers nor what stands before one.
                if word < 4096 && !matches!(link, Link::Slice(_)) {
                    continue;
                }
                if plan.of == Of::Word && self.follow_guessed(word, word_at(bytes, at + 8), from) {
                    continue;
                }
                self.follow(bytes, at, word, *link, from);
            }
            if self.pointers.len() >= AT_ONCE {
                self.follow_pointers();
            }
        }
    }

    /// Follows the pointers that were found so far.
    fn follow_pointers(&mut self) {
        let mut pointers = std::mem::take(&mut self.pointers);
        let mut slots = std::mem::take(&mut self.slots);
        slots.clear();
        slots.extend(pointers.iter().map(|pointer| self.spans.find(pointer.to)));
        let kind = |slot: &Option<Slot>| slot.map_or(0, |slot| self.kind(slot.number).0);
        std::hint::black_box(slots.iter().fold(0u32, |sum, slot| sum ^ kind(slot)));
        for (pointer, slot) in pointers.drain(..).zip(&slots) {
            let slot = slot.filter(|slot| self.spans.is_in_use(slot.number));
            self.reach_slot(slot, pointer);
        }
        (self.pointers, self.slots) = (pointers, slots);
    }

    /// Two words of which nothing is known: an interface where the first is a type's description, or a table of methods that
    /// names one, and the second leads to an object that is as large as that type.
    fn follow_guessed(&mut self, word: u64, next: u64, from: Owner) -> bool {
        if next < 4096 || !word.is_multiple_of(8) {
            return false;
        }
        let Some(slot) = self.find(next) else { return false };
        let Some(span) = self.spans.spans.get(slot.span) else { return false };
        if slot.offset != span.header() {
            return false;
        }
        let (header, room) = (span.header(), span.slot);
        let is_described = self.described.iter().any(|range| range.contains(&word));
        // Tables of methods are among the descriptions.
        let known = if is_described { self.plans.described(word) } else { None };
        let found = match known {
            Some(known) => Some((word, known)),
            None => self.of_table(word).and_then(|described| Some((described, self.plans.described(described)?))),
        };
        let Some((described, (plan, is_direct))) = found else { return false };
        let mut made = self.plans.get(plan);
        if is_direct && let [(0, Link::One(target))] = made.links.as_slice() {
            made = self.plans.get(*target);
        }
        let does_fit = made.size > 0 && fits(made.size.saturating_add(header), room);
        if does_fit {
            self.interface(described, next, from);
        }
        does_fit
    }

    /// The type that a table of methods is of (go `src/internal/abi/iface.go`, ITab: interface, type, the type's hash).
    fn of_table(&mut self, at: u64) -> Option<u64> {
        if let Some(known) = self.tables.get(&at) {
            return *known;
        }
        let read = |base: u64, offset: u64, size: usize| {
            let at = RunAddr(base).checked_add(offset)?;
            self.session.memory().read_uint(at, size).ok()
        };
        let is_described = |at: &u64| at.is_multiple_of(8) && self.described.iter().any(|range| range.contains(at));
        let found = match self.spans.find(at) {
            Some(_) => None,
            None => read(at, 8, 8).filter(is_described).filter(|described| {
                let hash = read(*described, 16, 4);
                hash.is_some() && hash == read(at, 16, 4) && read(at, 0, 8).filter(is_described).is_some()
            }),
        };
        if self.tables.len() < MAX_INSIDE {
            self.tables.insert(at, found);
        }
        found
    }

    fn follow(&mut self, bytes: &[u8], at: usize, word: u64, link: Link, from: Owner) {
        match link {
            Link::One(plan) => self.reach(word, plan, Room::Count(1), from),
            Link::Many(plan) => self.reach(word, plan, Room::Fill, from),
            Link::Slice(plan) => self.reach(word, plan, Room::Count(word_at(bytes, at + 16)), from),
            Link::Text => self.reach(word, TEXT, Room::Count(word_at(bytes, at + 8)), from),
            Link::Any => self.interface(word, word_at(bytes, at + 8), from),
            Link::Interface => {
                // go `src/internal/abi/iface.go`, ITab: the type is its second word.
                let described = RunAddr(word).checked_add(8);
                let described = described.and_then(|at| self.session.memory().read_uint(at, 8).ok());
                self.interface(described.unwrap_or(0), word_at(bytes, at + 8), from);
            }
            Link::Function => {
                let Some(code) = self.spans.find(word).and_then(|slot| {
                    let span = self.spans.spans.get(slot.span)?;
                    Some(little_endian(span.bytes_at(word, 8)))
                }) else {
                    return;
                };
                let plan = self.plans.of_closure(code);
                self.reach(word, plan, Room::Count(1), from);
            }
            Link::Channel { header, element } => {
                let plan = self.plans.get(header);
                self.reach(word, header, Room::Count(1), from);
                let Some(slot) = self.spans.find(word) else { return };
                let (Some(span), Some((places, buffer))) = (self.spans.spans.get(slot.span), plan.buffer) else {
                    return;
                };
                let field = |at: u32| little_endian(span.bytes_at(word.saturating_add(u64::from(at)), 8));
                let (places, buffer) = (field(places), field(buffer));
                if buffer != 0 && places > 0 {
                    self.reach(buffer, element, Room::Count(places), Owner::object(slot.number));
                }
            }
            Link::Directory { tables, group, length_at } => match word_at(bytes, at + length_at as usize) {
                0 => self.reach(word, group, Room::Count(1), from),
                length => self.reach(word, tables, Room::Count(length), from),
            },
            Link::Unknown => self.reach_unknown(word, from),
        }
    }

    fn interface(&mut self, described: u64, word: u64, from: Owner) {
        if described == 0 || word < 4096 {
            return;
        }
        match self.plans.described(described) {
            Some((plan, false)) => self.reach(word, plan, Room::Count(1), from),
            Some((plan, true)) => {
                let made = self.plans.get(plan);
                if let [(0, link)] = made.links.as_slice() {
                    self.follow(&word.to_le_bytes(), 0, word, *link, from);
                }
            }
            None => self.reach_unknown(word, from),
        }
    }

    fn find(&self, pointer: u64) -> Option<Slot> {
        self.spans.find(pointer).filter(|slot| self.spans.is_in_use(slot.number))
    }

    /// Notes that something leads to an object; whether it is the first that does.
    fn mark(&mut self, number: u32, from: Owner) -> bool {
        let Some(word) = self.reached.get_mut(number as usize / 64) else { return false };
        let is_first = *word >> (number % 64) & 1 == 0;
        *word |= 1 << (number % 64);
        if let Some(chase) = &mut self.chase {
            if is_first && let Some(parent) = chase.parents.get_mut(number as usize) {
                *parent = from;
            }
            if number == chase.target && from != Owner::object(number) && from != Owner::NOBODY {
                chase.counted += 1;
                if chase.references.len() < MAX_REFERENCES && !chase.references.contains(&from) {
                    chase.references.push(from);
                }
            }
        }
        is_first
    }

    /// What a file's data held.
    pub fn static_bytes(&self, at: u64, length: u64) -> Vec<u8> {
        self.session.memory().read_vec(RunAddr(at), length.min(MAX_VARIABLE) as usize).unwrap_or_default()
    }

    /// Data that are neither the heap's nor a variable's.
    pub fn data(&self, index: usize) -> Option<Static> {
        self.statics.get(index).copied()
    }

    fn reach_static(&mut self, pointer: u64, plan: PlanId, room: Room, from: Owner) {
        let Room::Count(count) = room else { return };
        let made = self.plans.get(plan);
        if made.links.is_empty() || made.size == 0 || count == 0 || self.inside.len() >= MAX_INSIDE {
            return;
        }
        let is_data = self.session.program.modules.at(RunAddr(pointer)).is_some_and(|module| module.is_go());
        if !is_data || !self.inside.insert((pointer, plan)) {
            return;
        }
        let count = u32::try_from(count.min(MAX_VARIABLE / made.size)).unwrap_or(u32::MAX);
        let own = Owner::of_static(self.statics.len());
        self.statics.push(Static { at: pointer, plan, count, parent: from });
        self.push(Range { at: pointer, plan, count, from: own, span: u32::MAX });
    }

    /// A pointer to `room` objects of that plan: followed with others that are found soon.
    fn reach(&mut self, to: u64, plan: PlanId, room: Room, from: Owner) {
        self.pointers.push(Pointer { to, plan, room, from });
    }

    fn reach_slot(&mut self, slot: Option<Slot>, Pointer { to: pointer, plan, room, from }: Pointer) {
        let Some(slot) = slot else { return self.reach_static(pointer, plan, room, from) };
        let Some(span) = self.spans.spans.get(slot.span) else { return };
        let is_first = self.mark(slot.number, from);
        let before = self.kind(slot.number);
        if before.known() == Known::Recorded {
            if is_first {
                self.push_whole(slot.span, slot.number);
            }
            return;
        }
        let made = self.plans.get(plan);
        let header = span.header();
        let Some(offset) = slot.offset.checked_sub(header) else { return };
        let left = span.slot - header - offset;
        let most = left.checked_div(made.size).unwrap_or(1);
        let count = match room {
            Room::Count(count) => count.min(most),
            Room::Fill => most,
        };
        let many = match room {
            Room::Count(count) => count != 1,
            Room::Fill => true,
        };
        let total = made.size.saturating_mul(count);
        let is_closure = matches!(made.of, Of::Closure(_));
        let does_fit = is_closure || matches!(room, Room::Fill) || fits(total + header, span.slot);
        let known = if offset == 0 && count > 0 && does_fit { Known::Pointer } else { Known::Part };
        let known_size = |tracer: &mut Self| {
            let plan = tracer.plans.get(before.plan());
            if before.is_many() { u64::MAX } else { plan.size }
        };
        let is_better = match before.known() {
            Known::Size => true,
            Known::Part if known == Known::Part => !many && made.size > known_size(self),
            Known::Part => true,
            // An array's first element says less than the array.
            Known::Pointer => known == Known::Pointer && before.plan() != plan && total > known_size(self),
            Known::Recorded => false,
        };
        if is_better {
            self.set(slot.number, Kind::new(plan, many, known));
        }
        if !span.has_pointers || count == 0 {
            return;
        }
        let is_new = match known {
            Known::Pointer => is_better,
            _ if before.known() >= Known::Pointer => false,
            _ => self.inside.len() < MAX_INSIDE && self.inside.insert((pointer, plan)),
        };
        if is_new && !made.links.is_empty() {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            self.push(Range { at: pointer, plan, count, from: Owner::object(slot.number), span: slot.span as u32 });
        }
        // What holds the rest is not known: only words say.
        let is_rest_unknown = known == Known::Part || is_closure && made.size <= 8;
        if is_first && is_rest_unknown {
            self.push_words(slot);
        }
    }

    fn reach_unknown(&mut self, pointer: u64, from: Owner) {
        let Some(slot) = self.find(pointer) else { return };
        if !self.mark(slot.number, from) {
            return;
        }
        match self.kind(slot.number).known() {
            Known::Recorded => self.push_whole(slot.span, slot.number),
            _ => self.push_words(slot),
        }
    }

    fn push(&mut self, range: Range) {
        match self.waiting.len() < MAX_WAITING {
            true => self.waiting.push_back(range),
            false => self.cut = true,
        }
    }

    /// The whole of an object whose type is recorded.
    fn push_whole(&mut self, span_index: usize, number: u32) {
        let Some(span) = self.spans.spans.get(span_index) else { return };
        let plan = self.plans.get(self.kind(number).plan());
        if plan.links.is_empty() || plan.size == 0 {
            return;
        }
        let at = span.start + u64::from(number - span.first) * span.slot + span.header();
        let most = (span.slot - span.header()) / plan.size;
        let count = if self.kind(number).is_many() { most } else { most.min(1) };
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let plan = self.kind(number).plan();
        self.push(Range { at, plan, count, from: Owner::object(number), span: span_index as u32 });
    }

    /// Every word of an object.
    fn push_words(&mut self, slot: Slot) {
        let Some(span) = self.spans.spans.get(slot.span).filter(|span| span.has_pointers) else { return };
        let at = span.start + u64::from(slot.number - span.first) * span.slot + span.header();
        let count = u32::try_from((span.slot - span.header()) / 8).unwrap_or(u32::MAX);
        self.push(Range { at, plan: WORD, count, from: Owner::object(slot.number), span: slot.span as u32 });
    }
}

/// A word of bytes; 0 where they end before.
pub(super) fn word_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u64::from_le_bytes(*word))
}
