//! Commands that the user makes: `define`, `document`, `alias`; `if` and `while`.

use std::collections::BTreeMap;

use super::block::{self, Block, Node, Opener, first_word};
use super::{Next, Repl, data, words};
use crate::command::CommandError;
use crate::interrupt;

/// User-defined commands within each other.
const MAX_CALLS: usize = 64;
/// What the name of a command begins with that is called before another one, and after it.
const HOOK: &str = "hook-";
const HOOK_AFTER: &str = "hookpost-";
/// Aliases of aliases.
const MAX_ALIASES: usize = 16;

/// What was defined.
#[derive(Clone, Debug, Default)]
pub(super) struct Customs {
    commands: BTreeMap<String, Custom>,
    aliases: BTreeMap<String, Alias>,
    /// Commands that are running within each other.
    calls: usize,
    /// Commands whose hooks are running: a hook that asks its own command is not called again.
    hooking: Vec<String>,
}

/// A user-defined command.
#[derive(Clone, Debug, Default)]
struct Custom {
    lines: Vec<String>,
    nodes: Vec<Node>,
    documentation: Option<String>,
}

/// Another name for a command, perhaps with its first arguments.
#[derive(Clone, Debug)]
struct Alias {
    command: String,
    /// `-a`: an abbreviation, which Tab does not offer.
    abbreviation: bool,
}

impl Customs {
    /// Names that Tab offers.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let aliases = self.aliases.iter().filter(|(name, alias)| !alias.abbreviation && !name.contains(' '));
        self.commands.keys().map(String::as_str).chain(aliases.map(|(name, _)| name.as_str()))
    }

    /// What `help NAME` says.
    pub(super) fn help(&self, name: &str) -> Option<String> {
        if let Some(command) = self.commands.get(name) {
            return Some(command.documentation.clone().unwrap_or_else(|| "User-defined.".to_owned()));
        }
        let alias = self.aliases.get(name)?;
        Some(format!("{name}: an alias of {}", alias.command))
    }

    /// Names with the first lines of their help.
    pub(super) fn listed(&self) -> impl Iterator<Item = (&str, &str)> {
        let commands = self.commands.iter().map(|(name, command)| {
            let text = command.documentation.as_deref().unwrap_or("User-defined.");
            (name.as_str(), text.lines().next().unwrap_or_default())
        });
        commands.chain(self.aliases.iter().map(|(name, alias)| (name.as_str(), alias.command.as_str())))
    }
}

/// Where a list of lines goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
    Quit,
}

/// Does what a whole block says.
pub(super) fn run_block(repl: &mut Repl<'_>, block: &Block) -> Result<Next, CommandError> {
    run_lines(repl, block.first(), block.lines())
}

fn run_lines(repl: &mut Repl<'_>, first: &str, lines: &[String]) -> Result<Next, CommandError> {
    let (word, rest) = first_word(first);
    match block::opener(first) {
        Some(Opener::Define) => define(repl, rest, lines),
        Some(Opener::Document) => document(repl, rest, lines),
        Some(Opener::If | Opener::While) => {
            let whole: Vec<String> =
                std::iter::once(first.to_owned()).chain(lines.iter().cloned()).chain(["end".to_owned()]).collect();
            let nodes = block::parse(&whole)?;
            let flow = run(repl, &nodes, None)?;
            Ok(if flow == Flow::Quit { Next::Quit } else { Next::Line })
        }
        _ if word == "commands" => Err(words_of_the_dead(word)),
        _ => Err(CommandError::Usage(format!("{word}: no other language is run here; its lines were read over"))),
    }
}

fn words_of_the_dead(word: &str) -> CommandError {
    CommandError::Usage(super::dead::answer(word, false).unwrap_or_default())
}

fn define(repl: &mut Repl<'_>, name: &str, lines: &[String]) -> Result<Next, CommandError> {
    let nodes = block::parse(lines)?;
    if let Some(hooked) = name.strip_prefix(HOOK).or_else(|| name.strip_prefix(HOOK_AFTER)) {
        let exists = words::find(hooked).is_ok() || repl.customs.commands.contains_key(hooked);
        if hooked == "stop" {
            repl.aside("define: nothing stops here, as the process is dead; the hook is kept, but never called");
        } else if !exists {
            repl.aside(&format!("warning: Your new `{name}' command does not hook any existing command."));
        }
    }
    let command = repl.customs.commands.entry(name.to_owned()).or_default();
    (command.lines, command.nodes) = (lines.to_vec(), nodes);
    Ok(Next::Line)
}

fn document(repl: &mut Repl<'_>, name: &str, lines: &[String]) -> Result<Next, CommandError> {
    match repl.customs.commands.get_mut(name) {
        Some(command) => {
            command.documentation = Some(lines.join("\n"));
            Ok(Next::Line)
        }
        None if words::find(name).is_ok() => Err(CommandError::Usage(format!("Command \"{name}\" is built-in."))),
        None => Err(CommandError::NoMatch(format!("Undefined command: \"{name}\"."))),
    }
}

