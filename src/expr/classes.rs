//! What a C++ object says of its class: its virtual tables, and its `std::type_info` (Itanium C++ ABI, 2.5.2 and 2.9.3).
//!
//! ```text
//! object: vptr ──> vtable for T: … offset to top, typeinfo, [functions]   offset to top, typeinfo, [functions of a base]
//! ```

use std::collections::HashSet;
use std::ops::Range;

use super::eval::{Evaluated, Evaluator, Step, Stop, evaluate};
use super::tree::{Node, TypeName};
use super::variables::Variables;
use super::{ErrorKind, ExprError, Scope};
use crate::addr::RunAddr;
use crate::order::Order;
use crate::types::{Language, Member, StructKind, StructType, Type, TypeId, TypeKind};
use crate::value::{Absent, AbsentReason, Place};

/// Subobjects of one object whose tables are looked for.
const MAX_SUBOBJECTS: usize = 1024;
/// Functions of one table.
const MAX_FUNCTIONS: u64 = 4096;
/// Base classes within each other.
const MAX_BASES: usize = 32;
/// The class of what `typeid` gives.
const TYPE_INFO: &str = "std::type_info";

/// The virtual functions of an object, or of one of its base classes where those have a table of their own.
#[derive(Clone, Debug)]
pub struct VirtualTable {
    /// The class.
    pub class: TypeId,
    /// Where its functions begin: what the object's vptr says.
    pub address: RunAddr,
    /// Where the object, or its part, is.
    pub object: RunAddr,
    /// The functions in order. One that cannot be read is the last: what follows is not known either.
    pub functions: Vec<Result<RunAddr, Absent>>,
}

/// The virtual tables of the object that an expression gives, or points to: by address, so its own first,
/// or rather that of the derived object that it is a part of. None at all where its class has no virtual functions.
pub fn virtual_tables(
    scope: &dyn Scope,
    text: &str,
    variables: &mut Variables,
) -> Result<Result<Vec<VirtualTable>, Absent>, ExprError> {
    let value = evaluate(scope, text, variables)?;
    let evaluator = Evaluator::new(scope, text, variables);
    match evaluator.tables_of(value) {
        Ok(tables) => Ok(Ok(tables)),
        Err(Stop::Hole(absent)) => Ok(Err(absent)),
        Err(Stop::Error(error)) => Err(*error),
    }
}

