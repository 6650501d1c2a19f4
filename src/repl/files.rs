//! Which files a session is about: another core, executable or symbols, other places to look, and source files.
//!
//! A change opens the target anew. What the user set stays; numbers and addresses among the values stay, what has a
//! type of the files before does not.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Next, Repl, data};
use crate::command::selected::select;
use crate::command::{CommandError, FrameArgs, Selection, State, TargetArgs};
use crate::expr::{Evaluated, Variables};
use crate::report::source::SourcePlaces;
use crate::types::{Language, TypeKind};
use crate::value::{Absent, AbsentReason, Place, PlaceBytes};

/// Settings that open the target anew.
pub(super) const SETTINGS: [&str; 5] =
    ["sysroot", "solib-absolute-prefix", "debug-file-directory", "debuginfod", "substitute-path"];

/// Opens the target as `change` makes it; where that fails, everything is as before.
fn reopen(repl: &mut Repl<'_>, change: impl FnOnce(&mut State)) -> Result<(), CommandError> {
    let (target, added) = (repl.state.target.clone(), repl.state.added.clone());
    change(repl.state);
    let same_core = repl.state.target.target == target.target;
    let opened = repl.state.target.open_with(repl.state.added.clone());
    let mut state = match opened {
        Ok(state) => state,
        Err(error) => {
            (repl.state.target, repl.state.added) = (target, added);
            return Err(error);
        }
    };
    state.json = repl.state.json;
    state.interactive = true;
    state.settings = repl.state.settings.clone();
    state.sources.set_places(repl.state.sources.places().clone());
    state.variables = carried(repl.state, &state);
    if same_core {
        state.selection = repl.state.selection;
        let threads = Arc::get_mut(&mut state.session).map(|session| &mut session.image.threads);
        for thread in threads.into_iter().flatten() {
            let before = repl.state.session.image.threads.iter().find(|before| before.lwp == thread.lwp);
            thread.name = before.and_then(|before| before.name.clone());
        }
        if select(&state, &FrameArgs::default()).is_err() {
            state.selection = Selection { frame: 0, ..state.selection };
        }
    }
    *repl.state = state;
    repl.notes_said = 0;
    Ok(())
}

/// The values that mean the same in another session: numbers, characters, truth values and addresses.
fn carried(before: &State, after: &State) -> Variables {
    let mut variables = Variables::default();
    for number in 1..=before.variables.count() {
        let value = before.variables.recorded(number).and_then(|value| carry(before, after, value));
        let void = after.session.types.make_void(Language::C);
        let gone = || Absent::because(AbsentReason::Unsupported, "its type was one of the files before");
        variables.record(value.unwrap_or_else(|| Evaluated::new(Err(gone()), void, false)));
    }
    for (name, value) in before.variables.named() {
        if let Some(value) = carry(before, after, value) {
            variables.set(name, value);
        }
    }
    variables
}

fn carry(before: &State, after: &State, value: &Evaluated) -> Option<Evaluated> {
    let types = &before.session.types;
    let found = types.get(types.strip(value.type_id));
    let size = types.size(value.type_id).filter(|size| matches!(size, 1 | 2 | 4 | 8))?;
    let length = usize::try_from(size).ok()?;
    let data = match value.place.as_ref().ok()? {
        Place::Memory(address) => before.session.memory().read_vec(*address, length).ok()?,
        Place::Bytes(bytes) if bytes.holes.is_empty() => bytes.data.get(..length)?.to_vec(),
        Place::Bytes(_) => return None,
    };
    let new = &after.session.types;
    let type_id = match &found.kind {
        TypeKind::Int { signed } => {
            let name = match (size, signed) {
                (1, true) => "signed char",
                (1, false) => "unsigned char",
                (2, true) => "short",
                (2, false) => "unsigned short",
                (4, true) => "int",
                (4, false) => "unsigned int",
                (_, true) => "long",
                (_, false) => "unsigned long",
            };
            new.number(name, size, Language::C, TypeKind::Int { signed: *signed })
        }
        TypeKind::Char { signed, unicode: false } if size == 1 => {
            new.number("char", 1, Language::C, TypeKind::Char { signed: *signed, unicode: false })
        }
        TypeKind::Bool if size == 1 => new.number("bool", 1, Language::C, TypeKind::Bool),
        TypeKind::Float if size == 4 => new.number("float", 4, Language::C, TypeKind::Float),
        TypeKind::Float if size == 8 => new.number("double", 8, Language::C, TypeKind::Float),
        TypeKind::Pointer { .. } if length == after.session.image.arch.address_size() => {
            new.make_pointer(new.make_void(Language::C), length)
        }
        _ => return None,
    };
    Some(Evaluated::new(Ok(Place::Bytes(PlaceBytes { data, ..PlaceBytes::default() })), type_id, false))
}

