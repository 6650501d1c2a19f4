//! A module's debug information, cut down to what a snapshot keeps: DWARF 5 of its own, which every reader of DWARF
//! reads.

use std::collections::{BTreeMap, HashMap, HashSet};

use gimli::write::{
    Address, AttributeValue as Out, Dwarf, EndianVec, Expression, FileId, LineProgram, LineString, Location,
    LocationList, Range, RangeList, Sections, Unit as OutUnit, UnitEntryId, UnitId as OutUnitId,
};
use gimli::{AttributeValue, DebuggingInformationEntry, Encoding, Format, LineEncoding, LittleEndian, constants as dw};

use super::closure::{Closure, Keep, Kept, Points, is_kept, is_structure};
use crate::image::snapshot::format::METHODS_LEFT_OUT;
use crate::module::lines::Row;
use crate::module::unit::{Unit, Units};
use crate::module::{DieRef, R, UnitId};

/// What could not be taken over.
#[derive(Clone, Copy, Default, Debug)]
pub struct Lost {
    /// Attributes whose value has no place in the new sections.
    pub attributes: usize,
}

/// Name and content of each section.
pub type SectionBytes = Vec<(&'static str, Vec<u8>)>;

/// A unit on its way.
struct Open {
    unit: OutUnitId,
    files: HashMap<u64, FileId>,
}

/// Writes what is kept of a module.
pub struct DwarfWriter<'a> {
    units: &'a dyn Units,
    kept: &'a BTreeMap<DieRef, Kept>,
    points: &'a Points,
    without_methods: &'a HashSet<DieRef>,
    dwarf: Dwarf,
    open: HashMap<UnitId, Open>,
    entries: HashMap<DieRef, (OutUnitId, UnitEntryId)>,
    /// What could not be taken over.
    pub lost: Lost,
}

