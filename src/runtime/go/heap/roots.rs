//! From where a program reaches its heap: package variables, and variables on the goroutines' stacks.

use std::sync::Arc;

use crate::addr::{FileAddr, RunAddr};
use crate::interrupt;
use crate::module::symbols::{Symbol, SymbolKind};
use crate::module::{DieRef, Name};
use crate::order::Order;
use crate::parallel;
use crate::runtime::go::{GoRuntime, Goroutine};
use crate::session::Session;
use crate::types::TypeId;
use crate::value::{Place, PlaceBytes};

/// Goroutines whose stacks are looked through.
const MAX_STACKS: usize = 1 << 18;
/// Frames of a stack.
const FRAMES: usize = 128;
/// Stacks that are at hand at once.
const AT_ONCE: usize = 1024;
/// Package variables.
const MAX_GLOBALS: usize = 1 << 20;
/// Variables of stacks.
const MAX_LOCALS: usize = 1 << 22;
/// Bytes of one variable, or of all between two, of which nothing else is known.
const MAX_DATA: u64 = 64 << 20;
/// Bytes of a stack that are looked through word by word.
const MAX_STACK: u64 = 1 << 22;

/// A variable that may lead into the heap.
#[derive(Clone, Debug)]
pub(super) struct Root {
    pub whose: Whose,
    /// Its name; none of what no variable is known to hold.
    pub name: Option<Name>,
    pub type_id: Option<TypeId>,
    pub place: Place,
}

/// Where a variable is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// In a package; its name has that.
    Package,
    /// In one of the runtime's own.
    Runtime,
    /// In the program's data, of which nothing says what is in them: where they begin.
    Data { start: RunAddr },
    /// In a function that a goroutine is in.
    Frame { goroutine: Option<u64>, function: Option<Arc<str>> },
}

/// Words of variables where debug information says nothing of them: by the names of symbols where there are any. Those that
/// the collector starts from.
pub(super) fn undescribed(session: &Session) -> Vec<Root> {
    let mut found = Vec::new();
    for module in session.program.modules.iter().filter(|module| module.is_go()) {
        let Some(table) = module.go_table() else { continue };
        for (first, end) in table.variables() {
            let inside = |symbol: &Symbol| symbol.kind == SymbolKind::Data && (first..end).contains(&symbol.address);
            let mut symbols: Vec<Symbol> = module.symbols().iter().filter(inside).collect();
            symbols.order_by_key(|symbol| symbol.address);
            symbols.dedup_by_key(|symbol| symbol.address);
            let mut at = first;
            let mut root = |name: Option<Name>, from: FileAddr, to: FileAddr| {
                let start = module.to_run(from);
                let length = to.0.saturating_sub(from.0).min(MAX_DATA);
                let data = session.memory().read_vec(start, length as usize).unwrap_or_default();
                if data.len() >= 8 {
                    let name_says = name.as_deref().is_some_and(is_runtimes);
                    let whose = match &name {
                        Some(_) if name_says => Whose::Runtime,
                        Some(_) => Whose::Package,
                        None => Whose::Data { start },
                    };
                    let place = Place::Bytes(PlaceBytes { data, ..Default::default() });
                    found.push(Root { whose, name, type_id: None, place });
                }
            };
            for symbol in symbols {
                let until = symbol.address.0.saturating_add(symbol.size).min(end.0);
                if symbol.size < 8 || symbol.address < at {
                    continue;
                }
                root(None, at, symbol.address);
                root(Some(symbol.text()), symbol.address, FileAddr(until));
                at = FileAddr(until);
            }
            root(None, at, end);
        }
    }
    found.truncate(MAX_GLOBALS);
    found.order_by_key(|root| root.whose == Whose::Runtime);
    found
}

fn is_runtimes(name: &str) -> bool {
    name.starts_with("runtime.") || name.starts_with("internal/runtime/")
}

