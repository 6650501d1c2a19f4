//! One function's subtree of DIEs: scopes, inlined calls, variables and call sites, read once.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use gimli::{AttributeValue, DebuggingInformationEntry, DwAt};

use super::abstract_instance::{abstract_call_sites, abstract_variables, is_block};
use super::skim::die_ranges;
use super::unit::{Unit, Units};
use super::{DieRef, Name, R, TypeId};

/// Scopes, variables and call sites that one function may have. The largest seen in real programs is under 100,000.
pub(super) const MAX_ENTRIES: usize = 1 << 20;
/// Blocks without ranges that are looked into, one in the other.
const MAX_DROPPED_DEPTH: usize = 64;
/// Links followed from an entry to the one that it elaborates.
pub const MAX_ORIGINS: usize = 16;

/// A function with code.
pub struct Function {
    /// Its DIE.
    pub die: DieRef,
    /// DW_AT_frame_base.
    pub frame_base: LocationSource,
    /// In pre-order: the function itself first, then inlined calls and blocks: all of them, or those around
    /// the address that the function was read at and what is directly in these.
    pub scopes: Vec<Scope>,
    /// The address in the file whose scopes were read; `None` for all.
    at: Option<u64>,
    /// Calls that it makes.
    pub call_sites: Vec<CallSite>,
}

/// What a scope is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScopeKind {
    /// The function itself.
    Function,
    /// A call that was inlined here.
    Inlined {
        /// DW_AT_call_file, an index in the unit's line table.
        file: Option<u64>,
        /// DW_AT_call_line.
        line: Option<u32>,
        /// DW_AT_call_column.
        column: Option<u32>,
    },
    /// A lexical block.
    Block,
}

/// A scope.
pub struct Scope {
    /// The scope around it.
    pub parent: Option<u32>,
    /// What it is.
    pub kind: ScopeKind,
    /// Its DIE.
    pub die: DieRef,
    /// The abstract instance that it elaborates.
    pub origin: Option<DieRef>,
    /// (low, high) in the file's addresses; empty for a block without any (it then reaches as far as its parent).
    pub ranges: Vec<(u64, u64)>,
    /// DIEs of variables and parameters directly in it, in order.
    entries: Vec<DieRef>,
    variables: OnceLock<Vec<Arc<VariableDeclaration>>>,
}

/// What a variable is to its function.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Role {
    /// A parameter.
    Argument,
    /// A local.
    Local,
}

/// A parameter or local as declared.
pub struct VariableDeclaration {
    /// Its DIE in the concrete function.
    pub die: DieRef,
    /// The abstract entry that it elaborates.
    pub origin: Option<DieRef>,
    /// Its name.
    pub name: Name,
    /// Argument or local.
    pub role: Role,
    /// The DIE of its type.
    pub type_die: Option<DieRef>,
    /// DW_AT_decl_line.
    pub decl_line: Option<u32>,
    /// Made by the compiler (`this`, a closure's environment).
    pub artificial: bool,
    /// Where it is.
    pub location: LocationSource,
    /// Ranges of the scope that it is declared in; empty where the scope has none of its own.
    pub scope: Vec<(u64, u64)>,
    /// Of a block of the abstract instance that no code is left of: it is in no scope.
    pub of_dropped_block: bool,
    /// Its type in the session's table and that type's size, once somebody asked.
    pub resolved: OnceLock<Option<(TypeId, Option<u64>)>>,
}