/// Answers a line whose command the user made.
pub(super) fn answer(repl: &mut Repl<'_>, line: &str) -> Option<Result<Next, CommandError>> {
    if repl.customs.commands.is_empty() && repl.customs.aliases.is_empty() {
        return None;
    }
    let line = match expanded(&repl.customs, line) {
        Ok(line) => line,
        Err(error) => return Some(Err(error)),
    };
    let (name, rest) = first_word(&line);
    if let Some(command) = repl.customs.commands.get(name) {
        let nodes = command.nodes.clone();
        return Some(hooked(repl, &[name], |repl| call(repl, &nodes, rest)));
    }
    Some(words::answer_own(repl, &line))
}

/// Runs a command of those names between what the user defined to be called before and after it, as gdb does: a hook that
/// fails ends the command too, and a command that fails its later hook.
pub(super) fn hooked(
    repl: &mut Repl<'_>,
    names: &[&str],
    run: impl FnOnce(&mut Repl<'_>) -> Result<Next, CommandError>,
) -> Result<Next, CommandError> {
    let customs = &repl.customs;
    let hook = |prefix: &str| {
        let found = names.iter().find_map(|name| customs.commands.get(&format!("{prefix}{name}")));
        found.map(|command| command.nodes.clone())
    };
    let (before, after) = match customs.commands.is_empty() || repl.state.json {
        true => (None, None),
        false => (hook(HOOK), hook(HOOK_AFTER)),
    };
    let own = names.first().copied().unwrap_or_default();
    if before.is_none() && after.is_none() || customs.hooking.iter().any(|name| name == own) {
        return run(repl);
    }
    repl.customs.hooking.push(own.to_owned());
    let mut answered = before.map_or(Ok(Next::Line), |nodes| call(repl, &nodes, ""));
    if answered.as_ref().is_ok_and(|next| *next == Next::Line) {
        answered = run(repl);
    }
    if let (Ok(Next::Line), Some(nodes)) = (&answered, after) {
        answered = call(repl, &nodes, "");
    }
    repl.customs.hooking.pop();
    answered
}

fn call(repl: &mut Repl<'_>, nodes: &[Node], text: &str) -> Result<Next, CommandError> {
    if repl.customs.calls >= MAX_CALLS {
        return Err(CommandError::Usage(format!("Max user call depth of {MAX_CALLS} exceeded -- command aborted.")));
    }
    repl.customs.calls += 1;
    let flow = run(repl, nodes, Some(&arguments(text)));
    repl.customs.calls -= 1;
    Ok(if flow? == Flow::Quit { Next::Quit } else { Next::Line })
}

/// The line with its alias replaced.
fn expanded(customs: &Customs, line: &str) -> Result<String, CommandError> {
    let mut line = line.to_owned();
    for _ in 0..MAX_ALIASES {
        let fits = |name: &str| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')))
        };
        // The longest name is meant.
        let found = customs.aliases.iter().filter(|(name, _)| fits(name)).max_by_key(|(name, _)| name.len());
        let Some((name, alias)) = found else { return Ok(line) };
        line = format!("{}{}", alias.command, line.get(name.len()..).unwrap_or_default());
    }
    Err(CommandError::Usage(format!("{line}: aliases lead to each other")))
}

/// Words between spaces; those within quotes and brackets are one.
fn arguments(text: &str) -> Vec<String> {
    let (mut found, mut word, mut quote, mut escaped, mut depth) = (Vec::new(), String::new(), None, false, 0usize);
    for c in text.chars() {
        if quote.is_none() && depth == 0 && c.is_whitespace() {
            if !word.is_empty() {
                found.push(std::mem::take(&mut word));
            }
            continue;
        }
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None => match c {
                '"' | '\'' => quote = Some(c),
                '(' | '[' => depth += 1,
                ')' | ']' => depth = depth.saturating_sub(1),
                _ => {}
            },
        }
        word.push(c);
    }
    if !word.is_empty() {
        found.push(word);
    }
    found
}

/// The line with `$argc`, `$arg0`… replaced.
fn with_arguments(line: &str, arguments: &[String]) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("$arg") {
        let (before, behind) = rest.split_at(at);
        let name = behind.get("$arg".len()..).unwrap_or_default();
        let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(name.len());
        let (which, after) = name.split_at(end);
        text.push_str(before);
        let argument = match which {
            "c" => Some(arguments.len().to_string()),
            number => number.parse().ok().and_then(|number: usize| arguments.get(number).cloned()),
        };
        match argument {
            Some(argument) => text.push_str(&argument),
            None => text.push_str(behind.get(.."$arg".len() + end).unwrap_or_default()),
        }
        rest = after;
    }
    text + rest
}

