//! Types out of DWARF (versions 2 to 5, as gcc, clang, rustc and Go write them).
//!
//! A DIE becomes a [`Type`] whose references are slots of the table, so nothing is read before somebody looks. While
//! a slot is being filled no other slot is: what a definition needs of another DIE (a base type's sign, a template
//! argument's name) is read from that DIE directly, bounded, and never through the table. So no cycle in hostile
//! DWARF can wait for itself.

mod array;
mod attributes;
mod go;
mod names;
mod range;
mod structure;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::sync::{Arc, OnceLock};

use gimli::constants as dw;

use super::go::GoType;
use super::table::TypeProvider;
use super::{Language, Method, Name, StructKind, StructType, Type, TypeId, TypeKind, TypeTable};
use crate::module::{DieRef, Unit, Units};
use attributes::Entry;
pub(crate) use structure::default_access;

/// Enumerators that one enumeration may have, members that one structure may have, parameters of one function.
const MAX_CHILDREN: usize = 100_000;
/// References followed from one DIE to the next (DW_AT_specification, DW_AT_signature, typedefs of an integer).
const MAX_HOPS: usize = 16;

/// Types that spelling one type's template arguments may read.
const MAX_STEPS: usize = 1000;

/// Reads types from the program's units.
pub struct DwarfTypes {
    units: Arc<dyn Units>,
    /// One `void` a language, so that all `void *` of a program share their target.
    voids: [OnceLock<TypeId>; 5],
}

impl DwarfTypes {
    /// A reader over all units of all modules.
    pub fn new(units: Arc<dyn Units>) -> DwarfTypes {
        DwarfTypes { units, voids: [const { OnceLock::new() }; 5] }
    }
}

impl TypeProvider for DwarfTypes {
    fn load(&self, die: DieRef, table: &TypeTable) -> Type {
        let loader = Loader { units: &*self.units, table, voids: &self.voids, steps: Cell::new(MAX_STEPS) };
        loader.load(die, 0)
    }

    fn find_definition(&self, die: DieRef, declared: &Type) -> Option<DieRef> {
        self.units.find_definition(die, declared.name.as_deref()?)
    }

    fn rust_minor(&self, die: DieRef) -> Option<u16> {
        self.units.unit(die)?.rust_minor
    }

    fn go(&self, die: DieRef, table: &TypeTable) -> GoType {
        Loader { units: &*self.units, table, voids: &self.voids, steps: Cell::new(0) }.go(die)
    }
}

/// What reading one definition needs.
struct Loader<'a> {
    units: &'a dyn Units,
    table: &'a TypeTable,
    voids: &'a [OnceLock<TypeId>; 5],
    /// Definitions that may still be read for names' sake.
    steps: Cell<usize>,
}

fn unreadable(why: impl Into<String>, language: Language) -> Type {
    Type { name: None, size: None, language, kind: TypeKind::Unreadable(why.into()) }
}