/// Where something is, as DWARF has it.
#[derive(Clone, Debug, Default)]
pub enum LocationSource {
    /// Not described: optimised out.
    #[default]
    None,
    /// One expression for its whole scope.
    Expression(&'static [u8]),
    /// One a range of code (low, high), first match counts.
    List(Vec<(u64, u64, &'static [u8])>),
    /// DW_AT_const_value as a number: value, and whether it is known to be signed.
    Number(i64),
    /// DW_AT_const_value as a block.
    Block(&'static [u8]),
    /// DW_AT_const_value as a string.
    String(&'static [u8]),
}

/// One call of a chain: the calling function and which of its call sites.
pub type Link = (Arc<Function>, usize);

/// A call.
pub struct CallSite {
    /// The address that it returns to (or, for a tail call, the one after the jump), in the file's addresses.
    pub return_address: u64,
    /// An address in the call instruction.
    pub lookup: u64,
    /// A jump that replaces the frame.
    pub tail_call: bool,
    /// The function called, where it is known.
    pub origin: Option<DieRef>,
    /// DW_AT_call_target: an expression for the called address.
    pub target: Option<&'static [u8]>,
    /// (location of the parameter in the callee, its value as an expression in the caller).
    pub parameters: Vec<CallParameter>,
}

/// A parameter of a call.
pub struct CallParameter {
    /// DW_AT_location: `DW_OP_regN`, or a stack slot.
    pub location: &'static [u8],
    /// DW_AT_call_value.
    pub value: Option<&'static [u8]>,
    /// DW_AT_call_data_value: what the parameter points to.
    pub data_value: Option<&'static [u8]>,
    /// DW_AT_call_parameter: the callee's parameter.
    pub parameter: Option<DieRef>,
}

impl LocationSource {
    /// Reads DW_AT_location, DW_AT_const_value and such from an entry.
    pub fn of(unit: &Unit, entry: &DebuggingInformationEntry<R>, name: DwAt) -> LocationSource {
        let Some(value) = entry.attr_value(name) else { return LocationSource::None };
        match value {
            AttributeValue::Exprloc(expression) => LocationSource::Expression(expression.0.slice()),
            AttributeValue::Block(block) if name == gimli::DW_AT_const_value => LocationSource::Block(block.slice()),
            AttributeValue::Block(block) => LocationSource::Expression(block.slice()),
            AttributeValue::Udata(number) => LocationSource::Number(number as i64),
            AttributeValue::Sdata(number) => LocationSource::Number(number),
            AttributeValue::Data1(number) => LocationSource::Number(i64::from(number as i8)),
            AttributeValue::Data2(number) => LocationSource::Number(i64::from(number as i16)),
            AttributeValue::Data4(number) => LocationSource::Number(i64::from(number as i32)),
            AttributeValue::Data8(number) => LocationSource::Number(number as i64),
            AttributeValue::Data16(number) => LocationSource::Number(number as i64),
            AttributeValue::String(text) => LocationSource::String(text.slice()),
            AttributeValue::DebugStrRef(_) | AttributeValue::DebugLineStrRef(_) if name == gimli::DW_AT_const_value => {
                let text = unit.dwarf.attr_string(&unit.unit, value);
                text.map_or(LocationSource::None, |text| LocationSource::String(text.slice()))
            }
            value => LocationSource::list(unit, value),
        }
    }

    fn list(unit: &Unit, value: AttributeValue<R>) -> LocationSource {
        let Ok(Some(mut entries)) = unit.dwarf.attr_locations(&unit.unit, value) else { return LocationSource::None };
        let mut list = Vec::new();
        while let Ok(Some(entry)) = entries.next() {
            if list.len() >= 100_000 {
                break;
            }
            list.push((entry.range.begin, entry.range.end, entry.data.0.slice()));
        }
        LocationSource::List(list)
    }

    /// Whether nothing describes it.
    pub fn is_none(&self) -> bool {
        matches!(self, LocationSource::None)
    }

    /// The expression that holds at `address`.
    pub fn at(&self, address: u64) -> Option<&'static [u8]> {
        match self {
            LocationSource::Expression(expression) => Some(expression),
            LocationSource::List(list) => {
                let found = list.iter().find(|(low, high, _)| (*low..*high).contains(&address));
                found.map(|(.., expression)| *expression)
            }
            _ => None,
        }
    }

    /// Whether the same expression holds at both addresses: for a caller, that what it names survives the call.
    pub fn holds_across(&self, lookup: u64, resume: u64) -> bool {
        match self {
            LocationSource::Expression(_) => true,
            LocationSource::List(_) => self.at(lookup).is_some() && self.at(lookup) == self.at(resume),
            _ => true,
        }
    }
}

impl Function {
    /// Reads the function at `offset` of `unit`: all its calls, and all its scopes or those around an address.
    pub fn read(units: &dyn Units, unit: &Unit, offset: u32, at: Option<u64>) -> Option<Function> {
        let mut raw = unit.unit.entries_raw(Some(gimli::UnitOffset(offset as usize))).ok()?;
        let mut function = Function {
            die: DieRef { module: unit.module, unit: unit.id, offset },
            frame_base: LocationSource::None,
            scopes: Vec::new(),
            at,
            call_sites: Vec::new(),
        };
        // For each open DIE with children: what they belong to.
        let mut open: Vec<Open> = Vec::new();
        let mut open_call: Option<(usize, usize)> = None;
        let mut entry = DebuggingInformationEntry::null();
        let mut read = 0;
        loop {
            read += 1;
            if read > MAX_ENTRIES || raw.is_empty() {
                break;
            }
            let offset = raw.next_offset();
            let mut ahead = raw.clone();
            let Ok(abbreviation) = ahead.read_abbreviation() else { break };
            let Some(abbreviation) = abbreviation else {
                raw = ahead;
                open.pop();
                if open_call.is_some_and(|(_, depth)| open.len() < depth) {
                    open_call = None;
                }
                if open.is_empty() {
                    break;
                }
                continue;
            };
            // Of most entries nothing is wanted but where they are.
            let tag = abbreviation.tag();
            let parent = open.last().copied();
            let wanted = match parent {
                None => true,
                Some(Open::Scope(_)) => is_scope(tag) || is_call(tag),
                Some(Open::Elsewhere) => is_call(tag),
                Some(Open::Skipped) => open_call.is_some() && is_call_parameter(tag),
            };
            if wanted {
                if raw.read_entry(&mut entry).is_err() {
                    break;
                }
            } else {
                if ahead.skip_attributes(abbreviation.attributes()).is_err() {
                    break;
                }
                raw = ahead;
            }
            let mut children = Open::Skipped;
            match (parent, tag) {
                (None, _) => {
                    function.frame_base = LocationSource::of(unit, &entry, gimli::DW_AT_frame_base);
                    children = function.add_scope(units, unit, &entry, None, ScopeKind::Function);
                }
                (Some(Open::Scope(parent)), gimli::DW_TAG_inlined_subroutine) => {
                    let number = |name| entry.attr_value(name).and_then(|value| value.udata_value());
                    let kind = ScopeKind::Inlined {
                        file: file_index(&entry, gimli::DW_AT_call_file),
                        line: number(gimli::DW_AT_call_line).and_then(|line| u32::try_from(line).ok()),
                        column: number(gimli::DW_AT_call_column).and_then(|column| u32::try_from(column).ok()),
                    };
                    children = function.add_scope(units, unit, &entry, Some(parent), kind);
                }
                (Some(Open::Scope(parent)), tag) if is_block(tag) => {
                    children = function.add_scope(units, unit, &entry, Some(parent), ScopeKind::Block);
                }
                (Some(Open::Scope(parent)), gimli::DW_TAG_formal_parameter | gimli::DW_TAG_variable) => {
                    function.scopes[parent as usize].entries.push(unit.die(offset));
                }
                // Fortran's: its variables are the function's.
                (Some(Open::Scope(parent)), gimli::DW_TAG_common_block) => children = Open::Scope(parent),
                (Some(Open::Elsewhere), tag) if is_scope(tag) => children = Open::Elsewhere,
                (Some(Open::Scope(_) | Open::Elsewhere), tag) if is_call(tag) => {
                    if let Some(site) = call_site(units, unit, &entry) {
                        function.call_sites.push(site);
                        if abbreviation.has_children() {
                            open_call = Some((function.call_sites.len() - 1, open.len() + 1));
                        }
                    }
                }
                (Some(Open::Skipped), tag) if is_call_parameter(tag) => {
                    if let Some((site, depth)) = open_call
                        && open.len() == depth
                        && let Some(parameter) = call_parameter(units, unit, &entry)
                        && let Some(site) = function.call_sites.get_mut(site)
                    {
                        site.parameters.push(parameter);
                    }
                }
                _ => {}
            }
            if abbreviation.has_children() {
                open.push(children);
            } else if open.is_empty() {
                break;
            }
        }
        function.add_abstract_call_sites(units, unit);
        (!function.scopes.is_empty()).then_some(function)
    }

    /// GCC describes calls of a function that it also inlined in the abstract instance, when they stand in a block
    /// that the concrete one does not repeat.
    fn add_abstract_call_sites(&mut self, units: &dyn Units, unit: &Unit) {
        let Some((origin, ranges)) = self.scopes.first().and_then(|scope| Some((scope.origin?, &scope.ranges))) else {
            return;
        };
        // Expressions are evaluated in the function's unit.
        if (origin.module, origin.unit) != (unit.module, unit.id) {
            return;
        }
        let own: HashSet<u64> = self.call_sites.iter().map(|site| site.return_address).collect();
        let mut sites = abstract_call_sites(units, unit, origin.offset);
        // A call that does not return may end the function.
        sites.retain(|site| {
            let here = ranges.iter().any(|(low, high)| *low < site.return_address && site.return_address <= *high);
            here && !own.contains(&site.return_address)
        });
        self.call_sites.append(&mut sites);
    }

    fn add_scope(
        &mut self,
        units: &dyn Units,
        unit: &Unit,
        entry: &DebuggingInformationEntry<R>,
        parent: Option<u32>,
        kind: ScopeKind,
    ) -> Open {
        let Ok(number) = u32::try_from(self.scopes.len()) else { return Open::Skipped };
        let scope = Scope {
            parent,
            kind,
            die: unit.die(entry.offset()),
            origin: origin_of(units, unit, entry),
            ranges: die_ranges(unit.dwarf, &unit.unit, entry),
            entries: Vec::new(),
            variables: OnceLock::new(),
        };
        let is_around = self.at.is_none_or(|address| parent.is_none() || scope.covers(address));
        self.scopes.push(scope);
        if is_around { Open::Scope(number) } else { Open::Elsewhere }
    }

    /// Whether the scopes around the address were read; `None` for all scopes.
    pub fn is_read_at(&self, address: Option<u64>) -> bool {
        self.at.is_none() || self.at == address
    }

    /// The scopes around the address, innermost first; the last is the function itself. Blocks of one function may overlap
    /// without one being in the other (g++'s coroutines): those of the longest chain come first.
    pub fn scopes_at(&self, address: u64) -> Vec<u32> {
        let mut inside = vec![false; self.scopes.len()];
        let mut depths = vec![0u32; self.scopes.len()];
        let mut deepest = 0usize;
        for (index, scope) in self.scopes.iter().enumerate() {
            let Some(parent) = scope.parent else {
                inside[index] = true;
                continue;
            };
            inside[index] = scope.covers(address) && inside[parent as usize];
            depths[index] = depths[parent as usize] + 1;
            // A block without ranges is looked through, but nothing says that the address is in it.
            if inside[index] && !scope.ranges.is_empty() && depths[index] >= depths[deepest] {
                deepest = index;
            }
        }
        let mut path = Vec::new();
        let mut next = Some(deepest as u32);
        while let Some(index) = next {
            path.push(index);
            next = self.scopes[index as usize].parent;
        }
        let holds = |index: usize| inside[index] && !self.scopes[index].ranges.is_empty();
        let is_block = |index: usize| self.scopes[index].kind == ScopeKind::Block;
        let mut aside: Vec<u32> = (0..self.scopes.len())
            .filter(|index| holds(*index) && is_block(*index) && !path.contains(&(*index as u32)))
            .map(|index| index as u32)
            .collect();
        aside.reverse();
        for index in aside {
            // The innermost call that is inlined around it, which has to be one of the chain's.
            let mut around = self.scopes[index as usize].parent;
            while let Some(scope) = around.filter(|scope| is_block(*scope as usize)) {
                around = self.scopes[scope as usize].parent;
            }
            if let Some(at) = path.iter().position(|scope| Some(*scope) == around) {
                path.insert(at, index);
            }
        }
        path
    }

    /// Variables declared directly in a scope, in order.
    pub fn variables<'function>(
        &'function self,
        units: &dyn Units,
        scope: u32,
    ) -> &'function [Arc<VariableDeclaration>] {
        let Some(found) = self.scopes.get(scope as usize) else { return &[] };
        found.variables.get_or_init(|| self.read_variables(units, scope, found, 0))
    }

    fn read_variables(&self, units: &dyn Units, at: u32, scope: &Scope, depth: usize) -> Vec<Arc<VariableDeclaration>> {
        let inner: Vec<(usize, &Scope)> =
            self.scopes.iter().enumerate().filter(|(_, inner)| inner.parent == Some(at)).collect();
        let described = inner.iter().filter_map(|(_, inner)| inner.origin).collect();
        let mut variables = scope.read_variables(units, described);
        // No address is in a block without ranges: its variables are shown with those around it.
        let dropped = inner.iter().filter(|(_, inner)| inner.kind == ScopeKind::Block && inner.ranges.is_empty());
        for (index, dropped) in dropped.filter(|_| depth < MAX_DROPPED_DEPTH) {
            for mut variable in self.read_variables(units, *index as u32, dropped, depth + 1) {
                if let Some(variable) = Arc::get_mut(&mut variable) {
                    variable.of_dropped_block = true;
                }
                variables.push(variable);
            }
        }
        variables
    }

    /// The call that returns to the address.
    pub fn call_returning_to(&self, address: u64) -> Option<&CallSite> {
        self.call_sites.iter().find(|site| !site.tail_call && site.return_address == address)
    }
}

impl Scope {
    /// Whether the address may be in the scope, where it is in the one around it.
    fn covers(&self, address: u64) -> bool {
        match self.ranges[..] {
            [] => self.kind == ScopeKind::Block,
            ref ranges => ranges.iter().any(|(low, high)| (*low..*high).contains(&address)),
        }
    }

    fn read_variable(&self, units: &dyn Units, die: DieRef) -> Option<VariableDeclaration> {
        Some(VariableDeclaration { scope: self.ranges.clone(), ..VariableDeclaration::read(units, die)? })
    }

    /// `described`: what the scopes directly in this one elaborate.
    fn read_variables(&self, units: &dyn Units, described: Vec<DieRef>) -> Vec<Arc<VariableDeclaration>> {
        let mut variables: Vec<Arc<VariableDeclaration>> =
            self.entries.iter().filter_map(|die| self.read_variable(units, *die)).map(Arc::new).collect();
        // What the compiler dropped altogether stands only in the abstract instance.
        let Some(origin) = self.origin.or_else(|| (self.kind == ScopeKind::Function).then_some(self.die)) else {
            return variables;
        };
        if origin == self.die {
            return variables;
        }
        let known: Vec<DieRef> = variables.iter().filter_map(|variable| variable.origin).collect();
        let Some(unit) = units.unit(origin) else { return variables };
        let mut position = 0;
        for (die, depth) in abstract_variables(unit, origin.offset, &described) {
            if let Some(at) = known.iter().position(|known| *known == die) {
                position = variables
                    .iter()
                    .position(|variable| variable.origin == Some(known[at]))
                    .map_or(position, |index| index + 1);
                continue;
            }
            let Some(mut variable) = self.read_variable(units, die) else { continue };
            variable.origin = Some(die);
            variable.of_dropped_block = depth > 1;
            if variable.of_dropped_block {
                variables.push(Arc::new(variable));
            } else {
                variables.insert(position.min(variables.len()), Arc::new(variable));
                position += 1;
            }
        }
        variables
    }
}

impl VariableDeclaration {
    fn read(units: &dyn Units, die: DieRef) -> Option<VariableDeclaration> {
        let unit = units.unit(die)?;
        let entry = unit.entry(die.offset)?;
        let mut location = LocationSource::of(unit, &entry, gimli::DW_AT_location);
        if location.is_none() {
            location = LocationSource::of(unit, &entry, gimli::DW_AT_const_value);
        }
        let mut variable = VariableDeclaration {
            die,
            origin: origin_of(units, unit, &entry),
            name: Name::default(),
            role: if entry.tag() == gimli::DW_TAG_formal_parameter { Role::Argument } else { Role::Local },
            type_die: None,
            decl_line: None,
            artificial: false,
            location,
            scope: Vec::new(),
            of_dropped_block: false,
            resolved: OnceLock::new(),
        };
        let mut name = None;
        let mut declaration = false;
        each_origin(units, die, |unit, entry| {
            name = name.take().or_else(|| unit.text(entry.attr_value(gimli::DW_AT_name)?));
            variable.artificial |= entry.has_attr(gimli::DW_AT_artificial);
            declaration |= entry.has_attr(gimli::DW_AT_declaration);
            if variable.type_die.is_none() {
                variable.type_die = entry.attr_value(gimli::DW_AT_type).and_then(|value| units.reference(unit, value));
            }
            if variable.decl_line.is_none() {
                let line = entry.attr_value(gimli::DW_AT_decl_line).and_then(|line| line.udata_value());
                variable.decl_line = line.and_then(|line| u32::try_from(line).ok());
            }
            if variable.location.is_none() {
                // A constant is the same in every instance, and so is a static local.
                variable.location = LocationSource::of(unit, entry, gimli::DW_AT_const_value);
                if variable.location.is_none()
                    && let LocationSource::Expression(expression) =
                        LocationSource::of(unit, entry, gimli::DW_AT_location)
                {
                    variable.location = LocationSource::Expression(expression);
                }
            }
            false
        });
        // `extern int x;` inside a function names a global.
        if declaration && variable.location.is_none() {
            return None;
        }
        variable.name = name?;
        Some(variable)
    }
}

/// What the children of an open entry belong to.
#[derive(Clone, Copy)]
enum Open {
    /// A scope that is kept.
    Scope(u32),
    /// A scope that the address asked for is not in: only calls are wanted of it.
    Elsewhere,
    /// Nothing that is code of the function.
    Skipped,
}

fn is_scope(tag: gimli::DwTag) -> bool {
    tag == gimli::DW_TAG_inlined_subroutine || is_block(tag)
}

fn is_call(tag: gimli::DwTag) -> bool {
    matches!(tag, gimli::DW_TAG_call_site | gimli::DW_TAG_GNU_call_site)
}

fn is_call_parameter(tag: gimli::DwTag) -> bool {
    matches!(tag, gimli::DW_TAG_call_site_parameter | gimli::DW_TAG_GNU_call_site_parameter)
}

/// Visits an entry and those that it elaborates (DW_AT_abstract_origin, DW_AT_specification), until `visit` says
/// true.
pub fn each_origin(
    units: &dyn Units,
    die: DieRef,
    mut visit: impl FnMut(&Unit, &DebuggingInformationEntry<R>) -> bool,
) {
    let mut die = die;
    for _ in 0..MAX_ORIGINS {
        let Some(unit) = units.unit(die) else { return };
        let Some(entry) = unit.entry(die.offset) else { return };
        if visit(unit, &entry) {
            return;
        }
        match origin_of(units, unit, &entry) {
            Some(next) => die = next,
            None => return,
        }
    }
}

fn origin_of(units: &dyn Units, unit: &Unit, entry: &DebuggingInformationEntry<R>) -> Option<DieRef> {
    let value = entry.attr_value(gimli::DW_AT_abstract_origin);
    let value = value.or_else(|| entry.attr_value(gimli::DW_AT_specification))?;
    units.reference(unit, value)
}

/// A line table's file index; 0 counts from DWARF 5 on, and gimli gives both forms.
fn file_index(entry: &DebuggingInformationEntry<R>, name: DwAt) -> Option<u64> {
    match entry.attr_value(name)? {
        AttributeValue::FileIndex(index) => Some(index),
        value => value.udata_value(),
    }
}

pub(super) fn call_site(units: &dyn Units, unit: &Unit, entry: &DebuggingInformationEntry<R>) -> Option<CallSite> {
    let address = |name| {
        let value = entry.attr_value(name)?;
        unit.dwarf.attr_address(&unit.unit, value).ok().flatten()
    };
    let call_address = address(gimli::DW_AT_call_pc);
    let return_address =
        address(gimli::DW_AT_call_return_pc).or_else(|| address(gimli::DW_AT_low_pc)).or(call_address)?;
    let tail_call = [gimli::DW_AT_call_tail_call, gimli::DW_AT_GNU_tail_call]
        .iter()
        .any(|name| matches!(entry.attr_value(*name), Some(AttributeValue::Flag(true))));
    let origin = entry
        .attr_value(gimli::DW_AT_call_origin)
        .or_else(|| entry.attr_value(gimli::DW_AT_abstract_origin))
        .and_then(|value| units.reference(unit, value));
    let target =
        [gimli::DW_AT_call_target, gimli::DW_AT_GNU_call_site_target].iter().find_map(|name| expression(entry, *name));
    Some(CallSite {
        return_address,
        lookup: call_address.unwrap_or(return_address.wrapping_sub(1)),
        tail_call,
        origin,
        target,
        parameters: Vec::new(),
    })
}

pub(super) fn call_parameter(
    units: &dyn Units,
    unit: &Unit,
    entry: &DebuggingInformationEntry<R>,
) -> Option<CallParameter> {
    let parameter = entry
        .attr_value(gimli::DW_AT_call_parameter)
        .or_else(|| entry.attr_value(gimli::DW_AT_abstract_origin))
        .and_then(|value| units.reference(unit, value));
    Some(CallParameter {
        location: expression(entry, gimli::DW_AT_location).unwrap_or(&[]),
        value: expression(entry, gimli::DW_AT_call_value)
            .or_else(|| expression(entry, gimli::DW_AT_GNU_call_site_value)),
        data_value: expression(entry, gimli::DW_AT_call_data_value)
            .or_else(|| expression(entry, gimli::DW_AT_GNU_call_site_data_value)),
        parameter,
    })
}

fn expression(entry: &DebuggingInformationEntry<R>, name: DwAt) -> Option<&'static [u8]> {
    match entry.attr_value(name)? {
        AttributeValue::Exprloc(expression) => Some(expression.0.slice()),
        AttributeValue::Block(block) => Some(block.slice()),
        _ => None,
    }
}
