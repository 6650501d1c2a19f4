//! One quick pass over a unit: where its functions are, and which DIE encloses which.
//!
//! DWARF has no index of a unit's functions and no parent links. This pass reads just abbreviation codes and skips
//! attributes by precomputed sizes; only DIEs that are functions with code are looked at further. Names, types and
//! variables are left to whoever needs them; all names at once are read by a pass of their own (`name_index`).

use gimli::{DW_AT_low_pc, DW_AT_ranges, DwForm, DwTag, UnitOffset};

use super::R;

/// A function (not an inlined one) with code.
#[derive(Clone, Copy, Debug)]
pub struct FunctionRange {
    /// First address.
    pub low: u64,
    /// One past the last.
    pub high: u64,
    /// Its DIE.
    pub offset: u32,
}

/// A DIE that encloses others.
#[derive(Clone, Copy, Debug)]
struct Container {
    start: u32,
    end: u32,
    /// Index of the container around it.
    parent: Option<u32>,
}

/// A named DIE outside of functions: type, variable, function or enumerator, for lookups by name.
#[derive(Clone, Copy, Debug)]
pub struct NamedEntry {
    /// Its DIE.
    pub offset: u32,
    /// What it is.
    pub tag: DwTag,
    /// It is only declared here.
    pub declaration: bool,
}

/// What the pass found.
#[derive(Debug, Default)]
pub struct Skim {
    /// Ascending by `low`; a function with several ranges is there several times.
    functions: Vec<FunctionRange>,
    /// For each function range, the highest `high` of it and all before.
    reach: Vec<u64>,
    /// Ascending by `start`; nested.
    containers: Vec<Container>,
    /// Named entries, in order.
    pub named: Vec<NamedEntry>,
}

/// How to get over an abbreviation's attributes.
#[derive(Clone)]
struct Shape {
    tag: DwTag,
    has_children: bool,
    has_code: bool,
    named: bool,
    declaration: bool,
    encloses: bool,
    /// All attributes have a fixed size: their sum.
    fixed: Option<usize>,
    forms: Vec<Skip>,
}

/// How to get over one attribute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Skip {
    /// So many bytes.
    Bytes(usize),
    Leb,
    String,
    Block1,
    Block2,
    Block4,
    BlockLeb,
    Indirect,
}

/// Deepest nesting followed. Real programs stay under 100.
pub(super) const MAX_DEPTH: usize = 4096;

impl Skim {
    /// Passes over the unit. Ends early, with what it has, at malformed data.
    pub fn of(dwarf: &gimli::Dwarf<R>, unit: &gimli::Unit<R>) -> Skim {
        let mut skim = Skim::default();
        let header_size = unit.header.size_of_header();
        let Ok(entries) = unit.header.range_from(UnitOffset(header_size)..) else { return skim };
        skim.pass(dwarf, unit, entries.slice(), header_size);
        skim.functions.sort_by_key(|range| (range.low, range.high));
        let mut reach = 0;
        skim.reach = skim
            .functions
            .iter()
            .map(|range| {
                reach = reach.max(range.high);
                reach
            })
            .collect();
        skim
    }

