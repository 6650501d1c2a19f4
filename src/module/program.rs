//! All modules together: from a code address to functions, scopes and lines, and from a reference to an entry.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock, RwLock};

use super::Language;
use super::function::{Function, Link, ScopeKind, each_origin};
use super::lines::{MAX_ROWS_BACK, Position};
use super::names::components;
use super::unit::{Unit, Units};
use super::units::DebugInfo;
use super::{DieRef, Module, ModuleId, ModuleMap, R};
use crate::addr::{AddressHash, Bias, FileAddr, RunAddr};
use crate::demangle;
use crate::order::Order;

/// What is at a code address: one of the functions (inlined ones too) that a machine frame stands in.
#[derive(Clone, Debug, Default)]
pub struct Code {
    /// Demangled, with parameters where the mangled name has them; else the plain name.
    pub function: Option<Arc<str>>,
    /// Linkage name.
    pub symbol: Option<Arc<str>>,
    /// Source file as the line table has it (absolute where the table allows).
    pub file: Option<Arc<str>>,
    /// Line; `None` where the table says 0.
    pub line: Option<u32>,
    /// Column; `None` where the table says 0.
    pub column: Option<u32>,
    /// Source language.
    pub language: Option<Language>,
}

/// A code address, resolved.
pub struct CodeInfo {
    /// Whose code.
    pub module: Option<ModuleId>,
    /// The address in the module's own space.
    pub address: FileAddr,
    /// The function's DIEs, where there are any.
    pub function: Option<Arc<Function>>,
    /// Innermost inlined function first; never empty.
    pub levels: Vec<Level>,
}

/// One function of an address: inlined into the next level, or (the last) the machine frame's own.
pub struct Level {
    /// Name and position.
    pub code: Arc<Code>,
    /// Its scopes around the address, innermost first; the last is the function or the inlined call itself.
    pub scopes: Vec<u32>,
}

/// A function's names.
#[derive(Clone, Debug, Default)]
pub struct FunctionName {
    /// For people.
    pub display: Option<Arc<str>>,
    /// Linkage name.
    pub symbol: Option<Arc<str>>,
    /// Of its unit.
    pub language: Option<Language>,
}

/// Every module with its debug information, opened as it is asked for.
pub struct Program {
    /// The modules.
    pub modules: ModuleMap,
    debug: Vec<OnceLock<Option<DebugInfo>>>,
    functions: RwLock<HashMap<DieRef, Option<Arc<Function>>>>,
    names: RwLock<HashMap<DieRef, FunctionName>>,
    /// Definitions of types that are only declared, by the module that asks and the qualified name.
    definitions: RwLock<HashMap<(ModuleId, String), Option<DieRef>>>,
    files: RwLock<FilePaths>,
    codes: RwLock<HashMap<RunAddr, Arc<CodeInfo>, AddressHash>>,
    /// Entries outside of functions that answers were made from: globals, constants that values were named by.
    entries: RwLock<HashSet<DieRef>>,
    /// Chains of calls that were worked out, by the called frame's address and the return address in its caller.
    pub(crate) chains: RwLock<HashMap<(RunAddr, RunAddr), ChainResult, AddressHash>>,
}

/// Paths by unit (its root DIE) and index in its line table.
type FilePaths = HashMap<(DieRef, u64), Option<Arc<str>>>;

/// A chain, or why there is none.
type ChainResult = Result<Arc<[Link]>, &'static str>;

impl Program {
    /// Over the modules of a process.
    pub fn new(modules: ModuleMap) -> Program {
        let debug = modules.iter().map(|_| OnceLock::new()).collect();
        Program {
            modules,
            debug,
            functions: RwLock::default(),
            names: RwLock::default(),
            definitions: RwLock::default(),
            files: RwLock::default(),
            codes: RwLock::default(),
            entries: RwLock::default(),
            chains: RwLock::default(),
        }
    }

    /// A module's debug information.
    pub fn debug_info(&self, module: ModuleId) -> Option<&DebugInfo> {
        self.debug
            .get(module.0 as usize)?
            .get_or_init(|| Some(DebugInfo::new(module, self.modules.get(module)?.dwarf()?.clone())))
            .as_ref()
    }

    /// Reads of the executable's debug information what frames and lines are found by. Of a snapshot, whose debug
    /// information is what somebody looked at, that is little, and nearly every question needs it.
    pub fn read_ahead(&self) {
        let executable = self.modules.iter().find(|module| module.seed.is_executable);
        let Some(debug) = executable.and_then(|module| self.debug_info(module.id)) else { return };
        for unit in debug.all_units() {
            if let Some(first) = unit.skim().functions().first() {
                unit.position(FileAddr(first.low));
            }
        }
    }

