//! Formatters that users wrote: where their files are, and their expressions.
//!
//! Of two for the same type the first counts: `$XDG_CONFIG_HOME/obit/formatters/*.toml` (`~/.config` where that
//! variable is not set) by name, then `EXE.obit.toml` beside the executable, then its section `.debug_obit` (or that of
//! its separate debug file). All are read when the first value is.

use crate::order::Order;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{OnceLock, RwLock};

use super::Session;
use crate::addr::RunAddr;
use crate::arch::Arch;
use crate::expr::{self, Evaluated, Named, Role, Scope};
use crate::image::Note;
use crate::memory::Memory;
use crate::module::Expression;
use crate::types::{Language, TypeId, TypeTable};
use crate::value::decode::Symbols;
use crate::value::formatters::user::{self, Answer, AnswerItem, AnswerItems, UserFormatter, UserFormatters};
use crate::value::location::Context;
use crate::value::{Absent, Place};

/// The section of a snapshot's executable that holds what lay beside the executable.
pub const BESIDE_SECTION: &str = ".debug_obit_beside";
/// Steps that one expression may take.
const MAX_STEPS: u64 = 20_000;
/// Files of one directory.
const MAX_FILES: usize = 100;

/// The users' formatters, and which is for which type.
#[derive(Default)]
pub(super) struct Formatters {
    read: OnceLock<(Vec<UserFormatter>, Vec<Note>)>,
    by_type: RwLock<HashMap<TypeId, Option<usize>>>,
}

impl Formatters {
    /// What is wrong with the files that were read.
    pub(super) fn notes(&self) -> &[Note] {
        self.read.get().map_or(&[], |(_, notes)| notes)
    }
}

/// What the files together hold.
#[derive(Default)]
struct Reading {
    formatters: Vec<UserFormatter>,
    notes: Vec<Note>,
}

impl Reading {
    fn note(&mut self, message: String) {
        self.notes.push(Note { code: "formatters", message });
    }

    fn text(&mut self, name: &str, bytes: &[u8]) {
        if bytes.len() > user::MAX_FILE {
            return self.note(format!("{name}: formatters of more than {} bytes are not read", user::MAX_FILE));
        }
        // objcopy fills up with zeros.
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let Ok(text) = std::str::from_utf8(bytes.get(..end).unwrap_or_default()) else {
            return self.note(format!("{name}: formatters are text in UTF-8"));
        };
        let (formatters, problems) = user::read(text);
        self.formatters.extend(formatters);
        for problem in problems {
            self.note(format!("{name}: {problem}"));
        }
    }

    fn file(&mut self, path: &Path) {
        use std::io::Read;
        let mut bytes = Vec::new();
        // Only files: another kind may never end.
        let opened = std::fs::metadata(path).and_then(|found| match found.is_file() {
            true => std::fs::File::open(path),
            false => Err(std::io::Error::other("no regular file")),
        });
        match opened.and_then(|file| file.take(user::MAX_FILE as u64 + 1).read_to_end(&mut bytes)) {
            Ok(_) => self.text(&path.display().to_string(), &bytes),
            Err(error) => self.note(format!("{}: {error}", path.display())),
        }
    }

    fn directory(&mut self, path: &Path) {
        let Ok(entries) = std::fs::read_dir(path) else { return };
        let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
        files.order();
        if files.len() > MAX_FILES {
            self.note(format!("{}: only the first {MAX_FILES} files are read", path.display()));
        }
        for file in files.iter().take(MAX_FILES) {
            self.file(file);
        }
    }
}

/// `EXE.obit.toml`.
fn beside(executable: &Path) -> PathBuf {
    let mut name = executable.as_os_str().to_owned();
    name.push(".obit.toml");
    PathBuf::from(name)
}

/// The text of the file beside an executable, for the snapshot's module that stands for it.
pub fn kept_beside(executable: &Path) -> Option<Vec<u8>> {
    let path = beside(executable);
    let is_fit = std::fs::metadata(&path).is_ok_and(|found| found.is_file() && found.len() <= user::MAX_FILE as u64);
    is_fit.then(|| std::fs::read(&path).ok()).flatten()
}

fn config_directory() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let config = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")))?;
    Some(config.join("obit/formatters"))
}