/// A file that is there.
fn existing(text: &str) -> Result<PathBuf, CommandError> {
    let path = data::path_of(text);
    match std::fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() => Ok(path),
        Ok(_) => Err(CommandError::Usage(format!("{}: it is no file", path.display()))),
        Err(error) => Err(CommandError::Usage(format!("{}: {error}", path.display()))),
    }
}

/// `file FILE`, `exec-file FILE`, `symbol-file FILE`: the executable; without one, what the core's record leads to.
pub(super) fn executable(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let path = if text.trim().is_empty() { None } else { Some(existing(text)?) };
    reopen(repl, |state| state.target.exe = path)?;
    Ok(Next::Line)
}

/// `core-file FILE`
pub(super) fn core(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    if text.trim().is_empty() {
        return Err(CommandError::Usage("core-file FILE: a session is always about a core".to_owned()));
    }
    let path = existing(text)?;
    reopen(repl, |state| state.target.target = path)?;
    repl.banner()?;
    Ok(Next::Line)
}

/// `add-symbol-file FILE ADDRESS`: a file that the core does not name, and where its .text is.
pub(super) fn add_symbols(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let usage = || CommandError::Usage("add-symbol-file FILE ADDRESS, where its .text is".to_owned());
    let (file, rest) = text.trim().split_once(char::is_whitespace).ok_or_else(usage)?;
    let address = rest.trim();
    if address.is_empty() || address.starts_with('-') {
        return Err(usage());
    }
    let path = existing(file)?;
    let path = std::path::absolute(&path).unwrap_or(path);
    let address = data::address_of(repl, address)?;
    reopen(repl, |state| state.added.push((path.clone(), address)))?;
    writeln!(repl.out, "add symbol table from file \"{}\" at\n\t.text_addr = {address}", path.display())?;
    Ok(Next::Line)
}

/// `set sysroot DIR` and what else says where files are; `None` where the setting is another one.
pub(super) fn set(repl: &mut Repl<'_>, text: &str) -> Option<Result<Next, CommandError>> {
    let (name, value) = text.trim().split_once(char::is_whitespace).unwrap_or((text.trim(), ""));
    let value = value.trim();
    let done = match name {
        "sysroot" | "solib-absolute-prefix" => {
            // gdb's word for files of the target itself.
            let directory = Some(value.trim_start_matches("target:")).filter(|value| !value.is_empty());
            let directory = directory.map(data::path_of);
            match directory.as_ref().filter(|directory| !directory.is_dir()) {
                Some(missing) => Err(CommandError::Usage(format!("{}: no such directory", missing.display()))),
                None => reopen(repl, |state| state.target.sysroot = directory),
            }
        }
        "debug-file-directory" => {
            let directories = value.split(':').filter(|part| !part.is_empty()).map(data::path_of).collect();
            reopen(repl, |state| state.target.debug_dir = directories)
        }
        "debuginfod" => {
            let (what, value) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
            if !what.is_empty() && !"enabled".starts_with(what) {
                return None;
            }
            debuginfod(repl, value.trim())
        }
        "substitute-path" => {
            let words: Vec<&str> = value.split_whitespace().collect();
            match words.as_slice() {
                [from, to] => {
                    let from = if from.len() > 1 { from.trim_end_matches('/') } else { from };
                    change_places(repl, |places| {
                        places.substitutions.retain(|(known, _)| known != from);
                        places.substitutions.push((from.to_owned(), (*to).to_owned()));
                    });
                    Ok(())
                }
                _ => Err(CommandError::Usage("Incorrect usage, too many or too few arguments: FROM TO".to_owned())),
            }
        }
        _ => return None,
    };
    Some(done.map(|()| Next::Line))
}

