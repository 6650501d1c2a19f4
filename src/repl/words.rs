//! gdb's words (and lldb's common ones): which command a line means.

use super::completion::Candidates;
use super::{
    Next, Repl, apply, custom, data, dead, display, dump, explore, files, find as search, goroutine, printf, settings,
    stack, symbols, threads,
};
use crate::command::CommandError;
use crate::session::Role;

/// A command of the session.
pub(super) struct Word {
    /// Its name, and other names for it, which are never abbreviated.
    pub(super) names: &'static [&'static str],
    /// What `help` says.
    pub(super) help: &'static str,
    run: fn(&mut Repl<'_>, &str) -> Result<Next, CommandError>,
}

/// Alphabetically where prefixes meet: the first match of an ambiguous prefix that gdb defines is an alias.
pub(super) static WORDS: &[Word] = &[
    Word {
        names: &["backtrace", "bt", "where"],
        help: "[OPTIONS] [full] [N|-N|all]: the selected thread's stack",
        run: stack::backtrace,
    },
    Word { names: &["frame", "f"], help: "[N | function NAME]: select a frame, or show the selected one", run: frame },
    Word { names: &["up"], help: "[N]: select the caller", run: |repl, text| stack::step(repl, text, 1) },
    Word { names: &["down", "dow"], help: "[N]: select the callee", run: |repl, text| stack::step(repl, text, -1) },
    Word {
        names: &["faas"],
        help: "COMMAND: a command in all frames, silently where it fails",
        run: |repl, text| apply::frames(repl, &format!("all -s {text}")),
    },
    Word { names: &["thread", "t"], help: "[N | LWP | apply | find NAME]: select a thread", run: threads::thread },
    Word {
        names: &["taas"],
        help: "COMMAND: a command in all threads, silently where it fails",
        run: |repl, text| apply::threads(repl, &format!("all -s {text}")),
    },
    Word {
        names: &["tfaas"],
        help: "COMMAND: a command in all frames of all threads",
        run: |repl, text| apply::threads(repl, &format!("all -s frame apply all -s {text}")),
    },
    Word {
        names: &["info", "i", "inf"],
        help: "locals|args|frame|threads|registers|functions|variables|types|scope|address|symbol|line|source|files…: about the program",
        run: data::info,
    },
    Word { names: &["print", "p", "inspect"], help: "[/FMT] EXPR: an expression's value", run: data::print },
    Word { names: &["output"], help: "[/FMT] EXPR: the value alone", run: data::output },
    Word { names: &["v"], help: "[NAME]: a variable, or all of the frame (lldb)", run: variables },
    Word {
        names: &["ptype"],
        help: "[/o|/x|/m] TYPE|EXPR: a type's definition; /o: with offsets, sizes and holes",
        run: data::ptype,
    },
    Word {
        names: &["explore"],
        help: "[value|type] EXPR|TYPE: a value or type, from field to field by number or name",
        run: explore::explore,
    },
    Word {
        names: &["find"],
        help: "[/SIZE-CHAR] [/MAX] START, +LENGTH|END, VALUE...: where values are in memory",
        run: search::find,
    },
    Word {
        names: &["dump"],
        help: "memory FILE START STOP | value FILE EXPR: memory or a value into a file",
        run: |repl, text| dump::dump(repl, text, false),
    },
    Word {
        names: &["append"],
        help: "memory FILE START STOP | value FILE EXPR: memory or a value to a file's end",
        run: |repl, text| dump::dump(repl, text, true),
    },
    Word {
        names: &["display"],
        help: "[/FMT] EXPR: a value, again at every selection of a frame or thread",
        run: display::display,
    },
    Word { names: &["undisplay"], help: "[N...]: end displays", run: display::undisplay },
    Word { names: &["printf"], help: "\"FORMAT\", VALUE...: values in C's formats", run: printf::printf },
    Word { names: &["eval"], help: "\"FORMAT\", VALUE...: the formatted text as a command", run: printf::eval },
    Word {
        names: &["expression", "expr", "e"],
        help: "[--] EXPR: an expression's value (lldb)",
        run: |repl, text| data::print(repl, text.strip_prefix("--").unwrap_or(text).trim()),
    },
    Word { names: &["memory"], help: "read ADDRESS: memory (lldb)", run: memory },
    Word { names: &["target"], help: "variable NAME: a global (lldb)", run: target },
    Word { names: &["whatis", "wh"], help: "EXPR: an expression's type", run: data::whatis },
    Word { names: &["x"], help: "[/NFU] ADDRESS: memory", run: data::examine },
    Word { names: &["list", "l"], help: "[LOCATION]: source lines", run: |repl, text| one(repl, "list", text) },
    Word {
        names: &["forward-search", "search", "fo"],
        help: "RE: the next source line that matches, behind what was listed",
        run: |repl, text| find_line(repl, text, true),
    },
    Word {
        names: &["reverse-search", "rev"],
        help: "RE: the source line that matches before what was listed",
        run: |repl, text| find_line(repl, text, false),
    },
    Word {
        names: &["disassemble", "di"],
        help: "[/s /r] [FUNCTION | ADDRESS | START,END | START,+LENGTH]: instructions",
        run: disassemble,
    },
    Word { names: &["echo"], help: "TEXT: the text", run: printf::echo },
    Word {
        names: &["analyze"],
        help: "why it died, what that rests on, and what to ask next",
        run: |repl, text| words(repl, "analyze", text),
    },
    Word {
        names: &["why"],
        help: "EXPR: where a value comes from: core, file, register, caller",
        run: |repl, text| one(repl, "why", text),
    },
    Word {
        names: &["fingerprint"],
        help: "[--explain] [--rules FILE]: which group the crash belongs to, and what that is made of",
        run: |repl, text| words(repl, "fingerprint", text),
    },
    Word {
        names: &["coverage"],
        help: "what is missing, and which questions that leaves open",
        run: |repl, text| words(repl, "coverage", text),
    },
    Word { names: &["threads"], help: "the threads", run: |repl, text| words(repl, "threads", text) },
    Word {
        names: &["stacks"],
        help: "[--function TEXT] [--module TEXT] [--state STATE]: what threads do, in groups",
        run: |repl, text| words(repl, "stacks", text),
    },
    Word {
        names: &["goroutine"],
        help: "[N [COMMAND]]: one of Go's goroutines as what questions are about, or for one command",
        run: goroutine::goroutine,
    },
    Word {
        names: &["goroutines"],
        help: "[--with RE] [--without RE] [--system] [--locals]: Go's goroutines, in groups",
        run: |repl, text| words(repl, "goroutines", text),
    },
    Word {
        names: &["heap"],
        help: "types [--top N]: objects and bytes of a Go program's heap by type",
        run: |repl, text| words(repl, "heap", text),
    },
    Word {
        names: &["refs"],
        help: "EXPR: what keeps an object of a Go program's heap alive, and who points to it",
        run: |repl, text| one(repl, "refs", text),
    },
    Word {
        names: &["locks"],
        help: "who waits for whom: locks by name, their owners, deadlocks",
        run: |repl, text| words(repl, "locks", text),
    },
    Word {
        names: &["modules", "image"],
        help: "[lookup -a ADDRESS | -n FUNCTION | -t TYPE]: the modules; what is there (lldb)",
        run: modules,
    },
    Word { names: &["maps"], help: "the memory mappings", run: |repl, text| words(repl, "maps", text) },
    Word {
        names: &["registers"],
        help: "[NAME…]: the frame's registers",
        run: |repl, text| words(repl, "registers", text),
    },
    Word { names: &["register"], help: "read [NAME…]: the frame's registers (lldb)", run: register },
    Word {
        names: &["schema"],
        help: "the JSON Schema of --json's documents",
        run: |repl, text| words(repl, "schema", text),
    },
    Word { names: &["set"], help: "SETTING VALUE, $NAME = EXPR: how answers look; a variable", run: data::set },
    Word { names: &["show"], help: "[SETTING|version|convenience|values]: settings, variables", run: data::show },
    Word { names: &["with"], help: "SETTING [VALUE] -- COMMAND: a command under a setting", run: settings::with },
    Word {
        names: &["source"],
        help: "FILE: the commands of a file; list: source lines (lldb)",
        run: |repl, text| match text.strip_prefix("list") {
            // lldb's, where no script is called so.
            Some(rest) if rest.is_empty() || rest.starts_with(char::is_whitespace) => source_list(repl, rest.trim()),
            _ => source(repl, text),
        },
    },
    Word {
        names: &["file", "exec-file", "symbol-file"],
        help: "[FILE]: the executable; without one, what the core's record leads to",
        run: files::executable,
    },
    Word { names: &["core-file", "core"], help: "FILE: another core", run: files::core },
    Word {
        names: &["add-symbol-file"],
        help: "FILE ADDRESS: a file that the core does not name, and where its .text is",
        run: files::add_symbols,
    },
    Word {
        names: &["directory", "dir"],
        help: "[DIR...]: where source files are looked for too; without any, no more",
        run: files::directory,
    },
    Word { names: &["unset"], help: "substitute-path [FROM]: names of source files as they are", run: files::unset },
    Word { names: &["define"], help: "NAME: a command of the lines up to end", run: needs_lines },
    Word { names: &["document"], help: "NAME: what help says of a defined command, up to end", run: needs_lines },
    Word { names: &["alias"], help: "[-a] NAME = COMMAND: another name for a command", run: custom::alias },
    Word { names: &["if"], help: "EXPR: the lines up to else or end, where it is not 0", run: needs_lines },
    Word { names: &["while"], help: "EXPR: the lines up to end, as long as it is not 0", run: needs_lines },
    Word { names: &["help", "h"], help: "[COMMAND]: what a command does", run: help },
    Word { names: &["complete"], help: "TEXT: what Tab offers behind the text", run: complete },
    Word { names: &["apropos"], help: "TEXT: commands whose help has the text", run: apropos },
    Word { names: &["quit", "q", "exit"], help: "end the session", run: |_, _| Ok(Next::Quit) },
];

