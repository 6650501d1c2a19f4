//! What a call's result is called: the object behind a smart pointer, the element of a container, else the call itself.

use super::code::{Sum, Tracer, argument_registers};
use super::names::{Named, target};
use crate::addr::RunAddr;
use crate::types::{MemberOffset, TypeId, TypeKind, TypeTable};
use crate::value::Place;
use crate::value::formatters::View;

/// What a method of a library's class returns, by the end of its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Method {
    /// What the object points to.
    Pointer,
    /// The same, as a reference.
    Target,
    /// An element by its index or key.
    Element,
    /// The first element.
    First,
}

/// The element that a call of `operator[]` returned.
pub struct Element {
    /// The container, as an expression.
    pub container: String,
    /// The index, as an expression.
    pub index: String,
    /// Its value.
    pub value: Option<u64>,
    /// Elements that the container has now.
    pub length: Option<u64>,
}

/// Classes within classes.
const MAX_NESTING: usize = 16;

fn method(name: &str) -> Option<Method> {
    if !name.starts_with("std::") {
        return None;
    }
    match name.rsplit("::").next()? {
        "operator->" | "get" | "operator std::addressof" => Some(Method::Pointer),
        "operator*" => Some(Method::Target),
        "operator[]" => Some(Method::Element),
        "front" => Some(Method::First),
        _ => None,
    }
}

impl Tracer<'_> {
    /// The result of the call that returns to `end`.
    pub(super) fn result(&self, end: RunAddr, callee: RunAddr, depth: usize) -> Option<Named> {
        let name = self.case.function_at(callee)?;
        let plain = without_arguments(&name);
        let type_id = self.result_type(callee);
        let plainly = || format!("{plain}()");
        if plain == "__dynamic_cast" {
            return Some(Named { text: self.dynamic_cast(end, depth)?, type_id });
        }
        let text = match method(&plain) {
            Some(Method::Pointer) => self.object_of_call(end, depth),
            Some(Method::Target) => self.object_of_call(end, depth).map(|object| format!("(*{object})")),
            Some(Method::Element) => self.element(end, depth).map(|element| {
                let Element { container, index, .. } = element;
                format!("{container}[{index}]")
            }),
            Some(Method::First) => self.object_of_call(end, depth).map(|object| format!("{object}[0]")),
            None => None,
        };
        Some(Named { text: text.unwrap_or_else(plainly), type_id })
    }

    /// The container and the index of the call of `operator[]` that returns to `end`.
    pub fn element(&self, end: RunAddr, depth: usize) -> Option<Element> {
        let container = self.object_of_call(end, depth)?;
        let sum = self.argument_of_call(end, 1)?;
        let index = self.arithmetic(&sum, depth + 1)?;
        let length = self.length(end);
        Some(Element { container, index: index.text, value: self.value(&sum), length })
    }

    /// Elements of the container whose method was called, as its formatter has them.
    fn length(&self, end: RunAddr) -> Option<u64> {
        let types = &self.case.session.types;
        let sum = self.argument_of_call(end, 0)?;
        let address = self.value(&sum)?;
        let type_id = match sum.single() {
            Some(term) => target(types, self.rvalue(term, 0)?.type_id?)?,
            None => match self.variable_around(address) {
                Some((_, start, type_id)) => library_class(types, type_id, address.checked_sub(start)?)?,
                None => {
                    let [(1, term)] = sum.terms.as_slice() else { return None };
                    let holder = target(types, self.rvalue(term, 0)?.type_id?)?;
                    library_class(types, holder, u64::try_from(sum.constant).ok()?)?
                }
            },
        };
        let place = Place::Memory(RunAddr(address));
        self.case.session.with_decoder(None, |decoder| {
            match decoder.view(&place, types.complete(types.strip(type_id)))?.ok()? {
                View::Sequence { items, set: false, .. } => items.length(),
                View::Text { length, .. } => Some(length),
                _ => None,
            }
        })
    }

    /// Whether the call that returns to `end` is of an `operator[]` of a library's.
    pub fn is_element(&self, callee: RunAddr) -> bool {
        self.case.function_at(callee).is_some_and(|name| method(&without_arguments(&name)) == Some(Method::Element))
    }

    /// `dynamic_cast<Square *>(shape)`: the object and the class that it was to be of are the first and the third argument
    /// (libstdc++ and libc++abi, `__dynamic_cast`).
    fn dynamic_cast(&self, end: RunAddr, depth: usize) -> Option<String> {
        let object = self.argument_of_call(end, 0).filter(|_| depth < 4);
        let object = object.and_then(|sum| self.expression(&sum)).map_or("…".to_owned(), |named| named.text);
        let class = self.argument_of_call(end, 2).and_then(|sum| self.value(&sum));
        let class =
            class.and_then(|class| self.case.session.symbol(RunAddr(class))).filter(|(_, distance)| *distance == 0);
        let class = class.map_or("…".to_owned(), |(name, _)| name.trim_start_matches("typeinfo for ").to_owned());
        Some(format!("dynamic_cast<{class} *>({object})"))
    }

    /// The object whose method was called.
    fn object_of_call(&self, end: RunAddr, depth: usize) -> Option<String> {
        let sum = self.argument_of_call(end, 0)?;
        if depth > 4 {
            return None;
        }
        let text = match sum.single() {
            Some(term) => {
                let Some(named) = self.rvalue(term, depth + 1) else {
                    // The address of an object that was passed by a reference of the compiler's own.
                    let address = self.term(term)?;
                    let (name, start, _) = self.variable_around(address)?;
                    return (start == address).then_some(name);
                };
                let types = &self.case.session.types;
                let is_reference = |type_id| matches!(types.stripped(type_id).1.kind, TypeKind::Reference { .. });
                match named.type_id.is_some_and(is_reference) {
                    true => named.text,
                    false => format!("(*{})", named.text),
                }
            }
            None => {
                let address = self.expression(&sum).and_then(|named| Some(named.text.strip_prefix('&')?.to_owned()));
                address.or_else(|| self.object(&sum, 0).map(|object| object.named.text))?
            }
        };
        Some(text)
    }

    fn argument_of_call(&self, end: RunAddr, position: usize) -> Option<Sum> {
        let call = self.body.index_ending_at(end.0)?;
        self.register(*argument_registers(self.case.arch()).get(position)?, call, 1)
    }

    /// The type of what a function returns.
    fn result_type(&self, callee: crate::addr::RunAddr) -> Option<TypeId> {
        let function = self.case.session.program.function_at(callee)?;
        let types = &self.case.session.types;
        match types.get(types.of_die(function.die)).kind {
            TypeKind::Function { result, .. } => result,
            _ => None,
        }
    }
}

