//! What the session finds by name or by address: globals, types, symbols.

use std::sync::Arc;

use super::{Global, Session};
use crate::addr::{FileAddr, RunAddr};
use crate::image::ThreadState;
use crate::module::function::{LocationSource, each_origin};
use crate::module::program::Program;
use crate::module::skim::NamedEntry;
use crate::module::unit::Units;
use crate::module::{DieRef, ModuleId, Symbol, SymbolKind};
use crate::order::Order;
use crate::types::{StaticMember, TypeId, TypeKind};
use crate::value::decode::GoSymbols;
use crate::value::location::Context;
use crate::value::{Absent, AbsentReason, Place};

/// Other spellings of C's integer types, as GCC and clang name them in DWARF (C23, 6.7.3.1).
pub(super) const INTEGER_SPELLINGS: &[&[&str]] = &[
    &["short int", "short", "signed short", "short signed int"],
    &["short unsigned int", "unsigned short", "unsigned short int"],
    &["int", "signed", "signed int"],
    &["unsigned int", "unsigned"],
    &["long int", "long", "signed long", "long signed int"],
    &["long unsigned int", "unsigned long", "unsigned long int"],
    &["long long int", "long long", "signed long long"],
    &["long long unsigned int", "unsigned long long", "unsigned long long int"],
    &["char"],
    &["_Bool", "bool"],
];

impl Session {
    /// Global and static variables (and functions, whose type is a function) of that name, qualified or not; with
    /// `file`, only those of units whose file ends so. The program's before its libraries', definitions only. Those that
    /// are thread-local are the ones of `thread`; of the crashed thread, where none is meant.
    pub fn find_globals(&self, name: &str, file: Option<&str>, thread: Option<&ThreadState>) -> Vec<Global> {
        let thread = thread.or_else(|| {
            let threads = &self.image.threads;
            threads.iter().find(|thread| thread.crashed).or(threads.first())
        });
        let thread_pointer = thread.and_then(|thread| thread.registers.thread_pointer);
        let wanted = |entry: &NamedEntry| {
            matches!(entry.tag, gimli::DW_TAG_variable | gimli::DW_TAG_subprogram | gimli::DW_TAG_constant)
        };
        let mut globals = Vec::new();
        for module in self.program.modules_for_names() {
            let found = self.program.entries_named(module, name, wanted, usize::MAX);
            for die in &found {
                globals.extend(self.global(*die, file, thread_pointer, found.len() == 1));
            }
            if globals.is_empty() && file.is_none() {
                globals.extend(self.function_static(module, name, thread_pointer));
            }
            if !globals.is_empty() {
                break;
            }
        }
        if globals.is_empty() && file.is_none() {
            globals.extend(self.static_of_class(name));
        }
        globals
    }

    /// The variable (or function) outside of functions that the entry defines; with `file`, only where its unit's file
    /// ends so. What is thread-local is that of the thread whose storage is at `thread_pointer`;
    /// `is_only_one` where the module has no other of that name.
    pub fn global(
        &self,
        die: DieRef,
        file: Option<&str>,
        thread_pointer: Option<u64>,
        is_only_one: bool,
    ) -> Option<Global> {
        let program = &self.program;
        let unit = program.unit(die)?;
        let unit_file = unit.source_name();
        if let Some(file) = file
            && !unit_file.as_deref().is_some_and(|unit_file| is_file(unit_file, file))
        {
            return None;
        }
        let entry = unit.entry(die.offset)?;
        let name = program.qualified_name(die)?;
        let mut context = Context::without_frame(program, self.memory(), self.image.arch);
        context.thread_pointer = thread_pointer;
        if entry.tag() == gimli::DW_TAG_subprogram {
            let function = crate::module::skim::die_ranges(unit.dwarf, &unit.unit, &entry);
            let (start, _) = *function.first()?;
            let place = Ok(Place::Memory(FileAddr(start).to_run(program.bias(die.module))));
            return Some(Global { name, unit_file, type_id: self.types.of_die(die), place });
        }
        let mut type_die = None;
        let mut source = LocationSource::None;
        each_origin(&**program, die, |unit, entry| {
            if type_die.is_none() {
                type_die = entry.attr_value(gimli::DW_AT_type).and_then(|value| program.reference(unit, value));
            }
            if source.is_none() {
                source = LocationSource::of(unit, entry, gimli::DW_AT_location);
            }
            if source.is_none() {
                source = LocationSource::of(unit, entry, gimli::DW_AT_const_value);
            }
            false
        });
        if source.is_none() && entry.has_attr(gimli::DW_AT_declaration) {
            return None;
        }
        program.note_entry(die);
        let type_id = self.types.of_die(type_die?);
        let place = match source {
            LocationSource::None => self.thread_local(&context, die, is_only_one),
            source => context.source(&source, unit, self.types.size(type_id)),
        };
        Some(Global { name, unit_file, type_id, place })
    }

