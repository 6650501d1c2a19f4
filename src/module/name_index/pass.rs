//! One pass over a unit, for its names: the entries outside of functions that have one, and the scopes that they are in.
//!
//! Millions of entries are gone over here, so that nothing of them is decoded but where a name is; an attribute's size
//! comes from its abbreviation. Names that functions' own types and methods have are noted, as definitions outside of
//! the functions may lead to them, but they are nobody's to look up.

use gimli::{DwForm, Section, UnitOffset};

use super::NameKind;
use crate::module::R;
use crate::module::skim::{MAX_DEPTH, Skip, encloses, is_nameable, leb, skip, skip_of};
use crate::module::unit::Unit;

/// Abbreviations have numbers below this one.
const MAX_CODE: usize = 1 << 20;
/// Bytes of attributes of which some say themselves how long they are.
const NOT_FIXED: u32 = u32::MAX;

/// Where an entry's name is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NameAt {
    /// It has none.
    Nowhere,
    /// At this offset of .debug_str.
    Str(u32),
    /// In the unit itself, at this place behind its header (DW_FORM_string).
    Inline(u32),
    /// It is the name of the entry that this one elaborates, which is at this offset of the unit.
    Of(u32),
    /// Somewhere else: whoever wants it reads the entry.
    Elsewhere,
}

/// An entry with a name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named {
    /// In the unit.
    pub(super) offset: u32,
    pub(super) name: NameAt,
    /// Index of the scope around it.
    pub(super) scope: u32,
    /// What it is; `None` within a function.
    pub(super) kind: Option<NameKind>,
}

/// An entry that others are in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope {
    /// Its offset in the unit, and one past its last child's end.
    pub(super) start: u32,
    pub(super) end: u32,
    /// Index of the scope around it.
    pub(super) around: u32,
    pub(super) name: NameAt,
    pub(super) kind: ScopeKind,
}

/// What a scope is, as far as paths of names depend on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ScopeKind {
    /// Adds nothing to a path.
    Function,
    /// Adds nothing in C and C++.
    Enumeration,
    Other,
}

/// What the pass found.
pub(super) struct Pass {
    /// Ascending by offset.
    pub(super) named: Vec<Named>,
    /// Ascending by start; the first one is the unit itself.
    pub(super) scopes: Vec<Scope>,
    /// What `NameAt::Inline` counts in.
    pub(super) bytes: &'static [u8],
}

/// How a name is given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Nothing,
    /// DW_FORM_strp of four bytes.
    Str,
    Inline,
    /// DW_FORM_strx of so many bytes.
    Strx(usize),
    StrxLeb,
    /// DW_FORM_ref4 of DW_AT_specification or DW_AT_abstract_origin.
    Of,
    /// Anything else, which `before` goes over.
    Elsewhere,
}

/// An abbreviation: how to get over its attributes, and where among them the name is.
struct Shape {
    has_children: bool,
    /// To be noted, as what, and whether within functions too.
    kind: Option<NameKind>,
    scope: Option<ScopeKind>,
    mark: Mark,
    /// Bytes of the attributes before the name and behind it, or `NOT_FIXED`.
    before_size: u32,
    after_size: u32,
    before: Vec<Skip>,
    after: Vec<Skip>,
}

impl Pass {
    /// Passes over the unit. Ends early, with what it has, at malformed data.
    pub(super) fn over(unit: &Unit) -> Pass {
        let header_size = unit.unit.header.size_of_header();
        let entries = unit.unit.header.range_from(UnitOffset(header_size)..);
        let bytes = entries.map_or(&[][..], |entries| entries.slice());
        let whole = Scope { start: 0, end: u32::MAX, around: 0, name: NameAt::Nowhere, kind: ScopeKind::Other };
        let mut pass = Pass { named: Vec::new(), scopes: vec![whole], bytes };
        pass.run(unit, header_size);
        pass
    }

    fn run(&mut self, unit: &Unit, base: usize) -> Option<()> {
        let bytes = self.bytes;
        let mut shapes: Vec<Option<Shape>> = Vec::new();
        // Of each entry that is open: the scope around its children, and whether it is a function.
        let mut open: Vec<(u32, bool)> = Vec::new();
        let mut scope = 0u32;
        let mut functions_open = 0usize;
        let mut at = 0usize;
        while at < bytes.len() {
            let start = (base + at) as u32;
            let code = leb(bytes, &mut at)?;
            if code == 0 {
                let Some((of, is_function)) = open.pop() else { continue };
                functions_open -= usize::from(is_function);
                let around = open.last().map_or(0, |(around, _)| *around);
                if of != around
                    && let Some(ended) = self.scopes.get_mut(of as usize)
                {
                    ended.end = (base + at) as u32;
                }
                scope = around;
                if open.is_empty() {
                    return Some(());
                }
                continue;
            }
            let shape = shape_of(&mut shapes, unit, code)?;
            go_over(bytes, &mut at, shape.before_size, &shape.before)?;
            let name = name_at(unit, bytes, &mut at, shape.mark)?;
            go_over(bytes, &mut at, shape.after_size, &shape.after)?;
            if at > bytes.len() {
                return None;
            }
            if let Some(kind) = shape.kind
                && (functions_open == 0 || shape.scope.is_some())
            {
                let kind = (functions_open == 0).then_some(kind);
                self.named.push(Named { offset: start, name, scope, kind });
            }
            if shape.has_children {
                if open.len() >= MAX_DEPTH {
                    return None;
                }
                if let Some(kind) = shape.scope {
                    self.scopes.push(Scope { start, end: u32::MAX, around: scope, name, kind });
                    scope = (self.scopes.len() - 1) as u32;
                }
                let is_function = shape.scope == Some(ScopeKind::Function);
                functions_open += usize::from(is_function);
                open.push((scope, is_function));
            }
        }
        Some(())
    }

