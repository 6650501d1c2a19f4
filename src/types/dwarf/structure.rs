//! Structures, classes, unions, and the variants of Rust's enums.

use std::borrow::Cow;

use gimli::constants as dw;
use gimli::{AttributeValue, UnitOffset};

use super::attributes::Entry;
use super::names::TemplateArgument;
use super::{Loader, MAX_CHILDREN, StructKind, Type, TypeKind, empty_structure};
use crate::image::snapshot::format::METHODS_LEFT_OUT;
use crate::module::{R, Unit};
use crate::types::{Access, Language, Member, MemberOffset, StaticMember, Variant, VariantPart};

impl Loader<'_> {
    /// DWARF 5, sections 5.7.1 to 5.7.10.
    pub(super) fn structure(&self, entry: &Entry, unit: &Unit, kind: StructKind, depth: usize) -> Type {
        let language = unit.language;
        let mut content = empty_structure(kind, entry.flag(dw::DW_AT_declaration));
        let access = default_access(kind);
        content.alignment = asked_alignment(entry);
        content.methods_left_out = entry.flag(gimli::DwAt(METHODS_LEFT_OUT));
        let mut arguments = Vec::new();
        let mut variant_part = None;
        let name = if depth > 0 {
            self.qualified_name(entry, unit, depth)
        } else {
            let wanted = |tag| {
                !matches!(
                    tag,
                    dw::DW_TAG_structure_type
                        | dw::DW_TAG_class_type
                        | dw::DW_TAG_union_type
                        | dw::DW_TAG_enumeration_type
                        | dw::DW_TAG_typedef
                        | dw::DW_TAG_imported_declaration
                )
            };
            // Methods come to mind only when somebody prints the type: their attributes stay unread.
            let is_method = |tag| tag == dw::DW_TAG_subprogram;
            let mut each = |child: &Entry| match child.tag() {
                dw::DW_TAG_member | dw::DW_TAG_variable => {
                    // DWARF 2 to 4 mark static members as declarations, DWARF 5 makes them variables.
                    if child.tag() == dw::DW_TAG_variable
                        || child.flag(dw::DW_AT_declaration)
                        || child.flag(dw::DW_AT_external)
                    {
                        if let Some(name) = child.name() {
                            content.statics.push(StaticMember {
                                name,
                                type_id: self.target(child, unit),
                                access: child.access().unwrap_or(access),
                                die: unit.die(child.offset()),
                                members_before: content.members.len(),
                            });
                        }
                    } else {
                        content.members.push(self.member(child, unit, access));
                    }
                }
                dw::DW_TAG_inheritance => content.members.push(self.member(child, unit, access)),
                dw::DW_TAG_subprogram => content.methods.push(unit.die(child.offset())),
                dw::DW_TAG_variant_part => variant_part = variant_part.or(Some(child.offset())),
                _ => self.template_argument(child, unit, &mut arguments),
            };
            let _ = self.try_children_bare(entry.offset(), unit, MAX_CHILDREN, wanted, is_method, &mut each);
            content.variants = variant_part.map(|offset| Box::new(self.variant_part(offset, unit)));
            self.qualified_name_with(entry, unit, depth, Some(&arguments))
        };
        for argument in arguments {
            match argument {
                TemplateArgument::Type(name, id) => content.template_types.push((name, id)),
                TemplateArgument::Value(name, id, Some(value)) => content.template_values.push((name, id, value)),
                TemplateArgument::Value(_, _, None) | TemplateArgument::Template(_) => {}
            }
        }
        let size = entry.unsigned(dw::DW_AT_byte_size);
        Type { name, size, language, kind: TypeKind::Struct(content) }
    }

    /// A field or base class (DWARF 5, sections 5.7.3 and 5.7.6).
    fn member(&self, entry: &Entry, unit: &Unit, default: Access) -> Member {
        let base = entry.tag() == dw::DW_TAG_inheritance;
        let bits = self.bit_field(entry, unit);
        let offset = match (bits, entry.value(dw::DW_AT_data_member_location)) {
            (Some((start, _)), _) => MemberOffset::Bytes(start / 8),
            (None, None) => MemberOffset::Bytes(0),
            (None, Some(_)) => self.member_offset(entry, unit),
        };
        Member {
            name: if base { None } else { entry.name() },
            type_id: self.target(entry, unit),
            offset,
            // rustc (1.63 and others) has what has no size of its own, the end of an `ArcInner<str>`, as one of 0 bits.
            bits: bits.filter(|(_, width)| *width > 0),
            alignment: asked_alignment(entry),
            embedded: unit.language == Language::Go && entry.flag(GO_EMBEDDED_FIELD),
            base,
            artificial: entry.flag(dw::DW_AT_artificial),
            access: entry.access().unwrap_or(default),
            is_virtual: base && entry.is_virtual(),
        }
    }

    fn member_offset(&self, entry: &Entry, unit: &Unit) -> MemberOffset {
        let Some(expression) = entry.expression(dw::DW_AT_data_member_location, unit) else {
            let bytes = entry.unsigned(dw::DW_AT_data_member_location);
            // A form that is neither is kept as an expression that cannot be evaluated.
            return bytes.map_or_else(
                || {
                    let unit = unit.die(entry.offset());
                    MemberOffset::Expression(Box::new(crate::module::Expression { bytes: &[], unit }))
                },
                MemberOffset::Bytes,
            );
        };
        match constant_offset(expression.bytes, unit.unit.encoding()) {
            Some(bytes) => MemberOffset::Bytes(bytes),
            None => MemberOffset::Expression(Box::new(expression)),
        }
    }

    /// Start and width in bits of a bit field.
    fn bit_field(&self, entry: &Entry, unit: &Unit) -> Option<(u64, u64)> {
        let width = entry.unsigned(dw::DW_AT_bit_size)?;
        let bytes = || {
            entry.unsigned(dw::DW_AT_data_member_location).or_else(|| {
                constant_offset(entry.expression(dw::DW_AT_data_member_location, unit)?.bytes, unit.unit.encoding())
            })
        };
        if let Some(start) = entry.unsigned(dw::DW_AT_data_bit_offset) {
            let start = bytes().unwrap_or(0).checked_mul(8)?.checked_add(start)?;
            return Some((start, width));
        }
        // DWARF 2 and 3: counted from the most significant bit of a storage unit (DWARF 3, section 5.6.6).
        let start = bytes().unwrap_or(0).checked_mul(8)?;
        let Some(from_top) = entry.constant(dw::DW_AT_bit_offset) else { return Some((start, width)) };
        let storage = entry
            .unsigned(dw::DW_AT_byte_size)
            .or_else(|| self.byte_size(self.reference(unit, entry.value(dw::DW_AT_type)?)?))?;
        let from_top = from_top.widened(8, true);
        let end = (i128::from(start) + i128::from(storage) * 8).checked_sub(from_top)?;
        Some((u64::try_from(end.checked_sub(i128::from(width))?).ok()?, width))
    }

    /// DWARF 5, section 5.7.10.
    fn variant_part(&self, offset: UnitOffset, unit: &Unit) -> VariantPart {
        let mut part = VariantPart { discriminant: None, variants: Vec::new() };
        let (die, access) = (unit.die(offset), Access::Public);
        let Some((entry, _)) = self.entry(die) else { return part };
        let discriminant = match entry.value(dw::DW_AT_discr) {
            Some(AttributeValue::UnitRef(offset)) => Some(offset),
            _ => None,
        };
        self.children(&entry, unit, MAX_CHILDREN, |child| match child.tag() {
            dw::DW_TAG_member if discriminant.is_none_or(|offset| offset == child.offset()) => {
                part.discriminant = Some(self.member(child, unit, access));
            }
            dw::DW_TAG_variant => {
                let mut members = Vec::new();
                let mut position = None;
                self.children(child, unit, MAX_CHILDREN, |child| {
                    if child.tag() == dw::DW_TAG_member {
                        members.push(self.member(child, unit, access));
                        position = position.take().or_else(|| state_position(child, unit));
                    }
                });
                part.variants.push(Variant { values: discriminant_values(child), members, position });
            }
            _ => {}
        });
        let outside = discriminant.filter(|_| part.discriminant.is_none());
        if let Some((entry, _)) = outside.and_then(|offset| self.entry(unit.die(offset))) {
            part.discriminant = Some(self.member(&entry, unit, Access::Public));
        }
        if let Some(member) = &mut part.discriminant {
            member.name = member.name.take().or(Some(Cow::Borrowed("discriminant")));
        }
        part
    }
}