    /// `function::variable`: a static variable inside of a function.
    fn function_static(&self, module: ModuleId, name: &str, thread_pointer: Option<u64>) -> Option<Global> {
        let program = &self.program;
        let parts = crate::module::names::components(name);
        let (variable, function) = parts.split_last()?;
        if function.is_empty() {
            return None;
        }
        let function_name = function.join("::");
        let is_function = |entry: &NamedEntry| entry.tag == gimli::DW_TAG_subprogram;
        let mut context = Context::without_frame(program, self.memory(), self.image.arch);
        context.thread_pointer = thread_pointer;
        program.entries_named(module, &function_name, is_function, usize::MAX).into_iter().find_map(|die| {
            let unit = program.unit(die)?;
            let function = program.function(unit, die.offset)?;
            let scopes = 0..function.scopes.len() as u32;
            let mut variables = scopes.flat_map(|scope| function.variables(&**program, scope));
            variables.find_map(|declared| {
                let type_id = self.types.of_die(declared.type_die.filter(|_| declared.name == *variable)?);
                let unit = program.unit(declared.die)?;
                // What is not static has no place without a frame.
                let place = context.source(&declared.location, unit, self.types.size(type_id)).ok()?;
                Some(Global { name: name.to_owned(), unit_file: unit.source_name(), type_id, place: Ok(place) })
            })
        })
    }

    /// An enumerator by its name, qualified (`ns::Colour::Red`, or `ns::Red` where the enumeration is no scope of its
    /// own) or not: its enumeration and its value.
    pub fn find_enumerator(&self, name: &str) -> Option<(TypeId, i128)> {
        let name = name.trim_start_matches("::");
        if let Some(constant) = self.go_constant_named(name) {
            return Some(constant);
        }
        let parts = crate::module::names::components(name);
        let (last, scopes) = parts.split_last()?;
        let wanted = |entry: &NamedEntry| entry.tag == gimli::DW_TAG_enumerator;
        self.program.modules_for_names().into_iter().find_map(|module| {
            let found = self.program.entries_named(module, last, wanted, usize::MAX);
            found.into_iter().find_map(|die| {
                let type_id = self.types.of_die(*self.program.parents(die).last()?);
                let definition = self.types.get(type_id);
                let TypeKind::Enum { enumerators, .. } = &definition.kind else { return None };
                let (_, value) = enumerators.iter().find(|(known, _)| known == last)?;
                let own = definition.name.as_deref().map(crate::module::names::components).unwrap_or_default();
                let outer = own.split_last().map_or(&[][..], |(_, outer)| outer);
                (own.ends_with(scopes) || outer.ends_with(scopes)).then_some((type_id, *value))
            })
        })
    }

