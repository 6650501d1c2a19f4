//! Values, memory, settings, and what there is to know about the program.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command as Process, Stdio};

use super::{Next, Repl, classes, custom, describe, display, process, settings, stack, symbols, threads, words};
use crate::addr::RunAddr;
use crate::command::selected::{Selected, select};
use crate::command::{CommandError, FrameArgs, registers};
use crate::expr::{Evaluated, evaluate, resolve_type, type_of};
use crate::interrupt;
use crate::report::formatted::{LETTERS, value_formatted};
use crate::report::value_text;
use crate::types::TypeKind;
use crate::value::{Limits, Place, ValueKind};

/// `/FMT` and what follows it.
pub(super) fn format_and_rest(text: &str) -> (Option<&str>, &str) {
    match text.strip_prefix('/') {
        Some(rest) => {
            let (format, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            (Some(format), rest.trim())
        }
        None => (None, text),
    }
}

/// `print/FMT EXPR`; `/r` shows the plain fields. gdb's options (`-elements 3 --`) may come first.
pub(super) fn print(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let (settings, text) = settings::take_options(&repl.state.settings, &["print"], text)?;
    let before = std::mem::replace(&mut repl.state.settings, settings);
    let answered = print_as_set(repl, text);
    repl.state.settings = before;
    answered
}

fn print_as_set(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let (format, expression) = format_and_rest(text);
    let expression = expression.strip_prefix("-- ").unwrap_or(expression);
    // gdb: without an expression, the last value again.
    let expression = if expression.is_empty() { "$" } else { expression };
    let mut command = vec!["print"];
    let letters = format.unwrap_or_default();
    if letters.contains('r') {
        command.push("--raw");
    }
    let letter = letters.replace('r', "");
    if letter.contains('i') {
        return Err(CommandError::Usage("Format letter \"i\" is meaningless in \"print\" command.".to_owned()));
    }
    if !letter.is_empty() {
        command.extend(["--format", &letter]);
    }
    command.extend(["--", expression]);
    repl.command(&command)
}

/// `output/FMT EXPR`: neither number nor line end, and nothing is recorded.
pub(super) fn output(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let (settings, text) = settings::take_options(&repl.state.settings, &["print"], text)?;
    let before = std::mem::replace(&mut repl.state.settings, settings);
    let answered = output_as_set(repl, text);
    repl.state.settings = before;
    answered
}

fn output_as_set(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let (format, expression) = format_and_rest(text);
    let letters = format.unwrap_or_default();
    let letter = letters.replace('r', "").chars().next();
    if let Some(letter) = letter.filter(|letter| !LETTERS.contains(*letter)) {
        return Err(CommandError::Usage(format!("Undefined output format \"{letter}\".")));
    }
    let mut variables = std::mem::take(&mut repl.state.variables);
    let text = (|| {
        let selected = select(repl.state, &FrameArgs::default())?;
        let evaluated = evaluate(&selected, expression, &mut variables)?;
        let raw = repl.state.settings.limits.raw || letters.contains('r');
        let limits = Limits { follow: false, raw, ..repl.state.settings.limits };
        let value = crate::command::print::read(&selected, &evaluated, &limits);
        let types = &selected.session.types;
        let symbol = |address| selected.session.symbol(RunAddr(address)).map(|found| registers::symbol_text(&found));
        Ok(match letter {
            _ if evaluated.is_void(&selected) => "void".to_owned(),
            Some(letter) => value_formatted(types, &value, letter, &symbol),
            None => value_text::printed_with(types, &value, &repl.state.settings.print),
        })
    })();
    repl.state.variables = variables;
    let text: Result<String, CommandError> = text;
    write!(repl.out, "{}", text?)?;
    Ok(Next::Line)
}

/// A file's name as it is typed: quotes around it and `~` in front are taken as a shell takes them.
pub(super) fn path_of(text: &str) -> PathBuf {
    let text = text.trim();
    let within = |quote: char| text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    let text = within('"').or_else(|| within('\'')).unwrap_or(text);
    match (text.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(text),
    }
}

/// Arguments between commas; those within brackets and quotes are not looked at.
pub(super) fn arguments(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0usize);
    let (mut quote, mut escaped) = (None, false);
    for (index, char) in text.char_indices() {
        match (quote, char) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), char) if char == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(char),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                parts.push(text[start..index].trim());
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}

