//! Names: variables, members of `this`, globals.

use std::ops::Range;

use super::arithmetic::Number;
use super::eval::{Evaluated, Evaluator, Step, Stop, is_type};
use super::tree::Node;
use super::{ErrorKind, nearest};
use crate::types::{Language, TypeId, TypeKind};
use crate::value::Place;

/// The type of data that only a symbol table names.
pub(super) const BARE_DATA: &str = "<data variable, no debug info>";

/// The type of functions that only a symbol table names.
const BARE_CODE: &str = "<text variable, no debug info>";

impl Evaluator<'_> {
    pub(super) fn name(&self, file: Option<&str>, name: &str, span: &Range<usize>) -> Step<Evaluated> {
        match self.lookup(file, name) {
            Some((Err(_), type_id)) if self.dry.get() => Ok(self.anywhere(type_id)),
            Some((place, type_id)) => Ok(Evaluated::new(place, self.of_known_length(type_id), true)),
            None if file.is_none()
                && let Some((type_id, value)) = self.enumerator(name) =>
            {
                self.number_as(type_id, Number::int(value, (16, true)), span)
            }
            None if file.is_none()
                && let Some((address, is_function)) = self.scope.bare_symbol(name) =>
            {
                let type_id = self.type_of_bare(is_function);
                Ok(Evaluated::new(Ok(Place::Memory(address)), type_id, true))
            }
            None => self.error(ErrorKind::UnknownName, span, self.unknown(file, name)),
        }
    }

    /// An enumerator or a constant; Go's are also known without their package in its functions.
    fn enumerator(&self, name: &str) -> Option<(TypeId, i128)> {
        self.scope.enumerator(name).or_else(|| {
            let package = self.scope.package().filter(|_| !name.contains("::"))?;
            self.scope.enumerator(&format!("{package}.{name}"))
        })
    }

    /// The type of what only a symbol table names, in gdb's words.
    fn type_of_bare(&self, is_function: bool) -> TypeId {
        let types = self.scope.types();
        if !is_function {
            return types.number(BARE_DATA, 1, Language::C, TypeKind::Unspecified);
        }
        let kind = TypeKind::Function { result: None, parameters: Vec::new(), variadic: false, method: None };
        types.number(BARE_CODE, 1, Language::C, kind)
    }

    /// Whether nothing but its place is known.
    pub(super) fn is_bare(&self, value: &Evaluated) -> bool {
        value.lvalue && matches!(self.name_of(value.type_id), BARE_DATA | BARE_CODE)
    }

    /// Whether it is data of which nothing but its place is known.
    pub(super) fn is_bare_data(&self, value: &Evaluated) -> bool {
        value.lvalue && self.name_of(value.type_id) == BARE_DATA
    }

    pub(super) fn lookup(&self, file: Option<&str>, name: &str) -> Option<super::Named> {
        let local = file.is_none().then(|| self.scope.variable(name)).flatten();
        // As in C++: a member of `this` hides a global.
        local
            .or_else(|| self.moved_to_heap(file, name))
            .or_else(|| self.own_member(file, name))
            .or_else(|| self.in_namespaces(file, name))
            .or_else(|| self.scope.globals(name, file).into_iter().next())
            .or_else(|| self.inherited(file, name))
            .or_else(|| {
                let (function, variable) = name.rsplit_once("::").filter(|_| file.is_none())?;
                self.scope.variable_of(function, variable)
            })
    }

    /// `class::name`, where a base class has the static member or the method.
    fn inherited(&self, file: Option<&str>, name: &str) -> Option<super::Named> {
        let (class, member) = name.rsplit_once("::").filter(|_| file.is_none())?;
        let class = self.scope.find_type(class)?;
        self.static_or_method(class, member)
    }

    /// A variable of Go's that outlives its frame: the debug information has a pointer to it, named `&name`.
    fn moved_to_heap(&self, file: Option<&str>, name: &str) -> Option<super::Named> {
        if file.is_some() || self.scope.language() != Some(Language::Go) {
            return None;
        }
        let (place, type_id) = self.scope.variable(&format!("&{name}"))?;
        let TypeKind::Pointer { target } = *self.kind_of(type_id) else { return None };
        match self.follow(&Evaluated::new(place, type_id, true), target) {
            Ok(object) => Some((object.place, object.type_id)),
            Err(Stop::Hole(absent)) => Some((Err(absent), target)),
            Err(Stop::Error(_)) => None,
        }
    }

    /// A member of the object that the frame's method works on.
    pub(super) fn own_member(&self, file: Option<&str>, name: &str) -> Option<super::Named> {
        if file.is_some() || name.contains("::") {
            return None;
        }
        let (place, type_id) = self.scope.variable("this")?;
        let TypeKind::Pointer { target } = *self.kind_of(type_id) else { return None };
        self.find_member(target, name)?;
        let this = Evaluated::new(place, type_id, true);
        match self.follow(&this, target).and_then(|object| self.member_of(&object, name, &(0..0))) {
            Ok(member) => Some((member.place, member.type_id)),
            Err(Stop::Hole(absent)) => Some((Err(absent), self.scope.types().make_void(Language::C))),
            Err(Stop::Error(_)) => None,
        }
    }

    pub(super) fn unknown(&self, file: Option<&str>, name: &str) -> String {
        let mut message = format!("no symbol \"{name}\" in the frame or among the globals");
        if let Some(file) = file {
            message = format!("no symbol \"{name}\" in {file}");
        } else if is_type(self.scope, name) {
            message = format!("{name} is a type; ptype shows it, and (type) casts to it");
        } else {
            let mut known = self.scope.names(name);
            if let Some((_, this)) = self.scope.variable("this")
                && let TypeKind::Pointer { target } = *self.kind_of(this)
            {
                known.extend(self.member_names(target));
            }
            if let Some(near) = nearest(name, &known) {
                message += &format!("; is it {near}?");
            }
        }
        message
    }

    /// A global of the namespaces and classes around the frame's function, innermost first.
    fn in_namespaces(&self, file: Option<&str>, name: &str) -> Option<super::Named> {
        if file.is_some() {
            return None;
        }
        let first = |name: String| self.scope.globals(&name, None).into_iter().next();
        if let Some(package) = self.scope.package().filter(|_| !name.contains("::")) {
            return first(format!("{package}.{name}"));
        }
        let scopes = self.scope.namespaces();
        if self.scope.language() == Some(Language::Rust)
            && let Some(name) = of_crate(name, &scopes)
        {
            return first(name);
        }
        if name.starts_with("::") {
            return None;
        }
        (1..=scopes.len()).rev().find_map(|count| {
            let qualified = format!("{}::{name}", scopes.get(..count)?.join("::"));
            self.scope.globals(&qualified, None).into_iter().next()
        })
    }

    /// `x@entry`.
    pub(super) fn at_entry(&self, name: &str, span: &Range<usize>) -> Step<Evaluated> {
        match self.scope.at_entry(name) {
            Some((Err(_), type_id)) if self.dry.get() => Ok(self.anywhere(type_id)),
            Some((place, type_id)) => Ok(Evaluated::new(place, type_id, false)),
            None => {
                let message = format!("{name} is no parameter of the frame's function");
                self.error(ErrorKind::UnknownName, span, message)
            }
        }
    }

    /// `thread(lwp).frame(n).x`.
    pub(super) fn in_frame(
        &self,
        thread: Option<&Node>,
        frame: Option<&Node>,
        inner: &Node,
        depth: usize,
    ) -> Step<Evaluated> {
        let number = |node: Option<&Node>| -> Step<Option<u64>> {
            let Some(node) = node else { return Ok(None) };
            // Which frame it is decides what its names are, so the number counts at once.
            let dry = self.dry.replace(false);
            let number = self.integer(node, depth);
            self.dry.set(dry);
            match u64::try_from(number?) {
                Ok(number) => Ok(Some(number)),
                Err(_) => self.type_error(&node.span, "it is negative"),
            }
        };
        let (thread_number, frame_number) = (number(thread)?, number(frame)?);
        let scope = match self.scope.frame(thread_number, frame_number) {
            Ok(scope) => scope,
            Err(message) => {
                let span = frame.or(thread).map_or(inner.span.clone(), |node| node.span.clone());
                return self.error(ErrorKind::UnknownName, &span, message);
            }
        };
        let there = Evaluator::new(&*scope, self.text, self.variables);
        there.dry.set(self.dry.get());
        there.node(inner, depth)
    }
}

/// Rust's paths from where the function is: `crate::x`, `self::x`, `super::x`, and (as in gdb) `::x`, which is one from the
/// crate.
fn of_crate(name: &str, scopes: &[String]) -> Option<String> {
    let (mut rest, mut around) = match name.split_once("::")? {
        ("crate" | "", rest) => (rest, scopes.get(..1)?),
        ("self", rest) => (rest, scopes),
        ("super", _) => (name, scopes),
        _ => return None,
    };
    while let Some(outer) = rest.strip_prefix("super::") {
        (rest, around) = (outer, around.get(..around.len().checked_sub(1)?)?);
    }
    Some(around.iter().map(String::as_str).chain([rest]).collect::<Vec<_>>().join("::"))
}