    /// A module's debug information where somebody asked for it before.
    pub fn opened_debug_info(&self, module: ModuleId) -> Option<&DebugInfo> {
        self.debug.get(module.0 as usize)?.get()?.as_ref()
    }

    /// What was added to the module's addresses; 0 for an unknown module.
    pub fn bias(&self, module: ModuleId) -> Bias {
        self.modules.get(module).map_or(Bias(0), Module::bias)
    }

    /// Finds the units of all these code addresses, in parallel where it pays.
    pub fn prefetch(&self, addresses: &[RunAddr]) {
        let mut by_module: HashMap<ModuleId, Vec<FileAddr>> = HashMap::new();
        for address in addresses {
            if let Some(module) = self.modules.at(*address) {
                by_module.entry(module.id).or_default().push(address.to_file(module.bias()));
            }
        }
        for (module, addresses) in by_module {
            if let Some(debug) = self.debug_info(module) {
                debug.prefetch(&addresses);
            }
        }
    }

    /// What is at a code address, looked up once.
    pub fn code(&self, address: RunAddr) -> Arc<CodeInfo> {
        if let Some(known) = self.codes.read().expect("not poisoned").get(&address) {
            return known.clone();
        }
        let info = Arc::new(self.resolve(address));
        self.codes.write().expect("not poisoned").entry(address).or_insert(info).clone()
    }

    fn resolve(&self, address: RunAddr) -> CodeInfo {
        let Some(module) = self.modules.at(address) else {
            return CodeInfo {
                module: None,
                address: FileAddr(address.0),
                function: None,
                levels: vec![Level { code: Arc::default(), scopes: Vec::new() }],
            };
        };
        let here = address.to_file(module.bias());
        let mut info = CodeInfo { module: Some(module.id), address: here, function: None, levels: Vec::new() };
        if let Some(debug) = self.debug_info(module.id)
            && let Some(unit) = debug.unit_at(here)
        {
            self.resolve_in_unit(module, unit, here, &mut info);
        }
        if info.levels.is_empty()
            && let Some(table) = module.go_table()
        {
            info.levels.extend(table.levels(here).into_iter().map(|level| {
                let name: Arc<str> = level.name.into();
                let file = level.file.map(Arc::from);
                let (symbol, language) = (Some(name.clone()), Some(Language::Go));
                let code = Code { function: Some(name), symbol, file, line: level.line, column: None, language };
                Level { code: Arc::new(code), scopes: Vec::new() }
            }));
        }
        if info.levels.is_empty() {
            let code = self.symbol_code(module, here);
            info.levels.push(Level { code: Arc::new(code), scopes: Vec::new() });
        }
        info
    }

    fn resolve_in_unit(&self, module: &Module, unit: &Unit, here: FileAddr, info: &mut CodeInfo) {
        let mut position = unit.position(here);
        let range = unit.skim().function_at(here.0);
        let function = range.and_then(|range| self.function_read_at(unit, range.offset, Some(here.0)));
        if position.as_ref().is_some_and(|position| position.line.is_none())
            && let Some(whole) = range.and_then(|range| self.function(unit, range.offset))
        {
            position = line_before(unit, &whole, here).or(position);
        }
        let (mut file, mut line, mut column) =
            position.map_or((None, None, None), |position| (position.file, position.line, position.column));
        if range.is_none() {
            // Assembly has lines, but no functions.
            let code = self.symbol_code(module, here);
            let code = Code { file, line, column, language: Some(unit.language), ..code };
            info.levels.push(Level { code: Arc::new(code), scopes: Vec::new() });
            return;
        }
        let Some(function) = function else { return };
        let mut scopes = Vec::new();
        for index in function.scopes_at(here.0) {
            let scope = &function.scopes[index as usize];
            scopes.push(index);
            if scope.kind == ScopeKind::Block {
                continue;
            }
            let mut name = self.function_name(scope.origin.unwrap_or(scope.die));
            if scope.kind == ScopeKind::Function
                && (name.display.is_none() || unit.language == Language::Cpp && name.symbol.is_none())
            {
                let symbol = self.symbol_code(module, here);
                if name.display.is_none() || symbol.symbol.as_ref().is_some_and(|symbol| symbol.starts_with("_Z")) {
                    name.display = symbol.function.or(name.display);
                    name.symbol = symbol.symbol;
                }
            }
            if scope.kind == ScopeKind::Function && name.symbol.is_none() {
                // C, and whatever is called in assembly's ways.
                name.symbol = name.display.clone();
            }
            let language = name.language.or(Some(unit.language));
            let code = Code { function: name.display, symbol: name.symbol, file, line, column, language };
            info.levels.push(Level { code: Arc::new(code), scopes: std::mem::take(&mut scopes) });
            file = None;
            line = None;
            column = None;
            if let ScopeKind::Inlined { file: call_file, line: call_line, column: call_column } = scope.kind {
                file = call_file.and_then(|index| self.file_path(unit, index));
                line = call_line.filter(|line| *line != 0);
                column = call_column.filter(|column| *column != 0);
            }
        }
        info.function = Some(function);
    }

