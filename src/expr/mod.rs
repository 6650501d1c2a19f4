//! The user's expression language: parse, check, evaluate.
//!
//! [`evaluate`] gives a place (or bytes, or items in several places) and a type; the value room reads what is there.
//! What the expression names is found through [`Scope`], so the language knows nothing of sessions and frames; what
//! it keeps from one expression to the next is in [`Variables`].

mod arithmetic;
mod casts;
pub mod classes;
mod complex;
mod dollar;
mod dynamic;
mod entries;
mod eval;
mod functions;
mod go;
mod lex;
mod literals;
mod members;
mod names;
mod operators;
mod parse;
mod parse_calls;
mod parse_names;
pub mod parts;
mod sequence;
mod siginfo;
mod text;
pub mod trait_objects;
mod tree;
mod user;
mod variables;
mod vectors;
mod views;
mod walks;

#[cfg(test)]
mod eval_tests;

use std::ops::Range;

pub use eval::{Evaluated, Items, Role, evaluate, evaluate_within, resolve_type, type_of};
pub use variables::Variables;

use crate::addr::RunAddr;
use crate::arch::Arch;
use crate::memory::Memory;
use crate::module::Expression;
use crate::types::{Language, TypeId, TypeKind, TypeTable};
use crate::value::decode::Symbols;
use crate::value::formatters::user::UserFormatters;
use crate::value::{Absent, Place};

/// Bytes of an expression's text.
pub const MAX_LENGTH: usize = 4096;
/// Levels of an expression's tree.
pub const MAX_NESTING: usize = 256;

/// Checks an expression's form alone. `is_type` says whether a name is a type's and no variable's.
pub fn check_form(text: &str, is_type: &dyn Fn(&str) -> bool) -> Result<(), ExprError> {
    parse::parse(text, is_type).map(|_| ())
}

/// Members of what an expression stands for, or leads to, in their order. Nothing is read where its type is known
/// without.
pub fn member_names(scope: &dyn Scope, object: &str, variables: &Variables) -> Vec<String> {
    let Ok(mut type_id) = type_of(scope, object, variables) else { return Vec::new() };
    let evaluator = eval::Evaluator::new(scope, object, variables);
    for _ in 0..8 {
        match evaluator.kind_of(type_id) {
            TypeKind::Pointer { target } | TypeKind::Reference { target, .. } => type_id = *target,
            _ => break,
        }
    }
    evaluator.member_names(type_id)
}

/// Something that a name stands for.
pub type Named = (Result<Place, Absent>, TypeId);

