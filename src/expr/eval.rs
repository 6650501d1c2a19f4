//! From a tree to a place and its type.
//!
//! An expression is evaluated twice by the same code: first without reading anything of the target, which finds its
//! type and what is wrong with it, then in earnest. A hole (memory that was not saved, a variable that was optimized
//! out) is no error: what depends on it is absent for the same reason, and keeps its type.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::arithmetic::{self, Number};
use super::names::BARE_DATA;
use super::parse::{parse, parse_type};
use super::tree::{Node, NodeKind};
use super::variables::Variables;
use super::{ErrorKind, ExprError, MAX_NESTING, Scope};
use crate::addr::RunAddr;
use crate::memory::ReadError;
use crate::types::{Count, Language, Type, TypeId, TypeKind};
use crate::value::{Absent, AbsentReason, Place, PlaceBytes};

/// Objects larger than this are not copied out of memory.
pub(super) const MAX_OBJECT: u64 = 1 << 20;
/// Nodes within nodes; each costs some KiB of stack.
const MAX_DEPTH: usize = MAX_NESTING + 44;
/// Nodes that one expression may evaluate, those of its filters and lists for every item anew.
const MAX_STEPS: u64 = 4_000_000;

/// What an expression stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluated {
    /// Where it is, or why it is nowhere.
    pub place: Result<Place, Absent>,
    /// Its type; an array's where there are `items`.
    pub type_id: TypeId,
    /// An object of the program, not a result.
    pub lvalue: bool,
    /// Things that are in several places (of a list, a filter): then `place` is absent.
    pub items: Option<Arc<Items>>,
}

/// Things in a row that are not in one piece.
#[derive(Clone, Debug, PartialEq)]
pub struct Items {
    /// The things.
    pub elements: Vec<Evaluated>,
    /// Why there may be more of them: a cycle, a link that could not be read, a limit.
    pub end: Option<Absent>,
    /// What they are to each other.
    pub role: Role,
}

/// What things in a row are to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Items of a sequence.
    Sequence,
    /// A key and its value.
    Entry,
    /// Entries of a map.
    Map,
}

impl Items {
    /// Items of a sequence.
    pub(super) fn new(elements: Vec<Evaluated>, end: Option<Absent>) -> Items {
        Items { elements, end, role: Role::Sequence }
    }
}

impl Evaluated {
    /// Something at a place.
    pub fn new(place: Result<Place, Absent>, type_id: TypeId, lvalue: bool) -> Evaluated {
        Evaluated { place, type_id, lvalue, items: None }
    }

    /// gdb's `void`: what a convenience variable without a value is.
    pub fn is_void(&self, scope: &dyn Scope) -> bool {
        matches!(scope.types().get(scope.types().strip(self.type_id)).kind, TypeKind::Void)
            && matches!(&self.place, Ok(Place::Bytes(bytes)) if bytes.data.is_empty())
    }
}

/// Evaluates an expression. `variables` are the session's; the value is not recorded in the history
/// ([`Variables::record`] does that).
pub fn evaluate(scope: &dyn Scope, text: &str, variables: &mut Variables) -> Result<Evaluated, ExprError> {
    let node = parse(text, &|name| is_type(scope, name))?;
    let evaluator = Evaluator::new(scope, text, variables);
    let checked = evaluator.checked(&node)?;
    let outcome = evaluator.node(&node, 0);
    let assigned = evaluator.assigned.into_inner();
    for (name, value) in assigned {
        variables.set(&name, value);
    }
    match outcome {
        Ok(evaluated) if evaluated.lvalue && scope.types().name(evaluated.type_id) == BARE_DATA => {
            let message = format!("'{text}' has unknown type; cast it to its declared type");
            Err(ExprError::new(ErrorKind::Type, text, node.span, message))
        }
        Ok(evaluated) => Ok(evaluated),
        Err(Stop::Error(error)) => Err(*error),
        Err(Stop::Hole(absent)) => Ok(Evaluated::new(Err(absent), checked.type_id, false)),
    }
}

