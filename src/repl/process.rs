//! What the core says of the process: `info auxv`, `info proc`, `info signals`, `info program`, `info inferiors`.

use super::{Next, Repl};
use crate::addr::RunAddr;
use crate::command::CommandError;
use crate::image::environment::InitialStack;
use crate::image::signal::signal_name;
use crate::report::signal_text;

/// How gdb shows an entry's value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Decimal,
    Hex,
    Text,
}

use Form::{Decimal, Hex, Text};

/// Entries of the auxiliary vector (AT_ numbers of uapi/linux/auxvec.h, Linux 6.10), in gdb's words.
static AUXV: &[(u64, &str, &str, Form)] = &[
    (0, "AT_NULL", "End of vector", Hex),
    (1, "AT_IGNORE", "Entry should be ignored", Hex),
    (2, "AT_EXECFD", "File descriptor of program", Decimal),
    (3, "AT_PHDR", "Program headers for program", Hex),
    (4, "AT_PHENT", "Size of program header entry", Decimal),
    (5, "AT_PHNUM", "Number of program headers", Decimal),
    (6, "AT_PAGESZ", "System page size", Decimal),
    (7, "AT_BASE", "Base address of interpreter", Hex),
    (8, "AT_FLAGS", "Flags", Hex),
    (9, "AT_ENTRY", "Entry point of program", Hex),
    (10, "AT_NOTELF", "Program is not ELF", Decimal),
    (11, "AT_UID", "Real user ID", Decimal),
    (12, "AT_EUID", "Effective user ID", Decimal),
    (13, "AT_GID", "Real group ID", Decimal),
    (14, "AT_EGID", "Effective group ID", Decimal),
    (15, "AT_PLATFORM", "String identifying platform", Text),
    (16, "AT_HWCAP", "Machine-dependent CPU capability hints", Hex),
    (17, "AT_CLKTCK", "Frequency of times()", Decimal),
    (18, "AT_FPUCW", "Used FPU control word", Hex),
    (23, "AT_SECURE", "Boolean, was exec setuid-like?", Decimal),
    (24, "AT_BASE_PLATFORM", "String identifying base platform", Text),
    (25, "AT_RANDOM", "Address of 16 random bytes", Hex),
    (26, "AT_HWCAP2", "Extension of AT_HWCAP", Hex),
    (27, "AT_RSEQ_FEATURE_SIZE", "rseq supported feature size", Decimal),
    (28, "AT_RSEQ_ALIGN", "rseq allocation alignment", Decimal),
    (29, "AT_HWCAP3", "Extension of AT_HWCAP", Hex),
    (30, "AT_HWCAP4", "Extension of AT_HWCAP", Hex),
    (31, "AT_EXECFN", "File name of executable", Text),
    (32, "AT_SYSINFO", "Special system info/entry points", Hex),
    (33, "AT_SYSINFO_EHDR", "System-supplied DSO's ELF header", Hex),
    (51, "AT_MINSIGSTKSZ", "Minimum stack size for signal delivery", Hex),
];

/// Bytes of a string that an entry leads to.
const MAX_STRING: usize = 4096;

/// `info auxv`
pub(super) fn auxv(repl: &mut Repl<'_>) -> Result<Next, CommandError> {
    let image = &repl.state.session.image;
    if image.process.auxv.is_empty() {
        return Err(CommandError::NoMatch("The program has no auxiliary information now.".to_owned()));
    }
    for (kind, value) in &image.process.auxv {
        let known = AUXV.iter().find(|(known, ..)| known == kind);
        let (name, words, form) = known.map_or(("???", "", Hex), |(_, name, words, form)| (*name, *words, *form));
        write!(repl.out, "{kind:<4} {name:<20} {words:<30} ")?;
        match form {
            Decimal => writeln!(repl.out, "{value}")?,
            Hex => writeln!(repl.out, "{value:#x}")?,
            Text => match repl.state.session.memory().read_c_string(RunAddr(*value), MAX_STRING) {
                Ok((bytes, _)) => writeln!(repl.out, "{value:#x} \"{}\"", bytes.escape_ascii())?,
                Err(_) => writeln!(repl.out, "{value:#x} <not saved in the core>")?,
            },
        }
    }
    Ok(Next::Line)
}

