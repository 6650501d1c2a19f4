//! Taking a snapshot of an opened target.

use std::collections::{BTreeMap, HashMap, HashSet};

use rayon::prelude::*;

use super::archive::{self, Packed};
use super::environment;
use super::module::{self, LookedAt};
use super::privacy::{self, Piece};
use super::{Privacy, Redaction, SnapshotError};
use crate::addr::RunAddr;
use crate::analyze::{self, Analysis, Blame};
use crate::arch::GENERAL_COUNT;
use crate::fingerprint::{Fingerprint, Rules};
use crate::image::environment::{Environment, InitialStack, LogTail};
use crate::image::snapshot::format::{self, Capture, Header, Hex, Layout, MappingRecord, ModuleRecord, SourceRecord};
use crate::image::{ThreadState, elf_writer};
use crate::memory::Memory;
use crate::module::find::{Looked, Outcome};
use crate::module::{Module, ModuleId};
use crate::runtime::go::GoRuntime;
use crate::session::record::ReadSet;
use crate::session::{Session, Trace};
use crate::types::{TypeId, TypeKind};
use crate::value::Limits;
use crate::value::decode::Symbols;

/// Frames of a thread whose variables are kept; as many as are shown by default.
const FRAMES: usize = 1024;
/// Functions of the stack that the header has.
const HEADER_FRAMES: usize = 64;
/// Bytes of code on both sides of a frame's pc.
const CODE_AROUND: u64 = 64;
/// Bytes of a thread's stack that are kept whole, from its stack pointer on.
const STACK: u64 = 64 << 10;
/// With more threads than these, less of the others is kept whole.
const MANY_THREADS: usize = 64;
/// Bytes of a thread's stack that are kept whole, of a thread among many.
const STACK_OF_MANY: u64 = 1 << 10;
/// Below the stack pointer: the red zone (System V psABI AMD64 1.0, section 3.2.2).
const RED_ZONE: u64 = 128;
/// Bytes around a piece of memory that are looked at for what names a secret.
const AROUND_SECRETS: u64 = 128;
/// Types of variables whose pointees' definitions are kept.
const MOST_POINTED_TO: usize = 1 << 16;
/// Goroutines whose waits are kept: what they wait for is somewhere in the heap.
const MOST_WAITS: usize = 20_000;
/// Typedefs, qualifiers and pointers between a variable's type and a structure.
const LINKS_FOLLOWED: usize = 16;
/// Pointers to pointers that lead to a structure.
const POINTERS_FOLLOWED: usize = 3;
/// Holes that are no wider than this are kept too: a segment's header costs as much.
const JOINED: u64 = 64;

/// Source lines around a line: the file's name in the line table, the build-id of its module, the line; gives each
/// line's number and text, and how many lines the file has.
pub type SourceLines<'a> = &'a (dyn Fn(&str, Option<&[u8]>, u32) -> Option<Lines> + Sync);

/// Numbers and texts of lines, and how many lines their file has.
pub type Lines = (Vec<(u32, String)>, u32);

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
    let traces = look_at_everything(session, reads, &options, &mut left_out);
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
    let memory = || {
        let mut private = BTreeMap::new();
        let (core, kept_bytes, masked) = core(session, reads, redaction, options.privacy, &mut private);
        Ok::<_, std::io::Error>((archive::pack_in_frames(format::CORE, &core)?, kept_bytes, masked, private))
    };
    let (files, memory) = rayon::join(files, memory);
    let (files, (core, kept_bytes, masked, private)) = (files?, memory?);
    left_out.extend(private);
    let lost: usize = files.iter().map(|(.., lost)| lost).sum();
    if lost > 0 {
        left_out.insert("debug-information-attributes".to_owned(), lost as u64);
    }
    let names: HashMap<ModuleId, String> =
        files.iter().filter_map(|(id, ..)| Some((*id, part_name(session.program.modules.get(*id)?)))).collect();
    if masked > 0 {
        left_out.insert("secrets".to_owned(), masked);
    }
    let saved: u64 = session.image.mappings.iter().map(|mapping| mapping.saved).sum();
    left_out.insert("memory-bytes".to_owned(), saved.saturating_sub(kept_bytes));
    let layout = serde_json::to_vec(&layout(session, &names)).map_err(std::io::Error::from)?;
    let mut parts = vec![archive::pack(format::LAYOUT, &layout)?, core];
    let mut logs = surroundings.logs.clone();
    logs.extend(options.logs);
    let environment = environment::kept(Environment { logs, ..surroundings }, redaction, options.privacy);
    let environment = serde_json::to_vec(&environment).map_err(std::io::Error::from)?;
    parts.push(archive::pack(format::ENVIRONMENT, &environment)?);
    if let Some(sources) = options.sources.and_then(|find| source_lines(session, &traces, find, redaction)) {
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
    let header = header(session, attributes, capture.clone(), Header { verdict, ..group }, redaction);
    let bytes = archive::write(header, &parts)?;
    Ok(Snapshot { bytes, capture, fingerprint })
}

