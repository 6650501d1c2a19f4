//! Instances of templates by names as people write them: `std::vector<std::string>`, `ring<int,4>`.

use super::Session;
use super::lookup::INTEGER_SPELLINGS;
use crate::demangle::shorten;
use crate::interrupt;
use crate::module::names::components;
use crate::types::{TypeId, TypeKind};

impl Session {
    /// The type whose name is that, but for spaces, other spellings of C's integer types, and arguments that are what
    /// the standard library's templates have where none is given.
    pub(super) fn find_template(&self, name: &str) -> Option<TypeId> {
        let leaf = components(name).last().copied()?;
        let base = leaf.split_once('<').map(|(base, _)| base.trim()).filter(|base| !base.is_empty())?;
        let (wanted, qualified) = (plain(name), name.contains("::"));
        self.program.modules_for_names().into_iter().find_map(|module| {
            let debug = self.program.debug_info(module)?;
            let index = debug.names();
            let found = index.matching(|candidate| {
                let is_of = |leaf: &str| leaf.strip_prefix(base).is_some_and(|rest| rest.starts_with('<'));
                if !candidate.kind.is_type() || !is_of(candidate.leaf) || interrupt::requested() {
                    return false;
                }
                let candidate = plain(&candidate.qualified());
                let scope = candidate.strip_suffix(&*wanted);
                scope.is_some_and(|scope| scope.is_empty() || !qualified && scope.ends_with("::"))
            });
            let entries =
                found.iter().flat_map(|name| index.entries_of(name.number).into_iter().map(|at| (at, name.leaf)));
            let ids = entries.filter_map(|(entry, leaf)| Some(self.types.of_die(debug.indexed(entry, leaf)?)));
            let ids: Vec<TypeId> = ids.take(64).collect();
            let kind = |id: &TypeId| &self.types.get(*id).kind;
            let is_whole = |id: &&TypeId| !matches!(kind(id), TypeKind::Struct(content) if content.declaration);
            let readable = |id: &&TypeId| !matches!(kind(id), TypeKind::Unreadable(_));
            ids.iter().find(|id| is_whole(id) && readable(id)).or_else(|| ids.iter().find(readable)).copied()
        })
    }
}

/// A name that is the same for all spellings.
fn plain(name: &str) -> String {
    let short = shorten(name);
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let mut out = String::with_capacity(short.len());
    let mut rest = &*short;
    while let Some(first) = rest.chars().next() {
        if !is_part(first) {
            if !first.is_whitespace() {
                out.push(first);
            }
            rest = &rest[first.len_utf8()..];
            continue;
        }
        // Words with nothing but spaces between them: `unsigned long`.
        let mut words = Vec::new();
        while rest.starts_with(is_part) {
            let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            words.push(&rest[..end]);
            rest = rest[end..].trim_start();
        }
        let words = words.join(" ");
        let spellings = INTEGER_SPELLINGS.iter().find(|spellings| spellings.contains(&words.as_str()));
        out.push_str(spellings.and_then(|spellings| spellings.first()).unwrap_or(&words.as_str()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn spellings_of_one_name() {
        for (one, other) in [
            ("ring<int,4>", "ring<int, 4>"),
            ("ring<ring<unsigned long, 4> >", "ring<ring<long unsigned int,4>>"),
            ("std::vector<a::B>", "std::vector<a::B, std::allocator<a::B> >"),
            ("x<a const&>", "x<a const &>"),
            ("x<short>", "x< short int >"),
        ] {
            assert_eq!(plain(one), plain(other), "{one}");
        }
        assert_ne!(plain("x<unsigned int>"), plain("x<int>"));
        assert_ne!(plain("x<a const>"), plain("x<aconst>"));
    }
}
