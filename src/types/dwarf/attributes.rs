//! Reading a DIE's attributes, whatever their forms.

use gimli::constants as dw;
use gimli::{AttributeValue, UnitOffset};

use super::{Loader, Name};
use crate::module::Expression;
use crate::module::{DieRef, R, Unit};
use crate::types::Access;

/// A DIE with its attributes read.
pub(super) struct Entry {
    tag: dw::DwTag,
    offset: UnitOffset,
    attributes: Vec<gimli::Attribute<R>>,
    name: Option<Name>,
}

/// A constant as it stands in the file: its bits, and how many of them were written.
pub(super) enum Constant {
    /// A form that says its sign.
    Signed(i128),
    /// A form that says it has none.
    Unsigned(u128),
    /// DW_FORM_dataN, which leaves it to the reader: bits, bytes.
    Bits(u128, u64),
}

impl Constant {
    /// The integer, as a type of `size` bytes has it. DW_FORM_dataN of the type's own width are its bits; narrower
    /// ones are taken as unsigned, as gdb does.
    pub(super) fn widened(&self, size: u64, signed: bool) -> i128 {
        let (bits, written) = match *self {
            Constant::Signed(value) => return value,
            Constant::Unsigned(value) => (value, 16),
            Constant::Bits(value, written) => (value, written),
        };
        if !signed || written < size || size == 0 || size > 16 {
            return bits as i128;
        }
        let unused = 128 - 8 * size as u32;
        ((bits << unused) as i128) >> unused
    }

    /// The bits in two's complement.
    pub(super) fn bits(&self) -> u128 {
        match *self {
            Constant::Signed(value) => value as u128,
            Constant::Unsigned(value) | Constant::Bits(value, _) => value,
        }
    }
}

impl Entry {
    pub(super) fn tag(&self) -> dw::DwTag {
        self.tag
    }

    pub(super) fn offset(&self) -> UnitOffset {
        self.offset
    }

    pub(super) fn value(&self, attribute: dw::DwAt) -> Option<AttributeValue<R>> {
        self.attributes.iter().find(|found| found.name() == attribute).map(|found| found.value())
    }

    fn read_name(&mut self, unit: &Unit) {
        let string = self.value(dw::DW_AT_name).and_then(|value| unit.dwarf.attr_string(&unit.unit, value).ok());
        self.name = string.map(|string| String::from_utf8_lossy(string.slice())).filter(|name| !name.is_empty());
    }

    /// DW_AT_name.
    pub(super) fn name(&self) -> Option<Name> {
        self.name.clone()
    }

    pub(super) fn flag(&self, attribute: dw::DwAt) -> bool {
        matches!(self.value(attribute), Some(AttributeValue::Flag(true)))
    }

    /// An unsigned constant.
    pub(super) fn unsigned(&self, attribute: dw::DwAt) -> Option<u64> {
        self.value(attribute)?.udata_value()
    }

    /// DW_AT_virtuality.
    pub(super) fn is_virtual(&self) -> bool {
        let virtuality = self.value(dw::DW_AT_virtuality);
        !matches!(virtuality, None | Some(AttributeValue::Virtuality(dw::DW_VIRTUALITY_none)))
    }

    /// DW_AT_accessibility.
    pub(super) fn access(&self) -> Option<Access> {
        match self.value(dw::DW_AT_accessibility)? {
            AttributeValue::Accessibility(dw::DW_ACCESS_public) => Some(Access::Public),
            AttributeValue::Accessibility(dw::DW_ACCESS_protected) => Some(Access::Protected),
            AttributeValue::Accessibility(dw::DW_ACCESS_private) => Some(Access::Private),
            _ => None,
        }
    }

    /// An integer constant.
    pub(super) fn constant(&self, attribute: dw::DwAt) -> Option<Constant> {
        Some(match self.value(attribute)? {
            AttributeValue::Data1(value) => Constant::Bits(value.into(), 1),
            AttributeValue::Data2(value) => Constant::Bits(value.into(), 2),
            AttributeValue::Data4(value) => Constant::Bits(value.into(), 4),
            AttributeValue::Data8(value) => Constant::Bits(value.into(), 8),
            AttributeValue::Data16(value) => Constant::Bits(value, 16),
            AttributeValue::Sdata(value) => Constant::Signed(value.into()),
            AttributeValue::Udata(value) => Constant::Unsigned(value.into()),
            AttributeValue::Flag(value) => Constant::Unsigned(value.into()),
            AttributeValue::Block(block) if block.slice().len() <= 16 => {
                let mut bytes = [0; 16];
                bytes[..block.slice().len()].copy_from_slice(block.slice());
                Constant::Bits(u128::from_le_bytes(bytes), block.slice().len() as u64)
            }
            _ => return None,
        })
    }