fn part_name(module: &Module) -> String {
    format!("modules/{:x}.elf.zst", module.seed.start.0)
}

/// Why it died. What that is read from is kept, so that the snapshot can be asked again.
/// Where texts are private, the sentence says no more than where.
fn verdict(analysis: &Analysis, private: bool) -> Option<format::Verdict> {
    let verdict = analysis.verdict()?;
    let place = || {
        let function = verdict.function.as_ref().map(|function| format!(" in {function}()")).unwrap_or_default();
        let line = verdict.line.as_ref().map(|(file, line)| format!(" at {file}:{line}")).unwrap_or_default();
        format!("{}{function}{line}", verdict.class.code())
    };
    Some(format::Verdict {
        class: verdict.class.code().to_owned(),
        certainty: verdict.certainty.code().to_owned(),
        summary: if private { place() } else { verdict.summary.clone() },
        thread: verdict.thread,
        frame_index: verdict.frame_index as u64,
    })
}

/// The header's fields that say which group it belongs to. What is taken of a snapshot stays in the group that that one is in.
fn group(session: &Session, analysis: &Analysis, rules: &Rules) -> Header {
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

/// Asks for what anybody may ask for at the usual limits, then deeper while the budget lasts: the crashed thread first.
fn look_at_everything(
    session: &Session,
    reads: &ReadSet,
    options: &Options<'_>,
    left_out: &mut BTreeMap<String, u64>,
) -> Vec<Trace> {
    let threads = &session.image.threads;
    let usual = Limits::default();
    // Formatters read nearly all that plain fields lead to.
    let plain_fields = threads.len() <= MANY_THREADS;
    let stack = if plain_fields { STACK } else { STACK_OF_MANY };
    let traces: Vec<Trace> = threads
        .par_iter()
        .map(|thread| {
            let trace = session.trace(thread, FRAMES);
            keep_stack(session, thread, &trace, if thread.crashed { STACK } else { stack });
            for frame in 0..trace.frames.len() {
                session.variables(&trace, frame, &usual);
                if plain_fields || thread.crashed {
                    session.variables(&trace, frame, &Limits { raw: true, ..usual });
                }
            }
            name_registers(session, &trace);
            trace
        })
        .collect();
    keep_pointed_to(session, &traces);
    // What `locks` and `stacks` read beyond that: the locks themselves, and what leads to their names.
    crate::waits::find(session);
    keep_goroutines(session, reads, options.budget);
    let crashed_first = traces.iter().zip(threads).filter(|(_, thread)| thread.crashed);
    let others = traces.iter().zip(threads).filter(|(_, thread)| !thread.crashed);
    let ordered: Vec<(&Trace, &ThreadState)> = crashed_first.chain(others).collect();
    super::globals::keep(session, &ordered, reads, options.budget, left_out);
    follow_deeper(session, &ordered, reads, options, left_out);
    traces
}

/// What Go's goroutines are read from: their stacks, and their variables while half of the budget lasts.
fn keep_goroutines(session: &Session, reads: &ReadSet, budget: u64) {
    let Ok(runtime) = GoRuntime::open(session) else { return };
    let usual = Limits::default();
    let (goroutines, _) = runtime.goroutines();
    if goroutines.len() <= MOST_WAITS {
        runtime.waits();
    }
    goroutines.par_iter().for_each(|goroutine| {
        if reads.bytes() > budget {
            return;
        }
        let trace = runtime.trace(goroutine, FRAMES);
        runtime.panics(goroutine);
        // Who made it, and what it began with.
        goroutine.created_at.and_then(|pc| runtime.code_before(pc));
        goroutine.start.map(|pc| session.code(pc));
        for frame in 0..trace.frames.len() {
            if reads.bytes() > budget / 2 {
                return;
            }
            session.variables(&trace, frame, &usual);
        }
    });
}

/// Follows values deeper while the budgets last. What one thread leaves of its share goes to those after it.
fn follow_deeper(
    session: &Session,
    traces: &[(&Trace, &ThreadState)],
    reads: &ReadSet,
    options: &Options<'_>,
    left_out: &mut BTreeMap<String, u64>,
) {
    let usual = Limits::default();
    let (depth, items) = (options.depth.max(usual.depth), options.items.max(usual.items));
    let deeper = Limits { depth, items, string: 4096, ..usual };
    let mut passed_over = 0;
    for (number, (trace, thread)) in traces.iter().enumerate() {
        let before = reads.bytes();
        let rest = options.budget.saturating_sub(before);
        let share = rest / (traces.len() - number) as u64;
        // What the crashed thread had in its hands comes first.
        let share = options.thread_budget.unwrap_or(if thread.crashed { rest } else { share });
        for frame in 0..trace.frames.len() {
            if reads.bytes() > options.budget || reads.bytes() - before > share {
                passed_over += 1;
                continue;
            }
            session.variables(trace, frame, &deeper);
        }
    }
    if passed_over > 0 {
        left_out.insert("frames-not-followed-deeper".to_owned(), passed_over);
    }
}

/// Looks at the definitions of the structures that variables point to, whether or not the pointers lead anywhere.
fn keep_pointed_to(session: &Session, traces: &[Trace]) {
    let mut seen: HashSet<TypeId> = HashSet::new();
    for (trace, thread) in traces.iter().zip(&session.image.threads) {
        for frame in 0..trace.frames.len() {
            for type_id in session.variable_types(trace, frame) {
                if seen.len() >= MOST_POINTED_TO || !seen.insert(type_id) {
                    continue;
                }
                let mut target = type_id;
                let mut pointers = 0;
                for _ in 0..LINKS_FOLLOWED {
                    target = match session.types.get(target).kind {
                        TypeKind::Typedef { target } | TypeKind::Qualified { target, .. } => target,
                        TypeKind::Pointer { target } | TypeKind::Reference { target, .. }
                            if pointers < POINTERS_FOLLOWED =>
                        {
                            pointers += 1;
                            target
                        }
                        _ => break,
                    };
                }
                // To find what is defined elsewhere may cost a search of all debug information.
                if thread.crashed {
                    target = session.types.complete(target);
                }
                session.types.get(target);
            }
        }
    }
}

/// The source lines around every frame's line, a file each.
fn source_lines(
    session: &Session,
    traces: &[Trace],
    find: SourceLines<'_>,
    redaction: Option<&Redaction>,
) -> Option<BTreeMap<String, SourceRecord>> {
    let mut wanted: BTreeMap<(&str, u32), Option<&[u8]>> = BTreeMap::new();
    for frame in traces.iter().flat_map(|trace| &trace.frames) {
        let (Some(file), Some(line)) = (frame.code.file.as_deref(), frame.code.line) else { continue };
        wanted.entry((file, line)).or_insert_with(|| session.program.modules.get(frame.module?)?.build_id());
    }
    let mut files: BTreeMap<String, SourceRecord> = BTreeMap::new();
    for ((file, line), build_id) in wanted {
        let Some((lines, count)) = find(file, build_id, line) else { continue };
        let record = files.entry(file.to_owned()).or_default();
        record.line_count = count;
        record.lines.extend(lines);
    }
    if let Some(redaction) = redaction {
        for record in files.values_mut() {
            // Together, as a secret may go over several lines.
            let lines: Vec<&str> = record.lines.values().map(String::as_str).collect();
            let masked = redaction.masked(&lines.join("\n"));
            for (line, masked) in record.lines.values_mut().zip(masked.split('\n')) {
                masked.clone_into(line);
            }
        }
    }
    (!files.is_empty()).then_some(files)
}

/// The stack in use, and the code around each frame.
fn keep_stack(session: &Session, thread: &ThreadState, trace: &Trace, most: u64) {
    let memory = session.memory();
    if let Some(sp) = thread.registers.get(session.image.arch.sp()) {
        let start = sp.saturating_sub(RED_ZONE);
        let outermost = trace.stack.frames.iter().rev().find_map(|frame| frame.cfa).map_or(sp, |cfa| cfa.0);
        let end = outermost.clamp(sp, sp.saturating_add(most)).saturating_add(64);
        touch(memory, start, end);
    }
    for frame in &trace.stack.frames {
        touch(memory, frame.pc.0.saturating_sub(CODE_AROUND), frame.pc.0.saturating_add(CODE_AROUND));
    }
}

/// What `registers`, `info symbol` and such say of a frame's registers.
fn name_registers(session: &Session, trace: &Trace) {
    for frame in &trace.stack.frames {
        for register in 0..GENERAL_COUNT as u16 {
            if let Some(value) = frame.registers.get(register) {
                Symbols::symbol(session, RunAddr(value));
            }
        }
    }
}

/// Reads what there is of a range, so that it is kept.
fn touch(memory: &dyn Memory, start: u64, end: u64) {
    let mut at = start;
    while at < end {
        match memory.piece(RunAddr(at), (end - at) as usize) {
            Ok(piece) => at += piece.len() as u64,
            // Pages are there or not as a whole.
            Err(_) => at = (at / 4096 + 1).saturating_mul(4096),
        }
    }
}

/// An ELF core of what was read, how many bytes of memory that is, and how many secrets were masked in it.
fn core(
    session: &Session,
    reads: &ReadSet,
    redaction: Option<&Redaction>,
    privacy: Privacy,
    left_out: &mut BTreeMap<String, u64>,
) -> (Vec<u8>, u64, u64) {
    let memory = session.memory();
    let mut pieces: Vec<Piece> = Vec::new();
    for (start, end) in reads.ranges(JOINED) {
        let mut at = start;
        while at < end {
            let Ok(piece) = memory.piece(RunAddr(at), (end - at) as usize) else {
                at += 8;
                continue;
            };
            let flags = session.image.mapping_at(RunAddr(at)).map_or(4, |mapping| mapping.flags);
            match pieces.last_mut() {
                Some((from, known, bytes)) if *from + bytes.len() as u64 == at && *known == flags => {
                    bytes.extend_from_slice(piece);
                }
                _ => pieces.push((at, flags, piece.to_vec())),
            }
            at += piece.len() as u64;
        }
    }
    let mut notes: Vec<u8> = session.image.raw_notes.concat();
    let mut masked = 0;
    if let Some(redaction) = redaction {
        masked += redaction.mask(&mut notes);
        masked += pieces.par_iter_mut().map(|(at, _, bytes)| mask_piece(session, redaction, *at, bytes)).sum::<u64>();
    }
    if privacy.is_on() {
        pieces = privacy::apply(session, privacy, pieces, left_out);
    }
    if privacy.scalars {
        notes = privacy::notes_without_scalars(&session.image, &notes);
    }
    let kept = pieces.iter().map(|(.., bytes)| bytes.len() as u64).sum();
    (elf_writer::core(session.image.arch, &notes, &pieces), kept, masked)
}

/// Masks secrets in a piece of memory; what names one may stand before the piece, and one may go on behind it.
fn mask_piece(session: &Session, redaction: &Redaction, start: u64, bytes: &mut [u8]) -> u64 {
    let memory = session.memory();
    let around = |from: u64, length: u64| {
        let mut found = Vec::new();
        while (found.len() as u64) < length {
            let at = RunAddr(from.saturating_add(found.len() as u64));
            // Looking around keeps nothing.
            let Ok(piece) = memory.window(at, (length - found.len() as u64) as usize) else { break };
            found.extend_from_slice(piece);
        }
        found
    };
    let before = around(start.saturating_sub(AROUND_SECRETS), AROUND_SECRETS.min(start));
    let before = if before.len() as u64 == AROUND_SECRETS { before } else { Vec::new() };
    let behind = around(start.saturating_add(bytes.len() as u64), AROUND_SECRETS);
    let mut whole = [&before[..], bytes, &behind].concat();
    let masked = redaction.mask(&mut whole);
    bytes.copy_from_slice(&whole[before.len()..before.len() + bytes.len()]);
    masked
}

fn layout(session: &Session, parts: &HashMap<ModuleId, String>) -> Layout {
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

fn header(
    session: &Session,
    attributes: BTreeMap<String, String>,
    capture: Capture,
    found: Header,
    redaction: Option<&Redaction>,
) -> Header {
    let image = &session.image;
    Header {
        schema: format::SCHEMA.to_owned(),
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
