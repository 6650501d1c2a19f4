//! What commands answer, as text for people and as JSON for programs.
//!
//! The commands gather rows; the files here render them. JSON is written as it is made, never held as a tree, so
//! that a thousand threads with all their locals cost no more memory than a few of them.

pub mod analysis;
pub mod bt_text;
pub mod capture_documents;
pub mod code_text;
pub(crate) mod digits;
pub mod documents;
pub mod environment_text;
pub mod fingerprint;
pub mod fold;
pub mod formatted;
pub mod heap_documents;
pub mod json;
pub mod json_backtrace;
pub mod json_value;
pub mod page;
pub mod runtime_documents;
pub mod sarif;
pub mod scheduler_documents;
pub mod schema;
pub mod session_documents;
pub mod signal_text;
pub mod snapshot_documents;
pub mod source;
pub mod style;
pub mod symbol_text;
pub mod table;
pub mod type_text;
pub mod value_text;
pub mod waits_documents;
pub mod waits_text;

#[cfg(test)]
pub(crate) mod testing;