/// go `cmd/internal/dwarf/dwarf.go`, Go 1.5 to 1.27.
const GO_EMBEDDED_FIELD: gimli::DwAt = gimli::DwAt(0x2903);

/// What `alignas` asks for (DWARF 5, section 5.6).
fn asked_alignment(entry: &Entry) -> Option<u64> {
    entry.unsigned(dw::DW_AT_alignment).filter(|alignment| alignment.is_power_of_two())
}

/// What members have where DWARF says nothing (DWARF 5, section 5.7.6).
pub(crate) fn default_access(kind: StructKind) -> Access {
    if kind == StructKind::Class { Access::Private } else { Access::Public }
}

/// File name and line of a numbered variant: rustc numbers the states of an async block, and declares each where the
/// block waits in it (rust `compiler/rustc_codegen_llvm/src/debuginfo/metadata/enums`).
fn state_position(member: &Entry, unit: &Unit) -> Option<Box<(String, u32)>> {
    let line = u32::try_from(member.unsigned(dw::DW_AT_decl_line)?).ok()?;
    let is_number = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    member.name().filter(|name| is_number(name))?;
    let AttributeValue::FileIndex(file) = member.value(dw::DW_AT_decl_file)? else { return None };
    let path = unit.file_path(file)?;
    let name = path.rsplit('/').next().unwrap_or_default().to_owned();
    Some(Box::new((name, line)))
}

