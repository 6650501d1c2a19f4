//! A program of `fixtures/types` for tests: its units, its memory as the file has it, its variables and gdb's answers.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use gimli::constants as dw;
use gimli::{AttributeValue, UnitOffset};
use object::{Object, ObjectSection, ObjectSegment, ObjectSymbol};

use crate::addr::RunAddr;
use crate::memory::{Memory, MissingReason, ReadError};
use crate::module::{DieRef, ModuleId, R, Unit, UnitId, Units};
use crate::types::dwarf::DwarfTypes;
use crate::types::{TypeId, TypeTable};
use crate::value::decode::Symbols;

/// All units of one file.
pub(crate) struct TestUnits {
    units: Vec<Unit>,
    parents: HashMap<DieRef, Vec<DieRef>>,
}

impl TestUnits {
    pub(crate) fn new(file: &object::File<'static>) -> TestUnits {
        let load = |id: gimli::SectionId| -> Result<R, gimli::Error> {
            let data = file.section_by_name(id.name()).and_then(|section| section.uncompressed_data().ok());
            let data: &'static [u8] = data.map_or(&[], |data| data.into_owned().leak());
            Ok(gimli::EndianSlice::new(data, gimli::LittleEndian))
        };
        let dwarf: &'static gimli::Dwarf<R> = Box::leak(Box::new(gimli::Dwarf::load(load).unwrap()));
        let mut headers = Vec::new();
        let mut of_info = dwarf.units();
        while let Ok(Some(header)) = of_info.next() {
            headers.push(header);
        }
        let mut of_types = dwarf.type_units();
        while let Ok(Some(header)) = of_types.next() {
            headers.push(header);
        }
        let units = headers.into_iter().enumerate().filter_map(|(index, header)| {
            let unit = gimli::Unit::new(dwarf, header).ok()?;
            Some(Unit::new(ModuleId(0), UnitId(index as u32), dwarf, 0, unit))
        });
        let mut units = TestUnits { units: units.collect(), parents: HashMap::new() };
        let mut parents = HashMap::new();
        units.walk(|unit, entry, stack| {
            let above = stack.iter().skip(1).map(|offset| unit.die(*offset)).collect();
            parents.insert(unit.die(entry.offset()), above);
        });
        units.parents = parents;
        units
    }

    /// Calls `each` with every entry: unit, tag, offset, ancestors from the outermost.
    fn walk(&self, mut each: impl FnMut(&Unit, &gimli::DebuggingInformationEntry<R>, &[UnitOffset])) {
        for unit in &self.units {
            let mut cursor = unit.unit.entries();
            let mut stack: Vec<UnitOffset> = Vec::new();
            while let Ok(Some(entry)) = cursor.next_dfs() {
                stack.truncate(entry.depth() as usize);
                each(unit, entry, &stack);
                stack.push(entry.offset());
            }
        }
    }

    fn name(unit: &Unit, entry: &gimli::DebuggingInformationEntry<R>) -> Option<String> {
        let string = unit.dwarf.attr_string(&unit.unit, entry.attr_value(dw::DW_AT_name)?).ok()?;
        Some(string.to_string_lossy().into_owned())
    }
}

impl Units for TestUnits {
    fn unit(&self, die: DieRef) -> Option<&Unit> {
        self.units.iter().find(|unit| unit.id == die.unit)
    }

    fn reference(&self, unit: &Unit, value: AttributeValue<R>) -> Option<DieRef> {
        match value {
            AttributeValue::UnitRef(offset) => Some(unit.die(offset)),
            AttributeValue::DebugInfoRef(offset) => self
                .units
                .iter()
                .find_map(|unit| offset.to_unit_offset(&unit.unit.header).map(|offset| unit.die(offset))),
            AttributeValue::DebugTypesRef(signature) => {
                self.units.iter().find_map(|unit| match unit.unit.header.type_() {
                    gimli::UnitType::Type { type_signature, type_offset } if type_signature == signature => {
                        Some(unit.die(type_offset))
                    }
                    _ => None,
                })
            }
            _ => None,
        }
    }

    fn parents(&self, die: DieRef) -> Vec<DieRef> {
        self.parents.get(&die).cloned().unwrap_or_default()
    }

    fn find_definition(&self, _die: DieRef, qualified_name: &str) -> Option<DieRef> {
        let mut found = None;
        self.walk(|unit, entry, _| {
            if Self::name(unit, entry).as_deref() == Some(qualified_name)
                && matches!(entry.tag(), dw::DW_TAG_structure_type | dw::DW_TAG_class_type | dw::DW_TAG_union_type)
                && entry.attr_value(dw::DW_AT_declaration).is_none()
            {
                found = Some(unit.die(entry.offset()));
            }
        });
        found
    }
}

/// Memory that holds what a file's segments hold.
pub(crate) struct FileMemory {
    segments: Vec<(u64, Vec<u8>)>,
}

impl Memory for FileMemory {
    fn piece(&self, address: RunAddr, limit: usize) -> Result<&[u8], ReadError> {
        let error = ReadError { address, reason: MissingReason::Unmapped };
        let holding =
            self.segments.iter().find(|(start, data)| (*start..start + data.len() as u64).contains(&address.0));
        let (start, data) = holding.ok_or(error)?;
        let rest = &data[(address.0 - start) as usize..];
        Ok(&rest[..rest.len().min(limit)])
    }
}

/// A program's symbols, by address.
pub(crate) struct FileSymbols {
    symbols: Vec<(u64, u64, String)>,
}

