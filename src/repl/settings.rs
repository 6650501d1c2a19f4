//! `set`, `show` and `with`: gdb's settings. Those that change nothing here are kept, and said to be so.

use super::{Next, Repl};
use crate::arch::instruction::Syntax;
use crate::command::{CommandError, Settings};
use crate::report::bt_text::{FrameArguments, FrameInfo};
use crate::types::Language;

/// What a setting's value is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `on`, `off`
    Switch,
    /// A number; `0` and `unlimited` are without a bound.
    Count,
    /// A number; `-1` and `unlimited` are without a bound.
    CountFromZero,
    Choice(&'static [&'static str]),
    Text,
}

/// What comes of setting it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// Answers change.
    Some,
    /// Nothing, as every script expects of it.
    Quiet,
    /// Nothing, which is said.
    None,
}

struct Setting {
    name: &'static str,
    kind: Kind,
    default: &'static str,
    /// What `show` says; `{}` is the value.
    sentence: &'static str,
    effect: Effect,
}

const fn setting(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    sentence: &'static str,
    effect: Effect,
) -> Setting {
    Setting { name, kind, default, sentence, effect }
}

use Effect::{None as Nothing, Quiet, Some as Changes};
use Kind::{Choice, Count, CountFromZero, Switch, Text};

const LANGUAGES: &[&str] = &["auto", "c", "c++", "go", "rust", "minimal"];
const FRAME_INFO: &[&str] =
    &["auto", "source-line", "location", "source-and-location", "location-and-address", "short-location"];
const ENTRY_VALUES: &[&str] = &["no", "only", "preferred", "if-needed", "both", "compact", "default"];