    /// A variable without a location is optimised out, or thread-local on aarch64, for which no compiler writes
    /// locations: AADWARF64 has no relocation for them (GCC 12 and clang 19 leave the attribute out). Then the symbol
    /// table has it. A static variable's symbol may be that of another of the same name, if there is another.
    fn thread_local(&self, context: &Context<'_>, die: DieRef, is_only_one: bool) -> Result<Place, Absent> {
        let optimized_out = || Absent::new(AbsentReason::OptimizedOut);
        let module = self.program.modules.get(die.module).ok_or_else(optimized_out)?;
        let name = self.program.function_name(die);
        let name = name.symbol.or(name.display).ok_or_else(optimized_out)?;
        let mut symbols = module.symbols().by_name(&name);
        symbols.retain(|symbol| symbol.kind == SymbolKind::ThreadLocal && (symbol.is_global || is_only_one));
        match symbols[..] {
            [symbol] => context.thread_local(die.module, symbol.address.0).map(Place::Memory),
            _ => Err(optimized_out()),
        }
    }

    /// A type by name (`node`, `struct node`, `ns::T`, `int`), its definition before mere declarations. Looked for once a
    /// name: each of a thousand shared pointers asks for what made it.
    pub fn find_type(&self, name: &str) -> Option<TypeId> {
        let name = name.trim();
        if let Some(known) = self.named_types.read().expect("not poisoned").get(name) {
            return *known;
        }
        let found = self.search_type(name);
        // What was not looked for to the end may be there.
        if found.is_none() && crate::interrupt::requested() {
            return None;
        }
        *self.named_types.write().expect("not poisoned").entry(name.into()).or_insert(found)
    }

    fn search_type(&self, name: &str) -> Option<TypeId> {
        let plain = ["struct ", "class ", "union ", "enum "].iter().find_map(|keyword| name.strip_prefix(keyword));
        let keyword = plain.map(|plain| &name[..name.len() - plain.len()]);
        let plain = plain.unwrap_or(name).trim();
        let spellings = INTEGER_SPELLINGS.iter().find(|spellings| spellings.contains(&plain));
        let names: Vec<&str> = match spellings {
            Some(spellings) => {
                std::iter::once(plain).chain(spellings.iter().copied().filter(|other| *other != plain)).collect()
            }
            None => vec![plain],
        };
        let wanted = |entry: &NamedEntry| match keyword {
            None => is_type(entry.tag),
            Some("union ") => entry.tag == gimli::DW_TAG_union_type,
            Some("enum ") => entry.tag == gimli::DW_TAG_enumeration_type,
            Some(_) => matches!(entry.tag, gimli::DW_TAG_structure_type | gimli::DW_TAG_class_type),
        };
        let modules = self.program.modules_for_names();
        let find = |wanted: &(dyn Fn(&NamedEntry) -> bool + Sync)| {
            modules.iter().find_map(|module| {
                names.iter().find_map(|name| {
                    let found = self.program.entries_named(*module, name, wanted, 1);
                    let ids = found.into_iter().map(|die| self.types.of_die(die));
                    ids.into_iter().find(|id| !matches!(self.types.get(*id).kind, TypeKind::Unreadable(_)))
                })
            })
        };
        let found = find(&|entry| wanted(entry) && !entry.declaration).or_else(|| find(&wanted));
        found.or_else(|| if plain.ends_with('>') { self.find_template(plain) } else { None })
    }