impl<'a> DwarfWriter<'a> {
    /// For the entries of one module.
    pub fn new(closure: &'a Closure<'a>) -> DwarfWriter<'a> {
        let Closure { units, points, kept, without_methods, .. } = closure;
        let (dwarf, open, entries) = (Dwarf::new(), HashMap::new(), HashMap::new());
        DwarfWriter { units: *units, kept, points, without_methods, dwarf, open, entries, lost: Lost::default() }
    }

    /// The sections. `lines` are each unit's rows: sequences of ascending addresses, and where each ends; `covered`
    /// the code that each unit is to be found by.
    pub fn write(
        mut self,
        lines: &BTreeMap<DieRef, Vec<Vec<Row>>>,
        covered: &BTreeMap<DieRef, Vec<(u64, u64)>>,
    ) -> Result<(SectionBytes, Lost), gimli::write::Error> {
        for root in covered.keys() {
            self.open_unit(*root);
        }
        for die in self.kept.keys() {
            self.open_unit(*die);
        }
        self.place_entries();
        let mut roots: BTreeMap<UnitId, DieRef> = self.kept.keys().map(|die| (die.unit, *die)).collect();
        roots.extend(covered.keys().map(|root| (root.unit, *root)));
        for root in roots.values() {
            self.root(*root, covered.get(root));
        }
        let kept = self.kept;
        for die in kept.keys() {
            self.attributes(*die);
        }
        for (root, sequences) in lines {
            self.lines(*root, sequences);
        }
        let mut sections = Sections::new(EndianVec::new(LittleEndian));
        self.dwarf.write(&mut sections)?;
        let mut written = SectionBytes::new();
        let _: Result<(), ()> = sections.for_each_mut(|id, section| {
            let bytes = section.take();
            if !bytes.is_empty() {
                written.push((id.name(), bytes));
            }
            Ok(())
        });
        Ok((written, self.lost))
    }

    fn open_unit(&mut self, die: DieRef) {
        if self.open.contains_key(&die.unit) {
            return;
        }
        let Some(unit) = self.units.unit(die) else { return };
        let address_size = unit.unit.encoding().address_size;
        let encoding = Encoding { format: Format::Dwarf32, version: 5, address_size };
        let name = plain(unit.source_name().unwrap_or_default());
        let name = if name.is_empty() { b"<unknown>".to_vec() } else { name };
        let directory = plain(unit.directory().unwrap_or_default());
        let directory = if directory.is_empty() { b".".to_vec() } else { directory };
        let string = |text: Vec<u8>, dwarf: &mut Dwarf| LineString::new(text, encoding, &mut dwarf.line_strings);
        let (directory, name) = (string(directory, &mut self.dwarf), string(name, &mut self.dwarf));
        let program = LineProgram::new(encoding, LineEncoding::default(), directory, None, name, None);
        let out = self.dwarf.units.add(OutUnit::new(encoding, program));
        self.open.insert(die.unit, Open { unit: out, files: HashMap::new() });
    }

    /// Every kept entry gets its place, parents before their children and in the original's order.
    fn place_entries(&mut self) {
        for die in self.kept.keys() {
            let Some(open) = self.open.get(&die.unit) else { continue };
            let id = self.dwarf.units.get_mut(open.unit).reserve();
            self.entries.insert(*die, (open.unit, id));
        }
        for (die, kept) in self.kept {
            let (Some(unit), Some((out, id))) = (self.units.unit(*die), self.entries.get(die).copied()) else {
                continue;
            };
            let Some(entry) = unit.entry(die.offset) else { continue };
            let parent = kept.parent.and_then(|parent| self.entries.get(&parent));
            let out = self.dwarf.units.get_mut(out);
            let parent = parent.map_or(out.root(), |(_, parent)| *parent);
            out.add_reserved(id, parent, entry.tag());
        }
    }

    /// `ranges` is the code that the unit is to be found by.
    fn root(&mut self, die: DieRef, ranges: Option<&Vec<(u64, u64)>>) {
        let Some(unit) = self.units.unit(die) else { return };
        let Some(open) = self.open.get(&die.unit).map(|open| open.unit) else { return };
        let offset = unit.unit.header.root_offset().0 as u32;
        let Some(entry) = unit.entry(offset) else { return };
        let skeleton = unit.skeleton.as_ref();
        let mut values = Vec::new();
        for name in [dw::DW_AT_producer, dw::DW_AT_language, dw::DW_AT_use_UTF8] {
            let value = entry.attr_value(name).and_then(|value| self.value(unit, die, value));
            values.extend(value.map(|value| (name, value)));
        }
        let strings = [
            (dw::DW_AT_name, unit.unit.name.or(skeleton.and_then(|(_, unit)| unit.name))),
            (dw::DW_AT_comp_dir, unit.unit.comp_dir.or(skeleton.and_then(|(_, unit)| unit.comp_dir))),
        ];
        for (name, text) in strings {
            let Some(text) = text else { continue };
            values.push((name, Out::StringRef(self.dwarf.strings.add(until_nul(text.slice())))));
        }
        let out = self.dwarf.units.get_mut(open);
        if let Some(ranges) = ranges {
            let list = ranges.iter().map(|(low, high)| range(*low, *high)).collect();
            values.push((dw::DW_AT_ranges, Out::RangeListRef(out.ranges.add(RangeList(list)))));
        }
        let root = out.root();
        let root = out.get_mut(root);
        for (name, value) in values {
            root.set(name, value);
        }
    }

    fn attributes(&mut self, die: DieRef) {
        let (Some(kept), Some(unit)) = (self.kept.get(&die), self.units.unit(die)) else { return };
        let (Some((out, id)), Some(entry)) = (self.entries.get(&die).copied(), unit.entry(die.offset)) else { return };
        let mut values = self.kept_values(unit, die, &entry, kept.keep);
        if kept.keep == Keep::Name && is_structure(entry.tag()) {
            values.push((dw::DW_AT_declaration, Out::FlagPresent));
        }
        if self.without_methods.contains(&die) {
            values.push((gimli::DwAt(METHODS_LEFT_OUT), Out::FlagPresent));
        }
        let entry = self.dwarf.units.get_mut(out).get_mut(id);
        for (name, value) in values {
            entry.set(name, value);
        }
    }

    fn kept_values(
        &mut self,
        unit: &Unit,
        die: DieRef,
        entry: &DebuggingInformationEntry<R>,
        keep: Keep,
    ) -> Vec<(gimli::DwAt, Out)> {
        let mut values = Vec::with_capacity(entry.attrs().len());
        for attribute in entry.attrs() {
            let name = attribute.name();
            if !is_kept(name, entry.tag(), keep) {
                continue;
            }
            let value = match (name, attribute.value()) {
                (dw::DW_AT_ranges, value) if is_scope(entry.tag()) => self.scope_ranges(unit, die, value),
                (dw::DW_AT_decl_file | dw::DW_AT_call_file, value) => {
                    let index = match value {
                        AttributeValue::FileIndex(index) => Some(index),
                        value => value.udata_value(),
                    };
                    index.map(|index| Out::FileIndex(self.file(unit, die.unit, index)))
                }
                (_, value) => self.value(unit, die, value),
            };
            match value {
                Some(value) => values.push((name, value)),
                None => self.lost.attributes += 1,
            }
        }
        values
    }

    fn file(&mut self, unit: &Unit, id: UnitId, index: u64) -> Option<FileId> {
        let open = self.open.get_mut(&id)?;
        if let Some(known) = open.files.get(&index) {
            return Some(*known);
        }
        let path = within(&unit.file_path(index)?, unit);
        let file = add_file(&mut self.dwarf, open.unit, path)?;
        open.files.insert(index, file);
        Some(file)
    }

    /// The ranges of a block or an inlined call that hold any of the addresses that are answered for. One range where
    /// none does: a scope without any has another meaning.
    fn scope_ranges(&mut self, unit: &Unit, die: DieRef, value: AttributeValue<R>) -> Option<Out> {
        let out = self.open.get(&die.unit)?.unit;
        let mut list = unit.dwarf.attr_ranges(&unit.unit, value).ok()??;
        let (mut ranges, mut first) = (Vec::new(), None);
        while let Ok(Some(found)) = list.next() {
            first = first.or((found.begin < found.end).then_some((found.begin, found.end)));
            if self.points.any_in(found.begin, found.end) {
                ranges.push(range(found.begin, found.end));
            }
        }
        if ranges.is_empty() {
            ranges.extend(first.map(|(low, high)| range(low, high)));
        }
        let out = self.dwarf.units.get_mut(out);
        Some(Out::RangeListRef(out.ranges.add(RangeList(ranges))))
    }

    fn reference(&self, unit: &Unit, from: OutUnitId, value: AttributeValue<R>) -> Option<Out> {
        let target = self.units.reference(unit, value)?;
        let (out, id) = *self.entries.get(&target)?;
        Some(if out == from { Out::UnitRef(id) } else { Out::DebugInfoRef(gimli::write::DebugInfoRef::Entry(out, id)) })
    }

    fn value(&mut self, unit: &Unit, die: DieRef, value: AttributeValue<R>) -> Option<Out> {
        let out = self.open.get(&die.unit)?.unit;
        Some(match value {
            AttributeValue::Addr(address) => Out::Address(Address::Constant(address)),
            AttributeValue::DebugAddrIndex(_) => {
                Out::Address(Address::Constant(unit.dwarf.attr_address(&unit.unit, value).ok()??))
            }
            AttributeValue::Block(block) => Out::Block(block.slice().to_vec()),
            AttributeValue::Data1(number) => Out::Data1(number),
            AttributeValue::Data2(number) => Out::Data2(number),
            AttributeValue::Data4(number) => Out::Data4(number),
            AttributeValue::Data8(number) => Out::Data8(number),
            AttributeValue::Data16(number) => Out::Data16(number),
            AttributeValue::Sdata(number) => Out::Sdata(number),
            AttributeValue::Udata(number) => Out::Udata(number),
            AttributeValue::Exprloc(expression) => Out::Exprloc(self.expression(unit, out, expression)?),
            AttributeValue::Flag(true) => Out::FlagPresent,
            AttributeValue::Flag(false) => Out::Flag(false),
            AttributeValue::UnitRef(_)
            | AttributeValue::DebugInfoRef(_)
            | AttributeValue::DebugInfoRefSup(_)
            | AttributeValue::DebugTypesRef(_) => self.reference(unit, out, value)?,
            AttributeValue::LocationListsRef(_) | AttributeValue::DebugLocListsIndex(_) => {
                let mut list = unit.dwarf.attr_locations(&unit.unit, value).ok()??;
                let mut locations = Vec::new();
                while let Ok(Some(location)) = list.next() {
                    let (begin, end) = (location.range.begin, location.range.end);
                    if !self.points.any_in(begin, end) {
                        continue;
                    }
                    let Some(data) = self.expression(unit, out, location.data) else {
                        self.lost.attributes += 1;
                        continue;
                    };
                    let (begin, end) = (Address::Constant(begin), Address::Constant(end));
                    locations.push(Location::StartEnd { begin, end, data });
                }
                let out = self.dwarf.units.get_mut(out);
                Out::LocationListRef(out.locations.add(LocationList(locations)))
            }
            AttributeValue::RangeListsRef(_) | AttributeValue::DebugRngListsIndex(_) => {
                let mut list = unit.dwarf.attr_ranges(&unit.unit, value).ok()??;
                let mut ranges = Vec::new();
                while let Ok(Some(found)) = list.next() {
                    ranges.push(range(found.begin, found.end));
                }
                let out = self.dwarf.units.get_mut(out);
                Out::RangeListRef(out.ranges.add(RangeList(ranges)))
            }
            AttributeValue::String(_)
            | AttributeValue::DebugStrRef(_)
            | AttributeValue::DebugStrRefSup(_)
            | AttributeValue::DebugStrOffsetsIndex(_)
            | AttributeValue::DebugLineStrRef(_) => {
                let text = unit.dwarf.attr_string(&unit.unit, value).ok()?;
                Out::StringRef(self.dwarf.strings.add(until_nul(text.slice())))
            }
            AttributeValue::Encoding(value) => Out::Encoding(value),
            AttributeValue::DecimalSign(value) => Out::DecimalSign(value),
            AttributeValue::Endianity(value) => Out::Endianity(value),
            AttributeValue::Accessibility(value) => Out::Accessibility(value),
            AttributeValue::Visibility(value) => Out::Visibility(value),
            AttributeValue::Virtuality(value) => Out::Virtuality(value),
            AttributeValue::Language(value) => Out::Language(value),
            AttributeValue::AddressClass(value) => Out::AddressClass(value),
            AttributeValue::IdentifierCase(value) => Out::IdentifierCase(value),
            AttributeValue::CallingConvention(value) => Out::CallingConvention(value),
            AttributeValue::Inline(value) => Out::Inline(value),
            AttributeValue::Ordering(value) => Out::Ordering(value),
            _ => return None,
        })
    }

    /// An expression with its references led to where the entries are now. Operations without any are taken over as
    /// they are.
    fn expression(&self, unit: &Unit, out: OutUnitId, expression: gimli::Expression<R>) -> Option<Expression> {
        let encoding = unit.unit.encoding();
        let mut bytes = expression.0;
        let mut operations = expression.operations(encoding);
        let mut refers = false;
        while let Some(operation) = operations.next().ok()? {
            refers |= refers_elsewhere(&operation, encoding);
        }
        if !refers {
            return Some(Expression::raw(bytes.slice().to_vec()));
        }
        let mut written = Expression::new();
        let entry = |base: gimli::UnitOffset| {
            let target = self.units.reference(unit, AttributeValue::UnitRef(base))?;
            let (unit, id) = *self.entries.get(&target)?;
            (unit == out).then_some(id)
        };
        let anywhere = |offset| {
            let target = self.units.reference(unit, AttributeValue::DebugInfoRef(offset));
            let target = target.and_then(|target| self.entries.get(&target).copied());
            // What leads nowhere is led to the unit, which is no object either.
            let (unit, id) = target.unwrap_or_else(|| (out, self.dwarf.units.get(out).root()));
            gimli::write::DebugInfoRef::Entry(unit, id)
        };
        while !gimli::Reader::is_empty(&bytes) {
            let before = bytes.slice();
            let operation = gimli::Operation::parse(&mut bytes, encoding).ok()?;
            use gimli::Operation as Op;
            match operation {
                Op::Convert { base_type } if base_type.0 == 0 => written.op_convert(None),
                Op::Convert { base_type } => written.op_convert(Some(entry(base_type)?)),
                Op::Reinterpret { base_type } if base_type.0 == 0 => written.op_reinterpret(None),
                Op::Reinterpret { base_type } => written.op_reinterpret(Some(entry(base_type)?)),
                Op::TypedLiteral { base_type, value } => {
                    written.op_const_type(entry(base_type)?, value.slice().into());
                }
                Op::RegisterOffset { register, offset: 0, base_type } if base_type.0 != 0 => {
                    written.op_regval_type(register, entry(base_type)?);
                }
                Op::RegisterOffset { register, offset, .. } => written.op_breg(register, offset),
                Op::Deref { base_type, size, space: false } if base_type.0 != 0 => {
                    written.op_deref_type(size, entry(base_type)?);
                }
                Op::Deref { size, space: false, .. } if size == encoding.address_size => written.op_deref(),
                Op::Deref { size, space: false, .. } => written.op_deref_size(size),
                Op::ImplicitPointer { value, byte_offset } => {
                    written.op_implicit_pointer(anywhere(value), byte_offset);
                }
                Op::VariableValue { offset } => written.op_variable_value(anywhere(offset)),
                Op::Call { offset: gimli::DieReference::UnitRef(offset) } => written.op_call(entry(offset)?),
                Op::Call { offset: gimli::DieReference::DebugInfoRef(offset) } => {
                    written.op_call_ref(anywhere(offset));
                }
                Op::ParameterRef { offset } => written.op_gnu_parameter_ref(entry(offset)?),
                Op::EntryValue { expression } => {
                    written.op_entry_value(self.expression(unit, out, gimli::Expression(expression))?);
                }
                Op::Address { address } => written.op_addr(Address::Constant(address)),
                Op::AddressIndex { index } => {
                    written.op_addr(Address::Constant(unit.dwarf.address(&unit.unit, index).ok()?));
                }
                Op::ConstantIndex { index } => written.op_constu(unit.dwarf.address(&unit.unit, index).ok()?),
                Op::Register { register } => written.op_reg(register),
                Op::FrameOffset { offset } => written.op_fbreg(offset),
                Op::UnsignedConstant { value } => written.op_constu(value),
                Op::SignedConstant { value } => written.op_consts(value),
                Op::PlusConstant { value } => written.op_plus_uconst(value),
                Op::Pick { index } => written.op_pick(index),
                Op::Piece { size_in_bits, bit_offset: None } if size_in_bits % 8 == 0 => {
                    written.op_piece(size_in_bits / 8);
                }
                Op::Piece { size_in_bits, bit_offset } => {
                    written.op_bit_piece(size_in_bits, bit_offset.unwrap_or(0));
                }
                Op::ImplicitValue { data } => written.op_implicit_value(data.slice().into()),
                // Jumps beside references: their distances would change. No compiler writes both.
                Op::Bra { .. } | Op::Skip { .. } => return None,
                _ => {
                    // One byte without operands.
                    let length = before.len() - gimli::Reader::len(&bytes);
                    let (1, Some(code)) = (length, before.first()) else { return None };
                    written.op(gimli::DwOp(*code));
                }
            }
        }
        Some(written)
    }

    fn lines(&mut self, root: DieRef, sequences: &[Vec<Row>]) {
        let Some(open) = self.open.get(&root.unit).map(|open| open.unit) else { return };
        let Some(unit) = self.units.unit(root) else { return };
        let mut files: HashMap<std::sync::Arc<str>, FileId> = HashMap::new();
        for sequence in sequences {
            let (Some(first), Some(last)) = (sequence.first(), sequence.last()) else { continue };
            let start = first.address;
            let mut rows = Vec::with_capacity(sequence.len());
            for row in &sequence[..sequence.len() - 1] {
                let Some(path) = &row.file else { continue };
                let file = match files.get(path) {
                    Some(known) => *known,
                    None => {
                        let Some(file) = add_file(&mut self.dwarf, open, within(path, unit)) else { continue };
                        files.insert(path.clone(), file);
                        file
                    }
                };
                rows.push((file, row));
            }
            let program = &mut self.dwarf.units.get_mut(open).line_program;
            program.begin_sequence(Some(Address::Constant(start)));
            let mut highest = 0;
            for (file, row) in rows {
                highest = (row.address.saturating_sub(start)).max(highest);
                let out = program.row();
                out.address_offset = highest;
                out.file = file;
                out.line = u64::from(row.line);
                out.column = u64::from(row.column);
                out.is_statement = row.is_statement;
                program.generate_row();
            }
            program.end_sequence(last.address.saturating_sub(start).max(highest));
        }
    }
}