#[rustfmt::skip]
static SETTINGS: &[Setting] = &[
    setting("backtrace limit", Count, "unlimited", "An upper bound on the number of backtrace levels is {}.", Changes),
    setting("backtrace past-entry", Switch, "off", "Whether backtraces should continue past the entry point of a program is {}.", Changes),
    setting("backtrace past-main", Switch, "on", "Whether backtraces should continue past \"main\" is {}.", Changes),
    setting("breakpoint pending", Text, "auto", "Debugger's behavior regarding pending breakpoints is {}.", Quiet),
    setting("charset", Text, "auto", "The charset is \"{}\".", Nothing),
    setting("confirm", Switch, "off", "Whether to confirm potentially dangerous operations is {}.", Quiet),
    setting("auto-load safe-path", Text, "", "Nothing is loaded by itself.", Quiet),
    setting("auto-solib-add", Switch, "on", "Autoloading of shared library symbols is {}.", Nothing),
    setting("detach-on-fork", Switch, "on", "Whether gdb will detach the child of a fork is {}.", Quiet),
    setting("disassembly-flavor", Choice(&["att", "intel"]), "att", "The disassembly flavor is \"{}\".", Changes),
    setting("follow-fork-mode", Text, "parent", "Debugger response to a program call of fork or vfork is \"{}\".", Quiet),
    setting("height", Count, "unlimited", "Number of lines gdb thinks are in a page is {}.", Changes),
    setting("history expansion", Switch, "off", "History expansion on command input is {}.", Nothing),
    setting("history filename", Text, "", "The filename in which to record the command history is \"{}\".", Changes),
    setting("history save", Switch, "on", "Saving of the history record on exit is {}.", Changes),
    setting("history size", Count, "1000", "The size of the command history is {}.", Changes),
    setting("language", Choice(LANGUAGES), "auto", "The current source language is \"{}\".", Changes),
    setting("listsize", Count, "10", "Number of source lines gdb will list by default is {}.", Changes),
    setting("logging enabled", Switch, "off", "Logging is {}.", Changes),
    setting("logging file", Text, "obit.txt", "The current logfile is \"{}\".", Changes),
    setting("logging overwrite", Switch, "off", "Overwriting of the log file is {}.", Changes),
    setting("logging redirect", Switch, "off", "Writing of answers to the log file alone is {}.", Changes),
    setting("max-value-size", Text, "65536", "Maximum value size is {} bytes.", Nothing),
    setting("non-stop", Switch, "off", "Controlling the inferior in non-stop mode is {}.", Quiet),
    setting("output-radix", Choice(&["10", "16", "8"]), "10", "Default output radix for printing of values is {}.", Changes),
    setting("overload-resolution", Switch, "on", "Overload resolution in evaluating C++ functions is {}.", Nothing),
    setting("pagination", Switch, "on", "State of pagination is {}.", Changes),
    setting("print address", Switch, "on", "Printing of addresses is {}.", Changes),
    setting("print array", Switch, "off", "Pretty formatting of arrays is {}.", Changes),
    setting("print array-indexes", Switch, "off", "Printing of array indexes is {}.", Changes),
    setting("print asm-demangle", Switch, "off", "Demangling of C++/ObjC names in disassembly listings is {}.", Nothing),
    setting("print demangle", Switch, "on", "Demangling of encoded C++/ObjC names when displaying symbols is {}.", Nothing),
    setting("print elements", Count, "64", "Limit on string chars or array elements to print is {}.", Changes),
    setting("print entry-values", Choice(ENTRY_VALUES), "default", "Printing of function arguments at function entry is \"{}\".", Changes),
    setting("print finish", Switch, "on", "Printing of return value after `finish' is {}.", Quiet),
    setting("print frame-arguments", Choice(&["all", "scalars", "none", "presence"]), "scalars", "Printing of non-scalar frame arguments is \"{}\".", Changes),
    setting("print frame-info", Choice(FRAME_INFO), "auto", "Printing of frame information is \"{}\".", Changes),
    setting("print inferior-events", Switch, "on", "Printing of inferior events is {}.", Quiet),
    setting("print max-depth", CountFromZero, "4", "Maximum print depth is {}.", Changes),
    setting("print max-symbolic-offset", Count, "unlimited", "The largest offset that will be printed in <symbol+1234> form is {}.", Nothing),
    setting("print nibbles", Switch, "off", "Printing binary values in groups is {}.", Nothing),
    setting("print null-stop", Switch, "off", "Printing of char arrays to stop at first null char is {}.", Changes),
    setting("print object", Switch, "on", "Printing of object's derived type based on vtable info is {}.", Changes),
    setting("print pretty", Switch, "off", "Pretty formatting of structures is {}.", Changes),
    setting("print raw-frame-arguments", Switch, "off", "Whether to print frame arguments in raw form is {}.", Changes),
    setting("print raw-values", Switch, "off", "Whether to print values in raw form is {}.", Changes),
    setting("print repeats", Count, "10", "Threshold for repeated print elements is {}.", Changes),
    setting("print sevenbit-strings", Switch, "off", "Printing of 8-bit characters in strings as \\nnn is {}.", Nothing),
    setting("print static-members", Switch, "on", "Printing of C++ static members is {}.", Changes),
    setting("print symbol", Switch, "on", "Printing of symbols when printing pointers is {}.", Changes),
    setting("print symbol-filename", Switch, "off", "Printing of source filename and line number with <symbol> is {}.", Nothing),
    setting("print symbol-loading", Text, "full", "Printing of symbol loading messages is \"{}\".", Quiet),
    setting("print thread-events", Switch, "on", "Printing of thread events is {}.", Quiet),
    setting("print type hex", Switch, "off", "Display of struct members offsets and sizes in hexadecimal is {}", Nothing),
    setting("print type methods", Switch, "on", "Printing of methods defined in a class in {}", Nothing),
    setting("print type nested-type-limit", Count, "0", "Will print nested types defined in a class to a depth of {}", Nothing),
    setting("print type typedefs", Switch, "on", "Printing of typedefs defined in a class in {}", Nothing),
    setting("print union", Switch, "on", "Printing of unions interior to structures is {}.", Changes),
    // As in gdb, of today's C++ ABI nothing shows otherwise.
    setting("print vtbl", Switch, "off", "Printing of C++ virtual function tables is {}.", Quiet),
    setting("prompt", Text, "(obit) ", "Gdb's prompt is \"{}\".", Changes),
    setting("python print-stack", Text, "message", "The mode of Python stack printing on error is \"{}\".", Quiet),
    setting("scheduler-locking", Text, "replay", "Mode for locking scheduler during execution is \"{}\".", Quiet),
    setting("solib-search-path", Text, "", "The search path for loading non-absolute shared library symbol files is {}.", Nothing),
    setting("startup-with-shell", Switch, "on", "Use of shell to start subprocesses is {}.", Quiet),
    setting("style enabled", Switch, "on", "CLI output styling is {}.", Quiet),
    setting("trace-commands", Switch, "off", "State of GDB output of commands being executed is {}.", Nothing),
    setting("unwindonsignal", Switch, "off", "Unwinding of stack if a signal is received while in a call dummy is {}.", Quiet),
    setting("verbose", Switch, "off", "Verbosity is {}.", Quiet),
    setting("width", Count, "unlimited", "Number of characters gdb thinks are in a line is {}.", Changes),
];