    /// Where what only a symbol table names is, and whether it is a function: by its linkage name or, for what is in a
    /// namespace or class, by the name as people write it, without parameters.
    pub fn find_symbol(&self, name: &str) -> Option<(RunAddr, bool)> {
        let is_function = |kind: SymbolKind| {
            matches!(kind, SymbolKind::Function | SymbolKind::IndirectFunction | SymbolKind::Untyped)
        };
        let leaf = crate::module::names::components(name).last().copied().unwrap_or(name);
        let leaf = memchr::memmem::Finder::new(leaf.split('<').next().unwrap_or(leaf).as_bytes());
        self.modules_at_hand().find_map(|module| {
            let mut found = module.symbols().by_name(name);
            if found.is_empty() && name.contains("::") {
                let is_it = |symbol: &Symbol| {
                    (symbol.name.starts_with(b"_Z") || symbol.name.starts_with(b"_R"))
                        && leaf.find(symbol.name).is_some()
                        && crate::demangle::demangle_without_parameters(&symbol.text()).as_deref() == Some(name)
                };
                found.extend(module.symbols().iter().find(is_it));
            }
            // What is thread-local has no address without its thread.
            found.retain(|symbol| symbol.kind != SymbolKind::ThreadLocal);
            found.order_by_key(|symbol| (!is_function(symbol.kind), !symbol.is_global));
            found.first().map(|symbol| (module.to_run(symbol.address), is_function(symbol.kind)))
        })
    }

    /// What the compiler made for a class: the symbol that begins so and is called so, spaces aside.
    fn special_symbol(&self, prefix: &str, name: &str) -> Option<RunAddr> {
        let is_space = |byte: &u8| *byte == b' ';
        let same = |found: &str| {
            let plain = |name: &'_ str| name.bytes().filter(|byte| !is_space(byte)).collect::<Vec<u8>>();
            plain(found) == plain(name)
        };
        let last = crate::module::names::components(name).last().copied().unwrap_or(name);
        let leaf = last.rsplit(' ').next().unwrap_or(last);
        let leaf: String = leaf.chars().take_while(|char| char.is_alphanumeric() || *char == '_').collect();
        // Of built-in types, mangled names have a letter or two.
        let is_built_in = INTEGER_SPELLINGS
            .iter()
            .flat_map(|names| names.iter())
            .any(|known| known.split(' ').any(|word| word == leaf));
        let leaf = if is_built_in || matches!(&*leaf, "float" | "double" | "void") { String::new() } else { leaf };
        let leaf = memchr::memmem::Finder::new(leaf.as_bytes());
        self.modules_at_hand().find_map(|module| {
            let is_it = |symbol: Symbol| {
                let fits = symbol.name.starts_with(prefix.as_bytes()) && leaf.find(symbol.name).is_some();
                (fits && crate::demangle::demangle(&symbol.text()).is_some_and(|found| same(&found))).then_some(symbol)
            };
            let symbol = module.symbols().collect(is_it).into_iter().next()?;
            // Remembered, where what answers are made from is.
            module.symbols().lookup(symbol.address);
            Some(module.to_run(symbol.address))
        })
    }

    /// The nearest symbol at or below the address: name and distance. Functions and data.
    pub fn symbol(&self, address: RunAddr) -> Option<(String, u64)> {
        let module = self.program.modules.at(address)?;
        let here = module.to_file(address);
        let Some(symbol) = module.symbols().lookup(here) else {
            let (stub, distance) = crate::module::plt::stub(module.file()?, here)?;
            let demangled = stub.strip_suffix("@plt").and_then(crate::demangle::demangle);
            return Some((demangled.map_or(stub, |name| format!("{name}@plt")), distance));
        };
        let name = symbol.text();
        let name = crate::demangle::demangle(&name).unwrap_or_else(|| name.into_owned());
        Some((name, here.0.wrapping_sub(symbol.address.0)))
    }

    /// `name` or `name+distance`, looked up once an address.
    pub(super) fn symbol_text(&self, address: RunAddr) -> Option<Arc<str>> {
        // Most pointers lead to the heap or a stack: no module, nothing to remember.
        self.program.modules.at(address)?;
        if let Some(known) = self.symbols.read().expect("not poisoned").get(&address.0) {
            return known.clone();
        }
        let text = self.symbol(address).map(|(name, distance)| match distance {
            0 => Arc::from(name),
            distance => Arc::from(format!("{name}+{distance}")),
        });
        self.symbols.write().expect("not poisoned").entry(address.0).or_insert(text).clone()
    }
}