    /// What the symbol table alone says.
    fn symbol_code(&self, module: &Module, here: FileAddr) -> Code {
        if let Some(stub) = module.file().and_then(|file| super::plt::stub_name(file, here)) {
            let function: Arc<str> = match stub.strip_suffix("@plt").and_then(demangle::demangle) {
                Some(name) => format!("{name}@plt").into(),
                None => stub.into(),
            };
            return Code { symbol: Some(function.clone()), function: Some(function), ..Code::default() };
        }
        let Some(symbol) = module.symbols().lookup(here) else { return Code::default() };
        let symbol: Arc<str> = String::from_utf8_lossy(symbol.name).into();
        let function = demangle::demangle(&symbol).map_or_else(|| symbol.clone(), Arc::from);
        Code { function: Some(function), symbol: Some(symbol), ..Code::default() }
    }

    /// The function at an offset of a unit with all its scopes.
    pub fn function(&self, unit: &Unit, offset: u32) -> Option<Arc<Function>> {
        self.function_read_at(unit, offset, None)
    }

    /// The same with the scopes around an address at least: most functions are on a stack at one place, and few of
    /// the calls that were inlined into them are there. For a second address it is read whole.
    fn function_read_at(&self, unit: &Unit, offset: u32, at: Option<u64>) -> Option<Arc<Function>> {
        let die = DieRef { module: unit.module, unit: unit.id, offset };
        let is_read = |known: &Option<Arc<Function>>| known.as_ref().is_none_or(|function| function.is_read_at(at));
        let known = self.functions.read().expect("not poisoned").get(&die).cloned();
        if let Some(known) = known.as_ref().filter(|known| is_read(known)) {
            return known.clone();
        }
        let at = at.filter(|_| known.is_none());
        let function = Function::read(self, unit, offset, at).map(Arc::new);
        let mut functions = self.functions.write().expect("not poisoned");
        let kept = functions.entry(die).or_insert_with(|| function.clone());
        if !is_read(kept) {
            *kept = function;
        }
        kept.clone()
    }

    /// The function whose code holds the address, with all its scopes.
    pub fn whole_function_at(&self, address: RunAddr) -> Option<Arc<Function>> {
        let die = self.function_at(address)?.die;
        self.function(self.unit(die)?, die.offset)
    }

    /// The functions whose entries were read so far.
    pub fn functions_read(&self) -> Vec<DieRef> {
        let functions = self.functions.read().expect("not poisoned");
        functions.iter().filter(|(_, function)| function.is_some()).map(|(die, _)| *die).collect()
    }

    /// The functions that were named so far.
    pub fn functions_named(&self) -> Vec<DieRef> {
        self.names.read().expect("not poisoned").keys().copied().collect()
    }

    /// The globals that were asked for and the constants that values were named by so far.
    pub fn entries_read(&self) -> Vec<DieRef> {
        self.entries.read().expect("not poisoned").iter().copied().collect()
    }

    /// Remembers that an answer was made from the entry.
    pub fn note_entry(&self, die: DieRef) {
        self.entries.write().expect("not poisoned").insert(die);
    }

    /// The code addresses that were resolved so far.
    pub fn resolved_addresses(&self) -> Vec<RunAddr> {
        self.codes.read().expect("not poisoned").keys().copied().collect()
    }

    /// The function whose code holds the address, with the scopes around it.
    pub fn function_at(&self, address: RunAddr) -> Option<Arc<Function>> {
        self.code(address).function.clone()
    }

    fn file_path(&self, unit: &Unit, index: u64) -> Option<Arc<str>> {
        let key = (unit.root(), index);
        if let Some(known) = self.files.read().expect("not poisoned").get(&key) {
            return known.clone();
        }
        let path: Option<Arc<str>> = unit.file_path(index).map(Arc::from);
        self.files.write().expect("not poisoned").entry(key).or_insert(path).clone()
    }