/// What is about running the program.
static ABOUT_RUNNING: &[&str] = &["args", "environment", "cwd", "exec-wrapper", "variable", "var", "inferior-tty"];

/// The setting that the text's first words name, and what follows.
fn find(text: &str) -> Result<Option<(&'static Setting, &str)>, CommandError> {
    let text = text.trim();
    let mut found: Vec<(&Setting, usize, &str)> = Vec::new();
    for setting in SETTINGS {
        let (mut rest, mut exact, mut fits) = (text, 0, true);
        for word in setting.name.split(' ') {
            let (typed, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            let typed = match (word, typed) {
                ("print", "p" | "pr") => "print",
                ("print raw-values", "raw") => "raw-values",
                _ => typed,
            };
            fits &= !typed.is_empty() && word.starts_with(typed);
            exact += usize::from(typed == word);
            rest = after.trim_start();
        }
        if fits {
            found.push((setting, exact, rest));
        }
    }
    let best = found.iter().map(|(_, exact, _)| *exact).max().unwrap_or(0);
    found.retain(|(_, exact, _)| *exact == best);
    match found.as_slice() {
        [] => Ok(None),
        [(setting, _, rest)] => Ok(Some((setting, rest))),
        // gdb: `raw` is raw-values and raw-frame-arguments; the values are meant.
        several => {
            if let Some((setting, _, rest)) = several.iter().find(|(setting, ..)| setting.name == "print raw-values") {
                return Ok(Some((setting, rest)));
            }
            let names: Vec<&str> = several.iter().map(|(setting, ..)| setting.name).collect();
            Err(CommandError::Usage(format!("Ambiguous set command \"{text}\": {}.", names.join(", "))))
        }
    }
}

pub(super) fn switch(value: &str) -> Option<bool> {
    match value {
        "" | "on" | "1" | "yes" | "enable" | "y" => Some(true),
        "off" | "of" | "0" | "no" | "disable" | "n" => Some(false),
        _ => None,
    }
}

/// The value as `show` has it.
fn checked(setting: &Setting, value: &str) -> Result<String, CommandError> {
    let usage = |message: String| Err(CommandError::Usage(message));
    let unlimited = "unlimited".starts_with(value) && !value.is_empty();
    match setting.kind {
        Switch => match switch(value) {
            Some(on) => Ok(if on { "on" } else { "off" }.to_owned()),
            None => usage("\"on\" or \"off\" expected.".to_owned()),
        },
        Count | CountFromZero if value.is_empty() => {
            usage("Argument required (integer to set it to, or \"unlimited\".).".to_owned())
        }
        Count if unlimited || value == "0" || value == "-1" => Ok("unlimited".to_owned()),
        CountFromZero if unlimited || value == "-1" => Ok("unlimited".to_owned()),
        Count | CountFromZero => match value.parse::<usize>() {
            Ok(number) => Ok(number.to_string()),
            Err(_) => usage(format!("{value}: an integer or \"unlimited\" is expected.")),
        },
        // gdb's other word for it.
        Choice(LANGUAGES) if value == "local" => Ok("auto".to_owned()),
        // A whole word comes before those that it begins.
        Choice(choices) if choices.contains(&value) => Ok(value.to_owned()),
        Choice(choices) => match choices.iter().find(|choice| !value.is_empty() && choice.starts_with(value)) {
            Some(choice) => Ok((*choice).to_owned()),
            None => usage(format!("Undefined item: \"{value}\"; there are {}.", choices.join(", "))),
        },
        Text => Ok(value.to_owned()),
    }
}

/// Gives the setting that value.
fn apply(settings: &mut Settings, setting: &Setting, value: &str) -> Result<(), CommandError> {
    let value = checked(setting, value)?;
    let (on, count) = (value == "on", value.parse::<usize>().ok());
    let print = &mut settings.print;
    match setting.name {
        "print elements" => {
            settings.limits.items = count.unwrap_or(usize::MAX);
            settings.limits.string = settings.limits.items;
        }
        "print max-depth" => settings.limits.depth = count.unwrap_or(usize::MAX).min(64),
        "disassembly-flavor" => settings.syntax = if value == "intel" { Syntax::Intel } else { Syntax::Att },
        "print raw-values" => settings.limits.raw = on,
        "print object" => settings.limits.objects = on,
        "print static-members" => settings.limits.statics = on,
        "print repeats" => print.repeats = count.unwrap_or(usize::MAX),
        "print pretty" => print.pretty = on,
        "print array" => print.array_lines = on,
        "print array-indexes" => print.indexes = on,
        "print address" => print.addresses = on,
        "print symbol" => print.symbols = on,
        "print union" => print.unions = on,
        "print null-stop" => print.null_stop = on,
        "output-radix" => print.radix = count.and_then(|count| u32::try_from(count).ok()).unwrap_or(10),
        "print frame-arguments" => {
            settings.frame_arguments = match value.as_str() {
                "all" => FrameArguments::All,
                "none" => FrameArguments::None,
                "presence" => FrameArguments::Presence,
                _ => FrameArguments::Scalars,
            };
        }
        "language" => {
            let known = [Language::C, Language::Cpp, Language::Go, Language::Rust];
            settings.language = known.into_iter().find(|language| language.name() == Some(&value));
        }
        "print frame-info" => {
            settings.frame_info = match value.as_str() {
                "source-line" => FrameInfo::SourceLine,
                "location" => FrameInfo::Location,
                "source-and-location" => FrameInfo::SourceAndLocation,
                "location-and-address" => FrameInfo::LocationAndAddress,
                "short-location" => FrameInfo::ShortLocation,
                _ => FrameInfo::Auto,
            };
        }
        "listsize" => {
            settings.list_size = Some(count.map_or(u32::MAX, |count| u32::try_from(count).unwrap_or(u32::MAX)))
        }
        "backtrace limit" => settings.backtrace_limit = count,
        _ => {}
    }
    settings.said.insert(setting.name, value);
    Ok(())
}

/// What the setting that is being typed, or its value, may become, and where in the text that begins.
pub(super) fn completed(typed: &str, behind: &str) -> Option<(usize, Vec<String>)> {
    let whole = SETTINGS.iter().filter(|setting| setting.name.starts_with(typed));
    let names: Vec<String> = whole.map(|setting| format!("{}{behind}", setting.name)).collect();
    if !names.is_empty() {
        return Some((0, names));
    }
    let (setting, value) = SETTINGS.iter().find_map(|setting| {
        Some((setting, typed.strip_prefix(setting.name)?.strip_prefix(char::is_whitespace)?.trim_start()))
    })?;
    let values: &[&str] = match setting.kind {
        Switch => &["off", "on"],
        Count | CountFromZero => &["unlimited"],
        Choice(choices) => choices,
        Text => &[],
    };
    let fitting = values.iter().filter(|known| known.starts_with(value)).map(|known| (*known).to_owned());
    Some((typed.len() - value.len(), fitting.collect()))
}

/// `set SETTING VALUE`; `$NAME = EXPR` is the caller's.
pub(super) fn set(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let word = text.split_whitespace().next().unwrap_or_default();
    if word.is_empty() {
        return Err(CommandError::Usage("set SETTING VALUE; show lists the settings".to_owned()));
    }
    if let Some(done) = super::files::set(repl, text) {
        return done;
    }
    if ABOUT_RUNNING.contains(&word) {
        let why = "the process is dead, and what it held cannot be changed; set $NAME = EXPR keeps a value";
        return Err(CommandError::Usage(format!("set {word}: {why}")));
    }
    // gdb's older spelling.
    let text = match text.trim() {
        "logging on" | "logging" => "logging enabled on",
        "logging off" => "logging enabled off",
        text => text,
    };
    let Some((setting, value)) = find(text)? else {
        if text.contains('=') {
            let why = "the process is dead, and what it held cannot be changed; set $NAME = EXPR keeps a value";
            return Err(CommandError::Usage(format!("set {text}: {why}")));
        }
        return Err(CommandError::Usage(format!("set {text}: no such setting; show lists them")));
    };
    apply(&mut repl.state.settings, setting, value)?;
    match setting.name {
        "logging enabled" => return logging(repl),
        "height" | "width" | "pagination" => {
            let screen = repl.screen.clone();
            screen.borrow_mut().resize(&repl.state.settings);
        }
        _ => {}
    }
    if setting.effect == Nothing {
        repl.aside(&format!("set {}: kept, but it changes nothing here", setting.name));
    }
    Ok(Next::Line)
}

/// Begins or ends the log, as the settings now say.
fn logging(repl: &mut Repl<'_>) -> Result<Next, CommandError> {
    let said = |name: &str| repl.state.settings.said.get(name).map(String::as_str);
    let on = |name: &str| said(name) == Some("on");
    let (enabled, overwrite, redirect) = (on("logging enabled"), on("logging overwrite"), on("logging redirect"));
    let file = said("logging file").unwrap_or("obit.txt").to_owned();
    repl.out.flush()?;
    let screen = repl.screen.clone();
    let ended = screen.borrow_mut().end_log();
    if !enabled {
        if let Some(name) = ended {
            writeln!(repl.out, "Done logging to {name}.")?;
        }
        return Ok(Next::Line);
    }
    let what = if redirect { "Redirecting" } else { "Copying" };
    writeln!(repl.out, "{what} output to {file}.")?;
    let path = super::data::path_of(&file);
    let started = screen.borrow_mut().start_log(&path, overwrite, redirect);
    if let Err(error) = started {
        repl.state.settings.said.remove("logging enabled");
        return Err(CommandError::Usage(format!("{file}: {error}")));
    }
    Ok(Next::Line)
}

/// A setting's text, by its whole name.
pub(super) fn said<'s>(settings: &'s Settings, name: &str) -> &'s str {
    let default = || SETTINGS.iter().find(|setting| setting.name == name).map_or("", |setting| setting.default);
    settings.said.get(name).map_or_else(default, String::as_str)
}