    /// The named entry at an offset.
    pub(super) fn named_at(&self, offset: u32) -> Option<&Named> {
        let index = self.named.binary_search_by_key(&offset, |named| named.offset).ok()?;
        self.named.get(index)
    }

    /// Index of the innermost scope around an offset.
    pub(super) fn around(&self, offset: u32) -> u32 {
        let mut next = self.scopes.partition_point(|scope| scope.start < offset).saturating_sub(1);
        while let Some(scope) = self.scopes.get(next).filter(|_| next != 0) {
            if offset < scope.end {
                break;
            }
            next = scope.around as usize;
        }
        next as u32
    }
}

#[inline]
fn go_over(bytes: &[u8], at: &mut usize, size: u32, attributes: &[Skip]) -> Option<()> {
    if size != NOT_FIXED {
        *at = at.checked_add(size as usize)?;
        return Some(());
    }
    attributes.iter().try_for_each(|attribute| skip(bytes, at, *attribute))
}

/// Where the name at `at` is; goes over it.
#[inline]
fn name_at(unit: &Unit, bytes: &[u8], at: &mut usize, mark: Mark) -> Option<NameAt> {
    Some(match mark {
        Mark::Nothing => NameAt::Nowhere,
        Mark::Elsewhere => NameAt::Elsewhere,
        Mark::Str => NameAt::Str(word(bytes, at)?),
        Mark::Of => NameAt::Of(word(bytes, at)?),
        Mark::Inline => {
            let start = *at;
            skip(bytes, at, Skip::String)?;
            NameAt::Inline(start as u32)
        }
        Mark::Strx(size) => {
            let number = bytes.get(*at..at.checked_add(size)?)?;
            *at += size;
            indexed(unit, number.iter().rev().fold(0, |value, byte| value << 8 | usize::from(*byte)))
        }
        Mark::StrxLeb => indexed(unit, usize::try_from(leb(bytes, at)?).ok()?),
    })
}

#[inline]
fn word(bytes: &[u8], at: &mut usize) -> Option<u32> {
    let word = bytes.get(*at..)?.first_chunk()?;
    *at += word.len();
    Some(u32::from_le_bytes(*word))
}

/// Where in .debug_str the text is whose number in the unit's part of .debug_str_offsets that is.
fn indexed(unit: &Unit, number: usize) -> NameAt {
    let (format, base) = (unit.unit.encoding().format, unit.unit.str_offsets_base);
    let offset = unit.dwarf.debug_str_offsets.get_str_offset(format, base, gimli::DebugStrOffsetsIndex(number));
    offset.ok().and_then(|offset| u32::try_from(offset.0).ok()).map_or(NameAt::Elsewhere, NameAt::Str)
}

fn shape_of<'shapes>(shapes: &'shapes mut Vec<Option<Shape>>, unit: &Unit, code: u64) -> Option<&'shapes Shape> {
    let index = usize::try_from(code).ok().filter(|index| *index < MAX_CODE)?;
    if index >= shapes.len() {
        shapes.resize_with(index + 1, || None);
    }
    let shape = shapes.get_mut(index)?;
    if shape.is_none() {
        *shape = Some(make_shape(unit, code)?);
    }
    shape.as_ref()
}

