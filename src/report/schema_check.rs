//! Whether a document is as its schema says. For tests, those of the programs too.

use serde_json::{Value as Json, json};

/// The places in `value` that do not conform, for the part of JSON Schema that schemars uses.
pub fn problems(root: &Json, schema: &Json, value: &Json, path: &str, found: &mut Vec<String>) {
    if schema == &json!(true) {
        return;
    }
    if let Some(reference) = schema.get("$ref").and_then(Json::as_str) {
        let target = root.pointer(reference.trim_start_matches('#')).expect(reference);
        problems(root, target, value, path, found);
    }
    if let Some(constant) = schema.get("const")
        && constant != value
    {
        found.push(format!("{path}: {value} is not {constant}"));
    }
    if let Some(choices) = schema.get("enum").and_then(Json::as_array)
        && !choices.contains(value)
    {
        found.push(format!("{path}: {value} is none of {choices:?}"));
    }
    for keyword in ["anyOf", "oneOf"] {
        if let Some(choices) = schema.get(keyword).and_then(Json::as_array) {
            let fits = |choice: &&Json| {
                let mut inner = Vec::new();
                problems(root, choice, value, path, &mut inner);
                inner.is_empty()
            };
            let count = choices.iter().filter(fits).count();
            if count == 0 || keyword == "oneOf" && count > 1 {
                found.push(format!("{path}: {value} fits {count} of {keyword}"));
            }
        }
    }
    if let Some(kind) = schema.get("type") {
        let kinds: Vec<&str> = kind.as_array().map_or_else(
            || vec![kind.as_str().unwrap()],
            |kinds| kinds.iter().map(|kind| kind.as_str().unwrap()).collect(),
        );
        let is = |kind: &&str| match *kind {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0),
            "number" => value.is_number(),
            "string" => value.is_string(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            other => panic!("{other}"),
        };
        if !kinds.iter().any(is) {
            found.push(format!("{path}: {value} is no {kinds:?}"));
        }
    }
    if let Some(pattern) = schema.get("pattern").and_then(Json::as_str)
        && let Some(text) = value.as_str()
    {
        let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        let fits = match pattern {
            "^0x[0-9a-f]+$" => text.strip_prefix("0x").is_some_and(|digits| !digits.is_empty() && is_hex(digits)),
            "^([0-9a-f][0-9a-f])*$" => is_hex(text) && text.len() % 2 == 0,
            other => panic!("{other}"),
        };
        if !fits {
            found.push(format!("{path}: {text} does not match {pattern}"));
        }
    }
    if let Some(object) = value.as_object() {
        let known = schema.get("properties").and_then(Json::as_object);
        for name in schema.get("required").and_then(Json::as_array).into_iter().flatten() {
            if !object.contains_key(name.as_str().unwrap()) {
                found.push(format!("{path}: {name} is missing"));
            }
        }
        for (key, inner) in object {
            if let Some(schema) = known.and_then(|known| known.get(key)) {
                problems(root, schema, inner, &format!("{path}/{key}"), found);
            } else if let Some(schema) = schema.get("additionalProperties") {
                problems(root, schema, inner, &format!("{path}/{key}"), found);
            } else if known.is_some() {
                // Not forbidden to readers, but a word that the schema should have.
                found.push(format!("{path}: {key} is not described"));
            }
        }
    }
    if let (Some(items), Some(schema)) = (value.as_array(), schema.get("items")) {
        for (index, item) in items.iter().enumerate() {
            problems(root, schema, item, &format!("{path}/{index}"), found);
        }
    }
}
