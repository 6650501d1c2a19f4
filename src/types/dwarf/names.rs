//! Qualified names: scopes in front, template arguments behind.

use std::borrow::Cow;

use gimli::constants as dw;

use super::attributes::Entry;
use super::{Loader, MAX_HOPS, Name, Type, TypeId, unreadable};
use crate::module::Unit;
use crate::types::{Language, name};

/// Template arguments within template arguments that are spelled out.
const MAX_TEMPLATE_DEPTH: usize = 8;
/// Arguments of one template.
const MAX_TEMPLATE_ARGUMENTS: usize = 256;

/// An argument of a template.
pub(super) enum TemplateArgument {
    /// Parameter's name, type.
    Type(Name, TypeId),
    /// Parameter's name, type, value (where it is an integer).
    Value(Name, TypeId, Option<i128>),
    /// Parameter's name, a template's name.
    Template(Name),
}

impl Loader<'_> {
    /// The name with its scopes in front (`ns::Class::Inner`, `std::vector<int, std::allocator<int> >`), as gdb has
    /// it: what is local to a function has no scope.
    pub(super) fn qualified_name(&self, entry: &Entry, unit: &Unit, depth: usize) -> Option<String> {
        self.qualified_name_with(entry, unit, depth, None)
    }

    /// The same, where the template arguments were read before.
    pub(super) fn qualified_name_with(
        &self,
        entry: &Entry,
        unit: &Unit,
        depth: usize,
        arguments: Option<&[TemplateArgument]>,
    ) -> Option<String> {
        let mut name = self.simple_name(entry, unit, depth, arguments)?;
        if !matches!(unit.language, Language::Cpp | Language::Rust | Language::Other) {
            return Some(name);
        }
        let prefix = self.scope_of(entry, unit, depth);
        if !prefix.is_empty() {
            name.insert_str(0, &prefix);
        }
        Some(name)
    }

    /// The scopes around an entry, each with `::` behind. A definition outside of its scope has its declaration's.
    fn scope_of(&self, entry: &Entry, unit: &Unit, depth: usize) -> String {
        let mut die = unit.die(entry.offset());
        let mut origin = self.specification(entry, unit);
        for _ in 0..MAX_HOPS {
            let Some((declaration, unit)) = origin else { break };
            die = unit.die(declaration.offset());
            origin = self.specification(&declaration, unit);
        }
        let mut prefix = String::new();
        for parent in self.units.parents(die) {
            let Some((parent, unit)) = self.entry(parent) else { continue };
            let part = match parent.tag() {
                dw::DW_TAG_namespace | dw::DW_TAG_module => {
                    Some(parent.name().map_or("(anonymous namespace)".to_owned(), Cow::into_owned))
                }
                dw::DW_TAG_structure_type
                | dw::DW_TAG_class_type
                | dw::DW_TAG_interface_type
                | dw::DW_TAG_union_type
                | dw::DW_TAG_enumeration_type => self.simple_name(&parent, unit, depth, None),
                dw::DW_TAG_subprogram | dw::DW_TAG_inlined_subroutine | dw::DW_TAG_lexical_block => None,
                _ => continue,
            };
            match part {
                Some(part) => {
                    prefix.push_str(&part);
                    prefix.push_str("::");
                }
                // Nothing can be named through a function or an anonymous structure.
                None => prefix.clear(),
            }
        }
        prefix
    }

    fn specification(&self, entry: &Entry, unit: &Unit) -> Option<(Entry, &Unit)> {
        self.entry(self.reference(unit, entry.value(dw::DW_AT_specification)?)?)
    }

    /// The name without scopes, with its template arguments.
    fn simple_name(
        &self,
        entry: &Entry,
        unit: &Unit,
        depth: usize,
        arguments: Option<&[TemplateArgument]>,
    ) -> Option<String> {
        let declared = || self.specification(entry, unit).and_then(|(declaration, _)| declaration.name());
        let mut name = entry.name().or_else(declared).map(Name::into_owned).or_else(|| typedef_name(entry, unit))?;
        let may_lack_arguments = unit.language == Language::Cpp
            && matches!(
                entry.tag(),
                dw::DW_TAG_structure_type | dw::DW_TAG_class_type | dw::DW_TAG_union_type | dw::DW_TAG_template_alias
            );
        // Compiled with -gsimple-template-names, or an old clang's template alias.
        if may_lack_arguments && !name.contains('<') {
            let read;
            let arguments = match arguments {
                Some(arguments) => arguments,
                None => {
                    read = self.template_arguments(entry, unit);
                    &read
                }
            };
            if !arguments.is_empty() {
                name.push_str(&self.argument_list(arguments, depth));
            }
        }
        Some(name)
    }

    /// The template arguments among an entry's children.
    fn template_arguments(&self, entry: &Entry, unit: &Unit) -> Vec<TemplateArgument> {
        let mut arguments = Vec::new();
        let wanted = |tag| {
            matches!(
                tag,
                dw::DW_TAG_template_type_parameter
                    | dw::DW_TAG_template_value_parameter
                    | dw::DW_TAG_GNU_template_template_param
                    | dw::DW_TAG_GNU_template_parameter_pack
            )
        };
        let mut each = |child: &Entry| self.template_argument(child, unit, &mut arguments);
        let _ = self.try_children(entry.offset(), unit, MAX_TEMPLATE_ARGUMENTS, wanted, &mut each);
        arguments
    }

    /// Adds what the child says of a template's argument, if that is what it is.
    pub(super) fn template_argument(&self, child: &Entry, unit: &Unit, arguments: &mut Vec<TemplateArgument>) {
        if arguments.len() >= MAX_TEMPLATE_ARGUMENTS {
            return;
        }
        let name = child.name().unwrap_or(Cow::Borrowed(""));
        match child.tag() {
            dw::DW_TAG_template_type_parameter => {
                arguments.push(TemplateArgument::Type(name, self.target(child, unit)));
            }
            dw::DW_TAG_template_value_parameter => {
                let target = child.value(dw::DW_AT_type).and_then(|value| self.reference(unit, value));
                let signed = target.and_then(|die| self.is_signed(die)).unwrap_or(false);
                let size = target.and_then(|die| self.byte_size(die)).unwrap_or(8);
                let value = child.constant(dw::DW_AT_const_value).map(|value| value.widened(size, signed));
                arguments.push(TemplateArgument::Value(name, self.target(child, unit), value));
            }
            dw::DW_TAG_GNU_template_template_param => {
                let template = child.value(dw::DW_AT_GNU_template_name);
                let template = template.and_then(|value| unit.dwarf.attr_string(&unit.unit, value).ok());
                let template = template.map_or(name, |string| String::from_utf8_lossy(string.slice()));
                arguments.push(TemplateArgument::Template(template));
            }
            dw::DW_TAG_GNU_template_parameter_pack => {
                let single =
                    |tag| matches!(tag, dw::DW_TAG_template_type_parameter | dw::DW_TAG_template_value_parameter);
                let mut each = |child: &Entry| self.template_argument(child, unit, arguments);
                let _ = self.try_children(child.offset(), unit, MAX_TEMPLATE_ARGUMENTS, single, &mut each);
            }
            _ => {}
        }
    }

    fn argument_list(&self, arguments: &[TemplateArgument], depth: usize) -> String {
        let mut list = String::from("<");
        for (index, argument) in arguments.iter().enumerate() {
            if index > 0 {
                list.push_str(", ");
            }
            match argument {
                TemplateArgument::Type(_, id) => list.push_str(&self.argument_name(*id, depth)),
                TemplateArgument::Value(_, id, Some(value)) => match self.argument_name(*id, depth).as_str() {
                    "bool" => list.push_str(if *value != 0 { "true" } else { "false" }),
                    "char" if (32..127).contains(value) => {
                        let quoted = char::from(*value as u8).escape_default();
                        list.push_str(&format!("'{quoted}'"));
                    }
                    _ => list.push_str(&value.to_string()),
                },
                TemplateArgument::Value(_, _, None) => list.push('?'),
                TemplateArgument::Template(name) => list.push_str(name),
            }
        }
        // As gcc and gdb close nested lists.
        list.push_str(if list.ends_with('>') { " >" } else { ">" });
        list
    }

    /// A type's name, without filling its slot in the table.
    fn argument_name(&self, id: TypeId, depth: usize) -> String {
        if depth >= MAX_TEMPLATE_DEPTH {
            return "...".to_owned();
        }
        let lookup = |id: TypeId| -> Cow<'_, Type> {
            match self.table.die(id) {
                Some(_) if self.steps.get() == 0 => Cow::Owned(unreadable("too many types", Language::Other)),
                Some(die) => {
                    self.steps.set(self.steps.get() - 1);
                    Cow::Owned(self.load(die, depth + 1))
                }
                None => Cow::Borrowed(self.table.get(id)),
            }
        };
        name::spell_with(&lookup, id)
    }
}

/// g++ gives an anonymous structure that a typedef names no name, but that of the typedef as its linkage name
/// (`7anon_td`).
fn typedef_name(entry: &Entry, unit: &Unit) -> Option<String> {
    let value = entry.value(dw::DW_AT_linkage_name)?;
    let linkage = unit.dwarf.attr_string(&unit.unit, value).ok()?.slice();
    let digits = linkage.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (length, rest) = linkage.split_at_checked(digits)?;
    let length: usize = std::str::from_utf8(length).ok()?.parse().ok()?;
    (rest.len() == length).then(|| String::from_utf8_lossy(rest).into_owned())
}
