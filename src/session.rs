//! An opened target: its image, modules, types and caches, and the way from a thread to frames and variables.

mod attributes;
mod c_library;
mod contexts;
pub mod formatters;
pub mod go;
pub mod listing;
pub mod lookup;
pub mod memory;
pub mod modules;
pub mod names;
pub mod objects;
pub mod places;
pub mod record;
mod statics;
mod stdio;
mod surroundings;
mod templates;
mod variables;

use crate::order::Order;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use self::formatters::Formatters;
use self::go::GoCache;
use self::memory::{ExecutableCode, ProcessMemory};
use crate::addr::{AddressHash, Bias, FileAddr, RunAddr};
use crate::image::{Image, ModuleSeed, Note, ThreadState};
use crate::memory::{Memory, ReadAs};
use crate::module::debuginfod::Client;
pub use crate::module::function::Role;
pub use crate::module::program::Code;
use crate::module::program::{CodeInfo, Level, Program};
use crate::module::{DieRef, ElfFile, ModuleId, ModuleMap, ProcessFiles, SearchOptions};
use crate::types::dwarf::DwarfTypes;
use crate::types::{Name, TypeId, TypeTable};
use crate::unwind::{MachineFrame, Stack, StackEnd, Trust, UnwindCache};
use crate::value::decode::Decoder;
use crate::value::location::Context;
use crate::value::recover::{self, TailCall};
use crate::value::{Absent, Limits, Place, Provenance, Value};

/// A frame as people count them: inlined calls are frames.
#[derive(Clone, Debug)]
pub struct Frame {
    /// 0 is the innermost.
    pub index: usize,
    /// Index in [`Stack::frames`](crate::unwind::Stack::frames) of the machine frame that it is part of.
    pub machine: usize,
    /// The frame's address, a return address for callers.
    pub pc: RunAddr,
    /// Inlined into the frame with the next index.
    pub inlined: bool,
    /// A tail call replaced it: it follows from the call sites, has no registers, and stands between its callee
    /// (`machine`) and that one's caller.
    pub tail_call: Option<Arc<TailCall>>,
    /// The address whose functions it is one of.
    pub lookup: RunAddr,
    /// Which of those functions: 0 is the innermost.
    pub level: usize,
    /// A signal trampoline.
    pub signal: bool,
    /// How it was found.
    pub trust: Trust,
    /// Whose code.
    pub module: Option<ModuleId>,
    /// `pc` in the module's own address space.
    pub module_offset: Option<FileAddr>,
    /// Function and line.
    pub code: Arc<Code>,
}

/// A variable with its value in a frame.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Its name.
    pub name: Name,
    /// Argument or local.
    pub role: Role,
    /// Its declared type; `None` where DWARF has none.
    pub type_id: Option<TypeId>,
    /// Where it is declared.
    pub decl_line: Option<u32>,
    /// Lexical blocks between the function's own scope (0) and the variable.
    pub scope_depth: usize,
    /// How the value was found.
    pub provenance: Provenance,
    /// What it held.
    pub value: Value,
}

/// Where files are looked for, from the command line.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// `--exe`.
    pub executable: Option<PathBuf>,
    /// `--sysroot`.
    pub sysroot: Option<PathBuf>,
    /// `--debug-dir`, `/usr/lib/debug` where empty.
    pub debug_directories: Vec<PathBuf>,
    /// `--debuginfod` (true), `--no-debuginfod` (false); `None`: where DEBUGINFOD_URLS is set.
    pub debuginfod: Option<bool>,
    /// `--allow-mismatch`.
    pub allow_mismatch: bool,
    /// Files that the core does not name, each with the address of its .text (`add-symbol-file`).
    pub added: Vec<(PathBuf, RunAddr)>,
}

