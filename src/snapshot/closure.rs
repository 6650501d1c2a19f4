//! Which entries of a module's debug information a snapshot keeps.
//!
//! What was looked at is kept: functions with all that is in them, types with their members. What those refer to is
//! kept as far as its name and size: a structure that nobody looked at becomes a declaration.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use gimli::{AttributeValue, DebuggingInformationEntry, DwTag, constants as dw};

use crate::module::skim::die_ranges;
use crate::module::unit::{Unit, Units};
use crate::module::{DieRef, R};

/// How much of an entry is kept. More includes less.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Keep {
    /// That it is there: a scope around something that is kept, or a structure that is pointed to.
    Name,
    /// Its attributes.
    Attributes,
    /// A type with its members.
    Members,
    /// A function with everything in it.
    Everything,
}

/// An entry that is kept.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// How much of it.
    pub keep: Keep,
    /// The kept entry that it is in; the unit's root where `None`.
    pub parent: Option<DieRef>,
    /// Part of an entry that is kept, not an entry in its own right.
    part: bool,
}

/// Entries that one module keeps at most: a bound on memory for hostile input, far above real programs' need.
const MAX_ENTRIES: usize = 4 << 20;

/// Parts of the paths of languages' libraries.
const LIBRARY_SOURCES: &[&str] =
    &["/usr/include/", "/include/c++/", "/usr/lib/", "/rustc/", "/rustlib/", "/lib/go/src/"];
/// Their outermost namespaces, where a type does not say its file (Rust).
const LIBRARY_NAMESPACES: &[&[u8]] = &[b"std", b"__gnu_cxx", b"__cxxabiv1", b"core", b"alloc"];

/// The code addresses that snapshots answer for: where frames stand, where they go on, where functions begin.
#[derive(Default)]
pub struct Points {
    /// Where frames stand and go on, ascending.
    frames: Vec<u64>,
    /// These and where functions begin, ascending.
    all: Vec<u64>,
}

impl Points {
    /// `code` is where frames stand, `entries` is where functions begin.
    pub fn new(code: &BTreeSet<u64>, entries: impl IntoIterator<Item = u64>) -> Points {
        let sorted = |mut addresses: Vec<u64>| {
            addresses.sort_unstable();
            addresses.dedup();
            addresses
        };
        let frames: Vec<u64> = code.iter().flat_map(|address| [*address, address.saturating_add(1)]).collect();
        let all = frames.iter().copied().chain(entries).collect();
        Points { frames: sorted(frames), all: sorted(all) }
    }

    /// Whether any of them is in the range.
    pub fn any_in(&self, low: u64, high: u64) -> bool {
        self.all.get(self.all.partition_point(|point| *point < low)).is_some_and(|point| *point < high)
    }

    /// Whether a frame stands in one of the ranges, or goes on there.
    fn frame_in(&self, ranges: &[(u64, u64)]) -> bool {
        let within = |(low, high): &(u64, u64)| {
            self.frames.get(self.frames.partition_point(|point| point < low)).is_some_and(|point| point < high)
        };
        ranges.iter().any(within)
    }

    fn returns_to(&self, address: u64) -> bool {
        self.frames.binary_search(&address).is_ok()
    }

    /// Short ranges around them, for the rows of line tables.
    pub fn ranges(&self, low: u64, high: u64) -> impl Iterator<Item = (u64, u64)> {
        let from = self.all.partition_point(|point| *point < low);
        self.all[from..].iter().take_while(move |point| **point < high).map(|point| (*point, point.saturating_add(1)))
    }
}

/// Finds what is kept.
pub struct Closure<'a> {
    pub(super) units: &'a dyn Units,
    pub(super) points: &'a Points,
    /// What is kept so far, in the order of units and offsets.
    pub kept: BTreeMap<DieRef, Kept>,
    work: Vec<(DieRef, Keep)>,
    /// Types whose values are kept with all that they hold.
    held: HashSet<DieRef>,
    /// Types that are kept without their methods.
    pub without_methods: HashSet<DieRef>,
}

