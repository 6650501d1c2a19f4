//! What Tab offers: commands, their topics, what is seen in the selected frame, and members.

use std::collections::HashMap;

use super::Repl;
use super::data::TOPICS;
use super::words::WORDS;
use crate::command::FrameArgs;
use crate::command::selected::select;
use crate::expr::{Scope, member_names};

/// Variables whose members are looked at before they are asked for.
const MAX_VARIABLES: usize = 200;
/// Commands whose argument is a command.
const OF_COMMANDS: &[&str] = &["help", "apply", "taas", "faas", "tfaas", "pipe", "with"];

/// What can be completed at one prompt.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// What an expression may begin with: variables, `$` names.
    names: Vec<String>,
    /// Members by the variable that has them, or leads to what has them.
    members: HashMap<String, Vec<String>>,
    /// Commands that the user made.
    commands: Vec<String>,
}

impl Candidates {
    /// Of the selected frame.
    pub(super) fn of(repl: &Repl<'_>) -> Candidates {
        let commands = repl.customs.names().map(str::to_owned).collect();
        let mut found = Candidates { commands, ..Candidates::default() };
        let Ok(selected) = select(repl.state, &FrameArgs::default()) else { return found };
        if let Some((trace, position)) = selected.in_frame() {
            let variables = repl.state.session.variable_names(trace, position);
            found.names = variables.iter().map(|name| name.to_string()).collect();
        }
        found.names.sort_unstable();
        found.names.dedup();
        for name in found.names.iter().take(MAX_VARIABLES) {
            let members = member_names(&selected, name);
            if !members.is_empty() {
                found.members.insert(name.clone(), members);
            }
        }
        let registers = selected.arch().general_registers();
        found.names.extend(registers.iter().map(|register| format!("${}", register.name)));
        found.names.extend(["$pc", "$sp", "$fp", "$_siginfo", "$_thread"].map(str::to_owned));
        found.names.extend(repl.state.variables.named().map(|(name, _)| format!("${name}")));
        found
    }

    /// Where the completed word begins in the line, and what it may become.
    pub(super) fn complete(&self, line: &str, position: usize) -> (usize, Vec<String>) {
        let typed = line.get(..position).unwrap_or_default();
        let (command, rest) = typed.split_once(char::is_whitespace).unwrap_or((typed, ""));
        if command.len() == typed.len() {
            let own = self.commands.iter().map(String::as_str);
            return (0, matching(WORDS.iter().flat_map(|word| word.names).copied().chain(own), typed, " "));
        }
        let start = typed.rfind(|c: char| !is_part_of_name(c)).map_or(0, |at| at + last_char_length(typed, at));
        let word = typed.get(start..).unwrap_or_default();
        if rest.trim_start() == word {
            if matches!(command, "info" | "i" | "inf") {
                return (start, matching(TOPICS.iter().copied(), word, " "));
            }
            if OF_COMMANDS.contains(&command) {
                return (start, matching(WORDS.iter().flat_map(|word| word.names).copied(), word, " "));
            }
        }
        let before = typed.get(..start).unwrap_or_default();
        if let Some(object) = before.strip_suffix('.').or_else(|| before.strip_suffix("->")) {
            let from = object.rfind(|c: char| !is_part_of_name(c)).map_or(0, |at| at + last_char_length(object, at));
            // What a member leads to is not looked at: a variable of its name may be something else.
            let is_member = object.get(..from).is_some_and(|before| before.ends_with('.') || before.ends_with("->"));
            let variable = object.get(from..).filter(|_| !is_member);
            let members = variable.and_then(|variable| self.members.get(variable));
            return (start, matching(members.into_iter().flatten().map(String::as_str), word, ""));
        }
        (start, matching(self.names.iter().map(String::as_str), word, ""))
    }
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
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(line: &str) -> (usize, Vec<String>) {
        let candidates = Candidates {
            names: ["order", "ordinal", "sum", "$rip"].map(str::to_owned).to_vec(),
            members: HashMap::from([("order".to_owned(), ["number", "next", "customer"].map(str::to_owned).to_vec())]),
            commands: Vec::new(),
        };
        candidates.complete(line, line.len())
    }

    #[test]
    fn tab_offers_what_fits_the_place() {
        let names = |found: (usize, Vec<String>)| (found.0, found.1.join("|"));
        assert_eq!(names(offered("backt")), (0, "backtrace ".to_owned()));
        assert_eq!(names(offered("info loc")), (5, "locals ".to_owned()));
        assert_eq!(names(offered("help backt")), (5, "backtrace ".to_owned()));
        assert_eq!(names(offered("p ord")), (2, "order|ordinal".to_owned()));
        assert_eq!(names(offered("p *order->n")), (10, "next|number".to_owned()));
        assert_eq!(names(offered("p 1+order.c")), (10, "customer".to_owned()));
        assert_eq!(names(offered("p sum.order.n")), (12, String::new()));
        assert_eq!(names(offered("x/4i $r")), (5, "$rip".to_owned()));
        assert_eq!(names(offered("p sum.x")), (6, String::new()));
        assert_eq!(names(offered("p é")), (2, String::new()));
    }
}