/// The offset that an expression of one operation adds (DWARF 2 has no other way to write one).
fn constant_offset(bytes: &'static [u8], encoding: gimli::Encoding) -> Option<u64> {
    let mut reader: R = gimli::EndianSlice::new(bytes, gimli::LittleEndian);
    let operation = gimli::Operation::parse(&mut reader, encoding).ok()?;
    match operation {
        gimli::Operation::PlusConstant { value } if reader.is_empty() => Some(value),
        _ => None,
    }
}

/// DW_AT_discr_value and DW_AT_discr_list as inclusive ranges.
fn discriminant_values(variant: &Entry) -> Vec<(u128, u128)> {
    if let Some(value) = variant.constant(dw::DW_AT_discr_value) {
        return vec![(value.bits(), value.bits())];
    }
    let mut ranges = Vec::new();
    let Some(AttributeValue::Block(mut block)) = variant.value(dw::DW_AT_discr_list) else { return ranges };
    // DWARF 5, section 7.23: DW_DSC_label is followed by one value, DW_DSC_range by two.
    use gimli::Reader;
    while !block.is_empty() && ranges.len() < MAX_CHILDREN {
        let read = |block: &mut R| -> gimli::Result<(u128, u128)> {
            let descriptor = block.read_u8()?;
            let low = u128::from(block.read_uleb128()?);
            let high = if descriptor == dw::DW_DSC_range.0 { u128::from(block.read_uleb128()?) } else { low };
            Ok((low, high))
        };
        let Ok(range) = read(&mut block) else { break };
        ranges.push(range);
    }
    ranges
}
