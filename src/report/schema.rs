//! The JSON Schema of every document that `--json` prints: schema.json, which is made of the types in `documents` and
//! committed, so that the program need not be able to make it. A test holds it fresh.

use serde_json::{Map, Value};

/// The schemas of all documents: one object, by name.
const ALL: &str = include_str!("schema.json");

fn parsed() -> Map<String, Value> {
    serde_json::from_str(ALL).unwrap_or_default()
}

/// The documents' names, as their `schema` field has them.
pub fn names() -> Vec<String> {
    parsed().into_iter().map(|(name, _)| name).collect()
}

/// The schema of a document, by its full name or without `obit.` and version.
pub fn one(name: &str) -> Option<String> {
    let schemas = parsed();
    let (_, schema) = schemas.iter().find(|(full, _)| {
        let short = full.trim_start_matches("obit.").trim_end_matches("/1");
        *full == name || short == name
    })?;
    serde_json::to_string_pretty(schema).ok()
}

/// The schemas of all documents: one object, by name.
pub fn all() -> &'static str {
    ALL.trim_end()
}

#[cfg(test)]
#[path = "schema/documents.rs"]
mod documents;

#[cfg(test)]
#[path = "schema_check.rs"]
mod check;

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
