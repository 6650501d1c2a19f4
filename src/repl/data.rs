//! Values, memory, settings, and what there is to know about the program.

use std::io::Write as _;
use std::process::{Command as Process, Stdio};

use super::{Next, Repl, stack, words};
use crate::command::selected::select;
use crate::command::{CommandError, FrameArgs};
use crate::expr::{evaluate, resolve_type, type_of};
use crate::report::formatted::value_formatted;
use crate::report::signal_text;
use crate::report::value_text;
use crate::value::{Limits, ValueKind};

/// `/FMT` and what follows it.
fn format_and_rest(text: &str) -> (Option<&str>, &str) {
    match text.strip_prefix('/') {
        Some(rest) => {
            let (format, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            (Some(format), rest.trim())
        }
        None => (None, text),
    }
}

/// `print/FMT EXPR`; `/r` shows the plain fields.
pub(super) fn print(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
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
    if !letter.is_empty() {
        command.extend(["--format", &letter]);
    }
    command.extend(["--", expression]);
    repl.command(&command)
}

/// `output/FMT EXPR`: neither number nor line end, and nothing is recorded.
pub(super) fn output(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let (format, expression) = format_and_rest(text);
    let mut variables = std::mem::take(&mut repl.state.variables);
    let text = (|| {
        let selected = select(repl.state, &FrameArgs::default())?;
        let evaluated = evaluate(&selected, expression, &mut variables)?;
        let limits = Limits { follow: false, ..repl.state.settings.limits };
        let value = crate::command::print::read(&selected, &evaluated, &limits);
        let types = &selected.session.types;
        Ok(match format.and_then(|letters| letters.chars().next()) {
            Some(letter) => value_formatted(types, &value, letter, &|_| None),
            None => value_text::printed(types, &value),
        })
    })();
    repl.state.variables = variables;
    let text: Result<String, CommandError> = text;
    write!(repl.out, "{}", text?)?;
    Ok(Next::Line)
}

/// `whatis EXPR`
pub(super) fn whatis(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let name = {
        let selected = select(repl.state, &FrameArgs::default())?;
        let id = match type_of(&selected, text, &repl.state.variables) {
            Ok(id) => id,
            Err(error) => match resolve_type(&selected, text)? {
                Some(id) => id,
                None => return Err(error.into()),
            },
        };
        selected.session.types.name(id).to_owned()
    };
    writeln!(repl.out, "type = {name}")?;
    Ok(Next::Line)
}

/// `x/NFU ADDRESS`
pub(super) fn examine(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let (format, address) = format_and_rest(text);
    let address = if address.is_empty() { "$pc" } else { address };
    match format {
        Some(format) => repl.command(&["x", "--format", format, "--", address]),
        None => repl.command(&["x", "--", address]),
    }
}

/// `echo TEXT`, with C's escapes for line end, tab and backslash.
pub(super) fn echo(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let mut shown = String::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match (char, if char == '\\' { chars.next() } else { None }) {
            ('\\', Some('n')) => shown.push('\n'),
            ('\\', Some('t')) => shown.push('\t'),
            ('\\', Some(other)) => shown.push(other),
            (char, _) => shown.push(char),
        }
    }
    write!(repl.out, "{shown}")?;
    Ok(Next::Line)
}

