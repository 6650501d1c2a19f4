//! From a tree to a place and its type.
//!
//! A hole (memory that was not saved, a variable that was optimized out) is no error: what depends on it is absent
//! for the same reason.

use std::ops::Range;

use super::arithmetic::{self, INT, Number};
use super::parse::{BUILTIN_WORDS, Derivation, Node, NodeKind, TypeName, parse, parse_type};
use super::{ErrorKind, ExprError, MAX_NESTING, Scope, nearest};
use crate::addr::RunAddr;
use crate::memory::ReadError;
use crate::types::{Count, Language, Member, MemberOffset, Type, TypeId, TypeKind};
use crate::value::{Absent, AbsentReason, Place, PlaceBytes};

/// Objects larger than this are not copied out of memory.
const MAX_OBJECT: u64 = 1 << 20;

/// What an expression stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluated {
    /// Where it is, or why it is nowhere.
    pub place: Result<Place, Absent>,
    /// Its type.
    pub type_id: TypeId,
    /// An object of the program, not a result.
    pub lvalue: bool,
}

/// Evaluates an expression.
pub fn evaluate(scope: &dyn Scope, text: &str) -> Result<Evaluated, ExprError> {
    let node = parse(text, &|name| is_type(scope, name))?;
    let evaluator = Evaluator { scope, text };
    match evaluator.node(&node, 0) {
        Ok(evaluated) => Ok(evaluated),
        Err(Stop::Error(error)) => Err(*error),
        Err(Stop::Hole(absent)) => {
            let type_id = scope.types().make_void(Language::C);
            Ok(Evaluated { place: Err(absent), type_id, lvalue: false })
        }
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
    let evaluator = Evaluator { scope, text };
    match evaluator.type_of(&type_name) {
        Ok(id) => Ok(Some(id)),
        Err(Stop::Error(error)) => Err(*error),
        Err(Stop::Hole(_)) => Ok(None),
    }
}

fn is_type(scope: &dyn Scope, name: &str) -> bool {
    scope.variable(name).is_none() && scope.find_type(name).is_some()
}

/// Why evaluation stopped.
enum Stop {
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

type Step<T> = Result<T, Stop>;

struct Evaluator<'a> {
    scope: &'a dyn Scope,
    text: &'a str,
}

/// A member found by name: offsets from the object on, and the member itself last.
struct Found {
    path: Vec<Member>,
}

impl Evaluator<'_> {
    fn error<T>(&self, kind: ErrorKind, span: &Range<usize>, message: impl Into<String>) -> Step<T> {
        Err(Stop::Error(Box::new(ExprError::new(kind, self.text, span.clone(), message))))
    }

    fn type_error<T>(&self, span: &Range<usize>, message: impl Into<String>) -> Step<T> {
        self.error(ErrorKind::Type, span, message)
    }

    fn name_of(&self, id: TypeId) -> &str {
        self.scope.types().name(id)
    }

    fn kind_of(&self, id: TypeId) -> &TypeKind {
        let types = self.scope.types();
        &types.get(types.strip(id)).kind
    }

    fn address_size(&self) -> u64 {
        self.scope.arch().address_size() as u64
    }

    fn node(&self, node: &Node, depth: usize) -> Step<Evaluated> {
        if depth > 2 * MAX_NESTING {
            return self.error(ErrorKind::Syntax, &node.span, "nested too deep");
        }
        let depth = depth + 1;
        match &node.kind {
            NodeKind::Int { value, unsigned, long } => self.literal(*value, *unsigned, *long),
            NodeKind::Float(value) => self.number(Number::Float(*value), &node.span),
            NodeKind::Bool(value) => Ok(self.truth(*value)),
            NodeKind::Char(code) => self.character(*code),
            NodeKind::Str(text) => Ok(self.string(text)),
            NodeKind::Name { file, name } => self.name(file.as_deref(), name, &node.span),
            NodeKind::Register(name) => self.register(name, &node.span),
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
                let index = self.integer(index, depth)?;
                self.index(array_value, index, &array.span)
            }
            NodeKind::Cast(type_name, operand) => {
                let target = self.type_of(type_name)?;
                let operand_value = self.value_of(operand, depth)?;
                self.cast(target, operand_value, &operand.span)
            }
            NodeKind::At(type_name, operand) => {
                let type_id = self.type_of(type_name)?;
                let address = self.integer(operand, depth)?;
                Ok(Evaluated { place: Ok(Place::Memory(self.address(address))), type_id, lvalue: true })
            }
            NodeKind::SizeofType(type_name) => {
                let id = self.type_of(type_name)?;
                self.size_of(id, &node.span)
            }
            NodeKind::SizeofValue(operand) => {
                let value = self.value_of(operand, depth)?;
                self.size_of(value.type_id, &operand.span)
            }
        }
    }

    /// A node's value: what a reference refers to, not the reference.
    fn value_of(&self, node: &Node, depth: usize) -> Step<Evaluated> {
        let mut value = self.node(node, depth)?;
        // A reference to a reference is no C++, but a hostile file may have it.
        for _ in 0..8 {
            let TypeKind::Reference { target, .. } = *self.kind_of(value.type_id) else { return Ok(value) };
            value = self.follow(&value, target)?;
        }
        Ok(value)
    }

    /// What a pointer's or reference's bytes lead to.
    fn follow(&self, pointer: &Evaluated, target: TypeId) -> Step<Evaluated> {
        let place = pointer.place.clone()?;
        if let Place::Bytes(bytes) = &place
            && let Some((_, inner, inner_type)) = bytes.implicit_pointers.iter().find(|(offset, ..)| *offset == 0)
        {
            let type_id = inner_type.unwrap_or(target);
            return Ok(Evaluated { place: Ok((**inner).clone()), type_id, lvalue: true });
        }
        let size = self.scope.types().size(pointer.type_id).unwrap_or(self.address_size());
        let bytes = self.bytes(&place, size.min(8))?;
        let mut wide = [0; 8];
        wide[..bytes.len()].copy_from_slice(&bytes);
        let address = RunAddr(self.scope.arch().strip_pointer(u64::from_le_bytes(wide)));
        Ok(Evaluated { place: Ok(Place::Memory(address)), type_id: target, lvalue: true })
    }

    /// The first `size` bytes of an object.
    fn bytes(&self, place: &Place, size: u64) -> Step<Vec<u8>> {
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

    fn make(&self, words: &str) -> TypeId {
        let types = self.scope.types();
        match arithmetic::builtin(words, self.address_size()) {
            Some(definition) => types.make(definition),
            None => types.make_void(Language::C),
        }
    }

    fn int_type(&self, size: u64, signed: bool) -> TypeId {
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
        let kind = TypeKind::Int { signed };
        self.scope.types().make(Type { name: Some(name), size: Some(size), language: Language::C, kind })
    }

    /// A computed number, of the type that its width has in C.
    fn number(&self, number: Number, span: &Range<usize>) -> Step<Evaluated> {
        let type_id = match number {
            Number::Int { size, signed, .. } => self.int_type(size, signed),
            Number::Float(_) => self.make("double"),
        };
        self.number_as(type_id, number, span)
    }

    fn number_as(&self, type_id: TypeId, number: Number, span: &Range<usize>) -> Step<Evaluated> {
        let Some(data) = arithmetic::to_bytes(self.scope.types(), type_id, number) else {
            return self.type_error(span, format!("a number cannot be made a {}", self.name_of(type_id)));
        };
        Ok(computed(type_id, data))
    }

    fn literal(&self, value: u128, unsigned: bool, long: bool) -> Step<Evaluated> {
        let fits = |limit: u128| value <= limit;
        let kind = match (unsigned, long) {
            (false, false) if fits(i32::MAX as u128) => INT,
            (_, false) if fits(u32::MAX.into()) => (4, false),
            (false, _) if fits(i64::MAX as u128) => (8, true),
            _ if fits(u64::MAX.into()) => (8, false),
            _ => (16, !unsigned && fits(i128::MAX as u128)),
        };
        self.number(Number::int(value as i128, kind), &(0..0))
    }

    fn character(&self, code: u32) -> Step<Evaluated> {
        match u8::try_from(code) {
            Ok(byte) => Ok(computed(self.make("char"), vec![byte])),
            Err(_) => {
                let kind = TypeKind::Char { signed: false, unicode: true };
                let name = Some("char32_t".to_owned());
                let type_id = self.scope.types().make(Type { name, size: Some(4), language: Language::Cpp, kind });
                Ok(computed(type_id, code.to_le_bytes().to_vec()))
            }
        }
    }

    fn string(&self, text: &[u8]) -> Evaluated {
        let mut data = text.to_vec();
        data.push(0);
        let element = self.make("char");
        computed(self.array_of(element, data.len() as u64), data)
    }

    fn array_of(&self, element: TypeId, count: u64) -> TypeId {
        let types = self.scope.types();
        let size = types.size(element).and_then(|size| size.checked_mul(count));
        let kind = TypeKind::Array { element, count: Count::Fixed(count), vector: false, stride: None };
        types.make(Type { name: None, size, language: types.get(element).language, kind })
    }

    /// A comparison's result: `int` in C, `bool` elsewhere.
    fn truth(&self, value: bool) -> Evaluated {
        match self.scope.language() {
            None | Some(Language::C) => computed(self.make("int"), i32::from(value).to_le_bytes().to_vec()),
            Some(_) => computed(self.make("bool"), vec![value.into()]),
        }
    }

    fn name(&self, file: Option<&str>, name: &str, span: &Range<usize>) -> Step<Evaluated> {
        match self.lookup(file, name) {
            Some((place, type_id)) => Ok(Evaluated { place, type_id, lvalue: true }),
            None => self.error(ErrorKind::UnknownName, span, self.unknown(file, name)),
        }
    }

    fn lookup(&self, file: Option<&str>, name: &str) -> Option<super::Named> {
        let local = file.is_none().then(|| self.scope.variable(name)).flatten();
        // As in C++: a member of `this` hides a global.
        local.or_else(|| self.own_member(file, name)).or_else(|| self.scope.globals(name, file).into_iter().next())
    }

    /// A member of the object that the frame's method works on.
    fn own_member(&self, file: Option<&str>, name: &str) -> Option<super::Named> {
        if file.is_some() || name.contains("::") {
            return None;
        }
        let (place, type_id) = self.scope.variable("this")?;
        let TypeKind::Pointer { target } = *self.kind_of(type_id) else { return None };
        self.find_member(target, name)?;
        let this = Evaluated { place, type_id, lvalue: true };
        match self.follow(&this, target).and_then(|object| self.member_of(&object, name, &(0..0))) {
            Ok(member) => Some((member.place, member.type_id)),
            Err(Stop::Hole(absent)) => Some((Err(absent), self.scope.types().make_void(Language::C))),
            Err(Stop::Error(_)) => None,
        }
    }

    fn unknown(&self, file: Option<&str>, name: &str) -> String {
        let mut message = format!("no symbol \"{name}\" in the frame or among the globals");
        if let Some(file) = file {
            message = format!("no symbol \"{name}\" in {file}");
        } else if is_type(self.scope, name) {
            message = format!("{name} is a type; ptype shows it, and (type) casts to it");
        } else if let Some(near) = nearest(name, &self.scope.names()) {
            message += &format!("; is it {near}?");
        }
        message
    }

    fn register(&self, name: &str, span: &Range<usize>) -> Step<Evaluated> {
        let arch = self.scope.arch();
        let by_number = |number| arch.general_registers().iter().find(|register| register.dwarf == number);
        let role = |alias: &str, number| name == alias || by_number(number).is_some_and(|found| found.name == name);
        let (is_pc, is_sp, is_fp) = (role("pc", arch.pc()), role("sp", arch.sp()), role("fp", arch.fp()));
        let number = if is_pc { Some(arch.pc()) } else { None };
        let number = number.or(is_sp.then(|| arch.sp())).or(is_fp.then(|| arch.fp()));
        let real_name = number.and_then(by_number).map_or(name, |register| register.name);
        let Some(bytes) = self.scope.register(real_name) else {
            let message = format!("no register ${name} in this frame");
            let known: Vec<String> = arch.general_registers().iter().map(|known| known.name.to_owned()).collect();
            let near = nearest(name, &known).map(|near| format!("; is it ${near}?")).unwrap_or_default();
            return self.error(ErrorKind::UnknownName, span, message + &near);
        };
        // Types as gdb gives them.
        let types = self.scope.types();
        let type_id = if is_pc {
            let kind = TypeKind::Function { result: None, parameters: Vec::new(), variadic: false, method: None };
            let function = types.make(Type { name: None, size: None, language: Language::C, kind });
            types.make_pointer(function, arch.address_size())
        } else if is_sp || is_fp {
            types.make_pointer(types.make_void(Language::C), arch.address_size())
        } else {
            match bytes.as_ref().map_or(self.address_size() as usize, Vec::len) {
                size @ (1 | 2 | 4 | 8) => self.int_type(size as u64, true),
                size => self.array_of(self.int_type(1, false), size as u64),
            }
        };
        match bytes {
            Ok(data) => Ok(computed(type_id, data)),
            Err(absent) => Ok(Evaluated { place: Err(absent), type_id, lvalue: false }),
        }
    }

    fn dereference(&self, pointer: Evaluated, span: &Range<usize>) -> Step<Evaluated> {
        match *self.kind_of(pointer.type_id) {
            TypeKind::Pointer { target } => {
                if matches!(self.kind_of(target), TypeKind::Void | TypeKind::Unspecified) {
                    return self.type_error(span, "a void * leads to no type; cast it first");
                }
                self.follow(&pointer, target)
            }
            TypeKind::Array { .. } => self.index(pointer, 0, span),
            TypeKind::Function { .. } => Ok(pointer),
            // As gdb does: an integer is the address of a long.
            TypeKind::Int { .. } => {
                let number = self.number_of(&pointer, span)?;
                let type_id = self.int_type(8, true);
                Ok(Evaluated { place: Ok(Place::Memory(self.address(number.as_int()))), type_id, lvalue: true })
            }
            _ => self.type_error(span, format!("{} is no pointer", self.name_of(pointer.type_id))),
        }
    }

    fn address_of(&self, object: Evaluated, span: &Range<usize>) -> Step<Evaluated> {
        let types = self.scope.types();
        if let TypeKind::Reference { target, .. } = *self.kind_of(object.type_id) {
            let object = self.follow(&object, target)?;
            return self.address_of(object, span);
        }
        let address = match (object.place?, object.lvalue) {
            (Place::Memory(address), true) => address,
            (Place::Bytes(bytes), true) if bytes.register.is_some() => {
                return self.type_error(span, "it is in a register and has no address");
            }
            (_, true) => return self.type_error(span, "it is not in memory as a whole and has no address"),
            (_, false) => return self.type_error(span, "a result has no address"),
        };
        let pointer = types.make_pointer(object.type_id, self.scope.arch().address_size());
        Ok(computed(pointer, self.address_bytes(address.0)))
    }

    fn address_bytes(&self, address: u64) -> Vec<u8> {
        address.to_le_bytes()[..self.scope.arch().address_size()].to_vec()
    }

    fn address(&self, number: i128) -> RunAddr {
        let address = number as u64;
        RunAddr(if self.address_size() == 4 { address & 0xffff_ffff } else { address })
    }

    /// A node's value as a number (an address for pointers, arrays and functions).
    fn number_at(&self, node: &Node, depth: usize) -> Step<Number> {
        let value = self.value_of(node, depth)?;
        self.number_of(&value, &node.span)
    }

    fn integer(&self, node: &Node, depth: usize) -> Step<i128> {
        match self.number_at(node, depth)? {
            Number::Int { value, .. } => Ok(value),
            Number::Float(_) => self.type_error(&node.span, "an integer is needed here"),
        }
    }

    fn number_of(&self, value: &Evaluated, span: &Range<usize>) -> Step<Number> {
        let types = self.scope.types();
        let place = value.place.clone()?;
        if let (TypeKind::Array { .. } | TypeKind::Function { .. }, Place::Memory(address)) =
            (self.kind_of(value.type_id), &place)
        {
            return Ok(Number::int(address.0.into(), (self.address_size(), false)));
        }
        let size = types.size(value.type_id).filter(|size| (1..=16).contains(size));
        let Some(size) = size else {
            return self.type_error(span, format!("a {} is no number", self.name_of(value.type_id)));
        };
        let is_scalar = matches!(
            self.kind_of(value.type_id),
            TypeKind::Int { .. }
                | TypeKind::Char { .. }
                | TypeKind::Bool
                | TypeKind::Float
                | TypeKind::Enum { .. }
                | TypeKind::Pointer { .. }
        );
        if !is_scalar {
            return self.type_error(span, format!("a {} is no number", self.name_of(value.type_id)));
        }
        let bytes = self.bytes(&place, size)?;
        match arithmetic::from_bytes(types, value.type_id, &bytes, self.scope.arch()) {
            Some(number) => Ok(number),
            None => self.type_error(span, format!("a {} is no number", self.name_of(value.type_id))),
        }
    }

    fn unary(&self, operator: &'static str, operand: &Node, depth: usize) -> Step<Evaluated> {
        let number = self.number_at(operand, depth)?;
        if operator == "!" {
            return Ok(self.truth(!number.is_true()));
        }
        match arithmetic::unary(operator, number) {
            Ok(result) => self.number(result, &operand.span),
            Err(message) => self.type_error(&operand.span, message),
        }
    }

    fn binary(
        &self,
        operator: &'static str,
        left: &Node,
        right: &Node,
        depth: usize,
        span: &Range<usize>,
    ) -> Step<Evaluated> {
        if operator == "@" {
            return self.repeated(left, right, depth);
        }
        if matches!(operator, "&&" | "||") {
            let first = self.number_at(left, depth)?.is_true();
            let decided = (operator == "||") == first;
            return Ok(self.truth(if decided { first } else { self.number_at(right, depth)?.is_true() }));
        }
        let (left_value, right_value) = (self.value_of(left, depth)?, self.value_of(right, depth)?);
        if matches!(operator, "+" | "-") {
            let (left_target, right_target) = (self.pointed(&left_value), self.pointed(&right_value));
            match (left_target, right_target, operator) {
                (Some(target), None, _) => {
                    let number = self.number_of(&right_value, &right.span)?.as_int();
                    let count = if operator == "-" { number.wrapping_neg() } else { number };
                    return self.moved(&left_value, target, count, &left.span);
                }
                (None, Some(target), "+") => {
                    let count = self.number_of(&left_value, &left.span)?.as_int();
                    return self.moved(&right_value, target, count, &right.span);
                }
                (Some(target), Some(_), "-") => {
                    let size = self.element_size(target, &left.span)?;
                    let a = self.number_of(&left_value, &left.span)?.as_int();
                    let b = self.number_of(&right_value, &right.span)?.as_int();
                    let distance = a.wrapping_sub(b).wrapping_div(i128::from(size.max(1)));
                    return self.number(Number::int(distance, (self.address_size(), true)), span);
                }
                _ => {}
            }
        }
        let a = self.number_of(&left_value, &left.span)?;
        let b = self.number_of(&right_value, &right.span)?;
        match arithmetic::binary(operator, a, b) {
            Ok(result) if matches!(operator, "==" | "!=" | "<" | ">" | "<=" | ">=") => Ok(self.truth(result.is_true())),
            Ok(result) => self.number(result, span),
            Err(message) => self.type_error(span, message),
        }
    }

    /// What a pointer or array has for elements.
    fn pointed(&self, value: &Evaluated) -> Option<TypeId> {
        match *self.kind_of(value.type_id) {
            TypeKind::Pointer { target } => Some(target),
            TypeKind::Array { element, .. } => Some(element),
            _ => None,
        }
    }

    /// Bytes from one element to the next; 1 for `void` and functions, as in gdb.
    fn element_size(&self, target: TypeId, span: &Range<usize>) -> Step<u64> {
        if matches!(self.kind_of(target), TypeKind::Void | TypeKind::Function { .. }) {
            return Ok(1);
        }
        match self.scope.types().size(target) {
            Some(size) => Ok(size),
            None => self.type_error(span, format!("the size of {} is not known", self.name_of(target))),
        }
    }

    fn stride(&self, array: TypeId, element: TypeId, span: &Range<usize>) -> Step<u64> {
        match self.kind_of(array) {
            TypeKind::Array { stride: Some(stride), .. } => Ok(*stride),
            _ => self.element_size(element, span),
        }
    }

    /// `pointer + count`.
    fn moved(&self, pointer: &Evaluated, target: TypeId, count: i128, span: &Range<usize>) -> Step<Evaluated> {
        let size = self.stride(pointer.type_id, target, span)?;
        let base = self.number_of(pointer, span)?.as_int();
        let address = self.address(base.wrapping_add(count.wrapping_mul(size.into())));
        let type_id = match self.kind_of(pointer.type_id) {
            TypeKind::Pointer { .. } => pointer.type_id,
            _ => self.scope.types().make_pointer(target, self.scope.arch().address_size()),
        };
        Ok(computed(type_id, self.address_bytes(address.0)))
    }

    fn index(&self, array: Evaluated, index: i128, span: &Range<usize>) -> Step<Evaluated> {
        let Some(element) = self.pointed(&array) else {
            return self.type_error(span, format!("{} has no elements", self.name_of(array.type_id)));
        };
        let size = self.stride(array.type_id, element, span)?;
        let distance = index.wrapping_mul(size.into());
        if matches!(self.kind_of(array.type_id), TypeKind::Pointer { .. }) {
            if matches!(self.kind_of(element), TypeKind::Void) {
                return self.type_error(span, "a void * leads to no type; cast it first");
            }
            let first = self.follow(&array, element)?;
            return match first.place {
                Ok(Place::Memory(base)) => {
                    let address = self.address(i128::from(base.0).wrapping_add(distance));
                    Ok(Evaluated { place: Ok(Place::Memory(address)), ..first })
                }
                _ if index == 0 => Ok(first),
                _ => Err(Absent::because(AbsentReason::OptimizedOut, "only the first element is known").into()),
            };
        }
        let place = match array.place? {
            Place::Memory(base) => Place::Memory(self.address(i128::from(base.0).wrapping_add(distance))),
            Place::Bytes(bytes) => {
                let start = usize::try_from(distance).ok();
                let end = start.and_then(|start| start.checked_add(usize::try_from(size).ok()?));
                match start.zip(end).and_then(|(start, end)| slice(&bytes, start, end)) {
                    Some(part) => Place::Bytes(part),
                    None => return self.type_error(span, format!("the array has no element {index}")),
                }
            }
        };
        Ok(Evaluated { place: Ok(place), type_id: element, lvalue: array.lvalue })
    }

    /// `first @ count`: an array of objects from `first` on.
    fn repeated(&self, first: &Node, count: &Node, depth: usize) -> Step<Evaluated> {
        let object = self.value_of(first, depth)?;
        let number = self.integer(count, depth)?;
        let Some(number) = u64::try_from(number).ok().filter(|number| *number > 0) else {
            return self.type_error(&count.span, "the count must be positive");
        };
        if !matches!(object.place, Ok(Place::Memory(_))) || !object.lvalue {
            return self.type_error(&first.span, "only objects in memory can be repeated");
        }
        Ok(Evaluated { type_id: self.array_of(object.type_id, number), ..object })
    }

    fn member(&self, object: &Node, name: &str, depth: usize, span: &Range<usize>) -> Step<Evaluated> {
        let value = match self.value_of(object, depth) {
            Ok(value) => value,
            // Go's globals have dots in their names: main.counter.
            Err(Stop::Error(error)) if error.is_unknown_name() => {
                let dotted =
                    self.text.get(span.clone()).and_then(|path| self.scope.globals(path, None).into_iter().next());
                return match dotted {
                    Some((place, type_id)) => Ok(Evaluated { place, type_id, lvalue: true }),
                    None => Err(Stop::Error(error)),
                };
            }
            Err(stop) => return Err(stop),
        };
        let value = match *self.kind_of(value.type_id) {
            TypeKind::Pointer { target } => self.follow(&value, target)?,
            _ => value,
        };
        let mut object_value = value;
        // A pointer to a reference to an object, as operators may give.
        if let TypeKind::Reference { target, .. } = *self.kind_of(object_value.type_id) {
            object_value = self.follow(&object_value, target)?;
        }
        self.member_of(&object_value, name, span)
    }

    fn member_of(&self, object: &Evaluated, name: &str, span: &Range<usize>) -> Step<Evaluated> {
        let TypeKind::Struct(content) = self.kind_of(object.type_id) else {
            return self.type_error(span, format!("a {} has no members", self.name_of(object.type_id)));
        };
        let Some(found) = self.find_member(object.type_id, name) else {
            let full = format!("{}::{name}", self.name_of(object.type_id));
            if content.statics.iter().any(|(known, ..)| known == name)
                && let Some((place, type_id)) = self.scope.globals(&full, None).into_iter().next()
            {
                return Ok(Evaluated { place, type_id, lvalue: true });
            }
            if content.declaration {
                let message = format!("{} is only declared; nothing tells its members", self.name_of(object.type_id));
                return self.type_error(span, message);
            }
            let known = self.member_names(object.type_id);
            let near = nearest(name, &known).map(|near| format!("; is it {near}?")).unwrap_or_default();
            let message = format!("{} has no member {name}{near}", self.name_of(object.type_id));
            return self.error(ErrorKind::UnknownName, span, message);
        };
        let mut current = object.clone();
        for member in &found.path {
            current = self.step_into(&current, member, span)?;
        }
        Ok(current)
    }

    fn step_into(&self, object: &Evaluated, member: &Member, span: &Range<usize>) -> Step<Evaluated> {
        let place = object.place.clone()?;
        let type_id = member.type_id;
        if let Some((start, width)) = member.bits {
            return self.bit_field(object, &place, type_id, start, width);
        }
        let offset = match &member.offset {
            MemberOffset::Bytes(offset) => *offset,
            MemberOffset::Expression(expression) => {
                let Place::Memory(base) = place else {
                    let detail = "a virtual base is found through its object in memory";
                    return Err(Absent::because(AbsentReason::Unsupported, detail).into());
                };
                let place = Place::Memory(RunAddr(self.scope.computed(expression, base)?));
                return Ok(Evaluated { place: Ok(place), type_id, lvalue: object.lvalue });
            }
        };
        let place = match place {
            Place::Memory(base) => Place::Memory(self.address(i128::from(base.0).wrapping_add(offset.into()))),
            Place::Bytes(bytes) => {
                let size = self.scope.types().size(type_id).unwrap_or(0);
                let start = usize::try_from(offset).ok();
                let end = offset.checked_add(size).and_then(|end| usize::try_from(end).ok());
                match start.zip(end).and_then(|(start, end)| slice(&bytes, start, end)) {
                    Some(part) => Place::Bytes(part),
                    None => return self.type_error(span, "the member lies outside of what is known of its object"),
                }
            }
        };
        Ok(Evaluated { place: Ok(place), type_id, lvalue: object.lvalue })
    }

    /// A bit field's value, as an object of its declared type.
    fn bit_field(&self, object: &Evaluated, place: &Place, type_id: TypeId, start: u64, width: u64) -> Step<Evaluated> {
        let types = self.scope.types();
        let corrupt = || Stop::from(Absent::because(AbsentReason::Corrupt, "the bit field's place makes no sense"));
        let first = start / 8;
        let shift = (start % 8) as u32;
        let count = (u64::from(shift).checked_add(width).ok_or_else(corrupt)?).div_ceil(8);
        if width == 0 || width > 128 || count > 16 {
            return Err(corrupt());
        }
        let bytes = match place {
            Place::Memory(base) => {
                let at = base.checked_add(first).ok_or_else(corrupt)?;
                self.bytes(&Place::Memory(at), count)?
            }
            Place::Bytes(all) => {
                let start = usize::try_from(first).map_err(|_| corrupt())?;
                let part = slice(all, start, start.saturating_add(count as usize)).ok_or_else(corrupt)?;
                self.bytes(&Place::Bytes(part), count)?
            }
        };
        let mut wide = [0; 16];
        wide[..bytes.len()].copy_from_slice(&bytes);
        let unused = 128 - width as u32;
        let raw = (u128::from_le_bytes(wide) >> shift) << unused;
        let signed =
            matches!(self.kind_of(type_id), TypeKind::Int { signed: true } | TypeKind::Char { signed: true, .. })
                || matches!(self.kind_of(type_id), TypeKind::Enum { signed: true, .. });
        let value = if signed { raw as i128 >> unused } else { (raw >> unused) as i128 };
        let size = types.size(type_id).filter(|size| (1..=16).contains(size)).ok_or_else(corrupt)? as usize;
        let _ = object;
        Ok(computed(type_id, value.to_le_bytes()[..size].to_vec()))
    }

    /// The member of that name: the type's own, then those of anonymous members, then those of base classes.
    fn find_member(&self, id: TypeId, name: &str) -> Option<Found> {
        let mut budget = 1000;
        let path = self.find_path(id, name, 0, &mut budget)?;
        Some(Found { path })
    }

    fn find_path(&self, id: TypeId, name: &str, depth: usize, budget: &mut usize) -> Option<Vec<Member>> {
        *budget = budget.checked_sub(1)?;
        let TypeKind::Struct(content) = self.kind_of(id) else { return None };
        let is_named = |member: &&Member| match &member.name {
            // Rust and gdb: a tuple's first field is 0 or __0.
            Some(own) => own == name || own.strip_prefix("__").is_some_and(|digits| digits == name && is_number(name)),
            None => member.base && self.name_of(member.type_id) == name,
        };
        if let Some(member) = content.members.iter().find(is_named) {
            return Some(vec![member.clone()]);
        }
        if depth > 16 {
            return None;
        }
        let nameless = |member: &&Member| member.name.is_none() || member.base;
        content.members.iter().filter(nameless).find_map(|member| {
            let inner = self.find_path(member.type_id, name, depth + 1, budget)?;
            Some(std::iter::once(member.clone()).chain(inner).collect())
        })
    }

    fn member_names(&self, id: TypeId) -> Vec<String> {
        let TypeKind::Struct(content) = self.kind_of(id) else { return Vec::new() };
        content.members.iter().filter_map(|member| member.name.as_deref().map(str::to_owned)).collect()
    }

    fn size_of(&self, id: TypeId, span: &Range<usize>) -> Step<Evaluated> {
        match self.scope.types().size(id) {
            Some(size) => self.number(Number::int(size.into(), (self.address_size(), false)), span),
            None => self.type_error(span, format!("the size of {} is not known", self.name_of(id))),
        }
    }

    fn cast(&self, target: TypeId, value: Evaluated, span: &Range<usize>) -> Step<Evaluated> {
        let types = self.scope.types();
        match self.kind_of(target) {
            TypeKind::Reference { target: object, .. } => {
                // What is there, seen as another type.
                Ok(Evaluated { type_id: *object, ..value })
            }
            TypeKind::Struct(_) | TypeKind::Array { .. } | TypeKind::Complex => {
                if types.size(target) != types.size(value.type_id) {
                    let (from, to) = (self.name_of(value.type_id), self.name_of(target));
                    return self.type_error(span, format!("a {from} cannot be seen as a {to}: the sizes differ"));
                }
                Ok(Evaluated { type_id: target, ..value })
            }
            TypeKind::Void => Ok(Evaluated { type_id: target, place: value.place, lvalue: false }),
            _ => {
                // A pointer to what the compiler dropped stays one.
                if let (TypeKind::Pointer { .. }, TypeKind::Pointer { .. }) =
                    (self.kind_of(target), self.kind_of(value.type_id))
                {
                    return Ok(Evaluated { type_id: target, ..value });
                }
                let number = self.number_of(&value, span)?;
                self.number_as(target, number, span)
            }
        }
    }

    fn type_of(&self, type_name: &TypeName) -> Step<TypeId> {
        let types = self.scope.types();
        let first = type_name.base.split(' ').next().unwrap_or("");
        let mut id = if BUILTIN_WORDS.contains(&first) {
            self.make(&type_name.base)
        } else {
            match self.scope.find_type(&type_name.base) {
                Some(id) => id,
                None => {
                    let message = format!("no type named {}", type_name.base);
                    return self.error(ErrorKind::UnknownName, &type_name.span, message);
                }
            }
        };
        for derivation in &type_name.derivations {
            id = match derivation {
                Derivation::Pointer => types.make_pointer(id, self.scope.arch().address_size()),
                Derivation::Array(count) => self.array_of(id, *count),
                Derivation::Reference => types.make(Type {
                    name: None,
                    size: Some(self.address_size()),
                    language: types.get(id).language,
                    kind: TypeKind::Reference { target: id, rvalue: false },
                }),
            };
        }
        Ok(id)
    }
}

fn is_number(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit())
}

fn computed(type_id: TypeId, data: Vec<u8>) -> Evaluated {
    let place = Place::Bytes(PlaceBytes { data, ..PlaceBytes::default() });
    Evaluated { place: Ok(place), type_id, lvalue: false }
}

/// The part of an object from `start` to `end`, with the holes and pointers that lie in it.
fn slice(bytes: &PlaceBytes, start: usize, end: usize) -> Option<PlaceBytes> {
    let data = bytes.data.get(start..end)?.to_vec();
    let holes = bytes.holes.iter().filter(|(from, to, _)| *from < end && *to > start);
    let holes = holes.map(|(from, to, absent)| (from.saturating_sub(start), (*to).min(end) - start, absent.clone()));
    let pointers = bytes.implicit_pointers.iter().filter(|(at, ..)| (start..end).contains(at));
    let pointers = pointers.map(|(at, place, type_id)| (at - start, place.clone(), *type_id));
    Some(PlaceBytes { data, holes: holes.collect(), implicit_pointers: pointers.collect(), register: bytes.register })
}
