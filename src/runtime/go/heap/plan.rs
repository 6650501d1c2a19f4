//! Where objects of a type hold pointers, and what those lead to: each type looked at once.

use std::collections::HashMap;
use std::sync::Arc;

use crate::addr::RunAddr;
use crate::module::Name;
use crate::order::Order;
use crate::session::Session;
use crate::session::go::layout;
use crate::types::go::GoKind;
use crate::types::{Count, MemberOffset, TypeId, TypeKind};
use crate::value::decode::GoSymbols;

/// Pointers of one type that are known; what a larger array holds beyond is not followed.
const MAX_LINKS: usize = 1 << 16;
/// Structures in structures.
const MAX_NESTING: usize = 32;

/// Which plan: an index.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct PlanId(pub u32);

/// Bytes of a text.
pub(super) const TEXT: PlanId = PlanId(0);
/// A word that may be a pointer to anything.
pub(super) const WORD: PlanId = PlanId(1);

/// What a pointer is, and leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Link {
    /// To one object.
    One(PlanId),
    /// To as many as there is room for.
    Many(PlanId),
    /// A slice: pointer, length, capacity.
    Slice(PlanId),
    /// A string: pointer, length.
    Text,
    /// An interface without methods: description of the type, pointer or value.
    Any,
    /// An interface: table of methods, pointer or value.
    Interface,
    /// A function value: to a closure.
    Function,
    /// To a channel's header, whose buffer holds elements.
    Channel { header: PlanId, element: PlanId },
    /// A map's directory (since Go 1.24): to pointers to tables, or, where its length is 0, to one group.
    Directory { tables: PlanId, group: PlanId, length_at: u32 },
    /// To what is not known.
    Unknown,
}

/// What a plan is of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Of {
    Text,
    Word,
    Type(TypeId),
    /// Closures of the function that begins there.
    Closure(u64),
}

/// Where the pointers are.
#[derive(Debug)]
pub(super) struct Plan {
    pub of: Of,
    /// Bytes; of a closure, those that are known.
    pub size: u64,
    /// Bytes from the start, ascending.
    pub links: Vec<(u32, Link)>,
    /// Of a channel's header: where its count of places and its buffer are.
    pub buffer: Option<(u32, u32)>,
}

/// A type whose pointers say more than their targets' types.
enum Special {
    String,
    Function,
    Slice(TypeId),
    Channel(TypeId),
}

/// All plans so far.
pub(super) struct Plans<'a> {
    session: &'a Session,
    numbers: HashMap<Of, PlanId>,
    plans: Vec<(Of, Option<Arc<Plan>>)>,
    /// By the addresses of the runtime's descriptions; whether an interface holds the value itself.
    described: HashMap<u64, Option<(PlanId, bool)>>,
}

