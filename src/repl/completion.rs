//! What Tab offers: commands, their topics, what is seen in the selected frame, members, names of the whole program,
//! settings, source files, files.

use std::collections::BTreeSet;
use std::path::Path;

use super::data::topics;
use super::words::{self, WORDS};
use super::{Repl, settings};
use crate::command::selected::{find, select};
use crate::command::{FrameArgs, Selection};
use crate::expr::{Scope as _, Variables, member_names};
use crate::module::name_index::NameKind;
use crate::session::Session;
use crate::session::names::Wanted;

/// What is offered at most.
const MOST: usize = 300;
/// Commands whose argument is a command.
const OF_COMMANDS: &[&str] = &["help", "apply", "taas", "faas", "tfaas", "pipe", "with"];
/// Commands whose argument is a file of this machine.
const OF_FILES: &[&str] = &[
    "source",
    "file",
    "core-file",
    "exec-file",
    "symbol-file",
    "add-symbol-file",
    "directory",
    "cd",
    "dump",
    "append",
];
/// Words after which a command of `thread` and `frame` goes on.
const OF_THREAD: &[&str] = &["apply", "find", "name"];
const OF_FRAME: &[&str] = &["address", "apply", "function", "level", "variable"];

/// What can be completed at one prompt.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// What an expression may begin with: variables, `$` names.
    names: Vec<String>,
    /// Functions of the selected thread's frames.
    functions: Vec<String>,
    /// Numbers of the threads.
    threads: Vec<String>,
    /// Namespaces around the selected frame's function.
    namespaces: Vec<String>,
    /// The selected frame, and the values that have names.
    selection: Selection,
    variables: Variables,
    /// Commands that the user made.
    commands: Vec<String>,
}

impl Candidates {
    /// Of the selected frame.
    pub(super) fn of(repl: &Repl<'_>) -> Candidates {
        let mut found = Candidates {
            threads: (1..=repl.state.session.image.threads.len().min(MOST)).map(|number| number.to_string()).collect(),
            selection: repl.state.selection,
            variables: repl.state.variables.clone(),
            commands: repl.customs.names().map(str::to_owned).collect(),
            ..Candidates::default()
        };
        let Ok(selected) = select(repl.state, &FrameArgs::default()) else { return found };
        if let Some((trace, position)) = selected.in_frame() {
            let variables = repl.state.session.variable_names(trace, position);
            found.names = variables.iter().map(|name| name.to_string()).collect();
            found.namespaces = repl.state.session.namespaces(trace, position);
            let functions = trace.frames.iter().filter_map(|frame| frame.code.function.as_deref());
            found.functions = functions.map(|name| name.split('(').next().unwrap_or(name).to_owned()).collect();
        }
        let registers = selected.arch().general_registers();
        found.names.extend(registers.iter().map(|register| format!("${}", register.name)));
        found.names.extend(["$pc", "$sp", "$fp", "$_siginfo", "$_thread"].map(str::to_owned));
        found.names.extend(repl.state.variables.named().map(|(name, _)| format!("${name}")));
        found
    }

    /// Where the completed word begins in the line, and what it may become. Without the session, only what the frame
    /// has is known.
    pub(super) fn complete(&self, line: &str, position: usize, session: Option<&Session>) -> (usize, Vec<String>) {
        let typed = line.get(..position).unwrap_or_default();
        let indent = typed.len() - typed.trim_start().len();
        let (command, rest) = typed.trim_start().split_once(char::is_whitespace).unwrap_or((typed.trim_start(), ""));
        let own = self.commands.iter().map(String::as_str);
        if indent + command.len() == typed.len() {
            return (indent, matching(all_commands().chain(own), command, " "));
        }
        let command = words::find(command).map_or(command, |word| word.names[0]);
        let arguments = rest.trim_start();
        let argument_start = typed.len() - arguments.len();
        if command == "set" || command == "show" || command == "with" {
            let found = settings::completed(arguments, if command == "show" { "" } else { " " });
            let is_value = arguments.starts_with('$') || arguments.starts_with("var");
            if let Some((at, found)) = found.filter(|(_, found)| !found.is_empty() && !is_value) {
                return (argument_start + at, found);
            }
        }
        if OF_FILES.contains(&command) {
            return of_file(typed);
        }
        let start = typed.rfind(|c: char| !is_part_of_name(c)).map_or(0, |at| at + last_char_length(typed, at));
        let word = typed.get(start..).unwrap_or_default();
        let before = typed.get(argument_start..start).unwrap_or_default().trim();
        let is_first = arguments == word;
        match command {
            "info" if is_first => return (start, matching(topics(), word, " ")),
            "thread" if is_first => {
                let all = OF_THREAD.iter().copied().chain(self.threads.iter().map(String::as_str));
                return (start, matching(all, word, " "));
            }
            "frame" if is_first => return (start, matching(OF_FRAME.iter().copied(), word, " ")),
            _ => {}
        }
        if is_first && OF_COMMANDS.contains(&command) || begins_a_command(command, before) {
            return (start, matching(all_commands(), word, " "));
        }
        if let Some(wanted) = names_of(command, before) {
            let functions = self.functions.iter().map(String::as_str);
            let found = match (command, wanted) {
                ("frame", _) | ("info", None) => matching(functions, word, ""),
                (_, wanted) => {
                    let wanted = wanted.unwrap_or(Wanted::Any);
                    session.map(|session| session.names_beginning(word, wanted, &[], MOST)).unwrap_or_default()
                }
            };
            return (start, found);
        }
        if command == "list" && is_first_of_list(arguments) {
            return (argument_start, self.of_list(arguments, session));
        }
        let line_before = typed.get(..start).unwrap_or_default();
        if let Some(object) = line_before.strip_suffix('.').or_else(|| line_before.strip_suffix("->")) {
            return (start, self.members(object_at_end(object), word, session));
        }
        (start, self.of_expression(line_before, word, session))
    }

