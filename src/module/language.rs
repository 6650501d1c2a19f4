//! Source languages, as far as they differ here.

/// The source language of a type or a function, as far as printing differs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
pub enum Language {
    /// C, any version (and assembly).
    #[default]
    C,
    /// C++, any version.
    Cpp,
    /// Rust.
    Rust,
    /// Go.
    Go,
    /// Something else.
    Other,
}

impl Language {
    /// Whether arrays of characters are text there.
    pub fn has_text_in_arrays(self) -> bool {
        matches!(self, Language::C | Language::Cpp | Language::Other)
    }

    /// `c`, `c++`, `rust`, `go`; `None` for others.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Language::C => Some("c"),
            Language::Cpp => Some("c++"),
            Language::Rust => Some("rust"),
            Language::Go => Some("go"),
            Language::Other => None,
        }
    }
}
