//! What a Rust trait object's vtable holds (rust `compiler/rustc_middle/src/ty/vtable.rs`, Rust 1.56 to 1.95).
//!
//! ```text
//! &dyn Trait: pointer ──> object
//!             vtable ───> drop, size, align, [methods, vtables of supertraits]
//! ```
//!
//! How many slots there are, the table does not say. The debug information may: of the table itself (a structure with a
//! member for each slot), or of the pointer to it (an array of as many words as the trait needs at least).

use super::eval::{Evaluated, Evaluator, Step, Stop, evaluate};
use super::variables::Variables;
use super::{ExprError, Scope};
use crate::addr::RunAddr;
use crate::types::{Count, MemberOffset, StructType, TypeId, TypeKind};
use crate::value::{Absent, AbsentReason};

/// Structures within each other until the two words come.
const MAX_NESTING: usize = 8;
/// Slots of one table.
const MAX_SLOTS: u64 = 4096;
/// Drop, size, alignment.
const COMMON: u64 = 3;

/// The vtable of a trait object.
#[derive(Clone, Debug)]
pub struct TraitTable {
    /// `<v::Circle as v::Shape>` where the debug information describes the table, else the pointer's type.
    pub name: String,
    /// Where it is.
    pub address: RunAddr,
    /// Where the object is.
    pub object: Result<RunAddr, Absent>,
    /// What it is dropped by; null where nothing is to be done.
    pub drop: Result<RunAddr, Absent>,
    /// Bytes of the object.
    pub size: Result<u64, Absent>,
    /// Of the object.
    pub alignment: Result<u64, Absent>,
    /// What follows, by number of the slot.
    pub slots: Vec<(u64, TraitSlot)>,
    /// Whether these are all.
    pub end: TableEnd,
}

/// A slot behind the three that all vtables have.
#[derive(Clone, Debug)]
pub enum TraitSlot {
    /// A method's code.
    Method(Result<RunAddr, Absent>),
    /// The table of the same object for a supertrait.
    Supertrait(Result<RunAddr, Absent>),
}

/// How the end of a vtable is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TableEnd {
    /// By its own type or symbol.
    Known,
    /// The trait has at least so many methods, but those of supertraits may follow.
    AtLeast,
    /// Not at all, so that no method is listed.
    Unknown,
}

/// The vtable of the trait object that an expression gives, or points to; `None` where it is none.
pub fn trait_table(
    scope: &dyn Scope,
    text: &str,
    variables: &mut Variables,
) -> Result<Result<Option<TraitTable>, Absent>, ExprError> {
    let value = evaluate(scope, text, variables)?;
    let evaluator = Evaluator::new(scope, text, variables);
    match evaluator.trait_table_of(value) {
        Ok(table) => Ok(Ok(table)),
        Err(Stop::Hole(absent)) => Ok(Err(absent)),
        Err(Stop::Error(error)) => Err(*error),
    }
}