/// Why a target could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Said by the reader of the target.
    #[error(transparent)]
    Image(#[from] crate::image::ImageError),
    /// A file that the core does not name.
    #[error(transparent)]
    Added(#[from] crate::module::ModuleError),
    /// The same, where it cannot be placed.
    #[error("{0}: it has no .text section, so no address places it")]
    Placeless(PathBuf),
}

/// A thread's stack, machine frames and the frames that people count.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The machine frames and why they end.
    pub stack: Stack,
    /// Frames with the inlined ones, innermost first.
    pub frames: Vec<Frame>,
}

/// A variable or function outside of frames.
#[derive(Clone, Debug)]
pub struct Global {
    /// Qualified name (`ns::count`).
    pub name: String,
    /// The file of its unit (`src/table.c`).
    pub unit_file: Option<String>,
    /// Its type.
    pub type_id: TypeId,
    /// Where it is.
    pub place: Result<Place, Absent>,
}

/// An opened target.
pub struct Session {
    /// The core.
    pub image: Image,
    /// All types seen so far.
    pub types: TypeTable,
    /// The modules and their debug information.
    pub program: Arc<Program>,
    memory: Arc<ProcessMemory>,
    code_map: ExecutableCode,
    unwind_cache: Arc<UnwindCache>,
    debuginfod: Option<Arc<Client>>,
    notes: Vec<Note>,
    symbols: RwLock<HashMap<u64, Option<Arc<str>>, AddressHash>>,
    /// Types that Rust's vtables and descriptions of Go's runtime are about, by address.
    described: RwLock<HashMap<u64, Option<TypeId>>>,
    named_types: RwLock<HashMap<Box<str>, Option<TypeId>>>,
    go: GoCache,
    user_formatters: Formatters,
    /// The version of glibc.
    c_library: OnceLock<Option<(u32, u32)>>,
    /// Variables outside of functions, by address.
    globals: RwLock<HashMap<u64, Option<Global>, AddressHash>>,
    /// Static members of classes, by their declarations.
    statics: RwLock<HashMap<DieRef, statics::Found>>,
    /// Their entries.
    global_entries: RwLock<Vec<DieRef>>,
    /// What the symbol tables name, for completion.
    symbol_names: OnceLock<Vec<(String, bool)>>,
    /// Source files of all modules.
    source_files: OnceLock<Vec<String>>,
    /// The stack that was asked for last: (LWP, limit of frames, stack).
    last_trace: Mutex<Option<(u32, usize, Arc<Trace>)>>,
}

impl Session {
    /// Opens a core.
    pub fn open(target: &Path, options: &OpenOptions) -> Result<Session, SessionError> {
        Session::of_image(Image::open(target)?, target, options)
    }

    /// Over an image that is opened already.
    pub fn of_image(image: Image, target: &Path, options: &OpenOptions) -> Result<Session, SessionError> {
        let (mut seeds, mut notes) = crate::image::modules::discover(&image, options.executable.as_deref());
        for (path, text) in &options.added {
            let seed = added_seed(path, *text)?;
            // What the user says of these addresses is in place of what the core says.
            seeds.retain(|other| other.end <= seed.start || seed.end <= other.start);
            seeds.push(seed);
        }
        notes.splice(0..0, image.notes.iter().cloned());
        let debuginfod = Client::from_environment(options.debuginfod).unwrap_or_else(|error| {
            notes.push(Note { code: "debuginfod", message: error.to_string() });
            None
        });
        let debuginfod = debuginfod.map(Arc::new);
        let snapshot = image.snapshot.clone();
        let search = SearchOptions { snapshot, ..search_options(options, &image, target, debuginfod.clone()) };
        let modules = ModuleMap::new(seeds, search, &image.memory);
        let program = Arc::new(Program::new(modules));
        if let Some(snapshot) = image.snapshot.clone().filter(|snapshot| snapshot.is_large()) {
            let program = program.clone();
            let _ = std::thread::Builder::new().spawn(move || {
                program.read_ahead();
                snapshot.sources();
            });
        }
        let memory = Arc::new(ProcessMemory::new(&image, program.clone()));
        let code_map = ExecutableCode::new(program.clone(), &image.mappings);
        let types = TypeTable::new(Arc::new(DwarfTypes::new(program.clone())));
        Ok(Session {
            image,
            types,
            program,
            memory,
            code_map,
            unwind_cache: Arc::default(),
            debuginfod,
            notes,
            symbols: RwLock::default(),
            described: RwLock::default(),
            named_types: RwLock::default(),
            go: GoCache::default(),
            user_formatters: Formatters::default(),
            c_library: OnceLock::new(),
            globals: RwLock::default(),
            statics: RwLock::default(),
            global_entries: RwLock::default(),
            symbol_names: OnceLock::new(),
            source_files: OnceLock::new(),
            last_trace: Mutex::default(),
        })
    }

