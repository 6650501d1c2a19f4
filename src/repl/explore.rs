//! `explore EXPR` and `explore TYPE`: from field to field, asking which comes next.
//!
//! Words and steps are gdb's. A field is chosen by its number or name, Return goes back to where it came from, and `q`
//! ends. Where nobody can be asked, one level is shown.

use super::data::evaluate_alone;
use super::{Next, Repl};
use crate::command::selected::{Selected, select};
use crate::command::{CommandError, FrameArgs, print};
use crate::expr::{Evaluated, parts, resolve_type};
use crate::report::value_text;
use crate::types::{StructKind, TypeId, TypeKind};
use crate::value::{Limits, ValueKind};

/// Fields that a level lists.
const MAX_FIELDS: usize = 1000;
/// Types that a type leads to without a question.
const MAX_TARGETS: usize = 64;
/// Levels that Return goes back through.
const MAX_LEVELS: usize = 1000;

/// What is looked at.
#[derive(Clone)]
enum Subject {
    /// A value, and the expression that leads to it.
    Value(String, Evaluated),
    /// The elements that a pointer leads to.
    Elements(String, Evaluated),
    /// A type, and how it was come to.
    Type(String, TypeId),
}

/// What is said of a subject, and where it goes on.
struct Level {
    text: String,
    ways: Ways,
}

/// Where it goes on.
enum Ways {
    Nowhere,
    /// To one of these, by number or name.
    Fields(Vec<(String, Subject)>),
    /// To an element of an array.
    Element(String, Evaluated),
    /// To what a pointer leads to.
    Pointee(String, Evaluated),
}

/// What the reader said.
enum Chosen {
    Down(Subject),
    /// In place of what is looked at.
    Instead(Subject),
    Again,
    Up,
    End,
}

/// `explore [value|type] EXPR|TYPE`
pub(super) fn explore(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let subject = subject(repl, text)?;
    let of_type = matches!(subject, Subject::Type(..));
    let mut subjects = vec![subject];
    while let Some(subject) = subjects.last() {
        let level = level(&select(repl.state, &FrameArgs::default())?, repl, subject, subjects.len() > 1);
        repl.out.write_all(level.text.as_bytes())?;
        if !repl.has_reader || repl.sources > 0 {
            return one_level(repl, &level.ways);
        }
        let chosen = loop {
            match choose(repl, &level.ways, subjects.len() > 1, of_type)? {
                Chosen::Again => {}
                chosen => break chosen,
            }
        };
        match chosen {
            Chosen::Down(next) if subjects.len() < MAX_LEVELS => subjects.push(next),
            Chosen::Down(next) | Chosen::Instead(next) => {
                subjects.pop();
                subjects.push(next);
            }
            Chosen::Up => {
                subjects.pop();
                if !subjects.is_empty() {
                    let parent = if of_type { "enclosing type" } else { "parent value" };
                    writeln!(repl.out, "\nReturning to {parent}...\n")?;
                }
            }
            Chosen::End | Chosen::Again => break,
        }
    }
    Ok(Next::Line)
}

fn subject(repl: &Repl<'_>, text: &str) -> Result<Subject, CommandError> {
    let selected = select(repl.state, &FrameArgs::default())?;
    let of_type = |text: &str| resolve_type(&selected, text).map(|id| Some(Subject::Type(text.to_owned(), id?)));
    let word = |word: &str| text.strip_prefix(word)?.strip_prefix(char::is_whitespace).map(str::trim);
    if text.is_empty() {
        return Err(CommandError::Usage("Error: 'explore' requires an argument.".to_owned()));
    }
    if let Some(name) = word("type") {
        let none = || CommandError::NoMatch(format!("'{name}' is not a type."));
        return of_type(name)?.ok_or_else(none);
    }
    let expression = word("value").unwrap_or(text);
    match evaluate_alone(repl, &selected, expression) {
        Ok(value) => Ok(Subject::Value(expression.to_owned(), value)),
        Err(error) if expression.len() < text.len() => Err(error),
        Err(error) => match of_type(text) {
            Ok(Some(subject)) => Ok(subject),
            _ => Err(error),
        },
    }
}

