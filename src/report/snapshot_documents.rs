//! JSON of snapshots: what taking one answers, and what `info` repeats of its header.

use std::path::Path;

use serde::Serialize;

use super::documents::Surroundings;
use super::json::Json;
use super::json_backtrace::begin_document;
use crate::image::Note;
use crate::image::snapshot::Snapshot;
use crate::image::snapshot::format::Capture;

/// `obit.snapshot-taken/1`.
pub fn taken(file: &Path, bytes: u64, capture: &Capture, notes: &[Note]) -> Json {
    let mut json = Json::new();
    begin_document(&mut json, "obit.snapshot-taken/1", notes);
    json.field_string("file", Some(&file.to_string_lossy()));
    json.field_uint("bytes", Some(bytes));
    json.key("pause_ms");
    match capture.pause_ms {
        Some(pause) => json.float(pause),
        None => json.null(),
    }
    json.field_uint("threads", Some(capture.threads as u64));
    json.key("left_out");
    value(&mut json, &capture.left_out);
    json.end_object();
    json
}

/// `capture` (null where the target is no snapshot), `environment` and `attributes` of `obit.info/1`.
pub fn of_info(json: &mut Json, snapshot: Option<&Snapshot>, surroundings: Surroundings<'_>) {
    json.key("capture");
    match snapshot {
        Some(snapshot) => of_capture(json, snapshot),
        None => json.null(),
    }
    json.key("environment");
    value(json, surroundings.environment);
    json.key("attributes");
    value(json, surroundings.attributes);
}

fn of_capture(json: &mut Json, snapshot: &Snapshot) {
    let header = &snapshot.header;
    let capture = serde_json::json!({
        "file": snapshot.file(),
        "bytes": snapshot.size(),
        "created": header.created,
        "writer": header.writer,
        "source": header.capture.source,
        "pause_ms": header.capture.pause_ms,
        "threads": header.capture.threads,
        "left_out": header.capture.left_out,
        "redaction": header.capture.redaction,
        "verdict": header.verdict,
        "fingerprint": header.fingerprint,
        "stack_hash": header.stack_hash,
        "fingerprint_rules": header.fingerprint_rules,
    });
    value(json, &capture);
}

fn value(json: &mut Json, value: &impl Serialize) {
    match serde_json::to_vec(value) {
        Ok(bytes) => json.document(&bytes),
        Err(_) => json.null(),
    }
}
