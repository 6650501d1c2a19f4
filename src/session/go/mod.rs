//! What formatters ask about Go programs, looked up once.

pub mod described;
pub mod layout;
mod stripped;
pub mod structures;
pub mod switches;
pub mod versioned;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, RwLock};

use self::structures::{GoStructures, GoUnknown};

use super::{Session, Trace};
use crate::addr::RunAddr;
use crate::module::Name;
use crate::types::{TypeId, TypeKind};
use crate::value::decode::{Captured, GoSymbols};
use crate::value::formatters::go::errors;
use crate::value::location::Context;
use crate::value::{Limits, Place};

/// Names and values of the constants of one type.
type Constants = Arc<[(Name, i64)]>;

/// What was found.
#[derive(Default)]
pub(super) struct GoCache {
    /// Variables of Go's own libraries.
    data: RwLock<HashMap<&'static str, Option<(RunAddr, u64)>>>,
    /// Constants of a type.
    constants: RwLock<HashMap<TypeId, Constants>>,
    /// The runtime's own structures.
    structures: OnceLock<Result<GoStructures, GoUnknown>>,
    /// Types that the runtime describes and debug information does not.
    made: Mutex<described::Made>,
}

impl Session {
    /// The type that a variable of a generic function of Go's has in this call: of several types that share code the debug
    /// information describes the shape, and the function's dictionary names the type (go
    /// `cmd/compile/internal/noder/reader.go`, DictIndex, Go 1.18 to 1.27). The shape where that is not to be had.
    pub(super) fn instantiated(
        &self,
        trace: &Trace,
        frame: usize,
        shape: (TypeId, Option<u64>),
    ) -> (TypeId, Option<u64>) {
        let (type_id, size) = shape;
        let Some(entry) = self.types.go(type_id).dictionary_entry else { return shape };
        let of_shape = match self.types.get(type_id).kind {
            TypeKind::Typedef { target } => (target, size),
            _ => shape,
        };
        let found = self.dictionary_entry(trace, frame, entry).and_then(|description| self.described(description));
        // What the runtime alone describes is not in a snapshot, which is to give the same answer.
        let found = found.filter(|real| self.types.die(*real).is_some());
        match found {
            // Types of one shape are as large as each other.
            Some(real) if self.types.size(real) == size => (real, size),
            _ => of_shape,
        }
    }

    /// What a word of the dictionary holds that the frame's function was called with.
    fn dictionary_entry(&self, trace: &Trace, frame: usize, entry: u64) -> Option<RunAddr> {
        let declared = self.declaration(trace, frame, ".dict")?;
        let word = self.image.arch.address_size();
        let read = |address: RunAddr| self.memory().read_uint(address, word).ok().map(RunAddr);
        let dictionary = match self.context(trace, frame).variable(&declared, Some(word as u64)).0.ok()? {
            Place::Memory(address) => read(address)?,
            Place::Bytes(bytes) if bytes.holes.is_empty() => {
                let mut wide = [0; 8];
                wide.get_mut(..word)?.copy_from_slice(bytes.data.get(..word)?);
                RunAddr(u64::from_le_bytes(wide))
            }
            Place::Bytes(_) => return None,
        };
        read(dictionary.checked_add(entry.checked_mul(word as u64)?)?)
    }
}

impl Session {
    /// A constant of a package's, `syscall.ENOENT`: its type and its value.
    pub(super) fn go_constant_named(&self, name: &str) -> Option<(TypeId, i128)> {
        let (package, constant) = name.rsplit_once('.')?;
        self.program.modules.iter().filter(|module| module.is_go()).find_map(|module| {
            let (of_type, value) = self.program.go_constant(module.id, package, constant)?;
            Some((self.types.of_die(of_type), value.into()))
        })
    }
}

impl Session {
    /// What the error in an interface says, where that follows from data.
    pub fn go_error_message(&self, place: &Place, type_id: TypeId) -> Option<String> {
        let context = Context::without_frame(&self.program, self.memory(), self.image.arch);
        let decoder = self.decoder(&context, &Limits::default());
        errors::message(&decoder.object(place, type_id))
    }
}

impl GoSymbols for Session {
    fn described(&self, description: RunAddr) -> Option<TypeId> {
        let make = || self.type_of_description(description);
        self.described_type(description, |program| program.go_type(description), make)
    }

    fn data(&self, name: &'static str) -> Option<(RunAddr, u64)> {
        if let Some(known) = self.go.data.read().expect("not poisoned").get(name) {
            return *known;
        }
        let found = self.program.modules.iter().filter(|module| module.is_go()).find_map(|module| {
            if let Some(variable) = module.symbols().by_name(name).into_iter().next() {
                return Some((module.to_run(variable.address), variable.size));
            }
            let types = module.go_table().filter(|_| name == "runtime.types")?.types()?;
            Some((module.to_run(types), 0))
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
