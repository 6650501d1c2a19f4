//! The whole object that a C++ pointer to a base class leads into, by its vtable (Itanium C++ ABI, sections 2.5.2, 2.9.5).
//!
//! ```text
//! object: vptr ──> vtable for T: … offset to top, typeinfo, [functions]
//!                                                           ^ vptr
//! ```
//!
//! Taken only where both the vtable and the type information behind it are symbols of the same class, that class is
//! known with all of its members, and what the pointer says is a base of it at just that place.

use super::decode::Decoder;
use crate::addr::RunAddr;
use crate::types::{Language, MemberOffset, TypeId, TypeKind};

/// Base classes within each other.
const MAX_NESTING: usize = 32;
/// Bytes from an object's start to the farthest of its bases.
const MAX_OFFSET: u64 = 1 << 24;

impl Decoder<'_> {
    /// Whether objects of the class begin with a pointer to a vtable.
    pub fn is_polymorphic(&self, class: TypeId) -> bool {
        self.begins_with_vptr(class, 0)
    }

    fn begins_with_vptr(&self, class: TypeId, nesting: usize) -> bool {
        let (_, definition) = self.types.stripped(class);
        let TypeKind::Struct(content) = &definition.kind else { return false };
        definition.language == Language::Cpp
            && nesting < MAX_NESTING
            && content.members.iter().any(|member| match member.offset {
                MemberOffset::Bytes(0) if member.base => self.begins_with_vptr(member.type_id, nesting + 1),
                MemberOffset::Bytes(0) => member.name.as_deref().is_some_and(|name| name.starts_with("_vptr")),
                MemberOffset::Bytes(_) => false,
                // Virtual bases are found through the vtable.
                MemberOffset::Expression(_) => member.base,
            })
    }

    /// The object of a derived class that the `class` object at `address` is a base of: where it begins, and its class.
    pub fn whole_object(&self, address: RunAddr, class: TypeId) -> Option<(RunAddr, TypeId)> {
        if !self.is_polymorphic(class) {
            return None;
        }
        let symbols = self.symbols?;
        let word = self.arch.address_size() as u64;
        let vptr = self.memory.read_uint(address, word as usize).ok()?;
        let vtable = symbols.symbol(RunAddr(vptr))?;
        let name = vtable.strip_prefix("vtable for ")?;
        let name = &name[..name.rfind('+')?];
        let type_info = self.memory.read_uint(RunAddr(vptr.checked_sub(word)?), word as usize).ok()?;
        if symbols.symbol(RunAddr(type_info))?.strip_prefix("typeinfo for ")? != name {
            return None;
        }
        let to_top = self.memory.read_uint(RunAddr(vptr.checked_sub(2 * word)?), word as usize).ok()?;
        let offset = if word == 4 { u64::from((to_top as u32).wrapping_neg()) } else { to_top.wrapping_neg() };
        if offset > MAX_OFFSET {
            return None;
        }
        let found = symbols.find_type(name).or_else(|| symbols.find_type(&name.replace("> >", ">>")))?;
        let found = self.types.complete(self.types.strip(found));
        let is_whole = matches!(&self.types.get(found).kind, TypeKind::Struct(content) if !content.declaration);
        if !is_whole || !self.has_base(found, class, offset, 0) {
            return None;
        }
        Some((RunAddr(address.0.checked_sub(offset)?), found))
    }

    fn has_base(&self, class: TypeId, base: TypeId, offset: u64, nesting: usize) -> bool {
        let (_, definition) = self.types.stripped(class);
        let TypeKind::Struct(content) = &definition.kind else { return false };
        let wanted = self.types.name(self.types.strip(base));
        nesting < MAX_NESTING
            && content.members.iter().filter(|member| member.base).any(|member| {
                let is_it = self.types.name(self.types.strip(member.type_id)) == wanted;
                match member.offset {
                    MemberOffset::Bytes(at) => {
                        is_it && at == offset
                            || offset >= at && self.has_base(member.type_id, base, offset - at, nesting + 1)
                    }
                    // Where a virtual base is, the vtable says; that it is one must do.
                    MemberOffset::Expression(_) => is_it || self.has_base(member.type_id, base, offset, nesting + 1),
                }
            })
    }
}
