//! What is known of each pc, shared by all threads' walks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, RwLock};

use gimli::UnwindContext;

use super::cfi::ModuleCfi;
use super::row::Row;
use super::signal_frame::{self, Trampoline};
use super::{CodeModule, Unwinder};
use crate::addr::{AddressHash, RunAddr};

const SHARDS: usize = 32;
/// Places a shard remembers. Beyond that (no real program), they are worked out anew each time.
const MAX_SHARD: usize = 1 << 14;

/// Places by pc, and whether the pc is a return address.
type Shard = HashMap<(u64, bool), Arc<Place>, AddressHash>;

/// What the unwinder has learnt of a target's code. Cheap when empty; one for each target.
#[derive(Default)]
pub struct UnwindCache {
    shards: [RwLock<Shard>; SHARDS],
    modules: RwLock<HashMap<u32, Arc<ModuleCfi>>>,
    contexts: Mutex<Vec<UnwindContext<usize>>>,
}

/// What stands at a pc.
#[derive(Debug)]
pub(super) enum Place {
    /// Code with a row.
    Row(Row),
    /// A signal trampoline, recognised by its instructions.
    Trampoline(Trampoline),
    /// Code without call frame information.
    NoRow,
    /// The function that nothing calls.
    Outermost,
    /// No code.
    NotCode,
}

impl Unwinder<'_> {
    /// What stands at `pc`; `in_call`: as a return address.
    pub(super) fn place(&self, pc: u64, in_call: bool) -> Arc<Place> {
        let shard = &self.cache.shards[(pc >> 2) as usize % SHARDS];
        let key = (pc, in_call);
        if let Some(place) = shard.read().unwrap_or_else(|e| e.into_inner()).get(&key) {
            return place.clone();
        }
        let place = Arc::new(self.find_place(pc, in_call));
        let mut shard = shard.write().unwrap_or_else(|e| e.into_inner());
        if shard.len() < MAX_SHARD {
            shard.insert(key, place.clone());
        }
        place
    }

    fn find_place(&self, pc: u64, in_call: bool) -> Place {
        let lookup = if in_call { pc.wrapping_sub(1) } else { pc };
        // The kernel's own layout has every register, also where a trampoline's call frame information is terse
        // (the arm64 vDSO's names two).
        let trampoline = signal_frame::recognise(self.arch, self.memory, pc);
        let Some(module) = self.code.code_at(RunAddr(lookup)) else {
            // The kernel maps no module for a trampoline on the stack (old i386), or the vDSO may be lost.
            return match trampoline {
                Some(trampoline) if self.code.is_executable(RunAddr(pc)) => Place::Trampoline(trampoline),
                _ if self.code.is_executable(RunAddr(lookup)) => Place::NoRow,
                _ => Place::NotCode,
            };
        };
        if let Some(trampoline) = trampoline {
            return Place::Trampoline(trampoline);
        }
        if self.code.is_outermost(RunAddr(lookup)) {
            return Place::Outermost;
        }
        let cfi = self.module_cfi(&module);
        let address = super::row::truncate(self.arch, RunAddr(lookup).to_file(module.bias).0);
        let context = self.cache.contexts.lock().unwrap_or_else(|e| e.into_inner()).pop();
        let mut context = context.unwrap_or_default();
        let row = cfi.row(address, in_call, &mut context, self.code);
        self.cache.contexts.lock().unwrap_or_else(|e| e.into_inner()).push(context);
        let row = row.or_else(|| {
            let frame = self.code.go_frame(module.key, crate::addr::FileAddr(address))?;
            Some(Row::of_go(self.arch, frame))
        });
        let Some(mut row) = row else {
            return if self.code.is_start(RunAddr(lookup)) { Place::Outermost } else { Place::NoRow };
        };
        row.injected = row.go && self.code.is_injected(RunAddr(lookup));
        Place::Row(row)
    }

    fn module_cfi(&self, module: &CodeModule) -> Arc<ModuleCfi> {
        if let Some(cfi) = self.cache.modules.read().unwrap_or_else(|e| e.into_inner()).get(&module.key) {
            return cfi.clone();
        }
        let mut modules = self.cache.modules.write().unwrap_or_else(|e| e.into_inner());
        modules.entry(module.key).or_insert_with(|| Arc::new(ModuleCfi::new(self.arch, module))).clone()
    }

    pub(super) fn is_code(&self, address: RunAddr) -> bool {
        self.code.is_executable(address)
    }
}