/// `info WHAT`
pub(super) fn info(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    const TOPICS: [&str; 17] = [
        "locals",
        "args",
        "frame",
        "stack",
        "threads",
        "registers",
        "all-registers",
        "sharedlibrary",
        "files",
        "symbol",
        "line",
        "signals",
        "program",
        "proc",
        "auxv",
        "modules",
        "source",
    ];
    if word.is_empty() || word.starts_with("--") {
        return repl.command(&["info"]);
    }
    // gdb's own short forms.
    let topic = match word {
        "r" | "reg" => Some("registers"),
        "s" => Some("stack"),
        "f" => Some("frame"),
        "lo" => Some("locals"),
        "th" | "thr" => Some("threads"),
        "dll" => Some("sharedlibrary"),
        word => TOPICS.iter().copied().find(|topic| *topic == word).or_else(|| {
            let mut begun = TOPICS.iter().copied().filter(|topic| topic.starts_with(word));
            begun.next().filter(|_| begun.next().is_none())
        }),
    };
    let rest = rest.trim();
    match topic {
        Some(topic @ ("locals" | "args")) => stack::variables(repl, words::role(topic)),
        Some("frame") => stack::describe(repl),
        Some("stack") => stack::backtrace(repl, rest),
        Some("threads") => repl.command(&["threads"]),
        Some(topic @ ("registers" | "all-registers")) => {
            let all = (topic == "all-registers").then_some("--all");
            let command: Vec<&str> = std::iter::once("registers")
                .chain(all)
                .chain(rest.split_whitespace().map(|name| name.trim_start_matches('$')))
                .collect();
            repl.command(&command)
        }
        Some("sharedlibrary" | "modules") => repl.command(&["modules"]),
        Some("files") => repl.command(&["maps"]),
        Some("proc") if rest.starts_with("map") => repl.command(&["maps"]),
        Some("proc" | "auxv") => repl.command(&["info"]),
        Some("signals" | "program") => {
            let text = repl.state.session.image.signal.as_ref().map(signal_text::describe);
            writeln!(repl.out, "{}", text.unwrap_or_else(|| "no signal is recorded".to_owned()))?;
            Ok(Next::Line)
        }
        Some("symbol") => symbol(repl, rest),
        Some("line" | "source") => line(repl, rest),
        _ => Err(CommandError::Usage(format!("info {word}: no such topic; there are {}", TOPICS.join(", ")))),
    }
}

/// The address that an expression gives: a pointer's value, an object's own place.
fn address_of(repl: &Repl<'_>, expression: &str) -> Result<crate::addr::RunAddr, CommandError> {
    let selected = select(repl.state, &FrameArgs::default())?;
    let mut variables = crate::expr::Variables::default();
    let evaluated = evaluate(&selected, expression, &mut variables)?;
    let limits = Limits { follow: false, ..repl.state.settings.limits };
    let address = match crate::command::print::read(&selected, &evaluated, &limits).kind {
        ValueKind::Pointer { address: Some(address), .. } => Some(address),
        ValueKind::Int(number) => u64::try_from(number).ok().map(crate::addr::RunAddr),
        ValueKind::Uint(number) => u64::try_from(number).ok().map(crate::addr::RunAddr),
        _ => None,
    };
    address.ok_or_else(|| CommandError::Usage(format!("{expression}: no address")))
}

fn symbol(repl: &mut Repl<'_>, expression: &str) -> Result<Next, CommandError> {
    let address = address_of(repl, expression)?;
    let Some((name, distance)) = repl.state.session.symbol(address) else {
        return Err(CommandError::NoMatch(format!("No symbol matches {expression}.")));
    };
    let module = repl.state.session.program.modules.at(address).map(|module| module.seed.path.clone());
    let module = module.unwrap_or_default();
    let distance = if distance == 0 { String::new() } else { format!(" + {distance}") };
    writeln!(repl.out, "{name}{distance} in {module}")?;
    Ok(Next::Line)
}

fn line(repl: &mut Repl<'_>, expression: &str) -> Result<Next, CommandError> {
    let expression = if expression.is_empty() { "$pc" } else { expression.trim_start_matches('*') };
    let address = address_of(repl, expression)?;
    let code = repl.state.session.code(address);
    let found = code.first().and_then(|code| Some((code.file.clone()?, code.line?, code.function.clone())));
    let Some((file, line, function)) = found else {
        return Err(CommandError::NoMatch(format!("No line number information available for address {address}")));
    };
    let function = function.map(|name| format!(" in {name}")).unwrap_or_default();
    writeln!(repl.out, "Line {line} of \"{file}\" is at address {address}{function}.")?;
    Ok(Next::Line)
}