impl Evaluator<'_> {
    fn trait_table_of(&self, value: Evaluated) -> Step<Option<TraitTable>> {
        let mut value = value;
        let mut pointers = 1;
        let pointer = loop {
            match *self.kind_of(value.type_id) {
                TypeKind::Pointer { target } | TypeKind::Reference { target, .. } if pointers > 0 => {
                    value = self.follow(&value, target)?;
                    pointers -= 1;
                }
                _ => match self.fat_pointer(&value, 0)? {
                    Some(pointer) => break pointer,
                    None => return Ok(None),
                },
            }
        };
        let TypeKind::Struct(content) = self.kind_of(pointer.type_id) else { return Ok(None) };
        let word = |name: &str| -> Step<Option<(u64, TypeId)>> {
            let Some(member) = content.members.iter().find(|member| member.name.as_deref() == Some(name)) else {
                return Ok(None);
            };
            let part = self.step_into(&pointer, member, &(0..self.text.len()))?;
            let bytes = self.bytes(&part.place?, self.address_size())?;
            let address = bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
            Ok(Some((address, member.type_id)))
        };
        let (Some((data, _)), Some((vtable, vtable_type))) = (word("pointer")?, word("vtable")?) else {
            return Ok(None);
        };
        self.table_at(RunAddr(vtable), data, self.name_of(pointer.type_id), vtable_type).map(Some)
    }

    /// The two words of a trait object, which the library's pointers hold some structures deep.
    fn fat_pointer(&self, value: &Evaluated, nesting: usize) -> Step<Option<Evaluated>> {
        let TypeKind::Struct(content) = self.kind_of(value.type_id) else { return Ok(None) };
        let has = |wanted: &str| content.members.iter().any(|member| member.name.as_deref() == Some(wanted));
        if has("pointer") && has("vtable") {
            return Ok(Some(value.clone()));
        }
        let name = self.name_of(value.type_id);
        let is_wrapper = ["alloc::", "core::", "std::"].iter().any(|library| name.starts_with(library));
        if nesting >= MAX_NESTING || !is_wrapper {
            return Ok(None);
        }
        for member in content.members.iter().filter(|member| matches!(member.offset, MemberOffset::Bytes(_))) {
            let part = self.step_into(value, member, &(0..self.text.len()))?;
            if let Some(found) = self.fat_pointer(&part, nesting + 1)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn table_at(&self, address: RunAddr, data: u64, pointer: &str, vtable_type: TypeId) -> Step<TraitTable> {
        let slot = |number: u64| -> Result<u64, Absent> {
            let at = number.checked_mul(self.address_size()).and_then(|offset| address.0.checked_add(offset));
            let at = at.ok_or_else(|| Absent::because(AbsentReason::Corrupt, "beyond the address space"))?;
            self.scope.memory().read_uint(RunAddr(at), self.address_size() as usize).map_err(Absent::from)
        };
        let Some(symbols) = self.scope.symbols() else {
            return Err(Absent::because(AbsentReason::NoDebugInfo, "no symbols").into());
        };
        let (drop, size, alignment) = (slot(0), slot(1), slot(2));
        let is_drop = |drop: u64| drop == 0 || symbols.is_code(RunAddr(drop));
        let is_table = drop.as_ref().map_or(true, |drop| is_drop(*drop))
            && alignment.as_ref().map_or(true, |alignment| alignment.is_power_of_two());
        if !is_table {
            let detail = format!("what the pointer has for its vtable, {address}, is none");
            return Err(Absent { address: Some(address), ..Absent::because(AbsentReason::Corrupt, detail) }.into());
        }
        let types = self.scope.types();
        let layout = symbols.vtable_layout(address).map(|id| types.complete(types.strip(id)));
        let layout = layout.filter(
            |id| matches!(self.kind_of(*id), TypeKind::Struct(content) if is_known(content, self.address_size())),
        );
        let mut name = pointer.to_owned();
        let mut slots = Vec::new();
        let code = |number: u64| match slot(number) {
            Ok(code) if !symbols.is_code(RunAddr(code)) => {
                let detail = format!("{} is no code", RunAddr(code));
                Err(Absent::because(AbsentReason::Corrupt, detail))
            }
            code => code.map(RunAddr),
        };
        let end = if let Some(layout) = layout
            && let TypeKind::Struct(content) = self.kind_of(layout)
        {
            let whole = self.name_of(layout);
            name = whole.strip_suffix("::{vtable_type}").unwrap_or(whole).to_owned();
            for member in content.members.iter().take(MAX_SLOTS as usize) {
                let MemberOffset::Bytes(offset) = member.offset else { continue };
                let (number, text) = (offset / self.address_size(), member.name.as_deref().unwrap_or_default());
                if text.starts_with("__method") {
                    slots.push((number, TraitSlot::Method(code(number))));
                } else if text.starts_with("__super_trait_ptr") {
                    slots.push((number, TraitSlot::Supertrait(slot(number).map(RunAddr))));
                }
            }
            TableEnd::Known
        } else {
            let by_symbol = symbols.extent(address).filter(|(start, size)| *start == address && *size > 0);
            let (count, end) = match (by_symbol, self.words_of(vtable_type)) {
                (Some((_, size)), _) => (size / self.address_size(), TableEnd::Known),
                // Before the array told it, every one had three.
                (None, Some(count)) if count > COMMON => (count, TableEnd::AtLeast),
                _ => (COMMON, TableEnd::Unknown),
            };
            slots.extend((COMMON..count.min(MAX_SLOTS)).map(|number| {
                let other = slot(number);
                match other {
                    Ok(table) if !symbols.is_code(RunAddr(table)) => {
                        (number, TraitSlot::Supertrait(Ok(RunAddr(table))))
                    }
                    _ => (number, TraitSlot::Method(code(number))),
                }
            }));
            end
        };
        let object = match (block_of(pointer), &alignment) {
            (Some(Block::Object), _) => Ok(data),
            // An `Rc`'s or `Arc`'s object is behind both counts.
            (Some(Block::Counted), Ok(alignment)) => {
                let offset = (2 * self.address_size()).checked_next_multiple_of(*alignment);
                let at = offset.and_then(|offset| data.checked_add(offset));
                at.ok_or_else(|| Absent::because(AbsentReason::Corrupt, "beyond the address space"))
            }
            (Some(Block::Counted), Err(absent)) => Err(absent.clone()),
            (None, _) => {
                let detail = format!("somewhere in what {} points to", RunAddr(data));
                Err(Absent::because(AbsentReason::Unsupported, detail))
            }
        };
        let (object, drop) = (object.map(RunAddr), drop.map(RunAddr));
        Ok(TraitTable { name, address, object, drop, size, alignment, slots, end })
    }

    /// Elements of the array that a pointer to a vtable says it points to.
    fn words_of(&self, vtable_type: TypeId) -> Option<u64> {
        let (TypeKind::Pointer { target } | TypeKind::Reference { target, .. }) = *self.kind_of(vtable_type) else {
            return None;
        };
        match self.kind_of(target) {
            TypeKind::Array { count: Count::Fixed(count), .. } => Some(*count),
            _ => None,
        }
    }
}

/// Whether it begins as every vtable does.
fn is_known(content: &StructType, word: u64) -> bool {
    let begins = ["drop_in_place", "size", "align"];
    content.members.len() >= begins.len()
        && (0u64..).zip(begins.iter().zip(&content.members)).all(|(number, (name, member))| {
            member.name.as_deref() == Some(name)
                && matches!(member.offset, MemberOffset::Bytes(at) if at == number * word)
        })
}

/// What a trait object's pointer leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Block {
    Object,
    /// The object, with counts before it.
    Counted,
}