    /// A function's names, from its DIE or the ones that it elaborates.
    pub fn function_name(&self, die: DieRef) -> FunctionName {
        if let Some(known) = self.names.read().expect("not poisoned").get(&die) {
            return known.clone();
        }
        let mut plain = None;
        let mut symbol: Option<String> = None;
        let mut language = None;
        let mut named_at = die;
        let mut at = die;
        each_origin(self, die, |unit, entry| {
            language.get_or_insert(unit.language);
            at = unit.die(entry.offset());
            if symbol.is_none() {
                let value = entry
                    .attr_value(gimli::DW_AT_linkage_name)
                    .or_else(|| entry.attr_value(gimli::DW_AT_MIPS_linkage_name));
                symbol = value.and_then(|value| unit.string(value));
            }
            if let Some(name) = unit.name(entry) {
                plain.get_or_insert(name);
            }
            // The specification stands where the function was declared: in its class or namespace.
            named_at = at;
            false
        });
        let display = match (&symbol, plain, language) {
            (Some(symbol), plain, _) => demangle::demangle(symbol).or(plain).or_else(|| Some(symbol.clone())),
            (None, Some(plain), Some(Language::Cpp | Language::Rust)) => {
                let mut path: Vec<String> =
                    self.parents(named_at).iter().filter_map(|parent| self.scope_name(*parent)).collect();
                path.push(plain);
                Some(path.join("::"))
            }
            (None, plain, _) => plain,
        };
        let name = FunctionName { display: display.map(Arc::from), symbol: symbol.map(Arc::from), language };
        self.names.write().expect("not poisoned").entry(die).or_insert(name).clone()
    }

    /// The name that an enclosing entry gives to what is in it.
    fn scope_name(&self, die: DieRef) -> Option<String> {
        let unit = self.unit(die)?;
        let entry = unit.entry(die.offset)?;
        let mut name = None;
        each_origin(self, die, |unit, entry| {
            name = unit.name(entry);
            name.is_some()
        });
        name.or_else(|| (entry.tag() == gimli::DW_TAG_namespace).then(|| "(anonymous namespace)".to_owned()))
    }

    /// The qualified name of an entry (`ns::Type`), functions around it left out.
    pub fn qualified_name(&self, die: DieRef) -> Option<String> {
        let name = self.scope_name(die)?;
        // What is defined outside of its class or namespace is named where it is declared.
        let mut declared = die;
        each_origin(self, die, |unit, entry| {
            declared = unit.die(entry.offset());
            false
        });
        let mut path: Vec<String> = Vec::new();
        for parent in self.parents(declared) {
            let unit = self.unit(parent)?;
            if unit.entry(parent.offset)?.tag() != gimli::DW_TAG_subprogram {
                path.extend(self.scope_name(parent));
            }
        }
        path.push(name);
        Some(path.join("::"))
    }

    /// Modules in the order of a look-up by name: the program, then its libraries.
    pub fn modules_for_names(&self) -> Vec<ModuleId> {
        let mut modules: Vec<&Module> = self.modules.iter().collect();
        modules.order_by_key(|module| (!module.seed.is_executable, module.id));
        modules.iter().map(|module| module.id).collect()
    }

    /// Whether the innermost scopes around an entry have these names. Anonymous and inline namespaces need not be named.
    fn is_within(&self, die: DieRef, scopes: &[&str]) -> bool {
        let mut wanted = scopes.iter().rev().peekable();
        for parent in self.parents(die).into_iter().rev() {
            let Some(next) = wanted.peek() else { break };
            if self.scope_name(parent).as_deref() == Some(**next) {
                wanted.next();
                continue;
            }
            let entry = self.unit(parent).and_then(|unit| unit.entry(parent.offset));
            let is_transparent = entry.is_some_and(|entry| {
                entry.tag() == gimli::DW_TAG_namespace
                    && (entry.has_attr(gimli::DW_AT_export_symbols) || !entry.has_attr(gimli::DW_AT_name))
            });
            if !is_transparent {
                return false;
            }
        }
        wanted.peek().is_none()
    }

    /// The type that a Rust vtable was made for: rustc gives the vtable's variable a type that names it by
    /// DW_AT_containing_type (rust `compiler/rustc_codegen_llvm/src/debuginfo/metadata.rs`, since Rust 1.56).
    pub fn vtable_class(&self, vtable: RunAddr) -> Option<DieRef> {
        let vtable_type = self.vtable_layout(vtable)?;
        let unit = self.unit(vtable_type)?;
        let class = unit.entry(vtable_type.offset)?.attr_value(gimli::DW_AT_containing_type)?;
        self.reference(unit, class)
    }