impl Loader<'_> {
    /// The definition at `die`. With `depth` above 0 only what a name needs is read: no members, no enumerators.
    fn load(&self, die: DieRef, depth: usize) -> Type {
        let Some((entry, unit)) = self.definition_entry(die) else {
            return unreadable("the type's entry cannot be read", Language::Other);
        };
        let language = unit.language;
        let size = entry.unsigned(dw::DW_AT_byte_size);
        let plain = |kind| Type { name: None, size, language, kind };
        let named = |kind| Type { name: entry.name().map(Name::into_owned), size, language, kind };
        let target = || self.target(&entry, unit);
        let address_size = Some(u64::from(unit.unit.header.address_size()));
        let or_address = |kind| Type { size: size.or(address_size), ..named(kind) };
        let qualified = |qualifier| plain(TypeKind::Qualified { qualifier, target: target() });
        match entry.tag() {
            dw::DW_TAG_base_type => self.base_type(&entry, unit),
            dw::DW_TAG_pointer_type => or_address(TypeKind::Pointer { target: target() }),
            dw::DW_TAG_reference_type => or_address(TypeKind::Reference { target: target(), rvalue: false }),
            dw::DW_TAG_rvalue_reference_type => or_address(TypeKind::Reference { target: target(), rvalue: true }),
            dw::DW_TAG_ptr_to_member_type => {
                let class = entry.value(dw::DW_AT_containing_type).and_then(|value| self.reference(unit, value));
                let class = class.map_or_else(|| self.void(language), |die| self.table.of_die(die));
                let pointed = entry.value(dw::DW_AT_type).and_then(|value| self.reference(unit, value));
                let pointed = pointed.and_then(|die| self.entry(die)).map(|(entry, _)| entry.tag());
                // Itanium C++ ABI, section 2.3: a function's is a pair of words.
                let words = if pointed == Some(dw::DW_TAG_subroutine_type) { 2 } else { 1 };
                let size = size.or(address_size.map(|size| words * size));
                Type { size, ..plain(TypeKind::MemberPointer { target: target(), class }) }
            }
            dw::DW_TAG_typedef | dw::DW_TAG_template_alias => self.typedef(&entry, unit, depth),
            dw::DW_TAG_const_type => qualified("const"),
            dw::DW_TAG_volatile_type => qualified("volatile"),
            dw::DW_TAG_restrict_type => qualified("restrict"),
            dw::DW_TAG_atomic_type => qualified("_Atomic"),
            dw::DW_TAG_immutable_type => qualified("immutable"),
            dw::DW_TAG_packed_type => qualified("packed"),
            dw::DW_TAG_shared_type => qualified("shared"),
            dw::DW_TAG_structure_type => self.structure(&entry, unit, StructKind::Struct, depth),
            dw::DW_TAG_class_type | dw::DW_TAG_interface_type => self.structure(&entry, unit, StructKind::Class, depth),
            dw::DW_TAG_union_type => self.structure(&entry, unit, StructKind::Union, depth),
            dw::DW_TAG_enumeration_type => self.enumeration(&entry, unit, depth),
            dw::DW_TAG_array_type => self.array(&entry, unit),
            dw::DW_TAG_set_type => self.set(&entry, unit, depth),
            dw::DW_TAG_string_type => self.string_type(&entry, unit),
            dw::DW_TAG_subroutine_type | dw::DW_TAG_subprogram | dw::DW_TAG_inlined_subroutine => {
                self.function(&entry, unit)
            }
            dw::DW_TAG_subrange_type => self.subrange(&entry, unit),
            dw::DW_TAG_unspecified_type => named(TypeKind::Unspecified),
            tag => unreadable(format!("types of form {tag} are not supported"), language),
        }
    }

    /// The entry that defines the type at `die`: the type unit's, where `die` only names its signature.
    fn definition_entry(&self, die: DieRef) -> Option<(Entry, &Unit)> {
        let (mut entry, mut unit) = self.entry(die)?;
        for _ in 0..MAX_HOPS {
            let Some(signature) = entry.value(dw::DW_AT_signature) else { break };
            let Some(next) = self.reference(unit, signature).and_then(|die| self.entry(die)) else { break };
            (entry, unit) = next;
        }
        Some((entry, unit))
    }

    /// What DW_AT_type names; `void` where there is none.
    fn target(&self, entry: &Entry, unit: &Unit) -> TypeId {
        let target = entry.value(dw::DW_AT_type).and_then(|value| self.reference(unit, value));
        target.map_or_else(|| self.void(unit.language), |die| self.table.of_die(die))
    }

    fn void(&self, language: Language) -> TypeId {
        let slot = match language {
            Language::C => 0,
            Language::Cpp => 1,
            Language::Rust => 2,
            Language::Go => 3,
            Language::Other => 4,
        };
        *self.voids[slot].get_or_init(|| self.table.make_void(language))
    }

    /// DWARF 5, section 5.1.1; the encodings' numbers are those of table 7.11.
    fn base_type(&self, entry: &Entry, unit: &Unit) -> Type {
        let language = unit.language;
        let name = entry.name();
        let bits = entry.unsigned(dw::DW_AT_bit_size);
        let size = entry.unsigned(dw::DW_AT_byte_size).or_else(|| bits.map(|bits| bits.div_ceil(8)));
        let encoding = match entry.value(dw::DW_AT_encoding) {
            Some(gimli::AttributeValue::Encoding(encoding)) => encoding,
            Some(value) => dw::DwAte(value.u8_value().unwrap_or(0)),
            None => dw::DwAte(0),
        };
        let c_family = matches!(language, Language::C | Language::Cpp | Language::Other);
        let wide = c_family && matches!(name.as_deref(), Some("wchar_t" | "char16_t" | "char32_t" | "char8_t"));
        let signed = matches!(encoding, dw::DW_ATE_signed | dw::DW_ATE_signed_char);
        let kind = match encoding {
            _ if wide => TypeKind::Char { signed, unicode: true },
            dw::DW_ATE_boolean => TypeKind::Bool,
            dw::DW_ATE_float | dw::DW_ATE_imaginary_float => TypeKind::Float,
            dw::DW_ATE_complex_float => TypeKind::Complex,
            dw::DW_ATE_signed | dw::DW_ATE_unsigned | dw::DW_ATE_address => match bits {
                Some(bits) if size.is_some_and(|size| bits < size.saturating_mul(8)) => {
                    TypeKind::BitInt { signed, bits }
                }
                _ => TypeKind::Int { signed },
            },
            dw::DW_ATE_signed_char | dw::DW_ATE_unsigned_char if size == Some(1) => {
                TypeKind::Char { signed, unicode: false }
            }
            dw::DW_ATE_signed_char | dw::DW_ATE_unsigned_char => TypeKind::Int { signed },
            dw::DW_ATE_UTF | dw::DW_ATE_UCS | dw::DW_ATE_ASCII => TypeKind::Char { signed: false, unicode: true },
            dw::DW_ATE_decimal_float => TypeKind::Unreadable("decimal floating point is not supported".to_owned()),
            other => TypeKind::Unreadable(format!("numbers of encoding {other} are not supported")),
        };
        let name = name.map(|name| match language {
            Language::C | Language::Cpp => canonical_base_name(&name).unwrap_or(&name).to_owned(),
            _ => name.into_owned(),
        });
        Type { name, size, language, kind }
    }

    fn typedef(&self, entry: &Entry, unit: &Unit, depth: usize) -> Type {
        let language = unit.language;
        let name = self.qualified_name(entry, unit, depth);
        let size = entry.unsigned(dw::DW_AT_byte_size);
        // C has no wide character types of its own, only these names (C11 7.19, 7.28) for an integer.
        let wide = match name.as_deref() {
            Some("wchar_t") if language == Language::C => Some(4),
            Some("char16_t") if language == Language::C => Some(2),
            Some("char32_t") if language == Language::C => Some(4),
            _ => None,
        };
        if wide.is_some() {
            let target = entry.value(dw::DW_AT_type).and_then(|value| self.reference(unit, value));
            let signed = target.and_then(|die| self.is_signed(die)).unwrap_or(false);
            return Type { name, size: wide, language, kind: TypeKind::Char { signed, unicode: true } };
        }
        Type { name, size, language, kind: TypeKind::Typedef { target: self.target(entry, unit) } }
    }

    /// DWARF 5, section 5.7.
    fn enumeration(&self, entry: &Entry, unit: &Unit, depth: usize) -> Type {
        let language = unit.language;
        let name = self.qualified_name(entry, unit, depth);
        let underlying = entry.value(dw::DW_AT_type).and_then(|value| self.reference(unit, value));
        let size = entry.unsigned(dw::DW_AT_byte_size).or_else(|| self.byte_size(underlying?));
        let known_sign = underlying.and_then(|die| self.is_signed(die));
        let mut enumerators = Vec::new();
        if depth == 0 {
            let width = size.unwrap_or(8);
            let signed = known_sign.unwrap_or(false);
            self.children(entry, unit, MAX_CHILDREN, |child| {
                if child.tag() == dw::DW_TAG_enumerator
                    && let (Some(name), Some(value)) = (child.name(), child.constant(dw::DW_AT_const_value))
                {
                    enumerators.push((name, value.widened(width, signed)));
                }
            });
        }
        let signed = known_sign.unwrap_or_else(|| enumerators.iter().any(|(_, value)| *value < 0));
        let scoped = entry.flag(dw::DW_AT_enum_class);
        let underlying = underlying.map(|die| self.table.of_die(die));
        Type { name, size, language, kind: TypeKind::Enum { signed, scoped, underlying, enumerators } }
    }

    /// A function's type, or a function as a type.
    fn function(&self, entry: &Entry, unit: &Unit) -> Type {
        let mut parameters = Vec::new();
        let mut variadic = false;
        let mut has_this = false;
        self.children(entry, unit, MAX_CHILDREN, |child| match child.tag() {
            // Behind `this`, artificial ones are the compiler's business (g++'s `__in_chrg`).
            dw::DW_TAG_formal_parameter if has_this && child.flag(dw::DW_AT_artificial) => {}
            dw::DW_TAG_formal_parameter => {
                has_this |= parameters.is_empty() && child.flag(dw::DW_AT_artificial);
                let origin = self.origin(child, unit);
                parameters.push(match &origin {
                    Some((origin, unit)) if child.value(dw::DW_AT_type).is_none() => self.target(origin, unit),
                    _ => self.target(child, unit),
                });
            }
            dw::DW_TAG_unspecified_parameters => variadic = true,
            _ => {}
        });
        let mut name = entry.name();
        let mut result = entry.value(dw::DW_AT_type).and_then(|value| self.reference(unit, value));
        let mut origin = self.origin(entry, unit);
        for _ in 0..MAX_HOPS {
            let Some((declaration, unit)) = &origin else { break };
            name = name.or_else(|| declaration.name());
            let declared = || declaration.value(dw::DW_AT_type).and_then(|value| self.reference(unit, value));
            result = result.or_else(declared);
            origin = self.origin(declaration, unit);
        }
        let artificial = entry.flag(dw::DW_AT_artificial);
        let method = Method { has_this, is_virtual: entry.is_virtual(), artificial, access: entry.access() };
        Type {
            name: name.map(Name::into_owned),
            // Go's function values have one: they are pointers.
            size: entry.unsigned(dw::DW_AT_byte_size),
            language: unit.language,
            kind: TypeKind::Function {
                result: result.map(|die| self.table.of_die(die)),
                parameters,
                variadic,
                method: (entry.tag() == dw::DW_TAG_subprogram || has_this).then(|| Box::new(method)),
            },
        }
    }

    /// Whether the integer, character or enumeration at `die` has a sign, through typedefs and qualifiers.
    fn is_signed(&self, die: DieRef) -> Option<bool> {
        let (entry, _) = self.underlying(die)?;
        let Some(gimli::AttributeValue::Encoding(encoding)) = entry.value(dw::DW_AT_encoding) else { return None };
        Some(matches!(encoding, dw::DW_ATE_signed | dw::DW_ATE_signed_char))
    }

    /// DW_AT_byte_size of the type at `die`, through typedefs and qualifiers.
    fn byte_size(&self, die: DieRef) -> Option<u64> {
        self.underlying(die)?.0.unsigned(dw::DW_AT_byte_size)
    }

    fn underlying(&self, die: DieRef) -> Option<(Entry, &Unit)> {
        let (mut entry, mut unit) = self.entry(die)?;
        for _ in 0..MAX_HOPS {
            let through = matches!(
                entry.tag(),
                dw::DW_TAG_typedef
                    | dw::DW_TAG_const_type
                    | dw::DW_TAG_volatile_type
                    | dw::DW_TAG_atomic_type
                    | dw::DW_TAG_subrange_type
                    | dw::DW_TAG_enumeration_type
            );
            let has_own = entry.value(dw::DW_AT_byte_size).is_some() && entry.value(dw::DW_AT_encoding).is_some();
            if !through || has_own {
                break;
            }
            let Some(value) = entry.value(dw::DW_AT_type) else { break };
            (entry, unit) = self.entry(self.reference(unit, value)?)?;
        }
        Some((entry, unit))
    }
}

/// gcc's names of C's integer types in the words that gdb and clang use.
fn canonical_base_name(name: &str) -> Option<&'static str> {
    Some(match name {
        "short int" => "short",
        "short unsigned int" => "unsigned short",
        "long int" => "long",
        "long unsigned int" => "unsigned long",
        "long long int" => "long long",
        "long long unsigned int" => "unsigned long long",
        _ => return None,
    })
}

/// An empty structure of that kind.
fn empty_structure(kind: StructKind, declaration: bool) -> StructType {
    StructType { declaration, ..StructType::of(kind, Vec::new()) }
}
