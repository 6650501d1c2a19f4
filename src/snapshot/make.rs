//! Taking a snapshot of an opened target.

use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;

use super::archive::{self, Packed};
use super::environment;
use super::header::{group, header, layout, part_name, verdict};
use super::look::look_at_everything;
use super::module::{self, LookedAt};
use super::sources::source_lines;
use super::{Privacy, Redaction, SnapshotError, SourceLines, memory};
use crate::analyze::{self, Blame};
use crate::fingerprint::Rules;
use crate::image::environment::{Environment, InitialStack, LogTail};
use crate::image::snapshot::format::{self, Capture, Header};
use crate::module::{Module, ModuleId};
use crate::session::Session;

/// What to keep.
pub struct Options<'a> {
    /// Bytes of memory that are kept, before compression; what answers at the usual limits is kept in any case.
    pub budget: u64,
    /// How deep values are followed while the budget lasts.
    pub depth: usize,
    /// How many elements of an array or a container are kept while the budget lasts.
    pub items: usize,
    /// Bytes that one thread's frames may add to what answers at the usual limits; an equal share where `None`.
    pub thread_budget: Option<u64>,
    /// `--attr`: in place of what the program says under the same keys.
    pub attributes: BTreeMap<String, String>,
    /// The process's surroundings, where the session cannot know them.
    pub environment: Option<Environment>,
    /// Ends of log files, which go along.
    pub logs: Vec<LogTail>,
    /// What is left out of the memory.
    pub privacy: Privacy,
    /// What is masked; nothing where `None`.
    pub redaction: Option<Redaction>,
    /// Where source lines are found.
    pub sources: Option<SourceLines<'a>>,
    /// What the fingerprint is made by.
    pub rules: &'a Rules,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options {
            budget: 2 << 20,
            depth: 8,
            items: 256,
            thread_budget: None,
            attributes: BTreeMap::new(),
            environment: None,
            logs: Vec::new(),
            privacy: Privacy::default(),
            redaction: Some(Redaction::usual()),
            sources: None,
            rules: Rules::usual(),
        }
    }
}

/// A snapshot, ready to be written.
pub struct Snapshot {
    /// The file.
    pub bytes: Vec<u8>,
    /// What its header says of how it was taken.
    pub capture: Capture,
    /// The header's fingerprint.
    pub fingerprint: Option<String>,
}

/// Takes a snapshot.
pub fn take(session: &Session, options: Options<'_>) -> Result<Snapshot, SnapshotError> {
    let initial = InitialStack::find(&session.image);
    let surroundings = options.environment.clone().unwrap_or_else(|| session.environment());
    let mut attributes = session.attributes();
    attributes.extend(options.attributes.clone());
    let reads = session.record();
    if options.privacy.is_on() {
        session.record_roles();
    }
    let mut left_out: BTreeMap<String, u64> = BTreeMap::new();
    let looked = look_at_everything(session, reads, &options, &mut left_out);
    let analysis = session.image.signal.is_some().then(|| analyze::analyze(session, Blame::usual()));
    let verdict = analysis.as_ref().and_then(|analysis| verdict(analysis, options.privacy.is_on()));
    let group = analysis.as_ref().map(|analysis| group(session, analysis, options.rules)).unwrap_or_default();
    let redaction = options.redaction.map(|mut redaction| {
        redaction.add_environment(initial.variables.iter().map(Vec::as_slice));
        redaction
    });
    let redaction = redaction.as_ref();
    let looked_at = module::looked_at(session);
    let modules: Vec<(&Module, LookedAt)> = looked_at
        .into_iter()
        .filter_map(|(id, looked_at)| Some((session.program.modules.get(id)?, looked_at)))
        .collect();
    let files = || {
        let with_file = modules.par_iter().filter(|(module, _)| module.file().is_some());
        let packed = with_file.map(|(module, looked_at)| {
            let file = module::file(session, module, looked_at);
            let packed = archive::pack(&part_name(module), &file.bytes)?;
            Ok((module.id, packed, file.lost_attributes))
        });
        packed.collect::<std::io::Result<Vec<(ModuleId, Packed, usize)>>>()
    };
    let (files, core) = rayon::join(files, || memory::core(session, reads, &looked, redaction, options.privacy));
    let (files, core) = (files?, core?);
    left_out.extend(core.left_out);
    let lost: usize = files.iter().map(|(.., lost)| lost).sum();
    if lost > 0 {
        left_out.insert("debug-information-attributes".to_owned(), lost as u64);
    }
    let names: HashMap<ModuleId, String> =
        files.iter().filter_map(|(id, ..)| Some((*id, part_name(session.program.modules.get(*id)?)))).collect();
    if core.masked > 0 {
        left_out.insert("secrets".to_owned(), core.masked);
    }
    let saved: u64 = session.image.mappings.iter().map(|mapping| mapping.saved).sum();
    left_out.insert("memory-bytes".to_owned(), saved.saturating_sub(core.kept));
    let layout = serde_json::to_vec(&layout(session, &names)).map_err(std::io::Error::from)?;
    let core_name = core.part.name().to_owned();
    let mut parts = vec![archive::pack(format::LAYOUT, &layout)?, core.part];
    let mut logs = surroundings.logs.clone();
    logs.extend(options.logs);
    let environment = environment::kept(Environment { logs, ..surroundings }, redaction, options.privacy);
    let environment = serde_json::to_vec(&environment).map_err(std::io::Error::from)?;
    parts.push(archive::pack(format::ENVIRONMENT, &environment)?);
    if let Some(sources) = options.sources.and_then(|find| source_lines(session, &looked.traces, find, redaction)) {
        let sources = serde_json::to_vec(&sources).map_err(std::io::Error::from)?;
        parts.push(archive::pack(format::SOURCES, &sources)?);
    }
    parts.extend(files.into_iter().map(|(_, packed, _)| packed));
    let capture = Capture {
        source: match session.image.kind() {
            // What is taken of a snapshot is still of the core that that one was taken of.
            "snapshot" => "core",
            kind => kind,
        }
        .to_owned(),
        pause_ms: session.image.pause.map(|pause| (pause.as_secs_f64() * 1e6).round() / 1e3),
        threads: session.image.threads.len(),
        left_out,
        redaction: redaction.map(|redaction| redaction.version().to_owned()),
    };
    let fingerprint = group.fingerprint.clone();
    let header = header(session, attributes, capture.clone(), Header { verdict, ..group }, redaction, &core_name);
    let bytes = archive::write(header, &parts)?;
    Ok(Snapshot { bytes, capture, fingerprint })
}
