//! Values that the compiler dropped but that follow soundly.
//!
//! What a function got in a register is gone once the register is reused, yet its caller often knows: the caller's
//! call site describes each argument by an expression over what survives the call (DWARF 5, 3.4). Three uses:
//!
//! - `DW_OP_entry_value` in a location: the compiler itself says "the value at entry".
//! - A parameter that cannot be changed (a reference, `const`, `this`) has its entry value for ever.
//! - A caller's variable in an argument register at the very call: the argument's expression is its value.
//!
//! Nothing here assumes that the call found on the stack is the one that the frame came from: a tail call may have
//! replaced the called function. The chain of tail calls must be unique, or there is no answer.

use std::sync::Arc;

use super::location::Context;
use super::{Absent, AbsentReason, Place, PlaceBytes, Provenance};
use crate::addr::{FileAddr, RunAddr};
use crate::arch::DwarfRegister;
use crate::module::function::{
    CallParameter, CallSite, Function, Link, LocationSource, Role, VariableDeclaration, each_origin,
};
use crate::module::symbols::SymbolKind;
use crate::module::unit::Units;
use crate::module::{DieRef, Module};

/// Tail calls in a row that are followed.
const MAX_TAIL_CALLS: usize = 8;
/// Functions looked at for chains of tail calls.
const MAX_VISITED: usize = 200;

/// A frame that a tail call replaced: only the arguments of the call that made it are known.
pub struct TailFrame<'a> {
    chain: Arc<[Link]>,
    /// Which link this frame makes: it was called by link `position - 1`.
    position: usize,
    /// The machine frame that the chain came from.
    callee: usize,
    /// The tail call's address.
    pub(super) lookup: FileAddr,
    marker: std::marker::PhantomData<&'a ()>,
}

/// A frame that a tail call replaced, as its place in the chain of calls tells it.
pub struct TailCall {
    /// An address in the jump that replaced it, and the one behind that jump.
    pub lookup: FileAddr,
    /// The address behind the jump, or the jump's own where only that is known.
    pub pc: FileAddr,
    /// Which link of the chain the frame makes.
    position: usize,
    chain: Arc<[Link]>,
}

impl std::fmt::Debug for TailCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TailCall").field("lookup", &self.lookup).field("pc", &self.pc).finish_non_exhaustive()
    }
}

impl TailCall {
    /// Evaluation in the frame: `callee` is the machine frame that it leads to.
    pub(super) fn frame<'a>(&self, callee: usize) -> TailFrame<'a> {
        TailFrame {
            chain: self.chain.clone(),
            position: self.position,
            callee,
            lookup: self.lookup,
            marker: std::marker::PhantomData,
        }
    }

    /// The function whose frame it was.
    pub fn function(&self) -> &Arc<Function> {
        &self.chain[self.position].0
    }
}

/// The frames that tail calls replaced between the context's frame and the machine frame that called, innermost first.
/// Empty also where several chains are possible.
pub fn tail_calls(context: &Context<'_>) -> Vec<TailCall> {
    let Ok(chain) = known_chain(context) else { return Vec::new() };
    let replaced = (1..chain.len()).rev().map(|position| {
        let (function, site) = &chain[position];
        let site = &function.call_sites[*site];
        let (lookup, pc) = (FileAddr(site.lookup), FileAddr(site.return_address));
        TailCall { lookup, pc, position, chain: chain.clone() }
    });
    replaced.collect()
}

/// The type that an entry-value expression gives to the register's content (`DW_OP_regval_type`).
pub(super) fn entry_type(expression: &[u8]) -> Option<gimli::UnitOffset> {
    let [0xa5 | 0xf5, 0..=0x7f, rest @ ..] = expression else { return None };
    let mut reader = gimli::EndianSlice::new(rest, gimli::LittleEndian);
    let offset = gimli::Reader::read_uleb128(&mut reader).ok()?;
    usize::try_from(offset).ok().map(gimli::UnitOffset)
}

/// The content of the register of an entry-value expression (`DW_OP_regN`, `DW_OP_bregN 0`, `DW_OP_regval_type`).
pub(super) fn entry_value(context: &Context<'_>, expression: &[u8]) -> Result<u64, Absent> {
    let register = register_of(expression)
        .ok_or_else(|| Absent::because(AbsentReason::Unsupported, "an entry value that is not a register's"))?;
    at_call(context, |parameter| register_of(parameter.location) == Some(register))
}

/// The value that the caller passed for a parameter (`DW_OP_GNU_parameter_ref`).
pub(super) fn parameter_value(context: &Context<'_>, parameter: DieRef) -> Result<u64, Absent> {
    at_call(context, |candidate| candidate.parameter == Some(parameter))
}