/// By the pointer's type; `None` where the object lies deeper, as in a `&RefCell<dyn Trait>`.
fn block_of(pointer: &str) -> Option<Block> {
    let pointers = ["&mut ", "&", "*const ", "*mut ", "alloc::boxed::Box<"];
    let mut inside = pointers.iter().find_map(|pointer_word| pointer.strip_prefix(pointer_word))?;
    let mut block = Block::Object;
    for counted in ["alloc::rc::RcInner<", "alloc::rc::RcBox<", "alloc::sync::ArcInner<"] {
        if let Some(behind) = inside.strip_prefix(counted) {
            (inside, block) = (behind, Block::Counted);
        }
    }
    (inside.starts_with("dyn ") || inside.starts_with("(dyn ")).then_some(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_objects_are() {
        for (pointer, expected) in [
            ("&dyn v::Shape", Some(Block::Object)),
            ("&mut (dyn core::fmt::Display + core::marker::Send)", Some(Block::Object)),
            ("alloc::boxed::Box<dyn v::Shape, alloc::alloc::Global>", Some(Block::Object)),
            ("*const alloc::rc::RcInner<dyn v::Shape>", Some(Block::Counted)),
            ("*mut alloc::sync::ArcInner<(dyn v::Shape + core::marker::Send)>", Some(Block::Counted)),
            ("*const alloc::rc::RcInner<core::cell::RefCell<dyn v::Shape>>", None),
            ("&core::cell::RefCell<dyn v::Shape>", None),
        ] {
            assert_eq!(block_of(pointer), expected, "{pointer}");
        }
    }
}
