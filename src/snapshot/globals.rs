//! Globals, statics and thread-locals that the code of frames refers to: they are read, so that they are kept.
//!
//! Addresses in a function's instructions lead to variables of the function's unit and, by the symbol at the address, of
//! others; through the global offset table too. Thread-local variables have no address in code: all of the unit are
//! read, in each thread that has a frame there.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::addr::RunAddr;
use crate::arch::references::data_references;
use crate::image::ThreadState;
use crate::module::function::LocationSource;
use crate::module::unit::{Unit, Units};
use crate::module::{DieRef, Module, SymbolKind};
use crate::session::record::ReadSet;
use crate::session::{Global, Session, Trace};
use crate::value::location::Context;
use crate::value::{Limits, Place};

/// Functions whose code is read.
const MOST_FUNCTIONS: usize = 4096;
/// Bytes of one function's code that are read.
const LARGEST_FUNCTION: u64 = 64 << 10;
/// Variables that are kept.
const MOST_GLOBALS: usize = 4096;
/// Variables of one unit that are looked through.
const MOST_OF_UNIT: usize = 1 << 16;
/// Variables of other units that are looked for by their names: each may cost a search of all debug information.
const MOST_NAMED: usize = 64;
/// DW_OP_form_tls_address, DW_OP_GNU_push_tls_address: the last operation of a thread-local variable's location.
const THREAD_LOCAL: [u8; 2] = [0x9b, 0xe0];

/// Variables of a unit that lie outside of functions.
#[derive(Default)]
struct UnitVariables {
    /// By address, ascending.
    statics: Vec<(RunAddr, DieRef)>,
    thread_locals: Vec<DieRef>,
}

struct Finder<'a> {
    session: &'a Session,
    units: HashMap<DieRef, UnitVariables>,
    /// Addresses that were looked up.
    seen: HashSet<RunAddr>,
    found: Vec<DieRef>,
    /// The same, each once.
    known: HashSet<DieRef>,
    named: usize,
}

/// Reads what the frames' code refers to while no more than `budget` bytes were read.
pub fn keep(
    session: &Session,
    traces: &[(&Trace, &ThreadState)],
    reads: &ReadSet,
    budget: u64,
    left_out: &mut BTreeMap<String, u64>,
) {
    let (units, seen, known) = (HashMap::new(), HashSet::new(), HashSet::new());
    let mut finder = Finder { session, units, seen, found: Vec::new(), known, named: 0 };
    let mut functions: HashSet<DieRef> = HashSet::new();
    let mut thread_locals: Vec<(DieRef, u64)> = Vec::new();
    for (trace, thread) in traces {
        let mut units_of_thread: HashSet<DieRef> = HashSet::new();
        for frame in trace.frames.iter().filter(|frame| !frame.inlined) {
            let info = session.program.code(frame.lookup);
            let Some(function) = &info.function else { continue };
            let Some(module) = session.program.modules.get(function.die.module) else { continue };
            let Some(unit) = session.program.unit(function.die) else { continue };
            if functions.len() < MOST_FUNCTIONS && functions.insert(function.die) {
                let ranges = function.scopes.first().map(|scope| scope.ranges.as_slice()).unwrap_or_default();
                ranges.iter().for_each(|range| finder.function(module, unit, *range));
            }
            if units_of_thread.insert(unit.root())
                && let Some(pointer) = thread.registers.thread_pointer
            {
                let of_unit = &finder.variables(unit).thread_locals;
                thread_locals.extend(of_unit.iter().map(|die| (*die, pointer)));
            }
        }
    }
    let statics = finder.found.iter().map(|die| (*die, None));
    let all = statics.chain(thread_locals.iter().map(|(die, pointer)| (*die, Some(*pointer))));
    let mut passed_over = 0;
    for (number, (die, pointer)) in all.enumerate() {
        if number >= MOST_GLOBALS || reads.bytes() > budget {
            passed_over += 1;
            continue;
        }
        if let Some(global) = session.global(die, None, pointer, false) {
            read(session, &global, &Limits::default());
        }
    }
    if passed_over > 0 {
        left_out.insert("globals".to_owned(), passed_over);
    }
}