fn run(repl: &mut Repl<'_>, nodes: &[Node], arguments: Option<&[String]>) -> Result<Flow, CommandError> {
    let replaced = |line: &str| match arguments {
        Some(arguments) => with_arguments(line, arguments),
        None => line.to_owned(),
    };
    for node in nodes {
        interrupt::check()?;
        let flow = match node {
            Node::Line(line) if line == "loop_break" => Flow::Break,
            Node::Line(line) if line == "loop_continue" => Flow::Continue,
            Node::Line(line) => match repl.asked(&replaced(line))? {
                Next::Quit => Flow::Quit,
                Next::Line => Flow::On,
            },
            Node::If { condition, then, otherwise } => {
                let chosen = if holds(repl, &replaced(condition))? { then } else { otherwise };
                run(repl, chosen, arguments)?
            }
            Node::While { condition, body } => {
                let mut flow = Flow::On;
                while holds(repl, &replaced(condition))? {
                    interrupt::check()?;
                    flow = run(repl, body, arguments)?;
                    if matches!(flow, Flow::Break | Flow::Quit) {
                        break;
                    }
                }
                if flow == Flow::Quit { flow } else { Flow::On }
            }
            Node::Block { first, lines } => {
                run_lines(repl, &replaced(first), lines)?;
                Flow::On
            }
        };
        if flow != Flow::On {
            return Ok(flow);
        }
    }
    Ok(Flow::On)
}

fn holds(repl: &Repl<'_>, condition: &str) -> Result<bool, CommandError> {
    Ok(data::number(repl, condition)? != 0)
}

/// `alias [-a] [--] NAME = COMMAND [ARGUMENTS]`
pub(super) fn alias(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let usage = || CommandError::Usage("alias [-a] NAME = COMMAND".to_owned());
    let (abbreviation, text) = match text.strip_prefix("-a ") {
        Some(rest) => (true, rest.trim_start()),
        None => (false, text),
    };
    let text = text.strip_prefix("-- ").unwrap_or(text);
    let (name, command) = text.split_once('=').ok_or_else(usage)?;
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    let command = command.trim().to_owned();
    let (word, _) = first_word(&command);
    if name.is_empty() || command.is_empty() {
        return Err(usage());
    }
    if !name.split(' ').all(block::is_name) {
        return Err(CommandError::Usage(format!("Invalid command name: {name}")));
    }
    let word = word.split('/').next().unwrap_or_default();
    let is_command = words::find(word).is_ok()
        || repl.customs.commands.contains_key(word)
        || repl.customs.aliases.keys().any(|known| known == word);
    if !is_command {
        return Err(CommandError::Usage(format!("Invalid command to alias to: {command}")));
    }
    let is_taken = words::WORDS.iter().any(|known| known.names.contains(&name.as_str()));
    if is_taken || repl.customs.commands.contains_key(&name) || repl.customs.aliases.contains_key(&name) {
        return Err(CommandError::Usage(format!("Alias already exists: {name}")));
    }
    repl.customs.aliases.insert(name, Alias { command, abbreviation });
    Ok(Next::Line)
}

/// `show user [NAME]`: definitions as they were typed.
pub(super) fn show(repl: &mut Repl<'_>, name: &str) -> Result<Next, CommandError> {
    let commands: Vec<(String, Vec<String>)> = repl
        .customs
        .commands
        .iter()
        .filter(|(known, _)| name.is_empty() || *known == name)
        .map(|(known, command)| (known.clone(), command.lines.clone()))
        .collect();
    if commands.is_empty() && !name.is_empty() {
        return Err(CommandError::NoMatch(format!("Not a user command: {name}")));
    }
    for (name, lines) in commands {
        writeln!(repl.out, "User command \"{name}\":")?;
        for line in lines {
            writeln!(repl.out, "  {line}")?;
        }
        writeln!(repl.out)?;
    }
    Ok(Next::Line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_words() {
        assert_eq!(arguments("a  \"b c\" f(1, 2)"), ["a", "\"b c\"", "f(1, 2)"]);
        let words = arguments("x y+1");
        assert_eq!(
            with_arguments("p $arg0 + $arg1 * $argc - $arg2 $arg01x $args", &words),
            "p x + y+1 * 2 - $arg2 $arg01x $args"
        );
    }

    #[test]
    fn aliases_that_lead_to_each_other_end() {
        let mut customs = Customs::default();
        let mut add = |name: &str, command: &str| {
            customs.aliases.insert(name.to_owned(), Alias { command: command.to_owned(), abbreviation: false });
        };
        add("pp", "print -pretty --");
        add("a", "b");
        add("b", "a");
        assert_eq!(expanded(&customs, "pp x").unwrap(), "print -pretty -- x");
        assert_eq!(expanded(&customs, "ppx").unwrap(), "ppx");
        assert!(expanded(&customs, "a").is_err());
    }
}
