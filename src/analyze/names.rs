//! Expressions for addresses and values: variables, their members and elements.

use super::arithmetic::shifted;
use super::case::Case;
use super::code::{Sum, Term, Tracer};
use super::parts::{array_at, fixed_count, part_at};
use crate::addr::RunAddr;
use crate::order::Order;
use crate::session::Role;
use crate::types::{Language, TypeId, TypeKind, TypeTable};
use crate::value::Place;

/// Characters of an expression.
const MAX_EXPRESSION: usize = 200;

/// Something with a name.
#[derive(Clone, PartialEq, Debug)]
pub struct Named {
    /// As an expression in the frame.
    pub text: String,
    /// Its type.
    pub type_id: Option<TypeId>,
}

/// A pointer that an access goes through.
#[derive(Clone, PartialEq, Debug)]
pub struct Pointer {
    /// Its name.
    pub named: Named,
    /// What it is made from.
    pub term: Term,
    /// What it holds.
    pub value: Option<u64>,
}

/// An index that an access goes by.
#[derive(Clone, PartialEq, Debug)]
pub struct Index {
    /// Its name.
    pub named: Named,
    /// Its value.
    pub value: Option<i64>,
    /// Elements that the array has, where its type says.
    pub count: Option<u64>,
    /// The array.
    pub array: String,
}

/// What an access reads or writes.
#[derive(Clone, PartialEq, Debug)]
pub struct Object {
    /// Its name.
    pub named: Named,
    /// The pointer that it is reached by; none for a variable itself.
    pub pointer: Option<Pointer>,
    /// The index.
    pub index: Option<Index>,
    /// Bytes from the pointer's target to it, without the index.
    pub offset: i64,
}

/// The integer (or pointer) at a place, extended to 64 bits as its type says.
pub fn integer(case: &Case<'_>, place: &Place, type_id: TypeId) -> Option<u64> {
    let types = &case.session.types;
    let (stripped, definition) = types.stripped(type_id);
    let size = usize::try_from(types.size(stripped)?).ok().filter(|size| (1..=8).contains(size))?;
    let raw = match place {
        Place::Memory(address) => case.memory().read_uint(*address, size).ok()?,
        Place::Bytes(bytes) if bytes.holes.is_empty() && bytes.implicit_pointers.is_empty() => {
            let mut all = [0; 8];
            all.get_mut(..size)?.copy_from_slice(bytes.data.get(..size)?);
            u64::from_le_bytes(all)
        }
        Place::Bytes(_) => return None,
    };
    let signed = match &definition.kind {
        TypeKind::Int { signed } | TypeKind::Char { signed, .. } | TypeKind::Enum { signed, .. } => *signed,
        TypeKind::Bool | TypeKind::Pointer { .. } | TypeKind::Reference { .. } => false,
        _ => return None,
    };
    let shift = 64 - size as u32 * 8;
    Some(if signed { ((raw << shift) as i64 >> shift) as u64 } else { raw })
}

/// What a pointer or reference of that type leads to; an array's element.
pub fn target(types: &TypeTable, type_id: TypeId) -> Option<TypeId> {
    match types.stripped(type_id).1.kind {
        TypeKind::Pointer { target } | TypeKind::Reference { target, .. } => Some(target),
        _ => None,
    }
}