fn sentence(repl: &Repl<'_>, setting: &Setting) -> String {
    let page = repl.screen.borrow().terminal().filter(|_| !repl.state.settings.said.contains_key(setting.name));
    let value = match (setting.name, page) {
        ("height", Some((rows, _))) => rows.to_string(),
        ("width", Some((_, columns))) => columns.to_string(),
        ("language", _) if repl.state.settings.language.is_none() => {
            let frame = super::stack::current(repl).ok().and_then(|found| found.frame()?.code.language);
            format!("auto; currently {}", frame.and_then(Language::name).unwrap_or("c"))
        }
        _ => said(&repl.state.settings, setting.name).to_owned(),
    };
    let without = if setting.effect == Nothing { " (It changes nothing here.)" } else { "" };
    format!("{}{without}", setting.sentence.replace("{}", &value))
}

/// `show SETTING`; all that begin so where there are several.
pub(super) fn show(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let text = text.trim();
    if let Some(shown) = super::files::show(repl, text) {
        return shown;
    }
    let group = match text {
        "p" | "pr" => "print",
        text => text,
    };
    let within: Vec<&Setting> = SETTINGS
        .iter()
        .filter(|setting| {
            group.is_empty() || setting.name.strip_prefix(group).is_some_and(|rest| rest.starts_with(' '))
        })
        .collect();
    if !within.is_empty() {
        for setting in within {
            writeln!(repl.out, "{}:  {}", setting.name, sentence(repl, setting))?;
        }
        return Ok(Next::Line);
    }
    let Some((setting, _)) = find(text)? else {
        return Err(CommandError::Usage(format!("show {text}: no such setting; show lists them")));
    };
    writeln!(repl.out, "{}", sentence(repl, setting))?;
    Ok(Next::Line)
}