    /// The target's memory: the core's, and behind it what the modules' own files say of bytes not saved.
    pub fn memory(&self) -> &dyn Memory {
        &*self.memory
    }

    /// From now on remembers which bytes of the target answers are made from, and which symbols.
    pub fn record(&self) -> &record::ReadSet {
        for module in self.program.modules.iter() {
            module.record_symbols();
        }
        self.memory.record()
    }

    /// From now on remembers, too, what for.
    pub fn record_roles(&self) {
        self.memory.record_roles();
    }

    /// What was read for that, where it was remembered.
    pub fn noted(&self, role: ReadAs) -> Option<&record::ReadSet> {
        self.memory.role(role)
    }

    /// Rust's vtables and descriptions of Go's runtime that said what a value is.
    pub fn described_addresses(&self) -> Vec<RunAddr> {
        let described = self.described.read().expect("not poisoned");
        described.iter().filter(|(_, found)| found.is_some()).map(|(address, _)| RunAddr(*address)).collect()
    }

    /// The servers that may be asked for files, where they may.
    pub fn debuginfod(&self) -> Option<&Arc<Client>> {
        self.debuginfod.as_ref()
    }

    /// Gives pages of the core that were read back to the system.
    pub fn release_memory(&self) {
        self.image.memory.release();
    }

    /// What was odd or missing so far; grows as files are looked for.
    pub fn notes(&self) -> Vec<Note> {
        let mut notes = self.notes.clone();
        notes.extend_from_slice(self.user_formatters.notes());
        for module in self.program.modules.iter() {
            notes.extend(module.notes());
            if !module.was_searched() || module.seed.is_vdso || module.file().is_some() {
                continue;
            }
            let id = module.build_id().map(crate::module::find::hex);
            let id = id.map_or_else(|| "no build-id in the core".to_owned(), |id| format!("build-id {id}"));
            let message = match module.search().mismatched().next() {
                Some(_) => continue,
                None => format!("{}: the file was not found ({id}); see obit modules", module.seed.path),
            };
            notes.push(Note { code: "missing-file", message });
        }
        let mut seen = std::collections::HashSet::new();
        notes.retain(|note| seen.insert(note.message.clone()));
        notes
    }

    /// A thread's frames, at most `limit` machine frames of them (the outermost are kept).
    pub fn trace(&self, thread: &ThreadState, limit: usize) -> Trace {
        let mut stack = self.unwinder().unwind(&thread.registers, limit);
        self.join_go_stacks(thread, &mut stack, limit);
        self.correct_go_panics(&mut stack);
        self.resolve(stack)
    }

    /// The same; the stack that was asked for last is not walked again, and may be longer than `limit`.
    pub fn kept_trace(&self, thread: &ThreadState, limit: usize) -> Arc<Trace> {
        let mut last = self.last_trace.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((lwp, kept, trace)) = &*last
            && *lwp == thread.lwp
        {
            // Where frames were left out, those before are the same in a shorter walk.
            let has_all = trace.stack.omitted_at.is_none_or(|at| at >= limit);
            let goes_so_far = *kept >= limit || trace.stack.end != StackEnd::Limit;
            if *kept == limit || has_all && goes_so_far {
                return trace.clone();
            }
        }
        let trace = Arc::new(self.trace(thread, limit));
        // A walk that Ctrl-C ended is no whole one.
        if !crate::interrupt::requested() {
            *last = Some((thread.lwp, limit, trace.clone()));
        }
        trace
    }