/// `<main+4>` behind an address.
pub(super) fn symbol_text(found: &(String, u64)) -> String {
    format!(" {}", registers::symbol_text(found))
}

/// The number that a value is.
pub(super) fn number_in(text: &str, value: &crate::value::Value) -> Result<i128, CommandError> {
    let number = match &value.kind {
        ValueKind::Int(number) | ValueKind::Enum { value: number, .. } | ValueKind::Described { number, .. } => {
            Some(*number)
        }
        ValueKind::Uint(number) => i128::try_from(*number).ok(),
        ValueKind::Char { code, .. } => Some((*code).into()),
        ValueKind::Bool(raw) => Some((*raw).into()),
        ValueKind::Pointer { address: Some(address), .. } => Some(address.0.into()),
        _ => None,
    };
    number.ok_or_else(|| CommandError::Usage(format!("{text}: a number is expected")))
}

/// The number that an evaluated expression is.
pub(super) fn number_of(selected: &Selected<'_>, text: &str, evaluated: &Evaluated) -> Result<i128, CommandError> {
    let limits = Limits { depth: 1, items: 1, string: 1, follow: false, raw: true, objects: true, statics: false };
    number_in(text, &crate::command::print::read(selected, evaluated, &limits))
}

/// The number that an expression gives.
pub(super) fn number(repl: &Repl<'_>, text: &str) -> Result<i128, CommandError> {
    let selected = select(repl.state, &FrameArgs::default())?;
    let evaluated = evaluate_alone(repl, &selected, text)?;
    number_of(&selected, text, &evaluated)
}

/// Evaluates with the session's variables, of which none is changed.
pub(super) fn evaluate_alone(repl: &Repl<'_>, selected: &Selected<'_>, text: &str) -> Result<Evaluated, CommandError> {
    let mut variables = repl.state.variables.clone();
    Ok(evaluate(selected, text, &mut variables)?)
}

/// `whatis EXPR`
pub(super) fn whatis(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    // Of ptype's flags, one changes names.
    let (flags, text) = format_and_rest(text);
    let text = if text.is_empty() { "$" } else { text };
    let name = {
        let selected = select(repl.state, &FrameArgs::default())?;
        let types = &selected.session.types;
        let id = match type_of(&selected, text, &repl.state.variables) {
            Ok(id) => id,
            Err(error) => match resolve_type(&selected, text)? {
                // As gdb: of a typedef's own name, what it is another name of.
                Some(id) => match types.get(id).kind {
                    TypeKind::Typedef { target } => target,
                    _ => id,
                },
                None => return Err(error.into()),
            },
        };
        match flags.is_some_and(|flags| flags.contains('r')) {
            true => types.name(id).to_owned(),
            false => crate::demangle::shorten(types.name(id)).into_owned(),
        }
    };
    writeln!(repl.out, "type = {name}")?;
    Ok(Next::Line)
}

/// `x/NFU ADDRESS`
pub(super) fn examine(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let (format, address) = format_and_rest(text);
    let address = match (address, &repl.state.examined) {
        ("", Some(_)) => None,
        ("", None) => Some("$pc"),
        (address, _) => Some(address),
    };
    let mut command = vec!["x"];
    let format = format.map(|format| format!("--format={format}"));
    command.extend(format.as_deref());
    if let Some(address) = address {
        command.extend(["--", address]);
    }
    repl.command(&command)
}