/// The initial stack's strings, or that the core has not kept them.
fn initial(repl: &Repl<'_>) -> Result<InitialStack, CommandError> {
    let initial = InitialStack::find(&repl.state.session.image);
    match initial.arguments.is_empty() && initial.variables.is_empty() {
        true => {
            Err(CommandError::NoMatch("the end of the initial stack, which has them, is not in the core".to_owned()))
        }
        false => Ok(initial),
    }
}

/// `show args`: what the program was started with, as a shell would read it.
pub(super) fn show_arguments(repl: &mut Repl<'_>) -> Result<Next, CommandError> {
    let initial = initial(repl)?;
    let arguments: Vec<String> = initial.arguments.iter().skip(1).map(|argument| quoted(argument)).collect();
    writeln!(repl.out, "The program was started with the arguments \"{}\".", arguments.join(" "))?;
    Ok(Next::Line)
}

/// In single quotes where a shell would make something of it.
fn quoted(argument: &[u8]) -> String {
    let text = String::from_utf8_lossy(argument);
    let is_plain = |c: char| c.is_alphanumeric() || "_-+=/.,:@%".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.into_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

/// `show environment [NAME]`: what the program was started with; `setenv` changes other memory.
pub(super) fn show_environment(repl: &mut Repl<'_>, name: Option<&str>) -> Result<Next, CommandError> {
    let initial = initial(repl)?;
    let variables = initial.variables.iter().map(|variable| String::from_utf8_lossy(variable));
    let Some(name) = name else {
        for variable in variables {
            writeln!(repl.out, "{}", variable.escape_debug())?;
        }
        return Ok(Next::Line);
    };
    let value = variables.into_iter().find_map(|text| Some(text.strip_prefix(name)?.strip_prefix('=')?.to_owned()));
    let value = value.ok_or_else(|| CommandError::NoMatch(format!("Environment variable \"{name}\" not defined.")))?;
    writeln!(repl.out, "{name} = {}", value.escape_debug())?;
    Ok(Next::Line)
}

/// What `info proc` shows.
pub(super) fn proc(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let word = text.split_whitespace().next().unwrap_or_default();
    let begins = |topic: &str| !word.is_empty() && topic.starts_with(word);
    if repl.state.json {
        return if begins("mappings") { repl.command(&["maps"]) } else { repl.command(&["info"]) };
    }
    if begins("mappings") {
        return mappings(repl);
    }
    let not_saved = |what: &str| Err(CommandError::NoMatch(format!("info proc {what}: a core does not have it")));
    if begins("stat") || begins("status") {
        return not_saved(word);
    }
    if begins("cwd") {
        return not_saved("cwd");
    }
    let all = word.is_empty() || begins("all");
    if !(all || begins("cmdline") || begins("exe")) {
        return Err(CommandError::Usage(format!("info proc {word}: mappings, cmdline, exe or all is expected")));
    }
    let process = &repl.state.session.image.process;
    if let (true, Some(pid)) = (all, process.pid) {
        writeln!(repl.out, "process {pid}")?;
    }
    if let (true, Some(command)) = (all || begins("cmdline"), &process.command) {
        writeln!(repl.out, "cmdline = '{command}'")?;
    }
    if all {
        writeln!(repl.out, "cwd = <not in the core>")?;
    }
    if let (true, Some(executable)) = (all || begins("exe"), &process.executable) {
        writeln!(repl.out, "exe = '{executable}'")?;
    }
    if begins("all") {
        return mappings(repl);
    }
    Ok(Next::Line)
}

/// `info proc mappings`, in gdb's columns; gdb lists those with a file, here are all.
fn mappings(repl: &mut Repl<'_>) -> Result<Next, CommandError> {
    let image = &repl.state.session.image;
    let width = image.arch.address_size() * 2 + 2;
    writeln!(repl.out, "Mapped address spaces:\n")?;
    let (start, end) = ("Start Addr", "End Addr");
    writeln!(repl.out, "  {start:>width$} {end:>width$} {:>10} {:>10}  Perms  objfile", "Size", "Offset")?;
    for mapping in &image.mappings {
        let size = mapping.end.0.saturating_sub(mapping.start.0);
        let (file, offset) = mapping.file.as_ref().map_or(("", 0), |(file, offset)| (file.as_str(), *offset));
        let (start, end) = (mapping.start.to_string(), mapping.end.to_string());
        let permissions = crate::report::documents::permissions(mapping.flags);
        let line = format!("  {start:>width$} {end:>width$} {size:>#10x} {offset:>#10x}  {permissions:<5}  {file}");
        writeln!(repl.out, "{}", line.trim_end())?;
    }
    Ok(Next::Line)
}

/// `info signals [SIGNAL]`: gdb's table; which one ended the process is marked.
pub(super) fn signals(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let got = repl.state.session.image.signal.clone();
    let wanted = text.trim();
    // gdb stops at all but those that programs live with.
    let passing = |number: i32| matches!(number, 14 | 17 | 23 | 26 | 27 | 28);
    let mut rows: Vec<i32> = (1..=31).collect();
    if !wanted.is_empty() {
        let by_name = |number: &i32| {
            let name = signal_name(*number);
            name.eq_ignore_ascii_case(wanted) || name.trim_start_matches("SIG").eq_ignore_ascii_case(wanted)
        };
        let number = wanted.parse().ok().filter(|number| (1..=64).contains(number));
        let number = number.or_else(|| rows.iter().copied().find(by_name));
        let unknown = || CommandError::NoMatch(format!("{wanted}: no such signal; SIGSEGV or a number is expected"));
        rows = vec![number.ok_or_else(unknown)?];
    }
    writeln!(repl.out, "Signal        Stop\tPrint\tPass to program\tDescription")?;
    for number in rows {
        let yes = if passing(number) { "No" } else { "Yes" };
        let words = signal_text::description(number).unwrap_or("Real-time or unknown signal");
        let mark = match &got {
            Some(signal) if signal.number == number => "   <-- ended the process",
            _ => "",
        };
        writeln!(repl.out, "{:<13} {yes}\t{yes}\tYes\t\t{words}{mark}", signal_name(number))?;
    }
    if let (true, Some(signal)) = (wanted.is_empty(), got) {
        writeln!(repl.out, "\nThe process got {}.", signal_text::describe(&signal))?;
    }
    Ok(Next::Line)
}

/// `info program`
pub(super) fn program(repl: &mut Repl<'_>) -> Result<Next, CommandError> {
    let image = &repl.state.session.image;
    let pid = image.process.pid.map(|pid| format!(" of process {pid}")).unwrap_or_default();
    writeln!(repl.out, "\tUsing the core {}{pid}.", image.path.display())?;
    if let Some(pc) = image.threads.first().and_then(|thread| thread.registers.pc()) {
        writeln!(repl.out, "Program stopped at {pc:#x}.")?;
    }
    match &image.signal {
        Some(signal) => writeln!(repl.out, "It was ended by signal {}.", signal_text::describe(signal))?,
        None => writeln!(repl.out, "The core records no signal.")?,
    }
    Ok(Next::Line)
}

/// `info inferiors`
pub(super) fn inferiors(repl: &mut Repl<'_>) -> Result<Next, CommandError> {
    let image = &repl.state.session.image;
    let process = image.process.pid.map_or_else(|| "<unknown>".to_owned(), |pid| format!("process {pid}"));
    let executable = repl.state.target.exe.as_ref().map(|path| path.display().to_string());
    let executable = executable.or_else(|| image.process.executable.clone()).unwrap_or_default();
    writeln!(repl.out, "  Num  Description       Connection           Executable        ")?;
    writeln!(repl.out, "* 1    {process:<17} 1 (core)             {executable} ")?;
    Ok(Next::Line)
}
