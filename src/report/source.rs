//! Source files: found where the debug information says, under the system root, or by name in the directory where
//! obit runs; read once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::image::snapshot::Snapshot;
use crate::image::snapshot::format::SourceRecord;
use crate::module::debuginfod::Client;

/// Files larger than this are no source that somebody reads.
const MAX_SOURCE_BYTES: u64 = 64 << 20;

/// Finds and keeps source files.
#[derive(Default)]
pub struct Sources {
    sysroot: Option<PathBuf>,
    server: Option<Arc<Client>>,
    places: SourcePlaces,
    files: Mutex<HashMap<String, Option<Arc<Source>>>>,
    /// The snapshot that has source lines, where the target is one.
    snapshot: Option<Arc<Snapshot>>,
}

/// Where a session was told to look for source files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourcePlaces {
    /// `directory DIR`: looked into one after another.
    pub directories: Vec<PathBuf>,
    /// `set substitute-path FROM TO`: the first that fits a name's beginning is used.
    pub substitutions: Vec<(String, String)>,
}

impl SourcePlaces {
    /// The name with its beginning replaced, where one of the substitutions fits whole parts of it.
    fn substituted(&self, name: &str) -> Option<PathBuf> {
        self.substitutions.iter().find_map(|(from, to)| {
            let rest = name.strip_prefix(from.as_str())?;
            let whole = rest.is_empty() || rest.starts_with('/') || from.ends_with('/');
            whole.then(|| Path::new(to).join(rest.trim_start_matches('/')))
        })
    }
}

/// A source file that was found.
pub struct Source {
    /// Where.
    pub path: PathBuf,
    text: Vec<u8>,
    /// Where each line starts.
    starts: Vec<usize>,
    /// What a snapshot has of it, instead.
    kept: Option<Arc<SourceRecord>>,
}

impl Source {
    /// How many lines it has.
    pub fn line_count(&self) -> u32 {
        if let Some(kept) = &self.kept {
            return kept.line_count;
        }
        u32::try_from(self.starts.len()).unwrap_or(u32::MAX)
    }

    /// The line's text (1 is the first), without its end and with what is no UTF-8 replaced.
    pub fn line(&self, number: u32) -> Option<String> {
        if let Some(kept) = &self.kept {
            return kept.lines.get(&number).cloned();
        }
        let index = (number as usize).checked_sub(1)?;
        let start = *self.starts.get(index)?;
        let end = self.starts.get(index + 1).copied().unwrap_or(self.text.len());
        let line = self.text.get(start..end)?;
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        Some(String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned())
    }
}

impl Sources {
    /// Looks under `sysroot` first, where given, and asks `server` last.
    pub fn new(sysroot: Option<PathBuf>, server: Option<Arc<Client>>) -> Sources {
        Sources { sysroot, server, ..Sources::default() }
    }

    /// Where a session was told to look.
    pub fn places(&self) -> &SourcePlaces {
        &self.places
    }

    /// Looks there from now on.
    pub fn set_places(&mut self, places: SourcePlaces) {
        self.places = places;
        self.files = Mutex::default();
    }

    /// The same; a snapshot's own lines come first.
    pub fn with_snapshot(self, snapshot: Option<Arc<Snapshot>>) -> Sources {
        Sources { snapshot, ..self }
    }

    fn kept(&self, name: &str) -> Option<Source> {
        let kept = self.snapshot.as_ref()?.sources().get(name)?.clone();
        Some(Source { path: PathBuf::from(name), text: Vec::new(), starts: Vec::new(), kept: Some(kept) })
    }

    /// The file that the line table calls `name`, of the module with that build-id.
    pub fn find(&self, name: &str, build_id: Option<&[u8]>) -> Option<Arc<Source>> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = files.get(name) {
            return known.clone();
        }
        let found = self.kept(name).or_else(|| self.candidates(name).into_iter().find_map(|path| load(&path)));
        let found = found.or_else(|| {
            let fetched = self.server.as_ref()?.source(build_id?, name);
            load(&fetched.ok()??)
        });
        let found = found.map(Arc::new);
        files.insert(name.to_owned(), found.clone());
        found
    }

    /// Where the file is looked for, in order.
    pub fn candidates(&self, name: &str) -> Vec<PathBuf> {
        let path = Path::new(name);
        let mut candidates: Vec<PathBuf> = self.places.substituted(name).into_iter().collect();
        if let Some(sysroot) = &self.sysroot {
            candidates.push(sysroot.join(path.strip_prefix("/").unwrap_or(path)));
        }
        candidates.push(path.to_owned());
        for directory in &self.places.directories {
            candidates.push(directory.join(path.strip_prefix("/").unwrap_or(path)));
            candidates.extend(path.file_name().map(|file| directory.join(file)));
        }
        // As gdb's default source path does: the name in the current directory.
        if let Some(file) = path.file_name() {
            candidates.push(PathBuf::from(file));
        }
        candidates
    }
}

fn load(path: &Path) -> Option<Source> {
    let metadata = std::fs::metadata(path).ok()?;
    if !metadata.is_file() || metadata.len() > MAX_SOURCE_BYTES {
        return None;
    }
    let text = std::fs::read(path).ok()?;
    let mut starts = vec![0];
    starts.extend(memchr::memchr_iter(b'\n', &text).map(|at| at + 1));
    if starts.last() == Some(&text.len()) {
        starts.pop();
    }
    Some(Source { path: path.to_owned(), text, starts, kept: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_substituted_and_looked_for_in_directories() {
        let mut sources = Sources::default();
        let substitutions = vec![("/build".to_owned(), "/src".to_owned()), ("/b/".to_owned(), "x".to_owned())];
        sources.set_places(SourcePlaces { directories: vec!["/d".into()], substitutions });
        let texts = |name: &str| -> Vec<String> {
            sources.candidates(name).iter().map(|path| path.display().to_string()).collect()
        };
        assert_eq!(texts("/build/a/b.c"), ["/src/a/b.c", "/build/a/b.c", "/d/build/a/b.c", "/d/b.c", "b.c"]);
        assert_eq!(texts("/builds/b.c")[0], "/builds/b.c");
        assert_eq!(texts("/b/c.c")[0], "x/c.c");
    }

    #[test]
    fn lines_count_from_one_and_lose_their_ends() {
        let path = std::env::temp_dir().join(format!("obit-source-{}.c", std::process::id()));
        std::fs::write(&path, "int a;\r\n\tint b;\nlast").unwrap();
        let sources = Sources::default();
        let source = sources.find(path.to_str().unwrap(), None).unwrap();
        assert_eq!(source.line(1).as_deref(), Some("int a;"));
        assert_eq!(source.line(2).as_deref(), Some("\tint b;"));
        assert_eq!(source.line(3).as_deref(), Some("last"));
        assert_eq!((source.line(0), source.line(4), source.line_count()), (None, None, 3));
        std::fs::remove_file(&path).unwrap();
        assert!(sources.find("/nonexistent/obit-no-such-file.c", None).is_none());
    }
}