/// `ptype[/FLAGS] TYPE|EXPR`: gdb's `/o` shows offsets, `/x` in hex, `/m` leaves out methods.
pub(super) fn ptype(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let (flags, text) = format_and_rest(text);
    let mut command = vec!["ptype"];
    for flag in flags.unwrap_or_default().chars() {
        match flag {
            'o' => command.push("--offsets"),
            'x' => command.push("--hex"),
            'd' => command.retain(|word| *word != "--hex"),
            'm' => command.push("--no-methods"),
            'M' => command.retain(|word| *word != "--no-methods"),
            // Types that typedefs are of are what is shown anyway.
            'r' => command.push("--raw-names"),
            't' | 'T' => {}
            _ => return Err(CommandError::Usage(format!("unrecognized flag '{flag}'"))),
        }
    }
    // gdb: without a type, the last value's.
    command.extend(["--", if text.is_empty() { "$" } else { text }]);
    repl.command(&command)
}

/// What `info` tells of, and what `help info` says of it.
pub(super) const TOPICS: &[(&str, &str)] = &[
    ("locals", "[NAME-RE]: the frame's local variables"),
    ("args", "the frame's arguments"),
    ("frame", "[N | level N]: where the frame is, and what was saved for its caller"),
    ("stack", "the stack, as backtrace"),
    ("threads", "[N...]: the threads, each with its innermost frame"),
    ("goroutines", "Go's goroutines, in groups"),
    ("registers", "[NAME...]: the frame's registers"),
    ("all-registers", "[NAME...]: vector registers too"),
    ("sharedlibrary", "[RE]: the executable and its libraries, with what was found of them"),
    ("files", "the files that were read, and where their sections are"),
    ("symbol", "ADDRESS: the function or object there"),
    ("line", "[LOCATION]: the addresses of a source line"),
    ("signals", "[SIGNAL]: the signals, and which one ended the process"),
    ("program", "which core it is, and what ended the process"),
    ("proc", "[mappings|cmdline|exe|...]: the process"),
    ("auxv", "what the kernel told the process at its start"),
    ("modules", "as sharedlibrary"),
    ("source", "the frame's source file and how it was compiled"),
    ("sources", "[RE]: the source files of the debug information"),
    ("scope", "LOCATION: the variables of the function there, and where they are"),
    ("address", "NAME: where a variable or function is"),
    (
        "functions",
        "[-q] [-n] [-t TYPE-RE] [-max N] [RE]: functions by name; -n leaves out those without debug information, -t TYPE-RE those of other types",
    ),
    ("variables", "[-q] [-n] [-t TYPE-RE] [-max N] [RE]: variables outside of functions"),
    ("types", "[-q] [-max N] [RE]: types"),
    ("vtbl", "EXPR: the virtual functions of a C++ object, the methods of a Rust trait object"),
    ("display", "the displays"),
    ("float", "the floating-point registers"),
    ("vector", "the vector registers"),
    ("inferiors", "the process"),
    ("breakpoints", "none: the process is dead"),
    ("watchpoints", "none: the process is dead"),
];

/// The topics' names.
pub(super) fn topics() -> impl Iterator<Item = &'static str> {
    TOPICS.iter().map(|(topic, _)| *topic)
}