/// `set print elements N`, `set $x = …`
pub(super) fn set(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    if text.starts_with('$') {
        let mut variables = std::mem::take(&mut repl.state.variables);
        let selected = select(repl.state, &FrameArgs::default());
        let done = selected.and_then(|selected| Ok(evaluate(&selected, text, &mut variables).map(|_| ())?));
        repl.state.variables = variables;
        return done.map(|()| Next::Line);
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let number = |word: &str| match word {
        "0" | "unlimited" => Ok(usize::MAX),
        word => word.parse().map_err(|_| CommandError::Usage(format!("{word}: a number or unlimited is expected"))),
    };
    let limits = &mut repl.state.settings.limits;
    match words.as_slice() {
        ["print" | "p", "elements", count] => {
            limits.items = number(count)?;
            limits.string = limits.items;
        }
        ["print" | "p", "max-depth", count] => limits.depth = number(count)?.min(64),
        ["print" | "p", "raw", on] => limits.raw = *on != "off",
        ["print" | "p", "pretty", ..] => repl.state.settings.pretty = words.get(2) != Some(&"off"),
        ["disassembly-flavor", flavor] => {
            repl.state.settings.syntax = match *flavor {
                "intel" => crate::arch::instruction::Syntax::Intel,
                "att" => crate::arch::instruction::Syntax::Att,
                other => return Err(CommandError::Usage(format!("{other}: att or intel is expected"))),
            };
        }
        ["pagination" | "confirm" | "width" | "height" | "style" | "verbose" | "history" | "debuginfod", ..] => {}
        ["var" | "variable", ..] => {
            return Err(CommandError::Usage("set var: the process is dead; $NAME = EXPR keeps a value".to_owned()));
        }
        _ => return Err(CommandError::Usage(format!("set {text}: no such setting"))),
    }
    Ok(Next::Line)
}

/// `show WHAT`
pub(super) fn show(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let limits = repl.state.settings.limits;
    match text.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["version"] => writeln!(repl.out, "obit {}", env!("CARGO_PKG_VERSION"))?,
        ["print" | "p", "elements"] => writeln!(repl.out, "{}", limits.items)?,
        ["print" | "p", "max-depth"] => writeln!(repl.out, "{}", limits.depth)?,
        ["convenience" | "conv"] => {
            let names: Vec<String> = repl.state.variables.named().map(|(name, _)| format!("${name}")).collect();
            writeln!(repl.out, "{}", names.join(" "))?;
        }
        _ => return Err(CommandError::Usage(format!("show {text}: no such setting"))),
    }
    Ok(Next::Line)
}

/// A shell's command, with `input` to read.
pub(super) fn shell(repl: &mut Repl<'_>, command: &str, input: Option<Vec<u8>>) -> Result<Next, CommandError> {
    repl.out.flush()?;
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::inherit() };
    let mut child = Process::new("sh")
        .args(["-c", command])
        .stdin(stdin)
        .spawn()
        .map_err(|error| CommandError::Usage(format!("sh: {error}")))?;
    if let (Some(mut pipe), Some(input)) = (child.stdin.take(), input) {
        // A reader that has seen enough closes the pipe.
        let _ = pipe.write_all(&input);
    }
    match child.wait() {
        Ok(status) if status.success() => Ok(Next::Line),
        Ok(status) => Err(CommandError::NoMatch(format!("the shell's command ended with {status}"))),
        Err(error) => Err(CommandError::Usage(format!("sh: {error}"))),
    }
}

/// A command's answer as a shell command's input.
pub(super) fn piped(repl: &mut Repl<'_>, line: &str, command: &str) -> Result<Next, CommandError> {
    let mut answer = Vec::new();
    let answered = repl.with_output(&mut answer, |repl| words::answer(repl, line));
    answered?;
    shell(repl, command, Some(answer))
}
