//! Which version of Go the program was built with, and whether its runtime is known.

use crate::module::go_table;
use crate::session::Session;

/// Minor versions whose runtime is laid out as it is read here: what its numbers mean is no part of debug information.
const KNOWN: std::ops::RangeInclusive<u32> = 18..=27;

/// A version that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    /// `go1.23.9`
    pub name: String,
    /// 23 of 1.23.9.
    pub minor: u32,
    /// Where the program's file was.
    pub path: String,
}

/// Why it is not known.
pub(super) enum Unknown {
    /// No Go program.
    NotGo,
    /// In words.
    Because(String),
}

/// The version, where its `what` is known.
pub(super) fn known(session: &Session, what: &str) -> Result<Version, Unknown> {
    let module = session.program.modules.iter().find(|module| module.is_go()).ok_or(Unknown::NotGo)?;
    let path = module.seed.path.clone();
    let unknown = |why: &str| Unknown::Because(format!("{path}: {why}"));
    let file = module.file().ok_or_else(|| unknown("the file is not at hand"))?;
    let name = go_table::version(file).ok_or_else(|| unknown("it does not name its version of Go"))?;
    let minor = go_table::minor_version(file).filter(|minor| KNOWN.contains(minor));
    let minor = minor.ok_or_else(|| {
        unknown(&format!("the {what} of {name} is not known, only that of Go 1.{} to 1.{}", KNOWN.start(), KNOWN.end()))
    })?;
    if session.image.arch.address_size() != 8 {
        return Err(unknown(&format!("the {what} of 32-bit programs is not known")));
    }
    Ok(Version { name, minor, path })
}