/// Where nobody is asked.
fn one_level(repl: &mut Repl<'_>, ways: &Ways) -> Result<Next, CommandError> {
    if let Ways::Element(path, value) | Ways::Pointee(path, value) = ways {
        let line = {
            let selected = select(repl.state, &FrameArgs::default())?;
            let value = print::read(&selected, value, &limits(repl));
            let shown = value_text::printed_with(&selected.session.types, &value, &repl.state.settings.print);
            format!("{path} = {shown}")
        };
        writeln!(repl.out, "{line}")?;
    }
    if !matches!(ways, Ways::Nowhere) {
        writeln!(repl.out, "(On a terminal explore asks what to look at next; here it shows one level.)")?;
    }
    Ok(Next::Line)
}

fn level(selected: &Selected<'_>, repl: &Repl<'_>, subject: &Subject, is_child: bool) -> Level {
    match subject {
        Subject::Value(path, value) => value_level(selected, repl, path, value),
        Subject::Elements(path, pointer) => {
            Level { text: String::new(), ways: Ways::Element(path.clone(), pointer.clone()) }
        }
        Subject::Type(name, id) => type_level(selected, name, *id, is_child),
    }
}

/// The expression as a part of another.
fn guarded(path: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '[' | ']' | '$' | ':');
    if path.chars().all(plain) { path.to_owned() } else { format!("({path})") }
}

fn value_level(selected: &Selected<'_>, repl: &Repl<'_>, path: &str, value: &Evaluated) -> Level {
    let types = &selected.session.types;
    let mut text = String::new();
    let mut value = value.clone();
    // What a reference refers to, and what a typedef stands for.
    for _ in 0..MAX_TARGETS {
        let name = types.name(value.type_id);
        match types.get(value.type_id).kind {
            TypeKind::Typedef { .. } => {
                let target = types.strip(value.type_id);
                let target_name = types.name(target);
                text +=
                    &format!("The value of '{path}' is of type '{name}' which is a typedef of type '{target_name}'\n");
                value.type_id = target;
            }
            TypeKind::Reference { .. } => match parts::pointee(selected, &value, path) {
                Ok(target) => value = target,
                Err(_) => break,
            },
            _ => break,
        }
    }
    let name = types.name(value.type_id);
    let read = print::read(selected, &value, &limits(repl));
    let (shape, ways) = match (&types.get(types.strip(value.type_id)).kind, &read.kind) {
        (_, ValueKind::Absent(_)) => (None, Ways::Nowhere),
        (TypeKind::Pointer { target }, ValueKind::Pointer { .. })
            if !matches!(types.get(types.strip(*target)).kind, TypeKind::Void | TypeKind::Function { .. }) =>
        {
            let shape = format!("'{path}' is a pointer to a value of type '{}'\n", types.name(*target));
            (Some(shape), Ways::Pointee(path.to_owned(), value.clone()))
        }
        (TypeKind::Array { element, .. }, _) => {
            let shape = format!("'{path}' is an array of '{}'.\n", types.name(*element));
            (Some(shape), Ways::Element(path.to_owned(), value.clone()))
        }
        // What a formatter shows as elements has them by index.
        (_, ValueKind::Sequence(sequence)) if !sequence.items.is_empty() => {
            let shape = format!("'{path}' is a container of type '{name}'.\n");
            (Some(shape), Ways::Element(path.to_owned(), value.clone()))
        }
        (TypeKind::Struct(content), ValueKind::Struct { .. } | ValueKind::Variant { .. } | ValueKind::Elided) => {
            let is_union = content.kind == StructKind::Union;
            let fields = parts::members(selected, &value, MAX_FIELDS);
            let (shape, ways) = fields_level(selected, repl, path, name, is_union, fields);
            (Some(shape), ways)
        }
        _ => (None, Ways::Nowhere),
    };
    text += &shape.unwrap_or_else(|| {
        let shown = value_text::value_text_with(types, &read, &repl.state.settings.print);
        format!("'{path}' is a scalar value of type '{name}'.\n{path} = {shown}\n")
    });
    Level { text, ways }
}

fn limits(repl: &Repl<'_>) -> Limits {
    Limits { follow: false, ..repl.state.settings.limits }
}

