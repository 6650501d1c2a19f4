//! Colours: few and quiet, and the same for the same thing everywhere.

use std::fmt::{self, Display, Write};

use anstyle::{AnsiColor, Style};

/// Paints, or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint {
    /// Whether escape sequences are written.
    pub enabled: bool,
}

impl Paint {
    /// A function's name (gdb's yellow).
    pub fn function<T: Display>(self, text: T) -> Painted<T> {
        self.with(AnsiColor::Yellow.on_default(), text)
    }

    /// A file's name (gdb's green).
    pub fn file<T: Display>(self, text: T) -> Painted<T> {
        self.with(AnsiColor::Green.on_default(), text)
    }

    /// An address (gdb's blue).
    pub fn address<T: Display>(self, text: T) -> Painted<T> {
        self.with(AnsiColor::Blue.on_default(), text)
    }

    /// A variable's name (gdb's cyan).
    pub fn variable<T: Display>(self, text: T) -> Painted<T> {
        self.with(AnsiColor::Cyan.on_default(), text)
    }

    /// What went wrong.
    pub fn alarm<T: Display>(self, text: T) -> Painted<T> {
        self.with(AnsiColor::Red.on_default().bold(), text)
    }

    /// A heading.
    pub fn heading<T: Display>(self, text: T) -> Painted<T> {
        self.with(Style::new().bold(), text)
    }

    /// What is said beside the matter.
    pub fn aside<T: Display>(self, text: T) -> Painted<T> {
        self.with(Style::new().dimmed(), text)
    }

    /// The same written at the end of a text; a name without its colour costs no formatting.
    pub fn push_variable(self, out: &mut String, name: &str) {
        match self.enabled {
            true => drop(write!(out, "{}", self.variable(name))),
            false => out.push_str(name),
        }
    }

    fn with<T: Display>(self, style: Style, text: T) -> Painted<T> {
        Painted { style: self.enabled.then_some(style), text }
    }
}

/// Text that writes itself in its colour.
pub struct Painted<T> {
    style: Option<Style>,
    text: T,
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.style {
            Some(style) => write!(f, "{style}{}{style:#}", self.text),
            None => self.text.fmt(f),
        }
    }
}