    fn pass(&mut self, dwarf: &gimli::Dwarf<R>, unit: &gimli::Unit<R>, bytes: &[u8], base: usize) {
        let mut shapes: Vec<Option<Shape>> = Vec::new();
        let mut open: Vec<Option<usize>> = Vec::new();
        let mut container_marks: Vec<bool> = Vec::new();
        let mut functions_open = 0usize;
        let mut function_marks: Vec<bool> = Vec::new();
        let mut at = 0usize;
        let address_size = usize::from(unit.encoding().address_size);
        let mut entry = gimli::DebuggingInformationEntry::null();
        while at < bytes.len() {
            let start = base + at;
            let Some(code) = leb(bytes, &mut at) else { return };
            if code == 0 {
                let Some(container) = open.pop() else { continue };
                if container_marks.pop() == Some(true)
                    && let Some(container) = container.and_then(|index| self.containers.get_mut(index))
                {
                    container.end = (base + at) as u32;
                }
                if function_marks.pop() == Some(true) {
                    functions_open -= 1;
                }
                if open.is_empty() {
                    return;
                }
                continue;
            }
            let Some(shape) = shape_of(&mut shapes, unit, code, address_size) else { return };
            match shape.fixed {
                Some(size) => at = at.saturating_add(size),
                None => {
                    for form in &shape.forms {
                        if skip(bytes, &mut at, *form).is_none() {
                            return;
                        }
                    }
                }
            }
            if at > bytes.len() {
                return;
            }
            let is_function = shape.tag == gimli::DW_TAG_subprogram;
            if shape.has_code && is_function {
                let raw = unit.header.entries_raw(&unit.abbreviations, Some(UnitOffset(start)));
                if let Ok(mut raw) = raw
                    && raw.read_entry(&mut entry).is_ok()
                {
                    self.add_function(dwarf, unit, &entry, start as u32);
                }
            }
            if shape.named && functions_open == 0 {
                self.named.push(NamedEntry { offset: start as u32, tag: shape.tag, declaration: shape.declaration });
            }
            if shape.has_children {
                if open.len() >= MAX_DEPTH {
                    return;
                }
                let parent = open.last().copied().flatten();
                let container = shape.encloses.then(|| {
                    let parent = parent.map(|index: usize| index as u32);
                    self.containers.push(Container { start: start as u32, end: u32::MAX, parent });
                    self.containers.len() - 1
                });
                open.push(container.or(parent));
                container_marks.push(container.is_some());
                function_marks.push(is_function);
                functions_open += usize::from(is_function);
            }
        }
    }

    fn add_function(
        &mut self,
        dwarf: &gimli::Dwarf<R>,
        unit: &gimli::Unit<R>,
        entry: &gimli::DebuggingInformationEntry<R>,
        offset: u32,
    ) {
        for (low, high) in die_ranges(dwarf, unit, entry) {
            self.functions.push(FunctionRange { low, high, offset });
        }
    }

    /// The innermost function around the address: the one with the smallest range that holds it.
    pub fn function_at(&self, address: u64) -> Option<FunctionRange> {
        let mut index = self.functions.partition_point(|range| range.low <= address);
        let mut best: Option<FunctionRange> = None;
        while index > 0 && self.reach[index - 1] > address {
            index -= 1;
            let range = self.functions[index];
            if address < range.high && best.is_none_or(|best| range.high - range.low < best.high - best.low) {
                best = Some(range);
            }
        }
        best
    }

    /// All functions' ranges, ascending.
    pub fn functions(&self) -> &[FunctionRange] {
        &self.functions
    }

    /// The DIEs that enclose `offset`, innermost first, the unit's own left out.
    pub fn parents(&self, offset: u32) -> Vec<u32> {
        let mut parents = Vec::new();
        // The last one that starts before `offset` either encloses it or is inside a sibling of it, so that what
        // encloses it is on the way outwards.
        let before = self.containers.partition_point(|container| container.start < offset);
        let mut next = before.checked_sub(1);
        while let Some(index) = next {
            let container = self.containers[index];
            if offset < container.end {
                parents.push(container.start);
            }
            next = container.parent.map(|parent| parent as usize);
        }
        parents
    }
}

/// Address ranges (low, high) of a DIE, empty and tombstone ones left out. At most 10,000.
pub fn die_ranges(
    dwarf: &gimli::Dwarf<R>,
    unit: &gimli::Unit<R>,
    entry: &gimli::DebuggingInformationEntry<R>,
) -> Vec<(u64, u64)> {
    let mut found = Vec::new();
    // gimli adds low_pc and the size without a check.
    let low = entry.attr_value(DW_AT_low_pc).and_then(|value| dwarf.attr_address(unit, value).ok().flatten());
    if let (Some(low), Some(gimli::AttributeValue::Udata(size))) = (low, entry.attr_value(gimli::DW_AT_high_pc))
        && !entry.has_attr(DW_AT_ranges)
    {
        if let Some(high) = low.checked_add(size)
            && low < high
            && low != 0
        {
            return vec![(low, high)];
        }
        return found;
    }
    let Ok(mut ranges) = dwarf.die_ranges(unit, entry) else { return found };
    while let Ok(Some(range)) = ranges.next() {
        if range.begin < range.end && range.begin != 0 && found.len() < 10_000 {
            found.push((range.begin, range.end));
        }
    }
    found
}