fn debuginfod(repl: &mut Repl<'_>, value: &str) -> Result<(), CommandError> {
    let (on, off) = match value {
        "on" => (true, false),
        "off" => (false, true),
        // Servers are asked where DEBUGINFOD_URLS names some: that is the answer.
        "ask" => (false, false),
        _ => return Err(CommandError::Usage(format!("{value}: on, off or ask is expected"))),
    };
    let change = |target: &mut TargetArgs| (target.debuginfod, target.no_debuginfod) = (on, off);
    // Scripts begin with it: what changes nothing costs nothing.
    if off && repl.state.session.debuginfod().is_none() {
        change(&mut repl.state.target);
        return Ok(());
    }
    reopen(repl, |state| change(&mut state.target))
}

fn change_places(repl: &mut Repl<'_>, change: impl FnOnce(&mut SourcePlaces)) {
    let mut places = repl.state.sources.places().clone();
    change(&mut places);
    repl.state.sources.set_places(places);
}

/// `directory [DIR...]`: in front of those before; without any, none.
pub(super) fn directory(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let words = text.split(|c: char| c.is_whitespace() || c == ':').filter(|word| !word.is_empty());
    // gdb's names for where the unit was compiled and where obit runs: looked into anyway.
    let named: Vec<PathBuf> = words.filter(|word| !word.starts_with("$c")).map(data::path_of).collect();
    for missing in named.iter().filter(|directory| !directory.is_dir()) {
        repl.aside(&format!("warning: {}: no such directory", missing.display()));
    }
    let all = text.trim().is_empty();
    change_places(repl, |places| {
        let before = std::mem::take(&mut places.directories);
        places.directories = named;
        let kept = before.into_iter().filter(|_| !all).collect::<Vec<_>>();
        for directory in kept {
            if !places.directories.contains(&directory) {
                places.directories.push(directory);
            }
        }
    });
    if all {
        return Ok(Next::Line);
    }
    show(repl, "directories").unwrap_or(Ok(Next::Line))
}

/// `unset substitute-path [FROM]`
pub(super) fn unset(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let (name, from) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    if name != "substitute-path" {
        return Err(CommandError::Usage(format!("unset {name}: only unset substitute-path [FROM] is known")));
    }
    let from = from.trim();
    let before = repl.state.sources.places().substitutions.len();
    change_places(repl, |places| places.substitutions.retain(|(known, _)| !from.is_empty() && known != from));
    match repl.state.sources.places().substitutions.len() == before && !from.is_empty() {
        true => Err(CommandError::NoMatch(format!("No substitution rule defined for `{from}'"))),
        false => Ok(Next::Line),
    }
}

/// `show sysroot` and its like.
pub(super) fn show(repl: &mut Repl<'_>, name: &str) -> Option<Result<Next, CommandError>> {
    let (target, places) = (&repl.state.target, repl.state.sources.places());
    let joined = |paths: &[PathBuf]| paths.iter().map(|path| format!("{}:", path.display())).collect::<String>();
    let sysroot = target.sysroot.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    let text = match name {
        "sysroot" | "solib-absolute-prefix" => format!("The current system root is \"{sysroot}\".\n"),
        "debug-file-directory" => {
            let directories = joined(&target.debug_dir);
            let directories = if directories.is_empty() { "/usr/lib/debug" } else { directories.trim_end_matches(':') };
            format!("The directory where separate debug symbols are searched for is \"{directories}\".\n")
        }
        "debuginfod" | "debuginfod enabled" => {
            let value = match (target.debuginfod, target.no_debuginfod) {
                (true, _) => "on",
                (_, true) => "off",
                _ if repl.state.session.debuginfod().is_some() => "on",
                _ => "ask",
            };
            format!("Debuginfod functionality is currently set to \"{value}\".\n")
        }
        "directories" => format!("Source directories searched: {}$cdir:$cwd\n", joined(&places.directories)),
        "substitute-path" => {
            let rules = places.substitutions.iter().map(|(from, to)| format!("  `{from}' -> `{to}'.\n"));
            format!("List of all source path substitution rules:\n{}", rules.collect::<String>())
        }
        _ => return None,
    };
    Some(repl.out.write_all(text.as_bytes()).map(|()| Next::Line).map_err(CommandError::from))
}
