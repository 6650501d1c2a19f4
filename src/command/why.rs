//! `obit why`: where a value comes from.

use super::selected::{Selected, select};
use super::{CommandError, FrameArgs, Output, State, common};
use crate::addr::RunAddr;
use crate::analyze::code::{Sum, Term, Tracer};
use crate::analyze::names::{Named, Pointer};
use crate::analyze::{Blame, Case, origin};
use crate::expr::{Evaluated, Variables, evaluate};
use crate::memory::Memory;
use crate::report::analysis;
use crate::report::value_text;
use crate::unwind::Trust;
use crate::value::{Limits, Place, Provenance, ValueKind};

/// Arguments of `why`.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// An expression
    #[arg(value_name = "EXPR", allow_hyphen_values = true)]
    expression: String,
    #[command(flatten)]
    frame: FrameArgs,
}

/// Answers `why`.
pub fn run(args: &Args, state: &mut State, output: &mut Output<'_>) -> Result<(), CommandError> {
    let mut variables = std::mem::take(&mut state.variables);
    let answer = answer(args, state, &mut variables, output);
    state.variables = variables;
    answer
}

fn answer(args: &Args, state: &State, variables: &mut Variables, output: &mut Output<'_>) -> Result<(), CommandError> {
    let selected = select(state, &args.frame)?;
    let evaluated = evaluate(&selected, &args.expression, variables)?;
    let limits = Limits { depth: 1, items: 4, string: 64, follow: false, ..Limits::default() };
    let value = super::print::read(&selected, &evaluated, &limits);
    let text = value_text::printed_with(&selected.session.types, &value, &state.settings.print);
    let mut sources = Vec::new();
    if let ValueKind::Absent(absent) = &value.kind {
        let detail = absent.detail.clone().unwrap_or_else(|| absent.why.code().to_owned());
        sources.push(("missing", detail));
    }
    provenance(&selected, &args.expression, &mut sources);
    match &evaluated.place {
        Ok(Place::Memory(address)) => memory(&selected, *address, &mut sources),
        Ok(Place::Bytes(bytes)) => match bytes.register {
            Some(register) => register_source(&selected, register, &mut sources),
            None => {
                sources.push(("computed", "from constants, registers or pieces: it is nowhere as a whole".to_owned()))
            }
        },
        Err(_) => {}
    }
    if let Some(origin) = came_from(&selected, &args.expression, &evaluated) {
        sources.push(("origin", origin));
    }
    let notes = state.session.notes();
    if state.json {
        return common::write_document(output, analysis::why_json(&args.expression, &text, &sources, &notes));
    }
    writeln!(output.out, "{} = {text}", args.expression)?;
    let width = sources.iter().map(|(what, _)| what.len()).max().unwrap_or(0);
    for (what, detail) in &sources {
        writeln!(output.out, "  {what:width$}  {detail}")?;
    }
    common::write_notes(output, &notes)
}

/// How a variable's place was found.
fn provenance(selected: &Selected<'_>, name: &str, sources: &mut Vec<(&'static str, String)>) {
    let Some((trace, frame)) = selected.in_frame() else { return };
    let flat = Limits { depth: 0, items: 0, string: 0, follow: false, raw: true, objects: true, statics: false };
    let variables = selected.session.variables(trace, frame, &flat);
    let Some(variable) = variables.iter().find(|variable| *variable.name == *name) else { return };
    let said = match variable.provenance {
        Provenance::Location => "the compiler's own location for it",
        Provenance::EntryValue => "its value when the function was entered, as the caller's call site gives it",
        Provenance::Inferred => "derived: its location is gone, and its value follows from others",
    };
    sources.push(("found by", said.to_owned()));
}

/// What holds the memory at an address.
fn memory(selected: &Selected<'_>, address: RunAddr, sources: &mut Vec<(&'static str, String)>) {
    let session = selected.session;
    let holder = match (session.image.memory.piece(address, 1), session.memory().piece(address, 1)) {
        (Ok(_), _) if session.image.snapshot.is_some() => "the snapshot".to_owned(),
        (Ok(_), _) if session.image.is_alive() => "the process, as it was copied".to_owned(),
        (Ok(_), _) => "the core".to_owned(),
        (Err(_), Ok(_)) => match session.program.modules.at(address) {
            Some(module) => format!("the file {}: the core does not have the page", module.seed.path),
            None => "a file".to_owned(),
        },
        (Err(_), Err(error)) => error.to_string(),
    };
    sources.push(("memory", format!("{address}, from {holder}")));
    if let Some(mapping) = session.image.mapping_at(address) {
        let file = mapping.file.as_ref().map(|(path, _)| format!(" {path}")).unwrap_or_default();
        let permissions = crate::report::documents::permissions(mapping.flags);
        sources.push(("mapping", format!("{}-{} {permissions}{file}", mapping.start, mapping.end)));
    }
    if let Some((name, distance)) = session.symbol(address) {
        let distance = if distance == 0 { String::new() } else { format!("+{distance}") };
        sources.push(("symbol", format!("{name}{distance}")));
    }
}

/// How a frame's register was had.
fn register_source(selected: &Selected<'_>, register: u16, sources: &mut Vec<(&'static str, String)>) {
    let Some(registers) = selected.registers() else { return };
    let names = registers.arch().general_registers();
    let name = names.iter().find(|known| known.dwarf == register).map_or("a wide register", |known| known.name);
    let trust =
        selected.frame().and_then(|frame| selected.trace.stack.frames.get(frame.machine)).map(|frame| frame.trust);
    let how = match trust {
        Some(Trust::Context) => "as the thread had it",
        Some(Trust::Cfi) => "restored by call frame information",
        Some(Trust::FramePointer) => "restored along the frame pointers",
        Some(Trust::Scan) => "of a frame that was found by a scan of the stack",
        Some(Trust::Inline | Trust::Runtime) | None => "of the frame",
    };
    sources.push(("register", format!("{name}, {how}")));
}

/// The call, constant or caller that a pointer variable came from.
fn came_from(selected: &Selected<'_>, name: &str, evaluated: &Evaluated) -> Option<String> {
    let machine = selected.frame()?.machine;
    let case = Case::new(selected.session, selected.thread, Blame::usual());
    let tracer = Tracer::new(&case, machine)?;
    let (trace, frame) = selected.in_frame()?;
    let variables = selected.session.variable_places(trace, frame);
    let variable = variables.iter().find(|variable| *variable.name == *name)?;
    let place = evaluated.place.as_ref().ok()?;
    let term = match place {
        Place::Memory(address) => {
            let address = Box::new(Sum { constant: address.0 as i64, terms: Vec::new() });
            let size = u8::try_from(variable.size?).ok().filter(|size| *size <= 8)?;
            Term::Load { address, size, signed: false }
        }
        Place::Bytes(_) => Term::Variable(variable.name.clone(), variable.role, variable.type_id),
    };
    let named = Named { text: name.to_owned(), type_id: Some(variable.type_id) };
    let value = crate::analyze::names::integer(&case, place, variable.type_id);
    Some(origin::of(&tracer, &Pointer { named, term, value })?.text)
}