/// `info WHAT`
pub(super) fn info(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    if word.is_empty() || word.starts_with("--") {
        return repl.command(&["info"]);
    }
    // gdb's own short forms.
    let topic = match word {
        "r" => Some("registers"),
        "s" => Some("stack"),
        "f" => Some("frame"),
        "lo" => Some("locals"),
        "th" | "thr" => Some("threads"),
        "dll" => Some("sharedlibrary"),
        "ar" => Some("args"),
        "reg" | "rg" => Some("registers"),
        "handle" => Some("signals"),
        "target" => Some("files"),
        "b" | "br" => Some("breakpoints"),
        word => topics().find(|topic| *topic == word).or_else(|| {
            let mut begun = topics().filter(|topic| topic.starts_with(word));
            begun.next().filter(|_| begun.next().is_none())
        }),
    };
    let rest = rest.trim();
    match topic {
        Some(topic @ ("locals" | "args")) => stack::variables(repl, words::role(topic)),
        Some("frame") => describe::describe(repl, rest),
        Some("stack") => stack::backtrace(repl, rest),
        Some("threads") => threads::list(repl, rest),
        Some("goroutines") => {
            let command: Vec<&str> = std::iter::once("goroutines").chain(rest.split_whitespace()).collect();
            repl.command(&command)
        }
        Some(topic @ ("registers" | "all-registers")) => {
            let all = (topic == "all-registers").then_some("--all");
            let command: Vec<&str> = std::iter::once("registers").chain(all).chain(rest.split_whitespace()).collect();
            repl.command(&command)
        }
        Some(group @ ("float" | "vector")) => repl.command(&["registers", group]),
        Some("sharedlibrary" | "modules") if rest.is_empty() => repl.command(&["modules"]),
        Some("sharedlibrary" | "modules") => repl.command(&["modules", "--", rest]),
        Some("files") if repl.state.json => repl.command(&["maps"]),
        Some("files") => symbols::files(repl),
        Some("proc") => process::proc(repl, rest),
        Some("auxv") if repl.state.json => repl.command(&["info"]),
        Some("auxv") => process::auxv(repl),
        Some("signals") => process::signals(repl, rest),
        Some("program") => process::program(repl),
        Some("inferiors") => process::inferiors(repl),
        Some("display") => display::list(repl),
        Some("breakpoints" | "watchpoints") => {
            writeln!(repl.out, "No breakpoints or watchpoints: the process is dead.")?;
            Ok(Next::Line)
        }
        Some("symbol") => symbols::symbol(repl, rest),
        Some("line") => symbols::line(repl, rest),
        Some("source") => symbols::source(repl),
        Some("sources") => symbols::sources(repl, rest),
        Some("scope") => symbols::scope(repl, rest),
        Some("address") => symbols::address(repl, rest),
        Some("vtbl") => classes::virtual_tables(repl, rest),
        Some(topic @ ("functions" | "variables" | "types")) => symbols::list(repl, topic, rest),
        _ => Err(CommandError::Usage(format!(
            "info {word}: no such topic; there are {}",
            topics().collect::<Vec<_>>().join(", ")
        ))),
    }
}

/// The address that an expression gives: a pointer's value, an object's own place.
pub(super) fn address_of(repl: &Repl<'_>, expression: &str) -> Result<RunAddr, CommandError> {
    let selected = select(repl.state, &FrameArgs::default())?;
    let evaluated = match evaluate_alone(repl, &selected, expression) {
        Ok(evaluated) => evaluated,
        // `main.(*T).f`, `f(int)`: names that are no expressions.
        Err(error) => return selected.session.find_symbol(expression).map(|(address, _)| address).ok_or(error),
    };
    let limits = Limits { follow: false, ..repl.state.settings.limits };
    let address = match crate::command::print::read(&selected, &evaluated, &limits).kind {
        ValueKind::Pointer { address: Some(address), .. } => Some(address),
        ValueKind::Int(number) | ValueKind::Described { number, .. } => u64::try_from(number).ok().map(RunAddr),
        ValueKind::Uint(number) => u64::try_from(number).ok().map(RunAddr),
        // An object stands for its place.
        _ => match evaluated.place {
            Ok(Place::Memory(address)) => Some(address),
            _ => None,
        },
    };
    address.ok_or_else(|| CommandError::Usage(format!("{expression}: no address")))
}

/// `set SETTING VALUE`, `set $x = …`
pub(super) fn set(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let assignment = text.strip_prefix("var ").or(text.strip_prefix("variable ")).unwrap_or(text).trim();
    if assignment.starts_with('$') {
        let mut variables = std::mem::take(&mut repl.state.variables);
        let selected = select(repl.state, &FrameArgs::default());
        let done = selected.and_then(|selected| Ok(evaluate(&selected, assignment, &mut variables).map(|_| ())?));
        repl.state.variables = variables;
        return done.map(|()| Next::Line);
    }
    settings::set(repl, text)
}