/// Variables of packages, the program's before the runtime's own.
pub(super) fn globals(session: &Session) -> Vec<Root> {
    let mut found = Vec::new();
    for module in session.program.modules.iter().filter(|module| module.is_go()) {
        let Some(debug) = session.program.debug_info(module.id) else { continue };
        let units = debug.all_units();
        let of_units = parallel::map(&units, |unit| {
            let named = unit.skim().named.iter().filter(|entry| entry.tag == gimli::DW_TAG_variable);
            let globals = named.filter_map(|entry| {
                let die = DieRef { offset: entry.offset, ..unit.root() };
                let global = session.global(die, None, None, false)?;
                Some(Root {
                    whose: if is_runtimes(&global.name) { Whose::Runtime } else { Whose::Package },
                    name: Some(global.name.into()),
                    type_id: Some(global.type_id),
                    place: global.place.ok()?,
                })
            });
            globals.collect::<Vec<Root>>()
        });
        found.extend(of_units.into_iter().flatten());
    }
    found.truncate(MAX_GLOBALS);
    found.order_by_key(|root| root.whose == Whose::Runtime);
    found
}

/// Variables of all frames of all goroutines, and how many goroutines were left out.
pub(super) fn locals(
    runtime: &GoRuntime<'_>,
    goroutines: &[Goroutine],
) -> Result<(Vec<Root>, usize), interrupt::Interrupted> {
    let looked = goroutines.get(..MAX_STACKS).unwrap_or(goroutines);
    let mut found = Vec::new();
    let mut done = 0;
    for part in looked.chunks(AT_ONCE) {
        interrupt::check()?;
        let of_stacks = parallel::map(part, |goroutine| of_stack(runtime, goroutine));
        found.extend(of_stacks.into_iter().flatten());
        done += part.len();
        if found.len() >= MAX_LOCALS {
            break;
        }
    }
    Ok((found, goroutines.len() - done))
}

fn of_stack(runtime: &GoRuntime<'_>, goroutine: &Goroutine) -> Vec<Root> {
    let session = runtime.session();
    let trace = runtime.trace(goroutine, FRAMES);
    let may_point = |type_id: TypeId| session.types.size(type_id).is_some_and(|size| size >= 8);
    let mut found = Vec::new();
    for (index, frame) in trace.frames.iter().enumerate() {
        for variable in session.placed_variables(&trace, index, may_point) {
            found.push(Root {
                whose: Whose::Frame { goroutine: goroutine.id, function: frame.code.function.clone() },
                name: Some(variable.name),
                type_id: Some(variable.type_id),
                place: variable.place,
            });
        }
    }
    found
}

/// The words of all goroutines' stacks, and how many goroutines were left out.
pub(super) fn all_words(
    runtime: &GoRuntime<'_>,
    goroutines: &[Goroutine],
) -> Result<(Vec<Root>, usize), interrupt::Interrupted> {
    let looked = goroutines.get(..MAX_STACKS).unwrap_or(goroutines);
    let mut found = Vec::new();
    for part in looked.chunks(AT_ONCE) {
        interrupt::check()?;
        let of_stacks = parallel::map(part, |goroutine| words(runtime, goroutine));
        found.extend(of_stacks.into_iter().flatten());
    }
    Ok((found, goroutines.len() - looked.len()))
}

/// The words of a goroutine's stack, and in which function each frame's begin.
pub(super) fn words(runtime: &GoRuntime<'_>, goroutine: &Goroutine) -> Vec<Root> {
    let (_, high) = goroutine.stack;
    let trace = runtime.trace(goroutine, FRAMES);
    let mut found = Vec::new();
    let frames: Vec<(u64, Option<Arc<str>>)> = trace
        .frames
        .iter()
        .filter(|frame| !frame.inlined)
        .filter_map(|frame| {
            let machine = trace.stack.frames.get(frame.machine)?;
            Some((machine.registers.sp()?, frame.code.function.clone()))
        })
        .collect();
    for (index, (sp, function)) in frames.iter().enumerate() {
        let end = frames.get(index + 1).map_or(high, |(next, _)| *next);
        let Some(length) = end.checked_sub(*sp).filter(|length| (8..=MAX_STACK).contains(length)) else { continue };
        let Ok(data) = runtime.session().memory().read_vec(RunAddr(*sp), length as usize) else { continue };
        found.push(Root {
            whose: Whose::Frame { goroutine: goroutine.id, function: function.clone() },
            name: None,
            type_id: None,
            place: Place::Bytes(PlaceBytes { data, ..Default::default() }),
        });
    }
    found
}