fn is_type(tag: gimli::DwTag) -> bool {
    matches!(
        tag,
        gimli::DW_TAG_structure_type
            | gimli::DW_TAG_class_type
            | gimli::DW_TAG_union_type
            | gimli::DW_TAG_enumeration_type
            | gimli::DW_TAG_typedef
            | gimli::DW_TAG_base_type
            | gimli::DW_TAG_unspecified_type
            | gimli::DW_TAG_pointer_type
    )
}

/// Whether `path` is the file that `asked` names: the same path, or one that ends in it.
fn is_file(path: &str, asked: &str) -> bool {
    path == asked || path.strip_suffix(asked).is_some_and(|before| before.ends_with('/'))
}

impl crate::value::decode::Symbols for Session {
    fn symbol(&self, address: RunAddr) -> Option<String> {
        self.symbol_text(address).map(|text| text.to_string())
    }

    fn find_type(&self, name: &str) -> Option<TypeId> {
        Session::find_type(self, name)
    }

    fn vtable_class(&self, vtable: RunAddr) -> Option<TypeId> {
        self.described_type(vtable, |program| program.vtable_class(vtable), || None)
    }

    fn vtable_layout(&self, vtable: RunAddr) -> Option<TypeId> {
        self.program.vtable_layout(vtable).map(|die| self.types.of_die(die))
    }

    fn extent(&self, address: RunAddr) -> Option<(RunAddr, u64)> {
        let module = self.program.modules.at(address)?;
        let symbol = module.symbols().lookup(module.to_file(address))?;
        Some((module.to_run(symbol.address), symbol.size))
    }

    fn is_code(&self, address: RunAddr) -> bool {
        crate::unwind::CodeMap::is_executable(&self.code_map, address)
    }

    fn type_info(&self, name: &str) -> Option<RunAddr> {
        self.special_symbol("_ZTI", &format!("typeinfo for {name}"))
    }

    fn static_member(&self, member: &StaticMember) -> Result<(Place, TypeId), Absent> {
        self.place_of_static(member)
    }

    fn thread_of(&self, pointer: u64) -> Option<(u32, Option<&str>)> {
        let has_it = |thread: &&ThreadState| thread.registers.thread_pointer == Some(pointer);
        let thread = self.image.threads.iter().find(has_it).filter(|_| pointer != 0)?;
        Some((thread.lwp, thread.name.as_deref()))
    }

    fn c_library(&self) -> Option<(u32, u32)> {
        Session::c_library(self)
    }

    fn go(&self) -> Option<&dyn GoSymbols> {
        Some(self)
    }
}

impl Session {
    /// The type that data of the program is about, looked up once an address: as debug information has it, else as `make` does.
    pub(super) fn described_type(
        &self,
        address: RunAddr,
        find: impl FnOnce(&Program) -> Option<crate::module::DieRef>,
        make: impl FnOnce() -> Option<TypeId>,
    ) -> Option<TypeId> {
        if let Some(known) = self.described.read().expect("not poisoned").get(&address.0) {
            return *known;
        }
        let found = find(&self.program).map(|die| self.types.of_die(die)).or_else(make);
        // What was not looked for to the end may be there.
        if found.is_none() && crate::interrupt::requested() {
            return None;
        }
        *self.described.write().expect("not poisoned").entry(address.0).or_insert(found)
    }
}

impl crate::value::decode::DynamicEvaluator for Context<'_> {
    fn evaluate(&self, expression: &crate::module::Expression, object: Option<RunAddr>) -> Result<u64, Absent> {
        self.evaluate_expression(expression, object)
    }

    fn variable(&self, die: crate::module::DieRef) -> Result<u64, Absent> {
        self.variable_number(die)
    }

    fn stored(&self, location: &crate::module::Expression, size: u64) -> Result<u64, Absent> {
        self.stored_number(location, size)
    }
}