impl Session {
    fn user_formatters(&self) -> &[UserFormatter] {
        let (formatters, _) = self.user_formatters.read.get_or_init(|| {
            let mut reading = Reading::default();
            if let Some(directory) = config_directory() {
                reading.directory(&directory);
            }
            let executable = self.program.modules.iter().find(|module| module.seed.is_executable);
            if let Some(file) = executable.and_then(|module| module.file()) {
                let beside = beside(file.path());
                if beside.exists() {
                    reading.file(&beside);
                } else if let Some(bytes) = file.section(BESIDE_SECTION) {
                    reading.text(&format!("{} ({BESIDE_SECTION})", file.path().display()), bytes);
                }
            }
            let own = executable.and_then(|module| module.file());
            // strip moves the section where the rest of the debug information goes.
            let stripped = own.is_none_or(|file| !file.has_dwarf() && !file.has_section(".debug_obit"));
            let separate = executable.filter(|_| stripped).and_then(|module| module.debug_file());
            for file in own.into_iter().chain(separate) {
                if let Some(bytes) = file.section(".debug_obit") {
                    reading.text(&format!("{} (.debug_obit)", file.path().display()), bytes);
                    break;
                }
            }
            (reading.formatters, reading.notes)
        });
        formatters
    }

    /// Those that users wrote, where there are any.
    pub fn users_formatters(&self) -> Option<&dyn UserFormatters> {
        (!self.user_formatters().is_empty()).then_some(self as _)
    }
}

impl UserFormatters for Session {
    fn formatter(&self, type_id: TypeId) -> Option<&UserFormatter> {
        let known = self.user_formatters.by_type.read().expect("not poisoned").get(&type_id).copied();
        let index = known.unwrap_or_else(|| {
            let found = user::matching(self.user_formatters(), &self.types, type_id);
            self.user_formatters.by_type.write().expect("not poisoned").insert(type_id, found);
            found
        })?;
        self.user_formatters().get(index)
    }

    fn evaluate(&self, expression: &str, object: &Place, type_id: TypeId) -> Result<Answer, String> {
        let scope = ObjectScope { session: self, object, type_id, members: true };
        let (evaluated, steps) = expr::evaluate_within(&scope, expression, MAX_STEPS).map_err(|error| error.message)?;
        let items = evaluated.items.as_ref().map(|items| match items.role {
            Role::Entry => AnswerItems { elements: vec![item_of(&evaluated)], end: None, is_map: true },
            role => AnswerItems {
                elements: items.elements.iter().map(item_of).collect(),
                end: items.end.clone(),
                is_map: role == Role::Map,
            },
        });
        Ok(Answer { place: evaluated.place, type_id: evaluated.type_id, items, steps })
    }
}

/// An item as a formatter has it.
fn item_of(item: &Evaluated) -> AnswerItem {
    let part = |item: &Evaluated| (item.place.clone(), item.type_id);
    let entry = item.items.as_ref().filter(|items| items.role == Role::Entry);
    match entry.and_then(|items| items.elements.first_chunk()) {
        Some([key, value]) => AnswerItem::Entry(part(key), part(value), item.type_id),
        None => AnswerItem::One(part(item)),
    }
}

/// What an expression sees of one object: it as `self`, its members, and the program's globals and types.
struct ObjectScope<'a> {
    session: &'a Session,
    object: &'a Place,
    type_id: TypeId,
    members: bool,
}

impl Scope for ObjectScope<'_> {
    fn types(&self) -> &TypeTable {
        &self.session.types
    }

    fn arch(&self) -> Arch {
        self.session.image.arch
    }

    fn memory(&self) -> &dyn Memory {
        self.session.memory()
    }

    fn language(&self) -> Option<Language> {
        Some(self.session.types.stripped(self.type_id).1.language)
    }

    fn variable(&self, name: &str) -> Option<Named> {
        if name == "self" {
            return Some((Ok(self.object.clone()), self.type_id));
        }
        if !self.members {
            return None;
        }
        let inner = ObjectScope { members: false, ..*self };
        let (member, _) = expr::evaluate_within(&inner, &format!("self.{name}"), MAX_STEPS).ok()?;
        member.items.is_none().then_some((member.place, member.type_id))
    }

    fn globals(&self, name: &str, file: Option<&str>) -> Vec<Named> {
        let found = self.session.find_globals(name, file, None);
        found.into_iter().map(|global| (global.place, global.type_id)).collect()
    }

    fn find_type(&self, name: &str) -> Option<TypeId> {
        self.session.find_type(name)
    }

    fn register(&self, _: &str) -> Option<Result<Vec<u8>, Absent>> {
        None
    }

    fn computed(&self, expression: &Expression, object: RunAddr) -> Result<u64, Absent> {
        Context::without_frame(&self.session.program, self.session.memory(), self.session.image.arch)
            .evaluate_expression(expression, Some(object))
    }

    fn names(&self, _near: &str) -> Vec<String> {
        Vec::new()
    }

    fn enumerator(&self, name: &str) -> Option<(TypeId, i128)> {
        self.session.find_enumerator(name)
    }

    fn symbols(&self) -> Option<&dyn Symbols> {
        Some(self.session)
    }
}
