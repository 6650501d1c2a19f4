//! What formatters ask about Go programs, looked up once.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use super::Session;
use crate::addr::RunAddr;
use crate::module::Name;
use crate::types::TypeId;
use crate::value::decode::{Captured, GoSymbols};

/// What was found.
#[derive(Default)]
pub(super) struct GoCache {
    /// Variables of Go's own libraries.
    data: RwLock<HashMap<&'static str, Option<(RunAddr, u64)>>>,
    /// Constants of a type.
    constants: RwLock<HashMap<TypeId, Arc<[(Name, i64)]>>>,
}

impl GoSymbols for Session {
    fn described(&self, description: RunAddr) -> Option<TypeId> {
        self.described_type(description, |program| program.go_type(description))
    }

    fn data(&self, name: &'static str) -> Option<(RunAddr, u64)> {
        if let Some(known) = self.go.data.read().expect("not poisoned").get(name) {
            return *known;
        }
        let found = self.program.modules.iter().filter(|module| module.is_go()).find_map(|module| {
            let variable = module.symbols().by_name(name).into_iter().next()?;
            Some((module.to_run(variable.address), variable.size))
        });
        *self.go.data.write().expect("not poisoned").entry(name).or_insert(found)
    }

    fn captured(&self, code: RunAddr) -> Vec<Captured> {
        let captured = self.program.go_captured(code).into_iter();
        let typed = captured.map(|(name, offset, die)| Captured { name, offset, type_id: self.types.of_die(die) });
        typed.collect()
    }

    fn constants(&self, type_id: TypeId) -> Arc<[(Name, i64)]> {
        if let Some(known) = self.go.constants.read().expect("not poisoned").get(&type_id) {
            return known.clone();
        }
        let name = self.types.name(type_id);
        let package = name.rsplit_once('.').map(|(package, _)| package);
        let found = package.zip(self.types.die(type_id)).map(|(package, die)| self.program.go_constants(die, package));
        let found = Arc::from(found.unwrap_or_default());
        self.go.constants.write().expect("not poisoned").entry(type_id).or_insert(found).clone()
    }
}