fn add_file(dwarf: &mut Dwarf, unit: OutUnitId, path: Vec<u8>) -> Option<FileId> {
    if path.is_empty() {
        return None;
    }
    let encoding = dwarf.units.get(unit).encoding();
    let path = LineString::new(path, encoding, &mut dwarf.line_strings);
    let program = &mut dwarf.units.get_mut(unit).line_program;
    let directory = program.default_directory();
    Some(program.add_file(path, directory, None))
}

/// A file's path as a line table has it: relative to the compiler's directory where that is relative.
fn within(path: &str, unit: &Unit) -> Vec<u8> {
    let directory = unit.directory().filter(|directory| !directory.starts_with('/'));
    let inside = directory.as_deref().and_then(|directory| path.strip_prefix(directory)?.strip_prefix('/'));
    plain(inside.unwrap_or(path).to_owned())
}

fn is_scope(tag: gimli::DwTag) -> bool {
    matches!(tag, dw::DW_TAG_inlined_subroutine | dw::DW_TAG_lexical_block)
}

fn range(low: u64, high: u64) -> Range {
    Range::StartEnd { begin: Address::Constant(low), end: Address::Constant(high.max(low)) }
}

/// Strings of sections end at their first NUL.
fn until_nul(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn plain(text: String) -> Vec<u8> {
    until_nul(text.as_bytes()).to_vec()
}

/// Whether an operation names an entry or an index into a table, which are elsewhere in the new sections.
fn refers_elsewhere(operation: &gimli::Operation<R>, encoding: Encoding) -> bool {
    use gimli::Operation as Op;
    match operation {
        Op::Deref { base_type, .. } | Op::RegisterOffset { base_type, .. } => base_type.0 != 0,
        Op::TypedLiteral { .. }
        | Op::ImplicitPointer { .. }
        | Op::VariableValue { .. }
        | Op::Call { .. }
        | Op::ParameterRef { .. }
        | Op::AddressIndex { .. }
        | Op::ConstantIndex { .. } => true,
        Op::Convert { base_type } | Op::Reinterpret { base_type } => base_type.0 != 0,
        Op::EntryValue { expression } => {
            let mut operations = gimli::Expression(*expression).operations(encoding);
            let mut refers = false;
            while let Ok(Some(operation)) = operations.next() {
                refers |= refers_elsewhere(&operation, encoding);
            }
            refers
        }
        _ => false,
    }
}
