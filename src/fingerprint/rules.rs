//! The rules that fingerprints are made by: `fingerprint.toml`, and a file of the user's before it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::{Regex, RegexBuilder};
use serde::Deserialize;

use super::digest;
use super::name::{self, Family};
use crate::analyze::Blame;
use crate::analyze::blame::{Group, matches};
use crate::analyze::rule_file::{self, RuleFileError};
use crate::types::Language;

/// The rules that come with the program, as they are written.
pub const OWN_RULES: &str = include_str!("fingerprint.toml");
/// Where rules are that hold for everybody on a machine, the crash handler as well.
pub const SYSTEM_FILE: &str = "/etc/obit/fingerprint.toml";
/// Bytes of a compiled pattern.
const LARGEST_PATTERN: usize = 1 << 20;
/// Functions that a fingerprint is made of, at most.
const LONGEST_KEY: usize = 64;
/// Digits that tell a user's rules apart that have no version.
const VERSION_DIGITS: usize = 8;

// A test holds that they can be read.
static USUAL: LazyLock<Rules> = LazyLock::new(|| Rules::default().with_text(OWN_RULES, "").unwrap_or_default());

/// A part of a file: what stands outside of `[[application]]`, or in one of them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Section {
    /// Of `[[application]]`.
    name: Option<String>,
    length: Option<usize>,
    application_is_part: Option<bool>,
    #[serde(flatten)]
    lists: Lists,
    classes: BTreeMap<String, String>,
    signals: Vec<String>,
    rename: Vec<RenameText>,
    frames: Vec<Group>,
    remove: Lists,
}

/// The lists of patterns.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Lists {
    keep: Vec<String>,
    skip_functions: Vec<String>,
    sentinels: Vec<String>,
    prefixes: Vec<String>,
    entries: Vec<String>,
}

/// `[[rename]]` as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RenameText {
    #[serde(default)]
    #[allow(dead_code, reason = "it is for the file's readers")]
    why: String,
    #[serde(default)]
    languages: Vec<String>,
    pattern: String,
    to: String,
}

/// A replacement in names.
#[derive(Clone, Debug)]
struct Rename {
    languages: Vec<String>,
    pattern: Regex,
    to: String,
}

/// The rules.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    version: String,
    /// Functions of the program's own that count.
    pub(super) length: usize,
    /// The executable's name is part of every fingerprint.
    pub(super) application_is_part: bool,
    lists: Lists,
    classes: BTreeMap<String, String>,
    signals: Vec<String>,
    renames: Vec<Rename>,
    groups: Vec<Group>,
    applications: Vec<Section>,
}

