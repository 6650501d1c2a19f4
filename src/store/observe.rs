//! A snapshot as a row: what is counted and looked for later, read off with the debugger's own library.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;

use super::StoreError;
use super::crash::{Crash, MOST_FRAMES, MOST_MODULES, Module, SCHEMA};
use super::id::Id;
use crate::analyze::{Blame, analyze, blame, thread_of_death};
use crate::fingerprint::{Fingerprint, Rules};
use crate::image::environment::Environment;
use crate::image::snapshot::Snapshot;
use crate::session::{Frame, OpenOptions, Session, Trace};
use crate::value::{Limits, Value, ValueKind};

/// Own frames whose variables become `vars`.
const FRAMES: usize = 8;
/// Variables and their members that are kept.
const MOST_VARIABLES: usize = 96;
/// Bytes of a variable's text.
const LONGEST: usize = 200;
/// As far as variables are looked into: `request->user.id`.
const LIMITS: Limits =
    Limits { depth: 3, items: 0, string: 200, follow: true, raw: false, objects: true, statics: false };

/// Opens what is in a snapshot's file. The bytes live until the process ends, as everything does that a session reads.
pub fn open(name: &Path, bytes: &'static [u8]) -> Result<Session, StoreError> {
    let refused = |error: &dyn std::fmt::Display| StoreError::Usage(format!("{error}"));
    let image = crate::image::snapshot::open(name, bytes, Vec::new()).map_err(|error| refused(&error))?;
    // Nothing is asked of servers: the snapshot says all that it will ever say.
    let options = OpenOptions { debuginfod: Some(false), ..OpenOptions::default() };
    Session::of_image(image, name, &options).map_err(|error| refused(&error))
}

/// The row. `given` are attributes beside the snapshot's own, and go before them.
pub fn crash(session: &Session, id: &Id, time: Timestamp, bytes: u64, given: &BTreeMap<String, String>) -> Crash {
    let mut attrs = session.attributes();
    attrs.extend(given.iter().map(|(key, value)| (key.clone(), value.clone())));
    let environment = session.environment();
    let named = |keys: &[&str]| keys.iter().find_map(|key| attrs.get(*key)).filter(|text| !text.is_empty()).cloned();
    let image = &session.image;
    let header = image.snapshot.as_deref().map(|snapshot: &Snapshot| &snapshot.header);
    let executable = image.process.executable.clone();
    let thread = thread_of_death(session);
    let trace = thread.map(|thread| session.kept_trace(thread, 1024));
    let frames: &[Frame] = trace.as_deref().map_or(&[], |trace| &trace.frames);
    let usual = Blame::usual();
    let own: Vec<usize> = (0..frames.len()).filter(|at| usual.kind(session, &frames[*at]).is_none()).collect();
    let names: Vec<String> = frames.iter().take(MOST_FRAMES).map(|frame| frame_name(session, frame)).collect();
    let top_frame = own.first().and_then(|at| names.get(*at)).cloned();
    let verdict = header.and_then(|header| header.verdict.as_ref());
    let class = verdict.map(|verdict| verdict.class.clone());
    let keys = Keys::of(session, class.as_deref(), &own.iter().filter_map(|at| names.get(*at)).collect::<Vec<_>>());
    let host = environment.host.as_ref().and_then(|host| host.name.clone());
    let build_id = session.program.modules.iter().find(|module| module.seed.is_executable);
    Crash {
        schema: SCHEMA.to_owned(),
        id: id.to_string(),
        time: time.to_string(),
        application: named(&["application", "app", "service"])
            .or_else(|| executable.as_deref().map(|path| file_name(path).to_owned())),
        version: named(&["version", "release"]),
        host: named(&["host", "hostname"])
            .or(host)
            .or_else(|| environment.container.as_ref().and_then(|container| container.hostname.clone())),
        signal: image.signal.as_ref().map(|signal| signal.name()),
        signal_code: image.signal.as_ref().and_then(|signal| signal.code_name()).map(str::to_owned),
        class,
        certainty: verdict.map(|verdict| verdict.certainty.clone()),
        rule: verdict.and_then(|verdict| verdict.rule.clone()),
        verdict: verdict.map(|verdict| verdict.summary.clone()),
        fingerprint: keys.fingerprint,
        stack_hash: Some(keys.stack_hash),
        rules: Some(keys.rules),
        frames: names,
        top_frame,
        build_id: build_id.and_then(|module| module.build_id()).map(crate::module::find::hex),
        executable,
        arch: Some(image.arch.name().to_owned()),
        pid: image.process.pid.map(i64::from),
        thread: thread.and_then(|thread| thread.name.clone()),
        threads: Some(image.threads.len() as i64),
        modules: session
            .program
            .modules
            .iter()
            .take(MOST_MODULES)
            .map(|module| Module {
                name: file_name(&module.seed.path).to_owned(),
                build_id: module.build_id().map(crate::module::find::hex),
            })
            .collect(),
        vars: trace.as_deref().map(|trace| variables(session, trace, &own)).unwrap_or_default(),
        attrs,
        figures: figures(&environment),
        bytes: i64::try_from(bytes).unwrap_or(i64::MAX),
    }
}