    /// Go's signal handler makes the faulting instruction look as if it had called `runtime.sigpanic`: the address in
    /// the frame below is that instruction's own (runtime/signal_amd64.go, preparePanic, Go 1.19).
    fn correct_go_panics(&self, stack: &mut Stack) {
        for index in 1..stack.frames.len() {
            let callee = stack.frames[index - 1].lookup;
            let Some(module) = self.program.modules.at(callee).filter(|module| module.is_go()) else { continue };
            let symbol = module.symbols().lookup(module.to_file(callee));
            if symbol.is_some_and(|symbol| symbol.name == b"runtime.sigpanic") {
                stack.frames[index].lookup = stack.frames[index].pc;
            }
        }
    }

    /// Names the functions of a stack, inlined ones too.
    fn resolve(&self, mut stack: Stack) -> Trace {
        if self.ends_at_entry(&stack) {
            stack.end = StackEnd::Complete;
        }
        // Deep recursion repeats a few addresses: each is looked up once.
        let mut addresses: Vec<RunAddr> = stack.frames.iter().map(|frame| frame.lookup).collect();
        addresses.sort_unstable();
        addresses.dedup();
        self.program.prefetch(&addresses);
        let mut known: HashMap<RunAddr, Arc<CodeInfo>> = HashMap::with_capacity(addresses.len());
        let mut replaced: HashMap<(RunAddr, RunAddr), Vec<Arc<TailCall>>> = HashMap::new();
        let mut frames = Vec::with_capacity(stack.frames.len());
        for (machine, frame) in stack.frames.iter().enumerate() {
            let info = known.entry(frame.lookup).or_insert_with(|| self.program.code(frame.lookup)).clone();
            let innermost_is_inlined = info.levels.len() > 1;
            for (level, Level { code, .. }) in info.levels.iter().enumerate() {
                let outermost = level + 1 == info.levels.len();
                frames.push(Frame {
                    index: frames.len(),
                    machine,
                    pc: frame.pc,
                    inlined: innermost_is_inlined && !outermost,
                    tail_call: None,
                    lookup: frame.lookup,
                    level,
                    signal: frame.signal,
                    trust: if outermost { frame.trust } else { Trust::Inline },
                    module: info.module,
                    module_offset: info.module.map(|module| frame.pc.to_file(self.program.bias(module))),
                    code: code.clone(),
                });
            }
            let Some(caller) = stack.frames.get(machine + 1) else { continue };
            if frame.signal || caller.signal || stack.omitted_at == Some(machine + 1) {
                continue;
            }
            let between = replaced.entry((frame.lookup, caller.pc)).or_insert_with(|| {
                let context = self.machine_context(&stack.frames, machine);
                recover::tail_calls(&context).into_iter().map(Arc::new).collect()
            });
            for tail_call in between {
                self.add_replaced(machine, tail_call, &mut frames);
            }
        }
        Trace { stack, frames }
    }

    /// Adds the frames of a function whose machine frame a tail call replaced.
    fn add_replaced(&self, machine: usize, tail_call: &Arc<TailCall>, frames: &mut Vec<Frame>) {
        let module = tail_call.function().die.module;
        let bias = self.program.bias(module);
        let lookup = tail_call.lookup.to_run(bias);
        let info = self.program.code(lookup);
        for (level, Level { code, .. }) in info.levels.iter().enumerate() {
            let outermost = level + 1 == info.levels.len();
            frames.push(Frame {
                index: frames.len(),
                machine,
                pc: tail_call.pc.to_run(bias),
                inlined: !outermost,
                tail_call: Some(tail_call.clone()),
                lookup,
                level,
                signal: false,
                trust: if outermost { Trust::Cfi } else { Trust::Inline },
                module: Some(module),
                module_offset: Some(tail_call.pc),
                code: code.clone(),
            });
        }
    }