/// Answers a line.
pub(super) fn answer(repl: &mut Repl<'_>, line: &str) -> Result<Next, CommandError> {
    let line = line.trim();
    if let Some(command) = line.strip_prefix('!').or(line.strip_prefix("shell ")) {
        return data::shell(repl, command, None);
    }
    // gdb has a bar for it too.
    if let Some(rest) = line.strip_prefix("pipe ").or(line.strip_prefix('|')) {
        let (command, shell) = piped(rest.trim())
            .ok_or_else(|| CommandError::Usage("pipe [-d DELIMITER] COMMAND | SHELL COMMAND".to_owned()))?;
        return data::piped(repl, command, shell);
    }
    match custom::answer(repl, line) {
        Some(answered) => answered,
        None => answer_own(repl, line),
    }
}

/// `COMMAND | SHELL COMMAND`, or with another delimiter: `-d END COMMAND END SHELL COMMAND`.
fn piped(text: &str) -> Option<(&str, &str)> {
    let (delimiter, text) = match text.strip_prefix("-d ") {
        Some(rest) => rest.trim_start().split_once(char::is_whitespace)?,
        None => ("|", text),
    };
    let (command, shell) = text.split_once(delimiter)?;
    Some((command.trim(), shell.trim()))
}

/// Answers a line that no command of the user's is.
pub(super) fn answer_own(repl: &mut Repl<'_>, line: &str) -> Result<Next, CommandError> {
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    // `enable display 1`, where gdb's own are about breakpoints.
    if let ("delete" | "enable" | "disable", Some((topic, numbers))) =
        (name, Some(rest.trim().split_once(char::is_whitespace).unwrap_or((rest.trim(), ""))))
        && topic == "display"
    {
        return match name {
            "delete" => display::undisplay(repl, numbers),
            _ => display::enable(repl, numbers, name == "enable"),
        };
    }
    let found = find(name);
    if let Some(message) = dead::answer(name, found.is_ok()) {
        return Err(CommandError::Usage(message));
    }
    let word = found?;
    // `bt | grep x`, but `p a | b` computes.
    if let (Some((arguments, shell)), false) =
        (rest.split_once(" | "), matches!(word.names[0], "print" | "output" | "x" | "whatis" | "set"))
    {
        return data::piped(repl, &format!("{name}{arguments}"), shell);
    }
    custom::hooked(repl, word.names, |repl| (word.run)(repl, rest.trim()))
}