/// The keys that group crashes.
struct Keys {
    fingerprint: String,
    stack_hash: String,
    rules: String,
}

impl Keys {
    /// As the snapshot's header has them, else by the usual rules; where those see no crash (a process that was looked
    /// at while it ran), the program's own functions, the innermost five, repeated ones once (rules `plain-1`).
    fn of(session: &Session, class: Option<&str>, own: &[&String]) -> Keys {
        let header = session.image.snapshot.as_deref().and_then(|file| file.header.grouping());
        if let Some(grouping) = header {
            let (fingerprint, stack_hash, rules) = (grouping.fingerprint, grouping.stack_hash, grouping.rules);
            return Keys { fingerprint, stack_hash, rules };
        }
        let analysis = analyze(session, Blame::usual());
        if let Some(found) = Fingerprint::of(session, &analysis, Rules::usual()) {
            return Keys { fingerprint: found.fingerprint, stack_hash: found.stack_hash, rules: found.rules };
        }
        let hash = |pieces: &mut dyn Iterator<Item = &str>| {
            let mut hasher = blake3::Hasher::new();
            for piece in pieces {
                hasher.update(piece.as_bytes()).update(&[0]);
            }
            hasher.finalize().to_hex()[..16].to_owned()
        };
        let mut folded: Vec<&str> = own.iter().map(|name| name.as_str()).collect();
        folded.dedup();
        let class = class.unwrap_or("unknown");
        Keys {
            fingerprint: hash(&mut std::iter::once(class).chain(folded.iter().copied().take(5))),
            stack_hash: hash(&mut std::iter::once(class).chain(own.iter().map(|name| name.as_str()))),
            rules: "plain-1".to_owned(),
        }
    }
}