/// Evaluates an expression that is not the user's of the moment: with so many steps, and without variables of a session.
/// Says how many it took.
pub fn evaluate_within(scope: &dyn Scope, text: &str, steps: u64) -> Result<(Evaluated, u64), ExprError> {
    let node = parse(text, &|name| is_type(scope, name))?;
    let variables = Variables::default();
    let evaluator = Evaluator { most_steps: steps, ..Evaluator::new(scope, text, &variables) };
    let checked = evaluator.checked(&node)?;
    let evaluated = match evaluator.node(&node, 0) {
        Ok(evaluated) => evaluated,
        Err(Stop::Error(error)) => return Err(*error),
        Err(Stop::Hole(absent)) => Evaluated::new(Err(absent), checked.type_id, false),
    };
    Ok((evaluated, steps.saturating_sub(evaluator.steps.get())))
}

/// The type of an expression, found without reading the target's memory where it does not depend on it.
pub fn type_of(scope: &dyn Scope, text: &str, variables: &Variables) -> Result<TypeId, ExprError> {
    let node = parse(text, &|name| is_type(scope, name))?;
    let evaluator = Evaluator::new(scope, text, variables);
    let checked = evaluator.checked(&node)?;
    if checked.place.is_ok() {
        return Ok(checked.type_id);
    }
    // Of what is in a container the type is known only once it is read.
    match evaluator.node(&node, 0) {
        Ok(evaluated) => Ok(evaluated.type_id),
        Err(Stop::Error(error)) => Err(*error),
        Err(Stop::Hole(_)) => Ok(checked.type_id),
    }
}

/// The type that the text names; `None` where it names none (it may still be an expression).
pub fn resolve_type(scope: &dyn Scope, text: &str) -> Result<Option<TypeId>, ExprError> {
    // The whole text first: names of templates and of other languages' types have a form of their own.
    if scope.variable(text).is_none()
        && let Some(id) = scope.find_type(text)
    {
        return Ok(Some(id));
    }
    let Ok(Some(type_name)) = parse_type(text, &|name| is_type(scope, name)) else { return Ok(None) };
    let variables = Variables::default();
    let evaluator = Evaluator::new(scope, text, &variables);
    match evaluator.type_of(&type_name) {
        Ok(id) => Ok(Some(id)),
        Err(Stop::Error(error)) => Err(*error),
        Err(Stop::Hole(_)) => Ok(None),
    }
}

pub(super) fn is_type(scope: &dyn Scope, name: &str) -> bool {
    scope.variable(name).is_none()
        && (scope.find_type(name).is_some() || arithmetic::alias(name, scope.arch().address_size() as u64).is_some())
}

/// Why evaluation stopped.
pub(super) enum Stop {
    Error(Box<ExprError>),
    Hole(Absent),
}

impl From<Absent> for Stop {
    fn from(absent: Absent) -> Stop {
        Stop::Hole(absent)
    }
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Stop {
        Stop::Hole(error.into())
    }
}

pub(super) type Step<T> = Result<T, Stop>;

