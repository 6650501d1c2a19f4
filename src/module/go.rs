//! What Go's compiler and linker say about a program beyond functions, lines and layouts.

use super::function::each_origin;
use super::program::Program;
use super::unit::Units;
use super::{DieRef, ModuleId, Name};
use crate::addr::RunAddr;
use crate::order::Order;

/// Constants that one package may have.
const MAX_CONSTANTS: usize = 100_000;

impl Program {
    /// The type that a description of Go's runtime is of.
    pub fn go_type(&self, description: RunAddr) -> Option<DieRef> {
        let module = self.modules.at(description)?;
        let first = module.symbols().by_name("runtime.types").into_iter().next()?;
        let offset = module.to_file(description).0.checked_sub(first.address.0)?;
        self.debug_info(module.id)?.go_type_at(offset)
    }

    /// Of closures of the function of Go's that begins at the address: variables, their offsets in the closure and their
    /// types, by offset (DW_AT_go_closure_offset, go `cmd/internal/dwarf/dwarf.go`, Go 1.23 to 1.27).
    pub fn go_captured(&self, code: RunAddr) -> Vec<(Name, u64, DieRef)> {
        const CLOSURE_OFFSET: gimli::DwAt = gimli::DwAt(0x2907);
        let Some(function) = self.function_at(code) else { return Vec::new() };
        let mut captured = Vec::new();
        for variable in function.variables(self, 0) {
            let mut offset = None;
            each_origin(self, variable.die, |_, entry| {
                offset = offset.or_else(|| entry.attr_value(CLOSURE_OFFSET)?.udata_value());
                false
            });
            if let (Some(offset), Some(type_die)) = (offset, variable.type_die) {
                captured.push((variable.name.clone(), offset, type_die));
            }
        }
        captured.order_by_key(|(_, offset, _)| *offset);
        captured
    }

    /// Constants of a type that its own package declares, in the order of the debug information.
    pub fn go_constants(&self, type_die: DieRef, package: &str) -> Vec<(Name, i64)> {
        let mut constants = Vec::new();
        self.each_go_constant(type_die.module, package, &mut |die, of_type, name, value| {
            if of_type == Some(type_die) {
                constants.push((name, value));
                self.note_entry(die);
            }
            constants.len() < MAX_CONSTANTS
        });
        constants
    }

    /// A package's constant: its type and its value.
    pub fn go_constant(&self, module: ModuleId, package: &str, constant: &str) -> Option<(DieRef, i64)> {
        let mut found = None;
        self.each_go_constant(module, package, &mut |die, of_type, name, value| {
            if name == constant {
                found = of_type.map(|of_type| (of_type, value));
                self.note_entry(die);
            }
            found.is_none()
        });
        found
    }

    /// Entry, type, name and value of a package's constants, as long as `each` wants more.
    fn each_go_constant(
        &self,
        module: ModuleId,
        package: &str,
        each: &mut dyn FnMut(DieRef, Option<DieRef>, Name, i64) -> bool,
    ) {
        let Some(debug) = self.debug_info(module) else { return };
        for unit in debug.units_of_name(package) {
            let Ok(mut tree) = unit.unit.entries_tree(None) else { continue };
            let Ok(root) = tree.root() else { continue };
            let mut children = root.children();
            while let Ok(Some(child)) = children.next() {
                let entry = child.entry();
                if entry.tag() != gimli::DW_TAG_constant {
                    continue;
                }
                let of_type = entry.attr_value(gimli::DW_AT_type).and_then(|value| self.reference(unit, value));
                let name = entry.attr_value(gimli::DW_AT_name).and_then(|name| unit.text(name));
                let value = entry.attr_value(gimli::DW_AT_const_value).and_then(|value| value.sdata_value());
                if let Some((name, value)) = name.zip(value)
                    && !each(unit.die(entry.offset()), of_type, name, value)
                {
                    return;
                }
            }
        }
    }
}
