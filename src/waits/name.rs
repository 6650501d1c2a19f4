//! What the program calls an address: the variable, member or element that covers it.
//!
//! Variables of the waiting frame and of its callers are looked at from inside out, what they point to after what they
//! are. A name is an expression: `pool->lock`, `forks[2]`, `ns::table.mutex`. In objects of libraries their members'
//! names say nothing to the program's author, so there the path ends: the lock in a `std::mutex m` is `m`.

use std::cell::Cell;
use std::collections::{HashSet, VecDeque};

use super::frames;
use super::guards::is_guard;
use crate::addr::RunAddr;
use crate::session::{Global, Session, Trace};
use crate::types::{Language, MemberOffset, TypeId, TypeKind, TypeTable};
use crate::value::formatters::{Item, Items, Object, View};

/// Frames of the program's own whose variables are looked at.
const MAX_FRAMES: usize = 12;
/// Pointers that a name leads through.
const MAX_POINTERS: usize = 3;
/// Variables outside of functions that are looked at.
const MAX_GLOBALS: usize = 256;
/// Members of a structure, and elements of an array, that are followed.
const MAX_PARTS: usize = 64;
/// Structures and arrays within each other.
const MAX_NESTING: usize = 32;
/// Bytes from a symbol's start to the lock in it.
const FARTHEST: u64 = 4096;
/// Bytes of a name.
const LONGEST: usize = 200;

/// A name.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Named {
    /// As an expression.
    pub(super) text: String,
    /// Where the object that it names begins.
    pub(super) object: Option<RunAddr>,
    /// Only a pointer to it: another frame may know more.
    pub(super) is_weak: bool,
}

/// How the text leads to an object.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Through {
    /// It is the object.
    Itself,
    /// It points to the object.
    Pointer,
    /// It is a library's object that leads to it: a smart pointer, a container.
    Library,
}

#[derive(Clone)]
struct Path {
    text: String,
    through: Through,
    dots: bool,
    /// It is a variable's name alone.
    is_root: bool,
    /// Nothing but a variable's pointer led here.
    is_bare: bool,
}

impl Path {
    fn of(name: &str, language: Language) -> Path {
        let dots = matches!(language, Language::Rust | Language::Go);
        Path { text: name.to_owned(), through: Through::Itself, dots, is_root: true, is_bare: false }
    }

    fn member(&self, name: &str) -> Path {
        let arrow = self.through != Through::Itself && !self.dots;
        let text = format!("{}{}{name}", self.text, if arrow { "->" } else { "." });
        Path { text, through: Through::Itself, is_root: false, is_bare: false, ..*self }
    }

    fn element(&self, index: u64) -> Path {
        let text = match self.through {
            Through::Pointer if !self.dots => format!("(*{})[{index}]", self.text),
            _ => format!("{}[{index}]", self.text),
        };
        Path { text, through: Through::Itself, is_root: false, is_bare: false, ..*self }
    }

    fn pointee(&self, is_reference: bool, in_library: bool) -> Path {
        let text = match self.through {
            Through::Pointer if !self.dots && !in_library => format!("(*{})", self.text),
            _ => self.text.clone(),
        };
        let through = match (is_reference, in_library) {
            (_, true) => Through::Library,
            (true, _) => Through::Itself,
            _ => Through::Pointer,
        };
        let is_bare = self.is_root && !in_library;
        Path { text, through, is_root: false, is_bare, ..*self }
    }

    fn named(self, object: Option<RunAddr>) -> Named {
        let stars = self.through == Through::Pointer && !self.dots;
        let text = if stars { format!("*{}", self.text) } else { self.text };
        Named { text, object, is_weak: self.is_bare }
    }
}

/// The name of what is in a variable outside of functions.
pub(super) fn of_global(session: &Session, word: RunAddr) -> Option<Named> {
    let Global { name, type_id, place, .. } = session.global_at(word)?;
    let place = place.ok()?;
    session.with_decoder(None, |decoder| {
        let object = decoder.object(&place, type_id);
        covers(&object, word.0).then(|| within(object, Path::of(&name, object.language()), word.0))
    })
}