    /// The type that rustc gave a vtable's variable: a structure with a member for each slot.
    pub fn vtable_layout(&self, vtable: RunAddr) -> Option<DieRef> {
        let module = self.modules.at(vtable)?;
        let variable = self.debug_info(module.id)?.variable_at(module.to_file(vtable))?;
        let unit = self.unit(variable)?;
        let type_of = unit.entry(variable.offset)?.attr_value(gimli::DW_AT_type)?;
        self.reference(unit, type_of)
    }

    /// Entries of that (possibly qualified) name, in one module; no more are looked for when there are `enough`.
    pub fn entries_named(
        &self,
        module: ModuleId,
        qualified: &str,
        wanted: impl Fn(&super::skim::NamedEntry) -> bool + Sync,
        enough: usize,
    ) -> Vec<DieRef> {
        let path = components(qualified.trim_start_matches("::"));
        let Some((name, scopes)) = path.split_last() else { return Vec::new() };
        let Some(debug) = self.debug_info(module) else { return Vec::new() };
        let in_scope = |die: DieRef| {
            if scopes.is_empty() {
                return true;
            }
            // A definition outside of its class stands elsewhere than its declaration.
            let mut candidates = vec![die];
            each_origin(self, die, |unit, entry| {
                candidates.push(unit.die(entry.offset()));
                false
            });
            candidates.iter().any(|die| self.is_within(*die, scopes))
        };
        debug.entries_named(name, wanted, in_scope, enough)
    }
}

impl Units for Program {
    fn unit(&self, die: DieRef) -> Option<&Unit> {
        self.debug_info(die.module)?.unit(die.unit)
    }

    fn reference(&self, unit: &Unit, value: gimli::AttributeValue<R>) -> Option<DieRef> {
        self.debug_info(unit.module)?.reference(unit, value)
    }

    fn parents(&self, die: DieRef) -> Vec<DieRef> {
        let Some(unit) = self.unit(die) else { return Vec::new() };
        let mut parents: Vec<DieRef> = unit
            .skim()
            .parents(die.offset)
            .into_iter()
            .map(|offset| DieRef { module: die.module, unit: die.unit, offset })
            .collect();
        parents.reverse();
        parents
    }

    fn find_definition(&self, die: DieRef, qualified_name: &str) -> Option<DieRef> {
        // Every unit declares a class of its own; the search for what they all mean is made once.
        let key = (die.module, qualified_name.to_owned());
        if let Some(known) = self.definitions.read().expect("not poisoned").get(&key) {
            return *known;
        }
        let found = self.search_definition(die.module, qualified_name);
        // What was not looked for to the end may be there.
        if found.is_none() && crate::interrupt::requested() {
            return None;
        }
        *self.definitions.write().expect("not poisoned").entry(key).or_insert(found)
    }
}

impl Program {
    fn search_definition(&self, asking: ModuleId, qualified_name: &str) -> Option<DieRef> {
        let is_type = |entry: &super::skim::NamedEntry| {
            !entry.declaration
                && matches!(
                    entry.tag,
                    gimli::DW_TAG_structure_type
                        | gimli::DW_TAG_class_type
                        | gimli::DW_TAG_union_type
                        | gimli::DW_TAG_enumeration_type
                )
        };
        let mut modules = self.modules_for_names();
        // Its own module first.
        modules.order_by_key(|module| *module != asking);
        modules.truncate(8);
        modules.into_iter().find_map(|module| {
            // The innermost scopes may be alike elsewhere, so not the very first alone is looked at.
            let found = self.entries_named(module, qualified_name, is_type, 16);
            found.into_iter().find(|candidate| self.qualified_name(*candidate).as_deref() == Some(qualified_name))
        })
    }
}

/// The position of the nearest code before `here` that has a line, in the same function or inlined call. Optimisers
/// give line 0 to what they moved or merged, calls too; a debugger shows the line that the code goes on from.
fn line_before(unit: &Unit, function: &Function, here: FileAddr) -> Option<Position> {
    let range = unit.skim().function_at(here.0)?.offset;
    let call_at = |address: FileAddr| {
        unit.skim().function_at(address.0).filter(|found| found.offset == range)?;
        let is_call =
            |index: &u32| function.scopes.get(*index as usize).is_some_and(|scope| scope.kind != ScopeKind::Block);
        function.scopes_at(address.0).into_iter().find(is_call)
    };
    let call = call_at(here)?;
    let mut at = here;
    for _ in 0..MAX_ROWS_BACK {
        let (start, _) = unit.line_extent(at)?;
        at = FileAddr(start.0.checked_sub(1)?);
        if call_at(at) != Some(call) {
            return None;
        }
        match unit.position(at)? {
            Position { line: None, .. } => {}
            position => return Some(position),
        }
    }
    None
}