pub(super) struct Evaluator<'a> {
    pub(super) scope: &'a dyn Scope,
    pub(super) text: &'a str,
    pub(super) variables: &'a Variables,
    /// Values given to convenience variables so far.
    pub(super) assigned: RefCell<HashMap<String, Evaluated>>,
    /// Only types are wanted: nothing is read, and every object has a place of no meaning.
    pub(super) dry: Cell<bool>,
    /// A pointer was followed since this was last cleared.
    pub(super) followed: Cell<bool>,
    /// The items that the filters around look at, innermost last.
    pub(super) subjects: RefCell<Vec<Evaluated>>,
    /// Users' formatters whose content is being looked at, one within the other.
    pub(super) formatters: Cell<usize>,
    most_steps: u64,
    steps: Cell<u64>,
    pub(super) made: RefCell<HashMap<String, TypeId>>,
    pointers: RefCell<HashMap<TypeId, TypeId>>,
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(scope: &'a dyn Scope, text: &'a str, variables: &'a Variables) -> Evaluator<'a> {
        Evaluator {
            scope,
            text,
            variables,
            assigned: RefCell::default(),
            dry: Cell::new(false),
            followed: Cell::new(false),
            subjects: RefCell::default(),
            formatters: Cell::new(0),
            most_steps: MAX_STEPS,
            steps: Cell::new(MAX_STEPS),
            made: RefCell::default(),
            pointers: RefCell::default(),
        }
    }

    /// The node's type and form, nothing read.
    fn checked(&self, node: &Node) -> Result<Evaluated, ExprError> {
        self.steps.set(self.most_steps);
        let checked = self.unread(|| self.node(node, 0));
        self.assigned.borrow_mut().clear();
        self.steps.set(self.most_steps);
        match checked {
            Ok(checked) => Ok(checked),
            Err(Stop::Error(error)) => Err(*error),
            Err(Stop::Hole(absent)) => {
                Ok(Evaluated::new(Err(absent), self.scope.types().make_void(Language::C), false))
            }
        }
    }

    /// Runs `work` without reading anything.
    pub(super) fn unread<T>(&self, work: impl FnOnce() -> T) -> T {
        let before = self.dry.replace(true);
        let result = work();
        self.dry.set(before);
        result
    }

    /// Takes steps that were done elsewhere.
    pub(super) fn spend(&self, steps: u64) {
        self.steps.set(self.steps.get().saturating_sub(steps));
    }

    /// Whether there are no steps left.
    pub(super) fn is_spent(&self) -> bool {
        self.steps.get() == 0
    }

    /// An object somewhere, where only its type counts.
    pub(super) fn anywhere(&self, type_id: TypeId) -> Evaluated {
        Evaluated::new(Ok(Place::Memory(RunAddr(0))), type_id, true)
    }

    /// `target *`, made once.
    pub(super) fn pointer_to(&self, target: TypeId) -> TypeId {
        let make = || self.scope.types().make_pointer(target, self.scope.arch().address_size());
        *self.pointers.borrow_mut().entry(target).or_insert_with(make)
    }

    pub(super) fn error<T>(&self, kind: ErrorKind, span: &Range<usize>, message: impl Into<String>) -> Step<T> {
        Err(self.failure(kind, span, message.into()))
    }

    #[cold]
    #[inline(never)]
    fn failure(&self, kind: ErrorKind, span: &Range<usize>, message: String) -> Stop {
        let short = crate::demangle::shorten(&message);
        Stop::Error(Box::new(ExprError::new(kind, self.text, span.clone(), short)))
    }

    pub(super) fn type_error<T>(&self, span: &Range<usize>, message: impl Into<String>) -> Step<T> {
        self.error(ErrorKind::Type, span, message)
    }

    pub(super) fn name_of(&self, id: TypeId) -> &str {
        self.scope.types().name(id)
    }

    pub(super) fn kind_of(&self, id: TypeId) -> &TypeKind {
        let types = self.scope.types();
        &types.get(types.strip(id)).kind
    }

    pub(super) fn address_size(&self) -> u64 {
        self.scope.arch().address_size() as u64
    }

    pub(super) fn node(&self, node: &Node, depth: usize) -> Step<Evaluated> {
        if depth > MAX_DEPTH {
            return self.error(ErrorKind::Syntax, &node.span, "nested too deep");
        }
        let depth = depth + 1;
        match self.steps.get().checked_sub(1) {
            Some(left) => self.steps.set(left),
            None => {
                let detail = format!("the expression takes more than {} steps", self.most_steps);
                return Err(Absent::because(AbsentReason::Unsupported, detail).into());
            }
        }
        // Chains of operators are what nests most: they go without the large frame of the rest, which counts twice.
        match &node.kind {
            NodeKind::Binary(operator, left, right) => self.binary(operator, left, right, depth, &node.span),
            _ => self.other_node(node, depth + 1),
        }
    }

    #[inline(never)]
    fn other_node(&self, node: &Node, depth: usize) -> Step<Evaluated> {
        match &node.kind {
            NodeKind::Int { value, unsigned, long } => self.literal(*value, *unsigned, *long),
            NodeKind::Imaginary(value) => self.imaginary(*value),
            NodeKind::Held(interface) => self.held_data(interface, depth),
            NodeKind::Float(value, false) => self.number(Number::Float(*value), &node.span),
            NodeKind::Float(value, true) => self.number_as(self.make("float"), Number::Float(*value), &node.span),
            NodeKind::Null => {
                let void = self.pointer_to(self.make("void"));
                Ok(computed(void, self.address_bytes(0)))
            }
            NodeKind::Bool(value) => Ok(self.truth(*value)),
            NodeKind::Char(code) => self.character(*code),
            NodeKind::Str(text) => Ok(self.string(text)),
            NodeKind::WideStr(text, character) => self.wide_string(text, character),
            NodeKind::Array { elements, count, is_rust } => {
                self.array(elements, count.as_deref(), *is_rust, depth, &node.span)
            }
            NodeKind::Name { name, entry: true, .. } => self.at_entry(name, &node.span),
            NodeKind::Name { file, name, .. } => self.name(file.as_deref(), name, &node.span),
            NodeKind::Register(name) => self.dollar(name, &node.span),
            NodeKind::Assign(name, operator, value) => self.assign(name, *operator, value, depth, &node.span),
            NodeKind::Step(name, operator) => self.stepped(name, operator, &node.span),
            NodeKind::Choose(condition, first, second) => self.choose(condition, first, second, depth),
            NodeKind::InFrame { thread, frame, inner } => {
                self.in_frame(thread.as_deref(), frame.as_deref(), inner, depth)
            }
            NodeKind::Unary("*", operand) => {
                let pointer = self.value_of(operand, depth)?;
                self.dereference(pointer, &operand.span)
            }
            NodeKind::Unary("&", operand) => {
                let object = self.node(operand, depth)?;
                self.address_of(object, &operand.span)
            }
            NodeKind::Unary(operator, operand) => self.unary(operator, operand, depth),
            NodeKind::Binary(operator, left, right) => self.binary(operator, left, right, depth, &node.span),
            NodeKind::Member(object, name) => self.member(object, name, depth, &node.span),
            NodeKind::Index(array, index) => {
                let array_value = self.value_of(array, depth)?;
                self.indexed(array_value, index, depth, &array.span)
            }
            NodeKind::Slice(array, first, last, inclusive) => {
                self.slice_of(array, first.as_deref(), last.as_deref(), *inclusive, depth)
            }
            NodeKind::Item => match self.subjects.borrow().last() {
                Some(item) => Ok(item.clone()),
                None => self.type_error(
                    &(node.span.start..node.span.start + 1),
                    "there is no item here: .x belongs into [ ] or map( )",
                ),
            },
            NodeKind::Filter(items, test) => self.filter(items, test, depth),
            NodeKind::Map(items, to) => self.map(items, to, depth),
            NodeKind::Length(items) => self.length(items, depth),
            NodeKind::List(head, type_name, link) => self.list(head, type_name.as_ref(), link, depth),
            NodeKind::Tree(root, type_name, left, right) => self.tree(root, type_name.as_ref(), left, right, depth),
            NodeKind::Call(name, arguments) => self.call(name, arguments, depth, &node.span),
            NodeKind::Assert(interface, type_name) => self.assert(interface, type_name, depth),
            NodeKind::Cast(type_name, operand, style) => self.converted(type_name, operand, *style, depth),
            NodeKind::At(type_name, operand) => {
                let type_id = self.type_of(type_name)?;
                let address = self.integer(operand, depth)?;
                Ok(Evaluated::new(Ok(Place::Memory(self.address(address))), type_id, true))
            }
            NodeKind::SizeofType(type_name) => {
                let id = self.type_of(type_name)?;
                self.size_of(id, &node.span)
            }
            NodeKind::SizeofValue(operand) => {
                let value = self.unread(|| self.value_of(operand, depth))?;
                self.size_of(value.type_id, &operand.span)
            }
            NodeKind::TypeidType(type_name) => self.typeid_of_type(type_name),
            NodeKind::TypeidValue(operand) => self.typeid_of_value(operand, depth),
            NodeKind::AlignofType(type_name) => self.alignment(self.type_of(type_name)?, &node.span),
            NodeKind::AlignofValue(operand) => {
                let value = self.unread(|| self.value_of(operand, depth))?;
                self.alignment(value.type_id, &operand.span)
            }
            NodeKind::Offsetof(type_name, path) => self.offset_of(self.type_of(type_name)?, path, depth),
        }
    }

    /// A node's value: what a reference refers to, not the reference.
    pub(super) fn value_of(&self, node: &Node, depth: usize) -> Step<Evaluated> {
        let mut value = self.node(node, depth)?;
        // A reference to a reference is no C++, but a hostile file may have it.
        for _ in 0..8 {
            let TypeKind::Reference { target, .. } = *self.kind_of(value.type_id) else { return Ok(value) };
            value = self.follow(&value, target)?;
        }
        Ok(value)
    }

    /// What a pointer's or reference's bytes lead to.
    pub(super) fn follow(&self, pointer: &Evaluated, target: TypeId) -> Step<Evaluated> {
        self.followed.set(true);
        if self.dry.get() {
            return Ok(self.anywhere(target));
        }
        let place = pointer.place.clone()?;
        if let Place::Bytes(bytes) = &place
            && let Some((_, inner, inner_type)) = bytes.implicit_pointers.iter().find(|(offset, ..)| *offset == 0)
        {
            let type_id = inner_type.unwrap_or(target);
            return Ok(Evaluated::new(Ok((**inner).clone()), type_id, true));
        }
        let size = self.scope.types().size(pointer.type_id).unwrap_or(self.address_size());
        let bytes = self.bytes(&place, size.min(8))?;
        let mut wide = [0; 8];
        wide[..bytes.len()].copy_from_slice(&bytes);
        let address = RunAddr(self.scope.arch().strip_pointer(u64::from_le_bytes(wide)));
        Ok(Evaluated::new(Ok(Place::Memory(address)), target, true))
    }

    /// The first `size` bytes of an object.
    pub(super) fn bytes(&self, place: &Place, size: u64) -> Step<Vec<u8>> {
        if size > MAX_OBJECT {
            return Err(Absent::because(AbsentReason::Unsupported, "the object is too large to compute with").into());
        }
        let size = size as usize;
        match place {
            Place::Memory(address) => Ok(self.scope.memory().read_vec(*address, size)?),
            Place::Bytes(bytes) => {
                if let Some((.., absent)) = bytes.holes.iter().find(|(start, ..)| *start < size) {
                    return Err(absent.clone().into());
                }
                if bytes.implicit_pointers.iter().any(|(offset, ..)| *offset < size) {
                    let detail = "the pointer's target was optimized out; the pointer has no number";
                    return Err(Absent::because(AbsentReason::OptimizedOut, detail).into());
                }
                match bytes.data.get(..size) {
                    Some(data) => Ok(data.to_vec()),
                    None => Err(Absent::because(AbsentReason::Corrupt, "the object is shorter than its type").into()),
                }
            }
        }
    }

    pub(super) fn make(&self, words: &str) -> TypeId {
        let types = self.scope.types();
        let make = || match arithmetic::builtin(words, self.address_size()) {
            Some(definition) => types.make(definition),
            None => types.make_void(Language::C),
        };
        *self.made.borrow_mut().entry(words.to_owned()).or_insert_with(make)
    }

    pub(super) fn int_type(&self, size: u64, signed: bool) -> TypeId {
        let name = match (size, signed) {
            (8, true) => "long",
            (8, false) => "unsigned long",
            (4, true) => "int",
            (4, false) => "unsigned int",
            (16, true) => "__int128",
            (16, false) => "unsigned __int128",
            (2, true) => "short",
            (2, false) => "unsigned short",
            (_, true) => "signed char",
            (_, false) => "unsigned char",
        };
        // On 32-bit machines `long` has 4 bytes, and 8 make a `long long`.
        let name =
            if size == 8 && self.address_size() == 4 { name.replace("long", "long long") } else { name.to_owned() };
        let make = || {
            let kind = TypeKind::Int { signed };
            self.scope.types().make(Type { name: Some(name.clone()), size: Some(size), language: Language::C, kind })
        };
        *self.made.borrow_mut().entry(format!("integer {name}")).or_insert_with(make)
    }

    /// A computed number, of the type that its width has in C.
    pub(super) fn number(&self, number: Number, span: &Range<usize>) -> Step<Evaluated> {
        let type_id = match number {
            Number::Int { size, signed, .. } => self.int_type(size, signed),
            Number::Float(_) => self.make("double"),
        };
        self.number_as(type_id, number, span)
    }

    pub(super) fn number_as(&self, type_id: TypeId, number: Number, span: &Range<usize>) -> Step<Evaluated> {
        let Some(data) = arithmetic::to_bytes(self.scope.types(), type_id, number) else {
            return self.type_error(span, format!("a number cannot be made a {}", self.name_of(type_id)));
        };
        Ok(computed(type_id, data))
    }

    pub(super) fn array_of(&self, element: TypeId, count: u64) -> TypeId {
        let types = self.scope.types();
        let size = types.size(element).and_then(|size| size.checked_mul(count));
        let kind = TypeKind::Array { element, count: Count::Fixed(count), vector: false, stride: None };
        types.make(Type { name: None, size, language: types.get(element).language, kind })
    }

    /// A comparison's result: `int` in C, `bool` elsewhere.
    pub(super) fn truth(&self, value: bool) -> Evaluated {
        match self.scope.language() {
            None | Some(Language::C) => computed(self.make("int"), i32::from(value).to_le_bytes().to_vec()),
            Some(_) => computed(self.make("bool"), vec![value.into()]),
        }
    }

    pub(super) fn address_bytes(&self, address: u64) -> Vec<u8> {
        address.to_le_bytes()[..self.scope.arch().address_size()].to_vec()
    }

    pub(super) fn address(&self, number: i128) -> RunAddr {
        let address = number as u64;
        RunAddr(if self.address_size() == 4 { address & 0xffff_ffff } else { address })
    }

    /// A node's value as a number (an address for pointers, arrays and functions).
    pub(super) fn number_at(&self, node: &Node, depth: usize) -> Step<Number> {
        let value = self.value_of(node, depth)?;
        self.number_of(&value, &node.span)
    }

    pub(super) fn integer(&self, node: &Node, depth: usize) -> Step<i128> {
        match self.number_at(node, depth)? {
            Number::Int { value, .. } => Ok(value),
            Number::Float(_) => self.type_error(&node.span, "an integer is needed here"),
        }
    }

    pub(super) fn number_of(&self, value: &Evaluated, span: &Range<usize>) -> Step<Number> {
        if let Some(none) = self.no_number_of_entry(value, span) {
            return none;
        }
        let types = self.scope.types();
        let place = value.place.clone()?;
        let is_function_value = self.is_function_value(value.type_id);
        if let (TypeKind::Array { .. } | TypeKind::Function { .. }, Place::Memory(address)) =
            (self.kind_of(value.type_id), &place)
            && !is_function_value
        {
            return Ok(Number::int(address.0.into(), (self.address_size(), false)));
        }
        let is_null_type = matches!(self.kind_of(value.type_id), TypeKind::Unspecified);
        let size = types.size(value.type_id).or(is_null_type.then(|| self.address_size()));
        let Some(size) = size.filter(|size| (1..=16).contains(size)) else {
            return self.type_error(span, format!("a {} is no number", self.name_of(value.type_id)));
        };
        let is_scalar = is_function_value
            || matches!(
                self.kind_of(value.type_id),
                TypeKind::Int { .. }
                    | TypeKind::Char { .. }
                    | TypeKind::Bool
                    | TypeKind::Float
                    | TypeKind::Enum { .. }
                    | TypeKind::Pointer { .. }
                    | TypeKind::Unspecified
            );
        if !is_scalar && let Some(inner) = self.transparent(value) {
            return self.number_of(&inner?, span);
        }
        if !is_scalar {
            return self.type_error(span, format!("a {} is no number", self.name_of(value.type_id)));
        }
        // What is at hand without reading is used even where nothing may be read.
        let bytes = match &place {
            Place::Memory(_) if self.dry.get() => 1u128.to_le_bytes()[..size as usize].to_vec(),
            place => self.bytes(place, size)?,
        };
        let read_as = if is_function_value { self.int_type(size, false) } else { value.type_id };
        match arithmetic::from_bytes(types, read_as, &bytes, self.scope.arch()) {
            Some(number) => Ok(number),
            None => self.type_error(span, format!("a {} is no number", self.name_of(value.type_id))),
        }
    }
}

pub(super) fn is_number(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit())
}

pub(super) fn computed(type_id: TypeId, data: Vec<u8>) -> Evaluated {
    let place = Place::Bytes(PlaceBytes { data, ..PlaceBytes::default() });
    Evaluated::new(Ok(place), type_id, false)
}
