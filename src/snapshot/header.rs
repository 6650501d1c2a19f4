//! What the snapshot says of itself: the header, the verdict in it, and what was where.

use std::collections::{BTreeMap, HashMap};

use super::Redaction;
use crate::analyze::Analysis;
use crate::fingerprint::{Fingerprint, Rules};
use crate::image::snapshot::format::{self, Capture, Header, Hex, Layout, MappingRecord, ModuleRecord};
use crate::module::find::{Looked, Outcome};
use crate::module::{Module, ModuleId};
use crate::session::Session;

/// Functions of the stack that the header has.
const HEADER_FRAMES: usize = 64;

/// The name of a module's part.
pub fn part_name(module: &Module) -> String {
    format!("modules/{:x}.elf.zst", module.seed.start.0)
}

/// Why it died. What that is read from is kept, so that the snapshot can be asked again.
/// Where texts are private, the sentence says no more than where.
pub fn verdict(analysis: &Analysis, private: bool) -> Option<format::Verdict> {
    let verdict = analysis.verdict()?;
    let place = || {
        let function = verdict.function.as_ref().map(|function| format!(" in {function}()")).unwrap_or_default();
        let line = verdict.line.as_ref().map(|(file, line)| format!(" at {file}:{line}")).unwrap_or_default();
        format!("{}{function}{line}", verdict.class.code())
    };
    Some(format::Verdict {
        class: verdict.class.code().to_owned(),
        certainty: verdict.certainty.code().to_owned(),
        rule: Some(verdict.rule.to_owned()),
        summary: if private { place() } else { verdict.summary.clone() },
        thread: verdict.thread,
        frame_index: verdict.frame_index as u64,
    })
}

/// The header's fields that say which group it belongs to. What is taken of a snapshot stays in the group that that one is in.
pub fn group(session: &Session, analysis: &Analysis, rules: &Rules) -> Header {
    let stored = session.image.snapshot.as_ref().map(|snapshot| &snapshot.header);
    let found = Fingerprint::of(session, analysis, rules);
    if let Some(stored) = stored.filter(|header| header.fingerprint.is_some()) {
        return Header {
            fingerprint: stored.fingerprint.clone(),
            stack_hash: stored.stack_hash.clone(),
            fingerprint_rules: stored.fingerprint_rules.clone(),
            frames: stored.frames.clone(),
            ..Header::default()
        };
    }
    let Some(found) = found else { return Header::default() };
    let mut frames = found.stack;
    frames.truncate(HEADER_FRAMES);
    Header {
        fingerprint: Some(found.fingerprint),
        stack_hash: Some(found.stack_hash),
        fingerprint_rules: Some(found.rules),
        frames,
        ..Header::default()
    }
}

/// Modules, mappings and names of threads. `parts` are the names of the modules' parts.
pub fn layout(session: &Session, parts: &HashMap<ModuleId, String>) -> Layout {
    let image = &session.image;
    let mut files: Vec<String> = Vec::new();
    let mut numbers: HashMap<&str, u32> = HashMap::new();
    let mut mappings = Vec::with_capacity(image.mappings.len());
    for mapping in &image.mappings {
        let file = mapping.file.as_ref().map(|(path, offset)| {
            let number = *numbers.entry(path).or_insert_with(|| {
                files.push(path.clone());
                files.len() as u32 - 1
            });
            (number, Hex(*offset))
        });
        let (start, end) = (Hex(mapping.start.0), Hex(mapping.end.0));
        mappings.push(MappingRecord { start, end, flags: mapping.flags, saved: mapping.saved, file });
    }
    let modules = session.program.modules.iter().map(|module| {
        let part = parts.get(&module.id).cloned();
        let missing = (part.is_none() && module.was_searched() && module.file().is_none())
            .then(|| module.search().looked.iter().map(looked_text).collect::<Vec<_>>().join("; "));
        ModuleRecord {
            path: module.seed.path.clone(),
            build_id: module.build_id().map(crate::module::find::hex),
            bias: Hex(module.bias().0),
            start: Hex(module.seed.start.0),
            end: Hex(module.seed.end.0),
            mapped: module.seed.mapped.iter().map(|(start, end, at)| (Hex(start.0), Hex(end.0), Hex(*at))).collect(),
            executable: module.seed.is_executable,
            vdso: module.seed.is_vdso,
            deleted: module.seed.deleted,
            part,
            missing,
        }
    });
    let modules = modules.collect();
    let thread_names = image.threads.iter().filter_map(|thread| Some((thread.lwp, thread.name.clone()?))).collect();
    Layout { modules, files, mappings, thread_names }
}

fn looked_text(looked: &Looked) -> String {
    match &looked.outcome {
        Outcome::Found => format!("{} (found)", looked.place),
        Outcome::Missing => format!("{} (not there)", looked.place),
        Outcome::Mismatch { found, .. } => {
            format!("{} (another build, {})", looked.place, found.as_deref().unwrap_or("without build-id"))
        }
        Outcome::Differs(how) | Outcome::Unusable(how) => format!("{} ({how})", looked.place),
    }
}

/// The header, its list of parts empty. `core` is the name of the core's part.
pub fn header(
    session: &Session,
    attributes: BTreeMap<String, String>,
    capture: Capture,
    found: Header,
    redaction: Option<&Redaction>,
    core: &str,
) -> Header {
    let image = &session.image;
    Header {
        schema: if core == format::CORE { format::SCHEMA } else { format::SCHEMA_2 }.to_owned(),
        writer: concat!("obit ", env!("CARGO_PKG_VERSION")).to_owned(),
        created: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        arch: image.arch.name().to_owned(),
        process: format::Process {
            pid: image.process.pid,
            command: image.process.command.as_ref().map(|command| match redaction {
                Some(redaction) => redaction.masked(command),
                None => command.clone(),
            }),
            executable: image.process.executable.clone(),
        },
        signal: image.signal.as_ref().map(|signal| format::Signal {
            number: signal.number,
            name: signal.name(),
            code: signal.code_name().map(str::to_owned),
            address: signal.address.map(|address| Hex(address.0)),
        }),
        verdict: found.verdict.map(|verdict| match redaction {
            Some(redaction) => format::Verdict { summary: redaction.masked(&verdict.summary), ..verdict },
            None => verdict,
        }),
        capture,
        attributes: match redaction {
            Some(redaction) => redaction.masked_attributes(attributes),
            None => attributes,
        },
        parts: Vec::new(),
        fingerprint: found.fingerprint,
        stack_hash: found.stack_hash,
        fingerprint_rules: found.fingerprint_rules,
        frames: found.frames,
    }
}
