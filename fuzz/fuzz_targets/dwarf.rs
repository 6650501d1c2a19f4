//! A file's symbols and DWARF: units, functions, scopes, variables, lines.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use obit::addr::{Bias, FileAddr, RunAddr};
use obit::image::ModuleSeed;
use obit::memory::{Memory, MissingReason, ReadError};
use obit::module::program::Program;
use obit::module::{ModuleMap, SearchOptions};
use obit::types::TypeTable;
use obit::types::dwarf::DwarfTypes;

struct Nothing;

impl Memory for Nothing {
    fn piece(&self, address: RunAddr, _limit: usize) -> Result<&[u8], ReadError> {
        Err(ReadError { address, reason: MissingReason::Unmapped })
    }
}

fuzz_target!(|data: &[u8]| {
    let path = std::env::temp_dir().join(format!("obit-fuzz-module-{}", std::process::id()));
    std::fs::write(&path, data).unwrap();
    let seed = ModuleSeed {
        path: path.display().to_string(),
        build_id: None,
        bias: Bias(0),
        start: RunAddr(0),
        end: RunAddr(1 << 40),
        mapped: vec![(RunAddr(0), RunAddr(1 << 40), 0)],
        is_executable: true,
        is_vdso: false,
        id_is_partial: false,
        deleted: false,
    };
    let modules = ModuleMap::new(vec![seed], SearchOptions::default(), &Nothing);
    let program = Arc::new(Program::new(modules));
    let types = TypeTable::new(Arc::new(DwarfTypes::new(program.clone())));
    let Some(debug) = program.modules.iter().next().and_then(|module| program.debug_info(module.id)) else { return };
    for unit in debug.all_units().into_iter().take(8) {
        for range in unit.skim().functions().iter().take(32) {
            let info = program.code(FileAddr(range.low).to_run(Bias(0)));
            let Some(function) = &info.function else { continue };
            for scope in 0..function.scopes.len().min(64) as u32 {
                for variable in function.variables(&*program, scope).iter().take(64) {
                    if let Some(die) = variable.type_die {
                        let id = types.of_die(die);
                        let _ = (types.size(id), types.name(id).len());
                    }
                }
            }
        }
        for entry in unit.skim().named.iter().take(256) {
            let id = types.of_die(unit.die(entry_offset(entry.offset)));
            let _ = (types.size(id), types.name(id).len());
        }
    }
});

fn entry_offset(offset: u32) -> gimli_offset::UnitOffset {
    gimli_offset::UnitOffset(offset as usize)
}

/// The offset type of the library's readers.
mod gimli_offset {
    pub use gimli::UnitOffset;
}
