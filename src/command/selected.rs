//! The thread and frame that a question is about.

use std::sync::Arc;

use super::{CommandError, FrameArgs, Selection, State};
use crate::addr::RunAddr;
use crate::arch::{Arch, Registers};
use crate::expr::{Named, Scope};
use crate::image::ThreadState;
use crate::memory::Memory;
use crate::module::Expression;
use crate::order::Order;
use crate::runtime::go::GoRuntime;
use crate::session::{Frame, Global, Session, Trace};
use crate::types::{Language, TypeId, TypeKind, TypeTable};
use crate::value::decode::Symbols;
use crate::value::formatters::user::UserFormatters;
use crate::value::{Absent, AbsentReason};

/// Frames traced beyond the selected one, so that entry values can be found in its callers.
const CALLERS: usize = 64;

/// A selected frame with its stack.
pub struct Selected<'a> {
    /// The target.
    pub session: &'a Session,
    /// The thread.
    pub thread: &'a ThreadState,
    /// The goroutine, where the stack is that of one.
    pub goroutine: Option<u64>,
    /// Its stack, as far as it is needed.
    pub trace: Arc<Trace>,
    /// Index in `trace.frames`; `None` where the thread has no frame at all.
    pub position: Option<usize>,
    /// See [`Scope::shows_whole_objects`].
    pub whole_objects: bool,
    /// The language of expressions, where it is not the frame's.
    pub language: Option<Language>,
}

/// The thread with that LWP.
pub fn find_thread(session: &Session, lwp: u32) -> Result<&ThreadState, CommandError> {
    session.image.threads.iter().find(|thread| thread.lwp == lwp).ok_or_else(|| {
        let known: Vec<u32> = session.image.threads.iter().map(|thread| thread.lwp).collect();
        let ranges = crate::report::bt_text::id_ranges(&known);
        CommandError::NoMatch(format!("--thread {lwp}: no such thread; the core has {ranges}"))
    })
}

/// Finds the frame that the options name, else the selected one, else the crashed (first) thread's innermost.
pub fn select<'a>(state: &'a State, args: &FrameArgs) -> Result<Selected<'a>, CommandError> {
    let found = find(&state.session, state.selection(args))?;
    let language = state.settings.language;
    Ok(Selected { whole_objects: state.settings.limits.objects, language, ..found })
}

/// Finds the frame.
pub fn find(session: &Session, selection: Selection) -> Result<Selected<'_>, CommandError> {
    let thread = match selection.thread {
        Some(lwp) => find_thread(session, lwp)?,
        None => session.image.threads.first().ok_or_else(|| {
            CommandError::NoMatch(format!("{}: the core holds no thread", session.image.path.display()))
        })?,
    };
    let wanted = selection.frame;
    let limit = wanted.saturating_add(CALLERS);
    let trace = match selection.goroutine {
        Some(id) => goroutine(session, id, limit)?.1,
        None => session.kept_trace(thread, limit),
    };
    let position = trace.frames.binary_search_by_key(&wanted, |frame| frame.index).ok();
    // Globals, types and memory can be looked at without any frame.
    if position.is_none() && (wanted > 0 || !trace.frames.is_empty()) {
        let count = trace.frames.len();
        let what = match selection.goroutine {
            Some(id) => format!("goroutine {id}"),
            None => format!("thread {}", thread.lwp),
        };
        return Err(CommandError::NoMatch(format!("--frame {wanted}: {what} has {count} frames")));
    }
    Ok(Selected {
        session,
        thread,
        goroutine: selection.goroutine,
        trace,
        position,
        whole_objects: true,
        language: None,
    })
}

/// The thread that a goroutine is on, if any, and its stack.
pub fn goroutine(session: &Session, id: u64, limit: usize) -> Result<(Option<u32>, Arc<Trace>), CommandError> {
    let runtime = GoRuntime::open(session)?;
    let found = runtime.goroutine_numbered(id);
    let found = found.ok_or_else(|| CommandError::NoMatch(format!("There is no goroutine {id}.")))?;
    Ok((found.lwp, Arc::new(runtime.trace(&found, limit))))
}