/// `with SETTING [VALUE] [-- COMMAND]`: the command under that setting.
pub(super) fn with(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let (assignment, command) = match text.split_once(" -- ") {
        Some((assignment, command)) => (assignment, command.trim()),
        None => (text, ""),
    };
    if assignment.trim().is_empty() || command.is_empty() {
        return Err(CommandError::Usage("with SETTING [VALUE] -- COMMAND".to_owned()));
    }
    let word = assignment.split_whitespace().next().unwrap_or_default();
    if super::files::SETTINGS.contains(&word) {
        return Err(CommandError::Usage(format!("with {word}: set it for the session, as files are opened anew")));
    }
    let before = repl.state.settings.clone();
    let answered = set(repl, assignment).and_then(|_| super::words::answer(repl, command));
    repl.state.settings = before;
    let screen = repl.screen.clone();
    screen.borrow_mut().resize(&repl.state.settings);
    answered
}

/// Takes gdb's options (`-elements 3 -pretty -- x`) from in front of an expression: the settings of these groups that
/// they make.
pub(super) fn take_options<'t>(
    settings: &Settings,
    groups: &[&str],
    text: &'t str,
) -> Result<(Settings, &'t str), CommandError> {
    let mut changed = settings.clone();
    let mut rest = text.trim_start();
    while let Some(option) = rest.strip_prefix('-') {
        if let Some(after) = rest.strip_prefix("-- ") {
            return Ok((changed, after.trim_start()));
        }
        let (name, after) = option.split_once(char::is_whitespace).unwrap_or((option, ""));
        // `-x` may be an expression.
        if name.len() < 2 || !name.starts_with(|c: char| c.is_ascii_lowercase()) {
            break;
        }
        let found = groups.iter().find_map(|group| {
            let wanted = format!("{group} {name}");
            let (setting, _) = find(&wanted).ok().flatten()?;
            (setting.name.split(' ').count() == 2).then_some(setting)
        });
        let Some(setting) = found else { break };
        let (value, later) = after.trim_start().split_once(char::is_whitespace).unwrap_or((after.trim_start(), ""));
        rest = match setting.kind {
            // A switch's value may be left out.
            Switch if value.is_empty() || switch(value).is_none() => {
                apply(&mut changed, setting, "on")?;
                after.trim_start()
            }
            _ => {
                apply(&mut changed, setting, value)?;
                later.trim_start()
            }
        };
    }
    Ok((changed, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Option<&'static str> {
        find(text).ok().flatten().map(|(setting, _)| setting.name)
    }

    #[test]
    fn settings_are_found_by_their_beginnings() {
        assert_eq!(name("print pretty on"), Some("print pretty"));
        assert_eq!(name("p el 3"), Some("print elements"));
        assert_eq!(name("pagination off"), Some("pagination"));
        assert_eq!(name("print array on"), Some("print array"));
        assert_eq!(name("print raw on"), Some("print raw-values"));
        assert_eq!(name("print type methods off"), Some("print type methods"));
        assert_eq!(name("nonsense"), None);
        assert!(find("print s on").is_err());
    }

    #[test]
    fn options_stand_before_an_expression() {
        let (settings, rest) = take_options(&Settings::default(), &["print"], "-elements 3 -pretty -- -x").unwrap();
        assert_eq!((settings.limits.items, settings.print.pretty, rest), (3, true, "-x"));
        let (settings, rest) = take_options(&Settings::default(), &["print"], "-array-indexes on x + 1").unwrap();
        assert_eq!((settings.print.indexes, rest), (true, "x + 1"));
        let (_, rest) = take_options(&Settings::default(), &["print"], "-x").unwrap();
        assert_eq!(rest, "-x");
        let (_, rest) = take_options(&Settings::default(), &["print"], "-count").unwrap();
        assert_eq!(rest, "-count");
    }
}
