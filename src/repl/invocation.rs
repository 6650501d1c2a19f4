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
    let (mut batch, mut quiet, mut core) = (false, false, None);
    let mut given = arguments.iter();
    // Options of the target that have a value of their own.
    const WITH_VALUE: [&str; 5] = ["--exe", "--sysroot", "--debug-dir", "--color", "--max-items"];
    while let Some(argument) = given.next() {
        let text = argument.to_string_lossy();
        let name = if text.starts_with("--") && text.len() > 3 { text[1..].to_owned() } else { text.to_string() };
        let mut value = |what: &str| given.next().cloned().ok_or_else(|| format!("{text}: {what} is expected"));
        match name.as_str() {
            "-ex" | "-eval-command" => scripts.push(Script::Line(value("a command")?.to_string_lossy().into_owned())),
            "-iex" => early.push(value("a command")?.to_string_lossy().into_owned()),
            "-x" | "-command" => scripts.push(Script::File(value("a file")?.into())),
            "-c" | "-core" => core = Some(value("a core")?),
            "-batch" => (batch, quiet) = (true, true),
            "-q" | "-quiet" | "-silent" => quiet = true,
            "-nx" | "-n" | "-nh" => {}
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
    Ok(Invocation { target, early, scripts, batch, quiet })
}

/// Whether the arguments ask for a session rather than for one command.
pub fn is_session(arguments: &[OsString], is_command: &dyn Fn(&OsStr) -> bool) -> bool {
    const OPTIONS: [&str; 11] =
        ["-ex", "-iex", "-x", "-q", "-c", "-batch", "-nx", "--batch", "--ex", "--core", "--quiet"];
    let Some(first) = arguments.first() else { return false };
    if is_command(first) {
        return false;
    }
    let looks_like_target = |argument: &OsStr| {
        let text = argument.to_string_lossy();
        text.contains('/') || text.starts_with("pid:") || text.ends_with(".obit") || PathBuf::from(argument).is_file()
    };
    looks_like_target(first)
        || arguments.iter().any(|argument| OPTIONS.iter().any(|option| OsStr::new(option) == argument))
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
    }

    #[test]
    fn what_is_missing_is_said() {
        assert!(parse(&[]).unwrap_err().contains("a core is expected"));
        assert!(parse(&arguments(&["core", "-ex"])).unwrap_err().contains("a command is expected"));
        assert!(parse(&arguments(&["a", "b", "c"])).unwrap_err().contains("too many"));
    }
}
