//! What commands answer, as text for people and as JSON for programs.

pub mod type_text;
pub mod value_text;