impl<'a> Plans<'a> {
    pub fn new(session: &'a Session) -> Plans<'a> {
        let mut plans = Plans { session, numbers: HashMap::new(), plans: Vec::new(), described: HashMap::new() };
        let (text, word) = (plans.number(Of::Text), plans.number(Of::Word));
        debug_assert_eq!((text, word), (TEXT, WORD));
        plans
    }

    pub fn number(&mut self, of: Of) -> PlanId {
        let next = PlanId(self.plans.len() as u32);
        let number = *self.numbers.entry(of).or_insert(next);
        if number == next {
            self.plans.push((of, None));
        }
        number
    }

    pub fn of_type(&mut self, type_id: TypeId) -> PlanId {
        self.number(Of::Type(type_id))
    }

    pub fn of_closure(&mut self, code: u64) -> PlanId {
        self.number(Of::Closure(code))
    }

    pub fn get(&mut self, id: PlanId) -> Arc<Plan> {
        let Some((of, made)) = self.plans.get(id.0 as usize) else {
            return Arc::new(Plan { of: Of::Word, size: 8, links: Vec::new(), buffer: None });
        };
        if let Some(plan) = made {
            return plan.clone();
        }
        let plan = Arc::new(self.make(*of));
        if let Some(slot) = self.plans.get_mut(id.0 as usize) {
            slot.1 = Some(plan.clone());
        }
        plan
    }

    /// The type that the runtime describes at an address, and whether interfaces hold its values themselves.
    pub fn described(&mut self, description: u64) -> Option<(PlanId, bool)> {
        if let Some(known) = self.described.get(&description) {
            return *known;
        }
        let found = self.session.described(RunAddr(description)).map(|type_id| {
            let id = self.of_type(type_id);
            let plan = self.get(id);
            // go `cmd/compile/internal/types/type.go`, IsDirectIface: a pointer, or what holds nothing else.
            let is_pointer = |link: &Link| !matches!(link, Link::Slice(_) | Link::Text | Link::Any | Link::Interface);
            let is_direct = plan.size == 8 && matches!(plan.links.as_slice(), [(0, link)] if is_pointer(link));
            (id, is_direct)
        });
        self.described.insert(description, found);
        found
    }

    fn make(&mut self, of: Of) -> Plan {
        let mut links = Vec::new();
        let (size, buffer) = match of {
            Of::Text => (1, None),
            Of::Word => {
                links.push((0, Link::Unknown));
                (8, None)
            }
            Of::Type(type_id) => {
                self.add(type_id, 0, 0, &mut links);
                let types = &self.session.types;
                let place = |name: &str| {
                    let offset = layout::field(types, type_id, name)?.offset;
                    u32::try_from(offset).ok()
                };
                let is_channel = types.name(type_id).starts_with("hchan<");
                let buffer = is_channel.then(|| place("dataqsiz").zip(place("buf"))).flatten();
                (types.size(type_id).unwrap_or(0), buffer)
            }
            Of::Closure(code) => {
                let captured = self.session.captured(RunAddr(code));
                let mut size = 8;
                for variable in captured {
                    let known = self.session.types.size(variable.type_id).unwrap_or(0);
                    size = size.max(variable.offset.saturating_add(known));
                    self.add(variable.type_id, variable.offset, 0, &mut links);
                }
                (size, None)
            }
        };
        links.order_by_key(|(offset, _)| *offset);
        Plan { of, size, links, buffer }
    }

    fn add(&mut self, type_id: TypeId, offset: u64, nesting: usize, links: &mut Vec<(u32, Link)>) {
        let Ok(at) = u32::try_from(offset) else { return };
        if nesting > MAX_NESTING || links.len() >= MAX_LINKS {
            return;
        }
        let types = &self.session.types;
        let (under, definition) = types.stripped(type_id);
        match self.kind_of(type_id) {
            Some(Special::String) => return links.push((at, Link::Text)),
            Some(Special::Function) => return links.push((at, Link::Function)),
            Some(Special::Slice(element)) => {
                let element = self.of_type(element);
                return links.push((at, Link::Slice(element)));
            }
            Some(Special::Channel(element)) => {
                let TypeKind::Pointer { target } = definition.kind else { return };
                let (header, element) = (self.of_type(target), self.of_type(element));
                return links.push((at, Link::Channel { header, element }));
            }
            None => {}
        }
        match &definition.kind {
            TypeKind::Pointer { target } => {
                let link = match types.get(*target).kind {
                    TypeKind::Void | TypeKind::Unspecified => Link::Unknown,
                    _ => {
                        let is_map = holds_many(types.name(*target));
                        let id = self.of_type(*target);
                        if is_map { Link::Many(id) } else { Link::One(id) }
                    }
                };
                links.push((at, link));
            }
            TypeKind::Struct(content) => {
                match definition.name.as_deref() {
                    Some("runtime.eface") => return links.push((at, Link::Any)),
                    Some("runtime.iface") => return links.push((at, Link::Interface)),
                    _ => {}
                }
                let directory = self.directory(under);
                let members: Vec<(u64, TypeId)> = content
                    .members
                    .iter()
                    .filter_map(|member| match member.offset {
                        MemberOffset::Bytes(inside) => Some((inside, member.type_id)),
                        MemberOffset::Expression(_) => None,
                    })
                    .collect();
                for (inside, member) in members {
                    let Some(place) = offset.checked_add(inside) else { continue };
                    match directory {
                        Some((directory_at, link)) if u64::from(directory_at) == inside => {
                            links.extend(u32::try_from(place).ok().map(|place| (place, link)));
                        }
                        _ => self.add(member, place, nesting + 1, links),
                    }
                }
            }
            TypeKind::Array { element, count: Count::Fixed(count), stride, .. } => {
                let (element, count) = (*element, *count);
                let Some(stride) = stride.or_else(|| types.size(element)).filter(|stride| *stride > 0) else { return };
                let mut first = Vec::new();
                self.add(element, 0, nesting + 1, &mut first);
                if first.is_empty() {
                    return;
                }
                for index in 0..count {
                    let Some(place) = index.checked_mul(stride).and_then(|inside| offset.checked_add(inside)) else {
                        return;
                    };
                    for (inside, link) in &first {
                        let place = place.checked_add(u64::from(*inside)).and_then(|place| u32::try_from(place).ok());
                        let Some(place) = place.filter(|_| links.len() < MAX_LINKS) else { return };
                        links.push((place, *link));
                    }
                }
            }
            _ => {}
        }
    }

    fn kind_of(&self, type_id: TypeId) -> Option<Special> {
        let types = &self.session.types;
        let mut id = type_id;
        for _ in 0..16 {
            let found = types.go(id);
            match found.kind {
                Some(GoKind::String) => return Some(Special::String),
                Some(GoKind::Func) => return Some(Special::Function),
                Some(GoKind::Slice) => return found.element.map(Special::Slice),
                Some(GoKind::Chan) => return found.element.map(Special::Channel),
                _ => {}
            }
            let TypeKind::Typedef { target } = types.get(id).kind else { return None };
            id = target;
        }
        None
    }

    /// Of `map<K,V>`: where its directory is, and the link (go `src/internal/runtime/maps/map.go`, Map).
    fn directory(&mut self, map: TypeId) -> Option<(u32, Link)> {
        let types = &self.session.types;
        if !types.name(map).starts_with("map<") {
            return None;
        }
        let (pointer, at) = layout::member(types, map, "dirPtr")?;
        let (_, length_at) = layout::member(types, map, "dirLen")?;
        let tables = layout::target(types, pointer)?;
        let table = layout::target(types, tables)?;
        let (groups, _) = layout::member(types, table, "groups")?;
        let (data, _) = layout::member(types, groups, "data")?;
        let group = layout::target(types, data)?;
        let (tables, group) = (self.of_type(tables), self.of_type(group));
        let length_at = u32::try_from(length_at.checked_sub(at)?).ok()?;
        Some((u32::try_from(at).ok()?, Link::Directory { tables, group, length_at }))
    }
}

/// A map's buckets and groups lie beside each other, and only the map knows how many (go `src/runtime/map.go`;
/// `src/internal/runtime/maps/group.go`).
fn holds_many(name: &str) -> bool {
    // As the runtime's own descriptions have it.
    let plain = name.strip_prefix("noalg.").unwrap_or(name);
    ["bucket<", "group<", "map.bucket[", "map.group["].iter().any(|start| plain.starts_with(start))
}

/// As the program would write it: `map[string]int` for the header that the compiler calls `hash<string,int>`.
pub(super) fn readable(name: &str) -> String {
    let inside = |prefix: &str| name.strip_prefix(prefix)?.strip_suffix('>');
    let map = |arguments: &str| {
        let (mut nesting, mut comma) = (0i32, None);
        for (at, character) in arguments.char_indices() {
            match character {
                '<' | '[' | '(' | '{' => nesting += 1,
                '>' | ']' | ')' | '}' => nesting -= 1,
                ',' if nesting == 0 && comma.is_none() => comma = Some(at),
                _ => {}
            }
        }
        let (key, value) = arguments.split_at_checked(comma?)?;
        Some(format!("map[{key}]{}", value.get(1..)?))
    };
    if let Some(element) = inside("hchan<") {
        return format!("chan {element}");
    }
    if let Some(map) = inside("hash<").or_else(|| inside("map<")).and_then(map) {
        return map;
    }
    for (prefix, part) in [("bucket<", "buckets"), ("group<", "groups"), ("table<", "table")] {
        if let Some(map) = inside(prefix).and_then(map) {
            return format!("{map} ({part})");
        }
    }
    // As the runtime's own descriptions have it.
    let plain = name.strip_prefix("noalg.").unwrap_or(name);
    for (prefix, part) in [("map.bucket[", "buckets"), ("map.group[", "groups")] {
        if let Some(map) = plain.strip_prefix(prefix) {
            return format!("map[{map} ({part})");
        }
    }
    name.to_owned()
}

/// What a chain of fields is called that leads to a byte of an object: `.items[3].name`.
pub(super) fn path_to(session: &Session, type_id: TypeId, offset: u64) -> String {
    let mut path = String::new();
    let (mut id, mut left) = (type_id, offset);
    for _ in 0..MAX_NESTING {
        let (_, definition) = session.types.stripped(id);
        match &definition.kind {
            TypeKind::Struct(content) => {
                let found = content.members.iter().rev().find_map(|member| match member.offset {
                    MemberOffset::Bytes(at) if at <= left => Some((member, at)),
                    _ => None,
                });
                let Some((member, at)) = found else { break };
                // What a slice, string or interface is made of is not the program's.
                let is_header =
                    matches!(definition.name.as_deref(), Some("runtime.eface" | "runtime.iface" | "string"))
                        || session.types.go_kind(id) == Some(GoKind::Slice)
                        || definition.name.as_deref().is_some_and(|name| name.starts_with("[]"));
                if is_header {
                    break;
                }
                if let Some(name) = &member.name {
                    path.push('.');
                    path.push_str(name);
                }
                (id, left) = (member.type_id, left - at);
            }
            TypeKind::Array { element, stride, .. } => {
                let stride = stride.or_else(|| session.types.size(*element)).filter(|stride| *stride > 0);
                let Some(stride) = stride else { break };
                path.push_str(&format!("[{}]", left / stride));
                (id, left) = (*element, left % stride);
            }
            _ => break,
        }
    }
    path
}

/// The name of a variable that a closure holds at an offset.
pub(super) fn captured_at(session: &Session, code: u64, offset: u64) -> Option<Name> {
    let captured = session.captured(RunAddr(code)).into_iter().rev();
    captured.filter(|variable| variable.offset <= offset).map(|variable| variable.name).next()
}
