//! The page of `obit export --html`: what is asked of a session for it.

use super::{CommandError, bt};
use crate::analyze::Class;
use crate::image::snapshot::format::ENVIRONMENT;
use crate::report::bt_text::{base_name, display_name};
use crate::report::page::{Page, Stack};
use crate::report::signal_text;
use crate::report::source::Sources;
use crate::session::{Session, Trace};
use crate::value::Limits;

/// Frames of a thread.
const FRAMES: usize = 1024;

/// The page of a session whose target is a snapshot. `name` is the target as it was given.
pub fn page(session: &Session, sources: &Sources, name: &str) -> Result<String, CommandError> {
    let image = &session.image;
    let limits = Limits { follow: true, statics: false, ..Limits::default() };
    let variables = |trace: &Trace, frame: usize| session.variables(trace, frame, &limits);
    let module = |id| session.module_label(id);
    let (first, rest) = match image.threads.split_first() {
        Some((first, rest)) => (Some(first), rest.iter().collect::<Vec<_>>()),
        None => (None, Vec::new()),
    };
    let first =
        first.map(|thread| Stack { threads: vec![thread], trace: session.trace(thread, FRAMES), in_full: true });
    let groups = bt::grouped_by_stack(session, &rest, FRAMES)?;
    let others = groups.into_iter().map(|group| Stack { threads: group.threads, trace: group.trace, in_full: false });
    let verdict = verdict(session, first.as_ref().map(|stack| &stack.trace));
    let registers = image.threads.first().map(|thread| registers(&thread.registers)).unwrap_or_default();
    let process = &image.process;
    let program = process.executable.as_deref().or(process.name.as_deref()).unwrap_or("a program without a name");
    let (facts, environment) = surroundings(session, name);
    let stacks = first.into_iter().chain(others).collect();
    let page = Page {
        program: base_name(program).to_owned(),
        verdict,
        facts,
        stacks,
        registers,
        modules: session.modules(),
        environment,
        notes: session.notes(),
        types: &session.types,
        module: &module,
        variables: &variables,
        sources,
    };
    Ok(page.render())
}

/// What happened, in a line: the signal, and the first function with a source file.
fn verdict(session: &Session, trace: Option<&Trace>) -> Option<String> {
    let signal = session.image.signal.as_ref()?;
    let kept = session.image.snapshot.as_ref().and_then(|snapshot| snapshot.header.verdict.clone());
    if let Some(kept) = kept.filter(|kept| kept.class != Class::Unknown.code()) {
        return Some(kept.summary);
    }
    let mut text = signal_text::describe(signal);
    let with_source = |trace: &Trace| {
        let found = trace.frames.iter().position(|frame| frame.code.file.is_some() && frame.code.function.is_some());
        found.or((!trace.frames.is_empty()).then_some(0))
    };
    if let Some((trace, position)) = trace.and_then(|trace| Some((trace, with_source(trace)?))) {
        let code = &trace.frames[position].code;
        if let Some(function) = &code.function {
            text += &format!(", in {}", display_name(function, code));
        }
        if let Some(file) = &code.file {
            text += &format!(" at {}", base_name(file));
            text += &code.line.map(|line| format!(":{line}")).unwrap_or_default();
        }
    }
    Some(text)
}

fn registers(registers: &crate::arch::Registers) -> Vec<(String, String)> {
    let general = registers.arch().general_registers().iter();
    let mut rows: Vec<(String, String)> = general
        .filter_map(|register| Some((register.name.to_owned(), format!("{:#x}", registers.get(register.dwarf)?))))
        .collect();
    if let Some(vectors) = &registers.vectors {
        let hex = crate::report::documents::hex_value;
        rows.extend(vectors.special.iter().map(|(name, bytes)| ((*name).to_owned(), hex(bytes))));
    }
    rows
}

/// Facts for the page's head, and the environment as the snapshot has it.
#[allow(clippy::type_complexity)]
fn surroundings(session: &Session, name: &str) -> (Vec<(&'static str, String)>, Vec<(String, Option<String>)>) {
    let image = &session.image;
    let process = &image.process;
    let mut facts = vec![("target", name.to_owned())];
    let mut fact = |name: &'static str, text: Option<String>| facts.extend(text.map(|text| (name, text)));
    fact("command", process.command.clone());
    fact("executable", process.executable.clone());
    fact("process", process.pid.map(|pid| pid.to_string()));
    fact("user", process.uid.map(|uid| uid.to_string()));
    fact("architecture", Some(image.arch.name().to_owned()));
    fact("signal", image.signal.as_ref().map(signal_text::describe));
    fact("threads", Some(image.threads.len().to_string()));
    let Some(snapshot) = &image.snapshot else { return (facts, Vec::new()) };
    fact("taken", Some(snapshot.header.created.clone()));
    fact("taken of", Some(snapshot.header.capture.source.clone()));
    facts.extend(
        // Whoever took it named these, as `version=1.4`.
        snapshot.header.attributes.iter().map(|(key, value)| ("attribute", format!("{key}={value}"))),
    );
    let kept: serde_json::Value = snapshot.json(ENVIRONMENT).unwrap_or_default();
    let variables = kept["variables"].as_array().cloned().unwrap_or_default();
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let environment = variables.iter().filter_map(|one| Some((text(&one["name"])?, text(&one["value"])))).collect();
    (facts, environment)
}
