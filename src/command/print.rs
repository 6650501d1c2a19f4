//! `obit print`: an expression's value.

use super::registers::symbol_text;
use super::selected::{Selected, select};
use super::{CommandError, FrameArgs, LimitArgs, Output, State, common};
use crate::addr::RunAddr;
use crate::expr::{Evaluated, Items, Role, Variables, evaluate, type_of};
use crate::report::formatted::{LETTERS, value_formatted};
use crate::report::{documents, value_text};
use crate::types::{Language, Type, TypeKind};
use crate::value::decode::Symbols;
use crate::value::{Limits, Map, Place, Value, ValueKind};

/// Arguments of `print`.
#[derive(clap::Args, Debug, Clone)]
// The forms are shown as they are by --help.
#[allow(rustdoc::invalid_html_tags, rustdoc::broken_intra_doc_links)]
pub struct Args {
    /// What to show, in the program's language and gdb's (--help lists its forms)
    ///
    /// Paths:      a.b[2]->c, *p, &x, x.0, obj.Base::x
    /// Names:      ns::x, ::x, 'file.c'::x, function::static_x, Colour::Red, x@entry
    /// Elsewhere:  frame(2).x, thread(1234).x, thread(1234).frame(2).$sp
    /// Arrays:     p[0]@8, *p@n, p[2..5], a[..=3], a[4..], {1, 2, 3}, [0u8; 4]
    /// Numbers:    0x1f, 0b101, 1'000, 1_000, 5u8, 0x1.8p3, 1e-3, .5 (in [ ] and map( ), .5 is an item's field)
    /// Text:       "a\n\u00e9", L"wide", u8"", R"(raw)", r#"raw"#, 'c', u'c', b'c'
    /// Sequences:  a[.id == 7], a[. > 3], a.map(.name), len(a), a.len()
    /// Maps:       m["key"], m[.value.id == 7], m[.key > 3].map(.value), m.keys(), m.values()
    /// Lists:      $list(head, next), $list(queue, struct job, link), $tree(root, left, right)
    /// Casts:      (type *) p, x as u32, static_cast<T>(x), {type} 0x1234
    /// Types:      sizeof(type), alignof(type), offsetof(type, member)
    /// Operators:  C's, with ?: and text comparison: name == "main"
    /// Registers:  $rip, $pc, $sp, $fp, $eax; $_siginfo, $_thread, $_exitsignal
    /// Variables:  $x = a + 1, $x++
    #[arg(value_name = "EXPR", allow_hyphen_values = true, verbatim_doc_comment)]
    expression: String,
    #[command(flatten)]
    frame: FrameArgs,
    /// Show numbers as x hex, d decimal, u unsigned, o octal, t binary, c character, a address, f float, z padded
    /// hex, s default
    #[arg(long, short, value_name = "LETTER", value_parser = parse_letter)]
    format: Option<char>,
    #[command(flatten)]
    limits: LimitArgs,
}

fn parse_letter(text: &str) -> Result<char, String> {
    let text = text.strip_prefix('/').unwrap_or(text);
    match text.chars().next() {
        Some(letter) if text.len() == 1 && LETTERS.contains(letter) => Ok(letter),
        _ => Err(format!("expected one of the letters {LETTERS}")),
    }
}

/// Answers `print`.
pub fn run(args: &Args, state: &mut State, output: &mut Output<'_>) -> Result<(), CommandError> {
    // gdb's habit: print /x EXPR.
    let (letter, expression) = match args.expression.strip_prefix('/').and_then(|rest| rest.split_once(' ')) {
        Some((letter, rest)) => (Some(parse_letter(letter).map_err(CommandError::Usage)?), rest.trim()),
        None => (args.format, args.expression.as_str()),
    };
    let mut variables = std::mem::take(&mut state.variables);
    let answer = answer(letter, expression, args, state, &mut variables, output);
    state.variables = variables;
    answer
}

fn answer(
    letter: Option<char>,
    expression: &str,
    args: &Args,
    state: &State,
    variables: &mut Variables,
    output: &mut Output<'_>,
) -> Result<(), CommandError> {
    let session = &state.session;
    let selected = select(state, &args.frame)?;
    let evaluated = evaluate(&selected, expression, variables)?;
    let class = derived_class(&selected, expression, variables, &evaluated);
    let limits = args.limits.limits(&state.settings, state.json);
    let value = read(&selected, &evaluated, &limits);
    let notes = session.notes();
    if state.json {
        variables.record(evaluated);
        return common::write_document(output, documents::print(expression, &session.types, &value, &notes));
    }
    let symbol = |address| session.symbol(RunAddr(address)).map(|found| symbol_text(&found));
    let text = match letter {
        _ if evaluated.is_void(&selected) => "void".to_owned(),
        Some(letter) => value_formatted(&session.types, &value, letter, &symbol),
        None => function_text(&selected, &evaluated).unwrap_or_else(|| {
            let value = if limits.objects && !limits.raw { to_whole_object(&selected, value) } else { value };
            value_text::printed_with(&session.types, &value, &state.settings.print)
        }),
    };
    let class = class.map(|name| format!("({name}) ")).unwrap_or_default();
    let number = variables.record(evaluated);
    writeln!(output.out, "${number} = {class}{text}")?;
    common::write_notes(output, &notes)
}