/// A parameter that no code can change has the value that it had at entry. `None` where that does not apply.
pub(super) fn immutable_parameter(
    context: &Context<'_>,
    variable: &VariableDeclaration,
    size: Option<u64>,
) -> Option<Result<Place, Absent>> {
    let is_list = matches!(variable.location, LocationSource::List(_));
    if variable.role != Role::Argument || !is_list || !is_immutable(context, variable) {
        return None;
    }
    let place = parameter_at_entry(context, variable, size).ok()?;
    context.note_provenance(Provenance::EntryValue);
    Some(Ok(place))
}

/// What a parameter of the context's function (not of one that was inlined) held when the function was entered, as
/// its caller says.
pub fn parameter_at_entry(
    context: &Context<'_>,
    variable: &VariableDeclaration,
    size: Option<u64>,
) -> Result<Place, Absent> {
    let unknown = |detail: &str| Absent::because(AbsentReason::OptimizedOut, detail);
    let size = size.filter(|size| *size <= 8 && *size > 0).ok_or_else(|| unknown("it is larger than a register"))?;
    let function = context.code.as_ref().and_then(|code| code.function.clone());
    let function = function.ok_or_else(|| unknown("the function is not described"))?;
    let own = function.variables(context.program, 0);
    if !own.iter().any(|own| own.die == variable.die) {
        return Err(unknown("the function was inlined: nothing was passed to it"));
    }
    let described = at_call(context, |parameter| parameter.parameter == Some(variable.die));
    let value = match described {
        Ok(value) => value,
        Err(_) => {
            let entry = function.scopes[0].ranges.first().map(|(entry, _)| *entry);
            let first = entry.and_then(|entry| variable.location.at(entry));
            let first = first.ok_or_else(|| unknown("the debug information does not say where it was passed"))?;
            let register = register_of(first).filter(|_| first.len() == 1);
            let register = register.ok_or_else(|| unknown("it was not passed in a register"))?;
            at_call(context, |parameter| register_of(parameter.location) == Some(register))?
        }
    };
    let data = value.to_le_bytes()[..size as usize].to_vec();
    Ok(Place::Bytes(PlaceBytes { data, ..PlaceBytes::default() }))
}

fn is_immutable(context: &Context<'_>, variable: &VariableDeclaration) -> bool {
    let Some(die) = variable.type_die else { return false };
    let tag = context.program.unit(die).and_then(|unit| unit.entry(die.offset)).map(|entry| entry.tag());
    match tag {
        Some(gimli::DW_TAG_reference_type | gimli::DW_TAG_rvalue_reference_type | gimli::DW_TAG_const_type) => true,
        _ => variable.artificial && &*variable.name == "this",
    }
}

/// A caller's argument register at the call that the frame is in: its value by the call site's own description.
/// `None` where the call site does not describe it.
pub(super) fn argument_at_call(context: &Context<'_>, register: DwarfRegister) -> Option<Result<u64, Absent>> {
    if context.tail.is_some() || context.at == 0 {
        return None;
    }
    let frame = context.frame()?;
    let code = context.code.as_ref()?;
    let function = code.function.clone()?;
    let resume = frame.pc.to_file(context.program.bias(code.module?));
    let site = function.call_returning_to(resume.0)?;
    let parameter = site.parameters.iter().find(|parameter| register_of(parameter.location) == Some(register))?;
    let expression = parameter.value?;
    // In terms of the register itself there is nothing to learn.
    let names_itself = expression
        .first()
        .is_some_and(|operation| u16::from(*operation) == 0x50 + register || u16::from(*operation) == 0x70 + register);
    if names_itself {
        return None;
    }
    let unit = context.program.unit(function.die)?;
    let caller = context.nested()?.behind_its_call();
    let value = caller.content(expression, unit);
    if value.is_ok() {
        context.note_provenance(Provenance::Inferred);
    }
    Some(value)
}

/// The value of the parameter that `wanted` picks, at the call that made the context's frame.
fn at_call(context: &Context<'_>, wanted: impl Fn(&CallParameter) -> bool) -> Result<u64, Absent> {
    let unknown = |detail: &str| Absent::because(AbsentReason::OptimizedOut, detail.to_owned());
    let (chain, last, callee) = match &context.tail {
        Some(tail) => (tail.chain.clone(), tail.position - 1, tail.callee),
        None => {
            let chain = known_chain(context).map_err(unknown)?;
            let last = chain.len() - 1;
            (chain, last, context.at)
        }
    };
    let (function, site) = &chain[last];
    let parameter = function.call_sites[*site]
        .parameters
        .iter()
        .find(|parameter| wanted(parameter))
        .ok_or_else(|| unknown("the caller does not say what it passed"))?;
    let expression = parameter.value.ok_or_else(|| unknown("the caller does not say what it passed"))?;
    let unit = context.program.unit(function.die).ok_or_else(|| unknown("the caller's unit is missing"))?;
    let mut caller = context.nested().ok_or_else(|| unknown("calls refer to each other in a circle"))?;
    if last == 0 {
        caller.at = callee + 1;
        caller.code = caller.frame().map(|frame| context.program.code(frame.lookup));
        caller.tail = None;
        caller = caller.behind_its_call();
    } else {
        let lookup = FileAddr(function.call_sites[*site].lookup);
        caller.at = callee + 1;
        caller.code = None;
        caller.tail =
            Some(TailFrame { chain: chain.clone(), position: last, callee, lookup, marker: std::marker::PhantomData });
    }
    caller.content(expression, unit)
}