impl Evaluator<'_> {
    fn tables_of(&self, value: Evaluated) -> Step<Vec<VirtualTable>> {
        let mut object = value;
        // gdb goes through one pointer and all references; a smart pointer stands for what it points to.
        let mut pointers = 1;
        loop {
            match *self.kind_of(object.type_id) {
                TypeKind::Pointer { target } if pointers > 0 => {
                    object = self.follow(&object, target)?;
                    pointers -= 1;
                }
                TypeKind::Reference { target, .. } => object = self.follow(&object, target)?,
                TypeKind::Struct(_) if pointers > 0 && !self.is_polymorphic(object.type_id) => {
                    match self.dereferenced_view(&object, &(0..self.text.len())) {
                        Some(inner) => object = inner?,
                        None => break,
                    }
                    pointers -= 1;
                }
                _ => break,
            }
        }
        if !self.is_polymorphic(object.type_id) {
            return Ok(Vec::new());
        }
        object = self.whole_object(&object).unwrap_or(object);
        let mut parts = Vec::new();
        self.polymorphic_parts(object, 0, &mut HashSet::new(), &mut parts);
        parts.order_by_key(|(address, _)| *address);
        let mut tables = Vec::new();
        for (address, class) in parts {
            let vptr = self.scope.memory().read_uint(address, self.address_size() as usize)?;
            tables.push(VirtualTable { class, address: RunAddr(vptr), object: address, functions: Vec::new() });
        }
        let starts: Vec<u64> = tables.iter().map(|table| table.address.0).collect();
        for table in &mut tables {
            let following = starts.iter().copied().filter(|start| *start > table.address.0).min();
            table.functions = self.functions_of(table.address, following)?;
        }
        // A class may have virtual bases alone.
        tables.retain(|table| !table.functions.is_empty());
        Ok(tables)
    }

    /// The object and those of its bases that begin elsewhere and have a vptr of their own.
    fn polymorphic_parts(
        &self,
        object: Evaluated,
        nesting: usize,
        seen: &mut HashSet<u64>,
        parts: &mut Vec<(RunAddr, TypeId)>,
    ) {
        let Ok(Place::Memory(address)) = object.place else { return };
        if nesting > MAX_BASES || parts.len() >= MAX_SUBOBJECTS || !self.is_polymorphic(object.type_id) {
            return;
        }
        if seen.insert(address.0) {
            parts.push((address, self.scope.types().strip(object.type_id)));
        }
        let TypeKind::Struct(content) = self.kind_of(object.type_id) else { return };
        for base in content.members.iter().filter(|member| member.base) {
            if let Ok(part) = self.step_into(&object, base, &(0..0)) {
                self.polymorphic_parts(part, nesting + 1, seen, parts);
            }
        }
    }

    /// The functions from `start` on, as far as the table's symbol goes and what is there is code. The next table of the
    /// same object ends them too.
    fn functions_of(&self, start: RunAddr, following: Option<u64>) -> Step<Vec<Result<RunAddr, Absent>>> {
        let word = self.address_size();
        let Some(symbols) = self.scope.symbols() else { return Ok(Vec::new()) };
        let limit = start.0.saturating_add(MAX_FUNCTIONS * word);
        // Without functions the table ends where they would begin.
        let within = RunAddr(start.0.saturating_sub(1));
        let named = symbols.extent(within).map_or(limit, |(first, size)| match size {
            0 => limit,
            size => first.0.saturating_add(size),
        });
        // Two words come before the functions of the next one.
        let following = following.map_or(limit, |following| following.saturating_sub(2 * word));
        let end = limit.min(named).min(following);
        let mut functions = Vec::new();
        let mut at = start.0;
        while at.checked_add(word).is_some_and(|next| next <= end) {
            match self.scope.memory().read_uint(RunAddr(at), word as usize) {
                Ok(function) if function == 0 || symbols.is_code(RunAddr(function)) => {
                    functions.push(Ok(RunAddr(function)));
                }
                Ok(_) => break,
                Err(missing) => {
                    functions.push(Err(missing.into()));
                    break;
                }
            }
            at += word;
        }
        // An abstract class has null for its destructors, but nothing ends in null.
        while matches!(functions.last(), Some(Ok(RunAddr(0)))) {
            functions.pop();
        }
        if functions.is_empty() && !self.has_type_info(start) {
            let detail = format!("the object's vptr {start} leads to no table of functions");
            return Err(Absent::because(AbsentReason::Corrupt, detail).into());
        }
        Ok(functions)
    }

    /// `typeid(type)`
    #[inline(never)]
    pub(super) fn typeid_of_type(&self, type_name: &TypeName) -> Step<Evaluated> {
        let type_id = self.type_of(type_name)?;
        self.static_type_info(type_id, &type_name.span)
    }

    /// `typeid(a)`: of the whole object, where its class has virtual functions.
    #[inline(never)]
    pub(super) fn typeid_of_value(&self, operand: &Node, depth: usize) -> Step<Evaluated> {
        let value = self.value_of(operand, depth)?;
        if !self.is_polymorphic(value.type_id) || !value.lvalue {
            return self.static_type_info(value.type_id, &operand.span);
        }
        if self.dry.get() {
            return Ok(self.anywhere(self.type_info()));
        }
        let Place::Memory(address) = value.place.clone()? else {
            return self.static_type_info(value.type_id, &operand.span);
        };
        let word = self.address_size();
        let memory = self.scope.memory();
        let vptr = memory.read_uint(address, word as usize)?;
        let wrong = || {
            let detail = format!("the object's vptr {vptr:#x} leads to no type_info");
            Stop::Hole(Absent { address: Some(address), ..Absent::because(AbsentReason::Corrupt, detail) })
        };
        let before = vptr.checked_sub(word).ok_or_else(wrong)?;
        let info = RunAddr(memory.read_uint(RunAddr(before), word as usize).map_err(|_| wrong())?);
        self.is_type_info(info)
            .then(|| Evaluated::new(Ok(Place::Memory(info)), self.type_info(), true))
            .ok_or_else(wrong)
    }

    /// Whether what comes before a table's functions says a class.
    fn has_type_info(&self, table: RunAddr) -> bool {
        let word = self.address_size();
        let before = table.0.checked_sub(word).map(RunAddr);
        let info = before.and_then(|before| self.scope.memory().read_uint(before, word as usize).ok());
        info.is_some_and(|info| self.is_type_info(RunAddr(info)))
    }

    /// Either its symbol says so, or it is of a class that the C++ library has for them.
    fn is_type_info(&self, address: RunAddr) -> bool {
        let Some(symbols) = self.scope.symbols() else { return false };
        if symbols.symbol(address).is_some_and(|name| name.starts_with("typeinfo for ") && !name.contains('+')) {
            return true;
        }
        let class = self.scope.memory().read_uint(address, self.address_size() as usize);
        let class = class.ok().and_then(|class| symbols.symbol(RunAddr(class)));
        class.is_some_and(|name| name.starts_with("vtable for __cxxabiv1::"))
    }

    fn static_type_info(&self, type_id: TypeId, span: &Range<usize>) -> Step<Evaluated> {
        let types = self.scope.types();
        let mut id = type_id;
        if let TypeKind::Reference { target, .. } = types.get(types.strip(id)).kind {
            id = target;
        }
        let name = types.name(types.strip(id));
        let found = self.scope.symbols().and_then(|symbols| symbols.type_info(name));
        match found {
            Some(_) if self.dry.get() => Ok(self.anywhere(self.type_info())),
            Some(address) => Ok(Evaluated::new(Ok(Place::Memory(address)), self.type_info(), true)),
            None => {
                let message = format!("could not find typeinfo symbol 'typeinfo for {name}'");
                self.error(ErrorKind::UnknownName, span, message)
            }
        }
    }

    /// `std::type_info`; where the program does not describe it, what every one of them begins with.
    fn type_info(&self) -> TypeId {
        let types = self.scope.types();
        let known = self.scope.find_type(TYPE_INFO).map(|id| types.complete(types.strip(id)));
        let is_whole = |id: &TypeId| matches!(self.kind_of(*id), TypeKind::Struct(content) if !content.declaration);
        known.filter(is_whole).unwrap_or_else(|| self.made_once(TYPE_INFO, || self.minimal_type_info()))
    }

    /// A type that the program may not have, made once under that name.
    pub(super) fn made_once(&self, name: &str, make: impl FnOnce() -> TypeId) -> TypeId {
        if let Some(known) = self.made.borrow().get(name) {
            return *known;
        }
        let id = make();
        self.made.borrow_mut().insert(name.to_owned(), id);
        id
    }

    fn minimal_type_info(&self) -> TypeId {
        let types = self.scope.types();
        let word = self.address_size();
        let character = self.make("char");
        let constant = Type {
            name: Some("const char".to_owned()),
            size: Some(1),
            language: Language::Cpp,
            kind: TypeKind::Qualified { qualifier: "const", target: character },
        };
        let member = |name: &'static str, target: TypeId, offset: u64, artificial: bool| Member {
            artificial,
            ..Member::of(Some(name.into()), self.pointer_to(target), offset)
        };
        let members = vec![
            member("_vptr.type_info", self.make("void"), 0, true),
            member("__name", types.make(constant), word, false),
        ];
        let content = StructType::of(StructKind::Class, members);
        let size = Some(2 * word);
        let name = Some(TYPE_INFO.to_owned());
        types.make(Type { name, size, language: Language::Cpp, kind: TypeKind::Struct(content) })
    }

    /// `==` of two `type_info`s: they are of one type where they are one, or are called alike.
    pub(super) fn same_type_info(&self, left: &Evaluated, right: &Evaluated) -> Step<Option<bool>> {
        let is_it = |value: &Evaluated| {
            matches!(self.kind_of(value.type_id), TypeKind::Struct(_))
                && self.name_of(self.scope.types().strip(value.type_id)) == TYPE_INFO
        };
        if !is_it(left) || !is_it(right) {
            return Ok(None);
        }
        let (left, right) = (left.place.clone()?, right.place.clone()?);
        if left == right || self.dry.get() {
            return Ok(Some(true));
        }
        let name = |place: Place| -> Step<Vec<u8>> {
            const LONGEST: usize = 1 << 12;
            let Place::Memory(address) = place else { return Ok(Vec::new()) };
            let (memory, word) = (self.scope.memory(), self.address_size());
            let name = memory.read_uint(RunAddr(address.0.wrapping_add(word)), word as usize)?;
            Ok(memory.read_c_string(RunAddr(name), LONGEST)?.0)
        };
        let (left, right) = (name(left)?, name(right)?);
        // Of names that begin with a star, only their places count.
        Ok(Some(left == right && !left.is_empty() && !left.starts_with(b"*")))
    }
}