fn make_shape(unit: &Unit, code: u64) -> Option<Shape> {
    let abbreviation = unit.unit.abbreviations.get(code)?;
    let encoding = unit.unit.encoding();
    let offset_size = usize::from(encoding.format.word_size());
    let tag = abbreviation.tag();
    let scope = encloses(tag).then_some(match tag {
        gimli::DW_TAG_subprogram => ScopeKind::Function,
        gimli::DW_TAG_enumeration_type => ScopeKind::Enumeration,
        _ => ScopeKind::Other,
    });
    let elaborates = |name: gimli::DwAt| {
        matches!(name, gimli::DW_AT_specification | gimli::DW_AT_abstract_origin)
            && (scope.is_some() || tag == gimli::DW_TAG_variable)
    };
    let attributes = abbreviation.attributes();
    let has = |wanted: gimli::DwAt| attributes.iter().any(|attribute| attribute.name() == wanted);
    // A name of its own comes before one that it would have from elsewhere.
    let own = attributes.iter().position(|attribute| attribute.name() == gimli::DW_AT_name);
    let marked = own.or_else(|| attributes.iter().position(|attribute| elaborates(attribute.name())));
    let (mut before, mut after): (Vec<Skip>, Vec<Skip>) = (Vec::new(), Vec::new());
    let mut mark = Mark::Nothing;
    for (index, attribute) in attributes.iter().enumerate() {
        if Some(index) == marked && (scope.is_some() || is_nameable(tag)) {
            mark = mark_of(attribute.name() == gimli::DW_AT_name, attribute.form(), offset_size);
            if mark != Mark::Elsewhere {
                continue;
            }
        }
        let skip = skip_of(attribute.form(), encoding.address_size.into(), offset_size, encoding.version)?;
        let part = if matches!(mark, Mark::Nothing | Mark::Elsewhere) { &mut before } else { &mut after };
        match (part.last_mut(), skip) {
            (Some(Skip::Bytes(sum)), Skip::Bytes(size)) => *sum = sum.checked_add(size)?,
            _ => part.push(skip),
        }
    }
    // What only elaborates a type that is declared somewhere has no name of its own to be found by.
    let is_named =
        own.is_some() || matches!(tag, gimli::DW_TAG_variable | gimli::DW_TAG_subprogram) && marked.is_some();
    let kind = (is_named && is_nameable(tag)).then(|| kind_of(tag, has(gimli::DW_AT_declaration)));
    let scope = scope.map(|kind| match kind {
        ScopeKind::Enumeration if has(gimli::DW_AT_enum_class) => ScopeKind::Other,
        kind => kind,
    });
    let (before_size, after_size) = (size_of(&before), size_of(&after));
    let has_children = abbreviation.has_children();
    Some(Shape { has_children, kind, scope, mark, before_size, after_size, before, after })
}

fn mark_of(is_own: bool, form: DwForm, offset_size: usize) -> Mark {
    match form {
        gimli::DW_FORM_ref4 if !is_own => Mark::Of,
        _ if !is_own => Mark::Elsewhere,
        gimli::DW_FORM_strp if offset_size == 4 => Mark::Str,
        gimli::DW_FORM_string => Mark::Inline,
        gimli::DW_FORM_strx1 => Mark::Strx(1),
        gimli::DW_FORM_strx2 => Mark::Strx(2),
        gimli::DW_FORM_strx3 => Mark::Strx(3),
        gimli::DW_FORM_strx4 => Mark::Strx(4),
        gimli::DW_FORM_strx | gimli::DW_FORM_GNU_str_index => Mark::StrxLeb,
        _ => Mark::Elsewhere,
    }
}

/// Bytes of attributes whose sizes do not depend on what they hold.
fn size_of(attributes: &[Skip]) -> u32 {
    match attributes {
        [] => 0,
        [Skip::Bytes(size)] => u32::try_from(*size).unwrap_or(NOT_FIXED),
        _ => NOT_FIXED,
    }
}

fn kind_of(tag: gimli::DwTag, is_declaration: bool) -> NameKind {
    if is_declaration {
        return NameKind::Declaration;
    }
    match tag {
        gimli::DW_TAG_subprogram => NameKind::Function,
        gimli::DW_TAG_variable => NameKind::Variable,
        gimli::DW_TAG_union_type => NameKind::Union,
        gimli::DW_TAG_enumeration_type => NameKind::Enum,
        gimli::DW_TAG_typedef => NameKind::Typedef,
        gimli::DW_TAG_base_type | gimli::DW_TAG_unspecified_type => NameKind::Base,
        gimli::DW_TAG_pointer_type => NameKind::Pointer,
        gimli::DW_TAG_enumerator => NameKind::Enumerator,
        gimli::DW_TAG_constant => NameKind::Constant,
        _ => NameKind::Struct,
    }
}

/// An entry's name, and the offset of the entry that has it: its own or the one that it elaborates.
pub(super) fn name_of(unit: &Unit, mut offset: u32) -> Option<(&'static [u8], u32)> {
    let mut entry = gimli::DebuggingInformationEntry::<R>::null();
    for _ in 0..4 {
        let at = UnitOffset(offset as usize);
        let mut raw = unit.unit.header.entries_raw(&unit.unit.abbreviations, Some(at)).ok()?;
        if !raw.read_entry(&mut entry).ok()? {
            return None;
        }
        if let Some(name) = entry.attr_value(gimli::DW_AT_name) {
            return Some((unit.dwarf.attr_string(&unit.unit, name).ok()?.slice(), offset));
        }
        let declared =
            entry.attr_value(gimli::DW_AT_specification).or_else(|| entry.attr_value(gimli::DW_AT_abstract_origin))?;
        let gimli::AttributeValue::UnitRef(declared) = declared else { return None };
        offset = u32::try_from(declared.0).ok()?;
    }
    None
}

/// A unit's own texts.
pub(super) fn strings_of(unit: &Unit) -> &'static [u8] {
    unit.dwarf.debug_str.reader().slice()
}