impl Symbols for FileSymbols {
    fn symbol(&self, address: RunAddr) -> Option<String> {
        let (start, _, name) =
            self.symbols.iter().find(|(start, size, _)| (*start..start + (*size).max(1)).contains(&address.0))?;
        let offset = address.0 - start;
        Some(if offset == 0 { name.clone() } else { format!("{name}+{offset}") })
    }

    fn find_type(&self, _name: &str) -> Option<TypeId> {
        None
    }

    fn vtable_class(&self, _vtable: RunAddr) -> Option<TypeId> {
        None
    }
}

/// An opened program.
pub(crate) struct Fixture {
    pub(crate) types: TypeTable,
    pub(crate) memory: FileMemory,
    pub(crate) symbols: FileSymbols,
    /// Qualified name to address and type.
    pub(crate) variables: HashMap<String, (RunAddr, TypeId)>,
    /// Every entry that could be a type.
    pub(crate) all: Vec<TypeId>,
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/types").join(name)
}

impl Fixture {
    pub(crate) fn open(name: &str) -> Fixture {
        Fixture::damaged(name, |_| {})
    }

    /// The program with the bytes of its debug information changed.
    pub(crate) fn damaged(name: &str, damage: impl FnOnce(&mut [u8])) -> Fixture {
        let mut bytes = std::fs::read(path(name)).unwrap();
        let range = {
            let file = object::File::parse(&*bytes).unwrap();
            let section = file.section_by_name(".debug_info").unwrap();
            section.file_range().unwrap()
        };
        damage(&mut bytes[range.0 as usize..(range.0 + range.1) as usize]);
        Fixture::of(object::File::parse(&*bytes.leak()).unwrap())
    }

    fn of(file: object::File<'static>) -> Fixture {
        let units = Arc::new(TestUnits::new(&file));
        let types = TypeTable::new(Arc::new(DwarfTypes::new(units.clone())));
        let segments = file.segments().map(|segment| {
            let mut data = segment.data().unwrap_or(&[]).to_vec();
            data.resize((segment.size() as usize).min(1 << 20).max(data.len()), 0);
            (segment.address(), data)
        });
        let memory = FileMemory { segments: segments.collect() };
        let demangled = |name: &str| match (rustc_demangle::try_demangle(name), cpp_demangle::Symbol::new(name)) {
            (Ok(rust), _) => format!("{rust:#}"),
            (_, Ok(symbol)) => symbol.demangle().unwrap_or_else(|_| name.to_owned()),
            _ => name.to_owned(),
        };
        let symbols = file.symbols().filter(|symbol| symbol.is_definition() && symbol.size() > 0);
        let symbols =
            symbols.map(|symbol| (symbol.address(), symbol.size(), demangled(symbol.name().unwrap_or("")))).collect();
        let mut variables = HashMap::new();
        let mut all = Vec::new();
        units.walk(|unit, entry, stack| {
            all.push(types.of_die(unit.die(entry.offset())));
            let Some(name) = TestUnits::name(unit, entry) else { return };
            let scopes = stack.iter().skip(1).filter_map(|offset| {
                let parent = unit.unit.entry(*offset).ok()?;
                TestUnits::name(unit, &parent)
            });
            let mut qualified: Vec<String> = scopes.collect();
            qualified.push(name);
            let qualified = qualified.join("::");
            if entry.tag() == dw::DW_TAG_variable {
                let expression = entry.attr_value(dw::DW_AT_location).and_then(|value| value.exprloc_value());
                let mut operations = match expression {
                    Some(expression) => expression.operations(unit.unit.encoding()),
                    None => return,
                };
                let address = match operations.next() {
                    Ok(Some(gimli::Operation::Address { address })) => address,
                    Ok(Some(gimli::Operation::AddressIndex { index })) => {
                        unit.dwarf.address(&unit.unit, index).unwrap_or(0)
                    }
                    _ => return,
                };
                let declared = entry.attr_value(dw::DW_AT_specification).and_then(|value| units.reference(unit, value));
                let type_die = match entry.attr_value(dw::DW_AT_type) {
                    Some(value) => units.reference(unit, value),
                    None => declared.and_then(|die| {
                        let unit = units.unit(die)?;
                        let entry = unit.unit.entry(UnitOffset(die.offset as usize)).ok()?;
                        units.reference(unit, entry.attr_value(dw::DW_AT_type)?)
                    }),
                };
                if let Some(die) = type_die {
                    variables.insert(qualified, (RunAddr(address), types.of_die(die)));
                }
            }
        });
        Fixture { types, memory, symbols: FileSymbols { symbols }, variables, all }
    }
}

/// gdb's answers about one variable.
pub(crate) struct Answer {
    pub(crate) name: String,
    pub(crate) whatis: String,
    pub(crate) print: String,
    pub(crate) ptype: String,
    pub(crate) offsets: String,
}

/// gdb's answers about a program's variables.
pub(crate) fn answers(program: &str) -> Vec<Answer> {
    let text = std::fs::read_to_string(path(&format!("{program}.gdb"))).unwrap();
    let blocks = text.split("=== ").skip(1);
    blocks
        .map(|block| {
            let (name, rest) = block.split_once('\n').unwrap();
            let mut parts = rest.split("--- ");
            let mut part = |marker: &str| {
                let part = parts.next().unwrap_or("");
                part.strip_prefix(marker).unwrap_or(part).trim_end().to_owned()
            };
            let whatis = part("").trim_start_matches("type = ").to_owned();
            let print = part("print\n");
            let print = print.split_once(" = ").map_or(print.clone(), |(_, value)| value.to_owned());
            let ptype = part("ptype\n").trim_start_matches("type = ").to_owned();
            let offsets = part("offsets\n");
            Answer { name: name.to_owned(), whatis, print, ptype, offsets }
        })
        .collect()
}