    /// Members of what an expression stands for.
    fn members(&self, object: &str, typed: &str, session: Option<&Session>) -> Vec<String> {
        let selected = session.and_then(|session| find(session, self.selection).ok());
        let members = selected.map(|selected| member_names(&selected, object, &self.variables)).unwrap_or_default();
        matching(members.iter().map(String::as_str), typed, "")
    }

    /// What the frame has, then what the program has; behind `struct` only those.
    fn of_expression(&self, before: &str, typed: &str, session: Option<&Session>) -> Vec<String> {
        const TAGS: [(&str, NameKind); 4] = [
            ("struct", NameKind::Struct),
            ("class", NameKind::Struct),
            ("union", NameKind::Union),
            ("enum", NameKind::Enum),
        ];
        let previous = before.trim_end();
        let tag = TAGS.iter().find(|(word, _)| {
            previous.len() < before.len()
                && previous.strip_suffix(word).is_some_and(|before| !before.ends_with(is_part_of_name))
        });
        let program = |wanted: Wanted| {
            // A list of everything that there is helps nobody, and registers are no names of the program.
            let session = session.filter(|_| !typed.is_empty() && !typed.starts_with('$') || wanted != Wanted::Any);
            session.map(|session| session.names_beginning(typed, wanted, &self.namespaces, MOST)).unwrap_or_default()
        };
        if let Some((_, kind)) = tag {
            return program(Wanted::Tagged(*kind));
        }
        let mut found = matching(self.names.iter().map(String::as_str), typed, "");
        for name in program(Wanted::Any) {
            if found.len() < MOST && !found.contains(&name) {
                found.push(name);
            }
        }
        found.sort_unstable();
        found
    }

    /// `FILE:` and functions.
    fn of_list(&self, typed: &str, session: Option<&Session>) -> Vec<String> {
        let Some(session) = session else { return Vec::new() };
        let mut found: BTreeSet<String> = BTreeSet::new();
        for path in session.source_files() {
            let name = path.rsplit('/').next().unwrap_or(path);
            if !typed.is_empty() && path.starts_with(typed) {
                found.insert(format!("{path}:"));
            } else if name.starts_with(typed) {
                found.insert(format!("{name}:"));
            }
        }
        if !typed.is_empty() {
            found.extend(session.names_beginning(typed, Wanted::Functions, &self.namespaces, MOST));
        }
        found.into_iter().take(MOST).collect()
    }
}

fn all_commands<'a>() -> impl Iterator<Item = &'a str> {
    WORDS.iter().flat_map(|word| word.names).copied()
}

/// Which names of the program a command's argument is, where it is no expression; `None` inside: functions of the stack.
fn names_of(command: &str, before: &str) -> Option<Option<Wanted>> {
    match (command, before) {
        ("frame", "function") | ("info", "frame function") => Some(None),
        ("info", "functions") => Some(Some(Wanted::Functions)),
        ("info", "types") => Some(Some(Wanted::Types)),
        ("info", "scope") | ("disassemble", "") => Some(Some(Wanted::Functions)),
        _ => None,
    }
}

/// `thread apply all`, `frame apply 3`: what follows is a command.
fn begins_a_command(command: &str, before: &str) -> bool {
    let mut given = before.split_whitespace();
    let is_apply = matches!(command, "thread" | "frame") && given.next() == Some("apply");
    is_apply && given.next().is_some() && given.all(|word| word.starts_with('-') || word.parse::<u32>().is_ok())
}