/// The command of that name or unambiguous beginning.
pub(super) fn find(name: &str) -> Result<&'static Word, CommandError> {
    if let Some(word) = WORDS.iter().find(|word| word.names.contains(&name)) {
        return Ok(word);
    }
    let begun: Vec<&Word> = WORDS.iter().filter(|word| !name.is_empty() && word.names[0].starts_with(name)).collect();
    match begun.as_slice() {
        [word] => Ok(word),
        [] => Err(CommandError::Usage(format!("{name}: no such command; help lists them"))),
        several => {
            let names: Vec<&str> = several.iter().map(|word| word.names[0]).collect();
            Err(CommandError::Usage(format!("{name}: ambiguous: {}", names.join(", "))))
        }
    }
}

/// `source [-v] FILE`
fn source(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let text = text.strip_prefix("-v ").or(text.strip_prefix("-s ")).unwrap_or(text).trim();
    if text.is_empty() {
        return Err(CommandError::Usage("source requires file name of file to source.".to_owned()));
    }
    repl.source(&data::path_of(text))
}

/// Lines of their own are what these are made of.
fn needs_lines(_: &mut Repl<'_>, _: &str) -> Result<Next, CommandError> {
    Err(CommandError::Usage("define, document, if and while begin lines of their own, up to end".to_owned()))
}