/// The class of a whole object, where the expression is of one of its base classes: `(Circle)` of a `*shape`, as gdb has it
/// under `set print object on`.
fn derived_class(
    selected: &Selected<'_>,
    expression: &str,
    variables: &Variables,
    evaluated: &Evaluated,
) -> Option<String> {
    let types = &selected.session.types;
    let found = types.strip(evaluated.type_id);
    let definition = types.get(found);
    if !evaluated.lvalue || definition.language != Language::Cpp || !matches!(definition.kind, TypeKind::Struct(_)) {
        return None;
    }
    let named = type_of(selected, expression, variables).ok()?;
    let is_class = matches!(types.get(types.strip(named)).kind, TypeKind::Struct(_));
    let other = is_class && types.name(types.strip(named)) != types.name(found);
    other.then(|| crate::demangle::shorten(types.name(found)).into_owned())
}

/// A pointer or reference to a base class as one to the whole object: `(Circle *) 0x4052a0`, as gdb has it under
/// `set print object on`.
fn to_whole_object(selected: &Selected<'_>, value: Value) -> Value {
    let session = selected.session;
    let types = &session.types;
    let definition = types.stripped(value.type_id).1;
    let (TypeKind::Pointer { target } | TypeKind::Reference { target, .. }) = definition.kind else { return value };
    let ValueKind::Pointer { address: Some(address), reference, symbol, string, pointee } = &value.kind else {
        return value;
    };
    let found = session.with_decoder(None, |decoder| decoder.whole_object(*address, target));
    let Some((start, class)) = found.filter(|(_, class)| *class != types.strip(target)) else { return value };
    let is_shown = |pointee: &Value| types.strip(pointee.type_id) == class;
    if *reference && !pointee.as_deref().is_some_and(is_shown) {
        return value;
    }
    let mut class = class;
    let mut qualified = target;
    while let TypeKind::Qualified { qualifier, target } = types.get(qualified).kind {
        let (name, definition) = (types.name(class), types.get(class));
        let name = Some(format!("{qualifier} {name}"));
        class = types.make(Type { name, kind: TypeKind::Qualified { qualifier, target: class }, ..definition.clone() });
        qualified = target;
    }
    let kind = match definition.kind {
        TypeKind::Reference { rvalue, .. } => TypeKind::Reference { target: class, rvalue },
        _ => TypeKind::Pointer { target: class },
    };
    let type_id = types.make(Type { name: None, kind, ..definition.clone() });
    let symbol = if start == *address { symbol.clone() } else { Symbols::symbol(session, start) };
    let kind = ValueKind::Pointer {
        address: Some(start),
        reference: *reference,
        symbol,
        string: string.clone(),
        pointee: pointee.clone(),
    };
    Value { type_id, kind }
}

/// What is at the place.
pub(crate) fn read(selected: &Selected<'_>, evaluated: &Evaluated, limits: &Limits) -> Value {
    if let Some(items) = &evaluated.items {
        return read_items(selected, evaluated, items, limits);
    }
    match &evaluated.place {
        Ok(place) => selected.session.value(place, evaluated.type_id, selected.in_frame(), limits),
        Err(absent) => Value { type_id: evaluated.type_id, kind: ValueKind::Absent(absent.clone()) },
    }
}

/// Things in several places, as an array; entries as a map. Why there may be more of them stands behind the last one.
fn read_items(selected: &Selected<'_>, evaluated: &Evaluated, items: &Items, limits: &Limits) -> Value {
    if items.role != Role::Sequence {
        return read_entries(selected, evaluated, items, limits);
    }
    let shown = items.elements.iter().take(limits.items);
    let mut values: Vec<Value> = shown.map(|item| read(selected, item, limits)).collect();
    let omitted = (items.elements.len() - values.len()) as u64;
    if let (Some(end), 0) = (&items.end, omitted) {
        values.push(Value { type_id: evaluated.type_id, kind: ValueKind::Absent(end.clone()) });
    }
    let length = values.len() as u64 + omitted;
    Value { type_id: evaluated.type_id, kind: ValueKind::Array { length, items: values, omitted } }
}

/// The entries that a filter over a map gave, or one of them, as a map.
fn read_entries(selected: &Selected<'_>, evaluated: &Evaluated, items: &Items, limits: &Limits) -> Value {
    let entries = match items.role {
        Role::Entry => std::slice::from_ref(evaluated),
        _ => &items.elements,
    };
    let pair = |entry: &Evaluated| {
        let [key, value] = entry.items.as_ref()?.elements.first_chunk()?;
        Some((read(selected, key, limits), read(selected, value, limits)))
    };
    let mut pairs: Vec<(Value, Value)> = entries.iter().take(limits.items).filter_map(pair).collect();
    let omitted = (entries.len() - pairs.len()) as u64;
    if let (Some(end), 0) = (&items.end, omitted) {
        let missing = || Value { type_id: evaluated.type_id, kind: ValueKind::Absent(end.clone()) };
        pairs.push((missing(), missing()));
    }
    let length = items.end.is_none().then_some(entries.len() as u64);
    let map = Map { title: String::new(), length, items: pairs, omitted };
    Value { type_id: evaluated.type_id, kind: ValueKind::Map(Box::new(map)) }
}

/// A function itself, as gdb shows it: `{int (int, char **)} 0x401136 <main>`.
fn function_text(selected: &Selected<'_>, evaluated: &Evaluated) -> Option<String> {
    let types = &selected.session.types;
    let definition = types.get(types.strip(evaluated.type_id));
    if !matches!(definition.kind, TypeKind::Function { .. }) || definition.is_function_value() {
        return None;
    }
    let Ok(Place::Memory(address)) = evaluated.place else { return None };
    let symbol = selected.session.symbol(address).map(|found| format!(" {}", symbol_text(&found)));
    let name = types.name(evaluated.type_id);
    let name = if definition.language == Language::Cpp { crate::demangle::shorten(name) } else { name.into() };
    Some(format!("{{{name}}} {address}{}", symbol.unwrap_or_default()))
}