fn shape_of<'shapes>(
    shapes: &'shapes mut Vec<Option<Shape>>,
    unit: &gimli::Unit<R>,
    code: u64,
    address_size: usize,
) -> Option<&'shapes Shape> {
    let index = usize::try_from(code).ok().filter(|index| *index < 1 << 20)?;
    if index >= shapes.len() {
        shapes.resize(index + 1, None);
    }
    if shapes[index].is_none() {
        shapes[index] = Some(make_shape(unit, code, address_size)?);
    }
    shapes[index].as_ref()
}

fn make_shape(unit: &gimli::Unit<R>, code: u64, address_size: usize) -> Option<Shape> {
    let abbreviation = unit.abbreviations.get(code)?;
    let offset_size = usize::from(unit.encoding().format.word_size());
    let version = unit.encoding().version;
    let mut forms: Vec<Skip> = Vec::new();
    let mut has_code = false;
    let mut named = false;
    let mut declaration = false;
    for attribute in abbreviation.attributes() {
        match attribute.name() {
            gimli::DW_AT_low_pc | gimli::DW_AT_ranges => has_code = true,
            gimli::DW_AT_name => named = true,
            gimli::DW_AT_declaration => declaration = true,
            gimli::DW_AT_specification | gimli::DW_AT_abstract_origin
                if matches!(abbreviation.tag(), gimli::DW_TAG_variable | gimli::DW_TAG_subprogram) =>
            {
                named = true;
            }
            _ => {}
        }
        let skip = skip_of(attribute.form(), address_size, offset_size, version)?;
        match (forms.last_mut(), skip) {
            (Some(Skip::Bytes(sum)), Skip::Bytes(size)) => *sum += size,
            _ => forms.push(skip),
        }
    }
    let fixed = match &forms[..] {
        [] => Some(0),
        [Skip::Bytes(size)] => Some(*size),
        _ => None,
    };
    let tag = abbreviation.tag();
    let encloses = encloses(tag);
    named &= is_nameable(tag);
    let has_children = abbreviation.has_children();
    Some(Shape { tag, has_children, has_code, named, declaration, encloses, fixed, forms })
}

/// Whether DIEs of that tag are scopes for names.
pub(super) fn encloses(tag: DwTag) -> bool {
    matches!(
        tag,
        gimli::DW_TAG_namespace
            | gimli::DW_TAG_module
            | gimli::DW_TAG_structure_type
            | gimli::DW_TAG_class_type
            | gimli::DW_TAG_union_type
            | gimli::DW_TAG_enumeration_type
            | gimli::DW_TAG_interface_type
            | gimli::DW_TAG_subprogram
    )
}

/// Whether DIEs of that tag are looked up by their names.
pub(super) fn is_nameable(tag: DwTag) -> bool {
    matches!(
        tag,
        gimli::DW_TAG_structure_type
            | gimli::DW_TAG_class_type
            | gimli::DW_TAG_union_type
            | gimli::DW_TAG_enumeration_type
            | gimli::DW_TAG_typedef
            | gimli::DW_TAG_base_type
            | gimli::DW_TAG_unspecified_type
            | gimli::DW_TAG_pointer_type
            | gimli::DW_TAG_variable
            | gimli::DW_TAG_subprogram
            | gimli::DW_TAG_enumerator
            | gimli::DW_TAG_constant
    )
}