/// A command of the command line whose arguments are words.
fn words(repl: &mut Repl<'_>, command: &str, text: &str) -> Result<Next, CommandError> {
    let all: Vec<&str> = std::iter::once(command).chain(text.split_whitespace()).collect();
    repl.command(&all)
}

/// A command of the command line with one argument or none.
fn one(repl: &mut Repl<'_>, command: &str, text: &str) -> Result<Next, CommandError> {
    match text {
        "" => repl.command(&[command]),
        text => repl.command(&[command, "--", text]),
    }
}

fn disassemble(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let mut arguments = vec!["disassemble"];
    let mut rest = text.trim_start();
    while let Some(modifiers) = rest.strip_prefix('/') {
        let (letters, after) = modifiers.split_once(char::is_whitespace).unwrap_or((modifiers, ""));
        for letter in letters.chars() {
            match letter {
                's' | 'm' => arguments.push("--source"),
                'r' | 'b' => arguments.push("--raw-bytes"),
                other => return Err(CommandError::Usage(format!("disassemble /{other}: /s and /r are known"))),
            }
        }
        rest = after.trim_start();
    }
    // lldb's spelling.
    let rest = rest.strip_prefix("-n ").or(rest.strip_prefix("--name ")).unwrap_or(rest).trim();
    if !rest.is_empty() {
        arguments.extend(["--", rest]);
    }
    repl.command(&arguments)
}

fn frame(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    match text.split_once(char::is_whitespace).unwrap_or((text, "")) {
        ("apply", rest) => apply::frames(repl, rest),
        ("variable" | "var", "") => stack::variables(repl, None),
        ("variable" | "var", name) => data::print(repl, name),
        _ => stack::frame(repl, text),
    }
}

/// lldb: `register read [--all|-a] [NAME…]`
fn register(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let rest = text.strip_prefix("read").unwrap_or(text).trim();
    let all: Vec<&str> = rest.split_whitespace().map(|word| if word == "-a" { "--all" } else { word }).collect();
    words(repl, "registers", &all.join(" "))
}