/// Reads a variable as `print` does, with formatters and without.
pub fn read(session: &Session, global: &Global, limits: &Limits) {
    let Ok(place) = &global.place else { return };
    session.value(place, global.type_id, None, limits);
    session.value(place, global.type_id, None, &Limits { raw: true, ..*limits });
}

impl Finder<'_> {
    fn function(&mut self, module: &Module, unit: &Unit, (low, high): (u64, u64)) {
        let start = module.to_run(crate::addr::FileAddr(low));
        let length = high.saturating_sub(low).min(LARGEST_FUNCTION) as usize;
        let session = self.session;
        // Code is not kept for this.
        let Ok(code) = session.memory().window(start, length) else { return };
        for address in data_references(session.image.arch, code, start) {
            if self.found.len() >= MOST_GLOBALS {
                return;
            }
            if session.program.modules.at(address).is_none() || !self.seen.insert(address) || self.at(unit, address) {
                continue;
            }
            // An entry of the global offset table, perhaps.
            let word = session.image.arch.address_size();
            let Ok(bytes) = session.memory().window(address, word) else { continue };
            if bytes.len() < word {
                continue;
            }
            let pointer = bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
            if session.program.modules.at(RunAddr(pointer)).is_some() && self.seen.insert(RunAddr(pointer)) {
                self.at(unit, RunAddr(pointer));
            }
        }
    }

    /// Takes the variable at the address, where there is one.
    fn at(&mut self, unit: &Unit, address: RunAddr) -> bool {
        let die = self.in_unit(unit, address).or_else(|| self.by_symbol(address));
        let Some(die) = die else { return false };
        if self.known.insert(die) {
            self.found.push(die);
        }
        true
    }

    fn in_unit(&mut self, unit: &Unit, address: RunAddr) -> Option<DieRef> {
        let statics = &self.variables(unit).statics;
        let (start, die) = *statics.get(statics.partition_point(|(start, _)| *start <= address).checked_sub(1)?)?;
        if start == address {
            return Some(die);
        }
        let type_id = self.session.global(die, None, None, false)?.type_id;
        let end = start.checked_add(self.session.types.size(type_id)?)?;
        (address < end).then_some(die)
    }

    /// A variable of another unit.
    fn by_symbol(&mut self, address: RunAddr) -> Option<DieRef> {
        let program = &self.session.program;
        let module = program.modules.at(address)?;
        program.debug_info(module.id)?;
        let symbol = module.symbols().lookup(module.to_file(address)).filter(|it| it.kind == SymbolKind::Data)?;
        if self.named >= MOST_NAMED {
            return None;
        }
        self.named += 1;
        let name = symbol.text();
        let name = crate::demangle::demangle_without_parameters(&name).unwrap_or_else(|| name.into_owned());
        let wanted =
            |entry: &crate::module::skim::NamedEntry| entry.tag == gimli::DW_TAG_variable && !entry.declaration;
        let found = program.entries_named(module.id, &name, wanted, usize::MAX);
        found.into_iter().find(|die| {
            let place = self.session.global(*die, None, None, false).map(|global| global.place);
            matches!(place, Some(Ok(Place::Memory(at))) if at == module.to_run(symbol.address))
        })
    }

    fn variables(&mut self, unit: &Unit) -> &UnitVariables {
        let session = self.session;
        self.units.entry(unit.root()).or_insert_with(|| {
            let context = Context::without_frame(&session.program, session.memory(), session.image.arch);
            let mut variables = UnitVariables::default();
            let named = unit.skim().named.iter().filter(|it| it.tag == gimli::DW_TAG_variable && !it.declaration);
            for entry in named.take(MOST_OF_UNIT) {
                let Some(entry) = unit.entry(entry.offset) else { continue };
                let die = unit.die(entry.offset());
                match LocationSource::of(unit, &entry, gimli::DW_AT_location) {
                    LocationSource::Expression(code) if code.last().is_some_and(|it| THREAD_LOCAL.contains(it)) => {
                        variables.thread_locals.push(die);
                    }
                    source => {
                        if let Ok(Place::Memory(address)) = context.source(&source, unit, None) {
                            variables.statics.push((address, die));
                        }
                    }
                }
            }
            variables.statics.sort_unstable();
            variables
        })
    }
}
