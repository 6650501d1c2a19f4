//! An analysis in SARIF 2.1.0 (OASIS), which code hosts show beside the source.

use serde_json::{Value, json};

use crate::analyze::{Analysis, Certainty, Finding};

/// One run with a result a finding.
pub fn sarif(analysis: &Analysis, target: &str) -> Value {
    let findings = analysis.findings.iter().filter(|finding| finding.rule != "unknown" || analysis.findings.len() == 1);
    let findings: Vec<&Finding> = findings.collect();
    let mut rules: Vec<&str> = findings.iter().map(|finding| finding.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    let rules: Vec<Value> = rules.iter().map(|rule| json!({ "id": rule })).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "obit",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "artifacts": [{ "location": { "uri": uri(target) } }],
            "results": findings.iter().map(|finding| result(finding)).collect::<Vec<_>>(),
        }],
    })
}

fn result(finding: &Finding) -> Value {
    let level = match finding.certainty {
        Certainty::Certain => "error",
        Certainty::Likely => "warning",
        Certainty::Possible => "note",
    };
    let mut location = serde_json::Map::new();
    if let Some((file, line)) = &finding.line {
        let place = json!({ "artifactLocation": { "uri": uri(file) }, "region": { "startLine": line } });
        location.insert("physicalLocation".to_owned(), place);
    }
    if let Some(function) = &finding.function {
        location.insert("logicalLocations".to_owned(), json!([{ "fullyQualifiedName": function, "kind": "function" }]));
    }
    let mut properties = json!({
        "class": finding.class.code(),
        "certainty": finding.certainty.code(),
        "thread": finding.thread,
        "frame_index": finding.frame_index,
    });
    properties["evidence"] = finding
        .evidence
        .iter()
        .map(|evidence| json!({ "what": evidence.what, "expression": evidence.expression, "value": evidence.value }))
        .collect();
    json!({
        "ruleId": finding.rule,
        "level": level,
        "message": { "text": finding.summary },
        "locations": if location.is_empty() { json!([]) } else { json!([location]) },
        "properties": properties,
    })
}

/// A path as a reference: what may not stand in one is escaped (RFC 3986, 2.1).
fn uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    if path.starts_with('/') {
        out.push_str("file://");
    }
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' | b'+' => {
                out.push(char::from(byte))
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_references() {
        assert_eq!(uri("/a b/c.c"), "file:///a%20b/c.c");
        assert_eq!(uri("src/x.rs"), "src/x.rs");
    }
}
