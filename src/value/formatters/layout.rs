//! Where C and C++ place what DWARF does not describe: alignments.

use crate::types::{Member, MemberOffset, TypeId, TypeKind, TypeTable};

/// Structures within structures.
const MAX_NESTING: usize = 32;
/// No type of the ABIs at hand is aligned more without being told so.
const MAX_ALIGNMENT: u64 = 16;

/// What a program may ask for (gcc's limit is 2^28).
const MAX_ASKED: u64 = 1 << 28;

/// A type's alignment in bytes as the platform's ABI derives it: a number's size, a structure's largest member's.
/// What `alignas` asks of a structure counts, too. `None` where the type is not complete.
pub(super) fn alignment(types: &TypeTable, id: TypeId, word: u64) -> Option<u64> {
    within(types, id, word, 0)
}

fn within(types: &TypeTable, id: TypeId, word: u64, nesting: usize) -> Option<u64> {
    if nesting > MAX_NESTING {
        return None;
    }
    let (_, definition) = types.stripped(id);
    match &definition.kind {
        TypeKind::Array { element, .. } => within(types, *element, word, nesting + 1),
        TypeKind::Struct(content) if content.declaration => None,
        TypeKind::Struct(content) => {
            let variants = content.variants.iter().flat_map(|part| {
                part.discriminant.iter().chain(part.variants.iter().flat_map(|variant| &variant.members))
            });
            let mut largest = content.alignment.unwrap_or(1).clamp(1, MAX_ASKED);
            for member in content.members.iter().chain(variants) {
                match within(types, member.type_id, word, nesting + 1) {
                    Some(alignment) => {
                        let asked = member.alignment.unwrap_or(1).clamp(1, MAX_ASKED);
                        largest = largest.max(alignment).max(asked);
                    }
                    // Clang only declares empty bases such as allocators; the next member lies where they begin.
                    None if member.base && shares_place(types, &content.members, member) => {}
                    None => return None,
                }
            }
            Some(largest)
        }
        TypeKind::Pointer { .. } | TypeKind::Reference { .. } | TypeKind::MemberPointer { .. } => Some(word),
        TypeKind::Unspecified => Some(word),
        TypeKind::Complex => Some((definition.size? / 2).clamp(1, MAX_ALIGNMENT)),
        // i386 aligns eight-byte numbers to four (System V ABI, Intel386 supplement, table 3-1: in structures).
        _ => {
            let size = definition.size?.clamp(1, MAX_ALIGNMENT);
            let size = if size.is_power_of_two() { size } else { size.next_power_of_two() / 2 };
            Some(if word == 4 { size.min(4) } else { size })
        }
    }
}

/// Whether another member with a size begins where this one does: then this one is empty.
fn shares_place(types: &TypeTable, members: &[Member], empty: &Member) -> bool {
    let MemberOffset::Bytes(place) = empty.offset else { return false };
    members.iter().any(|member| {
        matches!(member.offset, MemberOffset::Bytes(offset) if offset == place)
            && types.size(member.type_id).is_some_and(|size| size > 0)
    })
}
