//! The dynamic linker's own list of modules: DT_DEBUG → `r_debug` → `link_map` (glibc and musl, link.h).
//!
//! It lives in the process's heap, so a damaged process can show anything: every step is bounded and cycles are cut.

use std::collections::HashSet;

use crate::addr::{Bias, RunAddr};
use crate::memory::Memory;

/// Entries of a dynamic section that are looked at.
const MAX_DYNAMIC: u64 = 4096;
/// Modules that are listed.
const MAX_MODULES: usize = 1 << 14;
/// Namespaces (`dlmopen`) that are followed.
const MAX_NAMESPACES: usize = 64;
/// Bytes of a module's path.
const MAX_PATH: usize = 4096;

const DT_STRTAB: u64 = 5;
const DT_SONAME: u64 = 14;
const DT_DEBUG: u64 = 21;

/// A module as the dynamic linker lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkEntry {
    /// `l_addr`.
    pub bias: Bias,
    /// `l_name`; empty for the program itself.
    pub path: String,
    /// `l_ld`: its dynamic section.
    pub dynamic: RunAddr,
}

/// The value of the first entry of type `kind` in a dynamic section.
fn dynamic_value(memory: &dyn Memory, word: usize, dynamic: RunAddr, kind: u64) -> Option<u64> {
    for index in 0..MAX_DYNAMIC {
        let entry = dynamic.checked_add(index * 2 * word as u64)?;
        match memory.read_uint(entry, word).ok()? {
            0 => return None,
            found if found == kind => return memory.read_uint(entry.checked_add(word as u64)?, word).ok(),
            _ => {}
        }
    }
    None
}

/// The module's own name, DT_SONAME. The dynamic linker of glibc has put the bias on DT_STRTAB already, others not.
pub fn soname(memory: &dyn Memory, word: usize, dynamic: RunAddr, bias: Bias) -> Option<String> {
    let name = dynamic_value(memory, word, dynamic, DT_SONAME)?;
    let table = dynamic_value(memory, word, dynamic, DT_STRTAB)?;
    let table = if table < bias.0 { table.wrapping_add(bias.0) } else { table };
    let (name, whole) = memory.read_c_string(RunAddr(table).checked_add(name)?, MAX_PATH).ok()?;
    (whole && !name.is_empty()).then(|| String::from_utf8_lossy(&name).into_owned())
}

/// All modules of all namespaces, as far as the list can be read, and whether it ended as it should.
pub fn list(memory: &dyn Memory, word: usize, program_dynamic: RunAddr) -> (Vec<LinkEntry>, bool) {
    let mut entries = Vec::new();
    let at = |base: RunAddr, index: u64| memory.read_uint(base.checked_add(index * word as u64)?, word).ok();
    let Some(debug) = dynamic_value(memory, word, program_dynamic, DT_DEBUG).filter(|debug| *debug != 0) else {
        return (entries, false);
    };
    let mut seen = HashSet::new();
    let mut namespace = RunAddr(debug);
    for _ in 0..MAX_NAMESPACES {
        // struct r_debug: r_version (int, padded to a word), r_map, r_brk, r_state, r_ldbase; from version 2 on r_next.
        let Some(mut link) = at(namespace, 1) else { return (entries, false) };
        while link != 0 {
            if entries.len() >= MAX_MODULES || !seen.insert(link) {
                return (entries, false);
            }
            // struct link_map: l_addr, l_name, l_ld, l_next, l_prev.
            let map = RunAddr(link);
            let (Some(bias), Some(name), Some(dynamic)) = (at(map, 0), at(map, 1), at(map, 2)) else {
                return (entries, false);
            };
            let path = memory.read_c_string(RunAddr(name), MAX_PATH).map(|(path, _)| path).unwrap_or_default();
            let path = String::from_utf8_lossy(&path).into_owned();
            entries.push(LinkEntry { bias: Bias(bias), path, dynamic: RunAddr(dynamic) });
            let Some(next) = at(map, 3) else { return (entries, false) };
            link = next;
        }
        let version = memory.read_uint(namespace, 4).unwrap_or_default();
        let next = if version >= 2 { at(namespace, 5) } else { None };
        match next {
            Some(next) if next != 0 && seen.insert(next) => namespace = RunAddr(next),
            _ => return (entries, true),
        }
    }
    (entries, false)
}