/// `show WHAT`
pub(super) fn show(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    match text.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["version"] => writeln!(repl.out, "obit {}", env!("CARGO_PKG_VERSION"))?,
        ["convenience" | "conv"] => return convenience(repl),
        ["values"] => return values(repl),
        ["args"] => return process::show_arguments(repl),
        ["environment" | "env", name @ ..] => return process::show_environment(repl, name.first().copied()),
        ["user"] => return custom::show(repl, ""),
        ["user", name] => return custom::show(repl, name),
        _ => return settings::show(repl, text),
    }
    Ok(Next::Line)
}

/// What there is to name with a dollar: the session's own variables, then the ones that there always are.
fn convenience(repl: &mut Repl<'_>) -> Result<Next, CommandError> {
    const ALWAYS: [&str; 7] = ["_", "_exitcode", "_exitsignal", "_inferior", "_thread", "_gthread", "_siginfo"];
    let own: Vec<String> = repl.state.variables.named().map(|(name, _)| name.to_owned()).collect();
    let always = ALWAYS.iter().filter(|name| !own.iter().any(|own| own == *name)).map(|name| (*name).to_owned());
    let names: Vec<String> = own.iter().cloned().chain(always).collect();
    for name in names {
        show_value(repl, &format!("${name}"))?;
    }
    Ok(Next::Line)
}

/// The history's last ten values.
fn values(repl: &mut Repl<'_>) -> Result<Next, CommandError> {
    let count = repl.state.variables.count();
    for number in count.saturating_sub(9).max(1)..=count {
        show_value(repl, &format!("${number}"))?;
    }
    Ok(Next::Line)
}

fn show_value(repl: &mut Repl<'_>, name: &str) -> Result<(), CommandError> {
    let mut value = Vec::new();
    let paint = repl.paint;
    match repl.captured(&mut value, paint, |repl| output(repl, name)) {
        Ok(_) => writeln!(repl.out, "{name} = {}", String::from_utf8_lossy(&value))?,
        Err(CommandError::Output(error)) => return Err(error.into()),
        Err(error) => {
            let error = error.to_string();
            writeln!(repl.out, "{name} = <error: {}>", error.lines().next().unwrap_or_default())?;
        }
    }
    Ok(())
}

/// A shell's command, with `input` to read.
pub(super) fn shell(repl: &mut Repl<'_>, command: &str, input: Option<Vec<u8>>) -> Result<Next, CommandError> {
    repl.out.flush()?;
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::inherit() };
    let program = if command.trim().is_empty() { std::env::var_os("SHELL") } else { None };
    let mut shell = match program {
        Some(shell) => Process::new(shell),
        None => Process::new("sh"),
    };
    if !command.trim().is_empty() {
        shell.args(["-c", command]);
    }
    let mut child = shell.stdin(stdin).spawn().map_err(|error| CommandError::Usage(format!("{command}: {error}")))?;
    let ended = interrupt::while_away(|| {
        if let (Some(mut pipe), Some(input)) = (child.stdin.take(), input) {
            // A reader that has seen enough closes the pipe.
            let _ = pipe.write_all(&input);
        }
        child.wait()
    });
    match ended {
        Ok(status) if status.success() => Ok(Next::Line),
        Ok(status) => Err(CommandError::NoMatch(format!("the shell's command ended with {status}"))),
        Err(error) => Err(CommandError::Usage(format!("sh: {error}"))),
    }
}

/// A command's answer as a shell command's input.
pub(super) fn piped(repl: &mut Repl<'_>, line: &str, command: &str) -> Result<Next, CommandError> {
    let mut answer = Vec::new();
    let answered = repl.with_output(&mut answer, |repl| repl.asked(line));
    answered?;
    shell(repl, command, Some(answer))
}