/// The symbol that the word is in, where nothing else names it: of locks within libraries, and guards of what is
/// initialised once.
pub(super) fn of_symbol(session: &Session, word: RunAddr) -> Option<Named> {
    let (name, distance) = session.symbol(word).filter(|(_, distance)| *distance < FARTHEST)?;
    let text = match distance {
        0 => name.trim_start_matches("guard variable for ").to_owned(),
        distance => format!("{name}+{distance}"),
    };
    Some(Named { text, object: None, is_weak: false })
}

/// The name that frames from `since` outwards have for it.
pub(super) fn in_frames(
    session: &Session,
    trace: &Trace,
    since: usize,
    word: RunAddr,
    left: &Cell<usize>,
) -> Option<Named> {
    let positions = (since..trace.frames.len()).filter(|position| {
        trace.frames.get(*position).is_some_and(|frame| !frame.signal && !frames::is_library(session, frame))
    });
    let positions: Vec<usize> = positions.take(MAX_FRAMES).collect();
    let mut weak = None;
    // First what variables are or point to, then what is further away.
    for pointers in [1, MAX_POINTERS] {
        for position in &positions {
            match in_frame(session, trace, *position, word, pointers, left) {
                Some(named) if !named.is_weak => return Some(named),
                found => weak = weak.or(found),
            }
        }
    }
    // Pointers outside of functions, of the file that waits.
    let innermost = positions.first()?;
    weak.or_else(|| in_globals(session, trace, *innermost, word, left))
}

fn in_globals(session: &Session, trace: &Trace, position: usize, word: RunAddr, left: &Cell<usize>) -> Option<Named> {
    let globals = session.globals_beside(trace, position, MAX_GLOBALS);
    let (die, named) = globals.iter().find_map(|(die, global)| {
        let place = global.place.as_ref().ok().filter(|_| leads_somewhere(&session.types, global.type_id))?;
        let named = session.with_decoder(None, |decoder| {
            let mut search = Search::new(word, 1, left);
            let object = decoder.object(place, global.type_id);
            search.objects.push_back((object, Path::of(&global.name, object.language()), 0));
            search.run()
        });
        Some((*die, named?))
    })?;
    session.keep_global(die);
    Some(named)
}

fn in_frame(
    session: &Session,
    trace: &Trace,
    position: usize,
    word: RunAddr,
    pointers: usize,
    left: &Cell<usize>,
) -> Option<Named> {
    // A guard leads to its lock, and says nothing of whose it is.
    let variables = session.placed_variables(trace, position, |type_id| !is_guard(&session.types, type_id));
    session.with_decoder(Some((trace, position)), |decoder| {
        let mut search = Search::new(word, pointers, left);
        for variable in &variables {
            let object = decoder.object(&variable.place, variable.type_id);
            let path = Path::of(&variable.name, object.language());
            search.objects.push_back((object, path, 0));
        }
        search.run()
    })
}

struct Search<'v> {
    word: u64,
    pointers: usize,
    /// Objects that may still be looked at.
    left: &'v Cell<usize>,
    objects: VecDeque<(Object<'v>, Path, usize)>,
    seen: HashSet<(u64, TypeId)>,
    weak: Option<Named>,
}

