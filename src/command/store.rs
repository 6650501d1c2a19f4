//! `obit store`: the fleet's side is a program of its own, `obit-store`; this one hands over to it.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::CommandError;

/// The program.
const PROGRAM: &str = "obit-store";

/// Arguments of `store`.
#[derive(clap::Args, Debug, Clone)]
#[command(disable_help_flag = true)]
pub struct Args {
    /// The store (a directory, s3://…, gs://…, az://…), and what to do: add, index, query, groups, group, similar,
    /// compare, get, compact, retain, verify, ship, serve
    #[arg(value_name = "URL COMMAND", num_args = 0.., trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<OsString>,
}

/// Arguments of `notify`.
#[derive(clap::Args, Debug, Clone)]
#[command(disable_help_flag = true)]
pub struct NotifyArgs {
    /// run, the store, and options: --rules FILE, --dry-run, --follow
    #[arg(value_name = "run URL", num_args = 0.., trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<OsString>,
}

/// `notify run URL …` is `store URL notify …`.
pub fn notify(args: &NotifyArgs) -> Result<(), CommandError> {
    let arguments = match args.arguments.as_slice() {
        [run, url, options @ ..] if run == "run" => {
            [url.clone(), "notify".into()].into_iter().chain(options.iter().cloned()).collect()
        }
        _ => return Err(CommandError::Usage("write obit notify run URL --rules FILE".to_owned())),
    };
    run(&Args { arguments })
}

/// Becomes that program.
pub fn run(args: &Args) -> Result<(), CommandError> {
    let program = find()?;
    let error = Command::new(&program).args(&args.arguments).exec();
    Err(CommandError::Usage(format!("{}: {error}", program.display())))
}

/// Where a target is `URL#ID`, the file that obit-store fetches for it.
pub fn fetched(target: &Path) -> Result<Option<PathBuf>, CommandError> {
    let Some((url, id)) = named(target) else { return Ok(None) };
    let program = find()?;
    let failed = |problem: &dyn std::fmt::Display| CommandError::Usage(format!("{}: {problem}", program.display()));
    let mut command = Command::new(&program);
    command.arg(url).args(["get", "--path", "--"]).arg(id).stderr(Stdio::inherit());
    let output = command.output().map_err(|error| failed(&error))?;
    match output.status.code() {
        Some(0) => {
            use std::os::unix::ffi::OsStringExt;
            let mut path = output.stdout;
            while path.last() == Some(&b'\n') {
                path.pop();
            }
            Ok(Some(PathBuf::from(OsString::from_vec(path))))
        }
        // It has said why.
        Some(status) => Err(CommandError::Ended(u8::try_from(status).unwrap_or(2))),
        None => Err(failed(&output.status)),
    }
}

/// The store's URL and the crash, where the target is no file and names both.
fn named(target: &Path) -> Option<(&str, &str)> {
    let (url, id) = target.to_str()?.rsplit_once('#')?;
    let is_name = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':'));
    (is_name && (url.contains("://") || Path::new(url).is_dir()) && !target.exists()).then_some((url, id))
}

/// Beside this program, else on PATH.
fn find() -> Result<PathBuf, CommandError> {
    let beside = std::env::current_exe().ok().map(|path| path.with_file_name(PROGRAM));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).filter(|directory| directory.is_absolute());
    let mut places = beside.into_iter().chain(on_path.map(|directory| directory.join(OsStr::new(PROGRAM))));
    places.find(|place| is_program(place)).ok_or_else(|| {
        let how = "build it with cargo build --release --features store, and put it beside obit or on PATH";
        CommandError::Usage(format!("the store is a program of its own, {PROGRAM}, which is not here; {how}"))
    })
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_and_a_crash_are_told_from_files() {
        let named = |target: &str| named(Path::new(target)).map(|(url, id)| (url.to_owned(), id.to_owned()));
        assert_eq!(named("s3://b/p#latest"), Some(("s3://b/p".to_owned(), "latest".to_owned())));
        assert_eq!(named("/tmp#20261126T024256Z-00"), Some(("/tmp".to_owned(), "20261126T024256Z-00".to_owned())));
        assert_eq!(named("core#1"), None, "no directory");
        assert_eq!(named("/tmp#"), None);
        assert_eq!(named("s3://b/p#a/b"), None);
        assert_eq!(named("/tmp/core"), None);
    }
}
