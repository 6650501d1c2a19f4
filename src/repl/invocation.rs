//! `obit TARGET`, `obit EXE CORE`, `obit -c CORE`, with gdb's options.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::{Args, FromArgMatches};

use crate::command::TargetArgs;

/// What an interactive session was asked to do.
#[derive(Debug)]
pub struct Invocation {
    /// What is looked at.
    pub target: TargetArgs,
    /// `-iex`: before the banner.
    pub early: Vec<String>,
    /// `-ex` and `-x`, in order.
    pub scripts: Vec<Script>,
    /// `-batch`: ends after the scripts.
    pub batch: bool,
    /// `-q`: no banner.
    pub quiet: bool,
    /// The commands that every session begins with, unless `-nx` says otherwise.
    pub init: Option<PathBuf>,
}

/// Lines from the command line.
#[derive(Debug)]
pub enum Script {
    /// `-ex LINE`
    Line(String),
    /// `-x FILE`
    File(PathBuf),
}

/// Reads the arguments after the program's name. Errors are for people.
pub fn parse(arguments: &[OsString]) -> Result<Invocation, String> {
    let (mut early, mut scripts, mut rest, mut plain) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut batch, mut quiet, mut core, mut init) = (false, false, None, true);
    let mut given = arguments.iter();
    // Options of the target that have a value of their own.
    const WITH_VALUE: [&str; 5] = ["--exe", "--sysroot", "--debug-dir", "--color", "--max-items"];
    while let Some(argument) = given.next() {
        let text = argument.to_string_lossy();
        let name = if text.starts_with("--") && text.len() > 3 { text[1..].to_owned() } else { text.to_string() };
        // gdb: `--core=FILE` as well as `--core FILE`.
        let (name, attached) = match name.split_once('=') {
            Some((name, value)) if OWN_WITH_VALUE.contains(&name) => (name.to_owned(), Some(OsString::from(value))),
            _ => (name, None),
        };
        let mut value = |what: &str| {
            attached.clone().or_else(|| given.next().cloned()).ok_or_else(|| format!("{text}: {what} is expected"))
        };
        match name.as_str() {
            "-ex" | "-eval-command" => scripts.push(Script::Line(value("a command")?.to_string_lossy().into_owned())),
            "-iex" | "-init-eval-command" => early.push(value("a command")?.to_string_lossy().into_owned()),
            "-x" | "-command" => scripts.push(Script::File(value("a file")?.into())),
            "-ix" | "-init-command" => early.push(format!("source {}", value("a file")?.to_string_lossy())),
            "-c" | "-core" => core = Some(value("a core")?),
            "-e" | "-exec" | "-se" => plain.insert(0, value("a file")?),
            "-p" | "-pid" => {
                let pid = value("a process")?;
                plain.push(format!("pid:{}", pid.to_string_lossy()).into());
            }
            "-args" => return Err("--args: obit runs no program; it reads the core of one: obit EXE CORE".to_owned()),
            "-tui" | "-nw" | "-nowindows" | "-return-child-result" | "-readnow" | "-readnever" => {}
            "-batch" => (batch, quiet) = (true, true),
            "-q" | "-quiet" | "-silent" => quiet = true,
            "-nx" | "-n" | "-nh" => init = false,
            _ if WITH_VALUE.contains(&text.as_ref()) => {
                rest.push(argument.clone());
                rest.push(value("a value")?);
            }
            _ if argument.as_encoded_bytes().starts_with(b"-") => rest.push(argument.clone()),
            _ => plain.push(argument.clone()),
        }
    }
    let (executable, core) = match (core, plain.as_slice()) {
        (Some(core), []) => (None, core),
        (Some(core), [executable]) => (Some(executable.clone()), core),
        (None, [core]) => (None, core.clone()),
        (None, [executable, core]) => (Some(executable.clone()), core.clone()),
        (None, []) => return Err("a core is expected: obit CORE, obit EXE CORE".to_owned()),
        (_, [.., last]) => return Err(format!("{}: one argument too many", last.to_string_lossy())),
    };
    if let Some(executable) = executable {
        rest.push(OsString::from("--exe"));
        rest.push(executable);
    }
    rest.push(core);
    let definition = TargetArgs::augment_args(clap::Command::new("obit").no_binary_name(true));
    let target = definition
        .try_get_matches_from(rest)
        .and_then(|matches| TargetArgs::from_arg_matches(&matches))
        .map_err(|error| error.to_string().lines().next().unwrap_or_default().replacen("error: ", "", 1))?;
    let init = if init { init_file() } else { None };
    Ok(Invocation { target, early, scripts, batch, quiet, init })
}