/// The class of a library's at the offset in an object.
fn library_class(types: &TypeTable, type_id: TypeId, offset: u64) -> Option<TypeId> {
    let (mut type_id, mut offset) = (types.complete(types.strip(type_id)), offset);
    for _ in 0..MAX_NESTING {
        if offset == 0 && types.name(type_id).starts_with("std::") {
            return Some(type_id);
        }
        let TypeKind::Struct(content) = &types.get(type_id).kind else { return None };
        let (start, member) = content.members.iter().find_map(|member| match member.offset {
            MemberOffset::Bytes(start) if start <= offset => {
                let inside = offset - start < types.size(member.type_id).unwrap_or(0);
                inside.then_some((start, member.type_id))
            }
            _ => None,
        })?;
        offset -= start;
        type_id = types.complete(types.strip(member));
    }
    None
}

/// A function's name without template arguments: `std::map::operator[]`.
pub(super) fn without_arguments(name: &str) -> String {
    let mut depth = 0usize;
    let mut out = String::new();
    for (at, c) in name.char_indices() {
        let is_operator = out.ends_with("operator") || out.ends_with("operator-") || out.ends_with("operator<");
        match c {
            '<' if !is_operator
                || name.get(at + 1..).is_some_and(|rest| rest.contains('>')) && !out.ends_with("operator") =>
            {
                depth += 1
            }
            '>' if depth > 0 && !is_operator => depth -= 1,
            c if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}