/// lldb: `memory read [-c COUNT] [-s SIZE] [-f FORMAT] ADDRESS [END]`, `memory find`, `memory region`.
fn memory(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let usage = || CommandError::Usage("memory read [-c COUNT] [-s SIZE] [-f x|d|u|c|s] ADDRESS".to_owned());
    let (verb, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    match verb {
        "read" => {}
        "region" => return words(repl, "maps", ""),
        "write" => return Err(CommandError::Usage("memory write: the process is dead".to_owned())),
        _ => return Err(usage()),
    }
    let (mut count, mut unit, mut form, mut address) = (32, 'b', 'x', Vec::new());
    let (verb, mut given) = rest.strip_prefix('/').and_then(|rest| rest.split_once(' ')).unwrap_or(("", rest));
    if !verb.is_empty() {
        return data::examine(repl, &format!("/{verb} {given}"));
    }
    let mut next = || {
        let (word, rest) = given.trim_start().split_once(char::is_whitespace).unwrap_or((given.trim_start(), ""));
        given = rest;
        word
    };
    loop {
        match next() {
            "" => break,
            "-c" | "--count" => count = next().parse().map_err(|_| usage())?,
            "-s" | "--size" => {
                unit = match next() {
                    "1" => 'b',
                    "2" => 'h',
                    "4" => 'w',
                    "8" => 'g',
                    _ => return Err(usage()),
                };
            }
            "-f" | "--format" => form = next().chars().next().ok_or_else(usage)?,
            word => address.push(word),
        }
    }
    if address.is_empty() {
        return Err(usage());
    }
    let count: usize = if form == 's' && count == 32 { 1 } else { count };
    data::examine(repl, &format!("/{count}{form}{unit} {}", address.join(" ")))
}

/// lldb: `source list [-n FUNCTION | -f FILE -l LINE | -l LINE]`
fn source_list(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let given: Vec<&str> = text.split_whitespace().collect();
    match given.as_slice() {
        [] => one(repl, "list", ""),
        ["-n" | "--name", name] => one(repl, "list", name),
        ["-l" | "--line", line] => one(repl, "list", line),
        ["-f" | "--file", file, "-l" | "--line", line] => one(repl, "list", &format!("{file}:{line}")),
        _ => Err(CommandError::Usage("source list [-n FUNCTION | -l LINE | -f FILE -l LINE]".to_owned())),
    }
}

fn find_line(repl: &mut Repl<'_>, text: &str, forward: bool) -> Result<Next, CommandError> {
    let mut notes = std::io::sink();
    let mut output = crate::command::Output { out: &mut *repl.out, err: &mut notes, paint: repl.paint };
    crate::command::list::search(text, forward, repl.state, &mut output)?;
    Ok(Next::Line)
}

/// `modules`; lldb: `image list`, `image lookup …`.
fn modules(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    match text.strip_prefix("lookup") {
        Some(what) => symbols::lookup(repl, what.trim()),
        None => words(repl, "modules", text.strip_prefix("list").unwrap_or(text)),
    }
}

/// lldb: `target variable NAME`; what else gdb calls target is about living processes.
fn target(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    match text.split_once(char::is_whitespace) {
        Some(("variable", name)) => data::print(repl, name),
        Some(("modules", rest)) if rest.trim_start().starts_with("lookup") => modules(repl, rest.trim_start()),
        _ if text == "modules" || text.starts_with("modules ") => words(repl, "modules", ""),
        _ => Err(CommandError::Usage(dead::answer("target", false).unwrap_or_default())),
    }
}

fn variables(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    if text.is_empty() { stack::variables(repl, None) } else { data::print(repl, text) }
}

/// What `info locals` and `info args` list.
pub(super) fn role(word: &str) -> Option<Role> {
    if word == "args" { Some(Role::Argument) } else { Some(Role::Local) }
}

fn help(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    if let Some(help) = repl.customs.help(text) {
        writeln!(repl.out, "{help}")?;
        return Ok(Next::Line);
    }
    if text == "user-defined" {
        let listed: Vec<String> = repl.customs.listed().map(|(name, help)| format!("{name} -- {help}")).collect();
        for line in listed {
            writeln!(repl.out, "{line}")?;
        }
        return Ok(Next::Line);
    }
    if !text.is_empty() {
        let (command, topic) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let word = find(command)?;
        let topic = topic.trim();
        if word.names[0] == "info" && !topic.is_empty() {
            let begun = data::TOPICS.iter().filter(|(name, _)| name.starts_with(topic));
            let lines: Vec<String> = begun.map(|(name, help)| format!("info {name} -- {help}")).collect();
            if lines.is_empty() {
                return Err(CommandError::Usage(format!("info {topic}: no such topic; help info lists them")));
            }
            writeln!(repl.out, "{}", lines.join("\n"))?;
            return Ok(Next::Line);
        }
        writeln!(repl.out, "{} {}", word.names.join(", "), word.help)?;
        for line in more_help(word.names[0]) {
            writeln!(repl.out, "{line}")?;
        }
        return Ok(Next::Line);
    }
    for word in WORDS {
        writeln!(repl.out, "{:<12} {}", word.names[0], word.help)?;
    }
    Ok(Next::Line)
}

/// What is said of a command beyond its line.
fn more_help(command: &str) -> Vec<String> {
    const FORMATS: &str = "FMT: x hex, d decimal, u unsigned, o octal, t binary, z hex with zeros, a address, c character, \
                           f float, s string; r: the plain fields";
    match command {
        "info" => data::TOPICS.iter().map(|(name, help)| format!("info {name} -- {help}")).collect(),
        "print" | "output" | "display" => vec![
            FORMATS.to_owned(),
            "options, which end at --, are the settings of `show print`: -elements 3 -pretty -static-members off -- EXPR"
                .to_owned(),
        ],
        "backtrace" => vec![
            "N: the innermost frames; -N: the outermost ones; full: with their locals".to_owned(),
            "-frame-info auto|source-line|location|source-and-location|location-and-address|short-location".to_owned(),
            "-frame-arguments all|scalars|none|presence, -raw-frame-arguments on|off".to_owned(),
            "-entry-values no|only|preferred|if-needed|both|compact|default: what arguments held at the function's entry"
                .to_owned(),
            "-past-main off: nothing beyond main; -full, -hide, -no-filters, and the options of print".to_owned(),
        ],
        "x" => vec![
            "N: how many; F: x d u o t z a c f, s string, i instruction; U: b 1 byte, h 2, w 4, g 8".to_owned(),
            "without an address, what follows what was shown last; N below 0 shows what comes before".to_owned(),
        ],
        "thread" => vec![
            "thread apply all|N... [-q|-c|-s] COMMAND: a command in several threads".to_owned(),
            "thread find TEXT: threads by name; thread backtrace unique: stacks, equal ones once (lldb)".to_owned(),
        ],
        "frame" => vec!["frame apply all|N|-N|level N... [-q|-c|-s] COMMAND: a command in several frames".to_owned()],
        _ => Vec::new(),
    }
}

fn complete(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let candidates = Candidates::of(repl);
    let (start, found) = candidates.complete(text, text.len(), Some(&repl.state.session));
    for name in found {
        writeln!(repl.out, "{}{}", text.get(..start).unwrap_or_default(), name.trim_end())?;
    }
    Ok(Next::Line)
}

fn apropos(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let has = |word: &&Word| word.help.contains(text) || word.names.iter().any(|name| name.contains(text));
    let found: Vec<&Word> = WORDS.iter().filter(has).collect();
    let own = repl.customs.listed().filter(|(name, help)| name.contains(text) || help.contains(text));
    let own: Vec<String> = own.map(|(name, help)| format!("{name} -- {help}")).collect();
    if found.is_empty() && own.is_empty() {
        return Err(CommandError::NoMatch(format!("no command's help has {text}")));
    }
    for line in own {
        writeln!(repl.out, "{line}")?;
    }
    for word in found {
        writeln!(repl.out, "{} -- {}", word.names.join(", "), word.help)?;
    }
    Ok(Next::Line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_mean_what_gdb_makes_of_them() {
        for (typed, meant) in [
            ("bt", "backtrace"),
            ("p", "print"),
            ("f", "frame"),
            ("wh", "whatis"),
            ("i", "info"),
            ("back", "backtrace"),
        ] {
            assert_eq!(find(typed).map(|word| word.names[0]).ok(), Some(meant), "{typed}");
        }
        assert!(find("m").err().is_some_and(|error| error.to_string().contains("ambiguous")));
        assert!(find("nonsense").is_err());
    }
}