impl<'v> Search<'v> {
    fn new(word: RunAddr, pointers: usize, left: &'v Cell<usize>) -> Search<'v> {
        Search { word: word.0, pointers, left, objects: VecDeque::new(), seen: HashSet::new(), weak: None }
    }

    fn run(mut self) -> Option<Named> {
        while let Some((object, path, pointers)) = self.objects.pop_front() {
            if self.left.get() == 0 {
                break;
            }
            if path.text.len() > LONGEST {
                continue;
            }
            if let Some(found) = self.look_at(object, &path, pointers, 0) {
                if !found.is_weak {
                    return Some(found);
                }
                self.weak.get_or_insert(found);
            }
        }
        self.weak
    }

    /// The name where the object covers the word; else what it leads to is to be looked at later.
    fn look_at(&mut self, object: Object<'v>, path: &Path, pointers: usize, nesting: usize) -> Option<Named> {
        self.left.set(self.left.get().checked_sub(1)?);
        if covers(&object, self.word) {
            return Some(within(object, path.clone(), self.word));
        }
        let definition = object.definition();
        let in_library = is_library_type(object.types(), object.type_id);
        match &definition.kind {
            TypeKind::Pointer { .. } | TypeKind::Reference { .. } => {
                let is_reference = matches!(definition.kind, TypeKind::Reference { .. });
                let pointee = object.deref().ok()?;
                let path = path.pointee(is_reference, path.through == Through::Library);
                self.follow(pointee, path, pointers)
            }
            TypeKind::Struct(_) if nesting < MAX_NESTING => {
                self.look_into(object, path, pointers, nesting + 1, in_library)
            }
            TypeKind::Array { element, .. } if nesting < MAX_NESTING && leads_somewhere(object.types(), *element) => {
                let count = object.size().ok()?.checked_div(object.size_of(*element).ok()?)?;
                (0..count.min(MAX_PARTS as u64)).find_map(|index| {
                    let element = object.element(index).ok()?;
                    self.look_at(element, &path.element(index), pointers, nesting + 1)
                })
            }
            _ => None,
        }
    }

    fn follow(&mut self, object: Object<'v>, path: Path, pointers: usize) -> Option<Named> {
        if covers(&object, self.word) {
            return Some(within(object, path, self.word));
        }
        let address = object.address()?.0;
        if pointers < self.pointers && self.seen.insert((address, object.types().strip(object.type_id))) {
            self.objects.push_back((object, path, pointers + 1));
        }
        None
    }

    fn look_into(
        &mut self,
        object: Object<'v>,
        path: &Path,
        pointers: usize,
        nesting: usize,
        in_library: bool,
    ) -> Option<Named> {
        if in_library && let Some(Ok(View::Sequence { items, .. })) = object.view() {
            return self.look_through(items, path, pointers, nesting);
        }
        if let Ok((name, content)) = object.variant() {
            let path = if in_library { path.clone() } else { path.member(name) };
            return self.look_at(content, &path, pointers, nesting);
        }
        for member in object.structure().ok()?.members.iter().take(MAX_PARTS) {
            if !leads_somewhere(object.types(), member.type_id) {
                continue;
            }
            let Ok(part) = object.member(member) else { continue };
            let path = match &member.name {
                Some(name) if !in_library => path.member(name),
                _ if in_library => Path { through: Through::Library, ..path.clone() },
                _ => path.clone(),
            };
            if let Some(found) = self.look_at(part, &path, pointers, nesting) {
                return Some(found);
            }
        }
        None
    }

    fn look_through(&mut self, items: Items<'v>, path: &Path, pointers: usize, nesting: usize) -> Option<Named> {
        if let Items::Strided { first, stride, length } = items {
            let inside = first.address().and_then(|first| self.word.checked_sub(first.0));
            if let Some(index) = inside.and_then(|inside| inside.checked_div(stride)).filter(|index| *index < length) {
                let element = first.shifted(index.checked_mul(stride)?).ok()?;
                return covers(&element, self.word).then(|| within(element, path.element(index), self.word));
            }
            if !leads_somewhere(first.types(), first.type_id) {
                return None;
            }
        }
        for (index, item) in items.into_walk().take(MAX_PARTS).enumerate() {
            let Ok(Item::Object(element)) = item else { return None };
            if let Some(found) = self.look_at(element, &path.element(index as u64), pointers, nesting) {
                return Some(found);
            }
        }
        None
    }
}

fn covers(object: &Object<'_>, word: u64) -> bool {
    let Some(start) = object.address() else { return false };
    let Ok(size) = object.size() else { return false };
    word.checked_sub(start.0).is_some_and(|offset| offset < size)
}

/// The innermost part of the object that covers the word and has a name of the program's.
fn within(object: Object<'_>, path: Path, word: u64) -> Named {
    let (mut object, mut path) = (object, path);
    let mut named = object;
    for _ in 0..MAX_NESTING {
        if is_lock_type(object.types(), object.type_id) {
            break;
        }
        let in_library = is_library_type(object.types(), object.type_id);
        let Some(start) = object.address() else { break };
        let offset = word.saturating_sub(start.0);
        match &object.definition().kind {
            TypeKind::Struct(content) => {
                let covering = content.members.iter().find(|member| {
                    let MemberOffset::Bytes(from) = member.offset else { return false };
                    let size = object.types().size(member.type_id).unwrap_or(0);
                    offset.checked_sub(from).is_some_and(|inside| inside < size)
                });
                let variant = object.variant().ok().filter(|(_, content)| covers(content, word));
                let next = match (covering, variant) {
                    (Some(member), _) => object.member(member).ok().map(|part| (part, member.name.as_deref())),
                    (None, Some((name, content))) => Some((content, Some(name))),
                    (None, None) => None,
                };
                let Some((part, name)) = next else { break };
                if let Some(name) = name.filter(|_| !in_library) {
                    path = path.member(name);
                    named = part;
                }
                object = part;
            }
            TypeKind::Array { element, .. } => {
                let Some(index) = object.size_of(*element).ok().and_then(|size| offset.checked_div(size)) else {
                    break;
                };
                let Ok(part) = object.element(index) else { break };
                path = path.element(index);
                named = part;
                object = part;
            }
            _ => break,
        }
    }
    path.named(named.address())
}

/// Whether objects of the type can lead to others.
fn leads_somewhere(types: &TypeTable, type_id: TypeId) -> bool {
    match &types.stripped(type_id).1.kind {
        TypeKind::Pointer { target } => {
            // Text, code and what has no type lead nowhere.
            !matches!(
                types.stripped(*target).1.kind,
                TypeKind::Void | TypeKind::Char { .. } | TypeKind::Function { .. } | TypeKind::Unspecified
            )
        }
        TypeKind::Reference { .. } => true,
        TypeKind::Struct(_) => !is_lock_type(types, type_id),
        TypeKind::Array { element, .. } => {
            matches!(
                types.stripped(*element).1.kind,
                TypeKind::Pointer { .. } | TypeKind::Struct(_) | TypeKind::Array { .. }
            ) && !is_lock_type(types, *element)
        }
        _ => false,
    }
}

/// C's types of locks, which are unions and structures underneath.
fn is_lock_type(types: &TypeTable, type_id: TypeId) -> bool {
    let mut id = type_id;
    for _ in 0..16 {
        let definition = types.get(id);
        let name = definition.name.as_deref().unwrap_or_default();
        if name == "sem_t" || name.starts_with("pthread_") && name.ends_with("_t") {
            return true;
        }
        id = match definition.kind {
            TypeKind::Typedef { target } | TypeKind::Qualified { target, .. } => target,
            _ => return false,
        };
    }
    false
}

/// Whether a language's library declares the type.
fn is_library_type(types: &TypeTable, type_id: TypeId) -> bool {
    let (stripped, definition) = types.stripped(type_id);
    if !matches!(definition.kind, TypeKind::Struct(_)) {
        return false;
    }
    let name = types.name(stripped);
    const NAMESPACES: [&str; 13] = [
        "sync.",
        "internal/sync.",
        "hchan<",
        "runtime.",
        "std::",
        "core::",
        "alloc::",
        "__gnu_cxx::",
        "parking_lot",
        "lock_api::",
        "boost::",
        "absl::",
        "hashbrown::",
    ];
    NAMESPACES.iter().any(|namespace| name.starts_with(namespace))
}

#[cfg(test)]
mod tests {
    use super::{Path, Through};
    use crate::types::Language;

    #[test]
    fn paths_are_expressions() {
        let path = Path::of("pool", Language::C);
        let pointee = path.pointee(false, false);
        assert_eq!(pointee.member("lock").text, "pool->lock");
        assert_eq!(pointee.element(3).text, "(*pool)[3]");
        assert_eq!(pointee.clone().named(None).text, "*pool");
        assert!(pointee.clone().named(None).is_weak);
        assert_eq!(pointee.pointee(false, false).named(None).text, "*(*pool)");
        assert_eq!(path.pointee(true, false).member("lock").text, "pool.lock");
        let smart = Path { through: Through::Library, ..path.clone() };
        assert_eq!(smart.pointee(false, true).member("lock").text, "pool->lock");
        let rust = Path::of("pool", Language::Rust).pointee(false, false);
        assert_eq!(rust.member("settings").text, "pool.settings");
        assert_eq!(rust.named(None).text, "pool");
    }
}