/// gdb's options with a value, which may follow after `=`.
const OWN_WITH_VALUE: [&str; 10] =
    ["-ex", "-eval-command", "-iex", "-init-eval-command", "-ix", "-init-command", "-x", "-command", "-core", "-pid"];

/// `$XDG_CONFIG_HOME/obit/init`, by default `~/.config/obit/init`, where it exists.
fn init_file() -> Option<PathBuf> {
    let directory = match std::env::var_os("XDG_CONFIG_HOME").filter(|directory| !directory.is_empty()) {
        Some(directory) => PathBuf::from(directory),
        None => PathBuf::from(std::env::var_os("HOME").filter(|home| !home.is_empty())?).join(".config"),
    };
    Some(directory.join("obit/init")).filter(|path| path.is_file())
}

/// Whether the arguments ask for a session rather than for one command.
pub fn is_session(arguments: &[OsString], is_command: &dyn Fn(&OsStr) -> bool) -> bool {
    const OPTIONS: [&str; 24] = [
        "-ex",
        "-iex",
        "-x",
        "-q",
        "-c",
        "-p",
        "-batch",
        "-nx",
        "-eval-command",
        "-command",
        "-core",
        "-quiet",
        "-pid",
        "-args",
        "--ex",
        "--iex",
        "--batch",
        "--core",
        "--quiet",
        "--eval-command",
        "--command",
        "--nx",
        "--pid",
        "--args",
    ];
    let Some(first) = arguments.first() else { return false };
    if is_command(first) {
        return false;
    }
    let looks_like_target = |argument: &OsStr| {
        let text = argument.to_string_lossy();
        text.contains('/') || text.starts_with("pid:") || text.ends_with(".obit") || PathBuf::from(argument).is_file()
    };
    looks_like_target(first)
        || arguments.iter().any(|argument| {
            let text = argument.to_string_lossy();
            let name = text.split_once('=').map_or(text.as_ref(), |(name, _)| name);
            OPTIONS.contains(&name)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(words: &[&str]) -> Vec<OsString> {
        words.iter().map(Into::into).collect()
    }

    #[test]
    fn called_as_gdb_is() {
        let invocation = parse(&arguments(&["prog", "core.1", "-q", "-ex", "bt", "-x", "file"])).unwrap();
        assert_eq!(invocation.target.exe.as_deref(), Some(std::path::Path::new("prog")));
        assert_eq!(invocation.target.target, PathBuf::from("core.1"));
        assert!(invocation.quiet && !invocation.batch);
        assert!(matches!(invocation.scripts.as_slice(), [Script::Line(_), Script::File(_)]));
        let invocation = parse(&arguments(&["--sysroot", "/r", "-c", "core.2", "--batch"])).unwrap();
        assert_eq!(invocation.target.target, PathBuf::from("core.2"));
        assert!(invocation.batch);
        let invocation = parse(&arguments(&["--core=core.3", "prog", "--eval-command=bt", "--nx"])).unwrap();
        assert_eq!(invocation.target.target, PathBuf::from("core.3"));
        assert!(matches!(invocation.scripts.as_slice(), [Script::Line(line)] if line == "bt"));
        assert!(invocation.init.is_none());
        assert_eq!(parse(&arguments(&["-p", "123"])).unwrap().target.target, PathBuf::from("pid:123"));
        assert!(parse(&arguments(&["--args", "prog"])).unwrap_err().contains("runs no program"));
    }

    #[test]
    fn what_is_missing_is_said() {
        assert!(parse(&[]).unwrap_err().contains("a core is expected"));
        assert!(parse(&arguments(&["core", "-ex"])).unwrap_err().contains("a command is expected"));
        assert!(parse(&arguments(&["a", "b", "c"])).unwrap_err().contains("too many"));
    }
}
