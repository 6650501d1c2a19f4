//! Whose frame it is: the program's own, or of what it stands on. The rules are `blame.toml`, and a file of the user's.

use std::path::Path;
use std::sync::LazyLock;

use serde::Deserialize;

use super::rule_file::{self, RuleFileError};
use crate::session::{Frame, Session};
use crate::types::Language;

/// The rules that come with the program, as they are written.
pub const OWN_RULES: &str = include_str!("blame.toml");
static DEFAULT: LazyLock<Blame> = LazyLock::new(|| Blame::parse(OWN_RULES).unwrap_or_default());

/// Rules, in their order.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blame {
    #[serde(default)]
    frames: Vec<Group>,
}

/// Frames of one kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    kind: String,
    #[serde(default)]
    own: bool,
    #[serde(default)]
    functions: Vec<String>,
    #[serde(default)]
    modules: Vec<String>,
    #[serde(default)]
    files: Vec<String>,
}

impl Blame {
    /// The rules that come with the program.
    pub fn usual() -> &'static Blame {
        &DEFAULT
    }

    /// A user's rules, and behind them the usual ones.
    pub fn with_file(path: &Path) -> Result<Blame, RuleFileError> {
        let blame: Blame = rule_file::read(path)?;
        Ok(Blame::with_groups(blame.frames))
    }

    /// The same of groups that were read elsewhere.
    pub fn with_groups(mut frames: Vec<Group>) -> Blame {
        frames.extend(DEFAULT.frames.iter().cloned());
        Blame { frames }
    }

    fn parse(text: &str) -> Result<Blame, toml::de::Error> {
        toml::from_str(text)
    }

    /// The kind of frame that is not the program's own; `None` where it is.
    pub fn kind(&self, session: &Session, frame: &Frame) -> Option<&str> {
        if frame.signal {
            return Some("signal");
        }
        let label = frame.module.and_then(|id| session.module_label(id));
        let module = label.map(|label| label.path.rsplit('/').next().unwrap_or_default());
        let function = frame.code.function.as_deref().map(|name| plain_name(name, frame.code.language));
        let symbol = frame.code.symbol.as_deref();
        if function.is_none() && module.is_none() {
            return Some("no code");
        }
        let of_line = self.kind_of(function, symbol, module, frame.code.file.as_deref());
        if of_line.is_some() && self.kind_of(function, symbol, module, None).is_none() {
            // The line alone says so: it may be that of something else, which was inlined.
            let declared = session.declared_file(frame);
            return declared.map_or(of_line, |file| self.kind_of(function, symbol, module, Some(&file)));
        }
        of_line
    }

    /// The same by names: the function without parameters, its linkage name, the last part of the module's path, the
    /// source file.
    pub fn kind_of(
        &self,
        function: Option<&str>,
        symbol: Option<&str>,
        module: Option<&str>,
        file: Option<&str>,
    ) -> Option<&str> {
        let names_it = |group: &&Group| {
            let named = |pattern: &String| {
                function.is_some_and(|name| matches(pattern, name)) || symbol.is_some_and(|name| matches(pattern, name))
            };
            group.functions.iter().any(named)
                || module.is_some_and(|module| group.modules.iter().any(|pattern| matches(pattern, module)))
                || file.is_some_and(|file| group.files.iter().any(|pattern| matches(pattern, file)))
        };
        self.frames.iter().find(names_it).filter(|group| !group.own).map(|group| group.kind.as_str())
    }
}

/// A function's name without parameters and the return type that templates have before it.
pub fn plain_name(name: &str, language: Option<Language>) -> &str {
    let name = match language {
        Some(Language::C | Language::Go | Language::Rust) => name,
        _ => crate::demangle::without_parameters(name),
    };
    if matches!(language, Some(Language::C | Language::Go | Language::Rust)) {
        return name;
    }
    // `void std::sort<int*>`: a blank outside of brackets ends the return type, except behind `operator`.
    let mut depth = 0i32;
    let mut start = 0;
    for (at, byte) in name.bytes().enumerate() {
        match byte {
            b'<' | b'(' | b'{' => depth += 1,
            b'>' | b')' | b'}' => depth -= 1,
            b' ' if depth == 0 && !name[..at].ends_with("operator") && !name[start..at].contains("operator") => {
                start = at + 1;
            }
            _ => {}
        }
    }
    name.get(start..).unwrap_or(name)
}

/// Whether `text` is what `pattern` stands for.
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        assert!(matches("abort", "abort") && !matches("abort", "aborted"));
        assert!(matches("libc.so*", "libc.so.6") && !matches("libc.so*", "libcurl.so.4"));
        assert!(matches("__*_chk", "__memcpy_chk") && !matches("__*_chk", "__chk"));
        assert!(matches("*", "") && matches("a*b*c", "abbc") && !matches("a*b*c", "acb"));
    }

    #[test]
    fn names_have_neither_parameters_nor_results() {
        let plain = |name| plain_name(name, Some(Language::Cpp));
        assert_eq!(plain("void std::sort<int*>(int*, int*)"), "std::sort<int*>");
        assert_eq!(plain("ns::f(int) const"), "ns::f");
        assert_eq!(plain("operator new(unsigned long)"), "operator new");
        assert_eq!(plain_name("core::fmt::f (x)", Some(Language::Rust)), "core::fmt::f (x)");
    }

    #[test]
    fn own_frames_are_what_is_left() {
        let blame = Blame::usual();
        let kind = |function: &str, module: &str| blame.kind_of(Some(function), None, Some(module), None);
        assert_eq!(kind("abort", "libc.so.6"), Some("abort"));
        assert_eq!(kind("qsort", "libc.so.6"), Some("libc"));
        assert_eq!(kind("__memcpy_chk", "app"), Some("abort"));
        assert_eq!(kind("core::option::unwrap_failed", "app"), Some("rust"));
        let index = "<usize as core::slice::index::SliceIndex<[T]>>::index";
        let file = "/rustc/0123abcd/library/core/src/slice/index.rs";
        assert_eq!(blame.kind_of(Some(index), None, Some("app"), Some(file)), Some("rust"));
        assert_eq!(
            blame.kind_of(Some("<app::Item as core::fmt::Debug>::fmt"), None, Some("app"), Some("src/main.rs")),
            None
        );
        assert_eq!(kind("runtime.gopanic", "app"), Some("go"));
        assert_eq!(kind("main.main", "app"), None);
        assert_eq!(kind("app::run", "app"), None);
        let own = "[[frames]]\nkind = \"x\"\nown = true\nfunctions = [\"std::mine\"]\n";
        let mut with_own = Blame::parse(own).expect("rules");
        with_own.frames.extend(blame.frames.iter().cloned());
        assert_eq!(with_own.kind_of(Some("std::mine"), None, None, None), None);
        assert_eq!(with_own.kind_of(Some("std::other"), None, None, None), Some("c++"));
    }
}