impl<'a> Closure<'a> {
    /// Nothing is kept at first.
    pub fn new(units: &'a dyn Units, points: &'a Points) -> Closure<'a> {
        let (held, without_methods) = (HashSet::new(), HashSet::new());
        Closure { units, points, kept: BTreeMap::new(), work: Vec::new(), held, without_methods }
    }

    /// Keeps an entry and what it refers to.
    pub fn want(&mut self, die: DieRef, keep: Keep) {
        self.push(die, keep);
        while let Some((die, keep)) = self.work.pop() {
            if self.kept.len() >= MAX_ENTRIES {
                self.work.clear();
                return;
            }
            self.visit(die, keep);
        }
    }

    fn push(&mut self, die: DieRef, keep: Keep) {
        if self.kept.get(&die).is_some_and(|kept| kept.keep >= keep) {
            return;
        }
        self.work.push((die, keep));
    }

    fn visit(&mut self, die: DieRef, keep: Keep) {
        if self.kept.get(&die).is_some_and(|kept| kept.keep >= keep) {
            return;
        }
        let units = self.units;
        let Some(unit) = units.unit(die) else { return };
        if die.offset as usize == unit.unit.header.root_offset().0 {
            return;
        }
        let Some(entry) = unit.entry(die.offset) else { return };
        let tag = entry.tag();
        // What refers to an entry wants of each kind what its name and size need.
        let keep = match tag {
            dw::DW_TAG_subprogram | dw::DW_TAG_inlined_subroutine => keep,
            _ if is_structure(tag) => keep,
            dw::DW_TAG_namespace | dw::DW_TAG_module => Keep::Name,
            _ if has_parts(tag) => Keep::Members,
            _ => keep.max(Keep::Attributes),
        };
        if self.kept.get(&die).is_some_and(|kept| kept.keep >= keep) {
            return;
        }
        let known = self.kept.get(&die).copied();
        let parent = match known {
            Some(known) => known.parent,
            None => {
                let parent = units.parents(die).last().copied();
                parent.into_iter().for_each(|parent| self.push(parent, Keep::Name));
                parent
            }
        };
        let part = known.is_some_and(|known| known.part);
        self.kept.insert(die, Kept { keep, parent, part });
        self.follow(unit, &entry, keep);
        match keep {
            Keep::Name if is_structure(tag) => self.template_arguments(unit, &entry),
            Keep::Members => self.members(unit, &entry),
            Keep::Everything if tag == dw::DW_TAG_subprogram || tag == dw::DW_TAG_inlined_subroutine => {
                self.subtree(unit, &entry);
            }
            Keep::Everything => self.members(unit, &entry),
            _ => {}
        }
    }

    /// What an entry's attributes refer to.
    fn follow(&mut self, unit: &Unit, entry: &DebuggingInformationEntry<R>, keep: Keep) {
        for attribute in entry.attrs() {
            if !is_kept(attribute.name(), entry.tag(), keep) {
                continue;
            }
            match attribute.value() {
                value @ (AttributeValue::UnitRef(_)
                | AttributeValue::DebugInfoRef(_)
                | AttributeValue::DebugInfoRefSup(_)
                | AttributeValue::DebugTypesRef(_)) => {
                    let Some(target) = self.units.reference(unit, value) else { continue };
                    self.push(target, self.wanted_of(target, attribute.name(), entry.tag(), keep));
                    if attribute.name() == dw::DW_AT_type {
                        self.by_value(target, entry.tag());
                    }
                }
                AttributeValue::Exprloc(expression) => self.expression(unit, expression),
                AttributeValue::Block(block) => self.expression(unit, gimli::Expression(block)),
                value @ (AttributeValue::LocationListsRef(_) | AttributeValue::DebugLocListsIndex(_)) => {
                    let Ok(Some(mut list)) = unit.dwarf.attr_locations(&unit.unit, value) else { continue };
                    while let Ok(Some(location)) = list.next() {
                        if !self.points.any_in(location.range.begin, location.range.end) {
                            continue;
                        }
                        self.expression(unit, location.data);
                    }
                }
                _ => {}
            }
        }
    }

    fn wanted_of(&self, target: DieRef, name: gimli::DwAt, tag: DwTag, keep: Keep) -> Keep {
        let is_function = matches!(tag, dw::DW_TAG_subprogram | dw::DW_TAG_inlined_subroutine);
        if name == dw::DW_AT_abstract_origin && is_function && keep == Keep::Everything {
            return Keep::Everything;
        }
        let structure = self
            .units
            .unit(target)
            .and_then(|unit| unit.entry(target.offset))
            .is_some_and(|entry| is_structure(entry.tag()));
        if name == dw::DW_AT_signature || name == dw::DW_AT_import {
            return if structure { keep } else { Keep::Attributes };
        }
        if structure { Keep::Name } else { Keep::Attributes }
    }

    /// A structure that a member, variable or element is (through typedefs and qualifiers) is kept with its members.
    fn by_value(&mut self, target: DieRef, holder: DwTag) {
        if !matches!(
            holder,
            dw::DW_TAG_member | dw::DW_TAG_inheritance | dw::DW_TAG_variable | dw::DW_TAG_formal_parameter
        ) {
            return;
        }
        let mut target = target;
        for _ in 0..32 {
            if !self.held.insert(target) {
                return;
            }
            let Some((unit, entry)) = self.units.unit(target).and_then(|unit| Some((unit, unit.entry(target.offset)?)))
            else {
                return;
            };
            match entry.tag() {
                tag if is_structure(tag) => return self.push(target, Keep::Members),
                dw::DW_TAG_typedef
                | dw::DW_TAG_const_type
                | dw::DW_TAG_volatile_type
                | dw::DW_TAG_atomic_type
                | dw::DW_TAG_restrict_type
                | dw::DW_TAG_array_type
                | dw::DW_TAG_template_alias => {}
                _ => return,
            }
            let next = entry.attr_value(dw::DW_AT_type).and_then(|value| self.units.reference(unit, value));
            let Some(next) = next else { return };
            target = next;
        }
    }

    fn expression(&mut self, unit: &Unit, expression: gimli::Expression<R>) {
        let mut operations = expression.operations(unit.unit.encoding());
        while let Ok(Some(operation)) = operations.next() {
            let value = match operation {
                gimli::Operation::Deref { base_type, .. }
                | gimli::Operation::RegisterOffset { base_type, .. }
                | gimli::Operation::TypedLiteral { base_type, .. }
                | gimli::Operation::Convert { base_type }
                | gimli::Operation::Reinterpret { base_type } => {
                    if base_type.0 == 0 {
                        continue;
                    }
                    AttributeValue::UnitRef(base_type)
                }
                gimli::Operation::ParameterRef { offset } => AttributeValue::UnitRef(offset),
                gimli::Operation::Call { offset: gimli::DieReference::UnitRef(offset) } => {
                    AttributeValue::UnitRef(offset)
                }
                gimli::Operation::Call { offset: gimli::DieReference::DebugInfoRef(offset) } => {
                    AttributeValue::DebugInfoRef(offset)
                }
                gimli::Operation::ImplicitPointer { value, .. } | gimli::Operation::VariableValue { offset: value } => {
                    AttributeValue::DebugInfoRef(value)
                }
                gimli::Operation::EntryValue { expression } => {
                    self.expression(unit, gimli::Expression(expression));
                    continue;
                }
                _ => continue,
            };
            if let Some(target) = self.units.reference(unit, value) {
                self.push(target, Keep::Attributes);
            }
        }
    }

    /// Compilers may leave template arguments out of names (clang's -gsimple-template-names).
    fn template_arguments(&mut self, unit: &Unit, owner: &DebuggingInformationEntry<R>) {
        self.walk(unit, owner, |tag, _| match tag {
            dw::DW_TAG_template_type_parameter
            | dw::DW_TAG_template_value_parameter
            | dw::DW_TAG_GNU_template_template_param => Part::Alone,
            dw::DW_TAG_GNU_template_parameter_pack => Part::WithParts,
            _ => Part::No,
        });
    }

    /// The parts of a type: members, enumerators, bounds, parameters, template arguments; variants with theirs, and
    /// methods as they are declared, where the type is the program's own.
    fn members(&mut self, unit: &Unit, owner: &DebuggingInformationEntry<R>) {
        let has_methods = Cell::new(false);
        let keeps_methods = is_structure(owner.tag()) && !self.is_library(unit, owner);
        self.walk(unit, owner, |tag, _| {
            if tag == dw::DW_TAG_subprogram {
                has_methods.set(true);
                return if keeps_methods { Part::WithParts } else { Part::No };
            }
            if has_parts(tag) && !is_variant(tag) || is_structure(tag) || is_of_body(tag) {
                return Part::No;
            }
            if is_variant(tag) || tag == dw::DW_TAG_GNU_template_parameter_pack { Part::WithParts } else { Part::Alone }
        });
        if has_methods.get() && !keeps_methods {
            self.without_methods.insert(unit.die(owner.offset()));
        }
    }

    /// Whether a type is of a language's library, whose classes have hundreds of methods.
    fn is_library(&self, unit: &Unit, owner: &DebuggingInformationEntry<R>) -> bool {
        let file = owner.attr_value(dw::DW_AT_decl_file).and_then(|value| match value {
            AttributeValue::FileIndex(index) => Some(index),
            value => value.udata_value(),
        });
        if let Some(path) = file.and_then(|index| unit.file_path(index)) {
            return LIBRARY_SOURCES.iter().any(|part| path.contains(part));
        }
        let outermost = self.units.parents(unit.die(owner.offset())).into_iter().next();
        let name = outermost.and_then(|die| self.units.unit(die)?.entry(die.offset)?.attr_value(dw::DW_AT_name));
        let name = name.and_then(|name| unit.dwarf.attr_string(&unit.unit, name).ok());
        name.is_some_and(|name| LIBRARY_NAMESPACES.contains(&name.slice()))
    }

    /// What a function holds where frames stand in it, but the types that are declared there: those are kept where they
    /// are looked at.
    fn subtree(&mut self, unit: &Unit, owner: &DebuggingInformationEntry<R>) {
        let points = self.points;
        self.walk(unit, owner, |tag, entry| match tag {
            dw::DW_TAG_inlined_subroutine | dw::DW_TAG_lexical_block => {
                let ranges = die_ranges(unit.dwarf, &unit.unit, entry);
                if ranges.is_empty() || points.frame_in(&ranges) {
                    return Part::WithParts;
                }
                // A block that no frame stands in still says that the abstract instance's was not dropped.
                if tag == dw::DW_TAG_lexical_block { Part::Bare } else { Part::No }
            }
            dw::DW_TAG_call_site | dw::DW_TAG_GNU_call_site => {
                let address = |name| unit.dwarf.attr_address(&unit.unit, entry.attr_value(name)?).unwrap_or_default();
                let returns_to = address(dw::DW_AT_call_return_pc).or_else(|| address(dw::DW_AT_low_pc));
                // Tail calls are what frames may have been replaced by.
                let is_tail_call =
                    [dw::DW_AT_call_tail_call, dw::DW_AT_GNU_tail_call].iter().any(|n| entry.has_attr(*n));
                if is_tail_call || returns_to.is_none_or(|address| points.returns_to(address)) {
                    Part::WithParts
                } else {
                    Part::No
                }
            }
            dw::DW_TAG_subprogram if entry.has_attr(dw::DW_AT_declaration) => Part::No,
            // Functions in functions are found by their own addresses.
            dw::DW_TAG_subprogram => Part::No,
            _ if is_structure(tag) || has_parts(tag) => Part::No,
            _ => Part::WithParts,
        });
    }

    fn walk(
        &mut self,
        unit: &Unit,
        owner: &DebuggingInformationEntry<R>,
        part: impl Fn(DwTag, &DebuggingInformationEntry<R>) -> Part,
    ) {
        if !owner.has_children() {
            return;
        }
        let Ok(mut raw) = unit.unit.entries_raw(Some(owner.offset())) else { return };
        let mut entry = DebuggingInformationEntry::null();
        // The kept entry that children belong to, a level each; `None` where they are passed over.
        let mut open: Vec<Option<DieRef>> = Vec::new();
        loop {
            if raw.is_empty() || self.kept.len() >= MAX_ENTRIES {
                break;
            }
            let Ok(there) = raw.read_entry(&mut entry) else { break };
            if !there {
                open.pop();
                if open.is_empty() {
                    break;
                }
                continue;
            }
            let die = unit.die(entry.offset());
            if open.is_empty() {
                open.push(Some(die));
                continue;
            }
            let parent = open.last().copied().flatten();
            let chosen = if parent.is_some() { part(entry.tag(), &entry) } else { Part::No };
            let bare = chosen == Part::Bare;
            if chosen != Part::No {
                // The right parent, where the entry was referred to before.
                let keep = match self.kept.get(&die) {
                    Some(known) => known.keep.max(Keep::Attributes),
                    None if bare => Keep::Name,
                    None => Keep::Attributes,
                };
                let is_call = entry.tag() == dw::DW_TAG_inlined_subroutine;
                let keep = if is_call { Keep::Everything } else { keep };
                self.kept.insert(die, Kept { keep, parent, part: true });
                self.follow(unit, &entry, keep);
            }
            if entry.has_children() {
                open.push((chosen == Part::WithParts).then_some(die));
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    No,
    Alone,
    WithParts,
    /// Without parts, and no more than that it is there.
    Bare,
}

fn is_variant(tag: DwTag) -> bool {
    matches!(tag, dw::DW_TAG_variant_part | dw::DW_TAG_variant)
}

/// What a method's body has where its entry is that of its code.
fn is_of_body(tag: DwTag) -> bool {
    matches!(
        tag,
        dw::DW_TAG_lexical_block
            | dw::DW_TAG_inlined_subroutine
            | dw::DW_TAG_call_site
            | dw::DW_TAG_GNU_call_site
            | dw::DW_TAG_label
            | dw::DW_TAG_try_block
            | dw::DW_TAG_catch_block
            | dw::DW_TAG_imported_declaration
            | dw::DW_TAG_imported_module
    )
}

/// Types whose members make snapshots large: kept only where somebody looked at them.
pub fn is_structure(tag: DwTag) -> bool {
    matches!(tag, dw::DW_TAG_structure_type | dw::DW_TAG_class_type | dw::DW_TAG_union_type | dw::DW_TAG_interface_type)
}

/// Other entries that are nothing without what is in them.
fn has_parts(tag: DwTag) -> bool {
    matches!(
        tag,
        dw::DW_TAG_enumeration_type | dw::DW_TAG_array_type | dw::DW_TAG_subroutine_type | dw::DW_TAG_string_type
    )
}

/// Whether an attribute is kept. Offsets into sections and GCC's view numbers say nothing of the program, nobody asks for
/// columns of declarations, and a declaration says no more than
/// name and size.
pub fn is_kept(name: gimli::DwAt, tag: DwTag, keep: Keep) -> bool {
    match name {
        dw::DW_AT_sibling
        | dw::DW_AT_str_offsets_base
        | dw::DW_AT_addr_base
        | dw::DW_AT_rnglists_base
        | dw::DW_AT_loclists_base
        | dw::DW_AT_dwo_name
        | dw::DW_AT_GNU_addr_base
        | dw::DW_AT_GNU_ranges_base
        | dw::DW_AT_GNU_dwo_name
        | dw::DW_AT_GNU_dwo_id
        | dw::DW_AT_stmt_list
        | dw::DW_AT_macros
        | dw::DW_AT_macro_info
        | dw::DW_AT_GNU_macros
        | dw::DW_AT_GNU_locviews
        | dw::DW_AT_decl_column
        | dw::DW_AT_import => false,
        // A function that is only referred to: its code is not there.
        dw::DW_AT_low_pc | dw::DW_AT_high_pc | dw::DW_AT_ranges | dw::DW_AT_entry_pc | dw::DW_AT_frame_base
            if tag == dw::DW_TAG_subprogram =>
        {
            keep == Keep::Everything
        }
        dw::DW_AT_low_pc | dw::DW_AT_high_pc | dw::DW_AT_ranges
            if matches!(tag, dw::DW_TAG_inlined_subroutine | dw::DW_TAG_lexical_block) =>
        {
            true
        }
        dw::DW_AT_object_pointer => keep == Keep::Everything,
        _ if keep == Keep::Name => matches!(
            name,
            dw::DW_AT_name
                | dw::DW_AT_linkage_name
                | dw::DW_AT_MIPS_linkage_name
                | dw::DW_AT_byte_size
                | dw::DW_AT_specification
                | dw::DW_AT_abstract_origin
                | dw::DW_AT_export_symbols
                | dw::DW_AT_enum_class
                | dw::DW_AT_alignment
        ),
        _ => true,
    }
}