impl Tracer<'_> {
    /// What an access of `size` bytes at the address that `sum` computes is about.
    pub fn object(&self, sum: &Sum, size: u64) -> Option<Object> {
        self.object_within(sum, size, 0).filter(|object| object.named.text.len() <= MAX_EXPRESSION)
    }

    fn object_within(&self, sum: &Sum, size: u64, depth: usize) -> Option<Object> {
        if depth > 8 {
            return None;
        }
        let types = &self.case.session.types;
        let is_frame = |term: &Term| matches!(term, Term::Register(register) if self.body.is_frame_register(self.case.arch(), *register));
        let (frame, others): (Vec<_>, Vec<_>) = sum.terms.iter().partition(|(_, term)| is_frame(term));
        if frame.is_empty() && others.is_empty()
            || !frame.is_empty()
            || sum.constant as u64 > 0xffff && others.len() < 2
        {
            // A variable of the frame, or a global one; with a term left, an array of them.
            let base = Sum { constant: sum.constant, terms: frame.iter().map(|term| (*term).clone()).collect() };
            let constant_is_address = frame.is_empty();
            if let Some(found) = self.value(&base).and_then(|address| match others.as_slice() {
                [] => self.variable_at(address, size),
                [(stride, term)] => self.element_of_variable(address, *stride, term, depth),
                _ => None,
            }) {
                return Some(found);
            }
            if !constant_is_address {
                return None;
            }
        }
        // A pointer, and perhaps an index.
        let mut pointers: Vec<(&Term, Named)> = Vec::new();
        for (factor, term) in &others {
            if *factor != 1 || matches!(term, Term::Product(_) | Term::Narrow(..)) {
                continue;
            }
            if let Some(named) = self.rvalue(term, depth) {
                let is_pointer = named.type_id.is_none_or(|type_id| target(types, type_id).is_some());
                if is_pointer {
                    pointers.push((term, named));
                }
            }
        }
        pointers.order_by_key(|(_, named)| named.type_id.is_none());
        let (term, named) = pointers.first().cloned()?;
        let rest: Vec<&(i64, Term)> = others.into_iter().filter(|(_, other)| other != term).collect();
        let pointer = Pointer { value: self.term(term), term: term.clone(), named: named.clone() };
        let element = named.type_id.and_then(|type_id| target(types, type_id));
        match rest.as_slice() {
            [] => {
                let (text, type_id) = match self.is_reference(&named) {
                    true => self.through_reference(&named.text, element?, sum.constant, size)?,
                    false => self.through(&named.text, element, sum.constant, size)?,
                };
                let named = Named { text, type_id };
                Some(Object { named, pointer: Some(pointer), index: None, offset: sum.constant })
            }
            [(stride, index)] => self.indexed(pointer, element?, *stride, index, sum.constant, size, depth),
            _ => None,
        }
    }

    fn is_reference(&self, named: &Named) -> bool {
        let types = &self.case.session.types;
        let is_reference = |type_id| matches!(types.stripped(type_id).1.kind, TypeKind::Reference { .. });
        named.type_id.is_some_and(is_reference)
    }

    /// What is `offset` bytes behind a reference: `rows[i].width`.
    fn through_reference(
        &self,
        name: &str,
        element: TypeId,
        offset: i64,
        size: u64,
    ) -> Option<(String, Option<TypeId>)> {
        let types = &self.case.session.types;
        let (path, type_id) = part_at(types, types.complete(types.strip(element)), u64::try_from(offset).ok()?, size)?;
        let own =
            path.find("._M_").or_else(|| path.find(".__")).map_or(path.as_str(), |at| path.get(..at).unwrap_or(""));
        Some((format!("{name}{own}"), Some(type_id)))
    }

    /// What is `offset` bytes behind a pointer: `p->next`, `*p`, `p[-1]`.
    fn through(
        &self,
        pointer: &str,
        element: Option<TypeId>,
        offset: i64,
        size: u64,
    ) -> Option<(String, Option<TypeId>)> {
        let types = &self.case.session.types;
        let Some(element) = element else {
            let text = if offset == 0 { format!("*{pointer}") } else { format!("*({pointer} + {offset})") };
            return Some((text, None));
        };
        let element = types.complete(types.strip(element));
        let whole = types.size(element).unwrap_or(0);
        if whole == 0
            && size == self.case.arch().address_size() as u64
            && matches!(types.get(element).kind, TypeKind::Void)
        {
            let text = match offset {
                0 => format!("*(void **) {pointer}"),
                offset => format!("*(void **) ({})", shifted(&format!("(char *) {pointer}"), offset)),
            };
            return Some((text, None));
        }
        // Several elements at once.
        let scalar = !matches!(types.get(element).kind, TypeKind::Struct(_) | TypeKind::Array { .. });
        if scalar && whole > 0 && size > whole && u64::try_from(offset).is_ok_and(|offset| offset.is_multiple_of(whole))
        {
            let text =
                if offset == 0 { format!("*{pointer}") } else { format!("{pointer}[{}]", offset as u64 / whole) };
            return Some((text, Some(element)));
        }
        let inside = u64::try_from(offset).ok().filter(|offset| *offset < whole.max(1));
        if let Some(inside) = inside
            && let Some((path, type_id)) = part_at(types, element, inside, size)
        {
            // What a library's object is made of says nothing to who uses it: `account`, not `account->_M_t._M_head_impl`.
            let own =
                path.find("._M_").or_else(|| path.find(".__")).map_or(path.as_str(), |at| path.get(..at).unwrap_or(""));
            let text = if own.is_empty() && !path.is_empty() { pointer.to_owned() } else { self.member(pointer, own) };
            return Some((text, Some(type_id)));
        }
        // Behind a node's base of a library's is the rest of the node, and no other one.
        if matches!(types.get(element).kind, TypeKind::Struct(_)) && types.name(element).ends_with("_node_base") {
            return None;
        }
        let stride = i64::try_from(whole).ok().filter(|stride| *stride > 0)?;
        let position = offset.div_euclid(stride);
        let (path, type_id) = part_at(types, element, offset.rem_euclid(stride) as u64, size)?;
        Some((format!("{pointer}[{position}]{path}"), Some(type_id)))
    }

    /// A member behind a pointer, as the frame's language has it.
    fn member(&self, pointer: &str, path: &str) -> String {
        let frames = self.case.trace.frames.iter();
        let language = frames.filter(|frame| frame.machine == self.machine).find_map(|frame| frame.code.language);
        let dots = matches!(language, Some(Language::Rust | Language::Go));
        match path.strip_prefix('.') {
            Some(name) if dots => format!("{pointer}.{name}"),
            Some(name) => format!("{pointer}->{name}"),
            None if path.is_empty() => format!("*{pointer}"),
            None => format!("(*{pointer}){path}"),
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn indexed(
        &self,
        pointer: Pointer,
        element: TypeId,
        stride: i64,
        index: &Term,
        constant: i64,
        size: u64,
        depth: usize,
    ) -> Option<Object> {
        let types = &self.case.session.types;
        let by = self.rvalue(index, depth)?;
        let value = self.term(index).map(|value| value as i64);
        let whole = types.size(types.strip(element)).and_then(|whole| i64::try_from(whole).ok())?;
        let base = pointer.named.text.clone();
        if whole == stride && whole > 0 {
            let shift = constant.div_euclid(whole);
            let (path, type_id) = part_at(types, element, constant.rem_euclid(whole) as u64, size)?;
            let subscript = shifted(&by.text, shift);
            let named = Named { text: format!("{base}[{subscript}]{path}"), type_id: Some(type_id) };
            let index =
                Index { named: by, value: value.map(|value| value.wrapping_add(shift)), count: None, array: base };
            return Some(Object { named, pointer: Some(pointer), index: Some(index), offset: constant });
        }
        let (path, array, inside) = array_at(types, element, constant, stride)?;
        let shift = inside.div_euclid(stride);
        let element = match types.stripped(array).1.kind {
            TypeKind::Array { element, .. } => element,
            _ => return None,
        };
        let (rest, type_id) = part_at(types, element, inside.rem_euclid(stride) as u64, size)?;
        let array_text = self.member(&base, &path);
        let subscript = shifted(&by.text, shift);
        let named = Named { text: format!("{array_text}[{subscript}]{rest}"), type_id: Some(type_id) };
        let index = Index {
            named: by,
            value: value.map(|value| value.wrapping_add(shift)),
            count: fixed_count(types, array),
            array: array_text,
        };
        Some(Object { named, pointer: Some(pointer), index: Some(index), offset: constant })
    }

    /// An element of an array variable that covers `address`, by a variable index.
    fn element_of_variable(&self, address: u64, stride: i64, index: &Term, depth: usize) -> Option<Object> {
        let types = &self.case.session.types;
        let by = self.rvalue(index, depth)?;
        let (name, start, type_id) = self.variable_around(address)?;
        let offset = i64::try_from(address.wrapping_sub(start)).ok()?;
        let (path, array, inside) = array_at(types, type_id, offset, stride)?;
        let shift = inside.div_euclid(stride);
        let element = match types.stripped(array).1.kind {
            TypeKind::Array { element, .. } => element,
            _ => return None,
        };
        let array_text = format!("{name}{path}");
        let text = format!("{array_text}[{}]", shifted(&by.text, shift));
        let value = self.term(index).map(|value| (value as i64).wrapping_add(shift));
        let count = fixed_count(types, array);
        let index = Index { named: by, value, count, array: array_text };
        Some(Object { named: Named { text, type_id: Some(element) }, pointer: None, index: Some(index), offset })
    }

    /// The variable of the frame, or the global one, that covers `address`: `x`, `x.y[2]`.
    pub fn variable_at(&self, address: u64, size: u64) -> Option<Object> {
        let (name, start, type_id) = self.variable_around(address)?;
        let offset = address.wrapping_sub(start);
        let (path, part) = part_at(&self.case.session.types, type_id, offset, size)?;
        let named = Named { text: format!("{name}{path}"), type_id: Some(part) };
        Some(Object { named, pointer: None, index: None, offset: offset as i64 })
    }

    /// The variable around an address: name, first address, type.
    pub fn variable_around(&self, address: u64) -> Option<(String, u64, TypeId)> {
        let case = self.case;
        for (index, frame) in case.trace.frames.iter().enumerate() {
            if frame.machine != self.machine || frame.tail_call.is_some() {
                continue;
            }
            for variable in case.session.variable_places(&case.trace, index) {
                let Ok(Place::Memory(start)) = variable.place else { continue };
                if address.wrapping_sub(start.0) < variable.size.unwrap_or(0) {
                    return Some((variable.name.to_string(), start.0, variable.type_id));
                }
            }
        }
        global_around(case, address)
    }

    /// A term as an expression.
    pub fn rvalue(&self, term: &Term, depth: usize) -> Option<Named> {
        match term {
            Term::Variable(name, _, type_id) => Some(Named { text: name.to_string(), type_id: Some(*type_id) }),
            Term::Load { address, size, .. } => {
                let object = self.object_within(address, u64::from(*size), depth + 1)?;
                let types = &self.case.session.types;
                let fits = object.named.type_id.is_none_or(|type_id| types.size(type_id) == Some(u64::from(*size)));
                fits.then_some(object.named)
            }
            Term::Result(end, Some(callee)) => self.result(*end, *callee, depth),
            Term::Entry(register) => self.parameter_in(*register),
            Term::Register(_) | Term::Result(_, None) => None,
            Term::Narrow(sum, _) => self.arithmetic(sum, depth + 1),
            Term::Product(both) => {
                let factor = |sum: &Sum| {
                    let named = self.arithmetic(sum, depth + 1)?;
                    let is_sum = sum.single().is_none() && !sum.terms.is_empty();
                    Some(if is_sum { format!("({})", named.text) } else { named.text })
                };
                let (one, other) = (factor(&both.0)?, factor(&both.1)?);
                Some(Named { text: format!("{one} * {other}"), type_id: None })
            }
        }
    }

    /// A sum as an expression: a term, one with something added, a variable's address.
    pub fn expression(&self, sum: &Sum) -> Option<Named> {
        if let Some(term) = sum.single() {
            return self.rvalue(term, 0);
        }
        let address = match sum.terms.as_slice() {
            [] => Some(sum.constant as u64),
            [(1, Term::Register(register))] if self.body.is_frame_register(self.case.arch(), *register) => {
                self.value(sum)
            }
            _ => None,
        };
        if let Some(address) = address {
            let (name, start, type_id) = self.variable_around(address)?;
            let types = &self.case.session.types;
            let is_array = matches!(types.stripped(type_id).1.kind, TypeKind::Array { .. });
            return match (address.wrapping_sub(start), is_array) {
                (0, true) => Some(Named { text: name, type_id: Some(type_id) }),
                (0, false) => Some(Named { text: format!("&{name}"), type_id: None }),
                (offset, _) => {
                    let (path, _) = part_at(types, type_id, offset, 0)?;
                    Some(Named { text: format!("&{name}{path}"), type_id: None })
                }
            };
        }
        let types = &self.case.session.types;
        if let [(stride, index)] = sum.terms.as_slice()
            && sum.constant as u64 > 0xffff
            && let Some(object) = self.element_of_variable(sum.constant as u64, *stride, index, 0)
        {
            return Some(Named { text: format!("&{}", object.named.text), type_id: None });
        }
        let [(1, term)] = sum.terms.as_slice() else { return self.arithmetic(sum, 0) };
        let named = self.rvalue(term, 0)?;
        let is_number = |type_id: TypeId| {
            matches!(
                types.stripped(type_id).1.kind,
                TypeKind::Int { .. } | TypeKind::Char { .. } | TypeKind::Enum { .. }
            )
        };
        if named.type_id.is_some_and(is_number) {
            return self.arithmetic(sum, 0);
        }
        let element = named.type_id.and_then(|type_id| target(types, type_id));
        let size = element.and_then(|element| types.size(element)).unwrap_or(0);
        let text = match i64::try_from(size) {
            Ok(size) if size > 0 && sum.constant % size == 0 => shifted(&named.text, sum.constant / size),
            _ => shifted(&format!("(char *) {}", named.text), sum.constant),
        };
        Some(Named { text, type_id: None })
    }

    /// The parameter that was passed in the register.
    fn parameter_in(&self, register: u16) -> Option<Named> {
        let position = super::code::argument_registers(self.case.arch()).iter().position(|known| *known == register)?;
        let (_, parameters) = parameters(self.case, self.machine)?;
        let (name, type_id) = parameters.get(position)?.clone();
        Some(Named { text: name, type_id: Some(type_id) })
    }
}

/// The outermost function's parameters that are passed in integer registers, in order, up to the first of which that
/// is not known; and the frame's index.
pub fn parameters(case: &Case<'_>, machine: usize) -> Option<(usize, Vec<(String, TypeId)>)> {
    let frames = case.trace.frames.iter().enumerate();
    let mut of_machine = frames.filter(|(_, frame)| frame.machine == machine && frame.tail_call.is_none());
    let (frame, _) = of_machine.next_back()?;
    let types = &case.session.types;
    let mut found = Vec::new();
    for variable in case.session.variable_places(&case.trace, frame) {
        if variable.role != Role::Argument {
            continue;
        }
        let (_, definition) = types.stripped(variable.type_id);
        match definition.kind {
            TypeKind::Int { .. }
            | TypeKind::Char { .. }
            | TypeKind::Bool
            | TypeKind::Enum { .. }
            | TypeKind::Pointer { .. }
            | TypeKind::Reference { .. }
                if variable.size.is_some_and(|size| size <= 8) =>
            {
                found.push((variable.name.to_string(), variable.type_id));
            }
            // Floats have registers of their own.
            TypeKind::Float if variable.size.is_some_and(|size| size <= 8) => {}
            _ => break,
        }
    }
    Some((frame, found))
}

/// The global variable around an address: name, first address, type.
fn global_around(case: &Case<'_>, address: u64) -> Option<(String, u64, TypeId)> {
    let session = case.session;
    let (symbol, distance) = session.symbol(RunAddr(address))?;
    let start = address.wrapping_sub(distance);
    let name = super::blame::plain_name(&symbol, None);
    // A function's static variable has a number behind its name.
    let names = [name, name.split('.').next().unwrap_or(name)];
    let globals = names.iter().flat_map(|name| session.find_globals(name, None, Some(case.thread)));
    let mut here = globals.filter(|global| global.place == Ok(Place::Memory(RunAddr(start))));
    let global = here.next().or_else(|| session.global_at(RunAddr(address)))?;
    let Ok(Place::Memory(RunAddr(start))) = global.place else { return None };
    let distance = address.checked_sub(start)?;
    let size = session.types.size(global.type_id)?;
    (distance < size).then_some((global.name, start, global.type_id))
}