    fn machine_context<'a>(&'a self, frames: &'a [MachineFrame], machine: usize) -> Context<'a> {
        Context::in_frame(&self.program, &*self.memory, self.image.arch, frames, machine)
    }

    /// Evaluation in a frame.
    pub fn context<'a>(&'a self, trace: &'a Trace, frame: usize) -> Context<'a> {
        let machine_frames = &trace.stack.frames;
        match trace.frames.get(frame) {
            Some(Frame { machine, tail_call: Some(tail_call), .. }) => {
                let (program, memory) = (&self.program, &*self.memory);
                Context::in_tail_call(program, memory, self.image.arch, machine_frames, *machine, tail_call)
            }
            frame => self.machine_context(machine_frames, frame.map_or(usize::MAX, |frame| frame.machine)),
        }
    }

    fn decoder<'a>(&'a self, context: &'a Context<'a>, limits: &Limits) -> Decoder<'a> {
        Decoder {
            types: &self.types,
            memory: &*self.memory,
            arch: self.image.arch,
            limits: *limits,
            symbols: Some(self),
            evaluate: Some(context),
            user: self.users_formatters().filter(|_| !limits.raw),
            raw: limits.raw,
        }
    }

    /// What is at `place`, as `type_id`. Never fails: holes are in the value. `frame` is where dynamic array bounds
    /// are evaluated.
    pub fn value(&self, place: &Place, type_id: TypeId, frame: Option<(&Trace, usize)>, limits: &Limits) -> Value {
        let arch = self.image.arch;
        let context = match frame {
            Some((trace, frame)) => self.context(trace, frame),
            None => Context::without_frame(&self.program, &*self.memory, arch),
        };
        self.decoder(&context, limits).value(place, type_id)
    }

    /// What is at a code address, innermost inlined function first.
    pub fn code(&self, address: RunAddr) -> Vec<Arc<Code>> {
        self.program.code(address).levels.iter().map(|level| level.code.clone()).collect()
    }
}

/// A file at a place that the user names: the address of its .text.
fn added_seed(path: &Path, text: RunAddr) -> Result<ModuleSeed, SessionError> {
    let file = ElfFile::open(path)?;
    let linked = file.section_address(".text").ok_or_else(|| SessionError::Placeless(path.to_owned()))?;
    let bias = Bias(text.0.wrapping_sub(linked.0));
    let loads = file.loads().iter().filter(|load| load.memory_size > 0);
    let mut mapped: Vec<(RunAddr, RunAddr, u64)> = loads
        .map(|load| {
            let start = load.address.to_run(bias);
            (start, RunAddr(start.0.saturating_add(load.memory_size)), load.offset)
        })
        .collect();
    mapped.order();
    // Objects that were linked by something else than a linker have sections alone.
    let start = mapped.first().map_or(text, |(start, ..)| *start);
    let end = mapped.iter().map(|(_, end, _)| *end).max();
    Ok(ModuleSeed {
        path: path.display().to_string(),
        build_id: file.build_id().map(<[u8]>::to_vec),
        bias,
        start,
        end: end.unwrap_or(text),
        mapped,
        is_executable: false,
        is_vdso: false,
        id_is_partial: false,
        deleted: false,
    })
}

fn search_options(
    options: &OpenOptions,
    image: &Image,
    target: &Path,
    debuginfod: Option<Arc<Client>>,
) -> SearchOptions {
    let process = image.origin.pid().map(ProcessFiles::of);
    SearchOptions {
        executable: options.executable.clone(),
        sysroot: options.sysroot.clone(),
        debug_directories: options.debug_directories.clone(),
        allow_mismatch: options.allow_mismatch,
        core_directory: target.parent().filter(|_| process.is_none()).map(Path::to_owned),
        process,
        debuginfod,
        snapshot: None,
    }
}