/// What is visible where an expression is evaluated.
pub trait Scope {
    /// All types.
    fn types(&self) -> &TypeTable;
    /// The processor.
    fn arch(&self) -> Arch;
    /// The target's memory.
    fn memory(&self) -> &dyn Memory;
    /// Whether `*pointer` is the whole object where the pointer is to one of its base classes.
    fn shows_whole_objects(&self) -> bool {
        true
    }
    /// The language of the frame's function.
    fn language(&self) -> Option<Language>;
    /// A variable of the frame.
    fn variable(&self, name: &str) -> Option<Named>;
    /// Globals and functions of that name; with `file`, those of that file.
    fn globals(&self, name: &str, file: Option<&str>) -> Vec<Named>;
    /// A type by name.
    fn find_type(&self, name: &str) -> Option<TypeId>;
    /// A register's bytes in the frame; `None`: there is no such register.
    fn register(&self, name: &str) -> Option<Result<Vec<u8>, Absent>>;
    /// The address that an expression in the debug information gives for an object (a virtual base's).
    fn computed(&self, expression: &Expression, object: RunAddr) -> Result<u64, Absent>;
    /// How many elements an array has whose length the frame knows; `None` where it cannot be told.
    fn element_count(&self, _array: TypeId) -> Option<u64> {
        None
    }
    /// An array as the frame has it whose bounds are not just a count, or whose elements are elsewhere: where they are, and
    /// its type with every bound fixed. `None` where the type alone says all that.
    fn array_in_memory(&self, _array: TypeId, _at: RunAddr) -> Option<Result<(RunAddr, TypeId), Absent>> {
        None
    }
    /// Names that a misspelt one may have meant: all that are near to it, and any others.
    fn names(&self, near: &str) -> Vec<String>;
    /// A variable of the innermost frame of that function, from this frame outwards.
    fn variable_of(&self, _function: &str, _name: &str) -> Option<Named> {
        None
    }
    /// What only a symbol table names: its address, and whether it is a function.
    fn bare_symbol(&self, _name: &str) -> Option<(RunAddr, bool)> {
        None
    }
    /// An enumerator, qualified or not: its enumeration and value.
    fn enumerator(&self, _name: &str) -> Option<(TypeId, i128)> {
        None
    }
    /// Names of the namespaces and classes around the frame's function, outermost first.
    fn namespaces(&self) -> Vec<String> {
        Vec::new()
    }
    /// The path of the package of Go's that the frame's function is of.
    fn package(&self) -> Option<String> {
        None
    }
    /// The value that a parameter had at the function's entry; `None`: there is no such parameter.
    fn at_entry(&self, _name: &str) -> Option<Named> {
        None
    }
    /// What is seen in another frame (an index; this thread's innermost where none is given with a thread) of this or
    /// another thread (an LWP). Errors are for the reader.
    fn frame(&self, _thread: Option<u64>, _frame: Option<u64>) -> Result<Box<dyn Scope + '_>, String> {
        Err("other frames are not at hand".to_owned())
    }
    /// The functions of the frame and of those that called it, innermost first, without parameters.
    fn callers(&self) -> Vec<String> {
        Vec::new()
    }
    /// The bytes of the thread's `siginfo_t`.
    fn siginfo(&self) -> Option<Vec<u8>> {
        None
    }
    /// The thread's number, from 1 on, as the list of threads has them.
    fn thread_number(&self) -> Option<u32> {
        None
    }
    /// Names addresses; without it, what is known by its symbol alone is not.
    fn symbols(&self) -> Option<&dyn Symbols> {
        None
    }
    /// Formatters that users wrote, whose parts and items expressions see.
    fn user_formatters(&self) -> Option<&dyn UserFormatters> {
        None
    }
    /// The signal that ended the process.
    fn exit_signal(&self) -> Option<i32> {
        None
    }
}

/// What is wrong with an expression.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorKind {
    /// Its form.
    Syntax,
    /// A name that stands for nothing.
    UnknownName,
    /// Its operands do not go together.
    Type,
    /// Another variant of an enum is active.
    Inactive,
}

/// Why an expression has no value, and where in it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}\n    {text}\n    {}{}", " ".repeat(columns(text, 0..span.start)), "^".repeat(columns(text, span.clone()).max(1)))]
pub struct ExprError {
    /// What is wrong.
    pub kind: ErrorKind,
    /// In words.
    pub message: String,
    /// The expression.
    pub text: String,
    /// The bytes of it that are at fault.
    pub span: Range<usize>,
}

/// Characters in a part of the text.
fn columns(text: &str, part: Range<usize>) -> usize {
    let end = part.end.min(text.len());
    text.get(part.start.min(end)..end).map_or(0, |part| part.chars().count())
}

impl ExprError {
    fn new(kind: ErrorKind, text: &str, span: Range<usize>, message: impl Into<String>) -> ExprError {
        ExprError { kind, message: message.into(), text: text.to_owned(), span }
    }

    fn syntax(text: &str, span: Range<usize>, message: impl Into<String>) -> ExprError {
        ExprError::new(ErrorKind::Syntax, text, span, message)
    }

    /// The expression is sound, but nothing has that name.
    pub fn is_unknown_name(&self) -> bool {
        self.kind == ErrorKind::UnknownName
    }
}

/// The name that is nearest to `wanted`, where one is near.
fn nearest<'a>(wanted: &str, names: &'a [String]) -> Option<&'a str> {
    /// Longer names are not compared.
    const MAX_NAME: usize = 64;
    let length = wanted.chars().count();
    let allowed = length.div_ceil(3).min(3).min(length.saturating_sub(1));
    names
        .iter()
        .filter(|name| {
            name.as_str() != wanted
                && name.len() <= MAX_NAME
                && wanted.len() <= MAX_NAME
                && name.len().abs_diff(wanted.len()) <= allowed
        })
        .map(|name| (edit_distance(wanted, name), name))
        .filter(|(distance, _)| *distance <= allowed)
        // Of those that are equally near, the first: what is local comes first.
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name.as_str())
}

/// Insertions, deletions and replacements from one name to the other (Levenshtein), case aside.
fn edit_distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.to_lowercase().chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}