/// A frame's function without parameters; what has no name is `module+0x12`.
fn frame_name(session: &Session, frame: &Frame) -> String {
    if let Some(function) = frame.code.function.as_deref() {
        return blame::plain_name(function, frame.code.language).to_owned();
    }
    if let Some(symbol) = frame.code.symbol.as_deref() {
        return symbol.to_owned();
    }
    let label = frame.module.and_then(|id| session.module_label(id));
    match (label, frame.module_offset) {
        (Some(label), Some(offset)) => format!("{}+{:#x}", file_name(label.path), offset.0),
        // An address says nothing from one run to the next.
        _ => "?".to_owned(),
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Scalars and texts of own frames, innermost first; what one frame says of a name stands.
fn variables(session: &Session, trace: &Trace, own: &[usize]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for frame in own.iter().take(FRAMES) {
        for variable in session.variables(trace, *frame, &LIMITS) {
            let name = variable.name.to_string();
            if !found.contains_key(&name) {
                flatten(&name, &variable.value, &mut found, 0);
            }
        }
    }
    found
}

fn flatten(path: &str, value: &Value, found: &mut BTreeMap<String, String>, depth: usize) {
    if found.len() >= MOST_VARIABLES || path.len() > LONGEST || depth > 6 {
        return;
    }
    let mut keep = |text: String| {
        let text: String = text.chars().take(LONGEST).collect();
        found.entry(path.to_owned()).or_insert(text);
    };
    match &value.kind {
        ValueKind::Int(number) => keep(number.to_string()),
        ValueKind::Uint(number) => keep(number.to_string()),
        ValueKind::Described { number, .. } => keep(number.to_string()),
        ValueKind::Char { code, char } => keep(char.map_or_else(|| code.to_string(), |char| char.to_string())),
        ValueKind::Bool(number) => keep(if *number == 0 { "false" } else { "true" }.to_owned()),
        ValueKind::Enum { value, name } => {
            keep(name.as_ref().map_or_else(|| value.to_string(), |name| name.to_string()))
        }
        ValueKind::Float { value, .. } => keep(value.to_string()),
        ValueKind::String(text) => keep(String::from_utf8_lossy(&text.bytes).into_owned()),
        ValueKind::Titled { content, .. } => flatten(path, content, found, depth + 1),
        ValueKind::Pointer { string: Some(text), .. } => keep(String::from_utf8_lossy(&text.bytes).into_owned()),
        ValueKind::Pointer { address: Some(address), .. } if address.0 == 0 => keep("null".to_owned()),
        ValueKind::Pointer { pointee: Some(pointee), .. } => flatten(path, pointee, found, depth + 1),
        ValueKind::Struct { fields, .. } | ValueKind::Parts { fields, .. } => {
            for field in fields {
                match &field.name {
                    Some(name) => flatten(&member(path, name), &field.value, found, depth + 1),
                    None => flatten(path, &field.value, found, depth + 1),
                }
            }
        }
        ValueKind::Variant { variant, fields, .. } => {
            keep(variant.to_string());
            for field in fields {
                if let Some(name) = &field.name {
                    flatten(&member(path, name), &field.value, found, depth + 1);
                }
            }
        }
        ValueKind::Sequence(sequence) => {
            if let Some(length) = sequence.length {
                found.entry(format!("{path}.length")).or_insert(length.to_string());
            }
        }
        ValueKind::Map(map) => {
            if let Some(length) = map.length {
                found.entry(format!("{path}.length")).or_insert(length.to_string());
            }
        }
        // An address is another one in every run; what is not known is no value.
        ValueKind::Pointer { .. }
        | ValueKind::Array { .. }
        | ValueKind::Summary(_)
        | ValueKind::Absent(_)
        | ValueKind::Elided => {}
    }
}

/// `path.name`; a tuple's first is `path.0`.
fn member(path: &str, name: &str) -> String {
    let number = name.strip_prefix("__").filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    format!("{path}.{}", number.unwrap_or(name))
}

fn figures(environment: &Environment) -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    let mut add = |key: &str, value: Option<f64>| {
        if let Some(value) = value {
            found.insert(key.to_owned(), value);
        }
    };
    let bytes = |value: Option<u64>| value.map(|value| value as f64);
    if let Some(memory) = &environment.memory {
        add("memory.resident", bytes(memory.resident));
        add("memory.resident_peak", bytes(memory.resident_peak));
        add("memory.virtual", bytes(memory.virtual_size));
        add("memory.swapped", bytes(memory.swapped));
    }
    if let Some(host) = &environment.host {
        add("host.memory_total", bytes(host.memory_total));
        add("host.memory_available", bytes(host.memory_available));
        add("host.cpus", bytes(host.cpus));
        add("host.uptime_seconds", host.uptime_seconds);
        add("host.load", host.load.first().copied());
    }
    add("age_seconds", environment.age_seconds);
    add("threads", bytes(environment.threads));
    add("descriptors", environment.descriptors.as_ref().map(|descriptors| descriptors.count as f64));
    add("oom_score", environment.oom_score.map(|score| score as f64));
    found
}