/// [`chain_to`], worked out once for each pair of addresses, except where it depends on the registers at hand.
fn known_chain(context: &Context<'_>) -> Result<Arc<[Link]>, &'static str> {
    let key = context.frame().zip(context.frames.get(context.at + 1)).map(|(frame, caller)| (frame.lookup, caller.pc));
    let Some(key) = key else { return chain_to(context) };
    let chains = &context.program.chains;
    if let Some(known) = chains.read().expect("not poisoned").get(&key) {
        return known.clone();
    }
    let chain = chain_to(context);
    if !calls_indirectly(context) {
        chains.write().expect("not poisoned").insert(key, chain.clone());
    }
    chain
}

/// Whether the caller of the context's frame called through a pointer.
fn calls_indirectly(context: &Context<'_>) -> bool {
    let Some(caller) = context.frames.get(context.at + 1) else { return false };
    let code = context.program.code(caller.lookup);
    let (Some(function), Some(module)) = (&code.function, code.module) else { return false };
    let site = function.call_returning_to(caller.pc.to_file(context.program.bias(module)).0);
    site.is_some_and(|site| site.origin.is_none())
}

/// The calls that lead from the machine frame outside to this one: one, or more where tail calls replaced frames.
fn chain_to(context: &Context<'_>) -> Result<Arc<[Link]>, &'static str> {
    let callee = context.code.as_ref().and_then(|code| code.function.clone());
    let callee = callee.ok_or("the function is not described")?;
    let frame = context.frame().ok_or("there is no frame")?;
    let caller = context.frames.get(context.at + 1).ok_or("the caller is not known")?;
    if frame.signal || caller.signal {
        return Err("the kernel called it");
    }
    let code = context.program.code(caller.lookup);
    let function = code.function.clone().ok_or("the caller is not described")?;
    let resume = caller.pc.to_file(context.program.bias(code.module.unwrap_or(function.die.module)));
    let site = function
        .call_sites
        .iter()
        .position(|site| !site.tail_call && site.return_address == resume.0)
        .ok_or("the call is not described")?;
    if let Some(origin) = function.call_sites[site].origin
        && is_same(context, &Called::Entry(origin), &callee)
    {
        return Ok(Arc::from([(function, site)]));
    }
    let called = called_function(context, &function, &function.call_sites[site], Some(context.at + 1))
        .ok_or("the call's target is not known")?;
    if is_same(context, &called, &callee) {
        return Ok(Arc::from([(function, site)]));
    }
    let Called::Function(start) = called else { return Err("the call's target is not described") };
    let mut found = Vec::new();
    let mut visited = Vec::new();
    tail_chains(context, &start, &callee, &mut Vec::new(), &mut visited, &mut found);
    match found.len() {
        1 => {
            let mut chain = vec![(function, site)];
            chain.append(&mut found[0]);
            Ok(chain.into())
        }
        0 => Err("it was reached by a tail call that is not described"),
        _ => Err("it was reached by one of several tail calls"),
    }
}

/// What a call site calls.
enum Called {
    Function(Arc<Function>),
    /// Only its declaration is known.
    Entry(DieRef),
}

fn called_function(
    context: &Context<'_>,
    caller: &Function,
    site: &CallSite,
    caller_frame: Option<usize>,
) -> Option<Called> {
    let program = context.program;
    if let Some(origin) = site.origin {
        if let Some(function) = function_of(context, origin) {
            return Some(Called::Function(function));
        }
        return Some(Called::Entry(origin));
    }
    let frame = caller_frame?;
    let unit = program.unit(caller.die)?;
    let mut at_caller = context.nested()?;
    at_caller.at = frame;
    at_caller.tail = None;
    at_caller.code = at_caller.frame().map(|frame| program.code(frame.lookup));
    let address = at_caller.number(site.target?, unit, None).ok()?;
    let function = program.function_at(RunAddr(address))?;
    let module = program.modules.at(RunAddr(address))?;
    let entry = RunAddr(address).to_file(module.bias());
    (function.scopes[0].ranges.first()?.0 == entry.0).then_some(Called::Function(function))
}

/// The function with code that an entry (a declaration or an abstract instance) stands for.
fn function_of(context: &Context<'_>, die: DieRef) -> Option<Arc<Function>> {
    let program = context.program;
    let unit = program.unit(die)?;
    let entry = unit.entry(die.offset)?;
    if entry.has_attr(gimli::DW_AT_low_pc) || entry.has_attr(gimli::DW_AT_ranges) {
        return program.function(unit, die.offset);
    }
    let name = program.function_name(die);
    let symbol = name.symbol.or(name.display)?;
    let own = program.modules.get(die.module)?;
    let mut is_external = false;
    each_origin(program, die, |_, entry| {
        is_external |= entry.has_attr(gimli::DW_AT_external) || entry.has_attr(gimli::DW_AT_declaration);
        is_external
    });
    let found = match function_named(context, own, &symbol, false) {
        // Another module's: the one that the frame's code is in.
        Named::Nothing if is_external => {
            let here = context.code.as_ref().and_then(|code| code.module).filter(|here| *here != own.id)?;
            function_named(context, program.modules.get(here)?, &symbol, true)
        }
        found => found,
    };
    match found {
        Named::One(function) => Some(function),
        _ => None,
    }
}

/// What a module has of a name.
enum Named {
    Nothing,
    One(Arc<Function>),
    /// Several, or one that is not described, or that is chosen at run time.
    Unclear,
}

fn function_named(context: &Context<'_>, module: &Module, symbol: &str, only_global: bool) -> Named {
    let mut symbols = module.symbols().by_name(symbol);
    symbols.retain(|symbol| symbol.address.0 != 0 && (symbol.is_global || !only_global));
    let Some(first) = symbols.first() else { return Named::Nothing };
    if symbols.iter().any(|other| other.address != first.address || other.kind == SymbolKind::IndirectFunction) {
        return Named::Unclear;
    }
    let function = context.program.function_at(first.address.to_run(module.bias()));
    let starts_there =
        |function: &Arc<Function>| function.scopes[0].ranges.first().is_some_and(|range| range.0 == first.address.0);
    function.filter(starts_there).map_or(Named::Unclear, Named::One)
}

fn is_same(context: &Context<'_>, called: &Called, function: &Function) -> bool {
    let called = match called {
        Called::Function(called) => return called.die == function.die,
        Called::Entry(die) => *die,
    };
    let mut origins = Vec::new();
    each_origin(context.program, called, |unit, entry| {
        origins.push(unit.die(entry.offset()));
        false
    });
    let mut same = false;
    each_origin(context.program, function.die, |unit, entry| {
        same |= origins.contains(&unit.die(entry.offset()));
        same
    });
    if same {
        return true;
    }
    let (one, other) = (context.program.function_name(called), context.program.function_name(function.die));
    match (one.symbol, other.symbol) {
        (Some(one), Some(other)) => one == other,
        (None, None) => one.display.is_some() && one.display == other.display,
        _ => false,
    }
}

/// All chains of tail calls from `from` to `to`, each as links; gives up (and finds too many) where they are many.
fn tail_chains(
    context: &Context<'_>,
    from: &Arc<Function>,
    to: &Function,
    path: &mut Vec<Link>,
    visited: &mut Vec<DieRef>,
    found: &mut Vec<Vec<Link>>,
) {
    if path.len() >= MAX_TAIL_CALLS || visited.len() >= MAX_VISITED || found.len() > 1 {
        return;
    }
    visited.push(from.die);
    for (index, site) in from.call_sites.iter().enumerate().filter(|(_, site)| site.tail_call) {
        let Some(called) = called_function(context, from, site, None) else {
            // An indirect jump could lead anywhere: no chain is the only one.
            found.push(Vec::new());
            found.push(Vec::new());
            return;
        };
        path.push((from.clone(), index));
        if is_same(context, &called, to) {
            found.push(path.clone());
        } else if let Called::Function(next) = &called
            && !visited.contains(&next.die)
        {
            tail_chains(context, next, to, path, visited, found);
        }
        path.pop();
    }
}

/// The register that an expression of one operation names (`DW_OP_regN`, `DW_OP_regx`, `DW_OP_bregN 0`).
fn register_of(expression: &[u8]) -> Option<DwarfRegister> {
    match expression {
        [operation @ 0x50..=0x6f] => Some(u16::from(operation - 0x50)),
        [0x90, register @ 0..=0x7f] => Some(u16::from(*register)),
        [operation @ 0x70..=0x8f, 0] => Some(u16::from(operation - 0x70)),
        // DW_OP_regval_type and its GNU predecessor: the type is the caller's matter.
        [0xa5 | 0xf5, register @ 0..=0x7f, ..] => Some(u16::from(*register)),
        _ => None,
    }
}