impl Rules {
    /// The rules that come with the program.
    pub fn usual() -> &'static Rules {
        &USUAL
    }

    /// A user's rules, and behind them the usual ones.
    pub fn with_file(path: &Path) -> Result<Rules, RuleFileError> {
        USUAL.clone().with_text(&rule_file::text(path)?, &path.display().to_string())
    }

    /// The rules of the user's own file (`$XDG_CONFIG_HOME/obit/fingerprint.toml`, by default in `~/.config`), else of
    /// the machine's ([`SYSTEM_FILE`]), else the usual ones.
    pub fn configured() -> Result<Cow<'static, Rules>, RuleFileError> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let own = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")));
        let files = own.map(|directory| directory.join("obit/fingerprint.toml")).into_iter();
        let mut files = files.chain([PathBuf::from(SYSTEM_FILE)]);
        match files.find(|file| file.is_file()) {
            Some(file) => Rules::with_file(&file).map(Cow::Owned),
            None => Ok(Cow::Borrowed(Rules::usual())),
        }
    }

    /// The version: a number, and behind `+` that of a user's rules.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The rules as they are for an executable's file name: with its sections of `[[application]]`.
    pub fn for_application(&self, executable: Option<&str>) -> Rules {
        let mut rules = self.clone();
        for section in &self.applications {
            let fits = |pattern: &String| executable.is_some_and(|name| matches(pattern, name));
            if section.name.as_ref().is_some_and(fits) {
                // Its patterns were tried when the file was read.
                let _ = rules.add(section.clone());
            }
        }
        rules
    }

    /// Whose frame is whose: the user's groups, and behind them those of `analyze`.
    pub fn blame(&self) -> Blame {
        Blame::with_groups(self.groups.clone())
    }

    /// A function's name as fingerprints have it.
    pub fn name(&self, function: Option<&str>, symbol: Option<&str>, language: Option<Language>) -> Option<String> {
        let (mut name, family) = name::structural(function, symbol, language)?;
        // C++ keeps no name in which C's rules would find something; C's are for what has no language, too.
        let holds = |rename: &&Rename| {
            rename.languages.is_empty() || rename.languages.iter().any(|language| language == family.code())
        };
        for rename in self.renames.iter().filter(holds) {
            if let Cow::Owned(changed) = rename.pattern.replace_all(&name, rename.to.as_str()) {
                name = changed;
            }
        }
        (!name.is_empty()).then_some(name)
    }

    /// The word for a class of `analyze`.
    pub fn class<'a>(&'a self, class: &'a str) -> &'a str {
        self.classes.get(class).map_or(class, String::as_str)
    }

    /// Whether the signal is part of fingerprints of a class.
    pub(super) fn has_signal(&self, class: &str) -> bool {
        self.signals.iter().any(|known| known == class)
    }

    pub(super) fn skips_kind(&self, kind: &str) -> bool {
        !fits(&self.lists.keep, kind)
    }

    pub(super) fn skips_function(&self, name: &str) -> bool {
        fits(&self.lists.skip_functions, name)
    }

    pub(super) fn is_sentinel(&self, name: &str) -> bool {
        fits(&self.lists.sentinels, name)
    }

    pub(super) fn is_prefix(&self, name: &str) -> bool {
        fits(&self.lists.prefixes, name)
    }

    pub(super) fn is_entry(&self, name: &str) -> bool {
        fits(&self.lists.entries, name)
    }

    fn with_text(mut self, text: &str, file: &str) -> Result<Rules, RuleFileError> {
        let form = |error| RuleFileError::Form(file.to_owned(), error);
        let content = |problem: String| RuleFileError::Content(file.to_owned(), problem);
        let mut table: toml::Table = toml::from_str(text).map_err(form)?;
        let version = match table.remove("version") {
            Some(toml::Value::String(version)) => version,
            Some(toml::Value::Integer(version)) => version.to_string(),
            Some(_) => return Err(content("version: neither text nor a number".to_owned())),
            None => digest(text).chars().take(VERSION_DIGITS).collect(),
        };
        self.version = if self.version.is_empty() { version } else { format!("{}+{version}", self.version) };
        let sections = match table.remove("application") {
            Some(toml::Value::Array(sections)) => sections,
            Some(_) => return Err(content("application: write [[application]] with a name".to_owned())),
            None => Vec::new(),
        };
        self.add(table.try_into().map_err(form)?).map_err(content)?;
        for section in sections {
            let section: Section = section.try_into().map_err(form)?;
            if section.name.is_none() {
                return Err(content("[[application]]: it has no name".to_owned()));
            }
            self.clone().add(section.clone()).map_err(content)?;
            self.applications.push(section);
        }
        Ok(self)
    }

    fn add(&mut self, section: Section) -> Result<(), String> {
        self.length = section.length.unwrap_or(self.length).min(LONGEST_KEY);
        self.application_is_part = section.application_is_part.unwrap_or(self.application_is_part);
        let (own, more, without) = (&mut self.lists, section.lists, section.remove);
        put_before(&mut own.keep, more.keep, &without.keep);
        put_before(&mut own.skip_functions, more.skip_functions, &without.skip_functions);
        put_before(&mut own.sentinels, more.sentinels, &without.sentinels);
        put_before(&mut own.prefixes, more.prefixes, &without.prefixes);
        put_before(&mut own.entries, more.entries, &without.entries);
        put_before(&mut self.signals, section.signals, &[]);
        self.classes.extend(section.classes);
        let mut renames = Vec::new();
        for RenameText { languages, pattern, to, .. } in section.rename {
            let known = [Family::C, Family::Cpp, Family::Rust, Family::Go].map(Family::code);
            if let Some(unknown) = languages.iter().find(|language| !known.contains(&language.as_str())) {
                return Err(format!("[[rename]]: languages: {unknown:?} is none of {}", known.join(", ")));
            }
            let compiled = RegexBuilder::new(&pattern).size_limit(LARGEST_PATTERN).build();
            let pattern = compiled.map_err(|error| format!("[[rename]]: {error}"))?;
            renames.push(Rename { languages, pattern, to });
        }
        renames.append(&mut self.renames);
        self.renames = renames;
        let mut groups = section.frames;
        groups.append(&mut self.groups);
        self.groups = groups;
        Ok(())
    }
}

fn put_before(own: &mut Vec<String>, mut more: Vec<String>, without: &[String]) {
    own.retain(|pattern| !without.contains(pattern));
    more.append(own);
    *own = more;
}

fn fits(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, name))
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