fn fields_level(
    selected: &Selected<'_>,
    repl: &Repl<'_>,
    path: &str,
    type_name: &str,
    is_union: bool,
    fields: Vec<parts::Part>,
) -> (String, Ways) {
    let types = &selected.session.types;
    let shape = if is_union { "union" } else { "struct/class" };
    if fields.is_empty() {
        let text = format!("The value of '{path}' is a {shape} of type '{type_name}' with no fields.\n");
        return (text, Ways::Nowhere);
    }
    let mut rows = Vec::new();
    let mut choices = Vec::new();
    let mut explorable = false;
    for (number, field) in fields.into_iter().enumerate() {
        let field_type = types.name(field.value.type_id);
        let is_scalar = is_scalar(&types.get(types.strip(field.value.type_id)).kind);
        rows.push((
            field.name.to_string(),
            if is_scalar && !is_union {
                let value = print::read(selected, &field.value, &limits(repl));
                let shown = value_text::value_text_with(types, &value, &repl.state.settings.print);
                format!("{shown} .. (Value of type '{field_type}')")
            } else {
                explorable = true;
                let what = if field.base { "base class" } else { "field" };
                format!("<Enter {number} to explore this {what} of type '{field_type}'>")
            },
        ));
        let inner = format!("{}.{}", guarded(path), field.name);
        choices.push((field.name.to_string(), Subject::Value(inner, field.value)));
    }
    let head = format!("The value of '{path}' is a {shape} of type '{type_name}' with the following fields:\n\n");
    (head + &aligned(&rows) + "\n", if explorable { Ways::Fields(choices) } else { Ways::Nowhere })
}

/// Types whose values stand beside their fields.
fn is_scalar(kind: &TypeKind) -> bool {
    matches!(
        kind,
        TypeKind::Int { .. } | TypeKind::Char { .. } | TypeKind::Bool | TypeKind::Float | TypeKind::Enum { .. }
    )
}

