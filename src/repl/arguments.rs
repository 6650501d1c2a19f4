//! What the frames' lines of a session show of arguments: their values, those at the function's entry, or both (gdb's
//! `set print entry-values`), formatted or not (`set print raw-frame-arguments`).

use super::settings::said;
use crate::command::Settings;
use crate::session::{Role, Session, Trace, Variable};
use crate::value::{Limits, Provenance, Value, ValueKind};

/// A frame's variables as the settings want its arguments.
pub(super) fn variables(
    session: &Session,
    settings: &Settings,
    trace: &Trace,
    frame: usize,
    limits: &Limits,
) -> Vec<Variable> {
    let mut variables = session.variables(trace, frame, limits);
    let raw = !limits.raw && said(settings, "print raw-frame-arguments") == "on";
    let limits = Limits { raw: limits.raw || raw, ..*limits };
    if raw {
        let plain = session.variables(trace, frame, &limits);
        for (variable, plain) in variables.iter_mut().zip(plain) {
            if variable.role == Role::Argument {
                *variable = plain;
            }
        }
    }
    let wanted = said(settings, "print entry-values");
    if !matches!(wanted, "no" | "if-needed" | "only" | "preferred" | "both") {
        return variables;
    }
    let mut shown = Vec::with_capacity(variables.len());
    for variable in variables {
        if variable.role != Role::Argument {
            shown.push(variable);
            continue;
        }
        // A value that is taken from the entry is there because the argument never changes.
        let provenance = match variable.provenance {
            Provenance::EntryValue => Provenance::Location,
            other => other,
        };
        let actual = Variable { provenance, ..variable };
        if matches!(wanted, "no" | "if-needed") {
            shown.push(actual);
            continue;
        }
        let at_entry = at_entry(session, trace, frame, &actual, &limits);
        let is_known = !matches!(at_entry.value.kind, ValueKind::Absent(_));
        match wanted {
            "both" => shown.extend([actual, at_entry]),
            "preferred" if !is_known => shown.push(actual),
            _ => shown.push(at_entry),
        }
    }
    shown
}

/// `n@entry`
fn at_entry(session: &Session, trace: &Trace, frame: usize, argument: &Variable, limits: &Limits) -> Variable {
    let value = match session.value_at_entry(trace, frame, &argument.name) {
        Some((Ok(place), type_id)) => session.value(&place, type_id, Some((trace, frame)), limits),
        Some((Err(absent), type_id)) => Value { type_id, kind: ValueKind::Absent(absent) },
        None => argument.value.clone(),
    };
    Variable { name: format!("{}@entry", argument.name).into(), value, ..argument.clone() }
}
