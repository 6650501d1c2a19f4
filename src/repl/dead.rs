//! What only a living process can do, and what to ask instead.

/// (gdb's command, what to ask of a core instead).
static COMMANDS: &[(&str, &str)] = &[
    ("run", "bt shows where it ended, info proc how it was started"),
    ("start", "bt shows where it ended"),
    ("starti", "bt shows where it ended"),
    ("step", "up and down move between frames"),
    ("next", "up and down move between frames"),
    ("stepi", "x/i $pc shows the instruction"),
    ("nexti", "x/i $pc shows the instruction"),
    ("continue", "bt shows where it ended"),
    ("fg", "bt shows where it ended"),
    ("finish", "up selects the caller"),
    ("until", "up selects the caller"),
    ("advance", "up selects the caller"),
    ("return", "up selects the caller"),
    ("break", "list LOCATION shows the source, info line its address"),
    ("br", "list LOCATION shows the source, info line its address"),
    ("brea", "list LOCATION shows the source, info line its address"),
    ("b", "list LOCATION shows the source, info line its address"),
    ("tbreak", "list LOCATION shows the source"),
    ("hbreak", "list LOCATION shows the source"),
    ("thbreak", "list LOCATION shows the source"),
    ("rbreak", "list LOCATION shows the source"),
    ("dprintf", "printf prints values of the selected frame"),
    ("watch", "print shows the last value"),
    ("rwatch", "print shows the last value"),
    ("awatch", "print shows the last value"),
    ("catch", "info signals shows the signal that it got"),
    ("tcatch", "info signals shows the signal that it got"),
    ("condition", "nothing stops any more; print evaluates a condition"),
    ("ignore", "nothing stops any more"),
    ("commands", "nothing stops any more; -x FILE or source FILE runs commands"),
    ("delete", "there are no breakpoints; undisplay removes a display"),
    ("clear", "there are no breakpoints"),
    ("enable", "there are no breakpoints; enable display N is about displays"),
    ("disable", "there are no breakpoints; disable display N is about displays"),
    ("call", "print reads values; the program's functions cannot be run"),
    ("compile", "print reads values; the program's functions cannot be run"),
    ("jump", "frame selects a frame"),
    ("kill", "quit ends the session"),
    ("detach", "quit ends the session"),
    ("disconnect", "quit ends the session"),
    ("signal", "info signals shows the one that it got"),
    ("queue-signal", "info signals shows the one that it got"),
    ("handle", "info signals shows the one that it got"),
    ("attach", "a process is looked into as obit pid:N, where that is supported"),
    ("target", "start obit with another core: obit EXE CORE"),
    ("generate-core-file", "the core is there already: info says where"),
    ("gcore", "the core is there already: info says where"),
    ("checkpoint", "up and down move between frames"),
    ("restart", "up and down move between frames"),
    ("record", "bt shows how it came here"),
    ("reverse-step", "up selects the caller"),
    ("reverse-next", "up selects the caller"),
    ("reverse-stepi", "up selects the caller"),
    ("reverse-nexti", "up selects the caller"),
    ("reverse-continue", "bt shows how it came here"),
    ("reverse-finish", "up selects the caller"),
    ("inferior", "there is one process; thread selects a thread"),
    ("add-inferior", "start obit once for each core"),
    ("remove-inferiors", "there is one process"),
    ("interrupt", "the process has stopped for good"),
    ("load", "start obit with another executable: obit EXE CORE"),
    ("restore", "memory cannot be written; dump memory writes it to a file"),
    ("process", "info proc is about the process, thread selects a thread"),
    ("breakpoint", "list LOCATION shows the source"),
    ("watchpoint", "print shows the last value"),
];

/// gdb's shortest words for them, which are no prefix of these alone.
static SHORT: &[(&str, &str)] = &[
    ("r", "run"),
    ("s", "step"),
    ("n", "next"),
    ("si", "stepi"),
    ("ni", "nexti"),
    ("c", "continue"),
    ("fin", "finish"),
    ("u", "until"),
    ("k", "kill"),
    ("j", "jump"),
    ("tb", "tbreak"),
    ("tbr", "tbreak"),
    ("cont", "continue"),
    ("del", "delete"),
    ("disa", "disable"),
    ("en", "enable"),
    ("d", "delete"),
];

/// (gdb's command, what to ask here) of what is neither here nor about living processes.
static ELSEWHERE: &[(&str, &str)] = &[
    ("python", "no scripts run here; COMMAND --json answers for one, and formatters of your own are TOML files"),
    ("python-interactive", "no scripts run here; COMMAND --json answers for one"),
    ("guile", "no scripts run here; COMMAND --json answers for one"),
    ("tui", "there are no windows; list, disassemble /s and info registers show what they would"),
    ("layout", "there are no windows; list, disassemble /s and info registers show what they would"),
    ("focus", "there are no windows; list, disassemble /s and info registers show what they would"),
    ("macro", "macros are not read; print knows enumerators and constants"),
    ("maintenance", "info files shows the sections, info sharedlibrary the debug information that was found"),
    ("cd", "give files with their paths; directory DIR says where source files are"),
    ("pwd", "!pwd says it"),
];

/// What is said where the word is a command for living processes; `known`: the word begins a command that obit has.
pub(super) fn answer(name: &str, known: bool) -> Option<String> {
    let short = SHORT.iter().find(|(short, _)| *short == name).map(|(_, long)| *long);
    let wanted = short.unwrap_or(name);
    // lldb's `target variable` is answered; what is gdb's target is said there.
    let exact =
        COMMANDS.iter().find(|(command, _)| *command == wanted).filter(|(command, _)| *command != "target" || !known);
    let begun = || COMMANDS.iter().find(|(command, _)| name.len() > 1 && command.starts_with(name)).filter(|_| !known);
    if let Some((command, instead)) = ELSEWHERE.iter().find(|(command, _)| *command == name && !known) {
        return Some(format!("{command}: {instead}"));
    }
    let (command, instead) = exact.or_else(begun)?;
    Some(format!("{command}: the process is dead; {instead}"))
}

/// The words, for those who list or try them all.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().chain(SHORT).map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_their_beginnings() {
        let says = |name: &str| answer(name, false).unwrap_or_default();
        assert!(says("continue").starts_with("continue: the process is dead"));
        assert!(says("c").starts_with("continue: "));
        assert!(says("s").starts_with("step: "));
        assert!(says("finis").starts_with("finish: "));
        assert_eq!(answer("print", true), None);
        assert!(names().all(|name| answer(name, name != "target").is_some()));
    }
}