fn aligned(rows: &[(String, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    rows.iter().map(|(name, text)| format!("  {name:>width$} = {text}\n")).collect()
}

fn type_level(selected: &Selected<'_>, name: &str, id: TypeId, is_child: bool) -> Level {
    let types = &selected.session.types;
    let (mut text, mut name, mut id, mut is_child) = (String::new(), name.to_owned(), id, is_child);
    for _ in 0..MAX_TARGETS {
        let type_name = types.name(id);
        match &types.get(id).kind {
            TypeKind::Typedef { .. } => {
                id = types.strip(id);
                let actual = types.name(id);
                text += &match is_child {
                    true => format!("The type of {name} is a typedef of type '{actual}'.\n"),
                    false => format!("The type '{name}' is a typedef of type '{actual}'.\n"),
                };
            }
            TypeKind::Qualified { target, .. } | TypeKind::Reference { target, .. } => id = *target,
            TypeKind::Pointer { target } => {
                text += &format!("{name} is a pointer to a value of type '{}'.\n", types.name(*target));
                (name, id, is_child) = (format!("the pointee type of {name}"), *target, true);
            }
            TypeKind::Array { element, .. } => {
                text += &format!("{name} is an array of '{}'.\n", types.name(*element));
                (name, id, is_child) = (format!("the array element of {name}"), *element, true);
            }
            TypeKind::Struct(_) => {
                let (fields, ways) = type_fields(selected, &name, id, is_child);
                return Level { text: text + &fields, ways };
            }
            kind => {
                let shape = if matches!(kind, TypeKind::Enum { .. }) { "an enumerated" } else { "a scalar" };
                text += &match is_child {
                    true => format!("{name} is of {shape} type '{type_name}'.\n"),
                    false => format!("'{name}' is {shape} type.\n"),
                };
                return Level { text, ways: Ways::Nowhere };
            }
        }
    }
    Level { text, ways: Ways::Nowhere }
}

fn type_fields(selected: &Selected<'_>, name: &str, id: TypeId, is_child: bool) -> (String, Ways) {
    let types = &selected.session.types;
    let id = types.complete(id);
    let TypeKind::Struct(content) = &types.get(id).kind else { return (String::new(), Ways::Nowhere) };
    let shape = if content.kind == StructKind::Union { "union" } else { "struct/class" };
    let head = match is_child {
        true => format!("{name} is a {shape} of type '{}'", types.name(id)),
        false => format!("'{name}' is a {shape}"),
    };
    let variants = content.variants.iter().flat_map(|part| &part.variants).flat_map(|variant| &variant.members);
    let members = content.members.iter().chain(variants).filter(|member| member.base || !member.artificial);
    let mut rows = Vec::new();
    let mut choices = Vec::new();
    for (number, member) in members.take(MAX_FIELDS).enumerate() {
        let type_name = types.name(member.type_id);
        let what = if member.base { "base class" } else { "field" };
        let label = match &member.name {
            Some(name) => name.to_string(),
            None if member.base => type_name.to_owned(),
            None => "<anonymous>".to_owned(),
        };
        rows.push((label.clone(), format!("<Enter {number} to explore this {what} of type '{type_name}'>")));
        let path =
            if is_child { format!("{what} '{label}' of {name}") } else { format!("{what} '{label}' of '{name}'") };
        choices.push((label, Subject::Type(path, member.type_id)));
    }
    if rows.is_empty() {
        return (format!("{head} with no fields.\n"), Ways::Nowhere);
    }
    (format!("{head} with the following fields:\n\n{}\n", aligned(&rows)), Ways::Fields(choices))
}

/// Asks what comes next.
fn choose(repl: &mut Repl<'_>, ways: &Ways, is_child: bool, of_type: bool) -> Result<Chosen, CommandError> {
    let parent = if of_type { "enclosing type" } else { "parent value" };
    match ways {
        Ways::Nowhere if !is_child => Ok(Chosen::Up),
        Ways::Nowhere => Ok(match ask(repl, &format!("\nPress enter to return to {parent}: "))?.as_deref() {
            None | Some("q") => Chosen::End,
            _ => Chosen::Up,
        }),
        Ways::Fields(fields) => {
            let answer = ask(repl, "Enter the field number of choice: ")?;
            let Some(answer) = without_end(answer.as_deref()) else { return Ok(Chosen::End) };
            let by_number = answer.parse().ok().and_then(|number: usize| fields.get(number));
            match by_number.or_else(|| fields.iter().find(|(name, _)| name == answer)) {
                _ if answer.is_empty() => Ok(Chosen::Up),
                Some((_, subject)) => Ok(Chosen::Down(subject.clone())),
                None => say(repl, &format!("There is no field {answer}.")),
            }
        }
        Ways::Element(path, array) => {
            let question = format!("Enter the index of the element you want to explore in '{path}': ");
            let answer = ask(repl, &question)?;
            let Some(answer) = without_end(answer.as_deref()) else { return Ok(Chosen::End) };
            match answer.parse() {
                _ if answer.is_empty() => Ok(Chosen::Up),
                Ok(index) => {
                    let element = {
                        let selected = select(repl.state, &FrameArgs::default())?;
                        parts::element(&selected, array, index, path)
                    };
                    match element {
                        Ok(element) => Ok(Chosen::Down(Subject::Value(format!("{}[{index}]", guarded(path)), element))),
                        Err(error) => say(repl, &format!("Cannot read value at index {index}: {}.", error.message)),
                    }
                }
                Err(_) => say(repl, &format!("{answer} is no index.")),
            }
        }
        Ways::Pointee(path, pointer) => {
            let answer = ask(repl, "Continue exploring it as a pointer to a single value [y/n]: ")?;
            match without_end(answer.as_deref()) {
                None => return Ok(Chosen::End),
                Some("y") => return pointee(repl, path, pointer),
                Some("") => return Ok(Chosen::Up),
                Some(_) => {}
            }
            let answer = ask(repl, "Continue exploring it as a pointer to an array [y/n]: ")?;
            Ok(match without_end(answer.as_deref()) {
                None => Chosen::End,
                Some("y") => Chosen::Instead(Subject::Elements(path.clone(), pointer.clone())),
                Some(_) => Chosen::Up,
            })
        }
    }
}

fn pointee(repl: &mut Repl<'_>, path: &str, pointer: &Evaluated) -> Result<Chosen, CommandError> {
    let target = {
        let selected = select(repl.state, &FrameArgs::default())?;
        let target = parts::pointee(&selected, pointer, path);
        target.ok().filter(|target| !matches!(print::read(&selected, target, &limits(repl)).kind, ValueKind::Absent(_)))
    };
    match target {
        Some(target) => Ok(Chosen::Instead(Subject::Value(format!("*{}", guarded(path)), target))),
        None => {
            writeln!(repl.out, "'{path}' a pointer pointing to an invalid memory location.")?;
            Ok(Chosen::Up)
        }
    }
}

/// The answer, where it does not end everything.
fn without_end(answer: Option<&str>) -> Option<&str> {
    answer.filter(|answer| *answer != "q")
}

fn say(repl: &mut Repl<'_>, message: &str) -> Result<Chosen, CommandError> {
    writeln!(repl.out, "{message}")?;
    Ok(Chosen::Again)
}

fn ask(repl: &mut Repl<'_>, question: &str) -> Result<Option<String>, CommandError> {
    repl.out.flush()?;
    let screen = repl.screen.clone();
    let answer = screen.borrow_mut().question(question);
    Ok(answer?)
}