/// A file or a function, and no expression.
fn is_first_of_list(arguments: &str) -> bool {
    !arguments.contains(|c: char| c.is_whitespace() || matches!(c, '*' | '(' | '&' | ','))
}

/// A file of this machine, from the last blank on.
fn of_file(typed: &str) -> (usize, Vec<String>) {
    let start = typed.rfind(char::is_whitespace).map_or(0, |at| at + last_char_length(typed, at));
    let word = typed.get(start..).unwrap_or_default();
    let (directory, name) =
        word.rsplit_once('/').map_or(("", word), |(_, name)| (&word[..word.len() - name.len()], name));
    let place = if directory.is_empty() { Path::new(".") } else { Path::new(directory) };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(place).into_iter().flatten().flatten().take(100_000) {
        let own = entry.file_name();
        let Some(own) = own.to_str().filter(|own| own.starts_with(name)) else { continue };
        if own.starts_with('.') && name.is_empty() {
            continue;
        }
        let slash = if entry.path().is_dir() { "/" } else { "" };
        found.push(format!("{directory}{own}{slash}"));
    }
    found.sort_unstable();
    found.truncate(MOST);
    (start, found)
}

/// The object at the end of an unfinished expression: `a.b`, `p[0]`, `(*p)`, `ns::x`.
fn object_at_end(text: &str) -> &str {
    let mut end = text.len();
    let mut depth = 0usize;
    for (at, c) in text.char_indices().rev() {
        let before = text.get(..at).unwrap_or_default();
        match c {
            ')' | ']' => depth += 1,
            '(' | '[' if depth > 0 => depth -= 1,
            _ if depth > 0 => {}
            '.' => {}
            '>' if before.ends_with('-') => {}
            '-' if text.get(at + 1..).is_some_and(|rest| rest.starts_with('>')) => {}
            c if is_part_of_name(c) => {}
            _ => break,
        }
        end = at;
    }
    if depth > 0 { "" } else { text.get(end..).unwrap_or_default() }
}

fn is_part_of_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$' | ':')
}

fn last_char_length(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8)
}

fn matching<'n>(names: impl Iterator<Item = &'n str>, typed: &str, behind: &str) -> Vec<String> {
    let mut found: Vec<String> =
        names.filter(|name| name.starts_with(typed)).map(|name| format!("{name}{behind}")).collect();
    found.sort_unstable();
    found.dedup();
    found.truncate(MOST);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(line: &str) -> (usize, Vec<String>) {
        let candidates = Candidates {
            names: ["order", "ordinal", "sum", "$rip"].map(str::to_owned).to_vec(),
            functions: ["main", "total"].map(str::to_owned).to_vec(),
            threads: vec!["1".to_owned()],
            ..Candidates::default()
        };
        candidates.complete(line, line.len(), None)
    }

    #[test]
    fn tab_offers_what_fits_the_place() {
        let names = |found: (usize, Vec<String>)| (found.0, found.1.join("|"));
        assert_eq!(names(offered("backt")), (0, "backtrace ".to_owned()));
        assert_eq!(names(offered("info loc")), (5, "locals ".to_owned()));
        assert_eq!(names(offered("help backt")), (5, "backtrace ".to_owned()));
        assert_eq!(names(offered("thread apply all backt")), (17, "backtrace ".to_owned()));
        assert_eq!(names(offered("thread ap")), (7, "apply ".to_owned()));
        assert_eq!(names(offered("f function t")), (11, "total".to_owned()));
        assert_eq!(names(offered("p ord")), (2, "order|ordinal".to_owned()));
        assert_eq!(names(offered("x/4i $r")), (5, "$rip".to_owned()));
        assert_eq!(names(offered("set disassembly-f")), (4, "disassembly-flavor ".to_owned()));
        assert_eq!(names(offered("set disassembly-flavor i")), (23, "intel".to_owned()));
        assert_eq!(names(offered("show print pret")), (5, "print pretty".to_owned()));
        assert_eq!(names(offered("p sum.x")), (6, String::new()));
        assert_eq!(names(offered("p é")), (2, String::new()));
    }

    #[test]
    fn the_object_before_a_member_is_found() {
        for (text, object) in [
            ("p *order->next", "order->next"),
            ("p 1+list[order.x + 2]", "list[order.x + 2]"),
            ("p (*p)", "(*p)"),
            ("p -x", "x"),
            ("p a::b", "a::b"),
            ("p a)", ""),
        ] {
            assert_eq!(object_at_end(text), object, "{text}");
        }
    }
}