/// Sizes of the forms: DWARF 5, 7.5.6; the GNU ones as in binutils' dwarf2.def.
pub(super) fn skip_of(form: DwForm, address_size: usize, offset_size: usize, version: u16) -> Option<Skip> {
    Some(match form {
        gimli::DW_FORM_flag_present | gimli::DW_FORM_implicit_const => Skip::Bytes(0),
        gimli::DW_FORM_data1
        | gimli::DW_FORM_flag
        | gimli::DW_FORM_ref1
        | gimli::DW_FORM_strx1
        | gimli::DW_FORM_addrx1 => Skip::Bytes(1),
        gimli::DW_FORM_data2 | gimli::DW_FORM_ref2 | gimli::DW_FORM_strx2 | gimli::DW_FORM_addrx2 => Skip::Bytes(2),
        gimli::DW_FORM_strx3 | gimli::DW_FORM_addrx3 => Skip::Bytes(3),
        gimli::DW_FORM_data4
        | gimli::DW_FORM_ref4
        | gimli::DW_FORM_strx4
        | gimli::DW_FORM_addrx4
        | gimli::DW_FORM_ref_sup4 => Skip::Bytes(4),
        gimli::DW_FORM_data8 | gimli::DW_FORM_ref8 | gimli::DW_FORM_ref_sig8 | gimli::DW_FORM_ref_sup8 => {
            Skip::Bytes(8)
        }
        gimli::DW_FORM_data16 => Skip::Bytes(16),
        gimli::DW_FORM_addr => Skip::Bytes(address_size),
        gimli::DW_FORM_ref_addr if version <= 2 => Skip::Bytes(address_size),
        gimli::DW_FORM_strp
        | gimli::DW_FORM_line_strp
        | gimli::DW_FORM_sec_offset
        | gimli::DW_FORM_ref_addr
        | gimli::DW_FORM_strp_sup
        | gimli::DW_FORM_GNU_ref_alt
        | gimli::DW_FORM_GNU_strp_alt => Skip::Bytes(offset_size),
        gimli::DW_FORM_sdata
        | gimli::DW_FORM_udata
        | gimli::DW_FORM_ref_udata
        | gimli::DW_FORM_strx
        | gimli::DW_FORM_addrx
        | gimli::DW_FORM_loclistx
        | gimli::DW_FORM_rnglistx
        | gimli::DW_FORM_GNU_str_index
        | gimli::DW_FORM_GNU_addr_index => Skip::Leb,
        gimli::DW_FORM_string => Skip::String,
        gimli::DW_FORM_block1 => Skip::Block1,
        gimli::DW_FORM_block2 => Skip::Block2,
        gimli::DW_FORM_block4 => Skip::Block4,
        gimli::DW_FORM_block | gimli::DW_FORM_exprloc => Skip::BlockLeb,
        gimli::DW_FORM_indirect => Skip::Indirect,
        _ => return None,
    })
}

/// A LEB128 number without a sign.
#[inline]
pub(super) fn leb(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let first = *bytes.get(*at)?;
    *at += 1;
    if first < 0x80 {
        return Some(u64::from(first));
    }
    let mut value = u64::from(first & 0x7f);
    let mut shift = 7;
    loop {
        let byte = *bytes.get(*at)?;
        *at += 1;
        if shift < 64 {
            value |= u64::from(byte & 0x7f) << shift;
        }
        if byte < 0x80 {
            return Some(value);
        }
        shift += 7;
    }
}

fn little(bytes: &[u8], at: &mut usize, size: usize) -> Option<usize> {
    let field = bytes.get(*at..at.checked_add(size)?)?;
    *at += size;
    Some(field.iter().rev().fold(0, |value, byte| value << 8 | usize::from(*byte)))
}

/// Goes over an attribute; `None` at the end of the bytes.
#[inline]
pub(super) fn skip(bytes: &[u8], at: &mut usize, how: Skip) -> Option<()> {
    let size = match how {
        Skip::Bytes(size) => size,
        Skip::Leb => {
            while *bytes.get(*at)? >= 0x80 {
                *at += 1;
            }
            1
        }
        Skip::String => memchr::memchr(0, bytes.get(*at..)?)? + 1,
        Skip::Block1 => little(bytes, at, 1)?,
        Skip::Block2 => little(bytes, at, 2)?,
        Skip::Block4 => little(bytes, at, 4)?,
        Skip::BlockLeb => usize::try_from(leb(bytes, at)?).ok()?,
        // Never seen in compilers' output.
        Skip::Indirect => return None,
    };
    *at = at.checked_add(size)?;
    Some(())
}