    /// An expression (DW_FORM_exprloc, or a block in DWARF 2 and 3).
    pub(super) fn expression(&self, attribute: dw::DwAt, unit: &Unit) -> Option<Expression> {
        let bytes = match self.value(attribute)? {
            AttributeValue::Exprloc(expression) => expression.0.slice(),
            AttributeValue::Block(block) => block.slice(),
            _ => return None,
        };
        Some(Expression { bytes, unit: unit.die(self.offset()) })
    }
}

impl Loader<'_> {
    /// The entry at `die`.
    pub(super) fn entry(&self, die: DieRef) -> Option<(Entry, &Unit)> {
        let unit = self.units.unit(die)?;
        let offset = UnitOffset(die.offset as usize);
        let mut raw = unit.unit.entries_raw(Some(offset)).ok()?;
        let abbreviation = raw.read_abbreviation().ok()??;
        let mut attributes = Vec::new();
        raw.read_attributes(abbreviation.attributes(), &mut attributes).ok()?;
        let mut entry = Entry { tag: abbreviation.tag(), offset, attributes, name: None };
        entry.read_name(unit);
        Some((entry, unit))
    }

    /// The DIE that a reference names.
    pub(super) fn reference(&self, unit: &Unit, value: AttributeValue<R>) -> Option<DieRef> {
        match value {
            AttributeValue::UnitRef(offset) => Some(unit.die(offset)),
            other => self.units.reference(unit, other),
        }
    }

    /// The declaration that a definition completes, or the abstract instance of a concrete one.
    pub(super) fn origin(&self, entry: &Entry, unit: &Unit) -> Option<(Entry, &Unit)> {
        let value = entry.value(dw::DW_AT_specification).or_else(|| entry.value(dw::DW_AT_abstract_origin))?;
        self.entry(self.reference(unit, value)?)
    }

    /// Calls `each` with the entry's own children, at most `limit` of them. Stops quietly where they cannot be read.
    pub(super) fn children(&self, entry: &Entry, unit: &Unit, limit: usize, mut each: impl FnMut(&Entry)) {
        let _ = self.try_children(entry.offset(), unit, limit, |_| true, &mut each);
    }

    /// The same over those children whose tag is `wanted`: the others' attributes are not even decoded.
    pub(super) fn try_children(
        &self,
        offset: UnitOffset,
        unit: &Unit,
        limit: usize,
        wanted: impl Fn(dw::DwTag) -> bool,
        each: &mut impl FnMut(&Entry),
    ) -> gimli::Result<()> {
        self.try_children_bare(offset, unit, limit, wanted, |_| false, each)
    }

    /// The same; children whose tag is `bare` come with their tag and offset alone.
    pub(super) fn try_children_bare(
        &self,
        offset: UnitOffset,
        unit: &Unit,
        limit: usize,
        wanted: impl Fn(dw::DwTag) -> bool,
        bare: impl Fn(dw::DwTag) -> bool,
        each: &mut impl FnMut(&Entry),
    ) -> gimli::Result<()> {
        let mut raw = unit.unit.entries_raw(Some(offset))?;
        let start = raw.next_depth();
        let Some(parent) = raw.read_abbreviation()? else { return Ok(()) };
        if !parent.has_children() {
            return Ok(());
        }
        raw.skip_attributes(parent.attributes())?;
        let mut attributes = Vec::new();
        let mut left = limit;
        while raw.next_depth() > start && left > 0 {
            let (at, depth) = (raw.next_offset(), raw.next_depth());
            let Some(abbreviation) = raw.read_abbreviation()? else { continue };
            let tag = abbreviation.tag();
            if depth > start + 1 || !wanted(tag) {
                raw.skip_attributes(abbreviation.attributes())?;
                continue;
            }
            left -= 1;
            if bare(tag) {
                raw.skip_attributes(abbreviation.attributes())?;
                each(&Entry { tag, offset: at, attributes: Vec::new(), name: None });
                continue;
            }
            raw.read_attributes(abbreviation.attributes(), &mut attributes)?;
            let mut child = Entry { tag, offset: at, attributes: std::mem::take(&mut attributes), name: None };
            child.read_name(unit);
            each(&child);
            attributes = child.attributes;
        }
        Ok(())
    }
}