impl Selected<'_> {
    /// The frame.
    pub fn frame(&self) -> Option<&Frame> {
        self.trace.frames.get(self.position?)
    }

    /// The stack and the frame's position in it, for values that depend on the frame.
    pub fn in_frame(&self) -> Option<(&Trace, usize)> {
        Some((&self.trace, self.position?))
    }

    /// The frame's registers.
    pub fn registers(&self) -> Option<&Registers> {
        let machine = self.frame()?.machine;
        Some(&self.trace.stack.frames.get(machine)?.registers)
    }
}

impl Selected<'_> {
    /// Whether it is a function that is defined in a type.
    fn is_method(&self, global: &Global) -> bool {
        let types = &self.session.types;
        let parts = crate::module::names::components(&global.name);
        let is_function = || matches!(types.get(global.type_id).kind, TypeKind::Function { .. });
        match parts.split_last() {
            Some((_, class)) if !class.is_empty() && is_function() => {
                self.session.find_type(&class.join("::")).is_some()
            }
            _ => false,
        }
    }
}

/// What an expression sees in the selected frame.
impl Scope for Selected<'_> {
    fn types(&self) -> &TypeTable {
        &self.session.types
    }

    fn arch(&self) -> Arch {
        self.session.image.arch
    }

    fn memory(&self) -> &dyn Memory {
        self.session.memory()
    }

    fn shows_whole_objects(&self) -> bool {
        self.whole_objects
    }

    fn language(&self) -> Option<Language> {
        self.language.or_else(|| self.frame()?.code.language)
    }

    fn variable(&self, name: &str) -> Option<Named> {
        self.session.find_variable(&self.trace, self.position?, name)
    }

    fn variable_of(&self, function: &str, name: &str) -> Option<Named> {
        let is_it = |frame: &Frame| {
            let plain = frame.code.function.as_deref().map(crate::demangle::without_parameters);
            plain.is_some_and(|plain| {
                plain == function || plain.strip_suffix(function).is_some_and(|scope| scope.ends_with("::"))
            })
        };
        let outwards = self.trace.frames.iter().enumerate().skip(self.position?);
        let (position, _) = outwards.into_iter().find(|(_, frame)| is_it(frame))?;
        self.session.find_variable(&self.trace, position, name)
    }

    fn globals(&self, name: &str, file: Option<&str>) -> Vec<Named> {
        let mut found = self.session.find_globals(name, file, Some(self.thread));
        // The one of just that name comes before those of that name in some namespace; `::x` is that one alone.
        let plain = name.trim_start_matches("::");
        if plain.len() < name.len() && (!plain.contains("::") || found.iter().any(|global| global.name == plain)) {
            found.retain(|global| global.name == plain);
        }
        // A method is known within its class, or with it.
        if file.is_none() && !name.contains("::") {
            found.retain(|global| global.name == plain || !self.is_method(global));
        }
        found.order_by_key(|global| global.name != plain);
        found.into_iter().map(|global| (global.place, global.type_id)).collect()
    }

    fn find_type(&self, name: &str) -> Option<TypeId> {
        // In its own package, a type of Go's goes without it.
        let in_package = || self.session.find_type(&format!("{}.{name}", self.package()?));
        self.session.find_type(name).or_else(in_package)
    }

    fn register(&self, name: &str) -> Option<Result<Vec<u8>, Absent>> {
        let registers = self.registers()?;
        let general = registers.arch().general_registers();
        if let Some(register) = general.iter().find(|register| register.name == name) {
            let why = || Absent::because(AbsentReason::NotSaved, format!("${name} was not saved for this frame"));
            return Some(registers.bytes(register.dwarf).ok_or_else(why));
        }
        if let Some(bytes) = registers.vector_view(name) {
            return Some(Ok(bytes));
        }
        let Some(vectors) = &registers.vectors else {
            let half = name.strip_prefix('v').map(|number| format!("d{number}"))?;
            registers.vector_view(&half)?;
            let why = format!("calls preserve only the lower half of ${name}, which is ${half}");
            return Some(Err(Absent::because(AbsentReason::NotSaved, why)));
        };
        let numbered = vectors.numbered.iter().chain(&vectors.wide).map(|(_, known, bytes)| (known, bytes));
        let named = vectors.special.iter().chain(&vectors.named).map(|(known, bytes)| (known, bytes));
        let mut all = numbered.chain(named);
        all.find(|(known, _)| **known == name).map(|(_, bytes)| Ok(bytes.clone()))
    }

    fn computed(&self, expression: &Expression, object: RunAddr) -> Result<u64, Absent> {
        self.session
            .context(&self.trace, self.position.unwrap_or(usize::MAX))
            .evaluate_expression(expression, Some(object))
    }

    fn names(&self, near: &str) -> Vec<String> {
        let mut names = Vec::new();
        if let Some(position) = self.position {
            let variables = self.session.variable_names(&self.trace, position);
            names.extend(variables.iter().map(|name| name.to_string()));
        }
        names.extend(self.session.names_near(near));
        names
    }

    fn bare_symbol(&self, name: &str) -> Option<(RunAddr, bool)> {
        self.session.find_symbol(name)
    }

    fn enumerator(&self, name: &str) -> Option<(TypeId, i128)> {
        self.session.find_enumerator(name)
    }

    fn namespaces(&self) -> Vec<String> {
        self.position.map(|position| self.session.namespaces(&self.trace, position)).unwrap_or_default()
    }

    fn package(&self) -> Option<String> {
        let frame = self.frame()?;
        let name = frame.code.function.as_deref().filter(|_| frame.code.language == Some(Language::Go))?;
        // `example.org/tool/queue.(*Queue).Pop`; in a path's last part dots are escaped.
        let last = name.rfind('/').map_or(0, |slash| slash + 1);
        let end = last + name.get(last..)?.find('.')?;
        name.get(..end).map(str::to_owned)
    }

    fn element_count(&self, array: TypeId) -> Option<u64> {
        self.session.element_count(&self.trace, self.position?, array)
    }

    fn array_in_memory(&self, array: TypeId, at: RunAddr) -> Option<Result<(RunAddr, TypeId), Absent>> {
        self.session.array_in_memory(&self.trace, self.position?, array, at)
    }

    fn at_entry(&self, name: &str) -> Option<Named> {
        self.session.value_at_entry(&self.trace, self.position?, name)
    }

    fn frame(&self, thread: Option<u64>, frame: Option<u64>) -> Result<Box<dyn Scope + '_>, String> {
        let known = frame.filter(|_| thread.is_none_or(|lwp| lwp == u64::from(self.thread.lwp)));
        let known = known.and_then(|index| self.trace.frames.iter().position(|frame| frame.index as u64 == index));
        if known.is_some() {
            let (session, thread, trace) = (self.session, self.thread, self.trace.clone());
            return Ok(Box::new(Selected {
                session,
                thread,
                goroutine: self.goroutine,
                trace,
                position: known,
                whole_objects: self.whole_objects,
                language: self.language,
            }));
        }
        let selection = Selection {
            thread: Some(match thread {
                Some(lwp) => u32::try_from(lwp).map_err(|_| format!("no thread {lwp}"))?,
                None => self.thread.lwp,
            }),
            goroutine: self.goroutine.filter(|_| thread.is_none()),
            frame: usize::try_from(frame.unwrap_or(0)).unwrap_or(usize::MAX),
        };
        match find(self.session, selection) {
            Ok(selected) => Ok(Box::new(Selected { language: self.language, ..selected })),
            Err(error) => Err(error.to_string().replace("--", "")),
        }
    }

    fn callers(&self) -> Vec<String> {
        let frames = self.trace.frames.get(self.position.unwrap_or(0)..).unwrap_or_default();
        let name = |frame: &Frame| match frame.code.function.as_deref() {
            Some(name) if frame.code.language == Some(Language::Cpp) => {
                let plain = crate::demangle::without_parameters(name);
                crate::demangle::without_result(plain).to_owned()
            }
            name => name.unwrap_or_default().to_owned(),
        };
        frames.iter().map(name).collect()
    }

    fn siginfo(&self) -> Option<Vec<u8>> {
        self.thread.siginfo.as_ref().map(|bytes| bytes.to_vec())
    }

    fn thread_number(&self) -> Option<u32> {
        let threads = &self.session.image.threads;
        let position = threads.iter().position(|thread| thread.lwp == self.thread.lwp)?;
        u32::try_from(position + 1).ok()
    }

    fn symbols(&self) -> Option<&dyn Symbols> {
        Some(self.session)
    }

    fn user_formatters(&self) -> Option<&dyn UserFormatters> {
        self.session.users_formatters()
    }

    fn exit_signal(&self) -> Option<i32> {
        Some(self.session.image.signal.as_ref()?.number)
    }
}
